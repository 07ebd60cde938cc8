/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "kind.h"
#include "registry/registry.h"

static const char one[] =
	"[{\"Node\":{\"Node\":\"n1\",\"Address\":\"10.0.0.1\"},"
	"\"Service\":{\"ID\":\"web-1\",\"Service\":\"web\",\"Tags\":[\"blue\",\"v1\"],\"Port\":80},"
	"\"Checks\":[]}]";
static const char two[] =
	"[{\"Node\":{\"Address\":\"10.0.0.1\"},\"Service\":{\"ID\":\"web-1\",\"Tags\":[\"blue\",\"v1\"],"
	"\"Port\":80}},"
	"{\"Node\":{\"Address\":\"10.0.0.2\"},\"Service\":{\"ID\":\"web-2\",\"Tags\":[\"green\"],\"Port\":81}}]";

static struct registry_options options;
static struct kind k;
static struct fetch_request request;

static void set_up(void)
{
	options = (struct registry_options){ .kind = "consul", .name = "lab", .watch = true };
	options.http.url = "http://127.0.0.1:8500";
	options.consul.wait_ms = 30000;
	options.consul.held = 64;
}

static void tear_down(void)
{
	kind_finish(&k);
}

static void begin(void)
{
	kind_start(&k, &registry_consul, &options, NULL);
}

/* For a configured list of services. */
static void begin_with(const char *const *services)
{
	options.consul.services = services;
	begin();
}

static const char *const web[] = { "web", NULL };

static struct resource *find(const char *name)
{
	struct resource *res = kind_find(&k, name);

	ck_assert_msg(res != NULL, "%s is not asked for", name);
	return res;
}

static const char *ask(const char *name)
{
	request = kind_ask(&k, find(name));
	ck_assert_int_eq(request.source, FETCH_HTTP);
	ck_assert_ptr_eq(request.http, &options.http);
	return request.path;
}

struct head {
	int status; /* 0: 200 */
	const char *type, *index, *contact, *leader, *filtered, *age, *backend;
};

/* As the fetcher would: only what was wanted, and sent. */
static int answer_with(const char *name, const struct head *head, const char *body)
{
	const struct fetch_header all[] = {
		{ "X-Consul-Index", head->index },
		{ "X-Consul-LastContact", head->contact },
		{ "X-Consul-KnownLeader", head->leader },
		{ "X-Consul-Query-Backend", head->backend },
		{ "X-Consul-Results-Filtered-By-ACLs", head->filtered },
		{ "Age", head->age },
	};
	struct fetch_header sent[6];
	struct fetch_result res = { .name = "test",
				    .status = head->status != 0 ? head->status : 200,
				    .last = true,
				    .content_type = head->type != NULL ? head->type : "application/json",
				    .body = body,
				    .len = strlen(body),
				    .headers = sent };

	for (size_t i = 0; i < 6; i++) {
		ck_assert_str_eq(request.wanted[i], all[i].name);
		if (all[i].value != NULL)
			sent[res.n_headers++] = all[i];
	}
	return kind_read(&k, find(name), &res);
}

static int answer(const char *name, const char *index, const char *body)
{
	const struct head head = { .index = index };

	return answer_with(name, &head, body);
}

/* Asks first. */
static int run(const char *name, const char *index, const char *body)
{
	ask(name);
	return answer(name, index, body);
}

static int fail_once(const char *name)
{
	const struct fetch_result res = { .error = -ECONNREFUSED, .error_text = "connection refused" };

	ask(name);
	const int status = kind_read(&k, find(name), &res);
	ck_assert_str_eq(k.error, "connection refused");
	return status;
}

static size_t count_drops(enum drop reason)
{
	return snapshot_dropped(k.last, reason);
}

/* --- what is asked for --- */

START_TEST(all_services_are_those_of_the_list)
{
	begin();
	ck_assert_uint_eq(k.n, 1);
	ck_assert(find("list of services")->vital);
	ck_assert_str_eq(ask("list of services"), "/v1/catalog/services");
	ck_assert_int_eq(answer("list of services", "7", "{\"web\":[\"v1\"],\"consul\":[],\"db\":[]}"),
			 STEP_AGAIN);
	ck_assert_uint_eq(k.n, 4);
	ck_assert(!find("service web")->vital);
	ck_assert_str_eq(ask("service web"), "/v1/health/service/web");
	ck_assert_str_eq(ask("service db"), "/v1/health/service/db");
	ck_assert_str_eq(ask("service consul"), "/v1/health/service/consul");
	ck_assert_str_eq(kind_text(&k, "web"), "-"); /* nothing is known of it yet */
	ck_assert_int_eq(run("service web", "5", one), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1");
	ck_assert_int_eq(run("service db", "5", "[]"), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "db"), "");
}
END_TEST

START_TEST(configured_services_need_no_list)
{
	static const char *const names[] = { "web", "team/a b", NULL };

	begin_with(names);
	ck_assert_uint_eq(k.n, 2);
	ck_assert_str_eq(ask("service web"), "/v1/health/service/web");
	ck_assert_str_eq(ask("service team/a b"), "/v1/health/service/team%2Fa%20b");
	ck_assert(!find("service web")->vital);
}
END_TEST

START_TEST(parameters_go_percent_encoded)
{
	static const char all[] = "?dc=dc%201&ns=a%26b&partition=p%3D&near=_agent"
				  "&filter=%22prod%22%20in%20Service.Tags&stale=";
	char path[256];

	options.consul.datacenter = "dc 1";
	options.consul.namespace = "a&b";
	options.consul.partition = "p=";
	options.consul.near = "_agent";
	options.consul.filter = "\"prod\" in Service.Tags";
	options.consul.stale = true;
	begin();
	ck_assert_str_eq(ask("list of services"),
			 "/v1/catalog/services?dc=dc%201&ns=a%26b&partition=p%3D&stale=");
	ck_assert_int_eq(answer("list of services", "7", "{\"web\":[]}"), STEP_AGAIN);
	ck_assert_str_eq(ask("list of services"),
			 "/v1/catalog/services?dc=dc%201&ns=a%26b&partition=p%3D&stale="
			 "&index=7&wait=30000ms");
	snprintf(path, sizeof(path), "/v1/health/service/web%s", all);
	ck_assert_str_eq(ask("service web"), path);
}
END_TEST

START_TEST(catalog_mode_asks_the_catalog)
{
	options.consul.mode = CONSUL_CATALOG;
	begin_with(web);
	ck_assert_str_eq(ask("service web"), "/v1/catalog/service/web");
}
END_TEST

START_TEST(without_watch_nothing_waits_at_the_server)
{
	options.watch = false;
	begin();
	ck_assert_int_eq(run("list of services", "7", "{\"web\":[]}"), STEP_PAUSE);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(run("list of services", "8", "{\"web\":[]}"), STEP_PAUSE);
		ck_assert_int_eq(run("service web", "7", one), STEP_PAUSE);
		ck_assert_str_eq(request.path, "/v1/health/service/web");
		ck_assert(!request.held);
		ck_assert_uint_eq(request.timeout_ms, 0);
	}
	ck_assert_uint_eq(k.n_hastened, 0);
}
END_TEST

/* --- the index --- */

