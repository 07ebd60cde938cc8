/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz/replay.c -- sends every file of a corpus directory through a fuzz entry, without libFuzzer: what was
 * once found stays found, in every build and under every sanitizer. Prints TAP. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Reads the file into memory of exactly its size, so that a sanitizer sees the first octet read behind it. */
static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		return -errno;
	fseek(file, 0, SEEK_END);
	const long size = ftell(file);
	rewind(file);

	uint8_t *data = size < 0 ? NULL : malloc((size_t)size);
	int r = size > 0 && data == NULL ? -ENOMEM : 0;
	if (r == 0 && size > 0 && fread(data, 1, (size_t)size, file) != (size_t)size)
		r = -EIO;
	if (r == 0)
		LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	fclose(file);
	return r;
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int n = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;
	int failed = n <= 0; /* an empty corpus proves nothing */

	printf("1..1\n");
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
		free(entries[i]);
		/* Said before, not after: if the entry crashes, this is the last line. */
		printf("# %s\n", path);
		fflush(stdout);
		const int r = replay_file(path);
		if (r < 0) {
			printf("# cannot read it: %s\n", strerror(-r));
			failed = 1;
		}
	}
	if (n >= 0)
		free(entries);
	printf("%sok 1 - %d inputs replayed\n", failed ? "not " : "", n < 0 ? 0 : n);
	return 0;
}
