/* SPDX-License-Identifier: BSD-2-Clause */
/* server/options.h -- what the administrator decides about the serving plane. Plain data, never changed after
 * start; other guests are sent. */
#ifndef PHONEBOOK_SERVER_OPTIONS_H
#define PHONEBOOK_SERVER_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "server/guests.h"

enum {
	SERVER_LISTEN_MAX = 16,
	SERVER_THREADS_MAX = 64,
};

struct server_options {
	struct endpoint listen[SERVER_LISTEN_MAX]; /* UDP and TCP each */
	size_t n_listen;
	unsigned threads;
	unsigned tcp_clients;  /* connections at a time, of one thread */
	uint64_t tcp_idle_ms;  /* without a whole query for that long: closed */
	unsigned hold_queries; /* that wait for the first word of a registry, of one thread */
	struct guests guests;
};

#endif
