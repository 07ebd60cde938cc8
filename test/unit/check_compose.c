/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/compose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "phone.h"

static struct phone phone;

static void set_up(void)
{
	phone_init(&phone);
}

static void tear_down(void)
{
	phone_finish(&phone);
}

/* The answer section of what is said about a name, "" when there is none. */
static const char *answers(const char *name, uint16_t type)
{
	static char text[8192];

	snprintf(text, sizeof(text), "%s", phone_text(&phone, name, type));
	char *start = strchr(text, '|'), *end = strchr(start + 1, '|');
	*end = '\0';
	start += strspn(start, "| ");
	while (end > start && end[-1] == ' ')
		*--end = '\0';
	return start;
}

static bool exists(const char *name)
{
	return strncmp(phone_text(&phone, name, RRTYPE_SRV), "NOERROR", 7) == 0;
}

START_TEST(one_address_with_two_ports_is_one_a_and_two_srvs)
{
	phone_say(&phone, 0,
		  "[{\"targets\":[\"10.0.0.1:80\",\"10.0.0.1:81\"],\"labels\":{\"service\":\"s\"}}]");
	phone_publish(&phone);
	ck_assert_str_eq(answers("s.service.local", RRTYPE_A), "2 A 10.0.0.1");
	ck_assert_str_eq(
		answers("s.service.local", RRTYPE_SRV),
		"2 SRV 0 1 80 10-0-0-1.addr.service.local.; 2 SRV 0 1 81 10-0-0-1.addr.service.local.");
	ldns_pkt *reply = phone_ask(&phone, "s.service.local", RRTYPE_SRV, 0, 512);
	ck_assert_uint_eq(ldns_pkt_arcount(reply), 1); /* one target, one glue */
	ldns_pkt_free(reply);
}
END_TEST

START_TEST(one_target_with_two_priorities_has_its_glue_once)
{
	phone_say(
		&phone, 0,
		"[{\"targets\":[\"10.0.0.1:80\",\"10.0.0.2:80\"],\"labels\":{\"service\":\"s\",\"priority\":\"1\"}},"
		"{\"targets\":[\"10.0.0.1:81\",\"10.0.0.2:81\"],\"labels\":{\"service\":\"s\",\"priority\":\"2\"}}]");
	phone_publish(&phone);
	ldns_pkt *reply = phone_ask(&phone, "s.service.local", RRTYPE_SRV, 0, 512);
	ck_assert_uint_eq(ldns_pkt_ancount(reply), 4);
	ck_assert_uint_eq(ldns_pkt_arcount(reply), 2);
	ldns_pkt_free(reply);
}
END_TEST

START_TEST(an_address_we_listen_on_twice_is_named_once)
{
	const struct address listen[] = { { .octets = { 127, 0, 0, 1 }, .len = 4 },
					  { .octets = { 127, 0, 0, 1 }, .len = 4 },
					  { .octets = { 127, 0, 0, 2 }, .len = 4 } };
	struct block *block;

	ck_assert_int_eq(compose_apex(&phone.zone, listen, 3, &block), 0);
	ck_assert_int_eq(table_builder_replace(phone.builder, NULL, block), 0);
	phone_publish(&phone);
	struct name ns;
	ck_assert(name_from_text("ns.service.local", 16, &ns));
	const uint32_t *owners = (const uint32_t *)((const uint8_t *)block + block->owners_at);
	const struct owner *o = (const struct owner *)((const uint8_t *)block + owners[1]);
	ck_assert_uint_eq(owner_rrset(o, RRTYPE_A)->n, 2);
}
END_TEST

START_TEST(instances_that_differ_in_name_only_are_one_srv)
{
	phone_say(&phone, 0,
		  "[{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"service\":\"s\",\"name\":\"a\"}},"
		  "{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"service\":\"s\",\"name\":\"b\"}}]");
	phone_publish(&phone);
	ck_assert_str_eq(answers("s.service.local", RRTYPE_SRV), "2 SRV 0 1 80 10-0-0-1.addr.service.local.");
	ck_assert_str_eq(answers("a.s.service.local", RRTYPE_A), "2 A 10.0.0.1");
	ck_assert_str_eq(answers("b.s.service.local", RRTYPE_A), "2 A 10.0.0.1");
	ck_assert_str_eq(answers("1.0.0.10.in-addr.arpa", RRTYPE_PTR),
			 "2 PTR a.s.service.local.; 2 PTR b.s.service.local.");
}
END_TEST

START_TEST(an_address_of_two_services_has_two_names)
{
	phone_say(&phone, 0,
		  "[{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"service\":\"s\"}},"
		  "{\"targets\":[\"10.0.0.1:81\"],\"labels\":{\"service\":\"t\"}}]");
	phone_publish(&phone);
	ck_assert_str_eq(answers("1.0.0.10.in-addr.arpa", RRTYPE_PTR),
			 "2 PTR s.service.local.; 2 PTR t.service.local.");
}
END_TEST

