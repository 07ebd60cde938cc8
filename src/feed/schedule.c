/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/schedule.h"

enum {
	BACKOFF_BASE_MS = 500,  /* a registry that restarts is back within a second or two */
	BACKOFF_CAP_MS = 30000, /* 1,000 sidecars within 30 s are about 33 requests a second: bearable */
	BACKOFF_DOUBLINGS = 6,  /* 0.5 s * 2^6 is the first step above the cap */
	RARE_MS = BACKOFF_CAP_MS / 2, /* polls rarer than this are fewer than tries under that cap */
	RARE_SPREAD = 4, /* a quarter on top: those that fell into step part again within a few tries */
	FIRST_FLOOR_MS =
		100, /* a draw may be close to 0: a lost packet deserves one quick try, an answer some rest */
	LATER_FLOOR_MS = 500,        /* a second failure is no lost packet */
	RETRY_AFTER_MAX_MS = 300000, /* a registry that asks for a day would make us serve yesterday */
	FRESH_INTERVALS_MAX = 3,  /* whoever set the interval wants to know; a cache's guess is only a hint */
	WORK_SHARE = 10,          /* of the time: a tenth of a core is noticed by nobody */
	WORK_PAUSE_MAX_MS = 1000, /* what everybody sees as at once, or nearly */
	EXPIRY_FLOOR_MS =
		1000,  /* a TTL of 0 or 1 is said by those who mean "do not cache", not "ask all day" */
	HINT_MS = 500, /* 1,000 sidecars within it are 2,000 requests a second for a moment; twice as long is
			  felt */
};

/* Uniform in 0 .. max. Jitter beyond 49 days has no use, so 32 bits of randomness are enough. */
static uint64_t draw(struct random *r, uint64_t max)
{
	return random_below(r, max < UINT32_MAX ? (uint32_t)max + 1 : UINT32_MAX);
}

static uint64_t draw_interval(const struct schedule *s, struct random *r)
{
	return s->interval_ms + draw(r, s->jitter_ms);
}

static bool take_place(struct schedule *s)
{
	const bool is_new = !s->has_place;

	s->has_place = true;
	return is_new;
}

static uint64_t draw_place(const struct schedule *s, struct random *r)
{
	const uint64_t pause = draw_interval(s, r), least = pause < FIRST_FLOOR_MS ? pause : FIRST_FLOOR_MS;

	return least + draw(r, pause - least);
}

/* Sidecars that started together part after their first round, or jitter would need many rounds to part them.
 * Behind one cache an answer stops being fresh at the same instant for all who ask: so the draw comes on top.
 */
uint64_t schedule_after_success(struct schedule *s, uint64_t fresh_ms, struct random *r)
{
	const uint64_t most = s->interval_ms * FRESH_INTERVALS_MAX;
	const uint64_t asked = fresh_ms < most ? fresh_ms : most;
	const bool is_first = take_place(s);

	s->failures = 0;
	if (asked <= s->interval_ms)
		return is_first ? draw_place(s, r) : draw_interval(s, r);
	if (is_first)
		return asked + draw(r, s->interval_ms + s->jitter_ms);
	return asked + draw(r, s->jitter_ms > asked / 10 ? s->jitter_ms : asked / 10);
}

struct range {
	uint64_t least, most;
};

/* One quick try, then about as often as it is polled, each sidecar in its own place: a fleet that doubles its
 * pauses from half a second asks several times as often as when all is well, and a registry that is back
 * meets all of that at once. But who has no data yet has to try. */
static struct range range_of_rare(const struct schedule *s)
{
	const uint64_t least = s->interval_ms < BACKOFF_CAP_MS ? s->interval_ms : BACKOFF_CAP_MS;

	return (struct range){ least, least + least / RARE_SPREAD };
}

static struct range range_of_backoff(const struct schedule *s)
{
	const unsigned doublings = s->failures < BACKOFF_DOUBLINGS ? s->failures : BACKOFF_DOUBLINGS;
	const uint64_t grown = (uint64_t)BACKOFF_BASE_MS << doublings;

	if (s->failures > 0 && s->has_place && s->interval_ms > RARE_MS)
		return range_of_rare(s);
	return (struct range){ s->failures == 0 ? FIRST_FLOOR_MS : LATER_FLOOR_MS,
			       grown < BACKOFF_CAP_MS ? grown : BACKOFF_CAP_MS };
}

/* Drawn between floor and ceiling rather than raised to the floor: raising would put half of all second tries
 * on the same instant, and that is the herd that jitter is there to break up. */
static uint64_t draw_backoff(const struct schedule *s, struct random *r)
{
	const struct range range = range_of_backoff(s);

	return range.least + draw(r, range.most - range.least);
}

uint64_t schedule_after_failure(struct schedule *s, uint64_t retry_after_ms, struct random *r)
{
	uint64_t pause = draw_backoff(s, r);

	if (s->failures < UINT32_MAX)
		s->failures++;
	if (retry_after_ms == 0)
		return pause;

	const uint64_t asked = retry_after_ms < RETRY_AFTER_MAX_MS ? retry_after_ms : RETRY_AFTER_MAX_MS;
	const uint64_t spread = asked + draw(r, asked / 10);

	return spread > pause ? spread : pause;
}

uint64_t schedule_after_refusal(struct schedule *s, struct random *r)
{
	const uint64_t regular = draw_interval(s, r), pause = schedule_after_failure(s, 0, r);

	return pause > regular ? pause : regular;
}

/* Rounded up: work of less than a tenth of a millisecond may come often. */
uint64_t schedule_after_work(uint64_t took_us)
{
	const uint64_t most_us = (uint64_t)WORK_PAUSE_MAX_MS * 1000;

	return took_us < most_us / WORK_SHARE ? (took_us * WORK_SHARE + 999) / 1000 : WORK_PAUSE_MAX_MS;
}

uint64_t schedule_first(struct schedule *s, bool has_data, struct random *r)
{
	s->has_place = has_data;
	return has_data ? draw(r, s->interval_ms) : 0;
}

uint64_t schedule_before_expiry(uint64_t pause_ms, uint64_t hold_ms)
{
	const uint64_t expiry_ms = hold_ms > EXPIRY_FLOOR_MS ? hold_ms : EXPIRY_FLOOR_MS;

	return hold_ms > 0 && expiry_ms < pause_ms ? expiry_ms : pause_ms;
}

uint64_t schedule_after_hint(struct random *r)
{
	return draw(r, HINT_MS);
}

/* The virtual scheduling form of the algorithm: one number says how full it is. */
uint64_t bucket_take(struct bucket *b, uint64_t now_ms)
{
	const uint64_t full_ms = b->full_ms > now_ms ? b->full_ms : now_ms;
	const uint64_t depth_ms = b->size * b->refill_ms;

	b->full_ms = full_ms + b->refill_ms;
	return b->full_ms - now_ms > depth_ms ? b->full_ms - now_ms - depth_ms : 0;
}
