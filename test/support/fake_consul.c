/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_consul.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fake_consul_private.h"

enum {
	WAIT_MS = 300000,
	WAIT_MAX_MS = 600000,
	WAIT_JITTER = 16, /* up to this fraction of the wait is added */
	CONNECTIONS = 200,
	LATE_MS = 100,
	NO_LEADER_MS = 180000, /* since when a stale read without a leader says it is on its own */
};

static const char TOO_MANY_CONNECTIONS[] =
	"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nContent-Length: 81\r\nConnection: close\r\n"
	"\r\nYour IP is issuing too many concurrent connections, please rate limit your calls\n";

static const char AGENT[] =
	"{\"Config\":{\"Datacenter\":\"dc1\",\"PrimaryDatacenter\":\"dc1\",\"NodeName\":\"agent-1\",\"Server\":false,"
	"\"Version\":\"1.20.1\"},\"Member\":{\"Name\":\"agent-1\",\"Addr\":\"127.0.0.1\",\"Port\":8301,\"Status\":1},"
	"\"Meta\":{}}";

/* --- what a request asks for --- */

static enum consul_path path_of(const struct fake_request *x, const char **ret_name)
{
	*ret_name = "";
	if (strcmp(x->path, "/v1/catalog/services") == 0)
		return CONSUL_SERVICES;
	if (strcmp(x->path, "/v1/agent/self") == 0)
		return CONSUL_AGENT;
	if (fake_request_below(x, "/v1/catalog/service/", ret_name) && **ret_name != '\0')
		return CONSUL_CATALOG;
	if (fake_request_below(x, "/v1/health/service/", ret_name) && **ret_name != '\0')
		return CONSUL_HEALTH;
	return CONSUL_OTHER;
}

static unsigned *count_of(struct fake_consul *f, enum consul_path path)
{
	unsigned *const counts[] = { [CONSUL_SERVICES] = &f->counts.services,
				     [CONSUL_CATALOG] = &f->counts.catalog,
				     [CONSUL_HEALTH] = &f->counts.health,
				     [CONSUL_AGENT] = &f->counts.agent,
				     [CONSUL_OTHER] = &f->counts.other };

	return counts[path];
}

/* The query wins over the headers; the scheme word is compared exactly, and the value ends at a space. */
static void read_token(const struct fake_request *x, char *ret, size_t size)
{
	const char *param = fake_request_param(x, "token");
	char value[300];

	ret[0] = '\0';
	if (param != NULL)
		snprintf(ret, size, "%s", param);
	else if (fake_request_header(x, "X-Consul-Token", ret, size))
		return;
	else if (fake_request_header(x, "Authorization", value, sizeof(value)) &&
		 strncmp(value, "Bearer ", 7) == 0)
		snprintf(ret, size, "%.*s", (int)strcspn(value + 7, " "), value + 7);
}

/* What a request may see: NULL everything, "" nothing, else what begins so. False: nobody knows its token. */
static bool find_rights(const struct fake_consul *f, const struct fake_request *x, const char **ret_prefix)
{
	char token[300];

	*ret_prefix = NULL;
	if (f->token == NULL)
		return true;
	read_token(x, token, sizeof(token));
	if (token[0] == '\0')
		*ret_prefix = "";
	else if (f->restricted_token != NULL && strcmp(token, f->restricted_token) == 0)
		*ret_prefix = f->prefix;
	else
		return strcmp(token, f->token) == 0;
	return true;
}

static bool may_see(const char *prefix, const char *name)
{
	return prefix == NULL || (prefix[0] != '\0' && strncmp(name, prefix, strlen(prefix)) == 0);
}

/* A duration as Go writes it: "60s", "1500ms", "1m30s". */
static bool read_duration(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "ms", 1 },   { "us", 0.001 }, { "ns", 0.000001 },
		      { "s", 1000 }, { "m", 60000 },  { "h", 3600000 } };
	double sum = 0;

	if (*text == '\0')
		return false;
	while (*text != '\0') {
		char *end;
		const double n = strspn(text, "0123456789.") > 0 ? strtod(text, &end) : -1;
		size_t i = 0;

		if (n < 0)
			return false;
		while (i < 6 && strncmp(end, units[i].unit, strlen(units[i].unit)) != 0)
			i++;
		if (i == 6)
			return strcmp(text, "0") == 0;
		sum += n * units[i].ms;
		text = end + strlen(units[i].unit);
	}
	*ret_ms = (uint64_t)sum;
	return true;
}

