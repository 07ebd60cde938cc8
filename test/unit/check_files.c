/* SPDX-License-Identifier: BSD-2-Clause */
#include "files_case.h"

/* --- reading --- */

START_TEST(files_of_a_glob_come_in_the_order_of_their_names)
{
	shell("printf 2 >b.json; printf 1 >a.json; printf 3 >B.json; printf x >c.txt");
	watch("*.json");
	ck_assert_str_eq(read_all(), "B.json=3;a.json=1;b.json=2;");
}
END_TEST

START_TEST(glob_without_matches_is_no_file_at_all)
{
	watch("*.json");
	ck_assert_str_eq(read_all(), "");
	ck_assert_uint_eq(n_seen, 0);
}
END_TEST

static const struct {
	const char *before, *pattern, *error;
} no_directories[] = {
	{ "true", "no/such/*.json", "No such file or directory" },
	{ "true", "no/[a-z]/x.json", "No such file or directory" },
	{ "printf 1 >no", "no/*.json", "Not a directory" },
	{ "printf 1 >no", "no/such/*.json", "Not a directory" },
	{ "ln -s nowhere no", "no/*.json", "No such file or directory" },
};

START_TEST(glob_in_a_directory_that_does_not_exist_is_an_error)
{
	char expected[200];

	shell(no_directories[_i].before);
	watch(no_directories[_i].pattern);
	snprintf(expected, sizeof(expected), "%s!cannot look for files: %s;", no_directories[_i].pattern,
		 no_directories[_i].error);
	ck_assert_str_eq(read_all(), expected);
}
END_TEST

START_TEST(directory_below_a_pattern_may_be_missing)
{
	shell("mkdir d");
	watch("d/*/no/*.json");
	ck_assert_str_eq(read_all(), "");
}
END_TEST

START_TEST(glob_in_the_directory_part_is_followed)
{
	shell("mkdir a b c && printf 1 >a/s.json && printf 2 >c/s.json");
	watch("*/s.json");
	ck_assert_str_eq(read_all(), "a/s.json=1;c/s.json=2;");
}
END_TEST

START_TEST(hidden_files_are_not_matched)
{
	shell("printf 1 >.hidden.json; mkdir ..data; printf 2 >..data/a.json");
	watch("*.json");
	ck_assert_str_eq(read_all(), "");
}
END_TEST

START_TEST(plain_path_that_does_not_exist_is_an_error)
{
	watch("services.json");
	ck_assert_str_eq(read_all(), "services.json!No such file or directory;");
}
END_TEST

START_TEST(link_to_nothing_is_an_error)
{
	shell("ln -s nowhere a.json");
	watch("*.json");
	ck_assert_str_eq(read_all(), "a.json!No such file or directory;");
	files_destroy(files);
	watch("a.json");
	ck_assert_str_eq(read_all(), "a.json!No such file or directory;");
}
END_TEST

START_TEST(empty_file_has_an_empty_body)
{
	shell(": >a.json");
	watch("a.json");
	ck_assert_str_eq(read_all(), "a.json=;");
}
END_TEST

static const char *const not_regular[] = {
	"mkdir a.json",   "mkfifo a.json", "ln -s /dev/zero a.json", "mkfifo p && ln -s p a.json",
	"ln -s . a.json",
};

START_TEST(what_is_no_regular_file_is_refused_without_blocking)
{
	shell(not_regular[_i]);
	watch("*.json");
	ck_assert_str_eq(read_all(), "a.json!not a regular file;");
}
END_TEST

START_TEST(socket_is_refused)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/a.json", dir);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	watch("*.json");
	ck_assert_str_eq(read_all(), "a.json!not a regular file;");
	close(fd);
}
END_TEST

START_TEST(link_that_leads_to_itself_is_an_error)
{
	shell("ln -s a.json a.json");
	watch("*.json");
	ck_assert_str_eq(read_all(), "a.json!Too many levels of symbolic links;");
}
END_TEST

START_TEST(file_may_be_as_large_as_the_limit_and_not_larger)
{
	shell("head -c 1000 /dev/zero | tr '\\0' x >a.json; head -c 1001 /dev/zero >b.json");
	watch("*.json");
	read_all();
	ck_assert_mem_eq(seen, "a.json=xxxx", 11);
	ck_assert_str_eq(seen + 7 + 1000, ";b.json!larger than 1000 octets;");
}
END_TEST

/* Regular files that tell no size come from the kernel; their limit is met while reading. */
START_TEST(limit_holds_for_files_that_tell_no_size)
{
	shell("ln -s /proc/self/maps a.json");
	watch_limited("*.json", 50);
	ck_assert_str_eq(read_all(), "a.json!larger than 50 octets;");
}
END_TEST

