/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/channel.h -- c-ares on the feeder's loop: asks some servers over UDP, repeats what gets lost, and goes
 * over to TCP when an answer was cut.
 *
 *   channel_lookup   the addresses of a host name, from whichever server knows (feed/lookups)
 *   channel_send     a query as it is, and the answer as it came (feed/query)
 *
 * Feeder thread only. It reads no file of the host's: /etc/resolv.conf names ourselves.
 */
#ifndef PHONEBOOK_FEED_CHANNEL_H
#define PHONEBOOK_FEED_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "feed/answers.h"

struct channel;
struct event_base;

enum channel_use {
	CHANNEL_LOOKUPS,  /* a server that fails or refuses is passed over for the next one */
	CHANNEL_MESSAGES, /* whatever a server answers is the answer; up to DNS_EDNS_SIZE over UDP */
};

enum {
	CHANNEL_TRIES = 2, /* with 1 a server that closes a TCP connection fails all UDP queries too */
};

/* A server is given try_ms for its answer, in the second round twice that. The servers are copied. */
int channel_create(struct event_base *loop, enum channel_use use, const struct endpoint *servers, size_t n,
		   uint64_t try_ms, struct channel **ret);

/* Tells all who wait that it failed (-ECANCELED), so never call it from what is called back. NULL is fine. */
void channel_destroy(struct channel *c);

/* False when none of the servers can be asked, or there are none: then neither of the calls below is allowed.
 */
bool channel_has_server(const struct channel *c);

typedef void (*channel_answer_fn)(void *context, const struct answer *answer);

/* Asks for the addresses of one family (AF_INET or AF_INET6). told() is called exactly once, maybe before
 * this returns. */
void channel_lookup(struct channel *c, const char *host, int family, channel_answer_fn told, void *context);

/* The message, or error < 0 (-ETIMEDOUT, -ECONNREFUSED, ...) and none. */
typedef void (*channel_message_fn)(void *context, int error, const uint8_t *message, size_t len);

/* Sends a complete query: ID, one question, and a plain 11-octet OPT at the end, which c-ares cuts off again
 * for a server that refuses it. heard() is called exactly once, maybe before this returns; the answer is one
 * to this ID and question. */
void channel_send(struct channel *c, const uint8_t *query, size_t len, channel_message_fn heard,
		  void *context);

#endif
