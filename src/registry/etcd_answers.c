/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "model/snapshot.h"
#include "registry/etcd_messages.h"
#include "registry/json.h"

/* A body while it is read. */
struct reading {
	struct json_reader json;
	etcd_take_fn take;
	void *context;
	struct etcd_kv kv;        /* the one at hand */
	struct buffer key, value; /* its octets */
	size_t n;                 /* so far */
	uint64_t last;            /* the highest revision of them */
};

static void finish(struct reading *r)
{
	buffer_finish(&r->key);
	buffer_finish(&r->value);
}

/* 64 bits come as a text, because many readers keep numbers as doubles; 0 for what is none. */
static uint64_t read_uint(const struct json_value *v)
{
	const char *text = json_text(v);
	double number;
	uint64_t value;

	if (text != NULL)
		return text_to_uint(text, strlen(text), &value) ? value : 0;
	return json_number(v, &number) && number >= 0 && number < 9007199254740992.0 ? (uint64_t)number : 0;
}

/* Revisions are int64 for etcd: with a greater one there would be no next. */
static uint64_t read_revision(const struct json_value *v)
{
	const uint64_t revision = read_uint(v);

	return revision <= INT64_MAX ? revision : 0;
}

static int enter_object(struct reading *r, struct json_walk *w)
{
	*w = (struct json_walk){ 0 };
	return json_peek(&r->json) == '{' ? json_enter(&r->json, w) : json_refuse(&r->json, "no object");
}

static int enter_list(struct reading *r, struct json_walk *w)
{
	*w = (struct json_walk){ 0 };
	return json_peek(&r->json) == '[' ? json_enter(&r->json, w) : json_refuse(&r->json, "no list");
}

/* --- one key with its value --- */

/* The octets of a base64 text, NUL behind. -EBADMSG if it is none, -ENOMEM. */
static int decode(const char *text, struct buffer *room)
{
	const size_t len = strlen(text);

	buffer_clear(room);
	uint8_t *octets = buffer_reserve(room, base64_room(len) + 1);
	if (octets == NULL)
		return -ENOMEM;
	if (!base64_read(text, len, octets, &room->len))
		return -EBADMSG;
	octets[room->len] = '\0';
	return 0;
}

static int read_key(struct reading *r, const struct json_value *v)
{
	const char *text = json_text(v);
	const int status = text != NULL ? decode(text, &r->key) : -EBADMSG;

	if (status == -EBADMSG)
		return json_refuse(&r->json, "a key that is not there, or no base64");
	r->kv.key = (const char *)r->key.octets;
	r->kv.key_len = r->key.len;
	return status;
}

/* One that cannot be read costs its key only. */
static int read_value(struct reading *r, const struct json_value *v)
{
	const char *text = json_kind_of(v) > VALUE_NULL ? json_text(v) : "";
	int status = -EBADMSG;

	r->kv.flaw = "the value is no base64";
	if (text != NULL && base64_room(strlen(text)) > ETCD_VALUE_MAX + 2)
		r->kv.flaw = "the value is larger than 64 KiB";
	else if (text != NULL)
		status = decode(text, &r->value);
	if (status < 0)
		return status == -EBADMSG ? 0 : status;
	r->kv.flaw = NULL;
	r->kv.value = (const char *)r->value.octets;
	r->kv.value_len = r->value.len;
	return 0;
}

static int read_small_kv(struct reading *r)
{
	struct json_value *kv;
	int status = json_load(&r->json, &kv);

	if (status < 0)
		return status;
	status = read_key(r, json_get(kv, "key"));
	if (status == 0)
		status = read_value(r, json_get(kv, "value"));
	r->kv.revision = read_revision(json_get(kv, "mod_revision"));
	json_free(kv);
	return status;
}

