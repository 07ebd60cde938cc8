/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/belief.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

enum {
	START_MS = 5000000, /* not at the beginning of time */
	BRAKE_MS = 10000,
	HOUR_MS = 3600000,
};

static struct ledger *ledger;
static struct ledger_part part, other;
static struct snapshot_builder *b;
static struct belief *belief;
static uint64_t brake_ms;

static void set_up(void)
{
	ledger = ledger_create();
	b = snapshot_builder_create();
	ck_assert_ptr_nonnull(ledger);
	ck_assert_ptr_nonnull(b);
	part = other = (struct ledger_part){ 0 };
	brake_ms = BRAKE_MS;
}

static void tear_down(void)
{
	belief_destroy(belief);
	belief_destroy(NULL);
	belief = NULL;
	ledger_drop(ledger, &part);
	ledger_drop(ledger, &other);
	ledger_destroy(ledger);
	snapshot_builder_destroy(b);
}

static uint64_t limit(void *context, const char *service)
{
	ck_assert_ptr_eq(context, &brake_ms);
	ck_assert_ptr_nonnull(service);
	return brake_ms;
}

/* "a=5 b=1 c=0": so many instances of each. */
static void fill(const char *text)
{
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
}

/* A complete answer of the part, which consists of one item. */
static void say(struct ledger_part *p, const char *text)
{
	fill(text);
	ledger_begin(ledger, p);
	ck_assert_int_eq(ledger_stage(ledger, p, p == &part ? "part" : "other", b), 0);
	ledger_commit(ledger, p);
}

static void put(const char *key, const char *text)
{
	fill(text);
	ck_assert_int_eq(ledger_put(ledger, &part, key, b), 0);
}

