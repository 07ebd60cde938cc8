/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/answers.h"

#include <string.h>
#include <strings.h>

/* IPv4 first, then by octets. */
static int compare_addresses(const struct address *a, const struct address *b)
{
	return a->len != b->len ? (int)a->len - (int)b->len : memcmp(a->octets, b->octets, a->len);
}

void addresses_add(struct addresses *set, const struct address *a)
{
	size_t at = set->n;

	while (at > 0 && compare_addresses(a, &set->at[at - 1]) < 0)
		at--;
	if (at == RESOLVER_ADDRESSES_MAX || (at > 0 && compare_addresses(a, &set->at[at - 1]) == 0))
		return;
	if (set->n < RESOLVER_ADDRESSES_MAX)
		set->n++;
	memmove(&set->at[at + 1], &set->at[at], (set->n - 1 - at) * sizeof(*a));
	set->at[at] = *a;
}

static void add_all(struct addresses *set, const struct addresses *other)
{
	for (size_t i = 0; i < other->n; i++)
		addresses_add(set, &other->at[i]);
}

bool addresses_equal(const struct addresses *a, const struct addresses *b)
{
	return a->n == b->n && memcmp(a->at, b->at, a->n * sizeof(a->at[0])) == 0;
}

bool addresses_of_known_host(const char *host, struct addresses *ret)
{
	static const struct address loopback4 = { .octets = { 127, 0, 0, 1 }, .len = 4 };
	static const struct address loopback6 = { .octets = { [15] = 1 }, .len = 16 };
	size_t len = strlen(host);
	struct address a;

	ret->n = 0;
	if (address_from_text(host, len, &a)) {
		addresses_add(ret, &a);
		return true;
	}
	if (len > 0 && host[len - 1] == '.')
		len--;
	if (len < 9 || strncasecmp(host + len - 9, "localhost", 9) != 0 || (len > 9 && host[len - 10] != '.'))
		return false;
	addresses_add(ret, &loopback4);
	addresses_add(ret, &loopback6);
	return true;
}

bool answers_any(const struct answers *a, enum outcome outcome)
{
	return a->of[0].outcome == outcome || a->of[1].outcome == outcome;
}

void answers_update(const struct answers *a, const struct addresses *old, struct addresses *ret)
{
	const bool gone = answers_any(a, OUTCOME_NO_NAME);

	ret->n = 0;
	for (int i = 0; i < FAMILIES; i++) {
		const enum outcome outcome = a->of[i].outcome;
		const uint8_t len = i == 0 ? 4 : 16;

		add_all(ret, &a->of[i].addresses);
		if (gone || (outcome != OUTCOME_FAILED && outcome != OUTCOME_NONE))
			continue;
		for (size_t j = 0; j < old->n; j++) {
			if (old->at[j].len == len)
				addresses_add(ret, &old->at[j]);
		}
	}
}

unsigned answers_ttl(const struct answers *a, unsigned max_s)
{
	unsigned ttl_s = max_s;

	for (int i = 0; i < FAMILIES; i++) {
		if (a->of[i].outcome == OUTCOME_FOUND && a->of[i].ttl_s < ttl_s)
			ttl_s = a->of[i].ttl_s;
	}
	return ttl_s;
}
