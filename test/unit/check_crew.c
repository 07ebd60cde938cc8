/* SPDX-License-Identifier: BSD-2-Clause */
#include "crew_case.h"

/* --- rounds --- */

START_TEST(rounds_follow_each_other_after_the_interval)
{
	const struct thing *t = start(0, STEP_PAUSE);

	await(&t->n_read, 4);
	ck_assert_uint_le(t->asked_ms[1] - t->asked_ms[0], 1000); /* drawn from the interval, once */
	for (int i = 2; i < 4; i++)
		ck_assert_uint_ge(t->asked_ms[i] - t->asked_ms[i - 1], 95); /* the loop's clock is coarse */
	ck_assert_uint_eq(n_news[ERRAND_GOOD], 4);
	ck_assert_uint_eq(crew.n_spoken, 1);
	ck_assert_uint_eq(crew.n_concluded, 1);
	ck_assert_uint_eq(crew.n_live, 0);
	ck_assert_uint_eq(crew_true_until(&crew), crew.heard_ms);
}
END_TEST

START_TEST(requests_of_one_round_go_out_at_once)
{
	struct thing *t = start(0, STEP_ASK);

	options.interval_ms = 60000;
	await(&t->n_read, 20);
	ck_assert_uint_eq(n_news[ERRAND_GOOD], 0);
	t->step = STEP_PAUSE;
	await(&n_news[ERRAND_GOOD], 1);
	ck_assert_uint_eq(crew.n_spoken, 1);
}
END_TEST

START_TEST(requests_that_wait_at_the_server_follow_at_once_but_not_for_ever)
{
	struct thing *t = &things[0];

	t->held = true;
	start(0, STEP_AGAIN);
	await(&t->n_read, 10);
	ck_assert_uint_lt(t->asked_ms[7] - t->asked_ms[0], 1000);
	ck_assert_uint_ge(t->asked_ms[9] - t->asked_ms[0], 990);
}
END_TEST

START_TEST(data_that_holds_for_a_while_is_asked_for_again_in_time)
{
	struct thing *t = &things[0];

	options.interval_ms = 60000;
	start(0, STEP_PAUSE);
	await(&t->n_read, 1);
	ck_assert_uint_eq(n_news[ERRAND_GOOD], 1);
	ck_assert_uint_gt(crew.heard_ms, 0);
	crew_hasten(&crew, &t->res);
	await(&t->n_read, 2);
	ck_assert_uint_le(t->asked_ms[1] - t->asked_ms[0], 2000);
}
END_TEST

