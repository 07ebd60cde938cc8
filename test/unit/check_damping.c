/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/damping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model/snapshot.h"

/* More than two changes within 60 s; then 30 s without one. */
static const struct answer_options options = {
	.health = HEALTH_RULE_PASSING, .flap_limit = 2, .flap_window_ms = 60000, .flap_hold_ms = 30000
};

static struct damping *d;
static char told[4096];
static uint64_t now_ms;

static void set_up(void)
{
	d = damping_create();
	told[0] = '\0';
	now_ms = 1000000;
}

static void tear_down(void)
{
	damping_destroy(d);
}

/* "10.0.0.1:80 10.0.0.2:80/critical", as service "s"; NULL: it is not there. */
static struct snapshot *make(const char *text)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *s;
	char *copy = strdup(text != NULL ? text : "");

	if (text != NULL)
		ck_assert_int_eq(snapshot_builder_add_service(b, "s"), 0);
	for (char *rest = copy, *w; (w = strsep(&rest, " ")) != NULL;) {
		struct report r = report_blank();
		char *health = strchr(w, '/'), *colon;

		if (*w == '\0')
			continue;
		if (health != NULL)
			*health = '\0';
		r.health = health == NULL     ? HEALTH_PASSING
			   : health[1] == 'w' ? HEALTH_WARNING
					      : HEALTH_CRITICAL;
		colon = strrchr(w, ':');
		*colon = '\0';
		r.service = "s";
		r.address = w;
		r.port = atoi(colon + 1);
		r.name = health != NULL ? "ill" : "well"; /* two of one place are two instances */
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	}
	free(copy);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &s), 0);
	snapshot_builder_destroy(b);
	return s;
}

static void tell(const char *what, const char *service, const struct instance *place)
{
	char text[ADDRESS_TEXT_MAX] = "";
	const size_t len = strlen(told);

	if (place->address.len > 0)
		address_to_text(&place->address, text);
	snprintf(told + len, sizeof(told) - len, "%s%s %s %s:%u", len > 0 ? "; " : "", what, service,
		 place->address.len > 0 ? text : instance_host(place), place->port);
}

static void begun(void *context, const char *service, const struct instance *place)
{
	ck_assert_ptr_eq(context, &told);
	tell("begun", service, place);
}

static void released(void *context, const char *service, const struct instance *place)
{
	ck_assert_ptr_eq(context, &told);
	ck_assert(!damping_is_flapping(d, service, place));
	tell("released", service, place);
}

static void note_by(const struct answer_options *o, const char *before, const char *after)
{
	struct snapshot *b = make(before), *a = make(after);

	damping_note(d, "s", snapshot_find(b, "s"), snapshot_find(a, "s"), o, now_ms, begun, &told);
	snapshot_release(b);
	snapshot_release(a);
}

static void note(const char *before, const char *after)
{
	note_by(&options, before, after);
}

/* Waits as damping_next_ms() says, until then at most. */
static void wait_until(uint64_t end_ms)
{
	while (damping_next_ms(d) <= end_ms) {
		now_ms = damping_next_ms(d);
		damping_release(d, now_ms, released, &told);
	}
	now_ms = end_ms;
}

static void wait_ms(uint64_t ms)
{
	wait_until(now_ms + ms);
}

static bool flaps(const char *text)
{
	struct snapshot *s = make(text);
	const bool yes = damping_is_flapping(d, "s", snapshot_find(s, "s")->instances[0]);

	snapshot_release(s);
	return yes;
}

#define ONE "10.0.0.1:80"
#define TWO "10.0.0.2:80"

/* --- what is a change --- */

static const struct {
	const char *before, *after;
	enum health_rule health;
	bool is_change;
} changes[] = {
	{ NULL, ONE, HEALTH_RULE_PASSING, true }, /* it came */
	{ ONE, NULL, HEALTH_RULE_PASSING, true }, /* it went, and the service */
	{ ONE " " TWO, TWO, HEALTH_RULE_PASSING, true },
	{ ONE, ONE "/critical", HEALTH_RULE_PASSING, true },
	{ ONE, ONE "/warning", HEALTH_RULE_PASSING, true },
	{ ONE, ONE "/warning", HEALTH_RULE_WARNING, false }, /* still usable */
	{ ONE, ONE "/critical", HEALTH_RULE_WARNING, true },
	{ ONE, ONE "/critical", HEALTH_RULE_ANY, false },
	{ ONE "/warning", ONE "/critical", HEALTH_RULE_PASSING, false }, /* neither is */
	{ NULL, ONE "/critical", HEALTH_RULE_PASSING, true },
	{ ONE, ONE, HEALTH_RULE_PASSING, false },
	{ ONE, ONE " " TWO, HEALTH_RULE_PASSING, false },
	{ ONE " " TWO, ONE " " TWO "/critical", HEALTH_RULE_PASSING, false },
	{ ONE, ONE " " ONE "/critical", HEALTH_RULE_PASSING, false }, /* one of the place is well */
	{ ONE " " ONE "/critical", ONE "/critical", HEALTH_RULE_PASSING, true },
	{ "10.0.0.1:81", ONE " 10.0.0.1:81", HEALTH_RULE_PASSING, true }, /* another port is another place */
};

