/* SPDX-License-Identifier: BSD-2-Clause */
/* model/block.h -- all owner names of one service (or of a zone's apex) with their RRsets, encoded, in one
 * allocation.
 *
 *   block_begin --> block_add_... --> block_seal --> block, never changed again --> model/table_builder.h
 *
 * Offsets count from the start of the block, so that it is one piece of memory and freed as one. Built on the
 * feeder thread, read on the serving threads.
 */
#ifndef PHONEBOOK_MODEL_BLOCK_H
#define PHONEBOOK_MODEL_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/buffer.h"
#include "model/freshness.h"
#include "model/zone_counts.h"
#include "wire/dns.h"
#include "wire/name.h"

/* One record. The owner name in it is a pointer to the question (RFC 1035 section 4.1.4). */
struct rr {
	uint16_t len;    /* of octets */
	uint16_t weight; /* 0: drained */
	uint32_t glue;   /* offset of a list of offsets of address RRs, ended by 0; 0: none */
	uint8_t octets[];
};

enum { RR_TTL_AT = 6, RR_RDATA_AT = 12 }; /* in octets, behind the two octets of the owner */

struct rrset {
	uint16_t type;
	uint16_t n;
	uint16_t n_active;   /* the first so many are not drained */
	uint8_t n_tiers;     /* 1: all alike in preference */
	bool weighted;       /* weights differ within a tier */
	uint16_t max_weight; /* of all RRs, if weighted */
	uint32_t rrs[]; /* n offsets of RRs, best tier first; then n_tiers uint16_t: where each tier ends */
};

/* Best first: what an owner is when two blocks have one name. */
enum owner_rank {
	OWNER_ZONE,    /* apex, ns */
	OWNER_STATUS,  /* _status: written at query time */
	OWNER_SERVICE, /* a service's own name */
	OWNER_PART,    /* a tag, an instance, a port of a service; its RFC 2782 name */
	OWNER_REVERSE, /* by address, see table_find_address() in model/table.h */
	OWNER_EMPTY,   /* has no RRset, but something below it (RFC 4592 section 2.2.2) */
};

struct block;

struct owner {
	uint64_t hash;
	const struct block *block;
	uint8_t rank, n_rrsets, key_len;
	uint32_t rrsets[]; /* n_rrsets offsets; then key_len octets of key */
};

/* What all owners of a block have in common. */
struct block_options {
	bool failed_open; /* nothing was healthy enough, so everything is answered */
	bool notes_asked; /* block_note_asked() counts */
	uint32_t negative_ttl_s;
	uint32_t address_limit;
	uint64_t registries; /* whose data this is, one bit each */
	uint64_t true_ms;    /* it was true until then at most; 0: as its registries say */
	struct age_limits age;
	uint32_t instances[LEFT_OUT_REASONS]; /* of the service: how many are answered, and not */
};

struct block {
	struct block_options options;
	uint32_t n_owners;
	uint32_t owners_at; /* offset of n_owners offsets */
	bool dropped;       /* the table builder's note */

	/* When it was asked for last, in seconds of clock_ms(); 0: never. The one thing in a block that
	 * changes after it was sealed: by serving threads, read by the feeder, and nothing else depends on
	 * it. */
	_Atomic uint32_t asked_s;
};

/* Somebody asks for the service (any thread). Within one second only the first one writes, so that the
 * threads do not take the block's first line from each other. */
static inline void block_note_asked(const struct block *b, uint64_t now_ms)
{
	if (!b->options.notes_asked)
		return;
	/* Blocks come from malloc(); const is what they are for everybody else. */
	_Atomic uint32_t *asked_s = &((struct block *)(uintptr_t)b)->asked_s;
	const uint32_t now_s = (uint32_t)(now_ms / 1000);
	if (atomic_load_explicit(asked_s, memory_order_relaxed) != now_s)
		atomic_store_explicit(asked_s, now_s, memory_order_relaxed);
}

static inline uint32_t block_asked_s(const struct block *b)
{
	return atomic_load_explicit(&b->asked_s, memory_order_relaxed);
}

/* The block takes the place of another. What is asked of that one from now on is not noted: of a service that
 * is in use the next query is not far. */
static inline void block_inherit_asked(struct block *b, const struct block *before)
{
	atomic_store_explicit(&b->asked_s, block_asked_s(before), memory_order_relaxed);
}

static inline const struct rr *block_rr(const struct block *b, uint32_t offset)
{
	return (const struct rr *)((const uint8_t *)b + offset);
}

static inline const struct rrset *block_rrset(const struct block *b, uint32_t offset)
{
	return (const struct rrset *)((const uint8_t *)b + offset);
}

static inline const uint16_t *rrset_tier_ends(const struct rrset *s)
{
	return (const uint16_t *)(s->rrs + s->n);
}

enum { ADDRESS_KEY_MAX = 17 };

/* The key of an OWNER_REVERSE: no name begins with an octet of 0 but the root, which is shorter. Returns its
 * length. */
size_t owner_key_from_address(const struct address *address, uint8_t ret[ADDRESS_KEY_MAX]);

/* The RRset of that type at an owner, or NULL. */
const struct rrset *owner_rrset(const struct owner *o, uint16_t type);

/* --- building a block --- */

/* Errors are sticky and come out at block_seal(); offsets are 0 then. */
struct block_builder {
	struct buffer octets, owners;
	uint32_t n_owners;
	int error;
};

void block_begin(struct block_builder *b, const struct block_options *options);

/* Adds one RR of class IN and returns its offset. */
uint32_t block_add_rr(struct block_builder *b, enum rrtype type, uint32_t ttl_s, const uint8_t *rdata,
		      size_t len, uint16_t weight);

/* Adds a list of n address RRs of this block, to be set as the glue of SRVs: what belongs into the additional
 * section with them. SRVs of one target share one list, so that the answer can tell what it has added
 * already. */
uint32_t block_add_glue(struct block_builder *b, const uint32_t *rrs, size_t n);
void block_set_glue(struct block_builder *b, uint32_t rr, uint32_t glue);

/* How an RRset is ordered; n_tiers at most 255. */
struct rrset_order {
	uint16_t n_active;
	uint8_t n_tiers;
	bool weighted;
	uint16_t max_weight;
	const uint16_t *tier_ends;
};

/* Adds an RRset of n RRs that are in the block; order NULL: one tier, no weights. Returns its offset. */
uint32_t block_add_rrset(struct block_builder *b, enum rrtype type, const uint32_t *rrs, size_t n,
			 const struct rrset_order *order);

/* Adds an owner name with n RRsets that are in the block; several owners may share one. */
void block_add_owner(struct block_builder *b, enum owner_rank rank, const struct name *name,
		     const uint32_t *rrsets, size_t n);
void block_add_reverse(struct block_builder *b, const struct address *address, uint32_t rrset);

/* Makes the block, or fails with -ENOMEM or -EFBIG; the builder is finished in both cases. */
int block_seal(struct block_builder *b, struct block **ret);

/* Only for blocks that never came into a table builder. NULL is fine. */
void block_destroy(struct block *b);

#endif
