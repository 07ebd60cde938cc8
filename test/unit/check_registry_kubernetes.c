/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "kind.h"
#include "registry/json.h"
#include "registry/registry.h"

#define SLICES "/apis/discovery.k8s.io/v1/endpointslices"
#define LIST(version, items)                                                                                 \
	"{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"" version "\"},"                \
	"\"items\":[" items "]}"
#define PAGE(next, items)                                                                                    \
	"{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"70\",\"continue\":\"" next      \
	"\"},\"items\":[" items "]}"
#define SLICE(name, service, address)                                                                        \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"store\",\"resourceVersion\":\"99\","           \
	"\"labels\":{\"kubernetes.io/service-name\":\"" service "\"}},\"addressType\":\"IPv4\","             \
	"\"endpoints\":[{\"addresses\":[\"" address "\"]}],\"ports\":[{\"port\":80}]}"
#define SLICE_AT(version, name, service, address)                                                            \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"store\",\"resourceVersion\":\"" version "\","  \
	"\"labels\":{\"kubernetes.io/service-name\":\"" service "\"}},\"addressType\":\"IPv4\","             \
	"\"endpoints\":[{\"addresses\":[\"" address "\"]}],\"ports\":[{\"port\":80}]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define BOOKMARK(version)                                                                                    \
	EVENT("BOOKMARK", "{\"kind\":\"EndpointSlice\",\"metadata\":{\"resourceVersion\":\"" version         \
			  "\"},\"endpoints\":null,\"ports\":null}")
#define STATUS(code, reason, message)                                                                        \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"" message "\",\"reason\":\"" reason       \
	"\",\"code\":" #code "}"

enum { SLICE_LIST, SERVICE_LIST };

static struct registry_options options;
static struct kind k;
static struct fetch_request request;

static void set_up(void)
{
	options = (struct registry_options){ .kind = "kubernetes", .name = "k8s", .watch = true };
	options.http.url = "http://127.0.0.1:8001";
	k = (struct kind){ 0 };
}

static void tear_down(void)
{
	kind_finish(&k);
}

static void start(void)
{
	kind_start(&k, &registry_kubernetes, &options, NULL);
}

/* The path of the next request of a collection. */
static const char *ask(size_t i)
{
	if (k.registry == NULL)
		start();
	request = kind_ask(&k, k.resources[i]);
	ck_assert_ptr_eq(request.http, &options.http);
	return request.path;
}

static int read_result(size_t i, struct fetch_result *res)
{
	const int r = kind_read(&k, k.resources[i], res);

	if (r < 0)
		ck_assert_str_ne(k.error, "");
	return r;
}

static int answer(size_t i, int status, const char *body)
{
	struct fetch_result res = {
		.name = "url", .status = status, .body = body, .len = strlen(body), .last = true
	};

	return read_result(i, &res);
}

static int lose(size_t i, int error)
{
	struct fetch_result res = {
		.name = "url", .error = error, .error_text = "lost it", .body = "", .last = true
	};

	return read_result(i, &res);
}

static int tell(size_t i, const char *event)
{
	struct fetch_result res = { .name = "url", .status = 200, .body = event, .len = strlen(event) };

	return read_result(i, &res);
}

/* Lists, and opens the watch. */
static void begin_watch(const char *list)
{
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, list), STEP_AGAIN);
	ask(SLICE_LIST);
	ck_assert_int_eq(request.source, FETCH_STREAM);
}

/* The value of a parameter in the path of the request, still encoded; "" if it is not there. */
static const char *parameter(const char *name)
{
	static char value[512];
	char pattern[64];

	snprintf(pattern, sizeof(pattern), "%s=", name);
	for (const char *at = strpbrk(request.path, "?&"); at != NULL; at = strpbrk(at + 1, "?&")) {
		if (strncmp(at + 1, pattern, strlen(pattern)) == 0) {
			at += 1 + strlen(pattern);
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "&"), at);
			return value;
		}
	}
	return "";
}

/* --- what the registry says, as text --- */

static char said[16384];

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	const size_t len = strlen(said);
	va_list args;

	va_start(args, format);
	vsnprintf(said + len, sizeof(said) - len, format, args);
	va_end(args);
}

static void say_instance(const struct instance *in)
{
	static const char *const healths[] = { "", " warning", " critical" };
	static const char *const protocols[] = { "", " tcp", " udp" };
	char address[ADDRESS_TEXT_MAX];

	say(" %s", in->address.len > 0 ? address_to_text(&in->address, address) : instance_host(in));
	if (in->port > 0)
		say(" %u", in->port);
	say("%s%s%s%s", protocols[in->protocol], instance_port_name(in) != NULL ? "/" : "",
	    instance_port_name(in) != NULL ? instance_port_name(in) : "", healths[in->health]);
	if (instance_name(in) != NULL)
		say(" name=%s", instance_name(in));
	if (instance_zone(in) != NULL)
		say(" zone=%s", instance_zone(in));
	for (size_t i = 0; i < in->n_metadata; i++)
		say(" %s=%s", instance_metadata(in, i).key, instance_metadata(in, i).value);
	say(";");
}

static const char *told(void)
{
	said[0] = '\0';
	for (size_t i = 0; i < k.last->n_services; i++) {
		const struct service *service = k.last->services[i];

		say("%s:", service->name);
		for (size_t n = 0; n < service->n_instances; n++)
			say_instance(service->instances[n]);
		say("\n");
	}
	return said;
}

/* --- requests --- */

