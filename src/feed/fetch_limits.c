/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/fetch_limits.h"

struct due {
	enum limit limit;
	uint64_t at_ms;
};

static struct due of_phase(const struct limits *l, const struct progress *p)
{
	if (p->connected_ms == 0)
		return (struct due){ LIMIT_CONNECT, p->started_ms + l->connect_ms };
	if (p->heard_ms == 0 && l->first_ms > 0)
		return (struct due){ LIMIT_FIRST, p->connected_ms + l->first_ms };
	if (p->heard_ms != 0 && l->silence_ms > 0)
		return (struct due){ LIMIT_SILENCE, p->heard_ms + l->silence_ms };
	return (struct due){ LIMIT_NONE, UINT64_MAX };
}

static void shorten(uint64_t *wait_ms, uint64_t limit_ms)
{
	if (limit_ms > 0 && limit_ms < *wait_ms)
		*wait_ms = limit_ms;
}

enum limit limits_check(const struct limits *l, const struct progress *p, uint64_t now_ms,
			uint64_t *ret_wait_ms)
{
	const struct due life = { LIMIT_LIFE, p->started_ms + l->life_ms };
	struct due due = of_phase(l, p);

	if (life.at_ms <= due.at_ms)
		due = life;
	if (now_ms >= due.at_ms)
		return due.limit;

	uint64_t wait_ms = due.at_ms - now_ms;
	/* The next phase may begin at any time, and its limit may be shorter than what is left of this one.
	 */
	if (p->connected_ms == 0)
		shorten(&wait_ms, l->first_ms);
	if (p->heard_ms == 0)
		shorten(&wait_ms, l->silence_ms);
	*ret_wait_ms = wait_ms;
	return LIMIT_NONE;
}
