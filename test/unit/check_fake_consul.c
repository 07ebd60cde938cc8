/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_consul.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_client.h"
#include "harness.h"

enum { LIMIT_MS = 8000, CROWD = 300 };

static const char ONE[] =
	"[{\"Node\":{\"Node\":\"n1\",\"Address\":\"10.0.0.1\"},\"Service\":{\"ID\":\"a\",\"Service\":\"shop\","
	"\"Tags\":[\"v1\",\"blue\"],\"Address\":\"\",\"Port\":80},\"Checks\":[]}]";

static struct fake_consul *consul;
static struct fake_http *http;
static struct fake_client client;
static struct fake_reply reply;

static void set_up(void)
{
	consul = fake_consul_start(0);
	http = fake_consul_http(consul);
	fake_client_open(&client, http);
}

static void tear_down(void)
{
	fake_reply_free(&reply);
	fake_client_close(&client);
	fake_consul_stop(consul);
}

static void ask_with(const char *target, const char *headers)
{
	fake_reply_free(&reply);
	fake_client_send(&client, "GET", target, headers, NULL);
	reply = fake_client_read(&client);
}

static void ask(const char *target)
{
	ask_with(target, "");
}

static void read_reply(void)
{
	fake_reply_free(&reply);
	reply = fake_client_read(&client);
}

static void put_control(const char *target, const char *body)
{
	fake_reply_free(&reply);
	reply = fake_client_ask(http, "PUT", target, "", body);
	ck_assert_int_eq(reply.status, 200);
}

static unsigned long long reply_index(void)
{
	return fake_reply_number(&reply, "X-Consul-Index");
}

static bool is_held(void *n)
{
	return fake_consul_counts(consul).held == *(unsigned *)n;
}

static void await_held(unsigned n)
{
	ck_assert(harness_wait(is_held, &n, LIMIT_MS));
}

/* Sends a query that will be held, at the given index. */
static void block_at(const char *target, unsigned long long index)
{
	const unsigned held = fake_consul_counts(consul).held;
	char text[300];

	snprintf(text, sizeof(text), "%s?index=%llu&wait=5m", target, index);
	fake_client_send(&client, "GET", text, "", NULL);
	await_held(held + 1);
}

/* Asks once, then again with the index that came. */
static unsigned long long block(const char *target)
{
	ask(target);
	const unsigned long long index = reply_index();
	block_at(target, index);
	return index;
}

static void register_one(const char *service, const char *node, unsigned port)
{
	fake_consul_register(consul, service, &(struct fake_consul_instance){ .node = node, .port = port });
}

/* --- answers --- */

START_TEST(consul_itself_is_a_service)
{
	ask("/v1/catalog/services");
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "{\"consul\":[]}");
	ck_assert(fake_reply_has(&reply, "X-Consul-Knownleader: true"));
	ck_assert(fake_reply_has(&reply, "X-Consul-Lastcontact: 0"));
	ck_assert_uint_gt(reply_index(), 0);
}
END_TEST

START_TEST(services_have_the_tags_of_all_instances)
{
	fake_consul_register(consul, "shop", &(struct fake_consul_instance){ .port = 1, .tags = "v1,blue" });
	fake_consul_register(consul, "shop", &(struct fake_consul_instance){ .port = 2, .tags = "v2,blue" });
	ask("/v1/catalog/services");
	ck_assert_str_eq(reply.body, "{\"consul\":[],\"shop\":[\"v1\",\"blue\",\"v2\"]}");
}
END_TEST

