/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/poller.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "feed/files.h"
#include "feed/http_pause.h"
#include "feed/schedule.h"

enum { ERROR_TEXT_MAX = 256 };

struct poller {
	struct poller_options o;
	const struct registry_kind *kind;
	struct registry *registry;
	struct schedule schedule;
	struct event *timer, *brake_timer;
	struct files *files;
	struct fetch *fetch;              /* the request in flight */
	struct snapshot_builder *builder; /* the round in progress; NULL between two */
	/* Of this round: the longest a server asked to be left alone for, and the longest its answers stay
	 * fresh. */
	uint64_t retry_after_ms, fresh_for_ms;
	bool refused;               /* by a server that would do so again */
	uint64_t started_ms;        /* this round */
	uint64_t ended_ms, took_ms; /* the last one */
	uint64_t due_ms;            /* when the timer runs out */
	struct snapshot *fresh;     /* the last complete answer */
	struct snapshot *believed;
	uint64_t fresh_ms; /* when it was first heard */
	size_t held;
	bool concluded, failing;
	char error[ERROR_TEXT_MAX]; /* of the last failed round */
};

static void step(struct poller *p);

static void arm(struct event *timer, uint64_t ms)
{
	const struct timeval wait = clock_timeval(ms);

	event_add(timer, &wait);
}

static void schedule_next(struct poller *p, uint64_t pause_ms)
{
	p->due_ms = clock_ms() + pause_ms;
	arm(p->timer, pause_ms);
}

/* --- what a good round means --- */

/* A list in random order, or one of which only the first oddities are remembered, says the same in other
 * words at every round: what counts is how many there are. */
static bool has_other_oddities(const struct snapshot *before, const struct snapshot *after)
{
	return before == NULL || before->n_remarks != after->n_remarks ||
	       memcmp(before->dropped, after->dropped, sizeof(after->dropped)) != 0;
}

static void log_remarks(const struct poller *p, const struct snapshot *before, const struct snapshot *after)
{
	struct log_value v;

	if (!has_other_oddities(before, after))
		return;
	for (size_t i = 0; i < after->n_remarks; i++) {
		bool known = false;

		for (size_t old = 0; before != NULL && old < before->n_remarks; old++)
			known = known || strcmp(before->remarks[old], after->remarks[i]) == 0;
		if (!known)
			log_event(LOG_WARNING, "registry=%s remark=%s", p->o.registry->name,
				  log_quote(&v, after->remarks[i]));
	}
}

static void log_round(const struct poller *p, const char *what)
{
	log_event(LOG_INFO, "registry=%s round=%s services=%zu instances=%zu", p->o.registry->name, what,
		  p->believed->n_services, p->believed->n_instances);
}

static void log_held(const struct poller *p, size_t held, uint64_t wait_ms)
{
	if (held > p->held)
		log_event(LOG_WARNING,
			  "registry=%s held=%zu reason=\"a sudden loss waits to be confirmed\" for_ms=%llu",
			  p->o.registry->name, held, (unsigned long long)wait_ms);
}

static uint64_t count_dropped(const struct snapshot *s)
{
	uint64_t n = 0;

	for (int i = 0; i < DROP_REASONS; i++)
		n += s->dropped[i];
	return n;
}

static struct round_counts count_all(const struct poller *p)
{
	return (struct round_counts){ .services = p->believed->n_services,
				      .instances = p->believed->n_instances,
				      .dropped = count_dropped(p->fresh),
				      .held = p->held };
}

static void report_good(struct poller *p, uint64_t heard_ms)
{
	const struct round_counts counts = count_all(p);

	freshness_good(p->o.freshness, p->o.row, heard_ms, &counts);
}

/* Judges the last complete answer, once more after a while or with a second one. before: the answer it
 * confirms, if part of that was held. On -ENOMEM what was believed stays. */
static int judge(struct poller *p, const struct snapshot *before, uint64_t now_ms)
{
	const struct brake_case c = { .accepted = p->believed,
				      .fresh = p->fresh,
				      .before = before,
				      .waited_ms = now_ms - p->fresh_ms,
				      .limit = p->o.brake,
				      .context = p->o.context };
	struct brake_verdict v;
	const int r = brake_judge(&c, &v);

	if (r != 0)
		return r;
	/* The same services: nothing to tell anybody. */
	if (p->believed != NULL && snapshot_is_same(p->believed, v.believed)) {
		snapshot_release(v.believed);
		v.believed = snapshot_keep(p->believed);
	}
	log_held(p, v.held, v.next_ms);
	event_del(p->brake_timer);
	if (v.held > 0)
		arm(p->brake_timer, v.next_ms);
	p->held = v.held;
	snapshot_release(p->believed);
	p->believed = v.believed;
	return 0;
}

