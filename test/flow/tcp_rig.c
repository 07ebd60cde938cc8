/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcp_rig.h"

#include <stdio.h>

struct planes *planes;

void start(const char *options)
{
	static char instances[CROWD_INSTANCES * 64];
	size_t len = 0;

	for (int i = 0; i < CROWD_INSTANCES; i++)
		len += (size_t)snprintf(instances + len, sizeof(instances) - len,
					"instance \"10.2.%d.%d:80\" { service = \"crowd\" }\n", i / 250,
					i % 250 + 1);
	planes =
		planes_start("%s\nstatic \"fixed\" {\ninstance \"10.1.0.1:80\" { service = \"shop\" }\n%s}\n",
			     options, instances);
	planes_await(planes, SHOP, SHOP_ANSWER);
}
