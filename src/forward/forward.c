/* SPDX-License-Identifier: BSD-2-Clause */
#include "forward/forward.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "forward/upstream.h"

enum {
	/* With all upstreams silent a job lives for the deadline of 4 s: 1,024 carry 256 queries a second
	 * then, and answers of 10 ms carry 100,000. More would only make a longer queue of the dead. */
	JOBS = 1024,

	/* Each upstream once with OPT and once without. */
	TRIES_MAX = 2 * FORWARD_UPSTREAMS_MAX,

	QUESTION_OCTETS_MAX = NAME_OCTETS_MAX + 4,

	/* How long an upstream that refused our OPT and answered without it is asked without it at once (RFC
	 * 6891 section 6.2.2 lets us remember). Shorter doubles its load, longer withholds DNSSEC from
	 * clients after it has learnt EDNS. */
	PLAIN_MS = 5 * 60 * 1000,

	/* How often old upstreams are looked at until their last job has ended. */
	REAP_MS = 250,

	/* A DNAME made the name too long (RFC 6672 section 2.2): an answer, not a failure. */
	RCODE_YXDOMAIN = 6,
};

/* What became of a try. The failures are ordered: the first one that any try of a job met decides what the
 * client is told. */
enum outcome {
	OUTCOME_SERVFAIL, /* the best that came: somebody tried to resolve the name */
	OUTCOME_DAMAGED,
	OUTCOME_REFUSED, /* also NOTIMP, FORMERR and the extended rcodes */
	OUTCOME_SILENCE,
	OUTCOME_NETWORK,
	OUTCOME_BUSY,
	OUTCOMES_FAILED,
	OUTCOME_NO_EDNS = OUTCOMES_FAILED, /* the same upstream again, without OPT */
	OUTCOME_GOOD,
};

/* REFUSED is not passed on: at a REFUSED glibc ends its search list and musl waits its whole 5 s; SERVFAIL
 * lets glibc go on and musl try again. RFC 8914 section 4.23 counts authorities that refuse among those that
 * cannot be reached, so that is the code. */
static const struct {
	enum ede ede;
	const char *text;
} reasons[OUTCOMES_FAILED] = {
	[OUTCOME_SERVFAIL] = { EDE_OTHER, "an upstream answered SERVFAIL" },
	[OUTCOME_DAMAGED] = { EDE_INVALID_DATA, "an upstream sent a damaged answer" },
	[OUTCOME_REFUSED] = { EDE_NO_REACHABLE_AUTHORITY, "the upstreams refused" },
	[OUTCOME_SILENCE] = { EDE_NO_REACHABLE_AUTHORITY, "no upstream answered in time" },
	[OUTCOME_NETWORK] = { EDE_NETWORK_ERROR, "no upstream could be reached" },
	[OUTCOME_BUSY] = { EDE_OTHER, "too many queries are being forwarded" },
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
	uint8_t octets[DNS_HEADER_OCTETS + QUESTION_OCTETS_MAX];
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
	struct job jobs[JOBS];
	uint8_t reply[DNS_MESSAGE_OCTETS_MAX];
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
		j->failed |= 1U << OUTCOME_SILENCE;
	while ((j->failed & 1U << why) == 0)
		why++;
	const size_t limit = j->limit < sizeof(message) ? j->limit : sizeof(message);
	const size_t len = message_write_error(&j->query, RCODE_SERVFAIL, reasons[why].ede, reasons[why].text,
					       message, limit);
	finish(j, message, len);
}

/* --- asking --- */

/* Our own OPT, without what the client had in its: EDNS is hop by hop (RFC 6891 section 6.2.6). */
static size_t write_query(const struct job *j, uint16_t id, bool plain, uint8_t *ret)
{
	size_t len = j->query.len;

	memset(ret, 0, DNS_HEADER_OCTETS);
	put_u16(ret, id);
	put_u16(ret + 2, (uint16_t)(HEADER_RD | (j->query.flags & (HEADER_AD | HEADER_CD))));
	put_u16(ret + 4, 1);
	memcpy(ret + DNS_HEADER_OCTETS, j->octets + DNS_HEADER_OCTETS, j->query.question_len);
	if (plain)
		return len;

	put_u16(ret + 10, 1);
	memset(ret + len, 0, DNS_OPT_OCTETS);
	put_u16(ret + len + 1, RRTYPE_OPT);
	put_u16(ret + len + 3, DNS_EDNS_SIZE);
	ret[len + 7] = j->query.dnssec_ok ? 0x80 : 0;
	return len + DNS_OPT_OCTETS;
}

