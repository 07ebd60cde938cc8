/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/belief.h -- what of a registry's words is believed.
 *
 *   ledger --seal--> heard, beside it what was inherited --brake--> believed
 *
 * What was believed before a reload stands in for each service until that has been heard of. What is still
 * missing when all has been heard is a loss like any other, and a sudden loss waits to be confirmed
 * (zone/brake.h). Feeder thread only; the time is a parameter.
 */
#ifndef PHONEBOOK_FEED_BELIEF_H
#define PHONEBOOK_FEED_BELIEF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ledger.h"
#include "zone/brake.h"

struct belief;

struct belief_options {
	struct ledger *ledger; /* borrowed */
	brake_limit_fn limit;
	void *context;              /* of limit */
	struct snapshot *inherited; /* NULL: nothing was believed before */
	uint64_t inherited_max_ms;  /* how long that stands in; 0: until all has been heard */
	uint64_t now_ms;
};

int belief_create(const struct belief_options *o, struct belief **ret);

void belief_destroy(struct belief *b); /* NULL is fine */

/* Takes in what the ledger says; heard_all: every part of the registry has spoken at least once. -ENOMEM:
 * what was believed stays. */
int belief_update(struct belief *b, bool heard_all, uint64_t now_ms);

/* One of n parts of the registry has completed a round. */
void belief_note_round(struct belief *b, size_t n);

/* What is held back, and what is heard within the next 5 s, is believed at once. */
void belief_accept(struct belief *b, uint64_t now_ms);

/* What is believed; NULL before the first update. Borrowed. */
struct snapshot *belief_snapshot(const struct belief *b);

/* What the ledger said at the last update; NULL before the first one. Borrowed. */
struct snapshot *belief_heard(const struct belief *b);

/* What of that before is still believed because nobody has spoken of it since; NULL: nothing. Borrowed. */
struct snapshot *belief_inherited(const struct belief *b);

/* Services whose loss is held back, and after how long that is to be judged again if there are any. */
size_t belief_held(const struct belief *b);
uint64_t belief_next_ms(const struct belief *b);

#endif
