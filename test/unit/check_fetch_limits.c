/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/fetch_limits.h"

#include "harness.h"

enum { START = 1000000 };

static const struct limits
	answer = { .connect_ms = 2000, .life_ms = 60000 },
	quick = { .connect_ms = 5000, .life_ms = 5000 },
	stream = { .connect_ms = 2000, .life_ms = 600000, .first_ms = 5000, .silence_ms = 40000 },
	impatient = { .connect_ms = 2000, .life_ms = 600000, .first_ms = 300, .silence_ms = 200 };

static const struct {
	const struct limits *limits;
	unsigned connected, heard, now; /* after the start; 0: not yet */
	enum limit limit;
	unsigned wait;
} cases[] = {
	{ &answer, 0, 0, 0, LIMIT_NONE, 2000 },
	{ &answer, 0, 0, 1999, LIMIT_NONE, 1 },
	{ &answer, 0, 0, 2000, LIMIT_CONNECT, 0 },
	{ &answer, 1, 0, 2000, LIMIT_NONE, 58000 },
	{ &answer, 1, 0, 60000, LIMIT_LIFE, 0 },
	{ &answer, 1, 59999, 60000, LIMIT_LIFE, 0 },
	{ &quick, 0, 0, 4999, LIMIT_NONE, 1 },
	{ &quick, 0, 0, 5000, LIMIT_LIFE, 0 },
	{ &stream, 0, 0, 0, LIMIT_NONE, 2000 },
	{ &stream, 1000, 0, 2000, LIMIT_NONE, 4000 },
	{ &stream, 1000, 0, 6000, LIMIT_FIRST, 0 },
	{ &stream, 1000, 5500, 6000, LIMIT_NONE, 39500 },
	{ &stream, 1000, 5500, 45499, LIMIT_NONE, 1 },
	{ &stream, 1000, 5500, 45500, LIMIT_SILENCE, 0 },
	{ &stream, 1000, 599000, 599990, LIMIT_NONE, 10 },
	{ &stream, 1000, 599000, 600000, LIMIT_LIFE, 0 },
	{ &stream, 1000, 560000, 600000, LIMIT_LIFE, 0 },
	{ &impatient, 0, 0, 0, LIMIT_NONE, 200 }, /* a shorter phase may begin at once */
	{ &impatient, 10, 0, 20, LIMIT_NONE, 200 },
	{ &impatient, 10, 30, 40, LIMIT_NONE, 190 },
};

START_TEST(limit_that_ran_out_is_told_or_when_to_look_again)
{
	const struct progress p = { .started_ms = START,
				    .connected_ms = cases[_i].connected > 0 ? START + cases[_i].connected : 0,
				    .heard_ms = cases[_i].heard > 0 ? START + cases[_i].heard : 0 };
	uint64_t wait_ms = 0;

	ck_assert_int_eq(limits_check(cases[_i].limits, &p, START + cases[_i].now, &wait_ms),
			 cases[_i].limit);
	ck_assert_uint_eq(wait_ms, cases[_i].wait);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fetch_limits");
	TCase *t = tcase_create("limits");

	tcase_add_loop_test(t, limit_that_ran_out_is_told_or_when_to_look_again, 0,
			    sizeof(cases) / sizeof(cases[0]));
	suite_add_tcase(suite, t);
	return harness_run(suite);
}
