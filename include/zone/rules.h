/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/rules.h -- the rules that leave instances out of a selection, one after the other.
 *
 * Each looks only at the members that are left, marks some of them, and leaves at least one. Part of
 * zone/policy.h; feeder thread.
 */
#ifndef PHONEBOOK_ZONE_RULES_H
#define PHONEBOOK_ZONE_RULES_H

#include "zone/policy.h"

/* Whether an instance of that health is answered even while there are healthier ones. */
bool rules_is_healthy(enum health_rule rule, uint8_t health);

/* The unhealthy, or, when there are no others, all but the best; sets failed_open then. */
void rules_health(struct selection *s, enum health_rule rule);

/* Those that change all the time, unless all do. */
void rules_flapping(struct selection *s, const char *service, const struct policy_facts *facts);

/* Whether a connection can tell if somebody answers there: not without a port, and not for datagrams. */
bool rules_can_be_probed(const struct instance *i);

/* Those nobody answers at: first those that have been silent longest, and never more than half, be it of the
 * instances or of the addresses. Single addresses of an instance with several as well. UDP is not judged.
 * -ENOMEM. */
int rules_reachability(struct selection *s, const struct policy_facts *facts);

/* Those that are not near, if enough are. */
void rules_nearness(struct selection *s, const struct answer_options *o, const struct policy_facts *facts);

#endif
