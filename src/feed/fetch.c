/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/fetch.h"

#include <ctype.h>
#define CURL_DISABLE_DEPRECATION /* curl_multi_socket_all(), see nudge_soon() */
#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/text.h"
#include "feed/resolve.h"
#include "version.h"

enum {
	SECRET_MAX = 65536,          /* octets of a token file; Kubernetes' tokens have one or two thousand */
	PAUSE_MAX_S = 300,           /* a server that asks for a day would make us serve yesterday */
	DEFAULT_TIMEOUT_MS = 5000,   /* a request without any limit must not exist */
	DEFAULT_MAX_SIZE = 16 << 20, /* nor a body without */
	NUDGE_MS = 20,               /* see nudge_soon() */
	CONNECTIONS_MAX = 64,        /* kept open; libcurl would keep four for each request in flight */
	PLACES_MAX = 64,             /* hosts whose addresses are remembered; more cost a new connection */
	RESOLVE_MAX = 2 * 254 + 64 + RESOLVER_ADDRESSES_MAX * (ADDRESS_TEXT_MAX + 3),
};

/* The addresses a host had when it was last asked. */
struct place {
	char name[300]; /* host:port */
	struct address addresses[RESOLVER_ADDRESSES_MAX];
	size_t n;
	uint64_t changed_ms; /* 0: never */
	uint64_t used_ms;
};

TAILQ_HEAD(fetches, fetch);

struct fetcher {
	struct event_base *loop;
	struct resolver *resolver;
	CURLM *multi;
	struct event timer, work, nudge;
	struct fetches running, finished;
	struct place places[PLACES_MAX];
};

struct fetch {
	TAILQ_ENTRY(fetch) link;
	struct fetcher *fetcher;
	const struct http_options *http;
	void (*done)(void *context, const struct fetch_result *result, uint64_t pause_ms);
	void *context;
	uint64_t started_ms, timeout_ms, max_size, pause_ms;
	struct event deadline;
	bool finished;

	struct resolver_lookup *lookup;
	CURL *easy;
	CURLU *url;
	char *host, *port; /* of libcurl */
	bool is_name;      /* the host has to be looked up */
	bool tries_many;   /* it has several addresses, and no connection yet */
	struct curl_slist *headers, *addresses;
	char curl_error[CURL_ERROR_SIZE];

	struct arena arena;
	struct buffer body;
	bool too_large;
	char error_text[CURL_ERROR_SIZE + 256];
	struct fetch_result result;
};

/* --- the end of a request --- */

static void close_transfer(struct fetch *q)
{
	resolver_lookup_cancel(q->lookup);
	q->lookup = NULL;
	if (q->easy != NULL) {
		curl_multi_remove_handle(q->fetcher->multi, q->easy);
		curl_easy_cleanup(q->easy);
		q->easy = NULL;
	}
	curl_url_cleanup(q->url);
	curl_free(q->host);
	curl_free(q->port);
	curl_slist_free_all(q->headers);
	curl_slist_free_all(q->addresses);
	q->url = NULL;
	q->host = q->port = NULL;
	q->headers = q->addresses = NULL;
	evtimer_del(&q->deadline);
}

static void free_fetch(struct fetch *q)
{
	buffer_finish(&q->body);
	arena_finish(&q->arena);
	free(q);
}

/* Delivery is left to on_work(): nobody is called from inside his own call or from inside libcurl. */
static void finish(struct fetch *q)
{
	struct fetcher *f = q->fetcher;

	close_transfer(q);
	TAILQ_REMOVE(&f->running, q, link);
	TAILQ_INSERT_TAIL(&f->finished, q, link);
	q->finished = true;
	event_active(&f->work, EV_TIMEOUT, 0);
}

