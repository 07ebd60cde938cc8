/* SPDX-License-Identifier: BSD-2-Clause */
/* libconfuse at work. It hands each value to a callback as it comes; from these we build blocks of our own,
 * because its own keep no lines, and the line is half of an error message. A wrong value is reported and then
 * accepted, so that one run shows all of them; what breaks the syntax ends the run. */
#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "config/tree.h"

/* libconfuse's lexer is global and its callbacks get no context: this is both for the time of one call. */
static struct parser {
	struct config_tree *tree;
	const char *file;
	struct config_block *open[BLOCK_KINDS]; /* the newest of each kind */
	bool has_unknown;                       /* so what else is missing may stand under a wrong name */
} * parser;

/* libconfuse does not tell when a block opens, but it sets the defaults of the new block then. So each kind
 * has a list whose default calls us back; no file can hold its name, for lack of control characters. */
static const char opening[] = "\x01";
static char opening_default[] = "{opening}";

enum { OPTIONS_MAX = CONFIG_ROWS_MAX + BLOCK_KINDS + 2 };

static enum block_kind kind_of(const cfg_t *cfg)
{
	enum block_kind kind = BLOCK_TOP;

	while (strcmp(config_kind(kind)->word, cfg->name) != 0)
		kind++;
	return kind;
}

static int open_block(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const enum block_kind kind = kind_of(cfg);
	const char *title = cfg->title != NULL ? cfg->title : "";
	struct config_block *b = config_tree_add(parser->tree, kind, title, parser->file, cfg->line);

	(void)opt;
	if (b == NULL)
		return -1;
	if (kind == BLOCK_INSTANCE)
		b->parent = parser->open[BLOCK_STATIC];
	parser->open[kind] = b;
	*(const char **)result = value;
	return 0;
}

/* We have what it held, and libconfuse would walk over all titles so far at each new one: 10 s for 20,000
 * instances. It would also take the quoted key "zone|ttl" for the ttl of the first zone. */
static int close_block(cfg_t *cfg, cfg_opt_t *opt)
{
	(void)cfg;
	return cfg_free_value(opt);
}

static void check_value(const struct config_row *row, const struct config_value *v, bool is_first,
			const char *text, int line)
{
	char error[CONFIG_ERROR_MAX];

	if (is_first && v->n > 0)
		config_complain(parser->tree, parser->file, line, "%s: given twice, first at %s:%d", row->key,
				v->first->file, v->first->line);
	else if (config_row_is_list(row) && v->n == row->max)
		config_complain(parser->tree, parser->file, line, "%s: more than %u elements", row->key,
				(unsigned)row->max);
	if (!config_row_read(row, text, NULL, error))
		config_complain(parser->tree, parser->file, line, "%s", error);
}

static int take_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const enum block_kind kind = kind_of(cfg);
	const struct config_row *row = config_row_find(kind, opt->name);

	struct config_value *v = &parser->open[kind]->values[row - config_kind(kind)->rows];

	/* A list that is assigned again starts with one element again. */
	check_value(row, v, !config_row_is_list(row) || opt->nvalues == 1, value, cfg->line);
	config_value_add(parser->tree, v, value, strlen(value), parser->file, cfg->line);
	*(const char **)result = value;
	return 0;
}

/* A header that has lost its comma, or a token its equal sign, ends up where a key or a comma should be, and
 * may be a secret: only what could be a key is shown. */
static void complain_about_token(const cfg_t *cfg, const char *token)
{
	if (config_could_be_key(token))
		config_complain(parser->tree, parser->file, cfg->line, "unexpected \"%s\"", token);
	else
		config_complain(parser->tree, parser->file, cfg->line,
				"a text where none can stand; is a comma missing before it?");
}

/* One that keys.c could not find: the text around it is not what it should be. */
static void complain_about_key(const cfg_t *cfg, const char *key)
{
	if (config_could_be_key(key))
		config_complain_about_key(parser->tree, kind_of(cfg), parser->file, cfg->line, key);
	else
		complain_about_token(cfg, key);
}

static void __attribute__((format(printf, 2, 0))) report(cfg_t *cfg, const char *format, va_list args)
{
	char text[CONFIG_ERROR_MAX];

	if (strcmp(format, "no such option '%s'") == 0) {
		complain_about_key(cfg, va_arg(args, const char *));
		return;
	}
	if (strcmp(format, "unexpected token '%s'") == 0) {
		complain_about_token(cfg, va_arg(args, const char *));
		return;
	}
	vsnprintf(text, sizeof(text), format, args);
	config_complain(parser->tree, parser->file, cfg->line, "%s", text);
}

