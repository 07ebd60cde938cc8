/* SPDX-License-Identifier: BSD-2-Clause */
/* support/connects.h -- sees every connect() of a program that is linked with -Wl,--wrap=connect.
 *
 * A probe that finds somebody is noticed by nobody else, and one that is refused by nobody at all: so they
 * are counted where they begin. Any thread.
 */
#ifndef PHONEBOOK_TEST_CONNECTS_H
#define PHONEBOOK_TEST_CONNECTS_H

#include <stdint.h>

/* TCP connections begun to this port, of whatever address. */
unsigned connects_count(uint16_t port);

/* When the last one to the port began, on clock_ms(). */
uint64_t connects_last_ms(uint16_t port);

/* What happens to connections to 192.0.2.LAST from here on: this error, or 0: they are made to this port of
 * 127.0.0.1 instead. */
void connects_set_far(uint8_t last, int error, uint16_t port);

/* Connections to this port come from that very port and address; 0: none do. */
void connects_mirror(uint16_t port);

#endif
