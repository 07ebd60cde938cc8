/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/request_path.h"

#include <string.h>

static void add(struct request_path *p, const char *octets, size_t len)
{
	if (p->error == 0)
		p->error = buffer_add(p->text, octets, len);
}

void request_path_begin(struct request_path *p, struct buffer *text)
{
	buffer_clear(text);
	*p = (struct request_path){ .text = text, .separator = '?' };
}

void request_path_add(struct request_path *p, const char *text)
{
	add(p, text, strlen(text));
}

static void add_code(struct request_path *p, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char code[3] = { '%', digits[c >> 4], digits[c & 15] };

	add(p, code, sizeof(code));
}

void request_path_add_encoded(struct request_path *p, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	while (*text != '\0') {
		const size_t len = strspn(text, plain);

		add(p, text, len);
		text += len;
		if (*text != '\0')
			add_code(p, (unsigned char)*text++);
	}
}

void request_path_add_parameter(struct request_path *p, const char *key, const char *value)
{
	add(p, &p->separator, 1);
	p->separator = '&';
	request_path_add(p, key);
	request_path_add(p, "=");
	request_path_add_encoded(p, value);
}

int request_path_end(struct request_path *p)
{
	add(p, "", 1);
	return p->error;
}
