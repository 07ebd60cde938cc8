/* SPDX-License-Identifier: BSD-2-Clause */
/* A consul registry, from what is registered to what is answered. Where nothing else is said, polls and the
 * end of a wait are so far away that whatever shows was told by a blocking query. */
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fake_consul.h"
#include "harness.h"
#include "planes.h"

#define WEB  "web.service.local"
#define DB   "db.service.local"
#define ONE  "NOERROR aa; 2 A 10.3.0.1"
#define TWO  "NOERROR aa; 2 A 10.3.0.2"
#define BOTH "NOERROR aa; 2 A 10.3.0.1; 2 A 10.3.0.2"

#define FAR "interval = 1h jitter = 0 wait = 10m "

static struct fake_consul *consul;
static struct planes *planes;

static void setup(void)
{
	consul = fake_consul_start(0);
	log_capture();
}

static void teardown(void)
{
	planes_stop(planes);
	fake_consul_stop(consul);
	log_release();
}

static void start(const char *zone, const char *rest)
{
	planes = planes_start(
		"log-level = debug\nzone \"service.local\" { %s }\nconsul \"dc1\" { url = \"%s\" %s }\n",
		zone, fake_http_url(fake_consul_http(consul)), rest);
}

/* Instance n of a service; web-1 has 10.3.0.1, on a node of its own. */
static void add(const char *service, unsigned n, const struct fake_consul_instance *more)
{
	struct fake_consul_instance instance = *more;
	char node[16], address[16];

	snprintf(node, sizeof(node), "node-%u", n);
	snprintf(address, sizeof(address), "10.3.0.%u", n);
	instance.node = node;
	instance.address = address;
	instance.port = 80;
	fake_consul_register(consul, service, &instance);
}

static void add_plain(const char *service, unsigned n)
{
	add(service, n, &(struct fake_consul_instance){ 0 });
}

static void remove_instance(const char *service, unsigned n)
{
	char node[16], id[80];

	snprintf(node, sizeof(node), "node-%u", n);
	snprintf(id, sizeof(id), "%s-80", service);
	fake_consul_deregister(consul, service, node, id);
}

static bool has_held(void *n)
{
	return fake_consul_counts(consul).held == *(unsigned *)n;
}

/* Until so many blocking queries wait: all that can be told has been. */
static void await_held(unsigned n)
{
	ck_assert_msg(harness_wait(has_held, &n, CLIENT_LIMIT_MS), "%u wait, not %u",
		      fake_consul_counts(consul).held, n);
}

static unsigned serial(void)
{
	struct client *c = client_udp(planes_port(planes));
	const char *text =
		client_ask(c, &(struct question){ .name = "service.local", .type = LDNS_RR_TYPE_SOA });
	unsigned value = 0;

	ck_assert_msg(sscanf(text, "NOERROR aa; %*u SOA %*s %*s %u", &value) == 1, "%s", text);
	client_close(c);
	return value;
}

struct wanted_srv {
	const char *name, *text;
};

static bool has_srv(void *context)
{
	const struct wanted_srv *w = context;
	struct client *c = client_udp(planes_port(planes));
	const bool same =
		strcmp(client_ask(c, &(struct question){ .name = w->name, .type = LDNS_RR_TYPE_SRV }),
		       w->text) == 0;

	client_close(c);
	return same;
}

static void await_srv(const char *name, const char *text)
{
	struct wanted_srv w = { name, text };

	ck_assert_msg(harness_wait(has_srv, &w, CLIENT_LIMIT_MS), "%s is not \"%s\"", name, text);
}

/* --- what is there --- */

START_TEST(what_is_registered_is_answered)
{
	add_plain("web", 1);
	add_plain("web", 2);
	fake_consul_register(consul, "db",
			     &(struct fake_consul_instance){ .node_address = "10.3.1.1", .port = 5432 });
	start("", FAR);
	planes_await(planes, WEB, BOTH);
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.1.1"); /* that of its node */
	planes_expect(planes, "consul.service.local", "NOERROR aa; 2 A 127.0.0.1");
	planes_expect(planes, "cart.service.local", "NXDOMAIN aa");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "ok");
	ck_assert_str_eq(planes_status(planes, "dc1", "services"), "3");
	ck_assert_str_eq(planes_status(planes, "dc1", "instances"), "4");
	await_held(4);
	ck_assert_str_eq(planes_status(planes, "dc1", "age"), "0.0s"); /* who waits knows what is there now */
	ck_assert_uint_eq(log_count("WARNING"), 0);
}
END_TEST

