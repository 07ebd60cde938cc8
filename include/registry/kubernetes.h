/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/kubernetes.h -- what the sources of the kubernetes kind share; nobody else includes it.
 *
 *   list --position--> watch --position--> watch ... --expired--> list
 *     each object --read--> reports --> ledger, under "namespace/name"
 *
 * A collection is what the API calls the objects of one type, in a namespace or in all. Each is listed and
 * watched by itself. Feeder thread only.
 */
#ifndef PHONEBOOK_REGISTRY_KUBERNETES_H
#define PHONEBOOK_REGISTRY_KUBERNETES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/random.h"
#include "registry/json.h"
#include "registry/registry.h"

enum {
	/* Numbers of at most 20 digits today, and texts for us all the same. */
	KUBERNETES_POSITION_MAX = 255,

	/* A name has at most 253 characters, the name of a namespace 63. */
	KUBERNETES_KEY_SIZE = 320,

	/* What the API's own clients ask for. Of ordinary slices, a page is 1 MB. */
	KUBERNETES_PAGE = 500,
};

/* A type of objects that the API serves. */
struct kubernetes_type {
	const char *name;      /* for people, and at the end of the path */
	const char *root;      /* of the path: API group and version */
	const char *list_kind; /* of a list's body */

	/* Reads what an object says into an empty builder. 0, or -ENOMEM. */
	int (*read)(const struct json_value *object, enum kubernetes_names names, struct snapshot_builder *b);
};

extern const struct kubernetes_type kubernetes_slices, kubernetes_services;

/* How a collection is listed the next time. */
enum listing {
	LIST_CACHED, /* in any state the server has in memory */
	LIST_NEWER,  /* in any that is not older than the position */
	LIST_PAGES,  /* in the latest state, page by page */
	LIST_WHOLE,  /* in the latest state, at once */
};

struct collection {
	struct resource resource; /* first: a pointer to it is one to the collection */
	const struct kubernetes_type *type;
	const char *namespace; /* NULL: all */
	char *name;            /* of the resource */
	struct buffer path;    /* of the request under way */

	char *position;     /* up to which the ledger knows everything; NULL: to be listed first */
	bool watching;      /* the request under way is a watch */
	unsigned n_refused; /* watches in a row that had no use for the position */

	enum listing listing;
	unsigned page_size;
	char *next;   /* page of the list under way; NULL: the first */
	char *listed; /* position of its first page */
};

struct registry {
	const struct registry_options *options;
	struct registry_host *host;
	struct ledger *ledger;
	struct random random;
	size_t n;
	struct collection collections[];
};

/* An answer to a list, or to a watch; as registry_kind.read(). */
int kubernetes_read_list(struct registry *r, struct collection *c, const struct fetch_result *res,
			 struct snapshot_builder *b);
int kubernetes_read_watch(struct registry *r, struct collection *c, const struct fetch_result *res,
			  struct snapshot_builder *b);

/* The pages that were read say nothing. */
void kubernetes_abandon_list(struct registry *r, struct collection *c);

/* Nothing can be watched from the position any more: the latest state is listed next. */
void kubernetes_forget_position(struct collection *c);

/* --- objects (kubernetes_objects.c) --- */

struct kubernetes_object {
	struct json_value *tree; /* NULL: larger than JSON_VALUE_MAX, known by its metadata only */
	struct json_value *metadata_tree;
	const struct json_value *metadata;
};

/* Reads the object that the reader stands at. 0 or a negative errno as json_load(). */
int kubernetes_object_load(struct json_reader *reader, struct kubernetes_object *ret);
void kubernetes_object_free(struct kubernetes_object *o);

/* Takes what the object says into the ledger: staged, or put at once. 0 or a negative errno with its reason
 * in b. */
int kubernetes_object_take(struct registry *r, struct collection *c, const struct kubernetes_object *o,
			   bool staged, struct snapshot_builder *b);

/* The object is gone. */
void kubernetes_object_remove(struct registry *r, struct collection *c, const struct kubernetes_object *o);

/* --- Status objects: how the API says that something failed (kubernetes_status.c) --- */

enum verdict {
	VERDICT_EXPIRED, /* the position or page is too old to go on from */
	VERDICT_AHEAD,   /* the server has not come as far as the position */
	VERDICT_WAIT,    /* the same can be asked again, later */
	VERDICT_OTHER,
};

/* What the status means for who asked; v may be NULL. code: of HTTP; 0: as the status says. */
enum verdict kubernetes_judge(const struct json_value *v, int code);

/* Reads the Status in an answer that is not 200, says what happened in b's reason, and judges it. */
enum verdict kubernetes_read_refusal(const struct fetch_result *res, struct snapshot_builder *b);

#endif
