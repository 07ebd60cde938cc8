/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolve_rig.h"

/* --- once --- */

static const struct {
	const char *host, *result;
} without_servers[] = {
	{ "10.0.0.1", "10.0.0.1" },
	{ "fd00::1", "fd00::1" },
	{ "[fd00::1]", "fd00::1" },
	{ "::ffff:10.0.0.1", "10.0.0.1" },
	{ "localhost", "127.0.0.1,::1" },
	{ "LocalHost.", "127.0.0.1,::1" },
	{ "registry.localhost", "127.0.0.1,::1" },
	{ "notlocalhost", "!no bootstrap server to resolve host names with" },
	{ "localhost.corp", "!no bootstrap server to resolve host names with" },
	{ "registry.corp", "!no bootstrap server to resolve host names with" },
	{ "", "!not a host name" },
	{ "registry corp", "!not a host name" },
	{ "registry\\.corp", "!not a host name" },
	{ "registry\n.corp", "!not a host name" },
	{ "b\xc3\xbc"
	  "cher.example",
	  "!not a host name" },
};

START_TEST(literals_and_localhost_need_no_server)
{
	create(0);
	ck_assert_str_eq(look_up(without_servers[_i].host), without_servers[_i].result);
	if (without_servers[_i].result[0] != '!')
		ck_assert_str_eq(watched(without_servers[_i].host), without_servers[_i].result);
	else
		ck_assert_str_eq(watched(without_servers[_i].host), "");
	ck_assert_uint_eq(fake_dns_queries(dns), 0);
}
END_TEST

START_TEST(names_get_all_addresses_of_both_families)
{
	fake_dns_add(dns, "registry.corp", "10.0.0.2", 30);
	fake_dns_add(dns, "registry.corp", "10.0.0.1", 30);
	fake_dns_add(dns, "registry.corp", "fd00::2", 30);
	ck_assert_str_eq(look_up("registry.corp"), "10.0.0.1,10.0.0.2,fd00::2");
	ck_assert_str_eq(look_up("Registry.Corp."), "10.0.0.1,10.0.0.2,fd00::2");
	ck_assert_uint_eq(fake_dns_queries(dns), 4);
}
END_TEST

START_TEST(alias_is_followed)
{
	fake_dns_alias(dns, "registry.corp", "real.corp", 30);
	fake_dns_add(dns, "real.corp", "10.0.0.1", 30);
	ck_assert_str_eq(look_up("registry.corp"), "10.0.0.1");
}
END_TEST

START_TEST(repeated_and_mapped_addresses_come_once)
{
	fake_dns_add(dns, "registry.corp", "10.0.0.1", 30);
	fake_dns_add(dns, "registry.corp", "10.0.0.1", 30);
	fake_dns_add(dns, "registry.corp", "::ffff:10.0.0.1", 30);
	ck_assert_str_eq(look_up("registry.corp"), "10.0.0.1");
}
END_TEST

START_TEST(of_too_many_addresses_the_smallest_stay)
{
	char address[32], expected[400] = "";

	for (int i = 20; i >= 1; i--) {
		snprintf(address, sizeof(address), "10.0.0.%d", i);
		fake_dns_add(dns, "r.corp", address, 30);
	}
	for (int i = 1; i <= RESOLVER_ADDRESSES_MAX; i++)
		sprintf(expected + strlen(expected), "%s10.0.0.%d", i > 1 ? "," : "", i);
	ck_assert_str_eq(look_up("r.corp"), expected);
}
END_TEST

START_TEST(what_a_name_lacks_is_told)
{
	fake_dns_add(dns, "empty.corp", NULL, 30);
	ck_assert_str_eq(look_up("nobody.corp"), "!no such name");
	ck_assert_str_eq(look_up("empty.corp"), "!the name has no address");
}
END_TEST

static const int failures[] = { 1, 2, 4, 5 };

START_TEST(failing_server_is_told_from_a_missing_name)
{
	fake_dns_set_rcode(dns, failures[_i]);
	ck_assert_str_eq(look_up("registry.corp"), "!the name servers failed or refused");
}
END_TEST

static const char *const bad_names[] = {
	"a..corp",
	"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg.corp",
	".corp",
};

START_TEST(malformed_name_is_told)
{
	ck_assert_str_eq(look_up(bad_names[_i]), "!not a host name");
	ck_assert_uint_eq(fake_dns_queries(dns), 0);
}
END_TEST

