/* SPDX-License-Identifier: BSD-2-Clause */
#include "client.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 32768, RRS_MAX = 4096, HEADER = 12, OPTION_EDE = 15 };

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Unlike ck_assert() it says nothing to Check when all is well: streams come here many thousand times. */
static void require(bool good, const char *what)
{
	if (!good)
		ck_abort_msg("%s", what);
}

/* --- connections --- */

static struct client *open_client(uint16_t port, bool tcp)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;
	struct client *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	c->port = port;
	c->tcp = tcp;
	c->fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(c->fd, 0);
	if (tcp)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ck_assert_msg(connect(c->fd, (const struct sockaddr *)&at, sizeof(at)) == 0, "connect: %s",
		      strerror(errno));
	return c;
}

struct client *client_udp(uint16_t port)
{
	return open_client(port, false);
}

struct client *client_tcp(uint16_t port)
{
	return open_client(port, true);
}

void client_close(struct client *c)
{
	if (c == NULL)
		return;
	close(c->fd);
	free(c);
}

/* --- sending --- */

size_t client_write_query(const struct question *q, uint8_t ret[CLIENT_QUERY_MAX])
{
	static const uint8_t opt[] = { 0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0 };
	const uint16_t type = q->type != 0 ? q->type : 1, class = q->class != 0 ? q->class : 1;
	const uint8_t header[HEADER] = { (uint8_t)(q->id >> 8),
					 (uint8_t)q->id,
					 (uint8_t)(q->opcode << 3 | (q->no_rd ? 0 : 1)),
					 0,
					 0,
					 1,
					 [11] = !q->plain };
	ldns_rdf *name = ldns_dname_new_frm_str(q->name);
	size_t len = HEADER;

	require(name != NULL, "not a name");
	memcpy(ret, header, HEADER);
	memcpy(ret + len, ldns_rdf_data(name), ldns_rdf_size(name));
	len += ldns_rdf_size(name);
	ldns_rdf_deep_free(name);
	const uint8_t end[4] = { (uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(class >> 8),
				 (uint8_t) class };
	memcpy(ret + len, end, sizeof(end));
	len += sizeof(end);
	if (!q->plain) {
		memcpy(ret + len, opt, sizeof(opt));
		len += sizeof(opt);
	}
	return len;
}

void client_send_octets(struct client *c, const void *octets, size_t len)
{
	const uint8_t *at = octets;

	while (len > 0) {
		const ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);

		require(n > 0, "send");
		at += n;
		len -= (size_t)n;
	}
}

void client_send(struct client *c, const struct question *q)
{
	uint8_t framed[2 + CLIENT_QUERY_MAX];
	const size_t len = client_write_query(q, framed + 2);

	framed[0] = (uint8_t)(len >> 8);
	framed[1] = (uint8_t)len;
	if (c->tcp)
		client_send_octets(c, framed, 2 + len);
	else
		client_send_octets(c, framed + 2, len);
}

void client_finish(struct client *c)
{
	ck_assert_int_eq(shutdown(c->fd, SHUT_WR), 0);
}

/* --- receiving --- */

static bool wait_readable(const struct client *c, uint64_t end_ms)
{
	struct pollfd fd = { .fd = c->fd, .events = POLLIN };
	const uint64_t now = now_ms();

	return poll(&fd, 1, now < end_ms ? (int)(end_ms - now) : 0) > 0;
}

/* Takes what has arrived; false when there is nothing to come any more. */
static bool receive(struct client *c)
{
	uint8_t *to = c->tcp ? c->stream + c->arrived : c->reply;
	const size_t room = c->tcp ? sizeof(c->stream) - c->arrived : sizeof(c->reply);
	const ssize_t n = recv(c->fd, to, room, 0);

	if (c->tcp && n > 0)
		c->arrived += (size_t)n;
	else if (!c->tcp && n > 0)
		c->len = (size_t)n;
	else
		c->closed = true;
	return n > 0;
}

/* Moves the first whole message of the stream into the reply. */
static bool take_message(struct client *c)
{
	if (c->arrived < 2)
		return false;
	const size_t len = (size_t)(c->stream[0] << 8 | c->stream[1]);
	if (c->arrived < 2 + len)
		return false;
	c->len = len;
	memcpy(c->reply, c->stream + 2, len);
	c->arrived -= 2 + len;
	memmove(c->stream, c->stream + 2 + len, c->arrived);
	return true;
}

static ldns_pkt *parse(const struct client *c)
{
	ldns_pkt *packet;

	require(c->len >= HEADER, "not even a header");
	require(ldns_wire2pkt(&packet, c->reply, c->len) == LDNS_STATUS_OK, "ldns cannot read the reply");
	require(ldns_pkt_qr(packet), "not a reply");
	return packet;
}

bool client_read(struct client *c, unsigned limit_ms)
{
	const uint64_t end_ms = now_ms() + limit_ms;

	c->len = 0;
	while (!c->closed) {
		if (c->tcp && take_message(c))
			break;
		if (!wait_readable(c, end_ms) || !receive(c))
			return false;
		if (!c->tcp)
			break;
	}
	if (c->len == 0)
		return false;
	ldns_pkt_free(parse(c));
	return true;
}

