/* SPDX-License-Identifier: BSD-2-Clause */
/* In a network namespace of its own, where that is allowed; what a subnet is, check_subnets.c tests anywhere.
 */
#include "feed/home.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness.h"

enum { LIMIT_MS = 10000 };

static struct event_base *loop;
static struct home *home;
static unsigned n_changed;

static void count(void *context)
{
	(void)context;
	n_changed++;
	event_base_loopbreak(loop);
}

static bool has(const char *text)
{
	struct address a;

	ck_assert(address_from_text(text, strlen(text), &a));
	return home_has(home, &a);
}

/* Waits until changed() has been called once more. */
static void await_change(const char *command)
{
	const unsigned before = n_changed;
	const uint64_t end_ms = clock_ms() + LIMIT_MS;
	struct timeval wait = { .tv_usec = 50000 };

	ck_assert_int_eq(system(command), 0);
	while (n_changed == before && clock_ms() < end_ms) {
		event_base_loopexit(loop, &wait);
		event_base_dispatch(loop);
	}
	ck_assert_msg(n_changed > before, "nothing told of: %s", command);
}

START_TEST(addresses_that_come_and_go_are_noticed)
{
	if (!harness_enter_network())
		return;
	loop = event_base_new();
	ck_assert_int_eq(system("ip address add 10.1.0.9/16 dev lo"), 0);
	ck_assert_int_eq(home_create(loop, count, NULL, &home), 0);
	ck_assert(has("10.1.200.1") && !has("10.2.0.1") && !has("127.0.0.1"));
	await_change("ip address add 10.2.0.9/24 dev lo");
	ck_assert(has("10.1.200.1") && has("10.2.0.1") && !has("10.2.1.1"));
	await_change("ip -6 address add fd00:1::9/64 dev lo");
	ck_assert(has("fd00:1::1") && !has("fd00:2::1") && !has("::1"));
	await_change("ip address delete 10.1.0.9/16 dev lo");
	ck_assert(!has("10.1.200.1") && has("10.2.0.1"));
	home_destroy(home);
	event_base_free(loop);
}
END_TEST

/* A second address of the same subnet changes nothing. */
START_TEST(what_changes_no_subnet_is_not_told)
{
	if (!harness_enter_network())
		return;
	loop = event_base_new();
	ck_assert_int_eq(system("ip address add 10.1.0.9/16 dev lo"), 0);
	ck_assert_int_eq(home_create(loop, count, NULL, &home), 0);
	ck_assert_int_eq(system("ip address add 10.1.0.10/16 dev lo"), 0);
	await_change("ip address add 10.2.0.9/24 dev lo");
	ck_assert_uint_eq(n_changed, 1);
	home_destroy(home);
	event_base_free(loop);
}
END_TEST

START_TEST(this_host_is_not_near_by_loopback)
{
	loop = event_base_new();
	ck_assert_int_eq(home_create(loop, count, NULL, &home), 0);
	ck_assert(!has("127.0.0.1") && !has("::1"));
	home_destroy(home);
	home_destroy(NULL);
	event_base_free(loop);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("home");
	TCase *tcase = tcase_create("home");

	tcase_add_test(tcase, addresses_that_come_and_go_are_noticed);
	tcase_add_test(tcase, what_changes_no_subnet_is_not_told);
	tcase_add_test(tcase, this_host_is_not_near_by_loopback);
	suite_add_tcase(suite, tcase);
	return harness_run(suite);
}
