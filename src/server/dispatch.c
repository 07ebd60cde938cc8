/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/dispatch.h"

static enum dispatch reply_error(const struct query *q, enum rcode rcode, enum ede ede, const char *text,
				 uint8_t *reply, size_t limit, size_t *ret)
{
	*ret = message_write_error(q, rcode, ede, text, reply, limit);
	return DISPATCH_REPLY;
}

/* Whatever a stranger asks, the answer has no more octets than the question: who forges the source of a query
 * makes us send no more than he has sent himself. What has no question gets nothing. */
static enum dispatch dispatch_stranger(struct dispatcher *d, const struct arrival *a, const struct query *q,
				       uint8_t *reply, size_t *ret)
{
	counter_add(d->row, COUNTER_REFUSED);
	if (!q->has_question)
		return DISPATCH_DROP;
	return reply_error(q, RCODE_REFUSED, EDE_PROHIBITED, "allow does not name you", reply, a->len, ret);
}

/* Names that are not ours. Whoever asks without wanting recursion gets none (RFC 1034 section 4.3.1), and
 * nobody else's zone is transferred through us. */
static enum dispatch dispatch_foreign(struct dispatcher *d, const struct arrival *a, const struct query *q,
				      uint8_t *reply, size_t limit, size_t *ret)
{
	if (q->qtype == RRTYPE_AXFR || q->qtype == RRTYPE_IXFR)
		return reply_error(q, RCODE_REFUSED, EDE_PROHIBITED, "zones are not transferred", reply,
				   limit, ret);
	if ((q->flags & HEADER_RD) == 0)
		return reply_error(q, RCODE_REFUSED, EDE_NOT_AUTHORITATIVE,
				   "the name is in no zone of ours and recursion is not asked for", reply,
				   limit, ret);
	forward_query(d->forwarder, q, limit, a->from);
	return DISPATCH_LATER;
}

static enum dispatch dispatch_internet(struct dispatcher *d, const struct arrival *a, const struct query *q,
				       uint8_t *reply, size_t limit, size_t *ret)
{
	struct answer_request r = { .table = d->table,
				    .query = q,
				    .now_ms = a->now_ms,
				    .may_wait = a->patience != PATIENCE_USED_UP,
				    .tcp = a->from->connection != NULL,
				    .counters = d->counters,
				    .reply = reply,
				    .limit = limit };
	enum answer answer = answer_write(d->answerer, &r, ret);

	if (answer == ANSWER_NOT_YET) {
		if (a->patience == PATIENCE_HELD || hold_add(d->hold, a->octets, a->len, a->from))
			return DISPATCH_HELD;
		counter_add(d->row, COUNTER_HOLD_FULL);
		r.may_wait = false;
		answer = answer_write(d->answerer, &r, ret);
	}
	if (answer == ANSWER_NOT_OURS)
		return dispatch_foreign(d, a, q, reply, limit, ret);
	return DISPATCH_REPLY;
}

enum dispatch dispatch_query(struct dispatcher *d, const struct arrival *a, uint8_t *reply, size_t size,
			     size_t *ret)
{
	struct query q;
	const enum verdict verdict = message_read_query(a->octets, a->len, &q);

	if (verdict == VERDICT_DROP) {
		counter_add(d->row, COUNTER_MALFORMED);
		return DISPATCH_DROP;
	}
	if (a->stranger)
		return dispatch_stranger(d, a, &q, reply, ret);

	const bool tcp = a->from->connection != NULL;
	const size_t limit = tcp || size < q.edns_size ? size : q.edns_size;
	if (verdict == VERDICT_ERROR)
		return reply_error(&q, q.rcode, EDE_NONE, NULL, reply, limit, ret);
	if (q.qclass == RRCLASS_CH) {
		*ret = answer_chaos(&q, reply, limit);
		return DISPATCH_REPLY;
	}
	/* ANY as a class, HESIOD, and mDNS queries that strayed (RFC 6762 section 5.4): nothing of ours. */
	if (q.qclass != RRCLASS_IN)
		return reply_error(&q, RCODE_REFUSED, EDE_NOT_SUPPORTED, "only class IN is served", reply,
				   limit, ret);
	return dispatch_internet(d, a, &q, reply, limit, ret);
}
