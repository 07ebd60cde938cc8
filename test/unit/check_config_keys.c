/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys and blocks nobody knows: one run tells all of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_text.h"
#include "harness.h"

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
		n++;
	return n;
}

/* What is said of a bad text; to be freed. */
static char *complaints(const char *text)
{
	struct config *c = NULL;
	char *errors;

	ck_assert_int_eq(config_text_read(text, &errors, &c), -EINVAL);
	return errors;
}

static void assert_has(const char *errors, const char *const *expected, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(strstr(errors, expected[i]) != NULL, "%s is not in:\n%s", expected[i], errors);
	ck_assert_msg(count(errors, "\n") == n, "more is said:\n%s", errors);
}

#define ASSERT_HAS(errors, expected) assert_has(errors, expected, sizeof(expected) / sizeof((expected)[0]))

START_TEST(all_of_them_are_told_and_wrong_values_too)
{
	static const char *const expected[] = {
		"FILE:1: no such key or block: thread\n",
		"FILE:3: no such key in the zone block: tll; known are registries, merge, ttl",
		"FILE:5: no such key or block: htpp\n",
		"FILE:8: no such key in the instance block: wait;",
		"FILE:9: no such key in the static block: tags\n",
		"FILE:10: cache: not built into this version",
		"FILE:11: threads: \"0\" is not within",
	};
	char *errors = complaints("thread = 2\n"
				  "zone \"a.b\" {\n"
				  "tll = 5s ttl = 1s\n"
				  "}\n"
				  "htpp \"x\" { url = \"a } b\" headers = { \"{\",\n"
				  "'}' } }\n"
				  "static \"s\" { instance \"10.0.0.1\" { service = a\n"
				  "wait = 1 }\n"
				  "tags = { a, b } }\n"
				  "cache { size = 1MiB }\n"
				  "threads = 0\n");

	ASSERT_HAS(errors, expected);
	free(errors);
}
END_TEST

/* What is missing then may stand under the wrong name. */
START_TEST(nothing_is_said_of_what_they_may_have_meant)
{
	static const char *const expected[] = { "FILE:1: no such key in the http block: ulr;" };
	char *errors = complaints("http \"x\" { ulr = \"http://x\" } zone \"a.b\" { registries = y }");

	ASSERT_HAS(errors, expected);
	free(errors);
}
END_TEST

START_TEST(those_of_included_files_are_told_too)
{
	char text[256], *errors;

	harness_write_file(config_text_dir(), "more.conf", "nix = 1\nnada = 2\n");
	snprintf(text, sizeof(text), "nothing = 0 include = \"%s/more.conf\"", config_text_dir());
	errors = complaints(text);
	ck_assert_msg(count(errors, "no such key or block") == 3, "%s", errors);
	ck_assert_ptr_nonnull(strstr(errors, "/more.conf:2: no such key or block: nada\n"));
	free(errors);
}
END_TEST

START_TEST(another_programs_file_is_not_told_in_full)
{
	char text[4096] = "", *errors;

	for (unsigned i = 0; i < 200; i++)
		strcat(text, "option = value\n");
	errors = complaints(text);
	ck_assert_uint_eq(count(errors, "no such key or block: option\n"), 20);
	ck_assert_ptr_nonnull(strstr(errors, "FILE:21: and more that nobody knows\n"));
	ck_assert_uint_eq(count(errors, "\n"), 21);
	free(errors);
}
END_TEST

/* What is no statement ends the search, and libconfuse has its word. */
static const struct {
	const char *text;
	const char *expected;
} broken[] = {
	{ "one = 1\n two", "FILE:1: no such key or block: one" },
	{ "one = 1\n= 2", "FILE:2: a text where none can stand" },
	{ "one = { 1 }\nstatic = 2", "FILE:1: no such key or block: one" },
	{ "one \"x\" { two { three = '}' } }\nfour", "FILE:1: no such key or block: one" },
	{ "one = ", "FILE:1: " },
	{ "one = 'a\\'b' two = \"c\\\"d\" three = 3", "no such key or block: three" },
};

START_TEST(what_is_no_statement_ends_the_search)
{
	config_text_bad(broken[_i].text, broken[_i].expected);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config_keys");
	TCase *t = tcase_create("unknown");

	tcase_add_checked_fixture(t, config_text_begin, config_text_end);
	tcase_add_test(t, all_of_them_are_told_and_wrong_values_too);
	tcase_add_test(t, nothing_is_said_of_what_they_may_have_meant);
	tcase_add_test(t, those_of_included_files_are_told_too);
	tcase_add_test(t, another_programs_file_is_not_told_in_full);
	tcase_add_loop_test(t, what_is_no_statement_ends_the_search, 0, sizeof(broken) / sizeof(broken[0]));
	suite_add_tcase(s, t);
	return harness_run(s);
}
