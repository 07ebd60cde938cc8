/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_dns.h"
#include "fake_registry.h"
#include "feed/resolve.h"
#include "harness.h"

enum { LIMIT_MS = 8000, MAX_SIZE = 4194304, PARALLEL = 120 };

static struct event_base *loop;
static struct resolver *resolver;
static struct fetcher *fetcher;
static struct fake_registry *registry;
static struct fake_dns *dns;
static char *dir;

static struct http_options http; /* of the next request; set_up() makes it ask the registry */
static struct fetch_request request;
static const char *asked; /* if it is not http.url */
static char url[512], path_a[512], path_b[512], path_c[512];

/* A result that outlives its call. */
struct got {
	unsigned calls;
	int error, status;
	char error_text[512], body[2000], content_type[100], etag[100], last_modified[100];
	char index[100], cache[100];
	bool cached;
	size_t len, n_headers;
	uint64_t pause_ms;
};

static struct got got[PARALLEL];

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from != NULL ? from : "-");
}

static void on_done(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	struct got *g = context;

	g->calls++;
	ck_assert_str_eq(result->name, asked != NULL ? asked : http.url);
	ck_assert(result->last);
	ck_assert_int_eq(result->error != 0, result->error_text != NULL);
	ck_assert_ptr_nonnull(result->body);
	ck_assert_int_eq(result->body[result->len], '\0');
	g->error = result->error;
	g->status = result->status;
	g->len = result->len;
	g->pause_ms = pause_ms;
	copy(g->error_text, sizeof(g->error_text), result->error_text);
	copy(g->body, sizeof(g->body), result->body);
	copy(g->content_type, sizeof(g->content_type), result->content_type);
	copy(g->etag, sizeof(g->etag), result->etag);
	copy(g->last_modified, sizeof(g->last_modified), result->last_modified);
	copy(g->index, sizeof(g->index), fetch_result_header(result, "x-consul-INDEX"));
	copy(g->cache, sizeof(g->cache), fetch_result_header(result, "X-Cache"));
	g->cached = result->cached;
	g->n_headers = result->n_headers;
}

static void run_loop(uint64_t ms)
{
	const uint64_t end = clock_ms() + ms;

	do {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 5000 });
		event_base_loop(loop, EVLOOP_ONCE);
	} while (clock_ms() < end);
}

static struct fetch *start(struct got *g)
{
	struct fetch *q = NULL;

	memset(g, 0, sizeof(*g));
	ck_assert_int_eq(fetcher_start(fetcher, &request, on_done, g, &q), 0);
	ck_assert_ptr_nonnull(q);
	ck_assert_uint_eq(g->calls, 0);
	return q;
}

static bool wait_for(const struct got *g)
{
	const uint64_t end = clock_ms() + LIMIT_MS;

	while (g->calls == 0 && clock_ms() < end) {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 10000 });
		event_base_loop(loop, EVLOOP_ONCE);
	}
	return g->calls == 1;
}

/* Runs one request to its end. */
static const struct got *get(void)
{
	start(&got[0]);
	ck_assert_msg(wait_for(&got[0]), "no result");
	return &got[0];
}

static void assert_body(const char *body)
{
	const struct got *g = get();

	ck_assert_msg(g->error == 0, "%s", g->error_text);
	ck_assert_int_eq(g->status, 200);
	ck_assert_str_eq(g->body, body);
}

static void assert_error(int error, const char *text)
{
	const struct got *g = get();

	ck_assert_str_eq(g->error_text, text);
	ck_assert_int_eq(g->error, error);
	ck_assert_uint_eq(g->len, 0);
}

static void point_at(const char *base)
{
	snprintf(url, sizeof(url), "%s/services", base);
}

static void point_at_name(const char *scheme, const char *name)
{
	snprintf(url, sizeof(url), "%s://%s:%u/services", scheme, name, fake_registry_port(registry));
}

static const char *path_of(char *room, const char *name)
{
	snprintf(room, 512, "%s/%s", dir, name);
	return room;
}

static void assert_head_has(const char *text, bool has)
{
	char *head = fake_registry_last_head(registry);

	ck_assert_msg((strstr(head, text) != NULL) == has, "%s: %s", has ? "missing" : "found", text);
	free(head);
}

