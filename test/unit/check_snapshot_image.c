/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/snapshot_image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/little.h"
#include "harness.h"

static struct snapshot_builder *b;
static struct buffer image;

static void set_up(void)
{
	b = snapshot_builder_create();
	ck_assert_ptr_nonnull(b);
}

static void tear_down(void)
{
	snapshot_builder_destroy(b);
	buffer_finish(&image);
}

static int put(void *context, const void *octets, size_t len)
{
	return buffer_add(context, octets, len);
}

static struct snapshot *seal(void)
{
	struct snapshot *s = NULL;

	ck_assert_int_eq(snapshot_builder_seal(b, NULL, &s), 0);
	return s;
}

static void write_image(const struct snapshot *s)
{
	buffer_clear(&image);
	ck_assert_int_eq(snapshot_image_write(s, put, &image), 0);
}

/* Of exactly that size, so that a sanitizer sees what is read behind it. */
static int read_copy(const uint8_t *octets, size_t len, struct snapshot **ret)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, octets, len);
	const int r = snapshot_image_read(copy, len, ret);
	free(copy);
	return r;
}

static void refuse(const uint8_t *octets, size_t len)
{
	struct snapshot *s = NULL;

	ck_assert_int_eq(read_copy(octets, len, &s), -EBADMSG);
	ck_assert_ptr_null(s);
}

static void correct_checksum(void)
{
	const size_t len = image.len - 8;

	little_put_u64(image.octets + len, snapshot_image_checksum(image.octets, len));
}

static void add_plain(const char *service, const char *address)
{
	struct report r = report_blank();

	r.service = service;
	r.address = address;
	r.port = 80;
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
}

/* One with all there is, one known by host, one without anything. */
static void add_examples(void)
{
	static const char *const tags[] = { "v2", "Blue", "\xc3\xa9" };
	static const struct metadata metadata[] = { { "rack", "7" }, { "empty", "" }, { "", "nothing" } };
	struct report r = { .service = "inventory.shop",
			    .address = "2001:db8::7",
			    .name = "one",
			    .port_name = "http",
			    .zone = "Zone A",
			    .tags = tags,
			    .n_tags = 3,
			    .metadata = metadata,
			    .n_metadata = 3,
			    .port = 65535,
			    .weight = 1000,
			    .priority = 258,
			    .ttl_s = 7,
			    .health = HEALTH_CRITICAL,
			    .protocol = PROTOCOL_UDP };

	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	r.address = "db-7.example";
	r.zone = NULL;
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	add_plain("inventory.shop", "10.0.0.1");
	add_plain("cart", "10.0.0.2");
	ck_assert_int_eq(snapshot_builder_add_service(b, "idle"), 0);
}

/* Metadata is no part of being equal. */
static void expect_equal(const struct snapshot *x, const struct snapshot *y)
{
	ck_assert_uint_eq(x->n_services, y->n_services);
	ck_assert_uint_eq(x->n_instances, y->n_instances);
	for (size_t i = 0; i < x->n_services; i++) {
		ck_assert(service_equal(x->services[i], y->services[i]));
		ck_assert_uint_eq(x->services[i]->octets, y->services[i]->octets);
		for (size_t k = 0; k < x->services[i]->n_instances; k++) {
			const struct instance *p = x->services[i]->instances[k];
			const struct instance *q = y->services[i]->instances[k];

			ck_assert_uint_eq(p->size, q->size);
			ck_assert_uint_eq(p->n_metadata, q->n_metadata);
			ck_assert_mem_eq(&p->address, &q->address,
					 p->size - offsetof(struct instance, address));
		}
	}
}

START_TEST(every_field_comes_back)
{
	add_examples();
	struct snapshot *s = seal(), *again = NULL;

	write_image(s);
	ck_assert_int_eq(read_copy(image.octets, image.len, &again), 0);
	expect_equal(s, again);
	ck_assert_uint_eq(again->users, 1);
	const struct instance *in = snapshot_find(again, "inventory.shop")->instances[2];
	ck_assert_uint_eq(in->users, 1);
	ck_assert_str_eq(instance_zone(in), "Zone A");
	ck_assert_uint_eq(in->priority, 258);
	ck_assert_str_eq(instance_metadata(in, 2).value, "7");
	snapshot_release(again);
	snapshot_release(s);
}
END_TEST

