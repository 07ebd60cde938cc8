/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { MAX_SIZE = 1000 };

static struct frames frames;

static void set_up(void)
{
	frames_init(&frames, MAX_SIZE);
}

static void tear_down(void)
{
	frames_finish(&frames);
}

static void assert_add(const char *octets, int r)
{
	ck_assert_int_eq(frames_add(&frames, octets, strlen(octets)), r);
}

static void assert_next(const char *object)
{
	size_t len = 0;
	const char *found = frames_next(&frames, &len);

	if (object == NULL) {
		ck_assert_ptr_null(found);
		return;
	}
	ck_assert_ptr_nonnull(found);
	ck_assert_str_eq(found, object);
	ck_assert_uint_eq(len, strlen(object));
}

/* Takes the octets in pieces of that size and compares what comes out, joined by '|'. */
static void assert_split(const char *octets, size_t size, const char *joined)
{
	char out[2000] = "";
	size_t len;
	const size_t all = strlen(octets);

	for (size_t at = 0; at < all; at += size) {
		const char *object;

		ck_assert_int_eq(frames_add(&frames, octets + at, all - at < size ? all - at : size), 0);
		while ((object = frames_next(&frames, &len)) != NULL) {
			strcat(out, object);
			strcat(out, "|");
		}
	}
	ck_assert_str_eq(out, joined);
}

static const struct {
	const char *octets, *joined;
	bool cut;
} streams[] = {
	{ "", "", false },
	{ " \r\n\t ", "", false },
	{ "{}", "{}|", false },
	{ "{}{}", "{}|{}|", false },
	{ " {} \r\n {\"a\":1}\n", "{}|{\"a\":1}|", false },
	{ "{\"a\":[{},{\"b\":[]}]}\n{\"c\":2}", "{\"a\":[{},{\"b\":[]}]}|{\"c\":2}|", false },
	{ "{\"a\":\"}{][\"}{}", "{\"a\":\"}{][\"}|{}|", false },
	{ "{\"a\":\"\\\"}\"}{}", "{\"a\":\"\\\"}\"}|{}|", false },
	{ "{\"a\":\"\\\\\"}{}", "{\"a\":\"\\\\\"}|{}|", false },
	{ "{\"a\":\"\\\\\\\"}\"}{}", "{\"a\":\"\\\\\\\"}\"}|{}|", false },
	{ "{\"a\":\n\n1}", "{\"a\":\n\n1}|", false },
	{ "{\"\xc3\xbc\":\"\xe2\x82\xac\"}", "{\"\xc3\xbc\":\"\xe2\x82\xac\"}|", false },
	{ "{", "", true },
	{ "{}\n{\"a\":", "{}|", true },
	{ "{\"a\":\"}", "", true },
	{ "{\"a\":\"\\", "", true },
	/* what stands inside an object is for the reader of JSON to refuse */
	{ "{\\}{}", "{\\}|{}|", false },
	{ "{]{}", "{]|{}|", false },
};

START_TEST(objects_come_out_whole_however_they_are_cut)
{
	const size_t all = strlen(streams[_i].octets);

	for (size_t size = 1; size <= all + 1; size++) {
		frames_finish(&frames);
		assert_split(streams[_i].octets, size, streams[_i].joined);
		ck_assert_int_eq(frames_is_cut(&frames), streams[_i].cut);
	}
}
END_TEST

static const char *const junk[] = { "x",           "[]",
				    "[{}]",        ",",
				    "\"{}\"",      "null",
				    "}",           "]",
				    "\\",          "<html>{}</html>",
				    "\x1e",        "1",
				    "\v",          "\xef\xbb\xbf{}",
				    "data: {}\n\n" };

START_TEST(what_is_no_object_is_refused)
{
	char after[100];

	assert_add(junk[_i], -EBADMSG);
	assert_next(NULL);
	frames_finish(&frames);
	snprintf(after, sizeof(after), "{\"a\":1}\n%s", junk[_i]);
	assert_add(after, -EBADMSG);
	assert_next("{\"a\":1}");
	assert_next(NULL);
}
END_TEST

static const struct {
	const char *octets;
	size_t len;
} nuls[] = { { "{}\0", 3 }, { "{}{\0}", 5 }, { "{}{\"\0\"}", 7 }, { "{}{\"\\\0\"}", 8 } };

