/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/schedule.h"

#include <stdlib.h>

#include "harness.h"

enum { DRAWS = 20000 };

static struct random r;

static void seed(void)
{
	random_seed(&r);
}

static const struct {
	uint64_t interval_ms, jitter_ms;
} polls[] = {
	{ 5000, 1000 }, { 5000, 0 }, { 0, 1000 }, { 1, 1 }, { 3600000, 600000 }, { UINT64_C(1) << 40, 0 },
};

START_TEST(pause_after_success_is_interval_plus_jitter)
{
	const uint64_t interval = polls[_i].interval_ms, jitter = polls[_i].jitter_ms;
	struct schedule s = {
		.interval_ms = interval, .jitter_ms = jitter, .failures = 7, .has_place = true
	};
	uint64_t least = UINT64_MAX, most = 0;

	for (int i = 0; i < DRAWS; i++) {
		const uint64_t pause = schedule_after_success(&s, 0, &r);

		ck_assert_uint_ge(pause, interval);
		ck_assert_uint_le(pause, interval + jitter);
		least = pause < least ? pause : least;
		most = pause > most ? pause : most;
	}
	ck_assert_uint_eq(s.failures, 0);
	/* The whole of the jitter is used: 20,000 draws leave out a hundredth at the edge with e^-200. */
	ck_assert_uint_le(least, interval + jitter / 100);
	ck_assert_uint_ge(most, interval + jitter - jitter / 100);
}
END_TEST

START_TEST(jitter_of_years_does_not_overflow)
{
	struct schedule s = { .interval_ms = 1, .jitter_ms = UINT64_MAX / 2, .has_place = true };

	for (int i = 0; i < 100; i++)
		ck_assert_uint_le(schedule_after_success(&s, 0, &r), UINT64_C(1) + UINT32_MAX);
}
END_TEST

static const struct {
	uint64_t interval_ms, jitter_ms, fresh_ms, least, most;
} freshness[] = {
	{ 5000, 1000, 1, 5000, 6000 },
	{ 5000, 1000, 5000, 5000, 6000 },
	{ 5000, 0, 5000, 5000, 5000 },
	{ 5000, 1000, 8000, 8000, 9000 },
	{ 5000, 0, 8000, 8000, 8800 }, /* whoever wants no jitter gets some where a cache sets the pace */
	{ 5000, 100, 8000, 8000, 8800 },
	{ 5000, 1000, 15000, 15000, 16500 },
	{ 5000, 1000, 300000, 15000, 16500 },
	{ 5000, 4000, UINT64_MAX, 15000, 19000 },
	{ 0, 0, 300000, 0, 0 },
};

START_TEST(fresh_answers_are_left_alone_for_three_intervals_and_a_draw)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (int i = 0; i < DRAWS; i++) {
		struct schedule s = { .interval_ms = freshness[_i].interval_ms,
				      .jitter_ms = freshness[_i].jitter_ms,
				      .has_place = true };
		const uint64_t pause = schedule_after_success(&s, freshness[_i].fresh_ms, &r);

		least = pause < least ? pause : least;
		most = pause > most ? pause : most;
	}
	const uint64_t edge = (freshness[_i].most - freshness[_i].least) / 50;
	ck_assert_uint_ge(least, freshness[_i].least);
	ck_assert_uint_le(least, freshness[_i].least + edge);
	ck_assert_uint_le(most, freshness[_i].most);
	ck_assert_uint_ge(most, freshness[_i].most - edge);
}
END_TEST

START_TEST(refusals_are_not_retried_faster_than_polls)
{
	for (unsigned failures = 0; failures < 40; failures++) {
		struct schedule s = { .interval_ms = 5000, .jitter_ms = 1000, .failures = failures };
		const uint64_t pause = schedule_after_refusal(&s, &r);

		ck_assert_uint_ge(pause, 5000);
		ck_assert_uint_le(pause, 30000);
		ck_assert_uint_eq(s.failures, failures + 1);
	}
	struct schedule slow = { .interval_ms = 3600000 };
	ck_assert_uint_eq(schedule_after_refusal(&slow, &r), 3600000);
}
END_TEST

