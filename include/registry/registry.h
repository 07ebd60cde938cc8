/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/registry.h -- what a kind of registry is, and the kinds there are.
 *
 *   start() -> resources -> for each: ask() -> the request is run -> read() -> ledger, and how to go on
 *
 * A kind does no I/O and knows no loop, no thread and no clock: it names requests and reads what came. So its
 * tests are: octets in, instances out. Who runs it (feed/errand) keeps one request of each resource under
 * way, paces them, and lets none wait for another. All calls come from the feeder thread. docs/registries.md
 * shows how to add one.
 */
#ifndef PHONEBOOK_REGISTRY_REGISTRY_H
#define PHONEBOOK_REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ledger.h"
#include "model/snapshot.h"
#include "registry/options.h"

enum fetch_source {
	FETCH_HTTP,   /* one request, answered once; the answer may be held back by the server (long poll) */
	FETCH_STREAM, /* one request, answered by JSON objects without an end: one result each */
	FETCH_FILES,  /* all files a glob matches: one result each */
	FETCH_SECRET, /* a file with a password or token, without the line end */
	FETCH_DNS,    /* one question to one server: the message as it came */
};

struct fetch_request {
	enum fetch_source source;

	/* FETCH_FILES, FETCH_SECRET: the file. FETCH_HTTP, FETCH_STREAM: goes behind the path of the URL,
	 * with its query, percent-encoded where needed ("/v1/health/service/a%2Fb?index=7"); NULL: the URL as
	 * it is. */
	const char *path;
	uint64_t max_size; /* of the body, of an object of a stream, of a file; octets. 0: the options' */

	const struct http_options *http;  /* FETCH_HTTP, FETCH_STREAM */
	const char *url;                  /* instead of the options' */
	const char *body;                 /* JSON to POST; NULL: GET */
	const char *authorization;        /* value of that header, instead of what the options say */
	const char *const *headers;       /* further ones, "Name: value", NULL at the end; may be NULL */
	const char *const *wanted;        /* names of headers of the answer to tell; as above */
	const char *etag, *last_modified; /* validators to send; NULL: none */

	uint64_t timeout_ms; /* until the end, also of a stream, whose life it is; 0: the options' */
	uint64_t first_ms;   /* FETCH_STREAM: until the first octet of the body; 0: silence_ms */
	uint64_t silence_ms; /* FETCH_STREAM: without an octet for so long, it is dead */
	bool held; /* the server may keep it waiting: the limit on requests at a time leaves it out */

	struct endpoint server; /* FETCH_DNS */
	const char *name;       /* FETCH_DNS: the question */
	uint16_t type;
};

struct fetch_header {
	const char *name, *value; /* name as wanted */
};

/* What became of a request. Everything is borrowed for the call of read(). */
struct fetch_result {
	const char *name; /* the URL, the file's path or the server, for messages; NULL: no file is there */
	int error;        /* 0, or a negative errno: no (complete) answer, or none any more */
	const char *error_text; /* what happened, for people; with error */
	int status;             /* HTTP status; 200 for a file, the rcode for DNS */
	bool unchanged;         /* FETCH_FILES: the same file as at the last round, body not read again */
	bool partial; /* FETCH_FILES: only files that have changed are told, or gone (-ENOENT); others stay */
	bool last;    /* nothing follows: not set for an object of a stream and a file before others */
	bool cached;  /* FETCH_HTTP: the answer may come from a cache on the way (Age, X-Cache) */
	const char *body; /* len octets, NUL behind; "" at the end of a stream */
	size_t len;
	const char *content_type, *etag, *last_modified; /* NULL: not sent */
	const struct fetch_header *headers;              /* those wanted that were sent */
	size_t n_headers;
};

/* The value of a wanted header, or NULL. Names compare without case (RFC 9110 section 5.1). */
const char *fetch_result_header(const struct fetch_result *res, const char *name);

enum { RESOURCE_POSITION_SIZE = 64 };

/* A part of a registry that is asked for by itself: a URL, a prefix, one service. Embedded in what the kind
 * knows of it, all 0 but what is said here. */
