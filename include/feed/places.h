/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/places.h -- which addresses a host had when it was last asked, and so how old a connection to it may
 * be.
 *
 * libcurl matches open connections by name and goes on using one to an address the name no longer has. Pure:
 * the time is a parameter. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_PLACES_H
#define PHONEBOOK_FEED_PLACES_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "feed/resolve.h"

enum {
	PLACES_MAX = 64, /* hosts remembered; more cost a new connection */
};

#define PLACES_ANY_AGE UINT64_MAX

struct place {
	char name[300]; /* host:port, or the host */
	struct address addresses[RESOLVER_ADDRESSES_MAX];
	size_t n;
	uint64_t changed_ms; /* 0: never */
	uint64_t used_ms;
};

/* Starts as { 0 }. */
struct places {
	struct place places[PLACES_MAX];
};

/* Notes that the host has these addresses now, at most RESOLVER_ADDRESSES_MAX. Returns how old a connection
 * to it may be, in seconds, to be none to an address of before; 0: only a new one will do. */
uint64_t places_connection_age_s(struct places *p, const char *host, const char *port,
				 const struct address *addresses, size_t n, uint64_t now_ms);

/* Notes the addresses a host has, at most RESOLVER_ADDRESSES_MAX; without any it is only a name. */
void places_note(struct places *p, const char *host, const struct address *addresses, size_t n,
		 uint64_t now_ms);

/* The addresses noted last. The number written to ret; 0: there are none. */
size_t places_recall(const struct places *p, const char *host, struct address ret[RESOLVER_ADDRESSES_MAX]);

#endif
