/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/state_file.h -- one file of the state: what one registry said last.
 *
 *   KIND.NAME.state = head of 512 octets, image (model/snapshot_image.h)
 *
 * The head tells whose it is and when that was heard. It is written once, but for a stamp in its last octets,
 * which says again until when it was true: so a registry without news costs a hundred octets and not all it
 * said. A stamp has a checksum of its own: one that was half written when the power failed leaves the one
 * before it. No function here logs, and none knows a thread: only one at a time may write in a directory.
 */
#ifndef PHONEBOOK_FEED_STATE_FILE_H
#define PHONEBOOK_FEED_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/snapshot.h"

enum {
	STATE_KIND_SIZE = 16,
	STATE_NAME_SIZE = 64,
	STATE_POSITION_SIZE = 64,
	STATE_BOOT_OCTETS = 16,

	/* Of KIND.NAME.state.tmp, each octet of the name three. */
	STATE_FILE_SIZE = STATE_KIND_SIZE + 3 * STATE_NAME_SIZE + 16,
};

/* A moment by two clocks: the one that only goes forward means nothing to the next boot of the host, and the
 * other one is set by people. */
struct state_moment {
	uint8_t boot[STATE_BOOT_OCTETS]; /* which boot; all 0: unknown */
	uint64_t boot_ms;                /* as clock_ms() */
	uint64_t wall_s;                 /* as clock_wall_s() */
};

/* The moment that true_ms is on clock_ms(), FRESHNESS_NOW and all to come being now. */
struct state_moment state_moment(uint64_t true_ms, const struct state_moment *now);

/* From then to now: within one boot by the clock that only goes forward, else by the other one. What is to
 * come has the age 0, and is said to be that. */
uint64_t state_age_ms(const struct state_moment *then, const struct state_moment *now, bool *future);

struct state_stamp {
	struct state_moment heard;
	char position[STATE_POSITION_SIZE];
};

struct state_head {
	char kind[STATE_KIND_SIZE], name[STATE_NAME_SIZE];
	uint64_t fingerprint;
	struct state_stamp stamp; /* the newest */
};

/* The name of the file; all but letters, digits, '-' and '_' is percent-encoded. */
void state_file_name(const char *kind, const char *name, char ret[STATE_FILE_SIZE]);

/* Writes it beside the file of before and puts it into its place when it is on the disk. On failure the one
 * of before stays, and nothing is left behind. Negative errno; -EOVERFLOW as snapshot_image_write(). */
int state_file_write(int dir, const char *file, const struct state_head *head, const struct snapshot *s);

/* Writes another stamp; not to be on the disk at once: without it the data is older than it could be, which
 * is no lie. -ENOENT when there is no such file. */
int state_file_renew(int dir, const char *file, const struct state_stamp *stamp);

/* Reads it: -EBADMSG damaged, -EPROTO of another version, -EPERM somebody else's, or another negative errno.
 * The caller is the first user of the snapshot. */
int state_file_read(const char *path, struct state_head *head, struct snapshot **ret);

#endif
