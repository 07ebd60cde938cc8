/* SPDX-License-Identifier: BSD-2-Clause */
/* model/service.h -- a service as one registry sees it: a name and its instances, never changed once made.
 *
 *   reports --snapshot_builder--> services --shared by successive snapshots--> freed with the last of them
 *
 * Feeder thread only; the count of users is a plain number for that reason.
 */
#ifndef PHONEBOOK_MODEL_SERVICE_H
#define PHONEBOOK_MODEL_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

enum health { HEALTH_PASSING, HEALTH_WARNING, HEALTH_CRITICAL };
enum protocol { PROTOCOL_ANY, PROTOCOL_TCP, PROTOCOL_UDP };

/* No TTL of ours is higher than that; no cap above it says anything. */
enum { TTL_CAP_MAX_S = 30, TTL_CAP_NONE = UINT8_MAX };

struct metadata {
	const char *key, *value;
};

/* Packed by size: a host with 50,000 instances keeps them twice while it reads a new list. */
struct instance {
	struct address address; /* len 0: known by host only */
	uint8_t health;         /* enum health */
	uint8_t protocol;       /* enum protocol */
	uint8_t ttl_s;          /* no answer with it has a higher TTL; TTL_CAP_NONE: no cap */
	uint16_t port;          /* 0: none */
	uint16_t weight, priority;
	uint16_t n_tags, n_metadata;
	const char *host;                /* host name, folded, or NULL */
	const char *name;                /* its own name, a folded label, or NULL */
	const char *port_name;           /* a folded label, or NULL */
	const char *zone;                /* or NULL */
	const char *const *tags;         /* as the registry wrote them, sorted */
	const struct metadata *metadata; /* shown to people, never answered: no part of being equal */
};

struct service {
	const char *name; /* folded text, host name characters, without the zone */
	uint64_t digest;  /* of the name and all instances but their metadata: equal content, equal digest */
	size_t octets;    /* of memory, for the instances and what they point to */
	size_t n_instances;
	struct instance *instances; /* sorted, no two alike; part of the service's own memory */
	size_t users;
};

/* By address or host, port, protocol, port name and own name: the identity of an instance within its service.
 * 0 means that both are one and the same, whatever else is said of them. */
int instance_compare(const struct instance *a, const struct instance *b);

/* By address or host, and port: where it is, which is what makes it the same in two registries, whatever they
 * call it. Instances sorted by instance_compare() are sorted by this too. */
int instance_compare_place(const struct instance *a, const struct instance *b);

/* Octets that a copy of the instance needs for all it points to: a multiple of a pointer's size. */
size_t instance_room(const struct instance *in);

/* Copies the instance, all it points to into room, which is aligned for a pointer. */
void instance_copy(const struct instance *in, void *room, struct instance *ret);

/* A service of copies of these instances, sorted by instance_compare() and no two alike, in one piece of
 * memory; the caller is the first user. NULL when there is no memory. */
struct service *service_create(const char *name, const struct instance *const instances[], size_t n);

/* Equal in name and in everything said of every instance but its metadata: a registry that notes there when
 * it heard from an instance last must not rebuild all tables at every round. */
bool service_equal(const struct service *a, const struct service *b);

/* One more user; returns s. */
const struct service *service_keep(const struct service *s);

/* One user less; the last one frees it. NULL is fine. */
void service_release(const struct service *s);

#endif
