/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { REGISTRIES = 2 };

static const unsigned order[REGISTRIES] = { 1, 0 };
static struct zone_options zone;
static struct snapshot *snapshots[REGISTRIES];

/* "10.0.0.1:80 10.0.0.2:80/critical db.example:5432": instances of service "s"; "-": known and empty. */
static struct snapshot *make(const char *text)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *s;
	char word[64], *copy = strdup(text);

	ck_assert_int_eq(snapshot_builder_add_service(b, "s"), 0);
	for (char *rest = copy, *w; (w = strsep(&rest, " ")) != NULL;) {
		struct report r = report_blank();
		char *health = strchr(w, '/'), *colon;

		if (strcmp(w, "-") == 0)
			continue;
		r.health = health == NULL     ? HEALTH_PASSING
			   : health[1] == 'w' ? HEALTH_WARNING
					      : HEALTH_CRITICAL;
		if (health != NULL)
			*health = '\0';
		snprintf(word, sizeof(word), "%s", w);
		colon = strchr(word, ':');
		*colon = '\0';
		r.service = "s";
		r.address = word;
		r.port = atoi(colon + 1);
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	}
	free(copy);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &s), 0);
	snapshot_builder_destroy(b);
	return s;
}

static void set_up(void)
{
	zone = (struct zone_options){ .registries = order, .n_registries = REGISTRIES };
	ck_assert(name_from_text("service.local", 13, &zone.origin));
}

static void tear_down(void)
{
	for (int i = 0; i < REGISTRIES; i++) {
		snapshot_release(snapshots[i]);
		snapshots[i] = NULL;
	}
}

static size_t resolve(void *context, const char *host, struct address ret[POLICY_ADDRESSES_MAX])
{
	(void)context;
	if (strcmp(host, "db.example") != 0)
		return 0;
	ret[0] = (struct address){ .octets = { 192, 0, 2, 1 }, .len = 4 };
	ret[1] = (struct address){ .octets = { 192, 0, 2, 2 }, .len = 4 };
	return 2;
}

static const struct policy_facts facts = { .addresses = resolve };

static int compare_words(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* What is selected, as "address:port", sorted. */
static const char *describe(const struct selection *s)
{
	static char words[16][64], text[1024];
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		for (size_t a = 0; a < s->members[i].n_addresses; a++) {
			char address[ADDRESS_TEXT_MAX];

			snprintf(words[n++], sizeof(words[0]), "%s:%u",
				 address_to_text(&s->members[i].addresses[a], address),
				 s->members[i].instance->port);
		}
	}
	qsort(words, n, sizeof(words[0]), compare_words);
	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		strcat(text, i > 0 ? " " : "");
		strcat(text, words[i]);
	}
	return text;
}

