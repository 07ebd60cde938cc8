/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/counters.h"
#include "model/freshness.h"
#include "version.h"
#include "zone/status.h"

enum {
	A_RR_OCTETS = 16,      /* the smallest RR we write: it bounds how many can fit */
	STALE_TTL_S = 1,       /* nobody should hold on to what may be wrong */
	GLUE_SEEN_SIZE = 8192, /* a power of two above twice the SRVs of the largest message */
	POINTER_MAX = 0x3fff,  /* how far a compression pointer reaches (RFC 1035 section 4.1.4) */
};

struct answerer {
	struct order order;
	uint32_t glue_seen[GLUE_SEEN_SIZE];
};

/* A reply while it is written. */
struct reply {
	struct writer w;
	const struct query *q;
	const struct table *table;
	const struct table_zone *zone;
	const struct counters *counters;
	struct section_counts counts;
	uint64_t now_ms;
	enum ede ede;
	char ede_text[128];
	uint32_t ttl_max_s;
	bool stale, tcp;
};

struct answerer *answerer_create(void)
{
	struct answerer *a = malloc(sizeof(*a));

	if (a != NULL)
		order_init(&a->order);
	return a;
}

void answerer_destroy(struct answerer *a)
{
	free(a);
}

/* --- pieces --- */

static void begin(struct reply *p, const struct answer_request *r, const struct table_zone *zone)
{
	*p = (struct reply){ .q = r->query,
			     .table = r->table,
			     .zone = zone,
			     .counters = r->counters,
			     .now_ms = r->now_ms,
			     .ede = EDE_NONE,
			     .ttl_max_s = UINT32_MAX,
			     .tcp = r->tcp };
	message_begin(&p->w, r->query, HEADER_AA | HEADER_RA, r->reply, r->limit);
}

static size_t finish(struct reply *p, enum rcode rcode)
{
	return message_end(&p->w, p->q, rcode, p->counts, p->ede, p->ede_text);
}

static void clear_authoritative(struct reply *p)
{
	put_u16(p->w.octets + 2, (uint16_t)(get_u16(p->w.octets + 2) & ~HEADER_AA));
}

static void tell_age(struct reply *p, const struct age_verdict *v, enum ede ede)
{
	struct freshness_view view;

	p->ede = ede;
	if (!p->q->has_edns)
		return;
	freshness_view(p->table->freshness, v->row, p->now_ms, &view);
	snprintf(p->ede_text, sizeof(p->ede_text), "registry %.48s last heard %llu s ago%s", view.name,
		 (unsigned long long)(v->age_ms / 1000), view.restored ? ", before a restart" : "");
}

/* RFC 8914 section 4.4: data older than the administrator wants is still the best there is, and said to be
 * old. False when it has got too old even for that. */
static bool mark_age(struct reply *p, const struct age_verdict *v, enum ede ede)
{
	if (v->age == AGE_FRESH)
		return true;
	tell_age(p, v, v->age == AGE_STALE ? ede : EDE_NO_REACHABLE_AUTHORITY);
	p->stale = true;
	p->ttl_max_s = STALE_TTL_S;
	return v->age == AGE_STALE;
}

static struct age_verdict judge_block(const struct reply *p, const struct block *b)
{
	return freshness_judge(p->table->freshness, b->options.registries, b->options.true_ms,
			       &b->options.age, p->now_ms);
}

static struct age_verdict judge_zone(const struct reply *p)
{
	return freshness_judge(p->table->freshness, p->zone->registries, 0, &p->zone->age, p->now_ms);
}

/* TTLs in the table are never above what the answer may have, but for stale data and for names of several
 * services. */
static void cut_ttl(const struct reply *p, uint8_t *ttl)
{
	if (get_u32(ttl) > p->ttl_max_s)
		put_u32(ttl, p->ttl_max_s);
}

static bool add_rr(struct reply *p, const struct rr *rr)
{
	uint8_t *at = writer_add(&p->w, rr->octets, rr->len);

	if (at != NULL)
		cut_ttl(p, at + RR_TTL_AT);
	return at != NULL;
}

