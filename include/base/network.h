/* SPDX-License-Identifier: BSD-2-Clause */
/* base/network.h -- networks: an address and how many of its leading bits count. */
#ifndef PHONEBOOK_BASE_NETWORK_H
#define PHONEBOOK_BASE_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

/* The bits behind the prefix are 0. */
struct network {
	struct address address;
	uint8_t prefix;
};

/* Reads "10.0.0.0/8", "fd00::/8", or one address. Bits behind the prefix are refused, for whoever writes them
 * means another prefix or another address; so are zone ids, and IPv4 written as IPv6 with a prefix. */
bool network_from_text(const char *text, struct network *ret);

/* Of IPv4 addresses and networks none is within one of IPv6. */
bool network_has(const struct network *n, const struct address *a);

#endif
