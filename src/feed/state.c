/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/state.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "feed/state_writer.h"
#include "model/freshness.h"

enum {
	/* A registry that changes all the time is written once a second: what a restart could lose of it, the
	 * registry says again within that. On a slow disk, a tenth of the time at most. */
	WRITE_PAUSE_MS = 1000,
	WRITE_SHARE = 10,

	RENEW_MS = 10000, /* what data that is true now may look older after a restart than it was */
	RETRY_MAX_MS = 60000,

	/* A file of that size becomes a snapshot and a table of so many times its size. */
	LARGE_OCTETS = 1 << 20,
	TABLE_SHARE = 15,
};

/* What there is to write about one registry. */
struct entry {
	SLIST_ENTRY(entry) next;
	char file[STATE_FILE_SIZE];
	struct state_head head;    /* its stamp: as it is on the disk */
	struct snapshot *snapshot; /* what was believed last; NULL: nothing so far */
	bool is_dirty;             /* that is not on the disk, nor on its way there */
	bool is_too_large;         /* nor will it be: what is on the disk is something else */
	uint64_t true_ms;
	char position[STATE_POSITION_SIZE];
	uint64_t stamped_ms; /* true_ms as on the disk */
	uint64_t may_write_ms, may_renew_ms;
};

struct state {
	char *dir;
	uint8_t boot[STATE_BOOT_OCTETS];
	struct state_place place;
	struct state_writer *writer; /* NULL: nothing is kept */
	struct event *done, *due;
	SLIST_HEAD(, entry) entries;
	struct state_order order;
	struct entry *under_way; /* what the order is about */
	int error;               /* of the last order; 0: all is well */
	uint64_t retry_ms, pause_ms;
};

/* --- clocks --- */

/* Without it (a kernel of old, a sandbox) every boot is another one, and the wall clock decides. */
static void read_boot(uint8_t ret[STATE_BOOT_OCTETS])
{
	char text[64] = "";
	const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	size_t digits = 0;

	memset(ret, 0, STATE_BOOT_OCTETS);
	for (ssize_t i = 0; i < n && digits < 2UL * STATE_BOOT_OCTETS; i++) {
		static const char hex[] = "0123456789abcdef";
		const char *digit = text[i] != '\0' ? strchr(hex, text[i]) : NULL;

		if (digit == NULL)
			continue;
		ret[digits / 2] = (uint8_t)(ret[digits / 2] << 4 | (digit - hex));
		digits++;
	}
	if (fd >= 0)
		close(fd);
}

static struct state_moment moment_of_now(const struct state *s)
{
	struct state_moment now = { .boot_ms = clock_ms(), .wall_s = clock_wall_s() };

	memcpy(now.boot, s->boot, STATE_BOOT_OCTETS);
	return now;
}

static void arm(struct event *timer, uint64_t ms)
{
	const struct timeval wait = clock_timeval(ms);

	event_add(timer, &wait);
}

/* --- entries --- */

static struct entry *find(const struct state *s, const char *kind, const char *name)
{
	struct entry *e;

	SLIST_FOREACH(e, &s->entries, next)
	{
		if (strcmp(e->head.kind, kind) == 0 && strcmp(e->head.name, name) == 0)
			return e;
	}
	return NULL;
}

static struct entry *find_or_add(struct state *s, const char *kind, const char *name)
{
	struct entry *e = find(s, kind, name);

	if (e != NULL || (e = calloc(1, sizeof(*e))) == NULL)
		return e;
	snprintf(e->head.kind, sizeof(e->head.kind), "%s", kind);
	snprintf(e->head.name, sizeof(e->head.name), "%s", name);
	state_file_name(kind, name, e->file);
	SLIST_INSERT_HEAD(&s->entries, e, next);
	return e;
}

static void remember(struct entry *e, struct snapshot *s)
{
	struct snapshot *before = e->snapshot;

	e->snapshot = snapshot_keep(s);
	snapshot_release(before);
}

/* What is true now becomes older on the disk all the time. */
static bool is_renewed(const struct entry *e)
{
	return e->snapshot != NULL && !e->is_too_large &&
	       (e->true_ms == FRESHNESS_NOW || e->true_ms > e->stamped_ms ||
		strcmp(e->position, e->head.stamp.position) != 0);
}

/* When there is something to do about it: UINT64_MAX never. */
static uint64_t due_of(const struct state *s, const struct entry *e)
{
	uint64_t due_ms = UINT64_MAX;

	if (e->is_dirty)
		due_ms = e->may_write_ms;
	else if (is_renewed(e))
		due_ms = e->may_renew_ms;
	return due_ms < s->retry_ms ? s->retry_ms : due_ms;
}

