/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "fake_registry.h"
#include "feed/fetch.h"
#include "feed/resolve.h"
#include "harness.h"

enum { LIMIT_MS = 8000, STREAMS = 4, PER_TURN = 32 };

static struct event_base *loop;
static struct resolver *resolver;
static struct fetcher *fetcher;
static struct fake_registry *registry;
static char *dir;

static struct http_options http;
static struct fetch_request request;
static char name[600], certificate[600];

/* What was heard of one stream. */
struct heard {
	struct fetch *fetch; /* NULL after the end */
	unsigned openings, objects, ends;
	size_t len; /* of all objects */
	char text[2000];
	int error, status;
	char error_text[512], body[200], index[100];
	uint64_t pause_ms;
	unsigned cancel_at;  /* when that many objects have come */
	unsigned destroy_at; /* the fetcher */
	struct heard *other; /* to cancel with the first object */
};

static struct heard heard[STREAMS];

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from != NULL ? from : "-");
}

/* Every assertion costs a system call, and there are many objects. */
static void require(bool holds, const char *what)
{
	if (!holds)
		ck_abort_msg("%s", what);
}

static void require_whole(const struct fetch_result *result)
{
	require(strcmp(result->name, name) == 0, "name");
	require(strlen(result->body) == result->len, "length of the body");
	require((result->error != 0) == (result->error_text != NULL), "error and its text");
}

static void hear_object(struct heard *h, const struct fetch_result *result)
{
	const size_t used = strlen(h->text);

	require(result->status == 200 && result->error == 0, "status");
	require(strcmp(result->content_type, "application/json") == 0, "content type");
	if (result->len == 0) {
		require(h->objects == 0, "opened after an object");
		h->openings++;
		return;
	}
	h->objects++;
	h->len += result->len;
	if (used + result->len + 2 < sizeof(h->text))
		snprintf(h->text + used, sizeof(h->text) - used, "%s|", result->body);
}

static void hear_end(struct heard *h, const struct fetch_result *result)
{
	h->ends++;
	h->fetch = NULL;
	h->error = result->error;
	h->status = result->status;
	copy(h->error_text, sizeof(h->error_text), result->error_text);
	copy(h->body, sizeof(h->body), result->body);
}

static void on_heard(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	struct heard *h = context;

	require(h->fetch != NULL && h->ends == 0, "told after the end");
	require_whole(result);
	h->pause_ms = pause_ms;
	copy(h->index, sizeof(h->index), fetch_result_header(result, "X-Index"));
	if (result->last)
		hear_end(h, result);
	else
		hear_object(h, result);
	if (h->other != NULL && h->objects == 1) {
		fetch_cancel(h->other->fetch);
		h->other->fetch = NULL;
	}
	if (h->cancel_at > 0 && h->objects == h->cancel_at) {
		fetch_cancel(h->fetch);
		h->fetch = NULL;
	}
	if (h->destroy_at > 0 && h->objects == h->destroy_at) {
		fetcher_destroy(fetcher);
		fetcher = NULL;
		h->fetch = NULL;
	}
	require_whole(result); /* it is still there */
}

static void run_loop(uint64_t ms)
{
	const uint64_t end = clock_ms() + ms;

	do {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 5000 });
		event_base_loop(loop, EVLOOP_ONCE);
	} while (clock_ms() < end);
}

static struct heard *start(struct heard *h)
{
	snprintf(name, sizeof(name), "%s/v3/watch", fake_registry_url(registry));
	ck_assert_int_eq(fetcher_start(fetcher, &request, on_heard, h, &h->fetch), 0);
	return h;
}

static bool wait_for_objects(const struct heard *h, unsigned n)
{
	const uint64_t end = clock_ms() + LIMIT_MS;

	while (h->objects < n && h->ends == 0 && clock_ms() < end)
		run_loop(0);
	return h->objects == n;
}

static bool wait_for_end(const struct heard *h)
{
	const uint64_t end = clock_ms() + LIMIT_MS;

	while (h->ends == 0 && clock_ms() < end)
		run_loop(0);
	return h->ends == 1;
}

static void assert_end(int error, const char *text)
{
	ck_assert_msg(wait_for_end(&heard[0]), "no end");
	ck_assert_str_eq(heard[0].error_text, text);
	ck_assert_int_eq(heard[0].error, error);
	ck_assert_str_eq(heard[0].body, "");
	run_loop(20);
}

