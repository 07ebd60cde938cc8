/* SPDX-License-Identifier: BSD-2-Clause */
/* unit/resolve_rig.h -- what the tests of these share: check_resolve check_resolve_watch check_resolve_reload
 */
#ifndef PHONEBOOK_TEST_RESOLVE_RIG_H
#define PHONEBOOK_TEST_RESOLVE_RIG_H

#include "feed/resolve.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_dns.h"
#include "harness.h"

enum { LIMIT_MS = 8000, CONTEXTS = 600 };

extern struct event_base *loop;
extern struct resolver *resolver;
extern struct fake_dns *dns;

/* What one lookup came to, as text: "10.0.0.1,fd00::1" or "!error". */
struct outcome {
	char text[1200];
	unsigned calls;
};

extern struct outcome outcomes[CONTEXTS];
extern unsigned changes;

const char *spell(const struct address *addresses, size_t n);

void on_done(void *context, const struct address *addresses, size_t n, const char *error);

void on_changed(void *context);

void create(size_t n_servers);

void set_up(void);

void set_up_resolver(void);

void tear_down(void);

/* Runs the loop until done() or the limit. */
bool run_until(bool (*done)(void *context), void *context, uint64_t limit_ms);

bool is_done(void *context);

bool never(void *context);

bool any_change(void *context);

struct resolver_lookup *start(const char *host, struct outcome *o);

/* Looks one host up and returns how it ended. */
const char *look_up(const char *host);

const char *watched(const char *host);

void reload(const struct fake_dns *server);

#endif
