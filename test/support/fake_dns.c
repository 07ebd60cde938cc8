/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_dns.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	NAMES_MAX = 1024,
	NAME_MAX_TEXT = 256,
	ADDRESSES_MAX = 40,
	SRVS_MAX = 512,
	ALIASES_MAX = 8,
	SEEN_MAX = 1024,
	MESSAGE_MAX = 65535,
	UDP_MAX = 512, /* without OPT (RFC 1035 section 4.2.1) */
	OPT_LEN = 11,
	TYPE_A = 1,
	TYPE_CNAME = 5,
	TYPE_AAAA = 28,
	TYPE_SRV = 33,
	TYPE_OPT = 41,
};

struct srv {
	char target[NAME_MAX_TEXT];
	uint16_t port, priority, weight;
	uint32_t ttl_s;
};

struct entry {
	char name[NAME_MAX_TEXT];
	char target[NAME_MAX_TEXT]; /* "": no alias */
	uint32_t ttl_s;
	struct {
		uint8_t octets[16];
		int type;
		uint32_t ttl_s;
	} addresses[ADDRESSES_MAX];
	int n;
	struct srv *srvs; /* room for SRVS_MAX, or NULL */
	int n_srvs;
	bool exists, asked;
};

/* Different numbers seen. */
struct seen {
	uint16_t numbers[SEEN_MAX];
	unsigned n;
};

struct fake_dns {
	int udp, tcp, stop;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	struct entry entries[NAMES_MAX];
	int n;
	int rcode, silent;
	unsigned quirks, queries, tcp_queries, names;
	struct seen ports, ids;
};

/* A reply under construction. */
struct reply {
	uint8_t octets[MESSAGE_MAX + 1024]; /* the last record may run over before it is looked at */
	size_t len;
	char question[NAME_MAX_TEXT];
};

/* The entry of that name, made if there is none; the caller holds the lock. */
static struct entry *find_entry(struct fake_dns *d, const char *name)
{
	for (int i = 0; i < d->n; i++) {
		if (strcasecmp(d->entries[i].name, name) == 0)
			return &d->entries[i];
	}
	if (d->n == NAMES_MAX || strlen(name) >= NAME_MAX_TEXT)
		return NULL;
	struct entry *e = &d->entries[d->n++];
	strcpy(e->name, name);
	return e;
}

/* Reads the question's name as text; returns the octets it took, 0 if it is none. */
static size_t read_name(const uint8_t *octets, size_t len, char ret[NAME_MAX_TEXT])
{
	size_t at = 0, out = 0;

	while (at < len && octets[at] != 0) {
		const size_t label = octets[at++];

		if (label > 63 || at + label > len || out + label + 2 > NAME_MAX_TEXT)
			return 0;
		if (out > 0)
			ret[out++] = '.';
		memcpy(ret + out, octets + at, label);
		out += label;
		at += label;
	}
	ret[out] = '\0';
	return at < len ? at + 1 : 0;
}

