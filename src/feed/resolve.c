/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/resolve.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "feed/answers.h"
#include "feed/hosts.h"
#include "feed/places.h"

enum {
	TRY_MS = 1000,    /* one server's time; the second round doubles it */
	TRIES = 2,        /* with 1 a server that closes a TCP connection fails all UDP queries too */
	LOOKUP_MS = 4000, /* two tries at one server, one each at three; then somebody must be told */
	KNOWN_MS = 250, /* several round trips: time left for the request itself, whose addresses are known */
	OTHER_FAMILY_MS = 300, /* having one family, do not wait out a server that drops the other */
	TICK_MS = 50,          /* c-ares' own next timeout costs a walk over all queries to ask for */
	IN_FLIGHT_MAX = 64,    /* 10,000 watched hosts must not come as one burst */
	BACKGROUND_MAX = 48,   /* so that a registry's own host always finds room beside them */
	HOST_MAX = 254,        /* 253 and the final dot (RFC 1035 section 2.3.4) */
};

/* What c-ares hands back. */
struct asked {
	struct resolver_lookup *lookup;
	struct answer *answer;
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
	/* Asked for once, or in the background, to refresh what is known: the other one is NULL. */
	void (*done)(void *context, const struct address *addresses, size_t n, const char *error);
	void (*told)(void *context, const struct answers *answers);
	void *context;
	uint64_t deadline_ms;
	unsigned owed;     /* callbacks c-ares still owes */
	const char *error; /* known without asking */
	struct asked asked[FAMILIES];
	struct answers answers;
	char host[];
};

TAILQ_HEAD(lookups, resolver_lookup);

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
	struct endpoint *servers; /* as given */
	size_t n_given, n_servers;
	LIST_HEAD(, io) ios;

	struct lookups urgent, background, asking, finished;
	unsigned in_flight, background_in_flight;
	unsigned owed; /* callbacks c-ares owes in all: while there are any, it needs the tick */
	struct event work, tick;

	struct hosts hosts;
	struct places known; /* the hosts looked up once, for when the servers are silent */
};

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
	r->background_in_flight -= l->told != NULL;
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
	int ttl_s = INT_MAX;

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
			addresses_add(&answer->addresses, &a);
		ttl_s = node->ai_ttl < ttl_s ? node->ai_ttl : ttl_s;
	}
	answer->ttl_s = ttl_s > 0 ? (unsigned)ttl_s : 0;
	answer->outcome = answer->addresses.n > 0 ? OUTCOME_FOUND : OUTCOME_NO_DATA;
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

/* The addresses to use, and for the lookups to come. */
static void remember(const struct resolver_lookup *l, struct addresses *ret)
{
	struct places *known = &l->resolver->known;
	struct addresses old;

	old.n = places_recall(known, l->host, old.at);
	answers_update(&l->answers, &old, ret);
	places_note(known, l->host, ret->at, ret->n, clock_ms());
}

/* A late answer is still news: servers that are slower than KNOWN_MS are heard in the next lookup. */
static void let_go(struct resolver_lookup *l)
{
	struct addresses news;

	if (l->told == NULL)
		remember(l, &news);
	free(l);
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	const struct asked *asked = arg;
	struct resolver_lookup *l = asked->lookup;

	(void)timeouts;
	l->owed--;
	l->resolver->owed--;
	if (l->state == STATE_ASKING || l->state == STATE_ABANDONED)
		read_answer(asked->answer, status, info);
	if (l->state == STATE_ASKING) {
		if (l->owed == 0)
			finish(l);
		else if (asked->answer->outcome == OUTCOME_FOUND && l->told == NULL &&
			 l->deadline_ms > clock_ms() + OTHER_FAMILY_MS)
			l->deadline_ms = clock_ms() + OTHER_FAMILY_MS;
	} else if (l->state == STATE_ABANDONED && l->owed == 0) {
		let_go(l);
	}
	if (info != NULL)
		ares_freeaddrinfo(info);
}

static void tick_soon(struct resolver *r)
{
	const struct timeval tick = clock_timeval(TICK_MS);

	evtimer_add(&r->tick, &tick);
}

static uint64_t patience_ms(const struct resolver_lookup *l)
{
	struct address known[RESOLVER_ADDRESSES_MAX];

	return l->told == NULL && places_recall(&l->resolver->known, l->host, known) > 0 ? KNOWN_MS
											 : LOOKUP_MS;
}

