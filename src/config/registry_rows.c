/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of the blocks of registries. What several kinds have is written once, with what differs as
 * parameters, so that a key means the same wherever it stands. */
#include "config/rows.h"
#include "model/report.h"
#include "model/snapshot.h"
#include "registry/options.h"

enum {
	INTERVAL_MIN_MS = 100, /* less is a load test */
	TIMEOUT_MAX_MS = 600000,

	/* The token of a pod is a JWT of 1 to 2 kB; servers take 8 kB of headers and rarely more. */
	TOKEN_OCTETS_MAX = 4096,

	EXPRESSION_OCTETS_MAX = 1024, /* goes into a URL, some of it three times as long by %XX */

	/* As Consul itself: it takes a longer wait for this one. */
	CONSUL_WAIT_MAX_MS = 600000,

	/* An agent serves 200 connections of one address, by default, and all programs of the host share
	 * them. Half of them and a bit is the most that one may take. */
	CONSUL_HELD_MAX = 128,

	LIST_MAX = 1024,    /* services and names: who has more wants all of them */
	MEMORY_MIN = 65536, /* one instance with all the texts it may have fits */

	NAMESPACES_MAX = 64, /* each is two streams, and over HTTP/1.1 as many connections */
};

#define KIB(n) ((uint64_t)(n)*1024)
#define MIB(n) (KIB(n) * 1024)
#define GIB(n) (MIB(n) * 1024)

/* In the order of their enums. */
static const char *const healths[] = { "passing", "warning", "critical", NULL };
static const char *const protocols[] = { "any", "tcp", "udp", NULL };
static const char *const modes[] = { "health", "catalog", NULL };
static const char *const layouts[] = { "skydns", "naming", NULL };
static const char *const names[] = { "service", "service.namespace", NULL };
static const char *const asks[] = { "srv", "address", NULL };

/* clang-format off */

