/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/one_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { RACY_NS = 100000000 }; /* many times a kernel tick, the granularity of file times */

struct stamp stamp_of(const struct stat *st)
{
	return (struct stamp){ .device = st->st_dev,
			       .inode = st->st_ino,
			       .size = st->st_size,
			       .modified = st->st_mtim,
			       .changed = st->st_ctim };
}

static bool time_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool stamp_equal(const struct stamp *a, const struct stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       time_equal(&a->modified, &b->modified) && time_equal(&a->changed, &b->changed);
}

/* Every write moves the time of change, which nobody can set; so only its age tells whether the next write
 * will be seen. A time in the future counts as young. */
static bool is_old_enough(const struct stamp *stamp)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	const int64_t age_s = (int64_t)now.tv_sec - stamp->changed.tv_sec;
	if (age_s < 0)
		return false;
	return age_s > 1 || age_s * 1000000000 + now.tv_nsec - stamp->changed.tv_nsec > RACY_NS;
}

/* Reads up to max_size octets of an open file, NUL behind. */
static int read_octets(int fd, uint64_t max_size, struct buffer *body)
{
	for (;;) {
		char *room = buffer_reserve(body, 16384);

		if (room == NULL)
			return -ENOMEM;
		const ssize_t n = read(fd, room, 16384);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		body->len += (size_t)n;
		if (body->len > max_size)
			return -EFBIG;
		if (n == 0) {
			room[0] = '\0';
			return 0;
		}
	}
}

/* Opened without waiting for the other end, should the file have become a pipe since it was looked at. */
int one_file_read(const char *path, uint64_t max_size, struct buffer *body, struct stamp *ret)
{
	struct stat before, after;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	int r = fstat(fd, &before) < 0 ? -errno : 0;
	if (r == 0 && !S_ISREG(before.st_mode))
		r = -ENOTSUP;
	if (r == 0 && (uint64_t)before.st_size > max_size)
		r = -EFBIG;
	if (r == 0)
		r = read_octets(fd, max_size, body);
	if (r == 0 && fstat(fd, &after) < 0)
		r = -errno;
	close(fd);
	if (r < 0)
		return r;

	const struct stamp end = stamp_of(&after);
	*ret = stamp_of(&before);
	ret->sure = stamp_equal(ret, &end) && is_old_enough(ret);
	return 0;
}
