/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/poller.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "feed/errand.h"

enum {
	ERROR_TEXT_MAX = 256,
	RETRY_MS = 1000,      /* when there was no memory */
	REPEAT_MS = 10000,    /* of many resources that fail in different ways, one line in so long */
	CHANGE_LOG_MS = 1000, /* a registry that changes all the time: one line in so long */
};

struct poller {
	struct poller_options o;
	const struct registry_kind *kind;
	struct registry_host host;
	struct registry *registry;
	struct ledger *ledger;
	struct crew crew;
	struct brake *brake;
	struct event *settle, *brake_timer;

	/* What was believed before this poller stands in for what has not been heard yet. What is missing
	 * when all has been heard for the first time is a loss like any other: it counts as not heard of
	 * until all has been heard twice, as far as rounds can tell. */
	struct snapshot *inherited, *unheard;
	size_t n_repeated;
	struct snapshot *heard;  /* the last that was sealed */
	struct snapshot *judged; /* the same, with what was inherited */
	struct snapshot *believed;
	size_t held;
	bool started, concluded, failing;
	char error[ERROR_TEXT_MAX]; /* logged last */
	uint64_t error_ms, changed_ms;
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
	log_event(level, "registry=%s round=%s services=%zu instances=%zu", p->o.registry->name, what,
		  p->believed != NULL ? p->believed->n_services : 0,
		  p->believed != NULL ? p->believed->n_instances : 0);
}

static void log_change(struct poller *p)
{
	const uint64_t now_ms = clock_ms();
	const bool soon = p->changed_ms != 0 && now_ms - p->changed_ms < CHANGE_LOG_MS;

	log_round(p, soon ? LOG_DEBUG : LOG_INFO, "changed");
	if (!soon)
		p->changed_ms = now_ms;
}

static void log_held(const struct poller *p, const struct brake_verdict *v)
{
	if (v->held > p->held)
		log_event(LOG_WARNING,
			  "registry=%s held=%zu reason=\"a sudden loss waits to be confirmed\" for_ms=%llu",
			  p->o.registry->name, v->held, (unsigned long long)v->next_ms);
}

/* Once when it begins to fail, and when it fails in another way: of many resources that fail alike one stands
 * for all. */
static void log_failure(struct poller *p, const struct resource *res, const char *error)
{
	const uint64_t now_ms = clock_ms();
	char text[2 * ERROR_TEXT_MAX], reason[ERROR_TEXT_MAX];
	struct log_value v;

	snprintf(reason, sizeof(reason), "%s", error);
	if (p->failing &&
	    (strcmp(p->error, reason) == 0 || (p->crew.n > 1 && now_ms - p->error_ms < REPEAT_MS)))
		return;
	snprintf(text, sizeof(text), "%s%s%s", res->name != NULL ? res->name : "",
		 res->name != NULL ? ": " : "", reason);
	log_event(LOG_WARNING, "registry=%s round=failed error=%s keep_services=%zu", p->o.registry->name,
		  log_quote(&v, text), p->believed != NULL ? p->believed->n_services : 0);
	snprintf(p->error, sizeof(p->error), "%s", reason);
	p->error_ms = now_ms;
}

/* --- what is believed --- */

static struct snapshot *keep(struct snapshot *s)
{
	return s != NULL ? snapshot_keep(s) : NULL;
}

static void replace(struct snapshot **place, struct snapshot *s)
{
	snapshot_release(*place);
	*place = s;
}

static bool is_certain(void *context, const char *service)
{
	const struct poller *p = context;

	return ledger_is_certain(p->ledger, service) &&
	       (p->unheard == NULL || snapshot_find(p->unheard, service) == NULL);
}

static uint64_t limit(void *context, const char *service)
{
	const struct poller *p = context;

	return p->o.brake(p->o.context, service);
}

/* All that was known from the beginning, and what followed from that, has been heard. */
static bool has_heard_all(const struct poller *p)
{
	return p->crew.n_spoken == p->crew.n;
}

/* What was heard, and of what was inherited the services that nothing has been heard of. */
static int stand_in(const struct snapshot *heard, const struct snapshot *inherited, struct snapshot **ret)
{
	struct snapshot_change *changes = calloc(inherited->n_services + 1, sizeof(*changes));
	size_t n = 0;

	if (changes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < inherited->n_services; i++) {
		const struct service *s = inherited->services[i];

		if (snapshot_find(heard, s->name) == NULL)
			changes[n++] = (struct snapshot_change){ .name = s->name, .service = s };
	}
	const int r = snapshot_derive(heard, changes, n, heard->findings, ret);
	free(changes);
	return r;
}

static int hear(struct poller *p)
{
	struct snapshot *heard, *judged;
	int r = ledger_seal(p->ledger, &heard);

	if (r != 0)
		return r;
	if (p->inherited != NULL && !has_heard_all(p))
		r = stand_in(heard, p->inherited, &judged);
	else
		judged = snapshot_keep(heard);
	if (r != 0) {
		snapshot_release(heard);
		return r;
	}
	if (p->inherited != NULL && has_heard_all(p)) {
		p->unheard = p->inherited;
		p->inherited = NULL;
		p->n_repeated = 0;
	}
	log_remarks(p, p->heard, heard);
	replace(&p->heard, heard);
	replace(&p->judged, judged);
	return 0;
}

