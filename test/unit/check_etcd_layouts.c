/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "harness.h"
#include "model/snapshot.h"
#include "registry/etcd_layouts.h"

static struct snapshot *last;

static void tear_down(void)
{
	snapshot_release(last);
	last = NULL;
}

static const struct snapshot *read_kv(enum etcd_layout layout, const char *path, const struct etcd_kv *kv)
{
	struct snapshot_builder *b = snapshot_builder_create();

	snapshot_release(last);
	ck_assert_int_eq(etcd_read_record(layout, path, kv, b), 0);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &last), 0);
	snapshot_builder_destroy(b);
	return last;
}

static const struct snapshot *read(enum etcd_layout layout, const char *path, const char *value)
{
	const struct etcd_kv kv = {
		.key = path, .key_len = strlen(path), .value = value, .value_len = strlen(value)
	};

	return read_kv(layout, path, &kv);
}

static size_t count_dropped(const struct snapshot *s)
{
	size_t n = 0;

	for (int reason = 0; reason < DROP_REASONS; reason++)
		n += snapshot_dropped(s, reason);
	return n;
}

/* "east=10.0.0.1:80 inventory.east=x1@10.0.0.1:80"; a service with nothing is "east=". */
static const char *write_services(const struct snapshot *s)
{
	static char text[4096];
	char address[ADDRESS_TEXT_MAX];
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < s->n_services; i++) {
		const struct service *service = s->services[i];
		const struct instance *in = service->n_instances > 0 ? service->instances[0] : NULL;

		ck_assert_uint_le(service->n_instances, 1);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s=", at > 0 ? " " : "",
				       service->name);
		if (service->n_instances == 1)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s%s:%u",
					       instance_name(in) != NULL ? instance_name(in) : "",
					       instance_name(in) != NULL ? "@" : "",
					       instance_host(in) != NULL
						       ? instance_host(in)
						       : address_to_text(&in->address, address),
					       in->port);
	}
	return text;
}

static const struct instance *only(const struct snapshot *s)
{
	ck_assert_uint_eq(s->n_services, 1);
	ck_assert_uint_eq(s->n_instances, 1);
	return s->services[0]->instances[0];
}

/* --- prefixes --- */

static const struct {
	enum etcd_layout layout;
	const char *prefix, *zone, *made;
} prefixes[] = {
	{ ETCD_SKYDNS, NULL, NULL, "/skydns/" },
	{ ETCD_SKYDNS, NULL, "", "/skydns/" },
	{ ETCD_SKYDNS, NULL, "Service.Local.", "/skydns/local/service/" },
	{ ETCD_SKYDNS, "/dns", "corp", "/dns/corp/" },
	{ ETCD_SKYDNS, "", "corp", "corp/" },
	{ ETCD_NAMING, NULL, "service.local", "" },
	{ ETCD_NAMING, "", NULL, "" },
	{ ETCD_NAMING, "services", NULL, "services/" },
	{ ETCD_NAMING, "services/", NULL, "services/" },
};

START_TEST(prefix_ends_in_a_slash_and_has_the_zone_turned_around)
{
	const struct etcd_options o = { .layout = prefixes[_i].layout,
					.prefix = prefixes[_i].prefix,
					.zone = prefixes[_i].zone };
	char *prefix;

	ck_assert_int_eq(etcd_make_prefix(&o, &prefix), 0);
	ck_assert_str_eq(prefix, prefixes[_i].made);
	free(prefix);
}
END_TEST

START_TEST(zone_that_is_no_name_is_refused)
{
	const struct etcd_options o = { .zone = "a..b" };
	char *prefix;

	ck_assert_int_eq(etcd_make_prefix(&o, &prefix), -EINVAL);
}
END_TEST

/* --- skydns --- */

