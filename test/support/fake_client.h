/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_client.h -- a plain HTTP client on a blocking socket, to try the fakes with. What does not
 * come within seconds fails the test. */
#ifndef PHONEBOOK_TEST_FAKE_CLIENT_H
#define PHONEBOOK_TEST_FAKE_CLIENT_H

#include "fake_octets.h"

struct fake_http;

struct fake_client {
	int fd;
	struct fake_octets in;
};

struct fake_reply {
	int status;
	char *head, *body; /* of a chunked one the body is whole, too */
};

void fake_client_open(struct fake_client *c, const struct fake_http *http);
void fake_client_close(struct fake_client *c);

/* Sends a request; headers are lines that end in CRLF, body may be NULL. */
void fake_client_send(struct fake_client *c, const char *method, const char *target, const char *headers,
		      const char *body);

/* Reads a whole answer. */
struct fake_reply fake_client_read(struct fake_client *c);

/* Reads a head only, for a stream; the body is empty. */
struct fake_reply fake_client_read_head(struct fake_client *c);

/* The next chunk of a stream, NUL behind, which the caller frees; "" when it has ended, NULL when it was cut.
 */
char *fake_client_chunk(struct fake_client *c);

/* True if nothing has come within the time. */
bool fake_client_is_silent(struct fake_client *c, int ms);

/* True if the other side has closed the connection, and nothing is left to read. */
bool fake_client_is_closed(struct fake_client *c);

/* One request on a connection of its own. */
struct fake_reply fake_client_ask(const struct fake_http *http, const char *method, const char *target,
				  const char *headers, const char *body);

/* A header's number, 0 if it is not there; and whether a line is there. */
unsigned long long fake_reply_number(const struct fake_reply *reply, const char *header);
bool fake_reply_has(const struct fake_reply *reply, const char *line);

void fake_reply_free(struct fake_reply *reply);

#endif
