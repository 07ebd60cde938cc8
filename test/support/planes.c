/* SPDX-License-Identifier: BSD-2-Clause */
#include "planes.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "client.h"
#include "config/config.h"
#include "harness.h"
#include "server/sockets.h"
#include "server/worker.h"

enum { PORT_TRIES = 20, TEXT_MAX = 1 << 20, LOG_MAX = 1 << 20 };

struct planes {
	uint16_t port;
	struct config *config;
	struct sockets sockets[SERVER_THREADS_MAX];
	struct worker *workers[SERVER_THREADS_MAX];
	unsigned n_workers;
	struct counters *counters;
	struct feeder *feeder;
	atomic_bool ready;
};

/* --- configuration --- */

/* A test keeps nothing on the disk unless it says where. */
static void write_config(const char *dir, const char *text)
{
	char *all;

	ck_assert_int_gt(
		asprintf(&all, "%s%s", strstr(text, "state-dir") == NULL ? "state-dir = \"\"\n" : "", text),
		0);
	harness_write_file(dir, "phonebook.conf", all);
	free(all);
}

struct config *planes_read_config(const char *text)
{
	char *dir = harness_make_dir(), path[128], *report = NULL;
	size_t len = 0;
	FILE *errors = open_memstream(&report, &len);
	struct config *config = NULL;

	write_config(dir, text);
	snprintf(path, sizeof(path), "%s/phonebook.conf", dir);
	const int r = config_read(path, errors, &config);
	fclose(errors);
	harness_remove_dir(dir);
	ck_assert_msg(r == 0, "%s\n%s", report, text);
	free(report);
	return config;
}

__attribute__((format(printf, 2, 0))) static struct config *read_config(uint16_t port, const char *format,
									va_list values)
{
	static char text[TEXT_MAX];
	int len = snprintf(text, sizeof(text), "listen = { \"127.0.0.1:%u\" }\nuser = \"\"\n", port);

	len += vsnprintf(text + len, sizeof(text) - (size_t)len, format, values);
	ck_assert_int_lt(len, TEXT_MAX);
	return planes_read_config(text);
}

/* --- life --- */

static void set_ready(void *context)
{
	struct planes *p = context;

	ck_assert_msg(!p->ready, "ready() was called twice");
	p->ready = true;
}

static void close_sockets(struct planes *p)
{
	for (unsigned i = 0; i < p->n_workers; i++)
		sockets_close(&p->sockets[i]);
}

/* Between its finding and our binding somebody else can take a free port. */
__attribute__((format(printf, 2, 0))) static void open_sockets(struct planes *p, const char *format,
							       va_list values)
{
	const struct endpoint *failed;
	int r = -EADDRINUSE;

	for (int i = 0; i < PORT_TRIES && r == -EADDRINUSE; i++) {
		va_list again;

		va_copy(again, values);
		config_destroy(p->config);
		p->port = harness_free_port();
		p->config = read_config(p->port, format, again);
		p->n_workers = p->config->server.threads;
		r = sockets_open(&p->config->server, p->sockets, p->n_workers, &failed);
		if (r != 0)
			close_sockets(p);
		va_end(again);
	}
	ck_assert_int_eq(r, 0);
}

struct planes *planes_start(const char *format, ...)
{
	struct inbox *inboxes[SERVER_THREADS_MAX];
	struct planes *p = calloc(1, sizeof(*p));
	va_list values;

	ck_assert_ptr_nonnull(p);
	signal(SIGPIPE, SIG_IGN);
	va_start(values, format);
	open_sockets(p, format, values);
	va_end(values);
	log_set_level(p->config->log_level);

	p->counters = counters_create(p->n_workers);
	ck_assert_ptr_nonnull(p->counters);
	for (unsigned i = 0; i < p->n_workers; i++) {
		ck_assert_int_eq(worker_create(&p->config->server, &p->config->forward, &p->sockets[i],
					       p->counters, i, &p->workers[i]),
				 0);
		inboxes[i] = worker_inbox(p->workers[i]);
	}
	struct feed_options *feed = p->config->feed;
	p->config->feed = NULL;
	ck_assert_int_eq(feeder_create(feed, inboxes, p->n_workers, &p->feeder), 0);
	for (unsigned i = 0; i < p->n_workers; i++)
		ck_assert_int_eq(worker_start(p->workers[i]), 0);
	ck_assert_int_eq(feeder_start(p->feeder, set_ready, p), 0);
	return p;
}

void planes_refresh(struct planes *p)
{
	feeder_refresh(p->feeder);
}

void planes_reload(struct planes *p, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	struct config *new = read_config(p->port, format, values);
	va_end(values);
	for (unsigned i = 0; i < p->n_workers; i++)
		ck_assert_int_eq(worker_reload(p->workers[i], &new->server, &new->forward), 0);
	feeder_reload(p->feeder, new->feed);
	new->feed = NULL;
	config_destroy(new);
}

