/* SPDX-License-Identifier: BSD-2-Clause */
/* A DNS server as a registry, from its answers to ours. */
#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client.h"
#include "fake_dns.h"
#include "harness.h"
#include "planes.h"

#define FAST "interval = 100ms jitter = 0 timeout = 500ms"

static struct planes *planes;
static struct fake_dns *dns;

static void setup(void)
{
	dns = fake_dns_start();
	log_capture();
}

static void teardown(void)
{
	planes_stop(planes);
	fake_dns_stop(dns);
	log_release();
}

/* The registry "other" with these names and options. */
static void start(const char *names, const char *options)
{
	planes = planes_start("zone \"service.local\" { brake = 700ms }\n"
			      "dns \"other\" { server = \"127.0.0.1:%u\" names = { %s } %s }\n",
			      fake_dns_port(dns), names, options);
}

struct wanted {
	const char *name, *text;
	uint16_t type;
	char got[1024];
};

static bool is_answered(void *context)
{
	struct wanted *w = context;
	struct client *c = client_udp(planes_port(planes));

	snprintf(w->got, sizeof(w->got), "%s",
		 client_ask(c, &(struct question){ .name = w->name, .type = w->type }));
	client_close(c);
	return strcmp(w->got, w->text) == 0;
}

static void await_srvs(const char *name, const char *text)
{
	struct wanted w = { .name = name, .text = text, .type = LDNS_RR_TYPE_SRV };

	ck_assert_msg(harness_wait(is_answered, &w, CLIENT_LIMIT_MS), "%s is \"%s\" and not \"%s\"", name,
		      w.got, text);
}

/* Waits for n more queries from now on. */
static bool has_queries(void *n)
{
	return fake_dns_queries(dns) >= *(unsigned *)n;
}

static void await_queries(unsigned more)
{
	unsigned n = fake_dns_queries(dns) + more;

	ck_assert(harness_wait(has_queries, &n, CLIENT_LIMIT_MS));
}

#define SHOP  "shop.service.local"
#define STOCK "stock.service.local"

/* --- what is read --- */

static void add_two_srvs(void)
{
	fake_dns_add(dns, "shop.example", NULL, 60);
	fake_dns_add_srv(dns, "shop.example", "n1.example", 8080, 1, 10, 60);
	fake_dns_add_srv(dns, "shop.example", "n2.example", 8081, 2, 0, 60);
	fake_dns_add(dns, "n1.example", "10.1.0.1", 60);
	fake_dns_add(dns, "n1.example", "fd00::1", 60);
	fake_dns_add(dns, "n2.example", "10.1.0.2", 60);
}

/* With the addresses in the additional section, and without. A weight of 0 is that of a server without
 * weights (RFC 2782), and not one that is drained. */
START_TEST(ports_priorities_weights_and_targets_come_from_srv)
{
	add_two_srvs();
	fake_dns_set_quirks(dns, _i == 0 ? 0 : FAKE_DNS_BARE);
	start("\"shop.example\"", FAST);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2");
	await_srvs(SHOP, "NOERROR aa; 2 SRV 1 10 8080 10-1-0-1.addr.service.local.; "
			 "2 SRV 1 10 8080 fd00--1.addr.service.local.; "
			 "2 SRV 2 1 8081 10-1-0-2.addr.service.local.");
	ck_assert_str_eq(planes_status(planes, "other", "instances"), "3");
}
END_TEST

START_TEST(addresses_are_instances_with_the_configured_port)
{
	fake_dns_add(dns, "shop.example", "10.1.0.1", 60);
	fake_dns_add(dns, "shop.example", "fd00::1", 60);
	start("\"shop.example\"", FAST " ask = address port = 8080");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	await_srvs(SHOP, "NOERROR aa; 2 SRV 0 1 8080 10-1-0-1.addr.service.local.; "
			 "2 SRV 0 1 8080 fd00--1.addr.service.local.");
}
END_TEST

START_TEST(several_names_are_several_services_called_as_configured)
{
	fake_dns_add(dns, "shop.example", "10.1.0.1", 60);
	fake_dns_add(dns, "inventory.elsewhere.example", "10.1.0.2", 60);
	start("\"shop.example\", \"stock=inventory.elsewhere.example\"", FAST " ask = address");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	planes_await(planes, STOCK, "NOERROR aa; 2 A 10.1.0.2");
	planes_expect(planes, "inventory.service.local", "NXDOMAIN aa");
	ck_assert_str_eq(planes_status(planes, "other", "services"), "2");
}
END_TEST

