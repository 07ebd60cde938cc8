/* SPDX-License-Identifier: BSD-2-Clause */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "feed/fetch_transfer.h"
#include "feed/secret.h"

static bool has_control(const char *text)
{
	return text_has_control(text, strlen(text));
}

static int add_line(struct transfer *t, const char *line)
{
	struct curl_slist *longer = line != NULL ? curl_slist_append(t->headers, line) : NULL;

	if (longer == NULL)
		return transfer_fail(t, -ENOMEM, "no memory");
	t->headers = longer;
	return 0;
}

static int add_header(struct transfer *t, const char *name, const char *value)
{
	const size_t size = strlen(name) + strlen(value) + 3;
	char *line = arena_alloc(&t->arena, size);

	if (line != NULL)
		snprintf(line, size, "%s: %s", name, value);
	return add_line(t, line);
}

/* --- what the administrator and the kind wrote --- */

static bool list_has(const char *const *headers, const char *name)
{
	const size_t len = strlen(name);

	for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
		if (strncasecmp(headers[i], name, len) == 0 && headers[i][len] == ':')
			return true;
	}
	return false;
}

/* Whether one of them wrote a header of that name himself; then it is his business. */
static bool has_header(const struct transfer *t, const char *name)
{
	return list_has(t->http->headers, name) || list_has(t->request.headers, name);
}

static int add_own_header(struct transfer *t, const char *line)
{
	const size_t name_len = strcspn(line, ":; \t");

	if (name_len == 0 || line[name_len] != ':' || has_control(line))
		return transfer_fail(t, -EINVAL, "header \"%s\": not of the form \"Name: value\"", line);
	return add_line(t, line);
}

static int add_own_headers(struct transfer *t, const char *const *headers)
{
	int r = 0;

	for (size_t i = 0; r == 0 && headers != NULL && headers[i] != NULL; i++)
		r = add_own_header(t, headers[i]);
	return r;
}

/* --- what we add --- */

/* An ETag makes the date superfluous (RFC 9110 section 13.1.3). */
static int add_validator(struct transfer *t)
{
	const char *etag = t->request.etag, *date = t->request.last_modified;

	if (etag != NULL && !has_control(etag))
		return add_header(t, "If-None-Match", etag);
	if (date != NULL && !has_control(date))
		return add_header(t, "If-Modified-Since", date);
	return 0;
}

/* libcurl would wait for a "100 Continue" before a body it finds large. */
static int add_body_headers(struct transfer *t)
{
	int r = 0;

	if (t->request.body == NULL)
		return 0;
	if (!has_header(t, "Content-Type"))
		r = add_header(t, "Content-Type", "application/json");
	return r == 0 ? add_line(t, "Expect:") : r;
}

/* --- who asks --- */

static int read_secret(struct transfer *t, const char *what, const char *path, const char **ret)
{
	char reason[SECRET_REASON_MAX];
	char *secret = arena_alloc(&t->arena, SECRET_MAX + 1);

	if (secret == NULL)
		return transfer_fail(t, -ENOMEM, "no memory");
	const int r = secret_read(path, reason, secret);
	if (r < 0)
		return transfer_fail(t, r, "%s %s: %s", what, path, reason);
	*ret = secret;
	return 0;
}

static int add_authorization(struct transfer *t, const char *value)
{
	if (has_control(value))
		return transfer_fail(t, -EINVAL, "authorization: control character inside");
	return add_header(t, "Authorization", value);
}

static int add_bearer(struct transfer *t, const char *token)
{
	const size_t size = strlen(token) + sizeof("Bearer ");
	char *value = arena_alloc(&t->arena, size);

	if (value == NULL)
		return transfer_fail(t, -ENOMEM, "no memory");
	snprintf(value, size, "Bearer %s", token);
	return add_authorization(t, value);
}

static int add_token(struct transfer *t)
{
	const char *token = t->http->token;
	int r = 0;

	if (token == NULL && t->http->token_file == NULL)
		return 0;
	if (token == NULL)
		r = read_secret(t, "token file", t->http->token_file, &token);
	return r == 0 ? add_bearer(t, token) : r;
}

/* libcurl makes the header of these. */
static int add_user(struct transfer *t)
{
	const char *password = "";
	int r = 0;

	if (t->http->user == NULL)
		return 0;
	if (t->http->password_file != NULL)
		r = read_secret(t, "password file", t->http->password_file, &password);
	if (r < 0)
		return r;
	curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	curl_easy_setopt(t->easy, CURLOPT_USERNAME, t->http->user);
	curl_easy_setopt(t->easy, CURLOPT_PASSWORD, password);
	return 0;
}

static int add_who(struct transfer *t)
{
	if (t->request.authorization != NULL)
		return add_authorization(t, t->request.authorization);
	const int r = add_token(t);
	return r == 0 ? add_user(t) : r;
}

int transfer_add_headers(struct transfer *t)
{
	int r = add_own_headers(t, t->http->headers);

	if (r == 0)
		r = add_own_headers(t, t->request.headers);
	if (r == 0 && !has_header(t, "Accept"))
		r = add_header(t, "Accept", "application/json");
	if (r == 0)
		r = add_body_headers(t);
	if (r == 0)
		r = add_validator(t);
	if (r == 0)
		r = add_who(t);
	if (r == 0)
		curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	return r;
}
