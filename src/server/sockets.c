/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* The default holds some 255 queries, which a start of many programs at once exceeds; of this, which
	 * the kernel doubles, some 2,600: what comes in within a quarter of a second at 10,000 a second. */
	UDP_BUFFER_OCTETS = 1024 * 1024,
};

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int get_option(int fd, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

/* Beyond net.core.rmem_max for whoever may administer the network, as root may until it drops its rights;
 * else the kernel clips it there without a word. Smaller is slower, not wrong. */
static void enlarge_buffer(int fd)
{
	if (get_option(fd, SO_RCVBUF) >= 2 * UDP_BUFFER_OCTETS)
		return; /* passed in, and prepared for more */
	if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, UDP_BUFFER_OCTETS) < 0)
		set_option(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER_OCTETS);
}

static int prepare(int fd, const struct endpoint *at, bool shared)
{
	int r = 0;

	if (at->at.generic.sa_family == AF_INET6)
		r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (r == 0 && shared)
		r = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r == 0 && bind(fd, &at->at.generic, at->len) < 0)
		r = -errno;
	if (r == 0 && !shared)
		r = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	return r;
}

static int open_socket(const struct endpoint *at, int type, bool shared, int *ret)
{
	const int fd = socket(at->at.generic.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && type == SOCK_STREAM)
		r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r == 0)
		r = prepare(fd, at, shared);
	if (r == 0 && type == SOCK_DGRAM)
		enlarge_buffer(fd);
	if (r == 0 && type == SOCK_STREAM && shared && listen(fd, SOMAXCONN) < 0)
		r = -errno;
	if (r != 0 && fd >= 0)
		close(fd);
	if (r == 0)
		*ret = fd;
	return r;
}

/* SO_REUSEPORT would let a second daemon of the same user share our address, and every other query would go
 * to it: so the address must be free for one without. The first socket for datagrams is that one, and shares
 * afterwards: one that was closed again would take queries along. For connections there is one that only
 * tries, and does not listen. */
static int check_free(const struct endpoint *at)
{
	int fd, r = open_socket(at, SOCK_STREAM, false, &fd);

	if (r == 0)
		close(fd);
	return r;
}

static int open_pair(const struct endpoint *at, bool first, struct sockets *ret)
{
	int r = open_socket(at, SOCK_DGRAM, !first, &ret->udp[ret->n_udp]);

	if (r != 0)
		return r;
	ret->n_udp++;
	r = open_socket(at, SOCK_STREAM, true, &ret->tcp[ret->n_tcp]);
	if (r == 0)
		ret->n_tcp++;
	return r;
}

int sockets_open(const struct server_options *o, struct sockets *ret, unsigned n,
		 const struct endpoint **failed)
{
	int r = 0;

	for (unsigned thread = 0; thread < n; thread++)
		ret[thread] = (struct sockets){ 0 };
	for (size_t i = 0; r == 0 && i < o->n_listen; i++) {
		*failed = &o->listen[i];
		r = check_free(&o->listen[i]);
		for (unsigned thread = 0; r == 0 && thread < n; thread++)
			r = open_pair(&o->listen[i], thread == 0, &ret[thread]);
	}
	return r;
}

static int sort_in(int fd, struct sockets *s)
{
	const int type = get_option(fd, SO_TYPE);

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	if (type == SOCK_DGRAM && s->n_udp < SERVER_LISTEN_MAX) {
		enlarge_buffer(fd);
		s->udp[s->n_udp++] = fd;
	} else if (type == SOCK_STREAM && get_option(fd, SO_ACCEPTCONN) == 1 &&
		   s->n_tcp < SERVER_LISTEN_MAX) {
		s->tcp[s->n_tcp++] = fd;
	} else {
		return -EINVAL;
	}
	return 0;
}

int sockets_address(int fd, struct endpoint *ret)
{
	struct endpoint at = { .len = sizeof(at.at) };

	if (getsockname(fd, &at.at.generic, &at.len) < 0)
		return -errno;
	if (at.at.generic.sa_family != AF_INET && at.at.generic.sa_family != AF_INET6)
		return -EINVAL;
	*ret = at;
	return 0;
}

unsigned sockets_buffer(const struct sockets *s)
{
	unsigned least = 0;

	for (size_t i = 0; i < s->n_udp; i++) {
		const int octets = get_option(s->udp[i], SO_RCVBUF);

		if (octets > 0 && (least == 0 || (unsigned)octets < least))
			least = (unsigned)octets;
	}
	return least;
}

static int note_address(int fd, struct server_options *o)
{
	struct endpoint at;
	struct address a;

	if (sockets_address(fd, &at) < 0)
		return -EINVAL;
	endpoint_to_address(&at, &a);
	if (!address_is_usable(&a))
		return -EINVAL;
	for (size_t i = 0; i < o->n_listen; i++) {
		if (endpoint_equal(&o->listen[i], &at))
			return 0;
	}
	if (o->n_listen == SERVER_LISTEN_MAX)
		return -EINVAL;
	o->listen[o->n_listen++] = at;
	return 0;
}

int sockets_adopt(const int *fds, size_t n, struct sockets *ret, struct server_options *o)
{
	int r = 0;

	*ret = (struct sockets){ 0 };
	o->n_listen = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = note_address(fds[i], o);
		if (r == 0)
			r = sort_in(fds[i], ret);
	}
	return r;
}

void sockets_close_tcp(struct sockets *s)
{
	while (s->n_tcp > 0)
		close(s->tcp[--s->n_tcp]);
}

void sockets_close(struct sockets *s)
{
	sockets_close_tcp(s);
	while (s->n_udp > 0)
		close(s->udp[--s->n_udp]);
}

bool sockets_have_ip6(void)
{
	const struct address loopback = { .octets = { [15] = 1 }, .len = 16 };
	struct endpoint any_port;
	int fd;

	endpoint_from_address(&loopback, 0, &any_port);
	if (open_socket(&any_port, SOCK_DGRAM, false, &fd) != 0)
		return false;
	close(fd);
	return true;
}
