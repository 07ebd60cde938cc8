/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that people and programs write: one path, or a glob.
 *
 * Each file stands for itself. What it said last is kept here, so that one that is being written in place, or
 * has been broken by hand, goes on saying that, and takes nothing away from the others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registry/registry.h"
#include "registry/shapes.h"

struct file {
	char *name;
	struct snapshot *good; /* NULL: it never was */
	char *trouble;         /* what is wrong with it now, NULL: nothing */
	bool seen;             /* in this round */
};

struct registry {
	const struct registry_options *options;
	struct registry_host *host;
	struct ledger *ledger;
	struct resource path;
	struct file **files; /* sorted by name */
	size_t n_files, size;
	size_t n_seen;       /* in this round */
	bool began, partial; /* this round: nothing is staged in a partial one */
};

static int create(const struct registry_options *o, struct registry_host *host, struct ledger *ledger,
		  struct registry **ret)
{
	struct registry *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->options = o;
	r->host = host;
	r->ledger = ledger;
	r->path.vital = true;
	*ret = r;
	return 0;
}

static void destroy_file(struct file *f)
{
	snapshot_release(f->good);
	free(f->trouble);
	free(f->name);
	free(f);
}

static void destroy(struct registry *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_files; i++)
		destroy_file(r->files[i]);
	free(r->files);
	free(r);
}

static int start(struct registry *r)
{
	return r->host->start(r->host, &r->path);
}

static int ask(struct registry *r, struct resource *res, struct fetch_request *ret,
	       struct snapshot_builder *b)
{
	(void)res;
	(void)b;
	r->began = false;
	*ret = (struct fetch_request){ .source = FETCH_FILES,
				       .path = r->options->path,
				       .max_size = r->options->max_size };
	return 0;
}

/* The first result tells what kind of round it is. */
static void begin(struct registry *r, const struct fetch_result *res)
{
	if (r->began)
		return;
	r->began = true;
	r->partial = res->partial;
	r->n_seen = 0;
	if (r->partial)
		return;
	for (size_t i = 0; i < r->n_files; i++)
		r->files[i]->seen = false;
	ledger_begin(r->ledger, &r->path.part);
}

