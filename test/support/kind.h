/* SPDX-License-Identifier: BSD-2-Clause */
/* support/kind.h -- a kind of registry without anybody who runs it: the test asks, answers and looks into the
 * ledger. */
#ifndef PHONEBOOK_TEST_KIND_H
#define PHONEBOOK_TEST_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include "registry/registry.h"

enum { KIND_RESOURCES_MAX = 256 };

struct kind {
	struct registry_host host;
	const struct registry_kind *kind;
	struct ledger *ledger;
	struct snapshot_limits limits; /* as the options say */
	struct registry *registry;
	struct resource *resources[KIND_RESOURCES_MAX]; /* started and not stopped, in that order */
	size_t n;
	unsigned n_hastened;
	struct snapshot *last; /* what the ledger said when it was sealed last; NULL before */
	char error[256];       /* of the last ask or read; "" if it was none */
};

/* Creates the registry and, unless created is NULL, calls it before the start (for inherit). The options are
 * borrowed. */
void kind_start(struct kind *k, const struct registry_kind *kind, const struct registry_options *o,
		void (*created)(struct kind *k));
void kind_finish(struct kind *k);

/* The resource of that name (NULL: the only one), or NULL. */
struct resource *kind_find(struct kind *k, const char *name);

/* What it asks for; fails the test if it cannot. */
struct fetch_request kind_ask(struct kind *k, struct resource *res);

/* Reads a result; enum step, or a negative errno with its reason in error. On failure the round is aborted,
 * as the feeder would; otherwise the ledger is sealed. A resource that stops is dropped. */
int kind_read(struct kind *k, struct resource *res, const struct fetch_result *result);

/* The same for 200 with this body, the last of its request. */
int kind_read_body(struct kind *k, struct resource *res, const char *body);

/* Instances of a service as "address:port name", sorted as they are, separated by ", "; "-" for a service
 * that is not known, "" for one without instances. Good until the next call. */
const char *kind_text(const struct kind *k, const char *service);

#endif
