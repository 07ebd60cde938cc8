/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/file_reader.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness.h"

enum { LIMIT_MS = 10000, WORK_MS = 20, SHARE = 10 };

static struct event_base *loop;
static struct file_reader *reader;
static struct event *snapshot, *table; /* what a reading sets in motion, one after the other */
static char *dir;
static unsigned n_changes, n_files, n_partial, n_nothing, n_tables;
static uint64_t wait_ms;      /* of the last change */
static uint64_t told_ms;      /* when that was told */
static uint64_t published_ms; /* the last table */
static bool works;            /* a reading has consequences */

static void on_changed(void *context, uint64_t wait)
{
	ck_assert_ptr_eq(context, &n_changes);
	n_changes++;
	told_ms = clock_ms();
	wait_ms = wait;
}

static int take(void *context, const struct fetch_result *result)
{
	ck_assert_ptr_eq(context, &n_changes);
	n_files += result->name != NULL;
	n_nothing += result->name == NULL;
	n_partial += result->partial;
	if (result->last && works)
		event_active(snapshot, EV_TIMEOUT, 0);
	return 0;
}

static void on_snapshot(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	event_active(table, EV_TIMEOUT, 0);
}

static void on_table(evutil_socket_t fd, short what, void *arg)
{
	const uint64_t end_us = clock_work_us() + WORK_MS * 1000;

	(void)fd;
	(void)what;
	(void)arg;
	while (clock_work_us() < end_us)
		; /* work */
	n_tables++;
	published_ms = clock_ms();
}

static void set_up(void)
{
	n_changes = n_files = n_partial = n_nothing = n_tables = 0;
	wait_ms = told_ms = published_ms = 0;
	works = false;
	reader = NULL;
	loop = event_base_new();
	snapshot = evtimer_new(loop, on_snapshot, NULL);
	table = evtimer_new(loop, on_table, NULL);
	dir = harness_make_dir();
}

static void tear_down(void)
{
	file_reader_destroy(reader);
	event_free(snapshot);
	event_free(table);
	event_base_free(loop);
	harness_remove_dir(dir);
}

static int create(const char *path)
{
	const struct file_reader_options o = { .loop = loop,
					       .path = path,
					       .max_size = 1000,
					       .changed = on_changed,
					       .take = take,
					       .context = &n_changes };

	return file_reader_create(&o, &reader);
}

static void watch(const char *pattern)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, pattern);
	ck_assert_int_eq(create(path), 0);
}

static void on_turn(evutil_socket_t fd, short what, void *reading)
{
	(void)fd;
	(void)what;
	ck_assert_int_eq(file_reader_read(reader, *(const enum file_reading *)reading), 0);
}

/* In a turn of the loop, as errands do. */
static void read_files(enum file_reading reading)
{
	event_base_once(loop, -1, EV_TIMEOUT, on_turn, &reading, &(struct timeval){ 0 });
	event_base_loop(loop, EVLOOP_ONCE);
}

static bool is_told(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return n_changes > *(const unsigned *)n;
}

/* Changes the file and runs until that is told. */
static void change(const char *text)
{
	unsigned n = n_changes;

	harness_write_file(dir, "a.json", text);
	ck_assert(harness_wait(is_told, &n, LIMIT_MS));
}

static void read_and_publish(enum file_reading reading)
{
	const unsigned n = n_tables;

	works = true;
	read_files(reading);
	ck_assert_uint_eq(n_tables, n + 1);
}

static const char *const patterns[] = { "*.json", "a.json" };
enum { GLOB, PLAIN, PATTERNS };

START_TEST(a_first_change_need_not_wait_whatever_a_look_at_all_files_costs)
{
	harness_write_file(dir, "a.json", "1");
	watch(patterns[_i]);
	read_and_publish(READ_ALL_IN_TURN);
	change("2");
	ck_assert_uint_eq(wait_ms, 0);
}
END_TEST

/* All of it: the reading took next to nothing, the table did. */
START_TEST(what_a_change_sets_in_motion_is_paid_for_before_the_next)
{
	harness_write_file(dir, "a.json", "1");
	watch(patterns[_i]);
	read_files(READ_ALL_IN_TURN);
	change("2");
	read_and_publish(READ_CHANGED);
	change("3");
	ck_assert_uint_ge(told_ms + wait_ms, published_ms + WORK_MS * SHARE);
}
END_TEST

static const struct {
	enum file_reading reading;
	bool is_paid_for;
} readings[] = { { READ_CHANGED, true }, { READ_ALL, true }, { READ_ALL_IN_TURN, false } };

