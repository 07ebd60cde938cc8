/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/standing.h -- how an errand is doing, counted in its crew; called by errand.c only.
 *
 *   concluded: has ended a round    spoken: a good one    failing: the last was not    live: would be told of
 * a change
 *
 * Each is a flag of the errand and a number of the crew, which never part.
 */
#ifndef PHONEBOOK_FEED_STANDING_H
#define PHONEBOOK_FEED_STANDING_H

#include "feed/errand.h"

void standing_set_live(struct errand *e, bool live);

/* A round has ended, good or bad. */
void standing_conclude(struct errand *e);

/* What was said was true until now, or was that already a while ago. */
void standing_note_heard(struct errand *e);

void standing_note_failure(struct errand *e);

/* It does not fail any more, and the next failure is the first. */
void standing_recover(struct errand *e);

/* Whatever was under way has ended so. */
void standing_note_broken(struct errand *e, int error);

/* It counts no more. */
void standing_forget(struct errand *e);

#endif
