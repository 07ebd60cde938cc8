/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/options.h -- what the administrator decides about a zone and about single services in it.
 *
 * Plain data in the arena of the configuration it came from (feed/feeder.h), never changed after reading.
 */
#ifndef PHONEBOOK_ZONE_OPTIONS_H
#define PHONEBOOK_ZONE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "model/freshness.h"
#include "wire/name.h"

enum merge {
	MERGE_FIRST, /* the first registry that knows the service decides alone, even if it knows no instance
		      */
	MERGE_UNION, /* all registries together; the same instance from two is one */
};

/* Which instances are answered while there are any such. */
enum health_rule { HEALTH_RULE_PASSING, HEALTH_RULE_WARNING, HEALTH_RULE_ANY };

/* Whether this host itself tries to connect to the instances. */
enum probe_rule { PROBE_NONE, PROBE_TCP };

/* Which instances are near, and answered alone while there are enough of them. */
enum near_rule {
	NEAR_ALL,    /* all alike */
	NEAR_ZONE,   /* those in the zone of this host */
	NEAR_SUBNET, /* those in a subnet of this host */
};

/* What can be said for a zone and again for one service. */
struct answer_options {
	uint32_t ttl_s, negative_ttl_s; /* 0 .. 30 */
	uint32_t address_limit;         /* addresses in one answer; 0: all that fit */
	enum health_rule health;
	struct age_limits age;
	uint64_t brake_ms; /* how long a sudden loss is held back; 0: not */
	enum probe_rule probe;
	enum near_rule near;
	uint32_t near_min; /* fewer near ones than this: all are answered; at least 1 */

	/* An instance that came, went or changed its health more than flap_limit times within flap_window_ms
	 * is left out until it has stayed good for flap_hold_ms; limit 0: none ever is. */
	uint32_t flap_limit;
	uint64_t flap_window_ms, flap_hold_ms;
};

struct service_options {
	const char *name; /* folded, without the zone */
	struct answer_options answer;
};

struct zone_options {
	struct name origin;
	enum merge merge;
	const unsigned *registries; /* indexes, in order of preference */
	size_t n_registries;
	struct answer_options answer;
	const struct service_options *services; /* sorted by name */
	size_t n_services;
};

/* The options of one service of the zone: its own, or the zone's. */
const struct answer_options *zone_options_for(const struct zone_options *z, const char *service);

#endif
