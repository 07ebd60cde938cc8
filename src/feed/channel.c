/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/channel.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "wire/dns.h"

enum {
	TICK_MS = 50, /* c-ares' own next timeout costs a walk over all queries to ask for */
};

/* A socket of c-ares. */
struct io {
	LIST_ENTRY(io) link;
	struct channel *channel;
	ares_socket_t fd;
	struct event event;
};

struct channel {
	struct event_base *loop;
	ares_channel ares;
	size_t n_servers; /* that c-ares can ask */
	LIST_HEAD(, io) ios;
	struct event tick;
	unsigned owed; /* calls back that c-ares owes: while there are any, it needs the tick */
};

/* What c-ares hands back. */
struct call {
	struct channel *channel;
	channel_answer_fn told; /* or heard */
	channel_message_fn heard;
	void *context;
};

/* --- sockets and time --- */

/* Last thing: c-ares may close the socket, and then the io is gone. */
static void on_io(evutil_socket_t fd, short what, void *arg)
{
	const struct io *io = arg;

	ares_process_fd(io->channel->ares, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
			(what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static struct io *find_io(struct channel *c, ares_socket_t fd)
{
	struct io *io;

	LIST_FOREACH(io, &c->ios, link)
	{
		if (io->fd == fd)
			return io;
	}
	return NULL;
}

static struct io *add_io(struct channel *c, ares_socket_t fd)
{
	struct io *io = calloc(1, sizeof(*io));

	if (io == NULL)
		return NULL;
	io->channel = c;
	io->fd = fd;
	LIST_INSERT_HEAD(&c->ios, io, link);
	return io;
}

static void remove_io(struct io *io)
{
	event_del(&io->event);
	LIST_REMOVE(io, link);
	free(io);
}

/* c-ares tells that a socket is done (neither readable nor writable wanted) before it closes it. Without
 * memory the socket is not listened to, and its queries time out. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct channel *c = arg;
	const int what = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
	struct io *io = find_io(c, fd);

	if (what == 0) {
		if (io != NULL)
			remove_io(io);
		return;
	}
	if (io != NULL)
		event_del(&io->event);
	else
		io = add_io(c, fd);
	if (io == NULL)
		return;
	event_assign(&io->event, c->loop, fd, (short)(what | EV_PERSIST), on_io, io);
	event_add(&io->event, NULL);
}

static void tick_soon(struct channel *c)
{
	const struct timeval tick = clock_timeval(TICK_MS);

	evtimer_add(&c->tick, &tick);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;

	(void)fd;
	(void)what;
	ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (c->owed > 0)
		tick_soon(c);
}

/* --- the channel --- */

/* All seven options (c-ares opens /etc/resolv.conf for one that is left out), and what the use asks for:
 * without NOCHECKRESP a SERVFAIL is swallowed, without EDNS an answer over 512 octets is fetched by TCP. */
static int open_ares(struct channel *c, enum channel_use use, uint64_t try_ms)
{
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
			 (use == CHANNEL_MESSAGES ? ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS : 0),
		.timeout = (int)try_ms,
		.tries = CHANNEL_TRIES,
		.ndots = 1,
		.lookups = (char[]){ "b" },
		.ednspsz = DNS_EDNS_SIZE,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = c,
	};
	const int mask = ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_NDOTS |
			 ARES_OPT_SORTLIST | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_FLAGS |
			 ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;

	return ares_init_options(&c->ares, &o, mask) == ARES_SUCCESS ? 0 : -ENOMEM;
}

/* c-ares has no room for the interface of a link-local address, but can bind its sockets to one: that will do
 * for a server that is alone. */
static bool is_in_reach(struct channel *c, const struct endpoint *server, bool alone)
{
	char interface[IF_NAMESIZE];

	if (server->at.generic.sa_family != AF_INET6 || server->at.ip6.sin6_scope_id == 0)
		return true;
	if (!alone || if_indextoname(server->at.ip6.sin6_scope_id, interface) == NULL)
		return false;
	ares_set_local_dev(c->ares, interface);
	return true;
}

/* As structures and not as text, which c-ares reads carelessly: port 99999 becomes 34463. */
static void fill_node(const struct endpoint *e, struct ares_addr_port_node *ret)
{
	ret->family = e->at.generic.sa_family;
	if (ret->family == AF_INET)
		ret->addr.addr4 = e->at.ip4.sin_addr;
	else
		memcpy(&ret->addr.addr6, &e->at.ip6.sin6_addr, sizeof(ret->addr.addr6));
	ret->udp_port = ret->tcp_port = endpoint_port(e);
}

static int set_servers(struct channel *c, const struct endpoint *servers, size_t n)
{
	struct ares_addr_port_node *nodes = calloc(n + 1, sizeof(*nodes));

	if (nodes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!is_in_reach(c, &servers[i], n == 1))
			continue;
		if (c->n_servers > 0)
			nodes[c->n_servers - 1].next = &nodes[c->n_servers];
		fill_node(&servers[i], &nodes[c->n_servers++]);
	}
	const int status = c->n_servers > 0 ? ares_set_servers_ports(c->ares, nodes) : ARES_SUCCESS;
	free(nodes);
	return status == ARES_SUCCESS ? 0 : -ENOMEM;
}

int channel_create(struct event_base *loop, enum channel_use use, const struct endpoint *servers, size_t n,
		   uint64_t try_ms, struct channel **ret)
{
	struct channel *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->loop = loop;
	evtimer_assign(&c->tick, loop, on_tick, c);
	ares_library_init(ARES_LIB_INIT_ALL);
	int r = open_ares(c, use, try_ms);
	if (r == 0)
		r = set_servers(c, servers, n);
	if (r < 0) {
		channel_destroy(c);
		return r;
	}
	*ret = c;
	return 0;
}

void channel_destroy(struct channel *c)
{
	if (c == NULL)
		return;
	if (c->ares != NULL)
		ares_destroy(c->ares); /* calls back all it owes, on_socket() for all it closes */
	while (!LIST_EMPTY(&c->ios))
		remove_io(LIST_FIRST(&c->ios));
	ares_library_cleanup();
	event_del(&c->tick);
	free(c);
}

bool channel_has_server(const struct channel *c)
{
	return c->n_servers > 0;
}

/* --- asking --- */

static struct call *begin_call(struct channel *c, channel_answer_fn told, channel_message_fn heard,
			       void *context)
{
	struct call *call = malloc(sizeof(*call));

	if (call == NULL)
		return NULL;
	*call = (struct call){ .channel = c, .told = told, .heard = heard, .context = context };
	if (c->owed++ == 0)
		tick_soon(c);
	return call;
}

static struct call end_call(struct call *call)
{
	const struct call copy = *call;

	copy.channel->owed--;
	free(call);
	return copy;
}

static int errno_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	case ARES_ECONNREFUSED: /* and every other failure of a socket; servers that failed or refused */
		return -ECONNREFUSED;
	case ARES_EBADNAME:
		return -EINVAL;
	case ARES_ENOMEM:
		return -ENOMEM;
	case ARES_EDESTRUCTION:
		return -ECANCELED;
	default:
		return -EIO;
	}
}

