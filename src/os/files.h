/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Files and folders that are there, and that go away; os/os.h has what reads and writes them. Any thread.
 * After an error errno says more than the result.
 */
#ifndef TM_OS_FILES_H
#define TM_OS_FILES_H

#include "base/diag.h"
#include "base/err.h"
#include "base/util.h"

/* Links are followed. TM_ENOENT: there is none, nor perhaps its folder. Others: that cannot be seen. */
NODISCARD int os_find(const char *path);
struct os_look {
	bool is_file; /* and not a folder, or what else there is */
	uint64_t size;
};
/* The same, and what it is. */
NODISCARD int os_look(const char *path, struct os_look *ret_look);
/* Octets that may still be written where that is; UINT64_MAX: nobody says. */
uint64_t os_room(const char *path);
/* As os_read_file, of what this process was given to read: a file or the end of a pipe. */
NODISCARD int os_read_input(size_t max, char **ret_text, size_t *ret_n, struct diag *d);
/* To be read and written, now, by this process and as its disk is: TM_EPERM. */
NODISCARD int os_may_write(const char *path);
/* An empty one that only its owner may read. TM_EEXIST: there is something already. */
NODISCARD int os_make_file(const char *path);
/* From now on only its owner may read and write it. Best effort. */
void os_keep_private(const char *path);
NODISCARD int os_sync_file(const char *path); /* what was written is on the disk */
/*
 * Takes another name, which is on the disk then. Not that of something that is there, TM_EEXIST, unless the
 * file system has no links: then the caller must be the only one who writes there.
 */
NODISCARD int os_name_file(const char *path, const char *name);
int os_remove_file(const char *path); /* TM_ENOENT: there is none */
int os_remove_dir(const char *path); /* only one that nothing is in */

#endif
