/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_kubernetes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_client.h"
#include "harness.h"

enum { LIMIT_MS = 8000 };

#define SLICES      "/apis/discovery.k8s.io/v1/endpointslices"
#define SHOP_SLICES "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
#define LABELLED(to)                                                                                         \
	"{\"metadata\":{\"labels\":{\"kubernetes.io/service-name\":\"" to "\"}},\"endpoints\":null}"

static struct fake_kubernetes *api;
static struct fake_http *http;
static struct fake_client client;
static struct fake_reply reply;
static char *line; /* of the stream */

static void set_up(void)
{
	api = fake_kubernetes_start(0);
	http = fake_kubernetes_http(api);
	fake_client_open(&client, http);
}

static void tear_down(void)
{
	free(line);
	line = NULL;
	fake_reply_free(&reply);
	fake_client_close(&client);
	fake_kubernetes_stop(api);
}

static void ask_with(const char *target, const char *headers)
{
	fake_reply_free(&reply);
	fake_client_send(&client, "GET", target, headers, NULL);
	reply = fake_client_read(&client);
}

static void ask(const char *target)
{
	ask_with(target, "");
}

static void put_control(const char *target, const char *body)
{
	fake_reply_free(&reply);
	reply = fake_client_ask(http, "PUT", target, "", body);
	ck_assert_int_eq(reply.status, 200);
}

static void put(const char *name, const char *json)
{
	fake_kubernetes_put(api, FAKE_SLICES, "shop", name, json);
}

/* Opens a watch from a version, 0: without one. */
static void watch_from(const char *target, unsigned long long version)
{
	char text[400];

	if (version > 0)
		snprintf(text, sizeof(text), "%s%cwatch=1&resourceVersion=%llu", target,
			 strchr(target, '?') != NULL ? '&' : '?', version);
	else
		snprintf(text, sizeof(text), "%s%cwatch=true", target,
			 strchr(target, '?') != NULL ? '&' : '?');
	fake_reply_free(&reply);
	fake_client_send(&client, "GET", text, "", NULL);
	reply = fake_client_read_head(&client);
}

static void watch(const char *target)
{
	watch_from(target, fake_kubernetes_version(api));
	ck_assert_int_eq(reply.status, 200);
	ck_assert(fake_reply_has(&reply, "Transfer-Encoding: chunked"));
}

/* The next line of the stream is an event of such a type, and has the text. */
static void expect(const char *type, const char *text)
{
	char start[64];

	free(line);
	line = fake_client_chunk(&client);
	ck_assert_msg(line != NULL, "the stream was cut");
	snprintf(start, sizeof(start), "{\"type\":\"%s\",\"object\":{", type);
	ck_assert_msg(strncmp(line, start, strlen(start)) == 0, "%s", line);
	ck_assert_msg(strstr(line, text) != NULL, "%s", line);
	ck_assert_str_eq(line + strlen(line) - 3, "}}\n");
}

static void expect_version(const char *type, unsigned long long version)
{
	char text[64];

	snprintf(text, sizeof(text), "\"resourceVersion\":\"%llu\"", version);
	expect(type, text);
}

static void expect_end(void)
{
	free(line);
	line = fake_client_chunk(&client);
	ck_assert_str_eq(line, "");
}

static bool has_no_streams(void *unused)
{
	(void)unused;
	return fake_kubernetes_counts(api).streams[FAKE_SLICES] == 0;
}

/* --- lists --- */

START_TEST(empty_list_has_kind_version_and_no_items)
{
	char body[200];

	ask(SLICES);
	ck_assert_int_eq(reply.status, 200);
	snprintf(body, sizeof(body),
		 "{\"kind\":\"EndpointSliceList\",\"apiVersion\":\"discovery.k8s.io/v1\",\"metadata\":"
		 "{\"resourceVersion\":\"%llu\"},\"items\":[]}\n",
		 (unsigned long long)fake_kubernetes_version(api));
	ck_assert_str_eq(reply.body, body);
}
END_TEST

