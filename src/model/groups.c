/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/random.h"
#include "model/report.h"
#include "model/snapshot.h"

enum {
	CELLS_FIRST = 16, /* a file in services.d seldom has more than 8 services */
};

/* One reported instance, in the order of the reports. */
struct draft {
	struct draft *next;
	const struct instance *instance;
	size_t order;
};

/* What came for one service: either kept as it is, or drafts. */
struct group {
	const char *name;
	uint64_t hash;
	const struct service *kept;
	struct draft *drafts;
	size_t n_drafts;
};

struct held {
	struct held *next;
	const struct service *service;
};

void groups_init(struct groups *gs)
{
	*gs = (struct groups){ 0 };
}

void groups_empty(struct groups *gs)
{
	for (struct held *h = gs->held; h != NULL; h = h->next)
		service_release(h->service);
	free(gs->cells);
	arena_finish(&gs->arena);
	*gs = (struct groups){ .seed = gs->seed };
}

/* The cell of that name, or the free one where it belongs. */
static struct group **find_cell(struct group **groups, size_t n_cells, const char *name, uint64_t hash)
{
	size_t i = hash & (n_cells - 1);

	while (groups[i] != NULL && (groups[i]->hash != hash || strcmp(groups[i]->name, name) != 0))
		i = (i + 1) & (n_cells - 1);
	return &groups[i];
}

static int make_cells(struct groups *gs)
{
	if (gs->n < gs->n_cells / 2)
		return 0;
	if (gs->seed == 0) /* most builders of a round in which nothing has changed stay empty */
		random_octets(&gs->seed, sizeof(gs->seed));

	const size_t n_cells = gs->n_cells > 0 ? gs->n_cells * 2 : CELLS_FIRST;
	struct group **groups = calloc(n_cells, sizeof(struct group *));
	if (groups == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < gs->n_cells; i++) {
		if (gs->cells[i] != NULL)
			*find_cell(groups, n_cells, gs->cells[i]->name, gs->cells[i]->hash) = gs->cells[i];
	}
	free(gs->cells);
	gs->cells = groups;
	gs->n_cells = n_cells;
	return 0;
}

int groups_take(struct groups *gs, const char *name, struct group **ret)
{
	const size_t len = strlen(name);
	int r = make_cells(gs);

	if (r < 0)
		return r;
	const uint64_t hash = XXH3_64bits_withSeed(name, len, gs->seed);
	struct group **cell = find_cell(gs->cells, gs->n_cells, name, hash);
	if (*cell == NULL) {
		if (gs->n == SNAPSHOT_SERVICES_MAX)
			return -EDQUOT;
		struct group *g = arena_alloc(&gs->arena, sizeof(*g));
		if (g == NULL)
			return -ENOMEM;
		*g = (struct group){ .name = arena_text(&gs->arena, name, len), .hash = hash };
		if (g->name == NULL)
			return -ENOMEM;
		*cell = g;
		gs->n++;
	}
	*ret = *cell;
	return 0;
}

static void add_draft(struct group *g, struct draft *d, const struct instance *in)
{
	*d = (struct draft){ .next = g->drafts, .instance = in, .order = g->n_drafts++ };
	g->drafts = d;
}

/* Turns what is kept into drafts, because something else is added to it. */
static int spill(struct groups *gs, struct group *g, const struct service *s)
{
	struct draft *drafts = arena_alloc(&gs->arena, s->n_instances * sizeof(*drafts));

	if (drafts == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_instances; i++)
		add_draft(g, &drafts[i], &s->instances[i]);
	return 0;
}

static int unkeep(struct groups *gs, struct group *g)
{
	const struct service *kept = g->kept;

	g->kept = NULL;
	return kept != NULL ? spill(gs, g, kept) : 0;
}

static size_t count_instances(const struct group *g)
{
	return g->kept != NULL ? g->kept->n_instances : g->n_drafts;
}

int groups_add(struct groups *gs, struct group *g, const struct instance *in)
{
	struct {
		struct draft draft;
		struct instance instance;
		char room[];
	} * piece;
	const size_t octets = sizeof(piece->instance) + instance_room(in);

	if (count_instances(g) >= SERVICE_INSTANCES_MAX || gs->n_instances >= SNAPSHOT_INSTANCES_MAX ||
	    octets > SNAPSHOT_OCTETS_MAX - gs->n_octets)
		return -EDQUOT;
	piece = arena_alloc(&gs->arena, sizeof(*piece) - sizeof(piece->instance) + octets);
	if (piece == NULL)
		return -ENOMEM;
	int r = unkeep(gs, g);
	if (r < 0)
		return r;
	instance_copy(in, piece->room, &piece->instance);
	add_draft(g, &piece->draft, &piece->instance);
	gs->n_instances++;
	gs->n_octets += octets;
	return 0;
}

