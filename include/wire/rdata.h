/* SPDX-License-Identifier: BSD-2-Clause */
/* wire/rdata.h -- RDATA of the types we serve, as octets, uncompressed.
 *
 * Feeder thread, at table building; never on the query path. Names stay uncompressed because RFC 2782 and RFC
 * 3597 section 4 demand it of SRV, and because a prebuilt RR does not know where it will stand.
 */
#ifndef PHONEBOOK_WIRE_RDATA_H
#define PHONEBOOK_WIRE_RDATA_H

#include <stddef.h>
#include <stdint.h>

#include "wire/dns.h"
#include "wire/name.h"

enum { RDATA_OCTETS_MAX = 2 * NAME_OCTETS_MAX + 20 }; /* SOA is the longest */

/* Writes an SRV and returns the number of octets. */
size_t rdata_from_srv(uint16_t priority, uint16_t weight, uint16_t port, const struct name *target,
		      uint8_t *ret);

/* Writes what text says in the form of zone files (RFC 1035 section 5), e.g. RRTYPE_HINFO and "RFC8482 \"\"".
 * Returns the number of octets, 0 when the text is no such RDATA or there is no memory. */
size_t rdata_from_text(enum rrtype type, const char *text, uint8_t ret[RDATA_OCTETS_MAX]);

#endif
