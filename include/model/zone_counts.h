/* SPDX-License-Identifier: BSD-2-Clause */
/* model/zone_counts.h -- how many instances of a zone are answered, and why the others are not.
 *
 *   blocks --feeder adds and takes away--> board, one atomic each --any thread--> zone_counts
 *
 * Kept beside the tables, as model/freshness.h is, and borrowed by them.
 */
#ifndef PHONEBOOK_MODEL_ZONE_COUNTS_H
#define PHONEBOOK_MODEL_ZONE_COUNTS_H

#include <stdint.h>

/* Why an instance is not answered. */
enum left_out {
	LEFT_OUT_NOT,         /* it is */
	LEFT_OUT_ADDRESS,     /* its host name has no address so far */
	LEFT_OUT_REGISTRY,    /* a registry before has the same place */
	LEFT_OUT_HEALTH,      /* others are healthier */
	LEFT_OUT_FLAPPING,    /* it changed too often of late */
	LEFT_OUT_UNREACHABLE, /* nobody answers there */
	LEFT_OUT_FAR,         /* enough others are near */
	LEFT_OUT_REASONS,
};

struct zone_counts {
	uint64_t services;
	uint64_t failed_open; /* services of which nobody is healthy, and the best there are are answered */
	uint64_t instances[LEFT_OUT_REASONS];
};

struct zone_board;

/* NULL when there is no memory. */
struct zone_board *zone_board_create(void);

void zone_board_destroy(struct zone_board *b); /* NULL is fine */

/* Feeder. */
void zone_board_set(struct zone_board *b, const struct zone_counts *counts);

/* Any thread; each number is as of some moment of late. */
void zone_board_view(const struct zone_board *b, struct zone_counts *ret);

#endif
