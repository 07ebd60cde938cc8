/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/lookups.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "feed/channel.h"
#include "feed/places.h"

enum {
	LOOKUP_MS = 4000, /* two tries at one server, one each at three; then somebody must be told */
	KNOWN_MS = 250, /* several round trips: time left for the request itself, whose addresses are known */
	OTHER_FAMILY_MS = 300, /* having one family, do not wait out a server that drops the other */
	TICK_MS = 50,
	IN_FLIGHT_MAX = 64,  /* 10,000 watched hosts must not come as one burst */
	BACKGROUND_MAX = 48, /* so that a registry's own host always finds room beside them */
	HOST_MAX = 254,      /* 253 and the final dot (RFC 1035 section 2.3.4) */
};

/* What the channel hands back. */
struct asked {
	struct resolver_lookup *lookup;
	struct answer *answer;
};

enum state {
	STATE_WAITING,   /* in a queue */
	STATE_ASKING,    /* counted as in flight */
	STATE_FINISHED,  /* to be delivered */
	STATE_ABANDONED, /* nobody is interested; freed when the channel lets go of it */
};

struct resolver_lookup {
	TAILQ_ENTRY(resolver_lookup) link;
	struct lookups *all;
	enum state state;
	struct lookup_listener listener;
	uint64_t deadline_ms;
	unsigned owed;     /* answers the channel still owes */
	const char *error; /* known without asking */
	struct asked asked[FAMILIES];
	struct answers answers;
	char host[];
};

TAILQ_HEAD(queue, resolver_lookup);

struct lookups {
	struct channel *channel;
	struct queue urgent, background, asking, finished;
	unsigned in_flight, background_in_flight;
	struct event work, tick;
	struct places known; /* the hosts looked up once, for when the servers are silent */
};

static const char no_servers[] = "no bootstrap server to resolve host names with";

bool is_host_name(const char *host)
{
	const size_t len = strlen(host);

	for (size_t i = 0; i < len; i++) {
		if (host[i] <= ' ' || host[i] >= 0x7f || host[i] == '\\')
			return false;
	}
	return len > 0 && len <= HOST_MAX;
}

bool lookups_can_ask(const struct lookups *all)
{
	return all->channel != NULL && channel_has_server(all->channel);
}

static bool is_refresh(const struct resolver_lookup *l)
{
	return l->listener.told != NULL;
}

static void release(struct resolver_lookup *l)
{
	if (l->owed > 0)
		l->state = STATE_ABANDONED;
	else
		free(l);
}

/* Whatever follows happens in on_work(), from the loop: nobody is called from inside his own call or from
 * inside the channel. */
static void wake(struct lookups *all)
{
	event_active(&all->work, EV_TIMEOUT, 0);
}

static void leave_flight(struct resolver_lookup *l)
{
	struct lookups *all = l->all;

	TAILQ_REMOVE(&all->asking, l, link);
	all->in_flight--;
	all->background_in_flight -= is_refresh(l);
	wake(all);
}

static void finish(struct resolver_lookup *l)
{
	leave_flight(l);
	l->state = STATE_FINISHED;
	TAILQ_INSERT_TAIL(&l->all->finished, l, link);
}

/* --- answers --- */

/* The addresses to use, and for the lookups to come. */
static void remember(const struct resolver_lookup *l, struct addresses *ret)
{
	struct places *known = &l->all->known;
	struct addresses old;

	old.n = places_recall(known, l->host, old.at);
	answers_update(&l->answers, &old, ret);
	places_note(known, l->host, ret->at, ret->n, clock_ms());
}

/* A late answer is still news: servers that are slower than KNOWN_MS are heard in the next lookup. */
static void let_go(struct resolver_lookup *l)
{
	struct addresses news;

	if (!is_refresh(l))
		remember(l, &news);
	free(l);
}

