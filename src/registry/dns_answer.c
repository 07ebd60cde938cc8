/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/dns_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "wire/records.h"

enum {
	ALIASES_MAX = 16, /* resolvers follow 8 to 17; longer chains are circles */
	SRV_FIXED_OCTETS = 6,
	SOA_OCTETS_MIN = 22, /* two names of one octet, five numbers */
	PRIORITIES = 65536,
};

/* A message that was seen to be whole. */
struct message {
	const uint8_t *octets;
	size_t len;
	struct name name; /* what was asked for, or what that is an alias of */
	const struct name *subject;
	uint16_t type, flags;
	bool is_alias, has_soa, has_data;
};

static int refuse(const struct message *m, struct snapshot_builder *b, const char *reason)
{
	const bool is_other = !name_equal(&m->name, m->subject);
	char name[NAME_TEXT_MAX];

	return snapshot_builder_fail(b, -EPROTO, "%s%s%s: %s",
				     is_other ? name_to_text(m->name.octets, name) : "", is_other ? " " : "",
				     m->type == RRTYPE_SRV ? "SRV"
				     : m->type == RRTYPE_A ? "A"
							   : "AAAA",
				     reason);
}

static const char *explain_rcode(int rcode)
{
	switch (rcode) {
	case RCODE_FORMERR:
		return "the server does not understand the question (FORMERR)";
	case RCODE_SERVFAIL:
		return "the server failed (SERVFAIL)";
	case RCODE_NOTIMP:
		return "the server does not know such questions (NOTIMP)";
	case RCODE_REFUSED:
		return "the server refuses to answer (REFUSED)";
	default:
		return "the server answers with an error";
	}
}

/* --- the message as a whole --- */

static void lower(uint32_t *ttl_s, uint32_t other_s)
{
	if (other_s < *ttl_s)
		*ttl_s = other_s;
}

/* "Nothing there" holds for the SOA's own TTL or its last field, whichever is less (RFC 2308 section 5). */
static void read_soa(struct message *m, const struct record *record, struct dns_answer *ret)
{
	if (record->rdlength < SOA_OCTETS_MIN)
		return;
	m->has_soa = true;
	lower(&ret->nothing_s, record_ttl_s(record));
	lower(&ret->nothing_s, get_u32(record->rdata + record->rdlength - 4));
}

/* Every record is looked at before any is used: what is damaged at its end is not believed at its beginning.
 */
static const char *survey(struct message *m, struct dns_answer *ret)
{
	struct records records;
	struct record record;

	if (!records_begin(&records, m->octets, m->len))
		return "the answer is damaged";
	if (!name_equal(&records.qname, &m->name) || records.qtype != m->type)
		return "the answer is to another question";
	m->flags = records.flags;
	while (records_next(&records, &record)) {
		if (record.section == SECTION_AUTHORITY && record.type == RRTYPE_SOA)
			read_soa(m, &record, ret);
	}
	if (records.bad)
		return "the answer is damaged";
	return (m->flags & HEADER_TC) != 0 ? "the answer is cut, even over TCP" : NULL;
}

/* Puts what the name is an alias of in its place; false when it is none. */
static bool follow_alias(struct message *m, struct dns_answer *ret)
{
	struct records records;
	struct record record;
	struct name target;

	records_begin(&records, m->octets, m->len);
	while (records_next(&records, &record) && record.section == SECTION_ANSWER) {
		if (record.type != RRTYPE_CNAME || record.class != RRCLASS_IN ||
		    !name_equal(&record.owner, &m->name) || !records_name(&records, &record, 0, &target))
			continue;
		lower(&ret->ttl_s, record_ttl_s(&record));
		m->name = target;
		m->is_alias = true;
		return true;
	}
	return false;
}

static const char *follow_aliases(struct message *m, struct dns_answer *ret)
{
	for (int i = 0; i < ALIASES_MAX; i++) {
		if (!follow_alias(m, ret))
			return NULL;
	}
	return "an alias that leads nowhere";
}

/* An empty answer is a proof from a server that is responsible for the name, or has asked one that is.
 * Without SOA some leave it at their flags (RFC 2308 section 2.2.1), and of one that does not follow aliases
 * AA is about the alias. Else it is a referral, or a server that knows nothing of the name. */
static bool is_proof(const struct message *m)
{
	return m->has_soa || (m->flags & HEADER_RA) != 0 || ((m->flags & HEADER_AA) != 0 && !m->is_alias);
}

/* --- its records --- */

/* One that is alone with the root as its target says that the service is decidedly not there (RFC 2782). */
static int take_srv(const struct records *records, const struct record *record, struct dns_answer *ret,
		    struct buffer *srvs)
{
	struct dns_srv srv = { 0 };

	if (!records_name(records, record, SRV_FIXED_OCTETS, &srv.target))
		return -EBADMSG;
	lower(&ret->ttl_s, record_ttl_s(record));
	if (srv.target.len == 1)
		return 0;
	srv.priority = get_u16(record->rdata);
	srv.weight = get_u16(record->rdata + 2);
	srv.port = get_u16(record->rdata + 4);
	return buffer_add(srvs, &srv, sizeof(srv));
}

static int take_address(const struct record *record, struct buffer *addresses)
{
	struct dns_address a = { .owner = record->owner,
				 .type = record->type,
				 .ttl_s = record_ttl_s(record) };

	if (record->rdlength != (record->type == RRTYPE_A ? 4 : 16))
		return -EBADMSG;
	memcpy(a.address.octets, record->rdata, record->rdlength);
	a.address.len = (uint8_t)record->rdlength;
	return buffer_add(addresses, &a, sizeof(a));
}

static bool is_asked_for(const struct message *m, const struct record *record)
{
	return record->section == SECTION_ANSWER && record->type == m->type &&
	       name_equal(&record->owner, &m->name);
}

