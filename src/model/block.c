/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Offsets are 32 bits wide; no service of ours comes near. */
enum { BLOCK_OCTETS_MAX = 64 * 1024 * 1024 };

/* Room for len octets behind the last ones, aligned; they are to be written. NULL on failure. */
static void *take(struct block_builder *b, size_t align, size_t len, uint32_t *at)
{
	struct buffer *octets = &b->octets;
	const size_t gap = -octets->len & (align - 1);

	*at = 0;
	if (b->error != 0)
		return NULL;
	if (octets->len + gap + len > BLOCK_OCTETS_MAX) {
		b->error = -EFBIG;
		return NULL;
	}
	if (gap + len > octets->size - octets->len && buffer_reserve(octets, gap + len) == NULL) {
		b->error = -ENOMEM;
		return NULL;
	}
	memset(octets->octets + octets->len, 0, gap);
	*at = (uint32_t)(octets->len + gap);
	octets->len += gap + len;
	return octets->octets + *at;
}

void block_begin(struct block_builder *b, const struct block_options *options)
{
	uint32_t at;

	*b = (struct block_builder){ 0 };
	/* As much as a service of a few instances needs. */
	b->error = buffer_reserve(&b->octets, 2048) != NULL ? 0 : -ENOMEM;
	struct block *header = take(b, 1, sizeof(*header), &at);
	if (header != NULL)
		*header = (struct block){ .options = *options };
}

uint32_t block_add_rr(struct block_builder *b, enum rrtype type, uint32_t ttl_s, const uint8_t *rdata,
		      size_t len, uint16_t weight)
{
	uint32_t at;
	struct rr *rr = take(b, _Alignof(struct rr), offsetof(struct rr, octets) + RR_RDATA_AT + len, &at);

	if (rr == NULL)
		return 0;
	rr->len = (uint16_t)(RR_RDATA_AT + len);
	rr->weight = weight;
	rr->glue = 0;
	put_u16(rr->octets, 0xc000 | DNS_HEADER_OCTETS);
	put_u16(rr->octets + 2, (uint16_t)type);
	put_u16(rr->octets + 4, RRCLASS_IN);
	put_u32(rr->octets + RR_TTL_AT, ttl_s);
	put_u16(rr->octets + 10, (uint16_t)len);
	memcpy(rr->octets + RR_RDATA_AT, rdata, len);
	return at;
}

uint32_t block_add_glue(struct block_builder *b, const uint32_t *rrs, size_t n)
{
	uint32_t at, *list = take(b, _Alignof(uint32_t), (n + 1) * sizeof(*rrs), &at);

	if (list == NULL)
		return 0;
	memcpy(list, rrs, n * sizeof(*rrs));
	list[n] = 0;
	return at;
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
	uint32_t at;

	if (order == NULL)
		order = &plain;
	struct rrset *set = take(b, _Alignof(struct rrset),
				 offsetof(struct rrset, rrs) + n * sizeof(*rrs) +
					 order->n_tiers * sizeof(*order->tier_ends),
				 &at);
	if (set == NULL)
		return 0;
	set->type = (uint16_t)type;
	set->n = whole;
	set->n_active = order->n_active;
	set->n_tiers = order->n_tiers;
	set->weighted = order->weighted;
	set->max_weight = order->max_weight;
	memcpy(set->rrs, rrs, n * sizeof(*rrs));
	memcpy(set->rrs + n, order->tier_ends, order->n_tiers * sizeof(*order->tier_ends));
	return at;
}

static void add_owner(struct block_builder *b, enum owner_rank rank, const uint8_t *key, size_t len,
		      const uint32_t *rrsets, size_t n)
{
	uint32_t at;
	struct owner *o = take(b, _Alignof(struct owner),
			       offsetof(struct owner, rrsets) + n * sizeof(*rrsets) + len, &at);

	if (o == NULL)
		return;
	o->hash = 0;
	o->block = NULL;
	o->rank = (uint8_t)rank;
	o->n_rrsets = (uint8_t)n;
	o->key_len = (uint8_t)len;
	if (n > 0)
		memcpy(o->rrsets, rrsets, n * sizeof(*rrsets));
	memcpy(o->rrsets + n, key, len);
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
	struct block *block = NULL;
	uint32_t owners_at;
	void *owners = take(b, _Alignof(uint32_t), b->owners.len, &owners_at);

	if (owners != NULL && b->n_owners > 0)
		memcpy(owners, b->owners.octets, b->owners.len);
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
