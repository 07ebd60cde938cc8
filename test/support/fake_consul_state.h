/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_consul_state.h -- what fake_consul.c has in its catalog: services, indexes, bodies. */
#ifndef PHONEBOOK_TEST_FAKE_CONSUL_STATE_H
#define PHONEBOOK_TEST_FAKE_CONSUL_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "fake_consul.h"
#include "fake_octets.h"

struct consul_wait;
LIST_HEAD(consul_waits, consul_wait);

/* Somebody may wait for a service that does not exist (yet): then body is NULL. */
struct consul_service {
	char *name;
	json_t *entries; /* NULL if body is none of Consul's */
	char *body;      /* of health/service */
	char *line;      /* in the list of services: its name and the tags of all instances */
	uint64_t index;
	struct consul_waits waits;
};

struct consul_state {
	void *services;          /* a tree of struct consul_service by name */
	uint64_t index;          /* the last one given out */
	uint64_t services_index; /* of the last change of any service */
	uint64_t gone_index;     /* of the last service that went; 0: none yet */
};

void consul_state_init(struct consul_state *s);
void consul_state_finish(struct consul_state *s);

/* The service of that name, made if it is not known. */
struct consul_service *consul_state_service(struct consul_state *s, const char *name);

/* Calls visit(service, context) for all in order of their names. */
void consul_state_each(struct consul_state *s, void (*visit)(struct consul_service *, void *), void *context);

uint64_t consul_state_index(const struct consul_state *s, const struct consul_service *service);

/* --- changes: each is one index --- */

/* Returns whether the service has gone with it. */
bool consul_state_put(struct consul_state *s, struct consul_service *service, const char *body);
bool consul_state_register(struct consul_state *s, struct consul_service *service,
			   const struct fake_consul_instance *instance);
bool consul_state_deregister(struct consul_state *s, struct consul_service *service, const char *node,
			     const char *service_id);

/* Sets the check in one service; false if it has no such instance. The caller takes the index first, since
 * one check of a node changes many services. */
bool consul_service_set_check(struct consul_service *service, const char *node, const char *service_id,
			      const char *check_id, const char *status);

/* All indexes small. */
void consul_state_reset(struct consul_state *s);

/* --- bodies --- */

/* Only instances that pass all checks and have all tags of the request, if it asks for that. */
void consul_write_health(const struct consul_service *service, bool passing, const struct fake_request *x,
			 struct fake_octets *ret);
void consul_write_catalog(const struct consul_service *service, const struct fake_request *x,
			  struct fake_octets *ret);

/* Only services whose name begins with prefix; returns whether that left any out. */
bool consul_write_services(struct consul_state *s, const char *prefix, struct fake_octets *ret);

#endif
