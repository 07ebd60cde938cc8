/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/crew.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fake_registry.h"
#include "feed/errand.h"
#include "feed/resolve.h"
#include "harness.h"
#include "model/freshness.h"

enum { LIMIT_MS = 10000, THINGS = 100 };

/* A kind that asks for what the test says and goes on as the test says. */
struct thing {
	struct resource res;
	char name[16];
	unsigned n_asked, n_read;
	uint64_t asked_ms[64]; /* of the first of them */
	int step;              /* what read() says */
	bool held;
	bool turns; /* between a question and a stream, which breaks unless it lasts */
	bool lasts;
	enum fetch_source source;
	const char *path;
	char body[64]; /* read last */
	char object[64];
	unsigned n_partial;

	bool watches;        /* each other request opens a stream, after the list */
	int object_step;     /* what read() says to an object; 0: STEP_MORE */
	uint64_t silence_ms; /* of the stream */
	unsigned n_watched, n_objects, n_unchanged;
	uint64_t opened_ms; /* when the last stream was asked for */
	bool has_list;
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
	if (t->turns)
		t->source = t->n_asked % 2 == 0 ? FETCH_HTTP : FETCH_STREAM;
	if (t->turns)
		t->path = t->source == FETCH_HTTP ? "/list" : "/watch";
	if (t->source == FETCH_DNS) { /* nothing this test runs: a request that cannot be made */
		t->n_asked++;
		return snapshot_builder_fail(b, -EINVAL, "no such question");
	}
	if (t->watches && t->has_list) {
		t->n_watched++;
		t->opened_ms = clock_ms();
		*ret = (struct fetch_request){ .source = FETCH_STREAM,
					       .http = &options.http,
					       .path = "/watch",
					       .timeout_ms = 20000,
					       .silence_ms = t->silence_ms };
		t->n_asked++;
		return 0;
	}
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
	t->n_unchanged += result->unchanged;
	t->n_partial += result->partial;
	n_in_flight -= result->last;
	snprintf(t->body, sizeof(t->body), "%s", result->body != NULL ? result->body : "");
	if (t->watches && t->has_list && !result->last) {
		t->n_objects++;
		snprintf(t->object, sizeof(t->object), "%s", result->body);
		if (t->object_step != 0)
			t->has_list = false;
		return t->object_step < 0 ? snapshot_builder_fail(b, t->object_step, "as told")
					  : t->object_step;
	}
	t->has_list = result->error == 0 && result->status == 200;
	if (result->error != 0)
		return snapshot_builder_fail(b, result->error, "%s", result->error_text);
	if (result->status != 200)
		return snapshot_builder_fail(b, -EPROTO, "status %d", result->status);
	if (t->source == FETCH_STREAM)
		return t->lasts ? STEP_MORE : snapshot_builder_fail(b, -EBADMSG, "broken");
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

static bool is_well(void *context)
{
	(void)context;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return crew.n_failing == 0;
}

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

static bool is_over(void *end_ms)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return clock_ms() >= *(const uint64_t *)end_ms;
}

