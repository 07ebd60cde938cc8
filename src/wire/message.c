/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/message.h"

#include <string.h>

enum {
	RR_FIXED_OCTETS = 10, /* type, class, TTL, RDLENGTH */
	EDE_OCTETS = 6,       /* option code, length, info code (RFC 8914 section 2) */
	EDE_TEXT_MAX = 120,   /* long enough for a registry's name and age; "short" (RFC 8914 section 2) */
	OPTION_EDE = 15,
	OPT_DO = 0x8000,
};

/* --- reading --- */

/* Reads behind the question: walks records without following pointers. */
struct cursor {
	const uint8_t *octets;
	size_t at, len;
	bool bad; /* sticky */
};

static void skip(struct cursor *c, size_t n)
{
	if (n > c->len - c->at)
		c->bad = true;
	else
		c->at += n;
}

/* A name ends at its root octet or at its first pointer, which must point backwards (RFC 1035 section 4.1.4).
 */
static void skip_name(struct cursor *c)
{
	const size_t start = c->at;

	while (!c->bad && c->at < c->len) {
		const uint8_t label_len = c->octets[c->at];

		if (label_len >= 0xc0) {
			c->bad = c->len - c->at < 2 ||
				 (size_t)(get_u16(c->octets + c->at) & 0x3fff) >= start ||
				 (get_u16(c->octets + c->at) & 0x3fff) < DNS_HEADER_OCTETS;
			skip(c, 2);
			return;
		}
		if (label_len > LABEL_OCTETS_MAX || c->at + 1 - start > NAME_OCTETS_MAX)
			break;
		skip(c, 1U + label_len);
		if (label_len == 0)
			return;
	}
	c->bad = true;
}

struct rr_view {
	size_t start, rdata_at;
	uint16_t type, class, rdlength;
	uint32_t ttl;
	bool root_owner;
};

static void read_rr(struct cursor *c, struct rr_view *ret)
{
	ret->start = c->at;
	skip_name(c);
	ret->root_owner = c->at - ret->start == 1;

	const uint8_t *fixed = c->octets + c->at;
	skip(c, RR_FIXED_OCTETS);
	if (c->bad)
		return;
	ret->type = get_u16(fixed);
	ret->class = get_u16(fixed + 2);
	ret->ttl = get_u32(fixed + 4);
	ret->rdlength = get_u16(fixed + 8);
	ret->rdata_at = c->at;
	skip(c, ret->rdlength);
}

/* Options must fill the RDATA exactly (RFC 6891 section 6.1.2). */
static bool options_are_whole(const uint8_t *rdata, size_t len)
{
	size_t at = 0;

	while (at < len) {
		if (len - at < 4 || get_u16(rdata + at + 2) > len - at - 4)
			return false;
		at += 4U + get_u16(rdata + at + 2);
	}
	return true;
}

static enum verdict wrong(struct query *q, enum rcode rcode)
{
	q->rcode = rcode;
	return VERDICT_ERROR;
}

/* Takes what an OPT says into the query. */
static enum verdict read_opt(struct query *q, const struct rr_view *rr)
{
	if (q->has_edns || !rr->root_owner || !options_are_whole(q->octets + rr->rdata_at, rr->rdlength))
		return wrong(q, RCODE_FORMERR);
	q->has_edns = true;
	q->dnssec_ok = (rr->ttl & OPT_DO) != 0;
	q->edns_size = rr->class < DNS_UDP_OCTETS_MIN ? DNS_UDP_OCTETS_MIN : rr->class; /* RFC 6891, 6.2.3 */
	if ((rr->ttl >> 16 & 0xff) != 0)
		return wrong(q, RCODE_BADVERS);
	return VERDICT_OK;
}

/* Records in the answer and authority sections have no business in a query, but IXFR puts an SOA there (RFC
 * 1995 section 3), so they are walked and ignored. Octets behind the last record are ignored as well. */
