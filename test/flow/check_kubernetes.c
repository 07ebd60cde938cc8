/* SPDX-License-Identifier: BSD-2-Clause */
/* The real planes beside a fake Kubernetes: changes, and what it is configured for. */
#include "kubernetes_rig.h"

/* --- the cluster --- */

static bool has_lists(void *n)
{
	return lists(FAKE_SLICES) >= *(unsigned *)n;
}

static void await_lists(unsigned n)
{
	ck_assert(harness_wait(has_lists, &n, CLIENT_LIMIT_MS));
}

/* --- the daemon --- */

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

static void add_tests(Suite *suite)
{
	TCase *changes = add_case(suite, "changes");

	tcase_add_test(changes, changes_of_the_cluster_show);
	tcase_add_test(changes, endpoints_are_answered_by_their_conditions);
	tcase_add_test(changes, a_slice_moves_between_services);
	tcase_add_test(changes, an_endpoint_in_two_slices_is_one_instance);
	tcase_add_test(changes, deleted_slices_are_gone_at_once);
	tcase_add_test(changes, what_changes_nothing_publishes_nothing);
}

int main(void)
{
	Suite *suite = suite_create("kubernetes");

	add_tests(suite);
	TCase *options = add_case(suite, "options");
	TCase *reloads = add_case(suite, "reloads");

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
