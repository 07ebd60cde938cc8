/* SPDX-License-Identifier: BSD-2-Clause */
/* server/dispatch.h -- what becomes of a message: dropped, answered now, or answered later.
 *
 *   octets --> verdict --> ours: zone/answer --> reply
 *                          not ours: forward/forward --> deliver() later
 *                          ours, nothing heard yet: server/hold --> asked again with a newer table
 *                          a stranger's: refused
 *
 * One dispatcher a serving thread, shared by its UDP and TCP sockets.
 */
#ifndef PHONEBOOK_SERVER_DISPATCH_H
#define PHONEBOOK_SERVER_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "forward/forward.h"
#include "model/counters.h"
#include "model/table.h"
#include "server/guests.h"
#include "server/hold.h"
#include "zone/answer.h"

enum {
	/* On loopback nothing fragments, but clients announce up to 65,508 octets, and a datagram that large
	 * is lost more easily than TCP is slow. */
	UDP_REPLY_OCTETS_MAX = 4096,
};

struct dispatcher {
	const struct table *table; /* taken from the inbox at the start of a loop turn */
	struct answerer *answerer;
	struct forwarder *forwarder;
	struct hold *hold;
	struct guests guests;
	struct counter_row *row;         /* of this thread; NULL: nothing is counted */
	const struct counters *counters; /* of all, for those who ask; NULL: none */
};

/* Whether a query can still wait for the registry that may know its name. */
enum patience {
	PATIENCE_NEW,     /* it has just come in */
	PATIENCE_HELD,    /* it waits in the hold and stays there if need be */
	PATIENCE_USED_UP, /* it gets what answer there is */
};

/* A message as it came in. */
struct arrival {
	const uint8_t *octets;
	size_t len;
	const struct return_address *from; /* a connection: it came over TCP */
	uint64_t now_ms;
	enum patience patience;
	bool stranger; /* whoever sent it is to be refused */
};

enum dispatch {
	DISPATCH_DROP,
	DISPATCH_REPLY, /* the reply is written */
	DISPATCH_LATER, /* forwarded: the answer is or will be delivered */
	DISPATCH_HELD,  /* in the hold, which asks again */
};

/* Decides; the reply, at most size octets (DNS_MESSAGE_OCTETS_MAX for TCP, UDP_REPLY_OCTETS_MAX for UDP), is
 * written to reply and its length to ret with DISPATCH_REPLY. */
enum dispatch dispatch_query(struct dispatcher *d, const struct arrival *a, uint8_t *reply, size_t size,
			     size_t *ret);

#endif
