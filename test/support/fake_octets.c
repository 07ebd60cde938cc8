/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_octets.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fake_must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fake: %s\n", what);
	abort();
}

void *fake_new(size_t size)
{
	void *p = calloc(1, size);

	fake_must(p != NULL, "out of memory");
	return p;
}

char *fake_copy(const char *text)
{
	char *copy = strdup(text);

	fake_must(copy != NULL, "out of memory");
	return copy;
}

static void reserve(struct fake_octets *o, size_t len)
{
	if (o->size - o->len > len)
		return;
	o->size = (o->len + len + 1) * 2;
	o->at = realloc(o->at, o->size);
	fake_must(o->at != NULL, "out of memory");
}

void fake_octets_add(struct fake_octets *o, const void *octets, size_t len)
{
	reserve(o, len);
	if (len > 0)
		memcpy(o->at + o->len, octets, len);
	o->len += len;
	o->at[o->len] = '\0';
}

void fake_octets_text(struct fake_octets *o, const char *text)
{
	fake_octets_add(o, text, strlen(text));
}

void fake_octets_format(struct fake_octets *o, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	const int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	fake_must(len >= 0, "bad format");
	reserve(o, (size_t)len);
	vsnprintf(o->at + o->len, (size_t)len + 1, format, again);
	va_end(again);
	o->len += (size_t)len;
}

void fake_octets_drop(struct fake_octets *o, size_t len)
{
	if (len == 0)
		return;
	fake_must(len <= o->len, "dropping more than there is");
	memmove(o->at, o->at + len, o->len - len);
	o->len -= len;
	o->at[o->len] = '\0';
}

void fake_octets_finish(struct fake_octets *o)
{
	free(o->at);
	*o = (struct fake_octets){ 0 };
}
