/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/consul_entry.h -- one instance as Consul writes it, while it is read.
 *
 *   element of the list --consul_entry_read--> entry --consul_read.c--> report
 *
 * For the sources of the consul registry only. Feeder thread only.
 */
#ifndef PHONEBOOK_REGISTRY_CONSUL_ENTRY_H
#define PHONEBOOK_REGISTRY_CONSUL_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "model/report.h"
#include "registry/options.h"
#include "registry/pull.h"

enum {
	/* Texts of an entry that are not thrown away at once: its tags and metadata, and a dozen more. */
	CONSUL_ENTRY_ROOM = (INSTANCE_TAGS_MAX + 2 * INSTANCE_METADATA_MAX + 12) * (PULL_TEXT_MAX + 1),
};

/* Where a zone is looked for; what is said of the service goes before what is said of its node, and what
 * Consul calls one before what people do. */
enum { ZONE_SERVICE_LOCALITY, ZONE_SERVICE_META, ZONE_NODE_LOCALITY, ZONE_NODE_META, ZONES };

/* All texts may be NULL, and are in the room of the reading. */
struct consul_entry {
	bool is_service;  /* there is one in it at all */
	bool has_address; /* of its own, be it good or bad */
	bool bad_port;    /* no number */
	const char *id, *address, *node_address, *zones[ZONES];
	int64_t port, passing, warning; /* the last two are weights */
	enum health health;
	uint64_t found; /* wanted tags, a bit each */
	size_t n_tags, n_metadata;
	const char *tags[INSTANCE_TAGS_MAX];
	struct metadata metadata[INSTANCE_METADATA_MAX];
};

struct consul_reading {
	enum consul_mode mode;
	const char *const *wanted; /* tags; may be NULL */
	struct json_reader json;
	struct buffer room; /* CONSUL_ENTRY_ROOM octets, for the texts of one entry */
	struct consul_entry entry;
};

/* Reads the element the reader stands at into entry. -EBADMSG as told to the builder of the reader. */
int consul_entry_read(struct consul_reading *r);

/* Whether an entry has all wanted tags. */
bool consul_entry_is_wanted(const struct consul_reading *r);

/* Reads a list of tags: whether all that are wanted are there. */
int consul_match_tags(struct json_reader *json, const char *const *wanted, bool *ret);

#endif
