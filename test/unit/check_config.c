/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/tree.h"
#include "config_text.h"
#include "harness.h"
#include "reference.h"

static void expect_endpoint(const struct endpoint *e, const char *expected)
{
	char text[ENDPOINT_TEXT_MAX];

	ck_assert_str_eq(endpoint_to_text(e, text), expected);
}

static void expect_origin(const struct zone_options *z, const char *expected)
{
	char text[NAME_TEXT_MAX];

	ck_assert_str_eq(name_to_text(z->origin.octets, text), expected);
}

/* Good files */

START_TEST(defaults_are_those_of_the_manual)
{
	struct config *c = config_text_good("file \"local\" { path = \"/srv/*.json\" }");
	const struct registry_options *r = c->feed->registries;
	const struct zone_options *z = c->feed->zones;

	ck_assert_uint_eq(c->server.n_listen, 2);
	expect_endpoint(&c->server.listen[0], "127.0.0.1:53");
	expect_endpoint(&c->server.listen[1], "[::1]:53");
	ck_assert_uint_eq(c->server.threads, 1);
	ck_assert_uint_eq(c->server.tcp_clients, 256);
	ck_assert_uint_eq(c->server.tcp_idle_ms, 10000);
	ck_assert_uint_eq(c->server.guests.n, 0);
	ck_assert_uint_eq(c->server.hold_queries, 256);
	ck_assert_uint_eq(c->forward.jobs, 1024);
	ck_assert_str_eq(c->user, "phonebook");
	ck_assert_int_eq(c->log_level, LOG_INFO);
	ck_assert_uint_eq(c->forward.n_upstreams, 0);
	ck_assert_uint_eq(c->forward.try_ms, 1500);
	ck_assert_uint_eq(c->forward.deadline_ms, 4000);
	ck_assert_uint_eq(c->feed->n_listen, 2);
	expect_endpoint(&c->feed->listen[1], "[::1]:53");

	ck_assert_uint_eq(c->feed->n_registries, 1);
	ck_assert_str_eq(r->kind, "file");
	ck_assert_str_eq(r->name, "local");
	ck_assert_str_eq(r->path, "/srv/*.json");
	ck_assert_uint_eq(r->interval_ms, 5000);
	ck_assert_uint_eq(r->jitter_ms, 1000);
	ck_assert_uint_eq(r->max_size, 64 * 1024 * 1024);
	ck_assert_ptr_null(r->service);
	ck_assert_str_eq(r->service_label, "service");

	ck_assert_uint_eq(c->feed->n_zones, 1);
	expect_origin(z, "service.local");
	ck_assert_int_eq(z->merge, MERGE_FIRST);
	ck_assert_uint_eq(z->n_registries, 1);
	ck_assert_uint_eq(z->registries[0], 0);
	ck_assert_uint_eq(z->answer.ttl_s, 2);
	ck_assert_uint_eq(z->answer.negative_ttl_s, 1);
	ck_assert_uint_eq(z->answer.address_limit, 0);
	ck_assert_int_eq(z->answer.health, HEALTH_RULE_PASSING);
	ck_assert_uint_eq(z->answer.age.stale_after_ms, 30000);
	ck_assert_uint_eq(z->answer.brake_ms, 10000);
	ck_assert_uint_eq(z->n_services, 0);
	config_destroy(c);
}
END_TEST

START_TEST(keys_at_the_top_arrive)
{
	struct config *c = config_text_good(
		"listen = { \"127.0.0.1:5353\", ::1 }\n"
		"threads = 64 user = '' log-level = debug tcp-clients = 1 tcp-idle = 500ms\n"
		"bootstrap = 192.0.2.9 allow = { 10.0.0.0/8, 192.0.2.7, \"fd00::/8\" }\n"
		"hold-queries = 0 forward-jobs = 8192\n"
		"static a {} forward . { upstreams = { 192.0.2.1, '[2001:db8::1]:5300' } }\n");

	ck_assert_uint_eq(c->server.n_listen, 2);
	expect_endpoint(&c->server.listen[0], "127.0.0.1:5353");
	expect_endpoint(&c->server.listen[1], "[::1]:53");
	ck_assert_uint_eq(c->server.threads, 64);
	ck_assert_str_eq(c->user, "");
	ck_assert_int_eq(c->log_level, LOG_DEBUG);
	ck_assert_uint_eq(c->server.tcp_clients, 1);
	ck_assert_uint_eq(c->server.tcp_idle_ms, 500);
	ck_assert_uint_eq(c->server.guests.n, 3);
	ck_assert_uint_eq(c->server.guests.networks[0].prefix, 8);
	ck_assert_uint_eq(c->server.guests.networks[1].prefix, 32);
	ck_assert_uint_eq(c->server.guests.networks[2].address.octets[0], 0xfd);
	ck_assert_uint_eq(c->server.hold_queries, 0);
	ck_assert_uint_eq(c->forward.jobs, 8192);
	ck_assert_uint_eq(c->feed->n_bootstrap, 1);
	expect_endpoint(&c->feed->bootstrap[0], "192.0.2.9:53");
	ck_assert_uint_eq(c->forward.n_upstreams, 2);
	expect_endpoint(&c->forward.upstreams[1], "[2001:db8::1]:5300");
	config_destroy(c);
}
END_TEST

START_TEST(upstreams_are_the_default_of_bootstrap)
{
	struct config *c = config_text_good("static a {} forward . { upstreams = { 192.0.2.1, 192.0.2.2 } }");

	ck_assert_uint_eq(c->feed->n_bootstrap, 2);
	expect_endpoint(&c->feed->bootstrap[1], "192.0.2.2:53");
	config_destroy(c);
}
END_TEST

