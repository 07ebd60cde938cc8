/* SPDX-License-Identifier: BSD-2-Clause */
/* model/snapshot.h -- what one registry said in one complete round.
 *
 *   report --snapshot_builder_add--> checked, gathered by service --snapshot_builder_seal--> snapshot
 *
 * What is wrong with an instance costs that instance, never the round: it is dropped, counted by reason, and
 * the first few are remembered for people to see. Feeder thread only.
 */
#ifndef PHONEBOOK_MODEL_SNAPSHOT_H
#define PHONEBOOK_MODEL_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/findings.h"
#include "model/report.h"
#include "model/service.h"

/* As much as there is ever of one registry; a registry may have a lower limit (snapshot_limits). */
enum {
	SNAPSHOT_INSTANCES_MAX =
		1000000, /* of one registry; a body of the largest size holds fewer useful ones */
	SNAPSHOT_SERVICES_MAX = 250000,

	/* Of one service: four times what the largest answer can carry. That is the protocol's to say and no
	 * matter of taste, so it is the same for all. */
	SERVICE_INSTANCES_MAX = 16384,

	/* Of memory for the instances of one registry and their texts: 256 for each of a million. A round
	 * under way needs as much again, and so does the table. */
	SNAPSHOT_OCTETS_MAX = 256 << 20,
};

/* Of one registry, as configured; 0, and what is more than those above, stands for those above. */
struct snapshot_limits {
	unsigned services, instances; /* max-services, max-instances */
	uint64_t octets;              /* max-memory */
};

struct snapshot_limits snapshot_limits_within(const struct snapshot_limits *l);

struct snapshot {
	size_t n_services, n_instances;
	size_t users;
	size_t found;                     /* the position snapshot_find() found last */
	const struct findings *findings;  /* NULL: nothing was wrong */
	const struct service *services[]; /* sorted by name (strcmp), each name once */
};

struct snapshot_builder;

/* An empty round; NULL when there is no memory. */
struct snapshot_builder *snapshot_builder_create(void);

/* Takes no more than that from now on; what is beyond is dropped and counted. */
void snapshot_builder_limit(struct snapshot_builder *b, const struct snapshot_limits *l);

/* Throws the round away. NULL is fine. */
void snapshot_builder_destroy(struct snapshot_builder *b);

/* Throws away what was added, for another round to begin. */
void snapshot_builder_empty(struct snapshot_builder *b);

/* Checks one report and takes it in, or drops and counts it. Returns 0 in both cases, -ENOMEM spoils the
 * round. */
int snapshot_builder_add(struct snapshot_builder *b, const struct report *r);

/* Makes the service known even if no instance of it follows. Same outcome as snapshot_builder_add(). */
int snapshot_builder_add_service(struct snapshot_builder *b, const char *service);

/* Takes over all services of another snapshot, and its drops and remarks; where a service is in several,
 * their instances are united. */
int snapshot_builder_add_snapshot(struct snapshot_builder *b, const struct snapshot *s);

/* Takes over one service of another snapshot, shared and not copied where nothing else adds to it. */
int snapshot_builder_keep_service(struct snapshot_builder *b, const struct service *s);

/* Counts an instance that never became a report, e.g. an array element that is no object. */
void snapshot_builder_drop(struct snapshot_builder *b, enum drop reason, const char *what);

/* Notes an oddity that costs no instance ("services.d/a.json: line 3: ..."); beyond REMARKS_MAX it is
 * ignored. */
void snapshot_builder_remark(struct snapshot_builder *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Sets, in plain text, why the round failed, and returns r for the caller to return. */
int snapshot_builder_fail(struct snapshot_builder *b, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The text set last by snapshot_builder_fail(), "" if none; borrowed until the builder goes. */
const char *snapshot_builder_error(const struct snapshot_builder *b);

/* Makes the snapshot; services equal to those of previous (may be NULL) are shared with it, so that "changed"
 * can be seen by comparing pointers. The builder is empty afterwards, on failure too. The caller is the first
 * user. */
int snapshot_builder_seal(struct snapshot_builder *b, const struct snapshot *previous, struct snapshot **ret);

struct snapshot *snapshot_keep(struct snapshot *s);

/* One user less; the last one frees it. NULL is fine. */
void snapshot_release(struct snapshot *s);

/* The service of that folded name, or NULL. */
const struct service *snapshot_find(const struct snapshot *s, const char *name);

/* What was dropped in this round, and oddities of it in plain text, for log and explain. */
size_t snapshot_dropped(const struct snapshot *s, enum drop reason);
size_t snapshot_n_remarks(const struct snapshot *s);
const char *snapshot_remark(const struct snapshot *s, size_t i);

/* True when both share all services, as a snapshot does with the one before it that had the same content. */
bool snapshot_is_same(const struct snapshot *a, const struct snapshot *b);

/* Calls changed() for each service that is in one but not the other, or differs; either may be NULL. */
void snapshot_compare(const struct snapshot *before, const struct snapshot *after,
		      void (*changed)(void *context, const char *name), void *context);

/* A service as it is instead; NULL: it is not there. */
struct snapshot_change {
	const char *name;
	const struct service *service;
};

/* A snapshot as from (NULL: an empty one) but for n changes, which are sorted by name (strcmp), each name
 * once; with these findings (NULL: none). All services are shared, the caller is the first user. -ENOMEM. */
int snapshot_derive(const struct snapshot *from, const struct snapshot_change changes[], size_t n,
		    const struct findings *findings, struct snapshot **ret);

#endif
