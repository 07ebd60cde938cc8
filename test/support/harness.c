/* SPDX-License-Identifier: BSD-2-Clause */
#include "harness.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

int harness_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	srunner_free(runner);
	return 0;
}

/* A user namespace is for one thread only, and a thread sanitizer has a second: so root tries without. */
bool harness_enter_network(void)
{
	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return false;
	return system("ip link set lo up 2>/dev/null") == 0;
}

static char *join(const char *dir, const char *name)
{
	const size_t size = strlen(dir) + strlen(name) + 2;
	char *path = malloc(size);

	ck_assert_ptr_nonnull(path);
	snprintf(path, size, "%s/%s", dir, name);
	return path;
}

char *harness_read_data(const char *name, size_t *len)
{
	const char *dir = getenv("TEST_DATA");
	char *path = join(dir != NULL ? dir : "test/data", name);
	FILE *file = fopen(path, "rb");

	ck_assert_msg(file != NULL, "cannot open %s", path);
	free(path);
	fseek(file, 0, SEEK_END);
	*len = (size_t)ftell(file);
	rewind(file);
	char *body = malloc(*len + 1);
	ck_assert_ptr_nonnull(body);
	ck_assert_uint_eq(fread(body, 1, *len, file), *len);
	body[*len] = '\0';
	fclose(file);
	return body;
}

/* A port that was free a moment ago can be somebody else's when it is used at last. So each program takes a
 * lane of ports, outside of those that Linux gives to whoever asks for any, and has it to itself as long as
 * it lives: the lock ends with it, however it ends. test/flow/tap.sh does the same. */
enum { LANES = 100, LANE_PORTS = 200, FIRST_PORT = 12000 };

/* In two steps: even to open what another user owns in /tmp can be refused to who would create it. */
static int open_lane(int lane)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/phonebook-test-lane.%d", lane);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		fchmod(fd, 0644); /* whatever the umask is: it is for all users */
	return fd;
}

static int take_lane(void)
{
	for (int i = 0; i < LANES; i++) {
		const int lane = (getpid() + i) % LANES;
		int fd = open_lane(lane);

		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			return lane;
		if (fd >= 0)
			close(fd);
	}
	ck_abort_msg("all %d lanes of ports are taken, or /tmp/phonebook-test-lane.* cannot be opened",
		     LANES);
	return -1;
}

static bool is_free(int type, uint16_t port)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	const bool free = bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;
	close(fd);
	return free;
}

uint16_t harness_free_port(void)
{
	static int lane = -1, next;

	if (lane < 0)
		lane = take_lane();
	while (next < LANE_PORTS) {
		const uint16_t port = (uint16_t)(FIRST_PORT + lane * LANE_PORTS + next++);

		if (is_free(SOCK_STREAM, port) && is_free(SOCK_DGRAM, port))
			return port;
	}
	ck_abort_msg("no port of 127.0.0.1 is left for both UDP and TCP");
	return 0;
}

bool harness_wait(bool (*done)(void *context), void *context, unsigned limit_ms)
{
	const uint64_t end = clock_ms() + limit_ms;
	const struct timespec pause = { .tv_nsec = 2000000 };

	while (!done(context)) {
		if (clock_ms() > end)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

uint64_t slowed(uint64_t ms)
{
	const char *multiplier = getenv("CK_TIMEOUT_MULTIPLIER");
	const unsigned long n = multiplier != NULL ? strtoul(multiplier, NULL, 10) : 1;

	return n > 1 ? ms * n : ms;
}

bool harness_has_ip6(void)
{
	const struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

char *harness_make_dir(void)
{
	char *dir = strdup("/tmp/phonebook-test-XXXXXX");

	ck_assert_ptr_nonnull(dir);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	return dir;
}

void harness_remove_dir(char *dir)
{
	DIR *d = opendir(dir);

	for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
		char *path = join(dir, e->d_name);

		if (e->d_name[0] != '.')
			unlink(path);
		free(path);
	}
	if (d != NULL)
		closedir(d);
	rmdir(dir);
	free(dir);
}

void harness_write_file(const char *dir, const char *name, const char *text)
{
	char *path = join(dir, name);
	FILE *file = fopen(path, "w");

	ck_assert_msg(file != NULL, "cannot write %s", path);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	free(path);
}

void harness_replace_file(const char *dir, const char *name, const char *text)
{
	char *temporary = join(dir, ".new");
	char *path = join(dir, name);

	harness_write_file(dir, ".new", text);
	ck_assert_int_eq(rename(temporary, path), 0);
	free(temporary);
	free(path);
}
