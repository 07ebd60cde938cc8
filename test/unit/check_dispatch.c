/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/dispatch.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "harness.h"
#include "model/table_builder.h"
#include "phone.h"

#define SHOP    "shop.service.local"
#define FOREIGN "www.example"

enum { CROWD = 300, WAITING = 256, UDP_SOCKET = 77 };

static struct event_base *loop;
static struct phone phone;
static struct dispatcher dispatcher;
static struct client reply; /* only to be judged: it is connected to nobody */

/* What was forwarded: without upstreams the forwarder refuses at once. */
static struct {
	unsigned n;
	struct return_address to;
	size_t len;
} delivered;

static unsigned n_again;
static bool last_may_wait;

static void deliver(void *context, const struct return_address *to, const uint8_t *message, size_t len)
{
	ck_assert_ptr_eq(context, &delivered);
	ck_assert_uint_eq(message[3] & 15, RCODE_REFUSED);
	delivered.n++;
	delivered.to = *to;
	delivered.len = len;
}

static bool again(void *context, const uint8_t *octets, size_t len, const struct return_address *from,
		  bool may_wait)
{
	(void)context;
	(void)octets;
	(void)len;
	ck_assert_int_eq(from->socket, UDP_SOCKET);
	n_again++;
	last_may_wait = may_wait;
	return true;
}

/* A service "shop" of one instance and a service "crowd" of many, in a zone of which so much was heard. */
static void start(enum zone_data data)
{
	static const struct forward_options no_upstreams;
	static char json[CROWD * 24 + 200];
	size_t len = (size_t)sprintf(json, "{\"shop\":[\"10.1.0.1:80\"],\"crowd\":[");

	for (int i = 0; i < CROWD; i++)
		len += (size_t)sprintf(json + len, "%s\"10.2.%d.%d:80\"", i > 0 ? "," : "", i / 250,
				       i % 250 + 1);
	sprintf(json + len, "]}");
	phone_say(&phone, 0, json);
	table_builder_set_zone_data(phone.builder, 0, data);
	phone_publish(&phone);
	dispatcher = (struct dispatcher){ .table = phone.table, .answerer = phone.answerer };
	ck_assert_int_eq(
		forwarder_create(loop, &no_upstreams, NULL, deliver, &delivered, &dispatcher.forwarder), 0);
	ck_assert_int_eq(hold_create(loop, WAITING, again, NULL, &dispatcher.hold), 0);
}

static void setup(void)
{
	memset(&delivered, 0, sizeof(delivered));
	loop = event_base_new();
	phone_init(&phone);
}

static void teardown(void)
{
	forwarder_destroy(dispatcher.forwarder);
	hold_destroy(dispatcher.hold);
	phone_finish(&phone);
	event_base_free(loop);
}

static enum dispatch dispatch_octets(const uint8_t *octets, size_t len, bool tcp, enum patience patience)
{
	static int connection;
	const struct return_address from = { .socket = UDP_SOCKET, .connection = tcp ? &connection : NULL };
	const struct arrival a = {
		.octets = octets, .len = len, .from = &from, .now_ms = phone.now_ms, .patience = patience
	};
	/* Behind the reply nothing is touched. */
	static uint8_t room[DNS_MESSAGE_OCTETS_MAX + 16];
	const size_t size = tcp ? DNS_MESSAGE_OCTETS_MAX : UDP_REPLY_OCTETS_MAX;
	size_t reply_len = 12345;

	memset(room, 0xa5, sizeof(room));
	const enum dispatch d = dispatch_query(&dispatcher, &a, room, size, &reply_len);
	for (size_t i = size; i < size + 16; i++)
		ck_assert_uint_eq(room[i], 0xa5);
	reply.len = 0;
	if (d == DISPATCH_REPLY) {
		ck_assert_uint_le(reply_len, size);
		reply.len = reply_len;
		memcpy(reply.reply, room, reply_len);
	}
	return d;
}

