/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/fields.h -- what registries write into the members of an object, and what they mean by it.
 *
 * Every value may be NULL: not there. Nothing here fails; what cannot be understood says nothing. Any thread.
 */
#ifndef PHONEBOOK_REGISTRY_FIELDS_H
#define PHONEBOOK_REGISTRY_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/service.h"
#include "registry/json.h"

/* Of the members named by keys (NULL at the end), the first that is a text and not empty, or NULL. */
const char *field_text(const struct json_value *object, const char *const keys[]);

/* A number, also one that is written as a text. */
bool field_number(const struct json_value *v, double *ret);

/* A port, also as a text of digits, 0 for null or none; false if it is anything else. */
bool field_port(const struct json_value *v, int64_t *ret);

/* True only where the member says no: false, or "false". */
bool field_is_denied(const struct json_value *object, const char *key);

/* "tcp" and "udp" in any case; PROTOCOL_ANY for every other text. */
enum protocol field_protocol(const struct json_value *v);

/* The words of Consul, Eureka, Nacos and home-made registries; HEALTH_PASSING for every other text. */
enum health field_health(const struct json_value *v);

#endif
