/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/hold.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness.h"

enum { ROOM = 256, LIMIT_MS = 10000, EARLY_MS = 50 /* clocks and timers round */ };

static struct event_base *loop;
static struct hold *hold;

/* What again() was asked, and what it does. */
static struct {
	unsigned n, n_last; /* n_last: without may_wait */
	uint8_t first[ROOM * 4];
	bool answer;                 /* also those that may wait */
	void (*inside)(uint8_t tag); /* done while answering; may be NULL */
} asked;

/* Every query is so many octets of its tag, and comes from the connection of that tag. */
static int connections[256];

static struct return_address from_tag(uint8_t tag)
{
	return (struct return_address){ .connection = &connections[tag], .socket = tag };
}

static bool add(uint8_t tag, size_t len)
{
	uint8_t octets[2 * HOLD_OCTETS_MAX];
	struct return_address from = from_tag(tag);

	memset(octets, tag, sizeof(octets));
	const bool taken = hold_add(hold, octets, len, &from);
	memset(octets, 0xff, sizeof(octets)); /* nothing of it may be needed any more */
	memset(&from, 0xff, sizeof(from));
	return taken;
}

static bool again(void *context, const uint8_t *octets, size_t len, const struct return_address *from,
		  bool may_wait)
{
	const struct return_address expected = from_tag(octets[0]);
	const uint8_t tag = octets[0];

	ck_assert_ptr_eq(context, &asked);
	for (size_t i = 0; i < len; i++)
		ck_assert_uint_eq(octets[i], tag);
	ck_assert_ptr_eq(from->connection, expected.connection);
	ck_assert_int_eq(from->socket, expected.socket);
	ck_assert_uint_lt(asked.n, sizeof(asked.first));
	asked.first[asked.n++] = tag;
	asked.n_last += !may_wait;
	if (!asked.answer && may_wait)
		return false;
	if (asked.inside != NULL)
		asked.inside(tag);
	return true;
}

static void setup(void)
{
	memset(&asked, 0, sizeof(asked));
	loop = event_base_new();
	ck_assert_int_eq(hold_create(loop, ROOM, again, &asked, &hold), 0);
}

static void teardown(void)
{
	hold_destroy(hold);
	event_base_free(loop);
}

/* Tries all; returns how many again() was asked for. */
static unsigned retry(bool answer)
{
	asked.n = 0;
	asked.answer = answer;
	hold_retry(hold);
	return asked.n;
}

static int count_events(void)
{
	return event_base_get_num_events(loop, EVENT_BASE_COUNT_ADDED);
}

static bool all_are_answered(void *unused)
{
	(void)unused;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return count_events() == 0;
}

START_TEST(a_query_waits_until_it_is_answered)
{
	ck_assert(add(1, 40));
	ck_assert_uint_eq(retry(false), 1);
	ck_assert_uint_eq(retry(false), 1);
	ck_assert_uint_eq(retry(true), 1);
	ck_assert_uint_eq(retry(true), 0);
	ck_assert_uint_eq(asked.n_last, 0);
}
END_TEST

START_TEST(queries_are_tried_in_the_order_of_their_arrival)
{
	for (uint8_t tag = 0; tag < 10; tag++)
		ck_assert(add(tag, 12U + tag));
	ck_assert_uint_eq(retry(false), 10);
	for (uint8_t tag = 0; tag < 10; tag++)
		ck_assert_uint_eq(asked.first[tag], tag);
}
END_TEST

START_TEST(a_query_is_answered_at_its_deadline_at_the_latest)
{
	const uint64_t start_ms = clock_ms();

	ck_assert(add(1, 40));
	ck_assert(add(2, 40));
	ck_assert(harness_wait(all_are_answered, NULL, LIMIT_MS));
	ck_assert_uint_ge(clock_ms() - start_ms, HOLD_MS - EARLY_MS);
	ck_assert_uint_eq(asked.n_last, 2);
	ck_assert_uint_eq(retry(true), 0);
}
END_TEST

static bool has_passed(void *until_ms)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return clock_ms() >= *(const uint64_t *)until_ms;
}

START_TEST(each_query_has_its_own_deadline)
{
	uint64_t start_ms = clock_ms(), second_ms = start_ms + HOLD_MS / 2;

	ck_assert(add(1, 40));
	ck_assert(harness_wait(has_passed, &second_ms, LIMIT_MS));
	ck_assert(add(2, 40));
	second_ms = clock_ms();
	ck_assert(harness_wait(all_are_answered, NULL, LIMIT_MS));
	ck_assert_uint_ge(clock_ms() - second_ms, HOLD_MS - EARLY_MS);
	ck_assert_uint_eq(asked.n_last, 2);
	ck_assert_uint_eq(asked.first[0], 1);
	ck_assert_uint_eq(asked.first[asked.n - 1], 2);
}
END_TEST

START_TEST(trying_does_not_move_a_deadline)
{
	const uint64_t start_ms = clock_ms();

	ck_assert(add(1, 40));
	while (asked.n_last == 0 && clock_ms() - start_ms < LIMIT_MS) {
		asked.n = 0;
		hold_retry(hold);
	}
	ck_assert_uint_eq(asked.n_last, 1);
	ck_assert_uint_ge(clock_ms() - start_ms, HOLD_MS - EARLY_MS);
	ck_assert_int_eq(count_events(), 0);
}
END_TEST

START_TEST(there_is_room_for_so_many_and_no_more)
{
	for (unsigned i = 0; i < ROOM; i++)
		ck_assert(add((uint8_t)i, 40));
	ck_assert(!add(0, 40));
	ck_assert_uint_eq(retry(false), ROOM);
	ck_assert(!add(0, 40));
	ck_assert_uint_eq(retry(true), ROOM);
	ck_assert(add(0, 40));
	ck_assert_uint_eq(retry(true), 1);
}
END_TEST

