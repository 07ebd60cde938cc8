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

static struct place *note(struct places *places, const char *name, const struct address *addresses, size_t n,
			  uint64_t now_ms)
{
	struct place *p = find_place(places, name);

	p->used_ms = now_ms;
	if (p->n != n || memcmp(p->addresses, addresses, n * sizeof(*addresses)) != 0) {
		p->changed_ms = p->n > 0 ? now_ms : 0;
		memcpy(p->addresses, addresses, n * sizeof(*addresses));
		p->n = n;
	}
	return p;
}

void places_note(struct places *places, const char *host, const struct address *addresses, size_t n,
		 uint64_t now_ms)
{
	note(places, host, addresses, n, now_ms);
}

size_t places_recall(const struct places *places, const char *host,
		     struct address ret[RESOLVER_ADDRESSES_MAX])
{
	for (size_t i = 0; i < PLACES_MAX; i++) {
		const struct place *p = &places->places[i];

		if (p->n > 0 && strcmp(p->name, host) == 0) {
			memcpy(ret, p->addresses, p->n * sizeof(*ret));
			return p->n;
		}
	}
	return 0;
}

uint64_t places_connection_age_s(struct places *places, const char *host, const char *port,
				 const struct address *addresses, size_t n, uint64_t now_ms)
{
	char name[sizeof(((struct place *)NULL)->name)];

	snprintf(name, sizeof(name), "%s:%s", host, port);
	const struct place *p = note(places, name, addresses, n, now_ms);
	if (p->changed_ms == 0)
		return PLACES_ANY_AGE;
	/* libcurl counts ages in whole seconds: until there are two, every request gets a new connection. */
	const uint64_t age_s = (now_ms - p->changed_ms) / 1000;
	return age_s < 2 ? 0 : age_s - 1;
}
