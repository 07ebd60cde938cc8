/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/fetch_limits.h -- how long an HTTP exchange may take, shared by the src/feed/fetch*.c only.
 *
 *   started --connect--> connected --first--> first octet --silence--> octet --silence--> ...
 *      +------------------------------- life -------------------------------------------->
 *
 * Pure: the time is a parameter.
 */
#ifndef PHONEBOOK_FEED_FETCH_LIMITS_H
#define PHONEBOOK_FEED_FETCH_LIMITS_H

#include <stdint.h>

enum limit {
	LIMIT_NONE,
	LIMIT_CONNECT, /* lookup of the host, connection and TLS */
	LIMIT_FIRST,   /* from there to the first octet of the body */
	LIMIT_SILENCE, /* from one octet to the next */
	LIMIT_LIFE,    /* of the whole */
};

struct limits {
	uint64_t connect_ms, life_ms;
	uint64_t first_ms, silence_ms; /* 0: none */
};

/* When what happened; 0: not yet. */
struct progress {
	uint64_t started_ms, connected_ms, heard_ms;
};

/* The limit that has run out; or LIMIT_NONE, and after how long to look again: nobody tells when something
 * happens. Of two at once it is the life. */
enum limit limits_check(const struct limits *l, const struct progress *p, uint64_t now_ms,
			uint64_t *ret_wait_ms);

#endif