START_TEST(nul_is_refused_wherever_it_stands)
{
	ck_assert_int_eq(frames_add(&frames, nuls[_i].octets, nuls[_i].len), -EBADMSG);
	assert_next("{}");
	assert_next(NULL);
}
END_TEST

static char *make_object(size_t len)
{
	char *object = malloc(len + 1);

	memset(object, 'x', len);
	memcpy(object, "{\"a\":\"", 6);
	memcpy(object + len - 2, "\"}", 3);
	return object;
}

START_TEST(object_has_a_limit)
{
	char *object = make_object(MAX_SIZE);

	for (int i = 0; i < 10; i++) { /* each by itself */
		assert_add(object, 0);
		assert_add(" ", 0);
	}
	for (int i = 0; i < 10; i++)
		assert_next(object);
	assert_next(NULL);
	free(object);
	object = make_object(MAX_SIZE + 1);
	assert_add("{}", 0);
	assert_add(object, -EFBIG);
	assert_next("{}");
	assert_next(NULL);
	free(object);
}
END_TEST

START_TEST(object_that_never_ends_is_refused_at_the_limit)
{
	assert_add("{\"a\":\"", 0);
	for (int i = 6; i < MAX_SIZE; i++)
		assert_add("x", 0);
	assert_add("x", -EFBIG);
	frames_finish(&frames);
	for (int i = 0; i < MAX_SIZE; i++)
		assert_add("{", 0);
	assert_add("{", -EFBIG);
	ck_assert_uint_le(frames.octets.size, 2 * MAX_SIZE);
}
END_TEST

START_TEST(space_between_objects_takes_no_memory)
{
	for (int i = 0; i < 10000; i++)
		assert_add("\n\n\n\n\n\n\n\n", 0);
	ck_assert_uint_eq(frames.octets.len, 0);
	assert_add("{}", 0);
	assert_next("{}");
}
END_TEST

START_TEST(memory_of_a_large_object_is_given_back)
{
	char *object = make_object(1 << 20);

	frames_init(&frames, 2 << 20);
	assert_add(object, 0);
	assert_add("{\"b\":", 0);
	ck_assert_uint_ge(frames.octets.size, 1 << 20);
	assert_next(object);
	assert_next(NULL);
	ck_assert_uint_le(frames.octets.size, 65536);
	assert_add("2}", 0);
	assert_next("{\"b\":2}");
	assert_next(NULL);
	free(object);
}
END_TEST

START_TEST(memory_does_not_grow_with_the_stream)
{
	for (int i = 0; i < 10000; i++) {
		assert_add("{\"a\":1}{\"a\":2}{\"a\":", 0);
		assert_next("{\"a\":1}");
		assert_next("{\"a\":2}");
		assert_add("3}", 0);
		assert_next("{\"a\":3}");
	}
	assert_next(NULL);
	ck_assert_uint_le(frames.octets.size, 256);
}
END_TEST

START_TEST(waiting_octets_are_told)
{
	ck_assert_uint_eq(frames_waiting(&frames), 0);
	assert_add("{\"a\":1}{\"b\":", 0);
	ck_assert_uint_gt(frames_waiting(&frames), 0);
	assert_next("{\"a\":1}");
	ck_assert_uint_eq(frames_waiting(&frames), 0);
	assert_next(NULL);
	ck_assert_uint_eq(frames_waiting(&frames), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frames");
	TCase *t = tcase_create("frames");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, objects_come_out_whole_however_they_are_cut, 0,
			    sizeof(streams) / sizeof(streams[0]));
	tcase_add_loop_test(t, what_is_no_object_is_refused, 0, sizeof(junk) / sizeof(junk[0]));
	tcase_add_loop_test(t, nul_is_refused_wherever_it_stands, 0, sizeof(nuls) / sizeof(nuls[0]));
	tcase_add_test(t, object_has_a_limit);
	tcase_add_test(t, object_that_never_ends_is_refused_at_the_limit);
	tcase_add_test(t, space_between_objects_takes_no_memory);
	tcase_add_test(t, memory_of_a_large_object_is_given_back);
	tcase_add_test(t, memory_does_not_grow_with_the_stream);
	tcase_add_test(t, waiting_octets_are_told);
	suite_add_tcase(suite, t);
	return harness_run(suite);
}
