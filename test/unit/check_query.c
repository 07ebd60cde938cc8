/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/query.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "fake_dns.h"
#include "harness.h"
#include "wire/records.h"

enum { LIMIT_MS = 8000, QUERIES = 300, TIMEOUT_MS = 600 };

static struct event_base *loop;
static struct querier *querier;
static struct fake_dns *dns;

static struct asked {
	struct fetch_request request;
	struct query *query;
	unsigned calls;
	int error, status;
	char text[128], name[64];
	unsigned n_answers, n_additional;
} all[QUERIES];

static void on_heard(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	struct asked *a = context;
	struct records records;
	struct record record;

	ck_assert_uint_eq(pause_ms, 0);
	ck_assert(result->last);
	ck_assert_int_eq(result->error < 0, result->error_text != NULL);
	ck_assert_int_eq(result->body[result->len], '\0');
	a->calls++;
	a->query = NULL;
	a->error = result->error;
	a->status = result->status;
	snprintf(a->text, sizeof(a->text), "%s", result->error_text != NULL ? result->error_text : "");
	snprintf(a->name, sizeof(a->name), "%s", result->name);
	if (result->error < 0) {
		ck_assert_uint_eq(result->len, 0);
		return;
	}
	ck_assert(records_begin(&records, (const uint8_t *)result->body, result->len));
	ck_assert_uint_eq(records.qtype, a->request.type);
	while (records_next(&records, &record)) {
		a->n_answers += record.section == SECTION_ANSWER;
		a->n_additional += record.section == SECTION_ADDITIONAL && record.type != RRTYPE_OPT;
	}
	ck_assert(!records.bad);
}

static struct endpoint server(void)
{
	struct endpoint e;
	char text[ENDPOINT_TEXT_MAX];

	snprintf(text, sizeof(text), "127.0.0.1:%u", fake_dns_port(dns));
	ck_assert(endpoint_from_text(text, 53, &e));
	return e;
}

static void set_up(void)
{
	loop = event_base_new();
	dns = fake_dns_start();
	ck_assert_int_eq(querier_create(loop, &querier), 0);
	memset(all, 0, sizeof(all));
}

static void tear_down(void)
{
	querier_destroy(querier);
	event_base_free(loop);
	fake_dns_stop(dns);
}

static struct asked *start_with(int i, const char *name, enum rrtype type, fetch_heard_fn heard)
{
	struct asked *a = &all[i];

	*a = (struct asked){ .request = { .source = FETCH_DNS,
					  .server = server(),
					  .name = name,
					  .type = (uint16_t)type,
					  .timeout_ms = TIMEOUT_MS } };
	ck_assert_int_eq(querier_start(querier, &a->request, heard, a, &a->query), 0);
	ck_assert_uint_eq(a->calls, 0);
	return a;
}

static struct asked *start(int i, const char *name, enum rrtype type)
{
	return start_with(i, name, type, on_heard);
}

static void turn(void)
{
	event_base_loopexit(loop, &(struct timeval){ .tv_usec = 10000 });
	event_base_loop(loop, EVLOOP_ONCE);
}

static void run_until_heard(int n)
{
	const uint64_t end = clock_ms() + LIMIT_MS;
	int heard = 0;

	while (heard < n && clock_ms() < end) {
		turn();
		heard = 0;
		for (int i = 0; i < QUERIES; i++)
			heard += all[i].calls > 0;
	}
	ck_assert_int_eq(heard, n);
}

static void run_for(uint64_t ms)
{
	const uint64_t end = clock_ms() + ms;

	while (clock_ms() < end)
		turn();
}

static struct asked *ask(const char *name, enum rrtype type)
{
	struct asked *a = start(0, name, type);

	run_until_heard(1);
	run_for(20);
	ck_assert_uint_eq(a->calls, 1);
	return a;
}

static void add_web(int n)
{
	char target[64], address[32];

	for (int i = 1; i <= n; i++) {
		snprintf(target, sizeof(target), "web%d.corp", i);
		snprintf(address, sizeof(address), "10.0.%d.%d", i / 250, i % 250 + 1);
		fake_dns_add_srv(dns, "_web._tcp.corp", target, (uint16_t)(8000 + i), 0, 1, 30);
		fake_dns_add(dns, target, address, 30);
	}
}

