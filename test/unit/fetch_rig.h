/* SPDX-License-Identifier: BSD-2-Clause */
/* unit/fetch_rig.h -- what the tests of these share: check_fetch check_fetch_misbehaviour check_fetch_request
 * check_fetch_connection check_fetch_end check_fetch_tls */
#ifndef PHONEBOOK_TEST_FETCH_RIG_H
#define PHONEBOOK_TEST_FETCH_RIG_H

#include "feed/fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_dns.h"
#include "fake_registry.h"
#include "feed/resolve.h"
#include "harness.h"

enum { LIMIT_MS = 8000, MAX_SIZE = 4194304, PARALLEL = 120 };

extern struct event_base *loop;
extern struct resolver *resolver;
extern struct fetcher *fetcher;
extern struct fake_registry *registry;
extern struct fake_dns *dns;
extern char *dir;

extern struct http_options http; /* of the next request; set_up() makes it ask the registry */
extern struct fetch_request request;
extern const char *asked; /* if it is not http.url */
extern char url[512], path_a[512], path_b[512], path_c[512];

/* A result that outlives its call. */
struct got {
	unsigned calls;
	int error, status;
	char error_text[512], body[2000], content_type[100], etag[100], last_modified[100];
	char index[100], cache[100];
	bool cached;
	size_t len, n_headers;
	uint64_t pause_ms;
};

extern struct got got[PARALLEL];

void copy(char *to, size_t size, const char *from);

void on_done(void *context, const struct fetch_result *result, uint64_t pause_ms);

void run_loop(uint64_t ms);

struct fetch *start(struct got *g);

bool wait_for(const struct got *g);

/* Runs one request to its end. */
const struct got *get(void);

void assert_body(const char *body);

void assert_error(int error, const char *text);

void point_at(const char *base);

void point_at_name(const char *scheme, const char *name);

const char *path_of(char *room, const char *name);

void assert_head_has(const char *text, bool has);

void set_up(void);

void tear_down(void);

void restart_registry(const struct fake_registry_options *o);

/* A registry with a certificate for registry.corp and 127.0.0.1, and no other authority to trust. */
void set_up_tls(void);

#endif
