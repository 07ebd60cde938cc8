/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/etcd_messages.h -- what is said to etcd's JSON gateway, and what it says.
 *
 *   question --etcd_write_*--> body of a request      body of an answer --etcd_read_*--> keys, one at a time
 *
 * The gateway is a mapping of etcd's own messages to JSON: octets are base64, 64-bit numbers are texts, and a
 * member that would be zero is left out. Unknown members are ignored in both directions, by it as by us.
 * Functions that read return 0 or a negative errno, its reason told to the builder. Feeder thread only.
 */
#ifndef PHONEBOOK_REGISTRY_ETCD_MESSAGES_H
#define PHONEBOOK_REGISTRY_ETCD_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct json_value;
struct snapshot_builder;

/* --- requests: each replaces what is in ret by JSON, NUL behind; -ENOMEM --- */

/* Keys are octets, and may be without the NUL behind. */
struct etcd_range {
	const char *from, *to; /* the first key, and the one behind the last */
	size_t from_len, to_len;
};

struct etcd_page_request {
	struct etcd_range range;
	uint64_t limit;
	uint64_t revision; /* as it was then; 0: now */
	bool serializable; /* what the member has, without asking the others */
};

int etcd_write_page_request(const struct etcd_page_request *q, struct buffer *ret);

/* Changes from that revision on. */
int etcd_write_watch_request(const struct etcd_range *range, uint64_t revision, struct buffer *ret);

int etcd_write_login(const char *user, const char *password, struct buffer *ret);

/* --- answers --- */

enum {
	/* Of a value, decoded. Records have a few hundred octets; etcd itself allows 1.5 MiB. */
	ETCD_VALUE_MAX = 64 * 1024,

	ETCD_TEXT_MAX = 160, /* of what etcd gives as a reason */
	ETCD_TOKEN_MAX = 8192,
};

/* A key as a list or an event has it. */
struct etcd_kv {
	const char *key; /* NUL behind, and maybe inside */
	size_t key_len;
	const char *value; /* the same; NULL: see flaw */
	size_t value_len;
	const char *flaw;  /* why there is no value that could be read, in words */
	uint64_t revision; /* when it was changed last; 0: not said */
	bool deleted;      /* by this event */
};

/* Borrows kv; a negative errno, its reason told to the builder, ends the reading. */
typedef int (*etcd_take_fn)(void *context, const struct etcd_kv *kv);

struct etcd_page {
	uint64_t revision; /* of the store when it answered; never 0 */
	bool more;         /* keys of the range were left out because of the limit */
	bool counted;      /* it has keys, in this page or not */
	size_t n;          /* keys in this page */
};

/* Reads the answer to a page request, each key to take(). */
int etcd_read_page(const char *body, size_t len, struct snapshot_builder *b, etcd_take_fn take, void *context,
		   struct etcd_page *ret);

/* What etcd says when it refuses; all 0: nothing that could be read. */
struct etcd_error {
	int code; /* of gRPC: 16 unauthenticated, 14 unavailable... */
	char text[ETCD_TEXT_MAX];
};

/* One object of a watch. */
struct etcd_notice {
	uint64_t revision; /* of the store when it was sent; 0: not said */
	bool created, canceled;
	uint64_t compacted; /* canceled because changes before this one are forgotten; 0: not so */
	size_t n_events;
	uint64_t last;           /* the highest revision of an event */
	bool failed;             /* the stream ends with error */
	struct etcd_error error; /* also the reason for canceled */
};

/* Reads one object of a watch, each event to take(). When it fails, some of the events may have been taken.
 */
int etcd_read_notice(const char *body, size_t len, struct snapshot_builder *b, etcd_take_fn take,
		     void *context, struct etcd_notice *ret);

/* Reads the body of an answer that is no success, in any of the forms that gateways give it, or plain text.
 * What the builder is told by this is of no meaning. */
void etcd_read_error(const char *body, size_t len, struct snapshot_builder *b, struct etcd_error *ret);

/* The same from what was read already: such a body, what a stream has as "error", or a text alone. */
void etcd_fill_error(const struct json_value *v, struct etcd_error *ret);

/* Reads the answer to a login; the caller frees the token, which is fit for a header. */
int etcd_read_token(const char *body, size_t len, struct snapshot_builder *b, char **ret);

/* What an error means for who asked. */
enum etcd_trouble {
	ETCD_OTHER,
	ETCD_UNAUTHENTICATED, /* a (new) token is needed */
	ETCD_WRONG_PASSWORD,
	ETCD_NO_AUTHENTICATION, /* none is needed, and there are no tokens */
	ETCD_DENIED,
	ETCD_NO_REVISION, /* the one asked for is forgotten, or has yet to come */
	ETCD_UNAVAILABLE, /* no leader, no quorum, stopping: another member may do better */
};

/* status is that of HTTP, or 200. */
enum etcd_trouble etcd_judge(int status, const struct etcd_error *error);

#endif
