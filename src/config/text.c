/* SPDX-License-Identifier: BSD-2-Clause */
/* A look at the text before libconfuse has it. libconfuse 3.3 accepts a block or a string that never ends,
 * drops characters it has no use for, takes an unset variable for an empty one, leaks when a lexer error
 * comes inside a string, and knows no comments inside lists. None of this may pass unseen in a file that
 * decides what a host resolves. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/tree.h"

/* static { instance { tags = { three deep; one more is a missing brace. */
enum { DEPTH_MAX = 4, VARIABLE_MAX = 256, READ_OCTETS = 4096 };

/* What a value may consist of without quotes; all else has a meaning to libconfuse, or none at all. */
static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/[]%@~?&!";

struct scan {
	struct config_tree *tree;
	const char *file;
	char *at;
	const char *end; /* a NUL stands there */
	int line;
	char last; /* the last character that was neither space nor comment */
	struct {
		int line;
		bool list;
	} open[DEPTH_MAX];
	size_t depth;
};

static int read_all(int fd, struct buffer *text)
{
	while (text->len <= CONFIG_SIZE_MAX) {
		char *room = buffer_reserve(text, READ_OCTETS);
		if (room == NULL)
			return -ENOMEM;
		const ssize_t n = read(fd, room, READ_OCTETS);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		text->len += (size_t)n;
	}
	return -EFBIG;
}

int config_text_load(const char *path, struct buffer *text)
{
	/* Non-blocking, or opening a FIFO would wait for its writer before fstat() can refuse it. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	else
		r = read_all(fd, text);
	close(fd);
	return r;
}

static void blank(struct scan *s, size_t len)
{
	for (; len > 0; len--, s->at++) {
		if (*s->at == '\n')
			s->line++;
		else
			*s->at = ' ';
	}
}

static bool skip_comment(struct scan *s)
{
	if (s->at[0] == '#' || s->at[1] == '/') {
		blank(s, strcspn(s->at, "\n"));
		return true;
	}

	const char *close = strstr(s->at + 2, "*/");
	if (close == NULL) {
		config_complain(s->tree, s->file, s->line, "this comment is never closed");
		return false;
	}
	blank(s, (size_t)(close + 2 - s->at));
	return true;
}

/* "${NAME}" and "${NAME:-default}" are filled in by libconfuse, in double quotes only. */
static bool check_variable(struct scan *s)
{
	const size_t len = strcspn(s->at, "}\"\n");
	char name[VARIABLE_MAX];

	if (s->at[len] != '}') {
		config_complain(s->tree, s->file, s->line,
				"\"${\" without \"}\"; for a plain dollar sign write \"\\$\"");
		return false;
	}

	const size_t name_len = strcspn(s->at + 2, ":}");
	if (s->at[2 + name_len] != ':' || s->at[3 + name_len] != '-') {
		snprintf(name, sizeof(name), "%.*s", (int)(len - 2), s->at + 2);
		if (len - 2 >= sizeof(name) || getenv(name) == NULL) {
			config_complain(
				s->tree, s->file, s->line,
				"environment variable %s is not set; \"${NAME:-default}\" gives a default",
				name);
			return false;
		}
	}
	s->at += len;
	return true;
}

static bool skip_string(struct scan *s)
{
	const char quote = *s->at++;

	for (; *s->at != quote; s->at++) {
		if (*s->at == '\n' || *s->at == '\0') {
			config_complain(s->tree, s->file, s->line, "a string must end on its line");
			return false;
		}
		if (quote == '"' && s->at[0] == '$' && s->at[1] == '{' && !check_variable(s))
			return false;
		if (*s->at != '\\')
			continue;
		if (quote == '"' && (s->at[1] == '\0' || strchr("\"\\$", s->at[1]) == NULL)) {
			config_complain(
				s->tree, s->file, s->line,
				"in double quotes a backslash must be followed by \", \\ or $; single "
				"quotes take it as it is");
			return false;
		}
		if (quote == '"' || s->at[1] == '\'' || s->at[1] == '\\')
			s->at++;
	}
	s->at++;
	s->last = 'a';
	return true;
}

static bool open_brace(struct scan *s)
{
	if (s->depth == DEPTH_MAX) {
		config_complain(s->tree, s->file, s->line,
				"braces too deep; is the block of line %d meant to go on here?",
				s->open[0].line);
		return false;
	}
	s->open[s->depth].line = s->line;
	s->open[s->depth].list = s->last == '=';
	s->depth++;
	s->last = *s->at++;
	return true;
}

static bool close_brace(struct scan *s)
{
	if (s->depth == 0) {
		config_complain(s->tree, s->file, s->line, "'}' without '{'");
		return false;
	}
	s->depth--;
	if (s->open[s->depth].list && s->last == '{') {
		config_complain(s->tree, s->file, s->line, "an empty list; leave the key out instead");
		return false;
	}
	s->last = *s->at++;
	return true;
}

static bool skip_word(struct scan *s)
{
	s->at += strspn(s->at, bare);
	if (strchr(" \t\r\n={},()\"'", *s->at) == NULL) {
		if ((unsigned char)*s->at > ' ' && (unsigned char)*s->at < 0x7f)
			config_complain(s->tree, s->file, s->line, "'%c' can stand in quotes only", *s->at);
		else
			config_complain(s->tree, s->file, s->line,
					"character 0x%02x can stand in quotes only", (unsigned char)*s->at);
		return false;
	}
	s->last = 'a';
	return true;
}

static bool skip_token(struct scan *s)
{
	switch (*s->at) {
	case '\n':
		s->line++;
		s->at++;
		return true;
	case ' ':
	case '\t':
	case '\r':
		s->at++;
		return true;
	case '"':
	case '\'':
		return skip_string(s);
	case '{':
		return open_brace(s);
	case '}':
		return close_brace(s);
	case '=':
	case ',':
	case '(':
	case ')':
		s->last = *s->at++;
		return true;
	case '#':
		return skip_comment(s);
	case '/':
		return s->at[1] == '/' || s->at[1] == '*' ? skip_comment(s) : skip_word(s);
	default:
		return skip_word(s);
	}
}

/* A NUL would end the text early for us and not for libconfuse; the others can be no part of any value. */
static bool has_control_characters(struct scan *s)
{
	int line = 1;

	for (const char *c = s->at; c < s->end; c++) {
		const unsigned char octet = (unsigned char)*c;

		if ((octet < 0x20 && strchr("\t\r\n", octet) == NULL) || octet == 0 || octet == 0x7f) {
			config_complain(s->tree, s->file, line, "control character 0x%02x", octet);
			return true;
		}
		line += octet == '\n';
	}
	return false;
}

bool config_text_clean(struct config_tree *t, const char *file, char *text, size_t len)
{
	struct scan s = { .tree = t, .file = file, .at = text, .end = text + len, .line = 1 };

	if (has_control_characters(&s))
		return false;
	while (s.at < s.end) {
		if (!skip_token(&s))
			return false;
	}
	if (s.depth > 0) {
		config_complain(t, file, s.open[s.depth - 1].line, "this '{' is never closed");
		return false;
	}
	return true;
}
