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

static const struct age_limits limits = { .stale_after_ms = 30000, .stale_max_ms = 3600000 };

/* What is said of registries heard at 1000 and 3000, and one written in the configuration. */
static const struct {
	uint64_t mask, true_ms, now_ms;
	enum age age;
	size_t row;
	uint64_t age_ms;
} ages[] = {
	{ 7, 0, 31000, AGE_FRESH, 0, 30000 },
	{ 7, 0, 31001, AGE_STALE, 0, 30001 },
	{ 6, 0, 33001, AGE_STALE, 1, 30001 },
	{ 4, 0, 99999999, AGE_FRESH, 2, 0 },
	{ 0, 0, 99999999, AGE_FRESH, 0, 0 },
	{ 3, 0, 3601001, AGE_STALE, 0, 3600001 }, /* one of two has not expired */
	{ 3, 0, 3603001, AGE_EXPIRED, 0, 3602001 },
	{ 7, 0, 99999999, AGE_STALE, 0, 99998999 }, /* static instances never do */
	{ 2, 2000, 32001, AGE_STALE, 1, 30001 },    /* the part that knows it is older than the registry */
	{ 2, 5000, 33000, AGE_FRESH, 1, 30000 },    /* or is not */
	{ 4, 2000, 99999999, AGE_FRESH, 2, 0 },
};

START_TEST(data_is_as_old_as_its_oldest_registry)
{
	hear(0, 1000);
	hear(1, 3000);
	hear(2, 0);
	const struct age_verdict v =
		freshness_judge(board, ages[_i].mask, ages[_i].true_ms, &limits, ages[_i].now_ms);

	ck_assert_int_eq(v.age, ages[_i].age);
	ck_assert_uint_eq(v.age_ms, ages[_i].age_ms);
	ck_assert_uint_eq(v.row, ages[_i].row);
}
END_TEST

START_TEST(without_a_greatest_age_data_never_expires)
{
	const struct age_limits for_ever = { .stale_after_ms = 30000 };

	hear(0, 1000);
	ck_assert_int_eq(freshness_judge(board, 1, 0, &for_ever, UINT64_C(1) << 50).age, AGE_STALE);
}
END_TEST

START_TEST(who_has_never_spoken_keeps_nothing_alive)
{
	hear(0, 1000);
	ck_assert_int_eq(freshness_judge(board, 3, 0, &limits, 3601001).age, AGE_EXPIRED);
	ck_assert_int_eq(freshness_judge(board, 2, 0, &limits, 3601001).age, AGE_FRESH);
}
END_TEST

START_TEST(data_from_the_disk_is_stale_until_the_registry_speaks)
{
	struct freshness_view v;

	freshness_restore(board, 0, 1000);
	freshness_view(board, 0, 1500, &v);
	ck_assert(v.spoken && v.restored);
	ck_assert_uint_eq(v.age_ms, 500);
	ck_assert_int_eq(freshness_judge(board, 1, 0, &limits, 1500).age, AGE_STALE);
	ck_assert_int_eq(freshness_judge(board, 1, 0, &limits, 3601001).age, AGE_EXPIRED);
	freshness_heard(board, 0, 1400);
	ck_assert_int_eq(freshness_judge(board, 1, 0, &limits, 1500).age, AGE_FRESH);
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
	tcase_add_loop_test(rows, data_is_as_old_as_its_oldest_registry, 0, sizeof(ages) / sizeof(ages[0]));
	tcase_add_test(rows, without_a_greatest_age_data_never_expires);
	tcase_add_test(rows, who_has_never_spoken_keeps_nothing_alive);
	tcase_add_test(rows, data_from_the_disk_is_stale_until_the_registry_speaks);
	tcase_add_test(rows, a_row_is_inherited_whole);
	tcase_add_test(rows, what_was_always_true_is_inherited_as_true_until_now);
	suite_add_tcase(suite, rows);
	return harness_run(suite);
}
