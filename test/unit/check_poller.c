/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/poller.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "fake_registry.h"
#include "feed/resolve.h"
#include "harness.h"
#include "planes.h"

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
	unsigned n;
	int before, after;
} told;

static int count_shop(const struct snapshot *s)
{
	const struct service *shop = s != NULL ? snapshot_find(s, "shop") : NULL;

	if (s == NULL)
		return -2;
	return shop != NULL ? (int)shop->n_instances : -1;
}

static void changed(void *context, const struct snapshot *before, const struct snapshot *after)
{
	ck_assert_ptr_eq(context, &told);
	ck_assert_ptr_eq(poller_snapshot(poller), after);
	told.n++;
	told.before = count_shop(before);
	told.after = count_shop(after);
}

static uint64_t brake(void *context, const char *service)
{
	ck_assert_ptr_eq(context, &told);
	ck_assert_ptr_nonnull(service);
	return brake_ms;
}

static void setup(void)
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
					 .context = &told };
}

static void teardown(void)
{
	poller_destroy(poller);
	fetcher_destroy(fetcher);
	resolver_destroy(resolver);
	freshness_destroy(freshness);
	event_base_free(loop);
	fake_registry_stop(registry);
	harness_remove_dir(dir);
}

static void start(void)
{
	ck_assert_int_eq(poller_create(&given, &poller), 0);
	poller_start(poller);
}

static bool is_told(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return told.n >= *(const unsigned *)n;
}

/* Runs until changed() was called n times in all, the last time about this. */
static void await_told(unsigned n, int before, int after)
{
	ck_assert_msg(harness_wait(is_told, &n, LIMIT_MS), "told %u times", told.n);
	ck_assert_uint_eq(told.n, n);
	ck_assert_int_eq(told.before, before);
	ck_assert_int_eq(told.after, after);
}

static bool is_asked(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return fake_registry_requests(registry) >= *(const unsigned *)n;
}

/* Runs until n more requests have come; the answer to the last one may be under way. */
static void await_asked(unsigned n)
{
	n += fake_registry_requests(registry);
	ck_assert_msg(harness_wait(is_asked, &n, LIMIT_MS), "asked %u of %u times",
		      fake_registry_requests(registry), n);
}

static struct freshness_view view(void)
{
	struct freshness_view v;

	freshness_view(freshness, 0, clock_ms(), &v);
	return v;
}

static bool holds(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return view().held == *(const unsigned *)n;
}

static void await_held(unsigned n)
{
	ck_assert_msg(harness_wait(holds, &n, LIMIT_MS), "%u held, not %u", (unsigned)view().held, n);
}

static bool has_failed(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return view().failures >= *(const unsigned *)n;
}

static void await_failures(unsigned n)
{
	ck_assert_msg(harness_wait(has_failed, &n, LIMIT_MS), "%u failures", (unsigned)view().failures);
}

static void say_for_a_while(const char *body)
{
	fake_registry_answer(registry, &(struct fake_answer){ .headers = FRESH, .body = body });
}

/* --- good rounds --- */

START_TEST(a_first_round_is_told_and_a_repetition_is_not)
{
	fake_registry_body(registry, SHOP(AT(1) AND AT(2)));
	start();
	ck_assert(!poller_is_concluded(poller));
	ck_assert_ptr_null(poller_snapshot(poller));
	await_told(1, -2, 2);
	ck_assert(poller_is_concluded(poller));
	await_asked(5);
	ck_assert_uint_eq(told.n, 1);
	ck_assert_int_eq(view().state, REGISTRY_OK);
	ck_assert_uint_eq(view().instances, 2);

	fake_registry_body(registry, SHOP(AT(1) AND AT(3)));
	await_told(2, 2, 2);
	fake_registry_body(registry, SHOP(AT(3)));
	await_told(3, 2, 1);
}
END_TEST

