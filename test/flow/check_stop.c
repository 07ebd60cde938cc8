/* SPDX-License-Identifier: BSD-2-Clause */
/* The end: what has arrived is answered, and it is over within a second, whoever is silent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client.h"
#include "fake_registry.h"
#include "fake_upstream.h"
#include "harness.h"
#include "planes.h"

#define SHOP           "shop.service.local"
#define SHOP_ANSWER    "NOERROR aa; 2 A 10.1.0.1"
#define FOREIGN        "www.example"
#define FOREIGN_ANSWER "NOERROR; 300 A 192.0.2.0"

enum { SECOND_MS = 1000, CONNECTIONS = 20, QUERIES = 20 };

static struct planes *planes;
static struct fake_registry *registry;
static struct fake_upstream *upstream;

static void setup(void)
{
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	upstream = fake_upstream_start("127.0.0.1", 0);
	ck_assert_ptr_nonnull(upstream);
}

static void teardown(void)
{
	fake_registry_stop(registry);
	fake_upstream_stop(upstream);
}

static void start(unsigned threads)
{
	planes = planes_start("threads = %u\n"
			      "static \"fixed\" { instance \"10.1.0.1:80\" { service = \"shop\" } }\n"
			      "forward \".\" { upstreams = { \"127.0.0.1:%u\" } }\n",
			      threads, fake_upstream_port(upstream));
	ck_assert(planes_are_ready(planes)); /* every thread has its table, and not only the one we ask */
	planes_expect(planes, SHOP, SHOP_ANSWER);
}

static void stop_in_time(void)
{
	const uint64_t took_ms = planes_stop(planes);

	ck_assert_msg(took_ms <= slowed(SECOND_MS), "it took %llu ms", (unsigned long long)took_ms);
}

static void script(const struct fake_script *s)
{
	fake_upstream_script(upstream, s);
}

static bool has_seen(void *n)
{
	return fake_upstream_count(upstream) >= *(const size_t *)n;
}

static void await_upstream(size_t n)
{
	ck_assert(harness_wait(has_seen, &n, CLIENT_LIMIT_MS));
}

static void send_shops(struct client *c)
{
	for (uint16_t id = 0; id < QUERIES; id++)
		client_send(c, &(struct question){ .name = SHOP, .id = id });
}

static void expect_shops(struct client *c)
{
	for (int i = 0; i < QUERIES; i++) {
		ck_assert_msg(client_read(c, 1000), "%d of %d, %s", i, QUERIES,
			      c->closed ? "closed" : "open");
		ck_assert_str_eq(client_text(c), SHOP_ANSWER);
	}
}

/* Not all of the second is used up, which a busy machine may do once. */
START_TEST(an_idle_daemon_ends_at_once)
{
	uint64_t best_ms = UINT64_MAX;

	for (int i = 0; i < 10 && best_ms >= slowed(300); i++) {
		start(_i + 1);
		const uint64_t took_ms = planes_stop(planes);
		best_ms = took_ms < best_ms ? took_ms : best_ms;
	}
	ck_assert_uint_lt(best_ms, slowed(300));
}
END_TEST

START_TEST(a_daemon_can_end_before_it_has_begun)
{
	planes = planes_start("http \"dc1\" { url = \"%s\" }", fake_registry_url(registry));
	stop_in_time();
}
END_TEST

START_TEST(datagrams_that_have_arrived_are_answered)
{
	struct client *c[CONNECTIONS];

	start(_i + 1);
	for (int i = 0; i < CONNECTIONS; i++) {
		c[i] = client_udp(planes_port(planes));
		send_shops(c[i]);
	}
	stop_in_time();
	for (int i = 0; i < CONNECTIONS; i++) {
		expect_shops(c[i]);
		client_close(c[i]);
	}
}
END_TEST

START_TEST(queries_on_connections_are_answered)
{
	struct client *c[CONNECTIONS];

	start(_i + 1);
	for (int i = 0; i < CONNECTIONS; i++) {
		c[i] = client_tcp(planes_port(planes));
		ck_assert_str_eq(client_ask(c[i], &(struct question){ .name = SHOP }), SHOP_ANSWER);
	}
	for (int i = 0; i < CONNECTIONS; i++)
		send_shops(c[i]);
	stop_in_time();
	for (int i = 0; i < CONNECTIONS; i++) {
		expect_shops(c[i]);
		ck_assert(client_is_closed(c[i], 1000));
		client_close(c[i]);
	}
}
END_TEST

/* The kernel has taken these connections, and we may not have yet: that is a matter of microseconds, so once
 * proves little. */