static enum dispatch dispatch(const struct question *q, bool tcp, enum patience patience)
{
	uint8_t octets[CLIENT_QUERY_MAX];

	return dispatch_octets(octets, client_write_query(q, octets), tcp, patience);
}

static void expect(const struct question *q, const char *text)
{
	for (int tcp = 0; tcp < 2; tcp++) {
		ck_assert_int_eq(dispatch(q, tcp, PATIENCE_NEW), DISPATCH_REPLY);
		ck_assert_str_eq(client_text(&reply), text);
	}
}

/* --- what is no query, or a bad one --- */

START_TEST(what_is_no_query_is_dropped)
{
	uint8_t octets[CLIENT_QUERY_MAX];
	const size_t len = client_write_query(&(struct question){ .name = SHOP }, octets);

	start(ZONE_HEARD);
	for (size_t n = 0; n < DNS_HEADER_OCTETS; n++)
		ck_assert_int_eq(dispatch_octets(octets, n, n % 2, PATIENCE_NEW), DISPATCH_DROP);
	octets[2] |= 0x80; /* an answer: to answer it would be the start of a loop */
	ck_assert_int_eq(dispatch_octets(octets, len, false, PATIENCE_NEW), DISPATCH_DROP);
	ck_assert_int_eq(dispatch_octets(octets, DNS_HEADER_OCTETS, false, PATIENCE_NEW), DISPATCH_DROP);
	ck_assert_uint_eq(delivered.n, 0);
}
END_TEST

START_TEST(a_bad_query_gets_its_error)
{
	uint8_t octets[CLIENT_QUERY_MAX];
	const char *const names[] = { SHOP, FOREIGN };

	start(ZONE_HEARD);
	for (int i = 0; i < 2; i++) {
		const size_t len = client_write_query(&(struct question){ .name = names[i] }, octets);

		octets[5] = 2; /* questions */
		ck_assert_int_eq(dispatch_octets(octets, len, false, PATIENCE_NEW), DISPATCH_REPLY);
		ck_assert_uint_eq(reply.reply[3] & 15, RCODE_FORMERR);
		octets[5] = 1;
		octets[len - 5] = 1; /* EDNS version */
		ck_assert_int_eq(dispatch_octets(octets, len, false, PATIENCE_NEW), DISPATCH_REPLY);
		ck_assert_uint_eq(reply.reply[reply.len - 6], 1); /* BADVERS: 16 */
		ck_assert_uint_eq(reply.reply[3] & 15, 0);
		octets[len - 5] = 0;
		ck_assert_int_eq(dispatch_octets(octets, len - 3, false, PATIENCE_NEW), DISPATCH_REPLY);
		ck_assert_uint_eq(reply.reply[3] & 15, RCODE_FORMERR);
		for (uint8_t opcode = 1; opcode < 16; opcode++) {
			dispatch(&(struct question){ .name = names[i], .opcode = opcode }, false,
				 PATIENCE_NEW);
			ck_assert_uint_eq(reply.reply[3] & 15, RCODE_NOTIMP);
		}
	}
	ck_assert_uint_eq(delivered.n, 0);
}
END_TEST

/* --- strangers --- */

/* What a stranger gets for these octets; its length, 0 for nothing. */
static size_t ask_as_stranger(const uint8_t *octets, size_t len)
{
	static uint8_t room[UDP_REPLY_OCTETS_MAX];
	const struct return_address from = { .socket = UDP_SOCKET };
	const struct arrival a = { .octets = octets, .len = len, .from = &from, .stranger = true };
	size_t reply_len;

	if (dispatch_query(&dispatcher, &a, room, sizeof(room), &reply_len) != DISPATCH_REPLY)
		return 0;
	reply.len = reply_len;
	memcpy(reply.reply, room, reply_len);
	return reply_len;
}

