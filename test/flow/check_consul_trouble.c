/* SPDX-License-Identifier: BSD-2-Clause */
/* A consul registry in trouble: what was known stays, is shown as what it is, and is followed again as soon
 * as there is a way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client.h"
#include "fake_consul.h"
#include "harness.h"
#include "planes.h"

#define WEB  "web.service.local"
#define DB   "db.service.local"
#define ONE  "NOERROR aa; 2 A 10.3.0.1"
#define TWO  "NOERROR aa; 2 A 10.3.0.2"
#define BOTH "NOERROR aa; 2 A 10.3.0.1; 2 A 10.3.0.2"

#define FAR  "interval = 1h jitter = 0 wait = 10m "
#define NEAR "interval = 100ms jitter = 0 wait = 10m "

static struct fake_consul *consul, *other;
static struct planes *planes;
static char *dir;

static void setup(void)
{
	consul = fake_consul_start(0);
	other = fake_consul_start(0);
	dir = harness_make_dir();
	log_capture();
}

static void teardown(void)
{
	planes_stop(planes);
	fake_consul_stop(consul);
	fake_consul_stop(other);
	harness_remove_dir(dir);
	log_release();
}

static const char *url(struct fake_consul *f)
{
	return fake_http_url(fake_consul_http(f));
}

static void start(const char *zone, const char *rest)
{
	planes = planes_start("zone \"service.local\" { %s }\nconsul \"dc1\" { url = \"%s\" %s }\n", zone,
			      url(consul), rest);
}

/* Instance n of a service has 10.3.0.n. */
static void add_to(struct fake_consul *f, const char *service, unsigned n)
{
	char id[16], address[16];

	snprintf(id, sizeof(id), "%u", n);
	snprintf(address, sizeof(address), "10.3.0.%u", n);
	fake_consul_register(
		f, service,
		&(struct fake_consul_instance){ .service_id = id, .address = address, .port = 80 });
}

static void add(const char *service, unsigned n)
{
	add_to(consul, service, n);
}

static bool has_held(void *n)
{
	return fake_consul_counts(consul).held == *(unsigned *)n;
}

static void await_held(unsigned n)
{
	ck_assert_msg(harness_wait(has_held, &n, CLIENT_LIMIT_MS), "%u wait, not %u",
		      fake_consul_counts(consul).held, n);
}

static unsigned n_requests(void)
{
	return fake_http_counts(fake_consul_http(consul)).requests;
}

/* Web has one instance, and four queries wait: for the list, consul itself, db and web. */
static void start_waiting(const char *zone, const char *rest)
{
	add("web", 1);
	add("db", 3);
	start(zone, rest);
	planes_await(planes, WEB, ONE);
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.0.3");
	await_held(4);
}

/* --- the index --- */

START_TEST(an_index_that_starts_again_loses_nothing)
{
	start_waiting("brake = 1h", FAR);
	struct stream *stream =
		stream_start(planes_port(planes), false, WEB, (const char *[]){ ONE, BOTH }, 2);
	fake_consul_reset_index(consul);
	await_held(4);
	add("web", 2);
	planes_await(planes, WEB, BOTH);
	stream_stop(stream);
	ck_assert_str_eq(planes_status(planes, "dc1", "failures"), "0");
}
END_TEST

START_TEST(an_agent_that_restarts_loses_nothing)
{
	start_waiting("brake = 1h", FAR);
	struct stream *stream =
		stream_start(planes_port(planes), false, WEB, (const char *[]){ ONE, BOTH }, 2);
	fake_consul_restart(consul);
	add("web", 2);
	planes_await(planes, WEB, BOTH);
	planes_await_status(planes, "dc1", "state", "ok");
	await_held(4);
	stream_stop(stream);
	ck_assert_uint_eq(log_count("round=failed"), 1);
}
END_TEST

