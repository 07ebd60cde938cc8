/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/snapshot_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/little.h"
#include "model/report.h"

enum {
	HEAD_OCTETS = 8,
	CHECKSUM_OCTETS = 8,
	SERVICE_OCTETS_MIN = 1 + 1 + 2,
	INSTANCE_OCTETS = 15, /* before the address */

	HAS_HOST = 1,
	HAS_NAME = 2,
	HAS_PORT_NAME = 4,
	HAS_ZONE = 8,
	HAS_ALL = HAS_HOST | HAS_NAME | HAS_PORT_NAME | HAS_ZONE,

	/* One write for so much: enough for few system calls, and little next to what a registry says. */
	WRITE_OCTETS = 64 * 1024,
};

_Static_assert((int)SNAPSHOT_IMAGE_MIN == HEAD_OCTETS + CHECKSUM_OCTETS, "an image without services");

uint64_t snapshot_image_checksum(const void *octets, size_t len)
{
	return XXH3_64bits(octets, len);
}

/* --- writing --- */

struct writer {
	snapshot_image_put put;
	void *context;
	int error;
	size_t len;
	XXH3_state_t checksum;
	uint8_t octets[WRITE_OCTETS];
};

static void flush(struct writer *w)
{
	if (w->error == 0)
		w->error = w->put(w->context, w->octets, w->len);
	w->len = 0;
}

/* Room for so many octets, which are then written. */
static uint8_t *take(struct writer *w, size_t len)
{
	if (len > WRITE_OCTETS - w->len) {
		XXH3_64bits_update(&w->checksum, w->octets, w->len);
		flush(w);
	}
	w->len += len;
	return w->octets + w->len - len;
}

/* All texts of an instance fit into the room: see the assertions in instance.c. */
_Static_assert(WRITE_OCTETS > UINT16_MAX, "an instance is written at once");

static void write_instance(struct writer *w, const struct instance *in)
{
	const size_t texts = in->size - offsetof(struct instance, texts);
	uint8_t *at = take(w, INSTANCE_OCTETS + in->address.len + texts);

	at[0] = (uint8_t)((in->host_at != 0 ? HAS_HOST : 0) | (in->name_at != 0 ? HAS_NAME : 0) |
			  (in->port_name_at != 0 ? HAS_PORT_NAME : 0) | (in->zone_at != 0 ? HAS_ZONE : 0));
	at[1] = in->address.len;
	at[2] = in->health;
	at[3] = in->protocol;
	at[4] = in->ttl_s;
	at[5] = in->n_tags;
	at[6] = in->n_metadata;
	little_put_u16(at + 7, in->port);
	little_put_u16(at + 9, in->weight);
	little_put_u16(at + 11, in->priority);
	little_put_u16(at + 13, (uint16_t)texts);
	memcpy(at + INSTANCE_OCTETS, in->address.octets, in->address.len);
	memcpy(at + INSTANCE_OCTETS + in->address.len, in->texts, texts);
}

static void write_service(struct writer *w, const struct service *s)
{
	const size_t len = strlen(s->name);
	uint8_t *at = take(w, 1 + len + 2);

	at[0] = (uint8_t)len;
	memcpy(at + 1, s->name, len);
	little_put_u16(at + 1 + len, (uint16_t)s->n_instances);
	for (size_t i = 0; i < s->n_instances; i++)
		write_instance(w, s->instances[i]);
}

static void write_head(struct writer *w, const struct snapshot *s)
{
	uint8_t *at = take(w, HEAD_OCTETS);

	little_put_u32(at, (uint32_t)s->n_services);
	little_put_u32(at + 4, (uint32_t)s->n_instances);
}

static void write_checksum(struct writer *w)
{
	XXH3_64bits_update(&w->checksum, w->octets, w->len);
	flush(w);
	little_put_u64(take(w, CHECKSUM_OCTETS), XXH3_64bits_digest(&w->checksum));
	flush(w);
}