START_TEST(each_type_is_listed_then_watched)
{
	static const char *const roots[] = { SLICES, "/api/v1/services" };
	static const char *const kinds[] = { "EndpointSliceList", "ServiceList" };
	char wanted[256], body[256];

	start();
	ck_assert_uint_eq(k.n, 2);
	ck_assert_str_eq(k.resources[_i]->name, _i == 0 ? "endpointslices" : "services");
	ck_assert_int_eq(k.resources[_i]->vital, _i == SLICE_LIST);
	snprintf(wanted, sizeof(wanted), "%s?limit=500&resourceVersion=0", roots[_i]);
	ck_assert_str_eq(ask((size_t)_i), wanted);
	ck_assert_int_eq(request.source, FETCH_HTTP);
	ck_assert_uint_eq(request.timeout_ms, 0);

	snprintf(body, sizeof(body),
		 "{\"kind\":\"%s\",\"metadata\":{\"resourceVersion\":\"70\"},\"items\":[]}", kinds[_i]);
	ck_assert_int_eq(answer((size_t)_i, 200, body), STEP_AGAIN);
	snprintf(wanted, sizeof(wanted),
		 "%s?watch=1&allowWatchBookmarks=true&resourceVersion=70&timeoutSeconds=", roots[_i]);
	ck_assert_int_eq(strncmp(ask((size_t)_i), wanted, strlen(wanted)), 0);
	ck_assert_int_eq(request.source, FETCH_STREAM);
	ck_assert(request.held);
}
END_TEST

START_TEST(watches_last_for_a_random_time)
{
	unsigned long lowest = 1000, highest = 0;

	begin_watch(LIST("70", ""));
	for (int i = 0; i < 200; i++) {
		ask(SLICE_LIST);
		const unsigned long seconds = strtoul(parameter("timeoutSeconds"), NULL, 10);

		ck_assert_uint_ge(seconds, 300);
		ck_assert_uint_le(seconds, 600);
		ck_assert_uint_eq(request.silence_ms, seconds * 1000 + 30000);
		ck_assert_uint_eq(request.first_ms, request.silence_ms);
		ck_assert_uint_gt(request.timeout_ms, request.silence_ms);
		lowest = seconds < lowest ? seconds : lowest;
		highest = seconds > highest ? seconds : highest;
		ck_assert_int_eq(answer(SLICE_LIST, 200, ""), STEP_AGAIN);
	}
	ck_assert_uint_lt(lowest, 350);
	ck_assert_uint_gt(highest, 550);
}
END_TEST

START_TEST(namespaces_are_asked_for_one_by_one)
{
	static const char *const namespaces[] = { "store", "b/c d", NULL };

	options.kubernetes.namespaces = namespaces;
	start();
	ck_assert_uint_eq(k.n, 4);
	ck_assert_str_eq(k.resources[3]->name, "services of b/c d");
	ck_assert_str_eq(ask(0), "/apis/discovery.k8s.io/v1/namespaces/store/endpointslices"
				 "?limit=500&resourceVersion=0");
	ck_assert_str_eq(ask(3), "/api/v1/namespaces/b%2Fc%20d/services?limit=500&resourceVersion=0");
}
END_TEST

START_TEST(no_namespaces_are_all_of_them)
{
	static const char *const none[] = { NULL };

	options.kubernetes.namespaces = none;
	start();
	ck_assert_uint_eq(k.n, 2);
	ck_assert_str_eq(ask(0), SLICES "?limit=500&resourceVersion=0");
}
END_TEST

START_TEST(selector_goes_with_every_request_encoded)
{
	options.kubernetes.label_selector = "team in (a,b),!x/y";
	for (size_t i = 0; i < 2; i++) {
		ask(i);
		ck_assert_str_eq(parameter("labelSelector"), "team%20in%20%28a%2Cb%29%2C%21x%2Fy");
	}
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("more", "")), STEP_ASK);
	ask(SLICE_LIST);
	ck_assert_str_ne(parameter("labelSelector"), "");
	ck_assert_int_eq(answer(SLICE_LIST, 200, LIST("70", "")), STEP_AGAIN);
	ask(SLICE_LIST);
	ck_assert_str_eq(parameter("watch"), "1");
	ck_assert_str_ne(parameter("labelSelector"), "");
}
END_TEST

/* --- lists --- */

START_TEST(pages_become_visible_together)
{
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("a+/=", SLICE("x", "cart", "10.9.0.1"))), STEP_ASK);
	ck_assert_str_eq(told(), "");
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?limit=500&continue=a%2B%2F%3D");
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("b", "")), STEP_ASK);
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?limit=500&continue=b");
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("", SLICE("y", "cart", "10.9.0.2"))), STEP_AGAIN);
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp; 10.9.0.2 80 tcp;\n");
	ask(SLICE_LIST);
	ck_assert_str_eq(parameter("resourceVersion"), "70");
}
END_TEST

START_TEST(page_that_names_itself_ends_the_list)
{
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("a", "")), STEP_ASK);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("a", "")), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(k.error, "names itself"));
	ask(SLICE_LIST);
	ck_assert_str_eq(parameter("continue"), "");
}
END_TEST

START_TEST(list_that_was_given_up_begins_again)
{
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("a", SLICE("x", "cart", "10.9.0.1"))), STEP_ASK);
	ledger_abort(k.ledger, &k.resources[SLICE_LIST]->part); /* as who runs it does, e.g. without memory */
	ask(SLICE_LIST);
	ck_assert_str_eq(parameter("continue"), "");
	ck_assert_int_eq(answer(SLICE_LIST, 200, LIST("71", SLICE("y", "cart", "10.9.0.2"))), STEP_AGAIN);
	ck_assert_str_eq(told(), "cart: 10.9.0.2 80 tcp;\n");
}
END_TEST

START_TEST(expired_page_is_followed_by_the_whole_list)
{
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("a", SLICE("x", "cart", "10.9.0.1"))), STEP_ASK);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 410,
				"{\"kind\":\"Status\",\"metadata\":{\"continue\":\"rest\"},\"reason\":"
				"\"Expired\",\"message\":\"too old\",\"code\":410}"),
			 STEP_ASK);
	ck_assert_str_eq(ask(SLICE_LIST), SLICES);
	ck_assert_int_eq(answer(SLICE_LIST, 200, LIST("80", SLICE("y", "cart", "10.9.0.2"))), STEP_AGAIN);
	ck_assert_str_eq(told(), "cart: 10.9.0.2 80 tcp;\n");
}
END_TEST

