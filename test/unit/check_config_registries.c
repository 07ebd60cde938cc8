/* SPDX-License-Identifier: BSD-2-Clause */
/* The blocks of registries that are asked over a network, as far as no other block has the same. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_text.h"
#include "harness.h"

static void expect_endpoint(const struct endpoint *e, const char *expected)
{
	char text[ENDPOINT_TEXT_MAX];

	ck_assert_str_eq(endpoint_to_text(e, text), expected);
}

/* The list has these texts, with spaces between them. */
static void expect_list(const char *const *list, const char *expected)
{
	char text[256] = "";

	ck_assert_ptr_nonnull(list);
	for (size_t i = 0; list[i] != NULL; i++)
		sprintf(text + strlen(text), "%s%s", i > 0 ? " " : "", list[i]);
	ck_assert_str_eq(text, expected);
}

static void leave_pod(void)
{
	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("KUBERNETES_SERVICE_PORT");
}

static void enter_pod(const char *host, const char *port)
{
	setenv("KUBERNETES_SERVICE_HOST", host, 1);
	setenv("KUBERNETES_SERVICE_PORT", port, 1);
}

/* As an operator would first write them. */
START_TEST(short_blocks_are_good)
{
	struct config *c = config_text_good(
		"http \"custom\" { url = \"http://registry.example:8080/services\"  interval = 5s  jitter = 1s "
		"timeout = 2s  token-file = \"/etc/phonebook/token\" }\n"
		"consul \"dc1\" { url = \"http://127.0.0.1:8500\"  watch = true  token-file = \"/t\" "
		"datacenter = \"dc1\" }\n"
		"etcd \"store\" { url = { \"http://127.0.0.1:2379\" }  prefix = \"/skydns/\"  layout = skydns }\n"
		"kubernetes \"k8s\" { url = \"http://127.0.0.1:8001\"  namespaces = { \"shop\" }  names = service }\n"
		"dns \"other\" { server = \"127.0.0.1:8600\"  names = { \"inventory.service.consul\" } }\n");
	const struct registry_options *r = c->feed->registries;

	ck_assert_uint_eq(c->feed->n_registries, 5);
	ck_assert_str_eq(r[1].kind, "consul");
	ck_assert_str_eq(r[1].name, "dc1");
	ck_assert_str_eq(r[2].kind, "etcd");
	ck_assert_str_eq(r[3].kind, "kubernetes");
	ck_assert_str_eq(r[4].kind, "dns");
	ck_assert_uint_eq(c->feed->zones[0].n_registries, 5);
	config_destroy(c);
}
END_TEST

START_TEST(tokens_of_http_arrive)
{
	struct config *c = config_text_good("http \"h\" { url = \"http://x\" token = \"a.b-c_d~e+f/g=\" }");

	ck_assert_str_eq(c->feed->registries->http.token, "a.b-c_d~e+f/g=");
	config_destroy(c);
}
END_TEST

static const char *const limited[] = {
	"file \"r\" { path = \"/x\"",
	"http \"r\" { url = \"http://x\"",
	"consul \"r\" {",
	"etcd \"r\" {",
	"kubernetes \"r\" { url = \"http://x\"",
	"dns \"r\" { server = \"127.0.0.1:8600\" names = { \"a.b\" }",
};

static struct snapshot_limits limits_of(const char *block, const char *keys)
{
	char text[256];

	snprintf(text, sizeof(text), "%s %s }", block, keys);
	struct config *c = config_text_good(text);
	const struct snapshot_limits l = c->feed->registries->limits;
	config_destroy(c);
	return l;
}

START_TEST(limits_of_each_kind_arrive)
{
	struct snapshot_limits l = limits_of(limited[_i], "");

	ck_assert_uint_eq(l.services, SNAPSHOT_SERVICES_MAX);
	ck_assert_uint_eq(l.instances, SNAPSHOT_INSTANCES_MAX);
	ck_assert_uint_eq(l.octets, SNAPSHOT_OCTETS_MAX);
	l = limits_of(limited[_i], "max-services = 1000 max-instances = 5000 max-memory = 1MiB");
	ck_assert_uint_eq(l.services, 1000);
	ck_assert_uint_eq(l.instances, 5000);
	ck_assert_uint_eq(l.octets, 1 << 20);
}
END_TEST

START_TEST(defaults_of_consul_are_those_of_the_manual)
{
	struct config *c = config_text_good("consul \"c\" {}");
	const struct registry_options *r = c->feed->registries;
	const struct consul_options *consul = &r->consul;

	ck_assert_str_eq(r->http.url, "http://127.0.0.1:8500");
	ck_assert_ptr_null(r->http.unix_socket);
	ck_assert_ptr_null(r->http.token);
	ck_assert_ptr_null(r->http.token_file);
	ck_assert_uint_eq(r->http.timeout_ms, 2000);
	ck_assert_uint_eq(r->http.max_size, 16 << 20);
	ck_assert_uint_eq(r->interval_ms, 5000);
	ck_assert_uint_eq(r->jitter_ms, 1000);
	ck_assert(r->watch);
	ck_assert_int_eq(consul->mode, CONSUL_HEALTH);
	ck_assert(consul->stale);
	ck_assert_uint_eq(consul->wait_ms, 30000);
	ck_assert_uint_eq(consul->held, 64);
	expect_list(consul->services, "");
	expect_list(consul->tags, "");
	ck_assert_ptr_null(consul->datacenter);
	ck_assert_ptr_null(consul->namespace);
	ck_assert_ptr_null(consul->partition);
	ck_assert_ptr_null(consul->near);
	ck_assert_ptr_null(consul->filter);
	ck_assert_str_eq(r->service_label, "service");
	config_destroy(c);
}
END_TEST