/* An RR whose owner is the question. */
static void add_answer(struct reply *p, enum rrtype type, uint32_t ttl_s, const uint8_t *rdata, size_t len)
{
	uint8_t fixed[RR_RDATA_AT];

	put_u16(fixed, 0xc000 | DNS_HEADER_OCTETS);
	put_u16(fixed + 2, (uint16_t)type);
	put_u16(fixed + 4, RRCLASS_IN);
	put_u32(fixed + RR_TTL_AT, ttl_s);
	put_u16(fixed + 10, (uint16_t)len);
	const struct writer_mark mark = writer_mark(&p->w);
	if (writer_add(&p->w, fixed, sizeof(fixed)) != NULL && writer_add(&p->w, rdata, len) != NULL) {
		p->counts.answer++;
		return;
	}
	writer_rewind(&p->w, mark); /* half a record would be read as the next one */
	p->w.full = true;
}

/* The SOA, its names compressed against the zone in the question. Its TTL is not above the minimum (RFC 2308
 * section 3), and it always fits: the longest question leaves 512 - 12 - 259 - 11 octets. */
static bool add_soa(struct reply *p, uint32_t ttl_s, uint32_t minimum_s)
{
	const unsigned apex_label = p->q->n_labels - p->zone->n_labels;
	const uint16_t apex = (uint16_t)(0xc000 | (DNS_HEADER_OCTETS + p->q->label_at[apex_label]));
	uint8_t rr[] = { 0,   0,   0,  RRTYPE_SOA, 0,  RRCLASS_IN, 0,   0,   0,   0,   0,   38,  2,
			 'n', 's', 0,  0,          10, 'h',        'o', 's', 't', 'm', 'a', 's', 't',
			 'e', 'r', 0,  0,          0,  0,          0,   0,   0,   0,   14,  16,  0,
			 0,   2,   88, 0,          1,  81,         128, 0,   0,   0,   0 };

	put_u16(rr, apex);
	put_u32(rr + RR_TTL_AT, p->stale && ttl_s > STALE_TTL_S ? STALE_TTL_S : ttl_s);
	put_u16(rr + 15, apex);
	put_u16(rr + 28, apex);
	put_u32(rr + 30, p->table->serial);
	put_u32(rr + 46, minimum_s);
	return writer_add(&p->w, rr, sizeof(rr)) != NULL;
}

static size_t write_negative(struct reply *p, enum rcode rcode, uint32_t negative_ttl_s)
{
	p->counts.authority += add_soa(p, negative_ttl_s, negative_ttl_s);
	return finish(p, rcode);
}

/* There is nothing to tell, neither a yes nor a no. */
static size_t write_failure(struct reply *p)
{
	clear_authoritative(p);
	return finish(p, RCODE_SERVFAIL);
}

/* --- the additional section of SRV --- */

/* True the first time it is asked for this list of glue in this answer. */
static bool is_new_glue(uint32_t *seen, uint32_t mask, uint32_t glue)
{
	uint32_t i = (glue * 2654435761U) >> 16 & mask;

	while (seen[i] != 0 && seen[i] != glue)
		i = (i + 1) & mask;
	if (seen[i] == glue)
		return false;
	seen[i] = glue;
	return true;
}

/* An address RR for the target that stands at target_at in the message. */
static bool add_glue_rr(struct reply *p, const struct rr *rr, size_t target_at)
{
	const uint8_t *target = p->w.octets + target_at;
	uint8_t pointer[2];

	if (target_at <= POINTER_MAX) {
		put_u16(pointer, (uint16_t)(0xc000 | target_at));
		if (writer_add(&p->w, pointer, 2) == NULL)
			return false;
	} else {
		size_t len = 1;

		for (const uint8_t *label = target; *label != 0; label += 1U + *label)
			len += 1U + *label;
		if (writer_add(&p->w, target, len) == NULL)
			return false;
	}
	uint8_t *at = writer_add(&p->w, rr->octets + 2, rr->len - 2U);
	if (at != NULL)
		cut_ttl(p, at + RR_TTL_AT - 2);
	return at != NULL;
}

/* All addresses of one target or none: an RRset is never cut in the additional section (RFC 2181 section 9).
 */
static bool add_glue_set(struct reply *p, const struct block *block, uint32_t glue, size_t target_at)
{
	const struct writer_mark mark = writer_mark(&p->w);
	uint16_t n = 0;

	for (const uint32_t *rr = (const uint32_t *)((const uint8_t *)block + glue); *rr != 0; rr++, n++) {
		if (!add_glue_rr(p, block_rr(block, *rr), target_at)) {
			writer_rewind(&p->w, mark);
			return false;
		}
	}
	p->counts.additional = (uint16_t)(p->counts.additional + n);
	return true;
}

