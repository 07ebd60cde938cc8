/* SPDX-License-Identifier: BSD-2-Clause */
/* systemd.h -- speaking to a service manager that may not be there: state, sockets, watchdog.
 *
 * Main only. Without the variables a service manager sets, every function does nothing and succeeds.
 */
#ifndef PHONEBOOK_SYSTEMD_H
#define PHONEBOOK_SYSTEMD_H

#include <stddef.h>
#include <stdint.h>

/* A socket the service manager has bound for us; the caller owns the descriptor. */
struct systemd_socket {
	int fd;
	int type; /* SOCK_DGRAM or SOCK_STREAM; others are left out and closed */
};

/* Tells the service manager, in lines of VARIABLE=value: "READY=1", "STOPPING=1", "STATUS=...",
 * "WATCHDOG=1". Negative errno when it cannot be told. */
int systemd_notify(const char *state);

/* Tells it that a reload begins; its end is "READY=1". */
int systemd_notify_reloading(void);

/* Takes the sockets it has passed, at most max, closed on exec; further ones are closed. Returns their
 * number, and 0 from the second call on. Negative errno when what the variables say cannot be true. */
int systemd_listen_fds(struct systemd_socket *ret, size_t max);

/* How often to send "WATCHDOG=1": half the time it waits before it ends us. 0: it does not. */
uint64_t systemd_watchdog_ms(void);

#endif
