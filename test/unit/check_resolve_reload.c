/* SPDX-License-Identifier: BSD-2-Clause */
/* Other servers while lookups are under way. */
#include "resolve_rig.h"

/* --- other servers --- */

START_TEST(other_servers_are_asked_after_a_reload)
{
	struct fake_dns *other = fake_dns_start();

	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	fake_dns_add(other, "a.corp", "10.0.0.2", 30);
	ck_assert_str_eq(look_up("a.corp"), "10.0.0.1");
	reload(other);
	ck_assert_str_eq(look_up("a.corp"), "10.0.0.2");
	ck_assert_uint_eq(fake_dns_queries(dns), 2);
	fake_dns_stop(other);
}
END_TEST

START_TEST(watched_hosts_are_asked_for_at_once_when_the_servers_change)
{
	struct fake_dns *other = fake_dns_start();

	fake_dns_add(dns, "a.corp", "10.0.0.1", 60);
	fake_dns_add(other, "a.corp", "10.0.0.2", 60);
	watched("a.corp");
	ck_assert(run_until(any_change, NULL, LIMIT_MS));
	reload(dns); /* the same ones */
	run_until(never, NULL, 200);
	ck_assert_uint_eq(fake_dns_queries(dns), 2);

	changes = 0;
	reload(other);
	ck_assert(run_until(any_change, NULL, 1000));
	ck_assert_str_eq(watched("a.corp"), "10.0.0.2");
	fake_dns_stop(other);
}
END_TEST

START_TEST(host_watched_in_vain_is_asked_for_at_once_by_other_servers)
{
	struct fake_dns *other = fake_dns_start();

	fake_dns_set_silent(dns, 255);
	fake_dns_add(other, "a.corp", "10.0.0.2", 60);
	watched("a.corp");
	run_until(never, NULL, 100);
	ck_assert_uint_gt(fake_dns_queries(dns), 0);
	reload(other);
	ck_assert(run_until(any_change, NULL, 1000));
	ck_assert_str_eq(watched("a.corp"), "10.0.0.2");
	fake_dns_stop(other);
}
END_TEST

START_TEST(lookups_in_flight_at_a_reload_are_told)
{
	fake_dns_set_silent(dns, 255);
	for (int i = 0; i < 100; i++) /* some asked, some waiting */
		start("a.corp", &outcomes[i]);
	run_until(never, NULL, 50);
	fake_dns_set_silent(dns, 0);
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	reload(dns);
	for (int i = 0; i < 100; i++) {
		ck_assert(run_until(is_done, &outcomes[i], LIMIT_MS));
		ck_assert_uint_eq(outcomes[i].calls, 1);
	}
	ck_assert_str_eq(outcomes[0].text, "!the name servers failed or refused");
	ck_assert_str_eq(outcomes[99].text, "10.0.0.1");
}
END_TEST

START_TEST(without_servers_after_a_reload_nothing_is_asked)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 0);
	watched("a.corp");
	ck_assert(run_until(any_change, NULL, LIMIT_MS));
	const unsigned before = fake_dns_queries(dns);

	start("b.corp", &outcomes[0]); /* waiting: the loop did not run yet */
	reload(NULL);
	ck_assert(run_until(is_done, &outcomes[0], LIMIT_MS));
	ck_assert_str_eq(outcomes[0].text, "!no bootstrap server to resolve host names with");
	run_until(never, NULL, 6000); /* the watched host's refresh */
	ck_assert_uint_eq(fake_dns_queries(dns), before);
	ck_assert_uint_eq(changes, 1);

	reload(dns);
	ck_assert_str_eq(look_up("a.corp"), "10.0.0.1");
	ck_assert_str_eq(watched("a.corp"), "10.0.0.1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resolve_reload");
	TCase *reloads = tcase_create("reloads");

	tcase_add_checked_fixture(reloads, set_up_resolver, tear_down);
	tcase_set_timeout(reloads, 30);
	tcase_add_test(reloads, other_servers_are_asked_after_a_reload);
	tcase_add_test(reloads, watched_hosts_are_asked_for_at_once_when_the_servers_change);
	tcase_add_test(reloads, host_watched_in_vain_is_asked_for_at_once_by_other_servers);
	tcase_add_test(reloads, lookups_in_flight_at_a_reload_are_told);
	tcase_add_test(reloads, without_servers_after_a_reload_nothing_is_asked);
	suite_add_tcase(suite, reloads);
	return harness_run(suite);
}
