/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/http_pause.h"

#include <stddef.h>

#include "harness.h"

enum { NO_DATE = -1, NOW_S = 784111777 };

static const struct {
	const char *value;
	int64_t date_s;
	uint64_t pause_ms;
} wishes[] = {
	{ "7", NO_DATE, 7000 },
	{ "0", NO_DATE, 0 },
	{ "299", NO_DATE, 299000 },
	{ "300", NO_DATE, 300000 },
	{ "301", NO_DATE, 300000 },
	{ "18446744073709551615", NO_DATE, 300000 },
	{ "18446744073709551616", NO_DATE, 0 },
	{ "-5", NO_DATE, 0 },
	{ " 5", NO_DATE, 0 },
	{ "1.5", NO_DATE, 0 },
	{ "soon", NO_DATE, 0 },
	{ "", NO_DATE, 0 },
	/* Seconds are seconds, even if somebody could read a date in them. */
	{ "7", NOW_S + 100, 7000 },
	{ "a date", NOW_S + 10, 10000 },
	{ "a date", NOW_S, 0 },
	{ "a date", NOW_S - 10, 0 },
	{ "a date", NOW_S + 86400, 300000 },
	{ "a date", INT64_MAX, 300000 },
};

START_TEST(retry_after_is_seconds_or_a_date)
{
	struct http_pause p = { 0 };

	http_pause_read_retry_after(&p, wishes[_i].value, wishes[_i].date_s, NOW_S);
	ck_assert_uint_eq(http_pause_ms(&p, 503), wishes[_i].pause_ms);
	ck_assert_uint_eq(http_pause_ms(&p, 429), wishes[_i].pause_ms);
	ck_assert_uint_eq(http_pause_ms(&p, 200), 0);
}
END_TEST

static const struct {
	const char *first, *second, *age;
	uint64_t pause_ms;
} freshness[] = {
	{ "max-age=20", NULL, NULL, 20000 },
	{ "MAX-AGE=20", NULL, NULL, 20000 },
	{ "max-age=\"20\"", NULL, NULL, 20000 },
	{ "max-age=\"", NULL, NULL, 0 },
	{ "max-age=\"\"", NULL, NULL, 0 },
	{ "max-age=", NULL, NULL, 0 },
	{ "max-age", NULL, NULL, 0 },
	{ "max-age=-1", NULL, NULL, 0 },
	{ "max-age=20s", NULL, NULL, 0 },
	{ "max-age=18446744073709551616", NULL, NULL, 0 },
	{ "max-age=18446744073709551615", NULL, NULL, 300000 },
	{ "max-age=301", NULL, NULL, 300000 },
	{ "s-maxage=20", NULL, NULL, 0 },
	{ "", NULL, NULL, 0 },
	{ " , ,\t,", NULL, NULL, 0 },
	{ "private,max-age=20,must-revalidate", NULL, NULL, 20000 },
	{ "\tprivate ,, max-age=20 ", NULL, NULL, 20000 },
	{ "public", "max-age=20", NULL, 20000 },
	{ "max-age=20", "public", NULL, 20000 },
	/* Whatever stands beside it, before or behind. */
	{ "no-cache, max-age=20", NULL, NULL, 0 },
	{ "max-age=20, No-Cache", NULL, NULL, 0 },
	{ "max-age=20", "no-store", NULL, 0 },
	{ "no-store", "max-age=20", NULL, 0 },
	{ "no-cached, max-age=20", NULL, NULL, 20000 },
	{ "max-age=20", NULL, "5", 15000 },
	{ "max-age=20", NULL, "20", 0 },
	{ "max-age=20", NULL, "21", 0 },
	{ "max-age=20", NULL, "18446744073709551615", 0 },
	{ "max-age=20", NULL, "old", 20000 },
	{ "max-age=20", NULL, "", 20000 },
	{ "max-age=400", NULL, "50", 300000 },
	{ "public", NULL, "5", 0 },
};

START_TEST(fresh_answer_need_not_be_asked_for_again)
{
	struct http_pause p = { 0 };

	http_pause_read_cache_control(&p, freshness[_i].first);
	if (freshness[_i].second != NULL)
		http_pause_read_cache_control(&p, freshness[_i].second);
	if (freshness[_i].age != NULL)
		http_pause_read_age(&p, freshness[_i].age);
	ck_assert_uint_eq(http_pause_ms(&p, 200), freshness[_i].pause_ms);
	ck_assert_uint_eq(http_pause_ms(&p, 304), freshness[_i].pause_ms);
	ck_assert_uint_eq(http_pause_ms(&p, 503), 0);
}
END_TEST

static const struct {
	int status;
	uint64_t pause_ms;
} statuses[] = {
	{ 200, 20000 }, { 304, 20000 }, { 429, 7000 }, { 503, 7000 }, { 0, 0 },
	{ 201, 0 },     { 206, 0 },     { 301, 0 },    { 404, 0 },    { 500, 0 },
};

START_TEST(status_tells_which_header_counts)
{
	struct http_pause p = { 0 };

	http_pause_read_retry_after(&p, "7", NO_DATE, NOW_S);
	http_pause_read_cache_control(&p, "max-age=20");
	ck_assert_uint_eq(http_pause_ms(&p, statuses[_i].status), statuses[_i].pause_ms);
}
END_TEST

START_TEST(answer_without_headers_asks_for_no_pause)
{
	const struct http_pause p = { 0 };

	ck_assert_uint_eq(http_pause_ms(&p, 200), 0);
	ck_assert_uint_eq(http_pause_ms(&p, 503), 0);
}
END_TEST

static const struct {
	int status;
	bool retry_after, refusal;
} kinds[] = {
	{ 0, false, false },   { 200, false, false }, { 304, false, false }, { 301, false, false },
	{ 400, false, true },  { 401, false, true },  { 403, false, true },  { 404, false, true },
	{ 405, false, true },  { 421, false, true },  { 499, false, true },  { 408, false, false },
	{ 425, false, false }, { 429, true, false },  { 500, false, false }, { 502, false, false },
	{ 503, true, false },
};

START_TEST(status_tells_what_passes_and_what_stays)
{
	ck_assert(http_pause_is_retry_after(kinds[_i].status) == kinds[_i].retry_after);
	ck_assert(http_pause_is_refusal(kinds[_i].status) == kinds[_i].refusal);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_pause");
	TCase *headers = tcase_create("headers");

	tcase_add_loop_test(headers, retry_after_is_seconds_or_a_date, 0, sizeof(wishes) / sizeof(wishes[0]));
	tcase_add_loop_test(headers, fresh_answer_need_not_be_asked_for_again, 0,
			    sizeof(freshness) / sizeof(freshness[0]));
	tcase_add_loop_test(headers, status_tells_which_header_counts, 0,
			    sizeof(statuses) / sizeof(statuses[0]));
	tcase_add_loop_test(headers, status_tells_what_passes_and_what_stays, 0,
			    sizeof(kinds) / sizeof(kinds[0]));
	tcase_add_test(headers, answer_without_headers_asks_for_no_pause);
	suite_add_tcase(suite, headers);
	return harness_run(suite);
}
