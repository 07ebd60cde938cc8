/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/asked.h"

#include <stdlib.h>
#include <string.h>

#include "base/sort.h"

void asked_init(struct asked *a)
{
	*a = (struct asked){ .is_stale = true }; /* the prober may know places of the configuration before */
	TAILQ_INIT(&a->services);
}

void asked_finish(struct asked *a)
{
	free(a->places);
}

/* --- services --- */

static void make_due(struct asked *a, struct asked_service *s)
{
	s->is_due = true;
	a->has_due = true;
}

/* Who may be freed now must not be found by a place. */
static void forget_places_of(struct asked *a, const struct asked_service *s)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_places; i++) {
		if (a->places[i].service != s)
			a->places[n++] = a->places[i];
	}
	a->n_places = n;
}

void asked_set(struct asked *a, struct asked_service *s, const struct block *block)
{
	const bool was_there = s->block != NULL;

	s->block = block != NULL && block->options.notes_asked ? block : NULL;
	if (s->block != NULL && !was_there)
		TAILQ_INSERT_TAIL(&a->services, s, link);
	if (s->block == NULL && was_there) {
		TAILQ_REMOVE(&a->services, s, link);
		forget_places_of(a, s);
	}
	a->is_stale = a->is_stale || s->is_asked;
}

/* Somebody may ask in the second that begins while we look. */
static bool is_asked(const struct asked_service *s, uint32_t now_s, uint64_t idle_ms)
{
	const uint32_t asked_s = block_asked_s(s->block);
	const int32_t idle_s = (int32_t)(now_s - asked_s);

	return asked_s > 0 && (idle_s <= 0 || (uint64_t)idle_s * 1000 < idle_ms);
}

void asked_look(struct asked *a, uint64_t now_ms, uint64_t idle_ms, bool any_silent)
{
	const uint32_t now_s = (uint32_t)(now_ms / 1000);
	struct asked_service *s;

	TAILQ_FOREACH(s, &a->services, link)
	{
		const bool asked = is_asked(s, now_s, idle_ms);

		if (asked == s->is_asked)
			continue;
		s->is_asked = asked;
		s->is_new = asked;
		a->is_stale = true;
		if (any_silent)
			make_due(a, s);
	}
}

/* --- places --- */

static int compare_places(const void *a, const void *b)
{
	const struct asked_place *x = a, *y = b;

	return address_compare_place(&x->address, x->port, &y->address, y->port);
}

void asked_begin(struct asked *a)
{
	a->n_places = 0;
	a->is_stale = false;
}

void asked_add(struct asked *a, const struct address *address, uint16_t port, struct asked_service *s)
{
	if (a->n_places == a->places_size) {
		const size_t size = a->places_size * 2 + 64;
		struct asked_place *more = realloc(a->places, size * sizeof(*more));

		if (more == NULL) {
			a->is_stale = true;
			return;
		}
		a->places = more;
		a->places_size = size;
	}
	a->places[a->n_places++] = (struct asked_place){ *address, port, s };
}

void asked_end(struct asked *a)
{
	struct asked_service *s;

	sort_items(a->places, a->n_places, sizeof(*a->places), compare_places);
	TAILQ_FOREACH(s, &a->services, link)
	s->is_new = false;
}

/* The first one that is not before the key. */
static size_t lower_bound(const struct asked *a, const struct asked_place *key)
{
	size_t first = 0, end = a->n_places;

	while (first < end) {
		const size_t middle = first + (end - first) / 2;

		if (compare_places(&a->places[middle], key) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

static void make_all_due(struct asked *a)
{
	struct asked_service *s;

	TAILQ_FOREACH(s, &a->services, link)
	{
		if (s->is_asked)
			make_due(a, s);
	}
}

size_t asked_find(struct asked *a, const struct address *address, uint16_t port,
		  const struct asked_place **ret)
{
	const struct asked_place key = { *address, port, NULL };
	const size_t first = lower_bound(a, &key);
	size_t n = 0;

	while (first + n < a->n_places && compare_places(&a->places[first + n], &key) == 0)
		make_due(a, a->places[first + n++].service);
	if (a->is_stale)
		make_all_due(a);
	*ret = n > 0 ? a->places + first : NULL;
	return n;
}
