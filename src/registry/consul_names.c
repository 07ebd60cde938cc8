/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of names: {"inventory":["v1","blue"],"payments":[]}, and the services that are asked for by it.
 *
 *   new in the list -> start ... gone from it, and empty by two answers of its own -> stop
 *
 * To stop is certain, while what a list lacks may have been lost for a moment (servers that were restored,
 * and have not heard from all agents yet) or be out of sight of the token. So the service itself is asked,
 * and its answers are believed as all others are (design: brake), before it is forgotten.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/report.h"
#include "registry/consul.h"
#include "registry/consul_entry.h"
#include "registry/json.h"

enum {
	/* Each is asked for by itself, at the usual 5 s 4,000 times a second when all are polled. Who has
	 * more of them names those that are wanted. */
	SERVICES_MAX = 20000,
};

/* The names in one list. */
struct names {
	char **texts;
	size_t n, size, max;
	bool consul; /* the servers themselves are among them */
};

static void finish(struct names *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->texts[i]);
	free(f->texts);
}

static int append(struct names *f, const char *text)
{
	if (f->n == f->size) {
		const size_t size = f->size > 0 ? 2 * f->size : 64;
		char **texts = realloc(f->texts, size * sizeof(*texts));

		if (texts == NULL)
			return -ENOMEM;
		f->texts = texts;
		f->size = size;
	}
	f->texts[f->n] = strdup(text);
	if (f->texts[f->n] == NULL)
		return -ENOMEM;
	f->n++;
	return 0;
}

/* The names of proxies and gateways, and that of Consul itself, are services as all others. */
static int take_name(struct names *f, struct snapshot_builder *b, const char *text)
{
	char folded[SERVICE_NAME_SIZE], what[128];
	enum drop reason = report_check_service(text, folded);

	if (reason == DROP_NONE && f->n == f->max)
		reason = DROP_LIMIT;
	if (reason == DROP_NONE)
		return append(f, text);
	snprintf(what, sizeof(what), "service \"%.80s\"%s%s", text, strlen(text) > 80 ? "..." : "",
		 reason == DROP_LIMIT && f->max < SERVICES_MAX ? ": max-services" : "");
	snapshot_builder_drop(b, reason, what);
	return 0;
}

/* The tags of a name are those of all its instances: if one that is wanted is missing, no instance has all.
 */
static int take_member(struct json_reader *json, struct names *f, const char *key, const char *const *wanted)
{
	bool found;
	int status = consul_match_tags(json, wanted, &found);

	f->consul |= strcmp(key, "consul") == 0;
	return status == 0 && found ? take_name(f, json->b, key) : status;
}

static int read_body(const struct fetch_result *res, const char *const *wanted, struct snapshot_builder *b,
		     struct names *f)
{
	struct json_reader json;
	struct json_walk w;
	int status = json_begin(&json, res->body, res->len, b);

	if (status == 0 && json_peek(&json) != '{')
		status = json_refuse(&json, "an object was expected");
	if (status < 0)
		return status;
	status = json_enter(&json, &w);
	while (status >= 0 && (status = json_step(&json, &w)) > 0)
		status = take_member(&json, f, json_key(&w), wanted);
	json_leave(&w);
	return status < 0 ? status : json_end(&json);
}

/* The namespaces and partitions of Consul Enterprise have no service "consul", but for those named "default".
 */
static bool knows_consul(const struct registry *r)
{
	return r->options->consul.namespace == NULL && r->options->consul.partition == NULL;
}

/* Every datacenter has a service "consul", its servers. If it has gone from the list, a right has gone: that
 * is how a token without rights looks to a Consul before 1.11, which does not say so in a header. */
static int judge(struct registry *r, const struct names *f, const struct fetch_result *res,
		 struct snapshot_builder *b)
{
	if (r->saw_consul && !f->consul)
		return snapshot_builder_fail(b, -EACCES,
					     "the token no longer sees everything: \"consul\" itself is "
					     "missing from the list of services");
	if (!f->consul && knows_consul(r) &&
	    !consul_is_filtered(r->list, res)) /* or that has been remarked */
		snapshot_builder_remark(b, "%s: not even \"consul\" itself is there: is a token missing?",
					r->list->label);
	r->saw_consul = f->consul;
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int start(struct registry *r, const char *name, struct consul_resource **ret)
{
	struct consul_resource *c;
	int status = consul_resource_create(r->options, name, &c);

	if (status < 0)
		return status;
	status = r->host->start(r->host, &c->base);
	if (status < 0)
		consul_resource_destroy(c);
	else
		*ret = c;
	return status;
}

/* Whether c, which the list does not name, is to be kept until its own answers agree. */
static bool keep(struct registry *r, struct consul_resource *c)
{
	if (!c->populated) {
		r->host->stop(r->host, &c->base);
		consul_release_slot(r, c);
		consul_resource_destroy(c);
		return false;
	}
	if (!c->gone)
		r->host->hasten(r->host, &c->base);
	c->gone = true;
	return true;
}

/* Goes along the names and the services, both sorted. What cannot be started now is missing, and will be new
 * in the next list: for that the round fails. */
static int merge(struct registry *r, const struct names *f, struct consul_resource **next, size_t *n)
{
	int status = 0;

	for (size_t i = 0, k = 0; i < f->n || k < r->n_services;) {
		struct consul_resource *c = k < r->n_services ? r->services[k] : NULL;
		const int order = i == f->n ? 1 : c == NULL ? -1 : strcmp(f->texts[i], c->service);

		if (order < 0) {
			const int started = start(r, f->texts[i], &next[*n]);

			*n += started == 0;
			status = started < 0 ? started : status;
		} else if (order == 0) {
			c->gone = false;
			next[(*n)++] = c;
		} else if (keep(r, c)) {
			next[(*n)++] = c;
		}
		i += order <= 0;
		k += order >= 0;
	}
	return status;
}

/* What was stopped by its own answer could not be destroyed while that was read. */
static void reap(struct registry *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_services; i++) {
		if (r->services[i]->stopped)
			consul_resource_destroy(r->services[i]);
		else
			r->services[n++] = r->services[i];
	}
	r->n_services = n;
}

static int follow(struct registry *r, struct names *f)
{
	reap(r);
	struct consul_resource **next = calloc(f->n + r->n_services + 1, sizeof(struct consul_resource *));
	size_t n = 0;

	if (next == NULL)
		return -ENOMEM;
	if (f->n > 0)
		qsort(f->texts, f->n, sizeof(*f->texts), compare_texts);
	int status = merge(r, f, next, &n);
	free(r->services);
	r->services = next;
	r->n_services = n;
	return status;
}

int consul_read_names(struct registry *r, const struct fetch_result *res, struct snapshot_builder *b)
{
	const struct snapshot_limits limits = snapshot_limits_within(&r->options->limits);
	struct names found = { .max = limits.services < SERVICES_MAX ? limits.services : SERVICES_MAX };
	int status = read_body(res, r->options->consul.tags, b, &found);

	if (status == 0)
		status = judge(r, &found, res, b);
	if (status == 0)
		status = follow(r, &found);
	finish(&found);
	return status;
}
