/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks to the options of zones and of single services in them. */
#include <stdlib.h>
#include <string.h>

#include "config/tree.h"
#include "feed/feeder.h"
#include "model/report.h"

enum {
	ZONES_MAX = 64, /* each query walks the list of zones */

	/* Room for the longest label and "addr" below it, which is where SRV targets are (design: names). */
	ORIGIN_OCTETS_MAX = NAME_OCTETS_MAX - (1 + LABEL_OCTETS_MAX) - (1 + 4),
};

static bool find_registry(const struct feed_options *feed, const char *name, unsigned *ret)
{
	for (size_t i = 0; i < feed->n_registries; i++) {
		if (strcmp(feed->registries[i].name, name) == 0) {
			*ret = (unsigned)i;
			return true;
		}
	}
	return false;
}

static bool has_index(const struct zone_options *z, const unsigned *indexes, unsigned index)
{
	for (size_t i = 0; i < z->n_registries; i++) {
		if (indexes[i] == index)
			return true;
	}
	return false;
}

static void build_order(struct config_tree *t, struct config_block *b, const struct feed_options *feed,
			struct arena *arena, struct zone_options *ret)
{
	const struct config_value *names = config_block_get(b, "registries");
	const size_t room = names->n > feed->n_registries ? names->n : feed->n_registries;
	unsigned *indexes = config_tree_alloc(t, arena, room, sizeof(*indexes));

	if (indexes == NULL)
		return;
	ret->registries = indexes;
	for (const struct config_text *e = names->first; e != NULL; e = e->next) {
		unsigned index;

		if (!find_registry(feed, e->text, &index))
			config_complain(t, e->file, e->line, "registries: there is no registry \"%s\"",
					e->text);
		else if (has_index(ret, indexes, index))
			config_complain(t, e->file, e->line, "registries: \"%s\" stands here twice", e->text);
		else
			indexes[ret->n_registries++] = index;
	}
	for (unsigned i = 0; names->n == 0 && i < feed->n_registries; i++)
		indexes[ret->n_registries++] = i;
}

static void complain_about_age(struct config_tree *t, const struct registry_options *r,
			       const struct config_block *b, const char *limit)
{
	struct config_block *registry = t->first;

	while (strcmp(config_kind(registry->kind)->word, r->kind) != 0 ||
	       strcmp(registry->title, r->name) != 0)
		registry = registry->next;
	const struct config_text *e = config_block_get(registry, "interval")->first;
	config_complain(
		t, e->file, e->line,
		"interval: \"%s\" in %s \"%s\" is not below stale-after = %s in %s \"%s\": good data would be "
		"marked as stale again and again",
		e->text, r->kind, r->name, limit, config_kind(b->kind)->word, b->title);
}

/* Good data would be refused again and again otherwise: what is fresh has at least the time between two
 * polls. */
static void check_limits(struct config_tree *t, struct config_block *b, const struct age_limits *age)
{
	const struct config_value *max = config_block_get(b, "stale-max");

	/* As in the zone, or refused and reported. */
	if (max->n == 0 && config_block_get(b, "stale-after")->n == 0)
		return;
	if (age->stale_max_ms > 0 && age->stale_after_ms > 0 && age->stale_max_ms <= age->stale_after_ms)
		config_complain(t, max->n > 0 ? max->first->file : b->file,
				max->n > 0 ? max->first->line : b->line,
				"stale-max: what is answered no more must be older than what is stale: it is "
				"not above stale-after, nor 0");
}

/* What the block of a zone, or of a service in it, calls stale must leave its registries the time between two
 * polls, in which what they said grows old. A watch would tell of each change, and static instances stay. */
static void check_age(struct config_tree *t, struct config_block *b, const struct feed_options *feed,
		      const struct zone_options *z, uint64_t stale_after_ms)
{
	const struct config_value *limit = config_block_get(b, "stale-after");

	if (limit->n == 0 || stale_after_ms == 0)
		return; /* as in the zone; or refused, and reported */
	for (size_t i = 0; i < z->n_registries; i++) {
		const struct registry_options *r = &feed->registries[z->registries[i]];

		if (!r->watch && r->interval_ms >= stale_after_ms)
			complain_about_age(t, r, b, limit->first->text);
	}
}

/* Nobody is in the zone of a host that has none: all are answered, which is not what was meant. */
static void check_near(struct config_tree *t, struct config_block *b, const struct feed_options *feed)
{
	const struct config_text *near = config_block_get(b, "near")->first;

	if (near != NULL && strcmp(near->text, "zone") == 0 && feed->zone_of_host == NULL && t->n_errors == 0)
		config_warn(t, near->file, near->line,
			    "near: without zone-of-host no instance is near, and all are answered");
}

/* What is wrong with the name of a zone, given those that came before it; false when it has been reported. */
static bool read_origin(struct config_tree *t, const struct config_block *b, const struct feed_options *feed,
			const struct config_block *const *before, struct name *ret)
{
	if (!name_from_text(b->title, strlen(b->title), ret)) {
		config_complain(t, b->file, b->line, "zone \"%s\": not a domain name", b->title);
		return false;
	}
	if (ret->len > ORIGIN_OCTETS_MAX) {
		config_complain(t, b->file, b->line, "zone \"%s\": too long to have names below it",
				b->title);
		return false;
	}
	for (size_t i = 0; i < feed->n_zones; i++) {
		if (name_equal(&feed->zones[i].origin, ret)) {
			config_complain(t, b->file, b->line, "zone \"%s\": given twice, also at %s:%d",
					b->title, before[i]->file, before[i]->line);
			return false;
		}
	}
	return true;
}

