/* SPDX-License-Identifier: BSD-2-Clause */
/* One text of the configuration: is it what its row asks for? */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/network.h"
#include "base/text.h"
#include "config/tree.h"
#include "model/report.h"

enum { ELEMENT_OCTETS_MAX = 8192 }; /* of a list: servers take no longer header */

bool config_refuse(char error[CONFIG_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, CONFIG_ERROR_MAX, format, args);
	va_end(args);
	return false;
}

/* The names an instance of a registry could have, or it would be dropped when it is read. */
static bool check_service(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	char folded[SERVICE_NAME_SIZE];

	switch (report_check_service(text, folded)) {
	case DROP_NONE:
		return true;
	case DROP_RESERVED:
		return config_refuse(error, "%s: Phonebook itself uses the name \"%s\"", row->key, text);
	default:
		return config_refuse(
			error,
			"%s: \"%s\" is not the name of a service: letters, digits, '-', '_' and '.', for clients "
			"can ask for no other",
			row->key, text);
	}
}

/* One that is no label would be left out. */
static bool check_label(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	struct report report = report_blank();
	struct report_room room;
	struct instance_parts in;

	report.address = "192.0.2.1";
	report.name = text;
	return (report_check(&report, &room, &in) == DROP_NONE && in.name != NULL) ||
	       config_refuse(error, "%s: \"%s\" is not a label: letters, digits, '-' and '_'", row->key,
			     text);
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
		return config_refuse(error, "%s: \"%.*s\" begins with %s", row->key, shown, text,
				     row->type == ROW_AGENT_URL ? "none of http://, https:// and unix:///"
								: "neither http:// nor https://");

	const char *authority = rest + 3;
	const size_t len = strcspn(authority, "/?#\\");
	struct hostport parts;
	if (memchr(authority, '@', len) != NULL)
		return config_refuse(
			error,
			"%s: no user or password in a URL, it is logged; there are other keys for them",
			row->key);
	if (!hostport_from_text(authority, len, &parts) || authority[len] == '\\')
		return config_refuse(error, "%s: \"%.*s\" has no valid host and port", row->key, shown, text);
	if (strpbrk(text, " #") != NULL)
		return config_refuse(error, "%s: \"%.*s\" has a space or a '#' in it", row->key, shown, text);
	return true;
}

/* What is asked for goes behind the path. */
static bool check_base_url(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	if (!check_url(row, text, error))
		return false;
	if (strchr(text, '?') == NULL)
		return true;
	return config_refuse(error, "%s: \"%.*s\" has a query, and no paths can be put behind that", row->key,
			     printable_len(text), text);
}

static bool check_agent_url(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	static const char scheme[] = "unix://";
	const char *path = text + strlen(scheme);

	if (strncmp(text, scheme, strlen(scheme)) != 0)
		return check_base_url(row, text, error);
	if (path[0] != '/')
		return config_refuse(error, "%s: \"%s\" has no absolute path, as in unix:///run/consul.sock",
				     row->key, text);
	return strlen(path) <= CONFIG_SOCKET_MAX ||
	       config_refuse(error, "%s: the path of a socket has at most %d octets", row->key,
			     CONFIG_SOCKET_MAX);
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
	return config_refuse(error, "%s: one is not of the form \"Name: value\"", row->key);
}

/* Goes into a header behind a word and a space; what would end it there is a slip. Not shown either. */
static bool check_token(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	for (const char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
			return config_refuse(error, "%s: has a space or another character that no token has",
					     row->key);
	}
	return true;
}

static bool check_zone(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	struct name name;

	return text[0] == '\0' || name_from_text(text, strlen(text), &name) ||
	       config_refuse(error, "%s: \"%s\" is not a domain name", row->key, text);
}

/* Without "SERVICE=" it is called by the first label that does not begin with '_', as that of a port does. */
static bool check_question(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	const char *equal = strchr(text, '=');
	const char *asked = equal != NULL ? equal + 1 : text;
	char service[SERVICE_NAME_SIZE + 1]; /* one that is cut is still too long */
	struct name name;

	if (!name_from_text(asked, strlen(asked), &name))
		return config_refuse(error, "%s: \"%s\" is not a domain name", row->key, asked);
	while (equal == NULL && text[0] == '_' && strchr(text, '.') != NULL)
		text = strchr(text, '.') + 1;
	snprintf(service, sizeof(service), "%.*s", (int)strcspn(text, equal != NULL ? "=" : "."), text);
	return check_service(row, service, error);
}

