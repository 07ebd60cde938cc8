/* SPDX-License-Identifier: BSD-2-Clause */
#include "files_case.h"

/* --- watching --- */

static const struct {
	const char *before, *pattern, *change;
} noticed[] = {
	{ "true", "*.json", "printf 1 >a.json" },
	{ "printf 1 >a.json", "*.json", "printf 2 >>a.json" },
	{ "printf 1 >a.json", "*.json", "rm a.json" },
	{ "printf 1 >a.json", "*.json", "mv a.json a.off" },
	{ "printf 1 >a.off", "*.json", "mv a.off a.json" },
	{ "printf 1 >a.json", "*.json", "printf 2 >.new; mv .new a.json" },
	{ "printf 1 >a.off", "*.json", "ln a.off a.json" },
	{ "printf 1 >a.off", "*.json", "ln -s a.off a.json" },
	{ "printf 1 >a.json", "*.json", "chmod 0600 a.json" },
	{ "mkdir d; printf 1 >d/a.json", "d/*.json", "mv d e" },
	{ "mkdir d; printf 1 >d/a.json", "d/*.json", "rm -r d" },
	{ "true", "a.json", "printf 1 >a.json" },
	{ "printf 1 >a.json", "a.json", "printf 2 >a.json" },
	{ "printf 1 >a.json", "a.json", "rm a.json" },
	{ "printf 1 >a.json", "a.json", "printf 2 >.new; mv .new a.json" },
	{ "printf 1 >a.json; mkdir d; ln a.json d/b", "a.json", "printf 2 >d/b" },
	{ "printf 1 >a.json", "a.json", "chmod 0600 a.json" },
	/* A link, its target written in place, replaced, removed; the link itself turned. */
	{ "mkdir d; printf 1 >d/t; ln -s d/t a.json", "a.json", "printf 2 >d/t" },
	{ "mkdir d; printf 1 >d/t; ln -s d/t a.json", "*.json", "printf 2 >d/t" },
	{ "mkdir d; printf 1 >d/t; ln -s d/t a.json", "*.json", "printf 2 >d/n; mv d/n d/t" },
	{ "mkdir d; printf 1 >d/t; ln -s d/t a.json", "*.json", "rm d/t" },
	{ "printf 1 >t; printf 2 >u; ln -s t a.json", "a.json", "ln -sfn u a.json" },
	/* A directory that is a link and is turned. */
	{ "mkdir x y; ln -s x d", "d/*.json", "ln -s y n; mv -T n d" },
	/* Directories that come later, all at once or step by step. */
	{ "true", "d/*.json", "mkdir d" },
	{ "true", "d/e/f/*.json", "mkdir -p d/e/f" },
	{ "mkdir d", "d/e/a.json", "mkdir d/e" },
	{ "true", "d*/a.json", "mkdir d1" },
};

START_TEST(change_is_told)
{
	shell(noticed[_i].before);
	watch(noticed[_i].pattern);
	read_all();
	settle();
	shell(noticed[_i].change);
	ck_assert_msg(told_within(0, LIMIT_MS), "not told: %s", noticed[_i].change);
}
END_TEST

static const struct {
	const char *before, *pattern, *change;
} unrelated[] = {
	{ "true", "*.json", "printf 1 >a.txt" },
	{ "printf 1 >a.json", "*.json", "printf 1 >.a.json.swp; rm .a.json.swp" },
	{ "printf 1 >a.json", "*.json", "cat a.json >/dev/null; ls -l >/dev/null" },
	{ "true", "d/*.json", "mkdir e; printf 1 >e/a.json" },
	{ "printf 1 >a.json", "a.json", "printf 1 >b.json" },
};

START_TEST(what_is_not_ours_is_not_told)
{
	shell(unrelated[_i].before);
	watch(unrelated[_i].pattern);
	read_all();
	settle();
	shell(unrelated[_i].change);
	ck_assert_msg(!told_within(0, 150), "told: %s", unrelated[_i].change);
}
END_TEST

/* Neither by the end of the file it took the place of. */
START_TEST(a_file_renamed_over_another_is_one_change)
{
	watch("a.json");
	for (int i = 0; i < 20; i++) {
		harness_replace_file(dir, "a.json", "1");
		ck_assert(told_within(0, LIMIT_MS));
		read_all();
		ck_assert(!told_within(1, 30));
		changes = 0;
	}
}
END_TEST

START_TEST(reading_tells_no_change)
{
	shell("printf 1 >a.json; mkdir d; printf 1 >d/t; ln -s d/t b.json");
	watch("*.json");
	settle();
	for (int i = 0; i < 20; i++)
		read_all();
	ck_assert(!told_within(0, 150));
}
END_TEST

