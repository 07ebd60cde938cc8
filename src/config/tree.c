/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/tree.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

static void __attribute__((format(printf, 5, 0)))
say(struct config_tree *t, const char *file, int line, const char *what, const char *format, va_list args)
{
	fprintf(t->errors, line > 0 ? "%s:%d: " : "%s: ", file, line);
	fputs(what, t->errors);
	vfprintf(t->errors, format, args);
	fputc('\n', t->errors);
}

void config_complain(struct config_tree *t, const char *file, int line, const char *format, ...)
{
	va_list args;

	t->n_errors++;
	va_start(args, format);
	say(t, file, line, "", format, args);
	va_end(args);
}

void config_warn(struct config_tree *t, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(t, file, line, "warning: ", format, args);
	va_end(args);
}

void *config_tree_alloc(struct config_tree *t, struct arena *arena, size_t n, size_t size)
{
	void *memory = n <= SIZE_MAX / size ? arena_alloc(arena, n * size) : NULL;

	if (memory == NULL)
		t->out_of_memory = true;
	return memory;
}

static char *keep_text(struct config_tree *t, struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_text(arena, text, len);

	if (copy == NULL)
		t->out_of_memory = true;
	return copy;
}

struct config_block *config_tree_add(struct config_tree *t, enum block_kind kind, const char *title,
				     const char *file, int line)
{
	struct config_block *b = config_tree_alloc(t, &t->arena, 1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->kind = kind;
	b->title = keep_text(t, &t->arena, title, strlen(title));
	if (b->title == NULL)
		return NULL;
	b->file = file;
	b->line = line;
	if (t->last != NULL)
		t->last->next = b;
	else
		t->first = b;
	t->last = b;
	return b;
}

struct config_block *config_tree_next(struct config_block *b, enum block_kind kind)
{
	while (b != NULL && b->kind != kind)
		b = b->next;
	return b;
}

void config_value_add(struct config_tree *t, struct config_value *v, const char *text, size_t len,
		      const char *file, int line)
{
	struct config_text *new = config_tree_alloc(t, &t->arena, 1, sizeof(*new));

	if (new == NULL)
		return;
	new->text = keep_text(t, &t->arena, text, len);
	if (new->text == NULL)
		return;
	new->file = file;
	new->line = line;
	if (v->last != NULL)
		v->last->next = new;
	else
		v->first = new;
	v->last = new;
	v->n++;
}

struct config_value *config_block_get(struct config_block *b, const char *key)
{
	const struct config_row *row = config_row_find(b->kind, key);

	assert(row != NULL);
	return &b->values[row - config_kind(b->kind)->rows];
}

void config_block_fill(struct config_tree *t, struct config_block *b, const char *key, const char *text)
{
	struct config_value *v = config_block_get(b, key);

	if (v->n == 0)
		config_value_add(t, v, text, strlen(text), b->file, b->line);
}

/* The texts of a list, NULL at the end. */
static const char *const *keep_texts(struct config_tree *t, const struct config_value *v, struct arena *arena)
{
	const char **texts = config_tree_alloc(t, arena, v->n + 1, sizeof(*texts));
	size_t n = 0;

	if (texts == NULL)
		return NULL;
	for (const struct config_text *e = v->first; e != NULL; e = e->next)
		texts[n++] = keep_text(t, arena, e->text, strlen(e->text));
	return texts;
}

static void store_value(struct config_tree *t, const struct config_row *row, const struct config_value *v,
			struct arena *arena, void *base)
{
	char error[CONFIG_ERROR_MAX];

	if (config_row_is_texts(row) && row->at > 0)
		*(const char *const **)((char *)base + row->at) = keep_texts(t, v, arena);
	if (config_row_is_list(row) || v->n == 0)
		return;
	const char *text = keep_text(t, arena, v->first->text, strlen(v->first->text));
	if (text != NULL) /* refused: that has been reported when it was parsed */
		(void)config_row_read(row, text, base, error);
}

void config_block_store(struct config_tree *t, const struct config_block *b, struct arena *arena, void *base)
{
	const struct config_kind *kind = config_kind(b->kind);

	for (size_t i = 0; i < kind->n_rows; i++)
		store_value(t, &kind->rows[i], &b->values[i], arena, base);
}
