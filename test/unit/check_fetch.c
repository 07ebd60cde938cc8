/* SPDX-License-Identifier: BSD-2-Clause */
#include "fetch_rig.h"

/* --- answers --- */

START_TEST(answer_comes_with_its_headers)
{
	fake_registry_answer(
		registry,
		&(struct fake_answer){ .body = "[]",
				       .etag = "\"v1\"",
				       .headers = "Content-Type: text/plain\r\n"
						  "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n" });
	assert_body("[]");
	ck_assert_str_eq(got[0].content_type, "text/plain");
	ck_assert_str_eq(got[0].etag, "\"v1\"");
	ck_assert_str_eq(got[0].last_modified, "Sun, 06 Nov 1994 08:49:37 GMT");
	ck_assert_uint_eq(got[0].len, 2);
	ck_assert_uint_eq(got[0].pause_ms, 0);
}
END_TEST

START_TEST(headers_not_sent_are_null)
{
	fake_registry_answer(
		registry, &(struct fake_answer){ .raw = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]" });
	assert_body("[]");
	ck_assert_str_eq(got[0].content_type, "-");
	ck_assert_str_eq(got[0].etag, "-");
	ck_assert_str_eq(got[0].last_modified, "-");
}
END_TEST

static const int statuses[] = { 200, 204, 301, 302, 304, 307, 400, 401, 403, 404, 429, 500, 502, 503 };

START_TEST(any_status_is_an_answer_and_redirects_are_not_followed)
{
	char location[200];

	snprintf(location, sizeof(location), "Location: %s/elsewhere\r\n", fake_registry_url(registry));
	fake_registry_answer(registry, &(struct fake_answer){ .status = statuses[_i], .headers = location });
	ck_assert_int_eq(get()->error, 0);
	ck_assert_int_eq(got[0].status, statuses[_i]);
	ck_assert_uint_eq(got[0].len, 0);
	ck_assert_uint_eq(fake_registry_requests(registry), 1);
}
END_TEST

START_TEST(interim_answers_are_skipped)
{
	fake_registry_answer(
		registry, &(struct fake_answer){ .raw = "HTTP/1.1 103 Early Hints\r\nETag: \"x\"\r\n\r\n"
							"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]" });
	assert_body("[]");
	ck_assert_str_eq(got[0].etag, "-");
}
END_TEST

static const struct fake_answer codings[] = {
	{ .body = "[1,2,3]" },
	{ .body = "[1,2,3]", .chunked = true },
	{ .body = "[1,2,3]", .gzip = true },
	{ .body = "[1,2,3]", .gzip = true, .chunked = true },
	{ .body = "[1,2,3]", .drip_ms = 1 },
	{ .body = "[1,2,3]", .drip_ms = 1, .gzip = true, .chunked = true },
	{ .body = "[1,2,3]", .close = true },
};

START_TEST(body_is_decoded)
{
	fake_registry_answer(registry, &codings[_i]);
	assert_body("[1,2,3]");
}
END_TEST

START_TEST(body_with_nul_octets_is_kept_whole)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "a\0b", .len = 3 });
	ck_assert_uint_eq(get()->len, 3);
}
END_TEST

static const struct {
	struct fake_answer answer;
	const char *error;
} cuts[] = {
	{ { .body = "[1,2,3,4]", .cut = true }, "body cut off" },
	{ { .body = "[1,2,3,4]", .cut = true, .chunked = true }, "body cut off" },
};

START_TEST(body_cut_off_is_an_error)
{
	fake_registry_answer(registry, &cuts[_i].answer);
	assert_error(-EPIPE, cuts[_i].error);
}
END_TEST

static const struct {
	struct fake_answer answer;
	bool fits;
} sizes[] = {
	{ { .body = "x", .repeat = 4096 }, true },
	{ { .body = "x", .repeat = 4097 }, false },
	{ { .body = "x", .repeat = 4096, .chunked = true }, true },
	{ { .body = "x", .repeat = 4097, .chunked = true }, false },
	{ { .body = "x", .repeat = 4096, .gzip = true }, true },
	{ { .body = "x", .repeat = 4097, .gzip = true }, false },
	{ { .body = "0123456789", .repeat = 1 << 20 }, false },
	{ { .body = "0123456789", .repeat = 1 << 20, .chunked = true }, false },
	{ { .body = "0123456789", .repeat = 1 << 20, .gzip = true, .chunked = true }, false },
	{ { .status = 500, .body = "0123456789", .repeat = 1 << 20 }, false },
};

START_TEST(decoded_body_has_a_limit)
{
	http.max_size = 4096;
	fake_registry_answer(registry, &sizes[_i].answer);
	if (sizes[_i].fits) {
		ck_assert_int_eq(get()->error, 0);
		ck_assert_uint_eq(got[0].len, 4096);
	} else {
		assert_error(-EFBIG, "body larger than 4096 octets");
	}
}
END_TEST

START_TEST(large_body_within_the_limit_comes_whole)
{
	http.max_size = 10 << 20;
	fake_registry_answer(registry, &(struct fake_answer){ .body = "0123456789", .repeat = 1 << 20 });
	ck_assert_int_eq(get()->error, 0);
	ck_assert_uint_eq(got[0].len, 10 << 20);
}
END_TEST

START_TEST(request_without_limits_has_limits)
{
	http.max_size = http.timeout_ms = 0;
	fake_registry_answer(registry, &(struct fake_answer){ .body = "0123456789", .repeat = 2 << 20 });
	assert_error(-EFBIG, "body larger than 16777216 octets");
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	assert_error(-ETIMEDOUT, "timed out after 5000 ms");
}
END_TEST

