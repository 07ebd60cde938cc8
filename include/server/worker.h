/* SPDX-License-Identifier: BSD-2-Clause */
/* server/worker.h -- one serving thread: its loop, its sockets, its forwarder.
 *
 *   main: create --> start --> ... reload ... --> stop --> join --> destroy
 *
 * Nothing here is shared with another thread but the inbox, two parcels and a row of counters.
 */
#ifndef PHONEBOOK_SERVER_WORKER_H
#define PHONEBOOK_SERVER_WORKER_H

#include "forward/forward.h"
#include "model/counters.h"
#include "model/inbox.h"
#include "server/options.h"
#include "server/sockets.h"

struct worker;

/* Prepares a serving thread for these sockets and takes them over, also when it fails: *sockets is empty
 * then. The thread closes them when it ends, so that the kernel sends clients to the threads that still
 * serve, and afterwards tells them at once that nobody does. The options and the counters, of
 * which row i is this thread's, are borrowed until worker_destroy(), forward is copied. */
int worker_create(const struct server_options *o, const struct forward_options *forward,
		  struct sockets *sockets, struct counters *counters, size_t i, struct worker **ret);

/* Where the feeder puts tables for this thread: the first one before worker_start(). */
struct inbox *worker_inbox(struct worker *w);

int worker_start(struct worker *w);

/* Other guests and upstreams from now on (copies are sent); nothing else changes. -ENOMEM: the old ones stay.
 */
int worker_reload(struct worker *w, const struct server_options *o, const struct forward_options *forward);

/* Tells the thread to answer what has arrived, and what upstreams still answer within 700 ms, and to end. */
void worker_stop(struct worker *w);

/* Waits for a thread that was told to stop. NULL is fine. */
void worker_join(struct worker *w);

/* Frees everything, the inbox too: when the thread has been joined and the feeder is gone. NULL is fine. */
void worker_destroy(struct worker *w);

#endif