START_TEST(keys_of_consul_arrive)
{
	struct config *c = config_text_good(
		"consul \"c\" { url = \"https://consul.example:8501/proxy/\" watch = false mode = catalog\n"
		"services = { \"inventory\", \"web.shop\" } tags = { v1, \"blue\" } datacenter = \"dc2\"\n"
		"namespace = \"n\" partition = \"p\" near = _agent filter = \"Service.Port == 80\" stale = false\n"
		"wait = 10s held = 128 interval = 1s jitter = 2s timeout = 3s token = \"t\"\n"
		"headers = { \"A: b\" } ca-file = \"/ca\" cert-file = \"/c\" key-file = \"/k\"\n"
		"unix-socket = \"/run/consul.sock\" max-size = 1MiB }");
	const struct registry_options *r = c->feed->registries;
	const struct consul_options *consul = &r->consul;

	ck_assert_str_eq(r->http.url, "https://consul.example:8501/proxy");
	ck_assert(!r->watch);
	ck_assert_int_eq(consul->mode, CONSUL_CATALOG);
	expect_list(consul->services, "inventory web.shop");
	expect_list(consul->tags, "v1 blue");
	ck_assert_str_eq(consul->datacenter, "dc2");
	ck_assert_str_eq(consul->namespace, "n");
	ck_assert_str_eq(consul->partition, "p");
	ck_assert_str_eq(consul->near, "_agent");
	ck_assert_str_eq(consul->filter, "Service.Port == 80");
	ck_assert(!consul->stale);
	ck_assert_uint_eq(consul->wait_ms, 10000);
	ck_assert_uint_eq(consul->held, 128);
	ck_assert_uint_eq(r->interval_ms, 1000);
	ck_assert_uint_eq(r->jitter_ms, 2000);
	ck_assert_uint_eq(r->http.timeout_ms, 3000);
	ck_assert_str_eq(r->http.token, "t");
	expect_list(r->http.headers, "A: b");
	ck_assert_str_eq(r->http.ca_file, "/ca");
	ck_assert_str_eq(r->http.cert_file, "/c");
	ck_assert_str_eq(r->http.key_file, "/k");
	ck_assert_str_eq(r->http.unix_socket, "/run/consul.sock");
	ck_assert_uint_eq(r->http.max_size, 1 << 20);
	config_destroy(c);
}
END_TEST

START_TEST(unix_urls_are_sockets)
{
	struct config *c = config_text_good("consul \"c\" { url = \"unix:///run/consul.sock\" }");

	ck_assert_str_eq(c->feed->registries->http.unix_socket, "/run/consul.sock");
	ck_assert_str_eq(c->feed->registries->http.url, "http://localhost");
	config_destroy(c);
}
END_TEST

START_TEST(defaults_of_etcd_are_those_of_the_manual)
{
	struct config *c = config_text_good("etcd \"e\" {}");
	const struct registry_options *r = c->feed->registries;

	expect_list(r->etcd.urls, "http://127.0.0.1:2379");
	ck_assert_str_eq(r->http.url, "http://127.0.0.1:2379");
	ck_assert_str_eq(r->etcd.prefix, "/skydns/");
	ck_assert_str_eq(r->etcd.zone, "service.local");
	ck_assert_int_eq(r->etcd.layout, ETCD_SKYDNS);
	ck_assert_ptr_null(r->etcd.user);
	ck_assert_ptr_null(r->etcd.password_file);
	ck_assert(r->watch);
	ck_assert_uint_eq(r->interval_ms, 5000);
	ck_assert_uint_eq(r->jitter_ms, 1000);
	ck_assert_uint_eq(r->http.timeout_ms, 10000);
	ck_assert_uint_eq(r->http.max_size, 64 << 20);
	config_destroy(c);
}
END_TEST

START_TEST(keys_of_etcd_arrive)
{
	struct config *c = config_text_good(
		"etcd \"e\" { url = { \"https://e1:2379\", \"https://e2:2379/\" } layout = naming prefix = svc\n"
		"watch = false interval = 1s jitter = 2s timeout = 3s user = \"u\" password-file = \"/p\"\n"
		"headers = \"A: b\" ca-file = \"/ca\" cert-file = \"/c\" key-file = \"/k\" max-size = 1MiB }\n"
		"etcd \"all\" { layout = naming prefix = \"\" }\n");
	const struct registry_options *r = c->feed->registries;

	expect_list(r->etcd.urls, "https://e1:2379 https://e2:2379");
	ck_assert_int_eq(r->etcd.layout, ETCD_NAMING);
	ck_assert_str_eq(r->etcd.prefix, "svc/");
	ck_assert_ptr_null(r->etcd.zone);
	ck_assert(!r->watch);
	ck_assert_uint_eq(r->interval_ms, 1000);
	ck_assert_uint_eq(r->jitter_ms, 2000);
	ck_assert_uint_eq(r->http.timeout_ms, 3000);
	ck_assert_str_eq(r->etcd.user, "u");
	ck_assert_str_eq(r->etcd.password_file, "/p");
	ck_assert_ptr_null(r->http.user);
	expect_list(r->http.headers, "A: b");
	ck_assert_str_eq(r->http.ca_file, "/ca");
	ck_assert_str_eq(r->http.cert_file, "/c");
	ck_assert_str_eq(r->http.key_file, "/k");
	ck_assert_uint_eq(r->http.max_size, 1 << 20);
	ck_assert_str_eq(r[1].etcd.prefix, "");
	config_destroy(c);
}
END_TEST

