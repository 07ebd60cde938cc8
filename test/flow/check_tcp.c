/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP as clients use and misuse it: pieces, heaps, nonsense, silence and crowds. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"
#include "harness.h"
#include "planes.h"
#include "tcp_rig.h"

enum {
	CLIENTS_MAX = 4,
	FRAME_MAX = 4096, /* of a query that is read at all */
};

static void teardown(void)
{
	planes_stop(planes);
}

static struct client *connect_here(void)
{
	return client_tcp(planes_port(planes));
}

/* One framed query for the shop, behind others in octets; returns the new length. */
static size_t add_frame(uint8_t *octets, size_t len, uint16_t id)
{
	const size_t n = client_write_query(&(struct question){ .name = SHOP, .id = id }, octets + len + 2);

	octets[len] = (uint8_t)(n >> 8);
	octets[len + 1] = (uint8_t)n;
	return len + 2 + n;
}

static void expect_answer(struct client *c, uint16_t id)
{
	ck_assert_msg(client_read(c, CLIENT_LIMIT_MS), "no reply to %u", id);
	ck_assert_uint_eq(client_id(c), id);
	ck_assert_str_eq(client_text(c), SHOP_ANSWER);
}

static void expect_shop(struct client *c)
{
	ck_assert_str_eq(client_ask(c, &(struct question){ .name = SHOP, .id = 77 }), SHOP_ANSWER);
}

/* --- framing --- */

START_TEST(a_query_may_come_octet_by_octet)
{
	uint8_t octets[2 * CLIENT_QUERY_MAX];
	struct client *c;

	start("");
	c = connect_here();
	const size_t len = add_frame(octets, add_frame(octets, 0, 1), 2);
	for (size_t i = 0; i < len; i++)
		client_send_octets(c, octets + i, 1);
	expect_answer(c, 1);
	expect_answer(c, 2);
	client_close(c);
}
END_TEST

START_TEST(queries_may_come_cut_anywhere)
{
	uint8_t octets[3 * CLIENT_QUERY_MAX];
	struct client *c;

	start("");
	c = connect_here();
	for (uint16_t round = 0; round < 60; round++) {
		const size_t len =
			add_frame(octets, add_frame(octets, add_frame(octets, 0, round), 1001), 1002);
		const size_t cut = round * len / 60;

		client_send_octets(c, octets, cut);
		client_send_octets(c, octets + cut, len - cut);
		expect_answer(c, round);
		expect_answer(c, 1001);
		expect_answer(c, 1002);
	}
	client_close(c);
}
END_TEST

START_TEST(two_and_a_half_queries_get_two_answers)
{
	uint8_t octets[3 * CLIENT_QUERY_MAX];
	struct client *c;

	start("");
	c = connect_here();
	const size_t two = add_frame(octets, add_frame(octets, 0, 1), 2);
	const size_t len = add_frame(octets, two, 3), half = two + (len - two) / 2;
	client_send_octets(c, octets, half);
	expect_answer(c, 1);
	expect_answer(c, 2);
	ck_assert(!client_read(c, 50));
	client_send_octets(c, octets + half, len - half);
	expect_answer(c, 3);
	client_close(c);
}
END_TEST

static const uint16_t bad_lengths[] = { 0, 1, 5, 11, FRAME_MAX + 1, 16384, 65535 };

/* What came before in good order is answered all the same. */
START_TEST(a_length_that_is_none_closes_the_connection)
{
	uint8_t octets[2 * CLIENT_QUERY_MAX + 2 + 11] = { 0 };
	const uint16_t bad = bad_lengths[_i / 2];
	const bool with_others = _i % 2;
	struct client *c;

	start("");
	c = connect_here();
	size_t len = with_others ? add_frame(octets, add_frame(octets, 0, 1), 2) : 0;
	octets[len++] = (uint8_t)(bad >> 8);
	octets[len++] = (uint8_t)bad;
	len += bad < 12 ? bad : 0;
	client_send_octets(c, octets, len);
	if (with_others) {
		expect_answer(c, 1);
		expect_answer(c, 2);
	}
	ck_assert(!client_read(c, CLIENT_LIMIT_MS));
	ck_assert(c->closed);
	client_close(c);
	c = connect_here();
	expect_shop(c);
	client_close(c);
}
END_TEST

