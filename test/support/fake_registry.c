/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_registry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "harness.h"

enum {
	CONNECTIONS_MAX = 256,
	ROUTES_MAX = 32,
	REQUEST_MAX = 2 << 20,
	CHUNK = 10000,
	FAR_MS = 60000,
	SEND_MAX = 1 << 20, /* to one connection before the others have their turn */
};

struct octets {
	char *at;
	size_t len, size;
};

/* An answer ready to be sent, shared by the connections that are sending it. */
struct payload {
	unsigned refs;
	struct octets full, not_modified;
	size_t body_at; /* in full */
	char etag[128];
	bool hang, hang_up, hang_up_kept, reset, close, chunked, open, endless;
	unsigned drip_ms;
};

/* The answer to requests for a path and what is below it. */
struct route {
	char path[256];
	struct payload *payload;
};

struct connection {
	int fd;
	SSL *ssl;
	struct octets request;
	struct payload *payload; /* NULL: reading a request, or silent for ever */
	const struct octets *sending;
	size_t sent;
	bool silent, wants_write;
	unsigned served;
	uint64_t next_ms;
};

struct fake_registry {
	int fd, stop, news;
	uint16_t port;
	char url[128], unix_path[108];
	SSL_CTX *tls;
	pthread_t thread;
	struct connection connections[CONNECTIONS_MAX];
	size_t n;

