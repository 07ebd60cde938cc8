/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/damping.h -- instances that come, go or change their health all the time.
 *
 *   what was believed before and after --damping_note--> changes of each instance --> kept out, or not
 *
 * An instance that crashes at every start passes its checks for some seconds again and again. Whoever changes
 * more than a limit within a window is kept out until it has been good for a while. One for each registry of
 * each zone: what one registry says of an instance all the time is no reason to distrust another that decides
 * about it. Only services that have a limit are remembered, and only for as long as it matters. Feeder
 * thread; the time is a parameter, no I/O.
 */
#ifndef PHONEBOOK_ZONE_DAMPING_H
#define PHONEBOOK_ZONE_DAMPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/service.h"
#include "zone/options.h"

enum {
	DAMPING_INSTANCES_MAX = 65536, /* remembered at once; changes of others are not noted meanwhile */
};

struct damping;

/* An instance is kept out from now on, or not any more; it is told as it was at some moment. */
typedef void damping_tell(void *context, const char *service, const struct instance *place);

/* NULL when there is no memory. The caller is the first user. */
struct damping *damping_create(void);

/* One more user; returns d. What is known of instances outlives a reload. */
struct damping *damping_keep(struct damping *d);

/* One user less; the last one frees it. NULL is fine. */
void damping_destroy(struct damping *d);

/* The service is another one from now on; NULL: it was not, or is not, there. Instances are known by where
 * they are. Calls begun() for each that is kept out from now on. Without memory nothing is noted. */
void damping_note(struct damping *d, const char *name, const struct service *before,
		  const struct service *after, const struct answer_options *o, uint64_t now_ms,
		  damping_tell *begun, void *context);

bool damping_is_flapping(const struct damping *d, const char *name, const struct instance *i);

/* Calls released() for each instance that is kept out no more: it has been good for as long as it should, or
 * has not changed for so long that nothing of it is remembered. To be called when damping_next_ms() says. */
void damping_release(struct damping *d, uint64_t now_ms, damping_tell *released, void *context);

/* When damping_release() has something to do next, or somewhat before; UINT64_MAX: never. */
uint64_t damping_next_ms(const struct damping *d);

/* Instances kept out now. */
size_t damping_count(const struct damping *d);

#endif
