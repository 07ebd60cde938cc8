/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/arena.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "harness.h"

static struct arena arena;

static void start(void)
{
	arena = (struct arena){ 0 };
}

static void finish(void)
{
	arena_finish(&arena);
}

START_TEST(memory_is_zeroed_aligned_and_ones_own)
{
	enum { N = 2000 };
	uint8_t *pieces[N];
	size_t wrong = 0;

	for (size_t i = 0; i < N; i++) {
		const size_t size = 1 + i % 97;

		pieces[i] = arena_alloc(&arena, size);
		ck_assert_ptr_nonnull(pieces[i]);
		ck_assert_uint_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		for (size_t k = 0; k < size; k++)
			wrong += pieces[i][k] != 0;
		memset(pieces[i], (int)(i % 251), size);
	}
	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k < 1 + i % 97; k++)
			wrong += pieces[i][k] != i % 251;
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(a_piece_larger_than_any_chunk_is_no_problem)
{
	char *small = arena_text(&arena, "before", 6);
	uint8_t *large = arena_alloc(&arena, 1 << 20);

	ck_assert_ptr_nonnull(large);
	memset(large, 1, 1 << 20);
	char *after = arena_text(&arena, "after", 5);
	ck_assert_str_eq(small, "before");
	ck_assert_str_eq(after, "after");
}
END_TEST

START_TEST(a_piece_of_no_octets_is_still_a_place)
{
	ck_assert_ptr_nonnull(arena_alloc(&arena, 0));
	ck_assert_str_eq(arena_text(&arena, "", 0), "");
}
END_TEST

START_TEST(what_cannot_be_had_is_null)
{
	char *text = arena_text(&arena, "kept", 4);

	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX / 2 + 1));
	ck_assert_str_eq(text, "kept");
	ck_assert_ptr_nonnull(arena_alloc(&arena, 8));
}
END_TEST

START_TEST(text_is_copied_with_a_nul_behind)
{
	char source[] = "inventory and more";
	char *copy = arena_text(&arena, source, 9);

	memset(source, 'x', sizeof(source) - 1);
	ck_assert_str_eq(copy, "inventory");
	ck_assert_mem_eq(arena_text(&arena, "a\0b", 3), "a\0b", 4);
}
END_TEST

START_TEST(after_the_end_it_can_be_used_again)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(arena_text(&arena, "again", 5), "again");
		arena_finish(&arena);
		arena_finish(&arena);
		ck_assert_ptr_null(arena.newest);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arena");
	TCase *pieces = tcase_create("pieces");

	tcase_add_checked_fixture(pieces, start, finish);
	tcase_add_test(pieces, memory_is_zeroed_aligned_and_ones_own);
	tcase_add_test(pieces, a_piece_larger_than_any_chunk_is_no_problem);
	tcase_add_test(pieces, a_piece_of_no_octets_is_still_a_place);
	tcase_add_test(pieces, what_cannot_be_had_is_null);
	tcase_add_test(pieces, text_is_copied_with_a_nul_behind);
	tcase_add_test(pieces, after_the_end_it_can_be_used_again);
	suite_add_tcase(suite, pieces);
	return harness_run(suite);
}
