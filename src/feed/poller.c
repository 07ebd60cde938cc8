/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/poller.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "feed/belief.h"
#include "feed/crew.h"
#include "feed/late.h"

enum {
	ERROR_TEXT_MAX = 256,
	RETRY_MS = 1000,       /* when there was no memory */
	MUCH_OCTETS = 1 << 20, /* of bodies: a list of thousands, not a change */
	LATE_LOOK_MS = 1000,   /* a look at parts that fail; each costs a walk over all of them */
	ERRORS_MAX = 8,        /* ways to fail that are told; who has more has one trouble, or all of them */
	CHANGE_LOG_MS = 1000,  /* a registry that changes all the time: one line in so long */
};

struct poller {
	struct poller_options o;
	const struct registry_kind *kind;
	struct registry_host host;
	struct registry *registry;
	struct ledger *ledger;
	struct crew crew;
	struct belief *belief;
	struct event *settle, *brake_timer, *late_timer;
	struct late late;

	bool started, concluded, failing;
	bool short_of_memory;                    /* told */
	bool change_untold;                      /* at the level that is read */
	char errors[ERRORS_MAX][ERROR_TEXT_MAX]; /* told since it began to fail */
	size_t n_errors;
	uint64_t changed_ms;

	uint64_t heard_ms; /* poller_heard_ms() */
	char position[RESOURCE_POSITION_SIZE];
};

static void arm(struct event *timer, uint64_t ms)
{
	const struct timeval wait = clock_timeval(ms);

	event_add(timer, &wait);
}

/* --- what is logged --- */

/* A list in random order, or one of which only the first oddities are remembered, says the same in other
 * words at every round: what counts is how many there are. */
static bool has_other_oddities(const struct snapshot *before, const struct snapshot *after)
{
	if (before == NULL || snapshot_n_remarks(before) != snapshot_n_remarks(after))
		return true;
	for (enum drop reason = 0; reason < DROP_REASONS; reason++) {
		if (snapshot_dropped(before, reason) != snapshot_dropped(after, reason))
			return true;
	}
	return false;
}

static void log_remarks(const struct poller *p, const struct snapshot *before, const struct snapshot *after)
{
	struct log_value v;

	if (before == after || !has_other_oddities(before, after))
		return;
	for (size_t i = 0; i < snapshot_n_remarks(after); i++) {
		const char *remark = snapshot_remark(after, i);
		bool known = false;

		for (size_t old = 0; before != NULL && old < snapshot_n_remarks(before); old++)
			known = known || strcmp(snapshot_remark(before, old), remark) == 0;
		if (!known)
			log_event(LOG_WARNING, "registry=%s remark=%s", p->o.registry->name,
				  log_quote(&v, remark));
	}
}

static void log_round(const struct poller *p, enum log_level level, const char *what)
{
	const struct snapshot *believed = belief_snapshot(p->belief);

	log_event(level, "registry=%s round=%s services=%zu instances=%zu", p->o.registry->name, what,
		  believed != NULL ? believed->n_services : 0, believed != NULL ? believed->n_instances : 0);
}

/* A registry that changes all the time gets a line in so long; the last of them says how it stands. */
static void log_change(struct poller *p)
{
	const uint64_t now_ms = clock_ms(), passed_ms = now_ms - p->changed_ms;

	p->change_untold = p->changed_ms != 0 && passed_ms < CHANGE_LOG_MS;
	log_round(p, p->change_untold ? LOG_DEBUG : LOG_INFO, "changed");
	if (p->change_untold)
		arm(p->settle, CHANGE_LOG_MS - passed_ms);
	else
		p->changed_ms = now_ms;
}

static void log_held(const struct poller *p, size_t before)
{
	if (belief_held(p->belief) > before)
		log_event(LOG_WARNING,
			  "registry=%s held=%zu reason=\"a sudden loss waits to be confirmed\" for_ms=%llu",
			  p->o.registry->name, belief_held(p->belief),
			  (unsigned long long)belief_next_ms(p->belief));
}