START_TEST(a_stranger_is_refused_whatever_is_asked)
{
	static const char *const names[] = { SHOP, FOREIGN, "none.service.local", "_status.service.local",
					     "version.bind" };

	start(_i % 2 == 0 ? ZONE_HEARD : ZONE_SILENT);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (int plain = 0; plain < 2; plain++) {
			const struct question q = { .name = names[i],
						    .type = (uint16_t)(_i < 2 ? 1 : 16),
						    .class = i == 4 ? 3 : 0,
						    .opcode = i == 0 && _i > 1 ? 4 : 0,
						    .plain = plain };
			uint8_t octets[CLIENT_QUERY_MAX];
			const size_t len = client_write_query(&q, octets);

			ck_assert_uint_le(ask_as_stranger(octets, len), len);
			ck_assert_str_eq(client_text(&reply), "REFUSED");
		}
	}
	ck_assert_uint_eq(delivered.n, 0);
	hold_retry(dispatcher.hold);
	ck_assert_uint_eq(n_again, 0);
}
END_TEST

/* RFC 7830: padding leaves room for the reason, and then for the whole of it. */
START_TEST(a_stranger_is_told_why_where_there_is_room)
{
	uint8_t octets[CLIENT_QUERY_MAX] = { 0 };
	const size_t len = client_write_query(&(struct question){ .name = SHOP }, octets);
	size_t last = len;

	start(ZONE_HEARD);
	for (uint16_t padding = 0; padding < 100; padding++) {
		const size_t padded = len + 4U + padding;

		put_u16(octets + len - 2, (uint16_t)(4 + padding));
		put_u16(octets + len, 12);
		put_u16(octets + len + 2, padding);
		const size_t got = ask_as_stranger(octets, padded);
		ck_assert_uint_le(got, padded);
		ck_assert_uint_ge(got, last);
		ck_assert_str_eq(client_text(&reply), padding < 2 ? "REFUSED" : "REFUSED ede 18");
		last = got;
	}
	ck_assert_uint_gt(last, len + 6);
}
END_TEST

/* Whoever forges the source of a packet must not gain by it. */
START_TEST(no_stranger_gets_more_octets_than_came)
{
	enum { ROUNDS = 300000 };
	uint8_t base[CLIENT_QUERY_MAX], octets[CLIENT_QUERY_MAX];
	const size_t base_len = client_write_query(&(struct question){ .name = SHOP }, base);
	unsigned n_answers = 0;
	uint32_t random = 4711;

	start(ZONE_HEARD);
	for (int i = 0; i < ROUNDS; i++) {
		size_t len = base_len;

		memcpy(octets, base, sizeof(octets));
		for (int flips = i % 6; flips > 0; flips--) {
			random = random * 1664525 + 1013904223;
			octets[(random >> 8) % base_len] = (uint8_t)(random >> 24);
		}
		if (i % 5 == 0)
			len = (random >> 16) % (base_len + 40);
		const size_t got = ask_as_stranger(octets, len);
		ck_assert_uint_le(got, len);
		n_answers += got > 0;
		if (got > 0)
			ck_assert_uint_eq(reply.reply[3] & 15, RCODE_REFUSED);
	}
	ck_assert_uint_gt(n_answers, ROUNDS / 4);
	ck_assert_uint_eq(delivered.n, 0);
}
END_TEST

START_TEST(what_is_met_is_counted)
{
	const struct question unknown = { .name = "none.service.local" };
	struct counters *c = counters_create(1);
	uint8_t octets[CLIENT_QUERY_MAX];
	const size_t len = client_write_query(&unknown, octets);

	start(ZONE_SILENT);
	dispatcher.counters = c;
	dispatcher.row = counters_row(c, 0);
	for (int i = 0; i < WAITING + 3; i++)
		dispatch(&unknown, false, PATIENCE_NEW);
	for (int i = 0; i < 5; i++)
		ask_as_stranger(octets, len);
	ask_as_stranger(octets, 11);
	octets[2] |= 0x80;
	dispatch_octets(octets, len, false, PATIENCE_NEW);
	ck_assert_uint_eq(counters_sum(c, COUNTER_HOLD_FULL), 3);
	ck_assert_uint_eq(counters_sum(c, COUNTER_REFUSED), 5);
	ck_assert_uint_eq(counters_sum(c, COUNTER_MALFORMED), 2);

	ck_assert_int_eq(dispatch(&(struct question){ .name = "_status.service.local", .type = 16 }, false,
				  PATIENCE_NEW),
			 DISPATCH_REPLY);
	ck_assert_msg(strstr(client_text(&reply),
			     "\"daemon refused=5 malformed=2 tcp-closed=0 no-descriptor=0 "
			     "hold-full=3 forward-full=0\"") != NULL,
		      "%s", client_text(&reply));
	counters_destroy(c);
}
END_TEST

