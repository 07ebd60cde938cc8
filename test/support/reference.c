/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "config/tree.h"
#include "reference.h"

/* Sentences are broken so that a comment fits beside a second window. */
enum { COMMENT_WIDTH = 100 };

static const char introduction[] =
	"Phonebook's configuration: every key, with its default, or an example where there is none.\n"
	"A line that begins with # and no space behind it is a setting; phonebook.conf(5) tells more.";

static void indent(FILE *out, unsigned depth)
{
	while (depth-- > 0)
		fputc('\t', out);
}

static void write_comment(FILE *out, unsigned depth, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		if (len > COMMENT_WIDTH - 8 * depth) {
			len = COMMENT_WIDTH - 8 * depth;
			while (text[len] != ' ')
				len--;
		}
		indent(out, depth);
		fprintf(out, "# %.*s\n", (int)len, text);
		text += len;
		text += strspn(text, " \n");
	}
}

static bool is_bare(const struct config_row *row)
{
	return row->type < ROW_TEXT;
}

static void write_values(FILE *out, const struct config_row *row)
{
	const char *text = row->fallback != NULL ? row->fallback : row->example;

	if (is_bare(row)) {
		fputs(text, out);
		return;
	}
	if (!config_row_is_list(row)) {
		fprintf(out, "\"%s\"", text);
		return;
	}
	for (const char *separator = "{ "; text != NULL; separator = ", ") {
		const char *end = strchrnul(text, '\n');

		fprintf(out, "%s\"%.*s\"", separator, (int)(end - text), text);
		text = *end == '\n' ? end + 1 : NULL;
	}
	fputs(" }", out);
}

static void write_rows(FILE *out, const struct config_kind *kind, unsigned depth)
{
	for (size_t i = 0; i < kind->n_rows; i++) {
		const struct config_row *row = &kind->rows[i];

		write_comment(out, depth, row->about);
		indent(out, depth);
		fprintf(out, "%s%s = ", kind->shown && row->required ? "" : "#", row->key);
		write_values(out, row);
		fputc('\n', out);
		if (depth == 0)
			fputc('\n', out);
	}
}

static void write_block(FILE *out, enum block_kind which, unsigned depth)
{
	const struct config_kind *kind = config_kind(which);
	const char *mark = kind->shown ? "" : "#";

	write_comment(out, depth, kind->about);
	indent(out, depth);
	fprintf(out, "%s%s \"%s\" {\n", mark, kind->word, kind->title);
	write_rows(out, kind, depth + 1);
	if (which == BLOCK_STATIC)
		write_block(out, BLOCK_INSTANCE, depth + 1);
	indent(out, depth);
	fprintf(out, "%s}\n", mark);
}

void reference_write(FILE *out)
{
	write_comment(out, 0, introduction);
	fputc('\n', out);
	write_rows(out, config_kind(BLOCK_TOP), 0);
	for (enum block_kind kind = BLOCK_ZONE; kind < BLOCK_KINDS; kind++) {
		if (kind == BLOCK_INSTANCE)
			continue;
		write_block(out, kind, 0);
		if (kind + 1 < BLOCK_KINDS)
			fputc('\n', out);
	}
}
