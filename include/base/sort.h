/* SPDX-License-Identifier: BSD-2-Clause */
/* base/sort.h -- qsort(3) for what mostly is in order already. */
#ifndef PHONEBOOK_BASE_SORT_H
#define PHONEBOOK_BASE_SORT_H

#include <stddef.h>

/* As qsort(), but items that are in order cost n - 1 comparisons, and are not moved. */
void sort_items(void *items, size_t n, size_t size, int (*compare)(const void *a, const void *b));

#endif
