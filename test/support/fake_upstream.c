/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire/dns.h"

enum {
	CONNECTIONS = 64,
	HEADER = DNS_HEADER_OCTETS,
	RECEIVE_BUFFER = 8 << 20, /* thousands of queries at once are not lost on their way in */
};

struct connection {
	int fd; /* -1: free */
	size_t len;
	uint8_t octets[2 + FAKE_QUERY_MAX]; /* read so far */
};

/* Where an answer goes. */
struct asker {
	int connection; /* -1: UDP */
	struct sockaddr_storage from;
	socklen_t from_len;
};

struct pending {
	struct pending *next;
	struct asker to;
	uint64_t due_ms; /* UINT64_MAX: held */
	size_t len;
	uint8_t octets[];
};

struct fake_upstream {
	int udp, listener, wake;
	uint16_t port;
	pthread_t thread;
	struct connection connections[CONNECTIONS]; /* of the thread, as the next one */
	struct pending *pending;
	pthread_mutex_t lock; /* of all that follow */
	bool stop, release, close_connections;
	struct fake_script script;
	struct fake_seen seen;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- answers --- */

/* A query taken apart as far as an answer needs it; question_len 0: not readable. */
struct asked {
	const uint8_t *octets;
	size_t len, question_len;
	uint16_t qtype;
	bool has_opt, dnssec_ok, tcp;
};

static struct asked take_apart(const uint8_t *octets, size_t len, bool tcp)
{
	struct asked a = { .octets = octets, .len = len, .tcp = tcp };
	size_t at = HEADER;

	while (at < len && octets[at] != 0)
		at += 1U + octets[at];
	if (at + 5 > len)
		return a;
	a.qtype = get_u16(octets + at + 1);
	a.question_len = at + 5 - HEADER;
	at += 5;
	a.has_opt = get_u16(octets + 10) == 1 && at + DNS_OPT_OCTETS <= len &&
		    get_u16(octets + at + 1) == RRTYPE_OPT;
	a.dnssec_ok = a.has_opt && (octets[at + 7] & 0x80) != 0;
	return a;
}

static size_t put_rr(uint8_t *at, uint16_t type, const void *rdata, uint16_t rdata_len)
{
	put_u16(at, 0xc00c);
	put_u16(at + 2, type);
	put_u16(at + 4, RRCLASS_IN);
	put_u32(at + 6, 300);
	put_u16(at + 10, rdata_len);
	memcpy(at + 12, rdata, rdata_len);
	return 12U + rdata_len;
}

/* Addresses count up; RDATA of other types looks like pointers and long labels, but is none of our business.
 */
static size_t put_answer(uint8_t *at, uint16_t qtype, unsigned i)
{
	const uint8_t ip4[4] = { 192, 0, (uint8_t)(2 + i / 256), (uint8_t)i };
	const uint8_t ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [14] = (uint8_t)(i / 256), [15] = (uint8_t)i };
	const uint8_t other[6] = { 0xc0, 0xff, 0x00, 0x3f, 0xde, (uint8_t)i };

	if (qtype == RRTYPE_A)
		return put_rr(at, RRTYPE_A, ip4, sizeof(ip4));
	if (qtype == RRTYPE_AAAA)
		return put_rr(at, RRTYPE_AAAA, ip6, sizeof(ip6));
	return put_rr(at, qtype, other, sizeof(other));
}

static size_t put_opt(uint8_t *at, const struct asked *a, const struct fake_script *s)
{
	static const uint8_t ede[] = { 0, 15, 0, 6, 0, 3, 'o', 'l', 'd', '!' };
	const bool with_ede = (s->quirks & FAKE_OPT_EDE) != 0;

	memset(at, 0, DNS_OPT_OCTETS);
	put_u16(at + 1, RRTYPE_OPT);
	put_u16(at + 3, 4096);
	at[5] = (uint8_t)(s->rcode >> 4);
	at[7] = a->dnssec_ok ? 0x80 : 0;
	if (!with_ede)
		return DNS_OPT_OCTETS;
	put_u16(at + 9, sizeof(ede));
	memcpy(at + DNS_OPT_OCTETS, ede, sizeof(ede));
	return DNS_OPT_OCTETS + sizeof(ede);
}

static size_t put_additional(uint8_t *at, const struct asked *a, const struct fake_script *s, uint16_t *n)
{
	static const uint8_t address[4] = { 192, 0, 2, 250 };
	const bool opt = a->has_opt && (s->quirks & (FAKE_IGNORES_EDNS | FAKE_NO_EDNS)) == 0;
	const bool first = (s->quirks & FAKE_OPT_FIRST) != 0;
	size_t len = 0;

	if (opt && first)
		len += put_opt(at, a, s);
	if ((s->quirks & (FAKE_OPT_FIRST | FAKE_ADDITIONAL)) != 0) {
		len += put_rr(at + len, RRTYPE_A, address, sizeof(address));
		++*n;
	}
	if (opt && !first)
		len += put_opt(at + len, a, s);
	*n = (uint16_t)(*n + opt);
	return len;
}

