/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/probe.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "connects.h"
#include "harness.h"
#include "planes.h"

enum { LIMIT_MS = 10000, CROWD = 300 };

static const struct address here = { .octets = { 127, 0, 0, 1 }, .len = 4 };
static const struct address far[] = {
	{ .octets = { 192, 0, 2, 1 }, .len = 4 },
	{ .octets = { 192, 0, 2, 2 }, .len = 4 },
};

static struct event_base *loop;
static struct random random_state;
static struct prober *prober;
static struct probe_options options;
static struct {
	unsigned down, up;
	char reason[64];
} told;

static void on_changed(void *context, const struct address *address, uint16_t port, bool is_silent,
		       const char *reason)
{
	ck_assert_ptr_eq(context, &told);
	told.down += is_silent;
	told.up += !is_silent;
	snprintf(told.reason, sizeof(told.reason), "%s", reason);
	ck_assert_int_eq(prober_unreachable_ms(prober, address, port, clock_ms()) > 0, is_silent);
}

static void set_up(void)
{
	options = (struct probe_options){
		.interval_ms = 20, .timeout_ms = 5000, .down = 3, .up = 2, .rate = 10000, .max = 1000
	};
	memset(&told, 0, sizeof(told));
	connects_mirror(0);
	random_seed(&random_state);
	loop = event_base_new();
	ck_assert_int_eq(prober_create(loop, &random_state, &options, on_changed, &told, &prober), 0);
}

static void tear_down(void)
{
	prober_destroy(prober);
	event_base_free(loop);
}

/* Options that take effect before anything is wanted. */
static void set(void)
{
	prober_set(prober, &options);
}

static bool turn_until(void *done)
{
	bool (*const is_done)(void) = *(bool (**)(void))done;

	event_base_loop(loop, EVLOOP_NONBLOCK);
	return is_done();
}

static void await(bool (*done)(void))
{
	ck_assert(harness_wait(turn_until, &done, LIMIT_MS));
}

static struct probe_counts counts(void)
{
	struct probe_counts c;

	prober_count(prober, &c);
	return c;
}

static uint64_t silence(const struct address *a, uint16_t port)
{
	return prober_unreachable_ms(prober, a, port, clock_ms());
}

static void want(const struct address *a, uint16_t port)
{
	prober_begin(prober);
	prober_want(prober, a, port, true);
	prober_end(prober);
}

static void want_both(uint16_t first, uint16_t second)
{
	prober_begin(prober);
	prober_want(prober, &far[0], first, true);
	prober_want(prober, &far[1], second, true);
	prober_end(prober);
}

/* A listener that nobody accepts from. */
static int listen_on(uint16_t *port, int backlog)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(*port) };
	socklen_t len = sizeof(at);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static bool has_fallen_silent(void)
{
	return told.down > 0;
}

static bool is_back(void)
{
	return told.up > 0;
}

static bool has_connected_often(void)
{
	return counts().connected >= 10;
}

static bool has_failed_often(void)
{
	return counts().failed >= 10;
}

/* --- one place --- */

START_TEST(a_place_that_answers_is_not_told)
{
	uint16_t port = 0;
	const int fd = listen_on(&port, 100);

	want(&here, port);
	await(has_connected_often);
	ck_assert_uint_eq(told.down + told.up, 0);
	ck_assert_uint_eq(counts().failed + counts().silent, 0);
	ck_assert_uint_eq(silence(&here, port), 0);
	close(fd);
}
END_TEST

#ifdef __linux__
START_TEST(the_program_there_notices_nothing)
{
	uint16_t port = 0;
	const int fd = listen_on(&port, 1);

	want(&here, port);
	await(has_connected_often);
	ck_assert_int_lt(accept(fd, NULL, NULL), 0);
	ck_assert_int_eq(errno, EAGAIN);
	close(fd);
}
END_TEST
#endif

START_TEST(a_place_that_refuses_is_silent_after_that_many_failures)
{
	const uint16_t port = harness_free_port();
	const unsigned before = connects_count(port);

	options.down = (unsigned)_i;
	set();
	want(&here, port);
	await(has_fallen_silent);
	ck_assert_uint_eq(connects_count(port) - before, (unsigned)_i);
	ck_assert_str_eq(told.reason, "connection refused");
	ck_assert_uint_gt(silence(&here, port), 0);
	ck_assert_uint_eq(counts().silent, 1);
	await(has_failed_often);
	ck_assert_uint_eq(told.down, 1);
}
END_TEST

