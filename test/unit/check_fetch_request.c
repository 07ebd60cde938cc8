/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked, by whom, and where. */
#include "fetch_rig.h"

/* --- requests --- */

START_TEST(request_says_who_asks_for_what)
{
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("GET /services HTTP/1.1\r\n", true);
	assert_head_has("\r\nHost: 127.0.0.1:", true);
	assert_head_has("\r\nAccept: application/json\r\n", true);
	assert_head_has("\r\nAccept-Encoding: gzip\r\n", true);
	assert_head_has("\r\nUser-Agent: phonebook/", true);
	assert_head_has("Authorization", false);
	assert_head_has("If-", false);
}
END_TEST

static const struct {
	const char *etag, *date, *sent, *not_sent;
} validators[] = {
	{ "\"v1\"", NULL, "\r\nIf-None-Match: \"v1\"\r\n", "If-Modified-Since" },
	{ "W/\"v1\"", "yesterday", "\r\nIf-None-Match: W/\"v1\"\r\n", "If-Modified-Since" },
	{ NULL, "Sun, 06 Nov 1994 08:49:37 GMT", "\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
	  "If-None-Match" },
	{ "\"v1\"\r\nX-Evil: 1", NULL, "GET ", "X-Evil" },
	{ NULL, "now\nX-Evil: 1", "GET ", "X-Evil" },
};

START_TEST(validators_go_out_as_they_came)
{
	request.etag = validators[_i].etag;
	request.last_modified = validators[_i].date;
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has(validators[_i].sent, true);
	assert_head_has(validators[_i].not_sent, false);
}
END_TEST

START_TEST(same_etag_is_304_without_body)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[]", .etag = "\"v1\"" });
	request.etag = "\"v1\"";
	ck_assert_int_eq(get()->status, 304);
	ck_assert_uint_eq(got[0].len, 0);
	ck_assert_str_eq(got[0].etag, "\"v1\"");
	request.etag = "\"v0\"";
	assert_body("[]");
}
END_TEST

START_TEST(token_is_read_anew_for_each_request)
{
	http.token_file = path_of(path_a, "token");
	harness_write_file(dir, "token", "one \t\r\n\n");
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("\r\nAuthorization: Bearer one\r\n", true);
	harness_replace_file(dir, "token", "two");
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("\r\nAuthorization: Bearer two\r\n", true);
}
END_TEST

static const struct {
	const char *content; /* NULL: no file */
	int error;
	const char *text;
} bad_tokens[] = {
	{ NULL, -ENOENT, "No such file or directory" },
	{ "", -ENODATA, "empty" },
	{ " \n\t\r\n", -ENODATA, "empty" },
	{ "one\r\nX-Evil: 1", -EINVAL, "control character inside" },
	{ "one\x01two", -EINVAL, "control character inside" },
};

START_TEST(unusable_token_fails_the_request_before_it_is_sent)
{
	char text[1024];

	http.token_file = path_of(path_a, "token");
	if (bad_tokens[_i].content != NULL)
		harness_write_file(dir, "token", bad_tokens[_i].content);
	snprintf(text, sizeof(text), "token file %s: %s", path_a, bad_tokens[_i].text);
	assert_error(bad_tokens[_i].error, text);
	ck_assert_uint_eq(fake_registry_connections(registry), 0);
}
END_TEST

START_TEST(token_has_a_limit)
{
	char *token = malloc(65538);

	http.token_file = path_of(path_a, "token");
	memset(token, 'x', 65537);
	token[65537] = '\0';
	harness_write_file(dir, "token", token);
	ck_assert_int_eq(get()->error, -EFBIG);
	ck_assert_ptr_nonnull(strstr(got[0].error_text, "larger than 65536 octets"));
	token[8000] = '\0';
	harness_write_file(dir, "token", token);
	assert_body("[\"10.0.0.1:80\"]");
	free(token);
}
END_TEST