static const struct {
	const char *text, *zone; /* of the registry "e"; NULL: services stand below the prefix */
} etcd_zones[] = {
	{ "etcd \"e\" {}", "service.local" },
	{ "etcd \"e\" { zone = \"Shop.Example.\" }", "shop.example" },
	{ "etcd \"e\" { zone = \"\" }", NULL },
	{ "etcd \"e\" { layout = naming prefix = \"x\" }", NULL },
	{ "etcd \"e\" {} zone \"A.Example.\" {} zone \"b.example\" {}", "a.example" },
	{ "etcd \"e\" {} static \"s\" {} zone \"a.example\" { registries = s } zone \"b.example\" {}",
	  "b.example" },
	{ "etcd \"e\" {} static \"s\" {} zone \"a.b\" { registries = s } zone \"b.c\" { registries = { s, e } }",
	  "b.c" },
	{ "etcd \"e\" {} static \"s\" {} zone \"a.b\" { registries = s } zone \"b.c\" { registries = s }",
	  "a.b" },
};

START_TEST(zone_of_etcd_is_the_first_with_the_registry)
{
	struct config *c = config_text_good(etcd_zones[_i].text);

	ck_assert_pstr_eq(c->feed->registries->etcd.zone, etcd_zones[_i].zone);
	config_destroy(c);
}
END_TEST

START_TEST(prefixes_end_with_a_slash)
{
	struct config *c =
		config_text_good("etcd \"a\" { prefix = \"/skydns\" } etcd \"b\" { prefix = \"/\" }");

	ck_assert_str_eq(c->feed->registries[0].etcd.prefix, "/skydns/");
	ck_assert_str_eq(c->feed->registries[1].etcd.prefix, "/");
	config_destroy(c);
}
END_TEST

START_TEST(defaults_of_kubernetes_are_those_of_the_manual)
{
	leave_pod();
	struct config *c = config_text_good("kubernetes \"k\" { url = \"http://[::1]:8001/\" }");
	const struct registry_options *r = c->feed->registries;

	ck_assert_str_eq(r->http.url, "http://[::1]:8001");
	ck_assert_ptr_null(r->http.token);
	ck_assert_ptr_null(r->http.token_file);
	ck_assert_ptr_null(r->http.ca_file);
	expect_list(r->kubernetes.namespaces, "");
	ck_assert_int_eq(r->kubernetes.names, KUBERNETES_SERVICE);
	ck_assert_ptr_null(r->kubernetes.label_selector);
	ck_assert(r->watch);
	ck_assert_uint_eq(r->interval_ms, 5000);
	ck_assert_uint_eq(r->jitter_ms, 1000);
	ck_assert_uint_eq(r->http.timeout_ms, 10000);
	ck_assert_uint_eq(r->http.max_size, 64 << 20);
	config_destroy(c);
}
END_TEST

START_TEST(keys_of_kubernetes_arrive)
{
	struct config *c = config_text_good(
		"kubernetes \"k\" { url = \"https://k8s.example:6443\" namespaces = { shop, \"x-1\" }\n"
		"names = service.namespace label-selector = \"team in (a, b),!test\" watch = false\n"
		"interval = 1s jitter = 2s timeout = 3s token-file = \"/t\" ca-file = \"/ca\"\n"
		"cert-file = \"/c\" key-file = \"/k\" headers = \"A: b\" max-size = 1MiB }");
	const struct registry_options *r = c->feed->registries;

	ck_assert_str_eq(r->http.url, "https://k8s.example:6443");
	expect_list(r->kubernetes.namespaces, "shop x-1");
	ck_assert_int_eq(r->kubernetes.names, KUBERNETES_SERVICE_NAMESPACE);
	ck_assert_str_eq(r->kubernetes.label_selector, "team in (a, b),!test");
	ck_assert(!r->watch);
	ck_assert_uint_eq(r->interval_ms, 1000);
	ck_assert_uint_eq(r->jitter_ms, 2000);
	ck_assert_uint_eq(r->http.timeout_ms, 3000);
	ck_assert_str_eq(r->http.token_file, "/t");
	ck_assert_str_eq(r->http.ca_file, "/ca");
	ck_assert_str_eq(r->http.cert_file, "/c");
	ck_assert_str_eq(r->http.key_file, "/k");
	expect_list(r->http.headers, "A: b");
	ck_assert_uint_eq(r->http.max_size, 1 << 20);
	config_destroy(c);
}
END_TEST

#define POD "/var/run/secrets/kubernetes.io/serviceaccount/"

static const struct {
	const char *host, *keys, *url, *ca_file, *token_file;
} pods[] = {
	{ "10.96.0.1", "", "https://10.96.0.1:443", POD "ca.crt", POD "token" },
	{ "fd00::1", "", "https://[fd00::1]:443", POD "ca.crt", POD "token" },
	{ "10.96.0.1", "ca-file = \"/ca\"", "https://10.96.0.1:443", "/ca", POD "token" },
	{ "10.96.0.1", "token-file = \"/t\"", "https://10.96.0.1:443", POD "ca.crt", "/t" },
	{ "10.96.0.1", "token = t", "https://10.96.0.1:443", POD "ca.crt", NULL },
	{ "10.96.0.1", "cert-file = \"/c\" key-file = \"/k\"", "https://10.96.0.1:443", POD "ca.crt", NULL },
	{ "10.96.0.1", "url = \"http://x\"", "http://x", NULL, NULL },
};

