/* SPDX-License-Identifier: BSD-2-Clause */
/* wire/name.h -- domain names in wire form: length octets, labels, root octet.
 *
 * Names are compared and kept folded to lower case, ASCII letters only (RFC 4343 section 3). A label may hold
 * any octet (RFC 2181 section 11), so names never pass through C strings on their way to a comparison. All
 * memory is the caller's; any thread may call.
 */
#ifndef PHONEBOOK_WIRE_NAME_H
#define PHONEBOOK_WIRE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

enum {
	NAME_OCTETS_MAX = 255, /* RFC 1035 section 2.3.4, root octet included */
	NAME_LABELS_MAX = 127, /* what fits: 127 labels of one octet */
	LABEL_OCTETS_MAX = 63,
	NAME_TEXT_MAX = 1024, /* every octet as \DDD, and the dots */
};

struct name {
	uint8_t len; /* with the root octet; never 0 in a valid name */
	uint8_t octets[NAME_OCTETS_MAX];
};

/* Reads "inventory.service.local", with or without the final dot, as a folded name of host name characters:
 * letters, digits, '-' and '_', labels of 1 to 63 octets. Anything else is refused, "." and "" too. */
bool name_from_text(const char *text, size_t len, struct name *ret);

/* Writes the presentation form without the final dot ("." for the root), unusual octets as \DDD (RFC 1035
 * section 5.1). Returns ret. */
const char *name_to_text(const uint8_t *octets, char ret[NAME_TEXT_MAX]);

/* Reads the uncompressed name at octets, at most len octets long, into its folded form. Returns its length,
 * or 0 when it runs over the end, is longer than 255 octets, or has a pointer or an unknown label type. */
size_t name_read(const uint8_t *octets, size_t len, struct name *ret);

/* Labels without the root. */
unsigned name_count_labels(const struct name *n);

/* Both folded: equal octet by octet. */
bool name_equal(const struct name *a, const struct name *b);

/* True when n is zone or ends in it at a label boundary; both folded. */
bool name_is_below(const struct name *n, const struct name *zone);

/* Puts one label before n; false, and n unchanged, if the label is empty, over 63 octets, or the name gets
 * too long. */
bool name_prepend(struct name *n, const char *label, size_t len);

/* Makes the name of one label before base; false if the label is empty, over 63 octets, or the name gets too
 * long. */
bool name_join(const char *label, size_t len, const struct name *base, struct name *ret);

/* Puts all labels of front before n, root of front left out; false, and n unchanged, if it gets too long. */
bool name_prepend_name(struct name *n, const struct name *front);

/* The label that spells an address: "10-1-0-7", "fd00-1--7" (design: names below addr). A leading or trailing
 * '-' of the IPv6 form gets a 0 beside it, so that the label is a host name. Returns its length. */
size_t label_from_address(const struct address *a, char ret[LABEL_OCTETS_MAX]);

/* The address a label spells; false when it spells none, or not in the one form label_from_address() writes.
 */
bool label_to_address(const uint8_t *label, size_t len, struct address *ret);

/* The reverse name of an address (RFC 1035 section 3.5, RFC 3596 section 2.5). */
void name_from_address(const struct address *a, struct name *ret);

/* The address a folded name below in-addr.arpa or ip6.arpa stands for; false for all other names, partial
 * reverse names included. */
bool name_to_address(const struct name *n, struct address *ret);

#endif
