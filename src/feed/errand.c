/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/errand.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "feed/files.h"
#include "feed/http_pause.h"
#include "feed/secret.h"

enum {
	/* Requests of one registry at a time, but for those the server holds: a few keep a fast one busy, and
	 * a slow one must not hold hundreds of connections. */
	RUNNING_MAX = 16,

	/* A registry with a thousand services is asked for all of them in a second, not in an instant. */
	STARTS_SIZE = 200,
	STARTS_REFILL_MS = 1,

	/* A server that returns from every long poll at once would be asked all day. Eight in a row are a
	 * deployment; one a second is what a sidecar may cost. */
	AGAIN_SIZE = 8,
	AGAIN_REFILL_MS = 1000,

	ROUND_REQUESTS_MAX = 10000, /* five million instances in pages of 500: a list without an end */

	/* A server that has not heard its own leader for so long will tell of a change as late. In health it
	 * is half a second at most. */
	LIVE_LAG_MAX_MS = 5000,

	/* A connection that was held for so long was one, and what was known held until it broke. */
	HELD_MIN_MS = 1000,
};

struct errand {
	TAILQ_ENTRY(errand) link, queue;
	struct crew *crew;
	struct resource *resource;
	struct schedule schedule;
	struct bucket again;
	struct event timer;
	uint64_t due_ms; /* when the timer runs out */

	bool is_queued, has_start, is_asking, is_running;
	struct fetch_request request;
	struct fetch *fetch;
	struct query *query;
	struct files *files;
	unsigned n_requests; /* in this round */
	/* Of this round: the longest a server asked to be left alone for, and the longest its answers stay
	 * fresh. */
	uint64_t retry_after_ms, fresh_for_ms;
	bool refused;                         /* by a server that would do so again */
	uint64_t started_ms, asked_ms;        /* this round, its last request */
	uint64_t ended_ms, took_ms, heard_ms; /* the last round; the last good one */
	bool is_concluded, has_spoken, is_failing, is_live;
};

static void begin_request(struct errand *e);

/* --- how it is doing --- */

static void set_flag(bool *flag, bool value, size_t *count)
{
	*count += value;
	*count -= *flag;
	*flag = value;
}

/* While the registry would tell of every change, what it said last is true now. */
static void set_live(struct errand *e, bool live)
{
	if (e->is_live && !live)
		e->heard_ms = clock_ms();
	set_flag(&e->is_live, live, &e->crew->n_live);
	if (e->heard_ms > e->crew->heard_ms)
		e->crew->heard_ms = e->heard_ms;
}

static bool is_watch(const struct fetch_request *r)
{
	return r->source == FETCH_STREAM || r->held;
}

static void tell(const struct errand *e, enum errand_news news, const char *error)
{
	e->crew->o.news(e->crew->o.context, e->resource, news, error);
}

/* --- when --- */

static void arm(struct errand *e, uint64_t ms)
{
	const struct timeval wait = clock_timeval(ms);

	e->due_ms = clock_ms() + ms;
	evtimer_add(&e->timer, &wait);
}

static void leave_queue(struct errand *e)
{
	if (e->is_queued)
		TAILQ_REMOVE(&e->crew->queue, e, queue);
	e->is_queued = false;
}

/* Whoever waits first tries again; should there be no room after all, it waits on. */
static void wake_next(struct crew *c)
{
	struct errand *next = TAILQ_FIRST(&c->queue);

	if (next == NULL)
		return;
	leave_queue(next);
	arm(next, 0);
}

static void stop_running(struct errand *e)
{
	if (!e->is_running)
		return;
	e->is_running = false;
	e->crew->n_running--;
	wake_next(e->crew);
}

/* Ends the request under way, or what is left of it. */
static void end_request(struct errand *e)
{
	fetch_cancel(e->fetch);
	query_cancel(e->query);
	e->fetch = NULL;
	e->query = NULL;
	e->is_asking = false;
	stop_running(e);
}