struct resource {
	const char *name; /* for messages; NULL: the registry has only this one */

	/* Without what it says the registry is not up to date, however young all else is. Not set where there
	 * is one of many alike: then the youngest of them tells the registry's age. */
	bool vital;

	struct ledger_part part; /* what it has said */

	/* Set by read(), before each call 0: for how long at most what was said holds (0: nothing said about
	 * that), and how old it was already when it came. */
	uint64_t fresh_ms, lag_ms;

	/* Set by read() (resource_set_position()) where the registry counts its changes or marks them: where
	 * it was when it said that, for people ("index 7"). */
	char position[RESOURCE_POSITION_SIZE];

	void *runner; /* of who runs it */
};

/* Sets its position; one that is too long is cut. */
void resource_set_position(struct resource *res, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What a kind asks of who runs it. Both may be called from start() and read(). */
struct registry_host {
	/* Asks for the resource from now on; its first request comes at once or when its turn is. */
	int (*start)(struct registry_host *h, struct resource *res);

	/* Asks no more: what was under way is dropped, what it said is forgotten. Not for the resource that
	 * is being read: see STEP_STOP. */
	void (*stop)(struct registry_host *h, struct resource *res);

	/* Asks for it soon, although its turn has not come; for one under way nothing changes. */
	void (*hasten)(struct registry_host *h, struct resource *res);
};

/* How read() says to go on; or a negative errno, its reason set by snapshot_builder_fail(): the resource has
 * failed, what it said last stays, and it is asked again after a pause that grows. */
enum step {
	/* More of the same answer follows (a stream, the next file). After the last it is STEP_AGAIN. */
	STEP_MORE,

	STEP_ASK,   /* another request belongs to this round, and goes out at once: the next page */
	STEP_PAUSE, /* the round is complete; another when the interval has passed */

	/* The round is complete; the next request goes out at once, as far as that does not become a loop: it
	 * waits at the server, or opens a stream. */
	STEP_AGAIN,

	STEP_STOP, /* ask no more for this resource, and forget what it said; the kind may free it */
};

struct registry;

struct registry_kind {
	const char *name; /* as written in the configuration */

	/* Asked over a network. A sudden loss may then be the registry's mistake, and is held back for as
	 * long as the zone says (design: brake); and after a reload that left the block as it was, the first
	 * round may wait for its turn. False for what people and programs write on this host: that is
	 * believed, and looked at, at once. */
	bool brake;

	/* All are borrowed until destroy(). Asks for nothing yet. */
	int (*create)(const struct registry_options *o, struct registry_host *host, struct ledger *ledger,
		      struct registry **ret);

	/* NULL is fine. All resources have been stopped. */
	void (*destroy)(struct registry *r);

	/* Starts the resources known from the beginning. */
	int (*start)(struct registry *r);

	/* What to ask next for the resource. Everything in it is borrowed until the last result was read.
	 * -ENOMEM, or another negative errno with a reason in b as in read(). */
	int (*ask)(struct registry *r, struct resource *res, struct fetch_request *ret,
		   struct snapshot_builder *b);

	/* Takes a result into the ledger, b being an empty builder for all uses: enum step or a negative
	 * errno. NULL for a kind without resources. */
	int (*read)(struct registry *r, struct resource *res, const struct fetch_result *result,
		    struct snapshot_builder *b);

	/* After a reload that left the block as it was: takes over what old remembers beyond the snapshot,
	 * e.g. what a file that is broken now said before. Before start(). May be NULL. */
	int (*inherit)(struct registry *r, const struct registry *old);
};

/* Whether glob(3) would find a pattern in the len characters: then a path stands for many files. */
bool path_has_glob(const char *text, size_t len);

/* Whether both blocks are about one registry, of two configurations: by kind and name. */
bool registry_is_same(const struct registry_options *a, const struct registry_options *b);

/* The kind of that name, or NULL. */
const struct registry_kind *registry_kind_find(const char *name);

extern const struct registry_kind registry_static, registry_file, registry_http, registry_consul,
	registry_etcd, registry_kubernetes, registry_dns;

#endif
