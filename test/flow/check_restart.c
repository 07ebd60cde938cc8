/* SPDX-License-Identifier: BSD-2-Clause */
/* The state on disk: what was known before a stop is answered after it, until the registry speaks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"
#include "fake_registry.h"
#include "harness.h"
#include "planes.h"
#include "server/hold.h"

#define SHOP               "shop.service.local"
#define CART               "cart.service.local"
#define SHOP_BODY(address) "{\"shop\":[\"" address ":80\"]}"
#define NEVER              "interval = 29s timeout = 30s"

static struct planes *planes;
static struct fake_registry *registry;
static char *dir;

static void setup(void)
{
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	dir = harness_make_dir();
}

static void teardown(void)
{
	planes_stop(planes);
	fake_registry_stop(registry);
	harness_remove_dir(dir);
}

static void start(const char *zone, const char *more)
{
	planes = planes_start("state-dir = \"%s\"\nzone \"service.local\" { %s }\n"
			      "http \"custom\" { url = \"%s\" %s }\n",
			      dir, zone, fake_registry_url(registry), more);
}

static void stop(void)
{
	planes_stop(planes);
	planes = NULL;
}

/* Knows a shop at 10.1.0.1, and is stopped. */
static void run_before(void)
{
	fake_registry_answer(registry,
			     &(struct fake_answer){ .body = SHOP_BODY("10.1.0.1"), .etag = "\"7\"" });
	start("", NEVER);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	stop();
}

static void hang(void)
{
	fake_registry_answer(registry, &(struct fake_answer){ .hang = true });
}

START_TEST(what_was_known_is_answered_until_the_registry_speaks)
{
	run_before();
	hang();
	start("", "interval = 29s timeout = 1s");
	planes_expect(planes, SHOP, "NOERROR aa ede 3; 1 A 10.1.0.1");
	ck_assert(planes_are_ready(planes));
	planes_expect(planes, SHOP, "NOERROR aa ede 3; 1 A 10.1.0.1");
	fake_registry_body(registry, SHOP_BODY("10.1.0.2"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
}
END_TEST

START_TEST(the_same_from_the_registry_makes_it_fresh)
{
	run_before();
	start("", NEVER);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

/* It is not known yet whether there is one. */
START_TEST(a_name_that_was_unknown_waits_for_the_registry)
{
	run_before();
	hang();
	start("", NEVER);
	ck_assert(planes_are_ready(planes));
	const uint64_t begin_ms = clock_ms();
	planes_expect(planes, CART, "NXDOMAIN aa ede 19");
	ck_assert_uint_ge(clock_ms() - begin_ms, HOLD_MS);
}
END_TEST

START_TEST(a_sudden_loss_after_a_restart_is_held)
{
	run_before();
	fake_registry_body(registry, "[]");
	start("brake = 1h", NEVER);
	planes_await_status(planes, "custom", "held", "1");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

START_TEST(what_is_older_than_stale_max_is_not_answered)
{
	run_before();
	hang();
	usleep(1200000); /* this is about time passing */
	start("stale-after = 1s stale-max = 1100ms", "interval = 500ms timeout = 30s");
	planes_expect(planes, SHOP, "SERVFAIL ede 14");
}
END_TEST

START_TEST(a_damaged_file_is_no_state)
{
	char path[256];

	run_before();
	hang();
	snprintf(path, sizeof(path), "%s/http.custom.state", dir);
	ck_assert_int_eq(truncate(path, 530), 0);
	start("", "interval = 29s timeout = 1s");
	planes_expect(planes, SHOP, "SERVFAIL ede 14");
	fake_registry_body(registry, SHOP_BODY("10.1.0.3"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.3");
	stop();
	hang();
	start("", NEVER);
	planes_expect(planes, SHOP, "NOERROR aa ede 3; 1 A 10.1.0.3");
}
END_TEST

START_TEST(a_reload_before_the_registry_has_spoken_keeps_what_is_stale)
{
	run_before();
	hang();
	start("", NEVER);
	ck_assert(fake_registry_wait(registry, 2, CLIENT_LIMIT_MS));
	planes_expect(planes, SHOP, "NOERROR aa ede 3; 1 A 10.1.0.1");
	planes_reload(planes,
		      "state-dir = \"%s\"\nzone \"service.local\" { ttl = 9s }\n"
		      "http \"custom\" { url = \"%s\" " NEVER " }\n",
		      dir, fake_registry_url(registry));
	ck_assert(fake_registry_wait(registry, 3, CLIENT_LIMIT_MS));
	planes_expect(planes, SHOP, "NOERROR aa ede 3; 1 A 10.1.0.1");
}
END_TEST

START_TEST(another_directory_after_a_reload_is_used)
{
	char *const other = harness_make_dir();

	run_before();
	planes = planes_start("http \"custom\" { url = \"%s\" " NEVER " }\n", fake_registry_url(registry));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	planes_reload(planes, "state-dir = \"%s\"\nhttp \"custom\" { url = \"%s\" interval = 100ms }\n",
		      other, fake_registry_url(registry));
	ck_assert(fake_registry_wait(registry, 4, CLIENT_LIMIT_MS));
	stop();
	hang();
	planes = planes_start("state-dir = \"%s\"\nhttp \"custom\" { url = \"%s\" " NEVER " }\n", other,
			      fake_registry_url(registry));
	planes_expect(planes, SHOP, "NOERROR aa ede 3; 1 A 10.1.0.1");
	stop();
	harness_remove_dir(other);
}
END_TEST

START_TEST(what_the_configuration_says_is_not_kept)
{
	planes = planes_start("state-dir = \"%s\"\nstatic \"fixed\" { instance \"10.1.0.1:80\" { service = "
			      "\"shop\" } }\n",
			      dir);
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	stop();
	planes = planes_start("state-dir = \"%s\"\nstatic \"fixed\" { instance \"10.1.0.1:80\" { service = "
			      "\"cart\" } }\n",
			      dir);
	planes_await(planes, CART, "NOERROR aa; 2 A 10.1.0.1");
	planes_expect(planes, SHOP, "NXDOMAIN aa");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow-restart");
	TCase *all = tcase_create("restart");

	tcase_set_timeout(all, 60);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, what_was_known_is_answered_until_the_registry_speaks);
	tcase_add_test(all, the_same_from_the_registry_makes_it_fresh);
	tcase_add_test(all, a_name_that_was_unknown_waits_for_the_registry);
	tcase_add_test(all, a_sudden_loss_after_a_restart_is_held);
	tcase_add_test(all, what_is_older_than_stale_max_is_not_answered);
	tcase_add_test(all, a_damaged_file_is_no_state);
	tcase_add_test(all, a_reload_before_the_registry_has_spoken_keeps_what_is_stale);
	tcase_add_test(all, another_directory_after_a_reload_is_used);
	tcase_add_test(all, what_the_configuration_says_is_not_kept);
	suite_add_tcase(suite, all);
	return harness_run(suite);
}
