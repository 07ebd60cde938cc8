/* SPDX-License-Identifier: BSD-2-Clause */
/* forward/relay.h -- octets only: what an upstream is asked for a client, and what the client gets of its
 * answer.
 *
 *   client's query --relay_write_query--> upstream --relay_judge--> relay_write_answer --> client
 *
 * EDNS is hop by hop (RFC 6891 section 6.2.6): towards the upstream the OPT is ours, towards the client the
 * client's. Serving threads; pure.
 */
#ifndef PHONEBOOK_FORWARD_RELAY_H
#define PHONEBOOK_FORWARD_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/message.h"

enum { RELAY_QUERY_OCTETS_MAX = DNS_HEADER_OCTETS + NAME_OCTETS_MAX + 4 + DNS_OPT_OCTETS };

/* What became of a try. The failures are ordered: the first one that any try for a client met decides what
 * the client is told. */
enum relay {
	RELAY_SERVFAIL, /* the best that came: somebody tried to resolve the name */
	RELAY_DAMAGED,
	RELAY_REFUSED, /* also NOTIMP, FORMERR and the extended rcodes */
	RELAY_SILENCE,
	RELAY_NETWORK,
	RELAY_BUSY,
	RELAY_FAILURES,
	RELAY_NO_EDNS = RELAY_FAILURES, /* the same upstream again, without OPT */
	RELAY_GOOD,
};

/* Writes the query for an upstream: the question as the client asked it, with an ID of our own, RD, AD and
 * CD, and, unless plain, our OPT with the client's DO bit. Returns its length. */
size_t relay_write_query(const struct query *q, uint16_t id, bool plain, uint8_t ret[RELAY_QUERY_OCTETS_MAX]);

/* What the answer to the query with that ID is worth; never SILENCE, NETWORK or BUSY. ret is good with
 * RELAY_GOOD. */
enum relay relay_judge(const struct query *q, uint16_t id, bool plain, const uint8_t *octets, size_t len,
		       struct message_outline *ret);

/* Writes a good answer for the client, in at most limit octets: question + TC where it does not fit. Returns
 * its length. */
size_t relay_write_answer(const struct query *q, const uint8_t *octets, const struct message_outline *o,
			  uint8_t *ret, size_t limit);

#endif