START_TEST(list_that_is_always_expired_is_a_failure)
{
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 410, STATUS(410, "Expired", "too old")), STEP_ASK);
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?limit=500");
	ck_assert_int_eq(answer(SLICE_LIST, 410, STATUS(410, "Expired", "too old")), -EPROTO);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("a", "")), STEP_ASK);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 410, STATUS(410, "Expired", "too old")), STEP_ASK);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 410, STATUS(410, "Expired", "too old")), -EPROTO);
}
END_TEST

START_TEST(list_too_large_for_us_is_read_in_smaller_pages)
{
	static const char *const limits[] = { "500", "125", "31", "7", "1" };

	ask(SLICE_LIST);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(lose(SLICE_LIST, -EFBIG), STEP_ASK);
		ask(SLICE_LIST);
		ck_assert_str_eq(parameter("limit"), limits[i]);
		ck_assert_str_eq(parameter("resourceVersion"), "");
	}
	ck_assert_int_eq(lose(SLICE_LIST, -EFBIG), -EFBIG);
	ck_assert_str_eq(k.error, "lost it");
}
END_TEST

START_TEST(failed_page_starts_the_list_again)
{
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("a", SLICE("x", "cart", "10.9.0.1"))), STEP_ASK);
	ask(SLICE_LIST);
	ck_assert_int_eq(lose(SLICE_LIST, -ECONNRESET), -ECONNRESET);
	ask(SLICE_LIST);
	ck_assert_str_eq(parameter("continue"), "");
	ck_assert_int_eq(answer(SLICE_LIST, 200, LIST("71", SLICE("y", "cart", "10.9.0.2"))), STEP_AGAIN);
	ck_assert_str_eq(told(), "cart: 10.9.0.2 80 tcp;\n");
}
END_TEST

static const char *const empty_lists[] = {
	LIST("70", ""),
	"{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"70\"},\"items\":null}",
	"{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"70\",\"continue\":\"\"}}",
	("{\"items\":[],\"future\":{\"a\":[1,{}]},\"metadata\":{\"resourceVersion\":\"70\"},"
	 "\"kind\":\"EndpointSliceList\"}"),
};

START_TEST(empty_list_means_that_there_is_nothing)
{
	begin_watch(LIST("60", SLICE("x", "cart", "10.9.0.1")));
	ck_assert_int_eq(answer(SLICE_LIST, 410, STATUS(410, "Expired", "too old")), STEP_AGAIN);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, empty_lists[_i]), STEP_AGAIN);
	ck_assert_str_eq(told(), "");
}
END_TEST

static const struct {
	int status;
	const char *body, *reason;
} bad_lists[] = {
	{ 200, "", "no JSON object" },
	{ 200, "<html>sign in</html>", "no JSON object" },
	{ 200, "[]", "no JSON object" },
	{ 200, "{}", "not EndpointSliceList" },
	{ 200, "{\"kind\":null,\"metadata\":{\"resourceVersion\":\"1\"},\"items\":null}",
	  "not EndpointSliceList" },
	{ 200, "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}", "\"List\"" },
	{ 200, "{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}",
	  "\"ServiceList\"" },
	{ 200, STATUS(500, "InternalError", "no"), "\"Status\"" },
	{ 200, "{\"kind\":\"EndpointSliceList\",\"items\":[]}", "without resourceVersion" },
	{ 200, "{\"kind\":\"EndpointSliceList\",\"metadata\":{},\"items\":[]}", "without resourceVersion" },
	{ 200, "{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":{}}",
	  "a list" },
	{ 200, LIST("1", SLICE("y", "cart", "10.9.0.2")) "x", "follows the end" },
	{ 200, LIST("1", SLICE("y", "cart", "10.9.0.2") ",{\"metadata"), "1:" },
	{ 200, "{\"kind\":\"EndpointSliceList\",\"kind\":\"EndpointSliceList\"}", "duplicate" },
	{ 400, STATUS(400, "BadRequest", "cannot parse the selector"), "400: cannot parse the selector" },
	{ 401, STATUS(401, "Unauthorized", "Unauthorized"), "401: Unauthorized" },
	{ 403,
	  STATUS(403, "Forbidden",
		 "endpointslices.discovery.k8s.io is forbidden: User \\\"system:serviceaccount:store:phone\\\" cannot "
		 "list resource \\\"endpointslices\\\" in API group \\\"discovery.k8s.io\\\" at the cluster scope"),
	  "cannot list resource \"endpointslices\" in API group \"discovery.k8s.io\" at the cluster scope" },
	{ 404, STATUS(404, "NotFound", "the server could not find the requested resource"),
	  "could not find" },
	{ 404, "404 page not found", "HTTP status 404" },
	{ 429, STATUS(429, "TooManyRequests", "try again later"), "429: try again later" },
	{ 503, "<html>no upstream</html>", "HTTP status 503" },
	{ 302, "", "HTTP status 302" },
	{ 204, "", "HTTP status 204" },
};

START_TEST(bad_list_says_why_and_changes_nothing)
{
	begin_watch(LIST("60", SLICE("x", "cart", "10.9.0.1")));
	ck_assert_int_eq(answer(SLICE_LIST, 410, STATUS(410, "Expired", "too old")), STEP_AGAIN);
	ask(SLICE_LIST);
	ck_assert_int_lt(answer(SLICE_LIST, bad_lists[_i].status, bad_lists[_i].body), 0);
	ck_assert_msg(strstr(k.error, bad_lists[_i].reason) != NULL, "\"%s\" without \"%s\"", k.error,
		      bad_lists[_i].reason);
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp;\n");
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?limit=500");
	ck_assert_int_eq(answer(SLICE_LIST, 200, LIST("70", "")), STEP_AGAIN);
	ck_assert_str_eq(told(), "");
}
END_TEST

