/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGHUP without the signal: another configuration under the feet of clients who ask all the time. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client.h"
#include "fake_registry.h"
#include "fake_upstream.h"
#include "harness.h"
#include "planes.h"
#include "server/hold.h"

#define SHOP               "shop.service.local"
#define STATIC_SHOP        "static \"fixed\" { instance \"10.1.0.1:80\" { service = \"shop\" } }\n"
#define SHOP_BODY(address) "{\"shop\":[\"" address ":80\"]}"
#define FOREIGN            "www.example"
#define FOREIGN_ANSWER     "NOERROR; 300 A 192.0.2.0"

static struct planes *planes;
static struct fake_registry *registries[2];
static struct fake_upstream *upstreams[2];
static char *dir;

static void setup(void)
{
	for (int i = 0; i < 2; i++) {
		registries[i] = fake_registry_start(&(struct fake_registry_options){ 0 });
		upstreams[i] = fake_upstream_start("127.0.0.1", 0);
		ck_assert_ptr_nonnull(upstreams[i]);
	}
	dir = harness_make_dir();
}

static void teardown(void)
{
	planes_stop(planes);
	for (int i = 0; i < 2; i++) {
		fake_registry_stop(registries[i]);
		fake_upstream_stop(upstreams[i]);
	}
	harness_remove_dir(dir);
}

/* --- under load --- */

START_TEST(reloads_lose_no_query)
{
	static const char *const shops[] = { "NOERROR aa; 1 A 10.1.0.1", "NOERROR aa; 2 A 10.1.0.1" };
	static const char *const foreign[] = { FOREIGN_ANSWER };
	struct stream *streams[4];

	planes = planes_start("threads = %d\n" STATIC_SHOP, _i + 1);
	planes_reload(planes,
		      "zone \"service.local\" { ttl = 1s }" STATIC_SHOP
		      "forward \".\" { upstreams = { \"127.0.0.1:%u\" } }",
		      fake_upstream_port(upstreams[0]));
	planes_await(planes, SHOP, shops[0]);
	planes_await(planes, FOREIGN, FOREIGN_ANSWER);
	for (int i = 0; i < 4; i++)
		streams[i] = stream_start(planes_port(planes), i % 2, i < 3 ? SHOP : FOREIGN,
					  i < 3 ? shops : foreign, i < 3 ? 2 : 1);
	for (int n = 1; n < 30; n++) {
		planes_reload(planes,
			      "zone \"service.local\" { ttl = %ds }" STATIC_SHOP
			      "forward \".\" { upstreams = { \"127.0.0.1:%u\" } }",
			      1 + n % 2, fake_upstream_port(upstreams[n % 2]));
		planes_await(planes, SHOP, shops[n % 2]);
	}
	for (int i = 0; i < 4; i++)
		ck_assert_uint_gt(stream_stop(streams[i]), 30);
	ck_assert_uint_gt(fake_upstream_count(upstreams[1]), 0);
}
END_TEST

START_TEST(reloads_one_after_the_other_end_in_the_last)
{
	planes = planes_start(STATIC_SHOP);
	for (int ttl = 1; ttl <= 20; ttl++)
		planes_reload(planes, "zone \"service.local\" { ttl = %ds }" STATIC_SHOP, ttl);
	planes_await(planes, SHOP, "NOERROR aa; 20 A 10.1.0.1");
}
END_TEST

/* --- what changes --- */

START_TEST(a_new_registry_is_asked)
{
	planes = planes_start(STATIC_SHOP);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	harness_write_file(dir, "cart.json", "{\"cart\":[\"10.2.0.1:80\"]}");
	planes_reload(planes, STATIC_SHOP "file \"local\" { path = \"%s/*.json\" interval = 29s }", dir);
	planes_await(planes, "cart.service.local", "NOERROR aa; 2 A 10.2.0.1");
	harness_write_file(dir, "cart.json", "{\"cart\":[\"10.2.0.2:80\"]}");
	planes_await(planes, "cart.service.local", "NOERROR aa; 2 A 10.2.0.2");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	planes_reload(planes, STATIC_SHOP);
	planes_await(planes, "cart.service.local", "NXDOMAIN aa");
}
END_TEST

