/* SPDX-License-Identifier: BSD-2-Clause */
/* model/freshness.h -- when each registry was last heard, and how it is doing.
 *
 * Written by the feeder, read by the serving threads at any moment, without a lock: every field is an atomic
 * of its own, because an age that is a millisecond off its count harms nobody. This is what changes at every
 * poll; it is kept out of the table so that a poll without news publishes nothing.
 */
#ifndef PHONEBOOK_MODEL_FRESHNESS_H
#define PHONEBOOK_MODEL_FRESHNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FRESHNESS_REGISTRIES_MAX = 64, /* one bit each in a block's mask of registries */
};

enum registry_state {
	REGISTRY_WAITING, /* its first round is still under way */
	REGISTRY_OK,
	REGISTRY_FAILING, /* the last round failed; what it said before, if anything, stays */
};

/* A registry at one moment. */
struct freshness_view {
	const char *name, *kind;
	enum registry_state state;
	bool spoken;     /* at least one good round so far */
	bool restored;   /* what it said is known from the disk, and it has not spoken since */
	bool ages;       /* false for what cannot get old: static instances */
	uint64_t age_ms; /* of its data; 0 if it has not spoken */
	uint64_t services, instances, dropped, failures, held;
};

struct freshness;

/* A board for n registries (at most FRESHNESS_REGISTRIES_MAX); NULL when there is no memory. */
struct freshness *freshness_create(size_t n);

/* NULL is fine. */
void freshness_destroy(struct freshness *f);

/* Names a row; before the board is shared. Copies both texts. */
int freshness_name(struct freshness *f, size_t row, const char *name, const char *kind, bool ages);

/* What a round found. */
struct round_counts {
	uint64_t services, instances, dropped, held;
};

/* A moment that is always now: the registry would tell of every change. */
#define FRESHNESS_NOW UINT64_MAX

/* What is known was true until then: a moment, or FRESHNESS_NOW (feeder). */
void freshness_heard(struct freshness *f, size_t row, uint64_t true_ms);

/* What is known of it was read from the disk, and was true until then (feeder). Holds until the next
 * freshness_heard(). */
void freshness_restore(struct freshness *f, size_t row, uint64_t true_ms);

void freshness_state(struct freshness *f, size_t row, enum registry_state state);

/* What is believed has changed without a new round: its age and state stay (feeder). */
void freshness_recount(struct freshness *f, size_t row, const struct round_counts *counts);

/* A round failed (feeder). */
void freshness_bad(struct freshness *f, size_t row);

/* Carries one row of an older board over to a row of a newer one, at now_ms (feeder, at a reload). */
void freshness_inherit(struct freshness *to, size_t to_row, const struct freshness *from, size_t from_row,
		       uint64_t now_ms);

/* The row as it is at now_ms (any thread). */
void freshness_view(const struct freshness *f, size_t row, uint64_t now_ms, struct freshness_view *ret);

/* How old data may be. */
struct age_limits {
	uint64_t stale_after_ms; /* older: answered, and said to be old */
	uint64_t stale_max_ms;   /* older: answered no more; 0: for ever */
};

enum age {
	AGE_FRESH,
	AGE_STALE,
	AGE_EXPIRED,
};

/* What is known of the age of some data. */
struct age_verdict {
	enum age age;
	size_t row; /* the registry that is oldest; not with AGE_FRESH */
	uint64_t age_ms;
};

/* Judges data of the registries of the mask (bit = row) that was true until true_ms at most (0: as they say
 * themselves). It is as old as the oldest of them, and what is from the disk is stale however young; it has
 * expired when the youngest has: the others still tell the truth of what they know. Any thread. */
struct age_verdict freshness_judge(const struct freshness *f, uint64_t mask, uint64_t true_ms,
				   const struct age_limits *limits, uint64_t now_ms);

/* The first registry of the mask of which something could not be asked at its last try: its row, or -1. */
int freshness_find_failing(const struct freshness *f, uint64_t mask);

const char *registry_state_to_text(enum registry_state state);

#endif
