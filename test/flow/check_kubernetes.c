/* SPDX-License-Identifier: BSD-2-Clause */
/* A kubernetes registry, from what its API server tells to our answers: changes show, and what goes wrong
 * between us and the server loses neither answers nor changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fake_dns.h"
#include "fake_kubernetes.h"
#include "harness.h"
#include "planes.h"

#define SHOP "shop.service.local"
#define CART "cart.service.local"
#define ONE  "NOERROR aa; 2 A 10.1.0.1"
#define TWO  "NOERROR aa; 2 A 10.1.0.2"
#define BOTH "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2"

#define ENDPOINT(address, ready, serving, terminating)                                                       \
	"{\"addresses\":[\"" address "\"],\"conditions\":{\"ready\":" #ready ",\"serving\":" #serving        \
	",\"terminating\":" #terminating "}}"
#define READY(address)    ENDPOINT(address, true, true, false)
#define UNREADY(address)  ENDPOINT(address, false, false, false)
#define DRAINING(address) ENDPOINT(address, false, true, true)
#define LEAVING(address)  ENDPOINT(address, false, false, true)

static const char SLICES[] = "/apis/discovery.k8s.io/v1/endpointslices";
static const char SLICES_WATCH[] = "/apis/discovery.k8s.io/v1/endpointslices?watch=1";

static struct fake_kubernetes *api;
static struct planes *planes;
static struct fake_dns *dns;
static char *dir;

static void setup(void)
{
	api = fake_kubernetes_start(0);
	dns = NULL;
	dir = NULL;
	log_capture();
}

static void teardown(void)
{
	planes_stop(planes);
	fake_kubernetes_stop(api);
	fake_dns_stop(dns);
	if (dir != NULL)
		harness_remove_dir(dir);
	log_release();
}

/* --- the cluster --- */

static void put_in(const char *namespace, const char *name, const char *service, const char *endpoints)
{
	char text[2048];

	snprintf(
		text, sizeof(text),
		"{\"metadata\":{\"labels\":{\"kubernetes.io/service-name\":\"%s\"}},\"addressType\":\"IPv4\","
		"\"endpoints\":[%s],\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}]}",
		service, endpoints);
	fake_kubernetes_put(api, FAKE_SLICES, namespace, name, text);
}

static void put(const char *name, const char *service, const char *endpoints)
{
	put_in("store", name, service, endpoints);
}

static void erase(const char *name)
{
	fake_kubernetes_delete(api, FAKE_SLICES, "store", name);
}

static struct fake_http *http(void)
{
	return fake_kubernetes_http(api);
}

static unsigned lists(enum fake_kubernetes_kind kind)
{
	return fake_kubernetes_counts(api).lists[kind];
}

static unsigned watches(enum fake_kubernetes_kind kind)
{
	return fake_kubernetes_counts(api).watches[kind];
}

/* Whether every kind has a stream that is at least the n-th. */
static bool has_watches(void *n)
{
	const struct fake_kubernetes_counts counts = fake_kubernetes_counts(api);
	bool all = true;

	for (unsigned i = 0; i < FAKE_KINDS; i++)
		all = all && counts.streams[i] == 1 && counts.watches[i] >= *(unsigned *)n;
	return all;
}

static void await_watches(unsigned n)
{
	ck_assert(harness_wait(has_watches, &n, CLIENT_LIMIT_MS));
}

static bool has_stream(void *kind)
{
	return fake_kubernetes_counts(api).streams[*(enum fake_kubernetes_kind *)kind] > 0;
}

static void await_stream(enum fake_kubernetes_kind kind)
{
	ck_assert(harness_wait(has_stream, &kind, CLIENT_LIMIT_MS));
}

static bool has_lists(void *n)
{
	return lists(FAKE_SLICES) >= *(unsigned *)n;
}

static void await_lists(unsigned n)
{
	ck_assert(harness_wait(has_lists, &n, CLIENT_LIMIT_MS));
}

/* That the latest request for target has this in its head. */
static void expect_head(const char *target, const char *text)
{
	char *head = fake_http_last_head(http(), target);

	ck_assert_ptr_nonnull(head);
	ck_assert_msg(strstr(head, text) != NULL, "%s", head);
	free(head);
}

