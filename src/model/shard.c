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

/* Within a bucket. */
static int compare_in_bucket(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->owner->rank > y->owner->rank) - (x->owner->rank < y->owner->rank);
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

/* Sorts by bucket, counting; to has room for as many as from. */
static void sort_by_bucket(struct shard *s, const struct hashed *from, struct hashed *to)
{
	memset(s->starts, 0, (s->n_buckets + 1) * sizeof(s->starts[0]));
	for (uint32_t i = 0; i < s->n; i++)
		s->starts[bucket_of(from[i].hash, s->n_buckets) + 1]++;
	for (uint32_t b = 0; b < s->n_buckets; b++)
		s->starts[b + 1] += s->starts[b];
	for (uint32_t i = 0; i < s->n; i++)
		to[s->starts[bucket_of(from[i].hash, s->n_buckets)]++] = from[i];
	/* Each start has become the end of its bucket, which is the start of the next one. */
	memmove(s->starts + 1, s->starts, s->n_buckets * sizeof(s->starts[0]));
	s->starts[0] = 0;
}

static void index_shard(struct shard *s, const struct hashed *from, struct hashed *to)
{
	sort_by_bucket(s, from, to);
	for (uint32_t b = 0; b < s->n_buckets; b++) {
		const uint32_t n = s->starts[b + 1] - s->starts[b];

		if (n > 1)
			qsort(to + s->starts[b], n, sizeof(*to), compare_in_bucket);
	}
	for (uint32_t i = 0; i < s->n; i++)
		s->owners[i] = to[i].owner;
}

size_t shard_copy_living(const struct shard *s, struct hashed *to)
{
	size_t kept = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->owners[i]->block->dropped)
			to[kept++] = (struct hashed){ .hash = s->owners[i]->hash, .owner = s->owners[i] };
	}
	return kept;
}

struct shard *shard_rebuild(const struct shard *old, const struct hashed *adds, size_t n_adds)
{
	const size_t room = (old != NULL ? old->n : 0) + n_adds + 1;
	struct hashed *living = malloc(2 * room * sizeof(*living));
	struct shard *s = NULL;

	if (living != NULL) {
		size_t n = old != NULL ? shard_copy_living(old, living) : 0;

		if (n_adds > 0)
			memcpy(living + n, adds, n_adds * sizeof(*adds));
		n += n_adds;
		s = allocate_shard(n);
		if (s != NULL)
			index_shard(s, living, living + room);
	}
	free(living);
	return s;
}
