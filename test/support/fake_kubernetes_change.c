/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "fake_kubernetes.h"
#include "fake_kubernetes_private.h"

/* --- with the lock held --- */

/* Sends a line, or half of it and no more ever. */
static void send_line(struct fake_kubernetes *f, struct kube_watch *watch, const struct fake_octets *line)
{
	fake_request_write(watch->x, line->at, f->cut_next ? line->len / 2 : line->len);
	if (f->cut_next)
		fake_request_cut(watch->x); /* and gone() forgets the watch */
}

static struct fake_change tell(struct fake_kubernetes *f, const struct kube_event *event)
{
	struct fake_change change = { .committed_ns = fake_now_ns(), .position = f->state.version };

	for (struct kube_watch *w = LIST_FIRST(&f->watches), *next; event != NULL && w != NULL; w = next) {
		struct fake_octets line = { 0 };

		next = LIST_NEXT(w, link);
		if (event->object->version > w->above && f->mode != FAKE_KUBERNETES_HANG) {
			kube_write_change(event, &w->scope, &line);
			w->above = event->object->version;
		}
		if (line.len > 0) {
			send_line(f, w, &line);
			change.woken++;
		}
		fake_octets_finish(&line);
	}
	if (change.woken > 0)
		f->cut_next = false;
	change.written_ns = fake_now_ns();
	return change;
}

/* Takes over json. */
static struct fake_change put(struct fake_kubernetes *f, enum fake_kubernetes_kind kind, const char *ns,
			      const char *name, json_t *json)
{
	return tell(f, kube_state_put(&f->state, kind, ns, name, json));
}

static struct fake_change erase(struct fake_kubernetes *f, enum fake_kubernetes_kind kind, const char *ns,
				const char *name)
{
	return tell(f, kube_state_delete(&f->state, kind, ns, name));
}

/* False if the text is no list. */
static bool load(struct fake_kubernetes *f, enum fake_kubernetes_kind kind, const char *text,
		 struct fake_change *ret)
{
	json_t *list = json_loads(text, JSON_ALLOW_NUL, NULL);
	json_t *items = json_object_get(list, "items");
	const bool is_list = json_is_array(items);
	size_t i;
	json_t *item;

	*ret = (struct fake_change){ 0 };
	json_array_foreach(items, i, item)
	{
		const json_t *metadata = json_object_get(item, "metadata");
		const char *ns = json_string_value(json_object_get(metadata, "namespace"));
		const char *name = json_string_value(json_object_get(metadata, "name"));

		/* a copy, because put() writes into what it takes over, and these names are in there */
		if (name != NULL)
			*ret = put(f, kind, ns != NULL ? ns : "default", name, json_deep_copy(item));
	}
	json_decref(list);
	return is_list;
}

static void write_bookmark(const struct fake_kubernetes *f, enum fake_kubernetes_kind kind,
			   struct fake_octets *ret)
{
	const struct kube_names *names = kube_names(kind);
	const char *rest = kind == FAKE_SLICES ? ",\"addressType\":\"\",\"endpoints\":null,\"ports\":null"
					       : ",\"spec\":{},\"status\":{\"loadBalancer\":{}}";

	fake_octets_format(
		ret,
		"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":"
		"{\"resourceVersion\":\"%llu\",\"creationTimestamp\":null}%s}}\n",
		names->singular, names->api_version, (unsigned long long)f->state.version, rest);
}

static struct fake_change bookmark(struct fake_kubernetes *f)
{
	const uint64_t version = ++f->state.version;
	struct fake_change change = { .committed_ns = fake_now_ns(), .position = version };

	for (struct kube_watch *w = LIST_FIRST(&f->watches), *next; w != NULL; w = next) {
		struct fake_octets line = { 0 };

		next = LIST_NEXT(w, link);
		if (!w->bookmarks || w->above > version || f->mode == FAKE_KUBERNETES_HANG)
			continue;
		write_bookmark(f, w->scope.kind, &line);
		send_line(f, w, &line);
		change.woken++;
		fake_octets_finish(&line);
	}
	if (change.woken > 0)
		f->cut_next = false;
	change.written_ns = fake_now_ns();
	return change;
}

/* Whoever was silent says first what happened meanwhile; if that is forgotten, the connection ends. */
static void set_mode(struct fake_kubernetes *f, enum fake_kubernetes_mode mode)
{
	const bool was_silent = f->mode == FAKE_KUBERNETES_HANG;

	f->mode = mode;
	if (!was_silent || mode == FAKE_KUBERNETES_HANG)
		return;
	for (struct kube_watch *w = LIST_FIRST(&f->watches), *next; w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (w->above < f->state.history_from)
			fake_request_cut(w->x);
		else
			kube_send_history(f, w);
	}
}

static void end_streams(struct fake_kubernetes *f)
{
	while (!LIST_EMPTY(&f->watches))
		kube_end_watch(f, LIST_FIRST(&f->watches));
}