static bool is_told(const struct poller *p, const char *error)
{
	for (size_t i = 0; i < p->n_errors; i++) {
		if (strncmp(p->errors[i], error, ERROR_TEXT_MAX - 1) == 0)
			return true;
	}
	return false;
}

/* Once when it begins to fail, and once for each other way in which it does meanwhile: of a thousand
 * resources most fail alike, and one may fail in two ways in turn. The rest are for those who look closely.
 */
static void log_failure(struct poller *p, const struct resource *res, const char *error)
{
	const struct snapshot *believed = belief_snapshot(p->belief);
	char text[ERROR_TEXT_MAX];
	struct log_value v;

	if (!p->failing)
		p->n_errors = 0;
	const bool quiet = p->n_errors == ERRORS_MAX || is_told(p, error);
	if (!quiet)
		snprintf(p->errors[p->n_errors++], ERROR_TEXT_MAX, "%s", error);
	snprintf(text, sizeof(text), "%s%s%s", res->name != NULL ? res->name : "",
		 res->name != NULL ? ": " : "", error);
	log_event(quiet ? LOG_DEBUG : LOG_WARNING, "registry=%s round=failed error=%s keep_services=%zu",
		  p->o.registry->name, log_quote(&v, text), believed != NULL ? believed->n_services : 0);
}

static void report(const struct poller *p)
{
	const struct snapshot *believed = belief_snapshot(p->belief);
	struct round_counts counts = { .services = believed->n_services,
				       .instances = believed->n_instances,
				       .held = belief_held(p->belief) };

	for (enum drop reason = 0; reason < DROP_REASONS; reason++)
		counts.dropped += snapshot_dropped(belief_heard(p->belief), reason);
	freshness_recount(p->o.freshness, p->o.row, &counts);
}

/* Without resources it knows all there is from the beginning. */
static bool may_believe(const struct poller *p)
{
	return crew_has_spoken(&p->crew) || (p->crew.n == 0 && p->started);
}

/* Up to when what is answered was true. What was inherited from a part that has not spoken since is as old as
 * it was. */
static void report_age(struct poller *p)
{
	const uint64_t true_ms = crew_true_until(&p->crew);
	const bool is_old = p->o.inherited != NULL && !crew_is_complete(&p->crew);

	if (!may_believe(p) || true_ms == 0 || is_old)
		return;
	freshness_heard(p->o.freshness, p->o.row, true_ms);
	p->heard_ms = true_ms;
	snprintf(p->position, sizeof(p->position), "%s", crew_position(&p->crew));
}

static void report_state(const struct poller *p)
{
	if (p->crew.n_failing > 0)
		freshness_state(p->o.freshness, p->o.row, REGISTRY_FAILING);
	else if (may_believe(p))
		freshness_state(p->o.freshness, p->o.row, REGISTRY_OK);
}

static struct snapshot *keep(struct snapshot *s)
{
	return s != NULL ? snapshot_keep(s) : NULL;
}

/* All there is to ask for has been heard at least once. */
static bool has_heard_all(const struct poller *p)
{
	return p->crew.n_spoken == p->crew.n;
}

static int believe(struct poller *p)
{
	struct snapshot *heard = keep(belief_heard(p->belief));
	const size_t held = belief_held(p->belief);
	const int r = belief_update(p->belief, has_heard_all(p), clock_ms());

	if (r == 0) {
		log_remarks(p, heard, belief_heard(p->belief));
		log_held(p, held);
		event_del(p->brake_timer);
		if (belief_held(p->belief) > 0)
			arm(p->brake_timer, belief_next_ms(p->belief));
		report(p);
	}
	snapshot_release(heard);
	return r;
}

/* The line that was kept back, now that nothing has changed for a while. */
static bool is_change_due(const struct poller *p)
{
	return p->change_untold && clock_ms() - p->changed_ms >= CHANGE_LOG_MS;
}

