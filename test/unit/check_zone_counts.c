/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/zone_counts.h"

#include <string.h>

#include "harness.h"

START_TEST(a_board_tells_what_was_written_last)
{
	struct zone_counts written = { .services = 3, .failed_open = 1 }, seen;
	struct zone_board *b = zone_board_create();

	zone_board_view(b, &seen);
	ck_assert_uint_eq(seen.services, 0);
	for (uint64_t i = 0; i < LEFT_OUT_REASONS; i++)
		written.instances[i] = 10 + i;
	zone_board_set(b, &written);
	zone_board_view(b, &seen);
	ck_assert_mem_eq(&seen, &written, sizeof(seen));
	zone_board_destroy(b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("zone_counts");
	TCase *tcase = tcase_create("board");

	tcase_add_test(tcase, a_board_tells_what_was_written_last);
	suite_add_tcase(suite, tcase);
	return harness_run(suite);
}
