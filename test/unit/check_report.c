/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/report.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

static struct report_room room;
static struct instance_parts in;

static struct report report_of(const char *address)
{
	struct report r = report_blank();

	r.service = "inventory";
	r.address = address;
	return r;
}

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L49 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct {
	const char *written, *kept; /* NULL: dropped */
	enum drop reason;
} names[] = {
	{ "inventory", "inventory", DROP_NONE },
	{ "Order_Service", "order_service", DROP_NONE },
	{ "Inventory.SHOP", "inventory.shop", DROP_NONE },
	{ "-odd-", "-odd-", DROP_NONE },
	{ "9", "9", DROP_NONE },
	{ L63, L63, DROP_NONE },
	{ L49 "." L49 "." L49 "." L49 "a", L49 "." L49 "." L49 "." L49 "a", DROP_NONE },
	{ "addr.shop", "addr.shop", DROP_NONE },
	{ "_http._tcp.inventory", "_http._tcp.inventory", DROP_NONE },
	{ NULL, NULL, DROP_SERVICE_NAME },
	{ "", NULL, DROP_SERVICE_NAME },
	{ ".", NULL, DROP_SERVICE_NAME },
	{ "inventory.", NULL, DROP_SERVICE_NAME },
	{ ".inventory", NULL, DROP_SERVICE_NAME },
	{ "a..b", NULL, DROP_SERVICE_NAME },
	{ "with space", NULL, DROP_SERVICE_NAME },
	{ "caf\xc3\xa9", NULL, DROP_SERVICE_NAME },
	{ "DEFAULT_GROUP@@inventory", NULL, DROP_SERVICE_NAME },
	{ L63 "a", NULL, DROP_SERVICE_NAME },
	{ L49 "." L49 "." L49 "." L49 "ab", NULL, DROP_SERVICE_NAME },
	{ "addr", NULL, DROP_RESERVED },
	{ "NS", NULL, DROP_RESERVED },
	{ "inventory.addr", NULL, DROP_RESERVED },
	{ "_status", NULL, DROP_RESERVED },
	{ "_http._TCP", NULL, DROP_RESERVED },
	{ "_udp", NULL, DROP_RESERVED },
};

START_TEST(service_names_are_host_names_in_lower_case)
{
	char name[SERVICE_NAME_SIZE] = "untouched";

	ck_assert_int_eq(report_check_service(names[_i].written, name), names[_i].reason);
	if (names[_i].kept != NULL)
		ck_assert_str_eq(name, names[_i].kept);
}
END_TEST

static const struct {
	const char *written, *literal, *host;
} addresses[] = {
	{ "10.0.0.1", "10.0.0.1", NULL },
	{ "127.0.0.1", "127.0.0.1", NULL },
	{ "2001:DB8::1", "2001:db8::1", NULL },
	{ "[2001:db8::1]", "2001:db8::1", NULL },
	{ "::ffff:10.0.0.1", "10.0.0.1", NULL },
	{ "2001:db8::2:9100", "2001:db8::2:9100", NULL },
	{ "Inv-4.Example.NET", NULL, "inv-4.example.net" },
	{ "trailing.dot.example.", NULL, "trailing.dot.example" },
	{ "localhost", NULL, "localhost" },
	{ "10.0.0.1.nip.example", NULL, "10.0.0.1.nip.example" },
	{ "0xfood", NULL, "0xfood" },
	{ NULL, NULL, NULL },
	{ "", NULL, NULL },
	{ ".", NULL, NULL },
	{ "010.000.001.012", NULL, NULL },
	{ "167772173", NULL, NULL },
	{ "0x7f000001", NULL, NULL },
	{ "10.0.1", NULL, NULL },
	{ "example.0x1F", NULL, NULL },
	{ "1.2.3.4.", NULL, NULL },
	{ "0.0.0.0", NULL, NULL },
	{ "255.255.255.255", NULL, NULL },
	{ "224.0.0.1", NULL, NULL },
	{ "::", NULL, NULL },
	{ "ff02::1", NULL, NULL },
	{ "fe80::1", NULL, NULL },
	{ "fe80::1%eth0", NULL, NULL },
	{ "name with space", NULL, NULL },
	{ " 10.0.0.1", NULL, NULL },
	{ "10.0.0.1:80", NULL, NULL },
	{ "http://10.0.0.1/", NULL, NULL },
	{ "a..b", NULL, NULL },
	{ "caf\xc3\xa9.example", NULL, NULL },
	{ L63 "a.example", NULL, NULL },
};

START_TEST(addresses_are_usable_literals_or_host_names)
{
	const struct report r = report_of(addresses[_i].written);
	char text[ADDRESS_TEXT_MAX];

	if (addresses[_i].literal == NULL && addresses[_i].host == NULL) {
		ck_assert_int_eq(report_check(&r, &room, &in), DROP_ADDRESS);
	} else {
		ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
		ck_assert_pstr_eq(in.host, addresses[_i].host);
		ck_assert_uint_eq(in.address.len > 0, addresses[_i].literal != NULL);
		if (addresses[_i].literal != NULL)
			ck_assert_str_eq(address_to_text(&in.address, text), addresses[_i].literal);
	}
}
END_TEST

