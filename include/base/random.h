/* SPDX-License-Identifier: BSD-2-Clause */
/* base/random.h -- fast draws for order and jitter, kernel draws for what an attacker would guess.
 *
 * Both are owned by one thread. Seeds come from the kernel, so that sidecars started in one second from one
 * image do not move in lock step.
 */
#ifndef PHONEBOOK_BASE_RANDOM_H
#define PHONEBOOK_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state[4];
};

/* Seeds from the kernel. Ends the process if the kernel has no entropy source at all. */
void random_seed(struct random *r);

/* The next 64 bits; fast, not for secrets. */
uint64_t random_next(struct random *r);

/* Uniform in 0 .. n-1, without the bias of a remainder; 0 for n = 0. */
uint32_t random_below(struct random *r, uint32_t n);

/* Uniform in (0, 1). */
float random_unit(struct random *r);

/* Kernel randomness taken in blocks, for query IDs (RFC 5452 section 9.2). Start it as { 0 }. */
struct random_ids {
	uint16_t ids[2048];
	size_t left;
};

/* An unpredictable 16-bit query ID; one system call in 2,048. */
uint16_t random_id(struct random_ids *ids);

/* Fills len octets from the kernel. */
void random_octets(void *octets, size_t len);

#endif
