/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/json.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "wire/name.h"

enum {
	/* One value of a larger text at a time. \u0000 and numbers past 2^63 are let in, because one hostile
	 * tag or a generation counter must not cost the whole answer; the instance with the NUL is dropped
	 * below. */
	VALUE_FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK |
		      JSON_DECODE_INT_AS_REAL,

	/* {"data":{"services":{"inventory":{"instances":[ is the deepest shape; what lies below is read as
	 * one value. */
	WALK_DEPTH = 8,
};

struct reader {
	const char *text;
	size_t len, at;
	const struct json_options *options;
	struct snapshot_builder *b;
	size_t n_named;     /* services that the body named itself */
	size_t n_unnamed;   /* elements of no known service */
	size_t n_reported;  /* instances that the builder was given */
	size_t n_shapeless; /* objects that have no address, wherever one was looked for */
};

/* The members of an object, or the elements of an array, one after the other. */
struct walk {
	char close;
	bool begun;
	json_t *key, *keys; /* of an object: this one, and all so far */
};

/* Refuses the body because of the octet at r->at. */
static int refuse(struct reader *r, const char *why)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < r->at && i < r->len; i++) {
		column = r->text[i] == '\n' ? 1 : column + 1;
		line += r->text[i] == '\n';
	}
	return snapshot_builder_fail(r->b, -EBADMSG, "%zu:%zu: %s", line, column, why);
}

/* The next octet that is no space; NUL, which no JSON has outside of a string, at the end. */
static char peek(struct reader *r)
{
	while (r->at < r->len && strchr(" \t\r\n", r->text[r->at]) != NULL && r->text[r->at] != '\0')
		r->at++;
	return r->at < r->len ? r->text[r->at] : '\0';
}

/* Reads one value as a tree. */
static int load(struct reader *r, json_t **ret)
{
	json_error_t error = { .position = 0 };
	json_t *value = json_loadb(r->text + r->at, r->len - r->at, VALUE_FLAGS, &error);

	if (value == NULL && (error.text[0] == '\0' || json_error_code(&error) == json_error_out_of_memory))
		return -ENOMEM;
	if (value == NULL) {
		/* The position is behind what was read, and what is no UTF-8 was not read. */
		const bool read = error.position > 0 && json_error_code(&error) != json_error_invalid_utf8;

		r->at += (size_t)error.position - read;
		return refuse(r, error.text);
	}
	r->at += (size_t)error.position;
	*ret = value;
	return 0;
}

