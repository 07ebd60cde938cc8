/* SPDX-License-Identifier: BSD-2-Clause */
/* zone/status.h -- the texts of _status.ZONE: words with a value, one character string each.
 *
 * Serving threads; nothing is allocated. Each function writes at most STATUS_TEXT_MAX octets and a NUL, and
 * returns how many octets there are.
 */
#ifndef PHONEBOOK_ZONE_STATUS_H
#define PHONEBOOK_ZONE_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "model/counters.h"
#include "model/freshness.h"
#include "model/table.h"

enum { STATUS_TEXT_MAX = 255 }; /* of a character string (RFC 1035 section 3.3) */

/* How a registry is doing, and how old what it said is. */
size_t status_of_registry(const struct freshness *f, size_t row, uint64_t now_ms,
			  char ret[STATUS_TEXT_MAX + 1]);

/* How many instances are answered, and why the others are not. The zone has a board. */
size_t status_of_zone(const struct table_zone *z, char ret[STATUS_TEXT_MAX + 1]);

/* How often limits were met. */
size_t status_of_daemon(const struct counters *c, char ret[STATUS_TEXT_MAX + 1]);

#endif
