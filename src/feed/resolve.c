/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/resolve.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"

enum {
	FAMILIES = 2,            /* A and AAAA, asked apart: one may fail while the other proves something */
	TRY_MS = 1000,           /* one server's time; the second round doubles it */
	TRIES = 2,               /* with 1 a server that closes a TCP connection fails all UDP queries too */
	LOOKUP_MS = 4000,        /* two tries at one server, one each at three; then somebody must be told */
	OTHER_FAMILY_MS = 300,   /* having one family, do not wait out a server that drops the other */
	TICK_MS = 50,            /* c-ares' own next timeout costs a walk over all queries to ask for */
	IN_FLIGHT_MAX = 64,      /* 10,000 watched hosts must not come as one burst */
	BACKGROUND_MAX = 48,     /* so that a registry's own host always finds room beside them */
	REFRESH_MIN_S = 5,       /* a TTL of 0 must not make us ask in a loop */
	REFRESH_MAX_S = 60,      /* a TTL of a day must not keep a dead address for a day */
	HOST_MAX = 254,          /* 253 and the final dot (RFC 1035 section 2.3.4) */
	RESOLV_CONF_MAX = 65536, /* octets; three nameservers are read by libcs, a few more are plenty */
};

enum outcome {
	OUTCOME_NONE, /* no answer (yet) */
	OUTCOME_FAILED,
	OUTCOME_FOUND,
	OUTCOME_NO_DATA, /* proven: the name has no address of this family */
	OUTCOME_NO_NAME, /* proven: there is no such name */
};

/* At most RESOLVER_ADDRESSES_MAX, sorted, each once. Of more, the smallest stay: whatever order a server
 * turns them in, the same ones. */
struct set {
	struct address addresses[RESOLVER_ADDRESSES_MAX];
	size_t n;
};

struct answer {
	struct resolver_lookup *lookup;
	enum outcome outcome;
	int status; /* of c-ares, if failed */
	unsigned ttl_s;
	struct set set;
};

enum state {
	STATE_WAITING,   /* in a queue */
	STATE_ASKING,    /* counted as in flight */
	STATE_FINISHED,  /* to be delivered */
	STATE_ABANDONED, /* nobody is interested; freed when c-ares lets go of it */
};

struct resolver_lookup {
	TAILQ_ENTRY(resolver_lookup) link;
	struct resolver *resolver;
	enum state state;
	struct watched *watched; /* NULL: asked for once, for done() */
	void (*done)(void *context, const struct address *addresses, size_t n, const char *error);
	void *context;
	uint64_t deadline_ms;
	unsigned owed;     /* callbacks c-ares still owes */
	const char *error; /* known without asking */
	struct answer answers[FAMILIES];
	char host[];
};

TAILQ_HEAD(lookups, resolver_lookup);

struct watched {
	LIST_ENTRY(watched) link;
	struct resolver *resolver;
	struct event refresh;
	struct resolver_lookup *lookup; /* NULL: waiting for the refresh */
	struct set set;
	unsigned failures; /* in a row, of lookups that found nothing */
	bool wanted;
	char host[];
};

/* A socket of c-ares. */
struct io {
	LIST_ENTRY(io) link;
	struct resolver *resolver;
	ares_socket_t fd;
	struct event event;
};

struct resolver {
	struct event_base *loop;
	ares_channel channel;
	size_t n_servers;
	LIST_HEAD(, io) ios;
	void (*changed)(void *context, const char *host);
	void *context;
	struct random random;

	struct lookups urgent, background, asking, finished;
	unsigned in_flight, background_in_flight;
	unsigned owed; /* callbacks c-ares owes in all: while there are any, it needs the tick */
	struct event work, tick;

	LIST_HEAD(, watched) hosts;
	void *hosts_by_name; /* of tsearch(3) */
	size_t n_hosts;
};

/* --- sets of addresses --- */

/* IPv4 first, then by octets. */
static int compare_addresses(const struct address *a, const struct address *b)
{
	return a->len != b->len ? (int)a->len - (int)b->len : memcmp(a->octets, b->octets, a->len);
}

