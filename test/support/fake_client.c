/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_client.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_http.h"

enum { LIMIT_MS = 10000 };

void fake_client_open(struct fake_client *c, const struct fake_http *http)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(fake_http_port(http)),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	*c = (struct fake_client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	ck_assert_int_ge(c->fd, 0);
	ck_assert_msg(connect(c->fd, (const struct sockaddr *)&at, sizeof(at)) == 0, "connect: %s",
		      strerror(errno));
	fake_octets_text(&c->in, "");
}

void fake_client_close(struct fake_client *c)
{
	close(c->fd);
	fake_octets_finish(&c->in);
}

void fake_client_send(struct fake_client *c, const char *method, const char *target, const char *headers,
		      const char *body)
{
	struct fake_octets o = { 0 };

	fake_octets_format(&o, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, target, headers);
	if (body != NULL)
		fake_octets_format(&o, "Content-Length: %zu\r\n", strlen(body));
	fake_octets_format(&o, "\r\n%s", body != NULL ? body : "");
	for (size_t sent = 0; sent < o.len;) {
		const ssize_t n = send(c->fd, o.at + sent, o.len - sent, MSG_NOSIGNAL);

		ck_assert_int_gt(n, 0);
		sent += (size_t)n;
	}
	fake_octets_finish(&o);
}

/* False when the other side has closed. */
static bool receive(struct fake_client *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	char octets[65536];

	ck_assert_msg(poll(&p, 1, LIMIT_MS) == 1, "nothing comes");
	const ssize_t n = recv(c->fd, octets, sizeof(octets), 0);
	if (n > 0)
		fake_octets_add(&c->in, octets, (size_t)n);
	return n > 0;
}

/* The first len octets, with a NUL; the caller frees them. */
static char *take(struct fake_client *c, size_t len)
{
	while (c->in.len < len)
		ck_assert_msg(receive(c), "the answer was cut");
	char *text = fake_new(len + 1);
	memcpy(text, c->in.at, len);
	fake_octets_drop(&c->in, len);
	return text;
}

/* A line with its CRLF; NULL when the other side has closed. */
static char *take_line(struct fake_client *c)
{
	char *end;

	while ((end = strstr(c->in.at, "\r\n")) == NULL) {
		if (!receive(c))
			return NULL;
	}
	return take(c, (size_t)(end - c->in.at) + 2);
}

struct fake_reply fake_client_read_head(struct fake_client *c)
{
	struct fake_reply reply = { .body = fake_copy("") };
	char *end;

	while ((end = strstr(c->in.at, "\r\n\r\n")) == NULL)
		ck_assert_msg(receive(c), "no answer has come");
	reply.head = take(c, (size_t)(end - c->in.at) + 4);
	ck_assert_int_eq(sscanf(reply.head, "HTTP/1.1 %d ", &reply.status), 1);
	return reply;
}

char *fake_client_chunk(struct fake_client *c)
{
	char *size = take_line(c);

	if (size == NULL)
		return NULL;
	char *chunk = take(c, strtoul(size, NULL, 16) + 2);
	chunk[strlen(chunk) - 2] = '\0';
	free(size);
	return chunk;
}

struct fake_reply fake_client_read(struct fake_client *c)
{
	struct fake_reply reply = fake_client_read_head(c);
	struct fake_octets body = { 0 };

	if (reply.status == 304)
		return reply;
	free(reply.body);
	if (!fake_reply_has(&reply, "Transfer-Encoding: chunked")) {
		reply.body = take(c, fake_reply_number(&reply, "Content-Length"));
		return reply;
	}
	for (bool more = true; more;) {
		char *chunk = fake_client_chunk(c);

		ck_assert_ptr_nonnull(chunk);
		fake_octets_text(&body, chunk);
		more = chunk[0] != '\0';
		free(chunk);
	}
	reply.body = body.at;
	return reply;
}

bool fake_client_is_silent(struct fake_client *c, int ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	return c->in.len == 0 && poll(&p, 1, ms) == 0;
}

bool fake_client_is_closed(struct fake_client *c)
{
	return c->in.len == 0 && !receive(c);
}

struct fake_reply fake_client_ask(const struct fake_http *http, const char *method, const char *target,
				  const char *headers, const char *body)
{
	struct fake_client c;

	fake_client_open(&c, http);
	fake_client_send(&c, method, target, headers, body);
	const struct fake_reply reply = fake_client_read(&c);
	fake_client_close(&c);
	return reply;
}

static const char *find_line(const struct fake_reply *reply, const char *start)
{
	const char *line = strstr(reply->head, start);

	return line != NULL && line[-1] == '\n' ? line : NULL;
}

unsigned long long fake_reply_number(const struct fake_reply *reply, const char *header)
{
	const char *line = find_line(reply, header);

	return line != NULL ? strtoull(line + strlen(header) + 1, NULL, 10) : 0;
}

bool fake_reply_has(const struct fake_reply *reply, const char *line)
{
	const char *found = find_line(reply, line);

	return found != NULL && found[strlen(line)] == '\r';
}

void fake_reply_free(struct fake_reply *reply)
{
	free(reply->head);
	free(reply->body);
	*reply = (struct fake_reply){ 0 };
}