START_TEST(a_snapshot_without_services_comes_back)
{
	struct snapshot *s = seal(), *again = NULL;

	write_image(s);
	ck_assert_uint_eq(image.len, SNAPSHOT_IMAGE_MIN);
	ck_assert_int_eq(read_copy(image.octets, image.len, &again), 0);
	ck_assert_uint_eq(again->n_services, 0);
	snapshot_release(again);
	snapshot_release(s);
}
END_TEST

/* More than is written at once, and instances of the largest size on the seam. */
START_TEST(a_large_snapshot_comes_back)
{
	static char text[INSTANCE_TEXT_MAX + 1];
	char address[16], tag[INSTANCE_TAGS_MAX][INSTANCE_TEXT_MAX + 1];
	const char *tags[INSTANCE_TAGS_MAX];
	struct report r = report_blank();

	memset(text, 'x', INSTANCE_TEXT_MAX);
	for (int i = 0; i < INSTANCE_TAGS_MAX; i++) {
		snprintf(tag[i], sizeof(tag[i]), "%02d%.253s", i, text);
		tags[i] = tag[i];
	}
	r.service = "large";
	r.address = address;
	r.tags = tags;
	r.n_tags = INSTANCE_TAGS_MAX;
	for (int i = 0; i < 100; i++) {
		snprintf(address, sizeof(address), "10.0.0.%d", i);
		ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
		add_plain("small", address);
	}
	struct snapshot *s = seal(), *again = NULL;

	ck_assert_uint_eq(s->n_instances, 200);
	write_image(s);
	ck_assert_int_eq(read_copy(image.octets, image.len, &again), 0);
	expect_equal(s, again);
	snapshot_release(again);
	snapshot_release(s);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	add_examples();
	struct snapshot *s = seal();

	write_image(s);
	for (size_t len = 0; len < image.len; len++)
		refuse(image.octets, len);
	snapshot_release(s);
}
END_TEST

