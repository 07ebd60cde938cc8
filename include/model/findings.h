/* SPDX-License-Identifier: BSD-2-Clause */
/* model/findings.h -- what was wrong with what a registry said: how much was dropped, and oddities in words.
 *
 * Never changed once made, and shared by snapshots like their services. What is flawless has none: of 50,000
 * keys each is a snapshot of its own. Feeder thread only.
 */
#ifndef PHONEBOOK_MODEL_FINDINGS_H
#define PHONEBOOK_MODEL_FINDINGS_H

#include <stddef.h>
#include <stdint.h>

#include "model/report.h"

enum { REMARKS_MAX = 8 };

struct findings;

/* Findings that are being gathered; starts as { 0 }. */
struct findings_draft {
	size_t dropped[DROP_REASONS];
	const char *remarks[REMARKS_MAX]; /* borrowed */
	size_t n_remarks;
};

/* Adds drops up, and takes over remarks that are not there yet as long as there is room; f may be NULL. */
void findings_gather(struct findings_draft *d, const struct findings *f);

/* Makes the findings, of which the caller is a user: those of before (may be NULL) if nothing differs, NULL
 * if there is nothing. -ENOMEM on failure. */
int findings_make(const struct findings_draft *d, const struct findings *before, const struct findings **ret);

/* One more user; returns f. NULL is fine, as for all that follow. */
const struct findings *findings_keep(const struct findings *f);

/* One user less; the last one frees it. */
void findings_release(const struct findings *f);

size_t findings_dropped(const struct findings *f, enum drop reason);
size_t findings_n_remarks(const struct findings *f);

/* The remark of that index, below findings_n_remarks(). */
const char *findings_remark(const struct findings *f, size_t i);

#endif
