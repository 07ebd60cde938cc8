/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/plan.h -- everything that follows from one configuration: its registries at work and its tables.
 *
 *   pollers --what each registry says--> believed snapshots --publisher--> tables
 *
 * A reload makes a new plan beside the old one. The old one asks nobody any more, and goes when nobody reads
 * its tables. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_PLAN_H
#define PHONEBOOK_FEED_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "feed/feeder.h"
#include "feed/home.h"
#include "feed/resolve.h"
#include "model/inbox.h"

struct event_base;
struct plan;
struct state;

/* What all plans of a feeder share; borrowed. */
struct plan_context {
	struct event_base *loop;
	struct resolver *resolver;
	const struct home *home;
	struct prober *prober;
	struct random *random;
	struct state *state; /* what is on the disk, and where what is believed goes */
	struct inbox *const *inboxes;
	size_t n_inboxes;
	void (*read_much)(void *context); /* memory may be given back */
	void (*changed)(void *context);   /* there is something to publish; called after plan_start() only */
	void *context;
};

/* Takes the options, also when it fails. What registries of the same name and kind said last is taken over
 * from previous (may be NULL), or else from the disk, until they speak themselves. -ENAMETOOLONG for a zone
 * that leaves no room for names, -ENOMEM. */
int plan_create(const struct plan_context *c, struct feed_options *feed, const struct plan *previous,
		struct plan **ret);

/* Starts all registries. */
void plan_start(struct plan *p);

/* Stops all registries; the tables stay. */
void plan_retire(struct plan *p);

/* Frees the tables too: only when plan_is_read() is false, or no reader is left. NULL is fine. */
void plan_destroy(struct plan *p);

/* Asks all registries soon, and believes at once what they say and what was held back. */
void plan_refresh(struct plan *p);

/* Hands over a new table if anything has changed; false when there was no memory: call again later. */
bool plan_publish(struct plan *p);

/* Frees what newer tables have replaced and nobody reads; true when nothing more waits to be freed. */
bool plan_reclaim(struct plan *p);

/* True while a serving thread may still use a table of this plan. */
bool plan_is_read(const struct plan *p);

/* True when every zone has something to answer with, or has tried all its registries. */
bool plan_is_ready(const struct plan *p);

/* Warns, for each registry whose first round has not ended, that nobody waits for it any longer. */
void plan_log_missing(const struct plan *p);

/* As publisher_look() and publisher_place_changed(). */
void plan_look(struct plan *p);
void plan_place_changed(struct plan *p, const struct address *address, uint16_t port, bool is_silent,
			const char *reason);

/* Takes in again the services with instances known by host name. */
void plan_update_hosts(struct plan *p);

/* Takes in again the services of which near instances are preferred: this host is in other subnets. */
void plan_update_near(struct plan *p);

/* Takes in again the services with instances that are kept out no more; to be called when
 * plan_next_release_ms() says (UINT64_MAX: never). */
void plan_release(struct plan *p);
uint64_t plan_next_release_ms(const struct plan *p);

/* Forgets the host names nobody names any more. */
void plan_sweep_hosts(struct plan *p);

#endif
