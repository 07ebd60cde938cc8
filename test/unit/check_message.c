/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/message.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A message being made by hand. */
struct draft {
	uint8_t octets[2048];
	size_t len;
};

static void add(struct draft *d, const void *octets, size_t len)
{
	memcpy(d->octets + d->len, octets, len);
	d->len += len;
}

static void add_u16(struct draft *d, unsigned value)
{
	put_u16(d->octets + d->len, (uint16_t)value);
	d->len += 2;
}

static struct draft draft_header(unsigned flags, unsigned qd, unsigned an, unsigned ns, unsigned ar)
{
	struct draft d = { .len = 0 };

	add_u16(&d, 0xbeef);
	add_u16(&d, flags);
	add_u16(&d, qd);
	add_u16(&d, an);
	add_u16(&d, ns);
	add_u16(&d, ar);
	return d;
}

enum { QNAME_OCTETS = 25, QUESTION_OCTETS = QNAME_OCTETS + 4 };

/* The name's root octet is the literal's NUL. */
static const char qname[QNAME_OCTETS] = "\11InvenTory\7service\5LOCAL";
static const char qname_folded[QNAME_OCTETS] = "\11inventory\7service\5local";

static void add_question(struct draft *d, unsigned qtype)
{
	add(d, qname, QNAME_OCTETS);
	add_u16(d, qtype);
	add_u16(d, RRCLASS_IN);
}

static struct draft draft_query(unsigned flags, unsigned additional)
{
	struct draft d = draft_header(flags, 1, 0, 0, additional);

	add_question(&d, RRTYPE_AAAA);
	return d;
}

static void add_rr(struct draft *d, const void *owner, size_t owner_len, unsigned type, unsigned class,
		   uint32_t ttl, const void *rdata, size_t rdata_len)
{
	add(d, owner, owner_len);
	add_u16(d, type);
	add_u16(d, class);
	add_u16(d, ttl >> 16);
	add_u16(d, ttl & 0xffff);
	add_u16(d, (unsigned)rdata_len);
	add(d, rdata, rdata_len);
}

static void add_opt(struct draft *d, unsigned size, uint32_t ttl, const void *options, size_t len)
{
	add_rr(d, "", 1, RRTYPE_OPT, size, ttl, options, len);
}

/* Reads from a copy of exactly len octets, so that the sanitizers see the first octet read behind it. The
 * copy is never freed before the next call: the query points into it. */
static enum verdict read_exactly(const uint8_t *octets, size_t len, struct query *ret)
{
	static uint8_t *copy;

	free(copy);
	copy = malloc(len > 0 ? len : 1);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, octets, len);
	const enum verdict verdict = message_read_query(copy, len, ret);
	if (verdict == VERDICT_DROP) {
		free(copy);
		copy = NULL;
	}
	return verdict;
}

static struct query read_good(const struct draft *d)
{
	static uint8_t octets[2048];
	struct query q;

	memcpy(octets, d->octets, d->len);
	ck_assert_int_eq(message_read_query(octets, d->len, &q), VERDICT_OK);
	return q;
}

static struct query read_bad(const struct draft *d, enum rcode rcode)
{
	static uint8_t octets[2048];
	struct query q;

	memcpy(octets, d->octets, d->len);
	ck_assert_int_eq(message_read_query(octets, d->len, &q), VERDICT_ERROR);
	ck_assert_int_eq(q.rcode, rcode);
	return q;
}

/* --- reading --- */

START_TEST(a_plain_query_is_taken_apart)
{
	const struct draft d = draft_query(HEADER_RD | HEADER_CD, 0);
	const struct query q = read_good(&d);

	ck_assert_uint_eq(q.id, 0xbeef);
	ck_assert_uint_eq(q.flags, HEADER_RD | HEADER_CD);
	ck_assert(q.has_question);
	ck_assert_uint_eq(q.question_len, QUESTION_OCTETS);
	ck_assert_uint_eq(q.qtype, RRTYPE_AAAA);
	ck_assert_uint_eq(q.qclass, RRCLASS_IN);
	ck_assert_uint_eq(q.qname.len, QNAME_OCTETS);
	ck_assert_mem_eq(q.qname.octets, qname_folded, QNAME_OCTETS);
	ck_assert_mem_eq(q.octets + DNS_HEADER_OCTETS, qname, QNAME_OCTETS);
	ck_assert_uint_eq(q.n_labels, 3);
	ck_assert_mem_eq(q.label_at, "\0\12\22\30", 4);
	ck_assert(!q.has_edns && !q.dnssec_ok);
	ck_assert_uint_eq(q.edns_size, 512);
	ck_assert_uint_eq(q.len, d.len);
}
END_TEST

