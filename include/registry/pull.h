/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/pull.h -- members of JSON objects read one by one, without a tree of the rest.
 *
 *	status = pull_enter(r, '{', &w);
 *	while (status >= 0 && (status = pull_step(r, &w)) > 0)
 *		status = pull_is(&w, "Address") ? pull_text(r, room, &address) : pull_skip(r);
 *
 * For large answers of which little is wanted: a tree costs ten times what walking over the text does. What
 * is skipped is looked at by its form (brackets, quotes, commas, words and numbers), what is read is as
 * strict as registry/json. A member that is there twice is told twice, and nothing has to be left or freed.
 *
 * Functions return 0 (pull_step: 1 as well), -EBADMSG as told to the builder of the reader, or -ENOMEM.
 */
#ifndef PHONEBOOK_REGISTRY_PULL_H
#define PHONEBOOK_REGISTRY_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "registry/json.h"

enum {
	/* Octets of a text that are given, the NUL not among them: one more than the longest that anything
	 * has a use for (report.h), so that what is too long is seen to be. */
	PULL_TEXT_MAX = 256,
};

struct pull_walk {
	char close;
	bool begun;
	size_t name, name_len; /* of a member, as it is written between its quotes */
};

/* Begins a walk over a list or an object; if something else stands there it is skipped, and nothing is in it.
 */
int pull_enter(struct json_reader *r, char open, struct pull_walk *w);

/* 1 at the next value, which must then be read in one way or another; 0 behind the closing bracket. */
int pull_step(struct json_reader *r, struct pull_walk *w);

/* Whether the member has that name; one that is written with escapes has none that is asked for here. */
bool pull_is(const struct json_reader *r, const struct pull_walk *w, const char *name);

/* The name of the member, as pull_text() gives a text. */
int pull_name(const struct json_reader *r, const struct pull_walk *w, struct buffer *room, const char **ret);

/* Reads any value: a text goes to room, with a NUL behind and cut at PULL_TEXT_MAX; NULL if it is none or has
 * a NUL inside. -EFBIG when the room is too small, which it must not outgrow: it is not moved. */
int pull_text(struct json_reader *r, struct buffer *room, const char **ret);

/* Reads a number of at most 15 digits and nothing else; false, and nothing is read, if there is none. */
bool pull_digits(struct json_reader *r, uint64_t *ret);

/* Passes over any value. */
int pull_skip(struct json_reader *r);

#endif
