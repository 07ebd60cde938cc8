/* SPDX-License-Identifier: BSD-2-Clause */
/* Instances that change all the time are kept out; registries that fail, and we ourselves, are no reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fake_registry.h"
#include "harness.h"
#include "planes.h"

#define SHOP "shop.service.local"
#define ONE  "NOERROR aa; 2 A 10.1.0.1"
#define TWO  "NOERROR aa; 2 A 10.1.0.2"
#define BOTH "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2"

static struct planes *planes;
static struct fake_registry *registry;
static char *dir;

static void setup(void)
{
	dir = harness_make_dir();
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	log_capture();
}

static void teardown(void)
{
	planes_stop(planes);
	fake_registry_stop(registry);
	harness_remove_dir(dir);
	log_release();
}

#define LIST(first_health, rest)                                                                             \
	"[{\"targets\":[\"10.1.0.1:80\"],\"labels\":{\"service\":\"shop\",\"health\":\"" first_health        \
	"\"}}" rest "]"
#define SECOND ",{\"targets\":[\"10.1.0.2:80\"],\"labels\":{\"service\":\"shop\"}}"

/* The first instance is well or not, the second always is. */
static void set_health(const char *name, bool well)
{
	harness_replace_file(dir, name, well ? LIST("passing", SECOND) : LIST("critical", SECOND));
}

#define ZONE(keys)          "zone \"service.local\" { " keys " }\n"
#define FILE_REGISTRY(name) "file \"" name "\" { path = \"%s/" name ".json\" interval = 200ms jitter = 0 }\n"

static void start(const char *zone)
{
	set_health("local.json", true);
	char text[1024];
	snprintf(text, sizeof(text), "%s" FILE_REGISTRY("local"), zone, dir);
	planes = planes_start("%s", text);
	planes_await(planes, SHOP, BOTH);
}

/* Down and up again: two changes. */
static void flap_once(void)
{
	set_health("local.json", false);
	planes_await_status(planes, NULL, "unhealthy", "1");
	set_health("local.json", true);
	planes_await_status(planes, NULL, "unhealthy", "0");
}

START_TEST(one_that_changes_too_often_is_kept_out_and_comes_back)
{
	start(ZONE("flap-limit = 3 flap-hold = 1s"));
	flap_once();
	planes_expect(planes, SHOP, BOTH);
	flap_once();
	planes_expect(planes, SHOP, TWO);
	ck_assert_str_eq(planes_status(planes, NULL, "flapping"), "1");
	ck_assert_str_eq(planes_status(planes, NULL, "answered"), "1");
	planes_await(planes, SHOP, BOTH);
	planes_await_status(planes, NULL, "flapping", "0");
	ck_assert_uint_eq(log_count("service=shop registry=local instance=10.1.0.1:80 flapping=begins"), 1);
	ck_assert_uint_eq(log_count("service=shop registry=local instance=10.1.0.1:80 flapping=ends"), 1);
	ck_assert_uint_eq(log_count("flapping="), 2);
}
END_TEST

START_TEST(by_default_nobody_is_kept_out)
{
	start(ZONE(""));
	for (int i = 0; i < 5; i++)
		flap_once();
	planes_expect(planes, SHOP, BOTH);
	ck_assert_uint_eq(log_count("flapping="), 0);
}
END_TEST

START_TEST(the_last_ones_are_answered_although_they_flap)
{
	start(ZONE("flap-limit = 1 flap-hold = 1h"));
	for (int i = 0; i < 3; i++) {
		harness_replace_file(dir, "local.json", "{\"shop\":[]}");
		planes_await(planes, SHOP, "NOERROR aa");
		set_health("local.json", true);
		planes_await(planes, SHOP, BOTH);
	}
	ck_assert_str_eq(planes_status(planes, NULL, "flapping"), "0");
}
END_TEST

/* --- what is no change --- */

/* Or one change more would be too many. */
START_TEST(the_first_word_of_a_registry_is_no_change)
{
	start(ZONE("flap-limit = 1 flap-hold = 1h"));
	set_health("local.json", false);
	planes_await(planes, SHOP, TWO);
	ck_assert_uint_eq(log_count("flapping="), 0);
}
END_TEST

/* And waits until the new configuration is at work. */
static void reload(const char *zone, unsigned n)
{
	char name[64];

	planes_reload(planes,
		      "%s" FILE_REGISTRY("local") "zone \"mark.local\" { registries = { \"mark\" } }\n"
						  "static \"mark\" { instance \"10.9.0.1:80\" { service = "
						  "\"n%u\" } }\n",
		      zone, dir, n);
	snprintf(name, sizeof(name), "n%u.mark.local", n);
	planes_await(planes, name, "NOERROR aa; 2 A 10.9.0.1");
}

START_TEST(a_reload_is_no_change_and_forgets_none)
{
	static const char zone[] =
		"zone \"service.local\" { registries = { \"local\" } flap-limit = 1 flap-hold = 1h }\n";

	start(zone);
	for (unsigned i = 0; i < 5; i++) {
		reload(zone, i);
		planes_expect(planes, SHOP, BOTH);
	}
	flap_once();
	planes_expect(planes, SHOP, TWO);
	for (unsigned i = 5; i < 8; i++) {
		reload(zone, i);
		planes_expect(planes, SHOP, TWO);
		ck_assert_str_eq(planes_status(planes, NULL, "flapping"), "1");
	}
	ck_assert_uint_eq(log_count("flapping=begins"), 1);
	reload("zone \"service.local\" { registries = { \"local\" } }\n", 8);
	planes_expect(planes, SHOP, BOTH);
}
END_TEST