START_TEST(labels_of_the_longest_names_are_found)
{
	struct draft d = draft_header(0, 1, 0, 0, 0);

	for (int i = 0; i < NAME_LABELS_MAX; i++)
		add(&d, "\1A", 2);
	add(&d, "\0\0\1\0\1", 5);
	struct query q = read_good(&d);
	ck_assert_uint_eq(q.n_labels, NAME_LABELS_MAX);
	for (int i = 0; i <= NAME_LABELS_MAX; i++)
		ck_assert_uint_eq(q.label_at[i], 2 * i);

	struct draft root = draft_header(0, 1, 0, 0, 0);
	add(&root, "\0\0\1\0\1", 5);
	q = read_good(&root);
	ck_assert_uint_eq(q.n_labels, 0);
	ck_assert_uint_eq(q.label_at[0], 0);
	ck_assert_uint_eq(q.qname.len, 1);
}
END_TEST

START_TEST(less_than_a_header_is_dropped)
{
	const struct draft d = draft_query(HEADER_RD, 0);
	struct query q;

	for (size_t len = 0; len < DNS_HEADER_OCTETS; len++)
		ck_assert_int_eq(read_exactly(d.octets, len, &q), VERDICT_DROP);
}
END_TEST

START_TEST(answers_are_dropped_whatever_else_they_are)
{
	struct query q;

	for (unsigned opcode = 0; opcode < 16; opcode++) {
		const struct draft d = draft_query(HEADER_QR | opcode << 11, 0);

		ck_assert_int_eq(read_exactly(d.octets, d.len, &q), VERDICT_DROP);
		ck_assert_int_eq(read_exactly(d.octets, DNS_HEADER_OCTETS, &q), VERDICT_DROP);
	}
}
END_TEST

START_TEST(other_opcodes_are_not_implemented)
{
	struct draft d = draft_query((unsigned)_i << 11 | HEADER_RD, 0);
	const struct query q = read_bad(&d, RCODE_NOTIMP);

	ck_assert_uint_eq(q.id, 0xbeef);
	d.len = DNS_HEADER_OCTETS;
	put_u16(d.octets + 4, 0);
	ck_assert(!read_bad(&d, RCODE_NOTIMP).has_question);
}
END_TEST

START_TEST(anything_but_one_question_is_an_error)
{
	struct draft d = draft_header(HEADER_RD, 0, 0, 0, 0);

	ck_assert(!read_bad(&d, RCODE_FORMERR).has_question);
	d = draft_header(HEADER_RD, 2, 0, 0, 0);
	add_question(&d, RRTYPE_A);
	add_question(&d, RRTYPE_AAAA);
	read_bad(&d, RCODE_FORMERR);
	put_u16(d.octets + 4, 65535);
	read_bad(&d, RCODE_FORMERR);
}
END_TEST

/* Octets 6, 8 and 10 hold the counts. */
START_TEST(counts_must_be_kept)
{
	struct draft d = draft_query(HEADER_RD, 0);

	put_u16(d.octets + 6 + 2 * _i, 1);
	read_bad(&d, RCODE_FORMERR);
	put_u16(d.octets + 6 + 2 * _i, 65535);
	read_bad(&d, RCODE_FORMERR);
	put_u16(d.octets + 6 + 2 * _i, 2);
	add_rr(&d, "", 1, RRTYPE_A, RRCLASS_IN, 0, "\12\0\0\1", 4);
	read_bad(&d, RCODE_FORMERR);
}
END_TEST

/* IXFR carries an SOA in the authority section (RFC 1995 section 3). */
START_TEST(records_that_do_not_belong_here_are_walked_over)
{
	struct draft d = draft_header(0, 1, 1, 1, 2);

	add_question(&d, RRTYPE_IXFR);
	add_rr(&d, "\xc0\x0c", 2, RRTYPE_A, RRCLASS_IN, 5, "\12\0\0\1", 4);
	add_rr(&d, "\1x\xc0\x0c", 4, RRTYPE_TXT, RRCLASS_IN, 5, "\3abc", 4);
	add_rr(&d, "\1y\0", 3, RRTYPE_A, RRCLASS_IN, 5, "", 0);
	add_opt(&d, 1400, 0, "", 0);
	const struct query q = read_good(&d);
	ck_assert_uint_eq(q.qtype, RRTYPE_IXFR);
	ck_assert_uint_eq(q.edns_size, 1400);
}
END_TEST

START_TEST(every_cut_of_a_query_is_an_error)
{
	struct draft d = draft_query(HEADER_RD, 2);
	struct query q;

	add_rr(&d, "\1y\xc0\x0c", 4, RRTYPE_A, RRCLASS_IN, 5, "\12\0\0\1", 4);
	add_opt(&d, 1232, 0, "\0\12\0\10abcdefgh", 12);
	for (size_t len = DNS_HEADER_OCTETS; len < d.len; len++) {
		ck_assert_int_eq(read_exactly(d.octets, len, &q), VERDICT_ERROR);
		ck_assert_int_eq(q.rcode, RCODE_FORMERR);
		ck_assert_int_eq(q.has_question, len >= DNS_HEADER_OCTETS + QUESTION_OCTETS);
	}
	ck_assert_int_eq(read_exactly(d.octets, d.len, &q), VERDICT_OK);
}
END_TEST

