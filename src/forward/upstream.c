/* SPDX-License-Identifier: BSD-2-Clause */
#include "forward/upstream.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "wire/dns.h"

enum {
	/* Eight source ports for a forger to guess among, and a TCP connection that breaks disturbs an eighth
	 * of the queries. Each channel has 75 kB of tables inside c-ares: sixteen would be 10 MB for eight
	 * upstreams on one thread. */
	EDNS_CHANNELS = 8,

	/* The one for queries without OPT. A channel with ARES_FLAG_EDNS takes FORMERR without OPT for "knows
	 * no EDNS" and cuts the last 11 octets off the query, whatever they are; this one has no such flag.
	 */
	PLAIN_CHANNEL = EDNS_CHANNELS,
	CHANNELS,

	/* A timeout of all queries of a channel resends them in one call: 10,000 stall the loop for 44 ms,
	 * this many for less than the 5 ms that a local answer may wait. */
	IN_FLIGHT_MAX = 1000,

	/* When an upstream closes an idle TCP connection, c-ares moves the UDP queries of that channel to a
	 * new socket, and counts it as a try: with 1 healthy queries would fail. */
	TRIES = 2,

	/* How late a timeout may be seen. It runs only while something is in flight, and every channel in
	 * use is looked at, so finer costs more than it gives next to tries of 1,500 ms. */
	TICK_MS = 64,

	SOCKETS = 2, /* of a channel with one server: UDP and TCP */
};

struct watch {
	struct event *event; /* NULL: free */
	int fd;
};

struct channel {
	struct upstream *upstream;
	ares_channel ares;
	size_t in_flight;
	struct watch watches[SOCKETS];
};

struct upstream {
	struct event_base *loop;
	upstream_done_fn done;
	void *context;
	struct event *tick;
	struct random random;
	size_t pending;
	struct channel channels[CHANNELS];
};

/* What c-ares carries for us with each query. */
struct flight {
	struct channel *channel;
	uint64_t token;
};

/* --- sockets on the loop --- */

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;

	ares_process_fd(c->ares, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
			(what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static struct watch *find_watch(struct channel *c, int fd)
{
	struct watch *unused = NULL;

	for (size_t i = 0; i < SOCKETS; i++) {
		if (c->watches[i].event == NULL)
			unused = &c->watches[i];
		else if (c->watches[i].fd == fd)
			return &c->watches[i];
	}
	return unused;
}

/* The event goes before c-ares closes the descriptor, which it announces with neither read nor write; it is
 * not kept, since the number may be another socket's a moment later. Without memory for an event the queries
 * of this socket time out. */
static void on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct channel *c = arg;
	struct watch *w = find_watch(c, fd);

	if (w == NULL)
		return;
	if (w->event != NULL)
		event_free(w->event);
	w->event = NULL;
	if (!readable && !writable)
		return;

	const int what = EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
	w->fd = fd;
	w->event = event_new(c->upstream->loop, fd, (short)what, on_io, c);
	if (w->event != NULL)
		event_add(w->event, NULL);
}

/* ares_timeout() would walk every query of a channel; ares_process_fd() looks only at those that are due. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct upstream *u = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < CHANNELS; i++) {
		if (u->channels[i].in_flight > 0)
			ares_process_fd(u->channels[i].ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	}
}

/* --- channels --- */

/* All seven options, or c-ares opens /etc/resolv.conf for the missing ones: on this host that file names us.
 * The rcode is ours to judge (NOCHECKRESP: it would swallow SERVFAIL and REFUSED). */
static int init_channel(struct channel *c, int flags, uint64_t try_ms)
{
	char lookups[] = "b";
	struct ares_options o = {
		.flags = flags | ARES_FLAG_NOCHECKRESP | ARES_FLAG_STAYOPEN | ARES_FLAG_NOSEARCH |
			 ARES_FLAG_NOALIASES,
		.timeout = (int)try_ms,
		.tries = TRIES,
		.ndots = 1,
		.lookups = lookups,
		.ednspsz = DNS_EDNS_SIZE,
		.sock_state_cb = on_state,
		.sock_state_cb_data = c,
	};
	const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
			 ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_SERVERS | ARES_OPT_SORTLIST |
			 ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;

	return ares_init_options(&c->ares, &o, mask) == ARES_SUCCESS ? 0 : -ENOMEM;
}

/* As a structure and not as text, which c-ares reads carelessly: port 99999 becomes 34463. It knows no IPv6
 * zone; sockets bound to the zone's interface do without. */
static int set_server(ares_channel ares, const struct endpoint *server)
{
	const bool is_ip4 = server->at.generic.sa_family == AF_INET;
	struct ares_addr_port_node node = {
		.family = server->at.generic.sa_family,
		.udp_port = endpoint_port(server),
		.tcp_port = endpoint_port(server),
	};
	char interface[IF_NAMESIZE];

	if (is_ip4)
		memcpy(&node.addr.addr4, &server->at.ip4.sin_addr, sizeof(node.addr.addr4));
	else
		memcpy(&node.addr.addr6, &server->at.ip6.sin6_addr, sizeof(node.addr.addr6));
	if (!is_ip4 && server->at.ip6.sin6_scope_id != 0) {
		if (if_indextoname(server->at.ip6.sin6_scope_id, interface) == NULL)
			return -ENODEV;
		ares_set_local_dev(ares, interface);
	}
	return ares_set_servers_ports(ares, &node) == ARES_SUCCESS ? 0 : -ENOMEM;
}

/* A channel without server leaks what it is asked: an upstream is whole or it is not there. */
int upstream_create(struct event_base *loop, const struct endpoint *server, uint64_t try_ms,
		    upstream_done_fn done, void *context, struct upstream **ret)
{
	struct upstream *u = calloc(1, sizeof(*u));
	int r = 0;

	if (u == NULL)
		return -ENOMEM;
	u->loop = loop;
	u->done = done;
	u->context = context;
	random_seed(&u->random);
	u->tick = event_new(loop, -1, EV_PERSIST, on_tick, u);
	if (u->tick == NULL)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < CHANNELS; i++) {
		u->channels[i].upstream = u;
		r = init_channel(&u->channels[i], i == PLAIN_CHANNEL ? 0 : ARES_FLAG_EDNS, try_ms);
		if (r == 0)
			r = set_server(u->channels[i].ares, server);
	}
	if (r < 0) {
		upstream_destroy(u);
		return r;
	}
	*ret = u;
	return 0;
}

