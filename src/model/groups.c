/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/random.h"
#include "model/report.h"

enum {
	CELLS_FIRST = 16,    /* a file in services.d seldom has more than 8 services */
	INSTANCES_FIRST = 4, /* a key of etcd has one, a Kubernetes service often three */
};

/* What came for one service: either kept as it is, or instances. */
struct group {
	struct group *older;
	const char *name;
	uint64_t hash;
	const struct service *kept;        /* a user */
	const struct instance **instances; /* in the order of the reports; a user of each */
	size_t n_instances, n_room;
};

void groups_init(struct groups *gs)
{
	const struct snapshot_limits none = { 0 };

	*gs = (struct groups){ .limits = snapshot_limits_within(&none) };
}

static void empty_group(struct group *g)
{
	service_release(g->kept);
	for (size_t i = 0; i < g->n_instances; i++)
		instance_release(g->instances[i]);
	free(g->instances);
}

void groups_empty(struct groups *gs)
{
	for (struct group *g = gs->newest; g != NULL; g = g->older)
		empty_group(g);
	free(gs->cells);
	arena_finish(&gs->arena);
	*gs = (struct groups){ .seed = gs->seed, .limits = gs->limits };
}

/* The cell of that name, or the free one where it belongs. */
static struct group **find_cell(struct group **groups, size_t n_cells, const char *name, uint64_t hash)
{
	size_t i = hash & (n_cells - 1);

	while (groups[i] != NULL && (groups[i]->hash != hash || strcmp(groups[i]->name, name) != 0))
		i = (i + 1) & (n_cells - 1);
	return &groups[i];
}

static int refuse(struct groups *gs, const char *key)
{
	gs->full = key;
	return -EDQUOT;
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
		if (gs->n == gs->limits.services)
			return refuse(gs, "max-services");
		struct group *g = arena_alloc(&gs->arena, sizeof(*g));
		if (g == NULL)
			return -ENOMEM;
		*g = (struct group){ .older = gs->newest,
				     .name = arena_text(&gs->arena, name, len),
				     .hash = hash };
		if (g->name == NULL)
			return -ENOMEM;
		gs->newest = *cell = g;
		gs->n++;
	}
	*ret = *cell;
	return 0;
}

/* Makes room for n more instances. */
static int make_room(struct group *g, size_t n)
{
	size_t n_room = g->n_room > 0 ? g->n_room : INSTANCES_FIRST;

	while (n_room - g->n_instances < n)
		n_room *= 2;
	if (n_room == g->n_room)
		return 0;
	const struct instance **instances = realloc(g->instances, n_room * sizeof(*instances));
	if (instances == NULL)
		return -ENOMEM;
	g->instances = instances;
	g->n_room = n_room;
	return 0;
}

static int share_instances(struct group *g, const struct service *s)
{
	int r = make_room(g, s->n_instances);

	for (size_t i = 0; r == 0 && i < s->n_instances; i++)
		g->instances[g->n_instances++] = instance_keep(s->instances[i]);
	return r;
}

/* Takes apart what is kept, because something else is added to it. */
static int unkeep(struct group *g)
{
	int r = g->kept != NULL ? share_instances(g, g->kept) : 0;

	if (r == 0) {
		service_release(g->kept);
		g->kept = NULL;
	}
	return r;
}

static size_t count_instances(const struct group *g)
{
	return g->kept != NULL ? g->kept->n_instances : g->n_instances;
}

/* Whether there is room for so many instances more, of so many octets. */
static int check_room(struct groups *gs, const struct group *g, size_t n, size_t octets)
{
	if (n > SERVICE_INSTANCES_MAX - count_instances(g))
		return refuse(gs, NULL);
	if (n > gs->limits.instances - gs->n_instances)
		return refuse(gs, "max-instances");
	return octets > gs->limits.octets - gs->n_octets ? refuse(gs, "max-memory") : 0;
}

int groups_add(struct groups *gs, struct group *g, const struct instance_parts *parts)
{
	int r = check_room(gs, g, 1, 0);

	if (r == 0)
		r = unkeep(g);
	if (r == 0)
		r = make_room(g, 1);
	if (r < 0)
		return r;
	const struct instance *in = instance_create(parts);
	if (in == NULL)
		return -ENOMEM;
	const size_t octets = service_room(in);
	r = check_room(gs, g, 1, octets);
	if (r < 0) {
		instance_release(in);
		return r;
	}
	g->instances[g->n_instances++] = in;
	gs->n_instances++;
	gs->n_octets += octets;
	return 0;
}