static const struct {
	const char *octets;
	size_t len;
} bad_names[] = {
	{ "\xc0\x0c\0\1\0\1", 6 },              /* a pointer to itself */
	{ "\xc0\x00\0\1\0\1", 6 },              /* a pointer into the header */
	{ "\1a\xc0\x0c\0\1\0\1", 8 },           /* a loop */
	{ "\1a\xc0\x10\0\0\1\0\1", 9 },         /* forwards */
	{ "\1a\x40xxx\0\0\1\0\1", 11 },         /* label type 01 */
	{ "\1a\x80xxx\0\0\1\0\1", 11 },         /* label type 10 */
	{ "\1a\0", 3 },                         /* no type */
	{ "\1a\0\0\1\0", 6 },                   /* half a class */
	{ "\77short\0\0\1\0\1", 11 },           /* a label over the end */
	{ "\11inventory\7service\5local", 24 }, /* no root */
};

START_TEST(names_no_question_can_have_are_an_error)
{
	struct draft d = draft_header(HEADER_RD, 1, 0, 0, 0);
	struct query q;

	add(&d, bad_names[_i].octets, bad_names[_i].len);
	ck_assert_int_eq(read_exactly(d.octets, d.len, &q), VERDICT_ERROR);
	ck_assert_int_eq(q.rcode, RCODE_FORMERR);
	ck_assert(!q.has_question);
}
END_TEST

START_TEST(a_name_over_255_octets_is_an_error)
{
	struct draft d = draft_header(HEADER_RD, 1, 0, 0, 0);

	for (int i = 0; i < NAME_LABELS_MAX; i++)
		add(&d, "\1a", 2);
	add(&d, "\1a\0\0\1\0\1", 7);
	ck_assert(!read_bad(&d, RCODE_FORMERR).has_question);
}
END_TEST

static const struct {
	uint16_t size, counts_as;
} sizes[] = { { 0, 512 },     { 1, 512 },       { 511, 512 },    { 512, 512 },
	      { 1232, 1232 }, { 65508, 65508 }, { 65535, 65535 } };

START_TEST(sizes_below_512_count_as_512)
{
	struct draft d = draft_query(HEADER_RD, 1);

	add_opt(&d, sizes[_i].size, 0, "", 0);
	const struct query q = read_good(&d);
	ck_assert(q.has_edns);
	ck_assert_uint_eq(q.edns_size, sizes[_i].counts_as);
}
END_TEST

START_TEST(the_flags_of_an_opt_are_read)
{
	struct draft d = draft_query(HEADER_RD, 1);
	const size_t at = d.len;

	add_opt(&d, 1232, 0x00008000, "", 0);
	ck_assert(read_good(&d).dnssec_ok);
	d.len = at;
	add_opt(&d, 1232, 0x00007fff, "", 0); /* reserved bits are nothing to us (RFC 6891 section 6.1.4) */
	ck_assert(!read_good(&d).dnssec_ok);
	d.len = at;
	add_opt(&d, 1232, 0xff000000, "", 0); /* an extended rcode means nothing in a query */
	read_good(&d);
}
END_TEST

START_TEST(other_versions_of_edns_are_badvers)
{
	for (uint32_t version = 1; version < 256; version += 127) {
		struct draft d = draft_query(HEADER_RD, 1);

		add_opt(&d, 1232, version << 16 | 0x8000, "", 0);
		const struct query q = read_bad(&d, RCODE_BADVERS);
		ck_assert(q.has_edns && q.has_question && q.dnssec_ok);
	}
}
END_TEST

START_TEST(two_opts_are_an_error)
{
	struct draft d = draft_query(HEADER_RD, 2);

	add_opt(&d, 1232, 0, "", 0);
	add_opt(&d, 1232, 0, "", 0);
	read_bad(&d, RCODE_FORMERR);
	d = draft_query(HEADER_RD, 2);
	add_opt(&d, 1232, 1 << 16, "", 0);
	add_opt(&d, 1232, 0, "", 0);
	read_bad(&d, RCODE_FORMERR);
}
END_TEST

START_TEST(an_opt_belongs_to_the_additional_section)
{
	struct draft d = draft_header(HEADER_RD, 1, 1, 0, 0);

	add_question(&d, RRTYPE_A);
	add_opt(&d, 1232, 0, "", 0);
	read_bad(&d, RCODE_FORMERR);
	put_u32(d.octets + 6, 1);
	read_bad(&d, RCODE_FORMERR);
	put_u32(d.octets + 6, 0);
	put_u16(d.octets + 10, 1);
	read_good(&d);
}
END_TEST

