/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/brake.h -- what of a sudden loss is believed.
 *
 *   accepted (answered now) + fresh (just heard) --brake_judge--> what is answered from here on
 *
 * A registry can be wrong with a perfectly good answer: a token without rights, a replica that has just
 * started, a cache. So what takes all instances of a service away, or more than half of four or more, is held
 * back until it is certain, or for a time that the administrator sets. Each service waits for itself: what
 * happens to others meanwhile neither extends nor shortens that. Feeder thread; no clock, no I/O.
 */
#ifndef PHONEBOOK_ZONE_BRAKE_H
#define PHONEBOOK_ZONE_BRAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/snapshot.h"

/* How long a loss of this service is held back, in milliseconds; 0: not at all. */
typedef uint64_t (*brake_limit_fn)(void *context, const char *service);

/* Remembers which services of one registry are held back, and since when. */
struct brake;

struct brake *brake_create(void);    /* NULL when there is no memory */
void brake_destroy(struct brake *b); /* NULL is fine */

struct brake_case {
	const struct snapshot *accepted; /* NULL: nothing so far, everything is believed */
	struct snapshot *fresh;
	uint64_t now_ms;
	brake_limit_fn limit;
	/* Whether fresh is beyond doubt about this service; NULL: never. */
	bool (*is_certain)(void *context, const char *service);
	void *context; /* of both */
};

struct brake_verdict {
	struct snapshot *believed; /* the caller is a user: fresh itself, but for the services held back */
	size_t held;               /* services whose loss is held back */
	uint64_t next_ms;          /* with held > 0: judge again after so long, if nothing else is heard */
};

/* Only services in which the two differ are looked at. -ENOMEM: nothing is believed yet, to be judged again;
 * no service waits longer for it. */
int brake_judge(struct brake *b, const struct brake_case *c, struct brake_verdict *ret);

#endif
