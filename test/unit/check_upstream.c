/* SPDX-License-Identifier: BSD-2-Clause */
#include "forward/upstream.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "fake_upstream.h"
#include "harness.h"
#include "wire/dns.h"

enum {
	TRY_MS = 200, /* short, so that two tries end soon */
	LIMIT_MS = 5000,
	CHANNELS = 8,
	IN_FLIGHT_MAX = 1000, /* of a channel */
	TOKENS = CHANNELS * IN_FLIGHT_MAX + 1,
};

static struct event_base *loop;
static struct fake_upstream *fake;
static struct upstream *upstream;
static struct fake_seen seen;

/* What done() was told. */
static struct {
	size_t n, errors;
	uint64_t token;
	int error;
	size_t len;
	uint8_t message[DNS_MESSAGE_OCTETS_MAX];
	uint8_t times[TOKENS]; /* done() was called for each token */
} told;

static void on_done(void *context, uint64_t token, int error, uint8_t *message, size_t len)
{
	ck_assert_ptr_eq(context, &told);
	told.n++;
	told.errors += error < 0;
	told.token = token;
	told.error = error;
	told.len = len;
	if (error == 0)
		memcpy(told.message, message, len);
	if (token < TOKENS)
		told.times[token]++;
}

static void create_upstream(const char *address, uint16_t port)
{
	struct endpoint server;

	ck_assert(endpoint_from_text(address, port, &server));
	ck_assert_int_eq(upstream_create(loop, &server, TRY_MS, on_done, &told, &upstream), 0);
}

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	memset(&told, 0, sizeof(told));
	loop = event_base_new();
	fake = fake_upstream_start("127.0.0.1", 0);
	ck_assert_ptr_nonnull(loop);
	ck_assert_ptr_nonnull(fake);
	create_upstream("127.0.0.1", fake_upstream_port(fake));
}

static void teardown(void)
{
	upstream_destroy(upstream);
	fake_upstream_stop(fake);
	event_base_free(loop);
}

static void script(const struct fake_script *s)
{
	fake_upstream_script(fake, s);
}

static bool told_enough(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return told.n >= *(const size_t *)n;
}

static void wait_told(size_t n)
{
	ck_assert_msg(harness_wait(told_enough, &n, LIMIT_MS), "%zu of %zu came back", told.n, n);
	ck_assert_uint_eq(told.n, n);
}

static bool asked_enough(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return fake_upstream_count(fake) >= *(const size_t *)n;
}

static void wait_asked(size_t n)
{
	ck_assert_msg(harness_wait(asked_enough, &n, LIMIT_MS), "%zu queries were not seen", n);
}

enum { WITH_OPT = 1, WITH_DO = 2 };

/* ID, flags, "wWw.ExAmPlE", type and class, and maybe the OPT. */
static size_t make_query(uint16_t id, uint16_t qtype, unsigned edns, uint8_t *ret)
{
	static const uint8_t name[] = "\3wWw\7ExAmPlE";
	size_t len = DNS_HEADER_OCTETS;

	memset(ret, 0, 64);
	put_u16(ret, id);
	put_u16(ret + 2, HEADER_RD);
	put_u16(ret + 4, 1);
	memcpy(ret + len, name, sizeof(name));
	put_u16(ret + len + sizeof(name), qtype);
	put_u16(ret + len + sizeof(name) + 2, RRCLASS_IN);
	len += sizeof(name) + 4;
	if (edns == 0)
		return len;
	put_u16(ret + 10, 1);
	put_u16(ret + len + 1, RRTYPE_OPT);
	put_u16(ret + len + 3, DNS_EDNS_SIZE);
	ret[len + 7] = (edns & WITH_DO) != 0 ? 0x80 : 0;
	return len + DNS_OPT_OCTETS;
}

static void send_query(uint16_t id, uint16_t qtype, unsigned edns, uint64_t token)
{
	uint8_t query[64];
	const size_t len = make_query(id, qtype, edns, query);

	ck_assert_int_eq(upstream_send(upstream, query, len, token), 0);
}

static const struct {
	uint16_t qtype;
	unsigned edns;
} passed[] = {
	{ RRTYPE_A, WITH_OPT },
	{ RRTYPE_AAAA, WITH_OPT | WITH_DO },
	{ 65280, WITH_OPT | WITH_DO },
	{ 65, WITH_OPT },
	{ RRTYPE_TXT, 0 },
};

