/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/snapshot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/groups.h"

enum {
	/* Drops are many and alike: they get half of the remarks, so that there is always room for the one
	 * that says why a whole file was left out. */
	DROP_REMARKS_MAX = REMARKS_MAX / 2,
	REMARK_SIZE = 256,
};

struct snapshot_builder {
	struct groups groups;
	struct findings_draft findings;
	struct arena texts; /* of the remarks */
	char error[REMARK_SIZE];
};

/* Remarks and errors quote text from outside, and end in logs and terminals. */
static void copy_visible(const char *text, char ret[REMARK_SIZE])
{
	char *out = ret;

	for (const unsigned char *c = (const unsigned char *)text; *c != '\0' && out < ret + REMARK_SIZE - 5;
	     c++) {
		if (*c < 0x20 || *c >= 0x7f)
			out += sprintf(out, "\\x%02x", *c);
		else
			*out++ = (char)*c;
	}
	*out = '\0';
}

static void add_remark(struct snapshot_builder *b, const char *text)
{
	struct findings_draft *d = &b->findings;
	char visible[REMARK_SIZE];

	copy_visible(text, visible);
	d->remarks[d->n_remarks] = arena_text(&b->texts, visible, strlen(visible));
	if (d->remarks[d->n_remarks] != NULL)
		d->n_remarks++;
}

