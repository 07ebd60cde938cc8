/* SPDX-License-Identifier: BSD-2-Clause */
/* One zone out of several registries of different kinds: who decides, what is the same instance, and what
 * happens to the parts when one of them is down. */
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fake_consul.h"
#include "fake_dns.h"
#include "harness.h"
#include "planes.h"

static struct planes *planes;
static struct fake_consul *consul;
static struct fake_dns *dns;
static char *dir;

static void setup(void)
{
	consul = fake_consul_start(0);
	dns = fake_dns_start();
	dir = harness_make_dir();
}

static void teardown(void)
{
	planes_stop(planes);
	fake_consul_stop(consul);
	fake_dns_stop(dns);
	harness_remove_dir(dir);
}

/* Three registries, asked for what they call shop, left and right. */
static void start(const char *zones)
{
	planes = planes_start("%s\n"
			      "consul \"dc1\" { url = \"%s\" timeout = 500ms wait = 1s }\n"
			      "file \"local\" { path = \"%s/local.json\" interval = 200ms jitter = 0 }\n"
			      "dns \"other\" { server = \"127.0.0.1:%u\" names = { \"shop=shop.example\", "
			      "\"right=right.example\" } interval = 200ms jitter = 0 timeout = 500ms }\n",
			      zones, fake_http_url(fake_consul_http(consul)), dir, fake_dns_port(dns));
}

static void register_with(const char *service, const char *address, unsigned port, unsigned weight)
{
	char id[80];

	snprintf(id, sizeof(id), "%s-%s-%u", service, address, port);
	fake_consul_register(consul, service,
			     &(struct fake_consul_instance){ .node = "n1",
							     .node_address = "10.0.0.1",
							     .service_id = id,
							     .address = address,
							     .port = port,
							     .weight_passing = weight });
}

static void drop_file(const char *text)
{
	harness_replace_file(dir, "local.json", text);
}

static void add_srv(const char *service, const char *address, uint16_t port, uint16_t weight)
{
	char name[80], target[80];

	snprintf(name, sizeof(name), "%s.example", service);
	snprintf(target, sizeof(target), "t-%s.example", address);
	fake_dns_add(dns, name, NULL, 60);
	fake_dns_add_srv(dns, name, target, port, 0, weight, 60);
	fake_dns_add(dns, target, address, 60);
}

static const char *ask(const char *name, uint16_t type)
{
	static char text[1024];
	struct client *c = client_udp(planes_port(planes));

	snprintf(text, sizeof(text), "%s", client_ask(c, &(struct question){ .name = name, .type = type }));
	client_close(c);
	return text;
}

struct wanted {
	const char *name, *text;
};

static bool has_srvs(void *context)
{
	const struct wanted *w = context;

	return strcmp(ask(w->name, LDNS_RR_TYPE_SRV), w->text) == 0;
}

static void await_srvs(const char *name, const char *text)
{
	struct wanted w = { name, text };

	ck_assert_msg(harness_wait(has_srvs, &w, CLIENT_LIMIT_MS), "%s is \"%s\" and not \"%s\"", name,
		      ask(name, LDNS_RR_TYPE_SRV), text);
}

#define ONE(address) "{\"shop\":[\"" address ":80\"]}"

/* --- who decides --- */

static void fill_all(void)
{
	register_with("shop", "10.1.0.1", 80, 1);
	register_with("left", "10.1.0.2", 80, 1);
	drop_file(ONE("10.2.0.1"));
	add_srv("shop", "10.3.0.1", 80, 1);
	add_srv("right", "10.3.0.2", 80, 1);
}

START_TEST(union_is_what_any_of_them_says)
{
	fill_all();
	start("zone \"service.local\" { merge = union }");
	planes_await(planes, "shop.service.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.2.0.1; 2 A 10.3.0.1");
	planes_await(planes, "left.service.local", "NOERROR aa; 2 A 10.1.0.2");
	planes_await(planes, "right.service.local", "NOERROR aa; 2 A 10.3.0.2");
	planes_expect(planes, "none.service.local", "NXDOMAIN aa");
}
END_TEST