START_TEST(an_instance_that_comes_or_goes_shows_at_once)
{
	add_plain("web", 1);
	start("", FAR);
	planes_await(planes, WEB, ONE);
	await_held(3);
	add_plain("web", 2);
	planes_await(planes, WEB, BOTH);
	remove_instance("web", 1);
	planes_await(planes, WEB, TWO);
	planes_expect(planes, "node-1.web.service.local", "NXDOMAIN aa");
}
END_TEST

static const struct {
	const char *service_id, *check_id, *bad;
} checks[] = {
	{ "web-80", "service:web-80", "critical" },
	{ "web-80", "disk", "critical" },
	{ "web-80", "disk", "warning" },
	{ "web-80", "_service_maintenance:web-80", "critical" },
	{ "", "serfHealth", "critical" },
	{ "", "_node_maintenance", "critical" },
};

START_TEST(an_instance_that_does_not_pass_is_not_answered)
{
	add_plain("web", 1);
	add_plain("web", 2);
	start("", FAR);
	planes_await(planes, WEB, BOTH);
	await_held(3);
	fake_consul_set_check(consul, "node-1", checks[_i].service_id, checks[_i].check_id, checks[_i].bad);
	planes_await(planes, WEB, TWO);
	fake_consul_set_check(consul, "node-1", checks[_i].service_id, checks[_i].check_id, "passing");
	if (strstr(checks[_i].check_id, "_maintenance") != NULL) {
		planes_expect(planes, WEB, TWO); /* such a check has to go */
		fake_consul_set_check(consul, "node-1", checks[_i].service_id, checks[_i].check_id, NULL);
	}
	planes_await(planes, WEB, BOTH);
}
END_TEST

static const struct {
	const char *zone, *warning, *critical;
} wishes[] = {
	{ "health = passing", TWO, TWO },
	{ "health = warning", BOTH, TWO },
	{ "health = any", BOTH, BOTH },
};

START_TEST(what_is_healthy_enough_is_the_zones_to_say)
{
	add("web", 1, &(struct fake_consul_instance){ .status = "warning" });
	add_plain("web", 2);
	start(wishes[_i].zone, FAR);
	planes_await(planes, WEB, wishes[_i].warning);
	await_held(3);
	fake_consul_set_check(consul, "node-1", "web-80", "service:web-80", "critical");
	planes_await(planes, WEB, wishes[_i].critical);
	fake_consul_set_check(consul, "node-2", "web-80", "service:web-80", "critical");
	planes_await(planes, WEB, BOTH); /* none is healthy: all are answered */
}
END_TEST

START_TEST(weights_are_those_of_the_state)
{
	static const struct fake_consul_instance weighted = { .weight_passing = 10, .weight_warning = 3 };

	add("web", 1, &weighted);
	start("health = warning", FAR);
	planes_await(planes, WEB, ONE);
	await_srv(WEB, "NOERROR aa; 2 SRV 0 10 80 10-3-0-1.addr.service.local.");
	await_held(3);
	fake_consul_set_check(consul, "node-1", "web-80", "service:web-80", "warning");
	await_srv(WEB, "NOERROR aa; 2 SRV 0 3 80 10-3-0-1.addr.service.local.");
}
END_TEST

/* --- services --- */

START_TEST(a_service_comes_and_goes_with_the_list)
{
	add_plain("web", 1);
	start("brake = 1h", FAR);
	planes_await(planes, WEB, ONE);
	await_held(3);
	add_plain("db", 2);
	planes_await(planes, DB, TWO);
	await_held(4);
	remove_instance("db", 2);
	planes_await(planes, DB, "NXDOMAIN aa"); /* confirmed at once, and not in the list any more */
	ck_assert_uint_eq(log_count("held="), 0);
	planes_expect(planes, WEB, ONE);
	await_held(3);
	add_plain("db", 1);
	planes_await(planes, DB, ONE);
}
END_TEST