static void spoil_header(uint8_t *ret, const struct asked *a, unsigned quirks)
{
	if ((quirks & FAKE_WRONG_ID) != 0)
		ret[0] ^= 0x55;
	if ((quirks & FAKE_WRONG_QUESTION) != 0)
		ret[HEADER + 1] ^= 1;
	for (size_t i = 0; (quirks & FAKE_FOLDS_QUESTION) != 0 && i < a->question_len - 4; i++) {
		if (ret[HEADER + i] >= 'A' && ret[HEADER + i] <= 'Z')
			ret[HEADER + i] |= 0x20;
	}
}

/* Writes at most 64 KiB. */
static size_t write_answer(const struct asked *a, const struct fake_script *s, uint8_t *ret)
{
	const bool cut = (s->quirks & FAKE_CUTS_UDP) != 0 && !a->tcp;
	const bool no_edns = (s->quirks & FAKE_NO_EDNS) != 0 && a->has_opt;
	const unsigned rcode = no_edns ? RCODE_FORMERR : s->rcode;
	const unsigned n_answers = cut || no_edns ? 0 : s->n_answers > 0 ? s->n_answers : rcode == 0;
	size_t len = HEADER + a->question_len;
	uint16_t n_additional = 0;

	if ((s->quirks & FAKE_REFLECTS) != 0) {
		memcpy(ret, a->octets, a->len);
		return a->len;
	}
	memset(ret, 0, HEADER);
	memcpy(ret, a->octets, 2);
	put_u16(ret + 2,
		(uint16_t)(HEADER_QR | HEADER_RA | (get_u16(a->octets + 2) & (HEADER_RD | HEADER_CD)) |
			   (cut ? HEADER_TC : 0) | s->flags | (rcode & HEADER_RCODE)));
	put_u16(ret + 4, 1);
	put_u16(ret + 6, (uint16_t)n_answers);
	memcpy(ret + HEADER, a->octets + HEADER, a->question_len);
	spoil_header(ret, a, s->quirks);

	for (unsigned i = 0; i < n_answers; i++)
		len += put_answer(ret + len, a->qtype, i);
	if ((s->quirks & FAKE_DAMAGED) != 0 && n_answers > 0)
		ret[HEADER + a->question_len + 10] = 0xff;
	if (!no_edns)
		len += put_additional(ret + len, a, s, &n_additional);
	put_u16(ret + 10, n_additional);
	if ((s->quirks & FAKE_TRAILS) != 0) {
		memset(ret + len, 0xee, 7);
		len += 7;
	}
	return len;
}

/* --- the thread --- */

/* Counts a query and says how to answer it; false: not at all. */
static bool note_query(struct fake_upstream *f, const struct asked *a, uint16_t port, struct fake_script *ret)
{
	struct fake_seen *seen = &f->seen;
	bool answered = true;

	pthread_mutex_lock(&f->lock);
	*ret = f->script;
	if (f->script.lose > 0) {
		f->script.lose--;
		answered = false;
	}
	seen->n_udp += !a->tcp;
	seen->n_tcp += a->tcp;
	seen->last_len = a->len < FAKE_QUERY_MAX ? a->len : FAKE_QUERY_MAX;
	memcpy(seen->last, a->octets, seen->last_len);
	if (seen->n < FAKE_SEEN_MAX) {
		seen->ids[seen->n] = get_u16(a->octets);
		seen->ports[seen->n++] = port;
	}
	pthread_mutex_unlock(&f->lock);
	return answered && (ret->quirks & FAKE_SILENT) == 0;
}

static void take_query(struct fake_upstream *f, const uint8_t *octets, size_t len, const struct asker *from)
{
	static _Thread_local uint8_t answer[128 << 10];
	const struct asked a =
		len >= HEADER ? take_apart(octets, len, from->connection >= 0) : (struct asked){ 0 };
	const uint16_t port = ntohs(((const struct sockaddr_in *)&from->from)->sin_port); /* same in IPv6 */
	struct fake_script script;

	if (len < HEADER || !note_query(f, &a, port, &script) || a.question_len == 0)
		return;
	const size_t answer_len = write_answer(&a, &script, answer);
	struct pending *p = malloc(sizeof(*p) + answer_len);
	if (p == NULL)
		abort();
	p->to = *from;
	p->due_ms = (script.quirks & FAKE_HOLDS) != 0 ? UINT64_MAX : now_ms() + script.delay_ms;
	p->len = answer_len;
	memcpy(p->octets, answer, answer_len);

	p->next = f->pending; /* the order of answers is nobody's business */
	f->pending = p;
}