static void send_error(struct fake_kubernetes *f, int code)
{
	static const struct {
		int code;
		const char *reason, *message, *details;
	} errors[] = {
		{ 410, "Expired", "too old resource version", "" },
		{ 429, "TooManyRequests", "storage is (re)initializing",
		  "\"details\":{\"retryAfterSeconds\":1}," },
		{ 500, "InternalError", "an error on the server has prevented the request from succeeding",
		  "\"details\":{\"retryAfterSeconds\":1}," },
		{ 504, "Timeout", "Timeout: request did not complete within the allotted timeout",
		  "\"details\":{\"retryAfterSeconds\":1}," },
		{ 0, "", "an error without a name", "" },
	};
	struct fake_octets line = { 0 };
	size_t i = 0;

	while (errors[i].code != 0 && errors[i].code != code)
		i++;
	fake_octets_text(&line, "{\"type\":\"ERROR\",\"object\":");
	kube_write_status(code, errors[i].reason, errors[i].message, errors[i].details, &line);
	fake_octets_text(&line, "}\n");
	for (struct kube_watch *w = LIST_FIRST(&f->watches); w != NULL; w = LIST_NEXT(w, link))
		fake_request_write(w->x, line.at, line.len);
	fake_octets_finish(&line);
	end_streams(f);
}

static void restart(struct fake_kubernetes *f)
{
	fake_http_cut_locked(f->http);
	kube_state_compact(&f->state);
}

static void replace_text(char **place, const char *text)
{
	free(*place);
	*place = text != NULL && text[0] != '\0' ? fake_copy(text) : NULL;
}

/* --- what tests call --- */

struct fake_change fake_kubernetes_put(struct fake_kubernetes *f, enum fake_kubernetes_kind kind,
				       const char *ns, const char *name, const char *json)
{
	json_t *object = kube_read_object(json);

	fake_must(object != NULL, "an object is no JSON object");
	fake_http_lock(f->http);
	const struct fake_change change = put(f, kind, ns, name, object);
	fake_http_unlock(f->http);
	return change;
}

struct fake_change fake_kubernetes_delete(struct fake_kubernetes *f, enum fake_kubernetes_kind kind,
					  const char *ns, const char *name)
{
	fake_http_lock(f->http);
	const struct fake_change change = erase(f, kind, ns, name);
	fake_http_unlock(f->http);
	return change;
}

struct fake_change fake_kubernetes_load(struct fake_kubernetes *f, enum fake_kubernetes_kind kind,
					const char *list_json)
{
	struct fake_change change;

	fake_http_lock(f->http);
	fake_must(load(f, kind, list_json, &change), "a list has no items");
	fake_http_unlock(f->http);
	return change;
}

struct fake_change fake_kubernetes_bookmark(struct fake_kubernetes *f)
{
	fake_http_lock(f->http);
	const struct fake_change change = bookmark(f);
	fake_http_unlock(f->http);
	return change;
}

void fake_kubernetes_compact(struct fake_kubernetes *f)
{
	fake_http_lock(f->http);
	kube_state_compact(&f->state);
	fake_http_unlock(f->http);
}

void fake_kubernetes_keep(struct fake_kubernetes *f, unsigned events)
{
	fake_http_lock(f->http);
	kube_state_keep(&f->state, events);
	fake_http_unlock(f->http);
}

void fake_kubernetes_end_streams(struct fake_kubernetes *f)
{
	fake_http_lock(f->http);
	end_streams(f);
	fake_http_unlock(f->http);
}

void fake_kubernetes_cut_streams(struct fake_kubernetes *f)
{
	fake_http_lock(f->http);
	f->cut_next = true;
	fake_http_unlock(f->http);
}

void fake_kubernetes_send_error(struct fake_kubernetes *f, int code)
{
	fake_http_lock(f->http);
	send_error(f, code);
	fake_http_unlock(f->http);
}

void fake_kubernetes_write(struct fake_kubernetes *f, enum fake_kubernetes_kind kind, const char *text)
{
	fake_http_lock(f->http);
	for (struct kube_watch *w = LIST_FIRST(&f->watches); w != NULL; w = LIST_NEXT(w, link)) {
		if (w->scope.kind == kind)
			fake_request_write(w->x, text, strlen(text));
	}
	fake_http_unlock(f->http);
}

void fake_kubernetes_restart(struct fake_kubernetes *f)
{
	fake_http_lock(f->http);
	restart(f);
	fake_http_unlock(f->http);
}

void fake_kubernetes_set_mode(struct fake_kubernetes *f, enum fake_kubernetes_mode mode)
{
	fake_http_lock(f->http);
	set_mode(f, mode);
	fake_http_unlock(f->http);
}

void fake_kubernetes_gone_as_event(struct fake_kubernetes *f, bool yes)
{
	fake_http_lock(f->http);
	f->gone_as_event = yes;
	fake_http_unlock(f->http);
}

void fake_kubernetes_refuse_pages(struct fake_kubernetes *f, bool yes)
{
	fake_http_lock(f->http);
	f->refuse_pages = yes;
	fake_http_unlock(f->http);
}

void fake_kubernetes_forbid_kind(struct fake_kubernetes *f, enum fake_kubernetes_kind kind, bool yes)
{
	fake_http_lock(f->http);
	f->forbidden_kinds[kind] = yes;
	fake_http_unlock(f->http);
}

