/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/files.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "feed/watch.h"

enum {
	/* A file a process of a large host, and more; a glob over a wrong directory must not read the disk.
	 */
	FILES_MAX = 16384,
	RACY_NS = 100000000, /* many times a kernel tick, the granularity of file times */
};

/* Tells one content of a file from another without reading it. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct known {
	const char *path;
	struct stamp stamp;
	bool sure; /* false: an error, or so young that the next write may not move its times */
};

/* What one complete files_read() found, in the order of the paths. */
struct catalogue {
	struct arena arena;
	struct known *files;
	size_t n;
};

struct files {
	char *path;
	bool is_glob;
	uint64_t max_size;
	struct catalogue known;
	struct watch *watch;
};

/* --- reading --- */

static struct stamp stamp_of(const struct stat *st)
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

static bool stamp_equal(const struct stamp *a, const struct stamp *b)
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

/* Opens without waiting for the other end, should the file have become a pipe since it was looked at. */
static int read_file(const char *path, uint64_t max_size, struct buffer *body, struct known *ret)
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

	const struct stamp stamp = stamp_of(&before), end = stamp_of(&after);
	ret->stamp = stamp;
	ret->sure = stamp_equal(&stamp, &end) && is_old_enough(&stamp);
	return 0;
}

static const char *explain(int error, uint64_t max_size, char *text, size_t size)
{
	if (error == -ENOTSUP)
		return "not a regular file";
	if (error != -EFBIG)
		return strerror_r(-error, text, size);
	snprintf(text, size, "larger than %llu octets", (unsigned long long)max_size);
	return text;
}

