/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "harness.h"
#include "kind.h"
#include "registry/registry.h"

static struct snapshot *run(const struct static_instance *instances, size_t n)
{
	const struct registry_options o = { .kind = "static", .instances = instances, .n_instances = n };
	struct snapshot *s;
	struct kind k;

	kind_start(&k, &registry_static, &o, NULL);
	ck_assert_uint_eq(k.n, 0);
	ck_assert_int_eq(ledger_seal(k.ledger, &s), 0);
	kind_finish(&k);
	return s;
}

START_TEST(configured_instances_are_there_from_the_start)
{
	const char *const tags[] = { "v2", "v1" };
	const struct static_instance instances[] = {
		{ .service = "Legacy", .address = "10.0.0.9:8080", .weight = 1 },
		{ .service = "legacy",
		  .address = "[2001:db8::1]:81",
		  .name = "Two",
		  .port_name = "http",
		  .zone = "z",
		  .tags = tags,
		  .n_tags = 2,
		  .weight = 0,
		  .priority = 3,
		  .health = HEALTH_WARNING,
		  .protocol = PROTOCOL_UDP },
		{ .service = "other", .address = "db.example", .weight = 1 },
	};
	struct snapshot *s = run(instances, 3);
	const struct service *legacy = snapshot_find(s, "legacy");
	const struct instance *two = legacy->instances[1];

	ck_assert_uint_eq(s->n_services, 2);
	ck_assert_uint_eq(s->n_instances, 3);
	ck_assert_uint_eq(legacy->instances[0]->port, 8080);
	ck_assert_uint_eq(legacy->instances[0]->weight, 1);
	ck_assert_uint_eq(two->address.len, 16);
	ck_assert_uint_eq(two->port, 81);
	ck_assert_str_eq(instance_name(two), "two");
	ck_assert_str_eq(instance_port_name(two), "http");
	ck_assert_str_eq(instance_zone(two), "z");
	ck_assert_uint_eq(two->n_tags, 2);
	ck_assert_str_eq(instance_tag(two, 0), "v1");
	ck_assert_uint_eq(two->weight, 0);
	ck_assert_uint_eq(two->priority, 3);
	ck_assert_int_eq(two->health, HEALTH_WARNING);
	ck_assert_int_eq(two->protocol, PROTOCOL_UDP);
	ck_assert_str_eq(instance_host(snapshot_find(s, "other")->instances[0]), "db.example");
	snapshot_release(s);
}
END_TEST

static const struct {
	const char *address;
	enum drop reason;
} bad[] = {
	{ "10.0.0.9:port", DROP_ADDRESS },  { "", DROP_ADDRESS },        { ":80", DROP_ADDRESS },
	{ "10.0.0.9:70000", DROP_ADDRESS }, { "0.0.0.0", DROP_ADDRESS }, { "010.0.0.1", DROP_ADDRESS },
};

START_TEST(bad_instance_is_dropped_and_told)
{
	const struct static_instance instance = { .service = "legacy", .address = bad[_i].address };
	struct snapshot *s = run(&instance, 1);

	ck_assert_uint_eq(s->n_services, 1);
	ck_assert_uint_eq(s->n_instances, 0);
	ck_assert_uint_eq(snapshot_dropped(s, bad[_i].reason), 1);
	ck_assert_uint_eq(snapshot_n_remarks(s), 1);
	ck_assert_ptr_nonnull(strstr(snapshot_remark(s, 0), bad[_i].address));
	snapshot_release(s);
}
END_TEST

START_TEST(nothing_configured_is_nothing_there)
{
	struct snapshot *s = run(NULL, 0);

	ck_assert_uint_eq(s->n_services, 0);
	snapshot_release(s);
	registry_static.destroy(NULL);
}
END_TEST

START_TEST(kinds_are_found_by_name)
{
	ck_assert_ptr_eq(registry_kind_find("static"), &registry_static);
	ck_assert_ptr_eq(registry_kind_find("file"), &registry_file);
	ck_assert_ptr_eq(registry_kind_find("http"), &registry_http);
	ck_assert_ptr_eq(registry_kind_find("consul"), &registry_consul);
	ck_assert_ptr_eq(registry_kind_find("etcd"), &registry_etcd);
	ck_assert_ptr_eq(registry_kind_find("kubernetes"), &registry_kubernetes);
	ck_assert_ptr_eq(registry_kind_find("dns"), &registry_dns);
	ck_assert_ptr_null(registry_kind_find("HTTP"));
	ck_assert_ptr_null(registry_kind_find(""));
	ck_assert(!registry_static.brake);
	ck_assert(!registry_file.brake);
	ck_assert(registry_http.brake);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("registry_static");
	TCase *instances = tcase_create("instances");
	TCase *kinds = tcase_create("kinds");

	tcase_add_test(instances, configured_instances_are_there_from_the_start);
	tcase_add_loop_test(instances, bad_instance_is_dropped_and_told, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(instances, nothing_configured_is_nothing_there);
	tcase_add_test(kinds, kinds_are_found_by_name);
	suite_add_tcase(suite, instances);
	suite_add_tcase(suite, kinds);
	return harness_run(suite);
}
