/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

/* A copy of a header's value, which libcurl frees with the transfer; NULL: not sent, or no memory. */
static const char *keep_header(struct transfer *t, const char *name)
{
	const char *value = header(t->easy, name, 0);

	return value != NULL ? arena_text(&t->arena, value, strlen(value)) : NULL;
}

static void read_answer(struct transfer *t)
{
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (buffer_add(&t->body, "", 1) < 0) {
		transfer_fail(t, -ENOMEM, "no memory");
		return;
	}
	t->body.len--;
	t->result = (struct fetch_result){ .status = (int)status,
					   .content_type = keep_header(t, "Content-Type"),
					   .etag = keep_header(t, "ETag"),
					   .last_modified = keep_header(t, "Last-Modified") };
	t->pause_ms = read_pause_ms(t->easy, (int)status);
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

static void read_error(struct transfer *t, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		read_connect_error(t, code);
		break;
	case CURLE_OPERATION_TIMEDOUT:
		transfer_fail(t, -ETIMEDOUT, "timed out after %llu ms", (unsigned long long)t->timeout_ms);
		break;
	case CURLE_WRITE_ERROR:
		if (t->too_large)
			transfer_fail(t, -EFBIG, "body larger than %llu octets",
				      (unsigned long long)t->max_size);
		else
			transfer_fail(t, -ENOMEM, "no memory");
		break;
	case CURLE_PARTIAL_FILE:
		transfer_fail(t, -EPIPE, "body cut off");
		break;
	case CURLE_GOT_NOTHING:
		transfer_fail(t, -ECONNRESET, "connection closed without an answer");
		break;
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, which is anything at all */
	case CURLE_WEIRD_SERVER_REPLY:
		transfer_fail(t, -EPROTO, "the answer is not HTTP");
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
		transfer_fail(t, -EPROTO, "certificate not accepted: %s", reason(t, code));
		break;
	default:
		transfer_fail(t, -EIO, "%s", reason(t, code));
	}
}

void transfer_read_end(struct transfer *t, int code)
{
	if (code == CURLE_OK)
		read_answer(t);
	else
		read_error(t, (CURLcode)code);
}