START_TEST(second_request_waits_for_the_next_change)
{
	begin_with(web);
	ask("service web");
	ck_assert(!request.held);
	ck_assert_uint_eq(request.timeout_ms, 0);
	ck_assert_int_eq(answer("service web", "4120", one), STEP_AGAIN);
	ck_assert_str_eq(ask("service web"), "/v1/health/service/web?index=4120&wait=30000ms");
	ck_assert(request.held);
	ck_assert_uint_gt(request.timeout_ms, 30000 + 30000 / 16);
	ck_assert_uint_lt(request.timeout_ms, 45000);
}
END_TEST

/* What follows 4120. */
static const struct {
	const char *index;
	int step;
	const char *next, *known;
} moves[] = {
	{ "4121", STEP_AGAIN, "?index=4121&wait=30000ms", "10.0.0.1:80 web-1, 10.0.0.2:81 web-2" },
	{ "9223372036854775809", STEP_AGAIN, "?index=9223372036854775809&wait=30000ms",
	  "10.0.0.1:80 web-1, 10.0.0.2:81 web-2" },
	{ "18446744073709551615", STEP_AGAIN, "?index=18446744073709551615&wait=30000ms",
	  "10.0.0.1:80 web-1, 10.0.0.2:81 web-2" },
	{ "388", STEP_ASK, "", "10.0.0.1:80 web-1" }, /* back: what it brought may be old */
	{ "0", STEP_ASK, "", "10.0.0.1:80 web-1" },
	{ NULL, STEP_PAUSE, "", "10.0.0.1:80 web-1, 10.0.0.2:81 web-2" },
	{ "", STEP_PAUSE, "", "10.0.0.1:80 web-1, 10.0.0.2:81 web-2" },
	{ "-1", STEP_PAUSE, "", "10.0.0.1:80 web-1, 10.0.0.2:81 web-2" },
	{ "18446744073709551616", STEP_PAUSE, "", "10.0.0.1:80 web-1, 10.0.0.2:81 web-2" },
};

START_TEST(index_says_how_to_go_on)
{
	char path[128];

	begin_with(web);
	ck_assert_int_eq(run("service web", "4120", one), STEP_AGAIN);
	ck_assert_int_eq(run("service web", moves[_i].index, two), moves[_i].step);
	ck_assert_str_eq(kind_text(&k, "web"), moves[_i].known);
	snprintf(path, sizeof(path), "/v1/health/service/web%s", moves[_i].next);
	ck_assert_str_eq(ask("service web"), path);
}
END_TEST

START_TEST(index_of_zero_is_sent_as_one)
{
	begin_with(web);
	ck_assert_int_eq(run("service web", "0", one), STEP_AGAIN);
	ck_assert_str_eq(ask("service web"), "/v1/health/service/web?index=1&wait=30000ms");
	ck_assert_int_eq(answer("service web", "0", one), STEP_AGAIN);
}
END_TEST

