/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/table.h"

#include <string.h>

#include "model/shard.h"

enum {
	/* An address can be in very many services; nobody asks for more of them than a message holds. */
	ADDRESS_OWNERS_MAX = 4096,
};

static struct owners find(const struct table *t, const uint8_t *key, size_t len, size_t max)
{
	const uint64_t hash = shard_hash(key, len, t->seed);

	return shard_find(t->shards[shard_index(hash, t->n_shards)], hash, key, len, max);
}

struct owners table_find(const struct table *t, const uint8_t *name, size_t len)
{
	return find(t, name, len, 1);
}

struct owners table_find_address(const struct table *t, const struct address *address)
{
	uint8_t key[ADDRESS_KEY_MAX];

	return find(t, key, owner_key_from_address(address, key), ADDRESS_OWNERS_MAX);
}

const struct table_zone *table_find_zone(const struct table *t, const struct name *name,
					 const uint8_t *label_at, unsigned n_labels)
{
	for (uint32_t i = 0; i < t->n_zones; i++) {
		const struct table_zone *z = &t->zones[i];

		if (n_labels < z->n_labels)
			continue;
		const size_t at = label_at[n_labels - z->n_labels];
		if (name->len - at == z->origin.len &&
		    memcmp(name->octets + at, z->origin.octets, z->origin.len) == 0)
			return z;
	}
	return NULL;
}