static void assert_good_end(void)
{
	assert_end(0, "-");
	ck_assert_int_eq(heard[0].status, 200);
}

static void set_up(void)
{
	loop = event_base_new();
	dir = harness_make_dir();
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	fake_registry_answer(registry, &(struct fake_answer){ .open = true });
	ck_assert_int_eq(resolver_create(loop, NULL, 0, NULL, NULL, &resolver), 0);
	ck_assert_int_eq(fetcher_create(loop, resolver, &fetcher), 0);
	memset(heard, 0, sizeof(heard));
	http = (struct http_options){ .url = fake_registry_url(registry),
				      .timeout_ms = 2000,
				      .max_size = 4 << 20 };
	request = (struct fetch_request){
		.source = FETCH_STREAM, .http = &http, .path = "/v3/watch", .timeout_ms = 60000
	};
}

static void tear_down(void)
{
	fetcher_destroy(fetcher);
	resolver_destroy(resolver);
	fake_registry_stop(registry);
	event_base_free(loop);
	harness_remove_dir(dir);
}

static void use_tls(void)
{
	fake_certificate(dir, "server", "IP:127.0.0.1", 30);
	snprintf(certificate, sizeof(certificate), "%s/server", dir);
	fake_registry_stop(registry);
	registry = fake_registry_start(&(struct fake_registry_options){ .certificate = certificate });
	fake_registry_answer(registry, &(struct fake_answer){ .open = true });
	strcat(certificate, ".pem");
	http.ca_file = certificate;
	http.url = fake_registry_url(registry);
}

/* --- objects --- */

START_TEST(each_object_is_a_result_when_it_comes)
{
	if (_i == 1)
		use_tls();
	start(&heard[0]);
	fake_registry_send(registry, NULL, "{\"a\":1}\n");
	ck_assert(wait_for_objects(&heard[0], 1));
	ck_assert_str_eq(heard[0].text, "{\"a\":1}|");
	fake_registry_send(registry, NULL, "{\"b\":2}{\"c\":");
	ck_assert(wait_for_objects(&heard[0], 2));
	fake_registry_send(registry, NULL, "\"}\"");
	run_loop(30);
	ck_assert_uint_eq(heard[0].objects, 2);
	fake_registry_send(registry, NULL, "}");
	ck_assert(wait_for_objects(&heard[0], 3));
	ck_assert_str_eq(heard[0].text, "{\"a\":1}|{\"b\":2}|{\"c\":\"}\"}|");
	fake_registry_end(registry, NULL, false);
	assert_good_end();
}
END_TEST

START_TEST(open_stream_is_told_once_with_its_headers)
{
	static const char *const wanted[] = { "X-Index", NULL };
	const uint64_t end = clock_ms() + LIMIT_MS;

	request.wanted = wanted;
	fake_registry_answer(registry, &(struct fake_answer){ .open = true, .headers = "X-Index: 7\r\n" });
	start(&heard[0]);
	while (heard[0].openings == 0 && clock_ms() < end)
		run_loop(0);
	ck_assert_str_eq(heard[0].index, "7");
	fake_registry_send(registry, NULL, "\n");
	run_loop(30);
	fake_registry_send(registry, NULL, "{}");
	ck_assert(wait_for_objects(&heard[0], 1));
	fake_registry_end(registry, NULL, false);
	assert_good_end();
	ck_assert_uint_eq(heard[0].openings, 1);
}
END_TEST

START_TEST(interim_answer_opens_nothing)
{
	fake_registry_answer(registry,
			     &(struct fake_answer){ .raw = "HTTP/1.1 103 Early Hints\r\nX-Index: 1\r\n\r\n"
							   "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n"
							   "\r\n{}" });
	start(&heard[0]);
	ck_assert(wait_for_end(&heard[0]));
	ck_assert_int_eq(heard[0].status, 404);
	ck_assert_str_eq(heard[0].body, "{}");
	ck_assert_uint_eq(heard[0].openings + heard[0].objects, 0);
}
END_TEST