static void write_all(int fd, const uint8_t *octets, size_t len)
{
	while (len > 0) {
		const ssize_t n = send(fd, octets, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		octets += n;
		len -= (size_t)n;
	}
}

static void send_answer(struct fake_upstream *f, const struct pending *p)
{
	if (p->to.connection < 0) {
		sendto(f->udp, p->octets, p->len, 0, (const struct sockaddr *)&p->to.from, p->to.from_len);
		return;
	}
	const int fd = f->connections[p->to.connection].fd;
	uint8_t len[2];

	put_u16(len, (uint16_t)p->len);
	if (fd < 0)
		return;
	write_all(fd, len, sizeof(len));
	write_all(fd, p->octets, p->len);
}

static void send_due(struct fake_upstream *f, bool release)
{
	const uint64_t now = now_ms();
	struct pending **at = &f->pending;

	while (*at != NULL) {
		struct pending *p = *at;

		if (p->due_ms > now && !(release && p->due_ms == UINT64_MAX)) {
			at = &p->next;
			continue;
		}
		send_answer(f, p);
		*at = p->next;
		free(p);
	}
}

static void read_datagrams(struct fake_upstream *f)
{
	for (;;) {
		struct asker from = { .connection = -1, .from_len = sizeof(from.from) };
		uint8_t octets[FAKE_QUERY_MAX];
		const ssize_t n = recvfrom(f->udp, octets, sizeof(octets), MSG_DONTWAIT,
					   (struct sockaddr *)&from.from, &from.from_len);

		if (n < 0 && errno != ECONNREFUSED)
			return;
		if (n > 0)
			take_query(f, octets, (size_t)n, &from);
	}
}

/* Answers held for a connection that closes must not reach the next one in its place. */
static void close_connection(struct fake_upstream *f, int i)
{
	struct pending **at = &f->pending;

	close(f->connections[i].fd);
	f->connections[i].fd = -1;
	while (*at != NULL) {
		struct pending *p = *at;

		if (p->to.connection != i) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p);
	}
}