/* Tells the feeder if there is anything to tell, and gives up what was believed before. */
static void announce(struct poller *p, struct snapshot *before)
{
	const bool first = !p->concluded;

	p->concluded = true;
	if (first || before != p->believed)
		p->o.changed(p->o.context, before, p->believed);
	snapshot_release(before);
}

static struct snapshot *keep(struct snapshot *s)
{
	return s != NULL ? snapshot_keep(s) : NULL;
}

static void on_brake(evutil_socket_t fd, short what, void *arg)
{
	struct poller *p = arg;
	struct snapshot *before = keep(p->believed);

	(void)fd;
	(void)what;
	judge(p, NULL, clock_ms()); /* without memory: the next round judges again */
	const struct round_counts counts = count_all(p);
	freshness_recount(p->o.freshness, p->o.row, &counts);
	if (before != p->believed)
		log_round(p, "changed");
	announce(p, before);
}

/* --- rounds --- */

static void end_round(struct poller *p, bool accepted)
{
	p->ended_ms = clock_ms();
	p->took_ms = p->ended_ms - p->started_ms;
	snapshot_builder_destroy(p->builder);
	p->builder = NULL;
	if (p->kind->end != NULL)
		p->kind->end(p->registry, accepted);
}

static uint64_t draw_retry(struct poller *p)
{
	return p->refused ? schedule_after_refusal(&p->schedule, p->o.random)
			  : schedule_after_failure(&p->schedule, p->retry_after_ms, p->o.random);
}

/* Tried again whatever the kind: a static registry too, which can only have failed for want of memory. */
static void fail_round(struct poller *p, const char *error)
{
	struct log_value v;

	if (!p->failing || strncmp(p->error, error, sizeof(p->error) - 1) != 0)
		log_event(LOG_WARNING, "registry=%s round=failed error=%s keep_services=%zu",
			  p->o.registry->name, log_quote(&v, error),
			  p->believed != NULL ? p->believed->n_services : 0);
	p->failing = true;
	snprintf(p->error, sizeof(p->error), "%s", error);
	end_round(p, false);
	freshness_bad(p->o.freshness, p->o.row);
	schedule_next(p, draw_retry(p));
	announce(p, keep(p->believed));
}

/* A round that ended well, whatever the brake made of it. */
static void finish_good_round(struct poller *p, struct snapshot *before, uint64_t now_ms)
{
	const uint64_t pause_ms = schedule_after_success(&p->schedule, p->fresh_for_ms, p->o.random);

	if (p->failing || !p->concluded)
		log_round(p, "good");
	else if (before != p->believed)
		log_round(p, "changed");
	p->failing = false;
	end_round(p, true);
	report_good(p, now_ms);
	if (p->schedule.interval_ms > 0) /* or it is not polled */
		schedule_next(p, pause_ms);
	announce(p, before);
}

/* The same as last time, and so said twice. */
static void complete_unchanged(struct poller *p)
{
	const uint64_t now_ms = clock_ms();
	struct snapshot *before = keep(p->believed);

	if (p->fresh == NULL || (p->held > 0 && judge(p, p->fresh, now_ms) != 0)) {
		snapshot_release(before);
		fail_round(p, p->fresh == NULL ? "nothing new since an answer that was never heard"
					       : "out of memory");
		return;
	}
	finish_good_round(p, before, now_ms);
}

static void complete(struct poller *p)
{
	const uint64_t now_ms = clock_ms(), last_ms = p->fresh_ms;
	struct snapshot *before = keep(p->believed), *last = p->fresh, *fresh = NULL;
	int r = snapshot_builder_seal(p->builder, p->believed, &fresh);

	if (r == 0) {
		p->fresh = fresh;
		p->fresh_ms = now_ms;
		r = judge(p, p->held > 0 ? last : NULL, now_ms);
	}
	if (r != 0) {
		p->fresh = last;
		p->fresh_ms = last_ms;
		snapshot_release(fresh);
		snapshot_release(before);
		fail_round(p, "out of memory");
		return;
	}
	log_remarks(p, last, fresh);
	snapshot_release(last);
	finish_good_round(p, before, now_ms);
}

/* Hands a result to the kind; false when the round has ended with it. */
static bool take(struct poller *p, const struct fetch_result *result)
{
	const int r = p->kind->read(p->registry, result, p->builder);

	if (r == ROUND_UNCHANGED) {
		complete_unchanged(p);
		return false;
	}
	if (r < 0) {
		const char *error = snapshot_builder_error(p->builder);

		fail_round(p, error[0] != '\0' ? error : strerror(-r));
		return false;
	}
	return true;
}