/* The text, or NULL if it is none or has a NUL inside. */
static const char *text_of(const json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

static int enter(struct reader *r, struct walk *ret)
{
	const bool object = r->text[r->at] == '{';

	*ret = (struct walk){ .close = object ? '}' : ']', .keys = object ? json_object() : NULL };
	if (object && ret->keys == NULL)
		return -ENOMEM;
	r->at++;
	return 0;
}

static void leave(struct walk *w)
{
	json_decref(w->key);
	json_decref(w->keys);
}

static int read_key(struct reader *r, struct walk *w)
{
	const size_t start = r->at;
	json_t *key;
	int status = load(r, &key);

	if (status < 0)
		return status;
	json_decref(w->key);
	w->key = key;
	if (text_of(key) == NULL || json_object_get(w->keys, text_of(key)) != NULL) {
		r->at = start;
		return refuse(r, text_of(key) == NULL ? "a member's name was expected" : "duplicate member");
	}
	if (json_object_set_new_nocheck(w->keys, text_of(key), json_true()) < 0)
		return -ENOMEM;
	if (peek(r) != ':')
		return refuse(r, "':' was expected");
	r->at++;
	peek(r);
	return 1;
}

/* 1 at the next value, 0 behind the closing bracket. */
static int step(struct reader *r, struct walk *w)
{
	if (peek(r) == w->close) {
		r->at++;
		return 0;
	}
	if (w->begun && peek(r) != ',')
		return refuse(r, "',' or a closing bracket was expected");
	if (w->begun)
		r->at++;
	w->begun = true;
	peek(r);
	return w->keys != NULL ? read_key(r, w) : 1;
}

/* Reads a value that nobody wants: it must be JSON all the same. */
static int validate(struct reader *r, unsigned depth)
{
	const char c = peek(r);
	struct walk w;
	json_t *value;

	if (depth == 0 || (c != '[' && c != '{')) {
		int status = load(r, &value);
		if (status == 0)
			json_decref(value);
		return status;
	}
	int status = enter(r, &w);
	while (status >= 0 && (status = step(r, &w)) > 0)
		status = validate(r, depth - 1);
	leave(&w);
	return status;
}

static void skip_string(struct reader *r)
{
	for (r->at++; r->at < r->len && r->text[r->at] != '"'; r->at++)
		r->at += r->text[r->at] == '\\';
	r->at++;
}

/* Steps over a value by its brackets and quotes alone, to see what comes behind it before reading it. A text
 * that is no JSON may mislead this, but not the reader that follows. */
static void skip(struct reader *r)
{
	size_t depth = 0;

	while (r->at < r->len) {
		const char c = r->text[r->at];

		if (c == '"') {
			skip_string(r);
			continue;
		}
		if (depth == 0 && (c == ',' || c == ']' || c == '}'))
			return;
		depth += c == '[' || c == '{';
		depth -= c == ']' || c == '}';
		r->at++;
		if (depth == 0 && (c == ']' || c == '}'))
			return;
	}
	r->at = r->len; /* a string without end was stepped over */
}

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

/* Members come in any order, and "service" may be behind the instances: looks ahead over the object at r->at,
 * and stays there. */
static int outline_object(struct reader *r, struct outline *ret)
{
	const size_t start = r->at;
	struct outline o = { 0 };
	struct walk w;
	int status = enter(r, &w);

	while (status >= 0 && (status = step(r, &w)) > 0) {
		note_member(&o, text_of(w.key), r->at, peek(r));
		skip(r);
	}
	leave(&w);
	r->at = start;
	if (status == 0)
		*ret = o;
	else if (status == -EBADMSG)
		validate(r, WALK_DEPTH); /* which finds the place where it really is broken */
	return status;
}

static int load_at(struct reader *r, size_t at, json_t **ret)
{
	const size_t start = r->at;

	r->at = at;
	int status = load(r, ret);
	if (status == 0)
		r->at = start;
	return status;
}

/* What an instance object or a group's labels say, in the form of a report that borrows from the tree. */
struct filled {
	struct report report;
	const char *tags[INSTANCE_TAGS_MAX];
	struct metadata metadata[INSTANCE_METADATA_MAX];
	char *split; /* comma separated tags, taken apart */
};

static void fill_begin(struct filled *f, const char *service)
{
	f->report = report_blank();
	f->report.service = service;
	f->report.tags = f->tags;
	f->report.metadata = f->metadata;
	f->split = NULL;
}

static int drop(struct reader *r, enum drop reason, const char *what, const char *service)
{
	char text[256];

	snprintf(text, sizeof(text), "%.80s%s%s%.60s%s", what, strlen(what) > 80 ? "..." : "",
		 service != NULL ? " of \"" : "", service != NULL ? service : "",
		 service != NULL ? "\"" : "");
	snapshot_builder_drop(r->b, reason, text);
	return 0;
}

static const char *type_of(const json_t *value)
{
	static const char *const words[] = { "an object", "a list",  "a text",  "a number",
					     "a number",  "a truth", "a truth", "null" };

	return words[json_typeof(value)];
}

static bool has_nul(json_t *value)
{
	const char *key;
	json_t *part;
	size_t i;

	if (json_is_string(value))
		return text_of(value) == NULL;
	json_array_foreach(value, i, part)
	{
		if (has_nul(part))
			return true;
	}
	json_object_foreach(value, key, part)
	{
		if (has_nul(part))
			return true;
	}
	return false;
}

static void add_tag(struct filled *f, const char *tag)
{
	if (tag != NULL && f->report.n_tags < INSTANCE_TAGS_MAX)
		f->tags[f->report.n_tags++] = tag;
}

static int fill_tags(struct filled *f, json_t *value)
{
	json_t *tag;
	size_t i;

	json_array_foreach(value, i, tag) add_tag(f, text_of(tag));
	if (text_of(value) == NULL)
		return 0;

	char *rest = f->split = strdup(text_of(value));
	if (rest == NULL)
		return -ENOMEM;
	while (rest != NULL) {
		char *tag_text = strsep(&rest, ",");

		tag_text += strspn(tag_text, " \t");
		tag_text[strcspn(tag_text, " \t")] = '\0';
		add_tag(f, tag_text);
	}
	return 0;
}

/* A number, also one that is written as a text. */
static bool number_of(const json_t *value, double *ret)
{
	const char *text = text_of(value);
	char *end;

	if (json_is_number(value)) {
		*ret = json_number_value(value);
		return true;
	}
	if (text == NULL || text[0] == '\0' || strspn(text, "+-.0123456789eE") != strlen(text))
		return false;
	*ret = strtod(text, &end);
	return *end == '\0';
}

/* Weights come as 10, "10" and 0.5; only a weight of 0 means drained, so nothing else is rounded to it. */
static void fill_number(struct reader *r, const char *service, const json_t *from, const char *key,
			int64_t *ret)
{
	const json_t *value = json_object_get(from, key);
	double number;

	if (value == NULL || json_is_null(value))
		return;
	if (!number_of(value, &number)) {
		snapshot_builder_remark(r->b, "%s of an instance of \"%.60s\" is no number, and ignored", key,
					service);
		return;
	}
	if (number > 0 && number < 1)
		number = 1;
	*ret = number < -1 ? -1 : number > UINT16_MAX ? UINT16_MAX : (int64_t)number;
}

static enum protocol protocol_of(const char *text)
{
	if (text != NULL && text_equal_fold(text, "tcp"))
		return PROTOCOL_TCP;
	if (text != NULL && text_equal_fold(text, "udp"))
		return PROTOCOL_UDP;
	return PROTOCOL_ANY;
}

/* The words of Consul, Eureka, Nacos and home-made registries; one that we do not know says nothing. */
static enum health health_of(const char *text)
{
	static const struct {
		const char *word;
		enum health health;
	} words[] = {
		{ "warning", HEALTH_WARNING },      { "warn", HEALTH_WARNING },
		{ "critical", HEALTH_CRITICAL },    { "down", HEALTH_CRITICAL },
		{ "unhealthy", HEALTH_CRITICAL },   { "failing", HEALTH_CRITICAL },
		{ "starting", HEALTH_CRITICAL },    { "out_of_service", HEALTH_CRITICAL },
		{ "maintenance", HEALTH_CRITICAL }, { "false", HEALTH_CRITICAL },
	};

	for (size_t i = 0; text != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
		if (text_equal_fold(text, words[i].word))
			return words[i].health;
	}
	return HEALTH_PASSING;
}

/* Of several statements about its health, the worst counts. */
static void worsen(struct filled *f, enum health health)
{
	if (health > f->report.health)
		f->report.health = health;
}

/* What labels and instance objects call the same. */
static int fill_common(struct reader *r, struct filled *f, json_t *from)
{
	f->report.name = text_of(json_object_get(from, "name"));
	f->report.port_name = text_of(json_object_get(from, "port_name"));
	f->report.zone = text_of(json_object_get(from, "zone"));
	f->report.protocol = protocol_of(text_of(json_object_get(from, "protocol")));
	worsen(f, health_of(text_of(json_object_get(from, "health"))));
	fill_number(r, f->report.service, from, "weight", &f->report.weight);
	fill_number(r, f->report.service, from, "priority", &f->report.priority);
	return fill_tags(f, json_object_get(from, "tags"));
}

static void add_metadata(struct filled *f, const char *key, const json_t *value)
{
	const char *text = text_of(value);

	if (text != NULL && f->report.n_metadata < INSTANCE_METADATA_MAX)
		f->metadata[f->report.n_metadata++] = (struct metadata){ .key = key, .value = text };
}

/* Takes "10.0.0.1:80" apart; the port of the text counts if nothing else told one. */
static int add_target(struct reader *r, const struct report *described, const char *text)
{
	struct report report = *described;
	char host[NAME_OCTETS_MAX + 1];
	struct hostport parts;

	if (!hostport_from_text(text, strlen(text), &parts)) {
		const char *colon = strrchr(text, ':');
		const bool has_host = colon != NULL && colon > text && (text[0] != '[' || colon[-1] == ']');
		return drop(r, has_host ? DROP_PORT : DROP_ADDRESS, text, report.service);
	}
	if (parts.host_len < sizeof(host)) {
		memcpy(host, parts.host, parts.host_len);
		host[parts.host_len] = '\0';
		report.address = host;
	} else {
		report.address = text; /* too long for a name: dropped as one */
	}
	if (report.port == 0)
		report.port = parts.port;
	r->n_reported++;
	return snapshot_builder_add(r->b, &report);
}

static int take_target(struct reader *r, const struct report *described, const json_t *target)
{
	if (text_of(target) != NULL)
		return add_target(r, described, text_of(target));
	if (json_is_string(target))
		return drop(r, DROP_ADDRESS, json_string_value(target), described->service);
	return drop(r, DROP_SHAPE, type_of(target), described->service);
}

/* The service of an element: what the body says, else what is configured, else NULL. */
static const char *name_service(struct reader *r, const char *own)
{
	if (own != NULL) {
		r->n_named++;
		return own;
	}
	if (r->options->service == NULL)
		r->n_unnamed++;
	return r->options->service;
}

/* A service of which nothing could be reported since n_before is known all the same. */
static int make_known(struct reader *r, size_t n_before, const char *service)
{
	return r->n_reported == n_before ? snapshot_builder_add_service(r->b, service) : 0;
}

static bool is_known_label(const char *key)
{
	static const char *const known[] = { "name", "port_name", "zone", "protocol", "health", "tags" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(key, known[i]) == 0)
			return true;
	}
	return false;
}

