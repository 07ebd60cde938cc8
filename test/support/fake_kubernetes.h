/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_kubernetes.h -- a Kubernetes API server that keeps to the documented rules of list and watch,
 * for EndpointSlices and Services.
 *
 *   GET /apis/discovery.k8s.io/v1[/namespaces/NS]/endpointslices
 *   GET /api/v1[/namespaces/NS]/services
 *
 * - List: limit and continue (all pages are of one version), resourceVersion (a version of the future is 504;
 * "0" ignores limit, as the watch cache does), labelSelector by =, ==, !=, NAME, !NAME. Items have no kind of
 * their own.
 * - Watch: resourceVersion (nothing or "0": ADDED for all there is, then on), allowWatchBookmarks,
 * timeoutSeconds (half an hour and more if absent; then the stream ends cleanly), labelSelector: an object
 * that begins to match is ADDED, one that ceases to is DELETED. One line and one chunk an event.
 * sendInitialEvents is refused, as by servers that do not have it.
 * - A watch from before the kept history is 410: the status of the answer, or an ERROR event inside 200.
 * - One version for all kinds, new at each change; a DELETED object has the version of its deletion.
 *
 * Over HTTP, for benches (changes answer as struct fake_change; KIND is endpointslices or services):
 *   PUT, DELETE /_control/object/KIND/NS/NAME   the object
 *   PUT /_control/list/KIND                     {"items":[...]}, or a whole list as the API gives it
 *   PUT /_control/bookmark, /_control/compact, /_control/end-streams, /_control/cut-streams,
 * /_control/restart PUT /_control/error/CODE                    an ERROR event, which ends all streams PUT
 * /_control/history/N, /_control/gone/event, /_control/gone/status, /_control/pages/refuse,
 * /_control/pages/keep PUT /_control/mode/MODE                     normal, too-many, failing, hang PUT
 * /_control/token/TOKEN, /_control/forbid/TOKEN
 */
#ifndef PHONEBOOK_TEST_FAKE_KUBERNETES_H
#define PHONEBOOK_TEST_FAKE_KUBERNETES_H

#include "fake_http.h"

struct fake_kubernetes;

enum fake_kubernetes_kind { FAKE_SLICES, FAKE_SERVICES, FAKE_KINDS };

enum fake_kubernetes_mode {
	FAKE_KUBERNETES_NORMAL,
	FAKE_KUBERNETES_TOO_MANY, /* 429 with Retry-After */
	FAKE_KUBERNETES_FAILING,  /* 500 */
	FAKE_KUBERNETES_HANG,     /* accepts requests and never answers; streams are silent */
};

struct fake_kubernetes_counts {
	unsigned lists[FAKE_KINDS], pages[FAKE_KINDS], watches[FAKE_KINDS],
		other;                /* requests; a page has a continue */
	unsigned streams[FAKE_KINDS]; /* open now */
};

/* On a free port if port is 0. */
struct fake_kubernetes *fake_kubernetes_start(uint16_t port);
void fake_kubernetes_stop(struct fake_kubernetes *f);

/* Its server: URL, counts, heads, connections, down and up. */
struct fake_http *fake_kubernetes_http(struct fake_kubernetes *f);

struct fake_kubernetes_counts fake_kubernetes_counts(struct fake_kubernetes *f);
uint64_t fake_kubernetes_version(struct fake_kubernetes *f);

/* --- objects --- */

/* Adds or replaces an object. Of json, namespace, name, version and what is missing of the metadata are set.
 */
struct fake_change fake_kubernetes_put(struct fake_kubernetes *f, enum fake_kubernetes_kind kind,
				       const char *ns, const char *name, const char *json);

/* Nothing happens if it is not there. */
struct fake_change fake_kubernetes_delete(struct fake_kubernetes *f, enum fake_kubernetes_kind kind,
					  const char *ns, const char *name);

/* Puts each item of a list, under the namespace and name of its metadata. */
struct fake_change fake_kubernetes_load(struct fake_kubernetes *f, enum fake_kubernetes_kind kind,
					const char *list_json);

/* --- streams --- */

/* Moves the version, as objects of other kinds do, and tells it to those who allow bookmarks. */
struct fake_change fake_kubernetes_bookmark(struct fake_kubernetes *f);

/* Forgets the history and the pages of lists under way. */
void fake_kubernetes_compact(struct fake_kubernetes *f);

/* How many events are kept; 10,000 at the start. */
void fake_kubernetes_keep(struct fake_kubernetes *f, unsigned events);

/* Ends all streams cleanly. */
void fake_kubernetes_end_streams(struct fake_kubernetes *f);

/* The next event comes only half, and its connection is cut. */
void fake_kubernetes_cut_streams(struct fake_kubernetes *f);

/* Sends an ERROR event with such a Status, and ends all streams. */
void fake_kubernetes_send_error(struct fake_kubernetes *f, int code);

/* Sends something as it is into all streams of a kind. */
void fake_kubernetes_write(struct fake_kubernetes *f, enum fake_kubernetes_kind kind, const char *text);

/* Cuts all connections; the watch cache starts empty, so the history is gone, but no object is. */
void fake_kubernetes_restart(struct fake_kubernetes *f);

/* --- what it refuses --- */

void fake_kubernetes_set_mode(struct fake_kubernetes *f, enum fake_kubernetes_mode mode);

/* Whether 410 on a watch is an event inside of 200; at the start it is the status. */
void fake_kubernetes_gone_as_event(struct fake_kubernetes *f, bool yes);

/* Whether every continue token is 410. */
void fake_kubernetes_refuse_pages(struct fake_kubernetes *f, bool yes);

/* The only token that is let in, others are 401; NULL lets everybody in, as kubectl proxy does. */
void fake_kubernetes_set_token(struct fake_kubernetes *f, const char *token);

/* A token whose owner is known but has no rights: 403. */
void fake_kubernetes_forbid(struct fake_kubernetes *f, const char *token);

/* Whether nobody has the right to list or watch that kind: 403. */
void fake_kubernetes_forbid_kind(struct fake_kubernetes *f, enum fake_kubernetes_kind kind, bool yes);

#endif
