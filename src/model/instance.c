/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/instance.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/name.h"

static_assert(offsetof(struct instance, texts) ==
		      offsetof(struct instance, address) + sizeof(struct address) + 3 + 9 * sizeof(uint16_t),
	      "instances are compared as octets: there is no gap between them");
static_assert(offsetof(struct instance, texts) + NAME_OCTETS_MAX + 2 * (LABEL_OCTETS_MAX + 1) +
			      (1 + INSTANCE_TAGS_MAX) * (INSTANCE_TEXT_MAX + 1) +
			      INSTANCE_METADATA_OCTETS_MAX + 2 * INSTANCE_METADATA_MAX <=
		      UINT16_MAX,
	      "every text of an instance begins within what two octets can tell");

static size_t text_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

static size_t size_of(const struct instance_parts *p)
{
	size_t size = offsetof(struct instance, texts);

	size += text_size(p->host) + text_size(p->name) + text_size(p->port_name) + text_size(p->zone);
	for (size_t i = 0; i < p->n_tags; i++)
		size += text_size(p->tags[i]);
	for (size_t i = 0; i < p->n_metadata; i++)
		size += text_size(p->metadata[i].key) + text_size(p->metadata[i].value);
	return size;
}

/* Adds a text at the end; returns where it is, 0 for NULL. */
static uint16_t add_text(struct instance *in, const char *text)
{
	const uint16_t at = in->size;
	const size_t size = text_size(text);

	if (text == NULL)
		return 0;
	memcpy((char *)in + at, text, size);
	in->size = (uint16_t)(at + size);
	return at;
}

static void add_texts(struct instance *in, const struct instance_parts *p)
{
	in->host_at = add_text(in, p->host);
	in->name_at = add_text(in, p->name);
	in->port_name_at = add_text(in, p->port_name);
	in->zone_at = add_text(in, p->zone);
	in->tags_at = in->size;
	for (size_t i = 0; i < p->n_tags; i++)
		add_text(in, p->tags[i]);
	in->metadata_at = in->size;
	for (size_t i = 0; i < p->n_metadata; i++) {
		add_text(in, p->metadata[i].key);
		add_text(in, p->metadata[i].value);
	}
}

const struct instance *instance_create(const struct instance_parts *p)
{
	const size_t size = size_of(p);

	assert(size <= UINT16_MAX);
	/* The texts begin within what the compiler counts as the head. */
	struct instance *in = malloc(size > sizeof(*in) ? size : sizeof(*in));
	if (in == NULL)
		return NULL;
	*in = (struct instance){ .users = 1,
				 .size = offsetof(struct instance, texts),
				 .n_metadata = (uint8_t)p->n_metadata,
				 .n_tags = (uint8_t)p->n_tags,
				 .address = p->address,
				 .health = p->health,
				 .protocol = p->protocol,
				 .ttl_s = p->ttl_s,
				 .port = p->port,
				 .weight = p->weight,
				 .priority = p->priority };
	add_texts(in, p);
	return in;
}

static const char *behind(const char *text)
{
	return text + strlen(text) + 1;
}

void instance_take_apart(const struct instance *in, const char *tags[INSTANCE_TAGS_MAX],
			 struct metadata metadata[INSTANCE_METADATA_MAX], struct instance_parts *ret)
{
	const char *at = instance_text(in, in->tags_at);

	for (size_t i = 0; i < in->n_tags; i++, at = behind(at))
		tags[i] = at;
	for (size_t i = 0; i < in->n_metadata; i++, at = behind(behind(at)))
		metadata[i] = (struct metadata){ at, behind(at) };
	*ret = (struct instance_parts){ .address = in->address,
					.health = in->health,
					.protocol = in->protocol,
					.ttl_s = in->ttl_s,
					.port = in->port,
					.weight = in->weight,
					.priority = in->priority,
					.n_tags = in->n_tags,
					.n_metadata = in->n_metadata,
					.host = instance_host(in),
					.name = instance_name(in),
					.port_name = instance_port_name(in),
					.zone = instance_zone(in),
					.tags = tags,
					.metadata = metadata };
}

const struct instance *instance_keep(const struct instance *in)
{
	((struct instance *)in)->users++;
	return in;
}

void instance_release(const struct instance *in)
{
	struct instance *mine = (struct instance *)in;

	if (mine != NULL && --mine->users == 0)
		free(mine);
}

static int compare_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

int instance_compare_place(const struct instance *a, const struct instance *b)
{
	int r = (int)a->address.len - (int)b->address.len;

	if (r == 0)
		r = memcmp(a->address.octets, b->address.octets, sizeof(a->address.octets));
	if (r == 0)
		r = compare_text(instance_host(a), instance_host(b));
	if (r == 0)
		r = (int)a->port - (int)b->port;
	return r;
}

int instance_compare(const struct instance *a, const struct instance *b)
{
	int r = instance_compare_place(a, b);

	if (r == 0)
		r = (int)a->protocol - (int)b->protocol;
	if (r == 0)
		r = compare_text(instance_port_name(a), instance_port_name(b));
	if (r == 0)
		r = compare_text(instance_name(a), instance_name(b));
	return r;
}

/* Where each text begins is told as well, so "ab" "c" differs from "a" "bc". */
const void *instance_content(const struct instance *in, size_t *len)
{
	*len = in->metadata_at - offsetof(struct instance, address);
	return &in->address;
}

const char *instance_tag(const struct instance *in, size_t i)
{
	const char *tag = instance_text(in, in->tags_at);

	while (i-- > 0)
		tag = behind(tag);
	return tag;
}

struct metadata instance_metadata(const struct instance *in, size_t i)
{
	const char *key = instance_text(in, in->metadata_at);

	while (i-- > 0)
		key = behind(behind(key));
	return (struct metadata){ key, behind(key) };
}
