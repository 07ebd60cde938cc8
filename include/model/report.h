/* SPDX-License-Identifier: BSD-2-Clause */
/* model/report.h -- one instance as a registry wrote it, and whether it is one.
 *
 *   report (free text) --report_check--> parts of an instance, or the reason to drop it
 *
 * The one place where text from outside becomes an instance. Everything is borrowed for the call; the
 * parts that come out borrow from its report and from the room it was checked in. Any thread.
 */
#ifndef PHONEBOOK_MODEL_REPORT_H
#define PHONEBOOK_MODEL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/instance.h"
#include "wire/name.h"

enum {
	/* A name has 255 octets (RFC 1035 section 2.3.4). This leaves 55 for the zone, the length octets and
	 * the two labels of an SRV name; longer names would exist without half of their owner names. */
	SERVICE_NAME_SIZE = 201,
};

/* Why an instance was dropped. */
enum drop {
	DROP_SERVICE_NAME, /* not a DNS name: empty label, space, over 63 octets, other characters */
	DROP_RESERVED,     /* a name Phonebook uses itself: addr, ns, _status, _tcp, _udp */
	DROP_ADDRESS,      /* neither an IP address somebody can have nor a host name */
	DROP_PORT,
	DROP_SHAPE, /* not an object, no address, a wrong type */
	DROP_LIMIT, /* more instances, services or text than we take */
	DROP_REASONS,
	DROP_NONE = DROP_REASONS, /* it was not */
};

/* A word for people: "service-name", "address", ... */
const char *drop_to_text(enum drop reason);

struct report {
	const char *service;   /* "inventory" or "inventory.shop" */
	const char *address;   /* an IP literal, bracketed or not, or a host name; never with a port */
	const char *name;      /* NULL: none. One that is no label is left out, the instance kept */
	const char *port_name; /* NULL: none; as name */
	const char *zone;      /* NULL: none. As tags and metadata: left out if too long, the instance kept */
	const char *const *tags;
	size_t n_tags;
	const struct metadata *metadata;
	size_t n_metadata;
	int64_t port;     /* 0: none; outside 0 .. 65535 drops the instance */
	int64_t weight;   /* below 0 counts as 1, above 65535 as 65535 */
	int64_t priority; /* brought into 0 .. 65535 */
	uint32_t ttl_s;   /* answers with it should not have a higher TTL; above TTL_CAP_MAX_S: no cap */
	enum health health;
	enum protocol protocol;
};

/* A report with nothing in it but the defaults: weight 1, passing, any protocol, no cap. */
struct report report_blank(void);

/* The folded name of a service, or DROP_SERVICE_NAME or DROP_RESERVED. text may be NULL. */
enum drop report_check_service(const char *text, char ret[SERVICE_NAME_SIZE]);

/* What the checked parts point to and its report does not have in that form. */
struct report_room {
	char host[NAME_OCTETS_MAX];
	char name[LABEL_OCTETS_MAX + 1], port_name[LABEL_OCTETS_MAX + 1];
	const char *tags[INSTANCE_TAGS_MAX];
	struct metadata metadata[INSTANCE_METADATA_MAX];
	const char *left_out; /* in words, what was too long and is not in the instance; NULL: nothing */
};

/* Makes parts of an instance of everything in the report but its service, or says DROP_ADDRESS or DROP_PORT.
 */
enum drop report_check(const struct report *r, struct report_room *room, struct instance_parts *ret);

/* Whether these are parts report_check() could have made: for what was checked before, and has been out of
 * our hands since. */
bool report_could_make(const struct instance_parts *p);

/* Adds a tag to n sorted ones, unless it is among them; returns how many there are. The first
 * INSTANCE_TAGS_MAX in their order are kept. */
size_t report_add_tag(const char *tags[INSTANCE_TAGS_MAX], size_t n, const char *tag);

#endif
