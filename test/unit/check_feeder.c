/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/feeder.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"
#include "config/config.h"
#include "fake_dns.h"
#include "fake_registry.h"
#include "harness.h"
#include "model/table.h"
#include "planes.h"
#include "wire/message.h"
#include "zone/answer.h"

#define SHOP               "shop.service.local"
#define STATIC(address)    "static \"fixed\" { instance \"" address ":80\" { service = \"shop\" } }\n"
#define SHOP_BODY(address) "{\"shop\":[\"" address ":80\"]}"

enum { LIMIT_MS = 10000, INBOXES = 2 };

static struct inbox inboxes[INBOXES];
static struct feeder *feeder;
static struct answerer *answerer;
static struct fake_registry *registry;
static char *dir;
static atomic_uint n_ready;

static void setup(void)
{
	for (int i = 0; i < INBOXES; i++)
		ck_assert_int_eq(inbox_init(&inboxes[i]), 0);
	answerer = answerer_create();
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	dir = harness_make_dir();
	n_ready = 0;
	signal(SIGPIPE, SIG_IGN);
}

static void teardown(void)
{
	feeder_destroy(feeder);
	for (int i = 0; i < INBOXES; i++)
		inbox_finish(&inboxes[i]);
	answerer_destroy(answerer);
	fake_registry_stop(registry);
	harness_remove_dir(dir);
}

__attribute__((format(printf, 1, 0))) static struct feed_options *read_options(const char *format,
									       va_list values)
{
	char text[8192];

	ck_assert_int_lt(vsnprintf(text, sizeof(text), format, values), (int)sizeof(text));
	struct config *config = planes_read_config(text);
	struct feed_options *feed = config->feed;
	config->feed = NULL;
	config_destroy(config);
	return feed;
}

__attribute__((format(printf, 1, 2))) static void create(const char *format, ...)
{
	struct inbox *pointers[INBOXES] = { &inboxes[0], &inboxes[1] };
	va_list values;

	va_start(values, format);
	ck_assert_int_eq(feeder_create(read_options(format, values), pointers, INBOXES, &feeder), 0);
	va_end(values);
}

__attribute__((format(printf, 1, 2))) static void reload(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	feeder_reload(feeder, read_options(format, values));
	va_end(values);
}

static void on_ready(void *context)
{
	ck_assert_ptr_eq(context, &n_ready);
	n_ready++;
}

static void start(void)
{
	ck_assert_int_eq(feeder_start(feeder, on_ready, &n_ready), 0);
}

/* What this table says now, without waiting for more. */
static const char *answer(const struct table *table, const char *name, uint16_t type)
{
	static struct client reply; /* only to be judged: it is connected to nobody */
	const struct question question = { .name = name, .type = type };
	uint8_t octets[CLIENT_QUERY_MAX];
	struct query q;

	ck_assert_int_eq(message_read_query(octets, client_write_query(&question, octets), &q), VERDICT_OK);
	const struct answer_request r = { .table = table,
					  .query = &q,
					  .now_ms = clock_ms(),
					  .reply = reply.reply,
					  .limit = sizeof(reply.reply) };
	if (answer_write(answerer, &r, &reply.len) != ANSWER_WRITTEN)
		return "not ours";
	return client_text(&reply);
}

/* As a serving thread: takes the newest table, and so acknowledges it. */
static const char *look(int inbox, const char *name)
{
	const struct table *table = inbox_take(&inboxes[inbox]);

	ck_assert_ptr_nonnull(table);
	return answer(table, name, RRTYPE_A);
}

static uint64_t generation(int inbox)
{
	return inbox_take(&inboxes[inbox])->generation;
}

struct wanted {
	int inbox;
	const char *name, *text;
};

static bool is_answered(void *context)
{
	const struct wanted *w = context;

	return strcmp(look(w->inbox, w->name), w->text) == 0;
}

