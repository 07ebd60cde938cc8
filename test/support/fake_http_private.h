/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_http_private.h -- between fake_http.c (connections and their loop), fake_http_answer.c and
 * fake_http_control.c (counts and control). All with the lock held. */
#ifndef PHONEBOOK_TEST_FAKE_HTTP_PRIVATE_H
#define PHONEBOOK_TEST_FAKE_HTTP_PRIVATE_H

#include <pthread.h>
#include <sys/queue.h>

#include "fake_http.h"
#include "fake_octets.h"

enum { FAKE_HEADS_KEPT = 64 };

struct fake_connection {
	struct fake_request request; /* first: the handler's pointer is ours */
	LIST_ENTRY(fake_connection) link;
	struct fake_http *server;
	int fd;
	struct {
		struct fake_octets octets;
		size_t sent;
	} out;
	struct fake_octets in;
	bool busy, streaming, close_after; /* of the request under way */
	bool continued, refused, control, dead;
	uint64_t deadline_ns;
};

LIST_HEAD(fake_connections, fake_connection);

struct fake_http {
	struct fake_handler handler;
	void *context;
	uint16_t port;
	char url[64];
	int epoll, wake;
	pthread_t thread;

	pthread_mutex_t lock; /* of all below */
	bool stopping, unread;
	int listener;
	uint64_t next_ns, up_ns; /* the earliest deadline, or earlier; when to listen again */
	struct fake_connections connections, graveyard;
	struct fake_http_counts counts;
	unsigned max_connections;
	char *refusal;
	char *heads[FAKE_HEADS_KEPT];
	size_t n_heads;
	unsigned *arrivals;
	size_t n_arrivals;
	uint64_t arrivals_from_ns;
};

/* Ends a connection; who keeps its request is told. */
void fake_connection_cut(struct fake_connection *c);

/* Sends what the socket takes. */
void fake_connection_flush(struct fake_connection *c);

/* The request is answered: the connection is free for the next one. */
void fake_connection_finish(struct fake_connection *c);

void fake_connection_deadline(struct fake_connection *c, uint64_t ms);

void fake_http_cut_connections(struct fake_http *s, bool also_control);

/* Listens again after ms, 0: when told to. */
void fake_http_stop_listening(struct fake_http *s, uint64_t ms);
void fake_http_listen(struct fake_http *s);

/* Counts a client's request. */
void fake_http_note(struct fake_http *s, const struct fake_request *x);

/* Answers a request below /_control/. */
void fake_http_control(struct fake_http *s, struct fake_request *x);

#endif