START_TEST(an_opt_belongs_to_the_root)
{
	struct draft d = draft_query(HEADER_RD, 1);
	const size_t at = d.len;

	add_rr(&d, "\1a\0", 3, RRTYPE_OPT, 1232, 0, "", 0);
	read_bad(&d, RCODE_FORMERR);
	d.len = at;
	add_rr(&d, "\xc0\x0c", 2, RRTYPE_OPT, 1232, 0, "", 0);
	read_bad(&d, RCODE_FORMERR);
}
END_TEST

static const struct {
	const char *octets;
	size_t len;
	bool good;
} options[] = {
	{ "\0\3\0\0", 4, true },                       /* NSID */
	{ "\0\12\0\10abcdefgh", 12, true },            /* cookie */
	{ "\0\10\0\4\0\1\0\0", 8, true },              /* client subnet */
	{ "\xff\xff\0\1x\0\3\0\0\0\3\0\0", 13, true }, /* unknown, and twice the same */
	{ "\0", 1, false },
	{ "\0\3\0", 3, false },
	{ "\0\3\0\1", 4, false },
	{ "\0\3\0\0\0", 5, false },
	{ "\0\12\0\11abcdefgh", 12, false },
	{ "\0\12\xff\xff", 4, false },
};

START_TEST(options_must_fill_the_opt)
{
	struct draft d = draft_query(HEADER_RD, 1);

	add_opt(&d, 1232, 0, options[_i].octets, options[_i].len);
	if (options[_i].good)
		ck_assert(read_good(&d).has_edns);
	else
		read_bad(&d, RCODE_FORMERR);
}
END_TEST

START_TEST(the_length_of_a_record_may_not_overrun)
{
	struct draft d = draft_query(HEADER_RD, 1);

	add_opt(&d, 1232, 0, "", 0);
	for (unsigned rdlength = 1; rdlength < 65536; rdlength *= 2) {
		put_u16(d.octets + d.len - 2, (uint16_t)rdlength);
		read_bad(&d, RCODE_FORMERR);
	}
}
END_TEST

/* --- writing --- */

static ldns_pkt *judge(const uint8_t *octets, size_t len)
{
	ldns_pkt *pkt = NULL;

	ck_assert_int_eq(ldns_wire2pkt(&pkt, octets, len), LDNS_STATUS_OK);
	return pkt;
}

START_TEST(a_reply_reads_back_as_it_was_meant)
{
	struct draft d = draft_query(HEADER_RD, 1);
	uint8_t octets[DNS_UDP_OCTETS_MIN];
	struct writer w;

	add_opt(&d, 1232, 0x8000, "", 0);
	const struct query q = read_good(&d);
	message_begin(&w, &q, HEADER_AA | HEADER_RA, octets, sizeof(octets));
	ck_assert_ptr_nonnull(
		writer_add(&w, "\xc0\x0c\0\x1c\0\1\0\0\0\2\0\20\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 28));
	const size_t len =
		message_end(&w, &q, RCODE_NOERROR, (struct section_counts){ .answer = 1 }, EDE_NONE, NULL);
	ck_assert(!w.full);

	ldns_pkt *pkt = judge(octets, len);
	ck_assert_uint_eq(ldns_pkt_id(pkt), 0xbeef);
	ck_assert(ldns_pkt_qr(pkt) && ldns_pkt_aa(pkt) && ldns_pkt_rd(pkt) && ldns_pkt_ra(pkt));
	ck_assert(!ldns_pkt_tc(pkt) && !ldns_pkt_ad(pkt));
	ck_assert_int_eq(ldns_pkt_get_opcode(pkt), LDNS_PACKET_QUERY);
	ck_assert_int_eq(ldns_pkt_get_rcode(pkt), LDNS_RCODE_NOERROR);
	ck_assert_uint_eq(ldns_pkt_qdcount(pkt), 1);
	ck_assert_uint_eq(ldns_pkt_ancount(pkt), 1);
	ck_assert_uint_eq(ldns_pkt_nscount(pkt), 0);
	ck_assert(ldns_pkt_edns(pkt) && ldns_pkt_edns_do(pkt));
	ck_assert_uint_eq(ldns_pkt_edns_udp_size(pkt), DNS_EDNS_SIZE);
	ck_assert_uint_eq(ldns_pkt_edns_version(pkt), 0);
	char *text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(pkt), 0));
	ck_assert_str_eq(text, "InvenTory.service.LOCAL.\t2\tIN\tAAAA\t2001:db8::7\n");
	free(text);
	ldns_pkt_free(pkt);
}
END_TEST

