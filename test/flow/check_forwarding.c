/* SPDX-License-Identifier: BSD-2-Clause */
/* What is not ours goes to the upstream, what is ours never does, and neither waits for the other. */
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fake_upstream.h"
#include "harness.h"
#include "planes.h"

#define SHOP           "shop.service.local"
#define SHOP_ANSWER    "NOERROR aa; 2 A 10.1.0.1"
#define FOREIGN        "www.example"
#define FOREIGN_ANSWER "NOERROR; 300 A 192.0.2.0"

enum { JOBS = 1024, PIPELINED = 200 };

static struct planes *planes;
static struct fake_upstream *upstream;

static void start(unsigned threads)
{
	planes = planes_start("threads = %u\n"
			      "static \"fixed\" { instance \"10.1.0.1:80\" { service = \"shop\" } }\n"
			      "forward \".\" { upstreams = { \"127.0.0.1:%u\" } }\n",
			      threads, fake_upstream_port(upstream));
	planes_await(planes, SHOP, SHOP_ANSWER);
}

static void setup(void)
{
	upstream = fake_upstream_start("127.0.0.1", 0);
	ck_assert_ptr_nonnull(upstream);
	start(1);
}

static void teardown(void)
{
	planes_stop(planes);
	fake_upstream_stop(upstream);
}

static void script(unsigned quirks)
{
	fake_upstream_script(upstream, &(struct fake_script){ .quirks = quirks });
}

static struct client *connect_by(int tcp)
{
	return tcp ? client_tcp(planes_port(planes)) : client_udp(planes_port(planes));
}

static bool has_seen(void *n)
{
	return fake_upstream_count(upstream) >= *(const size_t *)n;
}

static void await_upstream(size_t n)
{
	ck_assert_msg(harness_wait(has_seen, &n, CLIENT_LIMIT_MS), "the upstream saw %zu of %zu",
		      fake_upstream_count(upstream), n);
}

static void expect(struct client *c, const struct question *q, const char *text)
{
	ck_assert_str_eq(client_ask(c, q), text);
}

/* --- what goes where --- */

START_TEST(foreign_names_are_forwarded)
{
	struct client *c = connect_by(_i);

	expect(c, &(struct question){ .name = FOREIGN, .id = 7 }, FOREIGN_ANSWER);
	expect(c, &(struct question){ .name = FOREIGN, .type = 28, .id = 8 }, "NOERROR; 300 AAAA 2001:db8::");
	expect(c, &(struct question){ .name = "WwW.eXaMpLe", .id = 9, .plain = true }, FOREIGN_ANSWER);
	expect(c, &(struct question){ .name = "9.0.0.10.in-addr.arpa", .type = 1, .id = 9 }, FOREIGN_ANSWER);
	expect(c, &(struct question){ .name = "local" }, FOREIGN_ANSWER);
	expect(c, &(struct question){ .name = "." }, FOREIGN_ANSWER);
	expect(c, &(struct question){ .name = "myservice.local" }, FOREIGN_ANSWER);
	expect(c, &(struct question){ .name = "service.local.example" }, FOREIGN_ANSWER);
	ck_assert_uint_eq(fake_upstream_count(upstream), 8);
	client_close(c);
}
END_TEST

START_TEST(reverse_names_of_instances_are_ours_all_others_are_not)
{
	struct client *c = connect_by(_i);

	expect(c, &(struct question){ .name = "1.0.1.10.in-addr.arpa", .type = LDNS_RR_TYPE_PTR },
	       "NOERROR aa; 2 PTR shop.service.local.");
	ck_assert_uint_eq(fake_upstream_count(upstream), 0);
	client_send(c, &(struct question){ .name = "2.0.1.10.in-addr.arpa", .type = LDNS_RR_TYPE_PTR });
	await_upstream(1);
	client_close(c);
}
END_TEST

