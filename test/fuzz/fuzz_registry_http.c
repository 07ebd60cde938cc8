/* SPDX-License-Identifier: BSD-2-Clause */
/* Rounds of an http registry. The input is cut at 0xff (which JSON text never has): each piece is one answer,
 * its first octet chooses status, content type and validators. */
#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_round(struct fuzz_host *f, uint8_t head, const uint8_t *body, size_t len)
{
	static const int statuses[] = { 200, 200, 304, 503 };
	static const char *const types[] = { "application/json", "text/html", "application/x+json", NULL };
	const struct fetch_result res = { .status = statuses[head & 3],
					  .last = true,
					  .content_type = types[head >> 2 & 3],
					  .etag = head & 16 ? "\"e\"" : NULL,
					  .last_modified = head & 32 ? "Mon, 04 May 2026 08:12:31 GMT" : NULL,
					  .body = (const char *)body,
					  .len = len };
	struct fetch_request request;

	if (f->n != 1 || fuzz_host_ask(f, f->resources[0], &request) != 0)
		abort(); /* one resource, which can always be asked for */
	fuzz_host_read(f, f->resources[0], &res);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct registry_options o = { .service_label = "service" };
	struct fuzz_host f;

	fuzz_host_start(&f, &registry_http, &o);
	while (size > 0) {
		const uint8_t *end = memchr(data + 1, 0xff, size - 1);
		const size_t len = end != NULL ? (size_t)(end - data) : size;

		run_round(&f, data[0], data + 1, len - 1);
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
	fuzz_host_finish(&f);
	return 0;
}
