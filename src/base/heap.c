/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/heap.h"

#include <stdint.h>
#include <stdlib.h>

#ifdef __GLIBC__

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	PIECE = 100 * 1024, /* not so large that it would be mapped by itself */
	PIECES_MAX = 64,    /* what is left of the last request to the kernel is smaller */
	PAGE = 2 * 1024 * 1024,
	TOP_PAD = 128 * 1024, /* as it is by default */
};

void heap_expect(size_t octets)
{
	const uintptr_t begin = (uintptr_t)sbrk(0), first = (begin + PAGE - 1) / PAGE * PAGE;
	void *pieces[PIECES_MAX];
	size_t n = 0;

	mallopt(M_TOP_PAD, octets < 1 << 30 ? (int)octets : 1 << 30);
	while (n < PIECES_MAX && (uintptr_t)sbrk(0) == begin)
		pieces[n++] = malloc(PIECE);
	const uintptr_t last = (uintptr_t)sbrk(0) / PAGE * PAGE;
	if (last > first)
		madvise((void *)first, last - first, MADV_HUGEPAGE);
	while (n > 0)
		free(pieces[--n]);
}

void heap_trim(void)
{
	mallopt(M_TOP_PAD, TOP_PAD);
	malloc_trim(0);
}

#else

void heap_expect(size_t octets)
{
	(void)octets;
}

void heap_trim(void)
{
}

#endif