START_TEST(keys_of_http_arrive)
{
	struct config *c = config_text_good(
		"http \"h\" {\n"
		"url = \"https://registry.example:8443/a?b=c\" interval = 100ms jitter = 0\n"
		"timeout = 10ms user = \"reader\" password-file = \"/p\" ca-file = \"/ca\"\n"
		"headers = { \"Accept: a/b\", \"X: \" } cert-file = \"/c\" key-file = \"/k\"\n"
		"unix-socket = \"/run/s\" max-size = 64KiB service = \"s\"\n"
		"service-label = \"job\" }\n"
		"http \"plain\" { url = \"http://[2001:db8::1]\" token-file = \"/t\" }\n");
	const struct registry_options *r = c->feed->registries;

	ck_assert_str_eq(r->kind, "http");
	ck_assert_str_eq(r->http.url, "https://registry.example:8443/a?b=c");
	ck_assert_uint_eq(r->interval_ms, 100);
	ck_assert_uint_eq(r->jitter_ms, 0);
	ck_assert_uint_eq(r->http.timeout_ms, 10);
	ck_assert_str_eq(r->http.user, "reader");
	ck_assert_str_eq(r->http.password_file, "/p");
	ck_assert_str_eq(r->http.ca_file, "/ca");
	ck_assert_str_eq(r->http.cert_file, "/c");
	ck_assert_str_eq(r->http.key_file, "/k");
	ck_assert_str_eq(r->http.unix_socket, "/run/s");
	ck_assert_uint_eq(r->http.max_size, 65536);
	ck_assert_str_eq(r->http.headers[0], "Accept: a/b");
	ck_assert_str_eq(r->http.headers[1], "X: ");
	ck_assert_ptr_null(r->http.headers[2]);
	ck_assert_str_eq(r->service, "s");
	ck_assert_str_eq(r->service_label, "job");
	ck_assert_ptr_null(r[1].http.headers[0]);
	ck_assert_ptr_null(r[1].http.user);
	ck_assert_str_eq(r[1].http.token_file, "/t");
	ck_assert_uint_eq(r[1].http.timeout_ms, 2000);
	ck_assert_uint_eq(r[1].http.max_size, 8 * 1024 * 1024);
	config_destroy(c);
}
END_TEST

START_TEST(static_instances_arrive_in_order)
{
	struct config *c = config_text_good(
		"static \"a\" {\n"
		"instance \"10.0.0.9:8080\" { service = \"legacy\" tags = { \"v2\", \"v1\" } weight = 0 priority = 7\n"
		"  name = \"n\" port-name = \"http\" protocol = udp zone = \"rack\" health = critical }\n"
		"instance \"db.example:5432\" { service = \"db.shop\" }\n"
		"instance \"10.0.0.9:8080\" { service = \"other\" } }\n"
		"static \"b\" { instance \"10.0.0.9:8080\" { service = \"legacy\" } }\n");
	const struct registry_options *r = c->feed->registries;
	const struct static_instance *i = r->instances;

	ck_assert_uint_eq(c->feed->n_registries, 2);
	ck_assert_str_eq(r->kind, "static");
	ck_assert_str_eq(r->service_label, "service");
	ck_assert_uint_eq(r->n_instances, 3);
	ck_assert_str_eq(i->address, "10.0.0.9:8080");
	ck_assert_str_eq(i->service, "legacy");
	ck_assert_uint_eq(i->n_tags, 2);
	ck_assert_str_eq(i->tags[0], "v2");
	ck_assert_str_eq(i->tags[1], "v1");
	ck_assert_int_eq(i->weight, 0);
	ck_assert_int_eq(i->priority, 7);
	ck_assert_str_eq(i->name, "n");
	ck_assert_str_eq(i->port_name, "http");
	ck_assert_str_eq(i->zone, "rack");
	ck_assert_int_eq(i->protocol, PROTOCOL_UDP);
	ck_assert_int_eq(i->health, HEALTH_CRITICAL);
	ck_assert_str_eq(i[1].address, "db.example:5432");
	ck_assert_int_eq(i[1].weight, 1);
	ck_assert_int_eq(i[1].health, HEALTH_PASSING);
	ck_assert_int_eq(i[1].protocol, PROTOCOL_ANY);
	ck_assert_uint_eq(i[1].n_tags, 0);
	ck_assert_ptr_null(i[1].name);
	ck_assert_str_eq(i[2].service, "other");
	ck_assert_uint_eq(r[1].n_instances, 1);
	config_destroy(c);
}
END_TEST

START_TEST(services_inherit_from_the_longest_zone)
{
	struct config *c = config_text_good(
		"zone \"Service.Local\" { ttl = 3s health = any registries = { \"b\", \"a\" } }\n"
		"zone \"deep.service.local\" { ttl = 9s merge = union }\n"
		"service \"zz.service.local\" { ttl = 0 }\n"
		"service \"B.Shop.Service.Local.\" { address-limit = 1 brake = 0 }\n"
		"service \"x.y.deep.service.local\" { negative-ttl = 30s }\n"
		"static \"a\" {} static \"b\" {}\n");
	const struct zone_options *z = c->feed->zones;

	ck_assert_uint_eq(c->feed->n_zones, 2);
	expect_origin(&z[0], "service.local");
	ck_assert_uint_eq(z[0].n_registries, 2);
	ck_assert_uint_eq(z[0].registries[0], 1);
	ck_assert_uint_eq(z[0].registries[1], 0);
	ck_assert_uint_eq(z[0].n_services, 2);
	ck_assert_str_eq(z[0].services[0].name, "b.shop");
	ck_assert_uint_eq(z[0].services[0].answer.ttl_s, 3);
	ck_assert_uint_eq(z[0].services[0].answer.address_limit, 1);
	ck_assert_uint_eq(z[0].services[0].answer.brake_ms, 0);
	ck_assert_int_eq(z[0].services[0].answer.health, HEALTH_RULE_ANY);
	ck_assert_str_eq(z[0].services[1].name, "zz");
	ck_assert_uint_eq(z[0].services[1].answer.ttl_s, 0);
	ck_assert_int_eq(z[1].merge, MERGE_UNION);
	ck_assert_uint_eq(z[1].n_registries, 2);
	ck_assert_uint_eq(z[1].n_services, 1);
	ck_assert_str_eq(z[1].services[0].name, "x.y");
	ck_assert_uint_eq(z[1].services[0].answer.ttl_s, 9);
	ck_assert_uint_eq(z[1].services[0].answer.negative_ttl_s, 30);
	config_destroy(c);
}
END_TEST

START_TEST(comments_stand_wherever_a_space_may)
{
	struct config *c = config_text_good("# one\n// two\n/* three\n * lines { */ listen = { # in a list\n"
					    "\"127.0.0.1:53\", /* \" */ \"127.0.0.2:53\" // }\n}\n"
					    "file \"a\" { path = \"/#/*x*/\" } # }");

	ck_assert_uint_eq(c->server.n_listen, 2);
	ck_assert_str_eq(c->feed->registries->path, "/#/*x*/");
	config_destroy(c);
}
END_TEST