/* --- the daemon --- */

/* Changes are logged one by one; what is refused for good is asked for again soon. */
#define HEAD "log-level = debug\n"
#define BLOCK(more)                                                                                          \
	"kubernetes \"k8s\" { url = \"%s\" interval = 100ms jitter = 0 timeout = 500ms " more " }\n"

#define START(more) planes = planes_start(HEAD BLOCK(more), fake_http_url(http()))

/* With one slice of the service shop, watched; a sudden loss is held for an hour. */
static void start_watched(const char *endpoints, const char *text)
{
	put("shop-a", "shop", endpoints);
	planes =
		planes_start(HEAD "zone \"service.local\" { brake = 1h }\n" BLOCK(""), fake_http_url(http()));
	planes_await(planes, SHOP, text);
	await_watches(1);
}

static void expect_srv(const char *name, const char *text)
{
	struct client *c = client_udp(planes_port(planes));

	ck_assert_str_eq(client_ask(c, &(struct question){ .name = name, .type = 33 }), text);
	client_close(c);
}

/* --- changes --- */

START_TEST(changes_of_the_cluster_show)
{
	start_watched(READY("10.1.0.1"), ONE);
	put("shop-a", "shop", READY("10.1.0.1") "," READY("10.1.0.2"));
	planes_await(planes, SHOP, BOTH);
	put("cart-a", "cart", READY("10.2.0.1"));
	planes_await(planes, CART, "NOERROR aa; 2 A 10.2.0.1");
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
	put("shop-a", "shop", "");
	planes_await(planes, SHOP, "NOERROR aa");
	planes_expect(planes, CART, "NOERROR aa; 2 A 10.2.0.1");
	ck_assert_uint_eq(lists(FAKE_SLICES), 1);
	ck_assert_uint_eq(watches(FAKE_SLICES), 1);
}
END_TEST

START_TEST(endpoints_are_answered_by_their_conditions)
{
	static const struct {
		const char *endpoints, *text;
	} steps[] = {
		{ READY("10.1.0.1") "," UNREADY("10.1.0.2"), ONE },
		{ UNREADY("10.1.0.1") "," READY("10.1.0.2"), TWO },
		{ READY("10.1.0.1") "," DRAINING("10.1.0.2"), ONE },
		/* None is ready: those that still serve. */
		{ UNREADY("10.1.0.1") "," DRAINING("10.1.0.2"), TWO },
		{ LEAVING("10.1.0.1") "," DRAINING("10.1.0.2") "," DRAINING("10.1.0.3"),
		  "NOERROR aa; 2 A 10.1.0.2; 2 A 10.1.0.3" },
		/* None serves: all, for one of them may work. */
		{ UNREADY("10.1.0.1") "," LEAVING("10.1.0.2"), BOTH },
		{ READY("10.1.0.1"), ONE },
	};

	start_watched(READY("10.1.0.1") "," READY("10.1.0.2"), BOTH);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		put("shop-a", "shop", steps[i].endpoints);
		planes_await(planes, SHOP, steps[i].text);
	}
}
END_TEST

START_TEST(a_slice_moves_between_services)
{
	start_watched(READY("10.1.0.1"), ONE);
	put("shop-a", "cart", READY("10.1.0.1"));
	planes_await(planes, CART, ONE);
	planes_expect(planes, SHOP, "NXDOMAIN aa");
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
	planes_expect(planes, CART, "NXDOMAIN aa");
}
END_TEST

START_TEST(an_endpoint_in_two_slices_is_one_instance)
{
	start_watched(READY("10.1.0.1"), ONE);
	put("shop-b", "shop", READY("10.1.0.1") "," READY("10.1.0.2"));
	planes_await(planes, SHOP, BOTH);
	expect_srv(SHOP, "NOERROR aa; 2 SRV 0 1 8080 10-1-0-1.addr.service.local.; 2 SRV 0 1 8080 "
			 "10-1-0-2.addr.service.local.");
	put("shop-a", "shop", UNREADY("10.1.0.1"));
	put("shop-b", "shop", READY("10.1.0.1") "," UNREADY("10.1.0.2"));
	planes_await(planes, SHOP, ONE);
	erase("shop-a");
	put("shop-b", "shop", READY("10.1.0.1") "," READY("10.1.0.2"));
	planes_await(planes, SHOP, BOTH);
}
END_TEST