START_TEST(the_question_comes_back_octet_by_octet)
{
	const struct draft d = draft_query(HEADER_RD, 0);
	const struct query q = read_good(&d);
	uint8_t octets[DNS_UDP_OCTETS_MIN];
	const size_t len = message_write_error(&q, RCODE_SERVFAIL, EDE_NONE, NULL, octets, sizeof(octets));

	ck_assert_uint_eq(len, d.len);
	ck_assert_mem_eq(octets + DNS_HEADER_OCTETS, d.octets + DNS_HEADER_OCTETS, QUESTION_OCTETS);
}
END_TEST

static const enum rcode errors[] = { RCODE_FORMERR, RCODE_SERVFAIL, RCODE_NXDOMAIN, RCODE_NOTIMP,
				     RCODE_REFUSED };

START_TEST(without_edns_in_the_query_there_is_none_in_the_answer)
{
	const struct draft d = draft_query(0, 0);
	const struct query q = read_good(&d);
	uint8_t octets[DNS_UDP_OCTETS_MIN];
	const size_t len = message_write_error(&q, errors[_i], EDE_OTHER, "why", octets, sizeof(octets));
	ldns_pkt *pkt = judge(octets, len);

	ck_assert_int_eq(ldns_pkt_get_rcode(pkt), (int)errors[_i]);
	ck_assert(ldns_pkt_qr(pkt) && !ldns_pkt_rd(pkt) && !ldns_pkt_aa(pkt));
	ck_assert(!ldns_pkt_edns(pkt));
	ck_assert_uint_eq(ldns_pkt_arcount(pkt), 0);
	ldns_pkt_free(pkt);
}
END_TEST

START_TEST(badvers_is_an_extended_rcode_with_version_0)
{
	struct draft d = draft_query(HEADER_RD, 1);
	uint8_t octets[DNS_UDP_OCTETS_MIN];

	add_opt(&d, 1232, 1 << 16, "", 0);
	const struct query q = read_bad(&d, RCODE_BADVERS);
	const size_t len = message_write_error(&q, q.rcode, EDE_NONE, NULL, octets, sizeof(octets));
	ldns_pkt *pkt = judge(octets, len);
	ck_assert_int_eq(ldns_pkt_get_rcode(pkt), 0);
	ck_assert_uint_eq(ldns_pkt_edns_extended_rcode(pkt), 1);
	ck_assert_uint_eq(ldns_pkt_edns_version(pkt), 0);
	ldns_pkt_free(pkt);
}
END_TEST

START_TEST(an_error_without_a_readable_question_is_a_header)
{
	struct draft d = draft_header(HEADER_RD | 5 << 11, 0, 0, 0, 0);
	uint8_t octets[DNS_UDP_OCTETS_MIN];
	const struct query q = read_bad(&d, RCODE_NOTIMP);

	ck_assert_uint_eq(message_write_error(&q, q.rcode, EDE_NONE, NULL, octets, sizeof(octets)),
			  DNS_HEADER_OCTETS);
	ck_assert_uint_eq(get_u16(octets), 0xbeef);
	ck_assert_uint_eq(get_u16(octets + 2) & ~HEADER_RA, HEADER_QR | 5 << 11 | HEADER_RD | RCODE_NOTIMP);
	for (int i = 4; i < DNS_HEADER_OCTETS; i++)
		ck_assert_uint_eq(octets[i], 0);
}
END_TEST

/* Where the OPT's options start in a reply without records. */
enum { OPTIONS_AT = DNS_HEADER_OCTETS + QUESTION_OCTETS + DNS_OPT_OCTETS };

static struct query read_edns_query(void)
{
	struct draft d = draft_query(HEADER_RD, 1);

	add_opt(&d, 1232, 0, "", 0);
	return read_good(&d);
}

START_TEST(an_extended_error_carries_its_text)
{
	const struct query q = read_edns_query();
	uint8_t octets[DNS_UDP_OCTETS_MIN];
	size_t len =
		message_write_error(&q, RCODE_SERVFAIL, EDE_NOT_READY, "not yet", octets, sizeof(octets));

	ck_assert_uint_eq(len, OPTIONS_AT + 6 + 7);
	ck_assert_mem_eq(octets + OPTIONS_AT, "\0\17\0\11\0\16not yet", 13);
	ck_assert_uint_eq(get_u16(octets + OPTIONS_AT - 2), 13);
	ldns_pkt_free(judge(octets, len));

	len = message_write_error(&q, RCODE_SERVFAIL, EDE_OTHER, NULL, octets, sizeof(octets));
	ck_assert_uint_eq(len, OPTIONS_AT + 6);
	ck_assert_mem_eq(octets + OPTIONS_AT, "\0\17\0\2\0\0", 6);
	ldns_pkt_free(judge(octets, len));
}
END_TEST

