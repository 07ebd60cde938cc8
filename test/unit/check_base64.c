/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/random.h"
#include "harness.h"

static const struct {
	const char *octets, *text;
} vectors[] = {
	/* RFC 4648 section 10 */
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/" },
	{ "/skydns/local/service/a", "L3NreWRucy9sb2NhbC9zZXJ2aWNlL2E=" },
};

START_TEST(known_text_is_written_and_read)
{
	const char *octets = vectors[_i].octets, *text = vectors[_i].text;
	struct buffer b = { 0 };
	uint8_t room[64];
	size_t len;

	ck_assert_int_eq(base64_write(&b, octets, strlen(octets)), 0);
	ck_assert_uint_eq(b.len, strlen(text));
	if (b.len > 0)
		ck_assert_mem_eq(b.octets, text, b.len);
	ck_assert(base64_read(text, strlen(text), room, &len));
	ck_assert_uint_eq(len, strlen(octets));
	ck_assert_mem_eq(room, octets, len);
	buffer_finish(&b);
}
END_TEST

START_TEST(any_octets_come_back)
{
	uint8_t octets[200];
	struct random random;

	random_seed(&random);
	for (size_t len = 0; len <= sizeof(octets); len++) {
		struct buffer b = { 0 };
		size_t n;

		for (size_t i = 0; i < len; i++)
			octets[i] = (uint8_t)random_next(&random);
		ck_assert_int_eq(base64_write(&b, octets, len), 0);
		uint8_t *room = malloc(base64_room(b.len) + 1);
		ck_assert(base64_read((const char *)b.octets, b.len, room, &n));
		ck_assert_uint_eq(n, len);
		ck_assert_mem_eq(room, octets, len);
		free(room);
		buffer_finish(&b);
	}
}
END_TEST

static const struct {
	const char *text;
	size_t len;
} refused[] = {
	{ "Z", 1 },        { "Zg", 2 },       { "Zg=", 3 },        { "Zg===", 5 },      /* no whole four */
	{ "=", 1 },        { "====", 4 },     { "Z===", 4 },       { "Zm=v", 4 },       /* padding */
	{ "Zg==Zg==", 8 }, { "Zm9v====", 8 },                                           /* in the middle */
	{ "_-8=", 4 },     { "Zm9-", 4 },     { "*m9v", 4 },       { "\xc3\xa9==", 4 }, /* alphabet */
	{ "Zm 9", 4 },     { "Zm9v\n", 5 },   { "Zm9vYg==\n", 9 }, { "Zm9\0", 4 },      /* around it */
	{ "Zh==", 4 },     { "Zm9=", 4 },                                               /* bits left over */
};

START_TEST(other_text_is_refused)
{
	uint8_t room[64];
	size_t len;

	ck_assert(!base64_read(refused[_i].text, refused[_i].len, room, &len));
}
END_TEST

START_TEST(limit_of_the_buffer_holds)
{
	struct buffer b = { .limit = 8 };

	ck_assert_int_eq(base64_write(&b, "foobar", 6), 0);
	ck_assert_int_eq(base64_write(&b, "f", 1), -EFBIG);
	ck_assert_uint_eq(b.len, 8);
	buffer_finish(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base64");
	TCase *tcase = tcase_create("base64");

	tcase_add_loop_test(tcase, known_text_is_written_and_read, 0, sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_test(tcase, any_octets_come_back);
	tcase_add_loop_test(tcase, other_text_is_refused, 0, sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tcase, limit_of_the_buffer_holds);
	suite_add_tcase(suite, tcase);
	return harness_run(suite);
}
