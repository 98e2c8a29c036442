/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Stands in for the fuzzing engine in the ordinary test run: feeds committed seeds to a fuzz target.
 *
 *   fuzz_x [-option ...] FILE|DIR ...
 *
 * Options of the engine are ignored, so that both builds take the same command line. A directory stands for
 * the files in it. No seed at all is a failure: a target whose seeds got lost must not look tested.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static int complain(const char *path)
{
	fprintf(stderr, "replay: cannot read %s: %s\n", path, strerror(errno));
	return -1;
}

/* The seed sits in an allocation of exactly its size, so that a sanitizer sees every byte read beyond it. */
static int replay_file(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "rb");

	if (!f)
		return complain(path);
	if (fstat(fileno(f), &st) != 0) {
		fclose(f);
		return complain(path);
	}
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size ? size : 1);
	size_t got = data ? fread(data, 1, size, f) : 0;
	fclose(f);
	if (!data || got != size) {
		free(data);
		return complain(path);
	}

	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* In order of names: the same order on every machine. */
static int replay_directory(const char *path, unsigned *count)
{
	struct dirent **entries;
	int n = scandir(path, &entries, not_hidden, alphasort), failed = 0;

	if (n < 0)
		return complain(path);

	for (int i = 0; i < n; i++) {
		char file[4096];
		int len = snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);

		free(entries[i]);
		if (len < 0 || (size_t)len >= sizeof(file)) {
			errno = ENAMETOOLONG;
			failed = complain(path);
		} else if (replay_file(file) != 0) {
			failed = -1;
		} else {
			++*count;
		}
	}
	free(entries);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	int failed = 0;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (argv[i][0] == '-')
			continue;
		if (stat(argv[i], &st) != 0)
			failed |= complain(argv[i]);
		else if (S_ISDIR(st.st_mode))
			failed |= replay_directory(argv[i], &count);
		else if (replay_file(argv[i]) != 0)
			failed = -1;
		else
			count++;
	}
	printf("%u seeds replayed\n", count);
	if (count == 0)
		fprintf(stderr, "replay: no seeds were given, so nothing was tested\n");
	return failed || count == 0;
}
