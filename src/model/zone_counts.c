/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/zone_counts.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

struct zone_board {
	_Atomic uint64_t services, failed_open, instances[LEFT_OUT_REASONS];
};

struct zone_board *zone_board_create(void)
{
	return calloc(1, sizeof(struct zone_board));
}

void zone_board_destroy(struct zone_board *b)
{
	free(b);
}

/* Relaxed everywhere: no number promises anything about another. */
void zone_board_set(struct zone_board *b, const struct zone_counts *counts)
{
	atomic_store_explicit(&b->services, counts->services, memory_order_relaxed);
	atomic_store_explicit(&b->failed_open, counts->failed_open, memory_order_relaxed);
	for (size_t i = 0; i < LEFT_OUT_REASONS; i++)
		atomic_store_explicit(&b->instances[i], counts->instances[i], memory_order_relaxed);
}

void zone_board_view(const struct zone_board *b, struct zone_counts *ret)
{
	ret->services = atomic_load_explicit(&b->services, memory_order_relaxed);
	ret->failed_open = atomic_load_explicit(&b->failed_open, memory_order_relaxed);
	for (size_t i = 0; i < LEFT_OUT_REASONS; i++)
		ret->instances[i] = atomic_load_explicit(&b->instances[i], memory_order_relaxed);
}