START_TEST(not_modified_makes_data_young)
{
	fake_registry_answer(registry, &(struct fake_answer){ .etag = "\"v1\"", .body = SHOP(AT(1)) });
	start();
	await_told(1, -2, 1);
	const uint64_t start_ms = clock_ms();
	await_asked(6);
	await_asked(1); /* now the sixth answer has been read */
	ck_assert_uint_lt(view().age_ms, clock_ms() - start_ms);
	ck_assert_uint_eq(view().failures, 0);
	ck_assert_uint_eq(told.n, 1);
}
END_TEST

START_TEST(a_server_that_asks_for_a_pause_gets_it)
{
	options.interval_ms = 400;
	fake_registry_answer(registry,
			     &(struct fake_answer){ .headers = _i == 0 ? "Cache-Control: max-age=1\r\n"
								       : "Retry-After: 1\r\n",
						    .status = _i == 0 ? 200 : 503,
						    .body = SHOP(AT(1)) });
	start();
	await_told(1, -2, _i == 0 ? 1 : -2);
	const uint64_t start_ms = clock_ms();
	const unsigned requests = fake_registry_requests(registry);
	ck_assert_uint_eq(requests, 1);
	await_asked(1);
	ck_assert_uint_ge(clock_ms() - start_ms, 950);
}
END_TEST

START_TEST(a_cache_does_not_set_the_pace)
{
	fake_registry_answer(registry, &(struct fake_answer){ .headers = FRESH, .body = SHOP(AT(1)) });
	start();
	await_told(1, -2, 1);
	const uint64_t start_ms = clock_ms();
	await_asked(1);
	ck_assert_uint_ge(clock_ms() - start_ms, 280);
	ck_assert_uint_lt(clock_ms() - start_ms, 3000);
}
END_TEST

static bool is_as_old(void *age_ms)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return view().spoken && view().age_ms >= *(const uint64_t *)age_ms;
}

START_TEST(what_is_polled_ages_from_its_answer_on)
{
	uint64_t age_ms = 30;

	options.interval_ms = 3600000;
	fake_registry_body(registry, SHOP(AT(1)));
	start();
	await_told(1, -2, 1);
	ck_assert(harness_wait(is_as_old, &age_ms, LIMIT_MS));
}
END_TEST

static bool is_of_now(void *unused)
{
	(void)unused;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return view().spoken && view().age_ms == 0;
}

static bool is_logged(void *text)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return log_count(text) == 1;
}

START_TEST(of_changes_in_a_row_the_first_and_the_last_are_told)
{
	fake_registry_body(registry, SHOP(AT(1)));
	log_capture();
	start();
	await_told(1, -2, 1);
	fake_registry_body(registry, SHOP(AT(1) AND AT(2)));
	await_told(2, 1, 2);
	fake_registry_body(registry, SHOP(AT(1) AND AT(2) AND AT(3)));
	await_told(3, 2, 3);
	fake_registry_body(registry, SHOP(AT(1) AND AT(2) AND AT(3) AND AT(4)));
	await_told(4, 3, 4);
	ck_assert_uint_eq(log_count("round=changed"), 1);
	ck_assert(harness_wait(is_logged, (void *)"round=changed services=1 instances=4", LIMIT_MS));
	ck_assert_uint_eq(log_count("round=changed"), 2);
	log_release();
}
END_TEST

static const struct {
	const char *headers;
	bool is_of_now;
} contacts[] = {
	{ "X-Consul-Index: 5\r\nX-Consul-LastContact: 4000\r\n", true },
	{ "X-Consul-Index: 5\r\nX-Consul-LastContact: 60000\r\n", false },
};

/* The answer is old when it comes, by its own words; while the next one is held it is true, unless who holds
 * it has lost its own leader. */