START_TEST(stream_may_come_octet_by_octet)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "{\"a\":[1,2]} {\"b\":\"\\\"}\"}",
							      .drip_ms = 1,
							      .chunked = _i == 1 });
	start(&heard[0]);
	assert_good_end();
	ck_assert_str_eq(heard[0].text, "{\"a\":[1,2]}|{\"b\":\"\\\"}\"}|");
}
END_TEST

START_TEST(stream_without_objects_ends_well)
{
	start(&heard[0]);
	fake_registry_send(registry, NULL, "\n\n");
	fake_registry_end(registry, NULL, false);
	assert_good_end();
	ck_assert_uint_eq(heard[0].objects, 0);
}
END_TEST

START_TEST(stream_is_asked_for_without_gzip)
{
	request.body = "{\"create_request\":{}}";
	start(&heard[0]);
	fake_registry_end(registry, NULL, false);
	assert_good_end();
	char *head = fake_registry_last_head(registry), *body = fake_registry_last_body(registry);
	ck_assert_ptr_nonnull(strstr(head, "POST /v3/watch HTTP/1.1\r\n"));
	ck_assert_ptr_null(strcasestr(head, "accept-encoding"));
	ck_assert_ptr_null(strcasestr(head, "expect"));
	ck_assert_str_eq(body, "{\"create_request\":{}}");
	free(head);
	free(body);
}
END_TEST

START_TEST(headers_are_told_with_each_result)
{
	static const char *const wanted[] = { "x-index", NULL };

	request.wanted = wanted;
	fake_registry_answer(registry, &(struct fake_answer){ .open = true, .headers = "X-Index: 7\r\n" });
	start(&heard[0]);
	for (unsigned n = 1; n <= 2; n++) {
		fake_registry_send(registry, NULL, "{}");
		ck_assert(wait_for_objects(&heard[0], n));
		ck_assert_str_eq(heard[0].index, "7");
		heard[0].index[0] = '\0';
	}
	fake_registry_end(registry, NULL, false);
	assert_good_end();
	ck_assert_str_eq(heard[0].index, "7");
}
END_TEST

START_TEST(large_object_comes_whole)
{
	char *object = malloc(3000001);

	memset(object, 'x', 3000000);
	memcpy(object, "{\"a\":\"", 6);
	strcpy(object + 2999998, "\"}");
	start(&heard[0]);
	for (unsigned n = 1; n <= 3; n++) {
		fake_registry_send(registry, NULL, object);
		ck_assert(wait_for_objects(&heard[0], n));
		ck_assert_uint_eq(heard[0].len, n * 3000000);
	}
	free(object);
}
END_TEST

/* --- what is no stream --- */

static const int statuses[] = { 201, 204, 301, 400, 401, 403, 404, 410, 429, 500, 503 };

START_TEST(other_status_is_one_answer)
{
	const char *body = statuses[_i] == 204 ? "" : "{\"code\":5}{}";

	fake_registry_answer(registry, &(struct fake_answer){ .status = statuses[_i],
							      .body = body,
							      .headers = "Retry-After: 7\r\n",
							      .chunked = statuses[_i] != 204 });
	start(&heard[0]);
	ck_assert(wait_for_end(&heard[0]));
	ck_assert_int_eq(heard[0].error, 0);
	ck_assert_int_eq(heard[0].status, statuses[_i]);
	ck_assert_str_eq(heard[0].body, body);
	ck_assert_uint_eq(heard[0].openings + heard[0].objects, 0);
	ck_assert_uint_eq(heard[0].pause_ms, statuses[_i] == 429 || statuses[_i] == 503 ? 7000 : 0);
}
END_TEST

START_TEST(other_status_has_the_limits_of_an_answer)
{
	request.max_size = 10;
	fake_registry_answer(registry, &(struct fake_answer){ .status = 500, .body = "12345678901" });
	start(&heard[0]);
	assert_end(-EFBIG, "body larger than 10 octets");
	memset(heard, 0, sizeof(heard));
	request.timeout_ms = 200;
	fake_registry_answer(registry, &(struct fake_answer){ .status = 500, .body = "1", .open = true });
	start(&heard[0]);
	assert_end(-ETIMEDOUT, "timed out after 200 ms");
}
END_TEST

static const char *const junk[] = { "<html>log in</html>", "[{}]", "null", "}", "\x1f\x8b\x08" };

