/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "kind.h"
#include "registry/registry.h"

enum { RECORDS_MAX = 65536 };

/* What the server says to one question; records as in a zone file, one a line. */
struct reply {
	const char *question; /* "web.corp A"; NULL: the end of the script */
	const char *answer, *authority, *additional;
	int rcode;      /* with error: none */
	unsigned flags; /* 0: QR, RD and RA */
	const char *error;
};

#define SOA "corp. 20 IN SOA ns.corp. admin.corp. 1 2 3 4 15"

static struct registry_options options;
static const char *names[8];
static struct kind kind;
static const struct reply *script;
static unsigned n_asked;
static struct fetch_request request;

static void push(ldns_pkt *packet, ldns_pkt_section section, const char *lines)
{
	char *copy = strdup(lines != NULL ? lines : ""), *at = copy, *line;

	while ((line = strsep(&at, "\n")) != NULL) {
		ldns_rr *rr;

		if (line[0] == '\0')
			continue;
		ck_assert_msg(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) == LDNS_STATUS_OK, "%s", line);
		ck_assert(ldns_pkt_push_rr(packet, section, rr));
	}
	free(copy);
}

/* The message as octets; the caller frees it. */
static uint8_t *write_message(const struct reply *reply, size_t *len)
{
	ldns_rr_type type = request.type == 33  ? LDNS_RR_TYPE_SRV
			    : request.type == 1 ? LDNS_RR_TYPE_A
						: LDNS_RR_TYPE_AAAA;
	ldns_pkt *packet =
		ldns_pkt_query_new(ldns_dname_new_frm_str(request.name), type, LDNS_RR_CLASS_IN, 0);
	uint8_t *octets = NULL;

	ck_assert_ptr_nonnull(packet);
	ldns_pkt_set_flags(packet,
			   (uint16_t)(reply->flags != 0 ? reply->flags : LDNS_QR | LDNS_RD | LDNS_RA));
	ldns_pkt_set_rcode(packet, (uint8_t)reply->rcode);
	push(packet, LDNS_SECTION_ANSWER, reply->answer);
	push(packet, LDNS_SECTION_AUTHORITY, reply->authority);
	push(packet, LDNS_SECTION_ADDITIONAL, reply->additional);
	ck_assert_int_eq(ldns_pkt2wire(&octets, packet, len), LDNS_STATUS_OK);
	ldns_pkt_free(packet);
	return octets;
}

static void start(enum dns_ask ask)
{
	options = (struct registry_options){ .kind = "dns", .name = "other", .interval_ms = 5000 };
	options.dns.ask = ask;
	options.dns.names = names;
	options.dns.port = 8080;
	ck_assert(endpoint_from_text("127.0.0.1:8600", 53, &options.dns.server));
	n_asked = 0;
	kind_start(&kind, &registry_dns, &options, NULL);
}

static void set_up(void)
{
	memset(names, 0, sizeof(names));
	names[0] = "web=web.corp";
}

static void tear_down(void)
{
	if (kind.kind != NULL)
		kind_finish(&kind);
}

static struct resource *only(void)
{
	ck_assert_uint_eq(kind.n, 1);
	return kind.resources[0];
}

static const struct reply *find_reply(void)
{
	static const struct {
		uint16_t type;
		const char *text;
	} types[] = { { 1, "A" }, { 28, "AAAA" }, { 33, "SRV" } };
	char question[300];

	for (size_t i = 0; i < 3; i++) {
		if (types[i].type == request.type)
			snprintf(question, sizeof(question), "%s %s", request.name, types[i].text);
	}
	for (const struct reply *r = script; r->question != NULL; r++) {
		if (strcmp(r->question, question) == 0)
			return r;
	}
	ck_abort_msg("asked for %s", question);
}

static int read_octets(struct resource *res, int rcode, const uint8_t *octets, size_t len)
{
	const struct fetch_result result = { .name = "127.0.0.1:8600",
					     .status = rcode,
					     .last = true,
					     .body = (const char *)octets,
					     .len = len };

	return kind_read(&kind, res, &result);
}

static int read_reply(struct resource *res, const struct reply *reply)
{
	const struct fetch_result failed = { .name = "127.0.0.1:8600",
					     .error = -ETIMEDOUT,
					     .error_text = reply->error,
					     .last = true,
					     .body = "" };
	size_t len;

	if (reply->error != NULL)
		return kind_read(&kind, res, &failed);
	uint8_t *octets = write_message(reply, &len);
	const int step = read_octets(res, reply->rcode, octets, len);
	free(octets);
	return step;
}

/* A whole round of one resource against the script; how it ended. */
static int run_resource(struct resource *res, const struct reply *replies)
{
	int step = STEP_ASK;

	script = replies;
	n_asked = 0;
	while (step == STEP_ASK) {
		request = kind_ask(&kind, res);
		ck_assert_int_eq(request.source, FETCH_DNS);
		ck_assert(endpoint_equal(&request.server, &options.dns.server));
		n_asked++;
		step = read_reply(res, find_reply());
	}
	return step;
}

static int run(const struct reply *replies)
{
	return run_resource(only(), replies);
}

