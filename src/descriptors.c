/* SPDX-License-Identifier: BSD-2-Clause */
#include "descriptors.h"

#include <limits.h>
#include <sys/resource.h>

enum {
	/* As the unit of systemd says. With every key at its largest more could be used, but not by one host.
	 */
	ENOUGH = 65536,
};

unsigned descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return ENOUGH; /* it cannot be known, and so be no reason for anything */
	const struct rlimit raised = { .rlim_cur = limit.rlim_max < ENOUGH ? limit.rlim_max : ENOUGH,
				       .rlim_max = limit.rlim_max };
	if (raised.rlim_cur > limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &raised) == 0)
		limit = raised;
	return limit.rlim_cur < UINT_MAX ? (unsigned)limit.rlim_cur : UINT_MAX;
}
