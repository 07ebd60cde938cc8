/* SPDX-License-Identifier: BSD-2-Clause */
/* privileges.h -- giving up all rights once the ports are bound.
 *
 * Main only, after binding and before the planes start: a thread started earlier would have to be told.
 */
#ifndef PHONEBOOK_PRIVILEGES_H
#define PHONEBOOK_PRIVILEGES_H

enum { PRIVILEGES_ERROR_MAX = 256 };

/* Started as root, becomes user with its groups and makes sure that there is no way back; otherwise, and for
 * user "", stays who we are. In all cases no capability is left, also of those a service manager gave us to
 * bind with; nothing executed later can gain any; and the process leaves no core file. Negative errno, with
 * what to do about it in error; the process should then end.
 *
 * Root without capabilities still owns what belongs to root, but is like anybody else for files of others:
 * nothing we do after binding needs more, a reload included. */
int privileges_drop(const char *user, char error[PRIVILEGES_ERROR_MAX]);

#endif
