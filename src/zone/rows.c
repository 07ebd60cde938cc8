/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "wire/rdata.h"

enum { RRSET_RRS_MAX = UINT16_MAX };

void *rows_allocate(struct rows *r, size_t n, size_t size)
{
	const size_t align = alignof(max_align_t), octets = ((n + 1) * size + align - 1) & ~(align - 1);
	void *memory = NULL;

	if (r->error == 0 && octets <= sizeof(r->room->octets) - r->room_used) {
		memory = memset(r->room->octets + r->room_used, 0, octets);
		r->room_used += octets;
		return memory;
	}
	if (r->error == 0)
		memory = arena_alloc(&r->arena, (n + 1) * size);
	if (memory == NULL && r->error == 0)
		r->error = -ENOMEM;
	return memory;
}

/* Drained last, then by priority: the order in which tiers are used. */
static int compare_preference(uint16_t weight_a, uint16_t priority_a, uint16_t weight_b, uint16_t priority_b)
{
	if ((weight_a == 0) != (weight_b == 0))
		return weight_a == 0 ? 1 : -1;
	return (priority_a > priority_b) - (priority_a < priority_b);
}

static int compare_items(const struct item *a, const struct item *b)
{
	return compare_preference(a->weight, a->priority, b->weight, b->priority);
}

/* --- addresses --- */

/* One address of a row, to be united with equal ones. */
struct place {
	const struct address *address;
	struct row *row;
	size_t nth;
};

/* Equal places, and the one RR they become. */
struct group {
	struct item item;
	const struct place *places;
	size_t n;
};

static int compare_places(const void *a, const void *b)
{
	return memcmp(((const struct place *)a)->address, ((const struct place *)b)->address,
		      sizeof(struct address));
}

static int compare_groups(const void *a, const void *b)
{
	return compare_items(&((const struct group *)a)->item, &((const struct group *)b)->item);
}

/* The best of the instances at one address decides its priority, all together its weight. */
static struct item merge_places(const struct place *places, size_t n)
{
	struct item item = { .priority = UINT16_MAX };
	uint64_t weight = 0;

	for (size_t i = 0; i < n; i++) {
		const struct instance *in = places[i].row->instance;

		weight += in->weight;
		if (in->weight > 0 && in->priority < item.priority)
			item.priority = in->priority;
	}
	if (weight == 0)
		item.priority = places[0].row->instance->priority;
	item.weight = (uint16_t)(weight > UINT16_MAX ? UINT16_MAX : weight);
	item.type = places[0].address->len == 4 ? RRTYPE_A : RRTYPE_AAAA;
	return item;
}

static size_t list_places(struct rows *r, struct place **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->rows[i].n_addresses;
	struct place *places = rows_allocate(r, n, sizeof(*places));
	r->picked = rows_allocate(r, n + r->n, sizeof(*r->picked));
	if (r->error != 0)
		return 0;

	n = 0;
	for (size_t i = 0; i < r->n; i++) {
		for (size_t a = 0; a < r->rows[i].n_addresses; a++)
			places[n++] =
				(struct place){ .address = &r->rows[i].at[a], .row = &r->rows[i], .nth = a };
	}
	sort_items(places, n, sizeof(*places), compare_places);
	*ret = places;
	return n;
}

static size_t group_places(const struct place *places, size_t n_places, struct group *ret)
{
	size_t n = 0;

	for (size_t i = 0, next; i < n_places; i = next) {
		for (next = i + 1; next < n_places && compare_places(&places[i], &places[next]) == 0;)
			next++;
		ret[n++] = (struct group){ .item = merge_places(places + i, next - i),
					   .places = places + i,
					   .n = next - i };
	}
	sort_items(ret, n, sizeof(*ret), compare_groups);
	return n;
}

/* Makes one RR of each different address, best first. */
static void encode_addresses(struct rows *r)
{
	struct place *places = NULL;
	const size_t n_places = list_places(r, &places);
	struct group *groups = rows_allocate(r, n_places, sizeof(*groups));

	r->items = rows_allocate(r, n_places + r->n, sizeof(*r->items));
	if (r->error != 0)
		return;
	r->n_addresses = r->n_items = group_places(places, n_places, groups);
	for (size_t i = 0; i < r->n_addresses; i++) {
		const struct address *a = groups[i].places[0].address;

		r->items[i] = groups[i].item;
		r->items[i].rr = block_add_rr(r->block, (enum rrtype)r->items[i].type, r->ttl_s, a->octets,
					      a->len, r->items[i].weight);
		for (size_t p = 0; p < groups[i].n; p++)
			groups[i].places[p].row->addresses[groups[i].places[p].nth] = (uint32_t)i;
	}
}

