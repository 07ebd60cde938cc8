/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buffer.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "harness.h"

START_TEST(octets_are_appended_in_order)
{
	struct buffer b = { 0 };
	unsigned wrong = 0;

	for (unsigned i = 0; i < 10000; i++) {
		const uint8_t octet = (uint8_t)(i % 251);

		ck_assert_int_eq(buffer_add(&b, &octet, 1), 0);
	}
	ck_assert_uint_eq(b.len, 10000);
	for (unsigned i = 0; i < 10000; i++)
		wrong += b.octets[i] != i % 251;
	ck_assert_uint_eq(wrong, 0);
	buffer_finish(&b);
}
END_TEST

START_TEST(nothing_past_the_limit_and_nothing_changed_then)
{
	struct buffer b = { .limit = 10 };

	ck_assert_int_eq(buffer_add(&b, "01234567", 8), 0);
	ck_assert_int_eq(buffer_add(&b, "abc", 3), -EFBIG);
	ck_assert_int_eq(buffer_add(&b, "abc", SIZE_MAX), -EFBIG);
	ck_assert_ptr_null(buffer_reserve(&b, 3));
	ck_assert_uint_eq(b.len, 8);
	ck_assert_int_eq(buffer_add(&b, "ab", 2), 0);
	ck_assert_mem_eq(b.octets, "01234567ab", 10);
	ck_assert_int_eq(buffer_add(&b, "c", 1), -EFBIG);
	ck_assert_int_eq(buffer_add(&b, "", 0), 0);
	buffer_finish(&b);
}
END_TEST

START_TEST(more_than_memory_has_is_refused)
{
	struct buffer b = { 0 };

	ck_assert_int_eq(buffer_add(&b, "kept", 4), 0);
	ck_assert_int_eq(buffer_add(&b, "x", SIZE_MAX), -ENOMEM);
	ck_assert_ptr_null(buffer_reserve(&b, SIZE_MAX - 2));
	ck_assert_mem_eq(b.octets, "kept", 4);
	ck_assert_uint_eq(b.len, 4);
	buffer_finish(&b);
}
END_TEST

START_TEST(reserved_room_is_written_by_the_caller)
{
	struct buffer b = { 0 };

	ck_assert_int_eq(buffer_add(&b, "ab", 2), 0);
	uint8_t *room = buffer_reserve(&b, 1000);
	ck_assert_ptr_nonnull(room);
	memset(room, 'c', 1000);
	ck_assert_uint_eq(b.len, 2);
	b.len += 1000;
	ck_assert_int_eq(buffer_add(&b, "d", 1), 0);
	ck_assert_mem_eq(b.octets, "abcc", 4);
	ck_assert_uint_eq(b.octets[1002], 'd');
	buffer_finish(&b);
}
END_TEST

START_TEST(clearing_keeps_the_memory_and_finishing_does_not)
{
	struct buffer b = { .limit = 4 };

	ck_assert_int_eq(buffer_add(&b, "abcd", 4), 0);
	const uint8_t *const memory = b.octets;
	buffer_clear(&b);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_int_eq(buffer_add(&b, "efgh", 4), 0);
	ck_assert_ptr_eq(b.octets, memory);
	ck_assert_mem_eq(b.octets, "efgh", 4);
	buffer_finish(&b);
	ck_assert_ptr_null(b.octets);
	ck_assert_int_eq(buffer_add(&b, "ijkl", 4), 0);
	ck_assert_int_eq(buffer_add(&b, "m", 1), -EFBIG);
	buffer_finish(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buffer");
	TCase *octets = tcase_create("octets");

	tcase_add_test(octets, octets_are_appended_in_order);
	tcase_add_test(octets, nothing_past_the_limit_and_nothing_changed_then);
	tcase_add_test(octets, more_than_memory_has_is_refused);
	tcase_add_test(octets, reserved_room_is_written_by_the_caller);
	tcase_add_test(octets, clearing_keeps_the_memory_and_finishing_does_not);
	suite_add_tcase(suite, octets);
	return harness_run(suite);
}
