/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/channel.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "fake_dns.h"
#include "harness.h"
#include "wire/dns.h"

enum { LIMIT_MS = 5000, TRY_MS = 200 };

static struct event_base *loop;
static struct channel *channel;
static struct fake_dns *dns;

/* What was called back. */
static struct {
	unsigned calls;
	int error;
	struct answer answer;
	uint8_t message[DNS_MESSAGE_OCTETS_MAX];
	size_t len;
} heard;

static void on_answer(void *context, const struct answer *answer)
{
	ck_assert_ptr_eq(context, &heard);
	heard.calls++;
	heard.answer = *answer;
}

static void on_message(void *context, int error, const uint8_t *message, size_t len)
{
	ck_assert_ptr_eq(context, &heard);
	ck_assert_int_eq(error < 0, message == NULL);
	heard.calls++;
	heard.error = error;
	heard.len = len;
	if (message != NULL)
		memcpy(heard.message, message, len);
}

static struct endpoint server(void)
{
	struct endpoint e;
	char text[ENDPOINT_TEXT_MAX];

	snprintf(text, sizeof(text), "127.0.0.1:%u", fake_dns_port(dns));
	ck_assert(endpoint_from_text(text, 53, &e));
	return e;
}

static void open_channel(enum channel_use use)
{
	const struct endpoint e = server();

	ck_assert_int_eq(channel_create(loop, use, &e, 1, TRY_MS, &channel), 0);
	ck_assert(channel_has_server(channel));
}

static void set_up(void)
{
	loop = event_base_new();
	dns = fake_dns_start();
	channel = NULL;
	memset(&heard, 0, sizeof(heard));
}

static void tear_down(void)
{
	channel_destroy(channel);
	event_base_free(loop);
	fake_dns_stop(dns);
}

static void run_until_heard(unsigned calls)
{
	const uint64_t end = clock_ms() + LIMIT_MS;

	while (heard.calls < calls && clock_ms() < end) {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 10000 });
		event_base_loop(loop, EVLOOP_ONCE);
	}
	ck_assert_uint_eq(heard.calls, calls);
}

/* "a.corp A" with the ID 0x1234 and a plain OPT. */
static const uint8_t query[] = "\x12\x34\x01\x00\0\1\0\0\0\0\0\1"
			       "\1a\4corp\0\0\1\0\1"
			       "\0\0\x29\x04\xd0\0\0\0\0\0";

static void send_query(void)
{
	channel_send(channel, query, sizeof(query), on_message, &heard);
}

static const struct {
	const char *host;
	int family;
	enum outcome outcome;
	size_t n;
} lookups[] = {
	{ "a.corp", AF_INET, OUTCOME_FOUND, 2 },       { "a.corp", AF_INET6, OUTCOME_FOUND, 1 },
	{ "four.corp", AF_INET6, OUTCOME_NO_DATA, 0 }, { "nobody.corp", AF_INET, OUTCOME_NO_NAME, 0 },
	{ "a..corp", AF_INET, OUTCOME_FAILED, 0 },
};

START_TEST(lookup_gets_the_addresses_of_one_family)
{
	open_channel(CHANNEL_LOOKUPS);
	fake_dns_add(dns, "a.corp", "10.0.0.2", 30);
	fake_dns_add(dns, "a.corp", "10.0.0.1", 20);
	fake_dns_add(dns, "a.corp", "fd00::1", 10);
	fake_dns_add(dns, "four.corp", "10.0.0.4", 30);
	channel_lookup(channel, lookups[_i].host, lookups[_i].family, on_answer, &heard);
	run_until_heard(1);
	ck_assert_int_eq(heard.answer.outcome, lookups[_i].outcome);
	ck_assert_uint_eq(heard.answer.addresses.n, lookups[_i].n);
	if (lookups[_i].n > 0)
		ck_assert_uint_eq(heard.answer.ttl_s, lookups[_i].family == AF_INET ? 20 : 10);
	if (lookups[_i].outcome == OUTCOME_FAILED)
		ck_assert_int_eq(heard.answer.error, -EINVAL);
}
END_TEST

START_TEST(lookup_passes_over_a_server_that_fails)
{
	struct fake_dns *broken = fake_dns_start();
	struct endpoint servers[2] = { server(), server() };

	endpoint_from_address(&(struct address){ .octets = { 127, 0, 0, 1 }, .len = 4 },
			      fake_dns_port(broken), &servers[0]);
	fake_dns_set_rcode(broken, RCODE_SERVFAIL);
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	ck_assert_int_eq(channel_create(loop, CHANNEL_LOOKUPS, servers, 2, TRY_MS, &channel), 0);
	channel_lookup(channel, "a.corp", AF_INET, on_answer, &heard);
	run_until_heard(1);
	ck_assert_int_eq(heard.answer.outcome, OUTCOME_FOUND);
	ck_assert_uint_eq(fake_dns_queries(broken), 1);
	fake_dns_stop(broken);
}
END_TEST

static const enum rcode rcodes[] = { RCODE_NOERROR, RCODE_SERVFAIL, RCODE_NXDOMAIN, RCODE_REFUSED };

START_TEST(message_comes_as_the_server_wrote_it)
{
	open_channel(CHANNEL_MESSAGES);
	fake_dns_set_rcode(dns, (int)rcodes[_i]);
	send_query();
	run_until_heard(1);
	ck_assert_int_eq(heard.error, 0);
	ck_assert_uint_eq(heard.len, sizeof(query));
	ck_assert_mem_eq(heard.message, query, 2);
	ck_assert_uint_eq(get_u16(heard.message + 2), HEADER_QR | HEADER_RD | HEADER_RA | rcodes[_i]);
	ck_assert_uint_eq(fake_dns_queries(dns), 1);
}
END_TEST

