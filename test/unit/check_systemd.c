/* SPDX-License-Identifier: BSD-2-Clause */
#include "systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

/* Tests run in a process of their own each, so what they do to descriptors and variables stays there. */

/* A manager's socket: at the path, or abstract where it begins with '@'. */
static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const size_t len = strlen(path);
	const struct timeval limit = { .tv_sec = 2 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(at.sun_path, path, len);
	if (path[0] == '@')
		at.sun_path[0] = '\0';
	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
		0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
	return fd;
}

static void expect_message(int fd, const char *expected)
{
	char message[256];
	const ssize_t n = recv(fd, message, sizeof(message) - 1, 0);

	ck_assert_int_ge(n, 0);
	message[n] = '\0';
	ck_assert_str_eq(message, expected);
}

START_TEST(notifies_a_socket_with_a_path)
{
	char *dir = harness_make_dir();
	char path[100];

	snprintf(path, sizeof(path), "%s/notify", dir);
	int fd = listen_at(path);
	ck_assert_int_eq(systemd_notify("READY=1\nSTATUS=serving"), 0);
	expect_message(fd, "READY=1\nSTATUS=serving");
	ck_assert_int_eq(systemd_notify("STOPPING=1"), 0);
	expect_message(fd, "STOPPING=1");
	close(fd);
	harness_remove_dir(dir);
}
END_TEST

START_TEST(notifies_an_abstract_socket)
{
	char path[100];

	snprintf(path, sizeof(path), "@phonebook-test-%d", getpid());
	int fd = listen_at(path);
	ck_assert_int_eq(systemd_notify("WATCHDOG=1"), 0);
	expect_message(fd, "WATCHDOG=1");
	close(fd);
}
END_TEST

START_TEST(reloading_carries_the_monotonic_time)
{
	struct timespec before, after;
	unsigned long long at_us;
	char path[100], message[128];

	snprintf(path, sizeof(path), "@phonebook-test-%d", getpid());
	int fd = listen_at(path);
	clock_gettime(CLOCK_MONOTONIC, &before);
	ck_assert_int_eq(systemd_notify_reloading(), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);

	const ssize_t n = recv(fd, message, sizeof(message) - 1, 0);
	ck_assert_int_gt(n, 0);
	message[n] = '\0';
	ck_assert_int_eq(sscanf(message, "RELOADING=1\nMONOTONIC_USEC=%llu", &at_us), 1);
	ck_assert_uint_ge(at_us, (unsigned long long)before.tv_sec * 1000000 +
					 (unsigned long long)before.tv_nsec / 1000);
	ck_assert_uint_le(at_us, (unsigned long long)after.tv_sec * 1000000 +
					 (unsigned long long)after.tv_nsec / 1000);
	close(fd);
}
END_TEST

START_TEST(without_a_manager_nothing_happens)
{
	struct systemd_socket sockets[1];

	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("LISTEN_PID");
	ck_assert_int_eq(systemd_notify("READY=1"), 0);
	ck_assert_int_eq(systemd_listen_fds(sockets, 1), 0);
	ck_assert_uint_eq(systemd_watchdog_ms(), 0);
}
END_TEST

/* One more than a struct sockaddr_un holds. */
#define TEN "/123456789"
static const char too_long[] = TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "/1234567";

static const char *const bad_notify_paths[] = { "", "/", "@", "relative", "vsock:2:1234", too_long };

START_TEST(notify_paths_that_cannot_be_are_refused)
{
	setenv("NOTIFY_SOCKET", bad_notify_paths[_i], 1);
	ck_assert_int_eq(systemd_notify("READY=1"), -EINVAL);
}
END_TEST

START_TEST(a_manager_that_is_gone_is_an_error)
{
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	ck_assert_int_eq(systemd_notify("READY=1"), -ENOENT);
}
END_TEST

static void set_number(const char *variable, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	setenv(variable, text, 1);
}

/* Puts descriptors where a manager would: 3 and up. */
static void pass_fds(const int *fds, int n)
{
	int copies[8];

	for (int i = 0; i < n; i++) {
		copies[i] = fcntl(fds[i], F_DUPFD, 100);
		ck_assert_int_ge(copies[i], 100);
	}
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(dup2(copies[i], 3 + i), 3 + i);
		close(copies[i]);
	}
	set_number("LISTEN_PID", getpid());
	set_number("LISTEN_FDS", n);
}