START_TEST(in_a_pod_its_cluster_is_the_default)
{
	char text[256];

	enter_pod(pods[_i].host, "443");
	snprintf(text, sizeof(text), "kubernetes \"k\" { %s }", pods[_i].keys);
	struct config *c = config_text_good(text);
	const struct http_options *http = &c->feed->registries->http;

	ck_assert_str_eq(http->url, pods[_i].url);
	ck_assert_pstr_eq(http->ca_file, pods[_i].ca_file);
	ck_assert_pstr_eq(http->token_file, pods[_i].token_file);
	config_destroy(c);
	leave_pod();
}
END_TEST

static const struct {
	const char *host, *port, *expected;
} no_pods[] = {
	{ NULL, NULL, "FILE:2: kubernetes \"k\": url is missing, and in no pod can it be known" },
	{ "10.96.0.1", NULL, "are not set; write url, or run in the cluster" },
	{ NULL, "443", "are not set; write url, or run in the cluster" },
	{ "", "443", "are not set" },
	{ "10.96.0.1", "http", "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT make none" },
	{ "u:p@h", "443", "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT make none" },
};

START_TEST(outside_a_pod_the_url_must_be_given)
{
	leave_pod();
	if (no_pods[_i].host != NULL)
		setenv("KUBERNETES_SERVICE_HOST", no_pods[_i].host, 1);
	if (no_pods[_i].port != NULL)
		setenv("KUBERNETES_SERVICE_PORT", no_pods[_i].port, 1);
	config_text_bad("\nkubernetes \"k\" {\nnames = service }", no_pods[_i].expected);
	leave_pod();
}
END_TEST

START_TEST(keys_of_dns_arrive)
{
	struct config *c = config_text_good(
		"dns \"d\" { server = \"127.0.0.1:8600\" names = { \"inventory.service.consul\",\n"
		"\"stock.shop=_http._tcp.inventory.example.\" } }\n"
		"dns \"e\" { server = \"2001:db8::53\" names = \"inventory.example\" ask = address port = 8080\n"
		"interval = 1s jitter = 2s timeout = 3s }");
	const struct registry_options *r = c->feed->registries;

	expect_endpoint(&r->dns.server, "127.0.0.1:8600");
	expect_list(r->dns.names, "inventory.service.consul stock.shop=_http._tcp.inventory.example.");
	ck_assert_int_eq(r->dns.ask, DNS_ASK_SRV);
	ck_assert_int_eq(r->dns.port, 0);
	ck_assert(!r->watch);
	ck_assert_uint_eq(r->interval_ms, 5000);
	ck_assert_uint_eq(r->jitter_ms, 1000);
	ck_assert_uint_eq(r->http.timeout_ms, 2000);
	expect_endpoint(&r[1].dns.server, "[2001:db8::53]:53");
	ck_assert_int_eq(r[1].dns.ask, DNS_ASK_ADDRESS);
	ck_assert_int_eq(r[1].dns.port, 8080);
	ck_assert_uint_eq(r[1].interval_ms, 1000);
	ck_assert_uint_eq(r[1].jitter_ms, 2000);
	ck_assert_uint_eq(r[1].http.timeout_ms, 3000);
	config_destroy(c);
}
END_TEST

