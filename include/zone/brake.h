/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/brake.h -- what of a sudden loss is believed.
 *
 *   accepted (answered now) + fresh (just heard) --brake_judge--> what is answered from here on
 *
 * A registry can be wrong with a perfectly good answer: a token without rights, a replica that has just
 * started, a cache. So an answer that takes all instances of a service away, or more than half of four or
 * more, is held back until a second complete answer says the same, or for a time that the administrator sets.
 * Feeder thread. Pure.
 */
#ifndef PHONEBOOK_ZONE_BRAKE_H
#define PHONEBOOK_ZONE_BRAKE_H

#include <stddef.h>
#include <stdint.h>

#include "model/snapshot.h"

/* How long a loss of this service is held back, in milliseconds; 0: not at all. */
typedef uint64_t (*brake_limit_fn)(void *context, const char *service);

struct brake_case {
	struct snapshot *accepted; /* NULL: nothing so far, everything is believed */
	struct snapshot *fresh;
	const struct snapshot
		*before;    /* the complete answer before fresh, if something of it was held; or NULL */
	uint64_t waited_ms; /* since fresh was first heard */
	brake_limit_fn limit;
	void *context;
};

struct brake_verdict {
	struct snapshot *believed; /* the caller is a user: fresh itself if nothing is held, else without its
				      remarks */
	size_t held;               /* services whose loss is held back */
	uint64_t next_ms;          /* with held > 0: judge again after so long, if nothing else is heard */
};

/* -ENOMEM on failure. */
int brake_judge(const struct brake_case *c, struct brake_verdict *ret);

#endif
