/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/base64.h"
#include "harness.h"
#include "kind.h"
#include "registry/frames.h"
#include "registry/registry.h"

static const char *const one_url[] = { "http://a.example:2379", NULL };
static const char *const three_urls[] = { "http://a.example:2379", "http://b.example:2379",
					  "http://c.example:2379", NULL };

static struct registry_options options;
static struct kind k;
static struct fetch_request request;

static void set_up(void)
{
	options = (struct registry_options){ .kind = "etcd", .watch = true };
	options.etcd.urls = one_url;
	options.etcd.zone = "corp.example";
	kind_start(&k, &registry_etcd, &options, NULL);
}

static void tear_down(void)
{
	kind_finish(&k);
}

/* Begins anew with the options as they are now. */
static void reopen(void)
{
	kind_finish(&k);
	kind_start(&k, &registry_etcd, &options, NULL);
}

static void log_in_as(const char *user)
{
	options.etcd.user = user;
	options.etcd.password_file = "/etc/phonebook/etcd.password";
	reopen();
}

/* What is asked next, as "page", "watch"... */
static const char *ask(void)
{
	request = kind_ask(&k, kind_find(&k, NULL));
	if (request.source == FETCH_SECRET)
		return "password";
	ck_assert_ptr_eq(request.http, &options.http);
	ck_assert_ptr_nonnull(request.url);
	ck_assert_ptr_nonnull(request.body);
	if (strcmp(request.path, "/v3/watch") == 0) {
		ck_assert_int_eq(request.source, FETCH_STREAM);
		return "watch";
	}
	ck_assert_int_eq(request.source, FETCH_HTTP);
	if (strcmp(request.path, "/v3/kv/range") != 0)
		return "login";
	return strstr(request.body, "\"limit\":\"1\"") != NULL ? "witness" : "page";
}

#define expect_ask(what) ck_assert_str_eq(ask(), what)

static int read_result(const struct fetch_result *result)
{
	const int step = kind_read(&k, kind_find(&k, NULL), result);

	ck_assert(step >= 0 || step == -ENOMEM || k.error[0] != '\0');
	return step;
}

/* A whole answer. */
static int answer(int status, const char *body)
{
	return read_result(&(struct fetch_result){ .name = "http://a.example:2379",
						   .status = status,
						   .last = true,
						   .body = body,
						   .len = strlen(body) });
}

/* No answer, or the end of a stream. */
static int end(int result_error)
{
	return read_result(&(struct fetch_result){ .name = "http://a.example:2379",
						   .error = result_error,
						   .error_text = "it went wrong",
						   .status = 200,
						   .last = true,
						   .body = "" });
}

/* One object of a stream. */
static int hear(const char *object)
{
	return read_result(&(struct fetch_result){
		.name = "http://a.example:2379", .status = 200, .body = object, .len = strlen(object) });
}

static int answer_file(const char *name)
{
	size_t len;
	char *body = harness_read_data(name, &len);
	const int step = answer(200, body);

	free(body);
	return step;
}

/* All objects of a recorded stream; the step after the last. */
static int hear_file(const char *name)
{
	size_t len, n;
	char *octets = harness_read_data(name, &len);
	const char *object;
	struct frames f;
	int step = STEP_MORE;

	frames_init(&f, 1 << 20);
	ck_assert_int_eq(frames_add(&f, octets, len), 0);
	while (step == STEP_MORE && (object = frames_next(&f, &n)) != NULL)
		step = hear(object);
	frames_finish(&f);
	free(octets);
	return step;
}

/* --- bodies --- */

static char bodies[32][1 << 14];
static size_t n_bodies;

/* printf into one of a few buffers, good for a while. */
__attribute__((format(printf, 1, 2))) static const char *make(const char *format, ...)
{
	char *body = bodies[n_bodies++ % 32];
	va_list args;

	va_start(args, format);
	ck_assert_int_lt(vsnprintf(body, sizeof(bodies[0]), format, args), (int)sizeof(bodies[0]));
	va_end(args);
	return body;
}

static const char *encode(const char *text)
{
	struct buffer b = { 0 };

	ck_assert_int_eq(base64_write(&b, text, strlen(text)), 0);
	const char *encoded = make("%.*s", (int)b.len, b.octets != NULL ? (const char *)b.octets : "");
	buffer_finish(&b);
	return encoded;
}

static const char prefix[] = "/skydns/example/corp/";

/* The members of a key with its value. */
static const char *kv(const char *path, const char *address, unsigned revision)
{
	const char *key = encode(make("%s%s", prefix, path));
	const char *value = encode(make("{\"host\":\"%s\"}", address));

	return make("{\"key\":\"%s\",\"mod_revision\":\"%u\",\"value\":\"%s\"}", key, revision, value);
}

static const char *put_event(const char *path, const char *address, unsigned revision)
{
	return make("{\"kv\":%s}", kv(path, address, revision));
}

static const char *delete_event(const char *path, unsigned revision)
{
	return make("{\"type\":\"DELETE\",\"kv\":{\"key\":\"%s\",\"mod_revision\":\"%u\"}}",
		    encode(make("%s%s", prefix, path)), revision);
}

/* An answer to a page request. */
static const char *page(unsigned revision, const char *kvs)
{
	return make("{\"header\":{\"cluster_id\":\"18446744073709551615\",\"revision\":\"%u\"},\"kvs\":[%s]}",
		    revision, kvs);
}

static const char *notice(unsigned revision, const char *members)
{
	return make("{\"result\":{\"header\":{\"revision\":\"%u\"}%s}}", revision, members);
}

static const char *events(unsigned revision, const char *list)
{
	return notice(revision, make(",\"events\":[%s]", list));
}

static const char created[] = ",\"created\":true";

static const char *refusal(int code, const char *text)
{
	return make("{\"error\":\"%s\",\"message\":\"%s\",\"code\":%d}", text, text, code);
}

static const char no_quorum[] = "{\"error\":\"etcdserver: request timed out\",\"code\":14}";

/* --- what is asked and known --- */

/* The octets of a member of the request, decoded, as text; NUL as "$". */
static const char *asked(const char *name)
{
	static char text[512];
	const char *at = strstr(request.body, make("\"%s\":\"", name));
	size_t len;

	ck_assert_ptr_nonnull(at);
	at += strlen(name) + 4;
	ck_assert(base64_read(at, strcspn(at, "\""), (uint8_t *)text, &len));
	for (size_t i = 0; i < len; i++)
		text[i] = text[i] != '\0' ? text[i] : '$';
	text[len] = '\0';
	return text;
}

static bool asks(const char *text)
{
	return strstr(request.body, text) != NULL;
}

static void write_instance(FILE *out, const struct instance *in)
{
	char address[ADDRESS_TEXT_MAX];

	fprintf(out, "%s%s%s", instance_name(in) != NULL ? instance_name(in) : "",
		instance_name(in) != NULL ? "@" : "",
		instance_host(in) != NULL ? instance_host(in) : address_to_text(&in->address, address));
	if (in->port != 0)
		fprintf(out, ":%u", in->port);
}

/* All that is known: "shop=a@10.0.0.1:80,10.0.0.2 till=". */
static const char *known(void)
{
	static char text[8192];
	const struct snapshot *s = k.last;
	FILE *out = fmemopen(text, sizeof(text), "w");

	for (size_t i = 0; i < s->n_services; i++) {
		fprintf(out, "%s%s=", i > 0 ? " " : "", s->services[i]->name);
		for (size_t n = 0; n < s->services[i]->n_instances; n++) {
			fprintf(out, "%s", n > 0 ? "," : "");
			write_instance(out, s->services[i]->instances[n]);
		}
	}
	fputc('\0', out);
	fclose(out);
	return text;
}

