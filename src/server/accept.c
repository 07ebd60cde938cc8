/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/accept.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/options.h"
#include "server/sockets.h"

enum {
	BATCH = 16,     /* connections in a turn: they cost some 100 us, three batches of datagrams */
	PAUSE_MS = 100, /* when descriptors have run out: ten looks a second cost nothing */
};

struct door {
	struct acceptor *acceptor;
	struct event *event;
	struct endpoint at;
};

struct acceptor {
	const struct guests *guests;
	struct counter_row *row;
	struct accept_calls calls;
	struct event *again;
	bool made_room; /* and nobody has come in since */
	size_t n;
	struct door doors[SERVER_LISTEN_MAX];
};

/* No room is made for strangers, and nothing of them is kept: closed in the ordinary way, their connections
 * would stay with the kernel for a minute. */
static void reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

static void admit(struct door *d, int fd, const struct endpoint *from)
{
	struct acceptor *a = d->acceptor;

	a->made_room = false;
	if (guests_refuse(a->guests, from, &d->at)) {
		counter_add(a->row, COUNTER_REFUSED);
		reset(fd);
		return;
	}
	a->calls.taken(a->calls.context, fd);
}

/* While no descriptor can be had, the kernel would report the waiting client again at once, and the loop
 * would spin. */
static void pause_all(struct acceptor *a)
{
	static const struct timeval pause = { .tv_usec = PAUSE_MS * 1000 };

	for (size_t i = 0; i < a->n; i++)
		event_del(a->doors[i].event);
	event_add(a->again, &pause);
}

/* The idlest of our own connections goes first, as it does for more clients than are allowed; its descriptor
 * is free by the next turn. Where that does not help, because somebody else has them all, clients wait in the
 * kernel's queue: a descriptor kept in reserve, to accept them and hang up, would only turn a late answer
 * into none. */
static void find_descriptor(struct acceptor *a)
{
	counter_add(a->row, COUNTER_NO_DESCRIPTOR);
	if (!a->made_room && a->calls.make_room(a->calls.context)) {
		a->made_room = true;
		return;
	}
	a->made_room = false;
	pause_all(a);
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct door *d = arg;

	(void)what;
	for (int i = 0; i < BATCH; i++) {
		struct endpoint from = { .len = sizeof(from.at) };
		const int connection = accept4(fd, &from.at.generic, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (connection >= 0) {
			admit(d, connection, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			find_descriptor(d->acceptor);
		return; /* other errors are of one connection that is gone (accept(2)) */
	}
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < a->n; i++)
		event_add(a->doors[i].event, NULL);
}

static int open_door(struct acceptor *a, struct event_base *loop, int fd)
{
	struct door *d = &a->doors[a->n];
	const int r = sockets_address(fd, &d->at);

	if (r < 0)
		return r;
	d->acceptor = a;
	d->event = event_new(loop, fd, EV_READ | EV_PERSIST, on_connection, d);
	if (d->event == NULL)
		return -ENOMEM;
	a->n++;
	return event_add(d->event, NULL) < 0 ? -ENOMEM : 0;
}

int acceptor_create(struct event_base *loop, const int *fds, size_t n, const struct guests *guests,
		    struct counter_row *row, const struct accept_calls *calls, struct acceptor **ret)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	int r = 0;

	if (a == NULL)
		return -ENOMEM;
	a->guests = guests;
	a->row = row;
	a->calls = *calls;
	a->again = evtimer_new(loop, on_again, a);
	if (a->again == NULL)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = open_door(a, loop, fds[i]);
	if (r == 0)
		*ret = a;
	else
		acceptor_destroy(a);
	return r;
}

void acceptor_destroy(struct acceptor *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->n; i++)
		event_free(a->doors[i].event);
	if (a->again != NULL)
		event_free(a->again);
	free(a);
}
