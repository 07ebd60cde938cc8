/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/network.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

static const struct {
	const char *text;
	const char *address; /* NULL: refused */
	uint8_t prefix;
} texts[] = {
	{ "10.0.0.0/8", "10.0.0.0", 8 },
	{ "0.0.0.0/0", "0.0.0.0", 0 },
	{ "192.0.2.7", "192.0.2.7", 32 },
	{ "192.0.2.7/32", "192.0.2.7", 32 },
	{ "192.0.2.6/31", "192.0.2.6", 31 },
	{ "fd00::/8", "fd00::", 8 },
	{ "::/0", "::", 0 },
	{ "fe80::/10", "fe80::", 10 },
	{ "2001:db8::1", "2001:db8::1", 128 },
	{ "[2001:db8::]/32", "2001:db8::", 32 },
	{ "::ffff:10.0.0.1", "10.0.0.1", 32 },
	{ "::ffff:10.0.0.0/104", NULL, 0 },
	{ "::ffff:10.0.0.0/8", NULL, 0 },
	{ "10.0.0.1/8", NULL, 0 },
	{ "192.0.2.7/31", NULL, 0 },
	{ "fd00::1/64", NULL, 0 },
	{ "10.0.0.0/33", NULL, 0 },
	{ "fd00::/129", NULL, 0 },
	{ "10.0.0.0/", NULL, 0 },
	{ "10.0.0.0/-1", NULL, 0 },
	{ "10.0.0.0/8/8", NULL, 0 },
	{ "10.0.0.0/255.0.0.0", NULL, 0 },
	{ "10/8", NULL, 0 },
	{ "/8", NULL, 0 },
	{ "", NULL, 0 },
	{ "fe80::1%eth0", NULL, 0 },
	{ "fe80::%eth0/10", NULL, 0 },
	{ "localhost", NULL, 0 },
};

START_TEST(a_network_is_an_address_and_a_prefix)
{
	char text[ADDRESS_TEXT_MAX];
	struct network n;

	ck_assert_int_eq(network_from_text(texts[_i].text, &n), texts[_i].address != NULL);
	if (texts[_i].address == NULL)
		return;
	ck_assert_str_eq(address_to_text(&n.address, text), texts[_i].address);
	ck_assert_uint_eq(n.prefix, texts[_i].prefix);
}
END_TEST

static const struct {
	const char *network, *address;
	bool has;
} members[] = {
	{ "10.0.0.0/8", "10.255.255.255", true },
	{ "10.0.0.0/8", "11.0.0.0", false },
	{ "10.0.0.0/8", "9.255.255.255", false },
	{ "10.128.0.0/9", "10.128.0.0", true },
	{ "10.128.0.0/9", "10.127.255.255", false },
	{ "192.0.2.6/31", "192.0.2.7", true },
	{ "192.0.2.6/31", "192.0.2.8", false },
	{ "192.0.2.7", "192.0.2.7", true },
	{ "192.0.2.7", "192.0.2.6", false },
	{ "0.0.0.0/0", "203.0.113.9", true },
	{ "0.0.0.0/0", "2001:db8::1", false },
	{ "::/0", "2001:db8::1", true },
	{ "::/0", "192.0.2.7", false },
	{ "fd00::/8", "fdff::1", true },
	{ "fd00::/8", "fc00::1", false },
	{ "fe80::/10", "febf::1", true },
	{ "fe80::/10", "fec0::1", false },
	{ "2001:db8::1", "2001:db8::1", true },
	{ "2001:db8::1", "2001:db8::", false },
};

START_TEST(what_is_within_it_has_the_same_leading_bits)
{
	struct network n;
	struct address a;

	ck_assert(network_from_text(members[_i].network, &n));
	ck_assert(address_from_text(members[_i].address, strlen(members[_i].address), &a));
	ck_assert_int_eq(network_has(&n, &a), members[_i].has);
}
END_TEST

START_TEST(every_prefix_is_exact)
{
	for (int prefix = 1; prefix <= 128; prefix++) {
		struct network n = { .address = { .len = 16 }, .prefix = (uint8_t)prefix };
		struct address a = n.address;

		a.octets[(prefix - 1) / 8] =
			(uint8_t)(0x80 >> (prefix - 1) % 8); /* the last bit that counts */
		ck_assert(!network_has(&n, &a));
		n.prefix--;
		ck_assert(network_has(&n, &a));
	}
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *suite = suite_create("network");
	TCase *tc = tcase_create("network");

	tcase_add_loop_test(tc, a_network_is_an_address_and_a_prefix, 0, COUNT(texts));
	tcase_add_loop_test(tc, what_is_within_it_has_the_same_leading_bits, 0, COUNT(members));
	tcase_add_test(tc, every_prefix_is_exact);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
