/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/state.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "feed/state_file.h"
#include "feed/state_writer.h"
#include "harness.h"
#include "model/freshness.h"
#include "state_case.h"

#define FILE_NAME "http.dc1.state"

enum { LIMIT_MS = 20000, STOP_MS = 20000 };

static char *dir, path[256], position[STATE_POSITION_SIZE];
static struct event_base *loop;
static struct state *state;
static int watch;
static unsigned n_written; /* files that took the place of another */
static struct snapshot *first, *second;

static void create(void)
{
	ck_assert_int_eq(state_create(loop, dir, &state), 0);
}

static void destroy(void)
{
	state_destroy(state, STOP_MS);
	state = NULL;
}

static void set_up(void)
{
	dir = harness_make_dir();
	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	watch = inotify_init1(IN_NONBLOCK);
	ck_assert_int_ge(inotify_add_watch(watch, dir, IN_MOVED_TO), 0);
	n_written = 0;
	loop = event_base_new();
	first = make_snapshot("10.0.0.1");
	second = make_snapshot("10.0.0.2");
	create();
}

static void tear_down(void)
{
	state_destroy(state, STOP_MS);
	snapshot_release(first);
	snapshot_release(second);
	event_base_free(loop);
	close(watch);
	harness_remove_dir(dir);
}

static void keep(struct snapshot *s, uint64_t true_ms, const char *at)
{
	const struct state_record r = { .kind = "http",
					.name = "dc1",
					.fingerprint = 7,
					.snapshot = s,
					.true_ms = true_ms,
					.position = at };

	state_keep(state, &r);
}

static unsigned count_written(void)
{
	char events[4096] __attribute__((aligned(8)));

	for (ssize_t n; (n = read(watch, events, sizeof(events))) > 0;) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const struct inotify_event *)(events + at);

			at += (ssize_t)(sizeof(*e) + e->len);
			n_written++;
		}
	}
	return n_written;
}

static bool is_written(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return count_written() >= *(unsigned *)n;
}

static void await_written(unsigned n)
{
	ck_assert_msg(harness_wait(is_written, &n, LIMIT_MS), "%u and not %u", n_written, n);
}

static void turn_for(uint64_t ms)
{
	const struct timeval wait = clock_timeval(ms);

	event_base_loopexit(loop, &wait);
	event_base_dispatch(loop);
}

static int load(struct snapshot **s, uint64_t *true_ms)
{
	return state_load(state, "http", "dc1", 3600000, s, true_ms, position);
}

static void expect(const struct snapshot *wanted, uint64_t age_ms, const char *at)
{
	struct snapshot *s;
	uint64_t true_ms;

	ck_assert_int_eq(load(&s, &true_ms), 0);
	ck_assert(service_equal(s->services[0], wanted->services[0]));
	ck_assert_uint_ge(clock_ms() - true_ms, age_ms);
	ck_assert_uint_lt(clock_ms() - true_ms, age_ms + LIMIT_MS);
	ck_assert_str_eq(position, at);
	snapshot_release(s);
}

static void expect_nothing(int error)
{
	struct snapshot *s = NULL;
	uint64_t true_ms;

	ck_assert_int_eq(load(&s, &true_ms), error);
	ck_assert_ptr_null(s);
}

static void restart(void)
{
	destroy();
	create();
}

/* --- keeping --- */

START_TEST(what_was_kept_is_there_after_a_restart)
{
	expect_nothing(-ENOENT);
	keep(first, clock_ms() - 60000, "index 7");
	await_written(1);
	restart();
	expect(first, 60000, "index 7");
}
END_TEST

START_TEST(what_was_not_written_yet_is_written_at_the_stop)
{
	keep(first, FRESHNESS_NOW, "");
	keep(second, FRESHNESS_NOW, "index 8");
	restart();
	expect(second, 0, "index 8");
}
END_TEST

/* The first at once, then one a second. */
START_TEST(many_changes_are_few_writes)
{
	const uint64_t begin_ms = clock_ms();

	for (int i = 0; i < 150; i++) {
		keep(i % 2 == 0 ? first : second, FRESHNESS_NOW, "");
		turn_for(10);
		count_written(); /* or the kernel makes one event of several */
	}
	ck_assert_uint_ge(n_written, 2);
	ck_assert_uint_le(n_written, 1 + (clock_ms() - begin_ms) / 1000);
}
END_TEST

