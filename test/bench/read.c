/* SPDX-License-Identifier: BSD-2-Clause */
/* bench/read.c -- a large answer of Consul's health endpoint: how long it takes to become a snapshot, and how
 * much memory that needs at the most.
 *
 *   read [MiB]
 *
 * Every allocation of this process, libraries included, is counted, in what malloc(3) really gave. Not
 * counted are the body, which is there before, and the stack.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "model/ledger.h"
#include "model/snapshot.h"
#include "registry/registry.h"

enum { ROUNDS = 15 };

/* --- what is allocated --- */

static size_t live, peak;

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);

static void *count(void *memory)
{
	live += memory != NULL ? malloc_usable_size(memory) : 0;
	peak = live > peak ? live : peak;
	return memory;
}

void *malloc(size_t size)
{
	return count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return count(__libc_calloc(n, size));
}

/* While it is copied both are there; where it is moved by the kernel, or grows in place, only one. */
void *realloc(void *memory, size_t size)
{
	const size_t before = memory != NULL ? malloc_usable_size(memory) : 0;
	void *moved = __libc_realloc(memory, size);

	if (moved != NULL || size == 0)
		live -= before;
	return count(moved);
}

void free(void *memory)
{
	live -= memory != NULL ? malloc_usable_size(memory) : 0;
	__libc_free(memory);
}
#endif

/* --- the body --- */

/* As an agent writes it, a kilobyte an instance; round moves the addresses. */
static const char entry[] =
	"{\"Node\":{\"ID\":\"5b0c%04x-aaaa-4bbb-8ccc-%012x\",\"Node\":\"rack-%05u\",\"Address\":\"10.%u.%u.%u\","
	"\"Datacenter\":\"dc1\",\"TaggedAddresses\":{\"lan\":\"10.%u.%u.%u\",\"wan\":\"203.0.113.1\"},"
	"\"Meta\":{\"zone\":\"north\",\"consul-network-segment\":\"\",\"consul-version\":\"1.20.1\"},"
	"\"CreateIndex\":7,\"ModifyIndex\":9},"
	"\"Service\":{\"ID\":\"stock-%u\",\"Service\":\"stock\",\"Tags\":[\"blue\",\"v7\"],\"Address\":\"10.%u.%u.%u\","
	"\"TaggedAddresses\":{\"wan\":{\"Address\":\"203.0.113.1\",\"Port\":19000}},\"Meta\":{\"release\":\"7\"},"
	"\"Port\":9000,\"Weights\":{\"Passing\":10,\"Warning\":3},\"EnableTagOverride\":false,"
	"\"Proxy\":{\"Mode\":\"\",\"MeshGateway\":{},\"Expose\":{}},\"Connect\":{},\"PeerName\":\"\","
	"\"CreateIndex\":50,\"ModifyIndex\":51},"
	"\"Checks\":[{\"Node\":\"rack\",\"CheckID\":\"serfHealth\",\"Name\":\"Serf Health Status\",\"Status\":\"passing\","
	"\"Notes\":\"\",\"Output\":\"Agent alive and reachable\",\"ServiceID\":\"\",\"ServiceName\":\"\","
	"\"ServiceTags\":[],\"Type\":\"\",\"Interval\":\"\",\"Timeout\":\"\",\"Definition\":{}},"
	"{\"Node\":\"rack\",\"CheckID\":\"service:stock-%u\",\"Name\":\"Service 'stock' check\",\"Status\":\"passing\","
	"\"Notes\":\"\",\"Output\":\"HTTP GET /health: 200 OK\",\"ServiceID\":\"stock-%u\","
	"\"ServiceName\":\"stock\",\"ServiceTags\":[\"blue\",\"v7\"],\"Type\":\"http\",\"Definition\":{}}]}";

