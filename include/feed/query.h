/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/query.h -- questions to DNS servers that are registries (FETCH_DNS), one server each.
 *
 *   querier_start --> a channel for this question alone --> heard(), once
 *
 * Nothing is shared with the resolver and its bootstrap servers, and nothing is cached: what a registry says
 * is asked for anew. How many run at a time is for those to bound who start them (feed/errand), so that a
 * server that does not answer delays nobody else's questions. Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_QUERY_H
#define PHONEBOOK_FEED_QUERY_H

#include "feed/fetch.h"

struct event_base;
struct querier;
struct query;

/* -ENOMEM. */
int querier_create(struct event_base *loop, struct querier **ret);

/* Ends all queries without calling their heard(). NULL is fine. */
void querier_destroy(struct querier *q);

/* Asks request->server for request->name and type. heard() is called once, later, never from inside this
 * call: with status = rcode and body = the message as it came, from the server asked and with our question in
 * it, over TCP if it was cut; or with an error when there is none within timeout_ms (0: 3 s), the server
 * refuses connections, or the message is damaged. The request is borrowed until then. heard() may cancel
 * other queries and destroy the querier. -ENOMEM. */
int querier_start(struct querier *q, const struct fetch_request *request, fetch_heard_fn heard, void *context,
		  struct query **ret);

/* Ends one query early; its heard() will not be called any more. NULL is fine. */
void query_cancel(struct query *query);

#endif
