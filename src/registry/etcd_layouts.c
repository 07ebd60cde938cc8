/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/etcd_layouts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "model/snapshot.h"
#include "registry/fields.h"
#include "registry/json.h"
#include "wire/name.h"

enum {
	/* x1.rails.production.east has four. A record is an instance of one service for each of them, so this
	 * bounds what a single key can cost. */
	PARTS_MAX = 8,

	/* What CoreDNS takes where the record has none. */
	SKYDNS_PRIORITY = 10,
	SKYDNS_WEIGHT = 100,
};

/* --- keys --- */

/* The labels of the zone, turned around: "local/service/". */
static int add_zone(const char *text, struct buffer *ret)
{
	struct name zone;
	size_t at[NAME_LABELS_MAX];
	size_t n = 0;
	int r = 0;

	if (!name_from_text(text, strlen(text), &zone))
		return -EINVAL;
	for (size_t i = 0; zone.octets[i] != 0; i += 1U + zone.octets[i])
		at[n++] = i;
	while (r == 0 && n-- > 0) {
		r = buffer_add(ret, &zone.octets[at[n] + 1], zone.octets[at[n]]);
		if (r == 0)
			r = buffer_add(ret, "/", 1);
	}
	return r;
}

int etcd_make_prefix(const struct etcd_options *o, char **ret)
{
	const char *prefix = o->prefix != NULL ? o->prefix : o->layout == ETCD_SKYDNS ? "/skydns/" : "";
	const size_t len = strlen(prefix);
	struct buffer b = { 0 };
	int r = buffer_add(&b, prefix, len);

	if (r == 0 && len > 0 && prefix[len - 1] != '/')
		r = buffer_add(&b, "/", 1);
	if (r == 0 && o->layout == ETCD_SKYDNS && o->zone != NULL && o->zone[0] != '\0')
		r = add_zone(o->zone, &b);
	if (r == 0)
		r = buffer_add(&b, "", 1);
	if (r == 0)
		*ret = (char *)b.octets;
	else
		buffer_finish(&b);
	return r;
}

/* A path taken apart at its slashes. */
struct place {
	struct part {
		const char *text;
		size_t len;
	} parts[PARTS_MAX];
	size_t n;       /* PARTS_MAX + 1: there are more */
	size_t deepest; /* parts that make the name of the innermost service */
	const char *own_name;
};

/* The last part is the instance's own name, if there is another for the service. One that is no label, as an
 * address with its port, is left out later. */
static void split(const char *path, bool is_service, struct place *ret)
{
	ret->n = 0;
	for (;;) {
		const size_t len = strcspn(path, "/");

		if (ret->n == PARTS_MAX) {
			ret->n++;
			return;
		}
		ret->parts[ret->n++] = (struct part){ path, len };
		if (path[len] == '\0')
			break;
		path += len + 1;
	}
	const bool has_name = ret->n > 1 || !is_service;
	ret->own_name = has_name ? path : NULL;
	ret->deepest = ret->n - has_name;
}

/* The first n parts turned around, with dots between: "inventory.east". False when that is too long, or a dot
 * in a part would pretend to be two. */
static bool join(const struct place *p, size_t n, char ret[SERVICE_NAME_SIZE])
{
	size_t at = 0;

	for (size_t i = n; i-- > 0;) {
		const struct part *part = &p->parts[i];

		if (part->len + 1 > SERVICE_NAME_SIZE - at || memchr(part->text, '.', part->len) != NULL)
			return false;
		memcpy(ret + at, part->text, part->len);
		at += part->len;
		ret[at++] = i > 0 ? '.' : '\0';
	}
	return n > 0;
}

/* What is wrong with the key of a place; DROP_NONE: nothing. */
static enum drop check_place(const struct place *p)
{
	char text[SERVICE_NAME_SIZE], folded[SERVICE_NAME_SIZE];

	if (p->n > PARTS_MAX)
		return DROP_LIMIT;
	return join(p, p->deepest, text) ? report_check_service(text, folded) : DROP_SERVICE_NAME;
}

/* --- records --- */

/* A key at work. */
struct record {
	struct snapshot_builder *b;
	const struct etcd_kv *kv;
	struct place place;
	bool nested; /* it is also of the services above its own */
	struct json_value *value;
	struct report report;
};

static int drop(const struct record *r, enum drop reason, const char *why)
{
	char text[192];

	snprintf(text, sizeof(text), "key \"%.100s\"%s%s%.60s", r->kv->key, r->kv->key_len > 100 ? "..." : "",
		 why[0] != '\0' ? ": " : "", why);
	snapshot_builder_drop(r->b, reason, text);
	return 0;
}