START_TEST(queries_on_new_connections_are_answered)
{
	enum { ROUNDS = 40, NEW = 3 };

	for (int round = 0; round < ROUNDS; round++) {
		struct client *c[NEW];

		start(_i + 1);
		for (int i = 0; i < NEW; i++) {
			c[i] = client_tcp(planes_port(planes));
			send_shops(c[i]);
		}
		stop_in_time();
		for (int i = 0; i < NEW; i++) {
			expect_shops(c[i]);
			client_close(c[i]);
		}
	}
}
END_TEST

START_TEST(streams_see_no_gap_before_the_end)
{
	static const char *const texts[] = { SHOP_ANSWER };

	start(2);
	struct stream *streams[4];
	for (int i = 0; i < 4; i++)
		streams[i] = stream_start(planes_port(planes), i % 2, SHOP, texts, 1);
	for (int i = 0; i < 4; i++)
		while (stream_count(streams[i]) < 100)
			planes_expect(planes, SHOP, SHOP_ANSWER);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_gt(stream_stop(streams[i]), 0);
	stop_in_time();
}
END_TEST

START_TEST(an_upstream_that_answers_soon_is_awaited)
{
	struct client *c;

	script(&(struct fake_script){ .delay_ms = 200 });
	start(1);
	c = _i == 0 ? client_udp(planes_port(planes)) : client_tcp(planes_port(planes));
	client_send(c, &(struct question){ .name = FOREIGN });
	await_upstream(1);
	stop_in_time();
	ck_assert(client_read(c, 1000));
	ck_assert_str_eq(client_text(c), FOREIGN_ANSWER);
	client_close(c);
}
END_TEST

START_TEST(a_silent_upstream_and_open_connections_do_not_keep_it)
{
	struct client *c[CONNECTIONS];

	script(&(struct fake_script){ .quirks = FAKE_SILENT });
	start(_i + 1);
	for (int i = 0; i < CONNECTIONS; i++) {
		c[i] = i % 2 == 0 ? client_udp(planes_port(planes)) : client_tcp(planes_port(planes));
		if (i % 4 > 0)
			client_send(c[i], &(struct question){ .name = FOREIGN, .id = 1 });
		client_send(c[i], &(struct question){ .name = SHOP, .id = 2 });
	}
	await_upstream(CONNECTIONS * 3 / 4);
	stop_in_time();
	for (int i = 0; i < CONNECTIONS; i++) {
		ck_assert(client_read(c[i], 1000));
		ck_assert_uint_eq(client_id(c[i]), 2);
		ck_assert_str_eq(client_text(c[i]), SHOP_ANSWER);
		client_close(c[i]);
	}
}
END_TEST

START_TEST(queries_that_wait_for_a_registry_are_answered)
{
	struct client *c;

	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	planes = planes_start("http \"dc1\" { url = \"%s\" timeout = 1m }", fake_registry_url(registry));
	c = _i == 0 ? client_udp(planes_port(planes)) : client_tcp(planes_port(planes));
	ck_assert(fake_registry_wait(registry, 1, CLIENT_LIMIT_MS));
	client_send(c, &(struct question){ .name = SHOP, .id = 1 });
	client_send(c, &(struct question){ .name = "service.local", .type = 6, .id = 2 });
	ck_assert(client_read(c, CLIENT_LIMIT_MS));
	ck_assert_uint_eq(client_id(c), 2); /* so the other one has arrived and waits */
	stop_in_time();
	ck_assert(client_read(c, 1000));
	ck_assert_uint_eq(client_id(c), 1);
	ck_assert_str_eq(client_text(c), "SERVFAIL ede 14");
	client_close(c);
}
END_TEST

START_TEST(a_client_that_does_not_read_does_not_keep_it)
{
	start(1);
	struct client *c = client_tcp(planes_port(planes));
	for (uint16_t id = 0; id < 2000; id++)
		client_send(c, &(struct question){ .name = SHOP, .id = id });
	stop_in_time();
	client_close(c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stop");
	TCase *tc = tcase_create("stop");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, an_idle_daemon_ends_at_once, 0, 2);
	tcase_add_test(tc, a_daemon_can_end_before_it_has_begun);
	tcase_add_loop_test(tc, datagrams_that_have_arrived_are_answered, 0, 2);
	tcase_add_loop_test(tc, queries_on_connections_are_answered, 0, 2);
	tcase_add_loop_test(tc, queries_on_new_connections_are_answered, 0, 2);
	tcase_add_test(tc, streams_see_no_gap_before_the_end);
	tcase_add_loop_test(tc, an_upstream_that_answers_soon_is_awaited, 0, 2);
	tcase_add_loop_test(tc, a_silent_upstream_and_open_connections_do_not_keep_it, 0, 2);
	tcase_add_loop_test(tc, queries_that_wait_for_a_registry_are_answered, 0, 2);
	tcase_add_test(tc, a_client_that_does_not_read_does_not_keep_it);
	return harness_run(suite);
}
