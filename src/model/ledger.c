/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/ledger.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "model/united.h"

struct ledger {
	struct united united;
	struct snapshot_limits limits;
	struct ledger_size reserved; /* of each part what holds or what would, whichever is more */
};

/* What was asked for, or could be, under one key. */
struct ledger_item {
	struct statement *now, *staged; /* NULL: it says nothing */
	struct ledger_item *next;       /* of those to be removed */
	unsigned round;                 /* of the part, in which it was put, staged or kept last */
	char key[];
};

static int compare_items(const void *a, const void *b)
{
	return strcmp(((const struct ledger_item *)a)->key, ((const struct ledger_item *)b)->key);
}

/* tfind(3) calls with the key first. */
static int compare_with_key(const void *key, const void *item)
{
	return strcmp(key, ((const struct ledger_item *)item)->key);
}

static struct ledger_item *find_item(const struct ledger_part *p, const char *key)
{
	struct ledger_item **found = tfind(key, &p->items, compare_with_key);

	return found != NULL ? *found : NULL;
}

static struct ledger_item *take_item(struct ledger_part *p, const char *key)
{
	const size_t size = strlen(key) + 1;
	struct ledger_item *item = find_item(p, key);

	if (item != NULL)
		return item;
	item = malloc(sizeof(*item) + size);
	if (item == NULL)
		return NULL;
	*item = (struct ledger_item){ .round = p->round - 1 };
	memcpy(item->key, key, size);
	if (tsearch(item, &p->items, compare_items) == NULL) {
		free(item);
		return NULL;
	}
	return item;
}

static void forget_if_idle(struct ledger_part *p, struct ledger_item *item)
{
	if (item->now != NULL || item->staged != NULL)
		return;
	tdelete(item, &p->items, compare_items);
	free(item);
}

struct ledger *ledger_create(void)
{
	struct ledger *l = calloc(1, sizeof(*l));

	if (l != NULL && united_init(&l->united) < 0) {
		free(l);
		return NULL;
	}
	if (l != NULL)
		ledger_limit(l, &(struct snapshot_limits){ 0 });
	return l;
}

void ledger_limit(struct ledger *l, const struct snapshot_limits *limits)
{
	l->limits = snapshot_limits_within(limits);
	l->united.services_max = l->limits.services;
}

void ledger_destroy(struct ledger *l)
{
	if (l == NULL)
		return;
	united_finish(&l->united);
	free(l);
}

/* --- sizes --- */

static const struct ledger_size nothing;

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* The size of an item that says this; of one that says nothing for NULL. */
static struct ledger_size measure(const struct ledger_item *item, const struct snapshot *s)
{
	if (s == NULL)
		return nothing;

	struct ledger_size size = { larger(s->n_instances, 1), strlen(item->key) };
	for (size_t i = 0; i < s->n_services; i++)
		size.octets += s->services[i]->octets;
	return size;
}

static struct ledger_size swap(struct ledger_size total, struct ledger_size old, struct ledger_size new)
{
	return (struct ledger_size){ total.instances - old.instances + new.instances,
				     total.octets - old.octets + new.octets };
}

static struct ledger_size reserve(struct ledger_size now, struct ledger_size next)
{
	return (struct ledger_size){ larger(now.instances, next.instances), larger(now.octets, next.octets) };
}

static struct ledger_size reserved_with(const struct ledger *l, const struct ledger_part *p,
					struct ledger_size now, struct ledger_size next)
{
	return swap(l->reserved, reserve(p->now, p->next), reserve(now, next));
}

static void resize(struct ledger *l, struct ledger_part *p, struct ledger_size now, struct ledger_size next)
{
	l->reserved = reserved_with(l, p, now, next);
	p->now = now;
	p->next = next;
}

/* Whether the part may have those sizes. */
static int check_sizes(const struct ledger *l, const struct ledger_part *p, struct ledger_size now,
		       struct ledger_size next, struct snapshot_builder *b)
{
	const struct ledger_size size = reserved_with(l, p, now, next);

	if (size.instances > l->limits.instances)
		return snapshot_builder_fail(b, -EDQUOT, "more than %u instances: max-instances",
					     l->limits.instances);
	if (size.octets > l->limits.octets)
		return snapshot_builder_fail(b, -EDQUOT,
					     "more than %llu octets of instances and their texts: max-memory",
					     (unsigned long long)l->limits.octets);
	return 0;
}

static int refuse_services(const struct ledger *l, struct snapshot_builder *b)
{
	return snapshot_builder_fail(b, -EDQUOT, "more than %u services: max-services", l->limits.services);
}

static int prepare(struct ledger *l, const struct ledger_item *item, struct snapshot *s,
		   struct ledger_part *round, struct snapshot_builder *b, struct statement **ret)
{
	const int r = united_prepare(&l->united, item->key, item->now, s, round, ret);

