/* SPDX-License-Identifier: BSD-2-Clause */
/* An http registry, from its answers to ours: what it says shows, what it spoils changes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "client.h"
#include "fake_registry.h"
#include "harness.h"
#include "planes.h"
#include "server/hold.h"

#define SHOP         "shop.service.local"
#define ONE(address) "[{\"targets\":[\"" address ":80\"],\"labels\":{\"service\":\"shop\"}}]"
#define TWO(a, b)    "[{\"targets\":[\"" a ":80\",\"" b ":80\"],\"labels\":{\"service\":\"shop\"}}]"
#define ONCE         "Cache-Control: max-age=300\r\n" /* do not ask again for three intervals */

static struct fake_registry *registry;
static struct planes *planes;

static void setup(void)
{
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	log_capture();
}

static void teardown(void)
{
	planes_stop(planes);
	fake_registry_stop(registry);
	log_release();
}

/* A sudden loss is held for brake. */
static void start_polled(const char *brake, const char *interval)
{
	planes = planes_start("zone \"service.local\" { brake = %s }\n"
			      "http \"dc1\" { url = \"%s/services\" interval = %s jitter = 0 "
			      "timeout = 500ms }\n",
			      brake, fake_registry_url(registry), interval);
}

static void start(const char *brake)
{
	start_polled(brake, "100ms");
}

static void start_slowly_with(const char *body, const char *text)
{
	fake_registry_body(registry, body);
	start_polled("1h", "1s");
	planes_await(planes, SHOP, text);
}

static void start_with(const char *body, const char *text)
{
	fake_registry_body(registry, body);
	start("1h");
	planes_await(planes, SHOP, text);
}

/* --- good answers --- */

