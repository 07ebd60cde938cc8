/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_kubernetes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_kubernetes_private.h"

/* Servers end a watch between half an hour and an hour if the client does not say when. */
enum { WATCH_MS = 1800000, LATE_MS = 100 };

static const char TYPE[] = "Content-Type: application/json\r\nCache-Control: no-cache, private\r\n";

/* --- Status --- */

void kube_write_status(int code, const char *reason, const char *message, const char *details,
		       struct fake_octets *ret)
{
	json_t *text = json_string(message);
	char *quoted = json_dumps(text, JSON_ENCODE_ANY);

	fake_must(quoted != NULL, "a message is no text");
	fake_octets_format(
		ret,
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
		"\"message\":%s,\"reason\":\"%s\",%s\"code\":%d}",
		quoted, reason, details, code);
	free(quoted);
	json_decref(text);
}

static void answer_status(struct fake_request *x, int code, const char *reason, const char *message,
			  const char *details)
{
	struct fake_octets body = { 0 }, headers = { 0 };

	fake_octets_text(&headers, TYPE);
	if (strstr(details, "retryAfterSeconds") != NULL)
		fake_octets_text(&headers, "Retry-After: 1\r\n");
	kube_write_status(code, reason, message, details, &body);
	fake_request_answer(x, code, headers.at, body.at, body.len);
	fake_octets_finish(&body);
	fake_octets_finish(&headers);
}

static void answer_bad_request(struct fake_request *x, const char *message)
{
	answer_status(x, 400, "BadRequest", message, "");
}

/* --- what a request asks for --- */

/* Takes the path apart: PREFIX/PLURAL or PREFIX/namespaces/NS/PLURAL. ret->ns is in *ret_ns, to be freed. */
static bool read_scope(const struct fake_request *x, struct kube_scope *ret, char **ret_ns)
{
	*ret_ns = NULL;
	for (unsigned i = 0; i < FAKE_KINDS; i++) {
		const struct kube_names *names = kube_names((enum fake_kubernetes_kind)i);
		const char *rest, *slash;

		if (!fake_request_below(x, names->path, &rest))
			continue;
		if (strncmp(rest, "namespaces/", 11) == 0 && (slash = strchr(rest + 11, '/')) != NULL &&
		    strcmp(slash + 1, names->plural) == 0) {
			*ret_ns = strndup(rest + 11, (size_t)(slash - rest - 11));
			fake_must(*ret_ns != NULL, "out of memory");
		} else if (strcmp(rest, names->plural) != 0) {
			continue;
		}
		const char *selector = fake_request_param(x, "labelSelector");
		*ret = (struct kube_scope){ .kind = (enum fake_kubernetes_kind)i,
					    .ns = *ret_ns,
					    .selector = selector != NULL && selector[0] != '\0' ? selector
												: NULL };
		return true;
	}
	return false;
}

