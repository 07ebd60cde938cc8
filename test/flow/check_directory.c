/* SPDX-License-Identifier: BSD-2-Clause */
/* A file registry: programs register by dropping files. It is polled once an hour here, so that whatever
 * shows has been noticed. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"
#include "harness.h"
#include "planes.h"
#include "server/hold.h"

#define SHOP                 "shop.service.local"
#define CART                 "cart.service.local"
#define IN(service, address) "[{\"targets\":[\"" address ":80\"],\"labels\":{\"service\":\"" service "\"}}]"

static struct planes *planes;
static char *dir;

static void setup(void)
{
	dir = harness_make_dir();
	log_capture();
}

static void teardown(void)
{
	planes_stop(planes);
	harness_remove_dir(dir);
	log_release();
}

static void start(const char *files)
{
	planes = planes_start("file \"local\" { path = \"%s/%s\" interval = 29s jitter = 0 }\n", dir, files);
}

static void remove_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_eq(unlink(path), 0);
}

static void (*const writers[])(const char *, const char *, const char *) = { harness_write_file,
									     harness_replace_file };
enum { IN_PLACE, BY_RENAME, WRITERS };

START_TEST(a_change_shows_at_once)
{
	writers[_i](dir, "services.json", IN("shop", "10.1.0.1"));
	start("services.json");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	writers[_i](dir, "services.json", IN("shop", "10.1.0.2"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
	writers[_i](dir, "services.json", IN("cart", "10.1.0.3"));
	planes_await(planes, SHOP, "NXDOMAIN aa");
	planes_expect(planes, CART, "NOERROR aa; 2 A 10.1.0.3");
	writers[_i](dir, "services.json", "[]"); /* written by hand here: nothing is held back */
	planes_await(planes, CART, "NXDOMAIN aa");
}
END_TEST

