/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/publisher_parts.h -- the publisher from inside: for its two sources alone.
 *
 *   publisher.c         services, blocks, tables
 *   publisher_places.c  which places are probed, and what follows from what the prober tells
 */
#ifndef PHONEBOOK_FEED_PUBLISHER_PARTS_H
#define PHONEBOOK_FEED_PUBLISHER_PARTS_H

#include "feed/asked.h"
#include "feed/dampers.h"
#include "feed/publisher.h"
#include "model/dictionary.h"
#include "model/table_builder.h"
#include "zone/policy.h"

struct publisher_zone;

/* A service of one zone that has a block. */
struct served {
	const char *name; /* follows the struct */
	struct publisher_zone *zone;
	struct block *block;
	struct asked_service asked;
};

struct publisher_zone {
	const struct zone_options *options;
	uint16_t index;           /* in the table: longest origin first */
	struct dictionary served; /* of struct served */
	struct dampers *dampers;
	struct zone_counts counts; /* of the blocks served */
	struct zone_board *board;  /* the same, as of the last table */
};

struct publisher {
	struct publisher_options o;
	struct table_builder *builder;
	struct publisher_zone *zones; /* in the order of the options */
	size_t n_zones;
	bool incomplete; /* memory ran out: everything has to be taken in again */
	struct asked asked;
	unsigned n_told, n_down_untold, n_up_untold; /* of places, since the last look */
};

/* As policy_select(), with what this host knows. */
int publisher_select(const struct publisher *p, const struct publisher_zone *z, const char *service,
		     bool with_probes, struct selection *ret);

/* Takes in what there is now of one service of one zone. */
void publisher_update_in(struct publisher *p, struct publisher_zone *z, const char *name);

/* Takes in the services of whose places something else is known. */
void publisher_update_due(struct publisher *p);

#endif
