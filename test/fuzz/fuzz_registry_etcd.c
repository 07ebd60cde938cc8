/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists, watches and logins of an etcd registry. The first octet chooses the options; the rest is cut at 0xff
 * (which JSON text never has): each piece is one result, its first octet says what became of the request and
 * whether it is the last. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_piece(struct fuzz_host *f, uint8_t head, const uint8_t *body, size_t len)
{
	static const int statuses[] = { 200, 400, 401, 503 },
			 errors[] = { -ECONNRESET, -EFBIG, -ETIMEDOUT, -EBADMSG };
	struct fetch_request request;

	if (fuzz_host_ask(f, f->resources[0], &request) != 0)
		abort(); /* it asks for something in every state */
	if (request.source != FETCH_SECRET && request.body[0] != '{')
		abort();

	/* A body has a NUL behind. */
	char *text = calloc(1, len + 1);
	memcpy(text, body, len);
	const struct fetch_result result = { .name = "http://a.example:2379",
					     .error = head & 4 ? errors[head & 3] : 0,
					     .error_text = "no",
					     .status = statuses[head & 3],
					     .last = head & 8 || head & 7 || request.source != FETCH_STREAM,
					     .body = text,
					     .len = head & 4 ? 0 : len };
	fuzz_host_read(f, f->resources[0], &result);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const urls[] = { "http://a.example:2379", "http://b.example:2379", NULL };
	const uint8_t choice = size > 0 ? data[0] : 0;
	const struct registry_options o = { .watch = choice & 1,
					    .etcd = { .urls = urls,
						      .layout = choice & 2 ? ETCD_NAMING : ETCD_SKYDNS,
						      .user = choice & 4 ? "ann" : NULL,
						      .password_file = choice & 8 ? "file" : NULL,
						      .prefix = choice & 16 ? "" : NULL } };
	struct fuzz_host f;

	fuzz_host_start(&f, &registry_etcd, &o);
	for (size_t at = 1, next; at < size; at = next) {
		const uint8_t *end = memchr(data + at + 1, 0xff, size - at - 1);

		next = end != NULL ? (size_t)(end - data) + 1 : size;
		run_piece(&f, data[at], data + at + 1, next - at - 1 - (end != NULL));
	}
	fuzz_host_finish(&f);
	return 0;
}
