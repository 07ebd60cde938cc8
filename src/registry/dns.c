/* SPDX-License-Identifier: BSD-2-Clause */
/* A DNS server as a registry: each configured name is asked for again and again.
 *
 *   SRV --> targets --additional section, or A and AAAA of each--> instances
 *   A, AAAA ------------------------------------------------------> instances
 *
 * A target may be known to this server only, so it is this server who is asked for its addresses. What it
 * said of one target and one family is an item: where that question fails, the item stays as it was, and a
 * round that learns anything is a good one. TTLs are no part of an instance: a cache counts them down, and
 * each poll would be a change. They say when to ask again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "registry/dns_answer.h"
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
	KEY_SIZE = NAME_TEXT_MAX + 16,
};

/* Of a subject, from its first question to its last; srvs are those whose targets are still to be asked for,
 * those of one target together. Without SRV there is one, and its target is the name itself. */
struct round {
	uint16_t type; /* of the question under way */
	struct dns_srv *srvs;
	size_t n, at;
	unsigned n_failed, n_silent;
	size_t n_found;    /* addresses */
	bool is_accounted; /* the target asked for: it has an address, or may have */
	uint32_t ttl_s, nothing_s;
	char question[NAME_TEXT_MAX];
	char reason[REASON_SIZE]; /* of the last failure */
};

/* One name of the configuration. */
struct subject {
	struct resource resource; /* first: a resource is its subject */
	struct name name;         /* len 0: it is none */
	char *service;
	enum protocol protocol;
	char port_name[LABEL_OCTETS_MAX + 1];
	struct round round;
};

struct registry {
	const struct registry_options *options;
	struct registry_host *host;
	struct ledger *ledger;
	size_t n;
	struct subject subjects[];
};

/* --- names of the configuration --- */

/* "_http._tcp.inventory.example" is how DNS says which port of which protocol. */
static void read_labels(struct subject *s)
{
	const uint8_t *first = s->name.octets, *second = first + 1 + first[0];

	if (first[0] < 2 || first[1] != '_' || second[0] != 4)
		return;
	if (memcmp(second + 1, "_tcp", 4) == 0)
		s->protocol = PROTOCOL_TCP;
	else if (memcmp(second + 1, "_udp", 4) == 0)
		s->protocol = PROTOCOL_UDP;
	else
		return;
	memcpy(s->port_name, first + 2, first[0] - 1U);
}

/* What stands before the "=", or the first label that is no part of a port. */
static char *service_of(const char *text, const char *equal_sign)
{
	if (equal_sign != NULL)
		return strndup(text, (size_t)(equal_sign - text));
	while (*text == '_' && strchr(text, '.') != NULL)
		text = strchr(text, '.') + 1;
	return strndup(text, strcspn(text, "."));
}

static int read_subject(struct subject *s, const char *text)
{
	const char *equal_sign = strchr(text, '=');
	const char *name = equal_sign != NULL ? equal_sign + 1 : text;

	s->resource.name = text;
	s->service = service_of(text, equal_sign);
	if (name_from_text(name, strlen(name), &s->name))
		read_labels(s);
	return s->service != NULL ? 0 : -ENOMEM;
}

static void destroy(struct registry *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n; i++) {
		free(r->subjects[i].service);
		free(r->subjects[i].round.srvs);
	}
	free(r);
}

static int create(const struct registry_options *o, struct registry_host *host, struct ledger *ledger,
		  struct registry **ret)
{
	size_t n = 0;

	while (o->dns.names != NULL && o->dns.names[n] != NULL)
		n++;
	struct registry *r = calloc(1, sizeof(*r) + n * sizeof(r->subjects[0]));
	if (r == NULL)
		return -ENOMEM;
	r->options = o;
	r->host = host;
	r->ledger = ledger;
	for (r->n = 0; r->n < n; r->n++) {
		if (read_subject(&r->subjects[r->n], o->dns.names[r->n]) < 0) {
			destroy(r);
			return -ENOMEM;
		}
	}
	*ret = r;
	return 0;
}

static int start(struct registry *r)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < r->n; i++)
		status = r->host->start(r->host, &r->subjects[i].resource);
	return status;
}

/* --- rounds --- */

