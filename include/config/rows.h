/* SPDX-License-Identifier: BSD-2-Clause */
/* config/rows.h -- what the two halves of the list of keys share: rows.c, and registry_rows.c with the blocks
 * of registries. For them only.
 */
#ifndef PHONEBOOK_CONFIG_ROWS_H
#define PHONEBOOK_CONFIG_ROWS_H

#include "config/tree.h"

/* A day is beyond what anybody means. */
enum { CONFIG_TEXT_MAX = 255, CONFIG_PATH_MAX = 4095, CONFIG_DAY_MS = 86400000 };

#define CONFIG_N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* The rows of a kind of block. */
#define CONFIG_ROWS(table) .rows = (table), .n_rows = CONFIG_N_ROWS(table)
#define CONFIG_ROWS_FIT(table)                                                                               \
	_Static_assert(CONFIG_N_ROWS(table) <= CONFIG_ROWS_MAX, "a block has room for all of " #table)

extern const struct config_kind config_kind_static, config_kind_instance, config_kind_file, config_kind_http,
	config_kind_consul, config_kind_etcd, config_kind_kubernetes, config_kind_dns;

#endif
