/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "registry/etcd_messages.h"

/* Writes JSON; the first failure stays. */
struct writer {
	struct buffer *out;
	int error;
};

static struct writer begin(struct buffer *out)
{
	buffer_clear(out);
	return (struct writer){ .out = out };
}

static void put(struct writer *w, const char *octets, size_t len)
{
	if (w->error == 0)
		w->error = buffer_add(w->out, octets, len);
}

__attribute__((format(printf, 2, 3))) static void print(struct writer *w, const char *format, ...)
{
	char text[128]; /* longer than any of ours with its numbers */
	va_list args;

	va_start(args, format);
	const int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put(w, text, (size_t)len);
}

static int end(struct writer *w)
{
	put(w, "", 1);
	if (w->error == 0)
		w->out->len--;
	return w->error;
}

static void put_octets(struct writer *w, const char *name, const char *octets, size_t len)
{
	print(w, "\"%s\":\"", name);
	if (w->error == 0)
		w->error = base64_write(w->out, octets, len);
	print(w, "\",");
}

/* RFC 8259 section 7: the quote, the backslash and everything below a space must be escaped, all else may
 * stand as it is. */
static void put_text(struct writer *w, const char *text)
{
	print(w, "\"");
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			print(w, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			print(w, "\\u%04x", (unsigned char)*text);
		else
			put(w, text, 1);
	}
	print(w, "\"");
}

static void put_range(struct writer *w, const struct etcd_range *r)
{
	put_octets(w, "key", r->from, r->from_len);
	put_octets(w, "range_end", r->to, r->to_len);
}

int etcd_write_page_request(const struct etcd_page_request *q, struct buffer *ret)
{
	struct writer w = begin(ret);

	print(&w, "{");
	put_range(&w, &q->range);
	if (q->revision > 0)
		print(&w, "\"revision\":\"%" PRIu64 "\",", q->revision);
	if (q->serializable)
		print(&w, "\"serializable\":true,");
	print(&w, "\"limit\":\"%" PRIu64 "\"}", q->limit);
	return end(&w);
}

int etcd_write_watch_request(const struct etcd_range *range, uint64_t revision, struct buffer *ret)
{
	struct writer w = begin(ret);

	print(&w, "{\"create_request\":{");
	put_range(&w, range);
	print(&w, "\"start_revision\":\"%" PRIu64 "\",\"progress_notify\":true}}", revision);
	return end(&w);
}

int etcd_write_login(const char *user, const char *password, struct buffer *ret)
{
	struct writer w = begin(ret);

	print(&w, "{\"name\":");
	put_text(&w, user);
	print(&w, ",\"password\":");
	put_text(&w, password);
	print(&w, "}");
	return end(&w);
}
