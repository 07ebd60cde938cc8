/* SPDX-License-Identifier: BSD-2-Clause */
#include "forward/forward.h"

#include <errno.h>
#include <event2/event.h>
#include <ldns/ldns.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fake_upstream.h"
#include "harness.h"

enum {
	POOL = 1024,
	LIMIT_MS = 8000,
	PATIENT_MS = 60000, /* longer than any test: what happens then happened at once */
	NAME_LEN = 13,
	QUESTION_LEN = NAME_LEN + 4,
	QUERY_LEN = DNS_HEADER_OCTETS + QUESTION_LEN,
	RR_LEN = 16, /* an A record behind a pointer */
};

static const uint8_t name[NAME_LEN] = "\3wWw\7ExAmPlE";

static struct event_base *loop;
static struct fake_upstream *fakes[2];
static struct forwarder *forwarder;
static struct fake_seen seen;

/* What deliver() was given. */
static struct {
	size_t n;
	struct return_address to;
	size_t len;
	uint8_t message[DNS_MESSAGE_OCTETS_MAX];
	uint16_t times[65536]; /* by ID */
	unsigned chain;        /* queries to send from inside deliver() */
} got;

struct client {
	uint16_t id, flags, qtype;
	bool edns, dnssec_ok, options;
	size_t limit;
	void *connection;
};

/* --- clients --- */

static size_t make_query(const struct client *c, uint8_t *ret)
{
	static const uint8_t cookie[] = { 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t *opt = ret + QUERY_LEN;

	memset(ret, 0, 64);
	put_u16(ret, c->id);
	put_u16(ret + 2, c->flags);
	put_u16(ret + 4, 1);
	memcpy(ret + DNS_HEADER_OCTETS, name, NAME_LEN);
	put_u16(ret + DNS_HEADER_OCTETS + NAME_LEN, c->qtype != 0 ? c->qtype : RRTYPE_A);
	put_u16(ret + DNS_HEADER_OCTETS + NAME_LEN + 2, RRCLASS_IN);
	if (!c->edns)
		return QUERY_LEN;
	put_u16(ret + 10, 1);
	put_u16(opt + 1, RRTYPE_OPT);
	put_u16(opt + 3, 4096);
	opt[7] = c->dnssec_ok ? 0x80 : 0;
	if (!c->options)
		return QUERY_LEN + DNS_OPT_OCTETS;
	put_u16(opt + 9, sizeof(cookie));
	memcpy(opt + DNS_OPT_OCTETS, cookie, sizeof(cookie));
	return QUERY_LEN + DNS_OPT_OCTETS + sizeof(cookie);
}

static void send_query(const struct client *c)
{
	struct return_address to = { .connection = c->connection, .socket = 77 };
	uint8_t octets[64];
	struct query q;
	const size_t len = make_query(c, octets);

	ck_assert(endpoint_from_text("127.0.0.9", 4242, &to.peer));
	ck_assert_int_eq(message_read_query(octets, len, &q), VERDICT_OK);
	forward_query(forwarder, &q, c->limit != 0 ? c->limit : DNS_MESSAGE_OCTETS_MAX, &to);
	memset(octets, 0xff, sizeof(octets)); /* nothing of it may be needed any more */
	memset(&q, 0xff, sizeof(q));
}

static void deliver(void *context, const struct return_address *to, const uint8_t *message, size_t len)
{
	ldns_pkt *packet;

	ck_assert_ptr_eq(context, &got);
	ck_assert_int_eq(ldns_wire2pkt(&packet, message, len), LDNS_STATUS_OK);
	ldns_pkt_free(packet);
	got.n++;
	got.to = *to;
	got.len = len;
	memcpy(got.message, message, len);
	got.times[get_u16(message)]++;
	if (got.chain > 0)
		send_query(&(struct client){ .id = (uint16_t)got.chain--, .edns = true });
}

/* --- both sides --- */

static void script(int which, const struct fake_script *s)
{
	fake_upstream_script(fakes[which], s);
}

static struct forward_options options_of(size_t n, uint64_t try_ms, uint64_t deadline_ms)
{
	struct forward_options o = {
		.n_upstreams = n, .try_ms = try_ms, .deadline_ms = deadline_ms, .jobs = POOL
	};

	for (size_t i = 0; i < n; i++)
		ck_assert(endpoint_from_text("127.0.0.1", fake_upstream_port(fakes[i]), &o.upstreams[i]));
	return o;
}

static void create_forwarder(const struct forward_options *o)
{
	ck_assert_int_eq(forwarder_create(loop, o, NULL, deliver, &got, &forwarder), 0);
}

static void start(size_t n_upstreams, uint64_t try_ms, uint64_t deadline_ms)
{
	const struct forward_options o = options_of(n_upstreams, try_ms, deadline_ms);

	create_forwarder(&o);
}

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	memset(&got, 0, sizeof(got));
	loop = event_base_new();
	ck_assert_ptr_nonnull(loop);
	for (int i = 0; i < 2; i++) {
		fakes[i] = fake_upstream_start("127.0.0.1", 0);
		ck_assert_ptr_nonnull(fakes[i]);
	}
}

