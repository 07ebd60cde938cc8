/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/instance.h"

#include <string.h>

#include "harness.h"
#include "wire/name.h"

static const char *const both_tags[] = { "blue", "v1" };
static const struct metadata release[] = { { "owner", "ann" }, { "release", "" } };

static const struct instance_parts whole = {
	.address = { .octets = { 10, 0, 0, 1 }, .len = 4 },
	.health = HEALTH_WARNING,
	.protocol = PROTOCOL_UDP,
	.ttl_s = 9,
	.port = 80,
	.weight = 3,
	.priority = 4,
	.n_tags = 2,
	.n_metadata = 2,
	.name = "one",
	.port_name = "http",
	.zone = "west",
	.tags = both_tags,
	.metadata = release,
};

static const struct instance *make(const struct instance_parts *parts)
{
	const struct instance *in = instance_create(parts);

	ck_assert_ptr_nonnull(in);
	return in;
}

static void check_whole(const struct instance_parts *p)
{
	ck_assert_mem_eq(&p->address, &whole.address, sizeof(p->address));
	ck_assert_int_eq(p->health, HEALTH_WARNING);
	ck_assert_int_eq(p->protocol, PROTOCOL_UDP);
	ck_assert_uint_eq(p->ttl_s, 9);
	ck_assert_uint_eq(p->port, 80);
	ck_assert_uint_eq(p->weight, 3);
	ck_assert_uint_eq(p->priority, 4);
	ck_assert_ptr_null(p->host);
	ck_assert_str_eq(p->name, "one");
	ck_assert_str_eq(p->port_name, "http");
	ck_assert_str_eq(p->zone, "west");
	ck_assert_uint_eq(p->n_tags, 2);
	ck_assert_str_eq(p->tags[0], "blue");
	ck_assert_str_eq(p->tags[1], "v1");
	ck_assert_uint_eq(p->n_metadata, 2);
	ck_assert_str_eq(p->metadata[0].key, "owner");
	ck_assert_str_eq(p->metadata[0].value, "ann");
	ck_assert_str_eq(p->metadata[1].key, "release");
	ck_assert_str_eq(p->metadata[1].value, "");
}

START_TEST(instance_gives_back_its_parts)
{
	const struct instance *in = make(&whole);
	const char *tags[INSTANCE_TAGS_MAX];
	struct metadata metadata[INSTANCE_METADATA_MAX];
	struct instance_parts parts;

	instance_take_apart(in, tags, metadata, &parts);
	check_whole(&parts);
	ck_assert_str_eq(instance_tag(in, 1), "v1");
	ck_assert_str_eq(instance_metadata(in, 1).key, "release");
	instance_release(in);
}
END_TEST

START_TEST(instance_without_texts_has_none)
{
	const struct instance *in = make(&(struct instance_parts){ .port = 80 });

	ck_assert_ptr_null(instance_host(in));
	ck_assert_ptr_null(instance_name(in));
	ck_assert_ptr_null(instance_port_name(in));
	ck_assert_ptr_null(instance_zone(in));
	ck_assert_uint_eq(in->n_tags, 0);
	ck_assert_uint_eq(in->n_metadata, 0);
	instance_release(in);
}
END_TEST

START_TEST(instance_holds_every_text_at_its_limit)
{
	static char host[NAME_OCTETS_MAX], label[LABEL_OCTETS_MAX + 1], text[INSTANCE_TEXT_MAX + 1], half[33];
	const char *tags[INSTANCE_TAGS_MAX];
	struct metadata metadata[INSTANCE_METADATA_MAX];
	struct instance_parts parts = { .host = host, .name = label, .port_name = label, .zone = text };

	memset(host, 'h', sizeof(host) - 1);
	memset(label, 'l', sizeof(label) - 1);
	memset(text, 't', sizeof(text) - 1);
	memset(half, 'm', INSTANCE_METADATA_OCTETS_MAX / INSTANCE_METADATA_MAX / 2);
	for (size_t i = 0; i < INSTANCE_TAGS_MAX; i++)
		tags[i] = text;
	for (size_t i = 0; i < INSTANCE_METADATA_MAX; i++)
		metadata[i] = (struct metadata){ half, half };
	parts.tags = tags;
	parts.n_tags = INSTANCE_TAGS_MAX;
	parts.metadata = metadata;
	parts.n_metadata = INSTANCE_METADATA_MAX;
	const struct instance *in = make(&parts);

	ck_assert_str_eq(instance_host(in), host);
	ck_assert_str_eq(instance_zone(in), text);
	ck_assert_str_eq(instance_tag(in, INSTANCE_TAGS_MAX - 1), text);
	ck_assert_str_eq(instance_metadata(in, INSTANCE_METADATA_MAX - 1).value, half);
	instance_release(in);
}
END_TEST

/* Pairs of which the texts are the same octets in the same order, but not the same texts. */
static const char *const other_tags[] = { "west", "v1" };
static const char *const one_tag[] = { "west" };
static const struct {
	struct instance_parts a, b;
	bool equal;
} pairs[] = {
	{ { .name = "one" }, { .name = "one" }, true },
	{ { .name = "one" }, { .port_name = "one" }, false },
	{ { .name = "one" }, { .host = "one" }, false },
	{ { .zone = "west" }, { .tags = one_tag, .n_tags = 1 }, false },
	{ { .zone = "west", .tags = other_tags + 1, .n_tags = 1 },
	  { .tags = other_tags, .n_tags = 2 },
	  false },
	{ { .tags = one_tag, .n_tags = 1 }, { .metadata = release, .n_metadata = 1 }, false },
	{ { .name = "one", .metadata = release, .n_metadata = 2 }, { .name = "one" }, true },
	{ { .weight = 1 }, { .priority = 1 }, false },
	{ { .ttl_s = 1 }, { .health = 1 }, false },
};

START_TEST(content_tells_instances_apart_by_all_but_their_metadata)
{
	const struct instance *a = make(&pairs[_i].a), *other = make(&pairs[_i].b);
	size_t a_len, b_len;
	const void *a_content = instance_content(a, &a_len), *b_content = instance_content(other, &b_len);

	ck_assert_int_eq(a_len == b_len && memcmp(a_content, b_content, a_len) == 0, pairs[_i].equal);
	instance_release(a);
	instance_release(other);
}
END_TEST

START_TEST(instance_lives_as_long_as_it_has_users)
{
	const struct instance *in = make(&whole);

	ck_assert_ptr_eq(instance_keep(in), in);
	instance_release(in);
	ck_assert_str_eq(instance_name(in), "one");
	instance_release(in);
	instance_release(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("instance");
	TCase *texts = tcase_create("texts"), *content = tcase_create("content");

	tcase_add_test(texts, instance_gives_back_its_parts);
	tcase_add_test(texts, instance_without_texts_has_none);
	tcase_add_test(texts, instance_holds_every_text_at_its_limit);
	suite_add_tcase(suite, texts);
	tcase_add_loop_test(content, content_tells_instances_apart_by_all_but_their_metadata, 0,
			    sizeof(pairs) / sizeof(pairs[0]));
	tcase_add_test(content, instance_lives_as_long_as_it_has_users);
	suite_add_tcase(suite, content);
	return harness_run(suite);
}
