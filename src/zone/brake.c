/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/brake.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* Fewer instances come and go by halves in everyday life. */
enum { BRAKE_INSTANCES_MIN = 4 };

/* A service whose loss is held back. */
struct held {
	uint64_t since_ms;
	struct held *next; /* of those to be let go */
	unsigned judgement;
	char name[];
};

struct brake {
	void *held; /* a tree of tsearch(3), by name */
	unsigned judgement;
};

static int compare_held(const void *a, const void *b)
{
	return strcmp(((const struct held *)a)->name, ((const struct held *)b)->name);
}

/* tfind(3) calls with the key first. */
static int compare_with_name(const void *name, const void *held)
{
	return strcmp(name, ((const struct held *)held)->name);
}

struct brake *brake_create(void)
{
	return calloc(1, sizeof(struct brake));
}

void brake_destroy(struct brake *b)
{
	if (b == NULL)
		return;
	tdestroy(b->held, free);
	free(b);
}

/* The service as one that is held, from now on if it is not yet; NULL when there is no memory. */
static struct held *hold(struct brake *b, const char *name, uint64_t now_ms)
{
	struct held **found = tfind(name, &b->held, compare_with_name);
	const size_t size = strlen(name) + 1;

	if (found != NULL)
		return *found;
	struct held *h = malloc(sizeof(*h) + size);
	if (h == NULL)
		return NULL;
	*h = (struct held){ .since_ms = now_ms };
	memcpy(h->name, name, size);
	if (tsearch(h, &b->held, compare_held) == NULL) {
		free(h);
		return NULL;
	}
	return h;
}

struct judging {
	struct brake *brake;
	const struct brake_case *c;
	struct snapshot_change *kept; /* held services as they were, sorted */
	size_t n, n_room;
	uint64_t next_ms;
	int error;
};

/* Counts, not identities: a deployment that replaces every instance is no loss. */
static bool is_sudden_loss(const struct service *before, const struct service *after)
{
	const size_t n_before = before != NULL ? before->n_instances : 0;
	const size_t n_after = after != NULL ? after->n_instances : 0;

	if (n_before == 0)
		return false;
	return n_after == 0 || (n_before >= BRAKE_INSTANCES_MIN && n_after * 2 < n_before);
}

static bool make_room(struct judging *j)
{
	if (j->n < j->n_room)
		return true;

	const size_t n_room = j->n_room > 0 ? 2 * j->n_room : 16;
	struct snapshot_change *more = realloc(j->kept, n_room * sizeof(*more));
	if (more == NULL)
		return false;
	j->kept = more;
	j->n_room = n_room;
	return true;
}

static void judge_service(void *context, const char *name)
{
	struct judging *j = context;
	const struct brake_case *c = j->c;
	const struct service *accepted = snapshot_find(c->accepted, name);

	if (j->error < 0 || !is_sudden_loss(accepted, snapshot_find(c->fresh, name)))
		return;
	const uint64_t limit_ms = c->limit(c->context, name);
	if (limit_ms == 0 || (c->is_certain != NULL && c->is_certain(c->context, name)))
		return;

	struct held *h = hold(j->brake, name, c->now_ms);
	if (h == NULL || !make_room(j)) {
		j->error = -ENOMEM;
		return;
	}
	const uint64_t waited_ms = c->now_ms - h->since_ms;
	if (waited_ms >= limit_ms)
		return;
	h->judgement = j->brake->judgement;
	j->kept[j->n++] = (struct snapshot_change){ .name = accepted->name, .service = accepted };
	j->next_ms = limit_ms - waited_ms < j->next_ms ? limit_ms - waited_ms : j->next_ms;
}

struct sweep {
	unsigned judgement;
	struct held *released;
};

/* twalk_r(3) gives each node three times, and a leaf once. */
static void list_released(const void *node, VISIT visit, void *context)
{
	struct held *h = *(struct held *const *)node;
	struct sweep *s = context;

	if ((visit != postorder && visit != leaf) || h->judgement == s->judgement)
		return;
	h->next = s->released;
	s->released = h;
}

/* Forgets all services that this judgement does not hold: they have waited, come back or become certain. */
static void release_others(struct brake *b)
{
	struct sweep s = { .judgement = b->judgement };

	twalk_r(b->held, list_released, &s);
	for (struct held *h = s.released, *next; h != NULL; h = next) {
		next = h->next;
		tdelete(h, &b->held, compare_held);
		free(h);
	}
}

int brake_judge(struct brake *b, const struct brake_case *c, struct brake_verdict *ret)
{
	struct judging j = { .brake = b, .c = c, .next_ms = UINT64_MAX };
	struct snapshot *believed = c->fresh;

	b->judgement++;
	if (c->accepted != NULL)
		snapshot_compare(c->accepted, c->fresh, judge_service, &j);
	if (j.error == 0 && j.n > 0)
		j.error = snapshot_derive(c->fresh, j.kept, j.n, c->fresh->findings, &believed);
	else if (j.error == 0)
		snapshot_keep(believed);
	free(j.kept);
	if (j.error < 0)
		return j.error;
	release_others(b);
	*ret = (struct brake_verdict){ .believed = believed, .held = j.n, .next_ms = j.next_ms };
	return 0;
}
