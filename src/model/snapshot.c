/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/snapshot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"
#include "wire/name.h"

enum {
	/* A name has 255 octets (RFC 1035 section 2.3.4). This leaves 55 for the zone, the length octets and
	 * the two labels of an SRV name; longer names would exist without half of their owner names. */
	SERVICE_NAME_SIZE = 201,

	/* Drops are many and alike: they get half of the remarks, so that there is always room for the one
	 * that says why a whole file was left out. */
	DROP_REMARKS_MAX = REMARKS_MAX / 2,
	REMARK_SIZE = 256,

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

struct snapshot_builder {
	struct arena arena;    /* groups, drafts and held; freed at seal */
	struct group **groups; /* open addressing, at most half full */
	size_t n_cells, n_groups, n_instances;
	struct held *held; /* keeps alive what drafts and groups point to */
	uint64_t seed;     /* or a registry could choose names that share a cell */
	size_t dropped[DROP_REASONS];
	char *remarks[REMARKS_MAX];
	size_t n_remarks;
	char error[REMARK_SIZE];
};

const char *drop_to_text(enum drop reason)
{
	static const char *const words[DROP_REASONS] = { "service-name", "reserved", "address",
							 "port",         "shape",    "limit" };

	return words[reason];
}

struct report report_blank(void)
{
	return (struct report){ .weight = 1, .health = HEALTH_PASSING, .protocol = PROTOCOL_ANY };
}

/* Remarks and errors quote text from outside, and end in logs and terminals. */
static void copy_visible(const char *text, char ret[REMARK_SIZE])
{
	char *out = ret;

	for (const unsigned char *c = (const unsigned char *)text; *c != '\0' && out < ret + REMARK_SIZE - 5;
	     c++)
		if (*c < 0x20 || *c >= 0x7f)
			out += sprintf(out, "\\x%02x", *c);
		else
			*out++ = (char)*c;
	*out = '\0';
}

static void add_remark(struct snapshot_builder *b, const char *text)
{
	char visible[REMARK_SIZE];

	copy_visible(text, visible);
	b->remarks[b->n_remarks] = strdup(visible);
	if (b->remarks[b->n_remarks] != NULL)
		b->n_remarks++;
}

void snapshot_builder_remark(struct snapshot_builder *b, const char *format, ...)
{
	char text[REMARK_SIZE];
	va_list args;

	if (b->n_remarks == REMARKS_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	add_remark(b, text);
}

int snapshot_builder_fail(struct snapshot_builder *b, int r, const char *format, ...)
{
	char text[REMARK_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	copy_visible(text, b->error);
	return r;
}

const char *snapshot_builder_error(const struct snapshot_builder *b)
{
	return b->error;
}

void snapshot_builder_drop(struct snapshot_builder *b, enum drop reason, const char *what)
{
	char text[REMARK_SIZE];

	b->dropped[reason]++;
	if (b->n_remarks >= DROP_REMARKS_MAX)
		return;
	snprintf(text, sizeof(text), "instance dropped (%s): %.160s", drop_to_text(reason), what);
	add_remark(b, text);
}

/* 80 octets of a text show what it is; a longer one is marked as cut. */
static int drop_report(struct snapshot_builder *b, enum drop reason, const char *service, const char *what)
{
	char text[REMARK_SIZE];

	b->dropped[reason]++;
	if (b->n_remarks >= DROP_REMARKS_MAX)
		return 0;
	snprintf(text, sizeof(text), "instance of \"%.80s\"%s dropped (%s): \"%.80s\"%s", service,
		 strlen(service) > 80 ? "..." : "", drop_to_text(reason), what,
		 strlen(what) > 80 ? "..." : "");
	add_remark(b, text);
	return 0;
}

struct snapshot_builder *snapshot_builder_create(void)
{
	struct snapshot_builder *b = calloc(1, sizeof(*b));

	if (b != NULL)
		random_octets(&b->seed, sizeof(b->seed));
	return b;
}

static void empty(struct snapshot_builder *b)
{
	for (struct held *h = b->held; h != NULL; h = h->next)
		service_release(h->service);
	for (size_t i = 0; i < b->n_remarks; i++)
		free(b->remarks[i]);
	free(b->groups);
	arena_finish(&b->arena);
	*b = (struct snapshot_builder){ .seed = b->seed };
}

void snapshot_builder_destroy(struct snapshot_builder *b)
{
	if (b == NULL)
		return;
	empty(b);
	free(b);
}

static bool is_host_octet(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Writes the folded label without a NUL; false when it is none of host name characters. */
static bool fold_label(const char *text, size_t len, char *ret)
{
	if (len == 0 || len > LABEL_OCTETS_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		const uint8_t c = octet_fold((uint8_t)text[i]);

		if (!is_host_octet(c))
			return false;
		ret[i] = (char)c;
	}
	return true;
}

/* The folded label in room, or NULL. */
static const char *fold_optional(const char *text, char room[LABEL_OCTETS_MAX + 1])
{
	if (text == NULL)
		return NULL;

	const size_t len = strnlen(text, LABEL_OCTETS_MAX + 1);
	if (!fold_label(text, len, room))
		return NULL;
	room[len] = '\0';
	return room;
}

/* The names below the zone that are ours: a service of that name would be hidden, or hide them. */
static bool is_reserved(const char *label)
{
	static const char *const reserved[] = { "addr", "ns", "_status", "_tcp", "_udp" };

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcmp(label, reserved[i]) == 0)
			return true;
	}
	return false;
}

/* DROP_REASONS when the name is good. */
static enum drop fold_service(const char *text, char ret[SERVICE_NAME_SIZE])
{
	size_t at = 0;

	if (text == NULL || strnlen(text, SERVICE_NAME_SIZE) == SERVICE_NAME_SIZE)
		return DROP_SERVICE_NAME;
	for (;;) {
		const size_t len = strcspn(text + at, ".");

		if (!fold_label(text + at, len, ret + at))
			return DROP_SERVICE_NAME;
		ret[at + len] = text[at + len];
		if (text[at + len] == '\0')
			return is_reserved(ret + at) ? DROP_RESERVED : DROP_REASONS;
		at += len + 1;
	}
}

/* "010.000.001.012", "167772173" and "0x7f000001" are addresses to some programs and names to others (WHATWG
 * URL, "ends in a number"); whoever wrote one meant an address. No top-level domain looks like that. */
static bool ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *last = dot != NULL ? dot + 1 : host;

	if (strncmp(last, "0x", 2) == 0)
		return last[2 + strspn(last + 2, "0123456789abcdef")] == '\0';
	return last[strspn(last, "0123456789")] == '\0';
}

/* Fills in address, or host with room for its text. */
static bool read_address(const char *text, struct instance *ret, char room[NAME_OCTETS_MAX])
{
	const size_t len = text != NULL ? strlen(text) : 0;
	struct name name;

	if (len == 0)
		return false;
	if (address_from_text(text, len, &ret->address))
		return address_is_usable(&ret->address);
	if (!name_from_text(text, len, &name))
		return false;

	const size_t end = text[len - 1] == '.' ? len - 1 : len;
	for (size_t i = 0; i < end; i++)
		room[i] = (char)octet_fold((uint8_t)text[i]);
	room[end] = '\0';
	ret->host = room;
	return !ends_in_number(room);
}

/* Keeps the first INSTANCE_TAGS_MAX in their order, so that the choice does not depend on who came first. */
static size_t add_tag(const char *tags[INSTANCE_TAGS_MAX], size_t n, const char *tag)
{
	size_t at = n;

	while (at > 0 && strcmp(tags[at - 1], tag) > 0)
		at--;
	if (at == INSTANCE_TAGS_MAX || (at > 0 && strcmp(tags[at - 1], tag) == 0))
		return n;
	if (n == INSTANCE_TAGS_MAX)
		n--;
	memmove(&tags[at + 1], &tags[at], (n - at) * sizeof(tags[0]));
	tags[at] = tag;
	return n + 1;
}

/* As add_tag(), by key; the first of equal keys stays. */
static size_t add_metadata(struct metadata metadata[INSTANCE_METADATA_MAX], size_t n,
			   const struct metadata *m)
{
	size_t at = n;

	while (at > 0 && strcmp(metadata[at - 1].key, m->key) > 0)
		at--;
	if (at == INSTANCE_METADATA_MAX || (at > 0 && strcmp(metadata[at - 1].key, m->key) == 0))
		return n;
	if (n == INSTANCE_METADATA_MAX)
		n--;
	memmove(&metadata[at + 1], &metadata[at], (n - at) * sizeof(metadata[0]));
	metadata[at] = *m;
	return n + 1;
}

static uint16_t bound(int64_t value)
{
	return (uint16_t)(value < 0 ? 0 : value > UINT16_MAX ? UINT16_MAX : value);
}

/* The cell of that name, or the free one where it belongs. */
static struct group **find_cell(struct group **groups, size_t n_cells, const char *name, uint64_t hash)
{
	size_t i = hash & (n_cells - 1);