/* --- SRV --- */

static int compare_targets(const struct instance *a, const struct instance *b)
{
	const char *x = instance_host(a), *y = instance_host(b);
	const int order = memcmp(&a->address, &b->address, sizeof(a->address));

	return order != 0 ? order : strcmp(x != NULL ? x : "", y != NULL ? y : "");
}

/* Best first, equal targets side by side. */
static int compare_rows(const void *a, const void *b)
{
	const struct instance *x = ((const struct row *)a)->instance, *y = ((const struct row *)b)->instance;
	int order = compare_preference(x->weight, x->priority, y->weight, y->priority);

	if (order == 0)
		order = compare_targets(x, y);
	if (order == 0)
		order = (x->port > y->port) - (x->port < y->port);
	return order != 0 ? order : (x->weight > y->weight) - (x->weight < y->weight);
}

static uint32_t add_glue(struct rows *r, const struct row *row)
{
	uint32_t *rrs = rows_allocate(r, row->n_addresses, sizeof(*rrs));

	for (size_t i = 0; rrs != NULL && i < row->n_addresses; i++)
		rrs[i] = r->items[row->addresses[i]].rr;
	return rrs != NULL ? block_add_glue(r->block, rrs, row->n_addresses) : 0;
}

static int compare_row_targets(const void *a, const void *b)
{
	return compare_targets((*(struct row *const *)a)->instance, (*(struct row *const *)b)->instance);
}

/* One list for each target, however many ports and priorities it has. */
static void encode_glue(struct rows *r)
{
	struct row **by_target = rows_allocate(r, r->n, sizeof(struct row *));
	size_t n = 0;

	for (size_t i = 0; by_target != NULL && i < r->n; i++) {
		if (r->rows[i].instance->port != 0)
			by_target[n++] = &r->rows[i];
	}
	if (n > 0)
		sort_items(by_target, n, sizeof(struct row *), compare_row_targets);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && compare_row_targets(&by_target[i - 1], &by_target[i]) == 0)
			by_target[i]->glue = by_target[i - 1]->glue;
		else
			by_target[i]->glue = add_glue(r, by_target[i]);
	}
}

/* The target is the registry's own host name where there is one, else the name that spells the address: one
 * name for each address, so that port and address stay together. That one is written as rdata_from_srv()
 * does, but without a struct name between: there is one for every instance. 0: the name is too long. */
static size_t write_srv(const struct rows *r, const struct row *row, uint8_t rdata[RDATA_OCTETS_MAX])
{
	const struct instance *in = row->instance;
	const char *host = instance_host(in);
	char *label = (char *)rdata + 7;
	struct name target;

	if (host != NULL)
		return name_from_text(host, strlen(host), &target)
			       ? rdata_from_srv(in->priority, in->weight, in->port, &target, rdata)
			       : 0;
	const size_t len = r->addr.len > 0 ? label_from_address(row->at, label) : 0;
	if (len == 0 || 1 + len + r->addr.len > NAME_OCTETS_MAX)
		return 0;
	put_u16(rdata, in->priority);
	put_u16(rdata + 2, in->weight);
	put_u16(rdata + 4, in->port);
	rdata[6] = (uint8_t)len;
	memcpy(rdata + 7 + len, r->addr.octets, r->addr.len);
	return 7 + len + r->addr.len;
}

static uint32_t add_srv(struct rows *r, const struct row *row)
{
	const struct instance *in = row->instance;
	uint8_t rdata[RDATA_OCTETS_MAX];
	const size_t len = write_srv(r, row, rdata);

	if (len == 0) {
		r->error = -ENAMETOOLONG;
		return ROW_WITHOUT_SRV;
	}
	const uint32_t rr = block_add_rr(r->block, RRTYPE_SRV, r->ttl_s, rdata, len, in->weight);
	block_set_glue(r->block, rr, row->glue);
	r->items[r->n_items] =
		(struct item){ .rr = rr, .type = RRTYPE_SRV, .weight = in->weight, .priority = in->priority };
	return (uint32_t)r->n_items++;
}

