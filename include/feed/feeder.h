/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/feeder.h -- the feeding plane: asks the registries, keeps what they said last, builds tables, hands
 * them over.
 *
 *   registries --rounds--> snapshots --policy, compose--> table --inboxes--> serving threads
 *
 * One thread. It owns all state that changes. Main starts it, gives it new options and stops it.
 */
#ifndef PHONEBOOK_FEED_FEEDER_H
#define PHONEBOOK_FEED_FEEDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/arena.h"
#include "feed/probe.h"
#include "model/inbox.h"
#include "registry/registry.h"
#include "zone/options.h"

/* Everything the feeding plane is told; lives in its own arena and moves as one parcel. */
struct feed_options {
	struct arena arena;
	struct zone_options *zones;
	size_t n_zones;
	struct registry_options *registries;
	size_t n_registries;        /* at most FRESHNESS_REGISTRIES_MAX */
	struct endpoint *bootstrap; /* to resolve host names with */
	size_t n_bootstrap;
	struct endpoint *listen; /* our own addresses: for ns.ZONE, and never to be asked */
	size_t n_listen;
	const char *state_dir;    /* where what registries said last is kept; "": nowhere */
	const char *zone_of_host; /* as registries name it; NULL: unknown */
	struct probe_options probe;
};

/* Frees the arena and the struct itself, which must come from malloc(). NULL is fine. */
void feed_options_destroy(struct feed_options *o);

struct feeder;

/* Takes the options, also when it fails, and puts a first table without data into every inbox. */
int feeder_create(struct feed_options *o, struct inbox *const inboxes[], size_t n_inboxes,
		  struct feeder **ret);

/* Starts the thread. ready() is called on it once, when every zone can answer: after the first round of a
 * registry of each, or when all of them have failed, or after 5 s, with a warning. */
int feeder_start(struct feeder *f, void (*ready)(void *context), void *context);

/* Other options from now on, taken over; what registries of the same name said last is kept until they speak
 * again. Called by main while the thread runs. */
void feeder_reload(struct feeder *f, struct feed_options *o);

/* Asks all registries soon, and believes at once what they say and what was held back. Called by main while
 * the thread runs. */
void feeder_refresh(struct feeder *f);

/* What wakes the feeder's thread: to see whether it still turns (inbox_drained()). Borrowed. */
struct inbox *feeder_inbox(struct feeder *f);

/* Stops the thread, waits for it, frees everything, the last table too: stop the serving threads first. NULL
 * is fine. */
void feeder_destroy(struct feeder *f);

#endif
