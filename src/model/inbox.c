/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/inbox.h"

#include <errno.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "model/table.h"

int inbox_init(struct inbox *in)
{
	atomic_init(&in->slot, NULL);
	atomic_init(&in->acked, 0);
	atomic_init(&in->drained, 0);
	in->current = NULL;
	in->wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return in->wakeup < 0 ? -errno : 0;
}

void inbox_finish(struct inbox *in)
{
	if (in->wakeup >= 0)
		close(in->wakeup);
	in->wakeup = -1;
}

void inbox_wake(struct inbox *in)
{
	const uint64_t one = 1;

	/* It fails only when the reader is 2^64 wake-ups behind: then it is awake. */
	ssize_t ignored = write(in->wakeup, &one, sizeof(one));
	(void)ignored;
}

void inbox_put(struct inbox *in, const struct table *table)
{
	atomic_store_explicit(&in->slot, table, memory_order_release);
	inbox_wake(in);
}

const struct table *inbox_take(struct inbox *in)
{
	const struct table *newest = atomic_load_explicit(&in->slot, memory_order_acquire);

	if (newest != in->current) {
		in->current = newest;
		atomic_store_explicit(&in->acked, newest->generation, memory_order_release);
	}
	return newest;
}

uint64_t inbox_acked(const struct inbox *in)
{
	return atomic_load_explicit(&in->acked, memory_order_acquire);
}

void inbox_drain(struct inbox *in)
{
	uint64_t count;
	ssize_t ignored = read(in->wakeup, &count, sizeof(count));

	(void)ignored;
	atomic_fetch_add_explicit(&in->drained, 1, memory_order_relaxed);
}

uint64_t inbox_drained(const struct inbox *in)
{
	return atomic_load_explicit(&in->drained, memory_order_relaxed);
}

void *parcel_put(struct parcel *p, void *content)
{
	return atomic_exchange_explicit(&p->content, content, memory_order_acq_rel);
}

void *parcel_take(struct parcel *p)
{
	return atomic_exchange_explicit(&p->content, NULL, memory_order_acq_rel);
}