START_TEST(what_is_no_stream_of_objects_is_an_error)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = junk[_i] });
	start(&heard[0]);
	assert_end(-EBADMSG, "not a stream of JSON objects");
	ck_assert_uint_eq(heard[0].objects, 0);
}
END_TEST

START_TEST(objects_before_junk_are_told_first)
{
	start(&heard[0]);
	fake_registry_send(registry, NULL, "{\"a\":1}{\"b\":2}junk{}");
	assert_end(-EBADMSG, "not a stream of JSON objects");
	ck_assert_str_eq(heard[0].text, "{\"a\":1}|{\"b\":2}|");
}
END_TEST

START_TEST(object_has_a_limit)
{
	request.max_size = 10;
	start(&heard[0]);
	fake_registry_send(registry, NULL, "{\"a\":1234}{\"a\":12345}{}");
	assert_end(-EFBIG, "object larger than 10 octets");
	ck_assert_str_eq(heard[0].text, "{\"a\":1234}|");
}
END_TEST

START_TEST(object_without_an_end_is_given_up_at_the_limit)
{
	request.max_size = 65536;
	fake_registry_answer(registry,
			     &(struct fake_answer){
				     .body = "{\"a\":[", .repeat = 1000, .endless = true, .chunked = true });
	start(&heard[0]);
	assert_end(-EFBIG, "object larger than 65536 octets");
	ck_assert_uint_lt(fake_registry_sent(registry), 32 << 20);
}
END_TEST

/* --- ends --- */

static const struct {
	const char *octets;
	bool close, cut, reset;
	int error;
	const char *text, *objects;
} ends[] = {
	{ "{}", false, false, false, 0, "-", "{}|" },
	{ "{}\n", true, false, false, 0, "-", "{}|" },
	{ "{}{\"a\":", false, false, false, -EPIPE, "cut off inside an object", "{}|" },
	{ "{}{\"a\":", true, false, false, -EPIPE, "cut off inside an object", "{}|" },
	{ "{}{\"a\":", false, true, false, -EPIPE, "cut off inside an object", "{}|" },
	{ "{}\n", false, true, false, -EPIPE, "body cut off", "{}|" },
};

START_TEST(end_is_told_as_what_it_is)
{
	fake_registry_answer(registry, &(struct fake_answer){ .open = true, .close = ends[_i].close });
	start(&heard[0]);
	fake_registry_send(registry, NULL, ends[_i].octets);
	fake_registry_end(registry, NULL, ends[_i].cut);
	assert_end(ends[_i].error, ends[_i].text);
	ck_assert_str_eq(heard[0].text, ends[_i].objects);
}
END_TEST

START_TEST(reset_is_an_error)
{
	fake_registry_answer(registry, &(struct fake_answer){ .open = true, .reset = true });
	start(&heard[0]);
	fake_registry_send(registry, NULL, "{}");
	ck_assert(wait_for_objects(&heard[0], 1));
	fake_registry_end(registry, NULL, true);
	ck_assert(wait_for_end(&heard[0]));
	ck_assert_int_lt(heard[0].error, 0);
}
END_TEST

START_TEST(kept_connection_that_closes_is_no_failure)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "{}", .hang_up_kept = true });
	for (unsigned n = 1; n <= 3; n++) {
		memset(heard, 0, sizeof(heard));
		start(&heard[0]);
		assert_good_end();
		ck_assert_uint_eq(heard[0].objects, 1);
		ck_assert_uint_eq(fake_registry_connections(registry), n);
	}
}
END_TEST

/* --- limits --- */

START_TEST(silence_has_a_limit)
{
	request.silence_ms = 200;
	request.first_ms = 5000;
	start(&heard[0]);
	fake_registry_send(registry, NULL, "{}");
	ck_assert(wait_for_objects(&heard[0], 1));
	for (int i = 0; i < 8; i++) { /* space is a sign of life, too */
		fake_registry_send(registry, NULL, "\n");
		run_loop(50);
	}
	ck_assert_uint_eq(heard[0].ends, 0);
	assert_end(-ETIMEDOUT, "silent for 200 ms");
}
END_TEST

START_TEST(silence_inside_an_object_is_silence)
{
	request.silence_ms = 200;
	start(&heard[0]);
	fake_registry_send(registry, NULL, "{\"a\":");
	assert_end(-ETIMEDOUT, "silent for 200 ms");
}
END_TEST

