/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/order.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"

static struct order *order;
static struct block *block;

static void set_up(void)
{
	order = malloc(sizeof(*order));
	ck_assert_ptr_nonnull(order);
	order_init(order);
}

static void tear_down(void)
{
	free(order);
	block_destroy(block);
	block = NULL;
}

/* An RRset of n A RRs with these weights (NULL: all 1) and tiers. */
static const struct rrset *make_set(unsigned n, const uint16_t *weights, const struct rrset_order *o)
{
	const struct block_options options = { 0 };
	uint32_t *rrs = calloc(n, sizeof(*rrs));
	struct block_builder b;

	block_begin(&b, &options);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t rdata[4] = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i };

		rrs[i] = block_add_rr(&b, RRTYPE_A, 1, rdata, 4, weights != NULL ? weights[i] : 1);
	}
	const uint32_t at = block_add_rrset(&b, RRTYPE_A, rrs, n, o);
	free(rrs);
	ck_assert_int_eq(block_seal(&b, &block), 0);
	return block_rrset(block, at);
}

START_TEST(a_draw_is_a_permutation)
{
	const struct rrset *set = make_set(500, NULL, NULL);
	bool seen[500] = { false };

	for (int round = 0; round < 100; round++) {
		memset(seen, 0, sizeof(seen));
		ck_assert_uint_eq(order_draw(order, block, set, 600), 500);
		for (int i = 0; i < 500; i++) {
			ck_assert(!seen[order->drawn[i]]);
			seen[order->drawn[i]] = true;
		}
	}
	for (uint32_t i = 0; i < ORDER_RRS_MAX; i++) /* left as it was found */
		ck_assert_uint_eq(order->slots[i], i);
}
END_TEST

/* 30,000 draws of 1 in 3: the standard deviation of a count is 82, so 5 of them are 410. */
START_TEST(each_place_is_equally_likely)
{
	const struct rrset *set = make_set(3, NULL, NULL);
	int first[3] = { 0 }, last[3] = { 0 };

	for (int i = 0; i < 30000; i++) {
		order_draw(order, block, set, 3);
		first[order->drawn[0]]++;
		last[order->drawn[2]]++;
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_int_lt(abs(first[i] - 10000), 410);
		ck_assert_int_lt(abs(last[i] - 10000), 410);
	}
}
END_TEST

START_TEST(weights_are_shares_of_the_first_place)
{
	static const uint16_t weights[] = { 1, 2, 7 };
	const uint16_t end = 3;
	const struct rrset_order o = {
		.n_active = 3, .n_tiers = 1, .weighted = true, .max_weight = 7, .tier_ends = &end
	};
	const struct rrset *set = make_set(3, weights, &o);
	int first[3] = { 0 };

	for (int i = 0; i < 30000; i++) {
		ck_assert_uint_eq(order_draw(order, block, set, 1), 1);
		first[order->drawn[0]]++;
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_lt(abs(first[i] - 3000 * weights[i]), 450);
}
END_TEST

START_TEST(tiers_come_one_after_the_other)
{
	static const uint16_t weights[] = { 5, 1, 3, 0, 0 }, ends[] = { 2, 3, 5 };
	const struct rrset_order o = {
		.n_active = 3, .n_tiers = 3, .weighted = true, .max_weight = 5, .tier_ends = ends
	};
	const struct rrset *set = make_set(5, weights, &o);
	int drained_first = 0;

	for (int i = 0; i < 1000; i++) {
		ck_assert_uint_eq(order_draw(order, block, set, 5), 5);
		ck_assert_uint_lt(order->drawn[0], 2);
		ck_assert_uint_lt(order->drawn[1], 2);
		ck_assert_uint_ne(order->drawn[0], order->drawn[1]);
		ck_assert_uint_eq(order->drawn[2], 2);
		ck_assert_uint_ge(order->drawn[3], 3);
		drained_first += order->drawn[3] == 3;
	}
	ck_assert_int_gt(drained_first, 300);
	ck_assert_int_lt(drained_first, 700);
}
END_TEST

/* 100 of weight 1 and 100 of weight 3: three of four first places go to the heavy ones, however they are
 * drawn. */
START_TEST(a_few_of_many_keep_their_shares)
{
	static uint16_t weights[200];
	const uint16_t end = 200;
	const struct rrset_order o = {
		.n_active = 200, .n_tiers = 1, .weighted = true, .max_weight = 3, .tier_ends = &end
	};
	int heavy = 0;

	for (int i = 0; i < 200; i++)
		weights[i] = i < 100 ? 1 : 3;
	const struct rrset *set = make_set(200, weights, &o);
	for (int i = 0; i < 20000; i++) {
		ck_assert_uint_eq(order_draw(order, block, set, 5), 5);
		heavy += order->drawn[0] >= 100;
		for (int a = 0; a < 5; a++)
			for (int b = a + 1; b < 5; b++)
				ck_assert_uint_ne(order->drawn[a], order->drawn[b]);
	}
	ck_assert_int_lt(abs(heavy - 15000), 310); /* five standard deviations */
	for (uint32_t i = 0; i < ORDER_RRS_MAX; i++)
		ck_assert_uint_eq(order->slots[i], i);
}
END_TEST

/* One of weight 65535 and 999 of weight 1: uniform draws would hardly ever be kept. */
START_TEST(very_uneven_weights_are_drawn_too)
{
	static uint16_t weights[1000];
	const uint16_t end = 1000;
	const struct rrset_order o = {
		.n_active = 1000, .n_tiers = 1, .weighted = true, .max_weight = 65535, .tier_ends = &end
	};
	int heavy = 0;

	for (int i = 0; i < 1000; i++)
		weights[i] = i == 500 ? 65535 : 1;
	const struct rrset *set = make_set(1000, weights, &o);
	for (int i = 0; i < 500; i++) {
		ck_assert_uint_eq(order_draw(order, block, set, 10), 10);
		heavy += order->drawn[0] == 500;
	}
	ck_assert_int_gt(heavy, 470); /* 985 of 1,000 are expected */
}
END_TEST

START_TEST(weighted_draws_of_a_large_set_are_permutations)
{
	static uint16_t weights[5000];
	static bool seen[5000];
	const uint16_t end = 5000;
	const struct rrset_order o = {
		.n_active = 5000, .n_tiers = 1, .weighted = true, .max_weight = 5000, .tier_ends = &end
	};

	for (int i = 0; i < 5000; i++)
		weights[i] = (uint16_t)(i + 1);
	const struct rrset *set = make_set(5000, weights, &o);
	ck_assert_uint_eq(order_draw(order, block, set, 4000), 4000);
	for (int i = 0; i < 4000; i++) {
		ck_assert(!seen[order->drawn[i]]);
		seen[order->drawn[i]] = true;
	}
	for (uint32_t i = 0; i < ORDER_RRS_MAX; i++)
		ck_assert_uint_eq(order->slots[i], i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("order");
	TCase *draws = tcase_create("draws");

	tcase_add_checked_fixture(draws, set_up, tear_down);
	tcase_add_test(draws, a_draw_is_a_permutation);
	tcase_add_test(draws, each_place_is_equally_likely);
	tcase_add_test(draws, weights_are_shares_of_the_first_place);
	tcase_add_test(draws, tiers_come_one_after_the_other);
	tcase_add_test(draws, a_few_of_many_keep_their_shares);
	tcase_add_test(draws, very_uneven_weights_are_drawn_too);
	tcase_add_test(draws, weighted_draws_of_a_large_set_are_permutations);
	suite_add_tcase(suite, draws);
	return harness_run(suite);
}
