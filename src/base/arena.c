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

/* Most arenas hold a few names and options: one small chunk is enough. Those that grow, to hold a large list
 * while it is read, double until a chunk is large enough for malloc() to give it back to the kernel when it
 * is freed. */
enum { CHUNK_SIZE_MIN = 4096 - 64, CHUNK_SIZE_MAX = 256 * 1024 };

static size_t next_chunk_size(const struct arena *a, size_t size)
{
	size_t room = a->newest != NULL ? 2 * a->newest->size : CHUNK_SIZE_MIN;

	if (room > CHUNK_SIZE_MAX)
		room = CHUNK_SIZE_MAX;
	return size > room ? size : room;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = alignof(max_align_t);

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + align - 1) & ~(align - 1);
	if (a->newest == NULL || a->newest->size - a->used < size) {
		const size_t room = next_chunk_size(a, size);
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
