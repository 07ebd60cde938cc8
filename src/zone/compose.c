/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/compose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "wire/rdata.h"
#include "zone/rows.h"

/* One service while its block is made. */
struct work {
	struct block_builder block;
	struct rows rows;
	const struct zone_options *zone;
	struct name owner;                      /* S.Z */
	bool is_one_label;                      /* only these have names of the form _S._tcp.Z */
	char underscored[LABEL_OCTETS_MAX + 1]; /* _S, if it is a label */
};

static const struct {
	enum protocol protocol;
	const char *label;
} protocols[] = { { PROTOCOL_TCP, "_tcp" }, { PROTOCOL_UDP, "_udp" } };

/* first.second.base, second may be NULL; false when it gets too long: such a name is not made. */
static bool name_below(const struct name *base, const char *first, const char *second, struct name *ret)
{
	struct name middle;

	if (second == NULL)
		return name_join(first, strlen(first), base, ret);
	return name_join(second, strlen(second), base, &middle) &&
	       name_join(first, strlen(first), &middle, ret);
}

static bool underscore(const char *text, char ret[LABEL_OCTETS_MAX + 1])
{
	const size_t len = strlen(text);

	if (1 + len > LABEL_OCTETS_MAX)
		return false;
	ret[0] = '_';
	memcpy(ret + 1, text, len + 1);
	return true;
}

static void add_owner(struct work *w, enum owner_rank rank, const struct name *name, const struct sets *sets)
{
	block_add_owner(&w->block, rank, name, sets->at, sets->n);
}

static void add_empty(struct work *w, const struct name *name)
{
	block_add_owner(&w->block, OWNER_EMPTY, name, NULL, 0);
}

/* The names between a service of several labels and its zone have something below them. */
static void add_names_between(struct work *w)
{
	struct name n = w->owner;

	for (;;) {
		const size_t first = 1U + n.octets[0];

		n.len = (uint8_t)(n.len - first);
		memmove(n.octets, n.octets + first, n.len);
		if (n.len <= w->zone->origin.len)
			return;
		add_empty(w, &n);
	}
}

/* --- S.Z, _S._tcp.Z, _S._udp.Z --- */

static size_t pick_all(struct work *w, struct row **ret)
{
	for (size_t i = 0; i < w->rows.n; i++)
		ret[i] = &w->rows.rows[i];
	return w->rows.n;
}

static bool speaks(const struct row *row, enum protocol p)
{
	return row->instance->protocol == p || row->instance->protocol == PROTOCOL_ANY;
}

static size_t pick_protocol(struct work *w, enum protocol p, struct row **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < w->rows.n; i++) {
		if (speaks(&w->rows.rows[i], p))
			ret[n++] = &w->rows.rows[i];
	}
	return n;
}

static void add_service_names(struct work *w)
{
	struct row **rows = rows_allocate(&w->rows, w->rows.n, sizeof(struct row *));
	struct sets all = { 0 }, srvs = { 0 };
	struct name name;

	if (rows == NULL)
		return;
	const size_t n = pick_all(w, rows);
	rows_add_addresses(&w->rows, rows, n, &all);
	rows_add_srvs(&w->rows, rows, n, &srvs);
	if (srvs.n > 0)
		all.at[all.n++] = srvs.at[0];
	add_owner(w, OWNER_SERVICE, &w->owner, &all);

	/* Both exist for every service, so that the protocol it does not speak is NODATA. */
	for (size_t p = 0; w->is_one_label && p < 2; p++) {
		const size_t n_speaking = pick_protocol(w, protocols[p].protocol, rows);
		struct sets some = { 0 };

		if (n_speaking < n)
			rows_add_srvs(&w->rows, rows, n_speaking, &some);
		if (name_below(&w->zone->origin, w->underscored, protocols[p].label, &name))
			add_owner(w, OWNER_PART, &name, n_speaking < n ? &some : &srvs);
	}
}

/* --- names for some of the instances --- */

/* A label under which a row can be asked for. */
struct handle {
	const char *label;
	struct row *row;
};

typedef void (*add_fn)(struct work *w, const char *label, const char *protocol, struct row *const *rows,
		       size_t n);