static const struct service *find(const char *name)
{
	const struct service *s = snapshot_find(kind.last, name);

	ck_assert_ptr_nonnull(s);
	return s;
}

/* --- SRV --- */

static const struct reply with_additional[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN SRV 1 10 8001 a.dc1.corp.\n"
		    "web.corp. 30 IN SRV 2 20 8002 B.dc1.corp.\n",
	  .additional = "a.dc1.corp. 25 IN A 10.0.0.1\n"
			"a.dc1.corp. 60 IN AAAA fd00::1\n"
			"b.dc1.corp. 60 IN A 10.0.0.2\n"
			"other.corp. 1 IN A 10.0.0.99\n" },
	{ 0 },
};

START_TEST(srv_records_with_additional_addresses_are_one_question)
{
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(with_additional), STEP_PAUSE);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.1:8001 a, 10.0.0.2:8002 b, fd00::1:8001 a");
	const struct service *s = find("web");
	ck_assert_uint_eq(s->instances[0]->priority, 1);
	ck_assert_uint_eq(s->instances[0]->weight, 10);
	ck_assert_uint_eq(s->instances[1]->priority, 2);
	ck_assert_uint_eq(s->instances[1]->weight, 20);
	ck_assert_str_eq(instance_metadata(s->instances[1], 0).key, "target");
	ck_assert_str_eq(instance_metadata(s->instances[1], 0).value, "b.dc1.corp");
	ck_assert_uint_eq(only()->fresh_ms, 25000); /* the smallest of what was used */
	ck_assert(!only()->vital);
	ck_assert(registry_dns.brake);
}
END_TEST

static const struct reply without_additional[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN SRV 1 1 8001 a.corp.\n"
		    "web.corp. 30 IN SRV 1 1 8002 a.corp.\n"
		    "web.corp. 30 IN SRV 1 1 8003 b.corp.\n"
		    "web.corp. 30 IN SRV 1 1 8004 c.corp.\n",
	  .additional = "b.corp. 30 IN A 10.0.0.2\n" },
	{ .question = "a.corp A", .answer = "a.corp. 12 IN A 10.0.0.1" },
	{ .question = "a.corp AAAA", .answer = "a.corp. 30 IN AAAA fd00::1" },
	{ .question = "c.corp A",
	  .answer = "c.corp. 30 IN CNAME d.corp.\n"
		    "d.corp. 30 IN A 10.0.0.3" },
	{ .question = "c.corp AAAA", .answer = "c.corp. 30 IN CNAME d.corp.", .authority = SOA },
	{ 0 },
};

START_TEST(targets_without_address_are_asked_for_at_the_same_server)
{
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(without_additional), STEP_PAUSE);
	ck_assert_uint_eq(n_asked, 5);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.1:8001 a, 10.0.0.1:8002 a, 10.0.0.2:8003 b, "
						  "10.0.0.3:8004 c, fd00::1:8001 a, fd00::1:8002 a");
	ck_assert_uint_eq(only()->fresh_ms, 12000);
}
END_TEST

/* Nothing is visible before the last question of the round. */
START_TEST(round_of_several_questions_holds_as_a_whole)
{
	start(DNS_ASK_SRV);
	script = without_additional;
	request = kind_ask(&kind, only());
	ck_assert_int_eq(read_reply(only(), find_reply()), STEP_ASK);
	ck_assert_str_eq(kind_text(&kind, "web"), "-");
	/* given up by who runs it: the next round starts from the beginning */
	ledger_abort(kind.ledger, &only()->part);
	ck_assert_int_eq(run(without_additional), STEP_PAUSE);
	ck_assert_uint_eq(n_asked, 5);
}
END_TEST

static const struct reply no_target[] = {
	{ .question = "web.corp SRV", .answer = "web.corp. 30 IN SRV 0 0 0 .", .flags = LDNS_QR },
	{ 0 },
};
static const struct reply no_name[] = {
	{ .question = "web.corp SRV", .rcode = LDNS_RCODE_NXDOMAIN, .authority = SOA },
	{ 0 },
};
static const struct reply no_name_without_soa[] = {
	{ .question = "web.corp SRV", .rcode = LDNS_RCODE_NXDOMAIN },
	{ 0 },
};
static const struct reply no_data[] = {
	{ .question = "web.corp SRV", .authority = SOA, .flags = LDNS_QR },
	{ 0 },
};
static const struct reply no_data_of_a_resolver[] = {
	{ .question = "web.corp SRV" },
	{ 0 },
};
static const struct reply no_data_of_an_authority[] = {
	{ .question = "web.corp SRV", .flags = LDNS_QR | LDNS_AA },
	{ 0 },
};
static const struct reply *const nothing[] = {
	no_target, no_name, no_name_without_soa, no_data, no_data_of_a_resolver, no_data_of_an_authority,
};

START_TEST(nothing_there_is_an_answer)
{
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(with_additional), STEP_PAUSE);
	ck_assert_int_eq(run(nothing[_i]), STEP_PAUSE);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_str_eq(kind_text(&kind, "web"), "");
	const bool has_soa = nothing[_i]->authority != NULL;
	ck_assert_uint_eq(only()->fresh_ms, has_soa ? 15000 : 0); /* the SOA's last field */
	ck_assert_int_eq(run(with_additional), STEP_PAUSE);
	ck_assert_uint_eq(find("web")->n_instances, 3);
}
END_TEST