static enum verdict read_records(struct query *q, struct cursor *c)
{
	const uint8_t *counts = q->octets + 6;
	const unsigned before = (unsigned)get_u16(counts) + get_u16(counts + 2);
	const unsigned total = before + get_u16(counts + 4);
	enum verdict verdict = VERDICT_OK;

	for (unsigned i = 0; i < total; i++) {
		struct rr_view rr;

		read_rr(c, &rr);
		if (c->bad)
			return wrong(q, RCODE_FORMERR);
		if (rr.type != RRTYPE_OPT)
			continue;
		if (i < before)
			return wrong(q, RCODE_FORMERR);
		const enum verdict opt = read_opt(q, &rr);
		if (opt != VERDICT_OK) {
			if (q->rcode == RCODE_FORMERR)
				return opt;
			verdict = opt; /* BADVERS: a second OPT behind it is still the worse fault */
		}
	}
	return verdict;
}

static bool read_question(struct query *q)
{
	const uint8_t *at = q->octets + DNS_HEADER_OCTETS;
	const size_t room = q->len - DNS_HEADER_OCTETS;
	const size_t name_len = name_read(at, room, &q->qname);

	if (name_len == 0 || room - name_len < 4)
		return false;
	q->qtype = get_u16(at + name_len);
	q->qclass = get_u16(at + name_len + 2);
	q->question_len = (uint16_t)(name_len + 4);
	for (size_t label = 0;; label += 1U + q->qname.octets[label]) {
		q->label_at[q->n_labels] = (uint8_t)label;
		if (q->qname.octets[label] == 0)
			break;
		q->n_labels++;
	}
	q->has_question = true;
	return true;
}

static enum verdict read_behind_question(struct query *q)
{
	struct cursor c = { .octets = q->octets, .at = DNS_HEADER_OCTETS + q->question_len, .len = q->len };

	return read_records(q, &c);
}

enum verdict message_read_query(const uint8_t *octets, size_t len, struct query *ret)
{
	struct query *q = ret;

	if (len < DNS_HEADER_OCTETS || (octets[2] & 0x80) != 0)
		return VERDICT_DROP;

	q->octets = octets;
	q->len = len;
	q->id = get_u16(octets);
	q->flags = get_u16(octets + 2);
	q->rcode = RCODE_NOERROR;
	q->has_question = q->has_edns = q->dnssec_ok = false;
	q->question_len = 0;
	q->n_labels = 0;
	q->edns_size = DNS_UDP_OCTETS_MIN;

	const uint16_t qdcount = get_u16(octets + 4);
	if (qdcount == 1)
		read_question(q);
	const enum verdict verdict = q->has_question ? read_behind_question(q) : wrong(q, RCODE_FORMERR);
	/* The records are read even so: an error has an OPT if the query has (RFC 6891 section 6.1.1). */
	if ((q->flags & HEADER_OPCODE) != 0)
		return wrong(q, RCODE_NOTIMP);
	if (qdcount != 1) /* RFC 9619 section 4 */
		return wrong(q, RCODE_FORMERR);
	return verdict;
}

bool message_outline(const uint8_t *octets, size_t len, struct message_outline *ret)
{
	struct message_outline m = { 0 };

	if (len < DNS_HEADER_OCTETS || get_u16(octets + 4) != 1)
		return false;
	m.id = get_u16(octets);
	m.flags = get_u16(octets + 2);

	struct cursor c = { .octets = octets, .at = DNS_HEADER_OCTETS, .len = len };
	skip_name(&c);
	skip(&c, 4);
	if (c.bad)
		return false;
	m.question_len = (uint16_t)(c.at - DNS_HEADER_OCTETS);

	for (int section = 0; section < 3; section++) {
		m.counts[section] = get_u16(octets + 6 + 2 * section);
		for (unsigned i = 0; i < m.counts[section]; i++) {
			struct rr_view rr;

			read_rr(&c, &rr);
			if (c.bad)
				return false;
			if (rr.type != RRTYPE_OPT)
				continue;
			if (section != 2 || m.opt_len > 0 || !rr.root_owner ||
			    !options_are_whole(octets + rr.rdata_at, rr.rdlength))
				return false;
			m.opt_at = rr.start;
			m.opt_len = c.at - rr.start;
		}
		if (section == 0)
			m.answer_end = c.at;
	}
	m.end = c.at;
	*ret = m;
	return true;
}