START_TEST(list_and_token_too_long_to_send_back_are_refused)
{
	char body[8192], text[5000] = "";

	memset(text, '7', sizeof(text) - 1);
	for (int i = 0; i < 2; i++) {
		ask(SLICE_LIST);
		snprintf(body, sizeof(body), "{\"kind\":\"EndpointSliceList\",\"metadata\":{\"%s\":\"%s\"}}",
			 i == 0 ? "resourceVersion" : "continue", text);
		ck_assert_int_eq(answer(SLICE_LIST, 200, body), -EBADMSG);
		ck_assert_ptr_nonnull(strstr(k.error, "too long"));
	}
}
END_TEST

/* A body with two slices, of which one has some padding. */
static char *make_large(const char *version, size_t size, const char *address)
{
	char *body = malloc(size + 2048), *at = body;

	ck_assert_ptr_nonnull(body);
	at += sprintf(at,
		      "{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"%s\"},\"items\":["
		      "%s,{\"padding\":[\"",
		      version, SLICE("small", "cart", "10.9.0.1"));
	for (size_t i = 0; i < size; i++)
		*at++ = i % 1024 == 1021 || i % 1024 == 1023 ? '"' : i % 1024 == 1022 ? ',' : 'x';
	sprintf(at,
		"\"],\"metadata\":{\"name\":\"large\",\"namespace\":\"store\",\"labels\":{"
		"\"kubernetes.io/service-name\":\"big\"}},\"endpoints\":[{\"addresses\":[\"%s\"]}]}]}",
		address);
	return body;
}

START_TEST(slice_of_more_than_a_mebibyte_costs_itself)
{
	char *small = make_large("70", 1020, "10.9.0.7"),
	     *large = make_large("71", JSON_VALUE_MAX, "10.9.0.8");
	const char *const before = "big: 10.9.0.7;\ncart: 10.9.0.1 80 tcp;\n";

	options.watch = false;
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, large), STEP_PAUSE);
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp;\n");
	const struct snapshot *item = ledger_find(k.ledger, &k.resources[SLICE_LIST]->part, "store/large");
	ck_assert_uint_eq(snapshot_dropped(item, DROP_LIMIT), 1);

	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, small), STEP_PAUSE);
	ck_assert_str_eq(told(), before);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, large), STEP_PAUSE);
	ck_assert_str_eq(told(), before); /* what it said while it could be read */
	free(small);
	free(large);
}
END_TEST

START_TEST(position_is_that_of_the_list_and_opaque)
{
	begin_watch(LIST("a b/9", SLICE_AT("80000", "x", "cart", "10.9.0.1")));
	ck_assert_str_eq(parameter("resourceVersion"), "a%20b%2F9");
}
END_TEST

/* --- polls --- */

START_TEST(polls_never_go_back_in_time)
{
	options.watch = false;
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?limit=500&resourceVersion=0");
	ck_assert_int_eq(answer(SLICE_LIST, 200, LIST("70", SLICE("x", "cart", "10.9.0.1"))), STEP_PAUSE);
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?resourceVersion=70&resourceVersionMatch=NotOlderThan");
	ck_assert_int_eq(answer(SLICE_LIST, 200, LIST("75", SLICE("x", "cart", "10.9.0.2"))), STEP_PAUSE);
	ck_assert_str_eq(told(), "cart: 10.9.0.2 80 tcp;\n");
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?resourceVersion=75&resourceVersionMatch=NotOlderThan");
	ck_assert_int_eq(answer(SLICE_LIST, 504, STATUS(504, "Timeout", "Too large resource version: 75")),
			 -EPROTO);
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?limit=500");
}
END_TEST

START_TEST(polls_of_many_pages_stay_with_pages)
{
	options.watch = false;
	ask(SLICE_LIST);
	ck_assert_int_eq(lose(SLICE_LIST, -EFBIG), STEP_ASK);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("a", "")), STEP_ASK);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, PAGE("", "")), STEP_PAUSE);
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?limit=500");
}
END_TEST

START_TEST(polls_need_no_position)
{
	options.watch = false;
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, "{\"kind\":\"EndpointSliceList\",\"items\":null}"),
			 STEP_PAUSE);
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?limit=500");
}
END_TEST

/* --- slices and services --- */

static void read_file(size_t i, const char *name)
{
	size_t len;
	char *body = harness_read_data(name, &len);

	ask(i);
	ck_assert_int_eq(answer(i, 200, body), STEP_AGAIN);
	free(body);
}

START_TEST(slices_are_read_field_by_field)
{
	read_file(SLICE_LIST, "kubernetes/slices.json");
	ck_assert_str_eq(
		told(),
		"bare: 10.9.2.1;\n"
		"cart: 10.9.0.1 8080 tcp/web zone=za hints=za,zb node=rack-1;"
		" 10.9.0.1 9100 tcp/stats zone=za hints=za,zb node=rack-1;"
		" 10.9.0.2 8080 tcp/web warning; 10.9.0.2 8081 tcp/web; 10.9.0.2 9100 tcp/stats warning;"
		" 10.9.0.3 8080 tcp/web critical; 10.9.0.3 9100 tcp/stats critical;"
		" 10.9.0.4 8080 tcp/web critical; 10.9.0.4 9100 tcp/stats critical;"
		" 10.9.0.5 8081 tcp/web; 2001:db8:9::1 8080 tcp/web;\n"
		"gsm: 10.9.5.1;\n"
		"hand: 10.9.3.1 80 tcp; 10.9.3.3 80 tcp critical; 10.9.3.4 80 tcp warning;\n"
		"leaving: 10.9.7.1 80 tcp/web;\n"
		"ledger: 10.9.1.1 5432 tcp name=ledger-0; 10.9.1.2 5432 tcp name=ledger-1;\n"
		"mail:\n"
		"odd: 10.9.8.1 8080 tcp/web;\n"
		"odder:\n"
		"partner:\n"
		"phone: 10.9.4.1 5060 tcp/sip-tcp; 10.9.4.1 5060 udp/sip;\n");
}
END_TEST

