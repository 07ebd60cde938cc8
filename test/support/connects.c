/* SPDX-License-Identifier: BSD-2-Clause */
#include "connects.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/clock.h"

/* Names that the linker gives. */
int __real_connect(int fd, const struct sockaddr *to, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);

static atomic_uint counts[UINT16_MAX + 1];
static _Atomic uint64_t last_ms[UINT16_MAX + 1];
static atomic_int far_errors[UINT8_MAX + 1];
static atomic_uint far_ports[UINT8_MAX + 1], mirror_port;

unsigned connects_count(uint16_t port)
{
	return counts[port];
}

uint64_t connects_last_ms(uint16_t port)
{
	return last_ms[port];
}

void connects_set_far(uint8_t last, int error, uint16_t port)
{
	far_errors[last] = error;
	far_ports[last] = port;
}

void connects_mirror(uint16_t port)
{
	mirror_port = port;
}

static bool is_stream(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static int connect_far(int fd, uint8_t last)
{
	const struct address loopback = { .octets = { 127, 0, 0, 1 }, .len = 4 };
	struct endpoint e;

	if (far_errors[last] != 0) {
		errno = far_errors[last];
		return -1;
	}
	endpoint_from_address(&loopback, (uint16_t)far_ports[last], &e);
	return __real_connect(fd, &e.at.generic, e.len);
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	const struct sockaddr_in *ip4 = (const struct sockaddr_in *)to;
	const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)to;

	if ((to->sa_family != AF_INET && to->sa_family != AF_INET6) || !is_stream(fd))
		return __real_connect(fd, to, len);
	const uint16_t port = ntohs(to->sa_family == AF_INET ? ip4->sin_port : ip6->sin6_port);
	counts[port]++;
	last_ms[port] = clock_ms();
	if (to->sa_family == AF_INET && (ntohl(ip4->sin_addr.s_addr) >> 8) == 0xc00002)
		return connect_far(fd, (uint8_t)ntohl(ip4->sin_addr.s_addr));
	if (port == mirror_port)
		bind(fd, to, len);
	return __real_connect(fd, to, len);
}
