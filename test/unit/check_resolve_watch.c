/* SPDX-License-Identifier: BSD-2-Clause */
/* Hosts that are watched, and looked up again and again. */
#include "resolve_rig.h"

/* --- watched --- */

START_TEST(watched_host_is_looked_up_at_once_and_told_when_known)
{
	fake_dns_add(dns, "a.corp", "10.0.0.2", 30);
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	fake_dns_add(dns, "a.corp", "fd00::1", 30);
	ck_assert_str_eq(watched("a.corp"), "");
	ck_assert(run_until(any_change, NULL, LIMIT_MS));
	ck_assert_uint_eq(changes, 1);
	ck_assert_str_eq(watched("a.corp"), "10.0.0.1,10.0.0.2,fd00::1");
	ck_assert_str_eq(watched("A.CORP"), "10.0.0.1,10.0.0.2,fd00::1");
	run_until(never, NULL, 100);
	ck_assert_uint_eq(fake_dns_queries(dns), 2);
}
END_TEST

START_TEST(name_that_never_was_is_no_change)
{
	watched("nobody.corp");
	run_until(never, NULL, 200);
	ck_assert_uint_eq(changes, 0);
	ck_assert_uint_eq(fake_dns_queries(dns), 2);
}
END_TEST

/* Watches a host whose TTL is 0 until it is known, then lets the test change the server and waits for the
 * refresh, 5 to 5.5 s later. */
static void know_then(void (*then)(void))
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 0);
	fake_dns_add(dns, "a.corp", "fd00::1", 0);
	watched("a.corp");
	ck_assert(run_until(any_change, NULL, LIMIT_MS));
	ck_assert_str_eq(watched("a.corp"), "10.0.0.1,fd00::1");
	changes = 0;
	then();
}

static void replace_address(void)
{
	fake_dns_remove(dns, "a.corp");
	fake_dns_add(dns, "a.corp", "10.0.0.9", 0);
}

static bool two_changes(void *context)
{
	(void)context;
	return changes >= 2;
}

START_TEST(changes_at_the_server_are_seen_after_the_ttl)
{
	const uint64_t start_ms = clock_ms();

	fake_dns_add(dns, "gone.corp", "10.0.0.1", 0);
	fake_dns_add(dns, "turned.corp", "10.0.0.1", 0);
	fake_dns_add(dns, "turned.corp", "10.0.0.2", 0);
	watched("gone.corp");
	watched("turned.corp");
	know_then(replace_address);
	run_until(never, NULL, 200);
	fake_dns_remove(dns, "gone.corp");
	fake_dns_remove(dns, "turned.corp");
	fake_dns_add(dns, "turned.corp", "10.0.0.2", 0);
	fake_dns_add(dns, "turned.corp", "10.0.0.1", 0);
	changes = 0;

	ck_assert(run_until(two_changes, NULL, LIMIT_MS));
	ck_assert_uint_ge(clock_ms() - start_ms, 4900);
	ck_assert_uint_le(clock_ms() - start_ms, 6000);
	run_until(never, NULL, 600);
	ck_assert_uint_eq(changes, 2); /* another order is no change */
	ck_assert_str_eq(watched("a.corp"), "10.0.0.9");
	ck_assert_str_eq(watched("gone.corp"), "");
	ck_assert_str_eq(watched("gone.corp"), "");
	ck_assert_str_eq(watched("turned.corp"), "10.0.0.1,10.0.0.2");
}
END_TEST

static void be_broken(void)
{
	fake_dns_set_rcode(dns, 2);
}

static void be_silent(void)
{
	fake_dns_set_silent(dns, 255);
}

static void (*const harmless[])(void) = { be_broken, be_silent };

START_TEST(failed_lookup_changes_nothing)
{
	know_then(harmless[_i]);
	const unsigned before = fake_dns_queries(dns);
	ck_assert(!run_until(any_change, NULL, harmless[_i] == be_silent ? 10000 : 6500));
	ck_assert_uint_gt(fake_dns_queries(dns), before);
	ck_assert_str_eq(watched("a.corp"), "10.0.0.1,fd00::1");
}
END_TEST

static void lose_one_family(void)
{
	replace_address();
	fake_dns_set_silent(dns, 28);
}

START_TEST(family_without_answer_keeps_its_addresses)
{
	know_then(lose_one_family);
	ck_assert(run_until(any_change, NULL, 12000));
	ck_assert_str_eq(watched("a.corp"), "10.0.0.9,fd00::1");
}
END_TEST

