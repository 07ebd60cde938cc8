/* SPDX-License-Identifier: BSD-2-Clause */
/* support/harness.h -- what every test program shares: its main(), files under test/data, waiting without
 * sleeping. */
#ifndef PHONEBOOK_TEST_HARNESS_H
#define PHONEBOOK_TEST_HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Runs a suite, prints TAP, returns what main() should return: 0, because meson counts the failures itself.
 */
int harness_run(Suite *suite);

/* Reads a file below test/data, NUL behind; the caller frees it. Fails the test if it is not there. */
char *harness_read_data(const char *name, size_t *len);

/* A port of 127.0.0.1 that is free for UDP and TCP, and that no other test gets while this one runs. Another
 * one with each call. */
uint16_t harness_free_port(void);

/* Calls done(context) every few milliseconds until it is true or limit_ms have passed; returns what it said
 * last. */
bool harness_wait(bool (*done)(void *context), void *context, unsigned limit_ms);

/* Moves into a network namespace of its own, whose lo is up; false where that is not allowed. Before any
 * thread is started. */
bool harness_enter_network(void);

/* ms, or as much longer as CK_TIMEOUT_MULTIPLIER says this run is slower. */
uint64_t slowed(uint64_t ms);

/* Whether ::1 is an address of this machine. */
bool harness_has_ip6(void);

/* A new directory below /tmp, and its removal with all files in it (one level). */
char *harness_make_dir(void);
void harness_remove_dir(char *dir);

/* Writes a file, in place or by writing beside it and renaming. */
void harness_write_file(const char *dir, const char *name, const char *text);
void harness_replace_file(const char *dir, const char *name, const char *text);

#endif
