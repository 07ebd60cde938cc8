/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/silence.h"

#include <limits.h>

void silence_try(struct silence *s, uint64_t now_ms, uint64_t heard_ms)
{
	s->tried_ms = now_ms;
	s->others_heard = s->failures > 0 && heard_ms > s->failing_ms;
}

enum silence_change silence_connected(struct silence *s, unsigned up)
{
	s->failures = 0;
	if (s->connections < UINT_MAX)
		s->connections++;
	if (s->since_ms == 0 || s->connections < up)
		return SILENCE_AS_BEFORE;
	s->since_ms = 0;
	return SILENCE_ENDS;
}

enum silence_change silence_failed(struct silence *s, unsigned down, bool needs_witness)
{
	s->connections = 0;
	if (s->failures == 0)
		s->failing_ms = s->tried_ms;
	if (s->failures < UINT_MAX)
		s->failures++;
	if (s->since_ms > 0 || s->failures < down)
		return SILENCE_AS_BEFORE;
	if (needs_witness && !s->others_heard)
		return SILENCE_HELD_BACK;
	s->since_ms = s->tried_ms;
	return SILENCE_BEGINS;
}

/* Whoever still waits for a witness after twice as many failures waits at the usual pace: the network may be
 * away for hours. */
bool silence_is_in_doubt(const struct silence *s, unsigned down)
{
	return s->since_ms > 0 ? s->connections > 0 : s->failures > 0 && s->failures < 2 * down;
}
