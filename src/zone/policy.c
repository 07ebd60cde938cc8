/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_option_name(const void *name, const void *option)
{
	return strcmp(name, ((const struct service_options *)option)->name);
}

const struct answer_options *zone_options_for(const struct zone_options *z, const char *service)
{
	const struct service_options *own = z->n_services == 0
						    ? NULL
						    : bsearch(service, z->services, z->n_services,
							      sizeof(*z->services), compare_option_name);

	return own != NULL ? &own->answer : &z->answer;
}

/* Adds one instance with the addresses it has now; one without any cannot be answered and is left out. */
static int add_member(struct selection *s, const struct instance *i, addresses_fn addresses, void *context)
{
	struct member m = { .instance = i, .addresses = &i->address, .n_addresses = 1 };

	if (i->address.len == 0) {
		struct address found[POLICY_ADDRESSES_MAX];

		m.n_addresses = addresses(context, instance_host(i), found);
		if (m.n_addresses == 0)
			return 0;
		struct address *kept = arena_alloc(&s->arena, m.n_addresses * sizeof(*found));
		if (kept == NULL)
			return -ENOMEM;
		memcpy(kept, found, m.n_addresses * sizeof(*found));
		m.addresses = kept;
	}
	s->members[s->n++] = m;
	return 0;
}

static int add_service(struct selection *s, const struct service *service, addresses_fn addresses,
		       void *context)
{
	int r = 0;

	if (service->n_instances == 0)
		return 0;
	struct member *more = realloc(s->members, (s->n + service->n_instances) * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	s->members = more;
	for (size_t i = 0; r == 0 && i < service->n_instances; i++)
		r = add_member(s, service->instances[i], addresses, context);
	return r;
}

/* Where an instance is: what makes it the same in two registries, whatever they call it. */
static int compare_place(const struct instance *a, const struct instance *b)
{
	const char *x = instance_host(a), *y = instance_host(b);
	int order = memcmp(&a->address, &b->address, sizeof(a->address));

	if (order == 0)
		order = strcmp(x != NULL ? x : "", y != NULL ? y : "");
	if (order == 0)
		order = (a->port > b->port) - (a->port < b->port);
	return order;
}

/* Equal places stay in the order of the registries: members are compared by their own position last. */
static int compare_members(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a, *y = *(const struct member *const *)b;
	const int order = compare_place(x->instance, y->instance);

	return order != 0 ? order : (x > y) - (x < y);
}

/* Keeps of each place what the first registry that has it says of it. first is where a later registry's
 * members begin: within one registry nothing is dropped, it knows its instances apart. */
static int drop_known_places(struct selection *s, size_t first)
{
	const struct member **sorted = malloc((s->n + 1) * sizeof(*sorted));
	bool *known = calloc(s->n + 1, sizeof(*known));
	const int r = sorted != NULL && known != NULL ? 0 : -ENOMEM;

	if (r == 0) {
		for (size_t i = 0; i < s->n; i++)
			sorted[i] = &s->members[i];
		qsort(sorted, s->n, sizeof(const struct member *), compare_members);
		for (size_t i = 1, group = 0; i < s->n; i++) {
			if (compare_place(sorted[group]->instance, sorted[i]->instance) != 0)
				group = i;
			else if ((size_t)(sorted[i] - s->members) >= first &&
				 (size_t)(sorted[group] - s->members) < first)
				known[sorted[i] - s->members] = true;
		}
		size_t kept = 0;
		for (size_t i = 0; i < s->n; i++) {
			if (!known[i])
				s->members[kept++] = s->members[i];
		}
		s->n = kept;
	}
	free(sorted);
	free(known);
	return r;
}

/* When nobody is healthy the checks are more likely wrong than all instances dead; and a caller who gets an
 * address that does not answer is no worse off than one who gets none. But who is in doubt is better than who
 * is down: of those the best are taken. */
static void keep_healthy(struct selection *s, enum health_rule rule)
{
	static const uint8_t worst[] = {
		[HEALTH_RULE_PASSING] = HEALTH_PASSING,
		[HEALTH_RULE_WARNING] = HEALTH_WARNING,
		[HEALTH_RULE_ANY] = HEALTH_CRITICAL,
	};
	uint8_t best = HEALTH_CRITICAL;
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->members[i].instance->health < best)
			best = s->members[i].instance->health;
	}
	s->failed_open = s->n > 0 && best > worst[rule];
	const uint8_t accepted = s->failed_open ? best : worst[rule];
	for (size_t i = 0; i < s->n; i++) {
		if (s->members[i].instance->health <= accepted)
			s->members[kept++] = s->members[i];
	}
	s->n = kept;
}

int policy_select(const struct zone_options *z, struct snapshot *const snapshots[], const char *service,
		  addresses_fn addresses, void *context, struct selection *ret)
{
	int r = 0;

	*ret = (struct selection){ 0 };
	for (size_t i = 0; r == 0 && i < z->n_registries; i++) {
		const unsigned registry = z->registries[i];
		const struct service *found =
			snapshots[registry] != NULL ? snapshot_find(snapshots[registry], service) : NULL;
		const size_t first = ret->n;

		if (found == NULL)
			continue;
		ret->known = true;
		ret->registries |= UINT64_C(1) << registry;
		r = add_service(ret, found, addresses, context);
		if (r == 0 && first > 0 && ret->n > first)
			r = drop_known_places(ret, first);
		if (z->merge == MERGE_FIRST)
			break;
	}
	if (r == 0)
		keep_healthy(ret, zone_options_for(z, service)->health);
	return r;
}

void selection_finish(struct selection *s)
{
	free(s->members);
	arena_finish(&s->arena);
	*s = (struct selection){ 0 };
}
