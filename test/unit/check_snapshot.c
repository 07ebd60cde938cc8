/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "harness.h"

static struct snapshot_builder *b;

static void set_up(void)
{
	b = snapshot_builder_create();
	ck_assert_ptr_nonnull(b);
}

static void tear_down(void)
{
	snapshot_builder_destroy(b);
}

static void add(const char *service, const char *address, int64_t port)
{
	struct report r = report_blank();

	r.service = service;
	r.address = address;
	r.port = port;
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
}

static struct snapshot *seal(const struct snapshot *previous)
{
	struct snapshot *s = NULL;

	ck_assert_int_eq(snapshot_builder_seal(b, previous, &s), 0);
	ck_assert_ptr_nonnull(s);
	return s;
}

static size_t dropped(const struct snapshot *s)
{
	size_t n = 0;

	for (size_t i = 0; i < DROP_REASONS; i++)
		n += snapshot_dropped(s, (enum drop)i);
	return n;
}

/* What is wrong costs the instance; the service is known unless its name is what is wrong. */
static const struct {
	const char *service, *address;
	int64_t port;
	enum drop reason;
	bool known;
} drops[] = {
	{ "inventory", "10.0.0.1", 80, DROP_NONE, true },
	{ "inventory", "10.0.0.1", 0, DROP_NONE, true },
	{ NULL, "10.0.0.1", 80, DROP_SERVICE_NAME, false },
	{ "", "10.0.0.1", 80, DROP_SERVICE_NAME, false },
	{ "with space", NULL, 80, DROP_SERVICE_NAME, false },
	{ "_http._TCP", "10.0.0.1", 80, DROP_RESERVED, false },
	{ "Inventory", NULL, 80, DROP_ADDRESS, true },
	{ "inventory", "010.000.001.012", 80, DROP_ADDRESS, true },
	{ "inventory", "a..b", 65536, DROP_ADDRESS, true },
	{ "inventory", "10.0.0.1", 65536, DROP_PORT, true },
	{ "inventory", "10.0.0.1", INT64_MIN, DROP_PORT, true },
};

START_TEST(report_is_taken_in_or_dropped_by_its_reason)
{
	add(drops[_i].service, drops[_i].address, drops[_i].port);
	struct snapshot *s = seal(NULL);

	ck_assert_uint_eq(s->n_services, drops[_i].known);
	if (drops[_i].known)
		ck_assert_str_eq(s->services[0]->name, "inventory");
	ck_assert_uint_eq(s->n_instances, drops[_i].reason == DROP_NONE);
	ck_assert_uint_eq(dropped(s), drops[_i].reason != DROP_NONE);
	ck_assert_uint_eq(snapshot_n_remarks(s), drops[_i].reason != DROP_NONE);
	if (drops[_i].reason != DROP_NONE)
		ck_assert_uint_eq(snapshot_dropped(s, drops[_i].reason), 1);
	snapshot_release(s);
}
END_TEST

START_TEST(instances_keep_all_that_was_reported)
{
	const char *const tags[] = { "v1", "blue" };
	const struct metadata metadata[] = { { "version", "1" } };
	char name[] = "Inventory-1", zone[] = "Zone A";
	struct report r = report_blank();

	r.service = "inventory";
	r.address = "one.example";
	r.name = name;
	r.port_name = "HTTP";
	r.zone = zone;
	r.tags = tags;
	r.n_tags = 2;
	r.metadata = metadata;
	r.n_metadata = 1;
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	memset(name, 'x', sizeof(name) - 1); /* borrowed for the call only */
	memset(zone, 'x', sizeof(zone) - 1);
	struct snapshot *s = seal(NULL);
	const struct instance *in = s->services[0]->instances[0];

	ck_assert_uint_eq(s->n_instances, 1);
	ck_assert_str_eq(instance_host(in), "one.example");
	ck_assert_str_eq(instance_name(in), "inventory-1");
	ck_assert_str_eq(instance_port_name(in), "http");
	ck_assert_str_eq(instance_zone(in), "Zone A");
	ck_assert_uint_eq(in->n_tags, 2);
	ck_assert_str_eq(instance_tag(in, 0), "blue");
	ck_assert_str_eq(instance_tag(in, 1), "v1");
	ck_assert_uint_eq(in->n_metadata, 1);
	ck_assert_str_eq(instance_metadata(in, 0).value, "1");
	snapshot_release(s);
}
END_TEST

