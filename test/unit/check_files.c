/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/files.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"

enum { MAX_SIZE = 1000, LIMIT_MS = 3000 };

static struct event_base *loop;
static struct files *files;
static char *dir;
static char shell_command[1024];
static unsigned changes;
static uint64_t changed_at;
static uint64_t least_pause;

/* What the last files_read() gave, one "name=body;" a file, "name!error;" or "name~;" for an unchanged one.
 */
static char seen[4096];
static unsigned n_seen, n_last;

static void set_up(void)
{
	loop = event_base_new();
	files = NULL;
	dir = harness_make_dir();
	changes = 0;
	least_pause = UINT64_MAX;
}

static void tear_down(void)
{
	files_destroy(files);
	event_base_free(loop);
	snprintf(shell_command, sizeof(shell_command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(shell_command), 0);
	free(dir);
}

/* Runs a shell command in the test's directory. */
static void shell(const char *command)
{
	snprintf(shell_command, sizeof(shell_command), "cd '%s' && %s", dir, command);
	ck_assert_msg(system(shell_command) == 0, "%s", command);
}

static void on_changed(void *context)
{
	const uint64_t now = clock_ms();

	ck_assert_ptr_eq(context, &changes);
	if (changes > 0 && now - changed_at < least_pause)
		least_pause = now - changed_at;
	changed_at = now;
	changes++;
}

static void watch_limited(const char *pattern, uint64_t max_size)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, pattern);
	ck_assert_int_eq(files_create(loop, path, max_size, on_changed, &changes, &files), 0);
}

static void watch(const char *pattern)
{
	watch_limited(pattern, MAX_SIZE);
}

static int take(void *context, const struct fetch_result *result)
{
	const size_t skip = strlen(dir) + 1;
	size_t len = strlen(seen);

	ck_assert_ptr_null(context);
	ck_assert_mem_eq(result->name, dir, strlen(dir));
	if (result->error != 0) {
		ck_assert_int_lt(result->error, 0);
		snprintf(seen + len, sizeof(seen) - len, "%s!%s;", result->name + skip, result->error_text);
	} else if (result->unchanged) {
		snprintf(seen + len, sizeof(seen) - len, "%s~;", result->name + skip);
	} else {
		ck_assert_int_eq(result->status, 200);
		ck_assert_uint_eq(result->len, strlen(result->body));
		snprintf(seen + len, sizeof(seen) - len, "%s=%s;", result->name + skip, result->body);
	}
	n_last += result->last;
	n_seen++;
	return 0;
}

static const char *read_all(void)
{
	seen[0] = '\0';
	n_seen = n_last = 0;
	ck_assert_int_eq(files_read(files, take, NULL), 0);
	return seen;
}

/* Runs the loop until more changes than so many were told; false after limit_ms. */
static bool told_within(unsigned than, uint64_t limit_ms)
{
	const uint64_t end = clock_ms() + limit_ms;

	while (changes <= than && clock_ms() < end) {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 20000 });
		event_base_loop(loop, EVLOOP_ONCE);
	}
	return changes > than;
}

/* Runs the loop until nothing was told for 60 ms, so that earlier events do not count for later ones. */
static void settle(void)
{
	unsigned before;

	do {
		before = changes;
	} while (told_within(before, 60));
	changes = 0;
}

/* Reads until the file is old enough to be known by its times alone. */
static bool is_unchanged(void *context)
{
	(void)context;
	return strstr(read_all(), "=") == NULL;
}

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

static int refuse_b(void *context, const struct fetch_result *result)
{
	take(context, result);
	return strstr(result->name, "b.json") != NULL ? -EBADMSG : 0;
}

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

static void add_vectors(TCase *reading, TCase *watching)
{
	tcase_add_loop_test(reading, what_is_no_regular_file_is_refused_without_blocking, 0,
			    sizeof(not_regular) / sizeof(not_regular[0]));
	tcase_add_loop_test(reading, glob_in_a_directory_that_does_not_exist_is_an_error, 0,
			    sizeof(no_directories) / sizeof(no_directories[0]));
	tcase_add_loop_test(watching, change_is_told, 0, sizeof(noticed) / sizeof(noticed[0]));
	tcase_add_loop_test(watching, what_is_not_ours_is_not_told, 0,
			    sizeof(unrelated) / sizeof(unrelated[0]));
}

int main(void)
{
	Suite *suite = suite_create("files");
	TCase *reading = tcase_create("reading");
	TCase *watching = tcase_create("watching");

	tcase_add_checked_fixture(reading, set_up, tear_down);
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
	suite_add_tcase(suite, reading);

	tcase_add_checked_fixture(watching, set_up, tear_down);
	tcase_set_timeout(watching, 20);
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
	add_vectors(reading, watching);
	suite_add_tcase(suite, watching);
	return harness_run(suite);
}