static int hold(struct groups *gs, const struct service *s)
{
	struct held *h = arena_alloc(&gs->arena, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	*h = (struct held){ .next = gs->held, .service = service_keep(s) };
	gs->held = h;
	return 0;
}

int groups_keep(struct groups *gs, struct group *g, const struct service *s)
{
	if (g->kept == s || s->n_instances == 0)
		return 0;
	if (s->n_instances > SERVICE_INSTANCES_MAX - count_instances(g) ||
	    s->n_instances > SNAPSHOT_INSTANCES_MAX - gs->n_instances ||
	    s->octets > SNAPSHOT_OCTETS_MAX - gs->n_octets)
		return -EDQUOT;
	int r = hold(gs, s);
	if (r < 0)
		return r;
	gs->n_instances += s->n_instances;
	gs->n_octets += s->octets;
	if (count_instances(g) == 0) {
		g->kept = s;
		return 0;
	}
	r = unkeep(gs, g);
	return r < 0 ? r : spill(gs, g, s);
}

/* Which of two reports of one instance stands: the better one first. Kubernetes has an instance in two slices
 * for a while, updated apart from each other: who is ready in one of them is ready. */
static int compare_merit(const struct instance *a, const struct instance *b)
{
	int r = (int)a->health - (int)b->health;

	if (r == 0)
		r = (int)b->weight - (int)a->weight;
	return r != 0 ? r : (int)a->priority - (int)b->priority;
}

static int compare_drafts(const void *a, const void *b)
{
	const struct draft *x = *(const struct draft *const *)a, *y = *(const struct draft *const *)b;
	int r = instance_compare(x->instance, y->instance);

	if (r == 0)
		r = compare_merit(x->instance, y->instance);
	return r != 0 ? r : (x->order > y->order) - (x->order < y->order);
}

/* Sets *in to itself with the tags of the other report as well, and the smaller cap on TTLs: whoever asked
 * for that one was promised it. */
static int unite(struct arena *a, const struct instance *other, const struct instance **in)
{
	const struct instance *first = *in;
	const size_t n_both = (size_t)first->n_tags + other->n_tags;
	const size_t n_room = n_both < INSTANCE_TAGS_MAX ? n_both : INSTANCE_TAGS_MAX;
	const char **tags;
	struct instance *both;
	size_t n = 0;

	if (other->n_tags == 0 && other->ttl_s >= first->ttl_s)
		return 0;
	tags = arena_alloc(a, n_room * sizeof(*tags));
	both = arena_alloc(a, sizeof(*both));
	if (tags == NULL || both == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < first->n_tags; i++)
		n = report_add_tag(tags, n, first->tags[i]);
	for (size_t i = 0; i < other->n_tags; i++)
		n = report_add_tag(tags, n, other->tags[i]);
	*both = *first;
	both->tags = tags;
	both->n_tags = (uint16_t)n;
	if (other->ttl_s < first->ttl_s)
		both->ttl_s = other->ttl_s;
	*in = both;
	return 0;
}

/* Sorts the drafts of g, unites those alike, makes the service. */
static int make_service(struct groups *gs, const struct group *g, const struct service **ret)
{
	const struct draft **drafts = arena_alloc(&gs->arena, g->n_drafts * sizeof(*drafts));
	const struct instance **instances = arena_alloc(&gs->arena, g->n_drafts * sizeof(*instances));
	size_t n = 0;

	if (drafts == NULL || instances == NULL)
		return -ENOMEM;
	for (const struct draft *d = g->drafts; d != NULL; d = d->next)
		drafts[n++] = d;
	qsort(drafts, n, sizeof(*drafts), compare_drafts);

	n = 0;
	for (size_t i = 0; i < g->n_drafts; i++) {
		const struct instance *in = drafts[i]->instance;

		if (n == 0 || instance_compare(instances[n - 1], in) != 0)
			instances[n++] = in;
		else if (unite(&gs->arena, in, &instances[n - 1]) < 0)
			return -ENOMEM;
	}
	*ret = service_create(g->name, instances, n);
	return *ret != NULL ? 0 : -ENOMEM;
}

/* The group as a service the caller uses; the one of before (NULL: there is none) if nothing differs. */
static int finish_group(struct groups *gs, const struct group *g, const struct service *before,
			const struct service **ret)
{
	const struct service *s;

	if (g->kept != NULL) {
		s = service_keep(g->kept);
	} else {
		int r = make_service(gs, g, &s);
		if (r < 0)
			return r;
	}
	if (before != NULL && service_equal(before, s)) {
		service_release(s);
		s = service_keep(before);
	}
	*ret = s;
	return 0;
}

static int compare_groups(const void *a, const void *b)
{
	return strcmp((*(struct group *const *)a)->name, (*(struct group *const *)b)->name);
}

/* Moves the groups to the front of the cells, in the order of their names: the last use of the cells. */
static void sort_groups(struct groups *gs)
{
	size_t n = 0;

	for (size_t i = 0; i < gs->n_cells; i++) {
		if (gs->cells[i] != NULL)
			gs->cells[n++] = gs->cells[i];
	}
	if (n > 0)
		qsort(gs->cells, n, sizeof(*gs->cells), compare_groups);
}

int groups_make_services(struct groups *gs, const struct service *const before[], size_t n_before,
			 const struct service *ret[])
{
	size_t n = 0, at = 0;
	int r = 0;

	sort_groups(gs);
	while (r == 0 && n < gs->n) {
		const struct group *g = gs->cells[n];

		while (at < n_before && strcmp(before[at]->name, g->name) < 0)
			at++;
		const bool known = at < n_before && strcmp(before[at]->name, g->name) == 0;
		r = finish_group(gs, g, known ? before[at] : NULL, &ret[n]);
		n += r == 0;
	}
	while (r < 0 && n > 0)
		service_release(ret[--n]);
	return r;
}