static void add_instance(enum health health, int64_t weight, int64_t priority, uint32_t ttl_s,
			 const char *zone)
{
	const char *const tags[] = { "v1", zone };
	struct report r = report_blank();

	r.service = "inventory";
	r.address = strcmp(zone, "one") == 0 ? "10.0.0.1" : "[::ffff:10.0.0.1]";
	r.port = 80;
	r.health = health;
	r.weight = weight;
	r.priority = priority;
	r.ttl_s = ttl_s;
	r.zone = zone;
	r.tags = tags;
	r.n_tags = 2;
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
}

/* Of the reports "one" and "two", in this order. */
static const struct {
	struct {
		enum health health;
		int64_t weight, priority;
		uint32_t ttl_s;
	} one, two;
	const char *stands;
	unsigned ttl_s;
} alike[] = {
	{ { HEALTH_PASSING, 1, 0, 9 }, { HEALTH_PASSING, 1, 0, 9 }, "one", 9 },
	{ { HEALTH_PASSING, 1, 9, 5 }, { HEALTH_WARNING, 9, 0, 9 }, "one", 5 },
	{ { HEALTH_CRITICAL, 9, 0, 9 }, { HEALTH_WARNING, 1, 9, 9 }, "two", 9 },
	{ { HEALTH_CRITICAL, 0, 0, 0 }, { HEALTH_PASSING, 0, 0, TTL_CAP_NONE }, "two", 0 },
	{ { HEALTH_WARNING, 1, 0, 9 }, { HEALTH_WARNING, 2, 9, 1 }, "two", 1 },
	{ { HEALTH_WARNING, 2, 9, 9 }, { HEALTH_WARNING, 1, 0, 9 }, "one", 9 },
	{ { HEALTH_PASSING, 1, 2, 9 }, { HEALTH_PASSING, 1, 1, 9 }, "two", 9 },
	{ { HEALTH_PASSING, 1, 1, 9 }, { HEALTH_PASSING, 1, 2, 9 }, "one", 9 },
};

START_TEST(of_reports_alike_the_best_stands_with_the_tags_of_all)
{
	add_instance(alike[_i].one.health, alike[_i].one.weight, alike[_i].one.priority, alike[_i].one.ttl_s,
		     "one");
	add_instance(alike[_i].two.health, alike[_i].two.weight, alike[_i].two.priority, alike[_i].two.ttl_s,
		     "two");
	struct snapshot *s = seal(NULL);
	const struct instance *in = s->services[0]->instances[0];

	ck_assert_uint_eq(s->n_instances, 1);
	ck_assert_str_eq(instance_zone(in), alike[_i].stands);
	ck_assert_uint_eq(in->ttl_s, alike[_i].ttl_s);
	ck_assert_uint_eq(in->n_tags, 3);
	ck_assert_str_eq(instance_tag(in, 0), "one");
	ck_assert_str_eq(instance_tag(in, 1), "two");
	ck_assert_str_eq(instance_tag(in, 2), "v1");
	snapshot_release(s);
}
END_TEST

START_TEST(a_cap_on_ttls_is_part_of_being_equal)
{
	add_instance(HEALTH_PASSING, 1, 0, 9, "one");
	struct snapshot *one = seal(NULL);
	add_instance(HEALTH_PASSING, 1, 0, 8, "one");
	struct snapshot *two = seal(one);
	add_instance(HEALTH_PASSING, 1, 0, 8, "one");
	struct snapshot *three = seal(two);

	ck_assert(!snapshot_is_same(one, two));
	ck_assert(snapshot_is_same(two, three));
	snapshot_release(one);
	snapshot_release(two);
	snapshot_release(three);
}
END_TEST

START_TEST(port_protocol_and_names_tell_instances_apart)
{
	struct report r = report_blank();

	r.service = "inventory";
	r.address = "10.0.0.1";
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	r.port = 80;
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	r.protocol = PROTOCOL_UDP;
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	r.port_name = "http";
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	r.name = "one";
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	r.address = "one.example";
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	struct snapshot *s = seal(NULL);

	ck_assert_uint_eq(s->n_instances, 6);
	for (size_t i = 1; i < 6; i++)
		ck_assert_int_lt(
			instance_compare(s->services[0]->instances[i - 1], s->services[0]->instances[i]), 0);
	snapshot_release(s);
}
END_TEST

/* The first and every third report are alike, each with a zone of its own; all come out of order. */
START_TEST(instances_are_sorted_and_of_equal_reports_the_first_stands)
{
	char address[32], zone[16];
	struct report r = report_blank();

	r.service = "inventory";
	r.address = address;
	r.zone = zone;
	for (unsigned i = 0; i < 999; i++) {
		snprintf(address, sizeof(address), "10.0.%u.1", i % 3 == 0 ? 0 : 1 + i * 77 % 199);
		snprintf(zone, sizeof(zone), "%u", i);
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	}
	struct snapshot *s = seal(NULL);
	const struct service *inventory = s->services[0];

	ck_assert_uint_eq(inventory->n_instances, 200);
	for (size_t i = 1; i < 200; i++)
		ck_assert_int_lt(instance_compare(inventory->instances[i - 1], inventory->instances[i]), 0);
	ck_assert_str_eq(instance_zone(inventory->instances[0]), "0");
	snapshot_release(s);
}
END_TEST

