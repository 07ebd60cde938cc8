/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/elements.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "registry/fields.h"
#include "wire/name.h"

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

int elements_drop(struct elements *e, enum drop reason, const char *what, const char *service)
{
	char text[256];

	snprintf(text, sizeof(text), "%.80s%s%s%.60s%s", what, strlen(what) > 80 ? "..." : "",
		 service != NULL ? " of \"" : "", service != NULL ? service : "",
		 service != NULL ? "\"" : "");
	snapshot_builder_drop(e->b, reason, text);
	return 0;
}

static void add_tag(struct filled *f, const char *tag)
{
	if (tag != NULL && f->report.n_tags < INSTANCE_TAGS_MAX)
		f->tags[f->report.n_tags++] = tag;
}

static int fill_tags(struct filled *f, const struct json_value *value)
{
	for (size_t i = 0; i < json_count(value); i++)
		add_tag(f, json_text(json_at(value, i)));
	if (json_text(value) == NULL)
		return 0;

	char *rest = f->split = strdup(json_text(value));
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

/* Weights come as 10, "10" and 0.5; only a weight of 0 means drained, so nothing else is rounded to it. */
static void fill_number(struct elements *e, const char *service, const struct json_value *from,
			const char *key, int64_t *ret)
{
	const struct json_value *value = json_get(from, key);
	double number;

	if (json_kind_of(value) <= VALUE_NULL)
		return;
	if (!field_number(value, &number)) {
		snapshot_builder_remark(e->b, "%s of an instance of \"%.60s\" is no number, and ignored", key,
					service);
		return;
	}
	if (number > 0 && number < 1)
		number = 1;
	*ret = number < 0 ? -1 : number > UINT16_MAX ? UINT16_MAX : (int64_t)number;
}

/* Of several statements about its health, the worst counts. */
static void worsen(struct filled *f, enum health health)
{
	if (health > f->report.health)
		f->report.health = health;
}

/* What labels and instance objects call the same. */
static int fill_common(struct elements *e, struct filled *f, const struct json_value *from)
{
	f->report.name = json_text(json_get(from, "name"));
	f->report.port_name = json_text(json_get(from, "port_name"));
	f->report.zone = json_text(json_get(from, "zone"));
	f->report.protocol = field_protocol(json_get(from, "protocol"));
	worsen(f, field_health(json_get(from, "health")));
	fill_number(e, f->report.service, from, "weight", &f->report.weight);
	fill_number(e, f->report.service, from, "priority", &f->report.priority);
	return fill_tags(f, json_get(from, "tags"));
}

static void add_metadata(struct filled *f, const char *key, const struct json_value *value)
{
	const char *text = json_text(value);

	if (text != NULL && f->report.n_metadata < INSTANCE_METADATA_MAX)
		f->metadata[f->report.n_metadata++] = (struct metadata){ .key = key, .value = text };
}

/* Takes "10.0.0.1:80" apart; the port of the text counts if nothing else told one. */
static int add_target(struct elements *e, const struct report *described, const char *text)
{
	struct report report = *described;
	char host[NAME_OCTETS_MAX + 1];
	struct hostport parts;

	if (!hostport_from_text(text, strlen(text), &parts)) {
		const char *colon = strrchr(text, ':');
		const bool has_host = colon != NULL && colon > text && (text[0] != '[' || colon[-1] == ']');
		return elements_drop(e, has_host ? DROP_PORT : DROP_ADDRESS, text, report.service);
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
	e->n_reported++;
	return snapshot_builder_add(e->b, &report);
}

static int take_target(struct elements *e, const struct report *described, const struct json_value *target)
{
	if (json_text(target) != NULL)
		return add_target(e, described, json_text(target));
	return elements_drop(e, json_kind_of(target) == VALUE_TEXT ? DROP_ADDRESS : DROP_SHAPE,
			     json_describe(target), described->service);
}

/* The service of an element: what the body says, else what is configured, else NULL. */
static const char *name_service(struct elements *e, const char *own)
{
	if (own != NULL) {
		e->n_named++;
		return own;
	}
	if (e->service == NULL)
		e->n_unnamed++;
	return e->service;
}

int elements_make_known(struct elements *e, size_t n_before, const char *service)
{
	return e->n_reported == n_before ? snapshot_builder_add_service(e->b, service) : 0;
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

/* A label is a text; a number only where one is meant. */
static bool is_label(const struct json_value *value, bool number)
{
	const enum json_kind kind = json_kind_of(value);

	return kind == VALUE_TEXT || kind == VALUE_NULL || (number && kind == VALUE_NUMBER);
}

static int fill_labels(struct elements *e, struct filled *f, const struct json_value *labels)
{
	struct json_member m = { 0 };

	while (json_next_member(labels, &m)) {
		const bool number = strcmp(m.key, "weight") == 0 || strcmp(m.key, "priority") == 0;

		if (!number && !is_known_label(m.key) && strcmp(m.key, e->service_label) != 0)
			add_metadata(f, m.key, m.value);
		if (!is_label(m.value, number))
			snapshot_builder_remark(e->b, "label \"%.60s\" of \"%.60s\" is %s, and ignored",
						m.key, f->report.service, json_describe(m.value));
	}
	return fill_common(e, f, labels);
}

/* http_sd and file_sd: targets that share their labels. */
static int take_group(struct elements *e, const char *service, const struct json_value *group)
{
	const struct json_value *targets = json_get(group, "targets"), *labels = json_get(group, "labels");
	const char *own = json_text(json_get(labels, e->service_label));
	const bool spoilt = json_has_nul(labels);
	const size_t n_before = e->n_reported;
	struct filled f;
	int status = 0;

	fill_begin(&f, name_service(e, own != NULL ? own : service));
	if (json_kind_of(targets) > VALUE_NULL && json_kind_of(targets) != VALUE_LIST)
		return elements_drop(e, DROP_SHAPE, "a group whose targets are no list", f.report.service);
	if (f.report.service != NULL && !spoilt)
		status = fill_labels(e, &f, labels);
	for (size_t i = 0; status == 0 && i < json_count(targets); i++) {
		if (f.report.service == NULL)
			status = elements_drop(e, DROP_SERVICE_NAME,
					       "a target in a group that names no service", NULL);
		else if (spoilt)
			status = elements_drop(e, DROP_SHAPE, "a target with a NUL in its labels",
					       f.report.service);
		else
			status = take_target(e, &f.report, json_at(targets, i));
	}
	if (status == 0 && f.report.service != NULL)
		status = elements_make_known(e, n_before, f.report.service);
	free(f.split);
	return status;
}

static int fill_instance(struct elements *e, struct filled *f, const struct json_value *instance)
{
	static const char *const names[] = { "name", "id", "instanceId", NULL };
	static const char *const zones[] = { "zone", "dc", "datacenter", NULL };
	const struct json_value *metadata = json_get(instance, "meta");
	struct json_member m = { 0 };

	if (metadata == NULL)
		metadata = json_get(instance, "metadata");
	while (json_next_member(metadata, &m))
		add_metadata(f, m.key, m.value);
	worsen(f, field_health(json_get(instance, "status")));
	worsen(f, field_is_denied(instance, "healthy") ? HEALTH_CRITICAL : HEALTH_PASSING);
	int status = fill_common(e, f, instance);
	f->report.name = field_text(instance, names);
	f->report.zone = field_text(instance, zones);
	return status;
}

/* Where an instance says its address. What is likely to be a literal goes before what is likely to be a name
 * that has to be looked up. */
static const char *const addresses[] = { "ip", "address", "addr", "host", "hostname", NULL };

/* An object with an address of its own. */
static int take_instance(struct elements *e, const char *service, const struct json_value *instance)
{
	const char *address = field_text(instance, addresses);
	struct filled f;

	if (service == NULL)
		service = name_service(e, json_text(json_get(instance, "service")));
	if (service == NULL)
		return elements_drop(e, DROP_SERVICE_NAME, "an instance that names no service", NULL);
	if (field_is_denied(instance, "enabled"))
		return snapshot_builder_add_service(e->b, service);
	if (json_has_nul(instance))
		return elements_drop(e, DROP_SHAPE, "an instance with a NUL in a text", service);
	e->n_shapeless += address == NULL;
	if (address == NULL)
		return elements_drop(e, DROP_SHAPE, "an object without address", service);
	fill_begin(&f, service);
	if (!field_port(json_get(instance, "port"), &f.report.port))
		return elements_drop(e, DROP_PORT, address, service);

	int status = fill_instance(e, &f, instance);
	if (status == 0)
		status = add_target(e, &f.report, address);
	free(f.split);
	return status;
}

/* Instances may have labels too, a group without targets has nothing else. */
static bool is_group(const struct json_value *element)
{
	return json_get(element, "targets") != NULL ||
	       (json_get(element, "labels") != NULL && field_text(element, addresses) == NULL);
}

int elements_take(struct elements *e, const char *service, const struct json_value *element)
{
	struct report report = report_blank();

	if (is_group(element))
		return take_group(e, service, element);
	if (json_kind_of(element) == VALUE_OBJECT)
		return take_instance(e, service, element);
	if (json_kind_of(element) != VALUE_TEXT)
		return elements_drop(e, DROP_SHAPE, json_describe(element), service);

	report.service = service != NULL ? service : name_service(e, NULL);
	if (report.service == NULL)
		return elements_drop(e, DROP_SERVICE_NAME, "a target without a service", NULL);
	return take_target(e, &report, element);
}
