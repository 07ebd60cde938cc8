/* SPDX-License-Identifier: BSD-2-Clause */
/* What a request that failed for its certificates and keys says to people. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_registry.h"
#include "feed/fetch.h"
#include "feed/resolve.h"
#include "harness.h"

enum { LIMIT_MS = 8000, TEXT_MAX = 512 };

static struct event_base *loop;
static struct resolver *resolver;
static struct fetcher *fetcher;
static struct fake_registry *registry;
static char *dir;
static struct http_options http;
static struct fetch_request request;

static bool is_over;
static int error;
static char error_text[TEXT_MAX];
static unsigned port;

static char paths[8][TEXT_MAX];

/* The file of that name, good for the whole test. */
static const char *file(const char *name)
{
	size_t i = 0;

	while (paths[i][0] != '\0' && strcmp(strrchr(paths[i], '/') + 1, name) != 0)
		i++;
	snprintf(paths[i], sizeof(paths[i]), "%s/%s", dir, name);
	return paths[i];
}

static void serve(const char *certificate, const char *client)
{
	fake_registry_stop(registry);
	registry = fake_registry_start(
		&(struct fake_registry_options){ .certificate = certificate, .client = client });
	fake_registry_body(registry, "[]");
	http.url = fake_registry_url(registry);
	port = fake_registry_port(registry);
}

static void set_up(void)
{
	memset(paths, 0, sizeof(paths));
	registry = NULL;
	dir = harness_make_dir();
	loop = event_base_new();
	ck_assert_int_eq(resolver_create(loop, NULL, 0, NULL, NULL, &resolver), 0);
	ck_assert_int_eq(fetcher_create(loop, resolver, &fetcher), 0);
	fake_certificate(dir, "server", "IP:127.0.0.1", 30);
	fake_certificate(dir, "other", "IP:127.0.0.1", 30);
	http = (struct http_options){ .timeout_ms = 4000, .max_size = 4096, .ca_file = file("server.pem") };
	request = (struct fetch_request){ .source = FETCH_HTTP, .http = &http };
	serve(file("server"), NULL);
}

static void tear_down(void)
{
	fetcher_destroy(fetcher);
	resolver_destroy(resolver);
	fake_registry_stop(registry);
	event_base_free(loop);
	harness_remove_dir(dir);
}

static void on_heard(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	(void)context;
	(void)pause_ms;
	is_over = result->last;
	error = result->error;
	snprintf(error_text, sizeof(error_text), "%s", result->error_text != NULL ? result->error_text : "");
}

static void get(void)
{
	const uint64_t end_ms = clock_ms() + LIMIT_MS;
	struct fetch *q;

	is_over = false;
	ck_assert_int_eq(fetcher_start(fetcher, &request, on_heard, NULL, &q), 0);
	while (!is_over && clock_ms() < end_ms) {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 10000 });
		event_base_loop(loop, EVLOOP_ONCE);
	}
	ck_assert(is_over);
}

/* The text with the registry's address in the place of "SERVER", and a path in that of "PATH". */
static const char *fill_in(const char *text, const char *path)
{
	static char filled[2 * TEXT_MAX];
	FILE *out = fmemopen(filled, sizeof(filled), "w");

	for (; *text != '\0'; text++) {
		if (strncmp(text, "SERVER", 6) == 0) {
			fprintf(out, "127.0.0.1:%u", port);
			text += 5;
		} else if (strncmp(text, "PATH", 4) == 0) {
			fputs(path, out);
			text += 3;
		} else {
			fputc(*text, out);
		}
	}
	fputc('\0', out);
	fclose(out);
	return filled;
}

static void assert_told(int expected, const char *text, const char *path)
{
	get();
	ck_assert_str_eq(error_text, fill_in(text, path));
	ck_assert_int_eq(error, expected);
}

static void assert_good(void)
{
	get();
	ck_assert_msg(error == 0, "%s", error_text);
}

/* --- our files --- */

