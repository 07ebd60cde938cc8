/* SPDX-License-Identifier: BSD-2-Clause */
/* One URL, asked again and again: the whole list in every answer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "registry/registry.h"
#include "registry/shapes.h"

enum {
	/* Last-Modified moves in steps of a second: of two changes within one, the second is invisible (RFC
	 * 9110 section 8.8.2.2). Asking every 20th time without it bounds that to 100 s at the usual 5 s. */
	UNCONDITIONAL_EVERY = 20,

	/* Real validators have 10 to 70 octets; what is longer is not worth carrying around. */
	VALIDATOR_MAX = 1024,
};

struct validators {
	char *etag, *last_modified; /* byte for byte as they came; NULL: none */
};

struct registry {
	const struct registry_options *options;
	struct registry_host *host;
	struct ledger *ledger;
	struct resource list;
	struct validators good; /* of what the ledger has */
	unsigned n_conditional; /* requests in a row that carried only Last-Modified */
	bool conditional;       /* the request under way */
};

static void forget(struct validators *v)
{
	free(v->etag);
	free(v->last_modified);
	*v = (struct validators){ 0 };
}

static int create(const struct registry_options *o, struct registry_host *host, struct ledger *ledger,
		  struct registry **ret)
{
	struct registry *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->options = o;
	r->host = host;
	r->ledger = ledger;
	r->list.vital = true;
	*ret = r;
	return 0;
}

static void destroy(struct registry *r)
{
	if (r == NULL)
		return;
	forget(&r->good);
	free(r);
}

static int start(struct registry *r)
{
	return r->host->start(r->host, &r->list);
}

/* Whether this request is one that the registry may answer with "as before". */
static bool ask_conditionally(struct registry *r)
{
	if (r->good.etag != NULL)
		return true;
	if (r->good.last_modified == NULL || ++r->n_conditional >= UNCONDITIONAL_EVERY) {
		r->n_conditional = 0;
		return false;
	}
	return true;
}

static int ask(struct registry *r, struct resource *res, struct fetch_request *ret,
	       struct snapshot_builder *b)
{
	(void)res;
	(void)b;
	r->conditional = ask_conditionally(r);
	*ret = (struct fetch_request){ .source = FETCH_HTTP, .http = &r->options->http };
	if (r->conditional) {
		ret->etag = r->good.etag;
		ret->last_modified = r->good.last_modified;
	}
	return 0;
}

/* NULL for none; without memory too, which costs one full answer. */
static char *copy_validator(const char *text)
{
	if (text == NULL || text[0] == '\0' || strnlen(text, VALIDATOR_MAX + 1) > VALIDATOR_MAX)
		return NULL;
	return strdup(text);
}

static void note_position(struct registry *r, const char *etag, const char *last_modified)
{
	if (etag != NULL)
		resource_set_position(&r->list, "ETag %s", etag);
	else if (last_modified != NULL)
		resource_set_position(&r->list, "Last-Modified %s", last_modified);
	else
		resource_set_position(&r->list, "%s", "");
}

static void keep_validators(struct registry *r, const char *etag, const char *last_modified)
{
	const struct validators fresh = { .etag = copy_validator(etag),
					  .last_modified = copy_validator(last_modified) };

	note_position(r, etag, last_modified);
	forget(&r->good);
	r->good = fresh;
}

/* A 304 may bring newer validators, and those it does not bring stay (RFC 9111 section 3.2). */
static int read_not_modified(struct registry *r, const struct fetch_result *res, struct snapshot_builder *b)
{
	if (!r->conditional)
		return snapshot_builder_fail(b, -EPROTO, "HTTP status 304 to a request without validators");
	keep_validators(r, res->etag != NULL ? res->etag : r->good.etag,
			res->last_modified != NULL ? res->last_modified : r->good.last_modified);
	ledger_repeat(r->ledger, &r->list.part);
	return STEP_PAUSE;
}

/* What a status that is not 200 means for whoever runs the registry. */
static const char *explain_status(int status)
{
	if (status == 204)
		return "no content; a list that is empty is written []";
	if (status >= 300 && status < 400)
		return "moved; redirects are not followed";
	if (status == 401 || status == 403)
		return "the registry wants other credentials";
	if (status == 404 || status == 410)
		return "nothing at this URL";
	if (status == 429)
		return "asked too often";
	return status >= 500 ? "the registry is in trouble" : "200 is wanted";
}

/* JSON, and what servers say that do not know: no Content-Type, or text/plain. A proxy's error page is HTML.
 */
static bool is_json_type(const char *type)
{
	static const char prefix[] = "application/", suffix[] = "+json";
	const size_t len = type != NULL ? strcspn(type, "; \t") : 0;
	static const char *const known[] = { "application/json", "text/json", "text/plain" };

	if (len == 0)
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i]) == len && strncasecmp(known[i], type, len) == 0)
			return true;
	}
	return len > sizeof(prefix) + sizeof(suffix) - 2 &&
	       strncasecmp(type, prefix, sizeof(prefix) - 1) == 0 &&
	       strncasecmp(type + len - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1) == 0;
}

static int read_body(struct registry *r, const struct fetch_result *res, struct snapshot_builder *b)
{
	const struct shape_options shape = { .service = r->options->service,
					     .service_label = r->options->service_label };

	if (!is_json_type(res->content_type))
		return snapshot_builder_fail(b, -EBADMSG, "the answer is %.80s, not JSON", res->content_type);
	if (res->len == 0)
		return snapshot_builder_fail(b, -EBADMSG,
					     "the answer is empty; a list that is empty is written []");
	int status = shapes_read(res->body, res->len, &shape, b);
	if (status < 0)
		return status;
	ledger_begin(r->ledger, &r->list.part);
	status = ledger_stage(r->ledger, &r->list.part, "", b);
	if (status < 0)
		return status;
	ledger_commit(r->ledger, &r->list.part);
	/* Only now: or one bad body would be confirmed by 304 for ever. */
	keep_validators(r, res->etag, res->last_modified);
	return STEP_PAUSE;
}

static int read_result(struct registry *r, struct resource *list, const struct fetch_result *res,
		       struct snapshot_builder *b)
{
	(void)list;
	if (res->error < 0)
		return snapshot_builder_fail(b, res->error, "%s", res->error_text);
	if (res->status == 304)
		return read_not_modified(r, res, b);
	if (res->status != 200)
		return snapshot_builder_fail(b, -EPROTO, "HTTP status %d: %s", res->status,
					     explain_status(res->status));
	return read_body(r, res, b);
}

const struct registry_kind registry_http = {
	.name = "http",
	.brake = true,
	.create = create,
	.destroy = destroy,
	.start = start,
	.ask = ask,
	.read = read_result,
};
