/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_consul_state.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the first node of an empty data centre has used up already. */
enum { FIRST_INDEX = 14, RESET_INDEX = 3 };

static const char ITSELF[] =
	"[{\"Node\":{\"ID\":\"7c0e6a52-0000-4000-8000-000000000001\",\"Node\":\"server-1\",\"Address\":\"127.0.0.1\","
	"\"Datacenter\":\"dc1\",\"TaggedAddresses\":{\"lan\":\"127.0.0.1\"},\"Meta\":{},\"CreateIndex\":11,"
	"\"ModifyIndex\":13},\"Service\":{\"ID\":\"consul\",\"Service\":\"consul\",\"Tags\":[],\"Address\":\"\","
	"\"Meta\":null,\"Port\":8300,\"Weights\":{\"Passing\":1,\"Warning\":1},\"EnableTagOverride\":false,"
	"\"CreateIndex\":13,\"ModifyIndex\":13},\"Checks\":[{\"Node\":\"server-1\",\"CheckID\":\"serfHealth\","
	"\"Name\":\"Serf Health Status\",\"Status\":\"passing\",\"Notes\":\"\",\"Output\":\"Agent alive and reachable\","
	"\"ServiceID\":\"\",\"ServiceName\":\"\",\"ServiceTags\":[]}]}]";

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct consul_service *)a)->name, ((const struct consul_service *)b)->name);
}

static void forget(struct consul_service *service)
{
	json_decref(service->entries);
	free(service->body);
	free(service->line);
	service->entries = NULL;
	service->body = NULL;
	service->line = NULL;
}

static void free_service(void *p)
{
	struct consul_service *service = p;

	forget(service);
	free(service->name);
	free(service);
}

void consul_state_init(struct consul_state *s)
{
	*s = (struct consul_state){ .index = FIRST_INDEX - 1 };
	consul_state_put(s, consul_state_service(s, "consul"), ITSELF);
}

void consul_state_finish(struct consul_state *s)
{
	tdestroy(s->services, free_service);
	s->services = NULL;
}

struct consul_service *consul_state_service(struct consul_state *s, const char *name)
{
	const struct consul_service key = { .name = (char *)(uintptr_t)name };
	struct consul_service **place = tfind(&key, &s->services, by_name);

	if (place != NULL)
		return *place;
	struct consul_service *service = fake_new(sizeof(*service));
	service->name = fake_copy(name);
	LIST_INIT(&service->waits);
	fake_must(tsearch(service, &s->services, by_name) != NULL, "out of memory");
	return service;
}

struct visit {
	void (*visit)(struct consul_service *service, void *context);
	void *context;
};

static void visit_one(const void *node, VISIT which, void *context)
{
	const struct visit *v = context;

	if (which == postorder || which == leaf) /* tsearch's word for "between its children" */
		v->visit(*(struct consul_service *const *)node, v->context);
}

void consul_state_each(struct consul_state *s, void (*visit)(struct consul_service *, void *), void *context)
{
	twalk_r(s->services, visit_one, &(struct visit){ visit, context });
}

uint64_t consul_state_index(const struct consul_state *s, const struct consul_service *service)
{
	if (service->body != NULL)
		return service->index;
	return s->gone_index > 0 ? s->gone_index : s->index;
}

/* --- changes --- */

static bool has_text(const json_t *list, const char *text)
{
	size_t i;
	json_t *element;

	json_array_foreach(list, i, element)
	{
		if (json_is_string(element) && strcmp(json_string_value(element), text) == 0)
			return true;
	}
	return false;
}

static char *write_json(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	fake_must(text != NULL, "out of memory");
	return text;
}

static char *make_line(const char *name, const json_t *entries)
{
	json_t *line = json_object(), *all = json_array();
	size_t i, k;
	json_t *entry, *tag;

	json_array_foreach(entries, i, entry)
	{
		json_array_foreach(json_object_get(json_object_get(entry, "Service"), "Tags"), k, tag)
		{
			if (json_is_string(tag) && !has_text(all, json_string_value(tag)))
				json_array_append(all, tag);
		}
	}
	fake_must(json_object_set_new(line, name, all) == 0, "the name of a service is no UTF-8");
	char *text = write_json(line);
	json_decref(line);
	return text;
}

/* Takes over entries, or the body if there are none to be read. */
static bool replace(struct consul_state *s, struct consul_service *service, json_t *entries, char *body)
{
	const bool there = service->body != NULL;

	forget(service);
	if (entries != NULL && json_array_size(entries) == 0) {
		json_decref(entries);
		free(body);
		if (there)
			s->gone_index = s->services_index = ++s->index;
		return there;
	}
	s->services_index = ++s->index;
	service->index = s->index;
	service->entries = entries;
	service->body = body != NULL ? body : write_json(entries);
	service->line = make_line(service->name, entries);
	return false;
}

