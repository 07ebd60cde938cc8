/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/order.h"

#include <math.h>

void order_init(struct order *o)
{
	random_seed(&o->random);
	for (uint32_t i = 0; i < ORDER_RRS_MAX; i++)
		o->slots[i] = (uint16_t)i;
}

static void swap_slots(struct order *o, size_t a, size_t b)
{
	const uint16_t slot = o->slots[a];

	o->slots[a] = o->slots[b];
	o->slots[b] = slot;
}

/* Fisher and Yates, as far as needed; the swaps are undone afterwards, so that a draw costs n steps however
 * large the tier is. */
static void draw_uniform(struct order *o, size_t from, size_t to, size_t n, uint16_t *drawn)
{
	for (size_t i = 0; i < n; i++) {
		o->swaps[i] = (uint32_t)(from + i + random_below(&o->random, (uint32_t)(to - from - i)));
		swap_slots(o, from + i, o->swaps[i]);
		drawn[i] = o->slots[from + i];
	}
	while (n-- > 0)
		swap_slots(o, from + n, o->swaps[n]);
}

/* Lets the slot at i sink until no slot below it has a smaller key. */
static void sift_down(struct order *o, size_t from, size_t i, size_t n)
{
	for (;;) {
		size_t least = i, child = 2 * i + 1;

		for (size_t c = child; c < child + 2 && c < n; c++) {
			if (o->keys[o->slots[from + c]] < o->keys[o->slots[from + least]])
				least = c;
		}
		if (least == i)
			return;
		swap_slots(o, from + i, from + least);
		i = least;
	}
}

static uint16_t weight_of(const struct block *block, const struct rrset *set, uint16_t slot)
{
	return block_rr(block, set->rrs[slot])->weight;
}

/* A few of many: draws uniformly and keeps what it draws in proportion to its weight, so that the cost
 * follows n and not the tier. False, with nothing drawn, when weights are so uneven that it would take too
 * long. */
static bool draw_by_rejection(struct order *o, const struct block *block, const struct rrset *set,
			      size_t from, size_t to, size_t n, uint16_t *drawn)
{
	size_t tries = 16 * n + 64, i = 0;

	while (i < n && tries-- > 0) {
		const size_t at = from + i + random_below(&o->random, (uint32_t)(to - from - i));

		if (random_below(&o->random, set->max_weight) >= weight_of(block, set, o->slots[at]))
			continue;
		o->swaps[i] = (uint32_t)at;
		swap_slots(o, from + i, at);
		drawn[i] = o->slots[from + i];
		i++;
	}
	const bool done = i == n;
	while (i-- > 0)
		swap_slots(o, from + i, o->swaps[i]);
	return done;
}

/* Efraimidis and Spirakis (2006): sorting by -ln(uniform) / weight draws without replacement, each draw in
 * proportion to the weights that are left. A heap gives the first n of them. */
static void draw_by_keys(struct order *o, const struct block *block, const struct rrset *set, size_t from,
			 size_t to, size_t n, uint16_t *drawn)
{
	const size_t size = to - from;

	for (size_t i = from; i < to; i++)
		o->keys[i] = -logf(random_unit(&o->random)) / (float)weight_of(block, set, (uint16_t)i);
	for (size_t i = size / 2; i-- > 0;)
		sift_down(o, from, i, size);
	for (size_t i = 0; i < n; i++) {
		drawn[i] = o->slots[from];
		swap_slots(o, from, to - 1 - i);
		sift_down(o, from, 0, size - 1 - i);
	}
	for (size_t i = from; i < to; i++)
		o->slots[i] = (uint16_t)i;
}

static void draw_weighted(struct order *o, const struct block *block, const struct rrset *set, size_t from,
			  size_t to, size_t n, uint16_t *drawn)
{
	if (n * 8 > to - from || !draw_by_rejection(o, block, set, from, to, n, drawn))
		draw_by_keys(o, block, set, from, to, n, drawn);
}

size_t order_draw(struct order *o, const struct block *block, const struct rrset *set, size_t n)
{
	const uint16_t *ends = rrset_tier_ends(set);
	size_t drawn = 0, from = 0;

	if (n > set->n)
		n = set->n;
	for (unsigned tier = 0; drawn < n; tier++) {
		const size_t to = ends[tier];
		const size_t wanted = to - from < n - drawn ? to - from : n - drawn;

		/* A tier of drained ones has nothing but zeroes. */
		if (set->weighted && weight_of(block, set, (uint16_t)from) > 0)
			draw_weighted(o, block, set, from, to, wanted, o->drawn + drawn);
		else
			draw_uniform(o, from, to, wanted, o->drawn + drawn);
		drawn += wanted;
		from = to;
	}
	return drawn;
}
