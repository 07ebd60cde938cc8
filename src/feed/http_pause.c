/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/http_pause.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

void http_pause_read_retry_after(struct http_pause *p, const char *value, int64_t date_s, int64_t now_s)
{
	uint64_t seconds;

	if (text_to_uint(value, strlen(value), &seconds))
		p->retry_after_s = seconds;
	else
		p->retry_after_s = date_s > now_s ? (uint64_t)(date_s - now_s) : 0;
}

static void read_directive(struct http_pause *p, const char *text, size_t len)
{
	static const char max_age[] = "max-age=";
	const size_t skip = sizeof(max_age) - 1;

	if (len == 8 && (strncasecmp(text, "no-cache", 8) == 0 || strncasecmp(text, "no-store", 8) == 0))
		p->is_not_kept = true;
	if (len <= skip || strncasecmp(text, max_age, skip) != 0)
		return;
	text += skip;
	len -= skip;
	/* Not allowed to be sent, but to be understood (RFC 9111 section 5.2.2.1). */
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
		text++;
		len -= 2;
	}
	text_to_uint(text, len, &p->max_age_s);
}

void http_pause_read_cache_control(struct http_pause *p, const char *value)
{
	while (*value != '\0') {
		value += strspn(value, " \t,");
		const size_t len = strcspn(value, " \t,");

		read_directive(p, value, len);
		value += len;
	}
}

void http_pause_read_age(struct http_pause *p, const char *value)
{
	text_to_uint(value, strlen(value), &p->age_s);
}

/* How long the answer stays fresh (RFC 9111 section 4.2). */
static uint64_t fresh_s(const struct http_pause *p)
{
	if (p->is_not_kept || p->max_age_s <= p->age_s)
		return 0;
	return p->max_age_s - p->age_s;
}

bool http_pause_is_retry_after(int status)
{
	return status == 429 || status == 503;
}

bool http_pause_is_refusal(int status)
{
	return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
}

uint64_t http_pause_ms(const struct http_pause *p, int status)
{
	uint64_t seconds = 0;

	if (http_pause_is_retry_after(status))
		seconds = p->retry_after_s;
	else if (status == 200 || status == 304)
		seconds = fresh_s(p);
	return (seconds < HTTP_PAUSE_MAX_S ? seconds : HTTP_PAUSE_MAX_S) * 1000;
}
