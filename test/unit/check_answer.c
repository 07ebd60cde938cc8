/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "phone.h"

static struct phone phone;

/* inventory: two IPv4, one IPv6, a name and tags; payments: weights and priorities; ntp: udp; idle: nothing.
 */
static const char registry[] =
	"[{\"targets\":[\"10.1.0.7:8080\",\"10.1.0.8:8080\"],\"labels\":{\"service\":\"inventory\",\"tags\":\"v1,blue\"}},"
	"{\"targets\":[\"[fd00:1::7]:8081\"],\"labels\":{\"service\":\"Inventory\",\"name\":\"i3\",\"tags\":\"v2\"}},"
	"{\"targets\":[\"10.2.0.1:443\"],\"labels\":{\"service\":\"payments\",\"priority\":\"1\",\"port_name\":\"https\"}},"
	"{\"targets\":[\"10.2.0.2:443\"],\"labels\":{\"service\":\"payments\",\"priority\":\"2\"}},"
	"{\"targets\":[\"10.3.0.1:123\"],\"labels\":{\"service\":\"ntp\",\"protocol\":\"udp\"}},"
	"{\"targets\":[\"db.example:5432\"],\"labels\":{\"service\":\"db\"}},"
	"{\"targets\":[\"10.4.0.1\"],\"labels\":{\"service\":\"web.shop\"}},"
	"{\"targets\":[],\"labels\":{\"service\":\"idle\"}}]";

static void set_up(void)
{
	phone_init(&phone);
	phone_say(&phone, 0, registry);
	phone_publish(&phone);
}

static void tear_down(void)
{
	phone_finish(&phone);
}

#define SOA "service.local. 1 SOA ns.service.local. hostmaster.service.local. SERIAL 3600 600 86400 1"

