/* SPDX-License-Identifier: BSD-2-Clause */
/* Too many of everything: clients that connect and do nothing, no descriptor left, storms of packets. Who
 * asks in the ordinary way notices nothing of it. */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"
#include "fake_registry.h"
#include "fake_upstream.h"
#include "harness.h"
#include "planes.h"
#include "tcp_rig.h"

#define FOREIGN        "www.example"
#define FOREIGN_ANSWER "NOERROR; 300 A 192.0.2.0"

enum {
	CLIENTS = 1000,
	STORM_PACKETS = 100000,
	STORM_SOURCES = 64,
};

static const char *const shop_answers[] = { SHOP_ANSWER };
static struct fake_registry *registry;
static struct fake_upstream *upstream;

static void teardown(void)
{
	planes_stop(planes);
	fake_registry_stop(registry);
	fake_upstream_stop(upstream);
}

static void expect_shop(bool tcp)
{
	struct client *c = tcp ? client_tcp(planes_port(planes)) : client_udp(planes_port(planes));

	ck_assert_str_eq(client_ask(c, &(struct question){ .name = SHOP, .id = 77 }), SHOP_ANSWER);
	client_close(c);
}

static struct sockaddr_in address_of(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static uint64_t processor_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/* --- clients that do nothing --- */

enum idleness { SAYS_NOTHING, SAYS_HALF, READS_NOTHING, IDLENESSES };

/* A connection without the buffers of a struct client. */
static int connect_idle(enum idleness idleness)
{
	const struct sockaddr_in to = address_of(planes_port(planes));
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
	uint8_t framed[2 + CLIENT_QUERY_MAX];
	const size_t len = client_write_query(&(struct question){ .name = CROWD }, framed + 2);

	framed[0] = 0;
	framed[1] = (uint8_t)len;
	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	if (idleness == SAYS_HALF)
		send(fd, framed, len / 2, MSG_NOSIGNAL);
	for (int i = 0; idleness == READS_NOTHING && i < 10; i++)
		send(fd, framed, 2 + len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return fd;
}

START_TEST(a_thousand_idle_clients_hinder_nobody)
{
	struct rlimit limit;
	int fds[CLIENTS];

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 2 * CLIENTS) /* both ends are ours */
		return;
	start("tcp-clients = 256 tcp-idle = 10m");
	struct stream *steady = stream_start(planes_port(planes), false, SHOP, shop_answers, 1);
	for (int i = 0; i < CLIENTS; i++) {
		fds[i] = connect_idle((enum idleness)_i);
		if (i % 100 == 99)
			expect_shop(true);
	}
	planes_await_counter(planes, COUNTER_TCP_CLOSED, CLIENTS - 256);
	expect_shop(true);
	const unsigned before = stream_count(steady);
	const uint64_t start_ms = clock_ms();
	while (stream_count(steady) < before + 500 && clock_ms() - start_ms < CLIENT_LIMIT_MS)
		poll(NULL, 0, 1);
	ck_assert_uint_ge(stream_stop(steady), before + 500);
	ck_assert_uint_eq(planes_counter(planes, COUNTER_NO_DESCRIPTOR), 0);
	for (int i = 0; i < CLIENTS; i++)
		close(fds[i]);
	expect_shop(true);
}
END_TEST

/* --- no descriptor left --- */

static unsigned highest_descriptor(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned highest = 0;

	ck_assert_ptr_nonnull(dir);
	for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
		const unsigned fd = (unsigned)strtoul(e->d_name, NULL, 10);

		highest = fd > highest ? fd : highest;
	}
	closedir(dir);
	return highest;
}

/* Nobody in this process gets a descriptor any more, until release_descriptors(). What is free below the
 * highest is filled up. */
static rlim_t before;
static int fillers[4096];
static unsigned n_fillers;

static void take_descriptors(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	before = limit.rlim_cur;
	limit.rlim_cur = highest_descriptor() + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (n_fillers < 4096 && (fillers[n_fillers] = dup(0)) >= 0)
		n_fillers++;
	ck_assert_int_eq(errno, EMFILE);
}

static void release_descriptors(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = before;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (n_fillers > 0)
		close(fillers[--n_fillers]);
}

static int new_socket(void)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void connect_socket(int fd)
{
	const struct sockaddr_in to = address_of(planes_port(planes));

	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
}

/* As client_ask() over a connected socket. */
static void expect_shop_on(int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	*c = (struct client){ .fd = fd, .port = planes_port(planes), .tcp = true };
	ck_assert_str_eq(client_ask(c, &(struct question){ .name = SHOP }), SHOP_ANSWER);
	free(c);
}

