/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/fetch.h -- HTTP requests in flight: deadline, size limit, TLS, on the feeder's loop.
 *
 *   fetcher_get --> resolve the host (feed/resolve) --> libcurl multi --> done() exactly once
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

/* Ends all requests without calling their done(). NULL is fine. */
void fetcher_destroy(struct fetcher *f);

/* Starts a request; done() is called once, later, never from inside this call, with the result and with the
 * pause the server asked for (Retry-After of 429 and 503, or what Cache-Control: max-age makes pointless; 0:
 * none). The options in the request are borrowed until then. */
int fetcher_get(struct fetcher *f, const struct fetch_request *request,
		void (*done)(void *context, const struct fetch_result *result, uint64_t pause_ms),
		void *context, struct fetch **ret);

/* Ends one request early; its done() will not be called. NULL is fine. */
void fetch_cancel(struct fetch *f);

#endif