bool consul_state_put(struct consul_state *s, struct consul_service *service, const char *body)
{
	json_t *entries = json_loads(body, JSON_ALLOW_NUL, NULL);

	if (!json_is_array(entries)) {
		json_decref(entries);
		entries = NULL;
	}
	return replace(s, service, entries, fake_copy(body));
}

static bool is_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value != NULL && strcmp(value, text) == 0;
}

/* The entries without the instance. */
static json_t *without(const struct consul_service *service, const char *node, const char *service_id)
{
	json_t *rest = json_array();
	size_t i;
	json_t *entry;

	json_array_foreach(service->entries, i, entry)
	{
		if (!is_text(json_object_get(entry, "Node"), "Node", node) ||
		    !is_text(json_object_get(entry, "Service"), "ID", service_id))
			json_array_append(rest, entry);
	}
	return rest;
}

bool consul_state_deregister(struct consul_state *s, struct consul_service *service, const char *node,
			     const char *service_id)
{
	return replace(s, service, without(service, node, service_id), NULL);
}

static json_t *make_tags(const char *tags)
{
	json_t *list = json_array();
	char *copy = fake_copy(tags != NULL ? tags : "");
	char *rest = copy;

	for (char *tag = strtok_r(copy, ",", &rest); tag != NULL; tag = strtok_r(NULL, ",", &rest))
		json_array_append_new(list, json_string(tag));
	free(copy);
	return list;
}

static json_t *make_check(const char *node, const char *check_id, const char *name, const char *status,
			  const char *service_id, const char *service)
{
	return json_pack("{ss ss ss ss ss ss ss ss s[]}", "Node", node, "CheckID", check_id, "Name", name,
			 "Status", status, "Notes", "", "Output", "", "ServiceID", service_id, "ServiceName",
			 service, "ServiceTags");
}

static json_t *make_node(const struct consul_state *s, const char *name, const char *address)
{
	return json_pack("{ss ss ss ss s{ss} s{} sI sI}", "ID", "", "Node", name, "Address", address,
			 "Datacenter", "dc1", "TaggedAddresses", "lan", address, "Meta", "CreateIndex",
			 (json_int_t)s->index + 1, "ModifyIndex", (json_int_t)s->index + 1);
}

static json_t *make_service(const struct consul_state *s, const char *name, const char *id,
			    const struct fake_consul_instance *i)
{
	json_t *meta = i->meta != NULL ? json_loads(i->meta, 0, NULL) : json_object();

	fake_must(json_is_object(meta), "meta is no JSON object");
	return json_pack("{ss ss so ss so si s{si si} sb sI sI}", "ID", id, "Service", name, "Tags",
			 make_tags(i->tags), "Address", i->address != NULL ? i->address : "", "Meta", meta,
			 "Port", (int)i->port, "Weights", "Passing",
			 i->weight_passing > 0 ? (int)i->weight_passing : 1, "Warning",
			 i->weight_warning > 0 ? (int)i->weight_warning : 1, "EnableTagOverride", 0,
			 "CreateIndex", (json_int_t)s->index + 1, "ModifyIndex", (json_int_t)s->index + 1);
}

bool consul_state_register(struct consul_state *s, struct consul_service *service,
			   const struct fake_consul_instance *i)
{
	const char *node = i->node != NULL ? i->node : "node-1";
	const char *status = i->status != NULL ? i->status : "passing";
	char made_id[300], check_id[320];

	snprintf(made_id, sizeof(made_id), "%s-%u", service->name, i->port);
	const char *id = i->service_id != NULL ? i->service_id : made_id;
	snprintf(check_id, sizeof(check_id), "service:%s", id);
	json_t *entries = without(service, node, id);
	json_array_append_new(
		entries, json_pack("{so so s[oo]}", "Node",
				   make_node(s, node, i->node_address != NULL ? i->node_address : "10.0.0.1"),
				   "Service", make_service(s, service->name, id, i), "Checks",
				   make_check(node, "serfHealth", "Serf Health Status", "passing", "", ""),
				   make_check(node, check_id, "Service check", status, id, service->name)));
	return replace(s, service, entries, NULL);
}

static void set_check(json_t *entry, const char *node, const char *service_id, const char *check_id,
		      const char *status)
{
	json_t *checks = json_object_get(entry, "Checks");
	size_t i;
	json_t *check;

	json_array_foreach(checks, i, check)
	{
		if (!is_text(check, "CheckID", check_id))
			continue;
		if (status == NULL)
			json_array_remove(checks, i);
		else
			json_object_set_new(check, "Status", json_string(status));
		return;
	}
	if (status == NULL)
		return;
	const char *service =
		json_string_value(json_object_get(json_object_get(entry, "Service"), "Service"));
	json_array_append_new(checks, make_check(node, check_id, check_id, status, service_id,
						 service_id[0] != '\0' && service != NULL ? service : ""));
}

