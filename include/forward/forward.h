/* SPDX-License-Identifier: BSD-2-Clause */
/* forward/forward.h -- every name that is not ours, asked of the host's real resolvers.
 *
 *   client's query --> job (its ID, question, OPT, limit, return address) --> upstream with an ID of our own
 *   upstream's answer --> ID, question, OPT and size put right --> deliver()
 *
 * One forwarder per serving thread, on that thread's loop; nothing is shared. The pool of jobs is fixed: when
 * it is empty the answer is SERVFAIL at once, so that nobody's queue grows.
 */
#ifndef PHONEBOOK_FORWARD_FORWARD_H
#define PHONEBOOK_FORWARD_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "model/counters.h"
#include "wire/message.h"

struct event_base;
struct forwarder;

enum {
	FORWARD_UPSTREAMS_MAX = 8,
	FORWARD_JOBS_MAX = 8192, /* more than the channels to one upstream carry */
};

/* What to ask whom. Plain data: copy it freely. */
struct forward_options {
	struct endpoint upstreams[FORWARD_UPSTREAMS_MAX];
	size_t n_upstreams;   /* 0: names that are not ours are refused */
	uint64_t try_ms;      /* patience with one upstream before the next one is asked too; 1,500 */
	uint64_t deadline_ms; /* of the whole query: below the 5 s of both libcs; 4,000 */

	/* Queries at a time; what a forwarder was created with stays. With all upstreams silent a job lives
	 * for the deadline: the default of 1,024 carries 256 queries a second then, and answers of 10 ms
	 * carry 100,000. More would only make a longer queue of the dead. */
	unsigned jobs;
};

/* Where an answer goes: a datagram socket and a peer, or a TCP connection. */
struct return_address {
	void *connection;     /* NULL: UDP */
	int socket;           /* UDP */
	struct endpoint peer; /* UDP */
};

/* Sends a finished message; len octets, to be copied or sent before it returns. It may call forward_query()
 * and forward_forget(), never forwarder_destroy(). */
typedef void (*deliver_fn)(void *context, const struct return_address *to, const uint8_t *message,
			   size_t len);

/* Counts in row, borrowed until the end; NULL: nowhere. */
int forwarder_create(struct event_base *loop, const struct forward_options *o, struct counter_row *row,
		     deliver_fn deliver, void *context, struct forwarder **ret);

/* Drops all jobs without delivering. NULL is fine. */
void forwarder_destroy(struct forwarder *f);

/* Uses other upstreams from now on; queries in flight are finished with the old ones. */
int forwarder_reload(struct forwarder *f, const struct forward_options *o);

/* Asks the upstreams; deliver() is called exactly once, maybe before this returns: an answer of at most limit
 * octets, cut with TC if need be, or by the deadline SERVFAIL with an EDE that says why (0, 22, 23, 24), or
 * REFUSED with EDE 20 without upstreams. */
void forward_query(struct forwarder *f, const struct query *q, size_t limit, const struct return_address *to);

/* The connection is gone: answers for it fall on the floor. */
void forward_forget(struct forwarder *f, const void *connection);

/* Queries without an answer so far. */
size_t forward_pending(const struct forwarder *f);

#endif
