/* SPDX-License-Identifier: BSD-2-Clause */
/* server/guests.h -- who may ask: this host, and the networks the administrator lets in.
 *
 * This host is whoever sends from a loopback address, or from the very address that was asked: from there its
 * own programs talk to a listener that is not on loopback. Nobody else gains by those sources: Linux drops
 * packets from outside that come from a loopback address or, in IPv4, from an address of its own (martians);
 * the answer to a forged IPv6 one goes to ourselves. Other addresses of the host, and those of containers on
 * it, are let in where they are named.
 */
#ifndef PHONEBOOK_SERVER_GUESTS_H
#define PHONEBOOK_SERVER_GUESTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/network.h"

enum {
	/* Each source outside loopback is compared with all of them, which costs less than receiving it. Who
	 * has more networks than this can sum them up. */
	GUEST_NETWORKS_MAX = 64,
};

/* Plain data: copy it freely. All zero lets in this host alone. */
struct guests {
	struct network networks[GUEST_NETWORKS_MAX];
	size_t n;
};

/* The same as guests_refuse(), for sources that are not plainly on loopback. */
bool guests_refuse_far(const struct guests *g, const struct endpoint *from, const struct endpoint *asked);

/* Whether a query that came from there to the address asked is a stranger's. An IPv4 address mapped into IPv6
 * counts as what it is; a link-local one counts on every interface. */
static inline bool guests_refuse(const struct guests *g, const struct endpoint *from,
				 const struct endpoint *asked)
{
	if (from->at.generic.sa_family == AF_INET
		    ? (from->at.ip4.sin_addr.s_addr & htonl(0xff000000)) == htonl(0x7f000000)
		    : IN6_IS_ADDR_LOOPBACK(&from->at.ip6.sin6_addr))
		return false;
	return guests_refuse_far(g, from, asked);
}

#endif
