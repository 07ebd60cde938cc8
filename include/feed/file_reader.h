/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/file_reader.h -- the files of one resource: which of them a round reads, and how soon a change may be
 * read.
 *
 *   inotify --> files --changed(wait)--> errand --file_reader_read--> one result a file --> take()
 *                                                                             |
 *                       wait <-- what the round cost <-- end of this turn <---+--> snapshot --> tables
 *
 * A change after some quiet is read at once. Changes without end cost a tenth of a core: each reading is
 * followed by ten times the rest, counted from its beginning until everything it set in motion was done.
 * Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_FILE_READER_H
#define PHONEBOOK_FEED_FILE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "registry/registry.h"

struct event_base;
struct file_reader;

enum file_reading {
	READ_CHANGED, /* the files that have changed, if that is known; else all */
	READ_ALL,
	READ_ALL_IN_TURN, /* it was time for that, with changes or without: not paid for */
};

struct file_reader_options {
	struct event_base *loop;
	const char *path; /* a file, or a glob */
	uint64_t max_size;

	/* Files have changed, and may be read in so long. Never from inside a call, and last in its event: it
	 * may destroy the reader. */
	void (*changed)(void *context, uint64_t wait_ms);

	/* One result of a reading; a negative errno breaks it off. It may not destroy the reader. */
	int (*take)(void *context, const struct fetch_result *result);
	void *context; /* of both */
};

/* What the options point to is borrowed for this call only. -EINVAL for an empty path, -ENAMETOOLONG,
 * -ENOMEM. */
int file_reader_create(const struct file_reader_options *o, struct file_reader **ret);

void file_reader_destroy(struct file_reader *r); /* NULL is fine */

/* Gives files to take(), those that have changed as partial results. The last one is marked; where no file is
 * there, it is one without a name. Returns what take() said, if that broke it off, or why nothing could be
 * given. */
int file_reader_read(struct file_reader *r, enum file_reading what);

#endif
