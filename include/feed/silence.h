/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/silence.h -- after how many failures a place is silent, and after how many connections it is not: pure
 * arithmetic, with no clock and no socket of its own.
 *
 * Part of feed/probe.h.
 */
#ifndef PHONEBOOK_FEED_SILENCE_H
#define PHONEBOOK_FEED_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Starts as { 0 }. */
struct silence {
	unsigned failures, connections; /* in a row */
	uint64_t tried_ms;              /* when the last attempt began */
	uint64_t failing_ms;            /* when the first of the failures in a row began */
	uint64_t since_ms;              /* it is silent; 0: it is not */
	bool others_heard;              /* between failing_ms and tried_ms */
};

enum silence_change {
	SILENCE_AS_BEFORE,
	SILENCE_BEGINS,
	SILENCE_ENDS,
	SILENCE_HELD_BACK, /* there were enough failures, but nobody else was heard meanwhile */
};

/* An attempt begins now; somebody on another host was heard last at heard_ms, 0: never. */
void silence_try(struct silence *s, uint64_t now_ms, uint64_t heard_ms);

/* It was established; up in a row end the silence. */
enum silence_change silence_connected(struct silence *s, unsigned up);

/* It was not; down in a row are silence. That needs a witness unless somebody has said no: where nobody has
 * been heard since the failures began it may be this host that is cut off. Who waits for the word of another
 * loses nothing: where nobody answers at all, leaving some out helps nobody. */
enum silence_change silence_failed(struct silence *s, unsigned down, bool needs_witness);

/* The last attempts contradict what is believed. */
bool silence_is_in_doubt(const struct silence *s, unsigned down);

#endif