/* Bad files: what must be said, line included. */
#define DNS(keys) "dns \"d\" { server = 192.0.2.1 names = a.example\n" keys " }"
static const struct {
	const char *text, *expected;
} bad[] = {
	/* values */
	{ "consul \"c\" {\nwatch = yes }", "FILE:2: watch: \"yes\" is neither true nor false" },
	{ "consul \"c\" { stale = 1 }", "stale: \"1\" is neither true nor false" },
	{ "etcd \"e\" { watch = True }", "watch: \"True\" is neither true nor false" },
	{ "consul \"c\" { mode = checks }", "mode: \"checks\" is none of health, catalog" },
	{ "consul \"c\" {\nwait = 11m }", "FILE:2: wait: \"11m\" is not within 1s .. 10m" },
	{ "consul \"c\" { wait = 999ms }", "not within 1s .. 10m" },
	{ "consul \"c\" { held = 0 }", "held: \"0\" is not within 1 .. 128" },
	{ "consul \"c\" { held = 129 }", "held: \"129\" is not within 1 .. 128" },
	{ "consul \"c\" { services = {\na,\n\"b c\" } }",
	  "FILE:3: services: \"b c\" is not the name of a service: letters" },
	{ "consul \"c\" { services = \"\" }", "services: must not be empty" },
	{ "consul \"c\" { services = \"ns\" }", "Phonebook itself uses the name \"ns\"" },
	{ "consul \"c\" { services = { a,\nb,\na } }", "FILE:3: services: \"a\" stands here twice" },
	{ "consul \"c\" { tags = { \"\" } }", "tags: must not be empty" },
	{ "consul \"c\" { datacenter = \"\" }", "datacenter: must not be empty" },
	{ "consul \"c\" { namespace = \"\" }", "namespace: must not be empty" },
	{ "consul \"c\" { partition = \"\" }", "partition: must not be empty" },
	{ "consul \"c\" { near = \"\" }", "near: must not be empty" },
	{ "consul \"c\" { filter = \"\" }", "filter: must not be empty" },
	{ "consul \"c\" { url = \"127.0.0.1:8500\" }", "begins with none of http://, https:// and unix:///" },
	{ "consul \"c\" { url = \"unix:/run/consul.sock\" }",
	  "begins with none of http://, https:// and unix:///" },
	/* the API's own path, also with a slash behind */
	{ "consul \"c\" {\nurl = \"http://x:8500/v1/catalog\" }",
	  "FILE:2: url: \"http://x:8500/v1/catalog\" has the path of the API in it; leave out "
	  "\"/v1/catalog\"" },
	{ "consul \"c\" { url = \"https://x/consul/v1/\" }", "leave out \"/v1\"" },
	{ "consul \"c\" { url = \"https://x/v1/health/service/web\" }",
	  "leave out \"/v1/health/service/web\"" },
	{ "consul \"c\" { url = \"https://x/v1beta/v1\" }", "leave out \"/v1\"" },
	{ "etcd \"e\" { url = { \"http://a:2379\",\n\"http://b:2379/v3\" } }",
	  "FILE:2: url: \"http://b:2379/v3\" has the path of the API" },
	{ "etcd \"e\" { url = \"http://a:2379/v3/kv/range\" }", "leave out \"/v3/kv/range\"" },
	{ "kubernetes \"k\" { url = \"https://x/k8s/api\" }", "leave out \"/api\"" },
	{ "kubernetes \"k\" { url = \"https://x/apis/discovery.k8s.io/v1\" }",
	  "leave out \"/apis/discovery.k8s.io/v1\"" },
	{ "consul \"c\" { url = \"http://x/?dc=a\" }", "url: \"http://x/\" has a query" },
	{ "consul \"c\" { url = \"unix://run/x\" }", "url: \"unix://run/x\" has no absolute path" },
	{ "consul \"c\" { url = \"unix://\" }", "has no absolute path" },
	{ "consul \"c\" { url = \"unix:///0123456789012345678901234567890123456789012345678901234567890123456789"
	  "01234567890123456789012345678901234567\" }",
	  "url: the path of a socket has at most 107 octets" },
	{ "consul \"c\" { unix-socket = \"run/x\" }", "unix-socket: \"run/x\" is not an absolute path" },
	{ "consul \"c\" { timeout = 0 }", "timeout: \"0\" is not within 10ms .. 10m" },
	{ "consul \"c\" { interval = 1ms }", "interval: \"1ms\" is not within 100ms .. 1d" },
	{ "consul \"c\" { jitter = 2d }", "jitter: \"2d\" is not within 0 .. 1d" },
	{ "consul \"c\" { max-size = 2GiB }", "max-size: \"2GiB\" is not within 1 .. 1GiB" },
	{ "consul \"c\" { max-services = 0 }", "max-services: \"0\" is not within 1 .. 250000" },
	{ "consul \"c\" { max-instances = 1000001 }",
	  "max-instances: \"1000001\" is not within 1 .. 1000000" },
	{ "consul \"c\" { max-memory = 1KiB }", "max-memory: \"1KiB\" is not within 64KiB .. 256MiB" },
	{ "static \"s\" { max-services = 1 }", "max-services" },
	{ "consul \"c\" { headers = \"A\" }", "headers: one is not of the form" },
	{ "consul \"c\" { token = \"\" }", "token: must not be empty" },
	{ "consul \"c\" {\ntoken = \"a b\" }", "FILE:2: token: has a space or another character" },
	{ "http \"h\" { url = \"http://x\" token = \"\xc3\xa4\" }",
	  "token: has a space or another character" },
	{ "etcd \"e\" { url = { \"http://a\",\n\"ftp://b\" } }",
	  "FILE:2: url: \"ftp://b\" begins with neither" },
	{ "etcd \"e\" { url = { \"http://a\",\n\"http://a/\" } }",
	  "FILE:2: url: \"http://a\" stands here twice" },
	{ "etcd \"e\" { url = \"unix:///x\" }", "begins with neither http:// nor https://" },
	{ "etcd \"e\" { url = \"http://a?b\" }", "url: \"http://a\" has a query" },
	{ "etcd \"e\" { layout = coredns }", "layout: \"coredns\" is none of skydns, naming" },
	{ "etcd \"e\" { zone = \"a b\" }", "zone: \"a b\" is not a domain name" },
	{ "etcd \"e\" { password-file = \"p\" }", "password-file: \"p\" is not an absolute path" },
	{ "kubernetes \"k\" { url = \"unix:///x\" }", "begins with neither http:// nor https://" },
	{ "kubernetes \"k\" { url = \"http://x?a\" }", "has a query" },
	{ "kubernetes \"k\" { url = \"http://x\"\nnamespaces = { a,\n\"B\" } }",
	  "FILE:3: namespaces: \"B\" is not the name of a namespace: small letters" },
	{ "kubernetes \"k\" { url = \"http://x\" namespaces = \"a.b\" }", "is not the name of a namespace" },
	{ "kubernetes \"k\" { url = \"http://x\" namespaces = \"-a\" }", "is not the name of a namespace" },
	{ "kubernetes \"k\" { url = \"http://x\" namespaces = { a, a } }", "\"a\" stands here twice" },
	{ "kubernetes \"k\" { url = \"http://x\" names = name }",
	  "names: \"name\" is none of service, service.namespace" },
	{ "kubernetes \"k\" { url = \"http://x\"\nlabel-selector = \"a=b&limit=1\" }",
	  "FILE:2: label-selector: \"a=b&limit=1\" is not a selector of labels" },
	{ "dns \"d\" { names = a.example }", "FILE:1: dns \"d\": server is missing" },
	{ "dns \"d\" { server = 192.0.2.1 }", "FILE:1: dns \"d\": names is missing" },
	{ "dns \"d\" { server = \"ns.example\" }", "server: \"ns.example\" is not an IP address" },
	{ "dns \"d\" { server = \"192.0.2.1:0\" }", "is not an IP address" },
	{ "dns \"d\" { server = \"0.0.0.0\" }", "server: \"0.0.0.0\" is nobody's address" },
	{ "dns \"d\" { server = 192.0.2.1 names = { a.example,\n\"a b=c.example\" } }",
	  "FILE:2: names: \"a b\" is not the name of a service" },
	{ "dns \"d\" { server = 192.0.2.1 names = \"=c.example\" }",
	  "names: \"\" is not the name of a service" },
	{ "dns \"d\" { server = 192.0.2.1 names = \"a=\" }", "names: \"\" is not a domain name" },
	{ "dns \"d\" { server = 192.0.2.1 names = \"a=b c\" }", "names: \"b c\" is not a domain name" },
	{ "dns \"d\" { server = 192.0.2.1 names = \"a=b=c\" }", "names: \"b=c\" is not a domain name" },
	{ "dns \"d\" { server = 192.0.2.1 names = \"ns.example\" }", "uses the name \"ns\"" },
	{ "dns \"d\" { server = 192.0.2.1 names = \"_http._tcp.ns.example\" }", "uses the name \"ns\"" },
	{ "dns \"d\" { server = 192.0.2.1 names = \"_http._tcp\" }", "uses the name \"_tcp\"" },
	{ "dns \"d\" { server = 192.0.2.1 names = { a.b, a.b } }", "names: \"a.b\" stands here twice" },
	{ DNS("ask = a"), "FILE:2: ask: \"a\" is none of srv, address" },
	{ DNS("ask = address port = 0"), "port: \"0\" is not within 1 .. 65535" },
	{ DNS("watch = true"), "FILE:2: no such key in the dns block: watch" },
	{ DNS("token = a"), "no such key in the dns block: token" },
	/* keys that do not go together */
	{ "consul \"c\" {\ncert-file = \"/c\" }",
	  "FILE:2: consul \"c\": cert-file and key-file go together" },
	{ "etcd \"e\" { key-file = \"/c\" }", "etcd \"e\": cert-file and key-file go together" },
	{ "kubernetes \"k\" { url = \"https://x\" key-file = \"/c\" }",
	  "cert-file and key-file go together" },
	{ "etcd \"e\" {\nuser = u }", "FILE:2: etcd \"e\": user and password-file go together" },
	{ "consul \"c\" {\ntoken = t\ntoken-file = \"/t\" }",
	  "FILE:2: consul \"c\": either token or token-file" },
	{ "kubernetes \"k\" { url = \"http://x\" token = t token-file = \"/t\" }",
	  "either token or token-file" },
	{ "http \"h\" { url = \"http://x\" token = t token-file = \"/t\" }", "either token or token-file" },
	{ "http \"h\" { url = \"http://x\" token = t user = u password-file = \"/p\" }",
	  "either user or a token, not both" },
	{ "consul \"c\" { url = \"unix:///x\"\nunix-socket = \"/y\" }",
	  "FILE:2: consul \"c\": either unix-socket or a url of unix://" },
	{ "etcd \"e\" { layout = naming }", "etcd \"e\": prefix is missing" },
	{ "etcd \"e\" { layout = naming prefix = x\nzone = \"a.b\" }",
	  "FILE:2: etcd \"e\": zone goes with layout = skydns only" },
	{ "etcd \"e\" {\nprefix = \"skydns\" }",
	  "FILE:2: etcd \"e\": prefix: for skydns it begins with a slash" },
	{ "etcd \"e\" { prefix = \"\" }", "prefix: for skydns it begins with a slash" },
	{ DNS("port = 80"), "FILE:2: dns \"d\": port goes with ask = address only" },
	{ "listen = 127.0.0.2\ndns \"d\" { names = a.b\nserver = 127.0.0.2 }",
	  "FILE:3: dns \"d\": server is an address we listen on" },
	{ "consul \"a\" {}\netcd \"a\" {}", "FILE:2: etcd \"a\": the name is taken at FILE:1" },
	{ "zone \"a.b\" {}", "write a static, file, http, consul, etcd, kubernetes or dns block" },
	/* data that would be refused before it is stale */
	{ "static \"a\" {}\nzone \"a.b\" { stale-after = 10m\nstale-max = 10m }", "FILE:3: stale-max: " },
	{ "static \"a\" {}\nservice \"a.service.local\" { stale-max = 20s }", "FILE:2: stale-max: " },
	/* data that would be stale between two polls */
	{ "http \"h\" { url = \"http://x\"\ninterval = 30s }",
	  "FILE:2: interval: \"30s\" in http \"h\" is not below stale-after = 30s in zone \"service.local\"" },
	{ "file \"f\" { path = \"/x\"\ninterval = 1m }",
	  "FILE:2: interval: \"1m\" in file \"f\" is not below" },
	{ "consul \"c\" { watch = false\ninterval = 1m }", "FILE:2: interval: \"1m\" in consul \"c\"" },
	{ DNS("interval = 1m"), "FILE:2: interval: \"1m\" in dns \"d\"" },
	{ "file \"f\" { path = \"/x\" }\nzone \"a.b\" { stale-after = 5s }",
	  "FILE:1: interval: \"5s\" in file \"f\" is not below stale-after = 5s in zone \"a.b\"" },
	{ "file \"f\" { path = \"/x\"\n}\nservice \"a.service.local\" { stale-after = 1s }",
	  "FILE:1: interval: \"5s\" in file \"f\" is not below stale-after = 1s in service \"a.service.local\"" },
	{ "static \"a\" {}\nfile \"a\" { path = \"/x\"\ninterval = 1m }",
	  "FILE:3: interval: \"1m\" in file \"a\"" },
};