START_TEST(instances_of_a_service_that_is_united_are_shared)
{
	add("a", "10.0.0.2", 80);
	struct snapshot *one = seal(NULL);
	add("a", "10.0.0.1", 80);
	struct snapshot *two = seal(NULL);
	ck_assert_int_eq(snapshot_builder_add_snapshot(b, one), 0);
	ck_assert_int_eq(snapshot_builder_add_snapshot(b, two), 0);
	add("a", "10.0.0.3", 80);
	struct snapshot *all = seal(NULL);
	const struct service *a = all->services[0];

	ck_assert_uint_eq(a->n_instances, 3);
	ck_assert_ptr_eq(a->instances[0], two->services[0]->instances[0]);
	ck_assert_ptr_eq(a->instances[1], one->services[0]->instances[0]);
	ck_assert_uint_gt(a->octets, one->services[0]->octets + two->services[0]->octets);
	snapshot_release(one);
	snapshot_release(two);
	ck_assert_uint_eq(a->instances[0]->users, 1); /* outlives the service it came from */
	ck_assert_uint_eq(a->instances[0]->address.octets[3], 1);
	snapshot_release(all);
}
END_TEST

START_TEST(digest_does_not_depend_on_order_but_on_content)
{
	add("a", "10.0.0.1", 80);
	add("a", "10.0.0.2", 80);
	add("b", "10.0.0.3", 80);
	struct snapshot *one = seal(NULL);
	add("b", "10.0.0.3", 80);
	add("a", "10.0.0.2", 80);
	add("a", "10.0.0.1", 80);
	struct snapshot *two = seal(NULL);
	add("a", "10.0.0.1", 80);
	add("a", "10.0.0.2", 81);
	struct snapshot *three = seal(NULL);

	ck_assert_uint_eq(one->services[0]->digest, two->services[0]->digest);
	ck_assert_ptr_ne(one->services[0], two->services[0]);
	ck_assert(service_equal(one->services[0], two->services[0]));
	ck_assert_uint_ne(one->services[0]->digest, three->services[0]->digest);
	ck_assert(!service_equal(one->services[0], three->services[0]));
	snapshot_release(one);
	snapshot_release(two);
	snapshot_release(three);
}
END_TEST

START_TEST(unchanged_services_are_shared_with_the_previous_snapshot)
{
	add("a", "10.0.0.1", 80);
	add("b", "10.0.0.2", 80);
	add("d", "10.0.0.4", 80);
	struct snapshot *one = seal(NULL);
	add("d", "10.0.0.4", 80);
	add("c", "10.0.0.3", 80);
	add("b", "10.0.0.9", 80);
	add("a", "10.0.0.1", 80);
	struct snapshot *two = seal(one);

	ck_assert_uint_eq(two->n_services, 4);
	ck_assert_ptr_eq(two->services[0], one->services[0]);
	ck_assert_ptr_ne(two->services[1], one->services[1]);
	ck_assert_ptr_eq(two->services[3], one->services[2]);
	snapshot_release(one);
	ck_assert_str_eq(two->services[3]->name, "d"); /* outlives the snapshot it came from */
	ck_assert_uint_eq(two->services[3]->users, 1);
	snapshot_release(two);
}
END_TEST

START_TEST(snapshots_that_share_all_services_are_the_same)
{
	struct snapshot *empty = seal(NULL), *also_empty = seal(NULL);
	add("a", "10.0.0.1", 80);
	add("b", "10.0.0.2", 80);
	struct snapshot *one = seal(NULL);
	add("b", "10.0.0.2", 80);
	add("a", "10.0.0.1", 80);
	add("a", "nowhere at all", 80);
	snapshot_builder_remark(b, "odd");
	struct snapshot *again = seal(one);
	add("a", "10.0.0.1", 80);
	add("b", "10.0.0.2", 80);
	struct snapshot *stranger = seal(NULL);
	add("a", "10.0.0.1", 80);
	struct snapshot *fewer = seal(one);
	add("a", "10.0.0.1", 80);
	add("b", "10.0.0.3", 80);
	struct snapshot *other = seal(one);

	ck_assert(snapshot_is_same(one, one));
	ck_assert(snapshot_is_same(one, again)); /* whatever was dropped or remarked */
	ck_assert(snapshot_is_same(again, one));
	ck_assert(!snapshot_is_same(one, stranger)); /* equal, but not sealed after it */
	ck_assert(!snapshot_is_same(one, fewer));
	ck_assert(!snapshot_is_same(fewer, one));
	ck_assert(!snapshot_is_same(one, other));
	ck_assert(!snapshot_is_same(one, empty));
	ck_assert(!snapshot_is_same(empty, one));
	ck_assert(snapshot_is_same(empty, also_empty));
	struct snapshot *const all[] = { empty, also_empty, one, again, stranger, fewer, other };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		snapshot_release(all[i]);
}
END_TEST

