/* SPDX-License-Identifier: BSD-2-Clause */
/* feed/secret.h -- tokens, passwords and keys that lie in files.
 *
 * Read anew for each request: whoever renews one tells nobody. Called by the feeder thread, and
 * by main when it checks a configuration.
 */
#ifndef PHONEBOOK_FEED_SECRET_H
#define PHONEBOOK_FEED_SECRET_H

enum {
	SECRET_MAX = 65536, /* octets of the file; Kubernetes' tokens have one or two thousand */
	SECRET_REASON_MAX = 128,
};

/* Reads a secret without the white space behind it, NUL behind; never waits, not even for a pipe. A negative
 * errno and the reason for people if it cannot be read, is no regular file, too large, empty, or has a
 * control character inside, which would end a header; ret then holds nothing of use. */
int secret_read(const char *path, char reason[SECRET_REASON_MAX], char ret[SECRET_MAX + 1]);

/* Whether a file whose content is somebody else's business (a certificate, a key) can be read, as above; of
 * any size, and it does not matter what is in it. 0, or a negative errno and the reason. */
int secret_probe(const char *path, char reason[SECRET_REASON_MAX]);

#endif