START_TEST(it_is_back_after_that_many_connections)
{
	uint16_t port = harness_free_port();

	options.up = (unsigned)_i;
	set();
	want(&here, port);
	await(has_fallen_silent);
	const int fd = listen_on(&port, 100);
	await(is_back);
	ck_assert_uint_eq(counts().connected, (unsigned)_i);
	ck_assert_str_eq(told.reason, "connected");
	ck_assert_uint_eq(silence(&here, port), 0);
	ck_assert_uint_eq(counts().silent, 0);
	close(fd);
}
END_TEST

/* A listener whose queue is full: whoever comes gets no answer. */
struct full {
	int fds[9];
	uint16_t port;
};

static struct full fill(void)
{
	struct full f = { .port = 0 };
	struct endpoint at;

	f.fds[8] = listen_on(&f.port, 0);
	endpoint_from_address(&here, f.port, &at);
	for (int i = 0; i < 8; i++) {
		f.fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ck_assert_int_lt(connect(f.fds[i], &at.at.generic, at.len), 1);
	}
	return f;
}

static void empty(const struct full *f)
{
	for (int i = 0; i < 9; i++)
		close(f->fds[i]);
}

START_TEST(a_place_that_does_not_answer_is_silent)
{
	const struct full f = fill();

	options.timeout_ms = 30;
	set();
	want(&here, f.port);
	await(has_fallen_silent);
	ck_assert_str_eq(told.reason, "no answer in time");
	empty(&f);
}
END_TEST

START_TEST(a_connection_with_itself_is_none)
{
	const uint16_t port = harness_free_port();

	connects_mirror(port);
	want(&here, port);
	await(has_fallen_silent);
	ck_assert_uint_eq(counts().connected, 0);
}
END_TEST

/* --- whose fault it is --- */

/* The loop was busy for longer than a connection may take. */
START_TEST(what_has_ended_before_we_looked_has_not_failed)
{
	uint16_t port = 0;
	const int fd = listen_on(&port, 100);

	options.interval_ms = 100;
	options.timeout_ms = 10;
	set();
	want(&here, port);
	for (int i = 1; i <= 3; i++) {
		while (connects_count(port) < (unsigned)i)
			event_base_loop(loop, EVLOOP_ONCE);
		while (clock_ms() < connects_last_ms(port) + 30)
			;
		while (counts().connected + counts().failed < (unsigned)i)
			event_base_loop(loop, EVLOOP_ONCE);
	}
	ck_assert_uint_eq(counts().failed, 0);
	close(fd);
}
END_TEST

static const int own_errors[] = { EMFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EPERM, EACCES, ENETDOWN, EINVAL };

static bool has_not_tried_often(void)
{
	return counts().not_tried >= 10;
}

START_TEST(what_this_host_cannot_try_is_no_failure)
{
	connects_set_far(1, own_errors[_i], 0);
	want(&far[0], 80);
	await(has_not_tried_often);
	ck_assert_uint_eq(counts().failed, 0);
	ck_assert_uint_eq(told.down, 0);
}
END_TEST

static const struct {
	int error;
	const char *reason;
} their_errors[] = { { EHOSTUNREACH, "no way to the host" },
		     { ENETUNREACH, "no way to its network" },
		     { ETIMEDOUT, "no answer in time" } };

START_TEST(a_host_out_of_reach_is_silent_while_another_is_heard)
{
	uint16_t port = 0;
	const int fd = listen_on(&port, 100);

	connects_set_far(1, their_errors[_i].error, 0);
	connects_set_far(2, 0, port);
	want_both(80, 80);
	await(has_fallen_silent);
	ck_assert_str_eq(told.reason, their_errors[_i].reason);
	ck_assert_uint_gt(silence(&far[0], 80), 0);
	ck_assert_uint_eq(silence(&far[1], 80), 0);
	close(fd);
}
END_TEST

static bool was_held_back_often(void)
{
	return counts().held_back >= 10;
}