static void pass(uint64_t ms)
{
	uint64_t end_ms = clock_ms() + ms;

	ck_assert(harness_wait(is_over, &end_ms, LIMIT_MS));
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

START_TEST(a_file_that_stays_as_it_was_is_not_read_again)
{
	char *dir = harness_make_dir(), path[256];

	harness_write_file(dir, "a.json", "{}");
	snprintf(path, sizeof(path), "%s/*.json", dir);
	things[0].source = FETCH_FILES;
	things[0].path = path;
	start(0, STEP_PAUSE);
	await(&things[0].n_unchanged, 3);
	ck_assert_uint_eq(n_news[ERRAND_FAILED], 0);
	harness_remove_dir(dir);
}
END_TEST

START_TEST(a_file_may_stop_its_resource)
{
	char *dir = harness_make_dir(), path[256];

	harness_write_file(dir, "a.json", "{}");
	harness_write_file(dir, "b.json", "{}");
	snprintf(path, sizeof(path), "%s/%s", dir, _i == 0 ? "*.json" : "a.json");
	things[0].source = FETCH_FILES;
	things[0].path = path;
	start(0, STEP_STOP);
	await(&n_news[ERRAND_GONE], 1);
	ck_assert_uint_eq(things[0].n_read, 1);
	ck_assert_uint_eq(crew.n, 0);
	harness_remove_dir(dir);
}
END_TEST

START_TEST(a_path_that_cannot_be_one_is_told_as_that)
{
	things[0].source = FETCH_FILES;
	things[0].path = "";
	start(0, STEP_PAUSE);
	await(&n_news[ERRAND_FAILED], 1);
	ck_assert_str_eq(last_error, "Invalid argument");
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

static struct thing *start_file(const char *dir, char path[256])
{
	harness_write_file(dir, "a.json", "1");
	snprintf(path, 256, "%s/*.json", dir);
	things[0].source = FETCH_FILES;
	things[0].path = path;
	return start(0, STEP_PAUSE);
}

START_TEST(a_change_of_a_file_is_read_by_itself_and_puts_nothing_off)
{
	char *dir = harness_make_dir(), path[256];

	options.interval_ms = 3600000;
	const struct thing *t = start_file(dir, path);
	await(&n_news[ERRAND_GOOD], 1);
	const uint64_t look_ms = ((struct errand *)t->res.runner)->due_ms;
	for (unsigned i = 1; i <= 5; i++) {
		harness_write_file(dir, "a.json", "2");
		await(&t->n_partial, i);
	}
	ck_assert_str_eq(t->body, "2");
	const uint64_t due_ms = ((struct errand *)t->res.runner)->due_ms;
	ck_assert_uint_le(due_ms > look_ms ? due_ms - look_ms : look_ms - due_ms, 2);
	harness_remove_dir(dir);
}
END_TEST

START_TEST(changes_all_the_time_do_not_keep_from_looking_at_all_files)
{
	char *dir = harness_make_dir(), path[256];
	const struct thing *t = start_file(dir, path);
	const uint64_t end_ms = clock_ms() + LIMIT_MS;

	while (t->n_read - t->n_partial < 4) {
		harness_write_file(dir, "a.json", "2");
		event_base_loop(loop, EVLOOP_NONBLOCK);
		ck_assert_uint_lt(clock_ms(), end_ms);
	}
	harness_remove_dir(dir);
}
END_TEST

START_TEST(a_file_that_could_not_be_used_is_read_with_all_others)
{
	char *dir = harness_make_dir(), path[256];

	options.interval_ms = 20000;
	struct thing *t = start_file(dir, path);
	t->step = -EBADMSG;
	await(&n_news[ERRAND_FAILED], 1);
	t->step = STEP_PAUSE;
	harness_write_file(dir, "a.json", "2");
	await(&n_news[ERRAND_GOOD], 1);
	ck_assert_uint_eq(t->n_partial, 0);
	harness_remove_dir(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crew");
	TCase *rounds = tcase_create("rounds");
	TCase *failures = tcase_create("failures");
	TCase *watches = tcase_create("watches");
	TCase *ends = tcase_create("ends");

	tcase_add_checked_fixture(rounds, set_up, tear_down);
	tcase_add_checked_fixture(failures, set_up, tear_down);
	tcase_add_checked_fixture(ends, set_up, tear_down);
	tcase_set_timeout(rounds, 30);
	tcase_add_checked_fixture(watches, set_up, tear_down);
	tcase_set_timeout(failures, 30);
	tcase_set_timeout(watches, 30);
	tcase_set_timeout(ends, 30);
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
	tcase_add_test(ends, while_a_request_is_held_the_data_is_of_now);
	tcase_add_test(ends, the_oldest_of_what_matters_tells_the_age);
	tcase_add_test(ends, nothing_is_said_before_what_matters_has_been_heard);
	tcase_add_test(ends, what_has_never_spoken_is_not_of_a_time_before_all);
	tcase_add_test(watches, objects_of_a_stream_are_told_as_they_come);
	tcase_add_test(watches, a_stream_that_ends_well_is_opened_again);
	tcase_add_loop_test(watches, an_object_may_end_its_stream, 0, 4);
	tcase_add_test(watches, an_object_may_stop_its_resource);
	tcase_add_loop_test(watches,
			    a_watch_that_breaks_was_true_until_then_and_one_that_falls_silent_was_not, 0, 4);
	tcase_add_test(watches, only_a_watch_that_lasts_is_a_recovery);
	tcase_add_test(watches, a_watch_that_broke_while_the_loop_was_late_has_not_recovered);
	tcase_add_test(watches, an_object_counts_at_once_but_is_no_recovery);
	tcase_add_loop_test(watches, a_hint_brings_forward_what_is_due_later, 0, 2);
	tcase_add_loop_test(watches, a_hint_changes_nothing_for_one_under_way_or_failing, 0, 2);
	tcase_add_test(ends, a_resource_that_stops_is_asked_for_no_more);
	tcase_add_test(ends, errands_can_be_stopped_in_any_state);
	tcase_add_test(ends, a_file_that_stays_as_it_was_is_not_read_again);
	tcase_add_loop_test(ends, a_file_may_stop_its_resource, 0, 2);
	tcase_add_test(ends, a_path_that_cannot_be_one_is_told_as_that);
	tcase_add_test(ends, a_secret_is_read_like_any_answer);
	tcase_add_test(ends, a_change_of_a_file_is_read_by_itself_and_puts_nothing_off);
	tcase_add_test(ends, changes_all_the_time_do_not_keep_from_looking_at_all_files);
	tcase_add_test(ends, a_file_that_could_not_be_used_is_read_with_all_others);
	suite_add_tcase(suite, rounds);
	suite_add_tcase(suite, failures);
	suite_add_tcase(suite, watches);
	suite_add_tcase(suite, ends);
	return harness_run(suite);
}
