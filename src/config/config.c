/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/tree.h"
#include "feed/resolv_conf.h"

enum {
	BOOTSTRAP_MAX = 8, /* as the row of bootstrap */

	/* Both libcs give up after 5 s: the answer has to be there before (design: forwarding). */
	FORWARD_TRY_MS = 1500,
	FORWARD_DEADLINE_MS = 4000,
};

/* The zone of a configuration that says nothing about zones. */
static const char default_zone[] = "service.local";

/* Gives every key that was left out its default, as if it stood in the line of its block. */
static void fill_defaults(struct config_tree *t, struct config_block *b)
{
	const struct config_kind *kind = config_kind(b->kind);

	for (size_t i = 0; i < kind->n_rows; i++) {
		const char *text = kind->rows[i].fallback;

		if (b->values[i].n > 0)
			continue;
		if (kind->rows[i].required)
			config_complain(t, b->file, b->line, "%s \"%s\": %s is missing", kind->word, b->title,
					kind->rows[i].key);
		while (text != NULL) {
			const char *end = strchrnul(text, '\n');

			config_value_add(t, &b->values[i], text, (size_t)(end - text), b->file, b->line);
			text = *end == '\n' ? end + 1 : NULL;
		}
	}
}

/* Those that are no addresses have been reported when they were parsed. */
static size_t read_endpoints(const struct config_value *v, struct endpoint *ret, size_t max)
{
	size_t n = 0;

	for (const struct config_text *e = v->first; e != NULL && n < max; e = e->next)
		n += endpoint_from_text(e->text, 53, &ret[n]);
	return n;
}

static bool is_any(const struct address *a)
{
	static const uint8_t zeroes[16];

	return memcmp(a->octets, zeroes, a->len) == 0;
}

/* An answer must come from the address that was asked (RFC 2181 section 4.1), which a socket on all of them
 * does not tell; and a resolver for one host has no business on all its networks. */
static void check_listen(struct config_tree *t, const struct config_text *at, const struct endpoint *all,
			 size_t i)
{
	char text[ENDPOINT_TEXT_MAX];
	struct address a;

	endpoint_to_address(&all[i], &a);
	if (is_any(&a))
		config_complain(t, at->file, at->line,
				"listen: %s is no single address: name each one to listen on",
				endpoint_to_text(&all[i], text));
	for (size_t j = 0; j < i; j++) {
		if (endpoint_equal(&all[i], &all[j]))
			config_complain(t, at->file, at->line, "listen: %s stands here twice",
					endpoint_to_text(&all[i], text));
	}
}

/* Those that are none have been reported when they were parsed. */
static void read_guests(const struct config_value *v, struct guests *ret)
{
	for (const struct config_text *e = v->first; e != NULL && ret->n < GUEST_NETWORKS_MAX; e = e->next)
		ret->n += network_from_text(e->text, &ret->networks[ret->n]);
}

static void build_server(struct config_tree *t, struct config *c)
{
	struct config_block *top = t->first;
	const struct config_value *listen = config_block_get(top, "listen");

	struct server_options *server = &c->server;

	config_block_store(t, top, &c->arena, c);
	read_guests(config_block_get(top, "allow"), &server->guests);
	for (const struct config_text *e = listen->first; e != NULL; e = e->next) {
		if (server->n_listen == SERVER_LISTEN_MAX)
			break;
		if (!endpoint_from_text(e->text, 53, &server->listen[server->n_listen]))
			continue;
		check_listen(t, e, server->listen, server->n_listen);
		server->n_listen++;
	}
}

/* Would a query to server come back to us? */
static bool is_listener(const struct server_options *o, const struct endpoint *server)
{
	for (size_t i = 0; i < o->n_listen; i++) {
		if (endpoint_equal(&o->listen[i], server))
			return true;
	}
	return false;
}

static size_t build_servers(struct config_tree *t, const struct config *c, const char *key,
			    const struct config_value *v, struct endpoint *ret, size_t max)
{
	struct endpoint e;

	for (const struct config_text *x = v->first; x != NULL; x = x->next) {
		if (endpoint_from_text(x->text, 53, &e) && is_listener(&c->server, &e))
			config_complain(
				t, x->file, x->line,
				"%s: \"%s\" is an address we listen on: the query would go round in circles",
				key, x->text);
	}
	return read_endpoints(v, ret, max);
}

