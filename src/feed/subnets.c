/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/subnets.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/* How many bits the netmask sets in front. A mask is missing for a single address. */
static unsigned count_bits(const struct sockaddr *mask, size_t len)
{
	const uint8_t *octets = NULL;
	unsigned bits = 0;

	if (mask != NULL)
		octets =
			len == 4
				? (const uint8_t *)&((const struct sockaddr_in *)(const void *)mask)->sin_addr
				: (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)mask)
					  ->sin6_addr;
	while (bits < 8 * len && (octets == NULL || (octets[bits / 8] & (0x80 >> bits % 8)) != 0))
		bits++;
	return bits;
}

/* RFC 1122 section 3.2.1.3, RFC 3927 section 2.1, RFC 4291 sections 2.5.3 and 2.5.6. */
static bool is_own_affair(const struct address *a)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	if (a->len == 4)
		return a->octets[0] == 127 || (a->octets[0] == 169 && a->octets[1] == 254);
	return memcmp(a->octets, loopback, sizeof(loopback)) == 0 ||
	       (a->octets[0] == 0xfe && (a->octets[1] & 0xc0) == 0x80);
}

static bool read_one(const struct ifaddrs *i, struct subnet *ret)
{
	const struct sockaddr *at = i->ifa_addr;
	struct endpoint e = { 0 };

	if (at == NULL || (i->ifa_flags & IFF_UP) == 0)
		return false;
	if (at->sa_family != AF_INET && at->sa_family != AF_INET6)
		return false;
	e.len = at->sa_family == AF_INET ? sizeof(e.at.ip4) : sizeof(e.at.ip6);
	memcpy(&e.at, at, e.len);
	endpoint_to_address(&e, &ret->base);
	ret->bits = count_bits(i->ifa_netmask, ret->base.len);
	if (is_own_affair(&ret->base) || ret->bits == 0)
		return false;
	for (unsigned bit = ret->bits; bit < 8U * ret->base.len; bit++)
		ret->base.octets[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return true;
}

/* Wider ones first. */
static int compare(const void *a, const void *b)
{
	const struct subnet *x = a, *y = b;
	const unsigned hosts_x = 8U * x->base.len - x->bits, hosts_y = 8U * y->base.len - y->bits;

	if (hosts_x != hosts_y)
		return hosts_x > hosts_y ? -1 : 1;
	return memcmp(&x->base, &y->base, sizeof(x->base));
}

/* In its place, if it is new and there is room, at the cost of a narrower one. */
static void insert(struct subnets *s, const struct subnet *new)
{
	size_t at = 0;

	while (at < s->n && compare(&s->at[at], new) < 0)
		at++;
	if (at < s->n && compare(&s->at[at], new) == 0)
		return;
	if (s->n == SUBNETS_MAX)
		s->n_refused++;
	else
		s->n++;
	if (at == SUBNETS_MAX)
		return;
	memmove(&s->at[at + 1], &s->at[at], (s->n - 1 - at) * sizeof(s->at[0]));
	s->at[at] = *new;
}

void subnets_read(const struct ifaddrs *all, struct subnets *ret)
{
	struct subnet one;

	*ret = (struct subnets){ 0 };
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		memset(&one, 0, sizeof(one));
		if (read_one(i, &one))
			insert(ret, &one);
	}
}

static bool is_in(const struct subnet *s, const struct address *a)
{
	const unsigned whole = s->bits / 8, rest = s->bits % 8;

	return a->len == s->base.len && memcmp(a->octets, s->base.octets, whole) == 0 &&
	       (rest == 0 || (a->octets[whole] ^ s->base.octets[whole]) >> (8 - rest) == 0);
}

bool subnets_has(const struct subnets *s, const struct address *address)
{
	for (size_t i = 0; i < s->n; i++) {
		if (is_in(&s->at[i], address))
			return true;
	}
	return false;
}

bool subnets_equal(const struct subnets *a, const struct subnets *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		if (compare(&a->at[i], &b->at[i]) != 0)
			return false;
	}
	return a->n == b->n;
}
