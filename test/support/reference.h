/* SPDX-License-Identifier: BSD-2-Clause */
/* reference.h -- conf/phonebook.conf as the rows of the configuration would have it: the test compares. */
#ifndef PHONEBOOK_TEST_REFERENCE_H
#define PHONEBOOK_TEST_REFERENCE_H

#include <stdio.h>

/* Writes every key of every block with its default and its sentence. */
void reference_write(FILE *out);

#endif
