/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

bool address_from_text(const char *text, size_t len, struct address *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char copy[ADDRESS_TEXT_MAX];
	struct address a = { 0 };

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';

	if (inet_pton(AF_INET, copy, a.octets) == 1) {
		a.len = 4;
	} else if (inet_pton(AF_INET6, copy, a.octets) == 1) {
		a.len = 16;
		if (memcmp(a.octets, mapped, sizeof(mapped)) == 0) {
			memmove(a.octets, a.octets + 12, 4);
			memset(a.octets + 4, 0, 12);
			a.len = 4;
		}
	} else {
		return false;
	}
	*ret = a;
	return true;
}

const char *address_to_text(const struct address *a, char ret[ADDRESS_TEXT_MAX])
{
	inet_ntop(a->len == 4 ? AF_INET : AF_INET6, a->octets, ret, ADDRESS_TEXT_MAX);
	return ret;
}

bool address_is_usable(const struct address *a)
{
	static const uint8_t zeroes[16];
	const uint8_t *o = a->octets;

	if (a->len == 4)
		return o[0] != 0 && o[0] < 224; /* "this network", multicast, reserved and broadcast */
	if (memcmp(o, zeroes, 16) == 0 || o[0] == 0xff)
		return false;
	return !(o[0] == 0xfe && (o[1] & 0xc0) == 0x80);
}

int address_compare_place(const struct address *a, uint16_t port_a, const struct address *b, uint16_t port_b)
{
	const int order = memcmp(a, b, sizeof(*a));

	return order != 0 ? order : (port_a > port_b) - (port_a < port_b);
}

bool address_is_loopback(const struct address *a)
{
	static const uint8_t six[16] = { [15] = 1 };

	return a->len == 4 ? a->octets[0] == 127 : memcmp(a->octets, six, sizeof(six)) == 0;
}

bool hostport_from_text(const char *text, size_t len, struct hostport *ret)
{
	const char *const end = text + len;
	const char *host = text, *host_end = end, *port = NULL;
	const char *colon = memchr(text, ':', len);

	if (len > 0 && text[0] == '[') {
		const char *close = memchr(text, ']', len);

		if (close == NULL || (close + 1 < end && close[1] != ':'))
			return false;
		host = text + 1;
		host_end = close;
		port = close + 1 < end ? close + 2 : NULL;
	} else if (colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon - 1)) == NULL) {
		host_end = colon;
		port = colon + 1;
	} /* two colons without brackets: an IPv6 address, or nonsense that address_from_text() will refuse */

	uint64_t number = 0;
	if (port != NULL && (!text_to_uint(port, (size_t)(end - port), &number) || number > 65535))
		return false;
	if (host == host_end)
		return false;
	*ret = (struct hostport){ .host = host,
				  .host_len = (size_t)(host_end - host),
				  .port = (uint16_t)number };
	return true;
}

void endpoint_from_address(const struct address *a, uint16_t port, struct endpoint *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a->len == 4) {
		ret->at.ip4.sin_family = AF_INET;
		ret->at.ip4.sin_port = htons(port);
		memcpy(&ret->at.ip4.sin_addr, a->octets, 4);
		ret->len = sizeof(ret->at.ip4);
	} else {
		ret->at.ip6.sin6_family = AF_INET6;
		ret->at.ip6.sin6_port = htons(port);
		memcpy(&ret->at.ip6.sin6_addr, a->octets, 16);
		ret->len = sizeof(ret->at.ip6);
	}
}

void endpoint_to_address(const struct endpoint *e, struct address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (e->at.generic.sa_family == AF_INET) {
		memcpy(ret->octets, &e->at.ip4.sin_addr, 4);
		ret->len = 4;
	} else {
		memcpy(ret->octets, &e->at.ip6.sin6_addr, 16);
		ret->len = 16;
	}
}

/* The interface index behind '%': a number or a name; 0 when there is no such interface. */
static uint32_t zone_index(const char *zone, size_t len)
{
	char name[IF_NAMESIZE];
	uint64_t number;

	if (text_to_uint(zone, len, &number) && number <= UINT32_MAX)
		return (uint32_t)number;
	if (len >= sizeof(name))
		return 0;
	memcpy(name, zone, len);
	name[len] = '\0';
	return if_nametoindex(name);
}

bool endpoint_from_text(const char *text, uint16_t default_port, struct endpoint *ret)
{
	struct hostport parts;
	struct address a;
	uint32_t scope = 0;

	if (!hostport_from_text(text, strlen(text), &parts))
		return false;
	const char *zone = memchr(parts.host, '%', parts.host_len);
	if (zone != NULL) {
		scope = zone_index(zone + 1, parts.host_len - (size_t)(zone - parts.host) - 1);
		if (scope == 0)
			return false;
		parts.host_len = (size_t)(zone - parts.host);
	}
	if (!address_from_text(parts.host, parts.host_len, &a) || (zone != NULL && a.len == 4))
		return false;

	endpoint_from_address(&a, parts.port != 0 ? parts.port : default_port, ret);
	if (a.len == 16)
		ret->at.ip6.sin6_scope_id = scope;
	return true;
}

uint16_t endpoint_port(const struct endpoint *e)
{
	return ntohs(e->at.generic.sa_family == AF_INET ? e->at.ip4.sin_port : e->at.ip6.sin6_port);
}

const char *endpoint_to_text(const struct endpoint *e, char ret[ENDPOINT_TEXT_MAX])
{
	char text[ADDRESS_TEXT_MAX];
	struct address a;

	endpoint_to_address(e, &a);
	snprintf(ret, ENDPOINT_TEXT_MAX, a.len == 4 ? "%s:%u" : "[%s]:%u", address_to_text(&a, text),
		 endpoint_port(e));
	return ret;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	struct address x, y;

	if (a->at.generic.sa_family != b->at.generic.sa_family || endpoint_port(a) != endpoint_port(b))
		return false;
	endpoint_to_address(a, &x);
	endpoint_to_address(b, &y);
	return memcmp(&x, &y, sizeof(x)) == 0;
}