START_TEST(answer_comes_whole_with_the_name_of_the_server)
{
	char name[64];

	add_web(3);
	const struct asked *a = ask("_Web._tcp.corp.", RRTYPE_SRV);
	ck_assert_int_eq(a->error, 0);
	ck_assert_int_eq(a->status, RCODE_NOERROR);
	ck_assert_uint_eq(a->n_answers, 3);
	ck_assert_uint_eq(a->n_additional, 3);
	snprintf(name, sizeof(name), "127.0.0.1:%u", fake_dns_port(dns));
	ck_assert_str_eq(a->name, name);
}
END_TEST

static const int rcodes[] = { RCODE_FORMERR, RCODE_SERVFAIL, RCODE_NXDOMAIN, RCODE_NOTIMP, RCODE_REFUSED };

START_TEST(rcode_is_an_answer)
{
	fake_dns_set_rcode(dns, rcodes[_i]);
	const struct asked *a = ask("a.corp", RRTYPE_A);
	ck_assert_int_eq(a->error, 0);
	ck_assert_int_eq(a->status, rcodes[_i]);
	ck_assert_uint_eq(fake_dns_queries(dns), 1);
}
END_TEST

START_TEST(two_hundred_srv_records_come_over_tcp_with_their_addresses)
{
	add_web(200);
	const struct asked *a = ask("_web._tcp.corp", RRTYPE_SRV);
	ck_assert_int_eq(a->error, 0);
	ck_assert_uint_eq(a->n_answers, 200);
	ck_assert_uint_eq(a->n_additional, 200);
	ck_assert_uint_eq(fake_dns_tcp_queries(dns), 1);
}
END_TEST

START_TEST(answer_up_to_1232_octets_stays_on_udp)
{
	char address[32];

	for (int i = 1; i <= 40; i++) {
		snprintf(address, sizeof(address), "10.0.0.%d", i);
		fake_dns_add(dns, "a.corp", address, 30);
	}
	ck_assert_uint_eq(ask("a.corp", RRTYPE_A)->n_answers, 40);
	ck_assert_uint_eq(fake_dns_tcp_queries(dns), 0);
}
END_TEST

/* The kind sees the TC, and knows what it means. */
START_TEST(answer_that_is_cut_even_over_tcp_is_handed_on)
{
	fake_dns_set_quirks(dns, FAKE_DNS_CUT);
	const struct asked *a = ask("a.corp", RRTYPE_A);
	ck_assert_int_eq(a->error, 0);
	ck_assert_uint_eq(fake_dns_tcp_queries(dns), 1);
}
END_TEST

START_TEST(cut_answer_of_a_server_without_tcp_is_an_error)
{
	add_web(200);
	fake_dns_set_quirks(dns, FAKE_DNS_NO_TCP);
	const struct asked *a = ask("_web._tcp.corp", RRTYPE_SRV);
	ck_assert_int_lt(a->error, 0);
}
END_TEST

static const unsigned damages[] = { FAKE_DNS_DAMAGED, FAKE_DNS_ECHO };

START_TEST(damaged_answer_is_an_error)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	fake_dns_set_quirks(dns, damages[_i]);
	const struct asked *a = ask("a.corp", RRTYPE_A);
	ck_assert_int_eq(a->error, -EBADMSG);
	ck_assert_str_eq(a->text, "the answer is damaged");
}
END_TEST

START_TEST(server_without_edns_is_understood)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	fake_dns_set_quirks(dns, FAKE_DNS_NO_EDNS);
	const struct asked *a = ask("a.corp", RRTYPE_A);
	ck_assert_int_eq(a->status, RCODE_NOERROR);
	ck_assert_uint_eq(a->n_answers, 1);
}
END_TEST

START_TEST(silence_ends_at_the_timeout)
{
	const uint64_t start_ms = clock_ms();

	fake_dns_set_silent(dns, 255);
	const struct asked *a = ask("a.corp", RRTYPE_A);
	ck_assert_int_eq(a->error, -ETIMEDOUT);
	ck_assert_str_eq(a->text, "no answer");
	ck_assert_uint_ge(clock_ms() - start_ms, TIMEOUT_MS);
	ck_assert_uint_le(clock_ms() - start_ms, TIMEOUT_MS + slowed(500));
	ck_assert_uint_eq(fake_dns_queries(dns), 2);
}
END_TEST

