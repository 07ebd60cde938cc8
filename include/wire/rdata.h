/* SPDX-License-Identifier: BSD-2-Clause */
/* wire/rdata.h -- RDATA of the types we serve, as octets, uncompressed.
 *
 * Feeder thread, at table building; never on the query path. Names are kept uncompressed because RFC 2782 and
 * RFC 3597 section 4 demand it of SRV, and because a prebuilt record does not know where it will stand.
 */
#ifndef PHONEBOOK_WIRE_RDATA_H
#define PHONEBOOK_WIRE_RDATA_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "wire/name.h"

enum { RDATA_OCTETS_MAX = 2 * NAME_OCTETS_MAX + 20 }; /* SOA is the longest */

/* Each writes into ret and returns the number of octets. */
size_t rdata_from_srv(uint16_t priority, uint16_t weight, uint16_t port, const struct name *target,
		      uint8_t ret[RDATA_OCTETS_MAX]);
size_t rdata_from_soa(const struct name *mname, const struct name *rname, uint32_t serial, uint32_t minimum_s,
		      uint8_t ret[RDATA_OCTETS_MAX]);
size_t rdata_from_name(const struct name *n, uint8_t ret[RDATA_OCTETS_MAX]);

#endif
