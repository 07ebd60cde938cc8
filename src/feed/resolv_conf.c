/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/resolv_conf.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FILE_OCTETS_MAX = 65536, /* three nameservers are read by libcs, a few more are plenty */
};

/* Whether nobody but this host has that address: only then can a socket be bound to it. */
static bool is_local(const struct endpoint *e)
{
	struct endpoint any_port = *e;
	const int fd = socket(e->at.generic.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	if (e->at.generic.sa_family == AF_INET)
		any_port.at.ip4.sin_port = 0;
	else
		any_port.at.ip6.sin6_port = 0;
	const bool bound = bind(fd, &any_port.at.generic, any_port.len) == 0;
	close(fd);
	return bound;
}

static bool is_wildcard(const struct endpoint *e)
{
	static const uint8_t zeroes[16];
	struct address a;

	endpoint_to_address(e, &a);
	return memcmp(a.octets, zeroes, sizeof(zeroes)) == 0;
}

/* Whether a question to that server can come back to us. Linux takes the wildcard for this host. */
static bool is_own(const struct endpoint *server, const struct endpoint *own, size_t n_own)
{
	for (size_t i = 0; i < n_own; i++) {
		if (endpoint_port(server) != endpoint_port(&own[i]))
			continue;
		if (endpoint_equal(server, &own[i]) || is_wildcard(server) ||
		    (is_wildcard(&own[i]) && is_local(server)))
			return true;
	}
	return false;
}

/* Reads one line as libcs do: the keyword in the first column, then blanks, then one address and nothing we
 * would care for. */
static bool read_nameserver(const char *line, struct endpoint *ret)
{
	static const char keyword[] = "nameserver";
	char word[ADDRESS_TEXT_MAX + 20]; /* and an interface's name */
	struct hostport parts;

	if (strncmp(line, keyword, sizeof(keyword) - 1) != 0)
		return false;
	line += sizeof(keyword) - 1;
	const size_t blanks = strspn(line, " \t");
	line += blanks;
	const size_t len = strcspn(line, " \t\r\n#;");
	if (blanks == 0 || len == 0 || len >= sizeof(word))
		return false;
	memcpy(word, line, len);
	word[len] = '\0';
	return hostport_from_text(word, len, &parts) && parts.port == 0 && endpoint_from_text(word, 53, ret);
}

size_t resolv_conf_read(const char *path, const struct endpoint *own, size_t n_own, struct endpoint *ret,
			size_t max)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	char line[1024];
	size_t n = 0, read = 0;

	if (file == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (n < max && read < FILE_OCTETS_MAX && fgets(line, sizeof(line), file) != NULL) {
		struct endpoint server;

		read += strlen(line) + 1;
		if (read_nameserver(line, &server) && !is_own(&server, own, n_own))
			ret[n++] = server;
	}
	fclose(file);
	return n;
}