static bool read_wait(const struct fake_request *x, uint64_t *ret_ms)
{
	const char *text = fake_request_param(x, "wait");

	*ret_ms = 0;
	if (text != NULL && text[0] != '\0' && !read_duration(text, ret_ms))
		return false;
	if (*ret_ms == 0)
		*ret_ms = WAIT_MS;
	else if (*ret_ms > WAIT_MAX_MS)
		*ret_ms = WAIT_MAX_MS;
	return true;
}

static bool read_index(const struct fake_request *x, uint64_t *ret)
{
	const char *text = fake_request_param(x, "index");
	char *end;

	*ret = 0;
	if (text == NULL || text[0] == '\0')
		return true;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

/* A flag is there, empty, or a boolean word. */
static bool read_passing(const struct fake_request *x, bool *ret)
{
	const char *text = fake_request_param(x, "passing");

	*ret = text != NULL && strcasecmp(text, "false") != 0 && strcmp(text, "0") != 0;
	return !*ret || text[0] == '\0' || strcmp(text, "1") == 0 || strcasecmp(text, "true") == 0;
}

/* --- answers --- */

/* newer servers raise an index of 0 to 1; the bug of the older ones is a mode */
static uint64_t index_of(const struct fake_consul *f, const struct consul_service *service)
{
	if (f->mode == FAKE_CONSUL_ZERO_INDEX)
		return 0;
	return service != NULL ? consul_state_index(&f->state, service) : f->state.services_index;
}

/* An agent answers what waits for health from its stream of events, unless the order matters. */
static bool is_streamed(const struct fake_request *x, enum consul_path path)
{
	uint64_t index;

	return path == CONSUL_HEALTH && fake_request_param(x, "near") == NULL && read_index(x, &index) &&
	       index > 0;
}

static void write_headers(const struct fake_consul *f, const struct fake_request *x, uint64_t index,
			  bool streamed, bool filtered, struct fake_octets *ret)
{
	const bool stale = fake_request_param(x, "stale") != NULL;
	const bool leader = f->mode != FAKE_CONSUL_NO_LEADER;
	const char *consistency = fake_request_param(x, "consistent") != NULL ? "consistent" : "leader";

	fake_octets_format(ret,
			   "Content-Type: application/json\r\nVary: Accept-Encoding\r\n"
			   "X-Consul-Default-Acl-Policy: %s\r\nX-Consul-Effective-Consistency: %s\r\n",
			   f->token != NULL ? "deny" : "allow", stale ? "stale" : consistency);
	if (filtered && !streamed)
		fake_octets_text(ret, "X-Consul-Results-Filtered-By-Acls: true\r\n");
	if (f->mode != FAKE_CONSUL_NO_INDEX)
		fake_octets_format(ret, "X-Consul-Index: %llu\r\n", (unsigned long long)index);
	fake_octets_format(ret,
			   "X-Consul-Knownleader: %s\r\nX-Consul-Lastcontact: %u\r\n"
			   "X-Consul-Query-Backend: %s\r\n",
			   leader && !streamed ? "true" : "false",
			   streamed  ? 0
			   : !leader ? NO_LEADER_MS
			   : stale   ? f->lag_ms
				     : 0,
			   streamed ? "streaming" : "blocking-query");
}

/* Writes the body; returns whether rights have left anything out of it. */
static bool write_body(struct fake_consul *f, const struct fake_request *x, enum consul_path path,
		       const struct consul_service *service, const char *prefix, struct fake_octets *ret)
{
	const bool nothing = prefix != NULL && prefix[0] == '\0';
	bool passing = false;

	if (path == CONSUL_SERVICES && nothing) {
		fake_octets_text(ret, "{}");
		return true;
	}
	if (path == CONSUL_SERVICES)
		return consul_write_services(&f->state, prefix != NULL ? prefix : "", ret);
	if (!may_see(prefix, service->name)) {
		fake_octets_text(ret, "[]");
		return service->body != NULL;
	}
	read_passing(x, &passing);
	if (path == CONSUL_HEALTH)
		consul_write_health(service, passing, x, ret);
	else
		consul_write_catalog(service, x, ret);
	return false;
}

/* Servers tell of filtering only to who has a token of their own: that somebody without one misses something
 * is what he should not learn. */
static void answer_query(struct fake_consul *f, struct fake_request *x, enum consul_path path,
			 const struct consul_service *service)
{
	struct fake_octets headers = { 0 }, body = { 0 };
	const char *prefix = NULL;

	if (!find_rights(f, x, &prefix)) { /* the token was taken away while the query was held */
		fake_request_text(x, 403, "ACL not found");
		return;
	}
	const bool filtered = write_body(f, x, path, service, prefix, &body);
	write_headers(f, x, index_of(f, service), is_streamed(x, path), filtered && prefix[0] != '\0',
		      &headers);
	fake_request_answer(x, 200, headers.at, body.at, body.len);
	fake_octets_finish(&headers);
	fake_octets_finish(&body);
}

static void answer_agent(const struct fake_consul *f, struct fake_request *x, const char *prefix)
{
	(void)f;
	if (prefix == NULL)
		fake_request_json(x, 200, AGENT);
	else
		fake_request_text(
			x, 403,
			"Permission denied: token with AccessorID '00000000-0000-0000-0000-000000000002' "
			"lacks permission 'agent:read' on \"agent-1\"");
}

/* --- blocking queries --- */

static void hold(struct fake_consul *f, struct fake_request *x, enum consul_path path,
		 struct consul_service *service, uint64_t index, uint64_t wait_ms)
{
	struct consul_wait *wait = fake_new(sizeof(*wait));

	*wait = (struct consul_wait){ .x = x, .path = path, .service = service, .above = index };
	LIST_INSERT_HEAD(service != NULL ? &service->waits : &f->services_waits, wait, link);
	x->kept = wait;
	f->counts.held++;
	fake_request_deadline(x, wait_ms + fake_now_ns() % (wait_ms / WAIT_JITTER + 1));
}

static void let_go(struct fake_consul *f, struct consul_wait *wait)
{
	LIST_REMOVE(wait, link);
	wait->x->kept = NULL;
	f->counts.held--;
	free(wait);
}

static void answer_wait(struct fake_consul *f, struct consul_wait *wait)
{
	struct fake_request *x = wait->x;
	const enum consul_path path = wait->path;
	const struct consul_service *service = wait->service;

	let_go(f, wait);
	if (f->mode == FAKE_CONSUL_NO_LEADER && fake_request_param(x, "stale") == NULL)
		fake_request_text(x, 500, "No cluster leader");
	else
		answer_query(f, x, path, service);
}

static bool is_due(const struct fake_consul *f, const struct consul_wait *wait, enum consul_reason reason)
{
	if (reason == CONSUL_WOKEN)
		return true;
	if (reason == CONSUL_LEADER_LOST)
		return fake_request_param(wait->x, "stale") == NULL;
	if (reason == CONSUL_CHECK_MOVED && wait->path != CONSUL_HEALTH)
		return false;
	return f->mode != FAKE_CONSUL_HANG && index_of(f, wait->service) > wait->above;
}

unsigned consul_answer_waits(struct fake_consul *f, struct consul_waits *waits, enum consul_reason reason)
{
	unsigned woken = 0;

	for (struct consul_wait *wait = LIST_FIRST(waits), *next; wait != NULL; wait = next) {
		next = LIST_NEXT(wait, link);
		if (!is_due(f, wait, reason))
			continue;
		answer_wait(f, wait);
		woken++;
	}
	return woken;
}

/* --- requests --- */

/* Refuses what the mode, or the request itself, does not let through; true if it did. */
static bool refuse(struct fake_consul *f, struct fake_request *x, enum consul_path path)
{
	const bool stale = fake_request_param(x, "stale") != NULL;
	const char *dc = fake_request_param(x, "dc");

	if (strcmp(x->method, "GET") != 0)
		fake_request_text(x, 405, "method not allowed");
	else if (f->mode == FAKE_CONSUL_TOO_MANY)
		fake_request_text(x, 429, "");
	else if (f->mode == FAKE_CONSUL_DENIED)
		fake_request_text(
			x, 403,
			"Permission denied: token with AccessorID '00000000-0000-0000-0000-000000000002' "
			"lacks permission 'service:read'");
	else if (path == CONSUL_OTHER)
		fake_request_text(x, 404, "Invalid URL path: not a recognized HTTP API endpoint");
	else if (stale && fake_request_param(x, "consistent") != NULL)
		fake_request_text(x, 400, "Cannot specify ?stale with ?consistent, conflicting semantics.");
	else if (path != CONSUL_AGENT && dc != NULL && dc[0] != '\0' && strcmp(dc, "dc1") != 0)
		fake_request_text(x, 500, "No path to datacenter");
	else if (path != CONSUL_AGENT && f->mode == FAKE_CONSUL_NO_LEADER && !stale)
		fake_request_text(x, 500, "No cluster leader");
	else
		return false;
	return true;
}

static void start_query(struct fake_consul *f, struct fake_request *x, enum consul_path path,
			struct consul_service *service)
{
	uint64_t index, wait_ms;
	bool passing;

	if (!read_wait(x, &wait_ms)) {
		fake_request_text(x, 400, "Invalid wait time");
		return;
	}
	if (!read_index(x, &index)) {
		fake_request_text(x, 400, "Invalid index");
		return;
	}
	if (!read_passing(x, &passing)) {
		fake_request_text(x, 400, "Invalid value for ?passing");
		return;
	}
	if (index > 0 && f->mode != FAKE_CONSUL_NO_INDEX && index_of(f, service) <= index)
		hold(f, x, path, service, index, wait_ms);
	else
		answer_query(f, x, path, service);
}

static void on_request(void *context, struct fake_request *x)
{
	struct fake_consul *f = context;
	const char *name, *prefix;
	const enum consul_path path = path_of(x, &name);

	++*count_of(f, path);
	if (f->mode == FAKE_CONSUL_HANG || refuse(f, x, path))
		return;
	if (!find_rights(f, x, &prefix))
		fake_request_text(x, 403, "ACL not found");
	else if (path == CONSUL_AGENT)
		answer_agent(f, x, prefix);
	else
		start_query(f, x, path,
			    path == CONSUL_SERVICES ? NULL : consul_state_service(&f->state, name));
}

static void on_gone(void *context, struct fake_request *x)
{
	if (x->kept != NULL)
		let_go(context, x->kept);
}

/* The wait is over: the answer has the index as it is, which may be the same, or even smaller. Who hangs is
 * late. */
static void on_expired(void *context, struct fake_request *x)
{
	struct fake_consul *f = context;

	if (x->kept != NULL && f->mode == FAKE_CONSUL_HANG)
		fake_request_deadline(x, LATE_MS);
	else if (x->kept != NULL)
		answer_wait(f, x->kept);
}

/* --- life --- */

void consul_set_limit(struct fake_consul *f, unsigned connections)
{
	fake_http_limit_locked(f->http, connections, TOO_MANY_CONNECTIONS);
}

struct fake_consul *fake_consul_start(uint16_t port)
{
	static const struct fake_handler handler = {
		.request = on_request, .control = consul_control, .gone = on_gone, .expired = on_expired
	};
	struct fake_consul *f = fake_new(sizeof(*f));

	consul_state_init(&f->state);
	LIST_INIT(&f->services_waits);
	fake_http_start(port, &handler, f, &f->http);
	fake_consul_limit(f, CONNECTIONS);
	return f;
}

void fake_consul_stop(struct fake_consul *f)
{
	if (f == NULL)
		return;
	fake_http_stop(f->http);
	consul_state_finish(&f->state);
	free(f->token);
	free(f->restricted_token);
	free(f->prefix);
	free(f);
}

struct fake_http *fake_consul_http(struct fake_consul *f)
{
	return f->http;
}

struct fake_consul_counts fake_consul_counts(struct fake_consul *f)
{
	fake_http_lock(f->http);
	const struct fake_consul_counts counts = f->counts;
	fake_http_unlock(f->http);
	return counts;
}
