/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model/snapshot.h"

static struct snapshot_builder *b;
static struct json_reader r;
static char *body; /* ends where it ends, so that the sanitizer sees a step too far */
static char said[4096];

static void set_up(void)
{
	b = snapshot_builder_create();
	ck_assert_ptr_nonnull(b);
	said[0] = '\0';
}

static void tear_down(void)
{
	snapshot_builder_destroy(b);
	free(body);
	body = NULL;
}

static void begin_octets(const char *text, size_t len)
{
	free(body);
	body = malloc(len > 0 ? len : 1);
	ck_assert_ptr_nonnull(body);
	memcpy(body, text, len);
	ck_assert_int_eq(json_begin(&r, body, len, b), 0);
}

/* The vectors are written with ' for ", or nobody could read them. */
static void begin(const char *text)
{
	begin_octets(text, strlen(text));
	for (size_t i = 0; i < r.len; i++) {
		if (body[i] == '\'')
			body[i] = '"';
	}
}

static void say(const char *text)
{
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s ", text);
}

static int say_element(void *context, const struct json_value *element)
{
	(void)context;
	say(json_describe(element));
	return json_text(element) != NULL && strcmp(json_text(element), "stop") == 0 ? -ECANCELED : 0;
}

/* As a kind reads it: one member's list element by element, everything else only checked. */
static int read_member(const char *wanted)
{
	struct json_walk w;
	int status = json_enter(&r, &w);

	while (status >= 0 && (status = json_step(&r, &w)) > 0) {
		if (strcmp(json_key(&w), wanted) == 0)
			status = json_each(&r, say_element, NULL);
		else
			status = json_validate(&r);
	}
	json_leave(&w);
	return status == 0 ? json_end(&r) : status;
}

static struct json_value *load(const char *text)
{
	struct json_value *v = NULL;

	begin(text);
	ck_assert_msg(json_load(&r, &v) == 0, "%s", snapshot_builder_error(b));
	ck_assert_int_eq(json_end(&r), 0);
	return v;
}

static const struct {
	const char *body, *said;
} lists[] = {
	{ "[]", "" },
	{ " \r\n\t[ ] \n", "" },
	{ "\xef\xbb\xbf['a']", "a " },
	{ "['a',{},[],7,7.5,true,false,null]", "a an object a list a number a number a truth a truth null " },
	{ "[ 'a' , 'b' ]", "a b " },
	{ "['x\\u0000y']", "x " },
};

START_TEST(list_is_read_element_by_element)
{
	begin(lists[_i].body);
	ck_assert_int_eq(json_peek(&r), '[');
	ck_assert_int_eq(json_each(&r, say_element, NULL), 0);
	ck_assert_int_eq(json_end(&r), 0);
	ck_assert_str_eq(said, lists[_i].said);
}
END_TEST

static const struct {
	const char *body, *said;
} members[] = {
	{ "{'items':['a','b']}", "a b " },
	{ "{'kind':'List','metadata':{'n':[1,{'items':['x']}]},'items':[ 'a' ],'more':null}", "a " },
	{ "{}", "" },
	{ "{'other':[[[[[[[[[[[[]]]]]]]]]]]]}", "" },
};

START_TEST(list_below_a_member_is_read_element_by_element)
{
	begin(members[_i].body);
	ck_assert_int_eq(read_member("items"), 0);
	ck_assert_str_eq(said, members[_i].said);
}
END_TEST