static void set_up(void)
{
	struct endpoint server;
	char text[64];

	loop = event_base_new();
	dir = harness_make_dir();
	dns = fake_dns_start();
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	fake_registry_body(registry, "[\"10.0.0.1:80\"]");
	snprintf(text, sizeof(text), "127.0.0.1:%u", fake_dns_port(dns));
	ck_assert(endpoint_from_text(text, 53, &server));
	ck_assert_int_eq(resolver_create(loop, &server, 1, NULL, NULL, &resolver), 0);
	ck_assert_int_eq(fetcher_create(loop, resolver, &fetcher), 0);
	http = (struct http_options){ .url = url, .timeout_ms = 5000, .max_size = MAX_SIZE };
	request = (struct fetch_request){ .source = FETCH_HTTP, .http = &http };
	asked = NULL;
	point_at(fake_registry_url(registry));
}

static void tear_down(void)
{
	fetcher_destroy(fetcher);
	resolver_destroy(resolver);
	fake_registry_stop(registry);
	fake_dns_stop(dns);
	event_base_free(loop);
	harness_remove_dir(dir);
}

static void restart_registry(const struct fake_registry_options *o)
{
	fake_registry_stop(registry);
	registry = fake_registry_start(o);
	fake_registry_body(registry, "[\"10.0.0.1:80\"]");
	point_at(fake_registry_url(registry));
}

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

/* --- host names --- */

static const char *const spellings[] = { "registry.corp", "REGISTRY.Corp", "registry.corp.",
					 "%72egistry.corp" };

START_TEST(host_name_is_looked_up_at_the_bootstrap_server)
{
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	point_at_name("http", spellings[_i]);
	assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_dns_queries(dns), 2);
}
END_TEST

static const char *const here[] = { "localhost", "127.0.0.1", "127.1", "0x7f.1" };

START_TEST(literals_and_localhost_are_not_looked_up)
{
	point_at_name("http", here[_i]);
	assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_dns_queries(dns), 0);
}
END_TEST

START_TEST(ipv6_literal_is_reached)
{
	if (!harness_has_ip6()) { /* then it cannot be reached, and that is said at once */
		point_at("http://[::1]:1");
		ck_assert_int_lt(get()->error, 0);
		return;
	}
	restart_registry(&(struct fake_registry_options){ .address = "::1" });
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

START_TEST(dead_addresses_are_passed_over)
{
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	fake_dns_add(dns, "registry.corp", "::1", 30);
	for (int i = 2; i < 6; i++) {
		char address[32];

		snprintf(address, sizeof(address), "127.0.0.%d", i);
		fake_dns_add(dns, "registry.corp", address, 30);
	}
	restart_registry(&(struct fake_registry_options){ .address = "127.0.0.5" });
	point_at_name("http", "registry.corp");
	http.timeout_ms = 1000;
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

/* A socket that takes no connections any more: what is sent to it vanishes, as behind a dead router. */
static void make_black_hole(const char *address, uint16_t port, int fds[4])
{
	struct endpoint e;
	struct address a;

	ck_assert(address_from_text(address, strlen(address), &a));
	endpoint_from_address(&a, port, &e);
	for (int i = 0; i < 4; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fds[0], &e.at.generic, e.len), 0);
	ck_assert_int_eq(listen(fds[0], 0), 0);
	for (int i = 1; i < 4; i++)
		connect(fds[i], &e.at.generic, e.len);
}

START_TEST(silent_address_leaves_time_for_the_next)
{
	int fds[4];

	restart_registry(&(struct fake_registry_options){ .address = "127.0.0.5" });
	make_black_hole("127.0.0.1", fake_registry_port(registry), fds);
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	fake_dns_add(dns, "registry.corp", "127.0.0.5", 30);
	point_at_name("http", "registry.corp");
	http.timeout_ms = 2000;
	assert_body("[\"10.0.0.1:80\"]");
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}
END_TEST

START_TEST(name_that_does_not_exist_is_told)
{
	point_at_name("http", "registry.corp");
	assert_error(-EHOSTUNREACH, "host name registry.corp: no such name");
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

START_TEST(known_host_is_reached_while_no_name_server_answers)
{
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 0);
	point_at_name("http", "registry.corp");
	http.timeout_ms = 1000;
	assert_body("[\"10.0.0.1:80\"]");
	if (_i == 0)
		fake_dns_set_silent(dns, 255);
	else
		fake_dns_set_rcode(dns, 2);
	for (int i = 0; i < 3; i++)
		assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_registry_connections(registry), 1);
	fetcher_destroy(fetcher); /* as a reload does */
	ck_assert_int_eq(fetcher_create(loop, resolver, &fetcher), 0);
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

START_TEST(moved_registry_is_followed_though_the_old_one_keeps_the_connection)
{
	struct fake_registry *moved = fake_registry_start(&(struct fake_registry_options){
		.address = "127.0.0.2", .port = fake_registry_port(registry) });

	fake_registry_body(moved, "[\"new\"]");
	fake_registry_body(registry, "[\"old\"]");
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	point_at_name("http", "registry.corp");
	assert_body("[\"old\"]");
	fake_dns_remove(dns, "registry.corp");
	fake_dns_add(dns, "registry.corp", "127.0.0.2", 30);
	for (int i = 0; i < 3; i++)
		assert_body("[\"new\"]");
	run_loop(2100);
	for (int i = 0; i < 3; i++)
		assert_body("[\"new\"]");
	ck_assert_uint_eq(fake_registry_requests(registry), 1);
	ck_assert_uint_le(fake_registry_connections(moved), 4); /* and the last three shared one */
	fake_registry_stop(moved);
}
END_TEST

/* --- connections --- */

static const char *const reusable[] = { "127.0.0.1", "localhost", "registry.corp" };

START_TEST(connection_is_kept_from_poll_to_poll)
{
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	point_at_name("http", reusable[_i]);
	for (int i = 0; i < 5; i++)
		assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_registry_connections(registry), 1);
}
END_TEST

