/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/state_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"

struct state_writer {
	struct state_place *place;
	struct inbox calls, done; /* only their wake-ups are used */
	struct parcel order, result, stop;
	pthread_t thread;
	struct parcel end; /* whoever comes to it first leaves something for the other one */
};

/* --- on its thread --- */

static int carry_out(struct state_writer *w, const struct state_order *o)
{
	const int r = state_place_open(w->place);

	if (r != 0)
		return r;
	return o->snapshot != NULL ? state_file_write(w->place->dir, o->file, &o->head, o->snapshot)
				   : state_file_renew(w->place->dir, o->file, &o->head.stamp);
}

static void give_back(struct state_writer *w, void *what)
{
	parcel_put(&w->result, what);
	inbox_wake(&w->done);
}

static void wait_for(struct inbox *in, int limit_ms)
{
	struct pollfd fd = { .fd = in->wakeup, .events = POLLIN };

	if (poll(&fd, 1, limit_ms) > 0)
		inbox_drain(in);
}

/* Nobody else will: a later state in the same directory must find its lock free. */
static void leave(struct state_writer *w)
{
	if (parcel_put(&w->end, w) != NULL)
		state_place_close(w->place);
}

/* The last thing it gives back is itself: the thread is over. */
static void *run(void *arg)
{
	struct state_writer *w = arg;

	while (parcel_take(&w->stop) == NULL) {
		struct state_order *o = parcel_take(&w->order);

		if (o == NULL) {
			wait_for(&w->calls, -1);
			continue;
		}
		const uint64_t start_ms = clock_ms();
		o->result = carry_out(w, o);
		o->took_ms = clock_ms() - start_ms;
		give_back(w, o);
	}
	give_back(w, w);
	leave(w);
	return NULL;
}

/* --- on the feeder's --- */

/* Signals are main's business; a file that grows too large for a limit on them is an error, and no end. */
static int start(struct state_writer *w)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int error = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

static void free_writer(struct state_writer *w)
{
	inbox_finish(&w->calls);
	inbox_finish(&w->done);
	free(w);
}

int state_writer_create(struct state_place *place, struct state_writer **ret)
{
	struct state_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	w->place = place;
	w->calls.wakeup = w->done.wakeup = -1;
	int r = inbox_init(&w->calls);
	if (r == 0)
		r = inbox_init(&w->done);
	if (r == 0)
		r = start(w);
	if (r == 0)
		*ret = w;
	else
		free_writer(w);
	return r;
}

struct inbox *state_writer_done(struct state_writer *w)
{
	return &w->done;
}

void state_writer_send(struct state_writer *w, struct state_order *order)
{
	parcel_put(&w->order, order);
	inbox_wake(&w->calls);
}

static void *take(struct state_writer *w, uint64_t limit_ms)
{
	const uint64_t end_ms = clock_ms() + limit_ms;
	void *result;

	while ((result = parcel_take(&w->result)) == NULL) {
		const uint64_t now_ms = clock_ms();

		if (now_ms >= end_ms)
			break;
		wait_for(&w->done, (int)(end_ms - now_ms));
	}
	return result;
}

struct state_order *state_writer_take(struct state_writer *w, uint64_t limit_ms)
{
	return take(w, limit_ms);
}

bool state_writer_destroy(struct state_writer *w, uint64_t limit_ms)
{
	if (w == NULL)
		return true;
	parcel_put(&w->stop, w);
	inbox_wake(&w->calls);
	const uint64_t end_ms = clock_ms() + limit_ms;
	void *result;
	do
		result = take(w, end_ms > clock_ms() ? end_ms - clock_ms() : 0);
	while (result != NULL && result != w);
	if (result == NULL && parcel_put(&w->end, w) == NULL) {
		pthread_detach(w->thread);
		return false;
	}
	pthread_join(w->thread, NULL);
	free_writer(w);
	return true;
}