static const struct {
	const char *body, *error;
} broken[] = {
	{ "", "1:1: neither a list nor an object" },
	{ "7", "1:1: neither a list nor an object" },
	{ "{'items':null}", "1:10: a list was expected" },
	{ "{'items':", "1:10: a list was expected" },
	{ "{'items':[1 2]}", "1:13: ',' or a closing bracket was expected" },
	{ "{'items':[1],\n'items':[2]}", "2:1: duplicate member" },
	{ "{'items':[1],\n'\\u0069tems':[2]}", "2:1: duplicate member" },
	{ "{'items':[{'a':1,'a':2}]}", "" },
	{ "{'items' []}", "1:10: ':' was expected" },
	{ "{7:[]}", "1:2: a member's name was expected" },
	{ "{'a\\u0000':[]}", "1:2: a member's name was expected" },
	{ "{'items':[]} []", "1:14: something follows the end of the JSON text" },
	{ "{'items':[]", "1:12: ',' or a closing bracket was expected" },
	{ "{'items':[1,]}", "" },
	{ "{'x':[1,]}", "" },
	{ "{'x':{'y':nul}}", "" },
	{ "{'x':'\xc0\xaf'}", "" },
	{ "{'x':1e999}", "" },
};

START_TEST(what_is_no_json_is_refused_with_line_and_column)
{
	unsigned line, column;

	begin(broken[_i].body);
	ck_assert_int_eq(read_member("items"), -EBADMSG);
	if (broken[_i].error[0] != '\0')
		ck_assert_str_eq(snapshot_builder_error(b), broken[_i].error);
	ck_assert_int_eq(sscanf(snapshot_builder_error(b), "%u:%u: ", &line, &column), 2);
}
END_TEST

START_TEST(no_beginning_of_a_body_is_a_body)
{
	static const char whole[] = "{\"x\":{\"y\":\"\\u00e9\"},\"items\":[{\"a\":[1.5,null]},\"b\"]}";

	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		begin_octets(whole, len);
		ck_assert_int_eq(read_member("items"), -EBADMSG);
	}
	begin_octets(whole, sizeof(whole) - 1);
	ck_assert_int_eq(read_member("items"), 0);
}
END_TEST

START_TEST(taker_ends_the_reading)
{
	begin("['a','stop','b']");
	ck_assert_int_eq(json_each(&r, say_element, NULL), -ECANCELED);
	ck_assert_str_eq(said, "a stop ");
}
END_TEST

START_TEST(place_is_noted_and_returned_to)
{
	struct json_value *v;

	begin("['}]\\'{', {'a':[1,']']}, 2]");
	const size_t start = r.at;
	json_skip(&r);
	ck_assert_uint_eq(r.at, r.len);
	r.at = start + 1;
	json_skip(&r);
	ck_assert_int_eq(r.text[r.at], ',');
	r.at++;
	ck_assert_int_eq(json_peek(&r), '{');
	const size_t object = r.at;
	json_skip(&r);
	ck_assert_int_eq(r.text[r.at], ',');
	r.at = object;
	ck_assert_int_eq(json_load(&r, &v), 0);
	ck_assert_uint_eq(json_count(json_get(v, "a")), 2);
	json_free(v);
	r.at = start;
	ck_assert_int_eq(json_validate(&r), 0);
	ck_assert_int_eq(json_end(&r), 0);
}
END_TEST

START_TEST(stepping_over_stops_at_the_end)
{
	static const char *const texts[] = { "['open", "'\\", "[[[", "", "{'a':['\\'" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		begin(texts[i]);
		json_skip(&r);
		ck_assert_uint_eq(r.at, r.len);
	}
}
END_TEST

