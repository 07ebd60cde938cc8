/* SPDX-License-Identifier: BSD-2-Clause */
#include "crew_case.h"

/* --- how it is doing --- */

START_TEST(while_a_request_is_held_the_data_is_of_now)
{
	struct thing *t = &things[0];

	t->held = t->res.vital = true;
	start(0, STEP_AGAIN);
	await(&t->n_read, 1);
	fake_registry_answer(server, &(struct fake_answer){ .hang = true });
	await(&n_news[ERRAND_GOOD], 1);
	ck_assert(harness_wait(is_live, NULL, LIMIT_MS));
	ck_assert_uint_eq(crew_true_until(&crew), FRESHNESS_NOW);
}
END_TEST

START_TEST(the_oldest_of_what_matters_tells_the_age)
{
	struct thing *vital = &things[0], *other = &things[1];

	vital->res.vital = true;
	start(0, STEP_PAUSE);
	start(1, STEP_PAUSE);
	await(&vital->n_read, 1);
	await(&other->n_read, 1);
	const uint64_t heard_ms = crew_true_until(&crew);
	vital->step = -EBADMSG;
	await(&n_news[ERRAND_FAILED], 1);
	const unsigned n = other->n_read + 3;
	await(&other->n_read, n);
	ck_assert_uint_gt(crew.heard_ms, heard_ms);
	ck_assert_uint_lt(crew_true_until(&crew), crew.heard_ms);
}
END_TEST

static bool is_complete(void *context)
{
	(void)context;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return crew_is_complete(&crew);
}

/* The second vital one has a say only when it has spoken. */
START_TEST(what_has_never_spoken_is_not_of_a_time_before_all)
{
	struct thing *good = &things[0], *bad = &things[1];

	good->res.vital = bad->res.vital = true;
	start(1, -EBADMSG);
	await(&n_news[ERRAND_FAILED], 1);
	ck_assert_uint_eq(crew_true_until(&crew), 0);
	start(0, STEP_PAUSE);
	await(&n_news[ERRAND_GOOD], 1);
	ck_assert(!crew_is_complete(&crew));
	ck_assert_uint_eq(crew_true_until(&crew), crew.heard_ms);
	bad->step = STEP_PAUSE;
	ck_assert(harness_wait(is_complete, NULL, LIMIT_MS));
}
END_TEST

/* --- watches --- */

static bool is_opening(void *timer)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return event_pending(timer, EV_TIMEOUT, NULL);
}

static bool never(void *unused)
{
	(void)unused;
	return false;
}

/* A list by the first request, then a watch, as the kinds that are told of changes do. After a failure it is
 * the list again. */
static struct thing *start_watch(bool vital)
{
	struct thing *t = &things[0];

	t->watches = true;
	t->res.vital = vital;
	fake_registry_answer_at(server, "/watch", &(struct fake_answer){ .open = true, .chunked = true });
	return start(0, STEP_AGAIN);
}

static void await_live(void)
{
	ck_assert(harness_wait(is_live, NULL, LIMIT_MS));
}

START_TEST(objects_of_a_stream_are_told_as_they_come)
{
	struct thing *t = start_watch(true);

	await_live();
	ck_assert_uint_eq(n_news[ERRAND_GOOD], 1);
	ck_assert_uint_eq(crew.n_running, 0); /* it takes nobody's place */
	ck_assert_uint_eq(crew_true_until(&crew), FRESHNESS_NOW);
	const unsigned n = n_news[ERRAND_CHANGED];
	fake_registry_send(server, "/watch", "{\"n\":1}\n{\"n\":2}\n");
	await(&t->n_objects, 2);
	ck_assert_str_eq(t->object, "{\"n\":2}");
	ck_assert_uint_ge(n_news[ERRAND_CHANGED], n + 2);
	ck_assert_uint_eq(n_news[ERRAND_GOOD], 1);
}
END_TEST

START_TEST(a_stream_that_ends_well_is_opened_again)
{
	struct thing *t = start_watch(true);

	await_live();
	fake_registry_end(server, "/watch", false); /* and so do all that are opened later */
	await(&t->n_watched, 3);
	ck_assert_uint_eq(n_news[ERRAND_FAILED], 0);
	const unsigned n = t->n_watched;
	const uint64_t start_ms = clock_ms();
	pass(2000);
	/* as often as other requests that wait at the server */
	ck_assert_uint_le(t->n_watched, n + 9 + (clock_ms() - start_ms) / 1000);
}
END_TEST

