/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/table_builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "model/shard.h"

enum {
	/* Owners in a shard: a changed service rebuilds some five shards, so half the size would save little,
	 * and twice the size doubles what a change costs. */
	SHARD_OWNERS = 64,

	ADDS_KEPT = 1024, /* room for owners to add that is not given back */
};

/* Freed when every reader has acknowledged the generation. */
struct retired {
	uint64_t generation;
	void *memory;
};

struct table_builder {
	struct table_zone *zones;
	size_t n_zones;
	const struct freshness *freshness;
	uint64_t seed, generation;
	uint32_t serial;
	uint64_t n_owners;
	uint32_t n_shards;
	const struct shard **shards;
	struct table *newest;
	struct hashed *adds; /* of blocks put since the last table */
	size_t n_adds, adds_size;
	struct block **drops;
	size_t n_drops, drops_size;
	struct retired *retired;
	size_t n_retired, retired_size;
	bool zones_changed;
};

static bool grow(void **items, size_t n, size_t *size, size_t item_size)
{
	if (n <= *size)
		return true;
	const size_t more = n + n / 2 + 16;
	void *bigger = realloc(*items, more * item_size);
	if (bigger == NULL)
		return false;
	*items = bigger;
	*size = more;
	return true;
}

int table_builder_create(const struct table_zone *zones, size_t n_zones, const struct freshness *freshness,
			 const struct table_builder *previous, struct table_builder **ret)
{
	struct table_builder *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	random_octets(&b->seed, sizeof(b->seed));
	b->generation = previous != NULL ? previous->generation : 0;
	b->serial = previous != NULL ? previous->serial : (uint32_t)clock_wall_s() - 1;
	b->freshness = freshness;
	b->n_zones = n_zones;
	b->n_shards = 1;
	b->zones_changed = true;
	b->zones = malloc((n_zones + 1) * sizeof(*zones));
	b->shards = calloc(1, sizeof(const struct shard *));
	if (b->shards != NULL)
		b->shards[0] = shard_rebuild(NULL, NULL, 0);
	if (b->zones == NULL || b->shards == NULL || b->shards[0] == NULL) {
		table_builder_destroy(b);
		return -ENOMEM;
	}
	memcpy(b->zones, zones, n_zones * sizeof(*zones));
	*ret = b;
	return 0;
}

/* Every block is known by its owners in shards, in adds, or in the list of drops and retired memory. The last
 * owner met frees it: n_owners counts down. */
static void free_block_of(const struct owner *o)
{
	struct block *block = (struct block *)(uintptr_t)o->block;

	if (--block->n_owners == 0)
		free(block);
}

void table_builder_destroy(struct table_builder *b)
{
	if (b == NULL)
		return;
	/* Owners of dropped blocks are still in shards or adds, so these blocks need nothing of their own
	 * here. */
	for (uint32_t i = 0; b->shards != NULL && i < b->n_shards; i++) {
		for (uint32_t o = 0; b->shards[i] != NULL && o < b->shards[i]->n; o++)
			free_block_of(b->shards[i]->owners[o]);
		free((void *)(uintptr_t)b->shards[i]);
	}
	for (size_t i = 0; i < b->n_adds; i++)
		free_block_of(b->adds[i].owner);
	for (size_t i = 0; i < b->n_retired; i++)
		free(b->retired[i].memory);
	free(b->newest);
	free(b->zones);
	free(b->shards);
	free(b->adds);
	free(b->drops);
	free(b->retired);
	free(b);
}

void table_builder_set_zone_data(struct table_builder *b, size_t zone, enum zone_data data)
{
	b->zones_changed = b->zones_changed || b->zones[zone].data != data;
	b->zones[zone].data = data;
}

static struct owner *block_owner(struct block *block, uint32_t i)
{
	const uint32_t *offsets = (const uint32_t *)((const uint8_t *)block + block->owners_at);

	return (struct owner *)((uint8_t *)block + offsets[i]);
}

static void put(struct table_builder *b, struct block *block)
{
	for (uint32_t i = 0; i < block->n_owners; i++) {
		struct owner *o = block_owner(block, i);

		o->hash = shard_hash(owner_key(o), o->key_len, b->seed);
		b->adds[b->n_adds++] = (struct hashed){ .hash = o->hash, .owner = o };
	}
}

int table_builder_replace(struct table_builder *b, struct block *old, struct block *block)
{
	const size_t n_owners = block != NULL ? block->n_owners : 0;

	if (!grow((void **)&b->adds, b->n_adds + n_owners, &b->adds_size, sizeof(*b->adds)) ||
	    !grow((void **)&b->drops, b->n_drops + 1, &b->drops_size, sizeof(*b->drops)))
		return -ENOMEM;
	if (old != NULL) {
		old->dropped = true;
		b->drops[b->n_drops++] = old;
	}
	if (block != NULL)
		put(b, block);
	return 0;
}

