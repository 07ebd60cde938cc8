/* SPDX-License-Identifier: BSD-2-Clause */
/* descriptors.h -- how many files and sockets the process may have open. Main only, at start. */
#ifndef PHONEBOOK_DESCRIPTORS_H
#define PHONEBOOK_DESCRIPTORS_H

/* Raises the soft limit towards the hard one: it is low only for programs that use select(2), which cannot
 * know of more than 1,024, and we do not. Returns the limit there is now. */
unsigned descriptors_raise(void);

#endif