START_TEST(values_are_looked_into)
{
	struct json_value *v = load("{'t':'x','n':3,'r':0.5,'y':true,'f':false,'z':null,'l':['a',7],'o':{}}");
	static const struct {
		const char *key;
		enum json_kind kind;
	} kinds[] = { { "t", VALUE_TEXT }, { "n", VALUE_NUMBER }, { "r", VALUE_NUMBER },
		      { "y", VALUE_TRUE }, { "f", VALUE_FALSE },  { "z", VALUE_NULL },
		      { "l", VALUE_LIST }, { "o", VALUE_OBJECT }, { "none", VALUE_ABSENT } };
	double number = 9;

	ck_assert_int_eq(json_kind_of(v), VALUE_OBJECT);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct json_value *part = json_get(v, kinds[i].key);

		ck_assert_int_eq(json_kind_of(part), kinds[i].kind);
		ck_assert_int_eq(json_text(part) != NULL, kinds[i].kind == VALUE_TEXT);
		ck_assert_int_eq(json_number(part, &number), kinds[i].kind == VALUE_NUMBER);
		ck_assert_uint_eq(json_count(part), kinds[i].kind == VALUE_LIST ? 2 : 0);
		ck_assert_uint_gt(strlen(json_describe(part)), 0);
		ck_assert(!json_has_nul(part));
	}
	ck_assert_str_eq(json_text(json_get(v, "t")), "x");
	ck_assert(json_number(json_get(v, "n"), &number) && number == 3);
	ck_assert(json_number(json_get(v, "r"), &number) && number == 0.5);
	ck_assert_str_eq(json_text(json_at(json_get(v, "l"), 0)), "a");
	ck_assert_ptr_null(json_at(json_get(v, "l"), 2));
	ck_assert_ptr_null(json_at(v, 0));
	ck_assert_ptr_null(json_get(json_get(v, "l"), "a"));
	json_free(v);
	json_free(NULL);
}
END_TEST

START_TEST(members_come_as_they_were_written)
{
	struct json_value *v = load("{'b':1,'a':'x','c':[]}");
	struct json_member m = { 0 };

	while (json_next_member(v, &m)) {
		say(m.key);
		say(json_describe(m.value));
	}
	ck_assert_str_eq(said, "b a number a x c a list ");
	m = (struct json_member){ 0 };
	ck_assert(!json_next_member(json_get(v, "c"), &m));
	ck_assert(!json_next_member(NULL, &m));
	json_free(v);
}
END_TEST

static const struct {
	const char *body;
	bool nul;
} nuls[] = {
	{ "'\\u0000'", true },
	{ "'a'", false },
	{ "['a',['b\\u0000']]", true },
	{ "{'a':{'b':['\\u0000']}}", true },
	{ "{'a':{'b':['x',1,null]}}", false },
};

START_TEST(nul_in_a_text_is_found_anywhere)
{
	struct json_value *v = load(nuls[_i].body);

	ck_assert_int_eq(json_has_nul(v), nuls[_i].nul);
	if (json_kind_of(v) == VALUE_TEXT)
		ck_assert_int_eq(json_text(v) == NULL, nuls[_i].nul);
	json_free(v);
}
END_TEST

/* Numbers that other members of a large answer may have must not cost the answer. */
START_TEST(large_numbers_are_numbers)
{
	struct json_value *v = load("[18446744073709551616,-1e300]");
	double number;

	ck_assert(json_number(json_at(v, 0), &number) && number == 18446744073709551616.0);
	ck_assert(json_number(json_at(v, 1), &number) && number == -1e300);
	json_free(v);
}
END_TEST

/* Deep nesting, in what is wanted and in what is not: no recursion of ours follows it down. */
START_TEST(nesting_is_limited)
{
	static const char *const units[] = { "[", "{\"a\":", "{\"a\":[" };
	const size_t n = 100000, len = strlen(units[_i]);
	char *text = malloc(n * len);
	struct json_value *v;

	for (size_t i = 0; i < n; i++)
		memcpy(text + i * len, units[_i], len);
	begin_octets(text, n * len);
	free(text);
	ck_assert_int_eq(json_validate(&r), -EBADMSG);
	r.at = 0;
	ck_assert_int_eq(json_load(&r, &v), -EBADMSG);
}
END_TEST

/* A body of head, then n times unit, then tail. */
static void begin_long(const char *head, const char *unit, size_t n, const char *tail)
{
	const size_t before = strlen(head), len = strlen(unit), after = strlen(tail);
	char *text = malloc(before + n * len + after);

	ck_assert_ptr_nonnull(text);
	memcpy(text, head, before);
	for (size_t i = 0; i < n; i++)
		memcpy(text + before + i * len, unit, len);
	memcpy(text + before + n * len, tail, after);
	begin_octets(text, before + n * len + after);
	free(text);
}

