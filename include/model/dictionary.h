/* SPDX-License-Identifier: BSD-2-Clause */
/* model/dictionary.h -- names, and a thing for each.
 *
 * A hash table: of 100,000 names a tree compares seventeen with the one it looks for, and each of them lies
 * somewhere else in memory. Names and things are borrowed. One thread at a time.
 */
#ifndef PHONEBOOK_MODEL_DICTIONARY_H
#define PHONEBOOK_MODEL_DICTIONARY_H

#include <stddef.h>
#include <stdint.h>

struct dictionary_entry {
	const char *name; /* NULL: nothing here */
	uint64_t hash;
	void *thing;
};

/* Starts as { 0 }. */
struct dictionary {
	struct dictionary_entry *cells; /* open addressing, at most half full */
	size_t n_cells, n;
	uint64_t seed; /* or a registry could choose names that share a cell */
};

/* NULL if it is not there. */
void *dictionary_find(const struct dictionary *d, const char *name);

/* A name that is not there yet; the thing is not NULL. -ENOMEM. */
int dictionary_add(struct dictionary *d, const char *name, void *thing);

/* Without such a name nothing happens. */
void dictionary_remove(struct dictionary *d, const char *name);

/* The things one after the other, in any order: *at starts as 0. NULL: that was all. */
void *dictionary_next(const struct dictionary *d, size_t *at);

/* The names and things are not touched; the dictionary is empty, and can be used again. */
void dictionary_finish(struct dictionary *d);

#endif