START_TEST(large_file_is_read_whole)
{
	shell("seq 1 200000 | head -c 1000000 >a.json");
	watch_limited("a.json", 1 << 20);
	n_seen = n_last = 0;
	seen[0] = '\0';
	ck_assert_int_eq(files_read(files, take, NULL), 0); /* take() compares len and strlen(body) */
	ck_assert_uint_eq(n_seen, 1);
}
END_TEST

/* Root reads everything: be somebody else where it matters. */
static void become_nobody(void)
{
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(dir, 65534, 65534), 0);
		ck_assert_int_eq(seteuid(65534), 0);
	}
}

START_TEST(unreadable_file_is_an_error)
{
	shell("printf 1 >a.json; chmod 0 a.json");
	watch("*.json");
	become_nobody();
	ck_assert_str_eq(read_all(), "a.json!Permission denied;");
	seteuid(getuid());
}
END_TEST

START_TEST(unreadable_directory_is_an_error_and_not_empty)
{
	shell("mkdir d && printf 1 >d/a.json && chmod 0111 d");
	watch("d/*.json");
	become_nobody();
	ck_assert_str_eq(read_all(), "d/*.json!cannot look for files: Permission denied;");
	seteuid(getuid());
	shell("chmod 0755 d");
	ck_assert_str_eq(read_all(), "d/a.json=1;");
}
END_TEST

START_TEST(young_file_is_read_again_and_an_old_one_is_unchanged)
{
	shell("printf 1 >a.json");
	watch("*.json");
	ck_assert_str_eq(read_all(), "a.json=1;");
	ck_assert_str_eq(read_all(), "a.json=1;"); /* younger than 100 ms */
	ck_assert(harness_wait(is_unchanged, NULL, LIMIT_MS));
	ck_assert_str_eq(read_all(), "a.json~;");
}
END_TEST

START_TEST(files_changed_among_unchanged_ones_are_read)
{
	shell("printf 1 >a.json; printf 2 >b.json; printf 3 >c.json");
	watch("*.json");
	ck_assert(harness_wait(is_unchanged, NULL, LIMIT_MS));
	shell("printf 9 >b.json; rm c.json; printf 0 >0.json");
	ck_assert_str_eq(read_all(), "0.json=0;a.json~;b.json=9;");
}
END_TEST

START_TEST(content_of_the_same_size_and_time_is_noticed)
{
	shell("printf 1 >a.json");
	watch("a.json");
	ck_assert(harness_wait(is_unchanged, NULL, LIMIT_MS));
	shell("touch -r a.json stamp; printf 2 >a.json; touch -r stamp a.json");
	ck_assert_str_eq(read_all(), "a.json=2;");
}
END_TEST

START_TEST(file_renamed_over_another_is_noticed)
{
	shell("printf 1 >a.json; printf 2 >new");
	watch("a.json");
	ck_assert(harness_wait(is_unchanged, NULL, LIMIT_MS));
	shell("touch -r a.json new; mv new a.json");
	ck_assert_str_eq(read_all(), "a.json=2;");
}
END_TEST

/* Takes the directory away while its files are being read. */
static int take_and_move(void *context, const struct fetch_result *result)
{
	shell("if test -d d; then mv d e; fi");
	return take(context, result);
}

START_TEST(directory_that_vanishes_is_told_and_not_its_files)
{
	shell("mkdir d; printf 1 >d/a.json; printf 2 >d/b.json; printf 3 >d/c.json");
	watch("d/*.json");
	seen[0] = '\0';
	ck_assert_int_eq(files_read(files, take_and_move, NULL), -ENOENT);
	ck_assert_str_eq(seen, "d/a.json=1;d/*.json!cannot look for files: No such file or directory;");
	shell("mv e d");
	ck_assert_str_eq(read_all(), "d/a.json=1;d/b.json=2;d/c.json=3;");
	ck_assert(harness_wait(is_unchanged, NULL, LIMIT_MS));
	shell("mv d e");
	ck_assert_str_eq(read_all(), "d/*.json!cannot look for files: No such file or directory;");
	shell("mv e d");
	ck_assert_str_eq(read_all(), "d/a.json~;d/b.json~;d/c.json~;");
}
END_TEST

START_TEST(last_file_is_known_to_be_the_last)
{
	shell("printf 1 >a.json; printf 2 >b.json; ln -s nowhere c.json");
	watch("*.json");
	read_all();
	ck_assert_uint_eq(n_seen, 3);
	ck_assert_uint_eq(n_last, 1);
	files_destroy(files);
	watch("b.json");
	read_all();
	ck_assert_uint_eq(n_last, 1);
}
END_TEST

