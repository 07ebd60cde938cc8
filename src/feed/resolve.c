/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "feed/answers.h"
#include "feed/channel.h"
#include "feed/hosts.h"
#include "feed/lookups.h"

enum {
	TRY_MS = 1000, /* one server's time; the second round doubles it */
};

struct resolver {
	struct event_base *loop;
	struct endpoint *servers; /* as given, also those that cannot be asked */
	size_t n_servers;
	struct lookups *lookups;
	struct hosts hosts;
};

int resolver_lookup(struct resolver *r, const char *host,
		    void (*done)(void *context, const struct address *addresses, size_t n, const char *error),
		    void *context, struct resolver_lookup **ret)
{
	const struct lookup_listener listener = { .done = done, .context = context };

	return lookups_start(r->lookups, host, &listener, ret);
}

int resolver_refresh(struct resolver *r, const char *host,
		     void (*told)(void *context, const struct answers *answers), void *context,
		     struct resolver_lookup **ret)
{
	const struct lookup_listener listener = { .told = told, .context = context };

	return lookups_start(r->lookups, host, &listener, ret);
}

/* --- watched hosts --- */

size_t resolver_watch(struct resolver *r, const char *host, struct address ret[RESOLVER_ADDRESSES_MAX])
{
	struct addresses known;
	const struct addresses *found = &known;

	if (!addresses_of_known_host(host, &known))
		found = hosts_watch(&r->hosts, host, lookups_can_ask(r->lookups) && is_host_name(host));
	if (found == NULL)
		return 0;
	memcpy(ret, found->at, found->n * sizeof(*ret));
	return found->n;
}

void resolver_sweep_begin(struct resolver *r)
{
	hosts_sweep_begin(&r->hosts);
}

void resolver_sweep_end(struct resolver *r)
{
	hosts_sweep_end(&r->hosts);
}

/* --- servers --- */

static bool has_servers(const struct resolver *r, const struct endpoint *servers, size_t n)
{
	for (size_t i = 0; n == r->n_servers && i < n; i++) {
		if (!endpoint_equal(&r->servers[i], &servers[i]))
			return false;
	}
	return n == r->n_servers;
}

/* c-ares cannot change its servers while it asks them: a new channel takes over, and what the old one owes
 * comes back as failed, to be asked again. */
static int set_servers(struct resolver *r, const struct endpoint *servers, size_t n)
{
	struct endpoint *copy = calloc(n + 1, sizeof(*copy));
	struct channel *channel;

	if (copy == NULL)
		return -ENOMEM;
	const int error = channel_create(r->loop, CHANNEL_LOOKUPS, servers, n, TRY_MS, &channel);
	if (error < 0) {
		free(copy);
		return error;
	}
	for (size_t i = 0; i < n; i++)
		copy[i] = servers[i];
	free(r->servers);
	r->servers = copy;
	r->n_servers = n;
	lookups_use(r->lookups, channel);
	return 0;
}

int resolver_create(struct event_base *loop, const struct endpoint *servers, size_t n,
		    void (*changed)(void *context), void *context, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->loop = loop;
	hosts_init(&r->hosts, loop, r, changed, context);
	int error = lookups_create(loop, &r->lookups);
	if (error == 0)
		error = set_servers(r, servers, n);
	if (error < 0) {
		resolver_destroy(r);
		return error;
	}
	*ret = r;
	return 0;
}

/* The same servers have nothing new to say: a fleet that is reloaded at once must not ask at once. */
int resolver_reload(struct resolver *r, const struct endpoint *servers, size_t n)
{
	const bool same = has_servers(r, servers, n);
	const int error = set_servers(r, servers, n);

	if (error == 0 && !same)
		hosts_refresh(&r->hosts);
	return error;
}

void resolver_destroy(struct resolver *r)
{
	if (r == NULL)
		return;
	hosts_finish(&r->hosts);
	lookups_destroy(r->lookups);
	free(r->servers);
	free(r);
}