static const struct reply servfail[] = { { .question = "web.corp SRV", .rcode = 2 }, { 0 } };
static const struct reply refused[] = { { .question = "web.corp SRV", .rcode = 5 }, { 0 } };
static const struct reply notimp[] = { { .question = "web.corp SRV", .rcode = 4 }, { 0 } };
static const struct reply formerr[] = { { .question = "web.corp SRV", .rcode = 1 }, { 0 } };
static const struct reply badvers[] = { { .question = "web.corp SRV", .rcode = 11 }, { 0 } };
static const struct reply silence[] = { { .question = "web.corp SRV", .error = "no answer" }, { 0 } };
static const struct reply cut[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN SRV 1 10 8001 a.corp.",
	  .flags = LDNS_QR | LDNS_TC | LDNS_AA },
	{ 0 },
};
static const struct reply referral[] = {
	{ .question = "web.corp SRV", .authority = "corp. 30 IN NS ns.corp.", .flags = LDNS_QR },
	{ 0 },
};
static const struct reply alias_out[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN CNAME web.elsewhere.",
	  .flags = LDNS_QR | LDNS_AA },
	{ 0 },
};
static const struct reply alias_circle[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN CNAME a.corp.\n"
		    "a.corp. 30 IN CNAME b.corp.\n"
		    "b.corp. 30 IN CNAME a.corp." },
	{ 0 },
};
static const struct reply not_an_answer[] = {
	{ .question = "web.corp SRV", .flags = LDNS_RD },
	{ 0 },
};

static const struct {
	const struct reply *replies;
	const char *error;
} failures[] = {
	{ servfail, "SRV: the server failed (SERVFAIL)" },
	{ refused, "SRV: the server refuses to answer (REFUSED)" },
	{ notimp, "SRV: the server does not know such questions (NOTIMP)" },
	{ formerr, "SRV: the server does not understand the question (FORMERR)" },
	{ badvers, "SRV: the server answers with an error" },
	{ silence, "SRV: no answer" },
	{ cut, "SRV: the answer is cut, even over TCP" },
	{ referral, "SRV: the server is not responsible for the name" },
	{ alias_out, "web.elsewhere SRV: the server is not responsible for the name" },
	{ alias_circle, "b.corp SRV: an alias that leads nowhere" },
	{ not_an_answer, "SRV: the answer is damaged" },
};

START_TEST(what_is_no_answer_changes_nothing)
{
	start(DNS_ASK_SRV);
	ck_assert_int_lt(run(failures[_i].replies), 0);
	ck_assert_str_eq(kind.error, failures[_i].error);
	ck_assert_str_eq(kind_text(&kind, "web"), "-");
	ck_assert_int_eq(run(with_additional), STEP_PAUSE);
	ck_assert_int_lt(run(failures[_i].replies), 0);
	ck_assert_uint_eq(find("web")->n_instances, 3);
	ck_assert_int_eq(run(no_name), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "");
}
END_TEST

static const struct reply aliased[] = {
	{ .question = "web.corp SRV",
	  .answer = "real.corp. 30 IN SRV 1 10 8001 a.corp.\n"
		    "middle.corp. 7 IN CNAME real.corp.\n"
		    "WEB.corp. 30 IN CNAME middle.corp.\n",
	  .additional = "a.corp. 30 IN A 10.0.0.1" },
	{ 0 },
};

START_TEST(aliases_are_followed_whatever_their_order)
{
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(aliased), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.1:8001 a");
	ck_assert_uint_eq(only()->fresh_ms, 7000);
}
END_TEST

/* --- a target that cannot be asked for --- */

static const struct reply two_targets[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN SRV 1 1 8001 a.corp.\n"
		    "web.corp. 30 IN SRV 1 1 8002 b.corp." },
	{ .question = "a.corp A", .answer = "a.corp. 30 IN A 10.0.0.1" },
	{ .question = "a.corp AAAA", .authority = SOA },
	{ .question = "b.corp A", .answer = "b.corp. 30 IN A 10.0.0.2" },
	{ .question = "b.corp AAAA", .answer = "b.corp. 30 IN AAAA fd00::2" },
	{ 0 },
};
static const struct reply one_target_fails[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN SRV 1 1 8001 a.corp.\n"
		    "web.corp. 30 IN SRV 1 1 8002 b.corp." },
	{ .question = "a.corp A", .answer = "a.corp. 30 IN A 10.0.0.9" },
	{ .question = "a.corp AAAA", .authority = SOA },
	{ .question = "b.corp A", .rcode = 2 },
	{ .question = "b.corp AAAA", .error = "no answer" },
	{ 0 },
};
static const struct reply all_targets_fail[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN SRV 1 1 8001 a.corp.\n"
		    "web.corp. 30 IN SRV 1 1 8002 b.corp." },
	{ .question = "a.corp A", .rcode = 2 },
	{ .question = "a.corp AAAA", .authority = SOA },
	{ .question = "b.corp A", .error = "no answer" },
	{ .question = "b.corp AAAA", .rcode = 5 },
	{ 0 },
};