static void count_change(void *context, const char *name)
{
	(void)name;
	++*(size_t *)context;
}

/* A service that went and came back before anybody believed it is another one with the same content. */
static bool says_the_same(const struct snapshot *a, const struct snapshot *b)
{
	size_t n = 0;

	snapshot_compare(a, b, count_change, &n);
	return n == 0;
}

/* Judges what was heard last, once more after a while. On -ENOMEM what was believed stays. */
static int judge(struct poller *p)
{
	const struct brake_case c = { .accepted = p->believed,
				      .fresh = p->judged,
				      .now_ms = clock_ms(),
				      .limit = limit,
				      .is_certain = is_certain,
				      .context = p };
	struct brake_verdict v;
	const int r = brake_judge(p->brake, &c, &v);

	if (r != 0)
		return r;
	if (p->believed != NULL && says_the_same(p->believed, v.believed)) {
		snapshot_release(v.believed);
		v.believed = snapshot_keep(p->believed);
	}
	log_held(p, &v);
	event_del(p->brake_timer);
	if (v.held > 0)
		arm(p->brake_timer, v.next_ms);
	p->held = v.held;
	replace(&p->believed, v.believed);
	return 0;
}

static void report(const struct poller *p)
{
	struct round_counts counts = { .services = p->believed->n_services,
				       .instances = p->believed->n_instances,
				       .held = p->held };

	for (enum drop reason = 0; reason < DROP_REASONS; reason++)
		counts.dropped += snapshot_dropped(p->heard, reason);
	freshness_recount(p->o.freshness, p->o.row, &counts);
}

/* Without resources it knows all there is from the beginning. */
static bool may_believe(const struct poller *p)
{
	return p->crew.n_spoken > 0 || (p->crew.n == 0 && p->started);
}

/* Up to when what is answered was true. */
static void report_age(const struct poller *p)
{
	const uint64_t now_ms = clock_ms(), true_ms = crew_true_until(&p->crew, now_ms);

	if (may_believe(p))
		freshness_heard(p->o.freshness, p->o.row, true_ms == now_ms ? FRESHNESS_NOW : true_ms);
}

static void report_state(const struct poller *p)
{
	if (p->crew.n_failing > 0)
		freshness_state(p->o.freshness, p->o.row, REGISTRY_FAILING);
	else if (may_believe(p))
		freshness_state(p->o.freshness, p->o.row, REGISTRY_OK);
}

static int believe(struct poller *p)
{
	int r = hear(p);

	if (r == 0)
		r = judge(p);
	return r;
}

/* Takes in what the errands have brought since the last turn of the loop. */
static void on_settle(evutil_socket_t fd, short what, void *arg)
{
	struct poller *p = arg;
	struct snapshot *before = keep(p->believed);
	const bool first = !p->concluded && p->crew.n_concluded == p->crew.n;
	const bool recovered = (p->failing || first) && p->crew.n_failing == 0;

	(void)fd;
	(void)what;
	if (may_believe(p) && believe(p) != 0) {
		log_event(LOG_ERROR, "registry=%s error=\"out of memory\" retry_ms=%d", p->o.registry->name,
			  RETRY_MS);
		arm(p->settle, RETRY_MS);
	} else if (may_believe(p)) {
		report(p);
	}
	report_age(p);
	report_state(p);
	p->failing = p->crew.n_failing > 0;
	p->concluded = p->concluded || first;
	if (recovered)
		log_round(p, LOG_INFO, "good");
	else if (before != p->believed && p->concluded)
		log_change(p);
	if (first || before != p->believed)
		p->o.changed(p->o.context, before, p->believed);
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
	if (news == ERRAND_GOOD && p->unheard != NULL && ++p->n_repeated >= p->crew.n)
		replace(&p->unheard, NULL);
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
	p->ledger = ledger_create();
	p->brake = brake_create();
	if (p->settle == NULL || p->brake_timer == NULL || p->ledger == NULL || p->brake == NULL)
		return -ENOMEM;
	return p->kind->create(o->registry, &p->host, p->ledger, &p->registry);
}

int poller_create(const struct poller_options *o, struct poller **ret)
{
	struct poller *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->o = *o;
	p->o.previous = NULL;
	p->kind = registry_kind_find(o->registry->kind);
	p->host = (struct registry_host){ .start = start_resource,
					  .stop = stop_resource,
					  .hasten = hasten_resource };
	p->believed = keep(o->inherited);
	p->inherited = keep(o->inherited);
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
	ledger_destroy(p->ledger);
	brake_destroy(p->brake);
	snapshot_release(p->inherited);
	snapshot_release(p->unheard);
	snapshot_release(p->heard);
	snapshot_release(p->judged);
	snapshot_release(p->believed);
	if (p->settle != NULL)
		event_free(p->settle);
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
