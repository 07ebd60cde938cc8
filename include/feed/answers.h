/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/answers.h -- what the servers said about one host name: an answer for each address family.
 *
 * Part of the resolver. Values without memory of their own; feeder thread only.
 */
#ifndef PHONEBOOK_FEED_ANSWERS_H
#define PHONEBOOK_FEED_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "feed/resolve.h"

/* At most RESOLVER_ADDRESSES_MAX, sorted (IPv4 first), each once. Of more, the smallest stay: whatever order
 * a server turns them in, the same ones. Starts as { 0 }. */
struct addresses {
	struct address at[RESOLVER_ADDRESSES_MAX];
	size_t n;
};

void addresses_add(struct addresses *set, const struct address *a);
bool addresses_equal(const struct addresses *a, const struct addresses *b);

/* True for what needs no server: literals, and localhost with all below it (RFC 6761 section 6.3). */
bool addresses_of_known_host(const char *host, struct addresses *ret);

enum outcome {
	OUTCOME_NONE, /* no answer (yet) */
	OUTCOME_FAILED,
	OUTCOME_FOUND,
	OUTCOME_NO_DATA, /* proven: the name has no address of this family */
	OUTCOME_NO_NAME, /* proven: there is no such name */
};

struct answer {
	enum outcome outcome;
	int error; /* if failed: -ETIMEDOUT, -EINVAL (not a host name), ... */
	unsigned ttl_s;
	struct addresses addresses;
};

enum {
	FAMILIES = 2, /* A and AAAA, asked apart: one may fail while the other proves something */
};

struct answers {
	struct answer of[FAMILIES]; /* IPv4, IPv6 */
};

bool answers_any(const struct answers *a, enum outcome outcome);

/* The addresses to believe in, who had those of old: of a family that got no answer the ones known last stay,
 * unless the other proved the name is gone. */
void answers_update(const struct answers *a, const struct addresses *old, struct addresses *ret);

/* The smallest TTL of what was found, at most max_s. */
unsigned answers_ttl(const struct answers *a, unsigned max_s);

#endif
