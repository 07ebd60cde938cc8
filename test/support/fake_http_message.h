/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_http_message.h -- reading requests for fake_http.c. */
#ifndef PHONEBOOK_TEST_FAKE_HTTP_MESSAGE_H
#define PHONEBOOK_TEST_FAKE_HTTP_MESSAGE_H

#include "fake_http.h"

/* How many octets of text the request takes, 0 if it is not whole yet, -1 if it is none. Sets *ret_head to
 * the length of its head with the empty line, once that is there. */
long long fake_message_length(const char *text, size_t len, size_t *ret_head);

/* Takes a whole request apart into copies; false if its target makes no sense. */
bool fake_message_read(struct fake_request *x, const char *text, size_t head_len, size_t len);

/* Frees the copies. */
void fake_message_finish(struct fake_request *x);

/* The reason phrase. */
const char *fake_message_reason(int status);

#endif