/* n_srvs SRVs stand one behind the other at first_at, in drawn order. */
static void add_glue(struct answerer *a, struct reply *p, const struct block *block, const struct rrset *set,
		     size_t n_srvs, size_t first_at)
{
	uint32_t size = 16;

	while (size < 2 * n_srvs && size < GLUE_SEEN_SIZE)
		size *= 2;
	memset(a->glue_seen, 0, size * sizeof(a->glue_seen[0]));
	for (size_t i = 0, at = first_at; i < n_srvs; i++) {
		const struct rr *srv = block_rr(block, set->rrs[a->order.drawn[i]]);

		if (srv->glue != 0 && is_new_glue(a->glue_seen, size - 1, srv->glue) &&
		    !add_glue_set(p, block, srv->glue, at + RR_RDATA_AT + 6))
			return;
		at += srv->len;
	}
}

/* --- whole answers --- */

/* Never over TCP, where nobody can ask for more (RFC 7766 section 5). */
static void set_truncated(struct reply *p)
{
	if (!p->tcp)
		put_u16(p->w.octets + 2, get_u16(p->w.octets + 2) | HEADER_TC);
}

/* How many RRs of the set the answer should have: all, or, under a limit, as many of those that are not
 * drained. */
static size_t count_wanted(const struct block *block, const struct rrset *set)
{
	const uint32_t limit = block->options.address_limit;
	const size_t usable = set->n_active > 0 ? set->n_active : set->n;

	if (limit == 0 || (set->type != RRTYPE_A && set->type != RRTYPE_AAAA))
		return set->n;
	return limit < usable ? limit : usable;
}

static size_t write_set(struct answerer *a, struct reply *p, const struct block *block,
			const struct rrset *set)
{
	const size_t wanted = count_wanted(block, set);
	const size_t may_fit = (p->w.limit - p->w.len) / A_RR_OCTETS;
	const size_t n = order_draw(&a->order, block, set, wanted < may_fit ? wanted : may_fit);
	const size_t first_at = p->w.len;
	size_t written = 0;

	while (written < n && add_rr(p, block_rr(block, set->rrs[a->order.drawn[written]])))
		written++;
	p->counts.answer = (uint16_t)written;
	/* A cut answer is filled as far as it goes: old musl has no TCP and takes what it gets. */
	if (written < wanted)
		set_truncated(p);
	if (written == wanted && set->type == RRTYPE_SRV)
		add_glue(a, p, block, set, written, first_at);
	return finish(p, RCODE_NOERROR);
}

static void add_text(struct reply *p, const char *text, size_t len)
{
	const uint32_t ttl_s = p->zone->ttl_s < STALE_TTL_S ? p->zone->ttl_s : STALE_TTL_S;
	uint8_t rdata[1 + STATUS_TEXT_MAX];

	rdata[0] = (uint8_t)len;
	memcpy(rdata + 1, text, len);
	add_answer(p, RRTYPE_TXT, ttl_s, rdata, 1 + len);
}

/* What goes on, for plain dig to see: one TXT a registry, one for the zone, one for the daemon. */
static size_t write_status(struct reply *p)
{
	char text[STATUS_TEXT_MAX + 1];

	for (uint64_t left = p->zone->registries; left != 0; left &= left - 1)
		add_text(p, text,
			 status_of_registry(p->table->freshness, (size_t)__builtin_ctzll(left), p->now_ms,
					    text));
	if (p->zone->board != NULL)
		add_text(p, text, status_of_zone(p->zone, text));
	if (p->counters != NULL)
		add_text(p, text, status_of_daemon(p->counters, text));
	if (p->w.full)
		set_truncated(p);
	return finish(p, RCODE_NOERROR);
}

/* ANY gets one small RRset instead of everything (RFC 8482 section 4.2). */
static size_t write_hinfo(struct reply *p)
{
	const uint32_t ttl_s = p->stale && p->zone->ttl_s > STALE_TTL_S ? STALE_TTL_S : p->zone->ttl_s;

	static const uint8_t rdata[] = "\7RFC8482"; /* the string's own NUL is the empty OS */

	add_answer(p, RRTYPE_HINFO, ttl_s, rdata, sizeof(rdata));
	return finish(p, RCODE_NOERROR);
}

static size_t write_apex_soa(struct reply *p)
{
	p->counts.answer += add_soa(p, p->zone->negative_ttl_s, p->zone->negative_ttl_s);
	return finish(p, RCODE_NOERROR);
}

