/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "kind.h"
#include "registry/registry.h"

static const char body[] = "{\"service\":\"inventory\",\"instances\":[\"10.0.1.1:8080\"]}";

static struct registry_options options;
static struct kind k;
static struct resource *list;
static struct fetch_request request;

static void set_up(void)
{
	options = (struct registry_options){ .kind = "http", .service_label = "service" };
	options.http.url = "http://registry.example/services";
	kind_start(&k, &registry_http, &options, NULL);
	list = kind_find(&k, NULL);
}

static void tear_down(void)
{
	kind_finish(&k);
}

static void ask(void)
{
	request = kind_ask(&k, list);
	ck_assert_int_eq(request.source, FETCH_HTTP);
	ck_assert_ptr_eq(request.http, &options.http);
	ck_assert_ptr_null(request.path);
}

static int answer(int status, const char *etag, const char *last_modified)
{
	const struct fetch_result res = { .name = options.http.url,
					  .status = status,
					  .last = true,
					  .body = status == 200 ? body : "",
					  .len = status == 200 ? sizeof(body) - 1 : 0,
					  .content_type = "application/json",
					  .etag = etag,
					  .last_modified = last_modified };

	return kind_read(&k, list, &res);
}

/* A whole round with a good body. */
static void run(const char *etag, const char *last_modified)
{
	ask();
	ck_assert_int_eq(answer(200, etag, last_modified), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&k, "inventory"), "10.0.1.1:8080");
}

START_TEST(first_request_carries_no_validators)
{
	ask();
	ck_assert_ptr_null(request.etag);
	ck_assert_ptr_null(request.last_modified);
}
END_TEST

static const char *const etags[] = { "\"9f2c-17\"", "W/\"9f2c-17\"", "\"\"", "\"a b\\\"", "unquoted" };

START_TEST(validators_go_back_byte_for_byte)
{
	run(etags[_i], "Mon, 04 May 2026 08:12:31 GMT");
	ask();
	ck_assert_str_eq(request.etag, etags[_i]);
	ck_assert_str_eq(request.last_modified, "Mon, 04 May 2026 08:12:31 GMT");
}
END_TEST

START_TEST(validators_are_those_of_the_last_good_body)
{
	run("\"good\"", NULL);
	ask();
	ck_assert_int_eq(answer(500, "\"other\"", NULL), -EPROTO);
	ask();
	ck_assert_str_eq(request.etag, "\"good\"");
	run(NULL, NULL);
	ask();
	ck_assert_ptr_null(request.etag);
}
END_TEST

START_TEST(validators_of_a_refused_body_are_not_kept)
{
	struct fetch_result res = { .status = 200, .body = "{", .len = 1, .etag = "\"bad\"" };

	ask();
	ck_assert_int_lt(kind_read(&k, list, &res), 0);
	ask();
	ck_assert_ptr_null(request.etag);
}
END_TEST

START_TEST(not_modified_means_unchanged_only_if_we_asked)
{
	ask();
	ck_assert_int_eq(answer(304, "\"x\"", NULL), -EPROTO);
	ck_assert_ptr_nonnull(strstr(k.error, "304"));
	run("\"x\"", NULL);
	for (int round = 0; round < 100; round++) { /* an ETag is never left out */
		ask();
		ck_assert_str_eq(request.etag, "\"x\"");
		ck_assert_int_eq(answer(304, NULL, NULL), STEP_PAUSE);
	}
	ask();
	ck_assert_int_eq(answer(304, "\"y\"", NULL), STEP_PAUSE);
	ask();
	ck_assert_str_eq(request.etag, "\"y\"");
}
END_TEST

START_TEST(every_twentieth_request_trusts_no_date)
{
	unsigned n_full = 0;

	run(NULL, "Mon, 04 May 2026 08:12:31 GMT");
	for (unsigned i = 1; i <= 60; i++) {
		ask();
		ck_assert_ptr_null(request.etag);
		if (request.last_modified == NULL) {
			ck_assert_uint_eq(i % 20, 0);
			n_full++;
			ck_assert_int_eq(answer(304, NULL, NULL), -EPROTO);
			ck_assert_int_eq(answer(200, NULL, "Mon, 04 May 2026 08:12:31 GMT"), STEP_PAUSE);
		} else {
			ck_assert_int_eq(answer(304, NULL, NULL), STEP_PAUSE);
		}
	}
	ck_assert_uint_eq(n_full, 3);
}
END_TEST

