/* SPDX-License-Identifier: BSD-2-Clause */
/* The kind: its life, and which question comes next. */
#include "registry/etcd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/etcd_layouts.h"

enum {
	/* A name has 255 octets, so a key that is longer is no record, whatever its prefix. What it would be
	 * kept under could have 1.5 MiB. */
	ITEM_NAME_MAX = 1024,
};

void etcd_move_on(struct registry *r)
{
	r->url = (r->url + 1) % r->n_urls;
}

int etcd_fail(struct registry *r, struct snapshot_builder *b, int error, const char *format, ...)
{
	char why[256];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	snapshot_builder_fail(b, error, "%.80s: %s", r->urls[r->url], why);
	etcd_move_on(r);
	return error;
}

struct etcd_range etcd_range_of(const struct registry *r)
{
	return (struct etcd_range){ r->prefix, r->end, r->prefix_len, r->end_len };
}

const char *etcd_item_name(const struct etcd_kv *kv)
{
	const bool is_text = strnlen(kv->key, kv->key_len) == kv->key_len;

	return is_text && kv->key_len <= ITEM_NAME_MAX ? kv->key : NULL;
}

int etcd_read_kv(struct registry *r, const struct etcd_kv *kv, struct snapshot_builder *b)
{
	const size_t len = strlen(r->prefix);

	if (kv->key_len < len || memcmp(kv->key, r->prefix, len) != 0)
		return snapshot_builder_fail(b, -EPROTO, "a key that was not asked for");
	return etcd_read_record(r->options->etcd.layout, kv->key + len, kv, b);
}

/* --- life --- */

/* All clients of a cluster have the same list in their configurations, and would all ask the first member. */
static int shuffle_urls(struct registry *r)
{
	const char *const *urls = r->options->etcd.urls;

	while (urls != NULL && urls[r->n_urls] != NULL)
		r->n_urls++;
	if (r->n_urls == 0)
		return -EINVAL;
	r->urls = calloc(r->n_urls, sizeof(*r->urls));
	if (r->urls == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_urls; i++) {
		const size_t at = random_below(&r->random, (uint32_t)i + 1);

		r->urls[i] = r->urls[at];
		r->urls[at] = urls[i];
	}
	return 0;
}

/* The first key behind all with a prefix is the prefix with its last octet, always a slash, one higher. All
 * keys there are go from one zero octet to one zero octet. */
static int set_range(struct registry *r)
{
	int status = etcd_make_prefix(&r->options->etcd, &r->prefix);

	if (status < 0)
		return status;
	r->prefix_len = strlen(r->prefix);
	r->end = strdup(r->prefix);
	if (r->end == NULL)
		return -ENOMEM;
	r->end_len = r->prefix_len;
	if (r->prefix_len > 0)
		r->end[r->end_len - 1]++;
	else
		r->end_len = r->prefix_len = 1;
	return 0;
}

static void destroy(struct registry *r)
{
	if (r == NULL)
		return;
	if (r->password != NULL)
		explicit_bzero(r->password, strlen(r->password));
	if (r->token != NULL)
		explicit_bzero(r->token, strlen(r->token));
	free(r->password);
	free(r->token);
	free(r->prefix);
	free(r->end);
	free(r->urls);
	buffer_finish(&r->body);
	buffer_finish(&r->last);
	buffer_finish(&r->witness);
	free(r);
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
	r->keys.vital = true;
	random_seed(&r->random);
	int status = shuffle_urls(r);
	if (status == 0)
		status = set_range(r);
	if (status == 0)
		*ret = r;
	else
		destroy(r);
	return status;
}

static int start(struct registry *r)
{
	return r->host->start(r->host, &r->keys);
}

/* --- questions and answers --- */

static int ask_next(struct registry *r, struct fetch_request *ret)
{
	*ret = (struct fetch_request){ .source = FETCH_HTTP,
				       .http = &r->options->http,
				       .url = r->urls[r->url],
				       .authorization = r->token };
	if (etcd_wants_login(r))
		return etcd_ask_login(r, ret);
	if (r->doubted && !etcd_has_witness(r))
		r->listed = false;
	if (!r->listed || !r->options->watch)
		return etcd_ask_page(r, ret);
	return r->doubted ? etcd_ask_witness(r, ret) : etcd_ask_watch(r, ret);
}

static int read_any(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	switch (r->asked) {
	case ETCD_ASK_PASSWORD:
		return etcd_read_password(r, result, b);
	case ETCD_ASK_TOKEN:
		return etcd_read_login(r, result, b);
	case ETCD_ASK_PAGE:
		return etcd_take_page(r, result, b);
	case ETCD_ASK_WITNESS:
		return etcd_take_witness(r, result, b);
	case ETCD_ASK_WATCH:
	default:
		return etcd_take_notice(r, result, b);
	}
}

/* A list that failed is over, wherever that was. */
static int ask(struct registry *r, struct resource *res, struct fetch_request *ret,
	       struct snapshot_builder *b)
{
	const int status = ask_next(r, ret);

	(void)res;
	(void)b;
	if (status < 0)
		etcd_abandon_list(r);
	return status;
}

/* That a member is down says nothing of the others: each is asked once before all of it is a failure. The
 * question stays the same, whatever has been read already. */
static bool passes_over(struct registry *r, const struct fetch_result *result)
{
	const int error = result->error;

	if (error != -ECONNREFUSED && error != -EHOSTUNREACH && error != -ENETUNREACH) {
		r->n_unreached = 0;
		return false;
	}
	return ++r->n_unreached % r->n_urls != 0;
}

static int read_result(struct registry *r, struct resource *res, const struct fetch_result *result,
		       struct snapshot_builder *b)
{
	(void)res;
	if (passes_over(r, result)) {
		etcd_move_on(r);
		return STEP_ASK;
	}
	const int step = read_any(r, result, b);
	if (step < 0)
		etcd_abandon_list(r);
	return step;
}

const struct registry_kind registry_etcd = {
	.name = "etcd",
	.brake = true,
	.create = create,
	.destroy = destroy,
	.start = start,
	.ask = ask,
	.read = read_result,
};
