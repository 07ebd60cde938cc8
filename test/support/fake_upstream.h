/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_upstream.h -- a scripted DNS server, UDP and TCP on one loopback port, on a thread of its own.
 *
 * It is no relative of src/: it builds its answers by hand, so that a mistake there is not made here again.
 * Start it in the test that needs it (or a checked fixture): threads do not survive Check's fork.
 */
#ifndef PHONEBOOK_TEST_FAKE_UPSTREAM_H
#define PHONEBOOK_TEST_FAKE_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

struct fake_upstream;

/* What it does wrong, or otherwise; they combine. */
enum fake_quirk {
	FAKE_SILENT = 1 << 0,
	FAKE_HOLDS = 1 << 1, /* keeps its answers until fake_upstream_release() */
	FAKE_WRONG_ID = 1 << 2,
	FAKE_WRONG_QUESTION = 1 << 3, /* the first letter of the name is another one */
	FAKE_FOLDS_QUESTION = 1 << 4, /* gives the question back in lower case */
	FAKE_REFLECTS = 1 << 5,       /* sends the query back as it came */
	FAKE_DAMAGED = 1 << 6,        /* the first RDLENGTH runs over the end */
	FAKE_NO_EDNS = 1 << 7,        /* FORMERR without OPT to queries with one */
	FAKE_IGNORES_EDNS = 1 << 8,   /* answers without OPT */
	FAKE_CUTS_UDP = 1 << 9,       /* question and TC over UDP, everything over TCP */
	FAKE_OPT_FIRST = 1 << 10,     /* the OPT before an additional address */
	FAKE_OPT_EDE = 1 << 11,       /* an OPT of more than 11 octets, the last record */
	FAKE_TRAILS = 1 << 12,        /* octets behind the last record */
	FAKE_ADDITIONAL = 1 << 13,    /* an additional address before the OPT */
};

/* All zero: NOERROR, one answer RR, the OPT if the query had one. */
struct fake_script {
	unsigned quirks;
	unsigned rcode;     /* the upper eight bits go into the OPT */
	unsigned n_answers; /* 0: one, unless rcode says otherwise */
	unsigned delay_ms;
	unsigned lose;  /* so many queries are lost first */
	uint16_t flags; /* in addition: AD, AA... */
};

enum { FAKE_SEEN_MAX = 16384, FAKE_QUERY_MAX = 1024 };

/* What came so far. */
struct fake_seen {
	size_t n_udp, n_tcp;
	uint8_t last[FAKE_QUERY_MAX]; /* the newest query as it came */
	size_t last_len;
	size_t n; /* of the following; those over the maximum are not kept */
	uint16_t ids[FAKE_SEEN_MAX], ports[FAKE_SEEN_MAX];
};

/* Starts on a free port of the address ("127.0.0.1", "::1"), or on the given port; NULL if it cannot listen
 * there. */
struct fake_upstream *fake_upstream_start(const char *address, uint16_t port);

/* NULL is fine. */
void fake_upstream_stop(struct fake_upstream *f);

uint16_t fake_upstream_port(const struct fake_upstream *f);

/* For the queries that come from now on. */
void fake_upstream_script(struct fake_upstream *f, const struct fake_script *script);

/* Sends the answers it held. */
void fake_upstream_release(struct fake_upstream *f);

/* Closes its TCP connections, idle or not. */
void fake_upstream_close_connections(struct fake_upstream *f);

void fake_upstream_seen(struct fake_upstream *f, struct fake_seen *ret);

/* Queries so far, UDP and TCP: the cheap half of the above. */
size_t fake_upstream_count(struct fake_upstream *f);

#endif
