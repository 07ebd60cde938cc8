/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/resolve.h -- host names to addresses by the bootstrap servers, never through ourselves.
 *
 *   resolver_lookup   once, for a registry's own host (feed/fetch)
 *   resolver_watch    kept up to date, for instances whose address is a host name (feed/feeder)
 *
 * Feeder thread only; c-ares on the feeder's loop.
 */
#ifndef PHONEBOOK_FEED_RESOLVE_H
#define PHONEBOOK_FEED_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct answers;
struct event_base;
struct resolver;
struct resolver_lookup;

enum {
	RESOLVER_ADDRESSES_MAX = 16, /* of one host name; the rest is left out */
	RESOLVER_HOSTS_MAX = 10000,  /* watched at a time */
};

/* Asks the given servers. n = 0: no host name can be resolved, and every lookup fails with that text.
 * changed() is called whenever the addresses of a watched host are others than before; may be NULL. */
int resolver_create(struct event_base *loop, const struct endpoint *servers, size_t n,
		    void (*changed)(void *context), void *context, struct resolver **ret);

/* Asks other servers from now on, and if they are others at once for all watched hosts; what is known stays
 * known until they have answered. -ENOMEM: the servers of before are asked. */
int resolver_reload(struct resolver *r, const struct endpoint *servers, size_t n);

/* Ends all lookups without calling their done(). NULL is fine. */
void resolver_destroy(struct resolver *r);

/* Looks a host name up once: done() gets n addresses, or n = 0 and an error text. A host that was looked up
 * before keeps its addresses while no server answers, and is not waited for long; but not when they prove
 * that there is no such name. "localhost" is 127.0.0.1
 * and ::1 (RFC 6761 section 6.3) and literals are themselves. done() is called once, later, never from inside
 * this call. */
int resolver_lookup(struct resolver *r, const char *host,
		    void (*done)(void *context, const struct address *addresses, size_t n, const char *error),
		    void *context, struct resolver_lookup **ret);

/* Ends a lookup early; its done() will not be called. NULL is fine. */
void resolver_lookup_cancel(struct resolver_lookup *l);

/* The addresses of host as known now, sorted, and sees to it that they are kept up to date: looked up at once
 * the first time, then again after the TTL (5 s to 1 min). A failed lookup keeps the addresses known last; a
 * proven "no such name" empties them. The number written to ret, at most RESOLVER_ADDRESSES_MAX. */
size_t resolver_watch(struct resolver *r, const char *host, struct address ret[RESOLVER_ADDRESSES_MAX]);

/* Between these two, resolver_watch() marks what is still wanted; at the end all other hosts are forgotten.
 */
void resolver_sweep_begin(struct resolver *r);
void resolver_sweep_end(struct resolver *r);

/* As resolver_lookup() for a host that is watched (feed/hosts): after those that somebody waits for, and
 * told() gets the answers as they came. */
int resolver_refresh(struct resolver *r, const char *host,
		     void (*told)(void *context, const struct answers *answers), void *context,
		     struct resolver_lookup **ret);

#endif