#define expect_known(what) ck_assert_str_eq(known(), what)

static size_t dropped(enum drop reason)
{
	return snapshot_dropped(k.last, reason);
}

static bool is_remarked(const char *text)
{
	bool found = false;

	for (size_t i = 0; i < snapshot_n_remarks(k.last); i++)
		found = found || strstr(snapshot_remark(k.last, i), text) != NULL;
	return found;
}

static void expect_error(const char *text)
{
	if (strstr(k.error, text) == NULL)
		ck_abort_msg("\"%s\" is not in \"%s\"", text, k.error);
}

/* One service with one instance, at revision 10. */
static void list(void)
{
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(10, kv("shop/a", "10.0.0.1", 3))), STEP_AGAIN);
	expect_known("shop=a@10.0.0.1");
}

static void watch(void)
{
	list();
	expect_ask("watch");
	ck_assert_int_eq(hear(notice(10, created)), STEP_MORE);
}

/* The store still knows what was read last. */
static void testify(const char *path, unsigned revision)
{
	expect_ask("witness");
	ck_assert_str_eq(asked("key"), make("%s%s", prefix, path));
	ck_assert_str_eq(asked("range_end"), make("%s%s$", prefix, path));
	ck_assert(!asks("serializable"));
	ck_assert_int_eq(answer(200, page(99, kv(path, "10.9.9.9", revision))), STEP_ASK);
}

static void expect_position(unsigned revision)
{
	expect_ask("watch");
	ck_assert(asks(make("\"start_revision\":\"%u\"", revision)));
}

static const char bad_token[] = "{\"error\":\"etcdserver: invalid auth token\",\"code\":16}";

static void log_in(const char *token)
{
	expect_ask("password");
	ck_assert_str_eq(request.path, "/etc/phonebook/etcd.password");
	ck_assert_int_eq(answer(200, "pa\"ss\\wo\trd"), STEP_ASK);
	expect_ask("login");
	ck_assert_str_eq(request.body, "{\"name\":\"ann\",\"password\":\"pa\\\"ss\\\\wo\\u0009rd\"}");
	ck_assert_ptr_null(request.authorization);
	ck_assert_int_eq(answer(200, make("{\"header\":{\"revision\":\"2\"},\"token\":\"%s\"}", token)),
			 STEP_ASK);
}

/* --- lists --- */

START_TEST(list_asks_for_all_keys_with_the_prefix)
{
	expect_ask("page");
	ck_assert_str_eq(request.url, one_url[0]);
	ck_assert_str_eq(asked("key"), "/skydns/example/corp/");
	ck_assert_str_eq(asked("range_end"), "/skydns/example/corp0");
	ck_assert(asks("\"limit\":\"1000\""));
	ck_assert(!asks("revision") && !asks("serializable"));
	ck_assert_ptr_null(request.authorization);
	ck_assert(kind_find(&k, NULL)->vital);
}
END_TEST

START_TEST(all_keys_there_are_go_from_nul_to_nul)
{
	options.etcd.layout = ETCD_NAMING;
	reopen();
	expect_ask("page");
	ck_assert_str_eq(asked("key"), "$");
	ck_assert_str_eq(asked("range_end"), "$");
}
END_TEST

START_TEST(empty_list_is_nothing_there)
{
	expect_ask("page");
	ck_assert_int_eq(answer_file("etcd/range-empty.json"), STEP_AGAIN);
	expect_known("");
	expect_position(2);
}
END_TEST

START_TEST(records_of_all_sorts_have_their_outcome)
{
	expect_ask("page");
	ck_assert_int_eq(answer_file("etcd/range-records.json"), STEP_AGAIN);
	expect_known("1=10.9.4.2 2.1=10.9.4.2 3.2.1=10.9.4.2 4.3.2.1=10.9.4.2 5.4.3.2.1=10.9.4.2 "
		     "6.5.4.3.2.1=10.9.4.2 7.6.5.4.3.2.1=8@10.9.4.2 bad= billing_api=i-1@10.9.3.1:80 "
		     "east.north=10.9.4.1:80 mail=10.9.1.1:25,1@10.9.1.2:25,2@10.9.1.3,7@10.9.1.8:25,"
		     "9@10.9.1.9:25,10@10.9.1.10:25 north=10.9.4.1:80 odd=10.9.3.8:80 "
		     "shop=d@shop-d.hosts.example:8001,a@10.9.0.1:8000,e@10.9.0.1:8000,b@10.9.0.2:8000,"
		     "c@2001:db8:9::3:8000 slash=10.9.3.7:80 web.east.north=w1@10.9.4.1:80");
	ck_assert_uint_eq(dropped(DROP_SHAPE), 7);        /* bad/1-6 and a host that is a number */
	ck_assert_uint_eq(dropped(DROP_ADDRESS), 2);      /* none, and one with an interface */
	ck_assert_uint_eq(dropped(DROP_PORT), 1);         /* 65536 */
	ck_assert_uint_eq(dropped(DROP_RESERVED), 1);     /* addr */
	ck_assert_uint_eq(dropped(DROP_LIMIT), 1);        /* nine labels */
	ck_assert_uint_eq(dropped(DROP_SERVICE_NAME), 5); /* no labels */
	ck_assert(is_remarked("key \"/skydns/example/corp/bad/1\""));
}
END_TEST

START_TEST(names_of_the_naming_library_have_their_outcome)
{
	options.etcd.layout = ETCD_NAMING;
	reopen();
	expect_ask("page");
	ck_assert_int_eq(answer_file("etcd/range-naming.json"), STEP_AGAIN);
	expect_known("tills=10.8.0.1:9000,10.8.0.2:9000,portless@10.8.0.4,drained@10.8.0.6:9000,"
		     "2001:db8:8::5:9000 tills.eu=10.8.1.1:9000");
	ck_assert_uint_eq(dropped(DROP_SHAPE), 1);
	ck_assert_uint_eq(dropped(DROP_ADDRESS), 2);
	ck_assert_uint_eq(dropped(DROP_SERVICE_NAME), 1);
}
END_TEST

START_TEST(pages_show_one_moment)
{
	expect_ask("page");
	ck_assert_int_eq(answer_file("etcd/range-page1.json"), STEP_ASK);
	expect_known("");
	expect_ask("page");
	ck_assert(asks("\"revision\":\"37\""));
	ck_assert_str_eq(asked("key"), "/skydns/example/corp/mail$");
	ck_assert_int_eq(answer_file("etcd/range-page2.json"), STEP_ASK);
	expect_ask("page");
	ck_assert(asks("\"revision\":\"37\""));
	ck_assert_int_eq(answer_file("etcd/range-page3.json"), STEP_AGAIN);
	ck_assert_ptr_nonnull(strstr(known(), " slash=10.9.3.7:80"));
	ck_assert_ptr_null(strstr(known(), "10.9.0.9")); /* written between two pages */
	expect_position(38);                             /* not what the last page said */
}
END_TEST

START_TEST(failed_page_changes_nothing_and_the_list_begins_anew)
{
	watch();
	ck_assert_int_eq(hear(notice(0, ",\"canceled\":true,\"compact_revision\":\"99\"")), STEP_ASK);
	expect_ask("page");
	ck_assert_int_eq(answer_file("etcd/range-page1.json"), STEP_ASK);
	expect_ask("page");
	ck_assert_int_eq(end(-ECONNRESET), -ECONNRESET);
	expect_error("http://a.example:2379: it went wrong");
	expect_known("shop=a@10.0.0.1");
	expect_ask("page");
	ck_assert(!asks("revision"));
	ck_assert_str_eq(asked("key"), prefix);
}
END_TEST

