/* SPDX-License-Identifier: BSD-2-Clause */
/* server/tcp.h -- connections: many queries on each, answered in any order (RFC 7766). Serving thread.
 *
 *   accept --> read all there is --> answer all --> one write
 *
 * Bounded everywhere: connections of a thread (the idlest makes room for a new one), octets of a query,
 * unsent answers of a connection (then nothing is read from it), queries of a connection that wait for an
 * upstream, and time without a whole query.
 */
#ifndef PHONEBOOK_SERVER_TCP_H
#define PHONEBOOK_SERVER_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/inbox.h"
#include "server/dispatch.h"
#include "server/options.h"

struct event_base;
struct tcp;
struct udp;

/* Accepts on the listening, non-blocking sockets; they stay the caller's. Everything is borrowed until
 * tcp_destroy(). However many queries come over TCP, datagrams are served in between. */
int tcp_create(struct event_base *loop, const int *fds, size_t n, const struct server_options *o,
	       struct inbox *inbox, struct dispatcher *dispatcher, struct udp *udp, struct tcp **ret);

/* Closes all connections. NULL is fine. */
void tcp_destroy(struct tcp *t);

/* Accepts no more. */
void tcp_stop_accepting(struct tcp *t);

/* False while an answer is under way to somebody. */
bool tcp_is_quiet(const struct tcp *t);

/* Sends one late answer on its connection. */
void tcp_deliver(const struct return_address *to, const uint8_t *message, size_t len);

#endif
