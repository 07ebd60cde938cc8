/* SPDX-License-Identifier: BSD-2-Clause */
/* All keys there are, in pages that show one moment of the store: the revision of the first page is asked for
 * in all that follow. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "registry/etcd.h"

enum {
	/* Some 350 kB of usual records: large enough to need few, small enough that two of them in memory,
	 * as text and as octets, cost nothing. */
	PAGE_KEYS = 1000,

	/* Pages of a revision that etcd forgets meanwhile must be asked for anew, which once or twice may
	 * happen to anybody. */
	RESTARTS_MAX = 2,

	/* So often in a row a read that all must agree to may fail, before the member is asked for what it
	 * has by itself. Once is an election. */
	NO_QUORUM_MAX = 2,
};

void etcd_abandon_list(struct registry *r)
{
	ledger_abort(r->ledger, &r->keys.part);
	r->pinned = 0;
}

static void begin_list(struct registry *r)
{
	ledger_begin(r->ledger, &r->keys.part);
	etcd_forget_witness(r);
	buffer_clear(&r->last);
	r->n_keys = r->n_odd = 0;
	r->keys_max = snapshot_limits_within(&r->options->limits).instances;
	r->serializable = r->n_no_quorum >= NO_QUORUM_MAX;
}

int etcd_ask_page(struct registry *r, struct fetch_request *ret)
{
	struct etcd_page_request q = { .range = etcd_range_of(r), .limit = PAGE_KEYS, .revision = r->pinned };

	r->asked = ETCD_ASK_PAGE;
	if (r->pinned == 0)
		begin_list(r);
	q.serializable = r->serializable;
	if (r->last.len > 0) {
		q.range.from = (const char *)r->last.octets; /* with a NUL more: the next possible key */
		q.range.from_len = r->last.len;
	}
	const int status = etcd_write_page_request(&q, &r->body);
	ret->path = "/v3/kv/range";
	ret->body = (const char *)r->body.octets;
	return status;
}

/* --- a page --- */

struct taking {
	struct registry *registry;
	struct snapshot_builder *b;
};

/* Keys come in the order of their octets, each once: else pages would never end. */
static bool is_next(const struct registry *r, const struct etcd_kv *kv)
{
	const size_t last_len = r->last.len > 0 ? r->last.len - 1 : 0;
	const size_t len = last_len < kv->key_len ? last_len : kv->key_len;
	const int order = len > 0 ? memcmp(r->last.octets, kv->key, len) : 0;

	return order != 0 ? order < 0 : last_len < kv->key_len;
}

static int note_last(struct registry *r, const struct etcd_kv *kv)
{
	buffer_clear(&r->last);
	return buffer_add(&r->last, kv->key, kv->key_len + 1);
}

static int take_kv(void *context, const struct etcd_kv *kv)
{
	const struct taking *t = context;
	struct registry *r = t->registry;
	const char *item = etcd_item_name(kv);

	r->has_seen_key = true;
	if (!is_next(r, kv))
		return snapshot_builder_fail(t->b, -EPROTO, "keys out of order");
	if (++r->n_keys > r->keys_max)
		return snapshot_builder_fail(t->b, -EDQUOT, "more than %u keys: max-instances", r->keys_max);
	int status = note_last(r, kv);
	if (status == 0)
		status = etcd_note_witness(r, kv);
	if (status < 0)
		return status;
	if (item == NULL) {
		r->n_odd++;
		return 0;
	}
	status = etcd_read_kv(r, kv, t->b);
	if (status == 0)
		status = ledger_stage(r->ledger, &r->keys.part, item, t->b);
	return status;
}

/* --- its end --- */

/* A prefix that is misspelt is no error to etcd. Where there was a key once it is right, and nothing left to
 * be found is what happens when the last instance goes. */
static void remark_nothing(const struct registry *r, struct snapshot_builder *b)
{
	const struct etcd_options *o = &r->options->etcd;
	const bool has_zone = o->layout == ETCD_SKYDNS && o->zone != NULL;

	if (r->prefix[0] == '\0')
		snapshot_builder_remark(b, "etcd has no key at all");
	else
		snapshot_builder_remark(b, "nothing under prefix \"%s\": %s right?", r->prefix,
					has_zone ? "are prefix and zone" : "is it");
}

