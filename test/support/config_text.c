/* SPDX-License-Identifier: BSD-2-Clause */
#include "config_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static char *dir;

void config_text_begin(void)
{
	dir = harness_make_dir();
}

void config_text_end(void)
{
	harness_remove_dir(dir);
}

const char *config_text_dir(void)
{
	return dir;
}

int config_text_read(const char *text, char **errors, struct config **ret)
{
	char path[128];
	size_t len;
	FILE *out = open_memstream(errors, &len);

	ck_assert_ptr_nonnull(out);
	harness_write_file(dir, "phonebook.conf", text);
	snprintf(path, sizeof(path), "%s/phonebook.conf", dir);
	const int r = config_read(path, out, ret);
	ck_assert_int_eq(fclose(out), 0);

	/* The directory's name is another one each time. */
	for (char *at = *errors; (at = strstr(at, path)) != NULL;) {
		const size_t rest = strlen(at + strlen(path));

		memcpy(at, "FILE", 4);
		memmove(at + 4, at + strlen(path), rest + 1);
	}
	return r;
}

struct config *config_text_good(const char *text)
{
	struct config *c = NULL;
	char *errors;
	const int r = config_text_read(text, &errors, &c);

	ck_assert_msg(r == 0 && errors[0] == '\0', "%d: %s", r, errors);
	free(errors);
	return c;
}

void config_text_bad(const char *text, const char *expected)
{
	struct config *c = NULL;
	char *errors;
	const int r = config_text_read(text, &errors, &c);

	ck_assert_msg(r == -EINVAL, "%d instead of: %s", r, expected);
	ck_assert_ptr_null(c);
	ck_assert_msg(strstr(errors, expected) != NULL, "\"%s\" is not in:\n%s", expected, errors);
	free(errors);
}
