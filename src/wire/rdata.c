/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/rdata.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

/* By hand: there is one for every instance, and through the library it costs 350 ns and five allocations. */
size_t rdata_from_srv(uint16_t priority, uint16_t weight, uint16_t port, const struct name *target,
		      uint8_t *ret)
{
	put_u16(ret, priority);
	put_u16(ret + 2, weight);
	put_u16(ret + 4, port);
	memcpy(ret + 6, target->octets, target->len);
	return 6U + target->len;
}

/* Copies the RDATA of rr, without the length the library keeps apart. */
static size_t copy_rdata(const ldns_rr *rr, uint8_t ret[RDATA_OCTETS_MAX])
{
	ldns_buffer *buffer = ldns_buffer_new(2 + RDATA_OCTETS_MAX);
	size_t len = 0;

	if (buffer != NULL && ldns_rr_rdata2buffer_wire(buffer, rr) == LDNS_STATUS_OK)
		len = ldns_buffer_position(buffer);
	if (len > RDATA_OCTETS_MAX)
		len = 0;
	if (len > 0)
		memcpy(ret, ldns_buffer_begin(buffer), len);
	ldns_buffer_free(buffer);
	return len;
}

size_t rdata_from_text(enum rrtype type, const char *text, uint8_t ret[RDATA_OCTETS_MAX])
{
	char line[2 * NAME_TEXT_MAX + 128];
	char *type_name = ldns_rr_type2str((ldns_rr_type)type);
	ldns_rr *rr = NULL;
	size_t len = 0;

	if (type_name != NULL &&
	    (size_t)snprintf(line, sizeof(line), ". 0 IN %s %s", type_name, text) < sizeof(line) &&
	    ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) == LDNS_STATUS_OK) {
		len = copy_rdata(rr, ret);
		ldns_rr_free(rr);
	}
	LDNS_FREE(type_name);
	return len;
}
