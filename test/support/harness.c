/* SPDX-License-Identifier: BSD-2-Clause */
#include "harness.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

static int bind_loopback(int type, uint16_t port, uint16_t *ret)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&at, &len);
	*ret = ntohs(at.sin_port);
	return fd;
}

uint16_t harness_free_port(void)
{
	for (int i = 0; i < 100; i++) {
		uint16_t port, same;
		int tcp = bind_loopback(SOCK_STREAM, 0, &port);
		int udp = tcp < 0 ? -1 : bind_loopback(SOCK_DGRAM, port, &same);

		close(tcp);
		if (udp >= 0) {
			close(udp);
			return port;
		}
	}
	ck_abort_msg("no port of 127.0.0.1 is free for both UDP and TCP");
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
