/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/subnets.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* Addresses of a host, as getifaddrs() has them. */
struct one {
	struct ifaddrs at;
	union {
		struct sockaddr any;
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
	} address, mask;
};

static struct one list[SUBNETS_MAX + 64];
static size_t n;
static struct subnets subnets;

static void set_up(void)
{
	memset(list, 0, sizeof(list));
	n = 0;
}

static void set_bits(uint8_t *octets, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		octets[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

/* "10.1.0.9/16", on an interface with these flags. */
static struct one *add(const char *text, unsigned flags)
{
	struct one *o = &list[n];
	char address[64];
	unsigned bits;

	ck_assert_int_eq(sscanf(text, "%63[^/]/%u", address, &bits), 2);
	const bool six = strchr(address, ':') != NULL;
	o->address.any.sa_family = o->mask.any.sa_family = six ? AF_INET6 : AF_INET;
	void *to = six ? (void *)&o->address.ip6.sin6_addr : (void *)&o->address.ip4.sin_addr;
	ck_assert_int_eq(inet_pton(six ? AF_INET6 : AF_INET, address, to), 1);
	set_bits(six ? o->mask.ip6.sin6_addr.s6_addr : (uint8_t *)&o->mask.ip4.sin_addr, bits);
	o->at = (struct ifaddrs){ .ifa_addr = &o->address.any,
				  .ifa_netmask = &o->mask.any,
				  .ifa_flags = flags };
	if (n > 0)
		list[n - 1].at.ifa_next = &o->at;
	n++;
	return o;
}

static bool has(const char *text)
{
	struct address a;

	ck_assert(address_from_text(text, strlen(text), &a));
	return subnets_has(&subnets, &a);
}

static const struct {
	const char *own;
	const char *in[2], *out[2];
} cases[] = {
	{ "10.1.0.9/16", { "10.1.0.0", "10.1.255.255" }, { "10.0.255.255", "10.2.0.0" } },
	{ "10.1.0.9/8", { "10.0.0.0", "10.255.255.255" }, { "9.255.255.255", "11.0.0.0" } },
	{ "10.1.2.9/23", { "10.1.2.0", "10.1.3.255" }, { "10.1.1.255", "10.1.4.0" } },
	{ "10.1.2.9/31", { "10.1.2.8", "10.1.2.9" }, { "10.1.2.7", "10.1.2.10" } },
	{ "10.1.2.9/32", { "10.1.2.9", "10.1.2.9" }, { "10.1.2.8", "10.1.2.10" } },
	{ "fd00:1::9/64", { "fd00:1::", "fd00:1::ffff:ffff:ffff:ffff" }, { "fd00:1:0:1::", "10.1.2.9" } },
	{ "fd00:1::9/60", { "fd00:1::", "fd00:1:0:f::1" }, { "fd00:1:0:10::", "fd00::" } },
	{ "fd00:1::9/128", { "fd00:1::9", "fd00:1::9" }, { "fd00:1::8", "fd00:1::b" } },
};

START_TEST(an_address_is_in_the_subnet_that_has_its_prefix)
{
	add(cases[_i].own, IFF_UP);
	subnets_read(&list[0].at, &subnets);
	ck_assert_uint_eq(subnets.n, 1);
	for (int i = 0; i < 2; i++) {
		ck_assert_msg(has(cases[_i].in[i]), "%s", cases[_i].in[i]);
		ck_assert_msg(!has(cases[_i].out[i]), "%s", cases[_i].out[i]);
	}
}
END_TEST

static const struct {
	const char *own;
	unsigned flags;
} ignored[] = {
	{ "127.0.0.1/8", IFF_UP | IFF_LOOPBACK },
	{ "127.5.0.1/32", IFF_UP },
	{ "::1/128", IFF_UP },
	{ "169.254.7.7/16", IFF_UP },
	{ "fe80::1/64", IFF_UP },
	{ "febf::1/64", IFF_UP },
	{ "10.1.0.9/16", 0 },
	/* down */ { "10.1.0.9/0", IFF_UP },
};

START_TEST(loopback_link_local_and_what_is_down_are_no_subnets)
{
	add(ignored[_i].own, ignored[_i].flags);
	subnets_read(&list[0].at, &subnets);
	ck_assert_uint_eq(subnets.n, 0);
}
END_TEST

START_TEST(an_interface_without_address_or_mask_does_no_harm)
{
	add("10.1.0.9/16", IFF_UP)->at.ifa_netmask = NULL;
	add("10.2.0.9/16", IFF_UP)->at.ifa_addr = NULL;
	add("10.3.0.9/16", IFF_UP)->address.any.sa_family = AF_UNIX;
	subnets_read(&list[0].at, &subnets);
	ck_assert_uint_eq(subnets.n, 1);
	ck_assert(has("10.1.0.9") && !has("10.1.0.8"));
	subnets_read(NULL, &subnets);
	ck_assert_uint_eq(subnets.n, 0);
}
END_TEST

START_TEST(two_addresses_of_one_subnet_are_one_and_their_order_does_not_matter)
{
	struct subnets before;

	add("10.1.0.9/16", IFF_UP);
	add("fd00:1::9/64", IFF_UP);
	add("10.1.0.10/16", IFF_UP);
	subnets_read(&list[0].at, &before);
	ck_assert_uint_eq(before.n, 2);
	set_up();
	add("fd00:1::7/64", IFF_UP);
	add("10.1.0.8/16", IFF_UP);
	subnets_read(&list[0].at, &subnets);
	ck_assert(subnets_equal(&before, &subnets));
	add("10.1.0.8/17", IFF_UP);
	subnets_read(&list[0].at, &subnets);
	ck_assert(!subnets_equal(&before, &subnets) && !subnets_equal(&subnets, &before));
}
END_TEST

/* A node of a cluster has an address for each service of a load balancer. */
START_TEST(of_too_many_the_wide_ones_are_kept)
{
	char text[64];

	for (unsigned i = 0; i < SUBNETS_MAX + 30; i++) {
		snprintf(text, sizeof(text), "10.9.%u.%u/32", i / 256, i % 256);
		add(text, IFF_UP);
	}
	add("10.1.0.9/16", IFF_UP);
	add("fd00:1::9/64", IFF_UP);
	subnets_read(&list[0].at, &subnets);
	ck_assert_uint_eq(subnets.n, SUBNETS_MAX);
	ck_assert_uint_eq(subnets.n_refused, 32);
	ck_assert(has("10.1.77.1") && has("fd00:1::77"));
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *suite = suite_create("subnets");
	TCase *tcase = tcase_create("subnets");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_loop_test(tcase, an_address_is_in_the_subnet_that_has_its_prefix, 0, N(cases));
	tcase_add_loop_test(tcase, loopback_link_local_and_what_is_down_are_no_subnets, 0, N(ignored));
	tcase_add_test(tcase, an_interface_without_address_or_mask_does_no_harm);
	tcase_add_test(tcase, two_addresses_of_one_subnet_are_one_and_their_order_does_not_matter);
	tcase_add_test(tcase, of_too_many_the_wide_ones_are_kept);
	suite_add_tcase(suite, tcase);
	return harness_run(suite);
}