static const struct {
	const char *name;
	uint16_t type;
	const char *text;
} vectors[] = {
	/* a service */
	{ "inventory.service.local", RRTYPE_A, "NOERROR aa | 2 A 10.1.0.7; 2 A 10.1.0.8 | |" },
	{ "INVENTORY.Service.local", RRTYPE_AAAA, "NOERROR aa | 2 AAAA fd00:1::7 | |" },
	{ "inventory.service.local", RRTYPE_SRV,
	  "NOERROR aa | 2 SRV 0 1 8080 10-1-0-7.addr.service.local.; 2 SRV 0 1 8080 10-1-0-8.addr.service.local.; "
	  "2 SRV 0 1 8081 fd00-1--7.addr.service.local. | | 10-1-0-7.addr.service.local. 2 A 10.1.0.7; "
	  "10-1-0-8.addr.service.local. 2 A 10.1.0.8; fd00-1--7.addr.service.local. 2 AAAA fd00:1::7" },
	{ "inventory.service.local", RRTYPE_TXT, "NOERROR aa | | " SOA " |" },
	{ "inventory.service.local", 65, "NOERROR aa | | " SOA " |" },
	{ "inventory.service.local", 65280, "NOERROR aa | | " SOA " |" },
	{ "inventory.service.local", RRTYPE_ANY, "NOERROR aa | 2 HINFO \"RFC8482\" \"\" | |" },
	{ "idle.service.local", RRTYPE_A, "NOERROR aa | | " SOA " |" },
	{ "idle.service.local", RRTYPE_ANY, "NOERROR aa | | " SOA " |" },
	{ "web.shop.service.local", RRTYPE_A, "NOERROR aa | 2 A 10.4.0.1 | |" },
	{ "web.shop.service.local", RRTYPE_SRV, "NOERROR aa | | " SOA " |" }, /* no port, no SRV */
	{ "shop.service.local", RRTYPE_A, "NOERROR aa | | " SOA " |" },       /* empty non-terminal */
	{ "unknown.service.local", RRTYPE_A, "NXDOMAIN aa | | " SOA " |" },
	{ "x.inventory.service.local", RRTYPE_A, "NXDOMAIN aa | | " SOA " |" },
	{ "*.service.local", RRTYPE_A, "NXDOMAIN aa | | " SOA " |" },
	/* host names */
	{ "db.service.local", RRTYPE_A, "NOERROR aa | 2 A 192.0.2.1 | |" },
	{ "db.service.local", RRTYPE_SRV,
	  "NOERROR aa | 2 SRV 0 1 5432 db.example. | | db.example. 2 A 192.0.2.1; db.example. 2 AAAA 2001:db8::1" },
	/* RFC 2782, tags, names, ports */
	{ "_inventory._tcp.service.local", RRTYPE_SRV,
	  "NOERROR aa | 2 SRV 0 1 8080 10-1-0-7.addr.service.local.; 2 SRV 0 1 8080 10-1-0-8.addr.service.local.; "
	  "2 SRV 0 1 8081 fd00-1--7.addr.service.local. | | 10-1-0-7.addr.service.local. 2 A 10.1.0.7; "
	  "10-1-0-8.addr.service.local. 2 A 10.1.0.8; fd00-1--7.addr.service.local. 2 AAAA fd00:1::7" },
	{ "_inventory._tcp.service.local", RRTYPE_A, "NOERROR aa | | " SOA " |" },
	{ "_ntp._udp.service.local", RRTYPE_SRV,
	  "NOERROR aa | 2 SRV 0 1 123 10-3-0-1.addr.service.local. | | 10-3-0-1.addr.service.local. 2 A 10.3.0.1" },
	{ "_ntp._tcp.service.local", RRTYPE_SRV, "NOERROR aa | | " SOA " |" },
	{ "_idle._tcp.service.local", RRTYPE_SRV, "NOERROR aa | | " SOA " |" },
	{ "_nobody._tcp.service.local", RRTYPE_SRV, "NXDOMAIN aa | | " SOA " |" },
	{ "_tcp.service.local", RRTYPE_SRV, "NOERROR aa | | " SOA " |" },
	{ "_inventory._v2.service.local", RRTYPE_SRV,
	  "NOERROR aa | 2 SRV 0 1 8081 fd00-1--7.addr.service.local. | | "
	  "fd00-1--7.addr.service.local. 2 AAAA fd00:1::7" },
	{ "_v2.service.local", RRTYPE_SRV, "NOERROR aa | | " SOA " |" },
	{ "v1.inventory.service.local", RRTYPE_A, "NOERROR aa | 2 A 10.1.0.7; 2 A 10.1.0.8 | |" },
	{ "i3.inventory.service.local", RRTYPE_AAAA, "NOERROR aa | 2 AAAA fd00:1::7 | |" },
	{ "i3.inventory.service.local", RRTYPE_A, "NOERROR aa | | " SOA " |" },
	{ "_https._tcp.payments.service.local", RRTYPE_SRV,
	  "NOERROR aa | 2 SRV 1 1 443 10-2-0-1.addr.service.local. | | 10-2-0-1.addr.service.local. 2 A 10.2.0.1" },
	{ "_tcp.payments.service.local", RRTYPE_SRV, "NOERROR aa | | " SOA " |" },
	/* addresses spelt in the name, known or not */
	{ "10-1-0-7.addr.service.local", RRTYPE_A, "NOERROR aa | 2 A 10.1.0.7 | |" },
	{ "192-0-2-99.addr.service.local", RRTYPE_A, "NOERROR aa | 2 A 192.0.2.99 | |" },
	{ "10-1-0-7.addr.service.local", RRTYPE_AAAA, "NOERROR aa | | " SOA " |" },
	{ "fd00-1--7.addr.service.local", RRTYPE_AAAA, "NOERROR aa | 2 AAAA fd00:1::7 | |" },
	{ "fd00-1--7.addr.service.local", RRTYPE_A, "NOERROR aa | | " SOA " |" },
	{ "0--1.addr.service.local", RRTYPE_AAAA, "NOERROR aa | 2 AAAA ::1 | |" },
	{ "2001-db8--0.addr.service.local", RRTYPE_AAAA, "NOERROR aa | 2 AAAA 2001:db8:: | |" },
	{ "10-1-0-07.addr.service.local", RRTYPE_A, "NXDOMAIN aa | | " SOA " |" },
	{ "10-1-0-256.addr.service.local", RRTYPE_A, "NXDOMAIN aa | | " SOA " |" },
	{ "x.10-1-0-7.addr.service.local", RRTYPE_A, "NXDOMAIN aa | | " SOA " |" },
	{ "addr.service.local", RRTYPE_A, "NOERROR aa | | " SOA " |" },
	/* the zone itself */
	{ "service.local", RRTYPE_SOA,
	  "NOERROR aa | 1 SOA ns.service.local. hostmaster.service.local. SERIAL 3600 600 86400 1 | |" },
	{ "service.local", RRTYPE_NS, "NOERROR aa | 2 NS ns.service.local. | |" },
	{ "service.local", RRTYPE_A,
	  "NOERROR aa | | 1 SOA ns.service.local. hostmaster.service.local. SERIAL 3600 600 "
	  "86400 1 |" },
	{ "ns.service.local", RRTYPE_A, "NOERROR aa | 2 A 127.0.0.1 | |" },
	{ "service.local", RRTYPE_AXFR, "REFUSED | | |" },
	{ "inventory.service.local", RRTYPE_IXFR, "REFUSED | | |" },
	/* reverse */
	{ "7.0.1.10.in-addr.arpa", RRTYPE_PTR, "NOERROR aa | 2 PTR inventory.service.local. | |" },
	{ "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", RRTYPE_PTR,
	  "NOERROR aa | 2 PTR i3.inventory.service.local. | |" },
	{ "9.0.1.10.in-addr.arpa", RRTYPE_PTR, "not ours" },
	{ "7.0.1.10.in-addr.arpa", RRTYPE_A, "not ours" },
	{ "xservice.local", RRTYPE_A, "not ours" },
	{ "local", RRTYPE_SOA, "not ours" },
	{ "example.com", RRTYPE_A, "not ours" },
};