START_TEST(registered_instance_has_all_the_fields)
{
	fake_consul_register(consul, "shop",
			     &(struct fake_consul_instance){ .node = "n7",
							     .node_address = "10.0.0.7",
							     .service_id = "shop-x",
							     .address = "10.1.0.7",
							     .port = 8080,
							     .meta = "{\"zone\":\"a\"}",
							     .weight_passing = 10,
							     .status = "warning" });
	ask("/v1/health/service/shop");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"Node\":\"n7\",\"Address\":\"10.0.0.7\""));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"ID\":\"shop-x\",\"Service\":\"shop\",\"Tags\":[]"));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"Weights\":{\"Passing\":10,\"Warning\":1}"));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"CheckID\":\"serfHealth\""));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"Status\":\"warning\""));

	ask("/v1/catalog/service/shop");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"ServiceID\":\"shop-x\",\"ServiceName\":\"shop\""));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"ServiceAddress\":\"10.1.0.7\""));
	ck_assert_ptr_nonnull(strstr(reply.body, "\"ServiceMeta\":{\"zone\":\"a\"}"));
	ck_assert_ptr_null(strstr(reply.body, "Checks"));
}
END_TEST

START_TEST(body_is_given_out_octet_for_octet)
{
	fake_consul_put(consul, "shop", ONE);
	ask("/v1/health/service/shop");
	ck_assert_str_eq(reply.body, ONE);
	ask("/v1/health/service/shop?tag=v1&tag=blue");
	ck_assert_str_eq(reply.body, ONE);
	ask("/v1/health/service/shop?tag=v1&tag=green");
	ck_assert_str_eq(reply.body, "[]");
	fake_consul_put(consul, "shop", "<html>");
	ask("/v1/health/service/shop?passing");
	ck_assert_str_eq(reply.body, "<html>");
	ask("/v1/catalog/service/shop");
	ck_assert_str_eq(reply.body, "<html>");
}
END_TEST

START_TEST(unknown_service_is_an_empty_list)
{
	ask("/v1/health/service/nobody");
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "[]");
	ask("/v1/catalog/services");
	ck_assert_str_eq(reply.body, "{\"consul\":[]}");
}
END_TEST

START_TEST(passing_leaves_what_passes_all_checks)
{
	fake_consul_register(consul, "shop",
			     &(struct fake_consul_instance){ .port = 1, .status = "warning" });
	fake_consul_register(consul, "shop", &(struct fake_consul_instance){ .port = 2 });
	ask("/v1/health/service/shop?passing");
	ck_assert_ptr_null(strstr(reply.body, "shop-1"));
	ck_assert_ptr_nonnull(strstr(reply.body, "shop-2"));
	fake_consul_set_check(consul, "node-1", "", "_node_maintenance", "critical");
	ask("/v1/health/service/shop?passing=true");
	ck_assert_str_eq(reply.body, "[]");
	fake_consul_set_check(consul, "node-1", "", "_node_maintenance", NULL);
	ask("/v1/health/service/shop?passing=1");
	ck_assert_str_ne(reply.body, "[]");
	ask("/v1/health/service/shop?passing=false");
	ck_assert_ptr_nonnull(strstr(reply.body, "shop-1"));
}
END_TEST

START_TEST(name_is_decoded)
{
	register_one("team/a b", "n1", 80);
	ask("/v1/health/service/team%2Fa%20b");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"team/a b\""));
}
END_TEST

START_TEST(service_goes_with_its_last_instance)
{
	register_one("shop", "n1", 1);
	register_one("shop", "n2", 1); /* the same id on another node */
	fake_consul_deregister(consul, "shop", "n1", "shop-1");
	ask("/v1/catalog/services");
	ck_assert_str_eq(reply.body, "{\"consul\":[],\"shop\":[]}");
	fake_consul_deregister(consul, "shop", "n2", "shop-1");
	ask("/v1/catalog/services");
	ck_assert_str_eq(reply.body, "{\"consul\":[]}");
}
END_TEST

static const struct {
	const char *target;
	int status;
	const char *body;
} refusals[] = {
	{ "/v1/catalog/services?index=x", 400, "Invalid index" },
	{ "/v1/catalog/services?index=-1", 400, "Invalid index" },
	{ "/v1/catalog/services?index=99999999999999999999", 400, "Invalid index" },
	{ "/v1/catalog/services?wait=30", 400, "Invalid wait time" },
	{ "/v1/catalog/services?index=1&wait=soon", 400, "Invalid wait time" },
	{ "/v1/health/service/shop?passing=maybe", 400, "Invalid value for ?passing" },
	{ "/v1/health/service/shop?stale&consistent", 400,
	  "Cannot specify ?stale with ?consistent, conflicting semantics." },
	{ "/v1/health/service/shop?dc=mars", 500, "No path to datacenter" },
	{ "/v1/health/service/", 404, "Invalid URL path: not a recognized HTTP API endpoint" },
};

