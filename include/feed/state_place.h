/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/state_place.h -- the directory with the state: found or made, locked, kept tidy.
 *
 * One thread at a time. No function here logs.
 */
#ifndef PHONEBOOK_FEED_STATE_PLACE_H
#define PHONEBOOK_FEED_STATE_PLACE_H

#include <stdbool.h>

/* Starts as { .dir = -1, .lock = -1, .path = ... }. */
struct state_place {
	const char *path;       /* borrowed */
	int dir, lock;          /* descriptors; -1: not yet */
	bool open_to_everybody; /* whoever is on this host may write there */
};

/* Opens the directory, which is made if only the last part of its path is missing, takes the lock in it and
 * removes what daemons that were killed left half written. What was done before is not done again. Negative
 * errno; -EWOULDBLOCK: another daemon has the lock. */
int state_place_open(struct state_place *p);

/* Removes the files of registries that nobody knows, and that nobody has written for 30 days: until then a
 * configuration may come back. Does nothing without the lock. */
void state_place_sweep(const struct state_place *p, bool (*is_known)(void *context, const char *file),
		       void *context);

void state_place_close(struct state_place *p);

/* What the errno means here, and what to do about it. */
const char *state_place_error(int error);

#endif