static void hear_first(struct resolver_lookup *l, const struct answer *answer)
{
	const uint64_t soon_ms = clock_ms() + OTHER_FAMILY_MS;

	if (answer->outcome == OUTCOME_FOUND && !is_refresh(l) && l->deadline_ms > soon_ms)
		l->deadline_ms = soon_ms;
}

static void on_answer(void *context, const struct answer *answer)
{
	const struct asked *asked = context;
	struct resolver_lookup *l = asked->lookup;

	l->owed--;
	if (l->state == STATE_ASKING || l->state == STATE_ABANDONED)
		*asked->answer = *answer;
	if (l->state == STATE_ASKING && l->owed == 0)
		finish(l);
	else if (l->state == STATE_ASKING)
		hear_first(l, answer);
	else if (l->state == STATE_ABANDONED && l->owed == 0)
		let_go(l);
}

/* --- asking --- */

static void tick_soon(struct lookups *all)
{
	const struct timeval tick = clock_timeval(TICK_MS);

	evtimer_add(&all->tick, &tick);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct lookups *all = arg;
	const uint64_t now = clock_ms();
	struct resolver_lookup *next;

	(void)fd;
	(void)what;
	for (struct resolver_lookup *l = TAILQ_FIRST(&all->asking); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		if (now >= l->deadline_ms)
			finish(l);
	}
	if (!TAILQ_EMPTY(&all->asking))
		tick_soon(all);
}

static uint64_t patience_ms(const struct resolver_lookup *l)
{
	struct address known[RESOLVER_ADDRESSES_MAX];

	return !is_refresh(l) && places_recall(&l->all->known, l->host, known) > 0 ? KNOWN_MS : LOOKUP_MS;
}

static void ask(struct resolver_lookup *l)
{
	static const int families[FAMILIES] = { AF_INET, AF_INET6 };
	struct lookups *all = l->all;

	l->state = STATE_ASKING;
	l->deadline_ms = clock_ms() + patience_ms(l);
	if (TAILQ_EMPTY(&all->asking))
		tick_soon(all);
	TAILQ_INSERT_TAIL(&all->asking, l, link);
	all->in_flight++;
	all->background_in_flight += is_refresh(l);
	if (!lookups_can_ask(all)) { /* a reload took the servers away */
		l->error = no_servers;
		finish(l);
		return;
	}
	l->owed = FAMILIES; /* all of it before the first call, which may answer before it returns */
	for (int i = 0; i < FAMILIES; i++) {
		l->asked[i] = (struct asked){ .lookup = l, .answer = &l->answers.of[i] };
		channel_lookup(all->channel, l->host, families[i], on_answer, &l->asked[i]);
	}
}

static void ask_waiting(struct lookups *all)
{
	struct resolver_lookup *l;

	while (all->in_flight < IN_FLIGHT_MAX && (l = TAILQ_FIRST(&all->urgent)) != NULL) {
		TAILQ_REMOVE(&all->urgent, l, link);
		ask(l);
	}
	while (all->in_flight < IN_FLIGHT_MAX && all->background_in_flight < BACKGROUND_MAX &&
	       (l = TAILQ_FIRST(&all->background)) != NULL) {
		TAILQ_REMOVE(&all->background, l, link);
		ask(l);
	}
}

/* --- delivery --- */

/* What proves something about the name is told before what only failed. */
static const char *explain(const struct resolver_lookup *l)
{
	const struct answers *a = &l->answers;
	const struct answer *failed = &a->of[a->of[0].outcome == OUTCOME_FAILED ? 0 : 1];

	if (l->error != NULL)
		return l->error;
	if (answers_any(a, OUTCOME_NO_NAME))
		return "no such name";
	if (answers_any(a, OUTCOME_NONE) || failed->error == -ETIMEDOUT)
		return "no answer from the name servers";
	if (!answers_any(a, OUTCOME_FAILED))
		return "the name has no address";
	if (failed->error == -EINVAL)
		return "not a host name";
	return "the name servers failed or refused";
}

