/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/probe.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "feed/attempt.h"
#include "feed/silence.h"

enum {
	JITTER_SHARE = 5, /* of the interval */

	/* What is in doubt is looked at sooner, until it is settled: three failures in a row are seen after
	 * about two intervals instead of four. Half would save little; a tenth would make three tries that
	 * one short outage of the network spoils together. */
	DOUBT_SHARE = 3,

	SOON_SHARE = 10, /* not at once: a fleet may ask for a service in the same second */

	/* Descriptors; one at a time is enough for most, and a timeout of 1 s leaves 200 a second. */
	TRYING_MAX = 200,

	LATE_US = 10000,    /* a timer that comes late may make up for so much */
	TROUBLE_MS = 60000, /* between two lines that say that we cannot try */
	CUT_OFF_ROUNDS = 3, /* nobody heard for so many intervals */
};

enum place_state {
	PLACE_WAITING, /* its event is a timer */
	PLACE_DUE,     /* in the queue */
	PLACE_TRYING,  /* its event is a socket */
};

struct place {
	struct address address;
	uint16_t port;
	enum place_state state;
	bool is_wanted;
	struct prober *prober;
	TAILQ_ENTRY(place) link; /* of all, or of those due */
	struct event event;
	int fd;
	struct silence silence;
};

TAILQ_HEAD(place_list, place);

struct prober {
	struct event_base *loop;
	struct random *random;
	struct probe_options o;
	probe_changed_fn changed;
	void *context;
	void *by_place; /* tsearch(3) tree */
	struct place_list due, others;
	struct event *turn;  /* when the rate allows the next attempt */
	uint64_t allowed_us; /* the same, as a time */
	size_t n_trying, n_wanted;
	uint64_t heard_ms; /* when somebody on another host has answered last; 0: never */
	uint64_t trouble_ms;
	bool is_cut_off, is_over_limit;
	struct probe_counts counts;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return address_compare_place(&x->address, x->port, &y->address, y->port);
}

static struct place *find(const struct prober *p, const struct address *address, uint16_t port)
{
	const struct place key = { .address = *address, .port = port };
	struct place **found = tfind(&key, &p->by_place, compare_places);

	return found != NULL ? *found : NULL;
}

static uint64_t draw(struct prober *p, uint64_t max_ms)
{
	return random_below(p->random, (uint32_t)max_ms + 1);
}

/* --- when --- */

static void pump(struct prober *p);

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct place *place = arg;
	struct prober *p = place->prober;

	(void)fd;
	(void)what;
	place->state = PLACE_DUE;
	TAILQ_REMOVE(&p->others, place, link);
	TAILQ_INSERT_TAIL(&p->due, place, link);
	pump(p);
}

/* It is in the list of others. */
static void wait_for(struct place *place, uint64_t pause_ms)
{
	const struct timeval pause = clock_timeval(pause_ms);

	place->state = PLACE_WAITING;
	evtimer_assign(&place->event, place->prober->loop, on_due, place);
	evtimer_add(&place->event, &pause);
}

static void wait_for_next(struct place *place)
{
	struct prober *p = place->prober;
	const bool in_doubt = silence_is_in_doubt(&place->silence, p->o.down);
	const uint64_t interval_ms = p->o.interval_ms / (in_doubt ? DOUBT_SHARE : 1);

	wait_for(place, interval_ms + draw(p, interval_ms / JITTER_SHARE));
}

/* How long the next attempt has to wait; 0: it may begin, and is counted. */
static uint64_t take_turn(struct prober *p)
{
	const uint64_t now_us = clock_ms() * 1000;

	if (p->allowed_us > now_us)
		return (p->allowed_us - now_us + 999) / 1000;
	if (p->allowed_us < now_us - LATE_US)
		p->allowed_us = now_us - LATE_US;
	p->allowed_us += 1000000 / p->o.rate;
	return 0;
}

/* --- what came of it --- */

static void tell(const struct place *place, bool is_silent, const char *reason)
{
	struct prober *p = place->prober;

	if (is_silent)
		p->counts.silent++;
	else
		p->counts.silent--;
	p->changed(p->context, &place->address, place->port, is_silent, reason);
}

/* Somebody on another host has answered, be it by a refusal: the network is there. */
static void note_heard(struct prober *p)
{
	p->heard_ms = clock_ms();
	if (p->is_cut_off)
		log_event(LOG_INFO, "event=probe state=ok");
	p->is_cut_off = false;
}

