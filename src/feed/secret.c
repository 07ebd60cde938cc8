/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

/* Reads at most size octets of a regular file; a pipe would make the feeder wait. */
static ssize_t read_small_file(const char *path, char *octets, size_t size)
{
	struct stat st;
	size_t len = 0;
	ssize_t n = 0;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		n = -errno;
	else if (!S_ISREG(st.st_mode))
		n = -EINVAL;
	while (n >= 0 && len < size) {
		n = read(fd, octets + len, size - len);
		if (n < 0)
			n = errno == EINTR ? 0 : -errno;
		else if (n == 0)
			break;
		else
			len += (size_t)n;
	}
	close(fd);
	return n < 0 ? n : (ssize_t)len;
}

static int refuse(int error, const char *why, char reason[SECRET_REASON_MAX])
{
	snprintf(reason, SECRET_REASON_MAX, "%s", why);
	return error;
}

static int explain(int error, char reason[SECRET_REASON_MAX])
{
	char text[SECRET_REASON_MAX];

	return refuse(error, error == -EINVAL ? "not a regular file" : strerror_r(-error, text, sizeof(text)),
		      reason);
}

int secret_probe(const char *path, char reason[SECRET_REASON_MAX])
{
	char octet;
	const ssize_t n = read_small_file(path, &octet, 1);

	if (n == 0)
		return refuse(-ENODATA, "empty", reason);
	return n < 0 ? explain((int)n, reason) : 0;
}

int secret_read(const char *path, char reason[SECRET_REASON_MAX], char ret[SECRET_MAX + 1])
{
	char text[SECRET_REASON_MAX];
	const ssize_t n = read_small_file(path, ret, SECRET_MAX + 1);

	if (n < 0)
		return explain((int)n, reason);
	if (n > SECRET_MAX) {
		snprintf(text, sizeof(text), "larger than %d octets", SECRET_MAX);
		return refuse(-EFBIG, text, reason);
	}

	size_t len = (size_t)n;
	while (len > 0 && isspace((unsigned char)ret[len - 1]))
		len--;
	ret[len] = '\0';
	if (len == 0)
		return refuse(-ENODATA, "empty", reason);
	if (text_has_control(ret, len))
		return refuse(-EINVAL, "control character inside", reason);
	return 0;
}
