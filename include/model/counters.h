/* SPDX-License-Identifier: BSD-2-Clause */
/* model/counters.h -- how often a limit of the serving plane was met.
 *
 *   serving thread: its own row --> any thread: the sum of all rows
 *
 * Each row has one writer and cache lines of its own, so counting is a load and a store and disturbs nobody;
 * readers get each number as it was at some moment.
 */
#ifndef PHONEBOOK_MODEL_COUNTERS_H
#define PHONEBOOK_MODEL_COUNTERS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum counter {
	COUNTER_REFUSED,       /* queries and connections of strangers */
	COUNTER_MALFORMED,     /* messages dropped because they are no queries */
	COUNTER_TCP_CLOSED,    /* connections closed to make room for another */
	COUNTER_NO_DESCRIPTOR, /* times a connection had to wait because the process had no descriptor left */
	COUNTER_HOLD_FULL,     /* queries answered as they could be, because too many waited for a registry */
	COUNTER_FORWARD_FULL,  /* queries not forwarded, because too many were under way */
	COUNTERS,
};

/* The row of one thread. */
struct counter_row {
	alignas(64) _Atomic uint64_t counts[COUNTERS];
};

struct counters;

/* A board of n rows, all 0; NULL when there is no memory. */
struct counters *counters_create(size_t n);
void counters_destroy(struct counters *c); /* NULL is fine */

/* The row for one writer. */
struct counter_row *counters_row(struct counters *c, size_t i);

/* All rows together (any thread). */
uint64_t counters_sum(const struct counters *c, enum counter which);

/* "tcp-closed": as people see it. */
const char *counter_name(enum counter which);

/* Counts one more (the row's writer only); row may be NULL, where nobody is interested. */
static inline void counter_add(struct counter_row *row, enum counter which)
{
	if (row == NULL)
		return;
	const uint64_t n = atomic_load_explicit(&row->counts[which], memory_order_relaxed);

	atomic_store_explicit(&row->counts[which], n + 1, memory_order_relaxed);
}

#endif