START_TEST(what_is_missing_in_a_list_is_gone)
{
	options.watch = false;
	reopen();
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(10, kv("shop/a", "10.0.0.1", 3))), STEP_PAUSE);
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(11, kv("till/a", "10.0.0.2", 11))), STEP_PAUSE);
	expect_known("till=a@10.0.0.2");
	ck_assert(!ledger_is_certain(k.ledger, "shop"));
}
END_TEST

START_TEST(spaces_and_numbers_are_fine)
{
	expect_ask("page");
	ck_assert_int_eq(
		answer(200, make("{ \"header\" : { \"revision\" : 10 , \"raft_term\" : null }, \"new\": {},"
				 " \"kvs\" : [ %s ] , \"more\" : false , \"count\" : \"1\" }\n",
				 kv("shop/a", "10.0.0.1", 3))),
		STEP_AGAIN);
	expect_known("shop=a@10.0.0.1");
	expect_position(11);
}
END_TEST

static const char *const no_pages[] = {
	"",
	"{}",
	"[]",
	"[1]",
	"{\"kvs\":[]}",
	"{\"header\":{}}",
	"{\"header\":{\"revision\":\"0\"}}",
	"{\"header\":{\"revision\":\"-1\"}}",
	"{\"header\":{\"revision\":\"9223372036854775808\"}}",
	"{\"header\":{\"revision\":\"10\"},\"kvs\":{}}",
	"{\"header\":{\"revision\":\"10\"},\"kvs\":[7]}",
	"{\"header\":{\"revision\":\"10\"},\"kvs\":[{}]}",
	"{\"header\":{\"revision\":\"10\"},\"kvs\":[{\"key\":\"_-8=\"}]}",
	"{\"header\":{\"revision\":\"10\"},\"kvs\":[{\"key\":\"L2Vsc2V3aGVyZQ==\"}]}",
	"{\"header\":{\"revision\":\"10\"},\"more\":true}",
	"{\"header\":{\"revision\":\"10\"},\"count\":\"16\"}",
	"{\"count\":1,\"kvs\":[],\"header\":{\"revision\":\"10\"}}",
	"{\"header\":{\"revision\":\"10\"}",
	"{\"header\":{\"revision\":\"10\"}} {}",
	"{\"error\":\"etcdserver: no\",\"code\":2}",
	"<html>busy</html>",
};

START_TEST(body_that_is_no_page_fails)
{
	list();
	reopen(); /* what is known was of another registry, and must not matter */
	expect_ask("page");
	ck_assert_int_lt(answer(200, no_pages[_i]), 0);
	expect_error("http://a.example:2379: ");
	expect_known("");
}
END_TEST

START_TEST(keys_out_of_order_fail)
{
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(10, make("%s,%s", kv("shop/b", "10.0.0.1", 3),
						   kv("shop/a", "10.0.0.2", 4)))),
			 -EPROTO);
	expect_error("out of order");
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(10, make("%s,%s", kv("shop/b", "10.0.0.1", 3),
						   kv("shop/b", "10.0.0.2", 4)))),
			 -EPROTO);
}
END_TEST

START_TEST(bad_value_costs_its_key)
{
	const char *key = encode(make("%sshop/b", prefix));

	expect_ask("page");
	ck_assert_int_eq(answer(200, page(10, make("%s,{\"key\":\"%s\",\"value\":\"!\"}",
						   kv("shop/a", "10.0.0.1", 3), key))),
			 STEP_AGAIN);
	expect_known("shop=a@10.0.0.1");
	ck_assert_uint_eq(dropped(DROP_SHAPE), 1);
	ck_assert(is_remarked("shop/b\": the value is no base64"));
}
END_TEST

/* A body with a value of so many octets of base64 behind a good key; before, between and behind these two. */
static char *make_large(size_t len, const char *before, const char *between, const char *behind)
{
	char *body = malloc(len + 1000), *at;

	at = body + sprintf(body, "%s%s%s%s%s", before, kv("shop/a", "10.0.0.1", 3), between,
			    encode(make("%sshop/b", prefix)), behind);
	memset(at, 'A', len);
	strcpy(at + len, "\"");
	return body;
}

static const size_t large[] = { 88000, 1 << 20, 3 << 20 };

START_TEST(value_that_is_too_large_costs_its_key)
{
	char *body = make_large(large[_i], "{\"header\":{\"revision\":\"10\"},\"kvs\":[", ",{\"key\":\"",
				"\",\"mod_revision\":\"4\",\"value\":\"");

	strcat(body, ",\"version\":\"1\"}]}");
	expect_ask("page");
	ck_assert_int_eq(answer(200, body), STEP_AGAIN);
	free(body);
	expect_known("shop=a@10.0.0.1");
	ck_assert(is_remarked("shop/b\": the value is larger than 64 KiB"));

	body = make_large(large[_i], "{\"result\":{\"events\":[{\"kv\":", "},{\"kv\":{\"key\":\"",
			  "\",\"mod_revision\":\"11\",\"value\":\"");
	strcat(body, "}}]}}");
	expect_ask("watch");
	ck_assert_int_eq(hear(notice(10, created)), STEP_MORE);
	ck_assert_int_eq(hear(body), STEP_MORE);
	free(body);
	ck_assert_uint_eq(dropped(DROP_SHAPE), 1);
	expect_known("shop=a@10.0.0.1");
}
END_TEST

START_TEST(key_that_cannot_be_an_item_is_counted)
{
	char *key = malloc(4000);
	struct buffer b = { 0 };

	memcpy(key, prefix, sizeof(prefix));
	memset(key + sizeof(prefix), 'x', 2000); /* a NUL inside, and too long */
	ck_assert_int_eq(base64_write(&b, key, sizeof(prefix) + 2000), 0);
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(10, make("{\"key\":\"%.*s\"},%s", (int)b.len, b.octets,
						   kv("shop/a", "10.0.0.1", 3)))),
			 STEP_AGAIN);
	expect_known("shop=a@10.0.0.1");
	ck_assert_uint_eq(dropped(DROP_SERVICE_NAME), 1);
	buffer_finish(&b);
	free(key);
}
END_TEST

static const struct {
	struct snapshot_limits limits;
	const char *error;
} limited[] = {
	{ { .services = 1 }, "more than 1 services: max-services" },
	{ { .instances = 1 }, "more than 1 keys: max-instances" },
	{ { .octets = 1 }, "more than 1 octets of instances and their texts: max-memory" },
};

START_TEST(list_with_more_than_is_taken_fails)
{
	options.limits = limited[_i].limits;
	reopen();
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(10, make("%s,%s", kv("cart/a", "10.0.0.1", 3),
						   kv("shop/a", "10.0.0.2", 4)))),
			 -EDQUOT);
	expect_error(limited[_i].error);
	expect_known("");
}
END_TEST

/* A change that does not fit is refused, and what is known stays. */
START_TEST(change_with_more_than_is_taken_fails)
{
	options.limits.services = 1;
	reopen();
	watch();
	ck_assert_int_eq(hear(events(11, put_event("cart/a", "10.0.0.2", 11))), -EDQUOT);
	expect_error("more than 1 services: max-services");
	expect_known("shop=a@10.0.0.1");
}
END_TEST

START_TEST(pages_forgotten_meanwhile_are_asked_for_anew)
{
	const char *compacted = "etcdserver: mvcc: required revision has been compacted";

	for (int i = 0; i < 3; i++) {
		expect_ask("page");
		ck_assert_int_eq(answer_file("etcd/range-page1.json"), STEP_ASK);
		expect_ask("page");
		ck_assert(asks("\"revision\":\"37\""));
		ck_assert_int_eq(answer(400, refusal(11, compacted)), i < 2 ? STEP_ASK : -EPROTO);
	}
	expect_error(compacted);
	list();
}
END_TEST

