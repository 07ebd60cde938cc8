/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_octets(void *octets, size_t len)
{
	uint8_t *at = octets;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort(); /* since Linux 3.17 only a broken sandbox comes here; predictable IDs would
				    be worse */
		at += n;
		len -= (size_t)n;
	}
}

void random_seed(struct random *r)
{
	random_octets(r->state, sizeof(r->state));
	r->state[0] |= 1; /* xoshiro must not start at all zeroes */
}

static uint64_t rotate_left(uint64_t x, int n)
{
	return (x << n) | (x >> (64 - n));
}

/* xoshiro256++ (Blackman and Vigna, 2019): public domain algorithm, 1 ns a draw. */
uint64_t random_next(struct random *r)
{
	uint64_t *s = r->state;
	const uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
	const uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/* Lemire's multiplication: the rejection is needed once in 2^32/n draws. */
uint32_t random_below(struct random *r, uint32_t n)
{
	uint64_t product = (random_next(r) >> 32) * n;

	if ((uint32_t)product < n && n > 0) {
		const uint32_t threshold = -n % n;

		while ((uint32_t)product < threshold)
			product = (random_next(r) >> 32) * n;
	}
	return (uint32_t)(product >> 32);
}

float random_unit(struct random *r)
{
	return ((float)(random_next(r) >> 41) + 0.5f) / 8388608.0f; /* 23 bits, never 0 or 1 */
}

uint16_t random_id(struct random_ids *ids)
{
	if (ids->left == 0) {
		random_octets(ids->ids, sizeof(ids->ids));
		ids->left = sizeof(ids->ids) / sizeof(ids->ids[0]);
	}
	return ids->ids[--ids->left];
}
