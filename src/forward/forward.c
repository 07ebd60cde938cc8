/* SPDX-License-Identifier: BSD-2-Clause */
#include "forward/forward.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "forward/relay.h"
#include "forward/upstream.h"

enum {
	/* Each upstream once with OPT and once without. */
	TRIES_MAX = 2 * FORWARD_UPSTREAMS_MAX,

	/* How long an upstream that refused our OPT and answered without it is asked without it at once (RFC
	 * 6891 section 6.2.2 lets us remember). Shorter doubles its load, longer withholds DNSSEC from
	 * clients after it has learnt EDNS. */
	PLAIN_MS = 5 * 60 * 1000,

	/* How often old upstreams are looked at until their last job has ended. */
	REAP_MS = 250,
};

/* REFUSED is not passed on: at a REFUSED glibc ends its search list and musl waits its whole 5 s; SERVFAIL
 * lets glibc go on and musl try again. RFC 8914 section 4.23 counts authorities that refuse among those that
 * cannot be reached, so that is the code. */
static const struct {
	enum ede ede;
	const char *text;
} reasons[RELAY_FAILURES] = {
	[RELAY_SERVFAIL] = { EDE_OTHER, "an upstream answered SERVFAIL" },
	[RELAY_DAMAGED] = { EDE_INVALID_DATA, "an upstream sent a damaged answer" },
	[RELAY_REFUSED] = { EDE_NO_REACHABLE_AUTHORITY, "the upstreams refused" },
	[RELAY_SILENCE] = { EDE_NO_REACHABLE_AUTHORITY, "no upstream answered in time" },
	[RELAY_NETWORK] = { EDE_NETWORK_ERROR, "no upstream could be reached" },
	[RELAY_BUSY] = { EDE_OTHER, "too many queries are being forwarded" },
};

/* The upstreams of one configuration. Jobs end with those they began with. */
struct upstream_set {
	struct upstream *upstreams[FORWARD_UPSTREAMS_MAX];
	uint64_t plain_until_ms[FORWARD_UPSTREAMS_MAX];
	size_t n;
	size_t preferred;
	uint64_t try_ms, deadline_ms;
	size_t n_jobs;
	struct upstream_set *next; /* among the old ones */
};

struct job {
	struct forwarder *forwarder;
	struct upstream_set *set; /* NULL: free */
	struct job *next_free;
	struct event due; /* the next upstream's turn, or the deadline */
	uint64_t deadline_ms;
	uint32_t generation;
	unsigned open;    /* tries without outcome */
	unsigned failed;  /* bits: outcomes met */
	unsigned asked;   /* bits: upstreams */
	unsigned no_edns; /* bits: upstreams that refused our OPT */
	uint16_t ids[TRIES_MAX];
	struct return_address to;
	size_t limit;
	struct query query; /* octets is the copy below */
	uint8_t octets[RELAY_QUERY_OCTETS_MAX - DNS_OPT_OCTETS];
};

struct forwarder {
	struct event_base *loop;
	deliver_fn deliver;
	void *context;
	struct upstream_set *current, *old;
	struct event *reap;
	struct random_ids ids;
	struct job *free;
	size_t pending, from_connections;
	struct counter_row *row;
	uint8_t reply[DNS_MESSAGE_OCTETS_MAX];
	size_t n_jobs;
	struct job jobs[];
};

/* --- jobs --- */

static void on_due(evutil_socket_t fd, short what, void *arg);

/* A job's slot is free as soon as it is answered, though upstreams may still hold queries of it: the token
 * says for which life of the slot, and for which of its tries, an answer is. */
static uint64_t token_of(const struct job *j, unsigned try)
{
	return (uint64_t)j->generation << 32 | (uint64_t)(j - j->forwarder->jobs) << 16 | try;
}

/* NULL when the job has ended. */
static struct job *find_job(struct forwarder *f, uint64_t token)
{
	struct job *j = &f->jobs[token >> 16 & 0xffff];

	return j->set != NULL && j->generation == token >> 32 ? j : NULL;
}

static struct job *take_job(struct forwarder *f, const struct query *q, const struct return_address *to)
{
	struct job *j = f->free;

	if (j == NULL)
		return NULL;
	f->free = j->next_free;
	f->pending++;
	f->from_connections += to->connection != NULL;
	j->to = *to;
	j->set = f->current;
	j->set->n_jobs++;
	j->open = j->failed = j->asked = j->no_edns = 0;
	j->deadline_ms = clock_ms() + j->set->deadline_ms;
	j->query = *q;
	j->query.octets = j->octets;
	j->query.len = DNS_HEADER_OCTETS + (size_t)q->question_len;
	memcpy(j->octets, q->octets, j->query.len);
	return j;
}

