/* SPDX-License-Identifier: BSD-2-Clause */
/* config.h -- the configuration file, read into the options structs of the modules.
 *
 * Main only, one file at a time (the library's lexer is global). The rows in src/config/rows.c are the one
 * list of keys: parser, error messages, conf/phonebook.conf and the manual page follow them, and a test
 * compares.
 */
#ifndef PHONEBOOK_CONFIG_CONFIG_H
#define PHONEBOOK_CONFIG_CONFIG_H

#include <stdio.h>

#include "base/log.h"
#include "feed/feeder.h"
#include "forward/forward.h"
#include "server/options.h"

struct config {
	struct arena arena; /* of what stands below, except feed */
	enum log_level log_level;
	const char *user; /* "" : stay who we are */
	struct server_options server;
	struct forward_options forward;
	const char *state_dir, *zone_of_host; /* of the feeding plane, which has copies of its own */
	struct probe_options probe;
	struct feed_options *feed; /* a parcel: set to NULL when it is handed on */
};

/* Reads the file at path. Every problem is written to errors as "FILE:LINE: what is wrong", and nothing is
 * kept: -EINVAL, or -ENOENT, -EACCES... when the file cannot be read at all, which is written too. */
int config_read(const char *path, FILE *errors, struct config **ret);

/* The same for somebody who only wants to know; and what is good may still get warnings, as "FILE:LINE:
 * warning: ...", of files it names that cannot be read now. */
int config_check(const char *path, FILE *errors);

/* NULL is fine. */
void config_destroy(struct config *c);

#endif
