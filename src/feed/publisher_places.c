/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/publisher_parts.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "feed/facts.h"
#include "zone/rules.h"

enum {
	PROBE_LINES = 20, /* in the log, between two looks: what fails together is told together */
};

/* What the prober knows counts only while somebody asks: it is not kept up to date otherwise. */
static struct facts facts_of(const struct publisher *p, const struct publisher_zone *z, bool with_probes)
{
	return (struct facts){ .resolver = p->o.resolver,
			       .prober = with_probes ? p->o.prober : NULL,
			       .dampers = z->dampers,
			       .home = p->o.home,
			       .zone_of_host = p->o.feed->zone_of_host };
}

int publisher_select(const struct publisher *p, const struct publisher_zone *z, const char *name,
		     bool with_probes, struct selection *ret)
{
	struct facts known = facts_of(p, z, with_probes);
	const struct policy_facts facts = facts_for_policy(&known);

	return policy_select(z->options, p->o.snapshots, name, &facts, ret);
}

static struct served *served_of(const struct asked_service *s)
{
	return (struct served *)((uintptr_t)s - offsetof(struct served, asked));
}

/* Connecting to ourselves would only count among our own clients. */
static bool is_own(const struct publisher *p, const struct address *address, uint16_t port)
{
	const struct feed_options *feed = p->o.feed;

	for (size_t i = 0; i < feed->n_listen; i++) {
		struct address own;

		endpoint_to_address(&feed->listen[i], &own);
		if (endpoint_port(&feed->listen[i]) == port && memcmp(&own, address, sizeof(own)) == 0)
			return true;
	}
	return false;
}

static void name_member(struct publisher *p, struct asked_service *s, const struct member *m)
{
	const uint16_t port = m->instance->port;

	if (!rules_can_be_probed(m->instance))
		return;
	for (size_t i = 0; i < m->n_addresses; i++) {
		if (is_own(p, &m->addresses[i], port))
			continue;
		asked_add(&p->asked, &m->addresses[i], port, s);
		prober_want(p->o.prober, &m->addresses[i], port, s->is_new);
	}
}

/* All that may be answered once those where nobody answers are left out. */
static void name_service(struct publisher *p, struct asked_service *s)
{
	const struct served *served = served_of(s);
	struct selection selection;

	if (publisher_select(p, served->zone, served->name, false, &selection) != 0)
		p->asked.is_stale = true;
	for (size_t i = 0; i < selection.n_all; i++) {
		const struct member *m = &selection.members[i];

		if (m->left_out == LEFT_OUT_NOT || m->left_out == LEFT_OUT_FAR)
			name_member(p, s, m);
	}
	selection_finish(&selection);
}

static void name_places(struct publisher *p)
{
	struct asked_service *s;

	asked_begin(&p->asked);
	prober_begin(p->o.prober);
	TAILQ_FOREACH(s, &p->asked.services, link)
	{
		if (s->is_asked)
			name_service(p, s);
	}
	asked_end(&p->asked);
	prober_end(p->o.prober);
}

static void log_untold(struct publisher *p)
{
	if (p->n_down_untold + p->n_up_untold > 0)
		log_event(LOG_INFO, "event=probe more_down=%u more_up=%u", p->n_down_untold, p->n_up_untold);
	p->n_told = p->n_down_untold = p->n_up_untold = 0;
}

bool publisher_look(struct publisher *p)
{
	struct probe_counts counts;

	log_untold(p);
	prober_count(p->o.prober, &counts);
	asked_look(&p->asked, clock_ms(), p->o.feed->probe.idle_ms, counts.silent > 0);
	if (p->asked.is_stale)
		name_places(p);
	return p->asked.has_due;
}

static void log_place(struct publisher *p, const struct served *s, const struct asked_place *place,
		      bool is_silent, const char *reason)
{
	char zone[NAME_TEXT_MAX], text[ENDPOINT_TEXT_MAX];
	struct endpoint at;

	if (p->n_told >= PROBE_LINES) {
		if (is_silent)
			p->n_down_untold++;
		else
			p->n_up_untold++;
		return;
	}
	p->n_told++;
	endpoint_from_address(&place->address, place->port, &at);
	log_event(LOG_INFO, "zone=%s service=%s instance=%s probe=%s reason=\"%s\"",
		  name_to_text(s->zone->options->origin.octets, zone), s->name, endpoint_to_text(&at, text),
		  is_silent ? "down" : "up", reason);
}

bool publisher_place_changed(struct publisher *p, const struct address *address, uint16_t port,
			     bool is_silent, const char *reason)
{
	const struct asked_place *places;
	const size_t n = asked_find(&p->asked, address, port, &places);

	for (size_t i = 0; i < n; i++)
		log_place(p, served_of(places[i].service), &places[i], is_silent, reason);
	return p->asked.has_due;
}

/* Many places may have changed since the last table; each service is composed once. */
void publisher_update_due(struct publisher *p)
{
	if (!p->asked.has_due)
		return;
	p->asked.has_due = false;
	for (struct asked_service *s = TAILQ_FIRST(&p->asked.services), *next; s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (!s->is_due)
			continue;
		s->is_due = false;
		publisher_update_in(p, served_of(s)->zone, served_of(s)->name);
	}
}
