/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream of changes from a revision on, and all the ways in which it may end. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "registry/etcd.h"

enum {
	/* etcd answers a watch at once; one that does not is stuck, or a proxy keeps the stream for itself.
	 * Its own requests to other members run out after 7 s. */
	FIRST_MS = 10 * 1000,

	/* While nothing happens a word comes every 10 minutes, and a few seconds later: 10 min 8 s were seen.
	 * That a member lost its leader it says by itself, that its host is gone TCP finds out sooner. */
	SILENCE_MS = 11 * 60 * 1000,

	/* Streams are opened anew now and then, each at a moment of its own: after a restart of members their
	 * clients would else stay where they are for ever. */
	LIFE_MIN_MS = 25 * 60 * 1000,
	LIFE_SPREAD_MS = 10 * 60 * 1000,

	/* Watches in a row that do not begin although other requests are answered. */
	UNBEGUN_MAX = 2,
};

int etcd_ask_watch(struct registry *r, struct fetch_request *ret)
{
	/* Without it, a member that was cut off from the others keeps a watch open, and silent. */
	static const char *const headers[] = { "Grpc-Metadata-Hasleader: true", NULL };
	const struct etcd_range range = etcd_range_of(r);

	r->asked = ETCD_ASK_WATCH;
	r->created = false;
	const int status = etcd_write_watch_request(&range, r->revision + 1, &r->body);
	ret->source = FETCH_STREAM;
	ret->path = "/v3/watch";
	ret->body = (const char *)r->body.octets;
	ret->headers = headers;
	ret->held = true;
	ret->first_ms = FIRST_MS;
	ret->silence_ms = SILENCE_MS;
	ret->timeout_ms = LIFE_MIN_MS + random_below(&r->random, LIFE_SPREAD_MS);
	return status;
}

/* --- the end --- */

/* Nothing is lost but the stream: what happens meanwhile comes with the next one, from another member. */
static int watch_again(struct registry *r)
{
	etcd_move_on(r);
	return STEP_AGAIN;
}

/* Where watches do not work and all else does, as behind a proxy that keeps streams for itself, there is a
 * list before each further try. */
static int read_end_before_begin(struct registry *r, int error, const char *text, struct snapshot_builder *b)
{
	if ((error == 0 || error == -ETIMEDOUT) && ++r->n_unbegun >= UNBEGUN_MAX)
		r->listed = false;
	if (error == 0)
		return etcd_fail(r, b, -EPROTO, "watch: ended before it began");
	return etcd_fail(r, b, error, "watch: %s", text);
}

/* Of a member that hung up we know everything until then. One that fell silent may have been cut off long
 * ago, and that is a failure. What cannot be read would not be the second time either; a list reads around
 * it. */
static int read_end(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	const int error = result->error;

	r->n_forgotten = 0;
	if (!r->created)
		return read_end_before_begin(r, error, result->error_text, b);
	if (error == -EFBIG || error == -EBADMSG)
		r->listed = false;
	if (r->listed && error != -ETIMEDOUT)
		return watch_again(r);
	return etcd_fail(r, b, error, "watch: %s", result->error_text);
}

/* Changes between where we were and what etcd still knows are lost to us, so watching from there would keep
 * what has gone. The list that comes next is the remedy, not yet a failure; but not when what it gives is
 * forgotten at once, too: then a list each second would be all that happens. */
static int read_forgotten(struct registry *r, struct snapshot_builder *b)
{
	r->listed = false;
	if (r->n_forgotten++ == 0)
		return STEP_ASK;
	return etcd_fail(r, b, -EPROTO, "watch: the revision of a list was forgotten at once");
}

/* The stream would stay open, and silent, for ever: every step from here closes it. */
static int read_error(struct registry *r, int status, const struct etcd_error *error,
		      struct snapshot_builder *b)
{
	const enum etcd_trouble trouble = etcd_judge(status, error);

	if (trouble == ETCD_NO_REVISION)
		return read_forgotten(r, b);
	if (trouble == ETCD_UNAVAILABLE && r->created)
		return watch_again(r);
	const int refused = etcd_refuse(r, status, error, b);
	return refused < 0 ? refused : STEP_AGAIN;
}

static int read_canceled(struct registry *r, const struct etcd_notice *n, struct snapshot_builder *b)
{
	if (n->compacted > 0)
		return read_forgotten(r, b);
	if (n->error.text[0] == '\0' && r->created)
		return watch_again(r);
	return read_error(r, 200, &n->error, b);
}

/* --- changes --- */

struct taking {
	struct registry *registry;
	struct snapshot_builder *b;
	uint64_t known; /* before this object */
};

static int remove_item(struct registry *r, const struct etcd_kv *kv, const char *item)
{
	if (r->witness.len == kv->key_len + 1 && memcmp(r->witness.octets, kv->key, kv->key_len) == 0)
		etcd_forget_witness(r);
	ledger_remove(r->ledger, &r->keys.part, item);
	return 0;
}

/* Of what is known already, another member may speak again. */
static int take_event(void *context, const struct etcd_kv *kv)
{
	const struct taking *t = context;
	struct registry *r = t->registry;
	const char *item = etcd_item_name(kv);

	if (kv->revision <= t->known || item == NULL)
		return 0;
	if (kv->deleted)
		return remove_item(r, kv, item);
	int status = etcd_note_key(r, t->b);
	if (status == 0)
		status = etcd_note_witness(r, kv);
	if (status == 0)
		status = etcd_read_kv(r, kv, t->b);
	if (status == 0)
		status = ledger_put(r->ledger, &r->keys.part, item, t->b);
	return status;
}

/* A member that knows less than we do lags behind, for a moment, or is of another store. */
static int read_created(struct registry *r, const struct etcd_notice *n)
{
	r->created = r->proven = true;
	r->n_unbegun = 0;
	if (n->revision == 0 || n->revision >= r->revision)
		return STEP_MORE;
	r->doubted = true;
	return STEP_AGAIN;
}

/* The revision of the store is ahead of the events in an object, so it counts only without any. */
static void advance(struct registry *r, const struct etcd_notice *n)
{
	const uint64_t revision = n->n_events > 0 ? n->last : n->revision;

	r->n_forgotten = 0;
	if (revision <= r->revision)
		return;
	r->revision = revision;
	resource_set_position(&r->keys, "revision %" PRIu64, revision);
}

static int read_object(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	struct taking t = { r, b, r->revision };
	struct etcd_notice n;
	const int status = etcd_read_notice(result->body, result->len, b, take_event, &t, &n);

	if (status == -ENOMEM)
		return status;
	if (status < 0) {
		r->listed = false;
		return etcd_fail(r, b, status, "%s", snapshot_builder_error(b));
	}
	if (n.failed)
		return read_error(r, 200, &n.error, b);
	if (n.canceled)
		return read_canceled(r, &n, b);
	if (n.created)
		return read_created(r, &n);
	if (!r->created)
		return etcd_fail(r, b, -EPROTO, "watch: something else came first");
	advance(r, &n);
	return STEP_MORE;
}

static int read_any(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	struct etcd_error error;

	if (result->error == 0 && result->status != 200) {
		etcd_read_error(result->body, result->len, b, &error);
		return read_error(r, result->status, &error, b);
	}
	const int step = result->error == 0 && result->len > 0 ? read_object(r, result, b) : STEP_MORE;
	return step == STEP_MORE && result->last ? read_end(r, result, b) : step;
}

/* Between a failure and the next try anything may have happened. */
int etcd_take_notice(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	const int step = read_any(r, result, b);

	r->doubted = r->doubted || step < 0;
	return step;
}
