/* SPDX-License-Identifier: BSD-2-Clause */
/* base/buffer.h -- octets that grow up to a limit. Owned by its user, one thread at a time. */
#ifndef PHONEBOOK_BASE_BUFFER_H
#define PHONEBOOK_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* Starts as { .limit = N }; a limit of 0 means none. */
struct buffer {
	uint8_t *octets;
	size_t len, size, limit;
};

/* Appends len octets; -EFBIG past the limit, -ENOMEM without memory, the contents unchanged on both. */
int buffer_add(struct buffer *b, const void *octets, size_t len);

/* Makes room for len more octets and returns where they go, or NULL as buffer_add() would fail. The caller
 * adds what it wrote to b->len. */
void *buffer_reserve(struct buffer *b, size_t len);

/* Forgets the contents, keeps the memory. */
void buffer_clear(struct buffer *b);

/* Frees the memory; the buffer can be used again. */
void buffer_finish(struct buffer *b);

#endif
