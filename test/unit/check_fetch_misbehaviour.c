/* SPDX-License-Identifier: BSD-2-Clause */
/* Registries that misbehave, answers that are held, pauses asked for. */
#include "fetch_rig.h"

/* --- registries that misbehave --- */

static bool is_closed(void *context)
{
	(void)context;
	return fake_registry_open_connections(registry) == 0;
}

static const struct fake_answer enormous[] = {
	{ .body = "0123456789", .repeat = 10000, .endless = true, .length = 1 << 30 },
	{ .body = "0123456789", .repeat = 10000, .endless = true, .chunked = true },
	{ .status = 500, .body = "0123456789", .repeat = 10000, .endless = true, .chunked = true },
};

START_TEST(body_of_a_gigabyte_is_given_up_at_the_limit)
{
	http.max_size = 65536;
	fake_registry_answer(registry, &enormous[_i]);
	assert_error(-EFBIG, "body larger than 65536 octets");
	ck_assert(harness_wait(is_closed, NULL, LIMIT_MS));
	ck_assert_uint_lt(fake_registry_sent(registry), 32 << 20);
}
END_TEST

START_TEST(size_of_the_request_goes_before_that_of_the_options)
{
	request.max_size = 5;
	fake_registry_body(registry, "123456");
	assert_error(-EFBIG, "body larger than 5 octets");
	fake_registry_body(registry, "12345");
	assert_body("12345");
}
END_TEST

START_TEST(hang_in_the_middle_of_a_body_is_a_timeout)
{
	http.timeout_ms = 300;
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[1,", .length = 1000, .open = true });
	assert_error(-ETIMEDOUT, "timed out after 300 ms");
	ck_assert(harness_wait(is_closed, NULL, LIMIT_MS));
}
END_TEST

START_TEST(redirect_to_itself_is_told_and_not_followed)
{
	char location[600];

	snprintf(location, sizeof(location), "Location: %s\r\n", url);
	for (int i = 0; i < 3; i++) {
		fake_registry_answer(registry,
				     &(struct fake_answer){ .status = 301 + i, .headers = location });
		ck_assert_int_eq(get()->status, 301 + i);
	}
	ck_assert_uint_eq(fake_registry_requests(registry), 3);
}
END_TEST

START_TEST(refusal_for_ever_stays_one_answer_a_request)
{
	fake_registry_answer(registry, &(struct fake_answer){ .status = 403, .body = "Permission denied" });
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(get()->status, 403);
		ck_assert_str_eq(got[0].body, "Permission denied");
	}
	ck_assert_uint_eq(fake_registry_requests(registry), 5);
	ck_assert_uint_eq(fake_registry_connections(registry), 1);
}
END_TEST

START_TEST(html_is_an_answer_with_its_type)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "<html>log in</html>",
							      .headers = "Content-Type: text/html\r\n" });
	assert_body("<html>log in</html>");
	ck_assert_str_eq(got[0].content_type, "text/html");
}
END_TEST

/* --- held requests --- */

START_TEST(answer_may_be_held_longer_than_the_connection_may_take)
{
	http.timeout_ms = slowed(100);
	request.timeout_ms = LIMIT_MS;
	request.held = true;
	fake_registry_answer(registry, &(struct fake_answer){ .open = true });
	start(&got[0]);
	run_loop(slowed(300));
	ck_assert_uint_eq(got[0].calls, 0);
	fake_registry_send(registry, NULL, "[]");
	fake_registry_end(registry, NULL, false);
	ck_assert(wait_for(&got[0]));
	ck_assert_str_eq(got[0].body, "[]");
}
END_TEST

START_TEST(held_request_has_an_end_too)
{
	http.timeout_ms = 5000;
	request.timeout_ms = 300;
	request.held = true;
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	assert_error(-ETIMEDOUT, "timed out after 300 ms");
}
END_TEST

/* A poll is sent again over a new connection. */
START_TEST(held_request_ends_with_the_connection_it_was_sent_over)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[]", .hang_up_kept = true });
	assert_body("[]");
	assert_body("[]");
	ck_assert_uint_eq(fake_registry_connections(registry), 2);
	request.held = true;
	assert_error(-ECONNRESET, "connection closed without an answer");
	ck_assert_uint_eq(fake_registry_connections(registry), 2);
	assert_body("[]"); /* over a new one */
}
END_TEST

START_TEST(lookup_of_a_held_request_has_the_limit_of_the_connection)
{
	http.timeout_ms = 200;
	request.timeout_ms = 60000;
	fake_dns_set_silent(dns, 255);
	point_at_name("http", "registry.corp");
	assert_error(-ETIMEDOUT, "not connected within 200 ms");
}
END_TEST

/* --- pauses --- */

