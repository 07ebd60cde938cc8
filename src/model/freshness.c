/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/freshness.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct row {
	char *name, *kind;
	bool ages;
	atomic_int state;
	atomic_bool spoken, restored;
	_Atomic uint64_t heard_ms, services, instances, dropped, held, failures;
};

struct freshness {
	size_t n;
	struct row rows[];
};

/* Relaxed everywhere: no field promises anything about another. */
static uint64_t load(const _Atomic uint64_t *from)
{
	return atomic_load_explicit(from, memory_order_relaxed);
}

static void store(_Atomic uint64_t *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_relaxed);
}

struct freshness *freshness_create(size_t n)
{
	struct freshness *f = calloc(1, sizeof(*f) + n * sizeof(f->rows[0]));

	if (f != NULL)
		f->n = n;
	return f;
}

void freshness_destroy(struct freshness *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n; i++) {
		free(f->rows[i].name);
		free(f->rows[i].kind);
	}
	free(f);
}

int freshness_name(struct freshness *f, size_t row, const char *name, const char *kind, bool ages)
{
	struct row *r = &f->rows[row];

	r->name = strdup(name);
	r->kind = strdup(kind);
	r->ages = ages;
	return r->name != NULL && r->kind != NULL ? 0 : -ENOMEM;
}

void freshness_recount(struct freshness *f, size_t row, const struct round_counts *counts)
{
	struct row *r = &f->rows[row];

	store(&r->services, counts->services);
	store(&r->instances, counts->instances);
	store(&r->dropped, counts->dropped);
	store(&r->held, counts->held);
}

void freshness_heard(struct freshness *f, size_t row, uint64_t true_ms)
{
	store(&f->rows[row].heard_ms, true_ms);
	atomic_store_explicit(&f->rows[row].spoken, true, memory_order_relaxed);
	atomic_store_explicit(&f->rows[row].restored, false, memory_order_relaxed);
}

void freshness_restore(struct freshness *f, size_t row, uint64_t true_ms)
{
	freshness_heard(f, row, true_ms);
	atomic_store_explicit(&f->rows[row].restored, true, memory_order_relaxed);
}

void freshness_state(struct freshness *f, size_t row, enum registry_state state)
{
	atomic_store_explicit(&f->rows[row].state, state, memory_order_relaxed);
}

void freshness_bad(struct freshness *f, size_t row)
{
	store(&f->rows[row].failures, load(&f->rows[row].failures) + 1); /* one writer: the feeder */
	freshness_state(f, row, REGISTRY_FAILING);
}

/* What was heard at every moment is so no more: whoever listened has been stopped. */
void freshness_inherit(struct freshness *to, size_t to_row, const struct freshness *from, size_t from_row,
		       uint64_t now_ms)
{
	struct row *t = &to->rows[to_row];
	const struct row *o = &from->rows[from_row];
	const uint64_t heard_ms = load(&o->heard_ms);

	store(&t->heard_ms, heard_ms < now_ms ? heard_ms : now_ms);
	store(&t->services, load(&o->services));
	store(&t->instances, load(&o->instances));
	store(&t->dropped, load(&o->dropped));
	store(&t->held, load(&o->held));
	store(&t->failures, load(&o->failures));
	atomic_store_explicit(&t->state, atomic_load_explicit(&o->state, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(&t->spoken, atomic_load_explicit(&o->spoken, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(&t->restored, atomic_load_explicit(&o->restored, memory_order_relaxed),
			      memory_order_relaxed);
}

static uint64_t age_of(const struct row *r, uint64_t now_ms)
{
	const uint64_t heard_ms = load(&r->heard_ms);

	/* The reader's "now" may be a little older than the feeder's. */
	return r->ages && atomic_load_explicit(&r->spoken, memory_order_relaxed) && now_ms > heard_ms
		       ? now_ms - heard_ms
		       : 0;
}

/* It has said nothing so far that others could be measured by. */
static bool is_silent(const struct row *r)
{
	return r->ages && !atomic_load_explicit(&r->spoken, memory_order_relaxed);
}

static bool is_restored(const struct row *r)
{
	return atomic_load_explicit(&r->restored, memory_order_relaxed);
}

void freshness_view(const struct freshness *f, size_t row, uint64_t now_ms, struct freshness_view *ret)
{
	const struct row *r = &f->rows[row];

	*ret = (struct freshness_view){
		.name = r->name,
		.kind = r->kind,
		.ages = r->ages,
		.state = (enum registry_state)atomic_load_explicit(&r->state, memory_order_relaxed),
		.spoken = atomic_load_explicit(&r->spoken, memory_order_relaxed),
		.restored = is_restored(r),
		.age_ms = age_of(r, now_ms),
		.services = load(&r->services),
		.instances = load(&r->instances),
		.dropped = load(&r->dropped),
		.failures = load(&r->failures),
		.held = load(&r->held),
	};
}

struct age_verdict freshness_judge(const struct freshness *f, uint64_t mask, uint64_t true_ms,
				   const struct age_limits *limits, uint64_t now_ms)
{
	const uint64_t own_ms = true_ms > 0 && now_ms > true_ms ? now_ms - true_ms : 0;
	const bool is_alone = (mask & (mask - 1)) == 0;
	struct age_verdict v = { .age = AGE_FRESH };
	uint64_t youngest_ms = UINT64_MAX;
	bool restored = false;

	for (; mask != 0; mask &= mask - 1) {
		const size_t row = (size_t)__builtin_ctzll(mask);

		if (is_silent(&f->rows[row]))
			continue;
		const uint64_t heard_ms = age_of(&f->rows[row], now_ms);
		const uint64_t age_ms = f->rows[row].ages && own_ms > heard_ms ? own_ms : heard_ms;
		/* Of several registries one may know better than the one whose part is late. */
		const uint64_t least_ms = is_alone ? age_ms : heard_ms;

		youngest_ms = least_ms < youngest_ms ? least_ms : youngest_ms;
		restored = restored || is_restored(&f->rows[row]);
		if (age_ms >= v.age_ms)
			v = (struct age_verdict){ .row = row, .age_ms = age_ms };
	}
	if (youngest_ms != UINT64_MAX && limits->stale_max_ms > 0 && youngest_ms > limits->stale_max_ms)
		v.age = AGE_EXPIRED;
	else if (v.age_ms > limits->stale_after_ms || restored)
		v.age = AGE_STALE;
	return v;
}

int freshness_find_failing(const struct freshness *f, uint64_t mask)
{
	for (; mask != 0; mask &= mask - 1) {
		const int row = __builtin_ctzll(mask);

		if (atomic_load_explicit(&f->rows[row].state, memory_order_relaxed) == REGISTRY_FAILING)
			return row;
	}
	return -1;
}

const char *registry_state_to_text(enum registry_state state)
{
	static const char *const words[] = { "waiting", "ok", "failing" };

	return words[state];
}