/* --- ours --- */

START_TEST(own_names_are_answered_whatever_the_type)
{
	const char *const names[] = { "service.local", SHOP, "none.service.local",
				      "10-1-0-9.addr.service.local" };
	const char *const name = names[_i / 2];

	start(ZONE_HEARD);
	for (unsigned type = 1; type < 65536; type += type < 300 ? 1 : 97) {
		const struct question q = { .name = name, .type = (uint16_t)type };

		ck_assert_int_eq(dispatch(&q, _i % 2, PATIENCE_NEW), DISPATCH_REPLY);
	}
	ck_assert_uint_eq(delivered.n, 0);
}
END_TEST

START_TEST(own_names_are_answered_in_class_in_only)
{
	start(ZONE_HEARD);
	expect(&(struct question){ .name = SHOP }, "NOERROR aa; 2 A 10.1.0.1");
	expect(&(struct question){ .name = SHOP, .no_rd = true }, "NOERROR aa; 2 A 10.1.0.1");
	expect(&(struct question){ .name = SHOP, .class = 3 }, "REFUSED");
	expect(&(struct question){ .name = SHOP, .class = 4 }, "REFUSED ede 21");
	expect(&(struct question){ .name = SHOP, .class = 255 }, "REFUSED ede 21");
	expect(&(struct question){ .name = SHOP, .class = 0x8001 }, "REFUSED ede 21"); /* mDNS: unicast */
	expect(&(struct question){ .name = SHOP, .type = RRTYPE_AXFR }, "REFUSED ede 18");
	expect(&(struct question){ .name = SHOP, .type = RRTYPE_IXFR }, "REFUSED ede 18");
	ck_assert_uint_eq(delivered.n, 0);
}
END_TEST

START_TEST(chaos_tells_the_version)
{
	start(ZONE_HEARD);
	ck_assert_int_eq(dispatch(&(struct question){ .name = "version.bind", .type = 16, .class = 3 }, false,
				  PATIENCE_NEW),
			 DISPATCH_REPLY);
	ck_assert_msg(strstr(client_text(&reply), "NOERROR aa; 0 TXT \"phonebook ") != NULL, "%s",
		      client_text(&reply));
	expect(&(struct question){ .name = "hostname.bind", .type = 16, .class = 3 }, "REFUSED");
}
END_TEST

static const struct {
	uint16_t edns; /* 0: none */
	bool tcp;
	size_t limit;
} limits[] = {
	{ 0, false, 512 },
	{ 512, false, 512 },
	{ 100, false, 512 },
	{ 1232, false, 1232 },
	{ 4096, false, 4096 },
	{ 65535, false, UDP_REPLY_OCTETS_MAX },
	{ 0, true, DNS_MESSAGE_OCTETS_MAX },
	{ 512, true, DNS_MESSAGE_OCTETS_MAX },
};

START_TEST(a_reply_is_as_large_as_the_client_takes)
{
	const bool plain = limits[_i].edns == 0;
	uint8_t octets[CLIENT_QUERY_MAX];
	const size_t len = client_write_query(
		&(struct question){ .name = "crowd.service.local", .plain = plain }, octets);

	start(ZONE_HEARD);
	if (!plain)
		put_u16(octets + len - 8, limits[_i].edns);
	ck_assert_int_eq(dispatch_octets(octets, len, limits[_i].tcp, PATIENCE_NEW), DISPATCH_REPLY);
	ck_assert_uint_le(reply.len, limits[_i].limit);
	const bool cut = (reply.reply[2] & 2) != 0;
	ck_assert_int_eq(cut, !limits[_i].tcp && limits[_i].limit < 4800);
	if (cut)
		ck_assert_uint_gt(reply.len + 16, limits[_i].limit); /* as many as fit */
	else
		ck_assert_uint_eq(client_answers(&reply), CROWD);
}
END_TEST