/* Wakes the job after ms, but not after its deadline. */
static void arm(struct job *j, uint64_t ms)
{
	const uint64_t now = clock_ms();
	const uint64_t left = j->deadline_ms > now ? j->deadline_ms - now : 0;

	if (ms > left)
		ms = left;
	const struct timeval after = { .tv_sec = (time_t)(ms / 1000),
				       .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
	evtimer_add(&j->due, &after);
}

static void fail(struct job *j, enum outcome outcome);

static enum outcome outcome_of(int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return OUTCOME_SILENCE;
	case -EBUSY:
	case -ENOMEM:
		return OUTCOME_BUSY;
	default:
		return OUTCOME_NETWORK;
	}
}

/* When upstream_send() has taken the query, its answer may have come, the job may have ended and its slot may
 * be another's: the job is complete before and not touched after. */
static void ask(struct job *j, size_t which, bool plain)
{
	const unsigned try = (unsigned)(2 * which + plain);
	uint8_t message[sizeof(j->octets) + DNS_OPT_OCTETS];

	j->ids[try] = random_id(&j->forwarder->ids);
	const size_t len = write_query(j, j->ids[try], plain, message);
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

static void fail(struct job *j, enum outcome outcome)
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

/* The name without regard to case, type and class exactly. Length octets are below 'A', so folding leaves
 * them alone. */
static bool question_is_same(const struct job *j, const uint8_t *octets, size_t question_len)
{
	const uint8_t *asked = j->octets + DNS_HEADER_OCTETS, *got = octets + DNS_HEADER_OCTETS;
	const size_t name_len = j->query.question_len - 4U;

	if (question_len != j->query.question_len)
		return false;
	for (size_t i = 0; i < name_len; i++) {
		if (octet_fold(asked[i]) != octet_fold(got[i]))
			return false;
	}
	return memcmp(asked + name_len, got + name_len, 4) == 0;
}

/* All 12 bits: four in the header, eight in the OPT's TTL, behind its root owner, type and class. */
static unsigned rcode_of(const uint8_t *octets, const struct message_outline *o)
{
	const unsigned low = o->flags & HEADER_RCODE;

	return o->opt_len > 0 ? (unsigned)octets[o->opt_at + 5] << 4 | low : low;
}

/* c-ares matches ID and question, but takes a reflected query for an answer and reads nothing behind. */
static enum outcome judge(const struct job *j, unsigned try, const uint8_t *octets, size_t len,
			  struct message_outline *ret)
{
	if (!message_outline(octets, len, ret))
		return OUTCOME_DAMAGED;
	if (ret->id != j->ids[try] || (ret->flags & (HEADER_QR | HEADER_OPCODE)) != HEADER_QR ||
	    !question_is_same(j, octets, ret->question_len))
		return OUTCOME_DAMAGED;

	switch (rcode_of(octets, ret)) {
	case RCODE_NOERROR:
	case RCODE_NXDOMAIN:
	case RCODE_YXDOMAIN:
		return OUTCOME_GOOD;
	case RCODE_SERVFAIL:
		return OUTCOME_SERVFAIL;
	case RCODE_FORMERR:
	case RCODE_NOTIMP: /* what servers before EDNS say to an OPT (RFC 6891 section 7) */
		return ret->opt_len == 0 && try % 2 == 0 ? OUTCOME_NO_EDNS : OUTCOME_REFUSED;
	default:
		return OUTCOME_REFUSED;
	}
}

/* Records from at to end. message_outline() has walked them: nothing here runs over the end. */
static uint16_t count_records(const uint8_t *octets, size_t at, size_t end)
{
	uint16_t n = 0;

	for (; at < end; n++) {
		while (octets[at] != 0 && octets[at] < 0xc0)
			at += 1U + octets[at];
		at += octets[at] == 0 ? 1 : 2;
		at += 10U + get_u16(octets + at + 8);
	}
	return n;
}

/* Everything behind the question keeps its place, since the question put back is as long as the one that
 * came: compression pointers stay right. Records behind the OPT would not keep theirs, and moving them means
 * to rewrite names in RDATA of types we do not know; they are additional, hence optional (RFC 2181 section
 * 9), nothing before them may point at them (RFC 1035 section 4.1.4), and servers put the OPT last: they are
 * left out. */
static size_t write_answer(const struct job *j, const uint8_t *octets, const struct message_outline *o,
			   uint8_t *ret)
{
	const bool has_opt = o->opt_len > 0;
	const size_t start = j->query.len, end = has_opt ? o->opt_at : o->end;
	struct section_counts counts = { o->counts[0], o->counts[1], o->counts[2] };
	const bool wants_ad = j->query.dnssec_ok || (j->query.flags & HEADER_AD) != 0; /* RFC 6840, 5.8 */
	const uint16_t flags =
		(uint16_t)(HEADER_RA | (o->flags & (wants_ad ? HEADER_TC | HEADER_AD : HEADER_TC)));
	struct writer w;

	if (has_opt)
		counts.additional -= 1 + count_records(octets, o->opt_at + o->opt_len, o->end);
	message_begin(&w, &j->query, flags, ret, j->limit);
	writer_add(&w, octets + start, end - start);
	if (w.full) {
		message_begin(&w, &j->query, flags | HEADER_TC, ret, j->limit);
		counts = (struct section_counts){ 0 };
	}
	return message_end(&w, &j->query, (enum rcode)(o->flags & HEADER_RCODE), counts, EDE_NONE, NULL);
}

static void answer(struct job *j, unsigned try, const uint8_t *octets, const struct message_outline *o)
{
	const size_t which = try / 2;
	struct forwarder *f = j->forwarder;

	j->set->preferred = which;
	if (try % 2 == 1 && (j->no_edns & 1U << which) != 0)
		j->set->plain_until_ms[which] = clock_ms() + PLAIN_MS;
	finish(j, f->reply, write_answer(j, octets, o, f->reply));
}

static void on_done(void *context, uint64_t token, int error, uint8_t *octets, size_t len)
{
	struct job *j = find_job(context, token);
	const unsigned try = token & 0xffff;
	struct message_outline o;

	if (j == NULL)
		return;
	j->open--;
	const enum outcome outcome = error < 0 ? outcome_of(error) : judge(j, try, octets, len, &o);
	if (outcome == OUTCOME_GOOD) {
		answer(j, try, octets, &o);
	} else if (outcome == OUTCOME_NO_EDNS) {
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
	evtimer_add(f->reap, &reap);
	return 0;
}

/* --- the forwarder --- */

int forwarder_create(struct event_base *loop, const struct forward_options *o, deliver_fn deliver,
		     void *context, struct forwarder **ret)
{
	struct forwarder *f = calloc(1, sizeof(*f));
	int r = -ENOMEM;

	if (f == NULL)
		return -ENOMEM;
	f->loop = loop;
	f->deliver = deliver;
	f->context = context;
	for (size_t i = JOBS; i-- > 0;) {
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
	for (size_t i = 0; i < JOBS; i++) {
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
		refuse(f, q, limit, to, RCODE_SERVFAIL, EDE_OTHER, reasons[OUTCOME_BUSY].text);
		return;
	}
	j->limit = limit;
	ask_next(j);
}

void forward_forget(struct forwarder *f, const void *connection)
{
	for (size_t i = 0; i < JOBS && f->from_connections > 0; i++) {
		struct job *j = &f->jobs[i];

		if (j->set != NULL && j->to.connection == connection)
			free_job(j);
	}
}

size_t forward_pending(const struct forwarder *f)
{
	return f->pending;
}