static int compare_handles(const void *a, const void *b)
{
	const struct handle *x = a, *y = b;
	const int order = strcmp(x->label, y->label);

	return order != 0 ? order : (x->row > y->row) - (x->row < y->row);
}

/* Calls add() for each label with its rows, each row once. */
static void for_each_label(struct work *w, struct handle *handles, size_t n, const char *protocol, add_fn add)
{
	struct row **rows = rows_allocate(&w->rows, n, sizeof(struct row *));

	sort_items(handles, n, sizeof(*handles), compare_handles);
	for (size_t i = 0, next; rows != NULL && i < n; i = next) {
		size_t n_rows = 0;

		for (next = i; next < n && strcmp(handles[i].label, handles[next].label) == 0; next++) {
			if (n_rows == 0 || rows[n_rows - 1] != handles[next].row)
				rows[n_rows++] = handles[next].row;
		}
		add(w, handles[i].label, protocol, rows, n_rows);
	}
}

/* L.S.Z */
static void add_part(struct work *w, const char *label, const char *protocol, struct row *const *rows,
		     size_t n)
{
	struct sets sets = { 0 };
	struct name name;

	(void)protocol;
	if (!name_below(&w->owner, label, NULL, &name))
		return;
	rows_add_addresses(&w->rows, rows, n, &sets);
	rows_add_srvs(&w->rows, rows, n, &sets);
	add_owner(w, OWNER_PART, &name, &sets);
}

/* _S._T.Z, and the empty _T.Z above it. A tag "tcp" or "udp" would hide the protocol's names. */
static void add_tagged(struct work *w, const char *label, const char *protocol, struct row *const *rows,
		       size_t n)
{
	char tag[LABEL_OCTETS_MAX + 1];
	struct sets sets = { 0 };
	struct name name, above;

	(void)protocol;
	if (!underscore(label, tag) || strcmp(tag, "_tcp") == 0 || strcmp(tag, "_udp") == 0 ||
	    !name_below(&w->zone->origin, w->underscored, tag, &name) ||
	    !name_below(&w->zone->origin, tag, NULL, &above))
		return;
	rows_add_srvs(&w->rows, rows, n, &sets);
	add_owner(w, OWNER_PART, &name, &sets);
	add_empty(w, &above);
}

/* _P._tcp.S.Z */
static void add_port(struct work *w, const char *label, const char *protocol, struct row *const *rows,
		     size_t n)
{
	char port[LABEL_OCTETS_MAX + 1];
	struct sets sets = { 0 };
	struct name name;

	if (!underscore(label, port) || !name_below(&w->owner, port, protocol, &name))
		return;
	rows_add_srvs(&w->rows, rows, n, &sets);
	add_owner(w, OWNER_PART, &name, &sets);
}

static void add_port_names(struct work *w)
{
	struct handle *handles = rows_allocate(&w->rows, w->rows.n, sizeof(*handles));
	struct name above;

	for (size_t p = 0; handles != NULL && p < 2; p++) {
		size_t n = 0;

		for (size_t i = 0; i < w->rows.n; i++) {
			struct row *row = &w->rows.rows[i];
			const char *port_name = instance_port_name(row->instance);

			if (port_name != NULL && speaks(row, protocols[p].protocol))
				handles[n++] = (struct handle){ .label = port_name, .row = row };
		}
		for_each_label(w, handles, n, protocols[p].label, add_port);
		if (n > 0 && name_below(&w->owner, protocols[p].label, NULL, &above))
			add_empty(w, &above);
	}
}

/* Tags are kept as the registry wrote them; as labels they fold. NULL for what is no label. */
static const char *fold_label(struct work *w, const char *text)
{
	const size_t len = strlen(text);
	struct name n;

	if (strchr(text, '.') != NULL || !name_from_text(text, len, &n))
		return NULL;
	char *label = rows_allocate(&w->rows, len, 1);
	if (label != NULL)
		memcpy(label, n.octets + 1, len);
	return label;
}

static size_t collect_tags(struct work *w, struct handle *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < w->rows.n; i++) {
		struct row *row = &w->rows.rows[i];
		const char *tag = instance_tag(row->instance, 0);

		for (size_t t = 0; t < row->instance->n_tags; t++, tag += strlen(tag) + 1) {
			const char *label = fold_label(w, tag);

			if (label != NULL)
				ret[n++] = (struct handle){ .label = label, .row = row };
		}
	}
	return n;
}