static int fill_labels(struct reader *r, struct filled *f, json_t *labels)
{
	const char *key;
	json_t *value;

	json_object_foreach(labels, key, value)
	{
		const bool number = strcmp(key, "weight") == 0 || strcmp(key, "priority") == 0;

		if (!number && !is_known_label(key) && strcmp(key, r->options->service_label) != 0)
			add_metadata(f, key, value);
		if (!json_is_string(value) && !json_is_null(value) && !(number && json_is_number(value)))
			snapshot_builder_remark(r->b, "label \"%.60s\" of \"%.60s\" is %s, and ignored", key,
						f->report.service, type_of(value));
	}
	return fill_common(r, f, labels);
}

/* http_sd and file_sd: targets that share their labels. */
static int take_group(struct reader *r, const char *service, json_t *group)
{
	json_t *targets = json_object_get(group, "targets"), *labels = json_object_get(group, "labels"),
	       *target;
	const char *own = text_of(json_object_get(labels, r->options->service_label));
	const bool spoilt = labels != NULL && has_nul(labels);
	const size_t n_before = r->n_reported;
	struct filled f;
	size_t i;
	int status = 0;

	fill_begin(&f, name_service(r, own != NULL ? own : service));
	if (targets != NULL && !json_is_array(targets) && !json_is_null(targets))
		return drop(r, DROP_SHAPE, "a group whose targets are no list", f.report.service);
	if (f.report.service != NULL && !spoilt)
		status = fill_labels(r, &f, labels);
	json_array_foreach(targets, i, target)
	{
		if (status < 0)
			break;
		if (f.report.service == NULL)
			status =
				drop(r, DROP_SERVICE_NAME, "a target in a group that names no service", NULL);
		else if (spoilt)
			status = drop(r, DROP_SHAPE, "a target with a NUL in its labels", f.report.service);
		else
			status = take_target(r, &f.report, target);
	}
	if (status == 0 && f.report.service != NULL)
		status = make_known(r, n_before, f.report.service);
	free(f.split);
	return status;
}