/* RFC 7830: padding is how a query gets that long. */
START_TEST(the_longest_query_is_read)
{
	static uint8_t octets[2 + FRAME_MAX];
	struct client *c;

	start("");
	c = connect_here();
	const size_t len = add_frame(octets, 0, 9), padding = sizeof(octets) - len;
	octets[0] = FRAME_MAX >> 8;
	octets[1] = FRAME_MAX & 0xff;
	octets[len - 2] = (uint8_t)(padding >> 8);
	octets[len - 1] = (uint8_t)padding;
	octets[len + 1] = 12;
	octets[len + 2] = (uint8_t)((padding - 4) >> 8);
	octets[len + 3] = (uint8_t)(padding - 4);
	client_send_octets(c, octets, sizeof(octets));
	expect_answer(c, 9);
	client_close(c);
}
END_TEST

START_TEST(garbage_harms_nobody)
{
	uint8_t octets[2000];
	uint32_t random = 12345;

	start("");
	for (int i = 0; i < 200; i++) {
		struct client *c = connect_here();

		for (size_t j = 0; j < sizeof(octets); j++)
			octets[j] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
		if (i % 2 == 0) /* as one message of the right length */
			memcpy(octets, "\x07\xce", 2);
		/* It may hang up in the middle. */
		send(c->fd, octets, sizeof(octets), MSG_NOSIGNAL);
		client_close(c);
	}
	struct client *c = connect_here();
	expect_shop(c);
	client_close(c);
}
END_TEST

/* --- many queries --- */

static void expect_each_once(struct client *c, unsigned n)
{
	bool *seen = calloc(n, sizeof(*seen));

	for (unsigned i = 0; i < n; i++) {
		ck_assert_msg(client_read(c, CLIENT_LIMIT_MS), "%u of %u", i, n);
		ck_assert_uint_lt(client_id(c), n);
		ck_assert(!seen[client_id(c)]);
		seen[client_id(c)] = true;
	}
	free(seen);
}

START_TEST(pipelined_queries_are_all_answered)
{
	static const unsigned counts[] = { 1, 100, 5000 };
	const unsigned n = counts[_i];
	uint8_t *octets = malloc((size_t)n * CLIENT_QUERY_MAX);
	size_t len = 0;

	start("");
	struct client *c = connect_here();
	for (unsigned id = 0; id < n; id++)
		len = add_frame(octets, len, (uint16_t)id);
	client_send_octets(c, octets, len);
	expect_each_once(c, n);
	client_close(c);
	free(octets);
}
END_TEST

START_TEST(a_client_that_has_finished_gets_its_answers_and_the_end)
{
	struct client *c;

	start("");
	c = connect_here();
	for (uint16_t id = 0; id < 20; id++)
		client_send(c, &(struct question){ .name = id % 2 ? SHOP : CROWD, .id = id });
	client_finish(c);
	expect_each_once(c, 20);
	ck_assert(!client_read(c, CLIENT_LIMIT_MS));
	ck_assert(c->closed);
	client_close(c);
}
END_TEST

START_TEST(large_answers_come_whole)
{
	struct client *c;

	start("");
	c = connect_here();
	for (uint16_t id = 0; id < 100; id++)
		client_send(c, &(struct question){ .name = CROWD, .id = id });
	for (unsigned i = 0; i < 100; i++) {
		ck_assert(client_read(c, CLIENT_LIMIT_MS));
		ck_assert_uint_eq(client_answers(c), CROWD_INSTANCES);
		ck_assert_uint_eq(c->reply[2] & 2, 0); /* TC */
	}
	client_close(c);
}
END_TEST

/* --- clients that do not read --- */

