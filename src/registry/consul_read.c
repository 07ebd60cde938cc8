/* SPDX-License-Identifier: BSD-2-Clause */
/* The instances of one service, in the two forms Consul has for them.
 *
 *   health   [{"Node":{"Address":...},"Service":{"ID":...,"Address":...,"Port":...},"Checks":[...]}]
 *   catalog  [{"Address":...,"ServiceID":...,"ServiceAddress":...,"ServicePort":...}]
 */
#include <errno.h>
#include <stdio.h>

#include "registry/consul.h"
#include "registry/consul_entry.h"

static int drop(struct snapshot_builder *b, enum drop reason, const char *what, const char *service)
{
	char text[256];

	snprintf(text, sizeof(text), "%.80s of \"%.60s\"", what, service);
	snapshot_builder_drop(b, reason, text);
	return 0;
}

static const char *zone_of(const struct consul_entry *e)
{
	for (size_t i = 0; i < ZONES; i++) {
		if (e->zones[i] != NULL && e->zones[i][0] != '\0')
			return e->zones[i];
	}
	return NULL;
}

static int add(struct snapshot_builder *b, const char *service, const struct consul_entry *e)
{
	struct report report = report_blank();

	report.service = service;
	report.address = e->has_address ? e->address : e->node_address;
	if (report.address == NULL)
		return drop(b, DROP_ADDRESS, "an instance without address", service);
	if (e->bad_port)
		return drop(b, DROP_PORT, report.address, service);
	report.port = e->port;
	report.name = e->id;
	report.zone = zone_of(e);
	report.health = e->health;
	report.weight = e->health == HEALTH_WARNING ? e->warning : e->passing;
	report.tags = e->tags;
	report.n_tags = e->n_tags;
	report.metadata = e->metadata;
	report.n_metadata = e->n_metadata;
	return snapshot_builder_add(b, &report);
}

static int take_entry(struct consul_reading *r, const char *service, size_t *n)
{
	struct snapshot_builder *b = r->json.b;
	int status = consul_entry_read(r);

	if (status < 0)
		return status;
	if (!r->entry.is_service)
		return drop(b, DROP_SHAPE, "something that is no instance", service);
	if (!consul_entry_is_wanted(r))
		return 0;
	++*n;
	return add(b, service, &r->entry);
}

static int read_list(struct consul_reading *r, const char *service, size_t *n)
{
	struct pull_walk w;

	if (json_peek(&r->json) != '[')
		return json_refuse(&r->json, "a list was expected");
	if (buffer_reserve(&r->room, CONSUL_ENTRY_ROOM) == NULL)
		return -ENOMEM;
	int status = pull_enter(&r->json, '[', &w);
	while (status >= 0 && (status = pull_step(&r->json, &w)) > 0)
		status = take_entry(r, service, n);
	return status == 0 ? json_end(&r->json) : status;
}

int consul_read_service(const struct consul_options *o, const struct consul_resource *c,
			const struct fetch_result *res, struct snapshot_builder *b, size_t *ret)
{
	struct consul_reading r = { .mode = o->mode,
				    .wanted = o->tags,
				    .room = { .limit = CONSUL_ENTRY_ROOM } };
	size_t n = 0;
	int status = json_begin(&r.json, res->body, res->len, b);

	if (status == 0)
		status = read_list(&r, c->service, &n);
	if (status == 0)
		status = snapshot_builder_add_service(b, c->service);
	buffer_finish(&r.room);
	if (status == 0)
		*ret = n;
	return status;
}