START_TEST(an_extended_error_never_breaks_the_limit)
{
	const struct query q = read_edns_query();
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t used = 0; used <= DNS_UDP_OCTETS_MIN - OPTIONS_AT; used++) {
		uint8_t octets[DNS_UDP_OCTETS_MIN];
		const uint8_t filler[DNS_UDP_OCTETS_MIN] = { 0 };
		struct writer w;

		message_begin(&w, &q, 0, octets, sizeof(octets));
		ck_assert_ptr_nonnull(writer_add(&w, filler, used));
		const size_t len =
			message_end(&w, &q, RCODE_NOERROR, (struct section_counts){ 0 }, EDE_OTHER, text);
		ck_assert_uint_le(len, sizeof(octets));
		ck_assert_uint_ge(len, OPTIONS_AT + used);
		/* What the OPT says is in it is in it. */
		ck_assert_uint_eq(get_u16(octets + OPTIONS_AT - 2 + used), len - OPTIONS_AT - used);
	}
}
END_TEST

/* Fills replies of every limit octet by octet, with and without an OPT to come. */
START_TEST(the_writer_stops_at_its_limit_with_room_for_the_opt)
{
	const struct draft plain = draft_query(0, 0);
	const struct query q = _i == 0 ? read_good(&plain) : read_edns_query();

	for (size_t limit = DNS_UDP_OCTETS_MIN; limit < DNS_UDP_OCTETS_MIN + 20; limit++) {
		uint8_t *octets = malloc(limit);
		struct writer w;

		message_begin(&w, &q, 0, octets, limit);
		while (writer_add(&w, "x", 1) != NULL)
			;
		ck_assert(w.full);
		const size_t len =
			message_end(&w, &q, RCODE_NOERROR, (struct section_counts){ 0 }, EDE_OTHER, "no");
		ck_assert_uint_eq(len, limit);
		free(octets);
	}
}
END_TEST

START_TEST(full_is_sticky_until_a_mark_is_gone_back_to)
{
	const struct query q = read_edns_query();
	uint8_t octets[DNS_UDP_OCTETS_MIN];
	const uint8_t large[DNS_UDP_OCTETS_MIN] = { 0 };
	struct writer w;

	message_begin(&w, &q, 0, octets, sizeof(octets));
	ck_assert_ptr_nonnull(writer_add(&w, "abc", 3));
	const struct writer_mark mark = writer_mark(&w);
	uint8_t *at = writer_add(&w, "defg", 4);
	ck_assert_mem_eq(at, "defg", 4);
	ck_assert_ptr_null(writer_add(&w, large, sizeof(large)));
	ck_assert_ptr_null(writer_add(&w, "h", 1));
	ck_assert(w.full);
	writer_rewind(&w, mark);
	ck_assert(!w.full);
	ck_assert_ptr_eq(writer_add(&w, "h", 1), at);
	ck_assert_mem_eq(at - 3, "abch", 4);
}
END_TEST

START_TEST(counts_and_flags_of_a_reply_are_as_given)
{
	const struct query q = read_edns_query();
	uint8_t octets[DNS_UDP_OCTETS_MIN];
	struct writer w;

	message_begin(&w, &q, HEADER_TC | HEADER_AA, octets, sizeof(octets));
	message_end(&w, &q, RCODE_NXDOMAIN,
		    (struct section_counts){ .answer = 1, .authority = 258, .additional = 3 }, EDE_NONE,
		    NULL);
	ck_assert_uint_eq(get_u16(octets + 2),
			  HEADER_QR | HEADER_AA | HEADER_TC | HEADER_RD | RCODE_NXDOMAIN);
	ck_assert_uint_eq(get_u16(octets + 4), 1);
	ck_assert_uint_eq(get_u16(octets + 6), 1);
	ck_assert_uint_eq(get_u16(octets + 8), 258);
	ck_assert_uint_eq(get_u16(octets + 10), 4); /* with the OPT */
}
END_TEST

/* --- outlines --- */

/* An upstream's answer with all sections, compressed, as the library writes it; freed by the caller. */
static uint8_t *make_answer(size_t *len, bool edns)
{
	static const char *const answer[] = { "www.example. 60 IN CNAME web.example.",
					      "web.example. 60 IN A 192.0.2.7",
					      "web.example. 60 IN TXT \"some text\"" };
	static const char *const authority = "example. 60 IN SOA ns.example. admin.example. 1 2 3 4 5";
	static const char *const additional = "ns.example. 60 IN AAAA 2001:db8::53";
	ldns_pkt *pkt = ldns_pkt_query_new(ldns_dname_new_frm_str("www.example."), LDNS_RR_TYPE_A,
					   LDNS_RR_CLASS_IN, LDNS_QR | LDNS_RD | LDNS_RA);
	ldns_rr *rr;
	uint8_t *octets;

	ldns_pkt_set_id(pkt, 0x1234);
	for (size_t i = 0; i < COUNT(answer); i++) {
		ck_assert_int_eq(ldns_rr_new_frm_str(&rr, answer[i], 0, NULL, NULL), LDNS_STATUS_OK);
		ldns_pkt_push_rr(pkt, LDNS_SECTION_ANSWER, rr);
	}
	ck_assert_int_eq(ldns_rr_new_frm_str(&rr, authority, 0, NULL, NULL), LDNS_STATUS_OK);
	ldns_pkt_push_rr(pkt, LDNS_SECTION_AUTHORITY, rr);
	ck_assert_int_eq(ldns_rr_new_frm_str(&rr, additional, 0, NULL, NULL), LDNS_STATUS_OK);
	ldns_pkt_push_rr(pkt, LDNS_SECTION_ADDITIONAL, rr);
	if (edns)
		ldns_pkt_set_edns_udp_size(pkt, 1400);
	ck_assert_int_eq(ldns_pkt2wire(&octets, pkt, len), LDNS_STATUS_OK);
	ldns_pkt_free(pkt);
	return octets;
}

