/* SPDX-License-Identifier: BSD-2-Clause */
/* model/table_builder.h -- tables, one after the other, each sharing with the one before whatever has not
 * changed.
 *
 *   block --replace--> table_builder --seal--> table --inboxes--> serving threads
 *                           ^                                         |
 *                           +---- reclaim what nobody reads <---------+ acknowledged
 *
 * A change of one service costs that service's block, the few shards its names fall into, and one array of
 * pointers. What a newer table no longer refers to is freed once every reader has acknowledged that table.
 * Feeder thread only.
 */
#ifndef PHONEBOOK_MODEL_TABLE_BUILDER_H
#define PHONEBOOK_MODEL_TABLE_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/table.h"

struct table_builder;

/* Tables for these zones (copied, to be sorted longest origin first by the caller); the freshness board is
 * borrowed by every table. Generations and serials count on from those of previous,
 * the builder of the configuration before (may be NULL). */
int table_builder_create(const struct table_zone *zones, size_t n_zones, const struct freshness *freshness,
			 const struct table_builder *previous, struct table_builder **ret);

/* Frees every block and table: only when no reader is left. NULL is fine. */
void table_builder_destroy(struct table_builder *b);

void table_builder_set_zone_data(struct table_builder *b, size_t zone, enum zone_data data);

/* block will be in the next table and belongs to the builder from here on, old will not be; either may be
 * NULL. -ENOMEM: nothing has happened. */
int table_builder_replace(struct table_builder *b, struct block *old, struct block *block);

/* True when a block or a zone's data has changed since the last table. */
bool table_builder_is_changed(const struct table_builder *b);

/* Makes the next table; on -ENOMEM nothing is lost and the call can be repeated. */
int table_builder_seal(struct table_builder *b, const struct table **ret);

/* Frees what no table from generation acked on refers to; true when nothing is left that waits to be freed.
 */
bool table_builder_reclaim(struct table_builder *b, uint64_t acked);

/* The generation of the newest table; what the next builder should start above. */
uint64_t table_builder_generation(const struct table_builder *b);

#endif
