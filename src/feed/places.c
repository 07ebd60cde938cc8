/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/places.h"

#include <stdio.h>
#include <string.h>

/* The place of that name; it may be a new one, in the room of the one not used for longest. */
static struct place *find_place(struct places *places, const char *name)
{
	struct place *oldest = &places->places[0];

	for (size_t i = 0; i < PLACES_MAX; i++) {
		struct place *p = &places->places[i];

		if (strcmp(p->name, name) == 0)
			return p;
		if (p->used_ms < oldest->used_ms)
			oldest = p;
	}
	memset(oldest, 0, sizeof(*oldest));
	snprintf(oldest->name, sizeof(oldest->name), "%s", name);
	return oldest;
}

uint64_t places_connection_age_s(struct places *places, const char *host, const char *port,
				 const struct address *addresses, size_t n, uint64_t now_ms)
{
	char name[sizeof(((struct place *)NULL)->name)];

	snprintf(name, sizeof(name), "%s:%s", host, port);
	struct place *p = find_place(places, name);
	p->used_ms = now_ms;
	if (p->n != n || memcmp(p->addresses, addresses, n * sizeof(*addresses)) != 0) {
		p->changed_ms = p->n > 0 ? now_ms : 0;
		memcpy(p->addresses, addresses, n * sizeof(*addresses));
		p->n = n;
	}
	if (p->changed_ms == 0)
		return PLACES_ANY_AGE;
	/* libcurl counts ages in whole seconds: until there are two, every request gets a new connection. */
	const uint64_t age_s = (now_ms - p->changed_ms) / 1000;
	return age_s < 2 ? 0 : age_s - 1;
}
