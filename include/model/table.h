/* SPDX-License-Identifier: BSD-2-Clause */
/* model/table.h -- the immutable map from owner name to RRsets, encoded and ready to be copied.
 *
 * A table is an array of shards, a shard a small index of owners in blocks. Made by model/table_builder.h on
 * the feeder thread, read on the serving threads. Lookups never allocate and never fail; pointers into a
 * table are good until its reader acknowledges a newer one (model/inbox.h).
 */
#ifndef PHONEBOOK_MODEL_TABLE_H
#define PHONEBOOK_MODEL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "model/block.h"
#include "wire/name.h"

struct freshness;
struct shard;

/* How much of a zone's data has been heard. */
enum zone_data {
	ZONE_SILENT,  /* no registry has spoken yet */
	ZONE_PARTIAL, /* some have; a name that is not there may still come */
	ZONE_HEARD,   /* each has spoken, or has failed its first round */
};

struct table_zone {
	struct name origin;
	uint8_t n_labels;
	enum zone_data data;
	uint32_t ttl_s, negative_ttl_s;
	uint64_t registries;
	struct age_limits age;
	const struct zone_board *board; /* NULL: nothing is counted */
};

struct table {
	uint64_t generation;
	uint64_t seed;
	uint32_t serial; /* of every SOA: grows with each table (RFC 1982) */
	uint32_t n_zones;
	const struct table_zone *zones; /* longest origin first */
	const struct freshness *freshness;
	uint64_t n_owners;
	uint32_t n_shards; /* a power of two */
	const struct shard *shards[];
};

/* The owners of one key, best rank first. */
struct owners {
	const struct owner *const *at;
	size_t n;
};

/* The best owner of a folded name, if there is any; all services' owners of an address. */
struct owners table_find(const struct table *t, const uint8_t *name, size_t len);
struct owners table_find_address(const struct table *t, const struct address *address);

/* The zone of a folded name, the longest that fits, or NULL. label_at as in struct query. */
const struct table_zone *table_find_zone(const struct table *t, const struct name *name,
					 const uint8_t *label_at, unsigned n_labels);

#endif