START_TEST(what_is_held_by_the_server_does_not_age)
{
	static const char *const services[] = { "shop", NULL };

	options.kind = "consul";
	options.watch = true;
	options.consul.services = services;
	options.consul.wait_ms = 60000;
	options.consul.held = 10;
	fake_registry_answer(registry,
			     &(struct fake_answer){ .headers = contacts[_i].headers, .body = "[]" });
	fake_registry_answer_at(registry,
				"/v1/health/service/shop?index=", &(struct fake_answer){ .hang = true });
	start();
	await_told(1, -2, 0);
	if (contacts[_i].is_of_now) {
		ck_assert(harness_wait(is_of_now, NULL, LIMIT_MS));
		return;
	}
	ck_assert(harness_wait(is_asked, &(unsigned){ 2 }, LIMIT_MS));
	for (int i = 0; i < 10; i++)
		event_base_loop(loop, EVLOOP_NONBLOCK);
	ck_assert_uint_ge(view().age_ms, 60000);
}
END_TEST

/* --- bad rounds --- */

static const struct fake_answer unusable[] = {
	{ .headers = FRESH "Content-Type: text/html\r\n", .body = "<html>welcome</html>" },
	{ .headers = FRESH, .body = "[{" },
	{ .status = 304, .headers = FRESH },
	{ .status = 200, .headers = FRESH "Retry-After: 300\r\n", .body = "[{" },
	{ .status = 500, .headers = FRESH "Retry-After: 300\r\n" },
};

START_TEST(an_answer_that_cannot_be_used_asks_for_no_pause)
{
	options.interval_ms = 3600000;
	fake_registry_answer(registry, &unusable[_i]);
	start();
	await_failures(2);
	fake_registry_body(registry, SHOP(AT(1)));
	await_told(2, -2, 1);
}
END_TEST

static bool is_over(void *end_ms)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return clock_ms() >= *(const uint64_t *)end_ms;
}

START_TEST(a_refusal_is_not_repeated_before_the_interval_is_over)
{
	static const int statuses[] = { 401, 403, 404, 408, 425, 429 };
	uint64_t end_ms = clock_ms() + 700; /* the first failure of another kind is tried again within 500 */

	options.interval_ms = 3600000;
	fake_registry_answer(registry, &(struct fake_answer){ .status = statuses[_i] });
	start();
	await_failures(1);
	ck_assert(harness_wait(is_over, &end_ms, LIMIT_MS));
	if (_i < 3)
		ck_assert_uint_eq(fake_registry_requests(registry), 1);
	else
		ck_assert_uint_gt(fake_registry_requests(registry), 1);
}
END_TEST

START_TEST(a_registry_that_is_not_polled_is_asked_until_it_has_spoken)
{
	options.interval_ms = 0;
	start();
	await_failures(2);
	fake_registry_body(registry, SHOP(AT(1)));
	await_told(2, -2, 1);
	const unsigned requests = fake_registry_requests(registry);
	uint64_t end_ms = clock_ms() + 300;
	ck_assert(harness_wait(is_over, &end_ms, LIMIT_MS));
	ck_assert_uint_eq(fake_registry_requests(registry), requests);
}
END_TEST

START_TEST(a_first_round_that_fails_is_told_once)
{
	start();
	await_told(1, -2, -2);
	ck_assert(poller_is_concluded(poller));
	ck_assert_ptr_null(poller_snapshot(poller));
	await_failures(2);
	ck_assert_uint_eq(told.n, 1);
	ck_assert_int_eq(view().state, REGISTRY_FAILING);
	ck_assert(!view().spoken);
	fake_registry_body(registry, SHOP(AT(1)));
	await_told(2, -2, 1);
	ck_assert_int_eq(view().state, REGISTRY_OK);
}
END_TEST

