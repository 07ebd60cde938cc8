/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/policy.h -- which instances of a service are answered, and why the others are not.
 *
 *   snapshots of the zone's registries --merge--> members --health, flapping, reachability, nearness-->
 * selection
 *
 * Each rule takes members out of those that are left, and each knows when to stop: nobody is helped by an
 * empty answer. Feeder thread. Pure: what comes out depends on what goes in, nothing is remembered.
 */
#ifndef PHONEBOOK_ZONE_POLICY_H
#define PHONEBOOK_ZONE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/snapshot.h"
#include "model/zone_counts.h"
#include "zone/options.h"

enum { POLICY_ADDRESSES_MAX = 16 }; /* of one instance known by host name */

/* What this host knows of instances beyond what registries say. A function that is NULL knows nothing. */
struct policy_facts {
	/* The addresses known for a host name: their number, at most POLICY_ADDRESSES_MAX. */
	size_t (*addresses)(void *context, const char *host, struct address ret[POLICY_ADDRESSES_MAX]);

	/* Whether the instance, as that registry knows it, has changed too often of late. */
	bool (*is_flapping)(void *context, const char *service, unsigned registry, const struct instance *i);

	/* For how long, in milliseconds, nobody has answered there; 0: somebody has, or it was not tried. */
	uint64_t (*unreachable_ms)(void *context, const struct address *address, uint16_t port);

	/* Whether the address is in a subnet of this host. */
	bool (*is_local)(void *context, const struct address *address);

	const char *zone_of_host; /* NULL: unknown, so that nobody is in it */
	void *context;
};

/* A word for people: "health", "unreachable", ... */
const char *left_out_to_text(enum left_out reason);

/* An instance, with the addresses it has now. */
struct member {
	const struct instance *instance;
	const struct address *addresses; /* NULL, and 0 of them: LEFT_OUT_ADDRESS */
	size_t n_addresses;
	unsigned registry; /* its index */
	enum left_out left_out;
	uint64_t unreachable_ms;
};

struct selection {
	bool known;          /* some registry of the zone knows the service */
	bool failed_open;    /* none was healthy enough: the best there are are answered */
	uint64_t registries; /* whose data this is, one bit each */
	uint64_t true_ms;    /* it was true until then at most; 0: as its registries say */
	struct member *members;
	size_t n;           /* the first so many are answered */
	size_t n_all;       /* the others are not */
	struct arena arena; /* what members point to; the instances belong to their snapshots */
};

/* Selects the instances of one service that are answered. snapshots is indexed like the registries; NULL for
 * those that have not spoken. -ENOMEM on failure. The caller finishes the selection in any case. */
int policy_select(const struct zone_options *z, struct snapshot *const snapshots[], const char *service,
		  const struct policy_facts *facts, struct selection *ret);

void selection_finish(struct selection *s);

#endif
