/* SPDX-License-Identifier: BSD-2-Clause */
/* config/tree.h -- the configuration between text and options, shared by the sources of this folder only.
 *
 *   file --text.c, keys.c--> clean text --parse.c--> blocks of checked values --config.c--> options
 *
 * The rows (rows.c, registry_rows.c) are the one list of keys. Everything lives in the arena of the tree.
 * Main only.
 */
#ifndef PHONEBOOK_CONFIG_TREE_H
#define PHONEBOOK_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buffer.h"

enum {
	CONFIG_SIZE_MAX = 1 << 20, /* of one file, octets: some 10,000 static instances */
	CONFIG_ROWS_MAX = 28,      /* of one kind of block */
	CONFIG_ERROR_MAX = 512,
	CONFIG_SOCKET_MAX = 107, /* sun_path without its NUL (unix(7)) */
};

enum block_kind {
	BLOCK_TOP,
	BLOCK_ZONE,
	BLOCK_SERVICE,
	BLOCK_STATIC,
	BLOCK_INSTANCE, /* the one kind that stands in another, static */
	BLOCK_FILE,
	BLOCK_HTTP,
	BLOCK_CONSUL,
	BLOCK_ETCD,
	BLOCK_KUBERNETES,
	BLOCK_DNS,
	BLOCK_FORWARD,
	BLOCK_KINDS,
};

enum row_type {
	ROW_COUNT,       /* unsigned */
	ROW_LONG,        /* long, never negative */
	ROW_SECONDS,     /* duration in whole seconds -> uint32_t */
	ROW_DURATION_MS, /* uint64_t */
	ROW_SIZE,        /* uint64_t, octets */
	ROW_WORD,        /* one of words -> enum, counted from 0 */
	ROW_FLAG,        /* bool */
	ROW_TEXT,        /* const char *, and so down to ROW_TOKEN */
	ROW_SERVICE,     /* a service's name without the zone */
	ROW_LABEL,       /* of an instance or its port */
	ROW_ZONE,        /* a domain name, or "" */
	ROW_SELECTOR,    /* of labels, as Kubernetes has it */
	ROW_PATH,        /* absolute */
	ROW_DIRECTORY,   /* absolute, or "" */
	ROW_URL,
	ROW_BASE_URL,  /* paths are put behind it, so it has no query */
	ROW_AGENT_URL, /* the same, or unix:///path */
	ROW_TOKEN,     /* a secret */
	ROW_SERVER,    /* of somebody else, port 53 if none is given -> struct endpoint */
	ROW_TEXTS,     /* const char *const * with NULL at the end, and so down to ROW_HEADERS */
	ROW_SERVICES,
	ROW_QUESTIONS,  /* "NAME" or "SERVICE=NAME" */
	ROW_NAMESPACES, /* of Kubernetes */
	ROW_BASE_URLS,
	ROW_HEADERS,
	ROW_LISTENERS, /* an address, port 53 if none is given; this list and those below are not stored */
	ROW_SERVERS,   /* the same, of somebody else */
	ROW_NETWORKS,
};

/* A key. */
struct config_row {
	const char *key;
	enum row_type type;
	size_t at;         /* where the value goes in the struct of its kind of block; a list at 0: nowhere */
	uint64_t min, max; /* of the value; octets of a text; elements of a list */
	const char *fallback; /* the default, elements of a list on lines of their own; NULL: none */
	const char *example;  /* for the reference, where there is no default */
	const char *about;    /* one sentence for it and the manual */
	const char *const *words;
	bool required;
};

/* A kind of block. */
struct config_kind {
	const char *word;  /* as written; "root" for the file itself, as libconfuse calls it */
	const char *title; /* for the reference; NULL: the file itself */
	const char *about;
	bool shown;    /* in the reference, a block that stands there ready for use */
	bool registry; /* a registry, known by its title */
	const struct config_row *rows;
	size_t n_rows;
};

/* One element as the file has it. */
struct config_text {
	const char *text, *file;
	int line;
	struct config_text *next;
};

/* All that was written for a key: the one element, or those of the list; n = 0: nothing. */
struct config_value {
	struct config_text *first, *last;
	size_t n;
};

struct config_block {
	enum block_kind kind;
	const char *title, *file;
	int line;                    /* of its opening brace */
	struct config_block *parent; /* of an instance: its static block */
	struct config_block *next;   /* in the order of the file */
	struct config_value values[CONFIG_ROWS_MAX];
};

