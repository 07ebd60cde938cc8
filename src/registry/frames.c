/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/frames.h"

#include <errno.h>
#include <string.h>

enum {
	/* Memory kept from object to object. Events are far smaller; what a list or a burst of thousands took
	 * is given back. */
	KEEP_SIZE = 65536,
};

void frames_init(struct frames *f, size_t max_size)
{
	*f = (struct frames){ .max_size = max_size };
}

void frames_finish(struct frames *f)
{
	buffer_finish(&f->octets);
	frames_init(f, f->max_size);
}

/* Drops what was handed out. */
static void tidy(struct frames *f)
{
	struct buffer *b = &f->octets, small = { 0 };
	const size_t rest = b->len - f->at;

	if (f->at == 0)
		return;
	if (b->size > KEEP_SIZE && rest <= KEEP_SIZE / 2 &&
	    buffer_add(&small, b->octets + f->at, rest) == 0) {
		buffer_finish(b);
		*b = small;
	} else {
		memmove(b->octets, b->octets + f->at, rest);
		b->len = rest;
	}
	f->start -= f->at;
	f->at = 0;
}

/* --- octets to objects --- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Follows the object that is open, or begins here, through the octets. Returns how many of them are its; the
 * depth is 0 then if the last of them ends it. */
static size_t follow(struct frames *f, const char *octets, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char c = octets[i];

		if (f->escaped)
			f->escaped = false;
		else if (f->in_text && c == '\\')
			f->escaped = true;
		else if (c == '"')
			f->in_text = !f->in_text;
		else if (f->in_text)
			continue;
		else if (c == '{' || c == '[')
			f->depth++;
		else if ((c == '}' || c == ']') && --f->depth == 0)
			return i + 1;
	}
	return len;
}

/* Keeps the octets of one object, and the end of it. */
static int keep(struct frames *f, const char *octets, size_t len)
{
	if (len > f->max_size - (f->octets.len - f->start))
		return -EFBIG;
	int r = buffer_add(&f->octets, octets, len);
	if (r == 0 && f->depth == 0) {
		r = buffer_add(&f->octets, "", 1);
		f->start = f->octets.len;
	}
	return r;
}

static int take(struct frames *f, const char *octets, size_t len)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < len) {
		if (f->depth == 0 && is_space(octets[at])) {
			at++;
			continue;
		}
		if (f->depth == 0 && octets[at] != '{')
			return -EBADMSG;
		const size_t n = follow(f, octets + at, len - at);
		r = keep(f, octets + at, n);
		at += n;
	}
	return r;
}

/* No JSON has a NUL in it (RFC 8259 section 7), so it can mark the ends of the objects here. */
int frames_add(struct frames *f, const char *octets, size_t len)
{
	const char *nul = len > 0 ? memchr(octets, '\0', len) : NULL;

	tidy(f);
	const int r = take(f, octets, nul != NULL ? (size_t)(nul - octets) : len);
	return r == 0 && nul != NULL ? -EBADMSG : r;
}

/* --- objects --- */

const char *frames_next(struct frames *f, size_t *len)
{
	if (f->at == f->start) {
		tidy(f);
		return NULL;
	}
	const char *object = (const char *)f->octets.octets + f->at;
	*len = strlen(object);
	f->at += *len + 1;
	return object;
}

size_t frames_waiting(const struct frames *f)
{
	return f->start - f->at;
}

bool frames_is_cut(const struct frames *f)
{
	return f->depth > 0;
}
