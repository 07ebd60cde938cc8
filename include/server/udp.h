/* SPDX-License-Identifier: BSD-2-Clause */
/* server/udp.h -- datagrams: a batch read in one call, answered, sent in one call. Serving thread. */
#ifndef PHONEBOOK_SERVER_UDP_H
#define PHONEBOOK_SERVER_UDP_H

#include "model/inbox.h"
#include "server/dispatch.h"

struct event_base;
struct udp;

/* Serves the bound, non-blocking sockets; they stay the caller's. Everything is borrowed until udp_destroy().
 */
int udp_create(struct event_base *loop, const int *fds, size_t n, struct inbox *inbox,
	       struct dispatcher *dispatcher, struct udp **ret);
void udp_destroy(struct udp *u); /* NULL is fine */

/* Answers a batch of what has arrived, if anything has: for who has much else to do. */
void udp_serve(struct udp *u);

/* Answers what has arrived and not been read yet: for the last moment before the end. */
void udp_drain(struct udp *u);

/* Sends one late answer. A client that is gone is nobody's error. */
void udp_deliver(const struct return_address *to, const uint8_t *message, size_t len);

#endif