static void build_forward(struct config_tree *t, struct config *c)
{
	c->forward.try_ms = FORWARD_TRY_MS;
	c->forward.deadline_ms = FORWARD_DEADLINE_MS;
	for (struct config_block *b = config_tree_next(t->first, BLOCK_FORWARD); b != NULL;
	     b = config_tree_next(b->next, BLOCK_FORWARD)) {
		if (strcmp(b->title, ".") != 0) {
			config_complain(
				t, b->file, b->line,
				"forward \"%s\": only \".\", for all names, is built into this version",
				b->title);
			continue;
		}
		if (c->forward.n_upstreams > 0)
			config_complain(t, b->file, b->line, "forward \".\": given twice");
		c->forward.n_upstreams = build_servers(t, c, "upstreams", config_block_get(b, "upstreams"),
						       c->forward.upstreams, FORWARD_UPSTREAMS_MAX);
	}
}

static void build_bootstrap(struct config_tree *t, struct config *c)
{
	const struct config_value *v = config_block_get(t->first, "bootstrap");
	struct feed_options *feed = c->feed;

	feed->listen = config_tree_alloc(t, &feed->arena, c->server.n_listen + 1, sizeof(feed->listen[0]));
	feed->bootstrap = config_tree_alloc(t, &feed->arena, BOOTSTRAP_MAX, sizeof(feed->bootstrap[0]));
	if (feed->listen == NULL || feed->bootstrap == NULL)
		return;
	memcpy(feed->listen, c->server.listen, c->server.n_listen * sizeof(feed->listen[0]));
	feed->n_listen = c->server.n_listen;

	if (v->n > 0) {
		feed->n_bootstrap = build_servers(t, c, "bootstrap", v, feed->bootstrap, BOOTSTRAP_MAX);
		return;
	}
	if (c->forward.n_upstreams > 0) {
		memcpy(feed->bootstrap, c->forward.upstreams,
		       c->forward.n_upstreams * sizeof(feed->bootstrap[0]));
		feed->n_bootstrap = c->forward.n_upstreams;
		return;
	}
	feed->n_bootstrap = resolv_conf_read("/etc/resolv.conf", feed->listen, feed->n_listen,
					     feed->bootstrap, BOOTSTRAP_MAX);
}

/* Keys of the file itself that concern the feeding plane. */
static void build_feed(struct config_tree *t, struct config *c)
{
	struct feed_options *feed = c->feed;

	feed->state_dir = arena_text(&feed->arena, c->state_dir, strlen(c->state_dir));
	if (c->zone_of_host != NULL)
		feed->zone_of_host = arena_text(&feed->arena, c->zone_of_host, strlen(c->zone_of_host));
	feed->probe = c->probe;
	if (feed->state_dir == NULL || (c->zone_of_host != NULL && feed->zone_of_host == NULL))
		t->out_of_memory = true;
	build_bootstrap(t, c);
}

_Static_assert((int)FORWARD_UPSTREAMS_MAX <= (int)BOOTSTRAP_MAX, "all upstreams can be bootstrap servers");

static int build(struct config_tree *t, struct config *c)
{
	c->feed = calloc(1, sizeof(*c->feed));
	if (c->feed == NULL)
		return -ENOMEM;
	if (config_tree_next(t->first, BLOCK_ZONE) == NULL)
		config_tree_add(t, BLOCK_ZONE, default_zone, t->first->file, 0);
	for (struct config_block *b = t->first; b != NULL; b = b->next)
		fill_defaults(t, b);

	build_server(t, c);
	build_forward(t, c);
	if (!t->out_of_memory && t->n_errors == 0)
		build_feed(t, c);
	config_build_registries(t, c->feed);
	config_build_zones(t, c->feed);
	if (t->out_of_memory)
		return -ENOMEM;
	return t->n_errors > 0 ? -EINVAL : 0;
}

static int read_file(const char *path, FILE *errors, bool looks_at_files, struct config **ret)
{
	struct config_tree tree = { .errors = errors };
	struct config *c = calloc(1, sizeof(*c));
	int r = c != NULL ? config_parse(path, &tree) : -ENOMEM;

	if (r == 0)
		r = build(&tree, c);
	if (r == 0 && looks_at_files)
		config_look_at_files(&tree);
	arena_finish(&tree.arena);
	if (r < 0) {
		config_destroy(c);
		return r;
	}
	*ret = c;
	return 0;
}

int config_read(const char *path, FILE *errors, struct config **ret)
{
	return read_file(path, errors, false, ret);
}

int config_check(const char *path, FILE *errors)
{
	struct config *c;
	const int r = read_file(path, errors, true, &c);

	if (r == 0)
		config_destroy(c);
	return r;
}

void config_destroy(struct config *c)
{
	if (c == NULL)
		return;
	feed_options_destroy(c->feed);
	arena_finish(&c->arena);
	free(c);
}