static void read_nodes(const struct ares_addrinfo *info, struct answer *answer)
{
	int ttl_s = INT_MAX;

	for (const struct ares_addrinfo_cname *c = info->cnames; c != NULL; c = c->next)
		ttl_s = c->ttl < ttl_s ? c->ttl : ttl_s;
	for (const struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next) {
		struct endpoint e = { 0 };
		struct address a;
		char text[ADDRESS_TEXT_MAX];

		if (node->ai_addrlen > sizeof(e.at))
			continue;
		memcpy(&e.at, node->ai_addr, node->ai_addrlen);
		endpoint_to_address(&e, &a);
		address_to_text(&a, text);
		if (address_from_text(text, strlen(text), &a)) /* an IPv4-mapped one becomes IPv4 */
			addresses_add(&answer->addresses, &a);
		ttl_s = node->ai_ttl < ttl_s ? node->ai_ttl : ttl_s;
	}
	answer->ttl_s = ttl_s > 0 ? (unsigned)ttl_s : 0;
	answer->outcome = answer->addresses.n > 0 ? OUTCOME_FOUND : OUTCOME_NO_DATA;
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	const struct call call = end_call(arg);
	struct answer answer = { .outcome = OUTCOME_FAILED, .error = errno_of(status) };

	(void)timeouts;
	if (status == ARES_SUCCESS && info != NULL)
		read_nodes(info, &answer);
	else if (status == ARES_ENODATA)
		answer.outcome = OUTCOME_NO_DATA;
	else if (status == ARES_ENOTFOUND)
		answer.outcome = OUTCOME_NO_NAME;
	if (info != NULL)
		ares_freeaddrinfo(info);
	call.told(call.context, &answer);
}

void channel_lookup(struct channel *c, const char *host, int family, channel_answer_fn told, void *context)
{
	/* Without NOSORT c-ares opens a socket to each address, to sort them by. */
	const struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT, .ai_family = family };
	const struct answer failed = { .outcome = OUTCOME_FAILED, .error = -ENOMEM };
	struct call *call = begin_call(c, told, NULL, context);

	if (call != NULL)
		ares_getaddrinfo(c->ares, host, NULL, &hints, on_addresses, call);
	else
		told(context, &failed);
}

static void on_message(void *arg, int status, int timeouts, unsigned char *octets, int len)
{
	const struct call call = end_call(arg);

	(void)timeouts;
	if (status == ARES_SUCCESS)
		call.heard(call.context, 0, octets, (size_t)len);
	else
		call.heard(call.context, errno_of(status), NULL, 0);
}

void channel_send(struct channel *c, const uint8_t *query, size_t len, channel_message_fn heard,
		  void *context)
{
	struct call *call = begin_call(c, NULL, heard, context);

	if (call != NULL)
		ares_send(c->ares, query, (int)len, on_message, call);
	else
		heard(context, -ENOMEM, NULL, 0);
}