/* As an SRV record that leads to the name itself. */
static int begin_without_srv(struct round *round, const struct subject *s, long port)
{
	round->type = RRTYPE_A;
	round->srvs = calloc(1, sizeof(*round->srvs));
	if (round->srvs == NULL)
		return -ENOMEM;
	round->srvs[0] = (struct dns_srv){ .target = s->name, .weight = 1, .port = (uint16_t)port };
	round->n = 1;
	return 0;
}

static int begin_round(struct registry *r, struct subject *s)
{
	const struct dns_options *o = &r->options->dns;

	free(s->round.srvs);
	s->round = (struct round){ .type = RRTYPE_SRV, .ttl_s = DNS_TTL_NONE_S, .nothing_s = DNS_TTL_NONE_S };
	const int status = o->ask == DNS_ASK_SRV ? 0 : begin_without_srv(&s->round, s, o->port);
	if (status == 0)
		ledger_begin(r->ledger, &s->resource.part);
	return status;
}

/* The round lives in the ledger: who runs us may have given up the one before. */
static int ask(struct registry *r, struct resource *res, struct fetch_request *ret,
	       struct snapshot_builder *b)
{
	struct subject *s = (struct subject *)res;
	struct round *round = &s->round;

	if (s->name.len == 0)
		return snapshot_builder_fail(b, -EINVAL, "%.200s: no domain name", s->resource.name);
	if (!res->part.in_round && begin_round(r, s) < 0)
		return snapshot_builder_fail(b, -ENOMEM, "out of memory");
	const struct name *name = round->type == RRTYPE_SRV ? &s->name : &round->srvs[round->at].target;
	*ret = (struct fetch_request){ .source = FETCH_DNS,
				       .server = r->options->dns.server,
				       .name = name_to_text(name->octets, round->question),
				       .type = round->type,
				       .timeout_ms = r->options->http.timeout_ms };
	return 0;
}

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

/* The service is known, whatever is found of it. */
static int stage_service(struct registry *r, struct subject *s, struct snapshot_builder *b)
{
	const int status = snapshot_builder_add_service(b, s->service);

	return status < 0 ? status : ledger_stage(r->ledger, &s->resource.part, "", b);
}

/* --- instances --- */

/* The first label of a target is the instance's own name, unless it spells the address ("10-1-0-7", or
 * "0a010007.addr" as Consul does), or two targets share it. */
static const char *own_name(const struct dns_srv *srv, char ret[LABEL_OCTETS_MAX + 1])
{
	const uint8_t *label = srv->target.octets, *next = label + 1 + label[0];
	struct address spelt;

	if (!srv->is_apart || label_to_address(label + 1, label[0], &spelt) ||
	    (next[0] == 4 && memcmp(next + 1, "addr", 4) == 0))
		return NULL;
	memcpy(ret, label + 1, label[0]);
	ret[label[0]] = '\0';
	return ret;
}

static int add_instance(const struct subject *s, const struct dns_srv *srv, const char *address,
			const char *target, struct snapshot_builder *b)
{
	const struct metadata metadata = { .key = "target", .value = target };
	char label[LABEL_OCTETS_MAX + 1];
	struct report report = report_blank();

	report.service = s->service;
	report.address = address;
	report.port = srv->port;
	report.priority = srv->priority;
	report.weight = srv->weight;
	report.protocol = s->protocol;
	report.port_name = s->port_name[0] != '\0' ? s->port_name : NULL;
	report.name = own_name(srv, label);
	report.metadata = &metadata;
	report.n_metadata = !name_equal(&srv->target, &s->name);
	return snapshot_builder_add(b, &report);
}

static void write_key(char ret[KEY_SIZE], const char *what, const char *target, uint16_t type)
{
	snprintf(ret, KEY_SIZE, "%s%s %s", what, target, type == RRTYPE_A ? "A" : "AAAA");
}

/* Takes what addresses say of one family of one target, to which n SRV records lead. A service has no more
 * instances than so many, however often two lists multiply. */
static int stage_family(struct registry *r, struct subject *s, const struct dns_srv *srvs, size_t n,
			const struct dns_answer *answer, size_t first, uint16_t type,
			struct snapshot_builder *b)
{
	char text[ADDRESS_TEXT_MAX], target[NAME_TEXT_MAX], key[KEY_SIZE];
	size_t left = SERVICE_INSTANCES_MAX;
	bool found = false;
	int status = 0;

