/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/service.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static size_t text_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

/* An instance is followed by others: its memory ends where a pointer can begin. */
static size_t round_up(size_t size)
{
	return (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
}

size_t instance_room(const struct instance *in)
{
	size_t size = in->n_tags * sizeof(*in->tags) + in->n_metadata * sizeof(*in->metadata);

	size += text_size(in->host) + text_size(in->name) + text_size(in->port_name) + text_size(in->zone);
	for (size_t i = 0; i < in->n_tags; i++)
		size += text_size(in->tags[i]);
	for (size_t i = 0; i < in->n_metadata; i++)
		size += text_size(in->metadata[i].key) + text_size(in->metadata[i].value);
	return round_up(size);
}

static const char *copy_text(const char *text, char **at)
{
	if (text == NULL)
		return NULL;

	const size_t size = strlen(text) + 1;
	char *copy = memcpy(*at, text, size);
	*at += size;
	return copy;
}

void instance_copy(const struct instance *in, void *room, struct instance *ret)
{
	struct metadata *metadata = room;
	const char **tags = (const char **)(metadata + in->n_metadata);
	char *at = (char *)(tags + in->n_tags);
	struct instance copy = *in;

	copy.host = copy_text(in->host, &at);
	copy.name = copy_text(in->name, &at);
	copy.port_name = copy_text(in->port_name, &at);
	copy.zone = copy_text(in->zone, &at);
	for (size_t i = 0; i < in->n_tags; i++)
		tags[i] = copy_text(in->tags[i], &at);
	for (size_t i = 0; i < in->n_metadata; i++) {
		metadata[i].key = copy_text(in->metadata[i].key, &at);
		metadata[i].value = copy_text(in->metadata[i].value, &at);
	}
	copy.tags = in->n_tags > 0 ? tags : NULL;
	copy.metadata = in->n_metadata > 0 ? metadata : NULL;
	*ret = copy;
}

static int compare_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

int instance_compare_place(const struct instance *a, const struct instance *b)
{
	int r = (int)a->address.len - (int)b->address.len;

	if (r == 0)
		r = memcmp(a->address.octets, b->address.octets, sizeof(a->address.octets));
	if (r == 0)
		r = compare_text(a->host, b->host);
	if (r == 0)
		r = (int)a->port - (int)b->port;
	return r;
}

int instance_compare(const struct instance *a, const struct instance *b)
{
	int r = instance_compare_place(a, b);

	if (r == 0)
		r = (int)a->protocol - (int)b->protocol;
	if (r == 0)
		r = compare_text(a->port_name, b->port_name);
	if (r == 0)
		r = compare_text(a->name, b->name);
	return r;
}

static bool instance_equal(const struct instance *a, const struct instance *b)
{
	if (instance_compare(a, b) != 0 || compare_text(a->zone, b->zone) != 0)
		return false;
	if (a->weight != b->weight || a->priority != b->priority || a->health != b->health)
		return false;
	if (a->ttl_s != b->ttl_s || a->n_tags != b->n_tags)
		return false;
	for (size_t i = 0; i < a->n_tags; i++) {
		if (strcmp(a->tags[i], b->tags[i]) != 0)
			return false;
	}
	return true;
}

bool service_equal(const struct service *a, const struct service *b)
{
	if (a == b)
		return true;
	if (a->digest != b->digest || a->n_instances != b->n_instances || strcmp(a->name, b->name) != 0)
		return false;
	for (size_t i = 0; i < a->n_instances; i++) {
		if (!instance_equal(&a->instances[i], &b->instances[i]))
			return false;
	}
	return true;
}

/* With the NUL, so that "ab" "c" differs from "a" "bc". What may be NULL is never "", so both read the same.
 */
static void digest_text(XXH3_state_t *state, const char *text)
{
	XXH3_64bits_update(state, text != NULL ? text : "", text != NULL ? strlen(text) + 1 : 1);
}

static void digest_instance(XXH3_state_t *state, const struct instance *in)
{
	const uint16_t numbers[] = { in->address.len, in->port,   in->weight,   in->priority,
				     in->n_tags,      in->health, in->protocol, in->ttl_s };

	XXH3_64bits_update(state, in->address.octets, sizeof(in->address.octets));
	XXH3_64bits_update(state, numbers, sizeof(numbers));
	digest_text(state, in->host);
	digest_text(state, in->name);
	digest_text(state, in->port_name);
	digest_text(state, in->zone);
	for (size_t i = 0; i < in->n_tags; i++)
		digest_text(state, in->tags[i]);
}

static uint64_t digest_service(const struct service *s)
{
	XXH3_state_t state;

	XXH3_64bits_reset(&state);
	digest_text(&state, s->name);
	for (size_t i = 0; i < s->n_instances; i++)
		digest_instance(&state, &s->instances[i]);
	return XXH3_64bits_digest(&state);
}

struct service *service_create(const char *name, const struct instance *const instances[], size_t n)
{
	const size_t name_size = strlen(name) + 1;
	size_t octets = n * sizeof(struct instance);

	for (size_t i = 0; i < n; i++)
		octets += instance_room(instances[i]);
	struct service *s = malloc(sizeof(*s) + round_up(name_size) + octets);
	if (s == NULL)
		return NULL;

	*s = (struct service){
		.octets = octets, .n_instances = n, .instances = (struct instance *)(s + 1), .users = 1
	};
	char *room = (char *)(s->instances + n);
	s->name = memcpy(room, name, name_size);
	room += round_up(name_size);
	for (size_t i = 0; i < n; i++) {
		instance_copy(instances[i], room, &s->instances[i]);
		room += instance_room(instances[i]);
	}
	s->digest = digest_service(s);
	return s;
}

const struct service *service_keep(const struct service *s)
{
	((struct service *)s)->users++;
	return s;
}

void service_release(const struct service *s)
{
	struct service *mine = (struct service *)s;

	if (mine != NULL && --mine->users == 0)
		free(mine);
}
