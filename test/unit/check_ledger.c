/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/ledger.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "harness.h"

static struct ledger *ledger;
static struct ledger_part part, other;
static struct snapshot_builder *b;

static void set_up(void)
{
	ledger = ledger_create();
	b = snapshot_builder_create();
	ck_assert_ptr_nonnull(ledger);
	ck_assert_ptr_nonnull(b);
	part = other = (struct ledger_part){ 0 };
}

static void tear_down(void)
{
	ledger_drop(ledger, &part);
	ledger_drop(ledger, &other);
	ledger_destroy(ledger);
	snapshot_builder_destroy(b);
}

/* "a=1 a=2 b=0 c": instance 10.0.0.1 of a, 10.0.0.2 of a, a dropped one of b, c without instances. */
static void fill(const char *text)
{
	char name[32], address[32];
	int n, used;

	for (; sscanf(text, " %31[a-z]%n", name, &used) == 1; text += used) {
		struct report r = report_blank();

		ck_assert_int_eq(snapshot_builder_add_service(b, name), 0);
		if (sscanf(text, " %31[a-z]=%d%n", name, &n, &used) < 2)
			continue;
		snprintf(address, sizeof(address), "%d.0.0.%d", n > 0 ? 10 : 0, n);
		r.service = name;
		r.address = address;
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	}
}

static void put(struct ledger_part *p, const char *key, const char *text)
{
	fill(text);
	ck_assert_int_eq(ledger_put(ledger, p, key, b), 0);
}

static void stage(struct ledger_part *p, const char *key, const char *text)
{
	fill(text);
	ck_assert_int_eq(ledger_stage(ledger, p, key, b), 0);
}

/* A round of one item. */
static void answer(struct ledger_part *p, const char *text)
{
	ledger_begin(ledger, p);
	stage(p, "body", text);
	ledger_commit(ledger, p);
}

static struct snapshot *seal(void)
{
	struct snapshot *s = NULL;

	ck_assert_int_eq(ledger_seal(ledger, &s), 0);
	ck_assert_ptr_nonnull(s);
	ck_assert(!ledger_is_touched(ledger));
	return s;
}

static const char *describe(const struct snapshot *s)
{
	static char text[1024];
	char address[ADDRESS_TEXT_MAX], *out = text;

	*out = '\0';
	for (size_t i = 0; i < s->n_services; i++) {
		const struct service *found = s->services[i];

		out += sprintf(out, "%s%s", i > 0 ? " " : "", found->name);
		for (size_t k = 0; k < found->n_instances; k++)
			out += sprintf(out, "%c%s", k > 0 ? ',' : '=',
				       strrchr(address_to_text(&found->instances[k]->address, address), '.') +
					       1);
	}
	return text;
}

static void expect(const char *text)
{
	struct snapshot *s = seal();
	size_t n = 0;

	ck_assert_str_eq(describe(s), text);
	for (size_t i = 0; i < s->n_services; i++)
		n += s->services[i]->n_instances;
	ck_assert_uint_eq(s->n_instances, n);
	snapshot_release(s);
}

/* --- items --- */

START_TEST(a_ledger_of_which_nothing_was_heard_is_empty)
{
	struct snapshot *one = seal(), *two = seal();

	ck_assert_uint_eq(one->n_services, 0);
	ck_assert_ptr_eq(one, two);
	ck_assert_uint_eq(one->users, 3);
	ck_assert_ptr_null(ledger_find(ledger, &part, "x"));
	ck_assert(ledger_is_certain(ledger, "a"));
	ledger_remove(ledger, &part, "x");
	ledger_keep(ledger, &part, "x");
	ledger_abort(ledger, &part);
	ck_assert(!ledger_is_touched(ledger));
	snapshot_release(one);
	snapshot_release(two);
	ledger_destroy(NULL);
}
END_TEST

