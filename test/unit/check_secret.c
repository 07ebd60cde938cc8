/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

static char *dir;
static char path[512];
static char secret[SECRET_MAX + 1], reason[SECRET_REASON_MAX];

static void set_up(void)
{
	dir = harness_make_dir();
	snprintf(path, sizeof(path), "%s/secret", dir);
	memset(secret, 'S', sizeof(secret));
	memset(reason, '\0', sizeof(reason));
}

static void tear_down(void)
{
	harness_remove_dir(dir);
}

static void write_octets(const char *octets, size_t len)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(octets, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

static void write_many(size_t n, const char *behind)
{
	char *octets = malloc(n + strlen(behind) + 1);

	memset(octets, 'x', n);
	strcpy(octets + n, behind);
	write_octets(octets, n + strlen(behind));
	free(octets);
}

static void assert_refused(int error, const char *why)
{
	ck_assert_int_eq(secret_read(path, reason, secret), error);
	ck_assert_str_eq(reason, why);
}

static const struct {
	const char *content, *secret;
} good[] = {
	{ "one", "one" },           { "one\n", "one" },   { "one \t\r\n\v\f\n", "one" },
	{ " one", " one" },         { "o n e", "o n e" }, { "s\xc3\xbc\xc3\x9f\n", "s\xc3\xbc\xc3\x9f" },
	{ "\xff\x80", "\xff\x80" },
};

START_TEST(white_space_behind_is_left_out)
{
	write_octets(good[_i].content, strlen(good[_i].content));
	ck_assert_int_eq(secret_read(path, reason, secret), 0);
	ck_assert_str_eq(secret, good[_i].secret);
	ck_assert_str_eq(reason, "");
}
END_TEST

static const struct {
	const char *content;
	size_t len;
	int error;
	const char *why;
} bad[] = {
	{ "", 0, -ENODATA, "empty" },
	{ " \n\t\r\n", 5, -ENODATA, "empty" },
	{ "one\r\nX-Evil: 1", 14, -EINVAL, "control character inside" },
	{ "one\ttwo", 7, -EINVAL, "control character inside" },
	{ "one\x1ftwo", 7, -EINVAL, "control character inside" },
	{ "one\x7f", 4, -EINVAL, "control character inside" },
	{ "one\0two", 7, -EINVAL, "control character inside" },
	{ "one\0", 4, -EINVAL, "control character inside" },
};

START_TEST(what_cannot_be_a_secret_is_refused)
{
	write_octets(bad[_i].content, bad[_i].len);
	assert_refused(bad[_i].error, bad[_i].why);
}
END_TEST

START_TEST(secret_may_be_as_large_as_the_limit_and_not_larger)
{
	write_many(SECRET_MAX, "");
	ck_assert_int_eq(secret_read(path, reason, secret), 0);
	ck_assert_uint_eq(strlen(secret), SECRET_MAX);
	write_many(SECRET_MAX + 1, "");
	assert_refused(-EFBIG, "larger than 65536 octets");
	write_many(SECRET_MAX, "\n"); /* white space counts too */
	assert_refused(-EFBIG, "larger than 65536 octets");
	write_many(10 * SECRET_MAX, "");
	assert_refused(-EFBIG, "larger than 65536 octets");
}
END_TEST

START_TEST(missing_file_is_told)
{
	assert_refused(-ENOENT, "No such file or directory");
}
END_TEST

START_TEST(directory_is_refused)
{
	ck_assert_int_eq(mkdir(path, 0700), 0);
	assert_refused(-EINVAL, "not a regular file");
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(pipe_is_refused_without_waiting)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	assert_refused(-EINVAL, "not a regular file");
}
END_TEST

START_TEST(endless_device_is_refused)
{
	ck_assert_int_eq(symlink("/dev/zero", path), 0);
	assert_refused(-EINVAL, "not a regular file");
}
END_TEST

START_TEST(link_is_followed_and_read_anew)
{
	harness_write_file(dir, "one", "one\n");
	harness_write_file(dir, "two", "two\n");
	ck_assert_int_eq(symlink("one", path), 0);
	ck_assert_int_eq(secret_read(path, reason, secret), 0);
	ck_assert_str_eq(secret, "one");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("two", path), 0);
	ck_assert_int_eq(secret_read(path, reason, secret), 0);
	ck_assert_str_eq(secret, "two");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("secret");
	TCase *contents = tcase_create("contents");
	TCase *files = tcase_create("files");

	tcase_add_checked_fixture(contents, set_up, tear_down);
	tcase_add_loop_test(contents, white_space_behind_is_left_out, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(contents, what_cannot_be_a_secret_is_refused, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(contents, secret_may_be_as_large_as_the_limit_and_not_larger);
	suite_add_tcase(suite, contents);

	tcase_add_checked_fixture(files, set_up, tear_down);
	tcase_add_test(files, missing_file_is_told);
	tcase_add_test(files, directory_is_refused);
	tcase_add_test(files, pipe_is_refused_without_waiting);
	tcase_add_test(files, endless_device_is_refused);
	tcase_add_test(files, link_is_followed_and_read_anew);
	suite_add_tcase(suite, files);
	return harness_run(suite);
}
