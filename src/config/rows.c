/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "config/config.h"
#include "config/tree.h"
#include "model/freshness.h"
#include "model/report.h"

/* Why these limits: a TTL above 30 s would outlive the truth this program is for; an interval below 100 ms is
 * a load test; a day is beyond what anybody means. */
enum { TTL_MAX_S = 30, INTERVAL_MIN_MS = 100, DAY_MS = 86400000, TEXT_MAX = 255, PATH_OCTETS_MAX = 4095 };

#define KIB(n) ((uint64_t)(n)*1024)
#define MIB(n) (KIB(n) * 1024)

/* In the order of their enums. */
static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const merges[] = { "first", "union", NULL };
static const char *const health_rules[] = { "passing", "warning", "any", NULL };
static const char *const healths[] = { "passing", "warning", "critical", NULL };
static const char *const protocols[] = { "any", "tcp", "udp", NULL };

/* clang-format off */

#define AT(member) offsetof(struct config, member)
static const struct config_row top_rows[] = {
	{ "listen", ROW_LISTENERS, 0, 1, SERVER_LISTEN_MAX, .fallback = "127.0.0.1:53\n[::1]:53",
	  .about = "Addresses to answer on, UDP and TCP each; the port is 53 if none is given." },
	{ "threads", ROW_COUNT, AT(server.threads), 1, SERVER_THREADS_MAX, .fallback = "1",
	  .about = "Serving threads; one answers more than most hosts ever ask." },
	{ "user", ROW_TEXT, AT(user), 0, 32, .fallback = "phonebook",
	  .about = "The user to become when started as root, once the ports are bound; \"\" stays root." },
	{ "log-level", ROW_WORD, AT(log_level), 0, 0, .fallback = "info", .words = log_levels,
	  .about = "What is logged: events of this level and all more serious ones." },
	{ "bootstrap", ROW_SERVERS, 0, 1, 8, .example = "192.0.2.53",
	  .about = "DNS servers that resolve the host names of registries; by default the upstreams of "
	  "forward \".\", else the nameservers of /etc/resolv.conf without our own addresses." },
	{ "tcp-clients", ROW_COUNT, AT(server.tcp_clients), 1, 65535, .fallback = "256",
	  .about = "TCP connections at a time, of each thread." },
	{ "tcp-idle", ROW_DURATION_MS, AT(server.tcp_idle_ms), 100, 600000, .fallback = "10s",
	  .about = "A TCP connection without a whole query for that long is closed." },
	{ "include", ROW_TEXTS, 0, 1, 64, .example = "/etc/phonebook/more.conf",
	  .about = "Files to read after this one as if they stood here; they cannot include others." },
};
#undef AT

#define ANSWER_ROWS(at, ttl, negative_ttl, limit, rule, stale, brake) \
	{ "ttl", ROW_SECONDS, at(ttl_s), 0, TTL_MAX_S, .fallback = ttl, .example = "1s", \
	  .about = "How long others may keep an answer, in whole seconds." }, \
	{ "negative-ttl", ROW_SECONDS, at(negative_ttl_s), 0, TTL_MAX_S, .fallback = negative_ttl, .example = "1s", \
	  .about = "How long others may keep the answer that there is nothing, in whole seconds." }, \
	{ "address-limit", ROW_COUNT, at(address_limit), 0, 65535, .fallback = limit, .example = "1", \
	  .about = "Addresses in one answer, drawn at random; 0: all that fit." }, \
	{ "health", ROW_WORD, at(health), 0, 0, .fallback = rule, .example = "any", \
	  .about = "Which instances are answered: passing; warning, which is both passing and warning; or any. " \
	  "Where no instance is healthy enough, all are answered.", .words = health_rules }, \
	{ "stale-after", ROW_DURATION_MS, at(stale_after_ms), 1000, DAY_MS, .fallback = stale, .example = "1m", \
	  .about = "Data older than this is still answered, but marked as stale (EDE 3) and with a TTL of 1; it should " \
	  "be longer than the intervals of its registries." }, \
	{ "brake", ROW_DURATION_MS, at(brake_ms), 0, 3600000, .fallback = brake, .example = "0", \
	  .about = "How long an answer of an http registry in which a service has lost all instances, or more than " \
	  "half of 4 or more, is held back unless a second one says so too; 0: not at all." }

#define AT(member) offsetof(struct zone_options, member)
#define AT_ANSWER(member) offsetof(struct zone_options, answer.member)
static const struct config_row zone_rows[] = {
	{ "registries", ROW_TEXTS, 0, 1, FRESHNESS_REGISTRIES_MAX, .example = "local",
	  .about = "The registries of this zone, the preferred one first; by default all, in the order of the "
	  "file." },
	{ "merge", ROW_WORD, AT(merge), 0, 0, .fallback = "first", .words = merges,
	  .about = "first: the first registry that knows a service decides alone; union: all of them together." },
	ANSWER_ROWS(AT_ANSWER, "2s", "1s", "0", "passing", "30s", "10s"),
};
#undef AT_ANSWER
#undef AT