START_TEST(the_outline_of_an_answer_is_found)
{
	struct message_outline m;
	size_t len, plain_len;
	uint8_t *plain = make_answer(&plain_len, false), *octets = make_answer(&len, true);

	ck_assert(message_outline(octets, len, &m));
	ck_assert_uint_eq(m.id, 0x1234);
	ck_assert_uint_eq(m.flags, HEADER_QR | HEADER_RD | HEADER_RA);
	ck_assert_uint_eq(m.question_len, 13 + 4);
	ck_assert_uint_eq(m.counts[0], 3);
	ck_assert_uint_eq(m.counts[1], 1);
	ck_assert_uint_eq(m.counts[2], 2);
	ck_assert_uint_eq(m.opt_at, plain_len); /* the library writes it last */
	ck_assert_uint_eq(m.opt_len, DNS_OPT_OCTETS);
	ck_assert_uint_eq(m.end, len);

	/* The answer alone, with the other counts at 0, ends where the answer section was said to end. */
	memset(octets + 8, 0, 4);
	ldns_pkt *pkt = judge(octets, m.answer_end);
	ck_assert_uint_eq(ldns_rr_list_rr_count(ldns_pkt_answer(pkt)), 3);
	ldns_pkt_free(pkt);
	ck_assert(message_outline(octets, m.answer_end, &m));
	ck_assert(!message_outline(octets, m.answer_end - 1, &m));

	ck_assert(message_outline(plain, plain_len, &m));
	ck_assert_uint_eq(m.opt_len, 0);
	ck_assert_uint_eq(m.counts[2], 1);
	free(plain);
	free(octets);
}
END_TEST

START_TEST(an_opt_before_other_records_is_found)
{
	struct draft d = draft_header(HEADER_QR, 1, 0, 0, 2);
	struct message_outline m;

	add_question(&d, RRTYPE_A);
	const size_t opt_at = d.len;
	add_opt(&d, 1232, 0, "\0\3\0\1x", 5);
	const size_t opt_end = d.len;
	add_rr(&d, "\xc0\x0c", 2, RRTYPE_A, RRCLASS_IN, 5, "\12\0\0\1", 4);
	ck_assert(message_outline(d.octets, d.len, &m));
	ck_assert_uint_eq(m.opt_at, opt_at);
	ck_assert_uint_eq(m.opt_len, opt_end - opt_at);
	ck_assert_uint_eq(m.answer_end, opt_at);
	ck_assert_uint_eq(m.end, d.len);
}
END_TEST

START_TEST(octets_behind_the_last_record_are_seen)
{
	struct message_outline m;
	size_t len;
	uint8_t *octets = make_answer(&len, true);
	struct draft d = { .len = 0 };

	add(&d, octets, len);
	add(&d, "behind", 6);
	ck_assert(!message_outline(d.octets, d.len, &m) || m.end == len);
	free(octets);
}
END_TEST

START_TEST(every_cut_of_an_answer_is_damaged)
{
	size_t len;
	uint8_t *octets = make_answer(&len, true);

	for (size_t cut = 0; cut < len; cut++) {
		struct message_outline m = { .end = 77 };
		uint8_t *copy = malloc(cut > 0 ? cut : 1);

		memcpy(copy, octets, cut);
		ck_assert(!message_outline(copy, cut, &m));
		ck_assert_uint_eq(m.end, 77);
		free(copy);
	}
	free(octets);
}
END_TEST

START_TEST(an_answer_has_exactly_one_question)
{
	struct message_outline m;
	struct draft d = draft_header(HEADER_QR, 0, 0, 0, 0);

	ck_assert(!message_outline(d.octets, d.len, &m));
	d = draft_header(HEADER_QR, 2, 0, 0, 0);
	add_question(&d, RRTYPE_A);
	add_question(&d, RRTYPE_A);
	ck_assert(!message_outline(d.octets, d.len, &m));
	put_u16(d.octets + 4, 1);
	ck_assert(message_outline(d.octets, DNS_HEADER_OCTETS + QUESTION_OCTETS, &m));
}
END_TEST