/* --- watches --- */

START_TEST(watch_begins_behind_the_list)
{
	list();
	expect_ask("watch");
	ck_assert_str_eq(asked("key"), "/skydns/example/corp/");
	ck_assert_str_eq(asked("range_end"), "/skydns/example/corp0");
	ck_assert(asks("\"start_revision\":\"11\""));
	ck_assert(asks("\"progress_notify\":true"));
	ck_assert_str_eq(request.headers[0], "Grpc-Metadata-Hasleader: true");
	ck_assert_ptr_null(request.headers[1]);
	ck_assert(request.held);
	ck_assert_uint_ge(request.first_ms, 5000);
	ck_assert_uint_le(request.first_ms, 10000);
	ck_assert_uint_gt(request.silence_ms, 608 * 1000); /* 10 min 8 s */
	ck_assert_uint_gt(request.timeout_ms, request.silence_ms);
}
END_TEST

START_TEST(recorded_changes_are_followed)
{
	expect_ask("page");
	ck_assert_int_eq(answer_file("etcd/range-records.json"), STEP_AGAIN);
	expect_ask("watch");
	ck_assert_int_eq(hear_file(_i == 0 ? "etcd/watch-live.ndjson" : "etcd/watch-catchup.ndjson"),
			 STEP_MORE);
	const char *now = known();
	ck_assert_ptr_nonnull(strstr(now, "roll=1@10.9.5.1:80,2@10.9.5.2:80 "));
	ck_assert_ptr_nonnull(
		strstr(now, "8001,a@10.9.0.1:8000,b@10.9.0.2:8000,c@")); /* e, f and l are gone */
	ck_assert_int_eq(end(0), STEP_AGAIN);
	expect_position(58);
}
END_TEST

START_TEST(changes_are_certain)
{
	watch();
	ck_assert_int_eq(hear(events(12, delete_event("shop/a", 12))), STEP_MORE);
	expect_known("");
	ck_assert(ledger_is_certain(k.ledger, "shop"));
}
END_TEST

START_TEST(position_is_that_of_the_events_and_not_of_the_store)
{
	watch();
	ck_assert_int_eq(hear(events(99, put_event("shop/b", "10.0.0.2", 20))), STEP_MORE);
	ck_assert_int_eq(end(0), STEP_AGAIN);
	expect_position(21);
}
END_TEST

START_TEST(progress_moves_the_position)
{
	watch();
	ck_assert_int_eq(hear(notice(50, "")), STEP_MORE);
	ck_assert_int_eq(hear(notice(40, "")), STEP_MORE);
	ck_assert_int_eq(end(0), STEP_AGAIN);
	expect_position(51);
	expect_known("shop=a@10.0.0.1");
}
END_TEST

START_TEST(events_known_already_are_ignored)
{
	watch();
	ck_assert_int_eq(hear(events(12, make("%s,%s", delete_event("shop/a", 9),
					      put_event("shop/b", "10.0.0.2", 11)))),
			 STEP_MORE);
	expect_known("shop=a@10.0.0.1,b@10.0.0.2");
	ck_assert_int_eq(hear(events(12, delete_event("shop/b", 11))), STEP_MORE);
	expect_known("shop=a@10.0.0.1,b@10.0.0.2");
}
END_TEST

START_TEST(bad_value_in_an_event_costs_its_key)
{
	watch();
	ck_assert_int_eq(
		hear(events(11, make("{\"kv\":{\"key\":\"%s\",\"mod_revision\":\"11\",\"value\":\"e30=\"}}",
				     encode(make("%sshop/a", prefix))))),
		STEP_MORE);
	expect_known("shop=");
	ck_assert_uint_eq(dropped(DROP_ADDRESS), 1);
}
END_TEST

static const int ends[] = { 0, -EPROTO, -ECONNRESET };

START_TEST(lost_watch_is_opened_again_where_it_was)
{
	watch();
	ck_assert_int_eq(hear(events(12, put_event("shop/b", "10.0.0.2", 12))), STEP_MORE);
	ck_assert_int_eq(end(ends[_i]), STEP_AGAIN);
	expect_position(13);
	expect_known("shop=a@10.0.0.1,b@10.0.0.2");
}
END_TEST

START_TEST(silence_is_a_failure_but_keeps_the_position)
{
	watch();
	ck_assert_int_eq(end(-ETIMEDOUT), -ETIMEDOUT);
	testify("shop/a", 3);
	expect_position(11);
}
END_TEST

START_TEST(watch_that_does_not_begin_is_a_failure)
{
	list();
	expect_ask("watch");
	ck_assert_int_eq(end(-ECONNREFUSED), -ECONNREFUSED);
	testify("shop/a", 3);
	expect_ask("watch");
	ck_assert_int_eq(end(0), -EPROTO);
	expect_error("ended before it began");
	testify("shop/a", 3);
	expect_ask("watch");
	ck_assert_int_eq(hear(events(12, put_event("shop/b", "10.0.0.2", 12))), -EPROTO);
}
END_TEST

START_TEST(where_watches_never_begin_lists_are_made)
{
	list();
	expect_ask("watch");
	ck_assert_int_eq(end(-ETIMEDOUT), -ETIMEDOUT);
	expect_error("watch: it went wrong");
	expect_ask("witness");
	ck_assert_int_eq(end(-ETIMEDOUT), -ETIMEDOUT); /* nothing works, so it may not be the watch */
	testify("shop/a", 3);
	expect_ask("watch");
	ck_assert_int_eq(end(-ETIMEDOUT), -ETIMEDOUT);
	testify("shop/a", 3);
	for (int i = 0; i < 3; i++) {
		expect_ask("watch");
		ck_assert_int_eq(end(-ETIMEDOUT), -ETIMEDOUT);
		list();
	}
	expect_ask("watch");
	ck_assert_int_eq(hear(notice(10, created)), STEP_MORE);
	ck_assert_int_eq(end(-ETIMEDOUT), -ETIMEDOUT);
	testify("shop/a", 3);
}
END_TEST

/* Before 3.6, from 3.6 on, without a newline behind, and from a member that lost its leader. */
static const char *const closings[] = {
	"{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"transport is closing\"}}",
	"{\"error\": {\"code\": 14, \"message\": \"transport is closing\", \"details\": []}}",
	"{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no leader\"}}",
};

START_TEST(member_that_stops_is_left)
{
	watch();
	ck_assert_int_eq(hear(closings[_i]), STEP_AGAIN);
	expect_position(11);
	ck_assert_int_lt(hear(closings[_i]), 0); /* before it began: no reason to hurry */
	testify("shop/a", 3);
	expect_position(11);
}
END_TEST

START_TEST(error_in_a_stream_is_a_failure_with_its_text)
{
	watch();
	ck_assert_int_eq(hear("{\"error\":{\"grpc_code\":8,\"message\":\"etcdserver: too many requests\"}}"),
			 -EPROTO);
	expect_error("etcdserver: too many requests");
	testify("shop/a", 3);
	expect_position(11);
	ck_assert_int_eq(hear(notice(10, created)), STEP_MORE);
	ck_assert_int_eq(hear("{\"error\":{}}"), -EPROTO);
	expect_error("without a reason");
}
END_TEST

START_TEST(watch_refused_by_status_is_a_failure)
{
	list();
	expect_ask("watch");
	ck_assert_int_eq(answer(503, "{\"error\":{\"grpc_code\":14,\"message\":\"etcdserver: no leader\"}}"),
			 -EPROTO);
	expect_error("HTTP status 503: etcdserver: no leader");
	testify("shop/a", 3);
	expect_position(11);
	ck_assert_int_eq(answer(500, "{\"error\":\"illegal base64 data at input byte 4\",\"code\":2}"),
			 -EPROTO);
	expect_error("illegal base64");
	testify("shop/a", 3);
	expect_position(11);
}
END_TEST