static const struct {
	const char *path, *services;
} paths[] = {
	{ "inventory/x1", "inventory=x1@10.0.0.1:80" },
	{ "inventory", "inventory=10.0.0.1:80" },
	{ "Order_Service/O1", "order_service=o1@10.0.0.1:80" },
	{ "east/inventory/x1", "east=10.0.0.1:80 inventory.east=x1@10.0.0.1:80" },
	{ "a/b/c/d", "a=10.0.0.1:80 b.a=10.0.0.1:80 c.b.a=d@10.0.0.1:80" },
	{ "inventory/", "inventory=10.0.0.1:80" },
	{ "inventory/not a label", "inventory=10.0.0.1:80" },
	{ "inventory/x.1", "inventory=10.0.0.1:80" },
	{ "1/2/3/4/5/6/7/8", "1=10.0.0.1:80 2.1=10.0.0.1:80 3.2.1=10.0.0.1:80 4.3.2.1=10.0.0.1:80 "
			     "5.4.3.2.1=10.0.0.1:80 6.5.4.3.2.1=10.0.0.1:80 7.6.5.4.3.2.1=8@10.0.0.1:80" },
};

START_TEST(key_is_found_by_every_name_above_it)
{
	const struct snapshot *s = read(ETCD_SKYDNS, paths[_i].path, "{\"host\":\"10.0.0.1\",\"port\":80}");

	ck_assert_str_eq(write_services(s), paths[_i].services);
	ck_assert_uint_eq(count_dropped(s), 0);
}
END_TEST

#define LABEL_OF_64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define LABEL_OF_60 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc/"

static const struct {
	const char *path;
	enum drop reason;
} bad_paths[] = {
	{ "", DROP_SERVICE_NAME },
	{ "/x1", DROP_SERVICE_NAME },
	{ "//x1", DROP_SERVICE_NAME },
	{ "inventory//x1", DROP_SERVICE_NAME },
	{ "two words/x1", DROP_SERVICE_NAME },
	{ "two words", DROP_SERVICE_NAME },
	{ "gr\xc3\xb6\xc3\x9f\x65/x1", DROP_SERVICE_NAME },
	{ "latin-\xf6/x1", DROP_SERVICE_NAME },
	{ "dotted.name/x1", DROP_SERVICE_NAME },
	{ LABEL_OF_64 "/x1", DROP_SERVICE_NAME },
	{ LABEL_OF_60 LABEL_OF_60 LABEL_OF_60 LABEL_OF_60 "x1", DROP_SERVICE_NAME },
	{ "addr/x1", DROP_RESERVED },
	{ "1/2/3/4/5/6/7/8/9", DROP_LIMIT },
	{ "////////////////////////////", DROP_LIMIT },
};

START_TEST(key_that_is_no_name_is_dropped_and_named)
{
	const struct snapshot *s = read(ETCD_SKYDNS, bad_paths[_i].path, "{\"host\":\"10.0.0.1\"}");
	char start[16];

	snprintf(start, sizeof(start), "key \"%.6s", bad_paths[_i].path);
	start[strcspn(start, "\xc3\xf6")] = '\0';
	ck_assert_uint_eq(s->n_services, 0);
	ck_assert_uint_eq(snapshot_dropped(s, bad_paths[_i].reason), 1);
	ck_assert_uint_eq(count_dropped(s), 1);
	ck_assert_ptr_nonnull(strstr(snapshot_remark(s, 0), start));
}
END_TEST

START_TEST(record_says_what_coredns_reads)
{
	const struct instance *in =
		only(read(ETCD_SKYDNS, "shop/a",
			  "{\"host\":\"10.0.0.1\",\"port\":\"8000\",\"priority\":3,\"weight\":40,\"ttl\":7,"
			  "\"text\":\"v2\",\"group\":\"green\",\"targetstrip\":1,\"mail\":true}"));

	ck_assert_uint_eq(in->port, 8000);
	ck_assert_uint_eq(in->priority, 3);
	ck_assert_uint_eq(in->weight, 40);
	ck_assert_uint_eq(in->ttl_s, 7);
	ck_assert_uint_eq(in->n_tags, 1);
	ck_assert_str_eq(instance_tag(in, 0), "green");
	ck_assert_uint_eq(in->n_metadata, 1);
	ck_assert_str_eq(instance_metadata(in, 0).key, "text");
	ck_assert_str_eq(instance_metadata(in, 0).value, "v2");
}
END_TEST

static const char *const bare[] = {
	"{\"host\":\"10.0.0.1\"}",
	"{\"host\":\"10.0.0.1\",\"port\":0,\"priority\":0,\"weight\":0,\"ttl\":0,\"text\":\"\",\"group\":\"\"}",
	"{\"Host\":\"10.0.0.1\",\"PORT\":null,\"priority\":null,\"weight\":null,\"ttl\":null}",
	" \n{ \"host\" : \"10.0.0.1\" , \"unknown\" : [ { } ] }\n",
};