static void ask(struct resolver_lookup *l)
{
	static const int families[FAMILIES] = { AF_INET, AF_INET6 };
	struct resolver *r = l->resolver;

	l->state = STATE_ASKING;
	l->deadline_ms = clock_ms() + patience_ms(l);
	TAILQ_INSERT_TAIL(&r->asking, l, link);
	r->in_flight++;
	r->background_in_flight += l->told != NULL;
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

		l->asked[i] = (struct asked){ .lookup = l, .answer = &l->answers.of[i] };
		ares_getaddrinfo(r->channel, l->host, NULL, &hints, on_answer, &l->asked[i]);
	}
	if (r->owed > 0 && !evtimer_pending(&r->tick, NULL))
		tick_soon(r);
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
		tick_soon(r);
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
	if (answers_any(a, OUTCOME_NONE) || failed->status == ARES_ETIMEOUT)
		return "no answer from the name servers";
	if (!answers_any(a, OUTCOME_FAILED))
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
	struct addresses found = { 0 };

	if (l->error == NULL)
		remember(l, &found);
	release(l);
	done(context, found.at, found.n, found.n > 0 ? NULL : error);
}

static void deliver_refresh(struct resolver_lookup *l)
{
	void (*const told)(void *, const struct answers *) = l->told;
	void *const context = l->context;
	const struct answers answers = l->answers;

	release(l);
	told(context, &answers);
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
	if (l->told != NULL)
		deliver_refresh(l);
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
	const bool is_known = addresses_of_known_host(host, &l->answers.of[0].addresses);
	if (!is_known)
		l->error = refusal(r, host);
	l->state = is_known || l->error != NULL ? STATE_FINISHED : STATE_WAITING;
	TAILQ_INSERT_TAIL(l->state == STATE_FINISHED ? &r->finished : &r->urgent, l, link);
	wake(r);
	*ret = l;
	return 0;
}

int resolver_refresh(struct resolver *r, const char *host,
		     void (*told)(void *context, const struct answers *answers), void *context,
		     struct resolver_lookup **ret)
{
	struct resolver_lookup *l;
	const int error = new_lookup(r, host, &l);

	if (error < 0)
		return error;
	l->told = told;
	l->context = context;
	TAILQ_INSERT_TAIL(&r->background, l, link);
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
		TAILQ_REMOVE(l->told != NULL ? &r->background : &r->urgent, l, link);
	release(l);
}

/* --- watched hosts --- */

size_t resolver_watch(struct resolver *r, const char *host, struct address ret[RESOLVER_ADDRESSES_MAX])
{
	struct addresses known;
	const struct addresses *found = &known;

	if (!addresses_of_known_host(host, &known))
		found = hosts_watch(&r->hosts, host, r->n_servers > 0 && is_host_name(host));
	if (found == NULL)
		return 0;
	memcpy(ret, found->at, found->n * sizeof(*ret));
	return found->n;
}

void resolver_sweep_begin(struct resolver *r)
{
	hosts_sweep_begin(&r->hosts);
}

void resolver_sweep_end(struct resolver *r)
{
	hosts_sweep_end(&r->hosts);
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

static bool has_servers(const struct resolver *r, const struct endpoint *servers, size_t n)
{
	for (size_t i = 0; n == r->n_given && i < n; i++) {
		if (!endpoint_equal(&r->servers[i], &servers[i]))
			return false;
	}
	return n == r->n_given;
}

/* Those given, for has_servers(). */
static int note_servers(struct resolver *r, const struct endpoint *servers, size_t n)
{
	struct endpoint *copy = calloc(n + 1, sizeof(*copy));

	if (copy == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		copy[i] = servers[i];
	free(r->servers);
	r->servers = copy;
	r->n_given = n;
	return 0;
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
		    void (*changed)(void *context), void *context, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->loop = loop;
	hosts_init(&r->hosts, loop, r, changed, context);
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
	if (error == 0)
		error = note_servers(r, servers, n);
	if (error < 0) {
		resolver_destroy(r);
		return error;
	}
	*ret = r;
	return 0;
}

/* c-ares cannot change its servers while it asks them: a new channel takes over, and what the old one owes
 * comes back as failed, to be asked again. */
static int change_channel(struct resolver *r, const struct endpoint *servers, size_t n)
{
	const ares_channel old = r->channel;
	const size_t n_old = r->n_servers;
	int error = open_channel(r);

	if (error == 0) {
		r->n_servers = 0;
		error = set_servers(r, servers, n);
		if (error == 0)
			error = note_servers(r, servers, n);
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

/* The same servers have nothing new to say: a fleet that is reloaded at once must not ask at once. */
int resolver_reload(struct resolver *r, const struct endpoint *servers, size_t n)
{
	const bool same = has_servers(r, servers, n);
	const int error = change_channel(r, servers, n);

	if (error == 0 && !same)
		hosts_refresh(&r->hosts);
	return error;
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

	hosts_finish(&r->hosts);
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
	free(r->servers);
	free(r);
}
