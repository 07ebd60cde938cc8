/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/dictionary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "harness.h"

enum { NAMES = 500 };

static struct dictionary d;
static char names[NAMES][16];
static bool there[NAMES];

static void set_up(void)
{
	d = (struct dictionary){ 0 };
	memset(there, 0, sizeof(there));
	for (int i = 0; i < NAMES; i++)
		snprintf(names[i], sizeof(names[i]), "service-%d", i);
}

static void tear_down(void)
{
	dictionary_finish(&d);
}

static void add(int i)
{
	ck_assert_int_eq(dictionary_add(&d, names[i], names[i]), 0);
	there[i] = true;
}

static void take_away(int i)
{
	dictionary_remove(&d, names[i]);
	there[i] = false;
}

static void expect_all(void)
{
	size_t n = 0, walked = 0;

	for (int i = 0; i < NAMES; i++) {
		ck_assert_ptr_eq(dictionary_find(&d, names[i]), there[i] ? names[i] : NULL);
		n += there[i];
	}
	for (size_t at = 0; dictionary_next(&d, &at) != NULL;)
		walked++;
	ck_assert_uint_eq(walked, n);
	ck_assert_uint_eq(d.n, n);
}

START_TEST(nothing_is_found_in_an_empty_one)
{
	dictionary_remove(&d, "shop");
	expect_all();
}
END_TEST

START_TEST(all_is_found_that_was_added)
{
	for (int i = 0; i < NAMES; i++)
		add(i);
	expect_all();
}
END_TEST

/* Wherever the gaps are, nobody behind them is lost. */
START_TEST(what_is_removed_takes_nobody_with_it)
{
	struct random r;

	random_seed(&r);
	for (int round = 0; round < 20000; round++) {
		const int i = (int)random_below(&r, NAMES);

		if (there[i])
			take_away(i);
		else
			add(i);
		if (round % 500 == 0)
			expect_all();
	}
	for (int i = 0; i < NAMES; i++)
		take_away(i);
	expect_all();
	add(7);
	expect_all();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dictionary");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_test(all, nothing_is_found_in_an_empty_one);
	tcase_add_test(all, all_is_found_that_was_added);
	tcase_add_test(all, what_is_removed_takes_nobody_with_it);
	suite_add_tcase(suite, all);
	return harness_run(suite);
}
