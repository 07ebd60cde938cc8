/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/name.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "harness.h"

#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"
#define LABEL_61 "a234567890123456789012345678901234567890123456789012345678901"

static struct name read_text(const char *text)
{
	struct name n = { 0 };

	ck_assert_msg(name_from_text(text, strlen(text), &n), "%s is refused", text);
	return n;
}

/* The library's idea of the same text, folded. */
static ldns_rdf *judge(const char *text)
{
	ldns_rdf *rdf = ldns_dname_new_frm_str(text);

	ck_assert_ptr_nonnull(rdf);
	ldns_dname2canonical(rdf);
	return rdf;
}

static const char *const good_texts[] = {
	"inventory.service.local",
	"inventory.service.local.",
	"INVENTORY.Service.Local",
	"a",
	"_inventory._tcp.service.local",
	"10-1-0-7.addr.service.local",
	"-a-.b_c",
	"0",
	LABEL_63 ".service.local",
	LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61,
	LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61 ".",
	"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
	"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
	"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a",
};

START_TEST(host_names_become_what_the_library_makes_of_them)
{
	const struct name n = read_text(good_texts[_i]);
	ldns_rdf *expected = judge(good_texts[_i]);

	ck_assert_uint_eq(n.len, ldns_rdf_size(expected));
	ck_assert_mem_eq(n.octets, ldns_rdf_data(expected), n.len);
	ck_assert_uint_eq(name_count_labels(&n), ldns_dname_label_count(expected));
	ldns_rdf_deep_free(expected);
}
END_TEST

static const struct {
	const char *text;
	size_t len;
} bad_texts[] = {
	{ "", 0 },
	{ ".", 1 },
	{ "..", 2 },
	{ "a..b", 4 },
	{ ".a", 2 },
	{ "a..", 3 },
	{ "a b", 3 },
	{ "a\\046b", 6 },
	{ "a\0b", 3 },
	{ "a*", 2 },
	{ "a/b", 3 },
	{ "a:b", 3 },
	{ "caf\xc3\xa9", 5 },
	{ "a\n", 2 },
	{ LABEL_63 "4", 64 },
	{ LABEL_63 "4.b", 66 },
	{ "b." LABEL_63 "4", 66 },
	{ LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61 "2", 254 },
	{ LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61 "2.", 255 },
	{ LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63, 319 },
};

START_TEST(text_that_is_no_host_name_is_refused)
{
	struct name n = { .len = 77 };

	ck_assert(!name_from_text(bad_texts[_i].text, bad_texts[_i].len, &n));
	ck_assert_uint_eq(n.len, 77);
}
END_TEST

START_TEST(text_ends_where_its_length_says)
{
	struct name n;

	ck_assert(name_from_text("service.local.and.more", 13, &n));
	const struct name expected = read_text("service.local");
	ck_assert(name_equal(&n, &expected));
}
END_TEST

static const struct {
	const char *octets;
	const char *text;
} texts[] = {
	{ "", "." },
	{ "\1a", "a" },
	{ "\11inventory\7service\5local", "inventory.service.local" },
	{ "\3a.b\1c", "a\\046b.c" },
	{ "\3a\\b", "a\\092b" },
	{ "\4\x01 \x7f\xff", "\\001\\032\\127\\255" },
};

START_TEST(unusual_octets_are_written_as_numbers)
{
	char text[NAME_TEXT_MAX];

	ck_assert_str_eq(name_to_text((const uint8_t *)texts[_i].octets, text), texts[_i].text);
}
END_TEST

START_TEST(the_longest_text_fits)
{
	char text[NAME_TEXT_MAX];
	uint8_t octets[NAME_OCTETS_MAX];
	struct name n, back;

	memset(octets, 0xff, sizeof(octets));
	octets[0] = octets[64] = octets[128] = 63;
	octets[192] = 61;
	octets[254] = 0;
	ck_assert_uint_eq(name_read(octets, sizeof(octets), &n), 255);
	name_to_text(n.octets, text);
	ck_assert_uint_eq(strlen(text), 4 * (63 * 3 + 61) + 3);

	ldns_rdf *rdf = judge(text);
	ck_assert_uint_eq(name_read(ldns_rdf_data(rdf), ldns_rdf_size(rdf), &back), 255);
	ck_assert(name_equal(&n, &back));
	ldns_rdf_deep_free(rdf);
}
END_TEST

