/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "zone/rules.h"

static int compare_option_name(const void *name, const void *option)
{
	return strcmp(name, ((const struct service_options *)option)->name);
}

const char *left_out_to_text(enum left_out reason)
{
	static const char *const words[] = { "answered", "address",     "registry", "health",
					     "flapping", "unreachable", "far" };

	return words[reason];
}

const struct answer_options *zone_options_for(const struct zone_options *z, const char *service)
{
	const struct service_options *own = z->n_services == 0
						    ? NULL
						    : bsearch(service, z->services, z->n_services,
							      sizeof(*z->services), compare_option_name);

	return own != NULL ? &own->answer : &z->answer;
}

/* Adds one instance with the addresses it has now. */
static int add_member(struct selection *s, const struct instance *i, const struct policy_facts *facts)
{
	struct member *m = &s->members[s->n_all++];

	*m = (struct member){ .instance = i, .addresses = &i->address, .n_addresses = 1 };
	if (i->address.len == 0) {
		struct address found[POLICY_ADDRESSES_MAX];

		m->addresses = NULL;
		m->n_addresses = facts->addresses != NULL
					 ? facts->addresses(facts->context, instance_host(i), found)
					 : 0;
		m->left_out = m->n_addresses > 0 ? LEFT_OUT_NOT : LEFT_OUT_ADDRESS;
		struct address *kept = arena_alloc(&s->arena, (m->n_addresses + 1) * sizeof(*found));
		if (kept == NULL)
			return -ENOMEM;
		memcpy(kept, found, m->n_addresses * sizeof(*found));
		m->addresses = kept;
	}
	return 0;
}

static int add_service(struct selection *s, const struct service *service, unsigned registry,
		       const struct policy_facts *facts)
{
	int r = 0;

	if (service->n_instances == 0)
		return 0;
	struct member *more = realloc(s->members, (s->n_all + service->n_instances) * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	s->members = more;
	for (size_t i = 0; r == 0 && i < service->n_instances; i++) {
		r = add_member(s, service->instances[i], facts);
		s->members[s->n_all - 1].registry = registry;
	}
	return r;
}

/* Equal places stay in the order of the registries: members are compared by their own position last. */
static int compare_members(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a, *y = *(const struct member *const *)b;
	const int order = instance_compare_place(x->instance, y->instance);

	return order != 0 ? order : (x > y) - (x < y);
}

/* Of each place, what the first registry that has it says of it counts. first is where a later registry's
 * members begin: within one registry nothing is left out, it knows its instances apart. */
static int leave_out_known(struct selection *s, size_t first)
{
	struct member **sorted = malloc((s->n_all + 1) * sizeof(*sorted));

	if (sorted == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_all; i++)
		sorted[i] = &s->members[i];
	qsort(sorted, s->n_all, sizeof(*sorted), compare_members);
	for (size_t i = 1, group = 0; i < s->n_all; i++) {
		if (instance_compare_place(sorted[group]->instance, sorted[i]->instance) != 0)
			group = i;
		else if ((size_t)(sorted[i] - s->members) >= first &&
			 (size_t)(sorted[group] - s->members) < first)
			sorted[i]->left_out = LEFT_OUT_REGISTRY;
	}
	free(sorted);
	return 0;
}

/* Everything the registries of the zone say of the service. */
static int gather(const struct zone_options *z, struct snapshot *const snapshots[], const char *service,
		  const struct policy_facts *facts, struct selection *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < z->n_registries; i++) {
		const unsigned registry = z->registries[i];
		const struct service *found =
			snapshots[registry] != NULL ? snapshot_find(snapshots[registry], service) : NULL;
		const size_t first = s->n_all;

		if (found == NULL)
			continue;
		s->known = true;
		s->registries |= UINT64_C(1) << registry;
		r = add_service(s, found, registry, facts);
		if (r == 0 && first > 0 && s->n_all > first)
			r = leave_out_known(s, first);
		if (z->merge == MERGE_FIRST)
			break;
	}
	return r;
}

/* Those that are answered first, both parts in the order they came in. */
static int part(struct selection *s)
{
	size_t n_out = 0;

	for (s->n = 0; s->n < s->n_all && s->members[s->n].left_out == LEFT_OUT_NOT;)
		s->n++;
	if (s->n == s->n_all)
		return 0;
	struct member *out = malloc(s->n_all * sizeof(*out));
	if (out == NULL)
		return -ENOMEM;
	s->n = 0;
	for (size_t i = 0; i < s->n_all; i++) {
		if (s->members[i].left_out == LEFT_OUT_NOT)
			s->members[s->n++] = s->members[i];
		else
			out[n_out++] = s->members[i];
	}
	memcpy(s->members + s->n, out, n_out * sizeof(*out));
	free(out);
	return 0;
}

int policy_select(const struct zone_options *z, struct snapshot *const snapshots[], const char *service,
		  const struct policy_facts *facts, struct selection *ret)
{
	const struct answer_options *o = zone_options_for(z, service);

	*ret = (struct selection){ 0 };
	int r = gather(z, snapshots, service, facts, ret);
	if (r != 0)
		return r;
	rules_health(ret, o->health);
	if (o->flap_limit > 0)
		rules_flapping(ret, service, facts);
	if (o->probe != PROBE_NONE)
		r = rules_reachability(ret, facts);
	if (r != 0)
		return r;
	rules_nearness(ret, o, facts);
	return part(ret);
}

void selection_finish(struct selection *s)
{
	free(s->members);
	arena_finish(&s->arena);
	*s = (struct selection){ 0 };
}