static bool is_true(const char *value)
{
	return value != NULL && (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

/* Of a number that is not there: true, and 0. */
static bool read_number(const struct fake_request *x, const char *name, uint64_t *ret)
{
	const char *text = fake_request_param(x, name);
	char *end;

	*ret = 0;
	if (text == NULL || text[0] == '\0')
		return true;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

/* As an API server with role-based rights says it. */
static void answer_forbidden(struct fake_request *x, const struct kube_scope *scope)
{
	const struct kube_names *names = kube_names(scope->kind);
	char where[300] = "at the cluster scope", text[1000], details[300];

	if (scope->ns != NULL)
		snprintf(where, sizeof(where), "in the namespace \"%.253s\"", scope->ns);
	snprintf(text, sizeof(text),
		 "%s%s%s is forbidden: User \"system:serviceaccount:shop:sidecar\" cannot %s resource \"%s\" "
		 "in API group \"%s\" %s",
		 names->plural, names->group[0] != '\0' ? "." : "", names->group,
		 is_true(fake_request_param(x, "watch")) ? "watch" : "list", names->plural, names->group,
		 where);
	snprintf(details, sizeof(details), "\"details\":{%s%s%s\"kind\":\"%s\"},",
		 names->group[0] != '\0' ? "\"group\":\"" : "", names->group,
		 names->group[0] != '\0' ? "\"," : "", names->plural);
	answer_status(x, 403, "Forbidden", text, details);
}

/* Refuses what the mode or the token does not let through; true if it did. */
static bool refuse(struct fake_kubernetes *f, struct fake_request *x, const struct kube_scope *scope)
{
	char value[2000], token[2000] = "";

	if (f->mode == FAKE_KUBERNETES_TOO_MANY) {
		answer_status(x, 429, "TooManyRequests", "too many requests, please try again later",
			      "\"details\":{\"retryAfterSeconds\":1},");
		return true;
	}
	if (f->mode == FAKE_KUBERNETES_FAILING) {
		answer_status(x, 500, "InternalError",
			      "Internal error occurred: etcdserver: request timed out", "");
		return true;
	}
	if (fake_request_header(x, "Authorization", value, sizeof(value)) &&
	    strncmp(value, "Bearer ", 7) == 0)
		snprintf(token, sizeof(token), "%s", value + 7);
	if (f->forbidden_kinds[scope->kind] ||
	    (f->forbidden_token != NULL && strcmp(token, f->forbidden_token) == 0)) {
		answer_forbidden(x, scope);
		return true;
	}
	if (f->token != NULL && strcmp(token, f->token) != 0) {
		answer_status(x, 401, "Unauthorized", "Unauthorized", "");
		return true;
	}
	return false;
}

/* --- lists --- */

/* A token is the version of its list (0: the rest is of now) and the last key, in hexadecimal. */
static void write_token(uint64_t version, const char *key, struct fake_octets *ret)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu ", (unsigned long long)version);
	for (const char *c = text; *c != '\0'; c++)
		fake_octets_format(ret, "%02x", (unsigned char)*c);
	for (const char *c = key; *c != '\0'; c++)
		fake_octets_format(ret, "%02x", (unsigned char)*c);
}

/* The key; the caller frees it. NULL: no token of ours. */
static char *read_token(const char *token, uint64_t *ret_version)
{
	struct fake_octets text = { 0 };
	unsigned octet;
	char *key = NULL;

	fake_octets_text(&text, "");
	for (const char *at = token; sscanf(at, "%2x", &octet) == 1 && at[1] != '\0'; at += 2)
		fake_octets_add(&text, &(char){ (char)octet }, 1);
	char *space = strchr(text.at, ' ');
	if (space != NULL) {
		*ret_version = strtoull(text.at, NULL, 10);
		key = fake_copy(space + 1);
	}
	fake_octets_finish(&text);
	return key;
}

/* Writes objects from first on, limit at most (0: all). */
static void answer_list(struct fake_request *x, const struct kube_scope *scope, uint64_t version,
			struct kube_object *const *objects, size_t first, size_t n, uint64_t limit)
{
	const struct kube_names *names = kube_names(scope->kind);
	const size_t end = limit > 0 && n - first > limit ? first + (size_t)limit : n;
	struct fake_octets body = { 0 };

	fake_octets_format(
		&body,
		"{\"kind\":\"%sList\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%llu\"",
		names->singular, names->api_version, (unsigned long long)version);
	if (end < n) {
		fake_octets_text(&body, ",\"continue\":\"");
		write_token(version, objects[end - 1]->key, &body);
		fake_octets_text(&body, "\"");
	}
	if (end < n && scope->selector == NULL)
		fake_octets_format(&body, ",\"remainingItemCount\":%zu", n - end);
	fake_octets_text(&body, "},\"items\":[");
	for (size_t i = first; i < end; i++) {
		fake_octets_text(&body, i > first ? "," : "");
		fake_octets_text(&body, objects[i]->text);
	}
	fake_octets_text(&body, "]}\n");
	fake_request_answer(x, 200, TYPE, body.at, body.len);
	fake_octets_finish(&body);
}

static size_t behind(struct kube_object *const *objects, size_t n, const char *key)
{
	size_t i = 0;

	while (i < n && strcmp(objects[i]->key, key) <= 0)
		i++;
	return i;
}

static void answer_expired_page(struct fake_request *x, const char *key)
{
	struct fake_octets body = { 0 };

	fake_octets_text(&body, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{\"continue\":\"");
	write_token(0, key, &body);
	fake_octets_text(
		&body,
		"\"},\"status\":\"Failure\",\"message\":\"The provided continue parameter is too old to "
		"display a consistent list result.\",\"reason\":\"Expired\",\"code\":410}");
	fake_request_answer(x, 410, TYPE, body.at, body.len);
	fake_octets_finish(&body);
}

static void answer_next_page(struct fake_kubernetes *f, struct fake_request *x,
			     const struct kube_scope *scope, uint64_t limit)
{
	uint64_t version = 0;
	char *key = read_token(fake_request_param(x, "continue"), &version);
	const struct kube_pages *pages = kube_state_find_pages(&f->state, scope, version);
	const char *asked = fake_request_param(x, "resourceVersion");

	if (key == NULL) {
		answer_bad_request(x, "continue key is not valid");
	} else if (asked != NULL && asked[0] != '\0') {
		answer_bad_request(x, "specifying resource version is not allowed when using continue");
	} else if (version == 0) {
		size_t n;
		struct kube_object **objects = kube_state_collect(&f->state, scope, &n);

		kube_state_keep_pages(&f->state, scope, objects, n);
		answer_list(x, scope, f->state.version, objects, behind(objects, n, key), n, limit);
		kube_release(objects, n);
	} else if (pages == NULL || f->refuse_pages) {
		answer_expired_page(x, key);
	} else {
		answer_list(x, scope, version, pages->objects, behind(pages->objects, pages->n, key),
			    pages->n, limit);
	}
	free(key);
}

static void answer_first_page(struct fake_kubernetes *f, struct fake_request *x,
			      const struct kube_scope *scope, uint64_t limit)
{
	const char *asked = fake_request_param(x, "resourceVersion");
	size_t n;
	struct kube_object **objects = kube_state_collect(&f->state, scope, &n);

	if (asked != NULL && strcmp(asked, "0") == 0)
		limit = 0;
	if (limit > 0 && n > limit)
		kube_state_keep_pages(&f->state, scope, objects, n);
	answer_list(x, scope, f->state.version, objects, 0, n, limit);
	kube_release(objects, n);
}

static void answer_ahead(const struct fake_kubernetes *f, struct fake_request *x, uint64_t version)
{
	char text[120];

	snprintf(text, sizeof(text), "Timeout: Too large resource version: %llu, current: %llu",
		 (unsigned long long)version, (unsigned long long)f->state.version);
	answer_status(
		x, 504, "Timeout", text,
		"\"details\":{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\",\"message\":\"Too large resource "
		"version\"}],\"retryAfterSeconds\":1},");
}

static void start_list(struct fake_kubernetes *f, struct fake_request *x, const struct kube_scope *scope)
{
	const char *token = fake_request_param(x, "continue");
	const char *match = fake_request_param(x, "resourceVersionMatch");
	const bool next = token != NULL && token[0] != '\0';
	uint64_t limit, version;

	++*(next ? &f->counts.pages[scope->kind] : &f->counts.lists[scope->kind]);
	if (!read_number(x, "limit", &limit) || !read_number(x, "resourceVersion", &version))
		answer_bad_request(x, "limit or resourceVersion is no number");
	else if (next)
		answer_next_page(f, x, scope, limit);
	else if (version > f->state.version)
		answer_ahead(f, x, version);
	else if (match != NULL && strcmp(match, "Exact") == 0 && version != f->state.version)
		answer_status(x, 410, "Expired", "The resourceVersion for the provided list is too old.", "");
	else
		answer_first_page(f, x, scope, limit);
}

/* --- watches --- */

static void forget_watch(struct fake_kubernetes *f, struct kube_watch *watch)
{
	LIST_REMOVE(watch, link);
	watch->x->kept = NULL;
	f->counts.streams[watch->scope.kind]--;
	free((char *)(uintptr_t)watch->scope.ns);
	free(watch);
}

void kube_end_watch(struct fake_kubernetes *f, struct kube_watch *watch)
{
	struct fake_request *x = watch->x;

	forget_watch(f, watch);
	fake_request_end(x);
}

static void answer_gone(struct fake_kubernetes *f, struct fake_request *x, uint64_t version)
{
	struct fake_octets event = { 0 };
	char text[120];

	snprintf(text, sizeof(text), "too old resource version: %llu (%llu)", (unsigned long long)version,
		 (unsigned long long)f->state.history_from);
	if (!f->gone_as_event) {
		answer_status(x, 410, "Expired", text, "");
		return;
	}
	fake_octets_text(&event, "{\"type\":\"ERROR\",\"object\":");
	kube_write_status(410, "Expired", text, "", &event);
	fake_octets_text(&event, "}\n");
	fake_request_stream(x, 200, TYPE);
	fake_request_write(x, event.at, event.len);
	fake_request_end(x);
	fake_octets_finish(&event);
}

/* Takes over the namespace in scope. */
static struct kube_watch *open_watch(struct fake_kubernetes *f, struct fake_request *x,
				     const struct kube_scope *scope, uint64_t above, uint64_t timeout_s)
{
	struct kube_watch *watch = fake_new(sizeof(*watch));

	*watch = (struct kube_watch){ .x = x,
				      .scope = *scope,
				      .above = above,
				      .bookmarks = is_true(fake_request_param(x, "allowWatchBookmarks")) };
	LIST_INSERT_HEAD(&f->watches, watch, link);
	x->kept = watch;
	f->counts.streams[scope->kind]++;
	fake_request_stream(x, 200, TYPE);
	fake_request_deadline(x, timeout_s > 0 ? timeout_s * 1000 : WATCH_MS + fake_now_ns() % WATCH_MS);
	return watch;
}

static void send_line(struct fake_request *x, struct fake_octets *line)
{
	if (line->len > 0)
		fake_request_write(x, line->at, line->len);
	fake_octets_finish(line);
}

void kube_send_history(struct fake_kubernetes *f, struct kube_watch *watch)
{
	for (size_t i = 0; i < f->state.n_events; i++) {
		const struct kube_event *event = kube_state_event(&f->state, i);
		struct fake_octets line = { 0 };

		if (event->object->version <= watch->above)
			continue;
		kube_write_change(event, &watch->scope, &line);
		watch->above = event->object->version;
		send_line(watch->x, &line);
	}
}

static void send_everything(struct fake_kubernetes *f, const struct kube_watch *watch)
{
	size_t n;
	struct kube_object **objects = kube_state_collect(&f->state, &watch->scope, &n);

	for (size_t i = 0; i < n; i++) {
		struct fake_octets line = { 0 };

		kube_write_event(watch->scope.kind, KUBE_ADDED, objects[i]->text, &line);
		send_line(watch->x, &line);
	}
	kube_release(objects, n);
}

/* True: the namespace in scope has been taken over. */
static bool start_watch(struct fake_kubernetes *f, struct fake_request *x, const struct kube_scope *scope)
{
	uint64_t version, timeout_s;

	f->counts.watches[scope->kind]++;
	if (!read_number(x, "resourceVersion", &version) || !read_number(x, "timeoutSeconds", &timeout_s)) {
		answer_bad_request(x, "resourceVersion or timeoutSeconds is no number");
		return false;
	}
	if (fake_request_param(x, "sendInitialEvents") != NULL) {
		answer_status(
			x, 422, "Invalid",
			"ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is "
			"forbidden for watch unless the WatchList feature gate is enabled",
			"");
		return false;
	}
	if (version > 0 && version < f->state.history_from) {
		answer_gone(f, x, version);
		return false;
	}
	if (version > 0) /* one of the future is silent until we get there */
		kube_send_history(f, open_watch(f, x, scope, version, timeout_s));
	else
		send_everything(f, open_watch(f, x, scope, f->state.version, timeout_s));
	return true;
}

/* --- requests --- */

static void on_request(void *context, struct fake_request *x)
{
	struct fake_kubernetes *f = context;
	struct kube_scope scope;
	char *ns;

	if (f->mode == FAKE_KUBERNETES_HANG)
		return;
	if (!read_scope(x, &scope, &ns)) {
		f->counts.other++;
		answer_status(x, 404, "NotFound", "the server could not find the requested resource", "");
		return;
	}
	if (strcmp(x->method, "GET") != 0)
		answer_status(x, 405, "MethodNotAllowed",
			      "the server does not allow this method on the resource", "");
	else if (refuse(f, x, &scope))
		f->counts.other++;
	else if (!kube_selector_is_known(scope.selector) || fake_request_param(x, "fieldSelector") != NULL)
		answer_bad_request(x, "this fake does not know such selectors");
	else if (!is_true(fake_request_param(x, "watch")))
		start_list(f, x, &scope);
	else if (start_watch(f, x, &scope))
		return;
	free(ns);
}

static void on_gone(void *context, struct fake_request *x)
{
	if (x->kept != NULL)
		forget_watch(context, x->kept);
}

static void on_expired(void *context, struct fake_request *x)
{
	struct fake_kubernetes *f = context;

	if (x->kept != NULL && f->mode == FAKE_KUBERNETES_HANG)
		fake_request_deadline(x, LATE_MS);
	else if (x->kept != NULL)
		kube_end_watch(f, x->kept);
}

/* --- life --- */

struct fake_kubernetes *fake_kubernetes_start(uint16_t port)
{
	static const struct fake_handler handler = {
		.request = on_request, .control = kube_control, .gone = on_gone, .expired = on_expired
	};
	struct fake_kubernetes *f = fake_new(sizeof(*f));

	kube_state_init(&f->state);
	LIST_INIT(&f->watches);
	fake_http_start(port, &handler, f, &f->http);
	return f;
}

void fake_kubernetes_stop(struct fake_kubernetes *f)
{
	if (f == NULL)
		return;
	fake_http_stop(f->http);
	kube_state_finish(&f->state);
	free(f->token);
	free(f->forbidden_token);
	free(f);
}

struct fake_http *fake_kubernetes_http(struct fake_kubernetes *f)
{
	return f->http;
}

struct fake_kubernetes_counts fake_kubernetes_counts(struct fake_kubernetes *f)
{
	fake_http_lock(f->http);
	const struct fake_kubernetes_counts counts = f->counts;
	fake_http_unlock(f->http);
	return counts;
}

uint64_t fake_kubernetes_version(struct fake_kubernetes *f)
{
	fake_http_lock(f->http);
	const uint64_t version = f->state.version;
	fake_http_unlock(f->http);
	return version;
}
