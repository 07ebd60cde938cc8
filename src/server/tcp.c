/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/tcp.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/accept.h"
#include "server/udp.h"

enum {
	FRAME_OCTETS_MAX = 4096,       /* a query; more is no query of ours, and the connection is closed */
	INPUT_OCTETS_MAX = 16384,      /* some 300 pipelined queries; the kernel keeps the rest */
	OUTPUT_OCTETS_MAX = 64 * 1024, /* unsent answers before reading stops: the largest answer, once */
	PENDING_MAX = 128,             /* queries of one connection that wait for an upstream */

	/* A crowd that sends all it can, and what it sends within one turn of the loop, would keep datagrams
	 * waiting for a quarter of a second; so many queries are answered in less than a millisecond. */
	QUERIES_BETWEEN = 64,
};

struct connection {
	TAILQ_ENTRY(connection) link;
	struct tcp *tcp;
	struct bufferevent *stream;
	struct event *idle;
	unsigned pending;
	bool ended; /* the client has sent all it will (RFC 7766 section 6.2.4), or something that is no query
		     */
	bool busy;  /* reading its queries: not to be freed */
};

TAILQ_HEAD(connections, connection);

struct tcp {
	struct event_base *loop;
	const struct server_options *options;
	struct inbox *inbox;
	struct dispatcher *dispatcher;
	struct acceptor *acceptor;
	struct udp *udp;
	unsigned n_queries;
	struct connections connections; /* idlest first */
	unsigned n_connections;
	uint8_t reply[DNS_MESSAGE_OCTETS_MAX];
};

static void close_connection(struct connection *c)
{
	struct tcp *t = c->tcp;

	TAILQ_REMOVE(&t->connections, c, link);
	t->n_connections--;
	if (c->pending > 0) {
		forward_forget(t->dispatcher->forwarder, c);
		hold_forget(t->dispatcher->hold, c);
	}
	event_free(c->idle);
	bufferevent_free(c->stream);
	free(c);
}

static size_t unsent(const struct connection *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->stream));
}

static void restart_idle_timer(struct connection *c)
{
	const uint64_t ms = c->tcp->options->tcp_idle_ms;
	const struct timeval limit = clock_timeval(ms);

	event_add(c->idle, &limit);
	TAILQ_REMOVE(&c->tcp->connections, c, link);
	TAILQ_INSERT_TAIL(&c->tcp->connections, c, link);
}

/* Length and message in one piece: two small writes would meet Nagle. Without memory for both the stream
 * would lose its framing, so the client loses its connection instead. */
static void send_message(struct connection *c, const uint8_t *message, size_t len)
{
	struct evbuffer *output = bufferevent_get_output(c->stream);
	uint8_t prefix[2];

	put_u16(prefix, (uint16_t)len);
	if (evbuffer_expand(output, sizeof(prefix) + len) < 0 ||
	    evbuffer_add(output, prefix, sizeof(prefix)) < 0 || evbuffer_add(output, message, len) < 0)
		shutdown(bufferevent_getfd(c->stream), SHUT_RDWR);
}

static void answer(struct connection *c, const uint8_t *query, size_t query_len, uint64_t now_ms)
{
	struct tcp *t = c->tcp;
	const struct return_address from = { .connection = c };
	const struct arrival a = {
		.octets = query, .len = query_len, .from = &from, .now_ms = now_ms, .patience = PATIENCE_NEW
	};
	size_t len;

	c->pending++; /* before: the answer may be delivered inside */
	const enum dispatch d = dispatch_query(t->dispatcher, &a, t->reply, sizeof(t->reply), &len);
	if (d == DISPATCH_LATER || d == DISPATCH_HELD)
		return;
	c->pending--;
	if (d == DISPATCH_REPLY)
		send_message(c, t->reply, len);
}

enum frame { FRAME_NONE, FRAME_WHOLE, FRAME_BAD };

/* The next query at the start of input, in one piece. */
static enum frame next_frame(struct evbuffer *input, const uint8_t **ret, size_t *ret_len)
{
	uint8_t prefix[2];

	if (evbuffer_copyout(input, prefix, 2) < 2)
		return FRAME_NONE;
	const size_t len = get_u16(prefix);
	if (len < DNS_HEADER_OCTETS || len > FRAME_OCTETS_MAX)
		return FRAME_BAD;
	if (evbuffer_get_length(input) < 2 + len)
		return FRAME_NONE;
	const uint8_t *frame = evbuffer_pullup(input, (ev_ssize_t)(2 + len));
	if (frame == NULL)
		return FRAME_BAD;
	*ret = frame + 2;
	*ret_len = len;
	return FRAME_WHOLE;
}

static bool has_room(const struct connection *c)
{
	return unsent(c) < OUTPUT_OCTETS_MAX && c->pending < PENDING_MAX;
}