START_TEST(index_that_went_back_starts_anew_from_what_is_there_now)
{
	begin_with(web);
	ck_assert_int_eq(run("service web", "4120", one), STEP_AGAIN);
	ck_assert_int_eq(run("service web", "388", two), STEP_ASK);
	ask("service web");
	ck_assert(!request.held);
	ck_assert_int_eq(answer("service web", "390", two), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1, 10.0.0.2:81 web-2");
	ck_assert_str_eq(ask("service web"), "/v1/health/service/web?index=390&wait=30000ms");
}
END_TEST

START_TEST(same_index_says_the_same_once_more)
{
	begin_with(web);
	ck_assert_int_eq(run("service web", "9", one), STEP_AGAIN);
	const struct service *before = k.last->services[0];
	ck_assert(!ledger_is_certain(k.ledger, "web"));
	ck_assert_int_eq(run("service web", "9", one), STEP_AGAIN);
	ck_assert_ptr_eq(k.last->services[0], before);
	ck_assert(ledger_is_certain(k.ledger, "web"));
}
END_TEST

START_TEST(larger_index_without_a_change_changes_nothing)
{
	char noisy[512];

	begin_with(web);
	ck_assert_int_eq(run("service web", "9", one), STEP_AGAIN);
	struct snapshot *before = snapshot_keep(k.last);
	snprintf(noisy, sizeof(noisy), "%.*s[{\"Status\":\"passing\",\"Output\":\"12:00:01\"}]}]",
		 (int)strlen(one) - 4, one);
	ck_assert_int_eq(run("service web", "10", noisy), STEP_AGAIN);
	ck_assert(snapshot_is_same(before, k.last));
	snapshot_release(before);
	ck_assert_str_eq(ask("service web"), "/v1/health/service/web?index=10&wait=30000ms");
}
END_TEST

START_TEST(another_body_at_the_same_index_is_that_of_another_token)
{
	begin_with(web);
	ck_assert_int_eq(run("service web", "9", _i == 0 ? "[]" : two), STEP_AGAIN);
	ck_assert_int_eq(run("service web", "9", one), STEP_ASK);
	ask("service web");
	ck_assert(!request.held); /* and the answer says what that token may not see */
	ck_assert_int_eq(answer("service web", "9", one), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1");
}
END_TEST

START_TEST(after_a_failure_the_end_of_the_outage_is_not_waited_for)
{
	begin_with(web);
	ck_assert_int_eq(run("service web", "9", one), STEP_AGAIN);
	ck_assert_int_eq(fail_once("service web"), -ECONNREFUSED);
	ck_assert(request.held);
	ck_assert_int_eq(fail_once("service web"), -ECONNREFUSED);
	ck_assert(!request.held);
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1");
	ck_assert_int_eq(run("service web", "3", two), STEP_AGAIN); /* Consul has a new past, too */
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1, 10.0.0.2:81 web-2");
	ck_assert_str_eq(ask("service web"), "/v1/health/service/web?index=3&wait=30000ms");
}
END_TEST

START_TEST(server_that_fails_whenever_there_is_an_index_is_polled)
{
	const struct head error = { .status = 500, .type = "text/plain" };

	begin_with(web);
	ck_assert_int_eq(run("service web", "9", one), STEP_AGAIN);
	for (int i = 1; i <= 5; i++) {
		ask("service web");
		ck_assert(request.held);
		ck_assert_int_eq(answer_with("service web", &error, "rpc error"), -EPROTO);
		ck_assert_int_eq(run("service web", "9", one), i < 3 ? STEP_AGAIN : STEP_PAUSE);
		ck_assert(!request.held);
	}
	ck_assert_int_eq(run("service web", "9", one), STEP_AGAIN); /* it has got over it */
	ck_assert(request.held);
}
END_TEST

START_TEST(index_of_a_refused_body_is_not_kept)
{
	begin_with(web);
	ck_assert_int_eq(run("service web", "9", one), STEP_AGAIN);
	ck_assert_int_eq(run("service web", "10", "[{]"), -EBADMSG);
	ck_assert_int_eq(run("service web", "9", one), STEP_AGAIN);
	ck_assert_str_eq(ask("service web"), "/v1/health/service/web?index=9&wait=30000ms");
}
END_TEST

/* --- who waits --- */

static unsigned count_held(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < k.n; i++)
		n += kind_ask(&k, k.resources[i]).held;
	return n;
}

START_TEST(only_so_many_wait_and_the_others_are_hastened_by_the_list)
{
	options.consul.held = 2;
	begin();
	ck_assert_int_eq(run("list of services", "5", "{\"a\":[],\"b\":[],\"c\":[]}"), STEP_AGAIN);
	ck_assert_int_eq(run("service a", "5", one), STEP_AGAIN);
	ck_assert_int_eq(run("service b", "5", one), STEP_PAUSE);
	ck_assert_int_eq(run("service c", "5", one), STEP_PAUSE);
	ck_assert_uint_eq(count_held(), 2);
	ck_assert_uint_eq(k.n_hastened, 0);
	ck_assert_int_eq(run("list of services", "5", "{\"a\":[],\"b\":[],\"c\":[]}"), STEP_AGAIN);
	ck_assert_uint_eq(k.n_hastened, 0); /* nothing has moved */
	ck_assert_int_eq(run("list of services", "6", "{\"a\":[],\"b\":[],\"c\":[]}"), STEP_AGAIN);
	ck_assert_uint_eq(k.n_hastened, 2);
}
END_TEST

START_TEST(list_that_moves_all_the_time_does_not_become_a_storm)
{
	char index[16];

	options.consul.held = 1;
	begin();
	ck_assert_int_eq(run("list of services", "5", "{\"a\":[]}"), STEP_AGAIN);
	for (int i = 6; i < 20; i++) {
		snprintf(index, sizeof(index), "%d", i);
		ck_assert_int_eq(run("list of services", index, "{\"a\":[]}"), STEP_AGAIN);
	}
	ck_assert_uint_eq(k.n_hastened, 1);
	ck_assert_int_eq(run("service a", "5", one), STEP_PAUSE); /* because it was hastened */
	ck_assert_int_eq(run("list of services", "21", "{\"a\":[]}"), STEP_AGAIN);
	ck_assert_uint_eq(k.n_hastened, 1);
	ck_assert_int_eq(run("service a", "5", one), STEP_PAUSE); /* in its turn */
	ck_assert_int_eq(run("list of services", "22", "{\"a\":[]}"), STEP_AGAIN);
	ck_assert_uint_eq(k.n_hastened, 2);
}
END_TEST

START_TEST(more_configured_services_than_may_wait_take_the_list_as_alarm)
{
	static const char *const names[] = { "a", "b", "c", NULL };

	options.consul.held = 2;
	begin_with(names);
	ck_assert_uint_eq(k.n, 4);
	ck_assert(!find("list of services")->vital);
	for (size_t i = 0; i < k.n; i++)
		ck_assert_int_ge(run(k.resources[i]->name, "5", i == 0 ? "{\"x\":[]}" : one), 0);
	ck_assert_uint_eq(k.n, 4); /* what it lists does not matter */
	ck_assert_uint_eq(count_held(), 2);
	ck_assert(kind_ask(&k, find("list of services")).held);
	ck_assert_int_eq(run("list of services", "6", "{\"x\":[]}"), STEP_AGAIN);
	ck_assert_uint_eq(k.n_hastened, 2);
	ck_assert_uint_eq(k.last->n_services, 3);
}
END_TEST

START_TEST(as_many_configured_services_as_may_wait_need_no_alarm)
{
	static const char *const names[] = { "a", "b", NULL };

	options.consul.held = 2;
	begin_with(names);
	ck_assert_ptr_null(kind_find(&k, "list of services"));
	ck_assert_int_eq(run("service a", "5", one), STEP_AGAIN);
	ck_assert_int_eq(run("service b", "5", one), STEP_AGAIN);
	ck_assert_uint_eq(count_held(), 2);
}
END_TEST

START_TEST(place_of_a_service_that_has_gone_is_taken_by_another)
{
	options.consul.held = 2;
	begin();
	ck_assert_int_eq(run("list of services", "5", "{\"a\":[],\"b\":[]}"), STEP_AGAIN);
	ck_assert_int_eq(run("service a", "5", "[]"), STEP_AGAIN);
	ck_assert_int_eq(run("service b", "5", one), STEP_PAUSE);
	ck_assert_int_eq(run("list of services", "6", "{\"b\":[]}"), STEP_AGAIN);
	ck_assert_int_eq(run("service b", "5", one), STEP_AGAIN);
	ck_assert_uint_eq(count_held(), 2);
}
END_TEST

START_TEST(thousands_of_instances_are_read)
{
	enum { INSTANCES = 5000 };
	char *body = malloc(INSTANCES * 128 + 2), *at = body;

	ck_assert_ptr_nonnull(body);
	for (unsigned i = 0; i < INSTANCES; i++)
		at += sprintf(at,
			      "%c{\"Node\":{\"Address\":\"10.64.%u.%u\"},\"Service\":{\"ID\":\"web-%u\","
			      "\"Port\":80},\"Checks\":[]}",
			      i == 0 ? '[' : ',', i / 256, i % 256, i);
	strcpy(at, "]");
	begin_with(web);
	ck_assert_int_eq(run("service web", "9", body), STEP_AGAIN);
	ck_assert_uint_eq(k.last->n_instances, INSTANCES);
	free(body);
}
END_TEST

/* --- services that come and go --- */

static const char list_ab[] = "{\"consul\":[],\"a\":[],\"b\":[]}", list_b[] = "{\"b\":[],\"consul\":[]}";

static void begin_ab(void)
{
	begin();
	ck_assert_int_eq(run("list of services", "5", list_ab), STEP_AGAIN);
	ck_assert_int_eq(run("service a", "5", one), STEP_AGAIN);
	ck_assert_int_eq(run("service b", "5", one), STEP_AGAIN);
	ck_assert_int_eq(run("service consul", "5", one), STEP_AGAIN);
}

START_TEST(service_goes_when_it_is_empty_and_the_list_agrees)
{
	begin_ab();
	ck_assert_int_eq(run("service a", "6", "[]"), STEP_ASK);
	ck_assert_int_eq(run("service a", "6", "[]"), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "a"), "");
	ck_assert_int_eq(run("list of services", "6", list_b), STEP_AGAIN);
	ck_assert_ptr_null(kind_find(&k, "service a"));
	ck_assert_str_eq(kind_text(&k, "a"), "-");
	ck_assert_str_eq(kind_text(&k, "b"), "10.0.0.1:80 web-1");
}
END_TEST

START_TEST(service_goes_when_the_list_lacks_it_and_its_own_answer_agrees)
{
	begin_ab();
	ck_assert_int_eq(run("list of services", "6", list_b), STEP_AGAIN);
	ck_assert_uint_eq(k.n_hastened, 1);
	ck_assert_str_eq(kind_text(&k, "a"), "10.0.0.1:80 web-1");
	ck_assert_int_eq(run("list of services", "7", list_b), STEP_AGAIN);
	ck_assert_uint_eq(k.n_hastened, 1);
	ck_assert_int_eq(run("service a", "6", "[]"), STEP_PAUSE); /* it could be a slip */
	ck_assert_str_eq(kind_text(&k, "a"), "");
	ck_assert(!ledger_is_certain(k.ledger, "a"));
	ask("service a");
	ck_assert(!request.held);
	ck_assert_int_eq(answer("service a", "7", "[]"), STEP_STOP);
	ck_assert_str_eq(kind_text(&k, "a"), "-");
	ck_assert_int_eq(run("list of services", "8", list_ab), STEP_AGAIN); /* and comes back */
	ck_assert_int_eq(run("service a", "8", one), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "a"), "10.0.0.1:80 web-1");
}
END_TEST

