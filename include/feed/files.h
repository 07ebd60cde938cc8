/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/files.h -- the files of a file registry: find, read, and notice changes.
 *
 *   inotify on the directory (and on a file behind a link) --> changed() --> feeder starts a round
 *   files_read: glob, one result a file, unchanged ones not read again
 *   files_read_changed: one result for each file that inotify has named
 *
 * Feeder thread only. Reads are plain blocking reads of local files.
 */
#ifndef PHONEBOOK_FEED_FILES_H
#define PHONEBOOK_FEED_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "registry/registry.h"

struct event_base;
struct files;

/* Watches what path, a file or a glob, can match. changed() is called at most every 10 ms, and never from
 * inside a call; a directory that does not exist yet, or no inotify at all, is no error: polls remain.
 * -EINVAL for an empty path, -ENAMETOOLONG, -ENOMEM. */
int files_create(struct event_base *loop, const char *path, uint64_t max_size, void (*changed)(void *context),
		 void *context, struct files **ret);

void files_destroy(struct files *f); /* NULL is fine */

/* Reads every file the path matches now, in the order of their names, and gives each to take(), until that
 * returns a negative errno, which is handed on. A file that is the same as at the last call comes as
 * unchanged, one that cannot be read or has just gone as an error result. A glob without matches is no file
 * at all; one whose directory does not exist, or cannot be listed, is one error result under its own name. */
int files_read(struct files *f, int (*take)(void *context, const struct fetch_result *result), void *context);

/* The same for those only that have changed since the last reading of either sort, as partial results; a file
 * that is gone is an error result. -EAGAIN, and nothing given, where it is not known that these are all. */
int files_read_changed(struct files *f, int (*take)(void *context, const struct fetch_result *result),
		       void *context);

#endif
