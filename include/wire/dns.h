/* SPDX-License-Identifier: BSD-2-Clause */
/* wire/dns.h -- the numbers of the protocol that more than one module needs. */
#ifndef PHONEBOOK_WIRE_DNS_H
#define PHONEBOOK_WIRE_DNS_H

#include <stdint.h>

enum {
	DNS_HEADER_OCTETS = 12,
	DNS_UDP_OCTETS_MIN = 512, /* what every client takes without EDNS (RFC 1035 section 4.2.1) */
	DNS_MESSAGE_OCTETS_MAX = 65535,
	DNS_OPT_OCTETS = 11, /* an OPT without options */

	/* What we say we can receive: fits any path without fragments (DNS flag day 2020). */
	DNS_EDNS_SIZE = 1232,
};

enum rcode {
	RCODE_NOERROR = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	RCODE_BADVERS = 16, /* needs an OPT (RFC 6891 section 6.1.3) */
};

enum rrtype {
	RRTYPE_A = 1,
	RRTYPE_NS = 2,
	RRTYPE_CNAME = 5,
	RRTYPE_SOA = 6,
	RRTYPE_PTR = 12,
	RRTYPE_HINFO = 13,
	RRTYPE_TXT = 16,
	RRTYPE_AAAA = 28,
	RRTYPE_SRV = 33,
	RRTYPE_OPT = 41,
	RRTYPE_IXFR = 251,
	RRTYPE_AXFR = 252,
	RRTYPE_ANY = 255,
};

enum rrclass { RRCLASS_IN = 1, RRCLASS_CH = 3 };

/* Extended DNS errors (RFC 8914), the ones we send. */
enum ede {
	EDE_NONE = -1,
	EDE_OTHER = 0,
	EDE_STALE_ANSWER = 3,
	EDE_NOT_READY = 14,
	EDE_PROHIBITED = 18,
	EDE_STALE_NXDOMAIN = 19,
	EDE_NOT_AUTHORITATIVE = 20,
	EDE_NOT_SUPPORTED = 21,
	EDE_NO_REACHABLE_AUTHORITY = 22,
	EDE_NETWORK_ERROR = 23,
	EDE_INVALID_DATA = 24,
};

enum {
	HEADER_QR = 0x8000,
	HEADER_OPCODE = 0x7800,
	HEADER_AA = 0x0400,
	HEADER_TC = 0x0200,
	HEADER_RD = 0x0100,
	HEADER_RA = 0x0080,
	HEADER_AD = 0x0020,
	HEADER_CD = 0x0010,
	HEADER_RCODE = 0x000f,
};

static inline uint16_t get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void put_u32(uint8_t *at, uint32_t value)
{
	put_u16(at, (uint16_t)(value >> 16));
	put_u16(at + 2, (uint16_t)value);
}

#endif
