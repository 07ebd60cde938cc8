/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/dampers.h -- the flap damping of one zone (zone/damping.h): one for each of its registries, and the
 * log of who is kept out.
 *
 * Only what a registry says after its first word is a change: at that nobody has come, we have. What is
 * believed is what counts, so a registry that fails, or whose answer is held back by the brake, changes
 * nothing. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_DAMPERS_H
#define PHONEBOOK_FEED_DAMPERS_H

#include "feed/feeder.h"
#include "model/snapshot.h"

struct dampers;

/* For a zone of this configuration, whose options are borrowed. What is known of instances of registries with
 * the same name and kind is shared with previous (may be NULL), which learns nothing any more. */
int dampers_create(const struct feed_options *feed, const struct zone_options *z,
		   const struct dampers *previous, struct dampers **ret);

void dampers_destroy(struct dampers *d); /* NULL is fine */

/* Notes one service in which two snapshots of a registry differ. */
void dampers_note(struct dampers *d, size_t registry, const char *service, const struct snapshot *before,
		  const struct snapshot *after, uint64_t now_ms);

bool dampers_is_flapping(const struct dampers *d, const char *service, size_t registry,
			 const struct instance *i);

/* As damping_release(): released() is called for each service that has an instance back. */
void dampers_release(struct dampers *d, uint64_t now_ms, void (*released)(void *context, const char *service),
		     void *context);

/* As damping_next_ms(). */
uint64_t dampers_next_ms(const struct dampers *d);

#endif
