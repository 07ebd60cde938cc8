/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_kubernetes_state.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_VERSION = 1000, MAX_EVENTS = 10000 };

const struct kube_names *kube_names(enum fake_kubernetes_kind kind)
{
	static const struct kube_names names[FAKE_KINDS] = {
		[FAKE_SLICES] = { "endpointslices", "EndpointSlice", "discovery.k8s.io/v1",
				  "discovery.k8s.io", "/apis/discovery.k8s.io/v1/" },
		[FAKE_SERVICES] = { "services", "Service", "v1", "", "/api/v1/" },
	};

	return &names[kind];
}

/* --- objects --- */

static void drop(struct kube_object *object)
{
	if (object == NULL || --object->refs > 0)
		return;
	json_decref(object->labels);
	free(object->key);
	free(object->text);
	free(object);
}

static struct kube_object *keep(struct kube_object *object)
{
	object->refs++;
	return object;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct kube_object *)a)->key, ((const struct kube_object *)b)->key);
}

json_t *kube_read_object(const char *text)
{
	json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);

	if (!json_is_object(json)) {
		json_decref(json);
		return NULL;
	}
	if (!json_is_object(json_object_get(json, "metadata")))
		json_object_set_new(json, "metadata", json_object());
	return json;
}

static void set_version(json_t *json, uint64_t version)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)version);
	json_object_set_new(json_object_get(json, "metadata"), "resourceVersion", json_string(text));
}

/* The uid lasts from the creation of an object to its end. */
static void set_metadata(json_t *json, const char *ns, const char *name, uint64_t version, uint64_t created)
{
	json_t *metadata = json_object_get(json, "metadata");
	char uid[64];

	json_object_set_new(metadata, "name", json_string(name));
	json_object_set_new(metadata, "namespace", json_string(ns));
	snprintf(uid, sizeof(uid), "5f000000-0000-4000-8000-%012llu", (unsigned long long)created);
	if (json_object_get(metadata, "uid") == NULL)
		json_object_set_new(metadata, "uid", json_string(uid));
	if (json_object_get(metadata, "creationTimestamp") == NULL)
		json_object_set_new(metadata, "creationTimestamp", json_string("2026-01-01T00:00:00Z"));
	set_version(json, version);
	json_object_del(json, "kind");
	json_object_del(json, "apiVersion");
}

/* Takes over json. */
static struct kube_object *make_object(const char *key, uint64_t version, uint64_t created, json_t *json)
{
	struct kube_object *object = fake_new(sizeof(*object));

	object->refs = 1;
	object->version = version;
	object->created = created;
	object->key = fake_copy(key);
	object->labels = json_incref(json_object_get(json_object_get(json, "metadata"), "labels"));
	object->text = json_dumps(json, JSON_COMPACT);
	fake_must(object->text != NULL, "out of memory");
	json_decref(json);
	return object;
}

/* The same state under another version. */
static struct kube_object *make_again(const struct kube_object *object, uint64_t version)
{
	json_t *json = json_loads(object->text, JSON_ALLOW_NUL, NULL);

	set_version(json, version);
	return make_object(object->key, version, object->created, json);
}

/* --- history --- */

const struct kube_event *kube_state_event(const struct kube_state *s, size_t i)
{
	return &s->events[(s->first_event + i) % s->max_events];
}

static void forget_oldest(struct kube_state *s)
{
	struct kube_event *event = &s->events[s->first_event];

	s->history_from = event->object->version;
	drop(event->object);
	drop(event->before);
	s->first_event = (s->first_event + 1) % s->max_events;
	s->n_events--;
}

/* Takes over both objects. */
static const struct kube_event *remember(struct kube_state *s, const struct kube_event *event)
{
	if (s->n_events == s->max_events)
		forget_oldest(s);
	struct kube_event *place = &s->events[(s->first_event + s->n_events++) % s->max_events];
	*place = *event;
	return place;
}

static void forget_pages(struct kube_state *s, size_t i)
{
	kube_release(s->pages[i].objects, s->pages[i].n);
	free(s->pages[i].scope);
	s->pages[i] = s->pages[--s->n_pages];
}