static struct entry *find_due(const struct state *s, uint64_t *due_ms)
{
	struct entry *e, *first = NULL;

	*due_ms = UINT64_MAX;
	SLIST_FOREACH(e, &s->entries, next)
	{
		const uint64_t ms = due_of(s, e);

		if (ms < *due_ms) {
			*due_ms = ms;
			first = e;
		}
	}
	return first;
}

/* --- orders --- */

static void send_order(struct state *s, struct entry *e)
{
	const struct state_moment now = moment_of_now(s);

	e->stamped_ms = e->true_ms == FRESHNESS_NOW ? now.boot_ms : e->true_ms;
	e->head.stamp.heard = state_moment(e->true_ms, &now);
	memcpy(e->head.stamp.position, e->position, sizeof(e->position));
	s->order = (struct state_order){ .head = e->head,
					 .snapshot = e->is_dirty ? snapshot_keep(e->snapshot) : NULL };
	memcpy(s->order.file, e->file, sizeof(e->file));
	e->is_dirty = false;
	s->under_way = e;
	state_writer_send(s->writer, &s->order);
}

/* Once when it begins, once for each other reason, once when it is over. */
static void log_outcome(const struct state *s, int result)
{
	struct log_value dir, why;

	if (result == s->error)
		return;
	if (result == 0)
		log_event(LOG_INFO, "event=state dir=%s result=good", log_quote(&dir, s->dir));
	else
		log_event(LOG_WARNING,
			  "event=state dir=%s error=%s note=\"nothing is kept for the next start\"",
			  log_quote(&dir, s->dir), log_quote(&why, state_place_error(result)));
}

static void note_outcome(struct state *s, int result)
{
	log_outcome(s, result);
	s->error = result;
	s->pause_ms = result == 0 ? 0 : s->pause_ms == 0 ? WRITE_PAUSE_MS : 2 * s->pause_ms;
	if (s->pause_ms > RETRY_MAX_MS)
		s->pause_ms = RETRY_MAX_MS;
	s->retry_ms = result == 0 ? 0 : clock_ms() + s->pause_ms;
}

/* That is no trouble of the directory: the other registries are written on. */
static void note_too_large(struct entry *e)
{
	if (!e->is_too_large)
		log_event(LOG_WARNING,
			  "registry=%s state=\"not kept\" reason=\"%s\" keep=\"the file of before\"",
			  e->head.name, state_place_error(-EOVERFLOW));
	e->is_too_large = true;
}

static uint64_t pause_after(uint64_t took_ms)
{
	const uint64_t share_ms = took_ms * WRITE_SHARE;

	return share_ms > WRITE_PAUSE_MS ? share_ms : WRITE_PAUSE_MS;
}

/* What is too large for a file will not be smaller when it is tried again; its next state may be. A file that
 * somebody has removed is written again. */
static void finish_order(struct state *s)
{
	struct entry *e = s->under_way;
	const struct state_order *o = &s->order;
	const uint64_t now_ms = clock_ms();
	const bool was_written = o->snapshot != NULL;
	const bool is_gone = !was_written && o->result == -ENOENT && s->place.dir >= 0;

	s->under_way = NULL;
	e->may_renew_ms = now_ms + RENEW_MS;
	if (was_written)
		e->may_write_ms = now_ms + pause_after(o->took_ms);
	if (is_gone || (was_written && o->result != 0 && o->result != -EOVERFLOW))
		e->is_dirty = true;
	if (o->result == -EOVERFLOW)
		note_too_large(e);
	else if (!is_gone)
		note_outcome(s, o->result);
	if (was_written && o->result == 0)
		e->is_too_large = false;
	snapshot_release(o->snapshot);
}

static void work(struct state *s)
{
	uint64_t due_ms;
	struct entry *e = s->under_way == NULL ? find_due(s, &due_ms) : NULL;
	const uint64_t now_ms = clock_ms();

	event_del(s->due);
	if (e == NULL)
		return;
	if (due_ms <= now_ms)
		send_order(s, e);
	else
		arm(s->due, due_ms - now_ms);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	work(arg);
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
	struct state *s = arg;

	(void)fd;
	(void)what;
	inbox_drain(state_writer_done(s->writer));
	if (s->under_way != NULL && state_writer_take(s->writer, 0) != NULL)
		finish_order(s);
	work(s);
}