/* An error inside a stream, or the kind wants the list anew: from inside the object. */
START_TEST(an_object_may_end_its_stream)
{
	static const int steps[] = { -EBADMSG, STEP_ASK, STEP_AGAIN, STEP_PAUSE };
	struct thing *t = start_watch(true);

	await_live();
	t->object_step = steps[_i];
	fake_registry_send(server, "/watch", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
	await(&t->n_objects, 1);
	ck_assert_str_eq(t->object, "{\"n\":1}");
	ck_assert_uint_eq(n_news[ERRAND_FAILED], _i == 0 ? 1 : 0);
	const unsigned n = t->n_asked;
	await(&t->n_asked, n + 1); /* it goes on */
}
END_TEST

START_TEST(an_object_may_stop_its_resource)
{
	struct thing *t = start_watch(true);

	await_live();
	t->object_step = STEP_STOP;
	fake_registry_send(server, "/watch", "{\"n\":1}\n{\"n\":2}\n");
	await(&n_news[ERRAND_GONE], 1);
	ck_assert_uint_eq(t->n_objects, 1);
	ck_assert_uint_eq(crew.n, 0);
}
END_TEST

/* Who hangs up would have told of a change until then; of one that fell silent nobody knows. It is the same
 * for the registry as a whole, whether this matters by itself or not. */
START_TEST(a_watch_that_breaks_was_true_until_then_and_one_that_falls_silent_was_not)
{
	const bool is_silent = (_i & 1) != 0;
	struct thing *t = &things[0];

	t->silence_ms = is_silent ? 1300 : 0;
	start_watch((_i & 2) != 0);
	await_live();
	const uint64_t open_ms = clock_ms();
	pass(1100);
	if (!is_silent)
		fake_registry_end(server, "/watch", true);
	await(&n_news[ERRAND_FAILED], 1);
	ck_assert_uint_eq(crew.n_live, 0);
	if (is_silent)
		ck_assert_uint_lt(crew_true_until(&crew), open_ms + 1000);
	else
		ck_assert_uint_ge(crew_true_until(&crew), open_ms + 1000);
}
END_TEST

/* The list in between is read well each time: fresh data, but the watch has not recovered. */
START_TEST(only_a_watch_that_lasts_is_a_recovery)
{
	struct thing *t = start_watch(true);

	fake_registry_end(server, "/watch", true);
	await(&n_news[ERRAND_FAILED], 3);
	ck_assert_uint_eq(crew.n_failing, 1);
	ck_assert_uint_gt(n_news[ERRAND_GOOD], 1);
	fake_registry_answer_at(server, "/watch", &(struct fake_answer){ .open = true, .chunked = true });
	t->opened_ms = 0;
	await_live();
	ck_assert_uint_eq(crew.n_failing, 0);
	ck_assert_uint_ge(clock_ms() - t->opened_ms, 950);
}
END_TEST

/* The loop was busy when the watch had lasted for a second, and when it broke. */
START_TEST(a_watch_that_broke_while_the_loop_was_late_has_not_recovered)
{
	struct thing *t = start_watch(true);

	fake_registry_end(server, "/watch", true);
	await(&n_news[ERRAND_FAILED], 1);
	fake_registry_answer_at(server, "/watch", &(struct fake_answer){ .open = true, .chunked = true });
	const unsigned n = t->n_watched + 1;
	await(&t->n_watched, n);
	const struct errand *e = t->res.runner;
	const struct event *timer = e->timer;
	ck_assert(harness_wait(is_opening, (void *)timer, LIMIT_MS));
	harness_wait(never, NULL, 1100);
	event_active(e->timer, EV_TIMEOUT, 0); /* before what is heard from the server in this turn */
	fake_registry_end(server, "/watch", true);
	event_base_loop(loop, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(crew.n_failing, 1);
	await(&n_news[ERRAND_FAILED], 2);
	ck_assert_uint_eq(crew.n_failing, 1);
}
END_TEST

START_TEST(an_object_counts_at_once_but_is_no_recovery)
{
	struct thing *t = start_watch(true);

	fake_registry_end(server, "/watch", true);
	await(&n_news[ERRAND_FAILED], 1);
	fake_registry_answer_at(server, "/watch", &(struct fake_answer){ .open = true, .chunked = true });
	fake_registry_send(server, "/watch", "{\"n\":1}\n");
	const unsigned changed = n_news[ERRAND_CHANGED] + 1;
	await(&t->n_objects, 1);
	await(&n_news[ERRAND_CHANGED], changed);
	ck_assert_uint_eq(crew.n_failing, 1);
	await_live();
	ck_assert_uint_eq(crew.n_failing, 0);
	ck_assert_uint_ge(clock_ms() - t->opened_ms, 990);
}
END_TEST

/* --- hints --- */

START_TEST(a_hint_brings_forward_what_is_due_later)
{
	options.interval_ms = _i == 0 ? 60000 : 0; /* or not at all */
	struct thing *t = start(0, STEP_PAUSE);
	await(&t->n_read, 1);
	crew_hasten(&crew, &t->res);
	crew_hasten(&crew, &t->res); /* a second one adds nothing */
	await(&t->n_read, 2);
	pass(600);
	ck_assert_uint_eq(t->n_read, 2);
}
END_TEST

START_TEST(a_hint_changes_nothing_for_one_under_way_or_failing)
{
	struct thing *t = &things[0];

	if (_i == 0)
		fake_registry_answer(server, &(struct fake_answer){ .hang = true });
	else
		fake_registry_answer(server, &(struct fake_answer){ .status = 403 });
	options.interval_ms = 60000;
	start(0, STEP_PAUSE);
	await(_i == 0 ? &t->n_asked : &n_news[ERRAND_FAILED], 1);
	crew_hasten(&crew, &t->res);
	pass(600);
	ck_assert_uint_eq(t->n_asked, 1);
}
END_TEST

START_TEST(nothing_is_said_before_what_matters_has_been_heard)
{
	things[0].res.vital = true;
	things[0].step = -EBADMSG;
	start(0, -EBADMSG);
	start(1, STEP_PAUSE);
	await(&n_news[ERRAND_GOOD], 1);
	await(&n_news[ERRAND_FAILED], 1);
	ck_assert(!crew_has_spoken(&crew));
	things[0].step = STEP_PAUSE;
	await(&things[0].n_read, 2);
	ck_assert(crew_has_spoken(&crew));
	things[0].step = -EBADMSG;
	await(&n_news[ERRAND_FAILED], 2);
	ck_assert(crew_has_spoken(&crew));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crew_watches");
	TCase *doing = add_case(suite, "doing");
	TCase *watches = add_case(suite, "watches");
	TCase *hints = add_case(suite, "hints");

	tcase_add_test(doing, while_a_request_is_held_the_data_is_of_now);
	tcase_add_test(doing, the_oldest_of_what_matters_tells_the_age);
	tcase_add_test(doing, what_has_never_spoken_is_not_of_a_time_before_all);
	tcase_add_test(watches, objects_of_a_stream_are_told_as_they_come);
	tcase_add_test(watches, a_stream_that_ends_well_is_opened_again);
	tcase_add_loop_test(watches, an_object_may_end_its_stream, 0, 4);
	tcase_add_test(watches, an_object_may_stop_its_resource);
	tcase_add_loop_test(watches,
			    a_watch_that_breaks_was_true_until_then_and_one_that_falls_silent_was_not, 0, 4);
	tcase_add_test(watches, only_a_watch_that_lasts_is_a_recovery);
	tcase_add_test(watches, a_watch_that_broke_while_the_loop_was_late_has_not_recovered);
	tcase_add_test(watches, an_object_counts_at_once_but_is_no_recovery);
	tcase_add_test(hints, nothing_is_said_before_what_matters_has_been_heard);
	tcase_add_loop_test(hints, a_hint_brings_forward_what_is_due_later, 0, 2);
	tcase_add_loop_test(hints, a_hint_changes_nothing_for_one_under_way_or_failing, 0, 2);
	return harness_run(suite);
}
