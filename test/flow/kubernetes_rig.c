/* SPDX-License-Identifier: BSD-2-Clause */
#include "kubernetes_rig.h"

const char SLICES[] = "/apis/discovery.k8s.io/v1/endpointslices";
const char SLICES_WATCH[] = "/apis/discovery.k8s.io/v1/endpointslices?watch=1";

struct fake_kubernetes *api;
struct planes *planes;
struct fake_dns *dns;
char *dir;

void setup(void)
{
	api = fake_kubernetes_start(0);
	dns = NULL;
	dir = NULL;
	log_capture();
}

void teardown(void)
{
	planes_stop(planes);
	fake_kubernetes_stop(api);
	fake_dns_stop(dns);
	if (dir != NULL)
		harness_remove_dir(dir);
	log_release();
}

void put_in(const char *namespace, const char *name, const char *service, const char *endpoints)
{
	char text[2048];

	snprintf(
		text, sizeof(text),
		"{\"metadata\":{\"labels\":{\"kubernetes.io/service-name\":\"%s\"}},\"addressType\":\"IPv4\","
		"\"endpoints\":[%s],\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}]}",
		service, endpoints);
	fake_kubernetes_put(api, FAKE_SLICES, namespace, name, text);
}

void put(const char *name, const char *service, const char *endpoints)
{
	put_in("store", name, service, endpoints);
}

void erase(const char *name)
{
	fake_kubernetes_delete(api, FAKE_SLICES, "store", name);
}

struct fake_http *http(void)
{
	return fake_kubernetes_http(api);
}

unsigned lists(enum fake_kubernetes_kind kind)
{
	return fake_kubernetes_counts(api).lists[kind];
}

unsigned watches(enum fake_kubernetes_kind kind)
{
	return fake_kubernetes_counts(api).watches[kind];
}

bool has_watches(void *n)
{
	const struct fake_kubernetes_counts counts = fake_kubernetes_counts(api);
	bool all = true;

	for (unsigned i = 0; i < FAKE_KINDS; i++)
		all = all && counts.streams[i] == 1 && counts.watches[i] >= *(unsigned *)n;
	return all;
}

void await_watches(unsigned n)
{
	ck_assert(harness_wait(has_watches, &n, CLIENT_LIMIT_MS));
}

void expect_head(const char *target, const char *text)
{
	char *head = fake_http_last_head(http(), target);

	ck_assert_ptr_nonnull(head);
	ck_assert_msg(strstr(head, text) != NULL, "%s", head);
	free(head);
}

void start_watched(const char *endpoints, const char *text)
{
	put("shop-a", "shop", endpoints);
	planes =
		planes_start(HEAD "zone \"service.local\" { brake = 1h }\n" BLOCK(""), fake_http_url(http()));
	planes_await(planes, SHOP, text);
	await_watches(1);
}

TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	return tc;
}
