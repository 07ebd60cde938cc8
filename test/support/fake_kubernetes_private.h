/* SPDX-License-Identifier: BSD-2-Clause */
/* support/fake_kubernetes_private.h -- between fake_kubernetes.c (requests) and fake_kubernetes_change.c
 * (what tests do). */
#ifndef PHONEBOOK_TEST_FAKE_KUBERNETES_PRIVATE_H
#define PHONEBOOK_TEST_FAKE_KUBERNETES_PRIVATE_H

#include <sys/queue.h>

#include "fake_kubernetes.h"
#include "fake_kubernetes_state.h"

/* A stream under way. */
struct kube_watch {
	LIST_ENTRY(kube_watch) link;
	struct fake_request *x;
	struct kube_scope scope; /* its texts are the request's */
	uint64_t above;          /* it has all events up to this version */
	bool bookmarks;
};

LIST_HEAD(kube_watches, kube_watch);

struct fake_kubernetes {
	struct fake_http *http; /* its lock is that of all below */
	struct kube_state state;
	struct kube_watches watches;
	struct fake_kubernetes_counts counts;
	enum fake_kubernetes_mode mode;
	bool gone_as_event, refuse_pages, cut_next;
	char *token, *forbidden_token;
	bool forbidden_kinds[FAKE_KINDS];
};

/* A Status; details: JSON members that follow "reason", or "". */
void kube_write_status(int code, const char *reason, const char *message, const char *details,
		       struct fake_octets *ret);

/* Ends a stream cleanly; watch is freed. */
void kube_end_watch(struct fake_kubernetes *f, struct kube_watch *watch);

/* Sends what is in the history and not in the stream yet. */
void kube_send_history(struct fake_kubernetes *f, struct kube_watch *watch);

void kube_control(void *context, struct fake_request *x);

#endif
