/* SPDX-License-Identifier: BSD-2-Clause */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* Runs check in a child, because what it gives up never comes back; 0 when all it found was right, else the
 * number of what was wrong first. */
static int in_child(int (*check)(void))
{
	int status;
	const pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(check());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* One of the sets in /proc/self/status; all bits when it is not there. */
static unsigned long long capabilities(const char *set)
{
	unsigned long long value = ~0ULL;
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];

	while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
		if (strncmp(line, set, strlen(set)) == 0)
			value = strtoull(line + strlen(set) + 1, NULL, 16);
	}
	if (status != NULL)
		fclose(status);
	return value;
}

/* What is left in any case: 0, or the number of what is not as it should be. */
static int find_rights(bool bounding_too)
{
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd" };

	for (int i = 0; i < (bounding_too ? 5 : 4); i++) {
		if (capabilities(sets[i]) != 0)
			return 20 + i;
	}
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 30;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 31;
}

static int drop_to_nobody(void)
{
	const struct passwd *nobody = getpwnam("nobody");
	char error[PRIVILEGES_ERROR_MAX];
	gid_t groups[64];
	uid_t real, effective, saved;

	if (nobody == NULL)
		return 1;
	const uid_t uid = nobody->pw_uid;
	const gid_t gid = nobody->pw_gid;
	if (privileges_drop("nobody", error) != 0)
		return 2;
	if (getresuid(&real, &effective, &saved) != 0 || real != uid || effective != uid || saved != uid)
		return 3;
	if (getresgid(&real, &effective, &saved) != 0 || real != gid || effective != gid || saved != gid)
		return 4;
	const int n = getgroups(64, groups);
	for (int i = 0; i < n; i++) {
		if (groups[i] == 0)
			return 5;
	}
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0)
		return 6;
	return find_rights(true);
}

/* Whether or not the tests run as root: who we are does not change. */
static int stay(void)
{
	const uid_t uid = getuid();
	char error[PRIVILEGES_ERROR_MAX];

	if (privileges_drop("", error) != 0)
		return 1;
	if (getuid() != uid || geteuid() != uid)
		return 2;
	return find_rights(uid == 0);
}

/* Somebody who is not root has nothing to drop, so the user need not exist either. */
static int drop_without_root(void)
{
	char error[PRIVILEGES_ERROR_MAX];

	if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		return 1;
	const uid_t uid = getuid();
	if (privileges_drop("no-such-user-here", error) != 0)
		return 2;
	if (getuid() != uid)
		return 3;
	return find_rights(false);
}

/* As systemd starts us: not root, with the one right to bind port 53. */
static int drop_ambient(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct bind_only[2] = {
		{ 1U << CAP_NET_BIND_SERVICE, 1U << CAP_NET_BIND_SERVICE, 1U << CAP_NET_BIND_SERVICE }
	};
	char error[PRIVILEGES_ERROR_MAX];

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgid(65534) != 0 || setuid(65534) != 0 ||
	    syscall(SYS_capset, &header, bind_only) != 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) != 0)
		return 1;
	if (capabilities("CapAmb") != 1U << CAP_NET_BIND_SERVICE)
		return 2;
	if (privileges_drop("phonebook", error) != 0)
		return 3;
	return find_rights(false);
}

/* Root without capabilities cannot become anybody else, nor get them back by executing a program. */
static int stay_powerless(void)
{
	char error[PRIVILEGES_ERROR_MAX];

	if (privileges_drop("", error) != 0)
		return 1;
	/* This thread's own rights: the library would ask all threads, and end us when they disagree; and a
	 * sanitizer has one of its own, from before. */
	if (syscall(SYS_setuid, 65534) == 0 || syscall(SYS_setgroups, 0, NULL) == 0)
		return 2;
	return system("grep -Eq '^CapEff:[[:space:]]*0+$' /proc/self/status") == 0 ? 0 : 3;
}

static int refuse_unknown_user(void)
{
	char error[PRIVILEGES_ERROR_MAX] = "";

	if (privileges_drop("no-such-user-here", error) != -ENOENT)
		return 1;
	if (strstr(error, "\"no-such-user-here\"") == NULL || strstr(error, "useradd --system") == NULL ||
	    strstr(error, "user = \"\"") == NULL)
		return 2;
	return getuid() == 0 ? 0 : 3;
}

static int refuse_root(void)
{
	char error[PRIVILEGES_ERROR_MAX] = "";

	if (privileges_drop("root", error) != -EINVAL)
		return 1;
	return strstr(error, "user = \"\"") != NULL ? 0 : 2;
}

START_TEST(root_becomes_the_user_for_good)
{
	ck_assert_int_eq(in_child(drop_to_nobody), 0);
}
END_TEST

START_TEST(unknown_users_are_refused_with_a_remedy)
{
	ck_assert_int_eq(in_child(refuse_unknown_user), 0);
}
END_TEST

START_TEST(root_is_no_user_to_drop_to)
{
	ck_assert_int_eq(in_child(refuse_root), 0);
}
END_TEST

START_TEST(rights_a_service_manager_gave_are_dropped)
{
	ck_assert_int_eq(in_child(drop_ambient), 0);
}
END_TEST

START_TEST(root_that_stays_has_no_power)
{
	ck_assert_int_eq(in_child(stay_powerless), 0);
}
END_TEST

START_TEST(an_empty_user_changes_nothing_but_rights)
{
	ck_assert_int_eq(in_child(stay), 0);
}
END_TEST

START_TEST(without_root_only_rights_are_dropped)
{
	ck_assert_int_eq(in_child(drop_without_root), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("privileges");
	TCase *any = tcase_create("anybody");

	tcase_add_test(any, an_empty_user_changes_nothing_but_rights);
	tcase_add_test(any, without_root_only_rights_are_dropped);
	suite_add_tcase(suite, any);
	if (geteuid() == 0) { /* only root has something to give up */
		TCase *root = tcase_create("root");

		tcase_add_test(root, root_becomes_the_user_for_good);
		tcase_add_test(root, unknown_users_are_refused_with_a_remedy);
		tcase_add_test(root, rights_a_service_manager_gave_are_dropped);
		tcase_add_test(root, root_that_stays_has_no_power);
		tcase_add_test(root, root_is_no_user_to_drop_to);
		suite_add_tcase(suite, root);
	}
	return harness_run(suite);
}