/* Too large for a tree, which its value must be to blame for: that is stepped over. */
static int read_large_kv(struct reading *r)
{
	struct json_walk w;
	struct json_value *v;
	int status = enter_object(r, &w);

	while (status >= 0 && (status = json_step(&r->json, &w)) > 0) {
		if (strcmp(json_key(&w), "value") == 0) {
			json_skip(&r->json);
			continue;
		}
		status = json_load(&r->json, &v);
		if (status < 0)
			break;
		if (strcmp(json_key(&w), "key") == 0)
			status = read_key(r, v);
		else if (strcmp(json_key(&w), "mod_revision") == 0)
			r->kv.revision = read_revision(v);
		json_free(v);
	}
	json_leave(&w);
	r->kv.flaw = "the value is larger than 64 KiB";
	return status < 0 || r->kv.key != NULL ? status : json_refuse(&r->json, "a key that is not there");
}

static bool is_large(const struct reading *r)
{
	struct json_reader behind = r->json;

	if (r->json.len <= JSON_VALUE_MAX)
		return false;
	json_skip(&behind);
	return behind.at - r->json.at > JSON_VALUE_MAX;
}

static int read_kv(struct reading *r)
{
	return is_large(r) ? read_large_kv(r) : read_small_kv(r);
}

static int take(struct reading *r)
{
	r->n++;
	if (r->kv.revision > r->last)
		r->last = r->kv.revision;
	return r->take(r->context, &r->kv);
}

/* --- an answer to a page request --- */

static int read_kvs(struct reading *r)
{
	struct json_walk w;
	int status = enter_list(r, &w);

	while (status >= 0 && (status = json_step(&r->json, &w)) > 0) {
		r->kv = (struct etcd_kv){ 0 };
		status = read_kv(r);
		if (status == 0)
			status = take(r);
	}
	json_leave(&w);
	return status;
}

static void note_page_member(struct etcd_page *page, const char *name, const struct json_value *v)
{
	if (strcmp(name, "header") == 0)
		page->revision = read_revision(json_get(v, "revision"));
	else if (strcmp(name, "more") == 0)
		page->more = json_kind_of(v) == VALUE_TRUE;
	else if (strcmp(name, "count") == 0)
		page->counted = read_uint(v) > 0;
}

static int read_page_member(struct reading *r, const char *name, struct etcd_page *page)
{
	struct json_value *v;

	if (strcmp(name, "kvs") == 0)
		return read_kvs(r);
	const int status = json_load(&r->json, &v);
	if (status == 0) {
		note_page_member(page, name, v);
		json_free(v);
	}
	return status;
}

/* Without a header it is not etcd who speaks, and no keys are no proof of nothing there; nor are they when it
 * has counted some. */
static int read_page(struct reading *r, struct etcd_page *page)
{
	struct json_walk w;
	int status = enter_object(r, &w);

	while (status >= 0 && (status = json_step(&r->json, &w)) > 0)
		status = read_page_member(r, json_key(&w), page);
	json_leave(&w);
	if (status == 0)
		status = json_end(&r->json);
	if (status == 0 && page->revision == 0)
		status = json_refuse(&r->json, "an answer without a revision");
	if (status == 0 && page->counted && r->n == 0)
		status = json_refuse(&r->json, "keys are counted, but not told");
	page->n = r->n;
	return status;
}

int etcd_read_page(const char *body, size_t len, struct snapshot_builder *b, etcd_take_fn take_kv,
		   void *context, struct etcd_page *ret)
{
	struct reading r = { .take = take_kv, .context = context };
	struct etcd_page page = { 0 };
	int status = json_begin(&r.json, body, len, b);

	if (status == 0)
		status = read_page(&r, &page);
	finish(&r);
	if (status == 0)
		*ret = page;
	return status;
}

/* --- an object of a watch --- */

/* Only a deletion says what it is. */
static int read_type(struct reading *r)
{
	struct json_value *v;
	const int status = json_load(&r->json, &v);

	if (status == 0) {
		r->kv.deleted = json_text(v) != NULL && strcmp(json_text(v), "DELETE") == 0;
		json_free(v);
	}
	return status;
}