bool table_builder_is_changed(const struct table_builder *b)
{
	return b->n_adds > 0 || b->n_drops > 0 || b->zones_changed;
}

/* What the next table is made from, until all of it is there: then it replaces the builder's own. */
struct draft {
	uint32_t n_shards;
	const struct shard **shards; /* NULL where the present one stays */
	uint64_t n_owners;
};

static void draft_finish(struct draft *d)
{
	for (uint32_t i = 0; d->shards != NULL && i < d->n_shards; i++)
		free((void *)(uintptr_t)d->shards[i]);
	free(d->shards);
}

static bool draft_shard(struct draft *d, uint32_t i, const struct shard *old, const struct hashed *adds,
			size_t n_adds)
{
	d->shards[i] = shard_rebuild(old, adds, n_adds);
	return d->shards[i] != NULL;
}

static int compare_by_shard(const void *a, const void *b, void *n_shards)
{
	const uint32_t x = shard_index(((const struct hashed *)a)->hash, *(const uint32_t *)n_shards);
	const uint32_t y = shard_index(((const struct hashed *)b)->hash, *(const uint32_t *)n_shards);

	return (x > y) - (x < y);
}

/* Sorts by shard into room for as many, counting. */
static bool distribute(const struct draft *d, const struct hashed *from, size_t n, struct hashed *to)
{
	size_t *ends = calloc(d->n_shards + 1U, sizeof(*ends));

	if (ends == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		ends[shard_index(from[i].hash, d->n_shards) + 1]++;
	for (uint32_t s = 0; s < d->n_shards; s++)
		ends[s + 1] += ends[s];
	for (size_t i = 0; i < n; i++)
		to[ends[shard_index(from[i].hash, d->n_shards)]++] = from[i];
	free(ends);
	return true;
}

/* Few are sorted where they are; for many, counting is faster. Returns the sorted ones: items, or the room
 * for as many behind them; NULL when there is no memory. */
static const struct hashed *sort_by_shard(struct draft *d, struct hashed *items, size_t n)
{
	if (n > d->n_shards / 8)
		return distribute(d, items, n, items + n) ? items + n : NULL;
	qsort_r(items, n, sizeof(*items), compare_by_shard, &d->n_shards);
	return items;
}

/* Makes each shard anew that something sorted belongs to; old are the present ones, or NULL. */
static bool draft_sorted(struct draft *d, const struct shard *const *old, const struct hashed *adds, size_t n)
{
	for (size_t i = 0, next; i < n; i = next) {
		const uint32_t shard = shard_index(adds[i].hash, d->n_shards);

		for (next = i + 1; next < n && shard_index(adds[next].hash, d->n_shards) == shard;)
			next++;
		if (!draft_shard(d, shard, old != NULL ? old[shard] : NULL, adds + i, next - i))
			return false;
	}
	return true;
}

/* A block may have been dropped again before any table had it. */
static size_t copy_adds(const struct table_builder *b, struct hashed *to)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n_adds; i++) {
		if (b->n_drops == 0 || !b->adds[i].owner->block->dropped)
			to[n++] = b->adds[i];
	}
	return n;
}

/* Rebuilds the shards that adds and drops touch. */
static bool draft_changed_shards(const struct table_builder *b, struct draft *d)
{
	struct hashed *adds = malloc((2 * b->n_adds + 1) * sizeof(*adds));
	const size_t n = adds != NULL ? copy_adds(b, adds) : 0;
	const struct hashed *sorted = adds != NULL ? sort_by_shard(d, adds, n) : NULL;
	bool good = sorted != NULL && draft_sorted(d, b->shards, sorted, n);

	free(adds);
	for (size_t i = 0; good && i < b->n_drops; i++) {
		for (uint32_t o = 0; good && o < b->drops[i]->n_owners; o++) {
			const uint32_t shard = shard_index(block_owner(b->drops[i], o)->hash, d->n_shards);

			good = d->shards[shard] != NULL || draft_shard(d, shard, b->shards[shard], NULL, 0);
		}
	}
	return good;
}