START_TEST(instances_added_and_removed_show)
{
	start_with(ONE("10.1.0.1"), "NOERROR aa; 2 A 10.1.0.1");
	fake_registry_body(registry, TWO("10.1.0.1", "10.1.0.2"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2");
	fake_registry_body(registry, ONE("10.1.0.2"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
	fake_registry_body(registry, ONE("10.1.0.9"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.9");
}
END_TEST

START_TEST(services_added_and_emptied_show)
{
	static const char more[] = "{\"shop\":[\"10.1.0.1:80\"],\"cart\":[\"10.1.0.2:80\"],\"idle\":[]}";

	start_with(ONE("10.1.0.1"), "NOERROR aa; 2 A 10.1.0.1");
	planes_expect(planes, "cart.service.local", "NXDOMAIN aa");
	fake_registry_body(registry, more);
	planes_await(planes, "cart.service.local", "NOERROR aa; 2 A 10.1.0.2");
	planes_expect(planes, "idle.service.local", "NOERROR aa");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	fake_registry_body(registry, "{\"shop\":[\"10.1.0.1:80\"],\"cart\":[]}");
	planes_await(planes, "idle.service.local", "NXDOMAIN aa");
	planes_await(planes, "cart.service.local", "NOERROR aa");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

START_TEST(a_registry_that_repeats_itself_is_no_news)
{
	start_with(ONE("10.1.0.1"), "NOERROR aa; 2 A 10.1.0.1");
	const unsigned requests = fake_registry_requests(registry);
	ck_assert(fake_registry_wait(registry, requests + 5, CLIENT_LIMIT_MS));
	ck_assert_uint_eq(log_count("round=good"), 1);
	ck_assert_uint_eq(log_count("round=changed"), 0);
}
END_TEST

START_TEST(not_modified_keeps_data_fresh)
{
	fake_registry_answer(registry, &(struct fake_answer){ .etag = "\"v1\"", .body = ONE("10.1.0.1") });
	planes = planes_start("zone \"service.local\" { stale-after = 1s }\n"
			      "http \"dc1\" { url = \"%s\" interval = 100ms jitter = 0 }\n",
			      fake_registry_url(registry));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");

	/* Twice as long as it takes to get stale. */
	ck_assert(fake_registry_wait(registry, 20, CLIENT_LIMIT_MS));
	char *head = fake_registry_last_head(registry);
	ck_assert_msg(strstr(head, "If-None-Match: \"v1\"") != NULL, "%s", head);
	free(head);
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "ok");
	ck_assert_uint_eq(log_count("round=changed"), 0);

	fake_registry_answer(registry, &(struct fake_answer){ .etag = "\"v2\"", .body = ONE("10.1.0.2") });
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
}
END_TEST

/* --- bad answers --- */

static const struct bad {
	const char *what, *logged;
	struct fake_answer answer;
	bool closed;
} bads[] = {
	{ "HTML",
	  "round=failed error=\"the answer is text/html, not JSON\"",
	  { .headers = "Content-Type: text/html\r\n", .body = "<html>It works!</html>" },
	  false },
	{ "HTML said to be JSON", "round=failed error=", { .body = "<html>It works!</html>" }, false },
	{ "an empty body", "round=failed error=\"the answer is empty", { .body = "" }, false },
	{ "half a document",
	  "round=failed error=",
	  { .body = "[{\"targets\":[\"10.1.0.7:80\"],\"labels\":{\"serv" },
	  false },
	{ "a cut body", "round=failed error=", { .body = ONE("10.1.0.7"), .cut = true }, false },
	{ "a cut chunked body",
	  "round=failed error=",
	  { .body = ONE("10.1.0.7"), .chunked = true, .cut = true },
	  false },
	{ "500", "round=failed error=\"HTTP status 500: ", { .status = 500, .body = "[]" }, false },
	{ "204", "round=failed error=\"HTTP status 204: ", { .status = 204 }, false },
	{ "304 unasked",
	  "round=failed error=\"HTTP status 304 to a request without validators\"",
	  { .status = 304 },
	  false },
	{ "401", "round=failed error=\"HTTP status 401: ", { .status = 401, .body = "[]" }, false },
	{ "10 MB",
	  "round=failed error=",
	  { .body = "                    ", .repeat = 524288, .chunked = true },
	  false },
	{ "10 MB in 10 kB",
	  "round=failed error=",
	  { .body = "                    ", .repeat = 524288, .gzip = true },
	  false },
	{ "an error as a document", "round=failed error=", { .body = "{\"error\":\"no leader\"}" }, false },
	{ "a socket that hangs", "round=failed error=", { .hang = true }, false },
	{ "a socket that drips", "round=failed error=", { .body = ONE("10.1.0.7"), .drip_ms = 100 }, false },
	{ "a socket that hangs up", "round=failed error=", { .hang_up = true }, false },
	{ "no HTTP at all", "round=failed error=", { .raw = "SSH-2.0-OpenSSH_9.2\r\n" }, false },
	{ "a closed port", "round=failed error=", { 0 }, true },
};

static void spoil(const struct bad *bad, const struct fake_registry_options *at)
{
	if (!bad->closed) {
		fake_registry_answer(registry, &bad->answer);
		planes_await_count(planes, "dc1", "failures", 1);
		return;
	}
	fake_registry_stop(registry);
	planes_await_count(planes, "dc1", "failures", 1);
	registry = fake_registry_start(at);
}

START_TEST(a_bad_answer_changes_nothing)
{
	static const char *const good = "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2";
	const struct bad *bad = &bads[_i];
	const struct fake_registry_options at = { .port = fake_registry_port(registry) };

	start_with(TWO("10.1.0.1", "10.1.0.2"), good);
	struct stream *stream = stream_start(planes_port(planes), false, SHOP, &good, 1);
	spoil(bad, &at);
	planes_expect(planes, SHOP, good);
	planes_expect(planes, "elsewhere.service.local", "NXDOMAIN aa ede 0");
	ck_assert_str_eq(planes_status(planes, "dc1", "services"), "1");
	ck_assert_str_eq(planes_status(planes, "dc1", "instances"), "2");
	log_await(bad->logged);
	ck_assert_uint_ge(log_count("keep_services=1"), 1);
	stream_stop(stream);

	fake_registry_body(registry, ONE("10.1.0.3"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.3");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "ok");
	ck_assert_uint_eq(log_count("round=good"), 2);
}
END_TEST

START_TEST(the_same_trouble_is_logged_once)
{
	start_with(ONE("10.1.0.1"), "NOERROR aa; 2 A 10.1.0.1");
	fake_registry_answer(registry, &(struct fake_answer){ .status = 500 });
	planes_await_count(planes, "dc1", "failures", 3);
	ck_assert_uint_eq(log_count("round=failed"), 1);
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "failing");
}
END_TEST

/* What is written in random order, or by instances that come and go, is odd in other words each time. */
START_TEST(oddities_are_logged_when_there_are_more_or_less_of_them)
{
	char body[200];

	start("0");
	for (int i = 0; i < 8; i++) {
		snprintf(body, sizeof(body),
			 "{\"shop\":[\"10.1.0.1:80\",\"bad %d:80\",\"bad %d:80\",\"bad %d:80\"]}", i, i + 1,
			 i + 2);
		fake_registry_body(registry, body);
		const unsigned requests = fake_registry_requests(registry);
		ck_assert(fake_registry_wait(registry, requests + 2, CLIENT_LIMIT_MS));
	}
	ck_assert_uint_le(log_count("remark="), 3);
	ck_assert_uint_ge(log_count("remark="), 1);
	fake_registry_body(registry, "{\"shop\":[\"10.1.0.1:80\",\"worse 1:80\"]}");
	log_await("worse 1");
}
END_TEST

/* As long as an error can be, and the same each time. */
START_TEST(a_long_error_is_logged_once)
{
	static char name[241];

	memset(name, 'x', sizeof(name) - 1);
	planes = planes_start("file \"local\" { path = \"/nowhere/%s/%s.json\" interval = 100ms jitter = 0 }",
			      name, name);
	planes_await_count(planes, "local", "failures", 3);
	ck_assert_uint_eq(log_count("round=failed"), 1);
}
END_TEST

/* --- sudden losses --- */

START_TEST(a_first_empty_list_is_held)
{
	start_slowly_with(ONE("10.1.0.1"), "NOERROR aa; 2 A 10.1.0.1");
	fake_registry_answer(registry, &(struct fake_answer){ .headers = ONCE, .body = "[]" });
	planes_await_status(planes, "dc1", "held", "1");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "ok");
	ck_assert_str_eq(planes_status(planes, "dc1", "services"), "1");
	log_await("registry=dc1 held=1 reason=");
}
END_TEST

START_TEST(a_second_empty_list_is_believed)
{
	start_with(ONE("10.1.0.1"), "NOERROR aa; 2 A 10.1.0.1");
	const unsigned requests = fake_registry_requests(registry);
	fake_registry_body(registry, "[]");
	planes_await(planes, SHOP, "NXDOMAIN aa");
	ck_assert_uint_ge(fake_registry_requests(registry), requests + 2);
	log_await("registry=dc1 held=1 reason=");
	log_await("registry=dc1 round=changed services=0 instances=0");
	planes_await_status(planes, "dc1", "held", "0");
}
END_TEST

START_TEST(an_empty_list_is_believed_when_the_brake_has_held_long_enough)
{
	fake_registry_body(registry, ONE("10.1.0.1"));
	start_polled("700ms", "500ms");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	const uint64_t start_ms = clock_ms();
	fake_registry_answer(registry, &(struct fake_answer){ .headers = ONCE, .body = "[]" });
	planes_await(planes, SHOP, "NXDOMAIN aa");
	ck_assert_uint_ge(clock_ms() - start_ms, 700);
	log_await("registry=dc1 held=1 reason=");
	ck_assert_str_eq(planes_status(planes, "dc1", "held"), "0");
	ck_assert_str_eq(planes_status(planes, "dc1", "services"), "0");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "ok");
}
END_TEST

START_TEST(a_loss_that_was_a_mistake_never_shows)
{
	static const char *const good = "NOERROR aa; 2 A 10.1.0.1";

	start_slowly_with(ONE("10.1.0.1"), good);
	struct stream *stream = stream_start(planes_port(planes), false, SHOP, &good, 1);
	fake_registry_answer(
		registry, &(struct fake_answer){ .headers = "Cache-Control: max-age=1\r\n", .body = "[]" });
	planes_await_status(planes, "dc1", "held", "1");
	fake_registry_body(registry, ONE("10.1.0.1"));
	planes_await_status(planes, "dc1", "held", "0");
	ck_assert_uint_gt(stream_stop(stream), 0);
}
END_TEST

START_TEST(an_empty_list_confirmed_by_not_modified_is_believed)
{
	start_with(ONE("10.1.0.1"), "NOERROR aa; 2 A 10.1.0.1");
	fake_registry_answer(registry, &(struct fake_answer){ .etag = "\"none\"", .body = "[]" });
	planes_await(planes, SHOP, "NXDOMAIN aa");
	char *head = fake_registry_last_head(registry);
	ck_assert_msg(strstr(head, "If-None-Match: \"none\"") != NULL, "%s", head);
	free(head);
}
END_TEST

START_TEST(without_a_brake_an_empty_list_is_believed_at_once)
{
	fake_registry_body(registry, ONE("10.1.0.1"));
	start("0");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	fake_registry_answer(registry, &(struct fake_answer){ .headers = ONCE, .body = "[]" });
	planes_await(planes, SHOP, "NXDOMAIN aa");
	ck_assert_uint_eq(log_count("held="), 0);
}
END_TEST

START_TEST(a_refresh_asks_at_once_and_believes_the_answer)
{
	fake_registry_body(registry, ONE("10.1.0.1"));
	planes = planes_start("zone \"service.local\" { brake = 1h stale-after = 1h stale-max = 2h }\n"
			      "http \"dc1\" { url = \"%s/services\" interval = 30m jitter = 0 }\n",
			      fake_registry_url(registry));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	fake_registry_body(registry, "[]");
	planes_refresh(planes);
	planes_await(planes, SHOP, "NXDOMAIN aa");
	ck_assert_uint_eq(fake_registry_requests(registry), 2);
	ck_assert_uint_eq(log_count("held="), 0);
}
END_TEST

/* --- before the first word --- */

START_TEST(a_query_before_the_first_round_gets_its_answer)
{
	/* Some 200 octets, one a millisecond. */
	fake_registry_answer(registry, &(struct fake_answer){ .body = ONE("10.1.0.1"), .drip_ms = 1 });
	planes = planes_start("http \"dc1\" { url = \"%s\" timeout = 1m }\n", fake_registry_url(registry));
	struct client *udp = client_udp(planes_port(planes)), *tcp = client_tcp(planes_port(planes));
	const struct question known = { .name = SHOP }, unknown = { .name = "no." SHOP, .id = 1 };

	client_send(udp, &known);
	client_send(tcp, &known);
	client_send(tcp, &unknown);
	ck_assert(client_read(udp, CLIENT_LIMIT_MS));
	ck_assert_str_eq(client_text(udp), "NOERROR aa; 2 A 10.1.0.1");
	ck_assert(client_read(tcp, CLIENT_LIMIT_MS));
	ck_assert_str_eq(client_text(tcp), "NOERROR aa; 2 A 10.1.0.1");
	ck_assert(client_read(tcp, CLIENT_LIMIT_MS));
	ck_assert_str_eq(client_text(tcp), "NXDOMAIN aa");
	ck_assert_uint_eq(fake_registry_requests(registry), 1);
	client_close(udp);
	client_close(tcp);
}
END_TEST

START_TEST(without_any_data_servfail_says_not_ready)
{
	fake_registry_stop(registry);
	registry = NULL;
	planes = planes_start("http \"dc1\" { url = \"http://127.0.0.1:%u\" interval = 100ms }\n",
			      harness_free_port());
	ck_assert(planes_are_ready(planes)); /* it has tried everything */
	struct client *c = _i == 0 ? client_udp(planes_port(planes)) : client_tcp(planes_port(planes));
	const uint64_t start_ms = clock_ms();

	ck_assert_str_eq(client_ask(c, &(struct question){ .name = SHOP }), "SERVFAIL ede 14");
	const uint64_t waited_ms = clock_ms() - start_ms;
	ck_assert_uint_ge(waited_ms, HOLD_MS - 50);
	ck_assert_uint_lt(waited_ms, slowed(2 * HOLD_MS));

	/* What needs no registry is answered at once. */
	planes_expect(planes, "10-1-0-7.addr.service.local", "NOERROR aa; 2 A 10.1.0.7");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "failing");
	ck_assert_str_eq(planes_status(planes, "dc1", "age"), "none");
	client_close(c);
}
END_TEST

START_TEST(more_queries_than_can_wait_are_answered_too)
{
	enum { HELD = 256, N = HELD + 50 }; /* as hold-queries is by default */
	unsigned at_once = 0, n = 0;

	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	start("0");
	struct client *c = client_udp(planes_port(planes));
	for (uint16_t id = 0; id < N; id++)
		client_send(c, &(struct question){ .name = SHOP, .id = id });
	for (; n < N && client_read(c, CLIENT_LIMIT_MS); n++) {
		ck_assert_str_eq(client_text(c), "SERVFAIL ede 14");
		at_once += client_id(c) >= HELD;
		ck_assert_msg(at_once == 50 || client_id(c) >= HELD, "%u was first", client_id(c));
	}
	ck_assert_uint_eq(n, N);
	client_close(c);
}
END_TEST

START_TEST(a_client_that_hangs_up_while_it_waits_harms_nobody)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	start("0");
	const struct linger at_once = { .l_onoff = 1 };
	struct client *gone = client_tcp(planes_port(planes)), *other = client_udp(planes_port(planes));
	for (uint16_t id = 0; id < 10; id++) {
		client_send(gone, &(struct question){ .name = SHOP, .id = id });
		client_send(other, &(struct question){ .name = SHOP, .id = id });
	}
	if (_i == 1)
		setsockopt(gone->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	client_close(gone);
	for (int i = 0; i < 10; i++) {
		ck_assert(client_read(other, CLIENT_LIMIT_MS));
		ck_assert_str_eq(client_text(other), "SERVFAIL ede 14");
	}
	client_close(other);
}
END_TEST

START_TEST(a_registry_that_comes_late_is_heard)
{
	start("0");
	planes_await_status(planes, "dc1", "state", "failing");
	planes_expect(planes, SHOP, "SERVFAIL ede 14");
	fake_registry_body(registry, ONE("10.1.0.1"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

/* --- two registries --- */

static void start_two(const char *timeout)
{
	planes = planes_start("static \"own\" { instance \"10.9.0.1:80\" { service = \"cart\" } }\n"
			      "http \"dc1\" { url = \"%s\" timeout = %s interval = 29s }\n",
			      fake_registry_url(registry), timeout);
	planes_await(planes, "cart.service.local", "NOERROR aa; 2 A 10.9.0.1");
}

START_TEST(with_one_registry_silent_only_unknown_names_wait)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	start_two("1m");
	ck_assert(fake_registry_wait(registry, 1, CLIENT_LIMIT_MS));
	struct client *c = client_udp(planes_port(planes));
	const uint64_t start_ms = clock_ms();

	client_send(c, &(struct question){ .name = SHOP, .id = 1 });
	client_send(c, &(struct question){ .name = "cart.service.local", .id = 2 });
	ck_assert(client_read(c, CLIENT_LIMIT_MS));
	ck_assert_uint_eq(client_id(c), 2);
	ck_assert_str_eq(client_text(c), "NOERROR aa; 2 A 10.9.0.1");
	ck_assert(client_read(c, CLIENT_LIMIT_MS));
	ck_assert_uint_eq(client_id(c), 1);
	ck_assert_str_eq(client_text(c), "NXDOMAIN aa");
	ck_assert_uint_ge(clock_ms() - start_ms, HOLD_MS - 50);
	client_close(c);
}
END_TEST

START_TEST(an_unknown_name_waits_for_the_second_registry)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = ONE("10.1.0.1"), .drip_ms = 1 });
	start_two("1m");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

START_TEST(nobody_waits_for_a_registry_that_has_failed)
{
	fake_registry_answer(registry, &(struct fake_answer){ .status = 500 });
	start_two("1m");
	planes_await_status(planes, "dc1", "state", "failing");
	struct client *c = client_udp(planes_port(planes));
	client_send(c, &(struct question){ .name = SHOP });
	ck_assert(client_read(c, HOLD_MS - 100));
	ck_assert_str_eq(client_text(c), "NXDOMAIN aa ede 0");
	client_close(c);
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
	Suite *suite = suite_create("registry");
	TCase *good = add_case(suite, "good");
	TCase *bad = add_case(suite, "bad");
	TCase *brake = add_case(suite, "brake");
	TCase *first = add_case(suite, "first");
	TCase *two = add_case(suite, "two");

	tcase_add_test(good, instances_added_and_removed_show);
	tcase_add_test(good, services_added_and_emptied_show);
	tcase_add_test(good, a_registry_that_repeats_itself_is_no_news);
	tcase_add_test(good, not_modified_keeps_data_fresh);

	tcase_add_loop_test(bad, a_bad_answer_changes_nothing, 0, sizeof(bads) / sizeof(bads[0]));
	tcase_add_test(bad, the_same_trouble_is_logged_once);
	tcase_add_test(bad, oddities_are_logged_when_there_are_more_or_less_of_them);
	tcase_add_test(bad, a_long_error_is_logged_once);

	tcase_add_test(brake, a_first_empty_list_is_held);
	tcase_add_test(brake, a_second_empty_list_is_believed);
	tcase_add_test(brake, an_empty_list_is_believed_when_the_brake_has_held_long_enough);
	tcase_add_test(brake, a_loss_that_was_a_mistake_never_shows);
	tcase_add_test(brake, an_empty_list_confirmed_by_not_modified_is_believed);
	tcase_add_test(brake, without_a_brake_an_empty_list_is_believed_at_once);
	tcase_add_test(brake, a_refresh_asks_at_once_and_believes_the_answer);

	tcase_add_test(first, a_query_before_the_first_round_gets_its_answer);
	tcase_add_loop_test(first, without_any_data_servfail_says_not_ready, 0, 2);
	tcase_add_test(first, more_queries_than_can_wait_are_answered_too);
	tcase_add_loop_test(first, a_client_that_hangs_up_while_it_waits_harms_nobody, 0, 2);
	tcase_add_test(first, a_registry_that_comes_late_is_heard);

	tcase_add_test(two, with_one_registry_silent_only_unknown_names_wait);
	tcase_add_test(two, an_unknown_name_waits_for_the_second_registry);
	tcase_add_test(two, nobody_waits_for_a_registry_that_has_failed);
	return harness_run(suite);
}
