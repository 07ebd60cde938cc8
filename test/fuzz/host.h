/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz/host.h -- who runs a kind of registry here: remembers its resources, and does what feed/errand does
 * with what a read said, without any waiting. */
#ifndef PHONEBOOK_FUZZ_HOST_H
#define PHONEBOOK_FUZZ_HOST_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "registry/registry.h"

enum { FUZZ_RESOURCES_MAX = 1024 };

struct fuzz_host {
	struct registry_host host;
	const struct registry_kind *kind;
	struct ledger *ledger;
	struct registry *registry;
	struct resource *resources[FUZZ_RESOURCES_MAX];
	size_t n;
};

static inline int fuzz_start_resource(struct registry_host *h, struct resource *res)
{
	struct fuzz_host *f = (struct fuzz_host *)h;

	if (f->n == FUZZ_RESOURCES_MAX)
		return -1;
	res->runner = f;
	f->resources[f->n++] = res;
	return 0;
}

static inline void fuzz_stop_resource(struct registry_host *h, struct resource *res)
{
	struct fuzz_host *f = (struct fuzz_host *)h;
	size_t i = 0;

	while (i < f->n && f->resources[i] != res)
		i++;
	if (i == f->n)
		return;
	f->n--;
	memmove(&f->resources[i], &f->resources[i + 1], (f->n - i) * sizeof(struct resource *));
	ledger_drop(f->ledger, &res->part);
	res->runner = NULL;
}

static inline void fuzz_hasten_resource(struct registry_host *h, struct resource *res)
{
	(void)h;
	if (res->runner == NULL)
		abort();
}

static inline void fuzz_host_start(struct fuzz_host *f, const struct registry_kind *kind,
				   const struct registry_options *o)
{
	*f = (struct fuzz_host){ .host = { .start = fuzz_start_resource,
					   .stop = fuzz_stop_resource,
					   .hasten = fuzz_hasten_resource },
				 .kind = kind,
				 .ledger = ledger_create() };
	if (kind->create(o, &f->host, f->ledger, &f->registry) != 0 || kind->start(f->registry) != 0)
		abort();
}

/* What the resource asks for; false when it cannot. */
static inline int fuzz_host_ask(struct fuzz_host *f, struct resource *res, struct fetch_request *ret)
{
	struct snapshot_builder *b = snapshot_builder_create();
	const int r = f->kind->ask(f->registry, res, ret, b);

	snapshot_builder_destroy(b);
	return r;
}

/* Reads a result, and looks at all that is known then. People are told why something failed: there is memory
 * enough here, so each failure has a reason. */
static inline int fuzz_host_read(struct fuzz_host *f, struct resource *res, const struct fetch_result *result)
{
	struct snapshot_builder *b = snapshot_builder_create();
	const int step = f->kind->read(f->registry, res, result, b);
	struct snapshot *s;

	if (step < 0 && snapshot_builder_error(b)[0] == '\0')
		abort();
	snapshot_builder_destroy(b);
	if (step < 0)
		ledger_abort(f->ledger, &res->part);
	else if (step == STEP_STOP)
		fuzz_stop_resource(&f->host, res);
	if (ledger_seal(f->ledger, &s) == 0)
		snapshot_release(s);
	return step;
}

static inline void fuzz_host_finish(struct fuzz_host *f)
{
	while (f->n > 0)
		fuzz_stop_resource(&f->host, f->resources[0]);
	f->kind->destroy(f->registry);
	ledger_destroy(f->ledger);
}

#endif