START_TEST(environment_is_filled_in_between_double_quotes_only)
{
	setenv("PHONEBOOK_TEST", "/from/environment", 1);
	unsetenv("PHONEBOOK_UNSET");
	struct config *c = config_text_good("file \"a\" { path = \"${PHONEBOOK_TEST}/x\" }\n"
					    "file \"b\" { path = '${PHONEBOOK_TEST}/x' }\n"
					    "file \"c\" { path = \"${PHONEBOOK_UNSET:-/default}/x\" }\n"
					    "file \"d\" { path = \"\\${PHONEBOOK_UNSET}\\\\\\\"\" }\n");
	const struct registry_options *r = c->feed->registries;

	ck_assert_str_eq(r[0].path, "/from/environment/x");
	ck_assert_str_eq(r[1].path, "${PHONEBOOK_TEST}/x");
	ck_assert_str_eq(r[2].path, "/default/x");
	ck_assert_str_eq(r[3].path, "${PHONEBOOK_UNSET}\\\"");
	config_destroy(c);
}
END_TEST

START_TEST(control_characters_from_the_environment_are_refused)
{
	setenv("PHONEBOOK_TEST", "a\nb", 1);
	config_text_bad("http \"h\" { url = \"http://x\"\nheaders = \"X: ${PHONEBOOK_TEST}\" }",
			"FILE:2: headers: has a control character");
}
END_TEST