START_TEST(octets_are_read_folded_and_measured)
{
	static const uint8_t wire[] = "\11InvenTORY\7service\5LOCAL\0behind";
	const struct name expected = read_text("inventory.service.local");
	struct name n;

	ck_assert_uint_eq(name_read(wire, sizeof(wire), &n), 25);
	ck_assert(name_equal(&n, &expected));
	ck_assert_uint_eq(name_read(wire, 25, &n), 25);
	ck_assert_uint_eq(name_read((const uint8_t *)"", 1, &n), 1);
	ck_assert_uint_eq(n.len, 1);
}
END_TEST

START_TEST(only_ascii_letters_are_folded)
{
	uint8_t wire[2 + 4 * 64];
	struct name n;

	for (unsigned first = 0; first < 256; first += 32) {
		wire[0] = 32;
		for (unsigned i = 0; i < 32; i++)
			wire[1 + i] = (uint8_t)(first + i);
		wire[33] = 0;
		ck_assert_uint_eq(name_read(wire, 34, &n), 34);
		for (unsigned i = 0; i < 32; i++) {
			const unsigned c = first + i;

			ck_assert_uint_eq(n.octets[1 + i], c >= 'A' && c <= 'Z' ? c + 32 : c);
		}
	}
}
END_TEST

START_TEST(a_name_that_runs_over_the_end_is_refused)
{
	static const char wire[] = "\11inventory\7service\5local";
	struct name n;

	for (size_t len = 0; len < sizeof(wire); len++) {
		/* A copy of exactly that size, for the sanitizers to see the first octet too many. */
		uint8_t *copy = malloc(len + (len == 0));

		memcpy(copy, wire, len);
		ck_assert_uint_eq(name_read(copy, len, &n), 0);
		free(copy);
	}
	ck_assert_uint_eq(name_read((const uint8_t *)wire, sizeof(wire), &n), sizeof(wire));
}
END_TEST

START_TEST(pointers_and_unknown_label_types_are_refused)
{
	uint8_t wire[300] = { 1, 'a' };
	struct name n;

	for (unsigned first = 64; first < 256; first++) {
		wire[2] = (uint8_t)first;
		ck_assert_uint_eq(name_read(wire, sizeof(wire), &n), 0);
		ck_assert_uint_eq(name_read(wire + 2, sizeof(wire) - 2, &n), 0);
	}
}
END_TEST

START_TEST(names_end_at_255_octets)
{
	uint8_t wire[600];
	struct name n;

	memset(wire, 'a', sizeof(wire));
	wire[0] = wire[64] = wire[128] = 63;
	for (unsigned last = 1; last <= 63; last++) {
		wire[192] = (uint8_t)last;
		wire[193 + last] = 0;
		ck_assert_uint_eq(name_read(wire, sizeof(wire), &n), last <= 61 ? 194 + last : 0);
		wire[193 + last] = 'a';
	}
	for (size_t i = 0; i < sizeof(wire); i += 2)
		wire[i] = 1;
	ck_assert_uint_eq(name_read(wire, sizeof(wire), &n), 0);
	wire[254] = 0;
	ck_assert_uint_eq(name_read(wire, sizeof(wire), &n), 255);
	ck_assert_uint_eq(name_count_labels(&n), NAME_LABELS_MAX);
}
END_TEST

/* Random names, short labels of few different octets so that chance finds equal ones. */
static struct name draw_name(struct random *r)
{
	uint8_t wire[NAME_OCTETS_MAX];
	struct name n;
	size_t len = 0;

	for (uint32_t labels = random_below(r, 5); labels > 0; labels--) {
		wire[len++] = (uint8_t)(1 + random_below(r, 2));
		for (uint8_t i = wire[len - 1]; i > 0; i--)
			wire[len++] = "\1ab\2"[random_below(r, 4)];
	}
	wire[len++] = 0;
	ck_assert_uint_eq(name_read(wire, len, &n), len);
	return n;
}

