/* SPDX-License-Identifier: BSD-2-Clause */
/* support/client.h -- asks a DNS server on 127.0.0.1 over UDP or TCP; every reply is judged by ldns.
 *
 *   question --client_send--> server --client_read--> reply --client_text--> "NOERROR aa; 2 A 10.0.0.1"
 */
#ifndef PHONEBOOK_TEST_CLIENT_H
#define PHONEBOOK_TEST_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CLIENT_LIMIT_MS = 20000, /* what has not come by then will not come, even under a sanitizer */
	CLIENT_QUERY_MAX = 512,
	CLIENT_REPLY_MAX = 65535,
};

/* All zero but the name: A, class IN, a query with RD and EDNS of 4,096 octets, ID 0. */
struct question {
	const char *name;
	uint16_t type;
	uint16_t id;
	uint16_t class;
	uint8_t opcode;
	bool plain; /* without EDNS */
	bool no_rd;
};

struct client {
	int fd;
	uint16_t port;
	bool tcp;
	bool closed;    /* by the server */
	size_t arrived; /* TCP: octets of stream */
	size_t len;     /* of the last reply */
	uint8_t reply[CLIENT_REPLY_MAX];
	uint8_t stream[2 * (2 + CLIENT_REPLY_MAX)];
};

/* Connects; fails the test if it cannot. The caller owns it until client_close(). */
struct client *client_udp(uint16_t port);
struct client *client_tcp(uint16_t port);
void client_close(struct client *c); /* NULL is fine */

/* The query as it goes over UDP; returns its length. */
size_t client_write_query(const struct question *q, uint8_t ret[CLIENT_QUERY_MAX]);

/* Sends the query, over TCP with its length before it. */
void client_send(struct client *c, const struct question *q);

/* Sends octets as they are. */
void client_send_octets(struct client *c, const void *octets, size_t len);

/* TCP: says that nothing more will come. */
void client_finish(struct client *c);

/* Waits for the next whole reply; false when there is none within limit_ms or the server has closed the
 * connection. */
bool client_read(struct client *c, unsigned limit_ms);

/* Waits until the server has closed the connection, whatever it sends before; false after limit_ms. */
bool client_is_closed(struct client *c, unsigned limit_ms);

uint16_t client_id(const struct client *c); /* of the last reply */

/* The last reply in short: rcode, flags aa and tc, the extended error, the answer section sorted, e.g.
 * "NOERROR aa ede 3; 1 A 10.0.0.1; 1 A 10.0.0.2". Good until the next call on the same thread. */
const char *client_text(const struct client *c);

/* How many RRs the last reply has in its answer section. */
unsigned client_answers(const struct client *c);

/* Sends and reads one reply, which must be to this question: as client_text(), or "no reply" or "closed". */
const char *client_ask(struct client *c, const struct question *q);

/* Once, over UDP: the A records of the name. */
const char *client_lookup(uint16_t port, const char *name);

/* A client that asks one question after the other on a thread of its own, to see that nothing is lost. */
struct stream;

/* Each answer must be one of texts, n of them, borrowed until the end. */
struct stream *stream_start(uint16_t port, bool tcp, const char *name, const char *const *texts, size_t n);

/* Answers so far. */
unsigned stream_count(const struct stream *s);

/* Ends it and fails the test if an answer was missing or another. Returns how many there were. */
unsigned stream_stop(struct stream *s);

#endif