static void add_tags_and_names(struct work *w)
{
	size_t n = w->rows.n;

	for (size_t i = 0; i < w->rows.n; i++)
		n += w->rows.rows[i].instance->n_tags;
	struct handle *handles = rows_allocate(&w->rows, n, sizeof(*handles));
	if (handles == NULL)
		return;

	n = collect_tags(w, handles);
	if (w->is_one_label)
		for_each_label(w, handles, n, NULL, add_tagged);
	for (size_t i = 0; i < w->rows.n; i++) {
		struct row *row = &w->rows.rows[i];
		const char *name = instance_name(row->instance);

		if (name != NULL)
			handles[n++] = (struct handle){ .label = name, .row = row };
	}
	for_each_label(w, handles, n, NULL, add_part);
}

/* --- reverse names --- */

enum { PTRS_MAX = 16 }; /* names of one address in one service; clients look at the first */

struct reverse {
	const struct address *address;
	const char *name; /* of the instance, "" for none */
};

static int compare_reverse(const void *a, const void *b)
{
	const struct reverse *x = a, *y = b;
	const int order = memcmp(x->address, y->address, sizeof(*x->address));

	return order != 0 ? order : strcmp(x->name, y->name);
}

static uint32_t add_ptr(struct work *w, const char *name)
{
	struct name target = w->owner;

	if (name[0] != '\0' && !name_prepend(&target, name, strlen(name)))
		target = w->owner;
	return block_add_rr(&w->block, RRTYPE_PTR, w->rows.ttl_s, target.octets, target.len, 1);
}

/* The RRset of one address; most instances have no name of their own, and these share one. */
static uint32_t add_ptrs(struct work *w, const struct reverse *reverse, size_t n, uint32_t *shared)
{
	uint32_t rrs[PTRS_MAX];
	size_t n_rrs = 0;

	if (n == 1 && reverse[0].name[0] == '\0') {
		const uint32_t rr = *shared == 0 ? add_ptr(w, "") : 0;

		return *shared != 0 ? *shared
				    : (*shared = block_add_rrset(&w->block, RRTYPE_PTR, &rr, 1, NULL));
	}
	for (size_t i = 0; i < n && n_rrs < PTRS_MAX; i++)
		rrs[n_rrs++] = add_ptr(w, reverse[i].name);
	return block_add_rrset(&w->block, RRTYPE_PTR, rrs, n_rrs, NULL);
}

static void add_reverse_names(struct work *w)
{
	uint32_t shared = 0;
	size_t n = 0;

	for (size_t i = 0; i < w->rows.n; i++)
		n += w->rows.rows[i].n_addresses;
	struct reverse *all = rows_allocate(&w->rows, n, sizeof(*all));
	if (all == NULL)
		return;
	n = 0;
	for (size_t i = 0; i < w->rows.n; i++) {
		const struct row *row = &w->rows.rows[i];
		const char *name = instance_name(row->instance);

		for (size_t a = 0; a < row->n_addresses; a++)
			all[n++] = (struct reverse){ &row->at[a], name != NULL ? name : "" };
	}
	sort_items(all, n, sizeof(*all), compare_reverse);
	for (size_t i = 0, next; i < n; i = next) {
		size_t n_names = 1;

		for (next = i + 1;
		     next < n && memcmp(all[i].address, all[next].address, sizeof(struct address)) == 0;
		     next++) {
			if (strcmp(all[i + n_names - 1].name, all[next].name) != 0)
				all[i + n_names++].name = all[next].name;
		}
		block_add_reverse(&w->block, all[i].address, add_ptrs(w, all + i, n_names, &shared));
	}
}

/* --- blocks --- */

static bool name_service(struct work *w, const char *service)
{
	struct name front;

	w->owner = w->zone->origin;
	w->is_one_label = strchr(service, '.') == NULL && underscore(service, w->underscored);
	return name_from_text(service, strlen(service), &front) && name_prepend_name(&w->owner, &front);
}

/* An instance can ask for less, because its registry knows how long it will be there. One TTL for all, as
 * RRs of one RRset must have (RFC 2181 section 5.2). */