/* The options of a kind of block as libconfuse wants them. */
static void fill_options(enum block_kind kind, cfg_opt_t options[][OPTIONS_MAX])
{
	const struct config_kind *k = config_kind(kind);
	cfg_opt_t *o = options[kind];

	*o++ = (cfg_opt_t){ .name = opening,
			    .type = CFGT_STR,
			    .flags = CFGF_LIST,
			    .def.parsed = opening_default,
			    .parsecb = open_block };
	for (size_t i = 0; i < k->n_rows; i++)
		*o++ = (cfg_opt_t){ .name = k->rows[i].key,
				    .type = CFGT_STR,
				    .flags = CFGF_NODEFAULT |
					     (config_row_is_list(&k->rows[i]) ? CFGF_LIST : 0),
				    .parsecb = take_value };
	for (enum block_kind inner = BLOCK_TOP; inner < BLOCK_KINDS; inner++) {
		if (config_kind_stands_in(inner, kind))
			*o++ = (cfg_opt_t){ .name = config_kind(inner)->word,
					    .type = CFGT_SEC,
					    .flags = CFGF_MULTI | CFGF_TITLE,
					    .subopts = options[inner],
					    .validcb = close_block };
	}
	*o = (cfg_opt_t)CFG_END();
}

static int parse_text(cfg_t *cfg, char *text, size_t len)
{
	const size_t errors_before = parser->tree->n_errors;

	if (!config_text_clean(parser->tree, parser->file, text, len))
		return -EINVAL;
	if (config_blank_unknown(parser->tree, parser->file, text))
		parser->has_unknown = true;
	FILE *file = fmemopen(text, len, "r");
	if (file == NULL)
		return -errno;
	const int outcome = cfg_parse_fp(cfg, file);
	fclose(file);
	if (outcome == CFG_SUCCESS)
		return 0;
	if (parser->tree->out_of_memory)
		return -ENOMEM;
	if (parser->tree->n_errors == errors_before)
		config_complain(parser->tree, parser->file, cfg->line, "cannot be understood");
	return -EINVAL;
}

/* A file that cannot be read is reported where it was asked for: at line of asker. */
static int parse_file(cfg_t *cfg, const char *path, const char *asker, int line)
{
	struct buffer text = { .limit = 0 };
	int r = config_text_load(path, &text);

	if (r == 0)
		r = buffer_add(&text, "\n", sizeof("\n"));
	if (r < 0) {
		const char *why = r == -EINVAL ? "not a regular file" : strerror(-r);

		config_complain(parser->tree, asker, line, "%s%s%s", line > 0 ? path : "",
				line > 0 ? ": " : "", why);
	} else {
		parser->file = path;
		r = parse_text(cfg, (char *)text.octets, text.len - 1);
	}
	buffer_finish(&text);
	return r;
}

/* Included files come after the one that names them, not in the middle of it: the lexer is not re-entrant. */
static int parse_all(cfg_t *cfg, const char *path)
{
	int r = parse_file(cfg, path, path, 0);

	if (r < 0)
		return r;
	const struct config_text *include = config_block_get(parser->tree->first, "include")->first;
	for (; r == 0 && include != NULL; include = include->next) {
		if (include->file != path)
			config_complain(parser->tree, include->file, include->line,
					"an included file cannot include others");
		else if (parse_file(cfg, include->text, include->file, include->line) < 0)
			r = -EINVAL;
	}
	return r;
}

int config_parse(const char *path, struct config_tree *t)
{
	static cfg_opt_t options[BLOCK_KINDS][OPTIONS_MAX];
	struct parser p = { .tree = t, .file = path };

	for (enum block_kind kind = BLOCK_TOP; kind < BLOCK_KINDS; kind++)
		fill_options(kind, options);
	parser = &p;
	cfg_t *cfg = cfg_init(options[BLOCK_TOP], CFGF_NONE);
	int r = cfg == NULL || t->out_of_memory ? -ENOMEM : 0;
	if (r == 0) {
		cfg_set_error_function(cfg, report);
		r = parse_all(cfg, path);
	}
	if (r == 0 && p.has_unknown)
		r = -EINVAL;
	if (cfg != NULL)
		cfg_free(cfg);
	parser = NULL;
	return r;
}