START_TEST(without_an_index_there_are_polls)
{
	add("web", 1);
	fake_consul_set_mode(consul, FAKE_CONSUL_NO_INDEX);
	start("", NEAR);
	planes_await(planes, WEB, ONE);
	add("web", 2);
	planes_await(planes, WEB, BOTH);
	ck_assert_uint_eq(fake_consul_counts(consul).held, 0);
	fake_consul_set_mode(consul, FAKE_CONSUL_NORMAL);
	await_held(3);
	ck_assert_str_eq(planes_status(planes, "dc1", "failures"), "0");
}
END_TEST

/* A question with an index of 0 would be answered at once, again and again. */
START_TEST(an_index_of_zero_is_no_storm)
{
	add("web", 1);
	fake_consul_set_mode(consul, FAKE_CONSUL_ZERO_INDEX);
	start("", "interval = 1h wait = 1s");
	planes_await(planes, WEB, ONE);
	await_held(3);
	add("web", 2);
	planes_await(planes, WEB, BOTH);
	ck_assert_uint_lt(n_requests(), 40);
}
END_TEST

START_TEST(an_agent_that_holds_nothing_back_is_no_storm)
{
	start_waiting("", FAR);
	const uint64_t start_ms = clock_ms();
	const unsigned before = n_requests();
	while (clock_ms() - start_ms < 2000) {
		fake_consul_wake(consul);
		planes_expect(planes, WEB, ONE);
	}
	/* Each of four may be asked 8 times at once, then once a second. */
	ck_assert_uint_lt(n_requests() - before, 4 * (8 + slowed(2) + 2));
	await_held(4);
	add("web", 2);
	planes_await(planes, WEB, BOTH);
}
END_TEST

/* --- leaders --- */

START_TEST(without_a_leader_any_server_may_answer)
{
	start_waiting("stale-after = 1h stale-max = 2h", FAR);
	fake_consul_set_mode(consul, FAKE_CONSUL_NO_LEADER);
	fake_consul_wake(consul);
	log_await("the servers of Consul have no leader");
	add("web", 2); /* known to this server */
	planes_await(planes, WEB, BOTH);
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "ok");
	await_held(4);
	fake_consul_set_mode(consul, FAKE_CONSUL_NORMAL);
	fake_consul_wake(consul);
	await_held(4);
	ck_assert_uint_eq(log_count("have no leader"), 1);
}
END_TEST

START_TEST(what_a_server_says_that_has_lost_touch_is_old)
{
	start_waiting("stale-after = 1m", FAR);
	fake_consul_lag(consul, 90000);
	fake_consul_wake(consul);
	planes_await(planes, WEB, "NOERROR aa ede 3; 1 A 10.3.0.1");
	add("web", 2); /* and still the best there is */
	planes_await(planes, WEB, "NOERROR aa ede 3; 1 A 10.3.0.1; 1 A 10.3.0.2");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "ok");
	await_held(4);
	fake_consul_lag(consul, 20);
	fake_consul_wake(consul);
	planes_await(planes, WEB, BOTH);
	planes_await_status(planes, "dc1", "age", "0.0s");
}
END_TEST

START_TEST(where_only_the_leader_may_answer_what_was_known_stays)
{
	start_waiting("", NEAR "stale = false");
	fake_consul_set_mode(consul, FAKE_CONSUL_NO_LEADER);
	planes_await_status(planes, "dc1", "state", "failing");
	log_await("HTTP status 500: No cluster leader");
	add("web", 2);
	planes_await_count(planes, "dc1", "failures", 8);
	planes_expect(planes, WEB, ONE);
	fake_consul_set_mode(consul, FAKE_CONSUL_NORMAL);
	planes_await(planes, WEB, BOTH);
	planes_await_status(planes, "dc1", "state", "ok");
	ck_assert_uint_eq(log_count("round=failed"), 1);
	ck_assert_uint_eq(log_count("round=good"), 2);
}
END_TEST

/* --- refusals --- */

static const struct {
	enum fake_consul_mode mode;
	const char *logged;
} refusals[] = {
	{ FAKE_CONSUL_DENIED, "HTTP status 403: Permission denied" },
	{ FAKE_CONSUL_TOO_MANY, "HTTP status 429: asked too often" },
};