static int take_record(struct message *m, const struct records *records, const struct record *record,
		       struct dns_answer *ret, struct buffer *srvs, struct buffer *addresses)
{
	const bool is_address = record->type == RRTYPE_A || record->type == RRTYPE_AAAA;

	if (record->class != RRCLASS_IN)
		return 0;
	if (is_asked_for(m, record)) {
		m->has_data = true;
		return is_address ? take_address(record, addresses) : take_srv(records, record, ret, srvs);
	}
	return is_address && m->type == RRTYPE_SRV ? take_address(record, addresses) : 0;
}

static int take_records(struct message *m, struct dns_answer *ret)
{
	struct buffer srvs = { 0 }, addresses = { 0 };
	struct records records;
	struct record record;
	int status = 0;

	records_begin(&records, m->octets, m->len);
	while (status == 0 && records_next(&records, &record))
		status = take_record(m, &records, &record, ret, &srvs, &addresses);
	ret->srvs = (void *)srvs.octets;
	ret->n_srvs = srvs.len / sizeof(*ret->srvs);
	ret->addresses = (void *)addresses.octets;
	ret->n_addresses = addresses.len / sizeof(*ret->addresses);
	return status;
}

/* --- order --- */

/* By octets: names with the same first label stand together. */
static int compare_names(const struct name *a, const struct name *b)
{
	const int order = memcmp(a->octets, b->octets, a->len < b->len ? a->len : b->len);

	return order != 0 ? order : a->len - b->len;
}

static int compare_srvs(const void *a, const void *b)
{
	return compare_names(&((const struct dns_srv *)a)->target, &((const struct dns_srv *)b)->target);
}

static int compare_addresses(const void *a, const void *b)
{
	return compare_names(&((const struct dns_address *)a)->owner,
			     &((const struct dns_address *)b)->owner);
}

/* Weights only mean something among records of one priority, and 0 is what to write where there is nothing to
 * select (RFC 2782). Phonebook takes 0 for "drained", and puts it behind all priorities: so it stays only
 * beside others that have a weight. */
static void read_weights(struct dns_srv *srvs, size_t n)
{
	uint8_t weighted[PRIORITIES / 8] = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (srvs[i].weight > 0)
			weighted[srvs[i].priority / 8] |= (uint8_t)(1 << srvs[i].priority % 8);
	}
	for (size_t i = 0; i < n; i++) {
		if ((weighted[srvs[i].priority / 8] & 1 << srvs[i].priority % 8) == 0)
			srvs[i].weight = 1;
	}
}

static bool share_label(const struct name *a, const struct name *b)
{
	return memcmp(a->octets, b->octets, 1U + a->octets[0]) == 0;
}

/* Sorted, those that share their first label stand together, and they all share it with the first of them. */
static void find_apart(struct dns_srv *srvs, size_t n)
{
	size_t next;

	for (size_t first = 0; first < n; first = next) {
		bool is_apart = true;

		for (next = first; next < n && share_label(&srvs[first].target, &srvs[next].target); next++) {
			if (!name_equal(&srvs[first].target, &srvs[next].target))
				is_apart = false;
		}
		for (size_t i = first; i < next; i++)
			srvs[i].is_apart = is_apart;
	}
}

static void sort(struct dns_answer *a)
{
	if (a->n_srvs > 0)
		qsort(a->srvs, a->n_srvs, sizeof(*a->srvs), compare_srvs);
	if (a->n_addresses > 0)
		qsort(a->addresses, a->n_addresses, sizeof(*a->addresses), compare_addresses);
	read_weights(a->srvs, a->n_srvs);
	find_apart(a->srvs, a->n_srvs);
}

size_t dns_answer_find(const struct dns_answer *a, const struct name *owner, size_t *first)
{
	size_t low = 0, high = a->n_addresses, n = 0;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (compare_names(&a->addresses[middle].owner, owner) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + n < a->n_addresses && name_equal(&a->addresses[low + n].owner, owner))
		n++;
	*first = low;
	return n;
}

/* --- all of it --- */

static int read_message(struct message *m, struct dns_answer *ret, struct snapshot_builder *b)
{
	const char *wrong = survey(m, ret);

	if (wrong != NULL)
		return refuse(m, b, wrong);
	if (ret->no_name)
		return 0;
	wrong = follow_aliases(m, ret);
	if (wrong != NULL)
		return refuse(m, b, wrong);
	const int status = take_records(m, ret);
	if (status == -EBADMSG)
		return refuse(m, b, "a record is damaged");
	if (status < 0)
		return status;
	sort(ret);
	if (!m->has_data && !is_proof(m))
		return refuse(m, b, "the server is not responsible for the name");
	return 0;
}

int dns_answer_read(const struct fetch_result *result, const struct name *subject, const struct name *name,
		    uint16_t type, struct dns_answer *ret, struct snapshot_builder *b)
{
	struct message m = { .octets = (const uint8_t *)result->body,
			     .len = result->len,
			     .name = *name,
			     .subject = subject,
			     .type = type };

	*ret = (struct dns_answer){ .ttl_s = DNS_TTL_NONE_S,
				    .nothing_s = DNS_TTL_NONE_S,
				    .no_name = result->status == RCODE_NXDOMAIN };
	if (result->error < 0)
		return refuse(&m, b, result->error_text);
	if (result->status != RCODE_NOERROR && !ret->no_name)
		return refuse(&m, b, explain_rcode(result->status));
	const int status = read_message(&m, ret, b);
	if (status < 0)
		dns_answer_finish(ret);
	return status;
}

void dns_answer_finish(struct dns_answer *a)
{
	free(a->srvs);
	free(a->addresses);
	*a = (struct dns_answer){ 0 };
}
