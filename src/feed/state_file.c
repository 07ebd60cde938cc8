/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/little.h"
#include "model/snapshot_image.h"

enum {
	HEAD_VERSION = 1, /* another one for every change of what follows */
	MAGIC_OCTETS = 16,

	MAGIC_AT = 0,
	VERSION_AT = MAGIC_AT + MAGIC_OCTETS, /* of head and image */
	KIND_AT = VERSION_AT + 4,
	NAME_AT = KIND_AT + STATE_KIND_SIZE,
	FINGERPRINT_AT = NAME_AT + STATE_NAME_SIZE,
	IMAGE_LEN_AT = FINGERPRINT_AT + 8,
	STAMP_AT = IMAGE_LEN_AT + 8, /* as it was when the file was written */

	BOOT_MS_AT = STATE_BOOT_OCTETS, /* within a stamp */
	WALL_S_AT = BOOT_MS_AT + 8,
	POSITION_AT = WALL_S_AT + 8,
	STAMP_CHECKSUM_AT = POSITION_AT + STATE_POSITION_SIZE,
	STAMP_OCTETS = STAMP_CHECKSUM_AT + 8,

	/* What a disk writes at once, or not at all. */
	HEAD_OCTETS = 512,
	RENEWED_AT = HEAD_OCTETS - STAMP_OCTETS,
	CHECKSUM_AT = RENEWED_AT - 8, /* of all before it */

	/* More than twice what images of the largest snapshots have. */
	FILE_OCTETS_MAX = 2 * SNAPSHOT_OCTETS_MAX,
};

_Static_assert((int)STAMP_AT + STAMP_OCTETS <= (int)CHECKSUM_AT, "the head has room for all");

static const char magic[MAGIC_OCTETS + 1] = "PHONEBOOK STATE\n";
static const uint32_t version = (uint32_t)HEAD_VERSION << 16 | SNAPSHOT_IMAGE_VERSION;

/* --- moments --- */

struct state_moment state_moment(uint64_t true_ms, const struct state_moment *now)
{
	const uint64_t age_ms = true_ms < now->boot_ms ? now->boot_ms - true_ms : 0;
	const uint64_t age_s = age_ms / 1000;
	struct state_moment then = *now;

	then.boot_ms = now->boot_ms - age_ms;
	then.wall_s = now->wall_s > age_s ? now->wall_s - age_s : 0;
	return then;
}

static bool is_one_boot(const struct state_moment *a, const struct state_moment *b)
{
	static const uint8_t unknown[STATE_BOOT_OCTETS];

	return memcmp(a->boot, b->boot, sizeof(unknown)) == 0 &&
	       memcmp(a->boot, unknown, sizeof(unknown)) != 0;
}

uint64_t state_age_ms(const struct state_moment *then, const struct state_moment *now, bool *future)
{
	if (is_one_boot(then, now)) {
		*future = then->boot_ms > now->boot_ms;
		return *future ? 0 : now->boot_ms - then->boot_ms;
	}
	*future = then->wall_s > now->wall_s;
	return *future ? 0 : (now->wall_s - then->wall_s) * 1000;
}

/* --- head --- */

void state_file_name(const char *kind, const char *name, char ret[STATE_FILE_SIZE])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	char *at = ret + snprintf(ret, STATE_FILE_SIZE, "%.*s.", STATE_KIND_SIZE - 1, kind);

	for (size_t i = 0; i < STATE_NAME_SIZE - 1 && name[i] != '\0'; i++) {
		if (strchr(plain, name[i]) != NULL)
			*at++ = name[i];
		else
			at += sprintf(at, "%%%02X", (unsigned char)name[i]);
	}
	memcpy(at, ".state", sizeof(".state"));
}

static void put_checksum(uint8_t *octets, size_t len)
{
	little_put_u64(octets + len, snapshot_image_checksum(octets, len));
}

static bool has_checksum(const uint8_t *octets, size_t len)
{
	return little_get_u64(octets + len) == snapshot_image_checksum(octets, len);
}

/* NUL to the end, so that equal texts are equal octets. */
static void put_text(uint8_t *at, const char *text, size_t size)
{
	memset(at, 0, size);
	memcpy(at, text, strnlen(text, size - 1));
}

static void get_text(const uint8_t *at, char *ret, size_t size)
{
	memcpy(ret, at, size - 1);
	ret[size - 1] = '\0';
}

static void put_stamp(uint8_t *at, const struct state_stamp *s)
{
	memcpy(at, s->heard.boot, STATE_BOOT_OCTETS);
	little_put_u64(at + BOOT_MS_AT, s->heard.boot_ms);
	little_put_u64(at + WALL_S_AT, s->heard.wall_s);
	put_text(at + POSITION_AT, s->position, STATE_POSITION_SIZE);
	put_checksum(at, STAMP_CHECKSUM_AT);
}

static void get_stamp(const uint8_t *at, struct state_stamp *ret)
{
	memcpy(ret->heard.boot, at, STATE_BOOT_OCTETS);
	ret->heard.boot_ms = little_get_u64(at + BOOT_MS_AT);
	ret->heard.wall_s = little_get_u64(at + WALL_S_AT);
	get_text(at + POSITION_AT, ret->position, STATE_POSITION_SIZE);
}