START_TEST(mistakes_are_told_with_file_and_line)
{
	leave_pod();
	config_text_bad(bad[_i].text, bad[_i].expected);
}
END_TEST

START_TEST(lists_and_texts_have_their_limits)
{
	static const struct {
		const char *before;
		size_t n;
		const char *expected;
	} vectors[] = {
		{ "consul \"c\" { services = {", 1024, "services: more than 1024 elements" },
		{ "dns \"d\" { server = 192.0.2.1 names = {", 1024, "names: more than 1024 elements" },
		{ "kubernetes \"k\" { url = \"http://x\" namespaces = {", 64, "more than 64 elements" },
	};
	enum { TEXT_SIZE = 16384 + 128 };
	char *elements = malloc(16384), *text = malloc(TEXT_SIZE);

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char *out = elements;

		for (size_t n = 0; n < vectors[i].n; n++)
			out += sprintf(out, "%sx%zu", n > 0 ? "," : "", n);
		snprintf(text, TEXT_SIZE, "%s %s } }", vectors[i].before, elements);
		config_destroy(config_text_good(text));
		strcpy(out, ",last");
		snprintf(text, TEXT_SIZE, "%s %s } }", vectors[i].before, elements);
		config_text_bad(text, vectors[i].expected);
	}
	memset(elements, 'x', 16383);
	elements[8193] = '\0';
	snprintf(text, TEXT_SIZE, "consul \"c\" { tags = %s }", elements);
	config_text_bad(text, "tags: longer than 8192 octets");
	elements[4097] = '\0';
	snprintf(text, TEXT_SIZE, "consul \"c\" { token = %s }", elements);
	config_text_bad(text, "token: longer than 4096 octets");
	elements[201] = '\0';
	snprintf(text, TEXT_SIZE, "dns \"d\" { server = 192.0.2.1 names = \"%s=a.b\" }", elements);
	config_text_bad(text, "is not the name of a service");
	free(elements);
	free(text);
}
END_TEST