START_TEST(only_configured_services_are_asked_for)
{
	add_plain("web", 1);
	add_plain("cart", 1);
	start("brake = 1h", FAR "services = { \"web\", \"db\" }");
	planes_await(planes, WEB, ONE);
	planes_await(planes, DB, "NOERROR aa"); /* known to be empty */
	planes_expect(planes, "cart.service.local", "NXDOMAIN aa");
	await_held(2);
	add_plain("db", 2);
	planes_await(planes, DB, TWO);
	remove_instance("db", 2);
	planes_await(planes, DB, "NOERROR aa");
	ck_assert_uint_eq(fake_consul_counts(consul).services, 0);
}
END_TEST

START_TEST(tags_choose_and_are_names)
{
	add("web", 1, &(struct fake_consul_instance){ .tags = "v1,blue" });
	add("web", 2, &(struct fake_consul_instance){ .tags = "v2" });
	add("db", 1, &(struct fake_consul_instance){ .tags = "v2" });
	start("brake = 0", _i == 0 ? FAR : FAR "tags = { \"v1\" }");
	planes_await(planes, WEB, _i == 0 ? BOTH : ONE);
	planes_expect(planes, "blue." WEB, ONE);
	planes_await(planes, "v2." WEB, _i == 0 ? TWO : "NXDOMAIN aa");
	planes_await(planes, DB, _i == 0 ? ONE : "NXDOMAIN aa");
	await_held(_i == 0 ? 4 : 2);
	add("web", 2, &(struct fake_consul_instance){ .tags = "v1" });
	planes_await(planes, "v1." WEB, BOTH);
	add("db", 1, &(struct fake_consul_instance){ .tags = "v1" });
	planes_await(planes, "v1." DB, ONE);
}
END_TEST

/* --- ways to ask --- */

START_TEST(the_catalog_knows_no_health)
{
	add("web", 1, &(struct fake_consul_instance){ .status = "critical" });
	start("brake = 0", FAR "mode = catalog");
	planes_await(planes, WEB, ONE);
	await_held(3);
	add_plain("web", 2);
	planes_await(planes, WEB, BOTH);
	remove_instance("web", 1);
	planes_await(planes, WEB, TWO);
	ck_assert_uint_eq(fake_consul_counts(consul).health, 0);
}
END_TEST

START_TEST(without_watch_there_are_polls)
{
	add_plain("web", 1);
	start("brake = 0", "interval = 100ms jitter = 0 wait = 10m watch = false");
	planes_await(planes, WEB, ONE);
	add_plain("web", 2);
	planes_await(planes, WEB, BOTH);
	add_plain("db", 1);
	planes_await(planes, DB, ONE);
	remove_instance("db", 1);
	planes_await(planes, DB, "NXDOMAIN aa");
	ck_assert_uint_eq(fake_consul_counts(consul).held, 0);
	char *head = fake_http_last_head(fake_consul_http(consul), "/v1/health/service/web");
	ck_assert_msg(strncmp(head, "GET /v1/health/service/web?stale= ", 34) == 0, "%s", head);
	free(head);
}
END_TEST

enum { HELD = 4, SERVICES = 12 };

static void await_each(const char *text)
{
	for (unsigned i = 0; i < SERVICES; i++) {
		char name[40];

		snprintf(name, sizeof(name), "many-%u.service.local", i);
		planes_await(planes, name, text);
	}
}

static void add_to_each(unsigned n)
{
	for (unsigned i = 0; i < SERVICES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "many-%u", i);
		add_plain(name, n);
	}
}

/* The others are polled once an hour here: it is the list that hastens them. */
START_TEST(services_without_a_place_to_wait_follow_the_list)
{
	enum { POLLS = 16 }; /* requests at a time that are not held */

	add_to_each(1);
	start("brake = 0", FAR "held = 4");
	await_each(ONE);
	await_held(HELD);
	add_to_each(2);
	await_each(BOTH);
	await_held(HELD);
	ck_assert_uint_le(fake_http_counts(fake_consul_http(consul)).most_connections, HELD + POLLS);
}
END_TEST