START_TEST(silence_ends_within_the_time_limit)
{
	const uint64_t start_ms = clock_ms();

	fake_dns_set_silent(dns, 255);
	ck_assert_str_eq(look_up("registry.corp"), "!no answer from the name servers");
	ck_assert_uint_ge(clock_ms() - start_ms, 2000);
	ck_assert_uint_le(clock_ms() - start_ms, 5000);
}
END_TEST

START_TEST(many_silent_servers_do_not_add_up)
{
	const uint64_t start_ms = clock_ms();

	resolver_destroy(resolver);
	create(3);
	fake_dns_set_silent(dns, 255);
	ck_assert_str_eq(look_up("registry.corp"), "!no answer from the name servers");
	ck_assert_uint_le(clock_ms() - start_ms, 5000);
}
END_TEST

START_TEST(one_silent_family_does_not_hold_up_the_other)
{
	const uint64_t start_ms = clock_ms();

	fake_dns_add(dns, "registry.corp", "10.0.0.1", 30);
	fake_dns_set_silent(dns, 28);
	ck_assert_str_eq(look_up("registry.corp"), "10.0.0.1");
	ck_assert_uint_le(clock_ms() - start_ms, 2000);
}
END_TEST

static void be_unreachable(void)
{
	fake_dns_set_silent(dns, 255);
}

static void be_out_of_order(void)
{
	fake_dns_set_rcode(dns, 2);
}

static void (*const outages[])(void) = { be_unreachable, be_out_of_order };

START_TEST(host_looked_up_before_keeps_its_addresses_in_an_outage)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 0);
	fake_dns_add(dns, "a.corp", "fd00::1", 0);
	ck_assert_str_eq(look_up("a.corp"), "10.0.0.1,fd00::1");
	outages[_i]();
	for (int i = 0; i < 3; i++) {
		const uint64_t start_ms = clock_ms();

		ck_assert_str_eq(look_up("a.corp"), "10.0.0.1,fd00::1");
		ck_assert_uint_lt(clock_ms() - start_ms, 800);
	}
	reload(dns);
	ck_assert_str_eq(look_up("a.corp"), "10.0.0.1,fd00::1");
	fake_dns_set_silent(dns, 0);
	fake_dns_set_rcode(dns, -1);
	fake_dns_remove(dns, "a.corp");
	ck_assert_str_eq(look_up("a.corp"), "!no such name");
	outages[_i]();
	ck_assert_int_eq(look_up("a.corp")[0], '!'); /* what was disproved does not come back */
}
END_TEST

/* The first try is lost; the second, a second later, finds the new address when nobody waits any more. */
START_TEST(answer_that_comes_late_counts_for_the_next_lookup)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 0);
	ck_assert_str_eq(look_up("a.corp"), "10.0.0.1");
	fake_dns_set_silent(dns, 255);
	ck_assert_str_eq(look_up("a.corp"), "10.0.0.1");
	fake_dns_remove(dns, "a.corp");
	fake_dns_add(dns, "a.corp", "10.0.0.2", 0);
	fake_dns_set_silent(dns, 0);
	run_until(never, NULL, 1500);
	fake_dns_set_silent(dns, 255);
	ck_assert_str_eq(look_up("a.corp"), "10.0.0.2");
}
END_TEST

START_TEST(cancelled_lookup_is_not_told)
{
	struct resolver_lookup *lookups[4];

	fake_dns_add(dns, "registry.corp", "10.0.0.1", 30);
	lookups[0] = start("registry.corp", &outcomes[0]); /* waiting */
	resolver_lookup_cancel(lookups[0]);
	lookups[1] = start("10.0.0.1", &outcomes[1]); /* finished */
	resolver_lookup_cancel(lookups[1]);
	lookups[2] = start("registry.corp", &outcomes[2]); /* asking */
	event_base_loop(loop, EVLOOP_NONBLOCK);
	if (outcomes[2].calls == 0)
		resolver_lookup_cancel(lookups[2]);
	outcomes[2].calls = 0;
	resolver_lookup_cancel(NULL);
	run_until(never, NULL, 100);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(outcomes[i].calls, 0);
}
END_TEST

START_TEST(cancelled_lookup_without_answer_is_not_told)
{
	fake_dns_set_silent(dns, 255);
	struct resolver_lookup *l = start("registry.corp", &outcomes[0]);
	run_until(never, NULL, 100);
	resolver_lookup_cancel(l);
	fake_dns_set_silent(dns, 0);
	fake_dns_add(dns, "registry.corp", "10.0.0.1", 30);
	run_until(never, NULL, 1500); /* c-ares repeats its question and is answered */
	ck_assert_uint_eq(outcomes[0].calls, 0);
}
END_TEST