START_TEST(work_takes_a_tenth_of_the_time)
{
	ck_assert_uint_eq(schedule_after_work(0), 0);
	ck_assert_uint_eq(schedule_after_work(1), 1);
	ck_assert_uint_eq(schedule_after_work(7000), 70);
	ck_assert_uint_eq(schedule_after_work(7001), 71);
	ck_assert_uint_eq(schedule_after_work(99000), 990);
	ck_assert_uint_eq(schedule_after_work(101000), 1000);
	ck_assert_uint_eq(schedule_after_work(UINT64_MAX), 1000);
}
END_TEST

/* What uniform draws of the n-th failure in a row lie between. */
static const struct {
	unsigned failures;
	uint64_t least, most;
} backoffs[] = {
	{ 0, 100, 500 },    { 1, 500, 1000 },   { 2, 500, 2000 },   { 3, 500, 4000 },
	{ 4, 500, 8000 },   { 5, 500, 16000 },  { 6, 500, 30000 },  { 7, 500, 30000 },
	{ 31, 500, 30000 }, { 32, 500, 30000 }, { 64, 500, 30000 }, { UINT32_MAX, 500, 30000 },
};

START_TEST(pause_after_failure_fills_its_range)
{
	uint64_t least = UINT64_MAX, most = 0, sum = 0;
	const uint64_t width = backoffs[_i].most - backoffs[_i].least;

	for (int i = 0; i < DRAWS; i++) {
		struct schedule s = { .interval_ms = 5000, .failures = backoffs[_i].failures };
		const uint64_t pause = schedule_after_failure(&s, 0, &r);

		least = pause < least ? pause : least;
		most = pause > most ? pause : most;
		sum += pause;
	}
	ck_assert_uint_ge(least, backoffs[_i].least);
	ck_assert_uint_le(most, backoffs[_i].most);
	ck_assert_uint_le(least, backoffs[_i].least + width / 100);
	ck_assert_uint_ge(most, backoffs[_i].most - width / 100);
	/* A lump anywhere would move the mean: uniform means the middle, here within 14 deviations. */
	ck_assert_uint_ge(sum / DRAWS, backoffs[_i].least + width / 2 - width * 3 / 100);
	ck_assert_uint_le(sum / DRAWS, backoffs[_i].least + width / 2 + width * 3 / 100 + 1);
}
END_TEST

START_TEST(failures_are_counted_and_stop_at_the_largest_number)
{
	struct schedule s = { .interval_ms = 5000 };

	for (unsigned i = 0; i < 100; i++) {
		ck_assert_uint_eq(s.failures, i);
		ck_assert_uint_le(schedule_after_failure(&s, 0, &r), 30000);
	}
	s.failures = UINT32_MAX;
	schedule_after_failure(&s, 0, &r);
	ck_assert_uint_eq(s.failures, UINT32_MAX);
}
END_TEST

static const struct {
	uint64_t asked_ms, least, most;
} retry_afters[] = {
	{ 1, 500, 30000 },          { 40000, 40000, 44000 },        { 300000, 300000, 330000 },
	{ 300001, 300000, 330000 }, { UINT64_MAX, 300000, 330000 },
};

START_TEST(retry_after_is_a_floor_with_a_cap_and_a_spread)
{
	for (unsigned failures = 1; failures < 40; failures++) {
		for (int i = 0; i < 500; i++) {
			struct schedule s = { .interval_ms = 5000, .failures = failures };
			const uint64_t pause = schedule_after_failure(&s, retry_afters[_i].asked_ms, &r);

			ck_assert_uint_ge(pause, retry_afters[_i].least);
			ck_assert_uint_le(pause, retry_afters[_i].most);
		}
	}
}
END_TEST

START_TEST(sidecars_told_the_same_retry_after_come_back_one_by_one)
{
	unsigned seconds[31] = { 0 };

	for (int i = 0; i < 10000; i++) {
		struct schedule s = { .interval_ms = 5000 };

		seconds[(schedule_after_failure(&s, 300000, &r) - 300000) / 1000]++;
	}
	for (int i = 0; i < 30; i++)
		ck_assert_uint_lt(seconds[i], 500); /* the mean is 333 */
}
END_TEST

START_TEST(first_round_is_at_once_without_data)
{
	struct schedule s = { .interval_ms = 5000, .jitter_ms = 1000 };

	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(schedule_first(&s, false, &r), 0);
}
END_TEST

