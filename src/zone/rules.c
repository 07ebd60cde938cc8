/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t count_left(const struct selection *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_all; i++)
		n += s->members[i].left_out == LEFT_OUT_NOT;
	return n;
}

/* When nobody is healthy the checks are more likely wrong than all instances dead; and a caller who gets an
 * address that does not answer is no worse off than one who gets none. But who is in doubt is better than who
 * is down: of those the best are taken. */
void rules_health(struct selection *s, enum health_rule rule)
{
	static const uint8_t worst[] = {
		[HEALTH_RULE_PASSING] = HEALTH_PASSING,
		[HEALTH_RULE_WARNING] = HEALTH_WARNING,
		[HEALTH_RULE_ANY] = HEALTH_CRITICAL,
	};
	uint8_t best = HEALTH_CRITICAL;

	for (size_t i = 0; i < s->n_all; i++) {
		if (s->members[i].left_out == LEFT_OUT_NOT && s->members[i].instance->health < best)
			best = s->members[i].instance->health;
	}
	s->failed_open = count_left(s) > 0 && best > worst[rule];
	const uint8_t accepted = s->failed_open ? best : worst[rule];
	for (size_t i = 0; i < s->n_all; i++) {
		if (s->members[i].left_out == LEFT_OUT_NOT && s->members[i].instance->health > accepted)
			s->members[i].left_out = LEFT_OUT_HEALTH;
	}
}

/* Takes back everything one rule has done. */
static void undo(struct selection *s, enum left_out reason)
{
	for (size_t i = 0; i < s->n_all; i++) {
		if (s->members[i].left_out == reason)
			s->members[i].left_out = LEFT_OUT_NOT;
	}
}

void rules_flapping(struct selection *s, const char *service, const struct policy_facts *facts)
{
	if (facts->is_flapping == NULL)
		return;
	for (size_t i = 0; i < s->n_all; i++) {
		struct member *m = &s->members[i];

		if (m->left_out == LEFT_OUT_NOT && facts->is_flapping(facts->context, service, m->instance))
			m->left_out = LEFT_OUT_FLAPPING;
	}
	if (count_left(s) == 0)
		undo(s, LEFT_OUT_FLAPPING);
}

/* --- reachability --- */

static uint64_t silence_of(const struct policy_facts *facts, const struct member *m, size_t address)
{
	return facts->unreachable_ms(facts->context, &m->addresses[address], m->instance->port);
}

/* Leaves out those addresses of one instance where nobody answers. One that answers nowhere keeps them all:
 * it is judged as a whole. */
static int look_at_member(struct selection *s, const struct policy_facts *facts, struct member *m)
{
	uint64_t silent_ms[POLICY_ADDRESSES_MAX], least_ms = UINT64_MAX;
	size_t n = 0;

	for (size_t i = 0; i < m->n_addresses; i++) {
		silent_ms[i] = silence_of(facts, m, i);
		least_ms = silent_ms[i] < least_ms ? silent_ms[i] : least_ms;
		n += silent_ms[i] == 0;
	}
	m->unreachable_ms = least_ms;
	if (n == 0 || n == m->n_addresses)
		return 0;
	struct address *kept = arena_alloc(&s->arena, n * sizeof(*kept));
	if (kept == NULL)
		return -ENOMEM;
	for (size_t i = 0, at = 0; i < m->n_addresses; i++) {
		if (silent_ms[i] == 0)
			kept[at++] = m->addresses[i];
	}
	m->addresses = kept;
	m->n_addresses = n;
	return 0;
}

static int compare_silence(const void *a, const void *b)
{
	const struct member *x = *(struct member *const *)a, *y = *(struct member *const *)b;

	if (x->unreachable_ms != y->unreachable_ms)
		return x->unreachable_ms < y->unreachable_ms ? 1 : -1;
	return (x > y) - (x < y);
}

/* Where most seem dead it may be this host that is cut off, and half of a service bears the load of all of
 * it: more are never left out. */
static int leave_out_silent(struct selection *s)
{
	const size_t n_left = count_left(s);
	struct member **silent = calloc(n_left + 1, sizeof(*silent));
	size_t n = 0;

	if (silent == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_all; i++) {
		if (s->members[i].left_out == LEFT_OUT_NOT && s->members[i].unreachable_ms > 0)
			silent[n++] = &s->members[i];
	}
	qsort(silent, n, sizeof(*silent), compare_silence);
	for (size_t i = 0; i < n && i < n_left / 2; i++)
		silent[i]->left_out = LEFT_OUT_UNREACHABLE;
	free(silent);
	return 0;
}

int rules_reachability(struct selection *s, const struct policy_facts *facts)
{
	bool any = false;

	if (facts->unreachable_ms == NULL)
		return 0;
	for (size_t i = 0; i < s->n_all; i++) {
		struct member *m = &s->members[i];

		if (m->left_out != LEFT_OUT_NOT || m->instance->port == 0)
			continue;
		const int r = look_at_member(s, facts, m);
		if (r != 0)
			return r;
		any = any || m->unreachable_ms > 0;
	}
	return any ? leave_out_silent(s) : 0;
}

/* --- nearness --- */

static bool is_near(const struct member *m, enum near_rule rule, const struct policy_facts *facts)
{
	const char *zone = instance_zone(m->instance);

	if (rule == NEAR_ZONE)
		return facts->zone_of_host != NULL && zone != NULL && strcmp(facts->zone_of_host, zone) == 0;
	for (size_t i = 0; i < m->n_addresses; i++) {
		if (facts->is_local != NULL && facts->is_local(facts->context, &m->addresses[i]))
			return true;
	}
	return false;
}

/* Either near ones alone or all of them: an order that puts the near ones first would not outlive the sorting
 * of getaddrinfo() (RFC 6724), which knows nothing of zones. */
void rules_nearness(struct selection *s, const struct answer_options *o, const struct policy_facts *facts)
{
	size_t near = 0;

	if (o->near == NEAR_ALL)
		return;
	for (size_t i = 0; i < s->n_all; i++) {
		struct member *m = &s->members[i];

		if (m->left_out != LEFT_OUT_NOT)
			continue;
		if (!is_near(m, o->near, facts))
			m->left_out = LEFT_OUT_FAR;
		else
			near++;
	}
	if (near == 0 || near < o->near_min)
		undo(s, LEFT_OUT_FAR);
}