static const struct {
	uint64_t first_ms, silence_ms;
	const char *text;
} firsts[] = {
	{ 200, 60000, "no answer within 200 ms" },
	{ 200, 0, "no answer within 200 ms" },
	{ 0, 200, "no answer within 200 ms" },
};

START_TEST(first_octet_has_a_limit_of_its_own)
{
	request.first_ms = firsts[_i].first_ms;
	request.silence_ms = firsts[_i].silence_ms;
	start(&heard[0]);
	assert_end(-ETIMEDOUT, firsts[_i].text);
	memset(heard, 0, sizeof(heard));
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	start(&heard[0]);
	assert_end(-ETIMEDOUT, firsts[_i].text);
}
END_TEST

START_TEST(life_that_ends_as_planned_is_no_failure)
{
	request.timeout_ms = 200;
	request.silence_ms = _i == 0 ? 0 : 5000;
	start(&heard[0]);
	fake_registry_send(registry, NULL, "{}");
	assert_good_end();
	ck_assert_uint_eq(heard[0].objects, 1);
	memset(heard, 0, sizeof(heard)); /* one that has nothing to say, but has begun */
	fake_registry_answer(registry, &(struct fake_answer){ .open = true });
	start(&heard[0]);
	assert_good_end();
}
END_TEST

START_TEST(life_that_ends_before_the_answer_is_a_failure)
{
	request.timeout_ms = 200;
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	start(&heard[0]);
	assert_end(-ETIMEDOUT, "timed out after 200 ms");
}
END_TEST

START_TEST(closed_port_is_connection_refused)
{
	fake_registry_stop(registry);
	registry = NULL;
	snprintf(name, sizeof(name), "http://127.0.0.1:%u", harness_free_port());
	http.url = name;
	request.path = NULL;
	ck_assert_int_eq(fetcher_start(fetcher, &request, on_heard, &heard[0], &heard[0].fetch), 0);
	assert_end(-ECONNREFUSED, "connection refused");
}
END_TEST

/* --- floods --- */

static const struct fake_answer flood = {
	.body = "{\"a\":1}\n", .repeat = 10000, .endless = true, .chunked = true
};

/* Turns the loop once, and tells how many objects came. */
static unsigned turn(struct heard *h)
{
	const unsigned before = h->objects;

	event_base_loop(loop, EVLOOP_ONCE);
	return h->objects - before;
}

START_TEST(flood_of_small_objects_leaves_turns_to_others)
{
	const uint64_t end = clock_ms() + LIMIT_MS;

	if (_i == 1)
		use_tls();
	fake_registry_answer(registry, &flood);
	start(&heard[0]);
	while (heard[0].objects < 2000 && clock_ms() < end)
		require(turn(&heard[0]) <= PER_TURN, "objects in one turn");
	ck_assert_uint_ge(heard[0].objects, 2000);

	fake_registry_answer_at(registry, "/v3/watch", &(struct fake_answer){ .status = 404 });
	start(&heard[1]);
	while (heard[1].ends == 0 && clock_ms() < end)
		require(turn(&heard[0]) <= PER_TURN, "objects in one turn");
	ck_assert_int_eq(heard[1].status, 404);
}
END_TEST

START_TEST(two_floods_are_told_in_turn)
{
	const uint64_t end = clock_ms() + LIMIT_MS;

	fake_registry_answer(registry, &flood);
	start(&heard[0]);
	start(&heard[1]);
	while ((heard[0].objects == 0 || heard[1].objects == 0) && clock_ms() < end)
		turn(&heard[0]);
	heard[0].objects = heard[1].objects = 0;
	while (heard[0].objects + heard[1].objects < 40000 && clock_ms() < end)
		turn(&heard[0]);
	ck_assert_uint_gt(heard[0].objects, 5000);
	ck_assert_uint_gt(heard[1].objects, 5000);
}
END_TEST

/* What is sent beyond what was told lies in the buffers of two sockets, and the least part of it here. */
START_TEST(server_is_slowed_down_to_what_is_taken)
{
	const uint64_t end = clock_ms() + 2 * LIMIT_MS;

	if (_i == 1)
		use_tls();
	fake_registry_answer(registry, &flood);
	start(&heard[0]);
	while (heard[0].objects < 60000 && clock_ms() < end)
		turn(&heard[0]);
	ck_assert_uint_ge(heard[0].objects, 60000);
	ck_assert_uint_lt(fake_registry_sent(registry), 2 * heard[0].objects * 8 + (12 << 20));
}
END_TEST

