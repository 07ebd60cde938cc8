/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists: one answer, or many pages of one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/kubernetes.h"

enum {
	/* Those of today are 100 to 400 octets, around the name of an object. */
	TOKEN_MAX = 4096,
};

/* One page while it is read. */
struct page {
	struct registry *r;
	struct collection *c;
	struct snapshot_builder *b;
	char kind[64];
	char *position, *next;
};

void kubernetes_abandon_list(struct registry *r, struct collection *c)
{
	ledger_abort(r->ledger, &c->resource.part);
	free(c->next);
	free(c->listed);
	c->next = c->listed = NULL;
}

/* NULL for what is absent or empty. -EBADMSG for a text that is too long to be sent back. */
static int copy_text(const struct json_value *v, size_t max, char **ret)
{
	const char *text = json_text(v);

	if (text == NULL || text[0] == '\0')
		return 0;
	if (strlen(text) > max)
		return -EBADMSG;
	*ret = strdup(text);
	return *ret != NULL ? 0 : -ENOMEM;
}

static int read_metadata(struct page *p, struct json_reader *reader)
{
	struct json_value *metadata;
	int r = json_load(reader, &metadata);

	if (r < 0)
		return r;
	r = copy_text(json_get(metadata, "resourceVersion"), KUBERNETES_POSITION_MAX, &p->position);
	if (r == 0)
		r = copy_text(json_get(metadata, "continue"), TOKEN_MAX, &p->next);
	json_free(metadata);
	return r == -EBADMSG ? json_refuse(reader, "a resourceVersion or continue that is too long") : r;
}

static int read_kind(struct page *p, struct json_reader *reader)
{
	struct json_value *kind;
	int r = json_load(reader, &kind);

	if (r < 0)
		return r;
	snprintf(p->kind, sizeof(p->kind), "%s", json_describe(kind));
	json_free(kind);
	return 0;
}

static int read_item(struct page *p, struct json_reader *reader)
{
	struct kubernetes_object o;
	int r = kubernetes_object_load(reader, &o);

	if (r < 0)
		return r;
	r = kubernetes_object_take(p->r, p->c, &o, true, p->b);
	kubernetes_object_free(&o);
	return r;
}

/* null is what some servers make of an empty list; the kind of the answer then tells it from a mistake. */
static int read_items(struct page *p, struct json_reader *reader)
{
	struct json_walk w;

	if (json_peek(reader) == 'n')
		return json_validate(reader);
	if (json_peek(reader) != '[')
		return json_refuse(reader, "a list was expected");
	int status = json_enter(reader, &w);
	while (status >= 0 && (status = json_step(reader, &w)) > 0)
		status = read_item(p, reader);
	json_leave(&w);
	return status;
}

static int read_members(struct page *p, struct json_reader *reader)
{
	struct json_walk w;
	int status = json_enter(reader, &w);

	while (status >= 0 && (status = json_step(reader, &w)) > 0) {
		const char *key = json_key(&w);

		if (strcmp(key, "kind") == 0)
			status = read_kind(p, reader);
		else if (strcmp(key, "metadata") == 0)
			status = read_metadata(p, reader);
		else if (strcmp(key, "items") == 0)
			status = read_items(p, reader);
		else
			status = json_validate(reader);
	}
	json_leave(&w);
	return status;
}

static int read_page(struct page *p, const struct fetch_result *res)
{
	struct json_reader reader;

	int r = json_begin(&reader, res->body, res->len, p->b);
	if (r == 0 && json_peek(&reader) != '{')
		return snapshot_builder_fail(p->b, -EBADMSG,
					     "the answer is no JSON object (Content-Type: %.60s)",
					     res->content_type != NULL ? res->content_type : "none");
	if (r == 0)
		r = read_members(p, &reader);
	if (r == 0)
		r = json_end(&reader);
	if (r == 0 && strcmp(p->kind, p->c->type->list_kind) != 0)
		return snapshot_builder_fail(p->b, -EBADMSG, "the answer is \"%s\", not %s", p->kind,
					     p->c->type->list_kind);
	return r;
}

