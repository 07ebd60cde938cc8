/* SPDX-License-Identifier: BSD-2-Clause */
/* The instances of one service, in the two forms Consul has for them.
 *
 *   health   [{"Node":{"Address":...},"Service":{"ID":...,"Address":...,"Port":...},"Checks":[...]}]
 *   catalog  [{"Address":...,"ServiceID":...,"ServiceAddress":...,"ServicePort":...}]
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "registry/consul.h"
#include "registry/fields.h"
#include "registry/json.h"

/* Where each form keeps what we want. */
struct form {
	const char *service, *node; /* members that hold the rest; NULL: the element does */
	const char *id, *tags, *address, *port, *weights, *meta, *locality, *node_meta;
	const char *checks; /* NULL: it has none */
};

static const struct form forms[] = {
	[CONSUL_HEALTH] = { "Service", "Node", "ID", "Tags", "Address", "Port", "Weights", "Meta", "Locality",
			    "Meta", "Checks" },
	[CONSUL_CATALOG] = { NULL, NULL, "ServiceID", "ServiceTags", "ServiceAddress", "ServicePort",
			     "ServiceWeights", "ServiceMeta", "ServiceLocality", "NodeMeta", NULL },
};

struct reading {
	const struct form *form;
	const char *const *wanted; /* tags */
	const char *service;
	struct snapshot_builder *b;
	size_t n; /* instances with the wanted tags */
};

/* One element, and its report that borrows from it. */
struct entry {
	const struct json_value *service, *node, *checks;
	struct report report;
	const char *tags[INSTANCE_TAGS_MAX];
	struct metadata metadata[INSTANCE_METADATA_MAX];
};

static int drop(struct reading *r, enum drop reason, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "%.80s of \"%.60s\"", what, r->service);
	snapshot_builder_drop(r->b, reason, text);
	return 0;
}

bool consul_has_tags(const struct json_value *tags, const char *const *wanted)
{
	for (; wanted != NULL && *wanted != NULL; wanted++) {
		size_t i = 0, n = json_count(tags);

		for (; i < n; i++) {
			const char *tag = json_text(json_at(tags, i));

			if (tag != NULL && strcmp(tag, *wanted) == 0)
				break;
		}
		if (i == n)
			return false;
	}
	return true;
}

/* Maintenance is a check of Consul's own; that it exists is what counts. A word nobody knows is neither
 * passing nor critical, and Consul's own DNS server hands such an instance out as it does one with a warning.
 */
static enum health health_of_check(const struct json_value *check)
{
	static const char service_maintenance[] = "_service_maintenance:";
	const char *id = json_text(json_get(check, "CheckID"));
	const char *status = json_text(json_get(check, "Status"));

	if (id != NULL && (strcmp(id, "_node_maintenance") == 0 ||
			   strncmp(id, service_maintenance, sizeof(service_maintenance) - 1) == 0))
		return HEALTH_CRITICAL;
	if (status != NULL && text_equal_fold(status, "passing"))
		return HEALTH_PASSING;
	return status != NULL && text_equal_fold(status, "critical") ? HEALTH_CRITICAL : HEALTH_WARNING;
}

/* The worst of all checks, those of the node as well: a green check says nothing when the agent that ran it
 * has gone. Without any an instance passes. */
static enum health worst_health(const struct json_value *checks)
{
	enum health worst = HEALTH_PASSING;

	for (size_t i = 0; i < json_count(checks); i++) {
		const enum health health = health_of_check(json_at(checks, i));

		if (health > worst)
			worst = health;
	}
	return worst;
}

/* Only a weight of 0 means drained; nothing else is rounded to it. Missing weights are 1, as in Consul. */
static int64_t weight_of(const struct json_value *weights, enum health health)
{
	double weight;

	if (!json_number(json_get(weights, health == HEALTH_WARNING ? "Warning" : "Passing"), &weight))
		return 1;
	if (weight > 0 && weight < 1)
		return 1;
	return weight < 0 ? -1 : weight > UINT16_MAX ? UINT16_MAX : (int64_t)weight;
}

