/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz/fuzz_query.c -- any octets as a query, and as an upstream's answer. Besides what the sanitizers see:
 * what was read lies within the message, and whatever we answer can be read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void check_query(const struct query *q)
{
	struct name again;
	char text[NAME_TEXT_MAX];

	expect(DNS_HEADER_OCTETS + (size_t)q->question_len <= q->len);
	expect(name_read(q->octets + DNS_HEADER_OCTETS, q->len - DNS_HEADER_OCTETS, &again) == q->qname.len);
	expect(name_equal(&again, &q->qname));
	expect(q->n_labels == name_count_labels(&q->qname));
	expect(q->label_at[q->n_labels] == q->qname.len - 1);
	expect(q->edns_size >= DNS_UDP_OCTETS_MIN);
	expect(strlen(name_to_text(q->qname.octets, text)) < NAME_TEXT_MAX);
}

static void answer(const struct query *q, enum rcode rcode)
{
	static const char why[] = "a sentence that may have to be cut";
	uint8_t *octets = malloc(DNS_UDP_OCTETS_MIN); /* not on the stack: exactly the limit */
	struct message_outline outline;

	expect(octets != NULL);
	const size_t len = message_write_error(q, rcode, EDE_OTHER, why, octets, DNS_UDP_OCTETS_MIN);
	expect(len >= DNS_HEADER_OCTETS && len <= DNS_UDP_OCTETS_MIN);
	if (q->has_question) {
		expect(message_outline(octets, len, &outline));
		expect(outline.end == len && outline.id == q->id && (outline.flags & HEADER_QR) != 0);
		expect((outline.opt_len > 0) == q->has_edns);
	}
	free(octets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct query q;
	struct message_outline outline;
	const enum verdict verdict = message_read_query(data, size, &q);

	if (verdict != VERDICT_DROP) {
		if (q.has_question)
			check_query(&q);
		answer(&q, verdict == VERDICT_OK ? RCODE_NXDOMAIN : q.rcode);
	}
	if (message_outline(data, size, &outline)) {
		expect(outline.end <= size && outline.answer_end <= outline.end);
		expect(outline.opt_at + outline.opt_len <= outline.end);
		expect(outline.opt_len == 0 || outline.opt_at >= outline.answer_end);
	}
	return 0;
}
