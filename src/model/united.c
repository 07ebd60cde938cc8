/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/united.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lives as long as a statement is about it, the snapshot sealed last has it, it is touched or in doubt. */
struct united_service {
	LIST_HEAD(, contribution) contributions; /* those that hold */
	const struct service *sealed;            /* as it is in the snapshot sealed last, or NULL */
	struct ledger_part *doubter;             /* that changed it last, and said so only once; or NULL */
	LIST_ENTRY(united_service) doubts;
	SLIST_ENTRY(united_service) next_touched;
	unsigned doubted_in; /* round of the part */
	unsigned n_users;    /* contributions, also of statements that do not hold */
	unsigned n_left_out; /* instances beyond the limit */
	bool touched;
	char name[];
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct united_service *)a)->name, ((const struct united_service *)b)->name);
}

/* tfind(3) calls with the key first. */
static int compare_with_name(const void *name, const void *service)
{
	return strcmp(name, ((const struct united_service *)service)->name);
}

static struct united_service *make_service(const char *name)
{
	const size_t size = strlen(name) + 1;
	struct united_service *us = calloc(1, sizeof(*us) + size);

	if (us != NULL)
		memcpy(us->name, name, size);
	return us;
}

int united_init(struct united *u)
{
	*u = (struct united){ .findings = make_service("") };
	groups_init(&u->groups);
	return u->findings != NULL ? 0 : -ENOMEM;
}

void united_finish(struct united *u)
{
	tdestroy(u->services, free);
	free(u->findings);
	snapshot_release(u->sealed);
	groups_empty(&u->groups);
}

static struct united_service *find(const struct united *u, const char *name)
{
	struct united_service **found = tfind(name, &u->services, compare_with_name);

	return found != NULL ? *found : NULL;
}

static int take(struct united *u, const char *name, struct united_service **ret)
{
	struct united_service *us = find(u, name);

	if (us == NULL) {
		if (u->n >= SNAPSHOT_SERVICES_MAX)
			return -EDQUOT;
		us = make_service(name);
		if (us == NULL || tsearch(us, &u->services, compare_names) == NULL) {
			free(us);
			return -ENOMEM;
		}
		u->n++;
	}
	us->n_users++;
	*ret = us;
	return 0;
}

static void forget_if_idle(struct united *u, struct united_service *us)
{
	if (us == u->findings || us->n_users > 0 || us->sealed != NULL || us->touched || us->doubter != NULL)
		return;
	tdelete(us, &u->services, compare_names);
	free(us);
	u->n--;
}

static void touch(struct united *u, struct united_service *us)
{
	if (us->touched)
		return;
	us->touched = true;
	if (us == u->findings)
		return;
	SLIST_INSERT_HEAD(&u->touched, us, next_touched);
	u->n_touched++;
}

/* --- statements --- */

static size_t count_contributions(const struct snapshot *s)
{
	return s->n_services + (s->findings != NULL);
}

static const struct service *service_of(const struct contribution *c)
{
	return c->statement->snapshot->services[c - c->statement->contributions];
}

static void discard(struct united *u, struct statement *st, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		st->contributions[i].about->n_users--;
		forget_if_idle(u, st->contributions[i].about);
	}
	snapshot_release(st->snapshot);
	free(st);
}

void united_discard(struct united *u, struct statement *st)
{
	if (st != NULL)
		discard(u, st, count_contributions(st->snapshot));
}

int united_prepare(struct united *u, const char *key, struct snapshot *s, struct statement **ret)
{
	const size_t n = count_contributions(s);
	struct statement *st = malloc(sizeof(*st) + n * sizeof(st->contributions[0]));
	int r = 0;

	if (st == NULL)
		return -ENOMEM;
	*st = (struct statement){ .snapshot = snapshot_keep(s), .key = key };
	for (size_t i = 0; i < n; i++) {
		struct contribution *c = &st->contributions[i];

		*c = (struct contribution){ .statement = st, .about = u->findings };
		if (i < s->n_services)
			r = take(u, s->services[i]->name, &c->about);
		else
			u->findings->n_users++;
		if (r < 0) {
			discard(u, st, i);
			return r;
		}
	}
	*ret = st;
	return 0;
}