static const char *const fine[] = {
	"http \"h\" { url = \"http://x\" interval = 29s }",
	"http \"h\" { url = \"http://x\" interval = 1d } zone \"a.b\" { stale-after = 2d stale-max = 0 }",
	"static \"s\" {} zone \"a.b\" { stale-after = 1s }",
	/* in another zone, or nowhere */
	"file \"f\" { path = \"/x\" interval = 1h } static \"s\" {} zone \"a.b\" { registries = s }",
	/* streams do not wait for an interval, nor do questions that are held */
	"etcd \"e\" { interval = 1h }",
	"kubernetes \"k\" { url = \"http://x\" interval = 1h }",
	"consul \"c\" { interval = 1h wait = 10m }",
	"consul \"c\" { watch = false wait = 10m }",
	/* what is no path of the API: a proxy's own, a host, a socket */
	"consul \"c\" { url = \"https://x/v1/consul\" }",
	"consul \"c\" { url = \"https://x/v1beta\" }",
	"consul \"c\" { url = \"http://v1\" }",
	"consul \"c\" { url = \"unix:///run/v1\" }",
	"etcd \"e\" { url = \"https://x/v1\" }",
	"kubernetes \"k\" { url = \"https://x/k8s/clusters/c-1\" }",
	/* the same socket, another way; a name that is asked for twice */
	"consul \"c\" { url = \"https://localhost\" unix-socket = \"/x\" }",
	"dns \"d\" { server = 192.0.2.1 names = { \"a=x.y\", \"b=x.y\" } }",
	"dns \"d\" { server = \"127.0.0.1:5353\" names = a.b }",
	"dns \"d\" { server = 192.0.2.1 names = { \"_http._tcp.a.b\", \"_x.y\", \"a=_tcp\" } }",
	"consul \"c\" { token = \"${PHONEBOOK_UNSET:-anonymous}\" }",
};

START_TEST(what_is_unusual_but_clear_is_accepted)
{
	unsetenv("PHONEBOOK_UNSET");
	config_destroy(config_text_good(fine[_i]));
}
END_TEST

/* What may be a secret is not in the complaint, which many can read. */
static const char *const secret[] = {
	"token = \"s3cret and\"",
	"token = \"s3cret\" token = \"s3cret\"",
	"token = \"s3cret\" token-file = \"/t\"",
	"token = { \"s3cret\" }",
	"token = \"s3cret",
	"token \"s3cret\"",
	"token = \"x\" \"s3cret\"",
	"token = x s3cret-0",
	"token = x, s3cret",
	"s3cret = x",
};

START_TEST(secrets_are_not_in_complaints)
{
	char text[256], *errors;
	struct config *c = NULL;

	snprintf(text, sizeof(text), "consul \"c\" {\n%s\n}", secret[_i]);
	ck_assert_int_eq(config_text_read(text, &errors, &c), -EINVAL);
	ck_assert_msg(strstr(errors, "s3cret") == NULL, "%s", errors);
	ck_assert_msg(strstr(errors, "FILE:") != NULL, "%s", errors);
	free(errors);
}
END_TEST

static uint64_t fingerprint_of(const char *text)
{
	struct config *c = config_text_good(text);
	const uint64_t fingerprint = c->feed->registries[0].fingerprint;

	config_destroy(c);
	return fingerprint;
}

