/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/hosts.h -- host names whose addresses are kept up to date.
 *
 *   hosts_watch() -> resolver_refresh() -> answers --changed--> feeder, and again after the TTL
 *
 * Part of the resolver, who asks for them and owns them. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_HOSTS_H
#define PHONEBOOK_FEED_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/random.h"
#include "feed/answers.h"

struct event_base;
struct watched;

struct hosts {
	struct event_base *loop;
	struct resolver *resolver;
	void (*changed)(void *context); /* may be NULL */
	void *context;
	struct random random;
	LIST_HEAD(, watched) all;
	void *by_name; /* of tsearch(3) */
	size_t n;
};

void hosts_init(struct hosts *hosts, struct event_base *loop, struct resolver *r,
		void (*changed)(void *context), void *context);

/* Forgets all hosts and cancels their lookups. */
void hosts_finish(struct hosts *hosts);

/* What is known of the host, which is wanted from now on; NULL if it is not watched, and not to be added
 * (may_add) or one too many. */
const struct addresses *hosts_watch(struct hosts *hosts, const char *host, bool may_add);

/* Looks up all hosts now, whenever they are due. */
void hosts_refresh(struct hosts *hosts);

/* As resolver_sweep_begin() and resolver_sweep_end(). */
void hosts_sweep_begin(struct hosts *hosts);
void hosts_sweep_end(struct hosts *hosts);

#endif