/* Two resources fail in turn, and a third like the first. */
START_TEST(each_way_to_fail_is_told_once)
{
	static const char *const services[] = { "cart", "shop", "stock", NULL };

	options.kind = "consul";
	options.consul.services = services;
	fake_registry_answer(registry, &(struct fake_answer){ .status = 403 });
	fake_registry_answer_at(registry, "/v1/health/service/shop", &(struct fake_answer){ .status = 404 });
	log_capture();
	start();
	await_failures(7);
	ck_assert_uint_eq(log_count("round=failed"), 2);
	fake_registry_answer(registry,
			     &(struct fake_answer){ .headers = "X-Consul-Index: 5\r\n", .body = "[]" });
	fake_registry_answer_at(registry, "/v1/health/service/shop",
				&(struct fake_answer){ .headers = "X-Consul-Index: 5\r\n", .body = "[]" });
	while (view().state != REGISTRY_OK)
		await_asked(1);
	ck_assert_uint_eq(log_count("round=good"), 1);
	const unsigned n = (unsigned)view().failures + 1;
	fake_registry_answer(registry, &(struct fake_answer){ .status = 403 });
	await_failures(n);
	ck_assert_uint_eq(log_count("round=failed"), 3); /* another time */
	log_release();
}
END_TEST

START_TEST(a_later_round_that_fails_changes_nothing)
{
	fake_registry_body(registry, SHOP(AT(1)));
	start();
	await_told(1, -2, 1);
	const struct snapshot *before = poller_snapshot(poller);
	fake_registry_answer(registry, &(struct fake_answer){ .body = SHOP(AT(2)), .cut = true });
	await_failures(2);
	ck_assert_uint_eq(told.n, 1);
	ck_assert_ptr_eq(poller_snapshot(poller), before);
	ck_assert_uint_eq(view().services, 1);
	fake_registry_body(registry, SHOP(AT(1)));
	while (view().state != REGISTRY_OK)
		await_asked(1);
	ck_assert_uint_eq(told.n, 1);
}
END_TEST

START_TEST(not_modified_without_anything_before_is_a_failure)
{
	fake_registry_answer(registry, &(struct fake_answer){ .status = 304 });
	start();
	await_told(1, -2, -2);
	ck_assert_int_eq(view().state, REGISTRY_FAILING);
}
END_TEST

START_TEST(a_bad_body_does_not_leave_its_validator_behind)
{
	fake_registry_answer(registry, &(struct fake_answer){ .etag = "\"bad\"", .body = "[{" });
	start();
	await_failures(2);
	char *head = fake_registry_last_head(registry);
	ck_assert_ptr_null(strstr(head, "If-None-Match"));
	free(head);
}
END_TEST

/* --- the brake --- */

static void start_with_four(void)
{
	fake_registry_body(registry, SHOP(AT(1) AND AT(2) AND AT(3) AND AT(4)));
	start();
	await_told(1, -2, 4);
}

static const struct {
	const char *body;
	int after;
	bool held;
} losses[] = {
	{ "[]", -1, true },
	{ SHOP(""), 0, true },
	{ "{\"cart\":[" AT(1) "]}", -1, true },
	{ SHOP(AT(1)), 1, true },
	{ SHOP(AT(1) AND AT(2)), 2, false }, /* half is not more than half */
	{ SHOP(AT(5) AND AT(6) AND AT(7) AND AT(8)), 4, false },
};

START_TEST(a_sudden_loss_is_held)
{
	start_with_four();
	say_for_a_while(losses[_i].body);
	if (losses[_i].held) {
		await_held(1);
		ck_assert_int_eq(count_shop(poller_snapshot(poller)), 4);
	} else {
		await_told(2, 4, losses[_i].after);
		ck_assert_uint_eq(view().held, 0);
	}
}
END_TEST

static bool has_become(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return told.after == *(const int *)n;
}

START_TEST(a_loss_said_twice_is_believed)
{
	int after = losses[_i].after;

	start_with_four();
	fake_registry_body(registry, losses[_i].body);
	ck_assert(harness_wait(has_become, &after, LIMIT_MS));
	await_held(0);
	ck_assert_int_eq(count_shop(poller_snapshot(poller)), after);
}
END_TEST

