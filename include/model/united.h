/* SPDX-License-Identifier: BSD-2-Clause */
/* model/united.h -- the services of a ledger: who says what of each, and how sure that is.
 *
 *   statement (what an item says) --united_replace--> services touched --united_seal--> snapshot
 *
 * Taking a statement in may fail, putting it in the place of another cannot: so a complete answer is
 * prepared item by item and then holds as a whole. Part of the ledger; feeder thread only.
 */
#ifndef PHONEBOOK_MODEL_UNITED_H
#define PHONEBOOK_MODEL_UNITED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "model/groups.h"
#include "model/ledger.h"
#include "model/snapshot.h"

/* One service, or the findings, of one statement. Of what holds, linked to all others about the same. */
struct contribution {
	const struct statement *statement;
	struct united_service *about;
	LIST_ENTRY(contribution) others;
};

/* What one item says. */
struct statement {
	struct snapshot *snapshot;
	const char *key;                     /* of the item, which outlives it */
	struct contribution contributions[]; /* one for each service, and for findings if there are any */
};

/* Lives as long as a statement is about it, the snapshot sealed last has it, it is touched or in doubt. */
struct united_service {
	LIST_HEAD(, contribution) contributions; /* those that hold */
	const struct service *sealed;            /* as it is in the snapshot sealed last, or NULL */
	struct ledger_part *doubter;             /* that changed it last, and said so only once; or NULL */
	LIST_ENTRY(united_service) doubts;
	SLIST_ENTRY(united_service) next_touched;
	unsigned doubted_in;               /* round of the part */
	const struct ledger_part *seen_by; /* whose round spoke of it last, and which round that was */
	unsigned seen_in;
	unsigned n_users;    /* contributions, also of statements that do not hold */
	unsigned n_left_out; /* instances beyond the limit */
	bool touched;
	char name[];
};

struct united {
	void *services;                       /* a tree of tsearch(3), by name */
	size_t n_spoken;                      /* of them somebody speaks of; what only was there is no load */
	size_t services_max;                  /* so many of those at most */
	SLIST_HEAD(, united_service) touched; /* since the last seal */
	size_t n_touched;                     /* of the services */
	struct united_service *findings;      /* what is wrong is gathered as if it was a service */
	size_t n_left_out;                    /* instances of services that have too many */
	struct snapshot *sealed;              /* last; NULL: never */
	struct groups groups;                 /* empty between two calls */
};

int united_init(struct united *u);
void united_finish(struct united *u);

/* Makes a statement that does not hold yet, and keeps the snapshot; before is what the item says until then,
 * or NULL; round is the part whose round it belongs to, or NULL. -ENOMEM, or -EDQUOT when there would be more
 * than services_max services. */
int united_prepare(struct united *u, const char *key, const struct statement *before, struct snapshot *s,
		   struct ledger_part *round, struct statement **ret);

/* A round of the part begins; alone: no other part says anything, so what it does not speak of goes. */
void united_begin(const struct united *u, struct ledger_part *p, bool alone);

/* The round has spoken of all that the statement is about. */
void united_see(struct ledger_part *p, const struct statement *st);

/* Whether there are too many services, whatever the round may still leave out. */
bool united_is_full(const struct united *u, const struct ledger_part *p);

/* Throws a statement away that does not hold. NULL is fine. */
void united_discard(struct united *u, struct statement *st);

/* From now on the second statement holds and the first, thrown away, does not; either may be NULL. What
 * differs between them is doubted until the part says the same again; without one, all they are about is
 * certain. */
void united_replace(struct united *u, struct statement *old, struct statement *st,
		    struct ledger_part *doubter);

/* What the part changed in an earlier round is certain. */
void united_settle(struct united *u, struct ledger_part *p);

/* Marks the service, or the findings, for the next seal. */
void united_touch(struct united *u, struct united_service *us);

/* Frees the service if nothing keeps it alive. */
void united_forget_if_idle(struct united *u, struct united_service *us);

bool united_is_touched(const struct united *u);
bool united_is_certain(const struct united *u, const char *service);

/* As ledger_seal(). */
int united_seal(struct united *u, struct snapshot **ret);

#endif
