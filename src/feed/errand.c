/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/errand.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "feed/file_reader.h"
#include "feed/http_pause.h"
#include "feed/secret.h"
#include "feed/standing.h"

enum {
	/* A server that returns from every long poll at once would be asked all day. Eight in a row are a
	 * deployment; one a second is what a sidecar may cost. */
	AGAIN_SIZE = 8,
	AGAIN_REFILL_MS = 1000,

	ROUND_REQUESTS_MAX = 10000, /* five million instances in pages of 500: a list without an end */

	/* What was refused so often in a row is refused: with the pauses of a failure these are the first few
	 * seconds. */
	REFUSED_QUICKLY_MAX = 4,

	/* A server that has not heard its own leader for so long will tell of a change as late. In health it
	 * is half a second at most. */
	LIVE_LAG_MAX_MS = 5000,

	OPEN_MIN_MS = 1000, /* a watch that has been kept for so long after a failure is one */

	/* Later than timers are in a loop that has time; and long enough for two turns of one that has not.
	 */
	LATE_MS = 20,
};

static void begin_request(struct errand *e);
static void note_open(struct errand *e);

static bool is_watch(const struct fetch_request *r)
{
	return r->source == FETCH_STREAM || r->held;
}

static void tell(const struct errand *e, enum errand_news news, const char *error)
{
	e->crew->o.news(e->crew->o.context, e->resource, news, error);
}

/* --- when --- */

void errand_arm(struct errand *e, uint64_t ms)
{
	const struct timeval wait = clock_timeval(ms);

	e->due_ms = clock_ms() + ms;
	event_add(e->timer, &wait);
}

bool errand_is_after(const struct errand *e, uint64_t ms)
{
	return e->due_ms > ms || !evtimer_pending(e->timer, NULL);
}

/* Ends the request under way, or what is left of it. */
static void end_request(struct errand *e)
{
	event_del(e->timer);
	fetch_cancel(e->fetch);
	query_cancel(e->query);
	e->fetch = NULL;
	e->query = NULL;
	e->is_asking = false;
	crew_leave(e);
}

/* Told by the kind that it is over: nothing is asked for any more. To be called last. */
static void leave_if_quit(struct errand *e)
{
	struct crew *c = e->crew;

	if (!e->has_quit)
		return;
	tell(e, ERRAND_GONE, NULL);
	crew_stop(c, e->resource);
}

static void start_round(struct errand *e)
{
	struct crew *c = e->crew;

	if (e->is_asking || e->is_queued || !crew_admit(e))
		return;
	event_del(e->timer);
	e->has_start = false;
	e->retry_after_ms = e->fresh_for_ms = 0;
	e->refused = false;
	e->n_requests = 0;
	begin_request(e);
	leave_if_quit(e);
	crew_wake(c);
}

/* The timer may run out in a turn of the loop that was late for it. Whatever came meanwhile is heard first:
 * the server may have hung up in time. */
static bool is_late(const struct errand *e)
{
	return clock_ms() - e->due_ms > LATE_MS;
}

/* While the server keeps a request, the timer says that it has done so for a while. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct errand *e = arg;

	(void)fd;
	(void)what;
	if (!e->is_asking)
		start_round(e);
	else if (is_late(e))
		errand_arm(e, LATE_MS);
	else
		note_open(e);
}

static void on_file_change(void *context, uint64_t wait_ms)
{
	struct errand *e = context;

	if (wait_ms == 0)
		start_round(e);
	else if (!e->is_asking && errand_is_after(e, clock_ms() + wait_ms))
		errand_arm(e, wait_ms);
}

/* --- how a round ends --- */

/* A server that has just started may refuse for a second or two what it allows: the API server of Kubernetes
 * does, until it has read its own rules. A poll comes again soon anyhow; but the interval of who waits for
 * changes is for a registry that cannot tell them, and long. */
