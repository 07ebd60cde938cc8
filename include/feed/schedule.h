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
};

/* The pause after a good round: interval + uniform(0 .. jitter); resets the failures. An answer that stays
 * fresh for longer than the interval (fresh_ms, 0: unknown) is left alone for so long, but for three
 * intervals at most, and then for uniform(0 .. jitter, or a tenth of that if it is more). */
uint64_t schedule_after_success(struct schedule *s, uint64_t fresh_ms, struct random *r);

/* The pause after a failed round: uniform(0 .. min(30 s, 0.5 s * 2^failures)), at least 100 ms and, from the
 * second failure on, at least half a second; never below retry_after_ms (0: none was given), which is capped
 * at 5 min and spread by up to a tenth. */
uint64_t schedule_after_failure(struct schedule *s, uint64_t retry_after_ms, struct random *r);

/* The pause after an answer that the same request will get again: as after a failure, but never shorter than
 * after a good round. */
uint64_t schedule_after_refusal(struct schedule *s, struct random *r);

/* The pause between two runs of the same work when more of it is always there: ten times what the last one
 * took, so that it costs a tenth of a core, but 1 s at most: then somebody waits. */
uint64_t schedule_after_work(uint64_t took_ms);

/* The pause before the first round: none without data, somewhere in the interval when old data can be served.
 */
uint64_t schedule_first(const struct schedule *s, bool has_data, struct random *r);

#endif
