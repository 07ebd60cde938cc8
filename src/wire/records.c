/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/records.h"

#include <string.h>

#include "base/text.h"

enum {
	RR_FIXED_OCTETS = 10, /* type, class, TTL, RDLENGTH */
	POINTER = 0xc0,       /* the two highest bits of a length octet (RFC 1035 section 4.1.4) */
};

/* Appends the label at octets, its length octet first; false when the name gets too long. */
static bool add_label(struct name *n, const uint8_t *octets)
{
	if (n->len + 1U + octets[0] > NAME_OCTETS_MAX)
		return false;
	n->octets[n->len++] = octets[0];
	for (unsigned i = 1; i <= octets[0]; i++)
		n->octets[n->len++] = octet_fold(octets[i]);
	return true;
}

/* Reads the name at that offset. Returns where it ends in its own place, 0 when it is none. */
static size_t read_name(const uint8_t *octets, size_t len, size_t at, struct name *ret)
{
	size_t run = at, end = 0; /* each run of labels lies before the one that points to it */

	ret->len = 0;
	while (at < len) {
		const uint8_t first = octets[at];

		if (first >= POINTER) {
			if (len - at < 2)
				return 0;
			if (end == 0)
				end = at + 2;
			at = get_u16(octets + at) & 0x3fff;
			if (at >= run || at < DNS_HEADER_OCTETS)
				return 0;
			run = at;
			continue;
		}
		if (first > LABEL_OCTETS_MAX || first >= len - at || !add_label(ret, octets + at))
			return 0;
		at += 1U + first;
		if (first == 0)
			return end != 0 ? end : at;
	}
	return 0;
}

bool records_begin(struct records *r, const uint8_t *octets, size_t len)
{
	if (len < DNS_HEADER_OCTETS || get_u16(octets + 4) != 1)
		return false;
	*r = (struct records){ .octets = octets, .len = len, .flags = get_u16(octets + 2) };
	if ((r->flags & (HEADER_QR | HEADER_OPCODE)) != HEADER_QR)
		return false;

	const size_t at = read_name(octets, len, DNS_HEADER_OCTETS, &r->qname);
	if (at == 0 || len - at < 4)
		return false;
	r->qtype = get_u16(octets + at);
	r->qclass = get_u16(octets + at + 2);
	r->at = at + 4;
	r->left = get_u16(octets + 6);
	return true;
}

static bool read_record(struct records *r, struct record *ret)
{
	const size_t at = read_name(r->octets, r->len, r->at, &ret->owner);

	if (at == 0 || r->len - at < RR_FIXED_OCTETS)
		return false;
	const uint8_t *fixed = r->octets + at;
	ret->section = r->section;
	ret->type = get_u16(fixed);
	ret->class = get_u16(fixed + 2);
	ret->ttl = get_u32(fixed + 4);
	ret->rdlength = get_u16(fixed + 8);
	ret->rdata = fixed + RR_FIXED_OCTETS;
	if (r->len - at - RR_FIXED_OCTETS < ret->rdlength)
		return false;
	r->at = at + RR_FIXED_OCTETS + ret->rdlength;
	return true;
}

bool records_next(struct records *r, struct record *ret)
{
	while (r->left == 0 && r->section < SECTION_ADDITIONAL) {
		r->section++;
		r->left = get_u16(r->octets + 6 + 2 * (size_t)r->section);
	}
	if (r->left == 0 || r->bad)
		return false;
	r->left--;
	r->bad = !read_record(r, ret);
	return !r->bad;
}

bool records_name(const struct records *r, const struct record *record, size_t offset, struct name *ret)
{
	const size_t at = (size_t)(record->rdata - r->octets), end = at + record->rdlength;

	return offset < record->rdlength && read_name(r->octets, end, at + offset, ret) == end;
}
