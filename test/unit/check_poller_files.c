/* SPDX-License-Identifier: BSD-2-Clause */
#include "poller_case.h"

START_TEST(files_are_read_when_they_change_and_when_it_is_time)
{
	options = (struct registry_options){ .kind = "file",
					     .name = "local",
					     .path = path,
					     .max_size = 1 << 20,
					     .service_label = "service",
					     .interval_ms = _i == 0 ? 3600000 : 100 };
	brake_ms = 0;
	harness_write_file(dir, "services.json", SHOP(AT(1)));
	start();
	await_told(1, -2, 1);
	harness_replace_file(dir, "services.json", SHOP(AT(1) AND AT(2)));
	await_told(2, 1, 2);
	harness_write_file(dir, "services.json", "[]");
	await_told(3, 2, -1);
	ck_assert_uint_eq(view().failures, 0);
}
END_TEST

/* A file that is broken now goes on saying what it said before the reload. */
START_TEST(a_reload_hands_on_what_the_kind_remembers)
{
	struct poller *before;

	snprintf(path, sizeof(path), "%s/*.json", dir);
	options = (struct registry_options){ .kind = "file",
					     .name = "local",
					     .path = path,
					     .max_size = 1 << 20,
					     .service_label = "service",
					     .interval_ms = 3600000 };
	brake_ms = 0;
	harness_write_file(dir, "a.json", SHOP(AT(1)));
	harness_write_file(dir, "b.json", SHOP(AT(2)));
	start();
	await_told(1, -2, 2);
	harness_write_file(dir, "a.json", "[{");
	before = poller;
	given.previous = _i == 0 ? before : NULL;
	given.inherited = poller_snapshot(before);
	given.at_once = true;
	ck_assert_int_eq(poller_create(&given, &poller), 0);
	poller_destroy(before);
	poller_start(poller);
	await_told(2, 2, _i == 0 ? 2 : 1);
}
END_TEST

static struct event *publish;
static unsigned n_published;

static void changed_much(void *context, const struct snapshot *before, const struct snapshot *after)
{
	changed(context, before, after);
	event_active(publish, EV_TIMEOUT, 0);
}

/* As a feeder with many services does it at the end of the turn. */
static void on_publish(evutil_socket_t fd, short what, void *arg)
{
	const uint64_t end_us = clock_work_us() + PUBLISH_MS * 1000;

	(void)fd;
	(void)what;
	(void)arg;
	while (clock_work_us() < end_us)
		; /* work */
	n_published++;
}

static bool has_cart(void *unused)
{
	(void)unused;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return snapshot_find(poller_snapshot(poller), "cart") != NULL;
}

/* One after the other as fast as can be: they cost a tenth of the time, tables and all. */
START_TEST(files_that_change_all_the_time_are_not_read_all_the_time)
{
	char glob[300], body[64];

	snprintf(glob, sizeof(glob), "%s/%s", dir, (_i & 1) != 0 ? "s0.json" : "*.json");
	options = (struct registry_options){ .kind = "file",
					     .name = "local",
					     .path = glob,
					     .max_size = 1 << 20,
					     .service_label = "service",
					     .interval_ms = (_i & 2) != 0 ? 3600000 : 0 };
	brake_ms = 0;
	given.changed = changed_much;
	publish = evtimer_new(loop, on_publish, NULL);
	harness_write_file(dir, "s0.json", SHOP(AT(1)));
	start();
	await_told(1, -2, 1);
	const uint64_t start_ms = clock_ms();
	for (int i = 0; n_published < 8; i++) {
		snprintf(body, sizeof(body), "{\"shop\":[\"10.2.%d.%d:80\"]}", i / 250 % 250, i % 250);
		harness_replace_file(dir, "s0.json", body);
		event_base_loop(loop, EVLOOP_NONBLOCK);
	}
	/* the first is for no change, and the second and the last are not followed by a rest */
	ck_assert_uint_ge(clock_ms() - start_ms, 6 * PUBLISH_MS * 10);
	harness_replace_file(dir, "s0.json", "{\"cart\":[]}");
	ck_assert(harness_wait(has_cart, NULL, LIMIT_MS));
	event_free(publish);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("poller_files");
	TCase *files = add_case(suite, "files");

	tcase_add_loop_test(files, files_are_read_when_they_change_and_when_it_is_time, 0, 2);
	tcase_add_loop_test(files, a_reload_hands_on_what_the_kind_remembers, 0, 2);
	tcase_add_loop_test(files, files_that_change_all_the_time_are_not_read_all_the_time, 0, 4);
	return harness_run(suite);
}
