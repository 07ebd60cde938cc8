/* SPDX-License-Identifier: BSD-2-Clause */
/* Registries that do everything wrong, a dozen in one daemon: what they said before stays, memory and their
 * own load stay small, the log is short, and two good registries beside them are followed as fast as ever. */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "client.h"
#include "fake_dns.h"
#include "fake_registry.h"
#include "harness.h"
#include "planes.h"

enum {
	TIMEOUT_MS = 1000,
	WATCHED_MS = 3000, /* so long the bad ones are counted */
	/* In that time: the first failure is followed by up to three tries within a second, later ones come
	 * half a second apart at least; and a watch that ends has its list before it. */
	REQUESTS_MAX = 16,
	/* Two questions a round for a name, and what is too large is asked for over TCP once more. */
	QUERIES_MAX = 2 * REQUESTS_MAX,
	/* What is read of a body before it is given up is 256 KiB, twice that while the buffer grows; each
	 * bad registry may be at that at the same time. */
	MEMORY_MAX = 16 << 20,
	DELAY_MAX = TIMEOUT_MS / 2, /* of the good ones: whoever waits for a bad one waits for its time-out */
	CHANGES_MIN = 5,
	CHANGES_MAX = 1000,
	BODY_MAX = 2048,
	BAD_MAX = 20,
};

static struct planes *planes;
static struct fake_registry *good, *fakes[BAD_MAX];
static struct fake_dns *servers[BAD_MAX];
static char *dir;

static void setup(void)
{
	good = fake_registry_start(&(struct fake_registry_options){ 0 });
	dir = harness_make_dir();
	log_capture();
}

static void teardown(void)
{
	planes_stop(planes);
	for (size_t i = 0; i < BAD_MAX; i++) {
		fake_registry_stop(fakes[i]);
		fake_dns_stop(servers[i]);
	}
	fake_registry_stop(good);
	harness_remove_dir(dir);
	log_release();
}

/* --- the good ones --- */

/* Both say that instance number n is all there is. */
static void change_good(unsigned n)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"polled\":[\"10.9.%u.%u:80\"]}", n / 250, n % 250 + 1);
	fake_registry_body(good, body);
	snprintf(body, sizeof(body), "{\"dropped\":[\"10.9.%u.%u:80\"]}", n / 250, n % 250 + 1);
	harness_replace_file(dir, "own.json", body);
}

static void await_good(unsigned n)
{
	char text[64];

	snprintf(text, sizeof(text), "NOERROR aa; 2 A 10.9.%u.%u", n / 250, n % 250 + 1);
	planes_await(planes, "dropped.service.local", text);
	planes_await(planes, "polled.service.local", text);
}