START_TEST(mistakes_are_refused_with_a_text)
{
	ask(refusals[_i].target);
	ck_assert_int_eq(reply.status, refusals[_i].status);
	ck_assert_str_eq(reply.body, refusals[_i].body);
	ck_assert(fake_reply_has(&reply, "Content-Type: text/plain; charset=utf-8"));
}
END_TEST

START_TEST(requests_are_counted_and_remembered)
{
	ask("/v1/health/service/shop?dc=dc1&near=_agent");
	ask("/v1/catalog/service/shop");
	ask("/v1/agent/self");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"Datacenter\":\"dc1\""));
	const struct fake_consul_counts counts = fake_consul_counts(consul);
	ck_assert_uint_eq(counts.health, 1);
	ck_assert_uint_eq(counts.catalog, 1);
	ck_assert_uint_eq(counts.agent, 1);
	ck_assert_uint_eq(counts.services, 0);
	char *head = fake_http_last_head(http, "/v1/health/");
	ck_assert_ptr_nonnull(strstr(head, "?dc=dc1&near=_agent HTTP/1.1\r\n"));
	free(head);
	ck_assert_ptr_null(fake_http_last_head(http, "/v1/catalog/services"));
	ck_assert_uint_eq(fake_http_counts(http).requests, 3);
	ck_assert_uint_eq(fake_http_counts(http).accepted, 1);
}
END_TEST

/* --- blocking queries --- */

START_TEST(query_is_held_until_its_service_changes)
{
	register_one("shop", "n1", 1);
	register_one("other", "n1", 1);
	const unsigned long long index = block("/v1/health/service/shop");

	register_one("other", "n1", 2);
	ck_assert(fake_client_is_silent(&client, 50));
	const struct fake_change change = fake_consul_put(consul, "shop", ONE);
	ck_assert_uint_eq(change.woken, 1);
	ck_assert_uint_le(change.committed_ns, change.written_ns);
	read_reply();
	ck_assert_uint_gt(reply_index(), index + 1);
	ck_assert_uint_eq(reply_index(), change.position);
	ck_assert_str_eq(reply.body, ONE);
	await_held(0);
}
END_TEST

START_TEST(wait_that_is_over_is_answered_with_the_same_index)
{
	register_one("shop", "n1", 1);
	ask("/v1/health/service/shop");
	const unsigned long long index = reply_index();
	char target[100];

	snprintf(target, sizeof(target), "/v1/health/service/shop?index=%llu&wait=30ms", index);
	const uint64_t before = fake_now_ns();
	ask(target);
	ck_assert_uint_ge(fake_now_ns() - before, 30000000);
	ck_assert_uint_eq(reply_index(), index);
}
END_TEST

START_TEST(index_of_nothing_or_zero_or_the_past_is_answered_at_once)
{
	register_one("shop", "n1", 1);
	ask("/v1/health/service/shop?index=0&wait=5m");
	ck_assert_uint_gt(reply_index(), 1);
	ask("/v1/health/service/shop?index=&wait=5m");
	ask("/v1/health/service/shop?index=1&wait=5m");
	ck_assert_uint_gt(reply_index(), 1);
}
END_TEST

START_TEST(index_of_the_future_is_held)
{
	register_one("shop", "n1", 1);
	block_at("/v1/health/service/shop", 1000000);
	register_one("shop", "n1", 2);
	ck_assert(fake_client_is_silent(&client, 50));
}
END_TEST

START_TEST(any_service_moves_the_list_of_services)
{
	block("/v1/catalog/services");
	register_one("shop", "n1", 1);
	read_reply();
	ck_assert_str_eq(reply.body, "{\"consul\":[],\"shop\":[]}");
	block("/v1/catalog/services");
	fake_consul_set_check(consul, "n1", "shop-1", "service:shop-1", "critical");
	ck_assert(fake_client_is_silent(&client, 50));
}
END_TEST

