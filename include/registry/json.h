/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/json.h -- reading a JSON body of any size, one element at a time.
 *
 *   json_begin -> json_enter -> json_step ... json_load -> json_value -> json_free ... -> json_leave
 *   -> json_end
 *
 * The reader walks lists and objects itself; only one value of them at a time becomes a tree, and only if its
 * text has no more than JSON_VALUE_MAX octets. Of an object that is walked over the names are kept, at most
 * JSON_MEMBERS_MAX. So memory does not grow with the body. A list below a member, as in {"items":[...]} or
 *{"kvs":[...]}:
 *
 *	status = json_enter(r, &w);
 *	while (status >= 0 && (status = json_step(r, &w)) > 0) {
 *		if (strcmp(json_key(&w), "items") == 0)
 *			status = json_each(r, take_item, context);
 *		else
 *			status = json_validate(r);
 *	}
 *	json_leave(&w);
 *
 * Strict: what is no JSON, ends early or has a member twice is refused, with line and column. Functions that
 * read return 0 (json_step: 1 as well) or a negative errno; -EBADMSG has told its reason to the builder, and
 * the body is to be thrown away. Feeder thread only.
 */
#ifndef PHONEBOOK_REGISTRY_JSON_H
#define PHONEBOOK_REGISTRY_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct snapshot_builder;
struct json_value;

enum {
	/* A list of targets of the largest service fits. Small values are the worst: of "{},{}..." jansson
	 * makes 80 octets for each of the text, or 80 MiB for a while. */
	JSON_VALUE_MAX = 1 << 20,
	JSON_MEMBERS_MAX = 1 << 20, /* four times the services that a map of them may name */
};

struct json_reader {
	const char *text;
	size_t len;
	size_t at; /* in text; at the start of a value it may be noted, and set again to read from there */
	struct snapshot_builder *b;
};

/* Stands at the first value of a body, of which text is borrowed; a byte order mark is passed over. */
int json_begin(struct json_reader *r, const char *text, size_t len, struct snapshot_builder *b);

/* Nothing but space may follow. */
int json_end(struct json_reader *r);

/* Refuses the body because of what is at the reader's place. */
int json_refuse(struct json_reader *r, const char *why);

/* What comes next: '[', '{', '"', 'n' for null...; NUL at the end. */
char json_peek(struct json_reader *r);

/* --- reading: the reader stands at a value, and behind it afterwards --- */

/* The members of an object or the elements of a list, one after the other. */
struct json_walk {
	char close;
	bool begun;
	struct json_value *key, *keys; /* of an object: this one, and all so far */
};

/* Begins a walk; refuses what is neither a list nor an object. */
int json_enter(struct json_reader *r, struct json_walk *w);

/* 1 at the next value, which must then be read in one way or another; 0 behind the closing bracket. */
int json_step(struct json_reader *r, struct json_walk *w);

/* The name of the member json_step() came to, until the next step; NULL in a list. */
const char *json_key(const struct json_walk *w);

/* Always called, however the walk went, also if json_enter() failed. */
void json_leave(struct json_walk *w);

/* Reads a list and gives each element to take(), which borrows it and ends the reading by a negative errno.
 */
int json_each(struct json_reader *r, int (*take)(void *context, const struct json_value *element),
	      void *context);

/* Reads one value as a tree; refuses one of more than JSON_VALUE_MAX octets. */
int json_load(struct json_reader *r, struct json_value **ret);

/* NULL is fine. */
void json_free(struct json_value *v);

/* Reads a value that nobody wants: it must be JSON all the same. */
int json_validate(struct json_reader *r);

/* Steps over a value by its brackets and quotes alone, to see what comes behind it before reading it. A text
 * that is no JSON may mislead this: everything stepped over has to be read afterwards. */
void json_skip(struct json_reader *r);

/* --- values: borrowed from the tree; NULL is fine everywhere and stands for what is not there --- */

enum json_kind {
	VALUE_ABSENT,
	VALUE_NULL,
	VALUE_FALSE,
	VALUE_TRUE,
	VALUE_NUMBER,
	VALUE_TEXT,
	VALUE_LIST,
	VALUE_OBJECT,
};

enum json_kind json_kind_of(const struct json_value *v);

/* The text; NULL if it is none, or has a NUL inside. */
const char *json_text(const struct json_value *v);

/* False if it is no number. */
bool json_number(const struct json_value *v, double *ret);

/* The member of that name; NULL if there is none, or v is no object. */
const struct json_value *json_get(const struct json_value *v, const char *key);

/* The elements of a list; 0 and NULL if it is none. */
size_t json_count(const struct json_value *v);
const struct json_value *json_at(const struct json_value *v, size_t i);

/* One member of an object; starts as { 0 }. */
struct json_member {
	const char *key;
	const struct json_value *value;
	void *place;
};

/* Goes to the next member; false when there is none, or v is no object. */
bool json_next_member(const struct json_value *v, struct json_member *m);

/* For remarks: "a list", "null"..., and a text as it is, as far as a NUL inside. */
const char *json_describe(const struct json_value *v);

/* Whether any text in it has a NUL inside. */
bool json_has_nul(const struct json_value *v);

#endif
