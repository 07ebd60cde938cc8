/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/brake.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

enum { LIMIT_MS = 10000 };

static struct brake *brake;
static struct snapshot *accepted;
static const char *certain; /* names, each with a space behind */
static size_t n_asked;

static void set_up(void)
{
	brake = brake_create();
	ck_assert_ptr_nonnull(brake);
	certain = "";
	n_asked = 0;
}

static void tear_down(void)
{
	brake_destroy(brake);
	brake_destroy(NULL);
	snapshot_release(accepted);
	accepted = NULL;
}

static uint64_t limit(void *context, const char *service)
{
	(void)context;
	n_asked++;
	return strcmp(service, "free") == 0 ? 0 : strcmp(service, "short") == 0 ? LIMIT_MS / 10 : LIMIT_MS;
}

static bool is_certain(void *context, const char *service)
{
	char word[64];

	(void)context;
	snprintf(word, sizeof(word), "%s ", service);
	return strstr(certain, word) != NULL;
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

static const char *describe(const struct snapshot *s)
{
	static char text[1024];
	char *out = text;

	*out = '\0';
	for (size_t i = 0; i < s->n_services; i++)
		out += sprintf(out, "%s%s=%zu", i > 0 ? " " : "", s->services[i]->name,
			       s->services[i]->n_instances);
	return text;
}

/* What is believed of fresh at that time is accepted from then on. */
static struct brake_verdict hear_snapshot(uint64_t now_ms, struct snapshot *fresh)
{
	const struct brake_case c = { .accepted = accepted,
				      .fresh = fresh,
				      .now_ms = now_ms,
				      .limit = limit,
				      .is_certain = is_certain };
	struct brake_verdict v;

	ck_assert_int_eq(brake_judge(brake, &c, &v), 0);
	if (v.held == 0)
		ck_assert_ptr_eq(v.believed, fresh);
	snapshot_release(accepted);
	accepted = v.believed;
	return v;
}

static struct brake_verdict hear(uint64_t now_ms, const char *fresh_text)
{
	struct snapshot *fresh = make(fresh_text);
	const struct brake_verdict v = hear_snapshot(now_ms, fresh);

	snapshot_release(fresh);
	return v;
}

static const struct {
	const char *before, *fresh, *certain, *believed;
	size_t held;
} cases[] = {
	{ NULL, "a=1", "", "a=1", 0 }, /* the first word is believed */
	{ NULL, "", "", "", 0 },
	{ "a=5", "a=5", "", "a=5", 0 },
	{ "a=5", "a=6 b=1", "", "a=6 b=1", 0 },
	{ "a=5", "", "", "a=5", 1 }, /* everything is gone */
	{ "a=5", "a=0", "", "a=5", 1 },
	{ "a=1", "", "", "a=1", 1 },
	{ "a=0", "", "", "", 0 },       /* nothing to lose */
	{ "a=5", "a=2", "", "a=5", 1 }, /* more than half of four or more */
	{ "a=4", "a=2", "", "a=2", 0 }, /* exactly half */
	{ "a=4", "a=1", "", "a=4", 1 },
	{ "a=3", "a=1", "", "a=1", 0 },         /* fewer than four */
	{ "a=5 b=2", "b=3", "", "a=5 b=3", 1 }, /* what is not held moves on */
	{ "b=5 d=5", "a=1 c=1 e=1", "", "a=1 b=5 c=1 d=5 e=1", 2 },
	{ "a=5 b=5", "", "a ", "b=5", 1 }, /* a for sure, b not */
	{ "a=5 b=5", "", "a b ", "", 0 },
	{ "free=5 a=5", "a=5", "", "a=5", 0 }, /* no brake for this one */
};

START_TEST(the_verdict_is_this)
{
	if (cases[_i].before != NULL)
		hear(1000, cases[_i].before);
	certain = cases[_i].certain;
	const struct brake_verdict v = hear(2000, cases[_i].fresh);

	ck_assert_str_eq(describe(accepted), cases[_i].believed);
	ck_assert_uint_eq(v.held, cases[_i].held);
	if (v.held > 0)
		ck_assert_uint_eq(v.next_ms, LIMIT_MS);
}
END_TEST

START_TEST(a_loss_is_believed_when_its_time_is_over)
{
	hear(0, "a=5");
	hear(1000, "");
	struct brake_verdict v = hear(10999, "");
	ck_assert_uint_eq(v.held, 1);
	ck_assert_uint_eq(v.next_ms, 1);
	ck_assert_str_eq(describe(accepted), "a=5");
	v = hear(11000, "");
	ck_assert_uint_eq(v.held, 0);
	ck_assert_str_eq(describe(accepted), "");
	hear(12000, "a=5"); /* and the next one waits as long */
	ck_assert_uint_eq(hear(13000, "").next_ms, LIMIT_MS);
}
END_TEST

START_TEST(services_held_at_different_times_are_released_at_different_times)
{
	hear(0, "a=5 b=5 short=5");
	hear(1000, "b=5 short=5");
	struct brake_verdict v = hear(5000, "");
	ck_assert_uint_eq(v.held, 3);
	ck_assert_uint_eq(v.next_ms, 1000); /* the short one */
	v = hear(6000, "");
	ck_assert_str_eq(describe(accepted), "a=5 b=5");
	ck_assert_uint_eq(v.next_ms, 5000); /* a */
	v = hear(11000, "");
	ck_assert_str_eq(describe(accepted), "b=5");
	ck_assert_uint_eq(v.next_ms, 4000); /* b */
	v = hear(15000, "");
	ck_assert_str_eq(describe(accepted), "");
	ck_assert_uint_eq(v.held, 0);
}
END_TEST

START_TEST(other_changes_do_not_extend_a_hold)
{
	char text[64];

	hear(0, "a=5 b=1");
	for (unsigned i = 0; i < 10; i++) {
		/* b is another every second, and what is left of a varies */
		snprintf(text, sizeof(text), "a=%u b=%u", i % 3, i + 2);
		ck_assert_uint_eq(hear(1000 * i, text).held, 1);
		snprintf(text, sizeof(text), "a=5 b=%u", i + 2);
		ck_assert_str_eq(describe(accepted), text);
	}
	ck_assert_uint_eq(hear(10000, "b=12").held, 0);
	ck_assert_str_eq(describe(accepted), "b=12");
}
END_TEST

START_TEST(an_answer_that_restores_the_set_ends_the_hold)
{
	hear(0, "a=5 b=5");
	ck_assert_uint_eq(hear(1000, "").held, 2);
	ck_assert_uint_eq(hear(2000, "a=5 b=3").held, 0); /* whole again; small enough a loss */
	ck_assert_str_eq(describe(accepted), "a=5 b=3");
	struct brake_verdict v = hear(9000, "b=3");
	ck_assert_uint_eq(v.held, 1);
	ck_assert_uint_eq(v.next_ms, LIMIT_MS); /* a new loss with a time of its own */
}
END_TEST

START_TEST(a_loss_that_becomes_certain_is_believed_at_once)
{
	hear(0, "a=5 b=5");
	hear(1000, "");
	certain = "b ";
	ck_assert_uint_eq(hear(2000, "").held, 1);
	ck_assert_str_eq(describe(accepted), "a=5");
	certain = "a b ";
	ck_assert_uint_eq(hear(3000, "").held, 0);
	ck_assert_str_eq(describe(accepted), "");
}
END_TEST

START_TEST(without_a_word_on_certainty_nothing_is_certain)
{
	struct snapshot *before = make("a=5"), *fresh = make("");
	const struct brake_case c = { .accepted = before, .fresh = fresh, .limit = limit };
	struct brake_verdict v;

	ck_assert_int_eq(brake_judge(brake, &c, &v), 0);
	ck_assert_uint_eq(v.held, 1);
	snapshot_release(v.believed);
	snapshot_release(before);
	snapshot_release(fresh);
}
END_TEST

START_TEST(what_is_believed_is_shared_and_carries_the_remarks)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *fresh;

	hear(0, "a=5 b=1");
	snapshot_builder_remark(b, "odd");
	ck_assert_int_eq(snapshot_builder_keep_service(b, accepted->services[1]), 0);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &fresh), 0);
	snapshot_builder_destroy(b);
	const struct service *kept = accepted->services[0];
	ck_assert_uint_eq(hear_snapshot(1000, fresh).held, 1);
	ck_assert_ptr_eq(accepted->services[0], kept);
	ck_assert_ptr_eq(accepted->services[1], fresh->services[0]);
	ck_assert_uint_eq(accepted->n_instances, 6);
	ck_assert_str_eq(snapshot_remark(accepted, 0), "odd");
	snapshot_release(fresh);
}
END_TEST