START_TEST(an_alias_is_followed)
{
	fake_dns_alias(dns, "shop.example", "real.example", 60);
	fake_dns_add(dns, "real.example", "10.1.0.1", 60);
	start("\"shop.example\"", FAST " ask = address");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

START_TEST(what_is_too_large_for_udp_is_asked_for_over_tcp)
{
	enum { N = 300 };
	char target[32], address[32];

	fake_dns_add(dns, "shop.example", NULL, 60);
	for (unsigned i = 0; i < N; i++) {
		snprintf(target, sizeof(target), "n%u.example", i);
		snprintf(address, sizeof(address), "10.1.%u.%u", i / 200, i % 200 + 1);
		fake_dns_add_srv(dns, "shop.example", target, 80, 0, 1, 60);
		fake_dns_add(dns, target, address, 60);
	}
	start("\"shop.example\"", FAST);
	planes_await_status(planes, "other", "instances", "300");
	ck_assert_uint_ge(fake_dns_tcp_queries(dns), 1);
}
END_TEST

/* --- changes and losses --- */

START_TEST(changes_show)
{
	fake_dns_add(dns, "shop.example", "10.1.0.1", 60);
	start("\"shop.example\"", FAST " ask = address");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	fake_dns_add(dns, "shop.example", "10.1.0.2", 60);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2");
	fake_dns_remove(dns, "shop.example");
	fake_dns_add(dns, "shop.example", "10.1.0.2", 60);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
}
END_TEST

START_TEST(a_name_that_does_not_exist_is_a_service_without_instances)
{
	fake_dns_add(dns, "stock.example", NULL, 60);
	start("\"shop.example\", \"stock.example\"", _i == 0 ? FAST : FAST " ask = address");
	planes_await(planes, SHOP, "NOERROR aa");
	planes_await(planes, STOCK, "NOERROR aa");
	ck_assert_str_eq(planes_status(planes, "other", "state"), "ok");
	ck_assert_str_eq(planes_status(planes, "other", "instances"), "0");
}
END_TEST

/* Asked every 2 s, so that it is the brake's time that counts and not the second time it is said. */
START_TEST(a_name_that_ceases_to_exist_is_believed_after_the_brake)
{
	fake_dns_add(dns, "shop.example", "10.1.0.1", 60);
	start("\"shop.example\"", "ask = address interval = 2s jitter = 0");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	fake_dns_remove(dns, "shop.example");
	planes_await_status(planes, "other", "held", "1");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	const uint64_t start_ms = clock_ms();
	planes_await(planes, SHOP, "NOERROR aa");
	ck_assert_uint_ge(clock_ms() - start_ms, 500);
	ck_assert_str_eq(planes_status(planes, "other", "state"), "ok");
}
END_TEST

START_TEST(a_name_that_ceases_to_exist_is_believed_the_second_time)
{
	fake_dns_add(dns, "shop.example", "10.1.0.1", 60);
	start("\"shop.example\"", FAST " ask = address");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	const unsigned n = fake_dns_queries(dns);
	fake_dns_remove(dns, "shop.example");
	planes_await(planes, SHOP, "NOERROR aa");
	ck_assert_uint_ge(fake_dns_queries(dns), n + 2);
}
END_TEST

/* --- failures --- */

static const struct {
	int rcode, silent;
	const char *logged;
} failures[] = {
	{ 2, 0, "SERVFAIL" },
	{ 5, 0, "REFUSED" },
	{ -1, 255, "no answer" },
};

START_TEST(failures_keep_the_data_and_its_age)
{
	fake_dns_add(dns, "shop.example", "10.1.0.1", 60);
	planes = planes_start("zone \"service.local\" { stale-after = 1s }\n"
			      "dns \"other\" { server = \"127.0.0.1:%u\" names = { \"shop.example\" } "
			      "ask = address " FAST " }\n",
			      fake_dns_port(dns));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	fake_dns_set_rcode(dns, failures[_i].rcode);
	fake_dns_set_silent(dns, failures[_i].silent);
	planes_await_status(planes, "other", "state", "failing");
	log_await(failures[_i].logged);
	planes_await(planes, SHOP, "NOERROR aa ede 3; 1 A 10.1.0.1");
	ck_assert_uint_eq(log_count("round=failed"), 1);

	fake_dns_set_rcode(dns, -1);
	fake_dns_set_silent(dns, 0);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	planes_await_status(planes, "other", "state", "ok");
}
END_TEST

/* Every question but that for the second name is answered. */
START_TEST(a_name_that_fails_does_not_delay_another)
{
	fake_dns_add(dns, "shop.example", "10.1.0.1", 60);
	fake_dns_add(dns, "stock.example", NULL, 60);
	fake_dns_add_srv(dns, "stock.example", "n1.example", 80, 0, 1, 60);
	fake_dns_add(dns, "n1.example", "10.1.0.2", 60);
	fake_dns_set_silent(dns, 33);
	planes = planes_start("dns \"silent\" { server = \"127.0.0.1:%u\" names = { \"stock.example\" } " FAST
			      " }\ndns \"other\" { server = \"127.0.0.1:%u\" names = { \"shop.example\" } "
			      "ask = address " FAST " }\n",
			      fake_dns_port(dns), fake_dns_port(dns));
	for (unsigned i = 1; i < 10; i++) {
		char address[32], text[64];

		snprintf(address, sizeof(address), "10.2.0.%u", i);
		fake_dns_remove(dns, "shop.example");
		fake_dns_add(dns, "shop.example", address, 60);
		snprintf(text, sizeof(text), "NOERROR aa; 2 A %s", address);
		const uint64_t start_ms = clock_ms();
		planes_await(planes, SHOP, text);
		ck_assert_uint_lt(clock_ms() - start_ms, slowed(450));
	}
	planes_await_status(planes, "silent", "state", "failing");
	planes_expect(planes, STOCK, "NXDOMAIN aa ede 0");
}
END_TEST

/* Of one registry the names fail on their own, too: here one whose target is not answered for. */
START_TEST(a_broken_name_leaves_the_others_of_its_registry)
{
	add_two_srvs();
	fake_dns_add(dns, "stock.example", NULL, 60);
	fake_dns_add_srv(dns, "stock.example", "gone.example", 80, 0, 1, 60);
	fake_dns_set_silent(dns, 1);
	start("\"stock.example\", \"shop.example\"", FAST);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2");
	planes_await_status(planes, "other", "state", "failing");
	fake_dns_add(dns, "n1.example", "10.1.0.3", 60);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2; 2 A 10.1.0.3");
	ck_assert_str_eq(planes_status(planes, "other", "state"), "failing");
	planes_expect(planes, STOCK, "NXDOMAIN aa ede 0");
}
END_TEST

START_TEST(a_server_that_comes_late_is_heard)
{
	fake_dns_set_silent(dns, 255);
	fake_dns_add(dns, "shop.example", "10.1.0.1", 60);
	start("\"shop.example\"", FAST " ask = address");
	planes_await_status(planes, "other", "state", "failing");
	planes_expect(planes, SHOP, "SERVFAIL ede 14");
	fake_dns_set_silent(dns, 0);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

/* --- when to ask again --- */

START_TEST(a_ttl_below_the_interval_is_when_it_is_asked_again)
{
	fake_dns_add(dns, "shop.example", "10.1.0.1", 1);
	start("\"shop.example\"", "ask = address interval = 20s jitter = 0");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	const uint64_t start_ms = clock_ms();
	await_queries(4);
	ck_assert_uint_ge(clock_ms() - start_ms, 900);
	ck_assert_uint_lt(clock_ms() - start_ms, slowed(6000));
}
END_TEST

START_TEST(a_ttl_above_the_interval_is_no_reason_to_wait)
{
	fake_dns_add(dns, "shop.example", "10.1.0.1", 86400);
	start("\"shop.example\"", FAST " ask = address");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	await_queries(4);
}
END_TEST

/* As Consul says it, to keep caches away. */
START_TEST(a_ttl_of_zero_is_no_reason_to_hurry)
{
	fake_dns_add(dns, "shop.example", "10.1.0.1", 0);
	start("\"shop.example\"", "ask = address interval = 1s jitter = 0");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	await_queries(2); /* the second round comes anywhere in the interval */
	const uint64_t start_ms = clock_ms();
	await_queries(2);
	ck_assert_uint_ge(clock_ms() - start_ms, 800);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dns");
	TCase *tc = tcase_create("dns");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, ports_priorities_weights_and_targets_come_from_srv, 0, 2);
	tcase_add_test(tc, addresses_are_instances_with_the_configured_port);
	tcase_add_test(tc, several_names_are_several_services_called_as_configured);
	tcase_add_test(tc, an_alias_is_followed);
	tcase_add_test(tc, what_is_too_large_for_udp_is_asked_for_over_tcp);
	tcase_add_test(tc, changes_show);
	tcase_add_loop_test(tc, a_name_that_does_not_exist_is_a_service_without_instances, 0, 2);
	tcase_add_test(tc, a_name_that_ceases_to_exist_is_believed_after_the_brake);
	tcase_add_test(tc, a_name_that_ceases_to_exist_is_believed_the_second_time);
	tcase_add_loop_test(tc, failures_keep_the_data_and_its_age, 0,
			    sizeof(failures) / sizeof(failures[0]));
	tcase_add_test(tc, a_name_that_fails_does_not_delay_another);
	tcase_add_test(tc, a_broken_name_leaves_the_others_of_its_registry);
	tcase_add_test(tc, a_server_that_comes_late_is_heard);
	tcase_add_test(tc, a_ttl_below_the_interval_is_when_it_is_asked_again);
	tcase_add_test(tc, a_ttl_above_the_interval_is_no_reason_to_wait);
	tcase_add_test(tc, a_ttl_of_zero_is_no_reason_to_hurry);
	return harness_run(suite);
}
