/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/late.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "feed/errand.h"

enum {
	/* In an outage all parts fail, and were heard an interval apart from each other before: they are as
	 * old as the registry then, and need no mark each. This is for the time a round takes. */
	ROUND_MS = 1000,
	FAILURES_MIN = 2, /* in a row: one may be the server's restart */
};

static bool is_older(const struct crew *c, uint64_t true_ms, uint64_t registry_ms)
{
	const struct registry_options *o = c->o.options;

	return true_ms < registry_ms && registry_ms - true_ms > o->interval_ms + o->jitter_ms + ROUND_MS;
}

static bool is_late(const struct errand *e, uint64_t registry_ms)
{
	return !e->resource->vital && e->has_spoken && e->is_failing && !e->is_live &&
	       e->schedule.failures >= FAILURES_MIN && is_older(e->crew, e->heard_ms, registry_ms);
}

/* What is late now. */
struct listing {
	struct buffer services; /* of struct late_service */
	uint64_t true_ms;       /* of the part that is listed */
	int error;
};

static void list_service(struct listing *l, const struct service *service, uint64_t true_ms)
{
	const struct late_service s = { .service = service, .true_ms = true_ms };

	if (l->error == 0)
		l->error = buffer_add(&l->services, &s, sizeof(s));
	if (l->error == 0)
		service_keep(service);
}

static void list_item(void *context, const char *key, const struct snapshot *item)
{
	struct listing *l = context;

	(void)key;
	for (size_t i = 0; i < item->n_services; i++)
		list_service(l, item->services[i], l->true_ms);
}

/* What was late when it was inherited stays so; the rest as soon as it may be more than late. */
static void list_inherited(struct listing *l, const struct late_inherited *inherited, bool is_old,
			   const struct late *before)
{
	const struct snapshot *all = inherited->services;

	for (size_t i = 0; all != NULL && (is_old || before->n > 0) && i < all->n_services; i++) {
		const uint64_t late_ms = late_true_ms(before, all->services[i]->name);

		if (late_ms > 0 || is_old)
			list_service(l, all->services[i], late_ms > 0 ? late_ms : inherited->true_ms);
	}
}

static int compare_names(const struct late_service *a, const struct late_service *b)
{
	return strcmp(a->service->name, b->service->name);
}

/* The oldest part that knows a service comes first. */
static int compare_late(const void *a, const void *b)
{
	const struct late_service *x = a, *y = b;
	const int order = compare_names(x, y);

	return order != 0 ? order : (x->true_ms > y->true_ms) - (x->true_ms < y->true_ms);
}

/* Sorted, each name once. */
static struct late tidy(struct buffer *services)
{
	struct late l = { .services = (struct late_service *)(void *)services->octets };
	const size_t n = services->len / sizeof(*l.services);

	if (n > 0)
		qsort(l.services, n, sizeof(*l.services), compare_late);
	for (size_t i = 0; i < n; i++) {
		if (l.n > 0 && compare_names(&l.services[l.n - 1], &l.services[i]) == 0)
			service_release(l.services[i].service);
		else
			l.services[l.n++] = l.services[i];
	}
	return l;
}

static int list(const struct crew *c, const struct late_inherited *inherited, const struct late *before,
		struct late *ret)
{
	const uint64_t registry_ms = crew_true_until(c);
	struct listing l = { 0 };
	const struct errand *e;

	if (c->n_failing > 0)
		TAILQ_FOREACH(e, &c->all, link)
		{
			if (!is_late(e, registry_ms))
				continue;
			l.true_ms = e->heard_ms;
			ledger_for_each(c->o.ledger, &e->resource->part, list_item, &l);
		}
	list_inherited(&l, inherited, c->n_failing > 0 && is_older(c, inherited->true_ms, registry_ms),
		       before);
	*ret = tidy(&l.services);
	if (l.error != 0)
		late_finish(ret);
	return l.error;
}

/* Both are sorted by name. */
static void tell_differences(const struct late *a, const struct late *b,
			     void (*changed)(void *context, const char *service), void *context)
{
	for (size_t i = 0, k = 0; i < a->n || k < b->n;) {
		const int order = i == a->n   ? 1
				  : k == b->n ? -1
					      : compare_names(&a->services[i], &b->services[k]);

		if (order != 0)
			changed(context, (order < 0 ? a->services[i] : b->services[k]).service->name);
		else if (a->services[i].true_ms != b->services[k].true_ms)
			changed(context, a->services[i].service->name);
		i += order <= 0;
		k += order >= 0;
	}
}

int late_inherit(struct late *l, const struct late *before)
{
	struct listing copy = { 0 };

	for (size_t i = 0; i < before->n; i++)
		list_service(&copy, before->services[i].service, before->services[i].true_ms);
	*l = tidy(&copy.services);
	return copy.error;
}

int late_update(struct late *l, const struct crew *c, const struct late_inherited *inherited,
		void (*changed)(void *context, const char *service), void *context)
{
	struct late old = *l, now;
	const int r = list(c, inherited, &old, &now);

	if (r != 0)
		return r;
	*l = now; /* whoever is told of a change looks here */
	tell_differences(&old, &now, changed, context);
	late_finish(&old);
	return 0;
}

static int compare_key(const void *name, const void *late)
{
	return strcmp(name, ((const struct late_service *)late)->service->name);
}

uint64_t late_true_ms(const struct late *l, const char *service)
{
	const struct late_service *found =
		l->n > 0 ? bsearch(service, l->services, l->n, sizeof(*l->services), compare_key) : NULL;

	return found != NULL ? found->true_ms : 0;
}

void late_finish(struct late *l)
{
	for (size_t i = 0; i < l->n; i++)
		service_release(l->services[i].service);
	free(l->services);
	*l = (struct late){ 0 };
}