/* Without defaults: what a service does not say, its zone says. */
#define AT(member) offsetof(struct answer_options, member)
static const struct config_row service_rows[] = { ANSWER_ROWS(AT, NULL, NULL, NULL, NULL, NULL, NULL) };
#undef AT

#define AT(member) offsetof(struct static_instance, member)
static const struct config_row instance_rows[] = {
	{ "service", ROW_SERVICE, AT(service), 1, SERVICE_NAME_SIZE - 1, .example = "legacy",
	  .about = "The service it is an instance of, without the zone.", .required = true },
	{ "tags", ROW_TEXTS, 0, 1, INSTANCE_TAGS_MAX, .example = "v1",
	  .about = "Its tags: TAG.SERVICE.ZONE is then a name too." },
	{ "weight", ROW_LONG, AT(weight), 0, 65535, .fallback = "1",
	  .about = "Its share among instances of unequal weight; 0: drained, answered last." },
	{ "priority", ROW_LONG, AT(priority), 0, 65535, .fallback = "0",
	  .about = "For SRV: clients try the lowest number first." },
	{ "name", ROW_LABEL, AT(name), 1, LABEL_OCTETS_MAX, .example = "legacy-1",
	  .about = "Its own name: NAME.SERVICE.ZONE is then a name too." },
	{ "port-name", ROW_LABEL, AT(port_name), 1, LABEL_OCTETS_MAX, .example = "http",
	  .about = "The name of its port, for SRV of _PORT-NAME._tcp.SERVICE.ZONE." },
	{ "protocol", ROW_WORD, AT(protocol), 0, 0, .fallback = "any", .words = protocols,
	  .about = "tcp, udp or any: below which of _tcp and _udp it is found." },
	{ "zone", ROW_TEXT, AT(zone), 1, TEXT_MAX, .example = "rack-7",
	  .about = "Where it runs; kept as written." },
	{ "health", ROW_WORD, AT(health), 0, 0, .fallback = "passing", .words = healths,
	  .about = "Its health, as a registry would report it." },
};
#undef AT

#define AT(member) offsetof(struct registry_options, member)
#define SERVICE_ROWS \
	{ "service", ROW_SERVICE, AT(service), 1, SERVICE_NAME_SIZE - 1, .example = "inventory", \
	  .about = "The service of instances that do not name one; without it they are an error." }, \
	{ "service-label", ROW_TEXT, AT(service_label), 1, TEXT_MAX, .fallback = "service", \
	  .about = "The label that names the service, in the form of Prometheus http_sd." }

static const struct config_row file_rows[] = {
	{ "path", ROW_TEXT, AT(path), 1, PATH_OCTETS_MAX, .example = "/etc/phonebook/services.d/*.json",
	  .required = true,
	  .about = "A file or a glob; relative to the working directory unless it begins with a slash." },
	{ "interval", ROW_DURATION_MS, AT(interval_ms), INTERVAL_MIN_MS, DAY_MS, .fallback = "5s",
	  .about = "The pause between two looks; changes that the kernel reports are seen at once." },
	{ "jitter", ROW_DURATION_MS, AT(jitter_ms), 0, DAY_MS, .fallback = "1s",
	  .about = "A random part, up to this, is added to each interval." },
	{ "max-size", ROW_SIZE, AT(max_size), 1, MIB(1024), .fallback = "64MiB",
	  .about = "A larger file is an error, and changes nothing." },
	SERVICE_ROWS,
};