START_TEST(the_answer_is_this)
{
	ck_assert_str_eq(phone_text(&phone, vectors[_i].name, vectors[_i].type), vectors[_i].text);
}
END_TEST

START_TEST(the_question_keeps_its_case)
{
	ldns_pkt *reply = phone_ask(&phone, "iNvEnToRy.SERVICE.local", RRTYPE_A, 0, 512);

	ck_assert_mem_eq(phone.reply + 12, "\x09iNvEnToRy\x07SERVICE\x05local", 24);
	ldns_pkt_free(reply);
}
END_TEST

START_TEST(status_tells_how_the_registries_are)
{
	const char *text;

	freshness_bad(phone.freshness, 1);
	phone.now_ms += 12345;
	text = phone_text(&phone, "_status.service.local", RRTYPE_TXT);
	ck_assert_ptr_nonnull(strstr(text, "1 TXT \"registry=dc1 kind=http state=ok age=12.3s services=1"));
	ck_assert_ptr_nonnull(strstr(text, "\"registry=local kind=file state=failing age=12.3s"));
}
END_TEST

START_TEST(status_tells_what_becomes_of_the_instances)
{
	const struct zone_counts counts = { .services = 12,
					    .failed_open = 1,
					    .instances = { [LEFT_OUT_NOT] = 50,
							   [LEFT_OUT_ADDRESS] = 1,
							   [LEFT_OUT_REGISTRY] = 100,
							   [LEFT_OUT_HEALTH] = 2,
							   [LEFT_OUT_FLAPPING] = 3,
							   [LEFT_OUT_UNREACHABLE] = 4,
							   [LEFT_OUT_FAR] = 5 } };
	struct table_zone *zone = (struct table_zone *)phone.table->zones;
	struct zone_board *board = zone_board_create();

	zone->board = board;
	zone_board_set(board, &counts);
	ck_assert_ptr_nonnull(
		strstr(phone_text(&phone, "_status.service.local", RRTYPE_TXT),
		       "1 TXT \"zone=service.local services=12 instances=65 answered=50 "
		       "failed-open=1 unresolved=1 unhealthy=2 flapping=3 unreachable=4 far=5\""));
	zone->board = NULL;
	zone_board_destroy(board);
}
END_TEST

