/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/text.h"

#include <string.h>

#include "harness.h"

static const struct {
	const char *text;
	bool good;
	uint64_t ms;
} durations[] = {
	{ "0", true, 0 },        { "500ms", true, 500 },
	{ "5s", true, 5000 },    { "2m", true, 120000 },
	{ "1h", true, 3600000 }, { "1d", true, 86400000 },
	{ "5", false, 0 },       { "", false, 0 },
	{ "s", false, 0 },       { "5 s", false, 0 },
	{ "-5s", false, 0 },     { "5S", false, 0 },
	{ "1.5s", false, 0 },    { "5sec", false, 0 },
	{ "0x5s", false, 0 },    { "18446744073709551615h", false, 0 },
};

START_TEST(durations_need_a_unit)
{
	uint64_t ms = 77;

	ck_assert_int_eq(text_to_duration_ms(durations[_i].text, &ms), durations[_i].good);
	ck_assert_uint_eq(ms, durations[_i].good ? durations[_i].ms : 77);
}
END_TEST

static const struct {
	const char *text;
	bool good;
	uint64_t size;
} sizes[] = {
	{ "512", true, 512 },         { "64KiB", true, 65536 }, { "16MiB", true, 16777216 },
	{ "1GiB", true, 1073741824 }, { "1MB", false, 0 },      { "", false, 0 },
	{ "KiB", false, 0 },          { "-1", false, 0 },       { "18014398509481985GiB", false, 0 },
};

START_TEST(sizes_are_powers_of_two)
{
	uint64_t size = 77;

	ck_assert_int_eq(text_to_size(sizes[_i].text, &size), sizes[_i].good);
	ck_assert_uint_eq(size, sizes[_i].good ? sizes[_i].size : 77);
}
END_TEST

START_TEST(numbers_are_digits_within_64_bits)
{
	uint64_t n;

	ck_assert(text_to_uint("18446744073709551615", 20, &n));
	ck_assert_uint_eq(n, UINT64_MAX);
	ck_assert(!text_to_uint("18446744073709551616", 20, &n));
	ck_assert(!text_to_uint("", 0, &n));
	ck_assert(!text_to_uint("+1", 2, &n));
	ck_assert(!text_to_uint("1 ", 2, &n));
	ck_assert(!text_to_uint("0x1", 3, &n));
}
END_TEST

START_TEST(only_ascii_letters_fold)
{
	ck_assert_uint_eq(octet_fold('A'), 'a');
	ck_assert_uint_eq(octet_fold('Z'), 'z');
	ck_assert_uint_eq(octet_fold('@'), '@');
	ck_assert_uint_eq(octet_fold('['), '[');
	ck_assert_uint_eq(octet_fold(0xc4), 0xc4);
	ck_assert(text_equal_fold("Inventory", "iNVENTORY"));
	ck_assert(!text_equal_fold("inventory", "inventor"));
}
END_TEST

START_TEST(control_characters_are_found)
{
	ck_assert(!text_has_control("", 0));
	ck_assert(!text_has_control(" a~\x80\xff", 5));
	ck_assert(text_has_control("a\n", 2));
	ck_assert(text_has_control("a\0b", 3));
	ck_assert(text_has_control("\x7f", 1));
	ck_assert(!text_has_control("a\n", 1));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *numbers = tcase_create("numbers");
	TCase *letters = tcase_create("letters");

	tcase_add_loop_test(numbers, durations_need_a_unit, 0, sizeof(durations) / sizeof(durations[0]));
	tcase_add_loop_test(numbers, sizes_are_powers_of_two, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(numbers, numbers_are_digits_within_64_bits);
	tcase_add_test(letters, only_ascii_letters_fold);
	tcase_add_test(letters, control_characters_are_found);
	suite_add_tcase(suite, numbers);
	suite_add_tcase(suite, letters);
	return harness_run(suite);
}