/* What a list leaves out may be a mistake; what is said to be gone is gone. */
START_TEST(deleted_slices_are_gone_at_once)
{
	start_watched(READY("10.1.0.1"), ONE);
	put("cart-a", "cart", READY("10.2.0.1"));
	planes_await(planes, CART, "NOERROR aa; 2 A 10.2.0.1");
	erase("shop-a");
	planes_await(planes, SHOP, "NXDOMAIN aa");
	erase("cart-a");
	planes_await(planes, CART, "NXDOMAIN aa");
	ck_assert_uint_eq(log_count("held="), 0);
	planes_await_status(planes, "k8s", "services", "0");
}
END_TEST

START_TEST(what_changes_nothing_publishes_nothing)
{
	start_watched(READY("10.1.0.1"), ONE);
	for (int i = 0; i < 3; i++) {
		fake_kubernetes_bookmark(api);
		put("shop-a", "shop", READY("10.1.0.1"));
	}
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
	ck_assert_uint_eq(log_count("round=good"), 1);
	ck_assert_uint_eq(log_count("round=changed"), 1);
}
END_TEST

/* --- streams that end --- */

START_TEST(a_watch_that_ends_goes_on_where_it_was)
{
	char position[64];

	start_watched(READY("10.1.0.1"), ONE);
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
	snprintf(position, sizeof(position), "resourceVersion=%llu&",
		 (unsigned long long)fake_kubernetes_version(api));
	fake_kubernetes_end_streams(api);
	await_watches(2);
	expect_head(SLICES_WATCH, position);
	put("shop-a", "shop", READY("10.1.0.1"));
	planes_await(planes, SHOP, ONE);
	ck_assert_uint_eq(lists(FAKE_SLICES) + lists(FAKE_SERVICES), 2);
	planes_await_status(planes, "k8s", "state", "ok");
	ck_assert_uint_eq(log_count("round=failed"), 0);
}
END_TEST

START_TEST(bookmarks_move_the_position)
{
	char position[64];

	start_watched(READY("10.1.0.1"), ONE);
	fake_kubernetes_bookmark(api);
	fake_kubernetes_bookmark(api);
	snprintf(position, sizeof(position), "resourceVersion=%llu&",
		 (unsigned long long)fake_kubernetes_version(api));
	fake_kubernetes_compact(api);
	fake_kubernetes_end_streams(api);
	await_watches(2);
	expect_head(SLICES_WATCH, position);
	expect_head("/api/v1/services?watch=1", position);
	ck_assert_uint_eq(lists(FAKE_SLICES) + lists(FAKE_SERVICES), 2);
}
END_TEST

START_TEST(a_watch_cut_inside_of_an_object_loses_nothing)
{
	start_watched(READY("10.1.0.1"), ONE);
	fake_kubernetes_cut_streams(api);
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
	ck_assert_uint_eq(lists(FAKE_SLICES), 1);
	ck_assert_uint_eq(watches(FAKE_SLICES), 2);
	planes_await_status(planes, "k8s", "state", "ok");
}
END_TEST

START_TEST(an_expired_watch_is_followed_by_a_list)
{
	start_watched(READY("10.1.0.1"), ONE);
	fake_kubernetes_send_error(api, 410);
	await_watches(2);
	ck_assert_uint_eq(lists(FAKE_SLICES), 2);
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
	ck_assert_uint_eq(log_count("round=failed"), 0);
}
END_TEST

START_TEST(an_error_that_passes_costs_no_list)
{
	static const int codes[] = { 429, 500, 504 };

	start_watched(READY("10.1.0.1"), ONE);
	fake_kubernetes_send_error(api, codes[_i]);
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
	ck_assert_uint_eq(lists(FAKE_SLICES), 1);
	log_await("round=failed error=");
}
END_TEST

/* --- a server that goes and comes --- */

static void await_failing(void)
{
	planes_await_status(planes, "k8s", "state", "failing");
}

