/* SPDX-License-Identifier: BSD-2-Clause */
/* A body of a file or http registry. The first octet chooses whether a service name is configured. */
#include <stdlib.h>

#include "registry/shapes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;

	const struct shape_options o = { .service = data[0] & 1 ? "inventory" : NULL,
					 .service_label = "service" };
	struct snapshot_builder *b = snapshot_builder_create();
	struct snapshot *s = NULL;

	int r = shapes_read((const char *)data + 1, size - 1, &o, b);
	if (r < 0 && snapshot_builder_error(b)[0] == '\0')
		abort(); /* a refusal without a reason */
	if (r == 0)
		snapshot_builder_seal(b, NULL, &s);
	snapshot_release(s);
	snapshot_builder_destroy(b);
	return 0;
}
