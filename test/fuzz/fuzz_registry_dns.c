/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers to a dns registry. The first octet chooses what it asks for. Then come answers: an octet that says
 * what became of the question, two with the length, and the message, of which the question is put in: the
 * fuzzer need not guess the names that were asked for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "wire/dns.h"
#include "wire/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FAILED = 1, GIVEN_UP = 2, AS_IT_IS = 4, RCODE_SHIFT = 4 };

/* The header of the message, the question asked, and what is behind the header. */
static uint8_t *put_question(const struct fetch_request *request, const uint8_t *message, size_t len,
			     size_t *ret_len)
{
	struct name name;

	if (!name_from_text(request->name, strlen(request->name), &name))
		abort(); /* what cannot be asked for */
	uint8_t *octets = malloc(len + name.len + 4U);
	memcpy(octets, message, DNS_HEADER_OCTETS);
	put_u16(octets + 4, 1);
	memcpy(octets + DNS_HEADER_OCTETS, name.octets, name.len);
	put_u16(octets + DNS_HEADER_OCTETS + name.len, request->type);
	put_u16(octets + DNS_HEADER_OCTETS + name.len + 2, RRCLASS_IN);
	memcpy(octets + DNS_HEADER_OCTETS + name.len + 4, message + DNS_HEADER_OCTETS,
	       len - DNS_HEADER_OCTETS);
	*ret_len = len + name.len + 4U;
	return octets;
}

static void answer(struct fuzz_host *f, struct resource *res, uint8_t head, const uint8_t *message,
		   size_t len)
{
	struct fetch_request request;
	struct fetch_result result = { .name = "server", .last = true, .status = head >> RCODE_SHIFT };
	uint8_t *octets = NULL;

	if (fuzz_host_ask(f, res, &request) < 0)
		abort();
	if ((head & FAILED) != 0) {
		result.error = -ETIMEDOUT;
		result.error_text = "no answer";
	} else if (len >= DNS_HEADER_OCTETS && (head & AS_IT_IS) == 0) {
		octets = put_question(&request, message, len, &len);
	} else {
		octets = malloc(len + 1);
		memcpy(octets, message, len);
	}
	result.body = octets != NULL ? (const char *)octets : "";
	result.len = octets != NULL ? len : 0;
	fuzz_host_read(f, res, &result);
	if ((head & GIVEN_UP) != 0)
		ledger_abort(f->ledger, &res->part);
	free(octets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "web=_web._tcp.corp", NULL };
	struct registry_options o = { .dns = { .names = names, .port = 80 } };
	struct fuzz_host f;

	o.dns.ask = size > 0 && (data[0] & 1) != 0 ? DNS_ASK_ADDRESS : DNS_ASK_SRV;
	fuzz_host_start(&f, &registry_dns, &o);
	for (size_t at = 1; at + 3 <= size;) {
		const size_t said = (size_t)(data[at + 1] << 8 | data[at + 2]);
		const size_t len = said < size - at - 3 ? said : size - at - 3;

		answer(&f, f.resources[0], data[at], data + at + 3, len);
		at += 3 + len;
	}
	fuzz_host_finish(&f);
	return 0;
}
