/* SPDX-License-Identifier: BSD-2-Clause */
/* unit/poller_case.h -- what all tests of the poller need: one registry, and what is told of it. */
#ifndef PHONEBOOK_TEST_POLLER_CASE_H
#define PHONEBOOK_TEST_POLLER_CASE_H

#include "base/clock.h"
#include "base/random.h"
#include "fake_registry.h"
#include "feed/poller.h"
#include "feed/resolve.h"
#include "harness.h"
#include "planes.h"
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOP(list) "{\"shop\":[" list "]}"
#define AT(n)      "\"10.1.0." #n ":80\""
#define AND        ","
#define FRESH      "Cache-Control: max-age=300\r\n" /* do not ask again for three intervals */

enum { LIMIT_MS = 10000, PUBLISH_MS = 5 };

static struct event_base *loop;
static struct resolver *resolver;
static struct fetcher *fetcher;
static struct freshness *freshness;
static struct random random_state;
static struct fake_registry *registry;
static struct poller *poller;
static struct registry_options options;
static struct poller_options given;
static uint64_t brake_ms;
static char *dir, path[256];

/* What changed() was told: instances of the service "shop", -1 for none, -2 for no snapshot. */
static struct {
	unsigned n, n_heard;
	int before, after;
} told;

static inline int count_shop(const struct snapshot *s)
{
	const struct service *shop = s != NULL ? snapshot_find(s, "shop") : NULL;

	if (s == NULL)
		return -2;
	return shop != NULL ? (int)shop->n_instances : -1;
}

static inline void changed(void *context, const struct snapshot *before, const struct snapshot *after)
{
	ck_assert_ptr_eq(context, &told);
	ck_assert_ptr_eq(poller_snapshot(poller), after);
	told.n++;
	told.before = count_shop(before);
	told.after = count_shop(after);
}

static inline void heard(void *context)
{
	ck_assert_ptr_eq(context, &told);
	ck_assert_uint_gt(poller_heard_ms(poller), 0);
	told.n_heard++;
}

static inline uint64_t brake(void *context, const char *service)
{
	ck_assert_ptr_eq(context, &told);
	ck_assert_ptr_nonnull(service);
	return brake_ms;
}

static void read_much(void *context)
{
	(void)context;
}

static inline void set_up(void)
{
	memset(&told, 0, sizeof(told));
	dir = harness_make_dir();
	snprintf(path, sizeof(path), "%s/services.json", dir);
	random_seed(&random_state);
	loop = event_base_new();
	ck_assert_int_eq(resolver_create(loop, NULL, 0, NULL, NULL, &resolver), 0);
	ck_assert_int_eq(fetcher_create(loop, resolver, &fetcher), 0);
	freshness = freshness_create(1);
	ck_assert_int_eq(freshness_name(freshness, 0, "dc1", "http", true), 0);
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	options = (struct registry_options){
		.kind = "http",
		.name = "dc1",
		.interval_ms = 100,
		.service_label = "service",
		.http = { .url = fake_registry_url(registry), .timeout_ms = 5000, .max_size = 1 << 20 }
	};
	brake_ms = 3600000;
	given = (struct poller_options){ .registry = &options,
					 .loop = loop,
					 .fetcher = fetcher,
					 .freshness = freshness,
					 .random = &random_state,
					 .brake = brake,
					 .changed = changed,
					 .heard = heard,
					 .read_much = read_much,
					 .context = &told };
}

static inline void tear_down(void)
{
	poller_destroy(poller);
	fetcher_destroy(fetcher);
	resolver_destroy(resolver);
	freshness_destroy(freshness);
	event_base_free(loop);
	fake_registry_stop(registry);
	harness_remove_dir(dir);
}

static inline void start(void)
{
	ck_assert_int_eq(poller_create(&given, &poller), 0);
	poller_start(poller);
}

static inline bool is_told(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return told.n >= *(const unsigned *)n;
}

/* Runs until changed() was called n times in all, the last time about this. */
static inline void await_told(unsigned n, int before, int after)
{
	ck_assert_msg(harness_wait(is_told, &n, LIMIT_MS), "told %u times", told.n);
	ck_assert_uint_eq(told.n, n);
	ck_assert_int_eq(told.before, before);
	ck_assert_int_eq(told.after, after);
}

static inline bool is_asked(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return fake_registry_requests(registry) >= *(const unsigned *)n;
}

/* Runs until n more requests have come; the answer to the last one may be under way. */
static inline void await_asked(unsigned n)
{
	n += fake_registry_requests(registry);
	ck_assert_msg(harness_wait(is_asked, &n, LIMIT_MS), "asked %u of %u times",
		      fake_registry_requests(registry), n);
}

static inline struct freshness_view view(void)
{
	struct freshness_view v;

	freshness_view(freshness, 0, clock_ms(), &v);
	return v;
}

static inline bool holds(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return view().held == *(const unsigned *)n;
}

static inline void await_held(unsigned n)
{
	ck_assert_msg(harness_wait(holds, &n, LIMIT_MS), "%u held, not %u", (unsigned)view().held, n);
}

static inline bool has_failed(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return view().failures >= *(const unsigned *)n;
}

static inline void await_failures(unsigned n)
{
	ck_assert_msg(harness_wait(has_failed, &n, LIMIT_MS), "%u failures", (unsigned)view().failures);
}

static inline void say_for_a_while(const char *body)
{
	fake_registry_answer(registry, &(struct fake_answer){ .headers = FRESH, .body = body });
}

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static inline bool is_over(void *end_ms)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return clock_ms() >= *(const uint64_t *)end_ms;
}

static inline TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 40);
	suite_add_tcase(suite, tc);
	return tc;
}

#endif
