/* SPDX-License-Identifier: BSD-2-Clause */
/* Instances that a registry lists and where nobody answers: the zombie, the address given to somebody who has
 * not started yet. The whole daemon, real sockets on 127.0.0.0/8. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"
#include "connects.h"
#include "harness.h"
#include "planes.h"

enum { INSTANCES = 3, MANY = 60 };

#define SHOP "shop.service.local"
#define TCP  "state-dir = \"\" probe-interval = 100ms probe-timeout = 2s probe-down = 2 probe-up = 2\n"
#define ZONE "zone \"service.local\" { probe = tcp }\n"

static struct planes *planes;
static char *dir;

/* Instance n of the service is at 127.0.0.n, and listens or not. */
static uint16_t ports[INSTANCES + 1];
static int listeners[INSTANCES + 1];

static void begin_to_listen(int n)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + (unsigned)n),
				  .sin_port = htons(ports[n]) };

	listeners[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listeners[n], SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	ck_assert_int_eq(bind(listeners[n], (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(listeners[n], 1000), 0);
}

static void stop_listening(int n)
{
	if (listeners[n] >= 0)
		close(listeners[n]);
	listeners[n] = -1;
}

static void setup(void)
{
	dir = harness_make_dir();
	planes = NULL;
	for (int i = 0; i <= INSTANCES; i++) {
		ports[i] = harness_free_port();
		listeners[i] = -1;
	}
}

static void teardown(void)
{
	planes_stop(planes);
	for (int i = 0; i <= INSTANCES; i++)
		stop_listening(i);
	harness_remove_dir(dir);
}

/* The file registry has a file for each service: its first instances. */
static void list(const char *service, int first, int last)
{
	char name[64], text[512];
	int len = snprintf(text, sizeof(text), "{\"%s\":[", service);

	for (int n = first; n <= last; n++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s\"127.0.0.%d:%u\"",
				n > first ? "," : "", n, ports[n]);
	snprintf(text + len, sizeof(text) - (size_t)len, "]}");
	snprintf(name, sizeof(name), "%s.json", service);
	harness_replace_file(dir, name, text);
}

static void start(const char *settings)
{
	planes = planes_start(TCP "%s file \"local\" { path = \"%s/*.json\" }\n", settings, dir);
}

#define ONE   "NOERROR aa; 2 A 127.0.0.1"
#define TWO   ONE "; 2 A 127.0.0.2"
#define THREE TWO "; 2 A 127.0.0.3"

START_TEST(a_zombie_is_left_out_until_it_listens)
{
	begin_to_listen(1);
	list("shop", 1, 2);
	log_capture();
	start(ZONE);
	planes_await(planes, SHOP, TWO);
	planes_await(planes, SHOP, ONE);
	log_await("zone=service.local service=shop instance=127.0.0.2:");
	log_await("probe=down reason=\"connection refused\"");
	begin_to_listen(2);
	planes_await(planes, SHOP, TWO);
	log_await("probe=up reason=\"connected\"");
	ck_assert_uint_eq(log_count("probe=down"), 1);
	ck_assert_uint_eq(log_count("probe=up"), 1);
	stop_listening(2);
	planes_await(planes, SHOP, ONE);
	log_release();
}
END_TEST

/* The registry moves it to an address where nobody has started yet. */
START_TEST(an_address_given_to_somebody_who_has_not_started_is_left_out)
{
	begin_to_listen(1);
	begin_to_listen(2);
	list("shop", 1, 2);
	start(ZONE);
	planes_await(planes, SHOP, TWO);
	list("shop", 1, 3);
	planes_await(planes, SHOP, THREE);
	planes_await(planes, SHOP, TWO);
	begin_to_listen(3);
	planes_await(planes, SHOP, THREE);
}
END_TEST

START_TEST(half_of_a_service_stays)
{
	unsigned answers;

	begin_to_listen(1);
	list("shop", 1, 3);
	start(ZONE);
	planes_await(planes, SHOP, THREE);
	do {
		const char *text = client_lookup(planes_port(planes), SHOP);

		answers = strstr(text, "127.0.0.2") != NULL && strstr(text, "127.0.0.3") != NULL ? 3 : 2;
		ck_assert_ptr_nonnull(strstr(text, "127.0.0.1"));
	} while (answers == 3);
	const unsigned before = connects_count(ports[3]);
	while (connects_count(ports[3]) < before + 10) {
		const char *text = client_lookup(planes_port(planes), SHOP);

		ck_assert(strcmp(text, TWO) == 0 || strcmp(text, ONE "; 2 A 127.0.0.3") == 0);
	}
}
END_TEST

static bool is_probed(void *port)
{
	return connects_count(*(uint16_t *)port) >= 5;
}

START_TEST(what_nobody_asks_for_is_not_probed)
{
	begin_to_listen(1);
	list("shop", 1, 1);
	list("cart", 2, 2);
	start(ZONE);
	planes_await(planes, SHOP, ONE);
	ck_assert(harness_wait(is_probed, &ports[1], CLIENT_LIMIT_MS));
	ck_assert_uint_eq(connects_count(ports[2]), 0);
	planes_expect(planes, "cart.service.local", "NOERROR aa; 2 A 127.0.0.2");
	ck_assert(harness_wait(is_probed, &ports[2], CLIENT_LIMIT_MS));
}
END_TEST

START_TEST(where_it_is_off_nothing_is_probed)
{
	begin_to_listen(1);
	list("shop", 1, 1);
	list("cart", 2, 2);
	start("service \"shop.service.local\" { probe = tcp }\n");
	planes_await(planes, "cart.service.local", "NOERROR aa; 2 A 127.0.0.2");
	planes_await(planes, SHOP, ONE);
	ck_assert(harness_wait(is_probed, &ports[1], CLIENT_LIMIT_MS));
	ck_assert_uint_eq(connects_count(ports[2]), 0);
}
END_TEST

static bool has_been_quiet(void *port)
{
	return clock_ms() - connects_last_ms(*(uint16_t *)port) > 1500;
}

/* And is answered as the registry says, when somebody asks again. */
START_TEST(what_nobody_asks_for_any_more_is_forgotten)
{
	begin_to_listen(1);
	list("shop", 1, 2);
	start("probe-idle = 1s " ZONE);
	planes_await(planes, SHOP, TWO);
	planes_await(planes, SHOP, ONE);
	ck_assert(harness_wait(has_been_quiet, &ports[2], CLIENT_LIMIT_MS));
	planes_expect(planes, SHOP, TWO);
	planes_await(planes, SHOP, ONE);
}
END_TEST

static bool has_ttl_of_3(void *context)
{
	snprintf(context, 256, "%s", client_lookup(planes_port(planes), SHOP));
	return strstr(context, "; 3 A") != NULL;
}

START_TEST(a_reload_forgets_nothing)
{
	char text[256];

	begin_to_listen(1);
	list("shop", 1, 2);
	start(ZONE);
	planes_await(planes, SHOP, TWO);
	planes_await(planes, SHOP, ONE);
	planes_reload(planes,
		      TCP "zone \"service.local\" { ttl = 3s probe = tcp }\n"
			  "file \"local\" { path = \"%s/*.json\" }\n",
		      dir);
	ck_assert(harness_wait(has_ttl_of_3, text, CLIENT_LIMIT_MS));
	ck_assert_str_eq(text, "NOERROR aa; 3 A 127.0.0.1");
	begin_to_listen(2);
	planes_await(planes, SHOP, "NOERROR aa; 3 A 127.0.0.1; 3 A 127.0.0.2");
}
END_TEST

START_TEST(a_reload_can_end_it)
{
	begin_to_listen(1);
	list("shop", 1, 2);
	start(ZONE);
	planes_await(planes, SHOP, TWO);
	planes_await(planes, SHOP, ONE);
	planes_reload(planes, TCP "file \"local\" { path = \"%s/*.json\" }\n", dir);
	planes_await(planes, SHOP, TWO);
	ck_assert(harness_wait(has_been_quiet, &ports[2], CLIENT_LIMIT_MS));
}
END_TEST

START_TEST(neither_udp_nor_ourselves_nor_no_port_is_probed)
{
	char text[512];

	begin_to_listen(1);
	start(ZONE);
	snprintf(text, sizeof(text),
		 "[{\"targets\":[\"127.0.0.2:%u\"],\"labels\":{\"service\":\"shop\",\"protocol\":\"udp\"}},"
		 "{\"targets\":[\"127.0.0.1:%u\",\"127.0.0.1:%u\",\"127.0.0.3\"],"
		 "\"labels\":{\"service\":\"shop\"}}]",
		 ports[2], planes_port(planes), ports[1]);
	harness_replace_file(dir, "shop.json", text);
	planes_await(planes, SHOP, THREE);
	ck_assert(harness_wait(is_probed, &ports[1], CLIENT_LIMIT_MS));
	ck_assert_uint_eq(connects_count(ports[2]), 0);
	ck_assert_uint_eq(connects_count(planes_port(planes)), 0);
	ck_assert_uint_eq(connects_count(0), 0);
	planes_expect(planes, SHOP, THREE);
}
END_TEST

static bool is_halved(void *context)
{
	(void)context;
	return log_count("probe=down") >= 20 && log_count("more_down=") > 0;
}

START_TEST(many_that_fall_silent_together_are_told_in_short)
{
	char text[MANY * 32];
	int len = snprintf(text, sizeof(text), "{\"shop\":[");

	for (int i = 0; i < MANY; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s\"127.0.1.%d:%u\"",
				i > 0 ? "," : "", i + 1, ports[1]);
	snprintf(text + len, sizeof(text) - (size_t)len, "]}");
	harness_replace_file(dir, "shop.json", text);
	log_capture();
	start("probe-rate = 10000 " ZONE);
	planes_await(planes, "shop.service.local", client_lookup(planes_port(planes), SHOP));
	ck_assert(harness_wait(is_halved, NULL, CLIENT_LIMIT_MS));
	ck_assert_uint_lt(log_count("probe=down"), MANY);
	log_release();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("probes");
	TCase *probes = tcase_create("probes");

	tcase_add_checked_fixture(probes, setup, teardown);
	tcase_set_timeout(probes, 30);
	tcase_add_test(probes, a_zombie_is_left_out_until_it_listens);
	tcase_add_test(probes, an_address_given_to_somebody_who_has_not_started_is_left_out);
	tcase_add_test(probes, half_of_a_service_stays);
	tcase_add_test(probes, what_nobody_asks_for_is_not_probed);
	tcase_add_test(probes, where_it_is_off_nothing_is_probed);
	tcase_add_test(probes, what_nobody_asks_for_any_more_is_forgotten);
	tcase_add_test(probes, a_reload_forgets_nothing);
	tcase_add_test(probes, a_reload_can_end_it);
	tcase_add_test(probes, neither_udp_nor_ourselves_nor_no_port_is_probed);
	tcase_add_test(probes, many_that_fall_silent_together_are_told_in_short);
	suite_add_tcase(suite, probes);
	return harness_run(suite);
}
