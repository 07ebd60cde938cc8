/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/http_pause.h -- how long a server asks to be left alone: arithmetic over the headers of one answer.
 *
 * Pure: no library, no clock. Dates come as seconds since 1970, read by who has the answer (fetch_answer.c).
 */
#ifndef PHONEBOOK_FEED_HTTP_PAUSE_H
#define PHONEBOOK_FEED_HTTP_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	HTTP_PAUSE_MAX_S = 300, /* a server that asks for a day would make us serve yesterday */
};

/* What the headers of one answer said so far. Starts as { 0 }. */
struct http_pause {
	uint64_t retry_after_s, max_age_s, age_s;
	bool is_not_kept; /* no-cache or no-store */
};

/* Takes the value of Retry-After: seconds, or a date, which is then date_s and compared with now_s, the
 * server's own clock (RFC 9110 section 10.2.3). What is neither (date_s = -1), or past, is no wish. */
void http_pause_read_retry_after(struct http_pause *p, const char *value, int64_t date_s, int64_t now_s);

/* Takes one line of Cache-Control (RFC 9111 section 5.2.2); there may be several. */
void http_pause_read_cache_control(struct http_pause *p, const char *value);

/* Takes the value of Age: for so long the answer has lain in a cache (RFC 9111 section 5.1). */
void http_pause_read_age(struct http_pause *p, const char *value);

/* The pause an answer of that status asks for, capped; 0: none. Errors that pass (429, 503) ask by
 * Retry-After; good answers (200, 304) by the time they stay fresh, within which asking again is pointless.
 */
uint64_t http_pause_ms(const struct http_pause *p, int status);

/* True when that status comes with a wish to be asked later (429, 503): it counts although the round failed,
 * while the freshness of an answer that could not be used does not. */
bool http_pause_is_retry_after(int status);

/* True for an answer the same request will get again: 4xx, but for those that pass (408, 425, 429). */
bool http_pause_is_refusal(int status);

#endif
