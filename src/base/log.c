/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A reload changes it while other threads log: each of them sees the old or the new level. */
static enum log_level threshold = LOG_INFO;

static const char *const level_names[] = { "error", "warning", "info", "debug" };

void log_set_level(enum log_level level)
{
	__atomic_store_n(&threshold, level, __ATOMIC_RELAXED);
}

/* Whether stderr is the stream that the journal has opened for us (systemd.exec(5)), or was redirected since.
 */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long device, inode;
	struct stat s;

	return stream != NULL && sscanf(stream, "%lu:%lu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &s) == 0 && s.st_dev == device && s.st_ino == inode;
}

/* The journal stamps lines itself and takes the level from a syslog prefix (sd-daemon(3)). */
static int write_prefix(char *line, size_t size, enum log_level level)
{
	static const int syslog_levels[] = { 3, 4, 6, 7 };
	struct timespec now;
	struct tm utc;

	if (is_journal())
		return snprintf(line, size, "<%d>", syslog_levels[level]);

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	return snprintf(line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s ", utc.tm_year + 1900,
			utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
			now.tv_nsec / 1000000, level_names[level]);
}

void log_event(enum log_level level, const char *format, ...)
{
	char line[1100];
	va_list args;

	if (level > __atomic_load_n(&threshold, __ATOMIC_RELAXED))
		return;

	int start = write_prefix(line, sizeof(line), level);
	va_start(args, format);
	int n = vsnprintf(line + start, sizeof(line) - 1 - (size_t)start, format, args);
	va_end(args);
	if (n < 0)
		return;

	size_t len = strlen(line);
	line[len++] = '\n';
	/* A log that cannot be written is nothing the daemon can mend. */
	ssize_t ignored = write(STDERR_FILENO, line, len);
	(void)ignored;
}

const char *log_quote(struct log_value *value, const char *text)
{
	char *out = value->text;
	const char *const end = value->text + sizeof(value->text) - 6; /* an escape, the quote, the NUL */

	*out++ = '"';
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0' && out < end; c++) {
		if (*c == '"' || *c == '\\') {
			*out++ = '\\';
			*out++ = (char)*c;
		} else if (*c < 0x20 || *c >= 0x7f) {
			out += sprintf(out, "\\x%02x", *c);
		} else {
			*out++ = (char)*c;
		}
	}
	*out++ = '"';
	*out = '\0';
	return value->text;
}