START_TEST(a_service_is_what_all_items_say_of_it)
{
	put(&part, "x", "a=1 b=1");
	ck_assert(ledger_is_touched(ledger));
	put(&part, "y", "a=2 c");
	put(&other, "x", "a=1 a=3");
	ck_assert_uint_eq(part.n, 2);
	expect("a=1,2,3 b=1 c");
	put(&part, "x", "b=1 b=2");
	expect("a=1,2,3 b=1,2 c");
	ledger_remove(ledger, &other, "x");
	expect("a=2 b=1,2 c");
	ledger_remove(ledger, &part, "y");
	ck_assert_uint_eq(part.n, 1);
	expect("b=1,2");
	ledger_drop(ledger, &part);
	ck_assert_uint_eq(part.n, 0);
	expect("");
}
END_TEST

START_TEST(only_what_changed_is_made_anew)
{
	put(&part, "x", "a=1 b=1");
	put(&part, "y", "a=2");
	put(&part, "z", "c=1");
	struct snapshot *one = seal();
	put(&part, "z", "c=2");
	struct snapshot *two = seal();

	ck_assert_ptr_eq(one->services[0], two->services[0]);
	ck_assert_ptr_eq(one->services[1], two->services[1]);
	ck_assert_ptr_ne(one->services[2], two->services[2]);
	ck_assert_ptr_eq(two->services[2], ledger_find(ledger, &part, "z")->services[0]);
	snapshot_release(one);
	snapshot_release(two);
}
END_TEST

START_TEST(the_same_again_is_the_snapshot_from_before)
{
	put(&part, "x", "a=1 b=1");
	put(&part, "y", "a=2 b=0");
	struct snapshot *one = seal();
	put(&part, "x", "a=1 b=1");
	put(&part, "y", "a=2 b=0");
	struct snapshot *two = seal();
	put(&part, "z", "a=3");
	ledger_remove(ledger, &part, "z"); /* there and gone between two seals */
	struct snapshot *three = seal();
	ledger_remove(ledger, &part, "y"); /* said by another item instead */
	put(&part, "z", "a=2 b=0");
	struct snapshot *four = seal();

	ck_assert_ptr_eq(one, two);
	ck_assert_ptr_eq(one, three);
	ck_assert_ptr_eq(one, four);
	ck_assert_uint_eq(one->users, 5);
	snapshot_release(one);
	snapshot_release(two);
	snapshot_release(three);
	snapshot_release(four);
}
END_TEST

/* The order of the keys decides what is said first, not the order of hearing. */
START_TEST(the_result_does_not_depend_on_history)
{
	static const char *const keys[] = { "x", "y", "z" };
	static const int orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 0, 2 } };
	struct report r = report_blank();

	r.service = "a";
	r.address = "10.0.0.1";
	for (int i = 0; i < 3; i++) {
		const int k = orders[_i][i];

		r.zone = keys[k];
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
		snapshot_builder_remark(b, "%s is odd", keys[k]);
		ck_assert_int_eq(ledger_put(ledger, &part, keys[k], b), 0);
	}
	struct snapshot *s = seal();

	ck_assert_uint_eq(s->n_instances, 1);
	ck_assert_str_eq(instance_zone(s->services[0]->instances[0]), "x");
	ck_assert_uint_eq(snapshot_n_remarks(s), 3);
	ck_assert_str_eq(snapshot_remark(s, 0), "x is odd");
	ck_assert_str_eq(snapshot_remark(s, 2), "z is odd");
	snapshot_release(s);
}
END_TEST

static void note_item(void *context, const char *key, const struct snapshot *item)
{
	sprintf((char *)context + strlen(context), "%s(%s) ", key, describe(item));
}

START_TEST(items_are_found_and_visited_in_the_order_of_their_keys)
{
	char seen[256] = "";

	put(&part, "z", "a=1");
	put(&part, "x", "a=2");
	put(&part, "y", "");
	put(&other, "w", "a=4");
	ledger_begin(ledger, &part);
	stage(&part, "v", "a=5");
	ledger_for_each(ledger, &part, note_item, seen);
	ck_assert_str_eq(seen, "x(a=2) y() z(a=1) ");
	ck_assert_str_eq(describe(ledger_find(ledger, &part, "z")), "a=1");
	ck_assert_ptr_null(ledger_find(ledger, &part, "v"));
	ck_assert_ptr_null(ledger_find(ledger, &part, "w"));
}
END_TEST