static void set_add(struct set *set, const struct address *a)
{
	size_t at = set->n;

	while (at > 0 && compare_addresses(a, &set->addresses[at - 1]) < 0)
		at--;
	if (at == RESOLVER_ADDRESSES_MAX || (at > 0 && compare_addresses(a, &set->addresses[at - 1]) == 0))
		return;
	if (set->n < RESOLVER_ADDRESSES_MAX)
		set->n++;
	memmove(&set->addresses[at + 1], &set->addresses[at], (set->n - 1 - at) * sizeof(*a));
	set->addresses[at] = *a;
}

static void set_add_all(struct set *set, const struct set *other)
{
	for (size_t i = 0; i < other->n; i++)
		set_add(set, &other->addresses[i]);
}

static bool set_equal(const struct set *a, const struct set *b)
{
	return a->n == b->n && memcmp(a->addresses, b->addresses, a->n * sizeof(a->addresses[0])) == 0;
}

/* --- names --- */

/* What needs no server: literals, and localhost with all below it (RFC 6761 section 6.3). */
static bool know_host(const char *host, struct set *ret)
{
	static const struct address loopback4 = { .octets = { 127, 0, 0, 1 }, .len = 4 };
	static const struct address loopback6 = { .octets = { [15] = 1 }, .len = 16 };
	size_t len = strlen(host);
	struct address a;

	ret->n = 0;
	if (address_from_text(host, len, &a)) {
		set_add(ret, &a);
		return true;
	}
	if (len > 0 && host[len - 1] == '.')
		len--;
	if (len < 9 || strncasecmp(host + len - 9, "localhost", 9) != 0 || (len > 9 && host[len - 10] != '.'))
		return false;
	set_add(ret, &loopback4);
	set_add(ret, &loopback6);
	return true;
}

/* Leaves the fine print to c-ares, but neither escapes nor octets that would spoil a log line. */
static bool is_host_name(const char *host)
{
	const size_t len = strlen(host);

	for (size_t i = 0; i < len; i++) {
		if (host[i] <= ' ' || host[i] >= 0x7f || host[i] == '\\')
			return false;
	}
	return len > 0 && len <= HOST_MAX;
}

/* --- lookups --- */

static const char no_servers[] = "no bootstrap server to resolve host names with";

static void release(struct resolver_lookup *l)
{
	if (l->owed > 0)
		l->state = STATE_ABANDONED;
	else
		free(l);
}

/* Whatever follows happens in on_work(), from the loop: nobody is called from inside his own call or from
 * inside c-ares. */
static void wake(struct resolver *r)
{
	event_active(&r->work, EV_TIMEOUT, 0);
}

static void leave_flight(struct resolver_lookup *l)
{
	struct resolver *r = l->resolver;

	TAILQ_REMOVE(&r->asking, l, link);
	r->in_flight--;
	r->background_in_flight -= l->watched != NULL;
	wake(r);
}

static void finish(struct resolver_lookup *l)
{
	leave_flight(l);
	l->state = STATE_FINISHED;
	TAILQ_INSERT_TAIL(&l->resolver->finished, l, link);
}

static void read_nodes(const struct ares_addrinfo *info, struct answer *answer)
{
	int ttl_s = REFRESH_MAX_S;

	for (const struct ares_addrinfo_cname *c = info->cnames; c != NULL; c = c->next)
		ttl_s = c->ttl < ttl_s ? c->ttl : ttl_s;
	for (const struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next) {
		struct endpoint e = { 0 };
		struct address a;
		char text[ADDRESS_TEXT_MAX];

		if (node->ai_addrlen > sizeof(e.at))
			continue;
		memcpy(&e.at, node->ai_addr, node->ai_addrlen);
		endpoint_to_address(&e, &a);
		address_to_text(&a, text);
		if (address_from_text(text, strlen(text), &a)) /* an IPv4-mapped one becomes IPv4 */
			set_add(&answer->set, &a);
		ttl_s = node->ai_ttl < ttl_s ? node->ai_ttl : ttl_s;
	}
	answer->ttl_s = ttl_s > 0 ? (unsigned)ttl_s : 0;
	answer->outcome = answer->set.n > 0 ? OUTCOME_FOUND : OUTCOME_NO_DATA;
}

