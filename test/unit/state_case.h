/* SPDX-License-Identifier: BSD-2-Clause */
/* state_case.h -- what the tests of the state on disk have to write there. */
#ifndef PHONEBOOK_TEST_STATE_CASE_H
#define PHONEBOOK_TEST_STATE_CASE_H

#include "harness.h"
#include "model/snapshot.h"

/* Service "shop" with one instance at port 80. */
static struct snapshot *make_snapshot(const char *address)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct report r = report_blank();
	struct snapshot *s;

	r.service = "shop";
	r.address = address;
	r.port = 80;
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &s), 0);
	snapshot_builder_destroy(b);
	return s;
}

#endif
