/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/errand.h -- one resource at work; shared by crew.c and errand.c only.
 *
 *   timer, change of a file, hasten --> ask() --> request --> read() --+--> round complete: pause, or at once
 *                                         ^                            +--> failed: back-off
 *                                         +-------- next page ---------+
 *
 * At any time one of these is pending, or it would never be asked for again: the timer, a request, a place in
 * the queue of the crew; or it is not polled and its files are watched.
 */
#ifndef PHONEBOOK_FEED_ERRAND_H
#define PHONEBOOK_FEED_ERRAND_H

#include "feed/crew.h"
#include "feed/schedule.h"

struct event;
struct file_reader;

struct errand {
	TAILQ_ENTRY(errand) link, queue;
	struct crew *crew;
	struct resource *resource;
	struct schedule schedule;
	struct bucket again;
	struct event *timer;
	uint64_t due_ms; /* when the timer runs out */

	bool is_queued, has_start, is_asking, is_running;
	bool has_quit; /* the kind wants no more of it */
	struct fetch_request request;
	struct fetch *fetch;
	struct query *query;
	struct file_reader *reader;
	bool is_partial;     /* this round is about files that changed, not about all */
	uint64_t look_ms;    /* when all of them are due */
	unsigned n_requests; /* in this round */
	/* Of this round: the longest a server asked to be left alone for, and the longest its answers stay
	 * fresh. */
	uint64_t retry_after_ms, fresh_for_ms;
	bool refused;       /* by a server that would do so again */
	unsigned n_refused; /* rounds in a row that ended so */
	uint64_t asked_ms;  /* the last request */
	uint64_t heard_ms;  /* the last good round */
	bool is_concluded, has_spoken, is_failing, is_live;
};

/* One that nobody has told anything yet; NULL when there is no memory. */
struct errand *errand_create(struct crew *c, struct resource *res);

/* Ends whatever is under way. */
void errand_destroy(struct errand *e);

/* Its next round begins in so long, whatever was planned before. */
void errand_arm(struct errand *e, uint64_t ms);

/* Whether its next round begins after that moment, if it begins by itself at all. */
bool errand_is_after(const struct errand *e, uint64_t ms);

/* crew.c: whether it may start a round now; if not, it has been seen to that it will. */
bool crew_admit(struct errand *e);

/* crew.c: it has, or has no more, one of the requests that are possible at a time. */
void crew_enter(struct errand *e);
void crew_leave(struct errand *e);

/* crew.c: if there is room for one more of those that wait, the first of them tries again. */
void crew_wake(struct crew *c);

#endif
