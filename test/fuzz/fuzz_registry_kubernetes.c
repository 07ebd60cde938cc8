/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists and watches of a kubernetes registry. The first octet chooses the options; the rest is cut at 0xff
 * (which JSON text never has): each piece is one result, its first octet says for which collection, whether
 * it is the last, what became of the request, and whether the round is given up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registry/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct resource *resources[2];
static size_t n_resources;

static int start(struct registry_host *h, struct resource *res)
{
	(void)h;
	resources[n_resources++] = res;
	return 0;
}

static void read_piece(struct registry *r, uint8_t head, const uint8_t *body, size_t len)
{
	static const int statuses[] = { 200, 410, 403, 504 },
			 errors[] = { -ECONNRESET, -EFBIG, -ETIMEDOUT, -EBADMSG };
	struct fetch_result res = {
		.body = (const char *)body, .len = len, .last = head & 2, .error_text = "no"
	};
	struct snapshot_builder *b = snapshot_builder_create();

	if (head & 4)
		res.error = errors[head >> 3 & 3];
	else
		res.status = statuses[head >> 3 & 3];
	int status = registry_kubernetes.read(r, resources[head & 1], &res, b);
	if (status < 0 && snapshot_builder_error(b)[0] == '\0')
		abort(); /* a failure without a reason */
	snapshot_builder_destroy(b);
}

/* As who runs it: after each result that ends something, the collection is asked for again. */
static void run(struct registry *r, struct ledger *ledger, const uint8_t *data, size_t size)
{
	struct fetch_request request;
	struct snapshot *s;

	while (size > 0) {
		const uint8_t *end = memchr(data + 1, 0xff, size - 1);
		const size_t len = end != NULL ? (size_t)(end - data) : size;

		if (registry_kubernetes.ask(r, resources[data[0] & 1], &request, NULL) < 0)
			abort();
		read_piece(r, data[0], data + 1, len - 1);
		if (data[0] & 32)
			ledger_abort(ledger, &resources[data[0] & 1]->part);
		if (ledger_seal(ledger, &s) == 0)
			snapshot_release(s);
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registry_options o = { .watch = size > 0 && data[0] & 1 };
	struct registry_host host = { .start = start };
	struct ledger *ledger = ledger_create();
	struct registry *r;

	o.kubernetes.names = size > 0 && data[0] & 2 ? KUBERNETES_SERVICE_NAMESPACE : KUBERNETES_SERVICE;
	o.kubernetes.label_selector = size > 0 && data[0] & 4 ? "a=b" : NULL;
	n_resources = 0;
	if (registry_kubernetes.create(&o, &host, ledger, &r) < 0 || registry_kubernetes.start(r) < 0)
		abort();
	if (size > 0)
		run(r, ledger, data + 1, size - 1);
	for (size_t i = 0; i < n_resources; i++)
		ledger_drop(ledger, &resources[i]->part);
	registry_kubernetes.destroy(r);
	ledger_destroy(ledger);
	return 0;
}
