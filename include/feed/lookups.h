/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/lookups.h -- lookups of host names: those that wait, those under way, those to be told of.
 *
 *   waiting --some at a time--> asking --both families, or the deadline--> finished --from the loop--> told
 *
 * Part of the resolver; the lookups themselves are its struct resolver_lookup. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_LOOKUPS_H
#define PHONEBOOK_FEED_LOOKUPS_H

#include <stdbool.h>

#include "feed/answers.h"
#include "feed/resolve.h"

struct channel;
struct event_base;
struct lookups;

/* Who waits for a lookup: one who asks once, or one who refreshes what he knows; the other one is NULL. */
struct lookup_listener {
	void (*done)(void *context, const struct address *addresses, size_t n, const char *error);
	void (*told)(void *context, const struct answers *answers);
	void *context;
};

/* -ENOMEM. There is no channel yet. */
int lookups_create(struct event_base *loop, struct lookups **ret);

/* Ends all lookups without telling anybody, and destroys the channel. NULL is fine. */
void lookups_destroy(struct lookups *all);

/* Asks by this channel from now on, and owns it. What the one before still owes comes back as failed. */
void lookups_use(struct lookups *all, struct channel *channel);

/* False when every lookup would fail for want of a server. */
bool lookups_can_ask(const struct lookups *all);

/* Leaves the fine print to c-ares, but has neither escapes nor octets that would spoil a log line. */
bool is_host_name(const char *host);

/* As resolver_lookup() and resolver_refresh(). */
int lookups_start(struct lookups *all, const char *host, const struct lookup_listener *listener,
		  struct resolver_lookup **ret);

#endif
