/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/one_file.h -- a file of a file registry: its octets, and what tells one content from another.
 *
 * Feeder thread only. Reads are plain blocking reads of local files.
 */
#ifndef PHONEBOOK_FEED_ONE_FILE_H
#define PHONEBOOK_FEED_ONE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "base/buffer.h"

/* Tells one content of a file from another without reading it. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
	bool sure; /* false: an error, or so young that the next write may not move its times */
};

/* Not sure yet. */
struct stamp stamp_of(const struct stat *st);

/* Whether they are of the same content, if the older one is sure. */
bool stamp_equal(const struct stamp *a, const struct stamp *b);

/* Reads up to max_size octets, NUL behind. -EFBIG, -ENOTSUP for what is no regular file, or why it cannot be
 * read. */
int one_file_read(const char *path, uint64_t max_size, struct buffer *body, struct stamp *ret);

#endif
