/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is not on loopback: an address of this machine that is no loopback address asks one that is. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "client.h"
#include "harness.h"
#include "planes.h"

#define SHOP        "shop.service.local"
#define SHOP_ANSWER "NOERROR aa; 2 A 10.1.0.1"

static struct planes *planes;
static struct sockaddr_in outside;

/* False on a machine that has nothing but loopback. */
static bool find_outside(void)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET ||
		    (i->ifa_flags & IFF_LOOPBACK) != 0)
			continue;
		memcpy(&outside, i->ifa_addr, sizeof(outside));
		outside.sin_port = 0;
		found = true;
	}
	freeifaddrs(all);
	return found;
}

static void start(const char *options)
{
	planes = planes_start("%s\nstatic \"fixed\" { instance \"10.1.0.1:80\" { service = \"shop\" } }\n",
			      options);
	planes_await(planes, SHOP, SHOP_ANSWER);
}

static void teardown(void)
{
	planes_stop(planes);
}

static struct client *connect_from_outside(bool tcp)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(planes_port(planes)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct client *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	*c = (struct client){ .port = planes_port(planes), .tcp = tcp };
	c->fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(c->fd, (struct sockaddr *)&outside, sizeof(outside)), 0);
	ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return c;
}

static const char *ask_from_outside(bool tcp)
{
	struct client *c = connect_from_outside(tcp);
	const char *text = client_ask(c, &(struct question){ .name = SHOP });

	client_close(c);
	return text;
}

/* Waits until that is the answer over UDP. */
static bool is_answered(void *text)
{
	return strcmp(ask_from_outside(false), text) == 0;
}

static void await_from_outside(const char *text)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", text);
	ck_assert_msg(harness_wait(is_answered, copy, CLIENT_LIMIT_MS), "%s", ask_from_outside(false));
}

/* allow = { a network of that many bits with the address from outside in it }. */
static const char *allow_outside(unsigned prefix)
{
	static char option[100];
	struct sockaddr_in network = outside;
	struct endpoint e = { .len = sizeof(network) };
	char text[ADDRESS_TEXT_MAX];
	struct address a;

	network.sin_addr.s_addr &= htonl(~0U << (32 - prefix));
	e.at.ip4 = network;
	endpoint_to_address(&e, &a);
	snprintf(option, sizeof(option), "allow = { \"fd00::/8\", \"%s/%u\" }", address_to_text(&a, text),
		 prefix);
	return option;
}

START_TEST(strangers_are_refused_and_counted)
{
	start("");
	for (unsigned i = 1; i <= 10; i++) {
		ck_assert_str_eq(ask_from_outside(false), "REFUSED");
		ck_assert_uint_eq(planes_counter(planes, COUNTER_REFUSED), i);
	}
	planes_expect(planes, SHOP, SHOP_ANSWER);
	ck_assert_uint_eq(planes_counter(planes, COUNTER_REFUSED), 10);
}
END_TEST

/* It does not cost one of ours its place either. */
START_TEST(connections_of_strangers_are_closed_at_once)
{
	uint8_t octet;

	start("tcp-clients = 1 tcp-idle = 10m");
	struct client *own = client_tcp(planes_port(planes));
	ck_assert_str_eq(client_ask(own, &(struct question){ .name = SHOP }), SHOP_ANSWER);
	for (unsigned i = 1; i <= 20; i++) {
		struct client *c = connect_from_outside(true);

		ck_assert_int_eq(recv(c->fd, &octet, 1, 0), -1);
		ck_assert_int_eq(errno, ECONNRESET);
		client_close(c);
		planes_await_counter(planes, COUNTER_REFUSED, i);
	}
	ck_assert_str_eq(client_ask(own, &(struct question){ .name = SHOP }), SHOP_ANSWER);
	ck_assert_uint_eq(planes_counter(planes, COUNTER_TCP_CLOSED), 0);
	client_close(own);
}
END_TEST

static const unsigned prefixes[] = { 1, 8, 24, 32 };

START_TEST(whom_allow_names_is_answered)
{
	start(allow_outside(prefixes[_i]));
	ck_assert_str_eq(ask_from_outside(false), SHOP_ANSWER);
	ck_assert_str_eq(ask_from_outside(true), SHOP_ANSWER);
	planes_expect(planes, SHOP, SHOP_ANSWER);
	ck_assert_uint_eq(planes_counter(planes, COUNTER_REFUSED), 0);
}
END_TEST

START_TEST(whom_allow_does_not_name_is_not)
{
	start("allow = { \"203.0.113.0/24\", \"::/0\", \"240.0.0.0/4\" } threads = 2");
	ck_assert_str_eq(ask_from_outside(false), "REFUSED");
	planes_expect(planes, SHOP, SHOP_ANSWER);
}
END_TEST

START_TEST(a_reload_changes_who_may_ask)
{
	static const char more[] = "static \"fixed\" { instance \"10.1.0.1:80\" { service = \"shop\" } }";

	start("");
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(ask_from_outside(false), "REFUSED");
		planes_reload(planes, "%s\n%s", allow_outside(32), more);
		await_from_outside(SHOP_ANSWER);
		ck_assert_str_eq(ask_from_outside(true), SHOP_ANSWER);
		planes_reload(planes, "%s", more);
		await_from_outside("REFUSED");
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("strangers");
	TCase *tc = tcase_create("strangers");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_set_timeout(tc, 30);
	if (find_outside()) {
		tcase_add_test(tc, strangers_are_refused_and_counted);
		tcase_add_test(tc, connections_of_strangers_are_closed_at_once);
		tcase_add_loop_test(tc, whom_allow_names_is_answered, 0, 4);
		tcase_add_test(tc, whom_allow_does_not_name_is_not);
		tcase_add_test(tc, a_reload_changes_who_may_ask);
	}
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