/* Ten clients wait at the door; the loop does not turn for them, datagrams are answered, and they are let in
 * when there are descriptors again. */
START_TEST(without_descriptors_connections_wait)
{
	enum { WAITING = 10, WATCH_MS = 1000 };
	int fds[WAITING];

	start("");
	struct client *c = client_udp(planes_port(planes));
	for (int i = 0; i < WAITING; i++)
		fds[i] = new_socket();
	take_descriptors();
	for (int i = 0; i < WAITING; i++)
		connect_socket(fds[i]);
	planes_await_counter(planes, COUNTER_NO_DESCRIPTOR, 1);

	const uint64_t used_ms = processor_ms(), start_ms = clock_ms();
	while (clock_ms() - start_ms < WATCH_MS) {
		ck_assert_str_eq(client_ask(c, &(struct question){ .name = SHOP }), SHOP_ANSWER);
		poll(NULL, 0, 10);
	}
	ck_assert_uint_lt(processor_ms() - used_ms, slowed(WATCH_MS / 4));
	ck_assert_uint_lt(planes_counter(planes, COUNTER_NO_DESCRIPTOR), slowed(40));
	release_descriptors();
	for (int i = 0; i < WAITING; i++) {
		expect_shop_on(fds[i]);
		close(fds[i]);
	}
	client_close(c);
}
END_TEST

/* Where the descriptors are those of idle clients, the idlest of them makes room. */
START_TEST(without_descriptors_the_idlest_client_makes_room)
{
	enum { IDLE = 50, NEW = 30 };
	int idle[IDLE], new[NEW];

	start("tcp-idle = 10m");
	for (int i = 0; i < IDLE; i++) {
		idle[i] = new_socket();
		connect_socket(idle[i]);
		expect_shop_on(idle[i]);
	}
	for (int i = 0; i < NEW; i++)
		new[i] = new_socket();
	take_descriptors();
	for (int i = 0; i < NEW; i++)
		connect_socket(new[i]);
	for (int i = 0; i < NEW; i++)
		expect_shop_on(new[i]);
	ck_assert_uint_ge(planes_counter(planes, COUNTER_TCP_CLOSED), NEW);
	expect_shop_on(idle[IDLE - 1]);
	release_descriptors();
	for (int i = 0; i < IDLE; i++)
		close(idle[i]);
	for (int i = 0; i < NEW; i++)
		close(new[i]);
	expect_shop(true);
}
END_TEST

START_TEST(without_descriptors_forwarding_fails_at_once_and_recovers)
{
	char options[100];

	upstream = fake_upstream_start("127.0.0.1", 0);
	snprintf(options, sizeof(options), "forward \".\" { upstreams = { \"127.0.0.1:%u\" } }\n",
		 fake_upstream_port(upstream));
	start(options);
	struct client *c = client_udp(planes_port(planes));
	take_descriptors();
	const uint64_t start_ms = clock_ms();
	for (uint16_t id = 0; id < 20; id++) {
		const char *text = client_ask(c, &(struct question){ .name = FOREIGN, .id = id });

		ck_assert_msg(strcmp(text, "SERVFAIL ede 23") == 0, "%s", text);
		ck_assert_str_eq(client_ask(c, &(struct question){ .name = SHOP, .id = id }), SHOP_ANSWER);
	}
	ck_assert_uint_lt(clock_ms() - start_ms, slowed(1500)); /* no patience with what cannot be */
	release_descriptors();
	ck_assert_str_eq(client_ask(c, &(struct question){ .name = FOREIGN }), FOREIGN_ANSWER);
	client_close(c);
}
END_TEST

START_TEST(without_descriptors_registries_keep_what_they_said)
{
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	fake_registry_answer(registry,
			     &(struct fake_answer){ .body = "{\"shop\":[\"10.1.0.1:80\"]}", .close = true });
	planes = planes_start("http \"dc1\" { url = \"%s/services\" interval = 100ms jitter = 0 "
			      "timeout = 500ms }\n",
			      fake_registry_url(registry));
	planes_await(planes, SHOP, SHOP_ANSWER);
	struct client *c = client_udp(planes_port(planes));
	struct stream *steady = stream_start(planes_port(planes), false, SHOP, shop_answers, 1);
	take_descriptors();
	struct question status = { .name = "_status.service.local", .type = 16 };
	const uint64_t start_ms = clock_ms();
	while (strstr(client_ask(c, &status), "state=failing") == NULL) {
		ck_assert_uint_lt(clock_ms() - start_ms, CLIENT_LIMIT_MS);
		poll(NULL, 0, 5);
	}
	ck_assert_str_eq(client_ask(c, &(struct question){ .name = SHOP }), SHOP_ANSWER);
	release_descriptors();
	planes_await_status(planes, "dc1", "state", "ok");
	stream_stop(steady);
	client_close(c);
}
END_TEST

