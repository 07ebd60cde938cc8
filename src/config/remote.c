/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of registries that are asked over a network: defaults that no row can tell, and what can only be
 * judged by looking at several keys. */
#include <stdlib.h>
#include <string.h>

#include "config/tree.h"
#include "feed/feeder.h"
#include "wire/name.h"

/* Where Kubernetes puts the credentials of a pod. */
#define POD_FILES "/var/run/secrets/kubernetes.io/serviceaccount/"

static const char unix_scheme[] = "unix://";

static bool is_given(struct config_block *b, const char *key)
{
	return config_row_find(b->kind, key) != NULL && config_block_get(b, key)->n > 0;
}

/* At the line of the key if it is there, else of the block. */
static void complain(struct config_tree *t, struct config_block *b, const char *key, const char *problem)
{
	const struct config_text *at = is_given(b, key) ? config_block_get(b, key)->first : NULL;

	config_complain(t, at != NULL ? at->file : b->file, at != NULL ? at->line : b->line, "%s \"%s\": %s",
			config_kind(b->kind)->word, b->title, problem);
}

/* Puts another text in the place of what was written. */
static void rewrite(struct config_tree *t, struct config_text *e, const char *text, size_t len)
{
	e->text = arena_text(&t->arena, text, len);
	if (e->text == NULL) {
		e->text = "";
		t->out_of_memory = true;
	}
}

/* --- defaults --- */

static bool has_registry(struct config_block *zone, const char *name)
{
	const struct config_value *names = config_block_get(zone, "registries");
	const struct config_text *e = names->first;

	while (e != NULL && strcmp(e->text, name) != 0)
		e = e->next;
	return names->n == 0 || e != NULL;
}

/* The first zone with the registry; the first of all for one that is in none. */
static struct config_block *zone_of(struct config_tree *t, const char *registry)
{
	struct config_block *first = config_tree_next(t->first, BLOCK_ZONE), *b = first;

	while (b != NULL && !has_registry(b, registry))
		b = config_tree_next(b->next, BLOCK_ZONE);
	return b != NULL ? b : first;
}

/* As names compare: folded, without a final dot. */
static void normalise_zone(struct config_tree *t, struct config_text *e)
{
	char text[NAME_TEXT_MAX];
	struct name name;

	if (!name_from_text(e->text, strlen(e->text), &name))
		return; /* "", or refused */
	name_to_text(name.octets, text);
	rewrite(t, e, text, strlen(text));
}

/* Without it the prefix /skydns would be that of /skydns-old too. */
static void end_prefix(struct config_tree *t, struct config_text *e)
{
	const size_t len = strlen(e->text);
	char *text = config_tree_alloc(t, &t->arena, len + 2, 1);

	if (text == NULL || len == 0 || e->text[len - 1] == '/')
		return;
	memcpy(text, e->text, len);
	text[len] = '/';
	e->text = text;
}

static bool is_naming(struct config_block *b)
{
	const struct config_text *layout = config_block_get(b, "layout")->first;

	return layout != NULL && strcmp(layout->text, "naming") == 0;
}

static void fill_etcd(struct config_tree *t, struct config_block *b)
{
	struct config_value *prefix = config_block_get(b, "prefix"), *zone = config_block_get(b, "zone");

	if (!is_naming(b)) {
		config_block_fill(t, b, "prefix", "/skydns/");
		config_block_fill(t, b, "zone", zone_of(t, b->title)->title);
	}
	if (prefix->n > 0)
		end_prefix(t, prefix->first);
	if (zone->n > 0)
		normalise_zone(t, zone->first);
}

