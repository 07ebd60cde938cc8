/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/records.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define MESSAGE(octets) (const uint8_t *)octets, sizeof(octets) - 1

/* "web.corp A", two answers, an authority, an OPT. */
#define QUESTION "\3web\4corp\0\0\1\0\1"
static const char whole[] =
	"\x12\x34\x85\x80\0\1\0\2\0\1\0\1" QUESTION "\xc0\x0c\0\5\0\1\0\0\0\x1e\0\7\4Real\xc0\x10"
	"\xc0\x26\0\1\0\1\x80\0\0\1\0\4\x0a\0\0\1"
	"\xc0\x10\0\2\0\1\0\0\0\x3c\0\5\2NS\xc0\x10"
	"\0\0\x29\4\xd0\1\0\0\0\0\0";

static struct records records;
static struct record record;

static const char *text_of(const struct name *n)
{
	static char text[NAME_TEXT_MAX];

	return name_to_text(n->octets, text);
}

START_TEST(question_and_flags_are_read_first)
{
	ck_assert(records_begin(&records, MESSAGE(whole)));
	ck_assert_uint_eq(records.flags, HEADER_QR | HEADER_AA | HEADER_RD | HEADER_RA);
	ck_assert_str_eq(text_of(&records.qname), "web.corp");
	ck_assert_uint_eq(records.qtype, RRTYPE_A);
	ck_assert_uint_eq(records.qclass, RRCLASS_IN);
}
END_TEST

START_TEST(records_come_in_order_with_their_sections)
{
	static const struct {
		enum section section;
		const char *owner;
		uint16_t type;
		uint32_t ttl_s;
		uint16_t rdlength;
	} expected[] = {
		{ SECTION_ANSWER, "web.corp", RRTYPE_CNAME, 30, 7 },
		{ SECTION_ANSWER, "real.corp", RRTYPE_A, 0, 4 }, /* the highest bit of its TTL is set */
		{ SECTION_AUTHORITY, "corp", RRTYPE_NS, 60, 5 },
		{ SECTION_ADDITIONAL, ".", RRTYPE_OPT, 0x1000000, 0 },
	};

	ck_assert(records_begin(&records, MESSAGE(whole)));
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		ck_assert(records_next(&records, &record));
		ck_assert_int_eq(record.section, expected[i].section);
		ck_assert_str_eq(text_of(&record.owner), expected[i].owner);
		ck_assert_uint_eq(record.type, expected[i].type);
		ck_assert_uint_eq(record_ttl_s(&record), expected[i].ttl_s);
		ck_assert_uint_eq(record.rdlength, expected[i].rdlength);
	}
	ck_assert(!records_next(&records, &record));
	ck_assert(!records.bad);
	ck_assert(!records_next(&records, &record));
}
END_TEST

START_TEST(name_in_rdata_must_fill_it)
{
	struct name target;

	ck_assert(records_begin(&records, MESSAGE(whole)));
	ck_assert(records_next(&records, &record));
	ck_assert(records_name(&records, &record, 0, &target));
	ck_assert_str_eq(text_of(&target), "real.corp");
	ck_assert(records_name(&records, &record, 5, &target));
	ck_assert_str_eq(text_of(&target), "corp");
	ck_assert(!records_name(&records, &record, 6, &target));
	ck_assert(!records_name(&records, &record, 7, &target));
	ck_assert(records_next(&records, &record));
	ck_assert(!records_name(&records, &record, 0, &target));
}
END_TEST

static const struct {
	const uint8_t *octets;
	size_t len;
} no_answers[] = {
	{ MESSAGE("") },
	{ MESSAGE("\0\0\x80\0\0\1\0\0\0\0\0") },
	{ MESSAGE("\0\0\x80\0\0\1\0\0\0\0\0\0") },
	{ MESSAGE("\0\0\x80\0\0\0\0\0\0\0\0\0" QUESTION) },
	{ MESSAGE("\0\0\x80\0\0\2\0\0\0\0\0\0" QUESTION QUESTION) },
	{ MESSAGE("\0\0\x01\0\0\1\0\0\0\0\0\0" QUESTION) },           /* a query */
	{ MESSAGE("\0\0\xa0\0\0\1\0\0\0\0\0\0" QUESTION) },           /* of another kind */
	{ MESSAGE("\0\0\x80\0\0\1\0\0\0\0\0\0\3web\4corp\0\0\1\0") }, /* cut */
	{ MESSAGE("\0\0\x80\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1") },    /* a circle */
	{ MESSAGE("\0\0\x80\0\0\1\0\0\0\0\0\0\xc0\x00\0\1\0\1") },    /* into the header */
};