static size_t write_owner(struct answerer *a, struct reply *p, const struct owner *o)
{
	const struct block *block = o->block;
	const uint16_t qtype = p->q->qtype;
	const bool is_apex = p->q->n_labels == p->zone->n_labels;
	const struct age_verdict v = judge_block(p, block);

	block_note_asked(block, p->now_ms);
	if (!mark_age(p, &v, EDE_STALE_ANSWER))
		return write_failure(p);
	if (is_apex && qtype == RRTYPE_SOA)
		return write_apex_soa(p);
	if (o->rank == OWNER_STATUS && qtype == RRTYPE_TXT)
		return write_status(p);
	if (qtype == RRTYPE_ANY && (o->n_rrsets > 0 || o->rank == OWNER_STATUS))
		return write_hinfo(p);

	const struct rrset *set = owner_rrset(o, qtype);
	if (set == NULL)
		return write_negative(p, RCODE_NOERROR, block->options.negative_ttl_s);
	return write_set(a, p, block, set);
}

/* 10-1-0-7.addr.Z: answered from the question, whoever has the address now, so that a target still resolves
 * when its instance has just left. Returns 0 if the name spells no address. */
static size_t write_spelt_address(struct reply *p)
{
	static const uint8_t addr[] = { 4, 'a', 'd', 'd', 'r' };
	const struct name *n = &p->q->qname;
	const uint32_t ttl_s = p->zone->ttl_s;
	struct address a;

	if (p->q->n_labels != p->zone->n_labels + 2U ||
	    memcmp(n->octets + p->q->label_at[1], addr, sizeof(addr)) != 0 ||
	    !label_to_address(n->octets + 1, n->octets[0], &a))
		return 0;

	if (p->q->qtype == RRTYPE_ANY)
		return write_hinfo(p);
	if (p->q->qtype != (a.len == 4 ? RRTYPE_A : RRTYPE_AAAA))
		return write_negative(p, RCODE_NOERROR, p->zone->negative_ttl_s);
	add_answer(p, (enum rrtype)p->q->qtype, ttl_s, a.octets, a.len);
	return finish(p, RCODE_NOERROR);
}

/* A registry may be asked for each service by itself, and refuse one it has listed: then the name is unknown
 * only here. Nobody can be told more than that. */
static void tell_failing(struct reply *p)
{
	const int row = p->ede == EDE_NONE && p->q->has_edns
				? freshness_find_failing(p->table->freshness, p->zone->registries)
				: -1;
	struct freshness_view view;

	if (row < 0)
		return;
	freshness_view(p->table->freshness, (size_t)row, p->now_ms, &view);
	p->ede = EDE_OTHER;
	snprintf(p->ede_text, sizeof(p->ede_text), "registry %.48s is failing and may know the name",
		 view.name);
}

/* A name nobody has. NXDOMAIN only once somebody has spoken: it is remembered, by the JVM for 10 s. */
static enum answer write_unknown(struct reply *p, bool may_wait, size_t *ret)
{
	if (p->zone->data != ZONE_HEARD && may_wait)
		return ANSWER_NOT_YET;
	if (p->zone->data == ZONE_SILENT) {
		p->ede = EDE_NOT_READY;
		snprintf(p->ede_text, sizeof(p->ede_text), "no registry has answered yet");
		*ret = write_failure(p);
		return ANSWER_WRITTEN;
	}
	const struct age_verdict v = judge_zone(p);
	if (!mark_age(p, &v, EDE_STALE_NXDOMAIN)) {
		*ret = write_failure(p);
	} else {
		tell_failing(p);
		*ret = write_negative(p, RCODE_NXDOMAIN, p->zone->negative_ttl_s);
	}
	return ANSWER_WRITTEN;
}

/* A transfer is refused (RFC 5936 section 4.2), over UDP as well, where it does not exist. */
static size_t write_transfer_refused(struct reply *p)
{
	clear_authoritative(p);
	p->ede = EDE_PROHIBITED;
	snprintf(p->ede_text, sizeof(p->ede_text), "zones are not transferred");
	return finish(p, RCODE_REFUSED);
}

/* The services of one address may have different TTLs, and some of them may be stale: the RRset has the least
 * (RFC 2181 section 5.2). Returns how many of the names are not too old to be told. */