static const struct {
	bool tls, close, cut;
	int error;
	const char *text;
} bursts[] = {
	{ false, false, false, 0, "-" },
	{ false, true, false, 0, "-" },
	{ false, false, true, -EPIPE, "body cut off" },
	{ true, false, false, 0, "-" },
	{ true, false, true, -EPIPE, "body cut off" },
};

START_TEST(nothing_of_a_burst_before_the_end_is_lost)
{
	enum { N = 20000, LEN = 60 };
	char *octets = malloc(N * LEN + 1);

	if (bursts[_i].tls)
		use_tls();
	for (int i = 0; i < N; i++)
		sprintf(octets + i * LEN, "{\"n\":%053d}\n", i);
	fake_registry_answer(registry, &(struct fake_answer){ .open = true, .close = bursts[_i].close });
	fake_registry_send(registry, NULL, octets);
	free(octets);
	fake_registry_end(registry, NULL, bursts[_i].cut);
	request.silence_ms = 1000;
	start(&heard[0]);
	assert_end(bursts[_i].error, bursts[_i].text);
	ck_assert_uint_eq(heard[0].objects, N);
	ck_assert_uint_eq(heard[0].len, N * (LEN - 1));
}
END_TEST

/* The reader is slower than the limit of the server, and what waits for it is soon taken. */
START_TEST(slow_reader_does_not_find_the_server_silent)
{
	const struct timespec pause = { .tv_nsec = 150000000 };
	char object[2001];

	snprintf(object, sizeof(object), "{\"a\":\"%01990d\"}", 0);
	request.silence_ms = 100;
	fake_registry_answer(registry,
			     &(struct fake_answer){ .body = object, .endless = true, .chunked = true });
	start(&heard[0]);
	ck_assert(wait_for_objects(&heard[0], 1) || heard[0].objects > 1);
	for (int i = 0; i < 10; i++) {
		turn(&heard[0]);
		nanosleep(&pause, NULL);
	}
	ck_assert_uint_eq(heard[0].ends, 0);
	ck_assert_uint_gt(heard[0].objects, 3 * PER_TURN);
}
END_TEST

/* --- cancelling --- */

START_TEST(cancelled_stream_is_not_told_any_more)
{
	start(&heard[0])->cancel_at = 3;
	fake_registry_send(registry, NULL, "{\"a\":1}{\"b\":2}{\"c\":3}{\"d\":4}{\"e\":5}");
	if (_i == 1)
		fake_registry_end(registry, NULL, false);
	ck_assert(wait_for_objects(&heard[0], 3));
	run_loop(50);
	ck_assert_str_eq(heard[0].text, "{\"a\":1}|{\"b\":2}|{\"c\":3}|");
	ck_assert_uint_eq(heard[0].ends, 0);
}
END_TEST

START_TEST(paused_stream_can_be_cancelled)
{
	fake_registry_answer(registry, &flood);
	start(&heard[0])->cancel_at = 1000;
	ck_assert(wait_for_objects(&heard[0], 1000));
	run_loop(50);
	ck_assert_uint_eq(heard[0].objects, 1000);
	ck_assert_uint_eq(heard[0].ends, 0);
}
END_TEST

START_TEST(stream_with_waiting_objects_can_be_cancelled_by_another)
{
	fake_registry_send(registry, NULL, "{}{}{}{}");
	fake_registry_end(registry, NULL, false);
	start(&heard[0])->other = &heard[1];
	start(&heard[1])->other = &heard[0];
	run_loop(100);
	ck_assert_uint_eq(heard[0].objects + heard[1].objects, 4); /* the first told cancels the other */
	ck_assert_uint_eq(heard[0].ends + heard[1].ends, 1);
}
END_TEST

static const unsigned moments[] = { 1, 2, 4 };

START_TEST(fetcher_may_be_destroyed_with_any_object)
{
	fake_registry_send(registry, NULL, "{}{}{}{}");
	fake_registry_end(registry, NULL, false);
	start(&heard[1])->cancel_at = 100;
	start(&heard[0])->destroy_at = moments[_i];
	ck_assert(wait_for_objects(&heard[0], moments[_i]));
	run_loop(50);
	ck_assert_uint_eq(heard[0].objects, moments[_i]);
	ck_assert_uint_eq(heard[0].ends, 0);
}
END_TEST

