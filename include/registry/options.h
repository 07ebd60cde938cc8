/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/options.h -- what a registry block of the configuration says.
 *
 * Plain values; who makes them owns the texts, which outlive the registry. Written once, then read by the
 * feeder thread.
 */
#ifndef PHONEBOOK_REGISTRY_OPTIONS_H
#define PHONEBOOK_REGISTRY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "model/service.h"
#include "model/snapshot.h"

/* How to speak to an HTTP server. Strings may be NULL: not set. */
struct http_options {
	const char *url;
	const char *unix_socket;          /* path; the host in the URL is then only a name */
	const char *token;                /* "Authorization: Bearer ..." */
	const char *token_file;           /* the same, read anew for each request */
	const char *user, *password_file; /* basic authentication */
	const char *const *headers;       /* "Name: value", NULL at the end; may be NULL */
	const char *ca_file;              /* instead of the host's authorities */
	const char *cert_file, *key_file; /* client certificate */
	uint64_t timeout_ms;
	uint64_t max_size; /* of the decoded body, octets */
};

struct static_instance {
	const char *address; /* "10.0.0.9:8080" */
	const char *service, *name, *port_name, *zone;
	const char *const *tags;
	size_t n_tags;
	long weight, priority;
	enum health health;
	enum protocol protocol;
};

enum consul_mode {
	CONSUL_HEALTH,  /* /v1/health/service: instances with their checks */
	CONSUL_CATALOG, /* /v1/catalog/service: instances as registered, alive or not */
};

/* Strings may be NULL: not set. Lists have NULL at the end; NULL or empty: not set. */
struct consul_options {
	enum consul_mode mode;
	const char *const *services; /* names; not set: all that the catalog lists */
	const char *const *tags;     /* an instance must have all of them */
	const char *datacenter, *namespace, *partition, *near, *filter;
	bool stale;       /* any server may answer, not only the leader */
	uint64_t wait_ms; /* of a blocking query */
	unsigned held;    /* blocking queries at a time; what is beyond is polled */
};

enum etcd_layout {
	ETCD_SKYDNS, /* PREFIX/local/service/inventory/x1: {"host":...,"port":...} */
	ETCD_NAMING, /* PREFIX/inventory/10.0.0.1:80: {"Addr":...} of etcd's own client */
};

struct etcd_options {
	const char *const *urls; /* members of the cluster, NULL at the end */
	const char *prefix;
	const char *zone; /* skydns: whose names stand below the prefix; NULL: below it are services */
	enum etcd_layout layout;
	const char *user, *password_file; /* for a token of etcd's own */
};

enum kubernetes_names {
	KUBERNETES_SERVICE,           /* inventory */
	KUBERNETES_SERVICE_NAMESPACE, /* inventory.shop */
};

struct kubernetes_options {
	const char *const *namespaces; /* NULL at the end; not set: all */
	enum kubernetes_names names;
	const char *label_selector; /* NULL: none */
};

enum dns_ask {
	DNS_ASK_SRV,     /* ports, weights and targets */
	DNS_ASK_ADDRESS, /* A and AAAA */
};

struct dns_options {
	struct endpoint server;
	const char *const *names; /* "inventory.service.consul" or "stock=inventory.service.consul" */
	enum dns_ask ask;
	long port; /* of instances found by address; 0: none */
};

/* One registry block of the configuration, all kinds in one: what a kind does not know stays 0. */
struct registry_options {
	const char *kind, *name;
	uint64_t fingerprint; /* of all values as written: equal means nothing changed at a reload */
	uint64_t interval_ms, jitter_ms;
	struct snapshot_limits limits;
	bool watch; /* learn of changes from the registry, as far as it can tell them; else by polls */
	struct http_options http;
	const char *service;       /* for bodies that name no service; NULL: such a body is an error */
	const char *service_label; /* which label names the service; never NULL */
	const char *path;          /* file: a path or a glob */
	uint64_t max_size;         /* file: of one file, octets */
	const struct static_instance *instances;
	size_t n_instances;
	struct consul_options consul;
	struct etcd_options etcd;
	struct kubernetes_options kubernetes;
	struct dns_options dns;
};

#endif
