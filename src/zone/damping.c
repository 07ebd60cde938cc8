/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/damping.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "zone/rules.h"

/* How a registry knows the instances of one place, together: as long as one is healthy the place is. */
enum state { STATE_GONE, STATE_BAD, STATE_GOOD };

/* A place that has changed of late. */
struct suspect {
	struct suspect *next, **link;
	const char *service;          /* follows the struct */
	const struct instance *place; /* one of those that were there; a user of it */
	enum state state;
	bool kept_out;
	uint64_t window_ms, hold_ms; /* as they were at the last change */
	uint64_t *changes;           /* when it changed within the window, oldest first; at least once */
	size_t n, room;
};

struct damping {
	void *tree; /* tsearch(3), by service and place */
	struct suspect *first;
	size_t n, n_kept_out, users;
	uint64_t next_ms;
};

static int compare_suspects(const void *a, const void *b)
{
	const struct suspect *x = a, *y = b;
	const int order = strcmp(x->service, y->service);

	return order != 0 ? order : instance_compare_place(x->place, y->place);
}

struct damping *damping_create(void)
{
	struct damping *d = calloc(1, sizeof(*d));

	if (d != NULL)
		*d = (struct damping){ .users = 1, .next_ms = UINT64_MAX };
	return d;
}

struct damping *damping_keep(struct damping *d)
{
	d->users++;
	return d;
}

/* --- suspects --- */

static struct suspect *find(const struct damping *d, const char *service, const struct instance *place)
{
	const struct suspect key = { .service = service, .place = place };
	struct suspect **found = tfind(&key, &d->tree, compare_suspects);

	return found != NULL ? *found : NULL;
}

static struct suspect *make(const char *service, const struct instance *place)
{
	const size_t size = strlen(service) + 1;
	struct suspect *s = calloc(1, sizeof(*s) + size);

	if (s == NULL)
		return NULL;
	s->service = memcpy(s + 1, service, size);
	s->place = instance_keep(place);
	return s;
}

static void destroy(struct suspect *s)
{
	instance_release(s->place);
	free(s->changes);
	free(s);
}

static struct suspect *add(struct damping *d, const char *service, const struct instance *place)
{
	struct suspect *s = d->n < DAMPING_INSTANCES_MAX ? make(service, place) : NULL;

	if (s == NULL)
		return NULL;
	if (tsearch(s, &d->tree, compare_suspects) == NULL) {
		destroy(s);
		return NULL;
	}
	s->next = d->first;
	s->link = &d->first;
	if (s->next != NULL)
		s->next->link = &s->next;
	d->first = s;
	d->n++;
	return s;
}

static void forget(struct damping *d, struct suspect *s)
{
	tdelete(s, &d->tree, compare_suspects);
	*s->link = s->next;
	if (s->next != NULL)
		s->next->link = s->link;
	d->n--;
	d->n_kept_out -= s->kept_out;
	destroy(s);
}

void damping_destroy(struct damping *d)
{
	if (d == NULL || --d->users > 0)
		return;
	while (d->first != NULL)
		forget(d, d->first);
	free(d);
}

/* --- changes --- */

static uint64_t changed_ms(const struct suspect *s)
{
	return s->changes[s->n - 1];
}

/* Who is good is held for a while; whoever is not, or is not kept out, is of no interest once all its changes
 * have left the window and it could have been released. */
static uint64_t due_ms(const struct suspect *s)
{
	const bool is_held = s->kept_out && s->state == STATE_GOOD;

	return changed_ms(s) + s->hold_ms + (is_held ? 0 : s->window_ms);
}

/* Room for one more change. No more are kept than tell "too many". */
static bool make_room(struct suspect *s, const struct answer_options *o, uint64_t now_ms)
{
	size_t old = 0;

	while (old < s->n && (now_ms - s->changes[old] > o->flap_window_ms || s->n - old > o->flap_limit))
		old++;
	s->n -= old;
	if (old > 0)
		memmove(s->changes, s->changes + old, s->n * sizeof(*s->changes));
	if (s->n < s->room)
		return true;
	const size_t room = s->room + s->room / 2 + 4;
	uint64_t *more = realloc(s->changes, room * sizeof(*more));
	if (more == NULL)
		return false;
	s->changes = more;
	s->room = room;
	return true;
}