/* What a check of these services says is in no list: it comes by polls. */
START_TEST(health_without_a_place_to_wait_comes_by_polls)
{
	add_to_each(1);
	add_to_each(2);
	start("", "interval = 200ms jitter = 0 wait = 10m held = 4");
	await_each(BOTH);
	fake_consul_set_check(consul, "node-1", "", "serfHealth", "critical");
	await_each(TWO);
}
END_TEST

/* --- what is no news --- */

static bool has_asked(void *n)
{
	return fake_consul_counts(consul).health >= *(unsigned *)n;
}

static void await_health_requests(unsigned n)
{
	ck_assert(harness_wait(has_asked, &n, CLIENT_LIMIT_MS));
}

static void wake(void)
{
	fake_consul_wake(consul);
}

static void touch(void)
{
	fake_consul_touch(consul, "web");
}

static void (*const noises[])(void) = { wake, touch };

START_TEST(a_wake_up_without_a_change_publishes_nothing)
{
	add_plain("web", 1);
	start("", FAR);
	planes_await(planes, WEB, ONE);
	await_held(3);
	const unsigned before = serial();
	for (unsigned i = 0; i < 5; i++) {
		const unsigned asked = fake_consul_counts(consul).health;

		noises[_i]();
		await_health_requests(asked + 1);
		await_held(3);
	}
	planes_expect(planes, WEB, ONE);
	ck_assert_uint_eq(serial(), before);
	ck_assert_uint_eq(log_count("round=changed"), 0);
}
END_TEST

START_TEST(a_wait_that_ends_publishes_nothing)
{
	add_plain("web", 1);
	start("stale-after = 1s", "interval = 1h wait = 1s");
	planes_await(planes, WEB, ONE);
	await_held(3);
	const unsigned before = serial();
	await_health_requests(fake_consul_counts(consul).health + 5);
	planes_expect(planes, WEB, ONE); /* and nothing is stale */
	ck_assert_uint_eq(serial(), before);
	ck_assert_uint_eq(log_count("round=changed"), 0);
	ck_assert_str_eq(planes_status(planes, "dc1", "failures"), "0");
}
END_TEST

/* --- with others --- */

static const struct {
	const char *merge, *web, *after, *srv;
} merges[] = {
	{ "first", BOTH, ONE, "NOERROR aa; 2 SRV 0 1 80 10-3-0-1.addr.service.local." },
	{ "union", "NOERROR aa; 2 A 10.3.0.1; 2 A 10.3.0.2; 2 A 10.3.0.9",
	  "NOERROR aa; 2 A 10.3.0.1; 2 A 10.3.0.9",
	  "NOERROR aa; 2 SRV 0 1 80 10-3-0-1.addr.service.local.; 2 SRV 0 1 80 10-3-0-9.addr.service.local." },
};

START_TEST(another_registry_in_the_zone_is_merged)
{
	add_plain("web", 1);
	add_plain("web", 2);
	planes = planes_start("zone \"service.local\" { merge = %s registries = { \"dc1\", \"fixed\" } }\n"
			      "consul \"dc1\" { url = \"%s\" " FAR "}\n"
			      "static \"fixed\" { instance \"10.3.0.1:80\" { service = \"web\" }\n"
			      "instance \"10.3.0.9:80\" { service = \"web\" }\n"
			      "instance \"10.3.0.7:80\" { service = \"db\" } }\n",
			      merges[_i].merge, fake_http_url(fake_consul_http(consul)));
	planes_await(planes, WEB, merges[_i].web);
	planes_expect(planes, DB, "NOERROR aa; 2 A 10.3.0.7");
	await_held(3);
	remove_instance("web", 2);
	planes_await(planes, WEB, merges[_i].after);
	await_srv("_web._tcp.service.local", merges[_i].srv); /* what both know is one instance */
}
END_TEST