START_TEST(change_is_never_told_from_inside_a_call)
{
	shell("printf 1 >a.json");
	watch("*.json");
	read_all();
	settle();
	shell("printf 2 >a.json");
	ck_assert_str_eq(read_all(), "a.json=2;");
	ck_assert_uint_eq(changes, 0);
	ck_assert(told_within(0, LIMIT_MS));
}
END_TEST

START_TEST(burst_of_changes_is_told_at_most_every_10_ms)
{
	watch("*.json");
	read_all();
	for (int i = 0; i < 300; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%d.json", i);
		harness_write_file(dir, name, "[]");
		event_base_loop(loop, EVLOOP_NONBLOCK);
	}
	settle();
	ck_assert_uint_ge(least_pause, 9); /* timers and our clock each round to a millisecond */
}
END_TEST

static int take_partial(void *context, const struct fetch_result *result)
{
	ck_assert(result->partial);
	return take(context, result);
}

/* What has changed, or "?" where it is not known what. */
static const char *read_changed(void)
{
	seen[0] = '\0';
	n_seen = n_last = 0;
	const int r = files_read_changed(files, take_partial, NULL);
	ck_assert_int_eq(r < 0 ? r : 0, r < 0 ? -EAGAIN : 0);
	ck_assert_uint_eq(n_last, r == 0);
	return r == 0 ? seen : "?";
}

START_TEST(only_what_has_changed_is_read)
{
	shell("printf 1 >a.json; printf 2 >b.json; printf 3 >c.json");
	watch("*.json");
	read_all();
	settle();
	ck_assert_str_eq(read_changed(), "?"); /* nothing */
	shell("printf 20 >b.tmp && mv b.tmp b.json; rm c.json; printf 4 >d.json; printf 5 >e.txt");
	ck_assert(told_within(0, LIMIT_MS));
	settle();
	ck_assert_str_eq(read_changed(), "b.json=20;c.json!No such file or directory;d.json=4;");
	ck_assert_str_eq(read_changed(), "?");
	shell("printf 21 >b.json");
	ck_assert(told_within(0, LIMIT_MS));
	ck_assert_str_eq(read_changed(), "b.json=21;");
	read_all();
	ck_assert_uint_eq(n_seen, 3);
}
END_TEST

START_TEST(what_a_whole_reading_has_seen_is_no_change_any_more)
{
	watch("*.json");
	read_all();
	shell("printf 1 >a.json");
	ck_assert(told_within(0, LIMIT_MS));
	settle();
	ck_assert_str_eq(read_all(), "a.json=1;");
	ck_assert_str_eq(read_changed(), "?");
}
END_TEST

/* Each: what is there, what is watched, what happens. */
static const struct {
	const char *before, *pattern, *change;
} vague[] = {
	{ "printf 1 >a.json", "a.json", "printf 2 >a.json" },
	{ "printf 1 >x; ln -s x a.json; printf 2 >b.json", "*.json", "printf 3 >b.json" },
	{ "printf 1 >x; printf 2 >b.json", "*.json", "printf 3 >b.json; ln -s x a.json" },
	{ "mkdir d; printf 1 >d/a.json", "*/a.json", "mkdir e; printf 2 >e/a.json" },
	{ "mkdir d; printf 1 >d/a.json", "d/*.json", "mv d e; mkdir d; printf 2 >d/a.json" },
	{ "printf 1 >a.json", "*.json", "mkdir d.json" },
	{ "printf 1 >a.json", "*.json", "for i in $(seq 65); do printf 1 >$i.json; done" },
};

START_TEST(where_changes_are_not_all_known_by_name_everything_is_to_be_read)
{
	shell(vague[_i].before);
	watch(vague[_i].pattern);
	read_all();
	settle();
	shell(vague[_i].change);
	told_within(0, 200); /* below two globs nobody tells */
	settle();
	ck_assert_str_eq(read_changed(), "?");
}
END_TEST

START_TEST(directory_that_vanishes_among_changes_is_told)
{
	shell("mkdir d; printf 1 >d/a.json");
	watch("d/*.json");
	read_all();
	settle();
	shell("rm d/a.json");
	ck_assert(told_within(0, LIMIT_MS));
	shell("rmdir d");
	seen[0] = '\0';
	ck_assert_int_eq(files_read_changed(files, take, NULL), -ENOENT);
	ck_assert_str_eq(seen, "d/*.json!cannot look for files: No such file or directory;");
}
END_TEST