static void note_pause(struct poller *p, int status, uint64_t pause_ms)
{
	uint64_t *longest = http_pause_is_retry_after(status) ? &p->retry_after_ms : &p->fresh_for_ms;

	if (pause_ms > *longest)
		*longest = pause_ms;
	p->refused = p->refused || http_pause_is_refusal(status);
}

static void on_fetched(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	struct poller *p = context;

	p->fetch = NULL;
	note_pause(p, result->status, pause_ms);
	if (take(p, result))
		step(p);
}

static int take_file(void *context, const struct fetch_result *result)
{
	return take(context, result) ? 0 : -ECANCELED;
}

static void on_file_change(void *context);

/* Files are watched and read here; false when the round has ended. */
static bool read_files(struct poller *p, const struct fetch_request *request)
{
	if (p->files == NULL &&
	    files_create(p->o.loop, request->path, request->max_size, on_file_change, p, &p->files) != 0) {
		fail_round(p, "out of memory");
		return false;
	}
	const int r = files_read(p->files, take_file, p);
	if (r < 0 && p->builder != NULL)
		fail_round(p, strerror(-r));
	return r == 0;
}

/* Runs requests until one has to be waited for or the round has ended. */
static void step(struct poller *p)
{
	struct fetch_request request;

	while (p->kind->next(p->registry, &request)) {
		if (request.source == FETCH_FILES) {
			if (!read_files(p, &request))
				return;
			continue;
		}
		if (fetcher_get(p->o.fetcher, &request, on_fetched, p, &p->fetch) != 0)
			fail_round(p, "out of memory");
		return;
	}
	complete(p);
}

static void start_round(struct poller *p)
{
	if (p->builder != NULL)
		return; /* one at a time: the round in progress will see what is new, or the next one */
	event_del(p->timer);
	p->retry_after_ms = p->fresh_for_ms = 0;
	p->refused = false;
	p->started_ms = clock_ms();
	p->builder = snapshot_builder_create();
	if (p->builder == NULL || p->kind->begin(p->registry, p->builder) != 0) {
		fail_round(p, "out of memory");
		return;
	}
	step(p);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	start_round(arg);
}

/* At once after a while of quiet; but programs that come and go all the time must not make us read all day.
 */
static void on_file_change(void *context)
{
	struct poller *p = context;
	const uint64_t now_ms = clock_ms(), may_ms = p->ended_ms + schedule_after_work(p->took_ms);

	if (now_ms >= may_ms)
		start_round(p);
	else if (p->due_ms > may_ms)
		schedule_next(p, may_ms - now_ms);
}

/* --- life --- */

int poller_create(const struct poller_options *o, struct poller **ret)
{
	struct poller *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (p == NULL)
		return -ENOMEM;
	p->o = *o;
	p->kind = registry_kind_find(o->registry->kind);
	p->schedule = (struct schedule){ .interval_ms = o->registry->interval_ms,
					 .jitter_ms = o->registry->jitter_ms };
	p->believed = o->inherited != NULL ? snapshot_keep(o->inherited) : NULL;
	p->timer = evtimer_new(o->loop, on_timer, p);
	p->brake_timer = evtimer_new(o->loop, on_brake, p);
	if (p->timer != NULL && p->brake_timer != NULL)
		r = p->kind->create(o->registry, &p->registry);
	if (r == 0 && o->previous != NULL && p->kind->inherit != NULL)
		r = p->kind->inherit(p->registry, o->previous->registry);
	p->o.previous = NULL;
	if (r == 0)
		*ret = p;
	else
		poller_destroy(p);
	return r;
}

void poller_start(struct poller *p)
{
	schedule_next(p, schedule_first(&p->schedule, p->believed != NULL && !p->o.at_once, p->o.random));
}

void poller_destroy(struct poller *p)
{
	if (p == NULL)
		return;
	fetch_cancel(p->fetch);
	files_destroy(p->files);
	snapshot_builder_destroy(p->builder);
	p->kind->destroy(p->registry);
	snapshot_release(p->fresh);
	snapshot_release(p->believed);
	if (p->timer != NULL)
		event_free(p->timer);
	if (p->brake_timer != NULL)
		event_free(p->brake_timer);
	free(p);
}

struct snapshot *poller_snapshot(const struct poller *p)
{
	return p->believed;
}

bool poller_is_concluded(const struct poller *p)
{
	return p->concluded;
}
