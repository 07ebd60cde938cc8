/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/publisher.h -- snapshots in, tables out: which services changed, their new blocks, the hand-over.
 *
 *   believed snapshots --policy_select, compose_service--> blocks --table_builder--> table --> every inbox
 *
 * One for each configuration; a reload makes another and lets the old one go when nobody reads its tables any
 * more. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_PUBLISHER_H
#define PHONEBOOK_FEED_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feed/feeder.h"
#include "feed/home.h"
#include "feed/resolve.h"
#include "model/freshness.h"
#include "model/inbox.h"
#include "model/snapshot.h"
#include "model/table_builder.h"

struct publisher;

/* All borrowed until the publisher is destroyed. */
struct publisher_options {
	const struct feed_options *feed;
	struct snapshot *const
		*snapshots; /* what is believed of each registry, NULL: nothing; kept up to date */
	const struct freshness *freshness;
	struct resolver *resolver;
	const struct home *home; /* NULL: nothing is known of subnets */
	/* Until when what a registry says of a service was true at most; 0: as long as the board says. NULL:
	 * no service is older than its registry. */
	uint64_t (*true_ms)(void *context, unsigned registry, const char *service);
	void *context;
	struct prober *prober;
	struct inbox *const *inboxes;
	size_t n_inboxes;
	const struct publisher
		*previous; /* of the configuration before, or NULL; for publisher_create() only */
};

/* With the zones' own names and all services of the snapshots; nothing is handed over yet. */
int publisher_create(const struct publisher_options *o, struct publisher **ret);

/* Only when no reader is left, or all have acknowledged tables of another publisher. NULL is fine. */
void publisher_destroy(struct publisher *p);

/* Takes in the services in which two snapshots of one registry differ, and notes who has changed. What there
 * is no memory for is taken in at the next publisher_publish(). */
void publisher_update(struct publisher *p, size_t registry, const struct snapshot *before,
		      const struct snapshot *after);

/* Takes in one service again. */
void publisher_update_service(struct publisher *p, const char *service);

/* Takes in all services again that have an instance known by host name. */
void publisher_update_hosts(struct publisher *p);

/* Takes in all services again of which the instances in a subnet of this host are preferred. */
void publisher_update_near(struct publisher *p);

/* Takes in the services again that have instances which have changed too often, and do so no more; to be
 * called when publisher_next_release_ms() says (UINT64_MAX: never). */
void publisher_release(struct publisher *p, uint64_t now_ms);
uint64_t publisher_next_release_ms(const struct publisher *p);

/* Marks as still wanted every host name of every snapshot (feed/resolve.h, sweep). */
void publisher_sweep_hosts(struct publisher *p);

/* Sees which services are asked for, and names their places to the prober. To be called every second. True
 * when there is something to publish. */
bool publisher_look(struct publisher *p);

/* As the prober tells. True when there is something to publish. */
bool publisher_place_changed(struct publisher *p, const struct address *address, uint16_t port,
			     bool is_silent, const char *reason);

void publisher_set_zone_data(struct publisher *p, size_t zone, enum zone_data data);

/* Hands a new table to every inbox if anything changed; false when there is no memory: call again later. */
bool publisher_publish(struct publisher *p);

/* Frees what nobody reads any more; true when nothing is left to free. */
bool publisher_reclaim(struct publisher *p);

/* The generation of the newest table. */
uint64_t publisher_generation(const struct publisher *p);

#endif
