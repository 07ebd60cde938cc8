/* SPDX-License-Identifier: BSD-2-Clause */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int fail(int r, char error[PRIVILEGES_ERROR_MAX], const char *what, const char *user)
{
	snprintf(error, PRIVILEGES_ERROR_MAX, "cannot become user \"%s\": %s: %s", user, what, strerror(-r));
	return r;
}

/* getpwnam() says 0 or one of several errnos when there is no such user (getpwnam(3)). */
static int find_user(const char *user, struct passwd *ret, char error[PRIVILEGES_ERROR_MAX])
{
	errno = 0;
	const struct passwd *found = getpwnam(user);

	if (found == NULL) {
		snprintf(
			error, PRIVILEGES_ERROR_MAX,
			"there is no user \"%s\" to drop privileges to: create it (systemd-sysusers, or "
			"useradd --system %s), name another one with the key user, or stay root with user = \"\"",
			user, user);
		return -ENOENT;
	}
	if (found->pw_uid == 0) {
		snprintf(error, PRIVILEGES_ERROR_MAX,
			 "user \"%s\" is root, there is nothing to drop: to stay root write user = \"\"",
			 user);
		return -EINVAL;
	}
	*ret = *found;
	return 0;
}

/* Order matters: without uid 0 the groups cannot be changed any more. */
static int become(const struct passwd *who, char error[PRIVILEGES_ERROR_MAX])
{
	uid_t real, effective, saved;

	if (initgroups(who->pw_name, who->pw_gid) < 0)
		return fail(-errno, error, "initgroups", who->pw_name);
	if (setgid(who->pw_gid) < 0)
		return fail(-errno, error, "setgid", who->pw_name);
	if (setuid(who->pw_uid) < 0)
		return fail(-errno, error, "setuid", who->pw_name);

	if (getresuid(&real, &effective, &saved) < 0 || real != who->pw_uid || effective != who->pw_uid ||
	    saved != who->pw_uid || setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
		return fail(-EPERM, error, "root can be taken back", who->pw_name);
	return 0;
}

int privileges_drop(const char *user, char error[PRIVILEGES_ERROR_MAX])
{
	int r = 0;

	if (geteuid() == 0 && user[0] != '\0') {
		struct passwd who;

		r = find_user(user, &who, error);
		if (r == 0)
			r = become(&who, error);
	}
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		r = -errno;
		snprintf(error, PRIVILEGES_ERROR_MAX, "cannot set no_new_privs: %s", strerror(-r));
	}
	return r;
}