static const struct {
	int status;
	const char *headers;
	uint64_t pause_ms;
} pauses[] = {
	{ 503, "Retry-After: 7\r\n", 7000 },
	{ 429, "retry-after: 7\r\n", 7000 },
	{ 503, "Retry-After: 0\r\n", 0 },
	{ 503, "Retry-After: 300\r\n", 300000 },
	{ 503, "Retry-After: 86400\r\n", 300000 },
	{ 503, "Retry-After: 18446744073709551615\r\n", 300000 },
	{ 503, "Retry-After: 99999999999999999999\r\n", 0 },
	{ 503, "Retry-After: -5\r\n", 0 },
	{ 503, "Retry-After: soon\r\n", 0 },
	{ 503, "Retry-After: 1.5\r\n", 0 },
	{ 503, "Retry-After:\r\n", 0 },
	{ 503, "", 0 },
	{ 500, "Retry-After: 7\r\n", 0 },
	{ 200, "Retry-After: 7\r\n", 0 },
	{ 301, "Retry-After: 7\r\n", 0 },
	/* Dates count from the server's clock, whatever ours says. */
	{ 503, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n",
	  10000 },
	{ 503, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sunday, 06-Nov-94 08:49:47 GMT\r\n",
	  10000 },
	{ 503, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun Nov  6 08:49:47 1994\r\n", 10000 },
	{ 503, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:27 GMT\r\n", 0 },
	{ 503, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Mon, 07 Nov 1994 08:49:37 GMT\r\n",
	  300000 },
	{ 503, "Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n", 0 },
	{ 503, "Date: nonsense\r\nRetry-After: Fri, 31 Dec 2099 23:59:59 GMT\r\n", 300000 },
	{ 200, "Cache-Control: max-age=20\r\n", 20000 },
	{ 304, "Cache-Control: max-age=20\r\n", 20000 },
	{ 200, "Cache-Control: private, Max-Age=20 , must-revalidate\r\n", 20000 },
	{ 200, "Cache-Control: public\r\nCache-Control: max-age=20\r\n", 20000 },
	{ 200, "Cache-Control: max-age=\"20\"\r\n", 20000 },
	{ 200, "Cache-Control: max-age=20\r\nAge: 5\r\n", 15000 },
	{ 200, "Cache-Control: max-age=20\r\nAge: 50\r\n", 0 },
	{ 200, "Cache-Control: max-age=20\r\nAge: old\r\n", 20000 },
	{ 200, "Cache-Control: max-age=86400\r\n", 300000 },
	{ 200, "Cache-Control: max-age=-1\r\n", 0 },
	{ 200, "Cache-Control: max-age=\r\n", 0 },
	{ 200, "Cache-Control: s-maxage=20\r\n", 0 },
	{ 200, "Cache-Control: max-age=20, no-cache\r\n", 0 },
	{ 200, "Cache-Control: no-store, max-age=20\r\n", 0 },
	{ 200, "Cache-Control: ,,, ,\r\n", 0 },
	{ 404, "Cache-Control: max-age=20\r\n", 0 },
};

START_TEST(pause_is_what_the_server_asks_for)
{
	fake_registry_answer(registry, &(struct fake_answer){ .status = pauses[_i].status,
							      .headers = pauses[_i].headers });
	ck_assert_int_eq(get()->error, 0);
	ck_assert_msg(got[0].pause_ms == pauses[_i].pause_ms, "%llu for %s",
		      (unsigned long long)got[0].pause_ms, pauses[_i].headers);
}
END_TEST

#define ADD_VECTORS(tcase, test, vectors)                                                                    \
	tcase_add_loop_test(tcase, test, 0, sizeof(vectors) / sizeof((vectors)[0]))

static TCase *answers(void)
{
	TCase *t = tcase_create("answers");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 20);
	ADD_VECTORS(t, pause_is_what_the_server_asks_for, pauses);
	return t;
}

static TCase *misbehaviour(void)
{
	TCase *t = tcase_create("misbehaviour");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 20);
	ADD_VECTORS(t, body_of_a_gigabyte_is_given_up_at_the_limit, enormous);
	tcase_add_test(t, size_of_the_request_goes_before_that_of_the_options);
	tcase_add_test(t, hang_in_the_middle_of_a_body_is_a_timeout);
	tcase_add_test(t, redirect_to_itself_is_told_and_not_followed);
	tcase_add_test(t, refusal_for_ever_stays_one_answer_a_request);
	tcase_add_test(t, html_is_an_answer_with_its_type);
	tcase_add_test(t, answer_may_be_held_longer_than_the_connection_may_take);
	tcase_add_test(t, held_request_has_an_end_too);
	tcase_add_test(t, held_request_ends_with_the_connection_it_was_sent_over);
	tcase_add_test(t, lookup_of_a_held_request_has_the_limit_of_the_connection);
	return t;
}

int main(void)
{
	Suite *suite = suite_create("fetch_misbehaviour");

	suite_add_tcase(suite, answers());
	suite_add_tcase(suite, misbehaviour());
	return harness_run(suite);
}