/* Answers what has arrived, as far as there is room; false when the client does not speak DNS. */
static bool answer_input(struct connection *c)
{
	struct evbuffer *input = bufferevent_get_input(c->stream);
	const uint64_t now_ms = clock_ms();
	enum frame frame = FRAME_NONE;
	const uint8_t *query;
	size_t len;

	c->busy = true;
	while (has_room(c) && (frame = next_frame(input, &query, &len)) == FRAME_WHOLE) {
		answer(c, query, len, now_ms);
		evbuffer_drain(input, 2 + len);
		restart_idle_timer(c);
		if (++c->tcp->n_queries % QUERIES_BETWEEN == 0)
			udp_serve(c->tcp->udp);
	}
	c->busy = false;
	return frame != FRAME_BAD;
}

/* Nothing more is read; answers that are under way are still sent. */
static void stop_reading(struct connection *c)
{
	struct evbuffer *input = bufferevent_get_input(c->stream);

	bufferevent_disable(c->stream, EV_READ);
	evbuffer_drain(input, evbuffer_get_length(input));
	c->ended = true;
}

/* Goes on with a connection after anything happened to it; it may be gone afterwards. */
static void proceed(struct connection *c)
{
	c->tcp->dispatcher->table = inbox_take(c->tcp->inbox);
	if (!answer_input(c))
		stop_reading(c);
	if (!has_room(c))
		bufferevent_disable(c->stream, EV_READ);
	else if (!c->ended)
		bufferevent_enable(c->stream, EV_READ);
	else if (c->pending == 0 && unsent(c) == 0)
		close_connection(c);
}

static void on_read(struct bufferevent *stream, void *arg)
{
	(void)stream;
	proceed(arg);
}

/* Everything is sent. */
static void on_written(struct bufferevent *stream, void *arg)
{
	(void)stream;
	proceed(arg);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
	struct connection *c = arg;

	(void)stream;
	if ((what & BEV_EVENT_EOF) == 0) {
		close_connection(c);
		return;
	}
	c->ended = true;
	proceed(c);
}

/* Also for one that does not take its answers: nothing is read from it, so no query restarts the timer. */
static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;

	(void)fd;
	(void)what;
	if (c->pending > 0)
		restart_idle_timer(c); /* it is us who are slow; the forwarder's deadline ends that */
	else
		close_connection(c);
}

/* The idlest that waits for nobody but itself; the idlest of all when each does. Answers that it does not
 * take are no reason to keep it: a crowd that never reads would make everybody else look idle. */
static struct connection *find_idlest(const struct tcp *t)
{
	struct connection *c;

	TAILQ_FOREACH(c, &t->connections, link)
	{
		if (c->pending == 0)
			return c;
	}
	return TAILQ_FIRST(&t->connections);
}

static struct connection *open_connection(struct tcp *t, evutil_socket_t fd)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->tcp = t;
	c->stream = bufferevent_socket_new(t->loop, fd, BEV_OPT_CLOSE_ON_FREE);
	c->idle = c->stream != NULL ? evtimer_new(t->loop, on_idle, c) : NULL;
	if (c->idle == NULL) {
		if (c->stream != NULL)
			bufferevent_free(c->stream);
		free(c);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&t->connections, c, link);
	t->n_connections++;
	return c;
}

static bool make_room(void *context)
{
	struct tcp *t = context;
	struct connection *c = find_idlest(t);

	if (c == NULL)
		return false;
	counter_add(t->dispatcher->row, COUNTER_TCP_CLOSED);
	close_connection(c);
	return true;
}

static void on_accept(void *context, int fd)
{
	struct tcp *t = context;
	const int on = 1;

	if (t->n_connections >= t->options->tcp_clients)
		make_room(t);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	struct connection *c = open_connection(t, fd);
	if (c == NULL) {
		close(fd);
		return;
	}
	bufferevent_setcb(c->stream, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->stream, EV_READ, 0, INPUT_OCTETS_MAX);
	restart_idle_timer(c);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
}

int tcp_create(struct event_base *loop, const int *fds, size_t n, const struct server_options *o,
	       struct inbox *inbox, struct dispatcher *dispatcher, struct udp *udp, struct tcp **ret)
{
	struct tcp *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->loop = loop;
	t->options = o;
	t->inbox = inbox;
	t->dispatcher = dispatcher;
	t->udp = udp;
	TAILQ_INIT(&t->connections);
	const struct accept_calls calls = { .taken = on_accept, .make_room = make_room, .context = t };
	const int r =
		acceptor_create(loop, fds, n, &dispatcher->guests, dispatcher->row, &calls, &t->acceptor);
	if (r == 0)
		*ret = t;
	else
		free(t);
	return r;
}

void tcp_stop_accepting(struct tcp *t)
{
	acceptor_destroy(t->acceptor);
	t->acceptor = NULL;
}

void tcp_destroy(struct tcp *t)
{
	if (t == NULL)
		return;
	tcp_stop_accepting(t);
	while (!TAILQ_EMPTY(&t->connections))
		close_connection(TAILQ_FIRST(&t->connections));
	free(t);
}

bool tcp_is_quiet(const struct tcp *t)
{
	const struct connection *c;

	TAILQ_FOREACH(c, &t->connections, link)
	{
		if (c->pending > 0 || unsent(c) > 0)
			return false;
	}
	return true;
}

void tcp_deliver(const struct return_address *to, const uint8_t *message, size_t len)
{
	struct connection *c = to->connection;

	c->pending--;
	send_message(c, message, len);
	if (!c->busy)
		proceed(c);
}
