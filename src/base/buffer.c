/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int make_room(struct buffer *b, size_t len)
{
	if (b->limit > 0 && (len > b->limit || b->len > b->limit - len))
		return -EFBIG;
	if (len <= b->size - b->len)
		return 0;
	if (len > SIZE_MAX / 4 || b->size > SIZE_MAX / 4)
		return -ENOMEM;

	size_t size = b->size > 0 ? b->size : 256;
	while (size < b->len + len)
		size *= 2;
	uint8_t *octets = realloc(b->octets, size);
	if (octets == NULL)
		return -ENOMEM;
	b->octets = octets;
	b->size = size;
	return 0;
}

int buffer_add(struct buffer *b, const void *octets, size_t len)
{
	int r = make_room(b, len);

	if (r == 0 && len > 0) {
		memcpy(b->octets + b->len, octets, len);
		b->len += len;
	}
	return r;
}

void *buffer_reserve(struct buffer *b, size_t len)
{
	return make_room(b, len) == 0 ? b->octets + b->len : NULL;
}

void buffer_clear(struct buffer *b)
{
	b->len = 0;
}

void buffer_finish(struct buffer *b)
{
	free(b->octets);
	b->octets = NULL;
	b->len = b->size = 0;
}