static void note_connected(struct place *place)
{
	struct prober *p = place->prober;

	p->counts.connected++;
	if (silence_connected(&place->silence, p->o.up) == SILENCE_ENDS)
		tell(place, false, "connected");
}

static void hold_back(struct prober *p, uint64_t now_ms)
{
	p->counts.held_back++;
	if (p->is_cut_off || p->heard_ms + CUT_OFF_ROUNDS * p->o.interval_ms > now_ms)
		return;
	p->is_cut_off = true;
	log_event(LOG_WARNING, "event=probe state=held reason=\"nobody answers: this host may be cut off\"");
}

/* Who refuses has answered, and this host itself is not behind the network. */
static void note_failed(struct place *place, int error)
{
	struct prober *p = place->prober;
	const bool needs_witness = error != -ECONNREFUSED && !address_is_loopback(&place->address);

	p->counts.failed++;
	switch (silence_failed(&place->silence, p->o.down, needs_witness)) {
	case SILENCE_BEGINS:
		tell(place, true, attempt_explain(error));
		break;
	case SILENCE_HELD_BACK:
		hold_back(p, place->silence.tried_ms);
		break;
	default:
		break;
	}
}

static void note_trouble(struct prober *p, int error)
{
	const uint64_t now_ms = clock_ms();

	p->counts.not_tried++;
	if (p->trouble_ms > 0 && now_ms - p->trouble_ms < TROUBLE_MS)
		return;
	p->trouble_ms = now_ms;
	log_event(LOG_WARNING, "event=probe error=\"%s\" keep=\"what is known of instances\"",
		  strerror(-error));
}

/* The next attempt is planned by what comes out of this one. */
static void judge(struct place *place, int error, bool is_elsewhere)
{
	if (is_elsewhere && (error == 0 || error == -ECONNREFUSED))
		note_heard(place->prober);
	switch (attempt_judge(error)) {
	case ATTEMPT_CONNECTED:
		note_connected(place);
		break;
	case ATTEMPT_FAILED:
		note_failed(place, error);
		break;
	case ATTEMPT_OUR_FAULT:
		note_trouble(place->prober, error);
		break;
	}
	wait_for_next(place);
}

/* --- attempts --- */

static void end_attempt(struct place *place)
{
	event_del(&place->event);
	close(place->fd);
	place->prober->n_trying--;
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct place *place = arg;
	struct prober *p = place->prober;
	struct endpoint to;
	bool is_elsewhere = false;
	int error = -ETIMEDOUT;

	endpoint_from_address(&place->address, place->port, &to);
	if ((what & EV_TIMEOUT) == 0 || attempt_has_ended(fd))
		error = attempt_result(fd, &to, &is_elsewhere);
	end_attempt(place);
	judge(place, error, is_elsewhere);
	pump(p);
}

static void try_place(struct place *place)
{
	struct prober *p = place->prober;
	const struct timeval limit = clock_timeval(p->o.timeout_ms);
	struct endpoint to;

	TAILQ_REMOVE(&p->due, place, link);
	TAILQ_INSERT_TAIL(&p->others, place, link);
	silence_try(&place->silence, clock_ms(), p->heard_ms);
	endpoint_from_address(&place->address, place->port, &to);
	const int fd = attempt_begin(&to);
	if (fd < 0) {
		judge(place, fd, false);
		return;
	}
	place->state = PLACE_TRYING;
	place->fd = fd;
	p->n_trying++;
	event_assign(&place->event, p->loop, fd, EV_WRITE, on_end, place);
	if (event_add(&place->event, &limit) < 0) {
		end_attempt(place);
		judge(place, -ENOMEM, false);
	}
}

/* Begins as many attempts as may begin now. */
static void pump(struct prober *p)
{
	while (!TAILQ_EMPTY(&p->due) && p->n_trying < TRYING_MAX) {
		const uint64_t wait_ms = take_turn(p);
		const struct timeval wait = clock_timeval(wait_ms);

		if (wait_ms > 0) {
			evtimer_add(p->turn, &wait);
			return;
		}
		try_place(TAILQ_FIRST(&p->due));
	}
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pump(arg);
}

/* --- which --- */

static struct place *add(struct prober *p, const struct address *address, uint16_t port)
{
	struct place *place = calloc(1, sizeof(*place));

