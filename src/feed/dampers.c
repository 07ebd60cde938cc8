/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/dampers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "registry/registry.h"
#include "zone/damping.h"

enum {
	LINES_MAX = 20,       /* of the log within LINES_MS: a rack that flaps must not fill the disk */
	LINES_MS = 60000,     /* and who follows the log sees at which service to look first */
	PLACE_TEXT_MAX = 320, /* a host name and a port */
};

struct dampers {
	const struct feed_options *feed;
	const struct zone_options *zone;
	size_t n_lines, n_unlogged;
	uint64_t lines_ms;    /* since when lines are counted */
	struct damping *of[]; /* of each registry of the configuration; NULL: not in this zone */
};

/* What is going on in one registry, for the callbacks of its damping. */
struct event {
	struct dampers *dampers;
	size_t registry;
	uint64_t now_ms;
	void (*released)(void *context, const char *service);
	void *context;
};

/* --- life --- */

static const struct registry_options *registry_of(const struct dampers *d, size_t i)
{
	return &d->feed->registries[i];
}

static struct damping *find(const struct dampers *d, const struct registry_options *r)
{
	for (size_t i = 0; d != NULL && i < d->feed->n_registries; i++) {
		if (registry_is_same(registry_of(d, i), r))
			return d->of[i];
	}
	return NULL;
}

int dampers_create(const struct feed_options *feed, const struct zone_options *z,
		   const struct dampers *previous, struct dampers **ret)
{
	struct dampers *d = calloc(1, sizeof(*d) + feed->n_registries * sizeof(d->of[0]));

	if (d == NULL)
		return -ENOMEM;
	d->feed = feed;
	d->zone = z;
	for (size_t i = 0; i < z->n_registries; i++) {
		const unsigned r = z->registries[i];
		struct damping *known = find(previous, registry_of(d, r));

		d->of[r] = known != NULL ? damping_keep(known) : damping_create();
		if (d->of[r] == NULL) {
			dampers_destroy(d);
			return -ENOMEM;
		}
	}
	*ret = d;
	return 0;
}

void dampers_destroy(struct dampers *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->feed->n_registries; i++)
		damping_destroy(d->of[i]);
	free(d);
}

/* --- log --- */

static bool may_log(struct dampers *d, uint64_t now_ms)
{
	if (now_ms - d->lines_ms > LINES_MS) {
		d->lines_ms = now_ms;
		d->n_lines = 0;
	}
	if (d->n_lines == LINES_MAX) {
		d->n_unlogged++;
		return false;
	}
	d->n_lines++;
	return true;
}

static const char *place_to_text(const struct instance *place, char ret[PLACE_TEXT_MAX])
{
	char address[ADDRESS_TEXT_MAX];

	if (place->address.len > 0)
		address_to_text(&place->address, address);
	snprintf(ret, PLACE_TEXT_MAX, place->address.len == 16 ? "[%s]:%u" : "%s:%u",
		 place->address.len > 0 ? address : instance_host(place), place->port);
	return ret;
}

static void log_change(const struct event *e, const char *service, const struct instance *place,
		       const char *how)
{
	struct dampers *d = e->dampers;
	char zone[NAME_TEXT_MAX], text[PLACE_TEXT_MAX], unlogged[64] = "";

	if (!may_log(d, e->now_ms))
		return;
	if (d->n_unlogged > 0)
		snprintf(unlogged, sizeof(unlogged), " unlogged_before=%zu", d->n_unlogged);
	d->n_unlogged = 0;
	log_event(LOG_INFO, "zone=%s service=%s registry=%s instance=%s flapping=%s%s",
		  name_to_text(d->zone->origin.octets, zone), service, registry_of(d, e->registry)->name,
		  place_to_text(place, text), how, unlogged);
}

/* --- changes --- */

static void begun(void *context, const char *service, const struct instance *place)
{
	log_change(context, service, place, "begins");
}

void dampers_note(struct dampers *d, size_t registry, const char *service, const struct snapshot *before,
		  const struct snapshot *after, uint64_t now_ms)
{
	const struct answer_options *o = zone_options_for(d->zone, service);
	struct event e = { .dampers = d, .registry = registry, .now_ms = now_ms };

	if (d->of[registry] == NULL || before == NULL || after == NULL || o->flap_limit == 0)
		return;
	damping_note(d->of[registry], service, snapshot_find(before, service), snapshot_find(after, service),
		     o, now_ms, begun, &e);
}

bool dampers_is_flapping(const struct dampers *d, const char *service, size_t registry,
			 const struct instance *i)
{
	return d->of[registry] != NULL && damping_is_flapping(d->of[registry], service, i);
}

static void released(void *context, const char *service, const struct instance *place)
{
	const struct event *e = context;

	log_change(e, service, place, "ends");
	e->released(e->context, service);
}

void dampers_release(struct dampers *d, uint64_t now_ms, void (*tell)(void *context, const char *service),
		     void *context)
{
	struct event e = { .dampers = d, .now_ms = now_ms, .released = tell, .context = context };

	for (e.registry = 0; e.registry < d->feed->n_registries; e.registry++) {
		struct damping *of = d->of[e.registry];

		if (of != NULL && damping_next_ms(of) <= now_ms)
			damping_release(of, now_ms, released, &e);
	}
}

uint64_t dampers_next_ms(const struct dampers *d)
{
	uint64_t next_ms = UINT64_MAX;

	for (size_t i = 0; i < d->feed->n_registries; i++) {
		const uint64_t one_ms = d->of[i] != NULL ? damping_next_ms(d->of[i]) : UINT64_MAX;

		next_ms = one_ms < next_ms ? one_ms : next_ms;
	}
	return next_ms;
}