START_TEST(message_too_large_for_udp_comes_over_tcp)
{
	char address[32];

	for (int i = 1; i <= 40; i++) { /* 2 + 10 + 4 octets each: too much for 512, not for 1232 */
		snprintf(address, sizeof(address), "10.0.0.%d", i);
		fake_dns_add(dns, "a.corp", address, 30);
	}
	open_channel(CHANNEL_MESSAGES);
	send_query();
	run_until_heard(1);
	ck_assert_uint_eq(fake_dns_tcp_queries(dns), 0);
	ck_assert_uint_eq(get_u16(heard.message + 6), 40);
	for (int i = 1; i <= 60; i++) {
		snprintf(address, sizeof(address), "web%d.corp", i);
		fake_dns_add_srv(dns, "a.corp", address, 80, 0, 1, 30);
	}
	uint8_t srv[sizeof(query)];
	memcpy(srv, query, sizeof(query));
	srv[DNS_HEADER_OCTETS + 9] = RRTYPE_SRV;
	channel_send(channel, srv, sizeof(srv), on_message, &heard);
	run_until_heard(2);
	ck_assert_int_eq(heard.error, 0);
	ck_assert_uint_eq(fake_dns_tcp_queries(dns), 1);
	ck_assert_uint_eq(get_u16(heard.message + 6), 60);
}
END_TEST

START_TEST(server_without_edns_is_asked_again_without)
{
	open_channel(CHANNEL_MESSAGES);
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	fake_dns_set_quirks(dns, FAKE_DNS_NO_EDNS);
	send_query();
	run_until_heard(1);
	ck_assert_int_eq(heard.error, 0);
	ck_assert_uint_eq(get_u16(heard.message + 2) & HEADER_RCODE, RCODE_NOERROR);
	ck_assert_uint_eq(fake_dns_queries(dns), 2);
}
END_TEST

START_TEST(silence_and_closed_ports_are_told_apart)
{
	const struct endpoint e = server();
	const uint64_t start_ms = clock_ms();

	open_channel(CHANNEL_MESSAGES);
	fake_dns_set_silent(dns, 255);
	send_query();
	run_until_heard(1);
	ck_assert_int_eq(heard.error, -ETIMEDOUT);
	ck_assert_uint_ge(clock_ms() - start_ms, 3 * TRY_MS - 10);
	ck_assert_uint_eq(fake_dns_queries(dns), CHANNEL_TRIES);

	channel_destroy(channel);
	fake_dns_stop(dns);
	dns = NULL;
	ck_assert_int_eq(channel_create(loop, CHANNEL_MESSAGES, &e, 1, TRY_MS, &channel), 0);
	send_query();
	run_until_heard(2);
	ck_assert_int_eq(heard.error, -ECONNREFUSED);
}
END_TEST

START_TEST(destroying_tells_all_who_wait)
{
	open_channel(CHANNEL_MESSAGES);
	fake_dns_set_silent(dns, 255);
	for (int i = 0; i < 10; i++)
		send_query();
	channel_destroy(channel);
	channel = NULL;
	ck_assert_uint_eq(heard.calls, 10);
	ck_assert_int_eq(heard.error, -ECANCELED);
}
END_TEST

START_TEST(link_local_server_is_asked_through_its_interface_or_not_at_all)
{
	struct endpoint servers[2];

	ck_assert(endpoint_from_text("[fe80::1%lo]:53", 53, &servers[0]));
	servers[1] = servers[0];
	ck_assert_int_eq(channel_create(loop, CHANNEL_MESSAGES, servers, 1, TRY_MS, &channel), 0);
	ck_assert(channel_has_server(channel));
	channel_destroy(channel);
	ck_assert_int_eq(channel_create(loop, CHANNEL_LOOKUPS, servers, 2, TRY_MS, &channel), 0);
	ck_assert(!channel_has_server(channel));
	channel_destroy(channel);
	servers[0].at.ip6.sin6_scope_id = 1000000;
	ck_assert_int_eq(channel_create(loop, CHANNEL_MESSAGES, servers, 1, TRY_MS, &channel), 0);
	ck_assert(!channel_has_server(channel));
	channel_destroy(channel);
	ck_assert_int_eq(channel_create(loop, CHANNEL_LOOKUPS, NULL, 0, TRY_MS, &channel), 0);
	ck_assert(!channel_has_server(channel));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("channel");
	TCase *tc = tcase_create("channel");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 20);
	tcase_add_loop_test(tc, lookup_gets_the_addresses_of_one_family, 0,
			    sizeof(lookups) / sizeof(lookups[0]));
	tcase_add_test(tc, lookup_passes_over_a_server_that_fails);
	tcase_add_loop_test(tc, message_comes_as_the_server_wrote_it, 0, sizeof(rcodes) / sizeof(rcodes[0]));
	tcase_add_test(tc, message_too_large_for_udp_comes_over_tcp);
	tcase_add_test(tc, server_without_edns_is_asked_again_without);
	tcase_add_test(tc, silence_and_closed_ports_are_told_apart);
	tcase_add_test(tc, destroying_tells_all_who_wait);
	tcase_add_test(tc, link_local_server_is_asked_through_its_interface_or_not_at_all);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
