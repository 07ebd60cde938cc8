/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/state_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum { KEEP_S = 30 * 24 * 3600 };

static bool ends_in(const char *text, const char *end)
{
	const size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static void for_each_file(const struct state_place *p, const char *end,
			  void (*visit)(const struct state_place *p, const char *file, void *context),
			  void *context)
{
	const int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;

	if (entries == NULL && fd >= 0)
		close(fd);
	for (const struct dirent *e; entries != NULL && (e = readdir(entries)) != NULL;) {
		if (ends_in(e->d_name, end))
			visit(p, e->d_name, context);
	}
	if (entries != NULL)
		closedir(entries);
}

static void remove_file(const struct state_place *p, const char *file, void *context)
{
	(void)context;
	unlinkat(p->dir, file, 0);
}

static int open_dir(struct state_place *p)
{
	const int made = mkdir(p->path, 0700) < 0 ? -errno : 0;
	struct stat st;

	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0)
		return errno == ENOENT && made != 0 ? made : -errno;
	p->open_to_everybody = fstat(p->dir, &st) == 0 && (st.st_mode & S_IWOTH) != 0;
	return 0;
}

static int take_lock(struct state_place *p)
{
	const int fd = openat(p->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		const int r = -errno;

		close(fd);
		return r;
	}
	p->lock = fd;
	for_each_file(p, ".state.tmp", remove_file, NULL);
	return 0;
}

int state_place_open(struct state_place *p)
{
	int r = p->dir < 0 ? open_dir(p) : 0;

	if (r == 0 && p->lock < 0)
		r = take_lock(p);
	return r;
}

struct known {
	bool (*is_known)(void *context, const char *file);
	void *context;
	time_t before;
};

static void remove_old(const struct state_place *p, const char *file, void *context)
{
	const struct known *k = context;
	struct stat st;

	if (!k->is_known(k->context, file) && fstatat(p->dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtime < k->before)
		unlinkat(p->dir, file, 0);
}

void state_place_sweep(const struct state_place *p, bool (*is_known)(void *context, const char *file),
		       void *context)
{
	struct known k = { is_known, context, (time_t)clock_wall_s() - KEEP_S };

	if (p->lock >= 0)
		for_each_file(p, ".state", remove_old, &k);
}

void state_place_close(struct state_place *p)
{
	if (p->lock >= 0)
		close(p->lock);
	if (p->dir >= 0)
		close(p->dir);
	p->dir = p->lock = -1;
}

const char *state_place_error(int error)
{
	switch (error) {
	case -EWOULDBLOCK:
		return "another phonebookd keeps its state there";
	case -ENOENT:
		return "there is no such directory, nor the one above it: create it and give it to our user";
	case -EACCES:
	case -EPERM:
		return "no permission: create the directory and give it to our user, as StateDirectory= of the "
		       "systemd unit does";
	case -EROFS:
		return "a read-only file system: with the systemd unit, is it the directory of StateDirectory=?";
	case -EOVERFLOW:
		return "more than we take from one registry";
	default:
		return strerror(-error);
	}
}
