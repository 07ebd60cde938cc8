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

#include "model/instance.h"

struct service {
	const char *name; /* folded text, host name characters, without the zone */
	uint64_t digest;  /* of the name and all instances but their metadata: equal content, equal digest */
	size_t octets;    /* of memory for the instances, as if no other service shared them */
	size_t users;
	size_t n_instances;
	const struct instance *instances[]; /* sorted, no two alike; a user of each */
};

/* Octets of memory that a service needs for that instance. */
size_t service_room(const struct instance *in);

/* A service of these instances, sorted by instance_compare() and no two alike; the caller is the first user.
 * NULL when there is no memory. */
struct service *service_create(const char *name, const struct instance *const instances[], size_t n);

/* Equal in name and in everything said of every instance but its metadata: a registry that notes there when
 * it heard from an instance last must not rebuild all tables at every round. */
bool service_equal(const struct service *a, const struct service *b);

/* One more user; returns s. */
const struct service *service_keep(const struct service *s);

/* One user less; the last one frees it. NULL is fine. */
void service_release(const struct service *s);

#endif