START_TEST(drops_and_remarks_of_all_items_add_up)
{
	char key[16];

	put(&part, "x", "a=0 a=1");
	struct snapshot *one = seal();
	ck_assert_uint_eq(snapshot_dropped(one, DROP_ADDRESS), 1);
	put(&part, "y", "a=0");
	put(&other, "x", "a=0");
	struct snapshot *two = seal();
	ck_assert_uint_eq(snapshot_dropped(two, DROP_ADDRESS), 3);
	ck_assert_uint_eq(snapshot_n_remarks(two), 1);        /* in the same words */
	ck_assert_ptr_eq(one->services[0], two->services[0]); /* only the findings changed */
	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "%02d", i);
		fill("a=0");
		snapshot_builder_remark(b, "%s is odd", key);
		ck_assert_int_eq(ledger_put(ledger, &part, key, b), 0);
	}
	struct snapshot *three = seal();
	ck_assert_uint_eq(snapshot_dropped(three, DROP_ADDRESS), 23);
	ck_assert_uint_eq(snapshot_n_remarks(three), REMARKS_MAX);
	ledger_drop(ledger, &part);
	ledger_drop(ledger, &other);
	struct snapshot *four = seal();
	ck_assert_ptr_null(four->findings);
	snapshot_release(one);
	snapshot_release(two);
	snapshot_release(three);
	snapshot_release(four);
}
END_TEST

/* --- rounds --- */

START_TEST(a_round_is_seen_when_it_is_complete)
{
	put(&part, "x", "a=1");
	put(&part, "y", "b=1");
	put(&part, "z", "c=1");
	expect("a=1 b=1 c=1");
	ledger_begin(ledger, &part);
	stage(&part, "v", "d=1");
	stage(&part, "x", "a=2");
	stage(&part, "x", "a=3");
	ledger_keep(ledger, &part, "y");
	ledger_keep(ledger, &part, "none");
	ck_assert(!ledger_is_touched(ledger));
	expect("a=1 b=1 c=1");
	ledger_commit(ledger, &part);
	ck_assert_uint_eq(part.n, 3);
	expect("a=3 b=1 d=1");
	ledger_begin(ledger, &part);
	ledger_commit(ledger, &part);
	expect("");
}
END_TEST

START_TEST(a_round_given_up_changes_nothing)
{
	put(&part, "x", "a=1");
	put(&other, "x", "b=1");
	struct snapshot *one = seal();
	ledger_begin(ledger, &part);
	stage(&part, "x", "a=2");
	stage(&part, "y", "c=2");
	ledger_abort(ledger, &part);
	ck_assert_uint_eq(part.n, 1);
	struct snapshot *two = seal();
	ledger_begin(ledger, &part);
	stage(&part, "y", "d=2");
	ledger_begin(ledger, &part); /* gives up, too */
	ledger_keep(ledger, &part, "x");
	ledger_commit(ledger, &part);
	struct snapshot *three = seal();

	ck_assert_ptr_eq(one, two);
	ck_assert_ptr_eq(one, three);
	snapshot_release(one);
	snapshot_release(two);
	snapshot_release(three);
}
END_TEST

START_TEST(without_a_round_nothing_is_staged_or_gone)
{
	put(&part, "x", "a=1");
	fill("a=2");
	ck_assert_int_eq(ledger_stage(ledger, &part, "y", b), -EINVAL);
	ledger_keep(ledger, &part, "x");
	ledger_commit(ledger, &part);
	expect("a=1");
	put(&part, "y", ""); /* the builder was emptied */
	expect("a=1");
}
END_TEST

START_TEST(parts_have_rounds_of_their_own)
{
	ledger_begin(ledger, &part);
	stage(&part, "x", "a=1");
	ledger_begin(ledger, &other);
	stage(&other, "x", "a=2");
	ledger_commit(ledger, &other);
	expect("a=2");
	ledger_commit(ledger, &part);
	expect("a=1,2");
	ledger_begin(ledger, &other);
	ledger_commit(ledger, &other);
	expect("a=1");
}
END_TEST