START_TEST(sockets_come_with_their_type_and_close_on_exec)
{
	const int fds[] = { socket(AF_INET, SOCK_DGRAM, 0), socket(AF_INET, SOCK_STREAM, 0) };
	struct systemd_socket sockets[4];

	pass_fds(fds, 2);
	ck_assert_int_eq(systemd_listen_fds(sockets, 4), 2);
	ck_assert_int_eq(sockets[0].fd, 3);
	ck_assert_int_eq(sockets[0].type, SOCK_DGRAM);
	ck_assert_int_eq(sockets[1].fd, 4);
	ck_assert_int_eq(sockets[1].type, SOCK_STREAM);
	ck_assert_int_eq(fcntl(3, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(4, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(variables_are_gone_after_the_first_call)
{
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct systemd_socket sockets[1];

	pass_fds(&fd, 1);
	setenv("LISTEN_FDNAMES", "dns", 1);
	ck_assert_int_eq(systemd_listen_fds(sockets, 1), 1);
	ck_assert_ptr_null(getenv("LISTEN_PID"));
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
	ck_assert_int_eq(systemd_listen_fds(sockets, 1), 0);
}
END_TEST

START_TEST(what_is_no_socket_or_too_many_is_closed)
{
	const int fds[] = { open("/dev/null", O_RDONLY), socket(AF_UNIX, SOCK_SEQPACKET, 0),
			    socket(AF_INET, SOCK_DGRAM, 0), socket(AF_INET, SOCK_STREAM, 0) };
	struct systemd_socket sockets[1];

	pass_fds(fds, 4);
	ck_assert_int_eq(systemd_listen_fds(sockets, 1), 1);
	ck_assert_int_eq(sockets[0].fd, 5);
	ck_assert_int_eq(fcntl(3, F_GETFD), -1);
	ck_assert_int_eq(fcntl(4, F_GETFD), -1);
	ck_assert_int_eq(fcntl(6, F_GETFD), -1);
}
END_TEST

START_TEST(sockets_of_another_process_are_left_alone)
{
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct systemd_socket sockets[1];

	pass_fds(&fd, 1);
	set_number("LISTEN_PID", getppid());
	ck_assert_int_eq(systemd_listen_fds(sockets, 1), 0);
	ck_assert_int_ge(fcntl(3, F_GETFD), 0);
}
END_TEST

static const struct {
	const char *n;
	int expected;
} bad_counts[] = { { "many", -EINVAL }, { "-1", -EINVAL },  { "", -EINVAL },
		   { "1025", -EINVAL }, { "1000", -EBADF }, { "18446744073709551616", -EINVAL } };

START_TEST(counts_that_cannot_be_true_are_refused)
{
	struct systemd_socket sockets[1];

	set_number("LISTEN_PID", getpid());
	setenv("LISTEN_FDS", bad_counts[_i].n, 1);
	ck_assert_int_eq(systemd_listen_fds(sockets, 1), bad_counts[_i].expected);
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
}
END_TEST

START_TEST(watchdog_is_fed_at_half_its_time)
{
	setenv("WATCHDOG_USEC", "30000000", 1);
	unsetenv("WATCHDOG_PID");
	ck_assert_uint_eq(systemd_watchdog_ms(), 15000);
	set_number("WATCHDOG_PID", getpid());
	ck_assert_uint_eq(systemd_watchdog_ms(), 15000);
	set_number("WATCHDOG_PID", getppid());
	ck_assert_uint_eq(systemd_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "soon", 1);
	unsetenv("WATCHDOG_PID");
	ck_assert_uint_eq(systemd_watchdog_ms(), 0);
}
END_TEST

#define N(vectors) ((int)(sizeof(vectors) / sizeof((vectors)[0])))

int main(void)
{
	Suite *suite = suite_create("systemd");
	TCase *notify = tcase_create("notify");
	TCase *sockets = tcase_create("sockets");
	TCase *watchdog = tcase_create("watchdog");

	tcase_add_test(notify, notifies_a_socket_with_a_path);
	tcase_add_test(notify, notifies_an_abstract_socket);
	tcase_add_test(notify, reloading_carries_the_monotonic_time);
	tcase_add_test(notify, without_a_manager_nothing_happens);
	tcase_add_loop_test(notify, notify_paths_that_cannot_be_are_refused, 0, N(bad_notify_paths));
	tcase_add_test(notify, a_manager_that_is_gone_is_an_error);
	tcase_add_test(sockets, sockets_come_with_their_type_and_close_on_exec);
	tcase_add_test(sockets, variables_are_gone_after_the_first_call);
	tcase_add_test(sockets, what_is_no_socket_or_too_many_is_closed);
	tcase_add_test(sockets, sockets_of_another_process_are_left_alone);
	tcase_add_loop_test(sockets, counts_that_cannot_be_true_are_refused, 0, N(bad_counts));
	tcase_add_test(watchdog, watchdog_is_fed_at_half_its_time);
	suite_add_tcase(suite, notify);
	suite_add_tcase(suite, sockets);
	suite_add_tcase(suite, watchdog);
	return harness_run(suite);
}
