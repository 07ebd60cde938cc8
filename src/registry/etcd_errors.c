/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/snapshot.h"
#include "registry/etcd_messages.h"
#include "registry/json.h"

/* Codes of gRPC that mean something to us. */
enum {
	CODE_DEADLINE_EXCEEDED = 4,
	CODE_PERMISSION_DENIED = 7,
	CODE_UNAVAILABLE = 14,
	CODE_UNAUTHENTICATED = 16,
	CODE_MAX = 16,
};

static void copy_text(const char *text, size_t len, char ret[ETCD_TEXT_MAX])
{
	if (len > ETCD_TEXT_MAX - 1)
		len = ETCD_TEXT_MAX - 1;
	memcpy(ret, text, len);
	ret[len] = '\0';
}

static int read_code(const struct json_value *v)
{
	double code;

	return json_number(v, &code) && code >= 0 && code <= CODE_MAX ? (int)code : 0;
}

/* {"error":"...","message":"...","code":3} from gateways up to etcd 3.5, {"code":3,"message":"...",
 * "details":[]} from those after. In a stream all of it is in a member "error" of its own, up to 3.5 with the
 * code as "grpc_code". */
void etcd_fill_error(const struct json_value *v, struct etcd_error *ret)
{
	const struct json_value *inner = json_get(v, "error");
	const char *text = json_text(v);

	*ret = (struct etcd_error){ 0 };
	if (json_kind_of(inner) == VALUE_OBJECT)
		v = inner;
	ret->code = read_code(json_get(v, "grpc_code"));
	if (ret->code == 0)
		ret->code = read_code(json_get(v, "code"));
	if (text == NULL)
		text = json_text(json_get(v, "message"));
	if (text == NULL)
		text = json_text(json_get(v, "error"));
	if (text != NULL)
		copy_text(text, strlen(text), ret->text);
}

/* etcd itself refuses some requests in a line of plain text, and proxies in pages of HTML, which tell people
 * nothing. */
static void fill_plain(const char *body, struct etcd_error *ret)
{
	body += strspn(body, " \t\r\n");
	if (*body != '<' && *body != '{' && *body != '[')
		copy_text(body, strcspn(body, "\r\n"), ret->text);
}

void etcd_read_error(const char *body, size_t len, struct snapshot_builder *b, struct etcd_error *ret)
{
	struct json_reader r;
	struct json_value *v;

	*ret = (struct etcd_error){ 0 };
	if (json_begin(&r, body, len, b) == 0 && json_peek(&r) == '{' && json_load(&r, &v) == 0) {
		etcd_fill_error(v, ret);
		json_free(v);
	} else {
		fill_plain(body, ret);
	}
}

/* Of visible ASCII: it becomes the value of a header (RFC 9110 section 5.5). */
static bool is_token(const char *text)
{
	const size_t len = strnlen(text, ETCD_TOKEN_MAX + 1);

	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return len > 0 && len <= ETCD_TOKEN_MAX;
}

int etcd_read_token(const char *body, size_t len, struct snapshot_builder *b, char **ret)
{
	struct json_reader r;
	struct json_value *v;
	int status = json_begin(&r, body, len, b);

	if (status == 0)
		status = json_load(&r, &v);
	if (status < 0)
		return status;
	const char *token = json_text(json_get(v, "token"));
	if (token == NULL || !is_token(token))
		status = snapshot_builder_fail(b, -EBADMSG, "an answer to a login without a token");
	else if ((*ret = strdup(token)) == NULL)
		status = -ENOMEM;
	json_free(v);
	return status;
}

/* What codes leave open: 3, an invalid argument, stands for all that is wrong with a user, 11 for revisions
 * too old and too new, and the reason for a canceled watch is a text alone, with the name of the code in it.
 */
static const struct {
	const char *text;
	enum etcd_trouble trouble;
} known[] = {
	{ "authentication failed", ETCD_WRONG_PASSWORD },
	{ "authentication is not enabled", ETCD_NO_AUTHENTICATION },
	{ "invalid auth token", ETCD_UNAUTHENTICATED },
	{ "user name is empty", ETCD_UNAUTHENTICATED },
	{ "revision of auth store is old", ETCD_UNAUTHENTICATED },
	{ "code = Unauthenticated", ETCD_UNAUTHENTICATED },
	{ "code = PermissionDenied", ETCD_DENIED },
	{ "permission denied", ETCD_DENIED },
	{ "has been compacted", ETCD_NO_REVISION },
	{ "is a future revision", ETCD_NO_REVISION },
};

enum etcd_trouble etcd_judge(int status, const struct etcd_error *error)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strstr(error->text, known[i].text) != NULL)
			return known[i].trouble;
	}
	if (error->code == CODE_UNAUTHENTICATED || status == 401)
		return ETCD_UNAUTHENTICATED;
	if (error->code == CODE_PERMISSION_DENIED || status == 403)
		return ETCD_DENIED;
	if (error->code == CODE_UNAVAILABLE || error->code == CODE_DEADLINE_EXCEEDED || status >= 500)
		return ETCD_UNAVAILABLE;
	return ETCD_OTHER;
}