/* Somebody on this host is no witness that the network is there. */
START_TEST(while_nobody_is_heard_nobody_is_silent)
{
	uint16_t port = 0;
	const int fd = listen_on(&port, 100);

	connects_set_far(1, ENETUNREACH, 0);
	connects_set_far(2, EHOSTUNREACH, 0);
	log_capture();
	prober_begin(prober);
	prober_want(prober, &far[0], 80, true);
	prober_want(prober, &far[1], 80, true);
	prober_want(prober, &here, port, true);
	prober_end(prober);
	await(has_connected_often);
	await(was_held_back_often);
	ck_assert_uint_eq(told.down, 0);
	log_await("probe state=held");
	ck_assert_uint_eq(log_count("probe state=held"), 1);

	connects_set_far(2, 0, port);
	await(has_fallen_silent);
	ck_assert_uint_eq(told.down, 1);
	log_await("probe state=ok");
	log_release();
	close(fd);
}
END_TEST

START_TEST(who_refuses_needs_no_witness)
{
	connects_set_far(1, ECONNREFUSED, 0);
	want(&far[0], 80);
	await(has_fallen_silent);
	ck_assert_uint_eq(counts().held_back, 0);
}
END_TEST

/* --- how much, and when --- */

static bool has_failed_40_times(void)
{
	return counts().failed >= 40;
}

START_TEST(there_are_no_more_a_second_than_allowed)
{
	enum { RATE = 100 };

	options.rate = RATE;
	options.interval_ms = 1;
	set();
	connects_set_far(1, ECONNREFUSED, 0);
	prober_begin(prober);
	for (int i = 0; i < CROWD; i++)
		prober_want(prober, &far[0], (uint16_t)(1000 + i), true);
	prober_end(prober);
	const uint64_t start_ms = clock_ms();
	await(has_failed_40_times);
	ck_assert_uint_ge((clock_ms() - start_ms) * RATE, (40 - 3) * 1000);
}
END_TEST

START_TEST(there_are_no_more_places_than_allowed)
{
	unsigned tried = 0;

	options.max = 3;
	set();
	connects_set_far(1, ECONNREFUSED, 0);
	log_capture();
	for (int naming = 0; naming < 2; naming++) {
		prober_begin(prober);
		for (int i = 0; i < 5; i++) {
			prober_want(prober, &far[0], (uint16_t)(2000 + i), true);
			prober_want(prober, &far[0], (uint16_t)(2000 + i), true);
		}
		prober_end(prober);
	}
	ck_assert_uint_eq(counts().places, 3);
	ck_assert_uint_eq(counts().refused_by_limit, 4);
	await(has_failed_40_times);
	for (int i = 0; i < 5; i++)
		tried += connects_count((uint16_t)(2000 + i)) > 0;
	ck_assert_uint_eq(tried, 3);
	ck_assert_uint_eq(log_count("probe-max"), 1);
	log_release();
}
END_TEST

static bool has_failed_100_times(void)
{
	return counts().failed >= 100;
}

static uint64_t measure_100_first(bool soon)
{
	const uint64_t start_ms = clock_ms();

	options.interval_ms = 3000;
	set();
	connects_set_far(1, ECONNREFUSED, 0);
	prober_begin(prober);
	for (int i = 0; i < CROWD; i++)
		prober_want(prober, &far[0], (uint16_t)(3000 + i), soon);
	prober_end(prober);
	await(has_failed_100_times);
	return clock_ms() - start_ms;
}

/* A third of them within a third of the interval, or of a tenth of it. */
START_TEST(first_probes_are_spread)
{
	ck_assert_uint_gt(measure_100_first(false), 500);
}
END_TEST

START_TEST(first_probes_can_be_soon)
{
	ck_assert_uint_lt(measure_100_first(true), slowed(500));
}
END_TEST

static bool has_failed_once(void)
{
	return counts().failed >= 1;
}

static bool has_failed_twice(void)
{
	return counts().failed >= 2;
}

static bool has_failed_thrice(void)
{
	return counts().failed >= 3;
}

/* In doubt a third of the interval; once it is known to be silent all of it. */
START_TEST(doubt_is_settled_sooner)
{
	options.interval_ms = 600;
	options.down = 2;
	set();
	connects_set_far(1, ECONNREFUSED, 0);
	want(&far[0], 80);
	await(has_failed_once);
	const uint64_t first_ms = connects_last_ms(80);
	await(has_failed_twice);
	const uint64_t second_ms = connects_last_ms(80);
	await(has_failed_thrice);
	ck_assert_uint_ge(second_ms - first_ms, 199);
	ck_assert_uint_lt(second_ms - first_ms, slowed(600));
	ck_assert_uint_ge(connects_last_ms(80) - second_ms, 599);
}
END_TEST

