/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/watch.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "registry/registry.h"

enum {
	NAMES_MAX = 64,         /* changes that are looked at one by one; more are a deployment */
	FILE_WATCHES_MAX = 256, /* of fs.inotify.max_user_watches, which all programs of a user share */
	CHANGED_DELAY_MS = 10,  /* a file being created, written and closed is one change */
	READS_PER_WAKEUP = 16,  /* of 4 KiB of events; what is left wakes the loop again */
	ARM_TRIES = 16,         /* a directory tree being made while we look for its deepest part */
};

#define WATCH_MASK                                                                                           \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | \
	 IN_MOVE_SELF)

/* Whoever did one of these has done it: there is nothing to wait for. */
#define DONE_MASK (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)

/* Of a file that is no link: whoever writes to it under another name, or where it is mounted from. All else
 * its directory tells, too, and earlier: the end of a file that another took the place of would be a second
 * change. */
#define OWN_MASK IN_CLOSE_WRITE

struct watches {
	int wds[FILE_WATCHES_MAX + 2];
	size_t n;
};

struct watch {
	const char *path;
	bool is_glob;
	void (*changed)(void *context);
	void *context;

	int inotify; /* -1: there is none */
	struct event readable, delay;
	struct watches watches, renewed;
	int directory_wd;
	const char *awaited; /* the component of path that names in the watched directory must match */
	size_t awaited_len;
	bool any_link; /* links can be moved by names of any kind (Kubernetes: ..data) */

	struct buffer names; /* of files that have changed; that is all, unless vague */
	size_t n_names;
	bool vague;
	uint64_t told_ms;
};

/* --- events --- */

/* Whether an event in the watched directory can be about a file of ours, or about the way to it. */
static bool concerns_us(const struct watch *w, const struct inotify_event *event)
{
	char pattern[NAME_MAX + 1];

	if ((event->mask & IN_IGNORED) != 0)
		return false; /* we took the watch away, or its end was told by another event */
	if (event->wd != w->directory_wd || event->len == 0 || w->any_link)
		return true;
	if (w->awaited_len >= sizeof(pattern))
		return true;
	memcpy(pattern, w->awaited, w->awaited_len);
	pattern[w->awaited_len] = '\0';
	return path_has_glob(pattern, w->awaited_len) ? fnmatch(pattern, event->name, FNM_PERIOD) == 0
						      : strcmp(pattern, event->name) == 0;
}

/* Whether the event tells all there is to know: this file, in the directory that the glob is about. */
static bool names_file(const struct watch *w, const struct inotify_event *event)
{
	return w->is_glob && !w->any_link && event->wd == w->directory_wd && event->len > 0 &&
	       (event->mask & IN_ISDIR) == 0 && w->awaited[w->awaited_len] == '\0';
}

static bool is_noted(const struct watch *w, const char *name)
{
	for (size_t at = 0; at < w->names.len; at += strlen((const char *)w->names.octets + at) + 1) {
		if (strcmp((const char *)w->names.octets + at, name) == 0)
			return true;
	}
	return false;
}

static void note_event(struct watch *w, const struct inotify_event *event)
{
	if (w->vague || !names_file(w, event)) {
		w->vague = true;
	} else if (!is_noted(w, event->name)) {
		w->vague = ++w->n_names > NAMES_MAX ||
			   buffer_add(&w->names, event->name, strlen(event->name) + 1) < 0;
	}
}

/* done: what has happened is complete. */
static void tell_soon(struct watch *w, bool done)
{
	const uint64_t now_ms = clock_ms(), may_ms = w->told_ms + CHANGED_DELAY_MS;
	const uint64_t wait_ms = !done ? CHANGED_DELAY_MS : may_ms > now_ms ? may_ms - now_ms : 0;
	const struct timeval wait = clock_timeval(wait_ms);

	if (done || !evtimer_pending(&w->delay, NULL))
		evtimer_add(&w->delay, &wait);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	_Alignas(struct inotify_event) char events[4096];
	bool ours = false, done = false;

	(void)what;
	for (int i = 0; i < READS_PER_WAKEUP; i++) {
		const ssize_t n = read(fd, events, sizeof(events));

		if (n <= 0)
			break;
		for (const char *at = events; at < events + n;) {
			const struct inotify_event *event = (const void *)at;

			at += sizeof(*event) + event->len;
			if (!concerns_us(w, event))
				continue;
			note_event(w, event);
			done = done || (event->mask & DONE_MASK) != 0;
			ours = true;
		}
	}
	if (ours)
		tell_soon(w, done);
}

