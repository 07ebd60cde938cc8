/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates, ours and theirs. */
#include "fetch_rig.h"

/* --- TLS --- */

START_TEST(certificate_of_the_given_authority_is_accepted)
{
	assert_body("[\"10.0.0.1:80\"]");
	point_at_name("https", "registry.corp");
	assert_body("[\"10.0.0.1:80\"]");
	assert_body("[\"10.0.0.1:80\"]");
	ck_assert_uint_eq(fake_registry_connections(registry), 2);
}
END_TEST

static void assert_not_accepted(const char *why)
{
	ck_assert_int_eq(get()->error, -EPROTO);
	ck_assert_msg(strncmp(got[0].error_text, "certificate not accepted: ", 26) == 0, "%s",
		      got[0].error_text);
	ck_assert_msg(strstr(got[0].error_text, why) != NULL, "%s", got[0].error_text);
	ck_assert_uint_eq(fake_registry_requests(registry), 0);
}

static char *read_pem(const char *name)
{
	char path[512], *text = calloc(1, 65536);
	FILE *file = fopen(path_of(path, name), "r");

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(text, 1, 65535, file), 0);
	fclose(file);
	return text;
}

START_TEST(certificate_of_another_authority_is_refused)
{
	http.ca_file = path_of(path_b, "other.pem");
	assert_not_accepted("self-signed certificate");
	http.ca_file = NULL;
	assert_not_accepted("self-signed certificate");
}
END_TEST

START_TEST(replaced_authority_file_is_read_again)
{
	char *pem;

	http.ca_file = path_of(path_b, "authorities.pem");
	pem = read_pem("server.pem");
	harness_replace_file(dir, "authorities.pem", pem);
	free(pem);
	assert_body("[\"10.0.0.1:80\"]");

	fake_certificate(dir, "next", "IP:127.0.0.1", 30);
	restart_registry(&(struct fake_registry_options){ .certificate = path_of(path_a, "next") });
	pem = read_pem("next.pem");
	harness_replace_file(dir, "authorities.pem", pem);
	free(pem);
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

START_TEST(certificate_for_another_name_is_refused)
{
	point_at_name("https", "wrong.corp");
	assert_not_accepted("wrong.corp");
}
END_TEST

START_TEST(expired_certificate_is_refused)
{
	fake_certificate(dir, "old", "IP:127.0.0.1", -1);
	restart_registry(&(struct fake_registry_options){ .certificate = path_of(path_a, "old") });
	http.ca_file = path_of(path_b, "old.pem");
	assert_not_accepted("certificate has expired");
}
END_TEST

START_TEST(authority_file_that_is_missing_is_told)
{
	http.ca_file = path_of(path_b, "nowhere.pem");
	ck_assert_int_lt(get()->error, 0);
	ck_assert_msg(strstr(got[0].error_text, "nowhere.pem") != NULL, "%s", got[0].error_text);
}
END_TEST

START_TEST(client_certificate_is_shown_when_configured)
{
	fake_certificate(dir, "client", "DNS:sidecar.corp", 30);
	restart_registry(&(struct fake_registry_options){ .certificate = path_of(path_a, "server"),
							  .client = path_of(path_c, "client") });
	ck_assert_int_lt(get()->error, 0);
	ck_assert_uint_eq(fake_registry_requests(registry), 0);

	char key[512], certificate[512];
	http.cert_file = path_of(certificate, "client.pem");
	http.key_file = path_of(key, "server.key");
	ck_assert_int_lt(get()->error, 0);
	http.key_file = path_of(key, "client.key");
	assert_body("[\"10.0.0.1:80\"]");
}
END_TEST

START_TEST(large_body_and_gzip_come_over_tls_too)
{
	fake_registry_answer(registry, &(struct fake_answer){ .body = "0123456789", .repeat = 100000 });
	ck_assert_int_eq(get()->error, 0);
	ck_assert_uint_eq(got[0].len, 1000000);
	fake_registry_answer(registry,
			     &(struct fake_answer){ .body = "0123456789", .repeat = 100000, .gzip = true });
	ck_assert_int_eq(get()->error, 0);
	ck_assert_uint_eq(got[0].len, 1000000);
}
END_TEST

START_TEST(plain_http_at_a_tls_port_is_an_error_and_not_a_hang)
{
	http.timeout_ms = 2000;
	point_at_name("http", "127.0.0.1");
	ck_assert_int_lt(get()->error, 0);
	restart_registry(&(struct fake_registry_options){ 0 });
	point_at_name("https", "127.0.0.1");
	ck_assert_int_lt(get()->error, 0);
}
END_TEST

#define ADD_VECTORS(tcase, test, vectors)                                                                    \
	tcase_add_loop_test(tcase, test, 0, sizeof(vectors) / sizeof((vectors)[0]))

static TCase *tls(void)
{
	TCase *t = tcase_create("tls");

	tcase_add_checked_fixture(t, set_up_tls, tear_down);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, certificate_of_the_given_authority_is_accepted);
	tcase_add_test(t, certificate_of_another_authority_is_refused);
	tcase_add_test(t, replaced_authority_file_is_read_again);
	tcase_add_test(t, certificate_for_another_name_is_refused);
	tcase_add_test(t, expired_certificate_is_refused);
	tcase_add_test(t, authority_file_that_is_missing_is_told);
	tcase_add_test(t, client_certificate_is_shown_when_configured);
	tcase_add_test(t, large_body_and_gzip_come_over_tls_too);
	tcase_add_test(t, plain_http_at_a_tls_port_is_an_error_and_not_a_hang);
	return t;
}

int main(void)
{
	Suite *suite = suite_create("fetch_tls");

	suite_add_tcase(suite, tls());
	return harness_run(suite);
}