	if (place == NULL)
		return NULL;
	place->prober = p;
	place->address = *address;
	place->port = port;
	if (tsearch(place, &p->by_place, compare_places) == NULL) {
		free(place);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&p->others, place, link);
	return place;
}

/* Its memory stays. */
static void take_out(struct place *place)
{
	struct prober *p = place->prober;

	if (place->state == PLACE_TRYING)
		end_attempt(place);
	else
		event_del(&place->event);
	TAILQ_REMOVE(place->state == PLACE_DUE ? &p->due : &p->others, place, link);
	tdelete(place, &p->by_place, compare_places);
	p->counts.places--;
}

static void forget(struct place *place)
{
	take_out(place);
	if (place->silence.since_ms > 0)
		tell(place, false, "not probed any more");
	free(place);
}

static void forget_unwanted(struct place_list *list)
{
	for (struct place *place = TAILQ_FIRST(list), *next; place != NULL; place = next) {
		next = TAILQ_NEXT(place, link);
		if (!place->is_wanted)
			forget(place);
	}
}

void prober_begin(struct prober *p)
{
	struct place *place;

	TAILQ_FOREACH(place, &p->due, link)
	place->is_wanted = false;
	TAILQ_FOREACH(place, &p->others, link)
	place->is_wanted = false;
	p->n_wanted = 0;
	p->counts.refused_by_limit = 0;
}

void prober_want(struct prober *p, const struct address *address, uint16_t port, bool soon)
{
	struct place *place = find(p, address, port);

	if (place != NULL && place->is_wanted)
		return;
	if (p->n_wanted >= p->o.max) {
		p->counts.refused_by_limit++;
		return;
	}
	if (place == NULL) {
		place = add(p, address, port);
		if (place == NULL)
			return; /* without memory it is not probed until it is named again */
		p->counts.places++;
		wait_for(place, draw(p, p->o.interval_ms / (soon ? SOON_SHARE : 1)));
	}
	place->is_wanted = true;
	p->n_wanted++;
}

void prober_end(struct prober *p)
{
	const bool is_over = p->counts.refused_by_limit > 0;

	if (is_over && !p->is_over_limit)
		log_event(LOG_WARNING, "event=probe places=%u not_probed=%llu reason=\"probe-max\"", p->o.max,
			  (unsigned long long)p->counts.refused_by_limit);
	p->is_over_limit = is_over;
	forget_unwanted(&p->due);
	forget_unwanted(&p->others);
}

uint64_t prober_unreachable_ms(const struct prober *p, const struct address *address, uint16_t port,
			       uint64_t now_ms)
{
	if (p->counts.silent == 0)
		return 0;
	const struct place *place = find(p, address, port);
	const uint64_t since_ms = place != NULL ? place->silence.since_ms : 0;
	if (since_ms == 0)
		return 0;
	return now_ms > since_ms ? now_ms - since_ms : 1;
}

void prober_count(const struct prober *p, struct probe_counts *ret)
{
	*ret = p->counts;
}

/* --- life --- */

/* A shorter interval counts from now on, not after a longer one is over. */
void prober_set(struct prober *p, const struct probe_options *o)
{
	const bool is_shorter = o->interval_ms < p->o.interval_ms;
	struct place *place;

	p->o = *o;
	if (!is_shorter)
		return;
	TAILQ_FOREACH(place, &p->others, link)
	{
		if (place->state == PLACE_WAITING) {
			event_del(&place->event);
			wait_for(place, draw(p, p->o.interval_ms));
		}
	}
}

int prober_create(struct event_base *loop, struct random *random, const struct probe_options *o,
		  probe_changed_fn changed, void *context, struct prober **ret)
{
	struct prober *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->loop = loop;
	p->random = random;
	p->o = *o;
	p->changed = changed;
	p->context = context;
	TAILQ_INIT(&p->due);
	TAILQ_INIT(&p->others);
	p->turn = evtimer_new(loop, on_turn, p);
	if (p->turn == NULL) {
		free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

static void drop_all(struct place_list *list)
{
	while (!TAILQ_EMPTY(list)) {
		struct place *place = TAILQ_FIRST(list);

		take_out(place);
		free(place);
	}
}

void prober_destroy(struct prober *p)
{
	if (p == NULL)
		return;
	drop_all(&p->due);
	drop_all(&p->others);
	event_free(p->turn);
	free(p);
}