static const char *first_text(const json_t *object, const char *const keys[])
{
	for (; *keys != NULL; keys++) {
		const char *text = text_of(json_object_get(object, *keys));

		if (text != NULL && text[0] != '\0')
			return text;
	}
	return NULL;
}

/* True only where the member says no: false, or "false". */
static bool is_denied(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *text = text_of(value);

	return json_is_false(value) || (text != NULL && text_equal_fold(text, "false"));
}

static bool read_port(const json_t *value, int64_t *ret)
{
	const char *text = text_of(value);
	double number = 0;
	uint64_t digits;

	if (text != NULL && text_to_uint(text, strlen(text), &digits))
		number = (double)digits;
	else if (json_is_number(value))
		number = json_number_value(value);
	else if (value != NULL && !json_is_null(value))
		return false;
	if (number < 0 || number > UINT16_MAX || number != (double)(int64_t)number)
		return false;
	*ret = (int64_t)number;
	return true;
}

static int fill_instance(struct reader *r, struct filled *f, json_t *instance)
{
	static const char *const names[] = { "name", "id", "instanceId", NULL };
	static const char *const zones[] = { "zone", "dc", "datacenter", NULL };
	const char *key;
	json_t *value, *metadata = json_object_get(instance, "meta");

	if (metadata == NULL)
		metadata = json_object_get(instance, "metadata");
	json_object_foreach(metadata, key, value) add_metadata(f, key, value);
	worsen(f, health_of(text_of(json_object_get(instance, "status"))));
	worsen(f, is_denied(instance, "healthy") ? HEALTH_CRITICAL : HEALTH_PASSING);
	int status = fill_common(r, f, instance);
	f->report.name = first_text(instance, names);
	f->report.zone = first_text(instance, zones);
	return status;
}