START_TEST(a_change_told_during_a_round_is_newer)
{
	put(&part, "x", "a=1");
	put(&part, "y", "b=1");
	ledger_begin(ledger, &part);
	stage(&part, "x", "a=2");
	stage(&part, "y", "b=2");
	put(&part, "x", "a=3");
	put(&part, "z", "c=3");
	ledger_remove(ledger, &part, "y");
	expect("a=3 c=3");
	ledger_commit(ledger, &part);
	expect("a=3 c=3");
}
END_TEST

START_TEST(a_part_dropped_in_a_round_is_gone)
{
	put(&part, "x", "a=1");
	ledger_begin(ledger, &part);
	stage(&part, "y", "a=2");
	ledger_drop(ledger, &part);
	expect("");
	ledger_begin(ledger, &part);
	stage(&part, "y", "a=2");
	ledger_commit(ledger, &part);
	expect("a=2");
}
END_TEST

/* --- certainty --- */

static bool is_certain(const char *service)
{
	snapshot_release(seal());
	return ledger_is_certain(ledger, service);
}

START_TEST(what_is_told_as_a_change_is_certain)
{
	put(&part, "x", "a=1");
	ck_assert(is_certain("a"));
	ledger_remove(ledger, &part, "x");
	ck_assert(is_certain("a"));
	answer(&part, "a=1");
	ck_assert(!is_certain("a"));
	put(&part, "body", "a=1"); /* the same, but by itself */
	ck_assert(is_certain("a"));
	answer(&part, "a=2");
	ck_assert(!is_certain("a"));
	ledger_remove(ledger, &part, "body");
	ck_assert(is_certain("a"));
	answer(&part, "a=2");
	ledger_drop(ledger, &part);
	ck_assert(is_certain("a"));
}
END_TEST

START_TEST(what_two_answers_say_is_certain)
{
	answer(&part, "a=1 b=1");
	ck_assert(!is_certain("a"));
	answer(&part, "a=1 b=2");
	ck_assert(is_certain("a"));
	ck_assert(!is_certain("b"));
	answer(&part, "a=1 b=3"); /* changed again */
	ck_assert(!is_certain("b"));
	ledger_begin(ledger, &part);
	ledger_abort(ledger, &part); /* a round that failed says nothing */
	ck_assert(!is_certain("b"));
	ledger_repeat(ledger, &part);
	ck_assert(is_certain("b"));
	ledger_begin(ledger, &part);
	stage(&part, "body", "a=5 b=3");
	ledger_commit(ledger, &part);
	ledger_begin(ledger, &part);
	ledger_keep(ledger, &part, "body");
	ledger_commit(ledger, &part);
	ck_assert(is_certain("a"));
}
END_TEST

START_TEST(that_a_service_is_gone_becomes_certain_as_well)
{
	answer(&part, "a=1 b=1");
	answer(&part, "a=1 b=1");
	answer(&part, "b=1");
	expect("b=1");
	ck_assert(!ledger_is_certain(ledger, "a"));
	answer(&part, "b=1");
	ck_assert(is_certain("a"));
	ledger_begin(ledger, &part);
	ledger_commit(ledger, &part);
	ck_assert(!is_certain("b"));
	answer(&part, "b=1"); /* back again */
	ck_assert(!is_certain("b"));
	ledger_repeat(ledger, &part);
	ck_assert(is_certain("b"));
}
END_TEST

START_TEST(only_the_part_that_changed_it_can_say_it_again)
{
	answer(&part, "a=1");
	answer(&other, "b=1");
	answer(&other, "b=1");
	ck_assert(!is_certain("a"));
	ck_assert(is_certain("b"));
	ledger_begin(ledger, &part);
	ledger_commit(ledger, &part);
	ck_assert(!is_certain("a"));
	ledger_drop(ledger, &part); /* it is not asked any more: nobody will */
	ck_assert(is_certain("a"));
}
END_TEST

/* --- any history --- */

enum { KEYS = 4 };

/* What a part should hold, key by key; NULL: nothing. */
struct model {
	struct ledger_part *part;
	const char *now[KEYS], *staged[KEYS];
	bool seen[KEYS];
};

static struct random draws;