static size_t prepare_reverse(struct reply *p, const struct owners *owners)
{
	uint32_t least_s = UINT32_MAX;
	size_t n = 0;

	for (size_t i = 0; i < owners->n; i++) {
		const struct owner *o = owners->at[i];
		const struct age_verdict v = judge_block(p, o->block);
		const uint32_t ttl_s =
			get_u32(block_rr(o->block, owner_rrset(o, RRTYPE_PTR)->rrs[0])->octets + RR_TTL_AT);

		if (v.age == AGE_EXPIRED)
			continue;
		n++;
		least_s = ttl_s < least_s ? ttl_s : least_s;
		if (!p->stale)
			mark_age(p, &v, EDE_STALE_ANSWER);
	}
	if (n == 0) {
		const struct age_verdict v = judge_block(p, owners->at[0]->block);

		mark_age(p, &v, EDE_STALE_ANSWER);
	}
	p->ttl_max_s = least_s < p->ttl_max_s ? least_s : p->ttl_max_s;
	return n;
}

static void add_reverse(struct reply *p, const struct owners *owners)
{
	size_t wanted = 0;

	for (size_t i = 0; i < owners->n && !p->w.full; i++) {
		const struct rrset *set = owner_rrset(owners->at[i], RRTYPE_PTR);

		if (judge_block(p, owners->at[i]->block).age == AGE_EXPIRED)
			continue;
		wanted += set->n;
		for (size_t rr = 0; rr < set->n; rr++)
			p->counts.answer += add_rr(p, block_rr(owners->at[i]->block, set->rrs[rr]));
	}
	if (p->counts.answer < wanted)
		set_truncated(p);
}

/* The names of an address that instances have; every other reverse name belongs to the forwarder. */
static enum answer write_reverse(const struct answer_request *r, size_t *ret)
{
	const struct query *q = r->query;
	struct address address;
	struct reply p;

	if (q->qtype != RRTYPE_PTR || !name_to_address(&q->qname, &address))
		return ANSWER_NOT_OURS;
	const struct owners owners = table_find_address(r->table, &address);
	if (owners.n == 0)
		return ANSWER_NOT_OURS;

	begin(&p, r, NULL);
	if (prepare_reverse(&p, &owners) == 0) {
		*ret = write_failure(&p);
		return ANSWER_WRITTEN;
	}
	add_reverse(&p, &owners);
	*ret = finish(&p, RCODE_NOERROR);
	return ANSWER_WRITTEN;
}

enum answer answer_write(struct answerer *a, const struct answer_request *r, size_t *ret)
{
	const struct query *q = r->query;
	const struct table_zone *zone = table_find_zone(r->table, &q->qname, q->label_at, q->n_labels);
	struct reply p;

	if (zone == NULL)
		return write_reverse(r, ret);

	begin(&p, r, zone);
	if (q->qtype == RRTYPE_AXFR || q->qtype == RRTYPE_IXFR) {
		*ret = write_transfer_refused(&p);
		return ANSWER_WRITTEN;
	}
	const struct owners owners = table_find(r->table, q->qname.octets, q->qname.len);
	if (owners.n > 0) {
		*ret = write_owner(a, &p, owners.at[0]);
		return ANSWER_WRITTEN;
	}
	*ret = write_spelt_address(&p);
	if (*ret > 0)
		return ANSWER_WRITTEN;
	return write_unknown(&p, r->may_wait, ret);
}

size_t answer_chaos(const struct query *q, uint8_t *reply, size_t limit)
{
	static const uint8_t names[][16] = { "\7version\4bind", "\7version\6server" };
	static const char version[] = "phonebook " PHONEBOOK_VERSION;
	uint8_t rr[RR_RDATA_AT + 1];
	struct section_counts counts = { .answer = 1 };
	struct writer w;
	bool known = q->qtype == RRTYPE_TXT || q->qtype == RRTYPE_ANY;

	known = known &&
		(memcmp(q->qname.octets, names[0], 14) == 0 || memcmp(q->qname.octets, names[1], 16) == 0);
	if (!known)
		return message_write_error(q, RCODE_REFUSED, EDE_NONE, NULL, reply, limit);

	message_begin(&w, q, HEADER_AA | HEADER_RA, reply, limit);
	put_u16(rr, 0xc000 | DNS_HEADER_OCTETS);
	put_u16(rr + 2, RRTYPE_TXT);
	put_u16(rr + 4, RRCLASS_CH);
	put_u32(rr + RR_TTL_AT, 0);
	put_u16(rr + 10, sizeof(version));
	rr[RR_RDATA_AT] = sizeof(version) - 1;
	writer_add(&w, rr, sizeof(rr));
	writer_add(&w, version, sizeof(version) - 1);
	return message_end(&w, q, RCODE_NOERROR, counts, EDE_NONE, NULL);
}