START_TEST(target_that_fails_keeps_its_addresses)
{
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(one_target_fails), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.9:8001 a");
	ck_assert_str_eq(snapshot_remark(kind.last, 0), "b.corp A: the server failed (SERVFAIL)");
	ck_assert_int_eq(run(two_targets), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.1:8001 a, 10.0.0.2:8002 b, fd00::2:8002 b");
	ck_assert_uint_eq(snapshot_n_remarks(kind.last), 0);
	ck_assert_int_eq(run(one_target_fails), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.2:8002 b, 10.0.0.9:8001 a, fd00::2:8002 b");
	ck_assert_int_eq(run(all_targets_fail), -EPROTO);
	ck_assert_str_eq(kind.error, "b.corp AAAA: the server refuses to answer (REFUSED)");
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.2:8002 b, 10.0.0.9:8001 a, fd00::2:8002 b");
}
END_TEST

static const struct reply targets_gone[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN SRV 1 1 8001 a.corp.\n"
		    "web.corp. 30 IN SRV 1 1 8002 b.corp." },
	{ .question = "a.corp A", .authority = SOA },
	{ .question = "a.corp AAAA", .authority = SOA },
	{ .question = "b.corp A", .rcode = LDNS_RCODE_NXDOMAIN, .authority = SOA },
	{ 0 },
};

START_TEST(target_without_addresses_is_dropped_and_counted)
{
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(two_targets), STEP_PAUSE);
	ck_assert_int_eq(run(targets_gone), STEP_PAUSE);
	ck_assert_uint_eq(n_asked, 4); /* a name that is not there has no other family */
	ck_assert_str_eq(kind_text(&kind, "web"), "");
	ck_assert_uint_eq(snapshot_dropped(kind.last, DROP_ADDRESS), 2);
	ck_assert_uint_eq(only()->fresh_ms, 15000);
}
END_TEST

START_TEST(server_that_falls_silent_ends_the_round)
{
	static char records[4000], questions[20][40];
	static struct reply replies[22];

	for (int i = 0; i < 10; i++) {
		sprintf(records + strlen(records), "web.corp. 30 IN SRV 1 1 80 t%d.corp.\n", i);
		sprintf(questions[2 * i], "t%d.corp A", i);
		sprintf(questions[2 * i + 1], "t%d.corp AAAA", i);
	}
	replies[0] = (struct reply){ .question = "web.corp SRV", .answer = records };
	for (int i = 0; i < 20; i++)
		replies[i + 1] = (struct reply){ .question = questions[i], .error = "no answer" };
	start(DNS_ASK_SRV);
	ck_assert_int_lt(run(replies), 0);
	ck_assert_uint_eq(n_asked, 1 + 5);
	ck_assert_str_eq(kind.error, "t2.corp A: no answer");
}
END_TEST

/* --- names, ports, weights --- */

static const struct reply spelt[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN SRV 1 1 80 10-0-0-1.web.corp.\n"
		    "web.corp. 30 IN SRV 1 1 80 0a000002.addr.dc1.corp.\n"
		    "web.corp. 30 IN SRV 1 1 80 web-0.web.corp.\n"
		    "web.corp. 30 IN SRV 1 1 80 node.dc1.corp.\n"
		    "web.corp. 30 IN SRV 1 1 80 node.dc2.corp.\n"
		    "web.corp. 30 IN SRV 1 1 80 node2.dc2.corp.\n",
	  .additional = "10-0-0-1.web.corp. 30 IN A 10.0.0.1\n"
			"0a000002.addr.dc1.corp. 30 IN A 10.0.0.2\n"
			"web-0.web.corp. 30 IN A 10.0.0.3\n"
			"node.dc1.corp. 30 IN A 10.0.0.4\n"
			"node.dc2.corp. 30 IN A 10.0.0.5\n"
			"node2.dc2.corp. 30 IN A 10.0.0.6\n" },
	{ 0 },
};

START_TEST(instance_is_called_as_its_target_where_that_tells_them_apart)
{
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(spelt), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80 web-0, 10.0.0.4:80, "
						  "10.0.0.5:80, 10.0.0.6:80 node2");
}
END_TEST

static const struct {
	const char *written, *question, *service, *port_name;
	enum protocol protocol;
} subjects[] = {
	{ "inventory.service.consul", "inventory.service.consul", "inventory", NULL, PROTOCOL_ANY },
	{ "stock=inventory.service.consul", "inventory.service.consul", "stock", NULL, PROTOCOL_ANY },
	{ "Stock.shop=_Inventory._tcp.service.consul.", "_inventory._tcp.service.consul", "stock.shop",
	  "inventory", PROTOCOL_TCP },
	{ "_http._tcp.web.shop.svc.cluster.local", "_http._tcp.web.shop.svc.cluster.local", "web", "http",
	  PROTOCOL_TCP },
	{ "_sip._udp.pbx.corp", "_sip._udp.pbx.corp", "pbx", "sip", PROTOCOL_UDP },
	{ "web=_web._v1.service.consul", "_web._v1.service.consul", "web", NULL, PROTOCOL_ANY },
	{ "web", "web", "web", NULL, PROTOCOL_ANY },
};

