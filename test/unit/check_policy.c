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

/* --- what this host knows --- */

/* An endpoint's word in a list like "10.0.0.1:80=500 10.0.0.2:80=7"; 0: it is not there. */
static uint64_t look_up(const char *list, const char *key)
{
	const size_t len = strlen(key);

	for (const char *at = list; (at = strstr(at, key)) != NULL; at += len) {
		if ((at == list || at[-1] == ' ') && (at[len] == '=' || at[len] == ' ' || at[len] == '\0'))
			return at[len] == '=' ? strtoull(at + len + 1, NULL, 10) : 1;
	}
	return 0;
}

struct known {
	const char *silent, *flapping, *local;
};

static uint64_t unreachable_ms(void *context, const struct address *address, uint16_t port)
{
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint e;

	endpoint_from_address(address, port, &e);
	return look_up(((const struct known *)context)->silent, endpoint_to_text(&e, text));
}

static bool is_flapping(void *context, const char *service, unsigned registry, const struct instance *i)
{
	char text[ADDRESS_TEXT_MAX];

	(void)registry;
	ck_assert_str_eq(service, "s");
	return look_up(((const struct known *)context)->flapping, address_to_text(&i->address, text)) > 0;
}

static bool is_local(void *context, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	return look_up(((const struct known *)context)->local, address_to_text(address, text)) > 0;
}

#define FOUR "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80 10.0.0.4:80"
#define FIVE FOUR " 10.0.0.5:80"

/* What a registry says, what this host knows, and what comes of it; the words for those left out, sorted as
 * they stand. The zone has each rule on. */
static const struct {
	struct known known;
	const char *said;
	const char *selected, *left_out;
} facts_cases[] = {
	/* reachability */
	{ { "", "", FOUR }, FOUR, FOUR, "" },
	{ { "10.0.0.2:80=5", "", "" }, FOUR, "10.0.0.1:80 10.0.0.3:80 10.0.0.4:80", "unreachable" },
	{ { "10.0.0.2:81=5", "", "" }, FOUR, FOUR, "" }, /* another port */
	{ { "10.0.0.1:80=5 10.0.0.2:80=5 10.0.0.3:80=9", "", "" },
	  FOUR,
	  "10.0.0.2:80 10.0.0.4:80",
	  "unreachable unreachable" }, /* those silent longest */
	{ { "10.0.0.1:80=5 10.0.0.2:80=6 10.0.0.3:80=7 10.0.0.4:80=8", "", "" },
	  FOUR,
	  "10.0.0.1:80 10.0.0.2:80",
	  "unreachable unreachable" },
	{ { "10.0.0.1:80=5 10.0.0.2:80=6 10.0.0.3:80=7 10.0.0.4:80=8 10.0.0.5:80=9", "", "" },
	  FIVE,
	  "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80",
	  "unreachable unreachable" },
	{ { "10.0.0.1:80=5", "", "" }, "10.0.0.1:80", "10.0.0.1:80", "" },
	{ { "10.0.0.1:80=5 10.0.0.2:80=5", "", "" },
	  "10.0.0.1:80 10.0.0.2:80",
	  "10.0.0.2:80",
	  "unreachable" },
	{ { "10.0.0.1:0=5", "", "" }, "10.0.0.1:0 10.0.0.2:80", "10.0.0.1:0 10.0.0.2:80", "" },
	/* the unhealthy do not count as a half */
	{ { "10.0.0.1:80=5 10.0.0.2:80=6", "", "" },
	  "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80/critical 10.0.0.4:80/critical",
	  "10.0.0.1:80",
	  "unreachable health health" },
	/* single addresses of an instance */
	{ { "192.0.2.2:5432=5", "", "" }, "db.example:5432", "192.0.2.1:5432", "" },
	{ { "192.0.2.1:5432=5 192.0.2.2:5432=6", "", "" }, "db.example:5432", "192.0.2.1:5432", "" },
	{ { "192.0.2.1:5432=5 192.0.2.2:5432=6", "", "" },
	  "db.example:5432 10.0.0.1:80 10.0.0.2:80",
	  "10.0.0.1:80 10.0.0.2:80",
	  "unreachable" },
	{ { "192.0.2.1:5432=5 192.0.2.2:5432=6 10.0.0.1:80=7", "", "" },
	  "db.example:5432 10.0.0.1:80",
	  "192.0.2.1:5432 192.0.2.2:5432",
	  "unreachable" }, /* one of three addresses, one of two instances */
	{ { "192.0.2.1:5432=5 192.0.2.2:5432=6 10.0.0.1:80=7", "", "" },
	  "db.example:5432 10.0.0.1:80 10.0.0.2:80",
	  "10.0.0.2:80 192.0.2.1:5432",
	  "unreachable" }, /* two of four addresses, one of three instances */
	{ { "10.0.0.1:80=5 10.0.0.2:80=6", "", "" },
	  "db.example:5432 10.0.0.1:80 10.0.0.2:80",
	  "10.0.0.1:80 192.0.2.1:5432 192.0.2.2:5432",
	  "unreachable" }, /* one of three instances, though two of four addresses might go */
	/* flapping */
	{ { "", "10.0.0.1", "" }, FOUR, "10.0.0.2:80 10.0.0.3:80 10.0.0.4:80", "flapping" },
	{ { "", "10.0.0.1 10.0.0.2 10.0.0.3", "" }, FOUR, "10.0.0.4:80", "flapping flapping flapping" },
	{ { "", "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4", "" }, FOUR, FOUR, "" }, /* all of them: none */
	{ { "", "10.0.0.1", "" },
	  "10.0.0.1:80 10.0.0.2:80/critical",
	  "10.0.0.1:80",
	  "health" }, /* the unhealthy are no alternative */
	{ { "10.0.0.2:80=5", "10.0.0.1", "" },
	  "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80",
	  "10.0.0.3:80",
	  "flapping unreachable" },
	/* nearness: at least two */
	{ { "", "", "10.0.0.1 10.0.0.3" }, FOUR, "10.0.0.1:80 10.0.0.3:80", "far far" },
	{ { "", "", "10.0.0.1" }, FOUR, FOUR, "" },
	{ { "10.0.0.1:80=5", "", "10.0.0.1 10.0.0.3" },
	  FOUR,
	  "10.0.0.2:80 10.0.0.3:80 10.0.0.4:80",
	  "unreachable" }, /* one of the two near is silent: all */
	{ { "", "", "192.0.2.2 10.0.0.1" },
	  "db.example:5432 10.0.0.1:80 10.0.0.2:80",
	  "10.0.0.1:80 192.0.2.1:5432 192.0.2.2:5432",
	  "far" },
};

