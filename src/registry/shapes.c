/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/shapes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "registry/elements.h"
#include "registry/json.h"

enum {
	/* {"data":{"services":{"inventory":{"instances":[ is the deepest shape that means something. */
	NESTING_MAX = 8,
};

struct reader {
	struct json_reader json;
	struct elements elements;
};

/* Where the members that decide about an object's shape are; 0: there is none. */
struct outline {
	size_t service, instances, list, code;
	size_t n_members, n_containers, n_nulls;
};

static void note_member(struct outline *o, const char *key, size_t at, char first)
{
	o->n_members++;
	o->n_containers += first == '[' || first == '{';
	o->n_nulls += first == 'n';
	if (strcmp(key, "service") == 0)
		o->service = at;
	else if (strcmp(key, "instances") == 0)
		o->instances = at;
	else if (strcmp(key, "services") == 0 || (strcmp(key, "data") == 0 && o->list == 0))
		o->list = at;
	else if (strcmp(key, "code") == 0)
		o->code = at;
}

/* Members come in any order, and "service" may be behind the instances: looks ahead over the object, and
 * stays in front of it. */
static int outline_object(struct reader *r, struct outline *ret)
{
	const size_t start = r->json.at;
	struct outline o = { 0 };
	struct json_walk w;
	int status = json_enter(&r->json, &w);

	while (status >= 0 && (status = json_step(&r->json, &w)) > 0) {
		note_member(&o, json_key(&w), r->json.at, json_peek(&r->json));
		json_skip(&r->json);
	}
	json_leave(&w);
	r->json.at = start;
	if (status == 0)
		*ret = o;
	else if (status == -EBADMSG)
		json_validate(&r->json); /* which finds the place where it really is broken */
	return status;
}

static int load_at(struct reader *r, size_t at, struct json_value **ret)
{
	const size_t start = r->json.at;

	r->json.at = at;
	int status = json_load(&r->json, ret);
	if (status == 0)
		r->json.at = start;
	return status;
}

static int read_shape(struct reader *r, unsigned depth);

/* The list a body is, or has in it; service is what is said around it, or NULL. */
struct list {
	struct elements *elements;
	const char *service;
};

static int take_element(void *context, const struct json_value *element)
{
	const struct list *list = context;

	return elements_take(list->elements, list->service, element);
}

static int read_list(struct reader *r, const char *service)
{
	struct list list = { .elements = &r->elements, .service = service };

	return json_each(&r->json, take_element, &list);
}

/* The instances of a service the body names. null is how some languages write an empty list. */
static int read_service(struct reader *r, const char *service)
{
	const size_t n_before = r->elements.n_reported;
	int status;

	r->elements.n_named++;
	if (json_peek(&r->json) == '[')
		status = read_list(r, service);
	else if (json_peek(&r->json) == 'n')
		status = json_validate(&r->json);
	else
		return json_refuse(&r->json, "a list of instances was expected");
	return status < 0 ? status : elements_make_known(&r->elements, n_before, service);
}

/* Walks over the object and reads the value at content; all others need only be JSON. service
 * is borrowed; without it, content is another shape of its own. */
static int read_content(struct reader *r, size_t content, const char *service, unsigned depth)
{
	struct json_walk w;
	int status = json_enter(&r->json, &w);

	while (status >= 0 && (status = json_step(&r->json, &w)) > 0) {
		if (r->json.at != content)
			status = json_validate(&r->json);
		else if (service != NULL)
			status = read_service(r, service);
		else
			status = read_shape(r, depth + 1);
	}
	json_leave(&w);
	return status;
}

/* {"service":"inventory","instances":[...]}; key is the name if the object is a member of a map. */
static int read_instances(struct reader *r, const struct outline *o, const char *key)
{
	struct json_value *named = NULL;
	int status = key == NULL && o->service != 0 ? load_at(r, o->service, &named) : 0;

	if (status < 0)
		return status;
	const char *service = key != NULL ? key : json_text(named);
	if (service == NULL && json_kind_of(named) > VALUE_NULL)
		status = json_refuse(&r->json, "the name of the service is no text");
	else if (service == NULL && r->elements.service == NULL)
		status = json_refuse(&r->json, "names no service, and none is configured");
	else
		status = read_content(r, o->instances, service != NULL ? service : r->elements.service, 0);
	json_free(named);
	return status;
}