/* Sets what is told when the request fails. Returns error. */
static int set_error(struct fetch *q, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int set_error(struct fetch *q, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(q->error_text, sizeof(q->error_text), format, args);
	va_end(args);
	q->result = (struct fetch_result){ .error = error, .error_text = q->error_text };
	return error;
}

/* One request a call, and last: who is called back may do anything, also destroy the fetcher. */
static void on_work(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *f = arg;
	struct fetch *q = TAILQ_FIRST(&f->finished);

	(void)fd;
	(void)what;
	if (q == NULL)
		return;
	TAILQ_REMOVE(&f->finished, q, link);
	if (!TAILQ_EMPTY(&f->finished))
		event_active(&f->work, EV_TIMEOUT, 0);

	q->result.name = q->http->url;
	if (q->result.error != 0 || q->body.octets == NULL) {
		q->result.body = "";
	} else {
		q->result.body = (const char *)q->body.octets;
		q->result.len = q->body.len;
	}
	q->done(q->context, &q->result, q->pause_ms);
	free_fetch(q);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct fetch *q = arg;

	(void)fd;
	(void)what;
	set_error(q, -ETIMEDOUT, "timed out after %llu ms", (unsigned long long)q->timeout_ms);
	finish(q);
}

/* --- what the server said --- */

static const char *header(CURL *easy, const char *name, size_t index)
{
	struct curl_header *h;

	return curl_easy_header(easy, name, index, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

/* Seconds, or a date as compared with the server's own clock (RFC 9110 section 10.2.3). What is neither, or
 * past, is no wish. */
static uint64_t retry_after_s(CURL *easy)
{
	const char *value = header(easy, "Retry-After", 0);
	const char *date = header(easy, "Date", 0);
	uint64_t seconds;

	if (value == NULL)
		return 0;
	if (text_to_uint(value, strlen(value), &seconds))
		return seconds;

	const time_t then = curl_getdate(value, NULL);
	time_t now = date != NULL ? curl_getdate(date, NULL) : -1;
	if (now == -1)
		now = (time_t)clock_wall_s();
	return then > now ? (uint64_t)(then - now) : 0;
}

/* Reads one directive of Cache-Control. False: the answer is not to be kept at all. */
static bool read_directive(const char *text, size_t len, uint64_t *max_age_s)
{
	static const char max_age[] = "max-age=";
	const size_t skip = sizeof(max_age) - 1;

	if ((len == 8 && strncasecmp(text, "no-cache", 8) == 0) ||
	    (len == 8 && strncasecmp(text, "no-store", 8) == 0))
		return false;
	if (len <= skip || strncasecmp(text, max_age, skip) != 0)
		return true;
	text += skip;
	len -= skip;
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
		text++;
		len -= 2;
	}
	text_to_uint(text, len, max_age_s);
	return true;
}

/* How long the answer stays fresh (RFC 9111 sections 4.2 and 5.2.2.1): asking before is pointless. */
static uint64_t fresh_s(CURL *easy)
{
	uint64_t max_age_s = 0, age_s = 0;
	const char *line;

	for (size_t i = 0; (line = header(easy, "Cache-Control", i)) != NULL; i++) {
		while (*line != '\0') {
			line += strspn(line, " \t,");
			const size_t len = strcspn(line, " \t,");

			if (!read_directive(line, len, &max_age_s))
				return 0;
			line += len;
		}
	}
	const char *age = header(easy, "Age", 0);
	if (age != NULL)
		text_to_uint(age, strlen(age), &age_s);
	return max_age_s > age_s ? max_age_s - age_s : 0;
}

static uint64_t pause_ms(CURL *easy, int status)
{
	uint64_t seconds = 0;

	if (status == 429 || status == 503)
		seconds = retry_after_s(easy);
	else if (status == 200 || status == 304)
		seconds = fresh_s(easy);
	return (seconds < PAUSE_MAX_S ? seconds : PAUSE_MAX_S) * 1000;
}

/* A copy of a header's value, which libcurl frees with the transfer; NULL: not sent, or no memory. */
static const char *keep_header(struct fetch *q, const char *name)
{
	const char *value = header(q->easy, name, 0);

	return value != NULL ? arena_text(&q->arena, value, strlen(value)) : NULL;
}

static void read_answer(struct fetch *q)
{
	long status = 0;

	curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
	if (buffer_add(&q->body, "", 1) < 0) {
		set_error(q, -ENOMEM, "no memory");
		return;
	}
	q->body.len--;
	q->result = (struct fetch_result){ .status = (int)status,
					   .content_type = keep_header(q, "Content-Type"),
					   .etag = keep_header(q, "ETag"),
					   .last_modified = keep_header(q, "Last-Modified") };
	q->pause_ms = pause_ms(q->easy, (int)status);
}

/* --- what went wrong --- */

/* The reason in libcurl's words, without those that tell nothing. */
static const char *reason(struct fetch *q, CURLcode code)
{
	static const char *const prefixes[] = { "SSL certificate problem: ", "SSL: " };
	char *text = q->curl_error;

	if (text[0] == '\0')
		snprintf(text, sizeof(q->curl_error), "%s", curl_easy_strerror(code));
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
			text += strlen(prefixes[i]);
	}
	if (isupper((unsigned char)text[0]) && islower((unsigned char)text[1]))
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

static void read_connect_error(struct fetch *q, CURLcode code)
{
	char text[128];
	long error = 0;

	curl_easy_getinfo(q->easy, CURLINFO_OS_ERRNO, &error);
	if (error == 0) {
		set_error(q, -EHOSTUNREACH, "%s", reason(q, code));
		return;
	}
	snprintf(q->curl_error, sizeof(q->curl_error), "%s", strerror_r((int)error, text, sizeof(text)));
	if (q->http->unix_socket != NULL)
		set_error(q, -(int)error, "%s: %s", q->http->unix_socket, reason(q, code));
	else
		set_error(q, -(int)error, "%s", reason(q, code));
}

static void read_error(struct fetch *q, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		read_connect_error(q, code);
		break;
	case CURLE_OPERATION_TIMEDOUT:
		set_error(q, -ETIMEDOUT, "timed out after %llu ms", (unsigned long long)q->timeout_ms);
		break;
	case CURLE_WRITE_ERROR:
		if (q->too_large)
			set_error(q, -EFBIG, "body larger than %llu octets", (unsigned long long)q->max_size);
		else
			set_error(q, -ENOMEM, "no memory");
		break;
	case CURLE_PARTIAL_FILE:
		set_error(q, -EPIPE, "body cut off after %zu octets", q->body.len);
		break;
	case CURLE_GOT_NOTHING:
		set_error(q, -ECONNRESET, "connection closed without an answer");
		break;
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, which is anything at all */
	case CURLE_WEIRD_SERVER_REPLY:
		set_error(q, -EPROTO, "the answer is not HTTP");
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
		set_error(q, -EPROTO, "certificate not accepted: %s", reason(q, code));
		break;
	default:
		set_error(q, -EIO, "%s", reason(q, code));
	}
}

/* --- libcurl on the loop --- */

static void reap(struct fetcher *f)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(f->multi, &left)) != NULL) {
		const CURLcode code = message->data.result;
		struct fetch *q = NULL;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&q);
		if (code == CURLE_OK)
			read_answer(q);
		else
			read_error(q, code);
		finish(q);
	}
}

