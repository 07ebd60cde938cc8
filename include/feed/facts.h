/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/facts.h -- what this host knows of instances beyond what registries say, as the policy asks for it.
 *
 * Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_FACTS_H
#define PHONEBOOK_FEED_FACTS_H

#include "feed/dampers.h"
#include "feed/home.h"
#include "feed/probe.h"
#include "feed/resolve.h"
#include "zone/policy.h"

/* Who knows; NULL: nobody does. */
struct facts {
	struct resolver *resolver;     /* addresses of host names */
	const struct prober *prober;   /* where nobody answers */
	const struct dampers *dampers; /* who changes all the time, in one zone */
	const struct home *home;       /* what is in a subnet of this host */
	const char *zone_of_host;      /* as registries name it */
};

/* Good for one policy_select(); f is borrowed. */
struct policy_facts facts_for_policy(struct facts *f);

#endif