START_TEST(refused_change_is_handed_on)
{
	watch("*.json");
	read_all();
	shell("printf 1 >b.json");
	ck_assert(told_within(0, LIMIT_MS));
	ck_assert_int_eq(files_read_changed(files, refuse_b, NULL), -EBADMSG);
}
END_TEST

START_TEST(directory_removed_and_made_again_is_watched_again)
{
	shell("mkdir -p d/e && printf 1 >d/e/a.json");
	watch("d/e/*.json");
	for (int i = 0; i < 5; i++) {
		ck_assert_str_eq(read_all(), "d/e/a.json=1;");
		settle();
		shell("rm -r d");
		ck_assert(told_within(0, LIMIT_MS));
		ck_assert_ptr_nonnull(strchr(read_all(), '!'));
		settle();
		shell("mkdir d");
		ck_assert(told_within(0, LIMIT_MS));
		ck_assert_ptr_nonnull(strchr(read_all(), '!'));
		settle();
		shell("mkdir d/e");
		ck_assert(told_within(0, LIMIT_MS));
		ck_assert_str_eq(read_all(), "");
		settle();
		shell("printf 1 >d/e/a.json");
		ck_assert(told_within(0, LIMIT_MS));
	}
}
END_TEST

/* How a kubelet writes a ConfigMap: everything behind ..data, which is turned in one rename. */
START_TEST(config_map_swap_is_noticed)
{
	shell("mkdir ..v1 && printf 1 >..v1/a.json && ln -s ..v1 ..data && ln -s ..data/a.json a.json");
	watch("*.json");
	ck_assert_str_eq(read_all(), "a.json=1;");
	settle();
	for (int i = 2; i < 6; i++) {
		char command[200], expected[32];

		snprintf(
			command, sizeof(command),
			"mkdir ..v%d && printf %d >..v%d/a.json && ln -s ..v%d ..tmp && mv -T ..tmp ..data && "
			"rm -r ..v%d",
			i, i, i, i, i - 1);
		snprintf(expected, sizeof(expected), "a.json=%d;", i);
		shell(command);
		ck_assert(told_within(0, LIMIT_MS));
		ck_assert_str_eq(read_all(), expected);
		settle();
	}
}
END_TEST

START_TEST(without_inotify_files_are_read_all_the_same)
{
	struct rlimit before, none;
	const int free_fd = dup(0);

	close(free_fd);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)free_fd;
	setrlimit(RLIMIT_NOFILE, &none);
	watch("*.json");
	setrlimit(RLIMIT_NOFILE, &before);

	shell("printf 1 >a.json");
	ck_assert_str_eq(read_all(), "a.json=1;");
	ck_assert(!told_within(0, 50));
}
END_TEST

START_TEST(destroying_with_an_untold_change_tells_nothing)
{
	shell("printf 1 >a.json");
	watch("*.json");
	read_all();
	shell("chmod 600 a.json"); /* more may follow: it is not told at once */
	event_base_loop(loop, EVLOOP_NONBLOCK);
	files_destroy(files);
	files = NULL;
	ck_assert(!told_within(0, 50));
	files_destroy(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("files_watched");
	TCase *watching = add_case(suite, "watching");

	tcase_add_loop_test(watching, change_is_told, 0, sizeof(noticed) / sizeof(noticed[0]));
	tcase_add_loop_test(watching, what_is_not_ours_is_not_told, 0,
			    sizeof(unrelated) / sizeof(unrelated[0]));
	tcase_add_test(watching, a_file_renamed_over_another_is_one_change);
	tcase_add_test(watching, reading_tells_no_change);
	tcase_add_test(watching, change_is_never_told_from_inside_a_call);
	tcase_add_test(watching, burst_of_changes_is_told_at_most_every_10_ms);
	tcase_add_test(watching, only_what_has_changed_is_read);
	tcase_add_test(watching, what_a_whole_reading_has_seen_is_no_change_any_more);
	tcase_add_loop_test(watching, where_changes_are_not_all_known_by_name_everything_is_to_be_read, 0,
			    sizeof(vague) / sizeof(vague[0]));
	tcase_add_test(watching, directory_that_vanishes_among_changes_is_told);
	tcase_add_test(watching, refused_change_is_handed_on);
	tcase_add_test(watching, directory_removed_and_made_again_is_watched_again);
	tcase_add_test(watching, config_map_swap_is_noticed);
	tcase_add_test(watching, without_inotify_files_are_read_all_the_same);
	tcase_add_test(watching, destroying_with_an_untold_change_tells_nothing);
	return harness_run(suite);
}
