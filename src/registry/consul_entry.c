/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/consul_entry.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "registry/fields.h"

/* A member that is wanted, and what becomes of it. */
struct field {
	const char *name;
	int (*read)(struct consul_reading *r);
};

static int read_fields(struct consul_reading *r, const struct field *fields)
{
	struct pull_walk w;
	int status = pull_enter(&r->json, '{', &w);

	while (status >= 0 && (status = pull_step(&r->json, &w)) > 0) {
		const struct field *f = fields;

		while (f->name != NULL && !pull_is(&r->json, &w, f->name))
			f++;
		status = f->name != NULL ? f->read(r) : pull_skip(&r->json);
	}
	return status;
}

/* --- tags --- */

/* The bits of all that are wanted; of more than 64 the first, as no instance has more. */
static uint64_t all_wanted(const char *const *wanted)
{
	uint64_t bits = 0;

	for (unsigned i = 0; wanted != NULL && i < 64 && wanted[i] != NULL; i++)
		bits |= UINT64_C(1) << i;
	return bits;
}

static uint64_t match(const char *const *wanted, const char *tag)
{
	uint64_t bits = 0;

	for (unsigned i = 0; wanted != NULL && i < 64 && wanted[i] != NULL; i++)
		bits |= strcmp(wanted[i], tag) == 0 ? UINT64_C(1) << i : 0;
	return bits;
}

static int take_tag(struct consul_reading *r)
{
	struct consul_entry *e = &r->entry;
	const size_t at = r->room.len;
	const char *tag;
	int status = pull_text(&r->json, &r->room, &tag);

	if (status < 0 || tag == NULL)
		return status;
	e->found |= match(r->wanted, tag);
	if (e->n_tags < INSTANCE_TAGS_MAX)
		e->tags[e->n_tags++] = tag;
	else
		r->room.len = at;
	return 0;
}

static int read_tags(struct consul_reading *r)
{
	struct pull_walk w;
	int status = pull_enter(&r->json, '[', &w);

	while (status >= 0 && (status = pull_step(&r->json, &w)) > 0)
		status = take_tag(r);
	return status;
}

bool consul_entry_is_wanted(const struct consul_reading *r)
{
	return r->entry.found == all_wanted(r->wanted);
}

int consul_match_tags(struct json_reader *json, const char *const *wanted, bool *ret)
{
	struct buffer room = { .limit = PULL_TEXT_MAX + 1 };
	uint64_t found = 0;
	struct pull_walk w;
	int status = pull_enter(json, '[', &w);

	while (status >= 0 && (status = pull_step(json, &w)) > 0) {
		const char *tag;

		buffer_clear(&room);
		status = pull_text(json, &room, &tag);
		if (status == 0 && tag != NULL)
			found |= match(wanted, tag);
	}
	buffer_finish(&room);
	if (status == 0)
		*ret = found == all_wanted(wanted);
	return status;
}

/* --- metadata and zones --- */

/* "zone" is the word that Consul's own redundancy zones use; the others are what people write. */
static void note_zone(const char *key, const char *value, const char **zone)
{
	if (value[0] == '\0')
		return;
	if (strcmp(key, "zone") == 0 || (*zone == NULL && (strcmp(key, "availability_zone") == 0 ||
							   strcmp(key, "availability-zone") == 0)))
		*zone = value;
}

/* Keeps as much as fits if the metadata is the service's. */
static int take_metadata(struct consul_reading *r, const struct pull_walk *w, bool keep, const char **zone)
{
	struct consul_entry *e = &r->entry;
	const size_t at = r->room.len;
	const char *before = *zone, *key, *value;
	int status = pull_name(&r->json, w, &r->room, &key);

	if (status == 0)
		status = pull_text(&r->json, &r->room, &value);
	if (status < 0)
		return status;
	if (key != NULL && value != NULL)
		note_zone(key, value, zone);
	if (key != NULL && value != NULL && keep && e->n_metadata < INSTANCE_METADATA_MAX)
		e->metadata[e->n_metadata++] = (struct metadata){ key, value };
	else if (*zone == before)
		r->room.len = at;
	return 0;
}

