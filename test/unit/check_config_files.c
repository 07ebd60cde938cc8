/* SPDX-License-Identifier: BSD-2-Clause */
/* Secrets, certificates and keys that a configuration names, and what else is good but hardly meant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_text.h"
#include "harness.h"

static char *said;

static void tear_down(void)
{
	free(said);
	said = NULL;
	config_text_end();
}

/* Checks a text in which every @ is the directory. */
static int check(const char *format)
{
	const char *dir = config_text_dir();
	char text[2048], path[256];
	size_t len;

	free(said);
	FILE *out = open_memstream(&said, &len);
	ck_assert_ptr_nonnull(out);
	FILE *in = fmemopen(text, sizeof(text), "w");
	for (; *format != '\0'; format++)
		*format == '@' ? fputs(dir, in) : fputc(*format, in);
	fputc('\0', in);
	fclose(in);
	harness_write_file(dir, "phonebook.conf", text);
	snprintf(path, sizeof(path), "%s/phonebook.conf", dir);
	const int r = config_check(path, out);
	fclose(out);
	return r;
}

static void assert_said(int line, const char *text)
{
	char expected[512];

	snprintf(expected, sizeof(expected), "%s/phonebook.conf:%d: warning: ", config_text_dir(), line);
	const char *found = strstr(said, expected);
	ck_assert_msg(found != NULL, "%s is not in:\n%s", expected, said);
	found += strlen(expected);
	ck_assert_msg(strncmp(found, text, strcspn(text, "@")) == 0, "%s is not in:\n%s", text, said);
	if (strchr(text, '@') != NULL) {
		found += strcspn(text, "@") + strlen(config_text_dir());
		text = strchr(text, '@') + 1;
		ck_assert_msg(strncmp(found, text, strlen(text)) == 0, "%s is not in:\n%s", text, said);
	}
}

START_TEST(files_that_are_not_there_are_warned_of_and_fail_nothing)
{
	ck_assert_int_eq(check("consul \"c\" {\n"
			       "token-file = \"@/token\"\n"
			       "ca-file = \"@/ca.pem\"\n"
			       "cert-file = \"@/cert.pem\"\n"
			       "key-file = \"@/key.pem\"\n"
			       "}\n"
			       "etcd \"e\" { user = a\n"
			       "password-file = \"@/password\" }\n"),
			 0);
	assert_said(2, "token-file: cannot read \"@/token\": No such file or directory\n");
	assert_said(3, "ca-file: cannot read \"@/ca.pem\": No such file or directory\n");
	assert_said(4, "cert-file: cannot read \"@/cert.pem\": No such file or directory\n");
	assert_said(5, "key-file: cannot read \"@/key.pem\": No such file or directory\n");
	assert_said(8, "password-file: cannot read \"@/password\": No such file or directory\n");
}
END_TEST

START_TEST(secrets_that_are_none_are_warned_of)
{
	harness_write_file(config_text_dir(), "token", "\n");
	ck_assert_int_eq(check("consul \"c\" {\ntoken-file = \"@/token\" ca-file = \"@/token\"\n}"), 0);
	assert_said(2, "token-file: cannot read \"@/token\": empty\n");
	ck_assert_ptr_null(strstr(said, "ca-file")); /* what is in it is not ours to judge */
	ck_assert_int_eq(check("consul \"c\" {\nca-file = \"@\"\n}"), 0);
	assert_said(2, "ca-file: cannot read \"@\": not a regular file\n");
}
END_TEST

START_TEST(nothing_is_said_of_files_that_can_be_read)
{
	harness_write_file(config_text_dir(), "token", "abc\n");
	ck_assert_int_eq(
		check("http \"h\" { url = \"http://x\" token-file = \"@/token\" ca-file = \"@/token\" }"), 0);
	ck_assert_str_eq(said, "");
}
END_TEST

/* At work the requests say it, at the time when it matters. */
START_TEST(only_a_check_looks)
{
	config_destroy(config_text_good("consul \"c\" { token-file = \"/nonexistent/token\" }"));
}
END_TEST

START_TEST(near_is_nobody_where_it_is_not_said_where_the_host_is)
{
	static const char rest[] = "near: without zone-of-host no instance is near, and all are answered\n";

	ck_assert_int_eq(check("static \"s\" {}\nzone \"a.local\" {\nnear = zone }\n"
			       "zone \"b.local\" {}\nservice \"s.b.local\" {\nnear = zone }\n"),
			 0);
	assert_said(3, rest);
	assert_said(6, rest);
	ck_assert_int_eq(check("zone-of-host = a static \"s\" {} zone \"a.local\" { near = zone }"), 0);
	ck_assert_str_eq(said, "");
	ck_assert_int_eq(check("static \"s\" {} zone \"a.local\" { near = subnet }"), 0);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(what_is_wrong_is_wrong_in_a_check_too)
{
	ck_assert_int_lt(check("threads = 0 static \"s\" {}"), 0);
	ck_assert_ptr_nonnull(strstr(said, "phonebook.conf:1: threads: \"0\" is not within"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config_files");
	TCase *t = tcase_create("files");

	tcase_add_checked_fixture(t, config_text_begin, tear_down);
	tcase_add_test(t, files_that_are_not_there_are_warned_of_and_fail_nothing);
	tcase_add_test(t, secrets_that_are_none_are_warned_of);
	tcase_add_test(t, nothing_is_said_of_files_that_can_be_read);
	tcase_add_test(t, only_a_check_looks);
	tcase_add_test(t, near_is_nobody_where_it_is_not_said_where_the_host_is);
	tcase_add_test(t, what_is_wrong_is_wrong_in_a_check_too);
	suite_add_tcase(s, t);
	return harness_run(s);
}
