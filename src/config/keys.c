/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys and blocks that nobody knows, all of them in one run. libconfuse ends at the first; so they are told
 * and blanked out before it sees the text. Comments are gone by then and braces and strings closed; what is
 * no statement otherwise is left to libconfuse, which says what it finds unexpected. */
#include <string.h>

#include "config/tree.h"

enum {
	UNKNOWN_MAX = 20, /* more than anybody mistypes: from there on it is another program's file */
	WORD_MAX = 128,   /* of a key that is told; a longer one is left to libconfuse */
};

static const char spaces[] = " \t\r\n";
static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/[]%@~?&!";

struct look {
	struct config_tree *tree;
	const char *file;
	char *at, *counted; /* lines are counted up to there */
	int line;
	unsigned n_unknown;
};

/* No key of ours has a digit, and hardly a token has none. */
bool config_could_be_key(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")] == '\0';
}

/* --- what is unknown --- */

static void list_known(const struct config_kind *kind, char known[CONFIG_ERROR_MAX])
{
	size_t len = 0;

	known[0] = '\0';
	for (size_t i = 0; i < kind->n_rows && len < CONFIG_ERROR_MAX; i++)
		len += (size_t)snprintf(known + len, CONFIG_ERROR_MAX - len, "%s%s",
					i > 0 ? ", " : "; known are ", kind->rows[i].key);
}

void config_complain_about_key(struct config_tree *t, enum block_kind kind, const char *file, int line,
			       const char *key)
{
	const struct config_kind *k = config_kind(kind);
	char known[CONFIG_ERROR_MAX];

	if (config_row_is_later(key)) {
		config_complain(t, file, line, "%s: not built into this version", key);
		return;
	}
	list_known(k, known);
	if (k->title != NULL)
		config_complain(t, file, line, "no such key in the %s block: %s%s", k->word, key, known);
	else
		config_complain(t, file, line, "no such key or block: %s", key);
}

static int line_of(struct look *l, char *at)
{
	for (; l->counted < at; l->counted++)
		l->line += *l->counted == '\n';
	return l->line;
}

/* Lines stay lines. */
static void blank(char *from, const char *end)
{
	for (; from < end; from++) {
		if (*from != '\n')
			*from = ' ';
	}
}

static void complain(struct look *l, enum block_kind kind, char *at, const char *word)
{
	const int line = line_of(l, at);

	if (l->n_unknown++ < UNKNOWN_MAX)
		config_complain_about_key(l->tree, kind, l->file, line, word);
	else if (l->n_unknown == UNKNOWN_MAX + 1)
		config_complain(l->tree, l->file, line, "and more that nobody knows");
}

/* --- the shape of a file --- */

/* As strspn(3); which, where it is checked, looks at all of the rest of the file each time. */
static size_t span(const char *text, const char *set)
{
	size_t n = 0;

	while (text[n] != '\0' && strchr(set, text[n]) != NULL)
		n++;
	return n;
}

static void skip_spaces(struct look *l)
{
	l->at += span(l->at, spaces);
}

/* A word or a string; false when there is none. */
static bool skip_value(struct look *l)
{
	const char quote = *l->at;

	if (quote != '"' && quote != '\'') {
		const size_t len = span(l->at, bare);

		l->at += len;
		return len > 0;
	}
	for (l->at++; *l->at != quote; l->at++) {
		if (*l->at == '\0')
			return false;
		if (*l->at == '\\' && l->at[1] != '\0' && (quote == '"' || strchr("'\\", l->at[1]) != NULL))
			l->at++;
	}
	l->at++;
	return true;
}

/* From an opening brace to the one that closes it. */
static bool skip_braces(struct look *l)
{
	unsigned depth = 0;

	do {
		const char c = *l->at;

		if (c == '\0')
			return false;
		if (c == '"' || c == '\'') {
			if (!skip_value(l))
				return false;
			continue;
		}
		depth += c == '{';
		depth -= c == '}';
		l->at++;
	} while (depth > 0);
	return true;
}

static bool skip_assigned(struct look *l)
{
	l->at++;
	skip_spaces(l);
	return *l->at == '{' ? skip_braces(l) : skip_value(l);
}

/* The kind of block of that word which may stand in outer; false when there is none. */
static bool find_block(enum block_kind outer, const char *word, enum block_kind *ret)
{
	for (enum block_kind kind = BLOCK_TOP; kind < BLOCK_KINDS; kind++) {
		if (config_kind_stands_in(kind, outer) && strcmp(config_kind(kind)->word, word) == 0) {
			*ret = kind;
			return true;
		}
	}
	return false;
}

static bool look_at_block(struct look *l, enum block_kind kind);

/* "KEY = VALUE", "KEY = { LIST }" or "WORD TITLE { BLOCK }"; false when it is none of these. */
static bool look_at_statement(struct look *l, enum block_kind kind)
{
	char *begin = l->at, word[WORD_MAX];
	const size_t len = span(begin, bare);
	enum block_kind inner;

	if (len == 0 || len >= sizeof(word))
		return false;
	memcpy(word, begin, len);
	word[len] = '\0';
	l->at += len;
	skip_spaces(l);
	const bool is_key = *l->at == '=';
	if (!is_key && *l->at != '{' && !skip_value(l))
		return false;
	skip_spaces(l);
	if (!config_could_be_key(word) || (!is_key && *l->at != '{'))
		return false;

	if (!is_key && find_block(kind, word, &inner)) {
		l->at++;
		return look_at_block(l, inner);
	}
	const bool is_known = find_block(kind, word, &inner) || config_row_find(kind, word) != NULL;
	if (!(is_key ? skip_assigned(l) : skip_braces(l)))
		return false;
	if (!is_known) {
		complain(l, kind, begin, word);
		blank(begin, l->at);
	}
	return true;
}

static bool look_at_block(struct look *l, enum block_kind kind)
{
	for (;;) {
		skip_spaces(l);
		if (*l->at == '}' || *l->at == '\0')
			break;
		if (!look_at_statement(l, kind))
			return false;
	}
	if (*l->at == '}')
		l->at++;
	return true;
}

bool config_blank_unknown(struct config_tree *t, const char *file, char *text)
{
	struct look l = { .tree = t, .file = file, .at = text, .counted = text, .line = 1 };

	(void)look_at_block(&l, BLOCK_TOP); /* as far as it can be followed */
	return l.n_unknown > 0;
}
