/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/state_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "model/freshness.h"
#include "state_case.h"

#define FILE_NAME "http.dc1.state"

static char *dir, path[256];
static int fd;
static struct snapshot *snapshot;
static struct state_head head;

static void set_up(void)
{
	dir = harness_make_dir();
	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(fd, 0);
	snapshot = make_snapshot("10.0.0.1");
	head = (struct state_head){
		.kind = "http",
		.name = "dc1",
		.fingerprint = UINT64_C(0x0123456789abcdef),
		.stamp = { .heard = { .boot = "fifteen letters", .boot_ms = 5000, .wall_s = 1700000000 },
			   .position = "ETag \"abc\"" }
	};
}

static void tear_down(void)
{
	snapshot_release(snapshot);
	close(fd);
	harness_remove_dir(dir);
}

static void write_state(void)
{
	ck_assert_int_eq(state_file_write(fd, FILE_NAME, &head, snapshot), 0);
}

static void expect_state(const char *position, uint64_t boot_ms)
{
	struct state_head again;
	struct snapshot *s = NULL;

	ck_assert_int_eq(state_file_read(path, &again, &s), 0);
	ck_assert_str_eq(again.kind, "http");
	ck_assert_str_eq(again.name, "dc1");
	ck_assert_uint_eq(again.fingerprint, head.fingerprint);
	ck_assert_mem_eq(again.stamp.heard.boot, head.stamp.heard.boot, STATE_BOOT_OCTETS);
	ck_assert_uint_eq(again.stamp.heard.boot_ms, boot_ms);
	ck_assert_uint_eq(again.stamp.heard.wall_s, 1700000000);
	ck_assert_str_eq(again.stamp.position, position);
	ck_assert_uint_eq(s->n_services, 1);
	ck_assert(service_equal(s->services[0], snapshot->services[0]));
	snapshot_release(s);
}

static int read_state(void)
{
	struct state_head again;
	struct snapshot *s = NULL;
	const int r = state_file_read(path, &again, &s);

	snapshot_release(s);
	return r;
}

static off_t size_of(const char *file)
{
	struct stat st;

	return stat(file, &st) == 0 ? st.st_size : -errno;
}