START_TEST(item_has_metadata_and_no_kind)
{
	put("a", "{\"kind\":\"EndpointSlice\",\"apiVersion\":\"v9\",\"addressType\":\"IPv4\"}");
	ask(SHOP_SLICES);
	char *items = strstr(reply.body, "\"items\":");
	ck_assert_ptr_nonnull(strstr(items, "\"addressType\":\"IPv4\""));
	ck_assert_ptr_nonnull(strstr(items, "\"name\":\"a\",\"namespace\":\"shop\""));
	ck_assert_ptr_nonnull(strstr(items, "\"resourceVersion\":\"1001\""));
	ck_assert_ptr_nonnull(strstr(items, "\"uid\":"));
	ck_assert_ptr_null(strstr(items, "\"kind\""));
	ck_assert_ptr_null(strstr(items, "v9"));
}
END_TEST

START_TEST(list_is_of_one_namespace_and_kind)
{
	put("a", "{}");
	fake_kubernetes_put(api, FAKE_SLICES, "shop2", "b", "{}");
	fake_kubernetes_put(api, FAKE_SERVICES, "shop", "c", "{}");
	ask(SHOP_SLICES);
	ck_assert_ptr_nonnull(strstr(reply.body, "\"name\":\"a\""));
	ck_assert_ptr_null(strstr(reply.body, "\"name\":\"b\""));
	ck_assert_ptr_null(strstr(reply.body, "\"name\":\"c\""));
	ask("/api/v1/namespaces/shop/services");
	ck_assert_int_eq(strncmp(reply.body, "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\"", 38), 0);
	ck_assert_ptr_nonnull(strstr(reply.body, "\"name\":\"c\""));
	ask("/api/v1/services");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"name\":\"c\""));
}
END_TEST

static const struct {
	const char *selector;
	bool a, b;
} selectors[] = {
	{ "kubernetes.io%2Fservice-name=x", true, false },
	{ "kubernetes.io/service-name==x", true, false },
	{ "kubernetes.io/service-name!=x", false, true },
	{ "kubernetes.io/service-name", true, true },
	{ "!kubernetes.io/service-name", false, false },
	{ "kubernetes.io/service-name=x,zone=1", false, false },
	{ "", true, true },
};

START_TEST(list_is_selected_by_labels)
{
	char target[200];

	put("a", LABELLED("x"));
	put("b", LABELLED("y"));
	snprintf(target, sizeof(target), SLICES "?labelSelector=%s", selectors[_i].selector);
	ask(target);
	ck_assert_int_eq(strstr(reply.body, "\"name\":\"a\"") != NULL, selectors[_i].a);
	ck_assert_int_eq(strstr(reply.body, "\"name\":\"b\"") != NULL, selectors[_i].b);
}
END_TEST

/* The continue token of the page that came; empty if it was the last. */
static const char *page_token(void)
{
	static char token[200];
	const char *at = strstr(reply.body, "\"continue\":\"");

	token[0] = '\0';
	if (at != NULL)
		ck_assert_int_eq(sscanf(at, "\"continue\":\"%199[0-9a-f]\"", token), 1);
	return token;
}

static void ask_next_page(const char *more)
{
	char target[400];

	snprintf(target, sizeof(target), SLICES "?limit=2&continue=%s%s", page_token(), more);
	ask(target);
}

static void put_five(void)
{
	put("a", "{}");
	put("b", "{}");
	put("c", "{}");
	put("d", "{}");
	put("e", "{}");
}

START_TEST(pages_are_all_of_one_version)
{
	put_five();
	ask(SLICES "?limit=2");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"remainingItemCount\":3}"));
	fake_kubernetes_delete(api, FAKE_SLICES, "shop", "c");
	put("d2", "{}");
	ask_next_page("");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"metadata\":{\"resourceVersion\":\"1005\","));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"name\":\"c\""));
	ask_next_page("");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"metadata\":{\"resourceVersion\":\"1005\"}"));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"name\":\"e\""));
	ck_assert_ptr_null(strstr(reply.body, "\"name\":\"d2\""));
	ck_assert_str_eq(page_token(), "");
	const struct fake_kubernetes_counts counts = fake_kubernetes_counts(api);
	ck_assert_uint_eq(counts.lists[FAKE_SLICES], 1);
	ck_assert_uint_eq(counts.pages[FAKE_SLICES], 2);
}
END_TEST