static void put_head(uint8_t octets[HEAD_OCTETS], const struct state_head *head, uint64_t image_len)
{
	memset(octets, 0, HEAD_OCTETS);
	memcpy(octets + MAGIC_AT, magic, MAGIC_OCTETS);
	little_put_u32(octets + VERSION_AT, version);
	put_text(octets + KIND_AT, head->kind, STATE_KIND_SIZE);
	put_text(octets + NAME_AT, head->name, STATE_NAME_SIZE);
	little_put_u64(octets + FINGERPRINT_AT, head->fingerprint);
	little_put_u64(octets + IMAGE_LEN_AT, image_len);
	put_stamp(octets + STAMP_AT, &head->stamp);
	put_checksum(octets, CHECKSUM_AT);
	put_stamp(octets + RENEWED_AT, &head->stamp);
}

/* What another version has behind its number is not ours to judge. */
static int get_head(const uint8_t *octets, size_t len, struct state_head *ret)
{
	if (len < HEAD_OCTETS || memcmp(octets + MAGIC_AT, magic, MAGIC_OCTETS) != 0)
		return -EBADMSG;
	if (little_get_u32(octets + VERSION_AT) != version)
		return -EPROTO;
	if (!has_checksum(octets, CHECKSUM_AT) || little_get_u64(octets + IMAGE_LEN_AT) != len - HEAD_OCTETS)
		return -EBADMSG;
	get_text(octets + KIND_AT, ret->kind, STATE_KIND_SIZE);
	get_text(octets + NAME_AT, ret->name, STATE_NAME_SIZE);
	ret->fingerprint = little_get_u64(octets + FINGERPRINT_AT);
	get_stamp(octets + (has_checksum(octets + RENEWED_AT, STAMP_CHECKSUM_AT) ? RENEWED_AT : STAMP_AT),
		  &ret->stamp);
	return 0;
}

/* --- writing --- */

static int write_all(int fd, const uint8_t *octets, size_t len, off_t at)
{
	while (len > 0) {
		const ssize_t n = pwrite(fd, octets, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		octets += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

struct output {
	int fd;
	off_t at;
};

static int put_image(void *context, const void *octets, size_t len)
{
	struct output *o = context;
	const int r = write_all(o->fd, octets, len, o->at);

	o->at += (off_t)len;
	return r;
}

static int write_file(int fd, const struct state_head *head, const struct snapshot *s)
{
	struct output o = { .fd = fd, .at = HEAD_OCTETS };
	uint8_t octets[HEAD_OCTETS];
	int r = snapshot_image_write(s, put_image, &o);

	if (r != 0)
		return r;
	put_head(octets, head, (uint64_t)o.at - HEAD_OCTETS);
	r = write_all(fd, octets, HEAD_OCTETS, 0);
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

int state_file_write(int dir, const char *file, const struct state_head *head, const struct snapshot *s)
{
	char temporary[STATE_FILE_SIZE + 4];

	snprintf(temporary, sizeof(temporary), "%s.tmp", file);
	unlinkat(dir, temporary, 0); /* of a daemon that was killed */
	const int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int r = write_file(fd, head, s);
	if (close(fd) < 0 && r == 0)
		r = -errno; /* some file systems say only here that the disk is full */
	if (r == 0 && renameat(dir, temporary, dir, file) < 0)
		r = -errno;
	if (r != 0)
		unlinkat(dir, temporary, 0);
	else if (fsync(dir) < 0)
		r = -errno;
	return r;
}

int state_file_renew(int dir, const char *file, const struct state_stamp *stamp)
{
	uint8_t octets[STAMP_OCTETS];
	const int fd = openat(dir, file, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	put_stamp(octets, stamp);
	const int r = write_all(fd, octets, STAMP_OCTETS, RENEWED_AT);
	close(fd);
	return r;
}

/* --- reading --- */

static int read_all(int fd, uint8_t *octets, size_t len)
{
	while (len > 0) {
		const ssize_t n = read(fd, octets, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		octets += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Who could have written the file decides what is answered. */
static int check_file(int fd, size_t *len)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0))
		return -EPERM;
	*len = (size_t)st.st_size;
	return st.st_size < HEAD_OCTETS || st.st_size > FILE_OCTETS_MAX ? -EBADMSG : 0;
}

static int read_file(int fd, struct state_head *head, struct snapshot **ret)
{
	size_t len = 0;
	int r = check_file(fd, &len);

	if (r != 0)
		return r;
	uint8_t *octets = malloc(len);
	if (octets == NULL)
		return -ENOMEM;
	r = read_all(fd, octets, len);
	if (r == 0)
		r = get_head(octets, len, head);
	if (r == 0)
		r = snapshot_image_read(octets + HEAD_OCTETS, len - HEAD_OCTETS, ret);
	free(octets);
	return r;
}

int state_file_read(const char *path, struct state_head *head, struct snapshot **ret)
{
	const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	const int r = read_file(fd, head, ret);
	close(fd);
	return r;
}
