/* SPDX-License-Identifier: BSD-2-Clause */
/* phonebookd: reads, binds, drops rights, starts the planes, runs, and stops them in mirror order. */
#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "descriptors.h"
#include "feed/feeder.h"
#include "privileges.h"
#include "server/sockets.h"
#include "server/worker.h"
#include "systemd.h"
#include "version.h"

static const char default_path[] = PHONEBOOK_CONF_PATH;

struct daemon {
	const char *path;
	struct config *config;
	struct sockets sockets[SERVER_THREADS_MAX];
	struct worker *workers[SERVER_THREADS_MAX];
	unsigned n_workers;
	struct counters *counters; /* of the workers */
	unsigned udp_buffer;       /* octets, of the smallest */
	struct feeder *feeder;
	struct event_base *loop;
	struct event *signals[4], *watchdog, *ready;
	struct inbox ready_call;                  /* only its wake-up is used */
	uint64_t drained[SERVER_THREADS_MAX + 1]; /* of each thread, at the last look */
	bool watched;                             /* there was a last look */
};

static int usage(FILE *out, int status)
{
	fputs("usage: phonebookd [-c FILE] [-t]\n"
	      "\n"
	      "Answers names of services from registries, forwards all other names.\n"
	      "\n"
	      "  -c FILE  the configuration (default: " PHONEBOOK_CONF_PATH ")\n"
	      "  -t       check the configuration and exit: 0 good, 1 not\n"
	      "  -V       show the version and exit\n"
	      "  -h       show this help and exit\n"
	      "\n"
	      "Runs in the foreground and logs to stderr. SIGHUP reads the configuration again, SIGUSR1\n"
	      "asks all registries at once, SIGTERM and SIGINT stop it. phonebookd(8) and phonebook.conf(5) tell the rest.\n",
	      out);
	return status;
}

/* --- configuration --- */

static size_t keep_ip4(struct endpoint *all, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (all[i].at.generic.sa_family == AF_INET)
			all[kept++] = all[i];
	}
	return kept;
}

/* The default names [::1]: a host that has switched IPv6 off shall still have its resolver. */
static void leave_out_ip6(struct config *c)
{
	const size_t n = c->server.n_listen;

	if (sockets_have_ip6())
		return;
	c->server.n_listen = keep_ip4(c->server.listen, n);
	if (c->server.n_listen < n)
		log_event(LOG_WARNING, "event=listen left-out=%zu reason=\"this host has no IPv6\"",
			  n - c->server.n_listen);
}

/* Half of the descriptors are kept for registries and upstreams: clients that connect in crowds must not cut
 * us off from what we are asked for. */
static void fit_clients(struct config *c)
{
	const unsigned limit = descriptors_raise();
	const unsigned fitting = limit / 2 / c->server.threads;

	if (c->server.tcp_clients <= fitting)
		return;
	log_event(
		LOG_WARNING,
		"event=limits tcp-clients=%u used=%u reason=\"only %u descriptors may be open (LimitNOFILE)\"",
		c->server.tcp_clients, fitting, limit);
	c->server.tcp_clients = fitting > 0 ? fitting : 1;
}

/* What the host does not have or allow. */
static void fit_to_host(struct config *c)
{
	leave_out_ip6(c);
	fit_clients(c);
}

static bool same_server(const struct config *a, const struct config *b)
{
	bool same = a->server.n_listen == b->server.n_listen && a->server.threads == b->server.threads &&
		    a->server.tcp_clients == b->server.tcp_clients &&
		    a->server.tcp_idle_ms == b->server.tcp_idle_ms &&
		    a->server.hold_queries == b->server.hold_queries && a->forward.jobs == b->forward.jobs &&
		    strcmp(a->user, b->user) == 0;

	for (size_t i = 0; same && i < a->server.n_listen; i++)
		same = endpoint_equal(&a->server.listen[i], &b->server.listen[i]);
	return same;
}

