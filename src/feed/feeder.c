/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/feeder.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/random.h"
#include "feed/home.h"
#include "feed/plan.h"
#include "feed/probe.h"
#include "feed/resolve.h"
#include "feed/schedule.h"
#include "feed/state.h"

enum {
	RELEASE_MS = 100,    /* at least between two looks at who is kept out */
	RECLAIM_MS = 100,    /* a serving thread acknowledges a table within one turn of its loop */
	RETRY_MS = 1000,     /* when there was no memory for a table */
	HOSTS_MS = 10,       /* many host names change together, e.g. at the start */
	READY_MAX_MS = 5000, /* systemd gives up on us after 90 s, a registry may be given minutes */
	LOOK_MS = 1000,      /* who has just begun to ask for a service waits no longer for the first probe */
	SWEEP_MS = 60000,    /* host names nobody names any more are asked for that much longer at most */
	STATE_STOP_MS = 700, /* of the second that a stop may take */
	OLD_PLANS_MAX =
		8, /* a serving thread reads the newest table within one turn: more is a reload storm */
};

struct feeder {
	struct event_base *loop;
	struct inbox calls; /* only its wake-up is used */
	struct parcel reload, refresh, stop;
	struct event *wakeup, *publish, *reclaim, *sweep, *look, *hosts, *patience, *release;
	struct inbox **inboxes;
	size_t n_inboxes;
	struct random random;
	struct resolver *resolver; /* outlives plans: what it has resolved is still good after a reload */
	struct home *home;         /* so does where the host is */
	struct prober *prober;     /* so does it: what it knows of places is */
	struct state *state;
	struct plan *plan;
	struct plan *old[OLD_PLANS_MAX]; /* whose tables may still be read */
	size_t n_old;
	uint64_t hosts_took_us, publish_took_us; /* the last time */
	uint64_t released_ms;
	pthread_t thread;
	bool started;
	bool has_garbage;     /* something large has been read since memory was given back */
	bool short_of_memory; /* told */
	void (*ready)(void *context);
	void *ready_context;
};

void feed_options_destroy(struct feed_options *o)
{
	if (o == NULL)
		return;
	arena_finish(&o->arena);
	free(o);
}

static void arm(struct event *timer, uint64_t ms)
{
	const struct timeval wait = clock_timeval(ms);

	event_add(timer, &wait);
}

/* --- tables --- */

static void tell_ready(struct feeder *f)
{
	if (f->ready == NULL)
		return;
	f->ready(f->ready_context);
	f->ready = NULL;
}

/* Names of zones without any data wait a moment and fail, all others are answered: better than not at all. */
static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;

	(void)fd;
	(void)what;
	if (f->ready != NULL)
		plan_log_missing(f->plan);
	tell_ready(f);
}

/* Every change ends in a new table: so this is when the next one is due, too. */
static void arm_release(struct feeder *f)
{
	const uint64_t next_ms = plan_next_release_ms(f->plan), now_ms = clock_ms();
	const uint64_t soonest_ms = f->released_ms + RELEASE_MS;
	const uint64_t due_ms = next_ms > soonest_ms ? next_ms : soonest_ms;

	if (next_ms == UINT64_MAX)
		event_del(f->release);
	else
		arm(f->release, due_ms > now_ms ? due_ms - now_ms : 0);
}

/* Once when it begins, however often it is tried again, and once when it is over. */
static void log_memory(struct feeder *f, bool is_short)
{
	if (is_short && !f->short_of_memory)
		log_event(LOG_ERROR, "event=table error=\"out of memory\" retry_ms=%d", RETRY_MS);
	else if (!is_short && f->short_of_memory)
		log_event(LOG_INFO, "event=table memory=found");
	f->short_of_memory = is_short;
}

static void on_publish(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;
	const uint64_t start_us = clock_work_us();

	(void)fd;
	(void)what;
	const bool is_short = !plan_publish(f->plan);
	log_memory(f, is_short);
	if (is_short)
		arm(f->publish, RETRY_MS);
	f->publish_took_us = clock_work_us() - start_us;
	if (!event_pending(f->reclaim, EV_TIMEOUT, NULL))
		arm(f->reclaim, RECLAIM_MS);
	arm_release(f);
	if (plan_is_ready(f->plan))
		tell_ready(f);
}

/* At the end of this turn of the loop: many registries heard at once make one table. */
static void publish_soon(void *context)
{
	struct feeder *f = context;

	event_active(f->publish, EV_TIMEOUT, 1);
}

/* --- what changes without a registry --- */

static void on_release(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;

	(void)fd;
	(void)what;
	f->released_ms = clock_ms();
	plan_release(f->plan);
	publish_soon(f);
}