static const struct {
	int64_t port, weight, priority;
	bool good;
	unsigned kept_weight, kept_priority;
} numbers[] = {
	{ 0, 1, 0, true, 1, 0 },
	{ 65535, 0, -1, true, 0, 0 },
	{ 80, -5, 65536, true, 1, 65535 },
	{ 80, 65536, 7, true, 65535, 7 },
	{ 80, INT64_MAX, INT64_MIN, true, 65535, 0 },
	{ 65536, 1, 0, false, 0, 0 },
	{ -1, 1, 0, false, 0, 0 },
	{ INT64_MIN, 1, 0, false, 0, 0 },
};

START_TEST(numbers_are_brought_into_range_and_ports_must_be)
{
	struct report r = report_of("10.0.0.1");

	r.port = numbers[_i].port;
	r.weight = numbers[_i].weight;
	r.priority = numbers[_i].priority;
	ck_assert_int_eq(report_check(&r, &room, &in), numbers[_i].good ? DROP_NONE : DROP_PORT);
	if (numbers[_i].good) {
		ck_assert_uint_eq(in.port, numbers[_i].port);
		ck_assert_uint_eq(in.weight, numbers[_i].kept_weight);
		ck_assert_uint_eq(in.priority, numbers[_i].kept_priority);
	}
}
END_TEST

static const struct {
	uint32_t reported;
	unsigned kept;
} ttls[] = {
	{ 0, 0 },
	{ 1, 1 },
	{ 30, 30 },
	{ 31, TTL_CAP_NONE },
	{ 256, TTL_CAP_NONE },
	{ UINT32_MAX, TTL_CAP_NONE },
};

START_TEST(a_cap_on_ttls_is_one_if_it_can_matter)
{
	struct report r = report_of("10.0.0.1");

	r.ttl_s = ttls[_i].reported;
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_uint_eq(in.ttl_s, ttls[_i].kept);
}
END_TEST

START_TEST(blank_report_has_the_defaults)
{
	const struct report r = report_of("10.0.0.1");

	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_uint_eq(in.port, 0);
	ck_assert_uint_eq(in.weight, 1);
	ck_assert_uint_eq(in.priority, 0);
	ck_assert_uint_eq(in.ttl_s, TTL_CAP_NONE);
	ck_assert_int_eq(in.health, HEALTH_PASSING);
	ck_assert_int_eq(in.protocol, PROTOCOL_ANY);
	ck_assert_ptr_null(in.name);
	ck_assert_ptr_null(in.port_name);
	ck_assert_ptr_null(in.zone);
	ck_assert_uint_eq(in.n_tags, 0);
	ck_assert_uint_eq(in.n_metadata, 0);
}
END_TEST

START_TEST(what_is_dropped_writes_no_instance)
{
	struct report r = report_of("10.0.0.1");

	memset(&in, 0x5a, sizeof(in));
	const struct instance_parts before = in;
	r.port = 65536;
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_PORT);
	r.address = "not an address";
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_ADDRESS);
	ck_assert_mem_eq(&in, &before, sizeof(in));
}
END_TEST

START_TEST(names_that_are_no_labels_are_left_out)
{
	struct report r = report_of("10.0.0.1");

	r.name = "Inventory-1";
	r.port_name = "HTTP";
	r.zone = "";
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_str_eq(in.name, "inventory-1");
	ck_assert_str_eq(in.port_name, "http");
	ck_assert_ptr_null(in.zone);

	r.name = "10.0.1.1#8080";
	r.port_name = L63 "a";
	r.zone = "Zone A";
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_ptr_null(in.name);
	ck_assert_ptr_null(in.port_name);
	ck_assert_str_eq(in.zone, "Zone A");
}
END_TEST

START_TEST(tags_are_sorted_once_each_and_limited)
{
	char texts[100][8];
	const char *tags[100];
	struct report r = report_of("10.0.0.1");

	for (size_t i = 0; i < 100; i++) {
		snprintf(texts[i], sizeof(texts[i]), "t%02zu", (99 - i) / 2 * 2);
		tags[i] = texts[i];
	}
	tags[50] = "";
	r.tags = tags;
	r.n_tags = 100;
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_uint_eq(in.n_tags, 50);
	ck_assert_str_eq(in.tags[0], "t00");
	ck_assert_str_eq(in.tags[49], "t98");

	for (size_t i = 0; i < 100; i++) {
		snprintf(texts[i], sizeof(texts[i]), "t%02zu", i);
		tags[i] = texts[i];
	}
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_uint_eq(in.n_tags, INSTANCE_TAGS_MAX);
	ck_assert_str_eq(in.tags[63], "t63");
}
END_TEST