START_TEST(connection_closed_between_polls_is_opened_again)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[]", .close = true });
	for (int i = 0; i < 5; i++)
		assert_body("[]");
	ck_assert_uint_eq(fake_registry_connections(registry), 5);
}
END_TEST

static const char *const bodies[] = { NULL, "{\"a\":1}" };

/* The first request uses a new connection, the second finds it closed under its hands. */
START_TEST(kept_connection_that_closes_is_no_failure)
{
	request.body = bodies[_i % 2];
	fake_registry_answer(registry,
			     &(struct fake_answer){ .body = "[]", .hang_up_kept = true, .reset = _i >= 2 });
	for (unsigned n = 1; n <= 4; n++) {
		assert_body("[]");
		ck_assert_uint_eq(fake_registry_connections(registry), n);
		ck_assert_uint_eq(fake_registry_requests(registry), 2 * n - 1);
	}
	if (request.body != NULL) {
		char *posted = fake_registry_last_body(registry);

		ck_assert_str_eq(posted, request.body);
		free(posted);
	}
}
END_TEST

START_TEST(new_connection_that_closes_is_not_tried_again)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang_up = true });
	for (unsigned n = 1; n <= 3; n++) {
		assert_error(-ECONNRESET, "connection closed without an answer");
		ck_assert_uint_eq(fake_registry_requests(registry), n);
	}
}
END_TEST

START_TEST(polls_keep_their_connection_beside_a_hundred_held_requests)
{
	enum { HELD = 100 };
	struct fetch *held[HELD];

	fake_registry_answer_at(registry, "/held", &(struct fake_answer){ .open = true });
	request.path = "/held";
	request.held = true;
	request.timeout_ms = 60000;
	snprintf(url, sizeof(url), "%s", fake_registry_url(registry));
	for (int i = 0; i < HELD; i++)
		held[i] = start(&got[1 + i]);
	for (int i = 0; i < 1000 && fake_registry_requests(registry) < HELD; i++)
		run_loop(5);
	ck_assert_uint_eq(fake_registry_connections(registry), HELD);

	request.path = NULL;
	request.timeout_ms = 0;
	for (int i = 0; i < 5; i++)
		assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_registry_connections(registry), HELD + 1);
	for (int i = 0; i < HELD; i++) {
		ck_assert_uint_eq(got[1 + i].calls, 0);
		fetch_cancel(held[i]);
	}
}
END_TEST

/* The descriptor of our side of the connection to the registry. */
static int find_connection(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);

		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
		    ntohs(peer.sin_port) == fake_registry_port(registry))
			return fd;
	}
	ck_abort_msg("no connection");
	return -1;
}

static const struct {
	int level, option, value;
} socket_options[] = {
	{ SOL_SOCKET, SO_KEEPALIVE, 1 },          { IPPROTO_TCP, TCP_KEEPIDLE, 15 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 5 },        { IPPROTO_TCP, TCP_KEEPCNT, 3 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 30000 },
};

START_TEST(dead_peer_is_found_by_the_kernel)
{
	int value = 0;
	socklen_t len = sizeof(value);

	assert_body("[\"10.0.0.1:80\"]");
	ck_assert_int_eq(getsockopt(find_connection(), socket_options[_i].level, socket_options[_i].option,
				    &value, &len),
			 0);
	ck_assert_int_eq(value, socket_options[_i].value);
}
END_TEST

START_TEST(silent_host_is_given_up_early_by_a_held_request)
{
	int fds[4];

	fake_registry_stop(registry);
	registry = NULL;
	const uint16_t port = harness_free_port();
	make_black_hole("127.0.0.1", port, fds);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	http.timeout_ms = 300;
	request.timeout_ms = 60000;
	assert_error(-ETIMEDOUT, "not connected within 300 ms");
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}
END_TEST

