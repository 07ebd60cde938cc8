/* SPDX-License-Identifier: BSD-2-Clause */
/* config_text.h -- reads a text as a configuration file, in a directory of its own for each test. */
#ifndef PHONEBOOK_TEST_CONFIG_TEXT_H
#define PHONEBOOK_TEST_CONFIG_TEXT_H

#include "config/config.h"

/* A checked fixture. */
void config_text_begin(void);
void config_text_end(void);

const char *config_text_dir(void);

/* As config_read(); what was said comes in *errors, to be freed, where the file is called "FILE". */
int config_text_read(const char *text, char **errors, struct config **ret);

/* The text must be good. */
struct config *config_text_good(const char *text);

/* The text must be bad, and expected be among the complaints. */
void config_text_bad(const char *text, const char *expected);

#endif
