/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/consul.h"
#include "registry/request_path.h"

enum {
	/* Consul adds up to a sixteenth of the time to each wait, so that waits do not all end at once. A
	 * limit below that sum would take every quiet period for an outage. */
	WAIT_JITTER = 16,
	WAIT_MARGIN_MS = 5000, /* for the way there and back, and an agent that has to ask its servers */
};

static const char *const wanted[] = { "X-Consul-Index",
				      "X-Consul-LastContact",
				      "X-Consul-KnownLeader",
				      "X-Consul-Query-Backend",
				      "X-Consul-Results-Filtered-By-ACLs",
				      "Age",
				      NULL };

static void add_parameter(struct request_path *p, const char *key, const char *value)
{
	if (value != NULL && value[0] != '\0')
		request_path_add_parameter(p, key, value);
}

static void write_path(struct request_path *p, const struct consul_options *o, const char *service)
{
	if (service == NULL)
		request_path_add(p, "/v1/catalog/services");
	else
		request_path_add(p,
				 o->mode == CONSUL_CATALOG ? "/v1/catalog/service/" : "/v1/health/service/");
	if (service != NULL)
		request_path_add_encoded(p, service);
	add_parameter(p, "dc", o->datacenter);
	add_parameter(p, "ns", o->namespace);
	add_parameter(p, "partition", o->partition);

	/* The list has no order, and servers before 1.14 refuse or ignore a filter on it. */
	if (service != NULL) {
		add_parameter(p, "near", o->near);
		add_parameter(p, "filter", o->filter);
	}
	if (o->stale)
		request_path_add_parameter(p, "stale", "");
}

/* NULL without memory. */
static char *make_path(const struct consul_options *o, const char *service)
{
	struct buffer text = { .limit = 0 };
	struct request_path p;

	request_path_begin(&p, &text);
	write_path(&p, o, service);
	if (request_path_end(&p) < 0)
		buffer_finish(&text);
	return (char *)text.octets;
}

int consul_resource_create(const struct registry_options *o, const char *service,
			   struct consul_resource **ret)
{
	static const char prefix[] = "service ";
	struct consul_resource *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->path = make_path(&o->consul, service);
	if (asprintf(&c->label, "%s%s", service != NULL ? prefix : "list of services",
		     service != NULL ? service : "") < 0)
		c->label = NULL;
	if (c->path == NULL || c->label == NULL) {
		consul_resource_destroy(c);
		return -ENOMEM;
	}
	if (service != NULL)
		c->service = c->label + sizeof(prefix) - 1;
	c->base.name = c->label;
	*ret = c;
	return 0;
}

void consul_resource_destroy(struct consul_resource *c)
{
	if (c == NULL)
		return;
	free(c->label);
	free(c->path);
	free(c->asked);
	free(c);
}

int consul_resource_ask(const struct registry_options *o, struct consul_resource *c,
			struct fetch_request *ret)
{
	const uint64_t wait_ms = o->consul.wait_ms;

	free(c->asked);
	c->asked = NULL;
	*ret = (struct fetch_request){
		.source = FETCH_HTTP, .http = &o->http, .path = c->path, .wanted = wanted
	};
	if (c->sent == 0)
		return 0;
	if (asprintf(&c->asked, "%s%cindex=%" PRIu64 "&wait=%" PRIu64 "ms", c->path,
		     strchr(c->path, '?') != NULL ? '&' : '?', c->sent, wait_ms) < 0) {
		c->asked = NULL;
		return -ENOMEM;
	}
	ret->path = c->asked;
	ret->held = true;
	ret->timeout_ms = wait_ms + wait_ms / WAIT_JITTER + WAIT_MARGIN_MS;
	return 0;
}
