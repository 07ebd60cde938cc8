/* SPDX-License-Identifier: BSD-2-Clause */
/* What is answered when data is old: zone/answer.h as far as model/freshness.h decides. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "phone.h"

#define SOA "service.local. 1 SOA ns.service.local. hostmaster.service.local. SERIAL 3600 600 86400 1"

static const char first[] = "[{\"targets\":[\"10.1.0.7:8080\"],\"labels\":{\"service\":\"inventory\"}}]";
static const char second[] = "[{\"targets\":[\"10.1.0.7:99\"],\"labels\":{\"service\":\"stock\"}}]";
static const struct round_counts counts = { .services = 1 };

static struct phone phone;

static void set_up(void)
{
	phone_init(&phone);
	phone_say(&phone, 0, first);
	phone_say(&phone, 1, second);
	phone_publish(&phone);
	freshness_heard(phone.freshness, 0, phone.now_ms);
	freshness_heard(phone.freshness, 1, phone.now_ms);
}

static void tear_down(void)
{
	phone_finish(&phone);
}

static void pass(uint64_t ms)
{
	phone.now_ms += ms;
}

static void expect(const char *name, uint16_t type, const char *text, int ede)
{
	ck_assert_str_eq(phone_text(&phone, name, type), text);
	ck_assert_int_eq(phone_ede(&phone, NULL), ede);
}

START_TEST(expired_data_is_answered_no_more)
{
	char why[256];

	pass(3600001);
	expect("inventory.service.local", RRTYPE_A, "SERVFAIL | | |", EDE_NO_REACHABLE_AUTHORITY);
	phone_text(&phone, "inventory.service.local", RRTYPE_AAAA);
	ck_assert_int_eq(phone_ede(&phone, why), EDE_NO_REACHABLE_AUTHORITY);
	ck_assert_str_eq(why, "registry dc1 last heard 3600 s ago");
}
END_TEST

START_TEST(an_expired_no_is_no_answer_either)
{
	pass(3600001);
	expect("unknown.service.local", RRTYPE_A, "SERVFAIL | | |", EDE_NO_REACHABLE_AUTHORITY);
}
END_TEST

START_TEST(up_to_the_limit_it_is_stale)
{
	pass(3600000);
	expect("inventory.service.local", RRTYPE_A, "NOERROR aa | 1 A 10.1.0.7 | |", EDE_STALE_ANSWER);
	expect("unknown.service.local", RRTYPE_A, "NXDOMAIN aa | | " SOA " |", EDE_STALE_NXDOMAIN);
}
END_TEST

START_TEST(a_no_holds_while_one_registry_is_heard)
{
	pass(3600001);
	freshness_heard(phone.freshness, 1, phone.now_ms);
	expect("unknown.service.local", RRTYPE_A, "NXDOMAIN aa | | " SOA " |", EDE_STALE_NXDOMAIN);
	expect("inventory.service.local", RRTYPE_A, "SERVFAIL | | |", EDE_NO_REACHABLE_AUTHORITY);
	expect("stock.service.local", RRTYPE_A, "NOERROR aa | 2 A 10.1.0.7 | |", EDE_NONE);
}
END_TEST

START_TEST(what_the_zone_says_of_itself_does_not_expire)
{
	pass(3600001);
	expect("service.local", RRTYPE_SOA,
	       "NOERROR aa | 1 SOA ns.service.local. hostmaster.service.local. "
	       "SERIAL 3600 600 86400 1 | |",
	       EDE_NONE);
	ck_assert_ptr_nonnull(
		strstr(phone_text(&phone, "_status.service.local", RRTYPE_TXT), "registry=dc1"));
	expect("10-1-0-7.addr.service.local", RRTYPE_A, "NOERROR aa | 2 A 10.1.0.7 | |", EDE_NONE);
}
END_TEST

START_TEST(expired_names_of_an_address_are_left_out)
{
	pass(3600001);
	freshness_heard(phone.freshness, 1, phone.now_ms);
	expect("7.0.1.10.in-addr.arpa", RRTYPE_PTR, "NOERROR aa | 2 PTR stock.service.local. | |", EDE_NONE);
	pass(3600001);
	expect("7.0.1.10.in-addr.arpa", RRTYPE_PTR, "SERVFAIL | | |", EDE_NO_REACHABLE_AUTHORITY);
}
END_TEST

START_TEST(data_from_the_disk_is_stale_however_young)
{
	char why[256];

	freshness_restore(phone.freshness, 0, phone.now_ms - 5000);
	freshness_recount(phone.freshness, 0, &counts);
	phone_text(&phone, "inventory.service.local", RRTYPE_A);
	ck_assert_int_eq(phone_ede(&phone, why), EDE_STALE_ANSWER);
	ck_assert_str_eq(why, "registry dc1 last heard 5 s ago, before a restart");
	expect("inventory.service.local", RRTYPE_A, "NOERROR aa | 1 A 10.1.0.7 | |", EDE_STALE_ANSWER);
	ck_assert_ptr_nonnull(
		strstr(phone_text(&phone, "_status.service.local", RRTYPE_TXT), " age=5.0s from=disk "));
	freshness_heard(phone.freshness, 0, phone.now_ms);
	expect("inventory.service.local", RRTYPE_A, "NOERROR aa | 2 A 10.1.0.7 | |", EDE_NONE);
}
END_TEST

START_TEST(a_no_beside_a_failing_registry_says_so)
{
	char why[256];

	freshness_bad(phone.freshness, 1);
	expect("unknown.service.local", RRTYPE_A, "NXDOMAIN aa | | " SOA " |", EDE_OTHER);
	phone_ede(&phone, why);
	ck_assert_str_eq(why, "registry local is failing and may know the name");
	expect("inventory.service.local", RRTYPE_A, "NOERROR aa | 2 A 10.1.0.7 | |", EDE_NONE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("age");
	TCase *tc = tcase_create("answers");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, expired_data_is_answered_no_more);
	tcase_add_test(tc, an_expired_no_is_no_answer_either);
	tcase_add_test(tc, up_to_the_limit_it_is_stale);
	tcase_add_test(tc, a_no_holds_while_one_registry_is_heard);
	tcase_add_test(tc, what_the_zone_says_of_itself_does_not_expire);
	tcase_add_test(tc, expired_names_of_an_address_are_left_out);
	tcase_add_test(tc, data_from_the_disk_is_stale_however_young);
	tcase_add_test(tc, a_no_beside_a_failing_registry_says_so);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