START_TEST(queries_go_out_octet_by_octet)
{
	uint8_t query[64];
	const size_t len = make_query(0x1234, passed[_i].qtype, passed[_i].edns, query);

	ck_assert_int_eq(upstream_send(upstream, query, len, 0x0123456789abcdef), 0);
	ck_assert_uint_eq(upstream_pending(upstream), 1);
	wait_told(1);
	ck_assert_uint_eq(upstream_pending(upstream), 0);
	ck_assert_int_eq(told.error, 0);
	ck_assert_uint_eq(told.token, 0x0123456789abcdef);

	fake_upstream_seen(fake, &seen);
	ck_assert_uint_eq(seen.last_len, len);
	ck_assert_mem_eq(seen.last, query, len);
	ck_assert_uint_eq(seen.n_udp, 1);
	ck_assert_uint_eq(get_u16(told.message), 0x1234);
}
END_TEST

START_TEST(silence_is_a_timeout_after_two_tries)
{
	script(&(struct fake_script){ .quirks = FAKE_SILENT });
	send_query(1, RRTYPE_A, WITH_OPT, 7);
	wait_told(1);
	ck_assert_int_eq(told.error, -ETIMEDOUT);
	ck_assert_uint_eq(told.len, 0);
	ck_assert_uint_eq(fake_upstream_count(fake), 2);
}
END_TEST

START_TEST(a_lost_query_is_sent_again)
{
	script(&(struct fake_script){ .lose = 1 });
	send_query(1, RRTYPE_A, WITH_OPT, 7);
	wait_told(1);
	ck_assert_int_eq(told.error, 0);
	ck_assert_uint_eq(fake_upstream_count(fake), 2);
}
END_TEST

START_TEST(a_closed_port_is_known_at_once)
{
	upstream_destroy(upstream);
	create_upstream("127.0.0.1", harness_free_port());
	send_query(1, RRTYPE_A, WITH_OPT, 7);
	wait_told(1);
	ck_assert_int_eq(told.error, -ECONNREFUSED);
}
END_TEST

static const unsigned foreign[] = { FAKE_WRONG_ID, FAKE_WRONG_QUESTION };

START_TEST(answers_to_other_queries_are_not_ours)
{
	script(&(struct fake_script){ .quirks = foreign[_i] });
	send_query(1, RRTYPE_A, WITH_OPT, 7);
	wait_asked(1);
	script(&(struct fake_script){ 0 });
	wait_told(1);
	ck_assert_int_eq(told.error, 0);
	ck_assert_uint_eq(get_u16(told.message), 1);
	ck_assert_uint_eq(fake_upstream_count(fake), 2);
}
END_TEST

static const uint16_t rcodes[] = { RCODE_SERVFAIL, RCODE_NXDOMAIN, RCODE_NOTIMP, RCODE_REFUSED };

START_TEST(errors_are_handed_up_as_they_are)
{
	script(&(struct fake_script){ .rcode = rcodes[_i] });
	send_query(1, RRTYPE_A, WITH_OPT, 7);
	wait_told(1);
	ck_assert_int_eq(told.error, 0);
	ck_assert_uint_eq(get_u16(told.message + 2) & HEADER_RCODE, rcodes[_i]);
	ck_assert_uint_eq(fake_upstream_count(fake), 1);
}
END_TEST

START_TEST(an_answer_that_was_cut_comes_over_tcp)
{
	script(&(struct fake_script){ .quirks = FAKE_CUTS_UDP, .n_answers = 1000 });
	send_query(1, RRTYPE_A, WITH_OPT, 7);
	wait_told(1);
	ck_assert_int_eq(told.error, 0);
	ck_assert_uint_gt(told.len, 16000);
	ck_assert_uint_eq(get_u16(told.message + 2) & HEADER_TC, 0);
	fake_upstream_seen(fake, &seen);
	ck_assert_uint_eq(seen.n_udp, 1);
	ck_assert_uint_eq(seen.n_tcp, 1);
}
END_TEST

static const struct {
	unsigned n_answers, n_tcp;
} sizes[] = {
	{ 30, 0 },  /* over 512 octets: EDNS holds */
	{ 72, 0 },  /* just below 1232 */
	{ 250, 1 }, /* over 4,000: more than we had said we take, so it is fetched whole */
	{ 4000, 1 },
};

START_TEST(no_answer_is_cut_on_the_way)
{
	script(&(struct fake_script){ .n_answers = sizes[_i].n_answers });
	send_query(1, RRTYPE_A, WITH_OPT, 7);
	if (sizes[_i].n_answers == 4000) /* no datagram holds that */
		script(&(struct fake_script){ .quirks = FAKE_CUTS_UDP, .n_answers = 4000 });
	wait_told(1);
	ck_assert_int_eq(told.error, 0);
	ck_assert_uint_eq(told.len, 12 + 17 + 16 * sizes[_i].n_answers + DNS_OPT_OCTETS);
	fake_upstream_seen(fake, &seen);
	ck_assert_uint_eq(seen.n_tcp, sizes[_i].n_tcp);
}
END_TEST