START_TEST(handshake_belongs_to_the_connection)
{
	http.timeout_ms = 300;
	request.timeout_ms = 60000;
	point_at_name("https", "127.0.0.1"); /* where plain HTTP is spoken, and a request waited for */
	assert_error(-ETIMEDOUT, "not connected within 300 ms");
}
END_TEST

START_TEST(many_requests_run_side_by_side)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "[]", .drip_ms = 1 });
	for (int i = 0; i < PARALLEL; i++)
		start(&got[i]);
	for (int i = 0; i < PARALLEL; i++) {
		ck_assert(wait_for(&got[i]));
		ck_assert_str_eq(got[i].body, "[]");
	}
}
END_TEST

START_TEST(unix_socket_is_used_instead_of_the_host)
{
	restart_registry(&(struct fake_registry_options){ .unix_path = path_of(path_a, "socket") });
	http.unix_socket = path_a;
	point_at("http://any.name");
	assert_body("[\"10.0.0.1:80\"]");
	assert_head_has("\r\nHost: any.name\r\n", true);
	ck_assert_uint_eq(fake_dns_queries(dns), 0);
}
END_TEST

START_TEST(missing_unix_socket_is_told)
{
	char text[1024];

	http.unix_socket = path_of(path_a, "nowhere");
	snprintf(text, sizeof(text), "%s: no such file or directory", path_a);
	assert_error(-ENOENT, text);
}
END_TEST

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

/* --- TLS --- */

/* A registry with a certificate for registry.corp and 127.0.0.1, and no other authority to trust. */
static void set_up_tls(void)
{
	set_up();
	fake_certificate(dir, "server", "DNS:registry.corp,IP:127.0.0.1", 30);
	fake_certificate(dir, "other", "DNS:registry.corp,IP:127.0.0.1", 30);
	restart_registry(&(struct fake_registry_options){ .certificate = path_of(path_a, "server") });
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	fake_dns_add(dns, "wrong.corp", "127.0.0.1", 30);
	http.ca_file = path_of(path_b, "server.pem");
}

START_TEST(certificate_of_the_given_authority_is_accepted)
{
	assert_body("[\"10.0.0.1:80\"]");
	point_at_name("https", "registry.corp");
	assert_body("[\"10.0.0.1:80\"]");
	assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_registry_connections(registry), 2);
}
END_TEST

static void assert_not_accepted(const char *why)
{
	ck_assert_int_eq(get()->error, -EPROTO);
	ck_assert_msg(strncmp(got[0].error_text, "certificate not accepted: ", 26) == 0, "%s",
		      got[0].error_text);
	ck_assert_msg(strstr(got[0].error_text, why) != NULL, "%s", got[0].error_text);
	ck_assert_uint_eq(fake_registry_requests(registry), 0);
}

static char *read_pem(const char *name)
{
	char path[512], *text = calloc(1, 65536);
	FILE *file = fopen(path_of(path, name), "r");

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(text, 1, 65535, file), 0);
	fclose(file);
	return text;
}

START_TEST(certificate_of_another_authority_is_refused)
{
	http.ca_file = path_of(path_b, "other.pem");
	assert_not_accepted("self-signed certificate");
	http.ca_file = NULL;
	assert_not_accepted("self-signed certificate");
}
END_TEST

