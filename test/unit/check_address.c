/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "harness.h"

static const struct {
	const char *text;
	const char *back; /* what it is written as; NULL: refused */
} literals[] = {
	{ "10.0.0.1", "10.0.0.1" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "2001:DB8::1", "2001:db8::1" },
	{ "[2001:db8::1]", "2001:db8::1" },
	{ "::", "::" },
	{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
	{ "0001:0002:0003:0004:0005:0006:0007:0008", "1:2:3:4:5:6:7:8" },
	{ "::ffff:10.0.0.1", "10.0.0.1" },
	{ "::ffff:0a00:0001", "10.0.0.1" },
	{ "::10.0.0.1", "::10.0.0.1" },
	{ "", NULL },
	{ "[]", NULL },
	{ "10.0.0", NULL },
	{ "10.1", NULL },
	{ "167772161", NULL },
	{ "10.0.0.256", NULL },
	{ "10.0.0.01", NULL },
	{ "010.0.0.1", NULL },
	{ "0x0a.0.0.1", NULL },
	{ "10.0.0.1 ", NULL },
	{ " 10.0.0.1", NULL },
	{ "10.0.0.1.", NULL },
	{ "10.0.0.1:80", NULL },
	{ "[2001:db8::1", NULL },
	{ "2001:db8::1]", NULL },
	{ "[[2001:db8::1]]", NULL },
	{ "1::2::3", NULL },
	{ "12345::", NULL },
	{ "fe80::1%1", NULL },
	{ "inventory", NULL },
	{ "0000:0000:0000:0000:0000:ffff:255.255.255.255.255", NULL },
};

START_TEST(literals_in_standard_form_are_read_and_written)
{
	struct address a = { .len = 77 };
	char text[ADDRESS_TEXT_MAX];
	const char *back = literals[_i].back;

	ck_assert_int_eq(address_from_text(literals[_i].text, strlen(literals[_i].text), &a), back != NULL);
	if (back != NULL)
		ck_assert_str_eq(address_to_text(&a, text), back);
	else
		ck_assert_uint_eq(a.len, 77);
}
END_TEST

START_TEST(a_literal_ends_where_its_length_says)
{
	struct address a;
	char text[ADDRESS_TEXT_MAX];

	ck_assert(address_from_text("10.0.0.123", 8, &a));
	ck_assert_str_eq(address_to_text(&a, text), "10.0.0.1");
	ck_assert(!address_from_text("10.0.0.1\0x", 10, &a));
	ck_assert(!address_from_text("10.0.0.1", 0, &a));
}
END_TEST

START_TEST(equal_addresses_are_equal_octets)
{
	struct address a, b;

	memset(&a, 0xaa, sizeof(a));
	memset(&b, 0x55, sizeof(b));
	ck_assert(address_from_text("10.0.0.1", 8, &a));
	ck_assert(address_from_text("::ffff:10.0.0.1", 15, &b));
	ck_assert_mem_eq(&a, &b, sizeof(a));
}
END_TEST

static const struct {
	const char *text;
	bool usable;
} uses[] = {
	{ "10.0.0.1", true },
	{ "127.0.0.1", true },
	{ "169.254.1.1", true },
	{ "223.255.255.255", true },
	{ "2001:db8::1", true },
	{ "::1", true },
	{ "fd00::7", true },
	{ "0.0.0.0", false },
	{ "0.1.2.3", false },
	{ "224.0.0.1", false },
	{ "240.0.0.1", false },
	{ "255.255.255.255", false },
	{ "::", false },
	{ "ff02::1", false },
	{ "fe80::1", false },
	{ "febf::1", false },
	{ "fec0::1", true },
	{ "::ffff:224.0.0.1", false },
	{ "::ffff:127.0.0.1", true },
};

START_TEST(what_nobody_can_have_is_not_usable)
{
	struct address a;

	ck_assert(address_from_text(uses[_i].text, strlen(uses[_i].text), &a));
	ck_assert_int_eq(address_is_usable(&a), uses[_i].usable);
}
END_TEST

static const struct {
	const char *text;
	const char *host; /* NULL: refused */
	uint16_t port;
} hostports[] = {
	{ "10.0.0.1:80", "10.0.0.1", 80 },
	{ "10.0.0.1", "10.0.0.1", 0 },
	{ "[2001:db8::1]:80", "2001:db8::1", 80 },
	{ "[2001:db8::1]", "2001:db8::1", 0 },
	{ "2001:db8::1", "2001:db8::1", 0 },
	{ "2001:db8::1:80", "2001:db8::1:80", 0 },
	{ "name.example:65535", "name.example", 65535 },
	{ "name.example", "name.example", 0 },
	{ "name.example:0", "name.example", 0 },
	{ "name.example:0080", "name.example", 80 },
	{ "", NULL, 0 },
	{ ":80", NULL, 0 },
	{ "[]:80", NULL, 0 },
	{ "[]", NULL, 0 },
	{ "[", NULL, 0 },
	{ "name:", NULL, 0 },
	{ "[::1]:", NULL, 0 },
	{ "[::1]80", NULL, 0 },
	{ "[::1", NULL, 0 },
	{ "name:65536", NULL, 0 },
	{ "name:http", NULL, 0 },
	{ "name:-1", NULL, 0 },
	{ "name:+1", NULL, 0 },
	{ "name: 80", NULL, 0 },
	{ "name:80 ", NULL, 0 },
	{ "name:18446744073709551697", NULL, 0 },
};

START_TEST(host_and_port_are_taken_apart)
{
	const char *host = hostports[_i].host;
	struct hostport parts = { .port = 7 };

	ck_assert_int_eq(hostport_from_text(hostports[_i].text, strlen(hostports[_i].text), &parts),
			 host != NULL);
	if (host == NULL) {
		ck_assert_ptr_null(parts.host);
		ck_assert_uint_eq(parts.port, 7);
		return;
	}
	ck_assert_uint_eq(parts.host_len, strlen(host));
	ck_assert_mem_eq(parts.host, host, parts.host_len);
	ck_assert_uint_eq(parts.port, hostports[_i].port);
}
END_TEST

static const struct {
	const char *text;
	const char *back;
} endpoints[] = {
	{ "10.0.0.1:5353", "10.0.0.1:5353" },
	{ "10.0.0.1", "10.0.0.1:53" },
	{ "[::1]:5353", "[::1]:5353" },
	{ "[::1]", "[::1]:53" },
	{ "::1", "[::1]:53" },
	{ "::ffff:10.0.0.1", "10.0.0.1:53" },
	{ "localhost", NULL },
	{ "localhost:53", NULL },
	{ "", NULL },
	{ "10.0.0.1:99999", NULL },
	{ "10.0.0.1%lo", NULL },
	{ "fe80::1%no-such-interface", NULL },
	{ "fe80::1%an-interface-name-that-is-too-long", NULL },
	{ "fe80::1%", NULL },
};

START_TEST(endpoints_are_read_with_a_default_port)
{
	struct endpoint e = { .len = 0 };
	char text[ENDPOINT_TEXT_MAX];
	const char *back = endpoints[_i].back;

	ck_assert_int_eq(endpoint_from_text(endpoints[_i].text, 53, &e), back != NULL);
	if (back != NULL)
		ck_assert_str_eq(endpoint_to_text(&e, text), back);
	else
		ck_assert_uint_eq(e.len, 0);
}
END_TEST

START_TEST(an_interface_can_be_named_or_numbered)
{
	const unsigned loopback = if_nametoindex("lo");
	struct endpoint e;

	ck_assert_uint_ne(loopback, 0);
	ck_assert(endpoint_from_text("[fe80::1%lo]:53", 53, &e));
	ck_assert_uint_eq(e.at.ip6.sin6_scope_id, loopback);
	ck_assert(endpoint_from_text("fe80::1%7", 53, &e));
	ck_assert_uint_eq(e.at.ip6.sin6_scope_id, 7);
	ck_assert_int_eq(e.at.ip6.sin6_family, AF_INET6);
}
END_TEST

START_TEST(endpoints_are_what_sockets_take)
{
	struct endpoint e;

	ck_assert(endpoint_from_text("127.0.0.1:5353", 53, &e));
	ck_assert_int_eq(e.at.ip4.sin_family, AF_INET);
	ck_assert_uint_eq(e.at.ip4.sin_port, htons(5353));
	ck_assert_uint_eq(e.at.ip4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	ck_assert_uint_eq(e.len, sizeof(struct sockaddr_in));
	ck_assert_uint_eq(endpoint_port(&e), 5353);
	ck_assert(endpoint_from_text("[::1]:5353", 53, &e));
	ck_assert_uint_eq(e.len, sizeof(struct sockaddr_in6));
	ck_assert_uint_eq(endpoint_port(&e), 5353);
}
END_TEST

START_TEST(an_address_survives_the_way_through_an_endpoint)
{
	static const char *const texts[] = { "10.1.0.7", "fd00::1:0:0:7" };
	struct address a, back;
	struct endpoint e;

	ck_assert(address_from_text(texts[_i], strlen(texts[_i]), &a));
	memset(&back, 0xaa, sizeof(back));
	endpoint_from_address(&a, 80, &e);
	endpoint_to_address(&e, &back);
	ck_assert_mem_eq(&a, &back, sizeof(a));
	ck_assert_uint_eq(endpoint_port(&e), 80);
}
END_TEST

START_TEST(endpoints_differ_by_address_port_and_family)
{
	static const char *const texts[] = { "10.0.0.1:53", "10.0.0.2:53", "10.0.0.1:54", "[::1]:53",
					     "[::2]:53" };
	const int n = (int)(sizeof(texts) / sizeof(texts[0]));
	struct endpoint a, b;

	for (int i = 0; i < n; i++) {
		for (int k = 0; k < n; k++) {
			ck_assert(endpoint_from_text(texts[i], 53, &a));
			ck_assert(endpoint_from_text(texts[k], 53, &b));
			ck_assert_int_eq(endpoint_equal(&a, &b), i == k);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("address");
	TCase *addresses = tcase_create("addresses");
	TCase *hosts = tcase_create("hostports");
	TCase *sockets = tcase_create("endpoints");

	tcase_add_loop_test(addresses, literals_in_standard_form_are_read_and_written, 0,
			    sizeof(literals) / sizeof(literals[0]));
	tcase_add_test(addresses, a_literal_ends_where_its_length_says);
	tcase_add_test(addresses, equal_addresses_are_equal_octets);
	tcase_add_loop_test(addresses, what_nobody_can_have_is_not_usable, 0, sizeof(uses) / sizeof(uses[0]));
	tcase_add_loop_test(hosts, host_and_port_are_taken_apart, 0,
			    sizeof(hostports) / sizeof(hostports[0]));
	tcase_add_loop_test(sockets, endpoints_are_read_with_a_default_port, 0,
			    sizeof(endpoints) / sizeof(endpoints[0]));
	tcase_add_test(sockets, an_interface_can_be_named_or_numbered);
	tcase_add_test(sockets, endpoints_are_what_sockets_take);
	tcase_add_loop_test(sockets, an_address_survives_the_way_through_an_endpoint, 0, 2);
	tcase_add_test(sockets, endpoints_differ_by_address_port_and_family);
	suite_add_tcase(suite, addresses);
	suite_add_tcase(suite, hosts);
	suite_add_tcase(suite, sockets);
	return harness_run(suite);
}
