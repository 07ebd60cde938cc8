/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/service.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

size_t service_room(const struct instance *in)
{
	return sizeof(const struct instance *) + in->size;
}

static bool instance_equal(const struct instance *a, const struct instance *b)
{
	size_t a_len, b_len;
	const void *a_content = instance_content(a, &a_len), *b_content = instance_content(b, &b_len);

	return a == b || (a_len == b_len && memcmp(a_content, b_content, a_len) == 0);
}

bool service_equal(const struct service *a, const struct service *b)
{
	if (a == b)
		return true;
	if (a->digest != b->digest || a->n_instances != b->n_instances || strcmp(a->name, b->name) != 0)
		return false;
	for (size_t i = 0; i < a->n_instances; i++) {
		if (!instance_equal(a->instances[i], b->instances[i]))
			return false;
	}
	return true;
}

/* The name with its NUL, and each instance tells where its texts begin: "ab" "c" differs from "a" "bc". */
static uint64_t digest_service(const struct service *s)
{
	XXH3_state_t state;

	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, s->name, strlen(s->name) + 1);
	for (size_t i = 0; i < s->n_instances; i++) {
		size_t len;
		const void *content = instance_content(s->instances[i], &len);

		XXH3_64bits_update(&state, content, len);
	}
	return XXH3_64bits_digest(&state);
}

struct service *service_create(const char *name, const struct instance *const instances[], size_t n)
{
	const size_t name_size = strlen(name) + 1;
	struct service *s = malloc(sizeof(*s) + n * sizeof(s->instances[0]) + name_size);

	if (s == NULL)
		return NULL;
	*s = (struct service){ .name = memcpy(s->instances + n, name, name_size),
			       .users = 1,
			       .n_instances = n };
	for (size_t i = 0; i < n; i++) {
		s->instances[i] = instance_keep(instances[i]);
		s->octets += service_room(instances[i]);
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

	if (mine == NULL || --mine->users > 0)
		return;
	for (size_t i = 0; i < mine->n_instances; i++)
		instance_release(mine->instances[i]);
	free(mine);
}