static void home_changed(void *context)
{
	struct feeder *f = context;

	plan_update_near(f->plan);
	publish_soon(f);
}

static void on_reclaim(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;
	bool all = plan_reclaim(f->plan);
	size_t kept = 0;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < f->n_old; i++) {
		if (plan_is_read(f->old[i]))
			f->old[kept++] = f->old[i];
		else
			plan_destroy(f->old[i]);
	}
	if (kept < f->n_old)
		inbox_wake(&f->calls); /* for a reload that had to wait */
	f->n_old = kept;
	if (!all || kept > 0)
		arm(f->reclaim, RECLAIM_MS);
	else if (f->has_garbage)
		heap_trim(); /* what reading a large list took is lent to the kernel until the next one */
	f->has_garbage = f->has_garbage && (!all || kept > 0);
}

/* Behind the table that may follow, and what that replaces. */
static void read_much(void *context)
{
	struct feeder *f = context;

	f->has_garbage = true;
	if (!event_pending(f->reclaim, EV_TIMEOUT, NULL))
		arm(f->reclaim, RECLAIM_MS);
}

/* --- host names --- */

static void host_changed(void *context)
{
	struct feeder *f = context;
	const uint64_t pause_ms = schedule_after_work(f->hosts_took_us + f->publish_took_us);

	if (event_pending(f->hosts, EV_TIMEOUT, NULL))
		return;
	arm(f->hosts, pause_ms > HOSTS_MS ? pause_ms : HOSTS_MS);
}

static void on_hosts(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;
	const uint64_t start_us = clock_work_us();

	(void)fd;
	(void)what;
	plan_update_hosts(f->plan);
	f->hosts_took_us = clock_work_us() - start_us;
	publish_soon(f);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;

	(void)fd;
	(void)what;
	plan_sweep_hosts(f->plan);
	heap_trim(); /* many small things leave as much behind as a large one */
}

/* --- places where nobody answers --- */

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;

	(void)fd;
	(void)what;
	plan_look(f->plan);
}

static void place_changed(void *context, const struct address *address, uint16_t port, bool is_silent,
			  const char *reason)
{
	struct feeder *f = context;

	plan_place_changed(f->plan, address, port, is_silent, reason);
}

/* --- plans --- */

static int make_plan(struct feeder *f, struct feed_options *options, struct state *state, struct plan **ret)
{
	const struct plan_context c = { .loop = f->loop,
					.resolver = f->resolver,
					.home = f->home,
					.prober = f->prober,
					.random = &f->random,
					.state = state,
					.inboxes = f->inboxes,
					.n_inboxes = f->n_inboxes,
					.read_much = read_much,
					.changed = publish_soon,
					.context = f };

	return plan_create(&c, options, f->plan, ret);
}

static void reload(struct feeder *f, struct feed_options *options)
{
	const struct endpoint *bootstrap = options->bootstrap;
	const size_t n_bootstrap = options->n_bootstrap;
	const struct probe_options *probe = &options->probe;
	struct state *state = f->state;
	struct plan *new;
	int r = 0;

	if (!state_is_in(state, options->state_dir))
		r = state_create(f->loop, options->state_dir, &state);
	if (r == 0)
		r = make_plan(f, options, state, &new);
	else
		feed_options_destroy(options);
	if (r != 0) {
		if (state != f->state)
			state_destroy(state, 0);
		log_event(LOG_ERROR, "event=reload error=\"%s\" keep=\"the configuration before\"",
			  r == -ENAMETOOLONG ? "a zone's name is too long" : "out of memory");
		return;
	}
	/* Without memory the servers of before are asked: wrong only where they changed. */
	resolver_reload(f->resolver, bootstrap, n_bootstrap);
	prober_set(f->prober, probe);
	plan_retire(f->plan);
	f->old[f->n_old++] = f->plan;
	f->plan = new;
	if (state != f->state)
		state_destroy(f->state, 0); /* what it says is kept in another place now */
	f->state = state;
	plan_update_hosts(new); /* it was made with the servers of before, who may have been none */
	plan_start(new);
	plan_look(new); /* from here on it is told what changes */
	publish_soon(f);
}

/* --- life --- */

/* A reload while too many old tables are still read waits for the next look at them. */
static void on_wakeup(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;

	(void)fd;
	(void)what;
	inbox_drain(&f->calls);
	struct feed_options *options = f->n_old < OLD_PLANS_MAX ? parcel_take(&f->reload) : NULL;
	if (options != NULL)
		reload(f, options);
	if (parcel_take(&f->refresh) != NULL)
		plan_refresh(f->plan);
	if (parcel_take(&f->stop) != NULL)
		event_base_loopbreak(f->loop);
}