void state_keep(struct state *s, const struct state_record *r)
{
	struct entry *e = s->writer != NULL ? find_or_add(s, r->kind, r->name) : NULL;

	if (e == NULL)
		return; /* without memory the file of before stays */
	if (e->snapshot != r->snapshot || e->head.fingerprint != r->fingerprint) {
		remember(e, r->snapshot);
		e->head.fingerprint = r->fingerprint;
		e->is_dirty = true;
	}
	e->true_ms = r->true_ms;
	snprintf(e->position, sizeof(e->position), "%s", r->position);
	memset(e->position + strlen(e->position), 0, sizeof(e->position) - strlen(e->position));
	if (s->under_way == NULL)
		work(s);
}

static void free_entry(struct entry *e)
{
	snapshot_release(e->snapshot);
	free(e);
}

/* One that is just being written is rather remembered for ever than waited for; but what nobody says any more
 * gets old. */
void state_forget(struct state *s, const char *kind, const char *name)
{
	struct entry *e = find(s, kind, name);

	if (e == NULL)
		return;
	if (e == s->under_way) {
		e->true_ms = e->stamped_ms;
		memcpy(e->position, e->head.stamp.position, sizeof(e->position));
		return;
	}
	SLIST_REMOVE(&s->entries, e, entry, next);
	free_entry(e);
}

/* --- loading --- */

static void log_refusal(const char *name, const char *path, const char *reason)
{
	struct log_value file, why;

	log_event(LOG_WARNING, "registry=%s state=refused file=%s reason=%s", name, log_quote(&file, path),
		  log_quote(&why, reason));
}

static const char *refusal(int error)
{
	switch (error) {
	case -EBADMSG:
		return "damaged";
	case -EPROTO:
		return "written by another version";
	case -EPERM:
		return "no plain file of our own";
	default:
		return strerror(-error);
	}
}

static int judge_age(const struct state *s, const struct state_head *h, const char *path, uint64_t max_ms,
		     uint64_t *age_ms)
{
	const struct state_moment now = moment_of_now(s);
	char reason[96];
	bool future;

	*age_ms = state_age_ms(&h->stamp.heard, &now, &future);
	if (max_ms > 0 && *age_ms > max_ms) {
		snprintf(reason, sizeof(reason), "%llu s old, and stale-max is %llu s",
			 (unsigned long long)(*age_ms / 1000), (unsigned long long)(max_ms / 1000));
		log_refusal(h->name, path, reason);
		return -ESTALE;
	}
	if (future)
		log_event(LOG_WARNING,
			  "registry=%s state=\"from the future\" note=\"the clock of this host was set back: "
			  "it counts as heard now\"",
			  h->name);
	return 0;
}

static void log_restored(const struct state_head *h, const struct snapshot *s, uint64_t age_ms)
{
	struct log_value position;

	log_event(LOG_INFO, "registry=%s state=restored age_s=%llu services=%zu instances=%zu position=%s",
		  h->name, (unsigned long long)(age_ms / 1000), s->n_services, s->n_instances,
		  log_quote(&position, h->stamp.position));
}

/* The file says the same: its snapshot need not be written again when the registry says so too. */
static void note_loaded(struct entry *e, const struct state_head *h, struct snapshot *s)
{
	remember(e, s);
	e->head = *h;
	e->is_dirty = false;
	e->true_ms = 0;
	e->stamped_ms = 0;
	e->may_renew_ms = clock_ms() + RENEW_MS;
	memcpy(e->position, h->stamp.position, sizeof(e->position));
}

static int read_entry(const struct entry *e, const char *path, struct state_head *head, struct snapshot **ret)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_size >= LARGE_OCTETS && st.st_size < UINT32_MAX)
		heap_expect((size_t)st.st_size * TABLE_SHARE);
	int r = state_file_read(path, head, ret);
	if (r == -ENOTDIR)
		return -ENOENT; /* what is wrong with the directory has been told */
	if (r == 0 && (strcmp(head->kind, e->head.kind) != 0 || strcmp(head->name, e->head.name) != 0)) {
		snapshot_release(*ret);
		r = -EBADMSG;
	}
	if (r != 0 && r != -ENOENT)
		log_refusal(e->head.name, path, refusal(r));
	return r;
}

int state_load(struct state *s, const char *kind, const char *name, uint64_t max_ms,
	       struct snapshot **snapshot, uint64_t *true_ms, char position[STATE_POSITION_SIZE])
{
	struct entry *e = s->writer != NULL ? find_or_add(s, kind, name) : NULL;
	char path[PATH_MAX];
	struct state_head head;
	struct snapshot *loaded;
	uint64_t age_ms;