START_TEST(derived_snapshot_differs_in_its_changes_only)
{
	add("b", "10.0.0.1", 80);
	add("d", "10.0.0.2", 80);
	add("f", "10.0.0.3", 80);
	add("f", "nowhere at all", 80);
	struct snapshot *one = seal(NULL);
	add("a", "10.0.0.4", 80);
	add("d", "10.0.0.5", 80);
	add("d", "10.0.0.6", 80);
	add("g", "10.0.0.7", 80);
	struct snapshot *more = seal(NULL), *two, *three;
	const struct snapshot_change changes[] = { { "a", more->services[0] },
						   { "b", NULL },
						   { "c", NULL },
						   { "d", more->services[1] },
						   { "g", more->services[2] } };

	ck_assert_int_eq(snapshot_derive(one, changes, 5, NULL, &two), 0);
	ck_assert_int_eq(snapshot_derive(NULL, changes, 2, one->findings, &three), 0);
	snapshot_release(more);
	ck_assert_uint_eq(two->n_services, 4);
	ck_assert_uint_eq(two->n_instances, 5);
	ck_assert_uint_eq(two->services[0]->users, 2);
	ck_assert_uint_eq(two->services[1]->n_instances, 2);
	ck_assert_ptr_eq(two->services[2], one->services[2]);
	ck_assert_str_eq(two->services[3]->name, "g");
	ck_assert_uint_eq(dropped(two), 0);
	ck_assert_uint_eq(three->n_services, 1);
	ck_assert_uint_eq(dropped(three), 1);
	ck_assert_str_eq(snapshot_remark(three, 0), snapshot_remark(one, 0));
	snapshot_release(one);
	snapshot_release(two);
	snapshot_release(three);
}
END_TEST

static void note_name(void *context, const char *name)
{
	strcat(context, name);
	strcat(context, " ");
}

START_TEST(comparison_names_what_came_went_and_changed)
{
	char names_seen[64] = "";

	add("a", "10.0.0.1", 80);
	add("b", "10.0.0.2", 80);
	add("d", "10.0.0.4", 80);
	struct snapshot *one = seal(NULL);
	add("a", "10.0.0.1", 80);
	add("b", "10.0.0.9", 80);
	add("c", "10.0.0.3", 80);
	struct snapshot *two = seal(NULL); /* "a" is equal, but not shared */

	snapshot_compare(one, two, note_name, names_seen);
	ck_assert_str_eq(names_seen, "b c d ");
	names_seen[0] = '\0';
	snapshot_compare(NULL, one, note_name, names_seen);
	ck_assert_str_eq(names_seen, "a b d ");
	names_seen[0] = '\0';
	snapshot_compare(two, NULL, note_name, names_seen);
	ck_assert_str_eq(names_seen, "a b c ");
	names_seen[0] = '\0';
	snapshot_compare(one, one, note_name, names_seen);
	snapshot_compare(NULL, NULL, note_name, names_seen);
	ck_assert_str_eq(names_seen, "");
	snapshot_release(one);
	snapshot_release(two);
}
END_TEST

START_TEST(services_are_found_by_their_folded_name)
{
	char name[16];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "S%02d", i);
		ck_assert_int_eq(snapshot_builder_add_service(b, name), 0);
	}
	struct snapshot *s = seal(NULL);

	ck_assert_uint_eq(s->n_services, 100);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "s%02d", i);
		ck_assert_ptr_eq(snapshot_find(s, name), s->services[i]);
	}
	ck_assert_ptr_null(snapshot_find(s, "S00"));
	ck_assert_ptr_null(snapshot_find(s, "s"));
	ck_assert_ptr_null(snapshot_find(s, "t"));
	snapshot_release(s);
}
END_TEST

START_TEST(service_without_instances_is_known)
{
	ck_assert_int_eq(snapshot_builder_add_service(b, "idle"), 0);
	add("busy", "10.0.0.1", 80);
	ck_assert_int_eq(snapshot_builder_add_service(b, "Busy"), 0);
	ck_assert_int_eq(snapshot_builder_add_service(b, "no name"), 0);
	struct snapshot *s = seal(NULL);

	ck_assert_uint_eq(s->n_services, 2);
	ck_assert_uint_eq(snapshot_find(s, "idle")->n_instances, 0);
	ck_assert_uint_eq(snapshot_find(s, "busy")->n_instances, 1);
	ck_assert_uint_eq(snapshot_dropped(s, DROP_SERVICE_NAME), 1);
	snapshot_release(s);
}
END_TEST

