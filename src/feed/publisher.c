/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/publisher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "feed/publisher_parts.h"
#include "model/dictionary.h"
#include "model/table_builder.h"
#include "zone/compose.h"

static struct served *add_served(struct publisher_zone *z, const char *name)
{
	const size_t size = strlen(name) + 1;
	struct served *s = malloc(sizeof(*s) + size);

	if (s == NULL)
		return NULL;
	*s = (struct served){ .zone = z };
	s->name = memcpy(s + 1, name, size);
	if (dictionary_add(&z->served, s->name, s) != 0) {
		free(s);
		return NULL;
	}
	return s;
}

/* --- one service --- */

/* A name that belongs to another, longer zone is that zone's alone. */
static bool is_shadowed(const struct publisher *p, const struct publisher_zone *z, const char *service)
{
	struct name front, owner = z->options->origin;

	if (p->n_zones == 1 || !name_from_text(service, strlen(service), &front) ||
	    !name_prepend_name(&owner, &front))
		return false;
	for (size_t i = 0; i < p->n_zones; i++) {
		const struct name *other = &p->zones[i].options->origin;

		if (other->len > z->options->origin.len && name_is_below(&owner, other))
			return true;
	}
	return false;
}

/* As old as the oldest that is known of it. */
static uint64_t true_until(const struct publisher *p, uint64_t registries, const char *name)
{
	uint64_t oldest_ms = 0;

	for (; p->o.true_ms != NULL && registries != 0; registries &= registries - 1) {
		const uint64_t true_ms =
			p->o.true_ms(p->o.context, (unsigned)__builtin_ctzll(registries), name);

		if (true_ms > 0 && (oldest_ms == 0 || true_ms < oldest_ms))
			oldest_ms = true_ms;
	}
	return oldest_ms;
}

/* The zone of that name in the configuration before; NULL: there is none. */
static const struct publisher_zone *find_zone_before(const struct publisher *p, const struct zone_options *z)
{
	const struct publisher *before = p->o.previous;

	for (size_t i = 0; before != NULL && i < before->n_zones; i++) {
		if (name_equal(&before->zones[i].options->origin, &z->origin))
			return &before->zones[i];
	}
	return NULL;
}

/* What was served of it by the configuration before; NULL: nothing. */
static const struct served *find_before(const struct publisher *p, const struct publisher_zone *z,
					const char *name)
{
	const struct publisher_zone *before = find_zone_before(p, z->options);

	return before != NULL ? dictionary_find(&before->served, name) : NULL;
}

/* The service's block as of now; NULL in ret when no registry of the zone knows it. */
static int make_block(const struct publisher *p, const struct publisher_zone *z, const char *name,
		      bool is_asked, struct block **ret)
{
	struct selection selection;
	int r = publisher_select(p, z, name, is_asked, &selection);

	*ret = NULL;
	selection.true_ms = true_until(p, selection.registries, name);
	if (r == 0 && selection.known && !is_shadowed(p, z, name))
		r = compose_service(z->options, name, &selection, ret);
	selection_finish(&selection);
	return r;
}

/* Takes what a block has into the counts, or out of them again. */
static void count_block(struct zone_counts *c, const struct block *b, uint64_t sign)
{
	if (b == NULL)
		return;
	c->services += sign;
	c->failed_open += b->options.failed_open ? sign : 0;
	for (size_t i = 0; i < LEFT_OUT_REASONS; i++)
		c->instances[i] += sign * b->options.instances[i];
}

static void set_asked(struct publisher *p, struct served *s, const struct served *before)
{
	if (before != NULL)
		s->asked.is_asked = before->asked.is_asked;
	asked_set(&p->asked, &s->asked, s->block);
}