START_TEST(expired_page_offers_the_rest_of_now)
{
	put_five();
	ask(SLICES "?limit=2");
	fake_kubernetes_delete(api, FAKE_SLICES, "shop", "c");
	fake_kubernetes_compact(api);
	ask_next_page("");
	ck_assert_int_eq(reply.status, 410);
	ck_assert_ptr_nonnull(strstr(reply.body, "\"reason\":\"Expired\",\"code\":410}"));
	ask_next_page("");
	ck_assert_int_eq(reply.status, 200);
	ck_assert_ptr_nonnull(strstr(reply.body, "\"resourceVersion\":\"1006\"}"));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"name\":\"d\""));
	ck_assert_ptr_null(strstr(reply.body, "\"name\":\"b\""));
	ck_assert_ptr_null(strstr(reply.body, "\"name\":\"c\""));
}
END_TEST

START_TEST(pages_can_be_refused)
{
	put_five();
	fake_kubernetes_refuse_pages(api, true);
	ask(SLICES "?limit=2");
	ask_next_page("");
	ck_assert_int_eq(reply.status, 410);
	fake_kubernetes_refuse_pages(api, false);
	ask(SLICES "?limit=2");
	ask_next_page("");
	ck_assert_int_eq(reply.status, 200);
}
END_TEST

START_TEST(page_with_a_version_is_a_bad_request)
{
	put_five();
	ask(SLICES "?limit=2");
	ask_next_page("&resourceVersion=1005");
	ck_assert_int_eq(reply.status, 400);
	ask(SLICES "?continue=xyz");
	ck_assert_int_eq(reply.status, 400);
}
END_TEST

START_TEST(cached_list_ignores_the_limit)
{
	put_five();
	ask(SLICES "?limit=2&resourceVersion=0");
	ck_assert_str_eq(page_token(), "");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"name\":\"e\""));
}
END_TEST

START_TEST(version_of_the_future_is_too_large)
{
	ask(SLICES "?resourceVersion=99999");
	ck_assert_int_eq(reply.status, 504);
	ck_assert(fake_reply_has(&reply, "Retry-After: 1"));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"reason\":\"ResourceVersionTooLarge\""));
	ask(SLICES "?resourceVersion=1000");
	ck_assert_int_eq(reply.status, 200);
}
END_TEST

START_TEST(whole_list_can_be_loaded)
{
	fake_kubernetes_load(
		api, FAKE_SLICES,
		"{\"kind\":\"EndpointSliceList\",\"items\":[{\"metadata\":{\"name\":\"a\",\"namespace\":"
		"\"n1\",\"resourceVersion\":\"7\"}},{\"metadata\":{\"name\":\"b\",\"namespace\":\"n2\"}}]}");
	ask(SLICES);
	ck_assert_ptr_nonnull(strstr(reply.body, "\"namespace\":\"n2\""));
	ck_assert_ptr_null(strstr(reply.body, "\"7\""));
	ck_assert_uint_eq(fake_kubernetes_version(api), 1002);
}
END_TEST

/* --- watches --- */

START_TEST(uid_lasts_as_long_as_the_object)
{
	watch(SLICES);
	put("a", "{}");
	expect("ADDED", "\"uid\":\"5f000000-0000-4000-8000-000000001001\"");
	put("a", "{}");
	expect("MODIFIED", "\"uid\":\"5f000000-0000-4000-8000-000000001001\"");
	fake_kubernetes_delete(api, FAKE_SLICES, "shop", "a");
	expect("DELETED", "\"uid\":\"5f000000-0000-4000-8000-000000001001\"");
	put("a", "{}");
	expect("ADDED", "\"uid\":\"5f000000-0000-4000-8000-000000001004\"");
}
END_TEST