struct socket_watch {
	struct fetcher *fetcher;
	struct event event;
};

/* libcurl may free the watch meanwhile: nothing of it is used afterwards. */
static void on_socket_ready(evutil_socket_t fd, short what, void *arg)
{
	const struct socket_watch *watch = arg;
	struct fetcher *f = watch->fetcher;
	int running;

	curl_multi_socket_action(f->multi, fd,
				 ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
					 ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0),
				 &running);
	reap(f);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct fetcher *f = arg;
	struct socket_watch *watch = socket_arg;

	(void)easy;
	if (watch != NULL)
		event_del(&watch->event);
	if (what == CURL_POLL_REMOVE) {
		free(watch);
		return 0;
	}
	if (watch == NULL) {
		watch = calloc(1, sizeof(*watch));
		if (watch == NULL)
			return -1;
		watch->fetcher = f;
		curl_multi_assign(f->multi, fd, watch);
	}
	event_assign(&watch->event, f->loop, fd,
		     (short)(((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
			     ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0) | EV_PERSIST),
		     on_socket_ready, watch);
	return event_add(&watch->event, NULL);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *f = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(f);
}

static int on_timer_change(CURLM *multi, long timeout_ms, void *arg)
{
	struct fetcher *f = arg;
	const struct timeval timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000 };

	(void)multi;
	return timeout_ms < 0 ? evtimer_del(&f->timer) : evtimer_add(&f->timer, &timeout);
}

/* libcurl 7.88 does not open the next address when one is refused, but waits for its next timer: seconds. All
 * transfers are driven a little while those with several addresses look for the one that answers. The call is
 * marked as deprecated for its price with many transfers, and stays; we have few. */
static void nudge_soon(struct fetcher *f)
{
	evtimer_add(&f->nudge, &(struct timeval){ .tv_usec = NUDGE_MS * 1000 });
}

