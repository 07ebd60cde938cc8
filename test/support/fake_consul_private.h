/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_consul_private.h -- between fake_consul.c (requests) and fake_consul_change.c (what tests do).
 */
#ifndef PHONEBOOK_TEST_FAKE_CONSUL_PRIVATE_H
#define PHONEBOOK_TEST_FAKE_CONSUL_PRIVATE_H

#include "fake_consul.h"
#include "fake_consul_state.h"

enum consul_path { CONSUL_SERVICES, CONSUL_CATALOG, CONSUL_HEALTH, CONSUL_AGENT, CONSUL_OTHER };

/* A blocking query under way, in the list of its service, or that of catalog/services. */
struct consul_wait {
	LIST_ENTRY(consul_wait) link;
	struct fake_request *x;
	enum consul_path path;
	struct consul_service *service; /* NULL for catalog/services */
	uint64_t above;                 /* held until our index is above this */
};

struct fake_consul {
	struct fake_http *http; /* its lock is that of all below */
	struct consul_state state;
	struct consul_waits services_waits;
	struct fake_consul_counts counts;
	enum fake_consul_mode mode;
	unsigned lag_ms;
	char *token, *restricted_token, *prefix;
};

enum consul_reason {
	CONSUL_MOVED,       /* whose index has moved */
	CONSUL_CHECK_MOVED, /* the same, of those who ask for health */
	CONSUL_LEADER_LOST, /* who does not put up with stale data */
	CONSUL_WOKEN,       /* everybody */
};

/* Answers those in the list who have a reason; returns how many. */
unsigned consul_answer_waits(struct fake_consul *f, struct consul_waits *waits, enum consul_reason reason);

void consul_control(void *context, struct fake_request *x);

void consul_set_limit(struct fake_consul *f, unsigned connections);

#endif
