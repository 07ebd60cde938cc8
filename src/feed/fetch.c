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

enum {
	/* Results told in one turn of the loop. A server that sends small objects without an end must leave
	 * room for the answers of all others; one a turn would cost each a look at all sockets. */
	RESULTS_PER_TURN = 32,
};

struct fetcher {
	struct event_base *loop;
	struct resolver *resolver;
	struct fetch_loop *transfers;
	struct event work;
	struct fetches all, ready;
	unsigned told;
	struct places places;
};

struct fetch {
	TAILQ_ENTRY(fetch) link, ready_link;
	struct fetcher *fetcher;
	fetch_heard_fn heard;
	void *context;
	struct event deadline;
	bool is_ready; /* in the list: has, or may have, something to tell */
	bool has_ended;
	bool is_told; /* heard() is at work */
	bool is_gone; /* out of the fetcher, which may be gone itself */
	struct resolver_lookup *lookup;
	struct transfer transfer;
};

/* --- who has something to tell --- */

/* Delivery is left to on_work(): nobody is called from inside his own call or from inside libcurl. But it is
 * in the same turn of the loop, as long as that has not had its share. */
static void work_on(struct fetcher *f)
{
	static const struct timeval next_turn = { 0 };

	if (TAILQ_EMPTY(&f->ready) || evtimer_pending(&f->work, NULL))
		return;
	if (f->told < RESULTS_PER_TURN) {
		event_active(&f->work, EV_TIMEOUT, 0);
		return;
	}
	f->told = 0;
	evtimer_add(&f->work, &next_turn);
}

static void make_ready(struct fetch *q)
{
	if (!q->is_ready)
		TAILQ_INSERT_TAIL(&q->fetcher->ready, q, ready_link);
	q->is_ready = true;
	work_on(q->fetcher);
}

static void make_unready(struct fetch *q)
{
	if (q->is_ready)
		TAILQ_REMOVE(&q->fetcher->ready, q, ready_link);
	q->is_ready = false;
}

static void on_arrived(struct transfer *t)
{
	make_ready(t->owner);
}

/* --- the end of a request --- */

static void stop(struct fetch *q)
{
	resolver_lookup_cancel(q->lookup);
	q->lookup = NULL;
	fetch_loop_stop(q->fetcher->transfers, &q->transfer);
	transfer_close(&q->transfer);
	evtimer_del(&q->deadline);
}

/* Takes it out of the fetcher; nothing but its memory is left. */
static void leave(struct fetch *q)
{
	stop(q);
	make_unready(q);
	TAILQ_REMOVE(&q->fetcher->all, q, link);
	q->is_gone = true;
}

static void free_fetch(struct fetch *q)
{
	transfer_finish(&q->transfer);
	free(q);
}

static void finish(struct fetch *q)
{
	stop(q);
	q->has_ended = true;
	make_ready(q);
}

static void on_ended(struct transfer *t)
{
	finish(t->owner);
}

/* --- results --- */

/* Objects that came before the end are told before it. NULL: it is all told, and more may come. */
static const struct fetch_result *next_result(struct fetch *q)
{
	const struct fetch_result *object = stream_next(&q->transfer);

	if (object != NULL)
		return object;
	return q->has_ended ? transfer_result(&q->transfer) : NULL;
}

/* Comes last: who is called may do anything, also destroy the fetcher. */
static void tell(struct fetch *q, const struct fetch_result *result)
{
	q->is_told = true;
	if (result->last)
		leave(q);
	q->heard(q->context, result, result->last ? q->transfer.pause_ms : 0);
	q->is_told = false;
	if (q->is_gone)
		free_fetch(q);
}

/* One result a call, of each stream in turn. */
static void on_work(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *f = arg;
	struct fetch *q = TAILQ_FIRST(&f->ready);

	(void)fd;
	(void)what;
	if (q == NULL)
		return;
	make_unready(q);
	const struct fetch_result *result = next_result(q);
	if (result == NULL) {
		if (stream_resume(&q->transfer) < 0)
			finish(q);
		work_on(f);
		return;
	}
	f->told++;
	if (!result->last)
		make_ready(q);
	work_on(f);
	tell(q, result);
}

/* --- limits --- */

static void set_deadline(struct fetch *q, uint64_t wait_ms)
{
	const struct timeval wait = clock_timeval(wait_ms);

	evtimer_add(&q->deadline, &wait);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct fetch *q = arg;
	uint64_t wait_ms;
	const enum limit limit = transfer_check_limits(&q->transfer, &wait_ms);

	(void)fd;
	(void)what;
	if (limit == LIMIT_NONE) {
		set_deadline(q, wait_ms);
		return;
	}
	transfer_time_out(&q->transfer, limit);
	finish(q);
}

/* --- its start --- */

static int start_transfer(struct fetch *q)
{
	const uint64_t limit_ms = q->transfer.limits.connect_ms;
	const uint64_t elapsed_ms = clock_ms() - q->transfer.progress.started_ms;
	const uint64_t left_ms = elapsed_ms < limit_ms ? limit_ms - elapsed_ms : 1;

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

static int start(struct fetch *q)
{
	const int r = transfer_prepare(&q->transfer);

	if (r < 0)
		return r;
	return q->transfer.is_name ? start_lookup(q) : start_transfer(q);
}

/* What fails in here is told like any other failure, later. */
int fetcher_start(struct fetcher *f, const struct fetch_request *request, fetch_heard_fn heard, void *context,
		  struct fetch **ret)
{
	struct fetch *q = calloc(1, sizeof(*q));
	uint64_t wait_ms = 0;

	if (q == NULL)
		return -ENOMEM;
	q->fetcher = f;
	q->heard = heard;
	q->context = context;
	transfer_init(&q->transfer, request, q, on_arrived);
	evtimer_assign(&q->deadline, f->loop, on_deadline, q);
	transfer_check_limits(&q->transfer, &wait_ms);
	set_deadline(q, wait_ms);
	TAILQ_INSERT_TAIL(&f->all, q, link);

	if (start(q) < 0)
		finish(q);
	*ret = q;
	return 0;
}

/* --- life --- */

void fetch_cancel(struct fetch *q)
{
	if (q == NULL || q->is_gone)
		return;

	leave(q);
	if (!q->is_told)
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
	TAILQ_INIT(&f->all);
	TAILQ_INIT(&f->ready);
	evtimer_assign(&f->work, loop, on_work, f);
	*ret = f;
	return 0;
}

void fetcher_destroy(struct fetcher *f)
{
	if (f == NULL)
		return;

	while (!TAILQ_EMPTY(&f->all))
		fetch_cancel(TAILQ_FIRST(&f->all));
	fetch_loop_destroy(f->transfers);
	event_del(&f->work);
	free(f);
}
