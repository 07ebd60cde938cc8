/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/fetch_transfer.h -- one HTTP exchange through libcurl, shared by the src/feed/fetch*.c only.
 *
 *   fetch            the request: its life, lookup, limits, heard(); knows nothing of libcurl
 *   fetch_limits     how long it may take
 *   fetch_transfer   the options onto a handle of libcurl
 *   fetch_url        what is asked: the URL, put together and checked
 *   fetch_headers    what is sent: headers, validators, who asks
 *   fetch_loop       the handle runs, on libevent
 *   fetch_stream     the body of a stream: objects, as fast as they are taken
 *   fetch_answer     the handle has ended: the result, or an error in words
 *   fetch_tls        the same for certificates, keys and whom they belong to
 *
 * Embedded in its owner. After transfer_close() what was found lasts until transfer_finish().
 */
#ifndef PHONEBOOK_FEED_FETCH_TRANSFER_H
#define PHONEBOOK_FEED_FETCH_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/address.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "feed/fetch_limits.h"
#include "feed/places.h"
#include "registry/frames.h"
#include "registry/registry.h"

struct curl_slist;

enum {
	TRANSFER_REASON_MAX = 256, /* of libcurl's, CURL_ERROR_SIZE */
	TRANSFER_ERROR_MAX = TRANSFER_REASON_MAX + 256,
};

struct transfer {
	struct fetch_request request;
	const struct http_options *http;
	void *owner;
	void (*arrived)(struct transfer *t);
	struct limits limits;
	struct progress progress;
	uint64_t max_size;

	void *easy, *url;   /* CURL and CURLU; the header that says so stays out of ours */
	const char *name;   /* the URL as text */
	char *host, *port;  /* of libcurl */
	bool is_name;       /* the host has to be looked up */
	size_t n_addresses; /* that were given */
	uint64_t run_ms;    /* when libcurl got it */
	struct curl_slist *headers, *addresses;
	char curl_error[TRANSFER_REASON_MAX];

	bool is_sent;      /* or about to be */
	bool is_lost;      /* held, and what it was sent over has broken */
	bool is_searching; /* in a list of the loop: it has several addresses, and no connection yet */
	TAILQ_ENTRY(transfer) link;

	struct arena arena;
	struct buffer body;
	int body_error; /* why no more of the body was taken; 0: for want of memory */

	struct frames frames; /* of a stream */
	bool is_paused;
	bool is_opening;          /* which is not told yet */
	struct fetch_result head; /* of a stream: what each result says, status 0 before the first */
	struct fetch_result object;

	char error_text[TRANSFER_ERROR_MAX];
	struct fetch_result result;
	uint64_t pause_ms;
};

/* Sets the limits, which no request is without. What the request points to is borrowed until
 * transfer_finish(). arrived() is called when objects of a stream are there, from inside libcurl. */
void transfer_init(struct transfer *t, const struct fetch_request *request, void *owner,
		   void (*arrived)(struct transfer *t));

/* Makes it ready to run; if is_name holds then, it wants its addresses first. What fails here and below is
 * told by the result already. */
int transfer_prepare(struct transfer *t);

/* The addresses of its host, which are noted in places. */
int transfer_set_addresses(struct transfer *t, struct places *places, const struct address *addresses,
			   size_t n);

/* Sets what is told when the request fails. Returns error. */
int transfer_fail(struct transfer *t, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* True once there is a connection. */
bool transfer_is_connected(const struct transfer *t);

/* The limit that has run out, or LIMIT_NONE and when to look again. */
enum limit transfer_check_limits(struct transfer *t, uint64_t *ret_wait_ms);

/* What became of it. Borrowed until transfer_finish(). */
const struct fetch_result *transfer_result(struct transfer *t);

/* Frees all of libcurl's; it must not be running. */
void transfer_close(struct transfer *t);

/* Frees the rest, after transfer_close(). */
void transfer_finish(struct transfer *t);

/* fetch_url.c: the URL of the request, into url, name, host, port and is_name. */
int transfer_read_url(struct transfer *t);

/* fetch_headers.c: the headers and the authorization of the request, onto the open handle. */
int transfer_add_headers(struct transfer *t);

/* fetch_answer.c: what the head of the answer says, for ret. -ENOMEM is set as the result already. */
int transfer_read_head(struct transfer *t, struct fetch_result *ret);

/* fetch_answer.c: reads the result, or the error, of a transfer that ended with that CURLcode. */
void transfer_read_end(struct transfer *t, int code);

/* fetch_answer.c: the same for one that still runs and ends because of a limit. */
void transfer_time_out(struct transfer *t, enum limit limit);

/* fetch_tls.c: sets the error if that CURLcode, with the text that came with it, is one of TLS that has
 * better words; else false. */
bool transfer_read_tls_error(struct transfer *t, int code, const char *text);

/* fetch_stream.c: true when the body is a stream of objects: it was asked for and has been granted. */
bool stream_is_open(struct transfer *t);

/* fetch_stream.c: takes a line of the head, as the function of CURLOPT_HEADERFUNCTION. */
void stream_take_header(struct transfer *t, const char *line, size_t len);

/* fetch_stream.c: takes octets of the body, as the function of CURLOPT_WRITEFUNCTION. */
size_t stream_take(struct transfer *t, const char *octets, size_t len);

/* fetch_stream.c: the next whole object, good until the next call of any of these, or that the stream is
 * open; or NULL. */
const struct fetch_result *stream_next(struct transfer *t);

/* fetch_stream.c: goes on reading after all objects were taken. On a negative errno the transfer has come to
 * its end, which is read already. */
int stream_resume(struct transfer *t);

#endif