static const char *const different[] = {
	"consul \"x\" {}",
	"consul \"x\" { url = \"unix:///a\" }",
	"consul \"x\" { mode = catalog }",
	"consul \"x\" { services = a }",
	"consul \"x\" { services = { a, b } }",
	"consul \"x\" { tags = a }",
	"consul \"x\" { datacenter = a }",
	"consul \"x\" { namespace = a }",
	"consul \"x\" { partition = a }",
	"consul \"x\" { near = a }",
	"consul \"x\" { filter = a }",
	"consul \"x\" { stale = false }",
	"consul \"x\" { watch = false }",
	"consul \"x\" { wait = 1s }",
	"consul \"x\" { held = 1 }",
	"consul \"x\" { token = a }",
	"consul \"x\" { token = b }",
	"etcd \"x\" {}",
	"etcd \"x\" { url = { \"http://a\", \"http://b\" } }",
	"etcd \"x\" { prefix = \"/a\" }",
	"etcd \"x\" { layout = naming prefix = \"/skydns/\" }",
	"etcd \"x\" { zone = \"\" }",
	"etcd \"x\" {} zone \"a.b\" {}",
	"etcd \"x\" { user = a password-file = \"/p\" }",
	"etcd \"x\" { user = a password-file = \"/q\" }",
	"kubernetes \"x\" { url = \"http://x\" }",
	"kubernetes \"x\" { url = \"http://x\" namespaces = a }",
	"kubernetes \"x\" { url = \"http://x\" names = service.namespace }",
	"kubernetes \"x\" { url = \"http://x\" label-selector = \"a=b\" }",
	"dns \"x\" { server = 192.0.2.1 names = a.b }",
	"dns \"x\" { server = 192.0.2.2 names = a.b }",
	"dns \"x\" { server = 192.0.2.1 names = \"c=a.b\" }",
	"dns \"x\" { server = 192.0.2.1 names = a.b ask = address }",
	"dns \"x\" { server = 192.0.2.1 names = a.b ask = address port = 80 }",
};

START_TEST(fingerprints_differ_when_something_changed)
{
	for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++) {
		if ((int)i != _i)
			ck_assert_uint_ne(fingerprint_of(different[_i]), fingerprint_of(different[i]));
	}
}
END_TEST

START_TEST(fingerprints_are_equal_for_what_means_the_same)
{
	const uint64_t etcd = fingerprint_of("etcd \"x\" {}");

	ck_assert_uint_eq(etcd, fingerprint_of("etcd x { prefix = \"/skydns\" zone = \"Service.Local.\" }"));
	ck_assert_uint_eq(etcd, fingerprint_of("etcd x { url = \"http://127.0.0.1:2379/\" watch = true }"));
	ck_assert_uint_eq(fingerprint_of("consul \"x\" {}"), fingerprint_of("consul x { stale = true }"));
}
END_TEST

/* The address of the API server is none of the file, and a pod can be started elsewhere with the same one. */
START_TEST(fingerprints_tell_clusters_apart)
{
	enter_pod("10.96.0.1", "443");
	const uint64_t fingerprint = fingerprint_of("kubernetes \"x\" {}");
	ck_assert_uint_eq(fingerprint, fingerprint_of("kubernetes \"x\" {}"));
	enter_pod("10.96.0.2", "443");
	ck_assert_uint_ne(fingerprint, fingerprint_of("kubernetes \"x\" {}"));
	leave_pod();
}
END_TEST

#define N(vectors) ((int)(sizeof(vectors) / sizeof((vectors)[0])))

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, config_text_begin, config_text_end);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("config_registries");
	TCase *values = add_case(suite, "values");
	TCase *mistakes = add_case(suite, "mistakes");
	TCase *fingerprints = add_case(suite, "fingerprints");

	tcase_add_test(values, short_blocks_are_good);
	tcase_add_test(values, tokens_of_http_arrive);
	tcase_add_loop_test(values, limits_of_each_kind_arrive, 0, sizeof(limited) / sizeof(limited[0]));
	tcase_add_test(values, defaults_of_consul_are_those_of_the_manual);
	tcase_add_test(values, keys_of_consul_arrive);
	tcase_add_test(values, unix_urls_are_sockets);
	tcase_add_test(values, defaults_of_etcd_are_those_of_the_manual);
	tcase_add_test(values, keys_of_etcd_arrive);
	tcase_add_loop_test(values, zone_of_etcd_is_the_first_with_the_registry, 0, N(etcd_zones));
	tcase_add_test(values, prefixes_end_with_a_slash);
	tcase_add_test(values, defaults_of_kubernetes_are_those_of_the_manual);
	tcase_add_test(values, keys_of_kubernetes_arrive);
	tcase_add_loop_test(values, in_a_pod_its_cluster_is_the_default, 0, N(pods));
	tcase_add_loop_test(values, outside_a_pod_the_url_must_be_given, 0, N(no_pods));
	tcase_add_test(values, keys_of_dns_arrive);
	tcase_add_loop_test(values, what_is_unusual_but_clear_is_accepted, 0, N(fine));
	tcase_add_loop_test(mistakes, mistakes_are_told_with_file_and_line, 0, N(bad));
	tcase_add_test(mistakes, lists_and_texts_have_their_limits);
	tcase_add_loop_test(mistakes, secrets_are_not_in_complaints, 0, N(secret));
	tcase_add_loop_test(fingerprints, fingerprints_differ_when_something_changed, 0, N(different));
	tcase_add_test(fingerprints, fingerprints_are_equal_for_what_means_the_same);
	tcase_add_test(fingerprints, fingerprints_tell_clusters_apart);
	return harness_run(suite);
}
