/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers of a Consul agent. The input is cut at 0xff (which JSON text never has): each piece is one answer.
 * Its first octet chooses the resource, its second the status and headers; a first line, if there is one, is
 * the value of those headers. The first octet of all chooses the options. */
#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct answer {
	uint8_t whose, head;
	char value[64]; /* of a header */
	const char *body;
	size_t len;
};

static void run_round(struct fuzz_host *f, const struct answer *a)
{
	static const int statuses[] = { 200, 200, 200, 500 };
	const struct fetch_header headers[] = {
		{ "X-Consul-Index", a->value },
		{ "X-Consul-LastContact", a->value },
		{ "Age", a->value },
		{ "X-Consul-Results-Filtered-By-ACLs", a->head & 16 ? "true" : a->value },
	};
	const struct fetch_result res = { .error = a->head & 32 ? -1 : 0,
					  .error_text = "fuzzed",
					  .status = statuses[a->head & 3],
					  .last = true,
					  .content_type = a->head & 4 ? "application/json" : NULL,
					  .headers = headers,
					  .n_headers = a->head & 8 ? 4 : 0,
					  .body = a->body,
					  .len = a->len };
	struct resource *resource = f->n > 0 ? f->resources[a->whose % f->n] : NULL;
	struct fetch_request request;

	if (resource == NULL || fuzz_host_ask(f, resource, &request) != 0)
		abort(); /* the list of names, or the configured services, can always be asked for */
	fuzz_host_read(f, resource, &res);
}

/* One piece, its body ended by a NUL as the fetcher does. */
static void read_piece(struct fuzz_host *f, const uint8_t *piece, size_t len)
{
	struct answer a = { .whose = len > 0 ? piece[0] : 0, .head = len > 1 ? piece[1] : 0 };
	char *text = malloc(len + 1);

	if (text == NULL)
		return;
	len = len > 2 ? len - 2 : 0;
	memcpy(text, piece + (len > 0 ? 2 : 0), len);
	text[len] = '\0';
	const char *line_end = memchr(text, '\n', len);
	const size_t value_len = line_end != NULL ? (size_t)(line_end - text) : 0;
	if (line_end != NULL && value_len < sizeof(a.value))
		memcpy(a.value, text, value_len);
	a.body = line_end != NULL ? line_end + 1 : text;
	a.len = len - (size_t)(a.body - text);
	run_round(f, &a);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const services[] = { "web", "a b", NULL }, *const tags[] = { "v1", NULL };
	const uint8_t choice = size > 0 ? data[0] : 0;
	const struct registry_options o = { .service_label = "service",
					    .watch = !(choice & 1),
					    .consul = { .mode = choice & 2 ? CONSUL_CATALOG : CONSUL_HEALTH,
							.services = choice & 4 ? services : NULL,
							.tags = choice & 8 ? tags : NULL,
							.wait_ms = 30000,
							.held = choice & 16 ? 1 : 64 } };
	struct fuzz_host f;

	fuzz_host_start(&f, &registry_consul, &o);
	for (size_t at = 1; at < size;) {
		const uint8_t *end = memchr(data + at, 0xff, size - at);
		const size_t len = end != NULL ? (size_t)(end - data) - at : size - at;

		read_piece(&f, data + at, len);
		at += len + 1;
	}
	fuzz_host_finish(&f);
	return 0;
}
