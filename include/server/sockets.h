/* SPDX-License-Identifier: BSD-2-Clause */
/* server/sockets.h -- the sockets we listen on: opened by main while it may, served by the threads.
 *
 * Each thread has its own socket for each address and transport, with SO_REUSEPORT, so that the kernel
 * spreads clients over threads and no thread waits for another.
 */
#ifndef PHONEBOOK_SERVER_SOCKETS_H
#define PHONEBOOK_SERVER_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "server/options.h"

/* The sockets of one thread. */
struct sockets {
	int udp[SERVER_LISTEN_MAX], tcp[SERVER_LISTEN_MAX];
	size_t n_udp, n_tcp;
};

/* Opens a UDP and a TCP socket for each address; nobody else may have any of them. A negative errno, and the
 * address that failed in *failed (borrowed from o). Sets of sockets opened so far are in ret in any case. */
int sockets_open(const struct server_options *o, struct sockets *ret, unsigned n,
		 const struct endpoint **failed);

/* Sorts descriptors that were passed in (systemd socket activation) into the first thread's set, and writes
 * the different addresses they are bound to into o->listen. -EINVAL for one that is neither UDP nor a
 * listening TCP socket, or not bound to one IP address: answers must come from the address that was asked
 * (RFC 2181 section 4.1). */
int sockets_adopt(const int *fds, size_t n, struct sockets *ret, struct server_options *o);

/* The address a socket is bound to. */
int sockets_address(int fd, struct endpoint *ret);

/* How many octets of datagrams the kernel keeps for the socket with the smallest buffer (as it counts them,
 * with its own overhead: a query takes some 800); 0 without any. */
unsigned sockets_buffer(const struct sockets *s);

/* Closes those that are left; of TCP only. Both can be called again. */
void sockets_close(struct sockets *s);
void sockets_close_tcp(struct sockets *s);

/* False on a host where IPv6 is switched off: it has no [::1]. */
bool sockets_have_ip6(void);

#endif
