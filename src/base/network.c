/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/network.h"

#include <string.h>

#include "base/text.h"

bool network_has(const struct network *n, const struct address *a)
{
	const size_t whole = n->prefix / 8;
	const unsigned rest = n->prefix % 8;

	if (n->address.len != a->len || memcmp(n->address.octets, a->octets, whole) != 0)
		return false;
	return rest == 0 || (n->address.octets[whole] ^ a->octets[whole]) >> (8 - rest) == 0;
}

/* What is behind the prefix must be 0. */
static bool is_whole(const struct network *n)
{
	for (unsigned bit = n->prefix; bit < 8U * n->address.len; bit++) {
		if ((n->address.octets[bit / 8] & 0x80 >> bit % 8) != 0)
			return false;
	}
	return true;
}

bool network_from_text(const char *text, struct network *ret)
{
	const char *slash = strchrnul(text, '/');
	struct network n;
	uint64_t prefix;

	if (!address_from_text(text, (size_t)(slash - text), &n.address))
		return false;
	const unsigned bits = 8U * n.address.len;
	if (*slash == '\0') {
		prefix = bits;
	} else {
		/* "::ffff:10.0.0.0/8": eight bits of which of the two? */
		if (n.address.len == 4 && memchr(text, ':', (size_t)(slash - text)) != NULL)
			return false;
		if (!text_to_uint(slash + 1, strlen(slash + 1), &prefix) || prefix > bits)
			return false;
	}
	n.prefix = (uint8_t)prefix;
	if (!is_whole(&n))
		return false;
	*ret = n;
	return true;
}
