/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Offsets are 32 bits wide; no service of ours comes near. */
enum { BLOCK_OCTETS_MAX = 64 * 1024 * 1024 };

static void add(struct block_builder *b, const void *octets, size_t len)
{
	if (b->error == 0)
		b->error = buffer_add(&b->octets, octets, len);
}

void block_begin(struct block_builder *b, const struct block_options *options)
{
	const struct block header = { .options = *options };

	*b = (struct block_builder){ .octets.limit = BLOCK_OCTETS_MAX };
	/* As much as a small service needs. */
	b->error = buffer_reserve(&b->octets, 1024) != NULL ? 0 : -ENOMEM;
	add(b, &header, sizeof(header));
}

/* Where the next item starts. */
static uint32_t align(struct block_builder *b, size_t octets)
{
	if (b->error == 0)
		b->error = buffer_align(&b->octets, octets);
	return (uint32_t)b->octets.len;
}

uint32_t block_add_rr(struct block_builder *b, enum rrtype type, uint32_t ttl_s, const uint8_t *rdata,
		      size_t len, uint16_t weight)
{
	const struct rr rr = { .len = (uint16_t)(RR_RDATA_AT + len), .weight = weight };
	const uint32_t at = align(b, _Alignof(struct rr));
	uint8_t fixed[RR_RDATA_AT];

	put_u16(fixed, 0xc000 | DNS_HEADER_OCTETS);
	put_u16(fixed + 2, (uint16_t)type);
	put_u16(fixed + 4, RRCLASS_IN);
	put_u32(fixed + RR_TTL_AT, ttl_s);
	put_u16(fixed + 10, (uint16_t)len);
	add(b, &rr, offsetof(struct rr, octets));
	add(b, fixed, sizeof(fixed));
	add(b, rdata, len);
	return b->error == 0 ? at : 0;
}

uint32_t block_add_glue(struct block_builder *b, const uint32_t *rrs, size_t n)
{
	static const uint32_t end = 0;
	const uint32_t at = align(b, _Alignof(uint32_t));

	add(b, rrs, n * sizeof(*rrs));
	add(b, &end, sizeof(end));
	return b->error == 0 ? at : 0;
}

void block_set_glue(struct block_builder *b, uint32_t rr, uint32_t glue)
{
	if (b->error == 0)
		((struct rr *)(b->octets.octets + rr))->glue = glue;
}

uint32_t block_add_rrset(struct block_builder *b, enum rrtype type, const uint32_t *rrs, size_t n,
			 const struct rrset_order *order)
{
	const uint16_t whole = (uint16_t)n;
	const struct rrset_order plain = { .n_active = whole, .n_tiers = 1, .tier_ends = &whole };
	const uint32_t at = align(b, _Alignof(struct rrset));

	if (order == NULL)
		order = &plain;
	const struct rrset set = { .type = (uint16_t)type,
				   .n = whole,
				   .n_active = order->n_active,
				   .n_tiers = order->n_tiers,
				   .weighted = order->weighted,
				   .max_weight = order->max_weight };
	add(b, &set, offsetof(struct rrset, rrs));
	add(b, rrs, n * sizeof(*rrs));
	add(b, order->tier_ends, order->n_tiers * sizeof(*order->tier_ends));
	return b->error == 0 ? at : 0;
}

static void add_owner(struct block_builder *b, enum owner_rank rank, const uint8_t *key, size_t len,
		      const uint32_t *rrsets, size_t n)
{
	const struct owner owner = { .rank = (uint8_t)rank, .n_rrsets = (uint8_t)n, .key_len = (uint8_t)len };
	const uint32_t at = align(b, _Alignof(struct owner));

	add(b, &owner, offsetof(struct owner, rrsets));
	add(b, rrsets, n * sizeof(*rrsets));
	add(b, key, len);
	if (b->error == 0)
		b->error = buffer_add(&b->owners, &at, sizeof(at));
	b->n_owners++;
}

void block_add_owner(struct block_builder *b, enum owner_rank rank, const struct name *name,
		     const uint32_t *rrsets, size_t n)
{
	add_owner(b, rank, name->octets, name->len, rrsets, n);
}

size_t owner_key_from_address(const struct address *address, uint8_t ret[ADDRESS_KEY_MAX])
{
	ret[0] = 0;
	memcpy(ret + 1, address->octets, address->len);
	return 1U + address->len;
}

void block_add_reverse(struct block_builder *b, const struct address *address, uint32_t rrset)
{
	uint8_t key[ADDRESS_KEY_MAX];

	add_owner(b, OWNER_REVERSE, key, owner_key_from_address(address, key), &rrset, 1);
}

static void point_owners_back(struct block *block)
{
	const uint32_t *owners = (const uint32_t *)((uint8_t *)block + block->owners_at);

	for (uint32_t i = 0; i < block->n_owners; i++)
		((struct owner *)((uint8_t *)block + owners[i]))->block = block;
}

int block_seal(struct block_builder *b, struct block **ret)
{
	const uint32_t owners_at = align(b, _Alignof(uint32_t));
	struct block *block = NULL;

	add(b, b->owners.octets, b->owners.len);
	if (b->error == 0)
		block = realloc(b->octets.octets, b->octets.len); /* gives back what growing took too much */
	if (b->error == 0 && block == NULL)
		b->error = -ENOMEM;
	if (b->error == 0) {
		b->octets = (struct buffer){ 0 };
		block->n_owners = b->n_owners;
		block->owners_at = owners_at;
		point_owners_back(block);
		*ret = block;
	}
	buffer_finish(&b->octets);
	buffer_finish(&b->owners);
	return b->error;
}

void block_destroy(struct block *b)
{
	free(b);
}

const struct rrset *owner_rrset(const struct owner *o, uint16_t type)
{
	for (unsigned i = 0; i < o->n_rrsets; i++) {
		const struct rrset *set = block_rrset(o->block, o->rrsets[i]);

		if (set->type == type)
			return set;
	}
	return NULL;
}
