/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/feeder.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "feed/fetch.h"
#include "feed/poller.h"
#include "feed/publisher.h"
#include "feed/resolve.h"
#include "model/freshness.h"

enum {
	RECLAIM_MS = 100, /* a serving thread acknowledges a table within one turn of its loop */
	RETRY_MS = 1000,  /* when there was no memory for a table */
	HOSTS_MS = 10,
	SWEEP_S = 60,     /* host names nobody names any more are asked for that much longer at most */
};

/* A registry at work, and the way back from its callbacks. */
struct source {
	struct plan *plan;
	size_t index;
	struct poller *poller;
};

/* Everything that follows from one configuration. A reload makes a new plan beside the old one. */
struct plan {
	struct feeder *feeder;
	struct feed_options *options;
	struct freshness *freshness;
	struct fetcher *fetcher;
	struct source *sources;
	struct snapshot **snapshots; /* what is believed of each registry; each with one user here */
	struct publisher *publisher;
	struct plan *older; /* whose tables may still be read */
};

struct feeder {
	struct event_base *loop;
	struct inbox calls; /* only its wake-up is used */
	struct parcel reload, stop;
	struct event *wakeup, *publish, *reclaim, *sweep, *hosts;
	struct inbox **inboxes;
	size_t n_inboxes;
	struct random random;
	struct resolver *resolver;   /* outlives plans: what it has resolved is still good after a reload */
	struct plan *plan;
	pthread_t thread;
	bool started;
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
	const struct timeval wait = { .tv_sec = (time_t)(ms / 1000),
				      .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	event_add(timer, &wait);
}

/* --- how much has been heard --- */

static enum zone_data judge_zone(const struct plan *plan, const struct zone_options *z)
{
	size_t spoken = 0, silent = 0;

	for (size_t i = 0; i < z->n_registries; i++) {
		const unsigned r = z->registries[i];

		spoken += plan->snapshots[r] != NULL;
		silent += plan->snapshots[r] == NULL && !poller_is_concluded(plan->sources[r].poller);
	}
	if (spoken == 0 && z->n_registries > 0)
		return ZONE_SILENT;
	return silent > 0 ? ZONE_PARTIAL : ZONE_HEARD;
}

/* Ready: every zone has something to answer with, or has tried everything. */
static bool is_ready(const struct plan *plan)
{
	for (size_t i = 0; i < plan->options->n_zones; i++) {
		const struct zone_options *z = &plan->options->zones[i];
		bool waiting = false;

		if (judge_zone(plan, z) != ZONE_SILENT)
			continue;
		for (size_t r = 0; r < z->n_registries; r++)
			waiting = waiting || !poller_is_concluded(plan->sources[z->registries[r]].poller);
		if (waiting)
			return false;
	}
	return true;
}

static void tell_ready(struct feeder *f)
{
	if (f->ready == NULL || !is_ready(f->plan))
		return;
	f->ready(f->ready_context);
	f->ready = NULL;
}

/* --- tables --- */

static void on_publish(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < f->plan->options->n_zones; i++)
		publisher_set_zone_data(f->plan->publisher, i,
					judge_zone(f->plan, &f->plan->options->zones[i]));
	if (!publisher_publish(f->plan->publisher)) {
		log_event(LOG_ERROR, "event=table error=\"out of memory\" retry_ms=%d", RETRY_MS);
		arm(f->publish, RETRY_MS);
	}
	if (!event_pending(f->reclaim, EV_TIMEOUT, NULL))
		arm(f->reclaim, RECLAIM_MS);
	tell_ready(f);
}

/* At the end of this turn of the loop: many registries heard at once make one table. */
static void publish_soon(struct feeder *f)
{
	event_active(f->publish, EV_TIMEOUT, 1);
}

static void source_changed(void *context, const struct snapshot *before, const struct snapshot *after)
{
	const struct source *s = context;
	struct plan *plan = s->plan;
	struct snapshot *old = plan->snapshots[s->index], *new = poller_snapshot(s->poller);

	if (new != old) {
		plan->snapshots[s->index] = snapshot_keep(new);
		publisher_update(plan->publisher, before, after);
		snapshot_release(old);
	}
	publish_soon(plan->feeder);
}