static void announce(struct poller *p, struct snapshot *before, bool first)
{
	struct snapshot *believed = belief_snapshot(p->belief);
	const bool recovered = (p->failing || first) && p->crew.n_failing == 0;

	p->failing = p->crew.n_failing > 0;
	p->concluded = p->concluded || first;
	if (recovered)
		log_round(p, LOG_INFO, "good");
	else if (p->concluded && (before != believed || is_change_due(p)))
		log_change(p);
	p->change_untold = p->change_untold && !recovered;
	if (first || before != believed)
		p->o.changed(p->o.context, before, believed);
}

/* Once when it begins, however often it is tried again, and once when it is over. */
static void log_memory(struct poller *p, bool is_short)
{
	if (is_short && !p->short_of_memory)
		log_event(LOG_ERROR, "registry=%s error=\"out of memory\" retry_ms=%d", p->o.registry->name,
			  RETRY_MS);
	else if (!is_short && p->short_of_memory)
		log_event(LOG_INFO, "registry=%s memory=found", p->o.registry->name);
	p->short_of_memory = is_short;
}

/* As long as a part fails there is something to look at, and once more when it is over. */
static void on_late(evutil_socket_t fd, short what, void *arg)
{
	struct poller *p = arg;

	(void)fd;
	(void)what;
	const struct late_inherited inherited = { belief_inherited(p->belief), p->o.inherited_ms };
	const int r = late_update(&p->late, &p->crew, &inherited, p->o.aged, p->o.context);
	if (r != 0 || p->crew.n_failing > 0)
		arm(p->late_timer, LATE_LOOK_MS);
}

static void watch_late(struct poller *p)
{
	if ((p->crew.n_failing > 0 || p->late.n > 0) && !event_pending(p->late_timer, EV_TIMEOUT, NULL))
		arm(p->late_timer, p->crew.n_failing > 0 ? LATE_LOOK_MS : 0);
}

/* Takes in what the errands have brought since the last turn of the loop. */
static void on_settle(evutil_socket_t fd, short what, void *arg)
{
	struct poller *p = arg;
	struct snapshot *before = keep(belief_snapshot(p->belief));

	(void)fd;
	(void)what;
	const bool is_short = may_believe(p) && believe(p) != 0;
	log_memory(p, is_short);
	if (is_short)
		arm(p->settle, RETRY_MS);
	report_age(p);
	report_state(p);
	watch_late(p);
	if (p->crew.n_octets >= MUCH_OCTETS) {
		p->crew.n_octets = 0;
		p->o.read_much(p->o.context);
	}
	announce(p, before, !p->concluded && p->crew.n_concluded == p->crew.n);
	if (p->heard_ms > 0 && !is_short)
		p->o.heard(p->o.context);
	snapshot_release(before);
}

static void on_brake(evutil_socket_t fd, short what, void *arg)
{
	struct poller *p = arg;

	(void)fd;
	(void)what;
	event_active(p->settle, EV_TIMEOUT, 0);
}

/* --- the crew --- */

static void on_news(void *context, const struct resource *res, enum errand_news news, const char *error)
{
	struct poller *p = context;

	if (news == ERRAND_FAILED) {
		freshness_bad(p->o.freshness, p->o.row);
		log_failure(p, res, error);
		p->failing = true;
	}
	if (news == ERRAND_GOOD)
		belief_note_round(p->belief, p->crew.n);
	event_active(p->settle, EV_TIMEOUT, 0);
}

static struct poller *poller_of(struct registry_host *h)
{
	return (struct poller *)((char *)h - offsetof(struct poller, host));
}

static int start_resource(struct registry_host *h, struct resource *res)
{
	struct poller *p = poller_of(h);

	return crew_start(&p->crew, res, !p->started);
}

static void stop_resource(struct registry_host *h, struct resource *res)
{
	struct poller *p = poller_of(h);

	crew_stop(&p->crew, res);
	event_active(p->settle, EV_TIMEOUT, 0);
}