START_TEST(equal_and_below_agree_with_the_library)
{
	struct random r = { .state = { 1, 2, 3, 4 } };
	unsigned below = 0, equal = 0, wrong = 0;

	for (int i = 0; i < 20000; i++) {
		const struct name a = draw_name(&r), b = draw_name(&r);
		ldns_rdf *x = ldns_dname_new_frm_data(a.len, a.octets);
		ldns_rdf *y = ldns_dname_new_frm_data(b.len, b.octets);
		const bool same = ldns_dname_compare(x, y) == 0;

		wrong += name_equal(&a, &b) != same;
		/* The library's question excludes the name itself, and everything is below the root. */
		wrong += name_is_below(&a, &b) != (same || b.len == 1 || ldns_dname_is_subdomain(x, y));
		below += name_is_below(&a, &b) && !same && b.len > 1;
		equal += same && b.len > 1;
		ldns_rdf_deep_free(x);
		ldns_rdf_deep_free(y);
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_gt(below, 50); /* the draw did find some of each */
	ck_assert_uint_gt(equal, 10);
}
END_TEST

START_TEST(below_goes_by_whole_labels)
{
	const struct name zone = read_text("service.local"), deep = read_text("a.b.service.local");
	const struct name other = read_text("xservice.local"), above = read_text("local");
	static const uint8_t trap[] = "\21xxx\7service\5local"; /* the zone's octets, but inside a label */
	struct name inside;

	ck_assert_uint_eq(name_read(trap, sizeof(trap), &inside), sizeof(trap));
	memcpy(inside.octets + 18, zone.octets, zone.len); /* and once more where the name has ended */
	ck_assert(name_is_below(&zone, &zone));
	ck_assert(name_is_below(&deep, &zone));
	ck_assert(!name_is_below(&other, &zone));
	ck_assert(!name_is_below(&above, &zone));
	ck_assert(!name_is_below(&inside, &zone));
}
END_TEST

START_TEST(a_label_goes_in_front_folded)
{
	const struct name expected = read_text("inventory.service.local");
	struct name n = read_text("service.local");

	ck_assert(name_prepend(&n, "INVENTORY", 9));
	ck_assert(name_equal(&n, &expected));
}
END_TEST

START_TEST(labels_that_do_not_fit_leave_the_name_alone)
{
	struct name n = read_text(LABEL_63 "." LABEL_63 "." LABEL_63);
	const struct name before = n;

	ck_assert(!name_prepend(&n, "", 0));
	ck_assert(!name_prepend(&n, LABEL_63 "4", 64));
	ck_assert(!name_prepend(&n, LABEL_63, 62));
	ck_assert_mem_eq(&n, &before, sizeof(n));
	ck_assert(name_prepend(&n, LABEL_61, 61));
	ck_assert_uint_eq(n.len, 255);
	ck_assert(!name_prepend(&n, "a", 1));
	ck_assert_uint_eq(n.len, 255);
}
END_TEST

START_TEST(a_name_goes_in_front_without_its_root)
{
	const struct name expected = read_text("inventory.shop.service.local"),
			  front = read_text("inventory.shop");
	const struct name long_name = read_text(LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61);
	const struct name root = { .len = 1 };
	struct name n = read_text("service.local");

	ck_assert(name_prepend_name(&n, &front));
	ck_assert(name_equal(&n, &expected));
	ck_assert(name_prepend_name(&n, &root));
	ck_assert(name_equal(&n, &expected));
	ck_assert(!name_prepend_name(&n, &long_name));
	ck_assert(name_equal(&n, &expected));

	struct name empty = root;
	ck_assert(name_prepend_name(&empty, &long_name));
	ck_assert(name_equal(&empty, &long_name));
}
END_TEST

static const struct {
	const char *address, *label;
} labels[] = {
	{ "10.1.0.7", "10-1-0-7" },
	{ "0.0.0.0", "0-0-0-0" },
	{ "255.255.255.255", "255-255-255-255" },
	{ "fd00:1::7", "fd00-1--7" },
	{ "::1", "0--1" },
	{ "::", "0--0" },
	{ "2001:db8::", "2001-db8--0" },
	{ "1:2:3:4:5:6:7:8", "1-2-3-4-5-6-7-8" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff" },
	{ "1::2:3:4", "1--2-3-4" },
	{ "a::", "a--0" },
};

START_TEST(addresses_are_spelt_in_labels_and_read_back)
{
	char label[LABEL_OCTETS_MAX];
	struct address a, back;

	memset(&back, 0xaa, sizeof(back));
	ck_assert(address_from_text(labels[_i].address, strlen(labels[_i].address), &a));
	ck_assert_uint_eq(label_from_address(&a, label), strlen(labels[_i].label));
	ck_assert_mem_eq(label, labels[_i].label, strlen(labels[_i].label));
	ck_assert(label_to_address((const uint8_t *)labels[_i].label, strlen(labels[_i].label), &back));
	ck_assert_mem_eq(&a, &back, sizeof(a));
}
END_TEST

START_TEST(every_address_survives_the_way_through_a_label)
{
	struct random r = { .state = { 5, 6, 7, 8 } };
	unsigned wrong = 0;

	for (int i = 0; i < 50000; i++) {
		struct address a = { .len = i % 8 == 0 ? 4 : 16 }, back;
		char label[LABEL_OCTETS_MAX];

		/* Many zeroes, for every position of "::" to occur; a first group that keeps clear of
		 * IPv4-mapped and IPv4-compatible addresses, which nobody has. */
		for (unsigned k = 0; k < a.len; k++)
			a.octets[k] = random_below(&r, 3) == 0 ? (uint8_t)random_next(&r) : 0;
		a.octets[0] |= 0x20;

		const size_t len = label_from_address(&a, label);
		wrong += len == 0 || len > LABEL_OCTETS_MAX || label[0] == '-' || label[len - 1] == '-' ||
			 !label_to_address((const uint8_t *)label, len, &back) ||
			 memcmp(&a, &back, sizeof(a)) != 0;
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

static const char *const bad_labels[] = {
	"",
	"-",
	"--",
	"--1",
	"1--",
	"10-1-0",
	"10-1-0-7-1",
	"10-1-0-07",
	"010-1-0-7",
	"10-1-0-256",
	"10-1-0-",
	"-1-0-7",
	"10.1.0.7",
	"10-1-0.7",
	"inventory",
	"fd00:1::7",
	"fd00-0001--7",
	"0fd0-1--7",
	"fd00-1-0-0-0-0-0-7",
	"FD00-1--7",
	"1-2-3-4-5-6-7",
	"1-2-3-4-5-6-7-8-9",
	"1--2--3",
	"1---2",
	"g--1",
	"0--0--0",
	"0-0-0-0-0-0-0-1",
	"0--0-1",
	"0--ffff-a01-7",
	"a23456789012345678901234567890123456789012345678901234567890123",
	"a234567890123456789012345678901234567890123456789012345678901234567890",
};

START_TEST(labels_that_spell_no_address_or_spell_it_otherwise_are_refused)
{
	struct address a = { .len = 77 };

	ck_assert_msg(!label_to_address((const uint8_t *)bad_labels[_i], strlen(bad_labels[_i]), &a), "%s",
		      bad_labels[_i]);
	ck_assert_uint_eq(a.len, 77);
}
END_TEST

START_TEST(a_label_with_a_nul_is_no_address)
{
	struct address a;

	ck_assert(!label_to_address((const uint8_t *)"10-1-0-7\0", 9, &a));
	ck_assert(!label_to_address((const uint8_t *)"10-1-0\0007", 8, &a));
}
END_TEST

START_TEST(reverse_names_are_those_of_the_library)
{
	struct random r = { .state = { 9, 10, 11, 12 } };
	unsigned wrong = 0;

	for (int i = 0; i < 2000; i++) {
		struct address a = { .len = i % 2 == 0 ? 4 : 16 }, back;
		struct name n;

		for (unsigned k = 0; k < a.len; k++)
			a.octets[k] = (uint8_t)random_next(&r);
		ldns_rdf *rdf = ldns_rdf_new_frm_data(a.len == 4 ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA,
						      a.len, a.octets);
		ldns_rdf *expected = ldns_rdf_address_reverse(rdf);

		name_from_address(&a, &n);
		wrong += n.len != ldns_rdf_size(expected) ||
			 memcmp(n.octets, ldns_rdf_data(expected), n.len) != 0 ||
			 !name_to_address(&n, &back) || memcmp(&a, &back, sizeof(a)) != 0;
		ldns_rdf_deep_free(rdf);
		ldns_rdf_deep_free(expected);
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

#define NIBBLES_31 "1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.0.1.2.3.4.5.6.7.8.9.a.b.c.d.e.f."

static const char *const no_reverse_names[] = {
	"in-addr.arpa",
	"7.in-addr.arpa",
	"7.0.in-addr.arpa",
	"7.0.1.in-addr.arpa",
	"1.7.0.1.10.in-addr.arpa",
	"7.0.1.10.in-addr.arpa.local",
	"07.0.1.10.in-addr.arpa",
	"00.0.1.10.in-addr.arpa",
	"256.0.1.10.in-addr.arpa",
	"999.0.1.10.in-addr.arpa",
	"1000.0.1.10.in-addr.arpa",
	"a.0.1.10.in-addr.arpa",
	"-1.0.1.10.in-addr.arpa",
	"0x7.0.1.10.in-addr.arpa",
	"7.0.1.10.xin-addr.arpa",
	"7.0.1.10.ip6.arpa",
	"7.0.1.10.arpa",
	"ip6.arpa",
	NIBBLES_31 "ip6.arpa",
	NIBBLES_31 "0.1.ip6.arpa",
	NIBBLES_31 "g.ip6.arpa",
	NIBBLES_31 "00.ip6.arpa",
	NIBBLES_31 "0.in-addr.arpa",
	NIBBLES_31 "0.ip6.arpx",
	"12.34.56.78.9a.bc.de.f0.12.34.56.78.9a.bc.de.f0.12.34.56.78.9a.xip6.arpa",
	"inventory.service.local",
};

START_TEST(other_names_stand_for_no_address)
{
	const struct name n = read_text(no_reverse_names[_i]);
	struct address a = { .len = 77 };

	ck_assert(!name_to_address(&n, &a));
	ck_assert_uint_eq(a.len, 77);
}
END_TEST

START_TEST(a_whole_reverse_name_of_ipv6_is_read)
{
	const struct name n = read_text(NIBBLES_31 "0.ip6.arpa");
	struct address a;
	char text[ADDRESS_TEXT_MAX];

	ck_assert(name_to_address(&n, &a));
	ck_assert_str_eq(address_to_text(&a, text), "fed:cba9:8765:4321:fed:cba9:8765:4321");
}
END_TEST

START_TEST(the_root_stands_for_no_address)
{
	const struct name root = { .len = 1 };
	struct address a;

	ck_assert(!name_to_address(&root, &a));
	ck_assert_uint_eq(name_count_labels(&root), 0);
}
END_TEST

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static TCase *text_tests(void)
{
	TCase *tests = tcase_create("text");

	tcase_add_loop_test(tests, host_names_become_what_the_library_makes_of_them, 0, COUNT(good_texts));
	tcase_add_loop_test(tests, text_that_is_no_host_name_is_refused, 0, COUNT(bad_texts));
	tcase_add_test(tests, text_ends_where_its_length_says);
	tcase_add_loop_test(tests, unusual_octets_are_written_as_numbers, 0, COUNT(texts));
	tcase_add_test(tests, the_longest_text_fits);
	return tests;
}

static TCase *octet_tests(void)
{
	TCase *tests = tcase_create("octets");

	tcase_add_test(tests, octets_are_read_folded_and_measured);
	tcase_add_test(tests, only_ascii_letters_are_folded);
	tcase_add_test(tests, a_name_that_runs_over_the_end_is_refused);
	tcase_add_test(tests, pointers_and_unknown_label_types_are_refused);
	tcase_add_test(tests, names_end_at_255_octets);
	return tests;
}

static TCase *tree_tests(void)
{
	TCase *tests = tcase_create("tree");

	tcase_add_test(tests, equal_and_below_agree_with_the_library);
	tcase_add_test(tests, below_goes_by_whole_labels);
	tcase_add_test(tests, a_label_goes_in_front_folded);
	tcase_add_test(tests, labels_that_do_not_fit_leave_the_name_alone);
	tcase_add_test(tests, a_name_goes_in_front_without_its_root);
	return tests;
}

static TCase *address_tests(void)
{
	TCase *tests = tcase_create("addresses");

	tcase_add_loop_test(tests, addresses_are_spelt_in_labels_and_read_back, 0, COUNT(labels));
	tcase_add_test(tests, every_address_survives_the_way_through_a_label);
	tcase_add_loop_test(tests, labels_that_spell_no_address_or_spell_it_otherwise_are_refused, 0,
			    COUNT(bad_labels));
	tcase_add_test(tests, a_label_with_a_nul_is_no_address);
	tcase_add_test(tests, reverse_names_are_those_of_the_library);
	tcase_add_loop_test(tests, other_names_stand_for_no_address, 0, COUNT(no_reverse_names));
	tcase_add_test(tests, a_whole_reverse_name_of_ipv6_is_read);
	tcase_add_test(tests, the_root_stands_for_no_address);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("name");

	suite_add_tcase(suite, text_tests());
	suite_add_tcase(suite, octet_tests());
	suite_add_tcase(suite, tree_tests());
	suite_add_tcase(suite, address_tests());
	return harness_run(suite);
}