static bool is_connecting(const struct fetch *q)
{
	curl_off_t connected_us = 0;

	curl_easy_getinfo(q->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
	return connected_us == 0;
}

static void on_nudge(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *f = arg;
	struct fetch *q;
	bool again = false;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_all(f->multi, &running);
	reap(f);
	TAILQ_FOREACH(q, &f->running, link)
	{
		q->tries_many = q->tries_many && is_connecting(q);
		again = again || q->tries_many;
	}
	if (again)
		nudge_soon(f);
}

/* The cap that holds: libcurl's own sees neither chunks nor what gzip unfolds to. */
static size_t on_body(char *octets, size_t size, size_t n, void *arg)
{
	struct fetch *q = arg;
	const size_t len = size * n;

	if (len > q->max_size || q->body.len > q->max_size - len) {
		q->too_large = true;
		return 0;
	}
	return buffer_add(&q->body, octets, len) == 0 ? len : 0;
}

/* A lookup of libcurl's own would be a thread asking /etc/resolv.conf, that is: us. All names come with
 * CURLOPT_RESOLVE; should one ever not match, this stops it. */
static int on_resolve(void *state, void *reserved, void *arg)
{
	const struct fetch *q = arg;

	(void)state;
	(void)reserved;
	return q->is_name;
}

/* --- the request --- */

/* The part of the URL, or NULL if there is none. */
static char *url_part(const struct fetch *q, CURLUPart part)
{
	char *text = NULL;

	return curl_url_get(q->url, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

static bool has_http_scheme(const struct fetch *q)
{
	char *scheme = url_part(q, CURLUPART_SCHEME);
	const bool is_http =
		scheme != NULL && (text_equal_fold(scheme, "http") || text_equal_fold(scheme, "https"));

	curl_free(scheme);
	return is_http;
}

static bool has_user(const struct fetch *q)
{
	char *user = url_part(q, CURLUPART_USER), *password = url_part(q, CURLUPART_PASSWORD);
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

static int read_url(struct fetch *q)
{
	struct address literal;

	q->url = curl_url();
	if (q->url == NULL)
		return set_error(q, -ENOMEM, "no memory");
	const CURLUcode code = curl_url_set(q->url, CURLUPART_URL, q->http->url, 0);
	if (code != CURLUE_OK)
		return set_error(q, -EINVAL, "not a usable URL: %s", curl_url_strerror(code));
	if (!has_http_scheme(q))
		return set_error(q, -EINVAL, "not a usable URL: only http and https are spoken");
	if (has_user(q))
		return set_error(q, -EINVAL, "not a usable URL: user and password do not belong in it");

	q->host = url_part(q, CURLUPART_HOST);
	q->port = url_part(q, CURLUPART_PORT);
	if (q->host == NULL || q->port == NULL)
		return set_error(q, -EINVAL, "not a usable URL: no host");
	/* libcurl would turn such a name into another one and look that up. */
	if (!is_ascii(q->host))
		return set_error(q, -EINVAL, "not a usable URL: write the host name in its xn-- form");
	q->is_name = q->http->unix_socket == NULL && q->host[0] != '[' &&
		     !address_from_text(q->host, strlen(q->host), &literal);
	return 0;
}

static bool has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return true;
	}
	return false;
}

/* Reads at most size octets of a regular file; a pipe would make the feeder wait. */
static ssize_t read_small_file(const char *path, char *octets, size_t size)
{
	struct stat st;
	size_t len = 0;
	ssize_t n = 0;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		n = -errno;
	else if (!S_ISREG(st.st_mode))
		n = -EINVAL;
	while (n >= 0 && len < size) {
		n = read(fd, octets + len, size - len);
		if (n < 0)
			n = errno == EINTR ? 0 : -errno;
		else if (n == 0)
			break;
		else
			len += (size_t)n;
	}
	close(fd);
	return n < 0 ? n : (ssize_t)len;
}

/* Reads a secret anew for each request: whoever renews it tells nobody. */
static int read_secret(struct fetch *q, const char *what, const char *path, const char **ret)
{
	char *octets = arena_alloc(&q->arena, SECRET_MAX + 1);
	char text[128];

	if (octets == NULL)
		return set_error(q, -ENOMEM, "no memory");
	const ssize_t n = read_small_file(path, octets, SECRET_MAX + 1);
	if (n == -EINVAL)
		return set_error(q, -EINVAL, "%s %s: not a regular file", what, path);
	if (n < 0)
		return set_error(q, (int)n, "%s %s: %s", what, path, strerror_r((int)-n, text, sizeof(text)));
	if (n > SECRET_MAX)
		return set_error(q, -EFBIG, "%s %s: larger than %d octets", what, path, SECRET_MAX);

	size_t len = (size_t)n;
	while (len > 0 && isspace((unsigned char)octets[len - 1]))
		len--;
	octets[len] = '\0';
	if (len == 0)
		return set_error(q, -ENODATA, "%s %s: empty", what, path);
	if (has_control(octets, len))
		return set_error(q, -EINVAL, "%s %s: control character inside", what, path);
	*ret = octets;
	return 0;
}

static int add_header(struct fetch *q, const char *name, const char *value)
{
	const size_t size = strlen(name) + strlen(value) + 3;
	char *line = arena_alloc(&q->arena, size);
	struct curl_slist *longer = NULL;

	if (line != NULL) {
		snprintf(line, size, "%s: %s", name, value);
		longer = curl_slist_append(q->headers, line);
	}
	if (longer == NULL)
		return set_error(q, -ENOMEM, "no memory");
	q->headers = longer;
	return 0;
}

/* Whether the administrator wrote a header of that name himself; then it is his business. */
static bool has_header(const struct http_options *http, const char *name)
{
	const size_t len = strlen(name);

	for (size_t i = 0; http->headers != NULL && http->headers[i] != NULL; i++) {
		if (strncasecmp(http->headers[i], name, len) == 0 && http->headers[i][len] == ':')
			return true;
	}
	return false;
}

static int add_own_headers(struct fetch *q)
{
	const char *const *headers = q->http->headers;
	int r = 0;

	for (size_t i = 0; r == 0 && headers != NULL && headers[i] != NULL; i++) {
		const size_t name_len = strcspn(headers[i], ":; \t");

		if (name_len == 0 || headers[i][name_len] != ':' ||
		    has_control(headers[i], strlen(headers[i])))
			return set_error(q, -EINVAL, "header \"%s\": not of the form \"Name: value\"",
					 headers[i]);
		struct curl_slist *longer = curl_slist_append(q->headers, headers[i]);
		if (longer == NULL)
			return set_error(q, -ENOMEM, "no memory");
		q->headers = longer;
	}
	return r;
}

/* An ETag makes the date superfluous (RFC 9110 section 13.1.3). */
static int add_validator(struct fetch *q, const struct fetch_request *request)
{
	const char *etag = request->etag, *date = request->last_modified;

	if (etag != NULL && !has_control(etag, strlen(etag)))
		return add_header(q, "If-None-Match", etag);
	if (date != NULL && !has_control(date, strlen(date)))
		return add_header(q, "If-Modified-Since", date);
	return 0;
}

static int add_headers(struct fetch *q, const struct fetch_request *request)
{
	int r = add_own_headers(q);

	if (r == 0 && !has_header(q->http, "Accept"))
		r = add_header(q, "Accept", "application/json");
	if (r == 0)
		r = add_validator(q, request);
	if (r == 0 && q->http->token_file != NULL) {
		const char *token = NULL;

		r = read_secret(q, "token file", q->http->token_file, &token);
		if (r == 0) {
			const size_t size = strlen(token) + sizeof("Bearer ");
			char *value = arena_alloc(&q->arena, size);

			if (value == NULL)
				return set_error(q, -ENOMEM, "no memory");
			snprintf(value, size, "Bearer %s", token);
			r = add_header(q, "Authorization", value);
		}
	}
	return r;
}

static int set_user(struct fetch *q)
{
	const char *password = "";
	int r = 0;

	if (q->http->user == NULL)
		return 0;
	if (q->http->password_file != NULL)
		r = read_secret(q, "password file", q->http->password_file, &password);
	if (r == 0) {
		curl_easy_setopt(q->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(q->easy, CURLOPT_USERNAME, q->http->user);
		curl_easy_setopt(q->easy, CURLOPT_PASSWORD, password);
	}
	return r;
}

static void set_tls(struct fetch *q)
{
	curl_easy_setopt(q->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(q->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (q->http->ca_file != NULL) {
		curl_easy_setopt(q->easy, CURLOPT_CAINFO, q->http->ca_file);
		/* or the host's authorities would be good enough beside it: Debian builds a directory in */
		curl_easy_setopt(q->easy, CURLOPT_CAPATH, NULL);
	}
	if (q->http->cert_file != NULL)
		curl_easy_setopt(q->easy, CURLOPT_SSLCERT, q->http->cert_file);
	if (q->http->key_file != NULL)
		curl_easy_setopt(q->easy, CURLOPT_SSLKEY, q->http->key_file);
}

static void set_transfer(struct fetch *q)
{
	CURL *easy = q->easy;

	curl_easy_setopt(easy, CURLOPT_CURLU, q->url);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, q);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, q->curl_error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, q);
	curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
	curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, q);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever http_proxy says */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	/* Always: an ETag differs between a body with gzip and one without. */
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "phonebook/" PHONEBOOK_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, q->headers);
	if (q->http->unix_socket != NULL)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, q->http->unix_socket);
}