/* Calls add() for each service the record is of, the innermost one first. */
static int for_each_service(struct record *r, int (*add)(struct record *r))
{
	char service[SERVICE_NAME_SIZE];
	int status = 0;

	r->report.name = r->place.own_name;
	for (size_t n = r->place.deepest; status == 0 && n > 0 && join(&r->place, n, service); n--) {
		r->report.service = service;
		status = add(r);
		r->report.name = NULL;
		if (!r->nested)
			break;
	}
	return status;
}

static int add_instance(struct record *r)
{
	return snapshot_builder_add(r->b, &r->report);
}

/* A service is known even if none of its records is any good. */
static int add_service(struct record *r)
{
	return snapshot_builder_add_service(r->b, r->report.service);
}

static int drop_record(struct record *r, enum drop reason, const char *why)
{
	drop(r, reason, why);
	return for_each_service(r, add_service);
}

/* Go's decoder, for which these records are written, takes members in any case. */
static const struct json_value *find(const struct json_value *object, const char *name)
{
	const struct json_value *exact = json_get(object, name);
	struct json_member m = { 0 };

	while (exact == NULL && json_next_member(object, &m)) {
		if (text_equal_fold(m.key, name))
			return m.value;
	}
	return exact;
}

/* Leaves ret as it is for none and for 0, which to Go are the same. */
static void read_number(struct record *r, const struct json_value *v, const char *name, int64_t *ret)
{
	double number = 0;

	if (json_kind_of(v) > VALUE_NULL && !field_number(v, &number))
		snapshot_builder_remark(r->b, "key \"%.100s\": %s is no number, and ignored", r->kv->key,
					name);
	if (number > 0 && number < 1)
		number = 1;
	if (number != 0)
		*ret = number < 0 ? -1 : number > UINT16_MAX ? UINT16_MAX : (int64_t)number;
}

/* --- skydns --- */

/* What it has beyond the address. Of the members that CoreDNS knows:
 *
 * - weight: without it 100, as there. 0 is the same as none, so no record of this layout is drained.
 * - ttl is the highest TTL of answers with it. The life of a lease would be another, but is never below 30 s
 *   there, and no answer of ours lives longer; and when it ends, the key is deleted.
 * - targetstrip shortens the name that SRV records point to, which is made of the key. Ours point to the name
 *   that spells the address, or to the host as it is: there is nothing to strip.
 * - group hides, from a question for a name high up, those records further down that are of another group
 *   than the topmost. That is a decision over all keys below a name, made anew at each of their changes,
 *   while here every key speaks for itself; it becomes a tag, so that one group can be asked for.
 * - text and mail are for record types that we do not have. A text is kept for people to see. */
static void fill_skydns(struct record *r, struct metadata *text, const char **group)
{
	int64_t ttl_s = 0;

	r->report.weight = SKYDNS_WEIGHT;
	r->report.priority = SKYDNS_PRIORITY;
	read_number(r, find(r->value, "weight"), "weight", &r->report.weight);
	read_number(r, find(r->value, "priority"), "priority", &r->report.priority);
	read_number(r, find(r->value, "ttl"), "ttl", &ttl_s);
	if (ttl_s > 0)
		r->report.ttl_s = (uint32_t)ttl_s;

	*group = json_text(find(r->value, "group"));
	r->report.tags = group;
	r->report.n_tags = *group != NULL && **group != '\0';
	*text = (struct metadata){ "text", json_text(find(r->value, "text")) };
	r->report.metadata = text;
	r->report.n_metadata = text->value != NULL && text->value[0] != '\0';
}

static int read_skydns(struct record *r)
{
	const struct json_value *host = find(r->value, "host");
	struct metadata text;
	const char *group;

	fill_skydns(r, &text, &group);
	r->report.address = json_text(host);
	if (json_kind_of(host) > VALUE_NULL && r->report.address == NULL)
		return drop_record(r, DROP_SHAPE, "host is no text");
	if (r->report.address == NULL || r->report.address[0] == '\0') {
		/* For TXT records alone: the name exists, and nobody is at it. */
		if (r->report.n_metadata > 0)
			return for_each_service(r, add_service);
		return drop_record(r, DROP_ADDRESS, "no host");
	}
	if (!field_port(find(r->value, "port"), &r->report.port))
		return drop_record(r, DROP_PORT, "port");
	return for_each_service(r, add_instance);
}

/* --- naming --- */

struct metadata_room {
	struct metadata metadata[INSTANCE_METADATA_MAX];
	const char *tags[INSTANCE_TAGS_MAX];
	char *split; /* comma separated tags, taken apart */
};