START_TEST(a_server_that_is_down_costs_nothing)
{
	static const char *const texts[] = { ONE, TWO };

	start_watched(READY("10.1.0.1"), ONE);
	struct stream *stream = stream_start(planes_port(planes), false, SHOP, texts, 2);
	fake_http_down(http());
	await_failing();
	planes_expect(planes, SHOP, ONE);
	put("shop-a", "shop", READY("10.1.0.2"));
	fake_http_up(http());
	planes_await(planes, SHOP, TWO);
	planes_await_status(planes, "k8s", "state", "ok");
	ck_assert_uint_eq(lists(FAKE_SLICES), 1);
	ck_assert_uint_gt(stream_stop(stream), 0);
}
END_TEST

/* The history is gone when it comes back: what is missing in the new list has been deleted. */
START_TEST(what_went_while_the_server_was_away_is_found_out)
{
	fake_kubernetes_gone_as_event(api, _i == 1);
	put("cart-a", "cart", READY("10.2.0.1"));
	planes = planes_start(HEAD "zone \"service.local\" { brake = 0 }\n" BLOCK(""), fake_http_url(http()));
	planes_await(planes, CART, "NOERROR aa; 2 A 10.2.0.1");
	await_watches(1);
	fake_http_down(http());
	put("shop-a", "shop", READY("10.1.0.1"));
	fake_kubernetes_delete(api, FAKE_SLICES, "store", "cart-a");
	fake_kubernetes_compact(api);
	await_failing();
	planes_expect(planes, CART, "NOERROR aa; 2 A 10.2.0.1");
	fake_http_up(http());
	planes_await(planes, SHOP, ONE);
	planes_expect(planes, CART, "NXDOMAIN aa");
	ck_assert_uint_eq(lists(FAKE_SLICES), 2);
	await_watches(2);
	planes_await_status(planes, "k8s", "state", "ok");
}
END_TEST

/* Each time nothing had happened since, so the position is as old as the history. */
START_TEST(a_server_that_restarts_again_and_again_is_followed)
{
	static const char *const texts[] = { ONE, TWO };

	start_watched(READY("10.1.0.1"), ONE);
	for (unsigned i = 1; i <= 4; i++) {
		put("shop-a", "shop", i % 2 != 0 ? READY("10.1.0.2") : READY("10.1.0.1"));
		planes_await(planes, SHOP, texts[i % 2]);
		fake_kubernetes_restart(api);
		await_watches(1 + i);
	}
	planes_await_status(planes, "k8s", "state", "ok");
	ck_assert_uint_eq(log_count("no watch from the position"), 0);
}
END_TEST

START_TEST(a_list_without_everything_is_held)
{
	start_watched(READY("10.1.0.1"), ONE);
	fake_http_down(http());
	erase("shop-a");
	fake_kubernetes_compact(api);
	fake_http_up(http());
	planes_await_status(planes, "k8s", "held", "1");
	planes_expect(planes, SHOP, ONE);
	log_await("registry=k8s held=1 reason=");

	/* Twice the same is believed. */
	await_watches(2);
	fake_kubernetes_send_error(api, 410);
	planes_await(planes, SHOP, "NXDOMAIN aa");
	planes_await_status(planes, "k8s", "held", "0");
}
END_TEST

START_TEST(a_server_that_hangs_is_a_failure_until_it_answers)
{
	put("shop-a", "shop", READY("10.1.0.1"));
	fake_kubernetes_set_mode(api, FAKE_KUBERNETES_HANG);
	planes =
		planes_start("static \"own\" { instance \"10.9.0.1:80\" { service = \"mine\" } }\n" BLOCK(""),
			     fake_http_url(http()));
	planes_await(planes, "mine.service.local", "NOERROR aa; 2 A 10.9.0.1");
	await_failing();
	planes_expect(planes, "mine.service.local", "NOERROR aa; 2 A 10.9.0.1");
	fake_kubernetes_set_mode(api, FAKE_KUBERNETES_NORMAL);
	planes_await(planes, SHOP, ONE);
	planes_await_status(planes, "k8s", "state", "ok");
}
END_TEST