START_TEST(the_same_again_is_no_write)
{
	const uint64_t true_ms = clock_ms() - 60000;

	keep(first, true_ms, "index 7");
	await_written(1);
	for (uint64_t i = 0; i < 120; i++) {
		keep(first, true_ms + 500 * i, "index 7");
		turn_for(10);
	}
	ck_assert_uint_eq(count_written(), 1);
	restart();
	ck_assert_uint_eq(count_written(), 1);
	expect(first, 0, "index 7");
}
END_TEST

/* The position alone, and a registry that would tell of every change, too. */
START_TEST(a_stop_renews_the_stamp)
{
	keep(first, clock_ms() - 60000, "index 7");
	await_written(1);
	keep(first, FRESHNESS_NOW, "index 8");
	restart();
	ck_assert_uint_eq(count_written(), 1);
	struct snapshot *s;
	uint64_t true_ms;
	ck_assert_int_eq(load(&s, &true_ms), 0);
	ck_assert_uint_lt(clock_ms() - true_ms, 50000);
	ck_assert_str_eq(position, "index 8");
	snapshot_release(s);
}
END_TEST

START_TEST(what_was_loaded_is_not_written_again)
{
	struct snapshot *s;
	uint64_t true_ms;

	keep(first, FRESHNESS_NOW, "");
	restart();
	ck_assert_int_eq(load(&s, &true_ms), 0);
	keep(s, FRESHNESS_NOW, "index 9");
	restart();
	ck_assert_uint_eq(count_written(), 1);
	expect(first, 0, "index 9");
	snapshot_release(s);
}
END_TEST

START_TEST(another_block_of_the_configuration_is_written)
{
	struct state_record r = { .kind = "http", .name = "dc1", .snapshot = first, .position = "" };

	r.true_ms = clock_ms();
	state_keep(state, &r);
	await_written(1);
	r.fingerprint = 1;
	state_keep(state, &r);
	destroy();
	ck_assert_uint_eq(count_written(), 2);
}
END_TEST

START_TEST(a_file_that_was_removed_is_written_again)
{
	keep(first, clock_ms() - 60000, "");
	await_written(1);
	ck_assert_int_eq(unlink(path), 0);
	keep(first, clock_ms(), "");
	turn_for(10);
	destroy(); /* finds out that there is none */
	create();
	keep(first, clock_ms(), "");
	restart();
	expect(first, 0, "");
}
END_TEST

START_TEST(without_a_directory_nothing_is_kept)
{
	struct snapshot *s = NULL;
	uint64_t true_ms;

	destroy();
	ck_assert_int_eq(state_create(loop, "", &state), 0);
	ck_assert(state_is_in(state, ""));
	keep(first, FRESHNESS_NOW, "");
	ck_assert_int_eq(load(&s, &true_ms), -ENOENT);
	state_forget(state, "http", "dc1");
}
END_TEST

/* --- what goes wrong --- */

