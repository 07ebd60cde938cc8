/* SPDX-License-Identifier: BSD-2-Clause */
/* flow/kubernetes_rig.h -- what the tests of these share: check_kubernetes check_kubernetes_trouble */
#ifndef PHONEBOOK_TEST_KUBERNETES_RIG_H
#define PHONEBOOK_TEST_KUBERNETES_RIG_H

/* A kubernetes registry, from what its API server tells to our answers: changes show, and what goes wrong
 * between us and the server loses neither answers nor changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fake_dns.h"
#include "fake_kubernetes.h"
#include "harness.h"
#include "planes.h"

#define SHOP "shop.service.local"
#define CART "cart.service.local"
#define ONE  "NOERROR aa; 2 A 10.1.0.1"
#define TWO  "NOERROR aa; 2 A 10.1.0.2"
#define BOTH "NOERROR aa; 2 A 10.1.0.1; 2 A 10.1.0.2"

#define ENDPOINT(address, ready, serving, terminating)                                                       \
	"{\"addresses\":[\"" address "\"],\"conditions\":{\"ready\":" #ready ",\"serving\":" #serving        \
	",\"terminating\":" #terminating "}}"
#define READY(address)    ENDPOINT(address, true, true, false)
#define UNREADY(address)  ENDPOINT(address, false, false, false)
#define DRAINING(address) ENDPOINT(address, false, true, true)
#define LEAVING(address)  ENDPOINT(address, false, false, true)

extern const char SLICES[];
extern const char SLICES_WATCH[];

extern struct fake_kubernetes *api;
extern struct planes *planes;
extern struct fake_dns *dns;
extern char *dir;

void setup(void);

void teardown(void);

void put_in(const char *namespace, const char *name, const char *service, const char *endpoints);

void put(const char *name, const char *service, const char *endpoints);

void erase(const char *name);

struct fake_http *http(void);

unsigned lists(enum fake_kubernetes_kind kind);

unsigned watches(enum fake_kubernetes_kind kind);

/* Whether every kind has a stream that is at least the n-th. */
bool has_watches(void *n);

void await_watches(unsigned n);

/* That the latest request for target has this in its head. */
void expect_head(const char *target, const char *text);

/* Changes are logged one by one; what is refused for good is asked for again soon. */
#define HEAD "log-level = debug\n"
#define BLOCK(more)                                                                                          \
	"kubernetes \"k8s\" { url = \"%s\" interval = 100ms jitter = 0 timeout = 500ms " more " }\n"

#define START(more) planes = planes_start(HEAD BLOCK(more), fake_http_url(http()))

/* A case of the suite, each test of which begins with setup() and ends with teardown(). */
TCase *add_case(Suite *suite, const char *title);

/* With one slice of the service shop, watched; a sudden loss is held for an hour. */
void start_watched(const char *endpoints, const char *text);

#endif
