/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/fetch_transfer.h -- one HTTP exchange through libcurl, shared by the src/feed/fetch*.c only.
 *
 *   fetch            the request: its life, lookup, deadline, done() once; knows nothing of libcurl
 *   fetch_transfer   the URL and the options onto a handle of libcurl
 *   fetch_headers    what is sent: headers, validators, who asks
 *   fetch_loop       the handle runs, on libevent
 *   fetch_answer     the handle has ended: the result, or an error in words
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
#include "feed/places.h"
#include "registry/registry.h"

struct curl_slist;

enum {
	TRANSFER_REASON_MAX = 256, /* of libcurl's, CURL_ERROR_SIZE */
	TRANSFER_ERROR_MAX = TRANSFER_REASON_MAX + 256,
};

struct transfer {
	const struct http_options *http;
	void *owner;
	uint64_t timeout_ms, max_size;

	void *easy, *url;   /* CURL and CURLU; the header that says so stays out of ours */
	char *host, *port;  /* of libcurl */
	bool is_name;       /* the host has to be looked up */
	size_t n_addresses; /* that were given */
	struct curl_slist *headers, *addresses;
	char curl_error[TRANSFER_REASON_MAX];

	bool is_searching; /* in a list of the loop: it has several addresses, and no connection yet */
	TAILQ_ENTRY(transfer) link;

	struct arena arena;
	struct buffer body;
	bool too_large;
	char error_text[TRANSFER_ERROR_MAX];
	struct fetch_result result;
	uint64_t pause_ms;
};

/* Sets the limits, which no request is without. The options are borrowed until transfer_finish(). */
void transfer_init(struct transfer *t, const struct http_options *http, void *owner);

/* Makes it ready to run; if is_name holds then, it wants its addresses first. What fails here and below is
 * told by the result already. */
int transfer_prepare(struct transfer *t, const struct fetch_request *request);

/* The addresses of its host, which are noted in places. */
int transfer_set_addresses(struct transfer *t, struct places *places, const struct address *addresses,
			   size_t n);

/* Sets what is told when the request fails. Returns error. */
int transfer_fail(struct transfer *t, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What became of it. Borrowed until transfer_finish(). */
const struct fetch_result *transfer_result(struct transfer *t);

/* Frees all of libcurl's; it must not be running. */
void transfer_close(struct transfer *t);

/* Frees the rest, after transfer_close(). */
void transfer_finish(struct transfer *t);

/* fetch_headers.c: the headers and the authorization of the request, onto the open handle. */
int transfer_add_headers(struct transfer *t, const struct fetch_request *request);

/* fetch_answer.c: reads the result, or the error, of a transfer that ended with that CURLcode. */
void transfer_read_end(struct transfer *t, int code);

#endif