static void teardown(void)
{
	forwarder_destroy(forwarder);
	for (int i = 0; i < 2; i++)
		fake_upstream_stop(fakes[i]);
	event_base_free(loop);
}

static bool got_enough(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return got.n >= *(const size_t *)n;
}

static void wait_got(size_t n)
{
	ck_assert_msg(harness_wait(got_enough, &n, LIMIT_MS), "%zu of %zu were delivered", got.n, n);
	ck_assert_uint_eq(got.n, n);
}

struct wanted {
	struct fake_upstream *fake;
	size_t n;
};

static bool asked_enough(void *wanted)
{
	const struct wanted *w = wanted;

	event_base_loop(loop, EVLOOP_NONBLOCK);
	return fake_upstream_count(w->fake) >= w->n;
}

static void wait_asked(int which, size_t n)
{
	struct wanted w = { fakes[which], n };

	ck_assert_msg(harness_wait(asked_enough, &w, LIMIT_MS), "upstream %d: not asked %zu times", which, n);
}

static bool events_are(void *n)
{
	event_base_loop(loop, EVLOOP_NONBLOCK);
	return event_base_get_num_events(loop, EVENT_BASE_COUNT_ADDED) == *(const int *)n;
}

static unsigned rcode(void)
{
	return get_u16(got.message + 2) & HEADER_RCODE;
}

/* The extended error of a message without records; EDE_NONE if there is none. */
static int ede(void)
{
	const uint8_t *opt = got.message + QUERY_LEN;

	if (got.len < QUERY_LEN + DNS_OPT_OCTETS + 6 || get_u16(opt + DNS_OPT_OCTETS) != 15)
		return EDE_NONE;
	ck_assert_uint_eq(get_u16(opt + 9), got.len - QUERY_LEN - DNS_OPT_OCTETS);
	return get_u16(opt + DNS_OPT_OCTETS + 4);
}

/* --- answers --- */

/* The message that a client must get, octet by octet. */
struct expected {
	size_t len;
	uint8_t octets[2048];
};

static void expect_rr(struct expected *e, uint16_t type, const void *rdata, uint16_t rdata_len)
{
	uint8_t *at = e->octets + e->len;

	put_u16(at, 0xc00c);
	put_u16(at + 2, type);
	put_u16(at + 4, RRCLASS_IN);
	put_u32(at + 6, 300);
	put_u16(at + 10, rdata_len);
	memcpy(at + 12, rdata, rdata_len);
	e->len += 12U + rdata_len;
}

static void expect_head(struct expected *e, const struct client *c, uint16_t flags, uint16_t n_answers,
			uint16_t n_additional)
{
	make_query(c, e->octets);
	e->len = QUERY_LEN;
	put_u16(e->octets + 2, flags);
	put_u16(e->octets + 6, n_answers);
	put_u16(e->octets + 10, (uint16_t)(n_additional + c->edns));
}

static void expect_opt(struct expected *e, const struct client *c)
{
	uint8_t *opt = e->octets + e->len;

	if (!c->edns)
		return;
	memset(opt, 0, DNS_OPT_OCTETS);
	put_u16(opt + 1, RRTYPE_OPT);
	put_u16(opt + 3, DNS_EDNS_SIZE);
	opt[7] = c->dnssec_ok ? 0x80 : 0;
	e->len += DNS_OPT_OCTETS;
}

static void check_expected(const struct expected *e)
{
	ck_assert_uint_eq(got.len, e->len);
	ck_assert_mem_eq(got.message, e->octets, e->len);
}

static const unsigned forms[] = {
	0,
	FAKE_FOLDS_QUESTION,
	FAKE_IGNORES_EDNS,
	FAKE_OPT_EDE,
	FAKE_TRAILS,
	FAKE_ADDITIONAL,
	FAKE_ADDITIONAL | FAKE_OPT_EDE | FAKE_TRAILS,
	FAKE_OPT_FIRST, /* the address behind the OPT is left out */
	FAKE_OPT_FIRST | FAKE_OPT_EDE,
	FAKE_ADDITIONAL | FAKE_IGNORES_EDNS,
};

static const struct client kinds[] = {
	{ .id = 0x1234, .flags = HEADER_RD },
	{ .id = 0x1234, .flags = HEADER_RD, .edns = true },
	{ .id = 0xffff, .flags = HEADER_RD | HEADER_CD, .edns = true, .dnssec_ok = true, .options = true },
	{ .id = 0, .flags = 0, .limit = 512 },
};