/* Bad files: what must be said, line included. */
static const struct {
	const char *text, *expected;
} bad[] = {
	/* syntax */
	{ "\n\nzone \"a.b\" {\nttl = 1s\n", "FILE:3: this '{' is never closed" },
	{ "zone \"a.b\" {\nfile \"x\" {}", "FILE:1: this '{' is never closed" },
	{ "static \"a\" {}\n}", "FILE:2: '}' without '{'" },
	{ "\nuser = \"abc\nthreads = 1", "FILE:2: a string must end on its line" },
	{ "user = 'abc", "FILE:1: a string must end on its line" },
	{ "\n/* never", "FILE:2: this comment is never closed" },
	{ "user \"x\"", "FILE:1: missing equal sign" },
	{ "zone {}", "FILE:1: missing title" },
	{ "listen = {}", "FILE:1: an empty list" },
	{ "listen = { /* nothing */ }", "FILE:1: an empty list" },
	{ "user += \"x\"", "FILE:1: '+'" },
	{ "file \"a\" { path = /etc/* }", "FILE:1: '*'" },
	{ "http \"a\" { url = http://x/#y }", "FILE:1: '#'" },
	{ "threads = 1;", "FILE:1: ';'" },
	{ "user = $HOME", "FILE:1: '$'" },
	{ "user = \"\\x41\"", "FILE:1: in double quotes a backslash" },
	{ "user = \"\\777\"", "FILE:1: in double quotes a backslash" },
	{ "user = \"${PHONEBOOK_UNSET}\"", "FILE:1: environment variable PHONEBOOK_UNSET is not set" },
	{ "user = \"${HOME\"", "FILE:1: \"${\" without" },
	{ "user = \"a\x01\"", "FILE:1: control character 0x01" },
	{ "\xef\xbb\xbfuser = \"a\"", "FILE:1: character 0xef" },
	{ "a { b { c { d { e {", "braces too deep" },
	{ "include(\"x\")", "FILE:1: missing equal sign" },
	/* keys */
	{ "\nintervall = 5s", "FILE:2: no such key or block: intervall" },
	{ "http \"a\" {\nurl = \"http://x\"\nintervall = 5s }",
	  "FILE:3: no such key in the http block: intervall" },
	{ "http \"a\" { intervall = 5s }", "known are url, interval, jitter" },
	{ "static \"a\" { service = \"b\" }", "FILE:1: no such key in the static block: service" },
	{ "threads = 1\nthreads = 2", "FILE:2: threads: given twice, first at FILE:1" },
	{ "threads = 1\nthreads = 1", "FILE:2: threads: given twice" },
	{ "listen = 127.0.0.1\nlisten = { ::1 }", "FILE:2: listen: given twice" },
	{ "zone \"a.b\" { ttl = 1s\nttl = 2s }", "FILE:2: ttl: given twice" },
	{ "zone \"a.b\" {}\n\"zone=a.b|ttl\" = 1s", "FILE:2: no sub-section" },
	{ "\"zone|ttl\" = 1s", "FILE:1: " },
	{ "\"\" = 1s", "FILE:1: cannot be understood" },
	{ "file \"a\" {\ninterval = 1s }", "FILE:1: file \"a\": path is missing" },
	{ "\nhttp \"a\" {}", "FILE:2: http \"a\": url is missing" },
	{ "static \"a\" {\ninstance \"10.0.0.1\" {} }", "FILE:2: instance \"10.0.0.1\": service is missing" },
	{ "forward \".\" {}", "FILE:1: forward \".\": upstreams is missing" },
	/* not in this version */
	{ "\nmetrics = \"/x\"", "FILE:2: metrics: not built into this version" },
	{ "control = \"\"", "control: not built into" },
	{ "metrics = \"x\"", "metrics: not built into" },
	{ "cache { size = 1MiB }", "cache: not built into" },
	{ "forward \".\" { resolv-conf = \"/x\" }", "resolv-conf: not built into" },
	{ "\nforward \"corp.example\" { upstreams = 192.0.2.1 }",
	  "FILE:2: forward \"corp.example\": only \".\"" },
	/* values */
	{ "threads = 0", "FILE:1: threads: \"0\" is not within 1 .. 64" },
	{ "threads = 65", "not within 1 .. 64" },
	{ "threads = one", "threads: \"one\" is not a number" },
	{ "threads = -1", "threads: \"-1\" is not a number" },
	{ "threads = 0x1", "not a number" },
	{ "threads = 18446744073709551617", "not a number" },
	{ "log-level = loud", "log-level: \"loud\" is none of error, warning, info, debug" },
	{ "zone \"a.b\" { merge = both }", "merge: \"both\" is none of first, union" },
	{ "zone \"a.b\" { health = good }", "health: \"good\" is none of passing, warning, any" },
	{ "zone \"a.b\" { ttl = 5 }", "ttl: \"5\" is not a duration" },
	{ "zone \"a.b\" { ttl = 31s }", "ttl: \"31s\" is not within 0s .. 30s" },
	{ "zone \"a.b\" { negative-ttl = 1m }", "negative-ttl: \"1m\" is not within 0s .. 30s" },
	{ "zone \"a.b\" { ttl = 1500ms }", "ttl: \"1500ms\" is not a number of whole seconds" },
	{ "file \"a\" { path = \"/x\" interval = 10ms }", "interval: \"10ms\" is not within 100ms .. 1d" },
	{ "zone \"a.b\" { stale-after = 8d }", "stale-after: \"8d\" is not within 1s .. 7d" },
	{ "file \"a\" { path = \"/x\" max-size = 8MB }", "max-size: \"8MB\" is not a size" },
	{ "file \"a\" { path = \"/x\" max-size = 2GiB }", "max-size: \"2GiB\" is not within 1 .. 1GiB" },
	{ "file \"a\" { path = \"\" }", "path: must not be empty" },
	{ "user = \"0123456789012345678901234567890123\"", "user: longer than 32 octets" },
	{ "listen = \"localhost\"", "listen: \"localhost\" is not an IP address" },
	{ "listen = \"127.0.0.1:0\"", "listen: \"127.0.0.1:0\" is not an IP address" },
	{ "listen = \"[::1]:0\"", "listen: \"[::1]:0\" is not an IP address" },
	{ "listen = \"127.0.0.1:65536\"", "is not an IP address" },
	{ "listen = \"224.0.0.1\"", "listen: \"224.0.0.1\" is nobody's address" },
	{ "allow = \"10.0.0.1/8\"", "allow: \"10.0.0.1/8\" is neither an IP address nor a network" },
	{ "allow = {\n\"10.0.0.0/8\",\nfriends }", "FILE:3: allow: \"friends\" is neither" },
	{ "allow = \"fe80::1%eth0\"", "allow: \"fe80::1%eth0\" is neither" },
	{ "allow = {}", "FILE:1: an empty list" },
	{ "hold-queries = 16385", "hold-queries: \"16385\" is not within 0 .. 16384" },
	{ "forward-jobs = 0", "forward-jobs: \"0\" is not within 1 .. 8192" },
	{ "listen = { 127.0.0.1, \"127.0.0.1:53\" }", "listen: 127.0.0.1:53 stands here twice" },
	/* each element has its own line */
	{ "listen = {\n127.0.0.1,\n0.0.0.0 }", "FILE:3: listen: 0.0.0.0:53 is no single address" },
	{ "listen = {\n127.0.0.1,\n::1,\n\"127.0.0.1:53\",\n::2 }", "FILE:4: listen: 127.0.0.1:53 stands" },
	{ "listen = {\n127.0.0.1,\nx,\n::1,\n::1 }", "FILE:5: listen: [::1]:53 stands here twice" },
	{ "listen = {\n127.0.0.1,\nx,\n::1,\n::1 }", "FILE:3: listen: \"x\" is not an IP address" },
	{ "listen = 127.0.0.2\nforward . { upstreams = {\n192.0.2.1,\n127.0.0.2,\n192.0.2.2 } }",
	  "FILE:4: upstreams: \"127.0.0.2\" is an address we" },
	{ "listen = 127.0.0.2\nbootstrap = {\n192.0.2.1,\n127.0.0.2 }",
	  "FILE:4: bootstrap: \"127.0.0.2\" is" },
	{ "forward . { upstreams = {\n192.0.2.1,\n0.0.0.0 } }",
	  "FILE:3: upstreams: \"0.0.0.0\" is nobody's" },
	{ "static s {} zone a.b { registries = {\ns,\nnix } }", "FILE:3: registries: there is no" },
	{ "bootstrap = 0.0.0.0", "bootstrap: \"0.0.0.0\" is nobody's address" },
	{ "forward . { upstreams = { ::2, ::3, ::4, ::5, ::6, ::7, ::8, ::9, ::a } }",
	  "upstreams: more than 8 elements" },
	{ "http \"a\" { url = \"ftp://x\" }", "url: \"ftp://x\" begins with neither http:// nor https://" },
	{ "http \"a\" { url = \"http\" }", "begins with neither" },
	{ "http \"a\" { url = \"http:///x\" }", "has no valid host" },
	{ "http \"a\" { url = \"http://x:99999/\" }", "has no valid host" },
	{ "http \"a\" { url = 'http://x\\@y/' }", "has no valid host" },
	{ "http \"a\" { url = \"http://u:secret@x/\" }", "no user or password in a URL" },
	{ "http \"a\" { url = \"http://x/a b\" }", "has a space" },
	{ "http \"a\" { url = \"http://x\" token-file = \"token\" }",
	  "token-file: \"token\" is not an absolute path" },
	{ "http \"a\" { url = \"http://x\" ca-file = \"ca\" }", "ca-file: \"ca\" is not an absolute path" },
	{ "http \"a\" { url = \"http://x\"\nheaders = { \"A: b\",\n\"X\" } }",
	  "FILE:3: headers: one is not of the form" },
	{ "http \"a\" { url = \"http://x\" headers = \"X Y: z\" }", "is not of the form" },
	{ "http \"a\" { url = \"http://x\" service = \"a b\" }",
	  "service: \"a b\" is not the name of a service" },
	{ "file \"a\" { path = \"/x\"\nservice = \"ns\" }",
	  "FILE:2: service: Phonebook itself uses the name \"ns\"" },
	{ "static \"a\" { instance \"10.0.0.1\" { service = \"a.addr\" } }", "uses the name \"a.addr\"" },
	{ "static \"a\" { instance \"10.0.0.1\" {\nservice = \"_status\" } }",
	  "FILE:2: service: Phonebook itself uses" },
	{ "static \"a\" { instance \"10.0.0.1\" { service = \"a\"\nname = \"a.b\" } }",
	  "FILE:2: name: \"a.b\" is not a label" },
	{ "static \"a\" { instance \"10.0.0.1\" { service = \"a\" port-name = \"h p\" } }",
	  "port-name: \"h p\" is not a label" },
	{ "static \"a\" { instance \"10.0.0.1\" { service = \"x\" weight = 65536 } }",
	  "not within 0 .. 65535" },
	{ "static \"a\" { instance \"10.0.0.1\" { service = \"x\" protocol = sctp } }",
	  "none of any, tcp, udp" },
	{ "static \"a\" { instance \"10.0.0.1\" { service = \"x\" tags = { \"\" } } }",
	  "tags: must not be empty" },
	/* keys and blocks that do not go together */
	{ "http \"a\" { url = \"http://x\" cert-file = \"/c\" }",
	  "FILE:1: http \"a\": cert-file and key-file" },
	{ "http \"a\" { url = \"http://x\" key-file = \"/c\" }", "cert-file and key-file go together" },
	{ "http \"a\" { url = \"http://x\" user = \"u\" }", "user and password-file go together" },
	{ "http \"a\" { url = \"http://x\" user = \"u\" password-file = \"/p\" token-file = \"/t\" }",
	  "FILE:1: http \"a\": either user or a token" },
	{ "zone \"a.b\" {}\nzone \"a.b\" {}", "FILE:2: zone \"a.b\": given twice, also at FILE:1" },
	{ "zone \"a.b\" {}\nzone \"A.B.\" {}", "FILE:2: zone \"A.B.\": given twice, also at FILE:1" },
	{ "zone \"a b\" {}", "FILE:1: zone \"a b\": not a domain name" },
	{ "zone \".\" {}", "zone \".\": not a domain name" },
	{ "zone \"a.b\" {\nregistries = { \"nix\" } }", "FILE:2: registries: there is no registry \"nix\"" },
	{ "static \"s\" {} zone \"a.b\" { registries = { \"s\", \"s\" } }", "\"s\" stands here twice" },
	{ "static \"a\" {}\nfile \"a\" { path = \"/x\" }",
	  "FILE:2: file \"a\": the name is taken at FILE:1" },
	{ "static \"a b\" {}", "FILE:1: static: a registry is called by" },
	{ "static \"\" {}", "static: a registry is called by" },
	{ "zone \"a.b\" {}\nservice \"x.service.local\" {}",
	  "FILE:2: service \"x.service.local\": not below a zone" },
	{ "service \"service.local\" {}", "not below a zone" },
	{ "service \"x..service.local\" {}", "not a domain name" },
	{ "\nservice \"ns.service.local\" {}", "FILE:2: service \"ns.service.local\": no service can have" },
	{ "service \"x.service.local\" {}\nservice \"X.service.local\" {}", "given twice, also at FILE:" },
	{ "static \"a\" {\ninstance \"10.0.0.999:1\" { service = \"x\" } }",
	  "FILE:2: instance \"10.0.0.999:1\": not an" },
	{ "static \"a\" { instance \"0.0.0.0:1\" { service = \"x\" } }", "instance \"0.0.0.0:1\": not an" },
	{ "static \"a\" {\n\ninstance \"0x7f000001:80\" { service = \"x\" } }",
	  "FILE:3: instance \"0x7f000001:80\": not an" },
	{ "static \"a\" { instance \"2130706433\" { service = \"x\" } }", "instance \"2130706433\": not an" },
	{ "static \"a\" { instance \"a b\" { service = \"x\" } }", "instance \"a b\": not an" },
	{ "static \"a\" { instance \"h:1\" { service = \"x\" }\ninstance \"H:1\" { service = \"X\" } }",
	  "given twice for one service" },
	{ "forward . {\nupstreams = { 192.0.2.1, 127.0.0.1 } }",
	  "FILE:2: upstreams: \"127.0.0.1\" is an address we" },
	{ "forward . { upstreams = \"[::1]:53\" }", "is an address we listen on" },
	{ "listen = 0.0.0.0", "listen: 0.0.0.0:53 is no single address" },
	{ "listen = \"[::]:53\"", "listen: [::]:53 is no single address" },
	{ "forward . { upstreams = 192.0.2.1 }\nforward . { upstreams = 192.0.2.2 }",
	  "FILE:2: forward \".\": given" },
	{ "bootstrap = 127.0.0.1", "FILE:1: bootstrap: \"127.0.0.1\" is an address we listen on" },
	{ "", "FILE: no registry" },
	{ "include = \"/nonexistent/x.conf\"", "FILE:1: /nonexistent/x.conf: No such file" },
	{ "include = \"/dev/null\"", "FILE:1: /dev/null: not a regular file" },
};

