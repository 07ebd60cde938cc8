/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz/fuzz_config.c -- any octets as a configuration file. Besides what the sanitizers see: what is refused
 * is explained, and what is accepted holds what the other modules rely on. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"
#include "model/freshness.h"
#include "model/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static bool is_service(const char *text)
{
	char folded[SERVICE_NAME_SIZE];

	return report_check_service(text, folded) == DROP_NONE;
}

/* What the kinds that are asked over a network take for granted. */
static void check_remote(const struct registry_options *r)
{
	const struct http_options *http = &r->http;

	expect((http->cert_file == NULL) == (http->key_file == NULL));
	expect((http->user == NULL) == (http->password_file == NULL));
	expect((http->user != NULL) + (http->token != NULL) + (http->token_file != NULL) <= 1);
	if (strcmp(r->kind, "dns") == 0) {
		expect(r->dns.server.len > 0 && r->dns.names[0] != NULL);
		return;
	}
	expect(http->url != NULL && strncmp(http->url, "http", 4) == 0 && http->max_size > 0);
	if (strcmp(r->kind, "consul") == 0)
		expect(r->consul.held > 0 && r->consul.wait_ms >= 1000);
	if (strcmp(r->kind, "etcd") == 0)
		expect(r->etcd.urls[0] == http->url && r->etcd.prefix != NULL &&
		       (r->etcd.user == NULL) == (r->etcd.password_file == NULL));
}

static void check_registry(const struct registry_options *r)
{
	expect(r->name != NULL && r->kind != NULL && r->service_label != NULL);
	if (strcmp(r->kind, "static") != 0)
		expect(r->interval_ms >= 100);
	if (strcmp(r->kind, "file") == 0)
		expect(r->path != NULL);
	else if (strcmp(r->kind, "static") != 0)
		check_remote(r);
	for (size_t i = 0; i < r->n_instances; i++)
		expect(r->instances[i].address != NULL && is_service(r->instances[i].service));
	expect(r->service == NULL || is_service(r->service));
}

static void check(const struct config *c)
{
	const struct feed_options *f = c->feed;

	expect(c->server.n_listen >= 1 && c->server.n_listen <= SERVER_LISTEN_MAX);
	expect(c->server.threads >= 1 && c->server.threads <= SERVER_THREADS_MAX);
	expect(c->user != NULL && c->forward.n_upstreams <= FORWARD_UPSTREAMS_MAX);
	expect(f->n_zones >= 1 && f->n_registries >= 1 && f->n_registries <= FRESHNESS_REGISTRIES_MAX);
	for (size_t i = 0; i < f->n_registries; i++)
		check_registry(&f->registries[i]);
	for (size_t i = 0; i < f->n_zones; i++) {
		const struct zone_options *z = &f->zones[i];

		expect(z->answer.ttl_s <= 30 && z->answer.negative_ttl_s <= 30 && z->n_registries >= 1);
		for (size_t j = 0; j < z->n_registries; j++)
			expect(z->registries[j] < f->n_registries);
		for (size_t j = 1; j < z->n_services; j++)
			expect(strcmp(z->services[j - 1].name, z->services[j].name) < 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], *text = NULL;
	size_t len = 0;
	struct config *c = NULL;
	int fd = memfd_create("config", MFD_CLOEXEC);
	FILE *errors = open_memstream(&text, &len);

	expect(fd >= 0 && errors != NULL && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	const int r = config_read(path, errors, &c);
	expect(fclose(errors) == 0);

	expect((r == 0) == (c != NULL) && (r == 0) == (len == 0));
	if (r == 0)
		check(c);
	config_destroy(c);
	free(text);
	close(fd);
	return 0;
}
