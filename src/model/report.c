/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/report.h"

#include <string.h>

#include "base/text.h"

const char *drop_to_text(enum drop reason)
{
	static const char *const words[DROP_REASONS] = { "service-name", "reserved", "address",
							 "port",         "shape",    "limit" };

	return words[reason];
}

struct report report_blank(void)
{
	return (struct report){
		.weight = 1, .ttl_s = TTL_CAP_NONE, .health = HEALTH_PASSING, .protocol = PROTOCOL_ANY
	};
}

static bool is_host_octet(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Writes the folded label without a NUL; false when it is none of host name characters. */
static bool fold_label(const char *text, size_t len, char *ret)
{
	if (len == 0 || len > LABEL_OCTETS_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		const uint8_t c = octet_fold((uint8_t)text[i]);

		if (!is_host_octet(c))
			return false;
		ret[i] = (char)c;
	}
	return true;
}

/* The folded label in room, or NULL. */
static const char *fold_optional(const char *text, char room[LABEL_OCTETS_MAX + 1])
{
	if (text == NULL)
		return NULL;

	const size_t len = strnlen(text, LABEL_OCTETS_MAX + 1);
	if (!fold_label(text, len, room))
		return NULL;
	room[len] = '\0';
	return room;
}

/* The names below the zone that are ours: a service of that name would be hidden, or hide them. */
static bool is_reserved(const char *label)
{
	static const char *const reserved[] = { "addr", "ns", "_status", "_tcp", "_udp" };

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcmp(label, reserved[i]) == 0)
			return true;
	}
	return false;
}

enum drop report_check_service(const char *text, char ret[SERVICE_NAME_SIZE])
{
	size_t at = 0;

	if (text == NULL || strnlen(text, SERVICE_NAME_SIZE) == SERVICE_NAME_SIZE)
		return DROP_SERVICE_NAME;
	for (;;) {
		const size_t len = strcspn(text + at, ".");

		if (!fold_label(text + at, len, ret + at))
			return DROP_SERVICE_NAME;
		ret[at + len] = text[at + len];
		if (text[at + len] == '\0')
			return is_reserved(ret + at) ? DROP_RESERVED : DROP_NONE;
		at += len + 1;
	}
}

/* "010.000.001.012", "167772173" and "0x7f000001" are addresses to some programs and names to others (WHATWG
 * URL, "ends in a number"); whoever wrote one meant an address. No top-level domain looks like that. */
static bool ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *last = dot != NULL ? dot + 1 : host;

	if (strncmp(last, "0x", 2) == 0)
		return last[2 + strspn(last + 2, "0123456789abcdef")] == '\0';
	return last[strspn(last, "0123456789")] == '\0';
}

/* Fills in address, or host with room for its text. */
static bool read_address(const char *text, struct instance_parts *ret, char room[NAME_OCTETS_MAX])
{
	const size_t len = text != NULL ? strlen(text) : 0;
	struct name name;

	if (len == 0)
		return false;
	if (address_from_text(text, len, &ret->address))
		return address_is_usable(&ret->address);
	if (!name_from_text(text, len, &name))
		return false;

	const size_t end = text[len - 1] == '.' ? len - 1 : len;
	for (size_t i = 0; i < end; i++)
		room[i] = (char)octet_fold((uint8_t)text[i]);
	room[end] = '\0';
	ret->host = room;
	return !ends_in_number(room);
}

/* Keeping the first in their order makes the choice independent of who came first. */
size_t report_add_tag(const char *tags[INSTANCE_TAGS_MAX], size_t n, const char *tag)
{
	size_t at = n;

	while (at > 0 && strcmp(tags[at - 1], tag) > 0)
		at--;
	if (at == INSTANCE_TAGS_MAX || (at > 0 && strcmp(tags[at - 1], tag) == 0))
		return n;
	if (n == INSTANCE_TAGS_MAX)
		n--;
	memmove(&tags[at + 1], &tags[at], (n - at) * sizeof(tags[0]));
	tags[at] = tag;
	return n + 1;
}

/* As report_add_tag(), by key; the first of equal keys stays. */
static size_t add_metadata(struct metadata metadata[INSTANCE_METADATA_MAX], size_t n,
			   const struct metadata *m)
{
	size_t at = n;

	while (at > 0 && strcmp(metadata[at - 1].key, m->key) > 0)
		at--;
	if (at == INSTANCE_METADATA_MAX || (at > 0 && strcmp(metadata[at - 1].key, m->key) == 0))
		return n;
	if (n == INSTANCE_METADATA_MAX)
		n--;
	memmove(&metadata[at + 1], &metadata[at], (n - at) * sizeof(metadata[0]));
	metadata[at] = *m;
	return n + 1;
}

static uint16_t bound(int64_t value)
{
	return (uint16_t)(value < 0 ? 0 : value > UINT16_MAX ? UINT16_MAX : value);
}

static bool fits(const char *text, const char *what, struct report_room *room)
{
	if (strnlen(text, INSTANCE_TEXT_MAX + 1) <= INSTANCE_TEXT_MAX)
		return true;
	room->left_out = what;
	return false;
}