START_TEST(token_from_a_pipe_does_not_block)
{
	http.token_file = path_of(path_a, "token");
	ck_assert_int_eq(mkfifo(path_a, 0600), 0);
	ck_assert_int_eq(get()->error, -EINVAL);
	ck_assert_ptr_nonnull(strstr(got[0].error_text, "not a regular file"));
}
END_TEST

START_TEST(user_and_password_are_sent_as_basic)
{
	http.user = "phone";
	http.password_file = path_of(path_a, "password");
	harness_write_file(dir, "password", "book\n");
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("\r\nAuthorization: Basic cGhvbmU6Ym9vaw==\r\n", true);
	http.password_file = path_of(path_a, "nowhere");
	ck_assert_int_eq(get()->error, -ENOENT);
}
END_TEST

START_TEST(own_headers_are_sent_and_replace_ours)
{
	static const char *const headers[] = { "X-Consul-Token: abc", "accept: text/x-json",
					       "X-Empty:", NULL };

	http.headers = headers;
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("\r\nX-Consul-Token: abc\r\n", true);
	assert_head_has("\r\naccept: text/x-json\r\n", true);
	assert_head_has("application/json", false);
}
END_TEST

static const char *const bad_headers[] = { "no colon", "", ": value", "A: b\r\nX-Evil: 1", "A B: c" };

START_TEST(malformed_header_fails_the_request)
{
	const char *const headers[] = { bad_headers[_i], NULL };

	http.headers = headers;
	ck_assert_int_eq(get()->error, -EINVAL);
	ck_assert_uint_eq(fake_registry_connections(registry), 0);
}
END_TEST

static const struct {
	const char *url, *text;
} bad_urls[] = {
	{ "", "not a usable URL: " },
	{ "registry.corp/services", "not a usable URL: " },
	{ "ftp://127.0.0.1/", "not a usable URL: only http and https are spoken" },
	{ "file:///etc/passwd", "not a usable URL: " },
	{ "http://", "not a usable URL: " },
	{ "http://127.0.0.1:99999/", "not a usable URL: " },
	{ "http://a b/", "not a usable URL: " },
	{ "http://user:secret@127.0.0.1/", "not a usable URL: user and password do not belong in it" },
	{ "http://b\xc3\xbc"
	  "cher.example/",
	  "not a usable URL: write the host name in its xn-- form" },
};

START_TEST(unusable_url_fails_the_request)
{
	http.url = bad_urls[_i].url;
	ck_assert_int_eq(get()->error, -EINVAL);
	ck_assert_msg(strncmp(got[0].error_text, bad_urls[_i].text, strlen(bad_urls[_i].text)) == 0, "%s",
		      got[0].error_text);
	ck_assert_uint_eq(fake_dns_queries(dns), 0);
}
END_TEST

/* --- URLs --- */

static const struct {
	const char *base, *path, *line; /* of the request */
} paths[] = {
	{ "", "/v1/x", "GET /v1/x HTTP/1.1\r\n" },
	{ "/", "/v1/x", "GET /v1/x HTTP/1.1\r\n" },
	{ "///", "/v1/x", "GET /v1/x HTTP/1.1\r\n" },
	{ "/consul", "/v1/x?y", "GET /consul/v1/x?y HTTP/1.1\r\n" },
	{ "/consul/", "/v1/x?y=1&z=2", "GET /consul/v1/x?y=1&z=2 HTTP/1.1\r\n" },
	{ "/a/b/", "/", "GET /a/b/ HTTP/1.1\r\n" },
	{ "", "/v1/a%2Fb%2fc%C3%BC?f=%22x%22%20==%201+1",
	  "GET /v1/a%2Fb%2fc%C3%BC?f=%22x%22%20==%201+1 HTTP/1.1\r\n" },
	{ "/a/../b", "/v1/./x/../y", "GET /a/../b/v1/./x/../y HTTP/1.1\r\n" },
	{ "", "/v1/%2e%2E/x", "GET /v1/%2e%2E/x HTTP/1.1\r\n" },
	{ "", "/v1//x?a=b?c=/d", "GET /v1//x?a=b?c=/d HTTP/1.1\r\n" },
	{ "", "/v1/x!$&'()*,;=:@~", "GET /v1/x!$&'()*,;=:@~ HTTP/1.1\r\n" },
	{ "/services?all=1", NULL, "GET /services?all=1 HTTP/1.1\r\n" },
	{ "", NULL, "GET / HTTP/1.1\r\n" },
};