	name_to_text(srvs[0].target.octets, target);
	for (size_t at = first; at < answer->n_addresses; at++) {
		const struct dns_address *a = &answer->addresses[at];

		if (!name_equal(&a->owner, &answer->addresses[first].owner))
			break;
		if (a->type != type)
			continue;
		found = s->round.is_accounted = true;
		s->round.n_found++;
		lower(&s->round.ttl_s, a->ttl_s);
		address_to_text(&a->address, text);
		for (size_t i = 0; status == 0 && i < n && left > 0; i++, left--)
			status = add_instance(s, &srvs[i], text, target, b);
	}
	if (status < 0 || !found)
		return status;
	write_key(key, "", target, type);
	return ledger_stage(r->ledger, &s->resource.part, key, b);
}

/* --- the answer to SRV --- */

static bool has_addresses(const struct dns_answer *answer, const struct name *target)
{
	return dns_answer_find(answer, target) < answer->n_addresses;
}

/* An additional section is filled with whole RRsets as far as there is room (RFC 2181 section 9), and of a
 * target that has one, the other family is not asked for: with most servers every target would cost a
 * question in every round, only to hear that there is no AAAA. */
static int stage_known(struct registry *r, struct subject *s, const struct dns_answer *answer,
		       struct snapshot_builder *b)
{
	int status = 0;
	size_t same;

	for (size_t i = 0; status == 0 && i < answer->n_srvs; i += same) {
		const struct dns_srv *srvs = &answer->srvs[i];
		const size_t first = dns_answer_find(answer, &srvs->target);

		same = count_same(srvs, answer->n_srvs - i);
		if (first == answer->n_addresses)
			continue;
		status = stage_family(r, s, srvs, same, answer, first, RRTYPE_A, b);
		if (status == 0)
			status = stage_family(r, s, srvs, same, answer, first, RRTYPE_AAAA, b);
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
	if (!name_from_text(text, strlen(text), &name)) {
		snapshot_builder_drop(b, DROP_ADDRESS, text);
		return false;
	}
	if (n_before < TARGETS_MAX)
		return true;
	snapshot_builder_drop(b, DROP_LIMIT, text);
	return false;
}

/* Takes over the SRV records whose targets came without addresses. */
static void keep_unknown(struct round *round, struct dns_answer *answer, struct snapshot_builder *b)
{
	struct dns_srv *srvs = answer->srvs;
	size_t n_targets = 0, same;

	for (size_t i = 0; i < answer->n_srvs; i += same) {
		same = count_same(&srvs[i], answer->n_srvs - i);
		if (has_addresses(answer, &srvs[i].target) || !may_ask(&srvs[i].target, n_targets, b))
			continue;
		n_targets++;
		memmove(&srvs[round->n], &srvs[i], same * sizeof(*srvs));
		round->n += same;
	}
	round->srvs = srvs;
	answer->srvs = NULL;
}

static int read_srvs(struct registry *r, struct subject *s, const struct fetch_result *result,
		     struct snapshot_builder *b)
{
	struct dns_answer answer;
	int status = dns_answer_read(result, &s->name, RRTYPE_SRV, &answer, b);

	if (status < 0)
		return status;
	s->round.type = RRTYPE_A;
	s->round.ttl_s = answer.ttl_s;
	s->round.nothing_s = answer.nothing_s;
	status = stage_known(r, s, &answer, b);
	if (status == 0) {
		keep_unknown(&s->round, &answer, b);
		status = stage_service(r, s, b); /* and what was dropped */
	}
	dns_answer_finish(&answer);
	return status;
}

/* --- the answers to A and AAAA --- */

/* What was known of this family of the target stays, and people are told why. */
static int keep_family(struct registry *r, struct subject *s, const struct fetch_result *result,
		       struct snapshot_builder *b)
{
	struct round *round = &s->round;
	char target[NAME_TEXT_MAX], key[KEY_SIZE];