START_TEST(authority_file_that_cannot_be_read_is_named)
{
	http.ca_file = file("nowhere.pem");
	assert_told(-ENOENT, "cannot read ca-file \"PATH\": No such file or directory", http.ca_file);
	harness_write_file(dir, "empty.pem", "");
	http.ca_file = file("empty.pem");
	assert_told(-ENODATA, "cannot read ca-file \"PATH\": empty", http.ca_file);
	http.ca_file = dir;
	assert_told(-EINVAL, "cannot read ca-file \"PATH\": not a regular file", http.ca_file);
}
END_TEST

START_TEST(authority_file_that_is_none_is_named)
{
	harness_write_file(dir, "text.pem", "this is a letter\n");
	http.ca_file = file("text.pem");
	assert_told(-EINVAL, "ca-file \"PATH\" has no certificate in PEM in it", http.ca_file);
}
END_TEST

START_TEST(client_certificate_that_cannot_be_read_is_named)
{
	http.cert_file = file("nowhere.pem");
	http.key_file = file("other.key");
	assert_told(-ENOENT, "cannot read cert-file \"PATH\": No such file or directory", http.cert_file);
	http.cert_file = file("other.pem");
	http.key_file = file("nowhere.key");
	assert_told(-ENOENT, "cannot read key-file \"PATH\": No such file or directory", http.key_file);
}
END_TEST

START_TEST(client_certificate_that_is_none_is_named)
{
	static const char text[] = "key-file \"PATH\" has no key in PEM in it, or not that of cert-file \"";

	harness_write_file(dir, "text.pem", "this is a letter\n");
	http.cert_file = file("text.pem");
	http.key_file = file("other.key");
	assert_told(-EINVAL, "cert-file \"PATH\" has no certificate in PEM in it", http.cert_file);
	http.cert_file = file("other.pem");
	http.key_file = file("text.pem");
	get();
	ck_assert_ptr_nonnull(strstr(error_text, fill_in(text, http.key_file)));
	http.key_file = file("server.key");
	get();
	ck_assert_ptr_nonnull(strstr(error_text, fill_in(text, http.key_file)));
	ck_assert_ptr_nonnull(strstr(error_text, http.cert_file));
	ck_assert_int_eq(error, -EINVAL);
}
END_TEST

/* --- the server's certificate --- */

START_TEST(self_signed_certificate_of_somebody_else_names_the_authorities)
{
	http.ca_file = file("other.pem");
	assert_told(-EPROTO,
		    "certificate not accepted: SERVER: a self-signed certificate that is not in ca-file "
		    "\"PATH\"",
		    http.ca_file);
	http.ca_file = NULL;
	assert_told(-EPROTO,
		    "certificate not accepted: SERVER: a self-signed certificate that is not among the "
		    "authorities this host trusts; ca-file can name others",
		    NULL);
}
END_TEST

static EVP_PKEY *read_key(const char *path)
{
	FILE *in = fopen(path, "r");

	ck_assert_ptr_nonnull(in);
	EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
	fclose(in);
	ck_assert_ptr_nonnull(key);
	return key;
}

/* The certificate of the server anew, signed by somebody called "an authority" with the key of other. */
static void sign_by_other(void)
{
	EVP_PKEY *key = read_key(file("other.key"));
	FILE *in = fopen(file("server.pem"), "r");
	X509 *x = PEM_read_X509(in, NULL, NULL, NULL);
	X509_NAME *issuer = X509_NAME_new();

	fclose(in);
	ck_assert_ptr_nonnull(x);
	X509_NAME_add_entry_by_txt(issuer, "CN", MBSTRING_ASC, (const unsigned char *)"an authority", -1, -1,
				   0);
	X509_set_issuer_name(x, issuer);
	ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
	FILE *out = fopen(file("server.pem"), "w");
	ck_assert_int_eq(PEM_write_X509(out, x), 1);
	fclose(out);
	X509_NAME_free(issuer);
	X509_free(x);
	EVP_PKEY_free(key);
}