static const struct fake_answer slow[] = {
	{ .hang = true },
	{ .body = "0123456789", .repeat = 100, .drip_ms = 20 },
	{ .raw = "HTTP/1.1 200 OK\r\nX: 0123456789012345678901234567890123456789", .drip_ms = 20 },
};

START_TEST(timeout_ends_the_whole_transfer)
{
	const uint64_t start_ms = clock_ms();

	http.timeout_ms = 300;
	fake_registry_answer(registry, &slow[_i]);
	assert_error(-ETIMEDOUT, "timed out after 300 ms");
	ck_assert_uint_ge(clock_ms() - start_ms, 290);
	ck_assert_uint_le(clock_ms() - start_ms, 2000);
}
END_TEST

START_TEST(timeout_covers_the_lookup_too)
{
	http.timeout_ms = 300;
	fake_dns_set_silent(dns, 255);
	point_at_name("http", "registry.corp");
	assert_error(-ETIMEDOUT, "timed out after 300 ms");
}
END_TEST

START_TEST(closed_port_is_connection_refused)
{
	fake_registry_stop(registry);
	registry = NULL;
	assert_error(-ECONNREFUSED, "connection refused");
}
END_TEST

START_TEST(silent_close_is_an_error)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang_up = true });
	assert_error(-ECONNRESET, "connection closed without an answer");
}
END_TEST

static const char *const not_http[] = { "<html>hello</html>\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "[]" };

START_TEST(what_is_not_http_is_an_error)
{
	fake_registry_answer(registry, &(struct fake_answer){ .raw = not_http[_i] });
	assert_error(-EPROTO, "the answer is not HTTP");
}
END_TEST

START_TEST(endless_headers_are_an_error)
{
	char *headers = malloc(2000001);

	for (size_t i = 0; i < 2000000; i += 20)
		memcpy(headers + i, "X-Long: 0123456789\r\n", 20);
	headers[2000000] = '\0';
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[]", .headers = headers });
	free(headers);
	ck_assert_int_lt(get()->error, 0);
}
END_TEST

START_TEST(unknown_content_coding_is_an_error)
{
	fake_registry_answer(
		registry, &(struct fake_answer){ .body = "[]", .headers = "Content-Encoding: x-secret\r\n" });
	ck_assert_int_lt(get()->error, 0);
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[\"10.0.0.1:80\", \"10.0.0.2:80\"]",
							      .headers = "Content-Encoding: gzip\r\n" });
	ck_assert_int_lt(get()->error, 0);
}
END_TEST

START_TEST(wanted_headers_are_told_and_no_others)
{
	static const char *const wanted[] = { "X-Consul-Index", "X-Cache", "X-Nothing", NULL };

	fake_registry_answer(registry,
			     &(struct fake_answer){ .body = "[]",
						    .headers = "x-consul-index: 18446744073709551615\r\n"
							       "X-Consul-Index: 2\r\n"
							       "X-Other: 3\r\n" });
	request.wanted = wanted;
	assert_body("[]");
	ck_assert_str_eq(got[0].index, "18446744073709551615");
	ck_assert_str_eq(got[0].cache, "-");
	ck_assert_uint_eq(got[0].n_headers, 1);
	request.wanted = NULL;
	assert_body("[]");
	ck_assert_str_eq(got[0].index, "-");
	ck_assert_uint_eq(got[0].n_headers, 0);
}
END_TEST

static const struct {
	const char *headers;
	bool cached;
} caches[] = {
	{ "", false },
	{ "Age: 0\r\n", true },
	{ "age: 77\r\n", true },
	{ "X-Cache: HIT\r\n", true },
	{ "X-Cache: MISS\r\n", false },
	{ "x-cache: Hit from somewhere\r\n", true },
	{ "X-Cache: MISS\r\nX-Cache: HIT\r\n", true },
	{ "X-Cache:\r\n", false },
};

START_TEST(answer_from_a_cache_is_told)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[]", .headers = caches[_i].headers });
	assert_body("[]");
	ck_assert_int_eq(got[0].cached, caches[_i].cached);
}
END_TEST

#define ADD_VECTORS(tcase, test, vectors)                                                                    \
	tcase_add_loop_test(tcase, test, 0, sizeof(vectors) / sizeof((vectors)[0]))

static TCase *answers(void)
{
	TCase *t = tcase_create("answers");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, answer_comes_with_its_headers);
	tcase_add_test(t, headers_not_sent_are_null);
	ADD_VECTORS(t, any_status_is_an_answer_and_redirects_are_not_followed, statuses);
	tcase_add_test(t, interim_answers_are_skipped);
	ADD_VECTORS(t, body_is_decoded, codings);
	tcase_add_test(t, body_with_nul_octets_is_kept_whole);
	ADD_VECTORS(t, body_cut_off_is_an_error, cuts);
	ADD_VECTORS(t, decoded_body_has_a_limit, sizes);
	tcase_add_test(t, large_body_within_the_limit_comes_whole);
	tcase_add_test(t, request_without_limits_has_limits);
	ADD_VECTORS(t, timeout_ends_the_whole_transfer, slow);
	tcase_add_test(t, timeout_covers_the_lookup_too);
	tcase_add_test(t, closed_port_is_connection_refused);
	tcase_add_test(t, silent_close_is_an_error);
	ADD_VECTORS(t, what_is_not_http_is_an_error, not_http);
	tcase_add_test(t, endless_headers_are_an_error);
	tcase_add_test(t, unknown_content_coding_is_an_error);
	tcase_add_test(t, wanted_headers_are_told_and_no_others);
	ADD_VECTORS(t, answer_from_a_cache_is_told, caches);
	return t;
}

int main(void)
{
	Suite *suite = suite_create("fetch");

	suite_add_tcase(suite, answers());
	return harness_run(suite);
}
