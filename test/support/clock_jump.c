/* SPDX-License-Identifier: BSD-2-Clause */
/* support/clock_jump.c -- for a program that was started with it (LD_PRELOAD), clocks jump when a test says
 * so.
 *
 * The file $CLOCK_JUMP holds two 64-bit numbers of this host, seconds to be added: to the time of day, as
 * when somebody sets it; and to the time since boot but not to the monotonic one, as when the host has slept.
 * They may change at any time. What the kernel itself does by the time of day, such as stamping files, does
 * not jump.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* One page, shared with the file. */
static const volatile int64_t *jumps;

__attribute__((constructor)) static void map_jumps(void)
{
	const char *path = getenv("CLOCK_JUMP");
	const int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		abort();
	void *page = mmap(NULL, 2 * sizeof(*jumps), PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		abort();
	jumps = page;
	close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	const long r = syscall(SYS_clock_gettime, clock, ret);

	if (r != 0 || jumps == NULL)
		return (int)r;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		ret->tv_sec += (time_t)jumps[0];
	else if (clock == CLOCK_BOOTTIME)
		ret->tv_sec += (time_t)jumps[1];
	return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	ret->tv_sec = now.tv_sec;
	ret->tv_usec = (suseconds_t)(now.tv_nsec / 1000);
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret != NULL)
		*ret = now.tv_sec;
	return now.tv_sec;
}
