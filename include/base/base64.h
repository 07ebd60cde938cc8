/* SPDX-License-Identifier: BSD-2-Clause */
/* base/base64.h -- octets as text: the standard alphabet, with padding (RFC 4648 section 4). Any thread. */
#ifndef PHONEBOOK_BASE_BASE64_H
#define PHONEBOOK_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Appends the text of len octets, without a NUL; fails as buffer_add(). */
int base64_write(struct buffer *b, const void *octets, size_t len);

/* Octets that a text of len characters stands for at most. */
static inline size_t base64_room(size_t len)
{
	return len / 4 * 3;
}

/* Reads a text into room for base64_room(len) octets. False, and the room spoilt, unless the text is the one
 * that base64_write() would make of them: no other alphabet, no space, no bits left over (RFC 4648 sections
 * 3.1 to 3.5). */
bool base64_read(const char *text, size_t len, uint8_t *room, size_t *ret);

#endif