static int count_element(void *context, const struct json_value *element)
{
	size_t *n = context;

	*n += json_kind_of(element) != VALUE_ABSENT;
	return 0;
}

static const struct {
	const char *head, *unit, *tail;
} long_values[] = {
	{ "[1,[", "{},", "{}]]" }, { "[1,{\"a\":[", "[],", "0]}]" },
	{ "[1,\"", "xyz", "\"]" }, { "[1,", "000", "]" },
	{ "[1,[", "[],", "" },     { "[1,\"", "xyz", "" },
};

START_TEST(one_value_is_limited_before_it_becomes_a_tree)
{
	size_t n = 0;

	begin_long(long_values[_i].head, long_values[_i].unit, JSON_VALUE_MAX / 3 + 1, long_values[_i].tail);
	ck_assert_int_eq(json_each(&r, count_element, &n), -EBADMSG);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(snapshot_builder_error(b), "1:4: a value of more than 1 MiB");
}
END_TEST

START_TEST(many_values_are_not_limited)
{
	size_t n = 0;

	begin_long("[", "{\"a\":[0]} , ", JSON_VALUE_MAX / 2, "\"last\"]");
	ck_assert_int_eq(json_each(&r, count_element, &n), 0);
	ck_assert_uint_eq(n, JSON_VALUE_MAX / 2 + 1);
	ck_assert_int_eq(json_end(&r), 0);
}
END_TEST

START_TEST(value_of_the_largest_size_is_read)
{
	size_t n = 0;

	begin_long("[\"", "x", JSON_VALUE_MAX - 2, "\"]");
	ck_assert_int_eq(json_each(&r, count_element, &n), 0);
	begin_long("[\"", "x", JSON_VALUE_MAX - 1, "\"]");
	ck_assert_int_eq(json_each(&r, count_element, &n), -EBADMSG);
	ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(name_in_front_of_a_large_value_is_read)
{
	begin_long("{\"services\":[", "{},", JSON_VALUE_MAX, "{}]}");
	ck_assert_int_eq(json_validate(&r), 0);
	ck_assert_int_eq(json_end(&r), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *reading = tcase_create("reading");
	TCase *refusals = tcase_create("refusals");
	TCase *values = tcase_create("values");
	TCase *cases[] = { reading, refusals, values };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tcase_add_checked_fixture(cases[i], set_up, tear_down);
		tcase_set_timeout(cases[i], 20);
		suite_add_tcase(suite, cases[i]);
	}
	tcase_add_loop_test(reading, list_is_read_element_by_element, 0, sizeof(lists) / sizeof(lists[0]));
	tcase_add_loop_test(reading, list_below_a_member_is_read_element_by_element, 0,
			    sizeof(members) / sizeof(members[0]));
	tcase_add_test(reading, taker_ends_the_reading);
	tcase_add_test(reading, place_is_noted_and_returned_to);
	tcase_add_test(reading, stepping_over_stops_at_the_end);
	tcase_add_loop_test(refusals, what_is_no_json_is_refused_with_line_and_column, 0,
			    sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(refusals, no_beginning_of_a_body_is_a_body);
	tcase_add_loop_test(refusals, nesting_is_limited, 0, 3);
	tcase_add_loop_test(refusals, one_value_is_limited_before_it_becomes_a_tree, 0,
			    sizeof(long_values) / sizeof(long_values[0]));
	tcase_add_test(reading, many_values_are_not_limited);
	tcase_add_test(reading, value_of_the_largest_size_is_read);
	tcase_add_test(reading, name_in_front_of_a_large_value_is_read);
	tcase_add_test(values, values_are_looked_into);
	tcase_add_test(values, members_come_as_they_were_written);
	tcase_add_loop_test(values, nul_in_a_text_is_found_anywhere, 0, sizeof(nuls) / sizeof(nuls[0]));
	tcase_add_test(values, large_numbers_are_numbers);
	return harness_run(suite);
}
