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
	ALIASES_MAX = 8,
	TYPE_A = 1,
	TYPE_AAAA = 28
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
	bool exists, asked;
};

struct fake_dns {
	int fd, stop;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	struct entry entries[NAMES_MAX];
	int n;
	int rcode, silent;
	unsigned queries, names;
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

static size_t write_record(uint8_t *out, const char *owner, int type, uint32_t ttl_s, const void *data,
			   size_t len)
{
	const size_t start = write_name(out, owner);
	const uint8_t fixed[10] = { 0,
				    (uint8_t)type,
				    0,
				    1,
				    (uint8_t)(ttl_s >> 24),
				    (uint8_t)(ttl_s >> 16),
				    (uint8_t)(ttl_s >> 8),
				    (uint8_t)ttl_s,
				    (uint8_t)(len >> 8),
				    (uint8_t)len };

	memcpy(out + start, fixed, sizeof(fixed));
	memcpy(out + start + sizeof(fixed), data, len);
	return start + sizeof(fixed) + len;
}

/* Writes the records of one entry; returns the octets written, -1 when the datagram is full. */
static int write_addresses(const struct entry *e, int type, uint8_t *out, size_t room, int *n_records)
{
	size_t len = 0;

	for (int i = 0; i < e->n; i++) {
		const size_t size = type == TYPE_A ? 4 : 16;

		if (e->addresses[i].type != type)
			continue;
		if (room - len < strlen(e->name) + 2 + 10 + size)
			return -1;
		len += write_record(out + len, e->name, type, e->addresses[i].ttl_s, e->addresses[i].octets,
				    size);
		(*n_records)++;
	}
	return (int)len;
}

/* Writes the answer section behind the question, following aliases; returns the rcode. */
static int write_answer(struct fake_dns *d, const char *name, int type, uint8_t *reply, size_t *len,
			size_t size)
{
	int n = 0;
	const struct entry *e = find_entry(d, name);

	for (int i = 0; e != NULL && e->target[0] != '\0' && i < ALIASES_MAX; i++) {
		uint8_t target[NAME_MAX_TEXT + 2];
		const size_t target_len = write_name(target, e->target);

		*len += write_record(reply + *len, e->name, 5, e->ttl_s, target, target_len);
		n++;
		e = find_entry(d, e->target);
	}
	if (e == NULL || !e->exists)
		return 3;
	const int written = write_addresses(e, type, reply + *len, size - *len, &n);
	if (written < 0)
		reply[2] |= 0x02; /* TC: there is no TCP here, the test asks for too much */
	else
		*len += (size_t)written;
	reply[7] = (uint8_t)n;
	return 0;
}

/* Turns a query into its reply; false: no answer. */
static bool answer(struct fake_dns *d, const uint8_t *query, size_t query_len, uint8_t *reply, size_t size,
		   size_t *ret)
{
	char name[NAME_MAX_TEXT];
	const size_t name_len = query_len > 12 ? read_name(query + 12, query_len - 12, name) : 0;
	const size_t question_end = 12 + name_len + 4;

	if (name_len == 0 || question_end > query_len)
		return false;
	const int type = query[question_end - 4] << 8 | query[question_end - 3];
	struct entry *e = find_entry(d, name);
	d->queries++;
	if (e != NULL && !e->asked) {
		e->asked = true;
		d->names++;
	}
	if (d->silent == 255 || d->silent == type)
		return false;

	memcpy(reply, query, question_end);
	memcpy(reply + 2, "\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00", 10); /* QR RD RA, one question */
	*ret = question_end;
	reply[3] |= (uint8_t)(d->rcode >= 0 ? d->rcode : write_answer(d, name, type, reply, ret, size));
	return true;
}

static void serve_one(struct fake_dns *d)
{
	uint8_t query[1024], reply[2048];
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	size_t len = 0;
	const ssize_t n = recvfrom(d->fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);

	if (n <= 0)
		return;
	pthread_mutex_lock(&d->lock);
	/* 512: whom we test sends no OPT (RFC 1035 section 4.2.1) */
	const bool answered = answer(d, query, (size_t)n, reply, 512, &len);
	pthread_mutex_unlock(&d->lock);
	if (answered)
		sendto(d->fd, reply, len, 0, (struct sockaddr *)&from, from_len);
}

static void *run(void *arg)
{
	struct fake_dns *d = arg;
	struct pollfd fds[2] = { { .fd = d->fd, .events = POLLIN }, { .fd = d->stop, .events = POLLIN } };

	while (poll(fds, 2, -1) >= 0 && fds[1].revents == 0) {
		if (fds[0].revents != 0)
			serve_one(d);
	}
	return NULL;
}

struct fake_dns *fake_dns_start(void)
{
	struct fake_dns *d = calloc(1, sizeof(*d));
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	ck_assert_ptr_nonnull(d);
	d->rcode = -1;
	d->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	d->stop = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(bind(d->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	getsockname(d->fd, (struct sockaddr *)&at, &len);
	d->port = ntohs(at.sin_port);
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
	close(d->fd);
	close(d->stop);
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
	e->n = 0;
	e->target[0] = '\0';
	pthread_mutex_unlock(&d->lock);
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

unsigned fake_dns_queries(struct fake_dns *d)
{
	pthread_mutex_lock(&d->lock);
	const unsigned n = d->queries;
	pthread_mutex_unlock(&d->lock);
	return n;
}

unsigned fake_dns_names(struct fake_dns *d)
{
	pthread_mutex_lock(&d->lock);
	const unsigned n = d->names;
	pthread_mutex_unlock(&d->lock);
	return n;
}