static const char *const own_names[] = {
	"service.local",
	SHOP,
	"none.service.local",
	"deep.below.none.service.local",
	"_status.service.local",
	"_http._tcp.service.local",
	"10-9-9-9.addr.service.local",
	"SeRvIcE.lOcAl",
	"ns.service.local",
};
enum { OWN_NAMES = sizeof(own_names) / sizeof(own_names[0]) };

/* Each is answered, and nobody else hears of it. */
static void expect_ours(struct client *c, const struct question *q)
{
	client_send(c, q);
	ck_assert_msg(client_read(c, CLIENT_LIMIT_MS), "%s type %u class %u opcode %u: no reply", q->name,
		      q->type, q->class, q->opcode);
	ck_assert_uint_eq(client_id(c), q->id);
}

START_TEST(own_names_never_reach_the_upstream_whatever_the_type)
{
	struct client *c = connect_by(_i / OWN_NAMES);

	for (unsigned type = 1; type < 66000; type += type < 300 ? 1 : 1093)
		expect_ours(c, &(struct question){ .name = own_names[_i % OWN_NAMES],
						   .type = (uint16_t)type,
						   .id = (uint16_t)type });
	ck_assert_uint_eq(fake_upstream_count(upstream), 0);
	client_close(c);
}
END_TEST

START_TEST(own_names_never_reach_the_upstream_whatever_the_class_and_opcode)
{
	static const uint16_t classes[] = { 1, 2, 3, 4, 5, 254, 255, 65535 };
	struct client *c = connect_by(_i / OWN_NAMES);

	for (uint8_t opcode = 0; opcode < 16; opcode++) {
		for (size_t i = 0; i < 2 * sizeof(classes) / sizeof(classes[0]); i++)
			expect_ours(c, &(struct question){ .name = own_names[_i % OWN_NAMES],
							   .class = classes[i / 2],
							   .opcode = opcode,
							   .no_rd = i % 2 });
	}
	ck_assert_uint_eq(fake_upstream_count(upstream), 0);
	client_close(c);
}
END_TEST

START_TEST(foreign_names_that_nobody_may_forward_are_refused)
{
	static const struct {
		struct question q;
		const char *text;
	} refused[] = {
		{ { .name = FOREIGN, .no_rd = true }, "REFUSED ede 20" },
		{ { .name = FOREIGN, .type = LDNS_RR_TYPE_AXFR }, "REFUSED ede 18" },
		{ { .name = FOREIGN, .type = LDNS_RR_TYPE_IXFR }, "REFUSED ede 18" },
		{ { .name = FOREIGN, .class = 255 }, "REFUSED ede 21" },
		{ { .name = FOREIGN, .class = 3 }, "REFUSED" },
		{ { .name = FOREIGN, .opcode = 4 }, "NOTIMPL" },
		{ { .name = FOREIGN, .opcode = 5 }, "NOTIMPL" },
	};
	struct client *c = connect_by(_i);

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		expect(c, &refused[i].q, refused[i].text);
	ck_assert_uint_eq(fake_upstream_count(upstream), 0);
	client_close(c);
}
END_TEST

START_TEST(without_upstreams_foreign_names_are_refused)
{
	planes_stop(planes);
	planes = planes_start("static \"fixed\" { instance \"10.1.0.1:80\" { service = \"shop\" } }\n");
	struct client *c = connect_by(_i);
	expect(c, &(struct question){ .name = FOREIGN }, "REFUSED ede 20");
	expect(c, &(struct question){ .name = SHOP }, SHOP_ANSWER);
	client_close(c);
}
END_TEST

/* --- neither waits for the other --- */

