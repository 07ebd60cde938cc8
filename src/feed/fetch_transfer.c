/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/fetch_transfer.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "version.h"

enum {
	DEFAULT_TIMEOUT_MS = 5000,   /* a request without any limit must not exist */
	DEFAULT_MAX_SIZE = 16 << 20, /* nor a body without */
	RESOLVE_MAX = 2 * 254 + 64 + RESOLVER_ADDRESSES_MAX * (ADDRESS_TEXT_MAX + 3),
};

static_assert(TRANSFER_REASON_MAX >= CURL_ERROR_SIZE, "libcurl writes so much");

int transfer_fail(struct transfer *t, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(t->error_text, sizeof(t->error_text), format, args);
	va_end(args);
	t->result = (struct fetch_result){ .error = error, .error_text = t->error_text };
	return error;
}

/* --- the URL --- */

/* The part of the URL, or NULL if there is none. */
static char *url_part(const struct transfer *t, CURLUPart part)
{
	char *text = NULL;

	return curl_url_get(t->url, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

static bool has_http_scheme(const struct transfer *t)
{
	char *scheme = url_part(t, CURLUPART_SCHEME);
	const bool is_http =
		scheme != NULL && (text_equal_fold(scheme, "http") || text_equal_fold(scheme, "https"));

	curl_free(scheme);
	return is_http;
}

static bool has_user(const struct transfer *t)
{
	char *user = url_part(t, CURLUPART_USER), *password = url_part(t, CURLUPART_PASSWORD);
	const bool has = user != NULL || password != NULL;

	curl_free(user);
	curl_free(password);
	return has;
}

static bool is_ascii(const char *text)
{
	while (*text > ' ' && *text < 0x7f)
		text++;
	return *text == '\0';
}

static int read_url(struct transfer *t)
{
	struct address literal;

	t->url = curl_url();
	if (t->url == NULL)
		return transfer_fail(t, -ENOMEM, "no memory");
	const CURLUcode code = curl_url_set(t->url, CURLUPART_URL, t->http->url, 0);
	if (code != CURLUE_OK)
		return transfer_fail(t, -EINVAL, "not a usable URL: %s", curl_url_strerror(code));
	if (!has_http_scheme(t))
		return transfer_fail(t, -EINVAL, "not a usable URL: only http and https are spoken");
	if (has_user(t))
		return transfer_fail(t, -EINVAL, "not a usable URL: user and password do not belong in it");

	t->host = url_part(t, CURLUPART_HOST);
	t->port = url_part(t, CURLUPART_PORT);
	if (t->host == NULL || t->port == NULL)
		return transfer_fail(t, -EINVAL, "not a usable URL: no host");
	/* libcurl would turn such a name into another one and look that up. */
	if (!is_ascii(t->host))
		return transfer_fail(t, -EINVAL, "not a usable URL: write the host name in its xn-- form");
	t->is_name = t->http->unix_socket == NULL && t->host[0] != '[' &&
		     !address_from_text(t->host, strlen(t->host), &literal);
	return 0;
}

/* --- what libcurl asks back --- */

/* The cap that holds: libcurl's own sees neither chunks nor what gzip unfolds to. */
static size_t on_body(char *octets, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	const size_t len = size * n;

	if (len > t->max_size || t->body.len > t->max_size - len) {
		t->too_large = true;
		return 0;
	}
	return buffer_add(&t->body, octets, len) == 0 ? len : 0;
}

/* A lookup of libcurl's own would be a thread asking /etc/resolv.conf, that is: us. All names come with
 * CURLOPT_RESOLVE; should one ever not match, this stops it. */
static int on_resolve(void *state, void *reserved, void *arg)
{
	const struct transfer *t = arg;

	(void)state;
	(void)reserved;
	return t->is_name;
}

/* --- the options --- */

static void set_tls(struct transfer *t)
{
	curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (t->http->ca_file != NULL) {
		curl_easy_setopt(t->easy, CURLOPT_CAINFO, t->http->ca_file);
		/* or the host's authorities would be good enough beside it: Debian builds a directory in */
		curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
#if LIBCURL_VERSION_NUM >= 0x075700 /* which caches, for a day: a file that was replaced must be read */
		curl_easy_setopt(t->easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
	}
	if (t->http->cert_file != NULL)
		curl_easy_setopt(t->easy, CURLOPT_SSLCERT, t->http->cert_file);
	if (t->http->key_file != NULL)
		curl_easy_setopt(t->easy, CURLOPT_SSLKEY, t->http->key_file);
}

static void set_options(struct transfer *t)
{
	CURL *easy = t->easy;

	curl_easy_setopt(easy, CURLOPT_CURLU, t->url);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
	curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, t);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever http_proxy says */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	/* Always: an ETag differs between a body with gzip and one without. */
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "phonebook/" PHONEBOOK_VERSION);
	if (t->http->unix_socket != NULL)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, t->http->unix_socket);
}