static uint64_t pause_after_failure(struct errand *e)
{
	const struct crew_options *o = &e->crew->o;

	e->n_refused = e->refused ? e->n_refused + 1 : 0;
	if (e->refused && (!o->options->watch || e->n_refused > REFUSED_QUICKLY_MAX))
		return schedule_after_refusal(&e->schedule, o->random);
	return schedule_after_failure(&e->schedule, e->retry_after_ms, o->random);
}

static void fail(struct errand *e, int error, const char *text)
{
	standing_note_broken(e, error);
	end_request(e);
	standing_conclude(e);
	standing_note_failure(e);
	ledger_abort(e->crew->o.ledger, &e->resource->part);
	errand_arm(e, pause_after_failure(e));
	tell(e, ERRAND_FAILED, text);
}

static void pause_errand(struct errand *e)
{
	const uint64_t pause_ms = schedule_after_success(&e->schedule, e->fresh_for_ms, e->crew->o.random);

	if (e->schedule.interval_ms > 0) /* or it is not polled */
		errand_arm(e, schedule_before_expiry(pause_ms, e->resource->fresh_ms));
	e->look_ms = e->due_ms;
}

/* A look at a few files that have changed does not put off the look at all of them. */
static void resume_pause(struct errand *e)
{
	const uint64_t now_ms = clock_ms();

	if (e->schedule.interval_ms > 0)
		errand_arm(e, e->look_ms > now_ms ? e->look_ms - now_ms : 0);
}

/* The next request waits at the server: it goes out in this turn of the loop, if it may. A list that is read
 * well again and again, while the watch behind it fails, is no success that lasts. */
static void go_again(struct errand *e)
{
	errand_arm(e, bucket_take(&e->again, clock_ms()));
}

/* A list that is read well between two failures of the watch behind it is fresh data, but no recovery. */
static bool is_recovery(const struct errand *e, enum step step)
{
	return step == STEP_PAUSE || is_watch(&e->request) || e->schedule.failures == 0;
}

static void complete(struct errand *e, enum step step)
{
	const bool recovered = is_recovery(e, step);

	standing_set_live(e, false);
	end_request(e);
	standing_conclude(e);
	standing_note_heard(e);
	if (recovered)
		standing_recover(e);
	if (step == STEP_PAUSE && e->is_partial)
		resume_pause(e);
	else if (step == STEP_PAUSE)
		pause_errand(e);
	else
		go_again(e);
	tell(e, ERRAND_GOOD, NULL);
}

/* While the registry would tell of every change, what it said last is true now. */
static void note_watch(struct errand *e)
{
	if (e->resource->lag_ms > LIVE_LAG_MAX_MS)
		return;
	standing_set_live(e, true);
	tell(e, ERRAND_CHANGED, NULL);
}

/* The registry tells of every change from now on, if it has told all there is before. */
static void note_open(struct errand *e)
{
	if (!e->has_spoken)
		return;
	standing_note_heard(e);
	standing_recover(e);
	note_watch(e);
}

/* A server that lets us in and throws us out again has not recovered: that takes a while. */
static void note_opening(struct errand *e)
{
	if (!e->is_failing)
		note_open(e);
	else if (!event_pending(e->timer, EV_TIMEOUT, NULL))
		errand_arm(e, OPEN_MIN_MS);
}

/* A stream goes on. An object alone is no recovery either: etcd begins each watch with one. */
static void note_object(struct errand *e)
{
	if (e->request.source != FETCH_STREAM)
		return;
	if (!e->is_failing)
		e->schedule.failures = 0;
	else if (e->has_spoken)
		tell(e, ERRAND_CHANGED, NULL);
	note_opening(e);
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
		e->has_quit = true;
	else if (step == STEP_ASK && e->n_requests < ROUND_REQUESTS_MAX) {
		end_request(e);
		begin_request(e);
	} else if (step == STEP_ASK)
		fail(e, -EMLINK, "a list without an end");
	else
		complete(e, step == STEP_PAUSE ? STEP_PAUSE : STEP_AGAIN);
	return false;
}