START_TEST(zero_and_none_are_the_defaults_of_coredns)
{
	const struct instance *in = only(read(ETCD_SKYDNS, "shop/a", bare[_i]));

	ck_assert_uint_eq(in->port, 0);
	ck_assert_uint_eq(in->priority, 10);
	ck_assert_uint_eq(in->weight, 100);
	ck_assert_uint_eq(in->ttl_s, TTL_CAP_NONE);
	ck_assert_uint_eq(in->n_tags, 0);
	ck_assert_uint_eq(in->n_metadata, 0);
}
END_TEST

static const struct {
	const char *value, *services;
	uint16_t weight;
} oddities[] = {
	{ "{\"host\":\"Inv-4.Example.NET.\",\"port\":1}", "shop=a@inv-4.example.net:1", 100 },
	{ "{\"host\":\"inv-4.example.net\",\"text\":\"v1\"}", "shop=a@inv-4.example.net:0", 100 },
	{ "{\"host\":\"2001:db8::17\"}", "shop=a@2001:db8::17:0", 100 },
	{ "{\"host\":\"::ffff:10.0.0.2\"}", "shop=a@10.0.0.2:0", 100 },
	{ "{\"host\":\"10.0.0.2\",\"weight\":-1}", "shop=a@10.0.0.2:0", 1 },
	{ "{\"host\":\"10.0.0.2\",\"weight\":\"20\"}", "shop=a@10.0.0.2:0", 20 },
	{ "{\"host\":\"10.0.0.2\",\"weight\":0.2}", "shop=a@10.0.0.2:0", 1 },
	{ "{\"host\":\"10.0.0.2\",\"weight\":1e300,\"ttl\":1e300}", "shop=a@10.0.0.2:0", 65535 },
	{ "{\"host\":\"10.0.0.2\",\"weight\":[]}", "shop=a@10.0.0.2:0", 100 },
};

START_TEST(unusual_record_is_understood)
{
	const struct snapshot *s = read(ETCD_SKYDNS, "shop/a", oddities[_i].value);

	ck_assert_str_eq(write_services(s), oddities[_i].services);
	ck_assert_uint_eq(only(s)->weight, oddities[_i].weight);
	ck_assert_uint_eq(count_dropped(s), 0);
}
END_TEST

START_TEST(number_that_is_none_is_remarked)
{
	const struct snapshot *s =
		read(ETCD_SKYDNS, "shop/a", "{\"host\":\"10.0.0.1\",\"weight\":\"heavy\"}");

	ck_assert_uint_eq(only(s)->weight, 100);
	ck_assert_str_eq(snapshot_remark(s, 0), "key \"shop/a\": weight is no number, and ignored");
}
END_TEST

START_TEST(text_alone_is_no_instance_and_no_mistake)
{
	const struct snapshot *s = read(ETCD_SKYDNS, "shop/a", "{\"text\":\"owner=ann\"}");

	ck_assert_str_eq(write_services(s), "shop=");
	ck_assert_uint_eq(count_dropped(s), 0);
	ck_assert_uint_eq(snapshot_n_remarks(s), 0);
}
END_TEST

static const struct {
	const char *value;
	enum drop reason;
} bad_values[] = {
	{ "", DROP_SHAPE },
	{ "plain words", DROP_SHAPE },
	{ "null", DROP_SHAPE },
	{ "[\"10.0.0.1\"]", DROP_SHAPE },
	{ "\"10.0.0.1\"", DROP_SHAPE },
	{ "{\"host\":\"10.0.0.1\"", DROP_SHAPE },
	{ "{\"host\":\"10.0.0.1\"} trailing", DROP_SHAPE },
	{ "{\"host\":\"10.0.0.1\",\"host\":\"10.0.0.2\"}", DROP_SHAPE },
	{ "{\"host\":\"10.0.0.1\\u0000\"}", DROP_SHAPE },
	{ "{\"host\":\"\xff\"}", DROP_SHAPE },
	{ "{\"host\":10}", DROP_SHAPE },
	{ "{}", DROP_ADDRESS },
	{ "{\"host\":\"\",\"port\":80}", DROP_ADDRESS },
	{ "{\"host\":null}", DROP_ADDRESS },
	{ "{\"host\":\"fe80::1%eth0\"}", DROP_ADDRESS },
	{ "{\"host\":\"two words\"}", DROP_ADDRESS },
	{ "{\"host\":\"10.0.0.1:80\"}", DROP_ADDRESS },
	{ "{\"host\":\"10.0.0.1\",\"port\":70000}", DROP_PORT },
	{ "{\"host\":\"10.0.0.1\",\"port\":-1}", DROP_PORT },
	{ "{\"host\":\"10.0.0.1\",\"port\":\"http\"}", DROP_PORT },
};

