/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_chunk {
	struct arena_chunk *older;
	size_t size;
	alignas(max_align_t) char memory[];
};

/* Most arenas hold a few names and options: one chunk is enough, and small enough not to matter. */
enum { CHUNK_SIZE = 4096 };

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = alignof(max_align_t);

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + align - 1) & ~(align - 1);
	if (a->newest == NULL || a->newest->size - a->used < size) {
		const size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		struct arena_chunk *chunk = calloc(1, sizeof(*chunk) + room);

		if (chunk == NULL)
			return NULL;
		chunk->older = a->newest;
		chunk->size = room;
		a->newest = chunk;
		a->used = 0;
	}

	void *memory = a->newest->memory + a->used;
	a->used += size;
	return memory;
}

char *arena_text(struct arena *a, const char *text, size_t len)
{
	char *copy = arena_alloc(a, len + 1);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

void arena_finish(struct arena *a)
{
	while (a->newest != NULL) {
		struct arena_chunk *older = a->newest->older;

		free(a->newest);
		a->newest = older;
	}
	a->used = 0;
}