START_TEST(old_data_is_answered_with_ttl_1_and_said_to_be_old)
{
	char why[256];

	phone.now_ms += 30000;
	ck_assert_ptr_nonnull(strstr(phone_text(&phone, "10-1-0-7.addr.service.local", RRTYPE_A), "2 A"));
	phone_text(&phone, "inventory.service.local", RRTYPE_A);
	ck_assert_int_eq(phone_ede(&phone, NULL), -1);
	phone.now_ms += 12001;
	ck_assert_str_eq(phone_text(&phone, "inventory.service.local", RRTYPE_A),
			 "NOERROR aa | 1 A 10.1.0.7; 1 A 10.1.0.8 | |");
	ck_assert_int_eq(phone_ede(&phone, why), EDE_STALE_ANSWER);
	ck_assert_str_eq(why, "registry dc1 last heard 42 s ago");
	const char *text = phone_text(&phone, "_ntp._udp.service.local", RRTYPE_SRV);
	ck_assert_ptr_nonnull(strstr(text, "10-3-0-1.addr.service.local. 1 A 10.3.0.1"));
	phone_text(&phone, "unknown.service.local", RRTYPE_A);
	ck_assert_int_eq(phone_ede(&phone, NULL), EDE_STALE_NXDOMAIN);
}
END_TEST

START_TEST(nobody_heard_means_wait_then_servfail)
{
	char why[256];

	table_builder_set_zone_data(phone.builder, 0, ZONE_SILENT);
	ck_assert_int_eq(table_builder_seal(phone.builder, &phone.table), 0);
	phone.may_wait = true;
	ck_assert_str_eq(phone_text(&phone, "unknown.service.local", RRTYPE_A), "not yet");
	ck_assert_ptr_nonnull(strstr(phone_text(&phone, "service.local", RRTYPE_SOA), "NOERROR aa"));
	phone.may_wait = false;
	ck_assert_str_eq(phone_text(&phone, "unknown.service.local", RRTYPE_A), "SERVFAIL | | |");
	ck_assert_int_eq(phone_ede(&phone, why), EDE_NOT_READY);
	ck_assert_str_eq(why, "no registry has answered yet");
}
END_TEST

START_TEST(half_heard_means_wait_then_nxdomain)
{
	table_builder_set_zone_data(phone.builder, 0, ZONE_PARTIAL);
	ck_assert_int_eq(table_builder_seal(phone.builder, &phone.table), 0);
	phone.may_wait = true;
	ck_assert_str_eq(phone_text(&phone, "unknown.service.local", RRTYPE_A), "not yet");
	ck_assert_ptr_nonnull(strstr(phone_text(&phone, "inventory.service.local", RRTYPE_A), "10.1.0.7"));
	phone.may_wait = false;
	ck_assert_ptr_nonnull(strstr(phone_text(&phone, "unknown.service.local", RRTYPE_A), "NXDOMAIN aa"));
}
END_TEST

/* --- size --- */

static char *make_many(unsigned n)
{
	char *json = malloc(64 + n * 24U), *out = json;

	out += sprintf(out, "[{\"targets\":[");
	for (unsigned i = 0; i < n; i++)
		out += sprintf(out, "%s\"10.%u.%u.%u:80\"", i > 0 ? "," : "", 9 + i / 62500, i / 250 % 250,
			       i % 250 + 1);
	sprintf(out, "],\"labels\":{\"service\":\"many\"}}]");
	return json;
}

