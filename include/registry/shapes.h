/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/shapes.h -- instances out of JSON bodies of the shapes that are in use.
 *
 * What file and http registries understand (docs/registries.md shows each):
 *   [{"targets":["10.0.0.1:80"],"labels":{"service":"inventory"}}]       Prometheus http_sd and file_sd
 *   ["10.0.0.1:80"]                                                      needs a configured service name
 *   [{"host":"10.0.0.1","port":80}]                                      the same
 *   {"service":"inventory","instances":[...]}, {"instances":[...]}
 *   {"inventory":["10.0.0.1:80"],"idle":[]}, also below "services" or "data"
 * A body is at most as large as the options allow when it comes here. Strict: a body that is no JSON, ends
 * early or has none of the shapes fails as a whole.
 */
#ifndef PHONEBOOK_REGISTRY_SHAPES_H
#define PHONEBOOK_REGISTRY_SHAPES_H

#include <stddef.h>

#include "model/snapshot.h"

struct shape_options {
	const char *service;       /* for bodies that name none; may be NULL */
	const char *service_label; /* the http_sd label with the service's name */
};

/* Reads a whole body into b. Elements that are no instance are dropped and counted; a negative errno, its
 * reason set by snapshot_builder_fail() with line and column, means that the whole body is refused. */
int shapes_read(const char *body, size_t len, const struct shape_options *o, struct snapshot_builder *b);

#endif