	pthread_mutex_t lock;            /* of all below */
	struct route routes[ROUTES_MAX]; /* the first is for all that no other is for */
	size_t n_routes;
	unsigned requests, accepted, open;
	bool slam, deaf;
	uint64_t sent;
	struct octets last_head, last_body;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void append(struct octets *o, const void *octets, size_t len)
{
	if (o->size - o->len < len + 1) {
		o->size = (o->len + len + 1) * 2;
		o->at = realloc(o->at, o->size);
		ck_assert_ptr_nonnull(o->at);
	}
	if (len > 0)
		memcpy(o->at + o->len, octets, len);
	o->len += len;
	o->at[o->len] = '\0';
}

static void append_text(struct octets *o, const char *text)
{
	append(o, text, strlen(text));
}

/* --- answers --- */

static void append_compressed(struct octets *o, const struct fake_answer *a, size_t len)
{
	z_stream z = { 0 };
	unsigned char out[16384];

	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	for (size_t i = 0; i <= a->repeat; i++) {
		const bool last = i + 1 >= a->repeat;

		z.next_in = (unsigned char *)(uintptr_t)a->body;
		z.avail_in = (unsigned)len;
		do {
			z.next_out = out;
			z.avail_out = sizeof(out);
			deflate(&z, last ? Z_FINISH : Z_NO_FLUSH);
			append(o, out, sizeof(out) - z.avail_out);
		} while (z.avail_out == 0);
		if (last)
			break;
	}
	deflateEnd(&z);
}

static void append_chunks(struct octets *o, const char *octets, size_t all)
{
	for (size_t at = 0; at < all; at += CHUNK) {
		const size_t len = all - at < CHUNK ? all - at : CHUNK;
		char size[32];

		snprintf(size, sizeof(size), "%zx\r\n", len);
		append_text(o, size);
		append(o, octets + at, len);
		append_text(o, "\r\n");
	}
}

static void append_head(struct octets *o, const struct fake_answer *a, int status)
{
	char line[256];

	snprintf(line, sizeof(line), "HTTP/1.1 %d Scripted\r\n", status);
	append_text(o, line);
	if (a->headers == NULL || strcasestr(a->headers, "content-type:") == NULL)
		append_text(o, "Content-Type: application/json\r\n");
	if (a->headers != NULL)
		append_text(o, a->headers);
	if (a->etag != NULL) {
		snprintf(line, sizeof(line), "ETag: %s\r\n", a->etag);
		append_text(o, line);
	}
}

/* How the end of the body is told. */
static void append_framing(struct octets *o, const struct payload *p, const struct fake_answer *a, size_t len)
{
	char line[64];

	snprintf(line, sizeof(line), "Content-Length: %zu\r\n", a->length > 0 ? a->length : len);
	if (p->chunked)
		append_text(o, "Transfer-Encoding: chunked\r\n");
	else if (!p->open)
		append_text(o, line);
	append_text(o, a->gzip ? "Content-Encoding: gzip\r\n\r\n" : "\r\n");
}

static void make_full(struct payload *p, const struct fake_answer *a)
{
	struct octets body = { 0 }, *o = &p->full;
	const size_t len = a->len > 0 ? a->len : (a->body != NULL ? strlen(a->body) : 0);

	append_head(o, a, a->status != 0 ? a->status : 200);
	if (a->gzip)
		append_compressed(&body, a, len);
	for (size_t i = 0; !a->gzip && i < (a->repeat > 0 ? a->repeat : 1); i++)
		append(&body, a->body, len);

	append_framing(o, p, a, body.len);
	p->body_at = o->len;
	if (p->chunked)
		append_chunks(o, body.at, body.len);
	else
		append(o, body.at, body.len);
	if (p->chunked && !p->open && !p->endless)
		append_text(o, "0\r\n\r\n");
	if (a->cut)
		o->len = p->body_at + (o->len - p->body_at) / 2;
	free(body.at);
}

static struct payload *make_payload(const struct fake_answer *a)
{
	struct payload *p = calloc(1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	p->refs = 1;
	p->hang = a->hang;
	p->hang_up = a->hang_up;
	p->hang_up_kept = a->hang_up_kept;
	p->reset = a->reset;
	p->close = a->close || a->cut || a->raw != NULL;
	p->open = a->open;
	p->endless = a->endless;
	p->chunked = a->chunked || (a->open && !a->close);
	p->drip_ms = a->drip_ms;
	if (a->raw != NULL) {
		append_text(&p->full, a->raw);
		return p;
	}
	make_full(p, a);
	if (a->etag != NULL) {
		snprintf(p->etag, sizeof(p->etag), "%s", a->etag);
		append_head(&p->not_modified, a, 304);
		append_text(&p->not_modified, "\r\n");
	}
	return p;
}

/* The caller holds the lock. */
static void drop_payload(struct payload *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	free(p->full.at);
	free(p->not_modified.at);
	free(p);
}

/* --- connections --- */

static void close_connection(struct fake_registry *r, struct connection *c)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (c->payload != NULL && c->payload->reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	pthread_mutex_lock(&r->lock);
	drop_payload(c->payload);
	r->open--;
	pthread_mutex_unlock(&r->lock);
	SSL_free(c->ssl);
	close(c->fd);
	free(c->request.at);
	*c = r->connections[--r->n];
}

static void accept_connection(struct fake_registry *r)
{
	const int fd = accept4(r->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (r->n == CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	struct connection *c = &r->connections[r->n++];
	*c = (struct connection){ .fd = fd };
	if (r->tls != NULL) {
		c->ssl = SSL_new(r->tls);
		SSL_set_fd(c->ssl, fd);
		SSL_set_accept_state(c->ssl);
	}
	pthread_mutex_lock(&r->lock);
	r->accepted++;
	r->open++;
	const bool slam = r->slam;
	pthread_mutex_unlock(&r->lock);
	if (slam)
		close_connection(r, c);
}

/* The result of an SSL call as read(2) would give it: -1 for later, 0 for never again. */
static ssize_t tls_result(struct connection *c, int n)
{
	if (n > 0)
		return n;
	const int error = SSL_get_error(c->ssl, n);
	ERR_clear_error();
	c->wants_write = error == SSL_ERROR_WANT_WRITE;
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

static ssize_t read_some(struct connection *c, void *octets, size_t len)
{
	c->wants_write = false;
	if (c->ssl != NULL)
		return tls_result(c, SSL_read(c->ssl, octets, (int)len));
	const ssize_t n = recv(c->fd, octets, len, 0);
	return n < 0 && errno != EAGAIN ? 0 : n;
}

static ssize_t write_some(struct connection *c, const void *octets, size_t len)
{
	c->wants_write = false;
	if (c->ssl != NULL)
		return tls_result(c, SSL_write(c->ssl, octets, (int)len));
	const ssize_t n = send(c->fd, octets, len, MSG_NOSIGNAL);
	return n < 0 && errno != EAGAIN ? 0 : n;
}

static bool has_etag(const char *head, const char *etag)
{
	const char *line = etag[0] != '\0' ? strcasestr(head, "\r\nif-none-match:") : NULL;

	if (line == NULL)
		return false;
	line += strlen("\r\nif-none-match:");
	line += strspn(line, " ");
	return strncmp(line, etag, strlen(etag)) == 0 && line[strlen(etag)] == '\r';
}

static struct route *find_route(struct fake_registry *r, const char *path)
{
	struct route *found = &r->routes[0];

	for (size_t i = 1; i < r->n_routes; i++) {
		const size_t len = strlen(r->routes[i].path);

		if (strncmp(path, r->routes[i].path, len) == 0 && len > strlen(found->path))
			found = &r->routes[i];
	}
	return found;
}

/* Notes the request and takes the answer that is set now. False: hang up. */
static bool start_answer(struct fake_registry *r, struct connection *c, size_t head_len)
{
	const char *head = c->request.at, *path = strchr(head, ' ');

	pthread_mutex_lock(&r->lock);
	struct payload *p = find_route(r, path != NULL ? path + 1 : "")->payload;
	p->refs++;
	r->requests++;
	r->last_head.len = r->last_body.len = 0;
	append(&r->last_head, head, head_len);
	append(&r->last_body, head + head_len, c->request.len - head_len);
	pthread_mutex_unlock(&r->lock);

	c->payload = p;
	c->silent = p->hang;
	c->sending = has_etag(r->last_head.at, p->etag) ? &p->not_modified : &p->full;
	c->sent = 0;
	c->next_ms = 0;
	return !p->hang_up && !(p->hang_up_kept && c->served++ > 0);
}

/* --- sending; who calls these holds the lock, for the test may add to what is sent --- */

static bool is_all_sent(const struct connection *c)
{
	return c->sent == c->sending->len && !c->payload->endless;
}

/* Sends what the socket takes, or one octet when dripping. False: the connection is over. */
static bool send_some(struct fake_registry *r, struct connection *c)
{
	struct payload *p = c->payload;

	for (size_t at_once = 0; at_once < SEND_MAX && !is_all_sent(c);) {
		if (c->sent == c->sending->len)
			c->sent = p->body_at;
		size_t len = c->sending->len - c->sent;

		if (p->drip_ms > 0 && now_ms() < c->next_ms)
			return true;
		if (p->drip_ms > 0 || len > 65536)
			len = p->drip_ms > 0 ? 1 : 65536;
		const ssize_t n = write_some(c, c->sending->at + c->sent, len);
		if (n <= 0)
			return n < 0;
		c->sent += (size_t)n;
		r->sent += (size_t)n;
		at_once += (size_t)n;
		c->next_ms = now_ms() + p->drip_ms;
	}
	return true;
}

static bool end_answer(struct connection *c)
{
	if (c->payload->open || !is_all_sent(c))
		return true;
	if (c->payload->close)
		return false;
	drop_payload(c->payload);
	c->payload = NULL;
	c->request.len = 0;
	return true;
}

static bool send_answer(struct fake_registry *r, struct connection *c)
{
	pthread_mutex_lock(&r->lock);
	const bool alive = send_some(r, c) && end_answer(c);
	pthread_mutex_unlock(&r->lock);
	return alive;
}

/* --- reading --- */

/* The length of the head once the request is whole, else 0. */
static size_t whole_head(const struct octets *request)
{
	const char *end = strstr(request->at, "\r\n\r\n");

	if (end == NULL)
		return 0;
	const size_t head_len = (size_t)(end - request->at) + 4;
	const char *line = strcasestr(request->at, "\r\ncontent-length:");
	const size_t body_len = line != NULL && line < end ? strtoul(line + 17, NULL, 10) : 0;
	return request->len - head_len >= body_len ? head_len : 0;
}

/* Reads until the request is whole, or watches a busy client go away. False: the connection is over. */
static bool read_request(struct fake_registry *r, struct connection *c)
{
	char octets[4096];
	ssize_t n;

	while ((n = read_some(c, octets, sizeof(octets))) > 0) {
		if (c->payload != NULL)
			continue; /* one request at a time */
		append(&c->request, octets, (size_t)n);
		if (c->request.len > REQUEST_MAX)
			return false;
		const size_t head_len = whole_head(&c->request);
		if (head_len > 0 && !start_answer(r, c, head_len))
			return false;
	}
	return n < 0;
}

static bool is_deaf(struct fake_registry *r)
{
	pthread_mutex_lock(&r->lock);
	const bool deaf = r->deaf;
	pthread_mutex_unlock(&r->lock);
	return deaf;
}

static void serve(struct fake_registry *r, struct connection *c, short events)
{
	bool alive = true;

	if (is_deaf(r))
		return;
	if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 || c->wants_write)
		alive = read_request(r, c);
	if (alive && c->payload != NULL && !c->silent)
		alive = send_answer(r, c);
	if (!alive)
		close_connection(r, c);
}

static bool has_to_send(struct fake_registry *r, const struct connection *c)
{
	if (c->payload == NULL || c->silent)
		return false;
	pthread_mutex_lock(&r->lock);
	const bool has = !is_all_sent(c) || !c->payload->open;
	pthread_mutex_unlock(&r->lock);
	return has;
}

enum { STOP, LISTEN, NEWS, FIRST };

/* Fills the poll set; returns how long to wait at most. */
static int prepare(struct fake_registry *r, struct pollfd *fds)
{
	uint64_t wait_ms = FAR_MS;
	const bool deaf = is_deaf(r);

	fds[STOP] = (struct pollfd){ .fd = r->stop, .events = POLLIN };
	fds[LISTEN] = (struct pollfd){ .fd = r->fd, .events = POLLIN };
	fds[NEWS] = (struct pollfd){ .fd = r->news, .events = POLLIN };
	for (size_t i = 0; i < r->n; i++) {
		const struct connection *c = &r->connections[i];
		const bool sending = has_to_send(r, c);
		const uint64_t now = now_ms();

		fds[FIRST + i] = (struct pollfd){ .fd = deaf ? -1 : c->fd, .events = POLLIN };
		if (c->wants_write || (sending && c->next_ms <= now))
			fds[FIRST + i].events |= POLLOUT;
		else if (sending && c->next_ms - now < wait_ms)
			wait_ms = c->next_ms - now;
	}
	return (int)wait_ms;
}

static void *run(void *arg)
{
	struct fake_registry *r = arg;
	struct pollfd fds[FIRST + CONNECTIONS_MAX];

	for (;;) {
		const int wait_ms = prepare(r, fds);
		const size_t n = r->n;
		uint64_t news;

		if (poll(fds, FIRST + n, wait_ms) < 0 && errno != EINTR)
			return NULL;
		if (fds[STOP].revents != 0)
			return NULL;
		if (fds[NEWS].revents != 0)
			ck_assert_int_eq(read(r->news, &news, sizeof(news)), sizeof(news));
		for (size_t i = n; i-- > 0;) /* from the end: a closed one is replaced by the last */
			serve(r, &r->connections[i], fds[FIRST + i].revents);
		if (fds[LISTEN].revents != 0)
			accept_connection(r);
	}
}

/* --- life --- */

static void listen_at(struct fake_registry *r, const struct sockaddr *at, socklen_t len)
{
	const int one = 1;

	r->fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(r->fd, 0);
	setsockopt(r->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ck_assert_msg(bind(r->fd, at, len) == 0, "bind: %s", strerror(errno));
	ck_assert_int_eq(listen(r->fd, CONNECTIONS_MAX), 0);
}

static void listen_unix(struct fake_registry *r, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	ck_assert_uint_lt(strlen(path), sizeof(at.sun_path));
	strcpy(at.sun_path, path);
	strcpy(r->unix_path, path);
	listen_at(r, (struct sockaddr *)&at, sizeof(at));
	strcpy(r->url, r->tls != NULL ? "https://localhost" : "http://localhost");
}

static void listen_ip(struct fake_registry *r, const char *address, uint16_t port)
{
	const char *scheme = r->tls != NULL ? "https" : "http";

	if (strchr(address, ':') != NULL) {
		struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
		socklen_t len = sizeof(at);

		ck_assert_int_eq(inet_pton(AF_INET6, address, &at.sin6_addr), 1);
		listen_at(r, (struct sockaddr *)&at, sizeof(at));
		getsockname(r->fd, (struct sockaddr *)&at, &len);
		r->port = ntohs(at.sin6_port);
		snprintf(r->url, sizeof(r->url), "%s://[%s]:%u", scheme, address, r->port);
	} else {
		struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
		socklen_t len = sizeof(at);

		ck_assert_int_eq(inet_pton(AF_INET, address, &at.sin_addr), 1);
		listen_at(r, (struct sockaddr *)&at, sizeof(at));
		getsockname(r->fd, (struct sockaddr *)&at, &len);
		r->port = ntohs(at.sin_port);
		snprintf(r->url, sizeof(r->url), "%s://%s:%u", scheme, address, r->port);
	}
}

static SSL_CTX *make_tls(const char *certificate, const char *client)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	char path[512];

	snprintf(path, sizeof(path), "%s.pem", certificate);
	ck_assert_int_eq(SSL_CTX_use_certificate_file(tls, path, SSL_FILETYPE_PEM), 1);
	snprintf(path, sizeof(path), "%s.key", certificate);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(tls, path, SSL_FILETYPE_PEM), 1);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (client != NULL) {
		snprintf(path, sizeof(path), "%s.pem", client);
		ck_assert_int_eq(SSL_CTX_load_verify_locations(tls, path, NULL), 1);
		SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return tls;
}

struct fake_registry *fake_registry_start(const struct fake_registry_options *o)
{
	struct fake_registry *r = calloc(1, sizeof(*r));
	sigset_t all, before;

	ck_assert_ptr_nonnull(r);
	if (o->certificate != NULL)
		r->tls = make_tls(o->certificate, o->client);
	if (o->unix_path != NULL)
		listen_unix(r, o->unix_path);
	else
		listen_ip(r, o->address != NULL ? o->address : "127.0.0.1", o->port);
	r->stop = eventfd(0, EFD_CLOEXEC);
	r->news = eventfd(0, EFD_CLOEXEC);
	r->routes[0].payload = make_payload(&(struct fake_answer){ .status = 503 });
	r->n_routes = 1;
	append_text(&r->last_head, "");
	append_text(&r->last_body, "");
	pthread_mutex_init(&r->lock, NULL);

	/* OpenSSL writes without MSG_NOSIGNAL; and signals are the tested program's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	ck_assert_int_eq(pthread_create(&r->thread, NULL, run, r), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

void fake_registry_stop(struct fake_registry *r)
{
	const uint64_t one = 1;

	if (r == NULL)
		return;
	ck_assert_int_eq(write(r->stop, &one, sizeof(one)), sizeof(one));
	pthread_join(r->thread, NULL);
	while (r->n > 0)
		close_connection(r, &r->connections[0]);
	close(r->fd);
	close(r->stop);
	close(r->news);
	if (r->unix_path[0] != '\0')
		unlink(r->unix_path);
	for (size_t i = 0; i < r->n_routes; i++)
		drop_payload(r->routes[i].payload);
	free(r->last_head.at);
	free(r->last_body.at);
	SSL_CTX_free(r->tls);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* --- answers, by the test --- */

static struct route *get_route(struct fake_registry *r, const char *path)
{
	for (size_t i = 0; i < r->n_routes; i++) {
		if (strcmp(r->routes[i].path, path != NULL ? path : "") == 0)
			return &r->routes[i];
	}
	ck_assert_uint_lt(r->n_routes, ROUTES_MAX);
	struct route *route = &r->routes[r->n_routes++];
	snprintf(route->path, sizeof(route->path), "%s", path);
	return route;
}

static void wake(struct fake_registry *r)
{
	const uint64_t one = 1;

	ck_assert_int_eq(write(r->news, &one, sizeof(one)), sizeof(one));
}

void fake_registry_answer_at(struct fake_registry *r, const char *path, const struct fake_answer *answer)
{
	struct payload *p = make_payload(answer);

	pthread_mutex_lock(&r->lock);
	struct route *route = get_route(r, path);
	drop_payload(route->payload);
	route->payload = p;
	r->slam = answer->slam;
	r->deaf = answer->deaf;
	pthread_mutex_unlock(&r->lock);
}

void fake_registry_answer(struct fake_registry *r, const struct fake_answer *answer)
{
	fake_registry_answer_at(r, NULL, answer);
}

void fake_registry_send(struct fake_registry *r, const char *path, const char *octets)
{
	pthread_mutex_lock(&r->lock);
	struct payload *p = get_route(r, path)->payload;
	ck_assert(p != NULL && p->open);
	if (p->chunked)
		append_chunks(&p->full, octets, strlen(octets));
	else
		append_text(&p->full, octets);
	pthread_mutex_unlock(&r->lock);
	wake(r);
}

void fake_registry_end(struct fake_registry *r, const char *path, bool cut)
{
	pthread_mutex_lock(&r->lock);
	struct payload *p = get_route(r, path)->payload;
	ck_assert(p != NULL && p->open);
	if (p->chunked && !cut)
		append_text(&p->full, "0\r\n\r\n");
	p->close = p->close || cut;
	p->open = false;
	pthread_mutex_unlock(&r->lock);
	wake(r);
}

void fake_registry_body(struct fake_registry *r, const char *body)
{
	fake_registry_answer(r, &(struct fake_answer){ .body = body });
}

const char *fake_registry_url(const struct fake_registry *r)
{
	return r->url;
}

uint16_t fake_registry_port(const struct fake_registry *r)
{
	return r->port;
}

/* --- what has come --- */

static unsigned read_count(struct fake_registry *r, const unsigned *count)
{
	pthread_mutex_lock(&r->lock);
	const unsigned n = *count;
	pthread_mutex_unlock(&r->lock);
	return n;
}

unsigned fake_registry_requests(struct fake_registry *r)
{
	return read_count(r, &r->requests);
}

unsigned fake_registry_connections(struct fake_registry *r)
{
	return read_count(r, &r->accepted);
}

unsigned fake_registry_open_connections(struct fake_registry *r)
{
	return read_count(r, &r->open);
}

uint64_t fake_registry_sent(struct fake_registry *r)
{
	pthread_mutex_lock(&r->lock);
	const uint64_t sent = r->sent;
	pthread_mutex_unlock(&r->lock);
	return sent;
}

static char *copy(struct fake_registry *r, const struct octets *o)
{
	pthread_mutex_lock(&r->lock);
	char *text = strdup(o->at);
	pthread_mutex_unlock(&r->lock);
	ck_assert_ptr_nonnull(text);
	return text;
}

char *fake_registry_last_head(struct fake_registry *r)
{
	return copy(r, &r->last_head);
}

char *fake_registry_last_body(struct fake_registry *r)
{
	return copy(r, &r->last_body);
}

struct goal {
	struct fake_registry *registry;
	unsigned n;
};

static bool is_reached(void *context)
{
	const struct goal *goal = context;

	return fake_registry_requests(goal->registry) >= goal->n;
}

bool fake_registry_wait(struct fake_registry *r, unsigned n, unsigned limit_ms)
{
	return harness_wait(is_reached, &(struct goal){ r, n }, limit_ms);
}