/* --- addresses of the host --- */

/* CURLOPT_FRESH_CONNECT alone does not help, the request after it finds the old connection again. So after a
 * change no connection is used that may be older than it. */
static void limit_connection_age(struct transfer *t, uint64_t age_s)
{
	if (age_s == 0)
		curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
	else if (age_s != PLACES_ANY_AGE)
		curl_easy_setopt(t->easy, CURLOPT_MAXLIFETIME_CONN, (long)age_s);
}

/* "host:port:address,address", as CURLOPT_RESOLVE takes it. */
int transfer_set_addresses(struct transfer *t, struct places *places, const struct address *addresses,
			   size_t n)
{
	char entry[RESOLVE_MAX];
	size_t len = (size_t)snprintf(entry, sizeof(entry), "%s:%s:", t->host, t->port);

	for (size_t i = 0; i < n && len < sizeof(entry); i++) {
		char text[ADDRESS_TEXT_MAX];

		len += (size_t)snprintf(entry + len, sizeof(entry) - len, "%s%s%s%s", i > 0 ? "," : "",
					addresses[i].len == 16 ? "[" : "",
					address_to_text(&addresses[i], text),
					addresses[i].len == 16 ? "]" : "");
	}
	t->addresses = len < sizeof(entry) ? curl_slist_append(NULL, entry) : NULL;
	if (t->addresses == NULL)
		return transfer_fail(t, -ENOMEM, "no memory");
	t->n_addresses = n;
	curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->addresses);
	limit_connection_age(t, places_connection_age_s(places, t->host, t->port, addresses, n, clock_ms()));
	return 0;
}

/* --- life --- */

void transfer_init(struct transfer *t, const struct http_options *http, void *owner)
{
	*t = (struct transfer){
		.http = http,
		.owner = owner,
		.timeout_ms = http->timeout_ms > 0 ? http->timeout_ms : DEFAULT_TIMEOUT_MS,
		.max_size = http->max_size > 0 ? http->max_size : DEFAULT_MAX_SIZE,
	};
}

int transfer_prepare(struct transfer *t, const struct fetch_request *request)
{
	int r = read_url(t);

	if (r < 0)
		return r;
	t->easy = curl_easy_init();
	if (t->easy == NULL)
		return transfer_fail(t, -ENOMEM, "no memory");
	set_options(t);
	set_tls(t);
	return transfer_add_headers(t, request);
}

const struct fetch_result *transfer_result(struct transfer *t)
{
	t->result.name = t->http->url;
	if (t->result.error != 0 || t->body.octets == NULL) {
		t->result.body = "";
	} else {
		t->result.body = (const char *)t->body.octets;
		t->result.len = t->body.len;
	}
	return &t->result;
}

void transfer_close(struct transfer *t)
{
	curl_easy_cleanup(t->easy);
	curl_url_cleanup(t->url);
	curl_free(t->host);
	curl_free(t->port);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->addresses);
	t->easy = t->url = NULL;
	t->host = t->port = NULL;
	t->headers = t->addresses = NULL;
}

void transfer_finish(struct transfer *t)
{
	buffer_finish(&t->body);
	arena_finish(&t->arena);
}
