/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "fake_http_message.h"
#include "fake_http_private.h"

static struct fake_connection *connection_of(struct fake_request *x)
{
	return (struct fake_connection *)x;
}

static void write_head(struct fake_connection *c, int status, const char *headers)
{
	fake_octets_format(&c->out.octets, "HTTP/1.1 %d %s\r\n%s", status, fake_message_reason(status),
			   headers);
}

void fake_request_answer(struct fake_request *x, int status, const char *headers, const char *body,
			 size_t len)
{
	struct fake_connection *c = connection_of(x);

	write_head(c, status, headers);
	if (c->close_after)
		fake_octets_text(&c->out.octets, "Connection: close\r\n");
	if (status == 304)
		fake_octets_text(&c->out.octets, "\r\n");
	else
		fake_octets_format(&c->out.octets, "Content-Length: %zu\r\n\r\n", len);
	fake_octets_add(&c->out.octets, body, len);
	fake_connection_finish(c);
}

void fake_request_text(struct fake_request *x, int status, const char *text)
{
	fake_request_answer(x, status, "Content-Type: text/plain; charset=utf-8\r\n", text, strlen(text));
}

void fake_request_json(struct fake_request *x, int status, const char *text)
{
	fake_request_answer(x, status, "Content-Type: application/json\r\n", text, strlen(text));
}

void fake_request_stream(struct fake_request *x, int status, const char *headers)
{
	struct fake_connection *c = connection_of(x);

	c->streaming = true;
	write_head(c, status, headers);
	fake_octets_text(&c->out.octets, "Transfer-Encoding: chunked\r\n\r\n");
	fake_connection_flush(c);
}

void fake_request_write(struct fake_request *x, const void *octets, size_t len)
{
	struct fake_connection *c = connection_of(x);

	fake_must(c->streaming && len > 0, "a chunk outside a stream, or an empty one");
	fake_octets_format(&c->out.octets, "%zx\r\n", len);
	fake_octets_add(&c->out.octets, octets, len);
	fake_octets_text(&c->out.octets, "\r\n");
	fake_connection_flush(c);
}

void fake_request_end(struct fake_request *x)
{
	struct fake_connection *c = connection_of(x);

	fake_must(c->streaming, "the end of no stream");
	fake_octets_text(&c->out.octets, "0\r\n\r\n");
	fake_connection_finish(c);
}

void fake_request_cut(struct fake_request *x)
{
	fake_connection_cut(connection_of(x));
}

void fake_request_change(struct fake_request *x, const struct fake_change *change)
{
	struct fake_octets o = { 0 };

	fake_octets_format(&o, "{\"committed_ns\":%llu,\"written_ns\":%llu,\"position\":%llu,\"woken\":%u}\n",
			   (unsigned long long)change->committed_ns, (unsigned long long)change->written_ns,
			   (unsigned long long)change->position, change->woken);
	fake_request_json(x, 200, o.at);
	fake_octets_finish(&o);
}

void fake_request_deadline(struct fake_request *x, uint64_t ms)
{
	fake_connection_deadline(connection_of(x), ms);
}
