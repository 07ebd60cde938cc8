/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/request_path.h -- the path of a request and its query, while they are written.
 *
 *	request_path_begin(&p, &text);
 *	request_path_add(&p, "/v1/health/service/");
 *	request_path_add_encoded(&p, "a/b");
 *	request_path_add_parameter(&p, "dc", "east");
 *	status = request_path_end(&p);         "/v1/health/service/a%2Fb?dc=east"
 *
 * The first failure stays: write everything, check once. One thread at a time.
 */
#ifndef PHONEBOOK_REGISTRY_REQUEST_PATH_H
#define PHONEBOOK_REGISTRY_REQUEST_PATH_H

#include "base/buffer.h"

struct request_path {
	struct buffer *text;
	int error;
	char separator; /* before the next parameter */
};

/* Replaces what is in the buffer, which the path borrows. */
void request_path_begin(struct request_path *p, struct buffer *text);

/* As it is. */
void request_path_add(struct request_path *p, const char *text);

/* All but the unreserved characters as %XX (RFC 3986 section 2.3): names hold slashes, spaces and more. */
void request_path_add_encoded(struct request_path *p, const char *text);

/* KEY=VALUE, of which the value is encoded. */
void request_path_add_parameter(struct request_path *p, const char *key, const char *value);

/* Ends it with a NUL. 0 or the first failure, as of buffer_add(). */
int request_path_end(struct request_path *p);

#endif
