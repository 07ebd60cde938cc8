/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/compose.h -- the naming scheme: which owner names a service gives, and what stands at them.
 *
 *   S.Z                 A AAAA SRV      every instance answered
 *   _S._tcp.Z           SRV             RFC 2782; _udp likewise; for services of one label
 *   _S._T.Z             SRV             those with tag T
 *   L.S.Z               A AAAA SRV      those named L, or with tag L
 *   _P._tcp.S.Z         SRV             the port named P
 *   reverse of address  PTR             L.S.Z, or S.Z for an instance without name
 * and the empty names above these. The names that spell an address (10-1-0-7.addr.Z) need no block: the
 * answer is in the question.
 *
 * Feeder thread. Pure.
 */
#ifndef PHONEBOOK_ZONE_COMPOSE_H
#define PHONEBOOK_ZONE_COMPOSE_H

#include <stddef.h>
#include <stdint.h>

#include "model/block.h"
#include "zone/options.h"
#include "zone/policy.h"

/* The block of one service of the zone; its TTL is the zone's or the service's own, or the smallest cap of an
 * instance selected. -ENAMETOOLONG when no name of it fits
 * into 255 octets, -ENOMEM. */
int compose_service(const struct zone_options *z, const char *service, const struct selection *selection,
		    struct block **ret);

/* The block of the zone itself: apex with NS, ns with the addresses we listen on, and the empty names that
 * are always there. -ENAMETOOLONG, -ENOMEM. */
int compose_apex(const struct zone_options *z, const struct address *listen, size_t n_listen,
		 struct block **ret);

#endif