/* s: what is served of it now, or NULL; before: s, or what was served of it before a reload. */
static int replace(struct publisher *p, struct publisher_zone *z, struct served *s,
		   const struct served *before, const char *name, struct block *block)
{
	if (s == NULL && block == NULL)
		return 0;
	if (s == NULL && (s = add_served(z, name)) == NULL)
		return -ENOMEM;
	if (block != NULL && before != NULL && before->block != NULL)
		block_inherit_asked(block, before->block);
	const int r = table_builder_replace(p->builder, s->block, block);
	if (r == 0) {
		count_block(&z->counts, s->block, (uint64_t)-1);
		count_block(&z->counts, block, 1);
		s->block = block;
		set_asked(p, s, before);
	}
	if (s->block == NULL) {
		dictionary_remove(&z->served, s->name);
		free(s);
	}
	return r;
}

/* Once when it begins, once when it is over. */
static void log_fail_open(const struct publisher_zone *z, const char *name, const struct block *old,
			  const struct block *block)
{
	const bool before = old != NULL && old->options.failed_open, now = block->options.failed_open;
	char zone[NAME_TEXT_MAX];

	if (before != now)
		log_event(now ? LOG_WARNING : LOG_INFO, "zone=%s service=%s fail-open=%s",
			  name_to_text(z->options->origin.octets, zone), name,
			  now ? "begins reason=\"no instance is healthy: the best there are are answered\""
			      : "ends");
}

void publisher_update_in(struct publisher *p, struct publisher_zone *z, const char *name)
{
	struct served *s = dictionary_find(&z->served, name);
	const struct served *before = s != NULL ? s : find_before(p, z, name);
	struct block *block;
	int r = make_block(p, z, name, before != NULL && before->asked.is_asked, &block);

	if (r == -ENAMETOOLONG || r == -EFBIG) {
		char zone[NAME_TEXT_MAX];

		/* One that has grown too large is better served as it was than not at all. */
		if (r == -EFBIG && s != NULL)
			return;
		log_event(LOG_WARNING, "zone=%s service=%s refused=\"%s\"",
			  name_to_text(z->options->origin.octets, zone), name,
			  r == -EFBIG ? "too many names and addresses"
				      : "the name is too long for this zone");
		block = NULL;
		r = 0;
	}
	if (r == 0 && block != NULL)
		log_fail_open(z, name, before != NULL ? before->block : NULL, block);
	if (r == 0)
		r = replace(p, z, s, before, name, block);
	if (r != 0) {
		block_destroy(block);
		p->incomplete = true;
	}
}

static void update_everywhere(void *context, const char *name)
{
	struct publisher *p = context;

	for (size_t i = 0; i < p->n_zones; i++)
		publisher_update_in(p, &p->zones[i], name);
}

/* One registry says something else. */
struct change {
	struct publisher *publisher;
	size_t registry;
	const struct snapshot *before, *after;
	uint64_t now_ms;
};

static void note_and_update(void *context, const char *name)
{
	const struct change *c = context;
	struct publisher *p = c->publisher;

	for (size_t i = 0; i < p->n_zones; i++)
		dampers_note(p->zones[i].dampers, c->registry, name, c->before, c->after, c->now_ms);
	update_everywhere(p, name);
}

void publisher_update(struct publisher *p, size_t registry, const struct snapshot *before,
		      const struct snapshot *after)
{
	struct change c = { p, registry, before, after, clock_ms() };

	snapshot_compare(before, after, note_and_update, &c);
}

void publisher_update_service(struct publisher *p, const char *service)
{
	update_everywhere(p, service);
}

static bool has_hosts(const struct service *s)
{
	for (size_t i = 0; i < s->n_instances; i++) {
		if (instance_host(s->instances[i]) != NULL)
			return true;
	}
	return false;
}

static void for_each_host_service(const struct publisher *p,
				  void (*visit)(void *context, const struct service *s), void *context)
{
	for (size_t r = 0; r < p->o.feed->n_registries; r++) {
		const struct snapshot *snapshot = p->o.snapshots[r];

		for (size_t i = 0; snapshot != NULL && i < snapshot->n_services; i++) {
			if (has_hosts(snapshot->services[i]))
				visit(context, snapshot->services[i]);
		}
	}
}

static void update_visited(void *context, const struct service *s)
{
	update_everywhere(context, s->name);
}

void publisher_update_hosts(struct publisher *p)
{
	for_each_host_service(p, update_visited, p);
}

