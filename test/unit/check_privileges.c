/* SPDX-License-Identifier: BSD-2-Clause */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
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
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 7;
}

/* Whether or not the tests run as root: only no_new_privs changes. */
static int stay(void)
{
	const uid_t uid = getuid();
	char error[PRIVILEGES_ERROR_MAX];

	if (privileges_drop("", error) != 0)
		return 1;
	if (getuid() != uid || geteuid() != uid)
		return 2;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 3;
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
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 4;
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

START_TEST(an_empty_user_changes_nothing_but_no_new_privs)
{
	ck_assert_int_eq(in_child(stay), 0);
}
END_TEST

START_TEST(without_root_only_no_new_privs_is_set)
{
	ck_assert_int_eq(in_child(drop_without_root), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("privileges");
	TCase *any = tcase_create("anybody");

	tcase_add_test(any, an_empty_user_changes_nothing_but_no_new_privs);
	tcase_add_test(any, without_root_only_no_new_privs_is_set);
	suite_add_tcase(suite, any);
	if (geteuid() == 0) { /* only root has something to give up */
		TCase *root = tcase_create("root");

		tcase_add_test(root, root_becomes_the_user_for_good);
		tcase_add_test(root, unknown_users_are_refused_with_a_remedy);
		tcase_add_test(root, root_is_no_user_to_drop_to);
		suite_add_tcase(suite, root);
	}
	return harness_run(suite);
}
