/* SPDX-License-Identifier: BSD-2-Clause */
/* model/inbox.h -- the one place where threads meet: a slot for the newest table, and a parcel for anything
 * else.
 *
 *   feeder: inbox_put() --> slot --> serving thread: inbox_take(), once a loop turn --> acked --> feeder
 * frees
 *
 * The serving thread holds a plain pointer for a whole loop turn, so no lookup needs a lock; what it
 * acknowledges tells the feeder what nobody reads any more. A wake-up (eventfd) is only for threads that
 * sleep.
 */
#ifndef PHONEBOOK_MODEL_INBOX_H
#define PHONEBOOK_MODEL_INBOX_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

struct table;

struct inbox {
	alignas(64) _Atomic(const struct table *) slot; /* feeder writes */
	alignas(64) _Atomic uint64_t acked;             /* serving thread writes: generation in use */
	_Atomic uint64_t drained;                       /* reader writes: wake-ups it has seen to */
	const struct table *current;                    /* the serving thread's own */
	int wakeup;                                     /* eventfd */
};

/* Opens the wake-up descriptor; negative errno when there is none to have. */
int inbox_init(struct inbox *in);
void inbox_finish(struct inbox *in);

/* Feeder: makes table the newest one and wakes the reader. */
void inbox_put(struct inbox *in, const struct table *table);

/* Any thread: wakes the reader, who finds nothing new in the slot and looks into its parcels. */
void inbox_wake(struct inbox *in);

/* Reader: the table to use from here on, NULL before the first was put. Call it once, at the start of a loop
 * turn. */
const struct table *inbox_take(struct inbox *in);

/* Feeder: the generation the reader uses; what only older tables refer to can be freed. */
uint64_t inbox_acked(const struct inbox *in);

/* Reader: clears the wake-up. */
void inbox_drain(struct inbox *in);

/* Any thread: how often the reader has done so. One that was woken and still has the same number hangs. */
uint64_t inbox_drained(const struct inbox *in);

/* One thing on its way to another thread, who then owns it. Starts zeroed, static or from calloc(). */
struct parcel {
	_Atomic(void *) content;
};

/* Sends content; returns what was sent before and never taken (or NULL), which is the sender's again. */
void *parcel_put(struct parcel *p, void *content);

/* Takes what was sent, NULL if nothing. */
void *parcel_take(struct parcel *p);

#endif