START_TEST(mistakes_are_told_with_file_and_line)
{
	unsetenv("PHONEBOOK_UNSET");
	config_text_bad(bad[_i].text, bad[_i].expected);
}
END_TEST

/* What may be a secret is not in the complaint, which many can read. */
static const char *const secret[] = {
	"headers = \"X-Api-Key s3cret\"",
	"headers = { \"Accept: a/b\", \"s3cret\" }",
	"headers = { \"X Key: s3cret\" }",
	"headers = { \"Accept: a/b\" \"X-Api-Key: s3cret\" }",
	"headers = \"Accept: a/b\" \"X-Api-Key: s3cret\"",
	"headers = \"Accept: a/b\", \"X-Api-Key: s3cret\"",
	"headers = { \"X-Api-Key: s3cret\"",
	"headers = \"X-Api-Key: s3cret",
	"headers = \"X-Api-Key: s3cret\" headers = \"X-Api-Key: s3cret\"",
	"url = \"ftp://x/?token=s3cret\"",
	"url = \"x/?token=s3cret\"",
	"url = \"http:///?token=s3cret\"",
	"url = \"http://x:99999?token=s3cret\"",
	"url = \"http://x/?token=s3cret and\"",
	"url = \"http://x/#s3cret\"",
	"url = \"http://u:s3cret@x/\"",
	"url = \"http:/u:s3cret@x/\"",
	"url = \"s3cret@x/\"",
	"url = \"ftp://u:s3cret@x/\"",
};

START_TEST(secrets_are_not_in_complaints)
{
	char text[256], *errors;
	struct config *c = NULL;

	snprintf(text, sizeof(text), "http \"h\" {\n%s\n}", secret[_i]);
	ck_assert_int_eq(config_text_read(text, &errors, &c), -EINVAL);
	ck_assert_msg(strstr(errors, "s3cret") == NULL, "%s", errors);
	ck_assert_msg(strstr(errors, "FILE:") != NULL, "%s", errors);
	free(errors);
}
END_TEST

