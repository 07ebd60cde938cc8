/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/resolv_conf.h -- the name servers a resolv.conf file names. Any thread. */
#ifndef PHONEBOOK_FEED_RESOLV_CONF_H
#define PHONEBOOK_FEED_RESOLV_CONF_H

#include <stddef.h>

#include "base/address.h"

/* Reads the nameservers of the file, at most max, our own addresses (listeners) left out. Returns their
 * number, 0 also when the file cannot be read. */
size_t resolv_conf_read(const char *path, const struct endpoint *own, size_t n_own, struct endpoint *ret,
			size_t max);

#endif
