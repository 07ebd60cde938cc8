/* SPDX-License-Identifier: BSD-2-Clause */
#include "kind.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

static struct kind *kind_of(struct registry_host *h)
{
	return (struct kind *)((char *)h - offsetof(struct kind, host));
}

static int start(struct registry_host *h, struct resource *res)
{
	struct kind *k = kind_of(h);

	ck_assert_ptr_null(res->runner);
	ck_assert_uint_lt(k->n, KIND_RESOURCES_MAX);
	k->resources[k->n++] = res;
	res->runner = k;
	return 0;
}

static void stop(struct registry_host *h, struct resource *res)
{
	struct kind *k = kind_of(h);
	size_t i = 0;

	while (i < k->n && k->resources[i] != res)
		i++;
	if (i == k->n)
		return;
	k->n--;
	memmove(&k->resources[i], &k->resources[i + 1], (k->n - i) * sizeof(struct resource *));
	ledger_drop(k->ledger, &res->part);
	res->runner = NULL;
}

static void hasten(struct registry_host *h, struct resource *res)
{
	ck_assert_ptr_nonnull(res->runner);
	kind_of(h)->n_hastened++;
}

void kind_start(struct kind *k, const struct registry_kind *kind, const struct registry_options *o,
		void (*created)(struct kind *k))
{
	*k = (struct kind){ .host = { .start = start, .stop = stop, .hasten = hasten },
			    .kind = kind,
			    .ledger = ledger_create(),
			    .limits = o->limits };
	ck_assert_ptr_nonnull(k->ledger);
	ledger_limit(k->ledger, &o->limits);
	ck_assert_int_eq(kind->create(o, &k->host, k->ledger, &k->registry), 0);
	if (created != NULL)
		created(k);
	ck_assert_int_eq(kind->start(k->registry), 0);
}

void kind_finish(struct kind *k)
{
	while (k->n > 0)
		stop(&k->host, k->resources[0]);
	k->kind->destroy(k->registry);
	ledger_destroy(k->ledger);
	snapshot_release(k->last);
	*k = (struct kind){ 0 };
}

struct resource *kind_find(struct kind *k, const char *name)
{
	for (size_t i = 0; i < k->n; i++) {
		const char *own = k->resources[i]->name;

		if (own == name || (own != NULL && name != NULL && strcmp(own, name) == 0))
			return k->resources[i];
	}
	return NULL;
}

struct fetch_request kind_ask(struct kind *k, struct resource *res)
{
	struct snapshot_builder *b = snapshot_builder_create();
	struct fetch_request request = { 0 };

	ck_assert_ptr_nonnull(b);
	snapshot_builder_limit(b, &k->limits);
	ck_assert_int_eq(k->kind->ask(k->registry, res, &request, b), 0);
	snapshot_builder_destroy(b);
	return request;
}

static void seal(struct kind *k)
{
	struct snapshot *s;

	ck_assert_int_eq(ledger_seal(k->ledger, &s), 0);
	snapshot_release(k->last);
	k->last = s;
}

int kind_read(struct kind *k, struct resource *res, const struct fetch_result *result)
{
	struct snapshot_builder *b = snapshot_builder_create();

	ck_assert_ptr_nonnull(b);
	snapshot_builder_limit(b, &k->limits);
	res->fresh_ms = res->lag_ms = 0;
	const int step = k->kind->read(k->registry, res, result, b);
	snprintf(k->error, sizeof(k->error), "%s", step < 0 ? snapshot_builder_error(b) : "");
	snapshot_builder_destroy(b);
	if (step < 0)
		ledger_abort(k->ledger, &res->part);
	else if (step == STEP_STOP)
		stop(&k->host, res);
	seal(k);
	return step;
}

int kind_read_body(struct kind *k, struct resource *res, const char *body)
{
	const struct fetch_result result = { .name = "test",
					     .status = 200,
					     .content_type = "application/json",
					     .last = true,
					     .body = body,
					     .len = strlen(body) };

	return kind_read(k, res, &result);
}

const char *kind_text(const struct kind *k, const char *service)
{
	static char text[4096];
	const struct service *s = k->last != NULL ? snapshot_find(k->last, service) : NULL;
	size_t len = 0;

	if (s == NULL)
		return "-";
	text[0] = '\0';
	for (size_t i = 0; i < s->n_instances && len < sizeof(text); i++) {
		const struct instance *in = s->instances[i];
		char address[ADDRESS_TEXT_MAX];

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s:%u%s%s", i > 0 ? ", " : "",
					in->address.len > 0 ? address_to_text(&in->address, address)
							    : instance_host(in),
					in->port, instance_name(in) != NULL ? " " : "",
					instance_name(in) != NULL ? instance_name(in) : "");
	}
	return text;
}