static void build_zones(struct config_tree *t, struct feed_options *feed)
{
	const struct config_block *blocks[ZONES_MAX];

	feed->zones = config_tree_alloc(t, &feed->arena, ZONES_MAX, sizeof(feed->zones[0]));
	if (feed->zones == NULL)
		return;
	for (struct config_block *b = config_tree_next(t->first, BLOCK_ZONE); b != NULL;
	     b = config_tree_next(b->next, BLOCK_ZONE)) {
		struct zone_options *z = &feed->zones[feed->n_zones];

		if (feed->n_zones == ZONES_MAX) {
			config_complain(t, b->file, b->line, "more than %d zones", ZONES_MAX);
			return;
		}
		if (!read_origin(t, b, feed, blocks, &z->origin))
			continue;
		config_block_store(t, b, &feed->arena, z);
		build_order(t, b, feed, &feed->arena, z);
		check_age(t, b, feed, z, z->answer.age.stale_after_ms);
		check_limits(t, b, &z->answer.age);
		check_near(t, b, feed);
		blocks[feed->n_zones++] = b;
	}
}

/* The longest zone the name is below, or NULL; the zone's own name is no service. */
static struct zone_options *find_zone(const struct feed_options *feed, const struct name *n)
{
	struct zone_options *longest = NULL;

	for (size_t i = 0; i < feed->n_zones; i++) {
		struct zone_options *z = &feed->zones[i];

		if (name_is_below(n, &z->origin) && !name_equal(n, &z->origin) &&
		    (longest == NULL || z->origin.len > longest->origin.len))
			longest = z;
	}
	return longest;
}

/* A service block with its place. */
struct placed {
	struct zone_options *zone;
	struct config_block *block;
	char name[SERVICE_NAME_SIZE]; /* without the zone */
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->zone != y->zone)
		return x->zone < y->zone ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool place_service(struct config_tree *t, const struct feed_options *feed, struct config_block *b,
			  struct placed *ret)
{
	char text[NAME_TEXT_MAX];
	struct name n;

	if (!name_from_text(b->title, strlen(b->title), &n)) {
		config_complain(t, b->file, b->line, "service \"%s\": not a domain name", b->title);
		return false;
	}
	ret->block = b;
	ret->zone = find_zone(feed, &n);
	if (ret->zone == NULL) {
		config_complain(t, b->file, b->line, "service \"%s\": not below a zone that is configured",
				b->title);
		return false;
	}
	n.octets[n.len - ret->zone->origin.len] = 0;
	if (report_check_service(name_to_text(n.octets, text), ret->name) != DROP_NONE) {
		config_complain(t, b->file, b->line, "service \"%s\": no service can have this name",
				b->title);
		return false;
	}
	return true;
}

static void build_service(struct config_tree *t, const struct placed *p, struct arena *arena,
			  struct service_options *ret)
{
	ret->name = arena_text(arena, p->name, strlen(p->name));
	if (ret->name == NULL)
		t->out_of_memory = true;
	ret->answer = p->zone->answer;
	config_block_store(t, p->block, arena, &ret->answer);
}

/* Sorted by zone and name, the services of each zone are one piece of one array. */
static void build_sorted(struct config_tree *t, struct feed_options *feed, struct placed *placed, size_t n)
{
	struct service_options *services = config_tree_alloc(t, &feed->arena, n, sizeof(*services));

	if (services == NULL)
		return;
	qsort(placed, n, sizeof(placed[0]), compare_placed);
	for (size_t i = 0; i < n; i++) {
		struct config_block *b = placed[i].block;
		struct zone_options *z = placed[i].zone;

		if (i > 0 && compare_placed(&placed[i - 1], &placed[i]) == 0)
			config_complain(t, b->file, b->line, "service \"%s\": given twice, also at %s:%d",
					b->title, placed[i - 1].block->file, placed[i - 1].block->line);
		build_service(t, &placed[i], &feed->arena, &services[i]);
		check_age(t, b, feed, z, services[i].answer.age.stale_after_ms);
		check_limits(t, b, &services[i].answer.age);
		check_near(t, b, feed);
		if (z->n_services++ == 0)
			z->services = &services[i];
	}
}

static void build_services(struct config_tree *t, struct feed_options *feed)
{
	struct config_block *first = config_tree_next(t->first, BLOCK_SERVICE);
	size_t room = 0, n = 0;

	for (struct config_block *b = first; b != NULL; b = config_tree_next(b->next, BLOCK_SERVICE))
		room++;
	if (room == 0)
		return;
	struct placed *placed = config_tree_alloc(t, &t->arena, room, sizeof(*placed));
	if (placed == NULL)
		return;

	for (struct config_block *b = first; b != NULL; b = config_tree_next(b->next, BLOCK_SERVICE))
		n += place_service(t, feed, b, &placed[n]);
	build_sorted(t, feed, placed, n);
}

void config_build_zones(struct config_tree *t, struct feed_options *feed)
{
	build_zones(t, feed);
	build_services(t, feed);
}
