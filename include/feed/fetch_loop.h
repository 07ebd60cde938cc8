/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/fetch_loop.h -- running transfers: libcurl's sockets and timer as events of libevent.
 *
 *   fetch_loop_start --> events --> libcurl --> transfer_read_end() --> ended()
 *
 * Feeder thread only; shared by the src/feed/fetch*.c only.
 */
#ifndef PHONEBOOK_FEED_FETCH_LOOP_H
#define PHONEBOOK_FEED_FETCH_LOOP_H

#include <stdint.h>

#include "feed/fetch_transfer.h"

struct event_base;
struct fetch_loop;

/* ended() is called once for each transfer that was started and not stopped, its result read, from an event.
 * It may stop and close transfers, but not destroy the loop. */
int fetch_loop_create(struct event_base *base, void (*ended)(struct transfer *t), struct fetch_loop **ret);

/* All transfers must be stopped. NULL is fine. */
void fetch_loop_destroy(struct fetch_loop *l);

/* Starts a prepared transfer, to be connected within the time left. */
int fetch_loop_start(struct fetch_loop *l, struct transfer *t, uint64_t connect_left_ms);

/* Takes the transfer out, in whatever state it is. */
void fetch_loop_stop(struct fetch_loop *l, struct transfer *t);

#endif
