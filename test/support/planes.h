/* SPDX-License-Identifier: BSD-2-Clause */
/* support/planes.h -- the whole daemon but its main(): both planes in this process, on a free port of
 * 127.0.0.1, from the text of a configuration.
 *
 *   text --config_read--> sockets, workers, feeder --> running --planes_stop--> gone, nothing left behind
 *
 * Start them in the test (or a checked fixture): threads do not survive Check's fork.
 */
#ifndef PHONEBOOK_TEST_PLANES_H
#define PHONEBOOK_TEST_PLANES_H

#include <stdbool.h>
#include <stdint.h>

#include "harness.h"
#include "model/counters.h"

struct config;
struct planes;

/* Reads a configuration from text; fails the test if it is not good. */
struct config *planes_read_config(const char *text);

/* Starts with this configuration, to which listen and user are added; printf's format. */
struct planes *planes_start(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What SIGHUP does. */
void planes_reload(struct planes *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What SIGTERM does. Returns how many milliseconds it took. NULL is fine. */
uint64_t planes_stop(struct planes *p);

uint16_t planes_port(const struct planes *p);

/* What SIGUSR1 does. */
void planes_refresh(struct planes *p);

/* Waits until the feeder has called ready(); false after the usual limit. */
bool planes_are_ready(struct planes *p);

/* Asks for the A records of the name until they are these (client_text()), or fails the test. */
void planes_await(struct planes *p, const char *name, const char *text);

/* Asks once. */
void planes_expect(struct planes *p, const char *name, const char *text);

/* One value of a registry's line at _status.service.local: "state" of "dc1"; of the zone's line when registry
 * is NULL. "" when there is none. Good until the next call. */
const char *planes_status(struct planes *p, const char *registry, const char *key);

/* Waits until that value is this one, or fails the test. */
void planes_await_status(struct planes *p, const char *registry, const char *key, const char *value);

/* The same for counters that go up: at least n. */
void planes_await_count(struct planes *p, const char *registry, const char *key, unsigned long n);

/* How often that was counted so far, by all workers. */
unsigned long planes_counter(const struct planes *p, enum counter which);

/* Waits until that is n at least, or fails the test. */
void planes_await_counter(const struct planes *p, enum counter which, unsigned long n);

/* From here to log_release() stderr is kept to be read. */
void log_capture(void);
void log_release(void);

/* Waits until the log has this text, or fails the test and shows the log. */
void log_await(const char *text);

/* How often the text is in the log. */
unsigned log_count(const char *text);

#endif
