/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/frames.h -- JSON objects out of a stream of octets that comes in pieces.
 *
 *   octets --frames_add--> buffer --frames_next--> one whole object at a time
 *
 * Objects are told apart by their brackets, not by line ends: nothing promises those, and the last line of
 * etcd's has none. What is inside is read by registry/json, which is strict. One thread at a time.
 */
#ifndef PHONEBOOK_REGISTRY_FRAMES_H
#define PHONEBOOK_REGISTRY_FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

struct frames {
	struct buffer octets;
	size_t max_size; /* of one object */
	size_t at;       /* first octet not handed out: whole objects, a NUL behind each */
	size_t start;    /* of the object that is not whole yet, behind them */
	unsigned depth;
	bool in_text, escaped;
};

void frames_init(struct frames *f, size_t max_size);
void frames_finish(struct frames *f);

/* Takes octets; -ENOMEM, -EFBIG when an object grows beyond max_size, -EBADMSG when what comes is no object
 * and no space between two. After that no more may be added; the objects before it can still be had. */
int frames_add(struct frames *f, const char *octets, size_t len);

/* The next whole object, NUL behind, good until the next call of any of these; NULL: there is none yet. */
const char *frames_next(struct frames *f, size_t *len);

/* How many octets of whole objects are not handed out yet. */
size_t frames_waiting(const struct frames *f);

/* True when the octets so far end inside an object. */
bool frames_is_cut(const struct frames *f);

#endif
