/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/fetch.h -- HTTP requests in flight: deadline, size limit, TLS, on the feeder's loop.
 *
 *   fetcher_start --> resolve the host (feed/resolve) --> libcurl multi --> heard(), the last time with last
 *
 * Feeder thread only. Host names never go through the system resolver: on a host where we are the resolver
 * that would ask ourselves. Redirects are not followed: a moved registry is an error to show.
 */
#ifndef PHONEBOOK_FEED_FETCH_H
#define PHONEBOOK_FEED_FETCH_H

#include <stdint.h>

#include "registry/registry.h"

struct event_base;
struct fetcher;
struct fetch;
struct resolver;

/* The resolver is borrowed and must outlive the fetcher. */
int fetcher_create(struct event_base *loop, struct resolver *resolver, struct fetcher **ret);

/* Ends all requests without calling their heard(). NULL is fine. */
void fetcher_destroy(struct fetcher *f);

/* Takes what was heard and the pause the server asked for (Retry-After of 429 and 503, or what Cache-Control:
 * max-age makes pointless; 0: none). It may cancel its own request, any other, or destroy the fetcher. */
typedef void (*fetch_heard_fn)(void *context, const struct fetch_result *result, uint64_t pause_ms);

/* Starts a request (FETCH_HTTP or FETCH_STREAM). heard() is called later, never from inside this call: once
 * for an answer as a whole; for a stream with status 200 once for each object and once more at its end, and
 * before the first, unless that comes with the head, once with an empty body: it is open. Any other status is
 * an answer as a whole. The result that is the last says so, and the fetch is gone after it.
 * The request and what it points to are borrowed until then. */
int fetcher_start(struct fetcher *f, const struct fetch_request *request, fetch_heard_fn heard, void *context,
		  struct fetch **ret);

/* Ends one request early; its heard() will not be called any more. NULL is fine. */
void fetch_cancel(struct fetch *f);

#endif
