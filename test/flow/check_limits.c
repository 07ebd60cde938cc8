/* SPDX-License-Identifier: BSD-2-Clause */
/* The limits of a registry, from the configuration to what is answered, logged and counted. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "fake_consul.h"
#include "fake_registry.h"
#include "harness.h"
#include "planes.h"

#define A "a.service.local"
#define B "b.service.local"
#define C "c.service.local"

#define ONE "NOERROR aa; 2 A 10.1.0.1"
#define TWO "NOERROR aa; 2 A 10.1.0.2"

static struct fake_registry *registry;
static struct planes *planes;
static char *dir;

static void setup(void)
{
	dir = harness_make_dir();
	log_capture();
}

static void teardown(void)
{
	planes_stop(planes);
	fake_registry_stop(registry);
	registry = NULL;
	harness_remove_dir(dir);
	log_release();
}

/* --- one body: what fits --- */

static void start_http(const char *limit, const char *body)
{
	registry = fake_registry_start(&(struct fake_registry_options){ 0 });
	fake_registry_body(registry, body);
	planes = planes_start("zone \"service.local\" { brake = 0 }\n"
			      "http \"dc1\" { url = \"%s\" interval = 100ms jitter = 0 %s }\n",
			      fake_registry_url(registry), limit);
}

static const struct {
	const char *limit, *b, *c, *logged;
} bodies[] = {
	{ "", TWO, ONE, NULL },
	{ "max-services = 2", TWO, "NXDOMAIN aa", "(limit: max-services)" },
	{ "max-instances = 2", TWO, "NOERROR aa", "(limit: max-instances)" },
};

START_TEST(of_one_body_what_fits_is_taken)
{
	start_http(bodies[_i].limit,
		   "{\"a\":[\"10.1.0.1:80\"],\"b\":[\"10.1.0.2:80\"],\"c\":[\"10.1.0.1:80\"]}");
	planes_await(planes, A, ONE);
	planes_expect(planes, B, bodies[_i].b);
	planes_expect(planes, C, bodies[_i].c);
	planes_await_status(planes, "dc1", "dropped", bodies[_i].logged != NULL ? "1" : "0");
	if (bodies[_i].logged != NULL)
		log_await(bodies[_i].logged);
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "ok");
}
END_TEST

/* Some 100 octets each. */
START_TEST(memory_has_its_limit)
{
	enum { N = 2000 };
	static char body[N * 24 + 64];
	char *at = body + sprintf(body, "{\"a\":[\"10.1.0.1:80\"],\"b\":[");

	for (int i = 0; i < N; i++)
		at += sprintf(at, "%s\"10.2.%d.%d:80\"", i > 0 ? "," : "", i / 250, i % 250);
	strcpy(at, "],\"c\":[\"10.1.0.1:80\"]}");
	start_http("max-memory = 64KiB", body);
	planes_await(planes, A, ONE);
	planes_await_count(planes, "dc1", "dropped", N / 4);
	log_await("(limit: max-memory)");
	planes_expect(planes, C, "NOERROR aa");
}
END_TEST

/* One that is full goes on changing. */
START_TEST(a_full_registry_changes)
{
	start_http("max-services = 2", "{\"a\":[\"10.1.0.1:80\"],\"b\":[\"10.1.0.2:80\"]}");
	planes_await(planes, A, ONE);
	fake_registry_body(registry, "{\"b\":[\"10.1.0.2:80\"],\"c\":[\"10.1.0.1:80\"]}");
	planes_await(planes, C, ONE);
	planes_expect(planes, A, "NXDOMAIN aa");
	planes_expect(planes, B, TWO);
	ck_assert_uint_eq(log_count("round=failed"), 0);
}
END_TEST

/* --- piece by piece: what was said last stays --- */

static void write_file(const char *service, const char *address)
{
	char name[64], body[256];

	snprintf(name, sizeof(name), "%s.json", service);
	snprintf(body, sizeof(body), "{\"%s\":[\"%s:80\"]}", service, address);
	harness_replace_file(dir, name, body);
}

static const struct {
	const char *limit, *logged;
} pieces[] = {
	{ "max-services = 2", "more than 2 services: max-services" },
	{ "max-instances = 2", "more than 2 instances: max-instances" },
};

START_TEST(a_piece_too_many_is_refused_and_the_rest_stays)
{
	char path[256];

	write_file("a", "10.1.0.1");
	write_file("b", "10.1.0.2");
	planes = planes_start("file \"dc1\" { path = \"%s/*.json\" interval = 29s jitter = 0 %s }\n", dir,
			      pieces[_i].limit);
	planes_await(planes, A, ONE);
	write_file("c", "10.1.0.1");
	planes_await_count(planes, "dc1", "failures", 1);
	log_await(pieces[_i].logged);
	planes_expect(planes, A, ONE);
	planes_expect(planes, B, TWO);
	planes_expect(planes, C, "NXDOMAIN aa ede 0");
	planes_await_status(planes, "dc1", "state", "failing");

	snprintf(path, sizeof(path), "%s/b.json", dir);
	ck_assert_int_eq(remove(path), 0);
	planes_await(planes, C, ONE);
	planes_await_status(planes, "dc1", "state", "ok");
}
END_TEST

START_TEST(services_beyond_those_of_consul_are_not_asked_for)
{
	struct fake_consul *consul = fake_consul_start(0);

	for (const char *name = "a\0b\0c\0"; *name != '\0'; name += 2)
		fake_consul_register(
			consul, name,
			&(struct fake_consul_instance){ .node = "n1", .address = "10.1.0.1", .port = 80 });
	planes = planes_start("consul \"dc1\" { url = \"%s\" max-services = 2 }\n",
			      fake_http_url(fake_consul_http(consul)));
	planes_await_status(planes, "dc1", "services", "2");
	planes_await_status(planes, "dc1", "dropped", "2"); /* "consul" itself is the fourth */
	log_await("max-services");
	ck_assert_str_eq(planes_status(planes, "dc1", "state"), "ok");
	planes_stop(planes);
	planes = NULL;
	fake_consul_stop(consul);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limits");
	TCase *tc = tcase_create("limits");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, of_one_body_what_fits_is_taken, 0, sizeof(bodies) / sizeof(bodies[0]));
	tcase_add_test(tc, memory_has_its_limit);
	tcase_add_test(tc, a_full_registry_changes);
	tcase_add_loop_test(tc, a_piece_too_many_is_refused_and_the_rest_stays, 0,
			    sizeof(pieces) / sizeof(pieces[0]));
	tcase_add_test(tc, services_beyond_those_of_consul_are_not_asked_for);
	return harness_run(suite);
}
