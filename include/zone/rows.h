/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/rows.h -- the members of a selection as encoded RRs in a block, and RRsets of some of them.
 *
 * One row a member. Equal addresses are one RR, SRVs of one place are one RR (RFC 2181 section 5), and all
 * RRs are kept best first: not drained before drained, then by priority. compose asks for the RRsets of the
 * rows an owner name stands for. Feeder thread, for the time one block is made.
 */
#ifndef PHONEBOOK_ZONE_ROWS_H
#define PHONEBOOK_ZONE_ROWS_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/block.h"
#include "zone/options.h"
#include "zone/policy.h"

static const uint32_t ROW_WITHOUT_SRV = UINT32_MAX;

struct row {
	const struct instance *instance;
	const struct address *at; /* n_addresses of them */
	size_t n_addresses;
	uint32_t *addresses; /* their items */
	uint32_t glue;       /* list in the block */
	uint32_t srv;        /* item, or ROW_WITHOUT_SRV for an instance without port */
};

/* Scratch memory that most services have enough of: to allocate and free some for each takes longer than
 * all that is done in it. */
struct rows_room {
	alignas(max_align_t) uint8_t octets[6144];
};

/* One RR with what orders it. */
struct item {
	uint32_t rr;
	uint16_t type, weight, priority;
};

struct rows {
	struct block_builder *block;
	struct name addr; /* below it are the names that spell an address; empty: too long to be one */
	uint32_t ttl_s;
	struct row *rows;
	size_t n;
	struct item *items; /* n_addresses addresses, then SRVs; each part best first */
	size_t n_addresses, n_items;
	uint32_t *picked; /* scratch */
	struct rows_room *room;
	size_t room_used;
	struct arena arena; /* for what has no place in the room */
	int error;          /* sticky: -ENOMEM, -ENAMETOOLONG */
};

/* RRsets of one owner name, in the block. */
struct sets {
	uint32_t at[3];
	size_t n;
};

/* Encodes all members into the block; the room is the rows' until rows_finish(). Look at rows->error after
 * everything else is done. */
void rows_init(struct rows *r, struct rows_room *room, struct block_builder *block,
	       const struct zone_options *z, uint32_t ttl_s, const struct selection *selection);
void rows_finish(struct rows *r);

/* Zeroed scratch memory for n + 1 things that lives as long as the rows; NULL, and the error set, without
 * memory. */
void *rows_allocate(struct rows *r, size_t n, size_t size);

/* The A and AAAA RRsets of these rows, as far as they have addresses of the family. */
void rows_add_addresses(struct rows *r, struct row *const *rows, size_t n, struct sets *sets);

/* The SRV RRset of these rows, if any of them has a port. */
void rows_add_srvs(struct rows *r, struct row *const *rows, size_t n, struct sets *sets);

#endif