static struct suspect *find_or_add(struct damping *d, const char *service, const struct instance *place)
{
	struct suspect *s = find(d, service, place);

	return s != NULL ? s : add(d, service, place);
}

/* True when it is kept out from now on. */
static bool note_change(struct damping *d, struct suspect *s, enum state state,
			const struct answer_options *o, uint64_t now_ms)
{
	s->state = state;
	s->window_ms = o->flap_window_ms;
	s->hold_ms = o->flap_hold_ms;
	s->changes[s->n++] = now_ms;
	const bool begins = !s->kept_out && s->n > o->flap_limit;
	s->kept_out = s->kept_out || begins;
	d->n_kept_out += begins;
	if (due_ms(s) < d->next_ms)
		d->next_ms = due_ms(s);
	return begins;
}

/* --- services --- */

/* What stands at the next place of a service, from *at on, which moves behind it. */
static enum state judge(const struct service *s, size_t *at, const struct instance *place,
			enum health_rule rule)
{
	enum state state = STATE_GONE;

	for (; s != NULL && *at < s->n_instances; (*at)++) {
		const struct instance *i = s->instances[*at];

		if (instance_compare_place(i, place) != 0)
			break;
		if (rules_is_healthy(rule, i->health))
			state = STATE_GOOD;
		else if (state == STATE_GONE)
			state = STATE_BAD;
	}
	return state;
}

/* The lesser of the next places of two services, or NULL behind the last. */
static const struct instance *next_place(const struct service *a, size_t at_a, const struct service *b,
					 size_t at_b)
{
	const struct instance *x = a != NULL && at_a < a->n_instances ? a->instances[at_a] : NULL;
	const struct instance *y = b != NULL && at_b < b->n_instances ? b->instances[at_b] : NULL;

	if (x == NULL || y == NULL)
		return x != NULL ? x : y;
	return instance_compare_place(x, y) <= 0 ? x : y;
}

void damping_note(struct damping *d, const char *name, const struct service *before,
		  const struct service *after, const struct answer_options *o, uint64_t now_ms,
		  damping_tell *begun, void *context)
{
	size_t at_before = 0, at_after = 0;
	const struct instance *place;

	if (o->flap_limit == 0)
		return;
	while ((place = next_place(before, at_before, after, at_after)) != NULL) {
		const enum state was = judge(before, &at_before, place, o->health);
		const enum state is = judge(after, &at_after, place, o->health);
		struct suspect *s = was != is ? find_or_add(d, name, place) : NULL;

		if (s == NULL)
			continue;
		if (!make_room(s, o, now_ms)) {
			if (s->n == 0)
				forget(d, s);
			continue;
		}
		if (note_change(d, s, is, o, now_ms))
			begun(context, name, s->place);
	}
}

bool damping_is_flapping(const struct damping *d, const char *name, const struct instance *i)
{
	const struct suspect *s = find(d, name, i);

	return s != NULL && s->kept_out;
}

void damping_release(struct damping *d, uint64_t now_ms, damping_tell *released, void *context)
{
	uint64_t next_ms = UINT64_MAX;

	for (struct suspect *s = d->first, *next; s != NULL; s = next) {
		next = s->next;
		if (due_ms(s) <= now_ms && s->kept_out) {
			s->kept_out = false;
			d->n_kept_out--;
			released(context, s->service, s->place);
		}
		if (due_ms(s) <= now_ms)
			forget(d, s);
		else if (due_ms(s) < next_ms)
			next_ms = due_ms(s);
	}
	d->next_ms = next_ms;
}

uint64_t damping_next_ms(const struct damping *d)
{
	return d->next_ms;
}

size_t damping_count(const struct damping *d)
{
	return d->n_kept_out;
}