/* Spreads all owners over more shards. */
static bool draft_all_shards(const struct table_builder *b, struct draft *d)
{
	struct hashed *all = malloc((2 * d->n_owners + 1) * sizeof(*all));
	size_t n = 0;

	for (uint32_t i = 0; all != NULL && i < b->n_shards; i++)
		n += shard_copy_living(b->shards[i], all + n);
	if (all != NULL)
		n += copy_adds(b, all + n);
	const struct hashed *sorted = all != NULL ? sort_by_shard(d, all, n) : NULL;
	bool good = sorted != NULL && draft_sorted(d, NULL, sorted, n);

	free(all);
	for (uint32_t i = 0; good && i < d->n_shards; i++)
		good = d->shards[i] != NULL || draft_shard(d, i, NULL, NULL, 0);
	return good;
}

static uint64_t count_owners(const struct table_builder *b)
{
	uint64_t n = b->n_owners + b->n_adds; /* dropped blocks among the added ones are taken off again */

	for (size_t i = 0; i < b->n_drops; i++)
		n -= b->drops[i]->n_owners;
	return n;
}

static bool draft_init(struct table_builder *b, struct draft *d)
{
	d->n_owners = count_owners(b);
	d->n_shards = b->n_shards;
	if (d->n_owners > (uint64_t)b->n_shards * SHARD_OWNERS * 2)
		d->n_shards = shard_power_of_two(d->n_owners / SHARD_OWNERS);
	d->shards = calloc(d->n_shards, sizeof(const struct shard *));
	if (d->shards == NULL)
		return false;
	if (d->n_shards != b->n_shards)
		return draft_all_shards(b, d);
	return draft_changed_shards(b, d);
}

static struct table *make_table(const struct table_builder *b, const struct draft *d)
{
	const size_t zones_size = b->n_zones * sizeof(*b->zones);
	const size_t size = sizeof(struct table) + d->n_shards * sizeof(const struct shard *);
	struct table *t = malloc(size + zones_size);

	if (t == NULL)
		return NULL;
	struct table_zone *zones = (struct table_zone *)((uint8_t *)t + size);
	memcpy(zones, b->zones, zones_size);
	*t = (struct table){ .generation = b->generation + 1,
			     .seed = b->seed,
			     .n_zones = (uint32_t)b->n_zones,
			     .zones = zones,
			     .freshness = b->freshness,
			     .n_owners = d->n_owners,
			     .n_shards = d->n_shards };
	const uint32_t wall = (uint32_t)clock_wall_s();
	t->serial = (int32_t)(wall - b->serial) > 0 ? wall : b->serial + 1;
	for (uint32_t i = 0; i < d->n_shards; i++)
		t->shards[i] = d->shards[i] != NULL ? d->shards[i] : b->shards[i];
	return t;
}

static void retire(struct table_builder *b, const void *memory)
{
	if (memory != NULL)
		b->retired[b->n_retired++] =
			(struct retired){ .generation = b->generation, .memory = (void *)(uintptr_t)memory };
}

/* From here on nothing can fail: the list of retired memory has room for all of it. */
static void adopt(struct table_builder *b, struct draft *d, struct table *t)
{
	b->generation = t->generation;
	b->serial = t->serial;
	for (uint32_t i = 0; i < b->n_shards; i++) {
		if (d->n_shards != b->n_shards || d->shards[i] != NULL)
			retire(b, b->shards[i]);
	}
	for (size_t i = 0; i < b->n_drops; i++)
		retire(b, b->drops[i]);
	retire(b, b->newest);

	free(b->shards);
	memcpy(d->shards, t->shards, d->n_shards * sizeof(const struct shard *));
	b->shards = d->shards;
	b->n_shards = d->n_shards;
	b->n_owners = d->n_owners;
	b->newest = t;
	b->n_adds = b->n_drops = 0;
	b->zones_changed = false;
	if (b->adds_size > ADDS_KEPT) { /* of the first table of all; changes are small */
		free(b->adds);
		b->adds = NULL;
		b->adds_size = 0;
	}
}

int table_builder_seal(struct table_builder *b, const struct table **ret)
{
	struct draft d = { 0 };
	struct table *t = NULL;

	if (draft_init(b, &d) && grow((void **)&b->retired, b->n_retired + b->n_shards + b->n_drops + 1,
				      &b->retired_size, sizeof(*b->retired)))
		t = make_table(b, &d);
	if (t == NULL) {
		draft_finish(&d);
		return -ENOMEM;
	}
	adopt(b, &d, t);
	*ret = t;
	return 0;
}

bool table_builder_reclaim(struct table_builder *b, uint64_t acked)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->n_retired; i++) {
		if (b->retired[i].generation <= acked)
			free(b->retired[i].memory);
		else
			b->retired[kept++] = b->retired[i];
	}
	b->n_retired = kept;
	return kept == 0;
}

uint64_t table_builder_generation(const struct table_builder *b)
{
	return b->generation;
}
