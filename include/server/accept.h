/* SPDX-License-Identifier: BSD-2-Clause */
/* server/accept.h -- takes connections off the listening sockets, a few in a turn of the loop, so that a
 * crowd at the door keeps no datagram waiting. Serving thread.
 *
 *   listening socket --> a stranger's: reset
 *                    --> taken()
 *                    --> no descriptor left: make_room(), and if that does not help, a pause
 */
#ifndef PHONEBOOK_SERVER_ACCEPT_H
#define PHONEBOOK_SERVER_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

#include "model/counters.h"
#include "server/guests.h"

struct event_base;
struct acceptor;

struct accept_calls {
	void (*taken)(void *context, int fd); /* a connection, non-blocking; owns fd */
	bool (*make_room)(void *context);     /* closes a connection by the next turn; false: there is none */
	void *context;
};

/* Accepts on the listening, non-blocking sockets, which stay the caller's. guests, which may change, and row
 * are borrowed until acceptor_destroy(). */
int acceptor_create(struct event_base *loop, const int *fds, size_t n, const struct guests *guests,
		    struct counter_row *row, const struct accept_calls *calls, struct acceptor **ret);

/* NULL is fine. */
void acceptor_destroy(struct acceptor *a);

#endif
