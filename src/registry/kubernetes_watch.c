/* SPDX-License-Identifier: BSD-2-Clause */
/* Watches: a stream of events, each with the object as it is now. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registry/kubernetes.h"

/* {"type":"MODIFIED","object":{...}} */
struct event {
	struct json_value *type;
	struct kubernetes_object object;
	bool whole;
};

void kubernetes_forget_position(struct collection *c)
{
	free(c->position);
	c->position = NULL;
	c->listing = LIST_PAGES;
}

/* Resource versions are opaque, and only the last one counts: also of a bookmark, and of what is gone. An
 * event without one leaves us where we are; what followed then comes twice, which does no harm. */
static int move(struct collection *c, const struct kubernetes_object *o)
{
	const char *text = json_text(json_get(o->metadata, "resourceVersion"));

	if (text == NULL || text[0] == '\0' || strlen(text) > KUBERNETES_POSITION_MAX)
		return 0;
	char *position = strdup(text);
	if (position == NULL)
		return -ENOMEM;
	free(c->position);
	c->position = position;
	resource_set_position(&c->resource, "resourceVersion %s", position);
	return 0;
}

/* The list that comes next is the remedy, not yet a failure; but not when the position it gives is as useless
 * again and again: then a list each second would be all that happens. */
static int start_over(struct collection *c, const char *why, struct snapshot_builder *b)
{
	kubernetes_forget_position(c);
	if (c->n_refused++ == 0)
		return STEP_AGAIN;
	return snapshot_builder_fail(b, -EPROTO, "no watch from the position of a new list: %s", why);
}

/* The status in an ERROR event: nothing follows it. */
static int take_error(struct collection *c, const struct json_value *v, struct snapshot_builder *b)
{
	const enum verdict verdict = kubernetes_judge(v, 0);
	const char *why = json_text(json_get(v, "message"));

	if (why == NULL)
		why = "no reason given";
	if (verdict == VERDICT_EXPIRED || verdict == VERDICT_OTHER)
		return start_over(c, why, b);
	if (verdict == VERDICT_AHEAD)
		kubernetes_forget_position(c);
	return snapshot_builder_fail(b, -EPROTO, "the watch ended: %s", why);
}

/* ADDED may repeat, and MODIFIED be the first to be heard of an object: both say how it is. Types that are
 * not known are passed over, as by the API's own clients. */
static int take_event(struct registry *r, struct collection *c, struct event *e, struct snapshot_builder *b)
{
	const char *type = json_text(e->type);
	int status = 0;

	if (type == NULL || !e->whole)
		return snapshot_builder_fail(b, -EBADMSG, "an event without type or object");
	if (strcmp(type, "ERROR") == 0)
		return take_error(c, e->object.tree, b);
	if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
		status = kubernetes_object_take(r, c, &e->object, false, b);
	else if (strcmp(type, "DELETED") == 0)
		kubernetes_object_remove(r, c, &e->object);
	if (status == 0)
		status = move(c, &e->object);
	if (status < 0)
		return status;
	c->n_refused = 0;
	return STEP_MORE;
}

static int read_members(struct json_reader *reader, struct event *e)
{
	struct json_walk w;
	int status = json_enter(reader, &w);

	while (status >= 0 && (status = json_step(reader, &w)) > 0) {
		const char *key = json_key(&w);

		if (strcmp(key, "type") == 0) {
			status = json_load(reader, &e->type);
		} else if (strcmp(key, "object") == 0) {
			e->whole = json_peek(reader) == '{';
			status = kubernetes_object_load(reader, &e->object);
		} else {
			status = json_validate(reader);
		}
	}
	json_leave(&w);
	return status;
}

static int read_event(struct registry *r, struct collection *c, const struct fetch_result *res,
		      struct snapshot_builder *b)
{
	struct json_reader reader;
	struct event e = { 0 };
	int status = json_begin(&reader, res->body, res->len, b);

	if (status == 0 && json_peek(&reader) != '{')
		status = json_refuse(&reader, "an event that is no object");
	if (status == 0)
		status = read_members(&reader, &e);
	if (status == 0)
		status = json_end(&reader);
	if (status == 0)
		status = take_event(r, c, &e, b);
	json_free(e.type);
	kubernetes_object_free(&e.object);
	/* Asked for again from here, it would come again. */
	if (status == -EBADMSG)
		kubernetes_forget_position(c);
	return status;
}

/* A connection that is lost costs nothing: the position is that of the last whole event. Of what we cannot
 * read, the list may have a better form. A watch that was lost had been granted, also when it had nothing to
 * tell yet: a server that restarts twice in a quiet cluster refuses twice, but not in a row. */
static int take_end(struct collection *c, const struct fetch_result *res, struct snapshot_builder *b)
{
	c->n_refused = 0;
	if (res->error == -EFBIG || res->error == -EBADMSG)
		kubernetes_forget_position(c);
	return snapshot_builder_fail(b, res->error, "%s", res->error_text);
}

/* The server refused to begin. Only if it has no use for the position does that need a new list, which is the
 * expensive part. */
static int take_refusal(struct collection *c, const struct fetch_result *res, struct snapshot_builder *b)
{
	const enum verdict verdict = kubernetes_read_refusal(res, b);

	if (verdict == VERDICT_EXPIRED)
		return start_over(c, "HTTP status 410", b);
	if (verdict != VERDICT_WAIT)
		kubernetes_forget_position(c);
	return -EPROTO;
}

int kubernetes_read_watch(struct registry *r, struct collection *c, const struct fetch_result *res,
			  struct snapshot_builder *b)
{
	if (res->error < 0)
		return take_end(c, res, b);
	if (res->status != 200)
		return take_refusal(c, res, b);
	if (res->last && res->len == 0) {
		c->n_refused = 0;
		return STEP_AGAIN;
	}
	return read_event(r, c, res, b);
}
