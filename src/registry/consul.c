/* SPDX-License-Identifier: BSD-2-Clause */
/* A Consul agent: one resource for each service, and the list of their names where those are not configured.
 *
 * A resource with a slot waits at the server for its next change (a blocking query), and every change is told
 * at once. Each of them keeps a connection of its own, and an agent lets one address have 200 of them, for
 * all processes on the host together. So the slots are few; what has none is polled, and the list, which
 * moves with every registration of any service, hastens it.
 */
#include "registry/consul.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
	/* One release of Consul answered every request with an index by an error, and was fine without. A
	 * resource that has met that goes on as if polled, with an attempt by index now and then. */
	INDEX_FAILURES = 3,

	/* The one that was hastened and one that was not. On a large cluster the list moves several times a
	 * second; what is polled is then asked for twice as often as without it, and not all the time. */
	HASTENED_ROUNDS = 2,

	/* What a registry says twice is believed by everybody (design: brake). */
	EMPTY_ANSWERS = 2,
};

static bool is_set(const char *const *list)
{
	return list != NULL && list[0] != NULL;
}

static bool may_wait(const struct registry *r)
{
	return r->options->watch && r->options->consul.wait_ms > 0;
}

static int create(const struct registry_options *o, struct registry_host *host, struct ledger *ledger,
		  struct registry **ret)
{
	struct registry *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	*r = (struct registry){
		.options = o, .host = host, .ledger = ledger, .follows = !is_set(o->consul.services)
	};
	*ret = r;
	return 0;
}

static void destroy(struct registry *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_services; i++)
		consul_resource_destroy(r->services[i]);
	consul_resource_destroy(r->list);
	free(r->services);
	free(r);
}

static void take_slot(struct registry *r, struct consul_resource *c)
{
	if (c->slot || !may_wait(r) || r->n_slots >= r->options->consul.held)
		return;
	c->slot = true;
	r->n_slots++;
}

void consul_release_slot(struct registry *r, struct consul_resource *c)
{
	r->n_slots -= c->slot;
	c->slot = false;
}

/* The list is vital where it says which services there are. Beside configured ones it only tells that
 * something has changed, and without a slot it could not. */
static int start_list(struct registry *r)
{
	int status = consul_resource_create(r->options, NULL, &r->list);

	if (status < 0)
		return status;
	r->list->base.vital = r->follows;
	take_slot(r, r->list);
	return r->host->start(r->host, &r->list->base);
}

static int start_services(struct registry *r, const char *const *names, size_t n)
{
	int status = 0;

	r->services = calloc(n, sizeof(struct consul_resource *));
	if (r->services == NULL)
		return -ENOMEM;
	while (status == 0 && r->n_services < n) {
		struct consul_resource **c = &r->services[r->n_services];

		status = consul_resource_create(r->options, names[r->n_services], c);
		if (status < 0)
			return status;
		r->n_services++;
		status = r->host->start(r->host, &(*c)->base);
	}
	return status;
}

static int start(struct registry *r)
{
	const struct consul_options *o = &r->options->consul;
	size_t n = 0;

	if (r->follows)
		return start_list(r);
	while (o->services[n] != NULL)
		n++;
	int status = may_wait(r) && o->held > 0 && n > o->held ? start_list(r) : 0;
	return status == 0 ? start_services(r, o->services, n) : status;
}

/* After a failure the next request goes without the index: its answer comes at once, and with it the end of
 * the outage is known; a server that is held to an index it has forgotten says nothing for the whole wait. */
static int ask(struct registry *r, struct resource *res, struct fetch_request *ret,
	       struct snapshot_builder *b)
{
	struct consul_resource *c = (struct consul_resource *)res;

	(void)b;
	take_slot(r, c);
	c->sent = c->slot && !c->doubtful && !c->gone && !c->confirms ? c->index : 0;
	return consul_resource_ask(r->options, c, ret);
}

/* The new state of one part, in one item: a body is believed as a whole or not at all. */
static int believe(struct registry *r, struct consul_resource *c, struct snapshot_builder *b)
{
	ledger_begin(r->ledger, &c->base.part);
	int status = ledger_stage(r->ledger, &c->base.part, "", b);
	if (status == 0)
		ledger_commit(r->ledger, &c->base.part);
	else
		ledger_abort(r->ledger, &c->base.part);
	return status;
}

/* When a held answer says that the last instance has gone, the servers are asked at once whether that is so.
 * If they agree it is certain. Otherwise it would be answered for as long as the brake holds, until the next
 * poll, or until a wait is over. And only they say when it is a right that has gone: an agent that answers
 * from its stream of events leaves out what the token may not see without a word (1.20). What is missing when
 * all is asked for anew, as after an outage, waits for its turn. */
static bool wants_confirmation(const struct consul_resource *c, size_t n)
{
	return n == 0 && c->populated && !c->confirms && c->sent != 0;
}

static void confirm(struct registry *r, struct consul_resource *c)
{
	ledger_repeat(r->ledger, &c->base.part);
	c->n_empty = EMPTY_ANSWERS - 1;
}