	return r == -EDQUOT ? refuse_services(l, b) : r;
}

static bool is_seen(const struct ledger_part *p, const struct ledger_item *item)
{
	return p->in_round && item->round == p->round;
}

static struct snapshot *said(const struct statement *st)
{
	return st != NULL ? st->snapshot : NULL;
}

static struct ledger_size measure_now(const struct ledger_item *item)
{
	return measure(item, said(item->now));
}

/* The item's share of what the round would leave. */
static struct ledger_size measure_next(const struct ledger_part *p, const struct ledger_item *item)
{
	const struct statement *next = item->staged != NULL ? item->staged : item->now;

	return measure(item, is_seen(p, item) ? said(next) : NULL);
}

/* --- one item --- */

static void set_staged(struct ledger *l, struct ledger_item *item, struct statement *st)
{
	united_discard(&l->united, item->staged);
	item->staged = st;
}

/* From now on the item says st, or nothing. */
static void set_now(struct ledger *l, struct ledger_part *p, struct ledger_item *item, struct statement *st,
		    struct ledger_part *doubter)
{
	p->n = p->n - (item->now != NULL) + (st != NULL);
	united_replace(&l->united, item->now, st, doubter);
	item->now = st;
}

static bool says(const struct statement *st, const struct snapshot *s)
{
	return st != NULL && st->snapshot->findings == s->findings && snapshot_is_same(st->snapshot, s);
}

static int see_again(struct ledger *l, struct ledger_part *p, const struct ledger_item *item,
		     struct snapshot_builder *b)
{
	united_see(p, item->now);
	return united_is_full(&l->united, p) ? refuse_services(l, b) : 0;
}

/* One that says nothing new is kept, or a complete answer would need the memory of all items twice. */
static int stage(struct ledger *l, struct ledger_part *p, struct ledger_item *item, struct snapshot *s,
		 struct snapshot_builder *b)
{
	const struct ledger_size next = swap(p->next, measure_next(p, item), measure(item, s));
	struct statement *st = NULL;
	int r = p->in_round ? check_sizes(l, p, p->now, next, b) : -EINVAL;

	if (r == 0 && says(item->now, s))
		r = see_again(l, p, item, b);
	else if (r == 0)
		r = prepare(l, item, s, p, b, &st);
	if (r < 0)
		return r;
	resize(l, p, p->now, next);
	set_staged(l, item, st);
	item->round = p->round;
	return 0;
}

static int put(struct ledger *l, struct ledger_part *p, struct ledger_item *item, struct snapshot *s,
	       struct snapshot_builder *b)
{
	const struct ledger_size size = measure(item, s), now = swap(p->now, measure_now(item), size);
	const struct ledger_size next = p->in_round ? swap(p->next, measure_next(p, item), size) : p->next;
	struct statement *st;
	int r = check_sizes(l, p, now, next, b);

	if (r == 0)
		r = prepare(l, item, s, NULL, b, &st);
	if (r < 0)
		return r;
	resize(l, p, now, next);
	set_staged(l, item, NULL);
	set_now(l, p, item, st, NULL);
	item->round = p->round;
	return 0;
}

/* Does that with what is in the builder, which shares with what the item says now what is the same. */
static int change_item(struct ledger *l, struct ledger_part *p, const char *key, struct snapshot_builder *b,
		       int (*change)(struct ledger *l, struct ledger_part *p, struct ledger_item *item,
				     struct snapshot *s, struct snapshot_builder *b))
{
	struct ledger_item *item = take_item(p, key);
	struct snapshot *s;

	if (item == NULL) {
		snapshot_builder_empty(b);
		return -ENOMEM;
	}
	int r = snapshot_builder_seal(b, said(item->now), &s);
	if (r == 0) {
		r = change(l, p, item, s, b);
		snapshot_release(s);
	}
	if (r < 0)
		forget_if_idle(p, item);
	return r;
}

int ledger_put(struct ledger *l, struct ledger_part *p, const char *key, struct snapshot_builder *b)
{
	return change_item(l, p, key, b, put);
}

void ledger_remove(struct ledger *l, struct ledger_part *p, const char *key)
{
	struct ledger_item *item = find_item(p, key);

	if (item == NULL)
		return;
	resize(l, p, swap(p->now, measure_now(item), nothing), swap(p->next, measure_next(p, item), nothing));
	set_staged(l, item, NULL);
	set_now(l, p, item, NULL, NULL);
	forget_if_idle(p, item);
}

/* --- rounds --- */

struct walk {
	struct ledger *ledger;
	struct ledger_part *part;
	struct ledger_item *idle; /* to be removed when the tree is not being walked any more */
};

