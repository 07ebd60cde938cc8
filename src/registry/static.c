/* SPDX-License-Identifier: BSD-2-Clause */
/* The instances that are written in the configuration: nothing is asked, nothing is read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "registry/registry.h"
#include "wire/name.h"

struct registry {
	const struct registry_options *options;
	struct ledger *ledger;
	struct ledger_part part;
};

static int create(const struct registry_options *o, struct registry_host *host, struct ledger *ledger,
		  struct registry **ret)
{
	struct registry *r = calloc(1, sizeof(*r));

	(void)host;
	if (r == NULL)
		return -ENOMEM;
	r->options = o;
	r->ledger = ledger;
	*ret = r;
	return 0;
}

static void destroy(struct registry *r)
{
	if (r == NULL)
		return;
	ledger_drop(r->ledger, &r->part);
	free(r);
}

static int add_instance(const struct static_instance *s, struct snapshot_builder *b)
{
	char host[NAME_TEXT_MAX];
	struct hostport parts;
	struct report report = report_blank();

	if (!hostport_from_text(s->address, strlen(s->address), &parts) || parts.host_len >= sizeof(host)) {
		snapshot_builder_drop(b, DROP_ADDRESS, s->address);
		return snapshot_builder_add_service(b, s->service);
	}
	memcpy(host, parts.host, parts.host_len);
	host[parts.host_len] = '\0';

	report.service = s->service;
	report.address = host;
	report.name = s->name;
	report.port_name = s->port_name;
	report.zone = s->zone;
	report.tags = s->tags;
	report.n_tags = s->n_tags;
	report.port = parts.port;
	report.weight = s->weight;
	report.priority = s->priority;
	report.health = s->health;
	report.protocol = s->protocol;
	return snapshot_builder_add(b, &report);
}

static int add_all(struct registry *r, struct snapshot_builder *b)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < r->options->n_instances; i++)
		status = add_instance(&r->options->instances[i], b);
	return status == 0 ? ledger_put(r->ledger, &r->part, "", b) : status;
}

static int start(struct registry *r)
{
	struct snapshot_builder *b = snapshot_builder_create();
	int status = b != NULL ? add_all(r, b) : -ENOMEM;

	snapshot_builder_destroy(b);
	return status;
}

const struct registry_kind registry_static = {
	.name = "static",
	.create = create,
	.destroy = destroy,
	.start = start,
};