START_TEST(last_instance_told_to_have_gone_is_asked_after_at_once)
{
	const bool listed = _i == 0;

	begin_ab();
	ask("service a"); /* waits already when the list comes */
	const struct fetch_request waiting = request;
	ck_assert_int_eq(run("list of services", "6", listed ? list_ab : list_b), STEP_AGAIN);
	ck_assert(waiting.held);
	ck_assert_int_eq(answer("service a", "6", "[]"), STEP_ASK);
	ck_assert_str_eq(kind_text(&k, "a"), "10.0.0.1:80 web-1");
	ask("service a");
	ck_assert(!request.held);
	ck_assert_int_eq(answer("service a", "6", "[]"), listed ? STEP_AGAIN : STEP_STOP);
	ck_assert_str_eq(kind_text(&k, "a"), listed ? "" : "-");
	ck_assert(ledger_is_certain(k.ledger, "a"));
	if (!listed)
		return;
	ask("service a"); /* once is enough */
	ck_assert(request.held);
	ck_assert_int_eq(answer("service a", "7", "[]"), STEP_AGAIN);
	ask("service a");
	ck_assert(request.held);
}
END_TEST

START_TEST(last_instance_that_is_there_after_all_is_waited_for_again)
{
	begin_ab();
	ck_assert_int_eq(run("service a", "6", "[]"), STEP_ASK);
	if (_i == 0)
		ck_assert_int_eq(run("service a", "7", one), STEP_AGAIN);
	else
		fail_once("service a");
	ck_assert_str_eq(kind_text(&k, "a"), "10.0.0.1:80 web-1");
	ask("service a");
	ck_assert(request.held == (_i == 0));
}
END_TEST

/* The agent's stream leaves out what a token may not see, and does not say so; asked again without an index,
 * the servers do. */
START_TEST(rights_lost_behind_a_stream_lose_no_instances)
{
	const struct head stream = { .index = _i == 0 ? "5" : "6",
				     .leader = "false",
				     .backend = "streaming" };
	const struct head servers = { .index = "5", .filtered = "true" };

	begin_ab();
	ask("service a");
	ck_assert_int_eq(answer_with("service a", &stream, "[]"), STEP_ASK);
	ask("service a");
	ck_assert(!request.held);
	ck_assert_int_eq(answer_with("service a", &servers, "[]"), -EACCES);
	ck_assert_str_eq(kind_text(&k, "a"), "10.0.0.1:80 web-1");
}
END_TEST

/* An outage is over, and the servers have forgotten all: that waits for the brake. */
START_TEST(service_that_is_missing_when_asked_anew_is_not_confirmed_at_once)
{
	options.consul.held = _i == 0 ? 64 : 0;
	begin_with(web);
	run("service web", "6", one);
	fail_once("service web");
	ck_assert_int_eq(run("service web", "7", "[]"), _i == 0 ? STEP_AGAIN : STEP_PAUSE);
	ask("service web");
	ck_assert(request.held == (_i == 0));
}
END_TEST

START_TEST(list_alone_makes_no_service_go)
{
	begin_ab();
	ck_assert_int_eq(run("list of services", "6", list_b), STEP_AGAIN);
	ck_assert_int_eq(run("service a", "6", "[]"), STEP_PAUSE);
	ck_assert_int_eq(run("service a", "7", one), STEP_PAUSE);
	ck_assert_int_eq(run("service a", "8", "[]"), STEP_PAUSE);
	ck_assert_int_eq(run("list of services", "7", list_ab), STEP_AGAIN);
	ck_assert_int_eq(run("service a", "9", "[]"), STEP_ASK);
	ck_assert_int_eq(run("service a", "9", "[]"), STEP_AGAIN); /* empty, and there */
	ck_assert_str_eq(kind_text(&k, "a"), "");
}
END_TEST

START_TEST(service_that_never_answered_goes_with_the_list)
{
	begin();
	ck_assert_int_eq(run("list of services", "5", list_ab), STEP_AGAIN);
	ck_assert_int_eq(fail_once("service a"), -ECONNREFUSED);
	ck_assert_int_eq(run("list of services", "6", list_b), STEP_AGAIN);
	ck_assert_ptr_null(kind_find(&k, "service a"));
	ck_assert_ptr_nonnull(kind_find(&k, "service b"));
}
END_TEST

START_TEST(list_without_consul_itself_comes_from_a_token_without_rights)
{
	begin_ab();
	ck_assert_int_eq(run("list of services", "6", "{}"), -EACCES);
	ck_assert_ptr_nonnull(strstr(k.error, "no longer sees everything"));
	ck_assert_uint_eq(k.n, 4);
	ck_assert_str_eq(kind_text(&k, "a"), "10.0.0.1:80 web-1");
	ck_assert_int_eq(run("list of services", "6", list_ab), STEP_AGAIN);
}
END_TEST

START_TEST(list_may_be_empty_from_the_beginning)
{
	options.consul.namespace = _i == 0 ? NULL : "shop"; /* which has no service "consul" */
	begin();
	ck_assert_int_eq(run("list of services", "5", "{}"), STEP_AGAIN);
	ck_assert_uint_eq(k.n, 1);
	ck_assert_uint_eq(k.last->n_services, 0);
	ck_assert_uint_eq(snapshot_n_remarks(k.last), _i == 0);
}
END_TEST

START_TEST(names_that_are_none_for_dns_are_counted_once)
{
	begin();
	for (int i = 0; i < 3; i++) {
		char index[2] = { (char)('5' + i), '\0' };

		ck_assert_int_eq(
			run("list of services", index,
			    "{\"Order_Service\":[],\"caf\\u00e9\":[],\"a/b\":[],\"db.replica\":[],\"-x\":[],"
			    "\"two words\":[],\"\":[],\"_tcp\":[],\"payments-sidecar-proxy\":[],\"x..y\":[],"
			    "\"1234567890123456789012345678901234567890123456789012345678901234\":[]}"),
			STEP_AGAIN);
		ck_assert_uint_eq(k.n, 5);
		ck_assert_uint_eq(count_drops(DROP_SERVICE_NAME), 6);
		ck_assert_uint_eq(count_drops(DROP_RESERVED), 1);
	}
	ck_assert_str_eq(ask("service Order_Service"), "/v1/health/service/Order_Service");
	ck_assert_int_eq(answer("service Order_Service", "5", one), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "order_service"), "10.0.0.1:80 web-1");
	ck_assert_str_eq(ask("service db.replica"), "/v1/health/service/db.replica");
	ck_assert_str_eq(snapshot_remark(k.last, 0),
			 "instance dropped (service-name): service \"caf\\xc3\\xa9\"");
}
END_TEST

static unsigned n_started, start_limit;

static int start_counted(struct registry_host *h, struct resource *res)
{
	(void)h;
	(void)res;
	if (n_started == start_limit)
		return -ENOMEM;
	n_started++;
	return 0;
}

/* {"s0":[],"s1":[]...}; the caller frees it. */
static char *make_list(unsigned n)
{
	char *body = malloc(n * 16 + 16), *at = body;

	ck_assert_ptr_nonnull(body);
	*at++ = '{';
	for (unsigned i = 0; i < n; i++)
		at += sprintf(at, "%s\"s%u\":[]", i > 0 ? "," : "", i);
	strcpy(at, "}");
	return body;
}