static int create_events(struct feeder *f)
{
	const struct timeval sweep = clock_timeval(SWEEP_MS), look = clock_timeval(LOOK_MS);

	f->loop = event_base_new();
	if (f->loop == NULL)
		return -ENOMEM;
	f->wakeup = event_new(f->loop, f->calls.wakeup, EV_READ | EV_PERSIST, on_wakeup, f);
	f->publish = evtimer_new(f->loop, on_publish, f);
	f->reclaim = evtimer_new(f->loop, on_reclaim, f);
	f->hosts = evtimer_new(f->loop, on_hosts, f);
	f->patience = evtimer_new(f->loop, on_patience, f);
	f->release = evtimer_new(f->loop, on_release, f);
	f->sweep = event_new(f->loop, -1, EV_PERSIST, on_sweep, f);
	f->look = event_new(f->loop, -1, EV_PERSIST, on_look, f);
	if (f->wakeup == NULL || f->publish == NULL || f->reclaim == NULL || f->hosts == NULL ||
	    f->patience == NULL || f->release == NULL || f->sweep == NULL || f->look == NULL ||
	    event_add(f->wakeup, NULL) < 0 || event_add(f->sweep, &sweep) < 0 ||
	    event_add(f->look, &look) < 0)
		return -ENOMEM;
	return 0;
}

static int copy_inboxes(struct feeder *f, struct inbox *const inboxes[], size_t n)
{
	f->inboxes = calloc(n + 1, sizeof(struct inbox *));
	if (f->inboxes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		f->inboxes[i] = inboxes[i];
	f->n_inboxes = n;
	return 0;
}

int feeder_create(struct feed_options *o, struct inbox *const inboxes[], size_t n_inboxes,
		  struct feeder **ret)
{
	struct feeder *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		feed_options_destroy(o);
		return -ENOMEM;
	}
	random_seed(&f->random);
	int r = inbox_init(&f->calls);
	if (r == 0)
		r = copy_inboxes(f, inboxes, n_inboxes);
	if (r == 0)
		r = create_events(f);
	if (r == 0)
		r = home_create(f->loop, home_changed, f, &f->home);
	if (r == 0)
		r = resolver_create(f->loop, o->bootstrap, o->n_bootstrap, host_changed, f, &f->resolver);
	if (r == 0)
		r = prober_create(f->loop, &f->random, &o->probe, place_changed, f, &f->prober);
	if (r == 0)
		r = state_create(f->loop, o->state_dir, &f->state);
	if (r == 0)
		r = make_plan(f, o, f->state, &f->plan);
	else
		feed_options_destroy(o);
	if (r == 0 && !plan_publish(f->plan))
		r = -ENOMEM;
	if (r == 0)
		*ret = f;
	else
		feeder_destroy(f);
	return r;
}

static void *run(void *arg)
{
	struct feeder *f = arg;

	arm(f->patience, READY_MAX_MS);
	plan_start(f->plan);
	publish_soon(f);
	event_base_dispatch(f->loop);
	return NULL;
}

/* Signals are main's business. */
int feeder_start(struct feeder *f, void (*ready)(void *context), void *context)
{
	sigset_t all, before;

	f->ready = ready;
	f->ready_context = context;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int error = pthread_create(&f->thread, NULL, run, f);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	f->started = error == 0;
	return -error;
}

void feeder_reload(struct feeder *f, struct feed_options *o)
{
	feed_options_destroy(parcel_put(&f->reload, o));
	inbox_wake(&f->calls);
}

void feeder_refresh(struct feeder *f)
{
	parcel_put(&f->refresh, f); /* anything but NULL */
	inbox_wake(&f->calls);
}

struct inbox *feeder_inbox(struct feeder *f)
{
	return &f->calls;
}

void feeder_destroy(struct feeder *f)
{
	if (f == NULL)
		return;
	if (f->started) {
		parcel_put(&f->stop, f);
		inbox_wake(&f->calls);
		pthread_join(f->thread, NULL);
	}
	state_destroy(f->state, STATE_STOP_MS);
	plan_destroy(f->plan);
	for (size_t i = 0; i < f->n_old; i++)
		plan_destroy(f->old[i]);
	prober_destroy(f->prober);
	resolver_destroy(f->resolver);
	home_destroy(f->home);
	feed_options_destroy(parcel_take(&f->reload));
	struct event *events[] = { f->wakeup,   f->publish, f->reclaim, f->hosts,
				   f->patience, f->release, f->sweep,   f->look };
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i] != NULL)
			event_free(events[i]);
	}
	if (f->loop != NULL)
		event_base_free(f->loop);
	inbox_finish(&f->calls);
	free(f->inboxes);
	free(f);
}
