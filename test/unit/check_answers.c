/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/answers.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

/* "10.0.0.1 fd00::1", separated by one space each. */
static struct addresses set_of(const char *text)
{
	struct addresses set = { 0 };
	struct address a;

	while (*text != '\0') {
		const size_t len = strcspn(text, " ");

		ck_assert(address_from_text(text, len, &a));
		addresses_add(&set, &a);
		text += len + (text[len] == ' ');
	}
	return set;
}

static const char *spell(const struct addresses *set)
{
	static char text[1200];
	char one[ADDRESS_TEXT_MAX];

	text[0] = '\0';
	for (size_t i = 0; i < set->n; i++)
		strcat(strcat(text, i > 0 ? " " : ""), address_to_text(&set->at[i], one));
	return text;
}

START_TEST(addresses_are_sorted_and_come_once)
{
	const struct addresses a = set_of("fd00::1 10.0.0.2 10.0.0.1 fd00::1 10.0.0.2");
	const struct addresses b = set_of("10.0.0.1 10.0.0.2 fd00::1"), c = set_of("10.0.0.1 10.0.0.2");

	ck_assert_str_eq(spell(&a), "10.0.0.1 10.0.0.2 fd00::1");
	ck_assert(addresses_equal(&a, &b));
	ck_assert(!addresses_equal(&a, &c));
}
END_TEST

START_TEST(of_too_many_addresses_the_smallest_stay)
{
	struct addresses set = { 0 };
	struct address a = { .octets = { 10, 0, 0, 0 }, .len = 4 };

	for (unsigned i = 0; i < 3 * RESOLVER_ADDRESSES_MAX; i++) {
		a.octets[3] = (uint8_t)(i * 37 % 48); /* each once, in no order */
		addresses_add(&set, &a);
	}
	ck_assert_uint_eq(set.n, RESOLVER_ADDRESSES_MAX);
	for (size_t i = 0; i < set.n; i++)
		ck_assert_uint_eq(set.at[i].octets[3], i);
}
END_TEST

static const struct {
	const char *host, *addresses; /* NULL: a server has to be asked */
} hosts[] = {
	{ "10.0.0.1", "10.0.0.1" },
	{ "[fd00::1]", "fd00::1" },
	{ "localhost", "127.0.0.1 ::1" },
	{ "LocalHost.", "127.0.0.1 ::1" },
	{ "a.localhost", "127.0.0.1 ::1" },
	{ "notlocalhost", NULL },
	{ "localhost.corp", NULL },
	{ "10.0.0.256", NULL },
	{ "", NULL },
	{ ".", NULL },
};

START_TEST(literals_and_localhost_are_known)
{
	struct addresses set;

	ck_assert_int_eq(addresses_of_known_host(hosts[_i].host, &set), hosts[_i].addresses != NULL);
	if (hosts[_i].addresses != NULL)
		ck_assert_str_eq(spell(&set), hosts[_i].addresses);
}
END_TEST

static const struct {
	enum outcome v4, v6;
	const char *found4, *found6, *old, *now;
} updates[] = {
	{ OUTCOME_FOUND, OUTCOME_FOUND, "10.0.0.2", "fd00::2", "10.0.0.1 fd00::1", "10.0.0.2 fd00::2" },
	{ OUTCOME_FOUND, OUTCOME_NO_DATA, "10.0.0.2", "", "10.0.0.1 fd00::1", "10.0.0.2" },
	{ OUTCOME_FOUND, OUTCOME_FAILED, "10.0.0.2", "", "10.0.0.1 fd00::1", "10.0.0.2 fd00::1" },
	{ OUTCOME_NONE, OUTCOME_FOUND, "", "fd00::2", "10.0.0.1 fd00::1", "10.0.0.1 fd00::2" },
	{ OUTCOME_FAILED, OUTCOME_NONE, "", "", "10.0.0.1 fd00::1", "10.0.0.1 fd00::1" },
	{ OUTCOME_NO_DATA, OUTCOME_NO_DATA, "", "", "10.0.0.1 fd00::1", "" },
	{ OUTCOME_NO_NAME, OUTCOME_FAILED, "", "", "10.0.0.1 fd00::1", "" },
	{ OUTCOME_NONE, OUTCOME_NO_NAME, "", "", "10.0.0.1", "" },
};

START_TEST(only_what_is_proven_takes_addresses_away)
{
	const struct answers a = {
		.of = { { .outcome = updates[_i].v4, .addresses = set_of(updates[_i].found4) },
			{ .outcome = updates[_i].v6, .addresses = set_of(updates[_i].found6) } },
	};
	const struct addresses old = set_of(updates[_i].old), none = { .n = 0 };
	struct addresses now;

	answers_update(&a, &old, &now);
	ck_assert_str_eq(spell(&now), updates[_i].now);
	answers_update(&a, &none, &now);
	ck_assert_uint_eq(now.n, a.of[0].addresses.n + a.of[1].addresses.n);
	ck_assert(answers_any(&a, updates[_i].v4));
	ck_assert(answers_any(&a, updates[_i].v6));
}
END_TEST

START_TEST(smallest_ttl_of_what_was_found_counts)
{
	struct answers a = { .of = { { .outcome = OUTCOME_FOUND, .ttl_s = 20 },
				     { .outcome = OUTCOME_FOUND, .ttl_s = 30 } } };

	ck_assert_uint_eq(answers_ttl(&a, 60), 20);
	ck_assert_uint_eq(answers_ttl(&a, 10), 10);
	a.of[0].outcome = OUTCOME_NO_DATA;
	ck_assert_uint_eq(answers_ttl(&a, 60), 30);
	a.of[1].outcome = OUTCOME_FAILED;
	ck_assert_uint_eq(answers_ttl(&a, 60), 60);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("answers");
	TCase *sets = tcase_create("addresses");
	TCase *answers = tcase_create("answers");

	tcase_add_test(sets, addresses_are_sorted_and_come_once);
	tcase_add_test(sets, of_too_many_addresses_the_smallest_stay);
	tcase_add_loop_test(sets, literals_and_localhost_are_known, 0, sizeof(hosts) / sizeof(hosts[0]));
	tcase_add_loop_test(answers, only_what_is_proven_takes_addresses_away, 0,
			    sizeof(updates) / sizeof(updates[0]));
	tcase_add_test(answers, smallest_ttl_of_what_was_found_counts);
	suite_add_tcase(suite, sets);
	suite_add_tcase(suite, answers);
	return harness_run(suite);
}
