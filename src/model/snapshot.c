/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct snapshot *snapshot_keep(struct snapshot *s)
{
	s->users++;
	return s;
}

void snapshot_release(struct snapshot *s)
{
	if (s == NULL || --s->users > 0)
		return;
	for (size_t i = 0; i < s->n_services; i++)
		service_release(s->services[i]);
	findings_release(s->findings);
	free(s);
}

/* The position of that service, or of the one it would stand before. */
static size_t find_position(const struct snapshot *s, const char *name, bool *found)
{
	size_t low = 0, high = s->n_services;

	*found = false;
	while (low < high && !*found) {
		const size_t middle = low + (high - low) / 2;
		const int r = strcmp(name, s->services[middle]->name);

		*found = r == 0;
		if (r <= 0)
			high = middle;
		else
			low = middle + 1;
	}
	return *found ? high : low;
}

/* Most who look for many go through them in their order: the next is behind the last. */
const struct service *snapshot_find(const struct snapshot *s, const char *name)
{
	bool found;

	for (size_t i = s->found; i < s->n_services && i < s->found + 2; i++) {
		if (strcmp(s->services[i]->name, name) == 0) {
			((struct snapshot *)s)->found = i;
			return s->services[i];
		}
	}
	const size_t at = find_position(s, name, &found);

	if (!found)
		return NULL;
	((struct snapshot *)s)->found = at;
	return s->services[at];
}

size_t snapshot_dropped(const struct snapshot *s, enum drop reason)
{
	return findings_dropped(s->findings, reason);
}

size_t snapshot_n_remarks(const struct snapshot *s)
{
	return findings_n_remarks(s->findings);
}

const char *snapshot_remark(const struct snapshot *s, size_t i)
{
	return findings_remark(s->findings, i);
}

bool snapshot_is_same(const struct snapshot *a, const struct snapshot *b)
{
	return a->n_services == b->n_services &&
	       (a->n_services == 0 ||
		memcmp(a->services, b->services, a->n_services * sizeof(const struct service *)) == 0);
}

void snapshot_compare(const struct snapshot *before, const struct snapshot *after,
		      void (*changed)(void *context, const char *name), void *context)
{
	const size_t n_before = before != NULL ? before->n_services : 0;
	const size_t n_after = after != NULL ? after->n_services : 0;

	for (size_t i = 0, k = 0; i < n_before || k < n_after;) {
		const struct service *x = i < n_before ? before->services[i] : NULL;
		const struct service *y = k < n_after ? after->services[k] : NULL;
		/* Most are shared: then neither needs to be looked at. */
		const int order = x == y ? 0 : x == NULL ? 1 : y == NULL ? -1 : strcmp(x->name, y->name);

		if (order != 0 || !service_equal(x, y))
			changed(context, order <= 0 ? x->name : y->name);
		i += order <= 0;
		k += order >= 0;
	}
}

static void add_services(struct snapshot *s, const struct service *const services[], size_t n)
{
	memcpy(s->services + s->n_services, services, n * sizeof(services[0]));
	s->n_services += n;
}

/* Copies what lies between the changes in runs, and looks only at what is changed. */
static void merge_changes(struct snapshot *s, const struct snapshot *from,
			  const struct snapshot_change changes[], size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		bool found;
		const size_t next = find_position(from, changes[i].name, &found);

		add_services(s, from->services + at, next - at);
		if (changes[i].service != NULL)
			add_services(s, &changes[i].service, 1);
		at = next + found;
	}
	add_services(s, from->services + at, from->n_services - at);
	for (size_t i = 0; i < s->n_services; i++)
		s->n_instances += service_keep(s->services[i])->n_instances;
}

int snapshot_derive(const struct snapshot *from, const struct snapshot_change changes[], size_t n,
		    const struct findings *findings, struct snapshot **ret)
{
	static const struct snapshot nothing;
	const size_t n_max = n + (from != NULL ? from->n_services : 0);
	struct snapshot *s = calloc(1, sizeof(*s) + n_max * sizeof(s->services[0]));

	if (s == NULL)
		return -ENOMEM;
	s->users = 1;
	s->findings = findings_keep(findings);
	merge_changes(s, from != NULL ? from : &nothing, changes, n);
	*ret = s;
	return 0;
}
