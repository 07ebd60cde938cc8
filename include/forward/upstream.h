/* SPDX-License-Identifier: BSD-2-Clause */
/* forward/upstream.h -- one upstream resolver: a handful of c-ares channels on a serving thread's loop.
 *
 * Several channels give several source ports (RFC 5452 section 9.2) and keep a broken TCP connection from
 * moving all queries in flight. UDP first, TCP when the answer is cut, a second try on loss. The library
 * writes to TCP connections that may be gone: the process ignores SIGPIPE.
 */
#ifndef PHONEBOOK_FORWARD_UPSTREAM_H
#define PHONEBOOK_FORWARD_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct event_base;
struct upstream;

/* An answer of the upstream, or error < 0 (-ETIMEDOUT, -ECONNREFUSED, ...) and no message. Message octets may
 * be written to, up to len. */
typedef void (*upstream_done_fn)(void *context, uint64_t token, int error, uint8_t *message, size_t len);

/* done() gets the context and the token of each query. */
int upstream_create(struct event_base *loop, const struct endpoint *server, uint64_t try_ms,
		    upstream_done_fn done, void *context, struct upstream **ret);

/* Ends all queries without calling done(). Never call it from inside done(). NULL is fine. */
void upstream_destroy(struct upstream *u);

/* Sends a complete query, ID included: a question and a plain 11-octet OPT, or for an upstream that refused
 * the OPT the question alone. done() is called exactly once unless the upstream is destroyed first or this
 * fails, maybe before this returns. -EBUSY when too many are in flight. */
int upstream_send(struct upstream *u, const uint8_t *message, size_t len, uint64_t token);

size_t upstream_pending(const struct upstream *u);

#endif