void fake_kubernetes_set_token(struct fake_kubernetes *f, const char *token)
{
	fake_http_lock(f->http);
	replace_text(&f->token, token);
	fake_http_unlock(f->http);
}

void fake_kubernetes_forbid(struct fake_kubernetes *f, const char *token)
{
	fake_http_lock(f->http);
	replace_text(&f->forbidden_token, token);
	fake_http_unlock(f->http);
}

/* --- the same over HTTP --- */

static bool read_kind(const char *plural, size_t len, enum fake_kubernetes_kind *ret)
{
	for (unsigned i = 0; i < FAKE_KINDS; i++) {
		const char *name = kube_names((enum fake_kubernetes_kind)i)->plural;

		if (strlen(name) != len || strncmp(plural, name, len) != 0)
			continue;
		*ret = (enum fake_kubernetes_kind)i;
		return true;
	}
	return false;
}

/* where: "KIND/NS/NAME" */
static void control_object(struct fake_kubernetes *f, struct fake_request *x, const char *where)
{
	char *copy = fake_copy(where);
	char *ns = strchr(copy, '/');
	char *name = ns != NULL ? strchr(ns + 1, '/') : NULL;
	const bool deleted = strcmp(x->method, "DELETE") == 0;
	json_t *json = deleted ? NULL : kube_read_object(x->body);
	enum fake_kubernetes_kind kind;

	if (name == NULL || !read_kind(copy, (size_t)(ns - copy), &kind) || (!deleted && json == NULL)) {
		json_decref(json);
		fake_request_text(x, 400, "KIND/NS/NAME and a JSON object are wanted");
	} else {
		*ns++ = '\0';
		*name++ = '\0';
		const struct fake_change change =
			deleted ? erase(f, kind, ns, name) : put(f, kind, ns, name, json);
		fake_request_change(x, &change);
	}
	free(copy);
}

static void control_list(struct fake_kubernetes *f, struct fake_request *x, const char *plural)
{
	enum fake_kubernetes_kind kind;
	struct fake_change change;

	if (read_kind(plural, strlen(plural), &kind) && load(f, kind, x->body, &change))
		fake_request_change(x, &change);
	else
		fake_request_text(x, 400, "KIND and a list with items are wanted");
}

static bool control_mode(struct fake_kubernetes *f, const char *name)
{
	static const char *const names[] = { [FAKE_KUBERNETES_NORMAL] = "normal",
					     [FAKE_KUBERNETES_TOO_MANY] = "too-many",
					     [FAKE_KUBERNETES_FAILING] = "failing",
					     [FAKE_KUBERNETES_HANG] = "hang" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		set_mode(f, (enum fake_kubernetes_mode)i);
		return true;
	}
	return false;
}

/* Controls that are one word. */
static bool control_word(struct fake_kubernetes *f, const char *word)
{
	if (strcmp(word, "compact") == 0)
		kube_state_compact(&f->state);
	else if (strcmp(word, "end-streams") == 0)
		end_streams(f);
	else if (strcmp(word, "cut-streams") == 0)
		f->cut_next = true;
	else if (strcmp(word, "restart") == 0)
		restart(f);
	else if (strcmp(word, "gone/event") == 0 || strcmp(word, "gone/status") == 0)
		f->gone_as_event = word[5] == 'e';
	else if (strcmp(word, "pages/refuse") == 0 || strcmp(word, "pages/keep") == 0)
		f->refuse_pages = word[6] == 'r';
	else
		return false;
	return true;
}

/* Controls with a value. */
static bool control_value(struct fake_kubernetes *f, const struct fake_request *x)
{
	const char *value;

	if (fake_request_below(x, "/_control/mode/", &value))
		return control_mode(f, value);
	if (fake_request_below(x, "/_control/error/", &value))
		send_error(f, atoi(value));
	else if (fake_request_below(x, "/_control/history/", &value))
		kube_state_keep(&f->state, strtoul(value, NULL, 10));
	else if (fake_request_below(x, "/_control/token/", &value))
		replace_text(&f->token, value);
	else if (fake_request_below(x, "/_control/forbid/", &value))
		replace_text(&f->forbidden_token, value);
	else
		return false;
	return true;
}

void kube_control(void *context, struct fake_request *x)
{
	struct fake_kubernetes *f = context;
	const char *rest;

	if (strcmp(x->method, "PUT") != 0 && strcmp(x->method, "DELETE") != 0) {
		fake_request_text(x, 405, "PUT or DELETE");
	} else if (fake_request_below(x, "/_control/object/", &rest)) {
		control_object(f, x, rest);
	} else if (fake_request_below(x, "/_control/list/", &rest)) {
		control_list(f, x, rest);
	} else if (strcmp(x->path, "/_control/bookmark") == 0) {
		const struct fake_change change = bookmark(f);

		fake_request_change(x, &change);
	} else if (control_word(f, x->path + strlen("/_control/")) || control_value(f, x)) {
		fake_request_json(x, 200, "{}\n");
	} else {
		fake_request_text(x, 404, "no such control");
	}
}