START_TEST(validators_without_sense_are_not_sent_back)
{
	char long_one[5000];

	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	run(long_one, "");
	ask();
	ck_assert_ptr_null(request.etag);
	ck_assert_ptr_null(request.last_modified);
}
END_TEST

static const int statuses[] = { 100, 201, 204, 206, 301, 302, 307, 308, 400,
				401, 403, 404, 410, 429, 500, 502, 503, 599 };

START_TEST(status_is_a_failure_that_is_named)
{
	char number[8];

	snprintf(number, sizeof(number), " %d: ", statuses[_i]);
	ask();
	ck_assert_int_eq(answer(statuses[_i], NULL, NULL), -EPROTO);
	ck_assert_ptr_nonnull(strstr(k.error, number));
}
END_TEST

START_TEST(no_answer_is_a_failure_with_the_text_of_the_fetcher)
{
	const struct fetch_result res = { .error = -ETIMEDOUT, .error_text = "no answer within 2 s" };

	ask();
	ck_assert_int_eq(kind_read(&k, list, &res), -ETIMEDOUT);
	ck_assert_str_eq(k.error, "no answer within 2 s");
}
END_TEST

static const struct {
	const char *type;
	bool good;
} types[] = {
	{ "application/json", true },
	{ "application/json; charset=utf-8", true },
	{ "Application/JSON;charset=utf-8", true },
	{ "application/vnd.registry.v1+json", true },
	{ "text/json", true },
	{ "text/plain; charset=us-ascii", true },
	{ "", true },
	{ NULL, true },
	{ "text/html", false },
	{ "TEXT/HTML; charset=utf-8", false },
	{ "application/xml", false },
	{ "application/+json", false },
	{ "application/jsonp", false },
	{ "image/x+json", false },
	{ "application/octet-stream", false },
};

START_TEST(content_type_must_be_json)
{
	const struct fetch_result res = {
		.status = 200, .body = body, .len = sizeof(body) - 1, .content_type = types[_i].type
	};

	ask();
	ck_assert_int_eq(kind_read(&k, list, &res), types[_i].good ? STEP_PAUSE : -EBADMSG);
	if (!types[_i].good)
		ck_assert_ptr_nonnull(strstr(k.error, types[_i].type));
}
END_TEST

/* A recorded answer: status line, headers, an empty line, the body. Line ends are LF. */
static int replay(char *text, size_t len)
{
	char *head_end = strstr(text, "\n\n");
	struct fetch_result res = { .name = options.http.url };

	ck_assert_ptr_nonnull(head_end);
	*head_end = '\0';
	res.body = head_end + 2;
	res.len = len - (size_t)(res.body - text);
	for (char *rest = text, *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
		char *value = strstr(line, ": ");

		if (strncmp(line, "HTTP/1.1 ", 9) == 0)
			res.status = atoi(line + 9);
		if (value != NULL && strncmp(line, "Content-Type", 12) == 0)
			res.content_type = value + 2;
		if (value != NULL && strncmp(line, "ETag", 4) == 0)
			res.etag = value + 2;
		if (value != NULL && strncmp(line, "Last-Modified", 13) == 0)
			res.last_modified = value + 2;
	}
	ask();
	return kind_read(&k, list, &res);
}

static const struct {
	const char *file;
	bool asked; /* with validators */
	int outcome;
	const char *said;
} answers[] = {
	{ "resp-200-etag.http", false, STEP_PAUSE, "" },
	{ "resp-200-weak-etag.http", false, STEP_PAUSE, "" },
	{ "resp-200-empty-body.http", false, -EBADMSG,
	  "the answer is empty; a list that is empty is written []" },
	{ "resp-200-wrong-type.http", false, -EBADMSG, "the answer is text/html, not JSON" },
	{ "resp-204.http", false, -EPROTO,
	  "HTTP status 204: no content; a list that is empty is written []" },
	{ "resp-301.http", false, -EPROTO, "HTTP status 301: moved; redirects are not followed" },
	{ "resp-304.http", true, STEP_PAUSE, "" },
	{ "resp-304-unasked.http", false, -EPROTO, "HTTP status 304 to a request without validators" },
	{ "resp-401.http", false, -EPROTO, "HTTP status 401: the registry wants other credentials" },
	{ "resp-429-seconds.http", false, -EPROTO, "HTTP status 429: asked too often" },
	{ "resp-503-bad-retry-after.http", false, -EPROTO, "HTTP status 503: the registry is in trouble" },
	{ "resp-503-date.http", false, -EPROTO, "HTTP status 503: the registry is in trouble" },
};