START_TEST(one_of_many_requests_at_a_time_never_more_than_sixteen)
{
	fake_registry_answer(server, &(struct fake_answer){ .hang = true });
	options.http.timeout_ms = 300;
	for (size_t i = 0; i < 40; i++)
		start(i, STEP_PAUSE);
	await(&n_in_flight, 16);
	for (int i = 0; i < 20; i++)
		event_base_loop(loop, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(crew.n_running, 16);
	ck_assert_uint_eq(n_in_flight_most, 16);
}
END_TEST

START_TEST(requests_held_by_the_server_do_not_keep_others_waiting)
{
	fake_registry_answer_at(server, "/held", &(struct fake_answer){ .hang = true });
	for (size_t i = 0; i < 40; i++) {
		things[i].held = true;
		things[i].path = "/held";
		start(i, STEP_AGAIN);
	}
	await(&n_in_flight, 40);
	ck_assert_uint_eq(crew.n_running, 0);
	const struct thing *t = start(50, STEP_PAUSE);
	await(&t->n_read, 1);
	ck_assert_uint_eq(n_in_flight, 40);
}
END_TEST

static bool are_all_asked(void *context)
{
	(void)context;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	for (size_t i = 16; i < 60; i++) {
		if (things[i].n_asked == 0)
			return false;
	}
	return true;
}

/* Those that wait for a place take none in the end, and so can leave none to the next. */
START_TEST(those_that_wait_all_have_their_turn)
{
	static const enum fetch_source sources[] = { FETCH_HTTP, FETCH_DNS, FETCH_SECRET };

	fake_registry_answer(server, &(struct fake_answer){ .hang = true });
	for (size_t i = 0; i < 16; i++)
		start(i, STEP_PAUSE);
	await(&n_in_flight, 16);
	for (size_t i = 16; i < 60; i++) {
		things[i].held = true;
		things[i].source = sources[_i];
		things[i].path = sources[_i] == FETCH_SECRET ? "/nonexistent/password" : NULL;
		start(i, STEP_PAUSE);
	}
	for (int i = 0; i < 20; i++)
		event_base_loop(loop, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(things[16].n_asked, 0);
	for (size_t i = 0; i < 16; i++)
		crew_stop(&crew, &things[i].res);
	ck_assert(harness_wait(are_all_asked, NULL, LIMIT_MS));
}
END_TEST

/* --- failures --- */

START_TEST(failures_are_told_and_tried_again)
{
	struct thing *t = start(0, STEP_PAUSE);

	fake_registry_answer(server, &(struct fake_answer){ .status = 500 });
	await(&n_news[ERRAND_FAILED], 2);
	ck_assert_str_eq(last_error, "status 500");
	ck_assert_uint_eq(crew.n_failing, 1);
	ck_assert_uint_eq(crew.n_concluded, 1);
	fake_registry_body(server, "{}");
	const unsigned good = n_news[ERRAND_GOOD] + 1;
	await(&n_news[ERRAND_GOOD], good);
	ck_assert_uint_eq(crew.n_failing, 0);
	t->step = -EBADMSG;
	const unsigned failed = n_news[ERRAND_FAILED] + 1;
	await(&n_news[ERRAND_FAILED], failed);
	ck_assert_str_eq(last_error, "as told");
}
END_TEST

/* The lists between are good each time. */
START_TEST(a_watch_that_breaks_as_soon_as_it_has_begun_goes_on_failing)
{
	struct thing *t = &things[0];

	t->turns = true;
	start(0, STEP_AGAIN);
	for (unsigned i = 1; i <= 4; i++) {
		await(&n_news[ERRAND_FAILED], i);
		await(&n_news[ERRAND_GOOD], i + 1);
		ck_assert_uint_eq(crew.n_failing, 1);
	}
	for (unsigned i = 4; i <= 8; i += 2)
		ck_assert_uint_ge(t->asked_ms[i] - t->asked_ms[i - 1], 490);
	ck_assert_uint_eq(crew.n_live, 0);
}
END_TEST

START_TEST(a_watch_that_lasts_ends_the_failure)
{
	struct thing *t = &things[0];

	t->turns = t->res.vital = true;
	start(0, STEP_AGAIN);
	await(&n_news[ERRAND_FAILED], 2);
	t->lasts = true;
	fake_registry_answer(server, &(struct fake_answer){ .body = "{}", .open = true });
	fake_registry_answer_at(server, "/list", &(struct fake_answer){ .body = "{}" });
	ck_assert(harness_wait(is_well, NULL, LIMIT_MS));
	ck_assert_uint_eq(t->source, FETCH_STREAM);
	ck_assert_uint_ge(clock_ms() - t->asked_ms[t->n_asked - 1], 990);
	ck_assert_uint_eq(crew.n_live, 1);
	ck_assert_uint_eq(crew_true_until(&crew), FRESHNESS_NOW);
}
END_TEST

START_TEST(request_that_cannot_be_made_is_a_failure)
{
	things[0].source = FETCH_DNS;
	start(0, STEP_PAUSE);
	await(&n_news[ERRAND_FAILED], 2);
	ck_assert_str_eq(last_error, "no such question");
}
END_TEST

START_TEST(one_that_fails_does_not_delay_another)
{
	struct thing *bad = start(0, -EBADMSG), *good = start(1, STEP_PAUSE);

	await(&good->n_read, 5);
	ck_assert_uint_ge(n_news[ERRAND_FAILED], 1);
	ck_assert_uint_eq(crew.n_failing, 1);
	ck_assert_uint_lt(bad->n_read, good->n_read + 1);
}
END_TEST

START_TEST(refusals_are_not_repeated_faster_than_the_interval)
{
	options.interval_ms = 700;
	fake_registry_answer(server, &(struct fake_answer){ .status = 403 });
	const struct thing *t = start(0, STEP_PAUSE);
	await(&t->n_read, 3);
	ck_assert_uint_ge(t->asked_ms[1] - t->asked_ms[0], 690);
	ck_assert_uint_ge(t->asked_ms[2] - t->asked_ms[1], 690);
}
END_TEST

START_TEST(refused_watches_are_tried_a_few_times_before_the_interval_counts)
{
	enum { HOUR_MS = 3600000 };

	options.interval_ms = HOUR_MS;
	options.watch = true;
	fake_registry_answer(server, &(struct fake_answer){ .status = 403 });
	const struct thing *t = start(0, STEP_PAUSE);
	const struct errand *e = t->res.runner;
	await(&t->n_read, 2);
	ck_assert_uint_lt(e->due_ms, clock_ms() + HOUR_MS / 2);
	await(&t->n_read, 5);
	await(&n_news[ERRAND_FAILED], 5);
	ck_assert_uint_gt(e->due_ms, clock_ms() + HOUR_MS / 2);
}
END_TEST

/* --- ends --- */

START_TEST(a_resource_that_stops_is_asked_for_no_more)
{
	struct thing *t = start(0, STEP_STOP);

	start(1, STEP_PAUSE);
	await(&n_news[ERRAND_GONE], 1);
	await(&things[1].n_read, 5);
	ck_assert_uint_eq(t->n_read, 1);
	ck_assert_ptr_null(t->res.runner);
	ck_assert_uint_eq(crew.n, 1);
	crew_stop(&crew, &t->res); /* fine */
}
END_TEST

START_TEST(errands_can_be_stopped_in_any_state)
{
	fake_registry_answer(server, &(struct fake_answer){ .hang = true });
	for (size_t i = 0; i < 30; i++)
		start(i, STEP_PAUSE);
	await(&n_in_flight, 16);
	for (size_t i = 0; i < 30; i += 3)
		crew_stop(&crew, &things[i].res);
	ck_assert_uint_eq(crew.n, 20);
	for (int i = 0; i < 20; i++)
		event_base_loop(loop, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(crew.n_running, 16); /* those that waited took the places */
}
END_TEST

START_TEST(a_secret_is_read_like_any_answer)
{
	char *dir = harness_make_dir(), path[256];

	harness_write_file(dir, "password", "tr0ub4dor\n");
	snprintf(path, sizeof(path), "%s/password", dir);
	things[0].source = FETCH_SECRET;
	things[0].path = path;
	start(0, STEP_PAUSE);
	await(&n_news[ERRAND_GOOD], 1);
	ck_assert_str_eq(things[0].body, "tr0ub4dor");
	crew_stop(&crew, &things[0].res);
	things[1].source = FETCH_SECRET;
	things[1].path = "/nonexistent/password";
	start(1, STEP_PAUSE);
	await(&n_news[ERRAND_FAILED], 1);
	ck_assert_str_ne(last_error, "");
	harness_remove_dir(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crew");
	TCase *rounds = add_case(suite, "rounds");
	TCase *failures = add_case(suite, "failures");
	TCase *ends = add_case(suite, "ends");

	tcase_add_test(rounds, rounds_follow_each_other_after_the_interval);
	tcase_add_test(rounds, requests_of_one_round_go_out_at_once);
	tcase_add_test(rounds, requests_that_wait_at_the_server_follow_at_once_but_not_for_ever);
	tcase_add_test(rounds, data_that_holds_for_a_while_is_asked_for_again_in_time);
	tcase_add_test(rounds, one_of_many_requests_at_a_time_never_more_than_sixteen);
	tcase_add_test(rounds, requests_held_by_the_server_do_not_keep_others_waiting);
	tcase_add_loop_test(rounds, those_that_wait_all_have_their_turn, 0, 3);
	tcase_add_test(failures, failures_are_told_and_tried_again);
	tcase_add_test(failures, a_watch_that_breaks_as_soon_as_it_has_begun_goes_on_failing);
	tcase_add_test(failures, a_watch_that_lasts_ends_the_failure);
	tcase_add_test(failures, request_that_cannot_be_made_is_a_failure);
	tcase_add_test(failures, one_that_fails_does_not_delay_another);
	tcase_add_test(failures, refusals_are_not_repeated_faster_than_the_interval);
	tcase_add_test(failures, refused_watches_are_tried_a_few_times_before_the_interval_counts);
	tcase_add_test(ends, a_resource_that_stops_is_asked_for_no_more);
	tcase_add_test(ends, errands_can_be_stopped_in_any_state);
	tcase_add_test(ends, a_secret_is_read_like_any_answer);
	return harness_run(suite);
}