/* twalk_r(3) gives each node three times, and a leaf once: between its children is in the order of keys. */
static struct ledger_item *item_of(const void *node, VISIT visit)
{
	return visit == postorder || visit == leaf ? *(struct ledger_item *const *)node : NULL;
}

static void walk_items(struct ledger *l, struct ledger_part *p, void (*visit)(const void *, VISIT, void *))
{
	struct walk w = { .ledger = l, .part = p };

	twalk_r(p->items, visit, &w);
	for (struct ledger_item *item = w.idle, *next; item != NULL; item = next) {
		next = item->next;
		forget_if_idle(p, item);
	}
}

static void list_if_idle(struct walk *w, struct ledger_item *item)
{
	if (item->now != NULL || item->staged != NULL)
		return;
	item->next = w->idle;
	w->idle = item;
}

void ledger_begin(struct ledger *l, struct ledger_part *p)
{
	ledger_abort(l, p);
	p->in_round = true;
	p->round++;
	united_begin(&l->united, p, l->reserved.instances == p->now.instances);
}

int ledger_stage(struct ledger *l, struct ledger_part *p, const char *key, struct snapshot_builder *b)
{
	return change_item(l, p, key, b, stage);
}

int ledger_keep(struct ledger *l, struct ledger_part *p, const char *key)
{
	struct ledger_item *item = find_item(p, key);

	if (item == NULL || item->now == NULL || !p->in_round || is_seen(p, item))
		return 0;
	united_see(p, item->now);
	if (united_is_full(&l->united, p))
		return -EDQUOT;
	resize(l, p, p->now, swap(p->next, nothing, measure_now(item)));
	item->round = p->round;
	return 0;
}

static void commit_item(const void *node, VISIT visit, void *context)
{
	struct ledger_item *item = item_of(node, visit);
	struct walk *w = context;

	if (item == NULL || (item->round == w->part->round && item->staged == NULL))
		return;
	set_now(w->ledger, w->part, item, item->staged, w->part);
	item->staged = NULL;
	list_if_idle(w, item);
}

void ledger_commit(struct ledger *l, struct ledger_part *p)
{
	if (!p->in_round)
		return;
	walk_items(l, p, commit_item);
	p->in_round = false;
	resize(l, p, p->next, nothing);
	united_settle(&l->united, p);
}

static void abort_item(const void *node, VISIT visit, void *context)
{
	struct ledger_item *item = item_of(node, visit);
	struct walk *w = context;

	if (item == NULL)
		return;
	set_staged(w->ledger, item, NULL);
	list_if_idle(w, item);
}

void ledger_abort(struct ledger *l, struct ledger_part *p)
{
	if (!p->in_round)
		return;
	walk_items(l, p, abort_item);
	p->in_round = false;
	resize(l, p, p->now, nothing);
}

void ledger_repeat(struct ledger *l, struct ledger_part *p)
{
	ledger_abort(l, p);
	p->round++;
	united_settle(&l->united, p);
}

static void drop_item(const void *node, VISIT visit, void *context)
{
	struct ledger_item *item = item_of(node, visit);
	struct walk *w = context;

	if (item == NULL)
		return;
	set_staged(w->ledger, item, NULL);
	set_now(w->ledger, w->part, item, NULL, NULL);
}

void ledger_drop(struct ledger *l, struct ledger_part *p)
{
	walk_items(l, p, drop_item);
	tdestroy(p->items, free);
	p->items = NULL;
	p->in_round = false;
	resize(l, p, nothing, nothing);
	p->round++;
	united_settle(&l->united, p);
}

/* --- reading --- */

const struct snapshot *ledger_find(const struct ledger *l, const struct ledger_part *p, const char *key)
{
	const struct ledger_item *item = find_item(p, key);

	(void)l;
	return item != NULL && item->now != NULL ? item->now->snapshot : NULL;
}

struct visitor {
	void (*visit)(void *context, const char *key, const struct snapshot *item);
	void *context;
};

static void visit_item(const void *node, VISIT visit, void *context)
{
	const struct ledger_item *item = item_of(node, visit);
	const struct visitor *v = context;

	if (item != NULL && item->now != NULL)
		v->visit(v->context, item->key, item->now->snapshot);
}

void ledger_for_each(const struct ledger *l, const struct ledger_part *p,
		     void (*visit)(void *context, const char *key, const struct snapshot *item),
		     void *context)
{
	struct visitor v = { .visit = visit, .context = context };

	(void)l;
	twalk_r(p->items, visit_item, &v);
}

bool ledger_is_touched(const struct ledger *l)
{
	return united_is_touched(&l->united);
}

int ledger_seal(struct ledger *l, struct snapshot **ret)
{
	return united_seal(&l->united, ret);
}

bool ledger_is_certain(const struct ledger *l, const char *service)
{
	return united_is_certain(&l->united, service);
}
