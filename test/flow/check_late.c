/* SPDX-License-Identifier: BSD-2-Clause */
/* One service of a registry that cannot be asked for, while all others can: it gets old by itself. */
#include <stdlib.h>
#include <unistd.h>

#include "client.h"
#include "fake_consul.h"
#include "harness.h"
#include "planes.h"

#define WEB "web.service.local"
#define DB  "db.service.local"

static struct fake_consul *consul;
static struct planes *planes;
static char *dir; /* of the state; NULL: none is kept */

static void setup(void)
{
	consul = fake_consul_start(0);
	log_capture();
}

static void teardown(void)
{
	planes_stop(planes);
	fake_consul_stop(consul);
	if (dir != NULL)
		harness_remove_dir(dir);
	log_release();
}

static void add(const char *service, const char *address)
{
	fake_consul_register(consul, service,
			     &(struct fake_consul_instance){ .address = address, .port = 80 });
}

/* A look at each service every 100 ms. */
#define CONFIG                                                                                               \
	"state-dir = \"%s\"\nzone \"service.local\" { %s }\n"                                                \
	"consul \"dc1\" { url = \"%s\" watch = false interval = 100ms jitter = 0 }\n"

static void run(const char *zone)
{
	planes = planes_start(CONFIG, dir != NULL ? dir : "", zone, fake_http_url(fake_consul_http(consul)));
}

/* Both services answered. */
static void start(const char *zone)
{
	add("web", "10.3.0.1");
	add("db", "10.3.0.2");
	run(zone);
	planes_await(planes, WEB, "NOERROR aa; 2 A 10.3.0.1");
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.0.2");
}

START_TEST(a_service_that_cannot_be_asked_for_gets_old_alone)
{
	start("stale-after = 1s");
	fake_consul_put(consul, "db", "this is no answer");
	planes_await(planes, DB, "NOERROR aa ede 3; 1 A 10.3.0.2");
	planes_expect(planes, WEB, "NOERROR aa; 2 A 10.3.0.1");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "failing");

	fake_consul_put(consul, "db", "[]");
	add("db", "10.3.0.3");
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.0.3");
	planes_await_status(planes, "dc1", "state", "ok");
	planes_expect(planes, WEB, "NOERROR aa; 2 A 10.3.0.1");
}
END_TEST

START_TEST(and_expires_alone)
{
	start("stale-after = 1s stale-max = 2s");
	fake_consul_put(consul, "db", "this is no answer");
	planes_await(planes, DB, "SERVFAIL ede 22");
	planes_expect(planes, WEB, "NOERROR aa; 2 A 10.3.0.1");
	fake_consul_put(consul, "db", "[]");
	add("db", "10.3.0.2");
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.0.2");
}
END_TEST

START_TEST(a_reload_makes_it_no_younger)
{
	start("stale-after = 1s");
	fake_consul_put(consul, "db", "this is no answer");
	planes_await(planes, DB, "NOERROR aa ede 3; 1 A 10.3.0.2");
	planes_reload(planes, CONFIG, "", "stale-after = 1s ttl = 3s",
		      fake_http_url(fake_consul_http(consul)));
	planes_await(planes, WEB, "NOERROR aa; 3 A 10.3.0.1");
	for (int i = 0; i < 20; i++) {
		planes_expect(planes, DB, "NOERROR aa ede 3; 1 A 10.3.0.2");
		usleep(50000); /* some rounds */
	}
	fake_consul_put(consul, "db", "[]");
	add("db", "10.3.0.2");
	planes_await(planes, DB, "NOERROR aa; 3 A 10.3.0.2");
}
END_TEST

/* Its registry has spoken since the restart, but not of it. */
START_TEST(what_is_from_the_disk_is_no_younger_than_it_was)
{
	dir = harness_make_dir();
	start("stale-after = 1s");
	planes_stop(planes);
	fake_consul_put(consul, "db", "this is no answer");
	run("stale-after = 1s");
	planes_await(planes, WEB, "NOERROR aa; 2 A 10.3.0.1");
	planes_await(planes, DB, "NOERROR aa ede 3; 1 A 10.3.0.2");
	planes_expect(planes, WEB, "NOERROR aa; 2 A 10.3.0.1");

	fake_consul_put(consul, "db", "[]");
	add("db", "10.3.0.2");
	planes_await(planes, DB, "NOERROR aa; 2 A 10.3.0.2");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("late");
	TCase *tc = tcase_create("services");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_service_that_cannot_be_asked_for_gets_old_alone);
	tcase_add_test(tc, and_expires_alone);
	tcase_add_test(tc, a_reload_makes_it_no_younger);
	tcase_add_test(tc, what_is_from_the_disk_is_no_younger_than_it_was);
	suite_add_tcase(suite, tc);
	return harness_run(suite);
}