/* For what one result says; NULL when there is no memory. */
static struct snapshot_builder *create_builder(const struct errand *e)
{
	struct snapshot_builder *b = snapshot_builder_create();

	if (b != NULL)
		snapshot_builder_limit(b, &e->crew->o.options->limits);
	return b;
}

static bool take(struct errand *e, const struct fetch_result *result)
{
	const struct crew_options *o = &e->crew->o;
	struct snapshot_builder *b = create_builder(e);
	int step = -ENOMEM;

	e->resource->fresh_ms = e->resource->lag_ms = 0;
	e->crew->reading = e;
	e->crew->n_octets += result->len;
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
		note_opening(e);
	else
		take(e, result);
	leave_if_quit(e);
}

/* --- requests --- */

/* Files that were all taken are remembered, and not read again while they stay as they are. */
static int take_file(void *context, const struct fetch_result *result)
{
	struct errand *e = context;

	e->is_partial = result->partial;
	const bool goes_on = take(e, result);
	const bool is_whole = result->last && !e->is_failing && !e->has_quit;
	return goes_on || is_whole ? 0 : -ECANCELED;
}

static int create_reader(struct errand *e)
{
	const struct file_reader_options o = { .loop = e->crew->o.loop,
					       .path = e->request.path,
					       .max_size = e->request.max_size,
					       .changed = on_file_change,
					       .take = take_file,
					       .context = e };

	return e->reader != NULL ? 0 : file_reader_create(&o, &e->reader);
}

/* The kernel may have missed a change, or the files lie on another host: all of them are looked at as often
 * as without being told of changes. */
static enum file_reading choose_reading(const struct errand *e)
{
	if (!e->has_spoken || e->is_failing)
		return READ_ALL;
	return e->schedule.interval_ms > 0 && clock_ms() >= e->look_ms ? READ_ALL_IN_TURN : READ_CHANGED;
}

/* Files are watched and read here. */
static void read_files(struct errand *e)
{
	int r = create_reader(e);

	e->is_asking = true;
	if (r == 0)
		r = file_reader_read(e->reader, choose_reading(e));
	if (r < 0 && r != -ECANCELED)
		fail(e, r, strerror(-r));
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

static void ask_server(struct errand *e)
{
	const struct crew_options *o = &e->crew->o;
	int r;

	e->is_asking = true;
	if (!is_watch(&e->request))
		crew_enter(e);
	if (e->request.source == FETCH_DNS)
		r = querier_start(o->querier, &e->request, on_heard, e, &e->query);
	else
		r = fetcher_start(o->fetcher, &e->request, on_heard, e, &e->fetch);
	if (r != 0)
		fail(e, r, "out of memory");
	else if (is_watch(&e->request) && e->has_spoken && !e->is_failing)
		note_watch(e);
	else if (e->request.held && e->has_spoken)
		errand_arm(e, OPEN_MIN_MS);
}

static int ask_kind(struct errand *e)
{
	const struct crew_options *o = &e->crew->o;
	struct snapshot_builder *b = create_builder(e);
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

struct errand *errand_create(struct crew *c, struct resource *res)
{
	struct errand *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->crew = c;
	e->resource = res;
	e->schedule = (struct schedule){ .interval_ms = c->o.options->interval_ms,
					 .jitter_ms = c->o.options->jitter_ms };
	e->again = (struct bucket){ .size = AGAIN_SIZE, .refill_ms = AGAIN_REFILL_MS };
	e->timer = evtimer_new(c->o.loop, on_timer, e);
	if (e->timer == NULL) {
		free(e);
		return NULL;
	}
	return e;
}

void errand_destroy(struct errand *e)
{
	end_request(e);
	file_reader_destroy(e->reader);
	event_free(e->timer);
	standing_forget(e);
	free(e);
}