static void start_http(const char *zone)
{
	fake_registry_body(registry, "{\"shop\":[\"10.1.0.1:80\",\"10.1.0.2:80\"]}");
	planes = planes_start("%shttp \"dc1\" { url = \"%s\" interval = 100ms jitter = 0 }\n", zone,
			      fake_registry_url(registry));
	planes_await(planes, SHOP, BOTH);
}

START_TEST(a_registry_that_fails_is_no_reason)
{
	start_http(ZONE("flap-limit = 1 flap-hold = 1h"));
	for (int i = 0; i < 3; i++) {
		fake_registry_answer(registry, &(struct fake_answer){ .status = 500 });
		planes_await_status(planes, "dc1", "state", "failing");
		fake_registry_body(registry, "{\"shop\":[\"10.1.0.1:80\",\"10.1.0.2:80\"]}");
		planes_await_status(planes, "dc1", "state", "ok");
	}
	planes_expect(planes, SHOP, BOTH);
	ck_assert_uint_eq(log_count("flapping="), 0);
}
END_TEST

/* The list that is held is read once each time: seen twice it would be believed. */
START_TEST(what_the_brake_holds_back_is_no_reason)
{
	start_http(ZONE("flap-limit = 1 flap-hold = 1h brake = 1h"));
	for (int i = 0; i < 3; i++) {
		fake_registry_answer(registry,
				     &(struct fake_answer){ .headers = "Cache-Control: max-age=300\r\n",
							    .body = "{\"shop\":[]}" });
		planes_await_status(planes, "dc1", "held", "1");
		fake_registry_body(registry, "{\"shop\":[\"10.1.0.1:80\",\"10.1.0.2:80\"]}");
		planes_await_status(planes, "dc1", "held", "0");
	}
	planes_expect(planes, SHOP, BOTH);
	ck_assert_uint_eq(log_count("flapping="), 0);
}
END_TEST

/* The first registry decides about an instance that both know. */
START_TEST(what_a_second_registry_says_of_the_same_instance_is_no_reason)
{
	set_health("first.json", true);
	set_health("second.json", true);
	planes = planes_start(ZONE("merge = union flap-limit = 1 flap-hold = 1h") FILE_REGISTRY("first")
				      FILE_REGISTRY("second"),
			      dir, dir);
	planes_await(planes, SHOP, BOTH);
	planes_await_status(planes, "second", "instances", "2");
	for (int i = 0; i < 3; i++) {
		harness_replace_file(dir, "second.json", "{\"shop\":[\"10.1.0.2:80\"]}");
		planes_await_status(planes, "second", "instances", "1");
		set_health("second.json", true);
		planes_await_status(planes, "second", "instances", "2");
	}
	log_await("instance=10.1.0.1:80 flapping=begins");
	planes_expect(planes, SHOP, BOTH);
}
END_TEST

/* --- what is counted --- */

START_TEST(the_zone_tells_how_many_are_answered_and_why_the_others_are_not)
{
	static const char *const keys[] = { "services",  "instances",  "answered", "failed-open",
					    "unhealthy", "unresolved", "flapping", "far" };
	static const char *const values[] = { "3", "6", "3", "1", "2", "1", "0", "0" };

	harness_write_file(
		dir, "local.json",
		"[{\"targets\":[\"10.1.0.1:80\",\"10.1.0.2:80\"],\"labels\":{\"service\":\"shop\"}},"
		"{\"targets\":[\"10.1.0.3:80\"],\"labels\":{\"service\":\"shop\",\"health\":\"critical\"}},"
		"{\"targets\":[\"10.1.0.4:80\"],\"labels\":{\"service\":\"ill\",\"health\":\"warning\"}},"
		"{\"targets\":[\"10.1.0.5:80\"],\"labels\":{\"service\":\"ill\",\"health\":\"critical\"}},"
		"{\"targets\":[\"nowhere.example:80\"],\"labels\":{\"service\":\"far\"}}]");
	planes = planes_start("%s" FILE_REGISTRY("local"), ZONE(""), dir);
	planes_await(planes, SHOP, BOTH);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		ck_assert_str_eq(planes_status(planes, NULL, keys[i]), values[i]);
	harness_replace_file(dir, "local.json", "{\"shop\":[\"10.1.0.1:80\"]}");
	planes_await(planes, SHOP, ONE);
	ck_assert_str_eq(planes_status(planes, NULL, "services"), "1");
	ck_assert_str_eq(planes_status(planes, NULL, "instances"), "1");
	ck_assert_str_eq(planes_status(planes, NULL, "answered"), "1");
	ck_assert_str_eq(planes_status(planes, NULL, "failed-open"), "0");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flapping");
	TCase *flap = tcase_create("flapping"), *none = tcase_create("no change"),
	      *counts = tcase_create("counts");

	TCase *all[] = { flap, none, counts };
	for (int i = 0; i < 3; i++) {
		tcase_add_checked_fixture(all[i], setup, teardown);
		tcase_set_timeout(all[i], 30);
		suite_add_tcase(suite, all[i]);
	}
	tcase_add_test(flap, one_that_changes_too_often_is_kept_out_and_comes_back);
	tcase_add_test(flap, by_default_nobody_is_kept_out);
	tcase_add_test(flap, the_last_ones_are_answered_although_they_flap);
	tcase_add_test(none, the_first_word_of_a_registry_is_no_change);
	tcase_add_test(none, a_reload_is_no_change_and_forgets_none);
	tcase_add_test(none, a_registry_that_fails_is_no_reason);
	tcase_add_test(none, what_the_brake_holds_back_is_no_reason);
	tcase_add_test(none, what_a_second_registry_says_of_the_same_instance_is_no_reason);
	tcase_add_test(counts, the_zone_tells_how_many_are_answered_and_why_the_others_are_not);
	return harness_run(suite);
}
