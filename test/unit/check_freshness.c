/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/freshness.h"

#include "harness.h"

static struct freshness *board;
static const struct round_counts counts = { .services = 3, .instances = 9, .dropped = 1, .held = 2 };

static void set_up(void)
{
	board = freshness_create(3);
	ck_assert_int_eq(freshness_name(board, 0, "dc1", "http", true), 0);
	ck_assert_int_eq(freshness_name(board, 1, "local", "file", true), 0);
	ck_assert_int_eq(freshness_name(board, 2, "fixed", "static", false), 0);
}

static void tear_down(void)
{
	freshness_destroy(board);
}

/* A good round that ended then. */
static void hear(size_t row, uint64_t now_ms)
{
	freshness_recount(board, row, &counts);
	freshness_heard(board, row, now_ms);
	freshness_state(board, row, REGISTRY_OK);
}

START_TEST(a_registry_starts_out_waiting)
{
	struct freshness_view v;

	freshness_view(board, 1, 5000, &v);
	ck_assert_str_eq(v.name, "local");
	ck_assert_str_eq(v.kind, "file");
	ck_assert_int_eq(v.state, REGISTRY_WAITING);
	ck_assert(!v.spoken);
	ck_assert_uint_eq(v.age_ms, 0);
}
END_TEST

START_TEST(a_good_round_makes_young_a_bad_one_does_not)
{
	struct freshness_view v;

	hear(0, 1000);
	freshness_bad(board, 0);
	freshness_view(board, 0, 4500, &v);
	ck_assert_int_eq(v.state, REGISTRY_FAILING);
	ck_assert(v.spoken);
	ck_assert_uint_eq(v.age_ms, 3500);
	ck_assert_uint_eq(v.failures, 1);
	ck_assert_uint_eq(v.instances, 9);
	hear(0, 5000);
	freshness_view(board, 0, 4999, &v); /* a reader's clock reading may be older */
	ck_assert_int_eq(v.state, REGISTRY_OK);
	ck_assert_uint_eq(v.age_ms, 0);
}
END_TEST

START_TEST(only_data_older_than_the_limit_is_stale)
{
	hear(0, 1000);
	hear(1, 3000);
	hear(2, 0);
	ck_assert_int_eq(freshness_find_stale(board, 7, 30000, 31000), -1);
	ck_assert_int_eq(freshness_find_stale(board, 7, 30000, 31001), 0);
	ck_assert_int_eq(freshness_find_stale(board, 6, 30000, 33001), 1);
	ck_assert_int_eq(freshness_find_stale(board, 4, 30000, 99999999),
			 -1); /* written in the configuration */
	ck_assert_int_eq(freshness_find_stale(board, 0, 0, 99999999), -1);
}
END_TEST

START_TEST(a_row_is_inherited_whole)
{
	struct freshness *next = freshness_create(1);
	struct freshness_view v;

	ck_assert_int_eq(freshness_name(next, 0, "dc1", "http", true), 0);
	hear(0, 1000);
	freshness_bad(board, 0);
	freshness_inherit(next, 0, board, 0, 1500);
	freshness_view(next, 0, 2000, &v);
	ck_assert_int_eq(v.state, REGISTRY_FAILING);
	ck_assert_uint_eq(v.age_ms, 1000);
	ck_assert_uint_eq(v.services, 3);
	ck_assert_uint_eq(v.failures, 1);
	freshness_destroy(next);
}
END_TEST

START_TEST(what_was_always_true_is_inherited_as_true_until_now)
{
	struct freshness *next = freshness_create(1);
	struct freshness_view v;

	ck_assert_int_eq(freshness_name(next, 0, "dc1", "etcd", true), 0);
	freshness_heard(board, 0, FRESHNESS_NOW);
	freshness_inherit(next, 0, board, 0, 1500);
	freshness_view(next, 0, 2000, &v);
	ck_assert_uint_eq(v.age_ms, 500);
	freshness_destroy(next);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("freshness");
	TCase *rows = tcase_create("rows");

	tcase_add_checked_fixture(rows, set_up, tear_down);
	tcase_add_test(rows, a_registry_starts_out_waiting);
	tcase_add_test(rows, a_good_round_makes_young_a_bad_one_does_not);
	tcase_add_test(rows, only_data_older_than_the_limit_is_stale);
	tcase_add_test(rows, a_row_is_inherited_whole);
	tcase_add_test(rows, what_was_always_true_is_inherited_as_true_until_now);
	suite_add_tcase(suite, rows);
	return harness_run(suite);
}
