/* SPDX-License-Identifier: BSD-2-Clause */
#include "forward/relay.h"

#include <string.h>

#include "base/text.h"

enum {
	/* A DNAME made the name too long (RFC 6672 section 2.2): an answer, not a failure. */
	RCODE_YXDOMAIN = 6,
};

size_t relay_write_query(const struct query *q, uint16_t id, bool plain, uint8_t ret[RELAY_QUERY_OCTETS_MAX])
{
	const size_t len = DNS_HEADER_OCTETS + (size_t)q->question_len;

	memset(ret, 0, DNS_HEADER_OCTETS);
	put_u16(ret, id);
	put_u16(ret + 2, (uint16_t)(HEADER_RD | (q->flags & (HEADER_AD | HEADER_CD))));
	put_u16(ret + 4, 1);
	memcpy(ret + DNS_HEADER_OCTETS, q->octets + DNS_HEADER_OCTETS, q->question_len);
	if (plain)
		return len;

	put_u16(ret + 10, 1);
	memset(ret + len, 0, DNS_OPT_OCTETS);
	put_u16(ret + len + 1, RRTYPE_OPT);
	put_u16(ret + len + 3, DNS_EDNS_SIZE);
	ret[len + 7] = q->dnssec_ok ? 0x80 : 0;
	return len + DNS_OPT_OCTETS;
}

/* The name without regard to case, type and class exactly. Length octets are below 'A', so folding leaves
 * them alone. */
static bool question_is_same(const struct query *q, const uint8_t *octets, size_t question_len)
{
	const uint8_t *asked = q->octets + DNS_HEADER_OCTETS, *got = octets + DNS_HEADER_OCTETS;
	const size_t name_len = q->question_len - 4U;

	if (question_len != q->question_len)
		return false;
	for (size_t i = 0; i < name_len; i++) {
		if (octet_fold(asked[i]) != octet_fold(got[i]))
			return false;
	}
	return memcmp(asked + name_len, got + name_len, 4) == 0;
}

/* All 12 bits: four in the header, eight in the OPT's TTL, behind its root owner, type and class. */
static unsigned rcode_of(const uint8_t *octets, const struct message_outline *o)
{
	const unsigned low = o->flags & HEADER_RCODE;

	return o->opt_len > 0 ? (unsigned)octets[o->opt_at + 5] << 4 | low : low;
}

/* c-ares matches ID and question, but takes a reflected query for an answer and reads nothing behind. */
enum relay relay_judge(const struct query *q, uint16_t id, bool plain, const uint8_t *octets, size_t len,
		       struct message_outline *ret)
{
	if (!message_outline(octets, len, ret))
		return RELAY_DAMAGED;
	if (ret->id != id || (ret->flags & (HEADER_QR | HEADER_OPCODE)) != HEADER_QR ||
	    !question_is_same(q, octets, ret->question_len))
		return RELAY_DAMAGED;

	switch (rcode_of(octets, ret)) {
	case RCODE_NOERROR:
	case RCODE_NXDOMAIN:
	case RCODE_YXDOMAIN:
		return RELAY_GOOD;
	case RCODE_SERVFAIL:
		return RELAY_SERVFAIL;
	case RCODE_FORMERR:
	case RCODE_NOTIMP: /* what servers before EDNS say to an OPT (RFC 6891 section 7) */
		return ret->opt_len == 0 && !plain ? RELAY_NO_EDNS : RELAY_REFUSED;
	default:
		return RELAY_REFUSED;
	}
}

/* Records from at to end. message_outline() has walked them: nothing here runs over the end. */
static uint16_t count_records(const uint8_t *octets, size_t at, size_t end)
{
	uint16_t n = 0;

	for (; at < end; n++) {
		while (octets[at] != 0 && octets[at] < 0xc0)
			at += 1U + octets[at];
		at += octets[at] == 0 ? 1 : 2;
		at += 10U + get_u16(octets + at + 8);
	}
	return n;
}

/* Everything behind the question keeps its place, since the question put back is as long as the one that
 * came: compression pointers stay right. Records behind the OPT would not keep theirs, and moving them means
 * to rewrite names in RDATA of types we do not know; they are additional, hence optional (RFC 2181 section
 * 9), nothing before them may point at them (RFC 1035 section 4.1.4), and servers put the OPT last: they are
 * left out. */
size_t relay_write_answer(const struct query *q, const uint8_t *octets, const struct message_outline *o,
			  uint8_t *ret, size_t limit)
{
	const bool has_opt = o->opt_len > 0;
	const size_t start = DNS_HEADER_OCTETS + (size_t)q->question_len, end = has_opt ? o->opt_at : o->end;
	struct section_counts counts = { o->counts[0], o->counts[1], o->counts[2] };
	const bool wants_ad = q->dnssec_ok || (q->flags & HEADER_AD) != 0; /* RFC 6840, 5.8 */
	const uint16_t flags =
		(uint16_t)(HEADER_RA | (o->flags & (wants_ad ? HEADER_TC | HEADER_AD : HEADER_TC)));
	struct writer w;

	if (has_opt)
		counts.additional -= 1 + count_records(octets, o->opt_at + o->opt_len, o->end);
	message_begin(&w, q, flags, ret, limit);
	writer_add(&w, octets + start, end - start);
	if (w.full && counts.answer > 0 &&
	    !q->dnssec_ok) { /* only the answer is required (RFC 2181 section 9) */
		message_begin(&w, q, flags, ret, limit);
		writer_add(&w, octets + start, o->answer_end - start);
		counts.authority = counts.additional = 0;
	}
	if (w.full) {
		message_begin(&w, q, flags | HEADER_TC, ret, limit);
		counts = (struct section_counts){ 0 };
	}
	return message_end(&w, q, (enum rcode)(o->flags & HEADER_RCODE), counts, EDE_NONE, NULL);
}
