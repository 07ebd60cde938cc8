/* SPDX-License-Identifier: BSD-2-Clause */
/* wire/records.h -- the records of an answer somebody else wrote, one after the other.
 *
 *   octets --records_begin--> question --records_next--> record, record, ... --> end, or bad
 *
 * Names come uncompressed and folded. Nothing beyond the message is read, whatever it says, and a pointer
 * must lead back to before the name it is in (RFC 1035 section 4.1.4): no name goes round in a circle.
 * Nothing allocates; the octets are borrowed. Any thread.
 */
#ifndef PHONEBOOK_WIRE_RECORDS_H
#define PHONEBOOK_WIRE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/dns.h"
#include "wire/name.h"

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL, SECTIONS };

struct records {
	const uint8_t *octets;
	size_t len, at;
	uint16_t flags;
	struct name qname;
	uint16_t qtype, qclass;
	enum section section; /* of the next record */
	unsigned left;        /* records in that section */
	bool bad;             /* damaged: what came before it may be wrong, too */
};

struct record {
	enum section section;
	struct name owner;
	uint16_t type, class;
	uint32_t ttl; /* as it stands there; in an OPT it is something else */
	const uint8_t *rdata;
	uint16_t rdlength;
};

/* False when it is no answer with one question. */
bool records_begin(struct records *r, const uint8_t *octets, size_t len);

/* False after the last one, or when the message is damaged: then bad is set. */
bool records_next(struct records *r, struct record *ret);

/* The name that fills the RDATA from offset to its end; false when that is none. */
bool records_name(const struct records *r, const struct record *record, size_t offset, struct name *ret);

/* The TTL in seconds; one with the highest bit set means 0 (RFC 2181 section 8). */
static inline uint32_t record_ttl_s(const struct record *record)
{
	return record->ttl > INT32_MAX ? 0 : record->ttl;
}

#endif
