/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/json.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>

#include "model/snapshot.h"

enum {
	/* One value of a larger text at a time. \u0000 and numbers past 2^63 are let in, because one hostile
	 * tag or a generation counter must not cost the whole answer: json_text() knows no text with a NUL.
	 */
	VALUE_FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK |
		      JSON_DECODE_INT_AS_REAL,

	/* What nobody wants is walked to this depth, deeper than any list we know, and read as one value
	 * below it: memory stays flat, and no recursion of ours follows a hostile nesting down. */
	WALK_DEPTH = 8,
};

/* A json_value is a json_t under a name that our headers may have. */
static json_t *tree_of(const struct json_value *v)
{
	return (json_t *)v;
}

static struct json_value *value_of(const json_t *tree)
{
	return (struct json_value *)tree;
}

int json_refuse(struct json_reader *r, const char *why)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < r->at && i < r->len; i++) {
		column = r->text[i] == '\n' ? 1 : column + 1;
		line += r->text[i] == '\n';
	}
	return snapshot_builder_fail(r->b, -EBADMSG, "%zu:%zu: %s", line, column, why);
}

int json_begin(struct json_reader *r, const char *text, size_t len, struct snapshot_builder *b)
{
	*r = (struct json_reader){ .text = text, .len = len, .b = b };

	/* Windows editors put a byte order mark before UTF-8; RFC 8259 section 8.1 lets a reader ignore it.
	 */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r->at = 3;
	json_peek(r);
	if (len > INT_MAX) /* what jansson counts positions in */
		return json_refuse(r, "larger than 2 GiB");
	return 0;
}

int json_end(struct json_reader *r)
{
	json_peek(r);
	return r->at < r->len ? json_refuse(r, "something follows the end of the JSON text") : 0;
}

/* NUL, which no JSON has outside of a string, stands for the end. */
char json_peek(struct json_reader *r)
{
	while (r->at < r->len && strchr(" \t\r\n", r->text[r->at]) != NULL && r->text[r->at] != '\0')
		r->at++;
	return r->at < r->len ? r->text[r->at] : '\0';
}

static void skip_string(struct json_reader *r)
{
	for (r->at++; r->at < r->len && r->text[r->at] != '"'; r->at++)
		r->at += r->text[r->at] == '\\';
	r->at++;
}

/* Octets of the value's text, or more than jansson will read of it: what is no JSON it refuses no later than
 * where json_skip() stops. A member's name is a string of its own. */
static size_t measure(const struct json_reader *r)
{
	struct json_reader ahead = *r;

	if (json_peek(&ahead) == '"')
		skip_string(&ahead);
	else
		json_skip(&ahead);
	return ahead.at - r->at;
}

int json_load(struct json_reader *r, struct json_value **ret)
{
	json_error_t error = { .position = 0 };

	if (measure(r) > JSON_VALUE_MAX)
		return json_refuse(r, "a value of more than 1 MiB");
	json_t *value = json_loadb(r->text + r->at, r->len - r->at, VALUE_FLAGS, &error);
	if (value == NULL && (error.text[0] == '\0' || json_error_code(&error) == json_error_out_of_memory))
		return -ENOMEM;
	if (value == NULL) {
		/* The position is behind what was read, and what is no UTF-8 was not read. */
		const bool read = error.position > 0 && json_error_code(&error) != json_error_invalid_utf8;

		r->at += (size_t)error.position - read;
		return json_refuse(r, error.text);
	}
	r->at += (size_t)error.position;
	*ret = value_of(value);
	return 0;
}

void json_free(struct json_value *v)
{
	json_decref(tree_of(v));
}

int json_enter(struct json_reader *r, struct json_walk *w)
{
	const char open = json_peek(r);

	*w = (struct json_walk){ .close = open == '{' ? '}' : ']' };
	if (open != '{' && open != '[')
		return json_refuse(r, "neither a list nor an object");
	if (open == '{' && (w->keys = value_of(json_object())) == NULL)
		return -ENOMEM;
	r->at++;
	return 0;
}

void json_leave(struct json_walk *w)
{
	json_free(w->key);
	json_free(w->keys);
}

const char *json_key(const struct json_walk *w)
{
	return json_text(w->key);
}

static int read_key(struct json_reader *r, struct json_walk *w)
{
	const size_t start = r->at;
	struct json_value *key;
	int status = json_load(r, &key);

	if (status < 0)
		return status;
	json_free(w->key);
	w->key = key;
	const char *text = json_text(key);
	if (text == NULL || json_get(w->keys, text) != NULL) {
		r->at = start;
		return json_refuse(r, text == NULL ? "a member's name was expected" : "duplicate member");
	}
	if (json_object_size(tree_of(w->keys)) == JSON_MEMBERS_MAX)
		return json_refuse(r, "an object of more than 1,048,576 members");
	if (json_object_set_new_nocheck(tree_of(w->keys), text, json_true()) < 0)
		return -ENOMEM;
	if (json_peek(r) != ':')
		return json_refuse(r, "':' was expected");
	r->at++;
	json_peek(r);
	return 1;
}

