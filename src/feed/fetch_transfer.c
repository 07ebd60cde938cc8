/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/fetch_transfer.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "version.h"

enum {
	DEFAULT_TIMEOUT_MS = 5000,   /* a request without any limit must not exist */
	DEFAULT_MAX_SIZE = 16 << 20, /* nor a body without */
	/* A connection over which nothing comes back is dead after half a minute, however long the answer
	 * may be held: the kernel asks after 15 s of quiet, then every 5 s. Less would be traffic for nothing
	 * with a hundred held requests, and would not survive a switch that learns a new path. */
	KEEPALIVE_IDLE_S = 15,
	KEEPALIVE_INTERVAL_S = 5,
	KEEPALIVE_PROBES = 3,
	UNANSWERED_MS = (KEEPALIVE_IDLE_S + KEEPALIVE_PROBES * KEEPALIVE_INTERVAL_S) * 1000,
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

/* --- what libcurl asks back --- */

/* The cap that holds: libcurl's own sees neither chunks nor what gzip unfolds to. */
static size_t take_body(struct transfer *t, const char *octets, size_t len)
{
	if (len > t->max_size || t->body.len > t->max_size - len) {
		t->body_error = -EFBIG;
		return 0;
	}
	return buffer_add(&t->body, octets, len) == 0 ? len : 0;
}

static size_t on_body(char *octets, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	t->progress.heard_ms = clock_ms();
	return stream_is_open(t) ? stream_take(t, octets, size * n) : take_body(t, octets, size * n);
}

static size_t on_header(char *octets, size_t size, size_t n, void *arg)
{
	stream_take_header(arg, octets, size * n);
	return size * n;
}

/* libcurl 7.88 cannot set all of these. What the system does not know, or a unix socket has no use for, is no
 * reason to go without a connection.
 *
 * When a connection that was used before breaks before the first octet, libcurl sends the request again over
 * a new one. That is right for a poll. But who was held knows something of the server that was there, and
 * another one, or the same after a restart, may let him wait for what has happened already. */
static int on_connection(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	static const struct {
		int level, option, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, UNANSWERED_MS },
	};
	struct transfer *t = arg;

	(void)purpose;
	t->is_lost = t->request.held && t->is_sent;
	if (t->is_lost)
		return CURL_SOCKOPT_ERROR;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].option, &options[i].value, sizeof(int));
	return CURL_SOCKOPT_OK;
}

static int on_ready(void *arg, char *server_address, char *own_address, int server_port, int own_port)
{
	struct transfer *t = arg;

	(void)server_address;
	(void)own_address;
	(void)server_port;
	(void)own_port;
	t->is_sent = true;
	return CURL_PREREQFUNC_OK;
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
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
	curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, t);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever http_proxy says */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_connection);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, t);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
	/* Always: an ETag differs between a body with gzip and one without. But compressing a stream may hold
	 * back its events. */
	if (t->request.source != FETCH_STREAM)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "phonebook/" PHONEBOOK_VERSION);
	if (t->http->unix_socket != NULL)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, t->http->unix_socket);
	if (t->request.body != NULL)
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, t->request.body);
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

/* --- limits --- */

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
	return value > 0 ? value : otherwise;
}

static struct limits make_limits(const struct fetch_request *request)
{
	const uint64_t usual_ms = or_default(request->http->timeout_ms, DEFAULT_TIMEOUT_MS);
	const uint64_t life_ms = or_default(request->timeout_ms, usual_ms);
	struct limits limits = { .connect_ms = usual_ms < life_ms ? usual_ms : life_ms, .life_ms = life_ms };

	if (request->source == FETCH_STREAM) {
		limits.silence_ms = request->silence_ms;
		limits.first_ms = or_default(request->first_ms, request->silence_ms);
	}
	return limits;
}

static uint64_t connected_us(const struct transfer *t)
{
	curl_off_t us = 0;

	if (t->easy != NULL)
		curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &us);
	return (uint64_t)us;
}

bool transfer_is_connected(const struct transfer *t)
{
	return connected_us(t) > 0;
}

enum limit transfer_check_limits(struct transfer *t, uint64_t *ret_wait_ms)
{
	const uint64_t now_ms = clock_ms();

	if (t->progress.connected_ms == 0 && transfer_is_connected(t))
		t->progress.connected_ms = t->run_ms + connected_us(t) / 1000;
	if (t->is_paused) /* by us: the server cannot be heard */
		t->progress.heard_ms = now_ms;
	return limits_check(&t->limits, &t->progress, now_ms, ret_wait_ms);
}

/* --- life --- */

void transfer_init(struct transfer *t, const struct fetch_request *request, void *owner,
		   void (*arrived)(struct transfer *t))
{
	*t = (struct transfer){
		.request = *request,
		.http = request->http,
		.owner = owner,
		.arrived = arrived,
		.limits = make_limits(request),
		.progress.started_ms = clock_ms(),
		.max_size =
			or_default(request->max_size, or_default(request->http->max_size, DEFAULT_MAX_SIZE)),
	};
	frames_init(&t->frames, t->max_size);
}

int transfer_prepare(struct transfer *t)
{
	int r = transfer_read_url(t);

	if (r < 0)
		return r;
	t->easy = curl_easy_init();
	if (t->easy == NULL)
		return transfer_fail(t, -ENOMEM, "no memory");
	set_options(t);
	set_tls(t);
	return transfer_add_headers(t);
}

const struct fetch_result *transfer_result(struct transfer *t)
{
	t->result.name = t->name;
	t->result.last = true;
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
	frames_finish(&t->frames);
	buffer_finish(&t->body);
	arena_finish(&t->arena);
}