/* --- addresses of the host --- */

static struct place *find_place(struct fetcher *f, const char *name)
{
	struct place *oldest = &f->places[0];

	for (size_t i = 0; i < PLACES_MAX; i++) {
		struct place *p = &f->places[i];

		if (strcmp(p->name, name) == 0)
			return p;
		if (p->used_ms < oldest->used_ms)
			oldest = p;
	}
	memset(oldest, 0, sizeof(*oldest));
	snprintf(oldest->name, sizeof(oldest->name), "%s", name);
	return oldest;
}

/* libcurl matches open connections by name and goes on using one to an address the name no longer has;
 * CURLOPT_FRESH_CONNECT alone does not help, the request after it finds the old one again. So after a change
 * no connection is used that may be older than it. Ages count in whole seconds: until there are two, every
 * request gets a new connection. */
static void avoid_old_connections(struct fetch *q, const struct address *addresses, size_t n)
{
	char name[sizeof(((struct place *)NULL)->name)];
	const uint64_t now = clock_ms();

	snprintf(name, sizeof(name), "%s:%s", q->host, q->port);
	struct place *p = find_place(q->fetcher, name);
	p->used_ms = now;
	if (p->n != n || memcmp(p->addresses, addresses, n * sizeof(*addresses)) != 0) {
		p->changed_ms = p->n > 0 ? now : 0;
		memcpy(p->addresses, addresses, n * sizeof(*addresses));
		p->n = n;
	}
	if (p->changed_ms == 0)
		return;
	const uint64_t age_s = (now - p->changed_ms) / 1000;
	if (age_s < 2)
		curl_easy_setopt(q->easy, CURLOPT_FRESH_CONNECT, 1L);
	else
		curl_easy_setopt(q->easy, CURLOPT_MAXLIFETIME_CONN, (long)(age_s - 1));
}

