/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/files.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "feed/one_file.h"
#include "feed/watch.h"

enum {
	/* A file a process of a large host, and more; a glob over a wrong directory must not read the disk.
	 */
	FILES_MAX = 16384,
};

struct known {
	const char *path;
	struct stamp stamp;
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

static const char *explain(int error, uint64_t max_size, char *text, size_t size)
{
	if (error == -ENOTSUP)
		return "not a regular file";
	if (error != -EFBIG)
		return strerror_r(-error, text, size);
	snprintf(text, size, "larger than %llu octets", (unsigned long long)max_size);
	return text;
}

static struct known *find_known(const struct catalogue *c, const char *path)
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

/* A reading under way. */
struct reading {
	struct files *files;
	int (*take)(void *context, const struct fetch_result *result);
	void *context;
	struct buffer body; /* of one file after the other */
	bool partial;
};

static int give(const struct reading *g, const struct fetch_result *result)
{
	const int r = g->take(g->context, result);

	return r < 0 ? r : 0;
}

/* Tells about a glob that failed as a whole, in one result under its own name. */
static int give_glob_error(const struct reading *g, int error)
{
	char reason[128];
	char text[160];

	if (error == -E2BIG)
		snprintf(text, sizeof(text), "more than %d files", FILES_MAX);
	else
		snprintf(text, sizeof(text), "cannot look for files: %s",
			 strerror_r(-error, reason, sizeof(reason)));

	const struct fetch_result result = {
		.name = g->files->path, .error = error, .error_text = text, .body = "", .last = true
	};
	return give(g, &result);
}

/* Looks at what the path names: 0, or a negative errno. A link is watched, then followed. For all else one
 * look is enough: what is no link is the file itself. Should a link take its place from here on, the
 * directory tells, which is watched already, and it is followed when the file is opened. */
static int look(struct reading *g, const char *path, struct stat *ret)
{
	if (lstat(path, ret) < 0)
		return -errno;
	if (!S_ISLNK(ret->st_mode))
		return 0;
	watch_link(g->files->watch, path);
	return stat(path, ret) < 0 ? -errno : 0;
}

/* What is to be said about the file: that it is the same, or its octets; or a negative errno. */
static int look_at_file(struct reading *g, struct known *file, struct fetch_result *ret)
{
	const struct known *old = find_known(&g->files->known, file->path);
	struct stat st;
	int r = look(g, file->path, &st);

	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP; /* not even opened: that alone can move a tape */

	const struct stamp stamp = stamp_of(&st);
	if (old != NULL && old->stamp.sure && stamp_equal(&old->stamp, &stamp)) {
		file->stamp = old->stamp;
		ret->unchanged = true;
		return 0;
	}
	r = one_file_read(file->path, g->files->max_size, &g->body, &file->stamp);
	if (r == 0) {
		ret->body = (const char *)g->body.octets;
		ret->len = g->body.len;
	}
	return r;
}

/* Gives one file to take(). What is seen of it goes to its stamp. */
static int give_file(struct reading *g, bool last, struct known *file)
{
	const struct files *f = g->files;
	struct fetch_result result = {
		.name = file->path, .status = 200, .body = "", .last = last, .partial = g->partial
	};
	char text[128];

	buffer_clear(&g->body);
	int r = look_at_file(g, file, &result);
	/* Gone since glob() saw it: by itself, or with the whole directory? */
	const int directory = r < 0 && f->is_glob ? find_directory(f->path) : 0;
	if (directory < 0) {
		r = give_glob_error(g, directory);
		return r < 0 ? r : directory;
	}
	if (r < 0) {
		result.error = r;
		result.error_text = explain(r, f->max_size, text, sizeof(text));
		result.status = 0;
	}
	return give(g, &result);
}

static int give_files(struct reading *g, const glob_t *found, struct catalogue *seen)
{
	int r = 0;

	seen->files = arena_alloc(&seen->arena, found->gl_pathc * sizeof(*seen->files));
	if (seen->files == NULL)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < found->gl_pathc; i++) {
		struct known *file = &seen->files[seen->n++];

		file->path = arena_text(&seen->arena, found->gl_pathv[i], strlen(found->gl_pathv[i]));
		r = file->path != NULL ? give_file(g, i == found->gl_pathc - 1, file) : -ENOMEM;
	}
	return r;
}

/* Links that a reading did not come to, because it was broken off, are watched all the same. */
static void watch_rest(const struct files *f, const glob_t *found, size_t n_seen)
{
	struct stat st;

	for (size_t i = n_seen; i < found->gl_pathc; i++) {
		if (lstat(found->gl_pathv[i], &st) == 0 && S_ISLNK(st.st_mode))
			watch_link(f->watch, found->gl_pathv[i]);
	}
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
	struct reading g = { .files = f, .take = take, .context = context };
	struct catalogue seen = { 0 };
	char *plain[2];
	glob_t found;

	watch_begin(f->watch);
	int r = find_files(f, plain, &found);
	const bool found_them = r == 0;
	if (found_them) {
		r = give_files(&g, &found, &seen);
		watch_rest(f, &found, seen.n);
	} else
		r = give_glob_error(&g, r);
	watch_end(f->watch);
	if (f->is_glob)
		globfree(&found);
	buffer_finish(&g.body);

	/* A round that was broken off gave its files to nobody: they are compared with the last whole one. */
	if (r < 0 || !found_them) {
		catalogue_finish(&seen);
		return r;
	}
	catalogue_finish(&f->known);
	f->known = seen;
	return 0;
}

/* The whole path of a name in the glob's own directory; false if that has to be watched by itself. */
static bool find_changed(const struct files *f, const char *name, char ret[PATH_MAX])
{
	const char *slash = strrchr(f->path, '/');
	const int len = slash != NULL ? (int)(slash - f->path + 1) : 0;
	struct stat st;

	return snprintf(ret, PATH_MAX, "%.*s%s", len, f->path, name) < PATH_MAX &&
	       (lstat(ret, &st) < 0 || !S_ISLNK(st.st_mode));
}

/* A file that is new is given once more at the next whole reading, which makes the list of all. */
static int give_changed(struct reading *g, const char *name, bool last)
{
	char path[PATH_MAX];
	struct known file = { .path = path };

	if (!find_changed(g->files, name, path))
		return -EAGAIN;
	const int r = give_file(g, last, &file);
	struct known *old = r == 0 ? find_known(&g->files->known, path) : NULL;
	if (old != NULL)
		old->stamp = file.stamp;
	return r;
}

static bool can_give_all(const struct files *f, const struct buffer *names)
{
	char path[PATH_MAX];

	for (size_t at = 0; at < names->len; at += strlen((const char *)names->octets + at) + 1) {
		if (!find_changed(f, (const char *)names->octets + at, path))
			return false;
	}
	return names->len > 0;
}

int files_read_changed(struct files *f, int (*take)(void *context, const struct fetch_result *result),
		       void *context)
{
	struct reading g = { .files = f, .take = take, .context = context, .partial = true };
	struct buffer names = { 0 };
	int r = watch_take(f->watch, &names) && can_give_all(f, &names) ? 0 : -EAGAIN;

	for (size_t at = 0; r == 0 && at < names.len;) {
		const char *name = (const char *)names.octets + at;

		at += strlen(name) + 1;
		r = give_changed(&g, name, at == names.len);
	}
	buffer_finish(&names);
	buffer_finish(&g.body);
	return r;
}

/* --- life --- */

int files_create(struct event_base *loop, const char *path, uint64_t max_size, void (*changed)(void *context),
		 void *context, struct files **ret)
{
	if (path[0] == '\0')
		return -EINVAL;
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;

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