static void read_answer(struct answer *answer, int status, const struct ares_addrinfo *info)
{
	answer->status = status;
	if (status == ARES_SUCCESS && info != NULL)
		read_nodes(info, answer);
	else if (status == ARES_ENODATA)
		answer->outcome = OUTCOME_NO_DATA;
	else if (status == ARES_ENOTFOUND)
		answer->outcome = OUTCOME_NO_NAME;
	else
		answer->outcome = OUTCOME_FAILED;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct answer *answer = arg;
	struct resolver_lookup *l = answer->lookup;

	(void)timeouts;
	l->owed--;
	l->resolver->owed--;
	if (l->state == STATE_ASKING) {
		read_answer(answer, status, info);
		if (l->owed == 0)
			finish(l);
		else if (answer->outcome == OUTCOME_FOUND && l->watched == NULL &&
			 l->deadline_ms > clock_ms() + OTHER_FAMILY_MS)
			l->deadline_ms = clock_ms() + OTHER_FAMILY_MS;
	} else if (l->state == STATE_ABANDONED && l->owed == 0) {
		free(l);
	}
	if (info != NULL)
		ares_freeaddrinfo(info);
}

static void ask(struct resolver_lookup *l)
{
	static const int families[FAMILIES] = { AF_INET, AF_INET6 };
	struct resolver *r = l->resolver;

	l->state = STATE_ASKING;
	l->deadline_ms = clock_ms() + LOOKUP_MS;
	TAILQ_INSERT_TAIL(&r->asking, l, link);
	r->in_flight++;
	r->background_in_flight += l->watched != NULL;
	if (r->n_servers == 0) { /* a reload took them away; c-ares leaks what it is asked without any */
		l->error = no_servers;
		finish(l);
		return;
	}
	l->owed = FAMILIES; /* all of it before the first call, which may answer before it returns */
	r->owed += FAMILIES;
	for (int i = 0; i < FAMILIES; i++) {
		/* Without NOSORT c-ares opens a socket to each address, to sort them by. */
		const struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT,
							   .ai_family = families[i] };

		l->answers[i].lookup = l;
		ares_getaddrinfo(r->channel, l->host, NULL, &hints, on_answer, &l->answers[i]);
	}
	if (r->owed > 0 && !evtimer_pending(&r->tick, NULL))
		evtimer_add(&r->tick, &(struct timeval){ .tv_usec = TICK_MS * 1000 });
}

