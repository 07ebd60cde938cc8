/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fake_http_message.h"
#include "fake_http_private.h"

enum { BATCH = 256, REFUSAL_MS = 1000 };

static const uint64_t NEVER = UINT64_MAX;

uint64_t fake_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- connections --- */

/* Whichever thread cuts a connection, only the loop frees it, because only the loop knows which events are
 * out: shutdown() makes one, and bury() runs after it. */
void fake_connection_cut(struct fake_connection *c)
{
	struct fake_http *s = c->server;

	if (c->dead)
		return;
	c->dead = true;
	shutdown(c->fd, SHUT_RDWR);
	LIST_REMOVE(c, link);
	LIST_INSERT_HEAD(&s->graveyard, c, link);
	if (!c->refused)
		s->counts.connections--;
	if (!c->busy)
		return;
	c->busy = false;
	if (!c->control)
		s->counts.under_way--;
	if (s->handler.gone != NULL && !c->control)
		s->handler.gone(s->context, &c->request);
}

static void bury(struct fake_http *s)
{
	for (struct fake_connection *c; (c = LIST_FIRST(&s->graveyard)) != NULL;) {
		LIST_REMOVE(c, link);
		close(c->fd);
		fake_octets_finish(&c->in);
		fake_octets_finish(&c->out.octets);
		fake_message_finish(&c->request);
		free(c);
	}
}

static void watch(struct fake_connection *c, int how, bool writable)
{
	struct epoll_event event = { .events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = c };

	epoll_ctl(c->server->epoll, how, c->fd, &event);
}

/* Sends what the socket takes. A socket that is broken has its own event, which ends the connection. */
void fake_connection_flush(struct fake_connection *c)
{
	struct fake_octets *o = &c->out.octets;

	while (c->out.sent < o->len) {
		const ssize_t n =
			send(c->fd, o->at + c->out.sent, o->len - c->out.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			watch(c, EPOLL_CTL_MOD, true);
			return;
		}
		if (n < 0)
			break;
		c->out.sent += (size_t)n;
	}
	o->len = 0;
	c->out.sent = 0;
	if (c->refused)
		shutdown(c->fd, SHUT_WR);
	else if (c->close_after && !c->busy)
		fake_connection_cut(c);
}

void fake_connection_deadline(struct fake_connection *c, uint64_t ms)
{
	c->deadline_ns = fake_now_ns() + ms * 1000000;
	if (c->deadline_ns < c->server->next_ns)
		c->server->next_ns = c->deadline_ns;
}

void fake_connection_finish(struct fake_connection *c)
{
	c->busy = false;
	c->streaming = false;
	c->deadline_ns = NEVER;
	if (!c->control)
		c->server->counts.under_way--;
	fake_message_finish(&c->request);
	if (c->in.len > 0)
		c->server->unread = true;
	fake_connection_flush(c);
}

/* The octets of a closed socket that nobody read would reset the connection, and with it the refusal on its
 * way: so the socket stays until the client has hung up. */
static void refuse(struct fake_connection *c)
{
	struct fake_http *s = c->server;

	c->refused = true;
	s->counts.refused++;
	s->counts.connections--;
	if (s->refusal == NULL) {
		fake_connection_cut(c);
		return;
	}
	fake_octets_text(&c->out.octets, s->refusal);
	fake_connection_deadline(c, REFUSAL_MS);
	fake_connection_flush(c);
}

