/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/dispatch.h"
#include "server/tcp.h"
#include "server/udp.h"

enum {
	STOP_MS = 700, /* below the second in which the daemon promises to be gone */
	STOP_CHECK_MS = 10,
};

/* What a reload changes. */
struct change {
	struct guests guests;
	struct forward_options forward;
};

struct worker {
	pthread_t thread;
	bool started;
	struct event_base *loop;
	struct event *wakeup, *stop_check;
	struct inbox inbox;
	struct parcel change; /* struct change */
	struct parcel stop;   /* anything: stop */
	struct dispatcher dispatcher;
	struct sockets sockets;
	struct udp *udp;
	struct tcp *tcp;
	uint64_t stop_at_ms;
	bool deaf; /* accepts no connections any more */
	uint8_t reply[DNS_MESSAGE_OCTETS_MAX];
};

static void deliver(void *context, const struct return_address *to, const uint8_t *message, size_t len)
{
	(void)context;
	if (to->connection != NULL)
		tcp_deliver(to, message, len);
	else
		udp_deliver(to, message, len);
}

/* A held query once more. */
static bool again(void *context, const uint8_t *octets, size_t len, const struct return_address *from,
		  bool may_wait)
{
	struct worker *w = context;
	const struct arrival a = { .octets = octets,
				   .len = len,
				   .from = from,
				   .now_ms = clock_ms(),
				   .patience = may_wait ? PATIENCE_HELD : PATIENCE_USED_UP };
	const size_t size = from->connection != NULL ? sizeof(w->reply) : UDP_REPLY_OCTETS_MAX;
	size_t reply_len;

	w->dispatcher.table = inbox_take(&w->inbox);
	switch (dispatch_query(&w->dispatcher, &a, w->reply, size, &reply_len)) {
	case DISPATCH_HELD:
		return false;
	case DISPATCH_REPLY:
		deliver(w, from, w->reply, reply_len);
		return true;
	default:
		return true;
	}
}

static void begin_to_stop(struct worker *w)
{
	static const struct timeval check = { .tv_usec = STOP_CHECK_MS * 1000 };

	w->stop_at_ms = clock_ms() + STOP_MS;
	hold_close(w->dispatcher.hold);
	event_add(w->stop_check, &check);
}

/* Until nobody waits for anything any more, or for as long as was promised; what has arrived by then is
 * answered. Connections that only the kernel had taken when we were told to stop are ours by the first check,
 * and their queries are read by the second. */
static void on_stop_check(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	udp_drain(w->udp);
	if (!w->deaf) {
		w->deaf = true;
		tcp_stop_accepting(w->tcp);
		sockets_close_tcp(&w->sockets);
		return;
	}
	if ((forward_pending(w->dispatcher.forwarder) == 0 && tcp_is_quiet(w->tcp)) ||
	    clock_ms() >= w->stop_at_ms)
		event_base_loopbreak(w->loop);
}

static void apply(struct worker *w, struct change *change)
{
	if (change == NULL)
		return;
	w->dispatcher.guests = change->guests;
	forwarder_reload(w->dispatcher.forwarder, &change->forward); /* no memory: the old upstreams stay */
	free(change);
}

static void on_wakeup(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	inbox_drain(&w->inbox);
	w->dispatcher.table = inbox_take(&w->inbox);
	hold_retry(w->dispatcher.hold);
	apply(w, parcel_take(&w->change));
	if (parcel_take(&w->stop) != NULL && w->stop_at_ms == 0)
		begin_to_stop(w);
}

static int create_parts(struct worker *w, const struct server_options *o,
			const struct forward_options *forward)
{
	const struct sockets *s = &w->sockets;
	struct dispatcher *d = &w->dispatcher;
	int r = forwarder_create(w->loop, forward, d->row, deliver, w, &d->forwarder);

	if (r == 0)
		r = hold_create(w->loop, o->hold_queries, again, w, &d->hold);
	if (r == 0)
		r = udp_create(w->loop, s->udp, s->n_udp, &w->inbox, d, &w->udp);
	if (r == 0)
		r = tcp_create(w->loop, s->tcp, s->n_tcp, o, &w->inbox, d, w->udp, &w->tcp);
	return r;
}

/* One thread uses the loop: it needs no locks (libevent's). */
static struct event_base *create_loop(void)
{
	struct event_config *config = event_config_new();
	struct event_base *loop = NULL;

	if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		loop = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	return loop;
}

int worker_create(const struct server_options *o, const struct forward_options *forward,
		  struct sockets *sockets, struct counters *counters, size_t i, struct worker **ret)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		sockets_close(sockets);
		return -ENOMEM;
	}
	w->sockets = *sockets;
	*sockets = (struct sockets){ 0 };
	w->dispatcher.guests = o->guests;
	w->dispatcher.counters = counters;
	w->dispatcher.row = counters_row(counters, i);
	int r = inbox_init(&w->inbox);
	if (r == 0) {
		w->loop = create_loop();
		w->dispatcher.answerer = answerer_create();
		if (w->loop != NULL) {
			w->wakeup = event_new(w->loop, w->inbox.wakeup, EV_READ | EV_PERSIST, on_wakeup, w);
			w->stop_check = event_new(w->loop, -1, EV_PERSIST, on_stop_check, w);
		}
		if (w->dispatcher.answerer == NULL || w->wakeup == NULL || w->stop_check == NULL ||
		    event_add(w->wakeup, NULL) < 0)
			r = -ENOMEM;
	}
	if (r == 0)
		r = create_parts(w, o, forward);
	if (r == 0)
		*ret = w;
	else
		worker_destroy(w);
	return r;
}

struct inbox *worker_inbox(struct worker *w)
{
	return &w->inbox;
}

static void *run(void *arg)
{
	struct worker *w = arg;

	w->dispatcher.table = inbox_take(&w->inbox);
	event_base_dispatch(w->loop);
	udp_drain(w->udp);
	sockets_close(&w->sockets);
	return NULL;
}

/* Signals are main's business. */
int worker_start(struct worker *w)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int error = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->started = error == 0;
	return -error;
}

int worker_reload(struct worker *w, const struct server_options *o, const struct forward_options *forward)
{
	struct change *change = malloc(sizeof(*change));

	if (change == NULL)
		return -ENOMEM;
	change->guests = o->guests;
	change->forward = *forward;
	free(parcel_put(&w->change, change));
	inbox_wake(&w->inbox);
	return 0;
}

void worker_stop(struct worker *w)
{
	parcel_put(&w->stop, w);
	inbox_wake(&w->inbox);
}

void worker_join(struct worker *w)
{
	if (w == NULL || !w->started)
		return;
	pthread_join(w->thread, NULL);
	w->started = false;
}

void worker_destroy(struct worker *w)
{
	if (w == NULL)
		return;
	tcp_destroy(w->tcp);
	udp_destroy(w->udp);
	forwarder_destroy(w->dispatcher.forwarder);
	hold_destroy(w->dispatcher.hold);
	answerer_destroy(w->dispatcher.answerer);
	if (w->wakeup != NULL)
		event_free(w->wakeup);
	if (w->stop_check != NULL)
		event_free(w->stop_check);
	if (w->loop != NULL)
		event_base_free(w->loop);
	free(parcel_take(&w->change));
	sockets_close(&w->sockets);
	inbox_finish(&w->inbox);
	free(w);
}
