/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/facts.h"

#include <assert.h>

#include "base/clock.h"

static size_t addresses(void *context, const char *host, struct address ret[POLICY_ADDRESSES_MAX])
{
	static_assert((int)POLICY_ADDRESSES_MAX == (int)RESOLVER_ADDRESSES_MAX, "one array serves both");

	return resolver_watch(((struct facts *)context)->resolver, host, ret);
}

static uint64_t unreachable_ms(void *context, const struct address *address, uint16_t port)
{
	return prober_unreachable_ms(((struct facts *)context)->prober, address, port, clock_ms());
}

static bool is_flapping(void *context, const char *service, unsigned registry, const struct instance *i)
{
	return dampers_is_flapping(((struct facts *)context)->dampers, service, registry, i);
}

static bool is_local(void *context, const struct address *address)
{
	const struct home *home = ((struct facts *)context)->home;

	/* Nothing is nearer than this host itself, though loopback is no subnet of others. */
	return address_is_loopback(address) || (home != NULL && home_has(home, address));
}

struct policy_facts facts_for_policy(struct facts *f)
{
	return (struct policy_facts){
		.addresses = f->resolver != NULL ? addresses : NULL,
		.is_flapping = f->dampers != NULL ? is_flapping : NULL,
		.is_local = is_local,
		.unreachable_ms = f->prober != NULL ? unreachable_ms : NULL,
		.zone_of_host = f->zone_of_host,
		.context = f,
	};
}
