/* SPDX-License-Identifier: BSD-2-Clause */
/* server/hold.h -- queries that came before the first word of a registry: they wait a moment instead of
 * failing.
 *
 *   hold_add --newer table, or 800 ms--> again() --> answered
 *
 * A fixed pool on a serving thread; when it is full, the answer is what it is now.
 */
#ifndef PHONEBOOK_SERVER_HOLD_H
#define PHONEBOOK_SERVER_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "forward/forward.h"

struct event_base;
struct hold;

enum {
	HOLD_QUERIES_MAX = 16384, /* that hold-queries can be: some 10 MB a thread */
	HOLD_OCTETS_MAX = 512,    /* of one query */
	HOLD_MS = 800, /* musl asks again after 2.5 s, c-ares after 2: the answer must be there before */
};

/* Answers a held query if it can be answered now, or must be (may_wait false); returns whether it did. */
typedef bool (*again_fn)(void *context, const uint8_t *octets, size_t len, const struct return_address *from,
			 bool may_wait);

/* With room for max queries, at most HOLD_QUERIES_MAX. */
int hold_create(struct event_base *loop, unsigned max, again_fn again, void *context, struct hold **ret);

/* Drops what waits. NULL is fine. */
void hold_destroy(struct hold *h);

/* Keeps a copy of the query; false when there is no room for it. */
bool hold_add(struct hold *h, const uint8_t *octets, size_t len, const struct return_address *from);

/* There is a newer table: tries all that wait. */
void hold_retry(struct hold *h);

/* The end is near: all that waits is answered as it is, and nothing is taken any more. */
void hold_close(struct hold *h);

/* The connection is gone: what it waited for is dropped. */
void hold_forget(struct hold *h, const void *connection);

#endif