static const struct {
	uint16_t type, edns;
	bool tcp;
	size_t limit;
	unsigned n;
	bool truncated;
	size_t answers; /* 0: as many as fit */
} sizes[] = {
	{ RRTYPE_A, 0, false, 512, 29, false, 29 }, /* 12 + 24 + 29 x 16 = 500 */
	{ RRTYPE_A, 0, false, 512, 30, true, 29 },
	{ RRTYPE_A, 512, false, 512, 29, false, 29 }, /* 511 with OPT */
	{ RRTYPE_A, 512, false, 512, 200, true, 29 },
	{ RRTYPE_A, 1232, false, 1232, 200, true, 74 },
	{ RRTYPE_A, 4096, false, 4096, 200, false, 200 },
	{ RRTYPE_A, 0, true, 65535, 200, false, 200 },
	{ RRTYPE_SRV, 0, true, 65535, 200, false, 200 },
	{ RRTYPE_SRV, 0, false, 512, 200, true, 0 },
	{ RRTYPE_SRV, 4096, false, 4096, 40, false, 40 }, /* all SRVs, as much glue as fits, no TC */
	{ RRTYPE_A, 0, true, 65535, 5000, false, 4093 },  /* the end of TCP */
	{ RRTYPE_SRV, 0, true, 65535, 5000, false, 0 },
};

START_TEST(what_does_not_fit_is_cut)
{
	char *json = make_many(sizes[_i].n);

	phone_say(&phone, 1, json);
	free(json);
	phone_publish(&phone);
	phone.tcp = sizes[_i].tcp;
	ldns_pkt *reply =
		phone_ask(&phone, "many.service.local", sizes[_i].type, sizes[_i].edns, sizes[_i].limit);
	const size_t n = ldns_pkt_ancount(reply);

	ck_assert_int_eq(ldns_pkt_tc(reply), sizes[_i].truncated);
	ck_assert_int_eq(ldns_pkt_get_rcode(reply), LDNS_RCODE_NOERROR);
	if (sizes[_i].answers > 0)
		ck_assert_uint_eq(n, sizes[_i].answers);
	ck_assert_uint_gt(n, 5);
	if (sizes[_i].type == RRTYPE_SRV && sizes[_i].n == 200 && sizes[_i].tcp)
		ck_assert_uint_eq(ldns_rr_list_rr_count(ldns_pkt_additional(reply)), 200);
	ldns_rr_list_sort(ldns_pkt_answer(reply));
	for (size_t i = 1; i < n; i++) /* an RRset is a set */
		ck_assert_int_ne(ldns_rr_compare(ldns_rr_list_rr(ldns_pkt_answer(reply), i - 1),
						 ldns_rr_list_rr(ldns_pkt_answer(reply), i)),
				 0);
	ldns_pkt_free(reply);
}
END_TEST

START_TEST(glue_beyond_16_kilobytes_spells_its_owner)
{
	char *json = make_many(600);

	phone_say(&phone, 1, json);
	free(json);
	phone_publish(&phone);
	phone.tcp = true;
	ldns_pkt *reply = phone_ask(&phone, "many.service.local", RRTYPE_SRV, 0, 65535);
	const ldns_rr_list *glue = ldns_pkt_additional(reply);

	ck_assert_uint_eq(ldns_rr_list_rr_count(glue), 600);
	for (size_t i = 0; i < 600; i++) {
		char *owner = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(glue, i)));
		char *address = ldns_rdf2str(ldns_rr_a_address(ldns_rr_list_rr(glue, i)));

		for (char *c = address; *c != '\0'; c++)
			*c = *c == '.' ? '-' : *c;
		ck_assert_int_eq(strncmp(owner, address, strlen(address)), 0);
		ck_assert_str_eq(owner + strlen(address), ".addr.service.local.");
		free(owner);
		free(address);
	}
	ldns_pkt_free(reply);
}
END_TEST

START_TEST(the_longest_question_leaves_room_for_the_soa)
{
	char name[256] = "";

	for (int i = 0; i < 3; i++)
		strcat(name, "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0.");
	strcat(name, "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijk.service.local");
	ldns_pkt *reply = phone_ask(&phone, name, RRTYPE_A, 512, 512);
	ck_assert_uint_eq(ldns_pkt_nscount(reply), 1);
	ck_assert(!ldns_pkt_tc(reply));
	ldns_pkt_free(reply);
}
END_TEST