static const char *describe_left_out(const struct selection *s)
{
	static char text[256];

	text[0] = '\0';
	for (size_t i = s->n; i < s->n_all; i++) {
		strcat(text, i > s->n ? " " : "");
		strcat(text, left_out_to_text(s->members[i].left_out));
	}
	return text;
}

/* All rules on, and this is known. */
static void choose(const char *said, const struct known *known, struct selection *ret)
{
	const struct policy_facts all = { .addresses = resolve,
					  .unreachable_ms = unreachable_ms,
					  .is_flapping = is_flapping,
					  .is_local = is_local,
					  .context = (void *)(uintptr_t)known };

	snapshots[1] = make(said);
	ck_assert_int_eq(policy_select(&zone, snapshots, "s", &all, ret), 0);
}

static void set_all_rules(void)
{
	zone.answer.probe = PROBE_TCP;
	zone.answer.flap_limit = 1;
	zone.answer.near = NEAR_SUBNET;
	zone.answer.near_min = 2;
}

START_TEST(what_this_host_knows_counts)
{
	struct selection s;

	set_all_rules();
	choose(facts_cases[_i].said, &facts_cases[_i].known, &s);
	ck_assert_str_eq(describe(&s), facts_cases[_i].selected);
	ck_assert_str_eq(describe_left_out(&s), facts_cases[_i].left_out);
	selection_finish(&s);
}
END_TEST

START_TEST(a_rule_that_is_off_asks_nobody)
{
	const struct known known = { "10.0.0.1:80=5", "10.0.0.2", "10.0.0.3 10.0.0.4" };
	struct selection s;

	choose(FOUR, &known, &s);
	ck_assert_str_eq(describe(&s), FOUR);
	selection_finish(&s);
}
END_TEST

