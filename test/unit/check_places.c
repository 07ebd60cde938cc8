/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/places.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

enum { START_MS = 1000000 };

static struct places places;
static const struct address a = { .octets = { 10, 0, 0, 1 }, .len = 4 };
static const struct address b = { .octets = { 10, 0, 0, 2 }, .len = 4 };

static void set_up(void)
{
	memset(&places, 0, sizeof(places));
}

static uint64_t age(const struct address *address, uint64_t after_ms)
{
	return places_connection_age_s(&places, "registry.corp", "80", address, 1, START_MS + after_ms);
}

START_TEST(any_connection_will_do_while_nothing_changes)
{
	for (uint64_t ms = 0; ms < 100000; ms += 1000)
		ck_assert_uint_eq(age(&a, ms), PLACES_ANY_AGE);
}
END_TEST

/* Milliseconds since the address changed, and how old a connection may then be: always younger than that. */
static const struct {
	uint64_t after_ms, age_s;
} ages[] = {
	{ 0, 0 }, { 999, 0 }, { 1000, 0 }, { 1999, 0 }, { 2000, 1 }, { 2999, 1 }, { 3000, 2 }, { 60000, 59 },
};

START_TEST(connection_must_be_younger_than_the_change)
{
	age(&a, 0);
	ck_assert_uint_eq(age(&b, 500), 0);
	ck_assert_uint_eq(age(&b, 500 + ages[_i].after_ms), ages[_i].age_s);
}
END_TEST

START_TEST(change_back_is_a_change)
{
	age(&a, 0);
	age(&b, 1000);
	ck_assert_uint_eq(age(&b, 11000), 9);
	ck_assert_uint_eq(age(&a, 12000), 0);
	ck_assert_uint_eq(age(&a, 15000), 2);
}
END_TEST

START_TEST(more_or_fewer_addresses_are_a_change)
{
	const struct address both[] = { a, b };

	age(&a, 0);
	ck_assert_uint_eq(places_connection_age_s(&places, "registry.corp", "80", both, 2, START_MS + 5000),
			  0);
	ck_assert_uint_eq(places_connection_age_s(&places, "registry.corp", "80", both, 2, START_MS + 9000),
			  3);
	ck_assert_uint_eq(age(&a, 10000), 0);
}
END_TEST

START_TEST(hosts_and_ports_do_not_mix)
{
	age(&a, 0);
	ck_assert_uint_eq(places_connection_age_s(&places, "registry.corp", "81", &b, 1, START_MS),
			  PLACES_ANY_AGE);
	ck_assert_uint_eq(places_connection_age_s(&places, "other.corp", "80", &b, 1, START_MS),
			  PLACES_ANY_AGE);
	ck_assert_uint_eq(age(&a, 1000), PLACES_ANY_AGE);
}
END_TEST

static void crowd(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char host[32];

		snprintf(host, sizeof(host), "host%zu.corp", i);
		places_connection_age_s(&places, host, "80", &a, 1, START_MS + 1 + i);
	}
}

START_TEST(as_many_hosts_as_there_are_places_are_remembered)
{
	age(&a, 0);
	crowd(PLACES_MAX - 1);
	ck_assert_uint_eq(age(&b, 1000), 0);
}
END_TEST

START_TEST(host_not_used_for_longest_makes_room)
{
	age(&a, 0);
	crowd(PLACES_MAX);
	ck_assert_uint_eq(age(&b, 1000), PLACES_ANY_AGE); /* as if never seen */
	ck_assert_uint_eq(places_connection_age_s(&places, "host63.corp", "80", &b, 1, START_MS + 1000), 0);
}
END_TEST

START_TEST(full_set_of_addresses_fits)
{
	struct address many[RESOLVER_ADDRESSES_MAX];

	for (size_t i = 0; i < RESOLVER_ADDRESSES_MAX; i++)
		many[i] = (struct address){ .octets = { 10, 0, 1, (uint8_t)i }, .len = 4 };
	places_connection_age_s(&places, "registry.corp", "80", many, RESOLVER_ADDRESSES_MAX, START_MS);
	ck_assert_uint_eq(places_connection_age_s(&places, "registry.corp", "80", many,
						  RESOLVER_ADDRESSES_MAX, START_MS + 1),
			  PLACES_ANY_AGE);
	many[RESOLVER_ADDRESSES_MAX - 1] = b;
	ck_assert_uint_eq(places_connection_age_s(&places, "registry.corp", "80", many,
						  RESOLVER_ADDRESSES_MAX, START_MS + 2),
			  0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("places");
	TCase *changes = tcase_create("changes");
	TCase *room = tcase_create("room");

	tcase_add_checked_fixture(changes, set_up, NULL);
	tcase_add_test(changes, any_connection_will_do_while_nothing_changes);
	tcase_add_loop_test(changes, connection_must_be_younger_than_the_change, 0,
			    sizeof(ages) / sizeof(ages[0]));
	tcase_add_test(changes, change_back_is_a_change);
	tcase_add_test(changes, more_or_fewer_addresses_are_a_change);
	tcase_add_test(changes, hosts_and_ports_do_not_mix);
	suite_add_tcase(suite, changes);

	tcase_add_checked_fixture(room, set_up, NULL);
	tcase_add_test(room, as_many_hosts_as_there_are_places_are_remembered);
	tcase_add_test(room, host_not_used_for_longest_makes_room);
	tcase_add_test(room, full_set_of_addresses_fits);
	suite_add_tcase(suite, room);
	return harness_run(suite);
}
