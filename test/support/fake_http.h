/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_http.h -- the HTTP/1.1 server below the fake registries, on a thread of its own on 127.0.0.1.
 *
 *   socket --> request(x) --+--> fake_request_answer(x)                               at once or later
 *                           +--> fake_request_stream(x), _write(x)..., _end(x)        chunked
 *                           +--> kept, until expired(x), or gone(x): the client has hung up or was cut off
 *
 * One lock guards everything. The handler is called with the lock held; a test that changes what the handler
 * looks at holds it too, and may then answer kept requests itself: the octets are in the socket before it
 * lets go. So a change is on its way when the function that made it returns.
 *
 * Requests below /_control/ are no client's: they are not counted, and not given to request() but to
 * control(). The server itself knows GET /_control/counts            struct fake_http_counts as JSON GET,
 * DELETE /_control/arrivals  {"per_second":[n,...]} since the start or the last DELETE PUT /_control/cut cuts
 * all connections but this one PUT /_control/down[?ms=N]       refuses connections and cuts them all but
 * those that were used for control, for N ms or until PUT /_control/up
 */
#ifndef PHONEBOOK_TEST_FAKE_HTTP_H
#define PHONEBOOK_TEST_FAKE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAKE_PARAMS_MAX = 32 };

struct fake_http;

struct fake_param {
	const char *name, *value; /* decoded; a parameter without a value has "" */
};

/* One request; it lives until its answer has ended, or gone() has returned. */
struct fake_request {
	const char *method, *target; /* as they came */
	const char *path;            /* decoded, without the query */
	const char *head;            /* from the request line on, without the empty line */
	const char *body;            /* NUL behind */
	size_t body_len;
	struct fake_param params[FAKE_PARAMS_MAX];
	size_t n_params;
	void *kept; /* the handler's own */
};

struct fake_handler {
	void (*request)(void *context, struct fake_request *x);
	void (*control)(void *context, struct fake_request *x); /* answers at once */
	void (*gone)(void *context, struct fake_request *x);    /* NULL: keeps no requests */
	void (*expired)(void *context, struct fake_request *x); /* NULL: sets no deadlines */
};

struct fake_http_counts {
	unsigned requests, under_way, most_under_way;
	unsigned accepted, connections, most_connections;
	unsigned refused; /* connections over the limit */
};

/* What a change in a fake registry did. Times are CLOCK_MONOTONIC. */
struct fake_change {
	uint64_t committed_ns; /* applied; nobody was told yet */
	uint64_t written_ns;   /* all who waited for it have it in their sockets */
	uint64_t position;     /* index or resource version */
	unsigned woken;        /* how many these were */
};

/* --- the server --- */

/* Listens on 127.0.0.1, on a free port if port is 0. Ends the program on failure. *ret is there before the
 * handler is called. */
void fake_http_start(uint16_t port, const struct fake_handler *handler, void *context,
		     struct fake_http **ret);

/* Cuts all connections (gone() is called), and waits for the thread. */
void fake_http_stop(struct fake_http *s);

uint16_t fake_http_port(const struct fake_http *s);

/* "http://127.0.0.1:PORT" */
const char *fake_http_url(const struct fake_http *s);

void fake_http_lock(struct fake_http *s);
void fake_http_unlock(struct fake_http *s);

/* These take the lock themselves. */
struct fake_http_counts fake_http_counts(struct fake_http *s);

/* The head of the latest request whose target begins so, NULL if there was none (of the last 64); the caller
 * frees it. */
char *fake_http_last_head(struct fake_http *s, const char *target);

/* Over max connections (0: no limit) a new one is told answer, then closed; NULL closes it without a word. */
void fake_http_limit(struct fake_http *s, unsigned max, const char *answer);

/* Closes the listening socket and all connections; listens again on the same port. */
void fake_http_down(struct fake_http *s);
void fake_http_up(struct fake_http *s);

void fake_http_cut(struct fake_http *s);

/* --- the handler's side: with the lock held --- */

void fake_http_cut_locked(struct fake_http *s);
void fake_http_limit_locked(struct fake_http *s, unsigned max, const char *answer);

/* The first parameter of that name, NULL if there is none. */
const char *fake_request_param(const struct fake_request *x, const char *name);

/* Copies a header's value, cut to size; false if it is not there. */
bool fake_request_header(const struct fake_request *x, const char *name, char *ret, size_t size);

/* True if the path begins with prefix; the rest of it. */
bool fake_request_below(const struct fake_request *x, const char *prefix, const char **ret);

/* Answers as a whole. headers: lines that end in CRLF, or "". x is over. */
void fake_request_answer(struct fake_request *x, int status, const char *headers, const char *body,
			 size_t len);

/* The same with a text/plain or application/json text. */
void fake_request_text(struct fake_request *x, int status, const char *text);
void fake_request_json(struct fake_request *x, int status, const char *text);

/* Answers with a change as JSON, its members as above. */
void fake_request_change(struct fake_request *x, const struct fake_change *change);

/* Begins a chunked answer, adds a chunk to it, ends it. */
void fake_request_stream(struct fake_request *x, int status, const char *headers);
void fake_request_write(struct fake_request *x, const void *octets, size_t len);
void fake_request_end(struct fake_request *x);

/* Cuts the connection after what was written; gone() is called. */
void fake_request_cut(struct fake_request *x);

/* Has expired() called once after so many milliseconds, if x is not over by then. */
void fake_request_deadline(struct fake_request *x, uint64_t ms);

/* CLOCK_MONOTONIC */
uint64_t fake_now_ns(void);

#endif