START_TEST(a_refusal_changes_nothing)
{
	start_waiting("", NEAR);
	fake_consul_set_mode(consul, refusals[_i].mode);
	fake_consul_wake(consul);
	await_held(0);
	planes_await_status(planes, "dc1", "state", "failing");
	log_await(refusals[_i].logged);
	planes_expect(planes, WEB, ONE);
	planes_expect(planes, "none.service.local", "NXDOMAIN aa ede 0");
	add("web", 2);
	fake_consul_set_mode(consul, FAKE_CONSUL_NORMAL);
	planes_await(planes, WEB, BOTH);
	planes_await_status(planes, "dc1", "state", "ok");
	ck_assert_uint_eq(log_count("round=failed"), 1);
}
END_TEST

static void start_with_token(const char *rest)
{
	fake_consul_set_token(consul, "full");
	fake_consul_restrict(consul, "little", "web");
	harness_write_file(dir, "token", "full\n");
	add("web", 1);
	add("db", 3);
	planes = planes_start("consul \"dc1\" { url = \"%s\" token-file = \"%s/token\" %s }\n", url(consul),
			      dir, rest);
	planes_await(planes, WEB, ONE);
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.0.3");
	await_held(4);
}

START_TEST(another_token_in_the_file_is_used_at_the_next_request)
{
	start_with_token(NEAR);
	fake_consul_set_token(consul, "new");
	fake_consul_wake(consul);
	planes_await_status(planes, "dc1", "state", "failing");
	log_await("HTTP status 403: ACL not found");
	planes_expect(planes, WEB, ONE);
	harness_replace_file(dir, "token", "new\n");
	planes_await_status(planes, "dc1", "state", "ok");
	await_held(4);
	add("web", 2);
	planes_await(planes, WEB, BOTH);
}
END_TEST

/* Consul answers as if what the token may not see were not there. */
START_TEST(a_token_that_sees_less_takes_nothing_away)
{
	start_with_token(NEAR);
	harness_replace_file(dir, "token", "little\n");
	fake_consul_wake(consul); /* who waits had the other token */
	await_held(4);
	fake_consul_wake(consul);
	planes_await_status(planes, "dc1", "state", "failing");
	log_await("the token no longer sees everything");
	planes_await_count(planes, "dc1", "failures", 6);
	planes_expect(planes, DB, "NOERROR aa; 2 A 10.3.0.3");
	planes_expect(planes, WEB, ONE);
	harness_replace_file(dir, "token", "full\n");
	planes_await_status(planes, "dc1", "state", "ok");
	add("db", 1);
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.0.1; 2 A 10.3.0.3");
}
END_TEST

/* Without a token nobody is told that something was left out. */
START_TEST(without_a_token_that_is_what_is_missing)
{
	fake_consul_set_token(consul, "full");
	add("web", 1);
	start("", FAR);
	log_await("is a token missing?");
	planes_await(planes, WEB, "NXDOMAIN aa");
}
END_TEST

/* --- silence --- */

static bool is_older(void *ms)
{
	double age_s = 0;

	sscanf(planes_status(planes, "dc1", "age"), "%lfs", &age_s);
	return age_s * 1000 >= *(unsigned *)ms;
}

static void await_age(unsigned ms)
{
	ck_assert(harness_wait(is_older, &ms, CLIENT_LIMIT_MS));
}

START_TEST(while_the_agent_is_down_answers_stay_and_age)
{
	start_waiting("stale-after = 1s", FAR);
	fake_http_down(fake_consul_http(consul));
	planes_await_status(planes, "dc1", "state", "failing");
	planes_expect(planes, WEB, ONE);
	await_age(1100);
	planes_expect(planes, WEB, "NOERROR aa ede 3; 1 A 10.3.0.1");
	planes_expect(planes, "none.service.local", "NXDOMAIN aa ede 19");
	add("web", 2);
	const uint64_t start_ms = clock_ms();
	fake_http_up(fake_consul_http(consul));
	planes_await(planes, WEB, BOTH);
	ck_assert_uint_lt(clock_ms() - start_ms, slowed(8000));
	planes_await_status(planes, "dc1", "state", "ok");
	await_held(4);
	ck_assert_str_eq(planes_status(planes, "dc1", "age"), "0.0s");
	ck_assert_uint_le(log_count("round=failed"), 2); /* closed, then refused */
	ck_assert_uint_eq(log_count("round=good"), 2);
}
END_TEST

