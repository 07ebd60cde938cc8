/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/probe.h -- whether somebody answers at the places of instances that are in use, as this host sees it.
 *
 *   places wanted --connect(), one after the other, in random pauses--> silent or not --> changed()
 *
 * A place is an address and a TCP port. A registry may list an instance that is gone, that this host cannot
 * reach, or whose address somebody else has got meanwhile: a connection that is refused or never established
 * tells. What is sent is nothing (feed/attempt.h). Feeder thread only.
 */
#ifndef PHONEBOOK_FEED_PROBE_H
#define PHONEBOOK_FEED_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/random.h"

struct event_base;
struct prober;

/* What the administrator decides. */
struct probe_options {
	uint64_t interval_ms; /* between two probes of a place, plus up to a fifth of it at random */
	uint64_t timeout_ms;  /* until a connection is established */
	unsigned down;        /* failures in a row, after which a place is silent */
	unsigned up;          /* connections in a row, after which it is not any more */
	uint64_t idle_ms;     /* a service not asked for during that time is not probed */
	unsigned rate;        /* probes a second, of all places */
	unsigned max;         /* places */
};

/* This place has fallen silent, or is so no more; why, for people. It may not destroy the prober. */
typedef void (*probe_changed_fn)(void *context, const struct address *address, uint16_t port, bool is_silent,
				 const char *reason);

/* -ENOMEM. */
int prober_create(struct event_base *loop, struct random *random, const struct probe_options *o,
		  probe_changed_fn changed, void *context, struct prober **ret);

void prober_destroy(struct prober *p); /* NULL is fine */

/* Other options from now on; what is known of places stays. */
void prober_set(struct prober *p, const struct probe_options *o);

/* Between begin and end every place is named that is wanted; the others are forgotten at the end, and those
 * of them that were silent are told as changed. Beyond the number of places allowed, those named last are not
 * probed, and counted. A new place is probed somewhere within the interval, or soon: within a tenth of it. */
void prober_begin(struct prober *p);
void prober_want(struct prober *p, const struct address *address, uint16_t port, bool soon);
void prober_end(struct prober *p);

/* For how long, in milliseconds and at least 1, a silent place has been so; 0: it is not. */
uint64_t prober_unreachable_ms(const struct prober *p, const struct address *address, uint16_t port,
			       uint64_t now_ms);

struct probe_counts {
	uint64_t places, silent;
	uint64_t refused_by_limit; /* places named last time, and not probed */
	uint64_t connected, failed;
	uint64_t not_tried; /* for want of descriptors, ports, leave: says nothing of the place */
	uint64_t held_back; /* failures that were enough, but nobody else was heard meanwhile */
};

void prober_count(const struct prober *p, struct probe_counts *ret);

#endif