START_TEST(unknown_service_moves_when_any_goes)
{
	register_one("shop", "n1", 1);
	register_one("other", "n1", 1);
	fake_consul_put(consul, "other", "[]");
	const unsigned long long index = block("/v1/health/service/nobody");

	register_one("shop", "n1", 2);
	ck_assert(fake_client_is_silent(&client, 50));
	fake_consul_put(consul, "shop", "[]");
	read_reply();
	ck_assert_uint_gt(reply_index(), index);
	ck_assert_str_eq(reply.body, "[]");
	block("/v1/health/service/nobody");
	register_one("nobody", "n1", 1);
	read_reply();
	ck_assert_str_ne(reply.body, "[]");
}
END_TEST

START_TEST(check_wakes_health_but_not_catalog)
{
	struct fake_client catalog;

	register_one("shop", "n1", 1);
	block("/v1/health/service/shop");
	const struct fake_client health = client;
	fake_client_open(&client, http);
	const unsigned long long index = block("/v1/catalog/service/shop");
	catalog = client;

	ck_assert_uint_eq(fake_consul_set_check(consul, "n1", "shop-1", "service:shop-1", "critical").woken,
			  1);
	client = health;
	read_reply();
	ck_assert_ptr_nonnull(strstr(reply.body, "critical"));
	ck_assert(fake_client_is_silent(&catalog, 50));
	ask("/v1/catalog/service/shop");
	ck_assert_uint_gt(reply_index(), index); /* moved all the same */
	fake_client_close(&catalog);
}
END_TEST

START_TEST(check_of_a_node_wakes_every_service_on_it)
{
	register_one("shop", "n1", 1);
	register_one("other", "n1", 1);
	register_one("far", "n2", 1);
	block("/v1/health/service/shop");
	struct fake_client shop = client;
	fake_client_open(&client, http);
	block("/v1/health/service/other");
	struct fake_client other = client;
	fake_client_open(&client, http);
	block("/v1/health/service/far");

	ck_assert_uint_eq(fake_consul_set_check(consul, "n1", "", "serfHealth", "critical").woken, 2);
	ck_assert(fake_client_is_silent(&client, 50));
	fake_client_close(&shop);
	fake_client_close(&other);
}
END_TEST

START_TEST(touched_service_has_a_new_index_and_the_same_body)
{
	fake_consul_put(consul, "shop", ONE);
	const unsigned long long index = block("/v1/health/service/shop");

	fake_consul_touch(consul, "shop");
	read_reply();
	ck_assert_uint_gt(reply_index(), index);
	ck_assert_str_eq(reply.body, ONE);
}
END_TEST

START_TEST(woken_for_nothing_has_the_same_index)
{
	const unsigned long long index = block("/v1/catalog/services");

	fake_consul_wake(consul);
	read_reply();
	ck_assert_uint_eq(reply_index(), index);
}
END_TEST

START_TEST(reset_index_answers_with_a_smaller_one)
{
	fake_consul_put(consul, "shop", ONE);
	const unsigned long long index = block("/v1/health/service/shop");

	fake_consul_reset_index(consul);
	read_reply();
	ck_assert_uint_lt(reply_index(), index);
	ck_assert_uint_gt(reply_index(), 0);
	ck_assert_str_eq(reply.body, ONE);
}
END_TEST

START_TEST(client_that_hangs_up_is_forgotten)
{
	block("/v1/catalog/services");
	fake_client_close(&client);
	await_held(0);
	fake_client_open(&client, http);
	register_one("shop", "n1", 1);
}
END_TEST

