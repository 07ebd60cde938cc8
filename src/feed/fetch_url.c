/* SPDX-License-Identifier: BSD-2-Clause */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "feed/fetch_transfer.h"

/* --- parts --- */

/* The part of the URL, or NULL if there is none. */
static char *url_part(const struct transfer *t, CURLUPart part)
{
	char *text = NULL;

	return curl_url_get(t->url, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

static bool has_part(const struct transfer *t, CURLUPart part)
{
	char *text = url_part(t, part);

	curl_free(text);
	return text != NULL;
}

static bool has_http_scheme(const struct transfer *t)
{
	char *scheme = url_part(t, CURLUPART_SCHEME);
	const bool is_http =
		scheme != NULL && (text_equal_fold(scheme, "http") || text_equal_fold(scheme, "https"));

	curl_free(scheme);
	return is_http;
}

static bool is_ascii(const char *text)
{
	while (*text > ' ' && *text < 0x7f)
		text++;
	return *text == '\0';
}

static int set_url(struct transfer *t, const char *text)
{
	const CURLUcode code = curl_url_set(t->url, CURLUPART_URL, text, CURLU_PATH_AS_IS);

	t->name = text;
	if (code == CURLUE_OUT_OF_MEMORY)
		return transfer_fail(t, -ENOMEM, "no memory");
	if (code != CURLUE_OK)
		return transfer_fail(t, -EINVAL, "not a usable URL: %s", curl_url_strerror(code));
	return 0;
}

/* --- the path of the request --- */

/* Whether the path and the query end with those octets and nothing else: "#" would begin something that is
 * not sent. */
static bool ends_with(const struct transfer *t, const char *path)
{
	char *found = url_part(t, CURLUPART_PATH), *query = url_part(t, CURLUPART_QUERY);
	const size_t found_len = found != NULL ? strlen(found) : 0, len = strcspn(path, "?");
	bool ends = found_len >= len && memcmp(found + found_len - len, path, len) == 0;

	if (path[len] == '?')
		ends = ends && query != NULL && strcmp(query, path + len + 1) == 0;
	else
		ends = ends && query == NULL;
	curl_free(found);
	curl_free(query);
	return ends && strchr(path, '#') == NULL;
}

/* A reverse proxy may have put the registry below a path of its own, written with a slash behind it or not.
 */
static int add_path(struct transfer *t, const char *base)
{
	const char *path = t->request.path;
	size_t len = strlen(base);

	if (has_part(t, CURLUPART_QUERY) || has_part(t, CURLUPART_FRAGMENT))
		return transfer_fail(t, -EINVAL, "not a usable URL: only a path may stand behind the host");
	while (len > 0 && base[len - 1] == '/')
		len--;
	const size_t size = len + strlen(path) + 1;
	char *text = arena_alloc(&t->arena, size);
	if (text == NULL)
		return transfer_fail(t, -ENOMEM, "no memory");
	snprintf(text, size, "%.*s%s", (int)len, base, path);

	const int r = path[0] == '/' ? set_url(t, text) : -EINVAL;
	if (r == -ENOMEM)
		return r;
	if (r < 0 || !ends_with(t, path))
		return transfer_fail(t, -EINVAL, "not a usable path: %s", path);
	return 0;
}

/* --- the URL --- */

static int read_host(struct transfer *t)
{
	struct address literal;

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

static const char *base_url(const struct transfer *t)
{
	const char *url = t->request.url != NULL ? t->request.url : t->http->url;

	return url != NULL ? url : "";
}

int transfer_read_url(struct transfer *t)
{
	const char *base = base_url(t);

	t->name = base;
	t->url = curl_url();
	if (t->url == NULL)
		return transfer_fail(t, -ENOMEM, "no memory");
	int r = set_url(t, base);
	if (r < 0)
		return r;
	if (!has_http_scheme(t))
		return transfer_fail(t, -EINVAL, "not a usable URL: only http and https are spoken");
	if (has_part(t, CURLUPART_USER) || has_part(t, CURLUPART_PASSWORD))
		return transfer_fail(t, -EINVAL, "not a usable URL: user and password do not belong in it");
	r = read_host(t);
	return r == 0 && t->request.path != NULL ? add_path(t, base) : r;
}