	round->is_accounted = true;
	round->n_failed++;
	round->n_silent += result->error < 0;
	if (round->n_silent > SILENT_MAX)
		return -ETIMEDOUT;
	snprintf(round->reason, sizeof(round->reason), "%s", snapshot_builder_error(b));
	name_to_text(round->srvs[round->at].target.octets, target);
	write_key(key, "", target, round->type);
	ledger_keep(r->ledger, &s->resource.part, key);
	snapshot_builder_remark(b, "%s", round->reason);
	write_key(key, "failed: ", target, round->type);
	return ledger_stage(r->ledger, &s->resource.part, key, b);
}

/* A target without addresses is one that somebody forgot, or misspelt. */
static int drop_target(struct registry *r, struct subject *s, struct snapshot_builder *b)
{
	char target[NAME_TEXT_MAX], key[KEY_SIZE], what[NAME_TEXT_MAX + 32];

	name_to_text(s->round.srvs[s->round.at].target.octets, target);
	snprintf(what, sizeof(what), "target %s has none", target);
	snapshot_builder_drop(b, DROP_ADDRESS, what);
	write_key(key, "dropped: ", target, RRTYPE_A);
	return ledger_stage(r->ledger, &s->resource.part, key, b);
}

/* A name that does not exist has no other family either (RFC 8020 section 2). */
static int move_on(struct registry *r, struct subject *s, bool no_name, struct snapshot_builder *b)
{
	struct round *round = &s->round;
	int status = 0;

	if (round->type == RRTYPE_A && !no_name) {
		round->type = RRTYPE_AAAA;
		return 0;
	}
	if (!round->is_accounted && r->options->dns.ask == DNS_ASK_SRV)
		status = drop_target(r, s, b);
	round->type = RRTYPE_A;
	round->is_accounted = false;
	round->at += count_same(&round->srvs[round->at], round->n - round->at);
	return status;
}

static int read_addresses(struct registry *r, struct subject *s, const struct fetch_result *result,
			  struct snapshot_builder *b)
{
	struct round *round = &s->round;
	const struct dns_srv *srvs = &round->srvs[round->at];
	struct dns_answer answer;
	int status = dns_answer_read(result, &srvs->target, round->type, &answer, b);
	bool no_name = false;

	if (status == -ENOMEM)
		return status;
	if (status < 0) {
		status = keep_family(r, s, result, b);
	} else {
		no_name = answer.no_name;
		lower(&round->ttl_s, answer.ttl_s);
		lower(&round->nothing_s, answer.nothing_s);
		status = stage_family(r, s, srvs, count_same(srvs, round->n - round->at), &answer, 0,
				      round->type, b);
		dns_answer_finish(&answer);
	}
	return status < 0 ? status : move_on(r, s, no_name, b);
}

/* --- the end of a round --- */

/* 0 would be asked for again without a pause: Consul's way of saying that nobody should cache. It says
 * nothing about how long an instance stays. */
static uint64_t fresh_ms(const struct round *round)
{
	const uint32_t ttl_s = round->n_found > 0 ? round->ttl_s : round->nothing_s;

	return ttl_s == DNS_TTL_NONE_S ? 0 : (uint64_t)ttl_s * 1000;
}

/* Nothing was found, but not for certain: what was known stays. */
static int complete(struct registry *r, struct subject *s, struct snapshot_builder *b)
{
	const struct round *round = &s->round;
	int status = 0;

	if (round->n_found == 0 && round->n_failed > 0)
		return snapshot_builder_fail(b, -EPROTO, "%s", round->reason);
	if (r->options->dns.ask == DNS_ASK_ADDRESS)
		status = stage_service(r, s, b);
	if (status < 0)
		return status;
	ledger_commit(r->ledger, &s->resource.part);
	s->resource.fresh_ms = fresh_ms(round);
	return STEP_PAUSE;
}

/* What was not committed is void. */
static void end_round(struct registry *r, struct subject *s)
{
	ledger_abort(r->ledger, &s->resource.part);
	free(s->round.srvs);
	s->round.srvs = NULL;
}

static int read_result(struct registry *r, struct resource *res, const struct fetch_result *result,
		       struct snapshot_builder *b)
{
	struct subject *s = (struct subject *)res;
	int status =
		s->round.type == RRTYPE_SRV ? read_srvs(r, s, result, b) : read_addresses(r, s, result, b);

	if (status == 0)
		status = s->round.at < s->round.n ? STEP_ASK : complete(r, s, b);
	if (status == -ENOMEM)
		snapshot_builder_fail(b, status, "out of memory");
	else if (status == -EDQUOT)
		snapshot_builder_fail(b, status, "more than a registry may hold");
	if (status != STEP_ASK)
		end_round(r, s);
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
