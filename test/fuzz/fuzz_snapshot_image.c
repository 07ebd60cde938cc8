/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz/fuzz_snapshot_image.c -- any octets as a snapshot from the disk, their checksum made good. Besides
 * what the sanitizers see: what is accepted is written with the same octets. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/little.h"
#include "model/snapshot_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static int put(void *context, const void *octets, size_t len)
{
	return buffer_add(context, octets, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *image = malloc(size + 8);
	struct buffer again = { 0 };
	struct snapshot *s;

	expect(image != NULL);
	if (size > 0)
		memcpy(image, data, size);
	little_put_u64(image + size, snapshot_image_checksum(image, size));
	const int r = snapshot_image_read(image, size + 8, &s);
	expect(r == 0 || r == -EBADMSG);
	if (r == 0) {
		expect(snapshot_image_write(s, put, &again) == 0 && again.len == size + 8 &&
		       memcmp(again.octets, image, again.len) == 0);
		snapshot_release(s);
	}
	buffer_finish(&again);
	free(image);
	return 0;
}
