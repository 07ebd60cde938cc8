/* SPDX-License-Identifier: BSD-2-Clause */
#include "phone.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/shapes.h"
#include "wire/message.h"
#include "zone/compose.h"
#include "zone/policy.h"

void phone_init(struct phone *p)
{
	static const struct address listen = { .octets = { 127, 0, 0, 1 }, .len = 4 };
	static const struct round_counts counts = { .services = 1 };
	struct table_zone zone = { .n_labels = 2,
				   .data = ZONE_HEARD,
				   .ttl_s = 2,
				   .negative_ttl_s = 1,
				   .registries = 3,
				   .age = { 30000, 3600000 } };
	struct block *apex;

	memset(p, 0, sizeof(*p));
	ck_assert(name_from_text("service.local", 13, &p->zone.origin));
	p->registries[1] = 1;
	p->zone.registries = p->registries;
	p->zone.n_registries = PHONE_REGISTRIES;
	p->zone.answer =
		(struct answer_options){ .ttl_s = 2, .negative_ttl_s = 1, .age = { 30000, 3600000 } };
	p->now_ms = 100000;
	p->freshness = freshness_create(PHONE_REGISTRIES);
	ck_assert_int_eq(freshness_name(p->freshness, 0, "dc1", "http", true), 0);
	ck_assert_int_eq(freshness_name(p->freshness, 1, "local", "file", true), 0);
	for (size_t row = 0; row < PHONE_REGISTRIES; row++) {
		freshness_recount(p->freshness, row, &counts);
		freshness_heard(p->freshness, row, p->now_ms);
		freshness_state(p->freshness, row, REGISTRY_OK);
	}
	zone.origin = p->zone.origin;
	ck_assert_int_eq(table_builder_create(&zone, 1, p->freshness, NULL, &p->builder), 0);
	ck_assert_int_eq(compose_apex(&p->zone, &listen, 1, &apex), 0);
	ck_assert_int_eq(table_builder_replace(p->builder, NULL, apex), 0);
	p->answerer = answerer_create();
	ck_assert_ptr_nonnull(p->answerer);
}

void phone_finish(struct phone *p)
{
	for (int i = 0; i < PHONE_REGISTRIES; i++)
		snapshot_release(p->snapshots[i]);
	table_builder_destroy(p->builder);
	freshness_destroy(p->freshness);
	answerer_destroy(p->answerer);
}

void phone_say(struct phone *p, unsigned registry, const char *json)
{
	static const struct shape_options options = { .service_label = "service" };
	struct snapshot_builder *b = snapshot_builder_create();

	ck_assert_msg(shapes_read(json, strlen(json), &options, b) == 0, "%s", snapshot_builder_error(b));
	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &p->snapshots[registry]), 0);
	snapshot_builder_destroy(b);
}

/* Two addresses for any host name. */
static size_t resolve(void *context, const char *host, struct address ret[POLICY_ADDRESSES_MAX])
{
	(void)context;
	if (strcmp(host, "unknown.example") == 0)
		return 0;
	ret[0] = (struct address){ .octets = { 192, 0, 2, 1 }, .len = 4 };
	ret[1] = (struct address){ .octets = { 0x20, 1, 0xd, 0xb8, [15] = 1 }, .len = 16 };
	return 2;
}

static const struct policy_facts facts = { .addresses = resolve };

static void add_service(void *context, const char *name)
{
	struct phone *p = context;
	struct selection selection;
	struct block *block;

	ck_assert_int_eq(policy_select(&p->zone, p->snapshots, name, &facts, &selection), 0);
	ck_assert_int_eq(compose_service(&p->zone, name, &selection, &block), 0);
	selection_finish(&selection);
	ck_assert_int_eq(table_builder_replace(p->builder, NULL, block), 0);
}

static void add_unless_known(void *context, const char *name)
{
	struct phone *p = context;

	if (p->snapshots[0] == NULL || snapshot_find(p->snapshots[0], name) == NULL)
		add_service(p, name);
}

void phone_publish(struct phone *p)
{
	snapshot_compare(NULL, p->snapshots[0], add_service, p);
	snapshot_compare(NULL, p->snapshots[1], add_unless_known, p);
	ck_assert_int_eq(table_builder_seal(p->builder, &p->table), 0);
}

static void write_query(struct phone *p, const char *name, uint16_t type, uint16_t edns)
{
	ldns_rdf *dname = ldns_dname_new_frm_str(name);
	ldns_pkt *query = ldns_pkt_query_new(dname, (ldns_rr_type)type, LDNS_RR_CLASS_IN, LDNS_RD);
	uint8_t *wire;
	size_t len;

	ck_assert_ptr_nonnull(query);
	ldns_pkt_set_id(query, 0x1234);
	if (edns > 0)
		ldns_pkt_set_edns_udp_size(query, edns);
	ck_assert_int_eq(ldns_pkt2wire(&wire, query, &len), LDNS_STATUS_OK);
	ck_assert_uint_le(len, sizeof(p->query));
	memcpy(p->query, wire, len);
	p->query_len = len;
	LDNS_FREE(wire);
	ldns_pkt_free(query);
}

