/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolve_rig.h"

struct event_base *loop;
struct resolver *resolver;
struct fake_dns *dns;

struct outcome outcomes[CONTEXTS];
unsigned changes;

const char *spell(const struct address *addresses, size_t n)
{
	static char text[1200];

	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		char one[ADDRESS_TEXT_MAX];

		if (i > 0)
			strcat(text, ",");
		strcat(text, address_to_text(&addresses[i], one));
	}
	return text;
}

void on_done(void *context, const struct address *addresses, size_t n, const char *error)
{
	struct outcome *o = context;

	o->calls++;
	ck_assert_int_eq(n == 0, error != NULL);
	if (error != NULL)
		snprintf(o->text, sizeof(o->text), "!%s", error);
	else
		snprintf(o->text, sizeof(o->text), "%s", spell(addresses, n));
}

void on_changed(void *context)
{
	ck_assert_ptr_eq(context, &changes);
	changes++;
}

void create(size_t n_servers)
{
	struct endpoint servers[3];

	for (size_t i = 0; i < n_servers; i++) {
		char text[ENDPOINT_TEXT_MAX];

		snprintf(text, sizeof(text), "127.0.0.1:%u", fake_dns_port(dns));
		ck_assert(endpoint_from_text(text, 53, &servers[i]));
	}
	ck_assert_int_eq(resolver_create(loop, servers, n_servers, on_changed, &changes, &resolver), 0);
}

void set_up(void)
{
	loop = event_base_new();
	dns = fake_dns_start();
	resolver = NULL;
	memset(outcomes, 0, sizeof(outcomes));
	changes = 0;
}

void set_up_resolver(void)
{
	set_up();
	create(1);
}

void tear_down(void)
{
	resolver_destroy(resolver);
	event_base_free(loop);
	fake_dns_stop(dns);
}

bool run_until(bool (*done)(void *context), void *context, uint64_t limit_ms)
{
	const uint64_t end = clock_ms() + limit_ms;

	while (!done(context) && clock_ms() < end) {
		event_base_loopexit(loop, &(struct timeval){ .tv_usec = 10000 });
		event_base_loop(loop, EVLOOP_ONCE);
	}
	return done(context);
}

bool is_done(void *context)
{
	return ((const struct outcome *)context)->calls > 0;
}

bool never(void *context)
{
	(void)context;
	return false;
}

bool any_change(void *context)
{
	(void)context;
	return changes > 0;
}

struct resolver_lookup *start(const char *host, struct outcome *o)
{
	struct resolver_lookup *l = NULL;

	ck_assert_int_eq(resolver_lookup(resolver, host, on_done, o, &l), 0);
	ck_assert_ptr_nonnull(l);
	ck_assert_uint_eq(o->calls, 0);
	return l;
}

const char *look_up(const char *host)
{
	struct outcome *o = &outcomes[0];

	memset(o, 0, sizeof(*o));
	start(host, o);
	ck_assert_msg(run_until(is_done, o, LIMIT_MS), "no end of %s", host);
	ck_assert_uint_eq(o->calls, 1);
	return o->text;
}

const char *watched(const char *host)
{
	struct address addresses[RESOLVER_ADDRESSES_MAX];

	return spell(addresses, resolver_watch(resolver, host, addresses));
}

void reload(const struct fake_dns *server)
{
	struct endpoint e;
	char text[ENDPOINT_TEXT_MAX];

	snprintf(text, sizeof(text), "127.0.0.1:%u", server != NULL ? fake_dns_port(server) : 1);
	ck_assert(endpoint_from_text(text, 53, &e));
	ck_assert_int_eq(resolver_reload(resolver, &e, server != NULL ? 1 : 0), 0);
}