/* The strictest of the zones that use the registry. */
static uint64_t brake_limit(void *context, const char *service)
{
	const struct source *s = context;
	const struct feed_options *o = s->plan->options;
	uint64_t limit_ms = 0;

	if (!registry_kind_find(o->registries[s->index].kind)->brake)
		return 0;
	for (size_t z = 0; z < o->n_zones; z++) {
		const uint64_t zone_ms = zone_options_for(&o->zones[z], service)->brake_ms;

		for (size_t r = 0; r < o->zones[z].n_registries; r++) {
			if (o->zones[z].registries[r] == s->index && zone_ms > limit_ms)
				limit_ms = zone_ms;
		}
	}
	return limit_ms;
}

static void host_changed(void *context, const char *host)
{
	struct feeder *f = context;

	(void)host;
	/* Many names change together, e.g. at the start: once for all of them. */
	if (!event_pending(f->hosts, EV_TIMEOUT, NULL))
		arm(f->hosts, HOSTS_MS);
}

static void on_hosts(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;

	(void)fd;
	(void)what;
	publisher_update_hosts(f->plan->publisher);
	publish_soon(f);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;

	(void)fd;
	(void)what;
	publisher_sweep_hosts(f->plan->publisher);
#ifdef __GLIBC__
	malloc_trim(0); /* what reading a large list took is lent to the kernel until the next one */
#endif
}

/* --- plans --- */

static void plan_destroy(struct plan *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; p->sources != NULL && i < p->options->n_registries; i++)
		poller_destroy(p->sources[i].poller);
	for (size_t i = 0; p->snapshots != NULL && i < p->options->n_registries; i++)
		snapshot_release(p->snapshots[i]);
	publisher_destroy(p->publisher);
	fetcher_destroy(p->fetcher);
	freshness_destroy(p->freshness);
	feed_options_destroy(p->options);
	free(p->sources);
	free(p->snapshots);
	free(p);
}

/* The registry of that name and kind in another plan: its index, or -1. */
static int find_registry(const struct plan *p, const struct registry_options *r)
{
	for (size_t i = 0; p != NULL && i < p->options->n_registries; i++) {
		const struct registry_options *other = &p->options->registries[i];

		if (text_equal_fold(other->name, r->name) && text_equal_fold(other->kind, r->kind))
			return (int)i;
	}
	return -1;
}

/* What a registry said last is good until it speaks again, whatever else has changed in its block. */
static int add_source(struct plan *p, size_t i, const struct plan *previous)
{
	const struct registry_options *r = &p->options->registries[i];
	const struct registry_kind *kind = registry_kind_find(r->kind);
	const int old = find_registry(previous, r);
	struct source *s = &p->sources[i];
	const struct poller_options o = {
		.registry = r,
		.row = i,
		.loop = p->feeder->loop,
		.fetcher = p->fetcher,
		.freshness = p->freshness,
		.random = &p->feeder->random,
		.brake = brake_limit,
		.changed = source_changed,
		.context = s,
		.inherited = old >= 0 ? previous->snapshots[old] : NULL,
		.at_once = !kind->brake || old < 0 ||
			   previous->options->registries[old].fingerprint != r->fingerprint,
	};

	*s = (struct source){ .plan = p, .index = i };
	if (o.inherited != NULL) {
		freshness_inherit(p->freshness, i, previous->freshness, (size_t)old);
		p->snapshots[i] = snapshot_keep(o.inherited);
	}
	return poller_create(&o, &s->poller);
}

static int add_sources(struct plan *p, const struct plan *previous)
{
	const size_t n = p->options->n_registries;
	int r = 0;

	p->sources = calloc(n + 1, sizeof(*p->sources));
	p->snapshots = calloc(n + 1, sizeof(struct snapshot *));
	p->freshness = freshness_create(n);
	if (p->sources == NULL || p->snapshots == NULL || p->freshness == NULL)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct registry_options *o = &p->options->registries[i];

		r = freshness_name(p->freshness, i, o->name, o->kind, o->interval_ms > 0);
		if (r == 0)
			r = add_source(p, i, previous);
	}
	return r;
}

/* Takes the options, also when it fails. */
static int plan_create(struct feeder *f, struct feed_options *options, const struct plan *previous,
		       struct plan **ret)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		feed_options_destroy(options);
		return -ENOMEM;
	}
	p->feeder = f;
	p->options = options;
	int r = fetcher_create(f->loop, f->resolver, &p->fetcher);

	if (r == 0)
		r = add_sources(p, previous);
	if (r == 0) {
		const struct publisher_options o = {
			.feed = options,
			.snapshots = p->snapshots,
			.freshness = p->freshness,
			.resolver = f->resolver,
			.inboxes = f->inboxes,
			.n_inboxes = f->n_inboxes,
			.first_generation =
				previous != NULL ? publisher_generation(previous->publisher) + 1 : 1,
		};

		r = publisher_create(&o, &p->publisher);
	}
	if (r == 0)
		*ret = p;
	else
		plan_destroy(p);
	return r;
}