START_TEST(crowd_is_woken_by_one_change)
{
	static struct fake_client crowd[CROWD];

	fake_consul_limit(consul, 0);
	fake_consul_put(consul, "shop", ONE);
	for (unsigned i = 0; i < CROWD; i++) {
		fake_client_open(&crowd[i], http);
		fake_client_send(&crowd[i], "GET", "/v1/health/service/shop?index=1000", "", NULL);
	}
	await_held(CROWD);
	fake_consul_wake(consul);
	for (unsigned i = 0; i < CROWD; i++) {
		fake_reply_free(&reply);
		reply = fake_client_read(&crowd[i]);
		ck_assert_str_eq(reply.body, ONE);
		fake_client_close(&crowd[i]);
	}
	ck_assert_uint_ge(fake_http_counts(http).most_connections, CROWD);
	ck_assert_uint_ge(fake_http_counts(http).most_under_way, CROWD);
}
END_TEST

/* --- rights --- */

START_TEST(unknown_token_is_not_found)
{
	fake_consul_set_token(consul, "secret");
	ask_with("/v1/catalog/services", "X-Consul-Token: wrong\r\n");
	ck_assert_int_eq(reply.status, 403);
	ck_assert_str_eq(reply.body, "ACL not found");
}
END_TEST

START_TEST(token_is_taken_from_any_of_its_places)
{
	fake_consul_set_token(consul, "secret");
	ask_with("/v1/catalog/services", "x-consul-token: secret\r\n");
	ck_assert_str_eq(reply.body, "{\"consul\":[]}");
	ask_with("/v1/catalog/services", "Authorization: Bearer secret\r\n");
	ck_assert_str_eq(reply.body, "{\"consul\":[]}");
	ask_with("/v1/catalog/services?token=secret", "X-Consul-Token: wrong\r\n");
	ck_assert_str_eq(reply.body, "{\"consul\":[]}");
}
END_TEST

START_TEST(without_a_token_everything_is_empty_and_nobody_says_so)
{
	fake_consul_set_token(consul, "secret");
	fake_consul_put(consul, "shop", ONE);
	ask("/v1/catalog/services");
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "{}");
	ck_assert(!fake_reply_has(&reply, "X-Consul-Results-Filtered-By-Acls: true"));
	ask("/v1/health/service/shop");
	ck_assert_str_eq(reply.body, "[]");
	ck_assert(fake_reply_has(&reply, "X-Consul-Default-Acl-Policy: deny"));
}
END_TEST

START_TEST(restricted_token_sees_less_and_is_told)
{
	fake_consul_set_token(consul, "secret");
	fake_consul_restrict(consul, "small", "sh");
	fake_consul_put(consul, "shop", ONE);
	fake_consul_put(consul, "other", ONE);
	ask_with("/v1/catalog/services", "X-Consul-Token: small\r\n");
	ck_assert_str_eq(reply.body, "{\"shop\":[\"v1\",\"blue\"]}");
	ck_assert(fake_reply_has(&reply, "X-Consul-Results-Filtered-By-Acls: true"));
	ask_with("/v1/health/service/other", "X-Consul-Token: small\r\n");
	ck_assert_str_eq(reply.body, "[]");
	ck_assert(fake_reply_has(&reply, "X-Consul-Results-Filtered-By-Acls: true"));
	ask_with("/v1/health/service/shop", "X-Consul-Token: small\r\n");
	ck_assert_str_eq(reply.body, ONE);
	ck_assert(!fake_reply_has(&reply, "X-Consul-Results-Filtered-By-Acls: true"));
	ask_with("/v1/agent/self", "X-Consul-Token: small\r\n");
	ck_assert_int_eq(reply.status, 403);
}
END_TEST

/* --- what goes wrong --- */

START_TEST(without_a_leader_only_stale_reads_are_answered)
{
	block("/v1/catalog/services");
	fake_consul_set_mode(consul, FAKE_CONSUL_NO_LEADER);
	read_reply();
	ck_assert_int_eq(reply.status, 500);
	ck_assert_str_eq(reply.body, "No cluster leader");
	ask("/v1/catalog/services");
	ck_assert_int_eq(reply.status, 500);
	ask("/v1/catalog/services?stale=");
	ck_assert_int_eq(reply.status, 200);
	ck_assert(fake_reply_has(&reply, "X-Consul-Knownleader: false"));
	ck_assert(fake_reply_has(&reply, "X-Consul-Effective-Consistency: stale"));
	ck_assert_uint_gt(fake_reply_number(&reply, "X-Consul-Lastcontact"), 1000);
}
END_TEST

