/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/rdata.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* What the library reads back from our octets, as text. */
static char *judge(ldns_rr_type type, const uint8_t *rdata, size_t len)
{
	uint8_t wire[11 + RDATA_OCTETS_MAX] = { 0 };
	ldns_rr *rr = NULL;
	size_t at = 0;

	put_u16(wire + 1, (uint16_t)type);
	put_u16(wire + 3, RRCLASS_IN);
	put_u16(wire + 9, (uint16_t)len);
	memcpy(wire + 11, rdata, len);
	ck_assert_int_eq(ldns_wire2rr(&rr, wire, 11 + len, &at, LDNS_SECTION_ANSWER), LDNS_STATUS_OK);
	ck_assert_uint_eq(at, 11 + len);
	char *text = ldns_rr2str(rr);
	ldns_rr_free(rr);
	return text;
}

START_TEST(srv_reads_back)
{
	struct name target;
	uint8_t rdata[RDATA_OCTETS_MAX];

	ck_assert(name_from_text("10-1-0-7.addr.service.local", 27, &target));
	size_t len = rdata_from_srv(1, 65535, 8080, &target, rdata);
	ck_assert_uint_eq(len, 6U + 29U);
	char *text = judge(LDNS_RR_TYPE_SRV, rdata, len);
	ck_assert_ptr_nonnull(strstr(text, "SRV\t1 65535 8080 10-1-0-7.addr.service.local."));
	free(text);
}
END_TEST

START_TEST(text_becomes_octets)
{
	uint8_t rdata[RDATA_OCTETS_MAX];
	size_t len = rdata_from_text(RRTYPE_SOA, "ns.z. hostmaster.z. 7 3600 600 86400 1", rdata);
	char *text = judge(LDNS_RR_TYPE_SOA, rdata, len);

	ck_assert_ptr_nonnull(strstr(text, "SOA\tns.z. hostmaster.z. 7 3600 600 86400 1"));
	free(text);
	len = rdata_from_text(RRTYPE_HINFO, "\"RFC8482\" \"\"", rdata);
	ck_assert_uint_eq(len, 9);
	ck_assert_mem_eq(rdata, "\7RFC8482\0", 9);
}
END_TEST

START_TEST(text_that_is_no_rdata_is_refused)
{
	uint8_t rdata[RDATA_OCTETS_MAX];

	ck_assert_uint_eq(rdata_from_text(RRTYPE_SOA, "ns.z. hostmaster.z. 7", rdata), 0);
	ck_assert_uint_eq(rdata_from_text(RRTYPE_A, "10.0.0.256", rdata), 0);
	ck_assert_uint_eq(rdata_from_text(RRTYPE_NS, "a..b.", rdata), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rdata");
	TCase *octets = tcase_create("octets");

	tcase_add_test(octets, srv_reads_back);
	tcase_add_test(octets, text_becomes_octets);
	tcase_add_test(octets, text_that_is_no_rdata_is_refused);
	suite_add_tcase(suite, octets);
	return harness_run(suite);
}