void kube_state_compact(struct kube_state *s)
{
	while (s->n_events > 0)
		forget_oldest(s);
	while (s->n_pages > 0)
		forget_pages(s, 0);
	s->history_from = s->version;
}

void kube_state_keep(struct kube_state *s, size_t max_events)
{
	kube_state_compact(s);
	free(s->events);
	s->max_events = max_events > 0 ? max_events : 1;
	s->events = fake_new(s->max_events * sizeof(*s->events));
	s->first_event = 0;
}

void kube_state_init(struct kube_state *s)
{
	*s = (struct kube_state){ .version = FIRST_VERSION };
	kube_state_keep(s, MAX_EVENTS);
}

static void drop_object(void *object)
{
	drop(object);
}

void kube_state_finish(struct kube_state *s)
{
	kube_state_compact(s);
	free(s->events);
	for (unsigned i = 0; i < FAKE_KINDS; i++)
		tdestroy(s->objects[i], drop_object);
}

static char *make_key(const char *ns, const char *name)
{
	struct fake_octets key = { 0 };

	fake_octets_format(&key, "%s/%s", ns, name);
	return key.at;
}

const struct kube_event *kube_state_put(struct kube_state *s, enum fake_kubernetes_kind kind, const char *ns,
					const char *name, json_t *json)
{
	const struct kube_object key = { .key = make_key(ns, name) };
	struct kube_object **place = tfind(&key, &s->objects[kind], by_key);
	struct kube_object *before = place != NULL ? *place : NULL;
	const uint64_t created = before != NULL ? before->created : s->version + 1;

	set_metadata(json, ns, name, ++s->version, created);
	struct kube_object *object = make_object(key.key, s->version, created, json);
	free(key.key);
	if (place == NULL)
		place = tsearch(object, &s->objects[kind], by_key);
	fake_must(place != NULL, "out of memory");
	*place = keep(object);
	return remember(
		s, &(struct kube_event){ kind, before != NULL ? KUBE_MODIFIED : KUBE_ADDED, object, before });
}

const struct kube_event *kube_state_delete(struct kube_state *s, enum fake_kubernetes_kind kind,
					   const char *ns, const char *name)
{
	const struct kube_object key = { .key = make_key(ns, name) };
	struct kube_object **place = tfind(&key, &s->objects[kind], by_key);
	struct kube_object *before = place != NULL ? *place : NULL;

	if (before != NULL)
		tdelete(&key, &s->objects[kind], by_key);
	free(key.key);
	if (before == NULL)
		return NULL;
	struct kube_object *object = make_again(before, ++s->version);
	return remember(s, &(struct kube_event){ kind, KUBE_DELETED, object, before });
}

/* --- scopes --- */

static bool has_label(const json_t *labels, const char *name, const char *value)
{
	const char *is = json_string_value(json_object_get(labels, name));

	return is != NULL && (value == NULL || strcmp(is, value) == 0);
}

/* One requirement: "a=b", "a==b", "a!=b", "a", "!a". */
static bool term_matches(const json_t *labels, char *term)
{
	char *value = strchr(term, '=');
	const bool unequal = value != NULL && value > term && value[-1] == '!';

	if (value == NULL)
		return term[0] == '!' ? !has_label(labels, term + 1, NULL) : has_label(labels, term, NULL);
	value[unequal ? -1 : 0] = '\0';
	value += value[1] == '=' ? 2 : 1;
	return has_label(labels, term, value) != unequal;
}

bool kube_selector_is_known(const char *selector)
{
	return selector == NULL || strpbrk(selector, "() ") == NULL;
}

bool kube_matches(const struct kube_object *object, const struct kube_scope *scope)
{
	const size_t ns_len = scope->ns != NULL ? strlen(scope->ns) : 0;
	bool matches = true;

	if (scope->ns != NULL && (strncmp(object->key, scope->ns, ns_len) != 0 || object->key[ns_len] != '/'))
		return false;
	if (scope->selector == NULL)
		return true;
	char *copy = fake_copy(scope->selector), *rest = copy;
	for (char *t = strtok_r(copy, ",", &rest); t != NULL && matches; t = strtok_r(NULL, ",", &rest))
		matches = term_matches(object->labels, t);
	free(copy);
	return matches;
}

