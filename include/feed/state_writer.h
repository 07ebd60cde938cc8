/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/state_writer.h -- the thread that writes the state: one order at a time.
 *
 *   feeder: state_writer_send() --order--> writer thread --the same order, with its result-->
 * state_writer_take()
 *
 * An order is the writer's from being sent until it is taken. All functions are called on the feeder's
 * thread.
 */
#ifndef PHONEBOOK_FEED_STATE_WRITER_H
#define PHONEBOOK_FEED_STATE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "feed/state_file.h"
#include "feed/state_place.h"
#include "model/inbox.h"

struct state_order {
	char file[STATE_FILE_SIZE];
	struct state_head head;
	struct snapshot *snapshot; /* kept by who sent it; NULL: only the stamp is new */
	int result;                /* 0 or a negative errno */
	uint64_t took_ms;
};

struct state_writer;

/* Starts the thread, which keeps to the place, borrowed, from here on: it is opened again when it has to be.
 */
int state_writer_create(struct state_place *place, struct state_writer **ret);

/* Wakes the loop of who sent an order that it is done. */
struct inbox *state_writer_done(struct state_writer *w);

/* Only when the one before has been taken. */
void state_writer_send(struct state_writer *w, struct state_order *order);

/* The order that is done; NULL: there is none. Waits for it for at most limit_ms. */
struct state_order *state_writer_take(struct state_writer *w, uint64_t limit_ms);

/* Ends the thread, if that takes no longer than limit_ms. False: a disk does not answer, and the thread goes
 * on with its order, its place and its own memory, which stay for it; it closes the place. NULL is fine. */
bool state_writer_destroy(struct state_writer *w, uint64_t limit_ms);

#endif