static const char *draw_text(void)
{
	static const char *const texts[] = { "",        "a=1",     "a=1 b=1", "a=2 b=2 c", "a=1 a=2 c=3",
					     "a=0 b=1", "b=1 b=2", "c=0 d=4", "d",         "a=3 d=1",
					     "a=0",     "a=0 a=0" };

	return texts[random_below(&draws, sizeof(texts) / sizeof(texts[0]))];
}

static void change_item(struct model *m, unsigned what, const char *key, unsigned k)
{
	const char *text = draw_text();

	switch (what) {
	case 0:
		put(m->part, key, text);
		m->now[k] = text;
		m->staged[k] = NULL;
		m->seen[k] = true;
		break;
	case 1:
		ledger_remove(ledger, m->part, key);
		m->now[k] = m->staged[k] = NULL;
		m->seen[k] = false;
		break;
	case 2:
		if (!m->part->in_round)
			break;
		stage(m->part, key, text);
		m->staged[k] = text;
		m->seen[k] = true;
		break;
	default:
		ledger_keep(ledger, m->part, key);
		m->seen[k] = m->seen[k] || m->now[k] != NULL;
	}
}

static void end_round(struct model *m, bool good)
{
	for (unsigned k = 0; k < KEYS; k++) {
		if (good)
			m->now[k] = m->staged[k] != NULL ? m->staged[k] : m->seen[k] ? m->now[k] : NULL;
		m->staged[k] = NULL;
		m->seen[k] = false;
	}
}

static void change_round(struct model *m, unsigned what)
{
	const bool good = m->part->in_round && what < 6;

	if (good)
		ledger_commit(ledger, m->part);
	else if (what < 9)
		ledger_begin(ledger, m->part);
	else if (what == 9)
		ledger_abort(ledger, m->part);
	else if (what == 10)
		ledger_repeat(ledger, m->part);
	else
		ledger_drop(ledger, m->part);
	end_round(m, good);
	if (what > 10)
		memset(m->now, 0, sizeof(m->now));
}

/* All that the models say, read as one answer. */
static struct snapshot *read_at_once(const struct model models[2], const struct snapshot *before)
{
	struct snapshot *s = NULL;

	for (size_t i = 0; i < 2 * KEYS; i++) {
		if (models[i / KEYS].now[i % KEYS] != NULL)
			fill(models[i / KEYS].now[i % KEYS]);
	}
	ck_assert_int_eq(snapshot_builder_seal(b, before, &s), 0);
	return s;
}

static void compare_with_models(const struct model models[2])
{
	struct snapshot *s = seal(), *at_once = read_at_once(models, s);
	char expected[1024];

	strcpy(expected, describe(at_once));
	ck_assert_str_eq(describe(s), expected);
	ck_assert(snapshot_is_same(s, at_once));
	ck_assert_uint_eq(snapshot_dropped(s, DROP_ADDRESS), snapshot_dropped(at_once, DROP_ADDRESS));
	ck_assert_uint_eq(s->n_instances, at_once->n_instances);
	snapshot_release(s);
	snapshot_release(at_once);
}

START_TEST(after_any_history_it_is_what_the_items_say)
{
	static const char *const keys[KEYS] = { "w", "x", "y", "z" };
	struct model models[2] = { { .part = &part }, { .part = &other } };

	draws = (struct random){ .state = { (uint64_t)_i + 1, 2, 3, 4 } };
	for (unsigned i = 0; i < 3000; i++) {
		struct model *m = &models[random_below(&draws, 2)];
		const unsigned k = random_below(&draws, KEYS);

		if (random_below(&draws, 5) > 0)
			change_item(m, random_below(&draws, 4), keys[k], k);
		else
			change_round(m, random_below(&draws, 12));
		if (random_below(&draws, 3) == 0)
			compare_with_models(models);
	}
	ledger_repeat(ledger, &part);
	ledger_repeat(ledger, &other);
	for (char name[] = "a"; name[0] <= 'd'; name[0]++)
		ck_assert(ledger_is_certain(ledger, name));
}
END_TEST

/* --- limits --- */

static void fill_many(const char *service, unsigned first, unsigned n)
{
	char address[32];
	struct report r = report_blank();

	r.service = service;
	r.address = address;
	for (unsigned i = first; i < first + n; i++) {
		snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	}
}