static int read_metadata(struct consul_reading *r, bool keep, const char **zone)
{
	struct pull_walk w;
	int status = pull_enter(&r->json, '{', &w);

	while (status >= 0 && (status = pull_step(&r->json, &w)) > 0)
		status = take_metadata(r, &w, keep, zone);
	return status;
}

static int read_service_meta(struct consul_reading *r)
{
	return read_metadata(r, true, &r->entry.zones[ZONE_SERVICE_META]);
}

static int read_node_meta(struct consul_reading *r)
{
	return read_metadata(r, false, &r->entry.zones[ZONE_NODE_META]);
}

/* {"Region":...,"Zone":...}, of servers since 1.17. */
static int read_locality(struct consul_reading *r, const char **zone)
{
	struct pull_walk w;
	int status = pull_enter(&r->json, '{', &w);

	while (status >= 0 && (status = pull_step(&r->json, &w)) > 0)
		status = pull_is(&r->json, &w, "Zone") ? pull_text(&r->json, &r->room, zone)
						       : pull_skip(&r->json);
	return status;
}

static int read_service_locality(struct consul_reading *r)
{
	return read_locality(r, &r->entry.zones[ZONE_SERVICE_LOCALITY]);
}

static int read_node_locality(struct consul_reading *r)
{
	return read_locality(r, &r->entry.zones[ZONE_NODE_LOCALITY]);
}

/* --- health --- */

static int pull_scratch(struct consul_reading *r, const char **ret)
{
	const size_t at = r->room.len;
	int status = pull_text(&r->json, &r->room, ret);

	r->room.len = at;
	return status;
}

/* Maintenance is a check of Consul's own; that it exists is what counts. */
static bool is_maintenance(const char *id)
{
	static const char of_service[] = "_service_maintenance:";

	return strcmp(id, "_node_maintenance") == 0 || strncmp(id, of_service, sizeof(of_service) - 1) == 0;
}

/* A word nobody knows is neither passing nor critical, and Consul's own DNS server hands such an instance out
 * as it does one with a warning. */
static enum health health_of_word(const char *word)
{
	if (word != NULL && text_equal_fold(word, "passing"))
		return HEALTH_PASSING;
	return word != NULL && text_equal_fold(word, "critical") ? HEALTH_CRITICAL : HEALTH_WARNING;
}

static int read_check(struct consul_reading *r)
{
	enum health health = HEALTH_WARNING;
	bool maintenance = false;
	struct pull_walk w;
	int status = pull_enter(&r->json, '{', &w);

	while (status >= 0 && (status = pull_step(&r->json, &w)) > 0) {
		const char *text;

		if (pull_is(&r->json, &w, "Status")) {
			status = pull_scratch(r, &text);
			health = status == 0 ? health_of_word(text) : health;
		} else if (pull_is(&r->json, &w, "CheckID")) {
			status = pull_scratch(r, &text);
			maintenance = status == 0 && text != NULL && is_maintenance(text);
		} else {
			status = pull_skip(&r->json);
		}
	}
	health = maintenance ? HEALTH_CRITICAL : health;
	if (health > r->entry.health)
		r->entry.health = health;
	return status;
}

/* The worst of all checks, those of the node as well: a green check says nothing when the agent that ran it
 * has gone. Without any an instance passes. */
static int read_checks(struct consul_reading *r)
{
	struct pull_walk w;
	int status = pull_enter(&r->json, '[', &w);

	while (status >= 0 && (status = pull_step(&r->json, &w)) > 0)
		status = read_check(r);
	return status;
}

/* --- numbers --- */

static int read_port(struct consul_reading *r)
{
	struct json_value *value;
	uint64_t digits;

	r->entry.bad_port = false;
	if (pull_digits(&r->json, &digits)) {
		r->entry.port = (int64_t)digits; /* which may be too large: report_check() says so */
		return 0;
	}
	int status = json_load(&r->json, &value);
	if (status < 0)
		return status;
	r->entry.bad_port = !field_port(value, &r->entry.port);
	json_free(value);
	return 0;
}