START_TEST(a_watch_that_falls_silent_loses_nothing)
{
	start_watched(READY("10.1.0.1"), ONE);
	fake_kubernetes_set_mode(api, FAKE_KUBERNETES_HANG);
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_expect(planes, SHOP, ONE);
	fake_kubernetes_set_mode(api, FAKE_KUBERNETES_NORMAL);
	planes_await(planes, SHOP, TWO);
	ck_assert_uint_eq(lists(FAKE_SLICES), 1);
}
END_TEST

START_TEST(a_server_in_trouble_changes_nothing)
{
	start_watched(READY("10.1.0.1"), ONE);
	fake_kubernetes_set_mode(api, _i == 0 ? FAKE_KUBERNETES_TOO_MANY : FAKE_KUBERNETES_FAILING);
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO); /* the stream does not mind */
	fake_kubernetes_end_streams(api);
	await_failing();
	planes_expect(planes, SHOP, TWO);
	log_await(_i == 0 ? "HTTP status 429: too many requests" : "HTTP status 500: Internal error");
	fake_kubernetes_set_mode(api, FAKE_KUBERNETES_NORMAL);
	planes_await_status(planes, "k8s", "state", "ok");
	ck_assert_uint_eq(lists(FAKE_SLICES), 1);
}
END_TEST

/* --- credentials --- */

static void start_with_token(const char *token)
{
	dir = harness_make_dir();
	harness_write_file(dir, "token", token);
	put("shop-a", "shop", READY("10.1.0.1"));
	planes = planes_start(HEAD BLOCK("token-file = \"%s/token\""), fake_http_url(http()), dir);
}

START_TEST(a_token_that_is_refused_keeps_the_answers)
{
	static const char *const logged[] = {
		"HTTP status 401: Unauthorized",
		"cannot watch resource \\\"endpointslices\\\" in API group \\\"discovery.k8s.io\\\" at the "
		"cluster scope",
	};

	start_with_token("sesame\n");
	planes_await(planes, SHOP, ONE);
	await_watches(1);
	if (_i == 0)
		fake_kubernetes_set_token(api, "other");
	else
		fake_kubernetes_forbid(api, "sesame");
	fake_kubernetes_end_streams(api);
	await_failing();
	planes_expect(planes, SHOP, ONE);
	log_await(logged[_i]);
	fake_kubernetes_set_token(api, NULL);
	fake_kubernetes_forbid(api, NULL);
	planes_await_status(planes, "k8s", "state", "ok");
	ck_assert_uint_eq(lists(FAKE_SLICES), 1);
}
END_TEST

START_TEST(a_token_is_read_anew_for_each_request)
{
	fake_kubernetes_set_token(api, "first");
	start_with_token("first\n");
	planes_await(planes, SHOP, ONE);
	await_watches(1);
	harness_replace_file(dir, "token", "second\n");
	fake_kubernetes_set_token(api, "second");
	fake_kubernetes_end_streams(api);
	await_watches(2);
	expect_head(SLICES_WATCH, "Authorization: Bearer second\r\n");
	planes_await_status(planes, "k8s", "failures", "0");
}
END_TEST

/* Only names that lead elsewhere and empty services are missing then. */
START_TEST(without_the_right_to_services_instances_are_not_stale)
{
	fake_kubernetes_forbid_kind(api, FAKE_SERVICES, true);
	put("shop-a", "shop", READY("10.1.0.1"));
	planes = planes_start(HEAD "zone \"service.local\" { stale-after = 1s }\n" BLOCK(""),
			      fake_http_url(http()));
	planes_await(planes, SHOP, ONE);
	await_failing();
	log_await("services: HTTP status 403: services is forbidden: User "
		  "\\\"system:serviceaccount:shop:sidecar\\\" cannot list resource \\\"services\\\" in API "
		  "group \\\"\\\" at the cluster scope");

	/* The sixth time is seconds after the first: four are of a back-off, with 1.5 s at least in sum. */
	planes_await_count(planes, "k8s", "failures", 6);
	planes_expect(planes, SHOP, ONE);
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
	ck_assert_str_eq(planes_status(planes, "k8s", "age"), "0.0s");
	ck_assert_str_eq(planes_status(planes, "k8s", "state"), "failing");

	fake_kubernetes_put(api, FAKE_SERVICES, "store", "idle", "{\"spec\":{\"type\":\"ClusterIP\"}}");
	fake_kubernetes_forbid_kind(api, FAKE_SERVICES, false);
	planes_await(planes, "idle.service.local", "NOERROR aa");
	planes_await_status(planes, "k8s", "state", "ok");
}
END_TEST