START_TEST(a_service_of_many_items_has_its_limit)
{
	fill_many("a", 0, SERVICE_INSTANCES_MAX);
	ck_assert_int_eq(ledger_put(ledger, &part, "x", b), 0);
	put(&part, "y", "a=0 b=1");
	fill_many("a", 1U << 20, 3);
	ck_assert_int_eq(ledger_put(ledger, &part, "z", b), 0);
	struct snapshot *one = seal();
	ck_assert_uint_eq(one->n_instances, SERVICE_INSTANCES_MAX + 1);
	ck_assert_uint_eq(snapshot_dropped(one, DROP_LIMIT), 3);
	ck_assert_uint_eq(snapshot_dropped(one, DROP_ADDRESS), 1);
	ck_assert_str_eq(snapshot_remark(one, 0),
			 "3 instances dropped (limit): of services with more than 16384");
	ledger_remove(ledger, &part, "x");
	struct snapshot *two = seal();
	ck_assert_uint_eq(two->n_instances, 4);
	ck_assert_uint_eq(snapshot_dropped(two, DROP_LIMIT), 0);
	snapshot_release(one);
	snapshot_release(two);
}
END_TEST

/* Items of 16,000 instances each. */
START_TEST(a_registry_has_its_limit_of_instances)
{
	enum { EACH = 16000, FIT = SNAPSHOT_INSTANCES_MAX / EACH };
	char key[16];
	int r = 0, n = 0;

	ledger_begin(ledger, &part);
	for (; r == 0 && n < FIT + 2; n += r == 0) {
		snprintf(key, sizeof(key), "s%d", n);
		fill_many(key, 0, EACH);
		r = n % 2 ? ledger_put(ledger, &other, key, b) : ledger_stage(ledger, &part, key, b);
	}
	ck_assert_int_eq(r, -EDQUOT);
	ck_assert_int_eq(n, FIT);
	put(&other, "small", "a=1"); /* the builder is empty, and small things still fit */
	ledger_commit(ledger, &part);
	fill_many("s1", 0, EACH);
	ck_assert_int_eq(ledger_put(ledger, &other, "s1", b), 0); /* nothing is counted twice */
	fill_many("more", 0, EACH);
	ck_assert_int_eq(ledger_put(ledger, &other, "more", b), -EDQUOT);
	ck_assert_ptr_null(ledger_find(ledger, &other, "more"));
	ledger_remove(ledger, &other, "s1");
	fill_many("more", 0, EACH);
	ck_assert_int_eq(ledger_put(ledger, &other, "more", b), 0);
	ledger_begin(ledger, &part);
	ledger_abort(ledger, &part);
	ledger_drop(ledger, &part);
	ledger_drop(ledger, &other);
	ck_assert_uint_eq(part.now.instances + part.next.instances + other.now.octets, 0);
}
END_TEST

START_TEST(a_registry_has_its_limit_of_services)
{
	char name[16];

	for (unsigned i = 0; i < SNAPSHOT_SERVICES_MAX; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		ck_assert_int_eq(snapshot_builder_add_service(b, name), 0);
	}
	ck_assert_int_eq(ledger_put(ledger, &part, "x", b), 0);
	fill("a=1 b=1");
	ck_assert_int_eq(ledger_put(ledger, &part, "y", b), -EDQUOT);
	ck_assert_uint_eq(part.n, 1);
	ledger_remove(ledger, &part, "x");
	expect("");
	put(&part, "y", "a=1 b=1");
	expect("a=1 b=1");
}
END_TEST

static const struct {
	struct snapshot_limits limits;
	const char *error;
} lower[] = {
	{ { .services = 2 }, "more than 2 services: max-services" },
	{ { .instances = 2 }, "more than 2 instances: max-instances" },
	{ { .octets = 150 }, "more than 150 octets of instances and their texts: max-memory" },
};