/* Where an instance says its address. What is likely to be a literal goes before what is likely to be a name
 * that has to be looked up. */
static const char *const addresses[] = { "ip", "address", "addr", "host", "hostname", NULL };

/* An object with an address of its own. */
static int take_instance(struct reader *r, const char *service, json_t *instance)
{
	const char *address = first_text(instance, addresses);
	struct filled f;

	if (service == NULL)
		service = name_service(r, text_of(json_object_get(instance, "service")));
	if (service == NULL)
		return drop(r, DROP_SERVICE_NAME, "an instance that names no service", NULL);
	if (is_denied(instance, "enabled"))
		return snapshot_builder_add_service(r->b, service);
	if (has_nul(instance))
		return drop(r, DROP_SHAPE, "an instance with a NUL in a text", service);
	r->n_shapeless += address == NULL;
	if (address == NULL)
		return drop(r, DROP_SHAPE, "an object without address", service);
	fill_begin(&f, service);
	if (!read_port(json_object_get(instance, "port"), &f.report.port))
		return drop(r, DROP_PORT, address, service);

	int status = fill_instance(r, &f, instance);
	if (status == 0)
		status = add_target(r, &f.report, address);
	free(f.split);
	return status;
}

/* Instances may have labels too, a group without targets has nothing else. */
static bool is_group(const json_t *element)
{
	return json_object_get(element, "targets") != NULL ||
	       (json_object_get(element, "labels") != NULL && first_text(element, addresses) == NULL);
}

/* An element of any list. service is what the body said around it, or NULL. */
static int take_element(struct reader *r, const char *service, json_t *element)
{
	struct report report = report_blank();

	if (is_group(element))
		return take_group(r, service, element);
	if (json_is_object(element))
		return take_instance(r, service, element);
	if (!json_is_string(element))
		return drop(r, DROP_SHAPE, type_of(element), service);

	report.service = service != NULL ? service : name_service(r, NULL);
	if (report.service == NULL)
		return drop(r, DROP_SERVICE_NAME, "a target without a service", NULL);
	return take_target(r, &report, element);
}

static int read_shape(struct reader *r, unsigned depth);

static int read_list(struct reader *r, const char *service)
{
	struct walk w;
	json_t *element;
	int status = enter(r, &w);

	while (status >= 0 && (status = step(r, &w)) > 0) {
		status = load(r, &element);
		if (status < 0)
			break;
		status = take_element(r, service, element);
		json_decref(element);
	}
	leave(&w);
	return status;
}

/* The instances of a service the body names. null is how some languages write an empty list. */
static int read_service(struct reader *r, const char *service)
{
	const size_t n_before = r->n_reported;
	int status;

	r->n_named++;
	if (peek(r) == '[')
		status = read_list(r, service);
	else if (peek(r) == 'n')
		status = validate(r, 0);
	else
		return refuse(r, "a list of instances was expected");
	return status < 0 ? status : make_known(r, n_before, service);
}

/* Walks over the object at r->at and reads the value at content; all others need only be JSON. service is
 * borrowed; without it, content is another shape of its own. */
static int read_content(struct reader *r, size_t content, const char *service, unsigned depth)
{
	struct walk w;
	int status = enter(r, &w);

	while (status >= 0 && (status = step(r, &w)) > 0) {
		if (r->at != content)
			status = validate(r, WALK_DEPTH);
		else if (service != NULL)
			status = read_service(r, service);
		else
			status = read_shape(r, depth + 1);
	}
	leave(&w);
	return status;
}