START_TEST(an_agent_that_is_not_there_yet_is_awaited)
{
	fake_http_down(fake_consul_http(consul));
	add("web", 1);
	start("", FAR);
	planes_await_status(planes, "dc1", "state", "failing");
	planes_expect(planes, WEB, "SERVFAIL ede 14");
	fake_http_up(fake_consul_http(consul));
	planes_await(planes, WEB, ONE);
}
END_TEST

/* Half open: what is sent is taken, and nothing comes back. */
START_TEST(an_agent_that_hangs_is_found_out_and_holds_up_nobody)
{
	add("web", 1);
	add_to(other, "db", 3);
	planes = planes_start("zone \"service.local\" { merge = union }\n"
			      "consul \"dc1\" { url = \"%s\" interval = 1h wait = 1s timeout = 500ms }\n"
			      "consul \"dc2\" { url = \"%s\" " FAR "}\n",
			      url(consul), url(other));
	planes_await(planes, WEB, ONE);
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.0.3");
	await_held(3);
	fake_consul_set_mode(consul, FAKE_CONSUL_HANG);
	add("web", 2);
	add_to(other, "db", 4);
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.0.3; 2 A 10.3.0.4");
	planes_expect(planes, WEB, ONE);
	planes_await_status(planes, "dc1", "state", "failing"); /* when the wait is over, and some */
	planes_expect(planes, WEB, ONE);
	ck_assert_str_eq(planes_status(planes, "dc2", "state"), "ok");
	fake_consul_set_mode(consul, FAKE_CONSUL_NORMAL);
	planes_await(planes, WEB, BOTH);
	planes_await_status(planes, "dc1", "state", "ok");
	ck_assert_uint_eq(log_count("registry=dc1 round=failed"), 1);
	ck_assert_uint_eq(log_count("registry=dc2 round=failed"), 0);
}
END_TEST

/* --- sudden losses --- */

/* The agent was away, and comes back without what it knew. */
static void lose_web(void)
{
	add("web", 1);
	start("brake = 1h", FAR "services = { \"web\" }");
	planes_await(planes, WEB, ONE);
	await_held(1);
	fake_http_down(fake_consul_http(consul));
	fake_consul_put(consul, "web", "[]");
	fake_http_up(fake_consul_http(consul));
	planes_await_status(planes, "dc1", "held", "1");
	await_held(1);
	log_await("a sudden loss waits to be confirmed");
}

START_TEST(what_is_missing_after_an_outage_is_held_back)
{
	lose_web();
	struct stream *stream = stream_start(planes_port(planes), false, WEB, (const char *[]){ ONE }, 1);
	add("web", 1);
	planes_await_status(planes, "dc1", "held", "0");
	stream_stop(stream);
}
END_TEST

START_TEST(what_is_missing_after_an_outage_is_believed_at_the_second_time)
{
	lose_web();
	planes_expect(planes, WEB, ONE);
	fake_consul_wake(consul);
	planes_await(planes, WEB, "NOERROR aa");
}
END_TEST

static const char *const all_five =
	"NOERROR aa; 2 A 10.3.0.1; 2 A 10.3.0.2; 2 A 10.3.0.3; 2 A 10.3.0.4; 2 A 10.3.0.5";

START_TEST(most_instances_lost_at_once_are_held_back)
{
	for (unsigned i = 1; i <= 5; i++)
		add("web", i);
	start("brake = 1h", FAR "services = { \"web\" }");
	planes_await(planes, WEB, all_five);
	await_held(1);
	fake_consul_put(consul, "web", "[{\"Service\":{\"ID\":\"1\",\"Address\":\"10.3.0.1\",\"Port\":80}}]");
	planes_await_status(planes, "dc1", "held", "1");
	await_held(1);
	planes_expect(planes, WEB, all_five);
	fake_consul_wake(consul);
	planes_await(planes, WEB, ONE);
}
END_TEST