/* The API server as Kubernetes tells each container where it is. */
static void fill_kubernetes(struct config_tree *t, struct config_block *b)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	char url[512], error[CONFIG_ERROR_MAX];

	if (is_given(b, "url"))
		return;
	if (host == NULL || port == NULL || host[0] == '\0' || port[0] == '\0') {
		complain(t, b, "url",
			 "url is missing, and in no pod can it be known: KUBERNETES_SERVICE_HOST and "
			 "KUBERNETES_SERVICE_PORT are not set; write url, or run in the cluster");
		return;
	}
	snprintf(url, sizeof(url), strchr(host, ':') != NULL ? "https://[%s]:%s" : "https://%s:%s", host,
		 port);
	if (!config_row_read(config_row_find(b->kind, "url"), url, NULL, error)) {
		complain(t, b, "url",
			 "url is missing, and KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT make none");
		return;
	}
	config_block_fill(t, b, "url", url);
	config_block_fill(t, b, "ca-file", POD_FILES "ca.crt");
	if (!is_given(b, "token") && !is_given(b, "cert-file"))
		config_block_fill(t, b, "token-file", POD_FILES "token");
}

/* A slash at the end would be doubled by the path behind it, which some servers answer by a redirect. */
static void cut_slashes(struct config_tree *t, const struct config_value *urls)
{
	for (struct config_text *e = urls->first; e != NULL; e = e->next) {
		size_t len = strlen(e->text);

		while (len > 0 && e->text[len - 1] == '/')
			len--;
		rewrite(t, e, e->text, len);
	}
}

void config_fill_remote(struct config_tree *t, struct config_block *b)
{
	if (b->kind == BLOCK_ETCD)
		fill_etcd(t, b);
	if (b->kind == BLOCK_KUBERNETES)
		fill_kubernetes(t, b);
	if (b->kind == BLOCK_CONSUL || b->kind == BLOCK_ETCD || b->kind == BLOCK_KUBERNETES)
		cut_slashes(t, config_block_get(b, "url"));
}

/* --- keys against each other --- */

static void check_pair(struct config_tree *t, struct config_block *b, const char *one, const char *other,
		       const char *problem)
{
	if (is_given(b, one) != is_given(b, other))
		complain(t, b, is_given(b, one) ? one : other, problem);
}

static void check_credentials(struct config_tree *t, struct config_block *b)
{
	check_pair(t, b, "cert-file", "key-file", "cert-file and key-file go together");
	check_pair(t, b, "user", "password-file", "user and password-file go together");
	if (is_given(b, "token") && is_given(b, "token-file"))
		complain(t, b, "token", "either token or token-file, not both");
	if (is_given(b, "user") && (is_given(b, "token") || is_given(b, "token-file")))
		complain(t, b, "user", "either user or a token, not both");
}

static void check_twice(struct config_tree *t, struct config_block *b, const char *key)
{
	const struct config_text *first = is_given(b, key) ? config_block_get(b, key)->first : NULL;

	for (const struct config_text *e = first; e != NULL; e = e->next) {
		const struct config_text *same = first;

		while (strcmp(same->text, e->text) != 0)
			same = same->next;
		if (same != e)
			config_complain(t, e->file, e->line, "%s: \"%s\" stands here twice", key, e->text);
	}
}

/* Where in path those parts stand, at its end if that is what is asked; or NULL. */
static const char *find_path(const char *path, const char *wanted, bool at_end)
{
	const size_t len = strlen(wanted);

	for (const char *at = strstr(path, wanted); at != NULL; at = strstr(at + 1, wanted)) {
		if (at[len] == '\0' || (at[len] == '/' && !at_end))
			return at;
	}
	return NULL;
}

/* A reverse proxy may have put the registry below a path of its own, which belongs into the URL. The paths of
 * the API do not: they are put behind it, and a URL that has them already is answered by 404 for ever. */