START_TEST(every_flipped_bit_is_refused)
{
	add_examples();
	struct snapshot *s = seal();

	write_image(s);
	for (size_t bit = 0; bit < image.len * 8; bit++) {
		image.octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
		refuse(image.octets, image.len);
		image.octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	snapshot_release(s);
}
END_TEST

/* Somebody who knows how to compute a checksum: what is accepted is a snapshot, and written the same. */
START_TEST(an_octet_changed_on_purpose_is_refused_or_another_snapshot)
{
	static const uint8_t values[] = { 0, 1, 4, 16, '.', 'A', 'z', 127, 128, 255 };
	struct buffer changed = { 0 };

	add_examples();
	struct snapshot *s = seal(), *again;

	write_image(s);
	for (size_t at = 0; at < image.len - 8; at++) {
		const uint8_t before = image.octets[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			image.octets[at] = values[i];
			correct_checksum();
			const int r = read_copy(image.octets, image.len, &again);
			ck_assert_msg(r == 0 || r == -EBADMSG, "%d at %zu", r, at);
			if (r != 0)
				continue;
			buffer_clear(&changed);
			ck_assert_int_eq(snapshot_image_write(again, put, &changed), 0);
			ck_assert_uint_eq(changed.len, image.len);
			ck_assert_mem_eq(changed.octets, image.octets, image.len);
			snapshot_release(again);
		}
		image.octets[at] = before;
	}
	buffer_finish(&changed);
	snapshot_release(s);
}
END_TEST

/* What no registry could have said, with a good checksum. Offsets are those of one service "cart" with one
 * instance 10.0.0.2 and no texts but a name "one". */
static const struct {
	size_t at, len;
	const char *octets;
} nasty[] = {
	{ 0, 1, "\x02" },             /* more services than there are */
	{ 0, 4, "\xff\xff\xff\xff" }, /* more than anybody has memory for */
	{ 4, 1, "\x00" },             /* fewer instances */
	{ 4, 1, "\x02" },             /* more instances */
	{ 8, 1, "\xff" },             /* a longer name */
	{ 9, 4, "Cart" },             /* not folded */
	{ 9, 4, "ca t" },             /* no name */
	{ 9, 4, "addr" },             /* reserved */
	{ 9, 4, "ca\0t" },            /* shorter than it is said to be */
	{ 13, 2, "\xff\xff" },        /* more instances than a service has */
	{ 15, 1, "\x00" },            /* a text too many */
	{ 15, 1, "\x12" },            /* something unknown */
	{ 16, 1, "\x05" },            /* an address of no family */
	{ 16, 1, "\x11" },            /* an address larger than its room */
	{ 17, 1, "\x03" },            /* no health */
	{ 18, 1, "\x03" },            /* no protocol */
	{ 19, 1, "\x1f" },            /* a cap above all caps */
	{ 20, 1, "\x41" },            /* too many tags */
	{ 21, 1, "\x41" },            /* too much metadata */
	{ 28, 2, "\xff\xff" },        /* texts behind the end */
	{ 30, 4, "\x00\x00\x00\x00" } /* nobody's address */,
	{ 34, 4, "One" }, /* not folded */
	{ 34, 4, "o.e" }, /* no label */
	{ 34, 1, "\0" },  /* a text that ends too soon */
	{ 37, 1, "x" },   /* one that does not end */
};

START_TEST(what_nobody_could_have_said_is_refused)
{
	struct report r = report_blank();

	r.service = "cart";
	r.address = "10.0.0.2";
	r.name = "one";
	ck_assert_int_eq(snapshot_builder_add(b, &r), 0);
	struct snapshot *s = seal();

	write_image(s);
	ck_assert_uint_eq(image.len, 38 + 8);
	memcpy(image.octets + nasty[_i].at, nasty[_i].octets, nasty[_i].len);
	correct_checksum();
	refuse(image.octets, image.len);
	snapshot_release(s);
}
END_TEST

START_TEST(what_is_out_of_order_or_twice_there_is_refused)
{
	static const char *const names[] = { "bbbb", "aaaa" };
	char address[] = "10.0.0.1";

	for (int i = 0; i < 2; i++) {
		address[7] = (char)('1' + i);
		add_plain("aaaa", address);
		add_plain("bbbb", address);
	}
	struct snapshot *s = seal();

	/* 8 octets of head; a service: 1 + 4 + 2, then two instances of 15 + 4. */
	for (int i = 0; i < 2; i++) {
		write_image(s);
		memcpy(image.octets + 8 + i * 45 + 1, names[i], 4);
		correct_checksum();
		refuse(image.octets, image.len);
		write_image(s);
		image.octets[8 + 45 + 7 + i * 19 + 15 + 3] = (uint8_t)(2 - i);
		correct_checksum();
		refuse(image.octets, image.len);
	}
	snapshot_release(s);
}
END_TEST

static int put_until(void *context, const void *octets, size_t len)
{
	(void)octets;
	(void)len;
	return ++*(int *)context == 1 ? -ENOSPC : 0;
}

START_TEST(what_put_says_is_returned)
{
	int calls = 0;

	add_examples();
	struct snapshot *s = seal();
	ck_assert_int_eq(snapshot_image_write(s, put_until, &calls), -ENOSPC);
	ck_assert_int_eq(calls, 1);
	snapshot_release(s);
}
END_TEST

START_TEST(a_snapshot_beyond_the_limits_is_not_written)
{
	struct snapshot *s = seal();

	s->n_instances = SNAPSHOT_INSTANCES_MAX + 1;
	ck_assert_int_eq(snapshot_image_write(s, put, &image), -EOVERFLOW);
	ck_assert_uint_eq(image.len, 0);
	snapshot_release(s);
}
END_TEST

/* Of nothing and of the smallest text; another outcome would be another form. */
START_TEST(the_checksum_is_the_same_everywhere)
{
	ck_assert_uint_eq(snapshot_image_checksum("", 0), UINT64_C(0x2d06800538d394c2));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot_image");
	TCase *all = tcase_create("image");

	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_test(all, every_field_comes_back);
	tcase_add_test(all, a_snapshot_without_services_comes_back);
	tcase_add_test(all, a_large_snapshot_comes_back);
	tcase_add_test(all, every_truncation_is_refused);
	tcase_add_test(all, every_flipped_bit_is_refused);
	tcase_add_test(all, an_octet_changed_on_purpose_is_refused_or_another_snapshot);
	tcase_add_loop_test(all, what_nobody_could_have_said_is_refused, 0,
			    (int)(sizeof(nasty) / sizeof(nasty[0])));
	tcase_add_test(all, what_is_out_of_order_or_twice_there_is_refused);
	tcase_add_test(all, what_put_says_is_returned);
	tcase_add_test(all, a_snapshot_beyond_the_limits_is_not_written);
	tcase_add_test(all, the_checksum_is_the_same_everywhere);
	suite_add_tcase(suite, all);
	return harness_run(suite);
}