START_TEST(what_is_wrong_in_a_slice_is_counted)
{
	struct ledger_part *part;

	read_file(SLICE_LIST, "kubernetes/slices.json");
	part = &k.resources[SLICE_LIST]->part;
	const struct snapshot *odd = ledger_find(k.ledger, part, "store/odd");
	ck_assert_uint_eq(snapshot_dropped(odd, DROP_SHAPE), 3);
	ck_assert_uint_eq(snapshot_dropped(odd, DROP_ADDRESS), 2);
	ck_assert_uint_eq(snapshot_dropped(odd, DROP_PORT), 3);
	ck_assert_uint_eq(snapshot_dropped(ledger_find(k.ledger, part, "store/odder"), DROP_SHAPE), 1);
	ck_assert_uint_eq(snapshot_dropped(ledger_find(k.ledger, part, ""), DROP_SHAPE), 1);
	ck_assert_ptr_nonnull(
		strstr(snapshot_remark(ledger_find(k.ledger, part, "store/old-1"), 0), "\"FQDN\""));
	ck_assert_uint_eq(ledger_find(k.ledger, part, "store/stray")->n_services, 0);
}
END_TEST

START_TEST(services_are_known_and_may_lead_elsewhere)
{
	read_file(SERVICE_LIST, "kubernetes/services.json");
	ck_assert_str_eq(told(), "bank: api.bank.example;\n"
				 "cart:\nidle:\nledger:\nnowhere:\n"
				 "post: post.example 25 tcp/smtp; post.example 110 tcp/pop;\n"
				 "void:\n");
}
END_TEST

START_TEST(service_and_slices_may_come_in_any_order)
{
	read_file(SERVICE_LIST, "kubernetes/services.json");
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, LIST("70", SLICE("x", "cart", "10.9.0.1"))), STEP_AGAIN);
	ck_assert_ptr_nonnull(strstr(told(), "cart: 10.9.0.1 80 tcp;\n"));
	ask(SLICE_LIST);
	ck_assert_int_eq(tell(SLICE_LIST, EVENT("DELETED", SLICE_AT("71", "x", "cart", "10.9.0.1"))),
			 STEP_MORE);
	ck_assert_ptr_nonnull(strstr(told(), "cart:\n"));
}
END_TEST

#define SLICE_IN(namespace, address)                                                                                                                                    \
	"{\"metadata\":{\"name\":\"x\",\"namespace\":\"" namespace "\",\"labels\":{\"kubernetes.io/service-name\":\"cart\"}},\"endpoints\":[{\"addresses\":[\"" address \
								   "\"]}]}"

START_TEST(names_may_tell_the_namespace)
{
	const char *list = LIST("70", SLICE_IN("store", "10.9.0.1") "," SLICE_IN("depot", "10.9.0.2"));

	options.kubernetes.names = _i == 0 ? KUBERNETES_SERVICE : KUBERNETES_SERVICE_NAMESPACE;
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, list), STEP_AGAIN);
	if (_i == 0)
		ck_assert_str_eq(told(), "cart: 10.9.0.1; 10.9.0.2;\n");
	else
		ck_assert_str_eq(told(), "cart.depot: 10.9.0.2;\ncart.store: 10.9.0.1;\n");
}
END_TEST

START_TEST(same_endpoint_in_two_slices_is_one_instance)
{
	ask(SLICE_LIST);
	ck_assert_int_eq(
		answer(SLICE_LIST, 200,
		       LIST("70", SLICE("x", "cart", "10.9.0.1") "," SLICE("y", "cart", "10.9.0.1"))),
		STEP_AGAIN);
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp;\n");
	ask(SLICE_LIST);
	ck_assert_int_eq(tell(SLICE_LIST, EVENT("DELETED", SLICE("x", "cart", "10.9.0.1"))), STEP_MORE);
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp;\n");
}
END_TEST

/* Slices are changed one after the other; meanwhile the endpoint is ready in one and not in the other. */
START_TEST(endpoint_that_is_ready_in_one_slice_is_ready)
{
	static const char *const conditions[] = { "{\"ready\":false}", "{\"ready\":true}",
						  "{\"ready\":false,\"serving\":true,\"terminating\":true}" };
	char body[2048], *at = body;

	at += sprintf(at,
		      "{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[");
	for (int i = 0; i < 3; i++)
		at += sprintf(at,
			      "%s{\"metadata\":{\"name\":\"x%d\",\"namespace\":\"store\",\"labels\":"
			      "{\"kubernetes.io/service-name\":\"cart\"}},\"endpoints\":[{\"addresses\":"
			      "[\"10.9.0.1\"],\"conditions\":%s}]}",
			      i > 0 ? "," : "", i, conditions[(i + _i) % 3]);
	sprintf(at, "]}");
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, body), STEP_AGAIN);
	ck_assert_str_eq(told(), "cart: 10.9.0.1;\n");
}
END_TEST

START_TEST(slice_beyond_what_the_api_allows_is_bounded)
{
	char *body = malloc(1 << 20), *at = body;

	ck_assert_ptr_nonnull(body);
	at += sprintf(at,
		      "{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":["
		      "{\"metadata\":{\"name\":\"x\",\"namespace\":\"store\",\"labels\":"
		      "{\"kubernetes.io/service-name\":\"cart\"}},\"ports\":[");
	for (int i = 0; i < 101; i++)
		at += sprintf(at, "%s{\"port\":%d}", i > 0 ? "," : "", 1000 + i);
	at += sprintf(at, "],\"endpoints\":[");
	for (int i = 0; i < 1100; i++)
		at += sprintf(at, "%s{\"addresses\":[\"10.9.%d.%d\"]}", i > 0 ? "," : "", i / 250,
			      i % 250 + 1);
	sprintf(at, "]}]}");
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, body), STEP_AGAIN);
	const struct snapshot *item = ledger_find(k.ledger, &k.resources[SLICE_LIST]->part, "store/x");
	ck_assert_uint_eq(item->n_instances, SERVICE_INSTANCES_MAX);
	/* A port, 100 endpoints, and 1,000 with 100 ports less what a service may have. */
	ck_assert_uint_eq(snapshot_dropped(item, DROP_LIMIT), 101 + 100000 - SERVICE_INSTANCES_MAX);
	free(body);
}
END_TEST

