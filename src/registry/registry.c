/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/registry.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

bool path_has_glob(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '*' || text[i] == '?' || text[i] == '[')
			return true;
	}
	return false;
}

void resource_set_position(struct resource *res, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(res->position, sizeof(res->position), format, args);
	va_end(args);
}

const struct registry_kind *registry_kind_find(const char *name)
{
	static const struct registry_kind *const kinds[] = { &registry_static, &registry_file,
							     &registry_http,   &registry_consul,
							     &registry_etcd,   &registry_kubernetes,
							     &registry_dns };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	return NULL;
}

const char *fetch_result_header(const struct fetch_result *res, const char *name)
{
	for (size_t i = 0; i < res->n_headers; i++) {
		if (text_equal_fold(res->headers[i].name, name))
			return res->headers[i].value;
	}
	return NULL;
}

bool registry_is_same(const struct registry_options *a, const struct registry_options *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->kind, b->kind) == 0;
}
