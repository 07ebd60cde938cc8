/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "harness.h"
#include "registry/request_path.h"

START_TEST(all_but_unreserved_characters_are_encoded)
{
	static const struct {
		const char *text, *encoded;
	} cases[] = {
		{ "", "" },
		{ "AZaz09-._~", "AZaz09-._~" },
		{ "a/b c", "a%2Fb%20c" },
		{ "%", "%25" },
		{ "/", "%2F" },
		{ "?&=#+", "%3F%26%3D%23%2B" },
		{ "caf\xc3\xa9", "caf%C3%A9" },
		{ "\n\x7f\xff", "%0A%7F%FF" },
	};
	struct buffer text = { 0 };
	struct request_path p;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request_path_begin(&p, &text);
		request_path_add_encoded(&p, cases[i].text);
		ck_assert_int_eq(request_path_end(&p), 0);
		ck_assert_str_eq((const char *)text.octets, cases[i].encoded);
	}
	buffer_finish(&text);
}
END_TEST

START_TEST(parameters_stand_behind_the_path_in_their_order)
{
	struct buffer text = { 0 };
	struct request_path p;

	request_path_begin(&p, &text);
	request_path_add(&p, "/v1/x");
	request_path_add_parameter(&p, "dc", "a&b");
	request_path_add_parameter(&p, "stale", "");
	ck_assert_int_eq(request_path_end(&p), 0);
	ck_assert_str_eq((const char *)text.octets, "/v1/x?dc=a%26b&stale=");

	request_path_begin(&p, &text);
	request_path_add(&p, "/v1/y");
	ck_assert_int_eq(request_path_end(&p), 0);
	ck_assert_str_eq((const char *)text.octets, "/v1/y");
	buffer_finish(&text);
}
END_TEST

START_TEST(first_failure_stays)
{
	struct buffer text = { .limit = 8 };
	struct request_path p;

	request_path_begin(&p, &text);
	request_path_add(&p, "/a");
	request_path_add(&p, "/longer-than-that");
	request_path_add(&p, "/b");
	ck_assert_int_eq(request_path_end(&p), -EFBIG);
	buffer_finish(&text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("request_path");
	TCase *path = tcase_create("path");

	tcase_add_test(path, all_but_unreserved_characters_are_encoded);
	tcase_add_test(path, parameters_stand_behind_the_path_in_their_order);
	tcase_add_test(path, first_failure_stays);
	suite_add_tcase(s, path);
	return harness_run(s);
}
