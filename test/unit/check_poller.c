/* SPDX-License-Identifier: BSD-2-Clause */
#include "poller_case.h"

/* --- good rounds --- */

START_TEST(a_first_round_is_told_and_a_repetition_is_not)
{
	fake_registry_body(registry, SHOP(AT(1) AND AT(2)));
	start();
	ck_assert(!poller_is_concluded(poller));
	ck_assert_ptr_null(poller_snapshot(poller));
	await_told(1, -2, 2);
	ck_assert(poller_is_concluded(poller));
	await_asked(5);
	ck_assert_uint_eq(told.n, 1);
	ck_assert_int_eq(view().state, REGISTRY_OK);
	ck_assert_uint_eq(view().instances, 2);

	fake_registry_body(registry, SHOP(AT(1) AND AT(3)));
	await_told(2, 2, 2);
	fake_registry_body(registry, SHOP(AT(3)));
	await_told(3, 2, 1);
}
END_TEST

START_TEST(not_modified_makes_data_young)
{
	fake_registry_answer(registry, &(struct fake_answer){ .etag = "\"v1\"", .body = SHOP(AT(1)) });
	start();
	await_told(1, -2, 1);
	const uint64_t start_ms = clock_ms();
	await_asked(6);
	await_asked(1); /* now the sixth answer has been read */
	ck_assert_uint_lt(view().age_ms, clock_ms() - start_ms);
	ck_assert_uint_eq(view().failures, 0);
	ck_assert_uint_eq(told.n, 1);
}
END_TEST

START_TEST(a_server_that_asks_for_a_pause_gets_it)
{
	options.interval_ms = 400;
	fake_registry_answer(registry,
			     &(struct fake_answer){ .headers = _i == 0 ? "Cache-Control: max-age=1\r\n"
								       : "Retry-After: 1\r\n",
						    .status = _i == 0 ? 200 : 503,
						    .body = SHOP(AT(1)) });
	start();
	await_told(1, -2, _i == 0 ? 1 : -2);
	const uint64_t start_ms = clock_ms();
	const unsigned requests = fake_registry_requests(registry);
	ck_assert_uint_eq(requests, 1);
	await_asked(1);
	ck_assert_uint_ge(clock_ms() - start_ms, 950);
}
END_TEST

START_TEST(a_cache_does_not_set_the_pace)
{
	fake_registry_answer(registry, &(struct fake_answer){ .headers = FRESH, .body = SHOP(AT(1)) });
	start();
	await_told(1, -2, 1);
	const uint64_t start_ms = clock_ms();
	await_asked(1);
	ck_assert_uint_ge(clock_ms() - start_ms, 280);
	ck_assert_uint_lt(clock_ms() - start_ms, 3000);
}
END_TEST

static bool is_as_old(void *age_ms)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return view().spoken && view().age_ms >= *(const uint64_t *)age_ms;
}

START_TEST(what_is_polled_ages_from_its_answer_on)
{
	uint64_t age_ms = 30;

	options.interval_ms = 3600000;
	fake_registry_body(registry, SHOP(AT(1)));
	start();
	await_told(1, -2, 1);
	ck_assert(harness_wait(is_as_old, &age_ms, LIMIT_MS));
}
END_TEST

static bool is_of_now(void *unused)
{
	(void)unused;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return view().spoken && view().age_ms == 0;
}

static bool is_logged(void *text)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return log_count(text) == 1;
}

START_TEST(of_changes_in_a_row_the_first_and_the_last_are_told)
{
	fake_registry_body(registry, SHOP(AT(1)));
	log_capture();
	start();
	await_told(1, -2, 1);
	fake_registry_body(registry, SHOP(AT(1) AND AT(2)));
	await_told(2, 1, 2);
	fake_registry_body(registry, SHOP(AT(1) AND AT(2) AND AT(3)));
	await_told(3, 2, 3);
	fake_registry_body(registry, SHOP(AT(1) AND AT(2) AND AT(3) AND AT(4)));
	await_told(4, 3, 4);
	ck_assert_uint_eq(log_count("round=changed"), 1);
	ck_assert(harness_wait(is_logged, (void *)"round=changed services=1 instances=4", LIMIT_MS));
	ck_assert_uint_eq(log_count("round=changed"), 2);
	log_release();
}
END_TEST

static const struct {
	const char *headers;
	bool is_of_now;
} contacts[] = {
	{ "X-Consul-Index: 5\r\nX-Consul-LastContact: 4000\r\n", true },
	{ "X-Consul-Index: 5\r\nX-Consul-LastContact: 60000\r\n", false },
};

