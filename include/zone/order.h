/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/order.h -- in which order the RRs of an RRset are answered: fresh for each query, weighted where
 * weights differ.
 *
 * A permutation drawn anew each time is what spreads load best (RFC 1794 leaves it open): with rotation the
 * instance behind a dead one inherits its whole load. Serving threads, one struct each; nothing is allocated.
 */
#ifndef PHONEBOOK_ZONE_ORDER_H
#define PHONEBOOK_ZONE_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "model/block.h"

enum { ORDER_RRS_MAX = 65536 };

/* Room to draw in; large, but only what a query needs of it is ever touched. */
struct order {
	struct random random;
	uint16_t slots[ORDER_RRS_MAX]; /* slots[i] == i between two calls */
	uint32_t swaps[ORDER_RRS_MAX];
	float keys[ORDER_RRS_MAX];
	uint16_t drawn[ORDER_RRS_MAX];
};

void order_init(struct order *o);

/* Draws the first n positions of an answer with this set (fewer if the set is smaller): indexes into
 * set->rrs, better tiers first. Returns how many there are; they stand in o->drawn until the next call. */
size_t order_draw(struct order *o, const struct block *block, const struct rrset *set, size_t n);

#endif
