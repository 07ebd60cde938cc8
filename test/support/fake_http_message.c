/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_http_message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fake_octets.h"

/* A whole farm of instances is loaded in one request of some 40 MB. */
static const size_t BODY_MAX = (size_t)1 << 28;
static const size_t HEAD_MAX = 65536;

/* The value of a header in a head, up to its CR; NULL if it is not there. */
static const char *find_header(const char *head, size_t len, const char *name)
{
	const size_t name_len = strlen(name);
	const char *end = head + len;

	for (const char *at = head; at != NULL && at < end; at = memchr(at, '\n', (size_t)(end - at))) {
		at += *at == '\n';
		if ((size_t)(end - at) > name_len && strncasecmp(at, name, name_len) == 0 &&
		    at[name_len] == ':')
			return at + name_len + 1 + strspn(at + name_len + 1, " \t");
	}
	return NULL;
}

long long fake_message_length(const char *text, size_t len, size_t *ret_head)
{
	const char *end = len > 0 ? memmem(text, len, "\r\n\r\n", 4) : NULL;

	if (end == NULL)
		return len > HEAD_MAX ? -1 : 0;
	const size_t head_len = (size_t)(end - text) + 4;
	const char *length = find_header(text, head_len, "Content-Length");
	const unsigned long long body_len = length != NULL ? strtoull(length, NULL, 10) : 0;
	if (body_len > BODY_MAX || find_header(text, head_len, "Transfer-Encoding") != NULL)
		return -1;
	*ret_head = head_len;
	return len < head_len + body_len ? 0 : (long long)(head_len + body_len);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place up to NUL; false for a percent sign without two digits, or an encoded NUL. */
static bool decode(char *text, bool plus_is_space)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		if (*from == '+' && plus_is_space) {
			*to++ = ' ';
			continue;
		}
		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		const int high = hex_value(from[1]);
		const int low = high >= 0 ? hex_value(from[2]) : -1;
		if (low < 0 || high + low == 0)
			return false;
		*to++ = (char)(high * 16 + low);
		from += 2;
	}
	*to = '\0';
	return true;
}

/* Splits a query in place. */
static bool read_params(struct fake_request *x, char *query)
{
	char *rest = query;

	for (char *name = strtok_r(query, "&", &rest); name != NULL; name = strtok_r(NULL, "&", &rest)) {
		char *value = strchr(name, '=');

		if (x->n_params == FAKE_PARAMS_MAX)
			return false;
		if (value != NULL)
			*value++ = '\0';
		if (!decode(name, true) || (value != NULL && !decode(value, true)))
			return false;
		x->params[x->n_params++] = (struct fake_param){ name, value != NULL ? value : "" };
	}
	return true;
}

bool fake_message_read(struct fake_request *x, const char *text, size_t head_len, size_t len)
{
	char *head = strndup(text, head_len - 2);
	char *line = strndup(text, strcspn(text, "\r\n"));
	char *body = fake_new(len - head_len + 1);

	fake_must(head != NULL && line != NULL, "out of memory");
	memcpy(body, text + head_len, len - head_len);
	*x = (struct fake_request){ .method = line,
				    .head = head,
				    .body = body,
				    .body_len = len - head_len,
				    .target = "",
				    .path = "" };
	char *target = strchr(line, ' ');
	char *version = target != NULL ? strchr(target + 1, ' ') : NULL;
	if (version == NULL || target[1] != '/')
		return false;
	*target++ = '\0';
	*version = '\0';
	x->target = target;

	char *path = fake_copy(target); /* the query stays behind it, in the same copy */
	char *query = strchr(path, '?');
	x->path = path;
	if (query != NULL)
		*query++ = '\0';
	return decode(path, false) && (query == NULL || read_params(x, query));
}

void fake_message_finish(struct fake_request *x)
{
	free((char *)(uintptr_t)x->method); /* the target is in it */
	free((char *)(uintptr_t)x->head);
	free((char *)(uintptr_t)x->body);
	if (x->path != NULL && x->path[0] != '\0')
		free((char *)(uintptr_t)x->path);
	*x = (struct fake_request){ 0 };
}

const char *fake_request_param(const struct fake_request *x, const char *name)
{
	for (size_t i = 0; i < x->n_params; i++) {
		if (strcmp(x->params[i].name, name) == 0)
			return x->params[i].value;
	}
	return NULL;
}

bool fake_request_header(const struct fake_request *x, const char *name, char *ret, size_t size)
{
	const char *value = find_header(x->head, strlen(x->head), name);

	if (value == NULL)
		return false;
	size_t len = strcspn(value, "\r\n");
	if (len >= size)
		len = size - 1;
	memcpy(ret, value, len);
	ret[len] = '\0';
	return true;
}

bool fake_request_below(const struct fake_request *x, const char *prefix, const char **ret)
{
	const size_t len = strlen(prefix);

	if (strncmp(x->path, prefix, len) != 0)
		return false;
	*ret = x->path + len;
	return true;
}

const char *fake_message_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 410, "Gone" },
		{ 422, "Unprocessable Entity" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Unknown";
}
