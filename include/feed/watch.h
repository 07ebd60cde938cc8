/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/watch.h -- notices by inotify when what a path or a glob matches may have changed.
 *
 *   watch_begin --> who reads looks for files --> watch_link --> watch_end --> events --> changed()
 *
 * Watches go to inodes, so they are renewed around each reading: directories and links may have been swapped.
 * Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_WATCH_H
#define PHONEBOOK_FEED_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

struct event_base;
struct watch;

/* Watches the way to path, which is borrowed and shorter than PATH_MAX. changed() is called at once when a
 * file has been written, has come or has gone, else after 10 ms; at most every 10 ms; and last in its event:
 * it may destroy the watch. A directory that does not exist yet, or no inotify at all, is no error. */
int watch_create(struct event_base *loop, const char *path, void (*changed)(void *context), void *context,
		 struct watch **ret);

void watch_destroy(struct watch *w); /* NULL is fine */

/* Watches the directory as it is now, and a path without glob. To be called before looking for files: what
 * happens in between is told again, not missed. */
void watch_begin(struct watch *w);

/* Watches the file behind a link, which may be written where it really lies; before it is read. */
void watch_link(struct watch *w, const char *path);

/* Ends the watches that were not renewed since watch_begin(). */
void watch_end(struct watch *w);

/* Hands over, one behind the other with a NUL each, the names of the files in the glob's own directory that
 * have changed since watch_begin(), or since this was last called. False: more may have, or elsewhere. */
bool watch_take(struct watch *w, struct buffer *ret);

#endif
