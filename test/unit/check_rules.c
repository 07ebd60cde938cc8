/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/rules.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

enum { MEMBERS = 5 };

static const struct instance *instances[MEMBERS];
static struct member members[MEMBERS];
static struct selection selection;

static void set_instance(uint8_t i, const char *zone, uint8_t health)
{
	const struct instance_parts parts = {
		.address = { .octets = { 10, 0, 0, i }, .len = 4 }, .port = 80, .zone = zone, .health = health
	};

	instance_release(instances[i]);
	instances[i] = instance_create(&parts);
	ck_assert_ptr_nonnull(instances[i]);
	members[i] = (struct member){ .instance = instances[i],
				      .addresses = &instances[i]->address,
				      .n_addresses = 1 };
}

static void set_up(void)
{
	for (uint8_t i = 0; i < MEMBERS; i++)
		set_instance(i, NULL, HEALTH_PASSING);
	selection = (struct selection){ .members = members, .n_all = MEMBERS };
}

static void tear_down(void)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		instance_release(instances[i]);
		instances[i] = NULL;
	}
}

/* Who is left, as "0 2 4". */
static const char *left(void)
{
	static char text[2 * MEMBERS + 1];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < MEMBERS; i++) {
		if (members[i].left_out == LEFT_OUT_NOT)
			n += (size_t)snprintf(text + n, sizeof(text) - n, n > 0 ? " %zu" : "%zu", i);
	}
	return text;
}

/* --- nearness --- */

/* zones[i] is the zone of instance i: '-' none. */
static void put_into_zones(const char *zones)
{
	static const char *const names[] = { "a", "b", "c" };

	for (uint8_t i = 0; i < MEMBERS; i++)
		set_instance(i, zones[i] == '-' ? NULL : names[zones[i] - 'a'], HEALTH_PASSING);
}

static bool is_in_list(void *context, const struct address *address)
{
	return strchr(context, '0' + address->octets[3]) != NULL;
}

static const struct {
	const char *zones;
	const char *zone_of_host;
	uint32_t near_min;
	const char *left;
} zones[] = {
	{ "aabbc", "a", 1, "0 1" },        { "aabbc", "a", 2, "0 1" },
	{ "aabbc", "a", 3, "0 1 2 3 4" },                                    /* too few */
	{ "aabbc", "c", 1, "4" },          { "aabbc", "d", 1, "0 1 2 3 4" }, /* none */
	{ "aabbc", NULL, 1, "0 1 2 3 4" }, { "-----", NULL, 1, "0 1 2 3 4" },
	{ "-----", "a", 1, "0 1 2 3 4" },  { "--a--", "a", 1, "2" },
	{ "aaaaa", "a", 9, "0 1 2 3 4" },
};

START_TEST(those_in_the_zone_of_the_host_are_answered_alone_if_they_are_enough)
{
	const struct answer_options o = { .near = NEAR_ZONE, .near_min = zones[_i].near_min };
	const struct policy_facts facts = { .zone_of_host = zones[_i].zone_of_host };

	put_into_zones(zones[_i].zones);
	rules_nearness(&selection, &o, &facts);
	ck_assert_str_eq(left(), zones[_i].left);
}
END_TEST

static const struct {
	const char *local;
	uint32_t near_min;
	const char *left;
} subnets[] = {
	{ "03", 1, "0 3" },     { "03", 2, "0 3" },          { "03", 3, "0 1 2 3 4" },
	{ "", 1, "0 1 2 3 4" }, { "01234", 5, "0 1 2 3 4" }, { "4", 1, "4" },
};

START_TEST(those_in_a_subnet_of_the_host_are_answered_alone_if_they_are_enough)
{
	const struct answer_options o = { .near = NEAR_SUBNET, .near_min = subnets[_i].near_min };
	const struct policy_facts facts = { .is_local = is_in_list, .context = (void *)subnets[_i].local };

	rules_nearness(&selection, &o, &facts);
	ck_assert_str_eq(left(), subnets[_i].left);
}
END_TEST

START_TEST(nobody_is_near_when_nothing_is_known_of_subnets)
{
	const struct answer_options o = { .near = NEAR_SUBNET, .near_min = 1 };
	const struct policy_facts facts = { 0 };

	rules_nearness(&selection, &o, &facts);
	ck_assert_str_eq(left(), "0 1 2 3 4");
}
END_TEST

START_TEST(one_of_several_addresses_that_is_near_is_enough)
{
	const struct address two[] = { instances[0]->address, instances[4]->address };
	const struct answer_options o = { .near = NEAR_SUBNET, .near_min = 1 };
	const struct policy_facts facts = { .is_local = is_in_list, .context = (char[]){ "4" } };

	members[0].addresses = two;
	members[0].n_addresses = 2;
	rules_nearness(&selection, &o, &facts);
	ck_assert_str_eq(left(), "0 4");
}
END_TEST