static const struct config_row http_rows[] = {
	{ "url", ROW_URL, AT(http.url), 1, PATH_OCTETS_MAX, .example = "http://registry.example:8080/services",
	  .about = "Where to ask, http or https; redirects are not followed.", .required = true },
	{ "interval", ROW_DURATION_MS, AT(interval_ms), INTERVAL_MIN_MS, DAY_MS, .fallback = "5s",
	  .about = "The pause between the end of one request and the next." },
	{ "jitter", ROW_DURATION_MS, AT(jitter_ms), 0, DAY_MS, .fallback = "1s",
	  .about = "A random part, up to this, is added to each interval, so that hosts do not ask in step." },
	{ "timeout", ROW_DURATION_MS, AT(http.timeout_ms), 10, 600000, .fallback = "2s",
	  .about = "A request that takes longer has failed." },
	{ "token-file", ROW_PATH, AT(http.token_file), 1, PATH_OCTETS_MAX, .example = "/etc/phonebook/token",
	  .about = "A file with a bearer token, read anew for each request." },
	{ "user", ROW_TEXT, AT(http.user), 1, TEXT_MAX, .example = "reader",
	  .about = "The user of basic authentication, together with password-file, instead of token-file." },
	{ "password-file", ROW_PATH, AT(http.password_file), 1, PATH_OCTETS_MAX,
	  .example = "/etc/phonebook/password",
	  .about = "A file with its password, read anew for each request." },
	{ "headers", ROW_HEADERS, 0, 1, 32, .example = "Accept: application/json\nX-Team: shop",
	  .about = "Further headers to send." },
	{ "ca-file", ROW_PATH, AT(http.ca_file), 1, PATH_OCTETS_MAX, .example = "/etc/phonebook/ca.pem",
	  .about = "The authorities to trust, instead of the host's; read for each new connection." },
	{ "cert-file", ROW_PATH, AT(http.cert_file), 1, PATH_OCTETS_MAX, .example = "/etc/phonebook/cert.pem",
	  .about = "A client certificate, together with key-file." },
	{ "key-file", ROW_PATH, AT(http.key_file), 1, PATH_OCTETS_MAX, .example = "/etc/phonebook/key.pem",
	  .about = "The key of the client certificate." },
	{ "unix-socket", ROW_PATH, AT(http.unix_socket), 1, 107, .example = "/run/registry.sock",
	  .about = "A socket to ask through; the host in the URL is then only a name." },
	{ "max-size", ROW_SIZE, AT(http.max_size), 1, MIB(1024), .fallback = "8MiB",
	  .about = "A larger body, after decompression, is an error, and changes nothing." },
	SERVICE_ROWS,
};
#undef AT

static const struct config_row forward_rows[] = {
	{ "upstreams", ROW_SERVERS, 0, 1, FORWARD_UPSTREAMS_MAX, .example = "192.0.2.53\n[2001:db8::53]:53",
	  .about = "The resolvers to ask; the port is 53 if none is given.", .required = true },
};

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define FIT(table) _Static_assert(N_ROWS(table) <= CONFIG_ROWS_MAX, "a block has room for all of " #table)
FIT(top_rows);
FIT(zone_rows);
FIT(service_rows);
FIT(instance_rows);
FIT(file_rows);
FIT(http_rows);
FIT(forward_rows);
#undef FIT

#define ROWS(table) .rows = (table), .n_rows = N_ROWS(table)
static const struct config_kind kinds[BLOCK_KINDS] = {
	[BLOCK_TOP] = { "root", ROWS(top_rows) },
	[BLOCK_ZONE] = { "zone", "service.local",
		"A zone to answer for. Without any, there is this one with all registries.", ROWS(zone_rows) },
	[BLOCK_SERVICE] = { "service", "inventory.service.local",
		"One service, where it shall differ from its zone; what is left out is as in the zone.",
		ROWS(service_rows) },
	[BLOCK_STATIC] = { "static", "fixed", "A registry written here.", .n_rows = 0 },
	[BLOCK_INSTANCE] = { "instance", "10.0.0.9:8080",
		"An instance: an IP address or a host name, and a port.", ROWS(instance_rows) },
	[BLOCK_FILE] = { "file", "local",
		"A registry in files: programs register by dropping a file, and deregister by removing it.",
		.shown = true, ROWS(file_rows) },
	[BLOCK_HTTP] = { "http", "custom", "A registry that is asked over HTTP.", ROWS(http_rows) },
	[BLOCK_FORWARD] = { "forward", ".",
		"Where all other names are resolved. Without it, they are refused.", ROWS(forward_rows) },
};

/* clang-format on */

/* Keys and blocks of later versions: better said than "unknown". */
static const char *const later[] = {
	"state-dir", "control", "metrics",    "cache", "probe",       "stale-max",
	"consul",    "etcd",    "kubernetes", "dns",   "resolv-conf",
};

const struct config_kind *config_kind(enum block_kind kind)
{
	return &kinds[kind];
}

const struct config_row *config_row_find(enum block_kind kind, const char *key)
{
	for (size_t i = 0; i < kinds[kind].n_rows; i++) {
		if (strcmp(kinds[kind].rows[i].key, key) == 0)
			return &kinds[kind].rows[i];
	}
	return NULL;
}

bool config_row_is_list(const struct config_row *row)
{
	return row->type == ROW_TEXTS || row->type == ROW_HEADERS || row->type == ROW_LISTENERS ||
	       row->type == ROW_SERVERS;
}

bool config_row_is_later(const char *key)
{
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		if (strcmp(later[i], key) == 0)
			return true;
	}
	return false;
}