static void free_job(struct job *j)
{
	struct forwarder *f = j->forwarder;

	evtimer_del(&j->due);
	j->set->n_jobs--;
	j->set = NULL;
	j->generation++;
	j->next_free = f->free;
	f->free = j;
	f->pending--;
	f->from_connections -= j->to.connection != NULL;
}

/* The job is free before deliver() runs: that may close connections and send new queries. */
static void finish(struct job *j, const uint8_t *message, size_t len)
{
	struct forwarder *f = j->forwarder;
	const struct return_address to = j->to;

	free_job(j);
	f->deliver(f->context, &to, message, len);
}

static void give_up(struct job *j)
{
	uint8_t message[DNS_EDNS_SIZE]; /* not f->reply, which an outer deliver() may be sending from */
	size_t why = 0;

	if (j->open > 0)
		j->failed |= 1U << RELAY_SILENCE;
	while ((j->failed & 1U << why) == 0)
		why++;
	const size_t limit = j->limit < sizeof(message) ? j->limit : sizeof(message);
	const size_t len = message_write_error(&j->query, RCODE_SERVFAIL, reasons[why].ede, reasons[why].text,
					       message, limit);
	finish(j, message, len);
}

/* --- asking --- */

/* Wakes the job after ms, but not after its deadline. */
static void arm(struct job *j, uint64_t ms)
{
	const uint64_t now = clock_ms();
	const uint64_t left = j->deadline_ms > now ? j->deadline_ms - now : 0;

	if (ms > left)
		ms = left;
	const struct timeval after = clock_timeval(ms);
	evtimer_add(&j->due, &after);
}

static void fail(struct job *j, enum relay outcome);

static enum relay outcome_of(int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return RELAY_SILENCE;
	case -EBUSY:
	case -ENOMEM:
		return RELAY_BUSY;
	default:
		return RELAY_NETWORK;
	}
}

/* When upstream_send() has taken the query, its answer may have come, the job may have ended and its slot may
 * be another's: the job is complete before and not touched after. */
static void ask(struct job *j, size_t which, bool plain)
{
	const unsigned try = (unsigned)(2 * which + plain);
	uint8_t message[RELAY_QUERY_OCTETS_MAX];

	j->ids[try] = random_id(&j->forwarder->ids);
	const size_t len = relay_write_query(&j->query, j->ids[try], plain, message);
	j->asked |= 1U << which;
	j->open++;
	arm(j, j->set->try_ms);
	const int r = upstream_send(j->set->upstreams[which], message, len, token_of(j, try));
	if (r == 0)
		return;
	j->open--;
	fail(j, outcome_of(r));
}

/* The order of upstreams: from the one that answered last, around. Returns set->n when all were asked. */
static size_t next_upstream(const struct job *j)
{
	const struct upstream_set *set = j->set;

	for (size_t i = 0; i < set->n; i++) {
		const size_t which = (set->preferred + i) % set->n;

		if ((j->asked & 1U << which) == 0)
			return which;
	}
	return set->n;
}

static void ask_next(struct job *j)
{
	const size_t which = next_upstream(j);

	if (which < j->set->n)
		ask(j, which, clock_ms() < j->set->plain_until_ms[which]);
	else if (j->open > 0)
		arm(j, UINT64_MAX);
	else
		give_up(j);
}

static void fail(struct job *j, enum relay outcome)
{
	j->failed |= 1U << outcome;
	ask_next(j);
}

/* The tries before stay open: an upstream that needs 1.6 s for every answer is still an upstream. */
static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct job *j = arg;

	(void)fd;
	(void)what;
	if (clock_ms() >= j->deadline_ms)
		give_up(j);
	else
		ask_next(j);
}

/* --- answers --- */

static void answer(struct job *j, unsigned try, const uint8_t *octets, const struct message_outline *o)
{
	const size_t which = try / 2;
	struct forwarder *f = j->forwarder;

	j->set->preferred = which;
	if (try % 2 == 1 && (j->no_edns & 1U << which) != 0)
		j->set->plain_until_ms[which] = clock_ms() + PLAIN_MS;
	finish(j, f->reply, relay_write_answer(&j->query, octets, o, f->reply, j->limit));
}

static void on_done(void *context, uint64_t token, int error, uint8_t *octets, size_t len)
{
	struct job *j = find_job(context, token);
	const unsigned try = token & 0xffff;
	struct message_outline o;

	if (j == NULL)
		return;
	j->open--;
	const enum relay outcome =
		error < 0 ? outcome_of(error)
			  : relay_judge(&j->query, j->ids[try], try % 2 == 1, octets, len, &o);
	if (outcome == RELAY_GOOD) {
		answer(j, try, octets, &o);
	} else if (outcome == RELAY_NO_EDNS) {
		j->no_edns |= 1U << try / 2;
		ask(j, try / 2, true);
	} else {
		fail(j, outcome);
	}
}

/* --- upstreams --- */

