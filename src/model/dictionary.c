/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/dictionary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/random.h"

enum { CELLS_FIRST = 16 };

/* The cell of that name, or the free one where it belongs. */
static size_t find_cell(const struct dictionary *d, const char *name, uint64_t hash)
{
	size_t i = hash & (d->n_cells - 1);

	while (d->cells[i].name != NULL && (d->cells[i].hash != hash || strcmp(d->cells[i].name, name) != 0))
		i = (i + 1) & (d->n_cells - 1);
	return i;
}

static uint64_t hash_of(const struct dictionary *d, const char *name)
{
	return XXH3_64bits_withSeed(name, strlen(name), d->seed);
}

void *dictionary_find(const struct dictionary *d, const char *name)
{
	return d->n > 0 ? d->cells[find_cell(d, name, hash_of(d, name))].thing : NULL;
}

static int make_cells(struct dictionary *d)
{
	struct dictionary larger = { .n_cells = d->n_cells > 0 ? 2 * d->n_cells : CELLS_FIRST,
				     .n = d->n,
				     .seed = d->seed };

	if (d->n < d->n_cells / 2)
		return 0;
	if (d->n_cells == 0)
		random_octets(&larger.seed, sizeof(larger.seed));
	larger.cells = calloc(larger.n_cells, sizeof(*larger.cells));
	if (larger.cells == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < d->n_cells; i++) {
		if (d->cells[i].name != NULL)
			larger.cells[find_cell(&larger, d->cells[i].name, d->cells[i].hash)] = d->cells[i];
	}
	free(d->cells);
	*d = larger;
	return 0;
}

int dictionary_add(struct dictionary *d, const char *name, void *thing)
{
	const int r = make_cells(d);

	if (r != 0)
		return r;
	const uint64_t hash = hash_of(d, name);
	d->cells[find_cell(d, name, hash)] =
		(struct dictionary_entry){ .name = name, .hash = hash, .thing = thing };
	d->n++;
	return 0;
}

/* Whoever stands behind the gap moves into it, unless its own place lies behind the gap: then there is
 * nothing to be marked as removed. */
void dictionary_remove(struct dictionary *d, const char *name)
{
	const size_t mask = d->n_cells - 1;

	if (dictionary_find(d, name) == NULL)
		return;
	size_t gap = find_cell(d, name, hash_of(d, name));
	for (size_t i = (gap + 1) & mask; d->cells[i].name != NULL; i = (i + 1) & mask) {
		const size_t own = d->cells[i].hash & mask;

		if (((i - own) & mask) < ((i - gap) & mask))
			continue;
		d->cells[gap] = d->cells[i];
		gap = i;
	}
	d->cells[gap] = (struct dictionary_entry){ 0 };
	d->n--;
}

void *dictionary_next(const struct dictionary *d, size_t *at)
{
	while (*at < d->n_cells) {
		const struct dictionary_entry *e = &d->cells[(*at)++];

		if (e->name != NULL)
			return e->thing;
	}
	return NULL;
}

void dictionary_finish(struct dictionary *d)
{
	free(d->cells);
	*d = (struct dictionary){ 0 };
}
