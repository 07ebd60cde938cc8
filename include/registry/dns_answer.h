/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/dns_answer.h -- what a DNS server says about a name: SRV records and addresses, or that there is
 * nothing, or no answer at all.
 *
 *   message --dns_answer_read--> answer --> instances (registry/dns)
 *
 * Feeder thread only.
 */
#ifndef PHONEBOOK_REGISTRY_DNS_ANSWER_H
#define PHONEBOOK_REGISTRY_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "registry/registry.h"
#include "wire/name.h"

struct dns_srv {
	struct name target;
	uint16_t priority, weight, port;
	bool is_apart; /* no other target begins with the same label */
};

struct dns_address {
	struct name owner;
	struct address address;
	uint16_t type; /* RRTYPE_A or RRTYPE_AAAA */
	uint32_t ttl_s;
};

/* How many there are is bounded by the 65535 octets of a message. */
struct dns_answer {
	struct dns_srv *srvs; /* by target */
	size_t n_srvs;
	struct dns_address *addresses; /* of the name; with SRV records, all that came along; by owner */
	size_t n_addresses;
	bool no_name;       /* not even a name without this type */
	uint32_t ttl_s;     /* the smallest of the SRV records and of the aliases that led to them */
	uint32_t nothing_s; /* how long "nothing there" holds (RFC 2308 section 5) */
};

#define DNS_TTL_NONE_S UINT32_MAX /* nothing has said how long it holds */

/* Takes the answer to the question for name and type apart, following aliases within it. "Nothing there" is
 * an answer: 0, and no records. What is no answer (an rcode, a cut or damaged message, a server that does not
 * know) is a negative errno with its reason in b, which names the name unless it is the subject: who runs us
 * has that in front already. After 0, dns_answer_finish(). */
int dns_answer_read(const struct fetch_result *result, const struct name *subject, const struct name *name,
		    uint16_t type, struct dns_answer *ret, struct snapshot_builder *b);

void dns_answer_finish(struct dns_answer *a);

/* How many addresses that owner has; the first of them is at the index written to first, if there is one. */
size_t dns_answer_find(const struct dns_answer *a, const struct name *owner, size_t *first);

#endif
