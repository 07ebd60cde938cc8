/* SPDX-License-Identifier: BSD-2-Clause */
/* support/phone.h -- a small zone "service.local" without any plane: reports in, table, queries, replies
 * judged by ldns. */
#ifndef PHONEBOOK_TEST_PHONE_H
#define PHONEBOOK_TEST_PHONE_H

#include <ldns/ldns.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/freshness.h"
#include "model/table_builder.h"
#include "zone/answer.h"
#include "zone/options.h"

enum { PHONE_REGISTRIES = 2 };

struct phone {
	struct zone_options zone;
	unsigned registries[PHONE_REGISTRIES];
	struct snapshot *snapshots[PHONE_REGISTRIES];
	struct freshness *freshness;
	struct table_builder *builder;
	const struct table *table;
	struct answerer *answerer;
	uint64_t now_ms;
	bool tcp, may_wait;
	uint8_t query[600];
	size_t query_len;
	uint8_t reply[65535];
	size_t len;         /* of the last reply; 0: there was none */
	enum answer answer; /* of the last question */
};

/* TTL 2, negative TTL 1, merge first, health passing, stale after 30 s, expired after 1 h; change zone before
 * phone_publish().
 */
void phone_init(struct phone *p);
void phone_finish(struct phone *p);

/* What a registry says, as http_sd JSON. */
void phone_say(struct phone *p, unsigned registry, const char *json);

/* Builds the table of all services; the zone has been heard. */
void phone_publish(struct phone *p);

/* Asks with this EDNS size (0: no EDNS) and at most limit octets for the reply. The packet is the last reply
 * as ldns reads it, checked for the things ldns forgives: length, counts, one OPT with whole options. NULL
 * without a reply. The caller frees it. */
ldns_pkt *phone_ask(struct phone *p, const char *name, uint16_t type, uint16_t edns, size_t limit);

/* As text: "rcode flags | answer | authority | additional", RRs sorted, TTL and type and RDATA of each, the
 * owner where it is not the question. E.g. "NOERROR aa | 2 A 10.0.0.1; 2 A 10.0.0.2 | |". Good until the next
 * call. */
const char *phone_text(struct phone *p, const char *name, uint16_t type);

/* The extended error of the last reply: its code, -1 for none; the text goes to ret if it is not NULL. */
int phone_ede(const struct phone *p, char ret[256]);

#endif