START_TEST(these_are_changes_of_one_instance_and_these_are_not)
{
	struct answer_options o = options;

	o.health = changes[_i].health;
	for (int i = 0; i < 3; i++) {
		note_by(&o, changes[_i].before, changes[_i].after);
		if (i < 2)
			ck_assert(!flaps(ONE));
	}
	ck_assert_int_eq(flaps(ONE), changes[_i].is_change);
}
END_TEST

START_TEST(one_known_by_host_name_is_known_by_it)
{
	for (int i = 0; i < 3; i++)
		note("db.example:5432 other.example:5432", "other.example:5432");
	ck_assert(flaps("db.example:5432"));
	ck_assert(!flaps("other.example:5432"));
	ck_assert_str_eq(told, "begun s db.example:5432");
}
END_TEST

START_TEST(another_service_with_the_instance_is_none_of_its_business)
{
	struct snapshot *s = make(ONE);
	const struct instance *i = snapshot_find(s, "s")->instances[0];

	for (int n = 0; n < 3; n++)
		note(ONE, NULL);
	ck_assert(damping_is_flapping(d, "s", i));
	ck_assert(!damping_is_flapping(d, "t", i));
	snapshot_release(s);
}
END_TEST

START_TEST(without_a_limit_nothing_is_remembered)
{
	struct answer_options o = options;

	o.flap_limit = 0;
	for (int i = 0; i < 100; i++)
		note_by(&o, ONE, NULL);
	ck_assert(!flaps(ONE));
	ck_assert_uint_eq(damping_next_ms(d), UINT64_MAX);
}
END_TEST

/* --- how many, and how quickly --- */

START_TEST(as_many_as_the_limit_are_allowed)
{
	note(NULL, ONE);
	note(ONE, NULL);
	ck_assert(!flaps(ONE));
	ck_assert_uint_eq(damping_count(d), 0);
	note(NULL, ONE);
	ck_assert(flaps(ONE));
	ck_assert_uint_eq(damping_count(d), 1);
	ck_assert_str_eq(told, "begun s 10.0.0.1:80");
	note(ONE, NULL); /* told once */
	note(NULL, ONE);
	ck_assert_str_eq(told, "begun s 10.0.0.1:80");
}
END_TEST

START_TEST(changes_that_are_far_apart_do_not_count_together)
{
	for (int i = 0; i < 20; i++) {
		note(ONE, ONE "/critical");
		wait_ms(30001);
	}
	ck_assert(!flaps(ONE));
	note(ONE, ONE "/critical");
	wait_ms(1);
	note(ONE, ONE "/critical");
	ck_assert(flaps(ONE));
}
END_TEST

/* 1 is every third change, 1000 the most that can be said. */
static const uint32_t limits[] = { 1, 3, 5, 1000 };

START_TEST(the_limit_is_exact)
{
	struct answer_options o = options;

	o.flap_limit = limits[_i];
	for (uint32_t i = 0; i < limits[_i]; i++) {
		note_by(&o, ONE, NULL);
		wait_ms(60000 / limits[_i]);
	}
	ck_assert(!flaps(ONE));
	note_by(&o, ONE, NULL);
	ck_assert(flaps(ONE));
}
END_TEST

/* --- and for how long --- */

static void make_it_flap(void)
{
	note(NULL, ONE);
	note(ONE, ONE "/critical");
	note(ONE "/critical", ONE);
	ck_assert(flaps(ONE));
	told[0] = '\0';
}

START_TEST(it_comes_back_when_it_has_been_good_for_long_enough)
{
	make_it_flap();
	wait_ms(29999);
	ck_assert(flaps(ONE));
	wait_ms(1);
	ck_assert(!flaps(ONE));
	ck_assert_str_eq(told, "released s 10.0.0.1:80");
	ck_assert_uint_eq(damping_count(d), 0);
}
END_TEST

START_TEST(each_change_begins_the_time_anew)
{
	make_it_flap();
	for (int i = 0; i < 5; i++) {
		wait_ms(20000);
		note(ONE, ONE "/critical");
		wait_ms(20000);
		note(ONE "/critical", ONE);
		ck_assert(flaps(ONE));
	}
	wait_ms(29999);
	ck_assert(flaps(ONE));
	wait_ms(1);
	ck_assert(!flaps(ONE));
	ck_assert_str_eq(told, "released s 10.0.0.1:80");
}
END_TEST