START_TEST(snapshots_are_taken_over_by_pointer_and_united_where_they_meet)
{
	add("a", "10.0.0.1", 80);
	add("b", "10.0.0.2", 80);
	add("c", "10.0.0.5", 80);
	add("", "10.0.0.1", 80);
	snapshot_builder_remark(b, "one");
	struct snapshot *one = seal(NULL);
	add("b", "10.0.0.2", 80);
	add("b", "10.0.0.3", 80);
	ck_assert_int_eq(snapshot_builder_add_service(b, "c"), 0);
	struct snapshot *two = seal(NULL);

	ck_assert_int_eq(snapshot_builder_add_snapshot(b, one), 0);
	ck_assert_int_eq(snapshot_builder_add_snapshot(b, two), 0);
	ck_assert_int_eq(snapshot_builder_keep_service(b, one->services[0]), 0);
	struct snapshot *all = seal(NULL);

	ck_assert_uint_eq(all->n_services, 3);
	ck_assert_uint_eq(all->n_instances, 4);
	ck_assert_ptr_eq(all->services[0], one->services[0]);
	ck_assert_uint_eq(all->services[1]->n_instances, 2);
	ck_assert_ptr_eq(all->services[2], one->services[2]);
	ck_assert_uint_eq(snapshot_dropped(all, DROP_SERVICE_NAME), 1);
	ck_assert_uint_eq(snapshot_n_remarks(all), 2);
	ck_assert_str_eq(snapshot_remark(all, 1), "one");

	/* The same again is the same services, also the one that had to be united. */
	snapshot_release(one);
	ck_assert_int_eq(snapshot_builder_add_snapshot(b, two), 0);
	ck_assert_int_eq(snapshot_builder_add_snapshot(b, all), 0);
	struct snapshot *again = seal(all);
	for (size_t i = 0; i < 3; i++)
		ck_assert_ptr_eq(again->services[i], all->services[i]);
	snapshot_release(two);
	snapshot_release(all);
	snapshot_release(again);
}
END_TEST

START_TEST(report_is_added_to_a_kept_service)
{
	add("a", "10.0.0.1", 80);
	struct snapshot *one = seal(NULL);

	ck_assert_int_eq(snapshot_builder_keep_service(b, one->services[0]), 0);
	add("a", "10.0.0.2", 80);
	snapshot_release(one); /* the builder holds what it was given */
	struct snapshot *two = seal(NULL);
	ck_assert_uint_eq(two->n_instances, 2);
	ck_assert_int_eq(snapshot_builder_keep_service(b, two->services[0]), 0);
	snapshot_release(two); /* and gives it back when it goes */
}
END_TEST

START_TEST(one_service_takes_no_more_than_its_limit)
{
	char address[32];

	for (unsigned i = 0; i < SERVICE_INSTANCES_MAX + 10; i++) {
		snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		add("a", address, 80);
	}
	add("b", "10.0.0.1", 80);
	struct snapshot *s = seal(NULL);

	ck_assert_uint_eq(s->n_instances, SERVICE_INSTANCES_MAX + 1);
	ck_assert_uint_eq(snapshot_dropped(s, DROP_LIMIT), 10);
	ck_assert_int_eq(snapshot_builder_add_snapshot(b, s), 0);
	add("a", "10.9.9.9", 80);
	struct snapshot *more = seal(s);
	ck_assert_uint_eq(snapshot_dropped(more, DROP_LIMIT), 11);
	ck_assert_ptr_eq(more->services[0], s->services[0]);
	snapshot_release(s);
	snapshot_release(more);
}
END_TEST

