/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/home.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "feed/subnets.h"

enum {
	SETTLE_MS = 100, /* addresses come and go in groups, and links that have none of ours all the time */
	LOOK_MS = 30000, /* where the kernel tells nothing */
};

struct home {
	struct subnets subnets;
	int kernel; /* tells of changes; -1: it does not */
	struct event *told, *look;
	void (*changed)(void *context);
	void *context;
	bool is_blind; /* the addresses cannot be read, and that has been logged */
};

static void arm_look(struct home *h, uint64_t ms)
{
	const struct timeval wait = clock_timeval(ms);

	event_add(h->look, &wait);
}

/* Once when it begins. What was known stays. */
static void log_blind(struct home *h, int error)
{
	if (!h->is_blind)
		log_event(LOG_WARNING, "event=subnets error=\"%s\"", strerror(error));
	h->is_blind = true;
}

/* True when the host is in others than before. */
static bool read_subnets(struct home *h)
{
	struct ifaddrs *all;
	struct subnets now;

	if (getifaddrs(&all) != 0) {
		log_blind(h, errno);
		return false;
	}
	h->is_blind = false;
	subnets_read(all, &now);
	freeifaddrs(all);
	if (subnets_equal(&now, &h->subnets))
		return false;
	if (now.n_refused > 0 && h->subnets.n_refused == 0)
		log_event(LOG_WARNING, "event=subnets error=\"more than %d, the narrowest are ignored\"",
			  SUBNETS_MAX);
	h->subnets = now;
	return true;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct home *h = arg;

	(void)fd;
	(void)what;
	if (h->kernel < 0)
		arm_look(h, LOOK_MS);
	if (read_subnets(h))
		h->changed(h->context);
}

/* What the kernel says is not read: all of it may have been lost (ENOBUFS), so everything is looked at anew.
 */
static void on_told(evutil_socket_t fd, short what, void *arg)
{
	struct home *h = arg;
	char ignored[4096];
	ssize_t n;

	(void)what;
	do
		n = recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT | MSG_TRUNC);
	while (n > 0 || (n < 0 && (errno == ENOBUFS || errno == EINTR)));
	if (!event_pending(h->look, EV_TIMEOUT, NULL))
		arm_look(h, SETTLE_MS);
}

/* -1 where that is not allowed. */
static int listen_to_kernel(void)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* First it listens and then it looks: what changes in between is told. */
static int start(struct home *h, struct event_base *loop)
{
	h->look = evtimer_new(loop, on_look, h);
	if (h->look == NULL)
		return -ENOMEM;
	h->kernel = listen_to_kernel();
	if (h->kernel >= 0) {
		h->told = event_new(loop, h->kernel, EV_READ | EV_PERSIST, on_told, h);
		if (h->told == NULL || event_add(h->told, NULL) != 0)
			return -ENOMEM;
	} else {
		arm_look(h, LOOK_MS);
	}
	read_subnets(h);
	return 0;
}

int home_create(struct event_base *loop, void (*changed)(void *context), void *context, struct home **ret)
{
	struct home *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	h->kernel = -1;
	h->changed = changed;
	h->context = context;
	const int r = start(h, loop);
	if (r == 0)
		*ret = h;
	else
		home_destroy(h);
	return r;
}

void home_destroy(struct home *h)
{
	if (h == NULL)
		return;
	if (h->told != NULL)
		event_free(h->told);
	if (h->look != NULL)
		event_free(h->look);
	if (h->kernel >= 0)
		close(h->kernel);
	free(h);
}

bool home_has(const struct home *h, const struct address *address)
{
	return subnets_has(&h->subnets, address);
}
