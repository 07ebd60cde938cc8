/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/guests.h"

#include <string.h>

/* As the configuration has it: a mapped IPv4 address is IPv4. */
static struct address address_of(const struct endpoint *e)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct address a;

	endpoint_to_address(e, &a);
	if (a.len == 16 && memcmp(a.octets, mapped, sizeof(mapped)) == 0) {
		memmove(a.octets, a.octets + sizeof(mapped), 4);
		memset(a.octets + 4, 0, 12);
		a.len = 4;
	}
	return a;
}

bool guests_refuse_far(const struct guests *g, const struct endpoint *from, const struct endpoint *asked)
{
	static const struct network loopback = { .address = { .octets = { 127 }, .len = 4 }, .prefix = 8 };
	const struct address a = address_of(from), b = address_of(asked);

	if (network_has(&loopback, &a) || memcmp(&a, &b, sizeof(a)) == 0)
		return false;
	for (size_t i = 0; i < g->n; i++) {
		if (network_has(&g->networks[i], &a))
			return false;
	}
	return true;
}
