/* SPDX-License-Identifier: BSD-2-Clause */
/* A prefix below which there is nothing: etcd finds that in order, and somebody may have misspelt it. */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "harness.h"
#include "kind.h"
#include "registry/registry.h"

static const char *const urls[] = { "http://a.example:2379", NULL };

static struct registry_options options;
static struct kind k;

static void set_up(void)
{
	options = (struct registry_options){ .kind = "etcd", .watch = true };
	options.etcd.urls = urls;
	options.etcd.zone = "corp.example";
	kind_start(&k, &registry_etcd, &options, NULL);
}

static void tear_down(void)
{
	kind_finish(&k);
}

static void reopen(void)
{
	kind_finish(&k);
	kind_start(&k, &registry_etcd, &options, NULL);
}

static int hear(const char *body, bool last)
{
	return kind_read(
		&k, kind_find(&k, NULL),
		&(struct fetch_result){ .status = 200, .last = last, .body = body, .len = strlen(body) });
}

static void expect_ask(const char *path)
{
	ck_assert_str_eq(kind_ask(&k, kind_find(&k, NULL)).path, path);
}

static void list_nothing(int step)
{
	expect_ask("/v3/kv/range");
	ck_assert_int_eq(hear("{\"header\":{\"revision\":\"2\"}}", true), step);
}

/* An event of a key at that path below the prefix of the zone. */
static void hear_event(const char *path, bool is_deleted, unsigned revision)
{
	struct buffer key = { 0 }, value = { 0 };
	char text[512];

	snprintf(text, sizeof(text), "/skydns/example/corp/%s", path);
	ck_assert_int_eq(base64_write(&key, text, strlen(text)), 0);
	ck_assert_int_eq(base64_write(&value, "{\"host\":\"10.0.0.1\"}", 19), 0);
	snprintf(text, sizeof(text),
		 "{\"result\":{\"header\":{\"revision\":\"%u\"},\"events\":[{%s\"kv\":{\"key\":\"%.*s\","
		 "\"mod_revision\":\"%u\",\"value\":\"%.*s\"}}]}}",
		 revision, is_deleted ? "\"type\":\"DELETE\"," : "", (int)key.len, (const char *)key.octets,
		 revision, (int)value.len, (const char *)value.octets);
	ck_assert_int_eq(hear(text, false), STEP_MORE);
	buffer_finish(&key);
	buffer_finish(&value);
}

static void begin_watch(void)
{
	expect_ask("/v3/watch");
	ck_assert_int_eq(hear("{\"result\":{\"header\":{\"revision\":\"2\"},\"created\":true}}", false),
			 STEP_MORE);
}

static void assert_remark(const char *text)
{
	ck_assert_uint_eq(snapshot_n_remarks(k.last), 1);
	ck_assert_str_eq(snapshot_remark(k.last, 0), text);
}

START_TEST(nothing_under_a_prefix_is_remarked)
{
	list_nothing(STEP_AGAIN);
	assert_remark("nothing under prefix \"/skydns/example/corp/\": are prefix and zone right?");
	options.etcd.layout = ETCD_NAMING;
	options.etcd.prefix = "tills/";
	reopen();
	list_nothing(STEP_AGAIN);
	assert_remark("nothing under prefix \"tills/\": is it right?");
	options.etcd.prefix = "";
	reopen();
	list_nothing(STEP_AGAIN);
	assert_remark("etcd has no key at all");
}
END_TEST

START_TEST(remark_goes_with_the_first_key)
{
	list_nothing(STEP_AGAIN);
	begin_watch();
	hear_event("shop/a", false, 3);
	ck_assert_str_eq(kind_text(&k, "shop"), "10.0.0.1:0 a");
	ck_assert_uint_eq(snapshot_n_remarks(k.last), 0);
}
END_TEST

START_TEST(last_key_that_goes_says_nothing_of_the_prefix)
{
	list_nothing(STEP_AGAIN);
	begin_watch();
	hear_event("shop/a", false, 3);
	hear_event("shop/a", true, 4);
	ck_assert_str_eq(kind_text(&k, "shop"), "-");
	ck_assert_uint_eq(snapshot_n_remarks(k.last), 0);
}
END_TEST

START_TEST(polls_remark_it_until_there_was_a_key)
{
	options.watch = false;
	reopen();
	list_nothing(STEP_PAUSE);
	list_nothing(STEP_PAUSE);
	assert_remark("nothing under prefix \"/skydns/example/corp/\": are prefix and zone right?");
	expect_ask("/v3/kv/range");
	ck_assert_int_eq(hear("{\"header\":{\"revision\":\"3\"},\"kvs\":[{\"key\":"
			      "\"L3NreWRucy9leGFtcGxlL2NvcnAvc2hvcC9h\",\"mod_revision\":\"3\",\"value\":"
			      "\"eyJob3N0IjoiMTAuMC4wLjEifQ==\"}]}",
			      true),
			 STEP_PAUSE);
	ck_assert_str_eq(kind_text(&k, "shop"), "10.0.0.1:0 a");
	ck_assert_uint_eq(snapshot_n_remarks(k.last), 0);
	list_nothing(STEP_PAUSE);
	ck_assert_uint_eq(snapshot_n_remarks(k.last), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("etcd_prefix");
	TCase *t = tcase_create("prefix");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, nothing_under_a_prefix_is_remarked);
	tcase_add_test(t, remark_goes_with_the_first_key);
	tcase_add_test(t, last_key_that_goes_says_nothing_of_the_prefix);
	tcase_add_test(t, polls_remark_it_until_there_was_a_key);
	suite_add_tcase(s, t);
	return harness_run(s);
}