/* --- other wishes --- */

START_TEST(what_is_wanted_no_more_is_forgotten)
{
	connects_set_far(1, ECONNREFUSED, 0);
	want(&far[0], 4000);
	await(has_fallen_silent);
	want(&far[0], 4001);
	ck_assert_uint_eq(told.up, 1);
	ck_assert_str_eq(told.reason, "not probed any more");
	ck_assert_uint_eq(silence(&far[0], 4000), 0);
	const unsigned before = connects_count(4000);
	await(has_failed_40_times);
	ck_assert_uint_eq(connects_count(4000), before);
	ck_assert_uint_eq(counts().places, 1);
}
END_TEST

static bool are_under_way(void)
{
	return connects_count(5000) >= 1 && connects_count(5001) >= 1;
}

START_TEST(what_is_under_way_can_be_forgotten_and_destroyed)
{
	const struct full f = fill();

	connects_set_far(1, 0, f.port);
	connects_set_far(2, 0, f.port);
	want_both(5000, 5001);
	await(are_under_way);
	want(&far[0], 5000);
	ck_assert_uint_eq(counts().places, 1);
	empty(&f);
}
END_TEST

START_TEST(other_options_count_at_once_and_forget_nothing)
{
	connects_set_far(1, ECONNREFUSED, 0);
	want(&far[0], 80);
	await(has_fallen_silent);
	options.interval_ms = 3600000;
	set();
	const uint64_t failed = counts().failed;
	while (counts().failed == failed)
		event_base_loop(loop, EVLOOP_ONCE); /* the one that was planned; the next is far away */
	options.interval_ms = 10;
	set();
	ck_assert_uint_gt(silence(&far[0], 80), 0);
	await(has_failed_40_times);
	ck_assert_uint_eq(told.down, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("probe");
	TCase *places = tcase_create("places"), *faults = tcase_create("faults"),
	      *pace = tcase_create("pace"), *wishes = tcase_create("wishes");

	tcase_add_checked_fixture(places, set_up, tear_down);
	tcase_add_test(places, a_place_that_answers_is_not_told);
#ifdef __linux__
	tcase_add_test(places, the_program_there_notices_nothing);
#endif
	tcase_add_loop_test(places, a_place_that_refuses_is_silent_after_that_many_failures, 1, 5);
	tcase_add_loop_test(places, it_is_back_after_that_many_connections, 1, 4);
	tcase_add_test(places, a_place_that_does_not_answer_is_silent);
	tcase_add_test(places, a_connection_with_itself_is_none);
	suite_add_tcase(suite, places);
	tcase_add_checked_fixture(faults, set_up, tear_down);
	tcase_add_test(faults, what_has_ended_before_we_looked_has_not_failed);
	tcase_add_loop_test(faults, what_this_host_cannot_try_is_no_failure, 0,
			    sizeof(own_errors) / sizeof(own_errors[0]));
	tcase_add_loop_test(faults, a_host_out_of_reach_is_silent_while_another_is_heard, 0,
			    sizeof(their_errors) / sizeof(their_errors[0]));
	tcase_add_test(faults, while_nobody_is_heard_nobody_is_silent);
	tcase_add_test(faults, who_refuses_needs_no_witness);
	suite_add_tcase(suite, faults);
	tcase_add_checked_fixture(pace, set_up, tear_down);
	tcase_add_test(pace, there_are_no_more_a_second_than_allowed);
	tcase_add_test(pace, there_are_no_more_places_than_allowed);
	tcase_add_test(pace, first_probes_are_spread);
	tcase_add_test(pace, first_probes_can_be_soon);
	tcase_add_test(pace, doubt_is_settled_sooner);
	suite_add_tcase(suite, pace);
	tcase_add_checked_fixture(wishes, set_up, tear_down);
	tcase_add_test(wishes, what_is_wanted_no_more_is_forgotten);
	tcase_add_test(wishes, what_is_under_way_can_be_forgotten_and_destroyed);
	tcase_add_test(wishes, other_options_count_at_once_and_forget_nothing);
	suite_add_tcase(suite, wishes);
	return harness_run(suite);
}
