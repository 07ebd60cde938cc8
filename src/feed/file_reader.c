/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed/file_reader.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/clock.h"
#include "feed/files.h"
#include "feed/schedule.h"

struct file_reader {
	struct file_reader_options o;
	struct files *files;
	bool has_changes; /* since the last reading */

	/* The reading whose consequences are under way. */
	struct event consequences;
	bool is_for_changes;
	uint64_t begun_us;

	uint64_t may_ms; /* when the last one that was made for changes has been paid for */
	bool is_last_given;
};

/* --- changes --- */

static void tell(struct file_reader *r)
{
	const uint64_t now_ms = clock_ms();

	r->o.changed(r->o.context, r->may_ms > now_ms ? r->may_ms - now_ms : 0); /* last: it may destroy r */
}

/* While the last reading still has consequences, nobody knows what it costs: that is over in this turn of the
 * loop. */
static void on_change(void *context)
{
	struct file_reader *r = context;

	r->has_changes = true;
	if (!evtimer_pending(&r->consequences, NULL))
		tell(r);
}

/* --- what a reading costs --- */

/* What a reading sets in motion is a chain of events made active in the same turn: snapshot, blocks, tables.
 * A timer that runs out at once comes in the next turn, and so after all of it. */
static void begin_work(struct file_reader *r, enum file_reading what)
{
	const struct timeval at_once = { 0 };

	r->is_for_changes = r->has_changes && what != READ_ALL_IN_TURN;
	r->has_changes = false;
	r->begun_us = clock_work_us();
	evtimer_add(&r->consequences, &at_once);
}

/* Looking at all files when it is time is not paid for: it comes no more often than it was asked for, and the
 * first change after it should not have to wait. */
static void on_consequences(evutil_socket_t fd, short what, void *arg)
{
	struct file_reader *r = arg;

	(void)fd;
	(void)what;
	if (r->is_for_changes)
		r->may_ms = clock_ms() + schedule_after_work(clock_work_us() - r->begun_us);
	if (r->has_changes)
		tell(r);
}

/* --- reading --- */

static int give(void *context, const struct fetch_result *result)
{
	struct file_reader *r = context;

	r->is_last_given = result->last;
	return r->o.take(r->o.context, result);
}

int file_reader_read(struct file_reader *r, enum file_reading what)
{
	const struct fetch_result nothing = { .status = 200, .last = true, .body = "" };
	int status = -EAGAIN;

	begin_work(r, what);
	r->is_last_given = false;
	if (r->is_for_changes && what == READ_CHANGED)
		status = files_read_changed(r->files, give, r);
	if (status == -EAGAIN)
		status = files_read(r->files, give, r);
	return status == 0 && !r->is_last_given ? give(r, &nothing) : status;
}

/* --- life --- */

int file_reader_create(const struct file_reader_options *o, struct file_reader **ret)
{
	struct file_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->o = *o;
	r->o.path = NULL;
	evtimer_assign(&r->consequences, o->loop, on_consequences, r);
	const int status = files_create(o->loop, o->path, o->max_size, on_change, r, &r->files);
	if (status == 0)
		*ret = r;
	else
		free(r);
	return status;
}

void file_reader_destroy(struct file_reader *r)
{
	if (r == NULL)
		return;
	evtimer_del(&r->consequences);
	files_destroy(r->files);
	free(r);
}