static size_t memory_in_use(void)
{
	const struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static int compare_times(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Changes the good ones for so long, and at least a few times. Returns the median of how long it took until a
 * change was answered; the most memory seen goes to memory. */
static uint64_t follow_good(unsigned *n, uint64_t for_ms, size_t *memory)
{
	uint64_t times[CHANGES_MAX];
	const uint64_t end_ms = clock_ms() + for_ms;
	size_t n_times = 0;

	while (n_times < CHANGES_MIN || (n_times < CHANGES_MAX && clock_ms() < end_ms)) {
		const uint64_t start_ms = clock_ms();

		change_good(++*n);
		await_good(*n);
		times[n_times++] = clock_ms() - start_ms;
		const size_t now = memory_in_use();
		*memory = now > *memory ? now : *memory;
	}
	qsort(times, n_times, sizeof(times[0]), compare_times);
	return times[n_times / 2];
}

/* --- what the bad ones say before they go bad --- */

static char *print(char body[BODY_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));
static char *print(char body[BODY_MAX], const char *format, ...)
{
	va_list values;

	va_start(values, format);
	ck_assert_int_lt(vsnprintf(body, BODY_MAX, format, values), BODY_MAX);
	va_end(values);
	return body;
}

/* All of them: service sN with the instance NET.N. */
static char *http_body(char body[BODY_MAX], const char *net, unsigned n)
{
	return print(body, "{\"s%u\":[\"%s.%u:80\"]}", n, net, n);
}

static char *consul_body(char body[BODY_MAX], const char *net, unsigned n)
{
	return print(body,
		     "[{\"Node\":{\"Node\":\"n1\",\"Address\":\"%s.%u\"},"
		     "\"Service\":{\"ID\":\"a\",\"Service\":\"s%u\",\"Port\":80},\"Checks\":[]}]",
		     net, n, n);
}

static char *slices_body(char body[BODY_MAX], const char *net, unsigned n)
{
	return print(body,
		     "{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":["
		     "{\"metadata\":{\"name\":\"a\",\"namespace\":\"store\",\"resourceVersion\":\"5\","
		     "\"labels\":{\"kubernetes.io/service-name\":\"s%u\"}},\"addressType\":\"IPv4\","
		     "\"endpoints\":[{\"addresses\":[\"%s.%u\"]}],\"ports\":[{\"port\":80}]}]}",
		     n, net, n);
}

static void write_base64(char *ret, size_t size, const char *text)
{
	struct buffer b = { 0 };

	ck_assert_int_eq(base64_write(&b, text, strlen(text)), 0);
	snprintf(ret, size, "%.*s", (int)b.len, (const char *)b.octets);
	buffer_finish(&b);
}

static char *etcd_body(char body[BODY_MAX], const char *net, unsigned n)
{
	char text[128], key[128], value[128];

	snprintf(text, sizeof(text), "/skydns/s%u/a", n);
	write_base64(key, sizeof(key), text);
	snprintf(text, sizeof(text), "{\"host\":\"%s.%u\",\"port\":80}", net, n);
	write_base64(value, sizeof(value), text);
	return print(body,
		     "{\"header\":{\"cluster_id\":\"1\",\"member_id\":\"1\",\"revision\":\"7\"},"
		     "\"kvs\":[{\"key\":\"%s\",\"create_revision\":\"5\",\"mod_revision\":\"5\","
		     "\"version\":\"1\",\"value\":\"%s\"}],\"count\":\"1\"}",
		     key, value);
}

/* --- kinds --- */

#define PACED(interval) "interval = " interval " jitter = 0 max-size = 256KiB "
#define POLLED          PACED("100ms")
#define INDEX           "X-Consul-Index: 7\r\n"
#define SLICES          "/apis/discovery.k8s.io/v1/endpointslices"
#define CREATED         "{\"result\":{\"header\":{\"revision\":\"7\"},\"created\":true}}\n"

/* A way to ask: where the answers go bad, and what waits at the server until then. */
struct way {
	const char *kind, *options; /* with the number of the service */
	char *(*body)(char body[BODY_MAX], const char *net, unsigned n);
	const char *headers;
	const char *list;    /* path of what is said, with the number of the service; NULL: all */
	const char *watch;   /* path of what is left open until it goes bad; NULL: nothing */
	const char *opening; /* of what is left open */
	const char *flood;   /* small objects that change nothing */
	bool is_stream;      /* the watch is what goes bad, and not the list */
	bool is_held;        /* both go bad */
};

static const struct way ways[] = {
	{ .kind = "http", .options = POLLED, .body = http_body },
	{ .kind = "consul",
	  .options = POLLED "watch = false services = { \"s%u\" }",
	  .body = consul_body,
	  .headers = INDEX },
	{ .kind = "consul",
	  .options = POLLED "wait = 1m services = { \"s%u\" }",
	  .body = consul_body,
	  .headers = INDEX,
	  .list = "/v1/health/service/s%u",
	  .watch = "/v1/health/service/s%u?stale=&index=",
	  .is_held = true },
	{ .kind = "etcd",
	  .options = POLLED "watch = false zone = \"\"",
	  .body = etcd_body,
	  .list = "/v3/kv/range" },
	{ .kind = "etcd",
	  .options = POLLED "zone = \"\"",
	  .body = etcd_body,
	  .list = "/v3/kv/range",
	  .watch = "/v3/watch",
	  .opening = CREATED,
	  .flood = CREATED "{\"result\":{\"header\":{\"revision\":\"7\"}}}\n",
	  .is_stream = true },
	{ .kind = "kubernetes",
	  .options = PACED("1s") "watch = false", /* its other list is as good as ever */
	  .body = slices_body,
	  .list = SLICES },
	{ .kind = "kubernetes",
	  .options = POLLED,
	  .body = slices_body,
	  .list = SLICES,
	  .watch = SLICES "?watch=1",
	  .flood = "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}}\n",
	  .is_stream = true },
};

static const char *with_number(char path[BODY_MAX], const char *format, unsigned n)
{
	if (format == NULL)
		return NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(path, BODY_MAX, format, n);
#pragma GCC diagnostic pop
	return path;
}

static void say_good(struct fake_registry *fake, const struct way *way, unsigned n)
{
	char body[BODY_MAX], path[BODY_MAX];

	fake_registry_answer_at(fake, "/api/v1/services",
				&(struct fake_answer){ .body = "{\"kind\":\"ServiceList\",\"metadata\":{"
							       "\"resourceVersion\":\"7\"},\"items\":[]}" });
	fake_registry_answer_at(fake, "/api/v1/services?watch", &(struct fake_answer){ .open = true });
	fake_registry_answer_at(
		fake, with_number(path, way->list, n),
		&(struct fake_answer){ .headers = way->headers, .body = way->body(body, "10.1.0", n) });
	if (way->watch != NULL)
		fake_registry_answer_at(fake, with_number(path, way->watch, n),
					&(struct fake_answer){ .headers = way->headers,
							       .body = way->is_held ? body : way->opening,
							       .open = true });
}

/* --- what goes bad --- */

/* NULL for a body is that of another instance, as good as the first was. */
struct bad {
	const char *what;
	struct fake_answer answer;
	bool is_quiet; /* for a stream, which may be silent for minutes, it is no failure yet */
	bool floods;   /* with the small objects */
	bool breaks;   /* after one of them, as long as there is such a thing */
};

static const struct bad bads[] = {
	{ .what = "hangs in the middle of the body",
	  .answer = { .body = "{", .length = 1000 },
	  .is_quiet = true },
	{ .what = "says nothing", .answer = { .hang = true }, .is_quiet = true },
	{ .what = "accepts and never reads", .answer = { .deaf = true }, .is_quiet = true },
	{ .what = "one octet a second", .answer = { .drip_ms = 1000 }, .is_quiet = true },
	{ .what = "1 GB",
	  .answer = { .body = "{{{{{{{{{{{{{{{{", .repeat = 1024, .length = 1 << 30, .endless = true } },
	{ .what = "an endless object",
	  .answer = { .body = "[[[[[[[[[[[[[[[[", .repeat = 1024, .chunked = true, .endless = true } },
	{ .what = "endless space",
	  .answer = { .body = "                ", .repeat = 1024, .chunked = true, .endless = true },
	  .is_quiet = true },
	{ .what = "endless small objects",
	  .answer = { .repeat = 1024, .chunked = true, .endless = true },
	  .is_quiet = true,
	  .floods = true },
	{ .what = "begins well", .answer = { .close = true }, .breaks = true },
	{ .what = "closes each connection at once", .answer = { .slam = true, .hang_up = true } },
	{ .what = "closes after the request", .answer = { .hang_up = true } },
	{ .what = "closes after the head", .answer = { .body = "", .length = 100, .close = true } },
	{ .what = "resets in the middle of the body", .answer = { .cut = true, .reset = true } },
	{ .what = "403 for ever", .answer = { .status = 403, .body = "no" } },
	{ .what = "redirects to itself", .answer = { .status = 302, .headers = "Location: /\r\n" } },
	{ .what = "HTML",
	  .answer = { .headers = "Content-Type: text/html\r\n", .body = "<html>Welcome!</html>" } },
	{ .what = "not HTTP", .answer = { .raw = "SSH-2.0-OpenSSH_9.2\r\n" } },
	{ .what = "shorter than it is", .answer = { .length = 40 } },
	{ .what = "longer than it is", .answer = { .length = 4000, .close = true } },
};

enum { BADS = sizeof(bads) / sizeof(bads[0]) };

static void go_bad(struct fake_registry *fake, const struct way *way, const struct bad *bad, unsigned n)
{
	char body[BODY_MAX], path[BODY_MAX];
	struct fake_answer answer = bad->answer;

	if (bad->breaks)
		answer.body = print(body, "%s{]", way->is_stream ? way->flood : "");
	else if (answer.body == NULL)
		answer.body = bad->floods && way->is_stream ? way->flood : way->body(body, "10.66.0", n);
	if (answer.headers == NULL)
		answer.headers = way->headers;
	if (!way->is_stream)
		fake_registry_answer_at(fake, with_number(path, way->list, n), &answer);
	if (way->watch == NULL)
		return;
	fake_registry_end(fake, with_number(path, way->watch, n), false);
	fake_registry_answer_at(fake, with_number(path, way->watch, n), &answer);
}

/* Requests so far, or connections where nothing is read. */
static unsigned load(unsigned n)
{
	const unsigned requests = fake_registry_requests(fakes[n]),
		       connections = fake_registry_connections(fakes[n]);

	return requests > connections ? requests : connections;
}

/* --- all of them at once --- */

static void start_all(const struct way *way)
{
	char *text = NULL, options[BODY_MAX];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fprintf(out, "http \"good\" { url = \"%s\" interval = 100ms jitter = 0 }\n", fake_registry_url(good));
	fprintf(out, "file \"own\" { path = \"%s/own.json\" }\n", dir);
	for (unsigned n = 0; n < BADS; n++) {
		fakes[n] = fake_registry_start(&(struct fake_registry_options){ 0 });
		say_good(fakes[n], way, n);
		fprintf(out, "%s \"bad%u\" { url = \"%s\" timeout = %llums %s }\n", way->kind, n,
			fake_registry_url(fakes[n]), (unsigned long long)slowed(TIMEOUT_MS),
			with_number(options, way->options, n));
	}
	fclose(out);
	change_good(0);
	planes = planes_start("%s", text);
	free(text);
}

static const char *name_of(unsigned n, char name[32])
{
	snprintf(name, 32, "s%u.service.local", n);
	return name;
}

static const char *answer_of(unsigned n, char text[64])
{
	snprintf(text, 64, "NOERROR aa; 2 A 10.1.0.%u", n);
	return text;
}

static void await_all(size_t n_bads)
{
	char name[32], text[64];

	for (unsigned n = 0; n < n_bads; n++)
		planes_await(planes, name_of(n, name), answer_of(n, text));
	await_good(0);
}

static unsigned count_failures(unsigned n)
{
	char text[64];

	snprintf(text, sizeof(text), "registry=bad%u round=failed", n);
	return log_count(text);
}

static void judge(const struct way *way, unsigned n, unsigned load_before)
{
	char name[32], text[64], registry[16];
	const unsigned n_requests = load(n) - load_before;
	const bool fails = way->watch == NULL || !bads[n].is_quiet;

	snprintf(registry, sizeof(registry), "bad%u", n);
	planes_expect(planes, name_of(n, name), answer_of(n, text));
	if (fails)
		planes_await_status(planes, registry, "state", "failing");
	ck_assert_msg(n_requests <= slowed(REQUESTS_MAX), "%s: %u requests", bads[n].what, n_requests);
	/* Each reason once: what is reset is a close, an end or a reset, as far as it has been read by then.
	 * Where a turn of the loop takes a second, a watch has lasted before its end is heard, and recovered.
	 */
	const unsigned n_reasons = bads[n].answer.slam || bads[n].answer.reset ? 3 : 1;
	ck_assert_msg(count_failures(n) <= slowed(n_reasons), "%s: %u lines", bads[n].what,
		      count_failures(n));
}

START_TEST(bad_registries_harm_only_themselves)
{
	const struct way *way = &ways[_i];
	unsigned before[BADS], n_changes = 0;
	size_t peak = 0;

	start_all(way);
	await_all(BADS);
	const uint64_t usual_ms = follow_good(&n_changes, 0, &peak);
	const size_t usual = memory_in_use();
	for (unsigned n = 0; n < BADS; n++) {
		before[n] = load(n);
		go_bad(fakes[n], way, &bads[n], n);
	}
	peak = 0;
	const uint64_t now_ms = follow_good(&n_changes, WATCHED_MS, &peak);
	for (unsigned n = 0; n < BADS; n++)
		judge(way, n, before[n]);
	ck_assert_uint_le(now_ms, 2 * usual_ms + slowed(DELAY_MAX));
	ck_assert_uint_le(peak, usual + MEMORY_MAX);
}
END_TEST

/* --- DNS servers --- */

static const struct bad_server {
	const char *what;
	int rcode, silent;
	unsigned quirks;
} bad_servers[] = {
	{ "says nothing", -1, 255, 0 },
	{ "says nothing of one family", -1, 1, 0 },
	{ "SERVFAIL for ever", 2, 0, 0 },
	{ "REFUSED for ever", 5, 0, 0 },
	{ "damaged answers", -1, 0, FAKE_DNS_DAMAGED },
	{ "the query as it came", -1, 0, FAKE_DNS_ECHO },
	{ "too large, over TCP too", -1, 0, FAKE_DNS_CUT },
	{ "too large, and no TCP", -1, 0, FAKE_DNS_CUT | FAKE_DNS_NO_TCP },
};

enum { BAD_SERVERS = sizeof(bad_servers) / sizeof(bad_servers[0]) };

static void start_servers(void)
{
	char *text = NULL, name[32], address[32];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fprintf(out, "http \"good\" { url = \"%s\" interval = 100ms jitter = 0 }\n", fake_registry_url(good));
	fprintf(out, "file \"own\" { path = \"%s/own.json\" }\n", dir);
	for (unsigned n = 0; n < BAD_SERVERS; n++) {
		servers[n] = fake_dns_start();
		snprintf(name, sizeof(name), "s%u.example", n);
		snprintf(address, sizeof(address), "10.1.0.%u", n);
		fake_dns_add(servers[n], name, address, 60);
		fprintf(out,
			"dns \"bad%u\" { server = \"127.0.0.1:%u\" names = { \"%s\" } ask = address "
			"interval = 100ms jitter = 0 timeout = 500ms }\n",
			n, fake_dns_port(servers[n]), name);
	}
	fclose(out);
	change_good(0);
	planes = planes_start("%s", text);
	free(text);
}

static void go_bad_server(struct fake_dns *server, const struct bad_server *bad, unsigned n)
{
	char name[32];

	snprintf(name, sizeof(name), "s%u.example", n);
	fake_dns_remove(server, name);
	fake_dns_add(server, name, "10.66.0.1", 60);
	fake_dns_set_rcode(server, bad->rcode);
	fake_dns_set_silent(server, bad->silent);
	fake_dns_set_quirks(server, bad->quirks);
}

START_TEST(bad_dns_servers_harm_only_themselves)
{
	unsigned before[BAD_SERVERS], n_changes = 0;
	char name[32], text[64], registry[16];
	size_t peak = 0;

	start_servers();
	await_all(BAD_SERVERS);
	const uint64_t usual_ms = follow_good(&n_changes, 0, &peak);
	for (unsigned n = 0; n < BAD_SERVERS; n++) {
		before[n] = fake_dns_queries(servers[n]);
		go_bad_server(servers[n], &bad_servers[n], n);
	}
	const uint64_t now_ms = follow_good(&n_changes, WATCHED_MS, &peak);
	for (unsigned n = 0; n < BAD_SERVERS; n++) {
		const unsigned n_queries = fake_dns_queries(servers[n]) - before[n];

		snprintf(registry, sizeof(registry), "bad%u", n);
		planes_await_status(planes, registry, "state", "failing");
		planes_expect(planes, name_of(n, name), answer_of(n, text));
		ck_assert_msg(n_queries <= QUERIES_MAX, "%s: %u queries", bad_servers[n].what, n_queries);
		ck_assert_msg(count_failures(n) == 1, "%s: %u lines", bad_servers[n].what, count_failures(n));
	}
	ck_assert_uint_le(now_ms, 2 * usual_ms + slowed(DELAY_MAX));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *tc = tcase_create("hostile");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, bad_registries_harm_only_themselves, 0, sizeof(ways) / sizeof(ways[0]));
	tcase_add_test(tc, bad_dns_servers_harm_only_themselves);
	return harness_run(suite);
}
