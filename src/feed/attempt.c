/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/attempt.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kindest end for the other side. A connection that is closed in order is accepted by the program there,
 * which reads nothing from it: PostgreSQL logs an incomplete startup, MySQL locks our address out after
 * enough of them, and in a program that hangs they fill its queue until it is closed to all. So the last
 * segment of the handshake is held back (Linux delays it without TCP_QUICKACK, and this end leaves no time
 * for it), and the connection reset instead: the other kernel has accepted it, and its program never hears of
 * it. That also leaves no TIME_WAIT here. Where the kernel does not know the option it is a plain reset. */
static void prepare_end(int fd)
{
	const struct linger reset = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
#ifdef TCP_QUICKACK
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &(int){ 0 }, sizeof(int));
#endif
}

int attempt_begin(const struct endpoint *to)
{
	const int fd = socket(to->at.generic.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	prepare_end(fd);
	if (connect(fd, &to->at.generic, to->len) == 0 || errno == EINPROGRESS)
		return fd;
	const int error = -errno;
	close(fd);
	return error;
}

bool attempt_has_ended(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) > 0;
}

static bool is_elsewhere_from(const struct endpoint *own, const struct endpoint *to)
{
	struct address here, there;

	endpoint_to_address(own, &here);
	endpoint_to_address(to, &there);
	return memcmp(&here, &there, sizeof(here)) != 0 && !address_is_loopback(&there);
}

/* Where nobody listens on a port of this host, the kernel may pick that very port for our end: the connection
 * is with itself then, which TCP allows (RFC 9293 section 3.5, simultaneous open). */
int attempt_result(int fd, const struct endpoint *to, bool *is_elsewhere)
{
	struct endpoint own = { .len = sizeof(own.at) };
	socklen_t size = sizeof(int);
	int error = 0;

	if (getsockname(fd, &own.at.generic, &own.len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	*is_elsewhere = is_elsewhere_from(&own, to);
	if (error == 0 && endpoint_equal(&own, to))
		return -ECONNREFUSED;
	return -error;
}

/* Only what the network or the other host has said, or kept silent about, is a failure. All else is ours: no
 * descriptors, no memory, no port left, a firewall of this host, an interface that is down. */
enum attempt_verdict attempt_judge(int error)
{
	switch (-error) {
	case 0:
		return ATTEMPT_CONNECTED;
	case ECONNREFUSED:
	case ECONNRESET:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENOPROTOOPT:
		return ATTEMPT_FAILED;
	default:
		return ATTEMPT_OUR_FAULT;
	}
}

const char *attempt_explain(int error)
{
	switch (-error) {
	case ECONNREFUSED:
		return "connection refused";
	case ECONNRESET:
		return "connection reset";
	case ETIMEDOUT:
		return "no answer in time";
	case EHOSTUNREACH:
	case EHOSTDOWN:
		return "no way to the host";
	case ENETUNREACH:
		return "no way to its network";
	default:
		return strerror(-error);
	}
}