/* What is to be said of the list as a whole; false: nothing. */
static bool write_notes(const struct registry *r, struct snapshot_builder *b)
{
	if (!r->is_open && !r->serializable && r->n_odd == 0 && r->has_seen_key)
		return false;
	if (!r->has_seen_key)
		remark_nothing(r, b);
	if (r->is_open)
		snapshot_builder_remark(b, "etcd had no authentication, so the login was left out");
	if (r->serializable && !r->options->watch) /* a watch makes up for it */
		snapshot_builder_remark(b, "read from one member without a quorum: it may be old");
	for (size_t i = 0; i < r->n_odd; i++)
		snapshot_builder_drop(b, DROP_SERVICE_NAME, "a key with a NUL, or of more than 1,024 octets");
	return true;
}

/* Under a name that no key has. */
static int stage_notes(struct registry *r, struct snapshot_builder *b)
{
	return write_notes(r, b) ? ledger_stage(r->ledger, &r->keys.part, "", b) : 0;
}

int etcd_note_key(struct registry *r, struct snapshot_builder *b)
{
	if (r->has_seen_key)
		return 0;
	r->has_seen_key = true;
	if (write_notes(r, b))
		return ledger_put(r->ledger, &r->keys.part, "", b);
	ledger_remove(r->ledger, &r->keys.part, "");
	return 0;
}

static int finish_list(struct registry *r, struct snapshot_builder *b)
{
	const int status = stage_notes(r, b);

	if (status < 0)
		return etcd_fail(r, b, status, "%s",
				 status == -EDQUOT ? snapshot_builder_error(b) : strerror(-status));
	ledger_commit(r->ledger, &r->keys.part);
	r->revision = r->pinned;
	resource_set_position(&r->keys, "revision %" PRIu64, r->revision);
	r->pinned = 0;
	r->listed = true;
	r->doubted = false;
	r->n_restarts = 0;
	return r->options->watch ? STEP_AGAIN : STEP_PAUSE;
}

/* One member alone must not take us back. */
static int read_first(struct registry *r, const struct etcd_page *page, struct snapshot_builder *b)
{
	r->pinned = page->revision;
	if (r->serializable && page->revision < r->revision)
		return etcd_fail(r, b, -ESTALE, "no quorum, and this member is behind what is known");
	return STEP_ASK;
}

static int read_page(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	struct taking t = { r, b };
	struct etcd_page page;
	const bool is_first = r->pinned == 0;
	int status = etcd_read_page(result->body, result->len, b, take_kv, &t, &page);

	if (status == 0 && page.more && page.n == 0)
		status = snapshot_builder_fail(b, -EPROTO, "a page without keys, and more to come");
	if (status < 0)
		return etcd_fail(r, b, status, "%s",
				 status == -ENOMEM ? "out of memory" : snapshot_builder_error(b));
	r->proven = true;
	r->n_no_quorum = 0;
	const int step = is_first ? read_first(r, &page, b) : STEP_ASK;
	return step != STEP_ASK || page.more ? step : finish_list(r, b);
}

/* --- what is no page --- */

/* A member without a quorum needs 7 s to say so, and we may not have waited for that. */
static void note_failure(struct registry *r, enum etcd_trouble trouble)
{
	if (trouble == ETCD_UNAVAILABLE && r->n_no_quorum < NO_QUORUM_MAX)
		r->n_no_quorum++;
}

int etcd_take_page(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	struct etcd_error error;

	if (result->error < 0) {
		note_failure(r, result->error == -ETIMEDOUT ? ETCD_UNAVAILABLE : ETCD_OTHER);
		return etcd_fail(r, b, result->error, "%s", result->error_text);
	}
	if (result->status == 200)
		return read_page(r, result, b);
	etcd_read_error(result->body, result->len, b, &error);
	const enum etcd_trouble trouble = etcd_judge(result->status, &error);
	note_failure(r, trouble);
	if (trouble == ETCD_NO_REVISION && r->pinned != 0 && r->n_restarts++ < RESTARTS_MAX) {
		etcd_abandon_list(r);
		return STEP_ASK;
	}
	const int status = etcd_refuse(r, result->status, &error, b);
	return status < 0 ? status : STEP_ASK;
}
