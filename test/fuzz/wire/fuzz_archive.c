/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The input is an archive. What is read lies inside it and has a plain name, and files that were read to the
 * end make an archive that reads the same. */
#include "fuzz/fuzz.h"
#include "wire/archive.h"

enum { FILES_MAX = 16 };

static void read_again(const struct archive_file *files, size_t n)
{
	size_t size = archive_size(files, n);
	uint8_t *bytes = malloc(size);
	struct archive_file f;

	assert(bytes);
	archive_write(files, n, 1, bytes);
	struct archive_reader r = {bytes, bytes + size};
	for (size_t i = 0; i < n; i++) {
		assert(archive_next(&r, &f) == TM_OK);
		assert(strcmp(f.name, files[i].name) == 0 && f.n == files[i].n);
		assert(f.n == 0 || memcmp(f.p, files[i].p, f.n) == 0);
	}
	assert(archive_next(&r, &f) == TM_ENOENT);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct archive_reader r = {data, data + size};
	struct archive_file files[FILES_MAX];
	size_t n = 0;
	int err = TM_OK;

	while (n < FILES_MAX && !(err = archive_next(&r, &files[n]))) {
		const struct archive_file *f = &files[n++];

		assert(f->p >= data && f->p + f->n <= data + size);
		assert(f->name[0] && f->name[0] != '.' && !strchr(f->name, '/'));
	}
	if (err == TM_ENOENT)
		read_again(files, n);
	return 0;
}