	if (e == NULL)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/%s", s->dir, e->file);
	int r = read_entry(e, path, &head, &loaded);
	if (r != 0)
		return r;
	r = judge_age(s, &head, path, max_ms, &age_ms);
	if (r != 0) {
		snapshot_release(loaded);
		return r;
	}
	note_loaded(e, &head, loaded);
	log_restored(&head, loaded, age_ms);
	*snapshot = loaded;
	*true_ms = clock_ms() - age_ms;
	memcpy(position, head.stamp.position, STATE_POSITION_SIZE);
	return 0;
}

/* --- life --- */

static void open_place(struct state *s)
{
	const int r = state_place_open(&s->place);
	struct log_value dir;

	if (r != 0)
		note_outcome(s, r);
	if (s->place.open_to_everybody)
		log_event(LOG_WARNING,
			  "event=state dir=%s note=\"everybody on this host may write there, and so decide "
			  "what is answered after a restart\"",
			  log_quote(&dir, s->dir));
}

static int start(struct state *s, struct event_base *loop)
{
	read_boot(s->boot);
	open_place(s);
	int r = state_writer_create(&s->place, &s->writer);
	if (r != 0)
		return r;
	s->due = evtimer_new(loop, on_due, s);
	s->done = event_new(loop, state_writer_done(s->writer)->wakeup, EV_READ | EV_PERSIST, on_done, s);
	return s->due != NULL && s->done != NULL && event_add(s->done, NULL) == 0 ? 0 : -ENOMEM;
}

int state_create(struct event_base *loop, const char *dir, struct state **ret)
{
	struct state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	SLIST_INIT(&s->entries);
	s->dir = strdup(dir);
	s->place = (struct state_place){ .path = s->dir, .dir = -1, .lock = -1 };
	int r = s->dir != NULL ? 0 : -ENOMEM;
	if (r == 0 && dir[0] != '\0')
		r = start(s, loop);
	if (r == 0)
		*ret = s;
	else
		state_destroy(s, 0);
	return r;
}

bool state_is_in(const struct state *s, const char *dir)
{
	return strcmp(s->dir, dir) == 0;
}

static bool is_known(void *context, const char *file)
{
	const struct state *s = context;
	const struct entry *e;

	SLIST_FOREACH(e, &s->entries, next)
	{
		if (strcmp(e->file, file) == 0)
			return true;
	}
	return false;
}

static uint64_t left_until(uint64_t end_ms)
{
	const uint64_t now_ms = clock_ms();

	return end_ms > now_ms ? end_ms - now_ms : 0;
}

/* False when time or the disk ran out. */
static bool await_order(struct state *s, uint64_t end_ms)
{
	if (s->under_way == NULL)
		return true;
	if (state_writer_take(s->writer, left_until(end_ms)) == NULL)
		return false;
	finish_order(s);
	return s->error == 0;
}

/* Whatever pause it would have to keep: there is no later. */
static void write_rest(struct state *s, uint64_t end_ms)
{
	struct entry *e;
	bool good = await_order(s, end_ms);

	SLIST_FOREACH(e, &s->entries, next)
	{
		if (!good || left_until(end_ms) == 0)
			return;
		if (!e->is_dirty && !is_renewed(e))
			continue;
		send_order(s, e);
		good = await_order(s, end_ms);
	}
}

static void free_entries(struct state *s)
{
	struct entry *e;

	while ((e = SLIST_FIRST(&s->entries)) != NULL) {
		SLIST_REMOVE_HEAD(&s->entries, next);
		free_entry(e);
	}
}

static void free_event(struct event *e)
{
	if (e != NULL)
		event_free(e);
}

void state_destroy(struct state *s, uint64_t limit_ms)
{
	if (s == NULL)
		return;
	const uint64_t end_ms = clock_ms() + limit_ms;
	if (s->writer != NULL)
		write_rest(s, end_ms);
	free_event(s->due);
	free_event(s->done);
	/* A moment even without time left: a thread that waits for orders is gone within it. */
	const bool ended = state_writer_destroy(s->writer, left_until(end_ms) + 100);
	if (ended)
		state_place_sweep(&s->place, is_known, s);
	free_entries(s);
	if (!ended) {
		log_event(LOG_WARNING, "event=state error=\"the disk does not answer\" note=\"what is not "
				       "written yet is lost\"");
		return; /* all that the thread uses stays until the process ends */
	}
	state_place_close(&s->place);
	free(s->dir);
	free(s);
}
