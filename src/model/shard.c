/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/shard.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t shard_hash(const uint8_t *key, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(key, len, seed);
}

static uint32_t bucket_of(uint64_t hash, uint32_t n_buckets)
{
	return (uint32_t)hash & (n_buckets - 1);
}

static bool has_key(const struct owner *o, uint64_t hash, const uint8_t *key, size_t len)
{
	return o->hash == hash && o->key_len == len && memcmp(owner_key(o), key, len) == 0;
}

struct owners shard_find(const struct shard *s, uint64_t hash, const uint8_t *key, size_t len, size_t max)
{
	const uint32_t bucket = bucket_of(hash, s->n_buckets);
	const uint32_t end = s->starts[bucket + 1];
	uint32_t i = s->starts[bucket];

	while (i < end && !has_key(s->owners[i], hash, key, len))
		i++;
	struct owners found = { .at = s->owners + i };
	while (i < end && found.n < max && has_key(s->owners[i], hash, key, len)) {
		found.n++;
		i++;
	}
	return found;
}

static int compare_in_shard(const struct owner *a, const struct owner *b, uint32_t n_buckets)
{
	const uint32_t bucket_a = bucket_of(a->hash, n_buckets), bucket_b = bucket_of(b->hash, n_buckets);

	if (bucket_a != bucket_b)
		return bucket_a < bucket_b ? -1 : 1;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return (a->rank > b->rank) - (a->rank < b->rank);
}

static int compare_with_buckets(const void *a, const void *b, void *n_buckets)
{
	return compare_in_shard(*(const struct owner *const *)a, *(const struct owner *const *)b,
				*(const uint32_t *)n_buckets);
}

uint32_t shard_power_of_two(uint64_t n)
{
	uint32_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

static struct shard *allocate_shard(size_t n)
{
	const uint32_t n_buckets = shard_power_of_two(n);
	const size_t starts =
		(n_buckets + 1 + (n_buckets + 1) % 2) * sizeof(uint32_t); /* keeps pointers aligned */
	struct shard *s = malloc(sizeof(*s) + starts + n * sizeof(*s->owners));

	if (s == NULL)
		return NULL;
	s->n = (uint32_t)n;
	s->n_buckets = n_buckets;
	s->owners = (const struct owner **)(void *)((uint8_t *)s->starts + starts);
	return s;
}

static void index_shard(struct shard *s)
{
	uint32_t bucket = 0;

	qsort_r(s->owners, s->n, sizeof(*s->owners), compare_with_buckets, &s->n_buckets);
	for (uint32_t i = 0; i < s->n; i++) {
		for (const uint32_t b = bucket_of(s->owners[i]->hash, s->n_buckets); bucket <= b; bucket++)
			s->starts[bucket] = i;
	}
	for (; bucket <= s->n_buckets; bucket++)
		s->starts[bucket] = s->n;
}

size_t owners_copy_living(const struct owner **to, const struct owner *const *from, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (!from[i]->block->dropped)
			to[kept++] = from[i];
	}
	return kept;
}

struct shard *shard_rebuild(const struct shard *old, const struct owner *const *adds, size_t n_adds)
{
	const size_t n_old = old != NULL ? old->n : 0;
	const struct owner **living = malloc((n_old + n_adds + 1) * sizeof(*living));
	struct shard *s = NULL;

	if (living != NULL) {
		size_t n = n_old > 0 ? owners_copy_living(living, old->owners, n_old) : 0;

		n += owners_copy_living(living + n, adds, n_adds);
		s = allocate_shard(n);
		if (s != NULL) {
			memcpy(s->owners, living, n * sizeof(*living));
			index_shard(s);
		}
	}
	free(living);
	return s;
}