static int count_files(void)
{
	DIR *entries = opendir(dir);
	int n = 0;

	for (const struct dirent *e; (e = readdir(entries)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(entries);
	return n;
}

/* Changes one octet of the file. */
static void change_octet(off_t at, uint8_t change)
{
	const int file = open(path, O_RDWR);
	uint8_t octet;

	ck_assert_int_eq(pread(file, &octet, 1, at), 1);
	octet ^= change;
	ck_assert_int_eq(pwrite(file, &octet, 1, at), 1);
	close(file);
}

/* --- names --- */

static const struct {
	const char *name, *file;
} names[] = {
	{ "dc1", "http.dc1.state" },         { "a-b_C9", "http.a-b_C9.state" }, { "a.b", "http.a%2Eb.state" },
	{ "../x", "http.%2E%2E%2Fx.state" }, { "%", "http.%25.state" },         { "\xff", "http.%FF.state" },
};

START_TEST(what_is_not_plain_in_a_name_is_encoded)
{
	char file[STATE_FILE_SIZE];

	state_file_name("http", names[_i].name, file);
	ck_assert_str_eq(file, names[_i].file);
}
END_TEST

START_TEST(the_longest_name_fits)
{
	char name[STATE_NAME_SIZE] = "", file[STATE_FILE_SIZE];

	memset(name, '.', sizeof(name) - 1);
	state_file_name("a-kind-of-15-ch", name, file);
	ck_assert_uint_eq(strlen(file), 15 + 1 + 3 * 63 + 6);
	ck_assert_uint_lt(strlen(file) + 4, 255);
}
END_TEST

/* --- what is written --- */

START_TEST(what_was_written_is_read)
{
	struct stat st;

	write_state();
	expect_state("ETag \"abc\"", 5000);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(count_files(), 1);
}
END_TEST

START_TEST(a_stamp_is_renewed_in_place)
{
	struct state_stamp stamp = head.stamp;

	write_state();
	const off_t size = size_of(path);
	stamp.heard.boot_ms = 6000;
	snprintf(stamp.position, sizeof(stamp.position), "index 8");
	ck_assert_int_eq(state_file_renew(fd, FILE_NAME, &stamp), 0);
	ck_assert_int_eq(size_of(path), size);
	expect_state("index 8", 6000);
}
END_TEST

START_TEST(without_a_file_there_is_no_stamp_to_renew)
{
	ck_assert_int_eq(state_file_renew(fd, FILE_NAME, &head.stamp), -ENOENT);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

/* As when the power fails in the middle of it. */
START_TEST(a_stamp_that_is_damaged_leaves_the_one_before_it)
{
	struct state_stamp stamp = head.stamp;

	write_state();
	stamp.heard.boot_ms = 6000;
	ck_assert_int_eq(state_file_renew(fd, FILE_NAME, &stamp), 0);
	for (off_t at = 512 - 104; at < 512; at++) {
		change_octet(at, 0x10);
		expect_state("ETag \"abc\"", 5000);
		change_octet(at, 0x10);
	}
	expect_state("ETag \"abc\"", 6000);
}
END_TEST

START_TEST(every_other_changed_octet_is_refused)
{
	write_state();
	const off_t size = size_of(path);

	for (off_t at = 0; at < size; at++) {
		if (at >= 512 - 104 && at < 512)
			continue;
		change_octet(at, 1);
		ck_assert_int_eq(read_state(), at >= 16 && at < 20 ? -EPROTO : -EBADMSG);
		change_octet(at, 1);
	}
	ck_assert_int_eq(read_state(), 0);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	write_state();
	for (off_t size = size_of(path); size-- > 0;) {
		ck_assert_int_eq(truncate(path, size), 0);
		ck_assert_int_eq(read_state(), -EBADMSG);
	}
}
END_TEST

START_TEST(what_is_longer_is_refused)
{
	write_state();
	ck_assert_int_eq(truncate(path, size_of(path) + 1), 0);
	ck_assert_int_eq(read_state(), -EBADMSG);
}
END_TEST

START_TEST(what_is_no_plain_file_is_refused)
{
	char other[300];

	ck_assert_int_eq(read_state(), -ENOENT);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(read_state(), -EPERM);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(read_state(), -EPERM);
	ck_assert_int_eq(rmdir(path), 0);
	write_state();
	snprintf(other, sizeof(other), "%s.other", path);
	ck_assert_int_eq(rename(path, other), 0);
	ck_assert_int_eq(symlink(other, path), 0);
	ck_assert_int_eq(read_state(), -EPERM);
	ck_assert_int_eq(state_file_renew(fd, FILE_NAME, &head.stamp), -ELOOP);
}
END_TEST

/* Of a daemon that was killed, or somebody who wants us to write elsewhere. */
START_TEST(what_lies_in_the_way_is_removed)
{
	char temporary[300], victim[300];

	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	harness_write_file(dir, "victim", "dear");
	ck_assert_int_eq(symlink(victim, temporary), 0);
	write_state();
	expect_state("ETag \"abc\"", 5000);
	ck_assert_int_eq(size_of(victim), 4);
	ck_assert_int_eq(size_of(temporary), -ENOENT);
}
END_TEST

START_TEST(a_full_disk_leaves_the_file_of_before)
{
	const struct rlimit full = { 520, RLIM_INFINITY };
	struct rlimit before;

	write_state();
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	struct snapshot *other = make_snapshot("10.0.0.2");
	setrlimit(RLIMIT_FSIZE, &full); /* Check writes files, too: nothing of it until that is over */
	const int r = state_file_write(fd, FILE_NAME, &head, other);
	setrlimit(RLIMIT_FSIZE, &before);
	snapshot_release(other);
	ck_assert_int_eq(r, -EFBIG);
	ck_assert_int_eq(count_files(), 1);
	expect_state("ETag \"abc\"", 5000);
}
END_TEST

/* --- ages --- */

static const struct {
	const char *then_boot, *now_boot;
	uint64_t then_ms, now_ms, then_s, now_s;
	uint64_t age_ms;
	bool future;
} ages[] = {
	{ "one", "one", 1000, 5000, 700, 704, 4000, false },
	{ "one", "one", 1000, 5000, 700, 600, 4000, false },  /* the wall clock was set back */
	{ "one", "one", 1000, 5000, 700, 9000, 4000, false }, /* and on */
	{ "one", "one", 5000, 1000, 700, 700, 0, true },
	{ "one", "two", 9000, 1000, 700, 760, 60000, false }, /* another boot */
	{ "one", "two", 1000, 9000, 700, 699, 0, true },
	{ "one", "two", 1000, 9000, 700, 700, 0, false },
	{ "", "", 1000, 9000, 700, 760, 60000, false }, /* nobody knows */
	{ "", "two", 1000, 9000, 700, 760, 60000, false },
};

static struct state_moment moment_of(const char *boot, uint64_t ms, uint64_t s)
{
	struct state_moment m = { .boot_ms = ms, .wall_s = s };

	memcpy(m.boot, boot, strlen(boot));
	return m;
}

START_TEST(an_age_is_told_by_the_clock_that_can_tell)
{
	const struct state_moment then = moment_of(ages[_i].then_boot, ages[_i].then_ms, ages[_i].then_s);
	const struct state_moment now = moment_of(ages[_i].now_boot, ages[_i].now_ms, ages[_i].now_s);
	bool future;

	ck_assert_uint_eq(state_age_ms(&then, &now, &future), ages[_i].age_ms);
	ck_assert_int_eq(future, ages[_i].future);
}
END_TEST

START_TEST(a_moment_is_told_by_both_clocks)
{
	const struct state_moment now = moment_of("one", 10000, 700);
	struct state_moment then = state_moment(7000, &now);

	ck_assert_uint_eq(then.boot_ms, 7000);
	ck_assert_uint_eq(then.wall_s, 697);
	ck_assert_mem_eq(then.boot, now.boot, STATE_BOOT_OCTETS);
	then = state_moment(FRESHNESS_NOW, &now);
	ck_assert_uint_eq(then.boot_ms, 10000);
	ck_assert_uint_eq(then.wall_s, 700);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state_file");
	TCase *files = tcase_create("files"), *plain = tcase_create("ages");

	tcase_add_checked_fixture(files, set_up, tear_down);
	tcase_add_test(files, what_was_written_is_read);
	tcase_add_test(files, a_stamp_is_renewed_in_place);
	tcase_add_test(files, without_a_file_there_is_no_stamp_to_renew);
	tcase_add_test(files, a_stamp_that_is_damaged_leaves_the_one_before_it);
	tcase_add_test(files, every_other_changed_octet_is_refused);
	tcase_add_test(files, every_truncation_is_refused);
	tcase_add_test(files, what_is_longer_is_refused);
	tcase_add_test(files, what_is_no_plain_file_is_refused);
	tcase_add_test(files, what_lies_in_the_way_is_removed);
	tcase_add_test(files, a_full_disk_leaves_the_file_of_before);
	suite_add_tcase(suite, files);
	tcase_add_loop_test(plain, what_is_not_plain_in_a_name_is_encoded, 0,
			    (int)(sizeof(names) / sizeof(names[0])));
	tcase_add_test(plain, the_longest_name_fits);
	tcase_add_loop_test(plain, an_age_is_told_by_the_clock_that_can_tell, 0,
			    (int)(sizeof(ages) / sizeof(ages[0])));
	tcase_add_test(plain, a_moment_is_told_by_both_clocks);
	suite_add_tcase(suite, plain);
	return harness_run(suite);
}
