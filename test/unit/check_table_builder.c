/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/table_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model/freshness.h"

static struct freshness *board;
static struct table_builder *builder;

static void set_up(void)
{
	struct table_zone zones[2] = { { .n_labels = 3, .negative_ttl_s = 1 }, { .n_labels = 2 } };

	ck_assert(name_from_text("eu.service.local", 16, &zones[0].origin));
	ck_assert(name_from_text("service.local", 13, &zones[1].origin));
	board = freshness_create(1);
	ck_assert_int_eq(freshness_name(board, 0, "dc1", "file", true), 0);
	ck_assert_int_eq(table_builder_create(zones, 2, board, NULL, &builder), 0);
}

static void tear_down(void)
{
	table_builder_destroy(builder);
	freshness_destroy(board);
}

static struct name name_of(const char *text)
{
	struct name n;

	ck_assert(name_from_text(text, strlen(text), &n));
	return n;
}

/* A block with one A at each of n names "first..first+n-1" below the zone. */
static struct block *make_block(const char *prefix, unsigned n, uint8_t last_octet, enum owner_rank rank)
{
	const struct block_options options = { .negative_ttl_s = 1, .registries = 1 };
	const uint8_t rdata[] = { 10, 0, 0, last_octet };
	struct block_builder b;
	struct block *block;

	block_begin(&b, &options);
	for (unsigned i = 0; i < n; i++) {
		char text[64];
		const uint32_t rr = block_add_rr(&b, RRTYPE_A, 2, rdata, 4, 1);
		const uint32_t set = block_add_rrset(&b, RRTYPE_A, &rr, 1, NULL);

		snprintf(text, sizeof(text), "%s%u.service.local", prefix, i);
		const struct name name = name_of(text);
		block_add_owner(&b, rank, &name, &set, 1);
	}
	ck_assert_int_eq(block_seal(&b, &block), 0);
	return block;
}

static const struct table *seal(void)
{
	const struct table *t = NULL;

	ck_assert_int_eq(table_builder_seal(builder, &t), 0);
	return t;
}

static struct owners find(const struct table *t, const char *text)
{
	const struct name n = name_of(text);

	return table_find(t, n.octets, n.len);
}

/* The last octet of the one address at a name, -1 when there is no such name. */
static int answer(const struct table *t, const char *text)
{
	const struct owners found = find(t, text);

	if (found.n == 0)
		return -1;
	const struct rrset *set = owner_rrset(found.at[0], RRTYPE_A);
	const struct rr *rr = block_rr(found.at[0]->block, set->rrs[0]);
	return rr->octets[rr->len - 1];
}

START_TEST(an_rr_is_ready_to_be_copied)
{
	static const uint8_t expected[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 2, 0, 4, 10, 0, 0, 7 };

	ck_assert_int_eq(table_builder_replace(builder, NULL, make_block("a", 1, 7, OWNER_SERVICE)), 0);
	const struct owners found = find(seal(), "a0.service.local");
	ck_assert_uint_eq(found.n, 1);
	ck_assert_uint_eq(found.at[0]->block->options.registries, 1);
	const struct rr *rr = block_rr(found.at[0]->block, owner_rrset(found.at[0], RRTYPE_A)->rrs[0]);
	ck_assert_uint_eq(rr->len, sizeof(expected));
	ck_assert_mem_eq(rr->octets, expected, sizeof(expected));
	ck_assert_ptr_null(owner_rrset(found.at[0], RRTYPE_AAAA));
}
END_TEST

START_TEST(every_name_of_many_is_found_and_no_other)
{
	char text[64];

	ck_assert_int_eq(table_builder_replace(builder, NULL, make_block("x", 20000, 1, OWNER_SERVICE)), 0);
	ck_assert_int_eq(table_builder_replace(builder, NULL, make_block("y", 3, 2, OWNER_SERVICE)), 0);
	const struct table *t = seal();
	ck_assert_uint_eq(t->n_owners, 20003);
	ck_assert_uint_gt(t->n_shards, 1);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "x%u.service.local", i);
		ck_assert_int_eq(answer(t, text), 1);
	}
	ck_assert_int_eq(answer(t, "y2.service.local"), 2);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "z%u.service.local", i);
		ck_assert_int_eq(answer(t, text), -1);
	}
}
END_TEST