static const char *const fine[] = {
	/* another port, another family, another address: no loop */
	"static a {} forward . { upstreams = \"127.0.0.1:5300\" }",
	"static a {} listen = 127.0.0.1 forward . { upstreams = ::1 }",
	"static a {} listen = \"[::1]:53\" forward . { upstreams = 127.0.0.1 }",
	"static a {} listen = 127.0.0.1 forward . { upstreams = 127.0.0.2 }",
	/* the same title for different kinds, the same instance for different services */
	"zone \"a.b\" {} static \"a.b\" {}",
	"static a { instance \"10.0.0.1\" { service = x } instance \"10.0.0.1\" { service = y } }",
	/* a list without braces, with a comma at its end, values at their limits */
	"static a {} zone a.b { registries = a ttl = 30s negative-ttl = 30s }",
	"static a {} listen = { 127.0.0.1, } threads = 1",
	"static a {}\r\nthreads = 1\r\n",
	"static a { instance \"[2001:db8::1]:80\" { service = a.b.c } instance \"2001:db8::2\" { service = x } }",
};

START_TEST(what_is_unusual_but_clear_is_accepted)
{
	config_destroy(config_text_good(fine[_i]));
}
END_TEST

START_TEST(one_run_tells_all_wrong_values)
{
	static const char *const expected[] = { "FILE:1: threads", "FILE:2: log-level", "FILE:3: ttl",
						"FILE:4: http \"h\": url is missing",
						"FILE:5: service \"x.example\"" };
	struct config *c = NULL;
	char *errors;

	ck_assert_int_eq(
		config_text_read("threads = 0\nlog-level = x\nzone \"a.b\" { ttl = 5 }\nhttp \"h\" {}\n"
				 "service \"x.example\" {}\n",
				 &errors, &c),
		-EINVAL);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		ck_assert_msg(strstr(errors, expected[i]) != NULL, "%s is not in:\n%s", expected[i], errors);
	free(errors);
}
END_TEST

START_TEST(good_files_can_follow_bad_ones)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct config *c = NULL;
		char *errors;

		ck_assert_int_lt(config_text_read(bad[i].text, &errors, &c), 0);
		free(errors);
		config_destroy(config_text_good("static \"a\" {} user = \"x\" listen = { 127.0.0.1 }"));
	}
}
END_TEST

START_TEST(sixty_four_registries_and_no_more)
{
	char text[4096] = "";

	for (int i = 0; i < 64; i++)
		sprintf(text + strlen(text), "static \"s%d\" {}\n", i);
	struct config *c = config_text_good(text);
	ck_assert_uint_eq(c->feed->n_registries, 64);
	ck_assert_uint_eq(c->feed->zones[0].n_registries, 64);
	config_destroy(c);
	strcat(text, "static \"last\" {}\n");
	config_text_bad(text, "FILE:65: more than 64 registries");
}
END_TEST

/* A name of len octets in wire form: labels of one letter, then one that fills up. */
static void write_long_zone(char *out, size_t len)
{
	const size_t label = len % 2 == 0 ? 2 : 1;

	out += sprintf(out, "static \"s\" {} zone \"%s", label == 2 ? "bb" : "b");
	for (size_t n = 1 + 1 + label; n < len; n += 2)
		out += sprintf(out, ".a");
	sprintf(out, "\" {}");
}

START_TEST(zones_leave_room_for_names_below_them)
{
	char text[512];

	write_long_zone(text, 186);
	struct config *c = config_text_good(text);
	ck_assert_uint_eq(c->feed->zones->origin.len, 186);
	config_destroy(c);
	write_long_zone(text, 187);
	config_text_bad(text, "too long to have names below it");
}
END_TEST

START_TEST(large_files_are_read_in_linear_time)
{
	enum { INSTANCES = 15000 };
	char *text = malloc(INSTANCES * 64), *out = text;

	ck_assert_ptr_nonnull(text);
	out += sprintf(out, "static \"s\" {\n");
	for (int i = 0; i < INSTANCES; i++)
		out += sprintf(out, "instance \"10.9.%d.%d\" { service = \"s%d\" }\n", i / 256, i % 256, i);
	sprintf(out, "}\n");

	const uint64_t start = clock_work_us();
	struct config *c = config_text_good(text);
	/* A tenth of it under the sanitizers, a minute if quadratic. */
	ck_assert_uint_lt(clock_work_us() - start, 20000000);
	ck_assert_uint_eq(c->feed->registries->n_instances, INSTANCES);
	ck_assert_str_eq(c->feed->registries->instances[INSTANCES - 1].service, "s14999");
	config_destroy(c);
	free(text);
}
END_TEST

START_TEST(sixty_four_zones_and_no_more)
{
	char text[4096] = "static \"s\" {}\n";

	for (int i = 0; i < 64; i++)
		sprintf(text + strlen(text), "zone \"z%d.example\" {}\n", i);
	struct config *c = config_text_good(text);
	ck_assert_uint_eq(c->feed->n_zones, 64);
	config_destroy(c);
	strcat(text, "zone \"last.example\" {}\n");
	config_text_bad(text, "FILE:66: more than 64 zones");
}
END_TEST

/* Files */

START_TEST(files_that_cannot_be_read_are_told_apart)
{
	char *errors;
	size_t len;
	FILE *out = open_memstream(&errors, &len);
	struct config *c = NULL;

	ck_assert_int_eq(config_read("/nonexistent/phonebook.conf", out, &c), -ENOENT);
	ck_assert_int_eq(config_read(config_text_dir(), out, &c), -EISDIR);
	ck_assert_int_eq(config_read("/dev/zero", out, &c), -EINVAL);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(errors, "/nonexistent/phonebook.conf: No such file or directory\n"));
	ck_assert_ptr_nonnull(strstr(errors, "/dev/zero: not a regular file\n"));
	free(errors);
}
END_TEST

START_TEST(a_fifo_is_refused_and_not_waited_for)
{
	char path[128], *errors;
	size_t len;
	FILE *out = open_memstream(&errors, &len);
	struct config *c = NULL;

	snprintf(path, sizeof(path), "%s/fifo", config_text_dir());
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(config_read(path, out, &c), -EINVAL);
	fclose(out);
	free(errors);
}
END_TEST

START_TEST(files_above_a_mebibyte_are_refused)
{
	char path[128], *errors;
	size_t len;
	FILE *out = open_memstream(&errors, &len);
	struct config *c = NULL;

	harness_write_file(config_text_dir(), "big.conf", "static \"a\" {}\n");
	snprintf(path, sizeof(path), "%s/big.conf", config_text_dir());
	FILE *big = fopen(path, "a");
	for (int i = 0; i < CONFIG_SIZE_MAX; i++)
		fputc(' ', big);
	ck_assert_int_eq(fclose(big), 0);
	ck_assert_int_eq(config_read(path, out, &c), -EFBIG);
	ck_assert_int_eq(truncate(path, CONFIG_SIZE_MAX), 0);
	ck_assert_int_eq(config_read(path, out, &c), 0);
	config_destroy(c);
	fclose(out);
	free(errors);
}
END_TEST