/* Two items fit. */
START_TEST(a_limit_that_is_met_is_told_by_its_key)
{
	ledger_limit(ledger, &lower[_i].limits);
	put(&part, "x", "a=1");
	put(&other, "y", "b=1");
	fill("c=1");
	ck_assert_int_eq(ledger_put(ledger, &other, "z", b), -EDQUOT);
	ck_assert_str_eq(snapshot_builder_error(b), lower[_i].error);
	ledger_begin(ledger, &part);
	ledger_keep(ledger, &part, "x");
	fill("c=1");
	ck_assert_int_eq(ledger_stage(ledger, &part, "z", b), -EDQUOT);
	ck_assert_str_eq(snapshot_builder_error(b), lower[_i].error);
	ledger_abort(ledger, &part);
	expect("a=1 b=1");
	ledger_remove(ledger, &part, "x");
	put(&other, "z", "c=1");
	expect("b=1 c=1");
}
END_TEST

/* Or a registry that is full could not change any more. */
START_TEST(a_service_makes_room_for_another_of_the_same_item)
{
	ledger_limit(ledger, &(struct snapshot_limits){ .services = 3 });
	put(&other, "y", "c=1");
	put(&part, "x", "a=1 b=1");
	expect("a=1 b=1 c=1");
	put(&part, "x", "d=1 e=1");
	expect("c=1 d=1 e=1");
	ledger_begin(ledger, &part);
	fill("f=1 g=1");
	ck_assert_int_eq(ledger_stage(ledger, &part, "x", b), 0);
	ledger_commit(ledger, &part);
	expect("c=1 f=1 g=1");
	fill("c=1 f=1 g=1 h=1"); /* c is there already, and none leaves */
	ck_assert_int_eq(ledger_put(ledger, &part, "x", b), -EDQUOT);
	fill("f=1 h=1 i=1"); /* g alone leaves */
	ck_assert_int_eq(ledger_put(ledger, &part, "x", b), -EDQUOT);
	put(&part, "x", "c=2 h=1 i=1");
	expect("c=1,2 h=1 i=1");
	put(&part, "x", "c=2 h=1"); /* what is gone, but remembered, is no load */
	put(&part, "x", "c=2 j=1 k=1");
	expect("c=1,2 j=1 k=1");
}
END_TEST

START_TEST(a_list_makes_room_for_what_is_new_in_it)
{
	ledger_limit(ledger, &(struct snapshot_limits){ .services = 2 });
	put(&part, "x", "a=1");
	put(&part, "y", "b=1");
	for (int i = 0; i < 2; i++) {
		ledger_begin(ledger, &part);
		stage(&part, "x", "a=1");
		stage(&part, "z", "c=1"); /* y will have gone */
		ledger_abort(ledger, &part);
	}
	expect("a=1 b=1");
	ledger_begin(ledger, &part);
	ledger_keep(ledger, &part, "y");
	stage(&part, "z", "c=1");
	fill("d=1");
	ck_assert_int_eq(ledger_stage(ledger, &part, "w", b), -EDQUOT);
	ledger_abort(ledger, &part);
	ledger_begin(ledger, &part);
	stage(&part, "z", "c=1"); /* whatever comes first */
	stage(&part, "x", "a=1");
	ck_assert_int_eq(ledger_keep(ledger, &part, "y"), -EDQUOT);
	fill("b=1");
	ck_assert_int_eq(ledger_stage(ledger, &part, "y", b), -EDQUOT);
	ck_assert_str_eq(snapshot_builder_error(b), "more than 2 services: max-services");
	ledger_abort(ledger, &part);
	expect("a=1 b=1");
	ledger_begin(ledger, &part);
	stage(&part, "x", "a=1");
	stage(&part, "z", "c=1");
	ledger_commit(ledger, &part);
	expect("a=1 c=1");
}
END_TEST

/* --- cost --- */

static void put_key(unsigned i, unsigned round)
{
	char service[32], key[96], address[32], name[16];
	struct report r = report_blank();

	snprintf(service, sizeof(service), "service-%u", i % 10000);
	snprintf(name, sizeof(name), "x%u", i / 10000);
	snprintf(key, sizeof(key), "/skydns/local/service/%s/%s", service, name);
	snprintf(address, sizeof(address), "10.%u.%u.%u", round & 255, i >> 8, i & 255);
	r.service = service;
	r.address = address;
	r.name = name;
	r.port = 8080;
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	ck_assert_int_eq(ledger_put(ledger, &part, key, b), 0);
}