START_TEST(compaction_makes_a_new_list)
{
	list();
	expect_ask("watch");
	ck_assert_int_eq(hear_file("etcd/watch-compacted.ndjson"), STEP_ASK);
	expect_known("shop=a@10.0.0.1");
	expect_ask("page");
	ck_assert(!asks("revision"));
	ck_assert_int_eq(answer(200, page(60, kv("shop/b", "10.0.0.2", 55))), STEP_AGAIN);
	expect_known("shop=b@10.0.0.2");
	expect_position(61);
}
END_TEST

static const char *const compactions[] = {
	",\"created\":true,\"canceled\":true,\"compact_revision\":\"43\"",
	",\"canceled\":true,\"cancel_reason\":\"etcdserver: mvcc: required revision has been compacted\"",
	",\"created\":true,\"canceled\":true,\"cancel_reason\":\"mvcc: required revision has been compacted\"",
};

START_TEST(compaction_is_told_in_several_ways)
{
	watch();
	ck_assert_int_eq(hear(notice(0, compactions[_i])), STEP_ASK);
	expect_ask("page");
}
END_TEST

/* Else all that happens would be a list each second. */
START_TEST(list_whose_revision_is_forgotten_at_once_is_a_failure)
{
	watch();
	ck_assert_int_eq(hear(notice(0, compactions[_i])), STEP_ASK);
	list();
	expect_ask("watch");
	ck_assert_int_eq(hear(notice(0, compactions[_i])), -EPROTO);
	expect_error("forgotten");
	expect_known("shop=a@10.0.0.1");
	watch(); /* which lists first, and begins well this time */
	ck_assert_int_eq(end(0), STEP_AGAIN);
	expect_ask("watch");
	ck_assert_int_eq(hear(notice(0, compactions[_i])), STEP_ASK);
}
END_TEST

START_TEST(watch_canceled_for_another_reason_is_a_failure)
{
	watch();
	ck_assert_int_eq(
		hear(notice(12, ",\"canceled\":true,\"cancel_reason\":\"mvcc: watcher range is empty\"")),
		-EPROTO);
	expect_error("watcher range is empty");
	testify("shop/a", 3);
	expect_position(11);
	ck_assert_int_eq(hear(notice(10, created)), STEP_MORE);
	ck_assert_int_eq(hear(notice(12, ",\"canceled\":true")), STEP_AGAIN); /* it does not say why */
	expect_position(11);
}
END_TEST

START_TEST(member_that_lags_is_no_new_history)
{
	list();
	expect_ask("watch");
	ck_assert_int_eq(hear(notice(8, created)), STEP_AGAIN);
	testify("shop/a", 3);
	expect_position(11);
	ck_assert_int_eq(hear(notice(12, created)), STEP_MORE);
	expect_known("shop=a@10.0.0.1");
}
END_TEST

/* The witness is asked about as of a revision that has yet to come, is unknown, was changed at another time,
 * or its revision is forgotten. */
static const struct {
	int status;
	const char *body;
} testimonies[] = {
	{ 400, "{\"error\":\"etcdserver: mvcc: required revision is a future revision\",\"code\":11}" },
	{ 200, "{\"header\":{\"revision\":\"12\"}}" },
	{ 200, "{\"header\":{\"revision\":\"12\"},\"kvs\":[{\"key\":\"YQ==\",\"mod_revision\":\"4\"}]}" },
	{ 400, "{\"code\":11, \"message\":\"etcdserver: mvcc: required revision has been compacted\"}" },
};

START_TEST(history_rewritten_makes_a_new_list)
{
	list();
	expect_ask("watch");
	if (_i == 0) /* not there yet, or already past it */
		ck_assert_int_eq(hear(notice(4, created)), STEP_AGAIN);
	else
		ck_assert_int_eq(end(-ECONNREFUSED), -ECONNREFUSED);
	expect_ask("witness");
	ck_assert_int_eq(end(-ECONNREFUSED), -ECONNREFUSED); /* the doubt stays */
	expect_ask("witness");
	ck_assert_int_eq(answer(testimonies[_i].status, testimonies[_i].body), STEP_ASK);
	expect_known("shop=a@10.0.0.1");
	expect_ask("page");
	ck_assert(!asks("revision"));
	ck_assert_int_eq(answer(200, page(4, kv("shop/c", "10.0.0.3", 3))), STEP_AGAIN);
	expect_known("shop=c@10.0.0.3");
	ck_assert(!ledger_is_certain(k.ledger, "shop"));
	expect_position(5);
	ck_assert_int_eq(hear(notice(4, created)), STEP_MORE);
}
END_TEST

START_TEST(witness_is_what_was_written_last)
{
	watch();
	ck_assert_int_eq(hear(events(13, make("%s,%s", put_event("shop/b", "10.0.0.2", 12),
					      delete_event("shop/a", 13)))),
			 STEP_MORE);
	ck_assert_int_eq(hear(notice(20, "")), STEP_MORE);
	ck_assert_int_eq(end(-ETIMEDOUT), -ETIMEDOUT);
	testify("shop/b", 12);
	expect_position(21);
	ck_assert_int_eq(hear(notice(20, created)), STEP_MORE);
	ck_assert_int_eq(hear(events(21, delete_event("shop/b", 21))), STEP_MORE);
	ck_assert_int_eq(end(-ETIMEDOUT), -ETIMEDOUT);
	expect_ask("page"); /* there is none */
	ck_assert_int_eq(answer_file("etcd/range-page1.json"), STEP_ASK);
	expect_ask("page");
	ck_assert(asks("\"revision\":\"37\""));
}
END_TEST

/* A store that was restored from a backup knows again all keys that were written before it. */
START_TEST(witness_of_a_list_is_what_was_written_last_and_not_its_last_key)
{
	expect_ask("page");
	ck_assert_int_eq(
		answer(200, page(10, make("%s,%s,%s", kv("shop/a", "10.0.0.1", 4),
					  kv("shop/b", "10.0.0.2", 9), kv("shop/c", "10.0.0.3", 6)))),
		STEP_AGAIN);
	expect_ask("watch");
	ck_assert_int_eq(end(-ECONNREFUSED), -ECONNREFUSED);
	testify("shop/b", 9);
	expect_position(11);
}
END_TEST

START_TEST(witness_may_be_refused)
{
	log_in_as("ann");
	log_in("old");
	watch();
	ck_assert_int_eq(end(-ETIMEDOUT), -ETIMEDOUT);
	expect_ask("witness");
	ck_assert_int_eq(answer(401, bad_token), STEP_ASK);
	log_in("new");
	expect_ask("witness");
	ck_assert_int_eq(answer(503, no_quorum), -EPROTO);
	expect_ask("witness");
	ck_assert_int_lt(answer(200, "{}"), 0);
	testify("shop/a", 3);
	expect_position(11);
}
END_TEST

START_TEST(future_start_is_doubted)
{
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(4241, "")), STEP_AGAIN);
	expect_ask("watch");
	ck_assert_int_eq(hear_file("etcd/watch-future.ndjson"), STEP_AGAIN);
	expect_ask("page"); /* without a key there is no witness */
}
END_TEST

