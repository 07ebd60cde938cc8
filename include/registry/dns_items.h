/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/dns_items.h -- what a DNS server has said of one name, in the ledger: an item for each target and
 * family of addresses.
 *
 *   SRV records of a target + its addresses --dns_items_stage--> item "a.example A"
 *
 * So a question that fails costs what it would have told and nothing else. All calls are part of a round of
 * the ledger, and return 0 or what its calls return. Feeder thread only.
 */
#ifndef PHONEBOOK_REGISTRY_DNS_ITEMS_H
#define PHONEBOOK_REGISTRY_DNS_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ledger.h"
#include "registry/dns_answer.h"

/* Whose items they are. */
struct dns_subject {
	struct ledger *ledger;
	struct ledger_part *part;
	struct name name; /* len 0: what was configured is none */
	char *service;
	enum protocol protocol;
	char port_name[LABEL_OCTETS_MAX + 1]; /* "": none */
};

/* Reads "inventory.service.consul" or "stock=inventory.service.consul". Without "=" the service is the first
 * label that does not begin with "_". The service is the subject's to free. -ENOMEM. */
int dns_subject_read(struct dns_subject *s, const char *text);

/* The service is known, whatever is found of it; and what was dropped in b. */
int dns_items_stage_service(const struct dns_subject *s, struct snapshot_builder *b);

/* Those of the n addresses that are of that family, for the target of these SRV records. Without any there is
 * no item. */
int dns_items_stage(const struct dns_subject *s, const struct dns_srv *srvs, size_t n_srvs,
		    const struct dns_address *addresses, size_t n, uint16_t type, struct snapshot_builder *b);

/* That family of the target stays as it was known; the reason is for people. */
int dns_items_keep(const struct dns_subject *s, const struct name *target, uint16_t type, const char *reason,
		   struct snapshot_builder *b);

/* The target has no address; it is dropped and counted. */
int dns_items_drop(const struct dns_subject *s, const struct name *target, struct snapshot_builder *b);

#endif
