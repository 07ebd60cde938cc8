/* SPDX-License-Identifier: BSD-2-Clause */
/* support/registry_program.c -- the fake registries as a program, for benches and scripts; installed nowhere.
 *
 *   fake-registry consul|kubernetes|http [--port N]
 *
 * Prints the port and a newline, then serves 127.0.0.1 until SIGTERM or SIGINT. What can be changed, by PUT
 * below
 * /_control/, is in fake_http.h, fake_consul.h and fake_kubernetes.h. `http` gives one body for every path,
 * with an ETag, and knows besides: PUT /_control/body          the body to give from now on PUT
 * /_control/mode/MODE     up, failing (500), drop (counts the request, then cuts the connection), hang
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fake_consul.h"
#include "fake_kubernetes.h"
#include "fake_octets.h"

enum body_mode { BODY_UP, BODY_FAILING, BODY_DROP, BODY_HANG };

struct fake_body {
	struct fake_http *http;
	struct fake_octets body;
	uint64_t version;
	enum body_mode mode;
};

static void give_body(struct fake_body *f, struct fake_request *x)
{
	char etag[32], asked[64], headers[128];

	snprintf(etag, sizeof(etag), "\"%llu\"", (unsigned long long)f->version);
	snprintf(headers, sizeof(headers), "Content-Type: application/json\r\nETag: %s\r\n", etag);
	if (fake_request_header(x, "If-None-Match", asked, sizeof(asked)) && strcmp(asked, etag) == 0)
		fake_request_answer(x, 304, headers, "", 0);
	else
		fake_request_answer(x, 200, headers, f->body.at, f->body.len);
}

static void body_request(void *context, struct fake_request *x)
{
	struct fake_body *f = context;

	if (f->mode == BODY_UP)
		give_body(f, x);
	else if (f->mode == BODY_FAILING)
		fake_request_text(x, 500, "failing, as told");
	else if (f->mode == BODY_DROP)
		fake_request_cut(x);
}

static bool set_body_mode(struct fake_body *f, const char *name)
{
	static const char *const names[] = {
		[BODY_UP] = "up", [BODY_FAILING] = "failing", [BODY_DROP] = "drop", [BODY_HANG] = "hang"
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		f->mode = (enum body_mode)i;
		return true;
	}
	return false;
}

static void body_control(void *context, struct fake_request *x)
{
	struct fake_body *f = context;
	const char *mode;

	if (fake_request_below(x, "/_control/mode/", &mode) && set_body_mode(f, mode)) {
		fake_request_json(x, 200, "{}\n");
	} else if (strcmp(x->path, "/_control/body") == 0 && strcmp(x->method, "PUT") == 0) {
		fake_octets_finish(&f->body);
		fake_octets_add(&f->body, x->body, x->body_len);
		const uint64_t now = fake_now_ns();
		fake_request_change(x, &(struct fake_change){ now, now, ++f->version, 0 });
	} else {
		fake_request_text(x, 404, "no such control");
	}
}

static void wait_for_signal(void)
{
	sigset_t set;
	int which;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigwait(&set, &which);
}

static void say_port(struct fake_http *http)
{
	printf("%u\n", fake_http_port(http));
	fflush(stdout);
	wait_for_signal();
}

static void serve_consul(uint16_t port)
{
	struct fake_consul *f = fake_consul_start(port);

	say_port(fake_consul_http(f));
	fake_consul_stop(f);
}

static void serve_kubernetes(uint16_t port)
{
	struct fake_kubernetes *f = fake_kubernetes_start(port);

	say_port(fake_kubernetes_http(f));
	fake_kubernetes_stop(f);
}

static void serve_http(uint16_t port)
{
	static const struct fake_handler handler = { .request = body_request, .control = body_control };
	struct fake_body f = { 0 };

	fake_octets_text(&f.body, "[]");
	fake_http_start(port, &handler, &f, &f.http);
	say_port(f.http);
	fake_http_stop(f.http);
	fake_octets_finish(&f.body);
}

/* A thousand sidecars need more than the 1,024 files of a shell. */
static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*serve)(uint16_t port);
	} kinds[] = { { "consul", serve_consul },
		      { "kubernetes", serve_kubernetes },
		      { "http", serve_http } };
	const bool has_port = argc == 4 && strcmp(argv[2], "--port") == 0;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	allow_many_files();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && (has_port || argc == 2); i++) {
		if (strcmp(argv[1], kinds[i].name) != 0)
			continue;
		kinds[i].serve(has_port ? (uint16_t)atoi(argv[3]) : 0);
		return 0;
	}
	fprintf(stderr, "usage: fake-registry consul|kubernetes|http [--port N]\n");
	return 2;
}
