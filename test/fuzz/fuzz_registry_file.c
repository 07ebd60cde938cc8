/* SPDX-License-Identifier: BSD-2-Clause */
/* Rounds of a file registry. The input is cut at 0xff (which JSON text never has): each piece is one result,
 * its first octet says which file it is about, whether it is unchanged or an error, and whether a round ends.
 */
#include <errno.h>
#include <string.h>

#include "registry/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_piece(struct registry *r, uint8_t head, const uint8_t *body, size_t len,
		      struct snapshot_builder *b)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	struct fetch_result res = { .name = names[head & 3], .status = 200, .error_text = "no" };

	if (head & 4)
		res.unchanged = true;
	else if (head & 8)
		res.error = head & 16 ? -ENOENT : -EACCES;
	else
		res.body = (const char *)body, res.len = len;
	return registry_file.read(r, &res, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct registry_options o = { .path = "*", .service = "x", .service_label = "service" };
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *last = NULL, *s;
	struct registry *r;

	registry_file.create(&o, &r);
	registry_file.begin(r, b);
	while (size > 0) {
		const uint8_t *end = memchr(data + 1, 0xff, size - 1);
		const size_t len = end != NULL ? (size_t)(end - data) : size;
		const uint8_t head = data[0];

		int status = read_piece(r, head, data + 1, len - 1, b);
		if (status < 0 || head & 32) {
			snapshot_builder_seal(b, last, &s);
			snapshot_release(last);
			last = s;
			registry_file.end(r, status >= 0);
			registry_file.begin(r, b);
		}
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
	snapshot_release(last);
	snapshot_builder_destroy(b);
	registry_file.destroy(r);
	return 0;
}
