/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A few small files in one: a plain tar (POSIX.1-1988, "ustar"), so that any tar lists and unpacks it. What
 * is read is a stranger's until it has been checked: nothing but regular files with plain names is accepted,
 * and nothing behind the end. Pure; any thread.
 */
#ifndef TM_WIRE_ARCHIVE_H
#define TM_WIRE_ARCHIVE_H

#include "base/err.h"
#include "base/util.h"

enum { ARCHIVE_NAME_MAX = 64 };

struct archive_file {
	/* a-z, 0-9, '.', '-' and '_', not beginning with '.'; what is written, and never read by us, may lie
	 * in a folder, before a '/' */
	char name[ARCHIVE_NAME_MAX + 1];
	const uint8_t *p; /* borrowed */
	size_t n;
};

/* Bytes of an archive of these files. */
size_t archive_size(const struct archive_file *files, size_t n);
/* Writes exactly so many; members have mode 0600. made: Unix seconds. */
void archive_write(const struct archive_file *files, size_t n, int64_t made, uint8_t *out);

struct archive_reader {
	const uint8_t *at, *end; /* borrowed */
};
/*
 * The next file, borrowed from the archive. TM_ENOENT at its proper end; TM_ESHORT: it is cut off;
 * TM_EBADMSG: something that archive_write does not write.
 */
NODISCARD int archive_next(struct archive_reader *r, struct archive_file *ret_file);

#endif