/* Only a weight of 0 means drained; nothing else is rounded to it. Missing weights are 1, as in Consul. */
static int64_t bound_weight(double weight)
{
	if (weight > 0 && weight < 1)
		return 1;
	return weight < 0 ? 1 : weight > UINT16_MAX ? UINT16_MAX : (int64_t)weight;
}

static int read_weight(struct consul_reading *r, int64_t *ret)
{
	struct json_value *value;
	uint64_t digits;
	double weight;

	if (pull_digits(&r->json, &digits)) {
		*ret = digits < UINT16_MAX ? (int64_t)digits : UINT16_MAX;
		return 0;
	}
	int status = json_load(&r->json, &value);
	if (status < 0)
		return status;
	*ret = json_number(value, &weight) ? bound_weight(weight) : 1;
	json_free(value);
	return 0;
}

static int read_passing(struct consul_reading *r)
{
	return read_weight(r, &r->entry.passing);
}

static int read_warning(struct consul_reading *r)
{
	return read_weight(r, &r->entry.warning);
}

static int read_weights(struct consul_reading *r)
{
	static const struct field fields[] = { { "Passing", read_passing },
					       { "Warning", read_warning },
					       { NULL, NULL } };

	return read_fields(r, fields);
}

/* --- who and where --- */

static int read_id(struct consul_reading *r)
{
	return pull_text(&r->json, &r->room, &r->entry.id);
}

static int read_node_address(struct consul_reading *r)
{
	return pull_text(&r->json, &r->room, &r->entry.node_address);
}

/* An empty address, or none, stands for the node's. One that is no text, or has a NUL inside, must not pass
 * for an empty one. */
static int read_address(struct consul_reading *r)
{
	struct consul_entry *e = &r->entry;
	const bool is_null = json_peek(&r->json) == 'n';
	int status = pull_text(&r->json, &r->room, &e->address);

	e->has_address = !is_null && (e->address == NULL || e->address[0] != '\0');
	return status;
}

/* The names are those of each form. Tagged addresses are left alone: they are what other networks call the
 * instance (wan, the virtual one of a mesh), and Consul's DNS does not answer them to its own datacenter
 * either; an agent with translate_wan_addrs has put them into the address by itself. */
static int read_service(struct consul_reading *r)
{
	static const struct field fields[] = {
		{ "ID", read_id },
		{ "Tags", read_tags },
		{ "Address", read_address },
		{ "Port", read_port },
		{ "Weights", read_weights },
		{ "Meta", read_service_meta },
		{ "Locality", read_service_locality },
		{ NULL, NULL },
	};

	r->entry.is_service = json_peek(&r->json) == '{';
	return read_fields(r, fields);
}

static int read_node(struct consul_reading *r)
{
	static const struct field fields[] = { { "Address", read_node_address },
					       { "Meta", read_node_meta },
					       { "Locality", read_node_locality },
					       { NULL, NULL } };

	return read_fields(r, fields);
}

static int read_health_entry(struct consul_reading *r)
{
	static const struct field fields[] = {
		{ "Node", read_node }, { "Service", read_service }, { "Checks", read_checks }, { NULL, NULL }
	};

	return read_fields(r, fields);
}

static int read_catalog_entry(struct consul_reading *r)
{
	static const struct field fields[] = {
		{ "Address", read_node_address },
		{ "NodeMeta", read_node_meta },
		{ "Locality", read_node_locality },
		{ "ServiceID", read_id },
		{ "ServiceTags", read_tags },
		{ "ServiceAddress", read_address },
		{ "ServicePort", read_port },
		{ "ServiceWeights", read_weights },
		{ "ServiceMeta", read_service_meta },
		{ "ServiceLocality", read_service_locality },
		{ NULL, NULL },
	};

	r->entry.is_service = json_peek(&r->json) == '{';
	return read_fields(r, fields);
}

int consul_entry_read(struct consul_reading *r)
{
	r->entry = (struct consul_entry){ .passing = 1, .warning = 1 };
	buffer_clear(&r->room);
	int status = r->mode == CONSUL_CATALOG ? read_catalog_entry(r) : read_health_entry(r);
	return status == -EFBIG ? json_refuse(&r->json, "an instance with too many texts") : status;
}