START_TEST(watch_tells_what_happens_to_objects)
{
	watch(SLICES);
	const struct fake_change added = fake_kubernetes_put(api, FAKE_SLICES, "shop", "a", LABELLED("x"));
	ck_assert_uint_eq(added.woken, 1);
	expect_version("ADDED", added.position);
	ck_assert_ptr_nonnull(
		strstr(line, "{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\","));
	put("a", LABELLED("y"));
	expect("MODIFIED", "\"y\"");
	const struct fake_change deleted = fake_kubernetes_delete(api, FAKE_SLICES, "shop", "a");
	expect_version("DELETED", deleted.position);
	ck_assert_ptr_nonnull(strstr(line, "\"y\""));
	ck_assert_uint_eq(fake_kubernetes_delete(api, FAKE_SLICES, "shop", "a").woken, 0);
	ck_assert_uint_eq(fake_kubernetes_counts(api).watches[FAKE_SLICES], 1);
}
END_TEST

START_TEST(watch_is_of_one_kind_and_namespace)
{
	watch(SHOP_SLICES);
	fake_kubernetes_put(api, FAKE_SERVICES, "shop", "a", "{}");
	fake_kubernetes_put(api, FAKE_SLICES, "shop2", "b", "{}");
	put("c", "{}");
	expect("ADDED", "\"name\":\"c\"");
}
END_TEST

START_TEST(watch_goes_on_from_its_version)
{
	put_five();
	watch_from(SLICES, 1003);
	expect("ADDED", "\"name\":\"d\"");
	expect("ADDED", "\"name\":\"e\"");
	put("a", "{}");
	expect("MODIFIED", "\"name\":\"a\"");
}
END_TEST

START_TEST(watch_without_a_version_begins_with_everything)
{
	put("a", "{}");
	put("a", "{\"x\":1}");
	put("b", "{}");
	watch_from(SLICES, 0);
	expect("ADDED", "\"x\":1");
	expect("ADDED", "\"name\":\"b\"");
	put("c", "{}");
	expect("ADDED", "\"name\":\"c\"");
}
END_TEST

START_TEST(watch_from_the_future_is_silent_until_then)
{
	watch_from(SLICES, 1002);
	put("a", "{}");
	put("b", "{}");
	put("c", "{}");
	expect("ADDED", "\"name\":\"c\"");
}
END_TEST

START_TEST(object_that_moves_into_and_out_of_a_selection)
{
	watch(SLICES "?labelSelector=kubernetes.io/service-name%3Dx");
	put("a", LABELLED("y"));
	put("a", LABELLED("x"));
	expect_version("ADDED", 1002);
	put("a", LABELLED("x"));
	expect_version("MODIFIED", 1003);
	put("a", LABELLED("y"));
	expect_version("DELETED", 1004);
	ck_assert_ptr_nonnull(strstr(line, "\"x\"")); /* as the client knew it */
	fake_kubernetes_delete(api, FAKE_SLICES, "shop", "a");
	put("b", LABELLED("x"));
	expect("ADDED", "\"name\":\"b\"");
}
END_TEST

START_TEST(bookmark_goes_to_those_who_allow_it)
{
	watch(SLICES "?allowWatchBookmarks=true");
	struct fake_client with = client;
	fake_client_open(&client, http);
	watch(SLICES);
	const struct fake_change bookmark = fake_kubernetes_bookmark(api);
	ck_assert_uint_eq(bookmark.woken, 1);
	put("a", "{}");
	expect("ADDED", "\"name\":\"a\"");
	fake_client_close(&client);
	client = with;
	expect_version("BOOKMARK", bookmark.position);
	ck_assert_ptr_nonnull(strstr(line, "\"endpoints\":null"));
	expect("ADDED", "\"name\":\"a\"");
}
END_TEST

START_TEST(version_before_the_history_is_gone)
{
	put_five();
	fake_kubernetes_compact(api);
	watch_from(SLICES, 1004);
	ck_assert_int_eq(reply.status, 410);
	fake_client_close(&client);
	fake_client_open(&client, http);
	watch_from(SLICES, 1005);
	ck_assert_int_eq(reply.status, 200);
	put("f", "{}");
	expect("ADDED", "\"name\":\"f\"");
}
END_TEST