/* Whether it may start now; if not, it has been seen to that it will. */
static bool may_start(struct errand *e)
{
	struct crew *c = e->crew;

	if (!e->has_start) {
		const uint64_t wait_ms = bucket_take(&c->starts, clock_ms());

		e->has_start = true;
		if (wait_ms > 0) {
			arm(e, wait_ms);
			return false;
		}
	}
	if (c->n_running >= RUNNING_MAX) {
		TAILQ_INSERT_TAIL(&c->queue, e, queue);
		e->is_queued = true;
		return false;
	}
	return true;
}

static void start_round(struct errand *e)
{
	if (e->is_asking || e->is_queued || !may_start(e))
		return;
	event_del(&e->timer);
	e->has_start = false;
	e->retry_after_ms = e->fresh_for_ms = 0;
	e->refused = false;
	e->n_requests = 0;
	e->started_ms = clock_ms();
	begin_request(e);
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
	struct errand *e = context;
	const uint64_t now_ms = clock_ms(), may_ms = e->ended_ms + schedule_after_work(e->took_ms);

	if (now_ms >= may_ms)
		start_round(e);
	else if (!e->is_asking && e->due_ms > may_ms)
		arm(e, may_ms - now_ms);
}

/* --- how a round ends --- */

static void conclude(struct errand *e)
{
	e->ended_ms = clock_ms();
	e->took_ms = e->ended_ms - e->started_ms;
	set_flag(&e->is_concluded, true, &e->crew->n_concluded);
}

/* What was said was true until now, or was that already a while ago. */
static void note_heard(struct errand *e)
{
	const uint64_t now_ms = clock_ms(), lag_ms = e->resource->lag_ms;

	e->heard_ms = now_ms > lag_ms ? now_ms - lag_ms : 0;
	if (e->heard_ms > e->crew->heard_ms)
		e->crew->heard_ms = e->heard_ms;
	set_flag(&e->has_spoken, true, &e->crew->n_spoken);
	set_flag(&e->is_failing, false, &e->crew->n_failing);
}

/* A registry that kept us waiting until it hung up would have told of a change until then; of one that fell
 * silent nobody knows. */
static void note_broken(struct errand *e, int error)
{
	const uint64_t now_ms = clock_ms(), heard_ms = e->heard_ms;
	const bool held = e->is_live && now_ms - e->asked_ms >= HELD_MIN_MS && error != -ETIMEDOUT;

	set_live(e, false);
	if (!held)
		e->heard_ms = heard_ms;
}

static void fail(struct errand *e, int error, const char *text)
{
	note_broken(e, error);
	end_request(e);
	conclude(e);
	set_flag(&e->is_failing, true, &e->crew->n_failing);
	ledger_abort(e->crew->o.ledger, &e->resource->part);
	if (e->refused)
		arm(e, schedule_after_refusal(&e->schedule, e->crew->o.random));
	else
		arm(e, schedule_after_failure(&e->schedule, e->retry_after_ms, e->crew->o.random));
	tell(e, ERRAND_FAILED, text);
}

static void pause_errand(struct errand *e)
{
	const uint64_t pause_ms = schedule_after_success(&e->schedule, e->fresh_for_ms, e->crew->o.random);

	if (e->schedule.interval_ms > 0) /* or it is not polled */
		arm(e, schedule_before_expiry(pause_ms, e->resource->fresh_ms));
}

/* The next request waits at the server: it goes out in this turn of the loop, if it may. A list that is read
 * well again and again, while the watch behind it fails, is no success that lasts. */
static void go_again(struct errand *e)
{
	if (is_watch(&e->request))
		e->schedule.failures = 0;
	arm(e, bucket_take(&e->again, clock_ms()));
}

static void complete(struct errand *e, enum step step)
{
	set_live(e, false);
	end_request(e);
	conclude(e);
	note_heard(e);
	if (step == STEP_PAUSE)
		pause_errand(e);
	else
		go_again(e);
	tell(e, ERRAND_GOOD, NULL);
}

/* A stream goes on. */
static void note_object(struct errand *e)
{
	if (e->request.source != FETCH_STREAM)
		return;
	e->schedule.failures = 0;
	if (!e->has_spoken)
		return; /* the list of all there is has yet to come */
	note_heard(e);
	set_live(e, true);
	tell(e, ERRAND_CHANGED, NULL);
}

static void quit(struct errand *e)
{
	struct crew *c = e->crew;

	tell(e, ERRAND_GONE, NULL);
	crew_stop(c, e->resource);
}

