/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/answer.h -- query + table -> reply: every decision about names of our zones.
 *
 *   FOUND: RRs copied in drawn order;  NODATA, NXDOMAIN: the SOA;  not ours: the forwarder's business
 *
 * Serving threads, one struct answerer each. No allocation, no lock, no wait, no failure: what does not fit
 * is cut.
 */
#ifndef PHONEBOOK_ZONE_ANSWER_H
#define PHONEBOOK_ZONE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/counters.h"
#include "model/table.h"
#include "wire/message.h"
#include "zone/order.h"

struct answerer;

/* One for a serving thread; NULL when there is no memory. */
struct answerer *answerer_create(void);
void answerer_destroy(struct answerer *a); /* NULL is fine */

enum answer {
	ANSWER_WRITTEN,
	ANSWER_NOT_OURS, /* to be forwarded */
	ANSWER_NOT_YET,  /* the registry that could know the name has not spoken; ask again with a newer table
			  */
};

struct answer_request {
	const struct table *table;
	const struct query *query; /* read with VERDICT_OK, class IN */
	uint64_t now_ms;
	bool may_wait; /* false: there is an answer now, whatever has been heard */
	bool tcp;      /* never truncated (RFC 7766 section 5) */
	uint8_t *reply;
	size_t limit;                    /* octets of reply that may be used, 512 or more */
	const struct counters *counters; /* shown at _status; NULL: none */
};

/* Writes the reply; its length goes to ret with ANSWER_WRITTEN. */
enum answer answer_write(struct answerer *a, const struct answer_request *r, size_t *ret);

/* Answers class CH: version.bind and version.server TXT (RFC 4892), REFUSED for everything else. Returns the
 * length. */
size_t answer_chaos(const struct query *q, uint8_t *reply, size_t limit);

#endif