/* The answer is old when it comes, by its own words; while the next one is held it is true, unless who holds
 * it has lost its own leader. */
START_TEST(what_is_held_by_the_server_does_not_age)
{
	static const char *const services[] = { "shop", NULL };

	options.kind = "consul";
	options.watch = true;
	options.consul.services = services;
	options.consul.wait_ms = 60000;
	options.consul.held = 10;
	fake_registry_answer(registry,
			     &(struct fake_answer){ .headers = contacts[_i].headers, .body = "[]" });
	fake_registry_answer_at(registry,
				"/v1/health/service/shop?index=", &(struct fake_answer){ .hang = true });
	start();
	await_told(1, -2, 0);
	if (contacts[_i].is_of_now) {
		ck_assert(harness_wait(is_of_now, NULL, LIMIT_MS));
		return;
	}
	ck_assert(harness_wait(is_asked, &(unsigned){ 2 }, LIMIT_MS));
	for (int i = 0; i < 10; i++)
		event_base_loop(loop, EVLOOP_NONBLOCK);
	ck_assert_uint_ge(view().age_ms, 60000);
}
END_TEST

/* --- bad rounds --- */

static const struct fake_answer unusable[] = {
	{ .headers = FRESH "Content-Type: text/html\r\n", .body = "<html>welcome</html>" },
	{ .headers = FRESH, .body = "[{" },
	{ .status = 304, .headers = FRESH },
	{ .status = 200, .headers = FRESH "Retry-After: 300\r\n", .body = "[{" },
	{ .status = 500, .headers = FRESH "Retry-After: 300\r\n" },
};

START_TEST(an_answer_that_cannot_be_used_asks_for_no_pause)
{
	options.interval_ms = 3600000;
	fake_registry_answer(registry, &unusable[_i]);
	start();
	await_failures(2);
	fake_registry_body(registry, SHOP(AT(1)));
	await_told(2, -2, 1);
}
END_TEST

START_TEST(a_refusal_is_not_repeated_before_the_interval_is_over)
{
	static const int statuses[] = { 401, 403, 404, 408, 425, 429 };
	uint64_t end_ms = clock_ms() + 700; /* the first failure of another kind is tried again within 500 */

	options.interval_ms = 3600000;
	fake_registry_answer(registry, &(struct fake_answer){ .status = statuses[_i] });
	start();
	await_failures(1);
	ck_assert(harness_wait(is_over, &end_ms, LIMIT_MS));
	if (_i < 3)
		ck_assert_uint_eq(fake_registry_requests(registry), 1);
	else
		ck_assert_uint_gt(fake_registry_requests(registry), 1);
}
END_TEST

START_TEST(a_registry_that_is_not_polled_is_asked_until_it_has_spoken)
{
	options.interval_ms = 0;
	start();
	await_failures(2);
	fake_registry_body(registry, SHOP(AT(1)));
	await_told(2, -2, 1);
	const unsigned requests = fake_registry_requests(registry);
	uint64_t end_ms = clock_ms() + 300;
	ck_assert(harness_wait(is_over, &end_ms, LIMIT_MS));
	ck_assert_uint_eq(fake_registry_requests(registry), requests);
}
END_TEST

START_TEST(a_first_round_that_fails_is_told_once)
{
	start();
	await_told(1, -2, -2);
	ck_assert(poller_is_concluded(poller));
	ck_assert_ptr_null(poller_snapshot(poller));
	await_failures(2);
	ck_assert_uint_eq(told.n, 1);
	ck_assert_int_eq(view().state, REGISTRY_FAILING);
	ck_assert(!view().spoken);
	fake_registry_body(registry, SHOP(AT(1)));
	await_told(2, -2, 1);
	ck_assert_int_eq(view().state, REGISTRY_OK);
}
END_TEST

/* Two resources fail in turn, and a third like the first. */
START_TEST(each_way_to_fail_is_told_once)
{
	static const char *const services[] = { "cart", "shop", "stock", NULL };

	options.kind = "consul";
	options.consul.services = services;
	fake_registry_answer(registry, &(struct fake_answer){ .status = 403 });
	fake_registry_answer_at(registry, "/v1/health/service/shop", &(struct fake_answer){ .status = 404 });
	log_capture();
	start();
	await_failures(7);
	ck_assert_uint_eq(log_count("round=failed"), 2);
	fake_registry_answer(registry,
			     &(struct fake_answer){ .headers = "X-Consul-Index: 5\r\n", .body = "[]" });
	fake_registry_answer_at(registry, "/v1/health/service/shop",
				&(struct fake_answer){ .headers = "X-Consul-Index: 5\r\n", .body = "[]" });
	while (view().state != REGISTRY_OK)
		await_asked(1);
	ck_assert_uint_eq(log_count("round=good"), 1);
	const unsigned n = (unsigned)view().failures + 1;
	fake_registry_answer(registry, &(struct fake_answer){ .status = 403 });
	await_failures(n);
	ck_assert_uint_eq(log_count("round=failed"), 3); /* another time */
	log_release();
}
END_TEST