bool client_is_closed(struct client *c, unsigned limit_ms)
{
	const uint64_t end_ms = now_ms() + limit_ms;

	while (!c->closed && wait_readable(c, end_ms)) {
		receive(c);
		c->arrived = 0;
	}
	return c->closed;
}

/* --- judging --- */

uint16_t client_id(const struct client *c)
{
	return (uint16_t)(c->reply[0] << 8 | c->reply[1]);
}

/* The extended error (RFC 8914), or -1. */
static int extended_error(ldns_pkt *packet)
{
	const ldns_edns_option_list *list =
		ldns_pkt_edns(packet) ? ldns_pkt_edns_get_option_list(packet) : NULL;

	for (size_t i = 0; list != NULL && i < ldns_edns_option_list_get_count(list); i++) {
		const ldns_edns_option *option = ldns_edns_option_list_get_option(list, i);

		if ((int)ldns_edns_get_code(option) == OPTION_EDE && ldns_edns_get_size(option) >= 2)
			return ldns_edns_get_data(option)[0] << 8 | ldns_edns_get_data(option)[1];
	}
	return -1;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "2 A 10.0.0.1": what stands in every answer anyway, owner and class, is left out. */
static char *rr_text(const ldns_rr *rr)
{
	char *full = ldns_rr2str(rr), *rest = NULL, *text;

	strtok_r(full, "\t", &rest);
	const char *ttl = strtok_r(NULL, "\t", &rest);
	strtok_r(NULL, "\t", &rest);
	const char *type = strtok_r(NULL, "\t", &rest), *rdata = strtok_r(NULL, "\n", &rest);
	require(asprintf(&text, "%s %s %s", ttl, type, rdata != NULL ? rdata : "") > 0, "out of memory");
	free(full);
	return text;
}

static void append_answer(FILE *out, const ldns_rr_list *list)
{
	static _Thread_local char *texts[RRS_MAX];
	const size_t n = ldns_rr_list_rr_count(list);

	require(n <= RRS_MAX, "more RRs than any test asked for");
	for (size_t i = 0; i < n; i++)
		texts[i] = rr_text(ldns_rr_list_rr(list, i));
	qsort(texts, n, sizeof(texts[0]), compare_text);
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "; %s", texts[i]);
		free(texts[i]);
	}
}

const char *client_text(const struct client *c)
{
	static _Thread_local char text[TEXT_MAX];
	ldns_pkt *packet = parse(c);
	char *rcode = ldns_pkt_rcode2str(ldns_pkt_get_rcode(packet));
	const int ede = extended_error(packet);
	FILE *out = fmemopen(text, sizeof(text), "w");

	fprintf(out, "%s%s%s", rcode, ldns_pkt_aa(packet) ? " aa" : "", ldns_pkt_tc(packet) ? " tc" : "");
	if (ede >= 0)
		fprintf(out, " ede %d", ede);
	append_answer(out, ldns_pkt_answer(packet));
	fclose(out);
	free(rcode);
	ldns_pkt_free(packet);
	return text;
}

unsigned client_answers(const struct client *c)
{
	require(c->len >= HEADER, "no reply");
	return (unsigned)(c->reply[6] << 8 | c->reply[7]);
}

const char *client_ask(struct client *c, const struct question *q)
{
	client_send(c, q);
	if (!client_read(c, CLIENT_LIMIT_MS))
		return c->closed ? "closed" : "no reply";
	require(client_id(c) == q->id, "a reply with another ID");
	return client_text(c);
}

const char *client_lookup(uint16_t port, const char *name)
{
	struct client *c = client_udp(port);
	const char *text = client_ask(c, &(struct question){ .name = name });

	client_close(c);
	return text;
}

/* --- streams --- */

struct stream {
	struct client *client;
	const char *name, *const *texts;
	size_t n;
	pthread_t thread;
	atomic_bool stop;
	atomic_uint count;
	char wrong[256]; /* the first answer that is none of texts; "": none so far */
};

static bool is_expected(const struct stream *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->texts[i], text) == 0)
			return true;
	}
	return false;
}

static void *run_stream(void *arg)
{
	struct stream *s = arg;

	for (uint16_t id = 0; !s->stop; id++) {
		const char *text = client_ask(s->client, &(struct question){ .name = s->name, .id = id });

		if (!is_expected(s, text)) {
			snprintf(s->wrong, sizeof(s->wrong), "%s", text);
			break;
		}
		s->count++;
	}
	return NULL;
}

struct stream *stream_start(uint16_t port, bool tcp, const char *name, const char *const *texts, size_t n)
{
	struct stream *s = calloc(1, sizeof(*s));

	ck_assert_ptr_nonnull(s);
	s->client = open_client(port, tcp);
	s->name = name;
	s->texts = texts;
	s->n = n;
	ck_assert_int_eq(pthread_create(&s->thread, NULL, run_stream, s), 0);
	return s;
}

unsigned stream_count(const struct stream *s)
{
	return s->count;
}

unsigned stream_stop(struct stream *s)
{
	s->stop = true;
	pthread_join(s->thread, NULL);
	const unsigned count = s->count;
	ck_assert_msg(s->wrong[0] == '\0', "%s, after %u answers: %s", s->name, count, s->wrong);
	client_close(s->client);
	free(s);
	return count;
}