/* --- not ours --- */

START_TEST(foreign_names_are_forwarded)
{
	start(ZONE_HEARD);
	for (unsigned tcp = 0; tcp < 2; tcp++) {
		for (uint16_t type = 1; type < 251; type++) {
			delivered.n = 0;
			ck_assert_int_eq(dispatch(&(struct question){ .name = FOREIGN, .type = type }, tcp,
						  PATIENCE_NEW),
					 DISPATCH_LATER);
			ck_assert_uint_eq(delivered.n, 1);
			ck_assert_int_eq(delivered.to.connection != NULL, tcp);
			ck_assert_int_eq(delivered.to.socket, UDP_SOCKET);
		}
	}
}
END_TEST

START_TEST(reverse_names_are_forwarded_unless_an_instance_is_there)
{
	start(ZONE_HEARD);
	expect(&(struct question){ .name = "1.0.1.10.in-addr.arpa", .type = RRTYPE_PTR },
	       "NOERROR aa; 2 PTR shop.service.local.");
	ck_assert_uint_eq(delivered.n, 0);
	ck_assert_int_eq(dispatch(&(struct question){ .name = "9.0.1.10.in-addr.arpa", .type = RRTYPE_PTR },
				  false, PATIENCE_NEW),
			 DISPATCH_LATER);
	ck_assert_uint_eq(delivered.n, 1);
}
END_TEST

START_TEST(foreign_names_are_not_forwarded_for_everybody)
{
	start(ZONE_HEARD);
	expect(&(struct question){ .name = FOREIGN, .no_rd = true }, "REFUSED ede 20");
	expect(&(struct question){ .name = FOREIGN, .type = RRTYPE_AXFR }, "REFUSED ede 18");
	expect(&(struct question){ .name = FOREIGN, .type = RRTYPE_IXFR, .no_rd = true }, "REFUSED ede 18");
	expect(&(struct question){ .name = FOREIGN, .class = 4 }, "REFUSED ede 21");
	expect(&(struct question){ .name = FOREIGN, .class = 3 }, "REFUSED");
	ck_assert_uint_eq(delivered.n, 0);
}
END_TEST

/* --- not yet --- */

static const struct {
	enum zone_data data;
	enum patience patience;
	const char *unknown; /* NULL: it waits */
} patiences[] = {
	{ ZONE_SILENT, PATIENCE_NEW, NULL },
	{ ZONE_SILENT, PATIENCE_HELD, NULL },
	{ ZONE_SILENT, PATIENCE_USED_UP, "SERVFAIL ede 14" },
	{ ZONE_PARTIAL, PATIENCE_NEW, NULL },
	{ ZONE_PARTIAL, PATIENCE_HELD, NULL },
	{ ZONE_PARTIAL, PATIENCE_USED_UP, "NXDOMAIN aa" },
	{ ZONE_HEARD, PATIENCE_NEW, "NXDOMAIN aa" },
	{ ZONE_HEARD, PATIENCE_HELD, "NXDOMAIN aa" },
	{ ZONE_HEARD, PATIENCE_USED_UP, "NXDOMAIN aa" },
};