/* Every line of a report as an event. */
static void log_report(char *report)
{
	struct log_value v;

	for (char *rest = report, *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (line[0] != '\0')
			log_event(LOG_ERROR, "event=reload error=%s", log_quote(&v, line));
	}
}

static int read_config(const char *path, struct config **ret)
{
	char *report = NULL;
	size_t len = 0;
	FILE *errors = open_memstream(&report, &len);

	if (errors == NULL)
		return -ENOMEM;
	const int r = config_read(path, errors, ret);
	fclose(errors);
	if (r == 0)
		fit_to_host(*ret);
	else
		log_report(report);
	free(report);
	return r;
}

/* The feeding plane is told where we do listen, which a reload does not change and socket activation may have
 * decided. */
static int tell_listeners(const struct server_options *running, struct feed_options *feed)
{
	struct endpoint *copy = arena_alloc(&feed->arena, (running->n_listen + 1) * sizeof(*copy));

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, running->listen, running->n_listen * sizeof(*copy));
	feed->listen = copy;
	feed->n_listen = running->n_listen;
	return 0;
}

/* --- reload --- */

/* The configuration has been checked against its own listeners, which are not the running ones if they
 * changed. */
static bool forwards_to_itself(const struct server_options *running, const struct forward_options *forward)
{
	for (size_t i = 0; i < running->n_listen; i++) {
		for (size_t u = 0; u < forward->n_upstreams; u++) {
			if (endpoint_equal(&running->listen[i], &forward->upstreams[u]))
				return true;
		}
	}
	return false;
}

static int use_config(struct daemon *d, struct config *new)
{
	const struct server_options *running = &d->config->server;

	if (forwards_to_itself(running, &new->forward)) {
		log_event(LOG_ERROR, "event=reload error=\"an upstream is an address we still listen on\"");
		return -EINVAL;
	}
	if (tell_listeners(running, new->feed) != 0)
		return -ENOMEM;
	log_set_level(new->log_level);
	for (unsigned i = 0; i < d->n_workers; i++)
		worker_reload(d->workers[i], &new->server, &new->forward);
	feeder_reload(d->feeder, new->feed);
	new->feed = NULL;
	return 0;
}

static void on_hangup(evutil_socket_t signal, short what, void *arg)
{
	struct daemon *d = arg;
	struct config *new;

	(void)signal;
	(void)what;
	systemd_notify_reloading();
	int r = read_config(d->path, &new);
	if (r == 0) {
		if (!same_server(d->config, new))
			log_event(LOG_WARNING,
				  "event=reload note=\"listen, threads, user, tcp-clients, tcp-idle, "
				  "hold-queries and forward-jobs take effect at the next start\"");
		r = use_config(d, new);
		config_destroy(new); /* the serving threads borrow the server options of the first one */
	}
	if (r == 0)
		log_event(LOG_INFO, "event=reload result=taken");
	else
		log_event(LOG_ERROR, "event=reload result=refused keep=\"the configuration before\"");
	systemd_notify("READY=1");
}

/* --- run --- */

static void on_refresh(evutil_socket_t signal, short what, void *arg)
{
	struct daemon *d = arg;

	(void)signal;
	(void)what;
	log_event(LOG_INFO, "event=refresh");
	feeder_refresh(d->feeder);
}

static void on_stop(evutil_socket_t signal, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	log_event(LOG_INFO, "event=stop signal=%s", strsignal((int)signal));
	event_base_loopbreak(d->loop);
}

/* Whether a thread has turned since it was woken at the last look; wakes it for the next one. */
static bool is_turning(struct inbox *in, uint64_t *last)
{
	const uint64_t drained = inbox_drained(in);
	const bool turning = drained != *last;

	*last = drained;
	inbox_wake(in);
	return turning;
}

