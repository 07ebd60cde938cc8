/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/counters.h"

#include <stdlib.h>
#include <string.h>

struct counters {
	size_t n;
	struct counter_row rows[];
};

static const char *const names[COUNTERS] = {
	[COUNTER_REFUSED] = "refused",       [COUNTER_MALFORMED] = "malformed",
	[COUNTER_TCP_CLOSED] = "tcp-closed", [COUNTER_NO_DESCRIPTOR] = "no-descriptor",
	[COUNTER_HOLD_FULL] = "hold-full",   [COUNTER_FORWARD_FULL] = "forward-full",
};

struct counters *counters_create(size_t n)
{
	const size_t size = sizeof(struct counters) + n * sizeof(struct counter_row);
	struct counters *c = aligned_alloc(alignof(struct counters), size);

	if (c == NULL)
		return NULL;
	memset(c, 0, size);
	c->n = n;
	return c;
}

void counters_destroy(struct counters *c)
{
	free(c);
}

struct counter_row *counters_row(struct counters *c, size_t i)
{
	return &c->rows[i];
}

uint64_t counters_sum(const struct counters *c, enum counter which)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < c->n; i++)
		sum += atomic_load_explicit(&c->rows[i].counts[which], memory_order_relaxed);
	return sum;
}

const char *counter_name(enum counter which)
{
	return names[which];
}