START_TEST(name_says_service_port_and_protocol)
{
	char question[300], answer[300];
	struct reply replies[2] = { 0 };

	names[0] = subjects[_i].written;
	snprintf(question, sizeof(question), "%s SRV", subjects[_i].question);
	snprintf(answer, sizeof(answer), "%s. 30 IN SRV 1 1 80 a.corp.", subjects[_i].question);
	replies[0] = (struct reply){ .question = question,
				     .answer = answer,
				     .additional = "a.corp. 30 IN A 10.0.0.1" };
	start(DNS_ASK_SRV);
	ck_assert_str_eq(only()->name, subjects[_i].written);
	ck_assert_int_eq(run(replies), STEP_PAUSE);
	const struct instance *in = find(subjects[_i].service)->instances[0];
	ck_assert_int_eq(in->protocol, subjects[_i].protocol);
	ck_assert_int_eq(instance_port_name(in) == NULL, subjects[_i].port_name == NULL);
	if (instance_port_name(in) != NULL)
		ck_assert_str_eq(instance_port_name(in), subjects[_i].port_name);
}
END_TEST

static const char *const no_names[] = { "web=", "web=a..corp", "web=b c.corp", ".", "web=\xc3\xbc.corp" };

START_TEST(name_that_is_none_fails_alone)
{
	struct snapshot_builder *b = snapshot_builder_create();

	names[0] = no_names[_i];
	names[1] = "web=web.corp";
	start(DNS_ASK_SRV);
	ck_assert_uint_eq(kind.n, 2);
	ck_assert_int_eq(registry_dns.ask(kind.registry, kind.resources[0], &request, b), -EINVAL);
	ck_assert_ptr_nonnull(strstr(snapshot_builder_error(b), "no domain name"));
	ck_assert_int_eq(run_resource(kind.resources[1], with_additional), STEP_PAUSE);
	ck_assert_uint_eq(find("web")->n_instances, 3);
	snapshot_builder_destroy(b);
}
END_TEST

START_TEST(service_that_is_none_is_dropped)
{
	names[0] = "we b=web.corp";
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(with_additional), STEP_PAUSE);
	ck_assert_uint_eq(kind.last->n_services, 0);
	ck_assert_uint_gt(snapshot_dropped(kind.last, DROP_SERVICE_NAME), 0);
}
END_TEST

START_TEST(names_of_one_service_are_united)
{
	static const struct reply both[] = {
		{ .question = "web.dc1.corp SRV",
		  .answer = "web.dc1.corp. 30 IN SRV 1 1 80 a.corp.",
		  .additional = "a.corp. 30 IN A 10.0.0.1" },
		{ .question = "web.dc2.corp SRV",
		  .answer = "web.dc2.corp. 30 IN SRV 1 1 80 b.corp.",
		  .additional = "b.corp. 30 IN A 10.0.0.2" },
		{ 0 },
	};

	names[0] = "web.dc1.corp";
	names[1] = "web.dc2.corp";
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run_resource(kind.resources[0], both), STEP_PAUSE);
	ck_assert_int_eq(run_resource(kind.resources[1], both), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.1:80 a, 10.0.0.2:80 b");
}
END_TEST

static const struct reply weights[] = {
	{ .question = "web.corp SRV",
	  .answer = "web.corp. 30 IN SRV 10 0 80 a.corp.\n"
		    "web.corp. 30 IN SRV 20 0 80 b.corp.\n"
		    "web.corp. 30 IN SRV 20 65535 80 c.corp.\n"
		    "web.corp. 30 IN SRV 65535 0 0 d.corp.\n",
	  .additional = "a.corp. 0 IN A 10.0.0.1\n"
			"b.corp. 30 IN A 10.0.0.2\n"
			"c.corp. 30 IN A 10.0.0.3\n"
			"d.corp. 30 IN A 10.0.0.4\n" },
	{ 0 },
};

START_TEST(weight_of_zero_counts_only_beside_others)
{
	static const uint16_t expected[] = { 1, 0, 65535, 1 };

	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(weights), STEP_PAUSE);
	const struct service *s = find("web");
	ck_assert_uint_eq(s->n_instances, 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(s->instances[i]->weight, expected[i]);
	ck_assert_uint_eq(s->instances[3]->priority, 65535);
	ck_assert_uint_eq(s->instances[3]->port, 0);
	ck_assert_uint_eq(only()->fresh_ms, 0); /* a TTL of 0 says nothing */
}
END_TEST

/* --- addresses --- */

