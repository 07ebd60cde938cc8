/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_registry.h -- an HTTP/1.1 server for tests that answers what the test tells it to, well or
 * badly, on a thread of its own.
 *
 *   test --fake_registry_answer()--> server <--GET, POST-- whoever is tested
 *
 * It listens on a loopback address or a unix socket, with or without TLS, keeps connections alive as a real
 * registry does, and serves up to 256 at a time. Every request gets the answer that was set last for its
 * path, or for all.
 */
#ifndef PHONEBOOK_TEST_FAKE_REGISTRY_H
#define PHONEBOOK_TEST_FAKE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_registry;

/* Where to listen; all zero: plain HTTP on a free port of 127.0.0.1. */
struct fake_registry_options {
	const char *address;     /* another loopback address, IPv4 or IPv6 */
	uint16_t port;           /* 0: a free one */
	const char *unix_path;   /* a unix socket there instead; removed at the end */
	const char *certificate; /* TLS with DIR/NAME.pem and DIR/NAME.key, given as "DIR/NAME" */
	const char *client;      /* and only for clients that show DIR/NAME.pem */
};

/* What to answer; all zero: 200 with an empty body. */
struct fake_answer {
	int status; /* 0: 200 */
	const char
		*headers; /* more of them, each with \r\n behind; "Content-Type: application/json" is ours */
	const char *etag; /* with quotes; a request with the same If-None-Match gets 304 */
	const char *body; /* octets, NUL at the end if len is 0 */
	size_t len;
	size_t repeat;    /* body so many times; 0: once */
	bool chunked;     /* instead of Content-Length */
	bool gzip;        /* if the request accepts it or not */
	bool cut;         /* hang up in the middle of the body */
	bool hang;        /* read the request and say nothing, ever */
	bool hang_up;     /* read the request and close */
	bool close;       /* close after the answer, without having announced it */
	unsigned drip_ms; /* one octet, head included, every so many milliseconds */
	size_t length;    /* to claim as Content-Length, whatever the body has */
	bool endless;     /* the body again and again */
	/* The end of the body is left open: fake_registry_send() adds to it, fake_registry_end() ends it. It
	 * is chunked, or with close delimited by that. */
	bool open;
	bool hang_up_kept; /* hang up at the second request of a connection, having read it */
	bool reset;        /* whoever hangs up, cuts or closes does it with a reset */
	bool slam;         /* to whatever path: close connections as they come, before anything is read */
	bool deaf;         /* to whatever path: accept connections and never read */
	const char *raw;   /* instead of all above: these octets, then close; NUL at the end */
};

/* Starts to listen; fails the test if it cannot. Until fake_registry_answer() all requests get 503. */
struct fake_registry *fake_registry_start(const struct fake_registry_options *o);

/* Closes everything. A client sees connection refused from then on. NULL is fine. */
void fake_registry_stop(struct fake_registry *r);

/* The answer to all requests from now on; copied. Answers being sent go on as they are. */
void fake_registry_answer(struct fake_registry *r, const struct fake_answer *answer);

/* The answer to requests whose path begins so; of several the longest counts. */
void fake_registry_answer_at(struct fake_registry *r, const char *path, const struct fake_answer *answer);

/* More octets of the body that was left open, one chunk; of the answer at that path, NULL: for all. Who asks
 * later gets all that was sent from the beginning. */
void fake_registry_send(struct fake_registry *r, const char *path, const char *octets);

/* Its end; cut: without saying so. */
void fake_registry_end(struct fake_registry *r, const char *path, bool cut);

/* 200 with this body. */
void fake_registry_body(struct fake_registry *r, const char *body);

/* "http://127.0.0.1:PORT", without a slash behind; valid until the stop. */
const char *fake_registry_url(const struct fake_registry *r);
uint16_t fake_registry_port(const struct fake_registry *r);

/* Requests read whole, and connections accepted, so far. */
unsigned fake_registry_requests(struct fake_registry *r);
unsigned fake_registry_connections(struct fake_registry *r);

/* Connections that are open now, and octets sent so far. */
unsigned fake_registry_open_connections(struct fake_registry *r);
uint64_t fake_registry_sent(struct fake_registry *r);

/* The head and the body of the last request, "" before the first; the caller frees them. */
char *fake_registry_last_head(struct fake_registry *r);
char *fake_registry_last_body(struct fake_registry *r);

/* Waits until n requests have come; false after limit_ms. */
bool fake_registry_wait(struct fake_registry *r, unsigned n, unsigned limit_ms);

/* Makes a key and a self-signed certificate, DIR/NAME.key and DIR/NAME.pem, for subject alternative names
 * such as "DNS:registry.corp,IP:127.0.0.1", valid from two days ago until so many days from now. */
void fake_certificate(const char *dir, const char *name, const char *names, int days);

#endif