START_TEST(how_long_nobody_has_answered_is_told)
{
	const struct known known = { "10.0.0.1:80=5 192.0.2.1:5432=8 192.0.2.2:5432=6", "", "" };
	struct selection s;

	set_all_rules();
	choose("10.0.0.1:80 10.0.0.2:80 10.0.0.3:80 db.example:5432", &known, &s);
	for (size_t i = 0; i < s.n_all; i++) {
		const struct instance *in = s.members[i].instance;

		ck_assert_uint_eq(s.members[i].unreachable_ms, instance_host(in) != NULL    ? 6
							       : in->address.octets[3] == 1 ? 5
											    : 0);
	}
	selection_finish(&s);
}
END_TEST

/* The same address and port speak both: a refused connection says nothing of the datagrams. */
START_TEST(udp_is_not_judged_by_connections)
{
	const struct known known = { "10.0.0.1:53=5 10.0.0.2:53=5", "", "" };
	struct snapshot_builder *b = snapshot_builder_create();
	struct selection s;

	set_all_rules();
	for (int i = 1; i <= 2; i++) {
		struct report r = report_blank();
		char address[16];

		snprintf(address, sizeof(address), "10.0.0.%d", i);
		r.service = "s";
		r.address = address;
		r.port = 53;
		r.protocol = PROTOCOL_UDP;
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	}
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &snapshots[1]), 0);
	snapshot_builder_destroy(b);
	const struct policy_facts all = { .unreachable_ms = unreachable_ms,
					  .context = (void *)(uintptr_t)&known };
	zone.answer.flap_limit = 0;
	zone.answer.near = NEAR_ALL;
	ck_assert_int_eq(policy_select(&zone, snapshots, "s", &all, &s), 0);
	ck_assert_str_eq(describe(&s), "10.0.0.1:53 10.0.0.2:53");
	selection_finish(&s);
}
END_TEST

static const struct {
	const char *zone_of_host;
	unsigned near_min;
	const char *selected;
} zone_cases[] = {
	{ "a", 1, "10.0.0.1:80 10.0.0.2:80" },
	{ "a", 3, FOUR },
	{ "b", 1, "10.0.0.3:80" },
	{ "c", 1, FOUR },
	{ "c", 0, FOUR },
	{ NULL, 1, FOUR },
};

/* a, a, b, unknown */
START_TEST(those_in_the_zone_of_the_host_come_alone)
{
	static const char *const zones[] = { "a", "a", "b", NULL };
	struct snapshot_builder *b = snapshot_builder_create();
	const struct policy_facts f = { .zone_of_host = zone_cases[_i].zone_of_host };
	struct selection s;

	for (int i = 0; i < 4; i++) {
		struct report r = report_blank();
		char address[16];

		snprintf(address, sizeof(address), "10.0.0.%d", i + 1);
		r.service = "s";
		r.address = address;
		r.port = 80;
		r.zone = zones[i];
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	}
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &snapshots[1]), 0);
	snapshot_builder_destroy(b);
	zone.answer.near = NEAR_ZONE;
	zone.answer.near_min = zone_cases[_i].near_min;
	ck_assert_int_eq(policy_select(&zone, snapshots, "s", &f, &s), 0);
	ck_assert_str_eq(describe(&s), zone_cases[_i].selected);
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
	tcase_add_loop_test(selections, what_this_host_knows_counts, 0,
			    sizeof(facts_cases) / sizeof(facts_cases[0]));
	tcase_add_test(selections, a_rule_that_is_off_asks_nobody);
	tcase_add_test(selections, how_long_nobody_has_answered_is_told);
	tcase_add_test(selections, udp_is_not_judged_by_connections);
	tcase_add_loop_test(selections, those_in_the_zone_of_the_host_come_alone, 0,
			    sizeof(zone_cases) / sizeof(zone_cases[0]));
	tcase_add_test(selections, a_service_can_have_options_of_its_own);
	suite_add_tcase(suite, selections);
	return harness_run(suite);
}
