/* SPDX-License-Identifier: BSD-2-Clause */
/* Secrets, certificates and keys that are not there, or cannot be read by whoever looks. That is no mistake
 * in the configuration: who brings them may come later, and replaces them while we run; they are read for
 * each request, and until then that one registry fails. A file of configuration that is refused for it would
 * take all others down. So these are warnings, and only where somebody has asked for a check: at work the log
 * says it when it matters. */
#include <string.h>

#include "config/tree.h"
#include "feed/secret.h"

static int probe_secret(const char *path, char reason[SECRET_REASON_MAX])
{
	char secret[SECRET_MAX + 1];
	const int r = secret_read(path, reason, secret);

	explicit_bzero(secret, sizeof(secret));
	return r;
}

/* What becomes a header must be good for one; what is in the others is libcurl's to judge. */
static const struct {
	const char *key;
	int (*probe)(const char *path, char reason[SECRET_REASON_MAX]);
} files[] = {
	{ "token-file", probe_secret }, { "password-file", probe_secret }, { "ca-file", secret_probe },
	{ "cert-file", secret_probe },  { "key-file", secret_probe },
};

void config_look_at_files(struct config_tree *t)
{
	char reason[SECRET_REASON_MAX];

	for (struct config_block *b = t->first; b != NULL; b = b->next) {
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
			const char *key = files[i].key;
			const struct config_text *e = config_row_find(b->kind, key) != NULL
							      ? config_block_get(b, key)->first
							      : NULL;

			if (e != NULL && files[i].probe(e->text, reason) < 0)
				config_warn(t, e->file, e->line, "%s: cannot read \"%s\": %s", key, e->text,
					    reason);
		}
	}
}