START_TEST(stale_read_tells_its_lag)
{
	fake_consul_lag(consul, 2500);
	ask("/v1/catalog/services?stale");
	ck_assert_uint_eq(fake_reply_number(&reply, "X-Consul-Lastcontact"), 2500);
	ask("/v1/catalog/services");
	ck_assert_uint_eq(fake_reply_number(&reply, "X-Consul-Lastcontact"), 0);
}
END_TEST

START_TEST(index_can_be_missing_or_zero)
{
	fake_consul_set_mode(consul, FAKE_CONSUL_NO_INDEX);
	ask("/v1/catalog/services?index=5000");
	ck_assert_ptr_null(strstr(reply.head, "X-Consul-Index"));
	fake_consul_set_mode(consul, FAKE_CONSUL_ZERO_INDEX);
	ask("/v1/catalog/services");
	ck_assert(fake_reply_has(&reply, "X-Consul-Index: 0"));
	ask("/v1/catalog/services?index=1&wait=10ms");
	ck_assert(fake_reply_has(&reply, "X-Consul-Index: 0"));
}
END_TEST

START_TEST(modes_refuse)
{
	fake_consul_set_mode(consul, FAKE_CONSUL_TOO_MANY);
	ask("/v1/catalog/services");
	ck_assert_int_eq(reply.status, 429);
	fake_consul_set_mode(consul, FAKE_CONSUL_DENIED);
	ask("/v1/catalog/services");
	ck_assert_int_eq(reply.status, 403);
	ck_assert_int_eq(strncmp(reply.body, "Permission denied", 17), 0);
}
END_TEST

START_TEST(hanging_server_is_silent_and_late)
{
	register_one("shop", "n1", 1);
	block("/v1/health/service/shop");
	fake_consul_set_mode(consul, FAKE_CONSUL_HANG);
	fake_consul_put(consul, "shop", ONE);
	ck_assert(fake_client_is_silent(&client, 50));
	fake_consul_set_mode(consul, FAKE_CONSUL_NORMAL);
	read_reply();
	ck_assert_str_eq(reply.body, ONE);
}
END_TEST

START_TEST(restart_cuts_and_starts_with_small_indexes)
{
	fake_consul_put(consul, "shop", ONE);
	const unsigned long long index = block("/v1/health/service/shop");

	fake_consul_restart(consul);
	ck_assert(fake_client_is_closed(&client));
	await_held(0);
	fake_client_close(&client);
	fake_client_open(&client, http);
	ask("/v1/health/service/shop");
	ck_assert_uint_lt(reply_index(), index);
	ck_assert_str_eq(reply.body, ONE);
}
END_TEST

START_TEST(connection_over_the_limit_is_told_and_closed)
{
	struct fake_client second;

	fake_consul_limit(consul, 1);
	ask("/v1/catalog/services");
	fake_client_open(&second, http);
	fake_client_send(&second, "GET", "/v1/catalog/services", "", NULL);
	fake_reply_free(&reply);
	reply = fake_client_read(&second);
	ck_assert_int_eq(reply.status, 429);
	ck_assert(fake_reply_has(&reply, "Connection: close"));
	ck_assert(fake_client_is_closed(&second));
	fake_client_close(&second);
	ck_assert_uint_eq(fake_http_counts(http).refused, 1);
	ask("/v1/catalog/services"); /* the first one goes on */
	ck_assert_int_eq(reply.status, 200);
}
END_TEST

static bool can_connect(void *unused)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(fake_http_port(http)),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const bool connected = connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;

	(void)unused;
	close(fd);
	return connected;
}

START_TEST(server_that_is_down_refuses_connections)
{
	fake_http_down(http);
	ck_assert(fake_client_is_closed(&client));
	ck_assert(!can_connect(NULL));
	fake_http_up(http);
	ck_assert(can_connect(NULL));
}
END_TEST

