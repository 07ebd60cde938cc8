/* SPDX-License-Identifier: BSD-2-Clause */
/* unit/crew_case.h -- what all tests of the crew need: things that are asked for as the test says, and a
 * server. */
#ifndef PHONEBOOK_TEST_CREW_CASE_H
#define PHONEBOOK_TEST_CREW_CASE_H

#include "base/clock.h"
#include "fake_registry.h"
#include "feed/crew.h"
#include "feed/errand.h"
#include "feed/resolve.h"
#include "harness.h"
#include "model/freshness.h"
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static inline struct thing *thing_of(struct resource *res)
{
	return (struct thing *)res; /* its first member */
}

static inline int ask(struct registry *r, struct resource *res, struct fetch_request *ret,
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

static inline int read_result(struct registry *r, struct resource *res, const struct fetch_result *result,
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

static inline void on_news(void *context, const struct resource *res, enum errand_news news,
			   const char *error)
{
	ck_assert_ptr_eq(context, &crew);
	ck_assert_ptr_nonnull(res);
	ck_assert((news == ERRAND_FAILED) == (error != NULL));
	n_news[news]++;
	if (error != NULL)
		snprintf(last_error, sizeof(last_error), "%s", error);
}

static inline void set_up(void)
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

static inline void tear_down(void)
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

static inline struct thing *start(size_t i, int step)
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

static inline bool has_come(void *context)
{
	const struct wish *w = context;

	event_base_loop(loop, EVLOOP_NONBLOCK);
	return *w->count >= w->n;
}

static inline void await(const unsigned *count, unsigned n)
{
	struct wish w = { count, n };

	ck_assert_msg(harness_wait(has_come, &w, LIMIT_MS), "%u, not %u", *count, n);
}

static inline bool is_well(void *context)
{
	(void)context;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return crew.n_failing == 0;
}

static inline bool is_live(void *context)
{
	(void)context;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return crew.n_live == 1;
}

static inline bool is_over(void *end_ms)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return clock_ms() >= *(const uint64_t *)end_ms;
}

static inline void pass(uint64_t ms)
{
	uint64_t end_ms = clock_ms() + ms;

	ck_assert(harness_wait(is_over, &end_ms, LIMIT_MS));
}

static inline TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	return tc;
}

#endif