/* --- results --- */

static void note_pause(struct errand *e, const struct fetch_result *result, uint64_t pause_ms)
{
	uint64_t *longest = http_pause_is_retry_after(result->status) ? &e->retry_after_ms : &e->fresh_for_ms;

	if (pause_ms > *longest)
		*longest = pause_ms;
	e->refused = e->refused || (result->error == 0 && http_pause_is_refusal(result->status));
}

/* Goes on as the kind says; false when the request under way, if any, has been ended. */
static bool go_on(struct errand *e, const struct fetch_result *result, int step, const char *error)
{
	if (step == STEP_MORE && !result->last) {
		note_object(e);
		return true;
	}
	if (step < 0)
		fail(e, result->error != 0 ? result->error : step,
		     error[0] != '\0' ? error : strerror(-step));
	else if (step == STEP_STOP)
		quit(e);
	else if (step == STEP_ASK && e->n_requests < ROUND_REQUESTS_MAX) {
		end_request(e);
		begin_request(e);
	} else if (step == STEP_ASK)
		fail(e, -EMLINK, "a list without an end");
	else
		complete(e, step == STEP_PAUSE ? STEP_PAUSE : STEP_AGAIN);
	return false;
}

static bool take(struct errand *e, const struct fetch_result *result)
{
	const struct crew_options *o = &e->crew->o;
	struct snapshot_builder *b = snapshot_builder_create();
	int step = -ENOMEM;

	e->resource->fresh_ms = e->resource->lag_ms = 0;
	e->crew->reading = e;
	if (b != NULL)
		step = o->kind->read(o->registry, e->resource, result, b);
	e->crew->reading = NULL;
	const bool goes_on = go_on(e, result, step, b != NULL ? snapshot_builder_error(b) : "");
	snapshot_builder_destroy(b);
	return goes_on;
}

/* A stream that is open, but has said nothing yet. */
static bool is_opening(const struct fetch_result *result)
{
	return !result->last && result->len == 0;
}

static void on_heard(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	struct errand *e = context;

	if (result->last) {
		e->fetch = NULL;
		e->query = NULL;
	}
	note_pause(e, result, pause_ms);
	if (e->request.source == FETCH_STREAM && is_opening(result))
		note_object(e);
	else
		take(e, result);
}

/* --- requests --- */

static int take_file(void *context, const struct fetch_result *result)
{
	return take(context, result) ? 0 : -ECANCELED;
}

/* Files are watched and read here. */
static void read_files(struct errand *e)
{
	if (e->files == NULL && files_create(e->crew->o.loop, e->request.path, e->request.max_size,
					     on_file_change, e, &e->files) != 0) {
		fail(e, -ENOMEM, "out of memory");
		return;
	}
	e->is_asking = true;
	const int r = files_read(e->files, take_file, e);
	if (r < 0 && r != -ECANCELED)
		fail(e, r, strerror(-r));
	else if (r == 0 && e->is_asking)
		take(e, &(struct fetch_result){ .status = 200, .last = true, .body = "" });
}

static void read_secret(struct errand *e)
{
	char reason[SECRET_REASON_MAX], text[SECRET_MAX + 1] = "";
	const int r = secret_read(e->request.path, reason, text);
	const struct fetch_result result = { .name = e->request.path,
					     .error = r,
					     .error_text = reason,
					     .status = 200,
					     .last = true,
					     .body = text,
					     .len = strlen(text) };

	take(e, &result);
	explicit_bzero(text, sizeof(text));
}

/* From here on what was said is true now, which is news by itself: nothing else may come for a long time. */
static void await_changes(struct errand *e)
{
	if (!is_watch(&e->request) || !e->has_spoken || e->is_failing ||
	    e->resource->lag_ms > LIVE_LAG_MAX_MS)
		return;
	set_live(e, true);
	tell(e, ERRAND_CHANGED, NULL);
}