static const char *const no_notices[] = {
	"{}",
	"[1]",
	"{\"result\":[]}",
	"{\"result\":[1]}",
	"{\"result\":{\"events\":[[1]]}}",
	"{\"result\":{\"events\":[{\"kv\":[1]}]}}",
	"{\"result\":{\"events\":{}}}",
	"{\"result\":{\"events\":[{}]}}",
	"{\"result\":{\"events\":[{\"kv\":{\"key\":\"YQ==\"}}]}}",
	"{\"result\":{\"events\":[{\"kv\":{\"key\":\"YQ==\",\"mod_revision\":\"12\"}}]}}",
	"{\"result\":{\"events\":[{\"kv\":{\"key\":\"?\",\"mod_revision\":\"12\"}}]}}",
	"{\"result\":{\"events\":[{\"kv\":{\"mod_revision\":\"12\"}}]}}",
	"{\"result\":{\"header\":}}",
	"{\"result\":{}} {}",
	"{\"unknown\":{}}",
};

START_TEST(object_that_makes_no_sense_makes_a_new_list)
{
	watch();
	ck_assert_int_lt(hear(no_notices[_i]), 0);
	expect_error("http://a.example:2379: ");
	expect_known("shop=a@10.0.0.1");
	list();
}
END_TEST

START_TEST(object_beyond_the_limit_makes_a_new_list)
{
	watch();
	ck_assert_int_eq(end(-EFBIG), -EFBIG);
	list();
}
END_TEST

/* --- members --- */

START_TEST(every_order_of_members_comes_up)
{
	bool seen[3] = { false };

	options.etcd.urls = three_urls;
	for (int i = 0; i < 200 && !(seen[0] && seen[1] && seen[2]); i++) {
		reopen();
		expect_ask("page");
		for (int n = 0; n < 3; n++)
			seen[n] = seen[n] || request.url == three_urls[n];
	}
	ck_assert(seen[0] && seen[1] && seen[2]);
}
END_TEST

/* Notes who is asked, and expects each of three once in a row. */
static void expect_next_member(const char **seen, size_t n)
{
	for (size_t i = n > 2 ? n - 2 : 0; i < n; i++)
		ck_assert_ptr_ne(seen[i], request.url);
	if (n >= 3)
		ck_assert_ptr_eq(seen[n - 3], request.url);
	seen[n] = request.url;
}

START_TEST(next_member_is_asked_after_a_failure)
{
	const char *seen[8];

	options.etcd.urls = three_urls;
	reopen();
	for (size_t n = 0; n < 4; n++) {
		expect_ask("page");
		expect_next_member(seen, n);
		ck_assert_int_eq(end(-ECONNRESET), -ECONNRESET);
	}
	list();
	expect_next_member(seen, 4);
	expect_ask("watch"); /* a list that was good is no reason to move */
	ck_assert_ptr_eq(request.url, seen[4]);
	ck_assert_int_eq(hear(notice(10, created)), STEP_MORE);
	ck_assert_int_eq(end(0), STEP_AGAIN);
	expect_ask("watch");
	expect_next_member(seen, 5);
	ck_assert_int_eq(end(-ECONNRESET), -ECONNRESET);
	expect_ask("witness");
	expect_next_member(seen, 6);
}
END_TEST

/* That a member is down says nothing of the others; that all are is a failure. */
START_TEST(member_that_cannot_be_reached_is_passed_over)
{
	const char *seen[9];

	options.etcd.urls = three_urls;
	reopen();
	for (size_t n = 0; n < 6; n++) {
		expect_ask("page");
		expect_next_member(seen, n);
		ck_assert_int_eq(end(-ECONNREFUSED), n % 3 < 2 ? STEP_ASK : -ECONNREFUSED);
	}
	expect_ask("page");
	expect_next_member(seen, 6);
	ck_assert_int_eq(end(-EHOSTUNREACH), STEP_ASK);
	list();
	expect_ask("watch");
	expect_next_member(seen, 7);
	ck_assert_int_eq(end(-ENETUNREACH), STEP_ASK);
	expect_ask("watch"); /* nothing to doubt */
	expect_next_member(seen, 8);
	ck_assert_int_eq(end(-ECONNREFUSED), STEP_ASK);
	expect_ask("watch");
	ck_assert_int_eq(end(-ECONNREFUSED), -ECONNREFUSED);
	expect_ask("witness");
}
END_TEST

/* --- quorum --- */

static int fail_for_no_quorum(int how)
{
	return how == 0 ? answer(503, no_quorum) : end(-ETIMEDOUT);
}

START_TEST(member_without_quorum_serves_what_it_has)
{
	for (int i = 0; i < 2; i++) {
		expect_ask("page");
		ck_assert(!asks("serializable"));
		ck_assert_int_lt(fail_for_no_quorum(_i), 0);
	}
	expect_ask("page");
	ck_assert(asks("\"serializable\":true"));
	ck_assert_int_eq(answer(200, page(10, kv("shop/a", "10.0.0.1", 3))), STEP_AGAIN);
	expect_known("shop=a@10.0.0.1");
	expect_ask("watch");
	ck_assert_int_eq(answer(503, no_quorum), -EPROTO); /* the watch wants a leader */
	expect_ask("witness");
}
END_TEST

START_TEST(quorum_is_asked_for_again_after_that)
{
	options.watch = false;
	reopen();
	for (int i = 0; i < 2; i++) {
		expect_ask("page");
		ck_assert_int_lt(answer(503, no_quorum), 0);
	}
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(10, kv("shop/a", "10.0.0.1", 3))), STEP_PAUSE);
	ck_assert(is_remarked("without a quorum"));
	expect_ask("page");
	ck_assert(!asks("serializable"));
	ck_assert_int_eq(answer(200, page(10, kv("shop/a", "10.0.0.1", 3))), STEP_PAUSE);
	ck_assert(!is_remarked("without a quorum"));
}
END_TEST

START_TEST(member_without_quorum_does_not_take_us_back)
{
	watch();
	ck_assert_int_eq(hear(notice(0, compactions[0])), STEP_ASK);
	for (int i = 0; i < 2; i++) {
		expect_ask("page");
		ck_assert_int_lt(answer(503, no_quorum), 0);
	}
	expect_ask("page");
	ck_assert(asks("serializable"));
	ck_assert_int_eq(answer(200, page(9, "")), -ESTALE);
	expect_error("behind");
	expect_known("shop=a@10.0.0.1");
}
END_TEST

START_TEST(one_bad_moment_is_no_loss_of_quorum)
{
	expect_ask("page");
	ck_assert_int_lt(answer(503, no_quorum), 0);
	watch();
	ck_assert_int_eq(hear(notice(0, compactions[0])), STEP_ASK);
	expect_ask("page");
	ck_assert_int_lt(answer(503, no_quorum), 0);
	expect_ask("page");
	ck_assert(!asks("serializable"));
}
END_TEST

/* --- logins --- */

START_TEST(login_comes_first_and_its_token_with_everything)
{
	log_in_as("ann");
	log_in("wVpvdFzVrqmcSyhT.15");
	list();
	ck_assert_str_eq(request.authorization, "wVpvdFzVrqmcSyhT.15");
	expect_ask("watch");
	ck_assert_str_eq(request.authorization, "wVpvdFzVrqmcSyhT.15");
}
END_TEST

START_TEST(password_that_cannot_be_read_is_a_failure)
{
	log_in_as("ann");
	expect_ask("password");
	ck_assert_int_eq(read_result(&(struct fetch_result){ .name = "/etc/phonebook/etcd.password",
							     .error = -EACCES,
							     .error_text = "Permission denied",
							     .last = true,
							     .body = "" }),
			 -EACCES);
	expect_error("password-file /etc/phonebook/etcd.password: Permission denied");
	expect_ask("password");
}
END_TEST

