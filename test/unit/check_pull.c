/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model/snapshot.h"
#include "registry/pull.h"

static struct snapshot_builder *b;
static struct json_reader reader;
static struct buffer room;
static char *copy;

static void set_up(void)
{
	b = snapshot_builder_create();
	room = (struct buffer){ .limit = 4096 };
	ck_assert_ptr_nonnull(buffer_reserve(&room, 4096));
}

static void tear_down(void)
{
	snapshot_builder_destroy(b);
	buffer_finish(&room);
	free(copy);
	copy = NULL;
}

/* Without a NUL behind: a sanitizer sees the first octet that is read too many. */
static void begin_octets(const char *text, size_t len)
{
	free(copy);
	copy = malloc(len > 0 ? len : 1);
	memcpy(copy, text, len);
	ck_assert_int_eq(json_begin(&reader, copy, len, b), 0);
}

static void begin(const char *text)
{
	begin_octets(text, strlen(text));
}

static const char *const values[] = {
	"1",
	"-0.5e+3",
	"true",
	"null",
	"\"\"",
	"\"a\\\"b\\\\\"",
	"[]",
	"{}",
	"[1, \"]\", {\"a\" : [] }]",
	" { \"a\" : { \"}\" : null } , \"b\":[ [ ] ] } ",
	"\"\xff\"", /* skipped by its form alone */
	"\"\\ud800\"",
	"{\"a\":1,\"a\":2}",
};

START_TEST(value_is_skipped_to_its_end)
{
	begin(values[_i]);
	ck_assert_int_eq(pull_skip(&reader), 0);
	ck_assert_int_eq(json_end(&reader), 0);
}
END_TEST

static const char *const spoilt[] = {
	"",        "tru",        "nul",    "+1",        "\"",
	"\"a",     "\"\\",       "\"\\\"", "\"a\nb\"",  "[",
	"[1",      "[1,",        "[1,]",   "[,]",       "[1 2]",
	"[}",      "{",          "{\"a\"", "{\"a\":",   "{\"a\":1",
	"{\"a\",", "{\"a\":1,}", "{a:1}",  "{\"a\":1]", "{\"a\":1 \"b\"}",
	"{1:1}",   "{,}",        "}",      "]",         ",",
};

START_TEST(what_has_not_the_form_of_json_is_refused)
{
	begin(spoilt[_i]);
	ck_assert_int_eq(pull_skip(&reader), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(snapshot_builder_error(b), "1:"));
}
END_TEST

START_TEST(every_beginning_of_a_value_is_refused)
{
	static const char whole[] = "{\"a\":[1,true,{\"b\\\"\":\"\\u0041\"}],\"c\":null}";

	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		begin_octets(whole, len);
		ck_assert_int_eq(pull_skip(&reader), -EBADMSG);
	}
}
END_TEST

START_TEST(nesting_has_an_end)
{
	char deep[2001];

	for (size_t depth = 1; depth < 1000; depth += 50) {
		memset(deep, '[', depth);
		memset(deep + depth, ']', depth);
		deep[2 * depth] = '\0';
		begin(deep);
		ck_assert_int_eq(pull_skip(&reader), depth <= 64 ? 0 : -EBADMSG);
	}
	memset(deep, '[', 2000);
	deep[2000] = '\0';
	begin(deep);
	ck_assert_int_eq(pull_skip(&reader), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(snapshot_builder_error(b), "nested too deeply"));
}
END_TEST

static const struct {
	const char *value, *text; /* NULL: none */
} texts[] = {
	{ "\"\"", "" },
	{ "\"plain text\"", "plain text" },
	{ "\"\\u0041\\n\\\"\"", "A\n\"" },
	{ "\"caf\xc3\xa9\"", "caf\xc3\xa9" },
	{ "\"caf\\u00e9\"", "caf\xc3\xa9" },
	{ "\"a\\u0000b\"", NULL },
	{ "7", NULL },
	{ "null", NULL },
	{ "{\"a\":\"b\"}", NULL },
	{ "[\"a\"]", NULL },
};

START_TEST(text_is_given_as_it_is_meant)
{
	const char *text = "untouched";

	begin(texts[_i].value);
	ck_assert_int_eq(pull_text(&reader, &room, &text), 0);
	ck_assert_int_eq(json_end(&reader), 0);
	if (texts[_i].text == NULL)
		ck_assert_ptr_null(text);
	else
		ck_assert_str_eq(text, texts[_i].text);
}
END_TEST

static const char *const bad_texts[] = { "\"a",      "\"\xff\"", "\"\\ud800\"", "\"\\x\"",
					 "\"a\tb\"", "\"\xc3\"", "\"\\" };

START_TEST(text_that_is_read_must_be_right)
{
	const char *text;

	begin(bad_texts[_i]);
	ck_assert_int_eq(pull_text(&reader, &room, &text), -EBADMSG);
}
END_TEST

START_TEST(text_too_long_is_seen_to_be)
{
	char value[1003];
	const char *text;

	memset(value, 'x', sizeof(value) - 1);
	value[0] = value[sizeof(value) - 2] = '"';
	value[sizeof(value) - 1] = '\0';
	begin(value);
	ck_assert_int_eq(pull_text(&reader, &room, &text), 0);
	ck_assert_uint_eq(strlen(text), PULL_TEXT_MAX);
	ck_assert_int_eq(json_end(&reader), 0);
}
END_TEST