enum { N_FORMS = sizeof(forms) / sizeof(forms[0]), N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

START_TEST(answers_come_in_the_form_the_client_asked)
{
	static const uint8_t first[] = { 192, 0, 2, 0 }, last[] = { 192, 0, 2, 250 };
	const struct client *c = &kinds[_i / N_FORMS];
	const unsigned form = forms[_i % N_FORMS];
	const bool additional = (form & FAKE_ADDITIONAL) != 0;
	struct expected e;

	start(1, PATIENT_MS, PATIENT_MS);
	script(0, &(struct fake_script){ .quirks = form, .flags = HEADER_AA });
	send_query(c);
	ck_assert_uint_eq(forward_pending(forwarder), 1);
	wait_got(1);
	ck_assert_uint_eq(forward_pending(forwarder), 0);

	expect_head(&e, c, HEADER_QR | HEADER_RA | c->flags, 1, additional);
	expect_rr(&e, RRTYPE_A, first, sizeof(first));
	if (additional)
		expect_rr(&e, RRTYPE_A, last, sizeof(last));
	expect_opt(&e, c);
	check_expected(&e);
	ck_assert_int_eq(got.to.socket, 77);
	ck_assert_uint_eq(endpoint_port(&got.to.peer), 4242);
}
END_TEST

START_TEST(unknown_types_pass_octet_by_octet)
{
	static const uint16_t types[] = { 65280, 65, 48, 65534 };
	static const uint8_t rdata[2][6] = { { 0xc0, 0xff, 0x00, 0x3f, 0xde, 0 },
					     { 0xc0, 0xff, 0x00, 0x3f, 0xde, 1 } };
	const struct client c = {
		.id = 7, .flags = HEADER_RD, .qtype = types[_i], .edns = true, .dnssec_ok = true
	};
	struct expected e;

	start(1, PATIENT_MS, PATIENT_MS);
	script(0, &(struct fake_script){ .n_answers = 2 });
	send_query(&c);
	wait_got(1);
	expect_head(&e, &c, HEADER_QR | HEADER_RA | HEADER_RD, 2, 0);
	expect_rr(&e, types[_i], rdata[0], 6);
	expect_rr(&e, types[_i], rdata[1], 6);
	expect_opt(&e, &c);
	check_expected(&e);
}
END_TEST

static const struct client askers[] = {
	{ .flags = 0 },
	{ .flags = HEADER_RD | HEADER_CD, .qtype = 65280 },
	{ .flags = HEADER_RD | HEADER_AD, .edns = true },
	{ .flags = HEADER_RD, .edns = true, .dnssec_ok = true, .options = true },
};

START_TEST(upstreams_see_our_own_opt_and_the_clients_question)
{
	const struct client *c = &askers[_i];
	uint8_t expected[64];

	start(1, PATIENT_MS, PATIENT_MS);
	send_query(c);
	wait_got(1);
	fake_upstream_seen(fakes[0], &seen);

	make_query(&(struct client){ .id = get_u16(seen.last),
				     .flags = c->flags | HEADER_RD,
				     .qtype = c->qtype,
				     .edns = true,
				     .dnssec_ok = c->dnssec_ok },
		   expected);
	put_u16(expected + QUERY_LEN + 3, DNS_EDNS_SIZE);
	ck_assert_uint_eq(seen.last_len, QUERY_LEN + DNS_OPT_OCTETS);
	ck_assert_mem_eq(seen.last, expected, seen.last_len);
}
END_TEST

START_TEST(ids_and_source_ports_vary)
{
	static bool ids[65536], ports[65536];
	unsigned n_ids = 0, n_ports = 0;

	start(1, PATIENT_MS, PATIENT_MS);
	for (int i = 0; i < 300; i++)
		send_query(&(struct client){ .id = 0x4242 });
	wait_got(300);
	fake_upstream_seen(fakes[0], &seen);
	for (size_t i = 0; i < seen.n; i++) {
		n_ids += !ids[seen.ids[i]];
		n_ports += !ports[seen.ports[i]];
		ids[seen.ids[i]] = ports[seen.ports[i]] = true;
	}
	ck_assert_uint_eq(got.times[0x4242], 300);
	ck_assert_uint_ge(n_ids, 290); /* one pair in two runs is equal by chance */
	ck_assert_uint_eq(n_ports, 8);
}
END_TEST

static const struct {
	struct client client;
	bool ad;
} validated[] = {
	{ { .flags = HEADER_RD }, false },
	{ { .flags = HEADER_RD, .edns = true }, false },
	{ { .flags = HEADER_RD | HEADER_AD }, true },
	{ { .flags = HEADER_RD, .edns = true, .dnssec_ok = true }, true },
};

START_TEST(ad_is_for_those_who_asked_for_it)
{
	start(1, PATIENT_MS, PATIENT_MS);
	script(0, &(struct fake_script){ .flags = HEADER_AD | HEADER_AA | 0x40 });
	send_query(&validated[_i].client);
	wait_got(1);
	ck_assert_uint_eq(get_u16(got.message + 2),
			  HEADER_QR | HEADER_RD | HEADER_RA | (validated[_i].ad ? HEADER_AD : 0));
}
END_TEST

static const struct {
	struct client client;
	unsigned n_answers;
	bool cut;
} limits[] = {
	{ { .limit = 512 }, 30, false }, /* 509 octets */
	{ { .limit = 512 }, 31, true },
	{ { .limit = 512, .edns = true }, 29, false }, /* 504 with OPT */
	{ { .limit = 512, .edns = true }, 30, true },
	{ { .limit = 1232, .edns = true, .dnssec_ok = true }, 74, false },
	{ { .limit = 1232, .edns = true, .dnssec_ok = true }, 75, true },
	{ { .edns = true }, 250, false },
	{ { 0 }, 4000, false },
};

START_TEST(answers_are_cut_to_what_the_client_takes)
{
	const struct client *c = &limits[_i].client;
	struct expected e;

	start(1, PATIENT_MS, PATIENT_MS);
	script(0, &(struct fake_script){ .n_answers = limits[_i].n_answers,
					 .quirks = limits[_i].n_answers > 70 ? FAKE_CUTS_UDP : 0 });
	send_query(c);
	wait_got(1);
	if (limits[_i].cut) {
		expect_head(&e, c, HEADER_QR | HEADER_RA | HEADER_TC, 0, 0);
		expect_opt(&e, c);
		check_expected(&e);
		return;
	}
	ck_assert_uint_eq(get_u16(got.message + 2) & HEADER_TC, 0);
	ck_assert_uint_eq(get_u16(got.message + 6), limits[_i].n_answers);
	ck_assert_uint_eq(got.len,
			  QUERY_LEN + RR_LEN * limits[_i].n_answers + (c->edns ? DNS_OPT_OCTETS : 0));
}
END_TEST

/* --- which upstream --- */

static const struct fake_script answers[] = {
	{ .rcode = 0 },
	{ .rcode = RCODE_NXDOMAIN },
	{ .rcode = 6 }, /* YXDOMAIN */
	{ .quirks = FAKE_IGNORES_EDNS },
	{ .rcode = RCODE_NXDOMAIN, .quirks = FAKE_IGNORES_EDNS },
};

START_TEST(an_answer_ends_the_search)
{
	start(2, PATIENT_MS, PATIENT_MS);
	script(0, &answers[_i]);
	send_query(&(struct client){ .id = 1 });
	wait_got(1);
	ck_assert_uint_eq(rcode(), answers[_i].rcode);
	ck_assert_uint_eq(fake_upstream_count(fakes[0]), 1);
	ck_assert_uint_eq(fake_upstream_count(fakes[1]), 0);
}
END_TEST

static const struct fake_script failures[] = {
	{ .rcode = RCODE_SERVFAIL },      { .rcode = RCODE_SERVFAIL, .quirks = FAKE_IGNORES_EDNS },
	{ .rcode = RCODE_REFUSED },       { .rcode = RCODE_NOTIMP },
	{ .rcode = RCODE_FORMERR },       { .rcode = 9 },  /* NOTAUTH */
	{ .rcode = RCODE_BADVERS },       { .rcode = 23 }, /* BADCOOKIE */
	{ .rcode = 16 + RCODE_NXDOMAIN }, { .quirks = FAKE_DAMAGED },
	{ .quirks = FAKE_REFLECTS },      { .flags = 0x2800 }, /* opcode UPDATE */
};

START_TEST(a_failure_moves_on_at_once)
{
	start(2, PATIENT_MS, PATIENT_MS);
	script(0, &failures[_i]);
	send_query(&(struct client){ .id = 1 });
	wait_got(1);
	ck_assert_uint_eq(rcode(), RCODE_NOERROR);
	ck_assert_uint_eq(get_u16(got.message + 6), 1);
	ck_assert_uint_eq(fake_upstream_count(fakes[0]), 1);
	ck_assert_uint_eq(fake_upstream_count(fakes[1]), 1);

	send_query(&(struct client){ .id = 2 }); /* the one that answered is asked first now */
	wait_got(2);
	ck_assert_uint_eq(fake_upstream_count(fakes[0]), 1);
	ck_assert_uint_eq(fake_upstream_count(fakes[1]), 2);
}
END_TEST

START_TEST(a_dead_upstream_moves_on_at_once)
{
	struct forward_options o = options_of(2, PATIENT_MS, PATIENT_MS);

	ck_assert(endpoint_from_text("127.0.0.1", harness_free_port(), &o.upstreams[0]));
	create_forwarder(&o);
	send_query(&(struct client){ .id = 1 });
	wait_got(1);
	ck_assert_uint_eq(rcode(), RCODE_NOERROR);
}
END_TEST

START_TEST(an_upstream_that_dies_is_replaced_by_the_second)
{
	start(2, 100, PATIENT_MS);
	send_query(&(struct client){ .id = 1 });
	wait_got(1);
	ck_assert_uint_eq(fake_upstream_count(fakes[1]), 0);

	fake_upstream_stop(fakes[0]);
	fakes[0] = NULL;
	for (uint16_t id = 2; id < 42; id++)
		send_query(&(struct client){ .id = id });
	wait_got(41);
	ck_assert_uint_eq(rcode(), RCODE_NOERROR);
	ck_assert_uint_ge(fake_upstream_count(fakes[1]), 40);
}
END_TEST

START_TEST(silence_brings_in_the_next_upstream)
{
	start(2, 100, PATIENT_MS);
	script(0, &(struct fake_script){ .quirks = FAKE_SILENT });
	const uint64_t begin = clock_ms();
	send_query(&(struct client){ .id = 1 });
	wait_got(1);
	ck_assert_uint_eq(rcode(), RCODE_NOERROR);
	ck_assert_uint_ge(clock_ms() - begin, 90);
	ck_assert_uint_eq(fake_upstream_count(fakes[1]), 1);
}
END_TEST

START_TEST(a_late_answer_of_the_first_upstream_still_wins)
{
	start(2, 100, PATIENT_MS);
	script(0, &(struct fake_script){ .quirks = FAKE_HOLDS });
	script(1, &(struct fake_script){ .quirks = FAKE_SILENT });
	send_query(&(struct client){ .id = 1 });
	wait_asked(1, 1);
	ck_assert_uint_eq(got.n, 0);
	fake_upstream_release(fakes[0]);
	wait_got(1);
	ck_assert_uint_eq(rcode(), RCODE_NOERROR);
}
END_TEST

START_TEST(a_slow_answer_survives_the_failure_of_the_second_upstream)
{
	start(2, 300, PATIENT_MS);
	script(0, &(struct fake_script){ .delay_ms = 450 });
	script(1, &(struct fake_script){ .rcode = RCODE_REFUSED });
	send_query(&(struct client){ .id = 1 });
	wait_got(1);
	ck_assert_uint_eq(rcode(), RCODE_NOERROR);
	ck_assert_uint_eq(fake_upstream_count(fakes[1]), 1);
}
END_TEST

/* The slot of the first query is the second one's when the first upstream answers at last. */
START_TEST(answers_to_finished_jobs_reach_nobody)
{
	start(2, 150, PATIENT_MS);
	script(0, &(struct fake_script){ .quirks = FAKE_HOLDS });
	send_query(&(struct client){ .id = 1 });
	wait_got(1);
	script(1, &(struct fake_script){ .quirks = FAKE_HOLDS });
	send_query(&(struct client){ .id = 2 });
	wait_asked(1, 2);

	const size_t asked = fake_upstream_count(fakes[0]);
	fake_upstream_release(fakes[0]);
	script(0, &(struct fake_script){ 0 });
	wait_asked(0, asked + 1); /* the second query's turn comes there: the late answer is long in */
	wait_got(2);
	ck_assert_uint_eq(got.times[1], 1);
	ck_assert_uint_eq(got.times[2], 1);
	fake_upstream_release(fakes[1]);
	send_query(&(struct client){ .id = 3 });
	wait_got(3);
	ck_assert_uint_eq(got.times[3], 1);
}
END_TEST

START_TEST(an_upstream_without_edns_is_asked_without)
{
	start(1, PATIENT_MS, PATIENT_MS);
	script(0, &(struct fake_script){ .quirks = FAKE_NO_EDNS });
	for (uint16_t id = 1; id <= 200; id++) {
		send_query(&(struct client){ .id = id, .edns = true });
		wait_got(id);
		ck_assert_uint_eq(rcode(), RCODE_NOERROR);
		ck_assert_uint_eq(got.len, QUERY_LEN + RR_LEN + DNS_OPT_OCTETS);
	}
	const size_t asked = fake_upstream_count(fakes[0]);
	ck_assert_uint_lt(asked, 250); /* learnt soon */
	send_query(&(struct client){ .id = 300 });
	wait_got(201);
	fake_upstream_seen(fakes[0], &seen);
	ck_assert_uint_eq(seen.n_udp, asked + 1);
	ck_assert_uint_eq(seen.last_len, QUERY_LEN);
}
END_TEST

START_TEST(formerr_to_the_plain_question_too_is_a_failure)
{
	start(1, PATIENT_MS, PATIENT_MS);
	script(0, &(struct fake_script){ .rcode = _i == 0 ? RCODE_FORMERR : RCODE_NOTIMP,
					 .quirks = FAKE_IGNORES_EDNS });
	for (uint16_t id = 1; id <= 30; id++)
		send_query(&(struct client){ .id = id, .edns = true });
	wait_got(30);
	ck_assert_uint_eq(rcode(), RCODE_SERVFAIL);
	ck_assert_int_eq(ede(), EDE_NO_REACHABLE_AUTHORITY);
}
END_TEST

/* --- nobody answers --- */

static const struct {
	struct fake_script scripts[2];
	int ede;
} hopeless[] = {
	{ { { .quirks = FAKE_SILENT }, { .quirks = FAKE_SILENT } }, EDE_NO_REACHABLE_AUTHORITY },
	{ { { .rcode = RCODE_REFUSED }, { .rcode = RCODE_REFUSED } }, EDE_NO_REACHABLE_AUTHORITY },
	{ { { .rcode = RCODE_REFUSED }, { .quirks = FAKE_SILENT } }, EDE_NO_REACHABLE_AUTHORITY },
	{ { { .rcode = RCODE_SERVFAIL }, { .rcode = RCODE_REFUSED } }, EDE_OTHER },
	{ { { .quirks = FAKE_DAMAGED }, { .rcode = RCODE_SERVFAIL } }, EDE_OTHER },
	{ { { .quirks = FAKE_DAMAGED }, { .quirks = FAKE_SILENT } }, EDE_INVALID_DATA },
	{ { { .quirks = FAKE_DAMAGED }, { .quirks = FAKE_REFLECTS } }, EDE_INVALID_DATA },
};

START_TEST(when_all_fail_servfail_says_why)
{
	start(2, 60, 300);
	script(0, &hopeless[_i].scripts[0]);
	script(1, &hopeless[_i].scripts[1]);
	send_query(&(struct client){ .id = 0x1234, .flags = HEADER_RD | HEADER_CD, .edns = true });
	wait_got(1);
	ck_assert_uint_eq(get_u16(got.message), 0x1234);
	ck_assert_uint_eq(get_u16(got.message + 2),
			  HEADER_QR | HEADER_RD | HEADER_RA | HEADER_CD | RCODE_SERVFAIL);
	ck_assert_mem_eq(got.message + DNS_HEADER_OCTETS, name, NAME_LEN);
	ck_assert_int_eq(ede(), hopeless[_i].ede);
}
END_TEST

START_TEST(closed_ports_are_a_network_error)
{
	struct forward_options o = options_of(2, PATIENT_MS, PATIENT_MS);

	ck_assert(endpoint_from_text("127.0.0.1", harness_free_port(), &o.upstreams[0]));
	ck_assert(endpoint_from_text("127.0.0.1", harness_free_port(), &o.upstreams[1]));
	create_forwarder(&o);
	send_query(&(struct client){ .id = 1, .edns = true });
	wait_got(1);
	ck_assert_uint_eq(rcode(), RCODE_SERVFAIL);
	ck_assert_int_eq(ede(), EDE_NETWORK_ERROR);
}
END_TEST

START_TEST(the_deadline_is_kept)
{
	start(2, 100, 350);
	script(0, &(struct fake_script){ .quirks = FAKE_SILENT });
	script(1, &(struct fake_script){ .quirks = FAKE_SILENT });
	const uint64_t begin = clock_ms();
	send_query(&(struct client){ .id = 1 });
	wait_got(1);
	const uint64_t took = clock_ms() - begin;
	ck_assert_uint_ge(took, 340);
	ck_assert_uint_le(took, 1500); /* a busy machine; without the deadline it would be for ever */
	ck_assert_uint_eq(rcode(), RCODE_SERVFAIL);
	ck_assert_uint_eq(got.len, QUERY_LEN); /* no OPT for a client without */
}
END_TEST

START_TEST(without_upstreams_names_are_refused)
{
	static const char text[] = "no upstream is configured for names outside the zones";

	start(0, PATIENT_MS, PATIENT_MS);
	send_query(&(struct client){ .id = 1, .edns = true });
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(rcode(), RCODE_REFUSED);
	ck_assert_int_eq(ede(), EDE_NOT_AUTHORITATIVE);
	ck_assert_uint_eq(got.len, QUERY_LEN + DNS_OPT_OCTETS + 6 + strlen(text));
	ck_assert_mem_eq(got.message + got.len - strlen(text), text, strlen(text));
	ck_assert_uint_eq(forward_pending(forwarder), 0);
}
END_TEST

/* --- many, and the end --- */

START_TEST(a_full_pool_answers_servfail_at_once)
{
	start(2, PATIENT_MS, PATIENT_MS);
	script(0, &(struct fake_script){ .quirks = FAKE_HOLDS });
	for (uint16_t id = 0; id < POOL; id++)
		send_query(&(struct client){ .id = id });
	ck_assert_uint_eq(got.n, 0);
	ck_assert_uint_eq(forward_pending(forwarder), POOL);
	send_query(&(struct client){ .id = POOL, .edns = true });
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(rcode(), RCODE_SERVFAIL);
	ck_assert_int_eq(ede(), EDE_OTHER);
	ck_assert_uint_gt(got.len, QUERY_LEN + DNS_OPT_OCTETS + 6); /* with a text */

	wait_asked(0, POOL);
	fake_upstream_release(fakes[0]);
	wait_got(POOL + 1);
	for (unsigned id = 0; id <= POOL; id++)
		ck_assert_uint_eq(got.times[id], 1);
	ck_assert_uint_eq(forward_pending(forwarder), 0);
	script(0, &(struct fake_script){ 0 });
	send_query(&(struct client){ .id = 5000 });
	wait_got(POOL + 2);
	ck_assert_uint_eq(rcode(), RCODE_NOERROR);
}
END_TEST

START_TEST(destroying_drops_jobs_in_silence)
{
	start(2, 20, PATIENT_MS);
	script(0, &(struct fake_script){ .quirks = FAKE_HOLDS });
	script(1, &(struct fake_script){ .quirks = FAKE_HOLDS });
	for (uint16_t id = 0; id < 1000; id++)
		send_query(&(struct client){ .id = id });
	wait_asked(1, 500); /* in flight at both */
	forwarder_destroy(forwarder);
	forwarder = NULL;
	ck_assert_uint_eq(got.n, 0);
	ck_assert_int_eq(event_base_get_num_events(loop, EVENT_BASE_COUNT_ADDED), 0);
	forwarder_destroy(NULL);
}
END_TEST

START_TEST(answers_for_gone_connections_fall_on_the_floor)
{
	int gone, alive;

	start(1, PATIENT_MS, PATIENT_MS);
	script(0, &(struct fake_script){ .quirks = FAKE_HOLDS });
	for (uint16_t id = 0; id < 30; id++) {
		void *const of[] = { &gone, &alive, NULL };

		send_query(&(struct client){ .id = id, .connection = of[id % 3] });
	}
	wait_asked(0, 30);
	forward_forget(forwarder, &gone);
	ck_assert_uint_eq(forward_pending(forwarder), 20);
	fake_upstream_release(fakes[0]);
	wait_got(20);
	for (unsigned id = 0; id < 30; id++)
		ck_assert_uint_eq(got.times[id], id % 3 != 0);
	ck_assert_uint_eq(forward_pending(forwarder), 0);
	forward_forget(forwarder, &alive);
}
END_TEST

START_TEST(deliver_may_send_new_queries)
{
	start(1, PATIENT_MS, PATIENT_MS);
	got.chain = 50;
	send_query(&(struct client){ .id = 100 });
	wait_got(51);
	for (unsigned id = 1; id <= 50; id++)
		ck_assert_uint_eq(got.times[id], 1);
}
END_TEST

/* Three generations: the first has a query in flight, the second none, the third is in use. */
START_TEST(a_reload_leaves_queries_in_flight_to_the_old_upstreams)
{
	int second_gone = 5, both_gone = 1;
	struct forward_options o = options_of(2, PATIENT_MS, PATIENT_MS);

	start(1, PATIENT_MS, PATIENT_MS);
	script(0, &(struct fake_script){ .quirks = FAKE_HOLDS });
	send_query(&(struct client){ .id = 1 });
	wait_asked(0, 1);

	o.upstreams[0] = o.upstreams[1];
	o.n_upstreams = 1;
	for (uint16_t id = 2; id <= 3; id++) {
		ck_assert_int_eq(forwarder_reload(forwarder, &o), 0);
		send_query(&(struct client){ .id = id });
		wait_got(id - 1U);
		ck_assert_uint_eq(got.times[id], 1);
		ck_assert_uint_eq(fake_upstream_count(fakes[1]), id - 1U);
	}
	/* what is left are two sockets, and the timers of the job, of its upstream and of the old ones */
	ck_assert(harness_wait(events_are, &second_gone, LIMIT_MS));

	fake_upstream_release(fakes[0]);
	wait_got(3);
	ck_assert_uint_eq(got.times[1], 1);
	ck_assert_uint_eq(rcode(), RCODE_NOERROR);
	ck_assert(harness_wait(events_are, &both_gone, LIMIT_MS));
}
END_TEST

START_TEST(old_upstreams_go_though_they_never_answer)
{
	int nothing = 0;
	const struct forward_options none = options_of(0, 50, 200);

	start(2, 50, 200);
	script(0, &(struct fake_script){ .quirks = FAKE_SILENT });
	script(1, &(struct fake_script){ .quirks = FAKE_SILENT });
	send_query(&(struct client){ .id = 1 });
	ck_assert_int_eq(forwarder_reload(forwarder, &none), 0);
	send_query(&(struct client){ .id = 2 });
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(rcode(), RCODE_REFUSED);
	wait_got(2);
	ck_assert_uint_eq(rcode(), RCODE_SERVFAIL);
	ck_assert(harness_wait(events_are, &nothing, LIMIT_MS));
}
END_TEST

START_TEST(a_failed_reload_keeps_the_upstreams)
{
	struct forward_options o = options_of(2, PATIENT_MS, PATIENT_MS);

	start(1, PATIENT_MS, PATIENT_MS);
	ck_assert(endpoint_from_text("fe80::1%2147483647", 53, &o.upstreams[1]));
	ck_assert_int_eq(forwarder_reload(forwarder, &o), -ENODEV);
	send_query(&(struct client){ .id = 1 });
	wait_got(1);
	ck_assert_uint_eq(rcode(), RCODE_NOERROR);
}
END_TEST

START_TEST(destroying_takes_the_old_upstreams_along)
{
	const struct forward_options o = options_of(2, PATIENT_MS, PATIENT_MS);

	start(2, PATIENT_MS, PATIENT_MS);
	script(0, &(struct fake_script){ .quirks = FAKE_SILENT });
	for (uint16_t id = 0; id < 3; id++) {
		send_query(&(struct client){ .id = id });
		ck_assert_int_eq(forwarder_reload(forwarder, &o), 0);
	}
	forwarder_destroy(forwarder);
	forwarder = NULL;
	ck_assert_uint_eq(got.n, 0);
	ck_assert_int_eq(event_base_get_num_events(loop, EVENT_BASE_COUNT_ADDED), 0);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static TCase *add_case(Suite *suite, const char *title)
{
	TCase *tc = tcase_create(title);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	suite_add_tcase(suite, tc);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("forward");
	TCase *messages = add_case(suite, "messages");
	TCase *order = add_case(suite, "order");
	TCase *failing = add_case(suite, "failing");
	TCase *life = add_case(suite, "life");

	tcase_add_loop_test(messages, answers_come_in_the_form_the_client_asked, 0, N_FORMS * N_KINDS);
	tcase_add_loop_test(messages, unknown_types_pass_octet_by_octet, 0, 4);
	tcase_add_loop_test(messages, upstreams_see_our_own_opt_and_the_clients_question, 0, COUNT(askers));
	tcase_add_test(messages, ids_and_source_ports_vary);
	tcase_add_loop_test(messages, ad_is_for_those_who_asked_for_it, 0, COUNT(validated));
	tcase_add_loop_test(messages, answers_are_cut_to_what_the_client_takes, 0, COUNT(limits));

	tcase_add_loop_test(order, an_answer_ends_the_search, 0, COUNT(answers));
	tcase_add_loop_test(order, a_failure_moves_on_at_once, 0, COUNT(failures));
	tcase_add_test(order, a_dead_upstream_moves_on_at_once);
	tcase_add_test(order, an_upstream_that_dies_is_replaced_by_the_second);
	tcase_add_test(order, silence_brings_in_the_next_upstream);
	tcase_add_test(order, a_late_answer_of_the_first_upstream_still_wins);
	tcase_add_test(order, a_slow_answer_survives_the_failure_of_the_second_upstream);
	tcase_add_test(order, answers_to_finished_jobs_reach_nobody);
	tcase_add_test(order, an_upstream_without_edns_is_asked_without);

	tcase_add_loop_test(failing, formerr_to_the_plain_question_too_is_a_failure, 0, 2);
	tcase_add_loop_test(failing, when_all_fail_servfail_says_why, 0, COUNT(hopeless));
	tcase_add_test(failing, closed_ports_are_a_network_error);
	tcase_add_test(failing, the_deadline_is_kept);
	tcase_add_test(failing, without_upstreams_names_are_refused);

	tcase_add_test(life, a_full_pool_answers_servfail_at_once);
	tcase_add_test(life, destroying_drops_jobs_in_silence);
	tcase_add_test(life, answers_for_gone_connections_fall_on_the_floor);
	tcase_add_test(life, deliver_may_send_new_queries);
	tcase_add_test(life, a_reload_leaves_queries_in_flight_to_the_old_upstreams);
	tcase_add_test(life, old_upstreams_go_though_they_never_answer);
	tcase_add_test(life, a_failed_reload_keeps_the_upstreams);
	tcase_add_test(life, destroying_takes_the_old_upstreams_along);
	return harness_run(suite);
}