START_TEST(a_limit_leaves_out_what_is_drained)
{
	char seen[4] = "";

	phone.zone.answer.address_limit = 1;
	phone_say(&phone, 1,
		  "[{\"targets\":[\"10.9.0.1:1\",\"10.9.0.2:1\"],\"labels\":{\"service\":\"limited\"}},"
		  "{\"targets\":[\"10.9.0.3:1\"],\"labels\":{\"service\":\"limited\",\"weight\":\"0\"}}]");
	phone_publish(&phone);
	for (int i = 0; i < 200; i++) {
		ldns_pkt *reply = phone_ask(&phone, "limited.service.local", RRTYPE_A, 0, 512);

		ck_assert_uint_eq(ldns_pkt_ancount(reply), 1);
		ck_assert(!ldns_pkt_tc(reply));
		seen[phone.reply[phone.len - 1]] = 'x';
		ldns_pkt_free(reply);
		reply = phone_ask(&phone, "limited.service.local", RRTYPE_SRV, 0, 512);
		ck_assert_uint_eq(ldns_pkt_ancount(reply), 3);
		ldns_pkt_free(reply);
	}
	ck_assert(seen[1] == 'x' && seen[2] == 'x' && seen[3] != 'x');
}
END_TEST

START_TEST(lower_priorities_come_first)
{
	for (int i = 0; i < 100; i++) {
		ldns_pkt *reply = phone_ask(&phone, "payments.service.local", RRTYPE_A, 0, 512);

		ck_assert_uint_eq(ldns_pkt_ancount(reply), 2);
		ck_assert_uint_eq(phone.reply[phone.len - 16 - 1], 1);
		ldns_pkt_free(reply);
	}
}
END_TEST

START_TEST(every_reply_is_whole_at_every_size)
{
	static const struct {
		const char *name;
		uint16_t type;
	} questions[] = { { "_status.service.local", RRTYPE_TXT }, { "inventory.service.local", RRTYPE_SRV },
			  { "inventory.service.local", RRTYPE_A }, { "unknown.service.local", RRTYPE_A },
			  { "7.0.1.10.in-addr.arpa", RRTYPE_PTR }, { "service.local", RRTYPE_SOA } };

	phone.now_ms += 60000; /* with an extended error */
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		for (size_t limit = 512; limit <= 1232; limit++)
			ldns_pkt_free(phone_ask(&phone, questions[i].name, questions[i].type, 1232, limit));
	}
}
END_TEST

/* Five registries make the status longer than 512 octets. */
START_TEST(a_status_that_does_not_fit_is_cut_at_a_record)
{
	struct freshness *board = freshness_create(8);
	struct table_zone *zone = (struct table_zone *)phone.table->zones;

	for (size_t i = 0; i < 8; i++)
		ck_assert_int_eq(freshness_name(board, i, "a-registry-with-a-long-name", "file", true), 0);
	((struct table *)phone.table)->freshness = board;
	zone->registries = 0xff;
	for (size_t limit = 512; limit <= 1232; limit++) {
		ldns_pkt *reply = phone_ask(&phone, "_status.service.local", RRTYPE_TXT, 1232, limit);

		ck_assert_int_eq(ldns_pkt_tc(reply), ldns_pkt_ancount(reply) < 8);
		ldns_pkt_free(reply);
	}
	((struct table *)phone.table)->freshness = phone.freshness;
	freshness_destroy(board);
}
END_TEST

