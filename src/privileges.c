/* SPDX-License-Identifier: BSD-2-Clause */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(int r, char error[PRIVILEGES_ERROR_MAX], const char *what)
{
	snprintf(error, PRIVILEGES_ERROR_MAX, "cannot drop privileges: %s: %s", what, strerror(-r));
	return r;
}

static int fail_user(int r, char error[PRIVILEGES_ERROR_MAX], const char *what, const char *user)
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
		return fail_user(-errno, error, "initgroups", who->pw_name);
	if (setgid(who->pw_gid) < 0)
		return fail_user(-errno, error, "setgid", who->pw_name);
	if (setuid(who->pw_uid) < 0)
		return fail_user(-errno, error, "setuid", who->pw_name);

	if (getresuid(&real, &effective, &saved) < 0 || real != who->pw_uid || effective != who->pw_uid ||
	    saved != who->pw_uid || setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
		return fail_user(-EPERM, error, "root can be taken back", who->pw_name);
	return 0;
}

/* What a program executed by us could ever have. Only who has CAP_SETPCAP may empty it, which without root we
 * have not; no_new_privs holds then all the same. */
static void empty_bounding_set(void)
{
	for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

/* The kernel's own calls: a library would be more than it saves. What counts is what is left: a filter of
 * system calls may refuse capset() to a process that has nothing to drop. */
static int empty_capabilities(char error[PRIVILEGES_ERROR_MAX])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];

	syscall(SYS_capset, &header, none); /* and with these the ambient ones (capabilities(7)) */
	if (syscall(SYS_capget, &header, now) < 0)
		return fail(-errno, error, "capget");
	return memcmp(now, none, sizeof(now)) == 0 ? 0 : fail(-EPERM, error, "capset");
}

/* Memory holds tokens of registries and keys of certificates: it goes into no core file, and other programs
 * of the same user cannot look into it (ptrace(2), "dumpable"). Root can still attach a debugger. */
static int close_up(char error[PRIVILEGES_ERROR_MAX])
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(-errno, error, "no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(-errno, error, "dumpable");
	return 0;
}

int privileges_drop(const char *user, char error[PRIVILEGES_ERROR_MAX])
{
	const bool change = geteuid() == 0 && user[0] != '\0';
	struct passwd who = { 0 };
	int r = change ? find_user(user, &who, error) : 0;

	if (r != 0)
		return r;
	empty_bounding_set(); /* as long as we may */
	if (change)
		r = become(&who, error);
	if (r == 0)
		r = empty_capabilities(error);
	if (r == 0)
		r = close_up(error);
	return r;
}