START_TEST(the_last_part_of_the_path_is_made)
{
	char *const above = dir;
	char below[256];
	struct stat st;

	destroy();
	snprintf(below, sizeof(below), "%s/state", above);
	dir = below;
	create();
	keep(first, FRESHNESS_NOW, "");
	restart();
	expect(first, 0, "");
	destroy();
	ck_assert_int_eq(stat(below, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	harness_remove_dir(strdup(below));
	dir = above;
}
END_TEST

static const char *const no_directories[] = { "missing/state", "plain", "plain/state" };

START_TEST(a_directory_that_cannot_be_used_costs_the_state)
{
	char *const above = dir;
	char below[256];

	destroy();
	harness_write_file(dir, "plain", "");
	snprintf(below, sizeof(below), "%s/%s", above, no_directories[_i]);
	dir = below;
	create();
	expect_nothing(-ENOENT);
	keep(first, FRESHNESS_NOW, "");
	turn_for(50);
	destroy();
	dir = above;
}
END_TEST

START_TEST(a_directory_that_comes_later_is_used)
{
	char *const above = dir;
	char middle[256], below[300];

	destroy();
	snprintf(middle, sizeof(middle), "%s/later", above);
	snprintf(below, sizeof(below), "%s/state", middle);
	dir = below;
	create();
	keep(first, FRESHNESS_NOW, "");
	turn_for(50);
	ck_assert_int_eq(mkdir(middle, 0700), 0);
	restart();
	expect(first, 0, "");
	destroy();
	harness_remove_dir(strdup(below));
	ck_assert_int_eq(rmdir(middle), 0);
	dir = above;
}
END_TEST

START_TEST(a_full_disk_keeps_what_was_there_until_there_is_room)
{
	const struct rlimit full = { 520, RLIM_INFINITY };
	struct rlimit before;

	signal(SIGXFSZ, SIG_IGN); /* of the log, if that is a file */
	keep(first, FRESHNESS_NOW, "");
	await_written(1);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	setrlimit(RLIMIT_FSIZE, &full); /* Check writes files, too: nothing of it until that is over */
	keep(second, FRESHNESS_NOW, "");
	turn_for(1300);
	setrlimit(RLIMIT_FSIZE, &before);
	ck_assert_uint_eq(count_written(), 1);
	expect(first, 0, "");
	keep(second, FRESHNESS_NOW, "");
	await_written(2);
	restart();
	expect(second, 0, "");
}
END_TEST

/* What is on the disk is no younger for it, and what other registries said is written. */
START_TEST(what_is_too_large_for_a_file_leaves_the_one_of_before)
{
	struct state_record other = { .kind = "http", .name = "other", .snapshot = first, .position = "" };
	struct snapshot *s;
	uint64_t true_ms;

	second->n_instances = SNAPSHOT_INSTANCES_MAX + 1;
	state_keep(state, &other);
	keep(first, clock_ms() - 600000, "");
	await_written(2);
	keep(second, FRESHNESS_NOW, "");
	turn_for(1300);
	keep(second, FRESHNESS_NOW, "");
	other.fingerprint = 8; /* not written yet when it stops */
	state_keep(state, &other);
	restart();
	expect(first, 600000, "");
	ck_assert_int_eq(state_load(state, "http", "other", 0, &s, &true_ms, position), 0);
	snapshot_release(s);
	ck_assert_uint_eq(count_written(), 3);
}
END_TEST

static bool is_free(void *place)
{
	return state_place_open(place) == 0;
}

/* A reload may come back to the directory. */
START_TEST(who_was_not_waited_for_leaves_the_lock)
{
	static struct state_place place;
	static struct state_order order;
	struct state_place next = { .path = dir, .dir = -1, .lock = -1 };
	static struct state_writer *w;

	destroy();
	place = next;
	ck_assert_int_eq(state_place_open(&place), 0);
	order = (struct state_order){ .file = FILE_NAME, .snapshot = snapshot_keep(first) };
	ck_assert_int_eq(state_writer_create(&place, &w), 0);
	state_writer_send(w, &order);
	/* What it has been given stays with a thread that was not waited for. */
	if (state_writer_destroy(w, 0)) {
		state_place_close(&place);
		snapshot_release(first);
	}
	ck_assert(harness_wait(is_free, &next, LIMIT_MS));
	state_place_close(&next);
}
END_TEST

START_TEST(only_one_daemon_writes_in_a_directory)
{
	struct state *one = state;

	keep(first, FRESHNESS_NOW, "");
	await_written(1);
	create();
	expect(first, 0, "");
	keep(second, FRESHNESS_NOW, "");
	turn_for(100);
	ck_assert_uint_eq(count_written(), 1);
	state_destroy(one, STOP_MS);
	await_written(2); /* it tries again */
	restart();
	expect(second, 0, "");
}
END_TEST

START_TEST(what_is_damaged_is_refused)
{
	keep(first, FRESHNESS_NOW, "");
	await_written(1);
	ck_assert_int_eq(truncate(path, 520), 0);
	expect_nothing(-EBADMSG);
	harness_write_file(dir, FILE_NAME, "");
	expect_nothing(-EBADMSG);
	keep(second, FRESHNESS_NOW, "");
	restart();
	expect(second, 0, "");
}
END_TEST

START_TEST(what_another_registry_said_is_refused)
{
	const struct state_record r = {
		.kind = "http", .name = "dc2", .snapshot = first, .true_ms = FRESHNESS_NOW, .position = ""
	};
	char other[300];

	state_keep(state, &r);
	restart();
	snprintf(other, sizeof(other), "%s/http.dc2.state", dir);
	ck_assert_int_eq(rename(other, path), 0);
	expect_nothing(-EBADMSG);
}
END_TEST

START_TEST(what_is_too_old_is_refused)
{
	struct snapshot *s = NULL;
	uint64_t true_ms;

	keep(first, clock_ms() - 4000000, "");
	restart();
	expect_nothing(-ESTALE);
	ck_assert_int_eq(state_load(state, "http", "dc1", 0, &s, &true_ms, position), 0);
	ck_assert_uint_ge(clock_ms() - true_ms, 4000000);
	snapshot_release(s);
}
END_TEST

/* --- tidiness --- */

static bool is_there(const char *file)
{
	char name[300];

	snprintf(name, sizeof(name), "%s/%s", dir, file);
	return access(name, F_OK) == 0;
}

static void make_old(const char *file)
{
	const struct timespec old[2] = { { .tv_sec = time(NULL) - 31 * 86400 },
					 { .tv_sec = time(NULL) - 31 * 86400 } };
	char name[300];

	harness_write_file(dir, file, "");
	snprintf(name, sizeof(name), "%s/%s", dir, file);
	ck_assert_int_eq(utimensat(AT_FDCWD, name, old, 0), 0);
}

START_TEST(what_was_left_half_written_is_removed)
{
	destroy();
	harness_write_file(dir, "http.gone.state.tmp", "");
	harness_write_file(dir, "notes.tmp", "");
	create();
	ck_assert(!is_there("http.gone.state.tmp"));
	ck_assert(is_there("notes.tmp"));
}
END_TEST

START_TEST(what_nobody_knows_is_removed_after_a_month)
{
	make_old("http.gone.state");
	make_old("http.dc1.state");
	make_old("notes");
	harness_write_file(dir, "http.young.state", "");
	expect_nothing(-EBADMSG); /* but known */
	destroy();
	ck_assert(!is_there("http.gone.state"));
	ck_assert(is_there("http.young.state"));
	ck_assert(is_there(FILE_NAME));
	ck_assert(is_there("notes"));
}
END_TEST

START_TEST(what_is_forgotten_while_it_is_written_gets_old)
{
	keep(first, FRESHNESS_NOW, "");
	state_forget(state, "http", "dc1");
	await_written(1);
	turn_for(1100); /* this is about time passing */
	restart();
	expect(first, 1000, "");
}
END_TEST

START_TEST(what_is_forgotten_stays_on_the_disk)
{
	keep(first, FRESHNESS_NOW, "");
	await_written(1);
	turn_for(50);
	state_forget(state, "http", "dc1");
	state_forget(state, "http", "dc1");
	ck_assert_uint_eq(first->users, 1);
	restart();
	expect(first, 0, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *keeping = tcase_create("keeping"), *wrong = tcase_create("wrong"),
	      *tidy = tcase_create("tidy");

	tcase_set_timeout(keeping, 60);
	tcase_add_checked_fixture(keeping, set_up, tear_down);
	tcase_add_test(keeping, what_was_kept_is_there_after_a_restart);
	tcase_add_test(keeping, what_was_not_written_yet_is_written_at_the_stop);
	tcase_add_test(keeping, many_changes_are_few_writes);
	tcase_add_test(keeping, the_same_again_is_no_write);
	tcase_add_test(keeping, a_stop_renews_the_stamp);
	tcase_add_test(keeping, what_was_loaded_is_not_written_again);
	tcase_add_test(keeping, another_block_of_the_configuration_is_written);
	tcase_add_test(keeping, a_file_that_was_removed_is_written_again);
	tcase_add_test(keeping, without_a_directory_nothing_is_kept);
	suite_add_tcase(suite, keeping);
	tcase_set_timeout(wrong, 60);
	tcase_add_checked_fixture(wrong, set_up, tear_down);
	tcase_add_test(wrong, the_last_part_of_the_path_is_made);
	tcase_add_loop_test(wrong, a_directory_that_cannot_be_used_costs_the_state, 0, 3);
	tcase_add_test(wrong, a_directory_that_comes_later_is_used);
	tcase_add_test(wrong, a_full_disk_keeps_what_was_there_until_there_is_room);
	tcase_add_test(wrong, what_is_too_large_for_a_file_leaves_the_one_of_before);
	tcase_add_loop_test(wrong, who_was_not_waited_for_leaves_the_lock, 0, 10);
	tcase_add_test(wrong, only_one_daemon_writes_in_a_directory);
	tcase_add_test(wrong, what_is_damaged_is_refused);
	tcase_add_test(wrong, what_another_registry_said_is_refused);
	tcase_add_test(wrong, what_is_too_old_is_refused);
	suite_add_tcase(suite, wrong);
	tcase_add_checked_fixture(tidy, set_up, tear_down);
	tcase_add_test(tidy, what_was_left_half_written_is_removed);
	tcase_add_test(tidy, what_nobody_knows_is_removed_after_a_month);
	tcase_add_test(tidy, what_is_forgotten_while_it_is_written_gets_old);
	tcase_add_test(tidy, what_is_forgotten_stays_on_the_disk);
	suite_add_tcase(suite, tidy);
	return harness_run(suite);
}
