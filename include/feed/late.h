/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/late.h -- services that could not be asked for while the rest of their registry could.
 *
 *   crew --a part fails, the others do not--> late: its services, and until when they were true
 *
 * A registry is as old as what it needs for all its services. Where each service is asked for by itself, one
 * may be refused, or time out again and again, and would look as young as all the others. So would what was
 * inherited from before a restart or a reload, and has not been heard of since. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_LATE_H
#define PHONEBOOK_FEED_LATE_H

#include <stddef.h>
#include <stdint.h>

#include "feed/crew.h"
#include "model/service.h"

/* One service; kept by the list. */
struct late_service {
	const struct service *service;
	uint64_t true_ms;
};

/* Starts zeroed, embedded in its owner. */
struct late {
	struct late_service *services; /* sorted by name */
	size_t n;
};

/* What is believed although nobody has said it since; services NULL: nothing. Borrowed. */
struct late_inherited {
	const struct snapshot *services;
	uint64_t true_ms; /* it was true until then */
};

/* What was late before a reload is so until it has been heard of. -ENOMEM. */
int late_inherit(struct late *l, const struct late *before);

/* Looks at the crew again, and calls changed() for each service that is late now and was not, the other way
 * round, or since another moment. -ENOMEM: all is as it was. */
int late_update(struct late *l, const struct crew *c, const struct late_inherited *inherited,
		void (*changed)(void *context, const char *service), void *context);

/* Until when what is known of the service was true; 0: it is as young as its registry. */
uint64_t late_true_ms(const struct late *l, const char *service);

void late_finish(struct late *l);

#endif