static void ask_waiting(struct resolver *r)
{
	struct resolver_lookup *l;

	while (r->in_flight < IN_FLIGHT_MAX && (l = TAILQ_FIRST(&r->urgent)) != NULL) {
		TAILQ_REMOVE(&r->urgent, l, link);
		ask(l);
	}
	while (r->in_flight < IN_FLIGHT_MAX && r->background_in_flight < BACKGROUND_MAX &&
	       (l = TAILQ_FIRST(&r->background)) != NULL) {
		TAILQ_REMOVE(&r->background, l, link);
		ask(l);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	const uint64_t now = clock_ms();
	struct resolver_lookup *next;

	(void)fd;
	(void)what;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	for (struct resolver_lookup *l = TAILQ_FIRST(&r->asking); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		if (now >= l->deadline_ms)
			finish(l);
	}
	if (r->owed > 0)
		evtimer_add(&r->tick, &(struct timeval){ .tv_usec = TICK_MS * 1000 });
}

/* --- delivery --- */

static bool any_outcome(const struct resolver_lookup *l, enum outcome outcome)
{
	return l->answers[0].outcome == outcome || l->answers[1].outcome == outcome;
}

/* What proves something about the name is told before what only failed. */
static const char *explain(const struct resolver_lookup *l)
{
	const struct answer *failed = &l->answers[l->answers[0].outcome == OUTCOME_FAILED ? 0 : 1];

	if (l->error != NULL)
		return l->error;
	if (any_outcome(l, OUTCOME_NO_NAME))
		return "no such name";
	if (any_outcome(l, OUTCOME_NONE) || failed->status == ARES_ETIMEOUT)
		return "no answer from the name servers";
	if (!any_outcome(l, OUTCOME_FAILED))
		return "the name has no address";
	if (failed->status == ARES_EBADNAME)
		return "not a host name";
	return "the name servers failed or refused";
}

static void deliver(struct resolver_lookup *l)
{
	void (*const done)(void *, const struct address *, size_t, const char *) = l->done;
	void *const context = l->context;
	const char *const error = explain(l);
	struct set set = { 0 };

	for (int i = 0; i < FAMILIES; i++)
		set_add_all(&set, &l->answers[i].set);
	release(l);
	done(context, set.addresses, set.n, set.n > 0 ? NULL : error);
}

static void refresh_after(struct watched *w, uint64_t pause_s)
{
	const uint64_t pause_ms =
		pause_s * 1000 + random_below(&w->resolver->random, (uint32_t)pause_s * 100 + 1);

	const struct timeval pause = { .tv_sec = (time_t)(pause_ms / 1000),
				       .tv_usec = (suseconds_t)(pause_ms % 1000) * 1000 };

	evtimer_add(&w->refresh, &pause);
}

/* A name that is not there yet may come any moment, one that stays away is asked for less and less. */
static void schedule_refresh(struct watched *w, const struct resolver_lookup *l)
{
	unsigned ttl_s = REFRESH_MAX_S;

	if (!any_outcome(l, OUTCOME_FOUND)) {
		const unsigned pause_s = (unsigned)REFRESH_MIN_S << (w->failures < 4 ? w->failures++ : 4);

		refresh_after(w, pause_s < REFRESH_MAX_S ? pause_s : REFRESH_MAX_S);
		return;
	}
	w->failures = 0;
	for (int i = 0; i < FAMILIES; i++) {
		if (l->answers[i].outcome == OUTCOME_FOUND && l->answers[i].ttl_s < ttl_s)
			ttl_s = l->answers[i].ttl_s;
	}
	refresh_after(w, ttl_s > REFRESH_MIN_S ? ttl_s : REFRESH_MIN_S);
}

/* Of a family that got no answer the addresses known last stay, unless the other proved the name is gone. */
static void merge(const struct set *old, const struct resolver_lookup *l, struct set *ret)
{
	const bool gone = any_outcome(l, OUTCOME_NO_NAME);

	ret->n = 0;
	for (int i = 0; i < FAMILIES; i++) {
		const enum outcome outcome = l->answers[i].outcome;
		const uint8_t len = i == 0 ? 4 : 16;

		set_add_all(ret, &l->answers[i].set);
		if (gone || (outcome != OUTCOME_FAILED && outcome != OUTCOME_NONE))
			continue;
		for (size_t j = 0; j < old->n; j++) {
			if (old->addresses[j].len == len)
				set_add(ret, &old->addresses[j]);
		}
	}
}

static void deliver_watched(struct resolver_lookup *l)
{
	struct watched *w = l->watched;
	struct resolver *r = w->resolver;
	char host[HOST_MAX + 1];
	struct set set;

	merge(&w->set, l, &set);
	schedule_refresh(w, l);
	w->lookup = NULL;
	release(l);
	if (set_equal(&set, &w->set))
		return;
	w->set = set;
	strcpy(host, w->host); /* changed() may sweep w away */
	if (r->changed != NULL)
		r->changed(r->context, host);
}

/* One lookup a call: what is called back may do anything, also destroy the resolver. */
static void on_work(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;

	(void)fd;
	(void)what;
	ask_waiting(r);
	struct resolver_lookup *l = TAILQ_FIRST(&r->finished);
	if (l == NULL)
		return;
	TAILQ_REMOVE(&r->finished, l, link);
	if (!TAILQ_EMPTY(&r->finished))
		wake(r);
	if (l->watched != NULL)
		deliver_watched(l);
	else
		deliver(l);
}

static int new_lookup(struct resolver *r, const char *host, struct resolver_lookup **ret)
{
	const size_t size = strlen(host) + 1;
	struct resolver_lookup *l = calloc(1, sizeof(*l) + size);

	if (l == NULL)
		return -ENOMEM;
	l->resolver = r;
	memcpy(l->host, host, size);
	*ret = l;
	return 0;
}

/* Why a host cannot be asked for, or NULL. */
static const char *refusal(const struct resolver *r, const char *host)
{
	if (!is_host_name(host))
		return "not a host name";
	return r->n_servers == 0 ? no_servers : NULL;
}

int resolver_lookup(struct resolver *r, const char *host,
		    void (*done)(void *context, const struct address *addresses, size_t n, const char *error),
		    void *context, struct resolver_lookup **ret)
{
	struct resolver_lookup *l;
	const int error = new_lookup(r, host, &l);

	if (error < 0)
		return error;
	l->done = done;
	l->context = context;
	const bool is_known = know_host(host, &l->answers[0].set);
	if (!is_known)
		l->error = refusal(r, host);
	l->state = is_known || l->error != NULL ? STATE_FINISHED : STATE_WAITING;
	TAILQ_INSERT_TAIL(l->state == STATE_FINISHED ? &r->finished : &r->urgent, l, link);
	wake(r);
	*ret = l;
	return 0;
}

void resolver_lookup_cancel(struct resolver_lookup *l)
{
	if (l == NULL)
		return;

	struct resolver *r = l->resolver;
	if (l->state == STATE_ASKING)
		leave_flight(l);
	else if (l->state == STATE_FINISHED)
		TAILQ_REMOVE(&r->finished, l, link);
	else
		TAILQ_REMOVE(l->watched != NULL ? &r->background : &r->urgent, l, link);
	release(l);
}

/* --- watched hosts --- */

static int compare_hosts(const void *a, const void *b)
{
	return strcasecmp(a, b);
}

static struct watched *find_watched(struct resolver *r, const char *host)
{
	const char *const *found = tfind(host, &r->hosts_by_name, compare_hosts);

	return found != NULL ? (struct watched *)(*found - offsetof(struct watched, host)) : NULL;
}

static void on_refresh(evutil_socket_t fd, short what, void *arg)
{
	struct watched *w = arg;
	struct resolver *r = w->resolver;

	(void)fd;
	(void)what;
	if (new_lookup(r, w->host, &w->lookup) < 0) {
		refresh_after(w, REFRESH_MIN_S);
		return;
	}
	w->lookup->watched = w;
	TAILQ_INSERT_TAIL(&r->background, w->lookup, link);
	wake(r);
}

static struct watched *add_watched(struct resolver *r, const char *host)
{
	const size_t size = strlen(host) + 1;

	if (r->n_hosts >= RESOLVER_HOSTS_MAX)
		return NULL;
	struct watched *w = calloc(1, sizeof(*w) + size);
	if (w == NULL)
		return NULL;
	memcpy(w->host, host, size);
	if (tsearch(w->host, &r->hosts_by_name, compare_hosts) == NULL) {
		free(w);
		return NULL;
	}
	w->resolver = r;
	evtimer_assign(&w->refresh, r->loop, on_refresh, w);
	LIST_INSERT_HEAD(&r->hosts, w, link);
	r->n_hosts++;
	on_refresh(-1, 0, w);
	return w;
}

static void remove_watched(struct watched *w)
{
	struct resolver *r = w->resolver;

	evtimer_del(&w->refresh);
	resolver_lookup_cancel(w->lookup);
	tdelete(w->host, &r->hosts_by_name, compare_hosts);
	LIST_REMOVE(w, link);
	r->n_hosts--;
	free(w);
}

size_t resolver_watch(struct resolver *r, const char *host, struct address ret[RESOLVER_ADDRESSES_MAX])
{
	struct set known;
	const struct set *set = &known;

	if (!know_host(host, &known)) {
		struct watched *w = find_watched(r, host);
		if (w == NULL && r->n_servers > 0 && is_host_name(host))
			w = add_watched(r, host);
		if (w == NULL)
			return 0;
		w->wanted = true;
		set = &w->set;
	}
	memcpy(ret, set->addresses, set->n * sizeof(*ret));
	return set->n;
}

void resolver_sweep_begin(struct resolver *r)
{
	struct watched *w;

	LIST_FOREACH(w, &r->hosts, link)
	w->wanted = false;
}

void resolver_sweep_end(struct resolver *r)
{
	struct watched *next;

	for (struct watched *w = LIST_FIRST(&r->hosts); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (!w->wanted)
			remove_watched(w);
	}
}

/* --- c-ares on the loop --- */

/* Last thing: c-ares may close the socket, and then the io is gone. */
static void on_io(evutil_socket_t fd, short what, void *arg)
{
	const struct io *io = arg;

	ares_process_fd(io->resolver->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
			(what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static struct io *find_io(struct resolver *r, ares_socket_t fd)
{
	struct io *io;

	LIST_FOREACH(io, &r->ios, link)
	{
		if (io->fd == fd)
			return io;
	}
	return NULL;
}

static void remove_io(struct io *io)
{
	event_del(&io->event);
	LIST_REMOVE(io, link);
	free(io);
}

/* c-ares tells that a socket is done (neither readable nor writable wanted) before it closes it. Without
 * memory the socket is not listened to, and its queries time out. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct io *io = find_io(r, fd);

	if (!readable && !writable) {
		if (io != NULL)
			remove_io(io);
		return;
	}
	if (io == NULL) {
		io = calloc(1, sizeof(*io));
		if (io == NULL)
			return;
		io->resolver = r;
		io->fd = fd;
		LIST_INSERT_HEAD(&r->ios, io, link);
	} else {
		event_del(&io->event);
	}
	event_assign(&io->event, r->loop, fd,
		     (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST), on_io, io);
	event_add(&io->event, NULL);
}

/* The servers c-ares can ask: it has no room for the interface of a link-local address. */
static size_t fill_servers(const struct endpoint *servers, size_t n, struct ares_addr_port_node *nodes)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const struct endpoint *e = &servers[i];
		struct ares_addr_port_node *node = &nodes[used];

		if (e->at.generic.sa_family == AF_INET6 && e->at.ip6.sin6_scope_id != 0)
			continue;
		node->family = e->at.generic.sa_family;
		if (node->family == AF_INET)
			node->addr.addr4 = e->at.ip4.sin_addr;
		else
			memcpy(&node->addr.addr6, &e->at.ip6.sin6_addr, sizeof(node->addr.addr6));
		node->udp_port = node->tcp_port = endpoint_port(e);
		if (used > 0)
			nodes[used - 1].next = node;
		used++;
	}
	return used;
}

/* All seven options: if one is left out, c-ares opens /etc/resolv.conf, where we stand ourselves. */
static int open_channel(struct resolver *r)
{
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = TRY_MS,
		.tries = TRIES,
		.ndots = 1,
		.lookups = (char[]){ "b" },
		.sock_state_cb = on_socket,
		.sock_state_cb_data = r,
	};
	const int mask = ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_NDOTS |
			 ARES_OPT_SORTLIST | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_FLAGS |
			 ARES_OPT_SOCK_STATE_CB;

	return ares_init_options(&r->channel, &o, mask) == ARES_SUCCESS ? 0 : -ENOMEM;
}

static int set_servers(struct resolver *r, const struct endpoint *servers, size_t n)
{
	if (n == 0)
		return 0;
	struct ares_addr_port_node *nodes = calloc(n, sizeof(*nodes));
	if (nodes == NULL)
		return -ENOMEM;

	r->n_servers = fill_servers(servers, n, nodes);
	const int status = r->n_servers > 0 ? ares_set_servers_ports(r->channel, nodes) : ARES_SUCCESS;
	free(nodes);
	return status == ARES_SUCCESS ? 0 : -ENOMEM;
}

int resolver_create(struct event_base *loop, const struct endpoint *servers, size_t n,
		    void (*changed)(void *context, const char *host), void *context, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->loop = loop;
	r->changed = changed;
	r->context = context;
	random_seed(&r->random);
	TAILQ_INIT(&r->urgent);
	TAILQ_INIT(&r->background);
	TAILQ_INIT(&r->asking);
	TAILQ_INIT(&r->finished);
	evtimer_assign(&r->work, loop, on_work, r);
	evtimer_assign(&r->tick, loop, on_tick, r);

	ares_library_init(ARES_LIB_INIT_ALL);
	int error = open_channel(r);
	if (error == 0)
		error = set_servers(r, servers, n);
	if (error < 0) {
		resolver_destroy(r);
		return error;
	}
	*ret = r;
	return 0;
}

/* c-ares cannot change its servers while it asks them: a new channel takes over, and what the old one owes
 * comes back as failed, to be asked again. */
int resolver_reload(struct resolver *r, const struct endpoint *servers, size_t n)
{
	const ares_channel old = r->channel;
	const size_t n_old = r->n_servers;
	int error = open_channel(r);

	if (error == 0) {
		r->n_servers = 0;
		error = set_servers(r, servers, n);
		if (error < 0)
			ares_destroy(r->channel);
	}
	if (error < 0) {
		r->channel = old;
		r->n_servers = n_old;
		return error;
	}
	ares_destroy(old);
	return 0;
}

static void cancel_all(struct lookups *lookups)
{
	while (!TAILQ_EMPTY(lookups))
		resolver_lookup_cancel(TAILQ_FIRST(lookups));
}

void resolver_destroy(struct resolver *r)
{
	if (r == NULL)
		return;

	while (!LIST_EMPTY(&r->hosts))
		remove_watched(LIST_FIRST(&r->hosts));
	cancel_all(&r->urgent);
	cancel_all(&r->asking);
	cancel_all(&r->finished);
	if (r->channel != NULL)
		ares_destroy(
			r->channel); /* calls on_answer() for all it owes, on_socket() for all it closes */
	while (!LIST_EMPTY(&r->ios))
		remove_io(LIST_FIRST(&r->ios));
	ares_library_cleanup();
	event_del(&r->work);
	event_del(&r->tick);
	free(r);
}

/* --- resolv.conf --- */

/* Whether nobody but this host has that address: only then can a socket be bound to it. */
static bool is_local(const struct endpoint *e)
{
	struct endpoint any_port = *e;
	const int fd = socket(e->at.generic.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	if (e->at.generic.sa_family == AF_INET)
		any_port.at.ip4.sin_port = 0;
	else
		any_port.at.ip6.sin6_port = 0;
	const bool bound = bind(fd, &any_port.at.generic, any_port.len) == 0;
	close(fd);
	return bound;
}

static bool is_wildcard(const struct endpoint *e)
{
	static const uint8_t zeroes[16];
	struct address a;

	endpoint_to_address(e, &a);
	return memcmp(a.octets, zeroes, sizeof(zeroes)) == 0;
}

/* Whether a question to that server can come back to us. Linux takes the wildcard for this host. */
static bool is_own(const struct endpoint *server, const struct endpoint *own, size_t n_own)
{
	for (size_t i = 0; i < n_own; i++) {
		if (endpoint_port(server) != endpoint_port(&own[i]))
			continue;
		if (endpoint_equal(server, &own[i]) || is_wildcard(server) ||
		    (is_wildcard(&own[i]) && is_local(server)))
			return true;
	}
	return false;
}

/* Reads one line as libcs do: the keyword in the first column, then blanks, then one address and nothing we
 * would care for. */
static bool read_nameserver(const char *line, struct endpoint *ret)
{
	static const char keyword[] = "nameserver";
	char word[ADDRESS_TEXT_MAX + 20]; /* and an interface's name */
	struct hostport parts;

	if (strncmp(line, keyword, sizeof(keyword) - 1) != 0)
		return false;
	line += sizeof(keyword) - 1;
	const size_t blanks = strspn(line, " \t");
	line += blanks;
	const size_t len = strcspn(line, " \t\r\n#;");
	if (blanks == 0 || len == 0 || len >= sizeof(word))
		return false;
	memcpy(word, line, len);
	word[len] = '\0';
	return hostport_from_text(word, len, &parts) && parts.port == 0 && endpoint_from_text(word, 53, ret);
}

size_t resolver_read_resolv_conf(const char *path, const struct endpoint *own, size_t n_own,
				 struct endpoint *ret, size_t max)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	char line[1024];
	size_t n = 0, read = 0;

	if (file == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (n < max && read < RESOLV_CONF_MAX && fgets(line, sizeof(line), file) != NULL) {
		struct endpoint server;

		read += strlen(line) + 1;
		if (read_nameserver(line, &server) && !is_own(&server, own, n_own))
			ret[n++] = server;
	}
	fclose(file);
	return n;
}