START_TEST(unknown_issuer_names_the_authorities)
{
	http.ca_file = file("other.pem");
	sign_by_other();
	serve(file("server"), NULL);
	assert_told(-EPROTO, "certificate not accepted: SERVER: not signed by anything in ca-file \"PATH\"",
		    http.ca_file);
	http.ca_file = NULL;
	assert_told(
		-EPROTO,
		"certificate not accepted: SERVER: not signed by anything among the authorities this host "
		"trusts; ca-file can name others",
		NULL);
}
END_TEST

START_TEST(certificate_for_other_names_is_told)
{
	fake_certificate(dir, "named", "DNS:registry.corp", 30);
	http.ca_file = file("named.pem");
	serve(file("named"), NULL);
	assert_told(-EPROTO, "certificate not accepted: SERVER: the certificate is for other names", NULL);
}
END_TEST

START_TEST(expired_certificate_is_told)
{
	fake_certificate(dir, "old", "IP:127.0.0.1", -1);
	http.ca_file = file("old.pem");
	serve(file("old"), NULL);
	assert_told(-EPROTO, "certificate not accepted: SERVER: the certificate has expired", NULL);
}
END_TEST

/* --- what is said during the handshake --- */

/* The alert may be lost to the reset that comes with it. */
static void assert_told_or_hung_up(const char *alert, const char *hung_up, const char *path)
{
	get();
	if (error == -ECONNRESET)
		ck_assert_str_eq(error_text, fill_in(hung_up, path));
	else
		ck_assert_str_eq(error_text, fill_in(alert, path));
	ck_assert(error == -ECONNRESET || error == -EACCES);
}

START_TEST(server_that_wants_a_client_certificate_is_told)
{
	fake_certificate(dir, "client", "DNS:sidecar.corp", 30);
	serve(file("server"), file("client"));
	assert_told_or_hung_up("SERVER wants a client certificate: cert-file and key-file are missing",
			       "SERVER hung up right after the handshake; does it want a client certificate "
			       "(cert-file, key-file)?",
			       NULL);
	http.cert_file = file("other.pem");
	http.key_file = file("other.key");
	assert_told_or_hung_up("SERVER does not accept the certificate in cert-file \"PATH\"",
			       "SERVER hung up right after the handshake; does it accept the certificate in "
			       "cert-file \"PATH\"?",
			       http.cert_file);
	http.cert_file = file("client.pem");
	http.key_file = file("client.key");
	assert_good();
}
END_TEST

/* Answers the first octets that come as a server without TLS does, and ends. */
static pid_t serve_plainly(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
	char octets[1024];

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&at, &len);
	port = ntohs(at.sin_port);
	const pid_t pid = fork();
	if (pid == 0) {
		const int client = accept(fd, NULL, NULL);

		if (read(client, octets, sizeof(octets)) > 0 && write(client, text, sizeof(text) - 1) > 0)
			shutdown(client, SHUT_WR);
		while (read(client, octets, sizeof(octets)) > 0)
			continue;
		_exit(0);
	}
	close(fd);
	return pid;
}

START_TEST(server_without_tls_is_told)
{
	const pid_t pid = serve_plainly();
	char url[64];

	snprintf(url, sizeof(url), "https://127.0.0.1:%u", port);
	http.url = url;
	assert_told(-EPROTO, "SERVER does not speak TLS; is it http:// instead of https://?", NULL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fetch_errors");
	TCase *t = tcase_create("tls");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, authority_file_that_cannot_be_read_is_named);
	tcase_add_test(t, authority_file_that_is_none_is_named);
	tcase_add_test(t, client_certificate_that_cannot_be_read_is_named);
	tcase_add_test(t, client_certificate_that_is_none_is_named);
	tcase_add_test(t, self_signed_certificate_of_somebody_else_names_the_authorities);
	tcase_add_test(t, unknown_issuer_names_the_authorities);
	tcase_add_test(t, certificate_for_other_names_is_told);
	tcase_add_test(t, expired_certificate_is_told);
	tcase_add_test(t, server_that_wants_a_client_certificate_is_told);
	tcase_add_test(t, server_without_tls_is_told);
	suite_add_tcase(s, t);
	return harness_run(s);
}
