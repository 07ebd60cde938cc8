/* SPDX-License-Identifier: BSD-2-Clause */
/* Several registries and several zones: who decides, what each zone shows, and what is said of old data. */
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fake_registry.h"
#include "harness.h"
#include "planes.h"

static struct planes *planes;
static struct fake_registry *registries[2];

static void setup(void)
{
	for (int i = 0; i < 2; i++)
		registries[i] = fake_registry_start(&(struct fake_registry_options){ 0 });
}

static void teardown(void)
{
	planes_stop(planes);
	for (int i = 0; i < 2; i++)
		fake_registry_stop(registries[i]);
}

/* Both asked every 100 ms, with these zones. */
static void start(const char *zones)
{
	planes = planes_start("%s http \"one\" { url = \"%s\" interval = 100ms jitter = 0 }\n"
			      "http \"two\" { url = \"%s\" interval = 100ms jitter = 0 }\n",
			      zones, fake_registry_url(registries[0]), fake_registry_url(registries[1]));
	ck_assert(planes_are_ready(planes));
}

/* --- merging --- */

#define BOTH_ZONES "zone \"first.local\" { merge = first } zone \"union.local\" { merge = union }"

START_TEST(first_and_union_see_the_same_registries_differently)
{
	fake_registry_body(registries[0],
			   "{\"shop\":[\"10.1.0.1:80\"],\"left\":[\"10.1.0.2:80\"],\"idle\":[]}");
	fake_registry_body(registries[1], "{\"shop\":[\"10.2.0.1:80\",\"10.1.0.1:80\"],"
					  "\"right\":[\"10.2.0.2:80\"],\"idle\":[\"10.2.0.3:80\"]}");
	start(BOTH_ZONES);
	planes_await(planes, "left.first.local", "NOERROR aa; 2 A 10.1.0.2");
	planes_await(planes, "right.first.local", "NOERROR aa; 2 A 10.2.0.2");

	planes_expect(planes, "shop.first.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_expect(planes, "shop.union.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.2.0.1");
	planes_expect(planes, "left.union.local", "NOERROR aa; 2 A 10.1.0.2");
	planes_expect(planes, "right.union.local", "NOERROR aa; 2 A 10.2.0.2");
	planes_expect(planes, "idle.first.local", "NOERROR aa");
	planes_expect(planes, "idle.union.local", "NOERROR aa; 2 A 10.2.0.3");
	planes_expect(planes, "none.first.local", "NXDOMAIN aa");
	planes_expect(planes, "none.union.local", "NXDOMAIN aa");
}
END_TEST

START_TEST(when_the_first_forgets_a_service_the_second_decides)
{
	fake_registry_body(registries[0], "{\"shop\":[\"10.1.0.1:80\"],\"other\":[]}");
	fake_registry_body(registries[1], "{\"shop\":[\"10.2.0.1:80\"]}");
	start("zone \"first.local\" { brake = 0 } zone \"union.local\" { merge = union brake = 0 }");
	planes_await(planes, "shop.first.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_await(planes, "shop.union.local", "NOERROR aa; 2 A 10.1.0.1; 2 A 10.2.0.1");
	fake_registry_body(registries[0], "{\"other\":[]}");
	planes_await(planes, "shop.first.local", "NOERROR aa; 2 A 10.2.0.1");
	planes_expect(planes, "shop.union.local", "NOERROR aa; 2 A 10.2.0.1");
	fake_registry_body(registries[0], "{\"shop\":[]}");
	planes_await(planes, "shop.first.local", "NOERROR aa");
	planes_expect(planes, "shop.union.local", "NOERROR aa; 2 A 10.2.0.1");
	fake_registry_body(registries[1], "[]");
	planes_await(planes, "shop.union.local", "NOERROR aa");
}
END_TEST

START_TEST(a_zone_has_the_registries_it_names_in_their_order)
{
	fake_registry_body(registries[0], "{\"shop\":[\"10.1.0.1:80\"],\"left\":[\"10.1.0.2:80\"]}");
	fake_registry_body(registries[1], "{\"shop\":[\"10.2.0.1:80\"],\"right\":[\"10.2.0.2:80\"]}");
	start("zone \"a.local\" { registries = { \"two\", \"one\" } }"
	      "zone \"b.local\" { registries = { \"two\" } }");
	planes_await(planes, "left.a.local", "NOERROR aa; 2 A 10.1.0.2");
	planes_await(planes, "right.a.local", "NOERROR aa; 2 A 10.2.0.2");
	planes_expect(planes, "shop.a.local", "NOERROR aa; 2 A 10.2.0.1");
	planes_expect(planes, "shop.b.local", "NOERROR aa; 2 A 10.2.0.1");
	planes_expect(planes, "left.b.local", "NXDOMAIN aa");
	planes_expect(planes, "_status.b.local", "NOERROR aa");
	struct client *c = client_udp(planes_port(planes));
	client_ask(c, &(struct question){ .name = "_status.a.local", .type = LDNS_RR_TYPE_TXT });
	ck_assert_uint_eq(client_answers(c), 4); /* two registries, the zone and the daemon */
	client_ask(c, &(struct question){ .name = "_status.b.local", .type = LDNS_RR_TYPE_TXT });
	ck_assert_uint_eq(client_answers(c), 3);
	client_close(c);
}
END_TEST

START_TEST(a_zone_waits_for_its_own_registries_only)
{
	fake_registry_answer(registries[0], &(struct fake_answer){ .hang = true });
	fake_registry_body(registries[1], "{\"shop\":[\"10.2.0.1:80\"]}");
	planes = planes_start("zone \"a.local\" { registries = { \"one\" } }"
			      "zone \"b.local\" { registries = { \"two\" } }"
			      "http \"one\" { url = \"%s\" timeout = 1m } http \"two\" { url = \"%s\" }",
			      fake_registry_url(registries[0]), fake_registry_url(registries[1]));
	planes_await(planes, "shop.b.local", "NOERROR aa; 2 A 10.2.0.1");
	struct client *c = client_udp(planes_port(planes));
	client_send(c, &(struct question){ .name = "none.a.local", .id = 1 });
	client_send(c, &(struct question){ .name = "none.b.local", .id = 2 });
	ck_assert(client_read(c, CLIENT_LIMIT_MS));
	ck_assert_uint_eq(client_id(c), 2);
	ck_assert_str_eq(client_text(c), "NXDOMAIN aa");
	ck_assert(client_read(c, CLIENT_LIMIT_MS));
	ck_assert_str_eq(client_text(c), "SERVFAIL ede 14");
	client_close(c);
}
END_TEST

/* --- zones in zones --- */

/* The zone that answers in the negative, and for how long: owner and TTL of the SOA. */
static const char *soa_of(const char *name, uint16_t type)
{
	static char text[256];
	struct client *c = client_udp(planes_port(planes));
	ldns_pkt *packet;

	client_ask(c, &(struct question){ .name = name, .type = type });
	ck_assert_int_eq(ldns_wire2pkt(&packet, c->reply, c->len), LDNS_STATUS_OK);
	ck_assert_uint_eq(ldns_pkt_nscount(packet), 1);
	const ldns_rr *soa = ldns_rr_list_rr(ldns_pkt_authority(packet), 0);
	char *owner = ldns_rdf2str(ldns_rr_owner(soa));
	snprintf(text, sizeof(text), "%s %u", owner, ldns_rr_ttl(soa));
	free(owner);
	ldns_pkt_free(packet);
	client_close(c);
	return text;
}

START_TEST(the_longest_zone_answers)
{
	fake_registry_body(registries[0], "{\"shop\":[\"10.1.0.1:80\"],\"cart.service\":[\"10.1.0.2:80\"]}");
	fake_registry_body(registries[1], "{\"cart\":[\"10.2.0.2:80\"]}");
	start("zone \"local\" { registries = { \"one\" } negative-ttl = 3s }"
	      "zone \"service.local\" { registries = { \"two\" } }");
	planes_await(planes, "shop.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_await(planes, "cart.service.local", "NOERROR aa; 2 A 10.2.0.2");
	planes_expect(planes, "shop.service.local", "NXDOMAIN aa");
	ck_assert_str_eq(soa_of("shop.service.local", LDNS_RR_TYPE_A), "service.local. 1");
	ck_assert_str_eq(soa_of("none.local", LDNS_RR_TYPE_A), "local. 3");
	ck_assert_str_eq(soa_of("service.local", LDNS_RR_TYPE_A), "service.local. 1");
	planes_expect(planes, "cart.local", "NXDOMAIN aa");
	planes_expect(planes, "local", "NOERROR aa");
	planes_expect(planes, "example", "REFUSED ede 20");
}
END_TEST

/* --- single services --- */

START_TEST(a_service_has_its_own_options)
{
	struct client *c;

	fake_registry_body(registries[0], "{\"shop\":[\"10.1.0.1:80\",\"10.1.0.2:80\",\"10.1.0.3:80\"],"
					  "\"cart\":[\"10.1.0.1:80\",\"10.1.0.2:80\",\"10.1.0.3:80\"]}");
	fake_registry_body(registries[1], "[]");
	start("zone \"service.local\" { ttl = 5s }"
	      "service \"shop.service.local\" { ttl = 1s address-limit = 1 negative-ttl = 4s }");
	planes_await(planes, "cart.service.local", "NOERROR aa; 5 A 10.1.0.1; 5 A 10.1.0.2; 5 A 10.1.0.3");
	c = client_udp(planes_port(planes));
	unsigned seen = 0;
	for (int i = 0; i < 200; i++) {
		const char *text = client_ask(c, &(struct question){ .name = "shop.service.local" });

		ck_assert_uint_eq(client_answers(c), 1);
		ck_assert(strncmp(text, "NOERROR aa; 1 A 10.1.0.", 23) == 0);
		seen |= 1U << (text[23] - '0');
	}
	ck_assert_uint_eq(seen, 14); /* all of them, in turn */
	client_close(c);
	ck_assert_str_eq(soa_of("shop.service.local", LDNS_RR_TYPE_AAAA), "service.local. 4");
	ck_assert_str_eq(soa_of("cart.service.local", LDNS_RR_TYPE_AAAA), "service.local. 1");
}
END_TEST

/* --- old data --- */

#define STALE_ZONE "zone \"service.local\" { stale-after = 1s }"

START_TEST(old_data_is_answered_and_said_to_be_old)
{
	fake_registry_body(registries[0], "{\"shop\":[\"10.1.0.1:80\"],\"idle\":[]}");
	fake_registry_body(registries[1], "{\"cart\":[\"10.2.0.1:80\"]}");
	start(STALE_ZONE "static \"fixed\" { instance \"10.9.0.1:80\" { service = \"legacy\" } }");
	planes_await(planes, "shop.service.local", "NOERROR aa; 2 A 10.1.0.1");
	planes_await(planes, "cart.service.local", "NOERROR aa; 2 A 10.2.0.1");

	fake_registry_answer(registries[0], &(struct fake_answer){ .hang = true });
	planes_await(planes, "shop.service.local", "NOERROR aa ede 3; 1 A 10.1.0.1");
	planes_expect(planes, "idle.service.local", "NOERROR aa ede 3");
	planes_expect(planes, "none.service.local", "NXDOMAIN aa ede 19");
	/* What another registry said is not old, and what is written in the configuration never gets old. */
	planes_expect(planes, "cart.service.local", "NOERROR aa; 2 A 10.2.0.1");
	planes_expect(planes, "legacy.service.local", "NOERROR aa; 2 A 10.9.0.1");

	fake_registry_body(registries[0], "{\"shop\":[\"10.1.0.2:80\"]}");
	planes_await(planes, "shop.service.local", "NOERROR aa; 2 A 10.1.0.2");
	planes_expect(planes, "none.service.local", "NXDOMAIN aa");
}
END_TEST

START_TEST(the_text_of_a_stale_answer_names_the_registry)
{
	static const char said[] = "registry one last heard ";

	fake_registry_body(registries[0], "{\"shop\":[\"10.1.0.1:80\"]}");
	fake_registry_body(registries[1], "[]");
	start(STALE_ZONE);
	planes_await(planes, "shop.service.local", "NOERROR aa; 2 A 10.1.0.1");
	fake_registry_answer(registries[0], &(struct fake_answer){ .status = 500 });
	planes_await(planes, "shop.service.local", "NOERROR aa ede 3; 1 A 10.1.0.1");
	struct client *c = client_udp(planes_port(planes));
	client_ask(c, &(struct question){ .name = "shop.service.local" });
	ck_assert(memmem(c->reply, c->len, said, strlen(said)) != NULL);
	/* Who does not speak EDNS gets no extended error, but the short TTL all the same. */
	ck_assert_str_eq(client_ask(c, &(struct question){ .name = "shop.service.local", .plain = true }),
			 "NOERROR aa; 1 A 10.1.0.1");
	client_close(c);
}
END_TEST

/* --- several threads --- */

START_TEST(every_thread_sees_every_change)
{
	enum { CLIENTS = 24 };
	static const char *const good[] = { "NOERROR aa; 2 A 10.1.0.1", "NOERROR aa; 2 A 10.1.0.2",
					    "NOERROR aa; 2 A 10.1.0.3" };
	static const char *const bodies[] = { "{\"shop\":[\"10.1.0.1:80\"]}", "{\"shop\":[\"10.1.0.2:80\"]}",
					      "{\"shop\":[\"10.1.0.3:80\"]}" };
	struct stream *streams[4];
	struct client *clients[CLIENTS];

	fake_registry_body(registries[0], bodies[0]);
	fake_registry_body(registries[1], "[]");
	start("threads = 3\n");
	planes_await(planes, "shop.service.local", good[0]);
	for (int i = 0; i < CLIENTS; i++) /* other source ports: the kernel spreads them over the threads */
		clients[i] = i % 2 == 0 ? client_udp(planes_port(planes)) : client_tcp(planes_port(planes));
	for (int i = 0; i < 4; i++)
		streams[i] = stream_start(planes_port(planes), i % 2 == 0, "shop.service.local", good, 3);
	for (int change = 1; change < 12; change++) {
		fake_registry_body(registries[0], bodies[change % 3]);
		planes_await(planes, "shop.service.local", good[change % 3]);
	}
	fake_registry_body(registries[0], "{\"shop\":[\"10.1.0.3:80\"],\"last\":[\"10.1.0.4:80\"]}");
	for (int i = 0; i < CLIENTS; i++) {
		const struct question q = { .name = "last.service.local", .id = (uint16_t)i };

		while (strcmp(client_ask(clients[i], &q), "NXDOMAIN aa") == 0)
			continue;
		ck_assert_str_eq(client_text(clients[i]), "NOERROR aa; 2 A 10.1.0.4");
	}
	for (int i = 0; i < 4; i++)
		ck_assert_uint_gt(stream_stop(streams[i]), 0);
	for (int i = 0; i < CLIENTS; i++)
		client_close(clients[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("zones");
	TCase *tc = tcase_create("zones");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	tcase_add_test(tc, first_and_union_see_the_same_registries_differently);
	tcase_add_test(tc, when_the_first_forgets_a_service_the_second_decides);
	tcase_add_test(tc, a_zone_has_the_registries_it_names_in_their_order);
	tcase_add_test(tc, a_zone_waits_for_its_own_registries_only);
	tcase_add_test(tc, the_longest_zone_answers);
	tcase_add_test(tc, a_service_has_its_own_options);
	tcase_add_test(tc, old_data_is_answered_and_said_to_be_old);
	tcase_add_test(tc, the_text_of_a_stale_answer_names_the_registry);
	tcase_add_test(tc, every_thread_sees_every_change);
	return harness_run(suite);
}
