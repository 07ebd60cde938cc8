/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/etcd.h -- a registry of kind etcd from inside, shared by the src/registry/etcd*.c only.
 *
 *   [password -> login ->] page -> page -> ... -> commit -> watch --events--> ledger
 *                           ^                                  |
 *                           +-- history is lost <-- [witness] <--+-- the stream is lost: watch again from
 *                                                                                        there
 *
 * One resource: all keys with the prefix. A list says up to which revision it is complete; from there a watch
 * tells every change, however often its stream breaks. What may go wrong between etcd and us has one rule
 * each, where it is read. Any member of the cluster will do: after a failure the next one is asked, and at
 * once after one that cannot be reached.
 */
#ifndef PHONEBOOK_REGISTRY_ETCD_H
#define PHONEBOOK_REGISTRY_ETCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/random.h"
#include "registry/etcd_messages.h"
#include "registry/registry.h"

/* What was asked last. */
enum etcd_question {
	ETCD_ASK_PASSWORD,
	ETCD_ASK_TOKEN,
	ETCD_ASK_PAGE,
	ETCD_ASK_WITNESS,
	ETCD_ASK_WATCH,
};

struct registry {
	const struct registry_options *options;
	struct registry_host *host;
	struct ledger *ledger;
	struct resource keys;
	struct random random;
	char *prefix; /* of all keys of interest */
	char *end;    /* the first key behind them */
	size_t prefix_len, end_len;

	const char **urls; /* of the members, in an order of our own */
	size_t n_urls, url;
	size_t n_unreached; /* members in a row that could not be reached */
	enum etcd_question asked;
	struct buffer body; /* of the request */

	/* Login. proven: what we identify ourselves with has been accepted once. */
	char *password, *token;
	bool is_open, proven; /* is_open: etcd said that there is no authentication */

	/* What is known. */
	bool has_seen_key;         /* so the prefix is right */
	bool listed;               /* the ledger is complete as of revision */
	bool doubted;              /* unless the store is another one now */
	uint64_t revision;         /* 0: nothing is known */
	struct buffer witness;     /* the key that was written last, with a NUL behind; empty: none */
	uint64_t witness_revision; /* when that was; 0: there is none */

	/* The list under way. */
	uint64_t pinned;      /* revision of its pages; 0: there are none yet */
	struct buffer last;   /* the key that was read last, with a NUL behind; empty: none */
	size_t n_keys, n_odd; /* so far; those that cannot be items */
	unsigned keys_max;    /* each may be an instance */
	unsigned n_restarts;  /* lists begun anew by themselves, in a row */
	unsigned n_no_quorum; /* lists that failed for what may be the lack of one, in a row */
	bool serializable;    /* so this one asks for what the member has */

	/* The watch. */
	bool created;         /* it is at work */
	unsigned n_unbegun;   /* those that never were, in a row */
	unsigned n_forgotten; /* those that began with what etcd had forgotten, in a row */
};

/* --- src/registry/etcd.c --- */

/* Fails: the next request is for another member. The reason is printf's; returns error. */
int etcd_fail(struct registry *r, struct snapshot_builder *b, int error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Asks another member from now on. */
void etcd_move_on(struct registry *r);

/* All keys of interest. */
struct etcd_range etcd_range_of(const struct registry *r);

/* What the key says, into an empty builder; a negative errno, its reason told to the builder. */
int etcd_read_kv(struct registry *r, const struct etcd_kv *kv, struct snapshot_builder *b);

/* The name under which the ledger keeps what a key says; NULL for a key that is none of a record. */
const char *etcd_item_name(const struct etcd_kv *kv);

/* Of each question a pair: ask fills in the rest of a request (-ENOMEM), take or read has its result, and
 * returns a step or a negative errno as registry_kind.read(). */

/* --- src/registry/etcd_login.c --- */

/* Whether a login has to come before anything else. */
bool etcd_wants_login(const struct registry *r);

/* For the password, and once that was read for a token. */
int etcd_ask_login(struct registry *r, struct fetch_request *ret);
int etcd_read_password(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b);
int etcd_read_login(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b);

/* Fails with the reason etcd gave for refusing a request; or 0: a login comes next, then the same again. */
int etcd_refuse(struct registry *r, int status, const struct etcd_error *error, struct snapshot_builder *b);

/* --- src/registry/etcd_list.c --- */

int etcd_ask_page(struct registry *r, struct fetch_request *ret);
int etcd_take_page(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b);

/* A change tells of a key: what the list said about there being none is void. -ENOMEM. */
int etcd_note_key(struct registry *r, struct snapshot_builder *b);

/* Throws the pages read so far away; fine without any. */
void etcd_abandon_list(struct registry *r);

/* --- src/registry/etcd_history.c --- */

/* Remembers the key as the one written last, if it is; -ENOMEM. */
int etcd_note_witness(struct registry *r, const struct etcd_kv *kv);
void etcd_forget_witness(struct registry *r);

/* Whether there is a key to ask about. */
bool etcd_has_witness(const struct registry *r);

int etcd_ask_witness(struct registry *r, struct fetch_request *ret);
int etcd_take_witness(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b);

/* --- src/registry/etcd_watch.c --- */

int etcd_ask_watch(struct registry *r, struct fetch_request *ret);
int etcd_take_notice(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b);

#endif
