/* SPDX-License-Identifier: BSD-2-Clause */
/* base/heap.h -- what malloc() gets from the kernel, and gives back. Where it is not glibc's, nothing
 * happens. */
#ifndef PHONEBOOK_BASE_HEAP_H
#define PHONEBOOK_BASE_HEAP_H

#include <stddef.h>

/* About so many octets will be allocated now, in small pieces: they are asked for at once, in large pages
 * where there are any. To find 50,000 single pages takes as long as to make the table that lies in them. What
 * is not used costs nothing. Main thread, before others are started. */
void heap_expect(size_t octets);

/* No more is expected than usual, and what was freed is lent to the kernel. */
void heap_trim(void);

#endif