/* How many of the n sorted ones fit together. */
static size_t bound_metadata(struct report_room *room, size_t n)
{
	size_t octets = 0;

	for (size_t i = 0; i < n; i++) {
		octets += strlen(room->metadata[i].key) + strlen(room->metadata[i].value);
		if (octets > INSTANCE_METADATA_OCTETS_MAX) {
			room->left_out = "metadata beyond the limit";
			return i;
		}
	}
	return n;
}

static void check_lists(const struct report *r, struct report_room *room, struct instance_parts *ret)
{
	size_t n_tags = 0, n_metadata = 0;

	for (size_t i = 0; i < r->n_tags; i++) {
		if (r->tags[i][0] != '\0' && fits(r->tags[i], "a tag that is too long", room))
			n_tags = report_add_tag(room->tags, n_tags, r->tags[i]);
	}
	for (size_t i = 0; i < r->n_metadata; i++) {
		const struct metadata *m = &r->metadata[i];

		if (fits(m->key, "metadata that is too long", room) &&
		    fits(m->value, "metadata that is too long", room))
			n_metadata = add_metadata(room->metadata, n_metadata, m);
	}
	n_metadata = bound_metadata(room, n_metadata);
	ret->tags = room->tags;
	ret->n_tags = (uint16_t)n_tags;
	ret->metadata = room->metadata;
	ret->n_metadata = (uint16_t)n_metadata;
}

enum drop report_check(const struct report *r, struct report_room *room, struct instance_parts *ret)
{
	struct instance_parts in = { 0 };

	if (!read_address(r->address, &in, room->host))
		return DROP_ADDRESS;
	if (r->port < 0 || r->port > UINT16_MAX)
		return DROP_PORT;

	room->left_out = NULL;
	check_lists(r, room, &in);
	in.name = fold_optional(r->name, room->name);
	in.port_name = fold_optional(r->port_name, room->port_name);
	if (r->zone != NULL && r->zone[0] != '\0' && fits(r->zone, "a zone that is too long", room))
		in.zone = r->zone;
	in.port = (uint16_t)r->port;
	in.weight = r->weight < 0 ? 1 : bound(r->weight);
	in.priority = bound(r->priority);
	in.ttl_s = (uint8_t)(r->ttl_s <= TTL_CAP_MAX_S ? r->ttl_s : TTL_CAP_NONE);
	in.health = r->health;
	in.protocol = r->protocol;
	*ret = in;
	return DROP_NONE;
}

/* --- what was checked before --- */

static bool is_folded_label(const char *text)
{
	char room[LABEL_OCTETS_MAX + 1];

	return text == NULL || (fold_optional(text, room) != NULL && strcmp(text, room) == 0);
}

static bool is_text(const char *text)
{
	return strnlen(text, INSTANCE_TEXT_MAX + 1) <= INSTANCE_TEXT_MAX;
}

/* An IPv4 address in IPv6 form is one of IPv4 to us. */
static bool is_address(const struct address *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, zeroes[12];

	if (a->len == 4)
		return memcmp(a->octets + 4, zeroes, 12) == 0 && address_is_usable(a);
	return a->len == 16 && memcmp(a->octets, mapped, sizeof(mapped)) != 0 && address_is_usable(a);
}

static bool is_host(const char *host)
{
	char room[NAME_OCTETS_MAX];
	struct instance_parts in = { 0 };

	return strnlen(host, NAME_OCTETS_MAX) < NAME_OCTETS_MAX && read_address(host, &in, room) &&
	       in.host != NULL && strcmp(host, room) == 0;
}

static bool are_lists(const struct instance_parts *p)
{
	size_t octets = 0;
	bool good = p->n_tags <= INSTANCE_TAGS_MAX && p->n_metadata <= INSTANCE_METADATA_MAX;

	for (size_t i = 0; good && i < p->n_tags; i++)
		good = p->tags[i][0] != '\0' && is_text(p->tags[i]) &&
		       (i == 0 || strcmp(p->tags[i - 1], p->tags[i]) < 0);
	for (size_t i = 0; good && i < p->n_metadata; i++) {
		const struct metadata *m = &p->metadata[i];

		good = is_text(m->key) && is_text(m->value) && (i == 0 || strcmp(m[-1].key, m->key) < 0);
		octets += good ? strlen(m->key) + strlen(m->value) : 0;
	}
	return good && octets <= INSTANCE_METADATA_OCTETS_MAX;
}

bool report_could_make(const struct instance_parts *p)
{
	return (p->host != NULL ? p->address.len == 0 && is_host(p->host) : is_address(&p->address)) &&
	       is_folded_label(p->name) && is_folded_label(p->port_name) &&
	       (p->zone == NULL || (p->zone[0] != '\0' && is_text(p->zone))) && are_lists(p) &&
	       p->health <= HEALTH_CRITICAL && p->protocol <= PROTOCOL_UDP &&
	       (p->ttl_s <= TTL_CAP_MAX_S || p->ttl_s == TTL_CAP_NONE);
}
