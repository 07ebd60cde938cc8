/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/brake.h"

#include <errno.h>

/* Fewer instances come and go by halves in everyday life. */
enum { BRAKE_INSTANCES_MIN = 4 };

static size_t count(const struct snapshot *s, const char *service)
{
	const struct service *found = snapshot_find(s, service);

	return found != NULL ? found->n_instances : 0;
}

/* Counts, not identities: a deployment that replaces every instance is no loss. */
static bool is_sudden_loss(size_t before, size_t after)
{
	if (before == 0)
		return false;
	return after == 0 || (before >= BRAKE_INSTANCES_MIN && after * 2 < before);
}

/* How much longer the service's loss is held back; 0: it is believed, or there is none. */
static uint64_t hold_for(const struct brake_case *c, const struct service *s)
{
	const uint64_t limit_ms = c->limit(c->context, s->name);

	if (!is_sudden_loss(s->n_instances, count(c->fresh, s->name)) || c->waited_ms >= limit_ms)
		return 0;
	if (c->before != NULL && is_sudden_loss(s->n_instances, count(c->before, s->name)))
		return 0; /* said twice */
	return limit_ms - c->waited_ms;
}

/* fresh, but held services as they were. */
static int keep_held(const struct brake_case *c, struct snapshot **ret)
{
	struct snapshot_builder *b = snapshot_builder_create();
	int r = b != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < c->accepted->n_services; i++) {
		if (hold_for(c, c->accepted->services[i]) > 0)
			r = snapshot_builder_keep_service(b, c->accepted->services[i]);
	}
	for (size_t i = 0; r == 0 && i < c->fresh->n_services; i++) {
		const struct service *s = c->fresh->services[i];
		const struct service *old = snapshot_find(c->accepted, s->name);

		if (old == NULL || hold_for(c, old) == 0)
			r = snapshot_builder_keep_service(b, s);
	}
	if (r == 0)
		r = snapshot_builder_seal(b, c->accepted, ret);
	snapshot_builder_destroy(b);
	return r;
}

int brake_judge(const struct brake_case *c, struct brake_verdict *ret)
{
	struct brake_verdict v = { .next_ms = UINT64_MAX };
	int r = 0;

	for (size_t i = 0; c->accepted != NULL && i < c->accepted->n_services; i++) {
		const uint64_t wait_ms = hold_for(c, c->accepted->services[i]);

		if (wait_ms == 0)
			continue;
		v.held++;
		v.next_ms = wait_ms < v.next_ms ? wait_ms : v.next_ms;
	}
	if (v.held == 0)
		v.believed = snapshot_keep(c->fresh);
	else
		r = keep_held(c, &v.believed);
	if (r == 0)
		*ret = v;
	return r;
}
