/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/asked.h"

#include "harness.h"

enum { SERVICES = 3, IDLE_MS = 5000, NOW_MS = 1000000 };

static struct asked asked;
static struct asked_service services[SERVICES];
static struct block *blocks[SERVICES];

static struct block *make_block(bool notes_asked)
{
	const struct block_options o = { .notes_asked = notes_asked };
	struct block_builder b;
	struct block *block;

	block_begin(&b, &o);
	ck_assert_int_eq(block_seal(&b, &block), 0);
	return block;
}

static void set_up(void)
{
	asked_init(&asked);
	for (int i = 0; i < SERVICES; i++) {
		services[i] = (struct asked_service){ 0 };
		blocks[i] = make_block(true);
		asked_set(&asked, &services[i], blocks[i]);
	}
}

static void tear_down(void)
{
	asked_finish(&asked);
	for (int i = 0; i < SERVICES; i++)
		block_destroy(blocks[i]);
}

static struct address address(int n)
{
	return (struct address){ .octets = { 10, 0, 0, (uint8_t)n }, .len = 4 };
}

/* Each service has these places: 10.0.0.1:80 .. 10.0.0.n:80. */
static void name(int n)
{
	asked_begin(&asked);
	for (int s = SERVICES - 1; s >= 0; s--) {
		for (int i = n; i > 0; i--)
			asked_add(&asked, &(struct address){ .octets = { 10, 0, 0, (uint8_t)i }, .len = 4 },
				  80, &services[s]);
	}
	asked_end(&asked);
}

static size_t find(int n, uint16_t port)
{
	const struct asked_place *places;
	const struct address a = address(n);

	return asked_find(&asked, &a, port, &places);
}

static size_t count_due(void)
{
	size_t n = 0;

	for (int i = 0; i < SERVICES; i++)
		n += services[i].is_due;
	return n;
}

START_TEST(a_question_is_noted_where_it_counts)
{
	struct block *silent = make_block(false);

	block_note_asked(blocks[0], NOW_MS);
	block_note_asked(silent, NOW_MS);
	ck_assert_uint_eq(block_asked_s(blocks[0]), NOW_MS / 1000);
	ck_assert_uint_eq(block_asked_s(silent), 0);
	block_inherit_asked(blocks[1], blocks[0]);
	ck_assert_uint_eq(block_asked_s(blocks[1]), NOW_MS / 1000);
	block_destroy(silent);
}
END_TEST

START_TEST(a_service_is_asked_for_until_it_has_been_idle)
{
	asked_look(&asked, NOW_MS, IDLE_MS, false);
	ck_assert(!services[0].is_asked);
	block_note_asked(blocks[0], NOW_MS);
	asked_begin(&asked);
	asked_end(&asked);
	asked_look(&asked, NOW_MS, IDLE_MS, false);
	ck_assert(services[0].is_asked && services[0].is_new && asked.is_stale);
	ck_assert(!services[1].is_asked);
	asked_begin(&asked);
	asked_end(&asked);
	ck_assert(!services[0].is_new && !asked.is_stale);
	asked_look(&asked, NOW_MS + IDLE_MS - 1000, IDLE_MS, false);
	ck_assert(services[0].is_asked && !asked.is_stale);
	asked_look(&asked, NOW_MS + IDLE_MS, IDLE_MS, false);
	ck_assert(!services[0].is_asked && asked.is_stale);
	ck_assert(!asked.has_due);
}
END_TEST

/* Serving threads read the clock while the feeder walks over the services. */
START_TEST(a_question_of_the_next_second_is_one_of_now)
{
	block_note_asked(blocks[0], NOW_MS + 1000);
	asked_look(&asked, NOW_MS + 999, IDLE_MS, false);
	ck_assert(services[0].is_asked);
}
END_TEST

START_TEST(who_begins_or_ends_to_be_asked_for_is_due_if_places_are_silent)
{
	block_note_asked(blocks[1], NOW_MS);
	asked_look(&asked, NOW_MS, IDLE_MS, true);
	ck_assert(asked.has_due && services[1].is_due);
	ck_assert_uint_eq(count_due(), 1);
}
END_TEST

START_TEST(all_services_of_a_place_are_found)
{
	name(4);
	ck_assert_uint_eq(find(5, 80) + find(0, 80) + find(2, 81), 0);
	ck_assert_uint_eq(count_due(), 0);
	ck_assert_uint_eq(find(4, 80), SERVICES);
	ck_assert_uint_eq(find(1, 80), SERVICES);
	ck_assert_uint_eq(count_due(), SERVICES);
}
END_TEST

/* A service whose places are not named again yet may have any of them. */
START_TEST(stale_places_make_all_due_that_are_asked_for)
{
	block_note_asked(blocks[2], NOW_MS);
	asked_look(&asked, NOW_MS, IDLE_MS, false);
	ck_assert(asked.is_stale);
	ck_assert_uint_eq(find(9, 80), 0);
	ck_assert_uint_eq(count_due(), 1);
	ck_assert(services[2].is_due);
}
END_TEST

START_TEST(who_is_gone_is_found_no_more)
{
	struct block *other = make_block(false);

	name(100);
	asked_set(&asked, &services[1], NULL);
	ck_assert_uint_eq(find(50, 80), SERVICES - 1);
	asked_set(&asked, &services[0], other);
	ck_assert_uint_eq(find(100, 80), SERVICES - 2);
	block_destroy(other);
}
END_TEST

START_TEST(another_block_of_a_service_asked_for_makes_stale)
{
	name(1);
	asked_set(&asked, &services[0], blocks[0]);
	ck_assert(!asked.is_stale);
	services[0].is_asked = true;
	asked_set(&asked, &services[0], blocks[0]);
	ck_assert(asked.is_stale);
	ck_assert_uint_eq(find(1, 80), SERVICES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("asked");
	TCase *asking = tcase_create("asked");

	tcase_add_checked_fixture(asking, set_up, tear_down);
	tcase_add_test(asking, a_question_is_noted_where_it_counts);
	tcase_add_test(asking, a_service_is_asked_for_until_it_has_been_idle);
	tcase_add_test(asking, a_question_of_the_next_second_is_one_of_now);
	tcase_add_test(asking, who_begins_or_ends_to_be_asked_for_is_due_if_places_are_silent);
	tcase_add_test(asking, all_services_of_a_place_are_found);
	tcase_add_test(asking, stale_places_make_all_due_that_are_asked_for);
	tcase_add_test(asking, who_is_gone_is_found_no_more);
	tcase_add_test(asking, another_block_of_a_service_asked_for_makes_stale);
	suite_add_tcase(suite, asking);
	return harness_run(suite);
}