START_TEST(formerr_without_opt_repeats_the_clean_question)
{
	uint8_t plain[64];
	const size_t len = make_query(9, RRTYPE_A, 0, plain);

	script(&(struct fake_script){ .quirks = FAKE_NO_EDNS });
	send_query(9, RRTYPE_A, WITH_OPT | WITH_DO, 7);
	wait_told(1);
	ck_assert_int_eq(told.error, 0);
	ck_assert_uint_eq(get_u16(told.message + 2) & HEADER_RCODE, RCODE_NOERROR);
	fake_upstream_seen(fake, &seen);
	ck_assert_uint_eq(seen.n_udp, 2);
	ck_assert_uint_eq(seen.last_len, len);
	ck_assert_mem_eq(seen.last, plain, len);
}
END_TEST

START_TEST(a_query_without_opt_is_never_shortened)
{
	uint8_t plain[64];
	const size_t len = make_query(9, RRTYPE_A, 0, plain);

	script(&(struct fake_script){ .rcode = RCODE_FORMERR });
	for (uint64_t i = 0; i < 40; i++)
		send_query(9, RRTYPE_A, 0, i);
	wait_told(40);
	ck_assert_uint_eq(told.errors, 0);
	fake_upstream_seen(fake, &seen);
	ck_assert_uint_eq(seen.n_udp, 40);
	ck_assert_uint_eq(seen.last_len, len);
	ck_assert_mem_eq(seen.last, plain, len);
}
END_TEST

START_TEST(one_id_and_question_twice_is_answered_twice)
{
	script(&(struct fake_script){ .quirks = FAKE_HOLDS });
	for (uint64_t i = 0; i < 32; i++)
		send_query(5, RRTYPE_A, WITH_OPT, i);
	wait_asked(32);
	fake_upstream_release(fake);
	wait_told(32);
	ck_assert_uint_eq(told.errors, 0);
	for (uint64_t i = 0; i < 32; i++)
		ck_assert_uint_eq(told.times[i], 1);
}
END_TEST

/* c-ares drops the UDP socket together with the TCP connection: what was in flight is sent again. */
START_TEST(closed_connections_take_no_datagram_query_with_them)
{
	script(&(struct fake_script){ .quirks = FAKE_CUTS_UDP });
	for (uint64_t i = 0; i < 64; i++) /* a connection on every channel */
		send_query((uint16_t)i, RRTYPE_A, WITH_OPT, i);
	wait_told(64);
	ck_assert_uint_eq(told.errors, 0);

	script(&(struct fake_script){ .quirks = FAKE_HOLDS });
	for (uint64_t i = 64; i < 164; i++)
		send_query((uint16_t)i, RRTYPE_A, WITH_OPT, i);
	wait_asked(64 + 64 + 100);
	script(&(struct fake_script){ 0 });
	fake_upstream_close_connections(fake);
	wait_told(164);
	ck_assert_uint_eq(told.errors, 0);
	for (uint64_t i = 0; i < 164; i++)
		ck_assert_uint_eq(told.times[i], 1);
}
END_TEST

START_TEST(source_ports_are_as_many_as_channels)
{
	bool used[65536] = { false };
	unsigned n = 0;

	for (uint64_t i = 0; i < 300; i++)
		send_query((uint16_t)i, RRTYPE_A, WITH_OPT, i);
	wait_told(300);
	for (uint64_t i = 301; i <= 330; i++) { /* they stay open between queries */
		send_query((uint16_t)i, RRTYPE_A, WITH_OPT, i);
		wait_told(i);
	}
	fake_upstream_seen(fake, &seen);
	for (size_t i = 0; i < seen.n; i++) {
		n += !used[seen.ports[i]];
		used[seen.ports[i]] = true;
	}
	ck_assert_uint_eq(n, CHANNELS);
}
END_TEST

START_TEST(too_many_in_flight_are_refused)
{
	uint8_t query[64];
	const size_t len = make_query(1, RRTYPE_A, WITH_OPT, query);

	script(&(struct fake_script){ .quirks = FAKE_SILENT });
	for (uint64_t i = 0; i < TOKENS - 1; i++)
		send_query((uint16_t)i, RRTYPE_A, WITH_OPT, i);
	ck_assert_uint_eq(upstream_pending(upstream), TOKENS - 1);
	ck_assert_int_eq(upstream_send(upstream, query, len, TOKENS - 1), -EBUSY);
	ck_assert_uint_eq(told.n, 0);

	wait_told(TOKENS - 1); /* and every one of them comes back, once */
	ck_assert_uint_eq(upstream_pending(upstream), 0);
	for (uint64_t i = 0; i < TOKENS - 1; i++)
		ck_assert_uint_eq(told.times[i], 1);
	script(&(struct fake_script){ 0 });
	send_query(1, RRTYPE_A, WITH_OPT, 0);
	wait_told(TOKENS);
	ck_assert_int_eq(told.error, 0);
}
END_TEST