START_TEST(replaced_authority_file_is_read_again)
{
	char *pem;

	http.ca_file = path_of(path_b, "authorities.pem");
	pem = read_pem("server.pem");
	harness_replace_file(dir, "authorities.pem", pem);
	free(pem);
	assert_body("[\"10.0.0.1:80\"]");

	fake_certificate(dir, "next", "IP:127.0.0.1", 30);
	restart_registry(&(struct fake_registry_options){ .certificate = path_of(path_a, "next") });
	pem = read_pem("next.pem");
	harness_replace_file(dir, "authorities.pem", pem);
	free(pem);
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

START_TEST(certificate_for_another_name_is_refused)
{
	point_at_name("https", "wrong.corp");
	assert_not_accepted("wrong.corp");
}
END_TEST

START_TEST(expired_certificate_is_refused)
{
	fake_certificate(dir, "old", "IP:127.0.0.1", -1);
	restart_registry(&(struct fake_registry_options){ .certificate = path_of(path_a, "old") });
	http.ca_file = path_of(path_b, "old.pem");
	assert_not_accepted("certificate has expired");
}
END_TEST

START_TEST(authority_file_that_is_missing_is_told)
{
	http.ca_file = path_of(path_b, "nowhere.pem");
	ck_assert_int_lt(get()->error, 0);
	ck_assert_msg(strstr(got[0].error_text, "nowhere.pem") != NULL, "%s", got[0].error_text);
}
END_TEST

START_TEST(client_certificate_is_shown_when_configured)
{
	fake_certificate(dir, "client", "DNS:sidecar.corp", 30);
	restart_registry(&(struct fake_registry_options){ .certificate = path_of(path_a, "server"),
							  .client = path_of(path_c, "client") });
	ck_assert_int_lt(get()->error, 0);
	ck_assert_uint_eq(fake_registry_requests(registry), 0);

	char key[512], certificate[512];
	http.cert_file = path_of(certificate, "client.pem");
	http.key_file = path_of(key, "server.key");
	ck_assert_int_lt(get()->error, 0);
	http.key_file = path_of(key, "client.key");
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

START_TEST(large_body_and_gzip_come_over_tls_too)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "0123456789", .repeat = 100000 });
	ck_assert_int_eq(get()->error, 0);
	ck_assert_uint_eq(got[0].len, 1000000);
	fake_registry_answer(registry,
			     &(struct fake_answer){ .body = "0123456789", .repeat = 100000, .gzip = true });
	ck_assert_int_eq(get()->error, 0);
	ck_assert_uint_eq(got[0].len, 1000000);
}
END_TEST

START_TEST(plain_http_at_a_tls_port_is_an_error_and_not_a_hang)
{
	http.timeout_ms = 2000;
	point_at_name("http", "127.0.0.1");
	ck_assert_int_lt(get()->error, 0);
	restart_registry(&(struct fake_registry_options){ 0 });
	point_at_name("https", "127.0.0.1");
	ck_assert_int_lt(get()->error, 0);
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

static TCase *connections(void)
{
	TCase *t = tcase_create("connections");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 20);
	ADD_VECTORS(t, host_name_is_looked_up_at_the_bootstrap_server, spellings);
	ADD_VECTORS(t, literals_and_localhost_are_not_looked_up, here);
	tcase_add_test(t, ipv6_literal_is_reached);
	tcase_add_test(t, dead_addresses_are_passed_over);
	tcase_add_test(t, silent_address_leaves_time_for_the_next);
	tcase_add_test(t, name_that_does_not_exist_is_told);
	tcase_add_loop_test(t, known_host_is_reached_while_no_name_server_answers, 0, 2);
	tcase_add_test(t, moved_registry_is_followed_though_the_old_one_keeps_the_connection);
	ADD_VECTORS(t, connection_is_kept_from_poll_to_poll, reusable);
	tcase_add_test(t, connection_closed_between_polls_is_opened_again);
	tcase_add_loop_test(t, kept_connection_that_closes_is_no_failure, 0, 4);
	tcase_add_test(t, new_connection_that_closes_is_not_tried_again);
	tcase_add_test(t, polls_keep_their_connection_beside_a_hundred_held_requests);
	ADD_VECTORS(t, dead_peer_is_found_by_the_kernel, socket_options);
	tcase_add_test(t, silent_host_is_given_up_early_by_a_held_request);
	tcase_add_test(t, handshake_belongs_to_the_connection);
	tcase_add_test(t, many_requests_run_side_by_side);
	tcase_add_test(t, unix_socket_is_used_instead_of_the_host);
	tcase_add_test(t, missing_unix_socket_is_told);
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

static TCase *tls(void)
{
	TCase *t = tcase_create("tls");

	tcase_add_checked_fixture(t, set_up_tls, tear_down);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, certificate_of_the_given_authority_is_accepted);
	tcase_add_test(t, certificate_of_another_authority_is_refused);
	tcase_add_test(t, replaced_authority_file_is_read_again);
	tcase_add_test(t, certificate_for_another_name_is_refused);
	tcase_add_test(t, expired_certificate_is_refused);
	tcase_add_test(t, authority_file_that_is_missing_is_told);
	tcase_add_test(t, client_certificate_is_shown_when_configured);
	tcase_add_test(t, large_body_and_gzip_come_over_tls_too);
	tcase_add_test(t, plain_http_at_a_tls_port_is_an_error_and_not_a_hang);
	return t;
}

int main(void)
{
	Suite *suite = suite_create("fetch");

	suite_add_tcase(suite, answers());
	suite_add_tcase(suite, misbehaviour());
	suite_add_tcase(suite, requests());
	suite_add_tcase(suite, connections());
	suite_add_tcase(suite, ends());
	suite_add_tcase(suite, tls());
	return harness_run(suite);
}