/* A token that comes back as it was sent would lead in a circle. */
static int go_to_next(struct page *p)
{
	struct collection *c = p->c;

	if (c->next != NULL && strcmp(c->next, p->next) == 0)
		return snapshot_builder_fail(p->b, -EBADMSG, "a page that names itself as the next one");
	free(c->next);
	c->next = p->next;
	p->next = NULL;
	return STEP_ASK;
}

/* A list that needed several pages may be too large for one answer, and is read so the next time too. */
static int complete(struct registry *r, struct collection *c)
{
	c->listing = c->next == NULL && c->listed != NULL ? LIST_NEWER : LIST_PAGES;
	free(c->position);
	c->position = c->listed;
	if (c->position != NULL)
		resource_set_position(&c->resource, "resourceVersion %s", c->position);
	c->listed = NULL;
	free(c->next);
	c->next = NULL;
	ledger_commit(r->ledger, &c->resource.part);
	return r->options->watch ? STEP_AGAIN : STEP_PAUSE;
}

/* The position is that of the first page. All have the same; where they had not, nothing would be missed. */
static int take_page(struct page *p)
{
	struct collection *c = p->c;

	if (c->next == NULL) {
		c->listed = p->position;
		p->position = NULL;
	}
	if (c->listed == NULL && p->r->options->watch)
		return snapshot_builder_fail(p->b, -EBADMSG, "a list without resourceVersion to watch from");
	return p->next != NULL ? go_to_next(p) : complete(p->r, c);
}

static int take_list(struct registry *r, struct collection *c, const struct fetch_result *res,
		     struct snapshot_builder *b)
{
	struct page p = { .r = r, .c = c, .b = b };

	if (c->next == NULL)
		ledger_begin(r->ledger, &c->resource.part);
	int status = read_page(&p, res);
	if (status == 0)
		status = take_page(&p);
	free(p.position);
	free(p.next);
	return status;
}

/* An answer larger than we take. What comes from the server's memory comes at once, whatever the limit; and
 * 500 slices of 1,000 endpoints are 200 MB. This ends: the page gets smaller each time. */
static int ask_for_less(struct collection *c, const struct fetch_result *res, struct snapshot_builder *b)
{
	const enum listing before = c->listing;

	c->listing = LIST_PAGES;
	if (before == LIST_WHOLE || (before == LIST_PAGES && c->page_size == 1))
		return snapshot_builder_fail(b, res->error, "%s", res->error_text);
	if (before == LIST_PAGES)
		c->page_size = c->page_size > 4 ? c->page_size / 4 : 1;
	return STEP_ASK;
}

/* Pages are pinned to a state that the server forgets within minutes. The rest may be had in a later state,
 * but the two would not fit together; so all of it at once, as soon as possible. */
static int take_refusal(struct collection *c, const struct fetch_result *res, struct snapshot_builder *b)
{
	const enum verdict verdict = kubernetes_read_refusal(res, b);
	const bool latest = c->listing == LIST_PAGES || c->listing == LIST_WHOLE;

	if (verdict == VERDICT_EXPIRED && c->next != NULL) {
		c->listing = LIST_WHOLE;
		return STEP_ASK;
	}
	if (verdict == VERDICT_EXPIRED || verdict == VERDICT_AHEAD)
		kubernetes_forget_position(c);
	return verdict == VERDICT_EXPIRED && !latest ? STEP_ASK : -EPROTO;
}

int kubernetes_read_list(struct registry *r, struct collection *c, const struct fetch_result *res,
			 struct snapshot_builder *b)
{
	int status;

	if (res->error == 0 && res->status == 200) {
		status = take_list(r, c, res, b);
		if (status < 0)
			kubernetes_abandon_list(r, c);
		return status;
	}
	if (res->error == -EFBIG)
		status = ask_for_less(c, res, b);
	else if (res->error < 0)
		status = snapshot_builder_fail(b, res->error, "%s", res->error_text);
	else
		status = take_refusal(c, res, b);
	kubernetes_abandon_list(r, c);
	return status;
}