START_TEST(bad_record_costs_itself_and_its_service_stays_known)
{
	const struct snapshot *s = read(ETCD_SKYDNS, "east/shop/a", bad_values[_i].value);

	ck_assert_str_eq(write_services(s), "east= shop.east=");
	/* Of a record that became a report, one in each service. */
	ck_assert_uint_ge(snapshot_dropped(s, bad_values[_i].reason), 1);
	ck_assert_uint_eq(snapshot_dropped(s, bad_values[_i].reason), count_dropped(s));
	ck_assert_uint_ge(snapshot_n_remarks(s), 1);
}
END_TEST

START_TEST(value_that_is_no_json_is_explained)
{
	const struct snapshot *s = read(ETCD_SKYDNS, "shop/a", "{\"host\":\n10.0.0.1}");

	ck_assert_ptr_nonnull(strstr(snapshot_remark(s, 0), "(shape): key \"shop/a\": 2:"));
}
END_TEST

START_TEST(value_that_could_not_be_read_costs_its_key)
{
	const struct etcd_kv kv = { .key = "/skydns/shop/a",
				    .key_len = 14,
				    .flaw = "the value is no base64" };
	const struct snapshot *s = read_kv(ETCD_SKYDNS, "shop/a", &kv);

	ck_assert_str_eq(write_services(s), "shop=");
	ck_assert_str_eq(snapshot_remark(s, 0),
			 "instance dropped (shape): key \"/skydns/shop/a\": the value is no base64");
}
END_TEST

/* --- naming --- */

static const struct {
	const char *path, *value, *services;
} named[] = {
	{ "tills/10.8.0.1:9000", "{\"Op\":0,\"Addr\":\"10.8.0.1:9000\",\"Metadata\":null}",
	  "tills=10.8.0.1:9000" },
	{ "tills/[2001:db8::5]:9000", "{\"Op\":0,\"Addr\":\"[2001:db8::5]:9000\"}",
	  "tills=2001:db8::5:9000" },
	{ "tills/i-7", "{\"Addr\":\"till.example:9000\"}", "tills=i-7@till.example:9000" },
	{ "tills/portless", "{\"Addr\":\"10.8.0.4\"}", "tills=portless@10.8.0.4:0" },
	{ "eu/tills/10.8.1.1:9000", "{\"addr\":\"10.8.1.1:9000\"}", "tills.eu=10.8.1.1:9000" },
	{ "tills/gone", "{\"Op\":1,\"Addr\":\"10.8.0.5:9000\"}", "" },
};

START_TEST(address_comes_from_the_value)
{
	const struct snapshot *s = read(ETCD_NAMING, named[_i].path, named[_i].value);

	ck_assert_str_eq(write_services(s), named[_i].services);
	ck_assert_uint_eq(count_dropped(s), 0);
}
END_TEST

START_TEST(metadata_is_understood_as_far_as_it_can_be)
{
	const struct instance *in =
		only(read(ETCD_NAMING, "tills/a",
			  "{\"Addr\":\"10.8.0.2:9000\",\"Metadata\":{\"zone\":\"west\",\"weight\":5,"
			  "\"tags\":[\"v1\",7,\"blue\"],\"owner\":\"ann\"}}"));

	ck_assert_str_eq(instance_zone(in), "west");
	ck_assert_uint_eq(in->weight, 5);
	ck_assert_uint_eq(in->n_tags, 2);
	ck_assert_str_eq(instance_tag(in, 0), "blue");
	ck_assert_uint_eq(in->n_metadata, 2);
	ck_assert_str_eq(instance_metadata(in, 0).value, "ann");
}
END_TEST

