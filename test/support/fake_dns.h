/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_dns.h -- a small DNS server for tests: UDP and TCP on one loopback port, on a thread of its
 * own.
 *
 *   test --fake_dns_add(name, address)--> table <--A, AAAA, SRV-- whoever is tested
 *
 * It answers from a table the test changes at any time, or with an rcode, or not at all. It shares no code
 * with src/, so that both cannot be wrong in the same way.
 */
#ifndef PHONEBOOK_TEST_FAKE_DNS_H
#define PHONEBOOK_TEST_FAKE_DNS_H

#include <stdbool.h>
#include <stdint.h>

struct fake_dns;

/* What it does wrong, or otherwise; they combine. */
enum fake_dns_quirk {
	FAKE_DNS_BARE = 1 << 0,    /* no addresses of targets in the additional section */
	FAKE_DNS_NO_TCP = 1 << 1,  /* hangs up */
	FAKE_DNS_CUT = 1 << 2,     /* question and TC for everything, also over TCP */
	FAKE_DNS_NO_EDNS = 1 << 3, /* FORMERR without OPT to a query with one */
	FAKE_DNS_DAMAGED = 1 << 4, /* the last octet is missing */
	FAKE_DNS_ECHO = 1 << 5,    /* the query back as it came */
};

/* Starts on a free port of 127.0.0.1; fails the test if it cannot. */
struct fake_dns *fake_dns_start(void);

void fake_dns_stop(struct fake_dns *d); /* NULL is fine */

uint16_t fake_dns_port(const struct fake_dns *d);

/* Adds an address ("10.0.0.1", "fd00::1") to a name, which exists from then on; NULL adds the bare name. */
void fake_dns_add(struct fake_dns *d, const char *name, const char *address, uint32_t ttl_s);

/* Adds an SRV record to a name; the addresses of its target, if they are in the table, come along in the
 * additional section as far as there is room (RFC 2181 section 9). */
void fake_dns_add_srv(struct fake_dns *d, const char *name, const char *target, uint16_t port,
		      uint16_t priority, uint16_t weight, uint32_t ttl_s);

/* The name becomes an alias (CNAME) of another name of the table. */
void fake_dns_alias(struct fake_dns *d, const char *name, const char *target, uint32_t ttl_s);

/* Removes a name: NXDOMAIN from then on. */
void fake_dns_remove(struct fake_dns *d, const char *name);

/* Answers every question with this rcode (2: SERVFAIL, 3: NXDOMAIN, 5: REFUSED); -1: by the table. */
void fake_dns_set_rcode(struct fake_dns *d, int rcode);

/* Answers no questions of that type (1: A, 28: AAAA, 33: SRV, 255: any); 0: answers all again. */
void fake_dns_set_silent(struct fake_dns *d, int type);

void fake_dns_set_quirks(struct fake_dns *d, unsigned quirks);

/* Questions that came so far, those of them that came over TCP, and the different names among them. */
unsigned fake_dns_queries(struct fake_dns *d);
unsigned fake_dns_tcp_queries(struct fake_dns *d);
unsigned fake_dns_names(struct fake_dns *d);

/* Different ports and IDs among the questions that came over UDP, at most 1024. */
unsigned fake_dns_ports(struct fake_dns *d);
unsigned fake_dns_ids(struct fake_dns *d);

#endif
