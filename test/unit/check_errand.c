/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/errand.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fake_registry.h"
#include "feed/resolve.h"
#include "harness.h"

enum { LIMIT_MS = 10000, THINGS = 100 };

/* A kind that asks for what the test says and goes on as the test says. */
struct thing {
	struct resource res;
	char name[16];
	unsigned n_asked, n_read;
	uint64_t asked_ms[64]; /* of the first of them */
	int step;              /* what read() says */
	bool held;
	enum fetch_source source;
	const char *path;
	char body[64]; /* read last */
};

static struct event_base *loop;
static struct resolver *resolver;
static struct fetcher *fetcher;
static struct fake_registry *server;
static struct random random_state;
static struct registry_options options;
static struct ledger *ledger;
static struct crew crew;
static struct thing things[THINGS];
static unsigned n_in_flight, n_in_flight_most;
static unsigned n_news[ERRAND_GONE + 1];
static char last_error[256];

static struct thing *thing_of(struct resource *res)
{
	return (struct thing *)res; /* its first member */
}

static int ask(struct registry *r, struct resource *res, struct fetch_request *ret,
	       struct snapshot_builder *b)
{
	struct thing *t = thing_of(res);

	(void)r;
	if (t->source == FETCH_DNS) /* nothing this test runs: a request that cannot be made */
		return snapshot_builder_fail(b, -EINVAL, "no such question");
	*ret = (struct fetch_request){ .source = t->source,
				       .http = &options.http,
				       .path = t->path,
				       .held = t->held,
				       .timeout_ms = 20000,
				       .max_size = 1000 };
	if (t->n_asked < 64)
		t->asked_ms[t->n_asked] = clock_ms();
	t->n_asked++;
	n_in_flight++;
	n_in_flight_most = n_in_flight > n_in_flight_most ? n_in_flight : n_in_flight_most;
	return 0;
}

static int read_result(struct registry *r, struct resource *res, const struct fetch_result *result,
		       struct snapshot_builder *b)
{
	struct thing *t = thing_of(res);

	(void)r;
	t->n_read++;
	n_in_flight -= result->last;
	snprintf(t->body, sizeof(t->body), "%s", result->body != NULL ? result->body : "");
	if (result->error != 0)
		return snapshot_builder_fail(b, result->error, "%s", result->error_text);
	if (result->status != 200)
		return snapshot_builder_fail(b, -EPROTO, "status %d", result->status);
	return t->step < 0 ? snapshot_builder_fail(b, t->step, "as told") : t->step;
}

static const struct registry_kind kind = { .name = "test", .ask = ask, .read = read_result };

static void on_news(void *context, const struct resource *res, enum errand_news news, const char *error)
{
	ck_assert_ptr_eq(context, &crew);
	ck_assert_ptr_nonnull(res);
	ck_assert((news == ERRAND_FAILED) == (error != NULL));
	n_news[news]++;
	if (error != NULL)
		snprintf(last_error, sizeof(last_error), "%s", error);
}

static void set_up(void)
{
	memset(things, 0, sizeof(things));
	memset(n_news, 0, sizeof(n_news));
	last_error[0] = '\0';
	n_in_flight = n_in_flight_most = 0;
	random_seed(&random_state);
	loop = event_base_new();
	ck_assert_int_eq(resolver_create(loop, NULL, 0, NULL, NULL, &resolver), 0);
	ck_assert_int_eq(fetcher_create(loop, resolver, &fetcher), 0);
	server = fake_registry_start(&(struct fake_registry_options){ 0 });
	fake_registry_body(server, "{}");
	options = (struct registry_options){ .kind = "test", .name = "dc1", .interval_ms = 100 };
	options.http = (struct http_options){ .url = fake_registry_url(server), .timeout_ms = 5000 };
	ledger = ledger_create();
	crew_init(&crew, &(struct crew_options){ .kind = &kind,
						 .ledger = ledger,
						 .options = &options,
						 .loop = loop,
						 .fetcher = fetcher,
						 .random = &random_state,
						 .news = on_news,
						 .context = &crew });
}

static void tear_down(void)
{
	crew_finish(&crew);
	ck_assert_uint_eq(crew.n + crew.n_vital + crew.n_running + crew.n_concluded + crew.n_spoken +
				  crew.n_failing + crew.n_live,
			  0);
	fetcher_destroy(fetcher);
	resolver_destroy(resolver);
	ledger_destroy(ledger);
	event_base_free(loop);
	fake_registry_stop(server);
}

static struct thing *start(size_t i, int step)
{
	struct thing *t = &things[i];

	snprintf(t->name, sizeof(t->name), "thing %zu", i);
	t->res.name = t->name;
	t->step = step;
	ck_assert_int_eq(crew_start(&crew, &t->res, true), 0);
	return t;
}

struct wish {
	const unsigned *count;
	unsigned n;
};

static bool has_come(void *context)
{
	const struct wish *w = context;

	event_base_loop(loop, EVLOOP_NONBLOCK);
	return *w->count >= w->n;
}

