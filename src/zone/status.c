/* SPDX-License-Identifier: BSD-2-Clause */
#include "zone/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "wire/name.h"

/* Appends what fits. */
static size_t add(char ret[STATUS_TEXT_MAX + 1], size_t len, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static size_t add(char ret[STATUS_TEXT_MAX + 1], size_t len, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	const int n = vsnprintf(ret + len, STATUS_TEXT_MAX + 1 - len, format, args);
	va_end(args);
	return n < 0 ? len : len + (size_t)n > STATUS_TEXT_MAX ? STATUS_TEXT_MAX : len + (size_t)n;
}

size_t status_of_registry(const struct freshness *f, size_t row, uint64_t now_ms,
			  char ret[STATUS_TEXT_MAX + 1])
{
	struct freshness_view v;
	size_t len;

	freshness_view(f, row, now_ms, &v);
	len = add(ret, 0, "registry=%.63s kind=%s state=%s", v.name, v.kind, registry_state_to_text(v.state));
	if (v.spoken)
		len = add(ret, len, " age=%" PRIu64 ".%" PRIu64 "s", v.age_ms / 1000, v.age_ms % 1000 / 100);
	else
		len = add(ret, len, " age=none");
	if (v.restored)
		len = add(ret, len, " from=disk");
	return add(ret, len,
		   " services=%" PRIu64 " instances=%" PRIu64 " dropped=%" PRIu64 " held=%" PRIu64
		   " failures=%" PRIu64,
		   v.services, v.instances, v.dropped, v.held, v.failures);
}

/* Those that a registry before has told already are not counted: they are no other instances. */
size_t status_of_zone(const struct table_zone *z, char ret[STATUS_TEXT_MAX + 1])
{
	char zone[NAME_TEXT_MAX];
	struct zone_counts c;
	uint64_t all = 0;

	zone_board_view(z->board, &c);
	for (enum left_out i = 0; i < LEFT_OUT_REASONS; i++)
		all += i != LEFT_OUT_REGISTRY ? c.instances[i] : 0;
	const size_t len =
		add(ret, 0, "zone=%.63s services=%" PRIu64 " instances=%" PRIu64 " answered=%" PRIu64,
		    name_to_text(z->origin.octets, zone), c.services, all, c.instances[LEFT_OUT_NOT]);
	return add(ret, len,
		   " failed-open=%" PRIu64 " unresolved=%" PRIu64 " unhealthy=%" PRIu64 " flapping=%" PRIu64
		   " unreachable=%" PRIu64 " far=%" PRIu64,
		   c.failed_open, c.instances[LEFT_OUT_ADDRESS], c.instances[LEFT_OUT_HEALTH],
		   c.instances[LEFT_OUT_FLAPPING], c.instances[LEFT_OUT_UNREACHABLE],
		   c.instances[LEFT_OUT_FAR]);
}

size_t status_of_daemon(const struct counters *c, char ret[STATUS_TEXT_MAX + 1])
{
	size_t len = add(ret, 0, "daemon");

	for (enum counter which = 0; which < COUNTERS; which++)
		len = add(ret, len, " %s=%" PRIu64, counter_name(which), counters_sum(c, which));
	return len;
}