/* 64 tags of 255 octets are 16,384 octets and the instance itself. */
START_TEST(registry_has_no_more_octets_than_its_limit)
{
	enum { N = 18000 };
	char texts[INSTANCE_TAGS_MAX][INSTANCE_TEXT_MAX + 1], service[16];
	const char *tags[INSTANCE_TAGS_MAX];
	struct report r = report_blank();

	for (int i = 0; i < INSTANCE_TAGS_MAX; i++) {
		memset(texts[i], 'x', INSTANCE_TEXT_MAX);
		texts[i][0] = (char)('0' + i);
		texts[i][INSTANCE_TEXT_MAX] = '\0';
		tags[i] = texts[i];
	}
	r.service = service;
	r.address = "10.0.0.1";
	r.tags = tags;
	r.n_tags = INSTANCE_TAGS_MAX;
	for (int i = 0; i < N; i++) {
		snprintf(service, sizeof(service), "s%d", i / 8);
		r.port = i % 8;
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	}
	struct snapshot *s = seal(NULL);
	size_t octets = 0;

	for (size_t i = 0; i < s->n_services; i++)
		octets += s->services[i]->octets;
	ck_assert_uint_le(octets, SNAPSHOT_OCTETS_MAX);
	ck_assert_uint_gt(octets, SNAPSHOT_OCTETS_MAX - 20000);
	ck_assert_uint_eq(snapshot_dropped(s, DROP_LIMIT), N - s->n_instances);
	ck_assert_uint_gt(snapshot_dropped(s, DROP_LIMIT), 1000);

	ck_assert_int_eq(snapshot_builder_add_snapshot(b, s), 0); /* what fitted once fits again */
	strcpy(service, "more");
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	struct snapshot *again = seal(s);
	ck_assert_uint_eq(again->n_instances, s->n_instances);
	ck_assert_uint_eq(snapshot_dropped(again, DROP_LIMIT), snapshot_dropped(s, DROP_LIMIT) + 1);
	snapshot_release(s);
	snapshot_release(again);
}
END_TEST

START_TEST(text_that_is_too_long_costs_the_text)
{
	char text[5000];
	const char *const tags[] = { "v1", text };
	struct report r = report_blank();

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	r.service = "inventory";
	r.address = "10.0.0.1";
	r.tags = tags;
	r.n_tags = 2;
	for (r.port = 1; r.port <= 20; r.port++)
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	struct snapshot *s = seal(NULL);

	ck_assert_uint_eq(s->n_instances, 20);
	ck_assert_uint_eq(s->services[0]->instances[0]->n_tags, 1);
	ck_assert_uint_eq(dropped(s), 0);
	ck_assert_uint_eq(snapshot_n_remarks(s), REMARKS_MAX / 2); /* leaves room for what costs more */
	ck_assert_str_eq(snapshot_remark(s, 0),
			 "instance of \"inventory\" at \"10.0.0.1\": a tag that is too long, "
			 "left out");
	snapshot_release(s);
}
END_TEST

START_TEST(metadata_alone_changes_nothing)
{
	struct metadata metadata[] = { { "lastBeat", "1" } };
	struct snapshot *s[3];
	struct report r = report_blank();

	r.service = "inventory";
	r.address = "10.0.0.1";
	r.metadata = metadata;
	for (int i = 0; i < 3; i++) {
		metadata[0].value = i == 0 ? "1" : "2";
		r.n_metadata = i < 2;
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
		s[i] = seal(i > 0 ? s[i - 1] : NULL);
	}
	ck_assert(snapshot_is_same(s[0], s[1]));
	ck_assert(snapshot_is_same(s[1], s[2]));
	for (int i = 0; i < 3; i++)
		snapshot_release(s[i]);
}
END_TEST

START_TEST(registry_has_no_more_services_than_its_limit)
{
	char name[32];

	for (unsigned i = 0; i < SNAPSHOT_SERVICES_MAX + 3; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		ck_assert_int_eq(snapshot_builder_add_service(b, name), 0);
	}
	add("one-more", "10.0.0.1", 80);
	add("s1", "10.0.0.1", 80);
	struct snapshot *s = seal(NULL);

	ck_assert_uint_eq(s->n_services, SNAPSHOT_SERVICES_MAX);
	ck_assert_uint_eq(s->n_instances, 1);
	ck_assert_uint_eq(snapshot_dropped(s, DROP_LIMIT), 4);
	snapshot_release(s);
}
END_TEST

static const struct {
	struct snapshot_limits limits;
	size_t n_services, n_instances, n_dropped;
	const char *remark;
} lower[] = {
	{ { .services = 2 }, 2, 4, 2, "instance of \"c\" dropped (limit: max-services): \"10.0.0.1\"" },
	{ { .instances = 3 }, 3, 3, 3, "instance of \"b\" dropped (limit: max-instances): \"10.0.0.2\"" },
	{ { .octets = 1 }, 3, 0, 6, "instance of \"a\" dropped (limit: max-memory): \"10.0.0.1\"" },
	{ { .services = 3, .instances = 6, .octets = 100000 }, 3, 6, 0, NULL },
	{ { .services = ~0U, .instances = ~0U, .octets = UINT64_MAX }, 3, 6, 0, NULL },
};

