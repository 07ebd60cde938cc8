/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/name.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const uint8_t in_addr_arpa[] = "\7in-addr\4arpa";
static const uint8_t ip6_arpa[] = "\3ip6\4arpa";

static bool is_host_octet(uint8_t c)
{
	return (uint8_t)(c - 'a') < 26 || (uint8_t)(c - '0') < 10 || c == '-' || c == '_';
}

bool name_from_text(const char *text, size_t len, struct name *ret)
{
	struct name n = { .len = 1 };
	size_t label_at = 0;

	if (len > 0 && text[len - 1] == '.')
		len--;
	if (len == 0 || len > NAME_OCTETS_MAX - 2)
		return false;

	for (size_t i = 0; i < len; i++) {
		const uint8_t c = octet_fold((uint8_t)text[i]);
		const size_t label_len = n.len - label_at - 1;

		if (c == '.') {
			if (label_len == 0)
				return false;
			n.octets[label_at] = (uint8_t)label_len;
			label_at = n.len++;
			continue;
		}
		if (!is_host_octet(c) || label_len == LABEL_OCTETS_MAX)
			return false;
		n.octets[n.len++] = c;
	}
	if (n.len - label_at == 1)
		return false;
	n.octets[label_at] = (uint8_t)(n.len - label_at - 1);
	n.octets[n.len++] = 0;
	*ret = n;
	return true;
}

const char *name_to_text(const uint8_t *octets, char ret[NAME_TEXT_MAX])
{
	char *out = ret;

	while (*octets != 0) {
		const uint8_t *const end = octets + 1 + *octets;

		if (out != ret)
			*out++ = '.';
		for (octets++; octets < end; octets++) {
			if (*octets == '.' || *octets == '\\' || *octets <= 0x20 || *octets >= 0x7f)
				out += sprintf(out, "\\%03u", *octets);
			else
				*out++ = (char)*octets;
		}
	}
	if (out == ret)
		*out++ = '.';
	*out = '\0';
	return ret;
}

size_t name_read(const uint8_t *octets, size_t len, struct name *ret)
{
	size_t at = 0;

	if (len > NAME_OCTETS_MAX)
		len = NAME_OCTETS_MAX;
	while (at < len) {
		const uint8_t label_len = octets[at];

		ret->octets[at++] = label_len;
		if (label_len == 0) {
			ret->len = (uint8_t)at;
			return at;
		}
		if (label_len > LABEL_OCTETS_MAX || label_len >= len - at)
			return 0;
		for (const size_t end = at + label_len; at < end; at++)
			ret->octets[at] = octet_fold(octets[at]);
	}
	return 0;
}

unsigned name_count_labels(const struct name *n)
{
	unsigned count = 0;

	for (size_t at = 0; n->octets[at] != 0; at += 1U + n->octets[at])
		count++;
	return count;
}