START_TEST(path_of_the_request_stands_behind_that_of_the_url)
{
	const char *base = paths[_i].base, *path = paths[_i].path;
	size_t len = strlen(base);

	snprintf(url, sizeof(url), "%s%s", fake_registry_url(registry), base);
	while (path != NULL && len > 0 && base[len - 1] == '/')
		len--;
	snprintf(path_a, sizeof(path_a), "%s%.*s%s", fake_registry_url(registry), (int)len, base,
		 path != NULL ? path : "");
	asked = path_a;
	request.path = path;
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has(paths[_i].line, true);
}
END_TEST

START_TEST(url_of_the_request_goes_before_that_of_the_options)
{
	http.url = "http://127.0.0.1:1/elsewhere";
	request.url = fake_registry_url(registry);
	request.path = "/v3/kv/range";
	snprintf(path_a, sizeof(path_a), "%s/v3/kv/range", request.url);
	asked = path_a;
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("GET /v3/kv/range HTTP/1.1\r\n", true);
}
END_TEST

static const char *const bad_paths[] = { "",       "v1",     "@evil.example/", ":1/x",   "?x=1",
					 "/a#b",   "/a?b#c", "/a b",           "/a?b c", "/a\r\nX-Evil: 1",
					 "/a\x01", "/a?\x7f" };

START_TEST(unusable_path_fails_the_request)
{
	snprintf(url, sizeof(url), "%s", fake_registry_url(registry));
	snprintf(path_a, sizeof(path_a), "%s%s", url, bad_paths[_i]);
	asked = bad_paths[_i][0] == '/' ? path_a : NULL;
	request.path = bad_paths[_i];
	ck_assert_int_eq(get()->error, -EINVAL);
	ck_assert_int_eq(strncmp(got[0].error_text, "not a usable path: ", 19), 0);
	ck_assert_uint_eq(fake_registry_connections(registry), 0);
}
END_TEST

START_TEST(url_with_a_query_takes_no_path)
{
	snprintf(url, sizeof(url), "%s/consul%s", fake_registry_url(registry), _i == 0 ? "?dc=1" : "#here");
	request.path = "/v1/x";
	assert_error(-EINVAL, "not a usable URL: only a path may stand behind the host");
}
END_TEST

/* --- POST --- */

static void assert_posted(const char *body)
{
	char *posted = fake_registry_last_body(registry);

	ck_assert_str_eq(posted, body);
	free(posted);
}

START_TEST(body_is_posted_as_json)
{
	request.body = "{\"key\":\"AA==\"}";
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("POST /services HTTP/1.1\r\n", true);
	assert_head_has("\r\nContent-Type: application/json\r\n", true);
	assert_head_has("\r\nContent-Length: 14\r\n", true);
	assert_head_has("Expect", false);
	assert_posted(request.body);
	request.body = "";
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("POST /services HTTP/1.1\r\n", true);
	assert_head_has("\r\nContent-Length: 0\r\n", true);
}
END_TEST

/* libcurl would ask for it from a megabyte on, and wait a second. */
START_TEST(large_body_is_posted_without_waiting_for_a_permission)
{
	enum { LEN = 1200000 };
	char *body = malloc(LEN + 1);

	memset(body, 'x', LEN);
	body[LEN] = '\0';
	request.body = body;
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("Expect", false);
	assert_posted(body);
	free(body);
}
END_TEST

/* --- who asks --- */

START_TEST(token_of_the_options_is_sent)
{
	http.token = "abc";
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("\r\nAuthorization: Bearer abc\r\n", true);
}
END_TEST