struct config_tree {
	struct arena arena;
	FILE *errors;
	size_t n_errors;
	bool out_of_memory;                /* from here on the tree is no use */
	struct config_block *first, *last; /* the first is the file itself */
};

/* tree.c */

/* Appends a block; NULL when there is no memory, which the tree remembers. */
struct config_block *config_tree_add(struct config_tree *t, enum block_kind kind, const char *title,
				     const char *file, int line);

/* The first block of that kind at b or behind it, or NULL. */
struct config_block *config_tree_next(struct config_block *b, enum block_kind kind);

/* Appends one element of len octets. */
void config_value_add(struct config_tree *t, struct config_value *v, const char *text, size_t len,
		      const char *file, int line);

/* What the block says for the key, which must be one of its rows. */
struct config_value *config_block_get(struct config_block *b, const char *key);

/* Stores the values of the block in the struct at base, texts copied to the arena. */
void config_block_store(struct config_tree *t, const struct config_block *b, struct arena *arena, void *base);

/* What was written for a key, e.g. a default that depends on other keys, given to a value that has none. */
void config_block_fill(struct config_tree *t, struct config_block *b, const char *key, const char *text);

/* Memory of the arena for n things; NULL when there is none, which the tree remembers. */
void *config_tree_alloc(struct config_tree *t, struct arena *arena, size_t n, size_t size);

/* Reports one problem as "FILE:LINE: ..."; line 0 leaves the line out. */
void config_complain(struct config_tree *t, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The same for what may be as it is: it does not count. */
void config_warn(struct config_tree *t, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* rows.c, registry_rows.c */

const struct config_kind *config_kind(enum block_kind kind);

/* Whether such a block may stand in an outer one. */
bool config_kind_stands_in(enum block_kind kind, enum block_kind outer);

/* The row of that key, or NULL. */
const struct config_row *config_row_find(enum block_kind kind, const char *key);

bool config_row_is_list(const struct config_row *row);

/* True for a list that is stored as texts. */
bool config_row_is_texts(const struct config_row *row);

/* True for a key or block that a later version will understand. */
bool config_row_is_later(const char *key);

/* value.c */

/* Checks one value, or one element, and writes it to where the row says in the struct at base, unless base is
 * NULL or the row a list. Texts are borrowed. False with what is wrong in error. */
bool config_row_read(const struct config_row *row, const char *text, void *base,
		     char error[CONFIG_ERROR_MAX]);

/* check.c */

/* The same for a text or one of a list, writing nothing. */
bool config_text_check(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX]);

/* Says in error what is wrong; false, for the value has been refused. */
bool config_refuse(char error[CONFIG_ERROR_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* text.c */

/* Appends the file to text; a negative errno, -EFBIG and -EINVAL (no regular file) among them. */
int config_text_load(const char *path, struct buffer *text);

/* Blanks out the comments, and refuses what libconfuse would pass over without a word; false when something
 * was wrong and has been reported. */
bool config_text_clean(struct config_tree *t, const char *file, char *text, size_t len);

/* keys.c */

/* Reports the keys and blocks nobody knows and blanks them out of a clean text, as far as it can be followed.
 * True when there were any. */
bool config_blank_unknown(struct config_tree *t, const char *file, char *text);

/* Reports one. */
void config_complain_about_key(struct config_tree *t, enum block_kind kind, const char *file, int line,
			       const char *key);

/* False for what may be a secret out of its place, and is not shown. */
bool config_could_be_key(const char *text);

/* parse.c */

/* Reads the file and those it includes into t, whose errors stream is set. 0, also when values are wrong
 * (n_errors tells); a negative errno when it went no further, reported too. */
int config_parse(const char *path, struct config_tree *t);

/* files.c */

/* Warns of secrets, certificates and keys that cannot be read now. */
void config_look_at_files(struct config_tree *t);

/* registries.c, zones.c: the options of the feeding plane from blocks whose defaults
 * have been filled in. Problems are reported to the tree. Registries come after our own addresses, which none
 * of them may ask, and zones last: they refer to registries. */

struct feed_options;

void config_build_registries(struct config_tree *t, struct feed_options *feed);
void config_build_zones(struct config_tree *t, struct feed_options *feed);

/* remote.c: what cannot be said by a row about the block of a registry that is asked over a network. */

struct registry_options;

/* Fills in the defaults that depend on other keys, other blocks or where we run. */
void config_fill_remote(struct config_tree *t, struct config_block *b);

/* Checks the keys against each other, and finishes the options that were stored from them. */
void config_finish_remote(struct config_tree *t, struct config_block *b, const struct feed_options *feed,
			  struct registry_options *o);

#endif