START_TEST(a_held_loss_is_believed_after_a_while)
{
	brake_ms = 500;
	options.interval_ms = 300;
	start_with_four();
	const uint64_t start_ms = clock_ms();
	say_for_a_while("[]");
	await_told(2, 4, -1);
	ck_assert_uint_ge(clock_ms() - start_ms, 500);
	ck_assert_uint_eq(view().held, 0);
	ck_assert_uint_eq(view().services, 0);
	ck_assert_int_eq(view().state, REGISTRY_OK);
}
END_TEST

START_TEST(the_brake_lets_go_though_the_registry_has_failed_since)
{
	brake_ms = 1500;
	start_with_four();
	fake_registry_answer(
		registry, &(struct fake_answer){ .headers = "Cache-Control: max-age=1\r\n", .body = "[]" });
	await_held(1);
	fake_registry_answer(registry,
			     &(struct fake_answer){ .headers = "Retry-After: 300\r\n", .status = 503 });
	await_failures(1);
	ck_assert_int_eq(count_shop(poller_snapshot(poller)), 4);
	ck_assert_uint_eq(view().held, 1);
	const uint64_t age_ms = view().age_ms;
	await_told(2, 4, -1);
	ck_assert_uint_eq(view().held, 0);
	ck_assert_int_eq(view().state, REGISTRY_FAILING);
	ck_assert_uint_gt(view().age_ms, age_ms);
}
END_TEST

START_TEST(a_loss_taken_back_is_forgotten)
{
	start_with_four();
	fake_registry_answer(
		registry, &(struct fake_answer){ .headers = "Cache-Control: max-age=1\r\n", .body = "[]" });
	await_held(1);
	fake_registry_body(registry, SHOP(AT(1) AND AT(2) AND AT(3) AND AT(4)));
	await_held(0);
	ck_assert_uint_eq(told.n, 1);
	say_for_a_while("[]"); /* so this one is the first again */
	await_held(1);
	ck_assert_int_eq(count_shop(poller_snapshot(poller)), 4);
}
END_TEST

START_TEST(a_loss_repeated_by_not_modified_is_believed)
{
	start_with_four();
	fake_registry_answer(registry, &(struct fake_answer){ .etag = "\"none\"", .body = "[]" });
	await_told(2, 4, -1);
	char *head = fake_registry_last_head(registry);
	ck_assert_ptr_nonnull(strstr(head, "If-None-Match: \"none\""));
	free(head);
}
END_TEST

/* --- old data --- */

START_TEST(inherited_data_is_believed_until_the_first_word)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *old;

	ck_assert_int_eq(snapshot_builder_add_service(b, "shop"), 0);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &old), 0);
	snapshot_builder_destroy(b);
	given.inherited = old;
	given.at_once = _i == 1;
	fake_registry_body(registry, SHOP(AT(1)));
	start();
	snapshot_release(old);
	ck_assert_ptr_eq(poller_snapshot(poller), old);
	ck_assert(!poller_is_concluded(poller));
	await_told(1, 0, 1);
}
END_TEST

START_TEST(inherited_data_does_not_keep_the_brake_off)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *old;
	const struct report report = { .service = "shop", .address = "10.1.0.1", .port = 80, .weight = 1 };

	ck_assert_int_eq(snapshot_builder_add(b, &report), 0);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &old), 0);
	snapshot_builder_destroy(b);
	given.inherited = old;
	say_for_a_while("[]");
	start();
	snapshot_release(old);
	await_told(1, 1, 1);
	ck_assert_uint_eq(view().held, 1);
	ck_assert_int_eq(count_shop(poller_snapshot(poller)), 1);
}
END_TEST

/* --- other kinds --- */