START_TEST(lost_query_is_repeated)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	fake_dns_set_silent(dns, 255);
	all[0].request = (struct fetch_request){
		.server = server(), .name = "a.corp", .type = RRTYPE_A, .timeout_ms = LIMIT_MS / 2
	};
	ck_assert_int_eq(querier_start(querier, &all[0].request, on_heard, &all[0], &all[0].query), 0);
	for (uint64_t end = clock_ms() + LIMIT_MS; fake_dns_queries(dns) == 0 && clock_ms() < end;)
		turn();
	ck_assert_uint_eq(fake_dns_queries(dns), 1);
	fake_dns_set_silent(dns, 0);
	run_until_heard(1);
	ck_assert_int_eq(all[0].error, 0);
	ck_assert_uint_eq(all[0].n_answers, 1);
}
END_TEST

START_TEST(closed_port_is_told_at_once)
{
	const uint64_t start_ms = clock_ms();
	struct asked *a = &all[0];

	a->request = (struct fetch_request){ .server = server(), .name = "a.corp", .type = RRTYPE_A };
	fake_dns_stop(dns);
	dns = NULL;
	ck_assert_int_eq(querier_start(querier, &a->request, on_heard, a, &a->query), 0);
	ck_assert_uint_eq(a->calls, 0);
	run_until_heard(1);
	ck_assert_int_eq(a->error, -ECONNREFUSED);
	ck_assert_uint_le(clock_ms() - start_ms, TIMEOUT_MS / 2);
}
END_TEST

static const char *const bad_names[] = {
	"",
	".",
	"a..corp",
	"a b.corp",
	"b\303\274cher.corp",
	"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg.corp",
};

START_TEST(name_that_is_none_is_told_later_as_all_else)
{
	const struct asked *a = ask(bad_names[_i], RRTYPE_A);

	ck_assert_int_eq(a->error, -EINVAL);
	ck_assert_uint_eq(fake_dns_queries(dns), 0);
}
END_TEST

START_TEST(many_questions_run_side_by_side)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	fake_dns_set_silent(dns, 28);
	for (int i = 0; i < QUERIES; i++)
		start(i, i % 3 == 0 ? "not a name" : "a.corp", i % 3 == 1 ? RRTYPE_A : RRTYPE_AAAA);
	const uint64_t start_ms = clock_ms();
	run_until_heard(QUERIES); /* those without an answer all at one time */
	ck_assert_uint_le(clock_ms() - start_ms, TIMEOUT_MS + 1000);
	for (int i = 0; i < QUERIES; i++) {
		ck_assert_uint_eq(all[i].calls, 1);
		ck_assert_int_eq(all[i].error, i % 3 == 0 ? -EINVAL : i % 3 == 1 ? 0 : -ETIMEDOUT);
	}
}
END_TEST

START_TEST(every_question_has_a_port_and_an_id_of_its_own)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	for (int i = 0; i < 100; i++)
		ask("a.corp", RRTYPE_A);
	ck_assert_uint_eq(fake_dns_queries(dns), 100); /* nothing is cached */
	ck_assert_uint_ge(fake_dns_ports(dns), 90);    /* of 28,000 */
	ck_assert_uint_ge(fake_dns_ids(dns), 95);
}
END_TEST

START_TEST(cancelled_question_is_not_told)
{
	fake_dns_set_silent(dns, 255);
	start(0, "a.corp", RRTYPE_A);
	query_cancel(all[0].query); /* sent */
	start(1, "a.corp", RRTYPE_A);
	run_for(50);
	query_cancel(all[1].query); /* received */
	query_cancel(NULL);
	fake_dns_set_silent(dns, 0);
	run_for(TIMEOUT_MS + 100);
	ck_assert_uint_eq(all[0].calls + all[1].calls, 0);
	ck_assert_uint_eq(fake_dns_queries(dns), 2); /* none was repeated */
}
END_TEST