START_TEST(a_catalog_that_was_wiped_is_believed_when_it_says_so_twice)
{
	start_waiting("brake = 1h", "interval = 100ms wait = 1s");
	fake_http_down(fake_consul_http(consul));
	fake_consul_put(consul, "web", "[]");
	fake_consul_put(consul, "db", "[]");
	add("cart", 1);
	fake_consul_restart(consul);
	fake_http_up(fake_consul_http(consul));
	planes_await(planes, "cart.service.local", ONE);
	planes_await(planes, WEB, "NXDOMAIN aa");
	planes_await(planes, DB, "NXDOMAIN aa");
	await_held(3);
	planes_await_status(planes, "dc1", "state", "ok");
}
END_TEST

/* --- other bodies --- */

static const char *const spoilt[] = { "",     "null", "{}", "[", "<html>It works!</html>", "[{\"Service\":",
				      "[] []" };

START_TEST(a_body_that_is_none_changes_nothing)
{
	start_waiting("brake = 0", NEAR);
	fake_consul_put(consul, "web", spoilt[_i]);
	planes_await_status(planes, "dc1", "state", "failing");
	log_await("registry=dc1 round=failed error=\"service web: ");
	planes_expect(planes, WEB, ONE);
	add("db", 1); /* others go on */
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.0.1; 2 A 10.3.0.3");
	fake_consul_put(consul, "web", "[{\"Service\":{\"Address\":\"10.3.0.2\",\"Port\":80}}]");
	planes_await(planes, WEB, TWO);
	planes_await_status(planes, "dc1", "state", "ok");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("consul in trouble");
	TCase *index = tcase_create("the index"), *leader = tcase_create("leaders");
	TCase *refused = tcase_create("refusals"), *silent = tcase_create("silence");
	TCase *loss = tcase_create("sudden losses"), *bodies = tcase_create("other bodies");
	TCase *all[] = { index, leader, refused, silent, loss, bodies };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		tcase_set_timeout(all[i], 60);
		tcase_add_checked_fixture(all[i], setup, teardown);
		suite_add_tcase(suite, all[i]);
	}
	tcase_add_test(index, an_index_that_starts_again_loses_nothing);
	tcase_add_test(index, an_agent_that_restarts_loses_nothing);
	tcase_add_test(index, without_an_index_there_are_polls);
	tcase_add_test(index, an_index_of_zero_is_no_storm);
	tcase_add_test(index, an_agent_that_holds_nothing_back_is_no_storm);

	tcase_add_test(leader, without_a_leader_any_server_may_answer);
	tcase_add_test(leader, what_a_server_says_that_has_lost_touch_is_old);
	tcase_add_test(leader, where_only_the_leader_may_answer_what_was_known_stays);

	tcase_add_loop_test(refused, a_refusal_changes_nothing, 0, sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(refused, another_token_in_the_file_is_used_at_the_next_request);
	tcase_add_test(refused, a_token_that_sees_less_takes_nothing_away);
	tcase_add_test(refused, without_a_token_that_is_what_is_missing);

	tcase_add_test(silent, while_the_agent_is_down_answers_stay_and_age);
	tcase_add_test(silent, an_agent_that_is_not_there_yet_is_awaited);
	tcase_add_test(silent, an_agent_that_hangs_is_found_out_and_holds_up_nobody);

	tcase_add_test(loss, what_is_missing_after_an_outage_is_held_back);
	tcase_add_test(loss, what_is_missing_after_an_outage_is_believed_at_the_second_time);
	tcase_add_test(loss, most_instances_lost_at_once_are_held_back);
	tcase_add_test(loss, a_catalog_that_was_wiped_is_believed_when_it_says_so_twice);

	tcase_add_loop_test(bodies, a_body_that_is_none_changes_nothing, 0,
			    sizeof(spoilt) / sizeof(spoilt[0]));
	return harness_run(suite);
}