void snapshot_builder_remark(struct snapshot_builder *b, const char *format, ...)
{
	char text[REMARK_SIZE];
	va_list args;

	if (b->findings.n_remarks == REMARKS_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	add_remark(b, text);
}

int snapshot_builder_fail(struct snapshot_builder *b, int r, const char *format, ...)
{
	char text[REMARK_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	copy_visible(text, b->error);
	return r;
}

const char *snapshot_builder_error(const struct snapshot_builder *b)
{
	return b->error;
}

void snapshot_builder_drop(struct snapshot_builder *b, enum drop reason, const char *what)
{
	char text[REMARK_SIZE];

	b->findings.dropped[reason]++;
	if (b->findings.n_remarks >= DROP_REMARKS_MAX)
		return;
	snprintf(text, sizeof(text), "instance dropped (%s): %.160s", drop_to_text(reason), what);
	add_remark(b, text);
}

/* 80 octets of a text show what it is; a longer one is marked as cut. */
static int drop_report(struct snapshot_builder *b, enum drop reason, const char *service, const char *what)
{
	char text[REMARK_SIZE];

	const char *full = reason == DROP_LIMIT ? b->groups.full : NULL; /* the key people may change */

	b->findings.dropped[reason]++;
	if (b->findings.n_remarks >= DROP_REMARKS_MAX)
		return 0;
	snprintf(text, sizeof(text), "instance of \"%.80s\"%s dropped (%s%s%s): \"%.80s\"%s", service,
		 strlen(service) > 80 ? "..." : "", drop_to_text(reason), full != NULL ? ": " : "",
		 full != NULL ? full : "", what, strlen(what) > 80 ? "..." : "");
	add_remark(b, text);
	return 0;
}

/* As a drop, but of a part; many and alike as well. */
static void remark_left_out(struct snapshot_builder *b, const char *service, const char *address,
			    const char *what)
{
	if (b->findings.n_remarks < DROP_REMARKS_MAX)
		snapshot_builder_remark(b, "instance of \"%.80s\" at \"%.80s\": %s, left out", service,
					address, what);
}

struct snapshot_builder *snapshot_builder_create(void)
{
	struct snapshot_builder *b = calloc(1, sizeof(*b));

	if (b != NULL)
		groups_init(&b->groups);
	return b;
}

struct snapshot_limits snapshot_limits_within(const struct snapshot_limits *l)
{
	struct snapshot_limits within = { SNAPSHOT_SERVICES_MAX, SNAPSHOT_INSTANCES_MAX,
					  SNAPSHOT_OCTETS_MAX };

	if (l->services > 0 && l->services < within.services)
		within.services = l->services;
	if (l->instances > 0 && l->instances < within.instances)
		within.instances = l->instances;
	if (l->octets > 0 && l->octets < within.octets)
		within.octets = l->octets;
	return within;
}

void snapshot_builder_limit(struct snapshot_builder *b, const struct snapshot_limits *l)
{
	b->groups.limits = snapshot_limits_within(l);
}

void snapshot_builder_empty(struct snapshot_builder *b)
{
	groups_empty(&b->groups);
	arena_finish(&b->texts);
	*b = (struct snapshot_builder){ .groups = b->groups };
}

void snapshot_builder_destroy(struct snapshot_builder *b)
{
	if (b == NULL)
		return;
	snapshot_builder_empty(b);
	free(b);
}

/* A service that is reported is known even if none of its instances is any good: then its name exists without
 * addresses, which is what its clients should be told. */
int snapshot_builder_add(struct snapshot_builder *b, const struct report *r)
{
	char service[SERVICE_NAME_SIZE], what[128];
	const char *const address = r->address != NULL ? r->address : "";
	enum drop reason = report_check_service(r->service, service);
	struct report_room room;
	struct instance_parts in;
	struct group *g;

	if (reason != DROP_NONE)
		return drop_report(b, reason, r->service != NULL ? r->service : "", address);
	int status = groups_take(&b->groups, service, &g);
	if (status == -EDQUOT)
		return drop_report(b, DROP_LIMIT, service, address);
	if (status < 0)
		return status;
	reason = report_check(r, &room, &in);
	if (reason == DROP_PORT) {
		snprintf(what, sizeof(what), "%.70s port %lld", address, (long long)r->port);
		return drop_report(b, reason, service, what);
	}
	if (reason != DROP_NONE)
		return drop_report(b, reason, service, address);
	if (room.left_out != NULL)
		remark_left_out(b, service, address, room.left_out);
	status = groups_add(&b->groups, g, &in);
	return status == -EDQUOT ? drop_report(b, DROP_LIMIT, service, address) : status;
}

int snapshot_builder_add_service(struct snapshot_builder *b, const char *service)
{
	char name[SERVICE_NAME_SIZE];
	const enum drop reason = report_check_service(service, name);
	struct group *g;

	if (reason != DROP_NONE)
		return drop_report(b, reason, service != NULL ? service : "", "");
	int r = groups_take(&b->groups, name, &g);
	return r == -EDQUOT ? drop_report(b, DROP_LIMIT, name, "") : r;
}

int snapshot_builder_keep_service(struct snapshot_builder *b, const struct service *s)
{
	struct group *g;
	int r = groups_take(&b->groups, s->name, &g);

	if (r == -EDQUOT)
		return drop_report(b, DROP_LIMIT, s->name, "");
	if (r < 0)
		return r;
	r = groups_keep(&b->groups, g, s);
	if (r == -EDQUOT) {
		b->findings.dropped[DROP_LIMIT] += s->n_instances - 1;
		return drop_report(b, DROP_LIMIT, s->name, "");
	}
	return r;
}

int snapshot_builder_add_snapshot(struct snapshot_builder *b, const struct snapshot *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_services; i++)
		r = snapshot_builder_keep_service(b, s->services[i]);
	for (size_t i = 0; i < DROP_REASONS; i++)
		b->findings.dropped[i] += snapshot_dropped(s, (enum drop)i);
	for (size_t i = 0; i < snapshot_n_remarks(s) && b->findings.n_remarks < DROP_REMARKS_MAX; i++)
		add_remark(b, snapshot_remark(s, i));
	return r;
}

static int make_snapshot(struct snapshot_builder *b, const struct snapshot *previous, struct snapshot *s)
{
	const size_t n = b->groups.n;
	int r = findings_make(&b->findings, previous != NULL ? previous->findings : NULL, &s->findings);

	if (r == 0)
		r = groups_make_services(&b->groups, previous != NULL ? previous->services : NULL,
					 previous != NULL ? previous->n_services : 0, s->services);
	if (r < 0)
		return r;
	s->n_services = n;
	for (size_t i = 0; i < n; i++)
		s->n_instances += s->services[i]->n_instances;
	return 0;
}

int snapshot_builder_seal(struct snapshot_builder *b, const struct snapshot *previous, struct snapshot **ret)
{
	struct snapshot *s = calloc(1, sizeof(*s) + b->groups.n * sizeof(s->services[0]));
	int r = -ENOMEM;

	if (s != NULL) {
		s->users = 1;
		r = make_snapshot(b, previous, s);
	}
	if (r == 0)
		*ret = s;
	else
		snapshot_release(s);
	snapshot_builder_empty(b);
	return r;
}
