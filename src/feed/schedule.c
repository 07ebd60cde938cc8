/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/schedule.h"

enum {
	BACKOFF_BASE_MS = 500,  /* a registry that restarts is back within a second or two */
	BACKOFF_CAP_MS = 30000, /* 1,000 sidecars within 30 s are about 33 requests a second: bearable */
	BACKOFF_DOUBLINGS = 6,  /* 0.5 s * 2^6 is the first step above the cap */
	FIRST_FLOOR_MS = 100,   /* full jitter may draw close to 0: a lost packet deserves one quick try */
	LATER_FLOOR_MS = 500,   /* a second failure is no lost packet */
	RETRY_AFTER_MAX_MS = 300000, /* a registry that asks for a day would make us serve yesterday */
};

/* Uniform in 0 .. max. Jitter beyond 49 days has no use, so 32 bits of randomness are enough. */
static uint64_t draw(struct random *r, uint64_t max)
{
	return random_below(r, max < UINT32_MAX ? (uint32_t)max + 1 : UINT32_MAX);
}

uint64_t schedule_after_success(struct schedule *s, struct random *r)
{
	s->failures = 0;
	return s->interval_ms + draw(r, s->jitter_ms);
}

/* Drawn between floor and ceiling rather than raised to the floor: raising would put half of all second tries
 * on the same instant, and that is the herd that jitter is there to break up. */
static uint64_t draw_backoff(unsigned failures, struct random *r)
{
	const unsigned doublings = failures < BACKOFF_DOUBLINGS ? failures : BACKOFF_DOUBLINGS;
	const uint64_t grown = (uint64_t)BACKOFF_BASE_MS << doublings;
	const uint64_t ceiling = grown < BACKOFF_CAP_MS ? grown : BACKOFF_CAP_MS;
	const uint64_t floor = failures == 0 ? FIRST_FLOOR_MS : LATER_FLOOR_MS;

	return floor + draw(r, ceiling - floor);
}

uint64_t schedule_after_failure(struct schedule *s, uint64_t retry_after_ms, struct random *r)
{
	uint64_t pause = draw_backoff(s->failures, r);

	if (s->failures < UINT32_MAX)
		s->failures++;
	if (retry_after_ms == 0)
		return pause;

	const uint64_t asked = retry_after_ms < RETRY_AFTER_MAX_MS ? retry_after_ms : RETRY_AFTER_MAX_MS;
	const uint64_t spread = asked + draw(r, asked / 10);

	return spread > pause ? spread : pause;
}

uint64_t schedule_first(const struct schedule *s, bool has_data, struct random *r)
{
	return has_data ? draw(r, s->interval_ms) : 0;
}
