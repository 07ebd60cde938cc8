/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_octets.h -- growing octets for the fakes. They share no code with what they judge, so not even
 * this. Without memory the program ends: there is no test left to run. */
#ifndef PHONEBOOK_TEST_FAKE_OCTETS_H
#define PHONEBOOK_TEST_FAKE_OCTETS_H

#include <stdbool.h>
#include <stddef.h>

/* Starts as { 0 }; a NUL always follows what was added. */
struct fake_octets {
	char *at;
	size_t len, size;
};

void fake_octets_add(struct fake_octets *o, const void *octets, size_t len);
void fake_octets_text(struct fake_octets *o, const char *text);
void fake_octets_format(struct fake_octets *o, const char *format, ...)
	__attribute__((format(printf, 2, 3), nonnull(2)));

/* Removes the first len octets. */
void fake_octets_drop(struct fake_octets *o, size_t len);

/* Frees the memory; the octets are empty then and can be used again. */
void fake_octets_finish(struct fake_octets *o);

/* Ends the program with what is wrong, unless ok: for mistakes of the test itself. */
void fake_must(bool ok, const char *what);

/* calloc() and strdup() that do not fail. */
void *fake_new(size_t size);
char *fake_copy(const char *text);

#endif