START_TEST(messages_of_impossible_length_are_refused)
{
	static uint8_t message[DNS_MESSAGE_OCTETS_MAX + 1];

	ck_assert_int_eq(upstream_send(upstream, message, DNS_HEADER_OCTETS - 1, 0), -EINVAL);
	ck_assert_int_eq(upstream_send(upstream, message, sizeof(message), 0), -EINVAL);
	ck_assert_uint_eq(upstream_pending(upstream), 0);
}
END_TEST

START_TEST(destroying_ends_queries_in_silence)
{
	script(&(struct fake_script){ .quirks = FAKE_SILENT });
	for (uint64_t i = 0; i < 500; i++)
		send_query((uint16_t)i, RRTYPE_A, WITH_OPT, i);
	event_base_loop(loop, EVLOOP_NONBLOCK);
	upstream_destroy(upstream);
	upstream = NULL;
	ck_assert_uint_eq(told.n, 0);
	ck_assert_int_eq(event_base_get_num_events(loop, EVENT_BASE_COUNT_ADDED), 0);
}
END_TEST

static int count_timer(const struct event_base *base, const struct event *e, void *n)
{
	(void)base;
	*(int *)n += event_pending(e, EV_TIMEOUT, NULL) != 0;
	return 0;
}

static int timers(void)
{
	int n = 0;

	event_base_foreach_event(loop, count_timer, &n);
	return n;
}

START_TEST(nothing_wakes_an_idle_upstream)
{
	ck_assert_int_eq(timers(), 0);
	send_query(1, RRTYPE_A, WITH_OPT, 7);
	ck_assert_int_eq(timers(), 1);
	wait_told(1);
	ck_assert_int_eq(timers(), 0);
}
END_TEST

START_TEST(an_upstream_may_have_an_ip6_address)
{
	struct fake_upstream *other = fake_upstream_start("::1", 0);

	if (other == NULL)
		return; /* a kernel without IPv6 */
	upstream_destroy(upstream);
	create_upstream("::1", fake_upstream_port(other));
	send_query(1, RRTYPE_AAAA, WITH_OPT, 7);
	wait_told(1);
	ck_assert_int_eq(told.error, 0);
	ck_assert_uint_eq(fake_upstream_count(other), 1);
	fake_upstream_stop(other);
}
END_TEST

START_TEST(an_interface_that_is_not_there_is_an_error)
{
	struct endpoint server;
	struct upstream *none = NULL;

	ck_assert(endpoint_from_text("fe80::1%2147483647", 53, &server));
	ck_assert_int_eq(upstream_create(loop, &server, TRY_MS, on_done, &told, &none), -ENODEV);
	ck_assert_ptr_null(none);
	upstream_destroy(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("upstream");
	TCase *asking = tcase_create("asking");
	TCase *limits = tcase_create("limits");

	tcase_add_checked_fixture(asking, setup, teardown);
	tcase_set_timeout(asking, 20);
	tcase_add_loop_test(asking, queries_go_out_octet_by_octet, 0, sizeof(passed) / sizeof(passed[0]));
	tcase_add_test(asking, silence_is_a_timeout_after_two_tries);
	tcase_add_test(asking, a_lost_query_is_sent_again);
	tcase_add_test(asking, a_closed_port_is_known_at_once);
	tcase_add_loop_test(asking, answers_to_other_queries_are_not_ours, 0,
			    sizeof(foreign) / sizeof(foreign[0]));
	tcase_add_loop_test(asking, errors_are_handed_up_as_they_are, 0, sizeof(rcodes) / sizeof(rcodes[0]));
	tcase_add_test(asking, an_answer_that_was_cut_comes_over_tcp);
	tcase_add_loop_test(asking, no_answer_is_cut_on_the_way, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(asking, formerr_without_opt_repeats_the_clean_question);
	tcase_add_test(asking, a_query_without_opt_is_never_shortened);
	tcase_add_test(asking, one_id_and_question_twice_is_answered_twice);
	tcase_add_test(asking, closed_connections_take_no_datagram_query_with_them);
	tcase_add_test(asking, an_upstream_may_have_an_ip6_address);
	suite_add_tcase(suite, asking);

	tcase_add_checked_fixture(limits, setup, teardown);
	tcase_set_timeout(limits, 30);
	tcase_add_test(limits, source_ports_are_as_many_as_channels);
	tcase_add_test(limits, too_many_in_flight_are_refused);
	tcase_add_test(limits, messages_of_impossible_length_are_refused);
	tcase_add_test(limits, destroying_ends_queries_in_silence);
	tcase_add_test(limits, nothing_wakes_an_idle_upstream);
	tcase_add_test(limits, an_interface_that_is_not_there_is_an_error);
	suite_add_tcase(suite, limits);
	return harness_run(suite);
}