START_TEST(local_answers_overtake_forwarded_ones)
{
	struct client *c = connect_by(_i);

	script(FAKE_HOLDS);
	for (uint16_t id = 0; id < 10; id++)
		client_send(c, &(struct question){ .name = id % 2 == 0 ? FOREIGN : SHOP, .id = id });
	for (int i = 0; i < 5; i++) {
		ck_assert(client_read(c, CLIENT_LIMIT_MS));
		ck_assert_uint_eq(client_id(c) % 2, 1);
		ck_assert_str_eq(client_text(c), SHOP_ANSWER);
	}
	await_upstream(5);
	fake_upstream_release(upstream);
	for (int i = 0; i < 5; i++) {
		ck_assert(client_read(c, CLIENT_LIMIT_MS));
		ck_assert_uint_eq(client_id(c) % 2, 0);
		ck_assert_str_eq(client_text(c), FOREIGN_ANSWER);
	}
	client_close(c);
}
END_TEST

/* Reads n replies and sees that each ID from 0 on came once. */
static void read_all(struct client *c, unsigned n, const char *text)
{
	bool *seen = calloc(n, sizeof(*seen));

	for (unsigned i = 0; i < n; i++) {
		ck_assert_msg(client_read(c, CLIENT_LIMIT_MS), "%u of %u", i, n);
		ck_assert_uint_lt(client_id(c), n);
		ck_assert_msg(!seen[client_id(c)], "%u twice", client_id(c));
		seen[client_id(c)] = true;
		ck_assert_str_eq(client_text(c), text);
	}
	free(seen);
}

/* More than wait for an upstream on one connection: the rest is read when answers have come. */
START_TEST(many_forwarded_queries_of_one_connection_are_all_answered)
{
	struct client *c = client_tcp(planes_port(planes));

	script(FAKE_HOLDS);
	for (uint16_t id = 0; id < PIPELINED; id++)
		client_send(c, &(struct question){ .name = FOREIGN, .id = id });
	if (_i == 1)
		client_finish(c);
	await_upstream(100);
	planes_expect(planes, SHOP, SHOP_ANSWER);
	script(0);
	fake_upstream_release(upstream);
	read_all(c, PIPELINED, FOREIGN_ANSWER);
	if (_i == 1)
		ck_assert(client_is_closed(c, CLIENT_LIMIT_MS));
	client_close(c);
}
END_TEST

START_TEST(a_client_that_hangs_up_while_forwarding_harms_nobody)
{
	const struct linger at_once = { .l_onoff = 1 };
	struct client *c = client_tcp(planes_port(planes)), *other = client_tcp(planes_port(planes));

	script(FAKE_HOLDS);
	for (uint16_t id = 0; id < 50; id++)
		client_send(c, &(struct question){ .name = FOREIGN, .id = id });
	client_send(other, &(struct question){ .name = FOREIGN });
	await_upstream(51);
	if (_i == 1)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	client_close(c);
	planes_expect(planes, SHOP, SHOP_ANSWER);
	script(0);
	fake_upstream_release(upstream);
	read_all(other, 1, FOREIGN_ANSWER);
	expect(other, &(struct question){ .name = SHOP }, SHOP_ANSWER);
	client_close(other);
}
END_TEST

START_TEST(a_thousand_local_queries_do_not_wait_for_a_silent_upstream)
{
	enum { BATCH = 50, BATCHES = 20 };
	struct client *foreign = client_udp(planes_port(planes)), *local = client_udp(planes_port(planes));

	script(FAKE_SILENT);
	for (uint16_t i = 0; i < BATCHES; i++) {
		for (uint16_t id = 0; id < BATCH; id++)
			client_send(foreign, &(struct question){ .name = FOREIGN, .id = id });
		await_upstream((size_t)(i + 1) * BATCH); /* so that none is lost on its way in */
	}
	for (int i = 0; i < BATCHES; i++) {
		for (uint16_t id = 0; id < BATCH; id++)
			client_send(local, &(struct question){ .name = SHOP, .id = id });
		read_all(local, BATCH, SHOP_ANSWER);
	}
	ck_assert_msg(!client_read(foreign, 0), "the upstream was silent, but: %s", client_text(foreign));
	client_close(foreign);
	client_close(local);
}
END_TEST

