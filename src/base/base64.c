/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/base64.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_write(struct buffer *b, const void *octets, size_t len)
{
	const uint8_t *in = octets;

	for (size_t i = 0; i < len; i += 3) {
		const size_t n = len - i < 3 ? len - i : 3;
		const uint32_t bits = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				      (n > 2 ? in[i + 2] : 0);
		const char text[4] = { alphabet[bits >> 18], alphabet[bits >> 12 & 63],
				       n > 1 ? alphabet[bits >> 6 & 63] : '=',
				       n > 2 ? alphabet[bits & 63] : '=' };
		const int r = buffer_add(b, text, sizeof(text));

		if (r < 0)
			return r;
	}
	return 0;
}

/* The six bits a character stands for; more than that for none of the alphabet. */
static uint32_t bits_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : UINT32_MAX;
}

/* Four characters; the last n_pad of them are padding. */
static bool read_four(const char *text, size_t n_pad, uint8_t *ret)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		const uint32_t six = i < 4 - n_pad ? bits_of(text[i]) : 0;

		if (six > 63)
			return false;
		bits = bits << 6 | six;
	}
	for (size_t i = 0; i < 3 - n_pad; i++)
		ret[i] = (uint8_t)(bits >> (16 - 8 * i));
	return (bits & ((1U << (8 * n_pad)) - 1)) == 0;
}

bool base64_read(const char *text, size_t len, uint8_t *room, size_t *ret)
{
	size_t n_pad = 0;

	if (len % 4 != 0)
		return false;
	while (len > 0 && n_pad < 2 && text[len - 1 - n_pad] == '=')
		n_pad++;
	for (size_t i = 0; i < len; i += 4) {
		if (!read_four(text + i, i + 4 == len ? n_pad : 0, room + i / 4 * 3))
			return false;
	}
	*ret = base64_room(len) - n_pad;
	return true;
}