	while (groups[i] != NULL && (groups[i]->hash != hash || strcmp(groups[i]->name, name) != 0))
		i = (i + 1) & (n_cells - 1);
	return &groups[i];
}

static int make_cells(struct snapshot_builder *b)
{
	if (b->n_groups < b->n_cells / 2)
		return 0;

	const size_t n_cells = b->n_cells > 0 ? b->n_cells * 2 : CELLS_FIRST;
	struct group **groups = calloc(n_cells, sizeof(struct group *));
	if (groups == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->n_cells; i++) {
		if (b->groups[i] != NULL)
			*find_cell(groups, n_cells, b->groups[i]->name, b->groups[i]->hash) = b->groups[i];
	}
	free(b->groups);
	b->groups = groups;
	b->n_cells = n_cells;
	return 0;
}

/* Finds the group or begins it. -EDQUOT when there are too many. */
static int take_group(struct snapshot_builder *b, const char *name, struct group **ret)
{
	const size_t len = strlen(name);
	const uint64_t hash = XXH3_64bits_withSeed(name, len, b->seed);
	int r = make_cells(b);

	if (r < 0)
		return r;
	struct group **cell = find_cell(b->groups, b->n_cells, name, hash);
	if (*cell == NULL) {
		if (b->n_groups == SNAPSHOT_SERVICES_MAX)
			return -EDQUOT;
		struct group *g = arena_alloc(&b->arena, sizeof(*g));
		if (g == NULL)
			return -ENOMEM;
		*g = (struct group){ .name = arena_text(&b->arena, name, len), .hash = hash };
		if (g->name == NULL)
			return -ENOMEM;
		*cell = g;
		b->n_groups++;
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
static int spill(struct snapshot_builder *b, struct group *g, const struct service *s)
{
	struct draft *drafts = arena_alloc(&b->arena, s->n_instances * sizeof(*drafts));

	if (drafts == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_instances; i++)
		add_draft(g, &drafts[i], &s->instances[i]);
	return 0;
}

static int unkeep(struct snapshot_builder *b, struct group *g)
{
	const struct service *kept = g->kept;

	g->kept = NULL;
	return kept != NULL ? spill(b, g, kept) : 0;
}

static size_t count_instances(const struct group *g)
{
	return g->kept != NULL ? g->kept->n_instances : g->n_drafts;
}

static int add_instance(struct snapshot_builder *b, struct group *g, const struct instance *in)
{
	struct {
		struct draft draft;
		struct instance instance;
		char room[];
	} *piece = arena_alloc(&b->arena, sizeof(*piece) + instance_room(in));

	if (piece == NULL)
		return -ENOMEM;
	int r = unkeep(b, g);
	if (r < 0)
		return r;
	instance_copy(in, piece->room, &piece->instance);
	add_draft(g, &piece->draft, &piece->instance);
	b->n_instances++;
	return 0;
}

/* Everything but the address, which decides whether there is an instance at all. */
static int add_checked(struct snapshot_builder *b, struct group *g, const struct report *r,
		       struct instance *in)
{
	char name[LABEL_OCTETS_MAX + 1], port_name[LABEL_OCTETS_MAX + 1];
	const char *tags[INSTANCE_TAGS_MAX];
	struct metadata metadata[INSTANCE_METADATA_MAX];
	size_t n_tags = 0, n_metadata = 0;

	for (size_t i = 0; i < r->n_tags; i++) {
		if (r->tags[i][0] != '\0')
			n_tags = add_tag(tags, n_tags, r->tags[i]);
	}
	for (size_t i = 0; i < r->n_metadata; i++)
		n_metadata = add_metadata(metadata, n_metadata, &r->metadata[i]);
	in->name = fold_optional(r->name, name);
	in->port_name = fold_optional(r->port_name, port_name);
	in->zone = r->zone != NULL && r->zone[0] != '\0' ? r->zone : NULL;
	in->tags = tags;
	in->n_tags = (uint16_t)n_tags;
	in->metadata = metadata;
	in->n_metadata = (uint16_t)n_metadata;
	in->port = (uint16_t)r->port;
	in->weight = r->weight < 0 ? 1 : bound(r->weight);
	in->priority = bound(r->priority);
	in->health = r->health;
	in->protocol = r->protocol;
	return add_instance(b, g, in);
}

/* A service that is reported is known even if none of its instances is any good: then its name exists without
 * addresses, which is what its clients should be told. */
int snapshot_builder_add(struct snapshot_builder *b, const struct report *r)
{
	char service[SERVICE_NAME_SIZE], host[NAME_OCTETS_MAX], what[128];
	const char *const address = r->address != NULL ? r->address : "";
	const enum drop reason = fold_service(r->service, service);
	struct instance in = { 0 };
	struct group *g;

	if (reason != DROP_REASONS)
		return drop_report(b, reason, r->service != NULL ? r->service : "", address);
	int status = take_group(b, service, &g);
	if (status == -EDQUOT)
		return drop_report(b, DROP_LIMIT, service, address);
	if (status < 0)
		return status;
	if (!read_address(r->address, &in, host))
		return drop_report(b, DROP_ADDRESS, service, address);
	if (r->port < 0 || r->port > UINT16_MAX) {
		snprintf(what, sizeof(what), "%.70s port %lld", address, (long long)r->port);
		return drop_report(b, DROP_PORT, service, what);
	}
	if (count_instances(g) >= SERVICE_INSTANCES_MAX || b->n_instances >= SNAPSHOT_INSTANCES_MAX)
		return drop_report(b, DROP_LIMIT, service, address);
	return add_checked(b, g, r, &in);
}

int snapshot_builder_add_service(struct snapshot_builder *b, const char *service)
{
	char name[SERVICE_NAME_SIZE];
	const enum drop reason = fold_service(service, name);
	struct group *g;

	if (reason != DROP_REASONS)
		return drop_report(b, reason, service != NULL ? service : "", "");
	int r = take_group(b, name, &g);
	return r == -EDQUOT ? drop_report(b, DROP_LIMIT, name, "") : r;
}

static int hold(struct snapshot_builder *b, const struct service *s)
{
	struct held *h = arena_alloc(&b->arena, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	*h = (struct held){ .next = b->held, .service = service_keep(s) };
	b->held = h;
	return 0;
}

int snapshot_builder_keep_service(struct snapshot_builder *b, const struct service *s)
{
	struct group *g;
	int r = take_group(b, s->name, &g);

	if (r == -EDQUOT)
		return drop_report(b, DROP_LIMIT, s->name, "");
	if (r < 0 || g->kept == s || s->n_instances == 0)
		return r;
	if (s->n_instances > SERVICE_INSTANCES_MAX - count_instances(g) ||
	    s->n_instances > SNAPSHOT_INSTANCES_MAX - b->n_instances) {
		b->dropped[DROP_LIMIT] += s->n_instances - 1;
		return drop_report(b, DROP_LIMIT, s->name, "");
	}
	r = hold(b, s);
	if (r < 0)
		return r;
	b->n_instances += s->n_instances;
	if (count_instances(g) == 0) {
		g->kept = s;
		return 0;
	}
	r = unkeep(b, g);
	return r < 0 ? r : spill(b, g, s);
}

int snapshot_builder_add_snapshot(struct snapshot_builder *b, const struct snapshot *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_services; i++)
		r = snapshot_builder_keep_service(b, s->services[i]);
	for (size_t i = 0; i < DROP_REASONS; i++)
		b->dropped[i] += s->dropped[i];
	for (size_t i = 0; i < s->n_remarks && b->n_remarks < DROP_REMARKS_MAX; i++)
		add_remark(b, s->remarks[i]);
	return r;
}

static int compare_drafts(const void *a, const void *b)
{
	const struct draft *x = *(const struct draft *const *)a, *y = *(const struct draft *const *)b;
	const int r = instance_compare(x->instance, y->instance);

	return r != 0 ? r : (x->order > y->order) - (x->order < y->order);
}

/* The first report of an instance stands, with the tags of the second as well. */
static const struct instance *unite(struct arena *a, const struct instance *first,
				    const struct instance *second)
{
	const char **tags = arena_alloc(a, INSTANCE_TAGS_MAX * sizeof(*tags));
	struct instance *both = arena_alloc(a, sizeof(*both));
	size_t n = 0;

	if (tags == NULL || both == NULL)
		return NULL;
	for (size_t i = 0; i < first->n_tags; i++)
		n = add_tag(tags, n, first->tags[i]);
	for (size_t i = 0; i < second->n_tags; i++)
		n = add_tag(tags, n, second->tags[i]);
	*both = *first;
	both->tags = tags;
	both->n_tags = (uint16_t)n;
	return both;
}

/* Sorts the drafts of g, unites those alike, makes the service. */
static int make_service(struct snapshot_builder *b, const struct group *g, const struct service **ret)
{
	const struct draft **drafts = arena_alloc(&b->arena, g->n_drafts * sizeof(*drafts));
	const struct instance **instances = arena_alloc(&b->arena, g->n_drafts * sizeof(*instances));
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
		else if (in->n_tags > 0 &&
			 (instances[n - 1] = unite(&b->arena, instances[n - 1], in)) == NULL)
			return -ENOMEM;
	}
	*ret = service_create(g->name, instances, n);
	return *ret != NULL ? 0 : -ENOMEM;
}

/* The group as a service the caller uses; the one of before (NULL: there is none) if nothing differs. */
static int finish_group(struct snapshot_builder *b, const struct group *g, const struct service *before,
			const struct service **ret)
{
	const struct service *s;

	if (g->kept != NULL) {
		s = service_keep(g->kept);
	} else {
		int r = make_service(b, g, &s);
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
static void sort_groups(struct snapshot_builder *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n_cells; i++) {
		if (b->groups[i] != NULL)
			b->groups[n++] = b->groups[i];
	}
	if (n > 0)
		qsort(b->groups, n, sizeof(*b->groups), compare_groups);
}

static int add_services(struct snapshot_builder *b, const struct snapshot *previous, struct snapshot *s)
{
	const size_t n_before = previous != NULL ? previous->n_services : 0;
	size_t at = 0;

	for (size_t i = 0; i < b->n_groups; i++) {
		const struct group *g = b->groups[i];

		while (at < n_before && strcmp(previous->services[at]->name, g->name) < 0)
			at++;
		const bool known = at < n_before && strcmp(previous->services[at]->name, g->name) == 0;
		int r = finish_group(b, g, known ? previous->services[at] : NULL, &s->services[i]);
		if (r < 0)
			return r;
		s->n_services++;
		s->n_instances += s->services[i]->n_instances;
	}
	return 0;
}

int snapshot_builder_seal(struct snapshot_builder *b, const struct snapshot *previous, struct snapshot **ret)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s == NULL)
		goto out;
	s->users = 1;
	s->services = calloc(b->n_groups > 0 ? b->n_groups : 1, sizeof(*s->services));
	if (s->services == NULL)
		goto out;
	sort_groups(b);
	r = add_services(b, previous, s);
	if (r < 0)
		goto out;

	memcpy(s->dropped, b->dropped, sizeof(s->dropped));
	memcpy(s->remarks, b->remarks, sizeof(s->remarks));
	s->n_remarks = b->n_remarks;
	b->n_remarks = 0;
	*ret = s;
	s = NULL;
out:
	snapshot_release(s);
	empty(b);
	return r;
}

struct snapshot *snapshot_keep(struct snapshot *s)
{
	s->users++;
	return s;
}

void snapshot_release(struct snapshot *s)
{
	if (s == NULL || --s->users > 0)
		return;
	for (size_t i = 0; i < s->n_services; i++)
		service_release(s->services[i]);
	for (size_t i = 0; i < s->n_remarks; i++)
		free(s->remarks[i]);
	free(s->services);
	free(s);
}

const struct service *snapshot_find(const struct snapshot *s, const char *name)
{
	size_t low = 0, high = s->n_services;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int r = strcmp(name, s->services[middle]->name);

		if (r == 0)
			return s->services[middle];
		if (r < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

bool snapshot_is_same(const struct snapshot *a, const struct snapshot *b)
{
	return a->n_services == b->n_services &&
	       (a->n_services == 0 ||
		memcmp(a->services, b->services, a->n_services * sizeof(const struct service *)) == 0);
}

void snapshot_compare(const struct snapshot *before, const struct snapshot *after,
		      void (*changed)(void *context, const char *name), void *context)
{
	const size_t n_before = before != NULL ? before->n_services : 0;
	const size_t n_after = after != NULL ? after->n_services : 0;

	for (size_t i = 0, k = 0; i < n_before || k < n_after;) {
		const struct service *x = i < n_before ? before->services[i] : NULL;
		const struct service *y = k < n_after ? after->services[k] : NULL;
		const int order = x == NULL ? 1 : y == NULL ? -1 : strcmp(x->name, y->name);

		if (order != 0 || !service_equal(x, y))
			changed(context, order <= 0 ? x->name : y->name);
		i += order <= 0;
		k += order >= 0;
	}
}