START_TEST(more_than_can_be_forwarded_is_servfail_at_once)
{
	enum { BATCH = 64, EXCESS = 10 };
	struct client *c = client_udp(planes_port(planes));

	script(FAKE_SILENT);
	for (unsigned n = 0; n < JOBS; n += BATCH) {
		for (unsigned id = n; id < n + BATCH; id++)
			client_send(c, &(struct question){ .name = FOREIGN, .id = (uint16_t)id });
		await_upstream(n + BATCH);
	}
	for (uint16_t id = 0; id < EXCESS; id++)
		client_send(c, &(struct question){ .name = FOREIGN, .id = (uint16_t)(JOBS + id) });
	for (int i = 0; i < EXCESS; i++) {
		ck_assert(client_read(c, CLIENT_LIMIT_MS));
		ck_assert_uint_ge(client_id(c), JOBS);
		ck_assert_str_eq(client_text(c), "SERVFAIL ede 0");
	}
	planes_expect(planes, SHOP, SHOP_ANSWER);
	client_close(c);
}
END_TEST

START_TEST(a_silent_upstream_is_servfail_before_the_client_gives_up)
{
	struct client *c = connect_by(_i);

	script(FAKE_SILENT);
	client_send(c, &(struct question){ .name = FOREIGN });
	ck_assert(client_read(c, (unsigned)slowed(4900)));
	ck_assert_str_eq(client_text(c), "SERVFAIL ede 22");
	client_close(c);
}
END_TEST

/* Whoever of the eight the scheduler lets run last. */
static bool all_are_served(void *context)
{
	struct stream *const *streams = context;

	for (int i = 0; i < 8; i++) {
		if (stream_count(streams[i]) <= 10)
			return false;
	}
	return true;
}

START_TEST(several_threads_forward_alike)
{
	static const char *const local = SHOP_ANSWER, *const foreign = FOREIGN_ANSWER;
	struct stream *streams[8];

	planes_stop(planes);
	start(2);
	for (int i = 0; i < 8; i++)
		streams[i] = stream_start(planes_port(planes), i / 2 % 2, i % 2 ? SHOP : FOREIGN,
					  i % 2 ? &local : &foreign, 1);
	ck_assert(harness_wait(all_are_served, streams, CLIENT_LIMIT_MS));
	for (int i = 0; i < 8; i++)
		stream_stop(streams[i]);
}
END_TEST

static TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("forwarding");
	TCase *where = add_case(suite, "where");
	TCase *waiting = add_case(suite, "waiting");

	tcase_add_loop_test(where, foreign_names_are_forwarded, 0, 2);
	tcase_add_loop_test(where, reverse_names_of_instances_are_ours_all_others_are_not, 0, 2);
	tcase_add_loop_test(where, own_names_never_reach_the_upstream_whatever_the_type, 0, 2 * OWN_NAMES);
	tcase_add_loop_test(where, own_names_never_reach_the_upstream_whatever_the_class_and_opcode, 0,
			    2 * OWN_NAMES);
	tcase_add_loop_test(where, foreign_names_that_nobody_may_forward_are_refused, 0, 2);
	tcase_add_loop_test(where, without_upstreams_foreign_names_are_refused, 0, 2);

	tcase_add_loop_test(waiting, local_answers_overtake_forwarded_ones, 0, 2);
	tcase_add_loop_test(waiting, many_forwarded_queries_of_one_connection_are_all_answered, 0, 2);
	tcase_add_loop_test(waiting, a_client_that_hangs_up_while_forwarding_harms_nobody, 0, 2);
	tcase_add_test(waiting, a_thousand_local_queries_do_not_wait_for_a_silent_upstream);
	tcase_add_test(waiting, more_than_can_be_forwarded_is_servfail_at_once);
	tcase_add_loop_test(waiting, a_silent_upstream_is_servfail_before_the_client_gives_up, 0, 2);
	tcase_add_test(waiting, several_threads_forward_alike);
	return harness_run(suite);
}