START_TEST(list_too_long_is_cut_and_counted)
{
	char *body = make_list(20010);

	begin();
	k.host.start = start_counted;
	n_started = 0;
	start_limit = UINT32_MAX;
	ck_assert_int_eq(run("list of services", "5", body), STEP_AGAIN);
	ck_assert_uint_eq(n_started, 20000);
	ck_assert_uint_eq(count_drops(DROP_LIMIT), 10);
	free(body);
}
END_TEST

START_TEST(list_longer_than_configured_is_cut_and_counted)
{
	options.limits.services = 2;
	begin();
	ck_assert_int_eq(run("list of services", "5", "{\"a\":[],\"b\":[],\"c\":[],\"d\":[]}"), STEP_AGAIN);
	ck_assert_uint_eq(k.n, 3); /* and the list itself */
	ck_assert_uint_eq(count_drops(DROP_LIMIT), 2);
	ck_assert_str_eq(snapshot_remark(k.last, 0), "instance dropped (limit): service \"c\": max-services");
}
END_TEST

START_TEST(service_that_could_not_be_started_is_started_next_time)
{
	char *body = make_list(10);

	begin();
	k.host.start = start_counted;
	n_started = 0;
	start_limit = 4;
	ck_assert_int_eq(run("list of services", "5", body), -ENOMEM);
	start_limit = 20;
	ck_assert_int_eq(run("list of services", "5", body), STEP_AGAIN);
	ck_assert_uint_eq(n_started, 10);
	free(body);
}
END_TEST

static const char *const bad_lists[] = { "[]",          "[\"web\"]",     "\"web\"", "{",
					 "{\"web\":[]", "{\"web\":[]}}", "null",    "{\"a\":[],\"a\":[]}",
					 "{\"a\":[}",   "{\"a\":}" };

START_TEST(list_that_is_none_starts_and_stops_nothing)
{
	begin_ab();
	ck_assert_int_eq(run("list of services", "6", bad_lists[_i]), -EBADMSG);
	ck_assert_str_ne(k.error, "");
	ck_assert_uint_eq(k.n, 4);
	ck_assert_str_eq(kind_text(&k, "a"), "10.0.0.1:80 web-1");
}
END_TEST

/* --- tags --- */

static const char *const blue_v1[] = { "blue", "v1", NULL };

