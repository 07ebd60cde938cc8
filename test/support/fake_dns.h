/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_dns.h -- a small DNS server for tests: UDP on a loopback address, on a thread of its own.
 *
 *   test --fake_dns_add(name, address)--> table <--A, AAAA-- whoever is tested
 *
 * It answers from a table the test changes at any time, or with an rcode, or not at all. It shares no code
 * with src/, so that both cannot be wrong in the same way.
 */
#ifndef PHONEBOOK_TEST_FAKE_DNS_H
#define PHONEBOOK_TEST_FAKE_DNS_H

#include <stdbool.h>
#include <stdint.h>

struct fake_dns;

/* Starts on a free port of 127.0.0.1; fails the test if it cannot. */
struct fake_dns *fake_dns_start(void);

void fake_dns_stop(struct fake_dns *d); /* NULL is fine */

uint16_t fake_dns_port(const struct fake_dns *d);

/* Adds an address ("10.0.0.1", "fd00::1") to a name, which exists from then on; NULL adds the bare name. */
void fake_dns_add(struct fake_dns *d, const char *name, const char *address, uint32_t ttl_s);

/* The name becomes an alias (CNAME) of another name of the table. */
void fake_dns_alias(struct fake_dns *d, const char *name, const char *target, uint32_t ttl_s);

/* Removes a name: NXDOMAIN from then on. */
void fake_dns_remove(struct fake_dns *d, const char *name);

/* Answers every question with this rcode (2: SERVFAIL, 3: NXDOMAIN, 5: REFUSED); -1: by the table. */
void fake_dns_set_rcode(struct fake_dns *d, int rcode);

/* Answers no questions of that type (1: A, 28: AAAA, 255: any); 0: answers all again. */
void fake_dns_set_silent(struct fake_dns *d, int type);

/* Questions that came so far, and the different names among them. */
unsigned fake_dns_queries(struct fake_dns *d);
unsigned fake_dns_names(struct fake_dns *d);

#endif
