/* SPDX-License-Identifier: BSD-2-Clause */
/* privileges.h -- giving up root once the ports are bound.
 *
 * Main only, after binding and before the planes start: a thread started earlier would have to be told.
 */
#ifndef PHONEBOOK_PRIVILEGES_H
#define PHONEBOOK_PRIVILEGES_H

enum { PRIVILEGES_ERROR_MAX = 256 };

/* Started as root, becomes user with its groups and makes sure that there is no way back; otherwise, and for
 * user "", stays who we are. In all cases nothing executed later can gain rights. Negative errno, with what
 * to do about it in error; the process should then end. */
int privileges_drop(const char *user, char error[PRIVILEGES_ERROR_MAX]);

#endif
