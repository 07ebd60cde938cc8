/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/united.h"

/* The services touched, sorted by name, and what becomes of them. */
struct sealing {
	struct arena arena;
	struct united_service **touched;
	const struct service **services; /* of those somebody speaks of: users of each, in the same order */
	size_t n_services;
	struct snapshot_change *changes;
	size_t n_changes;
	const struct findings *findings; /* a user */
};

static int compare_touched(const void *a, const void *b)
{
	const struct united_service *x = *(struct united_service *const *)a;
	const struct united_service *y = *(struct united_service *const *)b;

	return strcmp(x->name, y->name);
}

static int collect_touched(struct united *u, struct sealing *s)
{
	struct united_service *us;
	size_t n = 0;

	s->touched = arena_alloc(&s->arena, u->n_touched * sizeof(struct united_service *));
	s->services = arena_alloc(&s->arena, u->n_touched * sizeof(struct service *));
	s->changes = arena_alloc(&s->arena, u->n_touched * sizeof(*s->changes));
	if (s->touched == NULL || s->services == NULL || s->changes == NULL)
		return -ENOMEM;
	for (us = SLIST_FIRST(&u->touched); us != NULL; us = SLIST_NEXT(us, next_touched))
		s->touched[n++] = us;
	qsort(s->touched, n, sizeof(struct united_service *), compare_touched);
	return 0;
}

static const struct service *service_of(const struct contribution *c)
{
	return c->statement->snapshot->services[c - c->statement->contributions];
}

/* 0 for findings. */
static uint64_t digest_of(const struct contribution *c)
{
	return (size_t)(c - c->statement->contributions) < c->statement->snapshot->n_services
		       ? service_of(c)->digest
		       : 0;
}

/* By key: what is said first does not depend on what was heard first. Parts may have keys in common. */
static int compare_contributions(const void *a, const void *b)
{
	const struct contribution *x = *(const struct contribution *const *)a;
	const struct contribution *y = *(const struct contribution *const *)b;
	const int order = strcmp(x->statement->key, y->statement->key);

	return order != 0 ? order : (digest_of(x) > digest_of(y)) - (digest_of(x) < digest_of(y));
}

/* What is said about the service (or the findings), in a fixed order. */
static int list_contributions(struct sealing *s, const struct united_service *us,
			      const struct contribution ***ret, size_t *n)
{
	const struct contribution *c;
	size_t at = 0, count = 0;

	for (c = LIST_FIRST(&us->contributions); c != NULL; c = LIST_NEXT(c, others))
		count++;
	const struct contribution **list = arena_alloc(&s->arena, count * sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	for (c = LIST_FIRST(&us->contributions); c != NULL; c = LIST_NEXT(c, others))
		list[at++] = c;
	qsort(list, count, sizeof(*list), compare_contributions);
	*ret = list;
	*n = count;
	return 0;
}

static void set_left_out(struct united *u, struct united_service *us, size_t n)
{
	if (us->n_left_out != n)
		united_touch(u, u->findings);
	u->n_left_out = u->n_left_out - us->n_left_out + n;
	us->n_left_out = (unsigned)n;
}

static int gather(struct united *u, struct sealing *s, struct united_service *us)
{
	const struct contribution **list;
	struct group *g;
	size_t n, left_out = 0;
	int r = list_contributions(s, us, &list, &n);

	if (r == 0 && n > 0)
		r = groups_take(&u->groups, us->name, &g);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = groups_keep(&u->groups, g, service_of(list[i]));
		if (r == -EDQUOT) {
			left_out += service_of(list[i])->n_instances;
			r = 0;
		}
	}
	if (r == 0)
		set_left_out(u, us, left_out);
	return r;
}

static int make_services(struct united *u, struct sealing *s)
{
	const struct service **before = arena_alloc(&s->arena, u->n_touched * sizeof(*before));
	size_t n_before = 0;
	int r = before != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < u->n_touched; i++) {
		r = gather(u, s, s->touched[i]);
		if (s->touched[i]->sealed != NULL)
			before[n_before++] = s->touched[i]->sealed;
	}
	if (r == 0)
		r = groups_make_services(&u->groups, before, n_before, s->services);
	if (r == 0)
		s->n_services = u->groups.n;
	groups_empty(&u->groups);
	return r;
}

/* What the touched service is now: services come in the order of those touched. */
static const struct service *service_now(const struct united_service *us, const struct service *const **at)
{
	return LIST_EMPTY(&us->contributions) ? NULL : *(*at)++;
}

static void list_changes(struct united *u, struct sealing *s)
{
	const struct service *const *at = s->services;

	for (size_t i = 0; i < u->n_touched; i++) {
		const struct service *now = service_now(s->touched[i], &at);

		if (now != s->touched[i]->sealed)
			s->changes[s->n_changes++] = (struct snapshot_change){ s->touched[i]->name, now };
	}
}

static const struct findings *sealed_findings(const struct united *u)
{
	return u->sealed != NULL ? u->sealed->findings : NULL;
}

static int make_findings(struct united *u, struct sealing *s)
{
	struct findings_draft d = { 0 };
	const struct contribution **list;
	char remark[128];
	size_t n;

	if (!u->findings->touched) {
		s->findings = findings_keep(sealed_findings(u));
		return 0;
	}
	int r = list_contributions(s, u->findings, &list, &n);
	if (r < 0)
		return r;
	if (u->n_left_out > 0) {
		snprintf(remark, sizeof(remark), "%zu instances dropped (%s): of services with more than %d",
			 u->n_left_out, drop_to_text(DROP_LIMIT), SERVICE_INSTANCES_MAX);
		d.remarks[d.n_remarks++] = remark;
		d.dropped[DROP_LIMIT] = u->n_left_out;
	}
	for (size_t i = 0; i < n; i++)
		findings_gather(&d, list[i]->statement->snapshot->findings);
	return findings_make(&d, sealed_findings(u), &s->findings);
}

/* What was sealed before if nothing differs from it. */
static int derive(struct united *u, const struct sealing *s)
{
	struct snapshot *derived;

	if (u->sealed != NULL && s->n_changes == 0 && s->findings == u->sealed->findings)
		return 0;
	int r = snapshot_derive(u->sealed, s->changes, s->n_changes, s->findings, &derived);
	if (r < 0)
		return r;
	snapshot_release(u->sealed);
	u->sealed = derived;
	return 0;
}

/* Nothing is touched any more; what is gone for certain is forgotten. */
static void conclude(struct united *u, const struct sealing *s)
{
	const struct service *const *at = s->services;
	const size_t n = u->n_touched;

	SLIST_INIT(&u->touched);
	u->n_touched = 0;
	u->findings->touched = false;
	for (size_t i = 0; i < n; i++) {
		struct united_service *us = s->touched[i];

		us->sealed = service_now(us, &at);
		us->touched = false;
		united_forget_if_idle(u, us);
	}
}

int united_seal(struct united *u, struct snapshot **ret)
{
	struct sealing s = { 0 };
	int r = 0;

	if (u->sealed != NULL && !united_is_touched(u)) {
		*ret = snapshot_keep(u->sealed);
		return 0;
	}
	r = collect_touched(u, &s);
	if (r == 0)
		r = make_services(u, &s);
	if (r == 0)
		r = make_findings(u, &s);
	if (r == 0) {
		list_changes(u, &s);
		r = derive(u, &s);
	}
	if (r == 0) {
		conclude(u, &s);
		*ret = snapshot_keep(u->sealed);
	}
	for (size_t i = 0; i < s.n_services; i++)
		service_release(s.services[i]);
	findings_release(s.findings);
	arena_finish(&s.arena);
	return r;
}
