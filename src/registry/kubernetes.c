/* SPDX-License-Identifier: BSD-2-Clause */
/* The Kubernetes API: EndpointSlices and Services, listed and then watched. */
#include "registry/kubernetes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/request_path.h"

enum {
	/* How long a watch may last, as the API's own clients have it: a random time, so that the watches of
	 * a server that was restarted do not all end at once. */
	WATCH_MIN_S = 300,
	WATCH_SPREAD_S = 300,

	/* Bookmarks come every minute or so, but nothing promises that; the end of the watch is promised. */
	GRACE_MS = 30000,
};

static void add_number(struct request_path *p, const char *name, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	request_path_add_parameter(p, name, text);
}

/* The selector goes for both types, because the controller copies a service's labels to its slices: on the
 * slices alone, the services it leaves out would be there, and empty. */
static void begin_path(struct registry *r, struct collection *c, struct request_path *ret)
{
	const char *selector = r->options->kubernetes.label_selector;

	request_path_begin(ret, &c->path);
	request_path_add(ret, c->type->root);
	if (c->namespace != NULL) {
		request_path_add(ret, "/namespaces/");
		request_path_add_encoded(ret, c->namespace);
	}
	request_path_add(ret, "/");
	request_path_add(ret, c->type->name);
	if (selector != NULL && selector[0] != '\0')
		request_path_add_parameter(ret, "labelSelector", selector);
}

/* The first list takes any state that the server has in memory, as the API's own clients do: a thousand
 * sidecars that start in one second would else be a thousand reads through the consensus of etcd. It may be
 * seconds old; the watch that follows makes up for that. Such an answer comes whole: the limit is for servers
 * without memory. Polls do the same with their position, so that no server that lags takes them back in time.
 */
static void add_list_parameters(struct collection *c, struct request_path *p)
{
	if (c->listing == LIST_CACHED || c->listing == LIST_PAGES)
		add_number(p, "limit", c->page_size);
	if (c->next != NULL)
		request_path_add_parameter(p, "continue", c->next); /* which has a version of its own in it */
	else if (c->listing == LIST_CACHED)
		request_path_add_parameter(p, "resourceVersion", "0");
	else if (c->listing == LIST_NEWER) {
		/* With a limit and without the second word it would be exactly that state. */
		request_path_add_parameter(p, "resourceVersion", c->position);
		request_path_add_parameter(p, "resourceVersionMatch", "NotOlderThan");
	}
}

static void ask_list(struct registry *r, struct collection *c, struct request_path *p,
		     struct fetch_request *ret)
{
	if (!c->resource.part.in_round)
		kubernetes_abandon_list(r, c); /* who runs us has given it up */
	add_list_parameters(c, p);
	*ret = (struct fetch_request){ .source = FETCH_HTTP };
}

/* Some proxies send the headers together with the first event, so the first octet may take as long as any. */
static void ask_watch(struct registry *r, struct collection *c, struct request_path *p,
		      struct fetch_request *ret)
{
	const unsigned seconds = WATCH_MIN_S + random_below(&r->random, WATCH_SPREAD_S + 1);
	const uint64_t silence_ms = seconds * 1000ULL + GRACE_MS;

	request_path_add_parameter(p, "watch", "1");
	request_path_add_parameter(p, "allowWatchBookmarks", "true");
	request_path_add_parameter(p, "resourceVersion", c->position);
	add_number(p, "timeoutSeconds", seconds);
	*ret = (struct fetch_request){ .source = FETCH_STREAM,
				       .first_ms = silence_ms,
				       .silence_ms = silence_ms,
				       .timeout_ms = silence_ms + GRACE_MS,
				       .held = true };
}

static int ask(struct registry *r, struct resource *res, struct fetch_request *ret,
	       struct snapshot_builder *b)
{
	struct collection *c = (struct collection *)res;
	struct fetch_request request;
	struct request_path path;

	(void)b;
	begin_path(r, c, &path);
	c->watching = r->options->watch && c->position != NULL;
	if (c->watching)
		ask_watch(r, c, &path, &request);
	else
		ask_list(r, c, &path, &request);
	const int status = request_path_end(&path);
	if (status < 0)
		return status;
	request.http = &r->options->http;
	request.path = (const char *)c->path.octets;
	*ret = request;
	return 0;
}

static int read_result(struct registry *r, struct resource *res, const struct fetch_result *result,
		       struct snapshot_builder *b)
{
	struct collection *c = (struct collection *)res;

	if (c->watching)
		return kubernetes_read_watch(r, c, result, b);
	return kubernetes_read_list(r, c, result, b);
}

static size_t count_namespaces(const struct kubernetes_options *o)
{
	size_t n = 0;

	while (o->namespaces != NULL && o->namespaces[n] != NULL)
		n++;
	return n;
}

/* Slices say where the instances are: without them no answer is up to date. Services add names that lead
 * elsewhere (ExternalName) and those of services without a slice, and a token often has no right to list
 * them: that must be seen and logged, but it makes nothing stale that was said of instances. */
static int init_collection(struct collection *c, const struct kubernetes_type *type, const char *namespace)
{
	int r = namespace == NULL ? asprintf(&c->name, "%s", type->name)
				  : asprintf(&c->name, "%s of %s", type->name, namespace);

	if (r < 0) {
		c->name = NULL;
		return -ENOMEM;
	}
	c->resource.name = c->name;
	c->resource.vital = type == &kubernetes_slices;
	c->type = type;
	c->namespace = namespace;
	c->page_size = KUBERNETES_PAGE;
	return 0;
}

static void destroy(struct registry *r)
{
	for (size_t i = 0; r != NULL && i < r->n; i++) {
		struct collection *c = &r->collections[i];

		buffer_finish(&c->path);
		free(c->name);
		free(c->position);
		free(c->next);
		free(c->listed);
	}
	free(r);
}

static int create(const struct registry_options *o, struct registry_host *host, struct ledger *ledger,
		  struct registry **ret)
{
	const size_t n_namespaces = count_namespaces(&o->kubernetes);
	const size_t n = 2 * (n_namespaces > 0 ? n_namespaces : 1);
	struct registry *r = calloc(1, sizeof(*r) + n * sizeof(r->collections[0]));
	int status = r != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; status == 0 && i < n; i++) {
		const char *namespace = n_namespaces > 0 ? o->kubernetes.namespaces[i / 2] : NULL;

		r->n = i + 1;
		status = init_collection(&r->collections[i],
					 i % 2 == 0 ? &kubernetes_slices : &kubernetes_services, namespace);
	}
	if (status < 0) {
		destroy(r);
		return status;
	}
	r->options = o;
	r->host = host;
	r->ledger = ledger;
	random_seed(&r->random);
	*ret = r;
	return 0;
}

static int start(struct registry *r)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < r->n; i++)
		status = r->host->start(r->host, &r->collections[i].resource);
	return status;
}

const struct registry_kind registry_kubernetes = {
	.name = "kubernetes",
	.brake = true,
	.create = create,
	.destroy = destroy,
	.start = start,
	.ask = ask,
	.read = read_result,
};
