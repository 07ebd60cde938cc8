/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "fake_consul.h"
#include "fake_consul_private.h"

/* --- with the lock held --- */

struct round {
	struct fake_consul *f;
	enum consul_reason reason;
	unsigned woken;
};

static void answer_service(struct consul_service *service, void *context)
{
	struct round *r = context;

	r->woken += consul_answer_waits(r->f, &service->waits, r->reason);
}

static unsigned answer_all(struct fake_consul *f, enum consul_reason reason)
{
	struct round r = { .f = f, .reason = reason };

	consul_state_each(&f->state, answer_service, &r);
	return r.woken + consul_answer_waits(f, &f->services_waits, reason);
}

static void answer_if_gone(struct consul_service *service, void *context)
{
	if (service->body == NULL)
		answer_service(service, context);
}

/* Tells everybody whom the change of a service concerns: those who wait for it first, and when it has gone,
 * those who wait for any other that is not there. */
static struct fake_change tell(struct fake_consul *f, struct consul_service *service, bool gone)
{
	struct fake_change change = { .committed_ns = fake_now_ns(), .position = f->state.index };
	struct round r = { .f = f, .reason = CONSUL_MOVED };

	answer_service(service, &r);
	if (gone)
		consul_state_each(&f->state, answer_if_gone, &r);
	change.woken = r.woken + consul_answer_waits(f, &f->services_waits, CONSUL_MOVED);
	change.written_ns = fake_now_ns();
	return change;
}

static struct fake_change put(struct fake_consul *f, const char *name, const char *body)
{
	struct consul_service *service = consul_state_service(&f->state, name);

	return tell(f, service, consul_state_put(&f->state, service, body));
}

static struct fake_change touch(struct fake_consul *f, const char *name)
{
	struct consul_service *service = consul_state_service(&f->state, name);

	service->index = ++f->state.index;
	struct fake_change change = { .committed_ns = fake_now_ns(), .position = f->state.index };
	change.woken = consul_answer_waits(f, &service->waits, CONSUL_CHECK_MOVED);
	change.written_ns = fake_now_ns();
	return change;
}

struct check_change {
	struct fake_consul *f;
	const char *node, *service_id, *check_id, *status;
};

static void set_check_of(struct consul_service *service, void *context)
{
	const struct check_change *c = context;

	if (consul_service_set_check(service, c->node, c->service_id, c->check_id, c->status))
		service->index = c->f->state.index;
}

static struct fake_change set_check(struct check_change *c)
{
	struct fake_consul *f = c->f;

	f->state.index++;
	consul_state_each(&f->state, set_check_of, c);
	struct fake_change change = { .committed_ns = fake_now_ns(), .position = f->state.index };
	change.woken = answer_all(f, CONSUL_CHECK_MOVED);
	change.written_ns = fake_now_ns();
	return change;
}

static void set_mode(struct fake_consul *f, enum fake_consul_mode mode)
{
	f->mode = mode;
	answer_all(f, mode == FAKE_CONSUL_NO_LEADER ? CONSUL_LEADER_LOST : CONSUL_MOVED);
}

static void reset_index(struct fake_consul *f)
{
	consul_state_reset(&f->state);
	answer_all(f, CONSUL_WOKEN);
}

static void restart(struct fake_consul *f)
{
	fake_http_cut_locked(f->http);
	consul_state_reset(&f->state);
}

static void replace_text(char **place, const char *text)
{
	free(*place);
	*place = text != NULL ? fake_copy(text) : NULL;
}

/* --- what tests call --- */

struct fake_change fake_consul_put(struct fake_consul *f, const char *service, const char *body)
{
	fake_http_lock(f->http);
	const struct fake_change change = put(f, service, body);
	fake_http_unlock(f->http);
	return change;
}

struct fake_change fake_consul_register(struct fake_consul *f, const char *service,
					const struct fake_consul_instance *instance)
{
	fake_http_lock(f->http);
	struct consul_service *s = consul_state_service(&f->state, service);
	const struct fake_change change = tell(f, s, consul_state_register(&f->state, s, instance));
	fake_http_unlock(f->http);
	return change;
}

struct fake_change fake_consul_deregister(struct fake_consul *f, const char *service, const char *node,
					  const char *service_id)
{
	fake_http_lock(f->http);
	struct consul_service *s = consul_state_service(&f->state, service);
	const struct fake_change change = tell(f, s, consul_state_deregister(&f->state, s, node, service_id));
	fake_http_unlock(f->http);
	return change;
}

struct fake_change fake_consul_set_check(struct fake_consul *f, const char *node, const char *service_id,
					 const char *check_id, const char *status)
{
	struct check_change c = { f, node, service_id, check_id, status };

	fake_http_lock(f->http);
	const struct fake_change change = set_check(&c);
	fake_http_unlock(f->http);
	return change;
}

struct fake_change fake_consul_touch(struct fake_consul *f, const char *service)
{
	fake_http_lock(f->http);
	const struct fake_change change = touch(f, service);
	fake_http_unlock(f->http);
	return change;
}

void fake_consul_set_mode(struct fake_consul *f, enum fake_consul_mode mode)
{
	fake_http_lock(f->http);
	set_mode(f, mode);
	fake_http_unlock(f->http);
}