START_TEST(metadata_may_be_anything)
{
	const struct instance *in =
		only(read(ETCD_NAMING, "tills/a", "{\"Addr\":\"10.8.0.2:9000\",\"Metadata\":\"spare\"}"));

	ck_assert_uint_eq(in->weight, 1);
	ck_assert_str_eq(instance_metadata(in, 0).value, "spare");
	in = only(read(ETCD_NAMING, "tills/a", "{\"Addr\":\"10.8.0.2:9000\",\"Metadata\":[{\"weight\":3}]}"));
	ck_assert_uint_eq(in->weight, 1);
	in = only(read(ETCD_NAMING, "tills/a",
		       "{\"Addr\":\"10.8.0.2:9000\",\"Metadata\":{\"weight\":0,\"tags\":\"v2, red,,\"}}"));
	ck_assert_uint_eq(in->weight, 0);
	ck_assert_uint_eq(in->n_tags, 2);
	ck_assert_str_eq(instance_tag(in, 0), "red");
	in = only(
		read(ETCD_NAMING, "tills/a", "{\"Addr\":\"10.8.0.2:9000\",\"Metadata\":{\"weight\":\"x\"}}"));
	ck_assert_uint_eq(in->weight, 1);
}
END_TEST

static const struct {
	const char *path, *value;
	enum drop reason;
} bad_names[] = {
	{ "alone", "{\"Addr\":\"10.8.2.1:9000\"}", DROP_SERVICE_NAME },
	{ "", "{\"Addr\":\"10.8.2.1:9000\"}", DROP_SERVICE_NAME },
	{ "two words/a", "{\"Addr\":\"10.8.2.1:9000\"}", DROP_SERVICE_NAME },
	{ "tills/meta", "{\"Op\":0,\"Addr\":\"\",\"Metadata\":{\"zone\":\"west\"}}", DROP_ADDRESS },
	{ "tills/odd", "{\"Op\":0,\"Addr\":\"10.8.0.7:many\"}", DROP_ADDRESS },
	{ "tills/odd", "{\"Op\":0,\"Addr\":\"http://10.8.0.7:80\"}", DROP_ADDRESS },
	{ "tills/odd", "{\"Op\":0,\"Addr\":7}", DROP_ADDRESS },
	{ "tills/odd", "no json", DROP_SHAPE },
};

START_TEST(bad_name_costs_itself)
{
	const struct snapshot *s = read(ETCD_NAMING, bad_names[_i].path, bad_names[_i].value);

	ck_assert_uint_eq(s->n_instances, 0);
	ck_assert_uint_eq(snapshot_dropped(s, bad_names[_i].reason), 1);
	ck_assert_uint_eq(count_dropped(s), 1);
}
END_TEST

#define N(list) (sizeof(list) / sizeof((list)[0]))

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("etcd_layouts");
	TCase *prefix = add_case(suite, "prefix"), *skydns = add_case(suite, "skydns");
	TCase *naming = add_case(suite, "naming");

	tcase_add_loop_test(prefix, prefix_ends_in_a_slash_and_has_the_zone_turned_around, 0, N(prefixes));
	tcase_add_test(prefix, zone_that_is_no_name_is_refused);
	tcase_add_loop_test(skydns, key_is_found_by_every_name_above_it, 0, N(paths));
	tcase_add_loop_test(skydns, key_that_is_no_name_is_dropped_and_named, 0, N(bad_paths));
	tcase_add_test(skydns, record_says_what_coredns_reads);
	tcase_add_loop_test(skydns, zero_and_none_are_the_defaults_of_coredns, 0, N(bare));
	tcase_add_loop_test(skydns, unusual_record_is_understood, 0, N(oddities));
	tcase_add_test(skydns, number_that_is_none_is_remarked);
	tcase_add_test(skydns, text_alone_is_no_instance_and_no_mistake);
	tcase_add_loop_test(skydns, bad_record_costs_itself_and_its_service_stays_known, 0, N(bad_values));
	tcase_add_test(skydns, value_that_is_no_json_is_explained);
	tcase_add_test(skydns, value_that_could_not_be_read_costs_its_key);
	tcase_add_loop_test(naming, address_comes_from_the_value, 0, N(named));
	tcase_add_test(naming, metadata_is_understood_as_far_as_it_can_be);
	tcase_add_test(naming, metadata_may_be_anything);
	tcase_add_loop_test(naming, bad_name_costs_itself, 0, N(bad_names));
	return harness_run(suite);
}