START_TEST(first_is_the_first_of_the_list_that_knows_the_name)
{
	fill_all();
	start("zone \"a.local\" { registries = { \"dc1\", \"local\", \"other\" } }"
	      "zone \"b.local\" { registries = { \"local\", \"other\", \"dc1\" } }"
	      "zone \"c.local\" { registries = { \"other\", \"dc1\" } }");
	planes_await(planes, "left.a.local", "NOERROR aa; 2 A 10.1.0.2");
	planes_await(planes, "right.a.local", "NOERROR aa; 2 A 10.3.0.2");
	planes_await(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_await(planes, "shop.b.local", "NOERROR aa; 2 A 10.2.0.1");
	planes_await(planes, "shop.c.local", "NOERROR aa; 2 A 10.3.0.1");
	planes_expect(planes, "left.b.local", "NOERROR aa; 2 A 10.1.0.2");
	planes_expect(planes, "right.c.local", "NOERROR aa; 2 A 10.3.0.2");
}
END_TEST

START_TEST(a_service_that_the_first_knows_as_empty_is_empty)
{
	register_with("shop", "10.1.0.1", 80, 1);
	drop_file("{\"shop\":[]}");
	start("zone \"a.local\" { registries = { \"local\", \"dc1\" } }"
	      "zone \"b.local\" { registries = { \"local\", \"dc1\" } merge = union }");
	planes_await(planes, "shop.b.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_expect(planes, "shop.a.local", "NOERROR aa");
	drop_file("{\"other\":[]}");
	planes_await(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

/* --- the same instance --- */

#define BOTH_ORDERS                                                                                          \
	"zone \"a.local\" { registries = { \"dc1\", \"local\", \"other\" } merge = union }"                  \
	"zone \"b.local\" { registries = { \"local\", \"other\", \"dc1\" } merge = union }"                  \
	"zone \"c.local\" { registries = { \"other\", \"dc1\" } merge = union }"

START_TEST(an_instance_that_two_of_them_know_is_one_and_as_the_first_says)
{
	static const char *const names[] = { "shop.a.local", "shop.b.local", "shop.c.local", NULL };

	register_with("shop", "10.1.0.1", 80, 7);
	register_with("shop", "fd00::1", 80, 7);
	drop_file("[{\"targets\":[\"10.1.0.1:80\",\"[fd00::1]:80\"],"
		  "\"labels\":{\"service\":\"shop\",\"weight\":\"3\"}}]");
	add_srv("shop", "10.1.0.1", 80, 5);
	start(BOTH_ORDERS);
	await_srvs("shop.a.local", "NOERROR aa; 2 SRV 0 7 80 10-1-0-1.addr.a.local.; "
				   "2 SRV 0 7 80 fd00--1.addr.a.local.");
	await_srvs("shop.b.local", "NOERROR aa; 2 SRV 0 3 80 10-1-0-1.addr.b.local.; "
				   "2 SRV 0 3 80 fd00--1.addr.b.local.");
	await_srvs("shop.c.local", "NOERROR aa; 2 SRV 0 5 80 10-1-0-1.addr.c.local.; "
				   "2 SRV 0 7 80 fd00--1.addr.c.local.");
	for (const char *const *name = names; *name != NULL; name++) {
		ck_assert_str_eq(ask(*name, LDNS_RR_TYPE_A), "NOERROR aa; 2 A 10.1.0.1");
		ck_assert_str_eq(ask(*name, LDNS_RR_TYPE_AAAA), "NOERROR aa; 2 AAAA fd00::1");
	}
}
END_TEST

START_TEST(another_port_of_the_same_address_is_another_instance)
{
	register_with("shop", "10.1.0.1", 80, 1);
	drop_file("{\"shop\":[\"10.1.0.1:81\"]}");
	start("zone \"a.local\" { merge = union }");
	await_srvs("shop.a.local", "NOERROR aa; 2 SRV 0 1 80 10-1-0-1.addr.a.local.; "
				   "2 SRV 0 1 81 10-1-0-1.addr.a.local.");
	planes_expect(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

START_TEST(the_health_is_what_the_first_says_too)
{
	register_with("shop", "10.1.0.1", 80, 1);
	register_with("shop", "10.1.0.2", 80, 1);
	fake_consul_set_check(consul, "n1", "shop-10.1.0.1-80", "alive", "critical");
	drop_file(ONE("10.1.0.1"));
	start(BOTH_ORDERS);
	planes_await(planes, "shop.b.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2");
	planes_expect(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.2");
	fake_consul_set_check(consul, "n1", "shop-10.1.0.1-80", "alive", "passing");
	planes_await(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2");
}
END_TEST

/* It is the first's as long as the first knows it, and then the second's. */
START_TEST(an_instance_that_the_first_forgets_stays_as_the_second_says)
{
	register_with("shop", "10.1.0.1", 80, 7);
	register_with("shop", "10.1.0.2", 80, 7);
	drop_file("[{\"targets\":[\"10.1.0.1:80\"],\"labels\":{\"service\":\"shop\",\"weight\":\"3\"}}]");
	start(BOTH_ORDERS);
	planes_await(planes, "shop.b.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2");
	planes_await(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2");
	fake_consul_deregister(consul, "shop", "n1", "shop-10.1.0.2-80");
	planes_await(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1");
	await_srvs("shop.a.local", "NOERROR aa; 2 SRV 0 7 80 10-1-0-1.addr.a.local.");
	register_with("shop", "10.1.0.3", 80, 7);
	fake_consul_deregister(consul, "shop", "n1", "shop-10.1.0.1-80");
	planes_await(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.3");
	await_srvs("shop.a.local", "NOERROR aa; 2 SRV 0 3 80 10-1-0-1.addr.a.local.; "
				   "2 SRV 0 7 80 10-1-0-3.addr.a.local.");
}
END_TEST

/* --- down --- */

static const enum fake_consul_mode modes[] = { FAKE_CONSUL_DENIED, FAKE_CONSUL_NO_LEADER,
					       FAKE_CONSUL_TOO_MANY, FAKE_CONSUL_HANG };

START_TEST(one_that_fails_does_not_change_what_the_others_say)
{
	fill_all();
	start("zone \"service.local\" { merge = union }");
	planes_await(planes, "shop.service.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.2.0.1; 2 A 10.3.0.1");
	planes_await(planes, "left.service.local", "NOERROR aa; 2 A 10.1.0.2");
	fake_consul_set_mode(consul, modes[_i]);
	fake_consul_wake(consul);
	if (modes[_i] != FAKE_CONSUL_NO_LEADER) /* stale reads, which are usual, are answered */
		planes_await_status(planes, "dc1", "state", "failing");
	drop_file(ONE("10.2.0.9"));
	/* Servers without a leader say that their data is minutes old. */
	const bool is_old = modes[_i] == FAKE_CONSUL_NO_LEADER;
	planes_await(planes, "shop.service.local",
		     is_old ? "NOERROR aa ede 3; 1 A 10.1.0.1; 1 A 10.2.0.9; 1 A 10.3.0.1"
			    : "NOERROR aa; 2 A 10.1.0.1; 2 A 10.2.0.9; 2 A 10.3.0.1");
	planes_expect(planes, "left.service.local",
		      is_old ? "NOERROR aa ede 3; 1 A 10.1.0.2" : "NOERROR aa; 2 A 10.1.0.2");
	fake_consul_set_mode(consul, FAKE_CONSUL_NORMAL);
	register_with("shop", "10.1.0.9", 80, 1);
	planes_await(planes, "shop.service.local",
		     "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.9; 2 A 10.2.0.9; 2 A 10.3.0.1");
	planes_await_status(planes, "dc1", "state", "ok");
}
END_TEST

START_TEST(with_all_down_all_stays)
{
	fill_all();
	start("zone \"service.local\" { merge = union }");
	planes_await(planes, "shop.service.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.2.0.1; 2 A 10.3.0.1");
	planes_await(planes, "right.service.local", "NOERROR aa; 2 A 10.3.0.2");
	planes_await(planes, "left.service.local", "NOERROR aa; 2 A 10.1.0.2");
	fake_http_down(fake_consul_http(consul));
	fake_dns_set_silent(dns, 255);
	drop_file("no JSON");
	planes_await_status(planes, "dc1", "state", "failing");
	planes_await_status(planes, "local", "state", "failing");
	planes_await_status(planes, "other", "state", "failing");
	planes_expect(planes, "shop.service.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.2.0.1; 2 A 10.3.0.1");
	planes_expect(planes, "left.service.local", "NOERROR aa; 2 A 10.1.0.2");
	planes_expect(planes, "none.service.local", "NXDOMAIN aa ede 0");
	fake_http_up(fake_consul_http(consul));
	register_with("left", "10.1.0.3", 80, 1);
	planes_await(planes, "left.service.local", "NOERROR aa; 2 A 10.1.0.2; 2 A 10.1.0.3");
}
END_TEST

START_TEST(one_that_was_never_heard_leaves_the_rest_to_the_others)
{
	fill_all();
	fake_http_down(fake_consul_http(consul));
	start("zone \"a.local\" { } zone \"b.local\" { merge = union }");
	planes_await(planes, "shop.a.local", "NOERROR aa; 2 A 10.2.0.1");
	planes_await(planes, "shop.b.local", "NOERROR aa; 2 A 10.2.0.1; 2 A 10.3.0.1");
	fake_http_up(fake_consul_http(consul));
	planes_await(planes, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_await(planes, "shop.b.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.2.0.1; 2 A 10.3.0.1");
}
END_TEST

START_TEST(with_none_ever_heard_servfail_says_so)
{
	fake_http_down(fake_consul_http(consul));
	fake_dns_set_rcode(dns, 2);
	start("zone \"service.local\" { merge = union }");
	ck_assert(planes_are_ready(planes));
	planes_expect(planes, "shop.service.local", "SERVFAIL ede 14");
	drop_file(ONE("10.2.0.1"));
	planes_await(planes, "shop.service.local", "NOERROR aa; 2 A 10.2.0.1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("merge");
	TCase *tc = tcase_create("merge");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	tcase_add_test(tc, union_is_what_any_of_them_says);
	tcase_add_test(tc, first_is_the_first_of_the_list_that_knows_the_name);
	tcase_add_test(tc, a_service_that_the_first_knows_as_empty_is_empty);
	tcase_add_test(tc, an_instance_that_two_of_them_know_is_one_and_as_the_first_says);
	tcase_add_test(tc, another_port_of_the_same_address_is_another_instance);
	tcase_add_test(tc, the_health_is_what_the_first_says_too);
	tcase_add_test(tc, an_instance_that_the_first_forgets_stays_as_the_second_says);
	tcase_add_loop_test(tc, one_that_fails_does_not_change_what_the_others_say, 0,
			    sizeof(modes) / sizeof(modes[0]));
	tcase_add_test(tc, with_all_down_all_stays);
	tcase_add_test(tc, one_that_was_never_heard_leaves_the_rest_to_the_others);
	tcase_add_test(tc, with_none_ever_heard_servfail_says_so);
	return harness_run(suite);
}