void fake_consul_wake(struct fake_consul *f)
{
	fake_http_lock(f->http);
	answer_all(f, CONSUL_WOKEN);
	fake_http_unlock(f->http);
}

void fake_consul_reset_index(struct fake_consul *f)
{
	fake_http_lock(f->http);
	reset_index(f);
	fake_http_unlock(f->http);
}

void fake_consul_restart(struct fake_consul *f)
{
	fake_http_lock(f->http);
	restart(f);
	fake_http_unlock(f->http);
}

void fake_consul_set_token(struct fake_consul *f, const char *token)
{
	fake_http_lock(f->http);
	replace_text(&f->token, token);
	fake_http_unlock(f->http);
}

void fake_consul_restrict(struct fake_consul *f, const char *token, const char *prefix)
{
	fake_http_lock(f->http);
	replace_text(&f->restricted_token, token);
	replace_text(&f->prefix, prefix);
	fake_http_unlock(f->http);
}

void fake_consul_limit(struct fake_consul *f, unsigned connections)
{
	fake_http_lock(f->http);
	consul_set_limit(f, connections);
	fake_http_unlock(f->http);
}

void fake_consul_lag(struct fake_consul *f, unsigned last_contact_ms)
{
	fake_http_lock(f->http);
	f->lag_ms = last_contact_ms;
	fake_http_unlock(f->http);
}

/* --- the same over HTTP --- */

static bool control_mode(struct fake_consul *f, const char *name)
{
	static const char *const names[] = {
		[FAKE_CONSUL_NORMAL] = "normal",     [FAKE_CONSUL_NO_LEADER] = "no-leader",
		[FAKE_CONSUL_NO_INDEX] = "no-index", [FAKE_CONSUL_ZERO_INDEX] = "zero-index",
		[FAKE_CONSUL_DENIED] = "denied",     [FAKE_CONSUL_TOO_MANY] = "too-many",
		[FAKE_CONSUL_HANG] = "hang",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		set_mode(f, (enum fake_consul_mode)i);
		return true;
	}
	return false;
}

/* A body of many services; the change of the last one stands for all. */
static void control_services(struct fake_consul *f, struct fake_request *x)
{
	json_t *services = json_loadb(x->body, x->body_len, JSON_ALLOW_NUL, NULL);
	struct fake_change change = { 0 };
	const char *name;
	json_t *entries;

	json_object_foreach(services, name, entries)
	{
		char *body = json_dumps(entries, JSON_COMPACT);

		fake_must(body != NULL, "a service is no JSON array");
		change = put(f, name, body);
		free(body);
	}
	if (services != NULL)
		fake_request_change(x, &change);
	else
		fake_request_text(x, 400, "the body is no JSON");
	json_decref(services);
}

static void control_check(struct fake_consul *f, struct fake_request *x)
{
	const char *service_id = fake_request_param(x, "service");
	struct check_change c = { .f = f,
				  .node = fake_request_param(x, "node"),
				  .service_id = service_id != NULL ? service_id : "",
				  .check_id = fake_request_param(x, "check"),
				  .status = fake_request_param(x, "status") };

	if (c.node == NULL || c.check_id == NULL) {
		fake_request_text(x, 400, "node and check are missing");
		return;
	}
	const struct fake_change change = set_check(&c);
	fake_request_change(x, &change);
}

/* Changes of the catalog; false if it is none. */
static bool control_catalog(struct fake_consul *f, struct fake_request *x)
{
	struct fake_change change;
	const char *name;

	if (strcmp(x->path, "/_control/services") == 0) {
		control_services(f, x);
		return true;
	}
	if (strcmp(x->path, "/_control/check") == 0) {
		control_check(f, x);
		return true;
	}
	if (fake_request_below(x, "/_control/service/", &name))
		change = put(f, name, strcmp(x->method, "DELETE") == 0 ? "[]" : x->body);
	else if (fake_request_below(x, "/_control/touch/", &name))
		change = touch(f, name);
	else
		return false;
	fake_request_change(x, &change);
	return true;
}

static bool control_behaviour(struct fake_consul *f, struct fake_request *x)
{
	const char *value;

	if (fake_request_below(x, "/_control/mode/", &value))
		return control_mode(f, value);
	if (strcmp(x->path, "/_control/wake") == 0)
		answer_all(f, CONSUL_WOKEN);
	else if (strcmp(x->path, "/_control/reset-index") == 0)
		reset_index(f);
	else if (strcmp(x->path, "/_control/restart") == 0)
		restart(f);
	else if (fake_request_below(x, "/_control/limit/", &value))
		consul_set_limit(f, (unsigned)strtoul(value, NULL, 10));
	else if (fake_request_below(x, "/_control/lag/", &value))
		f->lag_ms = (unsigned)strtoul(value, NULL, 10);
	else if (fake_request_below(x, "/_control/token/", &value))
		replace_text(&f->token, value[0] != '\0' ? value : NULL);
	else
		return false;
	return true;
}

void consul_control(void *context, struct fake_request *x)
{
	if (strcmp(x->method, "PUT") != 0 && strcmp(x->method, "DELETE") != 0)
		fake_request_text(x, 405, "PUT or DELETE");
	else if (control_catalog(context, x))
		return;
	else if (control_behaviour(context, x))
		fake_request_json(x, 200, "{}\n");
	else
		fake_request_text(x, 404, "no such control");
}
