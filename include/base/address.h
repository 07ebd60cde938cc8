/* SPDX-License-Identifier: BSD-2-Clause */
/* base/address.h -- IP addresses, and endpoints (an address with a port) as sockets take them. */
#ifndef PHONEBOOK_BASE_ADDRESS_H
#define PHONEBOOK_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* An IPv4 address uses the first 4 octets, the others are 0: two equal addresses are equal by memcmp. */
struct address {
	uint8_t octets[16];
	uint8_t len; /* 4 or 16 */
};

enum { ADDRESS_TEXT_MAX = 46, ENDPOINT_TEXT_MAX = 56 };

/* Reads a literal in standard form ("10.0.0.1", "2001:db8::1", "[2001:db8::1]"). Octal-looking or shortened
 * IPv4, zone ids and spaces are refused. An IPv4-mapped IPv6 address becomes IPv4. */
bool address_from_text(const char *text, size_t len, struct address *ret);

/* Writes it in standard form, without brackets. Returns ret. */
const char *address_to_text(const struct address *a, char ret[ADDRESS_TEXT_MAX]);

/* False for what can be nobody's address: unspecified, multicast, broadcast, and link-local IPv6, which means
 * nothing without an interface. */
bool address_is_usable(const struct address *a);

/* Orders places: by address, then by port. */
int address_compare_place(const struct address *a, uint16_t port_a, const struct address *b, uint16_t port_b);

/* 127.0.0.0/8 and ::1. */
bool address_is_loopback(const struct address *a);

/* A socket address, in the smallest room that holds both families. */
struct endpoint {
	union {
		struct sockaddr generic;
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
	} at;
	socklen_t len;
};

/* Reads "10.0.0.1:53", "[::1]:53", "10.0.0.1", "::1" or "[::1]"; a missing port is default_port. No host
 * names. A numeric or named IPv6 zone ("fe80::1%eth0") is understood. */
bool endpoint_from_text(const char *text, uint16_t default_port, struct endpoint *ret);

void endpoint_from_address(const struct address *a, uint16_t port, struct endpoint *ret);
void endpoint_to_address(const struct endpoint *e, struct address *ret);

/* Writes "10.0.0.1:53" or "[::1]:53". Returns ret. */
const char *endpoint_to_text(const struct endpoint *e, char ret[ENDPOINT_TEXT_MAX]);

uint16_t endpoint_port(const struct endpoint *e);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* "host:port" taken apart, borrowed from the text it was read from. */
struct hostport {
	const char *host;
	size_t host_len; /* brackets removed */
	uint16_t port;   /* 0: none was given */
};

/* Splits "10.0.0.1:80", "[2001:db8::1]:80", "2001:db8::1", "name.example:80" or "name.example". An empty
 * host, an empty or non-numeric port and one above 65535 are refused. A bare IPv6 address has no port. */
bool hostport_from_text(const char *text, size_t len, struct hostport *ret);

#endif
