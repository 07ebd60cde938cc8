/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/fetch_loop.h"

#define CURL_DISABLE_DEPRECATION /* curl_multi_socket_all(), see nudge_soon() */
#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/clock.h"

enum {
	NUDGE_MS = 20, /* see nudge_soon() */
	/* Open at a time, those in use and those kept for the next poll together; above it libcurl closes
	 * each connection after its request. A hundred held requests of one registry, the streams of others
	 * and the polls beside them stay below: with fewer, every poll would open a connection of its own.
	 * With more, and many registries, a process with the usual 1,024 descriptors would come near its
	 * end. (How many one server allows us is for who starts the requests: Consul's agent allows 200.) */
	CONNECTIONS_MAX = 256,
};

TAILQ_HEAD(transfers, transfer);

struct fetch_loop {
	struct event_base *base;
	void (*ended)(struct transfer *t);
	CURLM *multi;
	struct event timer, nudge;
	struct transfers searching;
};

static void reap(struct fetch_loop *l)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(l->multi, &left)) != NULL) {
		const CURLcode code = message->data.result;
		struct transfer *t = NULL;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		transfer_read_end(t, (int)code);
		l->ended(t);
	}
}

/* --- sockets --- */

struct socket_watch {
	struct fetch_loop *loop;
	struct event event;
};

/* libcurl may free the watch meanwhile: nothing of it is used afterwards. */
static void on_socket_ready(evutil_socket_t fd, short what, void *arg)
{
	const struct socket_watch *watch = arg;
	struct fetch_loop *l = watch->loop;
	int running;

	curl_multi_socket_action(l->multi, fd,
				 ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
					 ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0),
				 &running);
	reap(l);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct fetch_loop *l = arg;
	struct socket_watch *watch = socket_arg;

	(void)easy;
	if (watch != NULL)
		event_del(&watch->event);
	if (what == CURL_POLL_REMOVE) {
		free(watch);
		return 0;
	}
	if (watch == NULL) {
		watch = calloc(1, sizeof(*watch));
		if (watch == NULL)
			return -1;
		watch->loop = l;
		curl_multi_assign(l->multi, fd, watch);
	}
	event_assign(&watch->event, l->base, fd,
		     (short)(((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
			     ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0) | EV_PERSIST),
		     on_socket_ready, watch);
	return event_add(&watch->event, NULL);
}

/* --- timer --- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct fetch_loop *l = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(l);
}

static int on_timer_change(CURLM *multi, long timeout_ms, void *arg)
{
	struct fetch_loop *l = arg;

	(void)multi;
	if (timeout_ms < 0)
		return evtimer_del(&l->timer);
	const struct timeval timeout = clock_timeval((uint64_t)timeout_ms);
	return evtimer_add(&l->timer, &timeout);
}

/* --- nudge --- */

/* libcurl 7.88 does not open the next address when one is refused, but waits for its next timer: seconds. All
 * transfers are driven a little while those with several addresses look for the one that answers. The call is
 * marked as deprecated for its price with many transfers, and stays; we have few. */
static void nudge_soon(struct fetch_loop *l)
{
	const struct timeval soon = clock_timeval(NUDGE_MS);

	evtimer_add(&l->nudge, &soon);
}

static void start_searching(struct fetch_loop *l, struct transfer *t)
{
	TAILQ_INSERT_TAIL(&l->searching, t, link);
	t->is_searching = true;
	if (!evtimer_pending(&l->nudge, NULL))
		nudge_soon(l);
}

static void stop_searching(struct fetch_loop *l, struct transfer *t)
{
	if (!t->is_searching)
		return;

	TAILQ_REMOVE(&l->searching, t, link);
	t->is_searching = false;
}

static void on_nudge(evutil_socket_t fd, short what, void *arg)
{
	struct fetch_loop *l = arg;
	struct transfer *next;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_all(l->multi, &running);
	reap(l);
	for (struct transfer *t = TAILQ_FIRST(&l->searching); t != NULL; t = next) {
		next = TAILQ_NEXT(t, link);
		if (transfer_is_connected(t))
			stop_searching(l, t);
	}
	if (!TAILQ_EMPTY(&l->searching))
		nudge_soon(l);
}

/* --- transfers --- */

/* The time left also goes to libcurl, which gives the first of several addresses only half of it. All other
 * limits are the fetcher's: libcurl knows none for a stream that is silent. */
int fetch_loop_start(struct fetch_loop *l, struct transfer *t, uint64_t connect_left_ms)
{
	t->run_ms = clock_ms();
	curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_left_ms);
	if (curl_multi_add_handle(l->multi, t->easy) != CURLM_OK)
		return -ENOMEM;
	if (t->n_addresses > 1)
		start_searching(l, t);
	return 0;
}

void fetch_loop_stop(struct fetch_loop *l, struct transfer *t)
{
	stop_searching(l, t);
	if (t->easy != NULL)
		curl_multi_remove_handle(l->multi, t->easy);
}

/* --- life --- */

int fetch_loop_create(struct event_base *base, void (*ended)(struct transfer *t), struct fetch_loop **ret)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;

	struct fetch_loop *l = calloc(1, sizeof(*l));
	CURLM *multi = curl_multi_init();
	if (l == NULL || multi == NULL) {
		curl_multi_cleanup(multi);
		free(l);
		curl_global_cleanup();
		return -ENOMEM;
	}
	l->base = base;
	l->ended = ended;
	l->multi = multi;
	TAILQ_INIT(&l->searching);
	evtimer_assign(&l->timer, base, on_timer, l);
	evtimer_assign(&l->nudge, base, on_nudge, l);
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, l);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, l);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
	*ret = l;
	return 0;
}

void fetch_loop_destroy(struct fetch_loop *l)
{
	if (l == NULL)
		return;

	curl_multi_cleanup(l->multi);
	event_del(&l->timer);
	event_del(&l->nudge);
	free(l);
	curl_global_cleanup();
}
