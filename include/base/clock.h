/* SPDX-License-Identifier: BSD-2-Clause */
/* base/clock.h -- the two clocks: one to measure ages with, one to tell people the time. */
#ifndef PHONEBOOK_BASE_CLOCK_H
#define PHONEBOOK_BASE_CLOCK_H

#include <stdint.h>
#include <sys/time.h>

/* Milliseconds that only go forward and count suspended time too: data does not stay young in a sleeping
 * laptop. */
uint64_t clock_ms(void);

/* The same in microseconds, for work that takes less than one of those. */
uint64_t clock_us(void);

/* Seconds since 1970, as the host believes. */
uint64_t clock_wall_s(void);

/* A duration as event loops take it. */
struct timeval clock_timeval(uint64_t ms);

#endif