static const struct reply both_families[] = {
	{ .question = "web.corp A", .answer = "web.corp. 30 IN A 10.0.0.2\nweb.corp. 30 IN A 10.0.0.1" },
	{ .question = "web.corp AAAA", .answer = "web.corp. 9 IN AAAA fd00::1" },
	{ 0 },
};
static const struct reply ip4_fails[] = {
	{ .question = "web.corp A", .rcode = 2 },
	{ .question = "web.corp AAAA", .answer = "web.corp. 30 IN AAAA fd00::2" },
	{ 0 },
};
static const struct reply ip6_is_silent[] = {
	{ .question = "web.corp A", .answer = "web.corp. 30 IN A 10.0.0.3" },
	{ .question = "web.corp AAAA", .error = "no answer" },
	{ 0 },
};
static const struct reply no_ip4_and_silence[] = {
	{ .question = "web.corp A", .authority = SOA },
	{ .question = "web.corp AAAA", .error = "no answer" },
	{ 0 },
};
static const struct reply no_ip6[] = {
	{ .question = "web.corp A", .answer = "web.corp. 30 IN A 10.0.0.3" },
	{ .question = "web.corp AAAA", .rcode = LDNS_RCODE_NXDOMAIN }, /* RFC 4074 section 4.2 */
	{ 0 },
};
static const struct reply no_address[] = {
	{ .question = "web.corp A", .rcode = LDNS_RCODE_NXDOMAIN, .authority = SOA },
	{ 0 },
};

