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

struct metadata {
	const char *key, *value;
};

struct instance {
	struct address address;  /* len 0: known by host only */
	const char *host;        /* host name, folded, or NULL */
	const char *name;        /* its own name, a folded label, or NULL */
	const char *port_name;   /* a folded label, or NULL */
	const char *zone;        /* or NULL */
	const char *const *tags; /* as the registry wrote them, sorted */
	const struct metadata *metadata;
	uint16_t n_tags, n_metadata;
	uint16_t port; /* 0: none */
	uint16_t weight, priority;
	enum health health;
	enum protocol protocol;
};

struct service {
	const char *name; /* folded text, host name characters, without the zone */
	uint64_t digest;  /* of the name and all instances: equal content, equal digest */
	size_t n_instances;
	struct instance *instances; /* sorted, no two alike; part of the service's own memory */
	size_t users;
};

/* One more user; returns s. */
const struct service *service_keep(const struct service *s);

/* One user less; the last one frees it. NULL is fine. */
void service_release(const struct service *s);

#endif
