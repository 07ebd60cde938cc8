/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/subnets.h -- a small set of subnets. Plain data, starts as { 0 }. */
#ifndef PHONEBOOK_FEED_SUBNETS_H
#define PHONEBOOK_FEED_SUBNETS_H

#include <ifaddrs.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

enum { SUBNETS_MAX = 256 }; /* each address of each near service is compared with all of them */

struct subnet {
	struct address base; /* what is behind the prefix is 0 */
	unsigned bits;
};

struct subnets {
	size_t n, n_refused; /* beyond SUBNETS_MAX */
	struct subnet at[SUBNETS_MAX];
};

/* The subnets of the addresses of a host, as getifaddrs(3) tells them: sorted, each once. Those of interfaces
 * that are down are none, nor are loopback and link-local addresses: nobody else's instance is near because
 * of them. When there are too many the wider ones are kept: the others are single addresses, of which a load
 * balancer has thousands. */
void subnets_read(const struct ifaddrs *all, struct subnets *ret);

bool subnets_has(const struct subnets *s, const struct address *address);

bool subnets_equal(const struct subnets *a, const struct subnets *b);

#endif
