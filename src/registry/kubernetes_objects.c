/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "registry/kubernetes.h"

/* Of an object that is too large only its metadata, to know which one it is. The rest must be JSON. */
static int load_metadata(struct json_reader *reader, struct kubernetes_object *o)
{
	struct json_walk w;
	int status = json_enter(reader, &w);

	while (status >= 0 && (status = json_step(reader, &w)) > 0) {
		if (strcmp(json_key(&w), "metadata") == 0)
			status = json_load(reader, &o->metadata_tree);
		else
			status = json_validate(reader);
	}
	json_leave(&w);
	o->metadata = o->metadata_tree;
	return status;
}

/* The server lets an object be 1.5 MiB in its own encoding, which may be more in JSON. One such object must
 * not cost the list that it is in. */
int kubernetes_object_load(struct json_reader *reader, struct kubernetes_object *ret)
{
	struct json_reader ahead = *reader;
	struct kubernetes_object o = { 0 };
	int r;

	json_skip(&ahead);
	if (ahead.at - reader->at > JSON_VALUE_MAX && json_peek(reader) == '{')
		r = load_metadata(reader, &o);
	else
		r = json_load(reader, &o.tree);
	if (r < 0) {
		kubernetes_object_free(&o);
		return r;
	}
	if (o.tree != NULL)
		o.metadata = json_get(o.tree, "metadata");
	*ret = o;
	return 0;
}

void kubernetes_object_free(struct kubernetes_object *o)
{
	json_free(o->tree);
	json_free(o->metadata_tree);
}

/* Names and not the uid: an object made anew under its name takes the place of the old one. Those without a
 * name, which no API server sends, share the key "". */
static void make_key(const struct kubernetes_object *o, char ret[KUBERNETES_KEY_SIZE])
{
	const char *namespace = json_text(json_get(o->metadata, "namespace"));
	const char *name = json_text(json_get(o->metadata, "name"));

	if (namespace == NULL || name == NULL ||
	    snprintf(ret, KUBERNETES_KEY_SIZE, "%s/%s", namespace, name) >= KUBERNETES_KEY_SIZE)
		ret[0] = '\0';
}

static int read_object(struct registry *r, struct collection *c, const struct kubernetes_object *o,
		       const char *key, struct snapshot_builder *b)
{
	char what[KUBERNETES_KEY_SIZE + 64];

	if (key[0] != '\0' && o->tree != NULL)
		return c->type->read(o->tree, r->options->kubernetes.names, b);
	snprintf(what, sizeof(what), "%s in the %s", key[0] == '\0' ? "an object without a name" : key,
		 c->type->name);
	snapshot_builder_drop(b, o->tree == NULL ? DROP_LIMIT : DROP_SHAPE, what);
	return 0;
}

int kubernetes_object_take(struct registry *r, struct collection *c, const struct kubernetes_object *o,
			   bool staged, struct snapshot_builder *b)
{
	struct ledger_part *part = &c->resource.part;
	char key[KUBERNETES_KEY_SIZE];

	make_key(o, key);
	if (o->tree == NULL && ledger_find(r->ledger, part, key) != NULL) { /* what it said before holds */
		if (staged)
			ledger_keep(r->ledger, part, key);
		return 0;
	}
	const int status = read_object(r, c, o, key, b);
	if (status < 0)
		return status;
	return staged ? ledger_stage(r->ledger, part, key, b) : ledger_put(r->ledger, part, key, b);
}

void kubernetes_object_remove(struct registry *r, struct collection *c, const struct kubernetes_object *o)
{
	char key[KUBERNETES_KEY_SIZE];

	make_key(o, key);
	ledger_remove(r->ledger, &c->resource.part, key);
}
