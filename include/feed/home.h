/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/home.h -- which subnets this host is in.
 *
 * Read from the interfaces, and read again when the kernel tells that an address came or went. Loopback
 * and link-local addresses are no subnets: nobody else's instance is near because of them. Feeder thread
 * only.
 */
#ifndef PHONEBOOK_FEED_HOME_H
#define PHONEBOOK_FEED_HOME_H

#include <stdbool.h>

#include "base/address.h"

struct event_base;
struct home;

/* changed(): it is in others than before. Where the kernel tells nothing, every 30 s is looked. */
int home_create(struct event_base *loop, void (*changed)(void *context), void *context, struct home **ret);

void home_destroy(struct home *h); /* NULL is fine */

bool home_has(const struct home *h, const struct address *address);

#endif
