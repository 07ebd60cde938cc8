/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a store is still the one we know.
 *
 * Revisions count what happened to a store. One that was restored from a backup, or begun anew on empty
 * disks, counts again from further back, with the same ids of cluster and members if it has the same
 * configuration. A watch from a revision that is still to come there is silent until it comes; and if it has
 * come meanwhile, the watch tells what happens next, but never that what we know is gone. So after a failure
 * a witness is called: the key read last must have been changed last at that revision also for the store.
 * If it does not remember, or never got there, everything is listed anew.
 */
#include <errno.h>

#include "registry/etcd.h"

int etcd_note_witness(struct registry *r, const struct etcd_kv *kv)
{
	if (kv->revision <= r->witness_revision)
		return 0;
	buffer_clear(&r->witness);
	r->witness_revision = kv->revision;
	return buffer_add(&r->witness, kv->key, kv->key_len + 1);
}

void etcd_forget_witness(struct registry *r)
{
	buffer_clear(&r->witness);
	r->witness_revision = 0;
}

bool etcd_has_witness(const struct registry *r)
{
	return r->witness.len > 0;
}

/* Of all, by agreement of all: a member that only lags behind catches up for the answer. */
int etcd_ask_witness(struct registry *r, struct fetch_request *ret)
{
	const char *key = (const char *)r->witness.octets;
	const struct etcd_page_request q = { .range = { key, key, r->witness.len - 1, r->witness.len },
					     .limit = 1,
					     .revision = r->revision };
	const int status = etcd_write_page_request(&q, &r->body);

	r->asked = ETCD_ASK_WITNESS;
	ret->path = "/v3/kv/range";
	ret->body = (const char *)r->body.octets;
	return status;
}

static int take_revision(void *context, const struct etcd_kv *kv)
{
	*(uint64_t *)context = kv->revision;
	return 0;
}

static int list_anew(struct registry *r)
{
	r->listed = r->doubted = false;
	return STEP_ASK;
}

static int judge_witness(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	uint64_t revision = 0;
	struct etcd_page page;
	const int status = etcd_read_page(result->body, result->len, b, take_revision, &revision, &page);

	if (status < 0)
		return etcd_fail(r, b, status, "%s",
				 status == -ENOMEM ? "out of memory" : snapshot_builder_error(b));
	r->proven = true;
	if (revision != r->witness_revision)
		return list_anew(r);
	r->doubted = false;
	return STEP_ASK;
}

int etcd_take_witness(struct registry *r, const struct fetch_result *result, struct snapshot_builder *b)
{
	struct etcd_error error;

	if (result->error < 0) {
		r->n_unbegun = 0; /* it is not only the watch */
		return etcd_fail(r, b, result->error, "%s", result->error_text);
	}
	if (result->status == 200)
		return judge_witness(r, result, b);
	etcd_read_error(result->body, result->len, b, &error);
	if (etcd_judge(result->status, &error) == ETCD_NO_REVISION)
		return list_anew(r);
	const int status = etcd_refuse(r, result->status, &error, b);
	return status < 0 ? status : STEP_ASK;
}
