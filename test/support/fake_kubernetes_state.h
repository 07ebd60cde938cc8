/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_kubernetes_state.h -- what fake_kubernetes.c keeps: objects, history, pages of lists under
 * way. */
#ifndef PHONEBOOK_TEST_FAKE_KUBERNETES_STATE_H
#define PHONEBOOK_TEST_FAKE_KUBERNETES_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_kubernetes.h"
#include "fake_octets.h"

enum { KUBE_PAGES_MAX = 16 };

/* One state of one object: never changed, shared by tree, history and pages. */
struct kube_object {
	unsigned refs;
	uint64_t version, created;
	char *key; /* "NS/NAME" */
	json_t *labels;
	char *text; /* as lists have it */
};

enum kube_type { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED };

struct kube_event {
	enum fake_kubernetes_kind kind;
	enum kube_type type;
	struct kube_object *object, *before; /* before: NULL if ADDED */
};

/* What a list or a watch is of. */
struct kube_scope {
	enum fake_kubernetes_kind kind;
	const char *ns;       /* NULL: all of them */
	const char *selector; /* NULL: none */
};

struct kube_pages {
	uint64_t version;
	char *scope;
	struct kube_object **objects;
	size_t n;
};

struct kube_state {
	uint64_t version;
	void *objects[FAKE_KINDS]; /* trees by key */
	struct kube_event *events; /* a ring */
	size_t n_events, first_event, max_events;
	uint64_t history_from; /* later events are all in the ring */
	struct kube_pages pages[KUBE_PAGES_MAX];
	size_t n_pages;
};

void kube_state_init(struct kube_state *s);
void kube_state_finish(struct kube_state *s);

/* NULL if the text is no JSON object, or has no place to write the metadata to. */
json_t *kube_read_object(const char *text);

/* One change: takes over json. The event belongs to the history. */
const struct kube_event *kube_state_put(struct kube_state *s, enum fake_kubernetes_kind kind, const char *ns,
					const char *name, json_t *json);

/* NULL if there is no such object. */
const struct kube_event *kube_state_delete(struct kube_state *s, enum fake_kubernetes_kind kind,
					   const char *ns, const char *name);

/* The i-th event of the history, 0 is the oldest. */
const struct kube_event *kube_state_event(const struct kube_state *s, size_t i);

void kube_state_compact(struct kube_state *s);
void kube_state_keep(struct kube_state *s, size_t max_events);

/* False if a selector is one we do not understand. */
bool kube_selector_is_known(const char *selector);
bool kube_matches(const struct kube_object *object, const struct kube_scope *scope);

/* The objects of a scope, in order of their keys; to be released. */
struct kube_object **kube_state_collect(struct kube_state *s, const struct kube_scope *scope, size_t *ret_n);
void kube_release(struct kube_object **objects, size_t n);

/* Remembers objects for later pages; finds them again, NULL if they are forgotten. */
void kube_state_keep_pages(struct kube_state *s, const struct kube_scope *scope, struct kube_object **objects,
			   size_t n);
const struct kube_pages *kube_state_find_pages(const struct kube_state *s, const struct kube_scope *scope,
					       uint64_t version);

/* "endpointslices", "EndpointSlice", "discovery.k8s.io/v1", "discovery.k8s.io" */
struct kube_names {
	const char *plural, *singular, *api_version, *group, *path;
};

const struct kube_names *kube_names(enum fake_kubernetes_kind kind);

/* A line of a watch. */
void kube_write_event(enum fake_kubernetes_kind kind, enum kube_type type, const char *object_text,
		      struct fake_octets *ret);

/* The line that tells the event to who watches scope; nothing if it does not concern him. */
void kube_write_change(const struct kube_event *event, const struct kube_scope *scope,
		       struct fake_octets *ret);

#endif