START_TEST(gone_can_be_an_event)
{
	put_five();
	fake_kubernetes_keep(api, 2);
	fake_kubernetes_gone_as_event(api, true);
	put_five();
	watch_from(SLICES, 1007);
	ck_assert_int_eq(reply.status, 200);
	expect("ERROR", "\"reason\":\"Expired\",\"code\":410}");
	expect_end();
	watch_from(SLICES, 1008);
	expect("MODIFIED", "\"name\":\"d\"");
}
END_TEST

START_TEST(watch_ends_cleanly_after_its_time)
{
	watch(SLICES "?timeoutSeconds=1");
	put("a", "{}");
	expect("ADDED", "\"name\":\"a\"");
	expect_end();
	ask(SLICES); /* on the same connection */
	ck_assert_int_eq(reply.status, 200);
}
END_TEST

START_TEST(streams_can_be_ended)
{
	watch(SLICES);
	fake_kubernetes_end_streams(api);
	expect_end();
	ck_assert(has_no_streams(NULL));
}
END_TEST

START_TEST(stream_can_be_cut_in_an_object)
{
	watch(SLICES);
	fake_kubernetes_cut_streams(api);
	put("a", "{}");
	line = fake_client_chunk(&client);
	ck_assert_ptr_nonnull(strstr(line, "{\"type\":\"ADDED\""));
	ck_assert_ptr_null(strchr(line, '\n'));
	free(line);
	line = fake_client_chunk(&client);
	ck_assert_ptr_null(line);
	fake_client_close(&client);
	fake_client_open(&client, http);
	watch_from(SLICES, 1000);
	expect("ADDED", "\"name\":\"a\"");
	put("b", "{}");
	expect("ADDED", "\"name\":\"b\"");
}
END_TEST

START_TEST(error_event_ends_the_stream)
{
	watch(SLICES);
	fake_kubernetes_send_error(api, 500);
	expect("ERROR", "\"retryAfterSeconds\":1},\"code\":500}");
	expect_end();
}
END_TEST

START_TEST(anything_can_be_written_into_a_stream)
{
	watch(SLICES);
	fake_kubernetes_write(api, FAKE_SERVICES, "not for us");
	fake_kubernetes_write(api, FAKE_SLICES, "{\"type\":");
	line = fake_client_chunk(&client);
	ck_assert_str_eq(line, "{\"type\":");
}
END_TEST

START_TEST(restart_cuts_streams_and_forgets_the_history)
{
	put("a", "{}");
	watch(SLICES);
	put("b", "{}");
	expect("ADDED", "\"name\":\"b\"");
	fake_kubernetes_restart(api);
	ck_assert(fake_client_is_closed(&client));
	ck_assert(has_no_streams(NULL));
	fake_client_close(&client);
	fake_client_open(&client, http);
	watch_from(SLICES, 1001);
	ck_assert_int_eq(reply.status, 410);
	fake_reply_free(&reply);
	reply = fake_client_ask(http, "GET", SLICES, "", NULL);
	ck_assert_ptr_nonnull(strstr(reply.body, "\"name\":\"b\""));
}
END_TEST

START_TEST(client_that_hangs_up_is_forgotten)
{
	watch(SLICES);
	fake_client_close(&client);
	ck_assert(harness_wait(has_no_streams, NULL, LIMIT_MS));
	fake_client_open(&client, http);
	put("a", "{}");
}
END_TEST

START_TEST(hanging_stream_loses_nothing)
{
	watch(SLICES);
	fake_kubernetes_set_mode(api, FAKE_KUBERNETES_HANG);
	ck_assert_uint_eq(fake_kubernetes_put(api, FAKE_SLICES, "shop", "a", "{}").woken, 0);
	ck_assert(fake_client_is_silent(&client, 20));
	fake_kubernetes_set_mode(api, FAKE_KUBERNETES_NORMAL);
	put("b", "{}");
	expect("ADDED", "\"name\":\"a\"");
	expect("ADDED", "\"name\":\"b\"");
}
END_TEST

/* --- refusals --- */

