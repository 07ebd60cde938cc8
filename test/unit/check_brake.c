/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/brake.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

static uint64_t limit_ms;

static uint64_t limit(void *context, const char *service)
{
	(void)context;
	return strcmp(service, "free") == 0 ? 0 : limit_ms;
}

/* "a=5 b=1 c=0" */
static struct snapshot *make(const char *text)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *s;
	char name[32], address[32];
	int n, used;

	for (; sscanf(text, " %31[a-z]=%d%n", name, &n, &used) == 2; text += used) {
		ck_assert_int_eq(snapshot_builder_add_service(b, name), 0);
		for (int i = 0; i < n; i++) {
			struct report r = report_blank();

			snprintf(address, sizeof(address), "10.0.0.%d", i + 1);
			r.service = name;
			r.address = address;
			ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
		}
	}
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &s), 0);
	snapshot_builder_destroy(b);
	return s;
}

static const struct {
	const char *accepted, *before, *fresh;
	uint64_t waited_ms;
	const char *believed;
	size_t held;
} cases[] = {
	{ NULL, NULL, "a=1", 0, "a=1", 0 }, /* the first word is believed */
	{ "a=5", NULL, "a=5", 0, "a=5", 0 },
	{ "a=5", NULL, "a=6 b=1", 0, "a=6 b=1", 0 },
	{ "a=5", NULL, "", 0, "a=5", 1 }, /* everything is gone */
	{ "a=5", NULL, "a=0", 0, "a=5", 1 },
	{ "a=1", NULL, "", 0, "a=1", 1 },
	{ "a=0", NULL, "", 0, "", 0 },       /* nothing to lose */
	{ "a=5", NULL, "a=2", 0, "a=5", 1 }, /* more than half of four or more */
	{ "a=4", NULL, "a=2", 0, "a=2", 0 }, /* exactly half */
	{ "a=4", NULL, "a=1", 0, "a=4", 1 },
	{ "a=3", NULL, "a=1", 0, "a=1", 0 },         /* fewer than four */
	{ "a=5 b=2", NULL, "b=3", 0, "a=5 b=3", 1 }, /* what is not held moves on */
	{ "a=5 b=5", NULL, "", 0, "a=5 b=5", 2 },
	{ "a=5", "", "", 0, "", 0 },           /* said twice */
	{ "a=5 b=5", "b=5", "", 0, "b=5", 1 }, /* a twice, b once */
	{ "a=5", "", "a=5", 0, "a=5", 0 },     /* restored */
	{ "a=5", NULL, "", 9999, "a=5", 1 },
	{ "a=5", NULL, "", 10000, "", 0 },          /* waited out */
	{ "free=5 a=5", NULL, "a=5", 0, "a=5", 0 }, /* no brake for this one */
};

START_TEST(the_verdict_is_this)
{
	struct snapshot *accepted = cases[_i].accepted != NULL ? make(cases[_i].accepted) : NULL;
	struct snapshot *before = cases[_i].before != NULL ? make(cases[_i].before) : NULL;
	struct snapshot *fresh = make(cases[_i].fresh), *expected = make(cases[_i].believed);
	const struct brake_case c = { .accepted = accepted,
				      .fresh = fresh,
				      .before = before,
				      .waited_ms = cases[_i].waited_ms,
				      .limit = limit };
	struct brake_verdict v;

	limit_ms = 10000;
	ck_assert_int_eq(brake_judge(&c, &v), 0);
	ck_assert_uint_eq(v.held, cases[_i].held);
	ck_assert_uint_eq(v.believed->n_services, expected->n_services);
	for (size_t i = 0; i < expected->n_services; i++) {
		ck_assert_str_eq(v.believed->services[i]->name, expected->services[i]->name);
		ck_assert_uint_eq(v.believed->services[i]->digest, expected->services[i]->digest);
	}
	if (v.held > 0)
		ck_assert_uint_eq(v.next_ms, 10000 - cases[_i].waited_ms);
	else
		ck_assert_ptr_eq(v.believed, fresh);
	snapshot_release(v.believed);
	snapshot_release(accepted);
	snapshot_release(before);
	snapshot_release(fresh);
	snapshot_release(expected);
}
END_TEST

START_TEST(without_a_limit_everything_is_believed)
{
	struct snapshot *accepted = make("a=5"), *fresh = make("");
	const struct brake_case c = { .accepted = accepted, .fresh = fresh, .limit = limit };
	struct brake_verdict v;

	limit_ms = 0;
	ck_assert_int_eq(brake_judge(&c, &v), 0);
	ck_assert_ptr_eq(v.believed, fresh);
	ck_assert_uint_eq(v.held, 0);
	snapshot_release(v.believed);
	snapshot_release(accepted);
	snapshot_release(fresh);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("brake");
	TCase *verdicts = tcase_create("verdicts");

	tcase_add_loop_test(verdicts, the_verdict_is_this, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(verdicts, without_a_limit_everything_is_believed);
	suite_add_tcase(suite, verdicts);
	return harness_run(suite);
}
