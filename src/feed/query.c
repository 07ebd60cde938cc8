/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/query.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/random.h"
#include "feed/channel.h"
#include "wire/records.h"

enum {
	TIMEOUT_MS = 3000, /* a try of one second and one of two, as resolvers do */

	QUERY_OCTETS_MAX = DNS_HEADER_OCTETS + NAME_OCTETS_MAX + 4 + DNS_OPT_OCTETS,
};

/* Each has a channel of its own, and so a source port a forger must guess (RFC 5452 section 9.2), a TCP
 * connection whose end disturbs nobody else, and an end without remains. A channel costs 13 us to make and 75
 * kB to have. */
struct query {
	LIST_ENTRY(query) link;
	struct querier *querier;
	const struct fetch_request *request;
	fetch_heard_fn heard;
	void *context;
	struct event event; /* its deadline, or its answer */
	bool is_finished;
	struct channel *channel;
	int error;
	char *body; /* NUL behind */
	size_t len;
	int rcode;
};

struct querier {
	struct event_base *loop;
	LIST_HEAD(, query) all;
	struct random_ids ids;
};

/* Told from the loop: nobody is called from inside his own call or from inside the channel. */
static void finish(struct query *query, int error)
{
	query->is_finished = true;
	query->error = error;
	event_active(&query->event, EV_TIMEOUT, 0);
}

/* --- answers --- */

/* The rcode with the upper bits of it that an OPT may hold (RFC 6891 section 6.1.3); -EBADMSG when the
 * message is damaged. */
static int read_rcode(const uint8_t *message, size_t len)
{
	struct records records;
	struct record record;
	int upper = 0;

	if (!records_begin(&records, message, len))
		return -EBADMSG;
	while (records_next(&records, &record)) {
		if (record.type == RRTYPE_OPT)
			upper = (int)(record.ttl >> 24);
	}
	return records.bad ? -EBADMSG : upper << 4 | (records.flags & HEADER_RCODE);
}

static int keep_message(struct query *query, const uint8_t *message, size_t len)
{
	const int rcode = read_rcode(message, len);

	if (rcode < 0)
		return rcode;
	query->body = malloc(len + 1);
	if (query->body == NULL)
		return -ENOMEM;
	memcpy(query->body, message, len);
	query->body[len] = '\0';
	query->len = len;
	query->rcode = rcode;
	return 0;
}

static void on_message(void *context, int error, const uint8_t *message, size_t len)
{
	struct query *query = context;

	if (error != -ECANCELED) /* that is us, and the query is on its way out */
		finish(query, error < 0 ? error : keep_message(query, message, len));
}

static const char *explain(int error)
{
	switch (error) {
	case 0:
		return NULL;
	case -ETIMEDOUT:
		return "no answer";
	case -ECONNREFUSED:
		return "the server cannot be reached, or refuses connections";
	case -EBADMSG:
		return "the answer is damaged";
	case -EINVAL:
		return "no name that can be asked for";
	case -ENODEV:
		return "the interface of the server's address is not there";
	default:
		return strerror(-error);
	}
}

/* Takes the query out of everything; its memory stays. */
static void detach(struct query *query)
{
	LIST_REMOVE(query, link);
	event_del(&query->event);
	channel_destroy(query->channel);
}

static void deliver(struct query *query)
{
	char server[ENDPOINT_TEXT_MAX];
	const struct fetch_result result = { .name = endpoint_to_text(&query->request->server, server),
					     .error = query->error,
					     .error_text = explain(query->error),
					     .status = query->rcode,
					     .last = true,
					     .body = query->body != NULL ? query->body : "",
					     .len = query->len };

	detach(query);
	query->heard(query->context, &result, 0);
	free(query->body);
	free(query);
}

/* --- asking --- */

/* The question with an OPT behind it, as channel_send() takes it. Recursion is desired: the server may have
 * to follow an alias into a zone that is not its own. Returns the length. */
static size_t write_query(struct querier *q, const struct name *name, uint16_t type,
			  uint8_t octets[QUERY_OCTETS_MAX])
{
	uint8_t *at = octets + DNS_HEADER_OCTETS;

	memset(octets, 0, QUERY_OCTETS_MAX);
	put_u16(octets, random_id(&q->ids));
	put_u16(octets + 2, HEADER_RD);
	put_u16(octets + 4, 1);
	put_u16(octets + 10, 1);
	memcpy(at, name->octets, name->len);
	at += name->len;
	put_u16(at, type);
	put_u16(at + 2, RRCLASS_IN);
	put_u16(at + 5, RRTYPE_OPT); /* behind the root as its owner */
	put_u16(at + 7, DNS_EDNS_SIZE);
	return (size_t)(at + 4 + DNS_OPT_OCTETS - octets);
}

static uint64_t patience_ms(const struct query *query)
{
	return query->request->timeout_ms > 0 ? query->request->timeout_ms : TIMEOUT_MS;
}

static int open_channel(struct query *query)
{
	const uint64_t try_ms = patience_ms(query) / 3 + 1; /* the second try has twice that */
	const int r = channel_create(query->querier->loop, CHANNEL_MESSAGES, &query->request->server, 1,
				     try_ms, &query->channel);

	if (r < 0)
		return r;
	return channel_has_server(query->channel) ? 0 : -ENODEV;
}

static void ask(struct query *query)
{
	const struct fetch_request *request = query->request;
	const struct timeval patience = clock_timeval(patience_ms(query));
	uint8_t octets[QUERY_OCTETS_MAX];
	struct name name;

	const bool is_name = name_from_text(request->name, strlen(request->name), &name);
	const int r = is_name ? open_channel(query) : -EINVAL;
	if (r < 0) {
		finish(query, r);
		return;
	}
	evtimer_add(&query->event, &patience); /* before the call, which may answer before it returns */
	const size_t len = write_query(query->querier, &name, request->type, octets);
	channel_send(query->channel, octets, len, on_message, query);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct query *query = arg;

	(void)fd;
	(void)what;
	if (!query->is_finished)
		query->error = -ETIMEDOUT;
	deliver(query);
}

int querier_start(struct querier *q, const struct fetch_request *request, fetch_heard_fn heard, void *context,
		  struct query **ret)
{
	struct query *query = calloc(1, sizeof(*query));

	if (query == NULL)
		return -ENOMEM;
	query->querier = q;
	query->request = request;
	query->heard = heard;
	query->context = context;
	evtimer_assign(&query->event, q->loop, on_event, query);
	LIST_INSERT_HEAD(&q->all, query, link);
	ask(query);
	*ret = query;
	return 0;
}

void query_cancel(struct query *query)
{
	if (query == NULL)
		return;
	detach(query);
	free(query->body);
	free(query);
}

/* --- life --- */

int querier_create(struct event_base *loop, struct querier **ret)
{
	struct querier *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return -ENOMEM;
	q->loop = loop;
	*ret = q;
	return 0;
}

void querier_destroy(struct querier *q)
{
	if (q == NULL)
		return;
	while (!LIST_EMPTY(&q->all))
		query_cancel(LIST_FIRST(&q->all));
	free(q);
}