/* "host:port:address,address", as CURLOPT_RESOLVE takes it. */
static int set_addresses(struct fetch *q, const struct address *addresses, size_t n)
{
	char entry[RESOLVE_MAX];
	size_t len = (size_t)snprintf(entry, sizeof(entry), "%s:%s:", q->host, q->port);

	for (size_t i = 0; i < n && len < sizeof(entry); i++) {
		char text[ADDRESS_TEXT_MAX];

		len += (size_t)snprintf(entry + len, sizeof(entry) - len, "%s%s%s%s", i > 0 ? "," : "",
					addresses[i].len == 16 ? "[" : "",
					address_to_text(&addresses[i], text),
					addresses[i].len == 16 ? "]" : "");
	}
	q->addresses = len < sizeof(entry) ? curl_slist_append(NULL, entry) : NULL;
	if (q->addresses == NULL)
		return set_error(q, -ENOMEM, "no memory");
	curl_easy_setopt(q->easy, CURLOPT_RESOLVE, q->addresses);
	avoid_old_connections(q, addresses, n);
	q->tries_many = n > 1;
	return 0;
}

/* The time left also goes to libcurl, which gives the first of several addresses only half of it. */
static void start_transfer(struct fetch *q)
{
	const uint64_t elapsed_ms = clock_ms() - q->started_ms;

	curl_easy_setopt(q->easy, CURLOPT_TIMEOUT_MS,
			 (long)(elapsed_ms < q->timeout_ms ? q->timeout_ms - elapsed_ms : 1));
	if (curl_multi_add_handle(q->fetcher->multi, q->easy) != CURLM_OK) {
		set_error(q, -ENOMEM, "no memory");
		finish(q);
	} else if (q->tries_many && !evtimer_pending(&q->fetcher->nudge, NULL)) {
		nudge_soon(q->fetcher);
	}
}

