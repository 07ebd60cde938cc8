/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks to the options of registries. What can only be judged by looking at several keys or blocks is judged
 * here. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/tree.h"
#include "feed/feeder.h"
#include "model/freshness.h"
#include "model/report.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { REGISTRY_NAME_MAX = 63 };

static bool is_registry(const struct config_block *b)
{
	return config_kind(b->kind)->registry;
}

/* Everything the registry was told, defaults filled in; lengths and ends by NULs that no value can hold. */
static int add_fingerprint(struct buffer *print, const struct config_block *b)
{
	const struct config_kind *kind = config_kind(b->kind);
	int r = buffer_add(print, kind->word, strlen(kind->word) + 1);

	if (r == 0)
		r = buffer_add(print, b->title, strlen(b->title) + 1);
	for (size_t i = 0; i < kind->n_rows; i++) {
		if (r == 0 && b->values[i].n > 0)
			r = buffer_add(print, kind->rows[i].key, strlen(kind->rows[i].key) + 1);
		for (const struct config_text *e = b->values[i].first; r == 0 && e != NULL; e = e->next)
			r = buffer_add(print, e->text, strlen(e->text) + 1);
		if (r == 0)
			r = buffer_add(print, "", 1);
	}
	return r;
}

static uint64_t fingerprint(struct config_tree *t, struct config_block *registry)
{
	struct buffer print = { .limit = 0 };
	int r = add_fingerprint(&print, registry);

	for (struct config_block *b = registry->next; r == 0 && b != NULL; b = b->next) {
		if (b->parent == registry)
			r = add_fingerprint(&print, b);
	}
	if (r < 0)
		t->out_of_memory = true;
	const uint64_t hash = XXH3_64bits(print.octets, print.len);
	buffer_finish(&print);
	return hash;
}

static bool is_instance_address(const char *text)
{
	char host[NAME_TEXT_MAX];
	struct hostport parts;
	struct report report = report_blank();
	struct report_room room;
	struct instance_parts in;

	if (!hostport_from_text(text, strlen(text), &parts) || parts.host_len >= sizeof(host))
		return false;
	memcpy(host, parts.host, parts.host_len);
	host[parts.host_len] = '\0';
	report.address = host;
	report.port = parts.port;
	return report_check(&report, &room, &in) == DROP_NONE;
}

static int compare_instances(const void *a, const void *b)
{
	struct config_block *x = *(struct config_block *const *)a, *y = *(struct config_block *const *)b;
	const struct config_value *service_x = config_block_get(x, "service");
	const struct config_value *service_y = config_block_get(y, "service");
	int r = strcasecmp(x->title, y->title);

	if (r == 0 && service_x->n > 0 && service_y->n > 0)
		r = strcasecmp(service_x->first->text, service_y->first->text);
	return r;
}

/* One address can stand for several services, but only once for each. */
static void check_instances(struct config_tree *t, struct config_block **blocks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_instance_address(blocks[i]->title))
			config_complain(
				t, blocks[i]->file, blocks[i]->line,
				"instance \"%s\": not an address or host name that somebody can have, with "
				"or without a port",
				blocks[i]->title);
	}
	qsort(blocks, n, sizeof(blocks[0]), compare_instances);
	for (size_t i = 1; i < n; i++) {
		if (compare_instances(&blocks[i - 1], &blocks[i]) == 0)
			config_complain(t, blocks[i]->file, blocks[i]->line,
					"instance \"%s\": given twice for one service, also at %s:%d",
					blocks[i]->title, blocks[i - 1]->file, blocks[i - 1]->line);
	}
}

static void build_instance(struct config_tree *t, struct config_block *b, struct arena *arena,
			   struct static_instance *ret)
{
	ret->address = arena_text(arena, b->title, strlen(b->title));
	ret->n_tags = config_block_get(b, "tags")->n;
	if (ret->address == NULL)
		t->out_of_memory = true;
	config_block_store(t, b, arena, ret);
}

static void build_instances(struct config_tree *t, struct config_block *registry, struct arena *arena,
			    struct registry_options *ret)
{
	size_t n = 0;

	for (struct config_block *b = registry->next; b != NULL; b = b->next)
		n += b->parent == registry;
	if (n == 0)
		return;
	struct static_instance *instances = config_tree_alloc(t, arena, n, sizeof(*instances));
	struct config_block **blocks = config_tree_alloc(t, &t->arena, n, sizeof(*blocks));
	if (instances == NULL || blocks == NULL)
		return;

	for (struct config_block *b = registry->next; b != NULL; b = b->next) {
		if (b->parent != registry)
			continue;
		blocks[ret->n_instances] = b;
		build_instance(t, b, arena, &instances[ret->n_instances]);
		ret->n_instances++;
	}
	ret->instances = instances;
	check_instances(t, blocks, n);
}

static void build_registry(struct config_tree *t, struct config_block *b, struct feed_options *feed,
			   struct registry_options *ret)
{
	ret->kind = config_kind(b->kind)->word;
	ret->name = arena_text(&feed->arena, b->title, strlen(b->title));
	if (ret->name == NULL)
		t->out_of_memory = true;
	ret->service_label = "service"; /* for kinds without such a key */
	config_fill_remote(t, b);
	config_block_store(t, b, &feed->arena, ret);
	if (b->kind == BLOCK_STATIC)
		build_instances(t, b, &feed->arena, ret);
	config_finish_remote(t, b, feed, ret);
	ret->fingerprint = fingerprint(t, b);
}

/* Registry names stand in logs, in TXT and in the text of EDE 3: plain and short. */
static void check_registry_name(struct config_tree *t, const struct config_block *b)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	const size_t len = strlen(b->title);

	if (len == 0 || len > REGISTRY_NAME_MAX || strspn(b->title, allowed) != len)
		config_complain(t, b->file, b->line,
				"%s: a registry is called by 1 to %d letters, digits, '-', '_' and '.'",
				config_kind(b->kind)->word, REGISTRY_NAME_MAX);
	for (const struct config_block *other = t->first; other != b; other = other->next) {
		if (is_registry(other) && strcmp(other->title, b->title) == 0)
			config_complain(t, b->file, b->line, "%s \"%s\": the name is taken at %s:%d",
					config_kind(b->kind)->word, b->title, other->file, other->line);
	}
}

void config_build_registries(struct config_tree *t, struct feed_options *feed)
{
	const struct config_block *excess = NULL;
	size_t n = 0;

	for (const struct config_block *b = t->first; b != NULL; b = b->next) {
		n += is_registry(b);
		if (excess == NULL && n > FRESHNESS_REGISTRIES_MAX)
			excess = b;
	}
	if (n == 0)
		config_complain(
			t, t->first->file, 0,
			"no registry, so there is nothing to answer: write a static, file, http, consul, etcd, "
			"kubernetes or dns block");
	if (excess != NULL)
		config_complain(t, excess->file, excess->line, "more than %d registries",
				FRESHNESS_REGISTRIES_MAX);
	if (n == 0 || excess != NULL)
		return;
	feed->registries = config_tree_alloc(t, &feed->arena, n, sizeof(feed->registries[0]));
	if (feed->registries == NULL)
		return;

	for (struct config_block *b = t->first; b != NULL; b = b->next) {
		if (!is_registry(b))
			continue;
		check_registry_name(t, b);
		build_registry(t, b, feed, &feed->registries[feed->n_registries++]);
	}
}