/* Registry 1 comes first in the zone. */
static const struct {
	enum merge merge;
	enum health_rule health;
	const char *first, *second;
	const char *selected;
	bool known, failed_open;
	uint64_t registries;
} cases[] = {
	{ MERGE_FIRST, HEALTH_RULE_PASSING, NULL, NULL, "", false, false, 0 },
	{ MERGE_FIRST, HEALTH_RULE_PASSING, "10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:80", true, false, 2 },
	{ MERGE_FIRST, HEALTH_RULE_PASSING, NULL, "10.0.0.2:80", "10.0.0.2:80", true, false, 1 },
	{ MERGE_FIRST, HEALTH_RULE_PASSING, "-", "10.0.0.2:80", "", true, false, 2 },
	{ MERGE_UNION, HEALTH_RULE_PASSING, "10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:80 10.0.0.2:80", true,
	  false, 3 },
	{ MERGE_UNION, HEALTH_RULE_PASSING, "10.0.0.1:80", "10.0.0.1:80", "10.0.0.1:80", true, false, 3 },
	{ MERGE_UNION, HEALTH_RULE_PASSING, "10.0.0.1:80/critical", "10.0.0.1:80 10.0.0.3:80", "10.0.0.3:80",
	  true, false, 3 }, /* the first registry's word on an instance counts */
	{ MERGE_UNION, HEALTH_RULE_PASSING, "10.0.0.1:80", "10.0.0.1:81", "10.0.0.1:80 10.0.0.1:81", true,
	  false, 3 },
	{ MERGE_FIRST, HEALTH_RULE_PASSING, "10.0.0.1:80/warning 10.0.0.2:80", NULL, "10.0.0.2:80", true,
	  false, 2 },
	{ MERGE_FIRST, HEALTH_RULE_WARNING, "10.0.0.1:80/warning 10.0.0.2:80/critical 10.0.0.3:80", NULL,
	  "10.0.0.1:80 10.0.0.3:80", true, false, 2 },
	{ MERGE_FIRST, HEALTH_RULE_ANY, "10.0.0.1:80/warning 10.0.0.2:80/critical", NULL,
	  "10.0.0.1:80 10.0.0.2:80", true, false, 2 },
	{ MERGE_FIRST, HEALTH_RULE_PASSING, "10.0.0.1:80/critical 10.0.0.2:80/critical", NULL,
	  "10.0.0.1:80 10.0.0.2:80", true, true, 2 }, /* fail open */
	{ MERGE_FIRST, HEALTH_RULE_PASSING, "10.0.0.1:80/warning 10.0.0.2:80/critical 10.0.0.3:80/warning",
	  NULL, "10.0.0.1:80 10.0.0.3:80", true, true, 2 }, /* as far as needed */
	{ MERGE_UNION, HEALTH_RULE_PASSING, "10.0.0.1:80/critical", "10.0.0.2:80/warning", "10.0.0.2:80",
	  true, true, 3 },
	{ MERGE_FIRST, HEALTH_RULE_WARNING, "10.0.0.1:80/warning 10.0.0.2:80/critical", NULL, "10.0.0.1:80",
	  true, false, 2 },
	{ MERGE_FIRST, HEALTH_RULE_WARNING, "10.0.0.1:80/critical 10.0.0.2:80/critical", NULL,
	  "10.0.0.1:80 10.0.0.2:80", true, true, 2 },
	{ MERGE_FIRST, HEALTH_RULE_ANY, "10.0.0.1:80/critical", NULL, "10.0.0.1:80", true, false, 2 },
	{ MERGE_FIRST, HEALTH_RULE_PASSING, "db.example:5432", NULL, "192.0.2.1:5432 192.0.2.2:5432", true,
	  false, 2 },
	{ MERGE_FIRST, HEALTH_RULE_PASSING, "unknown.example:5432 10.0.0.1:80/critical", NULL, "10.0.0.1:80",
	  true, true, 2 }, /* one without an address is not there */
};

START_TEST(the_selection_is_this)
{
	struct selection s;

	zone.merge = cases[_i].merge;
	zone.answer.health = cases[_i].health;
	snapshots[1] = cases[_i].first != NULL ? make(cases[_i].first) : NULL;
	snapshots[0] = cases[_i].second != NULL ? make(cases[_i].second) : NULL;
	ck_assert_int_eq(policy_select(&zone, snapshots, "s", &facts, &s), 0);
	ck_assert_str_eq(describe(&s), cases[_i].selected);
	ck_assert_int_eq(s.known, cases[_i].known);
	ck_assert_int_eq(s.failed_open, cases[_i].failed_open);
	ck_assert_uint_eq(s.registries, cases[_i].registries);
	selection_finish(&s);
}
END_TEST

START_TEST(a_service_can_have_options_of_its_own)
{
	const struct service_options services[] = { { .name = "a", .answer = { .ttl_s = 7 } },
						    { .name = "s", .answer = { .ttl_s = 9 } } };

	zone.answer.ttl_s = 2;
	ck_assert_uint_eq(zone_options_for(&zone, "s")->ttl_s, 2);
	zone.services = services;
	zone.n_services = 2;
	ck_assert_uint_eq(zone_options_for(&zone, "s")->ttl_s, 9);
	ck_assert_uint_eq(zone_options_for(&zone, "a")->ttl_s, 7);
	ck_assert_uint_eq(zone_options_for(&zone, "b")->ttl_s, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy");
	TCase *selections = tcase_create("selections");

	tcase_add_checked_fixture(selections, set_up, tear_down);
	tcase_add_loop_test(selections, the_selection_is_this, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(selections, a_service_can_have_options_of_its_own);
	suite_add_tcase(suite, selections);
	return harness_run(suite);
}