/* {"code":21000,"data":...}: some registries answer 200 and say in the body that they failed. */
static int check_code(struct reader *r, const struct outline *o)
{
	struct json_value *code;
	char text[64];
	double number;
	int status = o->code != 0 ? load_at(r, o->code, &code) : 0;

	if (status < 0 || o->code == 0)
		return status;
	const bool known = json_number(code, &number);
	json_free(code);
	if (!known || number == 0 || (number >= 200 && number <= 299))
		return 0;
	snprintf(text, sizeof(text), "the registry reports code %.0f", number);
	return json_refuse(&r->json, text);
}

/* One member of {"inventory":[...],"payments":{"instances":[...]},"idle":null}. */
static int read_map_member(struct reader *r, const char *key, unsigned depth)
{
	struct outline o = { 0 };
	const char c = json_peek(&r->json);
	int status = c == '{' ? outline_object(r, &o) : 0;

	if (status < 0)
		return status;
	if (c == '[' || c == 'n')
		return read_service(r, key);
	if (o.instances != 0)
		return read_instances(r, &o, key);
	if (depth == 0)
		return json_refuse(&r->json, "an object without \"instances\"");
	status = json_validate(&r->json);
	return status < 0 ? status : elements_drop(&r->elements, DROP_SHAPE, "no list of instances", key);
}

static int read_map(struct reader *r, unsigned depth)
{
	struct json_walk w;
	int status = json_enter(&r->json, &w);

	while (status >= 0 && (status = json_step(&r->json, &w)) > 0)
		status = read_map_member(r, json_key(&w), depth);
	json_leave(&w);
	return status;
}

/* Without "services" or "data" around it, an object is taken for a map of services only if nothing in it
 * speaks against that: {"error":"..."} must not be the news that all services are gone. */
static bool is_map(const struct outline *o, unsigned depth)
{
	if (depth > 0 && o->n_members == 0)
		return true;
	return o->n_containers > 0 && (depth > 0 || o->n_containers + o->n_nulls == o->n_members);
}

/* An object without a shape may not even be JSON: then that is what people have to know. */
static int refuse_object(struct reader *r)
{
	const size_t start = r->json.at;
	int status = json_validate(&r->json);

	if (status < 0)
		return status;
	r->json.at = start;
	return json_refuse(&r->json, "an object of none of the known shapes");
}

static int read_object(struct reader *r, unsigned depth)
{
	struct outline o;
	int status = outline_object(r, &o);

	if (status < 0)
		return status;
	if (o.instances == 0 && o.list == 0)
		return is_map(&o, depth) ? read_map(r, depth) : refuse_object(r);
	status = check_code(r, &o);
	if (status < 0)
		return status;
	if (o.instances != 0)
		return read_instances(r, &o, NULL);
	return read_content(r, o.list, NULL, depth);
}

/* A body, or what is below "services" or "data". */
static int read_shape(struct reader *r, unsigned depth)
{
	const char c = json_peek(&r->json);

	if (c == '[')
		return read_list(r, NULL);
	if (c == '{' && depth < NESTING_MAX)
		return read_object(r, depth);
	return json_refuse(&r->json,
			   depth == 0 ? "neither a list nor an object"
				      : "below \"services\" or \"data\": neither a list nor an object");
}

/* A body may be JSON and lists, and yet not about instances. Nothing in it is then no proof of nothing there.
 */
static int read_body(struct reader *r)
{
	int status = read_shape(r, 0);

	if (status == 0)
		status = json_end(&r->json);
	if (status < 0)
		return status;
	if (r->elements.n_reported == 0 && r->elements.n_shapeless > 0)
		return json_refuse(&r->json, "no object in it has an address");
	if (r->elements.n_named == 0 && r->elements.n_unnamed > 0)
		return json_refuse(&r->json, "names no service, and none is configured");
	if (r->elements.n_named == 0 && r->elements.service != NULL)
		return snapshot_builder_add_service(r->elements.b, r->elements.service);
	return 0;
}

int shapes_read(const char *body, size_t len, const struct shape_options *o, struct snapshot_builder *b)
{
	struct reader r = {
		.elements = { .b = b, .service = o->service, .service_label = o->service_label },
	};
	int status = json_begin(&r.json, body, len, b);

	if (status < 0)
		return status;
	if (r.json.at == len)
		return json_refuse(&r.json, "empty; a list that is empty is written []");
	status = read_body(&r);
	return status == -ENOMEM ? snapshot_builder_fail(b, status, "out of memory") : status;
}