/* What is inherited stands beside what is heard: for a while that can be more than one registry may say. */
static bool is_within_limits(const struct snapshot *s)
{
	size_t octets = 0;

	for (size_t i = 0; i < s->n_services; i++)
		octets += s->services[i]->octets;
	return s->n_services <= SNAPSHOT_SERVICES_MAX && s->n_instances <= SNAPSHOT_INSTANCES_MAX &&
	       octets <= SNAPSHOT_OCTETS_MAX;
}

int snapshot_image_write(const struct snapshot *s, snapshot_image_put put, void *context)
{
	if (!is_within_limits(s))
		return -EOVERFLOW;
	struct writer *w = malloc(sizeof(*w));
	if (w == NULL)
		return -ENOMEM;

	w->put = put;
	w->context = context;
	w->error = 0;
	w->len = 0;
	XXH3_64bits_reset(&w->checksum);
	write_head(w, s);
	for (size_t i = 0; w->error == 0 && i < s->n_services; i++)
		write_service(w, s->services[i]);
	write_checksum(w);
	const int r = w->error;
	free(w);
	return r;
}

/* --- reading --- */

struct reader {
	const uint8_t *at, *end;
	size_t n_left; /* instances the image has still to tell */
	size_t octets; /* of memory for instances */
	char name[SERVICE_NAME_SIZE];
	const struct instance *instances[SERVICE_INSTANCES_MAX]; /* of one service */
	size_t n;
	const char *tags[INSTANCE_TAGS_MAX]; /* of one instance, as below */
	struct metadata metadata[INSTANCE_METADATA_MAX];
	struct instance_parts parts;
};

static bool has(const struct reader *r, size_t len)
{
	return (size_t)(r->end - r->at) >= len;
}

/* The text that begins there; NULL when there is none before the end. */
static const char *next_text(const char **at, const char *end)
{
	const char *text = *at, *nul = memchr(text, '\0', (size_t)(end - text));

	if (nul != NULL)
		*at = nul + 1;
	return nul != NULL ? text : NULL;
}

static bool read_optional(const char **at, const char *end, bool present, const char **ret)
{
	*ret = present ? next_text(at, end) : NULL;
	return (*ret != NULL) == present;
}

static bool read_lists(struct reader *r, const char **at, const char *end)
{
	bool good = true;

	for (size_t i = 0; good && i < r->parts.n_tags; i++)
		good = read_optional(at, end, true, &r->tags[i]);
	for (size_t i = 0; good && i < r->parts.n_metadata; i++)
		good = read_optional(at, end, true, &r->metadata[i].key) &&
		       read_optional(at, end, true, &r->metadata[i].value);
	return good;
}

static bool read_texts(struct reader *r, unsigned present, size_t len)
{
	struct instance_parts *p = &r->parts;
	const char *at = (const char *)r->at, *const end = at + len;

	r->at += len;
	return read_optional(&at, end, (present & HAS_HOST) != 0, &p->host) &&
	       read_optional(&at, end, (present & HAS_NAME) != 0, &p->name) &&
	       read_optional(&at, end, (present & HAS_PORT_NAME) != 0, &p->port_name) &&
	       read_optional(&at, end, (present & HAS_ZONE) != 0, &p->zone) && read_lists(r, &at, end) &&
	       at == end;
}

/* The parts point into the image. */
static bool read_parts(struct reader *r)
{
	const uint8_t *at = r->at;
	struct instance_parts *p = &r->parts;

	if (!has(r, INSTANCE_OCTETS))
		return false;
	const size_t address = at[1], texts = little_get_u16(at + 13);
	r->at += INSTANCE_OCTETS;
	if (at[0] > HAS_ALL || address > sizeof(p->address.octets) || !has(r, address + texts) ||
	    at[5] > INSTANCE_TAGS_MAX || at[6] > INSTANCE_METADATA_MAX)
		return false;
	*p = (struct instance_parts){ .address.len = (uint8_t)address,
				      .health = at[2],
				      .protocol = at[3],
				      .ttl_s = at[4],
				      .n_tags = at[5],
				      .n_metadata = at[6],
				      .port = little_get_u16(at + 7),
				      .weight = little_get_u16(at + 9),
				      .priority = little_get_u16(at + 11),
				      .tags = r->tags,
				      .metadata = r->metadata };
	memcpy(p->address.octets, r->at, address);
	r->at += address;
	return read_texts(r, at[0], texts) && report_could_make(p);
}

