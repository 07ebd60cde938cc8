/* SPDX-License-Identifier: BSD-2-Clause */
/* bench/table.c -- how long it takes to make the first table from what registries said, and the next one when
 * one service has changed; to write what they said for the disk, and to read it.
 *
 *   table [SERVICES [INSTANCES of each]]
 *
 * What the daemon does at start, without reading and without any wait.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "feed/publisher.h"
#include "model/snapshot_image.h"

enum { ROUNDS = 5 };

/* Nothing here waits, and other programs may run beside. */
static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void fail(const char *what)
{
	fprintf(stderr, "table: %s\n", what);
	exit(1);
}

static void add(struct snapshot_builder *b, unsigned service, unsigned instance, unsigned port)
{
	char name[32], address[32];
	struct report r = report_blank();
	const unsigned n = service * 7 + instance;

	snprintf(name, sizeof(name), "service-%u", service);
	snprintf(address, sizeof(address), "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
	r.service = name;
	r.address = address;
	r.port = port;
	if (snapshot_builder_add(b, &r) != 0)
		fail("out of memory");
}

/* Service 0 has one port more if so wanted. */
static struct snapshot *make(unsigned services, unsigned instances, bool changed, struct snapshot *previous)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *s;

	for (unsigned i = 0; i < services; i++) {
		for (unsigned k = 0; k < instances; k++)
			add(b, i, k, 8000 + k + (changed && i == 0));
	}
	if (snapshot_builder_seal(b, previous, &s) != 0)
		fail("out of memory");
	snapshot_builder_destroy(b);
	return s;
}

static struct freshness *make_board(void)
{
	struct freshness *f = freshness_create(1);

	if (f == NULL || freshness_name(f, 0, "bench", "static", false) != 0)
		fail("out of memory");
	return f;
}

static void measure(const struct feed_options *feed, struct snapshot *first, struct snapshot *second,
		    struct inbox *inbox)
{
	struct freshness *board = make_board();
	struct snapshot *snapshots[1] = { first };
	const struct publisher_options o = {
		.feed = feed, .snapshots = snapshots, .freshness = board, .inboxes = &inbox, .n_inboxes = 1
	};
	struct publisher *p;
	const uint64_t begin = now_us();

	if (publisher_create(&o, &p) != 0)
		fail("cannot publish");
	const uint64_t composed = now_us();
	publisher_publish(p);
	const uint64_t published = now_us();
	snapshots[0] = second;
	publisher_update(p, 0, first, second);
	publisher_publish(p);
	const uint64_t changed = now_us();

	printf("blocks %7.1f ms  table %7.1f ms  one changed service %7.3f ms\n",
	       (double)(composed - begin) / 1000, (double)(published - composed) / 1000,
	       (double)(changed - published) / 1000);
	publisher_destroy(p);
	freshness_destroy(board);
}

static int put(void *context, const void *octets, size_t len)
{
	return buffer_add(context, octets, len);
}

static void measure_image(const struct snapshot *s)
{
	struct buffer image = { 0 };
	struct snapshot *again;

	if (snapshot_image_write(s, put, &image) != 0)
		fail("cannot write");
	buffer_clear(&image);
	const uint64_t begin = now_us();
	snapshot_image_write(s, put, &image);
	const uint64_t written = now_us();
	if (snapshot_image_read(image.octets, image.len, &again) != 0 || again->n_instances != s->n_instances)
		fail("cannot read");
	const uint64_t read = now_us();
	printf("image %zu octets  written %7.1f ms  read %7.1f ms\n", image.len,
	       (double)(written - begin) / 1000, (double)(read - written) / 1000);
	snapshot_release(again);
	buffer_finish(&image);
}

int main(int argc, char **argv)
{
	const unsigned services = argc > 1 ? (unsigned)atoi(argv[1]) : 100000;
	const unsigned instances = argc > 2 ? (unsigned)atoi(argv[2]) : 5;
	static const unsigned registries[] = { 0 };
	struct registry_options registry = { .kind = "static", .name = "bench" };
	struct zone_options zone = { .registries = registries,
				     .n_registries = 1,
				     .answer = { .ttl_s = 2, .negative_ttl_s = 1 } };
	const struct feed_options feed = {
		.zones = &zone, .n_zones = 1, .registries = &registry, .n_registries = 1
	};
	struct inbox inbox = { .wakeup = -1 };

	if (!name_from_text("service.local", 13, &zone.origin) || inbox_init(&inbox) != 0)
		fail("cannot start");
	struct snapshot *first = make(services, instances, false, NULL);
	struct snapshot *second = make(services, instances, true, first);

	printf("%u services of %u instances\n", services, instances);
	for (int i = 0; i < ROUNDS; i++)
		measure(&feed, first, second, &inbox);
	for (int i = 0; i < ROUNDS; i++)
		measure_image(first);
	snapshot_release(second);
	snapshot_release(first);
	inbox_finish(&inbox);
	return 0;
}