static void set_doubt(struct united_service *us, struct ledger_part *doubter)
{
	if (us->doubter != NULL)
		LIST_REMOVE(us, doubts);
	us->doubter = doubter;
	if (doubter == NULL)
		return;
	us->doubted_in = doubter->round;
	LIST_INSERT_HEAD(&doubter->doubts, us, doubts);
}

/* Marks what two statements, of which one may be NULL, say of a service. */
static void mark(struct united *u, struct united_service *us, bool changed, struct ledger_part *doubter)
{
	if (changed)
		touch(u, us);
	if (changed || doubter == NULL)
		set_doubt(us, doubter);
}

static void mark_services(struct united *u, struct statement *old, struct statement *st,
			  struct ledger_part *doubter)
{
	const size_t n_old = old != NULL ? old->snapshot->n_services : 0;
	const size_t n = st != NULL ? st->snapshot->n_services : 0;

	for (size_t i = 0, k = 0; i < n_old || k < n;) {
		const struct service *x = i < n_old ? old->snapshot->services[i] : NULL;
		const struct service *y = k < n ? st->snapshot->services[k] : NULL;
		const int order = x == y ? 0 : x == NULL ? 1 : y == NULL ? -1 : strcmp(x->name, y->name);

		mark(u, order <= 0 ? old->contributions[i].about : st->contributions[k].about, x != y,
		     doubter);
		i += order <= 0;
		k += order >= 0;
	}
}

static const struct findings *findings_of(const struct statement *st)
{
	return st != NULL ? st->snapshot->findings : NULL;
}

void united_replace(struct united *u, struct statement *old, struct statement *st,
		    struct ledger_part *doubter)
{
	mark_services(u, old, st, doubter);
	if (findings_of(old) != findings_of(st))
		touch(u, u->findings);
	for (size_t i = 0; old != NULL && i < count_contributions(old->snapshot); i++)
		LIST_REMOVE(&old->contributions[i], others);
	for (size_t i = 0; st != NULL && i < count_contributions(st->snapshot); i++)
		LIST_INSERT_HEAD(&st->contributions[i].about->contributions, &st->contributions[i], others);
	united_discard(u, old);
}

void united_settle(struct united *u, struct ledger_part *p)
{
	struct united_service *next;

	for (struct united_service *us = LIST_FIRST(&p->doubts); us != NULL; us = next) {
		next = LIST_NEXT(us, doubts);
		if (us->doubted_in == p->round)
			continue;
		set_doubt(us, NULL);
		forget_if_idle(u, us);
	}
}

bool united_is_touched(const struct united *u)
{
	return u->n_touched > 0 || u->findings->touched;
}

bool united_is_certain(const struct united *u, const char *service)
{
	const struct united_service *us = find(u, service);

	return us == NULL || us->doubter == NULL;
}

/* --- sealing --- */

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
	return compare_names(*(struct united_service *const *)a, *(struct united_service *const *)b);
}

static int collect_touched(struct united *u, struct sealing *s)
{
	size_t n = 0;
	struct united_service *us;

	s->touched = arena_alloc(&s->arena, u->n_touched * sizeof(struct united_service *));
	s->services = arena_alloc(&s->arena, u->n_touched * sizeof(struct service *));
	s->changes = arena_alloc(&s->arena, u->n_touched * sizeof(*s->changes));
	if (s->touched == NULL || s->services == NULL || s->changes == NULL)
		return -ENOMEM;
	SLIST_FOREACH(us, &u->touched, next_touched)
	s->touched[n++] = us;
	qsort(s->touched, n, sizeof(struct united_service *), compare_touched);
	return 0;
}

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

	LIST_FOREACH(c, &us->contributions, others)
	count++;
	const struct contribution **list = arena_alloc(&s->arena, count * sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	LIST_FOREACH(c, &us->contributions, others)
	list[at++] = c;
	qsort(list, count, sizeof(*list), compare_contributions);
	*ret = list;
	*n = count;
	return 0;
}

static void set_left_out(struct united *u, struct united_service *us, size_t n)
{
	if (us->n_left_out != n)
		touch(u, u->findings);
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
		forget_if_idle(u, us);
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