/* Near ones that are out for another reason are not enough of anything. */
START_TEST(only_usable_near_ones_count)
{
	const struct answer_options o = { .near = NEAR_ZONE, .near_min = 2 };
	const struct policy_facts facts = { .zone_of_host = "a" };

	put_into_zones("aabbc");
	members[1].left_out = LEFT_OUT_UNREACHABLE;
	rules_nearness(&selection, &o, &facts);
	ck_assert_str_eq(left(), "0 2 3 4");
	ck_assert_int_eq(members[1].left_out, LEFT_OUT_UNREACHABLE);
}
END_TEST

START_TEST(without_the_key_all_are_alike)
{
	const struct answer_options o = { .near = NEAR_ALL, .near_min = 1 };
	const struct policy_facts facts = { .zone_of_host = "a",
					    .is_local = is_in_list,
					    .context = (char[]){ "1" } };

	put_into_zones("aabbc");
	rules_nearness(&selection, &o, &facts);
	ck_assert_str_eq(left(), "0 1 2 3 4");
}
END_TEST

/* --- flapping --- */

static bool flaps(void *context, const char *service, unsigned registry, const struct instance *i)
{
	ck_assert_str_eq(service, "s");
	return registry == 0 && is_in_list(context, &i->address);
}

static const struct {
	const char *flapping, *left;
} flapping[] = {
	{ "", "0 1 2 3 4" },
	{ "13", "0 2 4" },
	{ "0123", "4" },
	{ "01234", "0 1 2 3 4" }, /* never the last ones */
};

START_TEST(those_that_flap_are_left_out_unless_all_do)
{
	const struct policy_facts facts = { .is_flapping = flaps, .context = (void *)flapping[_i].flapping };

	rules_flapping(&selection, "s", &facts);
	ck_assert_str_eq(left(), flapping[_i].left);
}
END_TEST

START_TEST(the_last_healthy_one_stays_although_it_flaps)
{
	const struct policy_facts facts = { .is_flapping = flaps, .context = (char[]){ "3" } };

	for (uint8_t i = 0; i < MEMBERS; i++)
		set_instance(i, NULL, i == 3 ? HEALTH_PASSING : HEALTH_CRITICAL);
	rules_health(&selection, HEALTH_RULE_PASSING);
	ck_assert_str_eq(left(), "3");
	rules_flapping(&selection, "s", &facts);
	ck_assert_str_eq(left(), "3");
}
END_TEST

START_TEST(what_another_registry_says_of_an_instance_does_not_matter)
{
	const struct policy_facts facts = { .is_flapping = flaps, .context = (char[]){ "13" } };

	members[1].registry = 1;
	rules_flapping(&selection, "s", &facts);
	ck_assert_str_eq(left(), "0 1 2 4");
}
END_TEST

/* --- health --- */

static const struct {
	enum health_rule rule;
	bool healthy[3];
} healths[] = {
	{ HEALTH_RULE_PASSING, { true, false, false } },
	{ HEALTH_RULE_WARNING, { true, true, false } },
	{ HEALTH_RULE_ANY, { true, true, true } },
};

START_TEST(healthy_is_what_the_rule_says)
{
	for (uint8_t h = HEALTH_PASSING; h <= HEALTH_CRITICAL; h++)
		ck_assert_int_eq(rules_is_healthy(healths[_i].rule, h), healths[_i].healthy[h]);
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *suite = suite_create("rules");
	TCase *near = tcase_create("nearness"), *flap = tcase_create("flapping"),
	      *health = tcase_create("health");

	tcase_add_checked_fixture(near, set_up, tear_down);
	tcase_add_loop_test(near, those_in_the_zone_of_the_host_are_answered_alone_if_they_are_enough, 0,
			    N(zones));
	tcase_add_loop_test(near, those_in_a_subnet_of_the_host_are_answered_alone_if_they_are_enough, 0,
			    N(subnets));
	tcase_add_test(near, nobody_is_near_when_nothing_is_known_of_subnets);
	tcase_add_test(near, one_of_several_addresses_that_is_near_is_enough);
	tcase_add_test(near, only_usable_near_ones_count);
	tcase_add_test(near, without_the_key_all_are_alike);
	suite_add_tcase(suite, near);
	tcase_add_checked_fixture(flap, set_up, tear_down);
	tcase_add_loop_test(flap, those_that_flap_are_left_out_unless_all_do, 0, N(flapping));
	tcase_add_test(flap, the_last_healthy_one_stays_although_it_flaps);
	tcase_add_test(flap, what_another_registry_says_of_an_instance_does_not_matter);
	suite_add_tcase(suite, flap);
	tcase_add_loop_test(health, healthy_is_what_the_rule_says, 0, N(healths));
	suite_add_tcase(suite, health);
	return harness_run(suite);
}
