/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/guests.h"

#include <arpa/inet.h>

#include "harness.h"

static struct guests guests;

static void allow(const char *network)
{
	if (network != NULL)
		ck_assert(network_from_text(network, &guests.networks[guests.n++]));
}

static const struct {
	const char *from, *asked;
	const char *allow[2]; /* NULL: nobody */
	bool refused;
} sources[] = {
	/* this host */
	{ "127.0.0.1", "127.0.0.1", { NULL }, false },
	{ "127.255.255.254", "127.0.0.1", { NULL }, false },
	{ "127.0.0.1", "192.0.2.1", { NULL }, false },
	{ "::1", "::1", { NULL }, false },
	{ "::1", "2001:db8::1", { NULL }, false },
	{ "192.0.2.1", "192.0.2.1", { NULL }, false },
	{ "2001:db8::1", "2001:db8::1", { NULL }, false },
	{ "fe80::1", "fe80::1", { NULL }, false },
	{ "169.254.20.10", "169.254.20.10", { NULL }, false },
	/* strangers */
	{ "192.0.2.2", "192.0.2.1", { NULL }, true },
	{ "192.0.2.1", "127.0.0.1", { NULL }, true },
	{ "126.255.255.255", "127.0.0.1", { NULL }, true },
	{ "128.0.0.1", "127.0.0.1", { NULL }, true },
	{ "0.0.0.0", "127.0.0.1", { NULL }, true },
	{ "2001:db8::2", "2001:db8::1", { NULL }, true },
	{ "::", "::1", { NULL }, true },
	{ "::2", "::1", { NULL }, true },
	{ "fe80::2", "fe80::1", { NULL }, true },
	{ "169.254.1.1", "169.254.20.10", { NULL }, true },
	{ "::127.0.0.1", "::1", { NULL }, true }, /* not mapped, only looks like it */
	/* guests */
	{ "192.0.2.2", "192.0.2.1", { "192.0.2.0/24" }, false },
	{ "192.0.2.2", "192.0.2.1", { "10.0.0.0/8", "192.0.2.2" }, false },
	{ "192.0.2.3", "192.0.2.1", { "10.0.0.0/8", "192.0.2.2" }, true },
	{ "2001:db8::2", "2001:db8::1", { "2001:db8::/32" }, false },
	{ "2001:db9::2", "2001:db8::1", { "2001:db8::/32" }, true },
	{ "2001:db8::2", "2001:db8::1", { "0.0.0.0/0" }, true },
	{ "192.0.2.2", "192.0.2.1", { "::/0" }, true },
	{ "fe80::2", "fe80::1", { "fe80::/10" }, false },
};

START_TEST(sources_are_told_apart)
{
	struct endpoint from, asked;

	ck_assert(endpoint_from_text(sources[_i].from, 4242, &from));
	ck_assert(endpoint_from_text(sources[_i].asked, 53, &asked));
	for (int i = 0; i < 2; i++)
		allow(sources[_i].allow[i]);
	ck_assert_int_eq(guests_refuse(&guests, &from, &asked), sources[_i].refused);
}
END_TEST

/* endpoint_from_text() would make IPv4 of it, which the kernel does not. */
static void map(const char *text, struct endpoint *ret)
{
	ck_assert(endpoint_from_text("::", 4242, ret));
	ck_assert_int_eq(inet_pton(AF_INET6, text, &ret->at.ip6.sin6_addr), 1);
}

START_TEST(a_mapped_address_is_what_is_mapped)
{
	struct endpoint from, asked;

	map("::ffff:192.0.2.1", &asked);
	map("::ffff:127.0.0.9", &from);
	ck_assert(!guests_refuse(&guests, &from, &asked));
	map("::ffff:192.0.2.1", &from);
	ck_assert(!guests_refuse(&guests, &from, &asked));
	map("::ffff:192.0.2.2", &from);
	ck_assert(guests_refuse(&guests, &from, &asked));
	allow("::/0");
	ck_assert(guests_refuse(&guests, &from, &asked));
	allow("192.0.2.0/24");
	ck_assert(!guests_refuse(&guests, &from, &asked));
}
END_TEST

START_TEST(the_interface_of_a_link_local_address_does_not_count)
{
	struct endpoint from, asked;

	ck_assert(endpoint_from_text("fe80::2", 4242, &from));
	ck_assert(endpoint_from_text("fe80::1", 53, &asked));
	from.at.ip6.sin6_scope_id = 7;
	allow("fe80::/64");
	ck_assert(!guests_refuse(&guests, &from, &asked));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guests");
	TCase *tc = tcase_create("guests");

	tcase_add_loop_test(tc, sources_are_told_apart, 0, sizeof(sources) / sizeof(sources[0]));
	tcase_add_test(tc, a_mapped_address_is_what_is_mapped);
	tcase_add_test(tc, the_interface_of_a_link_local_address_does_not_count);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