START_TEST(two_data_centres_are_followed_apart)
{
	struct fake_consul *other = fake_consul_start(0);

	add_plain("web", 1);
	fake_consul_register(other, "web",
			     &(struct fake_consul_instance){ .address = "10.3.0.2", .port = 80 });
	planes =
		planes_start("zone \"service.local\" { merge = union }\n"
			     "consul \"dc1\" { url = \"%s\" " FAR "services = { \"web\" } }\n"
			     "consul \"dc2\" { url = \"%s\" " FAR "services = { \"web\" } }\n",
			     fake_http_url(fake_consul_http(consul)), fake_http_url(fake_consul_http(other)));
	planes_await(planes, WEB, BOTH);
	await_held(1);
	add_plain("web", 3);
	planes_await(planes, WEB, "NOERROR aa; 2 A 10.3.0.1; 2 A 10.3.0.2; 2 A 10.3.0.3");
	fake_consul_register(
		other, "web",
		&(struct fake_consul_instance){ .address = "10.3.0.3", .port = 80, .service_id = "same" });
	log_await("registry=dc2 round=changed");
	add_plain("web", 4);
	planes_await(planes, WEB, "NOERROR aa; 2 A 10.3.0.1; 2 A 10.3.0.2; 2 A 10.3.0.3; 2 A 10.3.0.4");
	fake_consul_stop(other);
}
END_TEST

/* --- a body with everything that is odd --- */

START_TEST(what_is_odd_about_one_instance_costs_that_one)
{
	size_t len;
	char *body = harness_read_data("consul/health-stock.json", &len);

	fake_consul_put(consul, "stock", body);
	add_plain("web", 1);
	start("", FAR "services = { \"stock\", \"web\" }");
	planes_await(planes, WEB, ONE);
	planes_await(planes, "stock.service.local",
		     "NOERROR aa; 2 A 10.9.0.1; 2 A 10.9.0.10; 2 A 10.9.0.11; 2 A 10.9.0.12; 2 A 10.9.0.13; "
		     "2 A 10.9.0.15; 2 A 10.9.0.16; 2 A 10.9.0.17; 2 A 10.9.0.2; 2 A 127.0.0.1");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "ok");
	free(body);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("consul");
	TCase *there = tcase_create("what is there"), *services = tcase_create("services");
	TCase *asking = tcase_create("ways to ask"), *quiet = tcase_create("what is no news");
	TCase *others = tcase_create("with others"), *odd = tcase_create("odd bodies");
	TCase *all[] = { there, services, asking, quiet, others, odd };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		tcase_set_timeout(all[i], 60);
		tcase_add_checked_fixture(all[i], setup, teardown);
		suite_add_tcase(suite, all[i]);
	}
	tcase_add_test(there, what_is_registered_is_answered);
	tcase_add_test(there, an_instance_that_comes_or_goes_shows_at_once);
	tcase_add_loop_test(there, an_instance_that_does_not_pass_is_not_answered, 0,
			    sizeof(checks) / sizeof(checks[0]));
	tcase_add_loop_test(there, what_is_healthy_enough_is_the_zones_to_say, 0,
			    sizeof(wishes) / sizeof(wishes[0]));
	tcase_add_test(there, weights_are_those_of_the_state);

	tcase_add_test(services, a_service_comes_and_goes_with_the_list);
	tcase_add_test(services, only_configured_services_are_asked_for);
	tcase_add_loop_test(services, tags_choose_and_are_names, 0, 2);

	tcase_add_test(asking, the_catalog_knows_no_health);
	tcase_add_test(asking, without_watch_there_are_polls);
	tcase_add_test(asking, services_without_a_place_to_wait_follow_the_list);
	tcase_add_test(asking, health_without_a_place_to_wait_comes_by_polls);

	tcase_add_loop_test(quiet, a_wake_up_without_a_change_publishes_nothing, 0,
			    sizeof(noises) / sizeof(noises[0]));
	tcase_add_test(quiet, a_wait_that_ends_publishes_nothing);

	tcase_add_loop_test(others, another_registry_in_the_zone_is_merged, 0,
			    sizeof(merges) / sizeof(merges[0]));
	tcase_add_test(others, two_data_centres_are_followed_apart);

	tcase_add_test(odd, what_is_odd_about_one_instance_costs_that_one);
	return harness_run(suite);
}