/* They would be known, and empty. */
START_TEST(services_alone_are_no_data)
{
	put("shop-a", "shop", READY("10.1.0.1"));
	fake_kubernetes_put(api, FAKE_SERVICES, "store", "shop", "{\"spec\":{\"type\":\"ClusterIP\"}}");
	fake_kubernetes_forbid_kind(api, FAKE_SLICES, true);
	START("");
	await_stream(FAKE_SERVICES);
	planes_await_count(planes, "k8s", "failures", 2);
	planes_expect(planes, SHOP, "SERVFAIL ede 14");
	ck_assert_str_eq(planes_status(planes, "k8s", "age"), "none");
	ck_assert_uint_eq(log_count("round=changed"), 0);
	fake_kubernetes_forbid_kind(api, FAKE_SLICES, false);
	planes_await(planes, SHOP, ONE);
}
END_TEST

START_TEST(without_the_right_to_slices_answers_are_stale)
{
	start_with_token("sesame\n");
	planes_await(planes, SHOP, ONE);
	await_watches(1);
	fake_kubernetes_forbid_kind(api, FAKE_SLICES, true);
	planes_reload(planes,
		      HEAD "zone \"service.local\" { stale-after = 1s }\n" BLOCK("token-file = \"%s/token\""),
		      fake_http_url(http()), dir);
	fake_kubernetes_end_streams(api);
	planes_await(planes, SHOP, "NOERROR aa ede 3; 1 A 10.1.0.1");
	fake_kubernetes_forbid_kind(api, FAKE_SLICES, false);
	planes_await(planes, SHOP, ONE);
}
END_TEST

/* --- what it is configured for --- */

START_TEST(only_the_namespaces_asked_for_are_known)
{
	put_in("store", "shop-a", "shop", READY("10.1.0.1"));
	put_in("other", "shop-b", "shop", READY("10.1.0.2"));
	put_in("secret", "cart-a", "cart", READY("10.1.0.3"));
	START("namespaces = { \"store\", \"other\" }");
	planes_await(planes, SHOP, BOTH);
	planes_expect(planes, CART, "NXDOMAIN aa");
	put_in("secret", "shop-c", "shop", READY("10.1.0.4"));
	put_in("other", "shop-b", "shop", "");
	planes_await(planes, SHOP, ONE);
	ck_assert_ptr_null(fake_http_last_head(http(), SLICES));
	expect_head("/apis/discovery.k8s.io/v1/namespaces/other/endpointslices?", "GET ");
}
END_TEST

START_TEST(names_can_tell_the_namespace)
{
	put_in("store", "shop-a", "shop", READY("10.1.0.1"));
	put_in("other", "shop-b", "shop", READY("10.1.0.2"));
	START("names = service.namespace");
	planes_await(planes, "shop.store.service.local", ONE);
	planes_await(planes, "shop.other.service.local", TWO);
	planes_expect(planes, SHOP, "NXDOMAIN aa");
	planes_expect(planes, "store.service.local", "NOERROR aa");
}
END_TEST

START_TEST(external_names_are_looked_up)
{
	dns = fake_dns_start();
	fake_dns_add(dns, "api.partner.example", "192.0.2.7", 60);
	fake_kubernetes_put(
		api, FAKE_SERVICES, "store", "partner",
		"{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"api.partner.example\"}}");
	planes = planes_start("bootstrap = { \"127.0.0.1:%u\" }\n" BLOCK(""), fake_dns_port(dns),
			      fake_http_url(http()));
	planes_await(planes, "partner.service.local", "NOERROR aa; 2 A 192.0.2.7");
	await_watches(1);
	fake_dns_add(dns, "new.partner.example", "192.0.2.8", 60);
	fake_kubernetes_put(
		api, FAKE_SERVICES, "store", "partner",
		"{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"new.partner.example\"}}");
	planes_await(planes, "partner.service.local", "NOERROR aa; 2 A 192.0.2.8");
	fake_kubernetes_delete(api, FAKE_SERVICES, "store", "partner");
	planes_await(planes, "partner.service.local", "NXDOMAIN aa");
}
END_TEST