/* --- watches --- */

START_TEST(events_change_what_is_said)
{
	begin_watch(LIST("70", SLICE("x", "cart", "10.9.0.1")));
	ck_assert_int_eq(tell(SLICE_LIST, EVENT("ADDED", SLICE_AT("71", "y", "cart", "10.9.0.2"))),
			 STEP_MORE);
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp; 10.9.0.2 80 tcp;\n");
	ck_assert_int_eq(tell(SLICE_LIST, EVENT("ADDED", SLICE_AT("72", "y", "cart", "10.9.0.3"))),
			 STEP_MORE);
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp; 10.9.0.3 80 tcp;\n");
	ck_assert_int_eq(tell(SLICE_LIST, EVENT("MODIFIED", SLICE_AT("73", "new", "mail", "10.9.0.4"))),
			 STEP_MORE);
	ck_assert_int_eq(tell(SLICE_LIST, EVENT("DELETED", SLICE_AT("74", "x", "cart", "10.9.0.1"))),
			 STEP_MORE);
	ck_assert_str_eq(told(), "cart: 10.9.0.3 80 tcp;\nmail: 10.9.0.4 80 tcp;\n");
	ck_assert_int_eq(tell(SLICE_LIST, EVENT("DELETED", SLICE_AT("75", "never-seen", "x", "10.9.0.1"))),
			 STEP_MORE);
}
END_TEST

START_TEST(change_is_certain)
{
	begin_watch(LIST("70", SLICE("x", "cart", "10.9.0.1")));
	told();
	ck_assert_int_eq(tell(SLICE_LIST, EVENT("DELETED", SLICE_AT("71", "x", "cart", "10.9.0.1"))),
			 STEP_MORE);
	ck_assert_str_eq(told(), "");
	ck_assert(ledger_is_certain(k.ledger, "cart"));
}
END_TEST

START_TEST(slice_moves_between_services)
{
	begin_watch(LIST("70", SLICE("x", "cart", "10.9.0.1") "," SLICE("y", "cart", "10.9.0.2")));
	ck_assert_int_eq(tell(SLICE_LIST, EVENT("MODIFIED", SLICE_AT("71", "x", "cart-next", "10.9.0.1"))),
			 STEP_MORE);
	ck_assert_str_eq(told(), "cart: 10.9.0.2 80 tcp;\ncart-next: 10.9.0.1 80 tcp;\n");
	ck_assert_int_eq(
		tell(SLICE_LIST, EVENT("MODIFIED", "{\"metadata\":{\"name\":\"x\",\"namespace\":\"store\"},"
						   "\"endpoints\":[{\"addresses\":[\"10.9.0.1\"]}]}")),
		STEP_MORE);
	ck_assert_str_eq(told(), "cart: 10.9.0.2 80 tcp;\n");
}
END_TEST

static const struct {
	const char *event, *position;
} moves[] = {
	{ EVENT("ADDED", SLICE_AT("71", "y", "cart", "10.9.0.2")), "71" },
	{ EVENT("MODIFIED", SLICE_AT("5", "y", "cart", "10.9.0.2")), "5" }, /* not the largest: the last */
	{ EVENT("DELETED", SLICE_AT("71", "y", "cart", "10.9.0.2")), "71" },
	{ BOOKMARK("a%b"), "a%25b" },
	{ EVENT("SOMETHING_NEW", "{\"metadata\":{\"resourceVersion\":\"71\"}}"), "71" },
	{ EVENT("SOMETHING_NEW", "{\"kind\":\"EndpointSlice\"}"), "70" },
	{ EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"\"}}"), "70" },
	{ EVENT("BOOKMARK", "{\"metadata\":null}"), "70" },
	{ EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":71}}"), "70" },
};

START_TEST(watch_goes_on_where_the_last_event_was)
{
	begin_watch(LIST("70", SLICE("x", "cart", "10.9.0.1")));
	ck_assert_int_eq(tell(SLICE_LIST, moves[_i].event), STEP_MORE);
	ck_assert_int_eq(answer(SLICE_LIST, 200, ""), STEP_AGAIN);
	ask(SLICE_LIST);
	ck_assert_int_eq(request.source, FETCH_STREAM);
	ck_assert_str_eq(parameter("resourceVersion"), moves[_i].position);
}
END_TEST

START_TEST(bookmark_is_no_object)
{
	begin_watch(LIST("70", SLICE("x", "cart", "10.9.0.1")));
	struct snapshot *before = snapshot_keep(k.last);
	ck_assert_int_eq(tell(SLICE_LIST, BOOKMARK("90")), STEP_MORE);
	ck_assert_ptr_eq(k.last, before);
	snapshot_release(before);
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp;\n");
}
END_TEST

static const int losses[] = { -ECONNRESET, -ECONNREFUSED, -EPROTO, -ETIMEDOUT };

START_TEST(lost_watch_goes_on_without_a_list)
{
	begin_watch(LIST("70", SLICE("x", "cart", "10.9.0.1")));
	ck_assert_int_eq(lose(SLICE_LIST, losses[_i]), losses[_i]);
	ck_assert_str_eq(k.error, "lost it");
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp;\n");
	ask(SLICE_LIST);
	ck_assert_int_eq(request.source, FETCH_STREAM);
	ck_assert_str_eq(parameter("resourceVersion"), "70");
}
END_TEST

