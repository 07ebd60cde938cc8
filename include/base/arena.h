/* SPDX-License-Identifier: BSD-2-Clause */
/* base/arena.h -- memory that grows by bumping and is freed as a whole. One thread at a time. */
#ifndef PHONEBOOK_BASE_ARENA_H
#define PHONEBOOK_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* Starts as { 0 }. */
struct arena {
	struct arena_chunk *newest;
	size_t used;
};

/* Zeroed, aligned for any type, freed by arena_finish(); NULL when there is no memory. */
void *arena_alloc(struct arena *a, size_t size);

/* A copy of the len octets of text with a NUL behind; NULL when there is no memory. */
char *arena_text(struct arena *a, const char *text, size_t len);

/* Frees everything at once; the arena can be used again. */
void arena_finish(struct arena *a);

#endif