/* 50,000 keys in 10,000 services, then changes of one: a quadratic step would take minutes. */
START_TEST(a_change_of_one_in_fifty_thousand_is_quick)
{
	enum { N_KEYS = 50000, CHANGES = 1000 };
	const uint64_t start = clock_ms();
	const size_t before = mallinfo2().uordblks;

	for (unsigned i = 0; i < N_KEYS; i++)
		put_key(i, 0);
	const uint64_t filled = clock_ms();
	const size_t items = mallinfo2().uordblks - before;
	struct snapshot *s = seal();
	const uint64_t sealed = clock_ms();
	const size_t all = mallinfo2().uordblks - before;
	for (unsigned i = 0; i < CHANGES; i++) {
		put_key(i * 37, i + 1);
		snapshot_release(s);
		s = seal();
	}
	const uint64_t changed = clock_ms();

	ck_assert_uint_eq(s->n_services, 10000);
	ck_assert_uint_eq(s->n_instances, N_KEYS);
	snapshot_release(s);
	ck_assert_uint_lt(items / N_KEYS, 450); /* 0 where the allocator is not the C library's */
	ck_assert_uint_lt(all / N_KEYS, 560);
	ck_assert_uint_lt(filled - start, 5000);
	ck_assert_uint_lt(sealed - filled, 5000);
	ck_assert_uint_lt(changed - sealed, 10000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger");
	TCase *items = tcase_create("items");
	TCase *rounds = tcase_create("rounds");
	TCase *certainty = tcase_create("certainty");
	TCase *limits = tcase_create("limits");
	TCase *cases[] = { items, rounds, certainty, limits };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tcase_add_checked_fixture(cases[i], set_up, tear_down);
		suite_add_tcase(suite, cases[i]);
	}
	tcase_add_test(items, a_ledger_of_which_nothing_was_heard_is_empty);
	tcase_add_test(items, a_service_is_what_all_items_say_of_it);
	tcase_add_test(items, only_what_changed_is_made_anew);
	tcase_add_test(items, the_same_again_is_the_snapshot_from_before);
	tcase_add_loop_test(items, the_result_does_not_depend_on_history, 0, 3);
	tcase_add_test(items, items_are_found_and_visited_in_the_order_of_their_keys);
	tcase_add_test(items, drops_and_remarks_of_all_items_add_up);
	tcase_add_test(rounds, a_round_is_seen_when_it_is_complete);
	tcase_add_test(rounds, a_round_given_up_changes_nothing);
	tcase_add_test(rounds, without_a_round_nothing_is_staged_or_gone);
	tcase_add_test(rounds, parts_have_rounds_of_their_own);
	tcase_add_test(rounds, a_change_told_during_a_round_is_newer);
	tcase_add_test(rounds, a_part_dropped_in_a_round_is_gone);
	tcase_add_test(certainty, what_is_told_as_a_change_is_certain);
	tcase_add_test(certainty, what_two_answers_say_is_certain);
	tcase_add_test(certainty, that_a_service_is_gone_becomes_certain_as_well);
	tcase_add_test(certainty, only_the_part_that_changed_it_can_say_it_again);
	tcase_add_loop_test(rounds, after_any_history_it_is_what_the_items_say, 0, 10);
	tcase_set_timeout(rounds, 60);
	tcase_add_test(limits, a_service_of_many_items_has_its_limit);
	tcase_add_test(limits, a_registry_has_its_limit_of_instances);
	tcase_add_test(limits, a_registry_has_its_limit_of_services);
	tcase_add_loop_test(limits, a_limit_that_is_met_is_told_by_its_key, 0,
			    sizeof(lower) / sizeof(lower[0]));
	tcase_add_test(limits, a_service_makes_room_for_another_of_the_same_item);
	tcase_add_test(limits, a_list_makes_room_for_what_is_new_in_it);
	tcase_add_test(limits, a_change_of_one_in_fifty_thousand_is_quick);
	tcase_set_timeout(limits, 60);
	return harness_run(suite);
}