static void on_addresses(void *context, const struct address *addresses, size_t n, const char *error)
{
	struct fetch *q = context;
	int r = 0;

	q->lookup = NULL;
	if (n == 0)
		r = set_error(q, -EHOSTUNREACH, "host name %s: %s", q->host, error);
	else
		r = set_addresses(q, addresses, n);
	if (r < 0)
		finish(q);
	else
		start_transfer(q);
}

/* --- life --- */

/* Makes the request ready. What fails here is told like any other failure, later. */
static int prepare(struct fetch *q, const struct fetch_request *request)
{
	int r = read_url(q);

	if (r == 0)
		r = add_headers(q, request);
	if (r < 0)
		return r;
	q->easy = curl_easy_init();
	if (q->easy == NULL)
		return set_error(q, -ENOMEM, "no memory");
	set_transfer(q);
	set_tls(q);
	r = set_user(q);
	if (r == 0 && q->is_name &&
	    resolver_lookup(q->fetcher->resolver, q->host, on_addresses, q, &q->lookup) < 0)
		r = set_error(q, -ENOMEM, "no memory");
	return r;
}

int fetcher_get(struct fetcher *f, const struct fetch_request *request,
		void (*done)(void *context, const struct fetch_result *result, uint64_t pause_ms),
		void *context, struct fetch **ret)
{
	const struct http_options *http = request->http;
	struct fetch *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return -ENOMEM;
	q->fetcher = f;
	q->http = http;
	q->done = done;
	q->context = context;
	q->started_ms = clock_ms();
	q->timeout_ms = http->timeout_ms > 0 ? http->timeout_ms : DEFAULT_TIMEOUT_MS;
	q->max_size = http->max_size > 0 ? http->max_size : DEFAULT_MAX_SIZE;
	const struct timeval timeout = { .tv_sec = (time_t)(q->timeout_ms / 1000),
					 .tv_usec = (suseconds_t)(q->timeout_ms % 1000) * 1000 };
	evtimer_assign(&q->deadline, f->loop, on_deadline, q);
	evtimer_add(&q->deadline, &timeout);
	TAILQ_INSERT_TAIL(&f->running, q, link);

	if (prepare(q, request) < 0)
		finish(q);
	else if (!q->is_name)
		start_transfer(q);
	*ret = q;
	return 0;
}

void fetch_cancel(struct fetch *q)
{
	if (q == NULL)
		return;

	if (q->finished) {
		TAILQ_REMOVE(&q->fetcher->finished, q, link);
	} else {
		close_transfer(q);
		TAILQ_REMOVE(&q->fetcher->running, q, link);
	}
	free_fetch(q);
}

int fetcher_create(struct event_base *loop, struct resolver *resolver, struct fetcher **ret)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;

	struct fetcher *f = calloc(1, sizeof(*f));
	CURLM *multi = curl_multi_init();
	if (f == NULL || multi == NULL) {
		curl_multi_cleanup(multi);
		free(f);
		curl_global_cleanup();
		return -ENOMEM;
	}
	f->loop = loop;
	f->resolver = resolver;
	f->multi = multi;
	TAILQ_INIT(&f->running);
	TAILQ_INIT(&f->finished);
	evtimer_assign(&f->timer, loop, on_timer, f);
	evtimer_assign(&f->work, loop, on_work, f);
	evtimer_assign(&f->nudge, loop, on_nudge, f);
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, f);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
	*ret = f;
	return 0;
}

void fetcher_destroy(struct fetcher *f)
{
	if (f == NULL)
		return;

	while (!TAILQ_EMPTY(&f->running))
		fetch_cancel(TAILQ_FIRST(&f->running));
	while (!TAILQ_EMPTY(&f->finished))
		fetch_cancel(TAILQ_FIRST(&f->finished));
	curl_multi_cleanup(f->multi);
	event_del(&f->timer);
	event_del(&f->work);
	event_del(&f->nudge);
	free(f);
	curl_global_cleanup();
}
