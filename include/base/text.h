/* SPDX-License-Identifier: BSD-2-Clause */
/* base/text.h -- numbers, durations and sizes as people write them. */
#ifndef PHONEBOOK_BASE_TEXT_H
#define PHONEBOOK_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads decimal digits only: no sign, no space, no leading "0x", at most 64 bits. */
bool text_to_uint(const char *text, size_t len, uint64_t *ret);

/* Reads "500ms", "5s", "2m", "1h" or a bare "0" into milliseconds. A number without unit is refused: nobody
 * should have to guess it. */
bool text_to_duration_ms(const char *text, uint64_t *ret);

/* Reads "512", "64KiB", "16MiB", "1GiB" into octets. */
bool text_to_size(const char *text, uint64_t *ret);

/* Whether a control character is in it, as a line break, which would end a header. */
bool text_has_control(const char *text, size_t len);

/* Compares without regard to ASCII case. */
bool text_equal_fold(const char *a, const char *b);

/* The octet c in lower case if it is an ASCII letter (RFC 4343 section 3), else unchanged. */
static inline uint8_t octet_fold(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? (uint8_t)(c | 0x20) : c;
}

#endif