START_TEST(instance_must_have_all_wanted_tags)
{
	options.consul.tags = blue_v1;
	begin_with(web);
	ck_assert_int_eq(run("service web", "5", two), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1");
	ck_assert_uint_eq(count_drops(DROP_SHAPE), 0);
}
END_TEST

START_TEST(name_whose_tags_lack_a_wanted_one_is_not_asked_for)
{
	options.consul.tags = blue_v1;
	begin();
	ck_assert_int_eq(run("list of services", "5",
			     "{\"web\":[\"v1\",\"x\",\"blue\"],\"db\":[\"blue\"],\"idle\":[],\"odd\":null}"),
			 STEP_AGAIN);
	ck_assert_uint_eq(k.n, 2);
	ck_assert_int_eq(run("service web", "5", one), STEP_AGAIN);
	ck_assert_int_eq(run("list of services", "6", "{\"web\":[\"x\"]}"), STEP_AGAIN);
	ck_assert_int_eq(run("service web", "6",
			     "[{\"Node\":{\"Address\":\"10.0.0.1\"},\"Service\":{\"Tags\":[\"x\"]}}]"),
			 STEP_PAUSE);
	ck_assert_int_eq(run("service web", "6", "[]"), STEP_STOP);
}
END_TEST

/* --- the instances --- */

static const char *const words[] = { "passing", "warning", "critical" };

static const char *describe(const struct instance *in)
{
	static char text[512];
	char address[ADDRESS_TEXT_MAX];

	snprintf(text, sizeof(text), "%s:%u %s %s %u %s",
		 in->address.len > 0 ? address_to_text(&in->address, address) : instance_host(in), in->port,
		 instance_name(in) != NULL ? instance_name(in) : "-", words[in->health], in->weight,
		 instance_zone(in) != NULL ? instance_zone(in) : "-");
	return text;
}

static bool has_instance(const char *service, const char *text)
{
	const struct service *s = snapshot_find(k.last, service);

	ck_assert_ptr_nonnull(s);
	for (size_t i = 0; i < s->n_instances; i++) {
		if (strcmp(describe(s->instances[i]), text) == 0)
			return true;
	}
	return false;
}

static const char *const stock[] = { "stock", NULL };

static void read_stock(const char *file)
{
	size_t len;
	char *body = harness_read_data(file, &len);

	begin_with(stock);
	ck_assert_int_eq(run("service stock", "5", body), STEP_AGAIN);
	free(body);
}

/* One for each kind of entry that Consul has been seen to give; NULL: dropped. */
static const struct {
	const char *health, *catalog;
} cases[] = {
	{ "10.9.0.1:9000 stock-1 passing 10 north", "10.9.0.1:9000 stock-1 passing 10 north" },
	{ "10.9.0.2:9000 stock-2 passing 1 north",
	  "10.9.0.2:9000 stock-2 passing 1 north" }, /* the node's address */
	{ "2001:db8:9::3:9000 stock-3 passing 1 north", "2001:db8:9::3:9000 stock-3 passing 1 north" },
	{ "stock-4.lab.example:9000 stock-4 passing 1 north",
	  "stock-4.lab.example:9000 stock-4 passing 1 north" },
	{ "10.9.0.5:9000 stock-5 warning 3 north", "10.9.0.5:9000 stock-5 passing 10 north" },
	{ "10.9.0.6:9000 stock-6 critical 1 north", "10.9.0.6:9000 stock-6 passing 1 north" },
	{ "10.9.0.7:9000 stock-7 critical 1 north", "10.9.0.7:9000 stock-7 passing 1 north" }, /* dead node */
	{ "10.9.0.8:9000 stock-8 critical 1 north",
	  "10.9.0.8:9000 stock-8 passing 1 north" }, /* maintenance */
	{ "10.9.0.9:9000 stock-9 critical 1 north", "10.9.0.9:9000 stock-9 passing 1 north" },
	{ "10.9.0.10:0 stock-10 passing 1 north", "10.9.0.10:0 stock-10 passing 1 north" },
	{ "10.9.0.11:9000 stock-11 passing 1 north",
	  "10.9.0.11:9000 stock-11 passing 1 north" },                                    /* no checks */
	{ "10.9.0.12:9000 stock-12 passing 1 -", "10.9.0.12:9000 stock-12 passing 1 -" }, /* nulls */
	{ "10.9.0.13:9000 stock-13 passing 1 north",
	  "10.9.0.13:9000 stock-13 passing 1 north" }, /* old server */
	{ "10.9.0.1:9000 stock-14 passing 1 north",
	  "10.9.0.1:9000 stock-14 passing 1 north" }, /* place of 1 */
	{ "10.9.0.15:9000 stock-1 passing 1 north",
	  "10.9.0.15:9000 stock-1 passing 1 north" }, /* name of 1 */
	{ "10.9.0.16:9000 stock-16 passing 0 north", "10.9.0.16:9000 stock-16 passing 0 north" },
	{ "10.9.0.17:9000 stock-17 passing 65535 north", "10.9.0.17:9000 stock-17 passing 65535 north" },
	{ "127.0.0.1:9000 stock-18 passing 1 north", "127.0.0.1:9000 stock-18 passing 1 north" },
	{ "mirror.lab.example:443 stock-19 passing 1 -", "mirror.lab.example:443 stock-19 passing 1 -" },
	{ NULL, NULL }, /* port 70000 */
	{ NULL, NULL }, /* spaces around the address */
	{ "2001:db8:9::22:9000 stock-22 passing 1 north", "2001:db8:9::22:9000 stock-22 passing 1 north" },
	{ NULL, NULL }, /* an address with a zone of its own */
	{ "10.9.0.24:9000 stock-24 warning 1 north",
	  "10.9.0.24:9000 stock-24 passing 1 north" }, /* odd word */
};

enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

START_TEST(health_case_has_a_defined_outcome)
{
	read_stock("consul/health-stock.json");
	if (cases[_i].health != NULL)
		ck_assert_msg(has_instance("stock", cases[_i].health), "%s", cases[_i].health);
	ck_assert_uint_eq(k.last->n_instances, N_CASES - 3);
	ck_assert_uint_eq(count_drops(DROP_PORT), 1);
	ck_assert_uint_eq(count_drops(DROP_ADDRESS), 2);
}
END_TEST

START_TEST(catalog_case_has_a_defined_outcome)
{
	options.consul.mode = CONSUL_CATALOG;
	read_stock("consul/catalog-stock.json");
	if (cases[_i].catalog != NULL)
		ck_assert_msg(has_instance("stock", cases[_i].catalog), "%s", cases[_i].catalog);
	ck_assert_uint_eq(k.last->n_instances, N_CASES - 3);
	ck_assert_uint_eq(count_drops(DROP_PORT), 1);
	ck_assert_uint_eq(count_drops(DROP_ADDRESS), 2);
}
END_TEST

START_TEST(tags_and_metadata_are_those_of_the_service)
{
	read_stock("consul/health-stock.json");
	const struct service *s = snapshot_find(k.last, "stock");
	size_t i = 0;

	while (instance_name(s->instances[i]) == NULL ||
	       strcmp(instance_name(s->instances[i]), "stock-3") != 0)
		i++;
	ck_assert_uint_eq(s->instances[i]->n_tags, 2);
	ck_assert_str_eq(instance_tag(s->instances[i], 0), "blue");
	ck_assert_str_eq(instance_tag(s->instances[i], 1), "six");
	ck_assert_uint_eq(s->instances[i]->n_metadata, 1);
	ck_assert_str_eq(instance_metadata(s->instances[i], 0).key, "release");
	ck_assert_str_eq(instance_metadata(s->instances[i], 0).value, "7");
	ck_assert_int_eq(s->instances[i]->protocol, PROTOCOL_ANY);
}
END_TEST

/* An entry's members, and what becomes of it. */
static const struct {
	const char *service, *node, *checks, *instance;
} entries[] = {
	{ "\"Port\":1", "", "null", "10.0.0.9:1 - passing 1 -" },
	{ "\"Port\":\"81\"", "", "[]", "10.0.0.9:81 - passing 1 -" },
	{ "\"Port\":null,\"ID\":\"Up.Dot\"", "", "[]", "10.0.0.9:0 - passing 1 -" },
	{ "\"ID\":\"UP\",\"Address\":null", "", "[]", "10.0.0.9:0 up passing 1 -" },
	{ "\"Address\":\"\",\"Weights\":{\"Passing\":0.5}", "", "[]", "10.0.0.9:0 - passing 1 -" },
	{ "\"Weights\":{\"Passing\":-3,\"Warning\":4}", "", "[]", "10.0.0.9:0 - passing 1 -" },
	{ "\"Weights\":{\"Passing\":1e300}", "", "[]", "10.0.0.9:0 - passing 65535 -" },
	{ "\"Weights\":[],\"Tags\":{},\"Meta\":[]", "", "[]", "10.0.0.9:0 - passing 1 -" },
	{ "\"Weights\":{\"Warning\":0}", "", "[{\"Status\":\"warning\"}]", "10.0.0.9:0 - warning 0 -" },
	{ "\"Weights\":{\"Passing\":9,\"Warning\":2}", "", "[{\"Status\":\"critical\"}]",
	  "10.0.0.9:0 - critical 9 -" },
	{ "\"Port\":0", "", "[{\"Status\":\"warning\"},{\"Status\":\"critical\"},{\"Status\":\"passing\"}]",
	  "10.0.0.9:0 - critical 1 -" },
	{ "\"Port\":0", "", "[{\"Status\":\"odd\"},{\"Status\":\"critical\"}]", "10.0.0.9:0 - critical 1 -" },
	{ "\"Port\":0", "", "[{\"CheckID\":\"_service_maintenance:x\",\"Status\":\"passing\"}]",
	  "10.0.0.9:0 - critical 1 -" },
	{ "\"Port\":0", "", "[{\"CheckID\":\"_node_maintenance_2\",\"Status\":\"passing\"}]",
	  "10.0.0.9:0 - passing 1 -" },
	{ "\"Port\":0", "", "[{\"Status\":\"passing\\u0000\"}]", "10.0.0.9:0 - warning 1 -" },
	{ "\"Port\":0", "", "[7,{}]", "10.0.0.9:0 - warning 1 -" },
	{ "\"Kind\":\"connect-proxy\",\"Port\":21000,\"Proxy\":{\"DestinationServiceName\":\"web\","
	  "\"Config\":{\"Address\":\"10.0.0.8\",\"Port\":1,\"Checks\":[{\"Status\":\"critical\"}]}}",
	  "", "[]", "10.0.0.9:21000 - passing 1 -" },
	{ "\"Meta\":{\"zone\":\"a\"}", ",\"Meta\":{\"zone\":\"b\"}", "[]", "10.0.0.9:0 - passing 1 a" },
	{ "\"Meta\":{\"zone\":\"\"}", ",\"Meta\":{\"availability_zone\":\"b\"}", "[]",
	  "10.0.0.9:0 - passing 1 b" },
	{ "\"Meta\":{\"zone\":\"a\"},\"Locality\":{\"Region\":\"r\",\"Zone\":\"c\"}", "", "[]",
	  "10.0.0.9:0 - passing 1 c" },
	{ "\"Locality\":null", ",\"Meta\":{\"zone\":\"b\"},\"Locality\":{\"Zone\":\"d\"}", "[]",
	  "10.0.0.9:0 - passing 1 d" },
};

START_TEST(entry_is_read_as_consul_means_it)
{
	char body[512];

	begin_with(web);
	snprintf(body, sizeof(body),
		 "[{\"Node\":{\"Address\":\"10.0.0.9\"%s},\"Service\":{%s},\"Checks\":%s}]", entries[_i].node,
		 entries[_i].service, entries[_i].checks);
	ck_assert_int_eq(run("service web", "5", body), STEP_AGAIN);
	ck_assert_uint_eq(k.last->n_instances, 1);
	ck_assert_str_eq(describe(snapshot_find(k.last, "web")->instances[0]), entries[_i].instance);
}
END_TEST

static const struct {
	const char *element;
	enum drop reason;
} spoilt[] = {
	{ "7", DROP_SHAPE },
	{ "null", DROP_SHAPE },
	{ "[]", DROP_SHAPE },
	{ "{}", DROP_SHAPE },
	{ "{\"Service\":null}", DROP_SHAPE },
	{ "{\"Service\":{}}", DROP_ADDRESS },
	{ "{\"Service\":{},\"Node\":{\"Address\":\"\"}}", DROP_ADDRESS },
	{ "{\"Service\":{},\"Node\":{\"Address\":\"0.0.0.0\"}}", DROP_ADDRESS },
	{ "{\"Service\":{\"Address\":7},\"Node\":{\"Address\":\"10.0.0.1\"}}", DROP_ADDRESS },
	{ "{\"Service\":{\"Address\":\"\\u000010.0.0.2\"},\"Node\":{\"Address\":\"10.0.0.1\"}}",
	  DROP_ADDRESS },
	{ "{\"Service\":{\"Address\":\"10.0.0.1:80\"}}", DROP_ADDRESS },
	{ "{\"Service\":{\"Address\":\"10.0.0.1\",\"Port\":-1}}", DROP_PORT },
	{ "{\"Service\":{\"Address\":\"10.0.0.1\",\"Port\":\"http\"}}", DROP_PORT },
	{ "{\"Service\":{\"Address\":\"10.0.0.1\",\"Port\":{}}}", DROP_PORT },
};

START_TEST(spoilt_entry_costs_itself)
{
	char body[512];

	begin_with(web);
	snprintf(body, sizeof(body), "[%s,%s", spoilt[_i].element, one + 1);
	ck_assert_int_eq(run("service web", "5", body), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1");
	ck_assert_uint_eq(count_drops(spoilt[_i].reason), 1);
}
END_TEST

static const char *const bad_bodies[] = { "{}",  "{\"web\":[]}",     "null", "7",    "[",
					  "[{}", "[{\"Service\":{]", "[]]",  "[] x", "\xff" };

START_TEST(body_that_is_none_leaves_what_was_known)
{
	begin_with(web);
	ck_assert_int_eq(run("service web", "5", one), STEP_AGAIN);
	ck_assert_int_eq(run("service web", "6", bad_bodies[_i]), -EBADMSG);
	ck_assert_str_ne(k.error, "");
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1");
}
END_TEST

START_TEST(empty_list_says_that_nothing_is_there)
{
	begin_with(web);
	ck_assert_int_eq(run("service web", "5", one), STEP_AGAIN);
	ck_assert_int_eq(run("service web", "6", "[]"), STEP_ASK);
	ck_assert_int_eq(run("service web", "6", "[]"), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "web"), "");
}
END_TEST

/* --- answers that are none --- */

static const struct {
	struct head head;
	const char *body;
	int error;
	const char *said;
} refusals[] = {
	{ { .status = 403, .type = "text/plain" },
	  "ACL not found",
	  -EACCES,
	  "HTTP status 403: ACL not found" },
	{ { .status = 403 },
	  "Permission denied: token lacks permission 'service:read' on \"web\"\nsecond line",
	  -EACCES,
	  "HTTP status 403: Permission denied: token lacks permission 'service:read' on \"web\"" },
	{ { .status = 403 }, "", -EACCES, "HTTP status 403: the token is not allowed to see this" },
	{ { .status = 400 }, "Invalid index", -EPROTO, "HTTP status 400: Invalid index" },
	{ { .status = 404 },
	  "",
	  -EPROTO,
	  "HTTP status 404: no Consul at this URL, or one that does not know this path" },
	{ { .status = 429 }, "", -EPROTO, "HTTP status 429: asked too often" },
	{ { .status = 429 },
	  "Your IP is issuing too many concurrent connections\n",
	  -EPROTO,
	  "HTTP status 429: Your IP is issuing too many concurrent connections" },
	{ { .status = 500 }, "No cluster leader", -EPROTO, "HTTP status 500: No cluster leader" },
	{ { .status = 502, .type = "text/html" },
	  "<html>bad gateway</html>",
	  -EPROTO,
	  "HTTP status 502: Consul is in trouble" },
	{ { .status = 503 }, "", -EPROTO, "HTTP status 503: Consul is in trouble" },
	{ { .status = 301 },
	  "<a href=\"/ui/\">Moved</a>",
	  -EPROTO,
	  "HTTP status 301: moved; redirects are not followed" },
	{ { .status = 204 }, "", -EPROTO, "HTTP status 204: 200 is wanted" },
	{ { .type = "text/html; charset=utf-8" }, "[]", -EBADMSG, "the answer is HTML, not JSON" },
	{ { .index = "9" }, "", -EBADMSG, "the answer is empty" },
	{ { .index = "9" }, "<html></html>", -EBADMSG, "1:1: a list was expected" },
};

START_TEST(refusal_is_a_failure_with_what_was_said)
{
	begin_with(web);
	ck_assert_int_eq(run("service web", "5", one), STEP_AGAIN);
	ask("service web");
	ck_assert_int_eq(answer_with("service web", &refusals[_i].head, refusals[_i].body),
			 refusals[_i].error);
	ck_assert_str_eq(k.error, refusals[_i].said);
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1");
}
END_TEST

START_TEST(token_that_lost_rights_loses_no_instances)
{
	const struct head cut = { .index = "6", .filtered = "true" };

	begin_with(web);
	ck_assert_int_eq(run("service web", "5", two), STEP_AGAIN);
	for (int i = 0; i < 3; i++) {
		ask("service web");
		ck_assert_int_eq(answer_with("service web", &cut, "[]"), -EACCES);
		ck_assert_ptr_nonnull(strstr(k.error, "the token no longer sees everything"));
		ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1, 10.0.0.2:81 web-2");
	}
	ck_assert_int_eq(run("service web", "6", one), STEP_AGAIN);
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1");
}
END_TEST

START_TEST(token_that_never_saw_everything_is_believed)
{
	const struct head cut = { .index = "6", .filtered = "true" };
	const struct head stream = { .index = "7", .leader = "false", .backend = "streaming" };

	begin_with(web);
	ask("service web");
	ck_assert_int_eq(answer_with("service web", &cut, one), STEP_AGAIN);
	ck_assert_str_eq(snapshot_remark(k.last, 0), "service web: the token does not see everything");
	ask("service web");
	ck_assert_int_eq(answer_with("service web", &stream, two), STEP_AGAIN); /* which does not say so */
	ck_assert_uint_eq(k.last->n_instances, 2);
	fail_once("service web");
	ask("service web");
	ck_assert_int_eq(answer_with("service web", &cut, one), STEP_AGAIN);
	ck_assert_str_eq(snapshot_remark(k.last, 0), "service web: the token does not see everything");
}
END_TEST

START_TEST(list_that_rights_have_cut_stops_nothing)
{
	const struct head cut = { .index = "6", .filtered = "true" };

	begin_ab();
	ask("list of services");
	ck_assert_int_eq(answer_with("list of services", &cut, "{\"consul\":[]}"), -EACCES);
	ck_assert_uint_eq(k.n, 4);
}
END_TEST

/* What an agent says that answers from its stream, under a healthy leader. */
START_TEST(stream_of_an_agent_knows_nothing_of_leaders)
{
	const struct head head = { .index = "6", .leader = "false", .backend = "streaming" };

	begin_with(web);
	ask("service web");
	ck_assert_int_eq(answer_with("service web", &head, one), STEP_AGAIN);
	ck_assert_uint_eq(snapshot_n_remarks(k.last), 0);
}
END_TEST

START_TEST(cluster_without_a_leader_is_a_remark)
{
	const struct head head = { .index = "6", .leader = "false", .contact = "184467" };

	begin_with(web);
	ask("service web");
	ck_assert_int_eq(answer_with("service web", &head, one), STEP_AGAIN);
	ck_assert_uint_eq(find("service web")->lag_ms, 184467);
	ck_assert_str_eq(kind_text(&k, "web"), "10.0.0.1:80 web-1");
	ck_assert_str_eq(snapshot_remark(k.last, 0), "the servers of Consul have no leader");
}
END_TEST

START_TEST(leader_that_is_lost_and_found_is_noticed_without_a_change)
{
	const struct head with = { .index = "6", .leader = "true" },
			  without = { .index = "6", .leader = "false", .contact = "6000" };

	begin_with(web);
	run("service web", "6", one);
	ask("service web");
	ck_assert_int_eq(answer_with("service web", &without, one), STEP_AGAIN);
	ck_assert_uint_eq(snapshot_n_remarks(k.last), 1);
	ask("service web");
	ck_assert_int_eq(answer_with("service web", &with, one), STEP_AGAIN);
	ck_assert_uint_eq(snapshot_n_remarks(k.last), 0);
}
END_TEST

static const struct {
	const char *contact, *age;
	uint64_t lag_ms;
} lags[] = {
	{ NULL, NULL, 0 },
	{ "0", NULL, 0 },
	{ "34", NULL, 34 },
	{ "0", "412", 412000 },
	{ "500000", "412", 500000 },
	{ "-1", "x", 0 },
	{ "18446744073709551615", NULL, 86400000 },
	{ NULL, "18446744073709551615", 86400000 },
	{ "99999999999999999999", NULL, 0 },
};

START_TEST(age_of_an_answer_is_what_consul_says_of_it)
{
	const struct head head = { .index = "6", .contact = lags[_i].contact, .age = lags[_i].age };

	begin_with(web);
	for (int i = 0; i < 2; i++) { /* also when nothing is new */
		ask("service web");
		ck_assert_int_eq(answer_with("service web", &head, one), STEP_AGAIN);
		ck_assert_uint_eq(find("service web")->lag_ms, lags[_i].lag_ms);
	}
}
END_TEST

#define ADD(tcase, test)             tcase_add_test(tcase, test)
#define ADD_LOOP(tcase, test, table) tcase_add_loop_test(tcase, test, 0, sizeof(table) / sizeof(table[0]))

static TCase *add_tcase(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_asking(Suite *suite)
{
	TCase *requests = add_tcase(suite, "requests"), *index = add_tcase(suite, "index");
	TCase *slots = add_tcase(suite, "slots");

	ADD(requests, all_services_are_those_of_the_list);
	ADD(requests, configured_services_need_no_list);
	ADD(requests, parameters_go_percent_encoded);
	ADD(requests, catalog_mode_asks_the_catalog);
	ADD(requests, without_watch_nothing_waits_at_the_server);
	ADD(requests, thousands_of_instances_are_read);
	ADD(index, second_request_waits_for_the_next_change);
	ADD_LOOP(index, index_says_how_to_go_on, moves);
	ADD(index, index_of_zero_is_sent_as_one);
	ADD(index, index_that_went_back_starts_anew_from_what_is_there_now);
	ADD(index, same_index_says_the_same_once_more);
	ADD(index, larger_index_without_a_change_changes_nothing);
	tcase_add_loop_test(index, another_body_at_the_same_index_is_that_of_another_token, 0, 2);
	ADD(index, after_a_failure_the_end_of_the_outage_is_not_waited_for);
	ADD(index, server_that_fails_whenever_there_is_an_index_is_polled);
	ADD(index, index_of_a_refused_body_is_not_kept);
	ADD(slots, only_so_many_wait_and_the_others_are_hastened_by_the_list);
	ADD(slots, list_that_moves_all_the_time_does_not_become_a_storm);
	ADD(slots, more_configured_services_than_may_wait_take_the_list_as_alarm);
	ADD(slots, as_many_configured_services_as_may_wait_need_no_alarm);
	ADD(slots, place_of_a_service_that_has_gone_is_taken_by_another);
}

static void add_reading(Suite *suite)
{
	TCase *names = add_tcase(suite, "names"), *instances = add_tcase(suite, "instances");
	TCase *answers = add_tcase(suite, "answers");

	ADD(names, service_goes_when_it_is_empty_and_the_list_agrees);
	ADD(names, service_goes_when_the_list_lacks_it_and_its_own_answer_agrees);
	tcase_add_loop_test(names, last_instance_told_to_have_gone_is_asked_after_at_once, 0, 2);
	tcase_add_loop_test(names, last_instance_that_is_there_after_all_is_waited_for_again, 0, 2);
	tcase_add_loop_test(names, service_that_is_missing_when_asked_anew_is_not_confirmed_at_once, 0, 2);
	tcase_add_loop_test(names, rights_lost_behind_a_stream_lose_no_instances, 0, 2);
	ADD(names, list_alone_makes_no_service_go);
	ADD(names, service_that_never_answered_goes_with_the_list);
	ADD(names, list_without_consul_itself_comes_from_a_token_without_rights);
	tcase_add_loop_test(names, list_may_be_empty_from_the_beginning, 0, 2);
	ADD(names, names_that_are_none_for_dns_are_counted_once);
	ADD(names, list_too_long_is_cut_and_counted);
	ADD(names, list_longer_than_configured_is_cut_and_counted);
	ADD(names, service_that_could_not_be_started_is_started_next_time);
	ADD(names, name_whose_tags_lack_a_wanted_one_is_not_asked_for);
	ADD_LOOP(names, list_that_is_none_starts_and_stops_nothing, bad_lists);
	ADD(instances, instance_must_have_all_wanted_tags);
	ADD_LOOP(instances, health_case_has_a_defined_outcome, cases);
	ADD_LOOP(instances, catalog_case_has_a_defined_outcome, cases);
	ADD(instances, tags_and_metadata_are_those_of_the_service);
	ADD_LOOP(instances, entry_is_read_as_consul_means_it, entries);
	ADD_LOOP(instances, spoilt_entry_costs_itself, spoilt);
	ADD_LOOP(instances, body_that_is_none_leaves_what_was_known, bad_bodies);
	ADD(instances, empty_list_says_that_nothing_is_there);
	ADD_LOOP(answers, refusal_is_a_failure_with_what_was_said, refusals);
	ADD(answers, token_that_lost_rights_loses_no_instances);
	ADD(answers, token_that_never_saw_everything_is_believed);
	ADD(answers, list_that_rights_have_cut_stops_nothing);
	ADD(answers, cluster_without_a_leader_is_a_remark);
	ADD(answers, leader_that_is_lost_and_found_is_noticed_without_a_change);
	ADD(answers, stream_of_an_agent_knows_nothing_of_leaders);
	ADD_LOOP(answers, age_of_an_answer_is_what_consul_says_of_it, lags);
}

int main(void)
{
	Suite *suite = suite_create("registry_consul");

	add_asking(suite);
	add_reading(suite);
	return harness_run(suite);
}
