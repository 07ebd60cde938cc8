/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "fake_http_private.h"

static void note_arrival(struct fake_http *s)
{
	const size_t second = (size_t)((fake_now_ns() - s->arrivals_from_ns) / 1000000000);

	if (second >= s->n_arrivals) {
		const size_t n = second + 64;

		s->arrivals = realloc(s->arrivals, n * sizeof(*s->arrivals));
		fake_must(s->arrivals != NULL, "out of memory");
		memset(s->arrivals + s->n_arrivals, 0, (n - s->n_arrivals) * sizeof(*s->arrivals));
		s->n_arrivals = n;
	}
	s->arrivals[second]++;
}

void fake_http_note(struct fake_http *s, const struct fake_request *x)
{
	char **place = &s->heads[s->n_heads++ % FAKE_HEADS_KEPT];

	free(*place);
	*place = fake_copy(x->head);
	note_arrival(s);
	s->counts.requests++;
	s->counts.under_way++;
	if (s->counts.under_way > s->counts.most_under_way)
		s->counts.most_under_way = s->counts.under_way;
}

static void answer_counts(struct fake_http *s, struct fake_request *x)
{
	const struct fake_http_counts *n = &s->counts;
	struct fake_octets o = { 0 };

	fake_octets_format(&o,
			   "{\"requests\":%u,\"under_way\":%u,\"most_under_way\":%u,\"accepted\":%u,"
			   "\"connections\":%u,\"most_connections\":%u,\"refused\":%u}\n",
			   n->requests, n->under_way, n->most_under_way, n->accepted, n->connections,
			   n->most_connections, n->refused);
	fake_request_json(x, 200, o.at);
	fake_octets_finish(&o);
}

static void answer_arrivals(struct fake_http *s, struct fake_request *x)
{
	const size_t now = (size_t)((fake_now_ns() - s->arrivals_from_ns) / 1000000000);
	struct fake_octets o = { 0 };

	fake_octets_text(&o, "{\"per_second\":[");
	for (size_t i = 0; i <= now; i++)
		fake_octets_format(&o, i > 0 ? ",%u" : "%u", i < s->n_arrivals ? s->arrivals[i] : 0);
	fake_octets_text(&o, "]}\n");
	fake_request_json(x, 200, o.at);
	fake_octets_finish(&o);
}

static void clear_arrivals(struct fake_http *s)
{
	free(s->arrivals);
	s->arrivals = NULL;
	s->n_arrivals = 0;
	s->arrivals_from_ns = fake_now_ns();
}

void fake_http_control(struct fake_http *s, struct fake_request *x)
{
	const bool put = strcmp(x->method, "PUT") == 0;
	const bool erase = strcmp(x->method, "DELETE") == 0;
	const char *what = x->path + strlen("/_control/");

	if (strcmp(what, "counts") == 0) {
		answer_counts(s, x);
		return;
	}
	if (strcmp(what, "arrivals") == 0 && !erase) {
		answer_arrivals(s, x);
		return;
	}
	if (erase && strcmp(what, "arrivals") == 0) {
		clear_arrivals(s);
	} else if (put && strcmp(what, "cut") == 0) {
		fake_http_cut_connections(s, false);
	} else if (put && strcmp(what, "down") == 0) {
		const char *ms = fake_request_param(x, "ms");

		fake_http_stop_listening(s, ms != NULL ? strtoull(ms, NULL, 10) : 0);
		fake_http_cut_connections(s, false);
	} else if (put && strcmp(what, "up") == 0) {
		fake_http_listen(s);
	} else if (s->handler.control != NULL) {
		s->handler.control(s->context, x);
		return;
	} else {
		fake_request_text(x, 404, "no such control");
		return;
	}
	fake_request_json(x, 200, "{}\n");
}

/* --- what tests call --- */

struct fake_http_counts fake_http_counts(struct fake_http *s)
{
	fake_http_lock(s);
	const struct fake_http_counts counts = s->counts;
	fake_http_unlock(s);
	return counts;
}

char *fake_http_last_head(struct fake_http *s, const char *target)
{
	char *copy = NULL;

	fake_http_lock(s);
	for (size_t i = 0; i < FAKE_HEADS_KEPT && i < s->n_heads && copy == NULL; i++) {
		const char *head = s->heads[(s->n_heads - 1 - i) % FAKE_HEADS_KEPT];
		const char *its = strchr(head, ' ');

		if (its != NULL && strncmp(its + 1, target, strlen(target)) == 0)
			copy = fake_copy(head);
	}
	fake_http_unlock(s);
	return copy;
}

void fake_http_limit_locked(struct fake_http *s, unsigned max, const char *answer)
{
	free(s->refusal);
	s->refusal = answer != NULL ? fake_copy(answer) : NULL;
	s->max_connections = max;
}

void fake_http_limit(struct fake_http *s, unsigned max, const char *answer)
{
	fake_http_lock(s);
	fake_http_limit_locked(s, max, answer);
	fake_http_unlock(s);
}