static size_t write_name(uint8_t *out, const char *name)
{
	size_t len = 0;

	while (*name != '\0') {
		const size_t label = strcspn(name, ".");

		out[len++] = (uint8_t)label;
		memcpy(out + len, name, label);
		len += label;
		name += label + (name[label] == '.');
	}
	out[len++] = 0;
	return len;
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Appends a record and counts it in the section whose count is at that offset of the header. */
static void write_record(struct reply *r, int count_at, const char *owner, int type, uint32_t ttl_s,
			 const void *data, size_t len)
{
	if (r->len + NAME_MAX_TEXT + 2 + 10 + len > sizeof(r->octets))
		return;
	if (strcasecmp(owner, r->question) == 0) {
		memcpy(r->octets + r->len, "\xc0\x0c", 2);
		r->len += 2;
	} else {
		r->len += write_name(r->octets + r->len, owner);
	}
	uint8_t *fixed = r->octets + r->len;
	put16(fixed, (unsigned)type);
	put16(fixed + 2, 1);
	put16(fixed + 4, ttl_s >> 16);
	put16(fixed + 6, ttl_s & 0xffff);
	put16(fixed + 8, (unsigned)len);
	memcpy(fixed + 10, data, len);
	r->len += 10 + len;
	uint8_t *count = r->octets + count_at;
	put16(count, (unsigned)(count[0] << 8 | count[1]) + 1);
}

static void write_addresses(struct reply *r, int count_at, const struct entry *e, int type)
{
	for (int i = 0; i < e->n; i++) {
		if (e->addresses[i].type == type)
			write_record(r, count_at, e->name, type, e->addresses[i].ttl_s,
				     e->addresses[i].octets, type == TYPE_A ? 4 : 16);
	}
}

static void write_srvs(struct reply *r, const struct entry *e)
{
	for (int i = 0; i < e->n_srvs; i++) {
		const struct srv *srv = &e->srvs[i];
		uint8_t data[6 + NAME_MAX_TEXT + 2];

		put16(data, srv->priority);
		put16(data + 2, srv->weight);
		put16(data + 4, srv->port);
		write_record(r, 6, e->name, TYPE_SRV, srv->ttl_s, data,
			     6 + write_name(data + 6, srv->target));
	}
}

/* The targets' addresses; what does not fit is left out without TC. */
static void write_additional(struct fake_dns *d, struct reply *r, const struct entry *e, size_t limit)
{
	for (int i = 0; i < e->n_srvs; i++) {
		const struct entry *target = find_entry(d, e->srvs[i].target);

		for (int type = TYPE_A; target != NULL && type <= TYPE_AAAA; type += TYPE_AAAA - TYPE_A) {
			const size_t before = r->len;
			const uint16_t count = (uint16_t)(r->octets[10] << 8 | r->octets[11]);

			write_addresses(r, 10, target, type);
			if (r->len > limit) {
				r->len = before;
				put16(r->octets + 10, count);
			}
		}
	}
}

/* Writes what the table knows behind the question, following aliases; returns the rcode. */
static int write_answer(struct fake_dns *d, int type, struct reply *r, size_t limit)
{
	const struct entry *e = find_entry(d, r->question);

	for (int i = 0; e != NULL && e->target[0] != '\0' && i < ALIASES_MAX; i++) {
		uint8_t target[NAME_MAX_TEXT + 2];

		write_record(r, 6, e->name, TYPE_CNAME, e->ttl_s, target, write_name(target, e->target));
		e = find_entry(d, e->target);
	}
	if (e == NULL || !e->exists)
		return 3;
	if (type == TYPE_SRV) {
		write_srvs(r, e);
		if ((d->quirks & FAKE_DNS_BARE) == 0)
			write_additional(d, r, e, limit);
	} else {
		write_addresses(r, 6, e, type);
	}
	return 0;
}

static void note(struct seen *seen, uint16_t number)
{
	for (unsigned i = 0; i < seen->n; i++) {
		if (seen->numbers[i] == number)
			return;
	}
	if (seen->n < SEEN_MAX)
		seen->numbers[seen->n++] = number;
}

static void note_question(struct fake_dns *d, const char *name)
{
	struct entry *e = find_entry(d, name);

	d->queries++;
	if (e != NULL && !e->asked) {
		e->asked = true;
		d->names++;
	}
}

static void begin_reply(struct reply *r, const uint8_t *query, size_t question_end)
{
	memcpy(r->octets, query, question_end);
	memcpy(r->octets + 2, "\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00", 10); /* QR RD RA, one question */
	r->len = question_end;
}

static void write_opt(struct reply *r)
{
	memcpy(r->octets + r->len, "\0\0\x29\x04\xd0\0\0\0\0\0\0", OPT_LEN);
	r->len += OPT_LEN;
	put16(r->octets + 10, (unsigned)(r->octets[10] << 8 | r->octets[11]) + 1);
}

/* Turns a query into its reply; false: no answer. limit 0: what the query says it can take. */
static bool answer(struct fake_dns *d, const uint8_t *query, size_t query_len, struct reply *r, size_t limit)
{
	const size_t name_len = query_len > 12 ? read_name(query + 12, query_len - 12, r->question) : 0;
	const size_t question_end = 12 + name_len + 4;

	if (name_len == 0 || question_end > query_len)
		return false;
	const int type = query[question_end - 4] << 8 | query[question_end - 3];
	const bool has_opt = query_len >= question_end + OPT_LEN && query[question_end + 2] == TYPE_OPT;
	const size_t opt_len = has_opt ? OPT_LEN : 0;
	if (limit == 0)
		limit = has_opt ? (size_t)(query[question_end + 3] << 8 | query[question_end + 4]) : UDP_MAX;
	note_question(d, r->question);
	if (d->silent == 255 || d->silent == type)
		return false;

	begin_reply(r, query, question_end);
	if (has_opt && (d->quirks & FAKE_DNS_NO_EDNS) != 0) {
		r->octets[3] |= 1;
		return true;
	}
	r->octets[3] |= (uint8_t)(d->rcode >= 0 ? d->rcode : write_answer(d, type, r, limit - opt_len));
	if (r->len + opt_len > limit || (d->quirks & FAKE_DNS_CUT) != 0) {
		begin_reply(r, query, question_end);
		r->octets[2] |= 0x02;
	}
	if (has_opt)
		write_opt(r);
	if ((d->quirks & FAKE_DNS_DAMAGED) != 0)
		r->len--;
	if ((d->quirks & FAKE_DNS_ECHO) != 0) {
		memcpy(r->octets, query, query_len);
		r->len = query_len;
	}
	return true;
}

static void serve_udp(struct fake_dns *d)
{
	static _Thread_local struct reply reply;
	uint8_t query[1024];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	const ssize_t n = recvfrom(d->udp, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);

	if (n < 12)
		return;
	pthread_mutex_lock(&d->lock);
	note(&d->ports, ntohs(from.sin_port));
	note(&d->ids, (uint16_t)(query[0] << 8 | query[1]));
	const bool answered = answer(d, query, (size_t)n, &reply, 0);
	pthread_mutex_unlock(&d->lock);
	if (answered)
		sendto(d->udp, reply.octets, reply.len, 0, (struct sockaddr *)&from, from_len);
}

/* One message over TCP, its length before it; false when the connection is to be closed. */
static bool serve_message(struct fake_dns *d, int fd)
{
	static _Thread_local struct reply reply;
	uint8_t query[1024], length[2];

	if (recv(fd, length, 2, MSG_WAITALL) != 2)
		return false;
	const size_t len = (size_t)(length[0] << 8 | length[1]);
	if (len > sizeof(query) || recv(fd, query, len, MSG_WAITALL) != (ssize_t)len)
		return false;
	pthread_mutex_lock(&d->lock);
	const bool hang_up = (d->quirks & FAKE_DNS_NO_TCP) != 0;
	d->tcp_queries++;
	const bool answered = !hang_up && answer(d, query, len, &reply, MESSAGE_MAX);
	pthread_mutex_unlock(&d->lock);
	if (!answered)
		return !hang_up;
	put16(length, (unsigned)reply.len);
	return send(fd, length, 2, MSG_NOSIGNAL | MSG_MORE) == 2 &&
	       send(fd, reply.octets, reply.len, MSG_NOSIGNAL) == (ssize_t)reply.len;
}

/* One connection after the other: whoever is tested sends at once, and does not stay. */
static void serve_tcp(struct fake_dns *d)
{
	const struct timeval patience = { .tv_sec = 1 };
	const int fd = accept(d->tcp, NULL, NULL);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (serve_message(d, fd))
		;
	close(fd);
}

static void *run(void *arg)
{
	struct fake_dns *d = arg;
	struct pollfd fds[3] = { { .fd = d->udp, .events = POLLIN },
				 { .fd = d->tcp, .events = POLLIN },
				 { .fd = d->stop, .events = POLLIN } };

	while (poll(fds, 3, -1) >= 0 && fds[2].revents == 0) {
		if (fds[0].revents != 0)
			serve_udp(d);
		if (fds[1].revents != 0)
			serve_tcp(d);
	}
	return NULL;
}

/* A port that is free for both; the first try nearly always is. */
static void open_sockets(struct fake_dns *d)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	for (int i = 0; i < 20; i++) {
		d->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		d->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		at.sin_port = 0;
		ck_assert_int_eq(bind(d->udp, (struct sockaddr *)&at, sizeof(at)), 0);
		getsockname(d->udp, (struct sockaddr *)&at, &len);
		if (bind(d->tcp, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(d->tcp, 64) == 0) {
			d->port = ntohs(at.sin_port);
			return;
		}
		close(d->udp);
		close(d->tcp);
	}
	ck_abort_msg("no port is free for UDP and TCP");
}

struct fake_dns *fake_dns_start(void)
{
	struct fake_dns *d = calloc(1, sizeof(*d));

	ck_assert_ptr_nonnull(d);
	d->rcode = -1;
	d->stop = eventfd(0, EFD_CLOEXEC);
	open_sockets(d);
	pthread_mutex_init(&d->lock, NULL);
	ck_assert_int_eq(pthread_create(&d->thread, NULL, run, d), 0);
	return d;
}

void fake_dns_stop(struct fake_dns *d)
{
	const uint64_t one = 1;

	if (d == NULL)
		return;
	ck_assert_int_eq(write(d->stop, &one, sizeof(one)), sizeof(one));
	pthread_join(d->thread, NULL);
	pthread_mutex_destroy(&d->lock);
	close(d->udp);
	close(d->tcp);
	close(d->stop);
	for (int i = 0; i < d->n; i++)
		free(d->entries[i].srvs);
	free(d);
}

uint16_t fake_dns_port(const struct fake_dns *d)
{
	return d->port;
}

void fake_dns_add(struct fake_dns *d, const char *name, const char *address, uint32_t ttl_s)
{
	pthread_mutex_lock(&d->lock);
	struct entry *e = find_entry(d, name);
	ck_assert_ptr_nonnull(e);
	e->exists = true;
	if (address != NULL) {
		ck_assert_int_lt(e->n, ADDRESSES_MAX);
		const bool is_ip6 = strchr(address, ':') != NULL;

		ck_assert_int_eq(inet_pton(is_ip6 ? AF_INET6 : AF_INET, address, e->addresses[e->n].octets),
				 1);
		e->addresses[e->n].type = is_ip6 ? TYPE_AAAA : TYPE_A;
		e->addresses[e->n].ttl_s = ttl_s;
		e->n++;
	}
	pthread_mutex_unlock(&d->lock);
}

void fake_dns_add_srv(struct fake_dns *d, const char *name, const char *target, uint16_t port,
		      uint16_t priority, uint16_t weight, uint32_t ttl_s)
{
	pthread_mutex_lock(&d->lock);
	struct entry *e = find_entry(d, name);
	ck_assert_ptr_nonnull(e);
	e->exists = true;
	if (e->srvs == NULL)
		e->srvs = calloc(SRVS_MAX, sizeof(*e->srvs));
	ck_assert_ptr_nonnull(e->srvs);
	ck_assert_int_lt(e->n_srvs, SRVS_MAX);
	struct srv *srv = &e->srvs[e->n_srvs++];
	ck_assert_uint_lt(strlen(target), sizeof(srv->target));
	strcpy(srv->target, target);
	srv->port = port;
	srv->priority = priority;
	srv->weight = weight;
	srv->ttl_s = ttl_s;
	pthread_mutex_unlock(&d->lock);
}

void fake_dns_alias(struct fake_dns *d, const char *name, const char *target, uint32_t ttl_s)
{
	pthread_mutex_lock(&d->lock);
	struct entry *e = find_entry(d, name);
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_lt(strlen(target), sizeof(e->target));
	strcpy(e->target, target);
	e->ttl_s = ttl_s;
	pthread_mutex_unlock(&d->lock);
}

void fake_dns_remove(struct fake_dns *d, const char *name)
{
	pthread_mutex_lock(&d->lock);
	struct entry *e = find_entry(d, name);
	ck_assert_ptr_nonnull(e);
	e->exists = false;
	e->n = e->n_srvs = 0;
	e->target[0] = '\0';
	pthread_mutex_unlock(&d->lock);
}

static unsigned read_number(struct fake_dns *d, const unsigned *number)
{
	pthread_mutex_lock(&d->lock);
	const unsigned n = *number;
	pthread_mutex_unlock(&d->lock);
	return n;
}

void fake_dns_set_rcode(struct fake_dns *d, int rcode)
{
	pthread_mutex_lock(&d->lock);
	d->rcode = rcode;
	pthread_mutex_unlock(&d->lock);
}

void fake_dns_set_silent(struct fake_dns *d, int type)
{
	pthread_mutex_lock(&d->lock);
	d->silent = type;
	pthread_mutex_unlock(&d->lock);
}

void fake_dns_set_quirks(struct fake_dns *d, unsigned quirks)
{
	pthread_mutex_lock(&d->lock);
	d->quirks = quirks;
	pthread_mutex_unlock(&d->lock);
}

unsigned fake_dns_queries(struct fake_dns *d)
{
	return read_number(d, &d->queries);
}

unsigned fake_dns_tcp_queries(struct fake_dns *d)
{
	return read_number(d, &d->tcp_queries);
}

unsigned fake_dns_names(struct fake_dns *d)
{
	return read_number(d, &d->names);
}

unsigned fake_dns_ports(struct fake_dns *d)
{
	return read_number(d, &d->ports.n);
}

unsigned fake_dns_ids(struct fake_dns *d)
{
	return read_number(d, &d->ids.n);
}