static void accept_connection(struct fake_upstream *f)
{
	const int fd = accept(f->listener, NULL, NULL);

	for (int i = 0; fd >= 0 && i < CONNECTIONS; i++) {
		if (f->connections[i].fd >= 0)
			continue;
		f->connections[i].fd = fd;
		f->connections[i].len = 0;
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void read_connection(struct fake_upstream *f, int i)
{
	struct connection *c = &f->connections[i];
	struct asker from = { .connection = i, .from_len = sizeof(from.from) };
	const ssize_t n = recv(c->fd, c->octets + c->len, sizeof(c->octets) - c->len, MSG_DONTWAIT);

	if (n <= 0) {
		close_connection(f, i);
		return;
	}
	c->len += (size_t)n;
	getpeername(c->fd, (struct sockaddr *)&from.from, &from.from_len);
	while (c->len >= 2 && c->len >= 2U + get_u16(c->octets)) {
		const size_t frame = 2U + get_u16(c->octets);

		take_query(f, c->octets + 2, frame - 2, &from);
		c->len -= frame;
		memmove(c->octets, c->octets + frame, c->len);
	}
}

/* What the test's thread has asked for since the last turn; false: to stop. */
static bool take_orders(struct fake_upstream *f)
{
	uint64_t ignored;

	while (read(f->wake, &ignored, sizeof(ignored)) > 0)
		;
	pthread_mutex_lock(&f->lock);
	const bool stop = f->stop, release = f->release, close_connections = f->close_connections;
	f->release = f->close_connections = false;
	pthread_mutex_unlock(&f->lock);

	for (int i = 0; close_connections && i < CONNECTIONS; i++) {
		if (f->connections[i].fd >= 0)
			close_connection(f, i);
	}
	send_due(f, release);
	return !stop;
}

static int patience_ms(const struct fake_upstream *f)
{
	uint64_t first = UINT64_MAX;

	for (const struct pending *p = f->pending; p != NULL; p = p->next)
		first = p->due_ms < first ? p->due_ms : first;
	if (first == UINT64_MAX)
		return -1;
	const uint64_t now = now_ms();
	return first > now ? (int)(first - now) : 0;
}

static void *run(void *arg)
{
	struct fake_upstream *f = arg;
	struct pollfd fds[3 + CONNECTIONS] = {
		{ .fd = f->wake, .events = POLLIN },
		{ .fd = f->udp, .events = POLLIN },
		{ .fd = f->listener, .events = POLLIN },
	};

	while (take_orders(f)) {
		for (int i = 0; i < CONNECTIONS; i++)
			fds[3 + i] = (struct pollfd){ .fd = f->connections[i].fd, .events = POLLIN };
		poll(fds, 3 + CONNECTIONS, patience_ms(f));
		if (fds[1].revents != 0)
			read_datagrams(f);
		for (int i = 0; i < CONNECTIONS; i++) {
			if (fds[3 + i].fd >= 0 && fds[3 + i].revents != 0)
				read_connection(f, i);
		}
		if (fds[2].revents != 0)
			accept_connection(f);
	}
	return NULL;
}

/* --- from the test's thread --- */

static void wake(struct fake_upstream *f)
{
	const uint64_t one = 1;

	if (write(f->wake, &one, sizeof(one)) < 0)
		abort();
}

static bool bind_both(struct fake_upstream *f, const char *address, uint16_t port)
{
	struct sockaddr_in6 ip6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in ip4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	const bool is_ip4 = inet_pton(AF_INET, address, &ip4.sin_addr) == 1;
	struct sockaddr *at = is_ip4 ? (struct sockaddr *)&ip4 : (struct sockaddr *)&ip6;
	socklen_t len = is_ip4 ? sizeof(ip4) : sizeof(ip6);
	const int on = 1, size = RECEIVE_BUFFER;

	if (!is_ip4 && inet_pton(AF_INET6, address, &ip6.sin6_addr) != 1)
		return false;
	f->udp = socket(at->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	f->listener = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->udp < 0 || f->listener < 0)
		return false;
	setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (setsockopt(f->udp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(f->udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(f->udp, at, len) < 0 || getsockname(f->udp, at, &len) < 0 || bind(f->listener, at, len) < 0)
		return false;
	f->port = ntohs(is_ip4 ? ip4.sin_port : ip6.sin6_port);
	return listen(f->listener, 64) == 0;
}

static void close_both(struct fake_upstream *f)
{
	if (f->udp >= 0)
		close(f->udp);
	if (f->listener >= 0)
		close(f->listener);
	f->udp = f->listener = -1;
}

struct fake_upstream *fake_upstream_start(const char *address, uint16_t port)
{
	struct fake_upstream *f = calloc(1, sizeof(*f));
	bool bound = false;

	if (f == NULL)
		abort();
	for (int i = 0; i < CONNECTIONS; i++)
		f->connections[i].fd = -1;
	for (int tries = 0; !bound && tries < 100; tries++) {
		bound = bind_both(f, address, port); /* a port free for UDP may be taken for TCP */
		if (!bound)
			close_both(f);
	}
	if (!bound) {
		free(f);
		return NULL;
	}
	f->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pthread_mutex_init(&f->lock, NULL);
	if (f->wake < 0 || pthread_create(&f->thread, NULL, run, f) != 0)
		abort();
	return f;
}

void fake_upstream_stop(struct fake_upstream *f)
{
	if (f == NULL)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_mutex_unlock(&f->lock);
	wake(f);
	pthread_join(f->thread, NULL);

	for (int i = 0; i < CONNECTIONS; i++) {
		if (f->connections[i].fd >= 0)
			close_connection(f, i);
	}
	while (f->pending != NULL) {
		struct pending *next = f->pending->next;

		free(f->pending);
		f->pending = next;
	}
	close_both(f);
	close(f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

uint16_t fake_upstream_port(const struct fake_upstream *f)
{
	return f->port;
}

void fake_upstream_script(struct fake_upstream *f, const struct fake_script *script)
{
	pthread_mutex_lock(&f->lock);
	f->script = *script;
	pthread_mutex_unlock(&f->lock);
}

void fake_upstream_release(struct fake_upstream *f)
{
	pthread_mutex_lock(&f->lock);
	f->release = true;
	pthread_mutex_unlock(&f->lock);
	wake(f);
}

void fake_upstream_close_connections(struct fake_upstream *f)
{
	pthread_mutex_lock(&f->lock);
	f->close_connections = true;
	pthread_mutex_unlock(&f->lock);
	wake(f);
}

void fake_upstream_seen(struct fake_upstream *f, struct fake_seen *ret)
{
	pthread_mutex_lock(&f->lock);
	*ret = f->seen;
	pthread_mutex_unlock(&f->lock);
}

size_t fake_upstream_count(struct fake_upstream *f)
{
	pthread_mutex_lock(&f->lock);
	const size_t n = f->seen.n_udp + f->seen.n_tcp;
	pthread_mutex_unlock(&f->lock);
	return n;
}
