/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/asked.h -- which of the services that may be probed are asked for, and who has which place.
 *
 *   blocks' marks --asked_look--> services asked for of late --their places--> prober
 *   prober: this place has changed --asked_find--> services to be composed again
 *
 * Part of the publisher. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_ASKED_H
#define PHONEBOOK_FEED_ASKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/address.h"
#include "model/block.h"

/* Part of what is kept of a service. */
struct asked_service {
	TAILQ_ENTRY(asked_service) link;
	const struct block *block; /* NULL: it is not to be probed, and not in the list */
	bool is_asked;             /* somebody has asked for it of late */
	bool is_new;               /* nobody had before; until its places are named */
	bool is_due;               /* to be composed again: what is known of its places has changed */
};

struct asked_place {
	struct address address;
	uint16_t port;
	struct asked_service *service;
};

struct asked {
	TAILQ_HEAD(, asked_service) services; /* those longest known first, as the prober prefers them */
	struct asked_place *places;           /* of those asked for, sorted */
	size_t n_places, places_size;
	bool is_stale; /* other services are asked for, or they have other instances, than places tells */
	bool has_due;
};

void asked_init(struct asked *a);
void asked_finish(struct asked *a);

/* The service has another block now, NULL: none. */
void asked_set(struct asked *a, struct asked_service *s, const struct block *block);

/* Sees who has been asked for within idle_ms. Services for which that is not as before become due if they may
 * be composed otherwise now (any_silent). */
void asked_look(struct asked *a, uint64_t now_ms, uint64_t idle_ms, bool any_silent);

/* Between these two all places of the services asked for are added. Without memory some are not, and they are
 * stale again. */
void asked_begin(struct asked *a);
void asked_add(struct asked *a, const struct address *address, uint16_t port, struct asked_service *s);
void asked_end(struct asked *a);

/* The services that have the place: their number. They become due; so do all when the places are stale. */
size_t asked_find(struct asked *a, const struct address *address, uint16_t port,
		  const struct asked_place **ret);

#endif