START_TEST(recorded_answer_has_a_defined_outcome)
{
	char path[128];
	size_t len;

	options.service = "inventory";
	if (answers[_i].asked)
		run("\"9f2c-17\"", NULL);
	snprintf(path, sizeof(path), "http/%s", answers[_i].file);
	char *text = harness_read_data(path, &len);
	ck_assert_int_eq(replay(text, len), answers[_i].outcome);
	ck_assert_str_eq(k.error, answers[_i].said);
	free(text);
}
END_TEST

static const struct {
	const char *file;
	bool good;
	size_t n_instances;
} bodies[] = {
	{ "array-hostport.json", true, 4 },
	{ "array-hostport-nasty.json", true, 8 },
	{ "http-sd.json", true, 3 },
	{ "http-sd-empty.json", true, 0 },
	{ "http-sd-nasty.json", true, 10 },
	{ "instances-nasty.json", true, 13 },
	{ "instances-truncated.json", false, 0 },
	{ "nacos-error-200.json", false, 0 },
	{ "not-json.html", false, 0 },
	{ "large-5000-http-sd.json", true, 5000 },
};

START_TEST(bodies_are_read_with_the_configured_name)
{
	char path[128];
	struct fetch_result res = { .status = 200, .content_type = "application/json" };

	options.service = "inventory";
	snprintf(path, sizeof(path), "http/%s", bodies[_i].file);
	char *text = harness_read_data(path, &res.len);
	res.body = text;
	ask();
	ck_assert_int_eq(kind_read(&k, list, &res), bodies[_i].good ? STEP_PAUSE : -EBADMSG);
	ck_assert_uint_eq(k.last->n_instances, bodies[_i].n_instances);
	free(text);
}
END_TEST

START_TEST(registry_goes_in_the_middle_of_a_round)
{
	run("\"x\"", "y");
	ask();
	registry_http.destroy(NULL);
}
END_TEST

START_TEST(failure_takes_nothing_away)
{
	run(NULL, NULL);
	ask();
	ck_assert_int_eq(kind_read_body(&k, list, "{\"inventory\":["), -EBADMSG);
	ck_assert_str_eq(kind_text(&k, "inventory"), "10.0.1.1:8080");
	ask();
	ck_assert_int_eq(kind_read_body(&k, list, "{\"inventory\":[]}"), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&k, "inventory"), "");
	ck_assert(!ledger_is_certain(k.ledger, "inventory"));
	ask();
	ck_assert_int_eq(kind_read_body(&k, list, "{\"inventory\":[]}"), STEP_PAUSE);
	ck_assert(ledger_is_certain(k.ledger, "inventory"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("registry_http");
	TCase *validators = tcase_create("validators");
	TCase *results = tcase_create("results");

	tcase_add_checked_fixture(validators, set_up, tear_down);
	tcase_add_checked_fixture(results, set_up, tear_down);
	tcase_add_test(validators, first_request_carries_no_validators);
	tcase_add_loop_test(validators, validators_go_back_byte_for_byte, 0,
			    sizeof(etags) / sizeof(etags[0]));
	tcase_add_test(validators, validators_are_those_of_the_last_good_body);
	tcase_add_test(validators, validators_of_a_refused_body_are_not_kept);
	tcase_add_test(validators, not_modified_means_unchanged_only_if_we_asked);
	tcase_add_test(validators, every_twentieth_request_trusts_no_date);
	tcase_add_test(validators, validators_without_sense_are_not_sent_back);
	tcase_add_test(validators, registry_goes_in_the_middle_of_a_round);
	tcase_add_loop_test(results, status_is_a_failure_that_is_named, 0,
			    sizeof(statuses) / sizeof(statuses[0]));
	tcase_add_test(results, no_answer_is_a_failure_with_the_text_of_the_fetcher);
	tcase_add_test(results, failure_takes_nothing_away);
	tcase_add_loop_test(results, content_type_must_be_json, 0, sizeof(types) / sizeof(types[0]));
	tcase_add_loop_test(results, recorded_answer_has_a_defined_outcome, 0,
			    sizeof(answers) / sizeof(answers[0]));
	tcase_add_loop_test(results, bodies_are_read_with_the_configured_name, 0,
			    sizeof(bodies) / sizeof(bodies[0]));
	suite_add_tcase(suite, validators);
	suite_add_tcase(suite, results);
	return harness_run(suite);
}