/* RFC 1123 section 2.1, small letters only (Kubernetes, object names). */
static bool check_namespace(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	const size_t len = strlen(text);

	if (len > 0 && len <= LABEL_OCTETS_MAX && text[0] != '-' && text[len - 1] != '-' &&
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0')
		return true;
	return config_refuse(error,
			     "%s: \"%s\" is not the name of a namespace: small letters, digits and '-'",
			     row->key, text);
}

/* "app=inventory,tier in (a, b),!test": what is not among these would be the server's to refuse, at each
 * request. */
static bool check_selector(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=!,() ";

	return text[strspn(text, allowed)] == '\0' ||
	       config_refuse(error, "%s: \"%s\" is not a selector of labels, as in team=shop,tier!=test",
			     row->key, text);
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
		return config_refuse(error, "%s: \"%s\" is not an IP address, with or without a port",
				     row->key, text);

	endpoint_to_address(&e, &a);
	const bool any = memcmp(&a, &ip4_any, sizeof(a)) == 0 || memcmp(&a, &ip6_any, sizeof(a)) == 0;
	const bool has_scope = a.len == 16 && e.at.ip6.sin6_scope_id != 0;
	if (address_is_usable(&a) || has_scope || (any && row->type == ROW_LISTENERS))
		return true;
	return config_refuse(error, "%s: \"%s\" is nobody's address", row->key, text);
}

static bool check_network(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	struct network n;

	if (network_from_text(text, &n))
		return true;
	return config_refuse(
		error,
		"%s: \"%s\" is neither an IP address nor a network, as in 10.0.0.0/8 or fd00::/8, "
		"of which the bits behind the prefix are 0",
		row->key, text);
}

static bool check_octets(const struct config_row *row, size_t len, char error[CONFIG_ERROR_MAX])
{
	const bool list = config_row_is_list(row);
	const uint64_t min = list ? 1 : row->min, max = list ? ELEMENT_OCTETS_MAX : row->max;

	if (len < min)
		return config_refuse(error, "%s: must not be empty", row->key);
	if (len > max)
		return config_refuse(error, "%s: longer than %" PRIu64 " octets", row->key, max);
	return true;
}

bool config_text_check(const struct config_row *row, const char *text, char error[CONFIG_ERROR_MAX])
{
	if (!check_octets(row, strlen(text), error))
		return false;

	switch (row->type) {
	case ROW_SERVICE:
	case ROW_SERVICES:
		return check_service(row, text, error);
	case ROW_LABEL:
		return check_label(row, text, error);
	case ROW_ZONE:
		return check_zone(row, text, error);
	case ROW_SELECTOR:
		return check_selector(row, text, error);
	case ROW_PATH:
		return text[0] == '/' ||
		       config_refuse(error, "%s: \"%s\" is not an absolute path", row->key, text);
	case ROW_DIRECTORY:
		return text[0] == '\0' || text[0] == '/' ||
		       config_refuse(error, "%s: \"%s\" is not an absolute path", row->key, text);
	case ROW_URL:
		return check_url(row, text, error);
	case ROW_BASE_URL:
	case ROW_BASE_URLS:
		return check_base_url(row, text, error);
	case ROW_AGENT_URL:
		return check_agent_url(row, text, error);
	case ROW_TOKEN:
		return check_token(row, text, error);
	case ROW_QUESTIONS:
		return check_question(row, text, error);
	case ROW_NAMESPACES:
		return check_namespace(row, text, error);
	case ROW_HEADERS:
		return check_header(row, text, error);
	case ROW_SERVER:
	case ROW_LISTENERS:
	case ROW_SERVERS:
		return check_endpoint(row, text, error);
	case ROW_NETWORKS:
		return check_network(row, text, error);
	default:
		return true;
	}
}