START_TEST(tag_is_added_where_it_belongs)
{
	const char *tags[INSTANCE_TAGS_MAX] = { "b", "d" };

	ck_assert_uint_eq(report_add_tag(tags, 2, "c"), 3);
	ck_assert_uint_eq(report_add_tag(tags, 3, "d"), 3);
	ck_assert_uint_eq(report_add_tag(tags, 3, "a"), 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(tags[i][0], (int)('a' + i));
}
END_TEST

START_TEST(metadata_is_sorted_and_first_of_equal_keys_stays)
{
	const struct metadata metadata[] = { { "version", "1" }, { "build", "7" }, { "version", "2" } };
	struct report r = report_of("10.0.0.1");

	r.metadata = metadata;
	r.n_metadata = 3;
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_uint_eq(in.n_metadata, 2);
	ck_assert_str_eq(in.metadata[0].key, "build");
	ck_assert_str_eq(in.metadata[1].value, "1");
}
END_TEST

/* 255 octets are kept, 256 are not. */
START_TEST(texts_that_are_too_long_are_left_out)
{
	char fits[256], too_long[257];
	const char *const tags[] = { fits, too_long, "v1" };
	const struct metadata metadata[] = {
		{ "a", fits }, { "b", too_long }, { fits, "c" }, { too_long, "d" }
	};
	struct report r = report_of("10.0.0.1");

	memset(fits, 'x', 255), fits[255] = '\0';
	memset(too_long, 'x', 256), too_long[256] = '\0';
	r.zone = fits;
	r.tags = tags;
	r.metadata = metadata;
	r.n_tags = 1;
	r.n_metadata = 1;
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_ptr_null(room.left_out);
	ck_assert_str_eq(in.zone, fits);

	r.n_tags = 3;
	r.n_metadata = 4;
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_uint_eq(in.n_tags, 2);
	ck_assert_uint_eq(in.n_metadata, 2);
	ck_assert_str_eq(in.metadata[1].key, fits);
	ck_assert_ptr_nonnull(room.left_out);
	r.n_tags = r.n_metadata = 0;
	r.zone = too_long;
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_ptr_null(in.zone);
	ck_assert_str_eq(room.left_out, "a zone that is too long");
}
END_TEST

/* 16 times 256 octets are 4 KiB. */
START_TEST(metadata_is_bounded_as_a_whole)
{
	char value[256];
	char keys[40][2] = { 0 };
	struct metadata metadata[40];
	struct report r = report_of("10.0.0.1");

	memset(value, 'x', 255), value[255] = '\0';
	for (int i = 0; i < 40; i++) {
		keys[i][0] = (char)('0' + i);
		metadata[i] = (struct metadata){ keys[i], value };
	}
	r.metadata = metadata;
	r.n_metadata = 16;
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_uint_eq(in.n_metadata, 16);
	ck_assert_ptr_null(room.left_out);
	r.n_metadata = 40;
	ck_assert_int_eq(report_check(&r, &room, &in), DROP_NONE);
	ck_assert_uint_eq(in.n_metadata, 16);
	ck_assert_str_eq(in.metadata[0].key, "0");
	ck_assert_str_eq(room.left_out, "metadata beyond the limit");
}
END_TEST

START_TEST(every_reason_has_a_word)
{
	for (int i = 0; i < DROP_REASONS; i++)
		ck_assert_uint_gt(strlen(drop_to_text((enum drop)i)), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report");
	TCase *checks = tcase_create("checks");

	suite_add_tcase(suite, checks);
	tcase_add_loop_test(checks, service_names_are_host_names_in_lower_case, 0,
			    sizeof(names) / sizeof(names[0]));
	tcase_add_loop_test(checks, addresses_are_usable_literals_or_host_names, 0,
			    sizeof(addresses) / sizeof(addresses[0]));
	tcase_add_loop_test(checks, numbers_are_brought_into_range_and_ports_must_be, 0,
			    sizeof(numbers) / sizeof(numbers[0]));
	tcase_add_loop_test(checks, a_cap_on_ttls_is_one_if_it_can_matter, 0, sizeof(ttls) / sizeof(ttls[0]));
	tcase_add_test(checks, blank_report_has_the_defaults);
	tcase_add_test(checks, what_is_dropped_writes_no_instance);
	tcase_add_test(checks, names_that_are_no_labels_are_left_out);
	tcase_add_test(checks, tags_are_sorted_once_each_and_limited);
	tcase_add_test(checks, tag_is_added_where_it_belongs);
	tcase_add_test(checks, metadata_is_sorted_and_first_of_equal_keys_stays);
	tcase_add_test(checks, texts_that_are_too_long_are_left_out);
	tcase_add_test(checks, metadata_is_bounded_as_a_whole);
	tcase_add_test(checks, every_reason_has_a_word);
	return harness_run(suite);
}
