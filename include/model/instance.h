/* SPDX-License-Identifier: BSD-2-Clause */
/* model/instance.h -- one place a service can be reached at, and what a registry says of it; never changed
 * once made.
 *
 *   parts --instance_create--> instance --shared by all services it is in--> freed with the last of them
 *
 * A host can know a million of them, and each is there in what an item says, in the union of all items and
 * in the round that is being read. So it is one small piece of memory that is shared and not copied: a head,
 * its texts behind, and where those begin in two octets each. Pointers to six texts and lists would be
 * larger than most texts, and an instance has no neighbours to borrow from. Feeder thread only; the count of
 * users is a plain number for that reason.
 */
#ifndef PHONEBOOK_MODEL_INSTANCE_H
#define PHONEBOOK_MODEL_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

enum health { HEALTH_PASSING, HEALTH_WARNING, HEALTH_CRITICAL };
enum protocol { PROTOCOL_ANY, PROTOCOL_TCP, PROTOCOL_UDP };

/* No TTL of ours is higher than that; no cap above it says anything. */
enum { TTL_CAP_MAX_S = 30, TTL_CAP_NONE = UINT8_MAX };

enum {
	INSTANCE_TAGS_MAX = 64,
	INSTANCE_METADATA_MAX = 64,

	/* A tag, a zone, a key or a value of metadata. A tag is a label in a name, with 63 octets at most;
	 * Consul users write whole proxy rules into theirs. All texts are there once for each instance, so a
	 * label of 1 MB on a group of 1,000 targets would be 1 GB. */
	INSTANCE_TEXT_MAX = 255,
	INSTANCE_METADATA_OCTETS_MAX = 4096, /* of all texts: they are shown to people, and never answered */
};

struct metadata {
	const char *key, *value;
};

/* What an instance is made of. */
struct instance_parts {
	struct address address; /* len 0: known by host only */
	uint8_t health;         /* enum health */
	uint8_t protocol;       /* enum protocol */
	uint8_t ttl_s;          /* no answer with it has a higher TTL; TTL_CAP_NONE: no cap */
	uint16_t port;          /* 0: none */
	uint16_t weight, priority;
	uint16_t n_tags, n_metadata;
	const char *host;                /* host name, folded, or NULL */
	const char *name;                /* its own name, a folded label, or NULL */
	const char *port_name;           /* a folded label, or NULL */
	const char *zone;                /* or NULL */
	const char *const *tags;         /* as the registry wrote them, sorted */
	const struct metadata *metadata; /* shown to people, never answered: no part of being equal */
};

/* The same in one piece; host, name, port_name and zone by the functions below. What it says, to the end of
 * the tags, lies side by side, without gaps: equal octets, equal instances. */
struct instance {
	uint32_t users;
	uint16_t size; /* of all of it */
	uint8_t n_metadata;
	uint8_t n_tags;
	struct address address; /* the first that counts for being equal */
	uint8_t health, protocol, ttl_s;
	uint16_t port, weight, priority;
	uint16_t host_at, name_at, port_name_at, zone_at; /* from the start of the instance; 0: none */
	uint16_t tags_at, metadata_at;                    /* one behind the other, each with its NUL */
	char texts[];
};

/* The caller is the first user. The parts are within the limits above and those of names; NULL when there is
 * no memory. */
const struct instance *instance_create(const struct instance_parts *parts);

/* Takes it apart again; the parts are borrowed, their lists lie in tags and metadata. */
void instance_take_apart(const struct instance *in, const char *tags[INSTANCE_TAGS_MAX],
			 struct metadata metadata[INSTANCE_METADATA_MAX], struct instance_parts *ret);

/* One more user; returns in. */
const struct instance *instance_keep(const struct instance *in);

/* One user less; the last one frees it. NULL is fine. */
void instance_release(const struct instance *in);

/* By address or host, port, protocol, port name and own name: the identity of an instance within its service.
 * 0 means that both are one and the same, whatever else is said of them. */
int instance_compare(const struct instance *a, const struct instance *b);

/* By address or host, and port: where it is, which is what makes it the same in two registries, whatever they
 * call it. Instances sorted by instance_compare() are sorted by this too. */
int instance_compare_place(const struct instance *a, const struct instance *b);

/* What is said of the instance but its metadata, as octets: equal for equal instances only. */
const void *instance_content(const struct instance *in, size_t *len);

static inline const char *instance_text(const struct instance *in, uint16_t at)
{
	return at != 0 ? (const char *)in + at : NULL;
}

/* Each NULL if there is none. */
static inline const char *instance_host(const struct instance *in)
{
	return instance_text(in, in->host_at);
}

static inline const char *instance_name(const struct instance *in)
{
	return instance_text(in, in->name_at);
}

static inline const char *instance_port_name(const struct instance *in)
{
	return instance_text(in, in->port_name_at);
}

static inline const char *instance_zone(const struct instance *in)
{
	return instance_text(in, in->zone_at);
}

/* The tag of that index. The next one stands behind its NUL; at n_tags there is none to be read. */
const char *instance_tag(const struct instance *in, size_t i);

/* The metadata of that index, below n_metadata. */
struct metadata instance_metadata(const struct instance *in, size_t i);

#endif