static void add_metadata(struct record *r, struct metadata_room *room, const char *key, const char *value)
{
	if (value != NULL && r->report.n_metadata < INSTANCE_METADATA_MAX)
		room->metadata[r->report.n_metadata++] = (struct metadata){ key, value };
}

static void add_tag(struct record *r, struct metadata_room *room, const char *tag)
{
	if (tag != NULL && r->report.n_tags < INSTANCE_TAGS_MAX)
		room->tags[r->report.n_tags++] = tag;
}

static int fill_tags(struct record *r, struct metadata_room *room, const struct json_value *tags)
{
	for (size_t i = 0; i < json_count(tags); i++)
		add_tag(r, room, json_text(json_at(tags, i)));
	if (json_text(tags) == NULL)
		return 0;

	char *rest = room->split = strdup(json_text(tags));
	if (rest == NULL)
		return -ENOMEM;
	for (char *tag; (tag = strsep(&rest, ", \t")) != NULL;)
		add_tag(r, room, tag);
	return 0;
}

/* Programs put there what they like. What has the name of something that we know is taken for it; a weight of
 * 0 is that of an instance that is drained, as in all other registries. */
static int fill_naming(struct record *r, struct metadata_room *room)
{
	const struct json_value *given = find(r->value, "Metadata"), *weight = json_get(given, "weight");
	struct json_member m = { 0 };
	double number;

	r->report.metadata = room->metadata;
	r->report.tags = room->tags;
	add_metadata(r, room, "metadata", json_text(given));
	while (json_next_member(given, &m))
		add_metadata(r, room, m.key, json_text(m.value));
	r->report.zone = json_text(json_get(given, "zone"));
	read_number(r, weight, "weight", &r->report.weight);
	if (field_number(weight, &number) && number == 0)
		r->report.weight = 0;
	return fill_tags(r, room, json_get(given, "tags"));
}

/* Adds the instance at "10.0.0.1:80". */
static int add_at(struct record *r, const char *text)
{
	char host[NAME_OCTETS_MAX + 1];
	struct hostport parts;

	if (!hostport_from_text(text, strlen(text), &parts) || parts.host_len >= sizeof(host))
		return drop_record(r, DROP_ADDRESS, text);
	memcpy(host, parts.host, parts.host_len);
	host[parts.host_len] = '\0';
	r->report.address = host;
	r->report.port = parts.port;
	return for_each_service(r, add_instance);
}

static int read_naming(struct record *r)
{
	const char *address = json_text(find(r->value, "Addr"));
	struct metadata_room room = { .split = NULL };
	double op = 0;

	/* 1 is a deletion, which only updates on their way to etcd should have. */
	if (json_number(find(r->value, "Op"), &op) && op == 1)
		return 0;
	if (address == NULL || address[0] == '\0')
		return drop_record(r, DROP_ADDRESS, "no Addr");
	int status = fill_naming(r, &room);
	if (status == 0)
		status = add_at(r, address);
	free(room.split);
	return status;
}

/* --- both --- */

/* The value as a tree; 0 and NULL if it is none, and the reason told to the builder. */
static int load(struct record *r)
{
	struct json_reader reader;
	int status = json_begin(&reader, r->kv->value, r->kv->value_len, r->b);

	if (status == 0 && json_peek(&reader) != '{')
		status = json_refuse(&reader, "no object");
	if (status == 0)
		status = json_load(&reader, &r->value);
	if (status == 0)
		status = json_end(&reader);
	if (status == 0 && json_has_nul(r->value))
		status = json_refuse(&reader, "a NUL in a text");
	if (status == 0 || status == -ENOMEM)
		return status;
	json_free(r->value);
	r->value = NULL;
	return 0;
}

int etcd_read_record(enum etcd_layout layout, const char *path, const struct etcd_kv *kv,
		     struct snapshot_builder *b)
{
	const bool is_skydns = layout == ETCD_SKYDNS;
	struct record r = { .b = b, .kv = kv, .nested = is_skydns, .report = report_blank() };

	split(path, is_skydns, &r.place);
	const enum drop reason = check_place(&r.place);
	if (reason != DROP_NONE)
		return drop(&r, reason, "");
	if (kv->value == NULL)
		return drop_record(&r, DROP_SHAPE, kv->flaw);

	int status = load(&r);
	if (status == 0 && r.value == NULL)
		return drop_record(&r, DROP_SHAPE, snapshot_builder_error(b));
	if (status == 0)
		status = is_skydns ? read_skydns(&r) : read_naming(&r);
	json_free(r.value);
	return status;
}