START_TEST(what_is_no_answer_is_refused)
{
	ck_assert(!records_begin(&records, no_answers[_i].octets, no_answers[_i].len));
}
END_TEST

/* Owners of one record behind the question, which begins at offset 12 and ends at 26. */
static const struct {
	const char *owner;
	size_t len;
} bad_owners[] = {
	{ "\xc0\x1a", 2 },    /* itself */
	{ "\1a\xc0\x1a", 4 }, /* its own beginning */
	{ "\1a\xc0\x1c", 4 }, /* the pointer */
	{ "\xc0\x50", 2 },    /* forwards */
	{ "\xc0\x0b", 2 },    /* the header */
	{ "\x40"
	  "aaaa\0",
	  6 }, /* an unknown kind of label (RFC 6891 section 5) */
	{ "\x80"
	  "aaaa\0",
	  6 },
	{ "\x3f"
	  "aaaa\0",
	  6 }, /* over the end */
};

START_TEST(names_that_lead_nowhere_are_refused)
{
	char octets[100] = "\0\0\x80\0\0\1\0\1\0\0\0\0" QUESTION;
	const size_t len = 12 + sizeof(QUESTION) - 1;

	memcpy(octets + len, bad_owners[_i].owner, bad_owners[_i].len);
	memcpy(octets + len + bad_owners[_i].len, "\0\1\0\1\0\0\0\1\0\0", 10);
	ck_assert(records_begin(&records, (uint8_t *)octets, len + bad_owners[_i].len + 10));
	ck_assert(!records_next(&records, &record));
	ck_assert(records.bad);
	ck_assert(!records_next(&records, &record));
}
END_TEST

/* Labels of one octet and a pointer to the root, which is the question. */
START_TEST(name_may_grow_to_255_octets_and_no_further)
{
	for (size_t labels = 126; labels <= 128; labels++) {
		uint8_t octets[400] = { 0, 0, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1 };
		uint8_t *at = octets + 17;

		for (size_t i = 0; i < labels; i++) {
			*at++ = 1;
			*at++ = 'a';
		}
		memcpy(at, "\xc0\x0c\0\1\0\1\0\0\0\1\0\0", 12);
		ck_assert(records_begin(&records, octets, (size_t)(at - octets) + 12));
		ck_assert_int_eq(records_next(&records, &record), labels <= NAME_LABELS_MAX);
		if (!records.bad)
			ck_assert_uint_eq(record.owner.len, 2 * labels + 1);
	}
}
END_TEST

START_TEST(cut_message_is_bad_wherever_it_ends)
{
	for (size_t len = 12; len < sizeof(whole) - 1; len++) {
		uint8_t *copy = malloc(len); /* of that size, for the sanitizers */
		size_t n = 0;

		memcpy(copy, whole, len);
		if (records_begin(&records, copy, len)) {
			while (records_next(&records, &record))
				n++;
			ck_assert(records.bad);
			ck_assert_uint_lt(n, 4);
		}
		free(copy);
	}
}
END_TEST

START_TEST(octets_behind_the_last_record_do_not_matter)
{
	char longer[sizeof(whole) + 10];

	memset(longer, 0xff, sizeof(longer));
	memcpy(longer, whole, sizeof(whole) - 1);
	ck_assert(records_begin(&records, (uint8_t *)longer, sizeof(longer)));
	while (records_next(&records, &record))
		;
	ck_assert(!records.bad);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("records");
	TCase *tc = tcase_create("records");

	tcase_add_test(tc, question_and_flags_are_read_first);
	tcase_add_test(tc, records_come_in_order_with_their_sections);
	tcase_add_test(tc, name_in_rdata_must_fill_it);
	tcase_add_loop_test(tc, what_is_no_answer_is_refused, 0, sizeof(no_answers) / sizeof(no_answers[0]));
	tcase_add_loop_test(tc, names_that_lead_nowhere_are_refused, 0,
			    sizeof(bad_owners) / sizeof(bad_owners[0]));
	tcase_add_test(tc, name_may_grow_to_255_octets_and_no_further);
	tcase_add_test(tc, cut_message_is_bad_wherever_it_ends);
	tcase_add_test(tc, octets_behind_the_last_record_do_not_matter);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
