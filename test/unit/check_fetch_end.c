/* SPDX-License-Identifier: BSD-2-Clause */
/* Cancelled, destroyed, started again while being told. */
#include "fetch_rig.h"

/* --- ends --- */

START_TEST(cancelled_request_is_not_told)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	fake_dns_set_silent(dns, 255);
	fetch_cancel(start(&got[0])); /* not yet started */

	struct fetch *q = start(&got[1]); /* in flight */
	ck_assert(fake_registry_wait(registry, 0, 0));
	run_loop(100);
	fetch_cancel(q);

	point_at_name("http", "registry.corp");
	q = start(&got[2]); /* looking up */
	run_loop(50);
	fetch_cancel(q);

	http.url = "nonsense";
	fetch_cancel(start(&got[3])); /* failed, not yet told */
	fetch_cancel(NULL);
	run_loop(200);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(got[i].calls, 0);
}
END_TEST

START_TEST(destroying_ends_requests_in_every_state)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[]", .drip_ms = 50 });
	fake_dns_set_silent(dns, 255);
	start(&got[0]);
	point_at_name("http", "registry.corp");
	start(&got[1]);
	run_loop(100);
	start(&got[2]);
	http.url = "nonsense";
	start(&got[3]);
	fetcher_destroy(fetcher);
	fetcher = NULL;
	run_loop(200);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(got[i].calls, 0);
}
END_TEST

static void on_done_destroy(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	on_done(context, result, pause_ms);
	fetcher_destroy(fetcher);
	fetcher = NULL;
	ck_assert_str_eq(result->name, http.url); /* the result is still there */
	ck_assert_str_eq(result->body, "[\"10.0.0.1:80\"]");
}

START_TEST(fetcher_may_be_destroyed_by_the_one_who_is_called_back)
{
	struct fetch *q;

	ck_assert_int_eq(fetcher_start(fetcher, &request, on_done_destroy, &got[0], &q), 0);
	ck_assert(wait_for(&got[0]));
	run_loop(50);
}
END_TEST

static void on_done_again(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	struct fetch *q;

	on_done(context, result, pause_ms);
	ck_assert_int_eq(fetcher_start(fetcher, &request, on_done, &got[1], &q), 0);
}

START_TEST(next_request_may_be_started_by_the_one_who_is_called_back)
{
	struct fetch *q;

	ck_assert_int_eq(fetcher_start(fetcher, &request, on_done_again, &got[0], &q), 0);
	ck_assert(wait_for(&got[1]));
	ck_assert_int_eq(got[1].status, 200);
	ck_assert_uint_eq(got[0].calls, 1);
}
END_TEST

START_TEST(fetcher_recovers_when_the_registry_comes_back)
{
	const uint16_t port = fake_registry_port(registry);

	assert_body("[\"10.0.0.1:80\"]");
	fake_registry_stop(registry);
	registry = NULL;
	ck_assert_int_lt(get()->error, 0);
	registry = fake_registry_start(&(struct fake_registry_options){ .port = port });
	fake_registry_body(registry, "[]");
	assert_body("[]");
}
END_TEST

#define ADD_VECTORS(tcase, test, vectors)                                                                    \
	tcase_add_loop_test(tcase, test, 0, sizeof(vectors) / sizeof((vectors)[0]))

static TCase *connections(void)
{
	TCase *t = tcase_create("connections");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, fetcher_recovers_when_the_registry_comes_back);
	return t;
}

static TCase *ends(void)
{
	TCase *t = tcase_create("ends");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, cancelled_request_is_not_told);
	tcase_add_test(t, destroying_ends_requests_in_every_state);
	tcase_add_test(t, fetcher_may_be_destroyed_by_the_one_who_is_called_back);
	tcase_add_test(t, next_request_may_be_started_by_the_one_who_is_called_back);
	return t;
}

int main(void)
{
	Suite *suite = suite_create("fetch_end");

	suite_add_tcase(suite, connections());
	suite_add_tcase(suite, ends());
	return harness_run(suite);
}
