/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/rows.h"

#include <string.h>

#include "config/config.h"
#include "model/freshness.h"
#include "model/report.h"
#include "server/hold.h"

enum {
	TTL_MAX_S = 30, /* a longer one would outlive the truth this program is for */

	STALE_MAX_MS = 7 * CONFIG_DAY_MS, /* more than any interval */
};

/* In the order of their enums. */
static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const merges[] = { "first", "union", NULL };
static const char *const health_rules[] = { "passing", "warning", "any", NULL };
static const char *const probe_rules[] = { "none", "tcp", NULL };
static const char *const near_rules[] = { "all", "zone", "subnet", NULL };

/* clang-format off */

#define AT(member) offsetof(struct config, member)
static const struct config_row top_rows[] = {
	{ "listen", ROW_LISTENERS, 0, 1, SERVER_LISTEN_MAX, .fallback = "127.0.0.1:53\n[::1]:53",
	  .about = "Addresses to answer on, UDP and TCP each; the port is 53 if none is given." },
	{ "allow", ROW_NETWORKS, 0, 1, GUEST_NETWORKS_MAX, .example = "10.0.0.0/8\nfd00::/8",
	  .about = "Networks, or addresses, of others who may ask, where listen has an address they can reach; without "
	  "it only this host is answered." },
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
	{ "hold-queries", ROW_COUNT, AT(server.hold_queries), 0, HOLD_QUERIES_MAX, .fallback = "256",
	  .about = "Queries that wait, for up to 800 ms, until a registry has spoken for the first time, of each "
	  "thread; those beyond are answered as well as can be." },
	{ "forward-jobs", ROW_COUNT, AT(forward.jobs), 1, FORWARD_JOBS_MAX, .fallback = "1024",
	  .about = "Queries that are being forwarded at a time, of each thread; those beyond are answered with "
	  "SERVFAIL." },
	{ "state-dir", ROW_DIRECTORY, AT(state_dir), 0, CONFIG_PATH_MAX, .fallback = "/var/lib/phonebook",
	  .about = "Where what the registries said last is kept, to be answered after a restart until they speak "
	  "again; \"\": nowhere." },
	{ "zone-of-host", ROW_TEXT, AT(zone_of_host), 1, INSTANCE_TEXT_MAX, .example = "rack-7",
	  .about = "The zone this host is in, as registries name it: for near = zone." },
	{ "probe-interval", ROW_DURATION_MS, AT(probe.interval_ms), 100, 3600000, .fallback = "5s",
	  .about = "With probe = tcp: the pause between two connections to one instance; a random part is added." },
	{ "probe-timeout", ROW_DURATION_MS, AT(probe.timeout_ms), 10, 60000, .fallback = "1s",
	  .about = "A connection that takes longer has failed." },
	{ "probe-down", ROW_COUNT, AT(probe.down), 1, 1000, .fallback = "3",
	  .about = "After so many failures in a row an instance is left out." },
	{ "probe-up", ROW_COUNT, AT(probe.up), 1, 1000, .fallback = "2",
	  .about = "After so many connections in a row it is answered again." },
	{ "probe-idle", ROW_DURATION_MS, AT(probe.idle_ms), 1000, 86400000, .fallback = "5m",
	  .about = "A service that nobody has asked for during that time is not probed." },
	{ "probe-rate", ROW_COUNT, AT(probe.rate), 1, 10000, .fallback = "100",
	  .about = "Connections a second, to all instances together." },
	{ "probe-max", ROW_COUNT, AT(probe.max), 1, 100000, .fallback = "2000",
	  .about = "Instances that are probed; those beyond are answered as the registries say." },
	{ "include", ROW_TEXTS, 0, 1, 64, .example = "/etc/phonebook/more.conf",
	  .about = "Files to read after this one as if they stood here; they cannot include others." },
};
#undef AT

#define ANSWER_ROWS(at, ttl, negative_ttl, limit, rule, stale, stale_max, brake, probe_rule, near_rule, min, flaps, window, hold) \
	{ "ttl", ROW_SECONDS, at(ttl_s), 0, TTL_MAX_S, .fallback = ttl, .example = "1s", \
	  .about = "How long others may keep an answer, in whole seconds." }, \
	{ "negative-ttl", ROW_SECONDS, at(negative_ttl_s), 0, TTL_MAX_S, .fallback = negative_ttl, .example = "1s", \
	  .about = "How long others may keep the answer that there is nothing, in whole seconds." }, \
	{ "address-limit", ROW_COUNT, at(address_limit), 0, 65535, .fallback = limit, .example = "1", \
	  .about = "Addresses in one answer, drawn at random; 0: all that fit." }, \
	{ "health", ROW_WORD, at(health), 0, 0, .fallback = rule, .example = "any", \
	  .about = "Which instances are answered: passing; warning, which is both passing and warning; or any. " \
	  "Where no instance is healthy enough, the best there are are answered.", .words = health_rules }, \
	{ "stale-after", ROW_DURATION_MS, at(age.stale_after_ms), 1000, STALE_MAX_MS, .fallback = stale, .example = "1m", \
	  .about = "Data older than this is still answered, but marked as stale (EDE 3) and with a TTL of 1; it should " \
	  "be longer than the intervals of its registries." }, \
	{ "stale-max", ROW_DURATION_MS, at(age.stale_max_ms), 0, STALE_MAX_MS, .fallback = stale_max, .example = "10m", \
	  .about = "Data older than this is answered no more, but with SERVFAIL (EDE 22), and not loaded after a " \
	  "restart; 0: for ever." }, \
	{ "brake", ROW_DURATION_MS, at(brake_ms), 0, 3600000, .fallback = brake, .example = "0", \
	  .about = "How long an answer of a registry asked over a network, in which a service has lost all instances, " \
	  "or more than half of 4 or more, is held back unless a second one says so too; 0: not at all." }, \
	{ "probe", ROW_WORD, at(probe), 0, 0, .fallback = probe_rule, .example = "tcp", .words = probe_rules, \
	  .about = "tcp: this host connects to instances that are asked for, and leaves out those where nobody " \
	  "answers, but never more than half of a service." }, \
	{ "near", ROW_WORD, at(near), 0, 0, .fallback = near_rule, .example = "subnet", .words = near_rules, \
	  .about = "zone: only instances in the zone of this host (zone-of-host) are answered; subnet: only those in a " \
	  "subnet of this host; all, where too few are so near." }, \
	{ "near-min", ROW_COUNT, at(near_min), 1, 65535, .fallback = min, .example = "2", \
	  .about = "How many near instances are enough." }, \
	{ "flap-limit", ROW_COUNT, at(flap_limit), 0, 1000, .fallback = flaps, .example = "4", \
	  .about = "An instance that comes, goes or changes its health more often than this within flap-window is " \
	  "left out; 0: none is." }, \
	{ "flap-window", ROW_DURATION_MS, at(flap_window_ms), 1000, 3600000, .fallback = window, .example = "5m", \
	  .about = "The time in which changes are counted." }, \
	{ "flap-hold", ROW_DURATION_MS, at(flap_hold_ms), 1000, 3600000, .fallback = hold, .example = "10s", \
	  .about = "How long an instance must have been good before it is answered again." }