/* Where the file is, or belongs. */
static size_t find_place(const struct registry *r, const char *name)
{
	size_t low = 0, high = r->n_files;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (strcmp(r->files[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert_file(struct registry *r, size_t place, const char *name)
{
	if (r->n_files == r->size) {
		const size_t size = r->size > 0 ? r->size * 2 : 16;
		struct file **files = realloc(r->files, size * sizeof(struct file *));

		if (files == NULL)
			return -ENOMEM;
		r->files = files;
		r->size = size;
	}

	struct file *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	f->name = strdup(name);
	if (f->name == NULL) {
		free(f);
		return -ENOMEM;
	}
	memmove(&r->files[place + 1], &r->files[place], (r->n_files - place) * sizeof(struct file *));
	r->files[place] = f;
	r->n_files++;
	return 0;
}

static int take_file(struct registry *r, const char *name, struct file **ret)
{
	const size_t place = find_place(r, name);

	if (place == r->n_files || strcmp(r->files[place]->name, name) != 0) {
		int status = insert_file(r, place, name);
		if (status < 0)
			return status;
	}
	r->n_seen++;
	r->files[place]->seen = true;
	*ret = r->files[place];
	return 0;
}

/* The file keeps what it said; what is wrong is told in every round until it is repaired. */
static int note_trouble(struct file *f, const char *trouble)
{
	char *copy = strdup(trouble);

	if (copy == NULL)
		return -ENOMEM;
	free(f->trouble);
	f->trouble = copy;
	return 0;
}

static int parse(const struct registry *r, struct file *f, const struct fetch_result *res,
		 struct snapshot_builder *own)
{
	const struct shape_options shape = { .service = r->options->service,
					     .service_label = r->options->service_label };
	struct snapshot *s;

	if (res->len == 0)
		return note_trouble(f, "the file is empty");
	int status = shapes_read(res->body, res->len, &shape, own);
	if (status == -ENOMEM)
		return status;
	if (status < 0)
		return note_trouble(f, snapshot_builder_error(own));
	status = snapshot_builder_seal(own, f->good, &s);
	if (status < 0)
		return status;

	snapshot_release(f->good);
	f->good = s;
	free(f->trouble);
	f->trouble = NULL;
	return 0;
}

static int read_body(const struct registry *r, struct file *f, const struct fetch_result *res)
{
	struct snapshot_builder *own = snapshot_builder_create();

	if (own == NULL)
		return -ENOMEM;
	snapshot_builder_limit(own, &r->options->limits);
	int status = parse(r, f, res, own);
	snapshot_builder_destroy(own);
	return status;
}

static int believe(struct registry *r, const struct file *f, struct snapshot_builder *b)
{
	return r->partial ? ledger_put(r->ledger, &r->path.part, f->name, b)
			  : ledger_stage(r->ledger, &r->path.part, f->name, b);
}

/* The file's item is what it said last, and what is wrong with it. */
static int state_file(struct registry *r, const struct file *f, struct snapshot_builder *b)
{
	int status = 0;

	if (f->trouble != NULL)
		snapshot_builder_remark(b, "%s: %s%s", f->name, f->trouble,
					f->good != NULL ? "; what it said before stays" : "");
	if (f->good != NULL)
		status = snapshot_builder_add_snapshot(b, f->good);
	return status < 0 ? status : believe(r, f, b);
}

/* The item of a file that is the same as before, if there is one: after a reload there is none yet. */
static bool keep_item(struct registry *r, const struct file *f)
{
	if (f->trouble != NULL || ledger_find(r->ledger, &r->path.part, f->name) == NULL)
		return false;
	return r->partial || ledger_keep(r->ledger, &r->path.part, f->name) == 0;
}

static bool is_missing(const struct fetch_result *res)
{
	return res->error == -ENOENT || res->error == -ENOTDIR;
}

/* Whether nothing can be said about what files there are: a plain path that cannot be read, or a glob that
 * could not be looked for at all, which comes under its own name. */
static bool is_out_of_reach(const struct registry *r, const struct fetch_result *res)
{
	return res->error < 0 && strcmp(res->name, r->options->path) == 0;
}

/* A directory that never had files of ours may be made later, with the first of them. One that had some
 * takes nothing away by vanishing: it may be about to be exchanged, or not be mounted. */
static bool is_awaited(const struct registry *r, const struct fetch_result *res)
{
	return is_missing(res) && r->n_files == 0 && path_has_glob(res->name, strlen(res->name));
}

static int read_file(struct registry *r, const struct fetch_result *res, struct snapshot_builder *b)
{
	struct file *f;
	int status = take_file(r, res->name, &f);

	if (status < 0)
		return status;
	if (res->error < 0)
		status = note_trouble(f, res->error_text);
	else if (!res->unchanged)
		status = read_body(r, f, res);
	else if (f->good == NULL && f->trouble == NULL)
		return snapshot_builder_fail(b, -ESTALE, "%s: said to be unchanged, but never read", f->name);
	if (status == 0 && res->unchanged && keep_item(r, f))
		return 0;
	return status < 0 ? status : state_file(r, f, b);
}

/* The first file that is wrong, if all are that are there. */
static const struct file *find_trouble(const struct registry *r)
{
	const struct file *first = NULL;

	for (size_t i = 0; i < r->n_files; i++) {
		const struct file *f = r->files[i];

		if (!r->partial && !f->seen)
			continue;
		if (f->trouble == NULL)
			return NULL;
		first = first != NULL ? first : f;
	}
	return first;
}

/* Where not one file can be used, nothing was learned: the data ages from here on. That goes for the one file
 * of a plain path, too. */
static int judge_round(const struct registry *r, struct snapshot_builder *b)
{
	const struct file *f = find_trouble(r);
	const size_t n = r->partial ? r->n_files : r->n_seen;

	if (f == NULL)
		return 0;
	if (n == 1)
		return snapshot_builder_fail(b, -EBADMSG, "%s: %s", f->name, f->trouble);
	return snapshot_builder_fail(b, -EBADMSG, "none of %zu files can be used: %s: %s", n, f->name,
				     f->trouble);
}

/* A file that is not there any more has deregistered its instances. In a round that was thrown away it may
 * just not have been reached; if it never said anything, there is nothing to remember. */
static void forget_files(struct registry *r, bool complete)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_files; i++) {
		struct file *f = r->files[i];

		if (!f->seen && (complete || f->good == NULL))
			destroy_file(f);
		else
			r->files[n++] = f;
	}
	r->n_files = n;
}

/* One that a partial round says is gone. */
static void forget_file(struct registry *r, const char *name)
{
	const size_t place = find_place(r, name);

	if (place == r->n_files || strcmp(r->files[place]->name, name) != 0)
		return;
	ledger_remove(r->ledger, &r->path.part, name);
	destroy_file(r->files[place]);
	r->n_files--;
	memmove(&r->files[place], &r->files[place + 1], (r->n_files - place) * sizeof(struct file *));
}

static int read_one(struct registry *r, const struct fetch_result *res, struct snapshot_builder *b)
{
	int status = 0;

	if (res->name == NULL)
		return 0;
	if (is_out_of_reach(r, res))
		return is_awaited(r, res)
			       ? 0
			       : snapshot_builder_fail(b, res->error, "%s: %s", res->name, res->error_text);
	/* Between the listing of a directory and the reading of a file in it, a program can deregister. */
	if (!is_missing(res))
		status = read_file(r, res, b);
	else if (r->partial)
		forget_file(r, res->name);
	return status == 0 && res->last ? judge_round(r, b) : status;
}

static int read_result(struct registry *r, struct resource *path, const struct fetch_result *res,
		       struct snapshot_builder *b)
{
	begin(r, res);
	const int status = read_one(r, res, b);

	if (status < 0 && !r->partial)
		forget_files(r, false);
	if (status < 0 || !res->last)
		return status < 0 ? status : STEP_MORE;
	if (!r->partial) {
		ledger_commit(r->ledger, &path->part);
		forget_files(r, true);
	}
	return STEP_PAUSE;
}

static int inherit(struct registry *r, const struct registry *old)
{
	for (size_t i = 0; i < old->n_files; i++) {
		const struct file *f = old->files[i];

		if (f->good == NULL)
			continue;
		int status = insert_file(r, r->n_files, f->name);
		if (status < 0)
			return status;
		r->files[r->n_files - 1]->good = snapshot_keep(f->good);
	}
	return 0;
}

const struct registry_kind registry_file = {
	.name = "file",
	.create = create,
	.destroy = destroy,
	.start = start,
	.ask = ask,
	.read = read_result,
	.inherit = inherit,
};