int json_step(struct json_reader *r, struct json_walk *w)
{
	if (json_peek(r) == w->close) {
		r->at++;
		return 0;
	}
	if (w->begun && json_peek(r) != ',')
		return json_refuse(r, "',' or a closing bracket was expected");
	if (w->begun)
		r->at++;
	w->begun = true;
	json_peek(r);
	return w->keys != NULL ? read_key(r, w) : 1;
}

int json_each(struct json_reader *r, int (*take)(void *context, const struct json_value *element),
	      void *context)
{
	struct json_walk w;
	struct json_value *element;

	if (json_peek(r) != '[')
		return json_refuse(r, "a list was expected");
	int status = json_enter(r, &w);
	while (status >= 0 && (status = json_step(r, &w)) > 0) {
		status = json_load(r, &element);
		if (status < 0)
			break;
		status = take(context, element);
		json_free(element);
	}
	json_leave(&w);
	return status;
}

static int validate(struct json_reader *r, unsigned depth)
{
	const char c = json_peek(r);
	struct json_walk w;
	struct json_value *value;

	if (depth == 0 || (c != '[' && c != '{')) {
		int status = json_load(r, &value);
		if (status == 0)
			json_free(value);
		return status;
	}
	int status = json_enter(r, &w);
	while (status >= 0 && (status = json_step(r, &w)) > 0)
		status = validate(r, depth - 1);
	json_leave(&w);
	return status;
}

int json_validate(struct json_reader *r)
{
	return validate(r, WALK_DEPTH);
}

void json_skip(struct json_reader *r)
{
	size_t depth = 0;

	while (r->at < r->len) {
		const char c = r->text[r->at];

		if (c == '"') {
			skip_string(r);
			continue;
		}
		if (depth == 0 && (c == ',' || c == ']' || c == '}'))
			return;
		depth += c == '[' || c == '{';
		depth -= c == ']' || c == '}';
		r->at++;
		if (depth == 0 && (c == ']' || c == '}'))
			return;
	}
	r->at = r->len; /* a string without end was stepped over */
}

enum json_kind json_kind_of(const struct json_value *v)
{
	static const enum json_kind kinds[] = {
		[JSON_OBJECT] = VALUE_OBJECT,  [JSON_ARRAY] = VALUE_LIST,  [JSON_STRING] = VALUE_TEXT,
		[JSON_INTEGER] = VALUE_NUMBER, [JSON_REAL] = VALUE_NUMBER, [JSON_TRUE] = VALUE_TRUE,
		[JSON_FALSE] = VALUE_FALSE,    [JSON_NULL] = VALUE_NULL,
	};

	return v != NULL ? kinds[json_typeof(tree_of(v))] : VALUE_ABSENT;
}

const char *json_text(const struct json_value *v)
{
	const char *text = json_string_value(tree_of(v));

	return text != NULL && strlen(text) == json_string_length(tree_of(v)) ? text : NULL;
}

bool json_number(const struct json_value *v, double *ret)
{
	if (!json_is_number(tree_of(v)))
		return false;
	*ret = json_number_value(tree_of(v));
	return true;
}

const struct json_value *json_get(const struct json_value *v, const char *key)
{
	return value_of(json_object_get(tree_of(v), key));
}

size_t json_count(const struct json_value *v)
{
	return json_array_size(tree_of(v));
}

const struct json_value *json_at(const struct json_value *v, size_t i)
{
	return value_of(json_array_get(tree_of(v), i));
}

bool json_next_member(const struct json_value *v, struct json_member *m)
{
	json_t *object = tree_of(v);

	m->place = m->place == NULL ? json_object_iter(object) : json_object_iter_next(object, m->place);
	if (m->place == NULL)
		return false;
	m->key = json_object_iter_key(m->place);
	m->value = value_of(json_object_iter_value(m->place));
	return true;
}

const char *json_describe(const struct json_value *v)
{
	static const char *const words[] = {
		[VALUE_ABSENT] = "nothing",   [VALUE_NULL] = "null",       [VALUE_FALSE] = "a truth",
		[VALUE_TRUE] = "a truth",     [VALUE_NUMBER] = "a number", [VALUE_LIST] = "a list",
		[VALUE_OBJECT] = "an object",
	};
	const char *text = json_string_value(tree_of(v));

	return text != NULL ? text : words[json_kind_of(v)];
}

bool json_has_nul(const struct json_value *v)
{
	struct json_member m = { 0 };

	if (json_kind_of(v) == VALUE_TEXT)
		return json_text(v) == NULL;
	for (size_t i = 0; i < json_count(v); i++) {
		if (json_has_nul(json_at(v, i)))
			return true;
	}
	while (json_next_member(v, &m)) {
		if (json_has_nul(m.value))
			return true;
	}
	return false;
}