START_TEST(a_changed_static_registry_shows_at_once)
{
	planes = planes_start(STATIC_SHOP);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	planes_reload(planes, "static \"fixed\" { instance \"10.1.0.2:80\" { service = \"shop\" } }");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
	planes_reload(planes, "static \"fixed\" { instance \"10.1.0.2:80\" { service = \"cart\" } }");
	planes_await(planes, SHOP, "NXDOMAIN aa");
}
END_TEST

START_TEST(zones_come_and_go)
{
	planes = planes_start("zone \"a.local\" { }" STATIC_SHOP);
	planes_await(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_expect(planes, "shop.b.local", "REFUSED ede 20");
	planes_reload(planes, "zone \"a.local\" { } zone \"b.local\" { }" STATIC_SHOP);
	planes_await(planes, "shop.b.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_expect(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_reload(planes, "zone \"b.local\" { }" STATIC_SHOP);
	planes_await(planes, "shop.a.local", "REFUSED ede 20");
	planes_expect(planes, "shop.b.local", "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

START_TEST(upstreams_come_change_and_go)
{
	planes = planes_start(STATIC_SHOP);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	planes_expect(planes, FOREIGN, "REFUSED ede 20");
	for (int i = 0; i < 2; i++) {
		const size_t before = fake_upstream_count(upstreams[i]);

		planes_reload(planes, STATIC_SHOP "forward \".\" { upstreams = { \"127.0.0.1:%u\" } }",
			      fake_upstream_port(upstreams[i]));
		planes_await(planes, FOREIGN, FOREIGN_ANSWER);
		while (fake_upstream_count(upstreams[i]) == before)
			planes_expect(planes, FOREIGN, FOREIGN_ANSWER);
	}
	const size_t old = fake_upstream_count(upstreams[0]);
	planes_expect(planes, FOREIGN, FOREIGN_ANSWER);
	ck_assert_uint_eq(fake_upstream_count(upstreams[0]), old);
	planes_reload(planes, STATIC_SHOP);
	planes_await(planes, FOREIGN, "REFUSED ede 20");
}
END_TEST

static bool has_seen_one(void *upstream)
{
	return fake_upstream_count(upstream) > 0;
}

START_TEST(a_query_in_flight_is_answered_by_the_upstream_it_was_sent_to)
{
	fake_upstream_script(upstreams[0], &(struct fake_script){ .quirks = FAKE_HOLDS });
	planes = planes_start(STATIC_SHOP "forward \".\" { upstreams = { \"127.0.0.1:%u\" } }",
			      fake_upstream_port(upstreams[0]));
	struct client *c = client_udp(planes_port(planes));
	client_send(c, &(struct question){ .name = FOREIGN });
	ck_assert(harness_wait(has_seen_one, upstreams[0], CLIENT_LIMIT_MS));
	planes_reload(planes,
		      "zone \"service.local\" { ttl = 1s }" STATIC_SHOP
		      "forward \".\" { upstreams = { \"127.0.0.1:%u\" } }",
		      fake_upstream_port(upstreams[1]));
	planes_await(planes, SHOP, "NOERROR aa; 1 A 10.1.0.1");
	fake_upstream_release(upstreams[0]);
	ck_assert(client_read(c, CLIENT_LIMIT_MS));
	ck_assert_str_eq(client_text(c), FOREIGN_ANSWER);
	client_close(c);
}
END_TEST

/* --- what stays --- */

static void reload_http(const char *ttl, const struct fake_registry *registry)
{
	planes_reload(planes,
		      "zone \"service.local\" { ttl = %s brake = 0 }"
		      "http \"dc1\" { url = \"%s\" interval = 100ms jitter = 0 timeout = 1m }",
		      ttl, fake_registry_url(registry));
}

static void start_polled(const char *interval)
{
	fake_registry_body(registries[0], SHOP_BODY("10.1.0.1"));
	planes = planes_start("http \"dc1\" { url = \"%s\" interval = %s jitter = 0 }",
			      fake_registry_url(registries[0]), interval);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}

static void start_http(void)
{
	start_polled("100ms");
}

START_TEST(a_registry_of_the_same_name_keeps_its_data_until_it_speaks)
{
	start_http();
	fake_registry_answer(registries[1], &(struct fake_answer){ .hang = true });
	reload_http("1s", registries[1]);
	planes_await(planes, SHOP, "NOERROR aa; 1 A 10.1.0.1");
	ck_assert(fake_registry_wait(registries[1], 1, CLIENT_LIMIT_MS));
	planes_expect(planes, SHOP, "NOERROR aa; 1 A 10.1.0.1");
	planes_expect(planes, "none.service.local", "NXDOMAIN aa");

	/* The request that hangs goes with the plan it belongs to. */
	fake_registry_body(registries[1], SHOP_BODY("10.1.0.2"));
	reload_http("3s", registries[1]);
	planes_await(planes, SHOP, "NOERROR aa; 3 A 10.1.0.2");
}
END_TEST

START_TEST(a_registry_that_fails_after_a_reload_keeps_its_data)
{
	start_http();
	reload_http("1s", registries[1]); /* 503 */
	planes_await_count(planes, "dc1", "failures", 2);
	planes_expect(planes, SHOP, "NOERROR aa; 1 A 10.1.0.1");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "failing");
	ck_assert_str_eq(planes_status(planes, "dc1", "services"), "1");
}
END_TEST

START_TEST(data_of_another_kind_is_not_kept)
{
	start_http();
	planes_reload(planes, "file \"dc1\" { path = \"%s/none.json\" }", dir);
	planes_await(planes, SHOP, "SERVFAIL ede 14");
}
END_TEST

START_TEST(a_registry_named_in_other_letters_is_another_one)
{
	start_http();
	fake_registry_answer(registries[1], &(struct fake_answer){ .hang = true });
	planes_reload(planes, "http \"DC1\" { url = \"%s\" timeout = 1m }", fake_registry_url(registries[1]));
	planes_await(planes, SHOP, "SERVFAIL ede 14");
}
END_TEST

START_TEST(data_stays_old_over_a_reload)
{
	fake_registry_body(registries[0], SHOP_BODY("10.1.0.1"));
	planes = planes_start("zone \"service.local\" { stale-after = 1s }"
			      "http \"dc1\" { url = \"%s\" interval = 100ms }",
			      fake_registry_url(registries[0]));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	fake_registry_answer(registries[0], &(struct fake_answer){ .status = 500 });
	planes_await(planes, SHOP, "NOERROR aa ede 3; 1 A 10.1.0.1");
	planes_reload(planes,
		      "zone \"service.local\" { stale-after = 1s ttl = 5s } zone \"new.local\" { }"
		      "http \"dc1\" { url = \"%s\" interval = 100ms }",
		      fake_registry_url(registries[0]));
	planes_await(planes, "shop.new.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_expect(planes, SHOP, "NOERROR aa ede 3; 1 A 10.1.0.1");
}
END_TEST

START_TEST(the_brake_holds_over_a_reload)
{
	static const struct fake_answer nothing = { .headers = "Cache-Control: max-age=300\r\n",
						    .body = "[]" };

	start_polled("1s");
	fake_registry_answer(registries[0], &nothing);
	planes_await_status(planes, "dc1", "held", "1");
	const unsigned requests = fake_registry_requests(registries[0]);
	planes_reload(planes,
		      "zone \"service.local\" { ttl = 1s brake = 1h }"
		      "http \"dc1\" { url = \"%s\" interval = 1s jitter = 0 }",
		      fake_registry_url(registries[0]));
	planes_await(planes, SHOP, "NOERROR aa; 1 A 10.1.0.1");
	ck_assert(fake_registry_wait(registries[0], requests + 1, CLIENT_LIMIT_MS));
	planes_await_status(planes, "dc1", "held", "1");
	planes_expect(planes, SHOP, "NOERROR aa; 1 A 10.1.0.1");
}
END_TEST

/* --- in the middle of something --- */

START_TEST(queries_that_wait_are_answered_by_the_new_configuration)
{
	fake_registry_answer(registries[0], &(struct fake_answer){ .hang = true });
	planes = planes_start("http \"dc1\" { url = \"%s\" timeout = 1m }", fake_registry_url(registries[0]));
	struct client *c = client_udp(planes_port(planes));
	ck_assert(fake_registry_wait(registries[0], 1, CLIENT_LIMIT_MS));
	const uint64_t start_ms = clock_ms();
	client_send(c, &(struct question){ .name = SHOP });
	planes_expect(planes, "service.local", "NOERROR aa");
	planes_reload(planes, STATIC_SHOP);
	ck_assert(client_read(c, CLIENT_LIMIT_MS));
	ck_assert_str_eq(client_text(c), "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_uint_lt(clock_ms() - start_ms, HOLD_MS - 50);
	client_close(c);
}
END_TEST

/* --- nothing is left behind --- */

static int count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static bool descriptors_are_few(void *n)
{
	return count_descriptors() <= *(const int *)n;
}

static void reload_everything(int i)
{
	planes_reload(planes,
		      "zone \"service.local\" { ttl = %ds } zone \"z%d.local\" { }" STATIC_SHOP
		      "http \"dc%d\" { url = \"%s\" interval = 100ms }"
		      "http \"silent\" { url = \"%s\" timeout = 1m }"
		      "file \"local\" { path = \"%s/*.json\" }"
		      "forward \".\" { upstreams = { \"127.0.0.1:%u\" } }",
		      1 + i % 20, i % 3, i % 2, fake_registry_url(registries[0]),
		      fake_registry_url(registries[1]), dir, fake_upstream_port(upstreams[i % 2]));
}

static void await_everything(int i)
{
	char text[64];

	snprintf(text, sizeof(text), "NOERROR aa; %d A 10.1.0.1", 1 + i % 20);
	planes_await(planes, SHOP, text);
	planes_await(planes, "cart.service.local", text);
}

START_TEST(fifty_reloads_leave_nothing_behind)
{
	fake_registry_body(registries[0], "{\"cart\":[\"10.1.0.1:80\"]}");
	fake_registry_answer(registries[1], &(struct fake_answer){ .hang = true });
	planes = planes_start(STATIC_SHOP);
	reload_everything(0);
	await_everything(0);
	planes_await(planes, FOREIGN, FOREIGN_ANSWER);
	ck_assert(fake_registry_wait(registries[1], 1, CLIENT_LIMIT_MS));

	/* Some come and go: idle connections, and the sockets of channels to upstreams. */
	int limit = count_descriptors() + 10;
	for (int i = 1; i <= 50; i++) {
		reload_everything(i);
		await_everything(i);
		planes_expect(planes, FOREIGN, FOREIGN_ANSWER);
	}
	reload_everything(0);
	await_everything(0);
	ck_assert_msg(harness_wait(descriptors_are_few, &limit, CLIENT_LIMIT_MS),
		      "%d descriptors where %d would do", count_descriptors(), limit);
}
END_TEST

START_TEST(a_reload_that_is_not_taken_before_the_end_is_no_leak)
{
	planes = planes_start(STATIC_SHOP);
	for (int i = 0; i < 5; i++)
		reload_everything(i);
}
END_TEST

static TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("reload");
	TCase *load = add_case(suite, "load");
	TCase *changes = add_case(suite, "changes");
	TCase *stays = add_case(suite, "stays");
	TCase *rest = add_case(suite, "rest");

	tcase_add_loop_test(load, reloads_lose_no_query, 0, 2);
	tcase_add_test(load, reloads_one_after_the_other_end_in_the_last);
	tcase_add_test(load, queries_that_wait_are_answered_by_the_new_configuration);

	tcase_add_test(changes, a_new_registry_is_asked);
	tcase_add_test(changes, a_changed_static_registry_shows_at_once);
	tcase_add_test(changes, zones_come_and_go);
	tcase_add_test(changes, upstreams_come_change_and_go);
	tcase_add_test(changes, a_query_in_flight_is_answered_by_the_upstream_it_was_sent_to);

	tcase_add_test(stays, a_registry_of_the_same_name_keeps_its_data_until_it_speaks);
	tcase_add_test(stays, a_registry_that_fails_after_a_reload_keeps_its_data);
	tcase_add_test(stays, data_of_another_kind_is_not_kept);
	tcase_add_test(stays, a_registry_named_in_other_letters_is_another_one);
	tcase_add_test(stays, data_stays_old_over_a_reload);
	tcase_add_test(stays, the_brake_holds_over_a_reload);

	tcase_add_test(rest, fifty_reloads_leave_nothing_behind);
	tcase_add_test(rest, a_reload_that_is_not_taken_before_the_end_is_no_leak);
	return harness_run(suite);
}