static void watch_visited(void *context, const struct service *s)
{
	struct address ignored[RESOLVER_ADDRESSES_MAX];

	for (size_t i = 0; i < s->n_instances; i++) {
		if (instance_host(s->instances[i]) != NULL)
			resolver_watch(context, instance_host(s->instances[i]), ignored);
	}
}

void publisher_sweep_hosts(struct publisher *p)
{
	resolver_sweep_begin(p->o.resolver);
	for_each_host_service(p, watch_visited, p->o.resolver);
	resolver_sweep_end(p->o.resolver);
}

/* --- tables --- */

void publisher_set_zone_data(struct publisher *p, size_t zone, enum zone_data data)
{
	table_builder_set_zone_data(p->builder, p->zones[zone].index, data);
}

static bool is_any(const struct answer_options *o)
{
	(void)o;
	return true;
}

/* Takes in again those that are served now. Their names are copied, because an update may end what is walked
 * over. */
static void update_served(struct publisher *p, struct publisher_zone *z,
			  bool (*wanted)(const struct answer_options *o))
{
	struct buffer names = { 0 };
	const struct served *s;

	for (size_t at = 0; (s = dictionary_next(&z->served, &at)) != NULL;)
		buffer_add(&names, s->name, strlen(s->name) + 1);
	for (size_t at = 0; at < names.len; at += strlen((const char *)names.octets + at) + 1) {
		const char *name = (const char *)names.octets + at;

		if (wanted(zone_options_for(z->options, name)))
			publisher_update_in(p, z, name);
	}
	buffer_finish(&names);
}

static void update_all(struct publisher *p)
{
	p->incomplete = false;
	/* Services that vanished while memory was short are in no snapshot any more. */
	for (size_t i = 0; i < p->n_zones; i++)
		update_served(p, &p->zones[i], is_any);
	for (size_t r = 0; r < p->o.feed->n_registries; r++) {
		if (p->o.snapshots[r] != NULL)
			snapshot_compare(NULL, p->o.snapshots[r], update_everywhere, p);
	}
}

static bool is_by_subnet(const struct answer_options *o)
{
	return o->near == NEAR_SUBNET;
}

void publisher_update_near(struct publisher *p)
{
	for (size_t i = 0; i < p->n_zones; i++)
		update_served(p, &p->zones[i], is_by_subnet);
}

struct release {
	struct publisher *publisher;
	struct publisher_zone *zone;
};

static void update_released(void *context, const char *name)
{
	const struct release *r = context;

	publisher_update_in(r->publisher, r->zone, name);
}

void publisher_release(struct publisher *p, uint64_t now_ms)
{
	for (size_t i = 0; i < p->n_zones; i++) {
		struct release r = { p, &p->zones[i] };

		dampers_release(p->zones[i].dampers, now_ms, update_released, &r);
	}
}

uint64_t publisher_next_release_ms(const struct publisher *p)
{
	uint64_t next_ms = UINT64_MAX;

	for (size_t i = 0; i < p->n_zones; i++) {
		const uint64_t one_ms = dampers_next_ms(p->zones[i].dampers);

		next_ms = one_ms < next_ms ? one_ms : next_ms;
	}
	return next_ms;
}

bool publisher_publish(struct publisher *p)
{
	const struct table *table;

	publisher_update_due(p);
	if (p->incomplete)
		update_all(p);
	for (size_t i = 0; i < p->n_zones; i++)
		zone_board_set(p->zones[i].board, &p->zones[i].counts);
	if (table_builder_is_changed(p->builder)) {
		if (table_builder_seal(p->builder, &table) != 0)
			return false;
		for (size_t i = 0; i < p->o.n_inboxes; i++)
			inbox_put(p->o.inboxes[i], table);
	}
	return !p->incomplete;
}

bool publisher_reclaim(struct publisher *p)
{
	uint64_t acked = UINT64_MAX;

	for (size_t i = 0; i < p->o.n_inboxes; i++) {
		const uint64_t one = inbox_acked(p->o.inboxes[i]);

		acked = one < acked ? one : acked;
	}
	return table_builder_reclaim(p->builder, acked);
}

