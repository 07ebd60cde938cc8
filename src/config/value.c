/* SPDX-License-Identifier: BSD-2-Clause */
/* One value of the configuration: is it what its row asks for, and where does it go? */
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "config/tree.h"
#include "model/report.h"

/* The value has been refused. */
static bool __attribute__((format(printf, 2, 3)))
refuse(char error[CONFIG_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, CONFIG_ERROR_MAX, format, args);
	va_end(args);
	return false;
}

/* Limits are shown in the unit people would choose. */
static const char *limit_to_text(const struct config_row *row, uint64_t limit, char ret[32])
{
	static const struct {
		uint64_t factor;
		const char *name;
	} durations[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" } },
	  sizes[] = { { 1 << 30, "GiB" }, { 1 << 20, "MiB" }, { 1 << 10, "KiB" }, { 1, "" } };
	size_t i = 0;

	if (row->type == ROW_SECONDS) {
		snprintf(ret, 32, "%" PRIu64 "s", limit);
	} else if (row->type == ROW_DURATION_MS) {
		while (limit % durations[i].factor != 0)
			i++;
		snprintf(ret, 32, "%" PRIu64 "%s", limit / durations[i].factor,
			 limit > 0 ? durations[i].name : "");
	} else if (row->type == ROW_SIZE) {
		while (limit % sizes[i].factor != 0)
			i++;
		snprintf(ret, 32, "%" PRIu64 "%s", limit / sizes[i].factor, sizes[i].name);
	} else {
		snprintf(ret, 32, "%" PRIu64, limit);
	}
	return ret;
}

static bool check_range(const struct config_row *row, const char *text, uint64_t value,
			char error[CONFIG_ERROR_MAX])
{
	char min[32], max[32];

	if (value >= row->min && value <= row->max)
		return true;
	return refuse(error, "%s: \"%s\" is not within %s .. %s", row->key, text,
		      limit_to_text(row, row->min, min), limit_to_text(row, row->max, max));
}

static bool read_count(const struct config_row *row, const char *text, void *to, char error[CONFIG_ERROR_MAX])
{
	uint64_t value;

	if (!text_to_uint(text, strlen(text), &value))
		return refuse(error, "%s: \"%s\" is not a number", row->key, text);
	if (!check_range(row, text, value, error))
		return false;
	if (to != NULL && row->type == ROW_LONG)
		*(long *)to = (long)value;
	else if (to != NULL)
		*(unsigned *)to = (unsigned)value;
	return true;
}

static bool read_duration(const struct config_row *row, const char *text, void *to,
			  char error[CONFIG_ERROR_MAX])
{
	uint64_t ms;

	if (!text_to_duration_ms(text, &ms))
		return refuse(
			error,
			"%s: \"%s\" is not a duration: a whole number and ms, s, m, h or d, as in 500ms",
			row->key, text);
	if (row->type == ROW_DURATION_MS) {
		if (!check_range(row, text, ms, error))
			return false;
		if (to != NULL)
			*(uint64_t *)to = ms;
		return true;
	}

	if (ms % 1000 != 0)
		return refuse(error, "%s: \"%s\" is not a number of whole seconds", row->key, text);
	if (!check_range(row, text, ms / 1000, error))
		return false;
	if (to != NULL)
		*(uint32_t *)to = (uint32_t)(ms / 1000);
	return true;
}

static bool read_size(const struct config_row *row, const char *text, void *to, char error[CONFIG_ERROR_MAX])
{
	uint64_t octets;

	if (!text_to_size(text, &octets))
		return refuse(
			error,
			"%s: \"%s\" is not a size: a whole number of octets, or with KiB, MiB or GiB, as in 16MiB",
			row->key, text);
	if (!check_range(row, text, octets, error))
		return false;
	if (to != NULL)
		*(uint64_t *)to = octets;
	return true;
}

static bool read_word(const struct config_row *row, const char *text, void *to, char error[CONFIG_ERROR_MAX])
{
	char all[128] = "";

	for (unsigned i = 0; row->words[i] != NULL; i++) {
		if (strcmp(row->words[i], text) == 0) {
			if (to != NULL)
				memcpy(to, &i, sizeof(i)); /* enums without negative values are unsigned */
			return true;
		}
		const size_t len = strlen(all);
		snprintf(all + len, sizeof(all) - len, i > 0 ? ", %s" : "%s", row->words[i]);
	}
	return refuse(error, "%s: \"%s\" is none of %s", row->key, text, all);
}

/* The names an instance of a registry could have, or it would be dropped when it is read. */
static bool check_service(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	char folded[SERVICE_NAME_SIZE];

	switch (report_check_service(text, folded)) {
	case DROP_NONE:
		return true;
	case DROP_RESERVED:
		return refuse(error, "%s: Phonebook itself uses the name \"%s\"", row->key, text);
	default:
		return refuse(error, "%s: \"%s\" is not the name of a service", row->key, text);
	}
}

/* One that is no label would be left out. */
static bool check_label(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	struct report report = report_blank();
	struct report_room room;
	struct instance in;

	report.address = "192.0.2.1";
	report.name = text;
	return (report_check(&report, &room, &in) == DROP_NONE && in.name != NULL) ||
	       refuse(error, "%s: \"%s\" is not a label: letters, digits, '-' and '_'", row->key, text);
}

/* Errors end in logs that many can read. A query may be a secret, and so may what stands before an '@'. */
static int printable_len(const char *url)
{
	const size_t len = strcspn(url, "?#");

	return memchr(url, '@', len) == NULL ? (int)len : 0;
}

/* The authority of a URL is checked here and the rest left to libcurl: what must not pass is what libcurl
 * would take otherwise than it was meant. */
static bool check_url(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	const char *rest = strstr(text, "://");
	const size_t scheme_len = rest != NULL ? (size_t)(rest - text) : 0;
	const int shown = printable_len(text);

	if (!(scheme_len == 4 && strncmp(text, "http", 4) == 0) &&
	    !(scheme_len == 5 && strncmp(text, "https", 5) == 0))
		return refuse(error, "%s: \"%.*s\" begins with neither http:// nor https://", row->key, shown,
			      text);

	const char *authority = rest + 3;
	const size_t len = strcspn(authority, "/?#\\");
	struct hostport parts;
	if (memchr(authority, '@', len) != NULL)
		return refuse(
			error,
			"%s: no user or password in a URL, it is logged; use user and password-file, or token-file",
			row->key);
	if (!hostport_from_text(authority, len, &parts) || authority[len] == '\\')
		return refuse(error, "%s: \"%.*s\" has no valid host and port", row->key, shown, text);
	if (strpbrk(text, " #") != NULL)
		return refuse(error, "%s: \"%.*s\" has a space or a '#' in it", row->key, shown, text);
	return true;
}

/* RFC 9110 section 5.6.2: the name of a header is a token. The text is not shown: headers are where keys are,
 * and without its colon a key cannot be told from a name. */
static bool check_header(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	const char *c = text;

	while (isalnum((unsigned char)*c) || (*c != '\0' && strchr("!#$%&'*+-.^_`|~", *c) != NULL))
		c++;
	if (c > text && *c == ':')
		return true;
	return refuse(error, "%s: one is not of the form \"Name: value\"", row->key);
}

/* "Port 0" and "no port" look the same in a struct hostport, but only one of them is meant. */
static bool has_port_zero(const char *text)
{
	struct hostport parts;

	if (!hostport_from_text(text, strlen(text), &parts) || parts.port != 0)
		return false;
	const char *behind = parts.host + parts.host_len;
	return behind[0] == ':' || (behind[0] == ']' && behind[1] == ':');
}

static bool check_endpoint(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	static const struct address ip4_any = { .len = 4 }, ip6_any = { .len = 16 };
	struct endpoint e;
	struct address a;

	if (has_port_zero(text) || !endpoint_from_text(text, 53, &e))
		return refuse(error, "%s: \"%s\" is not an IP address, with or without a port", row->key,
			      text);

	endpoint_to_address(&e, &a);
	const bool any = memcmp(&a, &ip4_any, sizeof(a)) == 0 || memcmp(&a, &ip6_any, sizeof(a)) == 0;
	const bool has_scope = a.len == 16 && e.at.ip6.sin6_scope_id != 0;
	if (address_is_usable(&a) || has_scope || (any && row->type == ROW_LISTENERS))
		return true;
	return refuse(error, "%s: \"%s\" is nobody's address", row->key, text);
}

static bool check_text(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	const size_t len = strlen(text);

	if (!config_row_is_list(row) && len < row->min)
		return refuse(error, "%s: must not be empty", row->key);
	if (!config_row_is_list(row) && len > row->max)
		return refuse(error, "%s: longer than %" PRIu64 " octets", row->key, row->max);

	switch (row->type) {
	case ROW_SERVICE:
		return check_service(row, text, error);
	case ROW_LABEL:
		return check_label(row, text, error);
	case ROW_PATH:
		return text[0] == '/' || refuse(error, "%s: \"%s\" is not an absolute path", row->key, text);
	case ROW_URL:
		return check_url(row, text, error);
	case ROW_HEADERS:
		return check_header(row, text, error);
	case ROW_LISTENERS:
	case ROW_SERVERS:
		return check_endpoint(row, text, error);
	case ROW_TEXTS:
		return text[0] != '\0' || refuse(error, "%s: must not be empty", row->key);
	default:
		return true;
	}
}

bool config_row_read(const struct config_row *row, const char *text, void *base, char error[CONFIG_ERROR_MAX])
{
	void *to = base != NULL ? (char *)base + row->at : NULL;

	for (const char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f) /* from the environment: the file has none */
			return refuse(error, "%s: has a control character in it", row->key);
	}

	switch (row->type) {
	case ROW_COUNT:
	case ROW_LONG:
		return read_count(row, text, to, error);
	case ROW_SECONDS:
	case ROW_DURATION_MS:
		return read_duration(row, text, to, error);
	case ROW_SIZE:
		return read_size(row, text, to, error);
	case ROW_WORD:
		return read_word(row, text, to, error);
	default:
		break;
	}
	if (!check_text(row, text, error))
		return false;
	if (to != NULL && !config_row_is_list(row))
		*(const char **)to = text;
	return true;
}