/* STEP_ASK if the answer is only believed together with another one. */
static int read_service(struct registry *r, struct consul_resource *c, const struct fetch_result *res,
			struct snapshot_builder *b)
{
	size_t n;
	int status = consul_read_service(&r->options->consul, c, res, b, &n);

	if (status == 0 && wants_confirmation(c, n)) {
		c->confirms = true;
		return STEP_ASK;
	}
	if (status == 0)
		status = believe(r, c, b);
	if (status < 0)
		return status;
	c->is_empty = n == 0;
	if (c->confirms && c->is_empty)
		confirm(r, c);
	return 0;
}

static void hasten_polled(struct registry *r)
{
	for (size_t i = 0; i < r->n_services; i++) {
		struct consul_resource *c = r->services[i];

		if (c->slot || c->stopped || c->rest > 0)
			continue;
		c->rest = HASTENED_ROUNDS;
		r->host->hasten(r->host, &c->base);
	}
}

/* Beside configured services only its index matters, not what it lists. */
static int read_list(struct registry *r, struct consul_resource *c, const struct fetch_result *res,
		     struct snapshot_builder *b)
{
	int status = r->follows ? consul_read_names(r, res, b) : 0;

	if (status == 0)
		status = believe(r, c, b);
	if (status == 0 && c->sent != 0)
		hasten_polled(r);
	return status;
}

/* The same index means that the wait was over before anything happened. What is remarked about an answer has
 * no index, though. */
static bool is_repeated(const struct consul_resource *c, const struct fetch_result *res)
{
	return c->sent != 0 && consul_index(res) == c->sent && consul_is_leaderless(res) == c->leaderless &&
	       consul_is_filtered(c, res) == c->filtered;
}

static int read_body(struct registry *r, struct consul_resource *c, const struct fetch_result *res,
		     struct snapshot_builder *b)
{
	if (is_repeated(c, res)) {
		ledger_repeat(r->ledger, &c->base.part);
		return 0;
	}
	return c->service != NULL ? read_service(r, c, res, b) : read_list(r, c, res, b);
}

static void note_instances(struct consul_resource *c)
{
	c->n_empty = c->is_empty ? c->n_empty + 1 : 0;
	if (!c->is_empty)
		c->populated = true;
	else if (c->n_empty >= EMPTY_ANSWERS)
		c->populated = false;
}

static void note_answer(struct consul_resource *c, const struct fetch_result *res)
{
	c->doubtful = false;
	c->rest -= c->rest > 0;
	c->leaderless = consul_is_leaderless(res);
	c->filtered = consul_is_filtered(c, res);
	c->saw_all |= !c->filtered;
	c->len = res->len;
	c->index = consul_index(res);
	if (c->index != 0)
		resource_set_position(&c->base, "index %" PRIu64, c->index);
	c->n_failed = c->sent != 0 ? 0 : c->n_failed;
	note_instances(c);
	c->confirms = false;
}

/* Without an index in the answer there is nothing to wait for, and of a service that has gone nothing is to
 * be expected. */
static enum step go_on(struct registry *r, struct consul_resource *c, const struct fetch_result *res)
{
	note_answer(c, res);
	if (c->gone && !c->populated) {
		consul_release_slot(r, c);
		c->stopped = true;
		return STEP_STOP;
	}
	if (!c->slot || c->gone || c->index == 0 || c->n_failed >= INDEX_FAILURES)
		return STEP_PAUSE;
	return STEP_AGAIN;
}

static int fail(struct consul_resource *c, int status)
{
	c->confirms = false;
	c->n_failed += c->sent != 0 && c->n_failed < INDEX_FAILURES;
	c->doubtful = true;
	return status;
}

/* An index that went back has lost its meaning: servers were restored, or another one has answered that is
 * behind. Such a body may be older than what is known; what there is now is asked for without an index. The
 * same where the index stands and the body is another: that comes from another token, as what a token may see
 * has no index, and without one the answer says what the token may not see. */
static bool is_doubtful(const struct consul_resource *c, const struct fetch_result *res)
{
	const uint64_t index = consul_index(res);

	return c->sent != 0 && index != 0 && (index < c->sent || (index == c->sent && res->len != c->len));
}

static int read_answer(struct registry *r, struct resource *res, const struct fetch_result *result,
		       struct snapshot_builder *b)
{
	struct consul_resource *c = (struct consul_resource *)res;
	int status = consul_judge(c, result, b);

	if (status < 0)
		return fail(c, status);
	res->lag_ms = consul_lag_ms(result);
	if (is_doubtful(c, result)) {
		c->index = 0;
		return STEP_ASK;
	}
	status = read_body(r, c, result, b);
	if (status < 0)
		return fail(c, status);
	return status == STEP_ASK ? STEP_ASK : go_on(r, c, result);
}

const struct registry_kind registry_consul = {
	.name = "consul",
	.brake = true,
	.create = create,
	.destroy = destroy,
	.start = start,
	.ask = ask,
	.read = read_answer,
};