/* Two instances that differ in name or protocol only are one SRV. */
static void encode_srvs(struct rows *r)
{
	const struct row *last = NULL;

	encode_glue(r);
	for (size_t i = 0; r->error == 0 && i < r->n; i++) {
		struct row *row = &r->rows[i];

		if (row->instance->port == 0)
			continue;
		row->srv = last != NULL && compare_rows(last, row) == 0 ? last->srv : add_srv(r, row);
		last = row;
	}
}

static void take_members(struct rows *r, const struct selection *selection)
{
	r->rows = rows_allocate(r, selection->n, sizeof(*r->rows));
	for (size_t i = 0; r->error == 0 && i < selection->n; i++) {
		const struct member *m = &selection->members[i];

		r->rows[r->n++] =
			(struct row){ .instance = m->instance,
				      .at = m->addresses,
				      .n_addresses = m->n_addresses,
				      .addresses = rows_allocate(r, m->n_addresses, sizeof(uint32_t)),
				      .srv = ROW_WITHOUT_SRV };
	}
	if (r->error == 0)
		sort_items(r->rows, r->n, sizeof(*r->rows), compare_rows);
}

void rows_init(struct rows *r, struct rows_room *room, struct block_builder *block,
	       const struct zone_options *z, uint32_t ttl_s, const struct selection *selection)
{
	*r = (struct rows){ .room = room, .block = block, .ttl_s = ttl_s, .addr = z->origin };
	if (!name_prepend(&r->addr, "addr", 4))
		r->addr.len = 0;
	take_members(r, selection);
	encode_addresses(r);
	encode_srvs(r);
}

void rows_finish(struct rows *r)
{
	arena_finish(&r->arena);
}

/* --- RRsets --- */

static int compare_indexes(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Sorts the picked items and drops repeated ones; items being sorted by preference, so are they then. */
static size_t unite(uint32_t *picked, size_t n)
{
	size_t kept = 0;

	sort_items(picked, n, sizeof(*picked), compare_indexes);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || picked[kept - 1] != picked[i])
			picked[kept++] = picked[i];
	}
	return kept < RRSET_RRS_MAX ? kept : RRSET_RRS_MAX;
}

/* Adds the picked items of one type as an RRset, if there are any. */
static void add_set(struct rows *r, uint16_t type, size_t n_picked, struct sets *sets)
{
	uint32_t *rrs = rows_allocate(r, n_picked, sizeof(*rrs));
	uint16_t ends[UINT8_MAX];
	struct rrset_order order = { .tier_ends = ends };
	const struct item *last = NULL;
	uint16_t n = 0;

	for (size_t i = 0; rrs != NULL && i < n_picked; i++) {
		const struct item *item = &r->items[r->picked[i]];

		if (item->type != type)
			continue;
		/* Nobody runs 255 priorities: what comes behind shares the last tier. */
		if (last == NULL || (compare_items(last, item) != 0 && order.n_tiers < UINT8_MAX))
			order.n_tiers++;
		else if (last->weight != item->weight)
			order.weighted = true;
		if (item->weight > order.max_weight)
			order.max_weight = item->weight;
		rrs[n++] = item->rr;
		ends[order.n_tiers - 1] = n;
		order.n_active = (uint16_t)(order.n_active + (item->weight > 0));
		last = item;
	}
	if (n > 0)
		sets->at[sets->n++] = block_add_rrset(r->block, (enum rrtype)type, rrs, n, &order);
}

void rows_add_addresses(struct rows *r, struct row *const *rows, size_t n, struct sets *sets)
{
	size_t n_picked = 0;

	for (size_t i = 0; r->error == 0 && i < n; i++) {
		for (size_t a = 0; a < rows[i]->n_addresses; a++)
			r->picked[n_picked++] = rows[i]->addresses[a];
	}
	n_picked = unite(r->picked, n_picked);
	add_set(r, RRTYPE_A, n_picked, sets);
	add_set(r, RRTYPE_AAAA, n_picked, sets);
}

void rows_add_srvs(struct rows *r, struct row *const *rows, size_t n, struct sets *sets)
{
	size_t n_picked = 0;

	for (size_t i = 0; r->error == 0 && i < n; i++) {
		if (rows[i]->srv != ROW_WITHOUT_SRV)
			r->picked[n_picked++] = rows[i]->srv;
	}
	add_set(r, RRTYPE_SRV, unite(r->picked, n_picked), sets);
}