static void check_api_path(struct config_tree *t, enum block_kind kind, const struct config_text *e)
{
	static const struct {
		enum block_kind kind;
		const char *path;
		bool at_end; /* in the middle it may be a proxy's own */
	} paths[] = {
		{ BLOCK_CONSUL, "/v1", true },
		{ BLOCK_CONSUL, "/v1/catalog", false },
		{ BLOCK_CONSUL, "/v1/health", false },
		{ BLOCK_CONSUL, "/v1/agent", false },
		{ BLOCK_ETCD, "/v3", true },
		{ BLOCK_ETCD, "/v3/kv", false },
		{ BLOCK_ETCD, "/v3/watch", false },
		{ BLOCK_KUBERNETES, "/api", true },
		{ BLOCK_KUBERNETES, "/apis", true },
		{ BLOCK_KUBERNETES, "/api/v1", false },
		{ BLOCK_KUBERNETES, "/apis/discovery.k8s.io", false },
	};
	const char *authority = strstr(e->text, "://");
	const char *path = authority != NULL ? strchr(authority + 3, '/') : NULL;

	for (size_t i = 0; path != NULL && i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *found =
			paths[i].kind == kind ? find_path(path, paths[i].path, paths[i].at_end) : NULL;

		if (found != NULL) {
			config_complain(
				t, e->file, e->line,
				"url: \"%s\" has the path of the API in it; leave out \"%s\", it is put "
				"behind",
				e->text, found);
			return;
		}
	}
}

static void check_api_paths(struct config_tree *t, struct config_block *b)
{
	if (b->kind != BLOCK_CONSUL && b->kind != BLOCK_ETCD && b->kind != BLOCK_KUBERNETES)
		return;
	for (const struct config_text *e = config_block_get(b, "url")->first; e != NULL; e = e->next) {
		if (strncmp(e->text, unix_scheme, strlen(unix_scheme)) != 0)
			check_api_path(t, b->kind, e);
	}
}

static void finish_consul(struct config_tree *t, struct config_block *b, struct http_options *http)
{
	if (http->url == NULL || strncmp(http->url, unix_scheme, strlen(unix_scheme)) != 0)
		return;
	if (http->unix_socket != NULL)
		complain(t, b, "unix-socket", "either unix-socket or a url of unix://, not both");
	http->unix_socket = http->url + strlen(unix_scheme);
	http->url = "http://localhost"; /* goes into the Host header, which must be a name */
}

static void finish_etcd(struct config_tree *t, struct config_block *b, struct registry_options *o)
{
	struct etcd_options *etcd = &o->etcd;

	if (etcd->layout == ETCD_NAMING && is_given(b, "zone"))
		complain(t, b, "zone", "zone goes with layout = skydns only");
	if (etcd->layout == ETCD_NAMING && !is_given(b, "prefix"))
		complain(t, b, "prefix",
			 "prefix is missing: for naming it can be anything, and \"\" means all keys");
	if (etcd->prefix != NULL && etcd->layout == ETCD_SKYDNS && etcd->prefix[0] != '/')
		complain(t, b, "prefix", "prefix: for skydns it begins with a slash, as in /skydns/");
	if (etcd->zone != NULL && etcd->zone[0] == '\0')
		etcd->zone = NULL;
	if (etcd->urls != NULL)
		o->http.url = etcd->urls[0];
}

static void finish_dns(struct config_tree *t, struct config_block *b, const struct feed_options *feed,
		       const struct dns_options *dns)
{
	if (is_given(b, "port") && dns->ask != DNS_ASK_ADDRESS)
		complain(t, b, "port", "port goes with ask = address only; SRV tells it");
	for (size_t i = 0; i < feed->n_listen; i++) {
		if (endpoint_equal(&feed->listen[i], &dns->server))
			complain(t, b, "server",
				 "server is an address we listen on: the query would go round in circles");
	}
}

void config_finish_remote(struct config_tree *t, struct config_block *b, const struct feed_options *feed,
			  struct registry_options *o)
{
	static const char *const lists[] = { "url", "services", "names", "namespaces" };

	check_credentials(t, b);
	check_api_paths(t, b);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		check_twice(t, b, lists[i]);
	if (b->kind == BLOCK_CONSUL)
		finish_consul(t, b, &o->http);
	if (b->kind == BLOCK_ETCD)
		finish_etcd(t, b, o);
	if (b->kind == BLOCK_DNS)
		finish_dns(t, b, feed, &o->dns);
}