START_TEST(tags_fold_and_only_labels_become_names)
{
	phone_say(
		&phone, 0,
		"[{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"service\":\"s\",\"tags\":\"Blue,v1.4,a b\"}}]");
	phone_publish(&phone);
	ck_assert_str_eq(answers("blue.s.service.local", RRTYPE_A), "2 A 10.0.0.1");
	ck_assert(exists("_s._blue.service.local"));
	ck_assert(exists("_blue.service.local"));
	ck_assert(!exists("v1.s.service.local"));
	ck_assert(!exists("v1.4.s.service.local"));
}
END_TEST

START_TEST(a_tag_named_like_a_protocol_does_not_hide_it)
{
	phone_say(&phone, 0,
		  "[{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"service\":\"s\",\"tags\":\"tcp\"}},"
		  "{\"targets\":[\"10.0.0.2:80\"],\"labels\":{\"service\":\"s\"}}]");
	phone_publish(&phone);
	ck_assert_str_eq(
		answers("_s._tcp.service.local", RRTYPE_SRV),
		"2 SRV 0 1 80 10-0-0-1.addr.service.local.; 2 SRV 0 1 80 10-0-0-2.addr.service.local.");
	ck_assert_str_eq(answers("tcp.s.service.local", RRTYPE_A), "2 A 10.0.0.1");
}
END_TEST

START_TEST(a_name_and_a_tag_that_are_equal_stand_for_both)
{
	phone_say(
		&phone, 0,
		"[{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"service\":\"s\",\"tags\":\"x\"}},"
		"{\"targets\":[\"10.0.0.2:80\"],\"labels\":{\"service\":\"s\",\"name\":\"x\",\"tags\":\"x\"}}]");
	phone_publish(&phone);
	ck_assert_str_eq(answers("x.s.service.local", RRTYPE_A), "2 A 10.0.0.1; 2 A 10.0.0.2");
}
END_TEST

START_TEST(a_service_beats_a_part_of_another)
{
	phone_say(&phone, 0,
		  "[{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"service\":\"s\",\"tags\":\"x\"}},"
		  "{\"targets\":[\"10.0.0.2:80\"],\"labels\":{\"service\":\"x.s\"}}]");
	phone_publish(&phone);
	ck_assert_str_eq(answers("x.s.service.local", RRTYPE_A), "2 A 10.0.0.2");
}
END_TEST

START_TEST(a_service_of_several_labels_has_no_rfc2782_name_but_ports)
{
	phone_say(
		&phone, 0,
		"[{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"service\":\"web.eu.shop\",\"port_name\":\"http\",\"protocol\":\"tcp\"}}]");
	phone_publish(&phone);
	ck_assert_str_eq(answers("web.eu.shop.service.local", RRTYPE_A), "2 A 10.0.0.1");
	ck_assert_str_eq(answers("_http._tcp.web.eu.shop.service.local", RRTYPE_SRV),
			 "2 SRV 0 1 80 10-0-0-1.addr.service.local.");
	ck_assert(exists("eu.shop.service.local"));
	ck_assert(exists("shop.service.local"));
	ck_assert(!exists("_http._udp.web.eu.shop.service.local"));
	ck_assert(!exists("_web._tcp.service.local"));
}
END_TEST

/* Weights of instances at one address add up; drained ones come last whatever their priority. */
START_TEST(addresses_take_weight_and_priority_from_their_instances)
{
	phone_say(
		&phone, 0,
		"[{\"targets\":[\"10.0.0.1:80\",\"10.0.0.1:81\"],\"labels\":{\"service\":\"s\",\"weight\":\"40000\"}},"
		"{\"targets\":[\"10.0.0.2:80\"],\"labels\":{\"service\":\"s\",\"weight\":\"0\",\"priority\":\"0\"}},"
		"{\"targets\":[\"10.0.0.3:80\"],\"labels\":{\"service\":\"s\",\"weight\":\"1\",\"priority\":\"7\"}}]");
	phone_publish(&phone);
	struct name n;
	ck_assert(name_from_text("s.service.local", 15, &n));
	const struct owners found = table_find(phone.table, n.octets, n.len);
	const struct rrset *set = owner_rrset(found.at[0], RRTYPE_A);
	const struct block *block = found.at[0]->block;
	ck_assert_uint_eq(set->n, 3);
	ck_assert_uint_eq(set->n_active, 2);
	ck_assert_uint_eq(set->n_tiers, 3);
	ck_assert(!set->weighted);
	ck_assert_uint_eq(block_rr(block, set->rrs[0])->weight, 65535);
	ck_assert_uint_eq(block_rr(block, set->rrs[1])->octets[15], 3);
	ck_assert_uint_eq(block_rr(block, set->rrs[2])->octets[15], 2);
}
END_TEST

