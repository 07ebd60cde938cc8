/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/registry.h -- what a kind of registry is, and the kinds there are.
 *
 *   feeder: begin() -> while next(): run the request, read() what came -> round complete -> seal
 *
 * A kind does no I/O and knows no loop, no thread and no clock: it names requests and reads bodies. So its
 * tests are: bytes in, instances out. All calls come from the feeder thread. docs/registries.md shows how to
 * add one.
 */
#ifndef PHONEBOOK_REGISTRY_REGISTRY_H
#define PHONEBOOK_REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/snapshot.h"

/* How to speak to an HTTP server. Strings may be NULL: not set. */
struct http_options {
	const char *url;
	const char *unix_socket;          /* path; the host in the URL is then only a name */
	const char *token_file;           /* "Authorization: Bearer ...", read anew for each request */
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

/* One registry block of the configuration, all kinds in one: what a kind does not know stays 0. */
struct registry_options {
	const char *kind, *name;
	uint64_t fingerprint; /* of all values as written: equal means nothing changed at a reload */
	uint64_t interval_ms, jitter_ms;
	struct http_options http;
	const char *service;       /* for bodies that name no service; NULL: such a body is an error */
	const char *service_label; /* which label names the service; never NULL */
	const char *path;          /* file: a path or a glob */
	uint64_t max_size;         /* file: of one file, octets */
	const struct static_instance *instances;
	size_t n_instances;
};

enum fetch_source {
	FETCH_HTTP,  /* one GET, answered once: one result */
	FETCH_FILES, /* all files a glob matches: one result each, then next() is asked again */
};

struct fetch_request {
	enum fetch_source source;
	const char *path; /* FETCH_FILES; borrowed from the options */
	uint64_t max_size;
	const struct http_options *http;  /* FETCH_HTTP */
	const char *etag, *last_modified; /* validators to send, NULL: none; borrowed until the result */
};

/* What became of a request. Everything is borrowed for the call of read(). */
struct fetch_result {
	const char *name;       /* the URL or the file's path, for messages */
	int error;              /* 0, or a negative errno: no (complete) answer */
	const char *error_text; /* what happened, for people; with error */
	int status;             /* HTTP status; 200 for a file */
	bool unchanged;         /* FETCH_FILES: the same file as at the last round, body not read again */
	bool last;              /* FETCH_FILES: no other file follows */
	const char *body;       /* len octets, NUL behind */
	size_t len;
	const char *content_type, *etag, *last_modified; /* NULL: not sent */
};

struct registry;

enum {
	ROUND_UNCHANGED = 1, /* read(): the registry has nothing new; what it said last stays and is fresh */
};

struct registry_kind {
	const char *name; /* as written in the configuration */

	/* Asked over a network. A sudden loss may then be the registry's mistake, and is held back for as
	 * long as the zone says (design: brake); and after a reload that left the block as it was, the first
	 * round may wait for its turn. False for what people and programs write on this host: that is
	 * believed, and looked at, at once. */
	bool brake;

	/* The options are borrowed until destroy(). */
	int (*create)(const struct registry_options *o, struct registry **ret);
	void (*destroy)(struct registry *r); /* NULL is fine */

	/* A round starts; what is known without asking goes into b. */
	int (*begin)(struct registry *r, struct snapshot_builder *b);

	/* The next request of this round; false: there is none, the round is complete. */
	bool (*next)(struct registry *r, struct fetch_request *ret);

	/* Takes a result: 0, ROUND_UNCHANGED, or a negative errno that spoils the round, its reason set by
	 * snapshot_builder_fail(). NULL for a kind whose next() is never true. */
	int (*read)(struct registry *r, const struct fetch_result *res, struct snapshot_builder *b);

	/* After a reload that left the block as it was: takes over what old remembers beyond the snapshot,
	 * e.g. what a file that is broken now said before. Before the first round. May be NULL. */
	int (*inherit)(struct registry *r, const struct registry *old);

	/* The round that was read is now what Phonebook believes (accepted), or was thrown away: validators
	 * are kept only if accepted, or one bad body would be confirmed by 304 for ever. May be NULL. */
	void (*end)(struct registry *r, bool accepted);
};

/* Whether glob(3) would find a pattern in the len characters: then a path stands for many files. */
bool path_has_glob(const char *text, size_t len);

/* The kind of that name, or NULL. */
const struct registry_kind *registry_kind_find(const char *name);

extern const struct registry_kind registry_static, registry_file, registry_http;

#endif