START_TEST(host_names_of_a_headless_service_are_names)
{
	put("db-a", "db",
	    "{\"addresses\":[\"10.1.0.1\"],\"hostname\":\"db-0\"},"
	    "{\"addresses\":[\"10.1.0.2\"],\"hostname\":\"db-1\"}");
	START("");
	planes_await(planes, "db.service.local", BOTH);
	planes_expect(planes, "db-0.db.service.local", ONE);
	planes_expect(planes, "db-1.db.service.local", TWO);
	planes_expect(planes, "db-2.db.service.local", "NXDOMAIN aa");
}
END_TEST

/* As during a roll-out in which a named port gets another number. */
START_TEST(a_named_port_has_the_number_of_its_slice)
{
	static const char format[] =
		"{\"metadata\":{\"labels\":{\"kubernetes.io/service-name\":\"shop\"}},\"addressType\":\"IPv4\","
		"\"endpoints\":[{\"addresses\":[\"10.1.0.%d\"]}],\"ports\":[{\"name\":\"http\",\"port\":%d},"
		"{\"name\":\"admin\",\"port\":9000}]}";
	char text[512], name[16];

	for (int i = 1; i <= 2; i++) {
		snprintf(text, sizeof(text), format, i, 8079 + i);
		snprintf(name, sizeof(name), "shop-%d", i);
		fake_kubernetes_put(api, FAKE_SLICES, "store", name, text);
	}
	START("");
	planes_await(planes, SHOP, BOTH);
	expect_srv("_http._tcp." SHOP, "NOERROR aa; 2 SRV 0 1 8080 10-1-0-1.addr.service.local.; "
				       "2 SRV 0 1 8081 10-1-0-2.addr.service.local.");
	expect_srv("_admin._tcp." SHOP, "NOERROR aa; 2 SRV 0 1 9000 10-1-0-1.addr.service.local.; "
					"2 SRV 0 1 9000 10-1-0-2.addr.service.local.");
	expect_srv("_http._udp." SHOP, "NXDOMAIN aa");
}
END_TEST

static void put_labelled(const char *team)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"metadata\":{\"labels\":{\"kubernetes.io/service-name\":\"shop\",\"team\":\"%s\"}},"
		 "\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.1.0.1\"]}]}",
		 team);
	fake_kubernetes_put(api, FAKE_SLICES, "store", "shop-a", text);
}

START_TEST(only_what_has_the_labels_is_known)
{
	put("cart-a", "cart", READY("10.2.0.1"));
	put_labelled("red");
	START("label-selector = \"team=red\"");
	planes_await(planes, SHOP, ONE);
	planes_expect(planes, CART, "NXDOMAIN aa");
	await_watches(1);
	put_labelled("blue");
	planes_await(planes, SHOP, "NXDOMAIN aa");
	put_labelled("red");
	planes_await(planes, SHOP, ONE);
	expect_head(SLICES, "?labelSelector=team%3Dred&watch=1&");
}
END_TEST

START_TEST(without_watches_it_polls)
{
	put("shop-a", "shop", READY("10.1.0.1"));
	START("watch = false");
	planes_await(planes, SHOP, ONE);
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
	await_lists(lists(FAKE_SLICES) + 3);
	ck_assert_uint_eq(watches(FAKE_SLICES) + watches(FAKE_SERVICES), 0);
	ck_assert_uint_eq(log_count("round=changed"), 1);
	expect_head(SLICES, "resourceVersionMatch=NotOlderThan");
}
END_TEST

/* --- reloads --- */

