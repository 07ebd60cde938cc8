/* SPDX-License-Identifier: BSD-2-Clause */
#include "crew_case.h"

START_TEST(a_file_that_stays_as_it_was_is_not_read_again)
{
	char *dir = harness_make_dir(), path[256];

	harness_write_file(dir, "a.json", "{}");
	snprintf(path, sizeof(path), "%s/*.json", dir);
	things[0].source = FETCH_FILES;
	things[0].path = path;
	start(0, STEP_PAUSE);
	await(&things[0].n_unchanged, 3);
	ck_assert_uint_eq(n_news[ERRAND_FAILED], 0);
	harness_remove_dir(dir);
}
END_TEST

START_TEST(a_file_may_stop_its_resource)
{
	char *dir = harness_make_dir(), path[256];

	harness_write_file(dir, "a.json", "{}");
	harness_write_file(dir, "b.json", "{}");
	snprintf(path, sizeof(path), "%s/%s", dir, _i == 0 ? "*.json" : "a.json");
	things[0].source = FETCH_FILES;
	things[0].path = path;
	start(0, STEP_STOP);
	await(&n_news[ERRAND_GONE], 1);
	ck_assert_uint_eq(things[0].n_read, 1);
	ck_assert_uint_eq(crew.n, 0);
	harness_remove_dir(dir);
}
END_TEST

START_TEST(a_path_that_cannot_be_one_is_told_as_that)
{
	things[0].source = FETCH_FILES;
	things[0].path = "";
	start(0, STEP_PAUSE);
	await(&n_news[ERRAND_FAILED], 1);
	ck_assert_str_eq(last_error, "Invalid argument");
}
END_TEST

static struct thing *start_file(const char *dir, char path[256])
{
	harness_write_file(dir, "a.json", "1");
	snprintf(path, 256, "%s/*.json", dir);
	things[0].source = FETCH_FILES;
	things[0].path = path;
	return start(0, STEP_PAUSE);
}

START_TEST(a_change_of_a_file_is_read_by_itself_and_puts_nothing_off)
{
	char *dir = harness_make_dir(), path[256];

	options.interval_ms = 3600000;
	const struct thing *t = start_file(dir, path);
	await(&n_news[ERRAND_GOOD], 1);
	const uint64_t look_ms = ((struct errand *)t->res.runner)->due_ms;
	for (unsigned i = 1; i <= 5; i++) {
		harness_write_file(dir, "a.json", "2");
		await(&t->n_partial, i);
	}
	ck_assert_str_eq(t->body, "2");
	const uint64_t due_ms = ((struct errand *)t->res.runner)->due_ms;
	ck_assert_uint_le(due_ms > look_ms ? due_ms - look_ms : look_ms - due_ms, 2);
	harness_remove_dir(dir);
}
END_TEST

START_TEST(changes_all_the_time_do_not_keep_from_looking_at_all_files)
{
	char *dir = harness_make_dir(), path[256];
	const struct thing *t = start_file(dir, path);
	const uint64_t end_ms = clock_ms() + LIMIT_MS;

	while (t->n_read - t->n_partial < 4) {
		harness_write_file(dir, "a.json", "2");
		event_base_loop(loop, EVLOOP_NONBLOCK);
		ck_assert_uint_lt(clock_ms(), end_ms);
	}
	harness_remove_dir(dir);
}
END_TEST

START_TEST(a_file_that_could_not_be_used_is_read_with_all_others)
{
	char *dir = harness_make_dir(), path[256];

	options.interval_ms = 20000;
	struct thing *t = start_file(dir, path);
	t->step = -EBADMSG;
	await(&n_news[ERRAND_FAILED], 1);
	t->step = STEP_PAUSE;
	harness_write_file(dir, "a.json", "2");
	await(&n_news[ERRAND_GOOD], 1);
	ck_assert_uint_eq(t->n_partial, 0);
	harness_remove_dir(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crew_files");
	TCase *files = add_case(suite, "files");

	tcase_add_test(files, a_file_that_stays_as_it_was_is_not_read_again);
	tcase_add_loop_test(files, a_file_may_stop_its_resource, 0, 2);
	tcase_add_test(files, a_path_that_cannot_be_one_is_told_as_that);
	tcase_add_test(files, a_change_of_a_file_is_read_by_itself_and_puts_nothing_off);
	tcase_add_test(files, changes_all_the_time_do_not_keep_from_looking_at_all_files);
	tcase_add_test(files, a_file_that_could_not_be_used_is_read_with_all_others);
	return harness_run(suite);
}