struct collection {
	const struct kube_scope *scope;
	struct kube_object **objects;
	size_t n, size;
};

static void collect_one(const void *node, VISIT which, void *context)
{
	struct collection *c = context;
	struct kube_object *object = *(struct kube_object *const *)node;

	if ((which != postorder && which != leaf) || !kube_matches(object, c->scope))
		return;
	if (c->n == c->size) {
		c->size = c->size * 2 + 16;
		c->objects = realloc(c->objects, c->size * sizeof(struct kube_object *));
		fake_must(c->objects != NULL, "out of memory");
	}
	c->objects[c->n++] = keep(object);
}

struct kube_object **kube_state_collect(struct kube_state *s, const struct kube_scope *scope, size_t *ret_n)
{
	struct collection c = { .scope = scope };

	twalk_r(s->objects[scope->kind], collect_one, &c);
	*ret_n = c.n;
	return c.objects;
}

void kube_release(struct kube_object **objects, size_t n)
{
	for (size_t i = 0; i < n; i++)
		drop(objects[i]);
	free(objects);
}

static char *write_scope(const struct kube_scope *scope)
{
	struct fake_octets o = { 0 };

	fake_octets_format(&o, "%d %s %s", scope->kind, scope->ns != NULL ? scope->ns : "",
			   scope->selector != NULL ? scope->selector : "");
	return o.at;
}

const struct kube_pages *kube_state_find_pages(const struct kube_state *s, const struct kube_scope *scope,
					       uint64_t version)
{
	const struct kube_pages *found = NULL;
	char *text = write_scope(scope);

	for (size_t i = 0; i < s->n_pages && found == NULL; i++) {
		if (s->pages[i].version == version && strcmp(s->pages[i].scope, text) == 0)
			found = &s->pages[i];
	}
	free(text);
	return found;
}

void kube_state_keep_pages(struct kube_state *s, const struct kube_scope *scope, struct kube_object **objects,
			   size_t n)
{
	if (kube_state_find_pages(s, scope, s->version) != NULL)
		return;
	if (s->n_pages == KUBE_PAGES_MAX)
		forget_pages(s, 0);
	struct kube_pages *pages = &s->pages[s->n_pages++];
	*pages = (struct kube_pages){ .version = s->version, .scope = write_scope(scope), .n = n };
	pages->objects = fake_new(n * sizeof(struct kube_object *));
	for (size_t i = 0; i < n; i++)
		pages->objects[i] = keep(objects[i]);
}

/* --- lines --- */

void kube_write_event(enum fake_kubernetes_kind kind, enum kube_type type, const char *object_text,
		      struct fake_octets *ret)
{
	static const char *const types[] = { "ADDED", "MODIFIED", "DELETED" };
	const struct kube_names *names = kube_names(kind);

	fake_octets_format(ret, "{\"type\":\"%s\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",",
			   types[type], names->singular, names->api_version);
	fake_octets_text(ret, object_text + 1);
	fake_octets_text(ret, "}\n");
}

void kube_write_change(const struct kube_event *event, const struct kube_scope *scope,
		       struct fake_octets *ret)
{
	const bool now = event->type != KUBE_DELETED && kube_matches(event->object, scope);
	const bool before = event->before != NULL && kube_matches(event->before, scope);

	if (event->kind != scope->kind || (!now && !before))
		return;
	if (now) {
		kube_write_event(event->kind, before ? KUBE_MODIFIED : KUBE_ADDED, event->object->text, ret);
		return;
	}
	/* as the client knew it, under the version that took it away */
	struct kube_object *last = make_again(event->before, event->object->version);
	kube_write_event(event->kind, KUBE_DELETED, last->text, ret);
	drop(last);
}