static void destroy_set(struct upstream_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->n; i++)
		upstream_destroy(set->upstreams[i]);
	free(set);
}

static int create_set(struct forwarder *f, const struct forward_options *o, struct upstream_set **ret)
{
	struct upstream_set *set = calloc(1, sizeof(*set));
	int r = 0;

	if (set == NULL)
		return -ENOMEM;
	set->try_ms = o->try_ms;
	set->deadline_ms = o->deadline_ms;
	while (r == 0 && set->n < o->n_upstreams) {
		r = upstream_create(f->loop, &o->upstreams[set->n], o->try_ms, on_done, f,
				    &set->upstreams[set->n]);
		if (r == 0)
			set->n++;
	}
	if (r < 0) {
		destroy_set(set);
		return r;
	}
	*ret = set;
	return 0;
}

/* A set without jobs only holds queries whose answers nobody waits for. Each job ends by its deadline, so
 * each set goes soon; from a timer, because c-ares must not be destroyed inside its own callbacks. */
static void on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct forwarder *f = arg;
	struct upstream_set **at = &f->old;

	(void)fd;
	(void)what;
	while (*at != NULL) {
		struct upstream_set *set = *at;

		if (set->n_jobs > 0) {
			at = &set->next;
			continue;
		}
		*at = set->next;
		destroy_set(set);
	}
	if (f->old == NULL)
		evtimer_del(f->reap);
}

int forwarder_reload(struct forwarder *f, const struct forward_options *o)
{
	const struct timeval reap = { .tv_usec = REAP_MS * 1000 };
	struct upstream_set *set;
	const int r = create_set(f, o, &set);

	if (r < 0)
		return r;
	f->current->next = f->old;
	f->old = f->current;
	f->current = set;
	if (!evtimer_pending(f->reap, NULL)) /* or reloads in quick succession would put it off for ever */
		evtimer_add(f->reap, &reap);
	return 0;
}

/* --- the forwarder --- */

int forwarder_create(struct event_base *loop, const struct forward_options *o, struct counter_row *row,
		     deliver_fn deliver, void *context, struct forwarder **ret)
{
	struct forwarder *f = calloc(1, sizeof(*f) + o->jobs * sizeof(f->jobs[0]));
	int r = -ENOMEM;

	if (f == NULL)
		return -ENOMEM;
	f->loop = loop;
	f->deliver = deliver;
	f->context = context;
	f->row = row;
	f->n_jobs = o->jobs;
	for (size_t i = f->n_jobs; i-- > 0;) {
		struct job *j = &f->jobs[i];

		j->forwarder = f;
		j->next_free = f->free;
		f->free = j;
		evtimer_assign(&j->due, loop, on_due, j);
	}
	f->reap = event_new(loop, -1, EV_PERSIST, on_reap, f);
	if (f->reap != NULL)
		r = create_set(f, o, &f->current);
	if (r < 0) {
		forwarder_destroy(f);
		return r;
	}
	*ret = f;
	return 0;
}

void forwarder_destroy(struct forwarder *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n_jobs; i++) {
		if (f->jobs[i].set != NULL)
			free_job(&f->jobs[i]);
	}
	destroy_set(f->current);
	while (f->old != NULL) {
		struct upstream_set *next = f->old->next;

		destroy_set(f->old);
		f->old = next;
	}
	if (f->reap != NULL)
		event_free(f->reap);
	free(f);
}

/* Said at once, when no job was needed or none was left. */
static void refuse(struct forwarder *f, const struct query *q, size_t limit, const struct return_address *to,
		   enum rcode rcode, enum ede ede, const char *text)
{
	uint8_t message[DNS_EDNS_SIZE];
	const size_t len = message_write_error(q, rcode, ede, text, message,
					       limit < sizeof(message) ? limit : sizeof(message));

	f->deliver(f->context, to, message, len);
}

void forward_query(struct forwarder *f, const struct query *q, size_t limit, const struct return_address *to)
{
	if (f->current->n == 0) {
		refuse(f, q, limit, to, RCODE_REFUSED, EDE_NOT_AUTHORITATIVE,
		       "no upstream is configured for names outside the zones");
		return;
	}
	struct job *j = take_job(f, q, to);
	if (j == NULL) {
		counter_add(f->row, COUNTER_FORWARD_FULL);
		refuse(f, q, limit, to, RCODE_SERVFAIL, EDE_OTHER, reasons[RELAY_BUSY].text);
		return;
	}
	j->limit = limit;
	ask_next(j);
}

void forward_forget(struct forwarder *f, const void *connection)
{
	for (size_t i = 0; i < f->n_jobs && f->from_connections > 0; i++) {
		struct job *j = &f->jobs[i];

		if (j->set != NULL && j->to.connection == connection)
			free_job(j);
	}
}

size_t forward_pending(const struct forwarder *f)
{
	return f->pending;
}