START_TEST(wrong_token_is_unauthorized)
{
	fake_kubernetes_set_token(api, "first");
	ask(SLICES);
	ck_assert_int_eq(reply.status, 401);
	ck_assert_str_eq(reply.body,
			 "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
			 "\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}");
	ask_with(SLICES, "Authorization: Bearer first\r\n");
	ck_assert_int_eq(reply.status, 200);
	fake_kubernetes_set_token(api, "second");
	ask_with(SLICES, "Authorization: Bearer first\r\n");
	ck_assert_int_eq(reply.status, 401);
}
END_TEST

START_TEST(token_without_rights_is_forbidden)
{
	fake_kubernetes_forbid(api, "poor");
	ask_with(SLICES "?watch=1", "Authorization: Bearer poor\r\n");
	ck_assert_int_eq(reply.status, 403);
	ck_assert_ptr_nonnull(strstr(reply.body, "cannot watch resource \\\"endpointslices\\\""));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"reason\":\"Forbidden\""));
	ask(SLICES);
	ck_assert_int_eq(reply.status, 200);
}
END_TEST

static const struct {
	enum fake_kubernetes_mode mode;
	const char *target;
	int status;
} refusals[] = {
	{ FAKE_KUBERNETES_TOO_MANY, SLICES, 429 },
	{ FAKE_KUBERNETES_FAILING, SLICES, 500 },
	{ FAKE_KUBERNETES_NORMAL, "/apis/discovery.k8s.io/v1beta1/endpointslices", 404 },
	{ FAKE_KUBERNETES_NORMAL, "/apis/discovery.k8s.io/v1/services", 404 },
	{ FAKE_KUBERNETES_NORMAL, SLICES "?limit=many", 400 },
	{ FAKE_KUBERNETES_NORMAL, SLICES "?watch=1&resourceVersion=-1", 400 },
	{ FAKE_KUBERNETES_NORMAL, SLICES "?labelSelector=a%20in%20(b)", 400 },
	{ FAKE_KUBERNETES_NORMAL, SLICES "?watch=1&sendInitialEvents=true", 422 },
	{ FAKE_KUBERNETES_NORMAL, SLICES "?resourceVersion=999&resourceVersionMatch=Exact", 410 },
};

START_TEST(refusal_is_a_status)
{
	char code[32];

	fake_kubernetes_set_mode(api, refusals[_i].mode);
	ask(refusals[_i].target);
	ck_assert_int_eq(reply.status, refusals[_i].status);
	snprintf(code, sizeof(code), "\"code\":%d}", refusals[_i].status);
	ck_assert_ptr_nonnull(strstr(reply.body, code));
	ck_assert_int_eq(strncmp(reply.body, "{\"kind\":\"Status\"", 16), 0);
	ck_assert(fake_reply_has(&reply, "Content-Type: application/json"));
}
END_TEST

/* --- over HTTP --- */

START_TEST(object_is_changed_over_http)
{
	watch(SLICES);
	put_control("/_control/object/endpointslices/shop/a", LABELLED("x"));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"position\":1001,\"woken\":1}"));
	expect("ADDED", "\"name\":\"a\"");
	fake_reply_free(&reply);
	reply = fake_client_ask(http, "DELETE", "/_control/object/endpointslices/shop/a", "", NULL);
	expect("DELETED", "\"name\":\"a\"");
	put_control("/_control/bookmark", "");
	put_control("/_control/list/endpointslices", "{\"items\":[{\"metadata\":{\"name\":\"b\"}}]}");
	expect("ADDED", "\"namespace\":\"default\"");
}
END_TEST

START_TEST(behaviour_is_changed_over_http)
{
	watch(SLICES);
	put_control("/_control/error/410", "");
	expect("ERROR", "\"code\":410");
	expect_end();
	put("a", "{}");
	put_control("/_control/compact", "");
	put_control("/_control/gone/event", "");
	watch_from(SLICES, 1000);
	expect("ERROR", "\"code\":410");
	expect_end();
	put_control("/_control/gone/status", "");
	put_control("/_control/token/secret", "");
	ask(SLICES);
	ck_assert_int_eq(reply.status, 401);
	put_control("/_control/token/", "");
	put_control("/_control/mode/failing", "");
	ask(SLICES);
	ck_assert_int_eq(reply.status, 500);
}
END_TEST