/* {"service":"inventory","instances":[...]}; key is the name if the object is a member of a map. */
static int read_instances(struct reader *r, const struct outline *o, const char *key)
{
	json_t *named = NULL;
	int status = key == NULL && o->service != 0 ? load_at(r, o->service, &named) : 0;

	if (status < 0)
		return status;
	const char *service = key != NULL ? key : text_of(named);
	if (service == NULL && named != NULL && !json_is_null(named))
		status = refuse(r, "the name of the service is no text");
	else if (service == NULL && r->options->service == NULL)
		status = refuse(r, "names no service, and none is configured");
	else
		status = read_content(r, o->instances, service != NULL ? service : r->options->service, 0);
	json_decref(named);
	return status;
}

/* {"code":21000,"data":...}: some registries answer 200 and say in the body that they failed. */
static int check_code(struct reader *r, const struct outline *o)
{
	json_t *code;
	char text[64];
	int status = o->code != 0 ? load_at(r, o->code, &code) : 0;

	if (status < 0 || o->code == 0)
		return status;
	const double number = json_number_value(code); /* 0 if it is no number */
	json_decref(code);
	if (number == 0 || (number >= 200 && number <= 299))
		return 0;
	snprintf(text, sizeof(text), "the registry reports code %.0f", number);
	return refuse(r, text);
}

/* One member of {"inventory":[...],"payments":{"instances":[...]},"idle":null}. */
static int read_map_member(struct reader *r, const char *key, unsigned depth)
{
	struct outline o = { 0 };
	const char c = peek(r);
	int status = c == '{' ? outline_object(r, &o) : 0;

	if (status < 0)
		return status;
	if (c == '[' || c == 'n')
		return read_service(r, key);
	if (o.instances != 0)
		return read_instances(r, &o, key);
	if (depth == 0)
		return refuse(r, "an object without \"instances\"");
	status = validate(r, WALK_DEPTH);
	return status < 0 ? status : drop(r, DROP_SHAPE, "no list of instances", key);
}

static int read_map(struct reader *r, unsigned depth)
{
	struct walk w;
	int status = enter(r, &w);

	while (status >= 0 && (status = step(r, &w)) > 0)
		status = read_map_member(r, text_of(w.key), depth);
	leave(&w);
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
	const size_t start = r->at;
	int status = validate(r, WALK_DEPTH);

	if (status < 0)
		return status;
	r->at = start;
	return refuse(r, "an object of none of the known shapes");
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
	const char c = peek(r);

	if (c == '[')
		return read_list(r, NULL);
	if (c == '{' && depth < WALK_DEPTH)
		return read_object(r, depth);
	return refuse(r, depth == 0 ? "neither a list nor an object"
				    : "below \"services\" or \"data\": neither a list nor an object");
}

/* A body may be JSON and lists, and yet not about instances. Nothing in it is then no proof of nothing there.
 */
static int read_body(struct reader *r)
{
	int status = read_shape(r, 0);

	if (status < 0)
		return status;
	peek(r);
	if (r->at < r->len)
		return refuse(r, "something follows the end of the JSON text");
	if (r->n_reported == 0 && r->n_shapeless > 0)
		return refuse(r, "no object in it has an address");
	if (r->n_named == 0 && r->n_unnamed > 0)
		return refuse(r, "names no service, and none is configured");
	if (r->n_named == 0 && r->options->service != NULL)
		return snapshot_builder_add_service(r->b, r->options->service);
	return 0;
}

int json_read_instances(const char *body, size_t len, const struct json_options *o,
			struct snapshot_builder *b)
{
	struct reader r = { .text = body, .len = len, .options = o, .b = b };

	/* Windows editors put a byte order mark before UTF-8; RFC 8259 section 8.1 lets a reader ignore it.
	 */
	if (len >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0)
		r.at = 3;
	peek(&r);
	if (len > INT_MAX) /* what jansson counts positions in */
		return refuse(&r, "larger than 2 GiB");
	if (r.at == len)
		return refuse(&r, "empty; a list that is empty is written []");
	int status = read_body(&r);
	return status == -ENOMEM ? snapshot_builder_fail(b, status, "out of memory") : status;
}