void upstream_destroy(struct upstream *u)
{
	if (u == NULL)
		return;
	for (size_t i = 0; i < CHANNELS; i++)
		ares_destroy(u->channels[i].ares);
	if (u->tick != NULL)
		event_free(u->tick);
	free(u);
}

/* --- queries --- */

static int errno_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	case ARES_ECONNREFUSED: /* and every other failure of a socket */
		return -ECONNREFUSED;
	case ARES_ENOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static void take_off(struct flight *f)
{
	const struct timeval tick = { .tv_usec = TICK_MS * 1000 };

	f->channel->in_flight++;
	if (f->channel->upstream->pending++ == 0)
		evtimer_add(f->channel->upstream->tick, &tick);
}

static void land(struct flight *f)
{
	f->channel->in_flight--;
	if (--f->channel->upstream->pending == 0)
		evtimer_del(f->channel->upstream->tick);
	free(f);
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *octets, int len)
{
	struct flight *f = arg;
	struct upstream *u = f->channel->upstream;
	const uint64_t token = f->token;

	(void)timeouts;
	land(f);
	if (status == ARES_EDESTRUCTION)
		return;
	if (status == ARES_SUCCESS)
		u->done(u->context, token, 0, octets, (size_t)len);
	else
		u->done(u->context, token, errno_of(status), NULL, 0);
}

/* A channel drawn at random, or the first one behind it that has room. */
static struct channel *pick_channel(struct upstream *u, bool has_opt)
{
	if (!has_opt) {
		struct channel *plain = &u->channels[PLAIN_CHANNEL];

		return plain->in_flight < IN_FLIGHT_MAX ? plain : NULL;
	}
	const size_t first = random_below(&u->random, EDNS_CHANNELS);
	for (size_t i = 0; i < EDNS_CHANNELS; i++) {
		struct channel *c = &u->channels[(first + i) % EDNS_CHANNELS];

		if (c->in_flight < IN_FLIGHT_MAX)
			return c;
	}
	return NULL;
}

int upstream_send(struct upstream *u, const uint8_t *message, size_t len, uint64_t token)
{
	if (len < DNS_HEADER_OCTETS || len > DNS_MESSAGE_OCTETS_MAX)
		return -EINVAL;
	struct channel *c = pick_channel(u, get_u16(message + 10) > 0);
	if (c == NULL)
		return -EBUSY;
	struct flight *f = malloc(sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	*f = (struct flight){ .channel = c, .token = token };
	take_off(f);
	ares_send(c->ares, message, (int)len, on_answer, f);
	return 0;
}

size_t upstream_pending(const struct upstream *u)
{
	return u->pending;
}