static void await(int inbox, const char *name, const char *text)
{
	struct wanted w = { inbox, name, text };

	ck_assert_msg(harness_wait(is_answered, &w, LIMIT_MS), "%s is %s", name, look(inbox, name));
}

static bool is_ready(void *unused)
{
	(void)unused;
	return n_ready > 0;
}

/* --- tables --- */

START_TEST(a_table_without_data_is_there_before_the_start)
{
	create(STATIC("10.1.0.1"));
	for (int i = 0; i < INBOXES; i++) {
		ck_assert_str_eq(look(i, SHOP), "SERVFAIL ede 14");
		ck_assert_str_eq(look(i, "service.local"), "NOERROR aa");
		ck_assert_str_eq(look(i, "ns.service.local"), "NOERROR aa; 2 A 127.0.0.1");
		ck_assert_str_eq(look(i, "example"), "not ours");
	}
	ck_assert_uint_eq(n_ready, 0);
}
END_TEST

START_TEST(data_comes_into_every_inbox)
{
	create(STATIC("10.1.0.1"));
	const uint64_t first = generation(0);
	start();
	for (int i = 0; i < INBOXES; i++) {
		await(i, SHOP, "NOERROR aa; 2 A 10.1.0.1");
		ck_assert_str_eq(look(i, "none.service.local"), "NXDOMAIN aa");
		ck_assert_uint_gt(generation(i), first);
	}
}
END_TEST

