/* SPDX-License-Identifier: BSD-2-Clause */
/* bench/herd.c -- what a registry sees of a thousand sidecars: the schedule itself, driven by a clock that
 * only counts.
 *
 *   herd [--seed N] [--sidecars N] [--plot]
 *
 * All start within one second, without data. They poll every 30 s + random(0 .. 5 s); for some minutes the
 * registry is down. Every request is counted in the second in which it is made, those that fail too.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/schedule.h"

enum {
	INTERVAL_MS = 30000,
	JITTER_MS = 5000,
	STARTED_S = INTERVAL_MS / 1000, /* the first interval is not judged */
	DOWN_S = 300,
	AFTER_S = 120, /* the window after an outage: longer than any pause */
	END_S = 1200,
	BAR_MAX = 60,
};

static const int outages_s[] = { 5, 20, 60, 300 };

struct fleet {
	unsigned sidecars, up_s; /* the second in which the registry is back */
	unsigned per_second[END_S];
};

/* One seed for all: the same herd each time. */
static void seed(struct random *r, uint64_t n)
{
	for (int i = 0; i < 4; i++) {
		n += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
		uint64_t z = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		r->state[i] = z ^ (z >> 31);
	}
}

static bool is_down(const struct fleet *f, uint64_t at_ms)
{
	return at_ms >= (uint64_t)DOWN_S * 1000 && at_ms < (uint64_t)f->up_s * 1000;
}

static void run_sidecar(struct fleet *f, struct random *r)
{
	struct schedule s = { .interval_ms = INTERVAL_MS, .jitter_ms = JITTER_MS };
	uint64_t at_ms = random_below(r, 1000);

	at_ms += schedule_first(&s, false, r);
	while (at_ms < (uint64_t)END_S * 1000) {
		f->per_second[at_ms / 1000]++;
		at_ms += is_down(f, at_ms) ? schedule_after_failure(&s, 0, r)
					   : schedule_after_success(&s, 0, r);
	}
}

static unsigned busiest(const struct fleet *f, unsigned from_s, unsigned to_s)
{
	unsigned most = 0;

	for (unsigned i = from_s; i < to_s; i++)
		most = f->per_second[i] > most ? f->per_second[i] : most;
	return most;
}

static double mean(const struct fleet *f)
{
	return f->sidecars * 1000.0 / (INTERVAL_MS + JITTER_MS / 2.0);
}

static void print_figure(const struct fleet *f, const char *what, unsigned from_s, unsigned to_s)
{
	const unsigned most = busiest(f, from_s, to_s);

	printf("%-38s%6u%8.1f\n", what, most, most / mean(f));
}

/* One line for so many seconds: the busiest of them. */
static void plot(const struct fleet *f, unsigned step_s)
{
	const unsigned most = busiest(f, STARTED_S, END_S);

	for (unsigned at = 0; at < f->up_s + AFTER_S + 60; at += step_s) {
		const unsigned n = busiest(f, at, at + step_s);
		const unsigned bar = n < most ? n * BAR_MAX / most : BAR_MAX;

		printf("%5u s %5u %.*s%s%s\n", at, n, (int)bar,
		       "############################################################", n > most ? "..." : "",
		       is_down(f, (uint64_t)at * 1000) ? "  down" : "");
	}
}

static void run(struct fleet *f, uint64_t number, int outage_s)
{
	struct random r;

	f->up_s = (unsigned)(DOWN_S + outage_s);
	memset(f->per_second, 0, sizeof(f->per_second));
	seed(&r, number);
	for (unsigned i = 0; i < f->sidecars; i++)
		run_sidecar(f, &r);
}

int main(int argc, char **argv)
{
	static struct fleet f = { .sidecars = 1000 };
	uint64_t number = 1;
	bool plots = false;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--plot") == 0)
			plots = true;
		else if (strcmp(argv[i], "--seed") == 0)
			number = strtoull(value, NULL, 10), i++;
		else if (strcmp(argv[i], "--sidecars") == 0)
			f.sidecars = (unsigned)strtoul(value, NULL, 10), i++;
		else
			return fprintf(stderr, "usage: herd [--seed N] [--sidecars N] [--plot]\n"), 2;
	}
	printf("%u sidecars, every %d s + random(0 .. %d s); mean %.1f requests a second\n", f.sidecars,
	       INTERVAL_MS / 1000, JITTER_MS / 1000, mean(&f));
	printf("%-38s%6s%8s\n", "the busiest second", "", "x mean");
	for (size_t i = 0; i < sizeof(outages_s) / sizeof(outages_s[0]); i++) {
		char text[64];

		run(&f, number, outages_s[i]);
		if (i == 0) {
			print_figure(&f, "at the start", 0, STARTED_S);
			print_figure(&f, "after the first interval", STARTED_S, DOWN_S);
		}
		snprintf(text, sizeof(text), "in an outage of %d s", outages_s[i]);
		print_figure(&f, text, DOWN_S, f.up_s);
		snprintf(text, sizeof(text), "after it, within %d s", AFTER_S);
		print_figure(&f, text, f.up_s, f.up_s + AFTER_S);
	}
	if (plots)
		plot(&f, 2);
	return 0;
}
