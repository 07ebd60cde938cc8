/* SPDX-License-Identifier: BSD-2-Clause */
/* base/clock.h -- the clocks: to measure ages with, to tell people the time, to count work with. */
#ifndef PHONEBOOK_BASE_CLOCK_H
#define PHONEBOOK_BASE_CLOCK_H

#include <stdint.h>
#include <sys/time.h>

/* Milliseconds that only go forward and count suspended time too: data does not stay young in a sleeping
 * laptop. Large enough for moments of years ago to be above 0. */
uint64_t clock_ms(void);

/* Microseconds for which the calling thread has kept a core busy: on a host that has no time for us, waiting
 * for a core is no work. */
uint64_t clock_work_us(void);

/* Seconds since 1970, as the host believes. */
uint64_t clock_wall_s(void);

/* A duration as event loops take it. */
struct timeval clock_timeval(uint64_t ms);

#endif
