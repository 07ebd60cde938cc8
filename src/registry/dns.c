/* SPDX-License-Identifier: BSD-2-Clause */
/* A DNS server as a registry: each configured name is asked for again and again.
 *
 *   SRV --> targets --additional section, or A and AAAA of each--> instances
 *   A, AAAA ------------------------------------------------------> instances
 *
 * A target may be known to this server only, so it is this server who is asked for its addresses. A family
 * of addresses whose question fails stays as it was, and a round that finds any is a good one: a zone that is
 * broken somewhere must not freeze all that lies elsewhere. TTLs are no part of an instance: a cache counts
 * them down, and each poll would be a change. They say when to ask again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/dns_answer.h"
#include "registry/dns_items.h"
#include "registry/registry.h"
#include "wire/dns.h"

enum {
	/* Two questions each, one after the other, come to less than a second in a data centre. A server
	 * whose answers carry no addresses for more is not made for that. */
	TARGETS_MAX = 256,

	/* Questions of one round without any answer. A server may be slow with one name and fast with all
	 * others; one that does not answer at all must not keep the round busy for minutes. */
	SILENT_MAX = 4,

	REASON_SIZE = 256,
};

/* From the first question to the last. */
struct round {
	uint16_t type;        /* of the question under way */
	struct dns_srv *srvs; /* whose targets are still to be asked for, those of one target together */
	size_t n, at;
	unsigned n_failed, n_silent;
	size_t n_found;    /* addresses */
	bool is_accounted; /* the target asked for: it has an address, or may have */
	uint32_t ttl_s, nothing_s;
	char question[NAME_TEXT_MAX];
	char reason[REASON_SIZE]; /* of the last failure */
};

/* One name of the configuration. */
struct watched {
	struct resource resource; /* first: a resource is its watched name */
	struct dns_subject subject;
	struct round round;
};

struct registry {
	const struct registry_options *options;
	struct registry_host *host;
	struct ledger *ledger;
	size_t n;
	struct watched names[];
};

static void destroy(struct registry *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n; i++) {
		free(r->names[i].subject.service);
		free(r->names[i].round.srvs);
	}
	free(r);
}

static int add_name(struct registry *r, const char *text)
{
	struct watched *w = &r->names[r->n++];

	w->resource.name = text;
	w->subject.ledger = r->ledger;
	w->subject.part = &w->resource.part;
	return dns_subject_read(&w->subject, text);
}

static int create(const struct registry_options *o, struct registry_host *host, struct ledger *ledger,
		  struct registry **ret)
{
	size_t n = 0;
	int status = 0;

	while (o->dns.names != NULL && o->dns.names[n] != NULL)
		n++;
	struct registry *r = calloc(1, sizeof(*r) + n * sizeof(r->names[0]));
	if (r == NULL)
		return -ENOMEM;
	r->options = o;
	r->host = host;
	r->ledger = ledger;
	while (status == 0 && r->n < n)
		status = add_name(r, o->dns.names[r->n]);
	if (status < 0) {
		destroy(r);
		return status;
	}
	*ret = r;
	return 0;
}

static int start(struct registry *r)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < r->n; i++)
		status = r->host->start(r->host, &r->names[i].resource);
	return status;
}

/* --- questions --- */

/* As an SRV record that leads to the name itself. */
static int begin_without_srv(struct round *round, const struct name *name, long port)
{
	round->type = RRTYPE_A;
	round->srvs = calloc(1, sizeof(*round->srvs));
	if (round->srvs == NULL)
		return -ENOMEM;
	round->srvs[0] = (struct dns_srv){ .target = *name, .weight = 1, .port = (uint16_t)port };
	round->n = 1;
	return 0;
}

static int begin_round(struct registry *r, struct watched *w)
{
	const struct dns_options *o = &r->options->dns;
	int status = 0;

	free(w->round.srvs);
	w->round = (struct round){ .type = RRTYPE_SRV, .ttl_s = DNS_TTL_NONE_S, .nothing_s = DNS_TTL_NONE_S };
	if (o->ask == DNS_ASK_ADDRESS)
		status = begin_without_srv(&w->round, &w->subject.name, o->port);
	if (status == 0)
		ledger_begin(r->ledger, &w->resource.part);
	return status;
}

/* Whether a round is under way is for the ledger to say: who runs us may have given up the one before. */
static int ask(struct registry *r, struct resource *res, struct fetch_request *ret,
	       struct snapshot_builder *b)
{
	struct watched *w = (struct watched *)res;
	struct round *round = &w->round;

