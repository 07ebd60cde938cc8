/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/resolv_conf.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

static const struct {
	const char *text, *own, *result; /* own: one listener, "" none */
} resolv_confs[] = {
	{ "nameserver 10.0.0.1\n", "", "10.0.0.1:53 " },
	{ "nameserver 10.0.0.1", "", "10.0.0.1:53 " },
	{ "nameserver\t 10.0.0.1 \t\r\n", "", "10.0.0.1:53 " },
	{ "nameserver 10.0.0.1 # first\nnameserver 10.0.0.2;second\n", "", "10.0.0.1:53 10.0.0.2:53 " },
	{ "# nameserver 10.0.0.1\n;nameserver 10.0.0.2\n", "", "" },
	{ "search corp\noptions ndots:5\nnameserver 10.0.0.1\n", "", "10.0.0.1:53 " },
	{ "nameserver fd00::1\nnameserver fe80::1%lo\n", "", "[fd00::1]:53 [fe80::1]:53 " },
	{ "nameserver fe80::1%nosuchinterface\nnameserver name.corp\nnameserver 10.0.0.256\n", "", "" },
	{ "nameserver\nnameserver \nnameserver10.0.0.1\n nameserver 10.0.0.1\n", "", "" },
	{ "nameserver 10.0.0.1:5353\n", "", "" },
	{ "nameserver 127.0.0.1\nnameserver 10.0.0.1\n", "127.0.0.1:53", "10.0.0.1:53 " },
	{ "nameserver 127.0.0.53\nnameserver 127.0.0.1\n", "127.0.0.1:53", "127.0.0.53:53 " },
	{ "nameserver 127.0.0.1\n", "127.0.0.1:5353", "127.0.0.1:53 " },
	{ "nameserver ::1\nnameserver 127.0.0.1\n", "[::1]:53", "127.0.0.1:53 " },
	{ "nameserver ::ffff:127.0.0.1\n", "127.0.0.1:53", "" },
	{ "nameserver 0.0.0.0\nnameserver 192.0.2.1\n", "127.0.0.1:53", "192.0.2.1:53 " },
	{ "nameserver 127.0.0.5\nnameserver 192.0.2.1\n", "0.0.0.0:53", "192.0.2.1:53 " },
	{ "nameserver 127.0.0.5\nnameserver 192.0.2.1\n", "[::]:53", "192.0.2.1:53 " },
	{ "", "", "" },
};

START_TEST(nameservers_are_read_as_libcs_do)
{
	char *dir = harness_make_dir(), path[256], result[512] = "";
	struct endpoint own, servers[3];
	const size_t n_own = endpoint_from_text(resolv_confs[_i].own, 53, &own) ? 1 : 0;

	harness_write_file(dir, "resolv.conf", resolv_confs[_i].text);
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	const size_t n = resolv_conf_read(path, &own, n_own, servers, 3);
	for (size_t i = 0; i < n; i++) {
		char text[ENDPOINT_TEXT_MAX];

		strcat(strcat(result, endpoint_to_text(&servers[i], text)), " ");
	}
	harness_remove_dir(dir);
	ck_assert_str_eq(result, resolv_confs[_i].result);
}
END_TEST

START_TEST(no_more_nameservers_are_read_than_asked_for)
{
	char *dir = harness_make_dir(), path[256];
	struct endpoint servers[2] = { 0 };

	harness_write_file(dir, "resolv.conf",
			   "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n");
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	ck_assert_uint_eq(resolv_conf_read(path, NULL, 0, servers, 2), 2);
	ck_assert_uint_eq(resolv_conf_read(path, NULL, 0, servers, 0), 0);
	harness_remove_dir(dir);
	ck_assert_uint_eq(resolv_conf_read(path, NULL, 0, servers, 2), 0);
	ck_assert_uint_eq(resolv_conf_read("/dev/zero", NULL, 0, servers, 2), 0);
	ck_assert_uint_eq(resolv_conf_read("/", NULL, 0, servers, 2), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resolv_conf");
	TCase *conf = tcase_create("resolv.conf");

	tcase_add_loop_test(conf, nameservers_are_read_as_libcs_do, 0,
			    sizeof(resolv_confs) / sizeof(resolv_confs[0]));
	tcase_add_test(conf, no_more_nameservers_are_read_than_asked_for);
	suite_add_tcase(suite, conf);
	return harness_run(suite);
}
