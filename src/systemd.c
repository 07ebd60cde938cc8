/* SPDX-License-Identifier: BSD-2-Clause */
#include "systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

/* The first descriptor passed (sd_listen_fds(3), SD_LISTEN_FDS_START). */
enum { LISTEN_FDS_START = 3, LISTEN_FDS_MAX = 1024 };

static bool number_from_environment(const char *variable, uint64_t *ret)
{
	const char *text = getenv(variable);

	return text != NULL && text_to_uint(text, strlen(text), ret);
}

/* Variables meant for another process, a parent say, are none of our business. */
static bool is_for_us(const char *pid_variable)
{
	uint64_t pid;

	return number_from_environment(pid_variable, &pid) && pid == (uint64_t)getpid();
}

int systemd_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (path == NULL)
		return 0;
	const size_t len = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(to.sun_path))
		return -EINVAL;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* abstract: no file, and no NUL at the end (unix(7)) */

	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	const socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	int r = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to, to_len) < 0
			? -errno
			: 0;
	close(fd);
	return r;
}

/* The manager tells an old READY=1 from the one that ends the reload by the time (sd_notify(3)). */
int systemd_notify_reloading(void)
{
	struct timespec now;
	char state[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	const uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_us);
	return systemd_notify(state);
}

static int socket_type(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ? -errno : type;
}

static int take_sockets(uint64_t n_passed, struct systemd_socket *ret, size_t max)
{
	size_t n = 0;

	if (n_passed > LISTEN_FDS_MAX)
		return -EINVAL;
	for (int fd = LISTEN_FDS_START; fd < LISTEN_FDS_START + (int)n_passed; fd++) {
		const int type = socket_type(fd);

		if (type == -EBADF)
			return -EBADF;
		if (n == max || (type != SOCK_DGRAM && type != SOCK_STREAM)) {
			close(fd);
			continue;
		}
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return -errno;
		ret[n++] = (struct systemd_socket){ .fd = fd, .type = type };
	}
	return (int)n;
}

int systemd_listen_fds(struct systemd_socket *ret, size_t max)
{
	uint64_t n_passed;
	int r = 0;

	if (is_for_us("LISTEN_PID"))
		r = number_from_environment("LISTEN_FDS", &n_passed) ? take_sockets(n_passed, ret, max)
								     : -EINVAL;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return r;
}

uint64_t systemd_watchdog_ms(void)
{
	uint64_t limit_us;

	if (!number_from_environment("WATCHDOG_USEC", &limit_us))
		return 0;
	if (getenv("WATCHDOG_PID") != NULL && !is_for_us("WATCHDOG_PID"))
		return 0;
	return limit_us / 2000;
}
