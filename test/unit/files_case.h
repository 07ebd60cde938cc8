/* SPDX-License-Identifier: BSD-2-Clause */
/* unit/files_case.h -- what all tests of the files of a registry need: a directory, and what is seen of it.
 */
#ifndef PHONEBOOK_TEST_FILES_CASE_H
#define PHONEBOOK_TEST_FILES_CASE_H

#include "base/clock.h"
#include "feed/files.h"
#include "harness.h"
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_SIZE = 1000, LIMIT_MS = 3000 };

static struct event_base *loop;
static struct files *files;
static char *dir;
static char shell_command[1024];
static unsigned changes;
static uint64_t changed_at;
static uint64_t least_pause;

/* What the last files_read() gave, one "name=body;" a file, "name!error;" or "name~;" for an unchanged one.
 */
static char seen[4096];
static unsigned n_seen, n_last;

static inline void set_up(void)
{
	loop = event_base_new();
	files = NULL;
	dir = harness_make_dir();
	changes = 0;
	least_pause = UINT64_MAX;
}

static inline void tear_down(void)
{
	files_destroy(files);
	event_base_free(loop);
	snprintf(shell_command, sizeof(shell_command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(shell_command), 0);
	free(dir);
}

/* Runs a shell command in the test's directory. */
static inline void shell(const char *command)
{
	snprintf(shell_command, sizeof(shell_command), "cd '%s' && %s", dir, command);
	ck_assert_msg(system(shell_command) == 0, "%s", command);
}

static inline void on_changed(void *context)
{
	const uint64_t now = clock_ms();

	ck_assert_ptr_eq(context, &changes);
	if (changes > 0 && now - changed_at < least_pause)
		least_pause = now - changed_at;
	changed_at = now;
	changes++;
}

static inline void watch_limited(const char *pattern, uint64_t max_size)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, pattern);
	ck_assert_int_eq(files_create(loop, path, max_size, on_changed, &changes, &files), 0);
}

static inline void watch(const char *pattern)
{
	watch_limited(pattern, MAX_SIZE);
}

static inline int take(void *context, const struct fetch_result *result)
{
	const size_t skip = strlen(dir) + 1;
	size_t len = strlen(seen);

	ck_assert_ptr_null(context);
	ck_assert_mem_eq(result->name, dir, strlen(dir));
	if (result->error != 0) {
		ck_assert_int_lt(result->error, 0);
		snprintf(seen + len, sizeof(seen) - len, "%s!%s;", result->name + skip, result->error_text);
	} else if (result->unchanged) {
		snprintf(seen + len, sizeof(seen) - len, "%s~;", result->name + skip);
	} else {
		ck_assert_int_eq(result->status, 200);
		ck_assert_uint_eq(result->len, strlen(result->body));
		snprintf(seen + len, sizeof(seen) - len, "%s=%s;", result->name + skip, result->body);
	}
	n_last += result->last;
	n_seen++;
	return 0;
}

static inline const char *read_all(void)
{
	seen[0] = '\0';
	n_seen = n_last = 0;
	ck_assert_int_eq(files_read(files, take, NULL), 0);
	return seen;
}

/* Runs the loop until more changes than so many were told; false after limit_ms. */
static inline bool told_within(unsigned than, uint64_t limit_ms)
{
	const uint64_t end = clock_ms() + limit_ms;

	while (changes <= than && clock_ms() < end) {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 20000 });
		event_base_loop(loop, EVLOOP_ONCE);
	}
	return changes > than;
}

/* Runs the loop until nothing was told for 60 ms, so that earlier events do not count for later ones. */
static inline void settle(void)
{
	unsigned before;

	do {
		before = changes;
	} while (told_within(before, 60));
	changes = 0;
}

/* Reads until the file is old enough to be known by its times alone. */
static inline bool is_unchanged(void *context)
{
	(void)context;
	return strstr(read_all(), "=") == NULL;
}

static inline int refuse_b(void *context, const struct fetch_result *result)
{
	take(context, result);
	return strstr(result->name, "b.json") != NULL ? -EBADMSG : 0;
}

static inline TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 20);
	suite_add_tcase(suite, tc);
	return tc;
}

#endif