/* --- over HTTP --- */

START_TEST(service_is_changed_over_http)
{
	block("/v1/health/service/team%2Fa");
	const uint64_t before = fake_now_ns();
	unsigned long long committed_ns = 0, written_ns = 0;

	put_control("/_control/service/team%2Fa", ONE);
	ck_assert_int_eq(
		sscanf(reply.body, "{\"committed_ns\":%llu,\"written_ns\":%llu", &committed_ns, &written_ns),
		2);
	ck_assert_uint_ge(committed_ns, before);
	ck_assert_uint_ge(written_ns, committed_ns);
	ck_assert_uint_le(written_ns, fake_now_ns());
	ck_assert_ptr_nonnull(strstr(reply.body, "\"woken\":1}"));
	read_reply();
	ck_assert_str_eq(reply.body, ONE);
	fake_reply_free(&reply);
	reply = fake_client_ask(http, "DELETE", "/_control/service/team%2Fa", "", NULL);
	ask("/v1/health/service/team%2Fa");
	ck_assert_str_eq(reply.body, "[]");
}
END_TEST

START_TEST(many_services_come_in_one_request)
{
	put_control("/_control/services", "{\"b\":[{\"Service\":{\"Tags\":[\"x\"]}}],\"a\":[{}]}");
	ask("/v1/catalog/services");
	ck_assert_str_eq(reply.body, "{\"a\":[],\"b\":[\"x\"],\"consul\":[]}");
}
END_TEST

START_TEST(behaviour_is_changed_over_http)
{
	register_one("shop", "n1", 1);
	put_control("/_control/check?node=n1&service=shop-1&check=extra&status=critical", "");
	ask("/v1/health/service/shop");
	ck_assert_ptr_nonnull(strstr(reply.body, "\"CheckID\":\"extra\""));
	put_control("/_control/mode/no-leader", "");
	ask("/v1/catalog/services");
	ck_assert_int_eq(reply.status, 500);
	put_control("/_control/mode/normal", "");
	put_control("/_control/token/secret", "");
	ask("/v1/catalog/services");
	ck_assert_str_eq(reply.body, "{}");
	put_control("/_control/lag/7", "");
	put_control("/_control/wake", "");
	put_control("/_control/reset-index", "");
	fake_reply_free(&reply);
	reply = fake_client_ask(http, "PUT", "/_control/mode/strange", "", "");
	ck_assert_int_eq(reply.status, 404);
}
END_TEST

START_TEST(counts_do_not_count_control)
{
	ask("/v1/catalog/services");
	put_control("/_control/wake", "");
	fake_reply_free(&reply);
	reply = fake_client_ask(http, "GET", "/_control/counts", "", NULL);
	ck_assert_int_eq(strncmp(reply.body, "{\"requests\":1,\"under_way\":0,", 28), 0);
	fake_reply_free(&reply);
	reply = fake_client_ask(http, "GET", "/_control/arrivals", "", NULL);
	ck_assert_int_eq(strncmp(reply.body, "{\"per_second\":[", 15), 0);
	ck_assert_ptr_nonnull(strchr(reply.body, '1'));
}
END_TEST

START_TEST(server_can_be_down_for_a_while)
{
	put_control("/_control/down?ms=50", "");
	ck_assert(fake_client_is_closed(&client));
	ck_assert(harness_wait(can_connect, NULL, LIMIT_MS));
}
END_TEST

START_TEST(requests_behind_each_other_are_all_answered)
{
	block("/v1/catalog/services");
	fake_client_send(&client, "GET", "/v1/agent/self", "", NULL);
	fake_client_send(&client, "GET", "/nowhere", "", NULL);
	ck_assert(fake_client_is_silent(&client, 50));
	register_one("shop", "n1", 1);
	read_reply();
	ck_assert_str_eq(reply.body, "{\"consul\":[],\"shop\":[]}");
	read_reply();
	ck_assert_ptr_nonnull(strstr(reply.body, "Datacenter"));
	read_reply();
	ck_assert_int_eq(reply.status, 404);
}
END_TEST