#define AT(member) offsetof(struct static_instance, member)
static const struct config_row instance_rows[] = {
	{ "service", ROW_SERVICE, AT(service), 1, SERVICE_NAME_SIZE - 1, .example = "legacy",
	  .about = "The service it is an instance of, without the zone.", .required = true },
	{ "tags", ROW_TEXTS, AT(tags), 1, INSTANCE_TAGS_MAX, .example = "v1",
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
	{ "zone", ROW_TEXT, AT(zone), 1, CONFIG_TEXT_MAX, .example = "rack-7",
	  .about = "Where it runs; kept as written." },
	{ "health", ROW_WORD, AT(health), 0, 0, .fallback = "passing", .words = healths,
	  .about = "Its health, as a registry would report it." },
};
#undef AT

#define AT(member) offsetof(struct registry_options, member)

#define SERVICE_ROWS \
	{ "service", ROW_SERVICE, AT(service), 1, SERVICE_NAME_SIZE - 1, .example = "inventory", \
	  .about = "The service of instances that do not name one; without it they are an error." }, \
	{ "service-label", ROW_TEXT, AT(service_label), 1, CONFIG_TEXT_MAX, .fallback = "service", \
	  .about = "The label that names the service, in the form of Prometheus http_sd." }

#define PACE_ROWS(about_interval, about_jitter) \
	{ "interval", ROW_DURATION_MS, AT(interval_ms), INTERVAL_MIN_MS, CONFIG_DAY_MS, .fallback = "5s", \
	  .about = about_interval }, \
	{ "jitter", ROW_DURATION_MS, AT(jitter_ms), 0, CONFIG_DAY_MS, .fallback = "1s", .about = about_jitter }

#define ASKED_ROWS(about_interval, timeout) \
	PACE_ROWS(about_interval, \
		  "A random part, up to this, is added to each interval, so that hosts do not ask in step."), \
	{ "timeout", ROW_DURATION_MS, AT(http.timeout_ms), 10, TIMEOUT_MAX_MS, .fallback = timeout, \
	  .about = "A request that takes longer has failed." }

#define WATCH_ROW(about_watch) \
	{ "watch", ROW_FLAG, AT(watch), 0, 0, .fallback = "true", .about = about_watch }

static const char between_polls[] = "The pause between two polls, where nothing is watched; and after a refusal.";

#define TOKEN_ROWS \
	{ "token", ROW_TOKEN, AT(http.token), 1, TOKEN_OCTETS_MAX, .example = "${PHONEBOOK_TOKEN}", \
	  .about = "A bearer token; better in token-file, which fewer people can read." }, \
	{ "token-file", ROW_PATH, AT(http.token_file), 1, CONFIG_PATH_MAX, .example = "/etc/phonebook/token", \
	  .about = "A file with a bearer token, read anew for each request." }

#define PASSWORD_ROWS(to_user, to_password_file, about_user) \
	{ "user", ROW_TEXT, AT(to_user), 1, CONFIG_TEXT_MAX, .example = "reader", .about = about_user }, \
	{ "password-file", ROW_PATH, AT(to_password_file), 1, CONFIG_PATH_MAX, \
	  .example = "/etc/phonebook/password", .about = "A file with its password, read anew for each request." }

#define HEADER_ROWS \
	{ "headers", ROW_HEADERS, AT(http.headers), 1, 32, .example = "Accept: application/json\nX-Team: shop", \
	  .about = "Further headers to send." }

#define TLS_ROWS \
	{ "ca-file", ROW_PATH, AT(http.ca_file), 1, CONFIG_PATH_MAX, .example = "/etc/phonebook/ca.pem", \
	  .about = "The authorities to trust, instead of the host's; read for each new connection." }, \
	{ "cert-file", ROW_PATH, AT(http.cert_file), 1, CONFIG_PATH_MAX, .example = "/etc/phonebook/cert.pem", \
	  .about = "A client certificate, together with key-file." }, \
	{ "key-file", ROW_PATH, AT(http.key_file), 1, CONFIG_PATH_MAX, .example = "/etc/phonebook/key.pem", \
	  .about = "The key of the client certificate." }

#define SOCKET_ROWS \
	{ "unix-socket", ROW_PATH, AT(http.unix_socket), 1, CONFIG_SOCKET_MAX, .example = "/run/registry.sock", \
	  .about = "A socket to ask through; the host in the URL is then only a name." }

#define SIZE_ROWS(to, size, about_size) \
	{ "max-size", ROW_SIZE, AT(to), 1, GIB(1), .fallback = size, .about = about_size }

static const char too_large[] = "A larger body, after decompression, is an error, and changes nothing.";
static const char too_large_in_stream[] =
	"A larger body, or object of a stream, is an error, and changes nothing.";

#define LIMIT_ROWS \
	{ "max-services", ROW_COUNT, AT(limits.services), 1, SNAPSHOT_SERVICES_MAX, .fallback = "250000", \
	  .about = "Services beyond this number are refused, and counted." }, \
	{ "max-instances", ROW_COUNT, AT(limits.instances), 1, SNAPSHOT_INSTANCES_MAX, .fallback = "1000000", \
	  .about = "Instances beyond this number, of all services together, are refused, and counted." }, \
	{ "max-memory", ROW_SIZE, AT(limits.octets), MEMORY_MIN, SNAPSHOT_OCTETS_MAX, .fallback = "256MiB", \
	  .about = "What would need more memory than this, for instances and their texts, is refused, and counted." }

static const struct config_row file_rows[] = {
	{ "path", ROW_TEXT, AT(path), 1, CONFIG_PATH_MAX, .example = "/etc/phonebook/services.d/*.json",
	  .required = true,
	  .about = "A file or a glob; relative to the working directory unless it begins with a slash." },
	PACE_ROWS("The pause between two looks; changes that the kernel reports are seen at once.",
		  "A random part, up to this, is added to each interval."),
	SIZE_ROWS(max_size, "64MiB", "A larger file is an error, and changes nothing."),
	LIMIT_ROWS,
	SERVICE_ROWS,
};

static const struct config_row http_rows[] = {
	{ "url", ROW_URL, AT(http.url), 1, CONFIG_PATH_MAX, .example = "http://registry.example:8080/services",
	  .about = "Where to ask, http or https; redirects are not followed.", .required = true },
	ASKED_ROWS("The pause between the end of one request and the next.", "2s"),
	TOKEN_ROWS,
	PASSWORD_ROWS(http.user, http.password_file,
		      "The user of basic authentication, together with password-file, instead of a token."),
	HEADER_ROWS,
	TLS_ROWS,
	SOCKET_ROWS,
	SIZE_ROWS(http.max_size, "8MiB", too_large),
	LIMIT_ROWS,
	SERVICE_ROWS,
};

/* Half a minute is as long as a connection that has died in silence can go unnoticed; much less would make
 * polls of what should wait.
 *
 * One instance with its checks has some 700 octets: 16 MiB are more than the 16,384 of a service that we keep,
 * and not yet what a host has no room for. */
static const struct config_row consul_rows[] = {
	{ "url", ROW_AGENT_URL, AT(http.url), 1, CONFIG_PATH_MAX, .fallback = "http://127.0.0.1:8500",
	  .about = "The agent, http or https, or unix:///PATH for its socket." },
	{ "mode", ROW_WORD, AT(consul.mode), 0, 0, .fallback = "health", .words = modes,
	  .about = "health: instances with their checks; catalog: as they were registered, alive or not." },
	{ "services", ROW_SERVICES, AT(consul.services), 1, LIST_MAX, .example = "inventory\npayments",
	  .about = "The services to ask for; by default all that the catalog lists." },
	{ "tags", ROW_TEXTS, AT(consul.tags), 1, INSTANCE_TAGS_MAX, .example = "v1",
	  .about = "Only instances with all of these tags." },
	{ "datacenter", ROW_TEXT, AT(consul.datacenter), 1, CONFIG_TEXT_MAX, .example = "dc1",
	  .about = "The datacenter to ask for; by default the agent's own." },
	{ "namespace", ROW_TEXT, AT(consul.namespace), 1, CONFIG_TEXT_MAX, .example = "default",
	  .about = "The namespace to ask for, of Consul Enterprise." },
	{ "partition", ROW_TEXT, AT(consul.partition), 1, CONFIG_TEXT_MAX, .example = "default",
	  .about = "The partition to ask for, of Consul Enterprise." },
	{ "near", ROW_TEXT, AT(consul.near), 1, CONFIG_TEXT_MAX, .example = "_agent",
	  .about = "Handed on to Consul: the node near which it shall look first, or _agent." },
	{ "filter", ROW_TEXT, AT(consul.filter), 1, EXPRESSION_OCTETS_MAX, .example = "Service.Meta.env == live",
	  .about = "Handed on to Consul: an expression that says which instances it shall tell." },
	{ "stale", ROW_FLAG, AT(consul.stale), 0, 0, .fallback = "true",
	  .about = "Any server may answer, not only the leader: quicker, and also while there is none." },
	WATCH_ROW("Learn of changes at once, by questions that the agent holds until there is one; false: by polls."),
	{ "wait", ROW_DURATION_MS, AT(consul.wait_ms), 1000, CONSUL_WAIT_MAX_MS, .fallback = "30s",
	  .about = "How long the agent may hold a question that is watched; it adds up to a sixteenth." },
	{ "held", ROW_COUNT, AT(consul.held), 1, CONSUL_HELD_MAX, .fallback = "64",
	  .about = "Questions held at a time, each on a connection of its own; services beyond that are polled." },
	ASKED_ROWS(between_polls, "2s"),
	TOKEN_ROWS,
	HEADER_ROWS,
	TLS_ROWS,
	SOCKET_ROWS,
	SIZE_ROWS(http.max_size, "16MiB", too_large),
	LIMIT_ROWS,
};

/* A member without a quorum needs some 7 s to say so, and asking it for what it has itself begins there.
 *
 * Keys are read in pages, but all changes since a watch was last heard come as one object: 64 MiB are 50,000
 * instances that have changed. */
static const struct config_row etcd_rows[] = {
	{ "url", ROW_BASE_URLS, AT(etcd.urls), 1, 16, .fallback = "http://127.0.0.1:2379",
	  .about = "The members of the cluster, http or https: one of them is asked, another when it fails." },
	{ "prefix", ROW_TEXT, AT(etcd.prefix), 0, EXPRESSION_OCTETS_MAX, .example = "/skydns/",
	  .about = "What the keys begin with: by default /skydns/ for layout skydns; for naming it must be given." },
	{ "layout", ROW_WORD, AT(etcd.layout), 0, 0, .fallback = "skydns", .words = layouts,
	  .about = "skydns: keys as CoreDNS reads them; naming: as clients of etcd register themselves." },
	{ "zone", ROW_ZONE, AT(etcd.zone), 0, CONFIG_TEXT_MAX, .example = "service.local",
	  .about = "For skydns, the zone whose names stand below the prefix: by default the first one of this file "
	  "with this registry; \"\": services stand there." },
	WATCH_ROW("Learn of changes at once, by a stream that the server keeps open; false: by polls."),
	ASKED_ROWS(between_polls, "10s"),
	PASSWORD_ROWS(etcd.user, etcd.password_file,
		      "The user of etcd's own authentication, together with password-file."),
	HEADER_ROWS,
	TLS_ROWS,
	SIZE_ROWS(http.max_size, "64MiB", too_large_in_stream),
	LIMIT_ROWS,
};

/* A list the server has at hand comes in one piece, however small the pages asked for: 64 MiB are those of some
 * 10,000 services. A busy server needs its seconds for that. */
static const struct config_row kubernetes_rows[] = {
	{ "url", ROW_BASE_URL, AT(http.url), 1, CONFIG_PATH_MAX, .example = "http://127.0.0.1:8001",
	  .about = "The API server, or a kubectl proxy; by default that of the cluster we run in, with the ca-file "
	  "and token-file of our pod." },
	{ "namespaces", ROW_NAMESPACES, AT(kubernetes.namespaces), 1, NAMESPACES_MAX, .example = "shop",
	  .about = "The namespaces to look into; by default all." },
	{ "names", ROW_WORD, AT(kubernetes.names), 0, 0, .fallback = "service", .words = names,
	  .about = "service: a service is called as in its namespace, and those of one name are one service; "
	  "service.namespace: as in inventory.shop." },
	{ "label-selector", ROW_SELECTOR, AT(kubernetes.label_selector), 1, EXPRESSION_OCTETS_MAX,
	  .example = "team=shop", .about = "Only what has these labels, written as for kubectl." },
	WATCH_ROW("Learn of changes at once, by streams that the server keeps open; false: by polls."),
	ASKED_ROWS(between_polls, "10s"),
	TOKEN_ROWS,
	HEADER_ROWS,
	TLS_ROWS,
	SIZE_ROWS(http.max_size, "64MiB", too_large_in_stream),
	LIMIT_ROWS,
};

static const struct config_row dns_rows[] = {
	{ "server", ROW_SERVER, AT(dns.server), 1, CONFIG_TEXT_MAX, .example = "127.0.0.1:8600", .required = true,
	  .about = "The server to ask; the port is 53 if none is given." },
	{ "names", ROW_QUESTIONS, AT(dns.names), 1, LIST_MAX, .required = true,
	  .example = "inventory.service.consul\nstock=inventory.service.consul",
	  .about = "The names to ask for: NAME, or SERVICE=NAME where the service is not called by the first "
	  "label." },
	{ "ask", ROW_WORD, AT(dns.ask), 0, 0, .fallback = "srv", .words = asks,
	  .about = "srv: for SRV, which tells ports and weights; address: for A and AAAA." },
	{ "port", ROW_LONG, AT(dns.port), 1, 65535, .example = "8080",
	  .about = "The port of instances found by address; by default they have none." },
	ASKED_ROWS("The pause between the end of one request and the next.", "2s"),
	LIMIT_ROWS,
};
#undef AT

CONFIG_ROWS_FIT(instance_rows);
CONFIG_ROWS_FIT(file_rows);
CONFIG_ROWS_FIT(http_rows);
CONFIG_ROWS_FIT(consul_rows);
CONFIG_ROWS_FIT(etcd_rows);
CONFIG_ROWS_FIT(kubernetes_rows);
CONFIG_ROWS_FIT(dns_rows);

const struct config_kind config_kind_static = { "static", "fixed", "A registry written here.", .registry = true };
const struct config_kind config_kind_instance = { "instance", "10.0.0.9:8080",
	"An instance: an IP address or a host name, and a port.", CONFIG_ROWS(instance_rows) };
const struct config_kind config_kind_file = { "file", "local",
	"A registry in files: programs register by dropping a file, and deregister by removing it.",
	.shown = true, .registry = true, CONFIG_ROWS(file_rows) };
const struct config_kind config_kind_http = { "http", "custom", "A registry that is asked over HTTP.",
	.registry = true, CONFIG_ROWS(http_rows) };
const struct config_kind config_kind_consul = { "consul", "dc1", "Consul, through its agent.",
	.registry = true, CONFIG_ROWS(consul_rows) };
const struct config_kind config_kind_etcd = { "etcd", "store", "etcd, from version 3.4 on, through its JSON gateway.",
	.registry = true, CONFIG_ROWS(etcd_rows) };
const struct config_kind config_kind_kubernetes = { "kubernetes", "k8s", "The services of a Kubernetes cluster.",
	.registry = true, CONFIG_ROWS(kubernetes_rows) };
const struct config_kind config_kind_dns = { "dns", "other", "Another DNS server as a registry.",
	.registry = true, CONFIG_ROWS(dns_rows) };
