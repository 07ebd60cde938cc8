/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/united.h"

#include <errno.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

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
	*u = (struct united){ .findings = make_service(""), .services_max = SNAPSHOT_SERVICES_MAX };
	groups_init(&u->groups);
	/* What is sealed has been let in already; SERVICE_INSTANCES_MAX alone is about the union. */
	u->groups.limits = (struct snapshot_limits){ UINT_MAX, UINT_MAX, UINT64_MAX };
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

/* The service of that name, made if there is none. */
static int take(struct united *u, const char *name, struct united_service **ret)
{
	struct united_service *us = find(u, name);

	if (us == NULL) {
		us = make_service(name);
		if (us == NULL || tsearch(us, &u->services, compare_names) == NULL) {
			free(us);
			return -ENOMEM;
		}
	}
	*ret = us;
	return 0;
}

void united_forget_if_idle(struct united *u, struct united_service *us)
{
	if (us == u->findings || us->n_users > 0 || us->sealed != NULL || us->touched || us->doubter != NULL)
		return;
	tdelete(us, &u->services, compare_names);
	free(us);
}

void united_touch(struct united *u, struct united_service *us)
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

static void use(struct united *u, struct united_service *us)
{
	u->n_spoken += us->n_users++ == 0 && us != u->findings;
}

static void use_no_more(struct united *u, struct united_service *us)
{
	u->n_spoken -= --us->n_users == 0 && us != u->findings;
	united_forget_if_idle(u, us);
}

static void discard(struct united *u, struct statement *st, size_t n)
{
	for (size_t i = 0; i < n; i++)
		use_no_more(u, st->contributions[i].about);
	snapshot_release(st->snapshot);
	free(st);
}

void united_discard(struct united *u, struct statement *st)
{
	if (st != NULL)
		discard(u, st, count_contributions(st->snapshot));
}

/* Most of what an item says it has said before: then its service needs no looking up. */
static struct united_service *find_before(const struct statement *before, const char *name, size_t *at)
{
	const size_t n = before != NULL ? before->snapshot->n_services : 0;
	int order = 1;

	while (*at < n && (order = strcmp(before->snapshot->services[*at]->name, name)) < 0)
		++*at;
	return order == 0 ? before->contributions[*at].about : NULL;
}

/* Services that nobody will speak of any more when the statement has taken the place of the one before. */
static size_t count_leaving(const struct statement *before)
{
	const size_t n = before != NULL ? before->snapshot->n_services : 0;
	size_t leaving = 0;

	for (size_t i = 0; i < n; i++)
		leaving += before->contributions[i].about->n_users == 1;
	return leaving;
}

void united_begin(const struct united *u, struct ledger_part *p, bool alone)
{
	p->n_unseen = alone ? u->n_spoken : 0;
}

void united_see(struct ledger_part *p, const struct statement *st)
{
	for (size_t i = 0; i < st->snapshot->n_services; i++) {
		struct united_service *us = st->contributions[i].about;

		if (us->seen_by == p && us->seen_in == p->round)
			continue;
		us->seen_by = p;
		us->seen_in = p->round;
		p->n_unseen -= p->n_unseen > 0 && !LIST_EMPTY(&us->contributions);
	}
}

/* Whether there are too many services, without those that go when the statement holds, or its round does. */
static bool is_full(const struct united *u, const struct statement *before, const struct ledger_part *round)
{
	const size_t leaving = count_leaving(before);
	const size_t n_unseen = round != NULL ? round->n_unseen : 0;

	return u->n_spoken > u->services_max + (leaving > n_unseen ? leaving : n_unseen);
}

bool united_is_full(const struct united *u, const struct ledger_part *p)
{
	return is_full(u, NULL, p);
}

static int take_all(struct united *u, const struct statement *before, struct statement *st, size_t n,
		    struct ledger_part *round)
{
	const struct snapshot *s = st->snapshot;
	const size_t n_spoken = u->n_spoken;
	size_t i = 0, at = 0;
	int r = 0;

	for (; r == 0 && i < n; i += r == 0) {
		struct united_service *us =
			i < s->n_services ? find_before(before, s->services[i]->name, &at) : u->findings;

		if (us == NULL)
			r = take(u, s->services[i]->name, &us);
		if (r == 0) {
			use(u, us);
			st->contributions[i] = (struct contribution){ .statement = st, .about = us };
		}
	}
	if (r == 0 && round != NULL)
		united_see(round, st);
	if (r == 0 && (round != NULL || u->n_spoken > n_spoken) && is_full(u, before, round))
		r = -EDQUOT;
	if (r < 0)
		discard(u, st, i);
	return r;
}

int united_prepare(struct united *u, const char *key, const struct statement *before, struct snapshot *s,
		   struct ledger_part *round, struct statement **ret)
{
	const size_t n = count_contributions(s);
	struct statement *st = malloc(sizeof(*st) + n * sizeof(st->contributions[0]));

	if (st == NULL)
		return -ENOMEM;
	*st = (struct statement){ .snapshot = snapshot_keep(s), .key = key };
	int r = take_all(u, before, st, n, round);
	if (r == 0)
		*ret = st;
	return r;
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
		united_touch(u, us);
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
		united_touch(u, u->findings);
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
		united_forget_if_idle(u, us);
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
