/* SPDX-License-Identifier: BSD-2-Clause */
/* model/groups.h -- the instances of a round under way, gathered by service.
 *
 *   groups_take() -> groups_add(), groups_keep() ... --groups_make_services--> services, sorted
 *
 * An instance is made when it is reported, and the service that comes out of the round has that very one:
 * nothing is there twice in between. A service that comes from an earlier snapshot as a whole is passed on by
 * its pointer, and taken apart only when something else adds to it; its instances are shared even then. Part
 * of the snapshot builder; feeder thread only.
 */
#ifndef PHONEBOOK_MODEL_GROUPS_H
#define PHONEBOOK_MODEL_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/service.h"
#include "model/snapshot.h"

/* What came for one service. Lives until groups_empty(). */
struct group;

struct groups {
	struct arena arena;   /* all groups and their names */
	struct group *newest; /* of all */
	struct group **cells; /* open addressing, at most half full */
	size_t n_cells;
	size_t n, n_instances;
	size_t n_octets; /* as service_room() has them */
	uint64_t seed;   /* or a registry could choose names that share a cell */
	struct snapshot_limits limits;
	const char *full; /* after -EDQUOT: the key that says so, or NULL: SERVICE_INSTANCES_MAX */
};

/* With the largest limits; others may be set while it is empty. */
void groups_init(struct groups *gs);

/* Frees all groups; the empty ones can be used again. */
void groups_empty(struct groups *gs);

/* Finds the group of that folded name or begins it; -EDQUOT when there are as many as may be. */
int groups_take(struct groups *gs, const char *name, struct group **ret);

/* Adds an instance of these parts; -EDQUOT when the group or all groups together are full. */
int groups_add(struct groups *gs, struct group *g, const struct instance_parts *parts);

/* Adds all instances of a service; -EDQUOT, and none added, when they are too many. */
int groups_keep(struct groups *gs, struct group *g, const struct service *s);

/* One service for each group, sorted by name, of which the caller is a user; ret has room for gs->n. Those
 * equal to one of before (sorted too) are that one. Reports alike become one instance: the healthiest stands,
 * among equals the one of higher weight, of lower priority, the first; with the tags of all and the smallest
 * of their caps on TTLs. Nothing but groups_empty() may follow. */
int groups_make_services(struct groups *gs, const struct service *const before[], size_t n_before,
			 const struct service *ret[]);

#endif
