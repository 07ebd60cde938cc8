/* SPDX-License-Identifier: BSD-2-Clause */
#include "fetch_rig.h"

struct event_base *loop;
struct resolver *resolver;
struct fetcher *fetcher;
struct fake_registry *registry;
struct fake_dns *dns;
char *dir;

struct http_options http; /* of the next request; set_up() makes it ask the registry */
struct fetch_request request;
const char *asked; /* if it is not http.url */
char url[512], path_a[512], path_b[512], path_c[512];

struct got got[PARALLEL];

void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from != NULL ? from : "-");
}

void on_done(void *context, const struct fetch_result *result, uint64_t pause_ms)
{
	struct got *g = context;

	g->calls++;
	ck_assert_str_eq(result->name, asked != NULL ? asked : http.url);
	ck_assert(result->last);
	ck_assert_int_eq(result->error != 0, result->error_text != NULL);
	ck_assert_ptr_nonnull(result->body);
	ck_assert_int_eq(result->body[result->len], '\0');
	g->error = result->error;
	g->status = result->status;
	g->len = result->len;
	g->pause_ms = pause_ms;
	copy(g->error_text, sizeof(g->error_text), result->error_text);
	copy(g->body, sizeof(g->body), result->body);
	copy(g->content_type, sizeof(g->content_type), result->content_type);
	copy(g->etag, sizeof(g->etag), result->etag);
	copy(g->last_modified, sizeof(g->last_modified), result->last_modified);
	copy(g->index, sizeof(g->index), fetch_result_header(result, "x-consul-INDEX"));
	copy(g->cache, sizeof(g->cache), fetch_result_header(result, "X-Cache"));
	g->cached = result->cached;
	g->n_headers = result->n_headers;
}

void run_loop(uint64_t ms)
{
	const uint64_t end = clock_ms() + ms;

	do {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 5000 });
		event_base_loop(loop, EVLOOP_ONCE);
	} while (clock_ms() < end);
}

struct fetch *start(struct got *g)
{
	struct fetch *q = NULL;

	memset(g, 0, sizeof(*g));
	ck_assert_int_eq(fetcher_start(fetcher, &request, on_done, g, &q), 0);
	ck_assert_ptr_nonnull(q);
	ck_assert_uint_eq(g->calls, 0);
	return q;
}

bool wait_for(const struct got *g)
{
	const uint64_t end = clock_ms() + LIMIT_MS;

	while (g->calls == 0 && clock_ms() < end) {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 10000 });
		event_base_loop(loop, EVLOOP_ONCE);
	}
	return g->calls == 1;
}

const struct got *get(void)
{
	start(&got[0]);
	ck_assert_msg(wait_for(&got[0]), "no result");
	return &got[0];
}

void assert_body(const char *body)
{
	const struct got *g = get();

	ck_assert_msg(g->error == 0, "%s", g->error_text);
	ck_assert_int_eq(g->status, 200);
	ck_assert_str_eq(g->body, body);
}

void assert_error(int error, const char *text)
{
	const struct got *g = get();

	ck_assert_str_eq(g->error_text, text);
	ck_assert_int_eq(g->error, error);
	ck_assert_uint_eq(g->len, 0);
}

void point_at(const char *base)
{
	snprintf(url, sizeof(url), "%s/services", base);
}

void point_at_name(const char *scheme, const char *name)
{
	snprintf(url, sizeof(url), "%s://%s:%u/services", scheme, name, fake_registry_port(registry));
}

const char *path_of(char *room, const char *name)
{
	snprintf(room, 512, "%s/%s", dir, name);
	return room;
}

void assert_head_has(const char *text, bool has)
{
	char *head = fake_registry_last_head(registry);

	ck_assert_msg((strstr(head, text) != NULL) == has, "%s: %s", has ? "missing" : "found", text);
	free(head);
}

void set_up(void)
{
	struct endpoint server;
	char text[64];

	loop = event_base_new();
	dir = harness_make_dir();
	dns = fake_dns_start();
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	fake_registry_body(registry, "[\"10.0.0.1:80\"]");
	snprintf(text, sizeof(text), "127.0.0.1:%u", fake_dns_port(dns));
	ck_assert(endpoint_from_text(text, 53, &server));
	ck_assert_int_eq(resolver_create(loop, &server, 1, NULL, NULL, &resolver), 0);
	ck_assert_int_eq(fetcher_create(loop, resolver, &fetcher), 0);
	http = (struct http_options){ .url = url, .timeout_ms = 5000, .max_size = MAX_SIZE };
	request = (struct fetch_request){ .source = FETCH_HTTP, .http = &http };
	asked = NULL;
	point_at(fake_registry_url(registry));
}

void tear_down(void)
{
	fetcher_destroy(fetcher);
	resolver_destroy(resolver);
	fake_registry_stop(registry);
	fake_dns_stop(dns);
	event_base_free(loop);
	harness_remove_dir(dir);
}

void restart_registry(const struct fake_registry_options *o)
{
	fake_registry_stop(registry);
	registry = fake_registry_start(o);
	fake_registry_body(registry, "[\"10.0.0.1:80\"]");
	point_at(fake_registry_url(registry));
}

void set_up_tls(void)
{
	set_up();
	fake_certificate(dir, "server", "DNS:registry.corp,IP:127.0.0.1", 30);
	fake_certificate(dir, "other", "DNS:registry.corp,IP:127.0.0.1", 30);
	restart_registry(&(struct fake_registry_options){ .certificate = path_of(path_a, "server") });
	fake_dns_add(dns, "registry.corp", "127.0.0.1", 30);
	fake_dns_add(dns, "wrong.corp", "127.0.0.1", 30);
	http.ca_file = path_of(path_b, "server.pem");
}