/* --- writing --- */

void message_begin(struct writer *w, const struct query *q, uint16_t flags, uint8_t *octets, size_t limit)
{
	const size_t question_len = q->has_question ? q->question_len : 0;

	memset(octets, 0, DNS_HEADER_OCTETS);
	put_u16(octets, q->id);
	put_u16(octets + 2,
		(uint16_t)(HEADER_QR | (q->flags & (HEADER_OPCODE | HEADER_RD | HEADER_CD)) | flags));
	put_u16(octets + 4, question_len > 0);
	memcpy(octets + DNS_HEADER_OCTETS, q->octets + DNS_HEADER_OCTETS, question_len);

	w->octets = octets;
	w->len = DNS_HEADER_OCTETS + question_len;
	w->limit = limit - (q->has_edns ? DNS_OPT_OCTETS : 0);
	w->full = false;
}

uint8_t *writer_add(struct writer *w, const void *octets, size_t len)
{
	if (w->full || len > w->limit - w->len) {
		w->full = true;
		return NULL;
	}
	uint8_t *at = w->octets + w->len;
	memcpy(at, octets, len);
	w->len += len;
	return at;
}

struct writer_mark writer_mark(const struct writer *w)
{
	return (struct writer_mark){ .len = w->len };
}

void writer_rewind(struct writer *w, struct writer_mark mark)
{
	w->len = mark.len;
	w->full = false;
}

/* The extended error goes in if it fits behind everything else, with as much of its text as fits. */
static size_t write_ede(uint8_t *at, size_t room, enum ede ede, const char *text)
{
	if (ede == EDE_NONE || room < EDE_OCTETS)
		return 0;

	size_t text_len = text != NULL ? strnlen(text, EDE_TEXT_MAX) : 0;
	if (text_len > room - EDE_OCTETS)
		text_len = 0; /* half a sentence helps nobody */
	put_u16(at, OPTION_EDE);
	put_u16(at + 2, (uint16_t)(2 + text_len));
	put_u16(at + 4, (uint16_t)ede);
	if (text_len > 0)
		memcpy(at + EDE_OCTETS, text, text_len);
	return EDE_OCTETS + text_len;
}

size_t message_end(struct writer *w, const struct query *q, enum rcode rcode, struct section_counts counts,
		   enum ede ede, const char *ede_text)
{
	uint8_t *header = w->octets;

	if (q->has_edns) {
		uint8_t *opt = w->octets + w->len;
		const size_t options = write_ede(opt + DNS_OPT_OCTETS, w->limit - w->len, ede, ede_text);

		opt[0] = 0; /* root */
		put_u16(opt + 1, RRTYPE_OPT);
		put_u16(opt + 3, DNS_EDNS_SIZE);
		opt[5] = (uint8_t)(rcode >> 4);
		opt[6] = 0;                                  /* version */
		put_u16(opt + 7, q->dnssec_ok ? OPT_DO : 0); /* RFC 3225 section 3 */
		put_u16(opt + 9, (uint16_t)options);
		w->len += DNS_OPT_OCTETS + options;
		counts.additional++;
	}
	put_u16(header + 2, (uint16_t)((get_u16(header + 2) & ~HEADER_RCODE) | (rcode & HEADER_RCODE)));
	put_u16(header + 6, counts.answer);
	put_u16(header + 8, counts.authority);
	put_u16(header + 10, counts.additional);
	return w->len;
}

size_t message_write_error(const struct query *q, enum rcode rcode, enum ede ede, const char *ede_text,
			   uint8_t *octets, size_t limit)
{
	struct writer w;

	message_begin(&w, q, HEADER_RA, octets, limit);
	return message_end(&w, q, rcode, (struct section_counts){ 0 }, ede, ede_text);
}