static void hasten_resource(struct registry_host *h, struct resource *res)
{
	crew_hasten(&poller_of(h)->crew, res);
}

/* --- life --- */

static int create_parts(struct poller *p)
{
	const struct poller_options *o = &p->o;

	p->settle = evtimer_new(o->loop, on_settle, p);
	p->brake_timer = evtimer_new(o->loop, on_brake, p);
	p->late_timer = evtimer_new(o->loop, on_late, p);
	p->ledger = ledger_create();
	if (p->settle == NULL || p->brake_timer == NULL || p->late_timer == NULL || p->ledger == NULL)
		return -ENOMEM;
	ledger_limit(p->ledger, &o->registry->limits);
	const struct belief_options belief = { .ledger = p->ledger,
					       .limit = o->brake,
					       .context = o->context,
					       .inherited = o->inherited,
					       .inherited_max_ms = o->inherited_max_ms,
					       .now_ms = clock_ms() };
	const int r = belief_create(&belief, &p->belief);
	return r < 0 ? r : p->kind->create(o->registry, &p->host, p->ledger, &p->registry);
}

int poller_create(const struct poller_options *o, struct poller **ret)
{
	struct poller *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->o = *o;
	p->o.previous = NULL;
	p->o.position = NULL;
	if (o->position != NULL)
		snprintf(p->position, sizeof(p->position), "%s", o->position);
	p->kind = registry_kind_find(o->registry->kind);
	p->host = (struct registry_host){ .start = start_resource,
					  .stop = stop_resource,
					  .hasten = hasten_resource };
	int r = create_parts(p);
	const struct crew_options crew = { .kind = p->kind,
					   .registry = p->registry,
					   .ledger = p->ledger,
					   .options = o->registry,
					   .loop = o->loop,
					   .fetcher = o->fetcher,
					   .querier = o->querier,
					   .random = o->random,
					   .has_data = o->inherited != NULL && !o->at_once,
					   .news = on_news,
					   .context = p };
	crew_init(&p->crew, &crew);
	if (r == 0 && o->previous != NULL && p->kind->inherit != NULL)
		r = p->kind->inherit(p->registry, o->previous->registry);
	if (r == 0 && o->previous != NULL)
		r = late_inherit(&p->late, &o->previous->late);
	if (r == 0)
		*ret = p;
	else
		poller_destroy(p);
	return r;
}

/* Without memory for all resources the registry does with those it has; what it cannot ask for is missing,
 * and said so. */
void poller_start(struct poller *p)
{
	if (p->kind->start(p->registry) != 0)
		log_event(LOG_ERROR, "registry=%s error=\"out of memory\"", p->o.registry->name);
	p->started = true;
	event_active(p->settle, EV_TIMEOUT, 0);
}

void poller_destroy(struct poller *p)
{
	if (p == NULL)
		return;
	crew_finish(&p->crew);
	p->kind->destroy(p->registry);
	belief_destroy(p->belief);
	ledger_destroy(p->ledger);
	if (p->settle != NULL)
		event_free(p->settle);
	if (p->brake_timer != NULL)
		event_free(p->brake_timer);
	if (p->late_timer != NULL)
		event_free(p->late_timer);
	late_finish(&p->late);
	free(p);
}

struct snapshot *poller_snapshot(const struct poller *p)
{
	return belief_snapshot(p->belief);
}

uint64_t poller_true_ms(const struct poller *p, const char *service)
{
	return late_true_ms(&p->late, service);
}

void poller_refresh(struct poller *p)
{
	belief_accept(p->belief, clock_ms());
	crew_hasten_all(&p->crew);
	event_active(p->settle, EV_TIMEOUT, 0);
}

uint64_t poller_heard_ms(const struct poller *p)
{
	return p->heard_ms;
}

const char *poller_position(const struct poller *p)
{
	return p->position;
}

bool poller_is_concluded(const struct poller *p)
{
	return p->concluded;
}
