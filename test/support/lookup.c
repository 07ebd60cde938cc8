/* SPDX-License-Identifier: BSD-2-Clause */
/* support/lookup.c -- what a program sees: getaddrinfo() of a name, or getnameinfo() of an address, and
 * nothing else, so that it builds against any libc.
 *
 *   lookup NAME [4|6]     prints the addresses, one a line
 *   lookup -x ADDRESS     prints the name
 *
 * Exits with the number of the EAI_ error, without its sign: 0 found, 2 no such name, 3 try again.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int print_addresses(const char *name, int family)
{
	const struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int error = getaddrinfo(name, NULL, &hints, &found);

	if (error != 0) {
		fprintf(stderr, "%s: %s\n", name, gai_strerror(error));
		return error;
	}
	for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
		char text[64];

		error = getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
		if (error != 0)
			break;
		puts(text);
	}
	freeaddrinfo(found);
	return error;
}

static int print_name(const char *address)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *numeric;
	char name[1025]; /* NI_MAXHOST */
	int error = getaddrinfo(address, NULL, &hints, &numeric);

	if (error != 0)
		return error;
	error = getnameinfo(numeric->ai_addr, numeric->ai_addrlen, name, sizeof(name), NULL, 0, NI_NAMEREQD);
	freeaddrinfo(numeric);
	if (error == 0)
		puts(name);
	return error;
}

int main(int argc, char **argv)
{
	int family = AF_UNSPEC;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: lookup NAME [4|6] | -x ADDRESS\n");
		return 64;
	}
	if (strcmp(argv[1], "-x") == 0 && argc == 3)
		return abs(print_name(argv[2]));
	if (argc == 3)
		family = argv[2][0] == '4' ? AF_INET : AF_INET6;
	return abs(print_addresses(argv[1], family));
}