uint64_t planes_stop(struct planes *p)
{
	const uint64_t start_ms = clock_ms();

	if (p == NULL)
		return 0;
	for (unsigned i = 0; i < p->n_workers; i++)
		worker_stop(p->workers[i]);
	for (unsigned i = 0; i < p->n_workers; i++)
		worker_join(p->workers[i]);
	feeder_destroy(p->feeder);
	for (unsigned i = 0; i < p->n_workers; i++)
		worker_destroy(p->workers[i]);
	counters_destroy(p->counters);
	close_sockets(p);
	config_destroy(p->config);
	free(p);
	return clock_ms() - start_ms;
}

uint16_t planes_port(const struct planes *p)
{
	return p->port;
}

static bool is_ready(void *context)
{
	return ((struct planes *)context)->ready;
}

bool planes_are_ready(struct planes *p)
{
	return harness_wait(is_ready, p, CLIENT_LIMIT_MS);
}

/* --- answers --- */

struct wanted {
	struct planes *planes;
	const char *name, *text;
	char got[1024];
};

static bool is_answered(void *context)
{
	struct wanted *w = context;

	snprintf(w->got, sizeof(w->got), "%s", client_lookup(w->planes->port, w->name));
	return strcmp(w->got, w->text) == 0;
}

void planes_await(struct planes *p, const char *name, const char *text)
{
	struct wanted w = { p, name, text, "" };

	ck_assert_msg(harness_wait(is_answered, &w, CLIENT_LIMIT_MS), "%s is \"%s\" and not \"%s\"", name,
		      w.got, text);
}

void planes_expect(struct planes *p, const char *name, const char *text)
{
	ck_assert_str_eq(client_lookup(p->port, name), text);
}

/* --- _status --- */

const char *planes_status(struct planes *p, const char *registry, const char *key)
{
	static char value[256];
	struct client *c = client_udp(p->port);
	char line[80], field[80];

	snprintf(line, sizeof(line), "\"%s=%s ", registry != NULL ? "registry" : "zone",
		 registry != NULL ? registry : "service.local");
	snprintf(field, sizeof(field), " %s=", key);
	const char *at = client_ask(c, &(struct question){ .name = "_status.service.local", .type = 16 });
	client_close(c);
	at = strstr(at, line);
	if (at != NULL)
		at = strstr(at, field);
	snprintf(value, sizeof(value), "%.*s", at != NULL ? (int)strcspn(at + strlen(field), " \"") : 0,
		 at != NULL ? at + strlen(field) : "");
	return value;
}

struct wanted_status {
	struct planes *planes;
	const char *registry, *key, *value;
	unsigned long n;
};

static bool has_status(void *context)
{
	const struct wanted_status *w = context;
	const char *value = planes_status(w->planes, w->registry, w->key);

	return w->value != NULL ? strcmp(value, w->value) == 0 : strtoul(value, NULL, 10) >= w->n;
}

void planes_await_status(struct planes *p, const char *registry, const char *key, const char *value)
{
	struct wanted_status w = { p, registry, key, value, 0 };

	ck_assert_msg(harness_wait(has_status, &w, CLIENT_LIMIT_MS), "%s of %s is \"%s\" and not \"%s\"", key,
		      registry != NULL ? registry : "the zone", planes_status(p, registry, key), value);
}

void planes_await_count(struct planes *p, const char *registry, const char *key, unsigned long n)
{
	struct wanted_status w = { p, registry, key, NULL, n };

	ck_assert_msg(harness_wait(has_status, &w, CLIENT_LIMIT_MS), "%s of %s is %s and not %lu", key,
		      registry != NULL ? registry : "the zone", planes_status(p, registry, key), n);
}

unsigned long planes_counter(const struct planes *p, enum counter which)
{
	return counters_sum(p->counters, which);
}

struct wanted_counter {
	const struct planes *planes;
	enum counter which;
	unsigned long n;
};

static bool has_counted(void *context)
{
	const struct wanted_counter *w = context;

	return planes_counter(w->planes, w->which) >= w->n;
}

void planes_await_counter(const struct planes *p, enum counter which, unsigned long n)
{
	struct wanted_counter w = { p, which, n };

	ck_assert_msg(harness_wait(has_counted, &w, CLIENT_LIMIT_MS), "%s is %lu and not %lu",
		      counter_name(which), planes_counter(p, which), n);
}

/* --- log --- */

static FILE *captured;
static int terminal = -1;

void log_capture(void)
{
	captured = tmpfile();
	ck_assert_ptr_nonnull(captured);
	terminal = dup(STDERR_FILENO);
	dup2(fileno(captured), STDERR_FILENO);
}

void log_release(void)
{
	dup2(terminal, STDERR_FILENO);
	close(terminal);
	fclose(captured);
}

static const char *read_log(void)
{
	static char text[LOG_MAX];
	const ssize_t n = pread(fileno(captured), text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

static bool has_text(void *text)
{
	return strstr(read_log(), text) != NULL;
}

void log_await(const char *text)
{
	char *copy = strdup(text);

	ck_assert_msg(harness_wait(has_text, copy, CLIENT_LIMIT_MS), "not in the log: %s\n%s", text,
		      read_log());
	free(copy);
}

unsigned log_count(const char *text)
{
	unsigned n = 0;

	for (const char *at = read_log(); (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	return n;
}
