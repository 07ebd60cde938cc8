/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/crew.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "feed/errand.h"
#include "model/freshness.h"

enum {
	/* Requests of one registry at a time, but for those the server holds: a few keep a fast one busy, and
	 * a slow one must not hold hundreds of connections. */
	RUNNING_MAX = 16,

	/* A registry with a thousand services is asked for all of them in a second, not in an instant. */
	STARTS_SIZE = 200,
	STARTS_REFILL_MS = 1,
};

/* --- requests at a time --- */

static void leave_queue(struct errand *e)
{
	if (e->is_queued)
		TAILQ_REMOVE(&e->crew->queue, e, queue);
	e->is_queued = false;
}

/* Whoever waits first tries again; should there be no room after all, it waits on. It may take no place, and
 * then never leaves one: so whoever was let in wakes the next. */
void crew_wake(struct crew *c)
{
	struct errand *next = TAILQ_FIRST(&c->queue);

	if (next == NULL || c->n_running >= RUNNING_MAX)
		return;
	leave_queue(next);
	errand_arm(next, 0);
}

bool crew_admit(struct errand *e)
{
	struct crew *c = e->crew;

	if (!e->has_start) {
		const uint64_t wait_ms = bucket_take(&c->starts, clock_ms());

		e->has_start = true;
		if (wait_ms > 0) {
			errand_arm(e, wait_ms);
			return false;
		}
	}
	if (c->n_running >= RUNNING_MAX) {
		TAILQ_INSERT_TAIL(&c->queue, e, queue);
		e->is_queued = true;
		return false;
	}
	return true;
}

void crew_enter(struct errand *e)
{
	e->is_running = true;
	e->crew->n_running++;
}

void crew_leave(struct errand *e)
{
	if (!e->is_running)
		return;
	e->is_running = false;
	e->crew->n_running--;
	crew_wake(e->crew);
}

/* --- life --- */

void crew_init(struct crew *c, const struct crew_options *o)
{
	*c = (struct crew){ .o = *o, .starts = { .size = STARTS_SIZE, .refill_ms = STARTS_REFILL_MS } };
	TAILQ_INIT(&c->all);
	TAILQ_INIT(&c->queue);
}

int crew_start(struct crew *c, struct resource *res, bool first)
{
	struct errand *e = errand_create(c, res);

	if (e == NULL)
		return -ENOMEM;
	res->runner = e;
	TAILQ_INSERT_TAIL(&c->all, e, link);
	c->n++;
	c->n_vital += res->vital;
	errand_arm(e, schedule_first(&e->schedule, first && c->o.has_data, c->o.random));
	return 0;
}

void crew_stop(struct crew *c, struct resource *res)
{
	struct errand *e = res->runner;

	if (e == NULL)
		return;
	assert(c->reading != e);
	leave_queue(e);
	TAILQ_REMOVE(&c->all, e, link);
	c->n--;
	c->n_vital -= res->vital;
	errand_destroy(e);
	ledger_drop(c->o.ledger, &res->part);
	res->runner = NULL;
	crew_wake(c); /* it may have been woken itself and not have run yet */
}

/* One that fails has a pause of its own. */
void crew_hasten(struct crew *c, struct resource *res)
{
	struct errand *e = res->runner;
	const uint64_t wait_ms = schedule_after_hint(c->o.random);

	if (e != NULL && !e->is_asking && !e->is_queued && !e->has_start && !e->is_failing &&
	    errand_is_after(e, clock_ms() + wait_ms))
		errand_arm(e, wait_ms);
}

/* Spread as far as a hint to one is. One that waits at the server by intention goes on doing so: it would be
 * told. */
void crew_hasten_all(struct crew *c)
{
	struct errand *e;

	TAILQ_FOREACH(e, &c->all, link)
	{
		const uint64_t wait_ms = schedule_after_hint(c->o.random);

		if (!e->is_asking && !e->is_queued && !e->has_start &&
		    errand_is_after(e, clock_ms() + wait_ms))
			errand_arm(e, wait_ms);
	}
}

void crew_finish(struct crew *c)
{
	while (!TAILQ_EMPTY(&c->all))
		crew_stop(c, TAILQ_FIRST(&c->all)->resource);
}

bool crew_has_spoken(const struct crew *c)
{
	const struct errand *e;

	if (c->n_vital == 0)
		return c->n_spoken > 0;
	TAILQ_FOREACH(e, &c->all, link)
	{
		if (e->resource->vital && e->has_spoken)
			return true;
	}
	return false;
}

bool crew_is_complete(const struct crew *c)
{
	const struct errand *e;

	TAILQ_FOREACH(e, &c->all, link)
	{
		if (e->resource->vital && !e->has_spoken)
			return false;
	}
	return true;
}

/* The oldest of those that matter; where none does by itself, the youngest of all. */
uint64_t crew_true_until(const struct crew *c)
{
	uint64_t oldest_ms = FRESHNESS_NOW;
	size_t n = 0;
	const struct errand *e;

	if (c->n_vital == 0)
		return c->n_live > 0 || c->n == 0 ? FRESHNESS_NOW : c->heard_ms;
	TAILQ_FOREACH(e, &c->all, link)
	{
		if (!e->resource->vital || !e->has_spoken)
			continue;
		n++;
		if (!e->is_live && e->heard_ms < oldest_ms)
			oldest_ms = e->heard_ms;
	}
	return n > 0 ? oldest_ms : 0;
}

const char *crew_position(const struct crew *c)
{
	const char *position = "";
	const struct errand *e;

	TAILQ_FOREACH(e, &c->all, link)
	{
		if (e->resource->position[0] == '\0')
			continue;
		if (e->resource->vital)
			return e->resource->position;
		position = e->resource->position;
	}
	return position;
}
