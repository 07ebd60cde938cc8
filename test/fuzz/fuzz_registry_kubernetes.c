/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists and watches of a kubernetes registry. The first octet chooses the options; the rest is cut at 0xff
 * (which JSON text never has): each piece is one result, its first octet says for which collection, whether
 * it is the last, what became of the request, and whether the round is given up. */
#include <errno.h>

#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_piece(struct fuzz_host *f, uint8_t head, const uint8_t *body, size_t len)
{
	static const int statuses[] = { 200, 410, 403, 504 },
			 errors[] = { -ECONNRESET, -EFBIG, -ETIMEDOUT, -EBADMSG };
	struct resource *collection = f->resources[head & 1];
	struct fetch_result res = {
		.body = (const char *)body, .len = len, .last = head & 2, .error_text = "no"
	};
	struct fetch_request request;

	if (fuzz_host_ask(f, collection, &request) != 0)
		abort(); /* each can always be listed */
	if (head & 4)
		res.error = errors[head >> 3 & 3];
	else
		res.status = statuses[head >> 3 & 3];
	fuzz_host_read(f, collection, &res);
	if (head & 32)
		ledger_abort(f->ledger, &collection->part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t choice = size > 0 ? data[0] : 0;
	const struct registry_options o = { .watch = choice & 1,
					    .kubernetes = { .names = choice & 2 ? KUBERNETES_SERVICE_NAMESPACE
										: KUBERNETES_SERVICE,
							    .label_selector = choice & 4 ? "a=b" : NULL } };
	struct fuzz_host f;

	fuzz_host_start(&f, &registry_kubernetes, &o);
	for (size_t at = 1; at < size;) {
		const uint8_t *end = memchr(data + at + 1, 0xff, size - at - 1);
		const size_t next = end != NULL ? (size_t)(end - data) : size;

		run_piece(&f, data[at], data + at + 1, next - at - 1);
		at = next + (end != NULL);
	}
	fuzz_host_finish(&f);
	return 0;
}
