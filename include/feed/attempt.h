/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/attempt.h -- one connection, to see whether somebody answers; nothing is sent over it.
 *
 *   attempt_begin --writable--> attempt_result --> attempt_judge: about them, or about ourselves
 *
 * Part of feed/probe.h. Feeder thread only; nothing here waits.
 */
#ifndef PHONEBOOK_FEED_ATTEMPT_H
#define PHONEBOOK_FEED_ATTEMPT_H

#include <stdbool.h>

#include "base/address.h"

/* Begins to connect: a socket that becomes writable at the end, or a negative errno. Closing it leaves
 * nothing behind, on neither side. */
int attempt_begin(const struct endpoint *to);

/* False: nothing has come back so far. To be asked at the deadline: a loop that was busy has not looked. */
bool attempt_has_ended(int fd);

/* How it ended: 0, it is established, or a negative errno. is_elsewhere: it was made to another host. */
int attempt_result(int fd, const struct endpoint *to, bool *is_elsewhere);

enum attempt_verdict {
	ATTEMPT_CONNECTED,
	ATTEMPT_FAILED,   /* nobody answers there */
	ATTEMPT_OUR_FAULT /* this host could not try: says nothing about the other one */
};

enum attempt_verdict attempt_judge(int error);

/* For people; of an error that was judged to be a failure. */
const char *attempt_explain(int error);

#endif