static void ask_server(struct errand *e)
{
	const struct crew_options *o = &e->crew->o;
	int r;

	e->is_asking = true;
	if (!is_watch(&e->request)) {
		e->is_running = true;
		e->crew->n_running++;
	}
	if (e->request.source == FETCH_DNS)
		r = querier_start(o->querier, &e->request, on_heard, e, &e->query);
	else
		r = fetcher_start(o->fetcher, &e->request, on_heard, e, &e->fetch);
	if (r != 0)
		fail(e, r, "out of memory");
	else
		await_changes(e);
}

static int ask_kind(struct errand *e)
{
	const struct crew_options *o = &e->crew->o;
	struct snapshot_builder *b = snapshot_builder_create();
	int r = -ENOMEM;

	e->request = (struct fetch_request){ 0 };
	if (b != NULL)
		r = o->kind->ask(o->registry, e->resource, &e->request, b);
	if (r != 0) {
		const char *error = b != NULL ? snapshot_builder_error(b) : "";

		fail(e, r, error[0] != '\0' ? error : strerror(-r));
	}
	snapshot_builder_destroy(b);
	return r;
}

static void begin_request(struct errand *e)
{
	e->n_requests++;
	e->asked_ms = clock_ms();
	if (ask_kind(e) != 0)
		return;
	if (e->request.source == FETCH_FILES)
		read_files(e);
	else if (e->request.source == FETCH_SECRET)
		read_secret(e);
	else
		ask_server(e);
}

/* --- life --- */

void crew_init(struct crew *c, const struct crew_options *o)
{
	*c = (struct crew){ .o = *o, .starts = { .size = STARTS_SIZE, .refill_ms = STARTS_REFILL_MS } };
	TAILQ_INIT(&c->all);
	TAILQ_INIT(&c->queue);
}

int crew_start(struct crew *c, struct resource *res, bool first)
{
	struct errand *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return -ENOMEM;
	e->crew = c;
	e->resource = res;
	e->schedule = (struct schedule){ .interval_ms = c->o.options->interval_ms,
					 .jitter_ms = c->o.options->jitter_ms };
	e->again = (struct bucket){ .size = AGAIN_SIZE, .refill_ms = AGAIN_REFILL_MS };
	evtimer_assign(&e->timer, c->o.loop, on_timer, e);
	res->runner = e;
	TAILQ_INSERT_TAIL(&c->all, e, link);
	c->n++;
	c->n_vital += res->vital;
	arm(e, schedule_first(&e->schedule, first && c->o.has_data, c->o.random));
	return 0;
}

void crew_stop(struct crew *c, struct resource *res)
{
	struct errand *e = res->runner;

	if (e == NULL)
		return;
	leave_queue(e);
	end_request(e);
	files_destroy(e->files);
	evtimer_del(&e->timer);
	set_live(e, false);
	set_flag(&e->is_concluded, false, &c->n_concluded);
	set_flag(&e->has_spoken, false, &c->n_spoken);
	set_flag(&e->is_failing, false, &c->n_failing);
	TAILQ_REMOVE(&c->all, e, link);
	c->n--;
	c->n_vital -= res->vital;
	ledger_drop(c->o.ledger, &res->part);
	res->runner = NULL;
	free(e);
	wake_next(c); /* it may have been woken itself and not have run yet */
}

void crew_hasten(struct crew *c, struct resource *res)
{
	struct errand *e = res->runner;
	const uint64_t wait_ms = schedule_after_hint(c->o.random);

	if (e != NULL && !e->is_asking && !e->is_queued && !e->has_start && !e->is_failing &&
	    e->due_ms > clock_ms() + wait_ms)
		arm(e, wait_ms);
}

void crew_finish(struct crew *c)
{
	while (!TAILQ_EMPTY(&c->all))
		crew_stop(c, TAILQ_FIRST(&c->all)->resource);
}

/* The oldest of those that matter; where none does by itself, the youngest of all. */
uint64_t crew_true_until(const struct crew *c, uint64_t now_ms)
{
	uint64_t oldest_ms = now_ms;
	struct errand *e;

	if (c->n_vital == 0)
		return c->n_live > 0 || c->n == 0 ? now_ms : c->heard_ms;
	TAILQ_FOREACH(e, &c->all, link)
	{
		if (e->resource->vital && !e->is_live && e->heard_ms < oldest_ms)
			oldest_ms = e->heard_ms;
	}
	return oldest_ms;
}