START_TEST(running_streams_end_with_the_fetcher)
{
	fake_registry_answer(registry, &flood);
	for (int i = 0; i < STREAMS; i++)
		start(&heard[i]);
	ck_assert(wait_for_objects(&heard[0], 1) || heard[0].objects > 1);
	fetcher_destroy(fetcher);
	fetcher = NULL;
	run_loop(50);
	for (int i = 0; i < STREAMS; i++)
		ck_assert_uint_eq(heard[i].ends, 0);
}
END_TEST

#define ADD_VECTORS(tcase, test, vectors)                                                                    \
	tcase_add_loop_test(tcase, test, 0, sizeof(vectors) / sizeof((vectors)[0]))

static TCase *make_case(const char *title)
{
	TCase *t = tcase_create(title);

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 30);
	return t;
}

static TCase *objects(void)
{
	TCase *t = make_case("objects");

	tcase_add_loop_test(t, each_object_is_a_result_when_it_comes, 0, 2);
	tcase_add_test(t, open_stream_is_told_once_with_its_headers);
	tcase_add_test(t, interim_answer_opens_nothing);
	tcase_add_loop_test(t, stream_may_come_octet_by_octet, 0, 2);
	tcase_add_test(t, stream_without_objects_ends_well);
	tcase_add_test(t, stream_is_asked_for_without_gzip);
	tcase_add_test(t, headers_are_told_with_each_result);
	tcase_add_test(t, large_object_comes_whole);
	ADD_VECTORS(t, other_status_is_one_answer, statuses);
	tcase_add_test(t, other_status_has_the_limits_of_an_answer);
	ADD_VECTORS(t, what_is_no_stream_of_objects_is_an_error, junk);
	tcase_add_test(t, objects_before_junk_are_told_first);
	tcase_add_test(t, object_has_a_limit);
	tcase_add_test(t, object_without_an_end_is_given_up_at_the_limit);
	return t;
}

static TCase *endings(void)
{
	TCase *t = make_case("ends");

	ADD_VECTORS(t, end_is_told_as_what_it_is, ends);
	tcase_add_test(t, reset_is_an_error);
	tcase_add_test(t, kept_connection_that_closes_is_no_failure);
	tcase_add_test(t, silence_has_a_limit);
	tcase_add_test(t, silence_inside_an_object_is_silence);
	ADD_VECTORS(t, first_octet_has_a_limit_of_its_own, firsts);
	tcase_add_loop_test(t, life_that_ends_as_planned_is_no_failure, 0, 2);
	tcase_add_test(t, life_that_ends_before_the_answer_is_a_failure);
	tcase_add_test(t, closed_port_is_connection_refused);
	return t;
}

static TCase *floods(void)
{
	TCase *t = make_case("floods");

	tcase_add_loop_test(t, flood_of_small_objects_leaves_turns_to_others, 0, 2);
	tcase_add_test(t, two_floods_are_told_in_turn);
	tcase_add_loop_test(t, server_is_slowed_down_to_what_is_taken, 0, 2);
	ADD_VECTORS(t, nothing_of_a_burst_before_the_end_is_lost, bursts);
	tcase_add_test(t, slow_reader_does_not_find_the_server_silent);
	return t;
}

static TCase *cancelling(void)
{
	TCase *t = make_case("cancelling");

	tcase_add_loop_test(t, cancelled_stream_is_not_told_any_more, 0, 2);
	tcase_add_test(t, paused_stream_can_be_cancelled);
	tcase_add_test(t, stream_with_waiting_objects_can_be_cancelled_by_another);
	ADD_VECTORS(t, fetcher_may_be_destroyed_with_any_object, moments);
	tcase_add_test(t, running_streams_end_with_the_fetcher);
	return t;
}

int main(void)
{
	Suite *suite = suite_create("fetch_stream");

	suite_add_tcase(suite, objects());
	suite_add_tcase(suite, endings());
	suite_add_tcase(suite, floods());
	suite_add_tcase(suite, cancelling());
	return harness_run(suite);
}