START_TEST(wrong_password_is_a_failure_and_is_read_again)
{
	log_in_as("ann");
	expect_ask("password");
	ck_assert_int_eq(answer(200, "wrong"), STEP_ASK);
	expect_ask("login");
	ck_assert_int_eq(
		answer(400, refusal(3, "etcdserver: authentication failed, invalid user ID or password")),
		-EACCES);
	expect_error("login of ann: etcdserver: authentication failed");
	ck_assert_ptr_null(strstr(k.error, "wrong"));
	log_in("t");
	list();
}
END_TEST

START_TEST(login_without_an_answer_is_a_failure)
{
	log_in_as("ann");
	expect_ask("password");
	ck_assert_int_eq(answer(200, "x"), STEP_ASK);
	expect_ask("login");
	ck_assert_int_eq(end(-ETIMEDOUT), -ETIMEDOUT);
	expect_error("login: it went wrong");
	expect_ask("password");
	ck_assert_int_eq(answer(200, "x"), STEP_ASK);
	expect_ask("login");
	ck_assert_int_eq(answer(401, bad_token), -EPROTO); /* nothing a login could help against */
}
END_TEST

static const char *const no_tokens[] = { "",
					 "{}",
					 "{\"token\":\"\"}",
					 "{\"token\":7}",
					 "{\"token\":\"a b\"}",
					 "{\"token\":\"a\\r\\nX: y\"}",
					 "{\"token\":\"\\u0000\"}",
					 "{\"token\":\"\xc3\xa9\"}" };

START_TEST(token_that_is_none_is_refused)
{
	log_in_as("ann");
	expect_ask("password");
	ck_assert_int_eq(answer(200, "x"), STEP_ASK);
	expect_ask("login");
	ck_assert_int_eq(answer(200, no_tokens[_i]), -EBADMSG);
	expect_ask("password");
}
END_TEST

START_TEST(without_authentication_the_login_is_left_out)
{
	log_in_as("ann");
	expect_ask("password");
	ck_assert_int_eq(answer(200, "x"), STEP_ASK);
	expect_ask("login");
	ck_assert_int_eq(answer(412, refusal(9, "etcdserver: authentication is not enabled")), STEP_ASK);
	list();
	ck_assert_ptr_null(request.authorization);
	ck_assert(is_remarked("no authentication"));
	expect_ask("watch"); /* and now somebody enables it */
	ck_assert_int_eq(
		hear(notice(10, ",\"created\":true,\"canceled\":true,\"cancel_reason\":\"rpc error: code = "
				"InvalidArgument desc = etcdserver: user name is empty\"")),
		STEP_AGAIN);
	log_in("t");
	expect_position(11);
}
END_TEST

static const struct {
	int status;
	const char *body;
} worn[] = {
	{ 401, bad_token },
	{ 400, "{\"error\":\"etcdserver: user name is empty\",\"code\":3}" },
	{ 400, "{\"code\":3, \"message\":\"etcdserver: revision of auth store is old\", \"details\":[]}" },
	{ 401, "" },
};

START_TEST(worn_token_is_renewed_once)
{
	options.watch = false;
	log_in_as("ann");
	log_in("old");
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(10, kv("shop/a", "10.0.0.1", 3))), STEP_PAUSE);
	expect_ask("page");
	ck_assert_int_eq(answer(worn[_i].status, worn[_i].body), STEP_ASK);
	log_in("new");
	expect_ask("page");
	ck_assert_str_eq(request.authorization, "new");
	ck_assert_int_eq(answer(worn[_i].status, worn[_i].body), -EACCES);
	expect_error("right after a login");
	expect_known("shop=a@10.0.0.1");
	log_in("newer"); /* which is for the pause after a failure to delay */
	expect_ask("page");
	ck_assert_int_eq(answer(200, page(10, "")), STEP_PAUSE);
}
END_TEST

START_TEST(worn_token_between_two_pages_costs_no_page)
{
	log_in_as("ann");
	log_in("old");
	expect_ask("page");
	ck_assert_int_eq(answer_file("etcd/range-page1.json"), STEP_ASK);
	expect_ask("page");
	ck_assert_int_eq(answer(401, bad_token), STEP_ASK);
	log_in("new");
	expect_ask("page");
	ck_assert(asks("\"revision\":\"37\""));
	ck_assert_int_eq(answer_file("etcd/range-page2.json"), STEP_ASK);
}
END_TEST

START_TEST(failure_of_a_login_between_two_pages_ends_the_list)
{
	log_in_as("ann");
	log_in("old");
	expect_ask("page");
	ck_assert_int_eq(answer_file("etcd/range-page1.json"), STEP_ASK);
	expect_ask("page");
	ck_assert_int_eq(answer(401, bad_token), STEP_ASK);
	expect_ask("password");
	ck_assert_int_lt(end(-ENOENT), 0);
	log_in("new");
	list();
}
END_TEST

static const char *const unknown[] = {
	"{\"result\":{\"header\":{\"revision\":\"2\"},\"watch_id\":\"-1\",\"created\":true,\"canceled\":true,"
	"\"cancel_reason\":\"rpc error: code = Unauthenticated desc = etcdserver: invalid auth token\"}}",
	"{\"error\":{\"grpc_code\":16,\"http_code\":401,\"message\":\"etcdserver: invalid auth token\"}}",
};

START_TEST(watch_with_a_worn_token_is_opened_with_a_new_one)
{
	log_in_as("ann");
	log_in("old");
	list();
	expect_ask("watch");
	ck_assert_int_eq(hear(unknown[_i]), STEP_AGAIN);
	log_in("new");
	expect_position(11);
	ck_assert_str_eq(request.authorization, "new");
	ck_assert_int_eq(hear(unknown[_i]), -EACCES);
}
END_TEST

START_TEST(missing_user_is_a_failure)
{
	expect_ask("page");
	ck_assert_int_eq(answer(400, refusal(3, "etcdserver: user name is empty")), -EACCES);
	expect_error("none is configured");
	expect_ask("page");
}
END_TEST

static const struct {
	int status;
	const char *body;
} denials[] = {
	{ 403,
	  "{\"error\":\"etcdserver: permission denied\",\"message\":\"etcdserver: permission denied\",\"code\":7}" },
	{ 403, "{\"code\":7, \"message\":\"etcdserver: permission denied\"}" },
	{ 403, "<html>" },
};

START_TEST(denied_list_keeps_what_is_known)
{
	watch();
	ck_assert_int_eq(hear(notice(0, compactions[0])), STEP_ASK);
	expect_ask("page");
	ck_assert_int_eq(answer(denials[_i].status, denials[_i].body), -EACCES);
	expect_error("no right to read all keys with \"/skydns/example/corp/\"");
	expect_known("shop=a@10.0.0.1");
}
END_TEST

START_TEST(denied_watch_is_a_failure)
{
	list();
	expect_ask("watch");
	ck_assert_int_eq(
		hear(notice(2, ",\"created\":true,\"canceled\":true,\"cancel_reason\":\"rpc error: code = "
			       "PermissionDenied desc = etcdserver: permission denied\"")),
		-EACCES);
	testify("shop/a", 3);
	expect_position(11);
}
END_TEST

/* --- other refusals --- */

