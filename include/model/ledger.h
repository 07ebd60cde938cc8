/* SPDX-License-Identifier: BSD-2-Clause */
/* model/ledger.h -- what one registry has said so far, item by item.
 *
 *   item (a key of etcd, a slice, a file, a whole body) --put--> ledger --seal--> snapshot
 *
 * Each part of a registry that is asked for by itself has its items, and what one item says is a small
 * snapshot. A service is the union of what all items say of it; the ledger unites again only what was
 * touched, so that a change in one service costs that service. Feeder thread only.
 */
#ifndef PHONEBOOK_MODEL_LEDGER_H
#define PHONEBOOK_MODEL_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "model/snapshot.h"

struct ledger;

struct ledger_size {
	size_t instances, octets;
};

/* The items of one part; starts as { 0 }, embedded in its owner, where it stays until it was dropped. */
struct ledger_part {
	void *items; /* a tree of tsearch(3), by key */
	size_t n;    /* items that say something */
	bool in_round;
	unsigned round;
	size_t n_unseen;                    /* services of which this round has not spoken yet: they may go */
	struct ledger_size now, next;       /* of what holds, and of what would with the round so far */
	LIST_HEAD(, united_service) doubts; /* services it changed by a complete answer, not repeated yet */
};

struct ledger *ledger_create(void); /* NULL when there is no memory */

/* Holds no more than that from now on. */
void ledger_limit(struct ledger *l, const struct snapshot_limits *limits);

/* All parts must have been dropped. NULL is fine. */
void ledger_destroy(struct ledger *l);

/* --- a complete answer: everything the part has, believed as a whole or not at all --- */

/* Begins a round; one that is under way is given up. */
void ledger_begin(struct ledger *l, struct ledger_part *p);

/* The item as it is in this answer: what is in the builder, which is empty afterwards, on failure too.
 * Nothing is visible until the commit. -ENOMEM, or -EDQUOT when the registry would hold more instances (an
 * item being one at least), octets or services than its limits say, which the builder's error tells, by the
 * key: then it is as if the item had not been named, and may be kept instead. -EINVAL without a round. */
int ledger_stage(struct ledger *l, struct ledger_part *p, const char *key, struct snapshot_builder *b);

/* The item stays what it is; without such an item nothing happens. -EDQUOT when there is no room for it
 * beside what is new in this answer: to be staged, then, for the reason. */
int ledger_keep(struct ledger *l, struct ledger_part *p, const char *key);

/* The answer is complete: what was staged holds, items neither staged nor kept are gone. Without a round
 * everything stays: half an answer must not pass for a whole one. */
void ledger_commit(struct ledger *l, struct ledger_part *p);

/* It is not: everything stays as it was. Fine without a round. */
void ledger_abort(struct ledger *l, struct ledger_part *p);

/* The part has said once more what it says: as a round that keeps every item. */
void ledger_repeat(struct ledger *l, struct ledger_part *p);

/* --- a change the registry tells by itself: certain, as no complete answer is; and newer than what the round
 * under way has said of the item --- */

/* As ledger_stage(), but at once. On failure the item stays what it was. */
int ledger_put(struct ledger *l, struct ledger_part *p, const char *key, struct snapshot_builder *b);

/* Without such an item nothing happens. */
void ledger_remove(struct ledger *l, struct ledger_part *p, const char *key);

/* Forgets all items of the part, as certain: it is not asked for any more. */
void ledger_drop(struct ledger *l, struct ledger_part *p);

/* --- reading --- */

/* What the item says now, borrowed until it changes; NULL: there is none. */
const struct snapshot *ledger_find(const struct ledger *l, const struct ledger_part *p, const char *key);

/* The items of the part in the order of their keys; visit() changes nothing. */
void ledger_for_each(const struct ledger *l, const struct ledger_part *p,
		     void (*visit)(void *context, const char *key, const struct snapshot *item),
		     void *context);

/* True when something was put, removed or committed since the last seal. */
bool ledger_is_touched(const struct ledger *l);

/* Everything said so far as one snapshot, of which the caller is a user. It shares all services that did not
 * change with the one sealed before, and is that one itself if nothing did. -ENOMEM: to be called again. */
int ledger_seal(struct ledger *l, struct snapshot **ret);

/* Whether what was sealed last about the service (or that it is not there) is certain: told as a change, or
 * the same in two complete answers. True for one never heard of. */
bool ledger_is_certain(const struct ledger *l, const char *service);

#endif