/* An include line for a file in our directory. */
static char *include_of(const char *name, char ret[256])
{
	snprintf(ret, 256, "include = \"%s/%s\"\n", config_text_dir(), name);
	return ret;
}

START_TEST(included_files_count_as_if_they_stood_here)
{
	char text[256];

	harness_write_file(config_text_dir(), "more.conf", "static \"b\" {}\nthreads = 3\n");
	strcat(include_of("more.conf", text), "static \"a\" {}\n");
	struct config *c = config_text_good(text);

	ck_assert_uint_eq(c->server.threads, 3);
	ck_assert_uint_eq(c->feed->n_registries, 2);
	ck_assert_str_eq(c->feed->registries[0].name, "a");
	ck_assert_str_eq(c->feed->registries[1].name, "b");
	config_destroy(c);
}
END_TEST

START_TEST(mistakes_in_included_files_name_those)
{
	static const struct {
		const char *more, *expected;
	} vectors[] = {
		{ "\nthreads = 0\n", "/more.conf:2: threads" },
		{ "\n\nnix = 0\n", "/more.conf:3: no such key" },
		{ "\nhttp \"h\" {}\n", "/more.conf:2: http \"h\": url is missing" },
		{ "\nstatic \"a\" {}\n", "/more.conf:2: static \"a\": the name is taken at FILE:2" },
		{ "\nuser = \"x\"\n", "/more.conf:2: user: given twice, first at FILE:2" },
		{ "zone \"x.y\" {", "/more.conf:1: this '{' is never closed" },
		{ "\ninclude = \"/x\"", "/more.conf:2: " },
	};
	char text[256];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		harness_write_file(config_text_dir(), "more.conf", vectors[i].more);
		strcat(include_of("more.conf", text), "user = \"me\" static \"a\" {}\n");
		config_text_bad(text, vectors[i].expected);
	}
}
END_TEST

START_TEST(a_file_that_includes_itself_ends_with_an_error)
{
	char text[256];

	config_text_bad(include_of("phonebook.conf", text), "FILE:1: ");
}
END_TEST

/* Fingerprints */

static uint64_t fingerprint_of(const char *text)
{
	struct config *c = config_text_good(text);
	const uint64_t fingerprint = c->feed->registries[0].fingerprint;

	config_destroy(c);
	return fingerprint;
}

START_TEST(fingerprints_are_equal_when_nothing_changed)
{
	const uint64_t fingerprint = fingerprint_of("http \"h\" { url = \"http://x\" }");

	ck_assert_uint_eq(fingerprint, fingerprint_of("http \"h\" { url = \"http://x\" }"));
	/* a default that is written out, the order of keys, what does not belong to the block */
	ck_assert_uint_eq(fingerprint, fingerprint_of("# c\nhttp 'h' { interval = 5s url = http://x }"));
	ck_assert_uint_eq(fingerprint, fingerprint_of("http h { url = http://x } static a {} threads = 2"));
}
END_TEST

static const char *const different[] = {
	"http \"h\" { url = \"http://x\" }",
	"http \"i\" { url = \"http://x\" }",
	"http \"h\" { url = \"http://y\" }",
	"http \"h\" { url = \"http://x\" interval = 6s }",
	"http \"h\" { url = \"http://x\" headers = { \"A: b\", \"C: d\" } }",
	"http \"h\" { url = \"http://x\" headers = { \"A: bC: d\" } }",
	"http \"h\" { url = \"http://x\" service = \"a\" }",
	"http \"h\" { url = \"http://x\" service-label = \"a\" }",
	"file \"h\" { path = \"http://x\" }",
	"static \"h\" {}",
	"static \"h\" { instance \"10.0.0.1\" { service = \"a\" } }",
	"static \"h\" { instance \"10.0.0.2\" { service = \"a\" } }",
	"static \"h\" { instance \"10.0.0.1\" { service = \"b\" } }",
	"static \"h\" { instance \"10.0.0.1\" { service = \"a\" weight = 2 } }",
	"static \"h\" { instance \"10.0.0.1\" { service = \"a\" } instance \"10.0.0.2\" { service = \"a\" } }",
};

START_TEST(fingerprints_differ_when_something_changed)
{
	for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++) {
		if ((int)i != _i)
			ck_assert_uint_ne(fingerprint_of(different[_i]), fingerprint_of(different[i]));
	}
}
END_TEST

/* What is shipped */

static char *reference(void)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	reference_write(out);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

START_TEST(shipped_configuration_is_the_reference)
{
	size_t len;
	char *shipped = harness_read_data("../../conf/phonebook.conf", &len);
	char *expected = reference();

	ck_assert_str_eq(shipped, expected);
	free(shipped);
	free(expected);
}
END_TEST

START_TEST(reference_says_what_holds_without_it)
{
	char *text = reference();
	struct config *shipped = config_text_good(text);
	struct config *bare =
		config_text_good("file \"local\" { path = \"/etc/phonebook/services.d/*.json\" }");

	ck_assert_mem_eq(&shipped->server, &bare->server, sizeof(bare->server));
	ck_assert_mem_eq(&shipped->feed->zones->answer, &bare->feed->zones->answer,
			 sizeof(bare->feed->zones->answer));
	ck_assert_uint_eq(shipped->feed->registries->fingerprint, bare->feed->registries->fingerprint);
	config_destroy(shipped);
	config_destroy(bare);
	free(text);
}
END_TEST

/* "#key" is a setting, "# sentence" is not. Basic authentication, a token and a file with one exclude each
 * other, so do a port and SRV, and the included file is not there. */
static void uncomment(char *text)
{
	char *out = text;

	for (char *line = text; *line != '\0';) {
		char *end = strchrnul(line, '\n');
		const size_t depth = strspn(line, "\t");
		char *setting = line + depth;

		if (setting[0] == '#' && setting[1] != ' ' && strncmp(setting, "#include", 8) != 0 &&
		    strncmp(setting, "#token", 6) != 0 && strncmp(setting, "#port =", 7) != 0)
			*setting = ' ';
		memmove(out, line, (size_t)(end - line) + 1);
		out += end - line + 1;
		line = *end == '\0' ? end : end + 1;
	}
}

