/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/fetch.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "feed/fetch_loop.h"
#include "feed/fetch_transfer.h"
#include "feed/places.h"
#include "feed/resolve.h"

TAILQ_HEAD(fetches, fetch);

struct fetcher {
	struct event_base *loop;
	struct resolver *resolver;
	struct fetch_loop *transfers;
	struct event work;
	struct fetches running, finished;
	struct places places;
};

struct fetch {
	TAILQ_ENTRY(fetch) link;
	struct fetcher *fetcher;
	void (*done)(void *context, const struct fetch_result *result, uint64_t pause_ms);
	void *context;
	uint64_t started_ms;
	struct event deadline;
	bool finished;
	struct resolver_lookup *lookup;
	struct transfer transfer;
};

/* --- the end of a request --- */

static void stop(struct fetch *q)
{
	resolver_lookup_cancel(q->lookup);
	q->lookup = NULL;
	fetch_loop_stop(q->fetcher->transfers, &q->transfer);
	transfer_close(&q->transfer);
	evtimer_del(&q->deadline);
}

static void free_fetch(struct fetch *q)
{
	transfer_finish(&q->transfer);
	free(q);
}

/* Delivery is left to on_work(): nobody is called from inside his own call or from inside libcurl. */
static void finish(struct fetch *q)
{
	struct fetcher *f = q->fetcher;

	stop(q);
	TAILQ_REMOVE(&f->running, q, link);
	TAILQ_INSERT_TAIL(&f->finished, q, link);
	q->finished = true;
	event_active(&f->work, EV_TIMEOUT, 0);
}

/* One request a call, and last: who is called back may do anything, also destroy the fetcher. */
static void on_work(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *f = arg;
	struct fetch *q = TAILQ_FIRST(&f->finished);

	(void)fd;
	(void)what;
	if (q == NULL)
		return;
	TAILQ_REMOVE(&f->finished, q, link);
	if (!TAILQ_EMPTY(&f->finished))
		event_active(&f->work, EV_TIMEOUT, 0);

	q->done(q->context, transfer_result(&q->transfer), q->transfer.pause_ms);
	free_fetch(q);
}

static void on_ended(struct transfer *t)
{
	finish(t->owner);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct fetch *q = arg;

	(void)fd;
	(void)what;
	transfer_fail(&q->transfer, -ETIMEDOUT, "timed out after %llu ms",
		      (unsigned long long)q->transfer.timeout_ms);
	finish(q);
}

/* --- its start --- */

static int start_transfer(struct fetch *q)
{
	const uint64_t timeout_ms = q->transfer.timeout_ms;
	const uint64_t elapsed_ms = clock_ms() - q->started_ms;
	const uint64_t left_ms = elapsed_ms < timeout_ms ? timeout_ms - elapsed_ms : 1;

	if (fetch_loop_start(q->fetcher->transfers, &q->transfer, left_ms) < 0)
		return transfer_fail(&q->transfer, -ENOMEM, "no memory");
	return 0;
}

static void on_addresses(void *context, const struct address *addresses, size_t n, const char *error)
{
	struct fetch *q = context;
	struct transfer *t = &q->transfer;
	int r = 0;

	q->lookup = NULL;
	if (n == 0)
		r = transfer_fail(t, -EHOSTUNREACH, "host name %s: %s", t->host, error);
	else
		r = transfer_set_addresses(t, &q->fetcher->places, addresses, n);
	if (r == 0)
		r = start_transfer(q);
	if (r < 0)
		finish(q);
}

static int start_lookup(struct fetch *q)
{
	if (resolver_lookup(q->fetcher->resolver, q->transfer.host, on_addresses, q, &q->lookup) < 0)
		return transfer_fail(&q->transfer, -ENOMEM, "no memory");
	return 0;
}

static int start(struct fetch *q, const struct fetch_request *request)
{
	const int r = transfer_prepare(&q->transfer, request);

	if (r < 0)
		return r;
	return q->transfer.is_name ? start_lookup(q) : start_transfer(q);
}

static void set_deadline(struct fetch *q)
{
	const struct timeval timeout = clock_timeval(q->transfer.timeout_ms);

	evtimer_assign(&q->deadline, q->fetcher->loop, on_deadline, q);
	evtimer_add(&q->deadline, &timeout);
}

/* What fails in here is told like any other failure, later. */
int fetcher_get(struct fetcher *f, const struct fetch_request *request,
		void (*done)(void *context, const struct fetch_result *result, uint64_t pause_ms),
		void *context, struct fetch **ret)
{
	struct fetch *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return -ENOMEM;
	q->fetcher = f;
	q->done = done;
	q->context = context;
	q->started_ms = clock_ms();
	transfer_init(&q->transfer, request->http, q);
	set_deadline(q);
	TAILQ_INSERT_TAIL(&f->running, q, link);

	if (start(q, request) < 0)
		finish(q);
	*ret = q;
	return 0;
}

/* --- life --- */

void fetch_cancel(struct fetch *q)
{
	if (q == NULL)
		return;

	if (q->finished) {
		TAILQ_REMOVE(&q->fetcher->finished, q, link);
	} else {
		stop(q);
		TAILQ_REMOVE(&q->fetcher->running, q, link);
	}
	free_fetch(q);
}

int fetcher_create(struct event_base *loop, struct resolver *resolver, struct fetcher **ret)
{
	struct fetcher *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	const int r = fetch_loop_create(loop, on_ended, &f->transfers);
	if (r < 0) {
		free(f);
		return r;
	}
	f->loop = loop;
	f->resolver = resolver;
	TAILQ_INIT(&f->running);
	TAILQ_INIT(&f->finished);
	evtimer_assign(&f->work, loop, on_work, f);
	*ret = f;
	return 0;
}

void fetcher_destroy(struct fetcher *f)
{
	if (f == NULL)
		return;

	while (!TAILQ_EMPTY(&f->running))
		fetch_cancel(TAILQ_FIRST(&f->running));
	while (!TAILQ_EMPTY(&f->finished))
		fetch_cancel(TAILQ_FIRST(&f->finished));
	fetch_loop_destroy(f->transfers);
	event_del(&f->work);
	free(f);
}