START_TEST(a_registry_without_interval_is_read_once)
{
	const struct static_instance instance = { .address = "10.1.0.1:80", .service = "shop", .weight = 1 };

	options = (struct registry_options){
		.kind = "static", .name = "fixed", .instances = &instance, .n_instances = 1
	};
	start();
	await_told(1, -2, 1);
	ck_assert_int_eq(event_base_get_num_events(loop, EVENT_BASE_COUNT_ADDED), 0);
}
END_TEST

START_TEST(files_are_read_when_they_change_and_when_it_is_time)
{
	options = (struct registry_options){ .kind = "file",
					     .name = "local",
					     .path = path,
					     .max_size = 1 << 20,
					     .service_label = "service",
					     .interval_ms = _i == 0 ? 3600000 : 100 };
	brake_ms = 0;
	harness_write_file(dir, "services.json", SHOP(AT(1)));
	start();
	await_told(1, -2, 1);
	harness_replace_file(dir, "services.json", SHOP(AT(1) AND AT(2)));
	await_told(2, 1, 2);
	harness_write_file(dir, "services.json", "[]");
	await_told(3, 2, -1);
	ck_assert_uint_eq(view().failures, 0);
}
END_TEST

/* A file that is broken now goes on saying what it said before the reload. */
START_TEST(a_reload_hands_on_what_the_kind_remembers)
{
	struct poller *before;

	snprintf(path, sizeof(path), "%s/*.json", dir);
	options = (struct registry_options){ .kind = "file",
					     .name = "local",
					     .path = path,
					     .max_size = 1 << 20,
					     .service_label = "service",
					     .interval_ms = 3600000 };
	brake_ms = 0;
	harness_write_file(dir, "a.json", SHOP(AT(1)));
	harness_write_file(dir, "b.json", SHOP(AT(2)));
	start();
	await_told(1, -2, 2);
	harness_write_file(dir, "a.json", "[{");
	before = poller;
	given.previous = _i == 0 ? before : NULL;
	given.inherited = poller_snapshot(before);
	given.at_once = true;
	ck_assert_int_eq(poller_create(&given, &poller), 0);
	poller_destroy(before);
	poller_start(poller);
	await_told(2, 2, _i == 0 ? 2 : 1);
}
END_TEST

static struct event *publish;
static unsigned n_published;

static void changed_much(void *context, const struct snapshot *before, const struct snapshot *after)
{
	changed(context, before, after);
	event_active(publish, EV_TIMEOUT, 0);
}

/* As a feeder with many services does it at the end of the turn. */
static void on_publish(evutil_socket_t fd, short what, void *arg)
{
	const uint64_t end_us = clock_us() + PUBLISH_MS * 1000;

	(void)fd;
	(void)what;
	(void)arg;
	while (clock_us() < end_us)
		; /* work */
	n_published++;
}

static bool has_cart(void *unused)
{
	(void)unused;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return snapshot_find(poller_snapshot(poller), "cart") != NULL;
}

/* One after the other as fast as can be: they cost a tenth of the time, tables and all. */
START_TEST(files_that_change_all_the_time_are_not_read_all_the_time)
{
	char glob[300], body[64];

	snprintf(glob, sizeof(glob), "%s/%s", dir, (_i & 1) != 0 ? "s0.json" : "*.json");
	options = (struct registry_options){ .kind = "file",
					     .name = "local",
					     .path = glob,
					     .max_size = 1 << 20,
					     .service_label = "service",
					     .interval_ms = (_i & 2) != 0 ? 3600000 : 0 };
	brake_ms = 0;
	given.changed = changed_much;
	publish = evtimer_new(loop, on_publish, NULL);
	harness_write_file(dir, "s0.json", SHOP(AT(1)));
	start();
	await_told(1, -2, 1);
	const uint64_t start_ms = clock_ms();
	for (int i = 0; n_published < 8; i++) {
		snprintf(body, sizeof(body), "{\"shop\":[\"10.2.%d.%d:80\"]}", i / 250 % 250, i % 250);
		harness_replace_file(dir, "s0.json", body);
		event_base_loop(loop, EVLOOP_NONBLOCK);
	}
	/* the first is for no change, and the second and the last are not followed by a rest */
	ck_assert_uint_ge(clock_ms() - start_ms, 6 * PUBLISH_MS * 10);
	harness_replace_file(dir, "s0.json", "{\"cart\":[]}");
	ck_assert(harness_wait(has_cart, NULL, LIMIT_MS));
	event_free(publish);
}
END_TEST

