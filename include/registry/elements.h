/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/elements.h -- an element of a list, in one of the forms that people give to instances.
 *
 *   "10.0.0.1:80"                                                        a target
 *   {"targets":["10.0.0.1:80"],"labels":{"service":"inventory"}}         a group of targets, their labels
 *   {"host":"10.0.0.1","port":80}                                        an instance
 *
 *   element --elements_take--> reports --> snapshot_builder
 *
 * What is no instance is dropped and counted. All functions return 0, or a negative errno that spoils the
 * round. Feeder thread only.
 */
#ifndef PHONEBOOK_REGISTRY_ELEMENTS_H
#define PHONEBOOK_REGISTRY_ELEMENTS_H

#include <stddef.h>

#include "model/snapshot.h"
#include "registry/json.h"

/* The elements of one body, and what was found in them so far. */
struct elements {
	struct snapshot_builder *b;
	const char *service;       /* configured, for elements that name none; may be NULL */
	const char *service_label; /* of a group's labels, the one with the service's name */
	size_t n_named;            /* services that the body named itself */
	size_t n_unnamed;          /* elements of no known service */
	size_t n_reported;         /* instances that the builder was given */
	size_t n_shapeless;        /* objects that have no address, wherever one was looked for */
};

/* Takes one element; service is what the body said around it, or NULL. */
int elements_take(struct elements *e, const char *service, const struct json_value *element);

/* A service of which nothing could be reported since n_reported was n_before is known all the same. */
int elements_make_known(struct elements *e, size_t n_before, const char *service);

/* Drops what never became a report; service may be NULL. */
int elements_drop(struct elements *e, enum drop reason, const char *what, const char *service);

#endif
