/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/policy.h -- which instances of a service are answered.
 *
 *   snapshots of the zone's registries --merge--> members with addresses --health--> selection
 *
 * Feeder thread. Pure: what comes out depends on what goes in, nothing is remembered.
 */
#ifndef PHONEBOOK_ZONE_POLICY_H
#define PHONEBOOK_ZONE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/snapshot.h"
#include "zone/options.h"

enum { POLICY_ADDRESSES_MAX = 16 }; /* of one instance known by host name */

/* The addresses known for a host name: their number, at most POLICY_ADDRESSES_MAX. */
typedef size_t (*addresses_fn)(void *context, const char *host, struct address ret[POLICY_ADDRESSES_MAX]);

/* An instance that has an address. */
struct member {
	const struct instance *instance;
	const struct address *addresses;
	size_t n_addresses;
};

struct selection {
	bool known;          /* some registry of the zone knows the service */
	bool failed_open;    /* none was healthy enough: the best there are are answered */
	uint64_t registries; /* whose data this is, one bit each */
	struct member *members;
	size_t n;
	struct arena arena; /* what members point to; the instances belong to their snapshots */
};

/* Selects the usable instances of one service. snapshots is indexed like the registries; NULL for those that
 * have not spoken. -ENOMEM on failure. The caller finishes the selection in any case. */
int policy_select(const struct zone_options *z, struct snapshot *const snapshots[], const char *service,
		  addresses_fn addresses, void *context, struct selection *ret);

void selection_finish(struct selection *s);

#endif
