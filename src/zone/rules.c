/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/rules.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t count_left(const struct selection *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_all; i++)
		n += s->members[i].left_out == LEFT_OUT_NOT;
	return n;
}

static const uint8_t worst[] = {
	[HEALTH_RULE_PASSING] = HEALTH_PASSING,
	[HEALTH_RULE_WARNING] = HEALTH_WARNING,
	[HEALTH_RULE_ANY] = HEALTH_CRITICAL,
};

bool rules_is_healthy(enum health_rule rule, uint8_t health)
{
	return health <= worst[rule];
}

/* When nobody is healthy the checks are more likely wrong than all instances dead; and a caller who gets an
 * address that does not answer is no worse off than one who gets none. But who is in doubt is better than who
 * is down: of those the best are taken. */
void rules_health(struct selection *s, enum health_rule rule)
{
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

		if (m->left_out == LEFT_OUT_NOT &&
		    facts->is_flapping(facts->context, service, m->registry, m->instance))
			m->left_out = LEFT_OUT_FLAPPING;
	}
	if (count_left(s) == 0)
		undo(s, LEFT_OUT_FLAPPING);
}

/* --- reachability --- */

/* An address of a member at which nobody answers. */
struct silent {
	struct member *member;
	size_t address;
	uint64_t since_ms; /* ago */
};

bool rules_can_be_probed(const struct instance *i)
{
	return i->port != 0 && i->protocol != PROTOCOL_UDP;
}

static bool is_probed(const struct member *m)
{
	return m->left_out == LEFT_OUT_NOT && rules_can_be_probed(m->instance);
}

static uint64_t silence_of(const struct policy_facts *facts, const struct member *m, size_t address)
{
	return facts->unreachable_ms(facts->context, &m->addresses[address], m->instance->port);
}

/* Notes how long each member has been silent, as a whole. Returns how many addresses are. */
static size_t look(struct selection *s, const struct policy_facts *facts, size_t *n_addresses)
{
	size_t n = 0;

	*n_addresses = 0;
	for (size_t i = 0; i < s->n_all; i++) {
		struct member *m = &s->members[i];
		uint64_t least_ms = UINT64_MAX;

		if (m->left_out == LEFT_OUT_NOT)
			*n_addresses += m->n_addresses;
		for (size_t a = 0; is_probed(m) && a < m->n_addresses; a++) {
			const uint64_t silent_ms = silence_of(facts, m, a);

			n += silent_ms > 0;
			least_ms = silent_ms < least_ms ? silent_ms : least_ms;
		}
		m->unreachable_ms = least_ms != UINT64_MAX ? least_ms : 0;
	}
	return n;
}

static size_t collect(struct selection *s, const struct policy_facts *facts, struct silent *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_all; i++) {
		struct member *m = &s->members[i];

		for (size_t a = 0; is_probed(m) && a < m->n_addresses; a++) {
			const uint64_t silent_ms = silence_of(facts, m, a);

			if (silent_ms > 0)
				ret[n++] = (struct silent){ m, a, silent_ms };
		}
	}
	return n;
}

static int compare_silence(const void *a, const void *b)
{
	const struct silent *x = a, *y = b;

	if (x->since_ms != y->since_ms)
		return x->since_ms < y->since_ms ? 1 : -1;
	if (x->member != y->member)
		return x->member > y->member ? 1 : -1;
	return (x->address > y->address) - (x->address < y->address);
}

/* The member keeps the addresses that are not in the mask. */
static int keep_addresses(struct selection *s, struct member *m, uint32_t out)
{
	struct address *kept = arena_alloc(&s->arena, m->n_addresses * sizeof(*kept));
	size_t n = 0;

	if (kept == NULL)
		return -ENOMEM;
	for (size_t a = 0; a < m->n_addresses; a++) {
		if ((out >> a & 1) == 0)
			kept[n++] = m->addresses[a];
	}
	m->addresses = kept;
	m->n_addresses = n;
	return 0;
}

/* Where most seem dead it may be this host that is cut off, and half of a service bears the load of all of
 * it: more are never left out, neither of its instances nor of its addresses. out: for each member, a bit for
 * each address. */
static int leave_out(struct selection *s, const struct silent *silent, size_t n, size_t addresses_max,
		     uint32_t *out)
{
	size_t members_max = count_left(s) / 2;
	int r = 0;

	for (size_t i = 0; i < n && addresses_max > 0; i++) {
		struct member *m = silent[i].member;
		uint32_t *mask = &out[m - s->members];
		const uint32_t all = (UINT32_C(1) << m->n_addresses) - 1;
		const uint32_t more = *mask | UINT32_C(1) << silent[i].address;

		if (more == all && members_max == 0)
			continue;
		members_max -= more == all;
		addresses_max--;
		*mask = more;
		m->left_out = more == all ? LEFT_OUT_UNREACHABLE : LEFT_OUT_NOT;
	}
	for (size_t i = 0; r == 0 && i < s->n_all; i++) {
		if (out[i] != 0 && s->members[i].left_out == LEFT_OUT_NOT)
			r = keep_addresses(s, &s->members[i], out[i]);
	}
	return r;
}

int rules_reachability(struct selection *s, const struct policy_facts *facts)
{
	size_t n_addresses;

	static_assert(POLICY_ADDRESSES_MAX < 32, "a bit for each");
	if (facts->unreachable_ms == NULL)
		return 0;
	const size_t n = look(s, facts, &n_addresses);
	if (n == 0)
		return 0;
	struct silent *silent = calloc(n, sizeof(*silent));
	uint32_t *out = calloc(s->n_all, sizeof(*out));
	int r = silent != NULL && out != NULL ? 0 : -ENOMEM;
	if (r == 0) {
		collect(s, facts, silent);
		qsort(silent, n, sizeof(*silent), compare_silence);
		r = leave_out(s, silent, n, n_addresses / 2, out);
	}
	free(silent);
	free(out);
	return r;
}

/* --- nearness --- */

static bool is_near(const struct member *m, enum near_rule rule, const struct policy_facts *facts)
{
	const char *zone = instance_zone(m->instance);

	if (rule == NEAR_ZONE)
		return facts->zone_of_host != NULL && zone != NULL &&
		       strcasecmp(facts->zone_of_host, zone) == 0;
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
