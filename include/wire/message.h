/* SPDX-License-Identifier: BSD-2-Clause */
/* wire/message.h -- reading a query, writing a reply.
 *
 *   octets --message_read_query--> query --message_begin--> reply so far --message_end--> octets to send
 *
 * The query points into the receive buffer. The writer has a sticky error: write everything, look once.
 * Serving threads call it; nothing allocates.
 */
#ifndef PHONEBOOK_WIRE_MESSAGE_H
#define PHONEBOOK_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "wire/dns.h"
#include "wire/name.h"

enum verdict {
	VERDICT_DROP,  /* no answer at all: too short, or itself an answer */
	VERDICT_ERROR, /* answer with query->rcode */
	VERDICT_OK,
};

struct query {
	const uint8_t *octets; /* the message as it came */
	size_t len;
	uint16_t id, flags;
	enum rcode rcode;      /* what is wrong, with VERDICT_ERROR */
	bool has_question;     /* the fields down to qclass can be used */
	uint16_t question_len; /* octets of the question section, name, type and class; it begins at offset 12
				*/
	uint16_t qtype, qclass;
	struct name qname; /* folded; the question keeps the case it came in */
	uint8_t n_labels;
	uint8_t label_at[NAME_LABELS_MAX + 1]; /* offset in qname of each label and of the root */
	bool has_edns, dnssec_ok;
	uint16_t edns_size; /* at least 512; 512 without EDNS */
};

/* Takes a message apart: one question, no more records than the counts say, at most one OPT. Reads nothing
 * beyond len, whatever the message says. */
enum verdict message_read_query(const uint8_t *octets, size_t len, struct query *ret);

/* A reply under construction. */
struct writer {
	uint8_t *octets;
	size_t len, limit;
	bool full; /* something did not fit; sticky */
};

/* Where a writer stood: to take back what did not fit. */
struct writer_mark {
	size_t len;
};

/* Starts the reply to q in octets, of at most limit octets (512 or more): header with ID, opcode and RD of
 * the query, QR and the given flags; the question as it was asked. Room for the OPT that message_end() adds
 * is kept free. */
void message_begin(struct writer *w, const struct query *q, uint16_t flags, uint8_t *octets, size_t limit);

/* Appends octets, or sets w->full. Returns where they went, NULL if they did not fit. */
uint8_t *writer_add(struct writer *w, const void *octets, size_t len);

struct writer_mark writer_mark(const struct writer *w);

/* Back to the mark, full or not. */
void writer_rewind(struct writer *w, struct writer_mark mark);

/* Record counts of the three sections behind the question. */
struct section_counts {
	uint16_t answer, authority, additional;
};

/* Finishes the reply: rcode, counts, and, if the query had one, an OPT with our size, the DO bit of the
 * query, and the extended error with its text (cut, or left out, where there is no room) unless ede is
 * EDE_NONE. Returns the length. */
size_t message_end(struct writer *w, const struct query *q, enum rcode rcode, struct section_counts counts,
		   enum ede ede, const char *ede_text);

/* The whole reply that only has an rcode; limit is 512 or more, or as many octets as the query has, with a
 * question. Returns its length. */
size_t message_write_error(const struct query *q, enum rcode rcode, enum ede ede, const char *ede_text,
			   uint8_t *octets, size_t limit);

/* --- messages of others, for the forwarder --- */

/* What a message of an upstream looks like from outside. */
struct message_outline {
	uint16_t id, flags;
	uint16_t question_len;  /* octets of the one question */
	uint16_t counts[3];     /* answer, authority, additional */
	size_t opt_at, opt_len; /* the OPT; opt_len 0: there is none */
	size_t answer_end;      /* where the answer section ends */
	size_t end;             /* where the last record ends */
};

/* Walks all records of a message, following no pointer; false when it is damaged: counts that do not fit, an
 * owner or RDATA over the end, not exactly one question, two OPTs. */
bool message_outline(const uint8_t *octets, size_t len, struct message_outline *ret);

#endif
