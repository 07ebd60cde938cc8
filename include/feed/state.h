/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/state.h -- what the registries said last, on disk: to be answered after a restart, until they speak.
 *
 *   believed snapshots --state_keep--> writer thread --fsync, rename--> DIR/KIND.NAME.state
 *   start: DIR/KIND.NAME.state --state_load--> snapshot, its age, its position
 *
 * One file for each registry, so that a change costs one, and damage loses one. Writing is a thread of its
 * own: a slow disk must not keep the feeder waiting. It reads the immutable services of snapshots that the
 * feeder keeps for it meanwhile. Nothing that goes wrong here costs more than the state: it is logged once,
 * and tried again. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_STATE_H
#define PHONEBOOK_FEED_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/snapshot.h"

struct event_base;
struct state;

/* What is known of a registry. */
struct state_record {
	const char *kind, *name;
	uint64_t fingerprint;      /* of its block in the configuration */
	struct snapshot *snapshot; /* what is believed */
	uint64_t true_ms;          /* up to when it was true, on clock_ms(); FRESHNESS_NOW: it is */
	const char *position;      /* for people: "index 7", "revision 12"; "" unknown */
};

/* Uses the directory, and creates it when only the last part of its path is missing. Starts the thread. When
 * it cannot be used that is logged, and the state is one that keeps nothing. "" keeps nothing. -ENOMEM. */
int state_create(struct event_base *loop, const char *dir, struct state **ret);

/* Whether it is the state of that directory. */
bool state_is_in(const struct state *s, const char *dir);

/* Writes what is not written yet, for at most limit_ms, and ends the thread. NULL is fine. */
void state_destroy(struct state *s, uint64_t limit_ms);

/* What the registry said before the restart: 0, -ENOENT without a word when there is nothing, else a negative
 * errno, after a line in the log: -EBADMSG damaged, -EPROTO of another version, -ESTALE older than max_ms
 * (0: never). The caller is a user of the snapshot; the position is copied to position. */
int state_load(struct state *s, const char *kind, const char *name, uint64_t max_ms,
	       struct snapshot **snapshot, uint64_t *true_ms, char position[64]);

/* To be on disk soon: within a second, or in ten times what writing took last if that is more. Of several
 * calls for one registry before that the last one counts. The same snapshot again only renews the age, which
 * is written every 10 s at most. Copies and keeps what it needs. */
void state_keep(struct state *s, const struct state_record *r);

/* The registry is not configured any more. Its file stays, and is removed at a stop after 30 days: until then
 * the configuration may come back. */
void state_forget(struct state *s, const char *kind, const char *name);

#endif
