/* SPDX-License-Identifier: BSD-2-Clause */
/* The real planes beside a fake Kubernetes that ends streams, goes away, and refuses. */
#include "kubernetes_rig.h"

/* --- the cluster --- */

static bool has_stream(void *kind)
{
	return fake_kubernetes_counts(api).streams[*(enum fake_kubernetes_kind *)kind] > 0;
}

static void await_stream(enum fake_kubernetes_kind kind)
{
	ck_assert(harness_wait(has_stream, &kind, CLIENT_LIMIT_MS));
}

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
	planes_await(planes, CART, "NXDOMAIN aa");
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

static void add_tests(Suite *suite)
{
	TCase *streams = add_case(suite, "streams");
	TCase *server = add_case(suite, "server");

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
	Suite *suite = suite_create("kubernetes_trouble");

	add_tests(suite);
	TCase *credentials = add_case(suite, "credentials");

	tcase_add_loop_test(credentials, a_token_that_is_refused_keeps_the_answers, 0, 2);
	tcase_add_test(credentials, a_token_is_read_anew_for_each_request);
	tcase_add_test(credentials, without_the_right_to_services_instances_are_not_stale);
	tcase_add_test(credentials, services_alone_are_no_data);
	tcase_add_test(credentials, without_the_right_to_slices_answers_are_stale);

	return harness_run(suite);
}
