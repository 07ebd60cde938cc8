/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/belief.h"

#include <errno.h>
#include <stdlib.h>

enum {
	ACCEPT_MS = 5000, /* the rounds that are asked for at the same time end within that */
};

struct belief {
	struct belief_options o;
	struct brake *brake;
	/* Of what was believed before: what has not been heard of yet; and what was still missing when all
	 * had been heard, until all has been heard twice as far as rounds can tell. */
	struct snapshot *inherited, *unheard;
	size_t n_repeated;
	struct snapshot *heard;  /* the last that was sealed */
	struct snapshot *judged; /* the same, with what was inherited */
	struct snapshot *believed;
	size_t held;
	uint64_t next_ms;
	uint64_t accept_until_ms; /* somebody has said that losses are all right */
	uint64_t now_ms;
};

static void replace(struct snapshot **place, struct snapshot *s)
{
	snapshot_release(*place);
	*place = s;
}

static bool is_certain(void *context, const char *service)
{
	const struct belief *b = context;

	return ledger_is_certain(b->o.ledger, service) &&
	       (b->unheard == NULL || snapshot_find(b->unheard, service) == NULL);
}

static uint64_t limit(void *context, const char *service)
{
	const struct belief *b = context;

	return b->now_ms < b->accept_until_ms ? 0 : b->o.limit(b->o.context, service);
}

/* A service that has been heard of must not come back from before when it goes. */
static int forget_heard(struct belief *b, const struct snapshot *heard)
{
	const struct snapshot *old = b->inherited;
	struct snapshot_change *changes = calloc(old->n_services + 1, sizeof(*changes));
	struct snapshot *rest;
	size_t n = 0;

	if (changes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < old->n_services; i++) {
		if (snapshot_find(heard, old->services[i]->name) != NULL)
			changes[n++].name = old->services[i]->name;
	}
	const int r = snapshot_derive(old, changes, n, NULL, &rest);
	if (r == 0)
		replace(&b->inherited, rest);
	free(changes);
	return r;
}

/* What was heard, and beside it what was inherited: they have no service in common. */
static int stand_in(const struct snapshot *inherited, const struct snapshot *heard, struct snapshot **ret)
{
	struct snapshot_change *changes = calloc(inherited->n_services + 1, sizeof(*changes));

	if (changes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < inherited->n_services; i++) {
		changes[i].name = inherited->services[i]->name;
		changes[i].service = inherited->services[i];
	}
	const int r = snapshot_derive(heard, changes, inherited->n_services, heard->findings, ret);
	free(changes);
	return r;
}

/* A part that cannot be asked for, ever, must not keep alive what is too old to be answered. */
static bool is_inheritance_over(const struct belief *b, bool heard_all, uint64_t now_ms)
{
	return heard_all || (b->o.inherited_max_ms > 0 && now_ms - b->o.now_ms > b->o.inherited_max_ms);
}

static int hear(struct belief *b, bool heard_all, uint64_t now_ms)
{
	struct snapshot *heard, *judged;
	int r = ledger_seal(b->o.ledger, &heard);

	if (r != 0)
		return r;
	if (b->inherited == NULL)
		judged = snapshot_keep(heard);
	else if ((r = forget_heard(b, heard)) == 0)
		r = stand_in(b->inherited, heard, &judged);
	if (r != 0) {
		snapshot_release(heard);
		return r;
	}
	if (b->inherited != NULL && is_inheritance_over(b, heard_all, now_ms)) {
		replace(&judged, snapshot_keep(heard));
		b->unheard = b->inherited;
		b->inherited = NULL;
		b->n_repeated = 0;
	}
	replace(&b->heard, heard);
	replace(&b->judged, judged);
	return 0;
}

static void count_change(void *context, const char *name)
{
	(void)name;
	++*(size_t *)context;
}

/* A service that went and came back before anybody believed it is another one with the same content. */
static bool says_the_same(const struct snapshot *before, const struct snapshot *after)
{
	size_t n = 0;

	snapshot_compare(before, after, count_change, &n);
	return n == 0;
}

/* Judges what was heard last, once more after a while. On -ENOMEM what was believed stays. */
static int judge(struct belief *b, uint64_t now_ms)
{
	const struct brake_case c = { .accepted = b->believed,
				      .fresh = b->judged,
				      .now_ms = now_ms,
				      .limit = limit,
				      .is_certain = is_certain,
				      .context = b };
	struct brake_verdict v;

	b->now_ms = now_ms;
	const int r = brake_judge(b->brake, &c, &v);
	if (r != 0)
		return r;
	if (b->believed != NULL && says_the_same(b->believed, v.believed)) {
		snapshot_release(v.believed);
		v.believed = snapshot_keep(b->believed);
	}
	b->held = v.held;
	b->next_ms = v.next_ms;
	if (v.held == 0)
		replace(&b->unheard, NULL);
	replace(&b->believed, v.believed);
	return 0;
}

int belief_update(struct belief *b, bool heard_all, uint64_t now_ms)
{
	const int r = hear(b, heard_all, now_ms);

	return r == 0 ? judge(b, now_ms) : r;
}

void belief_accept(struct belief *b, uint64_t now_ms)
{
	b->accept_until_ms = now_ms + ACCEPT_MS;
}

void belief_note_round(struct belief *b, size_t n)
{
	if (b->unheard != NULL && ++b->n_repeated >= n)
		replace(&b->unheard, NULL);
}

struct snapshot *belief_snapshot(const struct belief *b)
{
	return b->believed;
}

struct snapshot *belief_heard(const struct belief *b)
{
	return b->heard;
}

struct snapshot *belief_inherited(const struct belief *b)
{
	return b->inherited;
}

size_t belief_held(const struct belief *b)
{
	return b->held;
}

uint64_t belief_next_ms(const struct belief *b)
{
	return b->next_ms;
}

int belief_create(const struct belief_options *o, struct belief **ret)
{
	struct belief *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	b->o = *o;
	b->brake = brake_create();
	if (b->brake == NULL) {
		free(b);
		return -ENOMEM;
	}
	if (o->inherited != NULL) {
		b->inherited = snapshot_keep(o->inherited);
		b->believed = snapshot_keep(o->inherited);
	}
	*ret = b;
	return 0;
}

void belief_destroy(struct belief *b)
{
	if (b == NULL)
		return;
	brake_destroy(b->brake);
	snapshot_release(b->inherited);
	snapshot_release(b->unheard);
	snapshot_release(b->heard);
	snapshot_release(b->judged);
	snapshot_release(b->believed);
	free(b);
}
