/* SPDX-License-Identifier: BSD-2-Clause */
/* flow/tcp_rig.h -- what the tests of these share: check_tcp check_crowds */
#ifndef PHONEBOOK_TEST_TCP_RIG_H
#define PHONEBOOK_TEST_TCP_RIG_H

#include "planes.h"

#define SHOP        "shop.service.local"
#define SHOP_ANSWER "NOERROR aa; 2 A 10.1.0.1"
#define CROWD       "crowd.service.local"

enum { CROWD_INSTANCES = 2000 }; /* some 32 kB in one answer */

extern struct planes *planes;

/* With one instance of shop, and a crowd; waits until they are answered. */
void start(const char *options);

#endif
