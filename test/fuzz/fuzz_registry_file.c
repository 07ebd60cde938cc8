/* SPDX-License-Identifier: BSD-2-Clause */
/* Rounds of a file registry. The input is cut at 0xff (which JSON text never has): each piece is one result,
 * its first octet says which file it is about, whether it is unchanged or an error, and whether a round ends.
 */
#include <errno.h>

#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_piece(struct fuzz_host *f, uint8_t head, const uint8_t *body, size_t len)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	struct fetch_result res = {
		.name = names[head & 3], .status = 200, .error_text = "no", .last = (head & 32) != 0
	};

	if (head & 4)
		res.unchanged = true;
	else if (head & 8)
		res.error = head & 16 ? -ENOENT : -EACCES;
	else
		res.body = (const char *)body, res.len = len;
	return fuzz_host_read(f, f->resources[0], &res);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct registry_options o = { .path = "*", .service = "x", .service_label = "service" };
	struct fetch_request request;
	struct fuzz_host f;

	fuzz_host_start(&f, &registry_file, &o);
	fuzz_host_ask(&f, f.resources[0], &request);
	while (size > 0) {
		const uint8_t *end = memchr(data + 1, 0xff, size - 1);
		const size_t len = end != NULL ? (size_t)(end - data) : size;

		if (read_piece(&f, data[0], data + 1, len - 1) != STEP_MORE)
			fuzz_host_ask(&f, f.resources[0], &request);
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
	fuzz_host_finish(&f);
	return 0;
}