static uint32_t smallest_ttl(uint32_t ttl_s, const struct selection *selection)
{
	for (size_t i = 0; i < selection->n; i++) {
		if (selection->members[i].instance->ttl_s < ttl_s)
			ttl_s = selection->members[i].instance->ttl_s;
	}
	return ttl_s;
}

int compose_service(const struct zone_options *z, const char *service, const struct selection *selection,
		    struct block **ret)
{
	const struct answer_options *answer = zone_options_for(z, service);
	struct block_options options = { .failed_open = selection->failed_open,
					 .notes_asked = answer->probe != PROBE_NONE,
					 .negative_ttl_s = answer->negative_ttl_s,
					 .address_limit = answer->address_limit,
					 .registries = selection->registries,
					 .true_ms = selection->true_ms,
					 .age = answer->age };
	struct work w = { .zone = z };
	struct rows_room room;

	if (!name_service(&w, service))
		return -ENAMETOOLONG;
	for (size_t i = 0; i < selection->n_all; i++)
		options.instances[selection->members[i].left_out]++;
	block_begin(&w.block, &options);
	rows_init(&w.rows, &room, &w.block, z, smallest_ttl(answer->ttl_s, selection), selection);
	add_service_names(&w);
	add_names_between(&w);
	add_tags_and_names(&w);
	add_port_names(&w);
	add_reverse_names(&w);
	if (w.rows.error != 0)
		w.block.error = w.rows.error;
	rows_finish(&w.rows);
	return block_seal(&w.block, ret);
}

static void add_listeners(struct work *w, const struct name *ns, const struct address *listen,
			  size_t n_listen)
{
	uint32_t rrs[2][16];
	size_t n[2] = { 0 };
	struct sets sets = { 0 };

	for (size_t i = 0; i < n_listen; i++) {
		const int six = listen[i].len == 16;
		size_t first = 0;

		while (memcmp(&listen[first], &listen[i], sizeof(listen[i])) != 0)
			first++;
		if (first == i && n[six] < 16) /* one address with two ports is one RR */
			rrs[six][n[six]++] =
				block_add_rr(&w->block, six ? RRTYPE_AAAA : RRTYPE_A, w->zone->answer.ttl_s,
					     listen[i].octets, listen[i].len, 1);
	}
	for (int six = 0; six < 2; six++) {
		if (n[six] > 0)
			sets.at[sets.n++] = block_add_rrset(&w->block, six ? RRTYPE_AAAA : RRTYPE_A, rrs[six],
							    n[six], NULL);
	}
	add_owner(w, OWNER_ZONE, ns, &sets);
}

int compose_apex(const struct zone_options *z, const struct address *listen, size_t n_listen,
		 struct block **ret)
{
	static const char *const empty[] = { "_tcp", "_udp", "addr" };
	const struct block_options options = { .negative_ttl_s = z->answer.negative_ttl_s,
					       .age = z->answer.age };
	struct work w = { .zone = z };
	uint8_t rdata[RDATA_OCTETS_MAX];
	char text[NAME_TEXT_MAX];
	struct name ns, name;

	/* Nothing shorter than the name that spells an IPv6 address is of use: a zone leaves room for it. */
	if (z->origin.len + 5U + 1U + LABEL_OCTETS_MAX > NAME_OCTETS_MAX ||
	    !name_below(&z->origin, "ns", NULL, &ns))
		return -ENAMETOOLONG;
	block_begin(&w.block, &options);
	const size_t len = rdata_from_text(RRTYPE_NS, name_to_text(ns.octets, text), rdata);
	const uint32_t rr = block_add_rr(&w.block, RRTYPE_NS, z->answer.ttl_s, rdata, len, 1);
	if (len == 0)
		w.block.error = -ENOMEM;
	struct sets apex = { .at = { block_add_rrset(&w.block, RRTYPE_NS, &rr, 1, NULL) }, .n = 1 };
	add_owner(&w, OWNER_ZONE, &z->origin, &apex);
	add_listeners(&w, &ns, listen, n_listen);
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		if (name_below(&z->origin, empty[i], NULL, &name))
			add_empty(&w, &name);
	}
	if (name_below(&z->origin, "_status", NULL, &name))
		block_add_owner(&w.block, OWNER_STATUS, &name, NULL, 0);
	return block_seal(&w.block, ret);
}