START_TEST(a_reload_without_a_change_of_it_keeps_the_answers)
{
	static const char *const text = ONE;

	put("shop-a", "shop", READY("10.1.0.1"));
	START("");
	planes_await(planes, SHOP, ONE);
	await_watches(1);
	struct stream *stream = stream_start(planes_port(planes), false, SHOP, &text, 1);
	planes_reload(planes,
		      HEAD BLOCK("") "static \"own\" { instance \"10.9.0.1:80\" { service = \"mine\" } }\n",
		      fake_http_url(http()));
	planes_await(planes, "mine.service.local", "NOERROR aa; 2 A 10.9.0.1");
	ck_assert_uint_gt(stream_stop(stream), 0);
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
	ck_assert_uint_eq(log_count("round=failed"), 0);
}
END_TEST

START_TEST(a_reload_with_a_change_of_it_keeps_the_answers)
{
	static const char *const text = ONE;

	put("shop-a", "shop", READY("10.1.0.1"));
	START("");
	planes_await(planes, SHOP, ONE);
	await_watches(1);
	struct stream *stream = stream_start(planes_port(planes), false, SHOP, &text, 1);
	planes_reload(planes, HEAD BLOCK("namespaces = { \"store\" }"), fake_http_url(http()));
	await_watches(2);
	ck_assert_uint_gt(stream_stop(stream), 0);
	put("shop-a", "shop", READY("10.1.0.2"));
	planes_await(planes, SHOP, TWO);
}
END_TEST

static TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	return tc;
}

static void add_tests(Suite *suite)
{
	TCase *changes = add_case(suite, "changes");
	TCase *streams = add_case(suite, "streams");
	TCase *server = add_case(suite, "server");

	tcase_add_test(changes, changes_of_the_cluster_show);
	tcase_add_test(changes, endpoints_are_answered_by_their_conditions);
	tcase_add_test(changes, a_slice_moves_between_services);
	tcase_add_test(changes, an_endpoint_in_two_slices_is_one_instance);
	tcase_add_test(changes, deleted_slices_are_gone_at_once);
	tcase_add_test(changes, what_changes_nothing_publishes_nothing);

	tcase_add_test(streams, a_watch_that_ends_goes_on_where_it_was);
	tcase_add_test(streams, bookmarks_move_the_position);
	tcase_add_test(streams, a_watch_cut_inside_of_an_object_loses_nothing);
	tcase_add_test(streams, an_expired_watch_is_followed_by_a_list);
	tcase_add_loop_test(streams, an_error_that_passes_costs_no_list, 0, 3);

	tcase_add_test(server, a_server_that_is_down_costs_nothing);
	tcase_add_loop_test(server, what_went_while_the_server_was_away_is_found_out, 0, 2);
	tcase_add_test(server, a_server_that_restarts_again_and_again_is_followed);
	tcase_add_test(server, a_list_without_everything_is_held);
	tcase_add_test(server, a_server_that_hangs_is_a_failure_until_it_answers);
	tcase_add_test(server, a_watch_that_falls_silent_loses_nothing);
	tcase_add_loop_test(server, a_server_in_trouble_changes_nothing, 0, 2);
}

int main(void)
{
	Suite *suite = suite_create("kubernetes");

	add_tests(suite);
	TCase *credentials = add_case(suite, "credentials");
	TCase *options = add_case(suite, "options");
	TCase *reloads = add_case(suite, "reloads");

	tcase_add_loop_test(credentials, a_token_that_is_refused_keeps_the_answers, 0, 2);
	tcase_add_test(credentials, a_token_is_read_anew_for_each_request);
	tcase_add_test(credentials, without_the_right_to_services_instances_are_not_stale);
	tcase_add_test(credentials, services_alone_are_no_data);
	tcase_add_test(credentials, without_the_right_to_slices_answers_are_stale);

	tcase_add_test(options, only_the_namespaces_asked_for_are_known);
	tcase_add_test(options, names_can_tell_the_namespace);
	tcase_add_test(options, external_names_are_looked_up);
	tcase_add_test(options, host_names_of_a_headless_service_are_names);
	tcase_add_test(options, a_named_port_has_the_number_of_its_slice);
	tcase_add_test(options, only_what_has_the_labels_is_known);
	tcase_add_test(options, without_watches_it_polls);

	tcase_add_test(reloads, a_reload_without_a_change_of_it_keeps_the_answers);
	tcase_add_test(reloads, a_reload_with_a_change_of_it_keeps_the_answers);
	return harness_run(suite);
}
