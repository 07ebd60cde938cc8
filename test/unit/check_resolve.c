/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/resolve.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_dns.h"
#include "harness.h"

enum { LIMIT_MS = 8000, CONTEXTS = 600 };

static struct event_base *loop;
static struct resolver *resolver;
static struct fake_dns *dns;

/* What one lookup came to, as text: "10.0.0.1,fd00::1" or "!error". */
struct outcome {
	char text[1200];
	unsigned calls;
};

static struct outcome outcomes[CONTEXTS];
static unsigned changes;

static const char *spell(const struct address *addresses, size_t n)
{
	static char text[1200];

	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		char one[ADDRESS_TEXT_MAX];

		if (i > 0)
			strcat(text, ",");
		strcat(text, address_to_text(&addresses[i], one));
	}
	return text;
}

static void on_done(void *context, const struct address *addresses, size_t n, const char *error)
{
	struct outcome *o = context;

	o->calls++;
	ck_assert_int_eq(n == 0, error != NULL);
	if (error != NULL)
		snprintf(o->text, sizeof(o->text), "!%s", error);
	else
		snprintf(o->text, sizeof(o->text), "%s", spell(addresses, n));
}

static void on_changed(void *context)
{
	ck_assert_ptr_eq(context, &changes);
	changes++;
}

static void create(size_t n_servers)
{
	struct endpoint servers[3];

	for (size_t i = 0; i < n_servers; i++) {
		char text[ENDPOINT_TEXT_MAX];

		snprintf(text, sizeof(text), "127.0.0.1:%u", fake_dns_port(dns));
		ck_assert(endpoint_from_text(text, 53, &servers[i]));
	}
	ck_assert_int_eq(resolver_create(loop, servers, n_servers, on_changed, &changes, &resolver), 0);
}

static void set_up(void)
{
	loop = event_base_new();
	dns = fake_dns_start();
	resolver = NULL;
	memset(outcomes, 0, sizeof(outcomes));
	changes = 0;
}

static void set_up_resolver(void)
{
	set_up();
	create(1);
}

static void tear_down(void)
{
	resolver_destroy(resolver);
	event_base_free(loop);
	fake_dns_stop(dns);
}

/* Runs the loop until done() or the limit. */
static bool run_until(bool (*done)(void *context), void *context, uint64_t limit_ms)
{
	const uint64_t end = clock_ms() + limit_ms;

	while (!done(context) && clock_ms() < end) {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 10000 });
		event_base_loop(loop, EVLOOP_ONCE);
	}
	return done(context);
}

static bool is_done(void *context)
{
	return ((const struct outcome *)context)->calls > 0;
}

static bool never(void *context)
{
	(void)context;
	return false;
}

static bool any_change(void *context)
{
	(void)context;
	return changes > 0;
}

static struct resolver_lookup *start(const char *host, struct outcome *o)
{
	struct resolver_lookup *l = NULL;

	ck_assert_int_eq(resolver_lookup(resolver, host, on_done, o, &l), 0);
	ck_assert_ptr_nonnull(l);
	ck_assert_uint_eq(o->calls, 0);
	return l;
}

/* Looks one host up and returns how it ended. */
static const char *look_up(const char *host)
{
	struct outcome *o = &outcomes[0];

	memset(o, 0, sizeof(*o));
	start(host, o);
	ck_assert_msg(run_until(is_done, o, LIMIT_MS), "no end of %s", host);
	ck_assert_uint_eq(o->calls, 1);
	return o->text;
}

static const char *watched(const char *host)
{
	struct address addresses[RESOLVER_ADDRESSES_MAX];

	return spell(addresses, resolver_watch(resolver, host, addresses));
}

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

static void reload(const struct fake_dns *server)
{
	struct endpoint e;
	char text[ENDPOINT_TEXT_MAX];

	snprintf(text, sizeof(text), "127.0.0.1:%u", server != NULL ? fake_dns_port(server) : 1);
	ck_assert(endpoint_from_text(text, 53, &e));
	ck_assert_int_eq(resolver_reload(resolver, &e, server != NULL ? 1 : 0), 0);
}

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
	Suite *suite = suite_create("resolve");
	TCase *none = tcase_create("no servers");
	TCase *once = tcase_create("once");
	TCase *watching = tcase_create("watching");
	TCase *reloads = tcase_create("reloads");

	tcase_add_checked_fixture(none, set_up, tear_down);
	tcase_add_loop_test(none, literals_and_localhost_need_no_server, 0,
			    sizeof(without_servers) / sizeof(without_servers[0]));
	suite_add_tcase(suite, none);

	tcase_add_checked_fixture(once, set_up_resolver, tear_down);
	tcase_set_timeout(once, 20);
	add_once(once);
	suite_add_tcase(suite, once);

	tcase_add_checked_fixture(watching, set_up_resolver, tear_down);
	tcase_set_timeout(watching, 30);
	add_watching(watching);
	suite_add_tcase(suite, watching);

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