bool consul_service_set_check(struct consul_service *service, const char *node, const char *service_id,
			      const char *check_id, const char *status)
{
	bool found = false;
	size_t i;
	json_t *entry;

	json_array_foreach(service->entries, i, entry)
	{
		if (!is_text(json_object_get(entry, "Node"), "Node", node) ||
		    (service_id[0] != '\0' && !is_text(json_object_get(entry, "Service"), "ID", service_id)))
			continue;
		set_check(entry, node, service_id, check_id, status);
		found = true;
	}
	if (!found)
		return false;
	free(service->body);
	service->body = write_json(service->entries);
	return true;
}

static void reset_service(struct consul_service *service, void *context)
{
	service->index = *(uint64_t *)context;
}

void consul_state_reset(struct consul_state *s)
{
	s->index = RESET_INDEX;
	s->services_index = RESET_INDEX;
	s->gone_index = 0;
	consul_state_each(s, reset_service, &s->index);
}

/* --- bodies --- */

static bool is_passing(const json_t *entry)
{
	size_t i;
	json_t *check;

	json_array_foreach(json_object_get(entry, "Checks"), i, check)
	{
		if (!is_text(check, "Status", "passing"))
			return false;
	}
	return true;
}

static bool has_tags(const json_t *entry, const struct fake_request *x)
{
	const json_t *tags = json_object_get(json_object_get(entry, "Service"), "Tags");

	for (size_t i = 0; i < x->n_params; i++) {
		if (strcmp(x->params[i].name, "tag") == 0 && !has_text(tags, x->params[i].value))
			return false;
	}
	return true;
}

/* One entry of catalog/service: the same facts flat, under other names, and without checks. */
static json_t *make_catalog_entry(const json_t *entry)
{
	static const char *const names[][3] = {
		{ "Node", "ID", "ID" },
		{ "Node", "Node", "Node" },
		{ "Node", "Address", "Address" },
		{ "Node", "Datacenter", "Datacenter" },
		{ "Node", "TaggedAddresses", "TaggedAddresses" },
		{ "Node", "Meta", "NodeMeta" },
		{ "Service", "Kind", "ServiceKind" },
		{ "Service", "ID", "ServiceID" },
		{ "Service", "Service", "ServiceName" },
		{ "Service", "Tags", "ServiceTags" },
		{ "Service", "Address", "ServiceAddress" },
		{ "Service", "TaggedAddresses", "ServiceTaggedAddresses" },
		{ "Service", "Weights", "ServiceWeights" },
		{ "Service", "Meta", "ServiceMeta" },
		{ "Service", "Port", "ServicePort" },
		{ "Service", "EnableTagOverride", "ServiceEnableTagOverride" },
		{ "Service", "CreateIndex", "CreateIndex" },
		{ "Service", "ModifyIndex", "ModifyIndex" },
	};
	json_t *flat = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *value = json_object_get(json_object_get(entry, names[i][0]), names[i][1]);

		if (value != NULL)
			json_object_set(flat, names[i][2], value);
	}
	return flat;
}

static void write_entries(json_t *entries, struct fake_octets *ret)
{
	char *text = write_json(entries);

	fake_octets_text(ret, text);
	free(text);
	json_decref(entries);
}

void consul_write_health(const struct consul_service *service, bool passing, const struct fake_request *x,
			 struct fake_octets *ret)
{
	size_t i;
	json_t *entry;

	if (service->entries == NULL || (!passing && fake_request_param(x, "tag") == NULL)) {
		fake_octets_text(ret, service->body != NULL ? service->body : "[]");
		return;
	}
	json_t *kept = json_array();
	json_array_foreach(service->entries, i, entry)
	{
		if ((!passing || is_passing(entry)) && has_tags(entry, x))
			json_array_append(kept, entry);
	}
	write_entries(kept, ret);
}

void consul_write_catalog(const struct consul_service *service, const struct fake_request *x,
			  struct fake_octets *ret)
{
	size_t i;
	json_t *entry;

	if (service->entries == NULL) {
		fake_octets_text(ret, service->body != NULL ? service->body : "[]");
		return;
	}
	json_t *kept = json_array();
	json_array_foreach(service->entries, i, entry)
	{
		if (has_tags(entry, x))
			json_array_append_new(kept, make_catalog_entry(entry));
	}
	write_entries(kept, ret);
}

struct services_body {
	const char *prefix;
	struct fake_octets *ret;
	bool left_out, begun;
};

static void write_service(struct consul_service *service, void *context)
{
	struct services_body *b = context;

	if (service->body == NULL)
		return;
	if (strncmp(service->name, b->prefix, strlen(b->prefix)) != 0) {
		b->left_out = true;
		return;
	}
	if (b->begun)
		fake_octets_add(b->ret, ",", 1);
	fake_octets_add(b->ret, service->line + 1, strlen(service->line) - 2); /* without its braces */
	b->begun = true;
}

bool consul_write_services(struct consul_state *s, const char *prefix, struct fake_octets *ret)
{
	struct services_body b = { .prefix = prefix, .ret = ret };

	fake_octets_text(ret, "{");
	consul_state_each(s, write_service, &b);
	fake_octets_text(ret, "}");
	return b.left_out;
}