START_TEST(addresses_are_instances_with_the_port_of_the_options)
{
	start(DNS_ASK_ADDRESS);
	ck_assert_int_eq(run(both_families), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.1:8080, 10.0.0.2:8080, fd00::1:8080");
	ck_assert_uint_eq(find("web")->instances[0]->weight, 1);
	ck_assert_uint_eq(find("web")->instances[0]->n_metadata, 0);
	ck_assert_uint_eq(only()->fresh_ms, 9000);
	ck_assert_int_eq(run(no_address), STEP_PAUSE);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_str_eq(kind_text(&kind, "web"), "");
	ck_assert_uint_eq(snapshot_dropped(kind.last, DROP_ADDRESS), 0);
}
END_TEST

START_TEST(family_that_fails_keeps_its_addresses)
{
	start(DNS_ASK_ADDRESS);
	ck_assert_int_eq(run(ip4_fails), STEP_PAUSE); /* nothing was known of it */
	ck_assert_str_eq(kind_text(&kind, "web"), "fd00::2:8080");
	ck_assert_int_eq(run(both_families), STEP_PAUSE);
	ck_assert_int_eq(run(ip4_fails), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.1:8080, 10.0.0.2:8080, fd00::2:8080");
	ck_assert_int_eq(run(ip6_is_silent), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.3:8080, fd00::2:8080");
	ck_assert_str_eq(snapshot_remark(kind.last, 0), "web.corp AAAA: no answer");
	ck_assert_int_eq(run(no_ip6), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.3:8080");
}
END_TEST

/* That there is no IPv4 says little while nobody knows about IPv6. */
START_TEST(nothing_found_beside_a_failure_is_a_failure)
{
	start(DNS_ASK_ADDRESS);
	ck_assert_int_lt(run(no_ip4_and_silence), 0);
	ck_assert_str_eq(kind.error, "AAAA: no answer");
	ck_assert_str_eq(kind_text(&kind, "web"), "-");
	ck_assert_int_eq(run(both_families), STEP_PAUSE);
	ck_assert_int_lt(run(no_ip4_and_silence), 0);
	ck_assert_uint_eq(find("web")->n_instances, 3);
}
END_TEST

static const struct reply odd_addresses[] = {
	{ .question = "web.corp A", .answer = "web.corp. 30 IN A 0.0.0.0\nweb.corp. 30 IN A 10.0.0.1" },
	{ .question = "web.corp AAAA",
	  .answer = "web.corp. 30 IN AAAA ::ffff:10.0.0.1\n"
		    "web.corp. 30 IN AAAA fe80::1\n"
		    "other.corp. 30 IN AAAA fd00::9" },
	{ 0 },
};

START_TEST(address_nobody_can_have_costs_itself)
{
	start(DNS_ASK_ADDRESS);
	ck_assert_int_eq(run(odd_addresses), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.1:8080");
	ck_assert_uint_eq(snapshot_dropped(kind.last, DROP_ADDRESS), 2);
}
END_TEST

/* --- sizes --- */

/* n SRV records of one name, with or without an address each. */
static void fill(int n, bool additional, char *answer, char *addresses)
{
	answer[0] = addresses[0] = '\0';
	for (int i = 0; i < n; i++) {
		answer += sprintf(answer, "web.corp. 30 IN SRV 1 1 %d w%d.corp.\n", 1000 + i, i);
		if (additional)
			addresses +=
				sprintf(addresses, "w%d.corp. 30 IN A 10.0.%d.%d\n", i, i / 250, i % 250 + 1);
	}
}

START_TEST(two_hundred_instances_fit)
{
	static char answer[RECORDS_MAX], addresses[RECORDS_MAX];
	const struct reply replies[] = {
		{ .question = "web.corp SRV", .answer = answer, .additional = addresses },
		{ 0 },
	};

	fill(200, true, answer, addresses);
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(replies), STEP_PAUSE);
	ck_assert_uint_eq(find("web")->n_instances, 200);
	ck_assert_uint_eq(find("web")->instances[199]->port, 1199);
}
END_TEST

START_TEST(only_so_many_targets_are_asked_for)
{
	static char answer[RECORDS_MAX], addresses[RECORDS_MAX];
	const struct reply srv = { .question = "web.corp SRV", .answer = answer };
	int step = STEP_ASK;

	fill(300, false, answer, addresses);
	start(DNS_ASK_SRV);
	for (n_asked = 0; step == STEP_ASK; n_asked++) {
		char line[300];

		request = kind_ask(&kind, only());
		snprintf(line, sizeof(line), "%s. 30 IN A 10.0.0.1", request.name);
		const struct reply a = { .question = "", .answer = line }, aaaa = { .question = "" };
		step = read_reply(only(), request.type == 33 ? &srv : request.type == 1 ? &a : &aaaa);
	}
	ck_assert_int_eq(step, STEP_PAUSE);
	ck_assert_uint_eq(n_asked, 1 + 2 * 256);
	ck_assert_uint_eq(find("web")->n_instances, 256);
	ck_assert_uint_eq(snapshot_dropped(kind.last, DROP_LIMIT), 44);
}
END_TEST

START_TEST(two_lists_do_not_multiply_without_end)
{
	static char answer[RECORDS_MAX], addresses[RECORDS_MAX];
	const struct reply replies[] = {
		{ .question = "web.corp SRV", .answer = answer, .additional = addresses },
		{ 0 },
	};
	char *a = answer, *b = addresses;

	for (int i = 0; i < 1200; i++) {
		a += sprintf(a, "web.corp. 30 IN SRV 1 1 %d w.corp.\n", i + 1);
		b += sprintf(b, "w.corp. 30 IN A 10.0.%d.%d\n", i / 250, i % 250 + 1);
	}
	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(replies), STEP_PAUSE);
	ck_assert_uint_eq(find("web")->n_instances, SERVICE_INSTANCES_MAX);
}
END_TEST

START_TEST(target_with_odd_octets_is_taken_but_not_asked_for)
{
	static const struct reply replies[] = {
		{ .question = "web.corp SRV",
		  .answer = "web.corp. 30 IN SRV 1 1 80 a\\032b.corp.\n"
			    "web.corp. 30 IN SRV 1 1 80 c\\032d.corp.",
		  .additional = "a\\032b.corp. 30 IN A 10.0.0.1" },
		{ 0 },
	};

	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(replies), STEP_PAUSE);
	ck_assert_str_eq(kind_text(&kind, "web"), "10.0.0.1:80");
	ck_assert_uint_eq(snapshot_dropped(kind.last, DROP_ADDRESS), 1);
}
END_TEST

/* --- damage --- */

/* "web.corp SRV", one answer behind it. */
#define QUESTION        "\0\0\x81\x80\0\1\0\1\0\0\0\0\3web\4corp\0\0\x21\0\1"
#define OWNER           "\xc0\x0c\0\x21\0\1\0\0\0\x1e"
#define MESSAGE(octets) octets, sizeof(octets) - 1

static const struct {
	const char *octets;
	size_t len;
	const char *error;
} damaged[] = {
	{ MESSAGE(""), "the answer is damaged" },
	{ MESSAGE("\0\0\x81\x80\0\1\0\0\0\0\0"), "the answer is damaged" },
	{ MESSAGE("\0\0\x81\x80\0\0\0\0\0\0\0\0"), "the answer is damaged" },
	{ MESSAGE("\0\0\x81\x80\0\1\0\0\0\0\0\0\3web\4corp\0\0\x21"), "the answer is damaged" },
	{ MESSAGE("\0\0\x81\x80\0\1\0\0\0\0\0\0\3wab\4corp\0\0\x21\0\1"),
	  "the answer is to another question" },
	{ MESSAGE("\0\0\x81\x80\0\1\0\0\0\0\0\0\3web\4corp\0\0\x01\0\1"),
	  "the answer is to another question" },
	{ MESSAGE("\0\0\x81\x80\0\1\0\0\0\0\0\0\xc0\x0c\0\x21\0\1"), "the answer is damaged" },
	{ MESSAGE(QUESTION), "the answer is damaged" },
	{ MESSAGE(QUESTION OWNER "\0\x0c\0\1\0\1\0\x50\1a\xc0"), "the answer is damaged" },
	{ MESSAGE(QUESTION OWNER "\0\x0b\0\1\0\1\0\x50\1a\xc0\x0c\0"), "a record is damaged" },
	{ MESSAGE(QUESTION OWNER "\0\x0a\0\1\0\1\0\x50\xc0\x26\xc0\x26"),
	  "a record is damaged" },                                                         /* itself */
	{ MESSAGE(QUESTION OWNER "\0\x08\0\1\0\1\0\x50\xc0\xff"), "a record is damaged" }, /* forwards */
	{ MESSAGE(QUESTION OWNER "\0\x08\0\1\0\1\0\x50\xc0\x02"), "a record is damaged" }, /* the header */
	{ MESSAGE(QUESTION OWNER "\0\x08\0\1\0\1\0\x50\x80\x0c"), "a record is damaged" }, /* no label type */
	{ MESSAGE(QUESTION OWNER "\0\x06\0\1\0\1\0\x50"), "a record is damaged" },         /* no target */
	{ MESSAGE(QUESTION OWNER "\0\x0b\0\1\0\1\0\x50\1a\0\0"),
	  "the answer is damaged" }, /* runs over the end */
	{ MESSAGE("\0\0\x83\x80\0\1\0\1\0\0\0\0\3web\4corp\0\0\x21\0\1"), "the answer is damaged" },
	{ MESSAGE("\0\0\x81\x80\0\1\xff\xff\0\0\0\0\3web\4corp\0\0\x21\0\1"), "the answer is damaged" },
};

START_TEST(damaged_message_changes_nothing)
{
	char error[100];

	start(DNS_ASK_SRV);
	ck_assert_int_eq(run(with_additional), STEP_PAUSE);
	request = kind_ask(&kind, only());
	ck_assert_int_lt(read_octets(only(), 0, (const uint8_t *)damaged[_i].octets, damaged[_i].len), 0);
	snprintf(error, sizeof(error), "SRV: %s", damaged[_i].error);
	ck_assert_str_eq(kind.error, error);
	ck_assert_uint_eq(find("web")->n_instances, 3);
}
END_TEST

/* Wherever the message ends too early, it is not believed. */
START_TEST(cut_message_is_never_believed)
{
	size_t len;

	start(DNS_ASK_SRV);
	request = kind_ask(&kind, only());
	uint8_t *octets = write_message(&with_additional[0], &len);
	for (size_t cut_len = 0; cut_len < len; cut_len++) {
		uint8_t *copy = malloc(cut_len + 1); /* of that size, for the sanitizers */

		request = kind_ask(&kind, only());
		memcpy(copy, octets, cut_len);
		ck_assert_int_lt(read_octets(only(), 0, copy, cut_len), 0);
		ck_assert_str_eq(kind_text(&kind, "web"), "-");
		free(copy);
	}
	request = kind_ask(&kind, only());
	ck_assert_int_eq(read_octets(only(), 0, octets, len), STEP_PAUSE);
	free(octets);
}
END_TEST

START_TEST(registry_without_names_asks_nothing)
{
	names[0] = NULL;
	start(DNS_ASK_SRV);
	ck_assert_uint_eq(kind.n, 0);
}
END_TEST

START_TEST(question_takes_as_long_as_the_options_say)
{
	start(DNS_ASK_SRV);
	options.http.timeout_ms = 1234;
	ck_assert_uint_eq(kind_ask(&kind, only()).timeout_ms, 1234);
}
END_TEST

static TCase *srv_case(void)
{
	TCase *tc = tcase_create("srv");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, srv_records_with_additional_addresses_are_one_question);
	tcase_add_test(tc, targets_without_address_are_asked_for_at_the_same_server);
	tcase_add_test(tc, round_of_several_questions_holds_as_a_whole);
	tcase_add_loop_test(tc, nothing_there_is_an_answer, 0, sizeof(nothing) / sizeof(nothing[0]));
	tcase_add_loop_test(tc, what_is_no_answer_changes_nothing, 0, sizeof(failures) / sizeof(failures[0]));
	tcase_add_test(tc, aliases_are_followed_whatever_their_order);
	tcase_add_test(tc, target_that_fails_keeps_its_addresses);
	tcase_add_test(tc, target_without_addresses_is_dropped_and_counted);
	tcase_add_test(tc, server_that_falls_silent_ends_the_round);
	return tc;
}

static TCase *instances_case(void)
{
	TCase *tc = tcase_create("instances");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, instance_is_called_as_its_target_where_that_tells_them_apart);
	tcase_add_loop_test(tc, name_says_service_port_and_protocol, 0,
			    sizeof(subjects) / sizeof(subjects[0]));
	tcase_add_loop_test(tc, name_that_is_none_fails_alone, 0, sizeof(no_names) / sizeof(no_names[0]));
	tcase_add_test(tc, service_that_is_none_is_dropped);
	tcase_add_test(tc, names_of_one_service_are_united);
	tcase_add_test(tc, weight_of_zero_counts_only_beside_others);
	tcase_add_test(tc, addresses_are_instances_with_the_port_of_the_options);
	tcase_add_test(tc, family_that_fails_keeps_its_addresses);
	tcase_add_test(tc, nothing_found_beside_a_failure_is_a_failure);
	tcase_add_test(tc, address_nobody_can_have_costs_itself);
	tcase_add_test(tc, registry_without_names_asks_nothing);
	tcase_add_test(tc, question_takes_as_long_as_the_options_say);
	return tc;
}

static TCase *limits_case(void)
{
	TCase *tc = tcase_create("limits");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, two_hundred_instances_fit);
	tcase_add_test(tc, only_so_many_targets_are_asked_for);
	tcase_add_test(tc, two_lists_do_not_multiply_without_end);
	tcase_add_test(tc, target_with_odd_octets_is_taken_but_not_asked_for);
	tcase_add_loop_test(tc, damaged_message_changes_nothing, 0, sizeof(damaged) / sizeof(damaged[0]));
	tcase_add_test(tc, cut_message_is_never_believed);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("registry_dns");

	suite_add_tcase(suite, srv_case());
	suite_add_tcase(suite, instances_case());
	suite_add_tcase(suite, limits_case());
	return harness_run(suite);
}