	if (w->subject.name.len == 0)
		return snapshot_builder_fail(b, -EINVAL, "no domain name");
	if (!res->part.in_round && begin_round(r, w) < 0)
		return snapshot_builder_fail(b, -ENOMEM, "out of memory");
	const struct name *name =
		round->type == RRTYPE_SRV ? &w->subject.name : &round->srvs[round->at].target;
	*ret = (struct fetch_request){ .source = FETCH_DNS,
				       .server = r->options->dns.server,
				       .name = name_to_text(name->octets, round->question),
				       .type = round->type,
				       .timeout_ms = r->options->http.timeout_ms };
	return 0;
}

/* --- answers --- */

static void lower(uint32_t *ttl_s, uint32_t other_s)
{
	if (other_s < *ttl_s)
		*ttl_s = other_s;
}

/* How many SRV records lead to the target of the first of them. */
static size_t count_same(const struct dns_srv *srvs, size_t n)
{
	size_t same = 1;

	while (same < n && name_equal(&srvs[same].target, &srvs[0].target))
		same++;
	return same;
}

/* Takes that family of a target's addresses, to which n SRV records lead. */
static int take_family(struct watched *w, const struct dns_srv *srvs, size_t n_srvs,
		       const struct dns_address *addresses, size_t n, uint16_t type,
		       struct snapshot_builder *b)
{
	struct round *round = &w->round;

	for (size_t i = 0; i < n; i++) {
		if (addresses[i].type != type)
			continue;
		round->n_found++;
		round->is_accounted = true;
		lower(&round->ttl_s, addresses[i].ttl_s);
	}
	return dns_items_stage(&w->subject, srvs, n_srvs, addresses, n, type, b);
}

/* An additional section is filled with whole RRsets as far as there is room (RFC 2181 section 9), and yet of
 * a target that has one the other family is not asked for: with most servers every target would cost a
 * question in every round, only to hear that there is no AAAA. */
static int take_known(struct watched *w, const struct dns_answer *answer, struct snapshot_builder *b)
{
	int status = 0;
	size_t same, first;

	for (size_t i = 0; status == 0 && i < answer->n_srvs; i += same) {
		const struct dns_srv *srvs = &answer->srvs[i];
		const size_t n = dns_answer_find(answer, &srvs->target, &first);

		same = count_same(srvs, answer->n_srvs - i);
		if (n == 0)
			continue;
		status = take_family(w, srvs, same, answer->addresses + first, n, RRTYPE_A, b);
		if (status == 0)
			status = take_family(w, srvs, same, answer->addresses + first, n, RRTYPE_AAAA, b);
	}
	return status;
}

/* Whether the target can be asked for; if not, it is dropped and counted. Which of too many are dropped is
 * decided by their names, so that it does not change with the order of the records. */
static bool may_ask(const struct name *target, size_t n_before, struct snapshot_builder *b)
{
	char text[NAME_TEXT_MAX];
	struct name name;

	name_to_text(target->octets, text);
	const bool is_host = name_from_text(text, strlen(text), &name);
	if (is_host && n_before < TARGETS_MAX)
		return true;
	snapshot_builder_drop(b, is_host ? DROP_LIMIT : DROP_ADDRESS, text);
	return false;
}

/* Takes over the SRV records whose targets came without addresses. */
static void keep_unknown(struct round *round, struct dns_answer *answer, struct snapshot_builder *b)
{
	struct dns_srv *srvs = answer->srvs;
	size_t n_targets = 0, same, first;

	for (size_t i = 0; i < answer->n_srvs; i += same) {
		same = count_same(&srvs[i], answer->n_srvs - i);
		if (dns_answer_find(answer, &srvs[i].target, &first) > 0 ||
		    !may_ask(&srvs[i].target, n_targets, b))
			continue;
		n_targets++;
		memmove(&srvs[round->n], &srvs[i], same * sizeof(*srvs));
		round->n += same;
	}
	round->srvs = srvs;
	answer->srvs = NULL;
}

static int read_srvs(struct watched *w, const struct fetch_result *result, struct snapshot_builder *b)
{
	struct dns_answer answer;
	int status = dns_answer_read(result, &w->subject.name, &w->subject.name, RRTYPE_SRV, &answer, b);

	if (status < 0)
		return status;
	w->round.type = RRTYPE_A;
	w->round.ttl_s = answer.ttl_s;
	w->round.nothing_s = answer.nothing_s;
	status = take_known(w, &answer, b);
	w->round.is_accounted = false;
	if (status == 0) {
		keep_unknown(&w->round, &answer, b);
		status = dns_items_stage_service(&w->subject, b);
	}
	dns_answer_finish(&answer);
	return status;
}