START_TEST(glob_of_too_many_files_is_an_error)
{
	shell("seq -f %05g.json 16385 | xargs touch");
	watch("*.json");
	ck_assert_str_eq(read_all(), "*.json!more than 16384 files;");
	shell("rm 00001.json");
	read_all();
	ck_assert_uint_eq(n_seen, 16384);
}
END_TEST

START_TEST(refusal_ends_the_reading_and_is_handed_on)
{
	shell("printf 1 >a.json; printf 2 >b.json; printf 3 >c.json");
	watch("*.json");
	seen[0] = '\0';
	ck_assert_int_eq(files_read(files, refuse_b, NULL), -EBADMSG);
	ck_assert_str_eq(seen, "a.json=1;b.json=2;");
}
END_TEST

START_TEST(broken_off_reading_does_not_count_as_read)
{
	shell("printf 1 >a.json; printf 2 >b.json");
	watch("*.json");
	ck_assert(harness_wait(is_unchanged, NULL, LIMIT_MS));
	shell("printf 3 >a.json; printf 4 >b.json");
	ck_assert_int_eq(files_read(files, refuse_b, NULL), -EBADMSG);
	ck_assert_str_eq(read_all(), "a.json=3;b.json=4;");
	ck_assert(harness_wait(is_unchanged, NULL, LIMIT_MS));
	ck_assert_int_eq(files_read(files, refuse_b, NULL), -EBADMSG);
	ck_assert_str_eq(read_all(), "a.json~;b.json~;");
}
END_TEST

START_TEST(failed_file_is_tried_again_each_time)
{
	watch_limited("a.json", 1);
	shell("printf 22 >a.json");
	ck_assert_str_eq(read_all(), "a.json!larger than 1 octets;");
	ck_assert_str_eq(read_all(), "a.json!larger than 1 octets;");
	shell("printf 1 >a.json");
	ck_assert_str_eq(read_all(), "a.json=1;");
}
END_TEST

START_TEST(empty_path_is_refused)
{
	ck_assert_int_eq(files_create(loop, "", 1, on_changed, &changes, &files), -EINVAL);
	ck_assert_ptr_null(files);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("files");
	TCase *reading = add_case(suite, "reading");

	tcase_add_loop_test(reading, what_is_no_regular_file_is_refused_without_blocking, 0,
			    sizeof(not_regular) / sizeof(not_regular[0]));
	tcase_add_loop_test(reading, glob_in_a_directory_that_does_not_exist_is_an_error, 0,
			    sizeof(no_directories) / sizeof(no_directories[0]));
	tcase_add_test(reading, files_of_a_glob_come_in_the_order_of_their_names);
	tcase_add_test(reading, glob_without_matches_is_no_file_at_all);
	tcase_add_test(reading, directory_below_a_pattern_may_be_missing);
	tcase_add_test(reading, glob_in_the_directory_part_is_followed);
	tcase_add_test(reading, hidden_files_are_not_matched);
	tcase_add_test(reading, plain_path_that_does_not_exist_is_an_error);
	tcase_add_test(reading, link_to_nothing_is_an_error);
	tcase_add_test(reading, empty_file_has_an_empty_body);
	tcase_add_test(reading, socket_is_refused);
	tcase_add_test(reading, link_that_leads_to_itself_is_an_error);
	tcase_add_test(reading, file_may_be_as_large_as_the_limit_and_not_larger);
	tcase_add_test(reading, limit_holds_for_files_that_tell_no_size);
	tcase_add_test(reading, large_file_is_read_whole);
	tcase_add_test(reading, unreadable_file_is_an_error);
	tcase_add_test(reading, unreadable_directory_is_an_error_and_not_empty);
	tcase_add_test(reading, young_file_is_read_again_and_an_old_one_is_unchanged);
	tcase_add_test(reading, files_changed_among_unchanged_ones_are_read);
	tcase_add_test(reading, content_of_the_same_size_and_time_is_noticed);
	tcase_add_test(reading, file_renamed_over_another_is_noticed);
	tcase_add_test(reading, directory_that_vanishes_is_told_and_not_its_files);
	tcase_add_test(reading, last_file_is_known_to_be_the_last);
	tcase_add_test(reading, glob_of_too_many_files_is_an_error);
	tcase_add_test(reading, refusal_ends_the_reading_and_is_handed_on);
	tcase_add_test(reading, broken_off_reading_does_not_count_as_read);
	tcase_add_test(reading, failed_file_is_tried_again_each_time);
	tcase_add_test(reading, empty_path_is_refused);
	return harness_run(suite);
}