/* What a watch hears, as HTTP status (an event if 0), and how it goes on: at the position, or with a list. */
static const struct {
	int status;
	const char *body;
	int step;
	bool list;
} refusals[] = {
	{ 0, EVENT("ERROR", STATUS(410, "Expired", "too old resource version: 70 (900)")), STEP_AGAIN, true },
	{ 0, EVENT("ERROR", STATUS(410, "Gone", "too old resource version: 70 (900)")), STEP_AGAIN, true },
	{ 0, EVENT("ERROR", "{\"reason\":\"Expired\"}"), STEP_AGAIN, true },
	{ 0, EVENT("ERROR", STATUS(429, "TooManyRequests", "later")), -EPROTO, false },
	{ 0, EVENT("ERROR", STATUS(500, "InternalError", "unable to decode an event")), -EPROTO, false },
	{ 0, EVENT("ERROR", STATUS(504, "Timeout", "later")), -EPROTO, false },
	{ 0, EVENT("ERROR", STATUS(504, "Timeout", "Too large resource version: 70, current: 9")), -EPROTO,
	  true },
	{ 0, EVENT("ERROR", STATUS(409, "Conflict", "what")), STEP_AGAIN, true },
	{ 0, EVENT("ERROR", "{}"), STEP_AGAIN, true },
	{ 410, STATUS(410, "Expired", "too old"), STEP_AGAIN, true },
	{ 410, "gone", STEP_AGAIN, true },
	{ 400, STATUS(400, "BadRequest", "invalid resource version"), -EPROTO, true },
	{ 401, STATUS(401, "Unauthorized", "Unauthorized"), -EPROTO, false },
	{ 403, STATUS(403, "Forbidden", "cannot watch resource"), -EPROTO, false },
	{ 429, STATUS(429, "TooManyRequests", "later"), -EPROTO, false },
	{ 503, "", -EPROTO, false },
	{ 504,
	  "{\"kind\":\"Status\",\"message\":\"Timeout\",\"reason\":\"Timeout\",\"code\":504,\"details\":"
	  "{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\"}],\"retryAfterSeconds\":1}}",
	  -EPROTO, true },
	{ 504,
	  "{\"kind\":\"Status\",\"message\":\"Timeout\",\"code\":504,\"details\":"
	  "{\"causes\":[{\"message\":\"Too large resource version\"}]}}",
	  -EPROTO, true },
	{ 0, "{\"type\":\"ADDED\"}", -EBADMSG, true },
	{ 0, "{\"object\":{}}", -EBADMSG, true },
	{ 0, "{\"type\":\"ADDED\",\"object\":null}", -EBADMSG, true },
	{ 0, "{\"type\":\"ADDED\",\"object\":{\"metadata\":}}", -EBADMSG, true },
	{ 0, "{\"type\":7,\"object\":{}}", -EBADMSG, true },
	{ 0, "[]", -EBADMSG, true },
};

START_TEST(watch_that_is_refused_goes_on_as_the_reason_demands)
{
	begin_watch(LIST("70", SLICE("x", "cart", "10.9.0.1")));
	if (refusals[_i].status == 0)
		ck_assert_int_eq(tell(SLICE_LIST, refusals[_i].body), refusals[_i].step);
	else
		ck_assert_int_eq(answer(SLICE_LIST, refusals[_i].status, refusals[_i].body),
				 refusals[_i].step);
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp;\n");
	ask(SLICE_LIST);
	if (refusals[_i].list) {
		ck_assert_str_eq(request.path, SLICES "?limit=500");
	} else {
		ck_assert_int_eq(request.source, FETCH_STREAM);
		ck_assert_str_eq(parameter("resourceVersion"), "70");
	}
}
END_TEST

START_TEST(events_that_cannot_be_framed_are_listed_instead)
{
	begin_watch(LIST("70", ""));
	ck_assert_int_eq(lose(SLICE_LIST, _i == 0 ? -EFBIG : -EBADMSG), _i == 0 ? -EFBIG : -EBADMSG);
	ck_assert_str_eq(ask(SLICE_LIST), SLICES "?limit=500");
}
END_TEST

START_TEST(list_after_a_gap_takes_away_what_went_meanwhile)
{
	begin_watch(LIST("70", SLICE("x", "cart", "10.9.0.1") "," SLICE("y", "mail", "10.9.0.2")));
	ck_assert_int_eq(tell(SLICE_LIST, EVENT("ERROR", STATUS(410, "Expired", "too old"))), STEP_AGAIN);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 200, LIST("95", SLICE("y", "mail", "10.9.0.3"))), STEP_AGAIN);
	ck_assert_str_eq(told(), "mail: 10.9.0.3 80 tcp;\n");
	ask(SLICE_LIST);
	ck_assert_str_eq(parameter("resourceVersion"), "95");
}
END_TEST

/* Back-off then grows, where lists and watches would else take turns for ever. */
START_TEST(position_that_is_never_any_good_is_a_failure)
{
	for (int round = 0; round < 3; round++) {
		begin_watch(LIST("70", SLICE("x", "cart", "10.9.0.1")));
		const char *event = EVENT("ERROR", STATUS(410, "Expired", "too old"));
		const int r = _i == 0 ? tell(SLICE_LIST, event) : answer(SLICE_LIST, 410, "");

		ck_assert_int_eq(r, round == 0 ? STEP_AGAIN : -EPROTO);
	}
	begin_watch(LIST("71", ""));
	ck_assert_int_eq(tell(SLICE_LIST, BOOKMARK("72")), STEP_MORE);
	ck_assert_int_eq(answer(SLICE_LIST, 200, ""), STEP_AGAIN);
	ask(SLICE_LIST);
	ck_assert_int_eq(answer(SLICE_LIST, 410, ""), STEP_AGAIN);
}
END_TEST

START_TEST(position_that_is_refused_after_each_restart_is_listed_each_time)
{
	begin_watch(LIST("70", ""));
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(answer(SLICE_LIST, 410, STATUS(410, "Expired", "too old")), STEP_AGAIN);
		begin_watch(LIST("80", ""));
		ck_assert_int_eq(lose(SLICE_LIST, -ECONNRESET), -ECONNRESET);
		ask(SLICE_LIST);
		ck_assert_str_eq(parameter("resourceVersion"), "80");
	}
}
END_TEST