START_TEST(the_time_in_which_it_is_bad_or_gone_does_not_count)
{
	make_it_flap();
	note(ONE, _i == 0 ? ONE "/critical" : NULL);
	wait_ms(89999);
	ck_assert(flaps(ONE));
	note(_i == 0 ? ONE "/critical" : NULL, ONE);
	wait_ms(29999);
	ck_assert(flaps(ONE));
	wait_ms(1);
	ck_assert(!flaps(ONE));
}
END_TEST

START_TEST(once_back_one_change_more_within_the_window_is_too_many_again)
{
	make_it_flap();
	wait_ms(30000);
	ck_assert(!flaps(ONE));
	note(ONE, ONE "/critical");
	ck_assert(flaps(ONE));
}
END_TEST

/* --- memory --- */

START_TEST(who_has_not_changed_for_window_and_hold_is_forgotten)
{
	make_it_flap();
	note(ONE, _i == 0 ? ONE "/critical" : NULL);
	wait_ms(90000);
	ck_assert_str_eq(told, "released s 10.0.0.1:80");
	ck_assert_uint_eq(damping_next_ms(d), UINT64_MAX);
	ck_assert_uint_eq(damping_count(d), 0);
}
END_TEST

START_TEST(one_that_is_back_is_forgotten_too)
{
	make_it_flap();
	wait_ms(89999);
	ck_assert_uint_ne(damping_next_ms(d), UINT64_MAX);
	wait_ms(1);
	ck_assert_uint_eq(damping_next_ms(d), UINT64_MAX);
}
END_TEST

/* 40,000 instances each time: the first fit, and of the second as many as are left. */
static struct snapshot *make_many(unsigned net)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *s;
	char service[16], address[32];

	for (unsigned i = 0; i < 40000; i++) {
		struct report r = report_blank();

		snprintf(service, sizeof(service), "s%u", i / 10000);
		snprintf(address, sizeof(address), "10.%u.%u.%u", net, i / 256, i % 256);
		r.service = service;
		r.address = address;
		r.port = 80;
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	}
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &s), 0);
	snapshot_builder_destroy(b);
	return s;
}

START_TEST(there_is_a_limit_of_instances_remembered)
{
	struct answer_options o = options;

	o.flap_limit = 1;
	for (unsigned net = 0; net < 2; net++) {
		struct snapshot *s = make_many(net);

		for (int twice = 0; twice < 2; twice++) {
			for (size_t i = 0; i < s->n_services; i++)
				damping_note(d, s->services[i]->name, NULL, s->services[i], &o, now_ms, begun,
					     &told);
		}
		snapshot_release(s);
	}
	ck_assert_uint_eq(damping_count(d), DAMPING_INSTANCES_MAX);
	wait_ms(200000);
	ck_assert_uint_eq(damping_count(d), 0);
	ck_assert_uint_eq(damping_next_ms(d), UINT64_MAX);
}
END_TEST

START_TEST(what_is_known_goes_with_the_last_user)
{
	struct damping *second = damping_keep(d);

	make_it_flap();
	damping_destroy(d);
	d = second;
	ck_assert(flaps(ONE));
	damping_destroy(NULL);
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *suite = suite_create("damping");
	TCase *tcase = tcase_create("damping");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, these_are_changes_of_one_instance_and_these_are_not, 0, N(changes));
	tcase_add_test(tcase, one_known_by_host_name_is_known_by_it);
	tcase_add_test(tcase, another_service_with_the_instance_is_none_of_its_business);
	tcase_add_test(tcase, without_a_limit_nothing_is_remembered);
	tcase_add_test(tcase, as_many_as_the_limit_are_allowed);
	tcase_add_test(tcase, changes_that_are_far_apart_do_not_count_together);
	tcase_add_loop_test(tcase, the_limit_is_exact, 0, N(limits));
	tcase_add_test(tcase, it_comes_back_when_it_has_been_good_for_long_enough);
	tcase_add_test(tcase, each_change_begins_the_time_anew);
	tcase_add_loop_test(tcase, the_time_in_which_it_is_bad_or_gone_does_not_count, 0, 2);
	tcase_add_test(tcase, once_back_one_change_more_within_the_window_is_too_many_again);
	tcase_add_loop_test(tcase, who_has_not_changed_for_window_and_hold_is_forgotten, 0, 2);
	tcase_add_test(tcase, one_that_is_back_is_forgotten_too);
	tcase_add_test(tcase, there_is_a_limit_of_instances_remembered);
	tcase_add_test(tcase, what_is_known_goes_with_the_last_user);
	suite_add_tcase(suite, tcase);
	return harness_run(suite);
}