static unsigned write_body(struct buffer *body, size_t size, unsigned round)
{
	unsigned n = 0;

	buffer_clear(body);
	buffer_add(body, "[", 1);
	for (; body->len < size; n++) {
		const unsigned a = 1 + round, b = n >> 8, c = n & 255;
		char text[2048];
		const int len = snprintf(text, sizeof(text), entry, n & 0xffff, n, n, a, b, c, a, b, c, n, a,
					 b, c, n, n);

		if (n > 0)
			buffer_add(body, ",\n", 2);
		buffer_add(body, text, (size_t)len);
	}
	buffer_add(body, "]", 2);
	body->len--;
	return n;
}

/* --- the reading --- */

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- who runs the registry --- */

static struct resource *stock;

static int start(struct registry_host *h, struct resource *res)
{
	(void)h;
	stock = res;
	return 0;
}

static void ignore(struct registry_host *h, struct resource *res)
{
	(void)h;
	(void)res;
}

struct reading {
	struct registry *registry;
	struct ledger *ledger;
	struct snapshot *sealed;
};

static void die(const char *what)
{
	fprintf(stderr, "read: %s\n", what);
	exit(1);
}

static void ask(const struct reading *r)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct fetch_request request = { 0 };

	if (b == NULL || registry_consul.ask(r->registry, stock, &request, b) != 0)
		die("the service cannot be asked for");
	snapshot_builder_destroy(b);
}

/* From the body to the snapshot that is compared with the one before. */
static void take(struct reading *r, const struct buffer *body)
{
	const struct fetch_result result = { .name = "stock",
					     .status = 200,
					     .content_type = "application/json",
					     .last = true,
					     .body = (const char *)body->octets,
					     .len = body->len };
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *sealed;

	if (b == NULL || registry_consul.read(r->registry, stock, &result, b) < 0)
		die(b != NULL ? snapshot_builder_error(b) : "out of memory");
	snapshot_builder_destroy(b);
	if (ledger_seal(r->ledger, &sealed) != 0)
		die("out of memory");
	snapshot_release(r->sealed);
	r->sealed = sealed;
}

static void read_once(struct reading *r, const struct buffer *body, unsigned round)
{
	const size_t before = live;

	ask(r);
	peak = live;
	const uint64_t start_us = now_us();
	take(r, body);
	const uint64_t took_us = now_us() - start_us;
	const size_t kept = live > before ? live - before : 0;

	printf("%5u %8.1f %9zu %12zu %12zu %12zu\n", round, (double)took_us / 1000, r->sealed->n_instances,
	       (peak - before) / 1024, kept / 1024, (peak - before - kept) / 1024);
}

int main(int argc, char **argv)
{
	static const char *const services[] = { "stock", NULL };
	const struct registry_options options = {
		.kind = "consul",
		.name = "dc1",
		.watch = true,
		.http = { .url = "http://127.0.0.1:8500" },
		.consul = { .services = services, .wait_ms = 30000, .held = 64 }
	};
	const size_t size = (argc > 1 ? strtoul(argv[1], NULL, 10) : 8) << 20;
	struct registry_host host = { .start = start, .stop = ignore, .hasten = ignore };
	struct reading r = { .ledger = ledger_create() };
	struct buffer body = { 0 };

	if (r.ledger == NULL || registry_consul.create(&options, &host, r.ledger, &r.registry) != 0 ||
	    registry_consul.start(r.registry) != 0)
		die("out of memory");
	for (unsigned round = 0; round < ROUNDS; round++) {
		const unsigned n = write_body(&body, size, round);

		if (round == 0)
			printf("a body of %zu octets, %u instances; memory in KiB beyond the body\n"
			       "%5s %8s %9s %12s %12s %12s\n",
			       body.len, n, "round", "ms", "instances", "at the most", "kept", "for a while");
		read_once(&r, &body, round);
	}
	ledger_drop(r.ledger, &stock->part);
	registry_consul.destroy(r.registry);
	ledger_destroy(r.ledger);
	snapshot_release(r.sealed);
	buffer_finish(&body);
	return 0;
}