static int read_event(struct reading *r)
{
	struct json_walk w;
	int status = enter_object(r, &w);

	r->kv = (struct etcd_kv){ 0 };
	while (status >= 0 && (status = json_step(&r->json, &w)) > 0) {
		if (strcmp(json_key(&w), "type") == 0)
			status = read_type(r);
		else if (strcmp(json_key(&w), "kv") == 0)
			status = read_kv(r);
		else
			json_skip(&r->json); /* prev_kv, with a value as large */
	}
	json_leave(&w);
	if (status == 0 && (r->kv.key == NULL || r->kv.revision == 0))
		status = json_refuse(&r->json, "an event without a key or its revision");
	return status;
}

static int read_events(struct reading *r)
{
	struct json_walk w;
	int status = enter_list(r, &w);

	while (status >= 0 && (status = json_step(&r->json, &w)) > 0) {
		status = read_event(r);
		if (status == 0)
			status = take(r);
	}
	json_leave(&w);
	return status;
}

static void note_member(struct etcd_notice *n, const char *name, const struct json_value *v)
{
	if (strcmp(name, "header") == 0)
		n->revision = read_revision(json_get(v, "revision"));
	else if (strcmp(name, "created") == 0)
		n->created = json_kind_of(v) == VALUE_TRUE;
	else if (strcmp(name, "canceled") == 0)
		n->canceled = json_kind_of(v) == VALUE_TRUE;
	else if (strcmp(name, "compact_revision") == 0)
		n->compacted = read_revision(v);
	else if (strcmp(name, "cancel_reason") == 0)
		etcd_fill_error(v, &n->error);
}

static int read_result_member(struct reading *r, const char *name, struct etcd_notice *n)
{
	struct json_value *v;

	if (strcmp(name, "events") == 0)
		return read_events(r);
	const int status = json_load(&r->json, &v);
	if (status == 0) {
		note_member(n, name, v);
		json_free(v);
	}
	return status;
}

static int read_result(struct reading *r, struct etcd_notice *n)
{
	struct json_walk w;
	int status = enter_object(r, &w);

	while (status >= 0 && (status = json_step(&r->json, &w)) > 0)
		status = read_result_member(r, json_key(&w), n);
	json_leave(&w);
	return status;
}

/* What a stream ends with where a plain answer would have a status of HTTP. */
static int read_error(struct reading *r, struct etcd_notice *n)
{
	struct json_value *v;
	const int status = json_load(&r->json, &v);

	n->failed = true;
	if (status == 0) {
		etcd_fill_error(v, &n->error);
		json_free(v);
	}
	return status;
}

/* {"result":{...}} or {"error":{...}} */
static int read_notice(struct reading *r, struct etcd_notice *n)
{
	struct json_walk w;
	bool has_result = false;
	int status = enter_object(r, &w);

	while (status >= 0 && (status = json_step(&r->json, &w)) > 0) {
		const bool is_result = strcmp(json_key(&w), "result") == 0;

		has_result = has_result || is_result;
		if (is_result)
			status = read_result(r, n);
		else if (strcmp(json_key(&w), "error") == 0)
			status = read_error(r, n);
		else
			status = json_validate(&r->json);
	}
	json_leave(&w);
	if (status == 0)
		status = json_end(&r->json);
	if (status == 0 && !has_result && !n->failed)
		status = json_refuse(&r->json, "neither a result nor an error of a watch");
	return status;
}

int etcd_read_notice(const char *body, size_t len, struct snapshot_builder *b, etcd_take_fn take_event,
		     void *context, struct etcd_notice *ret)
{
	struct reading r = { .take = take_event, .context = context };
	struct etcd_notice n = { 0 };
	int status = json_begin(&r.json, body, len, b);

	if (status == 0)
		status = read_notice(&r, &n);
	finish(&r);
	n.n_events = r.n;
	n.last = r.last;
	if (status == 0)
		*ret = n;
	return status;
}
