/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/fields.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "model/snapshot.h"

static struct snapshot_builder *b;
static struct json_value *object;

static void set_up(void)
{
	b = snapshot_builder_create();
	ck_assert_ptr_nonnull(b);
}

static void tear_down(void)
{
	json_free(object);
	object = NULL;
	snapshot_builder_destroy(b);
}

/* The value of "x", which is written with ' for "; "" leaves it out. */
static const struct json_value *value(const char *text)
{
	char body[256] = "{}";
	struct json_reader r;

	if (text[0] != '\0')
		snprintf(body, sizeof(body), "{\"x\":%s}", text);
	for (char *c = strchr(body, '\''); c != NULL; c = strchr(c, '\''))
		*c = '"';
	json_free(object);
	ck_assert_int_eq(json_begin(&r, body, strlen(body), b), 0);
	ck_assert_int_eq(json_load(&r, &object), 0);
	return json_get(object, "x");
}

static const struct {
	const char *text;
	int port; /* -1: refused */
} ports[] = {
	{ "80", 80 },          { "'80'", 80 }, { "8e1", 80 },      { "0", 0 },       { "''", -1 },
	{ "null", 0 },         { "", 0 },      { "65535", 65535 }, { "65536", -1 },  { "'65536'", -1 },
	{ "-1", -1 },          { "80.5", -1 }, { "1e300", -1 },    { "'http'", -1 }, { "'8e1'", -1 },
	{ "'80\\u0000'", -1 }, { "[]", -1 },   { "{}", -1 },       { "true", -1 },   { "' 80'", -1 },
};

START_TEST(port_is_a_whole_number_or_digits)
{
	int64_t port = 7;

	ck_assert_int_eq(field_port(value(ports[_i].text), &port), ports[_i].port >= 0);
	ck_assert_int_eq(port, ports[_i].port >= 0 ? ports[_i].port : 7);
}
END_TEST

static const struct {
	const char *text;
	bool known;
	double number;
} numbers[] = {
	{ "3", true, 3 },        { "0.25", true, 0.25 }, { "'10'", true, 10 }, { "'-1e2'", true, -100 },
	{ "'heavy'", false, 0 }, { "''", false, 0 },     { "'1e'", false, 0 }, { "'0x10'", false, 0 },
	{ "'inf'", false, 0 },   { "null", false, 0 },   { "", false, 0 },     { "[1]", false, 0 },
	{ "true", false, 0 },    { "' 1'", false, 0 },
};

START_TEST(number_is_understood_as_a_text_too)
{
	double number = -7;

	ck_assert_int_eq(field_number(value(numbers[_i].text), &number), numbers[_i].known);
	ck_assert(number == (numbers[_i].known ? numbers[_i].number : -7));
}
END_TEST

static const struct {
	const char *text;
	enum health health;
	bool denied;
} healths[] = {
	{ "'warning'", HEALTH_WARNING, false },
	{ "'WARN'", HEALTH_WARNING, false },
	{ "'critical'", HEALTH_CRITICAL, false },
	{ "'Down'", HEALTH_CRITICAL, false },
	{ "'unhealthy'", HEALTH_CRITICAL, false },
	{ "'OUT_OF_SERVICE'", HEALTH_CRITICAL, false },
	{ "'False'", HEALTH_CRITICAL, true },
	{ "false", HEALTH_PASSING, true },
	{ "true", HEALTH_PASSING, false },
	{ "'passing'", HEALTH_PASSING, false },
	{ "'dancing'", HEALTH_PASSING, false },
	{ "null", HEALTH_PASSING, false },
	{ "", HEALTH_PASSING, false },
	{ "0", HEALTH_PASSING, false },
};

START_TEST(health_is_told_by_known_words)
{
	ck_assert_int_eq(field_health(value(healths[_i].text)), healths[_i].health);
	ck_assert_int_eq(field_is_denied(object, "x"), healths[_i].denied);
}
END_TEST

START_TEST(protocol_is_told_in_any_case)
{
	ck_assert_int_eq(field_protocol(value("'tcp'")), PROTOCOL_TCP);
	ck_assert_int_eq(field_protocol(value("'UDP'")), PROTOCOL_UDP);
	ck_assert_int_eq(field_protocol(value("'sctp'")), PROTOCOL_ANY);
	ck_assert_int_eq(field_protocol(value("6")), PROTOCOL_ANY);
	ck_assert_int_eq(field_protocol(NULL), PROTOCOL_ANY);
}
END_TEST

START_TEST(first_text_that_says_something_is_taken)
{
	static const char *const keys[] = { "a", "b", "c", NULL };
	const struct json_value *v = value("{'c':'last','a':'','b':7}");

	ck_assert_str_eq(field_text(v, keys), "last");
	ck_assert_ptr_null(field_text(v, keys + 3));
	ck_assert_ptr_null(field_text(NULL, keys));
	ck_assert_str_eq(field_text(value("{'b':'two','c':'three'}"), keys), "two");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fields");
	TCase *fields = tcase_create("fields");

	tcase_add_checked_fixture(fields, set_up, tear_down);
	suite_add_tcase(suite, fields);
	tcase_add_loop_test(fields, port_is_a_whole_number_or_digits, 0, sizeof(ports) / sizeof(ports[0]));
	tcase_add_loop_test(fields, number_is_understood_as_a_text_too, 0,
			    sizeof(numbers) / sizeof(numbers[0]));
	tcase_add_loop_test(fields, health_is_told_by_known_words, 0, sizeof(healths) / sizeof(healths[0]));
	tcase_add_test(fields, protocol_is_told_in_any_case);
	tcase_add_test(fields, first_text_that_says_something_is_taken);
	return harness_run(suite);
}
