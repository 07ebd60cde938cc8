/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/schedule.h -- when to ask next: pure arithmetic, with no clock and no loop of its own.
 *
 * The random draw is a parameter, so that tests can walk through all of it.
 */
#ifndef PHONEBOOK_FEED_SCHEDULE_H
#define PHONEBOOK_FEED_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

struct schedule {
	uint64_t interval_ms, jitter_ms;
	unsigned failures; /* in a row */
	bool has_place;    /* its own in the interval, drawn from the whole of it */
};

/* The pause after a good round: interval + uniform(0 .. jitter); resets the failures. An answer that stays
 * fresh for longer than the interval (fresh_ms, 0: unknown) is left alone for so long, but for three
 * intervals at most, and then for uniform(0 .. jitter, or a tenth of that if it is more). The first one after
 * a round that was made at once has its place drawn from a whole interval, sooner than all others unless the
 * answer stays fresh: sidecars that started together part. */
uint64_t schedule_after_success(struct schedule *s, uint64_t fresh_ms, struct random *r);

/* The pause after a failed round: uniform(0 .. min(30 s, 0.5 s * 2^failures)), at least 100 ms and, from the
 * second failure on, at least half a second. With an interval above 15 s and data, the second failure and all
 * later ones cost that interval, or 30 s if it is more, and up to a quarter of it. Never below retry_after_ms
 * (0: none was given), which is capped at 5 min and spread by up to a tenth. */
uint64_t schedule_after_failure(struct schedule *s, uint64_t retry_after_ms, struct random *r);

/* The pause after an answer that the same request will get again: as after a failure, but never shorter than
 * after a good round. */
uint64_t schedule_after_refusal(struct schedule *s, struct random *r);

/* The pause in milliseconds between two runs of the same work when more of it is always there: ten times what
 * the last one took, so that it costs a tenth of a core, but 1 s at most: then somebody waits. */
uint64_t schedule_after_work(uint64_t took_us);

/* The pause until an answer of which it is said that it holds for hold_ms has to be asked for again: never
 * longer than after a good round (pause_ms), nor shorter than a second. hold_ms 0: nothing is said. */
uint64_t schedule_before_expiry(uint64_t pause_ms, uint64_t hold_ms);

/* The pause before a resource that was announced as changed is asked for: uniform(0 .. 0.5 s), because all
 * who ask this registry heard of it at the same instant. */
uint64_t schedule_after_hint(struct random *r);

/* The pause before the first round: none without data, somewhere in the interval when old data can be served.
 */
uint64_t schedule_first(struct schedule *s, bool has_data, struct random *r);

/* Work that may come in a burst, but not go on like that: so many at a time, and one more each refill_ms. */
struct bucket {
	uint64_t size, refill_ms;
	uint64_t full_ms; /* when it is full again */
};

/* Takes one; returns how long it has to wait for it, in milliseconds. */
uint64_t bucket_take(struct bucket *b, uint64_t now_ms);

#endif
