/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/damping.h -- instances that come, go or change their health all the time.
 *
 *   what was believed before and after --damping_note--> changes of each instance --> kept out, or not
 *
 * An instance that crashes at every start passes its checks for some seconds again and again. Whoever changes
 * more than a limit within a window is kept out until it has been good for a while. One for each zone; only
 * services that have a limit are remembered. Feeder thread; the time is a parameter, no I/O.
 */
#ifndef PHONEBOOK_ZONE_DAMPING_H
#define PHONEBOOK_ZONE_DAMPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/service.h"
#include "zone/options.h"

struct damping;

struct damping *damping_create(void);    /* NULL when there is no memory */
void damping_destroy(struct damping *d); /* NULL is fine */

/* The service is another one from now on; NULL: it was not, or is not, there. Instances are known by where
 * they are. Without memory nothing is noted. */
void damping_note(struct damping *d, const char *name, const struct service *before,
		  const struct service *after, const struct answer_options *o, uint64_t now_ms);

bool damping_is_flapping(const struct damping *d, const char *name, const struct instance *i);

/* Calls released() for each service of which an instance is kept out no more, and forgets what is too old to
 * count. To be called when damping_next_ms() says. */
void damping_release(struct damping *d, uint64_t now_ms, void (*released)(void *context, const char *name),
		     void *context);

/* When damping_release() has something to do next; UINT64_MAX: never. */
uint64_t damping_next_ms(const struct damping *d);

/* Instances kept out now. */
size_t damping_count(const struct damping *d);

#endif