START_TEST(a_table_never_changes_while_the_next_ones_are_made)
{
	struct block *first = make_block("a", 100, 1, OWNER_SERVICE);

	ck_assert_int_eq(table_builder_replace(builder, NULL, first), 0);
	const struct table *one = seal();
	ck_assert_int_eq(table_builder_replace(builder, first, make_block("a", 50, 2, OWNER_SERVICE)), 0);
	const struct table *two = seal();
	ck_assert_int_eq(answer(one, "a7.service.local"), 1);
	ck_assert_int_eq(answer(one, "a99.service.local"), 1);
	ck_assert_int_eq(answer(two, "a7.service.local"), 2);
	ck_assert_int_eq(answer(two, "a99.service.local"), -1);
	ck_assert_uint_eq(two->n_owners, 50);
	ck_assert_uint_eq(two->generation, one->generation + 1);
	ck_assert_int_gt((int32_t)(two->serial - one->serial), 0);

	ck_assert(!table_builder_reclaim(builder, one->generation));
	ck_assert_int_eq(answer(one, "a7.service.local"), 1); /* still read */
	ck_assert(table_builder_reclaim(builder, two->generation));
	ck_assert_int_eq(answer(two, "a7.service.local"), 2);
}
END_TEST

START_TEST(shards_without_a_change_are_shared)
{
	ck_assert_int_eq(table_builder_replace(builder, NULL, make_block("x", 10000, 1, OWNER_SERVICE)), 0);
	const struct table *one = seal();
	ck_assert_int_eq(table_builder_replace(builder, NULL, make_block("new", 1, 2, OWNER_SERVICE)), 0);
	const struct table *two = seal();
	unsigned differ = 0;

	ck_assert_uint_eq(one->n_shards, two->n_shards);
	for (uint32_t i = 0; i < one->n_shards; i++)
		differ += one->shards[i] != two->shards[i];
	ck_assert_uint_eq(differ, 1);
}
END_TEST

START_TEST(a_block_put_and_dropped_before_a_table_is_in_none)
{
	struct block *block = make_block("a", 3, 1, OWNER_SERVICE);

	ck_assert_int_eq(table_builder_replace(builder, NULL, block), 0);
	ck_assert_int_eq(table_builder_replace(builder, block, NULL), 0);
	const struct table *t = seal();
	ck_assert_int_eq(answer(t, "a0.service.local"), -1);
	ck_assert_uint_eq(t->n_owners, 0);
	ck_assert(table_builder_reclaim(builder, t->generation));
}
END_TEST

START_TEST(the_better_rank_comes_first)
{
	ck_assert_int_eq(table_builder_replace(builder, NULL, make_block("a", 1, 3, OWNER_PART)), 0);
	ck_assert_int_eq(table_builder_replace(builder, NULL, make_block("a", 1, 4, OWNER_SERVICE)), 0);
	ck_assert_int_eq(table_builder_replace(builder, NULL, make_block("a", 1, 5, OWNER_EMPTY)), 0);
	const struct table *t = seal();
	ck_assert_int_eq(answer(t, "a0.service.local"), 4);
}
END_TEST

START_TEST(one_address_in_many_services_stays_findable)
{
	const struct address address = { .octets = { 127, 0, 0, 1 }, .len = 4 };
	const struct address other = { .octets = { 127, 0, 0, 1 }, .len = 16 };
	const struct block_options options = { 0 };
	struct block *blocks[300];

	for (int i = 0; i < 300; i++) {
		const struct name target = name_of("x.service.local");
		struct block_builder b;

		block_begin(&b, &options);
		const uint32_t rr = block_add_rr(&b, RRTYPE_PTR, 2, target.octets, target.len, 1);
		block_add_reverse(&b, &address, block_add_rrset(&b, RRTYPE_PTR, &rr, 1, NULL));
		ck_assert_int_eq(block_seal(&b, &blocks[i]), 0);
		ck_assert_int_eq(table_builder_replace(builder, NULL, blocks[i]), 0);
	}
	const struct table *t = seal();
	ck_assert_uint_eq(table_find_address(t, &address).n, 300);
	ck_assert_uint_eq(table_find_address(t, &other).n, 0);
	for (int i = 0; i < 299; i++)
		ck_assert_int_eq(table_builder_replace(builder, blocks[i], NULL), 0);
	ck_assert_uint_eq(table_find_address(seal(), &address).n, 1);
}
END_TEST

START_TEST(the_longest_zone_wins)
{
	static const uint8_t labels[] = { 0, 2, 5, 13, 19 };
	const struct name inner = name_of("a.eu.service.local");
	const struct table *t = seal();

	ck_assert_ptr_eq(table_find_zone(t, &inner, labels, 4), &t->zones[0]);
	const struct name outer = name_of("eu.service.local");
	ck_assert_ptr_eq(table_find_zone(t, &outer, labels, 3), &t->zones[0]);
	static const uint8_t other_labels[] = { 0, 9, 15 };
	const struct name similar = name_of("xservice.local");
	ck_assert_ptr_null(table_find_zone(t, &similar, other_labels, 2));
}
END_TEST