START_TEST(nonsense_is_refused_over_http)
{
	static const char *const targets[][2] = { { "/_control/object/pods/shop/a", "{}" },
						  { "/_control/object/services/shop", "{}" },
						  { "/_control/object/services/shop/a", "[]" },
						  { "/_control/list/services", "{}" } };

	for (unsigned i = 0; i < 4; i++) {
		fake_reply_free(&reply);
		reply = fake_client_ask(http, "PUT", targets[i][0], "", targets[i][1]);
		ck_assert_int_eq(reply.status, 400);
	}
}
END_TEST

static TCase *make_case(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 30);
	return tc;
}

static TCase *lists(void)
{
	TCase *tc = make_case("lists");

	tcase_add_test(tc, empty_list_has_kind_version_and_no_items);
	tcase_add_test(tc, item_has_metadata_and_no_kind);
	tcase_add_test(tc, list_is_of_one_namespace_and_kind);
	tcase_add_loop_test(tc, list_is_selected_by_labels, 0, sizeof(selectors) / sizeof(selectors[0]));
	tcase_add_test(tc, pages_are_all_of_one_version);
	tcase_add_test(tc, expired_page_offers_the_rest_of_now);
	tcase_add_test(tc, pages_can_be_refused);
	tcase_add_test(tc, page_with_a_version_is_a_bad_request);
	tcase_add_test(tc, cached_list_ignores_the_limit);
	tcase_add_test(tc, version_of_the_future_is_too_large);
	tcase_add_test(tc, whole_list_can_be_loaded);
	return tc;
}

static TCase *watches(void)
{
	TCase *tc = make_case("watches");

	tcase_add_test(tc, watch_tells_what_happens_to_objects);
	tcase_add_test(tc, uid_lasts_as_long_as_the_object);
	tcase_add_test(tc, watch_is_of_one_kind_and_namespace);
	tcase_add_test(tc, watch_goes_on_from_its_version);
	tcase_add_test(tc, watch_without_a_version_begins_with_everything);
	tcase_add_test(tc, watch_from_the_future_is_silent_until_then);
	tcase_add_test(tc, object_that_moves_into_and_out_of_a_selection);
	tcase_add_test(tc, bookmark_goes_to_those_who_allow_it);
	tcase_add_test(tc, version_before_the_history_is_gone);
	tcase_add_test(tc, gone_can_be_an_event);
	tcase_add_test(tc, watch_ends_cleanly_after_its_time);
	tcase_add_test(tc, streams_can_be_ended);
	tcase_add_test(tc, stream_can_be_cut_in_an_object);
	tcase_add_test(tc, error_event_ends_the_stream);
	tcase_add_test(tc, anything_can_be_written_into_a_stream);
	tcase_add_test(tc, restart_cuts_streams_and_forgets_the_history);
	tcase_add_test(tc, client_that_hangs_up_is_forgotten);
	tcase_add_test(tc, hanging_stream_loses_nothing);
	return tc;
}

static TCase *refusing(void)
{
	TCase *tc = make_case("refusing");

	tcase_add_test(tc, wrong_token_is_unauthorized);
	tcase_add_test(tc, token_without_rights_is_forbidden);
	tcase_add_loop_test(tc, refusal_is_a_status, 0, sizeof(refusals) / sizeof(refusals[0]));
	return tc;
}

static TCase *control(void)
{
	TCase *tc = make_case("control");

	tcase_add_test(tc, object_is_changed_over_http);
	tcase_add_test(tc, behaviour_is_changed_over_http);
	tcase_add_test(tc, nonsense_is_refused_over_http);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("fake_kubernetes");

	suite_add_tcase(suite, lists());
	suite_add_tcase(suite, watches());
	suite_add_tcase(suite, refusing());
	suite_add_tcase(suite, control());
	return harness_run(suite);
}