static void accept_all(struct fake_http *s)
{
	const int one = 1;
	int fd;

	while (s->listener >= 0 &&
	       (fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct fake_connection *c = fake_new(sizeof(*c));

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->server = s;
		c->fd = fd;
		c->deadline_ns = NEVER;
		LIST_INSERT_HEAD(&s->connections, c, link);
		watch(c, EPOLL_CTL_ADD, false);
		s->counts.accepted++;
		s->counts.connections++;
		if (s->max_connections > 0 && s->counts.connections > s->max_connections)
			refuse(c);
		else if (s->counts.connections > s->counts.most_connections)
			s->counts.most_connections = s->counts.connections;
	}
}

/* False: the client has hung up. */
static bool read_all(struct fake_connection *c)
{
	char octets[65536];
	ssize_t n;

	while ((n = recv(c->fd, octets, sizeof(octets), 0)) > 0) {
		if (!c->refused)
			fake_octets_add(&c->in, octets, (size_t)n);
	}
	return n < 0 && errno == EAGAIN;
}

/* --- requests --- */

static void handle(struct fake_connection *c)
{
	struct fake_http *s = c->server;
	char value[32];

	c->busy = true;
	c->continued = false;
	c->close_after = fake_request_header(&c->request, "Connection", value, sizeof(value)) &&
			 strcasecmp(value, "close") == 0;
	if (strncmp(c->request.path, "/_control/", 10) == 0) {
		c->control = true;
		fake_http_control(s, &c->request);
		return;
	}
	c->control = false;
	fake_http_note(s, &c->request);
	s->handler.request(s->context, &c->request);
}

/* Large bodies wait for this (RFC 9110, section 10.1.1). */
static void say_continue(struct fake_connection *c, size_t head_len)
{
	struct fake_request x = { .head = strndup(c->in.at, head_len) };
	char value[32];

	fake_must(x.head != NULL, "out of memory");
	if (fake_request_header(&x, "Expect", value, sizeof(value))) {
		fake_octets_text(&c->out.octets, "HTTP/1.1 100 Continue\r\n\r\n");
		fake_connection_flush(c);
	}
	c->continued = true;
	free((char *)(uintptr_t)x.head);
}

/* Takes requests as long as there are whole ones and nothing is under way. */
static void advance(struct fake_connection *c)
{
	while (!c->dead && !c->busy && !c->refused && !c->close_after) {
		size_t head_len = 0;
		const long long len = fake_message_length(c->in.at, c->in.len, &head_len);

		if (len == 0 && head_len > 0 && !c->continued)
			say_continue(c, head_len);
		if (len == 0)
			return;
		if (len < 0 || !fake_message_read(&c->request, c->in.at, head_len, (size_t)len)) {
			fake_connection_cut(c);
			return;
		}
		fake_octets_drop(&c->in, (size_t)len);
		handle(c);
	}
}

/* --- listening --- */

void fake_http_cut_connections(struct fake_http *s, bool also_control)
{
	for (struct fake_connection *c = LIST_FIRST(&s->connections), *next; c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (also_control || !c->control)
			fake_connection_cut(c);
	}
}

void fake_http_stop_listening(struct fake_http *s, uint64_t ms)
{
	if (s->listener >= 0)
		close(s->listener);
	s->listener = -1;
	s->up_ns = ms > 0 ? fake_now_ns() + ms * 1000000 : NEVER;
	if (s->up_ns < s->next_ns)
		s->next_ns = s->up_ns;
}

void fake_http_listen(struct fake_http *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(s->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = s };
	socklen_t len = sizeof(at);
	const int one = 1;

	s->up_ns = NEVER;
	if (s->listener >= 0)
		return;
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	fake_must(bind(s->listener, (struct sockaddr *)&at, len) == 0, "cannot bind");
	fake_must(listen(s->listener, 4096) == 0, "cannot listen");
	getsockname(s->listener, (struct sockaddr *)&at, &len);
	if (s->port == 0)
		s->port = ntohs(at.sin_port);
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &event);
}

/* --- the loop --- */