static void deliver(struct resolver_lookup *l)
{
	const struct lookup_listener listener = l->listener;
	const char *const error = explain(l);
	struct addresses found = { 0 };

	if (l->error == NULL)
		remember(l, &found);
	release(l);
	listener.done(listener.context, found.at, found.n, found.n > 0 ? NULL : error);
}

static void deliver_refresh(struct resolver_lookup *l)
{
	const struct lookup_listener listener = l->listener;
	const struct answers answers = l->answers;

	release(l);
	listener.told(listener.context, &answers);
}

/* One lookup a call: what is called back may do anything, also destroy the resolver. */
static void on_work(evutil_socket_t fd, short what, void *arg)
{
	struct lookups *all = arg;

	(void)fd;
	(void)what;
	ask_waiting(all);
	struct resolver_lookup *l = TAILQ_FIRST(&all->finished);
	if (l == NULL)
		return;
	TAILQ_REMOVE(&all->finished, l, link);
	if (!TAILQ_EMPTY(&all->finished))
		wake(all);
	if (is_refresh(l))
		deliver_refresh(l);
	else
		deliver(l);
}

/* --- from outside --- */

/* Why a host cannot be asked for, or NULL. */
static const char *refusal(const struct lookups *all, const char *host)
{
	if (!is_host_name(host))
		return "not a host name";
	return lookups_can_ask(all) ? NULL : no_servers;
}

/* Where a new lookup waits. What is refreshed was looked at when it came to be watched. */
static struct queue *first_queue(struct resolver_lookup *l)
{
	if (is_refresh(l))
		return &l->all->background;
	const bool is_known = addresses_of_known_host(l->host, &l->answers.of[0].addresses);
	if (!is_known)
		l->error = refusal(l->all, l->host);
	if (!is_known && l->error == NULL)
		return &l->all->urgent;
	l->state = STATE_FINISHED;
	return &l->all->finished;
}

int lookups_start(struct lookups *all, const char *host, const struct lookup_listener *listener,
		  struct resolver_lookup **ret)
{
	const size_t size = strlen(host) + 1;
	struct resolver_lookup *l = calloc(1, sizeof(*l) + size);

	if (l == NULL)
		return -ENOMEM;
	l->all = all;
	l->listener = *listener;
	memcpy(l->host, host, size);
	TAILQ_INSERT_TAIL(first_queue(l), l, link);
	wake(all);
	*ret = l;
	return 0;
}

void resolver_lookup_cancel(struct resolver_lookup *l)
{
	if (l == NULL)
		return;
	if (l->state == STATE_ASKING)
		leave_flight(l);
	else if (l->state == STATE_FINISHED)
		TAILQ_REMOVE(&l->all->finished, l, link);
	else
		TAILQ_REMOVE(is_refresh(l) ? &l->all->background : &l->all->urgent, l, link);
	release(l);
}

void lookups_use(struct lookups *all, struct channel *channel)
{
	struct channel *old = all->channel;

	all->channel = channel;
	channel_destroy(old);
}

int lookups_create(struct event_base *loop, struct lookups **ret)
{
	struct lookups *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	TAILQ_INIT(&all->urgent);
	TAILQ_INIT(&all->background);
	TAILQ_INIT(&all->asking);
	TAILQ_INIT(&all->finished);
	evtimer_assign(&all->work, loop, on_work, all);
	evtimer_assign(&all->tick, loop, on_tick, all);
	*ret = all;
	return 0;
}

static void cancel_queue(struct queue *q)
{
	while (!TAILQ_EMPTY(q))
		resolver_lookup_cancel(TAILQ_FIRST(q));
}

void lookups_destroy(struct lookups *all)
{
	if (all == NULL)
		return;
	cancel_queue(&all->urgent);
	cancel_queue(&all->background);
	cancel_queue(&all->asking);
	cancel_queue(&all->finished);
	channel_destroy(all->channel); /* which frees those it still owed an answer */
	event_del(&all->work);
	event_del(&all->tick);
	free(all);
}