START_TEST(first_round_with_data_is_anywhere_in_the_interval)
{
	struct schedule s = { .interval_ms = 5000, .jitter_ms = 1000 };
	unsigned tenths[11] = { 0 };

	for (int i = 0; i < DRAWS; i++) {
		const uint64_t pause = schedule_first(&s, true, &r);

		ck_assert_uint_le(pause, 5000);
		tenths[pause / 500]++;
	}
	for (int i = 0; i < 10; i++) {
		ck_assert_uint_gt(tenths[i], DRAWS / 10 * 8 / 10);
		ck_assert_uint_lt(tenths[i], DRAWS / 10 * 12 / 10);
	}
}
END_TEST

START_TEST(first_pause_after_a_round_at_once_is_drawn_from_the_whole_interval)
{
	unsigned tenths[13] = { 0 };

	for (int i = 0; i < DRAWS; i++) {
		struct schedule s = { .interval_ms = 5000, .jitter_ms = 1000 };

		schedule_first(&s, false, &r);
		const uint64_t pause = schedule_after_success(&s, 0, &r);
		ck_assert_uint_ge(pause, 100);
		ck_assert_uint_le(pause, 6000);
		tenths[pause / 500]++;
		ck_assert_uint_ge(schedule_after_success(&s, 0, &r), 5000);
	}
	for (int i = 1; i < 10; i++) {
		ck_assert_uint_gt(tenths[i], DRAWS / 11 * 8 / 10);
		ck_assert_uint_lt(tenths[i], DRAWS / 11 * 12 / 10);
	}
}
END_TEST

START_TEST(first_pause_after_an_answer_that_stays_fresh_is_not_shorter)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (int i = 0; i < DRAWS; i++) {
		struct schedule s = { .interval_ms = 5000, .jitter_ms = 1000 };
		const uint64_t pause = schedule_after_success(&s, 8000, &r);

		least = pause < least ? pause : least;
		most = pause > most ? pause : most;
	}
	ck_assert_uint_ge(least, 8000);
	ck_assert_uint_le(least, 8100);
	ck_assert_uint_ge(most, 13900);
	ck_assert_uint_le(most, 14000);
}
END_TEST

START_TEST(pause_after_a_round_that_had_its_place_is_the_whole_interval)
{
	for (int i = 0; i < 1000; i++) {
		struct schedule s = { .interval_ms = 5000, .jitter_ms = 1000 };

		schedule_first(&s, true, &r);
		ck_assert_uint_ge(schedule_after_success(&s, 0, &r), 5000);
	}
}
END_TEST

enum { SIDECARS = 1000, HOUR_S = 3600 };

static unsigned asked[HOUR_S]; /* requests the registry sees in each second of an hour */

/* All sidecars of a fleet, each with its own clockwork, asking a registry for an hour. */
static void run_fleet(bool has_data)
{
	for (int i = 0; i < SIDECARS; i++) {
		struct schedule s = { .interval_ms = 5000, .jitter_ms = 1000 };
		struct random own;

		random_seed(&own);
		for (uint64_t at = schedule_first(&s, has_data, &own); at / 1000 < HOUR_S;
		     at += schedule_after_success(&s, 0, &own))
			asked[at / 1000]++;
	}
}

/* No second above 1.6 times the mean (182 a second; 109 more are 8 deviations). Where the first lap, without
 * jitter, meets the second, with it, one second expects only 100: a quarter of the mean is 6 deviations
 * below. */
static void assert_flat(int from_s)
{
	const unsigned mean = SIDECARS * 1000 / 5500;

	for (int i = from_s; i < HOUR_S; i++) {
		ck_assert_msg(asked[i] * 10 <= mean * 16, "%u requests in second %d", asked[i], i);
		ck_assert_msg(asked[i] * 4 >= mean, "only %u requests in second %d", asked[i], i);
	}
}

START_TEST(fleet_restarted_with_data_spreads_flat_at_once)
{
	run_fleet(true);
	assert_flat(0);
}
END_TEST

/* Without data everybody asks at once, and then never again as one. */
START_TEST(fleet_started_without_data_is_flat_from_the_next_second_on)
{
	run_fleet(false);
	ck_assert_uint_ge(asked[0], SIDECARS);
	assert_flat(1);
}
END_TEST

