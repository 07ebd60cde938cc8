/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/hosts.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

enum {
	REFRESH_MIN_S = 5,  /* a TTL of 0 must not make us ask in a loop */
	REFRESH_MAX_S = 60, /* a TTL of a day must not keep a dead address for a day */
};

struct watched {
	LIST_ENTRY(watched) link;
	struct hosts *hosts;
	struct event refresh;
	struct resolver_lookup *lookup; /* NULL: waiting for the refresh */
	struct addresses addresses;
	unsigned failures; /* in a row, of lookups that found nothing */
	bool wanted;
	char host[];
};

static void refresh_after(struct watched *w, uint64_t pause_s)
{
	const uint64_t pause_ms =
		pause_s * 1000 + random_below(&w->hosts->random, (uint32_t)pause_s * 100 + 1);
	const struct timeval pause = clock_timeval(pause_ms);

	evtimer_add(&w->refresh, &pause);
}

/* A name that is not there yet may come any moment, one that stays away is asked for less and less. */
static void schedule_refresh(struct watched *w, const struct answers *answers)
{
	if (!answers_any(answers, OUTCOME_FOUND)) {
		const unsigned pause_s = (unsigned)REFRESH_MIN_S << (w->failures < 4 ? w->failures++ : 4);

		refresh_after(w, pause_s < REFRESH_MAX_S ? pause_s : REFRESH_MAX_S);
		return;
	}
	w->failures = 0;
	const unsigned ttl_s = answers_ttl(answers, REFRESH_MAX_S);
	refresh_after(w, ttl_s > REFRESH_MIN_S ? ttl_s : REFRESH_MIN_S);
}

static void on_answers(void *context, const struct answers *answers)
{
	struct watched *w = context;
	const struct hosts *hosts = w->hosts;
	struct addresses now;

	w->lookup = NULL;
	answers_update(answers, &w->addresses, &now);
	schedule_refresh(w, answers);
	if (addresses_equal(&now, &w->addresses))
		return;
	w->addresses = now;
	if (hosts->changed != NULL)
		hosts->changed(hosts->context); /* who may sweep w away */
}

static int compare_hosts(const void *a, const void *b)
{
	return strcasecmp(a, b);
}

static struct watched *find_watched(struct hosts *hosts, const char *host)
{
	const char *const *found = tfind(host, &hosts->by_name, compare_hosts);

	return found != NULL ? (struct watched *)(*found - offsetof(struct watched, host)) : NULL;
}

static void on_refresh(evutil_socket_t fd, short what, void *arg)
{
	struct watched *w = arg;

	(void)fd;
	(void)what;
	if (resolver_refresh(w->hosts->resolver, w->host, on_answers, w, &w->lookup) < 0)
		refresh_after(w, REFRESH_MIN_S);
}

static struct watched *add_watched(struct hosts *hosts, const char *host)
{
	const size_t size = strlen(host) + 1;

	if (hosts->n >= RESOLVER_HOSTS_MAX)
		return NULL;
	struct watched *w = calloc(1, sizeof(*w) + size);
	if (w == NULL)
		return NULL;
	memcpy(w->host, host, size);
	if (tsearch(w->host, &hosts->by_name, compare_hosts) == NULL) {
		free(w);
		return NULL;
	}
	w->hosts = hosts;
	evtimer_assign(&w->refresh, hosts->loop, on_refresh, w);
	LIST_INSERT_HEAD(&hosts->all, w, link);
	hosts->n++;
	on_refresh(-1, 0, w);
	return w;
}

static void remove_watched(struct watched *w)
{
	struct hosts *hosts = w->hosts;

	evtimer_del(&w->refresh);
	resolver_lookup_cancel(w->lookup);
	tdelete(w->host, &hosts->by_name, compare_hosts);
	LIST_REMOVE(w, link);
	hosts->n--;
	free(w);
}

void hosts_init(struct hosts *hosts, struct event_base *loop, struct resolver *r,
		void (*changed)(void *context), void *context)
{
	*hosts = (struct hosts){ .loop = loop, .resolver = r, .changed = changed, .context = context };
	random_seed(&hosts->random);
	LIST_INIT(&hosts->all);
}

void hosts_finish(struct hosts *hosts)
{
	while (!LIST_EMPTY(&hosts->all))
		remove_watched(LIST_FIRST(&hosts->all));
}

const struct addresses *hosts_watch(struct hosts *hosts, const char *host, bool may_add)
{
	struct watched *w = find_watched(hosts, host);

	if (w == NULL && may_add)
		w = add_watched(hosts, host);
	if (w == NULL)
		return NULL;
	w->wanted = true;
	return &w->addresses;
}

/* What is in flight asks somebody who is not asked any more. */
void hosts_refresh(struct hosts *hosts)
{
	struct watched *w;

	LIST_FOREACH(w, &hosts->all, link)
	{
		evtimer_del(&w->refresh);
		resolver_lookup_cancel(w->lookup);
		w->lookup = NULL;
		on_refresh(-1, 0, w);
	}
}

void hosts_sweep_begin(struct hosts *hosts)
{
	struct watched *w;

	LIST_FOREACH(w, &hosts->all, link)
	w->wanted = false;
}

void hosts_sweep_end(struct hosts *hosts)
{
	struct watched *next;

	for (struct watched *w = LIST_FIRST(&hosts->all); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (!w->wanted)
			remove_watched(w);
	}
}
