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

/* The pause after a good round: interval + uniform(0 .. jitter); resets the failures. */
uint64_t schedule_after_success(struct schedule *s, struct random *r);

/* The pause after a failed round: uniform(0 .. min(30 s, 0.5 s * 2^failures)), at least 100 ms and, from the
 * second failure on, at least half a second; never below retry_after_ms (0: none was given), which is capped
 * at 5 min and spread by up to a tenth. */
uint64_t schedule_after_failure(struct schedule *s, uint64_t retry_after_ms, struct random *r);

/* The pause before the first round: none without data, somewhere in the interval when old data can be served.
 */
uint64_t schedule_first(const struct schedule *s, bool has_data, struct random *r);

#endif
