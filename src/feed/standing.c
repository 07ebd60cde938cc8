/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/standing.h"

#include <errno.h>

#include "base/clock.h"

enum {
	/* A connection that was held for so long was one, and what was known held until it broke. */
	HELD_MIN_MS = 1000,
};

static void set_flag(bool *flag, bool value, size_t *count)
{
	*count += value;
	*count -= *flag;
	*flag = value;
}

/* What was said was true until then. */
static void set_heard(struct errand *e, uint64_t heard_ms)
{
	e->heard_ms = heard_ms;
	if (heard_ms > e->crew->heard_ms)
		e->crew->heard_ms = heard_ms;
}

void standing_set_live(struct errand *e, bool live)
{
	set_flag(&e->is_live, live, &e->crew->n_live);
}

void standing_conclude(struct errand *e)
{
	set_flag(&e->is_concluded, true, &e->crew->n_concluded);
}

void standing_note_heard(struct errand *e)
{
	const uint64_t now_ms = clock_ms(), lag_ms = e->resource->lag_ms;

	set_heard(e, now_ms > lag_ms ? now_ms - lag_ms : 0);
	set_flag(&e->has_spoken, true, &e->crew->n_spoken);
}

void standing_note_failure(struct errand *e)
{
	set_flag(&e->is_failing, true, &e->crew->n_failing);
}

void standing_recover(struct errand *e)
{
	e->schedule.failures = e->n_refused = 0;
	set_flag(&e->is_failing, false, &e->crew->n_failing);
}

/* What a request ends with that found nobody there, or nobody any more. */
static bool is_silence(int error)
{
	return error == -ETIMEDOUT || error == -EHOSTUNREACH || error == -ENETUNREACH ||
	       error == -ECONNREFUSED;
}

/* A registry that kept us waiting until it hung up would have told of a change until then; of one that fell
 * silent nobody knows. */
void standing_note_broken(struct errand *e, int error)
{
	const uint64_t now_ms = clock_ms();

	if (e->is_live && now_ms - e->asked_ms >= HELD_MIN_MS && !is_silence(error))
		set_heard(e, now_ms);
	standing_set_live(e, false);
}

void standing_forget(struct errand *e)
{
	struct crew *c = e->crew;

	standing_set_live(e, false);
	set_flag(&e->is_concluded, false, &c->n_concluded);
	set_flag(&e->has_spoken, false, &c->n_spoken);
	set_flag(&e->is_failing, false, &c->n_failing);
}