static const struct {
	int status;
	const char *body, *text;
} refusals[] = {
	{ 404, "404 page not found\n", "no JSON gateway at /v3" },
	{ 404, "{\"code\":5, \"message\":\"Not Found\", \"details\":[]}", "no JSON gateway at /v3" },
	{ 405, "Method Not Allowed\n", "HTTP status 405: Method Not Allowed" },
	{ 400,
	  "{\"error\":\"illegal base64 data at input byte 4\",\"message\":\"illegal base64 data at input byte 4\","
	  "\"code\":3}",
	  "HTTP status 400: illegal base64" },
	{ 400, "{\"code\": 11, \"message\": \"etcdserver: mvcc: required revision is a future revision\"}",
	  "future revision" },
	{ 400, "CommonName of client sending a request against gateway will be ignored\nand more",
	  "HTTP status 400: CommonName of client sending a request against gateway will be ignored" },
	{ 502, "<html><h1>Bad Gateway</h1></html>", "HTTP status 502" },
	{ 503, no_quorum, "HTTP status 503: etcdserver: request timed out" },
	{ 408,
	  "{\"error\":\"grpc: the client connection is closing\",\"message\":\"grpc: the client connection is "
	  "closing\",\"code\":1}",
	  "HTTP status 408: grpc: the client connection is closing" }, /* it is about to end */
	{ 421, "", "HTTP status 421" },
	{ 301, "[", "HTTP status 301" },
	{ 204, "", "HTTP status 204" },
	{ 500, "{\"error\":{\"error\":\"x\"", "HTTP status 500" },
};

START_TEST(refusal_is_a_failure_that_says_why)
{
	expect_ask("page");
	ck_assert_int_eq(answer(refusals[_i].status, refusals[_i].body), -EPROTO);
	expect_error(refusals[_i].text);
	ck_assert_ptr_null(strstr(k.error, "<html>"));
	expect_ask("page");
}
END_TEST

START_TEST(registry_without_a_url_or_with_a_bad_zone_is_refused)
{
	static const char *const none[] = { NULL };
	struct registry *r;

	options.etcd.urls = none;
	ck_assert_int_eq(registry_etcd.create(&options, &k.host, k.ledger, &r), -EINVAL);
	options.etcd.urls = one_url;
	options.etcd.zone = "two words";
	ck_assert_int_eq(registry_etcd.create(&options, &k.host, k.ledger, &r), -EINVAL);
}
END_TEST

#define N(list) (sizeof(list) / sizeof((list)[0]))

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_lists(TCase *tcase)
{
	tcase_add_test(tcase, list_asks_for_all_keys_with_the_prefix);
	tcase_add_test(tcase, all_keys_there_are_go_from_nul_to_nul);
	tcase_add_test(tcase, empty_list_is_nothing_there);
	tcase_add_test(tcase, records_of_all_sorts_have_their_outcome);
	tcase_add_test(tcase, names_of_the_naming_library_have_their_outcome);
	tcase_add_test(tcase, pages_show_one_moment);
	tcase_add_test(tcase, failed_page_changes_nothing_and_the_list_begins_anew);
	tcase_add_test(tcase, what_is_missing_in_a_list_is_gone);
	tcase_add_test(tcase, spaces_and_numbers_are_fine);
	tcase_add_loop_test(tcase, body_that_is_no_page_fails, 0, N(no_pages));
	tcase_add_test(tcase, keys_out_of_order_fail);
	tcase_add_test(tcase, bad_value_costs_its_key);
	tcase_add_loop_test(tcase, value_that_is_too_large_costs_its_key, 0, N(large));
	tcase_add_test(tcase, key_that_cannot_be_an_item_is_counted);
	tcase_add_loop_test(tcase, list_with_more_than_is_taken_fails, 0,
			    sizeof(limited) / sizeof(limited[0]));
	tcase_add_test(tcase, change_with_more_than_is_taken_fails);
	tcase_add_test(tcase, pages_forgotten_meanwhile_are_asked_for_anew);
}

static void add_watches(TCase *tcase)
{
	tcase_add_test(tcase, watch_begins_behind_the_list);
	tcase_add_loop_test(tcase, recorded_changes_are_followed, 0, 2);
	tcase_add_test(tcase, changes_are_certain);
	tcase_add_test(tcase, position_is_that_of_the_events_and_not_of_the_store);
	tcase_add_test(tcase, progress_moves_the_position);
	tcase_add_test(tcase, events_known_already_are_ignored);
	tcase_add_test(tcase, bad_value_in_an_event_costs_its_key);
	tcase_add_loop_test(tcase, lost_watch_is_opened_again_where_it_was, 0, N(ends));
	tcase_add_test(tcase, silence_is_a_failure_but_keeps_the_position);
	tcase_add_test(tcase, watch_that_does_not_begin_is_a_failure);
	tcase_add_loop_test(tcase, member_that_stops_is_left, 0, N(closings));
	tcase_add_test(tcase, error_in_a_stream_is_a_failure_with_its_text);
	tcase_add_test(tcase, watch_refused_by_status_is_a_failure);
	tcase_add_test(tcase, compaction_makes_a_new_list);
	tcase_add_loop_test(tcase, compaction_is_told_in_several_ways, 0, N(compactions));
	tcase_add_loop_test(tcase, list_whose_revision_is_forgotten_at_once_is_a_failure, 0, N(compactions));
	tcase_add_test(tcase, watch_canceled_for_another_reason_is_a_failure);
	tcase_add_test(tcase, member_that_lags_is_no_new_history);
	tcase_add_loop_test(tcase, history_rewritten_makes_a_new_list, 0, N(testimonies));
	tcase_add_test(tcase, witness_is_what_was_written_last);
	tcase_add_test(tcase, witness_of_a_list_is_what_was_written_last_and_not_its_last_key);
	tcase_add_test(tcase, witness_may_be_refused);
	tcase_add_test(tcase, where_watches_never_begin_lists_are_made);
	tcase_add_test(tcase, future_start_is_doubted);
	tcase_add_loop_test(tcase, object_that_makes_no_sense_makes_a_new_list, 0, N(no_notices));
	tcase_add_test(tcase, object_beyond_the_limit_makes_a_new_list);
}

static void add_members(TCase *tcase)
{
	tcase_add_test(tcase, every_order_of_members_comes_up);
	tcase_add_test(tcase, next_member_is_asked_after_a_failure);
	tcase_add_test(tcase, member_that_cannot_be_reached_is_passed_over);
	tcase_add_loop_test(tcase, member_without_quorum_serves_what_it_has, 0, 2);
	tcase_add_test(tcase, quorum_is_asked_for_again_after_that);
	tcase_add_test(tcase, member_without_quorum_does_not_take_us_back);
	tcase_add_test(tcase, one_bad_moment_is_no_loss_of_quorum);
	tcase_add_test(tcase, registry_without_a_url_or_with_a_bad_zone_is_refused);
}

static void add_logins(TCase *tcase)
{
	tcase_add_test(tcase, login_comes_first_and_its_token_with_everything);
	tcase_add_test(tcase, password_that_cannot_be_read_is_a_failure);
	tcase_add_test(tcase, wrong_password_is_a_failure_and_is_read_again);
	tcase_add_test(tcase, login_without_an_answer_is_a_failure);
	tcase_add_loop_test(tcase, token_that_is_none_is_refused, 0, N(no_tokens));
	tcase_add_test(tcase, without_authentication_the_login_is_left_out);
	tcase_add_loop_test(tcase, worn_token_is_renewed_once, 0, N(worn));
	tcase_add_test(tcase, worn_token_between_two_pages_costs_no_page);
	tcase_add_test(tcase, failure_of_a_login_between_two_pages_ends_the_list);
	tcase_add_loop_test(tcase, watch_with_a_worn_token_is_opened_with_a_new_one, 0, N(unknown));
	tcase_add_test(tcase, missing_user_is_a_failure);
	tcase_add_loop_test(tcase, denied_list_keeps_what_is_known, 0, N(denials));
	tcase_add_test(tcase, denied_watch_is_a_failure);
	tcase_add_loop_test(tcase, refusal_is_a_failure_that_says_why, 0, N(refusals));
}

int main(void)
{
	Suite *suite = suite_create("registry_etcd");

	add_lists(add_case(suite, "lists"));
	add_watches(add_case(suite, "watches"));
	add_members(add_case(suite, "members"));
	add_logins(add_case(suite, "logins"));
	return harness_run(suite);
}
