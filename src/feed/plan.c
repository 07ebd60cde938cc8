/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "feed/fetch.h"
#include "feed/poller.h"
#include "feed/publisher.h"
#include "feed/query.h"
#include "feed/state.h"
#include "model/freshness.h"

/* A registry at work, and the way back from its callbacks. */
struct source {
	struct plan *plan;
	size_t index;
	bool inherited; /* there is what it said before the reload */
	bool restored;  /* there is what it said before the restart, and nothing newer */
	struct poller *poller;
};

struct plan {
	struct plan_context context;
	struct feed_options *options;
	struct freshness *freshness;
	struct fetcher *fetcher;
	struct querier *querier;
	struct source *sources;
	struct snapshot **snapshots; /* what is believed of each registry; each with one user here */
	struct publisher *publisher;
};

/* --- how much has been heard --- */

static enum zone_data judge_zone(const struct plan *p, const struct zone_options *z)
{
	size_t spoken = 0, waiting = 0;

	for (size_t i = 0; i < z->n_registries; i++) {
		const unsigned r = z->registries[i];

		spoken += p->snapshots[r] != NULL;
		waiting += !p->sources[r].inherited && !poller_is_concluded(p->sources[r].poller);
	}
	if (spoken == 0 && z->n_registries > 0)
		return ZONE_SILENT;
	return waiting > 0 ? ZONE_PARTIAL : ZONE_HEARD;
}

static bool has_tried_all(const struct plan *p, const struct zone_options *z)
{
	for (size_t i = 0; i < z->n_registries; i++) {
		if (!poller_is_concluded(p->sources[z->registries[i]].poller))
			return false;
	}
	return true;
}

/* Whether a registry of the zone has said all it has to say. */
static bool has_heard_one(const struct plan *p, const struct zone_options *z)
{
	for (size_t i = 0; i < z->n_registries; i++) {
		const struct source *s = &p->sources[z->registries[i]];

		if (p->snapshots[s->index] != NULL &&
		    (s->inherited || s->restored || poller_is_concluded(s->poller)))
			return true;
	}
	return false;
}

bool plan_is_ready(const struct plan *p)
{
	for (size_t i = 0; i < p->options->n_zones; i++) {
		const struct zone_options *z = &p->options->zones[i];

		if (!has_heard_one(p, z) && !has_tried_all(p, z))
			return false;
	}
	return true;
}

void plan_log_missing(const struct plan *p)
{
	for (size_t i = 0; i < p->options->n_registries; i++) {
		if (!poller_is_concluded(p->sources[i].poller))
			log_event(LOG_WARNING,
				  "event=ready missing=%s reason=\"its first round takes too long\"",
				  p->options->registries[i].name);
	}
}

/* --- registries at work --- */

static void source_changed(void *context, const struct snapshot *before, const struct snapshot *after)
{
	const struct source *s = context;
	struct plan *p = s->plan;
	struct snapshot *old = p->snapshots[s->index], *new = poller_snapshot(s->poller);

	if (new != old) {
		p->snapshots[s->index] = snapshot_keep(new);
		publisher_update(p->publisher, s->index, before, after);
		snapshot_release(old);
	}
	p->context.changed(p->context.context);
}

static void source_read_much(void *context)
{
	const struct source *s = context;

	s->plan->context.read_much(s->plan->context.context);
}

static void source_aged(void *context, const char *service)
{
	const struct source *s = context;

	publisher_update_service(s->plan->publisher, service);
	s->plan->context.changed(s->plan->context.context);
}

/* Kinds without resources are told all by the configuration: that is on the disk already. */
static bool is_kept(const struct registry_options *r)
{
	return registry_kind_find(r->kind)->read != NULL;
}

/* To be on the disk: what is believed of a registry, and until when that was true. */
static void keep_on_disk(const struct source *s, struct snapshot *snapshot, uint64_t true_ms,
			 const char *position)
{
	const struct registry_options *o = &s->plan->options->registries[s->index];
	const struct state_record r = { .kind = o->kind,
					.name = o->name,
					.fingerprint = o->fingerprint,
					.snapshot = snapshot,
					.true_ms = true_ms,
					.position = position };

	if (is_kept(o) && snapshot != NULL)
		state_keep(s->plan->context.state, &r);
}