/* Newer servers know a locality; everybody else writes the zone into the metadata, "zone" being the word that
 * Consul's own redundancy zones use. What is said of the service goes before what is said of its node. */
static const char *zone_of(const struct form *form, const struct entry *e)
{
	static const char *const locality[] = { "Zone", "zone", NULL };
	static const char *const meta[] = { "zone", "availability_zone", "availability-zone", NULL };
	const char *zone = field_text(json_get(e->service, form->locality), locality);

	if (zone == NULL)
		zone = field_text(json_get(e->service, form->meta), meta);
	if (zone == NULL)
		zone = field_text(json_get(e->node, "Locality"), locality);
	return zone != NULL ? zone : field_text(json_get(e->node, form->node_meta), meta);
}

static void fill_lists(const struct form *form, struct entry *e)
{
	const struct json_value *tags = json_get(e->service, form->tags);
	struct json_member m = { 0 };

	e->report.tags = e->tags;
	e->report.metadata = e->metadata;
	for (size_t i = 0; i < json_count(tags) && e->report.n_tags < INSTANCE_TAGS_MAX; i++) {
		const char *tag = json_text(json_at(tags, i));

		if (tag != NULL)
			e->tags[e->report.n_tags++] = tag;
	}
	while (e->report.n_metadata < INSTANCE_METADATA_MAX &&
	       json_next_member(json_get(e->service, form->meta), &m)) {
		const char *value = json_text(m.value);

		if (value != NULL)
			e->metadata[e->report.n_metadata++] = (struct metadata){ m.key, value };
	}
}

/* An empty address stands for the node's. Tagged addresses are left alone: they are what other networks call
 * the instance (wan, the virtual one of a mesh), and Consul's DNS does not answer them to its own datacenter
 * either; an agent with translate_wan_addrs has put them into the address by itself. A text with a NUL is no
 * address, and must not pass for an empty one. */
static const char *address_of(const struct form *form, const struct entry *e)
{
	const struct json_value *own = json_get(e->service, form->address);
	const char *text = json_text(own);

	if (json_kind_of(own) > VALUE_NULL && (text == NULL || text[0] != '\0'))
		return text;
	return json_text(json_get(e->node, "Address"));
}

static int add(struct reading *r, struct entry *e)
{
	e->report = report_blank();
	e->report.service = r->service;
	e->report.address = address_of(r->form, e);
	if (e->report.address == NULL)
		return drop(r, DROP_ADDRESS, "an instance without address");
	if (!field_port(json_get(e->service, r->form->port), &e->report.port))
		return drop(r, DROP_PORT, e->report.address);
	e->report.name = json_text(json_get(e->service, r->form->id));
	e->report.health = worst_health(e->checks);
	e->report.weight = weight_of(json_get(e->service, r->form->weights), e->report.health);
	e->report.zone = zone_of(r->form, e);
	fill_lists(r->form, e);
	return snapshot_builder_add(r->b, &e->report);
}

static const struct json_value *member(const struct json_value *element, const char *key)
{
	return key != NULL ? json_get(element, key) : element;
}

static int take(void *context, const struct json_value *element)
{
	struct reading *r = context;
	struct entry e = { .service = member(element, r->form->service),
			   .node = member(element, r->form->node),
			   .checks = json_get(element, r->form->checks) };

	if (json_kind_of(e.service) != VALUE_OBJECT)
		return drop(r, DROP_SHAPE, "something that is no instance");
	if (!consul_has_tags(json_get(e.service, r->form->tags), r->wanted))
		return 0;
	r->n++;
	return add(r, &e);
}

int consul_read_service(const struct consul_options *o, const struct consul_resource *c,
			const struct fetch_result *res, struct snapshot_builder *b, size_t *ret)
{
	struct reading r = { .form = &forms[o->mode], .wanted = o->tags, .service = c->service, .b = b };
	struct json_reader json;
	int status = json_begin(&json, res->body, res->len, b);

	if (status == 0)
		status = json_each(&json, take, &r);
	if (status == 0)
		status = json_end(&json);
	if (status == 0)
		status = snapshot_builder_add_service(b, c->service);
	if (status == 0)
		*ret = r.n;
	return status;
}