START_TEST(zone_data_is_part_of_the_table)
{
	const struct table *one = seal();

	ck_assert(!table_builder_is_changed(builder));
	table_builder_set_zone_data(builder, 1, ZONE_HEARD);
	ck_assert(table_builder_is_changed(builder));
	const struct table *two = seal();
	ck_assert_int_eq(one->zones[1].data, ZONE_SILENT);
	ck_assert_int_eq(two->zones[1].data, ZONE_HEARD);
	table_builder_set_zone_data(builder, 1, ZONE_HEARD);
	ck_assert(!table_builder_is_changed(builder));
}
END_TEST

START_TEST(the_next_builder_counts_on)
{
	struct table_builder *next;
	const struct table *one = NULL, *two;

	for (int i = 0; i < 50; i++) {
		table_builder_set_zone_data(builder, 1, i % 2 == 0 ? ZONE_PARTIAL : ZONE_HEARD);
		one = seal();
	}
	ck_assert_int_eq(table_builder_create(one->zones, 2, board, builder, &next), 0);
	ck_assert_int_eq(table_builder_seal(next, &two), 0);
	ck_assert_uint_eq(two->generation, one->generation + 1);
	ck_assert_int_gt((int32_t)(two->serial - one->serial), 0);
	table_builder_destroy(next);
}
END_TEST

START_TEST(many_services_below_one_empty_name_do_not_slow_it)
{
	const struct block_options options = { 0 };
	const struct name shop = name_of("shop.service.local");

	for (int i = 0; i < 3000; i++) {
		struct block_builder b;
		struct block *block;

		block_begin(&b, &options);
		block_add_owner(&b, OWNER_EMPTY, &shop, NULL, 0);
		ck_assert_int_eq(block_seal(&b, &block), 0);
		ck_assert_int_eq(table_builder_replace(builder, NULL, block), 0);
	}
	ck_assert_uint_eq(find(seal(), "shop.service.local").n, 1); /* the best is all that is asked for */
}
END_TEST

/* A random walk of puts and drops against a plain list of what should be there. */
START_TEST(a_thousand_changes_leave_what_they_should)
{
	struct block *present[64] = { 0 };
	uint8_t value[64] = { 0 };
	char prefix[16], text[32];

	srandom(7);
	for (int step = 0; step < 1000; step++) {
		const int i = (int)(random() % 64);
		struct block *next = NULL;

		snprintf(prefix, sizeof(prefix), "s%d-", i);
		value[i] = (uint8_t)(1 + random() % 250);
		if (random() % 3 != 0)
			next = make_block(prefix, 5, value[i], OWNER_SERVICE);
		ck_assert_int_eq(table_builder_replace(builder, present[i], next), 0);
		present[i] = next;
		if (random() % 4 != 0)
			continue;
		const struct table *t = seal();
		table_builder_reclaim(builder, t->generation);
		for (int s = 0; s < 64; s++) {
			snprintf(text, sizeof(text), "s%d-4.service.local", s);
			ck_assert_int_eq(answer(t, text), present[s] != NULL ? value[s] : -1);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("table_builder");
	TCase *tables = tcase_create("tables");

	tcase_add_checked_fixture(tables, set_up, tear_down);
	tcase_set_timeout(tables, 30);
	tcase_add_test(tables, an_rr_is_ready_to_be_copied);
	tcase_add_test(tables, every_name_of_many_is_found_and_no_other);
	tcase_add_test(tables, a_table_never_changes_while_the_next_ones_are_made);
	tcase_add_test(tables, shards_without_a_change_are_shared);
	tcase_add_test(tables, a_block_put_and_dropped_before_a_table_is_in_none);
	tcase_add_test(tables, the_better_rank_comes_first);
	tcase_add_test(tables, one_address_in_many_services_stays_findable);
	tcase_add_test(tables, the_longest_zone_wins);
	tcase_add_test(tables, zone_data_is_part_of_the_table);
	tcase_add_test(tables, the_next_builder_counts_on);
	tcase_add_test(tables, many_services_below_one_empty_name_do_not_slow_it);
	tcase_add_test(tables, a_thousand_changes_leave_what_they_should);
	suite_add_tcase(suite, tables);
	return harness_run(suite);
}
