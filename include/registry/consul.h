/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/consul.h -- what the sources of the consul registry share; nobody else includes this.
 *
 *   consul.c           the kind: resources, which of them wait at the server, the rules of the index
 *   consul_resource.c  what is asked for by itself, and the path it is asked by
 *   consul_answer.c    whether an answer is one, and what its headers say
 *   consul_names.c     the list of names: services that come and go
 *   consul_read.c      the instances of one service
 *   consul_entry.c     one of them, as Consul writes it (consul_entry.h)
 *
 * Feeder thread only.
 */
#ifndef PHONEBOOK_REGISTRY_CONSUL_H
#define PHONEBOOK_REGISTRY_CONSUL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry/registry.h"

/* The instances of one service, or the list of all names. */
struct consul_resource {
	struct resource base; /* first: a pointer to one is a pointer to the other */
	char *label;          /* base.name */
	const char *service;  /* part of label; NULL: the list */
	char *path;           /* and query, without the index */
	char *asked;          /* the same with the index; NULL: it was not sent */

	uint64_t index;    /* of the answer believed last; 0: none, or one that cannot be waited for */
	uint64_t sent;     /* the index in the request under way; 0: none */
	size_t len;        /* of the body believed last */
	unsigned n_failed; /* requests with an index that failed in a row */
	bool doubtful;     /* the last request failed: the next one goes without the index */
	bool slot;         /* one of those that may wait at the server */
	unsigned rest;     /* rounds until it may be hastened again */
	bool saw_all;      /* an answer that no access rule had cut was believed */
	bool populated;    /* it had instances, and has not said twice since that it has none */
	bool is_empty;     /* the last answer had none */
	unsigned n_empty;  /* answers in a row that had none */
	bool confirms;     /* a change took them all, which is asked for once more */
	bool leaderless;   /* the answer believed last came from servers without a leader */
	bool filtered;     /* an access rule had cut it */
	bool gone;         /* the list does not name it any more */
	bool stopped;      /* nobody asks for it any more, it may be destroyed */
};

struct registry {
	const struct registry_options *options;
	struct registry_host *host;
	struct ledger *ledger;
	struct consul_resource *list;      /* NULL: not asked for */
	struct consul_resource **services; /* sorted by name where they come from the list */
	size_t n_services;
	unsigned n_slots; /* taken */
	bool follows;     /* the services are those of the list, not those of the options */
	bool saw_consul;  /* the list has named the service "consul" */
};

/* service NULL: the list of names. -ENOMEM. */
int consul_resource_create(const struct registry_options *o, const char *service,
			   struct consul_resource **ret);

/* NULL is fine. */
void consul_resource_destroy(struct consul_resource *c);

/* The request for c, with c->sent as its index. -ENOMEM. */
int consul_resource_ask(const struct registry_options *o, struct consul_resource *c,
			struct fetch_request *ret);

/* Nobody asks for it any more: its place at the server is free for another. */
void consul_release_slot(struct registry *r, struct consul_resource *c);

/* Fails with what the server said unless the answer is one of Consul's, whole as far as the headers tell. */
int consul_judge(const struct consul_resource *c, const struct fetch_result *res, struct snapshot_builder *b);

/* X-Consul-Index: 0 when there is none, never 0 when there is one. */
uint64_t consul_index(const struct fetch_result *res);

/* How old the answer was already when it was given. */
uint64_t consul_lag_ms(const struct fetch_result *res);

/* Whether the servers that have answered have no leader. */
bool consul_is_leaderless(const struct fetch_result *res);

/* Whether access rules kept something out of the answer. An agent that answers from its stream of events does
 * not say: then it is as it was. */
bool consul_is_filtered(const struct consul_resource *c, const struct fetch_result *res);

/* Reads the instances of c->service into b, and counts those with the wanted tags. */
int consul_read_service(const struct consul_options *o, const struct consul_resource *c,
			const struct fetch_result *res, struct snapshot_builder *b, size_t *ret);

/* Reads the list of names; starts services that are new, and stops those that have gone. What is no name for
 * DNS is dropped and counted in b. */
int consul_read_names(struct registry *r, const struct fetch_result *res, struct snapshot_builder *b);

#endif