START_TEST(the_names_of_one_address_have_one_ttl)
{
	static const struct service_options fast = { .name = "fast",
						     .answer = { .ttl_s = 1, .age.stale_after_ms = 30000 } };

	phone.zone.services = &fast;
	phone.zone.n_services = 1;
	phone_say(&phone, 1,
		  "[{\"targets\":[\"10.9.0.1:1\"],\"labels\":{\"service\":\"fast\"}},"
		  "{\"targets\":[\"10.9.0.1:2\"],\"labels\":{\"service\":\"slow\"}}]");
	phone_publish(&phone);
	ck_assert_str_eq(phone_text(&phone, "1.0.9.10.in-addr.arpa", RRTYPE_PTR),
			 "NOERROR aa | 1 PTR fast.service.local.; 1 PTR slow.service.local. | |");
}
END_TEST

static const struct {
	const char *name;
	uint16_t type;
	bool known;
} chaos[] = {
	{ "version.bind", RRTYPE_TXT, true },
	{ "VERSION.server", RRTYPE_TXT, true },
	{ "id.server", RRTYPE_TXT, false },
	{ "version.bind", RRTYPE_A, false },
	{ "inventory.service.local", RRTYPE_A, false },
};

START_TEST(class_chaos_has_a_version_and_nothing_else)
{
	uint8_t reply[512];
	ldns_pkt *packet;
	struct query q;

	ldns_rdf *dname = ldns_dname_new_frm_str(chaos[_i].name);
	ldns_pkt *query = ldns_pkt_query_new(dname, (ldns_rr_type)chaos[_i].type, LDNS_RR_CLASS_CH, 0);
	uint8_t *wire;
	size_t len;
	ck_assert_int_eq(ldns_pkt2wire(&wire, query, &len), LDNS_STATUS_OK);
	ck_assert_int_eq(message_read_query(wire, len, &q), VERDICT_OK);
	len = answer_chaos(&q, reply, sizeof(reply));
	ck_assert_int_eq(ldns_wire2pkt(&packet, reply, len), LDNS_STATUS_OK);
	ck_assert_int_eq(ldns_pkt_get_rcode(packet),
			 chaos[_i].known ? LDNS_RCODE_NOERROR : LDNS_RCODE_REFUSED);
	ck_assert_uint_eq(ldns_pkt_ancount(packet), chaos[_i].known);
	if (chaos[_i].known) {
		char *text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(packet), 0));

		ck_assert_ptr_nonnull(strstr(text, "CH\tTXT\t\"phonebook "));
		free(text);
	}
	LDNS_FREE(wire);
	ldns_pkt_free(query);
	ldns_pkt_free(packet);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("answer");
	TCase *answers = tcase_create("answers");
	TCase *size = tcase_create("size");

	tcase_add_checked_fixture(answers, set_up, tear_down);
	tcase_add_loop_test(answers, the_answer_is_this, 0, sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_test(answers, the_question_keeps_its_case);
	tcase_add_test(answers, status_tells_how_the_registries_are);
	tcase_add_test(answers, old_data_is_answered_with_ttl_1_and_said_to_be_old);
	tcase_add_test(answers, nobody_heard_means_wait_then_servfail);
	tcase_add_test(answers, half_heard_means_wait_then_nxdomain);
	tcase_add_test(answers, lower_priorities_come_first);
	tcase_add_test(answers, every_reply_is_whole_at_every_size);
	tcase_add_test(answers, status_tells_what_becomes_of_the_instances);
	tcase_add_test(answers, a_status_that_does_not_fit_is_cut_at_a_record);
	tcase_add_test(answers, the_names_of_one_address_have_one_ttl);
	tcase_add_loop_test(answers, class_chaos_has_a_version_and_nothing_else, 0,
			    sizeof(chaos) / sizeof(chaos[0]));
	suite_add_tcase(suite, answers);

	tcase_add_checked_fixture(size, set_up, tear_down);
	tcase_add_loop_test(size, what_does_not_fit_is_cut, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(size, glue_beyond_16_kilobytes_spells_its_owner);
	tcase_add_test(size, the_longest_question_leaves_room_for_the_soa);
	tcase_add_test(size, a_limit_leaves_out_what_is_drained);
	suite_add_tcase(suite, size);
	return harness_run(suite);
}
