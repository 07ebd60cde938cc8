/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/pull.h"

#include <errno.h>
#include <string.h>

enum {
	/* Free-form settings of a proxy go ten deep; a text of nothing but brackets must not go down our
	 * stack. */
	NESTING_MAX = 64,

	DIGITS_MAX = 15, /* what a double holds, and so what registry/json would make of it */
};

/* As json_peek(): between two tokens of a machine there is no space. */
static inline char peek(struct json_reader *r)
{
	return r->at < r->len && r->text[r->at] > ' ' ? r->text[r->at] : json_peek(r);
}

/* Passes over a string; the reader stands at its opening quote. */
static int skip_string(struct json_reader *r)
{
	const char *at = r->text + r->at + 1, *const end = r->text + r->len;

	while (at < end && *at != '"' && (unsigned char)*at >= 0x20)
		at += *at == '\\' && end - at > 1 ? 2 : 1;
	r->at = (size_t)(at - r->text);
	if (at == end || *at != '"')
		return json_refuse(r, "a string without end");
	r->at++;
	return 0;
}

/* Octets of the word or number that begins here. */
static size_t measure_word(const struct json_reader *r)
{
	size_t len = 0;

	while (r->at + len < r->len && strchr(" \t\r\n,:[]{}\"", r->text[r->at + len]) == NULL)
		len++;
	return len;
}

/* A word, or something that begins like a number. */
static int skip_word(struct json_reader *r)
{
	static const char *const words[] = { "true", "false", "null" };
	const char *word = r->text + r->at;
	const size_t len = measure_word(r);
	bool known = len > 0 && (word[0] == '-' || (word[0] >= '0' && word[0] <= '9'));

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !known; i++)
		known = strlen(words[i]) == len && memcmp(word, words[i], len) == 0;
	if (!known)
		return json_refuse(r, "a value was expected");
	r->at += len;
	return 0;
}

static int begin_member(struct json_reader *r, struct pull_walk *w)
{
	if (peek(r) != '"')
		return json_refuse(r, "a member's name was expected");
	w->name = r->at + 1;
	int status = skip_string(r);
	if (status < 0)
		return status;
	w->name_len = r->at - 1 - w->name;
	if (peek(r) != ':')
		return json_refuse(r, "':' was expected");
	r->at++;
	peek(r);
	return 1;
}

int pull_step(struct json_reader *r, struct pull_walk *w)
{
	const char next = w->close != '\0' ? peek(r) : '\0';

	if (w->close == '\0')
		return 0;
	if (next == w->close) {
		r->at++;
		return 0;
	}
	if (w->begun && next != ',')
		return json_refuse(r, "',' or a closing bracket was expected");
	r->at += w->begun;
	w->begun = true;
	peek(r);
	return w->close == '}' ? begin_member(r, w) : 1;
}

static void enter(struct json_reader *r, char open, struct pull_walk *w)
{
	*w = (struct pull_walk){ .close = open == '{' ? '}' : ']' };
	r->at++;
}

static int skip(struct json_reader *r, unsigned nesting)
{
	const char open = peek(r);
	struct pull_walk w;
	int status;

	if (open == '"')
		return skip_string(r);
	if (open != '{' && open != '[')
		return skip_word(r);
	if (nesting == 0)
		return json_refuse(r, "nested too deeply");
	enter(r, open, &w);
	while ((status = pull_step(r, &w)) > 0) {
		status = skip(r, nesting - 1);
		if (status < 0)
			return status;
	}
	return status;
}

int pull_skip(struct json_reader *r)
{
	return skip(r, NESTING_MAX);
}

int pull_enter(struct json_reader *r, char open, struct pull_walk *w)
{
	*w = (struct pull_walk){ 0 };
	if (peek(r) != open)
		return pull_skip(r);
	enter(r, open, w);
	return 0;
}

bool pull_is(const struct json_reader *r, const struct pull_walk *w, const char *name)
{
	return strncmp(name, r->text + w->name, w->name_len) == 0 && name[w->name_len] == '\0';
}

static int put(struct buffer *room, const char *text, size_t len, const char **ret)
{
	const size_t at = room->len;
	int status = buffer_add(room, text, len < PULL_TEXT_MAX ? len : PULL_TEXT_MAX);

	if (status == 0)
		status = buffer_add(room, "", 1);
	if (status == 0)
		*ret = (const char *)room->octets + at;
	else
		room->len = at;
	return status;
}

/* Whether the text means what it says: escapes, and letters beyond ASCII, have rules of their own. */
static bool is_plain(const struct json_reader *r, size_t *len)
{
	const unsigned char *text = (const unsigned char *)r->text + r->at + 1;
	const size_t max = r->len - r->at - 1;
	size_t n = 0;

	while (n < max && text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
		n++;
	*len = n;
	return n < max && text[n] == '"';
}

static int load_text(struct json_reader *r, struct buffer *room, const char **ret)
{
	struct json_value *value;
	int status = json_load(r, &value);

	if (status < 0)
		return status;
	const char *text = json_text(value);
	if (text != NULL)
		status = put(room, text, strlen(text), ret);
	json_free(value);
	return status;
}

int pull_text(struct json_reader *r, struct buffer *room, const char **ret)
{
	size_t len;

	*ret = NULL;
	if (peek(r) != '"')
		return pull_skip(r);
	if (!is_plain(r, &len))
		return load_text(r, room, ret);
	int status = put(room, r->text + r->at + 1, len, ret);
	r->at += len + 2;
	return status;
}

int pull_name(const struct json_reader *r, const struct pull_walk *w, struct buffer *room, const char **ret)
{
	struct json_reader at_name = *r;

	at_name.at = w->name - 1;
	return pull_text(&at_name, room, ret);
}

/* Not "007", which is no number in JSON. */
bool pull_digits(struct json_reader *r, uint64_t *ret)
{
	const char first = peek(r);
	const size_t len = measure_word(r);
	uint64_t number = 0;

	if (len == 0 || len > DIGITS_MAX || (first == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		const char c = r->text[r->at + i];

		if (c < '0' || c > '9')
			return false;
		number = 10 * number + (uint64_t)(c - '0');
	}
	r->at += len;
	*ret = number;
	return true;
}
