/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/random.h"

#include <string.h>

#include "harness.h"

enum { DRAWS = 200000 };

START_TEST(two_seeds_differ)
{
	struct random a, b;

	random_seed(&a);
	random_seed(&b);
	ck_assert_mem_ne(&a, &b, sizeof(a));
	ck_assert_uint_ne(random_next(&a), random_next(&b));
}
END_TEST

/* The reference implementation's first draws from the state 1, 2, 3, 4. */
START_TEST(the_sequence_is_that_of_xoshiro256_plus_plus)
{
	static const uint64_t expected[] = { 41943041ULL, 58720359ULL, 3588806011781223ULL,
					     3591011842654386ULL, 9228616714210784205ULL };
	struct random r = { .state = { 1, 2, 3, 4 } };

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		ck_assert_uint_eq(random_next(&r), expected[i]);
}
END_TEST

static const uint32_t bounds[] = { 1, 2, 3, 5, 7, 10, 16, 28, 100 };

/* Pearson's chi-squared against uniform. With n - 1 degrees of freedom its mean is n - 1 and its deviation
 * sqrt(2(n - 1)); 8 deviations above is further than chance comes in the lifetime of the project. */
START_TEST(draws_below_n_are_uniform)
{
	const uint32_t n = bounds[_i];
	const double expected = (double)DRAWS / n;
	unsigned counts[101] = { 0 };
	double chi_squared = 0;
	struct random r;

	random_seed(&r);
	for (int i = 0; i < DRAWS; i++) {
		const uint32_t draw = random_below(&r, n);

		counts[draw < n ? draw : n]++;
	}
	ck_assert_uint_eq(counts[n], 0);
	for (uint32_t i = 0; i < n; i++)
		chi_squared += (counts[i] - expected) * (counts[i] - expected) / expected;

	const double excess = chi_squared - (n - 1);
	ck_assert_msg(excess <= 0 || excess * excess <= 64.0 * 2 * (n - 1), "n=%u: chi squared %f", n,
		      chi_squared);
}
END_TEST

/* A plain remainder would draw the lower third of 3 * 2^30 twice as often. */
START_TEST(large_bounds_have_no_bias)
{
	const uint32_t n = 3U << 30;
	unsigned low = 0;
	struct random r;

	random_seed(&r);
	for (int i = 0; i < DRAWS; i++)
		low += random_below(&r, n) < 1U << 30;
	ck_assert_uint_gt(low, DRAWS / 3 - 3000); /* 3,000: 14 deviations of a binomial count */
	ck_assert_uint_lt(low, DRAWS / 3 + 3000);
	ck_assert_uint_eq(random_below(&r, 0), 0);
	ck_assert_uint_lt(random_below(&r, UINT32_MAX), UINT32_MAX);
}
END_TEST

START_TEST(the_unit_is_open_at_both_ends)
{
	struct random r;
	unsigned outside = 0;
	double sum = 0;

	random_seed(&r);
	for (int i = 0; i < DRAWS; i++) {
		const float u = random_unit(&r);

		outside += u <= 0.0f || u >= 1.0f;
		sum += (double)u;
	}
	ck_assert_uint_eq(outside, 0);
	ck_assert_double_eq_tol(sum / DRAWS, 0.5, 0.01); /* 0.01: 15 deviations of the mean */
}
END_TEST

START_TEST(query_ids_are_spread_and_do_not_repeat_their_blocks)
{
	static struct random_ids ids;
	static unsigned counts[65536];
	uint16_t first[64];
	unsigned distinct = 0, same = 0;

	for (unsigned i = 0; i < 64; i++)
		first[i] = random_id(&ids);
	for (unsigned i = 64; i < 2048; i++)
		random_id(&ids);
	for (unsigned i = 0; i < 64; i++)
		same += random_id(&ids) == first[i];
	ck_assert_uint_lt(same, 8);

	for (unsigned i = 0; i < 65536; i++)
		counts[random_id(&ids)]++;
	for (unsigned i = 0; i < 65536; i++)
		distinct += counts[i] > 0;
	/* 1 - 1/e of them, 41427, give or take a hundred. */
	ck_assert_uint_gt(distinct, 40400);
	ck_assert_uint_lt(distinct, 42400);
}
END_TEST

START_TEST(octets_from_the_kernel_fill_all_of_the_room)
{
	uint8_t a[300] = { 0 }, touched[300] = { 0 };

	for (int round = 0; round < 32; round++) {
		random_octets(a, sizeof(a) - 1);
		for (size_t i = 0; i < sizeof(a); i++)
			touched[i] |= a[i];
	}
	for (size_t i = 0; i < sizeof(a) - 1; i++)
		ck_assert_uint_ne(touched[i], 0);
	ck_assert_uint_eq(touched[sizeof(a) - 1], 0);
	random_octets(a, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("random");
	TCase *draws = tcase_create("draws");
	TCase *kernel = tcase_create("kernel");

	tcase_add_test(draws, two_seeds_differ);
	tcase_add_test(draws, the_sequence_is_that_of_xoshiro256_plus_plus);
	tcase_add_loop_test(draws, draws_below_n_are_uniform, 0, sizeof(bounds) / sizeof(bounds[0]));
	tcase_add_test(draws, large_bounds_have_no_bias);
	tcase_add_test(draws, the_unit_is_open_at_both_ends);
	tcase_add_test(kernel, query_ids_are_spread_and_do_not_repeat_their_blocks);
	tcase_add_test(kernel, octets_from_the_kernel_fill_all_of_the_room);
	suite_add_tcase(suite, draws);
	suite_add_tcase(suite, kernel);
	return harness_run(suite);
}