/* --- the end --- */

START_TEST(destroying_ends_a_request_in_flight)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	start();
	await_asked(1);
	poller_destroy(poller);
	poller = NULL;
	ck_assert_uint_eq(told.n, 0);
}
END_TEST

START_TEST(destroying_before_the_start_is_fine)
{
	ck_assert_int_eq(poller_create(&given, &poller), 0);
	ck_assert_int_eq(event_base_get_num_events(loop, EVENT_BASE_COUNT_ADDED), 0);
	poller_destroy(NULL);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 40);
	suite_add_tcase(suite, tc);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("poller");
	TCase *good = add_case(suite, "good");
	TCase *bad = add_case(suite, "bad");
	TCase *brakes = add_case(suite, "brake");
	TCase *rest = add_case(suite, "rest");

	tcase_add_test(good, a_first_round_is_told_and_a_repetition_is_not);
	tcase_add_test(good, of_changes_in_a_row_the_first_and_the_last_are_told);
	tcase_add_test(good, not_modified_makes_data_young);
	tcase_add_loop_test(good, a_server_that_asks_for_a_pause_gets_it, 0, 2);
	tcase_add_test(good, a_cache_does_not_set_the_pace);
	tcase_add_test(good, what_is_polled_ages_from_its_answer_on);
	tcase_add_loop_test(good, what_is_held_by_the_server_does_not_age, 0, COUNT(contacts));

	tcase_add_test(bad, a_first_round_that_fails_is_told_once);
	tcase_add_test(bad, each_way_to_fail_is_told_once);
	tcase_add_test(bad, a_later_round_that_fails_changes_nothing);
	tcase_add_test(bad, not_modified_without_anything_before_is_a_failure);
	tcase_add_loop_test(bad, an_answer_that_cannot_be_used_asks_for_no_pause, 0, COUNT(unusable));
	tcase_add_loop_test(bad, a_refusal_is_not_repeated_before_the_interval_is_over, 0, 6);
	tcase_add_test(bad, a_registry_that_is_not_polled_is_asked_until_it_has_spoken);
	tcase_add_test(bad, a_bad_body_does_not_leave_its_validator_behind);

	tcase_add_loop_test(brakes, a_sudden_loss_is_held, 0, COUNT(losses));
	tcase_add_loop_test(brakes, a_loss_said_twice_is_believed, 0, COUNT(losses));
	tcase_add_test(brakes, a_held_loss_is_believed_after_a_while);
	tcase_add_test(brakes, the_brake_lets_go_though_the_registry_has_failed_since);
	tcase_add_test(brakes, a_loss_taken_back_is_forgotten);
	tcase_add_test(brakes, a_loss_repeated_by_not_modified_is_believed);

	tcase_add_loop_test(rest, inherited_data_is_believed_until_the_first_word, 0, 2);
	tcase_add_test(rest, inherited_data_does_not_keep_the_brake_off);
	tcase_add_test(rest, a_registry_without_interval_is_read_once);
	tcase_add_loop_test(rest, files_are_read_when_they_change_and_when_it_is_time, 0, 2);
	tcase_add_loop_test(rest, a_reload_hands_on_what_the_kind_remembers, 0, 2);
	tcase_add_loop_test(rest, files_that_change_all_the_time_are_not_read_all_the_time, 0, 4);
	tcase_add_test(rest, destroying_ends_a_request_in_flight);
	tcase_add_test(rest, destroying_before_the_start_is_fine);
	return harness_run(suite);
}