ldns_pkt *phone_ask(struct phone *p, const char *name, uint16_t type, uint16_t edns, size_t limit)
{
	struct message_outline outline;
	struct query q;
	ldns_pkt *reply = NULL;

	write_query(p, name, type, edns);
	ck_assert_int_eq(message_read_query(p->query, p->query_len, &q), VERDICT_OK);
	const struct answer_request r = { .table = p->table,
					  .query = &q,
					  .now_ms = p->now_ms,
					  .may_wait = p->may_wait,
					  .tcp = p->tcp,
					  .reply = p->reply,
					  .limit = limit };
	p->len = 0;
	p->answer = answer_write(p->answerer, &r, &p->len);
	if (p->answer != ANSWER_WRITTEN)
		return NULL;
	ck_assert_uint_le(p->len, limit);
	ck_assert_int_eq(ldns_wire2pkt(&reply, p->reply, p->len), LDNS_STATUS_OK);
	ck_assert(message_outline(p->reply, p->len, &outline));
	ck_assert_uint_eq(outline.end, p->len);
	ck_assert_uint_eq(outline.opt_len > 0, edns > 0);
	ck_assert_uint_eq(ldns_pkt_id(reply), 0x1234);
	ck_assert(ldns_pkt_qr(reply));
	return reply;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *rr_text(const ldns_rr *rr, const ldns_rdf *question)
{
	char *full = ldns_rr2str(rr);
	char *text = malloc(strlen(full) + 1);
	char *owner = strtok(full, "\t"), *ttl = strtok(NULL, "\t");

	strtok(NULL, "\t"); /* class */
	char *type = strtok(NULL, "\t"), *rdata = strtok(NULL, "\n");
	if (ldns_dname_compare(ldns_rr_owner(rr), question) == 0)
		sprintf(text, "%s %s %s", ttl, type, rdata != NULL ? rdata : "");
	else
		sprintf(text, "%s %s %s %s", owner, ttl, type, rdata != NULL ? rdata : "");
	free(full);
	return text;
}

static char *append_section(char *out, const ldns_rr_list *list, const ldns_rdf *question)
{
	char *texts[4096];
	const size_t n = ldns_rr_list_rr_count(list);

	for (size_t i = 0; i < n; i++)
		texts[i] = rr_text(ldns_rr_list_rr(list, i), question);
	qsort(texts, n, sizeof(texts[0]), compare_text);
	out += sprintf(out, " |");
	for (size_t i = 0; i < n; i++) {
		out += sprintf(out, "%s%s", i > 0 ? "; " : " ", texts[i]);
		free(texts[i]);
	}
	return out;
}

/* The serial is a moment; everything else is fixed. */
static void replace_serial(char *text)
{
	char *at = strstr(text, "hostmaster.service.local. ");

	if (at == NULL)
		return;
	at += strlen("hostmaster.service.local. ");
	char *end = at + strspn(at, "0123456789");
	ck_assert_ptr_ne(at, end);
	memmove(at + 6, end, strlen(end) + 1);
	memcpy(at, "SERIAL", 6);
}

const char *phone_text(struct phone *p, const char *name, uint16_t type)
{
	static char text[65536];
	ldns_pkt *reply = phone_ask(p, name, type, 4096, 4096);
	char *out = text;

	if (reply == NULL)
		return p->answer == ANSWER_NOT_OURS ? "not ours" : "not yet";
	const ldns_rdf *question = ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(reply), 0));
	char *rcode = ldns_pkt_rcode2str(ldns_pkt_get_rcode(reply));
	out += sprintf(out, "%s%s%s", rcode, ldns_pkt_aa(reply) ? " aa" : "",
		       ldns_pkt_tc(reply) ? " tc" : "");
	ck_assert(ldns_pkt_ra(reply));
	free(rcode);
	out = append_section(out, ldns_pkt_answer(reply), question);
	out = append_section(out, ldns_pkt_authority(reply), question);
	append_section(out, ldns_pkt_additional(reply), question);
	replace_serial(text);
	ldns_pkt_free(reply);
	return text;
}

int phone_ede(const struct phone *p, char ret[256])
{
	struct message_outline m;

	ck_assert(message_outline(p->reply, p->len, &m));
	if (m.opt_len <= DNS_OPT_OCTETS)
		return -1;
	const uint8_t *option = p->reply + m.opt_at + DNS_OPT_OCTETS;
	ck_assert_uint_eq(get_u16(option), 15);
	const size_t text_len = get_u16(option + 2) - 2U;
	if (ret != NULL) {
		memcpy(ret, option + 6, text_len);
		ret[text_len] = '\0';
	}
	return get_u16(option + 4);
}