uint64_t publisher_generation(const struct publisher *p)
{
	return table_builder_generation(p->builder);
}

/* --- life --- */

/* The position of a zone when longer origins come first. */
static uint16_t rank_zone(const struct feed_options *feed, size_t zone)
{
	uint16_t rank = 0;

	for (size_t i = 0; i < feed->n_zones; i++) {
		const uint8_t other = feed->zones[i].origin.len, own = feed->zones[zone].origin.len;

		rank += other > own || (other == own && i < zone);
	}
	return rank;
}

static struct table_zone describe_zone(const struct publisher_zone *of)
{
	const struct zone_options *z = of->options;
	struct table_zone t = { .origin = z->origin,
				.board = of->board,
				.n_labels = (uint8_t)name_count_labels(&z->origin),
				.data = z->n_registries > 0 ? ZONE_SILENT : ZONE_HEARD,
				.ttl_s = z->answer.ttl_s,
				.negative_ttl_s = z->answer.negative_ttl_s,
				.age = z->answer.age };

	for (size_t i = 0; i < z->n_registries; i++)
		t.registries |= UINT64_C(1) << z->registries[i];
	return t;
}

static int add_apex(struct publisher *p, const struct publisher_zone *z)
{
	const struct feed_options *feed = p->o.feed;
	struct address *listen = calloc(feed->n_listen + 1, sizeof(*listen));
	struct block *block = NULL;
	int r = listen != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < feed->n_listen; i++)
		endpoint_to_address(&feed->listen[i], &listen[i]);
	if (r == 0)
		r = compose_apex(z->options, listen, feed->n_listen, &block);
	if (r == 0)
		r = table_builder_replace(p->builder, NULL, block);
	if (r != 0)
		block_destroy(block);
	free(listen);
	return r;
}

static int create_zone(const struct publisher *p, size_t i, struct publisher_zone *z)
{
	z->options = &p->o.feed->zones[i];
	const struct publisher_zone *before = find_zone_before(p, z->options);
	z->index = rank_zone(p->o.feed, i);
	z->board = zone_board_create();
	if (z->board == NULL)
		return -ENOMEM;
	return dampers_create(p->o.feed, z->options, before != NULL ? before->dampers : NULL, &z->dampers);
}

static int create_zones(struct publisher *p)
{
	const struct feed_options *feed = p->o.feed;
	struct table_zone *zones = calloc(feed->n_zones + 1, sizeof(*zones));

	p->zones = calloc(feed->n_zones + 1, sizeof(*p->zones));
	int r = zones != NULL && p->zones != NULL ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < feed->n_zones; i++) {
		struct publisher_zone *z = &p->zones[p->n_zones++];

		r = create_zone(p, i, z);
		zones[z->index] = describe_zone(z);
	}
	if (r == 0)
		r = table_builder_create(zones, p->n_zones, p->o.freshness,
					 p->o.previous != NULL ? p->o.previous->builder : NULL, &p->builder);
	for (size_t i = 0; r == 0 && i < p->n_zones; i++)
		r = add_apex(p, &p->zones[i]);
	free(zones);
	return r;
}

int publisher_create(const struct publisher_options *o, struct publisher **ret)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->o = *o;
	asked_init(&p->asked);
	const int r = create_zones(p);
	if (r != 0) {
		publisher_destroy(p);
		return r;
	}
	update_all(p);
	p->o.previous = NULL;
	*ret = p;
	return 0;
}

static void free_served(struct publisher_zone *z)
{
	struct served *s;

	for (size_t at = 0; (s = dictionary_next(&z->served, &at)) != NULL;)
		free(s);
	dictionary_finish(&z->served);
}

void publisher_destroy(struct publisher *p)
{
	if (p == NULL)
		return;
	asked_finish(&p->asked);
	table_builder_destroy(p->builder);
	for (size_t i = 0; i < p->n_zones; i++) {
		free_served(&p->zones[i]);
		dampers_destroy(p->zones[i].dampers);
		zone_board_destroy(p->zones[i].board);
	}
	free(p->zones);
	free(p);
}