/* Requests at the server, which is another thread. */
static bool have_arrived(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return fake_registry_requests(server) >= *(unsigned *)n;
}

static void await(const unsigned *count, unsigned n)
{
	struct wish w = { count, n };

	ck_assert_msg(harness_wait(has_come, &w, LIMIT_MS), "%u, not %u", *count, n);
}

/* --- rounds --- */

START_TEST(rounds_follow_each_other_after_the_interval)
{
	const struct thing *t = start(0, STEP_PAUSE);

	await(&t->n_read, 4);
	for (int i = 1; i < 4; i++)
		ck_assert_uint_ge(t->asked_ms[i] - t->asked_ms[i - 1], 95); /* the loop's clock is coarse */
	ck_assert_uint_eq(n_news[ERRAND_GOOD], 4);
	ck_assert_uint_eq(crew.n_spoken, 1);
	ck_assert_uint_eq(crew.n_concluded, 1);
	ck_assert_uint_eq(crew.n_live, 0);
	ck_assert_uint_eq(crew_true_until(&crew, clock_ms() + 1000), crew.heard_ms);
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
	fake_registry_answer(server, &(struct fake_answer){ .hang = true });
	for (size_t i = 0; i < 40; i++) {
		things[i].held = true;
		start(i, STEP_AGAIN);
	}
	await(&n_in_flight, 40);
	ck_assert(harness_wait(have_arrived, &(unsigned){ 40 }, LIMIT_MS));
	ck_assert_uint_eq(crew.n_running, 0);
	fake_registry_body(server, "{}");
	const struct thing *t = start(50, STEP_PAUSE);
	await(&t->n_read, 1);
	ck_assert_uint_eq(n_in_flight, 40);
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

/* --- how it is doing --- */

static bool is_live(void *context)
{
	(void)context;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return crew.n_live == 1;
}

START_TEST(while_a_request_is_held_the_data_is_of_now)
{
	struct thing *t = &things[0];

	t->held = t->res.vital = true;
	start(0, STEP_AGAIN);
	await(&t->n_read, 1);
	fake_registry_answer(server, &(struct fake_answer){ .hang = true });
	await(&n_news[ERRAND_GOOD], 1);
	ck_assert(harness_wait(is_live, NULL, LIMIT_MS));
	ck_assert_uint_ge(n_news[ERRAND_CHANGED], 1); /* so whoever shows the age hears of it */
	ck_assert_uint_eq(crew_true_until(&crew, clock_ms() + 5000), clock_ms() + 5000);
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
	const uint64_t heard_ms = crew_true_until(&crew, clock_ms());
	vital->step = -EBADMSG;
	await(&n_news[ERRAND_FAILED], 1);
	const unsigned n = other->n_read + 3;
	await(&other->n_read, n);
	ck_assert_uint_gt(crew.heard_ms, heard_ms);
	ck_assert_uint_lt(crew_true_until(&crew, clock_ms()), crew.heard_ms);
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
	Suite *suite = suite_create("errand");
	TCase *rounds = tcase_create("rounds");
	TCase *failures = tcase_create("failures");
	TCase *ends = tcase_create("ends");

	tcase_add_checked_fixture(rounds, set_up, tear_down);
	tcase_add_checked_fixture(failures, set_up, tear_down);
	tcase_add_checked_fixture(ends, set_up, tear_down);
	tcase_set_timeout(rounds, 30);
	tcase_set_timeout(failures, 30);
	tcase_add_test(rounds, rounds_follow_each_other_after_the_interval);
	tcase_add_test(rounds, requests_of_one_round_go_out_at_once);
	tcase_add_test(rounds, requests_that_wait_at_the_server_follow_at_once_but_not_for_ever);
	tcase_add_test(rounds, data_that_holds_for_a_while_is_asked_for_again_in_time);
	tcase_add_test(rounds, one_of_many_requests_at_a_time_never_more_than_sixteen);
	tcase_add_test(rounds, requests_held_by_the_server_do_not_keep_others_waiting);
	tcase_add_test(failures, failures_are_told_and_tried_again);
	tcase_add_test(failures, request_that_cannot_be_made_is_a_failure);
	tcase_add_test(failures, one_that_fails_does_not_delay_another);
	tcase_add_test(failures, refusals_are_not_repeated_faster_than_the_interval);
	tcase_add_test(ends, while_a_request_is_held_the_data_is_of_now);
	tcase_add_test(ends, the_oldest_of_what_matters_tells_the_age);
	tcase_add_test(ends, a_resource_that_stops_is_asked_for_no_more);
	tcase_add_test(ends, errands_can_be_stopped_in_any_state);
	tcase_add_test(ends, a_secret_is_read_like_any_answer);
	suite_add_tcase(suite, rounds);
	suite_add_tcase(suite, failures);
	suite_add_tcase(suite, ends);
	return harness_run(suite);
}