static const struct known *find_known(const struct catalogue *c, const char *path)
{
	size_t low = 0, high = c->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = strcmp(path, c->files[middle].path);

		if (order == 0)
			return &c->files[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Whether the part of a glob before its first pattern is a directory: 0 or a negative errno. */
static int find_directory(const char *glob)
{
	char directory[PATH_MAX];
	struct stat st;
	size_t len = 0, end = 0;

	for (; !path_has_glob(&glob[len], 1); len++)
		end = glob[len] == '/' ? len + 1 : end;
	if (end == 0)
		return 0; /* where we are */
	memcpy(directory, glob, end);
	directory[end] = '\0';
	if (stat(directory, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* Tells about a glob that failed as a whole, in one result under its own name. */
static int give_glob_error(const struct files *f, int error,
			   int (*take)(void *context, const struct fetch_result *result), void *context)
{
	char reason[128];
	char text[160];

	if (error == -E2BIG)
		snprintf(text, sizeof(text), "more than %d files", FILES_MAX);
	else
		snprintf(text, sizeof(text), "cannot look for files: %s",
			 strerror_r(-error, reason, sizeof(reason)));

	const struct fetch_result result = {
		.name = f->path, .error = error, .error_text = text, .body = "", .last = true
	};
	const int r = take(context, &result);
	return r < 0 ? r : 0;
}

/* Looks at one file, reads it if need be and gives it to take(). What is seen of it goes to ret. */
static int give_file(const struct files *f, struct buffer *body, bool last,
		     int (*take)(void *context, const struct fetch_result *result), void *context,
		     struct known *ret)
{
	const struct known *old = find_known(&f->known, ret->path);
	struct fetch_result result = { .name = ret->path, .status = 200, .body = "", .last = last };
	struct stat st;
	char text[128];

	buffer_clear(body);
	int r = stat(ret->path, &st) < 0 ? -errno : 0;
	const struct stamp stamp = r == 0 ? stamp_of(&st) : (struct stamp){ 0 };
	if (r == 0 && !S_ISREG(st.st_mode)) {
		r = -ENOTSUP; /* not even opened: that alone can move a tape */
	} else if (r == 0 && old != NULL && old->sure && stamp_equal(&old->stamp, &stamp)) {
		result.unchanged = true;
		ret->stamp = stamp;
		ret->sure = true;
	} else if (r == 0) {
		r = read_file(ret->path, f->max_size, body, ret);
	}
	/* Gone since glob() saw it: by itself, or with the whole directory? */
	const int directory = r < 0 && f->is_glob ? find_directory(f->path) : 0;
	if (directory < 0) {
		r = give_glob_error(f, directory, take, context);
		return r < 0 ? r : directory;
	}
	if (r < 0) {
		result.error = r;
		result.error_text = explain(r, f->max_size, text, sizeof(text));
		result.status = 0;
	} else if (!result.unchanged) {
		result.body = (const char *)body->octets;
		result.len = body->len;
	}
	r = take(context, &result);
	return r < 0 ? r : 0;
}

static int give_files(const struct files *f, const glob_t *found, struct catalogue *seen,
		      int (*take)(void *context, const struct fetch_result *result), void *context)
{
	struct buffer body = { 0 };
	int r = 0;

	seen->files = arena_alloc(&seen->arena, found->gl_pathc * sizeof(*seen->files));
	if (seen->files == NULL)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < found->gl_pathc; i++) {
		struct known *file = &seen->files[seen->n++];

		file->path = arena_text(&seen->arena, found->gl_pathv[i], strlen(found->gl_pathv[i]));
		r = file->path != NULL ? give_file(f, &body, i == found->gl_pathc - 1, take, context, file)
				       : -ENOMEM;
	}
	buffer_finish(&body);
	return r;
}

/* What is not there matches nothing; what cannot be read must not look like that. */
static int on_glob_error(const char *path, int error)
{
	(void)path;
	if (error == ENOENT || error == ENOTDIR)
		return 0;
	errno = error;
	return -1;
}

/* glob(3) would sort as the locale does; find_known() needs the order of octets. */
static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* glob(3) without glob characters would hide why a plain path cannot be used. */
static int find_files(const struct files *f, char *plain[2], glob_t *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!f->is_glob) {
		plain[0] = f->path;
		plain[1] = NULL;
		ret->gl_pathv = plain;
		ret->gl_pathc = 1;
		return 0;
	}

	errno = 0;
	const int r = glob(f->path, GLOB_NOSORT, on_glob_error, ret);
	if (r == GLOB_NOSPACE)
		return -ENOMEM;
	if (r == GLOB_ABORTED)
		return errno != 0 ? -errno : -EIO;
	if (ret->gl_pathc > FILES_MAX)
		return -E2BIG;
	if (ret->gl_pathc == 0)
		return find_directory(f->path);
	qsort(ret->gl_pathv, ret->gl_pathc, sizeof(char *), compare_paths);
	return 0;
}

static void catalogue_finish(struct catalogue *c)
{
	arena_finish(&c->arena);
	*c = (struct catalogue){ 0 };
}

int files_read(struct files *f, int (*take)(void *context, const struct fetch_result *result), void *context)
{
	struct catalogue seen = { 0 };
	char *plain[2];
	glob_t found;

	watch_begin(f->watch);
	int r = find_files(f, plain, &found);
	if (r == 0)
		watch_files(f->watch, found.gl_pathv, found.gl_pathc);
	watch_end(f->watch);
	const bool found_them = r == 0;
	if (found_them)
		r = give_files(f, &found, &seen, take, context);
	else
		r = give_glob_error(f, r, take, context);
	if (f->is_glob)
		globfree(&found);

	/* A round that was broken off gave its files to nobody: they are compared with the last whole one. */
	if (r < 0 || !found_them) {
		catalogue_finish(&seen);
		return r;
	}
	catalogue_finish(&f->known);
	f->known = seen;
	return 0;
}

/* --- life --- */

int files_create(struct event_base *loop, const char *path, uint64_t max_size, void (*changed)(void *context),
		 void *context, struct files **ret)
{
	if (path[0] == '\0' || strlen(path) >= PATH_MAX)
		return -EINVAL;

	struct files *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	f->path = strdup(path);
	if (f->path == NULL || watch_create(loop, f->path, changed, context, &f->watch) < 0) {
		files_destroy(f);
		return -ENOMEM;
	}
	f->is_glob = path_has_glob(path, strlen(path));
	f->max_size = max_size;
	*ret = f;
	return 0;
}

void files_destroy(struct files *f)
{
	if (f == NULL)
		return;

	watch_destroy(f->watch);
	catalogue_finish(&f->known);
	free(f->path);
	free(f);
}
