/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/poller.h -- one registry at work: when it is asked, what it said last, what of it is believed.
 *
 *   crew of errands --> ledger --settle--> snapshot --> brake --> believed --> changed()
 *                         |
 *                         +-- failed: what was believed stays, the pause grows
 *
 * Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_POLLER_H
#define PHONEBOOK_FEED_POLLER_H

#include <stdbool.h>
#include <stddef.h>

#include "feed/fetch.h"
#include "model/freshness.h"
#include "registry/registry.h"
#include "zone/brake.h"

struct event_base;
struct poller;

/* What a poller needs of the feeder; all borrowed until it is destroyed. */
struct poller_options {
	const struct registry_options *registry;
	size_t row; /* of the freshness board; also the registry's index */
	struct event_base *loop;
	struct fetcher *fetcher;
	struct querier *querier;
	struct freshness *freshness;
	struct random *random;
	brake_limit_fn brake;
	/* What is believed is other than before, or a first round has ended. Called after poller_start()
	 * only. */
	void (*changed)(void *context, const struct snapshot *before, const struct snapshot *after);
	/* The service is older, or younger again, than the registry as a whole: poller_true_ms(). */
	void (*aged)(void *context, const char *service);
	/* It has spoken as a whole, again or still: poller_heard_ms(), poller_position(). */
	void (*heard)(void *context);
	/* A lot has been read: the memory that took may be given back. */
	void (*read_much)(void *context);
	void *context;              /* of all five */
	struct snapshot *inherited; /* what is believed until the first round; may be NULL */
	uint64_t inherited_ms;      /* it was true until then */
	uint64_t inherited_max_ms; /* how long it stands in for what has not been heard; 0: as long as need be
				    */
	/* The poller of the same name, kind and fingerprint before the reload, or NULL; borrowed for
	 * poller_create() only. */
	const struct poller *previous;
	const char *position; /* of what is inherited; borrowed for poller_create() only */
	bool at_once;         /* the first round need not wait although there is data */
};

int poller_create(const struct poller_options *o, struct poller **ret);

/* Starts the first rounds, now or when they are due. */
void poller_start(struct poller *p);

/* Ends what is in flight. NULL is fine. */
void poller_destroy(struct poller *p);

/* What is believed now; NULL before the first good round. Borrowed. */
struct snapshot *poller_snapshot(const struct poller *p);

/* Until when what is known of the service was true at most; 0: as long as the freshness board says. */
uint64_t poller_true_ms(const struct poller *p, const char *service);

/* Up to when what it knows as a whole was true, a moment or FRESHNESS_NOW; 0: it has not spoken since it was
 * created, or not as a whole. */
uint64_t poller_heard_ms(const struct poller *p);

/* Where the registry was when it said what is believed, for people: "index 7"; "": it does not say. Borrowed
 * until it speaks again. */
const char *poller_position(const struct poller *p);

/* Asks soon for everything, and believes at once what comes and what was held back. */
void poller_refresh(struct poller *p);

/* True after the first round of all that was known from the beginning, good or bad. */
bool poller_is_concluded(const struct poller *p);

#endif
