/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_consul.h -- a Consul agent of the data centre dc1 that keeps to Consul's documented protocol.
 *
 *   GET /v1/catalog/services, /v1/catalog/service/NAME, /v1/health/service/NAME (passing, tag),
 * /v1/agent/self
 *
 * - Blocking queries: index=N with wait=D (5 minutes if absent, 10 at most, and up to D/16 more) are held
 * until the index is above N. An index of nothing or 0 is answered at once, and one ahead of ours is held
 * like any other.
 * - The index of a service is that of its last change; of a service that is not there, that of the last
 * service that went; of catalog/services, that of the last change of any service, but not of a check.
 * - A check moves the index of its service, but wakes nobody who waits at catalog/service.
 * - health/service that waits is answered from the agent's stream: without a known leader, without its age,
 * and without a word on what access rules have left out.
 * - `consul` itself is a service like others and there from the start.
 * dc, stale and consistent are understood; ns, near, filter, cached are only noted (fake_http_last_head()).
 *
 * Over HTTP, for benches (changes answer as struct fake_change; see fake_http.h for the server's own):
 *   PUT, DELETE /_control/service/NAME        the body as fake_consul_put() has it
 *   PUT /_control/services                    {"NAME":[...],...}, all at once
 *   PUT /_control/check?node=&service=&check=&status=
 *   PUT /_control/touch/NAME, /_control/wake, /_control/reset-index, /_control/restart
 *   PUT /_control/mode/MODE                   normal, no-leader, no-index, zero-index, denied, too-many, hang
 *   PUT /_control/limit/N, /_control/lag/MS, /_control/token/TOKEN
 */
#ifndef PHONEBOOK_TEST_FAKE_CONSUL_H
#define PHONEBOOK_TEST_FAKE_CONSUL_H

#include "fake_http.h"

struct fake_consul;

/* What is NULL or 0 gets what Consul would say: ids made of service and port, weights 1, checks passing. */
struct fake_consul_instance {
	const char *node, *node_address;
	const char *service_id, *address; /* address NULL: "", that is the node's */
	unsigned port;
	const char *tags; /* comma separated */
	const char *meta; /* a JSON object */
	unsigned weight_passing, weight_warning;
	const char *status; /* of its own check */
};

enum fake_consul_mode {
	FAKE_CONSUL_NORMAL,
	FAKE_CONSUL_NO_LEADER,  /* 500, also to who is waiting; stale reads are answered, without a known
				   leader */
	FAKE_CONSUL_NO_INDEX,   /* as behind a proxy that drops headers */
	FAKE_CONSUL_ZERO_INDEX, /* an old bug: every index is 0 */
	FAKE_CONSUL_DENIED,     /* 403 Permission denied */
	FAKE_CONSUL_TOO_MANY,   /* 429, the rate is exceeded */
	FAKE_CONSUL_HANG,       /* accepts requests and never answers */
};

struct fake_consul_counts {
	unsigned services, catalog, health, agent, other; /* requests by path */
	unsigned held;                                    /* blocking queries waiting now */
};

/* On a free port if port is 0. */
struct fake_consul *fake_consul_start(uint16_t port);
void fake_consul_stop(struct fake_consul *f);

/* Its server: URL, counts, heads, connections, down and up. */
struct fake_http *fake_consul_http(struct fake_consul *f);

struct fake_consul_counts fake_consul_counts(struct fake_consul *f);

/* --- what is registered --- */

/* Adds an instance, or replaces the one with its node and service id. */
struct fake_change fake_consul_register(struct fake_consul *f, const char *service,
					const struct fake_consul_instance *instance);

/* Removes it; without its last instance the service is gone. */
struct fake_change fake_consul_deregister(struct fake_consul *f, const char *service, const char *node,
					  const char *service_id);

/* Sets the status of a check, which is made if need be; status NULL removes it. service_id "" makes it one of
 * the node, and so of everything on it. */
struct fake_change fake_consul_set_check(struct fake_consul *f, const char *node, const char *service_id,
					 const char *check_id, const char *status);

/* Sets all instances of a service to a body of health/service, which is then given out octet for octet; "[]"
 * removes it. What is no JSON array is given out by all paths of this service. */
struct fake_change fake_consul_put(struct fake_consul *f, const char *service, const char *body);

/* Moves the index of a service, as a check does whose output changes: the body stays. */
struct fake_change fake_consul_touch(struct fake_consul *f, const char *service);

/* --- what goes wrong --- */

void fake_consul_set_mode(struct fake_consul *f, enum fake_consul_mode mode);

/* Answers everybody who waits, with the index they have. */
void fake_consul_wake(struct fake_consul *f);

/* Indexes start again near 1, as after a restored snapshot: all who wait are answered. */
void fake_consul_reset_index(struct fake_consul *f);

/* The same, and all connections are cut. */
void fake_consul_restart(struct fake_consul *f);

/* From now on ACLs hold: this token sees everything, none sees nothing, any other is not found. NULL: no
 * ACLs. */
void fake_consul_set_token(struct fake_consul *f, const char *token);

/* A second token, which sees only services whose name begins with prefix. */
void fake_consul_restrict(struct fake_consul *f, const char *token, const char *prefix);

/* Connections allowed at once; 200 at the start, 0 is without limit. */
void fake_consul_limit(struct fake_consul *f, unsigned connections);

/* How long ago this server has heard its leader, in the header of stale reads. */
void fake_consul_lag(struct fake_consul *f, unsigned last_contact_ms);

#endif
