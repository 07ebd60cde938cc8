/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/findings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct findings {
	size_t users;
	size_t dropped[DROP_REASONS];
	size_t n_remarks;
	char remarks[]; /* one behind the other, each with its NUL */
};

static bool has_remark(const struct findings_draft *d, const char *remark)
{
	size_t i = 0;

	while (i < d->n_remarks && strcmp(d->remarks[i], remark) != 0)
		i++;
	return i < d->n_remarks;
}

void findings_gather(struct findings_draft *d, const struct findings *f)
{
	for (int i = 0; i < DROP_REASONS; i++)
		d->dropped[i] += findings_dropped(f, (enum drop)i);
	for (size_t i = 0; i < findings_n_remarks(f) && d->n_remarks < REMARKS_MAX; i++) {
		const char *remark = findings_remark(f, i);

		if (!has_remark(d, remark))
			d->remarks[d->n_remarks++] = remark;
	}
}

static bool is_empty(const struct findings_draft *d)
{
	static const size_t nothing[DROP_REASONS];

	return d->n_remarks == 0 && memcmp(d->dropped, nothing, sizeof(nothing)) == 0;
}

static bool is_same(const struct findings_draft *d, const struct findings *f)
{
	if (f->n_remarks != d->n_remarks || memcmp(f->dropped, d->dropped, sizeof(f->dropped)) != 0)
		return false;
	for (size_t i = 0; i < d->n_remarks; i++) {
		if (strcmp(findings_remark(f, i), d->remarks[i]) != 0)
			return false;
	}
	return true;
}

int findings_make(const struct findings_draft *d, const struct findings *before, const struct findings **ret)
{
	size_t size = 0;

	if (is_empty(d)) {
		*ret = NULL;
		return 0;
	}
	if (before != NULL && is_same(d, before)) {
		*ret = findings_keep(before);
		return 0;
	}
	for (size_t i = 0; i < d->n_remarks; i++)
		size += strlen(d->remarks[i]) + 1;
	struct findings *f = malloc(sizeof(*f) + size);
	if (f == NULL)
		return -ENOMEM;

	char *at = f->remarks;
	for (size_t i = 0; i < d->n_remarks; i++)
		at = stpcpy(at, d->remarks[i]) + 1;
	memcpy(f->dropped, d->dropped, sizeof(f->dropped));
	f->n_remarks = d->n_remarks;
	f->users = 1;
	*ret = f;
	return 0;
}

const struct findings *findings_keep(const struct findings *f)
{
	if (f != NULL)
		((struct findings *)f)->users++;
	return f;
}

void findings_release(const struct findings *f)
{
	struct findings *mine = (struct findings *)f;

	if (mine != NULL && --mine->users == 0)
		free(mine);
}

size_t findings_dropped(const struct findings *f, enum drop reason)
{
	return f != NULL ? f->dropped[reason] : 0;
}

size_t findings_n_remarks(const struct findings *f)
{
	return f != NULL ? f->n_remarks : 0;
}

const char *findings_remark(const struct findings *f, size_t i)
{
	const char *remark = f->remarks;

	while (i-- > 0)
		remark += strlen(remark) + 1;
	return remark;
}
