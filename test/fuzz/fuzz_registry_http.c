/* SPDX-License-Identifier: BSD-2-Clause */
/* Rounds of an http registry. The input is cut at 0xff (which JSON text never has): each piece is one answer,
 * its first octet chooses status, content type, validators, and whether the round is accepted. */
#include <stdlib.h>
#include <string.h>

#include "registry/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_round(struct registry *r, uint8_t head, const uint8_t *body, size_t len,
		      struct snapshot_builder *b)
{
	static const int statuses[] = { 200, 200, 304, 503 };
	static const char *const types[] = { "application/json", "text/html", "application/x+json", NULL };
	const struct fetch_result res = { .status = statuses[head & 3],
					  .content_type = types[head >> 2 & 3],
					  .etag = head & 16 ? "\"e\"" : NULL,
					  .last_modified = head & 32 ? "Mon, 04 May 2026 08:12:31 GMT" : NULL,
					  .body = (const char *)body,
					  .len = len };
	struct fetch_request request;
	struct snapshot *s = NULL;

	registry_http.begin(r, b);
	if (!registry_http.next(r, &request))
		abort(); /* one request in each round */
	int status = registry_http.read(r, &res, b);
	snapshot_builder_seal(b, NULL, &s);
	snapshot_release(s);
	registry_http.end(r, status >= 0 && head & 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct registry_options o = { .service_label = "service" };
	struct snapshot_builder *b = snapshot_builder_create();
	struct registry *r;

	registry_http.create(&o, &r);
	while (size > 0) {
		const uint8_t *end = memchr(data + 1, 0xff, size - 1);
		const size_t len = end != NULL ? (size_t)(end - data) : size;

		run_round(r, data[0], data + 1, len - 1, b);
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
	snapshot_builder_destroy(b);
	registry_http.destroy(r);
	return 0;
}