/* Two instances of each of three services, for two rounds. */
START_TEST(registry_may_have_lower_limits)
{
	snapshot_builder_limit(b, &lower[_i].limits);
	for (int round = 0; round < 2; round++) {
		for (const char *name = "a\0b\0c\0"; *name != '\0'; name += 2) {
			add(name, "10.0.0.1", 80);
			add(name, "10.0.0.2", 80);
		}
		struct snapshot *s = seal(NULL);

		ck_assert_uint_eq(s->n_services, lower[_i].n_services);
		ck_assert_uint_eq(s->n_instances, lower[_i].n_instances);
		ck_assert_uint_eq(snapshot_dropped(s, DROP_LIMIT), lower[_i].n_dropped);
		ck_assert_uint_eq(snapshot_n_remarks(s) > 0, lower[_i].remark != NULL);
		if (lower[_i].remark != NULL)
			ck_assert_str_eq(snapshot_remark(s, 0), lower[_i].remark);
		snapshot_release(s);
	}
}
END_TEST

START_TEST(no_limit_is_above_the_highest)
{
	const struct snapshot_limits all[] = { { 0 }, { ~0U, ~0U, UINT64_MAX }, { 7, 8, 9 } };

	for (int i = 0; i < 2; i++) {
		const struct snapshot_limits l = snapshot_limits_within(&all[i]);

		ck_assert_uint_eq(l.services, SNAPSHOT_SERVICES_MAX);
		ck_assert_uint_eq(l.instances, SNAPSHOT_INSTANCES_MAX);
		ck_assert_uint_eq(l.octets, SNAPSHOT_OCTETS_MAX);
	}
	const struct snapshot_limits l = snapshot_limits_within(&all[2]);
	ck_assert(l.services == 7 && l.instances == 8 && l.octets == 9);
}
END_TEST

START_TEST(first_drops_are_told_in_plain_text)
{
	add("inventory", "010.000.001.012", 80);
	add("inven\ttory\x1b[2J", "10.0.0.1", 80);
	add("inventory", "10.0.0.1", 70000);
	for (int i = 0; i < 20; i++)
		add("inventory",
		    "not an address, and a text much too long to be printed whole in any line of a log, "
		    "whoever wrote it",
		    80);
	struct snapshot *s = seal(NULL);

	ck_assert_uint_eq(snapshot_dropped(s, DROP_ADDRESS), 21);
	ck_assert_uint_eq(snapshot_n_remarks(s), REMARKS_MAX / 2);
	ck_assert_str_eq(snapshot_remark(s, 0),
			 "instance of \"inventory\" dropped (address): \"010.000.001.012\"");
	ck_assert_str_eq(snapshot_remark(s, 1),
			 "instance of \"inven\\x09tory\\x1b[2J\" dropped (service-name): \"10.0.0.1\"");
	ck_assert_str_eq(snapshot_remark(s, 2),
			 "instance of \"inventory\" dropped (port): \"10.0.0.1 port 70000\"");
	ck_assert_str_eq(
		snapshot_remark(s, 3),
		"instance of \"inventory\" dropped (address): \"not an address, and a text much too long "
		"to be printed whole in any line of a lo\"...");
	snapshot_release(s);
}
END_TEST

START_TEST(remarks_are_limited_and_visible)
{
	char remark[4096];

	memset(remark, '\xff', sizeof(remark) - 1);
	remark[sizeof(remark) - 1] = '\0';
	for (int i = 0; i < 20; i++)
		snapshot_builder_remark(b, "%d: %s", i, i == 3 ? remark : "line\nbreak");
	snapshot_builder_drop(b, DROP_SHAPE, "null");
	struct snapshot *s = seal(NULL);

	ck_assert_uint_eq(snapshot_dropped(s, DROP_SHAPE), 1);
	ck_assert_uint_eq(snapshot_n_remarks(s), REMARKS_MAX);
	ck_assert_str_eq(snapshot_remark(s, 0), "0: line\\x0abreak");
	ck_assert_uint_lt(strlen(snapshot_remark(s, 3)), 256);
	ck_assert_uint_gt(strlen(snapshot_remark(s, 3)), 200);
	snapshot_release(s);
}
END_TEST

START_TEST(failure_has_a_text_and_sealing_empties_the_builder)
{
	ck_assert_str_eq(snapshot_builder_error(b), "");
	ck_assert_int_eq(snapshot_builder_fail(b, -5, "%s at \"%s\"", "broken", "\n"), -5);
	ck_assert_str_eq(snapshot_builder_error(b), "broken at \"\\x0a\"");
	ck_assert_int_eq(snapshot_builder_fail(b, -5, "again: %s", snapshot_builder_error(b)), -5);
	ck_assert_str_eq(snapshot_builder_error(b), "again: broken at \"\\x0a\"");
	add("a", "10.0.0.1", 80);
	add("a", "", 80);
	snapshot_release(seal(NULL));
	struct snapshot *s = seal(NULL);
	ck_assert_uint_eq(s->n_services, 0);
	ck_assert_uint_eq(dropped(s), 0);
	ck_assert_uint_eq(snapshot_n_remarks(s), 0);
	ck_assert_str_eq(snapshot_builder_error(b), "");
	ck_assert_ptr_eq(snapshot_keep(s), s);
	snapshot_release(s);
	snapshot_release(s);
	snapshot_release(NULL);
	snapshot_builder_destroy(NULL);
	service_release(NULL);
}
END_TEST