static void on_delay(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	const uint64_t now_ms = clock_ms();

	(void)fd;
	(void)what;
	if (now_ms - w->told_ms < CHANGED_DELAY_MS) { /* the loop's clock may be behind ours */
		tell_soon(w, true);
		return;
	}
	w->told_ms = now_ms;
	w->changed(w->context); /* last: it may destroy w */
}

static void forget_names(struct watch *w)
{
	buffer_clear(&w->names);
	w->n_names = 0;
	w->vague = false;
}

bool watch_take(struct watch *w, struct buffer *ret)
{
	const bool all = !w->vague;

	*ret = w->names;
	w->names = (struct buffer){ 0 };
	forget_names(w);
	return all;
}

/* --- what is watched --- */

/* The deepest directory on the way to the path that exists and is written without glob characters. The
 * component below it becomes the awaited one. */
static void find_directory(struct watch *w, char ret[PATH_MAX])
{
	const char *component = w->path + strspn(w->path, "/");

	strcpy(ret, w->path[0] == '/' ? "/" : ".");
	for (;;) {
		char deeper[PATH_MAX];
		struct stat st;
		const size_t len = strcspn(component, "/");
		const size_t prefix = (size_t)(component - w->path) + len;

		w->awaited = component;
		w->awaited_len = len;
		if (component[len] == '\0' || path_has_glob(component, len))
			return;
		memcpy(deeper, w->path, prefix);
		deeper[prefix] = '\0';
		if (stat(deeper, &st) < 0 || !S_ISDIR(st.st_mode))
			return;
		strcpy(ret, deeper);
		component += len + strspn(component + len, "/");
	}
}

static int add_watch(struct watch *w, const char *path, uint32_t mask)
{
	struct watches *watches = &w->renewed;

	if (watches->n >= sizeof(watches->wds) / sizeof(watches->wds[0]))
		return -1;

	const int wd = inotify_add_watch(w->inotify, path, mask);
	if (wd >= 0)
		watches->wds[watches->n++] = wd;
	return wd;
}

/* Looks again until nothing was made below the directory between looking and watching. */
void watch_begin(struct watch *w)
{
	char directory[PATH_MAX], again[PATH_MAX];
	struct stat st;

	forget_names(w);
	w->any_link = false;
	w->renewed.n = 0;
	if (w->inotify < 0)
		return;
	find_directory(w, directory);
	for (int i = 0; i < ARM_TRIES; i++) {
		w->directory_wd = add_watch(w, directory, WATCH_MASK | IN_ONLYDIR);
		find_directory(w, again);
		if (strcmp(directory, again) == 0)
			break;
		strcpy(directory, again);
	}
	/* A link to the directory that is swapped says nothing in the old directory: watch the link too. */
	if (lstat(directory, &st) == 0 && S_ISLNK(st.st_mode))
		add_watch(w, directory, WATCH_MASK | IN_DONT_FOLLOW);
	if (!w->is_glob)
		add_watch(w, w->path, OWN_MASK);
}

void watch_link(struct watch *w, const char *path)
{
	w->any_link = true;
	if (w->inotify >= 0)
		add_watch(w, path, WATCH_MASK);
}

static bool holds(const struct watches *watches, int wd)
{
	for (size_t i = 0; i < watches->n; i++) {
		if (watches->wds[i] == wd)
			return true;
	}
	return false;
}

void watch_end(struct watch *w)
{
	for (size_t i = 0; i < w->watches.n; i++) {
		if (!holds(&w->renewed, w->watches.wds[i]))
			inotify_rm_watch(w->inotify, w->watches.wds[i]);
	}
	w->watches = w->renewed;
}

/* --- life --- */

static void start_inotify(struct event_base *loop, struct watch *w)
{
	w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->inotify < 0)
		return;
	event_assign(&w->readable, loop, w->inotify, EV_READ | EV_PERSIST, on_readable, w);
	event_add(&w->readable, NULL);
}

int watch_create(struct event_base *loop, const char *path, void (*changed)(void *context), void *context,
		 struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	w->path = path;
	w->is_glob = path_has_glob(path, strlen(path));
	w->changed = changed;
	w->context = context;
	evtimer_assign(&w->delay, loop, on_delay, w);
	start_inotify(loop, w);
	watch_begin(w);
	watch_end(w);
	*ret = w;
	return 0;
}

void watch_destroy(struct watch *w)
{
	if (w == NULL)
		return;

	evtimer_del(&w->delay);
	buffer_finish(&w->names);
	if (w->inotify >= 0) {
		event_del(&w->readable);
		close(w->inotify);
	}
	free(w);
}