static void on_heard_cancel(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	on_heard(context, result, pause_ms);
	query_cancel(all[1].query);
	all[1].query = NULL;
	start(2, "a.corp", RRTYPE_AAAA);
}

START_TEST(who_is_told_may_cancel_and_start_others)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	start_with(0, "a.corp", RRTYPE_A, on_heard_cancel);
	start(1, "a.corp", RRTYPE_A);
	run_until_heard(2);
	ck_assert_uint_eq(all[0].calls, 1);
	ck_assert_uint_eq(all[1].calls, 0);
	ck_assert_uint_eq(all[2].calls, 1);
}
END_TEST

static void on_heard_destroy(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	on_heard(context, result, pause_ms);
	querier_destroy(querier);
	querier = NULL;
}

START_TEST(who_is_told_may_destroy_the_querier)
{
	fake_dns_add(dns, "a.corp", "10.0.0.1", 30);
	start_with(0, "a.corp", RRTYPE_A, on_heard_destroy);
	run_until_heard(1);
	run_for(20);
}
END_TEST

START_TEST(destroying_ends_questions_in_every_state)
{
	fake_dns_set_silent(dns, 255);
	for (int i = 0; i < 100; i++)
		start(i, i == 0 ? "not a name" : "a.corp", RRTYPE_A);
	event_base_loop(loop, EVLOOP_NONBLOCK);
	start(100, "a.corp", RRTYPE_A);
	for (int i = 0; i <= 100; i++)
		all[i].calls = 0;
	querier_destroy(querier);
	querier = NULL;
	run_for(50);
	for (int i = 0; i <= 100; i++)
		ck_assert_uint_eq(all[i].calls, 0);
}
END_TEST

START_TEST(several_servers_are_asked_at_a_time)
{
	struct fake_dns *other = fake_dns_start();
	struct fake_dns *first = dns;

	fake_dns_add(first, "a.corp", "10.0.0.1", 30);
	start(0, "a.corp", RRTYPE_A);
	dns = other;
	start(1, "a.corp", RRTYPE_A);
	dns = first;
	run_until_heard(2);
	ck_assert_int_eq(all[0].status, RCODE_NOERROR);
	ck_assert_int_eq(all[1].status, RCODE_NXDOMAIN);
	fake_dns_stop(other);
}
END_TEST

static TCase *answers_case(void)
{
	TCase *tc = tcase_create("answers");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, answer_comes_whole_with_the_name_of_the_server);
	tcase_add_loop_test(tc, rcode_is_an_answer, 0, sizeof(rcodes) / sizeof(rcodes[0]));
	tcase_add_test(tc, two_hundred_srv_records_come_over_tcp_with_their_addresses);
	tcase_add_test(tc, answer_up_to_1232_octets_stays_on_udp);
	tcase_add_test(tc, answer_that_is_cut_even_over_tcp_is_handed_on);
	tcase_add_test(tc, cut_answer_of_a_server_without_tcp_is_an_error);
	tcase_add_loop_test(tc, damaged_answer_is_an_error, 0, sizeof(damages) / sizeof(damages[0]));
	tcase_add_test(tc, server_without_edns_is_understood);
	return tc;
}

static TCase *course_case(void)
{
	TCase *tc = tcase_create("course");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, silence_ends_at_the_timeout);
	tcase_add_test(tc, lost_query_is_repeated);
	tcase_add_test(tc, closed_port_is_told_at_once);
	tcase_add_loop_test(tc, name_that_is_none_is_told_later_as_all_else, 0,
			    sizeof(bad_names) / sizeof(bad_names[0]));
	tcase_add_test(tc, many_questions_run_side_by_side);
	tcase_add_test(tc, every_question_has_a_port_and_an_id_of_its_own);
	tcase_add_test(tc, cancelled_question_is_not_told);
	tcase_add_test(tc, who_is_told_may_cancel_and_start_others);
	tcase_add_test(tc, who_is_told_may_destroy_the_querier);
	tcase_add_test(tc, destroying_ends_questions_in_every_state);
	tcase_add_test(tc, several_servers_are_asked_at_a_time);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("query");

	suite_add_tcase(suite, answers_case());
	suite_add_tcase(suite, course_case());
	return harness_run(suite);
}