START_TEST(what_it_was_time_for_anyhow_is_not_paid_for)
{
	harness_write_file(dir, "a.json", "1");
	watch("*.json");
	read_files(READ_ALL_IN_TURN);
	change("2");
	read_and_publish(readings[_i].reading);
	change("3");
	if (readings[_i].is_paid_for)
		ck_assert_uint_ge(told_ms + wait_ms, published_ms + WORK_MS * SHARE);
	else
		ck_assert_uint_eq(wait_ms, 0);
}
END_TEST

START_TEST(a_change_among_the_consequences_is_told_after_them)
{
	harness_write_file(dir, "a.json", "1");
	watch(patterns[_i]);
	read_files(READ_ALL_IN_TURN);
	change("2");
	works = true;
	harness_write_file(dir, "a.json",
			   "3"); /* which is heard in the turn after it, or the one in which it is read */
	read_files(READ_CHANGED);
	change("4");
	ck_assert_uint_ge(told_ms + wait_ms, published_ms + WORK_MS * SHARE);
}
END_TEST

static bool is_paid(void *unused)
{
	(void)unused;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return clock_ms() >= told_ms + wait_ms;
}

/* As the errand does it: each reading as soon as it may be. */
START_TEST(changes_without_end_cost_a_tenth_of_the_time)
{
	harness_write_file(dir, "a.json", "1");
	watch(patterns[_i]);
	read_files(READ_ALL_IN_TURN);
	const uint64_t start_ms = clock_ms();
	for (unsigned i = 0; i < 4; i++) {
		change("2");
		ck_assert(harness_wait(is_paid, NULL, LIMIT_MS));
		read_and_publish(READ_CHANGED);
	}
	ck_assert_uint_ge(clock_ms() - start_ms, WORK_MS * (3 * SHARE + 4));
}
END_TEST

START_TEST(a_change_after_the_rest_need_not_wait)
{
	harness_write_file(dir, "a.json", "1");
	watch(patterns[_i]);
	read_files(READ_ALL_IN_TURN);
	change("2");
	read_and_publish(READ_CHANGED);
	change("3");
	ck_assert(harness_wait(is_paid, NULL, LIMIT_MS));
	change("4");
	ck_assert_uint_eq(wait_ms, 0);
}
END_TEST

START_TEST(what_changed_is_read_by_itself_unless_all_is_due)
{
	harness_write_file(dir, "a.json", "1");
	harness_write_file(dir, "b.json", "2");
	watch("*.json");
	read_files(READ_CHANGED);
	ck_assert_uint_eq(n_files, 2);
	change("2");
	read_files(READ_CHANGED);
	ck_assert_uint_eq(n_partial, 1);
	ck_assert_uint_eq(n_files, 3);
	change("3");
	read_files(READ_ALL_IN_TURN);
	ck_assert_uint_eq(n_partial, 1);
	ck_assert_uint_eq(n_files, 5);
}
END_TEST

START_TEST(where_no_file_is_one_result_without_a_name_says_so)
{
	watch("*.json");
	read_files(READ_ALL_IN_TURN);
	ck_assert_uint_eq(n_files, 0);
	ck_assert_uint_eq(n_nothing, 1);
}
END_TEST

START_TEST(a_path_that_cannot_be_one_is_refused)
{
	char path[PATH_MAX + 1];

	memset(path, 'x', PATH_MAX);
	path[PATH_MAX] = '\0';
	ck_assert_int_eq(create(""), -EINVAL);
	ck_assert_int_eq(create(path), -ENAMETOOLONG);
	ck_assert_ptr_null(reader);
}
END_TEST

START_TEST(destroying_among_the_consequences_is_fine)
{
	harness_write_file(dir, "a.json", "1");
	watch("*.json");
	works = true;
	read_files(READ_ALL_IN_TURN);
	file_reader_destroy(reader);
	reader = NULL;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(n_changes, 0);
	file_reader_destroy(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file_reader");
	TCase *tc = tcase_create("file_reader");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, a_first_change_need_not_wait_whatever_a_look_at_all_files_costs, 0, PATTERNS);
	tcase_add_loop_test(tc, what_a_change_sets_in_motion_is_paid_for_before_the_next, 0, PATTERNS);
	tcase_add_loop_test(tc, what_it_was_time_for_anyhow_is_not_paid_for, 0, 3);
	tcase_add_loop_test(tc, a_change_among_the_consequences_is_told_after_them, 0, PATTERNS);
	tcase_add_loop_test(tc, changes_without_end_cost_a_tenth_of_the_time, 0, PATTERNS);
	tcase_add_loop_test(tc, a_change_after_the_rest_need_not_wait, 0, PATTERNS);
	tcase_add_test(tc, what_changed_is_read_by_itself_unless_all_is_due);
	tcase_add_test(tc, where_no_file_is_one_result_without_a_name_says_so);
	tcase_add_test(tc, a_path_that_cannot_be_one_is_refused);
	tcase_add_test(tc, destroying_among_the_consequences_is_fine);
	return harness_run(suite);
}