START_TEST(damaged_records_are_noticed)
{
	struct message_outline m;
	struct draft d = draft_header(HEADER_QR, 1, 0, 0, 2);

	add_question(&d, RRTYPE_A);
	const size_t at = d.len;
	add_opt(&d, 1232, 0, "", 0);
	add_opt(&d, 1232, 0, "", 0);
	ck_assert(!message_outline(d.octets, d.len, &m)); /* two OPTs */

	put_u16(d.octets + 10, 1);
	d.len = at;
	const uint8_t owner[66] = {
		0x40
	}; /* a label type nobody knows, and room for what a length of 64 would mean */
	add_rr(&d, owner, sizeof(owner), RRTYPE_A, RRCLASS_IN, 5, "\12\0\0\1", 4);
	ck_assert(!message_outline(d.octets, d.len, &m));

	d.len = at;
	for (int i = 0; i < 130; i++)
		add(&d, "\1a", 2);
	add_rr(&d, "", 1, RRTYPE_A, RRCLASS_IN, 5, "\12\0\0\1", 4);
	ck_assert(!message_outline(d.octets, d.len, &m)); /* an owner over 255 octets */
}
END_TEST

static TCase *query_tests(void)
{
	TCase *tests = tcase_create("queries");

	tcase_add_test(tests, a_plain_query_is_taken_apart);
	tcase_add_test(tests, labels_of_the_longest_names_are_found);
	tcase_add_test(tests, less_than_a_header_is_dropped);
	tcase_add_test(tests, answers_are_dropped_whatever_else_they_are);
	tcase_add_loop_test(tests, other_opcodes_are_not_implemented, 1, 16);
	tcase_add_test(tests, anything_but_one_question_is_an_error);
	tcase_add_loop_test(tests, counts_must_be_kept, 0, 3);
	tcase_add_test(tests, records_that_do_not_belong_here_are_walked_over);
	tcase_add_test(tests, every_cut_of_a_query_is_an_error);
	tcase_add_loop_test(tests, names_no_question_can_have_are_an_error, 0, COUNT(bad_names));
	tcase_add_test(tests, a_name_over_255_octets_is_an_error);
	return tests;
}

static TCase *edns_tests(void)
{
	TCase *tests = tcase_create("edns");

	tcase_add_loop_test(tests, sizes_below_512_count_as_512, 0, COUNT(sizes));
	tcase_add_test(tests, the_flags_of_an_opt_are_read);
	tcase_add_test(tests, other_versions_of_edns_are_badvers);
	tcase_add_test(tests, two_opts_are_an_error);
	tcase_add_test(tests, an_opt_belongs_to_the_additional_section);
	tcase_add_test(tests, an_opt_belongs_to_the_root);
	tcase_add_loop_test(tests, options_must_fill_the_opt, 0, COUNT(options));
	tcase_add_test(tests, the_length_of_a_record_may_not_overrun);
	return tests;
}

static TCase *reply_tests(void)
{
	TCase *tests = tcase_create("replies");

	tcase_add_test(tests, a_reply_reads_back_as_it_was_meant);
	tcase_add_test(tests, the_question_comes_back_octet_by_octet);
	tcase_add_loop_test(tests, without_edns_in_the_query_there_is_none_in_the_answer, 0, COUNT(errors));
	tcase_add_test(tests, badvers_is_an_extended_rcode_with_version_0);
	tcase_add_test(tests, an_error_without_a_readable_question_is_a_header);
	tcase_add_test(tests, an_extended_error_carries_its_text);
	tcase_add_test(tests, an_extended_error_never_breaks_the_limit);
	tcase_add_loop_test(tests, the_writer_stops_at_its_limit_with_room_for_the_opt, 0, 2);
	tcase_add_test(tests, full_is_sticky_until_a_mark_is_gone_back_to);
	tcase_add_test(tests, counts_and_flags_of_a_reply_are_as_given);
	return tests;
}

static TCase *outline_tests(void)
{
	TCase *tests = tcase_create("outlines");

	tcase_add_test(tests, the_outline_of_an_answer_is_found);
	tcase_add_test(tests, an_opt_before_other_records_is_found);
	tcase_add_test(tests, octets_behind_the_last_record_are_seen);
	tcase_add_test(tests, every_cut_of_an_answer_is_damaged);
	tcase_add_test(tests, an_answer_has_exactly_one_question);
	tcase_add_test(tests, damaged_records_are_noticed);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("message");

	suite_add_tcase(suite, query_tests());
	suite_add_tcase(suite, edns_tests());
	suite_add_tcase(suite, reply_tests());
	suite_add_tcase(suite, outline_tests());
	return harness_run(suite);
}