static void source_heard(void *context)
{
	const struct source *s = context;

	keep_on_disk(s, poller_snapshot(s->poller), poller_heard_ms(s->poller), poller_position(s->poller));
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

/* The registry of that name and kind in another plan: its index, or -1. */
static int find_registry(const struct plan *p, const struct registry_options *r)
{
	for (size_t i = 0; p != NULL && i < p->options->n_registries; i++) {
		if (registry_is_same(&p->options->registries[i], r))
			return (int)i;
	}
	return -1;
}

/* As long as any of the zones that use the registry would answer with it; 0: for ever. */
static uint64_t longest_age(const struct plan *p, size_t registry)
{
	uint64_t longest_ms = 1;

	for (size_t z = 0; z < p->options->n_zones; z++) {
		const struct zone_options *o = &p->options->zones[z];
		bool uses = false;

		for (size_t r = 0; r < o->n_registries; r++)
			uses = uses || o->registries[r] == registry;
		for (size_t i = 0; uses && i <= o->n_services; i++) {
			const uint64_t max_ms =
				(i < o->n_services ? &o->services[i].answer : &o->answer)->age.stale_max_ms;

			if (max_ms == 0)
				return 0;
			longest_ms = max_ms > longest_ms ? max_ms : longest_ms;
		}
	}
	return longest_ms;
}

/* --- what there is before the first round --- */

/* Until when what was inherited or restored was true. */
static uint64_t known_until(const struct plan *p, size_t i)
{
	const uint64_t now_ms = clock_ms();
	struct freshness_view view;

	freshness_view(p->freshness, i, now_ms, &view);
	return now_ms - view.age_ms;
}

/* Of a plan before: it may be from the disk there, too. */
static void inherit(struct source *s, const struct plan *previous, int old, struct poller_options *o)
{
	const struct source *before = &previous->sources[old];
	struct plan *p = s->plan;

	if (previous->snapshots[old] == NULL)
		return;
	s->restored = before->restored && poller_heard_ms(before->poller) == 0;
	s->inherited = !s->restored;
	p->snapshots[s->index] = snapshot_keep(previous->snapshots[old]);
	freshness_inherit(p->freshness, s->index, previous->freshness, (size_t)old, clock_ms());
	o->position = poller_position(before->poller);
	/* The directory may be another one now, and the registry may not speak before the next restart. */
	keep_on_disk(s, p->snapshots[s->index], known_until(p, s->index), o->position);
}

static void restore(struct source *s, char position[RESOURCE_POSITION_SIZE], struct poller_options *o)
{
	struct plan *p = s->plan;
	struct snapshot *loaded;
	uint64_t true_ms;

	if (!is_kept(o->registry) || state_load(p->context.state, o->registry->kind, o->registry->name,
						longest_age(p, s->index), &loaded, &true_ms, position) != 0)
		return;
	const struct round_counts counts = { .services = loaded->n_services,
					     .instances = loaded->n_instances };

	s->restored = true;
	p->snapshots[s->index] = loaded;
	freshness_recount(p->freshness, s->index, &counts);
	freshness_restore(p->freshness, s->index, true_ms);
	o->position = position;
}

/* A registry that is asked as before, and over a network, waits for its turn: a fleet that is reloaded at
 * once must not ask at once. After a restart it is asked at once, with data from the disk as without: that is
 * stale until the registry has spoken, and a fleet that starts at once parts after its first round anyhow
 * (feed/schedule.h). */
static int add_source(struct plan *p, size_t i, const struct plan *previous)
{
	const struct registry_options *r = &p->options->registries[i];
	const int old = find_registry(previous, r);
	const bool is_same = old >= 0 && previous->options->registries[old].fingerprint == r->fingerprint;
	struct source *s = &p->sources[i];
	char position[RESOURCE_POSITION_SIZE];
	struct poller_options o = {
		.registry = r,
		.row = i,
		.loop = p->context.loop,
		.fetcher = p->fetcher,
		.querier = p->querier,
		.freshness = p->freshness,
		.random = p->context.random,
		.brake = brake_limit,
		.changed = source_changed,
		.aged = source_aged,
		.read_much = source_read_much,
		.heard = source_heard,
		.context = s,
		.previous = is_same ? previous->sources[old].poller : NULL,
	};

	*s = (struct source){ .plan = p, .index = i };
	if (old >= 0)
		inherit(s, previous, old, &o);
	else
		restore(s, position, &o);
	o.inherited = p->snapshots[i];
	o.inherited_ms = known_until(p, i);
	o.inherited_max_ms = longest_age(p, i);
	o.at_once = s->restored || !is_same || !registry_kind_find(r->kind)->brake;
	return poller_create(&o, &s->poller);
}

/* Registries that are not configured any more. */
static void forget_missing(const struct plan *p, const struct plan *previous)
{
	for (size_t i = 0; previous != NULL && i < previous->options->n_registries; i++) {
		const struct registry_options *o = &previous->options->registries[i];

		if (find_registry(p, o) < 0)
			state_forget(p->context.state, o->kind, o->name);
	}
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

void plan_start(struct plan *p)
{
	for (size_t i = 0; i < p->options->n_registries; i++)
		poller_start(p->sources[i].poller);
}

void plan_refresh(struct plan *p)
{
	for (size_t i = 0; i < p->options->n_registries; i++)
		poller_refresh(p->sources[i].poller);
}

static void stop_sources(struct plan *p)
{
	for (size_t i = 0; p->sources != NULL && i < p->options->n_registries; i++) {
		poller_destroy(p->sources[i].poller);
		p->sources[i].poller = NULL;
	}
	fetcher_destroy(p->fetcher);
	querier_destroy(p->querier);
	p->fetcher = NULL;
	p->querier = NULL;
}

void plan_retire(struct plan *p)
{
	stop_sources(p);
}

/* --- tables --- */

static uint64_t source_true_ms(void *context, unsigned registry, const char *service)
{
	const struct plan *p = context;

	return p->sources[registry].poller != NULL ? poller_true_ms(p->sources[registry].poller, service) : 0;
}

static int add_publisher(struct plan *p, const struct plan *previous)
{
	const struct publisher_options o = {
		.feed = p->options,
		.snapshots = p->snapshots,
		.freshness = p->freshness,
		.resolver = p->context.resolver,
		.home = p->context.home,
		.true_ms = source_true_ms,
		.context = p,
		.prober = p->context.prober,
		.inboxes = p->context.inboxes,
		.n_inboxes = p->context.n_inboxes,
		.previous = previous != NULL ? previous->publisher : NULL,
	};

	return publisher_create(&o, &p->publisher);
}

bool plan_publish(struct plan *p)
{
	for (size_t i = 0; i < p->options->n_zones; i++)
		publisher_set_zone_data(p->publisher, i, judge_zone(p, &p->options->zones[i]));
	return publisher_publish(p->publisher);
}

bool plan_reclaim(struct plan *p)
{
	return publisher_reclaim(p->publisher);
}

bool plan_is_read(const struct plan *p)
{
	for (size_t i = 0; i < p->context.n_inboxes; i++) {
		if (inbox_acked(p->context.inboxes[i]) <= publisher_generation(p->publisher))
			return true;
	}
	return false;
}

void plan_look(struct plan *p)
{
	if (publisher_look(p->publisher))
		p->context.changed(p->context.context);
}

void plan_place_changed(struct plan *p, const struct address *address, uint16_t port, bool is_silent,
			const char *reason)
{
	if (publisher_place_changed(p->publisher, address, port, is_silent, reason))
		p->context.changed(p->context.context);
}

void plan_update_hosts(struct plan *p)
{
	publisher_update_hosts(p->publisher);
}

void plan_sweep_hosts(struct plan *p)
{
	publisher_sweep_hosts(p->publisher);
}

void plan_update_near(struct plan *p)
{
	publisher_update_near(p->publisher);
}

void plan_release(struct plan *p)
{
	publisher_release(p->publisher, clock_ms());
}

uint64_t plan_next_release_ms(const struct plan *p)
{
	return publisher_next_release_ms(p->publisher);
}

/* --- life --- */

int plan_create(const struct plan_context *c, struct feed_options *feed, const struct plan *previous,
		struct plan **ret)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		feed_options_destroy(feed);
		return -ENOMEM;
	}
	p->context = *c;
	p->options = feed;
	int r = fetcher_create(c->loop, c->resolver, &p->fetcher);
	if (r == 0)
		r = querier_create(c->loop, &p->querier);
	if (r == 0)
		r = add_sources(p, previous);
	if (r == 0)
		r = add_publisher(p, previous);
	if (r == 0)
		forget_missing(p, previous);
	if (r == 0)
		*ret = p;
	else
		plan_destroy(p);
	return r;
}

void plan_destroy(struct plan *p)
{
	if (p == NULL)
		return;
	stop_sources(p);
	for (size_t i = 0; p->snapshots != NULL && i < p->options->n_registries; i++)
		snapshot_release(p->snapshots[i]);
	publisher_destroy(p->publisher);
	freshness_destroy(p->freshness);
	feed_options_destroy(p->options);
	free(p->sources);
	free(p->snapshots);
	free(p);
}