static size_t resident_octets(void)
{
	unsigned long pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	ck_assert_int_eq(fscanf(file, "%lu %lu", &pages, &resident), 2);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* Sends queries for large answers until nobody takes any more for a while; returns how many octets went. */
static size_t fill(struct client *c)
{
	uint8_t framed[2 + CLIENT_QUERY_MAX];
	const size_t len = client_write_query(&(struct question){ .name = CROWD }, framed + 2) + 2;
	struct pollfd fd = { .fd = c->fd, .events = POLLOUT };
	size_t sent = 0;

	framed[0] = 0;
	framed[1] = (uint8_t)(len - 2);
	while (poll(&fd, 1, 200) > 0 && (fd.revents & (POLLERR | POLLHUP)) == 0) {
		const ssize_t n =
			send(c->fd, framed + sent % len, len - sent % len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
	}
	return sent;
}

START_TEST(a_client_that_never_reads_is_closed_and_costs_no_memory)
{
	const int small = 4096;

	start("tcp-idle = 1s");
	struct client *c = connect_here(), *other = connect_here();
	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	expect_shop(other);
	const size_t before = resident_octets();
	const size_t sent = fill(c);
	/* All of it would be a thousand times as much. */
	ck_assert_uint_gt(sent, 10000);
	ck_assert_uint_lt(resident_octets(), before + (48 << 20));

	struct pollfd fd = { .fd = c->fd };
	ck_assert_int_eq(poll(&fd, 1, CLIENT_LIMIT_MS), 1); /* reset, since it left octets unread */
	client_close(c);
	client_close(other);
	c = connect_here();
	expect_shop(c);
	client_close(c);
}
END_TEST

START_TEST(a_client_that_reads_late_gets_everything)
{
	enum { N = 300 };
	struct client *c;

	start("");
	c = connect_here();
	for (uint16_t id = 0; id < N; id++)
		client_send(c, &(struct question){ .name = CROWD, .id = id });
	expect_each_once(c, N);
	expect_shop(c);
	client_close(c);
}
END_TEST

/* --- idle clients --- */

START_TEST(an_idle_connection_is_closed)
{
	struct client *c;

	start("tcp-idle = 500ms");
	const uint64_t start_ms = clock_ms();
	c = connect_here();
	if (_i == 1)
		expect_shop(c);
	ck_assert(client_is_closed(c, CLIENT_LIMIT_MS));
	ck_assert_uint_ge(clock_ms() - start_ms, 450);
	client_close(c);
}
END_TEST

START_TEST(octets_that_make_no_query_do_not_keep_a_connection)
{
	struct client *c;
	uint64_t end_ms;

	start("tcp-idle = 500ms");
	c = connect_here();
	end_ms = clock_ms() + CLIENT_LIMIT_MS;
	client_send_octets(c, "\x0f\xff", 2);
	while (!client_is_closed(c, 20) && clock_ms() < end_ms)
		send(c->fd, "x", 1, MSG_NOSIGNAL);
	ck_assert(c->closed);
	client_close(c);
}
END_TEST

START_TEST(a_busy_connection_stays)
{
	struct client *c;

	start("tcp-idle = 1s");
	c = connect_here();
	for (const uint64_t end_ms = clock_ms() + 2500; clock_ms() < end_ms;)
		expect_shop(c);
	ck_assert(!c->closed);
	client_close(c);
}
END_TEST

/* --- crowds --- */

START_TEST(the_idlest_connection_makes_room_for_a_new_one)
{
	struct client *c[CLIENTS_MAX + 2];

	start("tcp-clients = 4");
	for (int i = 0; i < CLIENTS_MAX; i++) {
		c[i] = connect_here();
		expect_shop(c[i]);
	}
	expect_shop(c[0]); /* so the second one is the idlest */
	c[4] = connect_here();
	expect_shop(c[4]);
	ck_assert(client_is_closed(c[1], CLIENT_LIMIT_MS));
	c[5] = connect_here();
	expect_shop(c[5]);
	ck_assert(client_is_closed(c[2], CLIENT_LIMIT_MS));
	for (int i = 0; i < CLIENTS_MAX + 2; i++) {
		if (!c[i]->closed)
			expect_shop(c[i]);
		ck_assert_int_eq(c[i]->closed, i == 1 || i == 2);
		client_close(c[i]);
	}
}
END_TEST

START_TEST(who_does_not_read_makes_room_before_who_does)
{
	const int small = 4096;

	start("tcp-clients = 2");
	struct client *deaf = connect_here();
	setsockopt(deaf->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	fill(deaf);
	struct client *idle = connect_here(), *another;
	expect_shop(idle);
	another = connect_here();
	expect_shop(another);
	expect_shop(idle);
	ck_assert_int_eq(poll(&(struct pollfd){ .fd = deaf->fd }, 1, CLIENT_LIMIT_MS), 1);
	client_close(deaf);
	client_close(idle);
	client_close(another);
}
END_TEST

START_TEST(a_crowd_is_served_together)
{
	enum { N = 200 };
	struct client *c[N];

	start(_i == 0 ? "threads = 1" : "threads = 2");
	for (int i = 0; i < N; i++)
		c[i] = connect_here();
	for (uint16_t i = 0; i < N; i++)
		client_send(c[i], &(struct question){ .name = SHOP, .id = i });
	for (uint16_t i = 0; i < N; i++)
		expect_answer(c[i], i);
	for (int i = 0; i < N; i++)
		client_close(c[i]);
}
END_TEST

START_TEST(connections_come_and_go)
{
	start("tcp-clients = 4");
	for (int i = 0; i < 500; i++) {
		const struct linger at_once = { .l_onoff = 1 };
		struct client *c = connect_here();

		if (i % 3 > 0)
			client_send(c, &(struct question){ .name = i % 2 ? SHOP : CROWD });
		if (i % 3 == 2)
			ck_assert(client_read(c, CLIENT_LIMIT_MS));
		if (i % 5 == 0)
			setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		client_close(c);
	}
	struct client *c = connect_here();
	expect_shop(c);
	client_close(c);
}
END_TEST

static TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("tcp");
	TCase *framing = add_case(suite, "framing");
	TCase *many = add_case(suite, "many");
	TCase *unread = add_case(suite, "unread");
	TCase *idle = add_case(suite, "idle");
	TCase *crowds = add_case(suite, "crowds");

	tcase_add_test(framing, a_query_may_come_octet_by_octet);
	tcase_add_test(framing, queries_may_come_cut_anywhere);
	tcase_add_test(framing, two_and_a_half_queries_get_two_answers);
	tcase_add_loop_test(framing, a_length_that_is_none_closes_the_connection, 0,
			    2 * sizeof(bad_lengths) / sizeof(bad_lengths[0]));
	tcase_add_test(framing, the_longest_query_is_read);
	tcase_add_test(framing, garbage_harms_nobody);

	tcase_add_loop_test(many, pipelined_queries_are_all_answered, 0, 3);
	tcase_add_test(many, a_client_that_has_finished_gets_its_answers_and_the_end);
	tcase_add_test(many, large_answers_come_whole);

	tcase_add_test(unread, a_client_that_never_reads_is_closed_and_costs_no_memory);
	tcase_add_test(unread, a_client_that_reads_late_gets_everything);

	tcase_add_loop_test(idle, an_idle_connection_is_closed, 0, 2);
	tcase_add_test(idle, octets_that_make_no_query_do_not_keep_a_connection);
	tcase_add_test(idle, a_busy_connection_stays);

	tcase_add_test(crowds, the_idlest_connection_makes_room_for_a_new_one);
	tcase_add_test(crowds, who_does_not_read_makes_room_before_who_does);
	tcase_add_loop_test(crowds, a_crowd_is_served_together, 0, 2);
	tcase_add_test(crowds, connections_come_and_go);
	return harness_run(suite);
}