START_TEST(a_later_round_that_fails_changes_nothing)
{
	fake_registry_body(registry, SHOP(AT(1)));
	start();
	await_told(1, -2, 1);
	const struct snapshot *before = poller_snapshot(poller);
	fake_registry_answer(registry, &(struct fake_answer){ .body = SHOP(AT(2)), .cut = true });
	await_failures(2);
	ck_assert_uint_eq(told.n, 1);
	ck_assert_ptr_eq(poller_snapshot(poller), before);
	ck_assert_uint_eq(view().services, 1);
	fake_registry_body(registry, SHOP(AT(1)));
	while (view().state != REGISTRY_OK)
		await_asked(1);
	ck_assert_uint_eq(told.n, 1);
}
END_TEST

START_TEST(not_modified_without_anything_before_is_a_failure)
{
	fake_registry_answer(registry, &(struct fake_answer){ .status = 304 });
	start();
	await_told(1, -2, -2);
	ck_assert_int_eq(view().state, REGISTRY_FAILING);
}
END_TEST

START_TEST(a_bad_body_does_not_leave_its_validator_behind)
{
	fake_registry_answer(registry, &(struct fake_answer){ .etag = "\"bad\"", .body = "[{" });
	start();
	await_failures(2);
	char *head = fake_registry_last_head(registry);
	ck_assert_ptr_null(strstr(head, "If-None-Match"));
	free(head);
}
END_TEST

/* --- other kinds --- */

START_TEST(a_registry_without_interval_is_read_once)
{
	const struct static_instance instance = { .address = "10.1.0.1:80", .service = "shop", .weight = 1 };

	options = (struct registry_options){
		.kind = "static", .name = "fixed", .instances = &instance, .n_instances = 1
	};
	start();
	await_told(1, -2, 1);
	ck_assert_int_eq(event_base_get_num_events(loop, EVENT_BASE_COUNT_ADDED), 0);
}
END_TEST

/* --- the end --- */

START_TEST(destroying_ends_a_request_in_flight)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	start();
	await_asked(1);
	poller_destroy(poller);
	poller = NULL;
	ck_assert_uint_eq(told.n, 0);
}
END_TEST

START_TEST(destroying_before_the_start_is_fine)
{
	ck_assert_int_eq(poller_create(&given, &poller), 0);
	ck_assert_int_eq(event_base_get_num_events(loop, EVENT_BASE_COUNT_ADDED), 0);
	poller_destroy(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("poller");
	TCase *good = add_case(suite, "good");
	TCase *bad = add_case(suite, "bad");
	TCase *rest = add_case(suite, "rest");

	tcase_add_test(good, a_first_round_is_told_and_a_repetition_is_not);
	tcase_add_test(good, of_changes_in_a_row_the_first_and_the_last_are_told);
	tcase_add_test(good, not_modified_makes_data_young);
	tcase_add_loop_test(good, a_server_that_asks_for_a_pause_gets_it, 0, 2);
	tcase_add_test(good, a_cache_does_not_set_the_pace);
	tcase_add_test(good, what_is_polled_ages_from_its_answer_on);
	tcase_add_loop_test(good, what_is_held_by_the_server_does_not_age, 0, COUNT(contacts));
	tcase_add_test(bad, a_first_round_that_fails_is_told_once);
	tcase_add_test(bad, each_way_to_fail_is_told_once);
	tcase_add_test(bad, a_later_round_that_fails_changes_nothing);
	tcase_add_test(bad, not_modified_without_anything_before_is_a_failure);
	tcase_add_loop_test(bad, an_answer_that_cannot_be_used_asks_for_no_pause, 0, COUNT(unusable));
	tcase_add_loop_test(bad, a_refusal_is_not_repeated_before_the_interval_is_over, 0, 6);
	tcase_add_test(bad, a_registry_that_is_not_polled_is_asked_until_it_has_spoken);
	tcase_add_test(bad, a_bad_body_does_not_leave_its_validator_behind);
	tcase_add_test(rest, a_registry_without_interval_is_read_once);
	tcase_add_test(rest, destroying_ends_a_request_in_flight);
	tcase_add_test(rest, destroying_before_the_start_is_fine);
	return harness_run(suite);
}