bool name_equal(const struct name *a, const struct name *b)
{
	return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

bool name_is_below(const struct name *n, const struct name *zone)
{
	if (n->len < zone->len)
		return false;

	const size_t suffix_at = (size_t)(n->len - zone->len);
	size_t at = 0;
	while (at < suffix_at)
		at += 1U + n->octets[at];
	return at == suffix_at && memcmp(n->octets + at, zone->octets, zone->len) == 0;
}

static bool put_before(struct name *n, const uint8_t *labels, size_t len)
{
	if (n->len + len > NAME_OCTETS_MAX)
		return false;
	memmove(n->octets + len, n->octets, n->len);
	memcpy(n->octets, labels, len);
	n->len = (uint8_t)(n->len + len);
	return true;
}

bool name_prepend(struct name *n, const char *label, size_t len)
{
	uint8_t octets[1 + LABEL_OCTETS_MAX];

	if (len == 0 || len > LABEL_OCTETS_MAX)
		return false;
	octets[0] = (uint8_t)len;
	for (size_t i = 0; i < len; i++)
		octets[1 + i] = octet_fold((uint8_t)label[i]);
	return put_before(n, octets, 1 + len);
}

bool name_join(const char *label, size_t len, const struct name *base, struct name *ret)
{
	if (len == 0 || len > LABEL_OCTETS_MAX || base->len + 1 + len > NAME_OCTETS_MAX)
		return false;
	ret->len = (uint8_t)(base->len + 1 + len);
	ret->octets[0] = (uint8_t)len;
	for (size_t i = 0; i < len; i++)
		ret->octets[1 + i] = octet_fold((uint8_t)label[i]);
	memcpy(ret->octets + 1 + len, base->octets, base->len);
	return true;
}

bool name_prepend_name(struct name *n, const struct name *front)
{
	return put_before(n, front->octets, front->len - 1U);
}

static size_t write_decimal(uint8_t n, char *ret)
{
	size_t len = 0;

	if (n >= 100)
		ret[len++] = (char)('0' + n / 100);
	if (n >= 10)
		ret[len++] = (char)('0' + n / 10 % 10);
	ret[len++] = (char)('0' + n % 10);
	return len;
}

/* By hand: there is one for every instance, and printing it takes a tenth of making a table. */
static size_t label_from_ip4(const uint8_t octets[4], char ret[LABEL_OCTETS_MAX])
{
	size_t len = write_decimal(octets[0], ret);

	for (int i = 1; i < 4; i++) {
		ret[len++] = '-';
		len += write_decimal(octets[i], ret + len);
	}
	return len;
}

size_t label_from_address(const struct address *a, char ret[LABEL_OCTETS_MAX])
{
	char text[ADDRESS_TEXT_MAX];
	size_t len = 0;

	if (a->len == 4)
		return label_from_ip4(a->octets, ret);
	address_to_text(a, text);
	if (text[0] == ':')
		ret[len++] = '0';
	for (const char *c = text; *c != '\0'; c++)
		ret[len++] = *c == '.' || *c == ':' ? '-' : *c;
	if (ret[len - 1] == '-')
		ret[len++] = '0';
	return len;
}

/* A label with three single hyphens is IPv4, everything else can only be IPv6. inet_ntop() writes
 * IPv4-compatible addresses with dots inside ("::1.2.3.4"); their labels do not read back, and nobody can
 * have such an address. */
bool label_to_address(const uint8_t *label, size_t len, struct address *ret)
{
	char text[LABEL_OCTETS_MAX + 1], again[LABEL_OCTETS_MAX];
	struct address a;
	size_t hyphens = 0;

	if (len == 0 || len > LABEL_OCTETS_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		hyphens += label[i] == '-';
	for (int family = 0; family < 2; family++) {
		if (family == 0 && hyphens != 3)
			continue;
		for (size_t i = 0; i < len; i++)
			text[i] = label[i] != '-' ? (char)label[i] : family == 0 ? '.' : ':';
		/* The written form is the only one: leading zeroes and other spellings are other names. */
		if (address_from_text(text, len, &a) && label_from_address(&a, again) == len &&
		    memcmp(label, again, len) == 0) {
			*ret = a;
			return true;
		}
	}
	return false;
}

void name_from_address(const struct address *a, struct name *ret)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *suffix = a->len == 4 ? in_addr_arpa : ip6_arpa;
	const size_t suffix_len = a->len == 4 ? sizeof(in_addr_arpa) : sizeof(ip6_arpa);
	size_t len = 0;

	for (int i = a->len - 1; i >= 0; i--) {
		if (a->len == 16) {
			const uint8_t nibbles[] = { 1, (uint8_t)digits[a->octets[i] & 15], 1,
						    (uint8_t)digits[a->octets[i] >> 4] };

			memcpy(ret->octets + len, nibbles, 4);
			len += 4;
		} else {
			const int n = sprintf((char *)ret->octets + len + 1, "%u", a->octets[i]);

			ret->octets[len] = (uint8_t)n;
			len += 1 + (size_t)n;
		}
	}
	memcpy(ret->octets + len, suffix, suffix_len);
	ret->len = (uint8_t)(len + suffix_len);
}

static bool read_decimal_label(const uint8_t *label, uint8_t *ret)
{
	unsigned value = 0;

	if (label[0] > 3 || (label[0] > 1 && label[1] == '0'))
		return false;
	for (size_t i = 1; i <= label[0]; i++) {
		if (label[i] < '0' || label[i] > '9')
			return false;
		value = value * 10 + (label[i] - '0');
	}
	*ret = (uint8_t)value;
	return value <= 255;
}

static bool read_nibble_label(const uint8_t *label, uint8_t *ret)
{
	if (label[0] != 1)
		return false;
	if (label[1] >= '0' && label[1] <= '9')
		*ret = (uint8_t)(label[1] - '0');
	else if (label[1] >= 'a' && label[1] <= 'f')
		*ret = (uint8_t)(label[1] - 'a' + 10);
	else
		return false;
	return true;
}

bool name_to_address(const struct name *n, struct address *ret)
{
	struct address a = { 0 };
	uint8_t value;
	size_t at = 0;

	if (n->len > sizeof(in_addr_arpa) &&
	    memcmp(n->octets + n->len - sizeof(in_addr_arpa), in_addr_arpa, sizeof(in_addr_arpa)) == 0)
		a.len = 4;
	else if (n->len == 64 + sizeof(ip6_arpa) && memcmp(n->octets + 64, ip6_arpa, sizeof(ip6_arpa)) == 0)
		a.len = 16;
	else
		return false;

	const int labels = a.len == 4 ? 4 : 32;
	for (int i = labels - 1; i >= 0; i--) {
		const uint8_t *label = n->octets + at;

		if (!(a.len == 4 ? read_decimal_label(label, &value) : read_nibble_label(label, &value)))
			return false;
		if (a.len == 4)
			a.octets[i] = value;
		else
			a.octets[i / 2] |= (uint8_t)(value << (i % 2 == 0 ? 4 : 0));
		at += 1U + label[0];
	}
	if (at != n->len - (a.len == 4 ? sizeof(in_addr_arpa) : sizeof(ip6_arpa)))
		return false;
	*ret = a;
	return true;
}