START_TEST(nonsense_is_hung_up_on)
{
	fake_client_send(&client, "GET", "nowhere", "", NULL);
	ck_assert(fake_client_is_closed(&client));
}
END_TEST

static TCase *make_case(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 30);
	return tc;
}

static TCase *answers(void)
{
	TCase *tc = make_case("answers");

	tcase_add_test(tc, consul_itself_is_a_service);
	tcase_add_test(tc, services_have_the_tags_of_all_instances);
	tcase_add_test(tc, registered_instance_has_all_the_fields);
	tcase_add_test(tc, body_is_given_out_octet_for_octet);
	tcase_add_test(tc, unknown_service_is_an_empty_list);
	tcase_add_test(tc, passing_leaves_what_passes_all_checks);
	tcase_add_test(tc, name_is_decoded);
	tcase_add_test(tc, service_goes_with_its_last_instance);
	tcase_add_loop_test(tc, mistakes_are_refused_with_a_text, 0, sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(tc, requests_are_counted_and_remembered);
	return tc;
}

static TCase *blocking(void)
{
	TCase *tc = make_case("blocking");

	tcase_add_test(tc, query_is_held_until_its_service_changes);
	tcase_add_test(tc, wait_that_is_over_is_answered_with_the_same_index);
	tcase_add_test(tc, index_of_nothing_or_zero_or_the_past_is_answered_at_once);
	tcase_add_test(tc, index_of_the_future_is_held);
	tcase_add_test(tc, any_service_moves_the_list_of_services);
	tcase_add_test(tc, unknown_service_moves_when_any_goes);
	tcase_add_test(tc, check_wakes_health_but_not_catalog);
	tcase_add_test(tc, check_of_a_node_wakes_every_service_on_it);
	tcase_add_test(tc, touched_service_has_a_new_index_and_the_same_body);
	tcase_add_test(tc, woken_for_nothing_has_the_same_index);
	tcase_add_test(tc, reset_index_answers_with_a_smaller_one);
	tcase_add_test(tc, client_that_hangs_up_is_forgotten);
	tcase_add_test(tc, crowd_is_woken_by_one_change);
	return tc;
}

static TCase *rights(void)
{
	TCase *tc = make_case("rights");

	tcase_add_test(tc, unknown_token_is_not_found);
	tcase_add_test(tc, token_is_taken_from_any_of_its_places);
	tcase_add_test(tc, without_a_token_everything_is_empty_and_nobody_says_so);
	tcase_add_test(tc, restricted_token_sees_less_and_is_told);
	return tc;
}

static TCase *trouble(void)
{
	TCase *tc = make_case("trouble");

	tcase_add_test(tc, without_a_leader_only_stale_reads_are_answered);
	tcase_add_test(tc, stale_read_tells_its_lag);
	tcase_add_test(tc, index_can_be_missing_or_zero);
	tcase_add_test(tc, modes_refuse);
	tcase_add_test(tc, hanging_server_is_silent_and_late);
	tcase_add_test(tc, restart_cuts_and_starts_with_small_indexes);
	tcase_add_test(tc, connection_over_the_limit_is_told_and_closed);
	tcase_add_test(tc, server_that_is_down_refuses_connections);
	return tc;
}

static TCase *control(void)
{
	TCase *tc = make_case("control");

	tcase_add_test(tc, service_is_changed_over_http);
	tcase_add_test(tc, many_services_come_in_one_request);
	tcase_add_test(tc, behaviour_is_changed_over_http);
	tcase_add_test(tc, counts_do_not_count_control);
	tcase_add_test(tc, server_can_be_down_for_a_while);
	tcase_add_test(tc, requests_behind_each_other_are_all_answered);
	tcase_add_test(tc, nonsense_is_hung_up_on);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("fake_consul");

	suite_add_tcase(suite, answers());
	suite_add_tcase(suite, blocking());
	suite_add_tcase(suite, rights());
	suite_add_tcase(suite, trouble());
	suite_add_tcase(suite, control());
	return harness_run(suite);
}
