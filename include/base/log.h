/* SPDX-License-Identifier: BSD-2-Clause */
/* base/log.h -- one line per event on stderr, key=value.
 *
 * Called by feed/, server/ and main only; lower floors return errors instead. Any thread may call: a line is
 * written by one write(2), so lines never mix.
 */
#ifndef PHONEBOOK_BASE_LOG_H
#define PHONEBOOK_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Sets what is written from now on: this level and all more serious ones. The default is LOG_INFO. */
void log_set_level(enum log_level level);

/* Writes one event, already in key=value form; longer than 1,000 octets it is cut. Never fails. */
void log_event(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for a quoted value of an event. */
struct log_value {
	char text[256];
};

/* Writes text in double quotes, everything unprintable escaped, cut to fit; returns value->text. Use it for
 * whatever came from outside. */
const char *log_quote(struct log_value *value, const char *text);

#endif