#define AT(member) offsetof(struct zone_options, member)
#define AT_ANSWER(member) offsetof(struct zone_options, answer.member)
static const struct config_row zone_rows[] = {
	{ "registries", ROW_TEXTS, 0, 1, FRESHNESS_REGISTRIES_MAX, .example = "local",
	  .about = "The registries of this zone, the preferred one first; by default all, in the order of the "
	  "file." },
	{ "merge", ROW_WORD, AT(merge), 0, 0, .fallback = "first", .words = merges,
	  .about = "first: the first registry that knows a service decides alone; union: all of them together." },
	ANSWER_ROWS(AT_ANSWER, "2s", "1s", "0", "passing", "30s", "1h", "10s", "none", "all", "1", "0", "1m",
		    "30s"),
};
#undef AT_ANSWER
#undef AT

/* Without defaults: what a service does not say, its zone says. */
#define AT(member) offsetof(struct answer_options, member)
static const struct config_row service_rows[] = { ANSWER_ROWS(AT, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
							      NULL, NULL, NULL, NULL) };
#undef AT

static const struct config_row forward_rows[] = {
	{ "upstreams", ROW_SERVERS, 0, 1, FORWARD_UPSTREAMS_MAX, .example = "192.0.2.53\n[2001:db8::53]:53",
	  .about = "The resolvers to ask; the port is 53 if none is given.", .required = true },
};

CONFIG_ROWS_FIT(top_rows);
CONFIG_ROWS_FIT(zone_rows);
CONFIG_ROWS_FIT(service_rows);
CONFIG_ROWS_FIT(forward_rows);

static const struct config_kind kind_top = { "root", CONFIG_ROWS(top_rows) };
static const struct config_kind kind_zone = { "zone", "service.local",
	"A zone to answer for. Without any, there is this one with all registries.", CONFIG_ROWS(zone_rows) };
static const struct config_kind kind_service = { "service", "inventory.service.local",
	"One service, where it shall differ from its zone; what is left out is as in the zone.",
	CONFIG_ROWS(service_rows) };
static const struct config_kind kind_forward = { "forward", ".",
	"Where all other names are resolved. Without it, they are refused.", CONFIG_ROWS(forward_rows) };

/* clang-format on */

static const struct config_kind *const kinds[BLOCK_KINDS] = {
	[BLOCK_TOP] = &kind_top,
	[BLOCK_ZONE] = &kind_zone,
	[BLOCK_SERVICE] = &kind_service,
	[BLOCK_STATIC] = &config_kind_static,
	[BLOCK_INSTANCE] = &config_kind_instance,
	[BLOCK_FILE] = &config_kind_file,
	[BLOCK_HTTP] = &config_kind_http,
	[BLOCK_CONSUL] = &config_kind_consul,
	[BLOCK_ETCD] = &config_kind_etcd,
	[BLOCK_KUBERNETES] = &config_kind_kubernetes,
	[BLOCK_DNS] = &config_kind_dns,
	[BLOCK_FORWARD] = &kind_forward,
};

/* Keys and blocks of later versions: better said than "unknown". */
static const char *const later[] = {
	"control",
	"metrics",
	"cache",
	"resolv-conf",
};

const struct config_kind *config_kind(enum block_kind kind)
{
	return kinds[kind];
}

bool config_kind_stands_in(enum block_kind kind, enum block_kind outer)
{
	return kind != BLOCK_TOP && outer == (kind == BLOCK_INSTANCE ? BLOCK_STATIC : BLOCK_TOP);
}

const struct config_row *config_row_find(enum block_kind kind, const char *key)
{
	for (size_t i = 0; i < kinds[kind]->n_rows; i++) {
		if (strcmp(kinds[kind]->rows[i].key, key) == 0)
			return &kinds[kind]->rows[i];
	}
	return NULL;
}

bool config_row_is_list(const struct config_row *row)
{
	return row->type >= ROW_TEXTS;
}

bool config_row_is_texts(const struct config_row *row)
{
	return row->type >= ROW_TEXTS && row->type <= ROW_HEADERS;
}

bool config_row_is_later(const char *key)
{
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		if (strcmp(later[i], key) == 0)
			return true;
	}
	return false;
}