START_TEST(room_is_not_outgrown)
{
	struct buffer small = { .limit = 8 };
	const char *first, *second;

	ck_assert_ptr_nonnull(buffer_reserve(&small, 8));
	begin("\"123\"");
	ck_assert_int_eq(pull_text(&reader, &small, &first), 0);
	begin("\"1234\"");
	ck_assert_int_eq(pull_text(&reader, &small, &second), -EFBIG);
	ck_assert_uint_eq(small.len, 4);
	begin("\"456\"");
	ck_assert_int_eq(pull_text(&reader, &small, &second), 0);
	ck_assert_str_eq(first, "123");
	ck_assert_str_eq(second, "456");
	buffer_finish(&small);
}
END_TEST

static const struct {
	const char *value;
	bool taken;
	uint64_t number;
} numbers[] = {
	{ "0", true, 0 },
	{ "8080", true, 8080 },
	{ "999999999999999", true, 999999999999999 },
	{ "1000000000000000", false, 0 },
	{ "007", false, 0 },
	{ "-1", false, 0 },
	{ "1.0", false, 0 },
	{ "1e3", false, 0 },
	{ "\"80\"", false, 0 },
	{ "null", false, 0 },
	{ "8080,", true, 8080 },
	{ "8080}", true, 8080 },
	{ "80 80", true, 80 },
	{ "", false, 0 },
	{ "[1]", false, 0 },
};

START_TEST(digits_are_a_number_and_nothing_else_is)
{
	uint64_t number = 0;

	begin(numbers[_i].value);
	ck_assert(pull_digits(&reader, &number) == numbers[_i].taken);
	ck_assert_uint_eq(number, numbers[_i].number);
	ck_assert(numbers[_i].taken || reader.at == 0);
}
END_TEST

START_TEST(members_come_with_their_names)
{
	const char *name, *value = NULL;
	struct pull_walk w;

	begin(" {\"Port\" : 1, \"P\\u006frt\":\"x\",\"Po\":[],\"\":{}} ");
	ck_assert_int_eq(pull_enter(&reader, '{', &w), 0);
	ck_assert_int_eq(pull_step(&reader, &w), 1);
	ck_assert(pull_is(&reader, &w, "Port"));
	ck_assert(!pull_is(&reader, &w, "Por"));
	ck_assert(!pull_is(&reader, &w, "Ports"));
	ck_assert_int_eq(pull_skip(&reader), 0);
	ck_assert_int_eq(pull_step(&reader, &w), 1);
	ck_assert(!pull_is(&reader, &w, "Port"));
	ck_assert_int_eq(pull_name(&reader, &w, &room, &name), 0);
	ck_assert_str_eq(name, "Port");
	ck_assert_int_eq(pull_text(&reader, &room, &value), 0);
	ck_assert_str_eq(value, "x");
	ck_assert_int_eq(pull_step(&reader, &w), 1);
	ck_assert(!pull_is(&reader, &w, "Port"));
	ck_assert_int_eq(pull_skip(&reader), 0);
	ck_assert_int_eq(pull_step(&reader, &w), 1);
	ck_assert(pull_is(&reader, &w, ""));
	ck_assert_int_eq(pull_skip(&reader), 0);
	ck_assert_int_eq(pull_step(&reader, &w), 0);
	ck_assert_int_eq(json_end(&reader), 0);
}
END_TEST

START_TEST(walk_over_something_else_finds_nothing_in_it)
{
	static const char *const others[] = { "null", "7", "\"{\"", "[1,[2]]", "[]" };
	struct pull_walk w;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		begin(others[i]);
		ck_assert_int_eq(pull_enter(&reader, '{', &w), 0);
		ck_assert_int_eq(pull_step(&reader, &w), 0);
		ck_assert_int_eq(pull_step(&reader, &w), 0);
		ck_assert_int_eq(json_end(&reader), 0);
	}
	begin("[1");
	ck_assert_int_eq(pull_enter(&reader, '{', &w), -EBADMSG);
}
END_TEST

#define ADD_LOOP(tcase, test, table) tcase_add_loop_test(tcase, test, 0, sizeof(table) / sizeof(table[0]))

int main(void)
{
	Suite *suite = suite_create("pull");
	TCase *form = tcase_create("form"), *reading = tcase_create("reading");

	tcase_add_checked_fixture(form, set_up, tear_down);
	tcase_add_checked_fixture(reading, set_up, tear_down);
	ADD_LOOP(form, value_is_skipped_to_its_end, values);
	ADD_LOOP(form, what_has_not_the_form_of_json_is_refused, spoilt);
	tcase_add_test(form, every_beginning_of_a_value_is_refused);
	tcase_add_test(form, nesting_has_an_end);
	ADD_LOOP(reading, text_is_given_as_it_is_meant, texts);
	ADD_LOOP(reading, text_that_is_read_must_be_right, bad_texts);
	tcase_add_test(reading, text_too_long_is_seen_to_be);
	tcase_add_test(reading, room_is_not_outgrown);
	ADD_LOOP(reading, digits_are_a_number_and_nothing_else_is, numbers);
	tcase_add_test(reading, members_come_with_their_names);
	tcase_add_test(reading, walk_over_something_else_finds_nothing_in_it);
	suite_add_tcase(suite, form);
	suite_add_tcase(suite, reading);
	return harness_run(suite);
}
