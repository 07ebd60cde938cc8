/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "registry/consul.h"

enum {
	/* What claims to be older is a mistake, and as much too old. */
	LAG_MAX_MS = 24 * 60 * 60 * 1000,
};

/* Consul explains itself in one line of plain text. A proxy's error page explains nothing. */
static size_t measure_explanation(const struct fetch_result *res)
{
	const size_t len = res->len > 0 ? strcspn(res->body, "\r\n") : 0;

	return len > 0 && res->body[0] != '<' ? len : 0;
}

static const char *explain_status(int status)
{
	if (status == 401 || status == 403)
		return "the token is not allowed to see this";
	if (status == 404)
		return "no Consul at this URL, or one that does not know this path";
	if (status == 429)
		return "asked too often";
	if (status >= 300 && status < 400)
		return "moved; redirects are not followed";
	return status >= 500 ? "Consul is in trouble" : "200 is wanted";
}

static int refuse_status(const struct fetch_result *res, struct snapshot_builder *b)
{
	const int r = res->status == 401 || res->status == 403 ? -EACCES : -EPROTO;
	const size_t len = measure_explanation(res);

	if (len > 0)
		return snapshot_builder_fail(b, r, "HTTP status %d: %.*s", res->status,
					     len < 180 ? (int)len : 180, res->body);
	return snapshot_builder_fail(b, r, "HTTP status %d: %s", res->status, explain_status(res->status));
}

static bool is_streamed(const struct fetch_result *res)
{
	const char *backend = fetch_result_header(res, "X-Consul-Query-Backend");

	return backend != NULL && text_equal_fold(backend, "streaming");
}

/* Consul leaves out what the token may not see, and says so since 1.11. A token that has lost rights must not
 * look like services that have lost instances; one that never had them is somebody's intention. */
static int judge_access(const struct consul_resource *c, const struct fetch_result *res,
			struct snapshot_builder *b)
{
	if (!consul_is_filtered(c, res))
		return 0;
	if (c->saw_all)
		return snapshot_builder_fail(b, -EACCES,
					     "the token no longer sees everything: Consul left out of its "
					     "answer what an access rule forbids");
	snapshot_builder_remark(b, "%s: the token does not see everything", c->label);
	return 0;
}

/* An agent that answers from its stream of events says "false" whether there is a leader or not: seen
 * with 1.20 under a healthy one. */
bool consul_is_leaderless(const struct fetch_result *res)
{
	const char *leader = fetch_result_header(res, "X-Consul-KnownLeader");

	return leader != NULL && text_equal_fold(leader, "false") && !is_streamed(res);
}

int consul_judge(const struct consul_resource *c, const struct fetch_result *res, struct snapshot_builder *b)
{
	if (res->error < 0)
		return snapshot_builder_fail(b, res->error, "%s", res->error_text);
	if (res->status != 200)
		return refuse_status(res, b);
	if (res->content_type != NULL && strncasecmp(res->content_type, "text/html", 9) == 0)
		return snapshot_builder_fail(b, -EBADMSG, "the answer is HTML, not JSON");
	if (res->len == 0)
		return snapshot_builder_fail(b, -EBADMSG, "the answer is empty");

	/* Without a leader nothing can be registered, but what was is still the best there is. All resources
	 * say it in the same words, so that it is logged once. */
	if (consul_is_leaderless(res))
		snapshot_builder_remark(b, "the servers of Consul have no leader");
	return judge_access(c, res, b);
}

static uint64_t header_uint(const struct fetch_result *res, const char *name)
{
	const char *value = fetch_result_header(res, name);
	uint64_t number;

	return value != NULL && text_to_uint(value, strlen(value), &number) ? number : 0;
}

/* 0 would be a question that is answered at once, again and again. Consul's documentation asks its clients to
 * send 1 instead, because servers have been seen to send it. */
uint64_t consul_index(const struct fetch_result *res)
{
	const char *value = fetch_result_header(res, "X-Consul-Index");
	uint64_t index;

	if (value == NULL || !text_to_uint(value, strlen(value), &index))
		return 0;
	return index > 0 ? index : 1;
}

/* A server that answers by itself says how long it has not heard the leader; an agent that answers from its
 * cache, how long it has not heard the servers. */
uint64_t consul_lag_ms(const struct fetch_result *res)
{
	const uint64_t contact_ms = header_uint(res, "X-Consul-LastContact");
	const uint64_t age_s = header_uint(res, "Age");
	const uint64_t age_ms = age_s < LAG_MAX_MS / 1000 ? age_s * 1000 : LAG_MAX_MS;
	const uint64_t lag_ms = contact_ms > age_ms ? contact_ms : age_ms;

	return lag_ms < LAG_MAX_MS ? lag_ms : LAG_MAX_MS;
}

bool consul_is_filtered(const struct consul_resource *c, const struct fetch_result *res)
{
	if (is_streamed(res))
		return c->filtered;
	const char *value = fetch_result_header(res, "X-Consul-Results-Filtered-By-ACLs");

	return value != NULL && text_equal_fold(value, "true");
}
