/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "feed/fetch_transfer.h"
#include "feed/http_pause.h"

static const char *header(CURL *easy, const char *name, size_t index)
{
	struct curl_header *h;

	return curl_easy_header(easy, name, index, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

static void read_retry_after(CURL *easy, struct http_pause *p)
{
	const char *value = header(easy, "Retry-After", 0);
	const char *date = header(easy, "Date", 0);

	if (value == NULL)
		return;
	time_t now = date != NULL ? curl_getdate(date, NULL) : -1;
	if (now == -1)
		now = (time_t)clock_wall_s();
	http_pause_read_retry_after(p, value, curl_getdate(value, NULL), now);
}

static uint64_t read_pause_ms(CURL *easy, int status)
{
	struct http_pause pause = { 0 };
	const char *value;

	read_retry_after(easy, &pause);
	for (size_t i = 0; (value = header(easy, "Cache-Control", i)) != NULL; i++)
		http_pause_read_cache_control(&pause, value);
	value = header(easy, "Age", 0);
	if (value != NULL)
		http_pause_read_age(&pause, value);
	return http_pause_ms(&pause, status);
}

/* --- the head --- */

/* A copy of a header's value, which libcurl frees with the transfer. NULL: not sent, or no memory, which is
 * then noted. */
static const char *keep_header(struct transfer *t, const char *name, bool *no_memory)
{
	const char *value = header(t->easy, name, 0);
	const char *copy = value != NULL ? arena_text(&t->arena, value, strlen(value)) : NULL;

	*no_memory = *no_memory || (value != NULL && copy == NULL);
	return copy;
}

static void keep_wanted(struct transfer *t, struct fetch_result *ret, bool *no_memory)
{
	const char *const *wanted = t->request.wanted;
	struct fetch_header *headers;
	size_t n = 0;

	while (wanted != NULL && wanted[n] != NULL)
		n++;
	if (n == 0)
		return;
	headers = arena_alloc(&t->arena, n * sizeof(*headers));
	ret->headers = headers;
	*no_memory = *no_memory || headers == NULL;
	for (size_t i = 0; headers != NULL && i < n; i++) {
		const char *value = keep_header(t, wanted[i], no_memory);

		if (value != NULL)
			headers[ret->n_headers++] = (struct fetch_header){ wanted[i], value };
	}
}

/* A cache says how old its answer is (RFC 9111 section 5.1), or at least, by custom, that it had one: "HIT",
 * "Hit from ...". */
static bool is_cached(CURL *easy)
{
	const char *value;

	if (header(easy, "Age", 0) != NULL)
		return true;
	for (size_t i = 0; (value = header(easy, "X-Cache", i)) != NULL; i++) {
		if (strncasecmp(value, "HIT", 3) == 0)
			return true;
	}
	return false;
}

int transfer_read_head(struct transfer *t, struct fetch_result *ret)
{
	struct fetch_result head = { .cached = is_cached(t->easy) };
	bool no_memory = false;
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	head.status = (int)status;
	head.content_type = keep_header(t, "Content-Type", &no_memory);
	head.etag = keep_header(t, "ETag", &no_memory);
	head.last_modified = keep_header(t, "Last-Modified", &no_memory);
	keep_wanted(t, &head, &no_memory);
	if (no_memory)
		return transfer_fail(t, -ENOMEM, "no memory");
	*ret = head;
	return 0;
}

/* --- the end --- */

static void read_answer(struct transfer *t)
{
	if (buffer_add(&t->body, "", 1) < 0) {
		transfer_fail(t, -ENOMEM, "no memory");
		return;
	}
	t->body.len--;
	if (transfer_read_head(t, &t->result) == 0)
		t->pause_ms = read_pause_ms(t->easy, t->result.status);
}

/* A stream without any object has no head yet. How long it stays fresh is no question for a stream. */
static void read_stream_end(struct transfer *t)
{
	if (frames_is_cut(&t->frames))
		transfer_fail(t, -EPIPE, "cut off inside an object");
	else if (t->head.status != 0)
		t->result = t->head;
	else
		transfer_read_head(t, &t->result);
}

/* --- what went wrong --- */

/* The reason in libcurl's words, without those that tell nothing. */
static const char *reason(struct transfer *t, CURLcode code)
{
	static const char *const prefixes[] = { "SSL certificate problem: ", "SSL: " };
	char *text = t->curl_error;

	if (text[0] == '\0')
		snprintf(text, sizeof(t->curl_error), "%s", curl_easy_strerror(code));
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
			text += strlen(prefixes[i]);
	}
	if (isupper((unsigned char)text[0]) && islower((unsigned char)text[1]))
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

static void read_connect_error(struct transfer *t, CURLcode code)
{
	char text[128];
	long error = 0;

	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &error);
	if (error == 0) {
		transfer_fail(t, -EHOSTUNREACH, "%s", reason(t, code));
		return;
	}
	snprintf(t->curl_error, sizeof(t->curl_error), "%s", strerror_r((int)error, text, sizeof(text)));
	if (t->http->unix_socket != NULL)
		transfer_fail(t, -(int)error, "%s: %s", t->http->unix_socket, reason(t, code));
	else
		transfer_fail(t, -(int)error, "%s", reason(t, code));
}

static void read_body_error(struct transfer *t)
{
	const char *what = stream_is_open(t) ? "object" : "body";

	switch (t->body_error) {
	case -EFBIG:
		transfer_fail(t, -EFBIG, "%s larger than %llu octets", what, (unsigned long long)t->max_size);
		break;
	case -EBADMSG:
		transfer_fail(t, -EBADMSG, "not a stream of JSON objects");
		break;
	default:
		transfer_fail(t, -ENOMEM, "no memory");
	}
}

static void read_cut(struct transfer *t)
{
	if (frames_is_cut(&t->frames))
		transfer_fail(t, -EPIPE, "cut off inside an object");
	else
		transfer_fail(t, -EPIPE, "body cut off");
}

/* A connection that stood, and over which nothing comes back any more: the kernel has asked, and given up. */
static bool has_fallen_silent(const struct transfer *t, CURLcode code)
{
	long error = 0;

	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &error);
	return (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) &&
	       (error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH);
}

