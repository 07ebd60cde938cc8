/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "registry/kubernetes.h"

static bool is_ahead_text(const struct json_value *text)
{
	return json_text(text) != NULL && strstr(json_text(text), "Too large resource version") != NULL;
}

/* Servers before 1.19 have no word for it, only the sentence. */
static bool is_ahead(const struct json_value *v)
{
	const struct json_value *causes = json_get(json_get(v, "details"), "causes");

	if (is_ahead_text(json_get(v, "message")))
		return true;
	for (size_t i = 0; i < json_count(causes); i++) {
		const char *reason = json_text(json_get(json_at(causes, i), "reason"));

		if ((reason != NULL && strcmp(reason, "ResourceVersionTooLarge") == 0) ||
		    is_ahead_text(json_get(json_at(causes, i), "message")))
			return true;
	}
	return false;
}

/* The reason is "Expired", and was "Gone" before 1.18. */
static bool is_expired(const struct json_value *v, int code)
{
	const char *reason = json_text(json_get(v, "reason"));

	return code == 410 ||
	       (reason != NULL && (strcmp(reason, "Expired") == 0 || strcmp(reason, "Gone") == 0));
}

enum verdict kubernetes_judge(const struct json_value *v, int code)
{
	double number = 0;

	if (code == 0 && json_number(json_get(v, "code"), &number) && number > 0 && number < 1000)
		code = (int)number;
	if (is_expired(v, code))
		return VERDICT_EXPIRED;
	if (is_ahead(v))
		return VERDICT_AHEAD;
	/* A right or a token that is missing says nothing about the position: it may be good when they are
	 * back, and the list is the expensive part. */
	if (code == 401 || code == 403 || code == 408 || code == 425 || code == 429 || code >= 500)
		return VERDICT_WAIT;
	return VERDICT_OTHER;
}

enum verdict kubernetes_read_refusal(const struct fetch_result *res, struct snapshot_builder *b)
{
	struct json_value *v = NULL;
	struct json_reader reader;
	int r = json_begin(&reader, res->body, res->len, b);

	if (r == 0)
		r = json_load(&reader, &v);
	/* A proxy's answer is no Status. The one for a missing right names verb, resource and namespace. */
	const char *message = r == 0 ? json_text(json_get(v, "message")) : NULL;
	snapshot_builder_fail(b, 0, "HTTP status %d%s%s", res->status, message != NULL ? ": " : "",
			      message != NULL ? message : "");
	const enum verdict verdict = kubernetes_judge(v, res->status);
	json_free(v);
	return verdict;
}