/* A round of this size comes every few seconds: 100 ms of it would be 2 % of a core. The bound is wide
 * because sanitizers and busy machines are slow; a quadratic step anywhere in it would still take minutes. */
START_TEST(fifty_thousand_instances_are_sealed_quickly)
{
	char service[32], address[32];

	for (unsigned i = 0; i < 50000; i++) {
		snprintf(service, sizeof(service), "service-%u", i % 10000);
		snprintf(address, sizeof(address), "10.0.%u.%u", i >> 8, i & 255);
		add(service, address, 8080);
	}
	const uint64_t start = clock_ms();
	struct snapshot *one = seal(NULL);
	const uint64_t sealed = clock_ms();
	ck_assert_int_eq(snapshot_builder_add_snapshot(b, one), 0);
	struct snapshot *two = seal(one);
	const uint64_t shared = clock_ms();

	ck_assert_uint_eq(one->n_services, 10000);
	ck_assert_uint_eq(one->n_instances, 50000);
	ck_assert_ptr_eq(one->services[777], two->services[777]);
	ck_assert_uint_lt(sealed - start, 2000);
	ck_assert_uint_lt(shared - sealed, 2000);
	snapshot_release(one);
	snapshot_release(two);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *checks = tcase_create("checks");
	TCase *rounds = tcase_create("rounds");
	TCase *limits = tcase_create("limits");
	TCase *texts = tcase_create("texts");
	TCase *cases[] = { checks, rounds, limits, texts };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tcase_add_checked_fixture(cases[i], set_up, tear_down);
		suite_add_tcase(suite, cases[i]);
	}
	tcase_add_loop_test(checks, report_is_taken_in_or_dropped_by_its_reason, 0,
			    sizeof(drops) / sizeof(drops[0]));
	tcase_add_test(checks, instances_keep_all_that_was_reported);
	tcase_add_loop_test(rounds, of_reports_alike_the_best_stands_with_the_tags_of_all, 0,
			    sizeof(alike) / sizeof(alike[0]));
	tcase_add_test(rounds, a_cap_on_ttls_is_part_of_being_equal);
	tcase_add_test(rounds, derived_snapshot_differs_in_its_changes_only);
	tcase_add_test(rounds, port_protocol_and_names_tell_instances_apart);
	tcase_add_test(rounds, instances_are_sorted_and_of_equal_reports_the_first_stands);
	tcase_add_test(rounds, instances_of_a_service_that_is_united_are_shared);
	tcase_add_test(rounds, digest_does_not_depend_on_order_but_on_content);
	tcase_add_test(rounds, unchanged_services_are_shared_with_the_previous_snapshot);
	tcase_add_test(rounds, snapshots_that_share_all_services_are_the_same);
	tcase_add_test(rounds, comparison_names_what_came_went_and_changed);
	tcase_add_test(rounds, services_are_found_by_their_folded_name);
	tcase_add_test(rounds, service_without_instances_is_known);
	tcase_add_test(rounds, snapshots_are_taken_over_by_pointer_and_united_where_they_meet);
	tcase_add_test(rounds, report_is_added_to_a_kept_service);
	tcase_add_test(limits, one_service_takes_no_more_than_its_limit);
	tcase_add_test(rounds, metadata_alone_changes_nothing);
	tcase_add_test(limits, registry_has_no_more_octets_than_its_limit);
	tcase_add_test(limits, text_that_is_too_long_costs_the_text);
	tcase_add_test(limits, registry_has_no_more_services_than_its_limit);
	tcase_add_loop_test(limits, registry_may_have_lower_limits, 0, sizeof(lower) / sizeof(lower[0]));
	tcase_add_test(limits, no_limit_is_above_the_highest);
	tcase_add_test(limits, fifty_thousand_instances_are_sealed_quickly);
	tcase_set_timeout(limits, 30);
	tcase_add_test(texts, first_drops_are_told_in_plain_text);
	tcase_add_test(texts, remarks_are_limited_and_visible);
	tcase_add_test(texts, failure_has_a_text_and_sealing_empties_the_builder);
	return harness_run(suite);
}