START_TEST(files_of_a_glob_come_and_go)
{
	start("*.json");
	planes_await(planes, SHOP, "NXDOMAIN aa");
	writers[_i](dir, "one.json", IN("shop", "10.1.0.1"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	writers[_i](dir, "two.json", IN("shop", "10.1.0.2"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2");
	writers[_i](dir, "notes.txt", IN("shop", "10.1.0.9"));
	writers[_i](dir, "three.json", IN("cart", "10.1.0.3"));
	planes_await(planes, CART, "NOERROR aa; 2 A 10.1.0.3");
	remove_file("one.json");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
	remove_file("two.json");
	planes_await(planes, SHOP, "NXDOMAIN aa");
	planes_expect(planes, CART, "NOERROR aa; 2 A 10.1.0.3");
}
END_TEST

START_TEST(a_broken_file_keeps_what_it_said)
{
	static const char *const broken[] = { "", "[{\"targets\":[\"10.1.0.7:80\"],\"labels\":{\"ser",
					      "this is no JSON", "{\"error\":\"disk full\"}" };
	const int n = sizeof(broken) / sizeof(broken[0]);

	harness_write_file(dir, "shop.json", IN("shop", "10.1.0.1"));
	harness_write_file(dir, "cart.json", IN("cart", "10.1.0.3"));
	start("*.json");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");

	writers[_i / n](dir, "shop.json", broken[_i % n]);
	log_await("shop.json: ");
	log_await("what it said before stays");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	writers[_i / n](dir, "cart.json", IN("cart", "10.1.0.4"));
	planes_await(planes, CART, "NOERROR aa; 2 A 10.1.0.4");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_uint_eq(log_count("what it said before stays"), 1);

	writers[_i / n](dir, "shop.json", IN("shop", "10.1.0.2"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
}
END_TEST

START_TEST(a_file_that_vanishes_under_its_own_name_keeps_its_data)
{
	harness_write_file(dir, "services.json", IN("shop", "10.1.0.1"));
	start("services.json");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	remove_file("services.json");
	planes_await_status(planes, "local", "state", "failing");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	log_await("round=failed error=");
	harness_write_file(dir, "services.json", IN("shop", "10.1.0.2"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
	ck_assert_str_eq(planes_status(planes, "local", "state"), "ok");
}
END_TEST

START_TEST(a_file_that_is_not_there_yet_is_awaited)
{
	start("services.json");
	planes_await_status(planes, "local", "state", "failing");
	planes_expect(planes, SHOP, "SERVFAIL ede 14");
	writers[_i](dir, "services.json", IN("shop", "10.1.0.1"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

START_TEST(a_query_that_waits_is_answered_as_soon_as_the_file_is_there)
{
	start("services.json");
	planes_await_status(planes, "local", "state", "failing");
	struct client *c = client_udp(planes_port(planes));
	const uint64_t start_ms = clock_ms();
	client_send(c, &(struct question){ .name = SHOP });
	planes_expect(planes, "service.local", "NOERROR aa");
	harness_write_file(dir, "services.json", IN("shop", "10.1.0.1"));
	ck_assert(client_read(c, CLIENT_LIMIT_MS));
	ck_assert_str_eq(client_text(c), "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_uint_lt(clock_ms() - start_ms, HOLD_MS - 50);
	client_close(c);
}
END_TEST

START_TEST(a_directory_that_is_not_there_yet_is_awaited)
{
	char path[128], file[160];

	start("later/*.json");
	planes_await(planes, SHOP, "NXDOMAIN aa");
	snprintf(path, sizeof(path), "%s/later", dir);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	harness_write_file(path, "shop.json", IN("shop", "10.1.0.1"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	snprintf(file, sizeof(file), "%s/shop.json", path);
	ck_assert_int_eq(unlink(file), 0);
	planes_await(planes, SHOP, "NXDOMAIN aa");
	ck_assert_int_eq(rmdir(path), 0); /* nothing was in it: nothing is missed */
	ck_assert_int_eq(mkdir(path, 0755), 0);
	harness_write_file(path, "shop.json", IN("shop", "10.1.0.2"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
}
END_TEST

START_TEST(a_directory_that_vanishes_takes_nothing_away)
{
	char path[128], moved[128];

	snprintf(path, sizeof(path), "%s/d", dir);
	snprintf(moved, sizeof(moved), "%s/d.old", dir);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	harness_write_file(path, "shop.json", IN("shop", "10.1.0.1"));
	start("d/*.json");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	ck_assert_int_eq(rename(path, moved), 0);
	planes_await_status(planes, "local", "state", "failing");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	log_await("cannot look for files");
	ck_assert_int_eq(mkdir(path, 0755), 0); /* empty is something else than gone */
	planes_await(planes, SHOP, "NXDOMAIN aa");
	ck_assert_str_eq(planes_status(planes, "local", "state"), "ok");
}
END_TEST

START_TEST(a_broken_file_under_its_own_name_fails_the_round)
{
	writers[_i](dir, "services.json", "[{\"targets\":[\"10.1.0.7:80\"],");
	start("services.json");
	planes_await_status(planes, "local", "state", "failing");
	planes_expect(planes, SHOP, "SERVFAIL ede 14");
	writers[_i](dir, "services.json", IN("shop", "10.1.0.1"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	writers[_i](dir, "services.json", "");
	planes_await_status(planes, "local", "state", "failing");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	writers[_i](dir, "services.json", IN("shop", "10.1.0.2"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.2");
	ck_assert_str_eq(planes_status(planes, "local", "state"), "ok");
}
END_TEST

/* Which would otherwise be the moment to forget what is not in the file any more. */
START_TEST(a_reload_keeps_what_a_broken_file_said)
{
	harness_write_file(dir, "shop.json", IN("shop", "10.1.0.1"));
	harness_write_file(dir, "cart.json", IN("cart", "10.1.0.3"));
	start("*.json");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	harness_write_file(dir, "shop.json", "[{");
	log_await("shop.json: ");
	planes_reload(planes, "file \"local\" { path = \"%s/*.json\" interval = 29s jitter = 0 }\n", dir);
	harness_write_file(dir, "cart.json", IN("cart", "10.1.0.4"));
	planes_await(planes, CART, "NOERROR aa; 2 A 10.1.0.4");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

START_TEST(a_storm_of_changes_ends_in_the_last_one)
{
	char name[32];

	start("*.json");
	planes_await(planes, SHOP, "NXDOMAIN aa");
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "%d.json", i % 10);
		writers[i % WRITERS](dir, name, i % 3 == 0 ? "[]" : IN("shop", "10.1.0.1"));
	}
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%d.json", i);
		remove_file(name);
	}
	harness_write_file(dir, "last.json", IN("shop", "10.1.0.9"));
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.9");
}
END_TEST

START_TEST(half_a_file_of_a_dead_program_is_nothing)
{
	char path[256];

	harness_write_file(dir, "shop.json", IN("shop", "10.1.0.1"));
	start("shop.json");
	planes_await(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	snprintf(path, sizeof(path), "%s/shop.json", dir);
	FILE *file = fopen(path, "w");
	fputs("[{\"targets\":[", file);
	fflush(file);
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
	fclose(file);
	log_await("round=failed error=");
	planes_expect(planes, SHOP, "NOERROR aa; 2 A 10.1.0.1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("directory");
	TCase *tc = tcase_create("directory");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, a_change_shows_at_once, 0, WRITERS);
	tcase_add_loop_test(tc, files_of_a_glob_come_and_go, 0, WRITERS);
	tcase_add_loop_test(tc, a_broken_file_keeps_what_it_said, 0, 4 * WRITERS);
	tcase_add_test(tc, a_file_that_vanishes_under_its_own_name_keeps_its_data);
	tcase_add_loop_test(tc, a_file_that_is_not_there_yet_is_awaited, 0, WRITERS);
	tcase_add_test(tc, a_query_that_waits_is_answered_as_soon_as_the_file_is_there);
	tcase_add_test(tc, a_directory_that_is_not_there_yet_is_awaited);
	tcase_add_test(tc, a_directory_that_vanishes_takes_nothing_away);
	tcase_add_loop_test(tc, a_broken_file_under_its_own_name_fails_the_round, 0, WRITERS);
	tcase_add_test(tc, a_reload_keeps_what_a_broken_file_said);
	tcase_add_test(tc, a_storm_of_changes_ends_in_the_last_one);
	tcase_add_test(tc, half_a_file_of_a_dead_program_is_nothing);
	return harness_run(suite);
}
