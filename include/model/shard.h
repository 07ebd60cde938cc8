/* SPDX-License-Identifier: BSD-2-Clause */
/* model/shard.h -- a small index of owners: what a table is an array of.
 *
 * Owners stand sorted by bucket, then hash, then rank, so that equal keys stand together, best first. The
 * hash is keyed by a random seed, so only registry content that repeats a name makes a bucket long, never a
 * query. Made and freed on the feeder thread, read on the serving threads.
 */
#ifndef PHONEBOOK_MODEL_SHARD_H
#define PHONEBOOK_MODEL_SHARD_H

#include <stddef.h>
#include <stdint.h>

#include "model/table.h"

struct shard {
	uint32_t n;
	uint32_t n_buckets; /* a power of two, at least n */
	const struct owner **owners;
	uint32_t starts[]; /* n_buckets + 1 */
};

/* An owner with its hash at hand: a million of them are sorted without looking at one of them, which would
 * cost a cache miss each. */
struct hashed {
	uint64_t hash;
	const struct owner *owner;
};

/* The hash of a key under a table's seed. */
uint64_t shard_hash(const uint8_t *key, size_t len, uint64_t seed);

/* Which of n_shards (a power of two) a hash belongs to. */
static inline uint32_t shard_index(uint64_t hash, uint32_t n_shards)
{
	/* The upper half of a hash picks the shard, the lower half the bucket: neither says anything about
	 * the other. */
	return (uint32_t)(hash >> 32) & (n_shards - 1);
}

static inline const uint8_t *owner_key(const struct owner *o)
{
	return (const uint8_t *)(o->rrsets + o->n_rrsets);
}

/* The owners with that key, at most max of them, best rank first. */
struct owners shard_find(const struct shard *s, uint64_t hash, const uint8_t *key, size_t len, size_t max);

/* The smallest power of two that is not below n. */
uint32_t shard_power_of_two(uint64_t n);

/* Copies the owners whose block is not dropped; returns how many they are. */
size_t shard_copy_living(const struct shard *s, struct hashed *to);

/* A new shard with the living ones of old (may be NULL) and with adds; NULL when there is no memory. free()
 * frees it. */
struct shard *shard_rebuild(const struct shard *old, const struct hashed *adds, size_t n_adds);

#endif