START_TEST(a_reader_that_sleeps_is_woken)
{
	uint64_t count;

	create(STATIC("10.1.0.1"));
	inbox_drain(&inboxes[1]);
	ck_assert_int_lt(read(inboxes[1].wakeup, &count, sizeof(count)), 0);
	start();
	await(0, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_int_eq(read(inboxes[1].wakeup, &count, sizeof(count)), sizeof(count));
}
END_TEST

START_TEST(rounds_without_news_make_no_table)
{
	fake_registry_body(registry, SHOP_BODY("10.1.0.1"));
	create("http \"dc1\" { url = \"%s\" interval = 100ms jitter = 0 }", fake_registry_url(registry));
	start();
	await(0, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	const uint64_t before = generation(0);
	ck_assert(fake_registry_wait(registry, fake_registry_requests(registry) + 5, LIMIT_MS));
	ck_assert_uint_eq(generation(0), before);
	fake_registry_body(registry, SHOP_BODY("10.1.0.2"));
	await(0, SHOP, "NOERROR aa; 2 A 10.1.0.2");
	ck_assert_uint_eq(generation(0), before + 1);
}
END_TEST

START_TEST(registries_heard_together_make_one_table)
{
	char text[4000];
	size_t len = 0;

	for (int i = 0; i < 20; i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len,
			"static \"r%d\" { instance \"10.1.0.%d:80\" { service = \"s%d\" } }\n", i, i + 1, i);
	create("%s", text);
	const uint64_t first = generation(0);
	start();
	await(0, "s19.service.local", "NOERROR aa; 2 A 10.1.0.20");
	await(0, "s0.service.local", "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_uint_le(generation(0), first + 3);
}
END_TEST

/* --- ready --- */

START_TEST(it_is_ready_when_every_zone_can_answer)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	create("zone \"a.local\" { registries = { \"fixed\" } }"
	       "zone \"b.local\" { registries = { \"dc1\" } }" STATIC(
		       "10.1.0.1") "http \"dc1\" { url = \"%s\" interval = 100ms timeout = 300ms }",
	       fake_registry_url(registry));
	start();
	await(0, "shop.a.local", "NOERROR aa; 2 A 10.1.0.1");
	ck_assert(fake_registry_wait(registry, 1, LIMIT_MS));
	ck_assert_uint_eq(n_ready, 0);
	fake_registry_body(registry, SHOP_BODY("10.1.0.2"));
	ck_assert(harness_wait(is_ready, NULL, LIMIT_MS)); /* with the failure, or with the data behind it */
	await(0, "shop.b.local", "NOERROR aa; 2 A 10.1.0.2");
	ck_assert_uint_eq(n_ready, 1);
}
END_TEST

START_TEST(it_is_ready_when_all_have_failed)
{
	create("http \"dc1\" { url = \"%s\" } file \"local\" { path = \"%s/none.json\" }",
	       fake_registry_url(registry), dir);
	start();
	ck_assert(harness_wait(is_ready, NULL, LIMIT_MS));
	ck_assert_str_eq(look(0, SHOP), "SERVFAIL ede 14");
	ck_assert_uint_eq(n_ready, 1);
}
END_TEST

START_TEST(one_registry_that_speaks_is_enough)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	create("http \"dc1\" { url = \"%s\" timeout = 1m }" STATIC("10.1.0.1"), fake_registry_url(registry));
	start();
	ck_assert(harness_wait(is_ready, NULL, LIMIT_MS));
	ck_assert_str_eq(look(0, SHOP), "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

START_TEST(it_does_not_wait_for_ever_to_be_ready)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	create("http \"dc1\" { url = \"%s\" timeout = 1m }", fake_registry_url(registry));
	const uint64_t start_ms = clock_ms();
	start();
	ck_assert(harness_wait(is_ready, NULL, LIMIT_MS));
	ck_assert_uint_ge(clock_ms() - start_ms, 4900);
	ck_assert_str_eq(look(0, SHOP), "SERVFAIL ede 14");
	fake_registry_body(registry, SHOP_BODY("10.1.0.1"));
	reload("http \"dc1\" { url = \"%s/\" }", fake_registry_url(registry));
	await(0, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_uint_eq(n_ready, 1);
}
END_TEST

/* --- what is read is not freed --- */

#define FILE_REGISTRY "file \"local\" { path = \"%s/*.json\" interval = 29s }"

static const char *say(int i)
{
	static char text[64];
	char body[64];

	snprintf(body, sizeof(body), "{\"shop\":[\"10.2.0.%d:80\"],\"s%d\":[]}", i, i);
	harness_replace_file(dir, "services.json", body);
	snprintf(text, sizeof(text), "NOERROR aa; 2 A 10.2.0.%d", i);
	return text;
}

START_TEST(a_table_stays_while_somebody_reads_it)
{
	harness_write_file(dir, "services.json", SHOP_BODY("10.1.0.1"));
	create(FILE_REGISTRY, dir);
	start();
	await(0, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	const struct table *old = inbox_take(&inboxes[0]);
	for (int i = 1; i <= 20; i++)
		await(1, SHOP, say(i));
	ck_assert_str_eq(answer(old, SHOP, RRTYPE_A), "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_str_eq(answer(old, "s20.service.local", RRTYPE_A), "NXDOMAIN aa");
	ck_assert_str_eq(look(0, SHOP), "NOERROR aa; 2 A 10.2.0.20");
	await(1, SHOP, say(21));
	await(0, SHOP, "NOERROR aa; 2 A 10.2.0.21");
}
END_TEST

/* More reloads than are kept for a reader that sleeps: the rest waits for it. */
START_TEST(a_table_stays_over_reloads)
{
	char dc1[200];

	/* The last of the eight goes on asking while the ninth waits. */
	fake_registry_body(registry, "[]");
	snprintf(dc1, sizeof(dc1), "http \"dc1\" { url = \"%s\" interval = 100ms jitter = 0 }",
		 fake_registry_url(registry));
	create("zone \"service.local\" { ttl = 30s }" STATIC("10.1.0.1") "%s", dc1);
	start();
	await(0, SHOP, "NOERROR aa; 30 A 10.1.0.1");
	const struct table *old = inbox_take(&inboxes[0]);
	for (int ttl = 1; ttl <= 8; ttl++) {
		char text[64];

		reload("zone \"service.local\" { ttl = %ds }" STATIC("10.1.0.1") "%s", ttl, dc1);
		snprintf(text, sizeof(text), "NOERROR aa; %d A 10.1.0.1", ttl);
		await(1, SHOP, text);
	}
	for (int ttl = 9; ttl < 20; ttl++)
		reload("zone \"service.local\" { ttl = %ds }" STATIC("10.1.0.1") "%s", ttl, dc1);
	/* Longer than it takes until what is old is looked at. */
	ck_assert(fake_registry_wait(registry, fake_registry_requests(registry) + 4, LIMIT_MS));
	generation(1);
	ck_assert_str_eq(answer(old, SHOP, RRTYPE_A), "NOERROR aa; 30 A 10.1.0.1");
	ck_assert_str_eq(answer(old, "_status.service.local", RRTYPE_A), "NOERROR aa");
	await(0, SHOP, "NOERROR aa; 19 A 10.1.0.1");
	await(1, SHOP, "NOERROR aa; 19 A 10.1.0.1");
}
END_TEST

/* --- reloads --- */

START_TEST(generations_grow_over_reloads)
{
	uint64_t last;

	create(STATIC("10.1.0.1"));
	start();
	await(0, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	last = generation(0);
	for (int i = 0; i < 10; i++) {
		reload(i % 2 == 0 ? STATIC("10.1.0.2") : STATIC("10.1.0.3"));
		await(0, SHOP, i % 2 == 0 ? "NOERROR aa; 2 A 10.1.0.2" : "NOERROR aa; 2 A 10.1.0.3");
		ck_assert_uint_gt(generation(0), last);
		last = generation(0);
		generation(1);
	}
}
END_TEST

START_TEST(there_is_no_gap_between_two_configurations)
{
	fake_registry_body(registry, SHOP_BODY("10.1.0.1"));
	create("http \"dc1\" { url = \"%s\" }", fake_registry_url(registry));
	start();
	await(0, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	for (int i = 0; i < 5; i++) {
		const uint64_t before = generation(0);

		reload("zone \"service.local\" { ttl = %ds } http \"dc1\" { url = \"%s/%d\" }", i + 3,
		       fake_registry_url(registry), i);
		while (generation(0) == before)
			generation(1);
		ck_assert(strncmp(look(0, SHOP), "NOERROR aa; ", 12) == 0);
	}
	await(0, SHOP, "NOERROR aa; 7 A 10.1.0.1");
}
END_TEST

START_TEST(the_last_of_many_reloads_holds)
{
	create(STATIC("10.1.0.1"));
	start();
	for (int i = 0; i < 50; i++)
		reload("zone \"service.local\" { ttl = %ds }" STATIC("10.1.0.1"), i % 30);
	generation(0);
	generation(1);
	await(0, SHOP, "NOERROR aa; 19 A 10.1.0.1");
	await(1, SHOP, "NOERROR aa; 19 A 10.1.0.1");
}
END_TEST

/* --- host names --- */

START_TEST(instances_known_by_host_name_are_looked_up)
{
	struct fake_dns *dns = fake_dns_start();

	fake_dns_add(dns, "api.corp", "192.0.2.1", 60);
	fake_dns_add(dns, "api.corp", "2001:db8::1", 60);
	fake_dns_add(dns, "mail.corp", "192.0.2.2", 60);
	create("bootstrap = { \"127.0.0.1:%u\" }\n"
	       "static \"fixed\" { instance \"api.corp:80\" { service = \"shop\" }"
	       "instance \"10.1.0.1:80\" { service = \"shop\" } instance \"gone.corp:80\" { service = \"gone\" } }",
	       fake_dns_port(dns));
	start();
	await(0, SHOP, "NOERROR aa; 2 A 10.1.0.1; 2 A 192.0.2.1");
	ck_assert_str_eq(answer(inbox_take(&inboxes[0]), SHOP, RRTYPE_AAAA),
			 "NOERROR aa; 2 AAAA 2001:db8::1");
	await(0, "gone.service.local", "NOERROR aa");

	reload("bootstrap = { \"127.0.0.1:%u\" }\n"
	       "static \"fixed\" { instance \"mail.corp:80\" { service = \"shop\" } }",
	       fake_dns_port(dns));
	await(0, SHOP, "NOERROR aa; 2 A 192.0.2.2");
	feeder_destroy(feeder);
	feeder = NULL;
	fake_dns_stop(dns);
}
END_TEST

START_TEST(a_bootstrap_server_given_later_is_asked_at_once)
{
	static const char *const before[] = { "", "bootstrap = { \"127.0.0.1:1\" }" };
	struct fake_dns *dns = fake_dns_start();

	fake_dns_add(dns, "api.corp", "192.0.2.1", 60);
	create("%s static \"fixed\" { instance \"api.corp:80\" { service = \"shop\" } }", before[_i]);
	start();
	await(0, SHOP, "NOERROR aa");
	reload("bootstrap = { \"127.0.0.1:%u\" }\n"
	       "static \"fixed\" { instance \"api.corp:80\" { service = \"shop\" } }",
	       fake_dns_port(dns));
	const uint64_t start_ms = clock_ms();
	await(0, SHOP, "NOERROR aa; 2 A 192.0.2.1");
	ck_assert_uint_lt(clock_ms() - start_ms, 2000);
	feeder_destroy(feeder);
	feeder = NULL;
	fake_dns_stop(dns);
}
END_TEST

/* --- the end --- */

START_TEST(it_can_end_at_any_moment)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
	create("http \"dc1\" { url = \"%s\" timeout = 1m } file \"local\" { path = \"%s/*.json\" }" STATIC(
		       "10.1.0.1"),
	       fake_registry_url(registry), dir);
	if (_i > 0)
		start();
	if (_i > 1)
		ck_assert(fake_registry_wait(registry, 1, LIMIT_MS));
	if (_i > 2)
		reload(STATIC("10.1.0.2"));
	if (_i > 3)
		await(0, SHOP, "NOERROR aa; 2 A 10.1.0.2");
	if (_i > 4)
		reload(STATIC("10.1.0.3"));
}
END_TEST

static TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	suite_add_tcase(suite, tc);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("feeder");
	TCase *tables = add_case(suite, "tables");
	TCase *ready = add_case(suite, "ready");
	TCase *reading = add_case(suite, "reading");
	TCase *reloads = add_case(suite, "reloads");
	TCase *rest = add_case(suite, "rest");

	tcase_add_test(tables, a_table_without_data_is_there_before_the_start);
	tcase_add_test(tables, data_comes_into_every_inbox);
	tcase_add_test(tables, a_reader_that_sleeps_is_woken);
	tcase_add_test(tables, rounds_without_news_make_no_table);
	tcase_add_test(tables, registries_heard_together_make_one_table);

	tcase_add_test(ready, it_is_ready_when_every_zone_can_answer);
	tcase_add_test(ready, it_is_ready_when_all_have_failed);
	tcase_add_test(ready, one_registry_that_speaks_is_enough);
	tcase_add_test(ready, it_does_not_wait_for_ever_to_be_ready);

	tcase_add_test(reading, a_table_stays_while_somebody_reads_it);
	tcase_add_test(reading, a_table_stays_over_reloads);

	tcase_add_test(reloads, generations_grow_over_reloads);
	tcase_add_test(reloads, there_is_no_gap_between_two_configurations);
	tcase_add_test(reloads, the_last_of_many_reloads_holds);

	tcase_add_test(rest, instances_known_by_host_name_are_looked_up);
	tcase_add_loop_test(rest, a_bootstrap_server_given_later_is_asked_at_once, 0, 2);
	tcase_add_loop_test(rest, it_can_end_at_any_moment, 0, 6);
	return harness_run(suite);
}