static void say_capped(const char *const addresses[], const uint32_t ttls_s[], size_t n)
{
	struct snapshot_builder *b = snapshot_builder_create();

	for (size_t i = 0; i < n; i++) {
		struct report r = report_blank();

		r.service = "s";
		r.address = addresses[i];
		r.port = 80;
		r.health = i == 0 ? HEALTH_CRITICAL : HEALTH_PASSING;
		r.ttl_s = ttls_s[i];
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	}
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &phone.snapshots[0]), 0);
	snapshot_builder_destroy(b);
	phone_publish(&phone);
}

/* The zone says 2 s. */
static const struct {
	uint32_t unhealthy, first, second;
	unsigned answered;
} caps[] = {
	{ TTL_CAP_NONE, TTL_CAP_NONE, TTL_CAP_NONE, 2 },
	{ TTL_CAP_NONE, 30, 3, 2 }, /* a cap is no wish for more */
	{ TTL_CAP_NONE, 30, 1, 1 },
	{ TTL_CAP_NONE, 0, 1, 0 },
	{ 0, TTL_CAP_NONE, 1, 1 }, /* who is not answered has no say */
};

START_TEST(ttl_is_the_smallest_of_the_zone_and_its_instances)
{
	static const char *const addresses[] = { "10.0.0.3", "10.0.0.1", "2001:db8::1" };
	const uint32_t ttls_s[] = { caps[_i].unhealthy, caps[_i].first, caps[_i].second };
	const unsigned ttl_s = caps[_i].answered;
	char text[256];

	say_capped(addresses, ttls_s, 3);
	snprintf(text, sizeof(text), "%u A 10.0.0.1", ttl_s);
	ck_assert_str_eq(answers("s.service.local", RRTYPE_A), text);
	snprintf(text, sizeof(text), "%u AAAA 2001:db8::1", ttl_s);
	ck_assert_str_eq(answers("s.service.local", RRTYPE_AAAA), text);
	snprintf(text, sizeof(text),
		 "%u SRV 0 1 80 10-0-0-1.addr.service.local.; %u SRV 0 1 80 2001-db8--1.addr.service.local.",
		 ttl_s, ttl_s);
	ck_assert_str_eq(answers("s.service.local", RRTYPE_SRV), text);
	ck_assert_str_eq(answers("_s._tcp.service.local", RRTYPE_SRV), text);
	snprintf(text, sizeof(text), "%u PTR s.service.local.", ttl_s);
	ck_assert_str_eq(answers("1.0.0.10.in-addr.arpa", RRTYPE_PTR), text);
}
END_TEST

START_TEST(the_longest_labels_and_names_are_made_or_left_out)
{
	static const char label63[] = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0";
	char json[512], name[256];

	snprintf(json, sizeof(json),
		 "[{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"service\":\"%s\",\"tags\":\"%s\"}}]", label63,
		 label63);
	phone_say(&phone, 0, json);
	phone_publish(&phone);
	snprintf(name, sizeof(name), "%s.service.local", label63);
	ck_assert_str_eq(answers(name, RRTYPE_A), "2 A 10.0.0.1");
	snprintf(name, sizeof(name), "%s.%s.service.local", label63, label63);
	ck_assert_str_eq(answers(name, RRTYPE_A), "2 A 10.0.0.1");
	ck_assert(exists(
		"_tcp.service.local")); /* with the underscore the label has 64 octets: no RFC 2782 name */
}
END_TEST

START_TEST(a_name_too_long_for_the_zone_is_an_error)
{
	struct selection nothing = { .known = true };
	struct block *block;
	char service[256] = "a";

	for (int i = 0; i < 120; i++)
		strcat(service, ".a");
	ck_assert_int_eq(compose_service(&phone.zone, service, &nothing, &block), -ENAMETOOLONG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compose");
	TCase *names = tcase_create("names");

	tcase_add_checked_fixture(names, set_up, tear_down);
	tcase_add_test(names, one_address_with_two_ports_is_one_a_and_two_srvs);
	tcase_add_test(names, one_target_with_two_priorities_has_its_glue_once);
	tcase_add_test(names, an_address_we_listen_on_twice_is_named_once);
	tcase_add_test(names, instances_that_differ_in_name_only_are_one_srv);
	tcase_add_test(names, an_address_of_two_services_has_two_names);
	tcase_add_test(names, tags_fold_and_only_labels_become_names);
	tcase_add_test(names, a_tag_named_like_a_protocol_does_not_hide_it);
	tcase_add_test(names, a_name_and_a_tag_that_are_equal_stand_for_both);
	tcase_add_test(names, a_service_beats_a_part_of_another);
	tcase_add_test(names, a_service_of_several_labels_has_no_rfc2782_name_but_ports);
	tcase_add_test(names, addresses_take_weight_and_priority_from_their_instances);
	tcase_add_loop_test(names, ttl_is_the_smallest_of_the_zone_and_its_instances, 0,
			    sizeof(caps) / sizeof(caps[0]));
	tcase_add_test(names, the_longest_labels_and_names_are_made_or_left_out);
	tcase_add_test(names, a_name_too_long_for_the_zone_is_an_error);
	suite_add_tcase(suite, names);
	return harness_run(suite);
}