static int read_instance(struct reader *r)
{
	if (r->n_left == 0 || !read_parts(r))
		return -EBADMSG;
	const struct instance *in = instance_create(&r->parts);
	if (in == NULL)
		return -ENOMEM;
	r->instances[r->n++] = in;
	r->n_left--;
	r->octets += service_room(in);
	if (r->octets > SNAPSHOT_OCTETS_MAX ||
	    (r->n > 1 && instance_compare(r->instances[r->n - 2], in) >= 0))
		return -EBADMSG;
	return 0;
}

/* Into r->name; the number of instances. */
static int read_service_head(struct reader *r, const char *previous, size_t *ret)
{
	char folded[SERVICE_NAME_SIZE];
	const size_t len = has(r, 1) ? r->at[0] : 0;

	if (len >= SERVICE_NAME_SIZE || !has(r, 1 + len + 2))
		return -EBADMSG;
	memcpy(r->name, r->at + 1, len);
	r->name[len] = '\0';
	*ret = little_get_u16(r->at + 1 + len);
	r->at += 1 + len + 2;
	if (strlen(r->name) != len || report_check_service(r->name, folded) != DROP_NONE ||
	    memcmp(r->name, folded, len) != 0 || (previous != NULL && strcmp(previous, r->name) >= 0) ||
	    *ret > SERVICE_INSTANCES_MAX)
		return -EBADMSG;
	return 0;
}

static int read_service(struct reader *r, const char *previous, const struct service **ret)
{
	struct service *s = NULL;
	size_t n;
	int error = read_service_head(r, previous, &n);

	r->n = 0;
	for (size_t i = 0; error == 0 && i < n; i++)
		error = read_instance(r);
	if (error == 0 && (s = service_create(r->name, r->instances, n)) == NULL)
		error = -ENOMEM;
	for (size_t i = 0; i < r->n; i++)
		instance_release(r->instances[i]);
	if (error == 0)
		*ret = s;
	return error;
}

static int read_services(struct reader *r, size_t n, struct snapshot *s)
{
	int error = 0;

	while (error == 0 && s->n_services < n) {
		const char *previous = s->n_services > 0 ? s->services[s->n_services - 1]->name : NULL;

		error = read_service(r, previous, &s->services[s->n_services]);
		s->n_services += error == 0;
	}
	if (error == 0 && (r->n_left > 0 || r->at != r->end))
		error = -EBADMSG;
	return error;
}

static bool is_whole(const uint8_t *octets, size_t len)
{
	return len >= SNAPSHOT_IMAGE_MIN &&
	       XXH3_64bits(octets, len - CHECKSUM_OCTETS) == little_get_u64(octets + len - CHECKSUM_OCTETS);
}

int snapshot_image_read(const void *octets, size_t len, struct snapshot **ret)
{
	if (!is_whole(octets, len))
		return -EBADMSG;
	const size_t n = little_get_u32(octets), n_instances = little_get_u32((const uint8_t *)octets + 4);
	/* As many as there can be, before there is memory for them. */
	if (n > SNAPSHOT_SERVICES_MAX || n_instances > SNAPSHOT_INSTANCES_MAX || n > len / SERVICE_OCTETS_MIN)
		return -EBADMSG;

	struct snapshot *s = calloc(1, sizeof(*s) + n * sizeof(s->services[0]));
	struct reader *r = malloc(sizeof(*r));
	int error = -ENOMEM;
	if (s != NULL && r != NULL) {
		s->users = 1;
		s->n_instances = n_instances;
		r->at = (const uint8_t *)octets + HEAD_OCTETS;
		r->end = (const uint8_t *)octets + len - CHECKSUM_OCTETS;
		r->n_left = n_instances;
		r->octets = 0;
		error = read_services(r, n, s);
	}
	free(r);
	if (error == 0)
		*ret = s;
	else
		snapshot_release(s);
	return error;
}
