/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/hold.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct held {
	uint64_t deadline_ms;
	struct return_address from;
	uint16_t len; /* 0: answered or forgotten */
	uint8_t octets[HOLD_OCTETS_MAX];
};

/* In the order of arrival, and so of their deadlines: all wait equally long. */
struct hold {
	again_fn again;
	void *context;
	struct event *timer;
	bool retrying, closed;
	size_t n, max;
	struct held held[];
};

static void arm(struct hold *h)
{
	if (h->n == 0) {
		event_del(h->timer);
		return;
	}
	const uint64_t now_ms = clock_ms();
	const uint64_t wait_ms = h->held[0].deadline_ms > now_ms ? h->held[0].deadline_ms - now_ms : 0;
	const struct timeval wait = clock_timeval(wait_ms);

	event_add(h->timer, &wait);
}

static void close_gaps(struct hold *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (h->held[i].len == 0)
			continue;
		if (kept != i)
			h->held[kept] = h->held[i];
		kept++;
	}
	h->n = kept;
	arm(h);
}

/* Answering one may close its connection, which forgets others, and read new queries from it, which are held
 * behind them: so nothing moves before the end. */
static void retry(struct hold *h, uint64_t now_ms)
{
	h->retrying = true;
	for (size_t i = 0; i < h->n; i++) {
		struct held *held = &h->held[i];

		if (held->len > 0 &&
		    h->again(h->context, held->octets, held->len, &held->from, now_ms < held->deadline_ms))
			held->len = 0;
	}
	h->retrying = false;
	close_gaps(h);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	retry(arg, clock_ms());
}

int hold_create(struct event_base *loop, unsigned max, again_fn again, void *context, struct hold **ret)
{
	struct hold *h = calloc(1, sizeof(*h) + max * sizeof(h->held[0]));

	if (h == NULL)
		return -ENOMEM;
	h->max = max;
	h->again = again;
	h->context = context;
	h->timer = evtimer_new(loop, on_deadline, h);
	if (h->timer == NULL) {
		free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

void hold_destroy(struct hold *h)
{
	if (h == NULL)
		return;
	event_free(h->timer);
	free(h);
}

bool hold_add(struct hold *h, const uint8_t *octets, size_t len, const struct return_address *from)
{
	if (h->closed || h->n == h->max || len > HOLD_OCTETS_MAX)
		return false;

	struct held *held = &h->held[h->n++];
	held->deadline_ms = clock_ms() + HOLD_MS;
	held->from = *from;
	held->len = (uint16_t)len;
	memcpy(held->octets, octets, len);
	if (h->n == 1)
		arm(h);
	return true;
}

void hold_retry(struct hold *h)
{
	if (h->n > 0)
		retry(h, clock_ms());
}

void hold_close(struct hold *h)
{
	h->closed = true;
	retry(h, UINT64_MAX); /* past every deadline */
}

void hold_forget(struct hold *h, const void *connection)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->held[i].from.connection == connection)
			h->held[i].len = 0;
	}
	if (!h->retrying)
		close_gaps(h);
}