static void read_error(struct transfer *t, CURLcode code)
{
	if (has_fallen_silent(t, code)) {
		transfer_fail(t, -ETIMEDOUT, "the connection fell silent");
		return;
	}
	if (transfer_read_tls_error(t, (int)code, reason(t, code)))
		return;
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		read_connect_error(t, code);
		break;
	case CURLE_OPERATION_TIMEDOUT: /* the only time limit libcurl has from us */
		transfer_time_out(t, LIMIT_CONNECT);
		break;
	case CURLE_WRITE_ERROR:
		read_body_error(t);
		break;
	case CURLE_PARTIAL_FILE:
		read_cut(t);
		break;
	case CURLE_GOT_NOTHING:
		transfer_fail(t, -ECONNRESET, "connection closed without an answer");
		break;
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, which is anything at all */
	case CURLE_WEIRD_SERVER_REPLY:
		transfer_fail(t, -EPROTO, "the answer is not HTTP");
		break;
	default:
		transfer_fail(t, -EIO, "%s", reason(t, code));
	}
}

void transfer_read_end(struct transfer *t, int code)
{
	if (t->is_lost)
		transfer_fail(t, -ECONNRESET, "connection closed without an answer");
	else if (code != CURLE_OK)
		read_error(t, (CURLcode)code);
	else if (stream_is_open(t))
		read_stream_end(t);
	else
		read_answer(t);
}

/* --- what took too long --- */

static int time_out(struct transfer *t, const char *what, uint64_t limit_ms)
{
	return transfer_fail(t, -ETIMEDOUT, "%s %llu ms", what, (unsigned long long)limit_ms);
}

/* A stream that has lived its whole life has done what it was asked for, also when it had nothing to say. */
void transfer_time_out(struct transfer *t, enum limit limit)
{
	const struct limits *l = &t->limits;

	if (limit == LIMIT_LIFE && stream_is_open(t))
		read_stream_end(t);
	else if (limit == LIMIT_FIRST)
		time_out(t, "no answer within", l->first_ms);
	else if (limit == LIMIT_SILENCE)
		time_out(t, "silent for", l->silence_ms);
	else if (limit == LIMIT_CONNECT && l->connect_ms < l->life_ms)
		time_out(t, "not connected within", l->connect_ms);
	else
		time_out(t, "timed out after", l->life_ms);
}