/* All get the same answer out of one cache and are told the same time left, to the second. */
START_TEST(fleet_behind_a_cache_does_not_ask_as_one)
{
	unsigned tenths[11] = { 0 };

	for (int i = 0; i < 10000; i++) {
		struct schedule s = { .interval_ms = 5000, .has_place = true };

		tenths[(schedule_after_success(&s, 10000, &r) - 10000) / 100]++;
	}
	for (int i = 0; i < 10; i++)
		ck_assert_uint_lt(tenths[i], 1250); /* the mean is 1000 */
}
END_TEST

/* The registry dies at the same instant for all; its return is seen in a window, not in a second. */
START_TEST(fleet_whose_registry_fails_backs_off_spread)
{
	static unsigned tries[120];

	for (int i = 0; i < SIDECARS; i++) {
		struct schedule s = { .interval_ms = 5000, .jitter_ms = 1000 };

		for (uint64_t at = 0; at < 120000; at += schedule_after_failure(&s, 0, &r))
			tries[at / 1000]++;
	}
	for (int i = 60; i < 120; i++)
		ck_assert_msg(tries[i] < 150, "%u requests in second %d", tries[i], i); /* the mean is 66 */
}
END_TEST

enum { RARELY_S = 600, DOWN_S = 200 };

static const int outages_s[] = { 1, 5, 20, 60, 300 };

/* Polls of 30 s + random(0 .. 5 s), 31 a second: back from an outage of any length, a fleet asks as before.
 * (62 is more than 5 deviations above that.) Without data it had to ask more often. */
START_TEST(fleet_that_polls_rarely_comes_back_without_a_wave)
{
	static unsigned seen[RARELY_S + 1];
	const uint64_t up_ms = (uint64_t)(DOWN_S + outages_s[_i]) * 1000;

	for (int i = 0; i < SIDECARS; i++) {
		struct schedule s = { .interval_ms = 30000, .jitter_ms = 5000 };
		uint64_t at = schedule_first(&s, false, &r);

		while (at / 1000 < RARELY_S) {
			const bool is_down = at >= DOWN_S * 1000 && at < up_ms;

			seen[at / 1000]++;
			at += is_down ? schedule_after_failure(&s, 0, &r) : schedule_after_success(&s, 0, &r);
		}
	}
	for (uint64_t i = 1; i < RARELY_S; i++) {
		const bool is_down = i >= DOWN_S && i < up_ms / 1000 + 1;

		ck_assert_msg(seen[i] < (is_down ? 130 : 70), "%u requests in second %d", seen[i], (int)i);
	}
}
END_TEST

START_TEST(rare_polls_fail_as_rarely_after_one_quick_try)
{
	for (int i = 0; i < 1000; i++) {
		struct schedule s = { .interval_ms = 20000, .has_place = true };
		struct schedule hourly = { .interval_ms = 3600000, .has_place = true, .failures = 1 };

		ck_assert_uint_le(schedule_after_failure(&s, 0, &r), 500);
		for (int failure = 0; failure < 10; failure++) {
			const uint64_t pause = schedule_after_failure(&s, 0, &r);

			ck_assert_uint_ge(pause, 20000);
			ck_assert_uint_le(pause, 25000);
		}
		const uint64_t pause = schedule_after_failure(&hourly, 0, &r);
		ck_assert_uint_ge(pause, 30000);
		ck_assert_uint_le(pause, 37500);
	}
}
END_TEST

START_TEST(rare_polls_that_never_had_an_answer_try_as_often_as_others)
{
	struct schedule s = { .interval_ms = 3600000 };

	for (uint64_t most = 500; most <= 16000; most *= 2)
		ck_assert_uint_le(schedule_after_failure(&s, 0, &r), most);
}
END_TEST

static const struct {
	uint64_t pause_ms, hold_ms, expected_ms;
} holds[] = {
	{ 5500, 0, 5500 },    { 5500, 3000, 3000 }, { 5500, 60000, 5500 },
	{ 5500, 5500, 5500 }, { 5500, 1, 1000 },    { 5500, 1000, 1000 },
	{ 100, 1, 100 },      { 900, 950, 900 },    { 60000, 30000, 30000 },
};

START_TEST(what_holds_for_a_while_is_asked_for_before_it_ends)
{
	ck_assert_uint_eq(schedule_before_expiry(holds[_i].pause_ms, holds[_i].hold_ms),
			  holds[_i].expected_ms);
}
END_TEST