START_TEST(unknown_names_wait_while_there_is_hope)
{
	const enum patience patience = patiences[_i].patience;
	const struct question unknown = { .name = "none.service.local" };
	const bool waits = patiences[_i].unknown == NULL;

	start(patiences[_i].data);
	ck_assert_int_eq(dispatch(&unknown, false, patience), waits ? DISPATCH_HELD : DISPATCH_REPLY);
	if (!waits)
		ck_assert_str_eq(client_text(&reply), patiences[_i].unknown);
	/* Who waits already is not taken in again. */
	hold_retry(dispatcher.hold);
	ck_assert_uint_eq(n_again, waits && patience == PATIENCE_NEW);
	ck_assert_int_eq(last_may_wait, waits && patience == PATIENCE_NEW);

	/* What is known is said at once. */
	ck_assert_int_eq(dispatch(&(struct question){ .name = SHOP }, false, patience), DISPATCH_REPLY);
	ck_assert_str_eq(client_text(&reply), "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_uint_eq(delivered.n, 0);
}
END_TEST

START_TEST(without_room_to_wait_the_answer_is_what_it_is)
{
	const struct question unknown = { .name = "none.service.local" };

	start(ZONE_SILENT);
	for (int i = 0; i < WAITING; i++)
		ck_assert_int_eq(dispatch(&unknown, false, PATIENCE_NEW), DISPATCH_HELD);
	expect(&unknown, "SERVFAIL ede 14");
}
END_TEST

/* RFC 7830: padding is how a query gets that long. */
START_TEST(a_query_too_long_to_be_kept_is_answered)
{
	uint8_t octets[1000] = { 0 };
	const size_t len = client_write_query(&(struct question){ .name = "none.service.local" }, octets);
	const size_t padding = sizeof(octets) - len;

	start(ZONE_SILENT);
	put_u16(octets + len - 2, (uint16_t)padding);
	put_u16(octets + len, 12);
	put_u16(octets + len + 2, (uint16_t)(padding - 4));
	ck_assert_int_eq(dispatch_octets(octets, sizeof(octets), false, PATIENCE_NEW), DISPATCH_REPLY);
	ck_assert_str_eq(client_text(&reply), "SERVFAIL ede 14");
}
END_TEST

START_TEST(foreign_names_do_not_wait_for_registries)
{
	start(ZONE_SILENT);
	ck_assert_int_eq(dispatch(&(struct question){ .name = FOREIGN }, false, PATIENCE_NEW),
			 DISPATCH_LATER);
	ck_assert_uint_eq(delivered.n, 1);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tcase(suite, tc);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("dispatch");
	TCase *bad = add_case(suite, "bad");
	TCase *strangers = add_case(suite, "strangers");
	TCase *ours = add_case(suite, "ours");
	TCase *foreign = add_case(suite, "foreign");
	TCase *waiting = add_case(suite, "waiting");

	tcase_add_test(bad, what_is_no_query_is_dropped);
	tcase_add_test(bad, a_bad_query_gets_its_error);

	tcase_add_loop_test(strangers, a_stranger_is_refused_whatever_is_asked, 0, 4);
	tcase_add_test(strangers, a_stranger_is_told_why_where_there_is_room);
	tcase_add_test(strangers, no_stranger_gets_more_octets_than_came);
	tcase_add_test(strangers, what_is_met_is_counted);

	tcase_add_loop_test(ours, own_names_are_answered_whatever_the_type, 0, 8);
	tcase_add_test(ours, own_names_are_answered_in_class_in_only);
	tcase_add_test(ours, chaos_tells_the_version);
	tcase_add_loop_test(ours, a_reply_is_as_large_as_the_client_takes, 0, COUNT(limits));

	tcase_add_test(foreign, foreign_names_are_forwarded);
	tcase_add_test(foreign, reverse_names_are_forwarded_unless_an_instance_is_there);
	tcase_add_test(foreign, foreign_names_are_not_forwarded_for_everybody);

	tcase_add_loop_test(waiting, unknown_names_wait_while_there_is_hope, 0, COUNT(patiences));
	tcase_add_test(waiting, without_room_to_wait_the_answer_is_what_it_is);
	tcase_add_test(waiting, a_query_too_long_to_be_kept_is_answered);
	tcase_add_test(waiting, foreign_names_do_not_wait_for_registries);
	return harness_run(suite);
}