static void serve(struct fake_connection *c, uint32_t events)
{
	if (c->dead)
		return;
	if ((events & EPOLLOUT) != 0) {
		watch(c, EPOLL_CTL_MOD, false);
		fake_connection_flush(c);
	}
	if (c->dead || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	if (read_all(c))
		advance(c);
	else
		fake_connection_cut(c);
}

static void expire(struct fake_connection *c)
{
	struct fake_http *s = c->server;

	c->deadline_ns = NEVER;
	if (c->refused)
		fake_connection_cut(c);
	else if (c->busy && s->handler.expired != NULL)
		s->handler.expired(s->context, &c->request);
}

/* Finds out what is due, and what will be next. */
static void look_at_clock(struct fake_http *s)
{
	const uint64_t now = fake_now_ns();

	if (now < s->next_ns)
		return;
	s->next_ns = NEVER;
	if (s->up_ns <= now)
		fake_http_listen(s);
	else
		s->next_ns = s->up_ns;
	for (struct fake_connection *c = LIST_FIRST(&s->connections), *next; c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (c->deadline_ns <= now)
			expire(c);
		else if (c->deadline_ns < s->next_ns)
			s->next_ns = c->deadline_ns;
	}
}

static void read_on(struct fake_http *s)
{
	while (s->unread) {
		struct fake_connection *next = LIST_FIRST(&s->connections);

		s->unread = false;
		for (struct fake_connection *c = next; c != NULL && !c->dead; c = next) {
			next = LIST_NEXT(c, link);
			if (c->in.len > 0)
				advance(c);
			s->unread |= next != NULL && next->dead; /* the list was left: once more */
		}
	}
}

static int timeout_ms(struct fake_http *s)
{
	const uint64_t now = fake_now_ns();

	if (s->next_ns == NEVER)
		return -1;
	return s->next_ns <= now ? 0 : (int)((s->next_ns - now) / 1000000) + 1;
}

static void *run(void *arg)
{
	struct fake_http *s = arg;
	struct epoll_event events[BATCH];
	uint64_t wakes;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		const int wait_ms = timeout_ms(s);

		pthread_mutex_unlock(&s->lock);
		const int n = epoll_wait(s->epoll, events, BATCH, wait_ms);
		pthread_mutex_lock(&s->lock);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == s)
				accept_all(s);
			else if (events[i].data.ptr != &s->wake)
				serve(events[i].data.ptr, events[i].events);
			else if (read(s->wake, &wakes, sizeof(wakes)) < 0)
				continue; /* somebody has read it before us */
		}
		look_at_clock(s);
		read_on(s);
		bury(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- life --- */

static void wake(struct fake_http *s)
{
	const uint64_t one = 1;

	fake_must(write(s->wake, &one, sizeof(one)) == sizeof(one), "cannot wake the server");
}

void fake_http_start(uint16_t port, const struct fake_handler *handler, void *context, struct fake_http **ret)
{
	struct fake_http *s = fake_new(sizeof(*s));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &s->wake };
	sigset_t all, before;

	s->handler = *handler;
	s->context = context;
	s->port = port;
	s->listener = -1;
	s->next_ns = NEVER;
	s->arrivals_from_ns = fake_now_ns();
	LIST_INIT(&s->connections);
	LIST_INIT(&s->graveyard);
	pthread_mutex_init(&s->lock, NULL);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->wake, &event);
	fake_http_listen(s);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", s->port);

	*ret = s;
	sigfillset(&all); /* signals are the tested program's business */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	fake_must(pthread_create(&s->thread, NULL, run, s) == 0, "cannot start a thread");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void fake_http_stop(struct fake_http *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	fake_http_stop_listening(s, 0);
	fake_http_cut_connections(s, true);
	pthread_mutex_unlock(&s->lock);
	wake(s);
	pthread_join(s->thread, NULL);
	bury(s);
	close(s->epoll);
	close(s->wake);
	for (size_t i = 0; i < FAKE_HEADS_KEPT; i++)
		free(s->heads[i]);
	free(s->arrivals);
	free(s->refusal);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

uint16_t fake_http_port(const struct fake_http *s)
{
	return s->port;
}

const char *fake_http_url(const struct fake_http *s)
{
	return s->url;
}

void fake_http_lock(struct fake_http *s)
{
	pthread_mutex_lock(&s->lock);
}

void fake_http_unlock(struct fake_http *s)
{
	const bool unread = s->unread;

	pthread_mutex_unlock(&s->lock);
	if (unread)
		wake(s);
}

void fake_http_down(struct fake_http *s)
{
	fake_http_lock(s);
	fake_http_stop_listening(s, 0);
	fake_http_cut_connections(s, true);
	fake_http_unlock(s);
}

void fake_http_up(struct fake_http *s)
{
	fake_http_lock(s);
	fake_http_listen(s);
	fake_http_unlock(s);
}

void fake_http_cut_locked(struct fake_http *s)
{
	fake_http_cut_connections(s, false);
}

void fake_http_cut(struct fake_http *s)
{
	fake_http_lock(s);
	fake_http_cut_connections(s, false);
	fake_http_unlock(s);
}