/* Nothing is inherited for NULL. */
static void start(const char *inherited)
{
	struct snapshot *old = NULL;

	if (inherited != NULL) {
		fill(inherited);
		ck_assert_int_eq(snapshot_builder_seal(b, NULL, &old), 0);
	}
	ck_assert_int_eq(belief_create(&(struct belief_options){ .ledger = ledger,
								 .limit = limit,
								 .context = &brake_ms,
								 .inherited = old,
								 .inherited_max_ms = HOUR_MS,
								 .now_ms = START_MS },
				       &belief),
			 0);
	ck_assert_ptr_eq(belief_snapshot(belief), old);
	ck_assert_ptr_null(belief_heard(belief));
	snapshot_release(old);
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

/* What is believed so many milliseconds after the start. */
static void expect(uint64_t ms, bool heard_all, const char *text, size_t held)
{
	ck_assert_int_eq(belief_update(belief, heard_all, START_MS + ms), 0);
	ck_assert_str_eq(describe(belief_snapshot(belief)), text);
	ck_assert_uint_eq(belief_held(belief), held);
}

/* --- without a before --- */

START_TEST(the_first_word_is_believed)
{
	start(NULL);
	say(&part, "a=5 b=0");
	expect(0, false, "a=5 b=0", 0);
	ck_assert_ptr_eq(belief_heard(belief), belief_snapshot(belief));
	say(&other, "c=1");
	expect(1, true, "a=5 b=0 c=1", 0);
}
END_TEST

START_TEST(what_is_said_again_is_the_same_snapshot)
{
	start(NULL);
	say(&part, "a=5");
	expect(0, true, "a=5", 0);
	const struct snapshot *believed = belief_snapshot(belief);
	say(&part, "a=5");
	expect(1, true, "a=5", 0);
	ck_assert_ptr_eq(belief_snapshot(belief), believed);

	say(&part, "a=0"); /* comes and goes without being believed */
	expect(2, true, "a=5", 1);
	say(&part, "a=5");
	expect(3, true, "a=5", 0);
	ck_assert_ptr_eq(belief_snapshot(belief), believed);
}
END_TEST

START_TEST(a_sudden_loss_waits_until_it_is_said_again_or_time_is_up)
{
	start(NULL);
	say(&part, "a=5 b=1");
	expect(0, true, "a=5 b=1", 0);
	say(&part, "b=1");
	expect(1000, true, "a=5 b=1", 1);
	ck_assert_uint_eq(belief_next_ms(belief), BRAKE_MS);
	ck_assert_str_eq(describe(belief_heard(belief)), "b=1");
	expect(4000, true, "a=5 b=1", 1);
	ck_assert_uint_eq(belief_next_ms(belief), BRAKE_MS - 3000);
	if (_i == 0) {
		expect(1000 + BRAKE_MS, true, "b=1", 0);
	} else {
		ledger_repeat(ledger, &part);
		expect(5000, true, "b=1", 0);
	}
}
END_TEST

START_TEST(a_loss_told_as_a_change_is_certain)
{
	start(NULL);
	put("a", "a=5");
	put("b", "b=5");
	expect(0, true, "a=5 b=5", 0);
	ledger_remove(ledger, &part, "a");
	put("b", "b=1");
	expect(1, true, "b=1", 0);
}
END_TEST

START_TEST(a_loss_told_as_a_change_while_it_is_held_is_certain)
{
	start(NULL);
	put("a", "a=5");
	expect(0, true, "a=5", 0);
	say(&part, "b=1"); /* a is not in the list */
	expect(1, true, "a=5 b=1", 1);
	put("a", "a=5");
	expect(2, true, "a=5 b=1", 0);
	ledger_remove(ledger, &part, "a");
	expect(3, true, "b=1", 0);
}
END_TEST

START_TEST(without_a_brake_all_is_believed)
{
	brake_ms = 0;
	start("a=5 c=1");
	say(&part, "b=1");
	expect(0, true, "b=1", 0);
	say(&part, "");
	expect(1, true, "", 0);
}
END_TEST

/* --- after a reload --- */

START_TEST(what_was_inherited_stands_in_until_it_is_heard_of)
{
	start("a=5 b=5 c=5");
	expect(0, false, "a=5 b=5 c=5", 0);
	say(&part, "a=4");
	expect(1, false, "a=4 b=5 c=5", 0);
	ck_assert_str_eq(describe(belief_heard(belief)), "a=4");
	say(&other, "b=4 c=5 d=1");
	expect(2, true, "a=4 b=4 c=5 d=1", 0);
}
END_TEST

START_TEST(what_has_been_heard_of_does_not_come_back_from_before)
{
	start("a=5 b=5");
	put("a", "a=5");
	expect(0, false, "a=5 b=5", 0);
	ledger_remove(ledger, &part, "a");
	expect(1, false, "b=5", 0);
	expect(2, false, "b=5", 0);
}
END_TEST

START_TEST(a_sudden_loss_against_what_was_inherited_is_held_too)
{
	start("a=5 b=5");
	say(&part, "a=1");
	expect(0, false, "a=5 b=5", 1);
	ledger_repeat(ledger, &part);
	expect(1, false, "a=1 b=5", 0);
}
END_TEST

/* Two parts, of which nobody knows which would have spoken of it. */
START_TEST(what_is_missing_when_all_was_heard_is_held)
{
	start("a=5 b=1 c=5");
	say(&part, "a=5");
	belief_note_round(belief, 2);
	expect(0, false, "a=5 b=1 c=5", 0);
	say(&other, "d=1");
	belief_note_round(belief, 2);
	expect(1000, true, "a=5 b=1 c=5 d=1", 2);
	ck_assert_uint_eq(belief_next_ms(belief), BRAKE_MS);

	ledger_repeat(ledger, &part);
	belief_note_round(belief, 2);
	expect(2000, true, "a=5 b=1 c=5 d=1", 2);
	if (_i == 0) {
		belief_note_round(belief, 2);
		expect(3000, true, "a=5 d=1", 0);
	} else {
		expect(1000 + BRAKE_MS, true, "a=5 d=1", 0);
	}
}
END_TEST

START_TEST(what_was_missing_and_comes_back_is_held_no_more)
{
	start("a=5 b=5");
	say(&part, "a=5");
	expect(0, true, "a=5 b=5", 1);
	say(&part, "a=5 b=5");
	expect(1, true, "a=5 b=5", 0);
	ledger_repeat(ledger, &part);
	say(&part, "a=5");
	expect(2, true, "a=5 b=5", 1); /* a first word again */
	ledger_repeat(ledger, &part);
	expect(3, true, "a=5", 0);
}
END_TEST

/* A part that fails for ever must not keep all of before alive; and what was lost then is held as always. */
START_TEST(what_was_inherited_ends_when_it_is_too_old)
{
	start("a=5 b=5");
	say(&part, "a=5");
	expect(0, false, "a=5 b=5", 0);
	expect(HOUR_MS, false, "a=5 b=5", 0);
	expect(HOUR_MS + 1, false, "a=5 b=5", 1);
	expect(HOUR_MS + 1 + BRAKE_MS, false, "a=5", 0);
	expect(HOUR_MS + 2 + BRAKE_MS, true, "a=5", 0);
}
END_TEST

START_TEST(a_reload_while_a_loss_is_held_begins_to_wait_anew)
{
	start(NULL);
	say(&part, "a=5 b=1");
	expect(0, true, "a=5 b=1", 0);
	say(&part, "b=1");
	expect(1, true, "a=5 b=1", 1);

	struct belief *before = belief;
	belief = NULL;
	ledger_drop(ledger, &part);
	ck_assert_int_eq(belief_create(&(struct belief_options){ .ledger = ledger,
								 .limit = limit,
								 .context = &brake_ms,
								 .inherited = belief_snapshot(before),
								 .now_ms = START_MS + 2 },
				       &belief),
			 0);
	belief_destroy(before);
	say(&part, "b=1");
	expect(3, true, "a=5 b=1", 1);
	ck_assert_uint_eq(belief_next_ms(belief), BRAKE_MS);
	belief_note_round(belief, 1);
	ledger_repeat(ledger, &part);
	expect(4, true, "b=1", 0);
}
END_TEST

START_TEST(nothing_inherited_is_nothing_lost)
{
	start("");
	say(&part, "a=1");
	expect(0, false, "a=1", 0);
	expect(1, true, "a=1", 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("belief");
	TCase *words = tcase_create("words");
	TCase *reload = tcase_create("reload");

	tcase_add_checked_fixture(words, set_up, tear_down);
	tcase_add_checked_fixture(reload, set_up, tear_down);
	tcase_add_test(words, the_first_word_is_believed);
	tcase_add_test(words, what_is_said_again_is_the_same_snapshot);
	tcase_add_loop_test(words, a_sudden_loss_waits_until_it_is_said_again_or_time_is_up, 0, 2);
	tcase_add_test(words, a_loss_told_as_a_change_is_certain);
	tcase_add_test(words, a_loss_told_as_a_change_while_it_is_held_is_certain);
	tcase_add_test(words, without_a_brake_all_is_believed);
	tcase_add_test(reload, what_was_inherited_stands_in_until_it_is_heard_of);
	tcase_add_test(reload, what_has_been_heard_of_does_not_come_back_from_before);
	tcase_add_test(reload, a_sudden_loss_against_what_was_inherited_is_held_too);
	tcase_add_loop_test(reload, what_is_missing_when_all_was_heard_is_held, 0, 2);
	tcase_add_test(reload, what_was_missing_and_comes_back_is_held_no_more);
	tcase_add_test(reload, what_was_inherited_ends_when_it_is_too_old);
	tcase_add_test(reload, a_reload_while_a_loss_is_held_begins_to_wait_anew);
	tcase_add_test(reload, nothing_inherited_is_nothing_lost);
	suite_add_tcase(suite, words);
	suite_add_tcase(suite, reload);
	return harness_run(suite);
}
