/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/inbox.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "harness.h"
#include "model/table.h"

enum { TABLES = 2000 };

static struct inbox inbox;

static void set_up(void)
{
	ck_assert_int_eq(inbox_init(&inbox), 0);
}

static void tear_down(void)
{
	inbox_finish(&inbox);
}

static struct table *make_table(uint64_t generation)
{
	struct table *t = calloc(1, sizeof(*t));

	ck_assert_ptr_nonnull(t);
	t->generation = generation;
	t->n_owners = generation * 3;
	return t;
}

START_TEST(an_empty_inbox_has_nothing)
{
	ck_assert_ptr_null(inbox_take(&inbox));
	ck_assert_uint_eq(inbox_acked(&inbox), 0);
}
END_TEST

START_TEST(the_newest_table_is_taken_and_acknowledged)
{
	struct table *one = make_table(1), *two = make_table(2);

	inbox_put(&inbox, one);
	inbox_put(&inbox, two);
	ck_assert_uint_eq(inbox_acked(&inbox), 0);
	ck_assert_ptr_eq(inbox_take(&inbox), two);
	ck_assert_uint_eq(inbox_acked(&inbox), 2);
	ck_assert_ptr_eq(inbox_take(&inbox), two);
	free(one);
	free(two);
}
END_TEST

START_TEST(a_put_wakes_until_drained)
{
	struct pollfd p = { .fd = inbox.wakeup, .events = POLLIN };
	struct table *one = make_table(1);

	ck_assert_int_eq(poll(&p, 1, 0), 0);
	inbox_put(&inbox, one);
	ck_assert_int_eq(poll(&p, 1, 0), 1);
	ck_assert_uint_eq(inbox_drained(&inbox), 0);
	inbox_drain(&inbox);
	ck_assert_uint_eq(inbox_drained(&inbox), 1);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	free(one);
}
END_TEST

START_TEST(a_parcel_changes_hands_once)
{
	static struct parcel p;
	int a, b;

	ck_assert_ptr_null(parcel_take(&p));
	ck_assert_ptr_null(parcel_put(&p, &a));
	ck_assert_ptr_eq(parcel_put(&p, &b), &a);
	ck_assert_ptr_eq(parcel_take(&p), &b);
	ck_assert_ptr_null(parcel_take(&p));
}
END_TEST

/* Reads tables as fast as it can until the last one; says through the return value whether all were whole. */
static void *read_tables(void *arg)
{
	bool whole = true;

	(void)arg;
	for (uint64_t last = 0; last < TABLES;) {
		const struct table *t = inbox_take(&inbox);

		if (t == NULL)
			continue;
		whole = whole && t->generation >= last && t->n_owners == t->generation * 3;
		last = t->generation;
	}
	return whole ? &inbox : NULL;
}

/* What the feeder does: a table is freed once a newer one is acknowledged. The sanitizers watch. */
START_TEST(tables_freed_after_acknowledgement_are_never_read)
{
	static struct table *tables[TABLES + 1];
	pthread_t reader;
	void *whole;
	uint64_t freed = 0;

	ck_assert_int_eq(pthread_create(&reader, NULL, read_tables, NULL), 0);
	for (uint64_t g = 1; g <= TABLES; g++) {
		tables[g] = make_table(g);
		inbox_put(&inbox, tables[g]);
		while (freed + 1 < inbox_acked(&inbox))
			free(tables[++freed]);
	}
	ck_assert_int_eq(pthread_join(reader, &whole), 0);
	ck_assert_ptr_nonnull(whole);
	ck_assert_uint_eq(inbox_acked(&inbox), TABLES);
	while (freed < TABLES)
		free(tables[++freed]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inbox");
	TCase *slot = tcase_create("slot");

	tcase_add_checked_fixture(slot, set_up, tear_down);
	tcase_set_timeout(slot, 30);
	tcase_add_test(slot, an_empty_inbox_has_nothing);
	tcase_add_test(slot, the_newest_table_is_taken_and_acknowledged);
	tcase_add_test(slot, a_put_wakes_until_drained);
	tcase_add_test(slot, a_parcel_changes_hands_once);
	tcase_add_test(slot, tables_freed_after_acknowledgement_are_never_read);
	suite_add_tcase(suite, slot);
	return harness_run(suite);
}
