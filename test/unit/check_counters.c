/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/counters.h"

#include "harness.h"

enum { ROWS = 3 };

START_TEST(rows_are_counted_apart_and_read_together)
{
	struct counters *c = counters_create(ROWS);

	ck_assert_ptr_nonnull(c);
	for (enum counter which = 0; which < COUNTERS; which++)
		ck_assert_uint_eq(counters_sum(c, which), 0);
	for (unsigned i = 0; i < ROWS; i++) {
		for (unsigned n = 0; n < 10 * (i + 1); n++)
			counter_add(counters_row(c, i), COUNTER_REFUSED);
	}
	counter_add(counters_row(c, 1), COUNTER_HOLD_FULL);
	ck_assert_uint_eq(counters_sum(c, COUNTER_REFUSED), 60);
	ck_assert_uint_eq(counters_sum(c, COUNTER_HOLD_FULL), 1);
	ck_assert_uint_eq(counters_sum(c, COUNTER_TCP_CLOSED), 0);
	counters_destroy(c);
}
END_TEST

START_TEST(no_two_rows_share_a_cache_line)
{
	struct counters *c = counters_create(ROWS);

	for (unsigned i = 0; i < ROWS; i++)
		ck_assert_uint_eq((uintptr_t)counters_row(c, i) % 64, 0);
	counters_destroy(c);
}
END_TEST

START_TEST(each_has_a_name_of_its_own)
{
	for (enum counter i = 0; i < COUNTERS; i++) {
		ck_assert_ptr_nonnull(counter_name(i));
		for (enum counter j = 0; j < i; j++)
			ck_assert_str_ne(counter_name(i), counter_name(j));
	}
}
END_TEST

START_TEST(without_a_row_nothing_happens)
{
	counter_add(NULL, COUNTER_REFUSED);
	counters_destroy(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("counters");
	TCase *tc = tcase_create("counters");

	tcase_add_test(tc, rows_are_counted_apart_and_read_together);
	tcase_add_test(tc, no_two_rows_share_a_cache_line);
	tcase_add_test(tc, each_has_a_name_of_its_own);
	tcase_add_test(tc, without_a_row_nothing_happens);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