START_TEST(every_setting_of_the_reference_can_be_used)
{
	char *text = reference();

	uncomment(text);
	struct config *c = config_text_good(text);
	ck_assert_uint_eq(c->feed->n_registries, 7);
	ck_assert_uint_eq(c->forward.n_upstreams, 2);
	ck_assert_str_eq(c->feed->registries[2].http.password_file, "/etc/phonebook/password");
	ck_assert_uint_eq(c->feed->registries[0].n_instances, 1);
	ck_assert_uint_eq(c->feed->zones->n_services, 1);
	config_destroy(c);
	free(text);
}
END_TEST

START_TEST(quickstart_configuration_is_good)
{
	size_t len;
	char *text = harness_read_data("../../conf/quickstart.conf", &len);
	struct config *c = config_text_good(text);

	ck_assert_str_eq(c->user, "");
	expect_endpoint(&c->server.listen[0], "127.0.0.1:5353");
	ck_assert_str_eq(c->feed->registries->path, "conf/quickstart.json");
	config_destroy(c);
	free(text);
}
END_TEST

/* Every run of spaces and line ends becomes one space. */
static void join_lines(char *text)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; in++) {
		if (*in != ' ' && *in != '\n')
			*out++ = *in;
		else if (out > text && out[-1] != ' ')
			*out++ = ' ';
	}
	*out = '\0';
}

/* From there on the manual tells of the block: ".Ss zone", or the keys outside all blocks. */
static char *find_section(char *page, const struct config_kind *kind)
{
	char heading[64];

	snprintf(heading, sizeof(heading), kind->title == NULL ? ".Sh KEYS" : ".Ss %s Dq", kind->word);
	char *section = strstr(page, heading);
	ck_assert_msg(section != NULL, "no %s in the manual", heading);
	return section;
}

/* The key has its item, with the sentence and the default. */
static void check_item(const char *section, const struct config_row *row)
{
	char heading[64], text[1024];

	snprintf(heading, sizeof(heading), ".It Ic %s No ", row->key);
	const char *item = strstr(section, heading);
	ck_assert_msg(item != NULL, "%s is not in the manual", row->key);

	const char *end = strstr(item + 1, ".It ");
	const char *list_end = strstr(item, ".El");
	if (end == NULL || (list_end != NULL && list_end < end))
		end = list_end;
	snprintf(text, sizeof(text), "%.*s", (int)(end - item), item);
	ck_assert_msg(strstr(text, row->about) != NULL, "%s has another sentence: %s", row->key, text);
	ck_assert_int_eq(strstr(text, "Default:") != NULL, row->fallback != NULL);
	for (const char *f = row->fallback; f != NULL;) {
		const char *line_end = strchrnul(f, '\n');
		char expected[64];

		snprintf(expected, sizeof(expected), ".Ql %.*s ", (int)(line_end - f), f);
		ck_assert_msg(strstr(text, expected) != NULL, "%s has another default: %s", row->key, text);
		f = *line_end == '\n' ? line_end + 1 : NULL;
	}
}

START_TEST(manual_has_every_key_with_its_default)
{
	size_t len;
	char *page = harness_read_data("../../docs/phonebook.conf.5", &len);

	join_lines(page);
	for (enum block_kind kind = BLOCK_TOP; kind < BLOCK_KINDS; kind++) {
		const struct config_kind *k = config_kind(kind);
		const char *section = find_section(page, k);

		for (size_t i = 0; i < k->n_rows; i++)
			check_item(section, &k->rows[i]);
	}
	free(page);
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
	Suite *suite = suite_create("config");
	TCase *values = add_case(suite, "values");
	TCase *mistakes = add_case(suite, "mistakes");
	TCase *files = add_case(suite, "files");
	TCase *fingerprints = add_case(suite, "fingerprints");
	TCase *shipped = add_case(suite, "shipped");

	tcase_add_test(values, defaults_are_those_of_the_manual);
	tcase_add_test(values, keys_at_the_top_arrive);
	tcase_add_test(values, upstreams_are_the_default_of_bootstrap);
	tcase_add_test(values, keys_of_http_arrive);
	tcase_add_test(values, static_instances_arrive_in_order);
	tcase_add_test(values, services_inherit_from_the_longest_zone);
	tcase_add_test(values, comments_stand_wherever_a_space_may);
	tcase_add_test(values, environment_is_filled_in_between_double_quotes_only);
	tcase_add_loop_test(values, what_is_unusual_but_clear_is_accepted, 0, N(fine));
	tcase_add_loop_test(mistakes, mistakes_are_told_with_file_and_line, 0, N(bad));
	tcase_add_loop_test(mistakes, secrets_are_not_in_complaints, 0, N(secret));
	tcase_add_test(mistakes, control_characters_from_the_environment_are_refused);
	tcase_add_test(mistakes, one_run_tells_all_wrong_values);
	tcase_add_test(mistakes, good_files_can_follow_bad_ones);
	tcase_add_test(mistakes, sixty_four_registries_and_no_more);
	tcase_add_test(mistakes, sixty_four_zones_and_no_more);
	tcase_add_test(mistakes, zones_leave_room_for_names_below_them);
	tcase_add_test(files, large_files_are_read_in_linear_time);
	tcase_add_test(files, files_that_cannot_be_read_are_told_apart);
	tcase_add_test(files, a_fifo_is_refused_and_not_waited_for);
	tcase_add_test(files, files_above_a_mebibyte_are_refused);
	tcase_add_test(files, included_files_count_as_if_they_stood_here);
	tcase_add_test(files, mistakes_in_included_files_name_those);
	tcase_add_test(files, a_file_that_includes_itself_ends_with_an_error);
	tcase_add_test(fingerprints, fingerprints_are_equal_when_nothing_changed);
	tcase_add_loop_test(fingerprints, fingerprints_differ_when_something_changed, 0, N(different));
	tcase_add_test(shipped, shipped_configuration_is_the_reference);
	tcase_add_test(shipped, reference_says_what_holds_without_it);
	tcase_add_test(shipped, every_setting_of_the_reference_can_be_used);
	tcase_add_test(shipped, quickstart_configuration_is_good);
	tcase_add_test(shipped, manual_has_every_key_with_its_default);
	return harness_run(suite);
}