START_TEST(a_query_may_be_so_long_and_no_longer)
{
	ck_assert(!add(1, HOLD_OCTETS_MAX + 1));
	ck_assert(add(2, HOLD_OCTETS_MAX));
	ck_assert_uint_eq(retry(true), 1);
	ck_assert_uint_eq(asked.first[0], 2);
}
END_TEST

START_TEST(queries_of_a_gone_connection_are_dropped)
{
	for (unsigned i = 0; i < ROOM; i++)
		ck_assert(add(i % 3, 40));
	hold_forget(hold, &connections[1]);
	ck_assert_uint_eq(retry(false), ROOM - ROOM / 3);
	for (unsigned i = 0; i < asked.n; i++)
		ck_assert_uint_ne(asked.first[i], 1);
	ck_assert(add(4, 40)); /* there is room again */
	hold_forget(hold, &connections[9]);
	hold_forget(hold, &connections[0]);
	hold_forget(hold, &connections[2]);
	ck_assert_uint_eq(retry(true), 1);
	ck_assert_int_eq(count_events(), 0);
}
END_TEST

START_TEST(when_the_first_is_forgotten_the_second_keeps_its_deadline)
{
	ck_assert(add(1, 40));
	ck_assert(add(2, 40));
	hold_forget(hold, &connections[1]);
	ck_assert_int_eq(count_events(), 1);
	ck_assert(harness_wait(all_are_answered, NULL, LIMIT_MS));
	ck_assert_uint_eq(asked.n_last, 1);
	for (unsigned i = 0; i < asked.n; i++) /* more than one: the timer was a millisecond early */
		ck_assert_uint_eq(asked.first[i], 2);
}
END_TEST

/* --- answering can close connections and read new queries --- */

static void forget_ones(uint8_t tag)
{
	if (tag == 1)
		hold_forget(hold, &connections[1]);
}

START_TEST(a_connection_that_goes_while_it_is_answered_takes_nobody_along)
{
	static const uint8_t tags[] = { 1, 1, 2, 1, 3, 1 };

	for (size_t i = 0; i < sizeof(tags); i++)
		ck_assert(add(tags[i], 40));
	asked.inside = forget_ones;
	ck_assert_uint_eq(retry(true), 3);
	ck_assert_mem_eq(asked.first, "\1\2\3", 3);
	ck_assert_uint_eq(retry(true), 0);
	ck_assert_int_eq(count_events(), 0);
}
END_TEST

static void forget_all(uint8_t tag)
{
	(void)tag;
	for (int i = 0; i < 4; i++)
		hold_forget(hold, &connections[i]);
}

START_TEST(others_that_go_while_one_is_answered_are_not_asked_for)
{
	for (uint8_t tag = 0; tag < 8; tag++)
		ck_assert(add(tag % 4, 40));
	asked.inside = forget_all;
	ck_assert_uint_eq(retry(true), 1);
	ck_assert_int_eq(count_events(), 0);
	ck_assert(add(7, 40));
	ck_assert_int_eq(count_events(), 1);
}
END_TEST

static void add_five(uint8_t tag)
{
	if (tag == 1)
		ck_assert(add(5, 40));
}

START_TEST(a_query_that_comes_while_another_is_answered_is_kept)
{
	ck_assert(add(1, 40));
	ck_assert(add(2, 40));
	asked.inside = add_five;
	ck_assert_uint_ge(retry(true), 2);
	asked.inside = NULL;
	/* It was tried in the same turn, or it waits: it is answered once. */
	const unsigned in_turn = asked.n - 2;
	ck_assert_uint_eq(in_turn + retry(true), 1);
	ck_assert_int_eq(count_events(), 0);
}
END_TEST

/* --- the end --- */

START_TEST(closing_answers_all_that_wait_and_takes_no_more)
{
	for (uint8_t tag = 0; tag < 10; tag++)
		ck_assert(add(tag, 40));
	hold_close(hold);
	ck_assert_uint_eq(asked.n_last, 10);
	ck_assert(!add(1, 40));
	ck_assert_uint_eq(retry(true), 0);
	ck_assert_int_eq(count_events(), 0);
}
END_TEST

START_TEST(destroying_drops_in_silence)
{
	ck_assert(add(1, 40));
	hold_destroy(hold);
	hold = NULL;
	ck_assert_uint_eq(asked.n, 0);
	ck_assert_int_eq(count_events(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hold");
	TCase *tc = tcase_create("hold");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	suite_add_tcase(suite, tc);
	tcase_add_test(tc, a_query_waits_until_it_is_answered);
	tcase_add_test(tc, queries_are_tried_in_the_order_of_their_arrival);
	tcase_add_test(tc, a_query_is_answered_at_its_deadline_at_the_latest);
	tcase_add_test(tc, each_query_has_its_own_deadline);
	tcase_add_test(tc, trying_does_not_move_a_deadline);
	tcase_add_test(tc, there_is_room_for_so_many_and_no_more);
	tcase_add_test(tc, a_query_may_be_so_long_and_no_longer);
	tcase_add_test(tc, queries_of_a_gone_connection_are_dropped);
	tcase_add_test(tc, when_the_first_is_forgotten_the_second_keeps_its_deadline);
	tcase_add_test(tc, a_connection_that_goes_while_it_is_answered_takes_nobody_along);
	tcase_add_test(tc, others_that_go_while_one_is_answered_are_not_asked_for);
	tcase_add_test(tc, a_query_that_comes_while_another_is_answered_is_kept);
	tcase_add_test(tc, closing_answers_all_that_wait_and_takes_no_more);
	tcase_add_test(tc, destroying_drops_in_silence);
	return harness_run(suite);
}