/* An old plan asks nobody any more; its tables go when they are no longer read. */
static void retire_plan(struct plan *p)
{
	for (size_t i = 0; i < p->options->n_registries; i++) {
		poller_destroy(p->sources[i].poller);
		p->sources[i].poller = NULL;
	}
	fetcher_destroy(p->fetcher);
	p->fetcher = NULL;
}

static void start_plan(struct plan *p)
{
	for (size_t i = 0; i < p->options->n_registries; i++)
		poller_start(p->sources[i].poller);
}

static bool is_read_no_more(const struct feeder *f, const struct plan *p)
{
	for (size_t i = 0; i < f->n_inboxes; i++) {
		if (inbox_acked(f->inboxes[i]) <= publisher_generation(p->publisher))
			return false;
	}
	return true;
}

static void on_reclaim(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;
	bool left = !publisher_reclaim(f->plan->publisher);

	(void)fd;
	(void)what;
	for (struct plan **p = &f->plan->older; *p != NULL;) {
		struct plan *old = *p;

		if (is_read_no_more(f, old)) {
			*p = old->older;
			plan_destroy(old);
		} else {
			left = true;
			p = &old->older;
		}
	}
	if (left)
		arm(f->reclaim, RECLAIM_MS);
}

static void reload(struct feeder *f, struct feed_options *options)
{
	struct plan *old = f->plan, *new;
	const int r = plan_create(f, options, old, &new);

	if (r != 0) {
		log_event(LOG_ERROR, "event=reload error=\"%s\" keep=\"the configuration before\"",
			  r == -ENAMETOOLONG ? "a zone's name is too long" : "out of memory");
		return;
	}
	/* Without memory the servers of before are asked: wrong only where they changed. */
	resolver_reload(f->resolver, options->bootstrap, options->n_bootstrap);
	retire_plan(old);
	new->older = old;
	f->plan = new;
	start_plan(new);
	publish_soon(f);
}

/* --- life --- */

static void on_wakeup(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;
	struct feed_options *options = parcel_take(&f->reload);

	(void)fd;
	(void)what;
	inbox_drain(&f->calls);
	if (options != NULL)
		reload(f, options);
	if (parcel_take(&f->stop) != NULL)
		event_base_loopbreak(f->loop);
}

static int create_events(struct feeder *f)
{
	static const struct timeval sweep = { .tv_sec = SWEEP_S };

	f->loop = event_base_new();
	if (f->loop == NULL)
		return -ENOMEM;
	f->wakeup = event_new(f->loop, f->calls.wakeup, EV_READ | EV_PERSIST, on_wakeup, f);
	f->publish = evtimer_new(f->loop, on_publish, f);
	f->reclaim = evtimer_new(f->loop, on_reclaim, f);
	f->hosts = evtimer_new(f->loop, on_hosts, f);
	f->sweep = event_new(f->loop, -1, EV_PERSIST, on_sweep, f);
	if (f->wakeup == NULL || f->publish == NULL || f->reclaim == NULL || f->hosts == NULL ||
	    f->sweep == NULL || event_add(f->wakeup, NULL) < 0 || event_add(f->sweep, &sweep) < 0)
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
		r = resolver_create(f->loop, o->bootstrap, o->n_bootstrap, host_changed, f, &f->resolver);
	if (r == 0)
		r = plan_create(f, o, NULL, &f->plan);
	else
		feed_options_destroy(o);
	if (r == 0 && !publisher_publish(f->plan->publisher))
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

	start_plan(f->plan);
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

void feeder_destroy(struct feeder *f)
{
	if (f == NULL)
		return;
	if (f->started) {
		parcel_put(&f->stop, f);
		inbox_wake(&f->calls);
		pthread_join(f->thread, NULL);
	}
	while (f->plan != NULL) {
		struct plan *older = f->plan->older;

		plan_destroy(f->plan);
		f->plan = older;
	}
	resolver_destroy(f->resolver);
	feed_options_destroy(parcel_take(&f->reload));
	struct event *events[] = { f->wakeup, f->publish, f->reclaim, f->hosts, f->sweep };
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