static int note_failure(struct watched *w, const struct fetch_result *result, struct snapshot_builder *b)
{
	struct round *round = &w->round;

	round->is_accounted = true;
	round->n_failed++;
	round->n_silent += result->error < 0;
	if (round->n_silent > SILENT_MAX)
		return -ETIMEDOUT;
	snprintf(round->reason, sizeof(round->reason), "%s", snapshot_builder_error(b));
	return dns_items_keep(&w->subject, &round->srvs[round->at].target, round->type, round->reason, b);
}

/* A name that does not exist has no other family either (RFC 8020 section 2). A target without addresses is
 * one that somebody forgot, or misspelt. */
static int move_on(struct registry *r, struct watched *w, bool no_name, struct snapshot_builder *b)
{
	struct round *round = &w->round;
	const struct dns_srv *srvs = &round->srvs[round->at];
	int status = 0;

	if (round->type == RRTYPE_A && !no_name) {
		round->type = RRTYPE_AAAA;
		return 0;
	}
	if (!round->is_accounted && r->options->dns.ask == DNS_ASK_SRV)
		status = dns_items_drop(&w->subject, &srvs->target, b);
	round->type = RRTYPE_A;
	round->is_accounted = false;
	round->at += count_same(srvs, round->n - round->at);
	return status;
}

static int read_addresses(struct registry *r, struct watched *w, const struct fetch_result *result,
			  struct snapshot_builder *b)
{
	struct round *round = &w->round;
	const struct dns_srv *srvs = &round->srvs[round->at];
	struct dns_answer answer;
	int status = dns_answer_read(result, &w->subject.name, &srvs->target, round->type, &answer, b);
	bool no_name = false;

	if (status == -ENOMEM)
		return status;
	if (status < 0) {
		status = note_failure(w, result, b);
	} else {
		no_name = answer.no_name;
		lower(&round->ttl_s, answer.ttl_s);
		lower(&round->nothing_s, answer.nothing_s);
		status = take_family(w, srvs, count_same(srvs, round->n - round->at), answer.addresses,
				     answer.n_addresses, round->type, b);
		dns_answer_finish(&answer);
	}
	return status < 0 ? status : move_on(r, w, no_name, b);
}

/* --- the end of a round --- */

/* A TTL of 0 is Consul's way of saying that nobody should cache; taken for a time to ask again it would be a
 * loop. So it says nothing. */
static uint64_t fresh_ms(const struct round *round)
{
	const uint32_t ttl_s = round->n_found > 0 ? round->ttl_s : round->nothing_s;

	return ttl_s == DNS_TTL_NONE_S ? 0 : (uint64_t)ttl_s * 1000;
}

/* Where nothing was found, but not for certain, what was known stays. */
static int complete(struct registry *r, struct watched *w, struct snapshot_builder *b)
{
	const struct round *round = &w->round;
	int status = 0;

	if (round->n_found == 0 && round->n_failed > 0)
		return snapshot_builder_fail(b, -EPROTO, "%s", round->reason);
	if (r->options->dns.ask == DNS_ASK_ADDRESS)
		status = dns_items_stage_service(&w->subject, b);
	if (status < 0)
		return status;
	ledger_commit(r->ledger, &w->resource.part);
	w->resource.fresh_ms = fresh_ms(round);
	return STEP_PAUSE;
}

/* What was not committed is void. */
static void end_round(struct registry *r, struct watched *w)
{
	ledger_abort(r->ledger, &w->resource.part);
	free(w->round.srvs);
	w->round.srvs = NULL;
}

static int read_result(struct registry *r, struct resource *res, const struct fetch_result *result,
		       struct snapshot_builder *b)
{
	struct watched *w = (struct watched *)res;
	int status = w->round.type == RRTYPE_SRV ? read_srvs(w, result, b) : read_addresses(r, w, result, b);

	if (status == 0)
		status = w->round.at < w->round.n ? STEP_ASK : complete(r, w, b);
	if (status == -ENOMEM)
		snapshot_builder_fail(b, status, "out of memory");
	if (status != STEP_ASK)
		end_round(r, w);
	return status;
}

const struct registry_kind registry_dns = {
	.name = "dns",
	.brake = true,
	.create = create,
	.destroy = destroy,
	.start = start,
	.ask = ask,
	.read = read_result,
};