int groups_keep(struct groups *gs, struct group *g, const struct service *s)
{
	if (g->kept == s || s->n_instances == 0)
		return 0;
	int r = check_room(gs, g, s->n_instances, s->octets);
	if (r < 0)
		return r;
	if (count_instances(g) == 0) {
		g->kept = service_keep(s);
	} else {
		r = unkeep(g);
		if (r == 0)
			r = share_instances(g, s);
	}
	if (r == 0) {
		gs->n_instances += s->n_instances;
		gs->n_octets += s->octets;
	}
	return r;
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

static int compare_reports(const struct instance *a, const struct instance *b)
{
	const int r = instance_compare(a, b);

	return r != 0 ? r : compare_merit(a, b);
}

/* Equals stay in the order of their reports, which qsort(3) does not promise. room is for half of them. */
static void sort_reports(const struct instance **all, size_t n, const struct instance **room)
{
	const size_t half = n / 2;
	size_t left = 0, right = half;

	if (n < 2)
		return;
	sort_reports(all, half, room);
	sort_reports(all + half, n - half, room);
	if (compare_reports(all[half - 1], all[half]) <= 0)
		return;
	memcpy(room, all, half * sizeof(*all));
	for (size_t to = 0; left < half; to++) {
		if (right < n && compare_reports(room[left], all[right]) > 0)
			all[to] = all[right++];
		else
			all[to] = room[left++];
	}
}

/* Puts into the place of *in one with the tags of the other report as well, and the smaller cap on TTLs:
 * whoever asked for that one was promised it. The other is used up; on failure nothing has happened. */
static int unite(const struct instance *other, const struct instance **in)
{
	const char *tags[INSTANCE_TAGS_MAX];
	struct metadata metadata[INSTANCE_METADATA_MAX];
	struct instance_parts both;
	const struct instance *united = *in;

	if (other->n_tags > 0 || other->ttl_s < (*in)->ttl_s) {
		size_t n = (*in)->n_tags;

		instance_take_apart(*in, tags, metadata, &both);
		for (size_t i = 0; i < other->n_tags; i++)
			n = report_add_tag(tags, n, instance_tag(other, i));
		both.n_tags = (uint16_t)n;
		if (other->ttl_s < both.ttl_s)
			both.ttl_s = other->ttl_s;
		united = instance_create(&both);
		if (united == NULL)
			return -ENOMEM;
		instance_release(*in);
	}
	instance_release(other);
	*in = united;
	return 0;
}

/* After a failure the group still has all that are not united. */
static int unite_alike(struct group *g)
{
	const struct instance **all = g->instances;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < g->n_instances; i++) {
		const struct instance *in = all[i];
		const bool alike = r == 0 && n > 0 && instance_compare(all[n - 1], in) == 0;

		if (alike)
			r = unite(in, &all[n - 1]);
		if (!alike || r < 0)
			all[n++] = in;
	}
	g->n_instances = n;
	return r;
}

static int make_service(struct group *g, const struct service **ret)
{
	const struct instance **room = malloc((g->n_instances / 2 + 1) * sizeof(*room));

	if (room == NULL)
		return -ENOMEM;
	sort_reports(g->instances, g->n_instances, room);
	free(room);
	int r = unite_alike(g);
	if (r < 0)
		return r;
	const struct service *s = service_create(g->name, g->instances, g->n_instances);
	if (s == NULL)
		return -ENOMEM;
	*ret = s;
	return 0;
}

/* The group as a service the caller uses; the one of before (NULL: there is none) if nothing differs. */
static int finish_group(struct group *g, const struct service *before, const struct service **ret)
{
	const struct service *s;

	if (g->kept != NULL) {
		s = service_keep(g->kept);
	} else {
		int r = make_service(g, &s);
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
		struct group *g = gs->cells[n];

		while (at < n_before && strcmp(before[at]->name, g->name) < 0)
			at++;
		const bool known = at < n_before && strcmp(before[at]->name, g->name) == 0;
		r = finish_group(g, known ? before[at] : NULL, &ret[n]);
		n += r == 0;
	}
	while (r < 0 && n > 0)
		service_release(ret[--n]);
	return r;
}