START_TEST(name_that_fails_is_tried_again)
{
	fake_dns_set_rcode(dns, 2);
	watched("a.corp");
	run_until(never, NULL, 500);
	ck_assert_uint_eq(changes, 0);
	fake_dns_set_rcode(dns, -1);
	fake_dns_add(dns, "a.corp", "10.0.0.1", 0);
	ck_assert(run_until(any_change, NULL, LIMIT_MS));
	ck_assert_str_eq(watched("a.corp"), "10.0.0.1");
}
END_TEST

START_TEST(hosts_not_seen_in_a_sweep_are_forgotten)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	fake_dns_add(dns, "b.corp", "10.0.0.2", 30);
	watched("a.corp");
	watched("b.corp");
	run_until(never, NULL, 200);
	ck_assert_uint_eq(changes, 2);

	resolver_sweep_begin(resolver);
	ck_assert_str_eq(watched("B.corp"), "10.0.0.2");
	resolver_sweep_end(resolver);
	ck_assert_str_eq(watched("b.corp"), "10.0.0.2");
	ck_assert_str_eq(watched("a.corp"), ""); /* starts anew */
	run_until(never, NULL, 200);
	ck_assert_uint_eq(changes, 3);
	ck_assert_str_eq(watched("a.corp"), "10.0.0.1");
}
END_TEST

START_TEST(host_swept_away_while_asked_for_is_not_told)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	watched("a.corp");
	event_base_loop(loop, EVLOOP_NONBLOCK);
	if (changes == 0) {
		resolver_sweep_begin(resolver);
		resolver_sweep_end(resolver);
	}
	changes = 0;
	run_until(never, NULL, 200);
	ck_assert_uint_eq(changes, 0);
}
END_TEST

START_TEST(watched_hosts_leave_room_for_lookups)
{
	char host[64];

	fake_dns_set_silent(dns, 255);
	for (int i = 0; i < 500; i++) {
		snprintf(host, sizeof(host), "w%d.corp", i);
		watched(host);
	}
	run_until(never, NULL, 300);
	ck_assert_uint_eq(fake_dns_names(dns), 48);
	fake_dns_set_silent(dns, 0);
	fake_dns_add(dns, "registry.corp", "10.0.0.1", 30);
	ck_assert_str_eq(look_up("registry.corp"), "10.0.0.1");
}
END_TEST

static bool all_changed(void *context)
{
	(void)context;
	return changes == 1000;
}

START_TEST(hosts_are_watched_up_to_the_limit)
{
	char host[64];

	for (int i = 0; i < 1000; i++) {
		snprintf(host, sizeof(host), "w%d.corp", i);
		fake_dns_add(dns, host, "10.0.0.1", 60);
		watched(host);
	}
	ck_assert(run_until(all_changed, NULL, LIMIT_MS));
	for (int i = 1000; i < RESOLVER_HOSTS_MAX; i++) {
		snprintf(host, sizeof(host), "w%d.corp", i);
		watched(host);
	}
	watched("over.corp");
	fake_dns_remove(dns, "w0.corp");
	fake_dns_add(dns, "over.corp", "10.0.0.1", 30);
	run_until(never, NULL, 1000);
	ck_assert_str_eq(watched("over.corp"), "");
	ck_assert_str_eq(watched("w999.corp"), "10.0.0.1");
}
END_TEST

static void add_watching(TCase *watching)
{
	tcase_add_test(watching, watched_host_is_looked_up_at_once_and_told_when_known);
	tcase_add_test(watching, name_that_never_was_is_no_change);
	tcase_add_test(watching, changes_at_the_server_are_seen_after_the_ttl);
	tcase_add_loop_test(watching, failed_lookup_changes_nothing, 0,
			    sizeof(harmless) / sizeof(harmless[0]));
	tcase_add_test(watching, family_without_answer_keeps_its_addresses);
	tcase_add_test(watching, name_that_fails_is_tried_again);
	tcase_add_test(watching, hosts_not_seen_in_a_sweep_are_forgotten);
	tcase_add_test(watching, host_swept_away_while_asked_for_is_not_told);
	tcase_add_test(watching, watched_hosts_leave_room_for_lookups);
	tcase_add_test(watching, hosts_are_watched_up_to_the_limit);
}

int main(void)
{
	Suite *suite = suite_create("resolve_watch");
	TCase *watching = tcase_create("watching");

	tcase_add_checked_fixture(watching, set_up_resolver, tear_down);
	tcase_set_timeout(watching, 30);
	add_watching(watching);
	suite_add_tcase(suite, watching);

	return harness_run(suite);
}