START_TEST(hints_are_followed_within_half_a_second_spread)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (int i = 0; i < DRAWS; i++) {
		const uint64_t pause = schedule_after_hint(&r);

		least = pause < least ? pause : least;
		most = pause > most ? pause : most;
	}
	ck_assert_uint_le(most, 500);
	ck_assert_uint_ge(most, 495);
	ck_assert_uint_le(least, 5);
}
END_TEST

START_TEST(bucket_lets_a_burst_through_and_then_one_at_a_time)
{
	struct bucket b = { .size = 8, .refill_ms = 1000 };
	uint64_t now_ms = 5000000;

	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(bucket_take(&b, now_ms), 0);
	ck_assert_uint_eq(bucket_take(&b, now_ms), 1000);
	ck_assert_uint_eq(bucket_take(&b, now_ms), 2000);
	now_ms += 2500;
	ck_assert_uint_eq(bucket_take(&b, now_ms), 500);
	now_ms += 4000;
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(bucket_take(&b, now_ms), 0);
	ck_assert_uint_eq(bucket_take(&b, now_ms), 500);
	now_ms += 3600000; /* it does not grow above its size */
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(bucket_take(&b, now_ms), 0);
	ck_assert_uint_eq(bucket_take(&b, now_ms), 1000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("schedule");
	TCase *pauses = tcase_create("pauses");
	TCase *fleets = tcase_create("fleets");

	tcase_add_checked_fixture(pauses, seed, NULL);
	tcase_add_loop_test(pauses, pause_after_success_is_interval_plus_jitter, 0,
			    sizeof(polls) / sizeof(polls[0]));
	tcase_add_test(pauses, jitter_of_years_does_not_overflow);
	tcase_add_loop_test(pauses, fresh_answers_are_left_alone_for_three_intervals_and_a_draw, 0,
			    sizeof(freshness) / sizeof(freshness[0]));
	tcase_add_test(pauses, refusals_are_not_retried_faster_than_polls);
	tcase_add_test(pauses, work_takes_a_tenth_of_the_time);
	tcase_add_loop_test(pauses, pause_after_failure_fills_its_range, 0,
			    sizeof(backoffs) / sizeof(backoffs[0]));
	tcase_add_test(pauses, failures_are_counted_and_stop_at_the_largest_number);
	tcase_add_loop_test(pauses, retry_after_is_a_floor_with_a_cap_and_a_spread, 0,
			    sizeof(retry_afters) / sizeof(retry_afters[0]));
	tcase_add_test(pauses, sidecars_told_the_same_retry_after_come_back_one_by_one);
	tcase_add_test(pauses, first_round_is_at_once_without_data);
	tcase_add_test(pauses, first_round_with_data_is_anywhere_in_the_interval);
	tcase_add_test(pauses, first_pause_after_a_round_at_once_is_drawn_from_the_whole_interval);
	tcase_add_test(pauses, first_pause_after_an_answer_that_stays_fresh_is_not_shorter);
	tcase_add_test(pauses, pause_after_a_round_that_had_its_place_is_the_whole_interval);
	tcase_add_test(pauses, rare_polls_fail_as_rarely_after_one_quick_try);
	tcase_add_test(pauses, rare_polls_that_never_had_an_answer_try_as_often_as_others);
	tcase_add_loop_test(pauses, what_holds_for_a_while_is_asked_for_before_it_ends, 0,
			    sizeof(holds) / sizeof(holds[0]));
	tcase_add_test(pauses, hints_are_followed_within_half_a_second_spread);
	tcase_add_test(pauses, bucket_lets_a_burst_through_and_then_one_at_a_time);
	suite_add_tcase(suite, pauses);

	tcase_add_checked_fixture(fleets, seed, NULL);
	tcase_set_timeout(fleets, 30);
	tcase_add_test(fleets, fleet_restarted_with_data_spreads_flat_at_once);
	tcase_add_test(fleets, fleet_started_without_data_is_flat_from_the_next_second_on);
	tcase_add_test(fleets, fleet_behind_a_cache_does_not_ask_as_one);
	tcase_add_test(fleets, fleet_whose_registry_fails_backs_off_spread);
	tcase_add_loop_test(fleets, fleet_that_polls_rarely_comes_back_without_a_wave, 0,
			    sizeof(outages_s) / sizeof(outages_s[0]));
	suite_add_tcase(suite, fleets);
	return harness_run(suite);
}