START_TEST(authorization_of_the_request_is_the_only_one)
{
	http.token = "abc";
	http.token_file = "/nowhere";
	http.user = "phone";
	request.authorization = "RoFHkl.14";
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("\r\nAuthorization: RoFHkl.14\r\n", true);
	assert_head_has("Bearer", false);
	assert_head_has("Basic", false);
}
END_TEST

static const char *const evil[] = { "a\r\nX-Evil: 1", "a\nb", "\x01", "a\x7f", "a\tb" };

START_TEST(control_characters_fail_the_request)
{
	if (_i % 2 == 0)
		http.token = evil[_i / 2];
	else
		request.authorization = evil[_i / 2];
	assert_error(-EINVAL, "authorization: control character inside");
	ck_assert_uint_eq(fake_registry_connections(registry), 0);
}
END_TEST

START_TEST(headers_of_the_request_are_sent_beside_those_of_the_options)
{
	static const char *const options[] = { "X-One: 1", NULL };
	static const char *const more[] = { "Grpc-Metadata-Hasleader: true", "Accept: x/y",
					    "content-type: a/b", NULL };

	http.headers = options;
	request.headers = more;
	request.body = "{}";
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("\r\nX-One: 1\r\n", true);
	assert_head_has("\r\nGrpc-Metadata-Hasleader: true\r\n", true);
	assert_head_has("\r\nAccept: x/y\r\n", true);
	assert_head_has("\r\ncontent-type: a/b\r\n", true);
	assert_head_has("application/json", false);
}
END_TEST

START_TEST(malformed_header_of_the_request_fails_it)
{
	const char *const headers[] = { bad_headers[_i], NULL };

	request.headers = headers;
	ck_assert_int_eq(get()->error, -EINVAL);
	ck_assert_uint_eq(fake_registry_connections(registry), 0);
}
END_TEST

START_TEST(proxies_of_the_environment_are_not_used)
{
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

#define ADD_VECTORS(tcase, test, vectors)                                                                    \
	tcase_add_loop_test(tcase, test, 0, sizeof(vectors) / sizeof((vectors)[0]))

static TCase *requests(void)
{
	TCase *t = tcase_create("requests");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, request_says_who_asks_for_what);
	ADD_VECTORS(t, validators_go_out_as_they_came, validators);
	tcase_add_test(t, same_etag_is_304_without_body);
	tcase_add_test(t, token_is_read_anew_for_each_request);
	ADD_VECTORS(t, unusable_token_fails_the_request_before_it_is_sent, bad_tokens);
	tcase_add_test(t, token_has_a_limit);
	tcase_add_test(t, token_from_a_pipe_does_not_block);
	tcase_add_test(t, user_and_password_are_sent_as_basic);
	tcase_add_test(t, own_headers_are_sent_and_replace_ours);
	ADD_VECTORS(t, malformed_header_fails_the_request, bad_headers);
	ADD_VECTORS(t, unusable_url_fails_the_request, bad_urls);
	ADD_VECTORS(t, path_of_the_request_stands_behind_that_of_the_url, paths);
	tcase_add_test(t, url_of_the_request_goes_before_that_of_the_options);
	ADD_VECTORS(t, unusable_path_fails_the_request, bad_paths);
	tcase_add_loop_test(t, url_with_a_query_takes_no_path, 0, 2);
	tcase_add_test(t, body_is_posted_as_json);
	tcase_add_test(t, large_body_is_posted_without_waiting_for_a_permission);
	tcase_add_test(t, token_of_the_options_is_sent);
	tcase_add_test(t, authorization_of_the_request_is_the_only_one);
	tcase_add_loop_test(t, control_characters_fail_the_request, 0, 2 * sizeof(evil) / sizeof(evil[0]));
	tcase_add_test(t, headers_of_the_request_are_sent_beside_those_of_the_options);
	ADD_VECTORS(t, malformed_header_of_the_request_fails_it, bad_headers);
	tcase_add_test(t, proxies_of_the_environment_are_not_used);
	return t;
}

int main(void)
{
	Suite *suite = suite_create("fetch_request");

	suite_add_tcase(suite, requests());
	return harness_run(suite);
}