START_TEST(event_of_more_than_a_mebibyte_changes_nothing_else)
{
	const size_t size = JSON_VALUE_MAX + 1000;
	char *event = malloc(size + 1024);

	ck_assert_ptr_nonnull(event);
	int at = sprintf(event, "{\"type\":\"MODIFIED\",\"object\":{\"padding\":[[\"");
	memset(event + at, 'x', size / 2);
	at += (int)(size / 2);
	at += sprintf(event + at, "\"],[\"");
	memset(event + at, 'x', size / 2);
	at += (int)(size / 2);
	sprintf(event + at,
		"\"]],\"metadata\":{\"name\":\"x\",\"namespace\":\"store\",\"resourceVersion\":\"88\"}}}");
	begin_watch(LIST("70", SLICE("x", "cart", "10.9.0.1")));
	ck_assert_int_eq(tell(SLICE_LIST, event), STEP_MORE);
	ck_assert_str_eq(told(), "cart: 10.9.0.1 80 tcp;\n");
	ck_assert_int_eq(answer(SLICE_LIST, 200, ""), STEP_AGAIN);
	ask(SLICE_LIST);
	ck_assert_str_eq(parameter("resourceVersion"), "88");
	free(event);
}
END_TEST

START_TEST(services_are_watched_too)
{
	ask(SERVICE_LIST);
	ck_assert_int_eq(
		answer(SERVICE_LIST, 200,
		       "{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}"),
		STEP_AGAIN);
	ask(SERVICE_LIST);
	ck_assert_int_eq(
		tell(SERVICE_LIST, EVENT("ADDED", "{\"metadata\":{\"name\":\"bank\",\"namespace\":\"store\"},"
						  "\"spec\":{\"type\":\"ExternalName\","
						  "\"externalName\":\"a.example\"}}")),
		STEP_MORE);
	ck_assert_str_eq(told(), "bank: a.example;\n");
	ck_assert_int_eq(tell(SERVICE_LIST,
			      EVENT("DELETED", "{\"metadata\":{\"name\":\"bank\",\"namespace\":\"store\"}}")),
			 STEP_MORE);
	ck_assert_str_eq(told(), "");
}
END_TEST

static void add_loop(TCase *tc, const TTest *test, size_t n)
{
	tcase_add_loop_test(tc, test, 0, (int)n);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void add_lists(TCase *tc)
{
	add_loop(tc, each_type_is_listed_then_watched, 2);
	tcase_add_test(tc, watches_last_for_a_random_time);
	tcase_add_test(tc, namespaces_are_asked_for_one_by_one);
	tcase_add_test(tc, no_namespaces_are_all_of_them);
	tcase_add_test(tc, selector_goes_with_every_request_encoded);
	tcase_add_test(tc, pages_become_visible_together);
	tcase_add_test(tc, page_that_names_itself_ends_the_list);
	tcase_add_test(tc, list_that_was_given_up_begins_again);
	tcase_add_test(tc, expired_page_is_followed_by_the_whole_list);
	tcase_add_test(tc, list_that_is_always_expired_is_a_failure);
	tcase_add_test(tc, list_too_large_for_us_is_read_in_smaller_pages);
	tcase_add_test(tc, failed_page_starts_the_list_again);
	add_loop(tc, empty_list_means_that_there_is_nothing, COUNT(empty_lists));
	add_loop(tc, bad_list_says_why_and_changes_nothing, COUNT(bad_lists));
	tcase_add_test(tc, list_and_token_too_long_to_send_back_are_refused);
	tcase_add_test(tc, slice_of_more_than_a_mebibyte_costs_itself);
	tcase_add_test(tc, position_is_that_of_the_list_and_opaque);
	tcase_add_test(tc, polls_never_go_back_in_time);
	tcase_add_test(tc, polls_of_many_pages_stay_with_pages);
	tcase_add_test(tc, polls_need_no_position);
}

static void add_objects(TCase *tc)
{
	tcase_add_test(tc, slices_are_read_field_by_field);
	tcase_add_test(tc, what_is_wrong_in_a_slice_is_counted);
	tcase_add_test(tc, services_are_known_and_may_lead_elsewhere);
	tcase_add_test(tc, service_and_slices_may_come_in_any_order);
	add_loop(tc, names_may_tell_the_namespace, 2);
	tcase_add_test(tc, same_endpoint_in_two_slices_is_one_instance);
	add_loop(tc, endpoint_that_is_ready_in_one_slice_is_ready, 3);
	tcase_add_test(tc, slice_beyond_what_the_api_allows_is_bounded);
}

static void add_watches(TCase *tc)
{
	tcase_add_test(tc, events_change_what_is_said);
	tcase_add_test(tc, change_is_certain);
	tcase_add_test(tc, slice_moves_between_services);
	add_loop(tc, watch_goes_on_where_the_last_event_was, COUNT(moves));
	tcase_add_test(tc, bookmark_is_no_object);
	add_loop(tc, lost_watch_goes_on_without_a_list, COUNT(losses));
	add_loop(tc, watch_that_is_refused_goes_on_as_the_reason_demands, COUNT(refusals));
	add_loop(tc, events_that_cannot_be_framed_are_listed_instead, 2);
	tcase_add_test(tc, list_after_a_gap_takes_away_what_went_meanwhile);
	add_loop(tc, position_that_is_never_any_good_is_a_failure, 2);
	tcase_add_test(tc, position_that_is_refused_after_each_restart_is_listed_each_time);
	tcase_add_test(tc, event_of_more_than_a_mebibyte_changes_nothing_else);
	tcase_add_test(tc, services_are_watched_too);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*add)(TCase *tc);
	} cases[] = { { "lists", add_lists }, { "objects", add_objects }, { "watches", add_watches } };
	Suite *suite = suite_create("registry_kubernetes");

	for (size_t i = 0; i < COUNT(cases); i++) {
		TCase *tc = tcase_create(cases[i].name);

		tcase_add_checked_fixture(tc, set_up, tear_down);
		cases[i].add(tc);
		suite_add_tcase(suite, tc);
	}
	return harness_run(suite);
}