/* A thread that hangs is what the watchdog is for: main's own loop would turn for ever. */
static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	bool turning = is_turning(feeder_inbox(d->feeder), &d->drained[SERVER_THREADS_MAX]);

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < d->n_workers; i++)
		turning = is_turning(worker_inbox(d->workers[i]), &d->drained[i]) && turning;
	if (turning || !d->watched)
		systemd_notify("WATCHDOG=1");
	else
		log_event(LOG_ERROR, "event=watchdog error=\"a thread hangs\"");
	d->watched = true;
}

/* On the feeder's thread. */
static void call_ready(void *context)
{
	inbox_wake(context);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	inbox_drain(&d->ready_call);
	log_event(LOG_INFO, "event=ready");
	systemd_notify("READY=1");
}

static int create_events(struct daemon *d)
{
	static const int stop_signals[] = { SIGTERM, SIGINT };
	const uint64_t watchdog_ms = systemd_watchdog_ms();
	const struct timeval period = clock_timeval(watchdog_ms);

	d->loop = event_base_new();
	if (d->loop == NULL || inbox_init(&d->ready_call) != 0)
		return -ENOMEM;
	d->signals[0] = evsignal_new(d->loop, SIGHUP, on_hangup, d);
	for (size_t i = 0; i < 2; i++)
		d->signals[1 + i] = evsignal_new(d->loop, stop_signals[i], on_stop, d);
	d->signals[3] = evsignal_new(d->loop, SIGUSR1, on_refresh, d);
	d->ready = event_new(d->loop, d->ready_call.wakeup, EV_READ | EV_PERSIST, on_ready, d);
	d->watchdog = event_new(d->loop, -1, EV_PERSIST, on_watchdog, d);
	for (size_t i = 0; i < 4; i++) {
		if (d->signals[i] == NULL || event_add(d->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	if (d->ready == NULL || d->watchdog == NULL || event_add(d->ready, NULL) < 0 ||
	    (watchdog_ms > 0 && event_add(d->watchdog, &period) < 0))
		return -ENOMEM;
	return 0;
}

static int open_sockets(struct daemon *d)
{
	struct systemd_socket passed[2 * SERVER_LISTEN_MAX];
	int fds[2 * SERVER_LISTEN_MAX];
	const struct endpoint *failed = NULL;
	char text[ENDPOINT_TEXT_MAX];
	const int n = systemd_listen_fds(passed, 2 * SERVER_LISTEN_MAX);
	int r = n < 0 ? n : 0;

	d->n_workers = n > 0 ? 1 : d->config->server.threads; /* what is passed in is one set of sockets */
	for (int i = 0; i < n; i++)
		fds[i] = passed[i].fd;
	if (n == 0 && d->config->server.n_listen == 0) {
		log_event(LOG_ERROR, "event=listen error=\"no address left to listen on\"");
		return -EADDRNOTAVAIL;
	}
	if (r == 0 && n > 0)
		r = sockets_adopt(fds, (size_t)n, &d->sockets[0], &d->config->server);
	else if (r == 0)
		r = sockets_open(&d->config->server, d->sockets, d->n_workers, &failed);
	if (r != 0)
		log_event(LOG_ERROR, "event=listen address=%s error=\"%s\"%s",
			  failed != NULL ? endpoint_to_text(failed, text) : "passed-in", strerror(-r),
			  r == -EADDRINUSE
				  ? " hint=\"another program has it: ss -lnup and ss -lntp show which\""
			  : r == -EACCES ? " hint=\"ports below 1024 need root or CAP_NET_BIND_SERVICE\""
					 : "");
	return r;
}

static int create_planes(struct daemon *d)
{
	struct inbox *inboxes[SERVER_THREADS_MAX];
	struct feed_options *feed = d->config->feed;
	int r = 0;

	d->counters = counters_create(d->n_workers);
	if (d->counters == NULL)
		r = -ENOMEM;
	for (unsigned i = 0; r == 0 && i < d->n_workers; i++) {
		r = worker_create(&d->config->server, &d->config->forward, &d->sockets[i], d->counters, i,
				  &d->workers[i]);
		if (r == 0)
			inboxes[i] = worker_inbox(d->workers[i]);
	}
	if (r == 0)
		r = tell_listeners(&d->config->server, feed);
	if (r == 0) {
		d->config->feed = NULL;
		r = feeder_create(feed, inboxes, d->n_workers, &d->feeder);
	}
	if (r == -ENAMETOOLONG)
		log_event(LOG_ERROR,
			  "event=start error=\"a zone's name is too long to have names below it\"");
	else if (r != 0)
		log_event(LOG_ERROR, "event=start error=\"%s\"", strerror(-r));
	return r;
}

static int start_planes(struct daemon *d)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < d->n_workers; i++)
		r = worker_start(d->workers[i]);
	if (r == 0)
		r = feeder_start(d->feeder, call_ready, &d->ready_call);
	if (r != 0)
		log_event(LOG_ERROR, "event=start error=\"%s\"", strerror(-r));
	return r;
}

static int start(struct daemon *d)
{
	char error[PRIVILEGES_ERROR_MAX], text[ENDPOINT_TEXT_MAX];
	struct log_value v;
	int r = open_sockets(d);

	d->udp_buffer = sockets_buffer(&d->sockets[0]); /* the other threads have the same */
	if (r == 0 && (r = privileges_drop(d->config->user, error)) != 0)
		log_event(LOG_ERROR, "event=start error=%s", log_quote(&v, error));
	if (r == 0)
		r = create_events(d);
	if (r == 0)
		r = create_planes(d);
	if (r == 0)
		r = start_planes(d);
	for (size_t i = 0; r == 0 && i < d->config->server.n_listen; i++)
		log_event(LOG_INFO, "event=listen address=%s udp-buffer=%u",
			  endpoint_to_text(&d->config->server.listen[i], text), d->udp_buffer);
	return r;
}

static void stop(struct daemon *d)
{
	struct event *events[] = { d->signals[0], d->signals[1], d->signals[2],
				   d->signals[3], d->watchdog,   d->ready };

	systemd_notify("STOPPING=1");
	for (unsigned i = 0; i < d->n_workers; i++) {
		if (d->workers[i] != NULL)
			worker_stop(d->workers[i]);
	}
	for (unsigned i = 0; i < d->n_workers; i++)
		worker_join(d->workers[i]);
	feeder_destroy(d->feeder); /* it looks into the inboxes of the workers to the last */
	for (unsigned i = 0; i < d->n_workers; i++)
		worker_destroy(d->workers[i]);
	counters_destroy(d->counters);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i] != NULL)
			event_free(events[i]);
	}
	if (d->loop != NULL) {
		event_base_free(d->loop);
		inbox_finish(&d->ready_call);
	}
	for (unsigned i = 0; i < d->n_workers; i++)
		sockets_close(&d->sockets[i]); /* those no worker has taken over */
	config_destroy(d->config);
}

static int run(const char *path)
{
	static struct daemon d;

	d.path = path;
	if (config_read(path, stderr, &d.config) != 0)
		return 1;
	log_set_level(d.config->log_level);
	fit_to_host(d.config);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is a full disk, and no end */
#ifdef __GLIBC__
	/* Without this line the first large list that is freed teaches malloc() to keep the next one. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
	const int r = start(&d);
	if (r == 0)
		event_base_dispatch(d.loop);
	stop(&d);
	return r == 0 ? 0 : 1;
}

static int check(const char *path)
{
	if (config_check(path, stderr) != 0)
		return 1;
	printf("%s: good\n", path);
	return 0;
}

int main(int argc, char **argv)
{
	const char *path = default_path;
	bool only_check = false;

	for (int option; (option = getopt(argc, argv, "c:tVh")) != -1;) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 't':
			only_check = true;
			break;
		case 'V':
			puts("phonebookd " PHONEBOOK_VERSION);
			return 0;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, 2);
		}
	}
	if (optind < argc)
		return usage(stderr, 2);
	return only_check ? check(path) : run(path);
}
