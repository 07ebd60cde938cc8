/* SPDX-License-Identifier: BSD-2-Clause */
/* Users, passwords and tokens, and what etcd has against us.
 *
 * A simple token, the usual kind, dies 5 minutes after its last use, and with a restart of the member that
 * made it; other members know it, but what it is used for there does not prolong its life. So a token that
 * is refused, above all after a change of member, is nothing special: one login, and on. Only if what came
 * out of that login is refused too, something is wrong, and the pause after a failure keeps us from making
 * etcd compute password hashes all day.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registry/etcd.h"

bool etcd_wants_login(const struct registry *r)
{
	return r->options->etcd.user != NULL && r->token == NULL && !r->is_open;
}

static void wipe(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

/* The file is read anew for each login: whoever changes a password tells nobody. */
int etcd_ask_login(struct registry *r, struct fetch_request *ret)
{
	const struct etcd_options *o = &r->options->etcd;

	if (r->password == NULL && o->password_file != NULL) {
		r->asked = ETCD_ASK_PASSWORD;
		ret->source = FETCH_SECRET;
		ret->path = o->password_file;
		return 0;
	}
	r->asked = ETCD_ASK_TOKEN;
	ret->path = "/v3/auth/authenticate";
	const int status = etcd_write_login(o->user, r->password != NULL ? r->password : "", &r->body);
	ret->body = (const char *)r->body.octets;
	return status;
}

int etcd_read_password(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	if (result->error < 0)
		return snapshot_builder_fail(b, result->error, "password-file %.100s: %s", result->name,
					     result->error_text);
	r->password = strndup(result->body, result->len);
	return r->password != NULL ? STEP_ASK : -ENOMEM;
}

static int judge_login(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	struct etcd_error error;

	if (result->error < 0)
		return etcd_fail(r, b, result->error, "login: %s", result->error_text);
	if (result->status == 200) {
		const int status = etcd_read_token(result->body, result->len, b, &r->token);

		return status == 0 ? STEP_ASK : etcd_fail(r, b, status, "%s", snapshot_builder_error(b));
	}
	etcd_read_error(result->body, result->len, b, &error);
	switch (etcd_judge(result->status, &error)) {
	case ETCD_NO_AUTHENTICATION:
		r->is_open = true;
		return STEP_ASK;
	case ETCD_WRONG_PASSWORD:
		return etcd_fail(r, b, -EACCES, "login of %.60s: %s", r->options->etcd.user, error.text);
	default:
		return etcd_refuse(r, result->status, &error, b);
	}
}

int etcd_read_login(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	const int step = judge_login(r, result, b);

	r->proven = false;
	wipe(&r->password);
	if (r->body.size > 0)
		explicit_bzero(r->body.octets, r->body.size);
	return step;
}

/* Once for each time that etcd accepted us. */
static int log_in_again(struct registry *r, const struct etcd_error *error, struct snapshot_builder *b)
{
	const bool is_worn = r->proven;

	wipe(&r->token);
	r->is_open = r->proven = false;
	if (r->options->etcd.user == NULL)
		return etcd_fail(r, b, -EACCES, "it wants a user, and none is configured: %s", error->text);
	return is_worn ? 0 : etcd_fail(r, b, -EACCES, "right after a login: %s", error->text);
}

int etcd_refuse(struct registry *r, int status, const struct etcd_error *error, struct snapshot_builder *b)
{
	switch (etcd_judge(status, error)) {
	case ETCD_UNAUTHENTICATED:
		if (r->asked != ETCD_ASK_TOKEN)
			return log_in_again(r, error, b);
		break;
	case ETCD_DENIED:
		/* Rights are looked at for the whole range: those to a part of it are none. */
		return etcd_fail(r, b, -EACCES, "no right to read all keys with \"%.60s\": %s", r->prefix,
				 error->text);
	default:
		break;
	}
	if (status == 404)
		return etcd_fail(r, b, -EPROTO,
				 "no JSON gateway at /v3: this is not etcd 3.4 or later, or it has "
				 "--enable-grpc-gateway=false");
	if (status != 200)
		return etcd_fail(r, b, -EPROTO, "HTTP status %d%s%s", status,
				 error->text[0] != '\0' ? ": " : "", error->text);
	return etcd_fail(r, b, -EPROTO, "%s",
			 error->text[0] != '\0' ? error->text : "an error without a reason");
}