START_TEST(destroying_ends_lookups_in_every_state)
{
	fake_dns_set_silent(dns, 255);
	for (int i = 0; i < 100; i++)
		start("registry.corp", &outcomes[i]);
	watched("instance.corp");
	run_until(never, NULL, 100);
	start("10.0.0.1", &outcomes[100]);
	start("late.corp", &outcomes[101]);
	resolver_destroy(resolver);
	resolver = NULL;
	run_until(never, NULL, 50);
	for (int i = 0; i <= 101; i++)
		ck_assert_uint_eq(outcomes[i].calls, 0);
}
END_TEST

static void on_done_destroy(void *context, const struct address *addresses, size_t n, const char *error)
{
	on_done(context, addresses, n, error);
	resolver_destroy(resolver);
	resolver = NULL;
}

START_TEST(resolver_may_be_destroyed_by_the_one_who_is_called_back)
{
	struct resolver_lookup *l;

	fake_dns_add(dns, "registry.corp", "10.0.0.1", 30);
	resolver_lookup(resolver, "registry.corp", on_done_destroy, &outcomes[0], &l);
	resolver_lookup(resolver, "registry.corp", on_done, &outcomes[1], &l);
	ck_assert(run_until(is_done, &outcomes[0], LIMIT_MS));
	run_until(never, NULL, 50);
	ck_assert_uint_eq(outcomes[1].calls, 0);
}
END_TEST

static bool all_done(void *context)
{
	(void)context;
	for (int i = 0; i < CONTEXTS; i++) {
		if (outcomes[i].calls == 0)
			return false;
	}
	return true;
}

START_TEST(burst_of_lookups_is_asked_in_portions)
{
	char host[64];

	fake_dns_set_silent(dns, 255);
	for (int i = 0; i < CONTEXTS; i++) {
		snprintf(host, sizeof(host), "r%d.corp", i);
		fake_dns_add(dns, host, "10.0.0.1", 30);
		start(host, &outcomes[i]);
	}
	run_until(never, NULL, 300);
	ck_assert_uint_eq(fake_dns_names(dns), 64);
	fake_dns_set_silent(dns, 0);
	ck_assert(run_until(all_done, NULL, LIMIT_MS));
	for (int i = 0; i < CONTEXTS; i++) {
		ck_assert_uint_eq(outcomes[i].calls, 1);
		ck_assert_str_eq(outcomes[i].text, "10.0.0.1");
	}
}
END_TEST

static void add_once(TCase *once)
{
	tcase_add_test(once, names_get_all_addresses_of_both_families);
	tcase_add_test(once, alias_is_followed);
	tcase_add_test(once, repeated_and_mapped_addresses_come_once);
	tcase_add_test(once, of_too_many_addresses_the_smallest_stay);
	tcase_add_test(once, what_a_name_lacks_is_told);
	tcase_add_loop_test(once, failing_server_is_told_from_a_missing_name, 0,
			    sizeof(failures) / sizeof(failures[0]));
	tcase_add_loop_test(once, malformed_name_is_told, 0, sizeof(bad_names) / sizeof(bad_names[0]));
	tcase_add_test(once, silence_ends_within_the_time_limit);
	tcase_add_test(once, many_silent_servers_do_not_add_up);
	tcase_add_test(once, one_silent_family_does_not_hold_up_the_other);
	tcase_add_test(once, cancelled_lookup_is_not_told);
	tcase_add_loop_test(once, host_looked_up_before_keeps_its_addresses_in_an_outage, 0, 2);
	tcase_add_test(once, answer_that_comes_late_counts_for_the_next_lookup);
	tcase_add_test(once, cancelled_lookup_without_answer_is_not_told);
	tcase_add_test(once, destroying_ends_lookups_in_every_state);
	tcase_add_test(once, resolver_may_be_destroyed_by_the_one_who_is_called_back);
	tcase_add_test(once, burst_of_lookups_is_asked_in_portions);
}

int main(void)
{
	Suite *suite = suite_create("resolve");
	TCase *none = tcase_create("no servers");
	TCase *once = tcase_create("once");

	tcase_add_checked_fixture(none, set_up, tear_down);
	tcase_add_loop_test(none, literals_and_localhost_need_no_server, 0,
			    sizeof(without_servers) / sizeof(without_servers[0]));
	suite_add_tcase(suite, none);

	tcase_add_checked_fixture(once, set_up_resolver, tear_down);
	tcase_set_timeout(once, 20);
	add_once(once);
	suite_add_tcase(suite, once);

	return harness_run(suite);
}
