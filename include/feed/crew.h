/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/crew.h -- the resources of one registry at work: who is asked for when, and how they are doing.
 *
 *   crew_start(resource) --> errand --> rounds --> news
 *
 * Each resource has an errand (feed/errand.h) of its own. They share the registry and a limit on requests at
 * a time; none waits for another beyond that. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_CREW_H
#define PHONEBOOK_FEED_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/random.h"
#include "feed/fetch.h"
#include "feed/query.h"
#include "feed/schedule.h"
#include "registry/registry.h"

struct errand;
struct event_base;

/* What became of a round. */
enum errand_news {
	ERRAND_GOOD,    /* a round is complete */
	ERRAND_CHANGED, /* a stream has said something; or from now on the registry tells of every change */
	ERRAND_FAILED,
	ERRAND_GONE, /* it was stopped */
};

struct crew_options {
	const struct registry_kind *kind;
	struct registry *registry;
	struct ledger *ledger;
	const struct registry_options *options;
	struct event_base *loop;
	struct fetcher *fetcher;
	struct querier *querier;
	struct random *random;
	bool has_data; /* the first round of each resource known from the beginning waits for its turn */

	/* error: why it failed, NULL otherwise. It may not stop or destroy anything. */
	void (*news)(void *context, const struct resource *res, enum errand_news news, const char *error);
	void *context;
};

TAILQ_HEAD(errands, errand);

/* The errands of one registry. How they are doing is for the owner to read. */
struct crew {
	struct crew_options o;
	struct errands all, queue; /* queue: those that wait for one of the requests at a time */
	struct bucket starts;
	size_t n_running; /* requests under way, but for those held by the server */
	size_t n, n_vital;
	size_t n_concluded; /* those that have ended a round, good or bad */
	size_t n_spoken;    /* a good one */
	size_t n_failing, n_live;
	uint64_t heard_ms;      /* the youngest good answer */
	size_t n_octets;        /* read since the owner has set it to 0 */
	struct errand *reading; /* the one whose result is being read */
};

/* The options are copied, what they point to is borrowed. Embedded in its owner. */
void crew_init(struct crew *c, const struct crew_options *o);

/* Stops all errands, without news. */
void crew_finish(struct crew *c);

/* Starts an errand for the resource, which is borrowed until it is stopped; its first request goes out at
 * once unless first is set and there is data. -ENOMEM. */
int crew_start(struct crew *c, struct resource *res, bool first);

/* Ends it with whatever is under way. Not for the one that is being read. */
void crew_stop(struct crew *c, struct resource *res);

/* As registry_host.hasten. */
void crew_hasten(struct crew *c, struct resource *res);

/* The same for all of them, and for those that fail too. */
void crew_hasten_all(struct crew *c);

/* Whether there is something to believe: where some resources matter by themselves, one of them has been
 * heard. What the others say would pass for all there is. */
bool crew_has_spoken(const struct crew *c);

/* Whether all that matters has spoken. */
bool crew_is_complete(const struct crew *c);

/* Up to when what the crew knows was true: a moment, or FRESHNESS_NOW while the registry would tell of every
 * change. 0: nothing that matters has spoken. */
uint64_t crew_true_until(const struct crew *c);

/* Where the registry was when it was heard last, "" if it does not say. Borrowed until it is heard again. */
const char *crew_position(const struct crew *c);

#endif