START_TEST(only_services_that_differ_are_looked_at)
{
	char text[4096], *out = text;
	struct snapshot *fresh;

	for (int i = 0; i < 500; i++)
		out += sprintf(out, "%c%c=5 ", 'a' + i / 26, 'a' + i % 26);
	hear(0, text);
	const struct snapshot_change change = { .name = "bc" };
	const size_t n_services = accepted->n_services;
	ck_assert_int_eq(snapshot_derive(accepted, &change, 1, NULL, &fresh), 0);
	ck_assert_uint_eq(hear_snapshot(1000, fresh).held, 1);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_uint_eq(accepted->n_services, n_services);
	snapshot_release(fresh);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("brake");
	TCase *verdicts = tcase_create("verdicts");

	tcase_add_checked_fixture(verdicts, set_up, tear_down);
	tcase_add_loop_test(verdicts, the_verdict_is_this, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(verdicts, a_loss_is_believed_when_its_time_is_over);
	tcase_add_test(verdicts, services_held_at_different_times_are_released_at_different_times);
	tcase_add_test(verdicts, other_changes_do_not_extend_a_hold);
	tcase_add_test(verdicts, an_answer_that_restores_the_set_ends_the_hold);
	tcase_add_test(verdicts, a_loss_that_becomes_certain_is_believed_at_once);
	tcase_add_test(verdicts, without_a_word_on_certainty_nothing_is_certain);
	tcase_add_test(verdicts, what_is_believed_is_shared_and_carries_the_remarks);
	tcase_add_test(verdicts, only_services_that_differ_are_looked_at);
	suite_add_tcase(suite, verdicts);
	return harness_run(suite);
}