/* --- storms --- */

/* What the kernel has dropped for want of room at the socket of this port. */
static unsigned long dropped_by_kernel(uint16_t port)
{
	FILE *udp = fopen("/proc/net/udp", "r");
	char line[512];
	unsigned long all = 0;

	ck_assert_ptr_nonnull(udp);
	while (fgets(line, sizeof(line), udp) != NULL) {
		unsigned local = 0;
		unsigned long drops = 0;

		/* sl local rem st queues timer retransmissions uid timeout inode ref pointer drops */
		if (sscanf(line, " %*d: %*x:%x %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu", &local,
			   &drops) == 2 &&
		    local == port)
			all += drops;
	}
	fclose(udp);
	return all;
}

struct storm {
	uint16_t port;
	bool queries; /* good ones, or octets that mean nothing */
	pthread_t thread;
	atomic_bool over;
};

static int source_socket(unsigned i)
{
	const struct sockaddr_in from = { .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(0x7f010000 + i * 259 + 1) };
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&from, sizeof(from)), 0);
	return fd;
}

static void *rage(void *arg)
{
	struct storm *s = arg;
	const struct sockaddr_in to = address_of(s->port);
	int fds[STORM_SOURCES];
	uint8_t octets[CLIENT_QUERY_MAX];
	const size_t whole = client_write_query(&(struct question){ .name = SHOP }, octets);
	uint32_t random = 1;

	for (unsigned i = 0; i < STORM_SOURCES; i++)
		fds[i] = source_socket(i);
	for (unsigned i = 0; i < STORM_PACKETS; i++) {
		size_t len = whole;

		random = random * 1664525 + 1013904223;
		if (!s->queries) {
			len = random >> 16 & 127;
			octets[random >> 8 & 127] = (uint8_t)random;
		}
		sendto(fds[i % STORM_SOURCES], octets, len, MSG_DONTWAIT, (const struct sockaddr *)&to,
		       sizeof(to));
	}
	for (unsigned i = 0; i < STORM_SOURCES; i++)
		close(fds[i]);
	s->over = true;
	return NULL;
}

START_TEST(a_storm_takes_nothing_from_a_steady_client)
{
	unsigned asked = 0, lost = 0;

	start("");
	struct client *c = client_udp(planes_port(planes));
	struct storm storm = { .port = planes_port(planes), .queries = _i == 1 };
	ck_assert_int_eq(pthread_create(&storm.thread, NULL, rage, &storm), 0);
	for (uint16_t id = 0; !storm.over || asked < 100; id++) {
		client_send(c, &(struct question){ .name = SHOP, .id = id });
		asked++;
		bool came = false;
		while (!came && client_read(c, 1000))
			came = client_id(c) == id;
		lost += !came;
		if (came)
			ck_assert_str_eq(client_text(c), SHOP_ANSWER);
	}
	pthread_join(storm.thread, NULL);
	const unsigned long dropped = dropped_by_kernel(planes_port(planes));
	printf("# %u asked, %u lost, %lu of %u dropped by the kernel\n", asked, lost, dropped, STORM_PACKETS);
	ck_assert_uint_le(lost, dropped);
	if (!storm.queries)
		ck_assert_uint_gt(planes_counter(planes, COUNTER_MALFORMED), 0);
	expect_shop(false);
	client_close(c);
}
END_TEST

static TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("crowds");
	TCase *idle = add_case(suite, "idle");
	TCase *descriptors = add_case(suite, "descriptors");
	TCase *storms = add_case(suite, "storms");

	tcase_add_loop_test(idle, a_thousand_idle_clients_hinder_nobody, 0, IDLENESSES);
	tcase_add_test(descriptors, without_descriptors_connections_wait);
	tcase_add_test(descriptors, without_descriptors_the_idlest_client_makes_room);
	tcase_add_test(descriptors, without_descriptors_forwarding_fails_at_once_and_recovers);
	tcase_add_test(descriptors, without_descriptors_registries_keep_what_they_said);
	tcase_add_loop_test(storms, a_storm_takes_nothing_from_a_steady_client, 0, 2);
	return harness_run(suite);
}
